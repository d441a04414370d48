// SPDX-License-Identifier: BSD-2-Clause
/* A snapshot as its readers want it: run by run, and a span by what its bytes are. */
#include "gctap/heap.h"

static enum heap_page kind_of(const struct heap_chunk *chunk, unsigned page)
{
	bool allocated = chunk->allocated[page / 64] >> page % 64 & 1;
	bool scavenged = chunk->scavenged[page / 64] >> page % 64 & 1;

	if (allocated)
		return scavenged ? HEAP_PAGE_PADDING : HEAP_PAGE_RESERVED;
	return scavenged ? HEAP_PAGE_SCAVENGED : HEAP_PAGE_FREE;
}

static void skip_pages(const struct heap_snapshot *snapshot, struct heap_cursor *cursor, uint64_t pages)
{
	uint64_t page = cursor->page + pages;

	cursor->chunk += (size_t)(page / HEAP_CHUNK_PAGES);
	cursor->page = (unsigned)(page % HEAP_CHUNK_PAGES);
	if (cursor->chunk > snapshot->nr_chunks)
		cursor->chunk = snapshot->nr_chunks;
}

/* The pages of one kind from the cursor on, up to the end of the chunk or to the next span. */
static uint64_t count_pages(const struct heap_chunk *chunk, unsigned first, enum heap_page kind, uint64_t next_span)
{
	uint64_t base = chunk->address / HEAP_PAGE_BYTES;
	unsigned page = first + 1;

	while (page < HEAP_CHUNK_PAGES && base + page < next_span && kind_of(chunk, page) == kind)
		page++;
	return page - first;
}

static enum heap_page span_kind(const struct heap_span *span)
{
	if (!span->manual)
		return HEAP_PAGE_IN_USE;
	return span->stack ? HEAP_PAGE_STACK : HEAP_PAGE_COLLECTOR;
}

bool heap_next_run(const struct heap_snapshot *snapshot, struct heap_cursor *cursor, struct heap_run *run)
{
	const struct heap_span *span = cursor->span < snapshot->nr_spans ? &snapshot->spans[cursor->span] : NULL;
	const struct heap_chunk *chunk;
	uint64_t page;

	if (cursor->chunk >= snapshot->nr_chunks)
		return false;
	chunk = &snapshot->chunks[cursor->chunk];
	page = chunk->address / HEAP_PAGE_BYTES + cursor->page;
	*run = (struct heap_run){ .address = page * HEAP_PAGE_BYTES };
	if (span && span->page == page) {
		run->kind = span_kind(span);
		run->pages = span->pages;
		run->span = span;
		cursor->span++;
	} else {
		run->kind = kind_of(chunk, cursor->page);
		run->pages = count_pages(chunk, cursor->page, run->kind, span ? span->page : UINT64_MAX);
	}
	skip_pages(snapshot, cursor, run->pages);
	return true;
}

void heap_span_use(const struct heap_snapshot *snapshot, const struct heap_span *span, struct heap_span_use *use)
{
	uint64_t bytes = (uint64_t)span->pages * HEAP_PAGE_BYTES;
	uint64_t element = span->size_class ? snapshot->element_bytes[span->size_class] : bytes;
	uint64_t others = (uint64_t)(span->allocated - span->marked) * element;

	*use = (struct heap_span_use){ 0 };
	if (span->manual) {
		use->rest = bytes;
		return;
	}
	use->holes = (uint64_t)(span->elements - span->allocated) * element;
	use->rest = bytes - span->elements * element;
	if (!span->marked_known) {
		use->unknown = span->allocated * element;
		return;
	}
	use->live = span->marked * element;
	*(span->swept ? &use->since : &use->dead) = others;
}
