#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What if a call fails, or the target ends, at this very moment? Moment after moment is tried: the first
# call of a function fails, the second, and so on, until there are no more; and the target is killed
# before the first call of all, the second, and so on. gctap ends by itself, with status 2 and a line that
# says why, or does without what failed; and leaves nothing.
#
# GCTAP_FAULTS tells which moments. A loop makes hundreds of calls that fail alike; what tells calls apart is
# the way to them, which functions called each other.
#   some  the first call by each way, with gaps where there are many ways
#   all   the first call by each way, when nothing of its kind is there yet, and the second, when something is
#   each  each call, which takes hours
# Works with a sanitized gctap, too: GCTAP=build/sanitized/gctap ASAN_OPTIONS=verify_asan_link_order=0.
. "$(dirname "$0")/lib.sh"

readonly INJECTOR=${GCTAP_INJECTOR:-$GCTAP_ROOT/build/tests/live/fault_injector.so} FAULTS=${GCTAP_FAULTS:-some}
readonly ENOENT=2 EPERM=1 EIO=5 ENOMEM=12 EMFILE=24 ENOSPC=28 NEVER=100000

# So many calls by the same way count; 0: all do.
case $FAULTS in
some) WAYS=1 ;;
all) WAYS=2 ;;
each) WAYS=0 ;;
*) die "GCTAP_FAULTS is some, all or each, not $FAULTS" ;;
esac

# with_fault FUNCTION NUMBER ERRNO ARG... : gctap, in which that call fails.
with_fault() {
	STATUS=0
	rm -f report
	LD_PRELOAD='' timeout --foreground -k 5 "$LIMIT" env LD_PRELOAD="$INJECTOR" \
		GCTAP_FAULT="$1:$2:$3" GCTAP_FAULT_WAYS=$WAYS GCTAP_FAULT_PID="${PID:-0}" GCTAP_FAULT_REPORT="$PWD/report" \
		"$GCTAP" "${@:4}" >out 2>err </dev/null || STATUS=$?
}

calls_of() { awk -v name="$1" '$1 == name { print $2 }' report; }

# What was in the way: not what gctap says of a process that it found, nor what it lost.
complaints() { grep '^gctap: ' err | grep -vE '(cycles so far|, go1[^ ]*|every process of it, now .*and later|were lost: .*|missing: .*|not traced any more; waiting for the command to end)$' || true; }

# A defined end: done, or what was in the way.
ends_well() {
	case $STATUS in
	0) return ;;
	2) ;;
	*) fail "$1: status $STATUS: $(tail -n 1 err)" ;;
	esac
	same "$1: lines of trouble" 1 "$(complaints | wc -l)"
	! complaints | grep -q 'unknown reason' || fail "$1: no reason is given"
}

# step_of FUNCTION
step_of() {
	case $FAULTS:$1 in
	some:malloc) echo 13 ;;
	some:bpf | some:read | some:ioctl) echo 5 ;;
	*) echo 1 ;;
	esac
}

