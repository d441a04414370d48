/* SPDX-License-Identifier: BSD-2-Clause */
/* pages_each: the two ways to the same runs of pages, of which target_pages_each() takes the first that works. */
#ifndef GCTAP_TARGET_PAGES_EACH_H
#define GCTAP_TARGET_PAGES_EACH_H

#include "gctap/target_pages.h"

/* What has been found and not been handed on yet. */
struct pages_walk {
	uint64_t page;
	uint32_t distinguish; /* with PRESENT and SWAPPED */
	pages_callback callback;
	void *context;
	struct pages_run run; /* start == end: none yet */
	bool stopped;	      /* the callback's answer was not 0 */
};

/* Both leave the walk at @end, or where it failed. -ENOTTY: the kernel has no PAGEMAP_SCAN. */
int pages_by_scan(struct pages_walk *walk, int fd, uint64_t start, uint64_t end);
int pages_by_reading(struct pages_walk *walk, int fd, uint64_t start, uint64_t end);

void pages_walk_start(struct pages_walk *walk, uint64_t start, uint32_t distinguish, pages_callback callback,
		      void *context);
/* Goes on to @end in that state. The callback's answer. */
int pages_walk_add(struct pages_walk *walk, uint64_t end, uint32_t state, uint32_t known);
/* Hands on the last run. */
int pages_walk_finish(struct pages_walk *walk);

#endif
