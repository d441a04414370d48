#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# gctap why on programs whose resident memory has one known cause: it comes first among the verdicts,
# the classes add up, and the program does not notice.
. "$(dirname "$0")/lib.sh"

beat() { sed -nE 's/^beat=//p' "$PROGRAM.out" | tail -n 1; }

beats_on() { (($(beat) > $1)); }

rollup() { awk '$1 == "Rss:" { print $2 * 1024 }' "/proc/$PID/smaps_rollup"; }

settled() { says "$PROGRAM.out" '^(ready|impossible)' || gone "$PID"; }

# enter PROGRAM STATE... : in the background, until it is in the state.
enter() {
	PROGRAM=$1
	start "$@"
	await settled
	! says "$PROGRAM.out" '^impossible' || skip "$(sed -nE 's/^impossible: //p' "$PROGRAM.out")"
	! gone "$PID" || fail "$PROGRAM: $(cat "$PROGRAM.err")"
}

field() { jq -r "$1" out; }

# To the byte; the program rests, so that hardly anything can be left over.
adds_up() {
	same "sum of the classes and the remainder" "$(field .rss_bytes)" "$(field '([.classes[]] | add) + .remainder_bytes')"
	same "remainder is below a hundredth" true "$(field '(.remainder_bytes | fabs) * 100 < .rss_bytes')"
}

# As the kernel says before and afterwards, but for what moved and a few pages.
as_the_kernel_says() {
	local slack=$(($(field .moved_bytes) + (256 << 10))) low=$1 high=$2 rss
	((low <= high)) || low=$2 high=$1
	rss=$(field .rss_bytes)
	((low - slack <= rss && rss <= high + slack)) || fail "Rss $rss, by smaps_rollup $1 before and $2 after"
}

runs_on() {
	matches "state of the program" '^[RSD]$' "$(awk '$1 == "State:" { print $2 }' "/proc/$PID/status")"
	same "its tracer" 0 "$(awk '$1 == "TracerPid:" { print $2 }' "/proc/$PID/status")"
	[[ $PROGRAM != resident ]] || await beats_on "$(beat)"
}

look() {
	local before
	before=$(rollup)
	gctap why --json -p "$PID"
	ended_with 0
	as_the_kernel_says "$before" "$(rollup)"
	adds_up
	runs_on
}

# judged VERDICT PROGRAM STATE... : that is the first one.
judged() {
	need jq
	enter "${@:2}"
	decided "$1"
}

# from_go VERSION WHAT : skips where the program is of an older Go, in which that cannot be.
from_go() {
	local version
	gctap why --json -p "$PID"
	version=$(field .go_version)
	[[ $(printf '%s\n' "go$1" "$version" | sort -V | head -n 1) == "go$1" ]] || skip "$2 from Go $1 on"
}

show_figures() {
	info "$(field '"\(.verdicts[0].name) \(.verdicts[0].bytes) of Rss \(.rss_bytes), remainder \(.remainder_bytes)"')"
}

decided() {
	local verdict=$1
	look
	show_figures
	same "read page by page" true "$(field .by_pages)"
	same "first verdict" "$verdict" "$(field '.verdicts[0].name')"
	same "leaks" 0 "$(field '[.verdicts[] | select(.leak)] | length')"
}

# At least so many bytes, of the 96 MiB.
explains() {
	(($(field '.verdicts[0].bytes') >= $1 << 20)) || fail "explains $(field '.verdicts[0].bytes') bytes"
}

# ---- A cause each -------------------------------------------------------------------------------

case_a_small_program() {
	judged nothing_notable resident idle
	same "verdicts" 1 "$(field '.verdicts | length')"
}

case_live_objects() {
	judged live_heap resident live
	explains 95
}

case_headroom_of_gogc() {
	judged gogc resident gogc
	explains 70
	[[ $(field .heap.gogc) == null ]] || matches "evidence" 'GOGC=500 ' "$(field '.verdicts[0].evidence')"
}

case_free_after_a_load() { judged free_kept resident kept; }

