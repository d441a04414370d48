// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/memory_walk.h"

#include "gctap/target_pages.h"

#define GO_ARENA_BASE 0xc000000000ull
#define GO_ARENA_END  0xe000000000ull /* where the runtime looks for arenas first, on 64 bit */
#define DISTINGUISH   (PAGES_FILE | PAGES_HUGE | PAGES_ZERO)

/* ---- What a mapping is ------------------------------------------------------------------------ */

/* The first chunk that ends above the address. */
static size_t chunk_above(const struct heap_snapshot *heap, uint64_t address)
{
	size_t low = 0, high = heap->nr_chunks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (heap->chunks[middle].address + HEAP_CHUNK_BYTES <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool overlaps_heap(const struct ledger *ledger, const struct mapping *mapping)
{
	size_t chunk;

	if (!ledger->by_pages)
		return mapping->start >= GO_ARENA_BASE && mapping->end <= GO_ARENA_END;
	chunk = chunk_above(&ledger->heap, mapping->start);
	return chunk < ledger->heap.nr_chunks && ledger->heap.chunks[chunk].address < mapping->end;
}

bool memory_mapping_unnamed(const struct mapping *mapping)
{
	return mapping->kind == MAPPING_ANONYMOUS || mapping->kind == MAPPING_RESERVED;
}

enum ledger_class memory_mapping_class(const struct ledger *ledger, const struct mapping *mapping)
{
	switch (mapping->kind) {
	case MAPPING_GO:
		if (mapping->go_name == MAPPING_GO_OS_THREAD_STACK)
			return LEDGER_THREADS;
		return mapping->go_name == MAPPING_GO_HEAP || mapping->go_name == MAPPING_GO_HEAP_RESERVATION
			       ? LEDGER_HEAP
			       : LEDGER_METADATA;
	case MAPPING_EXE_DATA:
	case MAPPING_EXE_BSS: return LEDGER_GLOBALS;
	case MAPPING_EXE_TEXT:
	case MAPPING_EXE_RODATA:
	case MAPPING_LIBRARY:
	case MAPPING_LIBRARY_BSS:
	case MAPPING_FILE:
	case MAPPING_KERNEL: return LEDGER_FILES;
	case MAPPING_SHMEM:
	case MAPPING_HUGETLB_PAGES:
	case MAPPING_DEVICE: return LEDGER_SHARED;
	case MAPPING_BRK:
	case MAPPING_MALLOC:
	case MAPPING_MALLOC_ARENA: return LEDGER_C_HEAP;
	case MAPPING_STACK:
	case MAPPING_THREAD_STACK: return LEDGER_THREADS;
	case MAPPING_NAMED: return LEDGER_OTHER;
	default: return ledger->unnamed_class;
	}
}

bool memory_mapping_holds_heap(const struct ledger *ledger, const struct mapping *mapping)
{
	/* Where the heap is, a shape says nothing: 8 MiB of it above reserved address space look like a stack. */
	return overlaps_heap(ledger, mapping) &&
	       (memory_mapping_class(ledger, mapping) == LEDGER_HEAP || mapping->by_shape ||
		mapping->kind == MAPPING_ANONYMOUS || mapping->kind == MAPPING_RESERVED);
}

/* ---- Pages ------------------------------------------------------------------------------------ */

/* A walk over runs of the page tables, within a heap run or a mapping. */
struct walk {
	const struct memory_observer *observer;
	struct memory_run run;
	uint32_t not_resident; /* states of pages that are present, and in no Rss */
	uint64_t resident, huge;
};

static int take_pages(const struct pages_run *pages, void *context)
{
	struct walk *walk = context;
	struct memory_run *run = &walk->run;

	run->address = pages->start;
	run->bytes = pages->end - pages->start;
	run->resident = pages->state & PAGES_PRESENT && !(pages->state & walk->not_resident);
	run->huge = run->resident && pages->state & PAGES_HUGE;
	run->swapped = pages->state & PAGES_SWAPPED;
	if (run->resident)
		walk->resident += run->bytes;
	if (run->huge)
		walk->huge += run->bytes;
	return walk->observer ? walk->observer->run(run, walk->observer->context) : 0;
}

/* ---- Heap ------------------------------------------------------------------------------------- */

static enum ledger_class heap_class(const struct heap_run *run)
{
	switch (run->kind) {
	case HEAP_PAGE_IN_USE: return run->span ? LEDGER_LIVE : LEDGER_NEW;
	case HEAP_PAGE_STACK: return LEDGER_STACKS;
	case HEAP_PAGE_COLLECTOR: return LEDGER_COLLECTOR;
	case HEAP_PAGE_RESERVED:
	case HEAP_PAGE_FREE: return LEDGER_FREE;
	default: return LEDGER_RELEASED;
	}
}

/* The heap's runs and those of the page tables, side by side: a question to the kernel for each span would be slow. */
struct heap_walk {
	const struct heap_snapshot *heap;
	struct heap_cursor cursor;
	struct heap_run run;
	struct walk walk; /* of the run */
	const struct memory_observer *observer;
	memory_heap_callback callback;
	void *context;
};

static bool begin_run(struct heap_walk *walk)
{
	/* The zero page is in no Rss; the huge one shows as a page of a file. */
	walk->walk = (struct walk){ .observer = walk->observer, .not_resident = PAGES_ZERO | PAGES_FILE };
	if (!heap_next_run(walk->heap, &walk->cursor, &walk->run))
		return false;
	walk->walk.run = (struct memory_run){ .class = heap_class(&walk->run), .heap = &walk->run };
	return true;
}

static int take_heap_pages(const struct pages_run *pages, void *context)
{
	struct heap_walk *walk = context;
	struct pages_run part = *pages;
	int error = 0;

	while (!error && part.start < pages->end) {
		uint64_t run_end = walk->run.address + walk->run.pages * HEAP_PAGE_BYTES;

		part.end = pages->end < run_end ? pages->end : run_end;
		error = take_pages(&part, &walk->walk);
		part.start = part.end;
		if (part.end < run_end)
			break;
		walk->callback(&walk->run, walk->walk.resident, walk->walk.huge, walk->context);
		if (!begin_run(walk))
			break;
	}
	return error;
}

/* The end of the chunks that follow each other from this one on. */
static size_t stretch_end(const struct heap_snapshot *heap, size_t chunk)
{
	while (chunk + 1 < heap->nr_chunks &&
	       heap->chunks[chunk + 1].address == heap->chunks[chunk].address + HEAP_CHUNK_BYTES)
		chunk++;
	return chunk + 1;
}

int memory_walk_heap(const struct heap_snapshot *heap, int pagemap, memory_heap_callback callback, void *context,
		     const struct memory_observer *observer)
{
	struct heap_walk walk = { .heap = heap, .observer = observer, .callback = callback, .context = context };
	int error = 0;

	if (!begin_run(&walk))
		return 0;
	for (size_t first = 0, end; !error && first < heap->nr_chunks; first = end) {
		end = stretch_end(heap, first);
		error = target_pages_each(pagemap, heap->chunks[first].address,
					  heap->chunks[end - 1].address + HEAP_CHUNK_BYTES, DISTINGUISH,
					  take_heap_pages, &walk);
	}
	return error;
}

/* ---- Mappings --------------------------------------------------------------------------------- */

/* Nothing of it is in Rss; what the page tables show need not be asked. */
static bool nothing_there(const struct mapping *mapping)
{
	return (!mapping->memory.rss && !mapping->memory.swap) ||
	       mapping->flags & (MAPPING_PFN | MAPPING_IO | MAPPING_HUGETLB);
}

static int walk_part(struct walk *walk, int pagemap, uint64_t start, uint64_t end)
{
	const struct mapping *mapping = walk->run.mapping;
	struct pages_run absent = { .start = start, .end = end };

	if (start >= end)
		return 0;
	if (nothing_there(mapping))
		return take_pages(&absent, walk);
	return target_pages_each(pagemap, start, end, DISTINGUISH, take_pages, walk);
}

/* What is of the heap's mappings outside its chunks: the rest of an arena, of which nothing is in use. */
static int walk_beside_chunks(const struct heap_snapshot *heap, struct walk *walk, int pagemap)
{
	const struct mapping *mapping = walk->run.mapping;
	size_t chunk = chunk_above(heap, mapping->start);
	uint64_t address = mapping->start;
	int error = 0;

	for (; !error && chunk < heap->nr_chunks && heap->chunks[chunk].address < mapping->end; chunk++) {
		error = walk_part(walk, pagemap, address, heap->chunks[chunk].address);
		address = heap->chunks[chunk].address + HEAP_CHUNK_BYTES;
	}
	return error ? error : walk_part(walk, pagemap, address, mapping->end);
}

static int walk_mapping(const struct ledger *ledger, const struct mapping *mapping, int pagemap,
			const struct memory_observer *observer)
{
	bool private_anonymous = !mapping->inode && !(mapping->permissions & MAPPING_SHARED);
	struct walk walk = { .observer = observer,
			     .run = { .class = memory_mapping_class(ledger, mapping), .mapping = mapping },
			     .not_resident = PAGES_ZERO | (private_anonymous ? PAGES_FILE : 0) };

	if (!memory_mapping_holds_heap(ledger, mapping))
		return walk_part(&walk, pagemap, mapping->start, mapping->end);
	walk.run.class = ledger->by_pages ? LEDGER_RELEASED : LEDGER_HEAP;
	return walk_beside_chunks(&ledger->heap, &walk, pagemap);
}

int memory_walk_beside_heap(const struct ledger *ledger, const struct target_maps *maps, int pagemap,
			    uint64_t *resident, uint64_t *huge)
{
	int error = 0;

	for (size_t i = 0; !error && i < maps->nr; i++) {
		struct walk walk = { .run = { .mapping = &maps->mappings[i] },
				     .not_resident = PAGES_ZERO | PAGES_FILE };

		if (!memory_mapping_holds_heap(ledger, walk.run.mapping) || nothing_there(walk.run.mapping))
			continue;
		error = walk_beside_chunks(&ledger->heap, &walk, pagemap);
		*resident += walk.resident;
		*huge += walk.huge;
	}
	return error;
}

int memory_walk_mappings(const struct ledger *ledger, const struct target_maps *maps, int pagemap,
			 const struct memory_observer *observer)
{
	int error = 0;

	for (size_t i = 0; !error && i < maps->nr; i++)
		error = walk_mapping(ledger, &maps->mappings[i], pagemap, observer);
	return error;
}
