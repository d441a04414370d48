#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Lines of what the runtime gives back: the runtime's own, in their form of each Go version, Go 1.13's,
# and the records behind them, held against each other, the runtime and the kernel.
. "$(dirname "$0")/lib.sh"

# The minor version of the Go that the test programs were built with, as gctap says it: 19.
go_minor() { sed -nE 's/^gctap: .*, go1\.([0-9]+).*/\1/p' err | head -n 1; }

# The lines of sweeps and of debug.FreeOSMemory as this version has them, with numbers or "?".
scav_pattern() {
	local number='([0-9]+|\?)'
	if (($1 < 19)); then
		echo "^scav $number $number KiB work, $number KiB total, $number% util( \(forced\))?\$"
	elif (($1 < 21)); then
		echo "^scav $number KiB work, $number KiB total, $number% util( \(forced\)| \[controller reset\])?\$"
	else
		echo "^scav $number KiB work \(bg\), $number KiB work \(eager\), $number KiB now, $number% util( \(forced\)| \[controller reset\])?\$"
	fi
}

# "131144 KiB work": what was given back; the rest of a line are gauges that move while it is printed.
work_of() { sed -nE 's/^scav (.* work( \(eager\))?), .* util(.*)/\1\3/p'; }

scavenges() { jq -c 'select(.type == "scavenge")' "$1"; }

case_lines_have_the_form_of_the_version() {
	gctap trace --scav -o lines -- "$GO_PROGRAMS/forced"
	ended_with 0
	same "cycle lines" 1 "$(cycle_lines lines)"
	same "forced lines" 1 "$(grep -cE '^scav .* \(forced\)$' lines)"
	(($(grep -c '^scav ' lines) >= 2)) || fail "no line of the sweep: $(cat lines)"
	same "lines of another form" 0 "$(grep -v '^gc ' lines | grep -cvE "$(scav_pattern "$(go_minor)")" || true)"
	gctap trace -o lines -- "$GO_PROGRAMS/forced"
	same "lines that were not asked for" 0 "$(grep -c '^scav' lines || true)"
}

case_lines_say_what_the_runtime_says() {
	local program
	for program in forced background; do
		GODEBUG=scavtrace=1 gctap trace --scav -o lines -- "$GO_PROGRAMS/$program"
		ended_with 0
		work_of <lines >ours
		grep -a '^scav ' err | work_of >theirs
		(($(wc -l <ours) >= 2)) || fail "$program: $(cat lines)"
		cmp -s ours theirs || fail "$program: $(diff ours theirs | grep '^[<>]' | paste -sd ' ')"
		info "$program: $(wc -l <ours) lines"
	done
}

case_the_forced_record_says_the_same_as_its_line() {
	local record work
	need jq
	gctap trace --scav --json -o trace.json -- "$GO_PROGRAMS/forced"
	ended_with 0
	same "records" "$(jq 'select(.type == "totals").scavenges' trace.json)" "$(scavenges trace.json | wc -l)"
	record=$(scavenges trace.json | jq -c 'select(.forced)')
	same "forced records" 1 "$(wc -l <<<"$record")"
	matches "text" "$(scav_pattern "$(go_minor)")" "$(jq -r .text <<<"$record")"
	work=$(jq -r .text <<<"$record" | grep -oE '[0-9]+ KiB (total|now)|[0-9]+% util|[1-9][0-9]* KiB work')
	same "numbers of the text" "$(jq -r '"\(.released_bytes / 1024 | floor) KiB work",
		"\(.heap_released_bytes / 1024 | floor) KiB", "\(.utilization_percent)% util"' <<<"$record" | paste -sd ,)" \
		"$(sed -E 's/ (total|now)$//' <<<"$work" | paste -sd ,)"
	jq -e --argjson asked "$(said asked_bytes out)" '.released_bytes >= $asked and .released_bytes < $asked * 1.1
		and .heap_released_bytes >= .released_bytes and .unknown == [] and .runtime_prints == false' <<<"$record" ||
		fail "$record"
}

# ---- The form of Go 1.13 ------------------------------------------------------------------------

# Two of us at the same program see the same numbers: one shows the form, the other the fields.
case_scvg_is_made_of_the_fields() {
	local second
	need jq
	hold "$GO_PROGRAMS/forced" -wait
	tap trace --scav --json -o trace.json -p "$PID"
	await says err "^gctap: $PID "
	"$GCTAP" trace --format scvg -o lines -p "$PID" 2>second.err </dev/null &
	second=$!
	await says second.err "^gctap: $PID "
	let_go
	await_end "$TAP"
	ended_with 0
	await_end "$second"
	ended_with 0
	# A sweep line whose work is not known has "?" there.
	scavenges trace.json | jq -r '
		def mega: if . == null then "?" else . / 1048576 | floor | tostring end;
		select(.released_bytes != 0)
		| (if .forced then "forced scvg: " else "scvg: " end) as $name
		| (.heap_free_bytes + .heap_released_bytes) as $idle
		| (.heap_in_use_bytes + $idle) as $sys
		| "\($name)\(.released_bytes | mega) MB released",
			"\($name)inuse: \(.heap_in_use_bytes | mega), idle: \($idle | mega), sys: \($sys | mega), released: \(.heap_released_bytes | mega), consumed: \($sys - .heap_released_bytes | mega) (MB)"' >expected
	grep scvg lines >got || true
	same "lines" "$(paste -sd '|' expected)" "$(paste -sd '|' got)"
	same "lines of the forced one" 2 "$(grep -c '^forced scvg: ' got)"
	grep -qE '^forced scvg: 128 MB released$' got || fail "$(cat got)"
	# The cycles stay as they are, and nothing else is there.
	same "other lines" 1 "$(grep -cv scvg lines)"
	same "cycle lines" 1 "$(cycle_lines lines)"
}

