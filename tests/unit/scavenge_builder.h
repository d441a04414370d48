/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scavenge_builder: the recipes of the scavtrace lines made by hand, as the
 * solver learns them from Go 1.15, 1.19 and 1.21. Numbers that a test wants to
 * lose one by one lie in windows of their own.
 */
#ifndef GCTAP_TESTS_SCAVENGE_BUILDER_H
#define GCTAP_TESTS_SCAVENGE_BUILDER_H

#include "recipe_builder.h"

enum {
	AT_SCAVTRACE = 0x503000,     /* u32, signed: the switch */
	AT_GENERATION = 0x503100,    /* u32 */
	AT_BACKGROUND = 0x503200,    /* released bytes */
	AT_EAGER = 0x503300,	     /* likewise */
	AT_IN_USE = 0x503400,	     /* bytes */
	AT_FREE = 0x503500,	     /* bytes */
	AT_HEAP_RELEASED = 0x503600, /* bytes */
	AT_RESET = 0x503700,	     /* u8 */
};

enum scavenge_version { SCAVENGE_GO115, SCAVENGE_GO119, SCAVENGE_GO121, SCAVENGE_VERSIONS };

/* Where a forced line has its work: on the stack before arguments and results were in registers. */
#define SCAVENGE_RAX  0
#define SCAVENGE_SLOT 0x28

static inline expr_id scavenge_own_work(struct recipe *recipe, enum scavenge_version version)
{
	return version == SCAVENGE_GO115 ? expr_leaf(recipe->pool, EXPR_STACK, SCAVENGE_SLOT, 8)
					 : expr_leaf(recipe->pool, EXPR_REGISTER, SCAVENGE_RAX, 8);
}

static inline void scavenge_kib(struct recipe *recipe, expr_id bytes)
{
	struct recipe_item *item = recipe_number(
		recipe, RECIPE_UNSIGNED, expr_binary(recipe->pool, EXPR_SHR, bytes, expr_const(recipe->pool, 10)));

	item->raw = bytes;
	item->unit = RECIPE_UNIT_BYTES;
	item->scale_shift = 10;
}

/* In Go 1.21 the forced line has 0 as a text and its own work where others have the eager one. */
static inline void scavenge_work(struct recipe *recipe, enum scavenge_version version, bool forced)
{
	expr_id work = forced ? scavenge_own_work(recipe, version) : recipe_memory(recipe, AT_BACKGROUND, 8);

	if (version == SCAVENGE_GO115) {
		recipe_text(recipe, "scav ");
		recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, AT_GENERATION, 4));
		recipe_text(recipe, " ");
	} else if (version == SCAVENGE_GO121 && forced) {
		recipe_text(recipe, "scav 0 KiB work (bg), ");
	} else {
		recipe_text(recipe, "scav ");
	}
	if (version != SCAVENGE_GO121) {
		scavenge_kib(recipe, work);
		recipe_text(recipe, " KiB work, ");
		return;
	}
	if (!forced) {
		scavenge_kib(recipe, work);
		recipe_text(recipe, " KiB work (bg), ");
		work = recipe_memory(recipe, AT_EAGER, 8);
	}
	scavenge_kib(recipe, work);
	recipe_text(recipe, " KiB work (eager), ");
}

static inline void scavenge_state(struct recipe *recipe, enum scavenge_version version)
{
	expr_id in_use = recipe_memory(recipe, AT_IN_USE, 8);
	expr_id retained = expr_binary(recipe->pool, EXPR_ADD, in_use, recipe_memory(recipe, AT_FREE, 8));

	scavenge_kib(recipe, recipe_memory(recipe, AT_HEAP_RELEASED, 8));
	recipe_text(recipe, version == SCAVENGE_GO121 ? " KiB now, " : " KiB total, ");
	recipe_number(recipe, RECIPE_UNSIGNED,
		      expr_binary(recipe->pool, EXPR_DIV_U,
				  expr_binary(recipe->pool, EXPR_MUL, in_use, expr_const(recipe->pool, 100)),
				  retained));
	recipe->extras[RECIPE_SWITCH] = recipe_memory(recipe, AT_SCAVTRACE, 4);
	recipe->extras[RECIPE_IN_USE] = in_use;
	recipe->extras[RECIPE_RETAINED] = retained;
}

static inline struct recipe *scavenge_recipe(enum scavenge_version version, bool forced)
{
	struct recipe *recipe = recipe_new();

	strcpy(recipe->function, forced ? "runtime.(*mheap).scavengeAll" : "runtime.sweepone");
	recipe->cumulative = version != SCAVENGE_GO115 && !forced;
	scavenge_work(recipe, version, forced);
	scavenge_state(recipe, version);
	recipe_text(recipe, forced ? "% util (forced)" : "% util");
	if (version != SCAVENGE_GO115 && !forced)
		recipe_text_if(recipe, " [controller reset]", recipe_memory(recipe, AT_RESET, 1), true);
	if (recipe_plan_windows(recipe, NULL))
		abort();
	return recipe;
}

/* Puts a number where the payload has a forced line's work. */
static inline bool scavenge_poke_own_work(const struct recipe *recipe, uint8_t *payload, uint64_t value)
{
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		uint32_t base = recipe->windows[i].base, at = base == GCTAP_BASE_REGS ? 80 : 0; /* pt_regs: rax */

		if (base == GCTAP_BASE_IP)
			continue;
		memcpy(payload + recipe->window_offsets[i] + at, &value, sizeof(value));
		return true;
	}
	return false;
}

#endif
