/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recipe_builder: recipes made by hand, with the line of Go 1.27 as the
 * example, and payloads for them.
 */
#ifndef GCTAP_TESTS_RECIPE_BUILDER_H
#define GCTAP_TESTS_RECIPE_BUILDER_H

#include <stdlib.h>
#include <string.h>

#include "recipe/recipe_internal.h"

#define RECIPE_PROBE 0x401100ull

/* Where the numbers of recipe_go127() lie. */
enum {
	AT_CYCLE = 0x502000,	   /* u32 */
	AT_USER_FORCED = 0x502004, /* u8 */
	AT_LEAKS = 0x502005,	   /* u8: looks for goroutine leaks */
	AT_SWEEP_TERM = 0x502008,
	AT_MARK = 0x502010,
	AT_MARK_TERM = 0x502018,
	AT_END = 0x502020,
	AT_HEAP0 = 0x502028,
	AT_HEAP1 = 0x502030,
	AT_HEAP2 = 0x502038,
	AT_PROCS = 0x502040,	 /* u32 */
	AT_INIT_TIME = 0x502800, /* a window of its own */
	AT_FRACTION = 0x502900,	 /* double; a window of its own */
	AT_ASSIST = 0x502a00,	 /* another one */
	AT_DEDICATED = 0x502a08,
	AT_FRACTIONAL = 0x502a10,
	AT_IDLE = 0x502a18,
	AT_GOAL = 0x502a20,
	AT_STACKS = 0x502a28,
	AT_GLOBALS = 0x502a30,
	AT_ARENAS = 0x502a38,
};

static inline struct recipe *recipe_new(void)
{
	struct recipe *recipe = calloc(1, sizeof(*recipe));

	if (!recipe)
		abort();
	recipe->pool = expr_pool_new();
	recipe->probe_address = RECIPE_PROBE;
	recipe->rereads[0].address = RECIPE_PROBE + 0x300;
	strcpy(recipe->function, "runtime.gcMarkTermination");
	return recipe;
}

static inline expr_id recipe_memory(struct recipe *recipe, uint64_t address, unsigned size)
{
	return expr_leaf(recipe->pool, EXPR_MEMORY, address, size);
}

static inline void recipe_text_if(struct recipe *recipe, const char *text, expr_id guard, bool truth)
{
	recipe->items[recipe->nr_items++] = (struct recipe_item){
		.format = RECIPE_LITERAL, .literal = strdup(text), .guard = guard, .guard_truth = truth
	};
}

static inline void recipe_text(struct recipe *recipe, const char *text)
{
	recipe_text_if(recipe, text, EXPR_NONE, false);
}

static inline struct recipe_item *recipe_number(struct recipe *recipe, enum recipe_format format, expr_id value)
{
	struct recipe_item *item = &recipe->items[recipe->nr_items++];

	*item = (struct recipe_item){ .format = format, .value = value, .raw = value };
	return item;
}

static inline void recipe_milliseconds(struct recipe *recipe, expr_id value)
{
	recipe_number(recipe, RECIPE_MILLISECONDS, value)->unit = RECIPE_UNIT_NANOSECONDS;
}

static inline expr_id recipe_difference(struct recipe *recipe, uint64_t end, uint64_t start)
{
	return expr_binary(recipe->pool, EXPR_SUB, recipe_memory(recipe, end, 8), recipe_memory(recipe, start, 8));
}

static inline void recipe_megabytes(struct recipe *recipe, uint64_t address)
{
	expr_id bytes = recipe_memory(recipe, address, 8);
	struct recipe_item *item = recipe_number(
		recipe, RECIPE_UNSIGNED, expr_binary(recipe->pool, EXPR_SHR, bytes, expr_const(recipe->pool, 20)));

	item->raw = bytes;
	item->unit = RECIPE_UNIT_BYTES;
}

