/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target_settings: what a process was started with and what the system is set to, as far as it decides
 * how much memory stays resident; and the kernel's counters of the process.
 *
 * Bytes where nothing else is said; VALUE_UNKNOWN, or a text that is not known, where something cannot be read.
 */
#ifndef GCTAP_TARGET_SETTINGS_H
#define GCTAP_TARGET_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gctap/target.h"
#include "gctap/unknown.h"

/* A variable of the environment. Any bytes but NUL, from a process that may have written over them. */
struct target_variable {
	bool set;
	bool cut; /* longer than what is kept */
	char value[1024];
};

/*
 * The environment as it was at the exec (/proc/PID/environ). The program may have changed these since:
 * os.Setenv is too late for the runtime, debug.SetGCPercent and debug.SetMemoryLimit are not. Of a variable
 * that is there twice, the first counts, as for the runtime.
 */
struct target_environment {
	bool known; /* else "not set" says nothing */
	struct target_variable gomemlimit, gogc, godebug, gomaxprocs, glibc_tunables, malloc_arena_max;
};
/* 0 or -errno: -EACCES without CAP_SYS_PTRACE. Bounded, whatever its size. */
int target_environment_read(pid_t pid, struct target_environment *environment);
int target_environment_parse(FILE *text, struct target_environment *environment);

/*
 * What the runtime makes of the texts. Of GOGC: percent, or GOGC_OFF; what is no number is 100. Of GOMEMLIMIT:
 * bytes, INT64_MAX for "off" or none; VALUE_UNKNOWN for what the runtime refuses to start with, and for a cut text.
 */
#define GOGC_OFF UINT64_C(0xffffffff)
uint64_t target_gogc(const struct target_variable *variable);
uint64_t target_gomemlimit(const struct target_variable *variable);
/* The value of one name in GODEBUG, the last one counts; false when it is not there. */
bool target_godebug(const struct target_variable *variable, const char *name, char *value, size_t size);

/* /proc/PID/status. */
struct target_status {
	uint64_t threads; /* number */
	uint64_t vm_rss, vm_hwm, vm_size, vm_data, vm_swap, vm_lck;
	uint64_t rss_anon, rss_file, rss_shmem; /* together vm_rss; approximate from Linux 6.2 to 6.16 */
	uint64_t vm_pte; /* page tables: not in the resident set, but in the cgroup's kernel memory */
	uint64_t hugetlb;
	int thp_enabled; /* 1, or 0 after prctl(PR_SET_THP_DISABLE), which is inherited; -1: unknown */
};
int target_status_read(pid_t pid, struct target_status *status);
int target_status_parse(FILE *text, struct target_status *status);

/* Transparent huge pages in this system: /sys/kernel/mm/transparent_hugepage. */
struct thp_setting {
	char enabled[16];	    /* "always", "madvise", "never"; "": unknown, or not built into the kernel */
	char defrag[16];	    /* "always", "defer", "defer+madvise", "madvise", "never" */
	uint64_t max_ptes_none;	    /* empty pages out of those of a huge one that khugepaged fills in, number */
	uint64_t khugepaged_defrag; /* 0, 1 */
	uint64_t huge_bytes;	    /* size of a huge page */
	uint64_t page_bytes;	    /* size of a page */
};
void thp_setting_read(struct thp_setting *setting);
/* The word in brackets of "always [madvise] never"; "" when there is none. */
void thp_word_parse(FILE *text, char *word, size_t size);

#endif
