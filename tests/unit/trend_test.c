// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "gctap/trend.h"
#include "gctap/unknown.h"

#define MIB 1048576.0

static struct trend trend;
static struct trend_line line;
static uint64_t seed;

static double noise(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (double)(seed >> 33) / (double)(1u << 31) - 0.5;
}

static void begin(void)
{
	memset(&trend, 0, sizeof(trend));
}

static enum trend_direction direction(void)
{
	trend_line(&trend, &line);
	return line.direction;
}

static void growth_is_seen_with_its_slope(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 40; i++)
		trend_add(&trend, i, 100 * MIB + i * MIB + noise() * MIB);
	assert_int_equal(direction(), TREND_GROWS);
	assert_true(fabs(line.slope - MIB) < 0.05 * MIB);
	assert_true(line.low < MIB && line.high > MIB);
	assert_int_equal(line.count, 40);
}

static void falling_is_no_growth(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 40; i++)
		trend_add(&trend, i, 200 * MIB - i * MIB + noise() * MIB);
	assert_int_equal(direction(), TREND_FALLS);
}

/* One slow wave is worth not quite six samples, of which the line takes two. */
static void few_samples_have_a_wide_interval(void **unused)
{
	double squares = 0, xx = 0;

	(void)unused;
	begin();
	for (int i = 0; i < 40; i++)
		trend_add(&trend, i, (100 + 10 * sin(i * 6.28 / 40)) * MIB);
	trend_line(&trend, &line);
	for (int i = 0; i < 40; i++) {
		double rest = trend.bytes[i] - line.first - line.slope * i;

		squares += rest * rest;
		xx += (i - 19.5) * (i - 19.5);
	}
	/* Student's t with four degrees of freedom, 99 %. */
	assert_true(line.high - line.slope > 4.604 * sqrt(squares / 4 / xx));
	assert_true(line.high - line.slope < 4.7 * sqrt(squares / 3.9 / xx));
}

/* Two points make a line, and no statement. */
static void little_is_not_enough(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 11; i++)
		trend_add(&trend, i, i * 100 * MIB);
	assert_int_equal(direction(), TREND_UNKNOWN);
	trend_add(&trend, 11, 1100 * MIB);
	assert_int_equal(direction(), TREND_GROWS);
	begin();
	for (int i = 0; i < 40; i++)
		trend_add(&trend, i * 0.1, i * 100 * MIB);
	assert_int_equal(direction(), TREND_UNKNOWN);
}

/* What a program does while it warms up: a step, and then nothing. */
static void a_step_is_no_leak(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 60; i++)
		trend_add(&trend, i, (i < 10 ? 20 : 100) * MIB + noise() * MIB / 4);
	assert_int_not_equal(direction(), TREND_GROWS);
}

/* A cache that fills and is thrown away: the last wave is under way. */
static void waves_are_no_leak(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 55; i++)
		trend_add(&trend, i, 50 * MIB + i % 20 * 4 * MIB + noise() * MIB);
	assert_int_not_equal(direction(), TREND_GROWS);
}

static void small_growth_is_no_leak(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 60; i++)
		trend_add(&trend, i, 100 * MIB + i * 0.02 * MIB);
	assert_int_equal(direction(), TREND_STEADY);
}

static void equal_times_are_no_line(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 20; i++)
		trend_add(&trend, 7, i * MIB);
	assert_int_equal(direction(), TREND_UNKNOWN);
}

/* Noise, waves of any length and steps: in thousands of runs nobody is called a leak. */
static void healthy_programs_do_not_leak(void **unused)
{
	(void)unused;
	seed = 1;
	for (int run = 0; run < 5000; run++) {
		double level = 20 + 500 * (noise() + 0.5), wave = level * (noise() + 0.5),
		       period = 4 + 60 * (noise() + 0.5);
		int samples = 12 + (int)(150 * (noise() + 0.5));

		begin();
		for (int i = 0; i < samples; i++)
			trend_add(&trend, i, (level + wave * sin(i * 6.28 / period) + level * 0.2 * noise()) * MIB);
		/* A wave that is longer than half of what was seen looks like growth to anybody. */
		if (period * 2 < samples && direction() == TREND_GROWS)
			fail_msg("run %d: %d samples, period %.0f", run, samples, period);
	}
}

/* Load that comes and goes at random: a sample is mostly as high as the one before. */
static void bursts_do_not_leak(void **unused)
{
	(void)unused;
	seed = 2;
	for (int run = 0; run < 5000; run++) {
		int samples = 14 + (int)(100 * (noise() + 0.5));
		double length = 2 + 6 * (noise() + 0.5);
		bool busy = noise() > 0;

		begin();
		for (int i = 0; i < samples; i++) {
			busy ^= (noise() + 0.5) * length < 1;
			trend_add(&trend, i, ((busy ? 60 : 20) + 2 * noise()) * MIB);
		}
		if (direction() == TREND_GROWS)
			fail_msg("run %d: %d samples, bursts of %.1f", run, samples, length);
	}
}

