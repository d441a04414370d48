// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "refault_model.h"

#define KIB    1024ull
#define MIB    (1024 * KIB)
#define CHUNK  (4 * MIB)
#define SECOND 1000000000ull
#define BASE   0xc000000000ull /* a multiple of the chunk */

static struct refault *refault;

static void begin(uint32_t ranges_max)
{
	refault = refault_new(ranges_max);
	assert_non_null(refault);
}

static void assert_watched(uint64_t released, uint64_t unwatched)
{
	const struct refault_totals *totals = refault_totals(refault);

	if (totals->released != released || totals->unwatched != unwatched)
		fail_msg("%llu watched and %llu not, expected %llu and %llu", (unsigned long long)totals->released,
			 (unsigned long long)totals->unwatched, (unsigned long long)released,
			 (unsigned long long)unwatched);
}

static void assert_judged(unsigned age, uint64_t judged, uint64_t returned)
{
	const struct refault_totals *totals = refault_totals(refault);

	if (totals->judged[age] != judged || totals->returned[age] != returned)
		fail_msg("age %u: %llu of %llu came back, expected %llu of %llu", age,
			 (unsigned long long)totals->returned[age], (unsigned long long)totals->judged[age],
			 (unsigned long long)returned, (unsigned long long)judged);
}

/* The next range, @present of which is there. */
static void assert_due(uint64_t now_ns, uint64_t address, uint64_t bytes, uint64_t present)
{
	struct refault_range range = { 0, 0 };

	assert_true(refault_due(refault, now_ns, &range));
	if (range.address != address || range.bytes != bytes)
		fail_msg("%llu bytes at 0x%llx are due, expected %llu at 0x%llx", (unsigned long long)range.bytes,
			 (unsigned long long)range.address, (unsigned long long)bytes, (unsigned long long)address);
	refault_judge(refault, present);
}

static void assert_none_due(uint64_t now_ns)
{
	struct refault_range range;

	assert_false(refault_due(refault, now_ns, &range));
}

/* ---- Ages ----------------------------------------------------------------------------------- */

static void each_age_once(void **unused)
{
	const uint64_t released = 5 * SECOND;

	(void)unused;
	begin(4);
	assert_none_due(UINT64_MAX);
	refault_release(refault, BASE, MIB, MIB, released);
	assert_watched(MIB, 0);
	assert_none_due(0); /* before it was released */
	assert_none_due(released);
	assert_none_due(released + SECOND - 1);
	assert_due(released + SECOND, BASE, MIB, 256 * KIB);
	assert_judged(0, MIB, 256 * KIB);
	assert_judged(1, 0, 0);
	assert_none_due(released + 10 * SECOND - 1);
	assert_due(released + 10 * SECOND, BASE, MIB, 0);
	assert_judged(1, MIB, 0);
	assert_none_due(released + 60 * SECOND - 1);
	assert_due(released + 60 * SECOND, BASE, MIB, MIB);
	assert_judged(0, MIB, 256 * KIB);
	assert_judged(1, MIB, 0);
	assert_judged(2, MIB, MIB);
	assert_none_due(UINT64_MAX);
	refault_free(refault);
}

/* Nobody looked for a minute: all ages come, one after the other. */
static void late_ages(void **unused)
{
	(void)unused;
	begin(4);
	refault_release(refault, BASE, MIB, 0, 1);
	for (unsigned age = 0; age < REFAULT_AGES; age++)
		assert_due(100 * SECOND, BASE, MIB, age * KIB);
	assert_none_due(100 * SECOND);
	for (unsigned age = 0; age < REFAULT_AGES; age++)
		assert_judged(age, MIB, age * KIB);
	refault_free(refault);
}

static void no_more_than_the_range_is_there(void **unused)
{
	(void)unused;
	begin(4);
	refault_release(refault, BASE, 8 * KIB, 0, 0);
	assert_due(SECOND, BASE, 8 * KIB, MIB);
	assert_judged(0, 8 * KIB, 8 * KIB);
	refault_free(refault);
}

