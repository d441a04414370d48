#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Running processes, named by pid or by their file, also those to come.
. "$(dirname "$0")/lib.sh"

# Starts a program that collects until the case ends and lets it make some cycles.
start_spin() {
	start spin -seconds "$LASTING"
	sleep 0.3
}

case_to_a_running_process() {
	local so_far first
	start_spin
	gctap trace -p "$PID" -n 50
	ended_with 0
	cycle_numbers out | consecutive
	so_far=$(sed -nE "s/^gctap: $PID \(spin\): .*, go1[^,]*, ([0-9]+) cycles so far$/\1/p" err)
	first=$(cycle_numbers out | head -n 1)
	[[ -n $so_far ]] || fail "no word of the cycles so far: $(cat err)"
	# The count is read after the probe is in place: cycles may end between the two.
	((so_far > 0 && first <= so_far + 1 && so_far < first + 50)) ||
		fail "$so_far cycles so far, and the first line is of cycle $first"
	# Nothing in front of the line when there is only one process.
	grep -qE '^gc [0-9]+ @' out || fail "a lone process has a prefix: $(head -n 1 out)"
}

case_twice_at_the_same_time() {
	start_spin
	tap trace -p "$PID" -n 200 -o first
	gctap trace -p "$PID" -n 50
	ended_with 0
	cycle_numbers out | consecutive
	await_end "$TAP"
	ended_with 0
	cycle_numbers first | consecutive
}

case_to_two_processes() {
	local first second pid
	start_spin
	first=$PID
	start_spin
	second=$PID
	gctap trace -p "$first" -p "$second" -d 1.5
	ended_with 0
	for pid in "$first" "$second"; do
		grep "^\[$pid spin\] gc " out >"$pid" || fail "no line of process $pid"
		cycle_numbers "$pid" | consecutive
	done
	same "lines without a prefix" 0 "$(grep -cvE "^\[($first|$second) spin\] gc [0-9]+ @" out || true)"
}

case_to_a_file_processes_before_and_after() {
	local before after
	start_spin
	before=$PID
	tap trace -x "$GO_PROGRAMS/spin"
	await has_lines out 5
	start spin -seconds 1
	after=$PID
	await_end "$after"
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	grep "^\[$before spin\] gc " out | cycle_numbers - | consecutive
	grep "^\[$after spin\] gc " out | cycle_numbers - | consecutive 1
	same "lines without a prefix" 0 "$(grep -cvE '^\[[0-9]+ spin\] gc [0-9]+ @' out || true)"
}

# One process of a binary after the other, some with a pid that was in use before: each has numbers
# of its own, and where one begins nothing is missing.
case_short_processes_each_with_their_own_numbers() {
	local count pid
	need jq
	tap trace --json -o trace.json -x "$GO_PROGRAMS/backtoback"
	await says err 'every process of it'
	for count in 3 9 5 7 4; do
		start backtoback -cycles "$count"
		await_end "$PID"
		printf '%s %s\n' "$PID" "$count" >>expected
	done
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	while read -r pid count; do
		same "cycles of process $pid" "$(seq -s, "$count")" "$(jq -s --argjson pid "$pid" -r '
			[.[] | select(.type == "gc_cycle" and .pid == $pid).cycle | tostring] | join(",")' trace.json)"
	done <expected
	same "gaps" 0 "$(jq 'select(.type == "totals").gaps' trace.json)"
	same "processes" 5 "$(jq 'select(.type == "totals").processes' trace.json)"
	same "ends" '["exited"]' \
		"$(jq -sc '[.[] | select(.type == "process_end").reason] | unique' trace.json)"
}

case_to_a_binary_that_was_deleted() {
	cp "$GO_PROGRAMS/spin" mine
	./mine -seconds "$LASTING" >mine.out &
	PID=$!
	await is_running "$PID" mine
	rm mine
	gctap trace -p "$PID" -n 20
	ended_with 0
	cycle_numbers out | consecutive
	says err '\(deleted\)' || fail "no word of the deletion: $(cat err)"
}

