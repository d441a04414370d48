#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# gctap why --watch: what grows is named, with its slope, and what does not is not.
. "$(dirname "$0")/lib.sh"

# Seconds of a watch; how often a healthy program is watched, and how often looked at.
readonly WATCH=${WATCH:-15} RUNS=${RUNS:-1} LOOKS=${LOOKS:-5}
# Fewer collections than it takes to say something: the machine had no time for the program.
readonly CYCLES_MIN=14

# begin PROGRAM ARG...
begin() {
	need jq
	rm -f "$1.out"
	start "$@"
	await says_or_gone "$1.out" '^(ready|impossible)'
	! says "$1.out" '^impossible' || skip "$(sed -nE 's/^impossible: //p' "$1.out")"
}

# gctap has looked at the process for the first time, which is nowhere to be seen.
looked() {
	await says err 'cycles so far'
	sleep $((2 * PATIENCE))
}

says_or_gone() { says "$@" || gone "$PID"; }

end() {
	kill "$PID"
	await_end "$PID"
}

watch() {
	gctap why --watch "$WATCH" --json -p "$PID"
	ended_with 0
}

cycles() { jq .trends.cycles out; }

verdict() { jq -r '.verdicts[0].name' out; }

leaks() { jq -r '.verdicts[] | select(.leak) | "\(.name): \(.evidence)"' out; }

# ---- What grows ---------------------------------------------------------------------------------

# grows VERDICT PROGRAM ARG... : that comes first, and is a leak.
grows() {
	begin "${@:2}"
	watch
	info "first $(verdict): $(jq -r '.verdicts[0].evidence' out)"
	(($(cycles) >= CYCLES_MIN)) || skip "the program made $(cycles) collections only"
	same "first verdict" "$1" "$(verdict)"
	same "leaks" 1 "$(leaks | wc -l)"
}

case_a_heap_that_leaks() { grows heap_leak leaking heap; }

case_goroutines_that_leak() { grows goroutine_leak leaking goroutines; }

case_c_code_that_leaks() { grows c_leak cresident -seconds "$LASTING" leak; }

# The runtime's tables grow with the heap, and look like C's mappings.
case_a_heap_that_leaks_beside_c() { grows heap_leak cresident -seconds "$LASTING" heap; }

case_mappings_that_leak() { grows c_leak leaking mappings; }

# ---- What does not grow -------------------------------------------------------------------------

count() { grep -cE "$1" said || true; }

# Each watch of a program of its own: what comes before "ready" is another one's.
watched() {
	local run
	for ((run = 0; run < RUNS; run++)); do
		begin "$@"
		watch
		end
		verdict >>said
		leaks >>found
		(($(cycles) >= CYCLES_MIN)) || echo few >>few
	done
}

looked_at() {
	local run
	begin "$@"
	for ((run = 0; run < LOOKS; run++)); do
		gctap why --json -p "$PID"
		ended_with 0
		leaks >>found
		jq -e '.by_pages and (.verdicts | length) > 0' out >/dev/null || fail "$(cat out)"
	done
	end
}

# healthy PROGRAM ARG... : not one leak in all of these.
healthy() {
	: >found
	: >few
	: >said
	watched "$@"
	looked_at "$@"
	info "leaks $(grep -c . found || true): $RUNS watches, $LOOKS looks; $(count no_heap_leak) said that no objects leak, $(count cannot_tell) that it cannot be told"
	[[ ! -s found ]] || info "$(cat found)"
	same "leaks" 0 "$(grep -c . found || true)"
	(($(grep -c . few || true) < RUNS)) || skip "fewer than $CYCLES_MIN collections in every watch"
}

case_a_steady_window() { healthy leaking nothing; }

case_load_in_waves() { healthy leaking waves; }

case_a_full_cache() { healthy leaking cache; }

case_after_a_load_peak() { healthy leaking peak; }

case_bursts_of_goroutines() { healthy leaking bursts; }

case_c_code_that_takes_and_frees() { healthy cresident -seconds "$LASTING" waves; }

# ---- What else a watch shows --------------------------------------------------------------------

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

# ---- How it ends --------------------------------------------------------------------------------

case_ends_by_sigint_with_a_verdict() {
	begin leaking nothing
	tap why --watch 600 --json -p "$PID"
	looked
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	matches "first verdict" '.' "$(verdict)"
}

case_a_program_that_ends() {
	begin leaking nothing
	tap why --watch 600 --json -p "$PID"
	looked
	kill "$PID"
	await_end "$TAP"
	ended_with 0
	matches "standard error" "process $PID has ended, after" "$(cat err)"
	same "it had" true "$(jq .trends.ended out)"
	same "resident memory is known" true "$(jq '.rss_bytes > 1000000' out)"
	as_the_schema_says out
}

run_cases "$@"
