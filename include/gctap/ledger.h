/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger: where the resident memory of a process is. Joins what the kernel holds (mappings, page tables) with
 * what the Go runtime believes of its pages (heap). Every resident byte is in one class; what the two sides
 * leave over is a class of its own, so that the classes add up to the kernel's Rss.
 *
 * The process runs on meanwhile: the ledger is taken again until it moves little, and says by how much it moved.
 */
#ifndef GCTAP_LEDGER_H
#define GCTAP_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"
#include "gctap/heap.h"
#include "gctap/target.h"
#include "gctap/target_maps.h"

struct memory_observer;

enum ledger_class {
	LEDGER_LIVE,	  /* objects that the last mark phase found reachable */
	LEDGER_NEW,	  /* allocated since, or dead and not swept yet, or no telling which */
	LEDGER_HOLES,	  /* free slots in spans in use, and what is behind the last slot */
	LEDGER_HEAP,	  /* heap in use, where the spans could not be read: the three above together */
	LEDGER_FREE,	  /* free pages that the runtime keeps */
	LEDGER_RELEASED,  /* given back to the kernel, and resident all the same */
	LEDGER_STACKS,	  /* of goroutines, also those that are kept for the next ones */
	LEDGER_COLLECTOR, /* work buffers of the collector, in the heap like stacks */
	LEDGER_METADATA,  /* of the runtime, outside the heap */
	LEDGER_GLOBALS,	  /* the program's variables: data and bss of the executable */
	LEDGER_FILES,	  /* text and read-only data of the executable, libraries, mapped files */
	LEDGER_THREADS,	  /* stacks of threads */
	LEDGER_C_HEAP,	  /* malloc: brk and arenas */
	LEDGER_SHARED,	  /* shared memory, memfd, devices */
	LEDGER_OTHER,	  /* anonymous memory that is not the runtime's: mmap of C, or of the program */
	LEDGER_REMAINDER, /* what the kernel counts and no page was found for; negative: found, and not counted */
	LEDGER_CLASSES,
};

/* "live", "new", ... as in JSON; and a phrase for people. */
const char *ledger_class_name(enum ledger_class class);
const char *ledger_class_phrase(enum ledger_class class);

struct ledger {
	int64_t bytes[LEDGER_CLASSES]; /* resident; add up to rss */
	uint64_t rss;		       /* smaps, summed over the mappings */
	uint64_t moved; /* by how much Rss changed while the ledger was taken, by the kernel's counters (statm) */
	uint64_t swapped, lazy_free, huge; /* of all mappings; VALUE_UNKNOWN where the kernel does not say */
	uint64_t released_huge;		   /* of LEDGER_RELEASED, in huge pages; released_huge_least: or more */
	uint64_t heap_huge;		   /* of the mappings that hold heap, in huge pages */
	uint64_t heap_lazy_free;	   /* LazyFree of the mappings that hold heap */
	uint64_t file_clean;		   /* of LEDGER_FILES, what the kernel can drop at once */
	uint64_t data_files;		   /* of LEDGER_FILES, mapped files that are no code */
	uint64_t reserved;		   /* address space of the heap that no page was ever put behind */
	bool by_pages;			   /* the heap could be read page by page; else why not: coarse */
	bool released_huge_least;	   /* the kernel tells it of mappings alone (before Linux 6.7) */
	struct failure coarse;
	/*
	 * Anonymous memory that nothing names is counted as the runtime's (LEDGER_METADATA) up to the most that its
	 * tables can be, the rest as LEDGER_OTHER; where the heap was not read, and there is C, all of it.
	 */
	uint64_t unnamed;
	enum ledger_class unnamed_class; /* that most of it has */
	bool cgo_or_unknown;		 /* such memory may be C's as well */
	struct heap_snapshot heap;	 /* when by_pages */
	unsigned attempts;
	uint64_t nanoseconds; /* that the last attempt took */
};

/*
 * @heap NULL: the runtime's side could not be opened, for the reason in @why; the ledger is coarser then. The caller
 * zeroes @ledger first and hands it in as often as he likes. -ESRCH: the process has ended; -EACCES.
 */
struct ledger_source {
	const struct target *target;
	struct heap *heap;
	const struct failure *why;
	bool cgo;				/* the binary has C code, or it is not known */
	const struct memory_observer *observer; /* NULL: nobody */
};
int ledger_take(const struct ledger_source *source, struct ledger *ledger, struct failure *failure);
void ledger_clear(struct ledger *ledger);

/*
 * The most that the runtime's own tables can be, bytes: what it has mapped and not given back, without the heap; much
 * of that may never have been touched. Estimated for Go 1.18 and older, which do not count it.
 */
uint64_t ledger_tables_most(const struct heap_snapshot *heap);
/* Of a heap with @resident bytes, @huge of them in huge pages: how many of the @released must be in such. */
uint64_t ledger_huge_least(uint64_t huge, uint64_t resident, uint64_t released);

#endif
