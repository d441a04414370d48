// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/clock.h"
#include "gctap/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gctap/memory_walk.h"
#include "gctap/target_pages.h"

#define ATTEMPTS_MAX 4u
#define PAUSE_NS     30000000	  /* for each attempt in which the heap was being changed */
#define TABLES_MIN   (8ull << 20) /* of the runtime, however small its heap is; in huge pages */
#define MOVED_SHARE  200u	  /* an attempt is good when Rss moved by less than a 200th meanwhile */

static const struct {
	const char *name, *phrase;
} classes[LEDGER_CLASSES] = {
	[LEDGER_LIVE] = { "live", "live at the last mark" },
	[LEDGER_NEW] = { "new", "allocated since, or dead and not yet swept" },
	[LEDGER_HOLES] = { "holes", "holes in spans in use" },
	[LEDGER_HEAP] = { "heap", "heap" },
	[LEDGER_FREE] = { "free", "free, kept by the runtime" },
	[LEDGER_RELEASED] = { "released", "released, and resident all the same" },
	[LEDGER_STACKS] = { "stacks", "goroutine stacks" },
	[LEDGER_COLLECTOR] = { "collector", "work buffers of the collector" },
	[LEDGER_METADATA] = { "metadata", "runtime metadata" },
	[LEDGER_GLOBALS] = { "globals", "the program's variables" },
	[LEDGER_FILES] = { "files", "files: text, libraries, mapped data" },
	[LEDGER_THREADS] = { "threads", "stacks of threads" },
	[LEDGER_C_HEAP] = { "c_heap", "C heap (malloc)" },
	[LEDGER_SHARED] = { "shared", "shared memory, devices" },
	[LEDGER_OTHER] = { "other", "anonymous memory of no known owner" },
	[LEDGER_REMAINDER] = { "remainder", "not accounted for" },
};

const char *ledger_class_name(enum ledger_class class)
{
	return classes[class].name;
}

const char *ledger_class_phrase(enum ledger_class class)
{
	return classes[class].phrase;
}

static uint64_t known(uint64_t value)
{
	return value == VALUE_UNKNOWN ? 0 : value;
}

/* ---- Pages of the heap ------------------------------------------------------------------------ */

/* What is resident of a span, as the span is made up: no telling which of its pages are not there. */
static void add_span(struct ledger *ledger, const struct heap_run *run, uint64_t resident)
{
	uint64_t span_bytes = (uint64_t)run->span->pages * HEAP_PAGE_BYTES, live, fresh;
	struct heap_span_use use;

	heap_span_use(&ledger->heap, run->span, &use);
	live = (uint64_t)((double)use.live * (double)resident / (double)span_bytes);
	fresh = (uint64_t)((double)(use.since + use.dead + use.unknown) * (double)resident / (double)span_bytes);
	ledger->bytes[LEDGER_LIVE] += (int64_t)live;
	ledger->bytes[LEDGER_NEW] += (int64_t)fresh;
	ledger->bytes[LEDGER_HOLES] += (int64_t)(resident - live - fresh);
}

static void add_run(struct ledger *ledger, const struct heap_run *run, uint64_t resident, uint64_t huge)
{
	switch (run->kind) {
	case HEAP_PAGE_IN_USE:
		if (run->span)
			add_span(ledger, run, resident);
		else
			ledger->bytes[LEDGER_NEW] += (int64_t)resident;
		break;
	case HEAP_PAGE_STACK: ledger->bytes[LEDGER_STACKS] += (int64_t)resident; break;
	case HEAP_PAGE_COLLECTOR: ledger->bytes[LEDGER_COLLECTOR] += (int64_t)resident; break;
	case HEAP_PAGE_RESERVED:
	case HEAP_PAGE_FREE: ledger->bytes[LEDGER_FREE] += (int64_t)resident; break;
	default: ledger->bytes[LEDGER_RELEASED] += (int64_t)resident; ledger->released_huge += huge;
	}
}

/* What is there of the heap's chunks. */
struct heap_sum {
	struct ledger *ledger;
	uint64_t resident, huge;
};

static void take_heap_run(const struct heap_run *run, uint64_t resident, uint64_t huge, void *context)
{
	struct heap_sum *sum = context;

	add_run(sum->ledger, run, resident, huge);
	sum->resident += resident;
	sum->huge += huge;
}

