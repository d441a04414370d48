#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# How a trace ends: with its target, by a signal, by its reader; and what a target that executes
# another program becomes.
. "$(dirname "$0")/lib.sh"

ends_with_totals() {
	need jq
	same "last record" totals "$(tail -n 1 "$1" | jq -r .type)"
	same "records with totals" 1 "$(grep -c '"type":"totals"' "$1")"
	same "cycles in the totals" "$(grep -c '"type":"gc_cycle"' "$1" || true)" "$(tail -n 1 "$1" | jq .cycles)"
}

end_reasons() { jq -r 'select(.type == "process_end").reason' "$1" | paste -sd ' '; }

case_with_the_target() {
	mkfifo go
	"$GO_PROGRAMS/backtoback" -wait -cycles 400 <go >program.out &
	PID=$!
	exec 9>go
	await says program.out ready
	tap trace --json -p "$PID"
	await says err 'cycles so far'
	echo >&9
	await_end "$TAP"
	ended_with 0
	jq -r 'select(.type == "gc_cycle").cycle' out | consecutive 1
	same "end of the process" exited "$(end_reasons out)"
	ends_with_totals out
	same "cycles" 400 "$(jq 'select(.type == "totals").cycles' out)"
}

case_with_a_target_that_is_killed() {
	start spin -seconds "$LASTING"
	tap trace --json -p "$PID"
	await has_lines out 20
	kill -KILL "$PID"
	await_end "$TAP"
	ended_with 0
	ends_with_totals out
	jq -r 'select(.type == "gc_cycle").cycle' out | consecutive
}

both_seen() { (($(grep -c 'cycles so far' err) == 2)); }

case_with_the_last_of_several_targets() {
	local first second
	mkfifo one two
	"$GO_PROGRAMS/backtoback" -wait -cycles 20 <one >program.out &
	first=$!
	exec 8>one
	"$GO_PROGRAMS/backtoback" -wait -cycles 20 <two >other.out 8>&- &
	second=$!
	exec 9>two
	await says program.out ready
	await says other.out ready
	tap trace --json -p "$first" -p "$second"
	await both_seen
	echo >&8
	await_end "$first"
	sleep 0.3
	kill -0 "$TAP" || fail "gctap did not wait for the other process"
	echo >&9
	await_end "$TAP"
	ended_with 0
	same "ends of processes" "exited exited" "$(end_reasons out)"
	same "cycles" 40 "$(jq 'select(.type == "totals").cycles' out)"
	ends_with_totals out
}

by_signal() {
	start spin -seconds "$LASTING"
	tap trace --json -p "$PID"
	await has_lines out 20
	kill -"$1" "$TAP"
	await_end "$TAP"
	ended_with 0
	ends_with_totals out
	same "end of the process" detached "$(end_reasons out)"
	kill -0 "$PID" || fail "the process was ended"
}

case_by_sigint() { by_signal INT; }

case_by_sigterm() { by_signal TERM; }

case_by_sighup() { by_signal HUP; }

case_sigterm_ends_the_command_too() {
	local child
	tap trace --json -o trace.json -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
	await has_lines trace.json 20
	child=$(pgrep -P "$TAP" -x spin)
	kill -TERM "$TAP"
	await_end "$TAP"
	ended_with 143
	gone "$child" || fail "the command runs on"
	ends_with_totals trace.json
	same "end of the process" killed "$(end_reasons trace.json)"
}

# Ctrl-C at a terminal reaches both.
case_sigint_waits_for_the_command() {
	local child
	tap trace --json -o trace.json -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
	await has_lines trace.json 20
	child=$(pgrep -P "$TAP" -x spin)
	# The command first: a gctap that has got it asks the command to end, with SIGTERM, and that may be the quicker one.
	kill -INT "$child" "$TAP"
	await_end "$TAP"
	ended_with 130
	ends_with_totals trace.json
}

case_by_a_reader_that_goes_away() {
	start spin -seconds "$LASTING"
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace -p "$PID" 2>err | head -n 3 >out || STATUS=$?
	ended_with 0
	same "lines" 3 "$(cycle_lines out)"
	same "complaints" 0 "$(grep -cv 'cycles so far' err || true)"
	kill -0 "$PID" || fail "the process was ended"
}

case_a_reader_that_goes_away_ends_the_command() {
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace -- "$GO_PROGRAMS/spin" -seconds "$LASTING" 2>err | head -n 3 >out ||
		STATUS=$?
	matches "exit status" '^(0|143)$' "$STATUS"
	same "lines" 3 "$(cycle_lines out)"
}

# Its reader has gone before there was a line.
case_no_reader_ends_the_command() {
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace --json -- "$GO_PROGRAMS/spin" -seconds "$LASTING" 2>err |
		sleep 0 || STATUS=$?
	matches "exit status" '^(0|143)$' "$STATUS"
	pgrep -P $$ -x spin && fail "the command runs on"
	return 0
}

