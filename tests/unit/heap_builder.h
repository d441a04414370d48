/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap_builder: the memory of a Go process made by hand: a heap of a few chunks, with the runtime's
 * structures around it, in the layout of any version.
 */
#ifndef GCTAP_TESTS_HEAP_BUILDER_H
#define GCTAP_TESTS_HEAP_BUILDER_H

#include "recipe_builder.h"

#include "gctap/heap.h"
#include "why/heap_layout.h"

#define IMAGE_REGIONS 16u
#define IMAGE_CHUNKS  4u
#define IMAGE_SPANS   64u

/* Where things lie. */
enum {
	IMAGE_BIAS = 0x10000,
	IMAGE_COUNTERS = 0x701000, /* in use, released, free; in the recipe without the bias */
};
#define IMAGE_MHEAP  0x600000ull
#define IMAGE_HEAP   0xc000000000ull
#define IMAGE_CHUNK  0x7f0000000000ull
#define IMAGE_RANGES 0x7f0010000000ull
#define IMAGE_ARENAS 0x7f0020000000ull
#define IMAGE_ARENA  0x7f0030000000ull
#define IMAGE_MSPANS 0x7f0040000000ull
#define IMAGE_BITS   0x7f0050000000ull
#define IMAGE_SWEEP  20u /* the heap's sweep generation */

struct image_region {
	uint64_t address;
	uint8_t *bytes;
	size_t length;
};

struct heap_image {
	const struct heap_layout *layout;
	struct image_region regions[IMAGE_REGIONS];
	unsigned nr_regions, nr_spans;
	struct recipe *recipe;
	uint64_t in_use, free, released;
	/* Called in front of each reading of places, when set. */
	void (*on_read)(struct heap_image *image);
	unsigned reads;
	uint8_t everywhere; /* what is read where nothing lies; 0: nothing is */
};

struct image_span {
	unsigned page, pages;
	uint8_t state, class;
	uint64_t element_bytes;
	unsigned elements, allocated, free_index;
	int sweep; /* against the heap's generation */
	uint64_t alloc_bits, mark_bits;
};

static inline uint8_t *image_bytes(struct heap_image *image, uint64_t address, size_t length)
{
	for (unsigned i = 0; i < image->nr_regions; i++) {
		struct image_region *region = &image->regions[i];

		if (address >= region->address && address - region->address <= region->length &&
		    length <= region->length - (address - region->address))
			return region->bytes + (address - region->address);
	}
	return NULL;
}

static inline void image_map(struct heap_image *image, uint64_t address, size_t length)
{
	struct image_region *region = &image->regions[image->nr_regions++];

	if (image->nr_regions > IMAGE_REGIONS)
		abort();
	*region = (struct image_region){ address, calloc(1, length), length };
	if (!region->bytes)
		abort();
}

static inline void image_put(struct heap_image *image, uint64_t address, uint64_t value, unsigned length)
{
	uint8_t *bytes = image_bytes(image, address, length);

	if (!bytes)
		abort();
	memcpy(bytes, &value, length);
}

static inline uint64_t image_get(struct heap_image *image, uint64_t address)
{
	uint64_t value;

	memcpy(&value, image_bytes(image, address, sizeof(value)), sizeof(value));
	return value;
}

/* A memory_reader. */
static inline int image_reader(void *context, struct memory_piece *pieces, size_t count)
{
	struct heap_image *image = context;

	image->reads++;
	if (image->on_read)
		image->on_read(image);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *bytes = image_bytes(image, pieces[i].address, pieces[i].length);

		pieces[i].read = bytes || image->everywhere;
		if (bytes)
			memcpy(pieces[i].buffer, bytes, pieces[i].length);
		else if (image->everywhere)
			memset(pieces[i].buffer, image->everywhere, pieces[i].length);
	}
	return 0;
}

static inline uint64_t image_chunk_word(unsigned page, bool scavenged)
{
	return IMAGE_CHUNK + page / HEAP_CHUNK_PAGES * 128 + scavenged * 64u + page % HEAP_CHUNK_PAGES / 64 * 8;
}

static inline void image_set_bit(struct heap_image *image, unsigned page, bool scavenged, bool set)
{
	uint64_t address = image_chunk_word(page, scavenged), word = image_get(image, address);

	word = set ? word | 1ull << page % 64 : word & ~(1ull << page % 64);
	image_put(image, address, word, 8);
}

