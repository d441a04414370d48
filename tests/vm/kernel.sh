#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What gctap says when a kernel withholds something from it. Only for a machine that is thrown away
# afterwards: the last case locks the kernel down, and there is no way back.
. "$(dirname "$0")/../live/lib.sh"

refused() {
	gctap trace -- "$GO_PROGRAMS/backtoback" -cycles 20
	one_line_of_trouble "$1"
}

works() {
	gctap trace -- "$GO_PROGRAMS/backtoback" -cycles 20
	ended_with 0
	same "lines" 20 "$(cycle_lines out)"
}

# run_by COMMAND... : gctap as what that makes of it.
# shellcheck disable=SC2034
run_by() {
	STATUS=0
	"$@" "$GCTAP" trace -- "$GO_PROGRAMS/backtoback" >out 2>err </dev/null || STATUS=$?
}

case_version() {
	gctap --version
	ended_with 0
	matches "version" '^gctap [0-9]' "$(cat out)"
	works
}

case_no_type_information() {
	mount -t tmpfs tmpfs /sys/kernel/btf
	(refused 'CONFIG_DEBUG_INFO_BTF')
	umount /sys/kernel/btf
	works
}

# Uprobes through tracefs, which is mounted here, would be another way, but they outlive who made them.
case_no_uprobes_for_perf() {
	mount -t tmpfs tmpfs /sys/bus/event_source/devices
	(refused 'CONFIG_UPROBE_EVENTS')
	umount /sys/bus/event_source/devices
	same "uprobes in tracefs" '' "$(cat /sys/kernel/tracing/uprobe_events)"
	works
}

case_capabilities_dropped() {
	local capability
	for capability in bpf:CAP_BPF perfmon:CAP_PERFMON; do
		run_by setpriv --bounding-set="-sys_admin,-${capability%:*}" --inh-caps=-all
		one_line_of_trouble "${capability#*:}"
	done
}

case_user_namespace() {
	run_by unshare -U -r
	one_line_of_trouble 'user namespace'
}

# Programs are freed a moment after their last descriptor.
no_program_of_gctap() { [[ $(bpftool -j prog show | jq -c 'map(select(.name == "probe_hit"))') == '[]' ]]; }

case_no_probe_stays_behind() {
	works
	await no_program_of_gctap
	same "uprobes in tracefs" '' "$(cat /sys/kernel/tracing/uprobe_events)"
}

case_lockdown_confidentiality() {
	local modes=/sys/kernel/security/lockdown
	[[ -w $modes ]] || skip "the kernel has no lockdown"
	echo confidentiality >"$modes"
	refused 'lockdown=confidentiality'
}

run_cases "$@"
