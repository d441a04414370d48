// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scavenge_builder.h"

#include "gctap/scavenge.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static struct recipe *recipe;
static struct scavenge_layout layout;
static struct scavenge_counters counters;
static struct gctap_event event;
static struct scavenge scavenge;

static void poke(uint64_t address, unsigned size, uint64_t value)
{
	assert_true(recipe_poke(recipe, event.payload, address, size, value));
}

/* A recipe, its layout, and an event: 6 MiB in use, 2 MiB free, 10 MiB given back. */
static void begin(enum scavenge_version version, bool forced)
{
	struct failure failure = { "" };

	recipe = scavenge_recipe(version, forced);
	if (scavenge_layout_learn(recipe, forced, &layout, &failure))
		fail_msg("%s", failure.text);
	counters = (struct scavenge_counters){ .known = false };
	memset(&event, 0, sizeof(event));
	event.ktime_ns = 7000000000;
	event.start_ns = 4999;
	event.pid = 77;
	event.tid = 78;
	event.windows_read = 0xffff;
	event.payload_bytes = recipe->payload_bytes;
	strcpy(event.comm, "hog");
	poke(AT_IN_USE, 8, 6 * MIB + 3);
	poke(AT_FREE, 8, 2 * MIB + 1);
	poke(AT_HEAP_RELEASED, 8, 10 * MIB + 1023);
}

static void end(void)
{
	scavenge_layout_clear(&layout);
	recipe_free(recipe);
}

static void decode(void)
{
	/* What the line before said must not shine through. */
	memset(&scavenge, 0xa5, sizeof(scavenge));
	scavenge_decode(recipe, &layout, &event, &(struct line_clock){ 4096, 1000000000000 }, &counters, &scavenge);
}

static void assert_line(const char *expected)
{
	decode();
	assert_string_equal(scavenge.shown.line, expected);
	assert_ptr_equal(scavenge.shown.record.text, scavenge.shown.line);
}

static const struct value *value_of(const char *field)
{
	int index = record_field_index(&record_scavenge, field);

	assert_true(index >= 0);
	return &scavenge.shown.record.values[index];
}

static void assert_number(const char *field, uint64_t expected)
{
	const struct value *value = value_of(field);

	if (!value->known || value->u != expected)
		fail_msg("%s: %s%llu, expected %llu", field, value->known ? "" : "unknown, ",
			 (unsigned long long)value->u, (unsigned long long)expected);
}

static void assert_truth(const char *field, bool expected)
{
	assert_true(value_of(field)->known);
	assert_int_equal(value_of(field)->truth, expected);
}

static void assert_unknown(const char *field)
{
	if (value_of(field)->known)
		fail_msg("%s is known: %llu", field, (unsigned long long)value_of(field)->u);
}

static bool in_unknown_list(const char *name)
{
	for (const char *const *text = scavenge.shown.unknown_list; *text; text++)
		if (!strcmp(*text, name))
			return true;
	return false;
}

/* ---- What each version's line says ---------------------------------------------------------- */

static void line_of_go115(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO115, false);
	poke(AT_GENERATION, 4, 12);
	poke(AT_BACKGROUND, 8, 3 * MIB + 1023);
	/* The runtime itself starts anew with each generation, whether it prints or not. */
	for (unsigned prints = 0; prints < 2; prints++) {
		poke(AT_SCAVTRACE, 4, prints);
		assert_line("scav 12 3072 KiB work, 10240 KiB total, 75% util");
		assert_number("generation", 12);
		assert_number("released_bytes", 3 * MIB + 1023);
		assert_number("released_background_bytes", 3 * MIB + 1023);
		assert_unknown("released_eager_bytes");
		assert_number("heap_released_bytes", 10 * MIB + 1023);
		assert_number("heap_in_use_bytes", 6 * MIB + 3);
		assert_number("heap_free_bytes", 2 * MIB + 1);
		assert_number("utilization_percent", 75);
		assert_truth("runtime_prints", prints);
		assert_truth("forced", false);
		/* A version that cannot say it cannot mean it. */
		assert_truth("controller_reset", false);
		assert_int_equal(scavenge.shown.unknown, 0);
		assert_null(scavenge.shown.other_list[0]);
	}
	end();
}

