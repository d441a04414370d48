// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/verdict.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB	(1ull << 20)
#define NOTABLE (16 * MIB) /* less than that is nobody's question */

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
	return class_bytes(bench, LEDGER_LIVE) + class_bytes(bench, LEDGER_NEW) + class_bytes(bench, LEDGER_HOLES);
}

/* All pages of the heap. */
static uint64_t heap_resident(const struct bench *bench)
{
	return heap_in_use(bench) + class_bytes(bench, LEDGER_FREE) + class_bytes(bench, LEDGER_STACKS) +
	       class_bytes(bench, LEDGER_COLLECTOR) + class_bytes(bench, LEDGER_RELEASED);
}

/* A notable part: at least @percent of Rss, and of a size that anybody asks about. */
static bool notable(const struct bench *bench, uint64_t bytes, unsigned percent)
{
	return bytes >= NOTABLE && bytes >= bench->ledger->rss / 100 * percent;
}

static double mb(uint64_t bytes)
{
	return (double)bytes / (double)MIB;
}

static double percent_of(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

/* As far as both are known: a kernel or a limit may lack one. */
static uint64_t less(uint64_t from, uint64_t bytes)
{
	return !value_known(bytes) ? from : from > bytes ? from - bytes : 0;
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

/* ---- Given back, and resident all the same ------------------------------------------------------- */

/* LazyFree of the heap where its pages are known: C may give back with MADV_FREE, too. */
static uint64_t lazy_free_bytes(const struct bench *bench)
{
	const struct ledger *ledger = bench->ledger;

	if (!value_known(ledger->lazy_free))
		return 0;
	return ledger->by_pages ? ledger->heap_lazy_free : ledger->lazy_free;
}

static const char *lazy_free_advice(const struct bench *bench)
{
	const struct target_environment *environment = bench->signals->environment;
	char value[8];

	if (environment && environment->known &&
	    target_godebug(&environment->godebug, "madvdontneed", value, sizeof(value)) && !strcmp(value, "0"))
		return "Nothing needs to be done; to see it in Rss at once, take madvdontneed=0 out of GODEBUG.";
	return "Nothing needs to be done; to see it in Rss at once, run with GODEBUG=madvdontneed=1, the default from "
	       "Go 1.16 on.";
}

/* MADV_FREE: the pages stay resident until the kernel wants them. A twentieth of Rss is a difference that shows. */
static void judge_lazy_free(struct bench *bench)
{
	uint64_t lazy = lazy_free_bytes(bench);

	if (!notable(bench, lazy, 5))
		return;
	add(bench, "lazy_free", lazy, lazy_free_advice(bench),
	    "%.1f MB of the resident memory have been given back with MADV_FREE: the kernel takes them when it needs "
	    "them, and Rss counts them until then.",
	    mb(lazy));
}

static const char *huge_least(const struct bench *bench)
{
	return bench->ledger->released_huge_least ? "at least " : "";
}

static void add_huge_pages(struct bench *bench, uint64_t released)
{
	const struct thp_setting *thp = bench->signals->thp;
	char setting[96] = "";

	if (thp && thp->enabled[0] && value_known(thp->max_ptes_none))
		snprintf(setting, sizeof(setting), " (enabled: %s, max_ptes_none: %" PRIu64 ")", thp->enabled,
			 thp->max_ptes_none);
	add(bench, "huge_pages", released,
	    "Set khugepaged's max_ptes_none to 0 and defrag to defer, or transparent huge pages to madvise; from Go "
	    "1.21.6 on, GODEBUG=disablethp=1 does it for one program.",
	    "%.1f MB that the runtime has given back are resident all the same, %s%.1f MB of it in huge pages: the "
	    "kernel has filled huge pages in over released ranges%s.",
	    mb(released), huge_least(bench), mb(bench->ledger->released_huge), setting);
}

/*
 * Pages that the runtime believes to be gone. Not more than Rss moved by: those may have been taken again
 * between the look at the bits and the look at the pages. Locked: as much as the heap has, so that it may be
 * the heap; huge pages: half of the bytes.
 */
static void judge_released(struct bench *bench)
{
	const struct target_status *status = bench->signals->status;
	uint64_t released = less(class_bytes(bench, LEDGER_RELEASED), lazy_free_bytes(bench));

	if (!notable(bench, released, 5) || released <= bench->ledger->moved)
		return;
	if (status && value_known(status->vm_lck) && status->vm_lck >= heap_resident(bench))
		add(bench, "locked", released,
		    "Lock less than everything, or unlock the heap: mlockall keeps the runtime from giving back.",
		    "%.1f MB that the runtime wanted to give back are resident: %.1f MB of the process are locked in "
		    "memory, where madvise has no effect.",
		    mb(released), mb(status->vm_lck));
	else if (bench->ledger->released_huge >= released / 2)
		add_huge_pages(bench, released);
	else
		add(bench, "released_resident", released, "Look whether madvise fails, with gctap madvise.",
		    "%.1f MB that the runtime has given back are resident all the same, %s%.1f MB of it in huge pages; "
		    "why the others are cannot be told from one look.",
		    mb(released), huge_least(bench), mb(bench->ledger->released_huge));
}

/* ---- Free, and kept ------------------------------------------------------------------------------ */

/*
 * Free pages that share a page of the kernel with what is in use or given back already: the scavenger gives
 * back whole pages of the kernel only. None where these are not larger than the runtime's.
 */
static uint64_t unreturnable_bytes(const struct ledger *ledger, uint64_t page_bytes)
{
	uint64_t bytes = 0, whole;
	struct heap_cursor cursor = { 0 };
	struct heap_run run;

	if (!value_known(page_bytes) || page_bytes <= HEAP_PAGE_BYTES || page_bytes & (page_bytes - 1))
		return 0;
	while (heap_next_run(&ledger->heap, &cursor, &run)) {
		uint64_t end = run.address + run.pages * HEAP_PAGE_BYTES, first, last;

		if (run.kind != HEAP_PAGE_FREE)
			continue;
		first = (run.address + page_bytes - 1) & ~(page_bytes - 1);
		last = end & ~(page_bytes - 1);
		whole = last > first ? last - first : 0;
		bytes += end - run.address - whole;
	}
	return bytes;
}

/* Half of what is free: then it is these, and not the scavenger's pace, that keep Rss up. */
static bool judge_page_size(struct bench *bench, uint64_t free)
{
	const struct thp_setting *thp = bench->signals->thp;
	uint64_t stuck = thp ? unreturnable_bytes(bench->ledger, thp->page_bytes) : 0;

	if (!notable(bench, stuck, 5) || stuck < free / 2)
		return false;
	add(bench, "page_size", stuck,
	    "A kernel with smaller pages gives more back; so do fewer objects of mixed lifetimes.",
	    "%.1f MB of the heap are free in pieces that do not fill a page of the kernel, which has %" PRIu64
	    " KiB: these cannot be given back.",
	    mb(stuck), thp->page_bytes >> 10);
	return true;
}

static int64_t gogc(const struct heap_counters *counters)
{
	return (int64_t)(int32_t)(uint32_t)counters->gc_percent.value;
}

static const char *lower_gogc(const struct bench *bench)
{
	return heap_limit_set(&bench->ledger->heap.counters)
		       ? "Lower GOGC or GOMEMLIMIT, if less is wanted: it costs more collections."
		       : "Lower GOGC, or set GOMEMLIMIT, if less is wanted: it costs more collections.";
}

/* A tenth above the goal (retainExtraPercent in mgcscavenge.go); at the memory limit, what is free goes first. */
static uint64_t kept_at_goal(struct heap_goal goal)
{
	return goal.limited ? goal.bytes : goal.bytes + goal.bytes / 10;
}

/*
 * The goal counts objects, and what is kept counts the spans that they were in when the last mark phase ended
 * (gcPaceScavenger in mgcscavenge.go). How many these were is not known, but that spans are not fuller now: since
 * then, objects have died in them. So this is the most that is kept.
 */
static uint64_t in_spans(const struct heap_counters *counters, uint64_t objects)
{
	double ratio = counters->live.known && counters->live.value
			       ? (double)counters->in_use / (double)counters->live.value
			       : 1;

	return ratio > 1 ? (uint64_t)fmin((double)objects * ratio, (double)INT64_MAX) : objects;
}

/* Without GOGC, the background scavenger has nothing but the memory limit to go by. */
static void add_free_without_goal(struct bench *bench, uint64_t free)
{
	add(bench, "free_within_goal", free,
	    heap_limit_set(&bench->ledger->heap.counters) ? "Lower GOMEMLIMIT, or call debug.FreeOSMemory."
							  : "Set GOMEMLIMIT, or call debug.FreeOSMemory.",
	    "%.1f MB of heap are free and kept: GOGC is off, so that nothing is given back before the memory limit is "
	    "near.",
	    mb(free));
}

static void add_free_within_goal(struct bench *bench, uint64_t free, uint64_t retained, struct heap_goal goal)
{
	if (goal.limited)
		add(bench, "free_within_goal", free, "Lower GOMEMLIMIT, or GOGC, if less is wanted.",
		    "%.1f MB of heap are free and kept: in use and free together are %.1f MB, and up to the memory "
		    "limit of %.1f MB they are kept for the next cycle.",
		    mb(free), mb(retained), mb(goal.bytes));
	else
		add(bench, "free_within_goal", free, lower_gogc(bench),
		    "%.1f MB of heap are free and kept: in use and free together are %.1f MB, and up to %.1f MB (the "
		    "goal %.1f MB and a tenth) are kept for the next cycle.",
		    mb(free), mb(retained), mb(kept_at_goal(goal)), mb(goal.bytes));
}

static void add_free_kept(struct bench *bench, uint64_t free, uint64_t retained, struct heap_goal goal)
{
	const char *advice = "Wait, or call debug.FreeOSMemory once; gctap trace --scav shows the background scavenger "
			     "at work.";
	uint64_t keep = kept_at_goal(goal);
	uint64_t most = goal.limited ? keep : in_spans(&bench->ledger->heap.counters, keep);

	if (!keep)
		add(bench, "free_kept", free, advice,
		    "%.1f MB of heap are free and not given back, of %.1f MB in use and free together; how much of "
		    "it is kept for the next cycle cannot be told without the goal. No leak.",
		    mb(free), mb(retained));
	else if (retained > most)
		add(bench, "free_kept", free, advice,
		    "%.1f MB of heap are free and not given back yet: of %.1f MB in use and free together, what is "
		    "above %.1f MB is returned in the background, with a hundredth of a processor's time. No leak.",
		    mb(free), mb(retained), mb(most));
	else
		add(bench, "free_kept", free, advice,
		    "%.1f MB of heap are free and not given back, of %.1f MB in use and free together: between %.1f MB "
		    "and %.1f MB of it are kept for the next cycle, by how full spans were at the last one. No leak.",
		    mb(free), mb(retained), mb(keep), mb(most));
}

/* What the runtime keeps for the next cycle stays; of what is above that, the scavenger returns what is free. */
static void judge_free(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t free = class_bytes(bench, LEDGER_FREE), retained = counters->in_use + counters->free;
	struct heap_goal goal = heap_goal_of(counters);

	/* A tenth is what is always kept. */
	if (!bench->ledger->by_pages || !notable(bench, free, 10) || judge_page_size(bench, free))
		return;
	if (heap_gogc_off(counters))
		add_free_without_goal(bench, free);
	else if (goal.bytes && retained <= kept_at_goal(goal))
		add_free_within_goal(bench, free, retained, goal);
	else
		add_free_kept(bench, free, retained, goal);
}

/* ---- In use -------------------------------------------------------------------------------------- */

/* Up to an eighth of a span is lost by its size class alone: a quarter is not. */
static void judge_fragmentation(struct bench *bench)
{
	uint64_t holes = class_bytes(bench, LEDGER_HOLES), in_use = heap_in_use(bench);

	if (!bench->ledger->by_pages || !notable(bench, holes, 15) || holes < in_use / 4)
		return;
	add(bench, "fragmentation", holes,
	    "Objects of mixed lifetimes share spans: allocate together what lives long, or in fewer, larger pieces.",
	    "%.1f MB are free slots between objects in use: spans are %.0f %% occupied, and only a span without any "
	    "object can be given back.",
	    mb(holes), percent_of(in_use - holes, in_use));
}

bool verdict_limit_known(const struct ledger *ledger)
{
	return ledger->by_pages && ledger->heap.counters.memory_limit.known && ledger->heap.counters.mapped_ready.known;
}

/* From 95 % of the limit on, allocations themselves have to give back first (reduceExtraPercent in mgcscavenge.go). */
bool verdict_near_limit(const struct ledger *ledger)
{
	const struct heap_counters *counters = &ledger->heap.counters;
	uint64_t limit = counters->memory_limit.value;

	return verdict_limit_known(ledger) && heap_limit_set(counters) &&
	       counters->mapped_ready.value >= limit / 100 * 95;
}

static void judge_limit(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t limit = counters->memory_limit.value, ready = counters->mapped_ready.value;

	if (!verdict_near_limit(bench->ledger) || !notable(bench, ready, 30))
		return;
	add(bench, "memory_limit", ready,
	    "Raise GOMEMLIMIT, or find out what lives: near the limit, the collector runs again and again (gctap trace "
	    "shows how often).",
	    "The runtime has %.1f MB mapped and not given back, %.0f %% of its memory limit of %.1f MB.", mb(ready),
	    percent_of(ready, limit), mb(limit));
}

static void judge_live(struct bench *bench)
{
	uint64_t live = class_bytes(bench, LEDGER_LIVE);

	if (bench->ledger->by_pages && notable(bench, live, 30))
		add(bench, "live_heap", live,
		    "Take a heap profile to see what is alive; gctap why --watch tells whether it grows.",
		    "%.1f MB are objects that the last mark phase found reachable, %.0f %% of Rss.", mb(live),
		    percent_of(live, bench->ledger->rss));
}

/* How far the heap may grow, in words. */
static void say_goal(const struct bench *bench, char *text, size_t size)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	struct heap_goal goal = heap_goal_of(counters);
	const char *off = heap_gogc_off(counters) ? "GOGC is off, and " : "";

	if (goal.limited)
		snprintf(text, size, "%sthe memory limit lets the heap grow to at most %.1f MB. Working as configured",
			 off, mb(goal.bytes));
	else if (*off)
		snprintf(text, size, "GOGC is off. Working as configured");
	else if (counters->gc_percent.known && goal.bytes)
		snprintf(text, size, "GOGC=%" PRId64 " lets the heap grow to %.1f MB. Working as configured",
			 gogc(counters), mb(goal.bytes));
	else
		snprintf(text, size, "how far GOGC lets the heap grow cannot be told");
}

/* GOGC=100 doubles the heap: with the runtime's defaults, up to a half of Rss is this. */
static void judge_gogc(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t fresh = class_bytes(bench, LEDGER_NEW);
	const char *advice = lower_gogc(bench);
	char goal[160];

	if (!bench->ledger->by_pages || !notable(bench, fresh, 30))
		return;
	if (heap_gogc_off(counters))
		advice = heap_limit_set(counters) ? "Set GOGC, or lower GOMEMLIMIT, if less is wanted."
						  : "Set GOGC or GOMEMLIMIT, if less is wanted.";
	say_goal(bench, goal, sizeof(goal));
	add(bench, "gogc", fresh, advice,
	    "%.1f MB have been allocated since the last cycle or wait for the next one: %s.", mb(fresh), goal);
}

static void judge_threads(struct bench *bench)
{
	const struct target_status *status = bench->signals->status;
	uint64_t threads = class_bytes(bench, LEDGER_THREADS);

	if (!notable(bench, threads, 15) || !status || !value_known(status->threads))
		return;
	add(bench, "thread_stacks", threads,
	    "Threads that block in C or in system calls stay: bound how many do so at a time.",
	    "%.1f MB are stacks of %" PRIu64 " threads.", mb(threads), status->threads);
}

static void judge_metadata(struct bench *bench)
{
	uint64_t bytes = class_bytes(bench, LEDGER_METADATA);

	/* Where the heap was not found, it may be among what has no name. */
	if (!bench->ledger->by_pages || !notable(bench, bytes, 20))
		return;
	add(bench, "metadata", bytes,
	    "It is never given back, and used again: it follows the largest heap there was. No leak.",
	    "%.1f MB are the runtime's own%s: spans, bitmaps, tables, %.0f %% of Rss.", mb(bytes),
	    bench->ledger->cgo_or_unknown ? " (no more than that: what C maps looks the same)" : "",
	    percent_of(bytes, bench->ledger->rss));
}

static void judge_c(struct bench *bench)
{
	uint64_t heap = class_bytes(bench, LEDGER_C_HEAP), other = class_bytes(bench, LEDGER_OTHER);

	if (!notable(bench, heap + other, 20))
		return;
	if (heap >= other)
		add(bench, "c_memory", heap + other,
		    "The Go heap has no part in it: try MALLOC_ARENA_MAX=2 or malloc_trim, or look at what C "
		    "allocates.",
		    "%.1f MB are not of the Go heap: %.1f MB of malloc, %.1f MB of other anonymous mappings.",
		    mb(heap + other), mb(heap), mb(other));
	else
		add(bench, "other_memory", heap + other,
		    "Look at what calls mmap: C, which maps large allocations one by one, or the program itself.",
		    "%.1f MB are not of the Go heap: %.1f MB of anonymous mappings that are not the runtime's, %.1f MB "
		    "of malloc.",
		    mb(heap + other), mb(other), mb(heap));
}

static void judge_files(struct bench *bench)
{
	uint64_t files = class_bytes(bench, LEDGER_FILES);

	if (notable(bench, files, 25))
		add(bench, "mapped_files", files,
		    "Nothing needs to be done: when the kernel needs memory, it drops clean pages of files, and "
		    "changed ones once they are written.",
		    "%.1f MB are pages of files, %.1f MB of it mapped data, %.1f MB clean.", mb(files),
		    mb(bench->ledger->data_files), mb(bench->ledger->file_clean));
}

/* Classes that are a cause by themselves. A fifth of Rss: more than any of them has in a program of common make. */
static const struct {
	enum ledger_class class;
	const char *name, *text, *advice;
} plain[] = {
	{ LEDGER_STACKS, "goroutine_stacks", "stacks of goroutines",
	  "Count the goroutines (a goroutine profile): they are many, or deep; stacks shrink only at a collection." },
	{ LEDGER_COLLECTOR, "collector", "work buffers of the collector",
	  "They follow how much was to be marked at once, and are given back after the cycle. No leak." },
	{ LEDGER_GLOBALS, "globals", "variables of the program, as the executable declares them",
	  "Look for large arrays among the package variables." },
	{ LEDGER_SHARED, "shared_memory", "shared memory and devices",
	  "It counts in every process that maps it; the Go heap has no part in it." },
};

static void judge_plain(struct bench *bench)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		uint64_t bytes = class_bytes(bench, plain[i].class);

		if (notable(bench, bytes, 20))
			add(bench, plain[i].name, bytes, plain[i].advice, "%.1f MB are %s, %.0f %% of Rss.", mb(bytes),
			    plain[i].text, percent_of(bytes, bench->ledger->rss));
	}
}

