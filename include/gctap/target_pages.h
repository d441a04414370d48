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

/*
 * How pages are. None of these: absent, which is also what a guard page is (MADV_GUARD_INSTALL; Linux
 * 6.13 and 6.14 do not tell it from a swapped one).
 *
 * What nobody tells per page: dirty, and LazyFree, which depends on bits that pagemap does not show.
 * Both are known per mapping only (target_maps.h).
 */
enum pages_state {
	PAGES_PRESENT = 1,
	PAGES_SWAPPED = 2, /* in swap, or on the way from one frame to another */
	PAGES_FILE = 4,	   /* with one of the above: of a file, or shared memory; else anonymous */
	PAGES_HUGE = 8,	   /* mapped by a PMD, or of hugetlbfs */
	PAGES_ZERO = 16,   /* present, but the kernel's zero page: in no Rss */
};
#define PAGES_STATES 31u

struct pages_run {
	uint64_t start, end; /* addresses */
	uint32_t state;
	/*
	 * Which bits could be told. Always PRESENT, SWAPPED and FILE. HUGE needs PAGEMAP_SCAN (Linux 6.7);
	 * without it ZERO needs CAP_SYS_ADMIN and is the small zero page only: the huge one is present and
	 * FILE then, which no other page of a private anonymous mapping is.
	 */
	uint32_t known;
};

/*
 * Calls back for each run of pages with the same state, in order and without gaps from @start to @end,
 * which are made multiples of the page size. @distinguish: the bits that runs are told apart by, beside
 * PRESENT and SWAPPED; others are clear. Bounded memory; mmap_lock of the process is held for reading
 * while at most 1 GiB of address space is looked at. Stops at a non-zero answer and returns it; -errno
 * on failure. Of a process that has ended, everything is absent.
 */
typedef int (*pages_callback)(const struct pages_run *run, void *context);
int target_pages_each(int fd, uint64_t start, uint64_t end, uint32_t distinguish, pages_callback callback,
		      void *context);

#endif