static void line_of_go119(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	poke(AT_SCAVTRACE, 4, 1);
	poke(AT_BACKGROUND, 8, 5 * MIB);
	assert_line("scav 5120 KiB work, 10240 KiB total, 75% util");
	assert_unknown("generation");
	assert_number("released_bytes", 5 * MIB);
	assert_number("released_background_bytes", 5 * MIB);
	assert_unknown("released_eager_bytes");
	assert_truth("controller_reset", false);
	assert_truth("forced", false);
	assert_int_equal(scavenge.shown.unknown, 0);
	end();
}

static void line_of_go121(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_SCAVTRACE, 4, 1);
	poke(AT_BACKGROUND, 8, 5 * MIB);
	poke(AT_EAGER, 8, 7 * KIB);
	assert_line("scav 5120 KiB work (bg), 7 KiB work (eager), 10240 KiB now, 75% util");
	assert_unknown("generation");
	assert_number("released_bytes", 5 * MIB + 7 * KIB);
	assert_number("released_background_bytes", 5 * MIB);
	assert_number("released_eager_bytes", 7 * KIB);
	assert_number("heap_released_bytes", 10 * MIB + 1023);
	assert_number("heap_in_use_bytes", 6 * MIB + 3);
	assert_number("heap_free_bytes", 2 * MIB + 1);
	assert_number("utilization_percent", 75);
	assert_truth("forced", false);
	end();
}

static void forced_lines(void **unused)
{
	static const char *const lines[] = {
		"scav 9 8192 KiB work, 10240 KiB total, 75% util (forced)",
		"scav 8192 KiB work, 10240 KiB total, 75% util (forced)",
		"scav 0 KiB work (bg), 8192 KiB work (eager), 10240 KiB now, 75% util (forced)",
	};

	(void)unused;
	for (enum scavenge_version version = 0; version < SCAVENGE_VERSIONS; version++) {
		begin(version, true);
		if (version == SCAVENGE_GO115)
			poke(AT_GENERATION, 4, 9);
		assert_true(scavenge_poke_own_work(recipe, event.payload, 8 * MIB + 5));
		assert_line(lines[version]);
		assert_truth("forced", true);
		assert_truth("controller_reset", false);
		assert_number("released_bytes", 8 * MIB + 5);
		/* It is neither of these, wherever the line has room for it. */
		assert_unknown("released_background_bytes");
		assert_unknown("released_eager_bytes");
		assert_number("utilization_percent", 75);
		/* It says what this one call did: again the same, and nobody's account changes. */
		assert_line(lines[version]);
		assert_false(counters.known);
		assert_true(counters.released[0] == 0 && counters.released[1] == 0);
		counters = (struct scavenge_counters){ true, { 3, 4 } };
		assert_line(lines[version]);
		assert_true(counters.known && counters.released[0] == 3 && counters.released[1] == 4);
		end();
	}
}

static void controller_reset(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_SCAVTRACE, 4, 1);
	poke(AT_RESET, 1, 1);
	assert_line("scav 0 KiB work (bg), 0 KiB work (eager), 10240 KiB now, 75% util [controller reset]");
	assert_truth("controller_reset", true);
	assert_truth("forced", false);
	event.windows_read &= ~recipe_window_bit(recipe, AT_RESET);
	assert_line("scav 0 KiB work (bg), 0 KiB work (eager), 10240 KiB now, 75% util");
	assert_unknown("controller_reset");
	assert_true(in_unknown_list("controller_reset"));
	assert_int_equal(scavenge.shown.unknown, 1);
	end();
}

