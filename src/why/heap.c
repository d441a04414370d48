// SPDX-License-Identifier: BSD-2-Clause
/* The life of a heap: which layout, reading until the parts agree, and what no heap can be. */
#include "gctap/clock.h"
#include "gctap/heap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap_internal.h"

#define ATTEMPTS_MAX	  5u
#define READING_NS	  500000000u  /* no further attempt behind this */
#define DEADLINE_NS	  5000000000u /* a reading that takes longer is given up */
#define AGREES_SHIFT	  10	      /* a difference below this part of the heap needs no third attempt */
#define AMISS_SHIFT	  6	      /* no heap has more than this part of spans that make no sense, and some */
#define AMISS_SPANS	  8u
#define EXPERIMENT_INLINE "greenteagc"

/* No heap is further off than a part of its size, and some bytes. */
struct slack {
	unsigned shift;
	uint64_t bytes;
};

/* By whether the counters moved while it was read, and whether the layout is the table's for the version. */
static const struct slack slacks[2][2] = {
	{ { 8, 1u << 20 }, { 6, 2u << 20 } },
	{ { 3, 4u << 20 }, { 1, 16u << 20 } },
};

/* ---- How well the parts agree ---- */

static uint64_t outside(uint64_t value, uint64_t a, uint64_t b)
{
	uint64_t low = a < b ? a : b, high = a < b ? b : a;

	return value < low ? low - value : value > high ? value - high : 0;
}

/* What a reading shows besides the snapshot. */
struct evidence {
	struct span_count spans;
	bool at_rest; /* no counter moved while it was read */
};

/* Counters before the bits were read, behind them, and behind the spans. */
struct counts {
	struct heap_counters before, between, after;
};

static void compare(const struct heap *heap, const struct counts *counts, struct heap_snapshot *snapshot)
{
	const struct heap_counters *before = &counts->before, *between = &counts->between, *after = &counts->after;
	const struct heap_bytes *bytes = &snapshot->bytes;
	struct heap_difference *difference = &snapshot->difference;
	uint64_t extra = heap->layout->released_with_arena ? snapshot->arena_left : 0;
	uint64_t idle_before = before->free + before->released, idle_between = between->free + between->released;
	uint64_t low = before->free < between->free ? before->free : between->free;
	uint64_t high = before->free < between->free ? between->free : before->free;

	/* Of what Ps hold in reserve, the runtime counts as free what was not given back. */
	difference->free = bytes->free > high			 ? bytes->free - high
			   : bytes->free + bytes->reserved < low ? low - bytes->free - bytes->reserved
								 : 0;
	difference->in_use = outside(bytes->in_use, between->in_use, after->in_use);
	difference->idle = outside(bytes->free + bytes->scavenged + bytes->reserved + bytes->padding + extra,
				   idle_before, idle_between);
	snapshot->counters = *between;
}

static bool at_rest(const struct counts *counts)
{
	const struct heap_counters *before = &counts->before, *after = &counts->after;

	return before->in_use == after->in_use && before->free == after->free && before->released == after->released;
}

static uint64_t total(const struct heap_bytes *bytes)
{
	return bytes->in_use + bytes->manual + bytes->reserved + bytes->padding + bytes->free + bytes->scavenged;
}

static uint64_t largest(const struct heap_difference *difference)
{
	uint64_t worst = difference->free > difference->in_use ? difference->free : difference->in_use;

	return worst > difference->idle ? worst : difference->idle;
}

static bool good_enough(const struct heap_snapshot *snapshot)
{
	uint64_t off = largest(&snapshot->difference);

	if (snapshot->sweep_began)
		return false;
	return !off || (snapshot->attempts > 1 && off <= total(&snapshot->bytes) >> AGREES_SHIFT);
}

/* What is further off than a running program moves within one reading is no heap of this layout. */
static int judge(const struct heap *heap, const struct heap_snapshot *snapshot, const struct evidence *evidence,
		 struct failure *failure)
{
	const struct slack *slack = &slacks[!evidence->at_rest][heap->listed];
	const struct span_count *spans = &evidence->spans;
	uint64_t size = total(&snapshot->bytes), off = largest(&snapshot->difference);

