#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What gctap is for, on one kernel with the programs of one Go version. Runs in the virtual machines
# of tests/vm/run, and anywhere else where the live tests run.
. "$(dirname "$0")/../live/lib.sh"

case_inspect() {
	gctap inspect "$GO_PROGRAMS/churn"
	ended_with 0
	says out 'go1\.' || fail "no Go version: $(head -n 3 out)"
}

case_compare_equal() {
	gctap compare --json -- "$GO_PROGRAMS/churn" -cycles 60 -forced-every 5
	ended_with 0
	same "verdict" equal "$(jq -r .verdict out)"
	jq -e '.cycles_compared >= 50 and .cycles_equal == .cycles_compared and .forced >= 10' out ||
		fail "too few cycles: $(cut -c 1-300 out)"
}

# spin asks for the count after its last allocation: a cycle may still end behind that.
case_a_line_for_every_cycle() {
	local counted seen
	gctap trace -o lines -- "$GO_PROGRAMS/spin" -cycles 500 -seconds 0
	ended_with 0
	counted=$(said NumGC out) seen=$(cycle_lines lines)
	((counted >= 500 && seen >= counted && seen <= counted + 3)) ||
		fail "the program counted $counted cycles, $seen lines came"
	cycle_numbers lines | consecutive 1
	same "numbers that could not be read" 0 "$(grep -c '?' lines || true)"
}

case_nothing_lost_in_json() {
	gctap trace --json -o trace.json -- "$GO_PROGRAMS/backtoback" -cycles 200
	ended_with 0
	same "cycles with a field unknown" '' \
		"$(jq -c 'select(.type == "gc_cycle" and .unknown != []) | [.cycle, .unknown]' trace.json | head -n 5)"
	same "what was lost" '[200,0,0,0,0,0,0]' "$(jq -c 'select(.type == "totals") | [.cycles, .gaps,
		.missing_cycles, .dropped_ring_full, .dropped_no_capture, .window_faults, .stack_faults]' trace.json)"
	jq -r 'select(.type == "gc_cycle").cycle' trace.json | consecutive 1
}

# trigger REASON-OF-triggers TRIGGER FUNCTION : as tests/live/trigger.sh has it, a cycle or two may be
# of another kind.
trigger() {
	local right
	gctap trace --trigger -o lines -- "$GO_PROGRAMS/triggers" -cycles 10 "$1"
	ended_with 0
	right=$(grep -cE " <- $2, main\.$3 .*main\.go:[0-9]+$" lines || true)
	((right >= 8)) || fail "$right lines of $(cycle_lines lines) say so; the first: $(head -n 1 lines)"
}

case_trigger_heap_goal() { trigger heap heap_goal allocateMuch; }

case_trigger_runtime_gc() { trigger gc 'runtime\.GC' collectNow; }

case_trigger_free_os_memory() { trigger free 'debug\.FreeOSMemory' giveBack; }

status_samples() {
	while sed -nE 's/^(Rss[A-Z][a-z]+|VmSwap):\s+([0-9]+) kB$/\1 \2/p' "/proc/$1/status" 2>/dev/null; do
		sleep 0.02
	done
}

# near FIELD KEY : what the records say is between the least and the most that the process's status
# said meanwhile, give or take a fifth and 256 KiB, which kernels keep back per thread or CPU.
near() {
	local out_of_range
	out_of_range=$(jq ".$1" cycles | awk -v key="$2" '
		NR == FNR && $1 == key { low = low == "" || $2 < low ? $2 : low; high = $2 > high ? $2 : high; next }
		NR == FNR { next }
		!/^[0-9]+$/ || $1 / 1024 < low * 0.8 - 256 || $1 / 1024 > high * 1.2 + 256 { bad = bad " " $1 }
		END { if (bad || FNR < 10 || low == "") print bad " bytes, status " low " to " high " kB" }' samples -)
	[[ -z $out_of_range ]] || fail "$1: $out_of_range"
}

# A heap that is large enough to tell the kinds apart.
case_resident_set_as_in_status() {
	GOGC=400 start spin -seconds "$LASTING"
	gctap trace -p "$PID" -n 5
	status_samples "$PID" >samples &
	gctap trace --json -p "$PID" -n 30
	ended_with 0
	jq -c 'select(.type == "gc_cycle")' out | tail -n 20 >cycles
	near rss_anon_bytes RssAnon
	near rss_file_bytes RssFile
	near rss_shmem_bytes RssShmem
	near rss_swap_bytes VmSwap
	info "$(tail -n 1 cycles | jq -c '[.rss_anon_bytes, .rss_file_bytes, .rss_shmem_bytes, .rss_swap_bytes]')"
}

case_trace_of_a_file() {
	local pid
	start spin -seconds "$LASTING"
	pid=$PID
	gctap trace -x "$GO_PROGRAMS/spin" -n 20
	ended_with 0
	grep "^\[$pid spin\] gc " out | cycle_numbers - | consecutive
}

run_cases "$@"
