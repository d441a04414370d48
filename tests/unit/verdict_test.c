// SPDX-License-Identifier: BSD-2-Clause
/* verdict: every rule, on ledgers made by hand, true and false at its threshold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gctap/verdict.h"

#define MIB	(1ull << 20)
#define RSS	(1000 * MIB) /* of which a percent is 10 MiB, to the byte */
#define PERCENT (RSS / 100)
#define NOTABLE (16 * MIB)
#define ALWAYS	INT64_MAX /* GOMEMLIMIT that is not set */

/* All that a verdict can come from; each part can be taken away. */
struct situation {
	struct ledger ledger;
	struct cgroup_memory cgroup;
	struct target_environment environment;
	struct target_status status;
	struct thp_setting thp;
	struct verdict_signals signals;
	struct verdict verdicts[VERDICTS_MAX];
	unsigned count;
};

static struct situation now;

static struct heap_number number(uint64_t value)
{
	return (struct heap_number){ .known = true, .value = value };
}

/* A heap of which everything is known, and nothing stands out. */
static int begin(void **state)
{
	(void)state;
	memset(&now, 0, sizeof(now));
	memset(&now.cgroup, 0xff, sizeof(now.cgroup));
	memset(&now.status, 0xff, sizeof(now.status));
	now.ledger.rss = RSS;
	now.ledger.by_pages = true;
	now.ledger.heap.counters = (struct heap_counters){ .live = number(RSS),
							   .memory_limit = number(ALWAYS),
							   .mapped_ready = number(RSS),
							   .percent_goal = number(200 * MIB),
							   .gc_percent = number(100) };
	now.status.threads = 7;
	now.status.vm_size = RSS;
	now.thp = (struct thp_setting){ .enabled = "always", .max_ptes_none = 511, .page_bytes = 4096 };
	now.signals = (struct verdict_signals){ &now.ledger, &now.cgroup, &now.environment, &now.status, &now.thp };
	return 0;
}

/* Whatever was judged: whole sentences, no leak from one look. */
static void check(const struct verdict *verdict)
{
	size_t length = strnlen(verdict->evidence, sizeof(verdict->evidence));

	assert_true(length > 0 && length < sizeof(verdict->evidence) - 1);
	assert_int_equal(verdict->evidence[length - 1], '.');
	assert_null(strstr(verdict->evidence, "nan"));
	assert_null(strstr(verdict->evidence, "inf"));
	assert_false(verdict->leak);
	assert_true(!verdict->advice || verdict->advice[strlen(verdict->advice) - 1] == '.');
}

static void judge(void)
{
	memset(now.verdicts, 0x5a, sizeof(now.verdicts));
	now.count = verdict_judge(&now.signals, now.verdicts);
	assert_in_range(now.count, 1, VERDICTS_MAX);
	for (unsigned i = 0; i < now.count; i++)
		check(&now.verdicts[i]);
}

static const struct verdict *find(const char *name)
{
	judge();
	for (unsigned i = 0; i < now.count; i++)
		if (!strcmp(now.verdicts[i].name, name))
			return &now.verdicts[i];
	return NULL;
}

static void holds(const char *name, uint64_t bytes)
{
	const struct verdict *verdict = find(name);

	if (verdict)
		assert_int_equal(verdict->bytes, bytes);
	else
		fail_msg("%s does not hold, %s does", name, now.verdicts[0].name);
}

static void fails(const char *name)
{
	if (find(name))
		fail_msg("%s holds", name);
}

static void first(const char *name)
{
	judge();
	assert_string_equal(now.verdicts[0].name, name);
}

static void says(const char *name, const char *text)
{
	const struct verdict *verdict = find(name);

	if (!verdict)
		fail_msg("%s does not hold", name);
	else if (!strstr(verdict->evidence, text))
		fail_msg("'%s' is not in '%s'", text, verdict->evidence);
}

