// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the gctrace line is printed: in runtime.gcMarkTermination, behind the
 * branch that looks at debug.gctrace.
 */
#include <errno.h>
#include <string.h>

#include "recipe_internal.h"

#define FUNCTION	   "runtime.gcMarkTermination"
#define FUNCTION_BYTES_MAX (64u << 10)
#define CANDIDATES_MAX	   64u

struct candidates {
	struct block blocks[CANDIDATES_MAX];
	unsigned count;
};

static bool calls(struct gobin *gobin, const struct emu_instruction *instruction, const char *name)
{
	struct gobin_function function;

	return instruction->call && !gobin_function_by_address(gobin, instruction->target, &function) &&
	       function.entry == instruction->target && !strcmp(function.name, name);
}

/* Branches that look at a variable, nearest to the printing first. */
static int try_candidates(struct solver *solver, struct candidates *candidates, struct recipe *recipe,
			  struct failure *failure)
{
	int error = -EAGAIN;

	while (candidates->count && error == -EAGAIN)
		error = solver_solve(solver, &candidates->blocks[--candidates->count], recipe, failure);
	candidates->count = 0;
	return error;
}

static void add_candidate(struct candidates *candidates, const struct emu_instruction *compare,
			  const struct emu_instruction *branch)
{
	if (candidates->count == CANDIDATES_MAX) {
		memmove(candidates->blocks, candidates->blocks + 1,
			(CANDIDATES_MAX - 1) * sizeof(candidates->blocks[0]));
		candidates->count--;
	}
	candidates->blocks[candidates->count++] = (struct block){
		.function = FUNCTION,
		.start = compare->address,
		.probe = branch->address,
		.switch_address = compare->memory_address,
		.prefix = "gc ",
	};
}

static int find_block(struct gobin *gobin, struct solver *solver, const struct gobin_function *function,
		      struct recipe *recipe, struct failure *failure)
{
	struct emu_instruction previous = { 0 }, instruction;
	struct candidates candidates = { .count = 0 };
	uint64_t end = function->end;
	int error = -EAGAIN;

	if (end - function->entry > FUNCTION_BYTES_MAX)
		end = function->entry + FUNCTION_BYTES_MAX;
	for (uint64_t at = function->entry; at < end && error == -EAGAIN;) {
		/* What cannot be decoded is padding or data between code: go on behind it. */
		if (emu_decode(solver_emu(solver), at, &instruction)) {
			at++;
			continue;
		}
		at += instruction.size;
		if (instruction.conditional_branch && previous.sets_flags_from_memory)
			add_candidate(&candidates, &previous, &instruction);
		else if (calls(gobin, &instruction, "runtime.printlock"))
			error = try_candidates(solver, &candidates, recipe, failure);
		/* The assembler may pad between compare and branch. */
		if (strcmp(instruction.text, "nop"))
			previous = instruction;
	}
	if (error == -EAGAIN)
		return failure_set(failure, -ENOENT, "%s does not print a gctrace line (last try: %.200s)", FUNCTION,
				   failure && failure->text[0] ? strdupa(failure->text)
							       : "no branch in front of printing");
	return error;
}

static const struct recipe_item *number_at(const struct recipe *recipe, unsigned wanted, enum recipe_format format)
{
	for (unsigned i = 0; i < recipe->nr_items; i++)
		if (recipe->items[i].format == format && !wanted--)
			return &recipe->items[i];
	return NULL;
}

/* Phases follow each other: each clock difference starts where the one before it ended. */
static int check_phases(const struct recipe *recipe, struct failure *failure)
{
	const struct expr_node *nodes[3];

	for (unsigned i = 0; i < 3; i++) {
		const struct recipe_item *item = number_at(recipe, i, RECIPE_MILLISECONDS);

		if (!item)
			return failure_set(failure, -EBADMSG, "%s: the line has no three phases", FUNCTION);
		nodes[i] = expr_node(recipe->pool, item->value);
		if (nodes[i]->op != EXPR_SUB)
			return failure_set(failure, -EBADMSG, "%s: phase %u is no difference of times", FUNCTION,
					   i + 1);
		if (i && nodes[i]->b != nodes[i - 1]->a)
			return failure_set(failure, -EBADMSG,
					   "%s: phase %u does not start where the one before it ends", FUNCTION, i + 1);
	}
	return 0;
}

static int solve(struct gobin *gobin, struct solver *solver, struct recipe *recipe, struct failure *failure)
{
	struct gobin_function function;
	int error = gobin_function_by_name(gobin, FUNCTION, &function);

	if (error)
		return failure_set(failure, -ENOENT,
				   "has no %s: not built by the Go toolchain, or by one that removed it", FUNCTION);
	error = find_block(gobin, solver, &function, recipe, failure);
	if (!error)
		error = check_phases(recipe, failure);
	if (!error)
		error = solver_place(solver, recipe, failure);
	return error;
}

int recipe_solve_gctrace(struct gobin *gobin, struct recipe **out, struct failure *failure)
{
	return solver_recipe(gobin, solve, out, failure);
}
