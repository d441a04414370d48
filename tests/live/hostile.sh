#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Targets whose memory is not what it should be, binaries that are replaced, a clock that is set: what is
# not known is not made up, and nothing takes for ever.
. "$(dirname "$0")/lib.sh"

readonly INJECTOR=${GCTAP_INJECTOR:-$GCTAP_ROOT/build/tests/live/fault_injector.so}
readonly MEMORY_MAX=$((512 << 20)) # of addresses; libraries and all

# poke ADDRESS FILE : over the memory of the target, which is stopped.
poke() { dd if="$2" of="/proc/$PID/mem" bs=1M oflag=seek_bytes seek="$1" conv=notrunc status=none; }

peek() { dd if="/proc/$PID/mem" bs=1M iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none; }

address_of() { nm "$1" | awk -v name="$2" '$3 == name { print $1 }'; }

# A look ends by itself and in little memory: with what it knows, or with one line of what it does not.
looks() {
	local look
	for look in "why" "why --json" "map" "map --json"; do
		STATUS=0
		# shellcheck disable=SC2086
		timeout --foreground -k 5 "$LIMIT" prlimit --as="$MEMORY_MAX" "$GCTAP" $look -p "$PID" >out 2>err || STATUS=$?
		matches "$1: $look: exit status" '^[02]$' "$STATUS"
		[[ $STATUS == 0 || $(wc -l <err) == 1 ]] || fail "$1: $look: $(cat err)"
		! grep -qi 'memory$' err || fail "$1: $look takes too much: $(cat err)"
		[[ $STATUS != 0 || $look != *json ]] || jq -e . out >/dev/null || fail "$1: $look: no JSON"
		[[ $look != "why --json" || $STATUS != 0 ]] || adds_up "$1"
	done
}

# Whatever the runtime's side says, the classes and the rest are the resident memory that the kernel counts.
adds_up() {
	jq -e '.rss_bytes == (.classes | add) + .remainder_bytes' out >/dev/null || fail "$1: $(jq -c '{rss_bytes, classes, remainder_bytes}' out)"
	info "$1: $(jq -r 'if .by_pages then "by pages" else .coarse_because end' out)"
}

# Bytes that are no numbers of anybody: code, text, tables.
noise() { dd if="$GCTAP" bs=64K iflag=skip_bytes,count_bytes skip=$((4099 * $1)) count="$2" status=none; }

case_a_heap_that_is_not_one() {
	local variable address
	need jq nm prlimit
	start spin -seconds "$LASTING"
	gctap trace -p "$PID" -n 20
	kill -STOP "$PID"
	looks "as it is"
	noise 1 65536 >garbled
	head -c 65536 /dev/zero >zeroes
	tr '\0' '\377' <zeroes >ones
	for variable in runtime.memstats runtime.gcController runtime.mheap_; do
		address=0x$(address_of "$GO_PROGRAMS/spin" "$variable")
		[[ $address != 0x ]] || skip "the program has no symbol $variable"
		peek $((address)) 600 >before
		for what in garbled ones zeroes; do
			head -c 600 "$what" >piece
			poke $((address)) piece
			looks "$variable is $what"
		done
		poke $((address)) before
	done
	# The tables of arenas and spans, behind the lock.
	for what in garbled ones zeroes; do
		poke $((address)) "$what"
		looks "all of runtime.mheap_ is $what"
	done
}

# The counters that the lines are made of, under a process that runs.
case_counters_that_are_absurd() {
	local cycle fraction
	need jq
	start spin -seconds "$LASTING"
	tap trace --json -o trace.json -p "$PID"
	await has_lines trace.json 20
	cycle=$("$GCTAP" inspect --json "$GO_PROGRAMS/spin" | jq -r '.items[] | select(.name == "cycle").leaves | split("/")[0]')
	fraction=$("$GCTAP" inspect --json "$GO_PROGRAMS/spin" |
		jq -r '.items[] | select(.name == "gc_cpu_percent").leaves | split("/")[0]')
	# Not a number; soon to wrap around; back.
	printf '\377\377\377\377\377\377\377\377' >nan
	poke $((fraction)) nan
	for bytes in '\360\377\377\377' '\0\0\0\200' '\1\0\0\0'; do
		# shellcheck disable=SC2059
		printf "$bytes" >number
		poke $((cycle)) number
		await has_lines trace.json $(($(wc -l <trace.json) + 20))
	done
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	jq -e . trace.json >/dev/null || fail "a line is no JSON"
	same "last record" totals "$(tail -n 1 trace.json | jq -r .type)"
	same "cycles that are none" 0 "$(jq -s 'map(select(.type == "gc_cycle" and (.cycle < 0 or .cycle > 4294967295))) | length' trace.json)"
	nothing_left "$PID"
}

