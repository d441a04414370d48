// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB	 (1ull << 20)
#define NOTABLE	 (16 * MIB) /* less than that is nobody's question */
#define NO_LIMIT (UINT64_MAX >> 1)

/* A list of verdicts under way. */
struct bench {
	const struct verdict_signals *signals;
	const struct ledger *ledger;
	struct verdict *verdicts;
	unsigned count;
};

static uint64_t class_bytes(const struct bench *bench, enum ledger_class class)
{
	int64_t bytes = bench->ledger->bytes[class];

	return bytes > 0 ? (uint64_t)bytes : 0;
}

static uint64_t heap_in_use(const struct bench *bench)
{
	return class_bytes(bench, LEDGER_LIVE) + class_bytes(bench, LEDGER_NEW) + class_bytes(bench, LEDGER_HOLES) +
	       class_bytes(bench, LEDGER_HEAP);
}

/* A notable part: more than @percent of Rss, and of a size that anybody asks about. */
static bool notable(const struct bench *bench, uint64_t bytes, unsigned percent)
{
	return bytes >= NOTABLE && bytes >= bench->ledger->rss / 100 * percent;
}

static double mb(uint64_t bytes)
{
	return (double)bytes / (double)MIB;
}

static void add(struct bench *bench, const char *name, uint64_t bytes, const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void add(struct bench *bench, const char *name, uint64_t bytes, const char *advice, const char *format, ...)
{
	struct verdict *verdict;
	va_list arguments;

	if (bench->count == VERDICTS_MAX)
		return;
	verdict = &bench->verdicts[bench->count++];
	*verdict = (struct verdict){ .name = name, .bytes = bytes, .advice = advice };
	va_start(arguments, format);
	vsnprintf(verdict->evidence, sizeof(verdict->evidence), format, arguments);
	va_end(arguments);
}

/* MADV_FREE: the pages stay resident until the kernel wants them. */
static void judge_lazy_free(struct bench *bench)
{
	uint64_t lazy = bench->ledger->lazy_free;

	if (!value_known(lazy) || !notable(bench, lazy, 5))
		return;
	add(bench, "lazy_free", lazy,
	    "Nothing needs to be done; to see it in Rss, run with GODEBUG=madvdontneed=1 (Go up to 1.15), or take out "
	    "madvdontneed=0.",
	    "%.1f MB of the resident memory have been given back with MADV_FREE: the kernel takes them when it needs "
	    "them, and Rss counts them until then.",
	    mb(lazy));
}

/* Pages that the runtime believes to be gone. */
static void judge_huge_pages(struct bench *bench)
{
	uint64_t released = class_bytes(bench, LEDGER_RELEASED), lazy = bench->ledger->heap_lazy_free;

	if (value_known(lazy))
		released = released > lazy ? released - lazy : 0;
	if (!notable(bench, released, 5))
		return;
	add(bench, "huge_pages", released,
	    "Set khugepaged's max_ptes_none to 0 and defrag to defer, or transparent huge pages to madvise; with Go "
	    "1.21.1 and later GODEBUG=disablethp=1.",
	    "%.1f MB that the runtime has given back are resident all the same, %.1f MB of it in huge pages: the "
	    "kernel "
	    "has filled huge pages in over released ranges.",
	    mb(released), mb(bench->ledger->released_huge));
}

/* What the runtime keeps for the next cycle: up to a tenth above the goal of GOGC. */
static void judge_free(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t free = class_bytes(bench, LEDGER_FREE), keep;

	if (!bench->ledger->by_pages || !notable(bench, free, 10))
		return;
	keep = counters->percent_goal.known ? counters->percent_goal.value + counters->percent_goal.value / 10 : 0;
	if (keep && counters->in_use + counters->free <= keep) {
		add(bench, "free_within_goal", free, "Lower GOGC, or set GOMEMLIMIT, if less is wanted.",
		    "%.1f MB of heap are free and kept: in use and free together are %.1f MB, and up to %.1f MB (the "
		    "goal "
		    "%.1f MB and a tenth) are kept for the next cycle.",
		    mb(free), mb(counters->in_use + counters->free), mb(keep), mb(counters->percent_goal.value));
		return;
	}
	add(bench, "free_kept", free,
	    "Wait, or call debug.FreeOSMemory once; gctap trace --scav shows the background scavenger at work.",
	    "%.1f MB of heap are free and not given back yet: the background scavenger returns them with a hundredth "
	    "of a "
	    "processor's time. No leak.",
	    mb(free));
}

static void judge_fragmentation(struct bench *bench)
{
	uint64_t holes = class_bytes(bench, LEDGER_HOLES), in_use = heap_in_use(bench);

	if (!bench->ledger->by_pages || !notable(bench, holes, 15) || holes < in_use / 4)
		return;
	add(bench, "fragmentation", holes,
	    "Objects of mixed lifetimes share spans: allocate what lives long together, or in fewer, larger pieces.",
	    "%.1f MB are free slots between objects in use: spans are %.0f %% occupied, and no whole page of these is "
	    "free.",
	    mb(holes), 100.0 * (double)(in_use - holes) / (double)in_use);
}

/* The limit holds the goal down: collections follow each other. */
static void judge_limit(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t limit, ready;

	if (!bench->ledger->by_pages || !counters->memory_limit.known || !counters->mapped_ready.known)
		return;
	limit = counters->memory_limit.value;
	ready = counters->mapped_ready.value;
	if (limit >= NO_LIMIT || ready < limit / 100 * 95)
		return;
	add(bench, "memory_limit", ready,
	    "Raise GOMEMLIMIT, or find out what lives: near the limit, the collector runs again and again (gctap trace "
	    "shows how often).",
	    "The runtime has %.1f MB mapped and not given back, its memory limit is %.1f MB.", mb(ready), mb(limit));
}

/* Live objects, and the room that GOGC gives them. */
static void judge_heap(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t live = class_bytes(bench, LEDGER_LIVE), fresh = class_bytes(bench, LEDGER_NEW);

	if (!bench->ledger->by_pages)
		return;
	if (notable(bench, live, 30))
		add(bench, "live_heap", live,
		    "Take a heap profile to see what is alive; gctap why --watch tells whether it grows.",
		    "%.1f MB are objects that the last mark phase found reachable, %.0f %% of Rss.", mb(live),
		    100.0 * (double)live / (double)bench->ledger->rss);
	if (notable(bench, fresh, 30))
		add(bench, "gogc", fresh,
		    "Lower GOGC, or set GOMEMLIMIT, if less is wanted: it costs more collections.",
		    "%.1f MB have been allocated since the last cycle or wait for the next one: GOGC=%" PRId64
		    " lets the heap grow to %.1f MB. Working as configured.",
		    mb(fresh), counters->gc_percent.known ? (int64_t)(int32_t)counters->gc_percent.value : -1,
		    counters->percent_goal.known ? mb(counters->percent_goal.value) : 0.0);
}

static void judge_stacks(struct bench *bench)
{
	uint64_t stacks = class_bytes(bench, LEDGER_STACKS);

	if (notable(bench, stacks, 20))
		add(bench, "goroutine_stacks", stacks,
		    "Count the goroutines (a goroutine profile): many, or deep ones, and they shrink only at a "
		    "collection.",
		    "%.1f MB are stacks of goroutines.", mb(stacks));
}

static void judge_metadata(struct bench *bench)
{
	uint64_t metadata = class_bytes(bench, LEDGER_METADATA);

	if (notable(bench, metadata, 20))
		add(bench, "metadata", metadata,
		    "It is never given back, and used again; it follows the largest heap there was.",
		    "%.1f MB are the runtime's own: spans, bitmaps, tables. No leak.", mb(metadata));
}

static void judge_c(struct bench *bench)
{
	uint64_t heap = class_bytes(bench, LEDGER_C_HEAP), other = class_bytes(bench, LEDGER_OTHER);
	uint64_t threads = class_bytes(bench, LEDGER_THREADS);
	const struct target_status *status = bench->signals->status;

	if (notable(bench, heap + other, 20))
		add(bench, "c_memory", heap + other,
		    "The Go heap has no part in it: try MALLOC_ARENA_MAX=2, malloc_trim, or look at what C allocates.",
		    "%.1f MB are not Go's: %.1f MB of malloc, %.1f MB of other anonymous mappings.", mb(heap + other),
		    mb(heap), mb(other));
	if (notable(bench, threads, 15))
		add(bench, "thread_stacks", threads,
		    "Threads that block in C or in system calls stay: bound what calls them at a time.",
		    "%.1f MB are stacks of %" PRIu64 " threads.", mb(threads),
		    status && value_known(status->threads) ? status->threads : 0);
}

static void judge_files(struct bench *bench)
{
	uint64_t files = class_bytes(bench, LEDGER_FILES);

	if (notable(bench, files, 25))
		add(bench, "mapped_files", files,
		    "Nothing: the kernel takes clean pages of files back when it needs memory.",
		    "%.1f MB are pages of files, %.1f MB of it mapped data, %.1f MB clean.", mb(files),
		    mb(bench->ledger->data_files), mb(bench->ledger->file_clean));
}

/* What the container is charged for, and no process has. */
static void judge_container(struct bench *bench)
{
	const struct cgroup_memory *cgroup = bench->signals->cgroup;
	uint64_t cache;

	if (!cgroup || !value_known(cgroup->current) || !value_known(cgroup->stat.file) ||
	    cgroup->current < bench->ledger->rss)
		return;
	cache = cgroup->stat.file;
	/* Not where this process is a small part of what is charged. */
	if (cache < NOTABLE || cache < cgroup->current / 4 || bench->ledger->rss < (cgroup->current - cache) / 2)
		return;
	add(bench, "page_cache", cache,
	    "Nothing: it is given up when memory is needed. Look at the working set instead.",
	    "The container is charged %.1f MB, of which %.1f MB are page cache; this process has %.1f MB.",
	    mb(cgroup->current), mb(cache), mb(bench->ledger->rss));
}

static void judge_small(struct bench *bench)
{
	if (!bench->count)
		add(bench, bench->ledger->by_pages ? "nothing_notable" : "cannot_tell", bench->ledger->rss, NULL,
		    bench->ledger->by_pages ? "No part of the %.1f MB stands out."
					    : "The heap could not be read page by page: of %.1f MB, no part that can "
					      "be told apart stands out.",
		    mb(bench->ledger->rss));
}

static int by_bytes(const void *a, const void *b)
{
	const struct verdict *x = a, *y = b;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

unsigned verdict_judge(const struct verdict_signals *signals, struct verdict verdicts[VERDICTS_MAX])
{
	struct bench bench = { .signals = signals, .ledger = signals->ledger, .verdicts = verdicts };

	judge_lazy_free(&bench);
	judge_huge_pages(&bench);
	judge_free(&bench);
	judge_fragmentation(&bench);
	judge_limit(&bench);
	judge_heap(&bench);
	judge_stacks(&bench);
	judge_metadata(&bench);
	judge_c(&bench);
	judge_files(&bench);
	qsort(verdicts, bench.count, sizeof(*verdicts), by_bytes);
	/* What no process has comes last: the question is about this one. */
	judge_container(&bench);
	judge_small(&bench);
	return bench.count;
}
