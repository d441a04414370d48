// SPDX-License-Identifier: BSD-2-Clause
#include "privilege.h"

#include <linux/capability.h>
#include <stddef.h>

/* Debian 12's linux/capability.h knows both, but older headers do not. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

#define PROBES (PRIVILEGE_UPROBES | PRIVILEGE_TRACEPOINTS)
#define PAGES  (PRIVILEGE_MEMORY | PRIVILEGE_WATCH)

const struct privilege_need privilege_needs[] = {
	{ PRIVILEGE_FILE | PRIVILEGE_PROCESS, PRIVILEGE_OPEN, CAP_DAC_READ_SEARCH, PRIVILEGE_UNREADABLE },
	{ PRIVILEGE_FILE, PRIVILEGE_OPEN, CAP_SYS_PTRACE, PRIVILEGE_THROUGH_PROC },
	{ PRIVILEGE_OUTPUT, PRIVILEGE_OPEN, CAP_DAC_OVERRIDE, PRIVILEGE_UNWRITABLE },
	{ PRIVILEGE_PROCESS, PRIVILEGE_OPEN, CAP_SYS_PTRACE, PRIVILEGE_STRONGER },
	/* Its pagemap is for its user's eyes. */
	{ PAGES, PRIVILEGE_OPEN, CAP_DAC_READ_SEARCH, PRIVILEGE_OTHER_USER },
	{ PROBES, PRIVILEGE_LOAD, CAP_BPF, PRIVILEGE_ALWAYS },
	{ PROBES, PRIVILEGE_LOAD, CAP_PERFMON, PRIVILEGE_ALWAYS },
	{ PROBES, PRIVILEGE_ATTACH, CAP_PERFMON, PRIVILEGE_ALWAYS },
	{ PRIVILEGE_UPROBES, PRIVILEGE_ATTACH, CAP_SYS_ADMIN, PRIVILEGE_KERNEL_6_17 },
	/* Taking a probe away, and the counts of what was lost. */
	{ PROBES, PRIVILEGE_RUN, CAP_BPF, PRIVILEGE_KERNEL_5_18 },
	/* Which program it runs by now, and its resident set. */
	{ PRIVILEGE_FOLLOW | PRIVILEGE_WATCH, PRIVILEGE_RUN, CAP_SYS_PTRACE, PRIVILEGE_STRONGER },
	{ PRIVILEGE_NEWCOMERS, PRIVILEGE_RUN, CAP_SYS_PTRACE, PRIVILEGE_HIDEPID },
	{ PRIVILEGE_WATCH | PRIVILEGE_REFAULT, PRIVILEGE_RUN, CAP_DAC_READ_SEARCH, PRIVILEGE_OTHER_USER },
	/* To end a command that has become another user's. */
	{ PRIVILEGE_COMMAND, PRIVILEGE_RUN, CAP_KILL, PRIVILEGE_OTHER_USER },
	{ 0, PRIVILEGE_STAGES, 0, PRIVILEGE_ALWAYS },
};

const char *const privilege_conditions[PRIVILEGE_CONDITIONS] = {
	[PRIVILEGE_UNREADABLE] = "the user may not read the file",
	[PRIVILEGE_UNWRITABLE] = "the user may not write the file",
	[PRIVILEGE_OTHER_USER] = "the process is another user's",
	[PRIVILEGE_STRONGER] = "the process is another user's, or has capabilities that gctap has not or no longer",
	[PRIVILEGE_KERNEL_6_17] = ("the kernel places uprobes for CAP_SYS_ADMIN only: Linux since 6.17, stable kernels "
				   "with that change, Debian's with kernel.perf_event_paranoid=3"),
	[PRIVILEGE_KERNEL_5_18] = "the kernel is older than 5.19 and kernel.unprivileged_bpf_disabled is set",
	[PRIVILEGE_THROUGH_PROC] = "the file is named as one of such a process, /proc/PID/exe or /proc/PID/root/...",
	[PRIVILEGE_HIDEPID] = "/proc is mounted with hidepid",
};

const struct privilege_form privilege_forms[] = {
	{ "inspect FILE", PRIVILEGE_FILE },
	{ "inspect -p PID", PRIVILEGE_PROCESS },
	{ "trace -p PID", PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES },
	{ "trace -x FILE", PRIVILEGE_FILE | PRIVILEGE_NEWCOMERS | PRIVILEGE_UPROBES },
	{ "trace -- COMMAND", PRIVILEGE_FILE | PRIVILEGE_COMMAND | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES },
	{ "compare -- COMMAND", PRIVILEGE_FILE | PRIVILEGE_COMMAND | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES },
	{ "madvise -p PID", PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_TRACEPOINTS },
	{ "madvise --refault -p PID",
	  PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_TRACEPOINTS | PRIVILEGE_REFAULT },
	{ "madvise -- COMMAND", PRIVILEGE_FILE | PRIVILEGE_COMMAND | PRIVILEGE_FOLLOW | PRIVILEGE_TRACEPOINTS },
	{ "why -p PID", PRIVILEGE_PROCESS | PRIVILEGE_MEMORY },
	{ "why --watch SECONDS -p PID",
	  PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES | PRIVILEGE_MEMORY | PRIVILEGE_WATCH },
	{ "why --watch SECONDS --refault -p PID", PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES |
							  PRIVILEGE_MEMORY | PRIVILEGE_WATCH | PRIVILEGE_TRACEPOINTS |
							  PRIVILEGE_REFAULT },
	{ "map -p PID", PRIVILEGE_PROCESS | PRIVILEGE_MEMORY },
	{ "schema, privileges", 0 },
	{ "-o FILE, --html, --svg", PRIVILEGE_OUTPUT },
	{ NULL, 0 },
};

uint64_t privilege_set(unsigned features, enum privilege_stage stage)
{
	uint64_t set = 0;

	for (const struct privilege_need *need = privilege_needs; need->features; need++)
		if (need->features & features && need->stage == stage)
			set |= 1ull << need->capability;
	return set;
}