/* ---- What cannot be told ------------------------------------------------------------------------- */

static void judge_coarse(struct bench *bench)
{
	uint64_t heap = class_bytes(bench, LEDGER_HEAP);

	if (!bench->ledger->by_pages && notable(bench, heap, 20))
		add(bench, "cannot_tell", heap, NULL,
		    "%.1f MB are Go's heap, and what is in it cannot be told: %.200s.", mb(heap),
		    bench->ledger->coarse.text);
}

/* More than what a running program moves by. */
static void judge_remainder(struct bench *bench)
{
	int64_t remainder = bench->ledger->bytes[LEDGER_REMAINDER];
	uint64_t bytes = remainder < 0 ? -(uint64_t)remainder : (uint64_t)remainder;

	if (notable(bench, bytes, 5) && bytes > bench->ledger->moved)
		add(bench, "cannot_tell", bytes,
		    "Look again when the program does less; if it stays, gctap has misread something.",
		    "%.1f MB %s, %.1f %% of Rss, which moved by %.1f MB meanwhile.", mb(bytes),
		    remainder < 0 ? "were found that the kernel does not count" : "could not be accounted for",
		    percent_of(bytes, bench->ledger->rss), mb(bench->ledger->moved));
}

/* ---- Outside of Rss ------------------------------------------------------------------------------ */

