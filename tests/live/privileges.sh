#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Without root: what is missing is said in one line, and with the right capabilities it works. With
# root: what is not needed any more is given up. What is needed is said by 'gctap privileges'.
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

# The same, where a busy processor may take longer to understand a binary than gctap allows itself.
as_nobody_in_time() {
	local tries
	for ((tries = 0; tries < 5; tries++)); do
		as_nobody "$@"
		says err 'gave up after [0-9]+ ms' || break
	done
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

# ---- The table ------------------------------------------------------------------------------------

# Rows of `gctap privileges`: "FORM|STAGE|CAPABILITY|CONDITIONS", stages open, load, attach and run.
needs() {
	"$GCTAP" privileges | awk -F ' *[|] *' '
		BEGIN { split("open load attach run", stages, " ") }
		/^[|] `/ {
			gsub(/`/, "", $2)
			for (i = 3; i <= 6; i++) {
				cell = $i
				while (match(cell, /CAP_[A-Z_]+( \([0-9, ]+\))?/)) {
					one = substr(cell, RSTART, RLENGTH)
					cell = substr(cell, RSTART + RLENGTH)
					conditions = one ~ /\(/ ? one : ""
					gsub(/.*\(|\)/, "", conditions)
					sub(/ .*/, "", one)
					print $2 "|" stages[i - 2] "|" one "|" conditions
				}
			}
		}'
}

# As setpriv has them: "+bpf,+perfmon"; "none" for none.
as_granted() {
	local list
	list=$(sed -E 's/^CAP_/+/' | tr '[:upper:]' '[:lower:]' | sort -u | paste -sd ,)
	echo "${list:-none}"
}

of_form() { needs | awk -F'|' -v form="$1" '$1 == form && $3 != "CAP_KILL" { print $3 }'; }

case_readme_has_the_table() {
	[[ -r $GCTAP_ROOT/README.md ]] || skip "the README is not here"
	sed -n '/^<!-- privileges:begin -->$/,/^<!-- privileges:end -->$/p' "$GCTAP_ROOT/README.md" | sed '1d;$d' >readme
	"$GCTAP" privileges >table
	diff table readme >difference || fail "README has another table: $(head -n 3 difference)"
	# shellcheck disable=SC2016 # those are backticks of the table
	grep -q '^| `trace -p PID` | .*CAP_SYS_PTRACE' table || fail "no row for trace -p"
}

# Programs that anybody may execute and only root may read, and a process of root's that runs one.
unreadable_programs() {
	reachable
	cp "$GO_PROGRAMS/goadvise" .
	chmod 711 backtoback spin goadvise
	./spin -seconds "$LASTING" >program.out &
	FOREIGN=$!
	await is_running "$FOREIGN" ./spin
}

# The options by which a form of the table is called.
call_of() {
	case $1 in
	'inspect FILE') echo inspect "/proc/$FOREIGN/root$PWD/spin" ;;
	'inspect -p PID') echo inspect -p "$FOREIGN" ;;
	'trace -p PID') echo trace -n 5 -p "$FOREIGN" ;;
	'trace -x FILE') echo trace -n 5 -x "/proc/$FOREIGN/root$PWD/spin" ;;
	'trace -- COMMAND') echo trace -- ./backtoback -cycles 5 ;;
	'compare -- COMMAND') echo compare -- ./backtoback -cycles 5 ;;
	'madvise -p PID') echo madvise -d 0.2 -p "$FOREIGN" ;;
	'madvise --refault -p PID') echo madvise --refault -d 0.2 -p "$FOREIGN" ;;
	'madvise -- COMMAND') echo madvise -- ./goadvise ;;
	'why -p PID') echo why -p "$FOREIGN" ;;
	'why --watch SECONDS -p PID') echo why --watch 1 -p "$FOREIGN" ;;
	'why --watch SECONDS --refault -p PID') echo why --watch 1 --refault -p "$FOREIGN" ;;
	'map -p PID') echo map -p "$FOREIGN" ;;
	'schema, privileges') echo schema ;;
	*) fail "no call for '$1'" ;;
	esac
}

