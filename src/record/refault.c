// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/refault.h"

#include <stdlib.h>

#define CHUNK_SHIFT 22 /* no range crosses a multiple of 4 MiB: all that overlap are in one bucket */
#define CHUNK	    (1ull << CHUNK_SHIFT)
#define BUCKETS	    4096u
#define NONE	    UINT32_MAX

const uint64_t refault_age_ns[REFAULT_AGES] = { 1000000000u, 10000000000u, 60000000000u };

struct range {
	uint64_t start, end, released_ns;
	uint32_t next_in_bucket;
	uint32_t previous, next; /* in the queue of its stage, by time */
	uint8_t stage;		 /* the age that it waits for */
};

struct queue {
	uint32_t first, last;
};

struct refault {
	struct refault_totals totals;
	struct queue queues[REFAULT_AGES];
	uint32_t free; /* list by next */
	uint32_t due;  /* NONE, or what is to be judged */
	uint32_t buckets[BUCKETS];
	struct range ranges[];
};

struct refault *refault_new(uint32_t ranges_max)
{
	struct refault *refault = calloc(1, sizeof(*refault) + ranges_max * sizeof(refault->ranges[0]));

	if (!refault)
		return NULL;
	for (uint32_t i = 0; i < ranges_max; i++)
		refault->ranges[i].next = i + 1 < ranges_max ? i + 1 : NONE;
	refault->free = ranges_max ? 0 : NONE;
	refault->due = NONE;
	for (unsigned i = 0; i < BUCKETS; i++)
		refault->buckets[i] = NONE;
	for (unsigned i = 0; i < REFAULT_AGES; i++)
		refault->queues[i] = (struct queue){ NONE, NONE };
	return refault;
}

void refault_free(struct refault *refault)
{
	free(refault);
}

static uint32_t *bucket_of(struct refault *refault, uint64_t address)
{
	return &refault->buckets[(address >> CHUNK_SHIFT) % BUCKETS];
}

/* Behind @before, or at the front when that is NONE. */
static void enqueue(struct refault *refault, uint32_t id, uint32_t before)
{
	struct range *range = &refault->ranges[id];
	struct queue *queue = &refault->queues[range->stage];

	range->previous = before;
	range->next = before == NONE ? queue->first : refault->ranges[before].next;
	if (before == NONE)
		queue->first = id;
	else
		refault->ranges[before].next = id;
	if (range->next == NONE)
		queue->last = id;
	else
		refault->ranges[range->next].previous = id;
}

static void dequeue(struct refault *refault, uint32_t id)
{
	struct range *range = &refault->ranges[id];
	struct queue *queue = &refault->queues[range->stage];

	if (range->previous == NONE)
		queue->first = range->next;
	else
		refault->ranges[range->previous].next = range->next;
	if (range->next == NONE)
		queue->last = range->previous;
	else
		refault->ranges[range->next].previous = range->previous;
}

/* A new range in its bucket, not in a queue yet; NONE when all are taken. */
static uint32_t take(struct refault *refault, uint64_t start, uint64_t end, uint64_t released_ns, uint8_t stage)
{
	uint32_t id = refault->free, *bucket = bucket_of(refault, start);

	if (id == NONE)
		return NONE;
	refault->free = refault->ranges[id].next;
	refault->ranges[id] = (struct range){
		.start = start, .end = end, .released_ns = released_ns, .stage = stage, .next_in_bucket = *bucket
	};
	*bucket = id;
	return id;
}

static void drop(struct refault *refault, uint32_t id)
{
	struct range *range = &refault->ranges[id];
	uint32_t *at = bucket_of(refault, range->start);

	dequeue(refault, id);
	while (*at != id)
		at = &refault->ranges[*at].next_in_bucket;
	*at = range->next_in_bucket;
	range->next = refault->free;
	refault->free = id;
}

static uint64_t overlap_of(const struct range *range, uint64_t start, uint64_t end)
{
	uint64_t from = range->start > start ? range->start : start, to = range->end < end ? range->end : end;

	return from < to ? to - from : 0;
}

