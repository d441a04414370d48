// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/expr.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_LIMIT   (1u << 16)
#define FORMAT_DEPTH 24

struct expr_pool {
	struct expr_node *nodes; /* nodes[0] is "no expression"; operands come before what uses them */
	uint32_t *table;
	uint32_t count, capacity, table_size;
	bool starved;
};

struct expr_pool *expr_pool_new(void)
{
	struct expr_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->capacity = 64;
	pool->table_size = 128;
	pool->count = 1;
	pool->nodes = calloc(pool->capacity, sizeof(*pool->nodes));
	pool->table = calloc(pool->table_size, sizeof(*pool->table));
	if (!pool->nodes || !pool->table) {
		expr_pool_free(pool);
		return NULL;
	}
	return pool;
}

void expr_pool_free(struct expr_pool *pool)
{
	if (!pool)
		return;
	free(pool->nodes);
	free(pool->table);
	free(pool);
}

size_t expr_pool_count(const struct expr_pool *pool)
{
	return pool->count;
}

const struct expr_node *expr_node(const struct expr_pool *pool, expr_id id)
{
	return &pool->nodes[id < pool->count ? id : EXPR_NONE];
}

static bool same_node(const struct expr_node *x, const struct expr_node *y)
{
	return x->op == y->op && x->size == y->size && x->a == y->a && x->b == y->b && x->value == y->value;
}

static uint32_t slot_of(const struct expr_pool *pool, const struct expr_node *node)
{
	uint64_t hash = node->value * 0x9e3779b97f4a7c15ull;

	hash ^= ((uint64_t)node->a << 32 | node->b) + ((uint64_t)node->op << 8 | node->size) * 0xff51afd7ed558ccdull;
	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ull;
	hash ^= hash >> 32;
	return (uint32_t)hash & (pool->table_size - 1);
}

static uint32_t *find_slot(struct expr_pool *pool, const struct expr_node *node)
{
	uint32_t slot = slot_of(pool, node);

	while (pool->table[slot] && !same_node(&pool->nodes[pool->table[slot]], node))
		slot = (slot + 1) & (pool->table_size - 1);
	return &pool->table[slot];
}

bool expr_pool_starved(const struct expr_pool *pool)
{
	return pool && pool->starved;
}

/* A note about what was asked of the pool, not a change of it. */
void expr_pool_note_starved(const struct expr_pool *pool)
{
	((struct expr_pool *)pool)->starved = true;
}

static bool grow(struct expr_pool *pool)
{
	struct expr_node *nodes;
	uint32_t *table;

	if (pool->capacity >= POOL_LIMIT)
		return false;
	nodes = realloc(pool->nodes, 2ull * pool->capacity * sizeof(*nodes));
	if (nodes)
		pool->nodes = nodes;
	table = nodes ? calloc(2ull * pool->table_size, sizeof(*table)) : NULL;
	pool->starved |= !table;
	if (!table)
		return false;
	free(pool->table);
	pool->table = table;
	pool->capacity *= 2;
	pool->table_size *= 2;
	for (uint32_t id = 1; id < pool->count; id++)
		*find_slot(pool, &pool->nodes[id]) = id;
	return true;
}

static expr_id intern(struct expr_pool *pool, const struct expr_node *node)
{
	uint32_t *slot = find_slot(pool, node);

	if (*slot)
		return *slot;
	if (pool->count == pool->capacity) {
		if (!grow(pool))
			return EXPR_NONE;
		slot = find_slot(pool, node);
	}
	pool->nodes[pool->count] = *node;
	*slot = pool->count;
	return pool->count++;
}

expr_id expr_const(struct expr_pool *pool, uint64_t value)
{
	return intern(pool, &(struct expr_node){ .op = EXPR_CONST, .value = value });
}

expr_id expr_leaf(struct expr_pool *pool, enum expr_op op, uint64_t value, unsigned size)
{
	return intern(pool, &(struct expr_node){ .op = op, .value = value, .size = size });
}

bool expr_is_leaf(const struct expr_node *node)
{
	return node->op >= EXPR_MEMORY && node->op <= EXPR_OPAQUE;
}

static bool is_const(const struct expr_pool *pool, expr_id id, uint64_t *value)
{
	const struct expr_node *node = expr_node(pool, id);

	if (id == EXPR_NONE || node->op != EXPR_CONST)
		return false;
	*value = node->value;
	return true;
}

