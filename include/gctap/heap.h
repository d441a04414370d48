/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap: the Go runtime's own map of its heap, read from a live process: for every page whether it is
 * allocated, free, or given back; which span it belongs to; what the last mark phase found in that span.
 * Reads only, never stops the process. What is read moves meanwhile: the snapshot says how well its parts
 * agree. Knows no page tables, and draws no conclusion.
 *
 * The process is hostile: counts, pointers and the time are bounded, and what contradicts itself is refused.
 */
#ifndef GCTAP_HEAP_H
#define GCTAP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"
#include "gctap/gobin.h"
#include "gctap/recipe.h"
#include "gctap/target_memory.h"

#define HEAP_PAGE_BYTES	  8192u /* the runtime's page, on every architecture */
#define HEAP_CHUNK_PAGES  512u
#define HEAP_CHUNK_BYTES  ((uint64_t)HEAP_CHUNK_PAGES * HEAP_PAGE_BYTES) /* 4 MiB */
#define HEAP_CHUNKS_MAX	  (256u << 10)					 /* 1 TiB of heap */
#define HEAP_SPANS_MAX	  (16u << 20)
#define HEAP_SIZE_CLASSES 128u

struct heap;

/*
 * Finds the heap in a process: from the recipes of its binary come the address of runtime.mheap_ and the
 * counters, from a table by Go version the places of fields. @bias: what position independence added to
 * the file's addresses. target, gobin and recipes stay the caller's and must outlive the heap.
 * Where the version is not in the table, or the process contradicts it, the executable's DWARF is asked.
 * -ENOTSUP: the recipes or the version do not tell enough. For a version that is not in the table, the
 * layouts of others are tried on the process, and one is taken only when all that it leads to agrees.
 */
int heap_open(const struct target *target, struct gobin *gobin, uint64_t bias, const struct scavenge_recipes *recipes,
	      struct heap **out, struct failure *failure);

/* The same from parts, for tests. Addresses are of the process; 0: not known. */
struct heap_options {
	const char *version; /* "go1.27.4" */
	uint64_t lock;	     /* held while a sweep is reported: at or in runtime.mheap_ */
	const struct recipe *sweep;
	uint64_t bias; /* added to the addresses in @sweep */
	struct recipe_limit limit;
	uint64_t percent_goal;
	memory_reader read;
	void *context;
	bool has_file; /* the executable's: it may have DWARF */
	int file;
};
int heap_open_with(const struct heap_options *options, struct heap **out, struct failure *failure);
void heap_free(struct heap *heap);

/* By which versions' layout the heap is read, "1.22 - 1.24"; listed: it is the table's for this version. */
const char *heap_layout_name(const struct heap *heap, bool *listed);

/* 4 MiB of address space. Page i is bit i % 64 of word i / 64. */
struct heap_chunk {
	uint64_t address;
	uint64_t allocated[HEAP_CHUNK_PAGES / 64];
	uint64_t scavenged[HEAP_CHUNK_PAGES / 64];
};

/* Pages that are in one hand. 16 bytes, since there may be one for every 8 KiB. */
struct heap_span {
	uint64_t page : 36; /* address / HEAP_PAGE_BYTES */
	uint64_t pages : 28;
	uint64_t elements : 16;	 /* slots for objects; 0 for a manual span */
	uint64_t allocated : 16; /* slots that hold an object, as the runtime counts them */
	/*
	 * Objects that the last completed mark phase found live. In a span that was swept since, the others
	 * among the allocated ones were allocated since. In one that was not swept yet, they are dead.
	 */
	uint64_t marked : 16;
	uint64_t size_class : 7; /* 0: one object has the span for itself */
	uint64_t pointers : 1;	 /* its objects may hold pointers */
	uint64_t manual : 1;	 /* stacks and the runtime's own, not of the garbage-collected heap */
	uint64_t swept : 1;
	uint64_t marked_known : 1; /* else the span is being swept, or its mark bits could not be read */
	uint64_t cached : 1;	   /* a P allocates from it */
	uint64_t stack : 1;	   /* of goroutines; else a manual span is the collector's: work buffers */
};

struct heap_number {
	bool known;
	uint64_t value;
};

/* What the runtime counts, bytes. */
struct heap_counters {
	uint64_t in_use, free, released; /* MemStats' HeapInuse, HeapIdle - HeapReleased, HeapReleased */
	struct heap_number live;	 /* objects: live at the last mark and allocated since; an estimate */
	struct heap_number memory_limit; /* the largest int64 when unset */
	struct heap_number mapped_ready; /* what is compared with it */
	struct heap_number percent_goal; /* the goal that GOGC alone sets */
	struct heap_number gc_percent;	 /* GOGC; int32 as uint64: -1 when off */
};

/* With GOGC off there is none: the runtime has the largest number there. */
static inline bool heap_goal_known(const struct heap_counters *counters)
{
	return counters->percent_goal.known && counters->percent_goal.value <= INT64_MAX;
}

