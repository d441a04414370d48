/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_walk: the address space of a process range by range: what the kernel holds of it, what it is, and what
 * the Go runtime believes of it. What the ledger sums up, and who draws a map wants to see. Draws no conclusion.
 */
#ifndef GCTAP_MEMORY_WALK_H
#define GCTAP_MEMORY_WALK_H

#include "gctap/heap.h"
#include "gctap/ledger.h"
#include "gctap/target_maps.h"

/* Pages that are in the same state, and of one heap run or one mapping. */
struct memory_run {
	uint64_t address, bytes;
	/* That it counts for when it is resident; LEDGER_LIVE stands for all that a span in use is made up of. */
	enum ledger_class class;
	bool resident, huge, swapped;  /* neither resident nor swapped: absent */
	const struct heap_run *heap;   /* that it is of; NULL: outside the heap's chunks */
	const struct mapping *mapping; /* that it is of; NULL in the heap's chunks */
};

/* Non-zero stops the walk, which returns it. */
typedef int (*memory_callback)(const struct memory_run *run, void *context);

/*
 * Who looks over the ledger's shoulder: what it is told adds up to the ledger, but for memory that nothing names: all
 * of it is told as what most of it is (unnamed_class).
 */
struct memory_observer {
	/* An attempt begins: what was told before is void. */
	void (*begin)(const struct heap_snapshot *heap, void *context);
	/* First the heap's chunks, then all else; each by ascending address. */
	memory_callback run;
	void *context;
};

/* All of a heap run has been seen. */
typedef void (*memory_heap_callback)(const struct heap_run *run, uint64_t resident, uint64_t huge, void *context);

/* All pages of the heap's chunks. @observer may be NULL. 0 or -errno. */
int memory_walk_heap(const struct heap_snapshot *heap, int pagemap, memory_heap_callback callback, void *context,
		     const struct memory_observer *observer);
/* All mappings, without the heap's chunks. */
int memory_walk_mappings(const struct ledger *ledger, const struct target_maps *maps, int pagemap,
			 const struct memory_observer *observer);

/*
 * What is resident of the heap's mappings outside its chunks: the rest of an arena that the runtime has not come
 * to. Huge pages and locking make it resident all the same.
 */
int memory_walk_beside_heap(const struct ledger *ledger, const struct target_maps *maps, int pagemap,
			    uint64_t *resident, uint64_t *huge);

/* What resident pages of a mapping count for; LEDGER_METADATA also stands for memory that nothing names, see there. */
enum ledger_class memory_mapping_class(const struct ledger *ledger, const struct mapping *mapping);
/* Anonymous memory of no name, and of no shape that tells what it is. */
bool memory_mapping_unnamed(const struct mapping *mapping);
/* The mapping is the heap's: chunks lie in it, and nothing says that it is something else. */
bool memory_mapping_holds_heap(const struct ledger *ledger, const struct mapping *mapping);

#endif