# A new file under the old name, as a deployment leaves it, is another file.
case_to_a_binary_that_was_replaced() {
	cp "$GO_PROGRAMS/spin" mine
	./mine -seconds "$LASTING" >mine.out &
	PID=$!
	await is_running "$PID" mine
	rm mine
	cp "$GO_PROGRAMS/churn" mine
	gctap trace -p "$PID" -n 20
	ended_with 0
	cycle_numbers out | consecutive
}

case_to_a_file_through_a_symbolic_link() {
	start_spin
	ln -s "$GO_PROGRAMS/spin" link
	gctap trace -x link -n 10
	ended_with 0
	grep -q "^\[$PID spin\] gc " out
}

case_to_a_process_that_has_no_cycles_yet() {
	mkfifo go
	"$GO_PROGRAMS/backtoback" -wait -cycles 30 <go >program.out &
	PID=$!
	exec 9>go
	await says program.out ready
	tap trace -p "$PID"
	await says err ', 0 cycles so far'
	echo >&9
	await_end "$TAP"
	ended_with 0
	cycle_numbers out | consecutive 1
	same "lines" 30 "$(cycle_lines out)"
}

case_to_a_process_that_runs_with_gctrace_on() {
	GODEBUG=gctrace=1 start backtoback -cycles 2000
	gctap trace -p "$PID"
	ended_with 0
	await_end "$PID"
	((STATUS == 0)) || fail "the program ended with $STATUS"
	# What it printed while it was traced, byte for byte; the runtime may lose its very last line.
	grep -aE '^gc [0-9]+ @.* P( \(forced\))?$' backtoback.err | sort >theirs
	sort out >ours
	(($(wc -l <ours) > 100)) || fail "only $(wc -l <ours) lines"
	same "lines that only gctap has" 0 "$(comm -13 theirs ours | grep -cv '^gc 2000 ' || true)"
}

case_how_many_run_a_file() {
	cp "$GO_PROGRAMS/quiet" ./quiet
	gctap trace -d 0.1 -x ./quiet
	ended_with 0
	says err 'now \(0 that gctap can see\) and later' || fail "$(cat err)"
	GOMAXPROCS=1 ./quiet >/dev/null &
	GOMAXPROCS=1 ./quiet >/dev/null &
	await is_running $! quiet
	gctap trace -d 0.1 -x ./quiet
	ended_with 0
	says err 'now \(2 that gctap can see\) and later' || fail "$(cat err)"
}

case_in_a_time_namespace() {
	need unshare
	unshare --time --fork --boottime 1000 true 2>/dev/null || skip "no time namespace can be made here"
	start spin -seconds "$LASTING"
	STATUS=0
	unshare --time --fork --boottime 1000 "$GCTAP" trace -n 1 -p "$PID" >out 2>err || STATUS=$?
	ended_with 2
	same "lines of trouble" 1 "$(wc -l <err)"
	matches "standard error" 'time namespace' "$(cat err)"
}

# Of a file that processes of another pid namespace run as well: they have no number here.
case_processes_of_another_pid_namespace() {
	need unshare jq
	unshare --pid --fork --mount-proc true 2>/dev/null || skip "no pid namespace can be made here"
	start spin -seconds "$LASTING"
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" unshare --pid --fork --mount-proc bash -c "
		'$GO_PROGRAMS/backtoback' -cycles 2000 >/dev/null &
		exec '$GCTAP' trace --json -x '$GO_PROGRAMS/spin' -x '$GO_PROGRAMS/backtoback' -d 3" >out 2>err </dev/null || STATUS=$?
	ended_with 0
	same "words of it" 1 "$(grep -c 'not of gctap.s pid namespace' err)"
	same "records of number 0" 0 "$(jq -c 'select(.pid == 0)' out | wc -l)"
	same "programs that were seen" 1 "$(jq -r 'select(.type == "process").exe' out | sort -u | grep -c backtoback)"
}

run_cases "$@"