case_free_within_the_goal() {
	need jq
	enter resident withingoal
	from_go 1.19 "the goal of GOGC alone can be read"
	decided free_within_goal
}

case_holes() {
	judged fragmentation resident fragmented
	explains 80
}

case_goroutine_stacks() {
	judged goroutine_stacks resident stacks
	explains 60
}

case_memory_limit() {
	judged memory_limit resident limit
	matches "evidence" 'limit of 96\.0 MB' "$(field '.verdicts[0].evidence')"
}

case_runtime_metadata() {
	judged metadata resident metadata
	explains 30
}

case_lazy_free() {
	GODEBUG=madvdontneed=0 judged lazy_free resident lazyfree
	explains 95
}

case_huge_pages() {
	judged huge_pages resident hugepages
	explains 90
}

# Where the runtime maps what it could not give back anew, it takes no other way out.
case_locked_memory() { judged locked resident locked; }

case_mapped_files() {
	judged mapped_files resident mapped
	explains 96
}

case_mappings_of_the_program() {
	judged other_memory resident anonymous
}

case_variables() { judged globals resident globals; }

case_address_space_alone() { judged virtual_only resident virtual; }

case_malloc() {
	judged c_memory cresident malloc
	explains 95
}

case_mappings_of_c() { judged other_memory cresident mapped; }

case_stacks_of_threads() {
	judged thread_stacks cresident threads
	explains 95
}

# Where the memory controller is, and a cgroup may be made. On a file system in memory, a file is no cache.
case_page_cache_of_the_container() {
	local folder=/sys/fs/cgroup/memory
	[[ -e $folder ]] || folder=/sys/fs/cgroup
	folder+=/gctap-why.$$
	[[ $(stat -f -c %T .) != tmpfs ]] || skip "${TMPDIR:-/tmp} is in memory"
	mkdir "$folder" 2>/dev/null || skip "no cgroup can be made in ${folder%/*}"
	trap "live_clean; await rmdir '$folder'" EXIT # folder is this function's
	[[ -e $folder/memory.stat ]] || skip "there is no memory controller in ${folder%/*}"
	(echo "$BASHPID" >"$folder/cgroup.procs" && exec nice "$GO_PROGRAMS/resident" pagecache >resident.out) &
	PID=$! PROGRAM=resident
	await settled
	look
	show_figures
	same "first verdict" page_cache "$(field '.verdicts[0].name')"
	explains 90
	same "charged" true "$(field '.container.current_bytes >= .verdicts[0].bytes')"
}

# ---- Free pages -------------------------------------------------------------------------------

# By the bits and by the counter; but for pages that a P holds in reserve, which only one side calls free.
free_as_counted() {
	look
	[[ $(field .heap.free_difference_bytes) == 0 ]]
}

# To the byte. The background scavenger may be at work for a while.
case_free_pages_are_those_counted() {
	local state
	need jq
	for state in idle live fragmented withingoal; do
		rm -f resident.out
		enter resident "$state"
		await free_as_counted
		info "$(field "\"$state \(.heap.free_bytes) free, difference \(.heap.free_difference_bytes)\"")"
		kill "$PID"
		await_end "$PID"
	done
	(($(field .heap.free_bytes) > 16 << 20)) || fail "only $(field .heap.free_bytes) bytes are free"
}

# ---- How it is told -----------------------------------------------------------------------------

# From the sources, and from the tables of the page.
case_every_verdict_is_documented() {
	local root=$GCTAP_ROOT
	[[ -e $root/docs/verdicts.md && -d $root/src ]] || skip "the sources are not here"
	grep -ohE '(add\(bench, |verdict->name = |LEDGER_[A-Z]+, |judge_growth\(&bench, &trends->[a-z]+, )"[a-z_]+"' \
		"$root/src/why/verdict.c" "$root/src/why/trend.c" | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u >given
	sed -nE 's/^\| `([a-z_]+)` \|.*/\1/p' "$root/docs/verdicts.md" | sort -u >documented
	(($(wc -l <given) > 25)) || fail "only found: $(xargs <given)"
	same "verdicts" "$(cat given)" "$(cat documented)"
}