/* ---- Rules that look at one number ------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum ledger_class class;
	unsigned percent;
} shares[] = {
	{ "free_kept", LEDGER_FREE, 10 },	{ "released_resident", LEDGER_RELEASED, 5 },
	{ "live_heap", LEDGER_LIVE, 30 },	{ "gogc", LEDGER_NEW, 30 },
	{ "fragmentation", LEDGER_HOLES, 15 },	{ "goroutine_stacks", LEDGER_STACKS, 20 },
	{ "metadata", LEDGER_METADATA, 20 },	{ "globals", LEDGER_GLOBALS, 20 },
	{ "shared_memory", LEDGER_SHARED, 20 }, { "thread_stacks", LEDGER_THREADS, 15 },
	{ "c_memory", LEDGER_C_HEAP, 20 },	{ "other_memory", LEDGER_OTHER, 20 },
	{ "mapped_files", LEDGER_FILES, 25 },	{ "cannot_tell", LEDGER_REMAINDER, 5 },
};

/* The goal is far below, so that what is free is not within it. */
static void set(enum ledger_class class, uint64_t bytes)
{
	now.ledger.bytes[class] = (int64_t)bytes;
	if (class == LEDGER_FREE)
		now.ledger.heap.counters.free = bytes;
	now.ledger.heap.counters.percent_goal = number(4 * MIB);
}

static void test_shares(void **state)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		uint64_t bytes = shares[i].percent * PERCENT;

		begin(state);
		set(shares[i].class, bytes);
		holds(shares[i].name, bytes);
		first(shares[i].name);
		assert_int_equal(now.count, 1);
		set(shares[i].class, bytes - 1);
		fails(shares[i].name);
		first("nothing_notable");
	}
}

/* All of a small program, and nobody's question. */
static void test_small(void **state)
{
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		begin(state);
		now.ledger.rss = NOTABLE;
		set(shares[i].class, NOTABLE);
		holds(shares[i].name, NOTABLE);
		set(shares[i].class, NOTABLE - 1);
		first("nothing_notable");
		assert_int_equal(now.count, 1);
	}
}

/* Negative: found, and not counted by the kernel. Elsewhere no number at all. */
static void test_negative(void **state)
{
	(void)state;
	for (unsigned class = 0; class < LEDGER_REMAINDER; class ++)
		now.ledger.bytes[class] = INT64_MIN;
	first("nothing_notable");
	now.ledger.bytes[LEDGER_REMAINDER] = -(int64_t)(5 * PERCENT);
	holds("cannot_tell", 5 * PERCENT);
	says("cannot_tell", "were found that the kernel does not count");
	now.ledger.moved = 5 * PERCENT;
	fails("cannot_tell");
}

/* ---- Given back, and resident all the same ------------------------------------------------------------ */

static void test_lazy_free(void **state)
{
	(void)state;
	now.ledger.lazy_free = 8 * PERCENT; /* of C, too */
	now.ledger.heap_lazy_free = 5 * PERCENT;
	now.ledger.bytes[LEDGER_RELEASED] = (int64_t)(5 * PERCENT);
	holds("lazy_free", 5 * PERCENT);
	fails("released_resident");
	now.ledger.heap_lazy_free--;
	fails("lazy_free");
	now.ledger.by_pages = false;
	holds("lazy_free", 8 * PERCENT);
	now.ledger.lazy_free = VALUE_UNKNOWN;
	fails("lazy_free");
}

static void test_lazy_free_advice(void **state)
{
	(void)state;
	now.ledger.lazy_free = now.ledger.heap_lazy_free = 5 * PERCENT;
	assert_non_null(strstr(find("lazy_free")->advice, "run with GODEBUG=madvdontneed=1"));
	now.environment.known = now.environment.godebug.set = true;
	strcpy(now.environment.godebug.value, "gctrace=1,madvdontneed=0");
	assert_non_null(strstr(find("lazy_free")->advice, "take madvdontneed=0 out"));
	strcpy(now.environment.godebug.value, "madvdontneed=1");
	assert_non_null(strstr(find("lazy_free")->advice, "run with GODEBUG=madvdontneed=1"));
	now.signals.environment = NULL;
	assert_non_null(strstr(find("lazy_free")->advice, "run with GODEBUG=madvdontneed=1"));
}

/* Half of it in huge pages. */
static void test_huge_pages(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_RELEASED] = (int64_t)(6 * PERCENT);
	now.ledger.released_huge = 3 * PERCENT;
	holds("huge_pages", 6 * PERCENT);
	says("huge_pages", "30.0 MB of it in huge pages");
	says("huge_pages", "(enabled: always, max_ptes_none: 511)");
	now.signals.thp = NULL;
	says("huge_pages", "over released ranges.");
	now.ledger.released_huge_least = true;
	says("huge_pages", "at least 30.0 MB of it in huge pages");
	now.ledger.released_huge--;
	holds("released_resident", 6 * PERCENT);
	says("released_resident", "at least");
	fails("huge_pages");
}

