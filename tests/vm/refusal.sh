#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A kernel that is too old: one line says so, and nothing else happens.
. "$(dirname "$0")/../live/lib.sh"

readonly TOO_OLD='kernel is too old: .*5\.15'

case_version() {
	gctap --version
	ended_with 0
}

case_inspect_works_all_the_same() {
	gctap inspect "$GO_PROGRAMS/churn"
	ended_with 0
}

case_trace_of_a_command() {
	gctap trace -- "$GO_PROGRAMS/backtoback"
	one_line_of_trouble "$TOO_OLD"
}

case_trace_of_a_process() {
	start spin -seconds "$LASTING"
	gctap trace -p "$PID"
	one_line_of_trouble "$TOO_OLD"
	kill -0 "$PID" || fail "the process was ended"
}

case_trace_of_a_file() {
	gctap trace -x "$GO_PROGRAMS/spin"
	one_line_of_trouble "$TOO_OLD"
}

case_compare() {
	gctap compare -- "$GO_PROGRAMS/backtoback"
	one_line_of_trouble "$TOO_OLD"
}

run_cases "$@"
