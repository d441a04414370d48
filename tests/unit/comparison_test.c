// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/comparison.h"

/* The line of a cycle; @goal and @end make lines differ. */
static const char *line_of(uint32_t cycle, unsigned int goal, const char *end)
{
	static char lines[4][256];
	static unsigned int at;
	char *line = lines[at++ % 4];

	snprintf(line, sizeof(lines[0]),
		 "gc %u @0.114s 6%%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 ms cpu, "
		 "30->31->30 MB, %u MB goal, 0 MB stacks, 0 MB globals, 2 P%s",
		 cycle, goal, end);
	return line;
}

static void gctap(struct comparison *comparison, uint32_t cycle, const char *text)
{
	assert_int_equal(comparison_add_gctap(comparison, cycle, text), 0);
}

static void runtime(struct comparison *comparison, enum trace_line_kind kind, uint32_t cycle, bool read,
		    const char *text)
{
	struct trace_line line = { .kind = kind, .cycle = cycle, .cycle_read = read, .text = text };

	assert_int_equal(comparison_add_runtime(comparison, &line), 0);
}

static void both(struct comparison *comparison, uint32_t cycle)
{
	gctap(comparison, cycle, line_of(cycle, 4, ""));
	runtime(comparison, TRACE_LINE_WHOLE, cycle, true, line_of(cycle, 4, ""));
}

static const struct comparison_field *field(const struct comparison_result *result, const char *name)
{
	for (size_t i = 0; i < result->nr_fields; i++) {
		if (strcmp(result->fields[i].name, name) == 0)
			return &result->fields[i];
	}
	fail_msg("no field %s", name);
	return NULL;
}

static void assert_field(const struct comparison_result *result, const char *name, uint64_t equal, uint64_t differing,
			 uint64_t missing)
{
	assert_int_equal(field(result, name)->equal, equal);
	assert_int_equal(field(result, name)->differing, differing);
	assert_int_equal(field(result, name)->missing, missing);
}

struct counts {
	uint64_t equal, differing, only_gctap, only_runtime, torn, forced, lost_at_exit, repeated;
	enum comparison_verdict verdict;
};

static const struct comparison_result *assert_result(struct comparison *comparison, struct counts expected)
{
	const struct comparison_result *result = comparison_finish(comparison);

	assert_int_equal(result->equal, expected.equal);
	assert_int_equal(result->differing, expected.differing);
	assert_int_equal(result->compared, expected.equal + expected.differing);
	assert_int_equal(result->only_gctap, expected.only_gctap);
	assert_int_equal(result->only_runtime, expected.only_runtime);
	assert_int_equal(result->torn, expected.torn);
	assert_int_equal(result->forced, expected.forced);
	assert_int_equal(result->lost_at_exit, expected.lost_at_exit);
	assert_int_equal(result->repeated, expected.repeated);
	assert_int_equal(result->verdict, expected.verdict);
	return result;
}

static void nothing_is_not_equal(void **state)
{
	struct comparison *comparison = comparison_new();

	(void)state;
	assert_result(comparison, (struct counts){ .verdict = COMPARISON_NOTHING });
	comparison_free(comparison);
	comparison_free(NULL);

	comparison = comparison_new();
	gctap(comparison, 1, line_of(1, 4, ""));
	assert_result(comparison, (struct counts){ .lost_at_exit = 1, .verdict = COMPARISON_NOTHING });
	comparison_free(comparison);
}

static void joins_in_any_order(void **state)
{
	enum { CYCLES = 20000 };
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;

	(void)state;
	for (uint32_t i = 0; i < CYCLES; i++) {
		/* two different permutations */
		uint32_t first = 1 + i * 7919 % CYCLES, second = 1 + i * 104729 % CYCLES;

		gctap(comparison, first, line_of(first, 4, first % 5 ? "" : " (forced)"));
		runtime(comparison, i % 3 ? TRACE_LINE_WHOLE : TRACE_LINE_REJOINED, second, true,
			line_of(second, 4, second % 5 ? "" : " (forced)"));
	}
	result = assert_result(comparison,
			       (struct counts){ .equal = CYCLES, .forced = CYCLES / 5, .verdict = COMPARISON_EQUAL });
	assert_int_equal(result->nr_fields, 19);
	assert_field(result, "heap_goal", CYCLES, 0, 0);
	assert_field(result, "forced", CYCLES, 0, 0);
	comparison_free(comparison);
}

