// SPDX-License-Identifier: BSD-2-Clause
/* release_balance: the runtime's account of what it gave back, against what the kernel was asked to take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/release_balance.h"

#define KIB 1024u

static void add_sweep(struct release_balance *balance, uint64_t background, uint64_t eager)
{
	struct record record;

	record_clear(&record, &record_scavenge);
	record_set_bool(&record, "forced", false);
	record_set_unsigned(&record, "released_background_bytes", background);
	record_set_unsigned(&record, "released_eager_bytes", eager);
	record_set_unsigned(&record, "released_bytes", background + eager);
	release_balance_add(balance, &record);
}

static void add_forced(struct release_balance *balance, uint64_t bytes)
{
	struct record record;

	record_clear(&record, &record_scavenge);
	record_set_bool(&record, "forced", true);
	record_set_unsigned(&record, "released_bytes", bytes);
	release_balance_add(balance, &record);
}

static void add_calls(struct release_balance *balance, const char *cause, const char *period, bool releases,
		      uint64_t bytes)
{
	struct record record;

	record_clear(&record, &record_madvise);
	record_set_text(&record, "cause", cause);
	record_set_text(&record, "period", period);
	record_set_bool(&record, "releases", releases);
	record_set_unsigned(&record, "asked_bytes", bytes);
	release_balance_add(balance, &record);
}

static struct release_balance balanced(void)
{
	struct release_balance balance = { 0 };

	add_sweep(&balance, 64 * KIB, 8 * KIB);
	add_sweep(&balance, 0, 0);
	add_forced(&balance, 1000 * KIB);
	add_calls(&balance, "background", "total", true, 64 * KIB);
	add_calls(&balance, "memory_limit", "total", true, 5 * KIB);
	add_calls(&balance, "heap_growth", "total", true, 3 * KIB);
	add_calls(&balance, "forced", "total", true, 1000 * KIB);
	return balance;
}

static void both_sides_agree(void **unused)
{
	struct release_balance balance = balanced();

	(void)unused;
	assert_true(release_balance_holds(&balance));
	assert_true(balance.accounts[RELEASE_BACKGROUND].kernel == 64 * KIB);
	assert_true(balance.accounts[RELEASE_EAGER].kernel == 8 * KIB);
	assert_true(balance.accounts[RELEASE_FORCED].runtime == 1000 * KIB);
}

/* Intervals come again in the total; advice such as HUGEPAGE gives nothing back; the program's own calls are nobody's.
 */
static void what_does_not_count(void **unused)
{
	struct release_balance balance = balanced(), before = balance;
	struct record gap;

	(void)unused;
	add_calls(&balance, "forced", "interval", true, KIB);
	add_calls(&balance, "forced", "total", false, KIB);
	add_calls(&balance, "go_program", "total", true, KIB);
	record_clear(&gap, &record_gap);
	release_balance_add(&balance, &gap);
	assert_memory_equal(&balance, &before, sizeof(balance));
}

/* What was given back behind the last line is in no line: the kernel may have more, and never less. */
static void one_side_has_more(void **unused)
{
	struct release_balance balance = balanced();

	(void)unused;
	add_calls(&balance, "background", "total", true, KIB);
	assert_true(release_balance_holds(&balance));
	add_sweep(&balance, 2 * KIB, 0);
	assert_false(release_balance_holds(&balance));
	balance = balanced();
	add_sweep(&balance, 0, 1);
	assert_false(release_balance_holds(&balance));
}

static void forced_work_is_equal(void **unused)
{
	struct release_balance more = balanced(), less = balanced();

	(void)unused;
	add_forced(&more, 1);
	assert_false(release_balance_holds(&more));
	add_calls(&less, "forced", "total", true, 1);
	assert_false(release_balance_holds(&less));
}

/* Before Go 1.21 eager work is in no line. Forced work without a line is a difference. */
static void accounts_without_lines(void **unused)
{
	struct release_balance balance = { 0 };

	(void)unused;
	assert_true(release_balance_holds(&balance));
	add_calls(&balance, "heap_growth", "total", true, KIB);
	assert_true(release_balance_holds(&balance));
	add_calls(&balance, "forced", "total", true, KIB);
	assert_false(release_balance_holds(&balance));
}

static char *printed(const struct release_balance *balance)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	release_balance_print(balance, file);
	assert_int_equal(fclose(file), 0);
	return text;
}

static void as_a_table(void **unused)
{
	struct release_balance balance = balanced();
	char *text = printed(&balance);

	(void)unused;
	assert_non_null(strstr(text, "background                 64               64                0\n"));
	assert_non_null(strstr(text, "forced                   1000             1000                0\n"));
	assert_null(strstr(text, "differs"));
	free(text);
	add_forced(&balance, 24 * KIB);
	text = printed(&balance);
	assert_non_null(strstr(text, "forced                   1024             1000              -24  differs\n"));
	free(text);
	memset(&balance, 0, sizeof(balance));
	add_calls(&balance, "heap_growth", "total", true, 3 * KIB);
	text = printed(&balance);
	assert_non_null(strstr(text, "eager            not reported                3                -\n"));
	free(text);
}

static void as_json(void **unused)
{
	struct release_balance balance = { 0 };
	json_t *json, *eager;

	(void)unused;
	add_forced(&balance, 7);
	add_calls(&balance, "heap_growth", "total", true, 3);
	json = release_balance_json(&balance);
	assert_non_null(json);
	assert_true(json_is_false(json_object_get(json, "holds")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "forced"), "runtime_bytes")), 7);
	eager = json_object_get(json, "eager");
	assert_true(json_is_null(json_object_get(eager, "runtime_bytes")));
	assert_int_equal(json_integer_value(json_object_get(eager, "kernel_bytes")), 3);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_agree),
		cmocka_unit_test(what_does_not_count),
		cmocka_unit_test(one_side_has_more),
		cmocka_unit_test(forced_work_is_equal),
		cmocka_unit_test(accounts_without_lines),
		cmocka_unit_test(as_a_table),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
