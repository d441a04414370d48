// SPDX-License-Identifier: BSD-2-Clause
/*
 * Expressions built by a program of bytes. Whatever the builders simplify,
 * the value must be that of the same operators applied one after the other.
 */
#include "fuzz.h"

#include <stdio.h>

#include "gctap/expr.h"

#define STACK_MAX 64u
#define STEPS_MAX 400u

struct machine {
	struct expr_pool *pool;
	expr_id exprs[STACK_MAX];
	uint64_t values[STACK_MAX];
	bool known[STACK_MAX];
	unsigned count;
};

static uint64_t leaf_value(const struct expr_node *leaf)
{
	uint64_t value = (leaf->value + 3) * 0x9e3779b97f4a7c15ull;

	/* Sizes of all magnitudes. */
	value >>= leaf->value % 61;
	expr_apply(EXPR_ZEXT, leaf->size, value, 0, &value);
	return value;
}

static bool reader(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	(void)context;
	*value = leaf_value(leaf);
	return true;
}

static void push(struct machine *machine, expr_id expr, uint64_t value, bool known)
{
	if (machine->count == STACK_MAX)
		machine->count = STACK_MAX / 2;
	machine->exprs[machine->count] = expr;
	machine->values[machine->count] = value;
	machine->known[machine->count++] = known;
}

static void push_leaf(struct machine *machine, struct input *input)
{
	static const uint8_t sizes[] = { 1, 2, 4, 8 };
	uint64_t number = input_take(input, 1);
	struct expr_node node = { .op = EXPR_MEMORY, .size = sizes[number % 4], .value = number };

	push(machine, expr_leaf(machine->pool, EXPR_MEMORY, node.value, node.size), leaf_value(&node), true);
}

static void push_const(struct machine *machine, struct input *input)
{
	uint64_t value = input_take(input, 1 + input_take(input, 1) % 8);

	push(machine, expr_const(machine->pool, value), value, true);
}

/* Compilers' way to divide by a constant that is not a power of two. */
static void push_division(struct machine *machine, struct input *input)
{
	uint64_t divisor = 2 + input_take(input, 4) % 3000000, shift = 0, magic;
	unsigned top = machine->count - 1;
	expr_id high;

	while (2ull << shift <= divisor)
		shift++;
	magic = (uint64_t)((((unsigned __int128)1 << (64 + shift)) + divisor - 1) / divisor);
	magic += input_take(input, 1) % 3; /* not always right */
	high = expr_binary(machine->pool, EXPR_MULHI_U, machine->exprs[top], expr_const(machine->pool, magic));
	push(machine, expr_binary(machine->pool, EXPR_SHR, high, expr_const(machine->pool, shift)),
	     (uint64_t)((unsigned __int128)machine->values[top] * magic >> 64) >> shift, machine->known[top]);
}

static bool is_nan(uint64_t bits)
{
	return (bits & INT64_MAX) > 0x7ff0000000000000;
}

static void apply(struct machine *machine, struct input *input, enum expr_op op)
{
	static const uint8_t sizes[] = { 1, 2, 4, 8 };
	bool unary = op == EXPR_SEXT || op == EXPR_ZEXT || op == EXPR_F64_FROM_S64 || op == EXPR_S64_FROM_F64;
	unsigned a = (unsigned)input_take(input, 1) % machine->count;
	unsigned b = (unsigned)input_take(input, 1) % machine->count;
	unsigned size = unary ? sizes[b % 4] : 8;
	uint64_t value = 0;
	bool known = machine->known[a] && (unary || machine->known[b]) &&
		     expr_apply(op, size, machine->values[a], machine->values[b], &value);

	/* Which of two NaNs comes out hangs on the order of the operands, and nobody cares. */
	known = known && !(op >= EXPR_F64_ADD && op <= EXPR_F64_DIV && is_nan(value));
	push(machine,
	     unary ? expr_unary(machine->pool, op, machine->exprs[a], size)
		   : expr_binary(machine->pool, op, machine->exprs[a], machine->exprs[b]),
	     value, known);
}

static void check(const struct machine *machine)
{
	struct expr_pool *other = expr_pool_new();
	char text[200];

	for (unsigned i = 0; i < machine->count && other; i++) {
		uint64_t value;

		require(machine->exprs[i]);
		expr_format(machine->pool, machine->exprs[i], text, 1 + i * 3);
		require(strlen(text) < 1 + i * 3);
		/* What cannot be computed may be simplified away; a value never changes. */
		if (!machine->known[i])
			continue;
		require(expr_eval(machine->pool, machine->exprs[i], reader, NULL, &value));
		require(value == machine->values[i]);
		require(expr_eval(other, expr_import(other, machine->pool, machine->exprs[i]), reader, NULL, &value));
		require(value == machine->values[i]);
	}
	expr_pool_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine machine = { .pool = expr_pool_new() };
	struct input input = { data, size };

	if (!machine.pool)
		return -1;
	push(&machine, expr_leaf(machine.pool, EXPR_MEMORY, 0, 8),
	     leaf_value(&(struct expr_node){ .op = EXPR_MEMORY, .size = 8 }), true);
	for (unsigned i = 0; i < STEPS_MAX && input.size; i++) {
		unsigned op = (unsigned)input_take(&input, 1) % (EXPR_OPS + 8);

		if (op >= EXPR_ADD && op < EXPR_OPS)
			apply(&machine, &input, op);
		else if (op == EXPR_CONST || op == EXPR_OPS)
			push_const(&machine, &input);
		else if (op == EXPR_OPS + 1)
			push_division(&machine, &input);
		else
			push_leaf(&machine, &input);
	}
	check(&machine);
	expr_pool_free(machine.pool);
	return 0;
}
