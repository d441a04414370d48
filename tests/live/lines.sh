#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every cycle becomes a line, without GODEBUG, and the lines are the runtime's.
. "$(dirname "$0")/lib.sh"

# spin asks for the count after its last allocation: a cycle may still end behind that.
case_ten_thousand_cycles_none_lost() {
	local last seen rate
	need jq
	gctap trace --json -o trace.json -- "$GO_PROGRAMS/spin" -cycles 10000 -seconds 0
	ended_with 0
	jq -r 'select(.type == "gc_cycle") | .cycle' trace.json >cycles
	consecutive 1 <cycles
	last=$(said NumGC out) seen=$(wc -l <cycles) rate=$(said cycles_per_second out)
	((seen >= last && seen <= last + 3)) || fail "the program counted $last cycles, $seen were seen"
	same "what was lost" '[0,0,0,0,0,0]' "$(jq -c 'select(.type == "totals") | [.gaps, .missing_cycles,
		.dropped_ring_full, .dropped_no_capture, .window_faults, .stack_faults]' trace.json)"
	same "cycles in the totals" "$seen" "$(jq 'select(.type == "totals").cycles' trace.json)"
	same "cycles with a field unknown" 0 \
		"$(jq 'select(.type == "gc_cycle" and .unknown != [])' trace.json | wc -l)"
	info "$seen cycles, $rate a second"
}

case_as_many_lines_as_the_program_counts() {
	gctap trace -o lines -- "$GO_PROGRAMS/churn" -cycles 60 -forced-every 5
	ended_with 0
	same "lines" "$(said NumGC out)" "$(cycle_lines lines)"
	same "forced lines" "$(said NumForcedGC out)" "$(grep -c ' (forced)$' lines)"
	cycle_numbers lines | consecutive 1
}

case_nothing_but_lines_on_standard_output() {
	gctap trace -- "$GO_PROGRAMS/backtoback" -cycles 500
	ended_with 0
	same "lines" 500 "$(cycle_lines out)"
	same "other lines" "$(grep -c '^cycles=500 ' out)" "$(grep -cvE '^gc [0-9]+ @' out)"
	same "numbers that could not be read" 0 "$(grep -c '?' out || true)"
}

case_compare_finds_all_equal() {
	need jq
	gctap compare --json -- "$GO_PROGRAMS/churn" -cycles 60 -forced-every 5
	ended_with 0
	same "verdict" '["equal",0,0,0]' \
		"$(jq -c '[.verdict, .cycles_differing, .cycles_only_gctap, .cycles_only_runtime]' out)"
	jq -e '.cycles_compared >= 50 and .cycles_equal == .cycles_compared and .forced >= 10' out ||
		fail "too few cycles: $(cut -c 1-300 out)"
}

case_compare_of_a_program_without_cycles() {
	gctap compare -- "$GO_PROGRAMS/triggers" -cycles 0 gc
	ended_with 1
	grep -q 'nothing' out || fail "the result does not say that nothing was compared"
}

case_compare_with_lines_torn_by_the_program() {
	need jq
	gctap compare --json -- "$GO_PROGRAMS/stderrnoise" -cycles 60
	ended_with 0
	same "verdict" '["equal",0,0]' "$(jq -c '[.verdict, .cycles_differing, .cycles_only_runtime]' out)"
	jq -e '.torn > 0' out >/dev/null || fail "no line was torn: the program does not do its work"
	info "$(jq -r '"\(.cycles_compared) compared, \(.torn) torn"' out)"
}

case_compare_leaves_other_settings_alone() {
	GODEBUG=gcshrinkstackoff=1,gctrace=0 gctap compare -- "$GO_PROGRAMS/churn" -cycles 20
	ended_with 0
}

run_cases "$@"
