// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/scav_comparison.h"

/* A line of Go 1.27; @work is the eager work of a forced one. */
static const char *line_of(unsigned work, unsigned now, const char *end)
{
	static char lines[4][256];
	static unsigned at;
	char *line = lines[at++ % 4];
	unsigned eager = strstr(end, "forced") ? work : 0;

	snprintf(line, sizeof(lines[0]), "scav %u KiB work (bg), %u KiB work (eager), %u KiB now, %u%% util%s",
		 work - eager, eager, now, now % 100, end);
	return line;
}

static void gctap(struct scav_comparison *comparison, const char *text)
{
	assert_int_equal(scav_comparison_add_gctap(comparison, text), 0);
}

static void runtime_kind(struct scav_comparison *comparison, enum scav_line_kind kind, const char *text)
{
	struct scav_line line = { .kind = kind, .text = text };

	assert_int_equal(scav_comparison_add_runtime(comparison, &line), 0);
}

static void runtime(struct scav_comparison *comparison, const char *text)
{
	runtime_kind(comparison, SCAV_LINE_WHOLE, text);
}

static void both(struct scav_comparison *comparison, const char *text)
{
	gctap(comparison, text);
	runtime(comparison, text);
}

/* Lines @first to @last that differ from each other in their work. */
static void both_from_to(struct scav_comparison *comparison, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		both(comparison, line_of(i, 1000 + i, ""));
}

static const struct scav_comparison_field *field(const struct scav_comparison_result *result, const char *name)
{
	for (size_t i = 0; i < result->nr_fields; i++) {
		if (strcmp(result->fields[i].name, name) == 0)
			return &result->fields[i];
	}
	fail_msg("no field %s", name);
	return NULL;
}

struct counts {
	uint64_t equal, moved, differing, only_gctap, only_runtime, torn, torn_away, lost_at_exit, forced;
	enum comparison_verdict verdict;
};

static const struct scav_comparison_result *assert_result(struct scav_comparison *comparison, struct counts expected)
{
	const struct scav_comparison_result *result = scav_comparison_finish(comparison);

	assert_int_equal(result->equal, expected.equal);
	assert_int_equal(result->moved, expected.moved);
	assert_int_equal(result->differing, expected.differing);
	assert_int_equal(result->compared, expected.equal + expected.moved + expected.differing);
	assert_int_equal(result->only_gctap, expected.only_gctap);
	assert_int_equal(result->only_runtime, expected.only_runtime);
	assert_int_equal(result->torn, expected.torn);
	assert_int_equal(result->torn_away, expected.torn_away);
	assert_int_equal(result->lost_at_exit, expected.lost_at_exit);
	assert_int_equal(result->forced, expected.forced);
	assert_int_equal(result->verdict, expected.verdict);
	return result;
}

static char *printed(const struct scav_comparison_result *result)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	scav_comparison_print(result, to);
	fclose(to);
	return text;
}

static void nothing_is_not_equal(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();

	(void)state;
	assert_result(comparison, (struct counts){ .verdict = COMPARISON_NOTHING });
	scav_comparison_free(comparison);
	scav_comparison_free(NULL);

	comparison = scav_comparison_new();
	gctap(comparison, line_of(1, 1, ""));
	assert_result(comparison, (struct counts){ .lost_at_exit = 1, .verdict = COMPARISON_NOTHING });
	scav_comparison_free(comparison);

	/* What is open is freed without an end as well. */
	comparison = scav_comparison_new();
	gctap(comparison, line_of(1, 1, ""));
	runtime_kind(comparison, SCAV_LINE_TORN, "scav x");
	scav_comparison_free(comparison);
}

