#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the live tests share. A test script sources this, defines a function per case, all named
# case_..., and calls run_cases. Every case runs in a subshell and an empty folder of its own, with
# errexit; the processes it started and the folder go when it ends. A case that returns has passed;
# `fail WHY` and `skip WHY` end it otherwise. The output is TAP.
#
# No case asserts how long something takes: the waits below only end what would never end.
#
# Where a processor is emulated, the environment may set
#   GCTAP_PATIENCE  how many times longer than elsewhere things may take
#   GCTAP_EXCLUDED  a file with lines "SCRIPT CASE REASON": cases that are skipped, * for all of a script

. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

GCTAP=$(realpath -m "${GCTAP:-$GCTAP_ROOT/build/gctap}")
GO_PROGRAMS=$(realpath -m "${GCTAP_GO_PROGRAMS:-$GCTAP_ROOT/build/go}")
readonly GCTAP GO_PROGRAMS SKIPPED=77 PATIENCE=${GCTAP_PATIENCE:-1}
readonly LIMIT=$((60 * PATIENCE))
# For programs that the case ends: no case is to see the end of one that outlasts all its waits.
readonly LASTING=$((10 * LIMIT))

export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
unset GODEBUG GOGC GOMEMLIMIT GOMAXPROCS

# ---- How a case ends ----------------------------------------------------------------------------

fail() {
	printf '%s\n' "$*" >"$CASE_FOLDER/why"
	exit 1
}

skip() {
	printf '%s\n' "$*" >"$CASE_FOLDER/why"
	exit "$SKIPPED"
}

# A figure of interest, shown but not judged.
info() { printf '%s\n' "$*" >>"$CASE_FOLDER/info"; }

need() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "$command is not installed"
	done
}

# ---- Checks -------------------------------------------------------------------------------------

same() {
	local what=$1 expected=$2 got=$3
	[[ $expected == "$got" ]] || fail "$what: expected '$expected', got '$got'"
}

matches() {
	local what=$1 pattern=$2 got=$3
	[[ $got =~ $pattern ]] || fail "$what: '$got' does not match '$pattern'"
}

ended_with() { same "exit status of gctap" "$1" "$STATUS"; }

# Trouble is told in one line, and no output is made of it.
one_line_of_trouble() {
	ended_with "${2:-2}"
	same "lines on standard error" 1 "$(wc -l <err)"
	matches "standard error" "^gctap: .*$1" "$(cat err)"
	[[ ! -s out ]] || fail "there is output: $(head -n 1 out)"
}

cycle_lines() { grep -cE '^gc [0-9]+ @' "$1" || true; }

cycle_numbers() { sed -nE 's/^(\[[0-9]+ [^]]*\] )?gc ([0-9]+) @.*/\2/p' "$1"; }

