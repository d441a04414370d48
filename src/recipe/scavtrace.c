// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the scavtrace lines are printed: behind the branches that look at
 * debug.scavtrace. The forced line is in (*mheap).scavengeAll. The line of a
 * sweep is in sweepone, behind systemstack (since 1.19), or in
 * (*pageAlloc).scavengeStartGen (1.15 to 1.18), which is called from there.
 */
#include <errno.h>
#include <string.h>

#include "recipe_internal.h"

#define FORCED_FUNCTION	   "runtime.(*mheap).scavengeAll"
#define SWEEP_FUNCTION	   "runtime.sweepone"
#define GEN_FUNCTION	   "runtime.(*pageAlloc).scavengeStartGen"
#define PREFIX		   "scav "
#define FUNCTION_BYTES_MAX (16u << 10)

/* The next branch behind a compare of a variable with 0, from *@at on. */
static bool next_block(struct solver *solver, uint64_t *at, const struct gobin_function *function, struct block *block)
{
	struct emu_instruction previous = { 0 }, instruction;
	uint64_t end = function->end;

	if (end - function->entry > FUNCTION_BYTES_MAX)
		end = function->entry + FUNCTION_BYTES_MAX;
	while (*at < end) {
		if (emu_decode(solver_emu(solver), *at, &instruction)) {
			++*at;
			continue;
		}
		*at += instruction.size;
		if (instruction.conditional_branch && previous.sets_flags_from_memory) {
			*block = (struct block){ .function = function->name,
						 .start = previous.address,
						 .probe = instruction.address,
						 .switch_address = previous.memory_address,
						 .prefix = PREFIX,
						 .want_switch = true };
			return true;
		}
		if (strcmp(instruction.text, "nop"))
			previous = instruction;
	}
	return false;
}

static bool is_times_100(const struct recipe *recipe, const struct expr_node *node, expr_id *factor)
{
	const struct expr_node *a = expr_node(recipe->pool, node->a), *b = expr_node(recipe->pool, node->b);

	*factor = b->op == EXPR_CONST ? node->a : node->b;
	return node->op == EXPR_MUL &&
	       ((b->op == EXPR_CONST && b->value == 100) || (a->op == EXPR_CONST && a->value == 100));
}

/* "% util" is in use * 100 / retained, and the only quotient in the line. */
static int find_extras(struct recipe *recipe, struct failure *failure)
{
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct expr_node *node = expr_node(recipe->pool, recipe->items[i].value);

		if (recipe->items[i].format == RECIPE_LITERAL || node->op != EXPR_DIV_U ||
		    !is_times_100(recipe, expr_node(recipe->pool, node->a), &recipe->extras[RECIPE_IN_USE]))
			continue;
		recipe->extras[RECIPE_RETAINED] = node->b;
		return 0;
	}
	return failure_set(failure, -EBADMSG, "%s: the line shows no utilization", recipe->function);
}

/* Tries all blocks of a function, or those that look at one variable. */
static int solve_in(struct solver *solver, const struct gobin_function *function, uint64_t switch_address,
		    struct recipe *recipe, struct failure *failure)
{
	uint64_t at = function->entry;
	struct block block;
	int error = -EAGAIN;

	while (error == -EAGAIN && next_block(solver, &at, function, &block))
		if (!switch_address || block.switch_address == switch_address)
			error = solver_solve(solver, &block, recipe, failure);
	if (error == -EAGAIN)
		return failure_set(failure, -ENOTSUP, "%s does not print a scavtrace line (last try: %.200s)",
				   function->name,
				   failure && failure->text[0] ? strdupa(failure->text) : "no branch on a variable");
	if (!error)
		error = find_extras(recipe, failure);
	return error ? error : solver_place(solver, recipe, failure);
}

static int solve_forced(struct gobin *gobin, struct solver *solver, struct recipe *recipe, struct failure *failure)
{
	struct gobin_function function;

	if (gobin_function_by_name(gobin, FORCED_FUNCTION, &function))
		return failure_set(failure, -ENOENT, "has no %s", FORCED_FUNCTION);
	return solve_in(solver, &function, 0, recipe, failure);
}

static bool calls(const struct emu_instruction *instruction, const struct gobin_function *function)
{
	return instruction->call && instruction->target == function->entry;
}

