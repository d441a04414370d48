// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recipe_builder.h"

#include "gctap/gc_cycle.h"

static struct recipe *recipe;
static struct gc_layout layout;
static struct gctap_event event;
static struct gc_cycle cycle;

static void learn(bool news)
{
	struct failure failure = { "" };

	recipe = recipe_go127(news);
	if (gc_layout_learn(recipe, &layout, &failure))
		fail_msg("%s", failure.text);
}

static void forget(void)
{
	gc_layout_clear(&layout);
	recipe_free(recipe);
}

static void poke(uint64_t address, unsigned size, uint64_t value)
{
	assert_true(recipe_poke(recipe, event.payload, address, size, value));
}

/* Cycle 16 at 0.114 s, 2 processors. */
static void make_event(void)
{
	double fraction = 0.0625;
	uint64_t bits, start = 5000000000;

	memcpy(&bits, &fraction, sizeof(bits));
	memset(&event, 0, sizeof(event));
	event.ktime_ns = 7000000000;
	event.start_ns = 4999;
	event.pid = 77;
	event.tid = 78;
	event.facts = GCTAP_FACT_RSS | GCTAP_FACT_CGROUP;
	event.cgroup_id = 4242;
	event.rss_pages[GCTAP_RSS_ANON] = 1000;
	event.rss_pages[GCTAP_RSS_FILE] = 10;
	event.windows_read = 0xffff;
	event.payload_bytes = recipe->payload_bytes;
	strcpy(event.comm, "churn");
	poke(AT_CYCLE, 4, 16);
	poke(AT_INIT_TIME, 8, start);
	poke(AT_SWEEP_TERM, 8, start + 114999999);
	poke(AT_MARK, 8, start + 114999999 + 420000);
	poke(AT_MARK_TERM, 8, start + 114999999 + 420000 + 12345678);
	poke(AT_END, 8, start + 114999999 + 420000 + 12345678 + 24999);
	poke(AT_FRACTION, 8, bits);
	poke(AT_ASSIST, 8, 68000);
	poke(AT_DEDICATED, 8, 200000);
	poke(AT_FRACTIONAL, 8, 30000);
	poke(AT_HEAP0, 8, 30 << 20);
	poke(AT_HEAP1, 8, (31 << 20) + 12345);
	poke(AT_HEAP2, 8, 30 << 20);
	poke(AT_GOAL, 8, 31 << 20);
	poke(AT_STACKS, 8, 65536);
	poke(AT_GLOBALS, 8, 1 << 20);
	poke(AT_PROCS, 4, 2);
	poke(AT_USER_FORCED, 1, 1);
}

static void decode(void)
{
	gc_cycle_decode(recipe, &layout, &event, &(struct line_clock){ 4096, 1000000000000 }, &cycle);
}

static const struct value *value_of(const char *field)
{
	int index = record_field_index(&record_gc_cycle, field);

	assert_true(index >= 0);
	return &cycle.shown.record.values[index];
}

static void assert_number(const char *field, uint64_t expected)
{
	const struct value *value = value_of(field);

	if (!value->known || value->u != expected)
		fail_msg("%s: %s%llu, expected %llu", field, value->known ? "" : "unknown, ",
			 (unsigned long long)value->u, (unsigned long long)expected);
}

