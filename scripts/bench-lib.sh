#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the benchmarks share: the machine, what its host takes from it, programs that are held until
# they are measured, statistics, and docs/benchmarks.md. Source it after scripts/lib.sh.
#
# A part of the benchmarks is a script bench-PART that defines `measure` (does the work, leaves rows in
# files in $DATA), `report` (prints the section) and calls bench_main. Rows stay in build/bench/PART.
#
# shellcheck disable=SC2034 # the parts use what is set here

GCTAP=$(realpath -m "${GCTAP:-$GCTAP_ROOT/build/gctap}")
PROGRAMS=$(realpath -m "${GCTAP_GO_PROGRAMS:-$GCTAP_ROOT/build/bench/programs}")
BENCH_TOOLS=$GCTAP_ROOT/build/tests/bench
# Runs of which the host took more than so much are set aside with all of their round.
STEAL_LIMIT=${STEAL_LIMIT:-10}
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C
unset GODEBUG GOGC GOMEMLIMIT GOMAXPROCS

# ---- The frame of a part ---------------------------------------------------------------------------

bench_usage() {
	sed -n '/^# scripts/,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
	exit "$1"
}

# bench_main SECTION HEADING ARG...
bench_main() {
	local section=$1 heading=$2 write=''
	shift 2
	while (($# > 0)); do
		case $1 in
		--write) write=1 ;;
		-h | --help) bench_usage 0 ;;
		*) bench_usage 2 >&2 ;;
		esac
		shift
	done
	((EUID == 0)) || die "needs root"
	[[ -x $GCTAP ]] || die "$GCTAP is missing; build it first (make)"
	need_command jq
	DATA=$GCTAP_ROOT/build/bench/$section
	rm -rf -- "$DATA"
	mkdir -p "$DATA"
	LOAD=${BENCH_LOAD:-$(cut -d' ' -f1 /proc/loadavg)}
	scratch_make
	trap bench_clean_up EXIT
	measure
	report >"$DATA/report"
	cat "$DATA/report"
	[[ -n $write ]] || return 0
	write_section "$section" "$heading" "$DATA/report"
	find "$DATA" -name '*.svg' -exec cp -t "$GCTAP_ROOT/docs" {} +
}

STATS=/proc/sys/kernel/bpf_stats_enabled
STATS_BEFORE=''

bench_clean_up() {
	local pid
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || true
	done
	stats_off
	rm -rf -- "$SCRATCH"
}

# The kernel's own account of BPF programs costs two clock readings a run: on while it is wanted only.
stats_on() {
	STATS_BEFORE=$(<"$STATS")
	echo 1 >"$STATS"
}

stats_off() {
	[[ -z $STATS_BEFORE ]] || echo "$STATS_BEFORE" >"$STATS"
	STATS_BEFORE=''
}

# ---- The machine -----------------------------------------------------------------------------------

# A benchmark wants to know also how busy it was.
machine_before() { printf '%s, load average %s before it began' "$(machine)" "$LOAD"; }

# Ticks that somebody wanted to run, and those of them that the host gave to others.
steal_read() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9, $9 }' /proc/stat; }

# steal_begin, then steal_end: STEAL is the host's share of the time between, percent.
steal_begin() { STEAL_FROM=$(steal_read); }

steal_end() {
	STEAL=$(steal_read | awk -v from="$STEAL_FROM" '{
		split(from, f, " ")
		ticks = $1 - f[1]
		printf "%.1f", (ticks > 0 ? 100 * ($2 - f[2]) / ticks : 0) }')
}

# Before a round: until the host lets all processors run, which only shows while they do. At most QUIET_SECONDS
# (180) a script: some hosts never do, and the rounds say so.
QUIET_LEFT=${QUIET_SECONDS:-180}

await_quiet_host() {
	local i begun=$SECONDS burners
	while ((QUIET_LEFT > 0)); do
		steal_begin
		burners=()
		for ((i = 0; i < $(nproc); i++)); do
			timeout 0.3 sh -c 'while :; do :; done' &
			burners+=($!)
		done
		wait "${burners[@]}" || true
		steal_end
		awk -v steal="$STEAL" -v limit="$STEAL_LIMIT" 'BEGIN { exit !(steal * 2 <= limit) }' && break
		sleep 1
		QUIET_LEFT=$((QUIET_LEFT - (SECONDS - begun)))
		begun=$SECONDS
	done
}

# undisturbed COMMAND... : one that leaves its STEAL; again, at most four times, while the host took too much of it. This is
# decided by the host's share alone, never by what was measured.
undisturbed() {
	local try
	for try in 1 2 3 4 5; do
		"$@"
		((try < 5)) && awk -v steal="$STEAL" -v limit="$STEAL_LIMIT" 'BEGIN { exit !(steal > limit) }' || break
		AGAIN=$((${AGAIN:-0} + 1))
		await_quiet_host
	done
}

# Rows "WHAT ROUND MODE STEAL VALUE...": those of rounds of which no run lost more than the limit.
rounds_kept() {
	awk -v limit="$STEAL_LIMIT" 'NR == FNR { if ($4 > limit) bad[$1, $2] = 1; next } !(($1, $2) in bad)' "$1" "$1"
}

# Of the rows, how many rounds there are, how many were set aside, and what the host took.
rounds_said() {
	awk -v limit="$STEAL_LIMIT" -v again="${AGAIN:-0}" '
		{ if (!(($1, $2) in all)) { all[$1, $2] = 1; n++ } if ($4 > limit && !(($1, $2) in bad)) { bad[$1, $2] = 1; set++ }
		  runs++; sum += $4; if ($4 > most) most = $4 }
		END {
			printf "Of the time that programs wanted to run, the host gave %.1f %% to others (mean of %d runs; at most %.1f %%). ", \
				runs ? sum / runs : 0, runs, most
			printf "Runs above %g %% are repeated, at most four times (%d were); rounds with such a run left are set aside: %d of %d.", limit, again, set, n
			if (set == n) printf " **None is left.**"
			else if (2 * set > n) printf " **Most were: what is left says little.**"
			print "" }' "$1"
}

