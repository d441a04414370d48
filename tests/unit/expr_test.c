// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/expr.h"

static struct expr_pool *pool;

static int set_up(void **unused)
{
	(void)unused;
	pool = expr_pool_new();
	return pool ? 0 : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	expr_pool_free(pool);
	return 0;
}

static expr_id memory(uint64_t address, unsigned size)
{
	return expr_leaf(pool, EXPR_MEMORY, address, size);
}

static expr_id constant(uint64_t value)
{
	return expr_const(pool, value);
}

static bool read_context(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	return expr_apply(EXPR_ZEXT, leaf->size, *(const uint64_t *)context, 0, value);
}

/* With every leaf reading @word. */
static uint64_t value_with(expr_id id, uint64_t word)
{
	uint64_t value = 0xdead;

	assert_true(expr_eval(pool, id, read_context, &word, &value));
	return value;
}

static void assert_format(expr_id id, const char *expected)
{
	char text[256];

	expr_format(pool, id, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void equal_nodes_are_one(void **unused)
{
	expr_id a = memory(0x1000, 8), b = memory(0x1008, 8);

	(void)unused;
	assert_int_equal(memory(0x1000, 8), a);
	assert_int_not_equal(memory(0x1000, 4), a);
	assert_int_not_equal(b, a);
	assert_int_equal(expr_binary(pool, EXPR_SUB, a, b), expr_binary(pool, EXPR_SUB, a, b));
	/* Constants go to the right, so that order does not matter. */
	assert_int_equal(expr_binary(pool, EXPR_ADD, constant(5), a), expr_binary(pool, EXPR_ADD, a, constant(5)));
	assert_int_equal(expr_pool_count(pool), 7);
}

static void constants_are_folded(void **unused)
{
	static const struct {
		enum expr_op op;
		uint64_t a, b, value;
	} cases[] = {
		{ EXPR_ADD, UINT64_MAX, 2, 1 },
		{ EXPR_SUB, 1, 2, UINT64_MAX },
		{ EXPR_MUL, 1ull << 40, 1ull << 30, 0 },
		{ EXPR_SHL, 1, 65, 2 },
		{ EXPR_SHR, 1ull << 63, 127, 1 },
		{ EXPR_SAR, 1ull << 63, 63, UINT64_MAX },
		{ EXPR_MULHI_U, UINT64_MAX, UINT64_MAX, UINT64_MAX - 1 },
		{ EXPR_MULHI_S, UINT64_MAX, UINT64_MAX, 0 },
		{ EXPR_DIV_U, UINT64_MAX, 10, UINT64_MAX / 10 },
		{ EXPR_DIV_S, (uint64_t)-7, 2, (uint64_t)-3 },
		{ EXPR_REM_U, 17, 5, 2 },
		{ EXPR_REM_S, (uint64_t)-7, 2, (uint64_t)-1 },
		{ EXPR_IF_LESS_U, 1, 2, 1 },
		{ EXPR_IF_LESS_U, 2, 2, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct expr_node *node =
			expr_node(pool, expr_binary(pool, cases[i].op, constant(cases[i].a), constant(cases[i].b)));

		assert_int_equal(node->op, EXPR_CONST);
		assert_int_equal(node->value, cases[i].value);
	}
	assert_int_equal(expr_unary(pool, EXPR_SEXT, constant(0x80), 1), constant((uint64_t)-128));
	assert_int_equal(expr_unary(pool, EXPR_ZEXT, constant(0x1234), 1), constant(0x34));
}

static void what_divides_by_zero_has_no_value(void **unused)
{
	expr_id id = expr_binary(pool, EXPR_DIV_U, memory(0, 8), memory(8, 8));
	uint64_t word = 0, value;

	(void)unused;
	assert_false(expr_eval(pool, id, read_context, &word, &value));
	assert_false(
		expr_eval(pool, expr_binary(pool, EXPR_REM_S, constant(1), constant(0)), read_context, &word, &value));
	assert_false(expr_apply(EXPR_DIV_S, 8, 1ull << 63, UINT64_MAX, &value));
	assert_int_equal(value_with(id, 3), 1);
}

static void identities(void **unused)
{
	expr_id a = memory(0x1000, 8), byte = memory(0x1000, 1);

	(void)unused;
	assert_int_equal(expr_binary(pool, EXPR_ADD, a, constant(0)), a);
	assert_int_equal(expr_binary(pool, EXPR_SUB, a, constant(0)), a);
	assert_int_equal(expr_binary(pool, EXPR_MUL, a, constant(1)), a);
	assert_int_equal(expr_binary(pool, EXPR_MUL, a, constant(0)), constant(0));
	assert_int_equal(expr_binary(pool, EXPR_AND, a, constant(UINT64_MAX)), a);
	assert_int_equal(expr_binary(pool, EXPR_AND, a, constant(0)), constant(0));
	assert_int_equal(expr_binary(pool, EXPR_OR, a, constant(0)), a);
	assert_int_equal(expr_binary(pool, EXPR_SHR, a, constant(0)), a);
	assert_int_equal(expr_binary(pool, EXPR_DIV_U, a, constant(1)), a);
	assert_int_equal(expr_binary(pool, EXPR_XOR, a, a), constant(0));
	assert_int_equal(expr_binary(pool, EXPR_SUB, a, a), constant(0));
	assert_int_equal(expr_binary(pool, EXPR_AND, a, a), a);
	/* (a + 5) - 3 == a + 2; (a >> 3) >> 4 == a >> 7; (a / 10) / 100 == a / 1000 */
	assert_format(expr_binary(pool, EXPR_SUB, expr_binary(pool, EXPR_ADD, a, constant(5)), constant(3)),
		      "u64[0x1000] + 2");
	assert_format(expr_binary(pool, EXPR_SHR, expr_binary(pool, EXPR_SHR, a, constant(3)), constant(4)),
		      "u64[0x1000] >> 7");
	assert_format(expr_binary(pool, EXPR_DIV_U, expr_binary(pool, EXPR_DIV_U, a, constant(10)), constant(100)),
		      "u64[0x1000] / 1000");
	/* A byte has no more bits than a byte. */
	assert_int_equal(expr_unary(pool, EXPR_ZEXT, byte, 4), byte);
	assert_int_equal(expr_unary(pool, EXPR_SEXT, byte, 4), byte);
	assert_int_not_equal(expr_unary(pool, EXPR_SEXT, byte, 1), byte);
	assert_int_not_equal(expr_unary(pool, EXPR_ZEXT, a, 4), a);
	/* Shifts whose counts sum up to 64 and more must not wrap around. */
	assert_int_equal(
		value_with(expr_binary(pool, EXPR_SHR, expr_binary(pool, EXPR_SHR, a, constant(40)), constant(40)),
			   UINT64_MAX),
		0);
	assert_int_equal(value_with(expr_binary(pool, EXPR_SHR, a, constant(64)), 7), 7);
}

/* ---- Division by constants ------------------------------------------------------------------ */

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* (x * magic >> 64) >> shift, as compilers divide. */
static expr_id quotient(expr_id x, uint64_t magic, unsigned shift)
{
	expr_id high = expr_binary(pool, EXPR_MULHI_U, x, constant(magic));

	return expr_binary(pool, EXPR_SHR, high, constant(shift));
}

/* The smallest shift whose magic number is exact for all words of @bits bits; false: it needs 65 bits. */
static bool find_magic(uint64_t d, unsigned bits, uint64_t *magic, unsigned *shift)
{
	for (*shift = 1; *shift < 63; ++*shift) {
		unsigned __int128 power = (unsigned __int128)1 << (64 + *shift);
		unsigned __int128 c = (power + d - 1) / d;

		if (c > UINT64_MAX)
			return false;
		*magic = (uint64_t)c;
		if (c * d - power <= power >> bits)
			return true;
	}
	return false;
}

static bool is_division_by(expr_id id, uint64_t divisor)
{
	const struct expr_node *node = expr_node(pool, id), *right = expr_node(pool, node->b);

	return node->op == EXPR_DIV_U && right->op == EXPR_CONST && right->value == divisor;
}

static void assert_divides(expr_id id, uint64_t d, unsigned bits)
{
	uint64_t top = bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
	const uint64_t edges[] = {
		0, 1, d - 1, d, d + 1, 2 * d - 1, top, top - 1, top / d * d - 1, top / d * d, top / 2
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		assert_int_equal(value_with(id, edges[i] & top), (edges[i] & top) / d);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t x = (random_word() >> random_word() % 64) & top;

		assert_int_equal(value_with(id, x), x / d);
	}
}

static void try_divisor(uint64_t d, unsigned bits, unsigned *recognised)
{
	expr_id x = memory(0x1000, bits / 8), id;
	uint64_t magic;
	unsigned shift;

	if (d >> (bits - 1) > 1 || !find_magic(d, bits, &magic, &shift))
		return;
	id = quotient(x, magic, shift);
	if (!is_division_by(id, d))
		fail_msg("division by %" PRIu64 " (0x%" PRIx64 ", %u) of %u bits is not recognised", d, magic, shift,
			 bits);
	assert_divides(id, d, bits);
	++*recognised;
	/* One less or one more (for most: much too much) is no division, unless it still is exact. */
	for (int wrong = -1; wrong <= 1; wrong += 2) {
		expr_id other = quotient(x, magic + (uint64_t)(int64_t)wrong, shift);
		const struct expr_node *node = expr_node(pool, other);

		if (node->op == EXPR_DIV_U)
			assert_divides(other, expr_node(pool, node->b)->value, bits);
	}
}

static void divisions_are_recognised(void **unused)
{
	static const uint64_t divisors[] = { 3,	       5,	6,	    7,		9,	    10,
					     11,       12,	13,	    25,		60,	    97,
					     100,      125,	255,	    256,	1000,	    1001,
					     1024,     3600,	10000,	    65535,	100000,	    1000000,
					     10000000, 1000003, 1000000000, 4294967295, 4294967297, 1000000000000 };
	unsigned recognised = 0, whole = sizeof(divisors) / sizeof(divisors[0]);

	(void)unused;
	for (unsigned i = 0; i < whole; i++) {
		try_divisor(divisors[i], 32, &recognised);
		try_divisor(divisors[i], 64, &recognised);
		tear_down(NULL);
		set_up(NULL);
	}
	for (unsigned i = 0; i < 500; i++) {
		try_divisor(2 + random_word() % 5000000, i % 2 ? 64 : 32, &recognised);
		tear_down(NULL);
		set_up(NULL);
	}
	assert_true(recognised > 300);
}

/* What gcc and Go make of x / 10, x / 100, x / 1000, x / 1000000 for 64-bit x. */
static void magic_numbers_of_compilers(void **unused)
{
	static const struct {
		uint64_t magic;
		unsigned shift, before;
		uint64_t divisor;
	} cases[] = {
		{ 0xcccccccccccccccd, 3, 0, 10 },   { 0x28f5c28f5c28f5c3, 2, 2, 100 },
		{ 0x20c49ba5e353f7cf, 4, 3, 1000 }, { 0x431bde82d7b634db, 18, 0, 1000000 },
		{ 0xaaaaaaaaaaaaaaab, 1, 0, 3 },
	};
	expr_id x = memory(0x1000, 8);

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expr_id id = quotient(expr_binary(pool, EXPR_SHR, x, constant(cases[i].before)), cases[i].magic,
				      cases[i].shift);

		assert_true(is_division_by(id, cases[i].divisor));
		assert_int_equal(expr_node(pool, id)->a, x);
		assert_divides(id, cases[i].divisor, 64);
	}
}

static void wrong_magic_is_not_recognised(void **unused)
{
	expr_id x = memory(0x1000, 8);

	(void)unused;
	assert_int_equal(expr_node(pool, quotient(x, 0xcccccccccccccccc, 3))->op, EXPR_SHR);
	assert_int_equal(expr_node(pool, quotient(x, 0xccccccccccccccce, 3))->op, EXPR_SHR);
	/* x / 7 needs 65 bits: the rounded number is wrong for large x, but right for narrow ones. */
	assert_int_equal(expr_node(pool, quotient(x, 0x4924924924924925, 1))->op, EXPR_SHR);
	assert_true(is_division_by(quotient(memory(0x1000, 4), 0x4924924924924925, 1), 7));
	assert_int_equal(expr_node(pool, quotient(x, 0, 3))->op, EXPR_SHR);
	assert_int_equal(expr_node(pool, quotient(x, 1, 3))->op, EXPR_SHR);
}

/* ---- Evaluation, import, format -------------------------------------------------------------- */

static bool read_nothing(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	(void)context;
	*value = leaf->value;
	return leaf->op != EXPR_STACK;
}

static void unknown_leaves(void **unused)
{
	expr_id known = memory(7, 8), unknown = expr_leaf(pool, EXPR_STACK, 8, 8);
	expr_id opaque = expr_leaf(pool, EXPR_OPAQUE, 1, 8), sum = expr_binary(pool, EXPR_ADD, known, unknown);
	uint64_t values[16], value;
	bool states[16];

	(void)unused;
	assert_true(expr_eval(pool, known, read_nothing, NULL, &value) && value == 7);
	assert_false(expr_eval(pool, sum, read_nothing, NULL, &value));
	assert_false(expr_eval(pool, opaque, read_nothing, NULL, &value));
	assert_false(expr_eval(pool, EXPR_NONE, read_nothing, NULL, &value));
	assert_false(expr_eval(pool, 99, read_nothing, NULL, &value));
	expr_eval_all(pool, read_nothing, NULL, values, states);
	assert_true(states[known] && !states[unknown] && !states[opaque] && !states[sum] && !states[EXPR_NONE]);
}

static void count_leaf(expr_id id, const struct expr_node *leaf, void *context)
{
	(void)id;
	assert_true(expr_is_leaf(leaf));
	++*(unsigned *)context;
}

static void leaves_are_seen_once(void **unused)
{
	expr_id a = memory(0x10, 8), b = memory(0x18, 8);
	expr_id id = expr_binary(pool, EXPR_MUL, expr_binary(pool, EXPR_SUB, a, b), expr_binary(pool, EXPR_ADD, a, b));
	unsigned count = 0;

	(void)unused;
	memory(0x20, 8);
	expr_each_leaf(pool, expr_binary(pool, EXPR_ADD, id, constant(5)), count_leaf, &count);
	assert_int_equal(count, 2);
	expr_each_leaf(pool, EXPR_NONE, count_leaf, &count);
	assert_int_equal(count, 2);
}

static void import_takes_only_what_is_needed(void **unused)
{
	struct expr_pool *to = expr_pool_new();
	expr_id a = memory(0x10, 8), id, imported;
	char text[64];

	(void)unused;
	for (unsigned i = 0; i < 1000; i++)
		memory(0x1000 + 8 * i, 8);
	id = expr_binary(pool, EXPR_DIV_U, expr_binary(pool, EXPR_SUB, a, memory(0x18, 8)), constant(1000000));
	imported = expr_import(to, pool, id);
	assert_int_equal(expr_pool_count(to), 6);
	expr_format(to, imported, text, sizeof(text));
	assert_string_equal(text, "(u64[0x10] - u64[0x18]) / 1000000");
	/* Once more: the same. */
	assert_int_equal(expr_import(to, pool, id), imported);
	assert_int_equal(expr_import(to, pool, EXPR_NONE), EXPR_NONE);
	assert_int_equal(expr_import(to, pool, 100000), EXPR_NONE);
	expr_pool_free(to);
}

static void pool_has_a_limit(void **unused)
{
	expr_id id = memory(0, 8);
	unsigned i;

	(void)unused;
	for (i = 1; i < 100000 && id; i++)
		id = memory(8 * i, 8);
	assert_int_equal(id, EXPR_NONE);
	assert_int_equal(expr_pool_count(pool), 1u << 16);
	/* What is there is found; nothing new comes; nothing crashes. */
	assert_int_not_equal(memory(0, 8), EXPR_NONE);
	assert_int_equal(expr_binary(pool, EXPR_SUB, memory(0, 8), memory(8, 8)), EXPR_NONE);
	assert_int_equal(expr_binary(pool, EXPR_SUB, EXPR_NONE, memory(8, 8)), EXPR_NONE);
	assert_int_equal(expr_unary(pool, EXPR_ZEXT, EXPR_NONE, 4), EXPR_NONE);
}

static void readable_forms(void **unused)
{
	const double hundred = 100;
	uint64_t bits;
	expr_id a = memory(0x5d8c20, 8), product;
	char text[64];

	(void)unused;
	memcpy(&bits, &hundred, sizeof(bits));
	assert_format(expr_leaf(pool, EXPR_STACK, 0x28, 4), "u32[sp+0x28]");
	assert_format(expr_leaf(pool, EXPR_REGISTER, 3, 8), "reg3");
	assert_format(expr_leaf(pool, EXPR_OPAQUE, 1, 8), "?");
	assert_format(constant((uint64_t)-5), "-5");
	assert_format(constant(1ull << 30), "0x40000000");
	assert_format(EXPR_NONE, "...");
	product = expr_binary(pool, EXPR_F64_MUL, a, constant(bits));
	assert_format(expr_unary(pool, EXPR_S64_FROM_F64, product, 8), "int64((u64[0x5d8c20] *. 100))");
	assert_format(expr_unary(pool, EXPR_SEXT, memory(8, 4), 4), "s32(u32[0x8])");
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		expr_format(pool, product, text, size);
		assert_true(strlen(text) < size);
		assert_int_equal(text[size], 'x');
	}
	expr_format(pool, product, text, 12);
	assert_string_equal(text, "u64[0x5d...");
}

static void doubles(void **unused)
{
	static const struct {
		double real;
		int64_t whole;
	} cases[] = { { 5.99, 5 },
		      { -5.99, -5 },
		      { 0, 0 },
		      { 1e30, INT64_MIN },
		      { -1e30, INT64_MIN },
		      { 9223372036854775808.0, INT64_MIN },
		      { __builtin_nan(""), INT64_MIN } };

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bits, value;

		memcpy(&bits, &cases[i].real, sizeof(bits));
		assert_true(expr_apply(EXPR_S64_FROM_F64, 8, bits, 0, &value));
		assert_int_equal(value, (uint64_t)cases[i].whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_nodes_are_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(constants_are_folded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_divides_by_zero_has_no_value, set_up, tear_down),
		cmocka_unit_test_setup_teardown(identities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(divisions_are_recognised, set_up, tear_down),
		cmocka_unit_test_setup_teardown(magic_numbers_of_compilers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_magic_is_not_recognised, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leaves_are_seen_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(import_takes_only_what_is_needed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pool_has_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(readable_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(doubles, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