# Numbers on standard input follow each other without a gap; from $1 on, where it is given.
consecutive() {
	local numbers
	numbers=$(awk -v first="${1:-}" '
		NR == 1 && first != "" && $1 != first { print "begins with " $1; exit }
		NR > 1 && $1 != last + 1 { print last " is followed by " $1; exit }
		{ last = $1 }
		END { if (!NR) print "none" }')
	[[ -z $numbers ]] || fail "cycle numbers: $numbers"
}

# What the test program says at its end: "NumGC=60 NumForcedGC=12".
said() { sed -nE "s/.*\b$1=([0-9]+).*/\1/p" "$2"; }

# ---- Processes ----------------------------------------------------------------------------------

# gctap ARG... : in the foreground; what it prints goes to out and err, its exit status to STATUS.
gctap() {
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" "$@" >out 2>err </dev/null || STATUS=$?
}

# start PROGRAM [ARG...] : a test program in the background; its pid goes to PID, what it prints to
# PROGRAM.out and PROGRAM.err. Nicely: most keep every processor busy, and the case has to get its turn.
start() {
	nice "$GO_PROGRAMS/$1" "${@:2}" >>"$1.out" 2>>"$1.err" </dev/null &
	PID=$!
	await runs_or_gone "$PID" "$GO_PROGRAMS/$1"
}

is_running() { [[ /proc/$1/exe -ef $2 ]]; }

runs_or_gone() { is_running "$@" || gone "$1"; }

# threads PID : those that are not the first.
threads() { (cd "/proc/$1/task" && printf '%s\n' *) | grep -vx "$1"; }

has_threads() { threads "$1" >/dev/null; }

# tap ARG... : gctap in the background; TAP is its pid. A shell's background jobs ignore SIGINT.
tap() {
	: >out
	: >err
	env --default-signal=INT "$GCTAP" "$@" >out 2>err </dev/null &
	TAP=$!
}

# hold COMMAND... : a program that waits for a line before it begins; its pid goes to PID.
hold() {
	mkfifo go
	"$@" <go >program.out 2>program.err &
	PID=$!
	exec 9>go
	await says program.out ready
}

let_go() { echo >&9; }

# await COMMAND... : until it succeeds.
await() {
	local deadline=$((SECONDS + LIMIT))
	until "$@"; do
		((SECONDS < deadline)) || fail "waited in vain for: $*"
		sleep 0.05
	done
}

has_lines() { [[ -e $1 ]] && (($(wc -l <"$1") >= $2)); }

says() { grep -qE "$2" "$1" 2>/dev/null; }

gone() { ! kill -0 "$1" 2>/dev/null; }

# await_end PID : STATUS becomes its exit status.
await_end() {
	await gone "$1"
	STATUS=0
	wait "$1" || STATUS=$?
}

# go_program NAME SOURCE : builds a program of one file here, or skips where no Go is installed.
go_program() {
	local goroot
	goroot=${GOROOT:-$(go_system_root)}
	[[ -n $goroot ]] || skip "no Go is installed"
	printf '%s\n' "$2" >"$1.go"
	nice env GOROOT="$goroot" GOTOOLCHAIN=local GOFLAGS= GOENV=off GO111MODULE=off \
		GOCACHE="$GCTAP_CACHE/go-build" "$goroot/bin/go" build -o "$1" "${@:3}" "$1.go"
}

# ---- What gctap could leave behind -----------------------------------------------------------------

readonly CODE_BYTES=16

hex() { od -An -tx1 -v | tr -d ' \n'; }

# The instructions at the probe as the file has them, and as the process has them now. The programs
# have a fixed address, so that the file's addresses are the process's.
code_in_file() {
	local offset
	offset=$("$GCTAP" inspect --json "$1" | jq .probe_file_offset)
	dd if="$1" iflag=skip_bytes skip="$offset" bs=$CODE_BYTES count=1 status=none | hex
}

code_in_process() {
	local address
	address=$("$GCTAP" inspect --json "/proc/$1/exe" | jq .probe_address)
	dd if="/proc/$1/mem" iflag=skip_bytes skip="$address" bs=$CODE_BYTES count=1 status=none | hex
}

no_probe_in() {
	same "code of process $1" "$(code_in_file "/proc/$1/exe")" "$(code_in_process "$1")"
}

has_no_probe() { [[ $(code_in_process "$1") == "$(code_in_file "/proc/$1/exe")" ]]; }

# On x86 a probe is an int3 in place of the first byte; elsewhere a breakpoint instruction.
has_probe() {
	local code
	code=$(code_in_process "$1")
	[[ $code != "$(code_in_file "/proc/$1/exe")" ]] || return 1
	[[ $(uname -m) != x86_64 || $code == cc* ]]
}

# BPF programs of a gctap that no process holds: somebody else's gctap may run at the same time.
programs_left() {
	comm -23 <(bpftool -j prog show 2>/dev/null | jq -r '.[] | select(.name // "" |
			test("^(probe_hit|process_exec|(fentry|tracepoint|tp_btf)_(begin|end))$")).id' | sort) \
		<(grep -hs '^prog_id:' /proc/[0-9]*/fdinfo/* | awk '{ print $2 }' | sort -u)
}

# Probes in tracefs stay when their maker ends; gctap makes none.
probes_in_tracefs() { cat /sys/kernel/tracing/uprobe_events /sys/kernel/debug/tracing/uprobe_events 2>/dev/null; }

is_clean() { [[ -z $(programs_left) && -z $(probes_in_tracefs) ]]; }

# nothing_left [PID] : in the kernel, and in the process. The kernel cleans up in its own time.
nothing_left() {
	await is_clean
	[[ -z ${1:-} ]] || no_probe_in "$1"
}

# ---- Running the cases --------------------------------------------------------------------------

# Why live tests cannot run here; nothing if they can.
live_absent() {
	if ((EUID != 0)); then
		echo "needs root"
	elif [[ ! -r /sys/kernel/btf/vmlinux ]]; then
		echo "the kernel has no BTF"
	elif [[ ! -r /sys/bus/event_source/devices/uprobe/type ]]; then
		echo "the kernel has no uprobes for perf"
	elif ! grep -qE '^CapEff:\s+[0-9a-f]{6}[cef]' /proc/self/status; then
		echo "root here has no CAP_BPF and CAP_PERFMON"
	elif [[ ! -x $GCTAP ]]; then
		echo "$GCTAP is not built"
	elif [[ ! -x $GO_PROGRAMS/churn ]]; then
		echo "the test programs are not built (tests/go/build build/go)"
	fi
}

live_clean() {
	local pid
	trap - ERR
	set +e
	for pid in $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null
	done
	wait
} 2>/dev/null

show() { sed 's/^/# /' "$1"; }

show_failure() {
	local file
	tail -n 20 "$CASE_FOLDER/log" | sed 's/^/# /'
	for file in "$CASE_FOLDER"/files/{out,err}; do
		if [[ -s $file ]]; then
			echo "# ${file##*/}, its last lines:"
			tail -n 5 "$file" | cut -c 1-300 | sed 's/^/#   /'
		fi
	done
}

run_case() {
	local function=$1 number=$2 status why name
	name="${0##*/}: ${function#case_}"
	name=${name//_/ }
	CASE_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/gctap-live.XXXXXX")
	mkdir "$CASE_FOLDER/files"
	chmod 755 "$CASE_FOLDER" "$CASE_FOLDER/files"
	(
		set -Eeuo pipefail
		cd "$CASE_FOLDER/files"
		trap live_clean EXIT
		trap 'echo "$BASH_COMMAND: failed in line $LINENO" >&2' ERR
		"$function"
	) >"$CASE_FOLDER/log" 2>&1
	status=$?
	why=$(cat "$CASE_FOLDER/why" 2>/dev/null || tail -n 1 "$CASE_FOLDER/log")
	case $status in
	0) echo "ok $number - $name" ;;
	"$SKIPPED") echo "ok $number - $name # SKIP $why" ;;
	*)
		echo "not ok $number - $name: ${why:-status $status}"
		show_failure
		;;
	esac
	[[ ! -e $CASE_FOLDER/info ]] || show "$CASE_FOLDER/info"
	rm -rf -- "$CASE_FOLDER"
	((status == 0 || status == SKIPPED))
}

