/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the heap's map share. */
#ifndef GCTAP_WHY_HEAP_INTERNAL_H
#define GCTAP_WHY_HEAP_INTERNAL_H

#include "gctap/heap.h"
#include "heap_layout.h"

#define HEAP_LEAVES_MAX	  16u
#define ARENA_BYTES	  (64ull << 20)
#define ARENA_PAGES	  8192u
#define ARENA_OFFSET	  0x800000000000ull /* runtime.arenaBaseOffset of amd64, negated */
#define ADDRESS_MAX	  (1ull << 47)	    /* end of what a process can map on amd64 */
#define GATHER_ITEMS_BITS 13u		    /* as many as an arena has pages */
#define GATHER_ITEMS_MAX  (1u << GATHER_ITEMS_BITS)
#define GATHER_GAP	  256u /* bytes read in vain rather than one more piece */
#define GATHER_LENGTH_MAX HEAP_SPAN_BYTES_MAX
#define NOT_ENOUGH_MEMORY "not enough memory for the map of the heap"

/* A variable that the counters are computed from. */
struct heap_leaf {
	expr_id id;
	unsigned size;
	uint64_t address; /* in the process */
	uint64_t value;
	bool known;
};

/* Many small places, read in few pieces: neighbours come together. */
struct gather_item {
	uint64_t address;
	uint32_t length; /* at most GATHER_LENGTH_MAX */
	uint32_t index;	 /* of the answer */
};

struct gather {
	struct gather_item *items;
	uint64_t *order, *other; /* of the items, by address */
	const uint8_t **found;	 /* by the item's index; NULL: could not be read */
	struct memory_piece *pieces;
	uint8_t *buffer;
	size_t nr_items;
};

struct heap {
	struct heap_options options;
	char version[64];
	char name[32]; /* of the layout */
	const struct heap_layout *layout;
	uint64_t mheap; /* address of runtime.mheap_ */
	bool listed, inline_marks, dwarf_tried;
	struct heap_layout by_dwarf;
	expr_id in_use, retained, released; /* in options.sweep */
	struct heap_leaf leaves[HEAP_LEAVES_MAX];
	unsigned nr_leaves;
	uint64_t live; /* address of the counter of live objects, or 0 */
	struct gather spans, marks;
	struct span_walk *walk;
};

/* What the walk learned besides the spans. */
struct span_count {
	uint64_t looked_at; /* spans that pages lead to */
	uint64_t amiss;	    /* whose fields contradict each other */
};

/* Reads one place; -EFAULT where it is not mapped. */
int heap_read_at(const struct heap *heap, uint64_t address, void *buffer, size_t length);

/* heap_counters.c */
int heap_counters_find(struct heap *heap, struct failure *failure);
int heap_counters_read(struct heap *heap, struct heap_counters *counters, struct failure *failure);

/* heap_pages.c: the chunks and their bits; sums of free, scavenged and padding. */
struct heap_header {
	uint64_t bounds[2];	   /* indices of chunks */
	uint64_t ranges[3];	   /* slice */
	uint64_t current_arena[2]; /* base, end */
	uint64_t arenas;	   /* address of the table of arenas */
	uint32_t sweepgen;
};
int heap_header_read(struct heap *heap, struct heap_header *header, struct failure *failure);
int heap_pages_read(struct heap *heap, const struct heap_header *header, struct heap_snapshot *snapshot,
		    struct failure *failure);

/* gather.c */
int gather_begin(struct gather *gather); /* forgets what was found before; -ENOMEM */
void gather_add(struct gather *gather, uint64_t address, uint32_t length, uint32_t index);
int gather_read(struct gather *gather, memory_reader read, void *context);
void gather_free(struct gather *gather);

/* heap_spans.c: the spans behind the allocated pages; sums of in_use, manual and reserved. */
int heap_spans_read(struct heap *heap, const struct heap_header *header, struct heap_snapshot *snapshot,
		    uint64_t deadline_ns, struct span_count *count, struct failure *failure);
void span_walk_free(struct span_walk *walk);

#endif