/* How far the heap may grow: as GOGC alone says, or less, where there is a memory limit below that. */
struct heap_goal {
	uint64_t bytes; /* 0: not known */
	bool limited;	/* by the memory limit, of which other memory takes its part: at most that many bytes */
};
bool heap_gogc_off(const struct heap_counters *counters);
bool heap_limit_set(const struct heap_counters *counters);
struct heap_goal heap_goal_of(const struct heap_counters *counters);

/* Of all pages, by the bits; bytes. They add up to the heap's chunks. */
struct heap_bytes {
	uint64_t in_use, manual; /* pages of spans */
	/*
	 * Allocated, and in no span: pages that Ps hold in reserve (free or given back, as the runtime counts),
	 * or that were changing hands.
	 */
	uint64_t reserved;
	uint64_t padding;   /* Go 1.26: left out in front, to make addresses random; counted as given back */
	uint64_t free;	    /* neither allocated nor scavenged */
	uint64_t scavenged; /* given back to the kernel */
};

/*
 * How far bits, spans and counters disagree, bytes beyond what they moved by while they were read. All 0 on
 * a program that is at rest.
 */
struct heap_difference {
	uint64_t free;	 /* free pages and the counter of free memory, which includes some of reserved */
	uint64_t in_use; /* spans in use and the counter of memory in use */
	uint64_t idle;	 /* free, scavenged, reserved, padding; and what the counters say is free or released */
};

/*
 * One reading. Owned by the caller, who zeroes it first and hands it to heap_read as often as he likes.
 * Memory: 136 bytes a chunk and 16 a span, so at most 16.3 bytes for 8 KiB of heap (42 MiB for 20 GiB), and
 * some 10 MiB more while it is read.
 */
struct heap_snapshot {
	struct heap_chunk *chunks; /* by ascending address */
	size_t nr_chunks;
	struct heap_span *spans; /* by ascending address; none overlap, all lie in allocated pages */
	size_t nr_spans;
	uint32_t element_bytes[HEAP_SIZE_CLASSES]; /* by size class; 0: no span has it */
	uint64_t arena_left;			   /* bytes of the current arena that no chunk covers yet */
	struct heap_counters counters;
	struct heap_bytes bytes;
	struct heap_difference difference;
	unsigned attempts;    /* readings, of which this is the last */
	bool sweep_began;     /* a mark phase ended while it was read: what was marked is of two cycles */
	uint32_t spans_amiss; /* whose fields contradict each other; their pages are in reserved */
	uint64_t nanoseconds; /* that the last reading took */
	size_t chunks_room, spans_room;
};

/*
 * Reads again while the parts disagree, a few times within half a second. -EBADMSG: what was read cannot be
 * a heap of this layout. -E2BIG: larger than the maxima above. -ESRCH, -EPERM: as from the reader.
 * A snapshot of a failed reading holds nothing.
 */
int heap_read(struct heap *heap, struct heap_snapshot *snapshot, struct failure *failure);
void heap_snapshot_clear(struct heap_snapshot *snapshot);

static inline uint64_t heap_span_address(const struct heap_span *span)
{
	return (uint64_t)span->page * HEAP_PAGE_BYTES;
}

/* What the bytes of a span in use are; they add up to its size. */
struct heap_span_use {
	uint64_t live;	  /* found live by the last mark phase, whatever became of it since */
	uint64_t since;	  /* allocated since */
	uint64_t dead;	  /* found dead by it, not swept yet */
	uint64_t unknown; /* allocated, and no telling which of these */
	uint64_t holes;	  /* free slots */
	uint64_t rest;	  /* of the span behind its last slot, where the runtime may keep bits about it */
};
void heap_span_use(const struct heap_snapshot *snapshot, const struct heap_span *span, struct heap_span_use *use);

enum heap_page {
	HEAP_PAGE_IN_USE,    /* these three: of a span */
	HEAP_PAGE_STACK,     /* a manual span of goroutine stacks */
	HEAP_PAGE_COLLECTOR, /* any other manual span */
	HEAP_PAGE_RESERVED,  /* as in struct heap_bytes */
	HEAP_PAGE_PADDING,
	HEAP_PAGE_FREE,
	HEAP_PAGE_SCAVENGED,
	HEAP_PAGE_KINDS,
};

/* Neighbouring pages of one kind, at most a span, or what lies within a chunk. */
struct heap_run {
	uint64_t address, pages;
	enum heap_page kind;
	const struct heap_span *span; /* or NULL */
};

/* All pages of a snapshot, by ascending address. Begin with a cursor of zeroes; false: no more. */
struct heap_cursor {
	size_t chunk, span;
	unsigned page;
};
bool heap_next_run(const struct heap_snapshot *snapshot, struct heap_cursor *cursor, struct heap_run *run);

#endif