static void facts_of_the_kernel(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	event.facts = GCTAP_FACT_RSS | GCTAP_FACT_CGROUP;
	event.cgroup_id = 4242;
	event.rss_pages[GCTAP_RSS_ANON] = 1000;
	decode();
	assert_ptr_equal(scavenge.shown.record.type, &record_scavenge);
	assert_number("ktime_ns", 7000000000);
	assert_number("wall_ns", 1007000000000);
	assert_number("pid", 77);
	assert_number("tid", 78);
	assert_number("start_ns", 4999);
	assert_number("cgroup_id", 4242);
	assert_number("rss_anon_bytes", 4096000);
	assert_string_equal(value_of("comm")->text, "hog");
	assert_string_equal(value_of("text")->text, scavenge.shown.line);
	end();
}

static void line_without_work(void **unused)
{
	struct failure failure = { "" };

	(void)unused;
	for (unsigned forced = 0; forced < 2; forced++) {
		recipe = recipe_new();
		recipe_text(recipe, "scav ");
		scavenge_state(recipe, SCAVENGE_GO119);
		recipe_text(recipe, "% util");
		assert_int_equal(scavenge_layout_learn(recipe, forced, &layout, &failure), -EBADMSG);
		assert_non_null(strstr(failure.text, "what was released"));
		recipe_free(recipe);
	}
}

/* A later version adds a counter: shown under its own words, the others where they were. */
static void new_counter(void **unused)
{
	(void)unused;
	recipe = recipe_new();
	recipe->cumulative = true;
	scavenge_work(recipe, SCAVENGE_GO121, false);
	scavenge_kib(recipe, recipe_memory(recipe, AT_GENERATION, 8));
	recipe_text(recipe, " KiB work (huge), ");
	scavenge_state(recipe, SCAVENGE_GO121);
	recipe_text(recipe, "% util");
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(scavenge_layout_learn(recipe, false, &layout, NULL), 0);
	memset(&event, 0, sizeof(event));
	event.windows_read = 0xffff;
	event.payload_bytes = recipe->payload_bytes;
	poke(AT_SCAVTRACE, 4, 1);
	poke(AT_BACKGROUND, 8, 5 * MIB);
	poke(AT_EAGER, 8, 3 * MIB);
	poke(AT_GENERATION, 8, 2 * MIB);
	poke(AT_IN_USE, 8, MIB);
	decode();
	assert_memory_equal(scavenge.shown.line,
			    "scav 5120 KiB work (bg), 3072 KiB work (eager), 2048 KiB work (huge),", 67);
	assert_number("released_background_bytes", 5 * MIB);
	assert_number("released_eager_bytes", 3 * MIB);
	end();
}

/* ---- Counters that run on ------------------------------------------------------------------- */

static void differences_of_one_counter(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	/* What came before nobody knows. */
	assert_line("scav ? KiB work, 10240 KiB total, 75% util");
	assert_unknown("released_bytes");
	assert_unknown("released_background_bytes");
	assert_true(in_unknown_list("released_background_bytes"));
	assert_int_equal(scavenge.shown.unknown, 2);
	assert_truth("runtime_prints", false);
	poke(AT_BACKGROUND, 8, 100 * MIB + 5 * KIB + 1);
	assert_line("scav 5 KiB work, 10240 KiB total, 75% util");
	assert_number("released_bytes", 5 * KIB + 1);
	assert_number("released_background_bytes", 5 * KIB + 1);
	assert_int_equal(scavenge.shown.unknown, 0);
	assert_line("scav 0 KiB work, 10240 KiB total, 75% util");
	assert_number("released_bytes", 0);
	/* Each counts from the one before: nothing is lost by rounding. */
	poke(AT_BACKGROUND, 8, 100 * MIB + 6 * KIB);
	assert_line("scav 0 KiB work, 10240 KiB total, 75% util");
	assert_number("released_bytes", KIB - 1);
	end();
}

static void known_from_the_start(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	counters.known = true; /* traced since the program began: it counted from 0 */
	poke(AT_BACKGROUND, 8, 3 * KIB);
	assert_line("scav 3 KiB work, 10240 KiB total, 75% util");
	poke(AT_BACKGROUND, 8, 7 * KIB);
	assert_line("scav 4 KiB work, 10240 KiB total, 75% util");
	end();
}