/* What moved meanwhile may be in use again. */
static void test_released_by_a_moving_program(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_RELEASED] = (int64_t)(6 * PERCENT);
	now.ledger.moved = 6 * PERCENT - 1;
	holds("released_resident", 6 * PERCENT);
	now.ledger.moved++;
	fails("released_resident");
}

static void test_locked(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_RELEASED] = (int64_t)(6 * PERCENT);
	now.ledger.bytes[LEDGER_STACKS] = (int64_t)PERCENT;
	now.ledger.released_huge = 6 * PERCENT;
	now.status.vm_lck = 7 * PERCENT;
	holds("locked", 6 * PERCENT);
	fails("huge_pages");
	now.status.vm_lck--; /* of somebody else's, then */
	fails("locked");
	holds("huge_pages", 6 * PERCENT);
	now.status.vm_lck = VALUE_UNKNOWN;
	fails("locked");
	now.signals.status = NULL;
	fails("locked");
}

/* ---- Free, and kept ----------------------------------------------------------------------------------- */

static void test_free_within_goal(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * PERCENT);
	*counters = (struct heap_counters){
		.live = number(RSS), .percent_goal = number(200 * MIB), .in_use = 120 * MIB, .free = 100 * MIB
	};
	holds("free_within_goal", 10 * PERCENT);
	fails("free_kept");
	says("free_within_goal", "up to 220.0 MB (the goal 200.0 MB and a tenth)");
	counters->free++;
	holds("free_kept", 10 * PERCENT);
	fails("free_within_goal");
	says("free_kept", "of 220.0 MB in use and free together, what is above 220.0 MB is returned");
}

static void test_free_without_goal(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * PERCENT);
	counters->percent_goal.known = false;
	says("free_kept", "cannot be told without the goal");
	counters->percent_goal = number(UINT64_MAX);
	says("free_kept", "cannot be told without the goal");
	counters->gc_percent = number(UINT32_MAX);
	says("free_within_goal", "GOGC is off");
	fails("free_kept");
	counters->gc_percent.known = false;
	fails("free_within_goal");
	now.ledger.by_pages = false;
	fails("free_kept");
}

static void advises(const char *name, const char *text)
{
	const struct verdict *verdict = find(name);

	if (!verdict || !verdict->advice || !strstr(verdict->advice, text))
		fail_msg("'%s' is not advised by %s", text, name);
}

/* GOGC's goal counts as far as the memory limit lets it. */
static void test_goal_above_the_limit(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * PERCENT);
	now.ledger.bytes[LEDGER_NEW] = (int64_t)(30 * PERCENT);
	*counters = (struct heap_counters){ .live = number(RSS),
					    .percent_goal = number(1400 * MIB),
					    .gc_percent = number(100),
					    .memory_limit = number(1024 * MIB),
					    .in_use = 900 * MIB,
					    .free = 124 * MIB };
	says("free_within_goal", "up to the memory limit of 1024.0 MB");
	advises("free_within_goal", "Lower GOMEMLIMIT");
	says("gogc", "the memory limit lets the heap grow to at most 1024.0 MB");
	advises("gogc", "Lower GOGC or GOMEMLIMIT");
	counters->memory_limit = number(1400 * MIB);
	says("free_within_goal", "(the goal 1400.0 MB and a tenth)");
	advises("free_within_goal", "Lower GOGC or GOMEMLIMIT");
	says("gogc", "GOGC=100 lets the heap grow to 1400.0 MB");
	advises("gogc", "Lower GOGC or GOMEMLIMIT");
	counters->memory_limit = number(ALWAYS);
	advises("gogc", "or set GOMEMLIMIT");
	advises("free_within_goal", "or set GOMEMLIMIT");
}

/* What is kept is spans, of which objects fill a part: nothing is promised to be returned that may be of it. */
static void test_free_beside_holes(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * PERCENT);
	*counters = (struct heap_counters){
		.live = number(100 * MIB), .percent_goal = number(200 * MIB), .in_use = 150 * MIB, .free = 70 * MIB
	};
	holds("free_within_goal", 10 * PERCENT);
	counters->free++;
	says("free_kept", "between 220.0 MB and 330.0 MB of it are kept");
	counters->free = 180 * MIB;
	says("free_kept", "between 220.0 MB and 330.0 MB of it are kept");
	counters->free++;
	says("free_kept", "of 330.0 MB in use and free together, what is above 330.0 MB is returned");
	counters->live.known = false;
	says("free_kept", "what is above 220.0 MB is returned");
	counters->live = number(0);
	says("free_kept", "what is above 220.0 MB is returned");
	/* The memory limit counts what is free, too. */
	counters->live = number(100 * MIB);
	counters->memory_limit = number(150 * MIB);
	says("free_kept", "what is above 150.0 MB is returned");
}

