// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "go_builder.h"
#include "test_binaries.h"

#include "gctap/madvise.h"
#include "gctap/recipe.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static const struct line_clock wall = { .page_bytes = 4096, .wall_offset_ns = 1000000000000 };
static const struct madvise_period last_ten_seconds = {
	.pid = 77, .start_ns = 4999, .comm = "hog", .ktime_ns = 7000000000, .duration_ns = 10000000000
};

static const struct value *value_of(const struct record *record, const char *field)
{
	int index = record_field_index(record->type, field);

	if (index < 0)
		fail_msg("%s has no field %s", record->type->name, field);
	return &record->values[index];
}

static void assert_number(const struct record *record, const char *field, uint64_t expected)
{
	const struct value *value = value_of(record, field);

	if (!value->known || value->u != expected)
		fail_msg("%s: %s%lld, expected %lld", field, value->known ? "" : "unknown, ", (long long)value->s,
			 (long long)expected);
}

static void assert_text(const struct record *record, const char *field, const char *expected)
{
	assert_true(value_of(record, field)->known);
	assert_string_equal(value_of(record, field)->text, expected);
}

/* Joined by blanks. */
static void assert_texts(const struct record *record, const char *field, const char *expected)
{
	char joined[1024] = "";

	assert_true(value_of(record, field)->known);
	for (const char *const *text = value_of(record, field)->texts; *text; text++) {
		if (joined[0])
			strcat(joined, " ");
		strcat(joined, *text);
	}
	assert_string_equal(joined, expected);
}