/* Two bits for each page of a range, and the bytes of it. */
static inline uint64_t image_pages(struct heap_image *image, unsigned page, unsigned pages, bool allocated,
				   bool scavenged)
{
	for (unsigned i = page; i < page + pages; i++) {
		image_set_bit(image, i, false, allocated);
		image_set_bit(image, i, true, scavenged);
	}
	return (uint64_t)pages * HEAP_PAGE_BYTES;
}

static inline void image_free_pages(struct heap_image *image, unsigned page, unsigned pages)
{
	uint64_t bytes = image_pages(image, page, pages, false, false);

	image->free += bytes;
	image->released -= bytes;
}

static inline uint64_t image_page_pointer(struct heap_image *image, unsigned page)
{
	return IMAGE_ARENA + image->layout->arena_spans + page * 8;
}

/* Returns the address of the mspan. */
static inline uint64_t image_add_span(struct heap_image *image, const struct image_span *span)
{
	const struct heap_span_layout *at = &image->layout->span;
	unsigned number = image->nr_spans++;
	uint64_t mspan = IMAGE_MSPANS + (uint64_t)number * at->bytes, bits = IMAGE_BITS + number * 32ull;
	uint64_t bytes = image_pages(image, span->page, span->pages, true, false);

	if (image->nr_spans > IMAGE_SPANS)
		abort();
	image->released -= bytes;
	image->in_use += span->state == 1 ? bytes : 0;
	for (unsigned i = span->page; i < span->page + span->pages; i++)
		image_put(image, image_page_pointer(image, i), mspan, 8);
	image_put(image, mspan + at->start, IMAGE_HEAP + (uint64_t)span->page * HEAP_PAGE_BYTES, 8);
	image_put(image, mspan + at->pages, span->pages, 8);
	image_put(image, mspan + at->elements, span->elements, at->index_bytes);
	image_put(image, mspan + at->free_index, span->free_index, at->index_bytes);
	image_put(image, mspan + at->allocated, span->allocated, 2);
	image_put(image, mspan + at->element_bytes, span->element_bytes, 8);
	image_put(image, mspan + at->alloc_bits, bits, 8);
	image_put(image, mspan + at->mark_bits, bits + 16, 8);
	image_put(image, mspan + at->sweepgen, IMAGE_SWEEP + (uint32_t)span->sweep, 4);
	image_put(image, mspan + at->class, span->class, 1);
	image_put(image, mspan + at->state, span->state, 1);
	image_put(image, bits, span->alloc_bits, 8);
	image_put(image, bits + 16, span->mark_bits, 8);
	return mspan;
}

static inline void image_write_counters(struct heap_image *image)
{
	uint64_t counters = IMAGE_COUNTERS + IMAGE_BIAS;

	image_put(image, counters, image->in_use, 8);
	image_put(image, counters + 8, image->released, 8);
	image_put(image, counters + 16, image->free, 8);
	image_put(image, counters + (uint64_t)(int64_t)image->layout->live, 12345, 8);
}