# ---- From the middle ----------------------------------------------------------------------------

# The runtime counts from the program's start where it does not print: what is new since the line
# before is known from the second line on. Old versions count anew for each line.
case_a_running_process_has_an_unknown_first_line() {
	need jq
	hold "$GO_PROGRAMS/background" -wait
	tap trace --scav --json -o trace.json -p "$PID"
	await says err "^gctap: $PID "
	let_go
	await_end "$TAP"
	ended_with 0
	scavenges trace.json >records
	(($(wc -l <records) >= 3)) || fail "$(wc -l <records) records"
	if (($(go_minor) < 19)); then
		same "records with unknown work" 0 "$(jq -s 'map(select(.released_bytes == null)) | length' records)"
		return
	fi
	same "what is known of the work" "null,number" "$(jq -r '.released_bytes | type' records | uniq | paste -sd ,)"
	head -n 1 records | jq -r .text | grep -qE '^scav \? KiB work' || fail "$(head -n 1 records | jq -r .text)"
	head -n 1 records | jq -e '.unknown | index("released_background_bytes") != null' ||
		fail "unknown: $(head -n 1 records | jq -c .unknown)"
	same "question marks in the others" 0 "$(sed 1d records | jq -r .text | grep -c '?' || true)"
}

# ---- Against the kernel -------------------------------------------------------------------------

# What all lines together say the background scavenger has given back is what the kernel was asked for
# by it up to the last line. The program is quiet before that one; should the time that it looks on
# have been too short for that, what it released in the last moments may be in the next line.
case_the_background_work_is_what_the_kernel_was_asked_for() {
	local child trace lines asked late
	need jq
	mkfifo go
	"$GCTAP" trace --scav --json -o trace.json -- "$GO_PROGRAMS/background" -wait <go >program.out 2>trace.err &
	trace=$!
	exec 9>go
	await says program.out ready
	child=$(pgrep -P "$trace" -x background)
	tap madvise --events --json -o calls.json -p "$child"
	await says err "^gctap: $child "
	let_go
	await_end "$trace"
	ended_with 0
	await_end "$TAP"
	ended_with 0
	same "calls that are missing" '[0,0]' \
		"$(jq -c 'select(.type == "totals") | [.madvise_calls_lost, .madvise_events_dropped]' calls.json)"
	same "records with unknown work" 0 "$(scavenges trace.json | jq -s 'map(select(.released_bytes == null)) | length')"
	scavenges trace.json | jq -r 'select(.forced | not) | "\(.released_background_bytes / 1024 | floor)"' >records
	same "work in the lines" "$(paste -sd ' ' records)" \
		"$(scavenges trace.json | jq -r .text | sed -nE 's/^scav ([0-9]+ )?([0-9]+) KiB work.*/\2/p' | paste -sd ' ')"
	lines=$(scavenges trace.json | jq -s 'map(.released_background_bytes // 0) | add')
	read -r asked late < <(scavenges trace.json | jq -s 'last.ktime_ns' | jq -rs --slurpfile calls calls.json '
		.[0] as $until
		| [$calls[] | select(.type == "madvise_call" and .cause == "background" and .releases and .error == null)] as $all
		| [$all[] | select(.ktime_ns + .duration_ns <= $until)] as $before
		| [$before[] | select(.ktime_ns > $until - 250e6) | .asked_bytes] as $late
		| "\($before | map(.asked_bytes) | add // 0) \($late | add // 0)"')
	info "lines $lines, kernel $asked, of these $late in the last moments"
	((lines > 0)) || fail "the lines say that nothing was given back"
	((lines <= asked && lines >= asked - late)) || fail "lines $lines, kernel $asked, of these $late in the last moments"
}

# ---- Formats ------------------------------------------------------------------------------------

column() {
	awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i } NR > 1 { print $at }' "$1"
}

case_csv() {
	gctap trace --format csv:scavenge -o table.csv -- "$GO_PROGRAMS/forced"
	ended_with 0
	matches "heading" '^ktime_ns,wall_ns,pid,' "$(head -n 1 table.csv)"
	sed -E 's/"([^"]|"")*"//g' table.csv >bare.csv
	same "numbers of columns" 1 "$(awk -F, '{ print NF }' bare.csv | sort -u | wc -l)"
	matches "which are forced" '^(false,)+true$' "$(column bare.csv forced | paste -sd ,)"
	(($(column bare.csv released_bytes | tail -n 1) >= $(said asked_bytes out))) || fail "$(cat table.csv)"
}

case_wrong_arguments() {
	gctap trace --format scvg
	ended_with 2
	matches "standard error" '^gctap trace: [^'$'\n'']*what is to be traced' "$(cat err)"
	gctap trace --format csv:nonsense -p 1
	ended_with 2
	matches "standard error" '^gctap trace: [^'$'\n'']*nonsense' "$(cat err)"
}

run_cases "$@"
