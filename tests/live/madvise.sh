#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# madvise calls: the counts are those of strace, the causes those that each program was made for,
# what is freed is what the kernel says is gone; and how the accounting begins and ends.
. "$(dirname "$0")/lib.sh"

readonly STORM=$GCTAP_ROOT/build/tests/live/madvise_storm
readonly RELEASED='(.advice == "MADV_DONTNEED" or .advice == "MADV_FREE")'

storm_built() { [[ -x $STORM ]] || skip "$STORM is not built (make live-tests)"; }

# attached : gctap counts by now: the process has been announced after that.
attached() { await says err "^gctap: $PID \("; }

# The sums in all, of each advice and cause: "ADVICE CAUSE CALLS BYTES".
totals_of() {
	jq -r 'select(.type == "madvise" and .period == "total")
		| "\(.advice // "?") \(.cause) \(.calls) \(.asked_bytes)"' "$1" | sort
}

# asked CAUSE FILE : bytes that calls of this cause gave back, in all; 0 if there was none.
asked() {
	jq -s --arg cause "$1" "[.[] | select(.type == \"madvise\" and .period == \"total\" and .cause == \$cause
		and $RELEASED).asked_bytes] | add // 0" "$2"
}

# calls CAUSE FILE : likewise the calls, of any advice.
calls() {
	jq -s --arg cause "$1" '[.[] | select(.type == "madvise" and .period == "total" and .cause == $cause).calls]
		| add // 0' "$2"
}

summary() { jq "select(.type == \"madvise_summary\" and .period == \"total\").$1" "$2"; }

total() { jq "select(.type == \"totals\").$1" "$2"; }

knows_limit() { "$GO_PROGRAMS/limited" -seconds 0 >/dev/null 2>&1; }

# ---- Agreement with strace ----------------------------------------------------------------------

