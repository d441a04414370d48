// SPDX-License-Identifier: BSD-2-Clause
/*
 * The spans behind the allocated pages, arena by arena: from the arena's table of spans by page to the
 * spans, and to their bits. A span counts where it says that it begins at the page that leads to it and the
 * bits say that all of its pages are allocated; the walk goes on behind it. So the work is bounded by the
 * pages, and spans never overlap.
 *
 * What the bits of a span mean (runtime/mgcsweep.go): sweeping makes the mark bits the allocation bits, and
 * counts them. Allocation goes on from there: it moves the free index and the count, not the bits. A span
 * whose sweep generation is that of the heap, or 3 more while a P allocates from it, has been swept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap_internal.h"
#include "gctap/clock.h"

#define ELEMENTS_MAX	   1024u /* in runtime/sizeclasses.go: 8 KiB of 8 bytes */
#define BITS_BYTES_MAX	   (ELEMENTS_MAX / 8)
#define STATE_IN_USE	   1u
#define STATE_MANUAL	   2u
#define INLINE_SIZE_MIN	   16u /* runtime.gcUsesSpanInlineMarkBits */
#define INLINE_SIZE_MAX	   512u
#define INLINE_MARKS	   64u /* before the end of a page: runtime.spanInlineMarkBits */
#define INLINE_MARKS_BYTES 63u

/* The fields of a span. */
struct fields {
	uint64_t start, pages, elements, free_index, element_bytes, alloc_bits, mark_bits;
	uint32_t sweepgen;
	uint16_t allocated;
	uint8_t class, state;
};

/* Work on one arena. */
struct span_walk {
	uint64_t pointers[ARENA_PAGES]; /* to the span of each page */
	size_t taken[ARENA_PAGES];	/* spans whose bits are asked for, by their index in the snapshot */
	uint64_t run_end;		/* of the allocated pages around the walk; as a page number */
	uint64_t next;			/* first page that no span has; likewise */
	uint32_t sweepgen;
};

static bool page_is_candidate(const struct heap_chunk *chunk, unsigned page)
{
	return chunk->allocated[page / 64] & ~chunk->scavenged[page / 64] & 1ull << page % 64;
}

static bool chunk_has_candidates(const struct heap_chunk *chunk)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < HEAP_CHUNK_PAGES / 64; i++)
		any |= chunk->allocated[i] & ~chunk->scavenged[i];
	return any;
}

static uint64_t page_of(const struct heap_chunk *chunk, unsigned page)
{
	return chunk->address / HEAP_PAGE_BYTES + page;
}

/* The first page from (chunk, page) on that is not allocated, in chunks that follow each other. */
static uint64_t find_run_end(const struct heap_snapshot *snapshot, size_t chunk, unsigned page)
{
	for (;;) {
		const struct heap_chunk *at = &snapshot->chunks[chunk];

		while (page < HEAP_CHUNK_PAGES) {
			uint64_t word = at->allocated[page / 64] & ~at->scavenged[page / 64];
			uint64_t gone = ~word >> page % 64;

			if (gone)
				return page_of(at, page) + (unsigned)__builtin_ctzll(gone);
			page = (page / 64 + 1) * 64;
		}
		if (chunk + 1 == snapshot->nr_chunks || at[1].address != at->address + HEAP_CHUNK_BYTES)
			return page_of(at, HEAP_CHUNK_PAGES);
		chunk++;
		page = 0;
	}
}

static uint64_t field(const uint8_t *bytes, uint32_t offset, uint32_t length)
{
	uint64_t value = 0;

	memcpy(&value, bytes + offset, length);
	return value;
}