static unsigned bits_of_word(uint64_t value)
{
	return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* An upper bound of the bits that a value can use. */
static unsigned bits_of(const struct expr_pool *pool, expr_id id, unsigned depth)
{
	const struct expr_node *node = expr_node(pool, id);
	unsigned a, b;
	uint64_t c;

	if (depth > 8)
		return 64;
	switch (node->op) {
	case EXPR_CONST: return bits_of_word(node->value);
	case EXPR_MEMORY:
	case EXPR_STACK: return node->size * 8u;
	case EXPR_ZEXT: a = bits_of(pool, node->a, depth + 1); return a < node->size * 8u ? a : node->size * 8u;
	case EXPR_AND:
		a = bits_of(pool, node->a, depth + 1);
		b = bits_of(pool, node->b, depth + 1);
		return a < b ? a : b;
	case EXPR_SHR:
		a = bits_of(pool, node->a, depth + 1);
		return is_const(pool, node->b, &c) && c < 64 ? (a > c ? a - (unsigned)c : 0) : a;
	case EXPR_DIV_U:
		a = bits_of(pool, node->a, depth + 1);
		return is_const(pool, node->b, &c) && c ? (a >= bits_of_word(c) ? a - bits_of_word(c) + 1 : 0) : a;
	case EXPR_IF_LESS_U: return 1;
	default: return 64;
	}
}

static int64_t to_s64(double real)
{
	/* What cvttsd2si answers for what does not fit; also keeps C's conversion defined. */
	if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0))
		return INT64_MIN;
	return (int64_t)real;
}

static double f64_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

static uint64_t bits_of_f64(double real)
{
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	return bits;
}

static uint64_t narrow(uint64_t value, unsigned size)
{
	return size >= 8 ? value : value & ((1ull << (8 * size)) - 1);
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = size >= 8 ? 0 : 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static bool divide(enum expr_op op, uint64_t a, uint64_t b, uint64_t *value)
{
	if (!b)
		return false;
	if ((op == EXPR_DIV_S || op == EXPR_REM_S) && (int64_t)a == INT64_MIN && (int64_t)b == -1)
		return false;
	if (op == EXPR_DIV_U)
		*value = a / b;
	else if (op == EXPR_REM_U)
		*value = a % b;
	else if (op == EXPR_DIV_S)
		*value = (uint64_t)((int64_t)a / (int64_t)b);
	else
		*value = (uint64_t)((int64_t)a % (int64_t)b);
	return true;
}

bool expr_apply(enum expr_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *value)
{
	switch (op) {
	case EXPR_ADD: *value = a + b; return true;
	case EXPR_SUB: *value = a - b; return true;
	case EXPR_MUL: *value = a * b; return true;
	case EXPR_AND: *value = a & b; return true;
	case EXPR_OR: *value = a | b; return true;
	case EXPR_XOR: *value = a ^ b; return true;
	case EXPR_SHL: *value = a << (b & 63); return true;
	case EXPR_SHR: *value = a >> (b & 63); return true;
	case EXPR_SAR: *value = (uint64_t)((int64_t)a >> (b & 63)); return true;
	case EXPR_MULHI_U: *value = (uint64_t)((unsigned __int128)a * b >> 64); return true;
	case EXPR_MULHI_S: *value = (uint64_t)((__int128)(int64_t)a * (int64_t)b >> 64); return true;
	case EXPR_DIV_U:
	case EXPR_DIV_S:
	case EXPR_REM_U:
	case EXPR_REM_S: return divide(op, a, b, value);
	case EXPR_SEXT: *value = sign_extend(a, size); return true;
	case EXPR_ZEXT: *value = narrow(a, size); return true;
	case EXPR_IF_LESS_U: *value = a < b; return true;
	case EXPR_F64_FROM_S64: *value = bits_of_f64((double)(int64_t)a); return true;
	case EXPR_S64_FROM_F64: *value = (uint64_t)to_s64(f64_of(a)); return true;
	case EXPR_F64_ADD: *value = bits_of_f64(f64_of(a) + f64_of(b)); return true;
	case EXPR_F64_SUB: *value = bits_of_f64(f64_of(a) - f64_of(b)); return true;
	case EXPR_F64_MUL: *value = bits_of_f64(f64_of(a) * f64_of(b)); return true;
	case EXPR_F64_DIV: *value = bits_of_f64(f64_of(a) / f64_of(b)); return true;
	default: return false;
	}
}

/* Widening only tells something new when the operand may use more bits. */
static expr_id simplify_zext(struct expr_pool *pool, expr_id a, unsigned size)
{
	const struct expr_node *node = expr_node(pool, a);

	if (size >= 8 || bits_of(pool, a, 0) <= size * 8)
		return a;
	if ((node->op == EXPR_ZEXT || node->op == EXPR_SEXT) && node->size >= size)
		return expr_unary(pool, EXPR_ZEXT, node->a, size);
	return EXPR_NONE;
}

expr_id expr_unary(struct expr_pool *pool, enum expr_op op, expr_id a, unsigned size)
{
	uint64_t constant, value;

	if (a == EXPR_NONE)
		return EXPR_NONE;
	if (is_const(pool, a, &constant) && expr_apply(op, size, constant, 0, &value))
		return expr_const(pool, value);
	if (op == EXPR_ZEXT) {
		expr_id simpler = simplify_zext(pool, a, size);

		if (simpler)
			return simpler;
	}
	if (op == EXPR_SEXT && (size >= 8 || bits_of(pool, a, 0) < size * 8))
		return a;
	return intern(pool, &(struct expr_node){ .op = op, .size = size, .a = a });
}

/*
 * floor(x * c / 2^(64+k)) == floor(x / d) for every x below 2^n, if c is
 * 2^(64+k)/d rounded up and the rounding error e = c*d - 2^(64+k) is at most
 * 2^(64+k-n) (Granlund, Montgomery 1994, theorem 4.2). Returns d, or 0.
 */
static uint64_t recognise_division(uint64_t c, unsigned k, unsigned n)
{
	unsigned __int128 power;
	unsigned __int128 d;

	if (!c || k > 62)
		return 0;
	power = (unsigned __int128)1 << (64 + k);
	/* c = ceil(power / d)  =>  d = ceil(power / c) is the only candidate that can satisfy c*d >= power. */
	d = (power + c - 1) / c;
	if (d < 2 || d > UINT64_MAX || d * c < power)
		return 0;
	return d * c - power <= (power >> n) ? (uint64_t)d : 0;
}

/* Shifts of a high product, and of quotients, as divisions. */
static expr_id simplify_shr(struct expr_pool *pool, expr_id a, uint64_t count)
{
	struct expr_node node = *expr_node(pool, a);
	uint64_t c, d;

	if (node.op == EXPR_MULHI_U && is_const(pool, node.b, &c)) {
		d = recognise_division(c, (unsigned)count, bits_of(pool, node.a, 0));
		return d ? expr_binary(pool, EXPR_DIV_U, node.a, expr_const(pool, d)) : EXPR_NONE;
	}
	if (node.op == EXPR_SHR && is_const(pool, node.b, &c) && c + count < 64)
		return expr_binary(pool, EXPR_SHR, node.a, expr_const(pool, c + count));
	if (node.op == EXPR_DIV_U && is_const(pool, node.b, &c) && count < 32 && c < 1ull << 31)
		return expr_binary(pool, EXPR_DIV_U, node.a, expr_const(pool, c << count));
	return EXPR_NONE;
}

static expr_id simplify_div(struct expr_pool *pool, expr_id a, uint64_t divisor)
{
	struct expr_node node = *expr_node(pool, a);
	uint64_t c;

	if (divisor == 1)
		return a;
	if (node.op == EXPR_SHR && is_const(pool, node.b, &c) && c < 31 && divisor < 1ull << 32)
		return expr_binary(pool, EXPR_DIV_U, node.a, expr_const(pool, divisor << c));
	if (node.op == EXPR_DIV_U && is_const(pool, node.b, &c) && c < 1ull << 31 && divisor < 1ull << 32)
		return expr_binary(pool, EXPR_DIV_U, node.a, expr_const(pool, divisor * c));
	return EXPR_NONE;
}

/* Identities with a constant on the right. */
static expr_id simplify_right(struct expr_pool *pool, enum expr_op op, expr_id a, uint64_t c)
{
	struct expr_node node = *expr_node(pool, a);
	uint64_t inner;

	switch (op) {
	case EXPR_ADD:
		if (!c)
			return a;
		if (node.op == EXPR_ADD && is_const(pool, node.b, &inner))
			return expr_binary(pool, EXPR_ADD, node.a, expr_const(pool, inner + c));
		return EXPR_NONE;
	case EXPR_SUB: return expr_binary(pool, EXPR_ADD, a, expr_const(pool, -c));
	case EXPR_OR:
	case EXPR_XOR:
	case EXPR_SAR: return c ? EXPR_NONE : a;
	case EXPR_SHL: return c ? EXPR_NONE : a;
	case EXPR_SHR: return c ? simplify_shr(pool, a, c) : a;
	case EXPR_MUL: return c == 1 ? a : c == 0 ? expr_const(pool, 0) : EXPR_NONE;
	case EXPR_AND:
		if (c == UINT64_MAX)
			return a;
		if (c == 0xff || c == 0xffff || c == 0xffffffff)
			return expr_unary(pool, EXPR_ZEXT, a, c == 0xff ? 1 : c == 0xffff ? 2 : 4);
		return c ? EXPR_NONE : expr_const(pool, 0);
	case EXPR_DIV_U: return simplify_div(pool, a, c);
	default: return EXPR_NONE;
	}
}

static bool commutes(enum expr_op op)
{
	return op == EXPR_ADD || op == EXPR_MUL || op == EXPR_AND || op == EXPR_OR || op == EXPR_XOR ||
	       op == EXPR_MULHI_U || op == EXPR_MULHI_S || op == EXPR_F64_ADD || op == EXPR_F64_MUL;
}

expr_id expr_binary(struct expr_pool *pool, enum expr_op op, expr_id a, expr_id b)
{
	uint64_t ca, cb, value;
	bool const_a, const_b;
	expr_id simpler;

	if (a == EXPR_NONE || b == EXPR_NONE)
		return EXPR_NONE;
	const_a = is_const(pool, a, &ca);
	const_b = is_const(pool, b, &cb);
	if (const_a && const_b && expr_apply(op, 8, ca, cb, &value))
		return expr_const(pool, value);
	if (commutes(op) && const_a) {
		expr_id swap = a;

		a = b;
		b = swap;
		cb = ca;
		const_b = true;
	}
	if (const_b) {
		simpler = simplify_right(pool, op, a, cb);
		if (simpler)
			return simpler;
	}
	if (a == b && (op == EXPR_XOR || op == EXPR_SUB))
		return expr_const(pool, 0);
	if (a == b && (op == EXPR_AND || op == EXPR_OR))
		return a;
	return intern(pool, &(struct expr_node){ .op = op, .a = a, .b = b });
}

static bool eval_node(const struct expr_pool *pool, expr_id id, expr_reader reader, void *context, uint64_t *values,
		      bool *known)
{
	const struct expr_node *node = &pool->nodes[id];

	if (node->op == EXPR_CONST) {
		values[id] = node->value;
		return true;
	}
	if (node->op == EXPR_OPAQUE)
		return false;
	if (expr_is_leaf(node))
		return reader(id, node, context, &values[id]);
	if (!known[node->a] || (node->b && !known[node->b]))
		return false;
	return expr_apply(node->op, node->size, values[node->a], node->b ? values[node->b] : 0, &values[id]);
}

void expr_eval_all(const struct expr_pool *pool, expr_reader reader, void *context, uint64_t *values, bool *known)
{
	values[0] = 0;
	known[0] = false;
	for (expr_id id = 1; id < pool->count; id++)
		known[id] = eval_node(pool, id, reader, context, values, known);
}

/* Marks what @id is made of: operands have smaller numbers, so one pass downwards does it. */
static bool *mark(const struct expr_pool *pool, expr_id id)
{
	bool *needed = calloc(pool->count, sizeof(*needed));

	if (!needed)
		return NULL;
	needed[id] = true;
	for (expr_id i = id; i > 0; i--) {
		if (needed[i] && !expr_is_leaf(&pool->nodes[i])) {
			needed[pool->nodes[i].a] = true;
			needed[pool->nodes[i].b] = true;
		}
	}
	return needed;
}

bool expr_eval(const struct expr_pool *pool, expr_id id, expr_reader reader, void *context, uint64_t *value)
{
	bool *needed, *known, result = false;
	uint64_t *values;

	if (id == EXPR_NONE || id >= pool->count)
		return false;
	needed = mark(pool, id);
	known = calloc(pool->count, sizeof(*known));
	values = calloc(pool->count, sizeof(*values));
	if (needed && known && values) {
		for (expr_id i = 1; i <= id; i++)
			if (needed[i])
				known[i] = eval_node(pool, i, reader, context, values, known);
		result = known[id];
		*value = values[id];
	}
	if (!needed || !known || !values)
		expr_pool_note_starved(pool);
	free(needed);
	free(known);
	free(values);
	return result;
}

void expr_each_leaf(const struct expr_pool *pool, expr_id id,
		    void (*callback)(expr_id id, const struct expr_node *leaf, void *context), void *context)
{
	bool *needed;

	if (id == EXPR_NONE || id >= pool->count)
		return;
	needed = mark(pool, id);
	if (!needed) {
		expr_pool_note_starved(pool);
		return;
	}
	for (expr_id i = 1; i <= id; i++)
		if (needed[i] && expr_is_leaf(&pool->nodes[i]))
			callback(i, &pool->nodes[i], context);
	free(needed);
}

expr_id expr_import(struct expr_pool *to, const struct expr_pool *from, expr_id id)
{
	bool *needed;
	expr_id *map, result = EXPR_NONE;

	if (id == EXPR_NONE || id >= from->count)
		return EXPR_NONE;
	needed = mark(from, id);
	map = calloc(id + 1, sizeof(*map));
	if (needed && map) {
		for (expr_id i = 1; i <= id; i++) {
			struct expr_node node = from->nodes[i];

			if (!needed[i])
				continue;
			node.a = map[node.a];
			node.b = map[node.b];
			map[i] = intern(to, &node);
		}
		result = map[id];
	}
	to->starved |= !needed || !map;
	free(needed);
	free(map);
	return result;
}

struct writer {
	char *buffer;
	size_t size, used;
};

static void put(struct writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writer *writer, const char *format, ...)
{
	va_list arguments;
	int length;

	if (writer->used + 1 >= writer->size)
		return;
	va_start(arguments, format);
	length = vsnprintf(writer->buffer + writer->used, writer->size - writer->used, format, arguments);
	va_end(arguments);
	writer->used += length > 0 ? (size_t)length : 0;
}

static const char *const symbols[EXPR_OPS] = {
	[EXPR_ADD] = "+",      [EXPR_SUB] = "-",       [EXPR_MUL] = "*",       [EXPR_AND] = "&",
	[EXPR_OR] = "|",       [EXPR_XOR] = "^",       [EXPR_SHL] = "<<",      [EXPR_SHR] = ">>",
	[EXPR_SAR] = ">>>",    [EXPR_DIV_U] = "/",     [EXPR_DIV_S] = "/s",    [EXPR_REM_U] = "%",
	[EXPR_REM_S] = "%s",   [EXPR_F64_ADD] = "+.",  [EXPR_F64_SUB] = "-.",  [EXPR_F64_MUL] = "*.",
	[EXPR_F64_DIV] = "/.", [EXPR_IF_LESS_U] = "<", [EXPR_MULHI_U] = "*hi", [EXPR_MULHI_S] = "*his",
};

static void format_leaf(struct writer *writer, const struct expr_node *node)
{
	if (node->op == EXPR_MEMORY)
		put(writer, "u%u[0x%" PRIx64 "]", node->size * 8u, node->value);
	else if (node->op == EXPR_STACK)
		put(writer, "u%u[sp+0x%" PRIx64 "]", node->size * 8u, node->value);
	else if (node->op == EXPR_REGISTER)
		put(writer, "reg%" PRIu64, node->value);
	else
		put(writer, "?");
}

static bool is_f64_op(enum expr_op op)
{
	return op >= EXPR_F64_ADD && op <= EXPR_F64_DIV;
}

static void format_node(const struct expr_pool *pool, expr_id id, struct writer *writer, unsigned depth, bool f64)
{
	const struct expr_node *node = expr_node(pool, id);
	bool inner = is_f64_op(node->op);

	if (depth > FORMAT_DEPTH || id == EXPR_NONE) {
		put(writer, "...");
	} else if (node->op == EXPR_CONST) {
		if (f64)
			put(writer, "%g", f64_of(node->value));
		else if (node->value > INT64_MAX)
			put(writer, "-%" PRIu64, -node->value);
		else
			put(writer, node->value > 1 << 24 ? "0x%" PRIx64 : "%" PRIu64, node->value);
	} else if (expr_is_leaf(node)) {
		format_leaf(writer, node);
	} else if (node->b) {
		if (depth)
			put(writer, "(");
		format_node(pool, node->a, writer, depth + 1, inner);
		put(writer, " %s ", symbols[node->op]);
		format_node(pool, node->b, writer, depth + 1, inner);
		if (depth)
			put(writer, ")");
	} else {
		put(writer,
		    node->op == EXPR_SEXT	    ? "s%u("
		    : node->op == EXPR_ZEXT	    ? "u%u("
		    : node->op == EXPR_F64_FROM_S64 ? "float%u("
						    : "int%u(",
		    node->op == EXPR_SEXT || node->op == EXPR_ZEXT ? node->size * 8u : 64u);
		format_node(pool, node->a, writer, depth + 1, node->op == EXPR_S64_FROM_F64);
		put(writer, ")");
	}
}

void expr_format(const struct expr_pool *pool, expr_id id, char *buffer, size_t size)
{
	struct writer writer = { buffer, size, 0 };

	buffer[0] = '\0';
	format_node(pool, id, &writer, 0, false);
	if (writer.used + 1 >= size && size > 4)
		memcpy(buffer + size - 4, "...", 4);
}
