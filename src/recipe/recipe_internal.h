/* SPDX-License-Identifier: BSD-2-Clause */
/* recipe_internal: between the files of this room. */
#ifndef GCTAP_RECIPE_INTERNAL_H
#define GCTAP_RECIPE_INTERNAL_H

#include "gctap/emu.h"
#include "gctap/recipe.h"

#define LEAF_NOWHERE 0xff

struct recipe_leaf {	/* where a leaf of the pool lies */
	uint8_t window; /* LEAF_NOWHERE: in none */
	uint8_t size;
	uint32_t offset; /* in the payload */
};

/* Lays out the windows that the leaves of recipe->pool need. */
int recipe_plan_windows(struct recipe *recipe, struct failure *failure);

/* Evaluates from any source of leaves: the windows, or the numbers of an emulated run. */
void recipe_evaluate_with(const struct recipe *recipe, expr_reader reader, void *context, struct recipe_values *values);

/* One thing that the emulated code has printed. */
struct printed {
	enum recipe_format format;
	unsigned decimals;
	expr_id value;
	char *text; /* literal; owned */
	expr_id guard;
	bool guard_truth;
};

struct printout {
	struct printed items[RECIPE_ITEMS_MAX];
	unsigned count;
};

void printout_clear(struct printout *printout);

/*
 * What does a text say whose bytes come from an expression? Finds the number
 * among the things that the bytes were computed from. False: nothing fits.
 */
bool explain_text(const struct expr_pool *pool, const uint64_t *words, const bool *known, const expr_id *bytes,
		  const char *text, size_t length, struct printed *printed);

/* Tells apart what is always printed from what hangs on one truth value. */
int guard_merge(struct printout *base, struct printout *flipped, expr_id leaf, struct failure *failure);

/* The block that prints a line: where it starts and how its line begins. */
struct block {
	const char *function;	 /* that holds it, for messages */
	uint64_t start;		 /* first instruction to emulate: the compare */
	uint64_t probe;		 /* the branch behind it */
	uint64_t switch_address; /* the 4-byte variable that it compares with 0 */
	const char *prefix;	 /* literal that a right block prints first */
	bool want_switch;	 /* RECIPE_SWITCH is to be read as well */
};

struct solver;
int solver_new(struct gobin *gobin, struct solver **out, struct failure *failure);
void solver_free(struct solver *solver);
struct emu *solver_emu(struct solver *solver);
/* Has it been out of memory, in whatever it tried? */
bool solver_starved(const struct solver *solver);
struct gobin *solver_gobin(struct solver *solver);
/* A new recipe, solved by @solve; counts what that took. */
int solver_recipe(struct gobin *gobin,
		  int (*solve)(struct gobin *gobin, struct solver *solver, struct recipe *recipe,
			       struct failure *failure),
		  struct recipe **out, struct failure *failure);
/* Places in the file of the probe and the rereads; refuses an instruction that would be single-stepped. */
int solver_place(struct solver *solver, struct recipe *recipe, struct failure *failure);
/* Emulates the block, explains and checks what it prints. -EAGAIN: prints something else or nothing. */
int solver_solve(struct solver *solver, const struct block *block, struct recipe *recipe, struct failure *failure);

#endif