static void names_what_differs(void **state)
{
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;

	(void)state;
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 5, " (forced)"));
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, line_of(2, 4, ""));
	gctap(comparison, 3,
	      "gc 3 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 ms cpu, "
	      "30->31->? MB, 4 MB goal, 2 P");
	runtime(comparison, TRACE_LINE_WHOLE, 3, true, line_of(3, 4, ""));
	gctap(comparison, 4, "not a line");
	runtime(comparison, TRACE_LINE_WHOLE, 4, true, line_of(4, 4, ""));
	both(comparison, 5);
	result = assert_result(comparison,
			       (struct counts){ .equal = 2, .differing = 3, .verdict = COMPARISON_DIFFERENT });
	assert_field(result, "cycle", 4, 0, 0);
	assert_field(result, "heap_goal", 3, 1, 0);
	assert_field(result, "forced", 3, 1, 0);
	assert_field(result, "heap_marked", 3, 0, 1);
	assert_field(result, "stacks", 3, 0, 1);
	assert_field(result, "text", 0, 1, 0);
	assert_int_equal(result->nr_differences, 3);
	assert_int_equal(result->unlisted, 0);
	assert_int_equal(result->differences[0].cycle, 2);
	assert_string_equal(result->differences[0].gctap, line_of(2, 5, " (forced)"));
	assert_string_equal(result->differences[0].runtime, line_of(2, 4, ""));
	assert_int_equal(result->differences[0].nr_fields, 2);
	assert_string_equal(result->differences[0].fields[0], "heap_goal");
	assert_string_equal(result->differences[0].fields[1], "forced");
	assert_int_equal(result->differences[1].nr_fields, 3);
	assert_string_equal(result->differences[2].fields[0], "text");
	comparison_free(comparison);
}

static void the_middle_counts(void **state)
{
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;

	(void)state;
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 4, ""));
	runtime(comparison, TRACE_LINE_WHOLE, 3, true, line_of(3, 4, ""));
	both(comparison, 4);
	result = assert_result(
		comparison,
		(struct counts){ .equal = 2, .only_gctap = 1, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
	assert_int_equal(result->nr_differences, 2);
	assert_null(result->differences[0].runtime);
	assert_null(result->differences[1].gctap);
	comparison_free(comparison);

	/* One of each alone is enough. */
	comparison = comparison_new();
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 4, ""));
	both(comparison, 3);
	assert_result(comparison, (struct counts){ .equal = 2, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	comparison_free(comparison);
	comparison = comparison_new();
	both(comparison, 1);
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, line_of(2, 4, ""));
	assert_result(comparison, (struct counts){ .equal = 1, .only_runtime = 1, .verdict = COMPARISON_DIFFERENT });
	comparison_free(comparison);
}

static void torn_and_lost_do_not(void **state)
{
	struct comparison *comparison = comparison_new();

	(void)state;
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 4, ""));
	runtime(comparison, TRACE_LINE_TORN, 2, true, "gc 2 @0.1tick");
	both(comparison, 3);
	gctap(comparison, 4, line_of(4, 4, ""));
	runtime(comparison, TRACE_LINE_TORN, 4, false, "gc tick4");
	both(comparison, 5);
	gctap(comparison, 6, line_of(6, 4, ""));
	runtime(comparison, TRACE_LINE_TRUNCATED, 6, false, "gc ");
	gctap(comparison, 7, line_of(7, 4, ""));
	assert_result(comparison,
		      (struct counts){ .equal = 3, .torn = 2, .lost_at_exit = 2, .verdict = COMPARISON_EQUAL });
	comparison_free(comparison);

	/* But gctap must have a cycle that the runtime is known to have printed a part of. */
	comparison = comparison_new();
	both(comparison, 1);
	runtime(comparison, TRACE_LINE_TORN, 2, true, "gc 2 @0.1tick");
	runtime(comparison, TRACE_LINE_TORN, 3, false, "gc tick");
	runtime(comparison, TRACE_LINE_TRUNCATED, 4, true, "gc 4 @");
	assert_result(comparison,
		      (struct counts){ .equal = 1, .torn = 2, .only_runtime = 2, .verdict = COMPARISON_DIFFERENT });
	comparison_free(comparison);
}

static void repeated_numbers(void **state)
{
	struct comparison *comparison = comparison_new();

	(void)state;
	/* A child's lines on the same standard error, before and after ours. */
	runtime(comparison, TRACE_LINE_WHOLE, 1, true, line_of(1, 99, ""));
	both(comparison, 1);
	both(comparison, 2);
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, line_of(2, 99, ""));
	assert_result(comparison, (struct counts){ .equal = 2, .repeated = 2, .verdict = COMPARISON_EQUAL });
	comparison_free(comparison);

	/* gctap must not show a cycle twice. */
	comparison = comparison_new();
	both(comparison, 1);
	gctap(comparison, 1, line_of(1, 4, ""));
	both(comparison, 2);
	assert_result(comparison, (struct counts){ .equal = 2, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	comparison_free(comparison);
	comparison = comparison_new();
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 4, ""));
	gctap(comparison, 2, line_of(2, 5, ""));
	assert_result(
		comparison,
		(struct counts){ .equal = 1, .lost_at_exit = 1, .only_gctap = 1, .verdict = COMPARISON_DIFFERENT });
	comparison_free(comparison);
}