/* ---- Mappings --------------------------------------------------------------------------------- */

static void add_mapping(struct ledger *ledger, const struct mapping *mapping, uint64_t *heap_rss)
{
	uint64_t rss = known(mapping->memory.rss);
	enum ledger_class class = memory_mapping_class(ledger, mapping);

	if (memory_mapping_holds_heap(ledger, mapping)) {
		*heap_rss += rss;
		ledger->heap_huge += known(mapping->memory.anonymous_huge);
		ledger->heap_lazy_free += known(mapping->memory.lazy_free);
		ledger->reserved += mapping->end - mapping->start - rss;
		return;
	}
	if (memory_mapping_unnamed(mapping))
		ledger->unnamed += rss;
	else
		ledger->bytes[class] += (int64_t)rss;
	if (class != LEDGER_FILES)
		return;
	ledger->file_clean += known(mapping->memory.shared_clean) + known(mapping->memory.private_clean);
	if (mapping->kind == MAPPING_FILE)
		ledger->data_files += rss;
}

static void add_mappings(struct ledger *ledger, const struct target_maps *maps, uint64_t *heap_rss)
{
	for (size_t i = 0; i < maps->nr; i++)
		add_mapping(ledger, &maps->mappings[i], heap_rss);
	ledger->rss = known(maps->total.rss);
	ledger->swapped = maps->total.swap;
	ledger->lazy_free = maps->total.lazy_free;
	ledger->huge = maps->total.anonymous_huge;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * Go 1.18 and older: for 64 MiB of heap 2 MiB of bits, for 8 KiB at most a span of 160 bytes, and two more bits an
 * object, which makes a twelfth where all objects are small.
 */
uint64_t ledger_tables_most(const struct heap_snapshot *heap)
{
	const struct heap_counters *counters = &heap->counters;

	if (!counters->mapped_ready.known)
		return heap->nr_chunks * HEAP_CHUNK_BYTES / 12 + TABLES_MIN;
	return less(less(less(counters->mapped_ready.value, counters->in_use), counters->free), heap->bytes.manual);
}

/* What a program maps itself looks the same: what the runtime's tables cannot be is not theirs. */
static void divide_unnamed(struct ledger *ledger)
{
	uint64_t runtime = ledger->cgo_or_unknown ? 0 : ledger->unnamed;

	if (ledger->by_pages) {
		uint64_t most = less(ledger_tables_most(&ledger->heap), (uint64_t)ledger->bytes[LEDGER_METADATA]);

		runtime = ledger->unnamed < most ? ledger->unnamed : most;
	}
	ledger->bytes[LEDGER_METADATA] += (int64_t)runtime;
	ledger->bytes[LEDGER_OTHER] += (int64_t)(ledger->unnamed - runtime);
	ledger->unnamed_class = runtime * 2 >= ledger->unnamed ? LEDGER_METADATA : LEDGER_OTHER;
}

/* Libraries, or a heap by brk: C is there, also where the binary's functions do not show it. */
static bool maps_show_c(const struct target_maps *maps)
{
	for (size_t i = 0; i < maps->nr; i++)
		if (maps->mappings[i].kind == MAPPING_LIBRARY || maps->mappings[i].kind == MAPPING_BRK)
			return true;
	return false;
}

/* ---- One attempt ------------------------------------------------------------------------------ */

static void start(struct ledger *ledger, const struct ledger_source *source)
{
	struct heap_snapshot heap = ledger->heap;
	unsigned attempts = ledger->attempts;

	memset(ledger, 0, sizeof(*ledger));
	ledger->heap = heap;
	ledger->attempts = attempts + 1;
	ledger->cgo_or_unknown = source->cgo;
}

static void read_heap(struct ledger *ledger, const struct ledger_source *source)
{
	if (!source->heap) {
		ledger->coarse = *source->why;
		return;
	}
	ledger->by_pages = !heap_read(source->heap, &ledger->heap, &ledger->coarse);
}

uint64_t ledger_huge_least(uint64_t huge, uint64_t resident, uint64_t released)
{
	return less(huge, less(resident, released));
}

/* Huge pages that were met nowhere: the kernel does not tell them page by page. */
static void divide_huge(struct ledger *ledger, uint64_t heap_rss, uint64_t met)
{
	int64_t released = ledger->bytes[LEDGER_RELEASED];

	if (met || !ledger->heap_huge)
		return;
	ledger->released_huge_least = true;
	ledger->released_huge = ledger_huge_least(ledger->heap_huge, heap_rss, released > 0 ? (uint64_t)released : 0);
}

/* The classes of what is mapped; with an observer, page by page as well. */
static int add_pages(struct ledger *ledger, const struct target_maps *maps, int pagemap,
		     const struct memory_observer *observer)
{
	struct heap_sum sum = { .ledger = ledger };
	uint64_t heap_rss = 0, beside = 0, huge = 0;
	int error = 0;

	if (observer)
		observer->begin(&ledger->heap, observer->context);
	add_mappings(ledger, maps, &heap_rss);
	divide_unnamed(ledger);
	if (ledger->by_pages) {
		error = memory_walk_heap(&ledger->heap, pagemap, take_heap_run, &sum, observer);
		if (!error)
			error = memory_walk_beside_heap(ledger, maps, pagemap, &beside, &huge);
		/* Never used by the runtime: for it, the kernel has it still. */
		ledger->bytes[LEDGER_RELEASED] += (int64_t)beside;
		sum.huge += huge;
		ledger->released_huge += huge;
		divide_huge(ledger, heap_rss, sum.huge);
		ledger->bytes[LEDGER_REMAINDER] = (int64_t)(heap_rss - sum.resident - beside);
	} else {
		ledger->bytes[LEDGER_HEAP] += (int64_t)heap_rss;
	}
	return error || !observer ? error : memory_walk_mappings(ledger, maps, pagemap, observer);
}

static int attempt(const struct ledger_source *source, struct ledger *ledger)
{
	struct target_statm before = { 0 }, after = { 0 };
	struct target_maps *maps = NULL;
	uint64_t begun = clock_ns(CLOCK_MONOTONIC);
	int error, pagemap = target_pagemap_open(source->target->pid);

	if (pagemap < 0)
		return pagemap;
	start(ledger, source);
	error = target_statm(source->target->pid, &before);
	read_heap(ledger, source);
	if (!error)
		error = target_maps_read(source->target, TARGET_MAPS_MEMORY, &maps);
	if (!error) {
		ledger->cgo_or_unknown |= maps_show_c(maps);
		error = add_pages(ledger, maps, pagemap, source->observer);
		target_maps_free(maps);
	}
	if (!error)
		error = target_statm(source->target->pid, &after);
	if (!error)
		ledger->moved = after.resident > before.resident ? after.resident - before.resident
								 : before.resident - after.resident;
	close(pagemap);
	ledger->nanoseconds = clock_ns(CLOCK_MONOTONIC) - begun;
	return error;
}

static bool good_enough(const struct ledger_source *source, const struct ledger *ledger)
{
	int64_t remainder = ledger->bytes[LEDGER_REMAINDER];

	return ledger->by_pages == !!source->heap && ledger->moved <= ledger->rss / MOVED_SHARE &&
	       (uint64_t)(remainder < 0 ? -remainder : remainder) <= ledger->rss / MOVED_SHARE;
}

/* A thread that was interrupted while it changed the heap needs a processor to go on. */
static void pause_before(unsigned attempt)
{
	struct timespec pause = { .tv_nsec = (long)attempt * PAUSE_NS };

	nanosleep(&pause, NULL);
}

int ledger_take(const struct ledger_source *source, struct ledger *ledger, struct failure *failure)
{
	int error;

	ledger->attempts = 0;
	do {
		if (ledger->attempts && source->heap && !ledger->by_pages)
			pause_before(ledger->attempts);
		error = attempt(source, ledger);
	} while (!error && !good_enough(source, ledger) && ledger->attempts < ATTEMPTS_MAX);
	if (error == -EACCES || error == -EPERM)
		return failure_set(failure, error,
				   "not permitted to read the page tables of process %d, which is another user's: "
				   "CAP_DAC_READ_SEARCH is missing (run as root, or grant it)",
				   source->target->pid);
	if (error == -ESRCH || error == -ENOENT)
		return failure_set(failure, -ESRCH, "process %d has ended", source->target->pid);
	return error ? failure_set(failure, error, "cannot read the memory of process %d: %s", source->target->pid,
				   strerror(-error))
		     : 0;
}

void ledger_clear(struct ledger *ledger)
{
	heap_snapshot_clear(&ledger->heap);
}
