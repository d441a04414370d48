#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The map of a live heap against what the runtime counts, and against what the program knows it keeps.
. "$(dirname "$0")/lib.sh"

SHOW=${HEAP_SHOW:-$GCTAP_ROOT/build/tests/live/heap_show}

# heap NAME : that number of the last reading.
heap() { awk -v name="$1" '$1 == name { print $2 }' heap.out; }

read_heap() { timeout --foreground -k 5 "$LIMIT" "$SHOW" "$PID" >heap.out 2>heap.err || fail "$(cat heap.err)"; }

# The background scavenger may be at work.
agrees() {
	read_heap
	(($(heap difference_free) + $(heap difference_in_use) + $(heap difference_idle) == 0))
}

need_show() { [[ -x $SHOW ]] || skip "$SHOW is not built"; }

# To the byte; what Ps hold in reserve is free or released for the counters and allocated for the bits.
pages_equal_counters() {
	same "pages in use" "$(heap counter_in_use)" "$(heap in_use)"
	(($(heap free) <= $(heap counter_free) && $(heap counter_free) <= $(heap free) + $(heap reserved))) ||
		fail "$(heap free) bytes of free pages, $(heap reserved) in reserve, $(heap counter_free) counted as free"
	same "version is in the table" 1 "$(heap listed)"
	same "spans amiss" 0 "$(heap spans_amiss)"
}

# near WHAT EXPECTED GOT PERCENT
near() {
	(($3 * 100 >= $2 * (100 - $4) && $3 * 100 <= $2 * (100 + $4))) || fail "$1: $3 is not $2 within $4 %"
}

case_free_pages_are_what_the_runtime_counts() {
	need_show
	start holes -mib 64
	await says holes.out HeapAlloc=
	await agrees
	pages_equal_counters
	(($(heap counter_free) > 16 << 20)) || fail "only $(heap counter_free) bytes are free"
	near "objects" "$(said HeapAlloc holes.out)" $(($(heap live_at_mark) + $(heap since_mark) + $(heap unknown))) 2
	info "$(xargs <heap.out)"
}

case_released_pages_are_what_the_runtime_counts() {
	need_show
	start holes -mib 64 -release
	await says holes.out HeapAlloc=
	await agrees
	pages_equal_counters
	(($(heap scavenged) > 16 << 20)) || fail "only $(heap scavenged) bytes are given back"
}

case_dead_objects_in_spans_that_were_not_swept() {
	need_show
	start holes -mib 100 -unswept
	await says holes.out unswept
	read_heap
	same "version is in the table" 1 "$(heap listed)"
	(($(heap spans_unswept) > 100)) || skip "the spans were swept too soon"
	near "live objects" "$(said Kept holes.out)" "$(heap live_at_mark)" 25
	(($(heap dead_unswept) > 0)) || fail "nothing dead"
}

case_a_program_that_never_rests() {
	local i
	need_show
	start spin -seconds "$LASTING"
	await says /proc/$PID/comm spin
	for i in 1 2 3 4 5; do
		read_heap
		same "spans amiss" 0 "$(heap spans_amiss)"
	done
}

# A runtime with a field more in the heap and in the span: its version's table does not hold, its DWARF does.
changed_runtime() {
	local goroot=$1 source=$1/src/runtime/mheap.go added
	# shellcheck disable=SC2016
	sed -E -e 's/^\tsweepgen +uint32 .*/\tadded [3]uint64\n&/' -e 's/^\tstartAddr +uintptr .*/\tadded uint64\n&/' "$source" >mheap.go
	added=$(diff "$source" mheap.go | grep -c '^> ' || true)
	((added == 2)) || skip "this Go's runtime/mheap.go is of another form"
	printf '{"Replace": {"%s": "%s"}}\n' "$source" "$PWD/mheap.go" >overlay.json
	go_build "$goroot" holes "$PWD/changed" "-overlay=$PWD/overlay.json" "${@:2}" 2>build.err ||
		skip "cannot be built: $(head -n 1 build.err)"
}

run_changed() {
	nice ./changed -mib 64 -seconds "$LASTING" >changed.out 2>&1 &
	PID=$!
	await says changed.out HeapAlloc=
}

case_a_changed_runtime_is_read_by_its_dwarf() {
	local goroot
	need_show
	goroot=${GOROOT:-$(go_system_root)}
	[[ -n $goroot ]] || skip "no Go is installed"
	changed_runtime "$goroot"
	run_changed
	await agrees
	same "layout" DWARF "$(heap layout)"
	same "version is in the table" 0 "$(heap listed)"
	same "pages in use" "$(heap counter_in_use)" "$(heap in_use)"
	near "objects" "$(said HeapAlloc changed.out)" $(($(heap live_at_mark) + $(heap since_mark) + $(heap unknown))) 2
}

# Without: refused, and not taken for what it is not.
case_a_changed_runtime_without_dwarf_is_refused() {
	local goroot
	need_show
	goroot=${GOROOT:-$(go_system_root)}
	[[ -n $goroot ]] || skip "no Go is installed"
	changed_runtime "$goroot" -ldflags=-w
	run_changed
	timeout "$LIMIT" "$SHOW" "$PID" >heap.out 2>heap.err && fail "it was read: $(xargs <heap.out)"
	[[ -s heap.err ]] || fail "nothing is said"
}

case_the_program_runs_on() {
	need_show
	start holes -mib 16 -seconds $((2 * PATIENCE))
	await says holes.out HeapAlloc=
	read_heap
	await_end "$PID"
	same "its exit status" 0 "$STATUS"
}

run_cases "$@"
