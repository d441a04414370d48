// SPDX-License-Identifier: BSD-2-Clause
/*
 * A process whose memory is a heap with any number of words changed, also between two readings. Either it
 * is refused with a reason, or what is handed out is consistent in itself.
 */
#include "../unit/heap_builder.h"
#include "fuzz.h"

#include <stdio.h>

#define PATCHES_MAX 400u

static struct input rest; /* patches for between the readings */

/* Values that lead somewhere, and others. */
static uint64_t take_value(struct input *input)
{
	static const uint64_t bases[] = { 0,	       IMAGE_HEAP,   IMAGE_MSPANS, IMAGE_BITS, IMAGE_CHUNK,
					  IMAGE_ARENA, IMAGE_ARENAS, UINT64_MAX,   1ull << 47, 33751040 };
	unsigned base = (unsigned)input_take(input, 1);
	unsigned bytes = base / 16 % 9;

	base %= 16;
	if (base >= sizeof(bases) / sizeof(bases[0]))
		return input_take(input, bytes) * (base % 2 ? HEAP_PAGE_BYTES : HEAP_CHUNK_BYTES);
	return bases[base] + input_take(input, bytes);
}

static void patch(struct heap_image *image, struct input *input)
{
	static const uint8_t lengths[] = { 1, 2, 4, 8, 8, 8, 64, 128 };
	const struct image_region *region = &image->regions[input_take(input, 1) % image->nr_regions];
	size_t length = lengths[input_take(input, 1) % sizeof(lengths)];
	size_t offset = input_take(input, 3) % region->length;
	uint64_t value = take_value(input);

	if (length > region->length - offset)
		length = region->length - offset;
	for (size_t i = 0; i < length; i++)
		region->bytes[offset + i] = (uint8_t)(value >> i % 8 * 8);
}

/* Words of the structures themselves, which any offset hardly ever hits. */
static void patch_field(struct heap_image *image, struct input *input)
{
	const struct heap_layout *layout = image->layout;
	const struct heap_span_layout *span = &layout->span;
	const uint32_t heap_fields[] = {
		layout->bounds,	     layout->bounds + 8, layout->ranges, layout->ranges + 8,
		layout->ranges + 16, layout->sweepgen,	 layout->arenas, layout->current_arena
	};
	const uint32_t span_fields[] = { span->start,	  span->pages,	    span->elements,  span->free_index,
					 span->allocated, span->alloc_bits, span->mark_bits, span->element_bytes,
					 span->sweepgen,  span->class,	    span->state };
	unsigned which = (unsigned)input_take(input, 1);
	uint64_t value = take_value(input);

	if (which < 64)
		image_put(image, IMAGE_MHEAP + heap_fields[which % 8], value, 1 + which / 8);
	else if (which < 128)
		image_put(image, IMAGE_RANGES + which % 8 * 8, value, 8);
	else
		image_put(image, IMAGE_MSPANS + which % 8 * span->bytes + span_fields[input_take(input, 1) % 11], value,
			  1 + which / 8 % 8);
}

static void patch_some(struct heap_image *image, struct input *input)
{
	if (input_take(input, 1) & 1)
		patch(image, input);
	else
		patch_field(image, input);
}

static void move(struct heap_image *image)
{
	if (rest.size)
		patch_some(image, &rest);
}

static void check_spans(const struct heap_snapshot *snapshot)
{
	uint64_t in_use = 0, manual = 0, next = 0;

	for (size_t i = 0; i < snapshot->nr_spans; i++) {
		const struct heap_span *span = &snapshot->spans[i];
		struct heap_span_use use;

		require(span->page >= next && span->pages);
		next = span->page + span->pages;
		*(span->manual ? &manual : &in_use) += (uint64_t)span->pages * HEAP_PAGE_BYTES;
		require(span->allocated <= span->elements && span->marked <= span->allocated);
		heap_span_use(snapshot, span, &use);
		require(use.live + use.since + use.dead + use.unknown + use.holes + use.rest ==
			(uint64_t)span->pages * HEAP_PAGE_BYTES);
	}
	require(in_use == snapshot->bytes.in_use && manual == snapshot->bytes.manual);
}

static void check_runs(const struct heap_snapshot *snapshot)
{
	const struct heap_bytes *bytes = &snapshot->bytes;
	const uint64_t expected[HEAP_PAGE_KINDS] = {
		[HEAP_PAGE_IN_USE] = bytes->in_use,	[HEAP_PAGE_STACK] = bytes->manual,
		[HEAP_PAGE_RESERVED] = bytes->reserved, [HEAP_PAGE_PADDING] = bytes->padding,
		[HEAP_PAGE_FREE] = bytes->free,		[HEAP_PAGE_SCAVENGED] = bytes->scavenged,
	};
	uint64_t got[HEAP_PAGE_KINDS] = { 0 }, next = 0;
	struct heap_cursor cursor = { 0 };
	struct heap_run run;
	size_t spans = 0;

	while (heap_next_run(snapshot, &cursor, &run)) {
		require(run.address >= next && run.pages);
		next = run.address + run.pages * HEAP_PAGE_BYTES;
		got[run.kind == HEAP_PAGE_COLLECTOR ? HEAP_PAGE_STACK : run.kind] += run.pages * HEAP_PAGE_BYTES;
		spans += run.span != NULL;
	}
	require(spans == snapshot->nr_spans);
	require(!memcmp(got, expected, sizeof(got)));
}

static void check(const struct heap_snapshot *snapshot)
{
	const struct heap_bytes *bytes = &snapshot->bytes;

	require(bytes->in_use + bytes->manual + bytes->reserved + bytes->padding + bytes->free + bytes->scavenged ==
		snapshot->nr_chunks * HEAP_CHUNK_BYTES);
	check_spans(snapshot);
	check_runs(snapshot);
}

static void read_twice(struct heap_image *image, const char *version)
{
	struct heap_options options = image_options(image, version);
	struct heap_snapshot snapshot = { 0 };
	struct failure failure = { "" };
	struct heap *heap = NULL;
	int error = heap_open_with(&options, &heap, &failure);

	require_reason(error, failure);
	require(!error == !!heap);
	for (unsigned i = 0; i < 2 && heap; i++) {
		failure.text[0] = '\0';
		error = heap_read(heap, &snapshot, &failure);
		require_reason(error, failure);
		if (error)
			require(!snapshot.chunks && !snapshot.spans);
		else
			check(&snapshot);
	}
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t minors[] = { 15, 18, 19, 20, 21, 24, 25, 27 };
	struct input input = { data, size };
	unsigned flags = (unsigned)input_take(&input, 1), minor = minors[input_take(&input, 1) % sizeof(minors)];
	unsigned patches = (unsigned)input_take(&input, 1);
	struct heap_image *image = image_new(minor);
	char version[32];

	image_fill(image);
	for (unsigned i = 0; i < patches && i < PATCHES_MAX && input.size; i++)
		patch_some(image, &input);
	rest = input;
	if (flags & 1)
		image->everywhere = (uint8_t)(flags / 8);
	if (flags & 2)
		image->on_read = move;
	snprintf(version, sizeof(version), flags & 4 ? "devel" : "go1.%u", minor);
	read_twice(image, version);
	image_free(image);
	return 0;
}