static inline struct recipe *image_recipe(void)
{
	struct recipe *recipe = recipe_new();
	expr_id in_use = recipe_memory(recipe, IMAGE_COUNTERS, 8);

	recipe->extras[RECIPE_IN_USE] = in_use;
	recipe->extras[RECIPE_RETAINED] =
		expr_binary(recipe->pool, EXPR_ADD, in_use, recipe_memory(recipe, IMAGE_COUNTERS + 16, 8));
	recipe_text(recipe, "scav ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, IMAGE_COUNTERS + 8, 8));
	recipe_text(recipe, " KiB now, ");
	return recipe;
}

static inline const struct heap_layout *image_layout(unsigned minor)
{
	for (size_t i = 0; i < heap_layouts_count; i++)
		if (minor >= heap_layouts[i].first && minor <= heap_layouts[i].last)
			return &heap_layouts[i];
	for (size_t i = 0; i < heap_layouts_found_count; i++)
		if (minor == heap_layouts_found[i].first)
			return &heap_layouts_found[i];
	abort();
}

/* A heap of scavenged pages. */
static inline struct heap_image *image_new(unsigned minor)
{
	struct heap_image *image = calloc(1, sizeof(*image));
	uint64_t first = (IMAGE_HEAP + 0x800000000000ull) / HEAP_CHUNK_BYTES;
	uint64_t arena = IMAGE_ARENAS + (IMAGE_HEAP + 0x800000000000ull) / (64 << 20) * 8;
	const struct heap_layout *layout = image_layout(minor);

	if (!image)
		abort();
	image->layout = layout;
	image->recipe = image_recipe();
	image_map(image, IMAGE_MHEAP, 96 << 10);
	image_map(image, IMAGE_COUNTERS + IMAGE_BIAS - 4096, 16 << 10);
	image_map(image, IMAGE_CHUNK, IMAGE_CHUNKS * 128);
	image_map(image, IMAGE_RANGES, 64);
	image_map(image, arena, 8);
	image_map(image, IMAGE_ARENA + layout->arena_spans, 64 << 10);
	image_map(image, IMAGE_MSPANS, IMAGE_SPANS * HEAP_SPAN_BYTES_MAX);
	image_map(image, IMAGE_BITS, IMAGE_SPANS * 32);
	image_map(image, IMAGE_HEAP, 1 << 20);
	image_put(image, IMAGE_MHEAP + layout->chunks + first / 8192 * 8, IMAGE_CHUNK, 8);
	image_put(image, IMAGE_MHEAP + layout->bounds, first, 8);
	image_put(image, IMAGE_MHEAP + layout->bounds + 8, first + IMAGE_CHUNKS, 8);
	image_put(image, IMAGE_MHEAP + layout->ranges, IMAGE_RANGES, 8);
	image_put(image, IMAGE_MHEAP + layout->ranges + 8, 1, 8);
	image_put(image, IMAGE_MHEAP + layout->ranges + 16, 4, 8);
	image_put(image, IMAGE_RANGES, IMAGE_HEAP, 8);
	image_put(image, IMAGE_RANGES + 8, IMAGE_HEAP + IMAGE_CHUNKS * HEAP_CHUNK_BYTES, 8);
	image_put(image, IMAGE_MHEAP + layout->sweepgen, IMAGE_SWEEP, 4);
	image_put(image, IMAGE_MHEAP + layout->arenas, IMAGE_ARENAS, 8);
	image_put(image, IMAGE_MHEAP + layout->current_arena, IMAGE_HEAP + IMAGE_CHUNKS * HEAP_CHUNK_BYTES, 8);
	image_put(image, IMAGE_MHEAP + layout->current_arena + 8, IMAGE_HEAP + (64 << 20), 8);
	image_put(image, arena, IMAGE_ARENA, 8);
	for (unsigned i = 0; i < IMAGE_CHUNKS; i++)
		memset(image_bytes(image, IMAGE_CHUNK + i * 128 + 64, 64), 0xff, 64);
	image->released = IMAGE_CHUNKS * HEAP_CHUNK_BYTES;
	if (layout->released_with_arena)
		image->released += (64 << 20) - IMAGE_CHUNKS * HEAP_CHUNK_BYTES;
	image_write_counters(image);
	return image;
}

static inline void image_free(struct heap_image *image)
{
	for (unsigned i = 0; i < image->nr_regions; i++)
		free(image->regions[i].bytes);
	recipe_free(image->recipe);
	free(image);
}

static inline struct heap_options image_options(struct heap_image *image, const char *version)
{
	return (struct heap_options){ .version = version,
				      .lock = IMAGE_MHEAP + image->layout->lock,
				      .sweep = image->recipe,
				      .bias = IMAGE_BIAS,
				      .read = image_reader,
				      .context = image };
}

/* One of each: what the tests and the fuzzer begin with. Writes the counters. */
static inline void image_fill(struct heap_image *image)
{
	static const struct image_span spans[] = {
		/* Swept: 5 live, 2 of them dead or alive since; 1 KiB objects. */
		{ 10, 1, 1, 40, 1024, 8, 7, 7, 0, 0x1f, 0 },
		/* Swept, nothing allocated since; in the cache of a P. */
		{ 11, 1, 1, 40, 1024, 8, 3, 0, 3, 0, 0 },
		/* Not swept yet: 2 of 6 live. */
		{ 12, 1, 1, 41, 1024, 8, 6, 8, -2, 0xff, 0x11 },
		/* Being swept. */
		{ 13, 1, 1, 41, 1024, 8, 6, 8, -1, 0xff, 0x11 },
		/* A large object, live; beyond the end of a chunk. */
		{ 500, 30, 1, 0, 30 * 8192, 1, 1, 0, 0, 1, 0 },
		/* A stack. */
		{ 14, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		image_add_span(image, &spans[i]);
	image_free_pages(image, 100, 50);
	/* In reserve: free for the runtime, allocated by the bits. */
	image_pages(image, 150, 6, true, false);
	image_pages(image, 0, 8, true, true);
	image_write_counters(image);
}

#endif
