#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Exit statuses, and what is said when there is nothing to trace.
. "$(dirname "$0")/lib.sh"

case_exit_status_of_the_command() {
	gctap trace -- "$GO_PROGRAMS/triggers" no-such-reason
	ended_with 2
	says err '^triggers: what for' || fail "the command did not run"
	gctap trace -- "$GO_PROGRAMS/backtoback" -cycles 2
	ended_with 0
}

# Which number it is does not matter to gctap: the program leaves with the one that it is given.
case_exit_status_seven() {
	go_program leave 'package main; import ("os"; "runtime"); func main() { runtime.GC(); os.Exit(7) }'
	gctap trace -- ./leave
	ended_with 7
}

# The runtime makes exit status 2 of SIGABRT and SIGQUIT, and these three kill.
case_command_killed_by_a_signal() {
	local number
	for number in 9 15 1; do
		tap trace -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
		await has_lines out 1
		kill -"$number" "$(pgrep -P "$TAP" -x spin)"
		await_end "$TAP"
		ended_with $((128 + number))
	done
}

case_arguments_reach_the_command_as_they_are() {
	# Options behind the command are the command's, with and without "--".
	gctap trace "$GO_PROGRAMS/backtoback" -cycles 12
	ended_with 0
	same "lines" 12 "$(cycle_lines out)"
	gctap trace -n 100000 -- "$GO_PROGRAMS/backtoback" -cycles 12
	ended_with 0
	same "lines" 12 "$(cycle_lines out)"
}

case_command_is_looked_up_in_the_path() {
	PATH=$GO_PROGRAMS:$PATH gctap trace -- backtoback -cycles 5
	ended_with 0
	same "lines" 5 "$(cycle_lines out)"
}

# refused WORD : wrong usage, which is said so.
refused() {
	ended_with 2
	matches "standard error" "$1" "$(head -n 1 err)"
}

case_numbers_that_are_none() {
	start spin -seconds "$LASTING"
	gctap madvise -p "$PID" x
	refused "a number of seconds above 0, not 'x'"
	gctap madvise -p "$PID" 1 0
	refused "COUNT: a whole number"
	gctap madvise -p "$PID" 1 2 3
	refused "'3'\? INTERVAL and COUNT are all"
	gctap madvise -p "$PID" 0.0001
	refused 'INTERVAL: 0.001 seconds or more'
	gctap madvise --format csv:gc_cycle -p "$PID"
	refused 'csv:gc_cycle is of gctap trace'
	gctap trace --format csv:refault -p "$PID"
	refused 'csv:refault is of gctap madvise'
	gctap trace --format csv:madvise -d 0.5 -p "$PID"
	ended_with 0
	matches "heading" '^ktime_ns,' "$(head -n 1 out)"
	(($(wc -l <out) > 1)) || fail "no row"
	for command in why map inspect; do
		gctap "$command" -p "$PID" -p "$$"
		refused 'one process at a time'
	done
}

case_the_end_of_a_process_is_told() {
	start spin -seconds "$LASTING"
	tap trace -p "$PID"
	await has_lines out 3
	kill -KILL "$PID"
	await_end "$TAP"
	ended_with 0
	says err "^gctap: $PID \(spin\): has ended" || fail "$(cat err)"
}

case_short_help() {
	gctap trace -h
	ended_with 0
	says out 'Usage: gctap trace' || fail "$(cat out err)"
}

case_command_not_found() {
	gctap trace -- no-such-command-here
	one_line_of_trouble 'no-such-command-here: command not found'
	gctap trace -- ./no-such-file
	one_line_of_trouble 'no-such-file'
}

case_command_not_executable() {
	cp "$GO_PROGRAMS/churn" plain
	chmod 644 plain
	gctap trace -- ./plain
	one_line_of_trouble 'plain: not executable'
	gctap trace -- "$PWD"
	one_line_of_trouble ''
}

case_command_is_no_go_program() {
	gctap trace -- /bin/ls
	one_line_of_trouble 'not a Go program'
	gctap compare -- /bin/ls
	one_line_of_trouble 'not a Go program'
}

case_command_is_a_script() {
	printf '#!/bin/sh\nexit 0\n' >script
	chmod +x script
	gctap trace -- ./script
	one_line_of_trouble 'a script'
}

case_command_is_broken() {
	head -c 5000 "$GO_PROGRAMS/churn" >half
	: >empty
	chmod +x half empty
	gctap trace -- ./half
	one_line_of_trouble ''
	gctap trace -- ./empty
	one_line_of_trouble ''
}