# What strace has seen: "ADVICE CALLS BYTES" of calls that returned. An advice without a name is "?".
strace_sums() {
	cat "$@" | awk -F '[(,)]' '
		/^madvise\(/ && / = (0|-1 E[A-Z]+)/ {
			advice = $4
			gsub(/[ \t]/, "", advice)
			if (advice !~ /^MADV_/)
				advice = "?"
			calls[advice]++
			bytes[advice] += $3
		}
		END { for (advice in calls) printf "%s %d %.0f\n", advice, calls[advice], bytes[advice] }' | sort
}

# The same from the records: causes do not matter.
advice_sums() {
	totals_of "$1" | awk '
		{ calls[$1] += $3; bytes[$1] += $4 }
		END { for (advice in calls) printf "%s %d %.0f\n", advice, calls[advice], bytes[advice] }' | sort
}

# Length, touched or not, threads: all advices that differ for strace. 4242 is none.
readonly ORDERS=(-t 2 -p 3 -u 4=300 8=200 14=20 4242=9)

case_agrees_with_strace_in_two_runs() {
	need jq strace
	storm_built
	strace -ff -qq -e trace=madvise -o trace "$STORM" "${ORDERS[@]}"
	gctap madvise --json -o sums.json -- "$STORM" "${ORDERS[@]}"
	ended_with 0
	same "calls and bytes" "$(strace_sums trace.*)" "$(advice_sums sums.json)"
	same "what is known of it" '? 18 221184|MADV_DONTNEED 600 7372800|MADV_FREE 400 4915200|MADV_HUGEPAGE 40 491520' \
		"$(advice_sums sums.json | paste -sd '|')"
	same "errors" '[18,221184,["EINVAL=18"]]' \
		"$(jq -c 'select(.type == "madvise" and .errors > 0) | [.errors, .error_asked_bytes, .error_names]' sums.json)"
	says err 'no Go program: causes are not told' || fail "$(cat err)"
	same "causes" not_go "$(jq -r 'select(.type == "madvise").cause' sums.json | sort -u)"
}

# A program that is traced by both at the same time, from before its first call.
under_both() {
	hold "$@"
	strace -ff -e trace=madvise -p "$PID" -o trace 2>strace.err &
	await says strace.err "Process $PID attached"
	tap madvise --json -o sums.json -p "$PID"
	attached
	let_go
	await_end "$TAP"
	ended_with 0
}

case_agrees_with_strace_on_one_process() {
	need jq strace
	storm_built
	under_both "$STORM" -w "${ORDERS[@]}"
	same "calls and bytes" "$(strace_sums trace.*)" "$(advice_sums sums.json)"
	same "calls" 1058 "$(total madvise_calls sums.json)"
}

# A thread that is in a call when the program ends never returns from it for strace, and may for gctap.
case_agrees_with_strace_on_go_programs() {
	local program unfinished=0
	need jq strace
	for program in background growing limited cgoadvise; do
		[[ $program != limited ]] || knows_limit || continue
		mkdir "$program"
		cd "$program"
		under_both "$GO_PROGRAMS/$program" -wait
		unfinished=$(cat trace.* | grep -c '^madvise(.* = ?' || true)
		if ((unfinished == 0)); then
			same "calls and bytes of $program" "$(strace_sums trace.*)" "$(advice_sums sums.json)"
			info "$program: $(total madvise_calls sums.json) calls agree"
		else
			# One advice of one thread: the sum is all there is to compare.
			(($(total madvise_calls sums.json) - $(cat trace.* | grep -c '^madvise(.* = [0-]') <= unfinished)) ||
				fail "$program: $(advice_sums sums.json) and $(strace_sums trace.*)"
		fi
		cd ..
	done
}

# ---- Causes -------------------------------------------------------------------------------------

# account PROGRAM ARG... : to sums.json; what it is all about goes to the results.
account() {
	need jq
	gctap madvise --json -o sums.json -- "$GO_PROGRAMS/$1" "${@:2}"
	ended_with 0
	info "$(totals_of sums.json | paste -sd '|')"
	same "calls in no sum" 0 "$(total madvise_calls_lost sums.json)"
	same "calls in the summary" "$(total madvise_calls sums.json)" "$(summary calls sums.json)"
}

# Nine tenths would do as well most of the time; by how much depends on how the threads are scheduled.
mostly() {
	local all part
	part=$(asked "$1" sums.json) all=$(summary released_asked_bytes sums.json)
	((part * 2 > all && part > 0)) || fail "$1: $part of $all bytes"
}

# A heap that grows says so of the memory it has got, too, which gives nothing back.
never() {
	local cause
	for cause; do
		if [[ $cause == heap_growth ]]; then
			same "bytes given back for $cause" 0 "$(asked "$cause" sums.json)"
		else
			same "calls with cause $cause" 0 "$(calls "$cause" sums.json)"
		fi
	done
}

case_cause_background() {
	account background
	mostly background
	never forced memory_limit heap_growth go_program not_go unknown
}

case_cause_forced() {
	account forced
	mostly forced
	never background memory_limit heap_growth go_program not_go unknown
}

case_cause_memory_limit() {
	knows_limit || skip "this Go knows no memory limit"
	account limited
	mostly memory_limit
	never forced go_program not_go unknown
}

case_cause_heap_growth() {
	account growing
	mostly heap_growth
	never forced memory_limit go_program not_go unknown
}

case_cause_go_program() {
	account goadvise
	same "calls of the program" \
		'MADV_DONTNEED go_program 100 6553600|MADV_RANDOM go_program 100 6553600|MADV_WILLNEED go_program 100 6553600' \
		"$(totals_of sums.json | grep ' go_program ' | paste -sd '|')"
	never background forced memory_limit heap_growth not_go unknown
	# A call that changed the CPU can be off.
	jq -es '.[] | select(.type == "madvise_summary" and .period == "total")
		| (.released_freed_bytes - .released_asked_bytes | fabs) <= .freed_error_bytes' sums.json >/dev/null ||
		fail "$(summary released_freed_bytes sums.json) bytes of 6553600 freed"
}

# Of a goroutine and of two threads that C has started. The C library may give back the stacks of these
# two as well.
case_cause_not_go() {
	local released
	account cgoadvise
	same "calls of C" '? not_go 15 983040|MADV_FREE not_go 150 9830400|MADV_HUGEPAGE not_go 30 1966080' \
		"$(totals_of sums.json | grep ' not_go ' | grep -v DONTNEED | paste -sd '|')"
	released=$(totals_of sums.json | awk '$1 == "MADV_DONTNEED" && $2 == "not_go" { print $3 }')
	matches "MADV_DONTNEED of C" '^30[012]$' "$released"
	same "errors" '["EINVAL=15"]' "$(jq -c 'select(.type == "madvise" and .errors > 0).error_names' sums.json)"
	never background forced memory_limit heap_growth go_program unknown
}

case_cause_not_go_at_a_high_rate() {
	local released calls=$((100000 / PATIENCE))
	account cgoadvise -storm "$calls" -pages 1
	info "$(grep calls_per_second out)"
	released=$(totals_of sums.json | awk '$1 == "MADV_DONTNEED" && $2 == "not_go" { print $3 }')
	((released >= 3 * calls && released <= 3 * calls + 2)) || fail "$released calls of C, three times $calls"
	never go_program unknown
}

# ---- What is really freed -----------------------------------------------------------------------

# Up to Go 1.15 the runtime asks with MADV_FREE unless it is told otherwise.
case_forced_frees_what_the_resident_set_falls_by() {
	local before after freed
	need jq
	GODEBUG=madvdontneed=1 hold "$GO_PROGRAMS/forced" -wait
	tap madvise --json -o sums.json -p "$PID"
	attached
	let_go
	await_end "$TAP"
	ended_with 0
	before=$(said rss_before_bytes program.out) after=$(said rss_after_bytes program.out)
	freed=$(jq 'select(.type == "madvise" and .period == "total" and .advice == "MADV_DONTNEED").freed_bytes' sums.json)
	info "freed $freed, the resident set fell by $((before - after)): $(summary freed_error_bytes sums.json) may be off"
	(($(asked forced sums.json) >= $(said asked_bytes program.out))) ||
		fail "only $(asked forced sums.json) bytes asked"
	awk -v freed="$freed" -v drop=$((before - after)) 'BEGIN { exit !(freed > drop * 0.99 && freed < drop * 1.01) }' ||
		fail "freed $freed, but the resident set fell by $((before - after))"
}

case_madv_free_frees_nothing_at_once() {
	local freed lazy off
	need jq
	GODEBUG=madvdontneed=0 hold "$GO_PROGRAMS/forced" -wait -seconds 1.5
	tap madvise --json -o sums.json -p "$PID" 0.2
	attached
	let_go
	await_end "$TAP"
	ended_with 0
	same "how it is given back" MADV_FREE \
		"$(jq -r 'select(.type == "madvise" and .period == "total" and .cause == "forced" and .releases).advice' sums.json)"
	asked=$(asked forced sums.json)
	((asked >= $(said asked_bytes program.out))) || fail "only $asked bytes asked"
	freed=$(summary released_freed_bytes sums.json)
	lazy=$(jq -s '[.[] | select(.type == "madvise_summary" and .period == "interval").lazy_free_bytes] | max' sums.json)
	off=$((asked / 100 + $(summary freed_error_bytes sums.json)))
	# From Linux 6.12 on, a huge page of which a part is given back is split, and of its pages those are freed that hold
	# zeros only: behind the end of the buffer, and in front of it.
	[[ $(cat /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null) != "[always]"* ]] || off=$((off + (4 << 20)))
	info "asked $asked, freed $freed, which may be off by $off, LazyFree $lazy"
	((freed < off && freed > -off)) || fail "freed $freed of $asked, which may be off by $off"
	# The kernel takes of it what it needs for others, and the rest of a batch that it marks at a time is late.
	((lazy <= asked && lazy > asked / 10 * 9)) || fail "LazyFree $lazy of $asked"
}

# ---- Many calls ---------------------------------------------------------------------------------

resident_kilobytes() { awk '/^VmRSS:/ { print $2 }' "/proc/$TAP/status" 2>/dev/null || true; }

# counted WHAT EXPECTED GOT FILE : all, but for those that the kernel itself left out, of which it keeps count.
counted() {
	local missed
	missed=$(total madvise_runs_missed "$4")
	((missed == 0)) || info "the kernel left out $missed runs of the program"
	(($3 <= $2 && $2 - $3 <= missed)) || fail "$1: expected $2, got $3; the kernel left out $missed runs"
}

case_a_storm_is_counted_exactly_in_constant_memory() {
	local calls=$((500000 / PATIENCE)) advice cause seen bytes
	storm_built
	need jq
	hold "$STORM" -w -t 2 4=$calls
	tap madvise --json -o sums.json -p "$PID" 0.2
	attached
	let_go
	until gone "$TAP"; do
		resident_kilobytes >>resident
		sleep 0.1
	done
	await_end "$TAP"
	ended_with 0
	read -r advice cause seen bytes <<<"$(totals_of sums.json)"
	same "advice and cause" "MADV_DONTNEED not_go" "$advice $cause"
	counted "calls" $((2 * calls)) "$seen" sums.json
	same "bytes" $((seen * 4096)) "$bytes"
	same "calls in no sum" 0 "$(total madvise_calls_lost sums.json)"
	# Not the first ones: reading /proc and the maps for the first time takes some memory.
	info "$(grep calls_per_second program.out), VmRSS $(sort -n resident | sed -n '1p;$p' | paste -sd -) kB"
	(($(wc -l <resident) < 8)) || awk 'NR == 4 { first = $1 } NR > 4 && ($1 > first + 128) { exit 1 }' resident ||
		fail "VmRSS grew: $(paste -sd ' ' resident)"
}

# Each call is a line or counted as dropped.
case_events_in_a_small_buffer_are_lines_or_counted() {
	local lines dropped
	storm_built
	need jq
	gctap madvise --events --buffer 4 --json -o events.json -- "$STORM" -t 2 4=50000
	ended_with 0
	lines=$(grep -c '"type":"madvise_call"' events.json)
	dropped=$(total madvise_events_dropped events.json)
	info "$lines lines, $dropped dropped"
	((lines > 0 && dropped > 0)) || fail "$lines lines, $dropped dropped"
	counted "lines and dropped" 100000 $((lines + dropped)) events.json
	counted "calls in the sums" 100000 "$(total madvise_calls events.json)" events.json
	says err "$dropped madvise calls were not shown singly" || fail "$(cat err)"
}

case_events_in_a_large_buffer_are_all_there() {
	storm_built
	need jq
	gctap madvise --events --buffer 4096 --json -o events.json -- "$STORM" -p 2 -u 4=2000 4242=10
	ended_with 0
	same "lines" '[[4,2000,16384000,null],[4242,10,81920,"EINVAL"]]' "$(jq -sc '
		[.[] | select(.type == "madvise_call")] | group_by(.advice_number)
		| map([.[0].advice_number, length, (map(.asked_bytes) | add), .[0].error])' events.json)"
	same "dropped" 0 "$(total madvise_events_dropped events.json)"
	gctap madvise --events -o events -- "$STORM" 4=3 4242=1
	same "as text" 4 "$(grep -cE '^madvise [0-9]+ 0x[0-9a-f]+ 4\.0 KiB (DONTNEED|4242) not_go, freed ' events)"
	grep -qE '^madvise .* 4242 .*, EINVAL$' events || fail "$(cat events)"
}

# ---- Refaults -----------------------------------------------------------------------------------

# The age of a minute is left to the unit tests.
case_refault_says_how_much_came_back() {
	local soon later
	need jq
	gctap madvise --refault --json -o sums.json -- "$GO_PROGRAMS/refaulting" -seconds 11
	ended_with 0
	soon=$(said soon_bytes out) later=$(said later_bytes out)
	(($(said soon_ms out) < 900 && $(said later_ms out) < 9000)) || skip "the program was too slow: $(cat out)"
	jq -c 'select(.type == "refault" and .period == "total")
		| [.released_bytes, .unwatched_bytes, .judged_1s_bytes, .returned_1s_bytes, .judged_10s_bytes, .returned_10s_bytes,
			.judged_60s_bytes]' sums.json >got
	same "released, watched, back" \
		"[41943040,0,41943040,$soon,41943040,$((soon + later)),0]" "$(cat got)"
}

# ---- Formats ------------------------------------------------------------------------------------

case_tables_of_intervals_add_up() {
	need jq
	gctap madvise --json -o sums.json 0.3 -- "$GO_PROGRAMS/forced" -seconds 1.2
	ended_with 0
	(($(jq -s '[.[] | select(.type == "madvise_summary" and .period == "interval")] | length' sums.json) >= 3)) ||
		fail "too few intervals"
	same "sums of the intervals" "$(totals_of sums.json)" "$(jq -rs '
		[.[] | select(.type == "madvise" and .period == "interval")] | group_by([.advice, .cause])
		| map("\(.[0].advice) \(.[0].cause) \(map(.calls) | add) \(map(.asked_bytes) | add)") | .[]' sums.json | sort)"
	same "totals" 1 "$(jq -s '[.[] | select(.type == "madvise_summary" and .period == "total")] | length' sums.json)"
}

case_tables_are_for_people() {
	local headings
	gctap madvise -o table 0.2 -- "$GO_PROGRAMS/forced" -seconds 0.8
	ended_with 0
	(($(grep -cE '^last [0-9.]+ s: [0-9]+ madvise calls; given back: ' table) >= 2)) || fail "$(cat table)"
	same "tables in all" 1 "$(grep -cE '^in all [0-9.]+ s: [0-9]+ madvise calls; given back: ' table)"
	headings=$(grep -cE '^  ADVICE +CAUSE +CALLS +ASKED +FREED +ERRORS +MEAN +P99 +MAX$' table)
	same "headings" "$(grep -cE ': [1-9][0-9]* madvise calls' table)" "$headings"
	grep -qE '^  (DONTNEED|FREE) +forced +[0-9]+ +128\.[0-9] MiB ' table || fail "$(cat table)"
	same "other lines" 0 "$(grep -cvE '^(last|in all|  ADVICE|  [A-Z]+ +[a-z_]+ +[0-9]+ )' table || true)"
	gctap madvise -T -o table -- "$GO_PROGRAMS/goadvise"
	grep -qE '^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.]+Z in all ' table || fail "no time: $(head -n 1 table)"
}

case_count_limits_the_tables() {
	need jq
	start spin -seconds "$LASTING"
	gctap madvise --json -p "$PID" 0.2 3
	ended_with 0
	same "tables" "interval interval interval total" \
		"$(jq -r 'select(.type == "madvise_summary").period' out | paste -sd ' ')"
	kill -0 "$PID" || fail "the process was ended, too"
	# As short as may be, at times shorter than a table takes: no more than were asked for.
	gctap madvise -p "$PID" 0.001 3
	ended_with 0
	same "tables" 3 "$(grep -c '^last ' out)"
}

# is_csv FILE ROWS : a heading and at least so many rows, of as many columns each.
is_csv() {
	same "numbers of columns" 1 "$(sed -E 's/"([^"]|"")*"//g' "$1" | awk -F, '{ print NF }' | sort -u | wc -l)"
	(($(wc -l <"$1") > $2)) || fail "$(wc -l <"$1") lines: $(head -n 5 "$1")"
}

case_csv() {
	gctap madvise --format csv -o csv -- "$GO_PROGRAMS/goadvise"
	ended_with 0
	is_csv csv 3
	matches "heading" ',advice,advice_number,cause,' "$(head -n 1 csv)"
	gctap madvise --format csv:madvise_summary -o csv -- "$GO_PROGRAMS/goadvise"
	is_csv csv 1
	gctap madvise --format csv:madvise_call -o csv -- "$GO_PROGRAMS/goadvise" -calls 50
	is_csv csv 150
	gctap madvise --format csv:refault -o csv -- "$GO_PROGRAMS/goadvise"
	is_csv csv 1
	matches "heading" ',returned_1s_bytes,' "$(head -n 1 csv)"
}

case_trace_shows_madvise_beside_the_cycles() {
	need jq
	gctap trace --json --madvise -o trace.json -- "$GO_PROGRAMS/forced"
	ended_with 0
	same "cycles" 1 "$(total cycles trace.json)"
	(($(asked forced trace.json) >= $(said asked_bytes out))) || fail "$(asked forced trace.json) bytes asked"
	gctap trace --madvise -o lines -- "$GO_PROGRAMS/forced"
	same "cycle lines" 1 "$(cycle_lines lines)"
	same "tables" 1 "$(grep -c '^in all ' lines)"
}

# ---- How it ends --------------------------------------------------------------------------------

# The totals are there, and the process runs on.
ends_with_sums() {
	ended_with 0
	same "last record" totals "$(tail -n 1 sums.json | jq -r .type)"
	same "summaries in all" 1 "$(jq -s '[.[] | select(.type == "madvise_summary" and .period == "total")] | length' sums.json)"
	kill -0 "$PID" || fail "the process was ended, too"
}

by_signal() {
	need jq
	start spin -seconds "$LASTING"
	tap madvise --json -o sums.json -p "$PID"
	attached
	kill -"$1" "$TAP"
	await_end "$TAP"
	ends_with_sums
}

case_ends_by_sigint() { by_signal INT; }

case_ends_by_sigterm() { by_signal TERM; }

case_ends_with_its_duration() {
	need jq
	start spin -seconds "$LASTING"
	gctap madvise --json -o sums.json -p "$PID" -d 0.3
	ends_with_sums
}

case_ends_with_its_reader() {
	start spin -seconds "$LASTING"
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" madvise -p "$PID" 0.05 2>err | head -n 3 >out || STATUS=$?
	ended_with 0
	same "lines" 3 "$(wc -l <out)"
	kill -0 "$PID" || fail "the process was ended, too"
}

case_ends_with_the_status_of_the_command() {
	gctap madvise -- sh -c 'exit 7'
	ended_with 7
	says out '^in all ' || fail "$(cat out)"
}

# Seven calls of the Go program, and a thousand of what it executes: those do not count.
case_ends_with_another_program() {
	local next
	need jq
	storm_built
	go_program changer 'package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
)

func main() {
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString(10)
	memory, _ := syscall.Mmap(-1, 0, 4096, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	for i := 0; i < 7; i++ {
		syscall.Madvise(memory, syscall.MADV_DONTNEED)
	}
	syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
}'
	for next in "$STORM 4=1000" "/bin/sleep 30"; do
		rm -f go
		# shellcheck disable=SC2086 # two words
		hold ./changer $next
		tap madvise --json -o sums.json -p "$PID"
		attached
		let_go
		await_end "$TAP"
		ended_with 0
		same "calls before $next" "MADV_DONTNEED go_program 7 28672" "$(totals_of sums.json | grep -v allocator_reuse)"
	done
	same "end" exec "$(jq -r 'select(.type == "process_end").reason' sums.json)"
	kill -0 "$PID" || fail "gctap waited for the end of the other program"
}

# The programs, links and maps that a process holds in the kernel: "prog 17".
kernel_objects() { sed -nE 's/^(prog|link|map)_id:[[:space:]]+/\1 /p' "/proc/$1/fdinfo/"* | sort -u; }

nothing_left() {
	local what id
	while read -r what id; do
		! bpftool "$what" show id "$id" >/dev/null 2>&1 || return 1
	done <objects
}

case_nothing_stays_in_the_kernel() {
	local signal
	need bpftool
	start spin -seconds "$LASTING"
	for signal in INT KILL; do
		tap madvise --events -o events -p "$PID"
		attached
		kernel_objects "$TAP" >objects
		(($(grep -c '^prog' objects) >= 2)) || fail "while it runs: $(paste -sd , objects)"
		! nothing_left || fail "bpftool does not show them: $(paste -sd , objects)"
		kill -"$signal" "$TAP"
		await gone "$TAP"
		await nothing_left
	done
}

# ---- Refusals -----------------------------------------------------------------------------------

case_no_such_process() {
	gctap madvise -p 4194303
	one_line_of_trouble '4194303'
}

# Told with a hint at --help, as all commands do.
refused() {
	local why=$1
	shift
	gctap madvise "$@"
	ended_with 2
	matches "standard error" "^gctap madvise: [^"$'\n'"]*$why" "$(cat err)"
	[[ ! -s out ]] || fail "there is output: $(head -n 1 out)"
}

case_wrong_arguments() {
	refused 'which process'
	refused 'which process' 1 5
	refused 'either a command, or running processes' -p 1 -- true
	refused 'no format' --format gctrace -p 1
	refused 'no record' --format csv:nonsense -p 1
	refused '-p' -p nonsense
	refused '-p' -p 0
	refused '' -d 0 -p 1
	refused '' --buffer 1 -p 1
	refused 'unrecognized option' --nonsense
}

run_cases "$@"