/*
 * What the container is charged for, and no process has: a quarter of it. Not where this process is a small
 * part of what else is charged.
 */
static void judge_container(struct bench *bench)
{
	const struct cgroup_memory *cgroup = bench->signals->cgroup;
	uint64_t rss = bench->ledger->rss, cache, kernel;

	if (!cgroup || !value_known(cgroup->current) || !value_known(cgroup->stat.file) || cgroup->current < rss)
		return;
	/* shmem is in it, and cannot be dropped. */
	cache = less(cgroup->stat.file, cgroup->stat.shmem);
	if (cache > cgroup->current || rss < (cgroup->current - cache) / 2)
		return;
	kernel = cgroup->stat.kernel;
	if (cache >= NOTABLE && cache >= cgroup->current / 4)
		add(bench, "page_cache", cache,
		    "Nothing needs to be done: it is given up when memory is needed. The working set says how much is.",
		    "The cgroup is charged %.1f MB, of which %.1f MB are page cache; this process has %.1f MB.",
		    mb(cgroup->current), mb(cache), mb(rss));
	if (value_known(kernel) && kernel >= NOTABLE && kernel >= cgroup->current / 4)
		add(bench, "kernel_memory", kernel, "Look at memory.stat: slab, sock, pagetables.",
		    "The cgroup is charged %.1f MB, of which %.1f MB are the kernel's own; this process has %.1f "
		    "MB.",
		    mb(cgroup->current), mb(kernel), mb(rss));
}