static void oldest_first(void **unused)
{
	(void)unused;
	begin(8);
	refault_release(refault, BASE, 4 * KIB, 0, 0);
	assert_due(SECOND, BASE, 4 * KIB, 0);
	refault_release(refault, BASE + MIB, 8 * KIB, 0, 12 * SECOND);
	refault_release(refault, BASE + 2 * MIB, 12 * KIB, 0, 12 * SECOND + 1);
	/* The one that waits for 10 s, then those for 1 s in their order. */
	assert_due(14 * SECOND, BASE, 4 * KIB, 0);
	assert_due(14 * SECOND, BASE + MIB, 8 * KIB, 0);
	assert_due(14 * SECOND, BASE + 2 * MIB, 12 * KIB, 0);
	assert_none_due(14 * SECOND);
	refault_free(refault);
}

/* ---- Given back again ----------------------------------------------------------------------- */

static void again_in_whole(void **unused)
{
	(void)unused;
	begin(4);
	refault_release(refault, BASE, MIB, MIB, 0);
	/* It was back, or nothing could have been freed: for all ages that were still open. */
	refault_release(refault, BASE, MIB, MIB, SECOND / 2);
	for (unsigned age = 0; age < REFAULT_AGES; age++)
		assert_judged(age, MIB, MIB);
	assert_watched(2 * MIB, 0);
	assert_none_due(SECOND + SECOND / 2 - 1);
	assert_due(SECOND + SECOND / 2, BASE, MIB, 0);
	assert_judged(0, 2 * MIB, MIB);
	/* Nothing was freed: nothing had come back. The first age has passed, and is not judged twice. */
	refault_release(refault, BASE, MIB, 0, 2 * SECOND);
	assert_judged(0, 2 * MIB, MIB);
	assert_judged(1, 2 * MIB, MIB);
	assert_judged(2, 2 * MIB, MIB);
	refault_free(refault);
}

static void again_in_part(void **unused)
{
	(void)unused;
	begin(4);
	refault_release(refault, BASE, 16 * KIB, 0, 0);
	/* The end of it and more behind it; 8 KiB of it are new. */
	refault_release(refault, BASE + 8 * KIB, 16 * KIB, 12 * KIB, 10);
	assert_judged(0, 8 * KIB, 4 * KIB);
	assert_judged(2, 8 * KIB, 4 * KIB);
	assert_watched(32 * KIB, 0);
	assert_due(SECOND, BASE, 8 * KIB, 0);
	assert_none_due(SECOND + 9);
	assert_due(SECOND + 10, BASE + 8 * KIB, 16 * KIB, 0);
	/* The start of it and more in front. */
	refault_release(refault, BASE - 4 * KIB, 8 * KIB, 8 * KIB, 2 * SECOND);
	assert_judged(1, 12 * KIB, 8 * KIB);
	assert_due(10 * SECOND, BASE + 4 * KIB, 4 * KIB, 0);
	assert_due(10 * SECOND + 10, BASE + 8 * KIB, 16 * KIB, 0);
	refault_free(refault);
}

static void again_in_the_middle(void **unused)
{
	(void)unused;
	begin(8);
	refault_release(refault, BASE, 12 * KIB, 0, 0);
	refault_release(refault, BASE + MIB, 4 * KIB, 0, 1);
	refault_release(refault, BASE + 4 * KIB, 4 * KIB, 4 * KIB, 2);
	assert_judged(0, 4 * KIB, 4 * KIB);
	assert_watched(20 * KIB, 0);
	/* Both halves keep their age, and their place in the queue. */
	assert_due(SECOND, BASE, 4 * KIB, 0);
	assert_due(SECOND, BASE + 8 * KIB, 4 * KIB, 0);
	assert_none_due(SECOND);
	assert_due(SECOND + 1, BASE + MIB, 4 * KIB, 0);
	assert_due(SECOND + 2, BASE + 4 * KIB, 4 * KIB, 0);
	/* The same of one that waits for 10 s. */
	refault_release(refault, BASE + MIB + KIB, KIB, KIB, 3 * SECOND);
	assert_due(10 * SECOND, BASE, 4 * KIB, 0);
	assert_due(10 * SECOND, BASE + 8 * KIB, 4 * KIB, 0);
	assert_due(10 * SECOND + 2, BASE + MIB, KIB, 0);
	assert_due(10 * SECOND + 2, BASE + MIB + 2 * KIB, 2 * KIB, 0);
	assert_due(10 * SECOND + 2, BASE + 4 * KIB, 4 * KIB, 0);
	assert_due(10 * SECOND + 2, BASE + MIB + KIB, KIB, 0);
	assert_none_due(10 * SECOND + 2);
	refault_free(refault);
}

/* Pages are cut off one by one from the end, the middle and the start of the last range in the queue. */
static void queues_keep_their_ends(void **unused)
{
	(void)unused;
	begin(16);
	refault_release(refault, BASE, 5 * KIB, 0, 0);
	refault_release(refault, BASE + 2 * KIB, KIB, 0, 1);
	refault_release(refault, BASE + 4 * KIB, KIB, 0, 2);
	refault_release(refault, BASE, KIB, 0, 3);
	refault_release(refault, BASE + MIB, KIB, 0, 4);
	assert_due(2 * SECOND, BASE + KIB, KIB, 0);
	assert_due(2 * SECOND, BASE + 3 * KIB, KIB, 0);
	assert_due(2 * SECOND, BASE + 2 * KIB, KIB, 0);
	assert_due(2 * SECOND, BASE + 4 * KIB, KIB, 0);
	assert_due(2 * SECOND, BASE, KIB, 0);
	assert_due(2 * SECOND, BASE + MIB, KIB, 0);
	assert_none_due(2 * SECOND);
	refault_free(refault);
}

static void several_ranges_at_once(void **unused)
{
	(void)unused;
	begin(8);
	for (unsigned i = 0; i < 4; i++)
		refault_release(refault, BASE + 2 * i * 4 * KIB, 4 * KIB, 0, i);
	/* 16 KiB of it were watched; 12 KiB are between. Of 20 KiB freed, 8 KiB had come back. */
	refault_release(refault, BASE, 28 * KIB, 20 * KIB, 10);
	assert_judged(0, 16 * KIB, 8 * KIB);
	assert_watched(44 * KIB, 0);
	assert_due(2 * SECOND, BASE, 28 * KIB, 0);
	assert_none_due(2 * SECOND);
	refault_free(refault);
}

/* ---- What was freed ------------------------------------------------------------------------- */

static void what_was_not_watched_is_freed_first(void **unused)
{
	static const struct {
		uint64_t freed, returned;
	} cases[] = {
		{ 0, 0 },	  { 4 * KIB, 0 },	   { 8 * KIB, 0 }, { 12 * KIB, 4 * KIB }, { 16 * KIB, 8 * KIB },
		{ MIB, 8 * KIB }, { UINT64_MAX, 8 * KIB },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(4);
		refault_release(refault, BASE + 4 * KIB, 8 * KIB, 0, 0);
		refault_release(refault, BASE, 16 * KIB, cases[i].freed, 1);
		for (unsigned age = 0; age < REFAULT_AGES; age++)
			assert_judged(age, 8 * KIB, cases[i].returned);
		refault_free(refault);
	}
}

/* Watched at both sides of a border: what was freed is counted once. */
static void freed_over_a_border(void **unused)
{
	static const uint64_t freed[] = { 0, 4 * KIB, 8 * KIB, 12 * KIB };

	(void)unused;
	for (size_t i = 0; i < sizeof(freed) / sizeof(freed[0]); i++) {
		begin(8);
		refault_release(refault, BASE + CHUNK - 4 * KIB, 12 * KIB, 0, 0);
		refault_release(refault, BASE + CHUNK - 4 * KIB, 12 * KIB, freed[i], 1);
		assert_judged(0, 12 * KIB, freed[i]);
		refault_free(refault);
	}
}

/* ---- Chunks --------------------------------------------------------------------------------- */

static void ranges_end_at_chunks(void **unused)
{
	(void)unused;
	begin(8);
	refault_release(refault, BASE + CHUNK - MIB, 2 * CHUNK, 0, 0);
	assert_watched(2 * CHUNK, 0);
	assert_due(SECOND, BASE + CHUNK - MIB, MIB, 0);
	assert_due(SECOND, BASE + CHUNK, CHUNK, 0);
	assert_due(SECOND, BASE + 2 * CHUNK, 3 * MIB, MIB);
	assert_none_due(SECOND);
	assert_judged(0, 2 * CHUNK, MIB);
	/* Exactly one chunk is one range. */
	refault_release(refault, BASE + 8 * CHUNK, CHUNK, 0, SECOND);
	assert_due(2 * SECOND, BASE + 8 * CHUNK, CHUNK, 0);
	assert_none_due(2 * SECOND);
	refault_free(refault);
}

/* Chunks that share a bucket have nothing else in common. */
static void far_away_is_another_range(void **unused)
{
	const uint64_t far = BASE + 4096 * CHUNK;

	(void)unused;
	begin(8);
	refault_release(refault, BASE, MIB, 0, 0);
	refault_release(refault, far, MIB, MIB, 1);
	assert_judged(0, 0, 0);
	assert_watched(2 * MIB, 0);
	refault_release(refault, BASE, MIB, MIB, 2);
	assert_judged(0, MIB, MIB);
	assert_due(2 * SECOND, far, MIB, 0);
	assert_due(2 * SECOND, BASE, MIB, 0);
	refault_free(refault);
}

static void ends_of_the_address_space(void **unused)
{
	const uint64_t top = UINT64_MAX - 8 * KIB + 1;

	(void)unused;
	begin(4);
	refault_release(refault, top, 4 * KIB, 0, 0);
	assert_watched(4 * KIB, 0);
	assert_due(SECOND, top, 4 * KIB, 0);
	/* Nothing lies behind the last address, nor does it go on at 0. */
	refault_release(refault, top, 12 * KIB, 12 * KIB, SECOND);
	refault_release(refault, UINT64_MAX, UINT64_MAX, UINT64_MAX, SECOND);
	assert_watched(4 * KIB, 0);
	assert_judged(1, 0, 0);
	assert_none_due(9 * SECOND);
	refault_release(refault, 0, 4 * KIB, 0, 20 * SECOND);
	refault_release(refault, BASE, 0, 0, 20 * SECOND);
	assert_watched(8 * KIB, 0);
	refault_free(refault);
}

/* ---- Room ----------------------------------------------------------------------------------- */

static void more_ranges_than_room(void **unused)
{
	(void)unused;
	begin(2);
	refault_release(refault, BASE, 4 * KIB, 0, 0);
	refault_release(refault, BASE + MIB, 4 * KIB, 0, 0);
	refault_release(refault, BASE + 2 * MIB, 8 * KIB, 0, 0);
	assert_watched(8 * KIB, 8 * KIB);
	refault_unwatched(refault, KIB);
	assert_watched(8 * KIB, 9 * KIB);
	assert_due(100 * SECOND, BASE, 4 * KIB, 0);
	assert_due(100 * SECOND, BASE, 4 * KIB, 0);
	assert_due(100 * SECOND, BASE, 4 * KIB, 0);
	/* One is done with: there is room for another. */
	refault_release(refault, BASE + 3 * MIB, 4 * KIB, 0, 100 * SECOND);
	refault_release(refault, BASE + 2 * MIB, 4 * KIB, 0, 100 * SECOND);
	assert_watched(12 * KIB, 13 * KIB);
	/* What is given back again takes the place of what it was. */
	refault_release(refault, BASE + 3 * MIB, 4 * KIB, 4 * KIB, 100 * SECOND);
	assert_watched(16 * KIB, 13 * KIB);
	assert_judged(2, 8 * KIB, 4 * KIB);
	refault_free(refault);
}

