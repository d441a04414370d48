#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the two matrices share: running one program under `gctap compare`, or dry, and the table that
# becomes of it. Source it after scripts/lib.sh.

GCTAP=${GCTAP:-$GCTAP_ROOT/build/gctap}
MATRIX_LOGS=$GCTAP_CACHE/logs
DRY=
# What is compared beside the gctrace lines.
COMPARE_WHAT=(--madvise)
ROWS=()
PASSED=0 FAILED=0 SKIPPED=0

matrix_prepare() {
	need_command jq
	mkdir -p "$MATRIX_LOGS"
	[[ -n $DRY || -x $GCTAP ]] || die "$GCTAP is missing; build it first (make), or say --dry"
	[[ -n $DRY || $EUID -eq 0 ]] || die "gctap compare needs root here"
}

# ---- Which toolchains -------------------------------------------------------------------------

fetched_versions() {
	local version
	for version in $(go_versions); do
		[[ ! -x $(go_root "$version")/bin/go ]] || echo "$version"
	done
}

# The oldest, the newest and one between.
quick_versions() {
	local here
	mapfile -t here < <(fetched_versions)
	if ((${#here[@]} == 0)); then
		echo system
		return
	fi
	printf '%s\n' "${here[0]}" "${here[${#here[@]} / 2]}" "${here[-1]}" | awk '!seen[$0]++'
}

goroot_of() {
	if [[ $1 == system ]]; then
		go_system_root
	else
		go_root "$1"
	fi
}

fetch_toolchains() {
	local wanted
	mapfile -t wanted < <(printf '%s\n' "$@" | grep -vx system)
	"$GCTAP_ROOT/scripts/toolchains" "${wanted[@]}" >/dev/null
}

# ---- One run -----------------------------------------------------------------------------------

# compare_run LOG SECONDS COUNT COMMAND... : the JSON of `gctap compare` goes to LOG.json, all that
# the program says to LOG. SECONDS or COUNT 0: no such limit. Dry: the same from counting the
# runtime's lines, with nothing to compare them to.
compare_run() {
	local log=$1 seconds=$2 count=$3
	shift 3
	: >"$log"
	if [[ -n $DRY ]]; then
		dry_run "$log" "$seconds" "$count" "$@"
		return
	fi
	local limits=()
	((seconds == 0)) || limits+=(-d "$seconds")
	((count == 0)) || limits+=(-n "$count")
	# The limit is for a gctap that hangs; it is never reached by one that works.
	timeout -k 5 $((seconds + 180)) "$GCTAP" compare "${COMPARE_WHAT[@]}" --json "${limits[@]}" -- "$@" \
		>"$log.json" 2>>"$log"
}

trace_lines() { grep -acE '^gc [0-9]+ @.* P( \(forced\))?$' "$1" || true; }

forced_lines() { grep -acE '^gc [0-9]+ @.* \(forced\)$' "$1" || true; }

dry_run() {
	local log=$1 seconds=$2 count=$3 pid deadline status=0
	shift 3
	GODEBUG=gctrace=1 "$@" <&0 >>"$log" 2>&1 &
	pid=$!
	deadline=$((SECONDS + (seconds > 0 ? seconds : 180)))
	while kill -0 "$pid" 2>/dev/null; do
		if ((SECONDS >= deadline || (count > 0 && $(trace_lines "$log") >= count))); then
			kill -TERM "$pid" 2>/dev/null || true
			break
		fi
		sleep 0.05
	done
	wait "$pid" || status=$?
	((status == 0 || status == 143)) || say "the program ended with status $status"
	jq -n --argjson lines "$(trace_lines "$log")" --argjson forced "$(forced_lines "$log")" \
		'{type: "compare", cycles_compared: $lines, cycles_equal: $lines, cycles_differing: 0,
		  cycles_only_gctap: 0, cycles_only_runtime: 0, forced: $forced}' >"$log.json"
}

# compare_verdict STATUS JSON MIN_CYCLES MIN_FORCED : one word or phrase; "equal" is the good one.
compare_verdict() {
	local status=$1 json=$2
	if ((status > 1)) || ! jq -e '.type == "compare"' "$json" >/dev/null 2>&1; then
		echo "could not run"
		return
	fi
	jq -r --argjson status "$status" --argjson cycles "$3" --argjson forced "$4" --arg dry "$DRY" '
		if .cycles_differing + .cycles_only_gctap + .cycles_only_runtime > 0
			or .cycles_equal + (.cycles_moved // 0) != .cycles_compared then "differing"
		elif .scav and (.scav.verdict == "different" or .scav.lines_equal + .scav.lines_moved != .scav.lines_compared) then
			"scav differing"
		elif .released and (.released.holds | not) then "released differing"
		elif .cycles_compared < $cycles then "too few cycles"
		elif .forced < $forced then "too few forced"
		elif $status != 0 then "differing"
		elif $dry != "" then "ran"
		elif (.cycles_moved // 0) > 0 then "equal but for \(.cycles_moved) moved"
		else "equal" end' "$json"
}

# Lines of the scavenger: those whose work fields are equal, of all. Gauges may move while they are printed.
compare_scav() { jq -r 'if .scav then "\(.scav.lines_equal + .scav.lines_moved)/\(.scav.lines_compared)" else "-" end' "$1" 2>/dev/null || echo -; }

compare_counts() { jq -r '"\(.cycles_equal)/\(.cycles_compared) \(.forced)"' "$1" 2>/dev/null || echo '- -'; }

# ---- The table -----------------------------------------------------------------------------------

# row FIRST SECOND CYCLES FORCED SCAV VERDICT
table_row() {
	ROWS+=("| $1 | $2 | $3 | $4 | $5 | $6 |")
	printf '%-22s %-28s %10s %7s %10s  %s\n' "$@"
}

row_result() {
	local first=$1 second=$2 cycles=$3 forced=$4 verdict=$5 log=$6
	table_row "$first" "$second" "$cycles" "$forced" "$(compare_scav "$log.json")" "$verdict"
	case $verdict in
	equal* | ran) PASSED=$((PASSED + 1)) ;;
	*)
		FAILED=$((FAILED + 1))
		say "$first, $second: $verdict; see $log and $log.json"
		;;
	esac
}

row_skipped() {
	SKIPPED=$((SKIPPED + 1))
	table_row "$1" "$2" - - - "skipped: $3"
}

tally() { printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"; }

# table_write FILE TITLE INTRODUCTION FIRST SECOND
table_write() {
	{
		printf '# %s\n\n%s\n\n' "$2" "$3"
		printf '| %s | %s | cycles equal | forced | scav lines equal | verdict |\n|---|---|---|---|---|---|\n' "$4" "$5"
		printf '%s\n' "${ROWS[@]}" ''
		tally
	} >"$1.new"
	mv "$1.new" "$1"
}