/*
 * Address space is no memory. The runtime reserves up to 1.2 GiB of it at its start, and glibc 64 MiB a
 * thread; what is twice as much, and twenty times of what is resident, somebody may have been alarmed by.
 */
static void judge_virtual(struct bench *bench)
{
	const struct target_status *status = bench->signals->status;

	if (!status || !value_known(status->vm_size) || status->vm_size < 2048 * MIB ||
	    status->vm_size / 20 < bench->ledger->rss)
		return;
	add(bench, "virtual_only", less(status->vm_size, bench->ledger->rss),
	    "Nothing needs to be done: address space that was never touched takes no memory.",
	    "The process has %.1f MB of address space, of which %.1f MB are resident.", mb(status->vm_size),
	    mb(bench->ledger->rss));
}

/* From what gctrace shows to Rss; where the one is less than two thirds of the other. */
static void judge_chain(struct bench *bench)
{
	const struct heap_counters *counters = &bench->ledger->heap.counters;
	uint64_t objects = counters->live.value, rss = bench->ledger->rss;

	if (!bench->ledger->by_pages || !counters->live.known || objects > rss || objects > rss / 3 * 2 ||
	    !notable(bench, rss - objects, 0))
		return;
	add(bench, "objects_and_rss", rss - objects, NULL,
	    "From gctrace to Rss: objects %.1f MB, the spans they are in %.1f MB, with free memory that is kept and "
	    "resident %.1f MB; resident is %.1f MB.",
	    mb(objects), mb(counters->in_use), mb(counters->in_use + class_bytes(bench, LEDGER_FREE)), mb(rss));
}

