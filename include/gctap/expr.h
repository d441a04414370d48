/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * expr: expressions over a traced process's memory, as learned by emulation.
 * A pool holds nodes; equal nodes are one node. Values are 64-bit words; a
 * narrower operand is zero-extended unless the operator says otherwise;
 * doubles travel as their bits.
 */
#ifndef GCTAP_EXPR_H
#define GCTAP_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t expr_id; /* 0 is "no expression" */
#define EXPR_NONE 0u

enum expr_op {
	EXPR_CONST,    /* value */
	EXPR_MEMORY,   /* value = address in the image, size = 1, 2, 4, 8 bytes, zero-extended */
	EXPR_STACK,    /* value = offset from the stack pointer at the probe, size, zero-extended */
	EXPR_REGISTER, /* value = number of the general register at the probe (architecture's order) */
	EXPR_OPAQUE,   /* a value that no probe can read (through a pointer, say); never evaluates */
	EXPR_ADD,
	EXPR_SUB,
	EXPR_MUL,
	EXPR_AND,
	EXPR_OR,
	EXPR_XOR,
	EXPR_SHL,
	EXPR_SHR,
	EXPR_SAR, /* counts modulo 64 */
	EXPR_MULHI_U,
	EXPR_MULHI_S, /* upper 64 bits of the 128-bit product */
	EXPR_DIV_U,
	EXPR_DIV_S,
	EXPR_REM_U,
	EXPR_REM_S,	/* by zero: does not evaluate */
	EXPR_SEXT,	/* of the low size bytes */
	EXPR_ZEXT,	/* likewise */
	EXPR_IF_LESS_U, /* 1 if a < b else 0 (carry) */
	EXPR_F64_FROM_S64,
	EXPR_S64_FROM_F64, /* conversion; truncates */
	EXPR_F64_ADD,
	EXPR_F64_SUB,
	EXPR_F64_MUL,
	EXPR_F64_DIV,
	EXPR_OPS,
};

struct expr_node {
	uint8_t op;   /* enum expr_op */
	uint8_t size; /* bytes, where the operator has one */
	expr_id a, b;
	uint64_t value;
};

struct expr_pool;

struct expr_pool *expr_pool_new(void); /* NULL: out of memory */
void expr_pool_free(struct expr_pool *pool);
size_t expr_pool_count(const struct expr_pool *pool);
/* Has it been out of memory? Then it lacks what it would have, and nothing can be concluded from that. NULL: no. */
bool expr_pool_starved(const struct expr_pool *pool);
/* Notes that something about it could not be found out for want of memory. */
void expr_pool_note_starved(const struct expr_pool *pool);
const struct expr_node *expr_node(const struct expr_pool *pool, expr_id id);

/*
 * Builders simplify what is provably equal (constants folded, division by a
 * constant recognised in its multiplied form). EXPR_NONE when the pool has
 * reached its limit, or an operand is EXPR_NONE.
 */
expr_id expr_const(struct expr_pool *pool, uint64_t value);
expr_id expr_leaf(struct expr_pool *pool, enum expr_op op, uint64_t value, unsigned size);
expr_id expr_unary(struct expr_pool *pool, enum expr_op op, expr_id a, unsigned size);
expr_id expr_binary(struct expr_pool *pool, enum expr_op op, expr_id a, expr_id b);

/* Answers for leaves; false: unknown. */
typedef bool (*expr_reader)(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value);

/* False when a leaf is unknown, or by division by zero. Bounded. */
bool expr_eval(const struct expr_pool *pool, expr_id id, expr_reader reader, void *context, uint64_t *value);

/*
 * All nodes of the pool at once, for a pool that holds no more than is wanted:
 * values[id] is set where known[id]. Both arrays hold expr_pool_count() entries.
 */
void expr_eval_all(const struct expr_pool *pool, expr_reader reader, void *context, uint64_t *values, bool *known);

/* Copies an expression and what it is made of from another pool. */
expr_id expr_import(struct expr_pool *to, const struct expr_pool *from, expr_id id);

/* True for leaves other than constants. */
bool expr_is_leaf(const struct expr_node *node);

/* Calls back once for each distinct leaf other than constants. */
void expr_each_leaf(const struct expr_pool *pool, expr_id id,
		    void (*callback)(expr_id id, const struct expr_node *leaf, void *context), void *context);

/* Readable form, e.g. "(u64[0x5d8c20] - u64[0x5d8c18]) / 1000000". Always NUL-terminates; cut with "...". */
void expr_format(const struct expr_pool *pool, expr_id id, char *buffer, size_t size);

/* One operator on concrete words: shared by the evaluator and the emulator. False: no value (division by zero). */
bool expr_apply(enum expr_op op, unsigned size, uint64_t a, uint64_t b, uint64_t *value);

#endif
