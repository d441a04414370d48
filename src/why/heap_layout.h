/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the fields lie that the map of the heap is read from, by Go version; amd64. */
#ifndef GCTAP_WHY_HEAP_LAYOUT_H
#define GCTAP_WHY_HEAP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"

#define HEAP_SPAN_BYTES_MAX 192u

/* Of runtime.mspan; offsets in bytes. */
struct heap_span_layout {
	uint32_t bytes;
	uint32_t start, pages, elements, free_index;
	uint32_t index_bytes; /* of elements and free_index: 8, or 2 since 1.22 */
	uint32_t allocated, element_bytes, alloc_bits, mark_bits, sweepgen, class, state;
};

struct heap_layout {
	unsigned first, last; /* versions 1.first to 1.last */
	uint32_t lock;	      /* that is held while a sweep is reported, from the start of runtime.mheap */
	/* From the start of runtime.mheap. */
	uint32_t chunks;	/* pages.chunks: 8192 pointers to 8192 pallocData of 128 bytes */
	uint32_t bounds;	/* pages.start and end: indices of chunks */
	uint32_t ranges;	/* pages.inUse.ranges: slice of start, end */
	uint32_t sweepgen;	/* uint32 */
	uint32_t arenas;	/* pointer to pointers to heapArena */
	uint32_t current_arena; /* base, end */
	uint32_t arena_spans;	/* in heapArena: 8192 pointers to mspan */
	struct heap_span_layout span;
	int32_t live;		  /* from the counter of heap in use to that of live objects; 0: not known */
	bool released_with_arena; /* what is left of the current arena counts as released */
	bool inline_marks;	  /* small objects' mark bits lie in their span until it is swept */
};

extern const struct heap_layout heap_layouts[]; /* by ascending version */
extern const size_t heap_layouts_count;
extern const struct heap_layout heap_layouts_found[];
extern const size_t heap_layouts_found_count;

/* Whether each field lies within what is read of a span. */
bool heap_span_layout_fits(const struct heap_span_layout *span);

/*
 * From the DWARF in a program's file. @lock: file address of what is held while a sweep is reported. -ENOENT:
 * there is none of the runtime; -ENOTSUP: the heap is of a make that the reader does not know.
 */
int heap_layout_by_dwarf(int file, uint64_t lock, struct heap_layout *layout, struct failure *failure);

#endif