static void every_number_has_its_field(void **unused)
{
	(void)unused;
	learn(false);
	make_event();
	decode();
	assert_string_equal(cycle.shown.line,
			    "gc 16 @0.114s 6%: 0.42+12+0.024 ms clock, 0.84+0.068/0.23/0+0.049 ms cpu, "
			    "30->31->30 MB, 31 MB goal, 0 MB stacks, 1 MB globals, 2 P (forced)");
	assert_true(cycle.cycle_known && cycle.cycle == 16 && cycle.shown.unknown == 0);
	assert_number("cycle", 16);
	assert_number("start_since_program_ns", 114999999);
	assert_number("gc_cpu_percent", 6);
	assert_true(value_of("gc_cpu_fraction")->known && value_of("gc_cpu_fraction")->real == 0.0625);
	assert_number("clock_sweep_term_ns", 420000);
	assert_number("clock_mark_ns", 12345678);
	assert_number("clock_mark_term_ns", 24999);
	assert_number("cpu_sweep_term_ns", 840000);
	assert_number("cpu_assist_ns", 68000);
	assert_number("cpu_background_ns", 230000);
	assert_number("cpu_idle_ns", 0);
	assert_number("cpu_mark_term_ns", 49998);
	assert_number("heap_start_bytes", 30 << 20);
	assert_number("heap_end_bytes", (31 << 20) + 12345);
	assert_number("heap_marked_bytes", 30 << 20);
	assert_number("heap_goal_bytes", 31 << 20);
	assert_number("stacks_bytes", 65536);
	assert_number("globals_bytes", 1 << 20);
	assert_number("processors", 2);
	assert_true(value_of("forced")->known && value_of("forced")->truth);
	assert_true(value_of("goroutine_leak_check")->known);
	forget();
}

static void facts_of_the_kernel(void **unused)
{
	(void)unused;
	learn(false);
	make_event();
	decode();
	assert_number("ktime_ns", 7000000000);
	assert_number("wall_ns", 1007000000000);
	assert_int_equal(cycle.shown.record.wall_ns, 1007000000000);
	assert_number("pid", 77);
	assert_number("cgroup_id", 4242);
	assert_number("rss_anon_bytes", 4096000);
	assert_number("rss_file_bytes", 40960);
	assert_string_equal(value_of("comm")->text, "churn");
	/* What the kernel side does not know is unknown, not 0. */
	event.facts = 0;
	event.pid = 0;
	decode();
	assert_false(value_of("pid")->known);
	assert_false(value_of("cgroup_id")->known);
	assert_false(value_of("rss_anon_bytes")->known);
	forget();
}

static void remarks(void **unused)
{
	(void)unused;
	learn(false);
	assert_true(layout.line.sometimes == 3);
	make_event();
	poke(AT_USER_FORCED, 1, 0);
	poke(AT_LEAKS, 1, 1);
	decode();
	assert_true(value_of("forced")->known && !value_of("forced")->truth);
	assert_true(value_of("goroutine_leak_check")->truth);
	assert_non_null(strstr(cycle.shown.line, "6% (checking for goroutine leaks): 0.42+"));
	assert_null(strstr(cycle.shown.line, "forced"));
	forget();
}

static const char *other(const char *start)
{
	for (const char *const *text = cycle.shown.other_list; *text; text++)
		if (!strncmp(*text, start, strlen(start)))
			return *text;
	return "none";
}

/* A later version's items: shown under their own words, and all others where they were. */
static void new_items(void **unused)
{
	(void)unused;
	learn(true);
	make_event();
	poke(AT_ARENAS, 8, 7 << 20);
	decode();
	assert_non_null(strstr(cycle.shown.line, "1 MB globals, 7 MB arenas, 2 P (forced) (odd)"));
	assert_string_equal(other("arenas"), "arenas=7");
	assert_string_equal(other("odd"), "odd=true");
	assert_number("globals_bytes", 1 << 20);
	assert_number("processors", 2);
	assert_int_equal(cycle.shown.unknown, 0);
	poke(AT_LEAKS, 1, 1);
	decode();
	assert_string_equal(other("odd"), "odd=false");
	forget();
}

static bool is_unknown(const char *name)
{
	for (const char *const *text = cycle.shown.unknown_list; *text; text++)
		if (!strcmp(*text, name))
			return true;
	return false;
}