static void equal_lines(void **state)
{
	static const char *const lines[] = {
		"scav 8 KiB work, 63840 KiB total, 7% util",
		"scav 6 16 KiB work, 32784 KiB total, 22% util",
		"scav 7 4096 KiB work, 32864 KiB total, 57% util (forced)",
		"scav 0 KiB work, 4232 KiB total, 98% util [controller reset]",
		"scav 5184 KiB work (bg), 0 KiB work (eager), 9232 KiB now, 82% util",
	};
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		both(comparison, lines[i]);
	result = assert_result(comparison, (struct counts){ .equal = 5, .forced = 1, .verdict = COMPARISON_EQUAL });
	assert_int_equal(result->controller_reset, 1);
	assert_int_equal(field(result, "released_now")->equal, 5);
	assert_int_equal(field(result, "work")->equal, 4);
	assert_int_equal(field(result, "work_eager")->equal, 1);
	assert_int_equal(field(result, "generation")->equal, 2);
	scav_comparison_free(comparison);
}

/* One side can be far ahead, and the two kinds come in another order. */
static void joins_in_order_of_each_kind(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		gctap(comparison, line_of(i % 3, i, i % 10 ? "" : " (forced)"));
	for (unsigned i = 0; i < 1000; i += 10)
		runtime(comparison, line_of(i % 3, i, " (forced)"));
	for (unsigned i = 0; i < 1000; i++) {
		if (i % 10)
			runtime(comparison, line_of(i % 3, i, ""));
	}
	assert_result(comparison, (struct counts){ .equal = 1000, .forced = 100, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);
}

static void gauges_move(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;

	(void)state;
	both_from_to(comparison, 1, 3);
	gctap(comparison, "scav 4 KiB work (bg), 0 KiB work (eager), 500 KiB now, 7% util");
	runtime(comparison, "scav 4 KiB work (bg), 0 KiB work (eager), 9500 KiB now, 7% util");
	gctap(comparison, "scav 5 KiB work (bg), 0 KiB work (eager), 500 KiB now, 99% util");
	runtime(comparison, "scav 5 KiB work (bg), 0 KiB work (eager), 499 KiB now, 96% util");
	result = assert_result(comparison, (struct counts){ .equal = 3, .moved = 2, .verdict = COMPARISON_EQUAL });
	assert_int_equal(field(result, "released_now")->moved, 2);
	assert_int_equal(field(result, "released_now")->differing, 0);
	assert_int_equal(field(result, "released_now")->largest_distance, 9000);
	assert_int_equal(field(result, "utilization")->moved, 1);
	assert_int_equal(field(result, "utilization")->equal, 4);
	assert_int_equal(field(result, "utilization")->largest_distance, 3);
	assert_string_equal(field(result, "released_now")->unit, "KiB");
	assert_int_equal(result->nr_differences, 0);
	scav_comparison_free(comparison);
}

/* What is released between gctap's read and the runtime's is in its line alone. */
static void work_moves(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;

	(void)state;
	both_from_to(comparison, 1, 30);
	gctap(comparison, "scav 0 KiB work (bg), 8632 KiB work (eager), 11424 KiB now, 0% util");
	runtime(comparison, "scav 0 KiB work (bg), 8680 KiB work (eager), 11424 KiB now, 0% util");
	both_from_to(comparison, 32, 60);
	result = assert_result(comparison, (struct counts){ .equal = 59, .moved = 1, .verdict = COMPARISON_EQUAL });
	assert_int_equal(field(result, "work_eager")->moved, 1);
	assert_int_equal(field(result, "work_eager")->largest_distance, 48);
	assert_string_equal(field(result, "work_eager")->unit, "KiB");
	scav_comparison_free(comparison);
}

static void work_moves_by_a_step_and_forward(void **state)
{
	static const struct {
		unsigned gctap, runtime;
		bool moved;
	} cases[] = { { 100, 164, true }, { 100, 165, false }, { 100, 99, false }, { 1000, 36, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scav_comparison *comparison = scav_comparison_new();

		both_from_to(comparison, 1, 30);
		gctap(comparison, line_of(cases[i].gctap, 500, ""));
		runtime(comparison, line_of(cases[i].runtime, 500, ""));
		assert_result(comparison,
			      (struct counts){ .equal = 30,
					       .moved = cases[i].moved,
					       .differing = !cases[i].moved,
					       .verdict = cases[i].moved ? COMPARISON_EQUAL : COMPARISON_DIFFERENT });
		scav_comparison_free(comparison);
	}
}

/* A number that is always behind is no race. */
static void work_moves_as_an_exception(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;
	char *text;

	(void)state;
	both_from_to(comparison, 1, 10);
	for (unsigned i = 0; i < 3; i++) {
		gctap(comparison, line_of(100, 500, ""));
		runtime(comparison, line_of(164, 500, ""));
	}
	result = assert_result(comparison, (struct counts){ .equal = 10, .moved = 3, .verdict = COMPARISON_DIFFERENT });
	assert_true(field(result, "work_background")->moved_too_often);
	assert_false(field(result, "work_eager")->moved_too_often);
	text = printed(result);
	assert_non_null(strstr(text, " 3  by up to 64 KiB; too often to be chance\n"));
	free(text);
	scav_comparison_free(comparison);
}

static void names_what_differs(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;

	(void)state;
	both_from_to(comparison, 1, 30);
	gctap(comparison, "scav 777 KiB work (bg), 0 KiB work (eager), 500 KiB now, 7% util [controller reset]");
	runtime(comparison, "scav 31 KiB work (bg), 0 KiB work (eager), 501 KiB now, 7% util");
	both_from_to(comparison, 32, 60);
	gctap(comparison, "scav 61 KiB work (bg), ? KiB work (eager), ? KiB now, 7% util");
	runtime(comparison, "scav 61 KiB work (bg), 0 KiB work (eager), 501 KiB now, 7% util");
	gctap(comparison, "not a line");
	runtime(comparison, "scav 62 KiB work (bg), 0 KiB work (eager), 501 KiB now, 7% util");
	gctap(comparison, "scav 63 KiB work (bg), 0 KiB work (eager), 1 KiB total, 7% util");
	runtime(comparison, "scav 63 KiB work (bg), 0 KiB work (eager), 1 KiB now, 7% util");
	both_from_to(comparison, 64, 70);
	result = assert_result(comparison,
			       (struct counts){ .equal = 66, .differing = 4, .verdict = COMPARISON_DIFFERENT });
	assert_int_equal(result->nr_differences, 4);
	assert_int_equal(result->differences[0].gctap_line, 31);
	assert_int_equal(result->differences[0].runtime_line, 31);
	assert_memory_equal(result->differences[0].gctap, "scav 777 ", 9);
	assert_memory_equal(result->differences[0].runtime, "scav 31 ", 8);
	assert_int_equal(result->differences[0].nr_fields, 2);
	assert_string_equal(result->differences[0].fields[0], "work_background");
	assert_string_equal(result->differences[0].fields[1], "controller_reset");
	assert_int_equal(result->differences[1].nr_fields, 2);
	assert_string_equal(result->differences[1].fields[0], "work_eager");
	assert_string_equal(result->differences[1].fields[1], "released_now");
	assert_string_equal(result->differences[2].fields[0], "text");
	assert_string_equal(result->differences[3].fields[0], "text");
	assert_int_equal(field(result, "work_background")->differing, 1);
	assert_int_equal(field(result, "work_eager")->missing, 1);
	assert_int_equal(field(result, "released_now")->moved, 1);
	scav_comparison_free(comparison);
}

static void flag_that_one_side_lacks(void **state)
{
	static const char *const lines[] = { "scav 31 KiB work (bg), 0 KiB work (eager), 501 KiB now, 7% util",
					     "scav 31 KiB work (bg), 0 KiB work (eager), 501 KiB now, 7% util "
					     "[controller reset]" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct scav_comparison *comparison = scav_comparison_new();
		const struct scav_comparison_result *result;

		both_from_to(comparison, 1, 30);
		gctap(comparison, lines[i]);
		runtime(comparison, lines[1 - i]);
		result = assert_result(comparison,
				       (struct counts){ .equal = 30, .differing = 1, .verdict = COMPARISON_DIFFERENT });
		assert_string_equal(result->differences[0].fields[0], "controller_reset");
		scav_comparison_free(comparison);
	}
}

/* A line that only one side has is told, and those behind it are equal. */
static void one_missing_line(void **state)
{
	for (unsigned missing = 1; missing <= 100; missing += 11) {
		struct scav_comparison *comparison = scav_comparison_new();
		const struct scav_comparison_result *result;

		(void)state;
		for (unsigned i = 1; i <= 110; i++) {
			gctap(comparison, line_of(i % 9 ? 0 : i, i, ""));
			if (i != missing)
				runtime(comparison, line_of(i % 9 ? 0 : i, i, ""));
		}
		result = assert_result(
			comparison, (struct counts){ .equal = 109, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
		assert_int_equal(result->differences[0].gctap_line, missing);
		assert_null(result->differences[0].runtime);
		scav_comparison_free(comparison);

		comparison = scav_comparison_new();
		for (unsigned i = 1; i <= 110; i++) {
			/* All gauges have moved a little. */
			runtime(comparison, line_of(7 * i, i + 1, ""));
			if (i != missing)
				gctap(comparison, line_of(7 * i, i, ""));
		}
		result = assert_result(
			comparison,
			(struct counts){ .moved = 109, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
		assert_int_equal(result->differences[0].runtime_line, missing);
		assert_null(result->differences[0].gctap);
		scav_comparison_free(comparison);
	}
}

/*
 * Forced lines that say all the same, but for gauges that have moved; the runtime
 * has none for one of them. @missing others are missing before. Only the lines
 * between them tell which one it is.
 */
static void check_sparse_lines(unsigned missing)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;
	char gauges[2][100];

	for (unsigned i = 1; i <= missing; i++) {
		gctap(comparison, line_of(10000 + i, i, ""));
		both_from_to(comparison, 6 * i, 6 * i + 4);
	}
	for (unsigned i = 1; i <= 10; i++) {
		snprintf(gauges[0], sizeof(gauges[0]), "scav 7 0 KiB work, %u KiB total, %u%% util (forced)", i, i);
		snprintf(gauges[1], sizeof(gauges[1]), "scav 7 0 KiB work, %u KiB total, %u%% util (forced)", 90 + i,
			 90 - i);
		gctap(comparison, gauges[0]);
		if (i != 4)
			runtime(comparison, gauges[1]);
		both_from_to(comparison, 1000 * i, 1000 * i + 12);
	}
	result = assert_result(comparison, (struct counts){ .equal = 130 + 5 * missing,
							    .moved = 9,
							    .only_gctap = 1 + missing,
							    .forced = 9,
							    .verdict = COMPARISON_DIFFERENT });
	assert_string_equal(result->differences[missing].gctap, "scav 7 0 KiB work, 4 KiB total, 4% util (forced)");
	scav_comparison_free(comparison);
}

static void the_place_counts(void **state)
{
	(void)state;
	check_sparse_lines(0);
	check_sparse_lines(13);
}

static void torn_lines_take_their_place(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;

	(void)state;
	both_from_to(comparison, 1, 3);
	gctap(comparison, line_of(4, 4, ""));
	runtime_kind(comparison, SCAV_LINE_TORN, "scav 4hello");
	both_from_to(comparison, 5, 6);
	gctap(comparison, line_of(7, 7, " (forced)"));
	runtime_kind(comparison, SCAV_LINE_TORN, "scav tick7");
	both_from_to(comparison, 8, 40);
	assert_result(comparison,
		      (struct counts){ .equal = 38, .torn = 2, .torn_away = 2, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);

	/* Where all lines are alike, nobody can say which one it was. */
	comparison = scav_comparison_new();
	for (unsigned i = 0; i < 100; i++) {
		gctap(comparison, line_of(0, 0, ""));
		if (i == 50)
			runtime_kind(comparison, SCAV_LINE_TORN, "scav 0hello");
		else
			runtime(comparison, line_of(0, 0, ""));
	}
	assert_result(comparison,
		      (struct counts){ .equal = 99, .torn = 1, .torn_away = 1, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);

	/* gctap must have it. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 3);
	runtime_kind(comparison, SCAV_LINE_TORN, "scav 4hello");
	both_from_to(comparison, 5, 6);
	result = assert_result(
		comparison,
		(struct counts){ .equal = 5, .torn = 1, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
	assert_string_equal(result->differences[0].runtime, "scav 4hello");
	assert_int_equal(result->differences[0].runtime_line, 4);
	scav_comparison_free(comparison);

	/* Every second one of each kind. */
	comparison = scav_comparison_new();
	for (unsigned i = 0; i < 200; i++) {
		gctap(comparison, line_of(i, i, i & 2 ? " (forced)" : ""));
		if (i & 1)
			runtime_kind(comparison, SCAV_LINE_TORN, "scav 4hello");
		else
			runtime(comparison, line_of(i, i + 1, i & 2 ? " (forced)" : ""));
	}
	assert_result(comparison,
		      (struct counts){
			      .moved = 100, .torn = 100, .torn_away = 100, .forced = 50, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);

	/* One torn line excuses one line. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 3);
	gctap(comparison, line_of(4, 4, ""));
	gctap(comparison, line_of(4, 4, " (forced)"));
	runtime_kind(comparison, SCAV_LINE_TORN, "scav 4hello");
	both_from_to(comparison, 5, 9);
	assert_result(
		comparison,
		(struct counts){
			.equal = 8, .torn = 1, .torn_away = 1, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	scav_comparison_free(comparison);
}

static void the_end_is_no_failure(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();

	(void)state;
	both_from_to(comparison, 1, 30);
	gctap(comparison, line_of(31, 31, ""));
	gctap(comparison, line_of(32, 32, " (forced)"));
	assert_result(comparison, (struct counts){ .equal = 30, .lost_at_exit = 2, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);

	/* Cut off in the middle of it; and by what can be a program's last words. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 30);
	gctap(comparison, line_of(31, 31, ""));
	runtime_kind(comparison, SCAV_LINE_TRUNCATED, "scav 31 K");
	assert_result(comparison, (struct counts){ .equal = 30, .lost_at_exit = 1, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 30);
	runtime_kind(comparison, SCAV_LINE_TRUNCATED, "scav ");
	assert_result(comparison, (struct counts){ .equal = 30, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);

	/* But gctap must have what the runtime began to print. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 30);
	runtime_kind(comparison, SCAV_LINE_TRUNCATED, "scav 31 K");
	assert_result(comparison, (struct counts){ .equal = 30, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
	scav_comparison_free(comparison);

	/* And it is no other line of gctap's. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 30);
	gctap(comparison, line_of(31, 31, ""));
	both_from_to(comparison, 32, 60);
	runtime_kind(comparison, SCAV_LINE_TRUNCATED, "scav 61 K");
	assert_result(
		comparison,
		(struct counts){ .equal = 59, .only_gctap = 1, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
	scav_comparison_free(comparison);

	/* A forced line may be overtaken, but not by many. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 3);
	gctap(comparison, line_of(1, 1, " (forced)"));
	both_from_to(comparison, 4, 5);
	assert_result(comparison, (struct counts){ .equal = 5, .lost_at_exit = 1, .verdict = COMPARISON_EQUAL });
	scav_comparison_free(comparison);
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 3);
	gctap(comparison, line_of(1, 1, " (forced)"));
	both_from_to(comparison, 4, 6);
	assert_result(comparison, (struct counts){ .equal = 6, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	scav_comparison_free(comparison);

	/* What the runtime never printed is no end: nor is a line before others of its kind. */
	comparison = scav_comparison_new();
	both_from_to(comparison, 1, 28);
	gctap(comparison, line_of(29, 29, ""));
	both_from_to(comparison, 30, 30);
	assert_result(comparison, (struct counts){ .equal = 29, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	scav_comparison_free(comparison);
}

static uint32_t next_random(uint32_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random;
}

static const char *random_line(uint32_t *random, uint32_t *now, bool forced, uint32_t moved)
{
	static char line[256];
	uint32_t work = next_random(random) % 3 ? 0 : next_random(random) % 6000;

	*now = (*now + next_random(random) % 400 - 180) % 60000;
	snprintf(line, sizeof(line), "scav %u KiB work (bg), %u KiB work (eager), %u KiB now, %u%% util%s",
		 forced ? 0 : work, forced ? work : 0, *now + moved, *now / 600, forced ? " (forced)" : "");
	return line;
}

/*
 * A run as of a program that logs without rest: one line in four is torn, one in
 * twelve has moved, one in ten is forced. @missing (0: none) is left out by gctap.
 */
static void add_random_run(struct scav_comparison *comparison, uint32_t *random, unsigned lines, unsigned missing)
{
	uint32_t now = 30000;

	for (unsigned i = 1; i <= lines; i++) {
		uint32_t before = *random, now_before = now, moved = i % 12 ? 0 : 4 * (i % 70);
		bool forced = i % 10 == 0, torn = i % 4 == *random % 3;

		if (torn)
			runtime_kind(comparison, SCAV_LINE_TORN, "scav 0hello");
		else
			runtime(comparison, random_line(random, &now, forced, moved));
		*random = before;
		now = now_before;
		if (i == missing)
			random_line(random, &now, forced, 0);
		else
			gctap(comparison, random_line(random, &now, forced, 0));
	}
}

static void finds_its_way_through_torn_lines(void **state)
{
	uint32_t random = 20260102;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct scav_comparison *comparison = scav_comparison_new();
		const struct scav_comparison_result *result;
		unsigned missing = round % 2 ? 100 + round : 0;

		add_random_run(comparison, &random, 500, missing);
		result = scav_comparison_finish(comparison);
		assert_in_range(result->torn, 50, 200);
		assert_int_equal(result->lost_at_exit, 0);
		if (missing) {
			assert_int_equal(result->verdict, COMPARISON_DIFFERENT);
			/* Beside a torn line, one that is missing can look like one that differs. */
			assert_in_range(result->differing + result->only_gctap + result->only_runtime, 1, 2);
		} else {
			assert_int_equal(result->verdict, COMPARISON_EQUAL);
			assert_int_equal(result->torn_away, result->torn);
		}
		scav_comparison_free(comparison);
	}
}

/* Both sides may come in any interleaving. */
static void interleaving_does_not_matter(void **state)
{
	enum { LINES = 300 };
	char *lines[LINES];

	(void)state;
	for (unsigned i = 0; i < LINES; i++)
		lines[i] = strdup(line_of(i % 5 ? 0 : i, i / 2, i % 7 ? "" : " (forced)"));
	for (unsigned ahead = 0; ahead <= LINES; ahead += 50) {
		struct scav_comparison *comparison = scav_comparison_new();

		for (unsigned i = 0; i < LINES + ahead; i++) {
			if (i < LINES && i % 45 != 20)
				gctap(comparison, lines[i]);
			if (i >= ahead && (i - ahead) % 90 == 50)
				runtime_kind(comparison, SCAV_LINE_TORN, "scav x");
			else if (i >= ahead)
				runtime(comparison, lines[i - ahead]);
		}
		assert_result(comparison, (struct counts){ .equal = 290,
							   .only_runtime = 7,
							   .torn = 3,
							   .torn_away = 3,
							   .forced = 41,
							   .verdict = COMPARISON_DIFFERENT });
		scav_comparison_free(comparison);
	}
	for (unsigned i = 0; i < LINES; i++)
		free(lines[i]);
}

static void list_is_bounded(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	const struct scav_comparison_result *result;
	char *text;

	(void)state;
	for (unsigned i = 1; i <= 1000; i++) {
		gctap(comparison, line_of(2 * i + 1, i, ""));
		runtime(comparison, line_of(2 * i, i, ""));
	}
	result = assert_result(comparison, (struct counts){ .differing = 1000, .verdict = COMPARISON_DIFFERENT });
	assert_int_equal(result->nr_differences, SCAV_COMPARISON_DIFFERENCES_MAX);
	assert_int_equal(result->unlisted, 1000 - SCAV_COMPARISON_DIFFERENCES_MAX);
	assert_int_equal(result->differences[99].gctap_line, 100);
	text = printed(result);
	assert_non_null(strstr(text, "900 more differences"));
	assert_non_null(strstr(text, "\nscav line: work_background\n  gctap    scav 3 KiB"));
	assert_string_equal(text + strlen(text) - strlen("\ndifferent\n"), "\ndifferent\n");
	free(text);
	scav_comparison_free(comparison);
}

static void prints_a_table(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	char *text;

	(void)state;
	both_from_to(comparison, 1, 9);
	gctap(comparison, "scav 10 KiB work (bg), 0 KiB work (eager), 500 KiB now, 7% util");
	runtime(comparison, "scav 10 KiB work (bg), 0 KiB work (eager), 516 KiB now, 7% util");
	text = printed(scav_comparison_finish(comparison));
	assert_string_equal(text,
			    "scav lines compared              10\n"
			    "  equal                           9\n"
			    "  moved while printed             1\n"
			    "  differing                       0\n"
			    "  forced                          0\n"
			    "only gctap has                    0\n"
			    "only the runtime has              0\n"
			    "\n"
			    "field                         equal  differing    missing      moved\n"
			    "work_background                  10          0          0          0\n"
			    "work_eager                       10          0          0          0\n"
			    "released_now                      9          0          0          1  by up to 16 KiB\n"
			    "utilization                      10          0          0          0\n"
			    "\n"
			    "equal\n");
	free(text);
	scav_comparison_free(comparison);
}

static void json_is_the_contract(void **state)
{
	struct scav_comparison *comparison = scav_comparison_new();
	json_t *json;
	char *text;

	(void)state;
	both(comparison, "scav 1 KiB work, 2 KiB total, 3% util");
	gctap(comparison, "scav 4 KiB work, 2 KiB total, 3% util");
	runtime(comparison, "scav 3 KiB work, 5 KiB total, 3% util");
	runtime(comparison, "\xff");
	json = scav_comparison_json(scav_comparison_finish(comparison));
	assert_non_null(json);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(
		text,
		"{\"lines_compared\":2,\"lines_equal\":1,\"lines_moved\":0,\"lines_differing\":1,"
		"\"lines_only_gctap\":0,\"lines_only_runtime\":1,\"torn\":0,\"lines_torn_away\":0,\"lost_at_exit\":0,"
		"\"forced\":0,\"controller_reset\":0,\"verdict\":\"different\",\"fields\":["
		"{\"name\":\"work\",\"equal\":1,\"differing\":1,\"missing\":0,\"moved\":0,\"moved_too_often\":false,"
		"\"largest_distance\":0,\"unit\":\"KiB\"},"
		"{\"name\":\"released_now\",\"equal\":1,\"differing\":0,\"missing\":0,\"moved\":1,"
		"\"moved_too_often\":false,\"largest_distance\":3,\"unit\":\"KiB\"},"
		"{\"name\":\"utilization\",\"equal\":2,\"differing\":0,\"missing\":0,\"moved\":0,"
		"\"moved_too_often\":false,\"largest_distance\":0,\"unit\":\"percentage points\"}],\"differences\":["
		"{\"gctap_line\":2,\"runtime_line\":2,\"gctap\":\"scav 4 KiB work, 2 KiB total, 3% util\","
		"\"runtime\":\"scav 3 KiB work, 5 KiB total, 3% util\",\"fields\":[\"work\"]},"
		"{\"gctap_line\":null,\"runtime_line\":3,\"gctap\":null,\"runtime\":\"\\\\xff\",\"fields\":[]}]}");
	free(text);
	json_decref(json);
	scav_comparison_free(comparison);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_not_equal),
		cmocka_unit_test(equal_lines),
		cmocka_unit_test(joins_in_order_of_each_kind),
		cmocka_unit_test(gauges_move),
		cmocka_unit_test(work_moves),
		cmocka_unit_test(work_moves_by_a_step_and_forward),
		cmocka_unit_test(work_moves_as_an_exception),
		cmocka_unit_test(names_what_differs),
		cmocka_unit_test(flag_that_one_side_lacks),
		cmocka_unit_test(one_missing_line),
		cmocka_unit_test(the_place_counts),
		cmocka_unit_test(torn_lines_take_their_place),
		cmocka_unit_test(the_end_is_no_failure),
		cmocka_unit_test(finds_its_way_through_torn_lines),
		cmocka_unit_test(interleaving_does_not_matter),
		cmocka_unit_test(list_is_bounded),
		cmocka_unit_test(prints_a_table),
		cmocka_unit_test(json_is_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
