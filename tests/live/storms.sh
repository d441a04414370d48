#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Much at once: programs that execute each other in turn, crowds of short-lived processes, a ring buffer
# and maps that are too small, several gctaps. What happened is there, or is counted as lost.
#
# GCTAP_FAULTS=all (or each) has ten times as many processes.
. "$(dirname "$0")/lib.sh"

readonly FAULTS=${GCTAP_FAULTS:-some}

# relay CYCLES [PROGRAM...] : collects, says how often it did, and executes the next; "sh" is a shell
# that executes the one after it.
relay() {
	need jq bpftool
	# shellcheck disable=SC2016
	go_program relay 'package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	var stats runtime.MemStats
	cycles, _ := strconv.Atoi(os.Args[1])
	for i := 0; i < cycles; i++ {
		runtime.GC()
	}
	// The last line comes after the collection.
	time.Sleep(100 * time.Millisecond)
	runtime.ReadMemStats(&stats)
	fmt.Printf("pid=%d NumGC=%d\n", os.Getpid(), stats.NumGC)
	next := os.Args[2:]
	if len(next) == 0 {
		return
	}
	args := append([]string{next[0], os.Args[1]}, next[1:]...)
	if next[0] == "sh" {
		args = append([]string{"sh", "-c", `exec "$@"`, "sh", next[1], os.Args[1]}, next[2:]...)
		next[0] = "/bin/sh"
	}
	panic(syscall.Exec(next[0], args, os.Environ()))
}'
}

sum_said() { awk -F NumGC= '{ sum += $2 } END { print sum + 0 }' "$1"; }

total() { jq "select(.type == \"totals\").$1" "$2"; }

# Itself, another file, and a program that is not Go, again and again.
case_programs_that_execute_each_other() {
	local course=()
	relay
	cp relay other
	for _ in 1 2 3 4; do
		course+=(./relay ./other sh ./relay ./relay sh ./other ./other)
	done
	tap trace --json -o trace.json -x ./relay -x ./other
	await says err 'other: .*every process of it'
	./relay 5 "${course[@]}" >said
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	info "$(wc -l <said) programs in one process, $(total cycles trace.json) cycles"
	same "programs that came to their end" 25 "$(wc -l <said)"
	same "cycles" "$(sum_said said)" "$(total cycles trace.json)"
	same "cycles in the order of programs" "$(for _ in $(seq 25); do seq 5; done | paste -sd ' ')" \
		"$(jq 'select(.type == "gc_cycle").cycle' trace.json | paste -sd ' ')"
	same "gaps" 0 "$(total gaps trace.json)"
	nothing_left
}

# A first cycle after a first cycle is another program's.
case_programs_of_one_cycle_that_execute_themselves() {
	relay
	gctap trace --json -o trace.json -- ./relay 1 ./relay ./relay ./relay
	ended_with 0
	same "cycles" "1 1 1 1" "$(jq 'select(.type == "gc_cycle").cycle' trace.json | paste -sd ' ')"
	same "ends" "exec exec exec exited" "$(jq -r 'select(.type == "process_end").reason' trace.json | paste -sd ' ')"
	same "cycles of each" "1 1 1 1" "$(jq 'select(.type == "process_end").cycles_seen' trace.json | paste -sd ' ')"
}

forks() {
	while :; do
		/bin/true
	done
}

descriptors_of() { find "/proc/$1/fd" -mindepth 1 -maxdepth 1 | wc -l; }

# Each has all its lines, none of anybody else, and is forgotten when it has ended.
case_a_crowd_of_short_processes() {
	local count=100 before after storm=()
	[[ $FAULTS == some ]] || count=1000
	relay
	tap trace --json -o trace.json -x ./relay
	await says err 'every process of it'
	before=$(descriptors_of "$TAP")
	for _ in 1 2; do
		nice -n 19 bash -c "$(declare -f forks); forks" &
		storm+=($!)
	done
	seq "$count" | nice xargs -P 8 -I N ./relay 3 >said
	kill -KILL "${storm[@]}"
	# Who has ended is seen when gctap looks the next time.
	await few_descriptors "$TAP" "$before"
	after=$(descriptors_of "$TAP")
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	info "$count processes, descriptors before and after: $before, $after"
	sed 's/NumGC=/ /; s/pid=//' said | awk '{ print $1, $2 }' | sort >theirs
	jq -r 'select(.type == "gc_cycle") | .pid' trace.json | sort | uniq -c | awk '{ print $2, $1 }' | sort >ours
	same "processes that came to their end" "$count" "$(wc -l <theirs)"
	[[ -z $(diff theirs ours) ]] || fail "cycles by process: $(diff theirs ours | head -n 3 | paste -sd ' ')"
	same "gaps" 0 "$(total gaps trace.json)"
	same "how they ended" '{"exited":'"$count"'}' "$(jq -sc '[.[] | select(.type == "process_end").reason]
		| group_by(.) | map({(.[0]): length}) | add' trace.json)"
	nothing_left
}