static void no_room_for_the_rest_of_a_split(void **unused)
{
	(void)unused;
	begin(1);
	refault_release(refault, BASE, 12 * KIB, 0, 0);
	refault_release(refault, BASE + 4 * KIB, 4 * KIB, 4 * KIB, 1);
	/* The front stays; neither its back nor the new one can be watched. */
	assert_watched(8 * KIB, 8 * KIB);
	assert_judged(0, 4 * KIB, 4 * KIB);
	assert_due(2 * SECOND, BASE, 4 * KIB, 0);
	assert_none_due(2 * SECOND);
	refault_free(refault);
}

static void no_room_at_all(void **unused)
{
	(void)unused;
	begin(0);
	refault_release(refault, BASE, 12 * MIB, 0, 0);
	assert_watched(0, 12 * MIB);
	assert_none_due(UINT64_MAX);
	refault_free(refault);
	refault_free(NULL);
}

/* ---- At random ------------------------------------------------------------------------------ */

static uint64_t random_state;

static unsigned random_below(unsigned end)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 20) % end;
}

static const char *random_step(struct refault_model *model, uint64_t *now_ns)
{
	static const uint64_t pauses[] = { 0, 1, 300000000, 1100000000, 9000000000, 51000000000 };
	static const unsigned lengths[] = { 1, 2, 8, 64, 512, 1024, 3000 };
	unsigned page = random_below(MODEL_PAGES), count = 1 + random_below(lengths[random_below(7)]);
	const char *disagreement = NULL;
	bool any = true;

	switch (random_below(8)) {
	case 0: *now_ns += pauses[random_below(6)]; return NULL;
	case 1:
		for (unsigned i = random_below(20); i > 0 && any && !disagreement; i--)
			disagreement = refault_model_judge(model, *now_ns, random_below(1 << 23), &any);
		return disagreement;
	case 2: page = page / MODEL_CHUNK_PAGES * MODEL_CHUNK_PAGES; break; /* meets others at borders */
	default: break;
	}
	return refault_model_release(model, page, count, random_below(3) ? random_below(count + 1) : count, *now_ns);
}

static void assert_like_model(uint32_t ranges_max, unsigned steps)
{
	struct refault_model *model = refault_model_new(ranges_max);
	const char *disagreement = NULL;
	uint64_t now_ns = 1000;

	random_state = 0x2545f4914f6cdd1dull + ranges_max;
	for (unsigned i = 0; i < steps && !disagreement; i++) {
		disagreement = random_step(model, &now_ns);
		if (disagreement)
			fail_msg("step %u: %s", i, disagreement);
	}
	/* Some of it must have come to each age, or nothing was tried. */
	for (unsigned age = 0; age < REFAULT_AGES; age++)
		assert_true(refault_totals(model->refault)->judged[age]);
	refault_model_free(model);
}

static void same_as_page_by_page(void **unused)
{
	(void)unused;
	assert_like_model(MODEL_PAGES, 20000);
}

static void sums_hold_without_room(void **unused)
{
	(void)unused;
	for (uint32_t room = 1; room < 40; room += 7)
		assert_like_model(room, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_age_once),
		cmocka_unit_test(late_ages),
		cmocka_unit_test(no_more_than_the_range_is_there),
		cmocka_unit_test(oldest_first),
		cmocka_unit_test(again_in_whole),
		cmocka_unit_test(again_in_part),
		cmocka_unit_test(again_in_the_middle),
		cmocka_unit_test(queues_keep_their_ends),
		cmocka_unit_test(several_ranges_at_once),
		cmocka_unit_test(what_was_not_watched_is_freed_first),
		cmocka_unit_test(freed_over_a_border),
		cmocka_unit_test(ranges_end_at_chunks),
		cmocka_unit_test(far_away_is_another_range),
		cmocka_unit_test(ends_of_the_address_space),
		cmocka_unit_test(more_ranges_than_room),
		cmocka_unit_test(no_room_for_the_rest_of_a_split),
		cmocka_unit_test(no_room_at_all),
		cmocka_unit_test(same_as_page_by_page),
		cmocka_unit_test(sums_hold_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