# sweep FUNCTION ERRNO ARG... : each of its calls fails once.
sweep() {
	local function=$1 error=$2 number step tried=0 refused=0
	shift 2
	step=$(step_of "$function")
	# With gaps, not always the same ones.
	for ((number = 1 + ($# + ${#function}) % step; number < NEVER; number += step)); do
		with_fault "$function" "$number" "$error" "$@"
		ends_well "${1} with the $number. call of $function failing ($error)"
		[[ -e report ]] || fail "$1: no report of the calls of $function"
		says report '^reached$' || break
		tried=$((tried + 1))
		refused=$((refused + (STATUS == 2)))
	done
	((number < NEVER)) || fail "$1: there is no end of calls of $function"
	info "$1: $tried calls of $function made to fail ($error), $refused of them in the way"
}

# What a session needs.
readonly SESSION="bpf:$EPERM bpf:$ENOMEM bpf:$EMFILE perf_event_open:$EPERM perf_event_open:$EMFILE perf_event_open:$ENOMEM
	pidfd_open:$EMFILE mmap:$ENOMEM open:$EMFILE fopen:$EMFILE read:$EIO epoll:$ENOMEM signalfd:$EMFILE
	descriptors:$EMFILE fork:$ENOMEM ioctl:$ENOMEM malloc:$ENOMEM"
# What a look needs.
readonly LOOK="pidfd_open:$EMFILE mmap:$ENOMEM open:$EMFILE fopen:$ENOENT fopen:$EMFILE read:$EIO process_vm_readv:$EPERM
	process_vm_readv:$ENOMEM descriptors:$EMFILE ioctl:$ENOMEM malloc:$ENOMEM"

# sweeps "FUNCTION:ERRNO..." ARG... : of one command; with gaps, one errno of each function is enough.
sweeps() {
	local fault last=
	for fault in $1; do
		[[ $FAULTS != some || ${fault%:*} != "$last" ]] || continue
		last=${fault%:*}
		sweep "${fault%:*}" "${fault#*:}" "${@:2}"
	done
}

begin() {
	need jq bpftool
	[[ -e $INJECTOR ]] || skip "$INJECTOR is not built"
	is_clean || fail "something is left from before: $(programs_left) $(probes_in_tracefs)"
}

# The target runs on, as it was.
unharmed() {
	kill -0 "$PID" || fail "the target has ended"
	nothing_left "$PID"
	gctap trace -p "$PID" -n 3
	ended_with 0
}

# Were they all the same, next to nothing would be made to fail, and nobody would notice.
ways_are_told_apart() {
	local all ways WAYS=0
	with_fault malloc 0 0 inspect --json "$GO_PROGRAMS/backtoback"
	all=$(calls_of malloc)
	WAYS=1
	with_fault malloc 0 0 inspect --json "$GO_PROGRAMS/backtoback"
	ways=$(calls_of malloc)
	((ways > 50 && ways < all)) || fail "$all allocations by $ways ways"
}

# The library is in the way of libbpf too: else all the rest would show nothing.
case_the_injector_takes_hold() {
	begin
	with_fault any 0 0 trace -- "$GO_PROGRAMS/backtoback" -cycles 3
	ended_with 0
	for function in bpf perf_event_open pidfd_open mmap open fopen read epoll signalfd descriptors fork ioctl malloc; do
		(($(calls_of "$function") > 0)) || fail "no call of $function is seen"
	done
	info "$(paste -sd ' ' report)"
	with_fault bpf 1000 "$EPERM" trace -- "$GO_PROGRAMS/backtoback" -cycles 3
	ended_with 0
	! says report reached || fail "a call is made to fail that is not made"
	with_fault perf_event_open 1 "$EPERM" trace -- "$GO_PROGRAMS/backtoback" -cycles 3
	ended_with 2
	says report reached || fail "the report does not say that the fault was made"
	ways_are_told_apart
}

case_faults_in_trace_of_a_process() {
	begin
	start spin -seconds "$LASTING"
	sweeps "$SESSION" trace --trigger --scav -n 1 -p "$PID"
	unharmed
}

case_faults_in_trace_of_a_command() {
	begin
	sweeps "bpf:$EPERM bpf:$EMFILE descriptors:$EMFILE fork:$ENOMEM pidfd_open:$EMFILE write:$ENOSPC epoll:$ENOMEM
		malloc:$ENOMEM" trace --json -- "$GO_PROGRAMS/backtoback" -cycles 3
	nothing_left
}

case_faults_in_trace_of_a_file() {
	begin
	start spin -seconds "$LASTING"
	sweeps "pidfd_open:$EMFILE epoll:$ENOMEM malloc:$ENOMEM" trace --json -n 1 -x "$GO_PROGRAMS/spin"
	unharmed
}

case_faults_in_madvise() {
	begin
	sweeps "$SESSION" madvise --events --json -- "$GO_PROGRAMS/goadvise"
	nothing_left
}

case_faults_in_compare() {
	begin
	sweeps "perf_event_open:$EPERM descriptors:$EMFILE epoll:$ENOMEM malloc:$ENOMEM" compare --json -- "$GO_PROGRAMS/backtoback" -cycles 3
	nothing_left
}

case_faults_in_why() {
	begin
	start spin -seconds "$LASTING"
	sweeps "$LOOK" why -p "$PID"
	sweeps "malloc:$ENOMEM" why --json -p "$PID"
	sweeps "bpf:$EPERM perf_event_open:$EMFILE signalfd:$EMFILE epoll:$ENOMEM" why --watch 0.1 -p "$PID"
	unharmed
}

case_faults_in_map() {
	begin
	start spin -seconds "$LASTING"
	sweeps "$LOOK" map -p "$PID"
	sweeps "malloc:$ENOMEM fopen:$EMFILE" map --html page --svg drawing -p "$PID"
	unharmed
}

case_faults_in_inspect() {
	begin
	sweeps "mmap:$ENOMEM open:$EMFILE read:$EIO descriptors:$EMFILE malloc:$ENOMEM" inspect "$GO_PROGRAMS/backtoback"
	sweeps "malloc:$ENOMEM" inspect --json "$GO_PROGRAMS/backtoback"
}

# kills STEP ARG... : the target is dead from its NUMBER-th call on; @ stands for its pid.
kills() {
	local step=$1 number kills=0
	shift
	[[ $FAULTS == some ]] || step=1
	for ((number = 1; number < NEVER; number += step)); do
		start spin -seconds "$LASTING"
		with_fault any "$number" 0 "${@/@/$PID}"
		if ! says report '^reached$'; then
			kill -KILL "$PID"
			break
		fi
		gone "$PID" || fail "the target lives"
		ends_well "$1 with the target killed before call $number"
		kills=$((kills + 1))
	done
	((number < NEVER)) || fail "$1: there is no end of calls"
	nothing_left
	info "$1: the target was killed at $kills moments"
}

case_target_is_killed_at_any_moment_of_trace() {
	begin
	kills 5 trace --trigger --scav -n 20 -p @
}

case_target_is_killed_at_any_moment_of_madvise() {
	begin
	kills 17 madvise --events --refault -d 0.1 -p @
}

case_target_is_killed_at_any_moment_of_a_look() {
	begin
	kills 11 why -p @
	kills 7 map -p @
	kills 5 inspect -p @
}

run_cases "$@"