few_descriptors() { (($(descriptors_of "$1") <= $2)); }

# gctap comes to read of them when they are long gone; still they end, and are forgotten.
case_processes_that_are_over_before_gctap_looks() {
	local count=40
	relay
	tap trace --json -o trace.json -x ./relay
	await says err 'every process of it'
	kill -STOP "$TAP"
	seq "$count" | xargs -P 20 -I N ./relay 2 >said
	kill -CONT "$TAP"
	await has_lines trace.json $((2 * count))
	await ends_of trace.json "$count"
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
	same "cycles" "$(sum_said said)" "$(total cycles trace.json)"
	same "how they ended" '{"exited":'"$count"'}' "$(jq -sc '[.[] | select(.type == "process_end").reason]
		| group_by(.) | map({(.[0]): length}) | add' trace.json)"
}

ends_of() { (($(grep -c '"type":"process_end"' "$1" || true) >= $2)); }

# What did not fit is counted, to the last one.
case_a_ring_buffer_that_is_too_small() {
	relay
	tap trace --json --buffer 4 -o trace.json -- ./relay 2000
	await has_lines trace.json 20
	for _ in 1 2 3; do
		kill -STOP "$TAP"
		sleep 0.1
		kill -CONT "$TAP"
		sleep 0.05
	done
	await_end "$TAP"
	ended_with 0
	info "$(jq -c 'select(.type == "totals") | {cycles, dropped_ring_full, missing_cycles}' trace.json)"
	(($(total dropped_ring_full trace.json) > 0)) || fail "nothing was lost: this shows nothing"
	same "cycles and losses" "$(said NumGC out)" \
		"$(jq 'select(.type == "totals") | .cycles + .dropped_ring_full' trace.json)"
	same "lines" "$(total cycles trace.json)" "$(grep -c '"type":"gc_cycle"' trace.json)"
	says err "$(total dropped_ring_full trace.json) events were lost: the ring buffer was full" || fail "$(cat err)"
	nothing_left
}

# More kinds of calls than the kernel side has room for: kinds of sums, and of errors.
case_maps_that_are_too_small() {
	need jq bpftool
	go_program advise 'package main

import "syscall"

func main() {
	page, _ := syscall.Mmap(-1, 0, 4096, 3, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	for advice := 10000; advice < 15000; advice++ {
		if syscall.Madvise(page, advice) == nil {
			panic("there is such an advice")
		}
	}
}'
	gctap madvise --json -o calls.json -- ./advise
	ended_with 0
	info "$(jq -c 'select(.type == "totals") | {madvise_calls, madvise_calls_lost, madvise_errnos_lost}' calls.json)"
	same "calls in sums and lost" 5000 "$(jq -s '
		(map(select(.type == "madvise" and .cause == "go_program").calls) | add)
			+ (map(select(.type == "totals"))[0].madvise_calls_lost)' calls.json)"
	says err "$(total madvise_calls_lost calls.json) madvise calls are in no sum" || fail "$(cat err)"
	same "failed calls with and without their error" \
		"$(jq -s 'map(select(.type == "madvise" and .cause == "go_program").errors) | add' calls.json)" \
		"$(jq -s '(map(select(.type == "madvise" and .cause == "go_program") | .error_names[]?
			| capture("=(?<n>[0-9]+)$").n | tonumber) | add) + (map(select(.type == "totals"))[0].madvise_errnos_lost)' calls.json)"
	says err "of $(total madvise_errnos_lost calls.json) failed madvise calls it is not told" || fail "$(cat err)"
}

has_all_of() { [[ -z $(comm -13 <(cycle_numbers "$1" | sort) <(cycle_numbers "$2" | sort)) ]]; }

# One goes on, one ends, one is killed, one comes later: nobody is in the way of another.
case_several_gctaps_on_one_target() {
	local first second killed
	need jq bpftool
	start spin -seconds "$LASTING"
	tap trace --buffer 16384 -p "$PID" -o first
	first=$TAP
	await has_lines first 5
	tap trace -p "$PID" -n 60 -o second
	second=$TAP
	tap trace --trigger -p "$PID" -o killed
	killed=$TAP
	await has_lines killed 5
	kill -KILL "$killed"
	TAP=$second
	await_end "$second"
	ended_with 0
	gctap trace -p "$PID" -n 30
	ended_with 0
	has_probe "$PID" || fail "the first one has lost its probe"
	kill -INT "$first"
	await_end "$first"
	ended_with 0
	cycle_numbers first | consecutive
	cycle_numbers second | consecutive
	cycle_numbers out | consecutive
	has_all_of first second || fail "the second has cycles that the first lacks"
	has_all_of first out || fail "the last has cycles that the first lacks"
	nothing_left "$PID"
}

run_cases "$@"