# What the runtime keeps about its heap is unmapped, under its feet and ours.
case_memory_that_is_gone() {
	need jq prlimit
	go_program holes 'package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	var ranges [][2]uintptr
	var count int
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	keep := make([]byte, 8<<20)
	for i := range keep {
		keep[i] = 1
	}
	fmt.Println("ready")
	fmt.Scan(&count)
	for i := 0; i < count; i++ {
		var from, to uintptr
		fmt.Scanf("%x-%x\n", &from, &to)
		ranges = append(ranges, [2]uintptr{from, to})
	}
	fmt.Println("going")
	for _, r := range ranges {
		syscall.RawSyscall(syscall.SYS_MUNMAP, r[0], r[1]-r[0], 0)
	}
	for {
		syscall.RawSyscall(syscall.SYS_PAUSE, 0, 0, 0)
	}
}'
	mkfifo ranges
	./holes <ranges >holes.out 2>holes.err &
	PID=$!
	exec 9>ranges
	await says holes.out ready
	awk '$2 ~ /^rw/ && $6 == "" && $1 !~ /^c0/ { print $1 }' "/proc/$PID/maps" | tail -n +2 >gone
	{
		wc -l <gone
		cat gone
	} >&9
	await says holes.out going
	sleep 0.2
	kill -0 "$PID" || skip "the program does not survive it: $(head -n 1 holes.err)"
	info "$(wc -l <gone) mappings are gone"
	looks "without its tables"
}

case_a_binary_that_is_replaced_while_it_runs() {
	local old new
	need jq
	cp "$GO_PROGRAMS/spin" mine
	cp "$GO_PROGRAMS/spin" next
	./mine -seconds "$LASTING" >mine.out &
	old=$!
	tap trace -x ./mine
	await has_lines out 5
	mv next mine
	await says err "mine: is another file now: only processes of the file that was there are traced"
	./mine -seconds "$LASTING" >mine.out &
	new=$!
	await has_lines out $(($(wc -l <out) + 20))
	rm mine
	await has_lines out $(($(wc -l <out) + 20))
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	grep "^\[$old " out | cycle_numbers - | consecutive
	same "lines of the new file's process" 0 "$(grep -c "^\[$new " out || true)"
	same "words about it" 1 "$(grep -c 'only processes of the file' err)"
}

case_a_binary_that_is_deleted_while_it_runs() {
	cp "$GO_PROGRAMS/spin" mine
	./mine -seconds "$LASTING" >mine.out &
	PID=$!
	tap trace -x ./mine
	await has_lines out 5
	rm mine
	await says err "mine: is not there any more: only processes"
	await has_lines out $(($(wc -l <out) + 20))
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	cycle_numbers out | consecutive
}

# The time of day is what it was at the start, plus what has gone by: setting the clock is not seen.
case_a_clock_that_is_set() {
	local number step
	need jq
	[[ -e $INJECTOR ]] || skip "$INJECTOR is not built"
	start spin -seconds "$LASTING"
	for number in 1 2 3; do
		for step in -86400 86400; do
			LD_PRELOAD=$INJECTOR GCTAP_FAULT=clock:$number:$step "$GCTAP" trace --json -n 20 -p "$PID" >out 2>err
			jq -es 'map(select(.type == "gc_cycle")) | ([.[].ktime_ns] | . == sort) and ([.[].wall_ns] | . == sort)
				and all(.ktime_ns > 0 and .wall_ns > 0)
				and all(.start_since_program_ns >= 0 and .clock_mark_ns >= 0)' out >/dev/null ||
				fail "reading $number, $step s: the times do not ascend"
			jq -es '.[0].wall_offset_ns as $offset | map(select(.type == "gc_cycle"))
				| all((.wall_ns - .ktime_ns - $offset) | fabs < 1e9)' out >/dev/null ||
				fail "reading $number, $step s: the header has another clock than the records"
			LD_PRELOAD=$INJECTOR GCTAP_FAULT=clock:$number:$step "$GCTAP" trace -T -n 20 -p "$PID" >out 2>err
			sort -c out || fail "reading $number, $step s: the times in front do not ascend"
		done
	done
}

run_cases "$@"