static void window_that_was_not_read(void **unused)
{
	(void)unused;
	learn(true);
	make_event();
	event.windows_read &= ~recipe_window_bit(recipe, AT_GOAL);
	decode();
	assert_non_null(strstr(cycle.shown.line, "0.84+?/?/?+0.049 ms cpu, 30->31->30 MB, ? MB goal, ? MB stacks, "
						 "? MB globals, ? MB arenas, 2 P (forced)"));
	assert_true(is_unknown("cpu_assist_ns") && is_unknown("heap_goal_bytes") && is_unknown("arenas"));
	assert_false(is_unknown("cycle"));
	assert_int_equal(cycle.shown.unknown, 7);
	assert_false(value_of("heap_goal_bytes")->known);
	assert_true(cycle.cycle_known);
	/* The one with the number and the remarks: they are left out. */
	event.windows_read = 0xffff & ~recipe_window_bit(recipe, AT_CYCLE);
	decode();
	assert_false(cycle.cycle_known);
	assert_memory_equal(cycle.shown.line, "gc ? @?s 6%: ?+?+? ms clock", 27);
	assert_null(strstr(cycle.shown.line, "forced"));
	assert_false(value_of("forced")->known);
	assert_true(is_unknown("forced") && is_unknown("odd"));
	/* None at all, and a payload shorter than its windows. */
	event.windows_read = 0;
	decode();
	assert_false(value_of("gc_cpu_fraction")->known);
	assert_false(cycle.cycle_known);
	event.windows_read = 0xffff;
	event.payload_bytes = 3;
	decode();
	assert_false(cycle.cycle_known);
	forget();
}

/* The line of Go 1.15: no remark for leaks, no stacks; what a version cannot say is known to be false. */
static void old_line(void **unused)
{
	(void)unused;
	recipe = recipe_new();
	recipe_head(recipe);
	recipe_phases(recipe);
	recipe_heap(recipe);
	recipe_number(recipe, RECIPE_SIGNED, recipe_memory(recipe, AT_PROCS, 4));
	recipe_text(recipe, " P");
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(gc_layout_learn(recipe, &layout, NULL), 0);
	assert_int_equal(layout.line.sometimes | layout.line.always, 0);
	memset(&event, 0, sizeof(event));
	event.windows_read = 0xffff;
	event.payload_bytes = recipe->payload_bytes;
	poke(AT_PROCS, 4, 4);
	poke(AT_GOAL, 8, 4 << 20);
	decode();
	assert_string_equal(cycle.shown.line,
			    "gc 0 @0.000s 0%: 0+0+0 ms clock, 0+0/0/0+0 ms cpu, 0->0->0 MB, 4 MB goal, 4 P");
	assert_true(value_of("forced")->known && !value_of("forced")->truth);
	assert_true(value_of("goroutine_leak_check")->known && !value_of("goroutine_leak_check")->truth);
	assert_false(value_of("stacks_bytes")->known);
	assert_number("processors", 4);
	assert_number("heap_goal_bytes", 4 << 20);
	forget();
}

static void line_without_a_cycle(void **unused)
{
	struct failure failure = { "" };

	(void)unused;
	recipe = recipe_new();
	recipe_text(recipe, "scav ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, AT_CYCLE, 4));
	recipe_text(recipe, " KiB");
	assert_int_equal(gc_layout_learn(recipe, &layout, &failure), -EBADMSG);
	assert_non_null(strstr(failure.text, "no cycle number"));
	recipe_free(recipe);
}

/* More unknown items than there is room for, with labels of any length. */
static void many_new_items(void **unused)
{
	char text[200];

	(void)unused;
	recipe = recipe_new();
	recipe_text(recipe, "gc ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, AT_CYCLE, 4));
	for (unsigned i = 0; i < 50; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		recipe_text(recipe, i % 2 ? text : ", ");
		recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, AT_CYCLE + 8 * (i % 4), 8));
	}
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(gc_layout_learn(recipe, &layout, NULL), 0);
	memset(&event, 0xff, sizeof(event));
	event.comm[GCTAP_COMM_LENGTH - 1] = '\0';
	event.payload_bytes = recipe->payload_bytes;
	decode();
	assert_int_equal(strlen(cycle.shown.line), RECIPE_LINE_MAX - 1);
	assert_null(cycle.shown.other_list[8]);
	event.windows_read = 0;
	decode();
	assert_int_equal(cycle.shown.unknown, 51);
	assert_null(cycle.shown.unknown_list[51]);
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_has_its_field),
		cmocka_unit_test(facts_of_the_kernel),
		cmocka_unit_test(remarks),
		cmocka_unit_test(new_items),
		cmocka_unit_test(window_that_was_not_read),
		cmocka_unit_test(old_line),
		cmocka_unit_test(line_without_a_cycle),
		cmocka_unit_test(many_new_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
