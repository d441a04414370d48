#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# --trigger: why each cycle began, and from which line of the program.
. "$(dirname "$0")/lib.sh"

# trigger REASON-OF-triggers TRIGGER FUNCTION : all cycles but few must say so. A cycle more may come
# for another reason (a heap that grows between forced cycles), and the stack of one that a worker
# ended first cannot be told.
trigger() {
	local reason=$1 trigger=$2 function=$3
	need jq
	gctap trace --trigger --json -o trace.json -- "$GO_PROGRAMS/triggers" -cycles 30 "$reason"
	ended_with 0
	jq -c 'select(.type == "gc_cycle") | [.trigger, .trigger_function]' trace.json | sort | uniq -c | sort -rn >reasons
	info "$reason: $(awk '{ print $2 " x" $1 }' reasons | paste -sd ' ')"
	jq -es --arg trigger "$trigger" --arg function "$function" '
		map(select(.type == "gc_cycle")) as $cycles
		| ($cycles | map(select(.trigger == $trigger and .trigger_function == $function)) | length) as $right
		| ($cycles | length) >= 30 and $right >= 0.9 * ($cycles | length)' trace.json >/dev/null ||
		fail "the most frequent is $(head -n 1 reasons)"
	# The line is one of the function's, not of what the compiler put into it.
	same "source files" main.go "$(jq -r "select(.trigger_function == \"$function\").trigger_file" trace.json |
		xargs -n 1 basename | sort -u | paste -sd ' ')"
	jq -es --arg function "$function" 'map(select(.trigger_function == $function))
		| all(.trigger_line > 0 and (.trigger_stack | index($function)) != null)' trace.json >/dev/null ||
		fail "a cycle of $function has no line, or a stack without that function"
}

case_heap_goal() { trigger heap heap_goal main.allocateMuch; }

case_runtime_gc() { trigger gc runtime.GC main.collectNow; }

case_free_os_memory() { trigger free debug.FreeOSMemory main.giveBack; }

case_memory_limit() {
	need jq
	"$GCTAP" inspect --json "$GO_PROGRAMS/triggers" | jq -e '.go_version | capture("go1\\.(?<minor>[0-9]+)").minor
		| tonumber >= 19' || skip "the test programs are from a Go before 1.19, which has no memory limit"
	export GOGC=off GOMEMLIMIT=20MiB
	trigger limit memory_limit main.allocateMuch
}

case_in_the_text_lines() {
	gctap trace --trigger -o lines -- "$GO_PROGRAMS/triggers" -cycles 10 gc
	ended_with 0
	same "lines" 10 "$(grep -cE '^gc [0-9]+ @.* \(forced\) <- runtime\.GC, main\.collectNow .*/main\.go:[0-9]+$' lines)"
}

case_of_a_running_process() {
	start spin -seconds "$LASTING"
	gctap trace --trigger -p "$PID" -n 20
	ended_with 0
	cycle_numbers out | consecutive
	# The compiler may have put the function that allocates into its caller. The first cycle may have
	# begun before gctap came.
	same "other reasons" 0 "$(sed 1d out | grep -cvE ' <- heap_goal, main\.(allocateBatch|main) .*/main\.go:[0-9]+$' || true)"
}

run_cases "$@"