case_json_is_as_the_schema_says() {
	need jq
	enter resident live
	gctap why --json -p "$PID"
	ended_with 0
	as_the_schema_says out
}

case_text() {
	enter resident live
	gctap why -p "$PID"
	ended_with 0
	same "first line" "$PID (resident): " "$(sed -nE '1s/^([0-9]+ \([^)]*\): ).*/\1/p' out)"
	(($(grep -cE '^ +-?[0-9]+\.[0-9] MB  [a-zA-Z]' out) >= 6)) || fail "$(cat out)"
	same "verdicts" 1 "$(grep -cE '^Verdict: [0-9.]+ MB are objects that ' out)"
	same "standard error" "" "$(cat err)"
}

case_a_stripped_program() {
	local goroot=${GOROOT:-$(go_system_root)}
	need jq
	[[ -n $goroot ]] || skip "no Go is installed"
	go_build "$goroot" resident "$PWD/stripped" '-ldflags=-s -w'
	nice ./stripped live >resident.out &
	PID=$! PROGRAM=resident
	await settled
	look
	same "first verdict" live_heap "$(field '.verdicts[0].name')"
	same "read page by page" true "$(field .by_pages)"
}

# ---- Refusals -----------------------------------------------------------------------------------

readonly WAYS=('why --json' 'why --watch 5' map)

# refused_with WORDS PID [COMMAND...] : in one line, whatever is asked of the process; run by the command.
refused_with() {
	local way words
	for way in "${WAYS[@]}"; do
		read -ra words <<<"$way"
		STATUS=0
		timeout --foreground -k 5 "$LIMIT" "${@:3}" "$GCTAP" "${words[@]}" -p "$2" >out 2>err </dev/null || STATUS=$?
		one_line_of_trouble "$1"
	done
}

case_no_such_process() { refused_with 'no process with pid 4194303' 4194303; }

case_a_process_that_is_gone() {
	enter resident idle
	kill "$PID"
	await_end "$PID"
	refused_with "no process with pid $PID" "$PID"
}