# Why this script's case is left out here; nothing if it is not.
excluded() {
	[[ -z ${GCTAP_EXCLUDED:-} ]] || awk -v script="${0##*/}" -v wanted="$1" '
		$1 == script && ($2 == "*" || $2 == wanted) { sub(/^[^ ]+ +[^ ]+ +/, ""); print; exit }' "$GCTAP_EXCLUDED"
}

# The keys of each object, all the way down, and the types of all values, are those of `gctap schema`.
readonly SCHEMA_CHECK='
	def of_type($types):
		($types | if type == "array" then . else [.] end) as $allowed
		| type as $is
		| ($allowed | index($is)) != null
			or ($is == "number" and ($allowed | index("integer")) != null and . == floor);
	def against($schema; $path):
		if ($schema | has("const")) then select(. != $schema.const) | "\($path) is \(.)"
		elif $schema.type != null and (of_type($schema.type) | not) then "\($path) is \(.)"
		elif type == "object" then
			(keys - ($schema.properties | keys) | select(. != []) | "\($path) has \(.)"),
			(($schema.required // []) - keys | select(. != []) | "\($path) lacks \(.)"),
			(to_entries[] | .key as $key | select($schema.properties[$key] != null)
				| .value | against($schema.properties[$key]; "\($path).\($key)"))
		elif type == "array" then .[] | against($schema.items // {}; "\($path)[]")
		else empty
		end;
	($schema[0].oneOf | map({key: .properties.type.const, value: .}) | from_entries) as $types
	| .type as $type
	| if $types[$type] == null then "no type \($type)" else against($types[$type]; $type) end'

as_the_schema_says() {
	"$GCTAP" schema >schema.json
	jq -r --slurpfile schema schema.json "$SCHEMA_CHECK" "$1" >complaints || fail "$1 cannot be read by jq"
	[[ ! -s complaints ]] || fail "$(head -n 3 complaints)"
}

# Of this script, in its order; with an argument, those in the section of that heading.
script_cases() {
	awk -v wanted="${1:-}" '
		sub(/^# ---- /, "") { sub(/ -+$/, ""); section = $0 }
		match($0, /^case_[a-z0-9_]+\(\)/) && (wanted == "" || section == wanted) { print substr($0, 1, RLENGTH - 2) }' "$0"
}

# Runs the cases in the order of the script, or those that are named on the command line, or after
# --section the heading of one: those below it. --list HEADING tells their names.
run_cases() {
	local cases absent why number=0 failed=0 function name
	if [[ ${1:-} == --list ]]; then
		script_cases "${2:-}"
		return
	fi
	if [[ ${1:-} == --section ]]; then
		mapfile -t cases < <(script_cases "$2")
	elif (($# > 0)); then
		cases=("$@")
	else
		mapfile -t cases < <(script_cases)
	fi
	((${#cases[@]} > 0)) || die "no cases: $*"
	absent=$(live_absent)
	echo "1..${#cases[@]}"
	for function in "${cases[@]}"; do
		number=$((number + 1))
		why=${absent:-$(excluded "$function")}
		if [[ -n $why ]]; then
			name=${function#case_}
			echo "ok $number - ${0##*/}: ${name//_/ } # SKIP $why"
		else
			# Not in a condition: errexit would not count in there.
			run_case "$function" "$number"
			failed=$((failed | $?))
		fi
	done
	exit "$failed"
}