	if (spans->amiss > (spans->looked_at >> AMISS_SHIFT) + (heap->listed ? AMISS_SPANS : 0))
		return failure_set(failure, -EBADMSG,
				   "%" PRIu64 " of %" PRIu64 " spans contradict themselves: not the heap of Go %s",
				   spans->amiss, spans->looked_at, heap->name);
	if (off > (size >> slack->shift) + slack->bytes)
		return failure_set(failure, -EBADMSG,
				   "pages, spans and counters differ by %" PRIu64 " of %" PRIu64
				   " bytes: not the heap of Go %s",
				   off, size, heap->name);
	if (snapshot->counters.in_use && !snapshot->bytes.in_use)
		return failure_set(failure, -EBADMSG, "no page of the heap leads to a span: not the heap of Go %s",
				   heap->name);
	return 0;
}

/* ---- Reading ---- */

static int check_sweep(struct heap *heap, const struct heap_header *header, struct heap_snapshot *snapshot,
		       struct failure *failure)
{
	uint32_t sweepgen;
	int error = heap_read_at(heap, heap->mheap + heap->layout->sweepgen, &sweepgen, sizeof(sweepgen));

	if (error)
		return failure_set(failure, error, "cannot read runtime.mheap_: %s", strerror(-error));
	snapshot->sweep_began = sweepgen != header->sweepgen;
	return 0;
}

static int read_once(struct heap *heap, struct heap_snapshot *snapshot, struct evidence *evidence,
		     struct failure *failure)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct heap_header header;
	struct counts counts;
	int error = heap_counters_read(heap, &counts.before, failure);

	*evidence = (struct evidence){ 0 };
	snapshot->bytes = (struct heap_bytes){ 0 };
	if (!error)
		error = heap_header_read(heap, &header, failure);
	if (!error)
		error = heap_pages_read(heap, &header, snapshot, failure);
	if (!error)
		error = heap_counters_read(heap, &counts.between, failure);
	if (!error)
		error = heap_spans_read(heap, &header, snapshot, start + DEADLINE_NS, &evidence->spans, failure);
	if (!error)
		error = heap_counters_read(heap, &counts.after, failure);
	if (!error)
		error = check_sweep(heap, &header, snapshot, failure);
	if (error)
		return error;
	snapshot->arena_left = header.current_arena[1] - header.current_arena[0];
	snapshot->spans_amiss = (uint32_t)evidence->spans.amiss;
	snapshot->nanoseconds = clock_ns(CLOCK_MONOTONIC) - start;
	evidence->at_rest = at_rest(&counts);
	compare(heap, &counts, snapshot);
	return 0;
}

/* A reading in which the heap was being rebuilt fails, and the next one may not. */
static int read_until_it_agrees(struct heap *heap, struct heap_snapshot *snapshot, struct evidence *evidence,
				struct failure *failure)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + READING_NS;
	int error;

	snapshot->attempts = 0;
	do {
		snapshot->attempts++;
		error = read_once(heap, snapshot, evidence, failure);
		if (error && error != -EFAULT && error != -EBADMSG)
			return error;
	} while ((error || !good_enough(snapshot)) && snapshot->attempts < ATTEMPTS_MAX &&
		 clock_ns(CLOCK_MONOTONIC) < end);
	return error;
}

static int read_and_judge(struct heap *heap, struct heap_snapshot *snapshot, struct failure *failure)
{
	struct evidence evidence;
	int error = read_until_it_agrees(heap, snapshot, &evidence, failure);

	if (!error)
		error = judge(heap, snapshot, &evidence, failure);
	if (error)
		heap_snapshot_clear(snapshot);
	return error;
}

void heap_snapshot_clear(struct heap_snapshot *snapshot)
{
	free(snapshot->chunks);
	free(snapshot->spans);
	memset(snapshot, 0, sizeof(*snapshot));
}

/* ---- The layout ---- */

/* "go1.27.4 X:nogreenteagc": 27; -1 for what does not look like this. */
static int minor_version(const char *version)
{
	int minor;

	return sscanf(version, "go1.%4d", &minor) == 1 && minor >= 0 ? minor : -1;
}

/* An experiment is switched off by a "no" in front of its name. */
static bool has_inline_marks(const struct heap *heap)
{
	const char *experiment = strstr(heap->version, EXPERIMENT_INLINE);

	if (!experiment)
		return heap->layout->inline_marks;
	return experiment - heap->version < 2 || strncmp(experiment - 2, "no", 2) != 0;
}

static int use_layout(struct heap *heap, const struct heap_layout *layout, struct failure *failure)
{
	heap->layout = layout;
	heap->mheap = heap->options.lock - layout->lock;
	heap->inline_marks = has_inline_marks(heap);
	if (layout->first == layout->last)
		snprintf(heap->name, sizeof(heap->name), "1.%u", layout->first);
	else
		snprintf(heap->name, sizeof(heap->name), "1.%u - 1.%u", layout->first, layout->last);
	heap->nr_leaves = 0;
	return heap_counters_find(heap, failure);
}

