# SPDX-License-Identifier: BSD-2-Clause
#
# What a machine said, as tests/vm/init has it, to a line per test: kernel, suite, verdict, test,
# reason, with tabs between them. `version` is the kernel, `status` how qemu ended. A suite that did
# not tell all that it announced, or ended badly without a failed test, has failed, too.

function flush() {
	if (test != "") {
		printf "%s\t%s\t%s\t%s\t%s\n", version, suite, verdict, test, why
		failed += verdict == "FAILED"
		rows++
	}
	test = ""
}

function row(new_verdict, new_test, new_why) {
	flush()
	verdict = new_verdict
	test = new_test
	why = new_why
	told = new_why != ""
	said = ""
}

BEGIN { suite = "machine" }

{ sub(/\r$/, "") }

$1 == "suite" {
	flush()
	suite = $2
	rows = failed = planned = 0
	said = ""
	next
}

/^1\.\.[0-9]+$/ {
	planned = substr($0, 4) + 0
	next
}

# cmocka calls what it skipped not ok, and says why in a line of its own before.
/^not ok [0-9]+ # SKIP / {
	row("skipped", $6, said == "" ? "no reason given" : said)
	next
}

/^(not )?ok [0-9]+ - / {
	ok = $1 == "ok"
	sub(/^(not )?ok [0-9]+ - ([a-z_]+\.sh: )?/, "")
	if (ok && match($0, / # SKIP ?/))
		row("skipped", substr($0, 1, RSTART - 1), substr($0, RSTART + RLENGTH))
	else if (!ok && match($0, /: /))
		row("FAILED", substr($0, 1, RSTART - 1), substr($0, RSTART + 2))
	else
		row(ok ? "ok" : "FAILED", $0, "")
	next
}

/^# (not )?ok - / { next }

# cmocka says behind a failure what it was.
/^# / {
	if (test != "" && verdict == "FAILED" && !told)
		why = why (why == "" ? "" : ", ") substr($0, 3)
	next
}

$1 == "status" && $2 ~ /^[0-9]+$/ {
	flush()
	if (!planned || rows < planned)
		row("FAILED", "comes to its end", "status " $2 " after " rows " of " planned " tests")
	else if ($2 != 0 && !failed)
		row("FAILED", "comes to its end", "status " $2)
	flush()
	next
}

$1 == "finished" {
	finished = 1
	next
}

/[^ ]/ { said = $0 }

END {
	flush()
	if (!finished) {
		row("FAILED", "comes to its end", "the machine stopped: qemu or timeout ended with " status)
		flush()
	}
}