/* Nobody sets what is set. */
static void test_limit_without_gogc(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * PERCENT);
	now.ledger.bytes[LEDGER_NEW] = (int64_t)(30 * PERCENT);
	counters->gc_percent = number(UINT32_MAX);
	counters->percent_goal = number(UINT64_MAX);
	advises("free_within_goal", "Set GOMEMLIMIT");
	advises("gogc", "Set GOGC or GOMEMLIMIT");
	says("gogc", "GOGC is off. Working as configured.");
	counters->memory_limit = number(RSS);
	advises("free_within_goal", "Lower GOMEMLIMIT");
	advises("gogc", "lower GOMEMLIMIT");
	says("gogc", "GOGC is off, and the memory limit lets the heap grow to at most 1000.0 MB");
}

/* A chunk with free pages: @run of them in each 16, or all. */
static struct heap_chunk chunk;
static uint64_t free_in_pieces(uint64_t run)
{
	chunk.address = 0xc000000000;
	for (unsigned i = 0; i < HEAP_CHUNK_PAGES / 64; i++)
		chunk.allocated[i] = ~(run * UINT64_C(0x0001000100010001));
	now.ledger.heap.chunks = &chunk;
	now.ledger.heap.nr_chunks = 1;
	return (uint64_t)__builtin_popcountll(run) * (HEAP_CHUNK_PAGES / 16) * HEAP_PAGE_BYTES;
}

/* One chunk is less than anybody asks about; the same one again and again is not. */
static void test_page_size(void **state)
{
	static struct heap_chunk chunks[64];
	uint64_t free = free_in_pieces(0x3f80) * 64; /* seven pages, of which none of 64 KiB is full */

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		chunks[i] = chunk;
		chunks[i].address += i * HEAP_CHUNK_BYTES;
	}
	now.ledger.heap.chunks = chunks;
	now.ledger.heap.nr_chunks = 64;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)free;
	now.ledger.heap.counters.free = free;
	fails("page_size");
	now.thp.page_bytes = 64 << 10;
	holds("page_size", free);
	says("page_size", "which has 64 KiB");
	fails("free_kept");
	fails("free_within_goal");
	/* More than twice as much is free in all: that is not the cause. */
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(2 * free);
	holds("page_size", free);
	now.ledger.bytes[LEDGER_FREE] += 2;
	fails("page_size");
	now.ledger.bytes[LEDGER_FREE] = (int64_t)free;
	now.thp.page_bytes = VALUE_UNKNOWN;
	fails("page_size");
	now.thp.page_bytes = (64 << 10) - 1;
	fails("page_size");
	now.signals.thp = NULL;
	fails("page_size");
}

/* Whole pages of the kernel can be given back, whatever is beside them. */
static void test_page_size_whole_pages(void **state)
{
	static struct heap_chunk chunks[64];

	(void)state;
	free_in_pieces(0x00ff);
	for (unsigned i = 0; i < 64; i++) {
		chunks[i] = chunk;
		chunks[i].address += i * HEAP_CHUNK_BYTES;
	}
	now.ledger.heap.chunks = chunks;
	now.ledger.heap.nr_chunks = 64;
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(128 * MIB);
	now.ledger.heap.counters.free = 128 * MIB;
	now.thp.page_bytes = 64 << 10;
	fails("page_size");
	holds("free_within_goal", 128 * MIB);
}

/* ---- In use ------------------------------------------------------------------------------------------- */

static void test_fragmentation(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_HOLES] = (int64_t)(20 * PERCENT);
	now.ledger.bytes[LEDGER_LIVE] = (int64_t)(60 * PERCENT);
	holds("fragmentation", 20 * PERCENT);
	says("fragmentation", "spans are 75 % occupied");
	now.ledger.bytes[LEDGER_LIVE] += 4;
	fails("fragmentation");
	now.ledger.bytes[LEDGER_LIVE] = 0;
	now.ledger.by_pages = false;
	fails("fragmentation");
}