/* Once, where the executable has DWARF of the runtime. */
static int use_dwarf(struct heap *heap, struct failure *failure)
{
	int error;

	if (!heap->options.has_file || heap->dwarf_tried)
		return failure_set(failure, -ENOENT, "there is no DWARF to ask");
	heap->dwarf_tried = true;
	error = heap_layout_by_dwarf(heap->options.file, heap->options.lock - heap->options.bias, &heap->by_dwarf,
				     failure);
	if (!error)
		error = use_layout(heap, &heap->by_dwarf, failure);
	if (!error)
		snprintf(heap->name, sizeof(heap->name), "DWARF");
	return error;
}

/* A runtime that somebody has changed can contradict the table of its version. */
int heap_read(struct heap *heap, struct heap_snapshot *snapshot, struct failure *failure)
{
	int error = read_and_judge(heap, snapshot, failure);
	struct failure reason = { "" };

	if (error != -EBADMSG || !heap->listed || use_dwarf(heap, &reason))
		return error;
	heap->listed = false;
	return read_and_judge(heap, snapshot, failure);
}

static int try_layout(struct heap *heap, const struct heap_layout *layout, struct failure *failure)
{
	struct heap_snapshot snapshot = { 0 };
	int error = use_layout(heap, layout, failure);

	if (!error)
		error = read_and_judge(heap, &snapshot, failure);
	heap_snapshot_clear(&snapshot);
	return error;
}

static bool is_for(const struct heap_layout *layout, int minor)
{
	return minor >= (int)layout->first && minor <= (int)layout->last;
}

/* One layout after the other, those for this version first or only the others; -ENOTSUP: none fits. */
static int try_layouts(struct heap *heap, const struct heap_layout *layouts, size_t count, bool matching,
		       struct failure *failure)
{
	int minor = minor_version(heap->version), error = -ENOTSUP;

	/* What is not in a table is most likely newer than it. */
	for (size_t i = count; i-- && error && error != -ESRCH && error != -EPERM;) {
		struct failure reason = { "" };

		if (is_for(&layouts[i], minor) != matching)
			continue;
		error = try_layout(heap, &layouts[i], &reason);
		/* The first is the one that is most likely right. */
		if (error && !failure->text[0])
			*failure = reason;
	}
	return error;
}

static int find_layout(struct heap *heap, struct failure *failure)
{
	struct failure reason = { "" }, no_dwarf = { "" };
	int error;

	for (size_t i = 0; i < heap_layouts_count; i++) {
		if (is_for(&heap_layouts[i], minor_version(heap->version))) {
			heap->listed = true;
			return use_layout(heap, &heap_layouts[i], failure);
		}
	}
	if (!use_dwarf(heap, &no_dwarf))
		return 0;
	error = try_layouts(heap, heap_layouts_found, heap_layouts_found_count, true, &reason);
	if (error && error != -ESRCH && error != -EPERM)
		error = try_layouts(heap, heap_layouts, heap_layouts_count, false, &reason);
	if (error && error != -ESRCH && error != -EPERM)
		error = try_layouts(heap, heap_layouts_found, heap_layouts_found_count, false, &reason);
	if (error == -ESRCH || error == -EPERM)
		return failure_set(failure, error, "%s", reason.text);
	if (error)
		return failure_set(failure, -ENOTSUP, "where the heap of %s keeps its pages is not known (%.300s)",
				   heap->version, reason.text);
	return 0;
}

const char *heap_layout_name(const struct heap *heap, bool *listed)
{
	if (listed)
		*listed = heap->listed;
	return heap->name;
}

int heap_open_with(const struct heap_options *options, struct heap **out, struct failure *failure)
{
	struct heap *heap = calloc(1, sizeof(*heap));
	int error;

	if (!heap)
		return failure_set(failure, -ENOMEM, NOT_ENOUGH_MEMORY);
	heap->options = *options;
	snprintf(heap->version, sizeof(heap->version), "%s", options->version);
	heap->options.version = heap->version;
	error = find_layout(heap, failure);
	if (error) {
		heap_free(heap);
		return error;
	}
	*out = heap;
	return 0;
}

void heap_free(struct heap *heap)
{
	if (!heap)
		return;
	gather_free(&heap->spans);
	gather_free(&heap->marks);
	span_walk_free(heap->walk);
	free(heap);
}