static void list_is_bounded(void **state)
{
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;
	char *text = NULL;
	size_t size;
	FILE *to;

	(void)state;
	for (uint32_t cycle = 1; cycle <= 1000; cycle++) {
		gctap(comparison, cycle, line_of(cycle, 4, ""));
		runtime(comparison, TRACE_LINE_WHOLE, cycle, true, line_of(cycle, 5, ""));
	}
	result = assert_result(comparison, (struct counts){ .differing = 1000, .verdict = COMPARISON_DIFFERENT });
	assert_int_equal(result->nr_differences, COMPARISON_DIFFERENCES_MAX);
	assert_int_equal(result->unlisted, 1000 - COMPARISON_DIFFERENCES_MAX);
	assert_int_equal(result->differences[99].cycle, 100);
	assert_field(result, "heap_goal", 0, 1000, 0);
	to = open_memstream(&text, &size);
	comparison_print(result, to);
	fclose(to);
	assert_non_null(strstr(text, "900 more differences"));
	assert_non_null(strstr(text, "cycle 100: heap_goal\n  gctap    gc 100 @"));
	assert_string_equal(text + size - strlen("\ndifferent\n"), "\ndifferent\n");
	free(text);
	comparison_free(comparison);
}

static void json_is_the_contract(void **state)
{
	static const char beginning[] =
		"{\"type\":\"compare\",\"go_version\":\"go1.19.8\",\"binary\":\"/tmp/\\\\xff\","
		"\"cycles_compared\":1,\"cycles_equal\":1,\"cycles_moved\":0,\"cycles_differing\":0,"
		"\"cycles_only_gctap\":0,\"cycles_only_runtime\":1,\"torn\":0,\"cycles_torn_away\":0,\"forced\":0,"
		"\"lost_at_exit\":0,\"verdict\":\"different\","
		"\"fields\":[{\"name\":\"cycle\",\"equal\":1,\"differing\":0,\"missing\":0,\"moved\":0},";
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;
	char *text = NULL;
	size_t size;
	FILE *to;

	(void)state;
	both(comparison, 1);
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, "x");
	result = comparison_finish(comparison);
	to = open_memstream(&text, &size);
	assert_int_equal(comparison_print_json(comparison_json(result, "go1.19.8", "/tmp/\xff"), to), 0);
	fclose(to);
	assert_memory_equal(text, beginning, strlen(beginning));
	assert_non_null(strstr(text, "\"differences\":[{\"cycle\":2,\"moved\":false,\"gctap\":null,"
				     "\"runtime\":\"x\",\"fields\":[]}]}\n"));
	assert_int_equal(strchr(text, '\n') - text, size - 1);
	free(text);
	to = fopen("/dev/full", "w");
	assert_int_equal(comparison_print_json(comparison_json(result, NULL, NULL), to), -ENOSPC);
	assert_int_equal(comparison_print_json(NULL, to), -ENOMEM);
	fclose(to);
	comparison_free(comparison);
	assert_string_equal(comparison_verdict_name(COMPARISON_EQUAL), "equal");
	assert_string_equal(comparison_verdict_name(COMPARISON_NOTHING), "nothing compared");
}

/* A number that a second reading has as printed was right when it was read; another one is wrong. */
static void moved_is_no_failure(void **state)
{
	struct comparison *comparison = comparison_new();
	const struct comparison_result *result;

	(void)state;
	both(comparison, 1);
	gctap(comparison, 2, line_of(2, 4, ""));
	assert_int_equal(comparison_add_reread(comparison, 2, line_of(2, 5, "")), 0);
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, line_of(2, 5, ""));
	result = comparison_finish(comparison);
	assert_int_equal(result->verdict, COMPARISON_EQUAL);
	assert_int_equal(result->compared, 2);
	assert_int_equal(result->moved, 1);
	assert_int_equal(result->differing, 0);
	assert_int_equal(field(result, "heap_goal")->moved, 1);
	assert_int_equal(field(result, "heap_goal")->differing, 0);
	comparison_free(comparison);

	comparison = comparison_new();
	gctap(comparison, 2, line_of(2, 4, ""));
	assert_int_equal(comparison_add_reread(comparison, 2, line_of(2, 6, "")), 0);
	runtime(comparison, TRACE_LINE_WHOLE, 2, true, line_of(2, 5, ""));
	result = comparison_finish(comparison);
	assert_int_equal(result->verdict, COMPARISON_DIFFERENT);
	assert_int_equal(result->moved, 0);
	comparison_free(comparison);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_not_equal), cmocka_unit_test(joins_in_any_order),
		cmocka_unit_test(names_what_differs),	cmocka_unit_test(the_middle_counts),
		cmocka_unit_test(torn_and_lost_do_not), cmocka_unit_test(repeated_numbers),
		cmocka_unit_test(moved_is_no_failure),	cmocka_unit_test(list_is_bounded),
		cmocka_unit_test(json_is_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