static void assert_unknown(const struct record *record, const char *field)
{
	if (value_of(record, field)->known)
		fail_msg("%s is known", field);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static void names_of_advices(void **unused)
{
	(void)unused;
	assert_string_equal(madvise_advice_name(MADV_DONTNEED), "MADV_DONTNEED");
	assert_string_equal(madvise_advice_name(MADV_FREE), "MADV_FREE");
	assert_string_equal(madvise_advice_name(MADV_HUGEPAGE), "MADV_HUGEPAGE");
	assert_string_equal(madvise_advice_name(MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	assert_string_equal(madvise_advice_name(MADV_NORMAL), "MADV_NORMAL");
	assert_string_equal(madvise_advice_name(25), "MADV_COLLAPSE"); /* Linux 6.1: runtime.sysHugePageCollapse */
	assert_string_equal(madvise_advice_name(MADV_HWPOISON), "MADV_HWPOISON");
	assert_null(madvise_advice_name(-1));
	assert_null(madvise_advice_name(5));
	assert_null(madvise_advice_name(INT32_MAX));
	for (int32_t advice = -1; advice < 200; advice++) {
		assert_int_equal(madvise_releases(advice), advice == MADV_DONTNEED || advice == MADV_FREE);
		assert_int_equal(madvise_frees_at_once(advice), advice == MADV_DONTNEED);
		for (int32_t other = advice + 1; other < 200 && madvise_advice_name(advice); other++)
			if (madvise_advice_name(other))
				assert_string_not_equal(madvise_advice_name(advice), madvise_advice_name(other));
	}
}

static void names_of_causes(void **unused)
{
	static const char *const names[] = { "background",  "forced",	       "memory_limit",
					     "heap_growth", "allocator_reuse", "runtime_other",
					     "go_program",  "not_go",	       "unknown" };

	(void)unused;
	assert_int_equal(sizeof(names) / sizeof(names[0]), GCTAP_MADVISE_CAUSES);
	for (uint32_t cause = 0; cause < GCTAP_MADVISE_CAUSES; cause++)
		assert_string_equal(madvise_cause_name(cause), names[cause]);
	assert_string_equal(madvise_cause_name(GCTAP_MADVISE_CAUSES), "unknown");
	assert_string_equal(madvise_cause_name(UINT32_MAX), "unknown");
}

/* ---- Sums ----------------------------------------------------------------------------------- */

static struct madvise_counts counts;
static struct madvise_sums sums;

/* Four calls of the background scavenger: three took about 1 us, one 100 us. */
static void make_counts(void)
{
	memset(&counts, 0, sizeof(counts));
	counts.key = (struct gctap_madvise_key){ .pid = 77, .advice = 4, .cause = GCTAP_MADVISE_BACKGROUND };
	counts.sum.calls = 4;
	counts.sum.bytes = MIB;
	counts.sum.freed_pages[GCTAP_RSS_FILE] = 1;
	counts.sum.freed_pages[GCTAP_RSS_ANON] = 200;
	counts.sum.freed_pages[GCTAP_RSS_SWAP] = 30;
	counts.sum.freed_pages[GCTAP_RSS_SHMEM] = 4;
	counts.sum.migrated = 2;
	counts.sum.latency_ns = 103003;
	counts.sum.latency_max_ns = 100000;
	counts.sum.latency[9] = 1;
	counts.sum.latency[10] = 2;
	counts.sum.latency[16] = 1;
	counts.freed_known = true;
	counts.latency_max_known = true;
}

static const struct record *describe(void)
{
	memset(&sums, 0xa5, sizeof(sums));
	madvise_describe(&counts, &last_ten_seconds, &wall, &sums);
	return &sums.record;
}

static void sums_of_one_kind(void **unused)
{
	const struct record *record;

	(void)unused;
	make_counts();
	record = describe();
	assert_ptr_equal(record->type, &record_madvise);
	assert_null(record->text);
	assert_null(record->origin);
	assert_true(record->wall_ns == 1007000000000);
	assert_number(record, "ktime_ns", 7000000000);
	assert_number(record, "wall_ns", 1007000000000);
	assert_number(record, "pid", 77);
	assert_number(record, "start_ns", 4999);
	assert_text(record, "comm", "hog");
	assert_text(record, "period", "interval");
	assert_number(record, "period_ns", 10000000000);
	assert_text(record, "advice", "MADV_DONTNEED");
	assert_number(record, "advice_number", 4);
	assert_text(record, "cause", "background");
	assert_true(value_of(record, "releases")->truth);
	assert_number(record, "calls", 4);
	assert_number(record, "asked_bytes", MIB);
	assert_number(record, "errors", 0);
	assert_number(record, "error_asked_bytes", 0);
	assert_texts(record, "error_names", "");
	/* What lies in swap is not in memory. */
	assert_number(record, "freed_bytes", 205 * 4096);
	assert_number(record, "freed_file_bytes", 4096);
	assert_number(record, "freed_anon_bytes", 200 * 4096);
	assert_number(record, "freed_swap_bytes", 30 * 4096);
	assert_number(record, "freed_shmem_bytes", 4 * 4096);
	assert_number(record, "migrated_calls", 2);
}

static void what_is_not_known_of_sums(void **unused)
{
	struct madvise_period period = last_ten_seconds;
	const struct record *record;

	(void)unused;
	make_counts();
	counts.freed_known = false;
	counts.key.advice = 99;
	counts.key.cause = 1000;
	record = describe();
	assert_unknown(record, "freed_bytes");
	assert_unknown(record, "freed_anon_bytes");
	assert_unknown(record, "advice");
	assert_number(record, "advice_number", 99);
	assert_text(record, "cause", "unknown");
	assert_false(value_of(record, "releases")->truth);
	counts.key.advice = -1;
	period.start_ns = 0;
	period.total = true;
	madvise_describe(&counts, &period, &wall, &sums);
	assert_number(record, "advice_number", (uint64_t)-1);
	assert_unknown(record, "start_ns");
	assert_text(record, "period", "total");
	/* More became resident meanwhile than was freed. */
	counts.freed_known = true;
	counts.sum.freed_pages[GCTAP_RSS_ANON] = -6;
	record = describe();
	assert_true(value_of(record, "freed_bytes")->s == -4096);
	assert_true(value_of(record, "freed_anon_bytes")->s == -6 * 4096);
}

static void errors_by_name(void **unused)
{
	const struct record *record;

	(void)unused;
	make_counts();
	counts.sum.errors = 8;
	counts.sum.error_bytes = 3 * 4096;
	counts.nr_errors = 3;
	counts.errors[0] = (struct madvise_error){ EINVAL, 5 };
	counts.errors[1] = (struct madvise_error){ ENOMEM, 2 };
	counts.errors[2] = (struct madvise_error){ 4000, UINT64_MAX };
	record = describe();
	assert_number(record, "errors", 8);
	assert_number(record, "error_asked_bytes", 3 * 4096);
	assert_texts(record, "error_names", "EINVAL=5 ENOMEM=2 ?=18446744073709551615");
	counts.nr_errors = MADVISE_ERRORS_MAX;
	for (unsigned i = 0; i < MADVISE_ERRORS_MAX; i++)
		counts.errors[i] = (struct madvise_error){ EPERM, i };
	record = describe();
	assert_string_equal(value_of(record, "error_names")->texts[15], "EPERM=15");
	assert_null(value_of(record, "error_names")->texts[16]);
}

static void latencies(void **unused)
{
	const struct record *record;

	(void)unused;
	make_counts();
	record = describe();
	assert_number(record, "latency_mean_ns", 25750);
	/* The third of four lies in [1024, 2048); the last one's bucket ends behind the longest. */
	assert_number(record, "latency_p50_ns", 2047);
	assert_number(record, "latency_p99_ns", 100000);
	assert_number(record, "latency_max_ns", 100000);
	assert_texts(record, "latency_histogram", "512=1 1024=2 65536=1");
	counts.latency_max_known = false;
	record = describe();
	assert_unknown(record, "latency_max_ns");
	assert_number(record, "latency_p99_ns", 100000);
	/* 99 of 100, and the one that is slower. */
	memset(counts.sum.latency, 0, sizeof(counts.sum.latency));
	counts.sum.calls = 200;
	counts.sum.latency[0] = 198;
	counts.sum.latency[16] = 2;
	assert_number(describe(), "latency_p99_ns", 100000);
	counts.sum.latency[0] = 199;
	counts.sum.latency[16] = 1;
	assert_number(describe(), "latency_p99_ns", 1);
	assert_number(describe(), "latency_p50_ns", 1);
}

/* The last bucket has no end: what is in it can be longer than any power of 2. */
static void latencies_of_seconds(void **unused)
{
	const struct record *record;

	(void)unused;
	make_counts();
	memset(counts.sum.latency, 0, sizeof(counts.sum.latency));
	counts.sum.calls = 1;
	counts.sum.latency[GCTAP_MADVISE_BUCKETS - 1] = 1;
	counts.sum.latency_max_ns = counts.sum.latency_ns = 10000000000;
	record = describe();
	assert_texts(record, "latency_histogram", "2147483648=1");
	assert_number(record, "latency_p50_ns", 10000000000);
	assert_number(record, "latency_p99_ns", 10000000000);
}

/* A reader can see a call in one field and not yet in the next. */
static void sums_read_halfway(void **unused)
{
	const struct record *record;

	(void)unused;
	make_counts();
	memset(counts.sum.latency, 0, sizeof(counts.sum.latency));
	record = describe();
	assert_texts(record, "latency_histogram", "");
	assert_number(record, "latency_p50_ns", 100000);
	memset(&counts.sum, 0, sizeof(counts.sum));
	record = describe();
	assert_unknown(record, "latency_mean_ns");
	assert_unknown(record, "latency_p50_ns");
	assert_unknown(record, "latency_p99_ns");
	assert_number(record, "calls", 0);
	for (unsigned i = 0; i < GCTAP_MADVISE_BUCKETS; i++)
		counts.sum.latency[i] = UINT64_MAX;
	record = describe();
	assert_string_equal(value_of(record, "latency_histogram")->texts[31], "2147483648=18446744073709551615");
	assert_null(value_of(record, "latency_histogram")->texts[32]);
}

/* ---- All that a process gave back ----------------------------------------------------------- */

static void totals_of_a_process(void **unused)
{
	static const struct madvise_memory memory = { true, 9 * MIB, 8 * MIB, 3 * MIB, 2 * MIB, MIB };
	struct madvise_totals totals = { .error_pages = 64, .freed_known = true, .exact = true };
	struct record record;

	(void)unused;
	make_counts();
	madvise_totals_add(&totals, &counts);
	counts.key.advice = 8; /* frees nothing at once, but others may be faster */
	counts.sum.freed_pages[GCTAP_RSS_ANON] = -5;
	madvise_totals_add(&totals, &counts);
	counts.key.advice = 14; /* gives nothing back */
	madvise_totals_add(&totals, &counts);
	assert_true(totals.calls == 12 && totals.migrated == 6 && totals.asked_bytes == 2 * MIB);
	assert_true(totals.freed_pages == 205);
	madvise_describe_totals(&totals, &memory, &last_ten_seconds, &wall, &record);
	assert_ptr_equal(record.type, &record_madvise_summary);
	assert_number(&record, "pid", 77);
	assert_text(&record, "period", "interval");
	assert_number(&record, "calls", 12);
	assert_number(&record, "released_asked_bytes", 2 * MIB);
	assert_number(&record, "released_freed_bytes", 205 * 4096);
	assert_number(&record, "freed_error_bytes", 64 * 4096);
	assert_number(&record, "rss_bytes", 9 * MIB);
	assert_number(&record, "anonymous_bytes", 8 * MIB);
	assert_number(&record, "lazy_free_bytes", 3 * MIB);
	assert_number(&record, "anonymous_huge_bytes", 2 * MIB);
	assert_number(&record, "swap_bytes", MIB);
}

static void what_is_not_known_of_totals(void **unused)
{
	static const struct madvise_memory gone = { .known = false, .rss = 1 };
	struct madvise_totals totals = { .calls = 1, .freed_pages = 2, .freed_known = true };
	struct record record;

	(void)unused;
	madvise_describe_totals(&totals, &gone, &last_ten_seconds, &wall, &record);
	assert_number(&record, "released_freed_bytes", 2 * 4096);
	assert_unknown(&record, "freed_error_bytes"); /* read roughly */
	assert_unknown(&record, "rss_bytes");
	assert_unknown(&record, "swap_bytes");
	totals.freed_known = false;
	totals.exact = true;
	madvise_describe_totals(&totals, &gone, &last_ten_seconds, &wall, &record);
	assert_unknown(&record, "released_freed_bytes");
	assert_unknown(&record, "freed_error_bytes");
}

static void refaults(void **unused)
{
	static const struct refault_totals totals = {
		.released = 100, .unwatched = 20, .judged = { 90, 80, 70 }, .returned = { 9, 8, 7 }
	};
	struct record record;

	(void)unused;
	madvise_describe_refault(&totals, 3, &last_ten_seconds, &wall, &record);
	assert_ptr_equal(record.type, &record_refault);
	assert_number(&record, "pid", 77);
	assert_number(&record, "released_bytes", 100);
	assert_number(&record, "unwatched_bytes", 23);
	assert_number(&record, "judged_1s_bytes", 90);
	assert_number(&record, "judged_10s_bytes", 80);
	assert_number(&record, "judged_60s_bytes", 70);
	assert_number(&record, "returned_1s_bytes", 9);
	assert_number(&record, "returned_10s_bytes", 8);
	assert_number(&record, "returned_60s_bytes", 7);
}

/* ---- Single calls --------------------------------------------------------------------------- */

/* A call of which only its begin, or its end, was seen. */
static void a_part_of_a_call(void **unused)
{
	struct gctap_madvise_event event = { .ktime_ns = 7000000000,
					     .pid = 77,
					     .bytes = MIB,
					     .advice = 4,
					     .facts = GCTAP_MADVISE_FACT_PARTIAL,
					     .comm = "hog" };
	struct madvise_call call;

	(void)unused;
	madvise_describe_call(&event, &wall, &call);
	assert_number(&call.record, "asked_bytes", MIB);
	assert_unknown(&call.record, "duration_ns");
	assert_unknown(&call.record, "freed_bytes");
}

static void single_calls(void **unused)
{
	struct gctap_madvise_event event = { .ktime_ns = 7000000000,
					     .duration_ns = 1234,
					     .start_ns = 4999,
					     .pid = 77,
					     .tid = 78,
					     .address = 0xc000400000,
					     .bytes = MIB,
					     .advice = 4,
					     .cause = GCTAP_MADVISE_FORCED,
					     .freed_pages = { 1, 200, 30, 4 },
					     .facts = GCTAP_MADVISE_FACT_RSS,
					     .comm = "hog" };
	struct madvise_call call;

	(void)unused;
	memset(&call, 0xa5, sizeof(call));
	madvise_describe_call(&event, &wall, &call);
	assert_ptr_equal(call.record.type, &record_madvise_call);
	assert_null(call.record.text);
	assert_true(call.record.wall_ns == 1007000000000);
	assert_number(&call.record, "ktime_ns", 7000000000);
	assert_number(&call.record, "wall_ns", 1007000000000);
	assert_number(&call.record, "pid", 77);
	assert_number(&call.record, "tid", 78);
	assert_number(&call.record, "start_ns", 4999);
	assert_text(&call.record, "comm", "hog");
	assert_text(&call.record, "advice", "MADV_DONTNEED");
	assert_text(&call.record, "cause", "forced");
	assert_number(&call.record, "address", 0xc000400000);
	assert_number(&call.record, "asked_bytes", MIB);
	assert_number(&call.record, "duration_ns", 1234);
	assert_unknown(&call.record, "error");
	assert_number(&call.record, "freed_bytes", 205 * 4096);
	assert_number(&call.record, "freed_swap_bytes", 30 * 4096);
	event.facts = 0;
	event.pid = event.tid = 0;
	event.result = -ENOMEM;
	madvise_describe_call(&event, &wall, &call);
	assert_unknown(&call.record, "freed_bytes");
	assert_unknown(&call.record, "freed_anon_bytes");
	assert_unknown(&call.record, "pid");
	assert_unknown(&call.record, "tid");
	assert_text(&call.record, "error", "ENOMEM");
	event.result = -4000;
	madvise_describe_call(&event, &wall, &call);
	assert_text(&call.record, "error", "?");
}

/* ---- Plans ---------------------------------------------------------------------------------- */

static const struct gctap_madvise_range *range_at(const struct gctap_madvise_process *plan, uint64_t address)
{
	for (unsigned i = 0; i < plan->nr_ranges; i++)
		if (address >= plan->ranges[i].start && address < plan->ranges[i].end)
			return &plan->ranges[i];
	return NULL;
}

static void no_go_program(void **unused)
{
	static const struct gctap_madvise_process nothing;
	struct gctap_madvise_process plan;
	struct failure failure = { "" };

	(void)unused;
	memset(&plan, 0xa5, sizeof(plan));
	assert_int_equal(madvise_plan(NULL, NULL, &plan, &failure), 0);
	assert_memory_equal(&plan, &nothing, sizeof(plan));
	assert_string_equal(failure.text, "");
}

static uint8_t *open_program(const struct go_program *program, struct image **image, struct gobin **gobin)
{
	size_t size;
	uint8_t *file = go_program(program, &size);

	assert_int_equal(image_open_bytes(file, size, image, NULL), 0);
	assert_int_equal(gobin_open(*image, gobin, NULL), 0);
	return file;
}

static void functions_of_a_plan(void **unused)
{
	static const struct go_function functions[] = {
		{ "main.main", GO_TEXT, "main.go", 1 },
		{ "runtime.madvise", GO_TEXT + 32, "sys.s", 1 },
		{ "runtime.bgscavenge", GO_TEXT + 64, "mgcscavenge.go", 1 },
		{ "runtime.bgscavenge.func1", GO_TEXT + 96, "mgcscavenge.go", 2 },
		{ "runtime.bgscavenge.func2", GO_TEXT + 128, "mgcscavenge.go", 3 },
		{ "runtime.(*mheap).scavengeAll", GO_TEXT + 160, "mheap.go", 1 },
		{ "runtime.(*pageAlloc).scavenge", GO_TEXT + 192, "mgcscavenge.go", 4 },
		{ "runtime.(*pageAlloc).scavengeOne", GO_TEXT + 224, "mgcscavenge.go", 5 },
		{ "runtime.(*mheap).allocSpan", GO_TEXT + 256, "mheap.go", 2 },
		{ "runtime.(*mheap).grow", GO_TEXT + 288, "mheap.go", 3 },
	};
	static const uint32_t marks[] = { 0,
					  0,
					  GCTAP_MADVISE_MARK_BACKGROUND,
					  GCTAP_MADVISE_MARK_BACKGROUND,
					  GCTAP_MADVISE_MARK_BACKGROUND,
					  GCTAP_MADVISE_MARK_FORCED,
					  GCTAP_MADVISE_MARK_SCAVENGE,
					  GCTAP_MADVISE_MARK_SCAVENGE,
					  GCTAP_MADVISE_MARK_ALLOC,
					  GCTAP_MADVISE_MARK_GROW };
	static const uint8_t code[320] = { 0xc3 };

	(void)unused;
	for (enum pclntab_form form = PCLNTAB_GO12; form <= PCLNTAB_GO120; form++) {
		struct go_program program = {
			.form = form, .functions = functions, .nr_functions = 10, .code = code, .code_size = 320
		};
		struct gctap_madvise_process plan;
		struct image *image;
		struct gobin *gobin;
		uint8_t *file = open_program(&program, &image, &gobin);

		assert_int_equal(madvise_plan(image, gobin, &plan, NULL), 0);
		assert_true(plan.madvise.start == GO_TEXT + 32 && plan.madvise.end == GO_TEXT + 64);
		assert_true(plan.start_code == GO_TEXT && plan.text_start == GO_TEXT && plan.text_end == GO_TEXT + 320);
		assert_true(plan.limit_address == 0 && plan.mapped_ready_address == 0);
		assert_true(plan.execs == 0 && plan.execs_allowed == 0);
		/* The closures are on the stack of old versions only. */
		assert_int_equal(plan.nr_ranges, form == PCLNTAB_GO120 ? 6 : 8);
		for (unsigned i = 0; i < 10; i++) {
			const struct gctap_madvise_range *range = range_at(&plan, functions[i].entry + 31);
			bool closure = i == 3 || i == 4;

			if (!marks[i] || (closure && form == PCLNTAB_GO120)) {
				assert_null(range);
				continue;
			}
			assert_non_null(range);
			assert_int_equal(range->mark, marks[i]);
			assert_true(range->start == functions[i].entry && range->end == functions[i].entry + 32);
		}
		gobin_close(gobin);
		image_close(image);
		free(file);
	}
}

/* There is a limit, but not to be found: then nobody knows what it was, and it is not said to be growth. */
static void limit_that_is_not_found(void **unused)
{
	static const struct go_function functions[] = {
		{ "runtime.madvise", GO_TEXT, "sys.s", 1 },
		{ "runtime.gcControllerCommit", GO_TEXT + 32, "mgcpacer.go", 1 },
		{ "runtime.(*gcControllerState).memoryLimitHeapGoal", GO_TEXT + 64, "mgcpacer.go", 2 },
	};
	static const uint8_t code[96] = { 0xc3 };
	struct go_program program = {
		.form = PCLNTAB_GO120, .functions = functions, .nr_functions = 3, .code = code, .code_size = 96
	};
	struct gctap_madvise_process plan;
	struct image *image;
	struct gobin *gobin;
	uint8_t *file = open_program(&program, &image, &gobin);

	(void)unused;
	assert_int_equal(madvise_plan(image, gobin, &plan, NULL), 0);
	assert_true(plan.limit_address == GCTAP_MADVISE_LIMIT_NOT_FOUND);
	gobin_close(gobin);
	image_close(image);
	free(file);
}

static void program_without_madvise(void **unused)
{
	static const struct go_function functions[] = { { "main.main", GO_TEXT, "main.go", 1 } };
	static const uint8_t code[32] = { 0xc3 };
	struct go_program program = {
		.form = PCLNTAB_GO120, .functions = functions, .nr_functions = 1, .code = code, .code_size = 32
	};
	struct failure failure = { "" };
	struct gctap_madvise_process plan;
	struct image *image;
	struct gobin *gobin;
	uint8_t *file = open_program(&program, &image, &gobin);

	(void)unused;
	assert_int_equal(madvise_plan(image, gobin, &plan, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "no runtime.madvise"));
	gobin_close(gobin);
	image_close(image);
	free(file);
}

static void assert_marked(struct gobin *gobin, const struct gctap_madvise_process *plan, const char *name,
			  uint32_t mark)
{
	struct gobin_function function;
	const struct gctap_madvise_range *range;

	if (gobin_function_by_name(gobin, name, &function))
		fail_msg("no %s", name);
	range = range_at(plan, function.entry);
	if (!range || range->mark != mark || range->start != function.entry || range->end != function.end)
		fail_msg("%s is not marked as it should be", name);
}

static void plan_of_program(const char *path)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin = NULL;
	struct gobin_function function;
	struct gctap_madvise_process plan;
	struct recipe_limit limit = { 0 };

	if (image_open(path, &image, &failure) || gobin_open(image, &gobin, &failure) ||
	    madvise_plan(image, gobin, &plan, &failure))
		fail_msg("%s: %s", path, failure.text);
	assert_int_equal(gobin_function_by_name(gobin, "runtime.madvise", &function), 0);
	assert_true(plan.madvise.start == function.entry && plan.madvise.end == function.end);
	assert_true(plan.start_code <= plan.text_start && plan.text_start < plan.text_end);
	assert_non_null(image_segment_at(image, plan.start_code, 1));
	assert_true(image_segment_at(image, plan.start_code, 1)->executable);
	assert_marked(gobin, &plan, "runtime.bgscavenge", GCTAP_MADVISE_MARK_BACKGROUND);
	assert_marked(gobin, &plan, "runtime.(*pageAlloc).scavenge", GCTAP_MADVISE_MARK_SCAVENGE);
	assert_marked(gobin, &plan, "runtime.(*mheap).allocSpan", GCTAP_MADVISE_MARK_ALLOC);
	assert_marked(gobin, &plan, "runtime.(*mheap).grow", GCTAP_MADVISE_MARK_GROW);
	if (!gobin_function_by_name(gobin, "runtime.(*mheap).scavengeAll", &function))
		assert_marked(gobin, &plan, "runtime.(*mheap).scavengeAll", GCTAP_MADVISE_MARK_FORCED);
	for (unsigned i = 0; i < plan.nr_ranges; i++) {
		assert_true(plan.ranges[i].start >= plan.text_start && plan.ranges[i].end <= plan.text_end);
		assert_true(plan.ranges[i].start < plan.ranges[i].end);
	}
	assert_int_equal(!recipe_memory_limit(gobin, &limit, NULL), plan.limit_address != 0);
	assert_true(plan.limit_address == limit.memory_limit && plan.mapped_ready_address == limit.mapped_ready);
	gobin_close(gobin);
	image_close(image);
}

static void plans_of_programs(void **unused)
{
	(void)unused;
	each_test_binary("plans_of_programs", plan_of_program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_advices),
		cmocka_unit_test(names_of_causes),
		cmocka_unit_test(sums_of_one_kind),
		cmocka_unit_test(what_is_not_known_of_sums),
		cmocka_unit_test(errors_by_name),
		cmocka_unit_test(latencies),
		cmocka_unit_test(latencies_of_seconds),
		cmocka_unit_test(sums_read_halfway),
		cmocka_unit_test(totals_of_a_process),
		cmocka_unit_test(what_is_not_known_of_totals),
		cmocka_unit_test(refaults),
		cmocka_unit_test(a_part_of_a_call),
		cmocka_unit_test(single_calls),
		cmocka_unit_test(no_go_program),
		cmocka_unit_test(functions_of_a_plan),
		cmocka_unit_test(limit_that_is_not_found),
		cmocka_unit_test(program_without_madvise),
		cmocka_unit_test(plans_of_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