/* A cache that is full after a while, a goroutine pool that is created once: wherever it is in the watch. */
static void a_step_anywhere_does_not_leak(void **unused)
{
	(void)unused;
	seed = 3;
	for (int run = 0; run < 5000; run++) {
		int samples = 14 + (int)(100 * (noise() + 0.5));
		double place = samples * (noise() + 0.5);

		begin();
		for (int i = 0; i < samples; i++)
			trend_add(&trend, i, ((i < place ? 20 : 100) + 2 * noise()) * MIB);
		if (direction() == TREND_GROWS)
			fail_msg("run %d: %d samples, step at %.1f", run, samples, place);
	}
}

static void what_settles_does_not_leak(void **unused)
{
	(void)unused;
	seed = 4;
	for (int run = 0; run < 5000; run++) {
		int samples = 30 + (int)(100 * (noise() + 0.5));

		begin();
		for (int i = 0; i < samples; i++)
			trend_add(&trend, i, (60 - 30 * exp(-i * 15.0 / samples) + 2 * noise()) * MIB);
		if (direction() == TREND_GROWS)
			fail_msg("run %d: %d samples", run, samples);
	}
}

/* Collections that beat with the program's own waves: the waves are as high as ever. */
static void troughs_and_then_crests_are_no_leak(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 70; i++)
		trend_add(&trend, i * 0.2, (i % 6 * (1 - i / 70.0) + 6 + 6 * i / 70.0 + noise() / 2) * MIB);
	assert_int_equal(direction(), TREND_UNSURE);
}

/* What is no straight line, or has waves on it, and goes on growing. */
static double leak_of_kind(int kind, int i, int samples, double *pace)
{
	double part = (double)i / samples;

	switch (kind) {
	case 0: return 30 * part * part + noise();
	case 1: return 30 * sqrt(part) + noise();
	case 2: return 5 * floor(part * 6) + noise();
	case 3: return 40 * part + 10 * sin(i * 6.28 / 8) + noise();
	default: return *pace += 60.0 / samples * (noise() + 0.5);
	}
}

static void leaks_of_all_kinds_are_seen(void **unused)
{
	(void)unused;
	seed = 5;
	for (int kind = 0; kind < 5; kind++) {
		int seen = 0;

		for (int run = 0; run < 500; run++) {
			double pace = 0;

			begin();
			for (int i = 0; i < 60; i++)
				trend_add(&trend, i, (20 + leak_of_kind(kind, i, 60, &pace)) * MIB);
			seen += direction() == TREND_GROWS;
			/* Never that it is steady. */
			assert_true(line.direction == TREND_GROWS || line.direction == TREND_UNSURE);
		}
		if (seen < 490)
			fail_msg("leak %d: seen in %d of 500 runs", kind, seen);
	}
}

/* A long run keeps its beginning and its end. */
static void long_runs_are_thinned(void **unused)
{
	(void)unused;
	begin();
	for (int i = 0; i < 100000; i++)
		trend_add(&trend, i, 100 * MIB + i * 1000.0);
	assert_true(trend.count <= TREND_SAMPLES_MAX && trend.count >= TREND_SAMPLES_MAX / 2);
	assert_int_equal(direction(), TREND_GROWS);
	assert_true(fabs(line.slope - 1000) < 1);
	assert_true(line.seconds > 99000);
	/* Evenly: the beginning counts as much as the end. */
	assert_true(fabs(trend.seconds[1] - trend.seconds[0] -
			 (trend.seconds[trend.count - 1] - trend.seconds[trend.count - 2])) < 1);
}

/* ---- Verdicts --------------------------------------------------------------------------------- */

static struct verdict verdicts[VERDICTS_MAX];
static struct trends trends;

static void fill(struct trend *what, double level, double slope)
{
	for (int i = 0; i < 40; i++)
		trend_add(what, i, (level + i * slope + noise()) * MIB);
}

static void a_leak_comes_first(void **unused)
{
	unsigned count;

	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	fill(&trends.live, 100, 2);
	fill(&trends.stacks, 5, 0);
	verdicts[0] = (struct verdict){ .name = "gogc", .bytes = 1000 };
	count = trend_judge(&trends, verdicts, 1);
	assert_int_equal(count, 2);
	assert_string_equal(verdicts[0].name, "heap_leak");
	assert_true(verdicts[0].leak);
	assert_non_null(strstr(verdicts[0].evidence, "over 40 samples"));
	assert_string_equal(verdicts[1].name, "gogc");
}