# ---- Statistics ------------------------------------------------------------------------------------

# median, smallest and largest of the numbers on standard input.
spread() {
	sort -g | awk '{ v[NR] = $1 } END {
		if (NR) print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2), v[1], v[NR] }'
}

median() { spread | awk '{ print $1 }'; }

# ratios FILE WHAT MODE BASE COLUMN : of each round, the column to that of BASE in the same round.
ratios() {
	awk -v what="$2" -v mode="$3" -v base="$4" -v column="$5" '
		$1 == what && $3 == base { below[$2] = $column }
		$1 == what && $3 == mode { mine[$2] = $column }
		END { for (r in mine) if (below[r] > 0) print mine[r] / below[r] }' "$1"
}

# three FORMAT : the spread on standard input as "median (smallest - largest)"; ? where there is none.
three() {
	awk -v format="$1" 'NF == 3 { printf format " (" format " - " format ")", $1, $2, $3; seen = 1 }
		END { if (!seen) printf "?" }'
}

# ---- Targets ---------------------------------------------------------------------------------------

# target WHAT WANTED MEASURED CONDITION : a row of the table of targets; the condition is awk's, over x,
# which is MEASURED (a number, or ? when it is unknown). One that is missed says REASON, what is known of why; or
# that the machine was busy before, which explains all and nothing.
target() {
	local verdict
	if [[ $3 =~ ^-?[0-9.]+$ ]]; then
		verdict=$(awk -v x="$3" "BEGIN { print ($4) ? \"met\" : \"**missed**\" }")
	else
		verdict=unknown
	fi
	if [[ $verdict == '**missed**' ]]; then
		verdict+=${REASON:+: $REASON}
		! busy || verdict+=" (the machine was busy)"
	fi
	printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$verdict" >>"$DATA/targets"
}

busy() { awk -v load="$LOAD" -v cores="$(nproc)" 'BEGIN { exit !(load > cores / 2) }'; }

show_targets() {
	[[ -s $DATA/targets ]] || return 0
	printf '\n| target | wanted | measured | |\n|---|---|---|---|\n'
	cat "$DATA/targets"
}

# plot NAME KIND TITLE ... : a drawing beside the section, see scripts/bench-plot.
plot() {
	if command -v gnuplot >/dev/null; then
		"$GCTAP_ROOT/scripts/bench-plot" "$@" >"$DATA/benchmarks-$1.svg"
		printf '\n![%s](benchmarks-%s.svg)\n' "$3" "$1"
	else
		say "gnuplot is not installed: no drawing"
	fi
}

# ---- Programs --------------------------------------------------------------------------------------

# The newest toolchain that was fetched, or else the system's.
newest_goroot() {
	local fetched
	fetched=$(find "$GCTAP_CACHE/go" -mindepth 1 -maxdepth 1 2>/dev/null | sort -V | tail -n 1)
	printf '%s\n' "$fetched" "$(go_system_root)" | awk 'NF && !n++'
}

# programs NAME... : built with the newest Go into $PROGRAMS; GO_USED says which.
programs() {
	local goroot program
	goroot=$(newest_goroot)
	[[ -n $goroot ]] || die "no Go here; get one with scripts/setup test or scripts/toolchains 1.27"
	GO_USED=$(go_exact_version "$goroot")
	for program; do
		go_build "$goroot" "$program" "$PROGRAMS/$program"
	done
}

await() {
	local deadline=$((SECONDS + 120))
	until "$@"; do
		((SECONDS < deadline)) || die "waited in vain for: $*"
		sleep 0.02
	done
}

says() { grep -qs -- "$2" "$1"; }

# launch PROGRAM ARG... : started and waiting for release; its pid goes to TARGET.
launch() {
	local program=$1
	shift
	rm -f "$SCRATCH/go"
	mkfifo "$SCRATCH/go"
	: >"$SCRATCH/said"
	"$PROGRAMS/$program" -wait "$@" <"$SCRATCH/go" >"$SCRATCH/said" 2>"$SCRATCH/stderr" &
	TARGET=$!
	exec 9>"$SCRATCH/go"
	await says "$SCRATCH/said" ready
}

release() {
	echo >&9
	exec 9>&-
}

# tap ARG... : gctap in the background, attached when this returns; its pid goes to TRACER, what it says to
# $SCRATCH/notes. A shell's background jobs ignore SIGINT.
tap() {
	: >"$SCRATCH/notes"
	env --default-signal=INT "$GCTAP" "$@" 2>"$SCRATCH/notes" 9>&- &
	TRACER=$!
	await tap_attached
}

tap_attached() {
	kill -0 "$TRACER" 2>/dev/null || die "gctap has ended: $(tail -n 1 "$SCRATCH/notes")"
	says "$SCRATCH/notes" '^gctap: .*/'
}

untap() {
	[[ -n ${TRACER:-} ]] || return 0
	kill -INT "$TRACER" 2>/dev/null || true
	wait "$TRACER" || true
	TRACER=''
}

# ---- A process's use of the machine ----------------------------------------------------------------

cpu_ns() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }'; }

# memory_kb PID FIELD : VmRSS, VmHWM, RssAnon ...
memory_kb() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"; }

descriptors() { find "/proc/$1/fd" -mindepth 1 -maxdepth 1 | wc -l; }

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }
