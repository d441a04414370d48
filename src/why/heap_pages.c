// SPDX-License-Identifier: BSD-2-Clause
/*
 * The page allocator's two bits for each page (runtime/mpagealloc.go), for the chunks that it says are in
 * use: between them the table is sparse, and what it holds there means nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "heap_internal.h"

#define TABLE_ENTRIES	 8192u /* in both levels */
#define CHUNK_BITS_BYTES 128u
#define CHUNKS_AT_ONCE	 512u
#define RANGES_MAX	 8192u

struct range {
	uint64_t start, end; /* addresses */
};

/* What a reading needs until the bits are there. */
struct page_walk {
	struct range *ranges;
	size_t nr_ranges;
	uint64_t table[TABLE_ENTRIES]; /* pages.chunks */
	uint8_t bits[CHUNKS_AT_ONCE * CHUNK_BITS_BYTES];
};

static uint64_t chunk_index(uint64_t address)
{
	return (address + ARENA_OFFSET) / HEAP_CHUNK_BYTES;
}

int heap_read_at(const struct heap *heap, uint64_t address, void *buffer, size_t length)
{
	struct memory_piece piece = { .address = address, .buffer = buffer, .length = length };
	int error = heap->options.read(heap->options.context, &piece, 1);

	if (error)
		return error;
	return piece.read ? 0 : -EFAULT;
}

int heap_header_read(struct heap *heap, struct heap_header *header, struct failure *failure)
{
	const struct heap_layout *layout = heap->layout;
	uint64_t mheap = heap->mheap;
	struct memory_piece pieces[] = {
		{ mheap + layout->bounds, header->bounds, sizeof(header->bounds), false },
		{ mheap + layout->ranges, header->ranges, sizeof(header->ranges), false },
		{ mheap + layout->current_arena, header->current_arena, sizeof(header->current_arena), false },
		{ mheap + layout->arenas, &header->arenas, sizeof(header->arenas), false },
		{ mheap + layout->sweepgen, &header->sweepgen, sizeof(header->sweepgen), false },
	};
	size_t count = sizeof(pieces) / sizeof(pieces[0]);
	int error = heap->options.read(heap->options.context, pieces, count);

	for (size_t i = 0; i < count && !error; i++)
		error = pieces[i].read ? 0 : -EFAULT;
	if (error)
		return failure_set(failure, error, "cannot read runtime.mheap_: %s", strerror(-error));
	if (header->bounds[0] >= header->bounds[1] || header->bounds[0] < ARENA_OFFSET / HEAP_CHUNK_BYTES ||
	    header->bounds[1] > chunk_index(ADDRESS_MAX))
		return failure_set(failure, -EBADMSG, "the heap spans chunks %" PRIu64 " to %" PRIu64,
				   header->bounds[0], header->bounds[1]);
	if (!header->ranges[0] || !header->ranges[1] || header->ranges[1] > header->ranges[2] ||
	    header->ranges[1] > RANGES_MAX)
		return failure_set(failure, -EBADMSG, "the heap has %" PRIu64 " ranges", header->ranges[1]);
	if (header->current_arena[0] > header->current_arena[1] || header->current_arena[1] > ADDRESS_MAX)
		return failure_set(failure, -EBADMSG, "the heap's current arena makes no sense");
	return 0;
}

static int check_ranges(const struct heap_header *header, struct page_walk *walk, size_t *nr_chunks,
			struct failure *failure)
{
	uint64_t before = 0, chunks = 0;

	for (size_t i = 0; i < walk->nr_ranges; i++) {
		const struct range *range = &walk->ranges[i];

		if (range->start < before || range->start >= range->end || range->end > ADDRESS_MAX ||
		    range->start % HEAP_CHUNK_BYTES || range->end % HEAP_CHUNK_BYTES ||
		    chunk_index(range->start) < header->bounds[0] || chunk_index(range->end) > header->bounds[1])
			return failure_set(failure, -EBADMSG,
					   "range %zu of the heap, 0x%" PRIx64 " to 0x%" PRIx64 ", makes no sense", i,
					   range->start, range->end);
		before = range->end;
		chunks += (range->end - range->start) / HEAP_CHUNK_BYTES;
	}
	if (chunks > HEAP_CHUNKS_MAX)
		return failure_set(failure, -E2BIG, "the heap has more than %u GiB of address space",
				   (unsigned)(HEAP_CHUNKS_MAX * (HEAP_CHUNK_BYTES >> 20) >> 10));
	*nr_chunks = chunks;
	return 0;
}

static int read_ranges(struct heap *heap, const struct heap_header *header, struct page_walk *walk, size_t *nr_chunks,
		       struct failure *failure)
{
	int error;

	walk->nr_ranges = header->ranges[1];
	walk->ranges = calloc(walk->nr_ranges, sizeof(*walk->ranges));
	if (!walk->ranges)
		return failure_set(failure, -ENOMEM, NOT_ENOUGH_MEMORY);
	error = heap_read_at(heap, header->ranges[0], walk->ranges, walk->nr_ranges * sizeof(*walk->ranges));
	if (error)
		return failure_set(failure, error, "cannot read the ranges of the heap: %s", strerror(-error));
	return check_ranges(header, walk, nr_chunks, failure);
}

static int make_room(struct heap_snapshot *snapshot, size_t nr_chunks, struct failure *failure)
{
	struct heap_chunk *chunks;

	snapshot->nr_chunks = 0;
	if (nr_chunks <= snapshot->chunks_room)
		return 0;
	chunks = reallocarray(snapshot->chunks, nr_chunks, sizeof(*chunks));
	if (!chunks)
		return failure_set(failure, -ENOMEM, NOT_ENOUGH_MEMORY);
	snapshot->chunks = chunks;
	snapshot->chunks_room = nr_chunks;
	return 0;
}

static void sum_up(const struct heap_chunk *chunk, struct heap_bytes *bytes)
{
	for (unsigned i = 0; i < HEAP_CHUNK_PAGES / 64; i++) {
		uint64_t allocated = chunk->allocated[i], scavenged = chunk->scavenged[i];

		bytes->free += (uint64_t)__builtin_popcountll(~allocated & ~scavenged) * HEAP_PAGE_BYTES;
		bytes->scavenged += (uint64_t)__builtin_popcountll(~allocated & scavenged) * HEAP_PAGE_BYTES;
		bytes->padding += (uint64_t)__builtin_popcountll(allocated & scavenged) * HEAP_PAGE_BYTES;
	}
}

static void take_chunks(const struct page_walk *walk, uint64_t address, size_t count, struct heap_snapshot *snapshot)
{
	for (size_t i = 0; i < count; i++) {
		struct heap_chunk *chunk = &snapshot->chunks[snapshot->nr_chunks++];

		chunk->address = address + i * HEAP_CHUNK_BYTES;
		memcpy(chunk->allocated, walk->bits + i * CHUNK_BITS_BYTES, CHUNK_BITS_BYTES / 2);
		memcpy(chunk->scavenged, walk->bits + i * CHUNK_BITS_BYTES + CHUNK_BITS_BYTES / 2,
		       CHUNK_BITS_BYTES / 2);
		sum_up(chunk, &snapshot->bytes);
	}
}

static int read_range(struct heap *heap, struct page_walk *walk, const struct range *range,
		      struct heap_snapshot *snapshot)
{
	uint64_t address = range->start;
	int error = 0;

	while (address < range->end && !error) {
		uint64_t index = chunk_index(address), within = index % TABLE_ENTRIES;
		uint64_t second = walk->table[index / TABLE_ENTRIES];
		uint64_t count = (range->end - address) / HEAP_CHUNK_BYTES;

		if (count > TABLE_ENTRIES - within)
			count = TABLE_ENTRIES - within;
		if (count > CHUNKS_AT_ONCE)
			count = CHUNKS_AT_ONCE;
		error = second ? heap_read_at(heap, second + within * CHUNK_BITS_BYTES, walk->bits,
					      count * CHUNK_BITS_BYTES)
			       : -EBADMSG;
		if (!error)
			take_chunks(walk, address, count, snapshot);
		address += count * HEAP_CHUNK_BYTES;
	}
	return error;
}

static int read_table(struct heap *heap, const struct heap_header *header, struct page_walk *walk)
{
	uint64_t first = header->bounds[0] / TABLE_ENTRIES, last = (header->bounds[1] - 1) / TABLE_ENTRIES;

	return heap_read_at(heap, heap->mheap + heap->layout->chunks + first * sizeof(uint64_t), walk->table + first,
			    (last - first + 1) * sizeof(uint64_t));
}

static int read_bits(struct heap *heap, const struct heap_header *header, struct page_walk *walk,
		     struct heap_snapshot *snapshot, struct failure *failure)
{
	int error = read_table(heap, header, walk);

	for (size_t i = 0; i < walk->nr_ranges && !error; i++)
		error = read_range(heap, walk, &walk->ranges[i], snapshot);
	if (error)
		return failure_set(failure, error, "cannot read the heap's page bits: %s", strerror(-error));
	return 0;
}

int heap_pages_read(struct heap *heap, const struct heap_header *header, struct heap_snapshot *snapshot,
		    struct failure *failure)
{
	struct page_walk *walk = calloc(1, sizeof(*walk));
	size_t nr_chunks;
	int error;

	if (!walk)
		return failure_set(failure, -ENOMEM, NOT_ENOUGH_MEMORY);
	error = read_ranges(heap, header, walk, &nr_chunks, failure);
	if (!error)
		error = make_room(snapshot, nr_chunks, failure);
	if (!error)
		error = read_bits(heap, header, walk, snapshot, failure);
	free(walk->ranges);
	free(walk);
	return error;
}