static void steady_is_said(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	fill(&trends.live, 100, 0);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 1);
	assert_string_equal(verdicts[0].name, "no_heap_leak");
	assert_false(verdicts[0].leak);
}

/* A cache was thrown away early: the line through it ends below nothing, the heap does not. */
static void a_heap_that_has_fallen_has_bytes(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 30;
	for (int i = 0; i < 30; i++)
		trend_add(&trends.live, i, (i < 6 ? 1000 : 5) * MIB);
	trend_line(&trends.live, &line);
	assert_true(line.last < 0);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 1);
	assert_string_equal(verdicts[0].name, "no_heap_leak");
	assert_int_equal(verdicts[0].bytes, 5 * (uint64_t)MIB);
	assert_non_null(strstr(verdicts[0].evidence, "about 5.0 MB were alive"));
}

static void too_little_is_said(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	trend_add(&trends.live, 1, 5 * MIB);
	trend_add(&trends.live, 2, 50 * MIB);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 1);
	assert_string_equal(verdicts[0].name, "cannot_tell");
	assert_non_null(strstr(verdicts[0].evidence, "2 collections in 40 s"));
}

/* Rises on the whole, and was lower in between: nobody knows yet. */
static void rising_in_waves_is_not_called_steady(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 18;
	for (int i = 0; i < 18; i++)
		trend_add(&trends.live, i, (20 + i * 4 - (i == 10 ? 45 : 0)) * MIB);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 1);
	assert_string_equal(verdicts[0].name, "cannot_tell");
	assert_non_null(strstr(verdicts[0].evidence, "not steadily"));
}

/* C memory that makes a step: that objects do not leak comes first, and the step is told. */
static void doubt_is_told_of_each_kind(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	fill(&trends.live, 100, 0);
	for (int i = 0; i < 40; i++)
		trend_add(&trends.c, i, ((i < 25 ? 20 : 60) + noise()) * MIB);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 2);
	assert_string_equal(verdicts[0].name, "no_heap_leak");
	assert_string_equal(verdicts[1].name, "cannot_tell");
	assert_non_null(strstr(verdicts[1].evidence, "not Go's rises, from "));
	assert_false(verdicts[1].leak);
}

static void each_kind_of_growth_has_a_name(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	fill(&trends.live, 100, 0);
	fill(&trends.stacks, 10, 1);
	fill(&trends.c, 10, 1);
	fill(&trends.released, 10, 5);
	assert_int_equal(trend_judge(&trends, verdicts, 0), 4);
	assert_string_equal(verdicts[0].name, "goroutine_leak");
	assert_string_equal(verdicts[1].name, "c_leak");
	assert_string_equal(verdicts[2].name, "returning");
	assert_string_equal(verdicts[3].name, "no_heap_leak");
	assert_false(verdicts[2].leak);
}

/* Whether the verdict is there, and comes first; shares are of bytes at least so old. */
static bool thrashes(uint64_t judged, uint64_t soon, uint64_t judged_later, uint64_t later)
{
	trends.refault = (struct refault_totals){ .judged = { judged, judged_later }, .returned = { soon, later } };
	trend_judge(&trends, verdicts, 0);
	return !strcmp(verdicts[0].name, "refault");
}

static void what_comes_back_at_once(void **unused)
{
	const uint64_t mib = 1 << 20;

	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	trends.seconds = 20;
	assert_false(thrashes(100 * mib, 100 * mib, 100 * mib, 100 * mib)); /* not watched */
	trends.refault_watched = true;
	assert_true(thrashes(100 * mib, 79 * mib, 50 * mib, 45 * mib));
	assert_int_equal(verdicts[0].bytes, 79 * mib);
	assert_false(verdicts[0].leak);
	assert_non_null(strstr(verdicts[0].evidence, "of 100.0 MB, 79 % were resident again within 1 s"));
	assert_non_null(strstr(verdicts[0].evidence, "of 50.0 MB, 90 % within 10 s"));
	assert_true(thrashes(100 * mib, 25 * mib, 0, 0));
	assert_false(thrashes(100 * mib, 24 * mib, 100 * mib, 49 * mib));
	assert_true(thrashes(100 * mib, 0, 100 * mib, 50 * mib));
	trends.seconds = 19;
	assert_false(thrashes(100 * mib, 0, 100 * mib, 100 * mib)); /* what was given back last is not 10 s old */
	assert_true(thrashes(100 * mib, 25 * mib, 100 * mib, 100 * mib));
	assert_null(strstr(verdicts[0].evidence, "within 10 s"));
	trends.seconds = 20;
	assert_false(thrashes(15 * mib, 15 * mib, 15 * mib, 15 * mib)); /* little */
	assert_false(thrashes(0, 0, 0, 0));
	/* Each share is of enough, or is not asked. */
	assert_false(thrashes(100 * mib, 0, mib, mib));
	assert_false(thrashes(mib, mib, 100 * mib, 0));
	assert_true(thrashes(100 * mib, 0, 16 * mib, 8 * mib));
}