static void read_fields(const struct heap_span_layout *layout, const uint8_t *bytes, struct fields *fields)
{
	*fields = (struct fields){
		.start = field(bytes, layout->start, 8),
		.pages = field(bytes, layout->pages, 8),
		.elements = field(bytes, layout->elements, layout->index_bytes),
		.free_index = field(bytes, layout->free_index, layout->index_bytes),
		.element_bytes = field(bytes, layout->element_bytes, 8),
		.alloc_bits = field(bytes, layout->alloc_bits, 8),
		.mark_bits = field(bytes, layout->mark_bits, 8),
		.sweepgen = (uint32_t)field(bytes, layout->sweepgen, 4),
		.allocated = (uint16_t)field(bytes, layout->allocated, 2),
		.class = (uint8_t)field(bytes, layout->class, 1),
		.state = (uint8_t)field(bytes, layout->state, 1),
	};
}

/* Whether the fields of a span in use can be true together. */
static bool make_sense(const struct fields *fields, struct heap_snapshot *snapshot)
{
	uint32_t *bytes = &snapshot->element_bytes[fields->class >> 1];

	if (!fields->elements || fields->elements > ELEMENTS_MAX || fields->allocated > fields->elements ||
	    fields->free_index > fields->elements || !fields->element_bytes ||
	    fields->element_bytes > fields->pages * HEAP_PAGE_BYTES / fields->elements)
		return false;
	if (!(fields->class >> 1))
		return fields->elements == 1;
	/* A size belongs to its class, whichever span one looks at. */
	if (!*bytes && fields->element_bytes <= UINT32_MAX)
		*bytes = (uint32_t)fields->element_bytes;
	return *bytes == fields->element_bytes;
}

static bool uses_inline_marks(const struct heap *heap, const struct fields *fields)
{
	return heap->inline_marks && fields->element_bytes >= INLINE_SIZE_MIN &&
	       fields->element_bytes <= INLINE_SIZE_MAX;
}

/* Asks for the bits that tell what was marked, where the count does not tell it already. */
static void ask_marks(struct heap *heap, const struct fields *fields, struct heap_span *span, size_t index)
{
	struct span_walk *walk = heap->walk;
	struct gather *gather = &heap->marks;
	uint32_t length = (uint32_t)(fields->elements + 63) / 64 * 8;
	uint64_t address = fields->alloc_bits;

	switch ((int32_t)(fields->sweepgen - walk->sweepgen)) {
	case 3: span->cached = 1; /* fall through */
	case 0:
		span->swept = 1;
		if (!fields->free_index) { /* nothing allocated since */
			span->marked = fields->allocated;
			span->marked_known = 1;
			return;
		}
		break;
	case 1: span->cached = 1; /* fall through */
	case -2:
		address = fields->mark_bits;
		if (uses_inline_marks(heap, fields)) {
			address = fields->start + HEAP_PAGE_BYTES - INLINE_MARKS;
			length = INLINE_MARKS_BYTES;
		}
		break;
	default: return;
	}
	walk->taken[gather->nr_items] = index;
	gather_add(gather, address, length, (uint32_t)gather->nr_items);
}

static void count_marks(struct heap_span *span, const uint8_t *bits)
{
	unsigned marked = 0;

	if (!bits)
		return;
	for (unsigned i = 0; i < span->elements; i++)
		marked += bits[i / 8] >> i % 8 & 1;
	/* More than are allocated: it moved meanwhile. */
	span->marked_known = marked <= span->allocated;
	span->marked = span->marked_known ? marked : 0;
}

static int add_span(struct heap_snapshot *snapshot, const struct heap_span *span)
{
	if (snapshot->nr_spans == snapshot->spans_room) {
		size_t room = snapshot->spans_room ? 2 * snapshot->spans_room : 4096;
		struct heap_span *spans;

		if (room > HEAP_SPANS_MAX)
			return -E2BIG;
		spans = reallocarray(snapshot->spans, room, sizeof(*spans));
		if (!spans)
			return -ENOMEM;
		snapshot->spans = spans;
		snapshot->spans_room = room;
	}
	snapshot->spans[snapshot->nr_spans++] = *span;
	return 0;
}