static void differences_of_two_counters(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	poke(AT_EAGER, 8, 50 * MIB);
	assert_line("scav ? KiB work (bg), ? KiB work (eager), 10240 KiB now, 75% util");
	assert_unknown("released_bytes");
	assert_int_equal(scavenge.shown.unknown, 3);
	poke(AT_BACKGROUND, 8, 101 * MIB);
	poke(AT_EAGER, 8, 50 * MIB + 3 * KIB);
	assert_line("scav 1024 KiB work (bg), 3 KiB work (eager), 10240 KiB now, 75% util");
	assert_number("released_background_bytes", MIB);
	assert_number("released_eager_bytes", 3 * KIB);
	assert_number("released_bytes", MIB + 3 * KIB);
	poke(AT_EAGER, 8, 50 * MIB + 4 * KIB);
	assert_line("scav 0 KiB work (bg), 1 KiB work (eager), 10240 KiB now, 75% util");
	assert_number("released_bytes", KIB);
	end();
}

static void smaller_counters_are_a_new_start(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	poke(AT_EAGER, 8, 50 * MIB);
	decode();
	poke(AT_BACKGROUND, 8, 3 * KIB);
	poke(AT_EAGER, 8, 2 * KIB);
	assert_line("scav 3 KiB work (bg), 2 KiB work (eager), 10240 KiB now, 75% util");
	assert_number("released_bytes", 5 * KIB);
	poke(AT_BACKGROUND, 8, 4 * KIB);
	assert_line("scav 1 KiB work (bg), 0 KiB work (eager), 10240 KiB now, 75% util");
	end();
}

/* Then it starts anew with each line, and what it says is what it counted. */
static void raw_while_the_runtime_prints(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_SCAVTRACE, 4, 1);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	poke(AT_EAGER, 8, 50 * MIB);
	for (unsigned i = 0; i < 3; i++) {
		assert_line("scav 102400 KiB work (bg), 51200 KiB work (eager), 10240 KiB now, 75% util");
		assert_truth("runtime_prints", true);
	}
	/* It does no longer: it counts on from the last line, which began at 0. */
	poke(AT_SCAVTRACE, 4, 0);
	assert_line("scav 102400 KiB work (bg), 51200 KiB work (eager), 10240 KiB now, 75% util");
	assert_truth("runtime_prints", false);
	assert_line("scav 0 KiB work (bg), 0 KiB work (eager), 10240 KiB now, 75% util");
	/* The runtime prints where the variable is above 0. */
	poke(AT_SCAVTRACE, 4, UINT32_MAX);
	assert_line("scav 0 KiB work (bg), 0 KiB work (eager), 10240 KiB now, 75% util");
	assert_truth("runtime_prints", false);
	end();
}

static void switch_that_was_not_read(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	decode();
	event.windows_read &= ~recipe_window_bit(recipe, AT_SCAVTRACE);
	poke(AT_BACKGROUND, 8, 101 * MIB);
	assert_line("scav ? KiB work, 10240 KiB total, 75% util");
	assert_unknown("released_bytes");
	assert_unknown("runtime_prints");
	/* Readable again: what was not told is in the next line. */
	event.windows_read = 0xffff;
	poke(AT_BACKGROUND, 8, 103 * MIB);
	assert_line("scav 3072 KiB work, 10240 KiB total, 75% util");
	assert_truth("runtime_prints", false);
	end();
	/* Of a line that counts by itself, the work is known all the same. */
	begin(SCAVENGE_GO119, true);
	assert_true(scavenge_poke_own_work(recipe, event.payload, MIB));
	event.windows_read &= ~recipe_window_bit(recipe, AT_SCAVTRACE);
	assert_line("scav 1024 KiB work, 10240 KiB total, 75% util (forced)");
	assert_unknown("runtime_prints");
	assert_number("released_bytes", MIB);
	end();
}