static void test_memory_limit(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	counters->memory_limit = number(RSS);
	counters->mapped_ready = number(95 * PERCENT);
	holds("memory_limit", 95 * PERCENT);
	says("memory_limit", "95 % of its memory limit of 1000.0 MB");
	counters->mapped_ready.value--;
	fails("memory_limit");
	counters->mapped_ready = number(UINT64_MAX);
	counters->memory_limit = number(ALWAYS);
	fails("memory_limit");
	counters->memory_limit = number(0);
	fails("memory_limit");
	counters->memory_limit = (struct heap_number){ 0 };
	fails("memory_limit");
	counters->memory_limit = number(RSS);
	counters->mapped_ready = number(RSS);
	holds("memory_limit", RSS);
	counters->mapped_ready.known = false;
	fails("memory_limit");
	counters->mapped_ready.known = true;
	now.ledger.by_pages = false;
	fails("memory_limit");
}

static void test_gogc(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.bytes[LEDGER_NEW] = (int64_t)(30 * PERCENT);
	says("gogc", "GOGC=100 lets the heap grow to 200.0 MB");
	counters->percent_goal = number(UINT64_MAX); /* GOGC was off when it was set */
	says("gogc", "cannot be told");
	counters->percent_goal = number(200 * MIB);
	counters->gc_percent = number(UINT32_MAX);
	says("gogc", "GOGC is off");
	counters->gc_percent.known = false;
	says("gogc", "cannot be told");
	counters->gc_percent = number(100);
	counters->percent_goal.known = false;
	says("gogc", "cannot be told");
	now.ledger.by_pages = false;
	fails("gogc");
}

static void test_threads(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_THREADS] = (int64_t)(15 * PERCENT);
	says("thread_stacks", "150.0 MB are stacks of 7 threads");
	now.status.threads = VALUE_UNKNOWN;
	fails("thread_stacks");
	now.signals.status = NULL;
	fails("thread_stacks");
}

/* Named by the larger part; the two count together. */
static void test_c_memory(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_C_HEAP] = now.ledger.bytes[LEDGER_OTHER] = (int64_t)(10 * PERCENT);
	holds("c_memory", 20 * PERCENT);
	now.ledger.bytes[LEDGER_OTHER]++;
	holds("other_memory", 20 * PERCENT + 1);
	fails("c_memory");
	now.ledger.bytes[LEDGER_C_HEAP] -= 2;
	fails("other_memory");
}

static void test_metadata(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_METADATA] = (int64_t)(20 * PERCENT);
	says("metadata", "are the runtime's own: ");
	now.ledger.cgo_or_unknown = true;
	says("metadata", "no more than that");
	now.ledger.by_pages = false; /* the heap may be among it */
	fails("metadata");
}

/* ---- Without the heap ---------------------------------------------------------------------------------- */

static void test_coarse(void **state)
{
	(void)state;
	now.ledger.by_pages = false;
	memset(now.ledger.coarse.text, 'x', sizeof(now.ledger.coarse.text) - 1);
	first("cannot_tell");
	assert_int_equal(now.verdicts[0].bytes, RSS);
	now.ledger.bytes[LEDGER_LIVE] = now.ledger.bytes[LEDGER_FREE] = (int64_t)RSS; /* of a reading that failed */
	first("cannot_tell");
	now.ledger.bytes[LEDGER_HEAP] = (int64_t)(20 * PERCENT);
	holds("cannot_tell", 20 * PERCENT);
	strcpy(now.ledger.coarse.text, "no Go program");
	says("cannot_tell", "cannot be told: no Go program.");
	now.ledger.bytes[LEDGER_HEAP]--;
	holds("cannot_tell", RSS);
	says("cannot_tell", "could not be read page by page (no Go program)");
}

/* ---- Outside of Rss ------------------------------------------------------------------------------------- */

static void test_page_cache(void **state)
{
	struct cgroup_memory *cgroup = &now.cgroup;

	(void)state;
	fails("page_cache"); /* nothing known */
	cgroup->current = 1600 * MIB;
	cgroup->stat.file = 400 * MIB;
	cgroup->stat.kernel = 0;
	holds("page_cache", 400 * MIB);
	cgroup->stat.file--;
	fails("page_cache");
	cgroup->stat.file = 500 * MIB;
	cgroup->stat.shmem = 100 * MIB; /* which the kernel cannot drop */
	holds("page_cache", 400 * MIB);
	cgroup->stat.shmem++;
	fails("page_cache");
	cgroup->stat.shmem = 600 * MIB;
	fails("page_cache");
	now.signals.cgroup = NULL;
	fails("page_cache");
}