# What nohup has ignored is ignored.
case_an_ignored_signal_ends_nothing() {
	start spin -seconds "$LASTING"
	: >out
	: >err
	(
		trap '' HUP
		exec "$GCTAP" trace -p "$PID" >out 2>err </dev/null
	) &
	TAP=$!
	await has_lines out 5
	kill -HUP "$TAP"
	sleep 0.5
	kill -0 "$TAP" || fail "it has ended"
	kill -TERM "$TAP"
	await_end "$TAP"
	ended_with 0
}

case_the_same_process_twice() {
	need jq
	start spin -seconds "$LASTING"
	gctap trace --json -n 5 -p "$PID" -p "$PID"
	ended_with 0
	same "processes" 1 "$(jq -c 'select(.type == "process")' out | wc -l)"
	same "words of it" 1 "$(grep -c 'cycles so far' err)"
	same "processes in the totals" 1 "$(jq 'select(.type == "totals").processes' out)"
	gctap trace -n 5 -p "$PID" -p "$PID"
	matches "a line" '^gc [0-9]' "$(head -n 1 out)"
}

# env, a shell, a launcher: what follows is not traced, but is the command all the same.
case_the_command_executes_another_program() {
	gctap madvise -- env sh -c 'sleep 1; exit 7'
	ended_with 7
	says err 'has executed another program' || fail "no word of it: $(cat err)"
	tap madvise -- env sleep 60
	await says err 'has executed another program'
	kill -TERM "$TAP"
	await_end "$TAP"
	ended_with 143
}

case_the_target_executes_itself() {
	gctap trace --json -o trace.json -- "$GO_PROGRAMS/execer" -cycles 20 -images 3
	ended_with 0
	same "cycles" "$(for _ in 1 2 3; do seq 20; done | paste -sd ' ')" \
		"$(jq 'select(.type == "gc_cycle").cycle' trace.json | paste -sd ' ')"
	same "ends of the process" "exec exec exited" "$(end_reasons trace.json)"
	same "cycles of each image" "20 20 20" \
		"$(jq 'select(.type == "process_end").cycles_seen' trace.json | paste -sd ' ')"
	same "order of records" "header process gc_cycle process_end process gc_cycle process_end process gc_cycle process_end totals" \
		"$(jq -r .type trace.json | uniq | paste -sd ' ')"
	same "gaps" 0 "$(jq 'select(.type == "totals").gaps' trace.json)"
	# Before the first cycle of a new image there was none, however late we look.
	same "cycles before each image" "0 0 0" \
		"$(jq 'select(.type == "process").cycles_so_far' trace.json | paste -sd ' ')"
	ends_with_totals trace.json
}

# Position-independent: every image is somewhere else.
case_the_target_executes_itself_at_other_addresses() {
	go_program execer-pie "$(cat "$GCTAP_ROOT/tests/go/execer/main.go")" -buildmode=pie
	gctap trace -o lines -- ./execer-pie -cycles 20 -images 3
	ended_with 0
	same "cycles" "$(for _ in 1 2 3; do seq 20; done | paste -sd ' ')" "$(cycle_numbers lines | paste -sd ' ')"
	same "numbers that could not be read" 0 "$(grep -c '?' lines || true)"
}

# Collects, and executes sleep once there is a file named go.
changer_build() {
	go_program changer 'package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

func main() {
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	for {
		if _, err := os.Stat("go"); err == nil {
			syscall.Exec("/bin/sleep", []string{"sleep", "600"}, os.Environ())
		}
		time.Sleep(20 * time.Millisecond)
	}
}'
}

case_the_target_executes_another_program() {
	changer_build
	./changer &
	PID=$!
	await is_running "$PID" changer
	tap trace --json -p "$PID"
	await says err "cycles so far"
	: >go
	await_end "$TAP"
	ended_with 0
	kill -0 "$PID" || fail "gctap waited for the end of the other program"
	says err "^gctap: $PID \([a-z]+\): has executed another program" || fail "no word of it: $(cat err)"
	same "end of the process" exec "$(end_reasons out)"
	ends_with_totals out
}

# A verdict on what it was, not on what it became.
case_a_watched_process_executes_another_program() {
	need jq
	changer_build
	./changer &
	PID=$!
	await is_running "$PID" changer
	tap why --watch 60 --json -p "$PID"
	await says err "cycles so far"
	sleep 1
	: >go
	await_end "$TAP"
	ended_with 0
	says err "^gctap: $PID \([a-z]+\): has executed another program" || fail "no word of it: $(cat err)"
	says err "^gctap: process $PID is another program, after" || fail "no word of it: $(cat err)"
	same "ended, heap read" '[true,true]' "$(jq -c '[.trends.ended, .by_pages]' out)"
	kill "$PID"
}

# More than are looked at in one go.
case_each_of_many_executes_another_program() {
	local pids=() options=() i
	changer_build
	for ((i = 0; i < 70; i++)); do
		GOMAXPROCS=1 ./changer &
		pids+=($!)
		options+=(-p $!)
	done
	for i in "${pids[@]}"; do
		await is_running "$i" changer
	done
	tap trace --json "${options[@]}"
	await has_lines err 70
	: >go
	await_end "$TAP"
	ended_with 0
	same "processes that were seen to execute" 70 \
		"$(sed -nE 's/^gctap: ([0-9]+) .*: has executed another program.*/\1/p' err | sort -u | wc -l)"
}

run_cases "$@"