is_zombie() { grep -qE '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# Its parent has become a program that waits for nobody, before it ends: a shell would take it away.
case_a_zombie() {
	local zombie
	bash -c '(until [[ $(</proc/$$/comm) == sleep ]]; do :; done) & echo $! >child; exec sleep "$1"' - "$LASTING" &
	await has_lines child 1
	zombie=$(cat child)
	await is_zombie "$zombie"
	refused_with "$zombie .* has ended" "$zombie"
}

case_a_kernel_thread() {
	[[ -e /proc/2 && ! -s /proc/2/cmdline ]] || skip "no kernel threads in this pid namespace"
	refused_with 'kernel thread' 2
}

case_a_thread() {
	local tid
	enter resident idle
	await has_threads "$PID"
	tid=$(threads "$PID" | head -n 1)
	refused_with "$tid is a thread of process $PID" "$tid"
}

case_no_go_program() {
	sleep "$LASTING" &
	await is_running $! "$(command -v sleep)"
	refused_with 'not a Go program' $!
}

# killed_after SECONDS COMMAND : what that makes of a process that ends so long after it has begun to look.
killed_after() {
	rm -f resident.out
	enter resident live
	tap "$2" --json -p "$PID"
	sleep "$1"
	kill -KILL "$PID"
	await_end "$TAP"
	if ((STATUS == 0)); then
		jq -e '.by_pages and .rss_bytes > 0' out >/dev/null || fail "$(cat out)"
		[[ $2 != why ]] || adds_up
		echo 'in time' >>ends
	else
		one_line_of_trouble "$PID"
		cat err >>ends
	fi
}

# At any moment of it: either all is told, or in a line that it has ended.
case_a_process_that_ends_meanwhile() {
	local milliseconds
	need jq
	for milliseconds in 000 005 010 015 020 025 030 035 040 050 060 070 080 100 120; do
		killed_after "0.$milliseconds" why
		killed_after "0.$milliseconds" map
	done
	info "$(sed -E 's/[0-9]+/N/g' ends | sort | uniq -c | sort -rn)"
}

# ---- Pid namespaces -----------------------------------------------------------------------------

need_namespaces() {
	need unshare pgrep jq
	unshare --pid --fork --mount-proc true 2>/dev/null || skip "no pid namespace can be made here"
}

# As a container has it: the program is pid 1 there, and PID here.
enter_namespace() {
	rm -f resident.out
	PROGRAM=resident
	unshare --pid --fork --kill-child --mount-proc "$GO_PROGRAMS/resident" "$@" >resident.out 2>resident.err &
	OUTER=$!
	await says resident.out '^ready'
	PID=$(pgrep -P "$OUTER")
}

case_from_outside() {
	need_namespaces
	enter_namespace live
	look
	same "pid" "$PID" "$(field .pid)"
	same "first verdict" live_heap "$(field '.verdicts[0].name')"
	same "read page by page" true "$(field .by_pages)"
}

# The pid of a process outside is none in there.
case_from_inside() {
	need_namespaces
	enter resident live
	refused_with "no process with pid $PID" "$PID" unshare --pid --fork --mount-proc
	rm resident.out
	STATUS=0
	# shellcheck disable=SC2016 # the shell inside is to expand them
	unshare --pid --fork --kill-child --mount-proc bash -c '
		"$1/resident" live >resident.out &
		until grep -q ready resident.out; do sleep 0.05; done
		"$2" why --json -p $!' - "$GO_PROGRAMS" "$GCTAP" >out 2>err || STATUS=$?
	ended_with 0
	same "pid, verdict" '2 live_heap' "$(field '"\(.pid) \(.verdicts[0].name)"')"
}

# Pids would be looked up in one namespace and used in another.
case_proc_of_another_namespace() {
	need_namespaces
	enter resident live
	refused_with 'another pid namespace' "$PID" unshare --pid --fork
	refused_with 'another pid namespace' 1 unshare --pid --fork
}

# ---- Permissions and arguments ------------------------------------------------------------------

# as_nobody CAPABILITIES : gctap why as an unprivileged user, with these ("none": none).
as_nobody() {
	local grant=()
	[[ $1 == none ]] || grant=(--inh-caps="-all,$1" --ambient-caps="$1")
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" setpriv --reuid=65534 --regid=65534 --clear-groups "${grant[@]}" \
		"$CASE_FOLDER/gctap" why --json -p "$PID" >out 2>err </dev/null || STATUS=$?
}

# The page tables are a file of the program's user. With these two nothing can be attached.
case_permissions() {
	local granted=+sys_ptrace,+dac_read_search
	need setpriv jq
	cp "$GCTAP" "$CASE_FOLDER/gctap"
	enter resident live
	as_nobody none
	[[ $STATUS != 126 ]] || skip "an unprivileged user cannot run programs in ${TMPDIR:-/tmp}"
	one_line_of_trouble 'CAP_SYS_PTRACE'
	setpriv --reuid=65534 --inh-caps="-all,$granted" --ambient-caps="$granted" true 2>/dev/null ||
		skip "capabilities cannot be granted here"
	as_nobody +sys_ptrace
	one_line_of_trouble 'CAP_DAC_READ_SEARCH'
	as_nobody "$granted"
	ended_with 0
	adds_up
	same "read page by page" true "$(field .by_pages)"
	same "first verdict" live_heap "$(field '.verdicts[0].name')"
}

# Told with a hint at --help, as all commands do.
refused() {
	local why=$1
	shift
	gctap why "$@"
	ended_with 2
	matches "standard error" "^gctap why: [^"$'\n'"]*$why" "$(cat err)"
	[[ ! -s out ]] || fail "there is output: $(head -n 1 out)"
}

case_wrong_arguments() {
	refused 'which process'
	refused 'which process' --json
	refused '-p' 1
	refused '-p' -p nonsense
	refused '-p' -p 0
	refused 'unrecognized option' --nonsense
}

run_cases "$@"