/* Half of what else is charged is this process's, or it says nothing about it. */
static void test_page_cache_of_others(void **state)
{
	(void)state;
	now.cgroup.current = 4000 * MIB;
	now.cgroup.stat.file = 2000 * MIB;
	holds("page_cache", 2000 * MIB);
	now.cgroup.stat.file -= 2;
	fails("page_cache");
	now.cgroup.stat.file = 4001 * MIB; /* contradicts itself */
	fails("page_cache");
	now.cgroup.current = RSS - 1; /* this process is charged elsewhere */
	now.cgroup.stat.file = 500 * MIB;
	fails("page_cache");
}

static void test_kernel_memory(void **state)
{
	(void)state;
	now.cgroup.current = 1600 * MIB;
	now.cgroup.stat.file = 0;
	now.cgroup.stat.kernel = 400 * MIB;
	holds("kernel_memory", 400 * MIB);
	now.cgroup.stat.kernel--;
	fails("kernel_memory");
	now.cgroup.stat.kernel = VALUE_UNKNOWN;
	fails("kernel_memory");
}

static void test_virtual(void **state)
{
	(void)state;
	now.status.vm_size = 20 * RSS;
	holds("virtual_only", 19 * RSS);
	now.status.vm_size--;
	fails("virtual_only");
	now.ledger.rss = MIB;
	now.status.vm_size = 2048 * MIB;
	holds("virtual_only", 2047 * MIB);
	now.status.vm_size--; /* as the runtime reserves it, and some threads of glibc */
	first("nothing_notable");
	now.status.vm_size = VALUE_UNKNOWN;
	first("nothing_notable");
	now.signals.status = NULL;
	first("nothing_notable");
}

static void test_chain(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	(void)state;
	now.ledger.rss = 300 * MIB;
	*counters = (struct heap_counters){ .live = number(200 * MIB), .in_use = 220 * MIB, .free = 30 * MIB };
	holds("objects_and_rss", 100 * MIB);
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(10 * MIB); /* the rest was never touched */
	says("objects_and_rss", "objects 200.0 MB, the spans they are in 220.0 MB, with free memory that is kept and "
				"resident 230.0 MB; resident is 300.0 MB");
	counters->live.value++;
	fails("objects_and_rss");
	counters->live = number(UINT64_MAX);
	fails("objects_and_rss");
	counters->live = (struct heap_number){ 0 };
	fails("objects_and_rss");
	counters->live = number(0);
	now.ledger.rss = NOTABLE;
	holds("objects_and_rss", NOTABLE);
	now.ledger.rss--;
	fails("objects_and_rss");
	now.ledger.rss = RSS;
	now.ledger.by_pages = false;
	fails("objects_and_rss");
}

/* ---- Together ------------------------------------------------------------------------------------------- */