/* All that was given back since the start is no difference: it must not come out as one. */
static void counter_that_was_not_read(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO121, false);
	poke(AT_BACKGROUND, 8, 100 * MIB);
	poke(AT_EAGER, 8, 50 * MIB);
	event.windows_read &= ~recipe_window_bit(recipe, AT_EAGER);
	assert_line("scav ? KiB work (bg), ? KiB work (eager), 10240 KiB now, 75% util");
	event.windows_read = 0xffff;
	decode();
	assert_unknown("released_eager_bytes");
	assert_unknown("released_bytes");
	decode();
	assert_number("released_eager_bytes", 0);
	/* From there on, the line behind one that was not read tells of both. */
	event.windows_read &= ~recipe_window_bit(recipe, AT_EAGER);
	poke(AT_BACKGROUND, 8, 101 * MIB);
	poke(AT_EAGER, 8, 51 * MIB);
	assert_line("scav 1024 KiB work (bg), ? KiB work (eager), 10240 KiB now, 75% util");
	assert_number("released_background_bytes", MIB);
	assert_unknown("released_bytes");
	event.windows_read = 0xffff;
	poke(AT_EAGER, 8, 52 * MIB);
	assert_line("scav 0 KiB work (bg), 2048 KiB work (eager), 10240 KiB now, 75% util");
	end();
}

/* ---- The heap ------------------------------------------------------------------------------- */

static void heap_in_use_and_free(void **unused)
{
	(void)unused;
	begin(SCAVENGE_GO119, false);
	event.windows_read &= ~recipe_window_bit(recipe, AT_FREE);
	assert_line("scav ? KiB work, 10240 KiB total, ?% util");
	assert_number("heap_in_use_bytes", 6 * MIB + 3);
	assert_unknown("heap_free_bytes");
	assert_unknown("utilization_percent");
	event.windows_read = 0xffff & ~recipe_window_bit(recipe, AT_IN_USE);
	decode();
	assert_unknown("heap_in_use_bytes");
	assert_unknown("heap_free_bytes");
	/* Nothing in use, nothing free: a quotient without a value. */
	event.windows_read = 0xffff;
	poke(AT_IN_USE, 8, 0);
	poke(AT_FREE, 8, 0);
	assert_line("scav 0 KiB work, 10240 KiB total, ?% util");
	assert_number("heap_in_use_bytes", 0);
	assert_number("heap_free_bytes", 0);
	/* Read one after the other: less retained than in use says nothing of what is free. */
	poke(AT_IN_USE, 8, 10);
	poke(AT_FREE, 8, (uint64_t)-5);
	decode();
	assert_number("heap_in_use_bytes", 10);
	assert_unknown("heap_free_bytes");
	end();
}

static void nothing_was_read(void **unused)
{
	(void)unused;
	for (enum scavenge_version version = 0; version < SCAVENGE_VERSIONS; version++) {
		begin(version, false);
		event.windows_read = 0;
		decode();
		assert_memory_equal(scavenge.shown.line, "scav ? ", 7);
		assert_unknown("released_bytes");
		assert_unknown("heap_in_use_bytes");
		assert_false(counters.known);
		/* As short as a payload can be. */
		event.windows_read = 0xffff;
		event.payload_bytes = 3;
		decode();
		assert_unknown("released_bytes");
		assert_false(counters.known);
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_of_go115),
		cmocka_unit_test(line_of_go119),
		cmocka_unit_test(line_of_go121),
		cmocka_unit_test(forced_lines),
		cmocka_unit_test(controller_reset),
		cmocka_unit_test(facts_of_the_kernel),
		cmocka_unit_test(line_without_work),
		cmocka_unit_test(new_counter),
		cmocka_unit_test(differences_of_one_counter),
		cmocka_unit_test(known_from_the_start),
		cmocka_unit_test(differences_of_two_counters),
		cmocka_unit_test(smaller_counters_are_a_new_start),
		cmocka_unit_test(raw_while_the_runtime_prints),
		cmocka_unit_test(switch_that_was_not_read),
		cmocka_unit_test(counter_that_was_not_read),
		cmocka_unit_test(heap_in_use_and_free),
		cmocka_unit_test(nothing_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
