#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Formats, limits and the place of the output.
. "$(dirname "$0")/lib.sh"

case_count_limits_cycles() {
	start spin -seconds "$LASTING"
	gctap trace -p "$PID" -n 25
	ended_with 0
	(($(cycle_lines out) >= 25)) || fail "$(cycle_lines out) lines"
	kill -0 "$PID" || fail "the process was ended, too"
}

case_duration_limits_time() {
	start spin -seconds "$LASTING"
	gctap trace -p "$PID" -d 0.5
	ended_with 0
	kill -0 "$PID" || fail "the process was ended, too"
}

case_duration_ends_a_command() {
	gctap trace -d 0.5 -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
	ended_with 143
	(($(cycle_lines out) > 0)) || fail "no line"
}

case_count_ends_a_command() {
	gctap trace -n 25 -- "$GO_PROGRAMS/spin" -seconds "$LASTING"
	ended_with 143
	(($(cycle_lines out) >= 25)) || fail "$(cycle_lines out) lines"
}

case_output_to_a_file() {
	echo "what was there before" >lines
	gctap trace -o lines -- "$GO_PROGRAMS/backtoback" -cycles 30
	ended_with 0
	same "lines in the file" 30 "$(cycle_lines lines)"
	same "all in the file" 30 "$(wc -l <lines)"
	same "cycle lines on standard output" 0 "$(cycle_lines out)"
}

case_output_to_a_file_that_cannot_be_opened() {
	start spin -seconds "$LASTING"
	gctap trace -o no/such/folder -p "$PID"
	one_line_of_trouble 'no/such/folder: No such file or directory'
}

case_output_to_a_full_device() {
	start spin -seconds "$LASTING"
	gctap trace -o /dev/full -p "$PID"
	ended_with 2
	same "lines of trouble" 1 "$(grep -cv 'cycles so far' err)"
	says err 'cannot write to /dev/full: No space left on device' || fail "$(cat err)"
}

case_header_to_a_full_device() {
	start spin -seconds "$LASTING"
	gctap trace --json -o /dev/full -p "$PID"
	ended_with 2
	same "lines of trouble" 1 "$(grep -cv 'cycles so far' err)"
	says err 'cannot write to /dev/full: No space left on device' || fail "$(cat err)"
}

case_standard_output_is_full() {
	start spin -seconds "$LASTING"
	STATUS=0
	timeout --foreground -k 5 "$LIMIT" "$GCTAP" trace -p "$PID" >/dev/full 2>err || STATUS=$?
	ended_with 2
	same "lines of trouble" 1 "$(grep -cv 'cycles so far' err)"
}

case_timestamps() {
	gctap trace -T -o lines -- "$GO_PROGRAMS/backtoback" -cycles 30
	ended_with 0
	same "lines with the time in front" 30 \
		"$(grep -cE '^[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]+(Z|[+-][0-9:]+)? gc [0-9]+ @' lines)"
	sort -c lines || fail "the times do not ascend"
}

case_csv() {
	gctap trace --format csv -o table.csv -- "$GO_PROGRAMS/backtoback" -cycles 30
	ended_with 0
	same "rows" 31 "$(wc -l <table.csv)"
	same "heading" ktime_ns,wall_ns,pid, "$(head -n 1 table.csv | cut -c 1-21)"
	# Commas in quotes are none; a quote in quotes is doubled.
	same "numbers of columns" 1 "$(sed -E 's/"([^"]|"")*"//g' table.csv | awk -F, '{ print NF }' | sort -u | wc -l)"
	same "cycles" "$(seq -s, 30)" "$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "cycle") at = i }
		NR > 1 { printf "%s%s", separator, $at; separator = "," }' table.csv)"
}

case_json_is_as_the_schema_says() {
	need jq
	gctap trace --json --trigger -o trace.json -- "$GO_PROGRAMS/churn" -cycles 40
	ended_with 0
	as_the_schema_says trace.json
	same "order of records" "header process gc_cycle process_end totals" \
		"$(jq -r .type trace.json | uniq | paste -sd ' ')"
	same "text of the records" "$(jq -r 'select(.type == "gc_cycle") | .cycle' trace.json | paste -sd ' ')" \
		"$(jq -r 'select(.type == "gc_cycle").text' trace.json | cycle_numbers - | paste -sd ' ')"
}

case_json_numbers_are_sound() {
	need jq
	gctap trace --json -o trace.json -- "$GO_PROGRAMS/churn" -cycles 40
	ended_with 0
	jq -s 'map(select(.type == "gc_cycle"))
		| all(.wall_ns > 1.6e18 and .rss_anon_bytes > 0 and .heap_goal_bytes > 0 and .processors > 0
			and .comm == "churn" and .tid > 0 and .cgroup_id != null)
		and ([.[].ktime_ns] | . == sort)' trace.json | grep -q true || fail "a number is out of range"
}

case_a_small_buffer_still_counts_what_is_lost() {
	need jq
	start spin -seconds "$LASTING"
	gctap trace --json --buffer 4 -d 1 -p "$PID"
	ended_with 0
	jq -es 'map(select(.type == "totals"))[0] | .cycles > 0 and (.missing_cycles > 0) == (.gaps > 0)' out
	same "cycles seen and missing make one run" true "$(jq -s '
		(map(select(.type == "gc_cycle").cycle) | max - min + 1 - length)
			== (map(select(.type == "gap").missing) | add // 0)' out)"
}

case_schema_inspect_help_and_version_need_no_target() {
	need jq
	gctap schema
	ended_with 0
	jq -e '.oneOf | length > 0' out
	gctap inspect --json "$GO_PROGRAMS/churn"
	ended_with 0
	jq -e '.probe_address > 0' out
	gctap --help
	ended_with 0
	gctap --version
	ended_with 0
	gctap trace --help
	ended_with 0
}

run_cases "$@"
