#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whatever becomes of gctap, the target runs on, and nothing of gctap stays behind.
. "$(dirname "$0")/lib.sh"

# Program and link ids in the kernel that are a gctap's.
programs_of_gctap() { bpftool -j prog show 2>/dev/null | jq -r '.[] | select(.name == "probe_hit").id' | sort; }

links_of_gctap() {
	local id
	for id in $(programs_of_gctap); do
		bpftool -j link show 2>/dev/null | jq -r --argjson id "$id" '.[] | select(.prog_id == $id).id'
	done | sort
}

# Ids do not come twice: those that were there before are another gctap's.
nothing_new_in_the_kernel() {
	[[ -z $(comm -13 programs.before <(programs_of_gctap)) && -z $(comm -13 links.before <(links_of_gctap)) ]]
}

remember_the_kernel() {
	need jq bpftool
	programs_of_gctap >programs.before
	links_of_gctap >links.before
}

still_collects() {
	local before
	before=$(context_switches "$1")
	await more_switches "$1" "$before"
	gctap trace -p "$1" -n 5
	ended_with 0
}

context_switches() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }

more_switches() { (($(context_switches "$1") > $2)); }

case_probe_comes_and_goes() {
	remember_the_kernel
	start spin -seconds "$LASTING"
	no_probe_in "$PID"
	tap trace -p "$PID"
	await has_lines out 5
	has_probe "$PID" || fail "no probe in the process: $(code_in_process "$PID")"
	[[ -n $(comm -13 programs.before <(programs_of_gctap)) ]] || fail "bpftool shows no probe_hit"
	kill -INT "$TAP"
	await_end "$TAP"
	no_probe_in "$PID"
	await nothing_new_in_the_kernel
	still_collects "$PID"
}

# The kernel cleans up behind the dead one in its own time.
case_gctap_is_killed() {
	remember_the_kernel
	start spin -seconds "$LASTING"
	tap trace --trigger -p "$PID"
	await has_lines out 5
	has_probe "$PID" || fail "no probe in the process"
	kill -KILL "$TAP"
	await_end "$TAP"
	await has_no_probe "$PID"
	await nothing_new_in_the_kernel
	still_collects "$PID"
}

case_gctap_is_killed_while_tracing_a_file() {
	remember_the_kernel
	start spin -seconds "$LASTING"
	tap trace -x "$GO_PROGRAMS/spin"
	await has_lines out 5
	kill -KILL "$TAP"
	await_end "$TAP"
	await has_no_probe "$PID"
	await nothing_new_in_the_kernel
	still_collects "$PID"
}

case_gctap_is_killed_and_its_command_runs_on() {
	local child
	remember_the_kernel
	tap trace -o lines -- "$GO_PROGRAMS/spin" -seconds $((3 * PATIENCE))
	await has_lines lines 5
	child=$(pgrep -P "$TAP" -x spin)
	kill -KILL "$TAP"
	await_end "$TAP"
	await has_no_probe "$child"
	await gone "$child"
	says out '^NumGC=' || fail "the command did not come to its end"
}

# The command is held before its exec; without gctap it must never run.
case_gctap_is_killed_before_its_command_runs() {
	local delay
	for delay in 0.001 0.005 0.01 0.02 0.03; do
		tap trace -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
		sleep "$delay"
		pgrep -P "$TAP" >children || true
		kill -KILL "$TAP"
		await_end "$TAP"
		while read -r PID; do
			await runs_or_gone "$PID" "$GO_PROGRAMS/spin"
			kill -KILL "$PID" 2>/dev/null || true
		done <children
	done
}

case_gctap_is_stopped_for_a_while() {
	start spin -seconds "$LASTING"
	tap trace --json -p "$PID" --buffer 4
	await has_lines out 20
	kill -STOP "$TAP"
	sleep 1
	kill -CONT "$TAP"
	sleep 0.5
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	kill -0 "$PID" || fail "the process has ended"
	# What was lost meanwhile is told.
	same "cycles seen and missing make one run" true "$(jq -s '
		(map(select(.type == "gc_cycle").cycle) | max - min + 1 - length)
			== (map(select(.type == "gap").missing) | add // 0)' out)"
	info "$(tail -n 1 out | jq -r '"\(.cycles) cycles, \(.missing_cycles) missing, \(.gaps) gaps"')"
}

case_signals_and_threads_of_the_target_are_not_disturbed() {
	start churn -cycles $((300 / PATIENCE)) -forced-every 3
	tap trace -p "$PID"
	await says err 'cycles so far'
	while ! gone "$PID"; do
		kill -URG "$PID" 2>/dev/null || true
		sleep 0.01
	done
	await_end "$PID"
	ended_with 0
	await_end "$TAP"
	ended_with 0
	cycle_numbers out | consecutive
}

# gctap takes as many descriptors as it may have; the command gets the limit of whoever started gctap.
case_the_limit_of_descriptors_of_a_command() {
	local before
	ulimit -Sn 512
	before=$(ulimit -Sn)
	gctap madvise -o sums -- sh -c 'ulimit -Sn'
	ended_with 0
	same "limit of the command" "$before" "$(cat out)"
}

# Learning from the binary takes some megabytes for a moment, and gctap may stay for weeks.
case_memory_that_was_needed_at_the_start_is_given_back() {
	local own
	start spin -seconds "$LASTING"
	tap trace --scav --madvise -p "$PID" -o lines
	await has_lines lines 5
	own=$(awk '$1 == "RssAnon:" { print $2 }' "/proc/$TAP/status")
	info "$own kB of its own"
	((own < 6000)) || fail "gctap has kept $own kB of memory of its own"
}

run_cases "$@"