static void judge_nothing(struct bench *bench)
{
	const struct ledger *ledger = bench->ledger;

	if (ledger->by_pages)
		add(bench, "nothing_notable", ledger->rss, NULL, "No part of the %.1f MB stands out.", mb(ledger->rss));
	else
		add(bench, "cannot_tell", ledger->rss, NULL,
		    "The heap could not be read page by page (%.200s); of %.1f MB, no part that can be told apart "
		    "stands out.",
		    ledger->coarse.text, mb(ledger->rss));
}

/* In the order of the rules where they are equal. */
static void sort_by_bytes(struct verdict *verdicts, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct verdict verdict = verdicts[i];
		unsigned at = i;

		for (; at && verdicts[at - 1].bytes < verdict.bytes; at--)
			verdicts[at] = verdicts[at - 1];
		verdicts[at] = verdict;
	}
}

unsigned verdict_judge(const struct verdict_signals *signals, struct verdict verdicts[VERDICTS_MAX])
{
	struct bench bench = { .signals = signals, .ledger = signals->ledger, .verdicts = verdicts };
	bool nothing;

	judge_lazy_free(&bench);
	judge_released(&bench);
	judge_free(&bench);
	judge_fragmentation(&bench);
	judge_limit(&bench);
	judge_live(&bench);
	judge_gogc(&bench);
	judge_threads(&bench);
	judge_metadata(&bench);
	judge_c(&bench);
	judge_files(&bench);
	judge_plain(&bench);
	judge_coarse(&bench);
	judge_remainder(&bench);
	sort_by_bytes(verdicts, bench.count);
	nothing = !bench.count;
	/* What is no part of Rss comes last: the question is about Rss. */
	judge_container(&bench);
	judge_virtual(&bench);
	if (nothing)
		judge_nothing(&bench);
	judge_chain(&bench);
	return bench.count;
}
