// SPDX-License-Identifier: BSD-2-Clause
/*
 * Layouts of versions of which no toolchain was at hand, so that there was no DWARF: found in the memory of
 * esbuild as it is published, by what the fields of a heap have to be. They are one program's of one point
 * release each, so they are taken only where all that they lead to agrees.
 */
#include "heap_layout.h"

/* runtime.mspan as it was from 1.15 to 1.20. */
#define SPAN(size)                                                                                                     \
	{                                                                                                              \
		.bytes = (size), .start = 24, .pages = 32, .elements = 56, .free_index = 48, .index_bytes = 8,         \
		.allocated = 96, .element_bytes = 104, .alloc_bits = 72, .mark_bits = 80, .sweepgen = 88, .class = 98, \
		.state = 99                                                                                            \
	}

const struct heap_layout heap_layouts_found[] = {
	{ /* go1.16.3 */
	  .first = 16,
	  .last = 16,
	  .chunks = 128,
	  .bounds = 65672,
	  .ranges = 65688,
	  .sweepgen = 65832,
	  .arenas = 65944,
	  .current_arena = 66080,
	  .arena_spans = 2097152,
	  .span = SPAN(136),
	  .released_with_arena = true },
	{ /* go1.17.2 */
	  .first = 17,
	  .last = 17,
	  .chunks = 128,
	  .bounds = 65672,
	  .ranges = 65688,
	  .sweepgen = 65832,
	  .arenas = 65944,
	  .current_arena = 66096,
	  .arena_spans = 2097152,
	  .span = SPAN(136) },
	{ /* go1.18; what it holds while it prints is the scavenger's lock, which mheap_ contains */
	  .first = 18,
	  .last = 18,
	  .lock = 65728,
	  .chunks = 128,
	  .bounds = 65672,
	  .ranges = 65688,
	  .sweepgen = 65840,
	  .arenas = 65936,
	  .current_arena = 66088,
	  .arena_spans = 2097152,
	  .span = SPAN(136) },
	{ /* go1.20.12 */
	  .first = 20,
	  .last = 20,
	  .chunks = 128,
	  .bounds = 65672,
	  .ranges = 65688,
	  .sweepgen = 65816,
	  .arenas = 65904,
	  .current_arena = 66056,
	  .arena_spans = 1064960,
	  .span = SPAN(160),
	  .live = -168 },
};

const size_t heap_layouts_found_count = sizeof(heap_layouts_found) / sizeof(heap_layouts_found[0]);