static void in_order(const char *const *names, unsigned count)
{
	judge();
	assert_int_equal(now.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(now.verdicts[i].name, names[i]);
}

/* By bytes; where these are equal, in the order of the rules; what is no part of Rss behind them. */
static void test_order(void **state)
{
	(void)state;
	now.ledger.bytes[LEDGER_METADATA] = (int64_t)(20 * PERCENT);
	now.ledger.bytes[LEDGER_STACKS] = (int64_t)(20 * PERCENT);
	now.ledger.bytes[LEDGER_LIVE] = (int64_t)(40 * PERCENT);
	now.ledger.bytes[LEDGER_FREE] = (int64_t)(20 * PERCENT);
	now.ledger.heap.counters.live = number(10 * MIB);
	now.cgroup.current = 10 * RSS;
	now.cgroup.stat.file = 9 * RSS;
	now.status.vm_size = 100 * RSS;
	in_order((const char *const[]){ "live_heap", "free_within_goal", "metadata", "goroutine_stacks", "page_cache",
					"virtual_only", "objects_and_rss" },
		 7);
}

/* What there is beside a small program is an answer, what makes a number of it is not. Rss is told of all the same. */
static void test_nothing_notable_in_rss(void **state)
{
	(void)state;
	now.ledger.heap.counters.live = number(10 * MIB);
	in_order((const char *const[]){ "nothing_notable", "objects_and_rss" }, 2);
	now.cgroup.current = 2 * RSS;
	now.cgroup.stat.file = RSS;
	in_order((const char *const[]){ "page_cache", "nothing_notable", "objects_and_rss" }, 3);
	now.ledger.rss = MIB;
	now.status.vm_size = 3072 * MIB;
	in_order((const char *const[]){ "virtual_only", "nothing_notable" }, 2);
	now.ledger.by_pages = false;
	in_order((const char *const[]){ "virtual_only", "cannot_tell" }, 2);
}

static void test_without_signals(void **state)
{
	(void)state;
	now.signals = (struct verdict_signals){ .ledger = &now.ledger };
	first("nothing_notable");
	memset(&now.ledger, 0, sizeof(now.ledger));
	first("cannot_tell");
	assert_int_equal(now.verdicts[0].bytes, 0);
}

static void scramble(void *bytes, size_t size)
{
	static const unsigned char often[] = { 0, 0xff, 0x7f, 0x80 };

	for (size_t i = 0; i < size; i++)
		((unsigned char *)bytes)[i] = (unsigned char)(rand() % 3 ? often[rand() % (int)sizeof(often)] : rand());
}

/* Any numbers: each part of Rss in order, no overflow that a sanitizer would see, and all sentences whole. */
static void test_hostile(void **state)
{
	struct heap_counters *counters = &now.ledger.heap.counters;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		begin(state);
		scramble(now.ledger.bytes, sizeof(now.ledger.bytes));
		scramble(&now.ledger.rss, offsetof(struct ledger, by_pages) - offsetof(struct ledger, rss));
		scramble(&counters->in_use, 3 * sizeof(uint64_t));
		scramble(&counters->live.value, sizeof(uint64_t));
		scramble(&counters->memory_limit.value, sizeof(uint64_t));
		scramble(&counters->mapped_ready.value, sizeof(uint64_t));
		scramble(&counters->percent_goal.value, sizeof(uint64_t));
		scramble(&counters->gc_percent.value, sizeof(uint64_t));
		scramble(&now.status, offsetof(struct target_status, thp_enabled));
		scramble(&now.cgroup.current, sizeof(uint64_t));
		scramble(&now.cgroup.stat, sizeof(now.cgroup.stat));
		if (rand() % 2)
			now.ledger.rss = (uint64_t)rand() % (64 * MIB);
		judge();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_shares, begin),
		cmocka_unit_test_setup(test_small, begin),
		cmocka_unit_test_setup(test_negative, begin),
		cmocka_unit_test_setup(test_lazy_free, begin),
		cmocka_unit_test_setup(test_lazy_free_advice, begin),
		cmocka_unit_test_setup(test_huge_pages, begin),
		cmocka_unit_test_setup(test_released_by_a_moving_program, begin),
		cmocka_unit_test_setup(test_locked, begin),
		cmocka_unit_test_setup(test_free_within_goal, begin),
		cmocka_unit_test_setup(test_free_without_goal, begin),
		cmocka_unit_test_setup(test_goal_above_the_limit, begin),
		cmocka_unit_test_setup(test_free_beside_holes, begin),
		cmocka_unit_test_setup(test_limit_without_gogc, begin),
		cmocka_unit_test_setup(test_page_size, begin),
		cmocka_unit_test_setup(test_page_size_whole_pages, begin),
		cmocka_unit_test_setup(test_fragmentation, begin),
		cmocka_unit_test_setup(test_memory_limit, begin),
		cmocka_unit_test_setup(test_gogc, begin),
		cmocka_unit_test_setup(test_threads, begin),
		cmocka_unit_test_setup(test_c_memory, begin),
		cmocka_unit_test_setup(test_metadata, begin),
		cmocka_unit_test_setup(test_coarse, begin),
		cmocka_unit_test_setup(test_page_cache, begin),
		cmocka_unit_test_setup(test_page_cache_of_others, begin),
		cmocka_unit_test_setup(test_kernel_memory, begin),
		cmocka_unit_test_setup(test_virtual, begin),
		cmocka_unit_test_setup(test_chain, begin),
		cmocka_unit_test_setup(test_order, begin),
		cmocka_unit_test_setup(test_nothing_notable_in_rss, begin),
		cmocka_unit_test_setup(test_without_signals, begin),
		cmocka_unit_test_setup(test_hostile, begin),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
