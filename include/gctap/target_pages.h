/* SPDX-License-Identifier: BSD-2-Clause */
/* target_pages: what the kernel holds of a live process: sums of its mappings, and which pages are there. */
#ifndef GCTAP_TARGET_PAGES_H
#define GCTAP_TARGET_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/smaps_rollup, in bytes. The kernel walks all of the page tables for it. */
struct target_rollup {
	uint64_t rss, anonymous, lazy_free, anonymous_huge, swap;
};
/* 0 or -errno: -ENOENT without such a process, -EACCES without CAP_SYS_PTRACE. */
int target_rollup(pid_t pid, struct target_rollup *rollup);

/*
 * A descriptor of the page tables as they belong to the program that runs now: after an exec they are
 * empty. -errno as above.
 */
int target_pagemap_open(pid_t pid);
/* Bytes of [address, address + bytes) that are resident or in swap; whole pages. 0 or -errno. */
int target_pagemap_present(int fd, uint64_t address, uint64_t bytes, uint64_t *present);

#endif
