#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Nowhere to write to: a full disk and a reader that has gone, for every command and every format. One
# line says so, and the target is left as it was.
. "$(dirname "$0")/lib.sh"

begin() {
	need jq bpftool
	start spin -seconds "$LASTING"
}

# What is not the word on the process that was found, nor on events that a busy machine had no time for.
complaints() { grep -vE '(cycles so far|, go1[^ ]*|, now .*and later|events were lost: the ring buffer was full)$' err || true; }

# full WORD ARG... : status 2 and one line that has WORD in it.
full() {
	local word=$1
	shift
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" "$@" >/dev/full 2>err </dev/null || STATUS=$?
	same "$*: exit status" 2 "$STATUS"
	same "$*: lines of trouble" 1 "$(complaints | wc -l)"
	matches "$*: standard error" "^gctap: .*cannot write.*$word" "$(complaints)"
}

case_a_full_disk_under_each_format_of_trace() {
	local format
	begin
	for format in gctrace scvg json csv csv:gc_cycle csv:scavenge; do
		full 'No space left on device' trace --scav --format "$format" -p "$PID"
		full '/dev/full: No space left on device' trace --scav --format "$format" -o /dev/full -x "$GO_PROGRAMS/spin"
	done
	full 'No space left on device' trace -T -p "$PID"
	nothing_left "$PID"
}

case_a_full_disk_under_each_format_of_madvise() {
	local format
	begin
	for format in table json csv csv:madvise_call csv:madvise_summary csv:refault; do
		full 'No space left on device' madvise --format "$format" -p "$PID" 0.2 2
		full '/dev/full: No space left on device' madvise --format "$format" -o /dev/full -p "$PID" 0.2 2
	done
	nothing_left "$PID"
}

case_a_full_disk_under_every_look() {
	begin
	full '' why -p "$PID"
	full '' why --json -p "$PID"
	full '' why --watch 0.2 -p "$PID"
	full '' map -p "$PID"
	full '' map --json -p "$PID"
	full '/dev/full: No space left on device' map --html /dev/full -p "$PID"
	full '/dev/full: No space left on device' map --svg /dev/full -p "$PID"
	full '' inspect -p "$PID"
	full '' inspect --json -p "$PID"
	full '' schema
	nothing_left "$PID"
}

case_a_full_disk_under_compare() {
	local json
	need jq bpftool
	for json in '' --json; do
		STATUS=0
		# What the command prints is on stderr.
		timeout --foreground -k 5 "$LIMIT" "$GCTAP" compare $json -- "$GO_PROGRAMS/backtoback" -cycles 5 \
			>/dev/full 2>err || STATUS=$?
		ended_with 2
		same "lines of trouble" 1 "$(complaints | grep -c '^gctap: ')"
		says err '^gctap: cannot write' || fail "$(cat err)"
	done
	nothing_left
}

case_a_full_disk_under_words_to_the_user() {
	local word
	for word in --help --version; do
		STATUS=0
		"$GCTAP" $word >/dev/full 2>err || STATUS=$?
		ended_with 2
		same "lines of trouble" 1 "$(wc -l <err)"
	done
}

# A disk that fills up later: whole lines are in the file, and one word is said.
case_a_disk_that_fills_up() {
	local blocks=16
	begin
	STATUS=0
	# The shell's limit stands for the disk: writes beyond it fail when the signal is ignored.
	(
		trap '' XFSZ
		ulimit -f "$blocks"
		exec timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace --json -o lines -p "$PID"
	) >out 2>err || STATUS=$?
	ended_with 2
	same "lines of trouble" 1 "$(complaints | wc -l)"
	says err 'cannot write to lines: File too large' || fail "$(cat err)"
	jq -e . lines >/dev/null || fail "the file has a line that is none"
	same "bytes behind the last line" 0 "$(tail -c 1 lines | tr -d '\n' | wc -c)"
	(($(wc -l <lines) > 5)) || fail "only $(wc -l <lines) lines"
	nothing_left "$PID"
}

# Somebody's server is not ended because a disk is full.
case_a_full_disk_leaves_the_command_alone() {
	need bpftool
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace --json -- "$GO_PROGRAMS/backtoback" -cycles 300 >/dev/full 2>err \
		</dev/null || STATUS=$?
	ended_with 2
	says err 'cannot write to standard output: No space left' || fail "$(cat err)"
	says err 'waiting for the command to end' || fail "$(cat err)"
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace -o /dev/full -- "$GO_PROGRAMS/backtoback" -cycles 300 >out 2>err \
		</dev/null || STATUS=$?
	ended_with 2
	says out '^cycles=300 ' || fail "the command did not end by itself: $(cat out err)"
	nothing_left
}

# reader_goes ARG... : the reader takes one line and goes; nobody is told, and gctap is not there any more.
reader_goes() {
	{
		STATUS=0
		timeout --foreground -k 5 "$LIMIT" "$GCTAP" "$@" 2>err </dev/null || STATUS=$?
		echo "$STATUS" >status
	} | head -n 1 >line
	# Either nothing was left to write, or as is usual: by SIGPIPE.
	matches "$*: exit status" '^(0|141)$' "$(cat status)"
	same "$*: lines that were read" 1 "$(wc -l <line)"
	same "$*: complaints" 0 "$(complaints | wc -l)"
}

case_a_reader_that_goes_away() {
	begin
	reader_goes trace -p "$PID"
	reader_goes trace --json --scav --trigger -p "$PID"
	reader_goes trace --format csv -x "$GO_PROGRAMS/spin"
	reader_goes madvise --json -p "$PID" 0.1
	reader_goes why -p "$PID"
	reader_goes why --watch 0.3 -p "$PID"
	reader_goes map -p "$PID"
	reader_goes map --json -p "$PID"
	reader_goes inspect -p "$PID"
	reader_goes schema
	nothing_left "$PID"
}

# A reader that is there and does not read keeps nobody from ending.
case_a_reader_that_does_not_read() {
	local reader
	begin
	mkfifo pipe
	sleep 60 <pipe &
	reader=$!
	env --default-signal=INT "$GCTAP" trace --json -p "$PID" >pipe 2>err </dev/null &
	TAP=$!
	await says err 'cycles so far'
	sleep 2
	kill -TERM "$TAP"
	await_end "$TAP"
	ended_with 2
	says err 'nobody reads standard output' || fail "$(cat err)"
	kill "$reader"
	wait "$reader" || true
	cat pipe >lines &
	reader=$!
	gctap trace --json -o pipe -n 3 -p "$PID"
	ended_with 0
	wait "$reader"
	same "last record" totals "$(tail -n 1 lines | jq -r .type)"
	gctap trace --json -o pipe -p "$PID"
	ended_with 2
	matches "standard error" 'nobody reads pipe: start its reader first' "$(cat err)"
	nothing_left "$PID"
}

# Closed from the first byte on.
case_no_reader_at_all() {
	begin
	for command in "trace --json" "trace -n 5" "madvise --json -d 0.2" why "why --json" map "map --json"; do
		STATUS=0
		mkfifo pipe
		timeout 0.2 cat pipe >/dev/null &
		exec 7>pipe
		wait $! || true
		# shellcheck disable=SC2086
		timeout --foreground -k 5 "$LIMIT" "$GCTAP" $command -p "$PID" >&7 2>err </dev/null || STATUS=$?
		exec 7>&-
		rm pipe
		matches "$command: exit status" '^(0|141)$' "$STATUS"
		same "$command: complaints" 0 "$(complaints | wc -l)"
	done
	nothing_left "$PID"
}

run_cases "$@"