/* Cuts [start, end) out of a range that overlaps with it; what is left keeps its age. */
static void cut(struct refault *refault, uint32_t id, uint64_t start, uint64_t end)
{
	struct range *range = &refault->ranges[id];

	if (range->start < start && range->end > end) {
		uint32_t rest = take(refault, end, range->end, range->released_ns, range->stage);

		if (rest == NONE) {
			refault->totals.released -= range->end - end;
			refault->totals.unwatched += range->end - end;
		} else {
			enqueue(refault, rest, id);
		}
		refault->ranges[id].end = start;
	} else if (range->start < start) {
		range->end = start;
	} else if (range->end > end) {
		range->start = end;
	} else {
		drop(refault, id);
	}
}

static uint64_t overlap_in_chunk(const struct refault *refault, uint32_t bucket, uint64_t start, uint64_t end)
{
	uint64_t overlap = 0;

	for (uint32_t id = bucket; id != NONE; id = refault->ranges[id].next_in_bucket)
		overlap += overlap_of(&refault->ranges[id], start, end);
	return overlap;
}

/* What was watched and is given back again: @back bytes of it had come back before all ages still open. */
static void give_back_again(struct refault *refault, uint64_t start, uint64_t end, uint64_t back)
{
	uint32_t id = *bucket_of(refault, start), next;

	for (; id != NONE; id = next) {
		struct range *range = &refault->ranges[id];
		uint64_t overlap = overlap_of(range, start, end), returned = overlap < back ? overlap : back;

		next = range->next_in_bucket;
		if (!overlap)
			continue;
		back -= returned;
		for (unsigned age = range->stage; age < REFAULT_AGES; age++) {
			refault->totals.judged[age] += overlap;
			refault->totals.returned[age] += returned;
		}
		cut(refault, id, start, end);
	}
}

static void release_in_chunk(struct refault *refault, uint64_t start, uint64_t end, uint64_t now_ns)
{
	uint32_t id = take(refault, start, end, now_ns, 0);

	if (id == NONE) {
		refault->totals.unwatched += end - start;
		return;
	}
	enqueue(refault, id, refault->queues[0].last);
	refault->totals.released += end - start;
}

void refault_release(struct refault *refault, uint64_t address, uint64_t bytes, uint64_t freed_bytes, uint64_t now_ns)
{
	uint64_t end = address + bytes, next, fresh = bytes;

	if (end < address)
		return;
	for (uint64_t at = address; at < end; at = next) {
		next = (at | (CHUNK - 1)) + 1;
		if (next > end || next < at)
			next = end;
		fresh -= overlap_in_chunk(refault, *bucket_of(refault, at), at, next);
	}
	/* What was not watched is taken to have been there: so much of what was freed says nothing. */
	freed_bytes = freed_bytes > fresh ? freed_bytes - fresh : 0;
	for (uint64_t at = address; at < end; at = next) {
		uint64_t overlap;

		next = (at | (CHUNK - 1)) + 1;
		if (next > end || next < at)
			next = end;
		overlap = overlap_in_chunk(refault, *bucket_of(refault, at), at, next);
		give_back_again(refault, at, next, freed_bytes < overlap ? freed_bytes : overlap);
		freed_bytes -= freed_bytes < overlap ? freed_bytes : overlap;
		release_in_chunk(refault, at, next, now_ns);
	}
}

void refault_unwatched(struct refault *refault, uint64_t bytes)
{
	refault->totals.unwatched += bytes;
}

bool refault_due(struct refault *refault, uint64_t now_ns, struct refault_range *range)
{
	for (unsigned age = REFAULT_AGES; age-- > 0;) {
		uint32_t id = refault->queues[age].first;
		const struct range *first = &refault->ranges[id];

		if (id == NONE || now_ns - first->released_ns < refault_age_ns[age] || now_ns < first->released_ns)
			continue;
		refault->due = id;
		*range = (struct refault_range){ first->start, first->end - first->start };
		return true;
	}
	return false;
}

void refault_judge(struct refault *refault, uint64_t present_bytes)
{
	struct range *range = &refault->ranges[refault->due];
	uint64_t bytes = range->end - range->start;

	refault->totals.judged[range->stage] += bytes;
	refault->totals.returned[range->stage] += present_bytes < bytes ? present_bytes : bytes;
	if (range->stage == REFAULT_AGES - 1) {
		drop(refault, refault->due);
		return;
	}
	dequeue(refault, refault->due);
	range->stage++;
	enqueue(refault, refault->due, refault->queues[range->stage].last);
}

const struct refault_totals *refault_totals(const struct refault *refault)
{
	return &refault->totals;
}