/* Where a function passes an address to @callee: the instruction that takes it. 0: nowhere. */
static uint64_t find_passing(struct solver *solver, const struct gobin_function *caller,
			     const struct gobin_function *callee)
{
	struct emu_instruction instruction;
	uint64_t taken = 0;

	for (uint64_t at = caller->entry; at < caller->end && !emu_decode(solver_emu(solver), at, &instruction);
	     at += instruction.size) {
		if (instruction.takes_address)
			taken = at;
		else if (calls(&instruction, callee) && taken)
			return taken;
	}
	return 0;
}

/*
 * The call whose receiver is known is in a closure of sweepone: it is of mheap_, a variable. A closure is
 * emulated from its entry, to see it take the lock; a call in the function itself from the receiver on.
 */
static int find_call(struct gobin *gobin, struct solver *solver, const struct gobin_function *callee, uint64_t *start)
{
	static const char *const names[] = { "runtime.sweepone", "runtime.sweepone.func1", "runtime.sweepone.func2",
					     "runtime.sweepone.func3" };
	struct gobin_function caller;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		*start = gobin_function_by_name(gobin, names[i], &caller) ? 0 : find_passing(solver, &caller, callee);
		if (*start && i)
			*start = caller.entry;
		if (*start)
			return 0;
	}
	return -ENOENT;
}

static void note_relative(expr_id id, const struct expr_node *leaf, void *context)
{
	(void)id;
	*(bool *)context |= leaf->op != EXPR_MEMORY;
}

/* The emulation began in the caller: what is relative to its registers means nothing at the probe. */
static int check_absolute(const struct recipe *recipe, struct failure *failure)
{
	bool relative = false;

	for (unsigned i = 0; i < recipe->nr_items; i++)
		expr_each_leaf(recipe->pool, recipe->items[i].value, note_relative, &relative);
	return relative ? failure_set(failure, -ENOTSUP, "%s: a number is known to its caller only", GEN_FUNCTION) : 0;
}

static int solve_generation(struct gobin *gobin, struct solver *solver, const struct gobin_function *function,
			    struct recipe *recipe, struct failure *failure)
{
	uint64_t at = function->entry, start;
	struct block block;
	int error = -EAGAIN;

	if (find_call(gobin, solver, function, &start))
		return failure_set(failure, -ENOENT, "%s is called from nowhere known", GEN_FUNCTION);
	while (error == -EAGAIN && next_block(solver, &at, function, &block)) {
		block.start = start;
		error = solver_solve(solver, &block, recipe, failure);
	}
	if (error == -EAGAIN)
		return failure_set(failure, -ENOTSUP, "%s does not print a scavtrace line", GEN_FUNCTION);
	if (!error)
		error = check_absolute(recipe, failure);
	if (!error)
		error = find_extras(recipe, failure);
	return error ? error : solver_place(solver, recipe, failure);
}

static int solve_background(struct gobin *gobin, struct solver *solver, struct recipe *recipe, struct failure *failure)
{
	struct gobin_function function;

	/*
	 * A generation's counters are reset with it, whether its line was printed or not. The function
	 * was gone before 1.20; looking for what is not there reads the whole table.
	 */
	if (gobin_form(gobin) != PCLNTAB_GO120 && !gobin_function_by_name(gobin, GEN_FUNCTION, &function))
		return solve_generation(gobin, solver, &function, recipe, failure);
	if (gobin_function_by_name(gobin, SWEEP_FUNCTION, &function))
		return failure_set(failure, -ENOENT, "has no %s", SWEEP_FUNCTION);
	recipe->cumulative = true;
	return solve_in(solver, &function, 0, recipe, failure);
}

int recipe_solve_scavtrace(struct gobin *gobin, struct scavenge_recipes *out, struct failure *failure)
{
	struct failure reason = { "" };
	int error;

	memset(out, 0, sizeof(*out));
	error = solver_recipe(gobin, solve_background, &out->background, &reason);
	if (error)
		return failure_set(failure, error, "%s", reason.text);
	error = solver_recipe(gobin, solve_forced, &out->forced, &reason);
	if (error == -ENOENT)
		return 0;
	if (error) {
		recipe_free(out->background);
		out->background = NULL;
		return failure_set(failure, error, "%s", reason.text);
	}
	return 0;
}