# Without one capability, as the table has it. CAP_SYS_ADMIN stands for two others.
fails_without() {
	local form=$1 capability=$2 conditions=$3 call=$4 kept
	kept=$(of_form "$form" | awk -v one="$capability" '
		$0 != one && !($0 == "CAP_SYS_ADMIN" && (one == "CAP_BPF" || one == "CAP_PERFMON"))' | as_granted)
	# shellcheck disable=SC2086 # words
	as_nobody_in_time "$kept" $call
	# Kernels differ in this one: where it is not needed, all works.
	if [[ $conditions == 6 && $STATUS == 0 ]]; then
		info "$form: this kernel places uprobes without CAP_SYS_ADMIN"
		return
	fi
	one_line_of_trouble "$capability"
}

form_needs_what_it_says() {
	local form=$1 call stage capability conditions
	call=$(call_of "$form")
	# shellcheck disable=SC2086 # words
	as_nobody_in_time "$(of_form "$form" | as_granted)" $call
	[[ $STATUS == 0 ]] || fail "$form: status $STATUS with all of it: $(cat err)"
	while IFS='|' read -r _ stage capability conditions; do
		# The commands are not named through /proc.
		[[ $stage == run || ($form == *COMMAND && $conditions == 5) ]] || fails_without "$form" "$capability" "$conditions" "$call"
	done < <(needs | awk -F'|' -v form="$form" '$1 == form')
}

forms() {
	# shellcheck disable=SC2016 # those are backticks of the table
	"$GCTAP" privileges | sed -nE 's/^\| `([^`]*)` .*/\1/p'
}

case_with_what_the_table_says_and_not_with_less() {
	local form
	need setpriv
	unreadable_programs
	grantable +bpf,+perfmon,+sys_ptrace,+sys_admin,+dac_read_search || skip "capabilities cannot be granted here"
	while IFS= read -r form; do
		[[ $form == -o* ]] || form_needs_what_it_says "$form"
	done < <(forms)
}

case_a_file_that_only_others_may_write() {
	need setpriv
	reachable
	grantable +dac_override || skip "capabilities cannot be granted here"
	mkdir -m 755 roots
	./spin -seconds "$LASTING" >program.out &
	as_nobody +sys_ptrace,+dac_read_search map -p $! --svg roots/map.svg
	one_line_of_trouble 'cannot write to roots/map.svg: Permission denied'
	as_nobody +sys_ptrace,+dac_read_search,+dac_override map -p $! --svg roots/map.svg
	ended_with 0
	grep -q '^<svg' roots/map.svg || fail "no drawing: $(head -c 100 roots/map.svg)"
}

# Root may: what is told to be written is opened before that right is given up.
case_root_writes_where_only_others_may() {
	start spin -seconds "$LASTING"
	mkdir -m 700 others
	chown 65534 others
	gctap trace -n 5 -o others/lines -p "$PID"
	ended_with 0
	(($(cycle_lines others/lines) >= 5)) || fail "$(cycle_lines others/lines) lines"
	gctap map -p "$PID" --html others/map.html
	ended_with 0
	grep -q '<html' others/map.html || fail "no page: $(head -c 100 others/map.html)"
}

# As root of most containers is: what the target has, gctap keeps, since nothing else opens the target to it.
case_root_without_ptrace() {
	local without=(setpriv --bounding-set=-sys_ptrace)
	need setpriv
	"${without[@]}" true || skip "the bounding set cannot be changed here"
	"${without[@]}" "$GO_PROGRAMS/spin" -seconds "$LASTING" >spin.out &
	PID=$!
	await is_running "$PID" "$GO_PROGRAMS/spin"
	for call in 'inspect' 'why' 'map' 'trace -n 5' 'madvise --refault -d 0.2'; do
		STATUS=0
		# shellcheck disable=SC2086 # words
		"${without[@]}" "$GCTAP" $call -p "$PID" >out 2>err </dev/null || STATUS=$?
		ended_with 0
	done
	# Of one that has more, nothing is to be seen.
	start spin -seconds "$LASTING"
	STATUS=0
	"${without[@]}" "$GCTAP" why -p "$PID" >out 2>err </dev/null || STATUS=$?
	one_line_of_trouble CAP_SYS_PTRACE
}

# ---- What is given up ------------------------------------------------------------------------------

# The capabilities of a set, of a process: "2 19".
numbers_of() {
	local set bit all=
	set=$((16#$(awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status")))
	for ((bit = 0; bit < 63; bit++)); do
		((set >> bit & 1)) && all+=" $bit"
	done
	echo "${all# }"
}

# has_left PID CAPABILITIES : and no way to any other.
has_left() {
	same "effective capabilities" "$2" "$(numbers_of "$1" CapEff)"
	same "permitted capabilities" "$2" "$(numbers_of "$1" CapPrm)"
	same "inheritable capabilities" "" "$(numbers_of "$1" CapInh)"
	same "ambient capabilities" "" "$(numbers_of "$1" CapAmb)"
	same "no_new_privs" 1 "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$1/status")"
}

# left_by CAPABILITIES ARG... : while it traces; and then it still ends as it should.
left_by() {
	local wanted=$1
	shift
	tap "$@"
	await says err 'spin'
	await given_up "$TAP"
	has_left "$TAP" "$wanted"
	same "bounding set" "" "$(numbers_of "$TAP" CapBnd)"
	kill -INT "$TAP"
	await_end "$TAP"
	ended_with 0
}

# The last step: nothing that loads BPF is left.
given_up() { [[ " $(numbers_of "$1" CapPrm) " != *" 39 "* ]]; }

readonly DAC_READ_SEARCH=2 KILL=5 SYS_PTRACE=19

case_root_gives_up_what_it_does_not_need() {
	need setpriv
	start spin -seconds "$LASTING"
	left_by $SYS_PTRACE trace -p "$PID"
	left_by $SYS_PTRACE trace --trigger --scav --madvise -p "$PID"
	left_by "" trace -x "$GO_PROGRAMS/spin"
	left_by $SYS_PTRACE madvise --refault -p "$PID"
	# Ended by a signal, gctap ends the command; killed by the case, it would not.
	tap madvise -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
	await says err spin
	await given_up "$TAP"
	numbers_of "$TAP" CapPrm >left
	kill -TERM "$TAP"
	await_end "$TAP"
	ended_with 143
	same "capabilities with a command" "$KILL $SYS_PTRACE" "$(cat left)"
}

case_of_another_users_process_it_keeps_more() {
	need setpriv
	reachable
	setpriv --reuid=65534 --regid=65534 --clear-groups ./spin -seconds "$LASTING" >program.out &
	PID=$!
	await is_running "$PID" ./spin
	left_by $SYS_PTRACE trace -p "$PID"
	left_by "$DAC_READ_SEARCH $SYS_PTRACE" madvise --refault -p "$PID"
}

# Nothing keeps a user from looking at a process of his own.
case_of_an_own_process_nothing_is_kept() {
	local granted=+bpf,+perfmon,+sys_admin
	need setpriv
	reachable
	grantable "$granted" || skip "capabilities cannot be granted here"
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all ./spin -seconds "$LASTING" >program.out &
	await is_running $! ./spin
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps="-all,$granted" --ambient-caps="$granted" \
		"$GCTAP" trace -p $! >out 2>err &
	TAP=$!
	await has_lines out 3
	has_left "$TAP" ""
}

case_where_proc_hides_processes_they_are_seen() {
	local granted=+bpf,+perfmon,+sys_admin,+sys_ptrace
	need setpriv unshare
	reachable
	grantable "$granted" || skip "capabilities cannot be granted here"
	unshare -m --propagation private bash -c 'mount -t proc -o hidepid=2 proc /proc' 2>/dev/null ||
		skip "/proc cannot be mounted with hidepid here"
	./spin -seconds "$LASTING" >program.out &
	# shellcheck disable=SC2016 # expanded by that shell
	unshare -m --propagation private bash -c 'mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 \
		--regid=65534 --clear-groups --inh-caps="-all,$1" --ambient-caps="$1" "$2" trace -x ./spin' \
		- "$granted" "$GCTAP" >out 2>err &
	TAP=$!
	await has_lines out 3
	has_left "$TAP" $SYS_PTRACE
}

# What it is started with is its user's affair.
case_a_command_keeps_what_its_user_has() {
	grep -E '^(Cap|NoNewPrivs)' /proc/self/status >expected
	gctap madvise --json -- grep -E '^(Cap|NoNewPrivs)' /proc/self/status
	ended_with 0
	grep -E '^(Cap|NoNewPrivs)' out >got
	diff expected got >difference || fail "the command has other ones: $(cat difference)"
}

case_a_command_of_another_user_is_ended() {
	go_program changing 'package main
import ("runtime"; "syscall"; "time")
func main() { syscall.Setuid(65534); for { runtime.GC(); time.Sleep(time.Millisecond) } }'
	gctap trace -n 100 -- ./changing
	ended_with 143
}

# The binary is the most hostile thing that is read.
case_a_binary_is_read_without_any() {
	need strace
	strace -e trace=openat,pread64,capset -o calls "$GCTAP" inspect "$GO_PROGRAMS/spin" >out
	awk '/openat.*spin/ { opened = 1 } /capset/ { last = $0 } opened && /pread64/ { print last; exit }' calls >before
	matches "the last capset before the binary is read" 'effective=0, permitted=0, inheritable=0}' "$(cat before)"
}

# ---- What is written --------------------------------------------------------------------------------

# Files that were opened for writing, or changed in any other way; memory of another process as well.
written() {
	sed -E 's/^[0-9]+ +//' "$1" | awk '
		/^(open|openat|openat2|creat)\(/ {
			if (/O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|^creat/ && !/= -1 /) { split($0, quoted, "\""); print quoted[2] }
			next
		}
		/^(process_vm_writev|ptrace|mkdir|mknod|unlink|rename|link|symlink|truncate|chmod|chown|fchmod|fchown|utime|mount|setxattr)/ { print }'
}

# writes_only FILES ARG... : one name a line.
writes_only() {
	local wanted=$1
	shift
	STATUS=0
	strace -e trace=%file,%desc,process_vm_writev,ptrace -e signal=none -o calls "$GCTAP" "$@" >out 2>err </dev/null ||
		STATUS=$?
	# A comparison may have found a difference.
	[[ $1 == compare && $STATUS == 1 ]] || ended_with 0
	same "what 'gctap $*' writes to" "$wanted" "$(written calls | sort -u)"
}

case_it_writes_only_where_it_was_told_to() {
	need strace
	start spin -seconds "$LASTING"
	writes_only "" trace -n 5 -p "$PID"
	writes_only "" trace -n 5 --trigger --scav -x "$GO_PROGRAMS/spin"
	writes_only lines trace -n 5 -o lines -p "$PID"
	writes_only "" trace -- "$GO_PROGRAMS/backtoback" -cycles 5
	writes_only "" compare -- "$GO_PROGRAMS/backtoback" -cycles 5
	writes_only "" madvise --refault -d 0.2 -p "$PID"
	writes_only sums madvise -d 0.2 -o sums -p "$PID"
	writes_only "" why -p "$PID"
	writes_only "" why --watch 1 -p "$PID"
	writes_only "" map -p "$PID"
	writes_only $'map.html\nmap.svg' map -p "$PID" --html map.html --svg map.svg
	writes_only "" inspect "$GO_PROGRAMS/spin"
	writes_only "" schema
	writes_only "" privileges
}

run_cases "$@"