/* Where a page leads to a span that begins with it: takes it over. */
static int take_span(struct heap *heap, struct heap_snapshot *snapshot, uint64_t page, const uint8_t *bytes,
		     struct span_count *count)
{
	struct span_walk *walk = heap->walk;
	struct heap_span span = { .page = page };
	struct fields fields;
	int error;

	read_fields(&heap->layout->span, bytes, &fields);
	if (fields.start != page * HEAP_PAGE_BYTES || !fields.pages || fields.pages > walk->run_end - page ||
	    (fields.state != STATE_IN_USE && fields.state != STATE_MANUAL))
		return 0;
	count->looked_at++;
	span.pages = fields.pages;
	span.manual = fields.state == STATE_MANUAL;
	/* Stacks are of a size, which the runtime notes (runtime/stack.go); work buffers have none. */
	span.stack = span.manual && fields.element_bytes;
	if (!span.manual) {
		if (!make_sense(&fields, snapshot)) {
			count->amiss++;
			return 0;
		}
		span.elements = fields.elements;
		span.allocated = fields.allocated;
		span.size_class = fields.class >> 1;
		span.pointers = !(fields.class & 1);
	}
	error = add_span(snapshot, &span);
	if (error)
		return error;
	if (!span.manual)
		ask_marks(heap, &fields, &snapshot->spans[snapshot->nr_spans - 1], snapshot->nr_spans - 1);
	walk->next = page + fields.pages;
	*(span.manual ? &snapshot->bytes.manual : &snapshot->bytes.in_use) += fields.pages * HEAP_PAGE_BYTES;
	return 0;
}

/* The chunks of one arena, and where in it they begin. */
struct arena {
	size_t first, end;
	uint64_t spans; /* address of its table */
};

static unsigned page_in_arena(const struct heap_chunk *chunk)
{
	return (unsigned)(chunk->address % ARENA_BYTES / HEAP_PAGE_BYTES);
}

static int read_pointers(struct heap *heap, const struct heap_snapshot *snapshot, const struct arena *arena)
{
	struct memory_piece pieces[ARENA_PAGES / HEAP_CHUNK_PAGES];
	size_t count = 0;
	int error;

	for (size_t i = arena->first; i < arena->end; i++) {
		unsigned page = page_in_arena(&snapshot->chunks[i]);

		if (chunk_has_candidates(&snapshot->chunks[i]))
			pieces[count++] = (struct memory_piece){ .address = arena->spans + page * sizeof(uint64_t),
								 .buffer = heap->walk->pointers + page,
								 .length = HEAP_CHUNK_PAGES * sizeof(uint64_t) };
	}
	if (!count)
		return 0;
	error = heap->options.read(heap->options.context, pieces, count);
	for (size_t i = 0; i < count && !error; i++)
		error = pieces[i].read ? 0 : -EFAULT;
	return error;
}

/* Asks for the spans that pages lead to; neighbours with the same one ask once. */
static int read_spans(struct heap *heap, const struct heap_snapshot *snapshot, const struct arena *arena)
{
	const struct span_walk *walk = heap->walk;
	uint64_t before = 0;
	int error = gather_begin(&heap->spans);

	for (size_t i = arena->first; i < arena->end && !error; i++) {
		const struct heap_chunk *chunk = &snapshot->chunks[i];
		unsigned base = page_in_arena(chunk);

		for (unsigned page = 0; page < HEAP_CHUNK_PAGES; page++) {
			uint64_t pointer = walk->pointers[base + page];

			if (!page_is_candidate(chunk, page)) {
				before = 0;
			} else if (pointer != before && page_of(chunk, page) >= walk->next) {
				if (pointer)
					gather_add(&heap->spans, pointer, heap->layout->span.bytes, base + page);
				before = pointer;
			}
		}
	}
	return error ? error : gather_read(&heap->spans, heap->options.read, heap->options.context);
}