case_no_such_process() {
	start backtoback -cycles 1
	await_end "$PID"
	gctap trace -p "$PID"
	one_line_of_trouble "no process with pid $PID"
}

case_process_is_a_kernel_thread() {
	[[ -e /proc/2 && ! -s /proc/2/cmdline ]] || skip "no kernel threads in this pid namespace"
	gctap trace -p 2
	one_line_of_trouble 'kernel thread'
}

case_process_is_no_go_program() {
	sleep "$LASTING" &
	gctap trace -p $!
	one_line_of_trouble 'not a Go program'
}

case_process_is_a_thread() {
	local tid
	start spin -seconds "$LASTING"
	await has_threads "$PID"
	tid=$(threads "$PID" | head -n 1)
	gctap trace -p "$tid"
	one_line_of_trouble "$tid is a thread of process $PID"
}

case_file_is_none() {
	gctap trace -x no-such-file
	one_line_of_trouble 'no-such-file: No such file'
	gctap trace -x /
	one_line_of_trouble ''
	gctap trace -x /bin/ls
	one_line_of_trouble 'not a Go program'
	mkfifo fifo
	gctap trace -x fifo
	one_line_of_trouble 'not a regular file'
}

case_one_of_several_is_none() {
	start spin -seconds "$LASTING"
	sleep "$LASTING" &
	gctap trace -p "$PID" -p $!
	one_line_of_trouble 'not a Go program'
	kill -0 "$PID" || fail "the other process was ended"
}

case_wrong_usage() {
	local arguments
	while read -r arguments; do
		# shellcheck disable=SC2086 # words
		gctap $arguments
		[[ $STATUS == 2 ]] || fail "gctap $arguments: exit status $STATUS, expected 2"
		[[ -s err && ! -s out ]] || fail "gctap $arguments: says nothing on standard error"
	done <<-END

		no-such-command
		trace
		trace --no-such-option
		trace -p
		trace -p 0
		trace -p -1
		trace -p 12x
		trace -p 99999999999999999999
		trace -n 0 /bin/true
		trace -d 0 /bin/true
		trace -d nan /bin/true
		trace --format xml /bin/true
		trace --buffer 0 /bin/true
		trace -p 1 /bin/true
		compare
		compare --no-such-option
	END
}

threads() { (cd "/proc/$1/task" && printf '%s\n' *) | grep -vx "$1"; }

has_threads() { threads "$1" >/dev/null; }

# What a file is called, and what it says of itself, is anybody's choice.
nothing_commands_the_terminal() {
	local file
	for file in out err; do
		! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$file" || fail "$file commands the terminal: $(cat -v "$file" | head -n 3)"
	done
}

case_names_do_not_command_the_terminal() {
	local name=$'\e[31mspin\xff'
	need jq
	cp "$GO_PROGRAMS/spin" "$name"
	"./$name" -seconds "$LASTING" >spin.out &
	PID=$!
	await is_running "$PID" "$name"
	for call in 'trace -n 3' 'madvise -d 0.1' why map inspect; do
		# shellcheck disable=SC2086 # words
		gctap $call -p "$PID"
		ended_with 0
		nothing_commands_the_terminal
	done
	says out 'x1b\[31mspin' || fail "the name is not shown: $(head -n 1 out)"
	gctap trace -n 3 -x "$name"
	nothing_commands_the_terminal
	gctap inspect "no$name"
	nothing_commands_the_terminal
	gctap inspect --json "$name"
	same "name" '\xff' "$(jq -r .file out | grep -o '.xff')"
	cp /bin/true "no$name"
	gctap inspect "no$name"
	ended_with 1
	nothing_commands_the_terminal
}

# A byte that is no UTF-8, and one that begins a command of the terminal, among the settings of the build.
case_settings_of_the_build_do_not_command_the_terminal() {
	need jq
	sed 's/build\t-compiler=gc/build\t-comp\x1b\xffer=gc/' "$GO_PROGRAMS/spin" >hostile
	cmp -s "$GO_PROGRAMS/spin" hostile && skip "this Go does not write the settings of the build into the program"
	gctap inspect hostile
	ended_with 0
	nothing_commands_the_terminal
	says out 'comp.x1b.xffer=gc' || fail "no settings: $(grep built out)"
	gctap inspect --json hostile
	ended_with 0
	jq -r .settings out | grep -q 'xffer=gc' || fail "no settings: $(head -c 300 out)"
}

run_cases "$@"
