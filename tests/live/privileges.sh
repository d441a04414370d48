#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Without root: what is missing is said in one line, and with the right capabilities it works.
. "$(dirname "$0")/lib.sh"

# as_nobody CAPABILITIES ARG... : gctap as an unprivileged user, with these ("none": none).
as_nobody() {
	local capabilities=$1 grant=()
	shift
	[[ $capabilities == none ]] || grant=(--inh-caps="-all,$capabilities" --ambient-caps="$capabilities")
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" setpriv --reuid=65534 --regid=65534 --clear-groups "${grant[@]}" \
		"$GCTAP" "$@" >out 2>err </dev/null || STATUS=$?
}

# Copies that anybody can reach and read.
reachable() {
	cp "$GCTAP" "$CASE_FOLDER/gctap"
	cp "$GO_PROGRAMS/backtoback" "$GO_PROGRAMS/spin" .
	as_nobody none --version
	[[ $STATUS == 0 ]] || skip "an unprivileged user cannot run programs in ${TMPDIR:-/tmp}"
}

# setpriv can give capabilities to a program only if it knows them and the bounding set has them.
grantable() { setpriv --reuid=65534 --inh-caps="-all,$1" --ambient-caps="$1" true 2>/dev/null; }

case_none() {
	need setpriv
	reachable
	as_nobody none trace -- ./backtoback
	one_line_of_trouble 'CAP_BPF'
	./spin -seconds "$LASTING" >program.out &
	as_nobody none trace -p $!
	one_line_of_trouble 'CAP_BPF'
	as_nobody none trace -x ./spin
	one_line_of_trouble 'CAP_BPF'
}

case_inspect_needs_none() {
	need setpriv
	reachable
	as_nobody none inspect ./backtoback
	ended_with 0
	as_nobody none schema
	ended_with 0
}

case_bpf_alone() {
	need setpriv
	reachable
	grantable +bpf || skip "CAP_BPF cannot be granted here"
	as_nobody +bpf trace -- ./backtoback
	one_line_of_trouble 'CAP_PERFMON'
}

case_without_ptrace_a_foreign_process() {
	need setpriv
	reachable
	grantable +bpf,+perfmon || skip "CAP_BPF and CAP_PERFMON cannot be granted here"
	./spin -seconds "$LASTING" >program.out &
	as_nobody +bpf,+perfmon trace -p $!
	one_line_of_trouble 'CAP_SYS_PTRACE'
}

# Kernels from 6.16 on, and some older stable ones, ask for CAP_SYS_ADMIN for a uprobe: then that
# must be said, and with it all must work.
case_just_enough() {
	local granted=+bpf,+perfmon,+sys_ptrace
	need setpriv
	reachable
	grantable "$granted,+sys_admin" || skip "capabilities cannot be granted here"
	as_nobody "$granted" trace -- ./backtoback -cycles 20
	if [[ $STATUS != 0 ]]; then
		one_line_of_trouble 'CAP_SYS_ADMIN'
		granted+=,+sys_admin
		as_nobody "$granted" trace -- ./backtoback -cycles 20
	fi
	info "granted: $granted"
	ended_with 0
	same "lines" 20 "$(cycle_lines out)"
	./spin -seconds "$LASTING" >program.out &
	as_nobody "$granted" trace -p $! -n 20
	ended_with 0
	cycle_numbers out | consecutive
	as_nobody "$granted" trace -x ./spin -n 20
	ended_with 0
}

case_none_for_madvise() {
	need setpriv
	reachable
	as_nobody none madvise -- true
	one_line_of_trouble 'CAP_BPF'
	./spin -seconds "$LASTING" >program.out &
	as_nobody none madvise -p $!
	one_line_of_trouble 'CAP_BPF'
}

# System call tracepoints need no CAP_SYS_ADMIN where uprobes do, but tracefs, which only root can read, or
# those of all system calls.
case_just_enough_for_madvise() {
	need setpriv jq
	reachable
	cp "$GO_PROGRAMS/goadvise" .
	grantable +bpf,+perfmon,+sys_ptrace || skip "capabilities cannot be granted here"
	as_nobody +bpf,+perfmon madvise -p $$
	one_line_of_trouble 'CAP_SYS_PTRACE'
	as_nobody +bpf,+perfmon,+sys_ptrace madvise --json -- ./goadvise
	ended_with 0
	# The program writes there, too.
	grep '^{' out >records
	info "seen by: $(jq -r 'select(.type == "header").madvise_attach' records)"
	same "calls" 100 "$(jq 'select(.type == "madvise" and .advice == "MADV_DONTNEED" and .cause == "go_program").calls' records)"
	./spin -seconds "$LASTING" >program.out &
	as_nobody +bpf,+perfmon,+sys_ptrace madvise --json -p $! -d 0.5
	ended_with 0
	same "calls with an unknown cause" 0 "$(jq -s 'map(select(.type == "madvise" and .cause == "unknown")) | length' out)"
}

run_cases "$@"