static inline void recipe_head(struct recipe *recipe)
{
	expr_id ns = recipe_difference(recipe, AT_SWEEP_TERM, AT_INIT_TIME);
	double hundred = 100;
	uint64_t bits;
	struct recipe_item *item;
	expr_id fraction = recipe_memory(recipe, AT_FRACTION, 8), percent;

	memcpy(&bits, &hundred, sizeof(bits));
	recipe_text(recipe, "gc ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, AT_CYCLE, 4));
	recipe_text(recipe, " @");
	item = recipe_number(recipe, RECIPE_DECIMAL,
			     expr_binary(recipe->pool, EXPR_DIV_U, ns, expr_const(recipe->pool, 1000000)));
	item->decimals = 3;
	item->raw = ns;
	item->unit = RECIPE_UNIT_NANOSECONDS;
	recipe_text(recipe, "s ");
	percent = expr_binary(recipe->pool, EXPR_F64_MUL, fraction, expr_const(recipe->pool, bits));
	item = recipe_number(recipe, RECIPE_SIGNED, expr_unary(recipe->pool, EXPR_S64_FROM_F64, percent, 8));
	item->raw = fraction;
	item->unit = RECIPE_UNIT_FRACTION;
	recipe_text(recipe, "%");
}

static inline void recipe_phases(struct recipe *recipe)
{
	static const uint64_t times[] = { AT_SWEEP_TERM, AT_MARK, AT_MARK_TERM, AT_END };
	expr_id procs = recipe_memory(recipe, AT_PROCS, 4);

	recipe_text(recipe, ": ");
	for (unsigned i = 0; i < 3; i++) {
		recipe_milliseconds(recipe, recipe_difference(recipe, times[i + 1], times[i]));
		recipe_text(recipe, i < 2 ? "+" : " ms clock, ");
	}
	recipe_milliseconds(
		recipe, expr_binary(recipe->pool, EXPR_MUL, procs, recipe_difference(recipe, AT_MARK, AT_SWEEP_TERM)));
	recipe_text(recipe, "+");
	recipe_milliseconds(recipe, recipe_memory(recipe, AT_ASSIST, 8));
	recipe_text(recipe, "/");
	recipe_milliseconds(recipe, expr_binary(recipe->pool, EXPR_ADD, recipe_memory(recipe, AT_DEDICATED, 8),
						recipe_memory(recipe, AT_FRACTIONAL, 8)));
	recipe_text(recipe, "/");
	recipe_milliseconds(recipe, recipe_memory(recipe, AT_IDLE, 8));
	recipe_text(recipe, "+");
	recipe_milliseconds(
		recipe, expr_binary(recipe->pool, EXPR_MUL, procs, recipe_difference(recipe, AT_END, AT_MARK_TERM)));
	recipe_text(recipe, " ms cpu, ");
}

static inline void recipe_heap(struct recipe *recipe)
{
	recipe_megabytes(recipe, AT_HEAP0);
	recipe_text(recipe, "->");
	recipe_megabytes(recipe, AT_HEAP1);
	recipe_text(recipe, "->");
	recipe_megabytes(recipe, AT_HEAP2);
	recipe_text(recipe, " MB, ");
	recipe_megabytes(recipe, AT_GOAL);
	recipe_text(recipe, " MB goal, ");
}

/* With @news, items that no version has had yet. */
static inline struct recipe *recipe_go127(bool news)
{
	struct recipe *recipe = recipe_new();

	recipe_head(recipe);
	recipe_text_if(recipe, " (checking for goroutine leaks)", recipe_memory(recipe, AT_LEAKS, 1), true);
	recipe_phases(recipe);
	recipe_heap(recipe);
	recipe_megabytes(recipe, AT_STACKS);
	recipe_text(recipe, " MB stacks, ");
	recipe_megabytes(recipe, AT_GLOBALS);
	recipe_text(recipe, " MB globals, ");
	if (news) {
		recipe_megabytes(recipe, AT_ARENAS);
		recipe_text(recipe, " MB arenas, ");
	}
	recipe_number(recipe, RECIPE_SIGNED, recipe_memory(recipe, AT_PROCS, 4));
	recipe_text(recipe, " P");
	recipe_text_if(recipe, " (forced)", recipe_memory(recipe, AT_USER_FORCED, 1), true);
	if (news)
		recipe_text_if(recipe, " (odd)", recipe_memory(recipe, AT_LEAKS, 1), false);
	if (recipe_plan_windows(recipe, NULL))
		abort();
	return recipe;
}

/* Puts a number where the payload has the memory of that address; false: in no window. */
static inline bool recipe_poke(const struct recipe *recipe, uint8_t *payload, uint64_t address, unsigned size,
			       uint64_t value)
{
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		const struct gctap_window *window = &recipe->windows[i];
		uint64_t start = recipe->probe_address + (uint64_t)window->delta;

		if (window->base != GCTAP_BASE_IP || address < start || address + size > start + window->length)
			continue;
		memcpy(payload + recipe->window_offsets[i] + (address - start), &value, size);
		return true;
	}
	return false;
}

/* The bit of the window that holds an address. */
static inline uint32_t recipe_window_bit(const struct recipe *recipe, uint64_t address)
{
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		uint64_t start = recipe->probe_address + (uint64_t)recipe->windows[i].delta;

		if (address >= start && address < start + recipe->windows[i].length)
			return 1u << i;
	}
	return 0;
}

#endif