static int take_spans(struct heap *heap, struct heap_snapshot *snapshot, const struct arena *arena,
		      struct span_count *count)
{
	struct span_walk *walk = heap->walk;
	int error = gather_begin(&heap->marks);

	for (size_t i = arena->first; i < arena->end; i++) {
		const struct heap_chunk *chunk = &snapshot->chunks[i];
		unsigned base = page_in_arena(chunk);
		const uint8_t *bytes = NULL;

		for (unsigned page = 0; page < HEAP_CHUNK_PAGES && !error; page++) {
			uint64_t at = page_of(chunk, page);

			if (at < walk->next || !page_is_candidate(chunk, page))
				continue;
			if (at >= walk->run_end)
				walk->run_end = find_run_end(snapshot, i, page);
			/* A page without an answer of its own led to the same span as the one before. */
			if (heap->spans.found[base + page])
				bytes = heap->spans.found[base + page];
			if (bytes)
				error = take_span(heap, snapshot, at, bytes, count);
			if (!error && at >= walk->next)
				snapshot->bytes.reserved += HEAP_PAGE_BYTES;
		}
	}
	return error;
}

static int read_marks(struct heap *heap, struct heap_snapshot *snapshot)
{
	struct gather *gather = &heap->marks;
	size_t count = gather->nr_items;
	int error = gather_read(gather, heap->options.read, heap->options.context);

	for (size_t i = 0; i < count && !error; i++)
		count_marks(&snapshot->spans[heap->walk->taken[i]], gather->found[i]);
	return error;
}

static int read_arena(struct heap *heap, struct heap_snapshot *snapshot, const struct arena *arena,
		      struct span_count *count)
{
	int error = read_pointers(heap, snapshot, arena);

	if (!error)
		error = read_spans(heap, snapshot, arena);
	if (!error)
		error = take_spans(heap, snapshot, arena, count);
	return error ? error : read_marks(heap, snapshot);
}

static int next_arena(struct heap *heap, const struct heap_header *header, const struct heap_snapshot *snapshot,
		      struct arena *arena)
{
	uint64_t index = (snapshot->chunks[arena->end].address + ARENA_OFFSET) / ARENA_BYTES;
	int error;

	arena->first = arena->end;
	while (arena->end < snapshot->nr_chunks &&
	       (snapshot->chunks[arena->end].address + ARENA_OFFSET) / ARENA_BYTES == index)
		arena->end++;
	error = heap_read_at(heap, header->arenas + index * sizeof(uint64_t), &arena->spans, sizeof(arena->spans));
	if (!error && !arena->spans)
		error = -EBADMSG;
	arena->spans += heap->layout->arena_spans;
	return error;
}

int heap_spans_read(struct heap *heap, const struct heap_header *header, struct heap_snapshot *snapshot,
		    uint64_t deadline_ns, struct span_count *count, struct failure *failure)
{
	struct arena arena = { 0 };
	int error = 0;

	if (!heap->walk)
		heap->walk = malloc(sizeof(*heap->walk));
	if (!heap->walk)
		return failure_set(failure, -ENOMEM, NOT_ENOUGH_MEMORY);
	heap->walk->run_end = heap->walk->next = 0;
	heap->walk->sweepgen = header->sweepgen;
	snapshot->nr_spans = 0;
	memset(snapshot->element_bytes, 0, sizeof(snapshot->element_bytes));
	while (arena.end < snapshot->nr_chunks && !error) {
		error = next_arena(heap, header, snapshot, &arena);
		if (!error)
			error = read_arena(heap, snapshot, &arena, count);
		if (!error && clock_ns(CLOCK_MONOTONIC) > deadline_ns)
			error = -ETIMEDOUT;
	}
	if (error == -E2BIG)
		return failure_set(failure, error, "the heap has more than %u spans", HEAP_SPANS_MAX);
	return error ? failure_set(failure, error, "cannot read the heap's spans: %s", strerror(-error)) : 0;
}

void span_walk_free(struct span_walk *walk)
{
	free(walk);
}