static bool pressed(uint64_t cycles, uint64_t gc_seconds, unsigned near_limit)
{
	trends.cycles = cycles;
	trends.gc_cpu_ns = gc_seconds * 1000000000u;
	trends.near_limit = near_limit;
	trend_judge(&trends, verdicts, 0);
	return !strcmp(verdicts[0].name, "memory_limit_pressure");
}

/* 40 s on 2 processors, looked at 20 times. */
static void the_limit_drives_the_collector(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	trends.samples = 25;
	trends.limit_known = 20;
	trends.processors = 2;
	fill(&trends.live, 100, 0);
	fill(&trends.rss, 200, 0);
	assert_true(pressed(400, 40, 20));
	assert_non_null(strstr(verdicts[0].evidence, "10.0 collections a second over 40 s, 50.0 %"));
	assert_non_null(strstr(verdicts[0].evidence, "limiter"));
	assert_false(verdicts[0].leak);
	assert_in_range(verdicts[0].bytes, 190 * (uint64_t)MIB, 210 * (uint64_t)MIB);
	assert_true(pressed(40, 0, 11));
	assert_null(strstr(verdicts[0].evidence, "limiter"));
	assert_true(pressed(30, 8, 11));    /* few, and long */
	assert_false(pressed(30, 7, 20));   /* few, and short */
	assert_false(pressed(400, 40, 10)); /* not near at most looks */
	assert_false(pressed(11, 40, 20));  /* too few to say */
	trends.processors = 0;
	assert_true(pressed(40, 40, 11));
	assert_null(strstr(verdicts[0].evidence, "processors")); /* unknown is not 0 % */
	assert_non_null(strstr(verdicts[0].evidence, "at 11 of 20 looks"));
	trends.processors = 2;
	trends.cycles = 40;
	trends.gc_cpu_ns = VALUE_UNKNOWN;
	trend_judge(&trends, verdicts, 0);
	assert_string_equal(verdicts[0].name, "memory_limit_pressure");
	assert_null(strstr(verdicts[0].evidence, "processors"));
	trends.seconds = 0;
	assert_false(pressed(0, 0, 0));
}

static void full_lists_keep_the_leak(void **unused)
{
	(void)unused;
	memset(&trends, 0, sizeof(trends));
	trends.seconds = 40;
	fill(&trends.live, 100, 2);
	for (unsigned i = 0; i < VERDICTS_MAX; i++)
		verdicts[i] = (struct verdict){ .name = "other" };
	assert_int_equal(trend_judge(&trends, verdicts, VERDICTS_MAX), VERDICTS_MAX);
	assert_string_equal(verdicts[0].name, "heap_leak");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_is_seen_with_its_slope),
		cmocka_unit_test(falling_is_no_growth),
		cmocka_unit_test(few_samples_have_a_wide_interval),
		cmocka_unit_test(little_is_not_enough),
		cmocka_unit_test(a_step_is_no_leak),
		cmocka_unit_test(waves_are_no_leak),
		cmocka_unit_test(small_growth_is_no_leak),
		cmocka_unit_test(equal_times_are_no_line),
		cmocka_unit_test(healthy_programs_do_not_leak),
		cmocka_unit_test(bursts_do_not_leak),
		cmocka_unit_test(a_step_anywhere_does_not_leak),
		cmocka_unit_test(what_settles_does_not_leak),
		cmocka_unit_test(troughs_and_then_crests_are_no_leak),
		cmocka_unit_test(leaks_of_all_kinds_are_seen),
		cmocka_unit_test(long_runs_are_thinned),
		cmocka_unit_test(a_leak_comes_first),
		cmocka_unit_test(steady_is_said),
		cmocka_unit_test(a_heap_that_has_fallen_has_bytes),
		cmocka_unit_test(too_little_is_said),
		cmocka_unit_test(rising_in_waves_is_not_called_steady),
		cmocka_unit_test(doubt_is_told_of_each_kind),
		cmocka_unit_test(each_kind_of_growth_has_a_name),
		cmocka_unit_test(what_comes_back_at_once),
		cmocka_unit_test(the_limit_drives_the_collector),
		cmocka_unit_test(full_lists_keep_the_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
