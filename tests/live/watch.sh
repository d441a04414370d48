#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# gctap why --watch: what grows is named, with its slope, and what does not is not.
. "$(dirname "$0")/lib.sh"

readonly WATCH=${WATCH:-15}

watch() {
	need jq
	start leaking "$1"
	await says leaking.out ready
	gctap why --watch "$WATCH" --json -p "$PID"
	ended_with 0
	info "$(jq -c '[.trends.cycles, .trends.live.direction, .trends.stacks.direction, .verdicts[0].evidence]' out)"
	# Fewer collections than it takes to say something: the machine had no time for the program.
	(($(jq .trends.cycles out) >= 14)) || skip "the program made $(jq .trends.cycles out) collections only"
}

verdict() { jq -r '.verdicts[0].name' out; }

case_a_heap_that_leaks() {
	watch heap
	same "first verdict" heap_leak "$(verdict)"
	same "it is a leak" true "$(jq '.verdicts[0].leak' out)"
}

case_goroutines_that_leak() {
	watch goroutines
	same "goroutines are among the leaks" true "$(jq '[.verdicts[] | select(.leak).name] | index("goroutine_leak") != null' out)"
}

case_a_healthy_program() {
	watch nothing
	same "leaks" '[]' "$(jq -c '[.verdicts[] | select(.leak).name]' out)"
}

# What was given back is in use again at once; nobody asks for that without --refault.
case_memory_that_comes_back_at_once() {
	need jq
	start thrashing
	await says thrashing.out ready
	gctap why --watch "$WATCH" --refault --json -p "$PID"
	ended_with 0
	info "$(jq -c '[.trends.refault, [.verdicts[].name]]' out)"
	same "it is among the verdicts" true "$(jq '[.verdicts[].name] | index("refault") != null' out)"
	same "most came back" true "$(jq '.trends.refault | .judged_1s_bytes > 0 and .returned_1s_bytes * 2 > .judged_1s_bytes' out)"
	as_the_schema_says out
	gctap why --refault -p "$PID"
	ended_with 2
	matches "standard error" '--watch' "$(cat err)"
}

case_a_limit_that_is_too_tight() {
	need jq
	GOMEMLIMIT=12MiB start leaking nothing
	await says leaking.out ready
	gctap why --watch "$WATCH" --json -p "$PID"
	ended_with 0
	[[ $(jq '.heap.memory_limit_bytes // 0' out) == $((12 << 20)) ]] || skip "this Go has no memory limit"
	info "$(jq -c '[.trends.cycles, .trends.gc_cpu_ns, .verdicts[0].evidence]' out)"
	same "it is among the verdicts" true "$(jq '[.verdicts[].name] | index("memory_limit_pressure") != null' out)"
	as_the_schema_says out
}

case_memory_that_stays_away() {
	need jq
	hold "$GO_PROGRAMS/refaulting" -wait -megabytes 40 -soon 5 -later 5 -seconds "$LASTING"
	tap why --watch 8 --refault --json -p "$PID"
	sleep 2
	let_go
	await_end "$TAP"
	ended_with 0
	info "$(jq -c .trends.refault out)"
	same "it was seen" true "$(jq '.trends.refault.judged_1s_bytes >= 41943040' out)"
	same "it is among the verdicts" false "$(jq '[.verdicts[].name] | index("refault") != null' out)"
}

case_ends_by_sigint_with_a_verdict() {
	need jq
	start leaking nothing
	await says leaking.out ready
	tap why --watch 600 --json -p "$PID"
	sleep 2
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	matches "first verdict" '.' "$(verdict)"
}

case_a_program_that_ends() {
	start leaking nothing
	await says leaking.out ready
	tap why --watch 600 -p "$PID"
	sleep 1
	kill "$PID"
	await_end "$TAP"
	matches "exit status" '^[02]$' "$STATUS"
}

run_cases "$@"
