// SPDX-License-Identifier: BSD-2-Clause
/* Integer instructions, with their BMI forms, and string moves. */
#include <errno.h>
#include <inttypes.h>

#include "x86.h"

#define REPEAT_MAX 65536u /* iterations of one rep stos/movs */

int x86_step_binary(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, b, result;
	bool keep = true;
	int error = x86_read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_ADD: result = x86_add(emu, a, b, size, false); break;
	case X86_INS_ADC: result = x86_add(emu, a, b, size, true); break;
	case X86_INS_SUB: result = x86_subtract(emu, a, b, size, false); break;
	case X86_INS_SBB: result = x86_subtract(emu, a, b, size, true); break;
	case X86_INS_CMP:
		result = x86_subtract(emu, a, b, size, false);
		keep = false;
		break;
	case X86_INS_TEST:
		result = x86_logic(emu, EXPR_AND, a, b, size);
		keep = false;
		break;
	case X86_INS_AND: result = x86_logic(emu, EXPR_AND, a, b, size); break;
	case X86_INS_OR: result = x86_logic(emu, EXPR_OR, a, b, size); break;
	default: result = x86_logic(emu, EXPR_XOR, a, b, size); break;
	}
	return keep ? x86_write_operand(emu, &insn->operands[0], result, failure) : 0;
}

int x86_step_unary(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *operand = &insn->operands[0];
	struct flags before = emu->flags;
	struct emu_value a, result;
	int error = x86_read_operand(emu, operand, &a, failure);

	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_NOT:
		result = value_binary(emu, EXPR_XOR, a, value_const(UINT64_MAX));
		return x86_write_operand(emu, operand, x86_zext(emu, result, operand->size), failure);
	case X86_INS_NEG: result = x86_subtract(emu, value_const(0), a, operand->size, false); break;
	case X86_INS_INC: result = x86_add(emu, a, value_const(1), operand->size, false); break;
	default: result = x86_subtract(emu, a, value_const(1), operand->size, false); break;
	}
	if (insn->id != X86_INS_NEG) {
		/* inc and dec leave the carry flag alone. */
		emu->flags.carry = before.carry;
		emu->flags.carry_expr = before.carry_expr;
		emu->flags.carry_symbolic = before.carry_symbolic;
	}
	return x86_write_operand(emu, operand, result, failure);
}

int x86_step_move(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *from = &insn->operands[1];
	struct emu_value value;
	int error = x86_read_operand(emu, from, &value, failure);

	if (error)
		return error;
	if (insn->id == X86_INS_MOVSX || insn->id == X86_INS_MOVSXD)
		value = x86_sext(emu, value, from->size);
	return x86_write_operand(emu, &insn->operands[0], x86_zext(emu, value, insn->operands[0].size), failure);
}

int x86_step_lea(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value address = x86_address_of(emu, &insn->operands[1]);

	return x86_write_operand(emu, &insn->operands[0], x86_zext(emu, address, insn->operands[0].size), failure);
}

int x86_step_shift(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, count = value_const(1), result;
	enum expr_op op;
	bool carry;
	int error = x86_read_operand(emu, to, &a, failure);

	if (!error && insn->nr_operands > 1)
		error = x86_read_operand(emu, &insn->operands[1], &count, failure);
	if (error)
		return error;
	count = value_binary(emu, EXPR_AND, count, value_const(bits == 64 ? 63 : 31));
	op = insn->id == X86_INS_SHR ? EXPR_SHR : insn->id == X86_INS_SAR ? EXPR_SAR : EXPR_SHL;
	if (op == EXPR_SAR)
		a = x86_sext(emu, a, to->size);
	result = x86_zext(emu, value_binary(emu, op, a, count), to->size);
	/* By nothing: the flags stay. */
	if (count.word) {
		carry = op == EXPR_SHL ? count.word <= bits && (a.word >> (bits - count.word) & 1)
				       : a.word >> (count.word - 1) & 1;
		x86_flags_result(emu, result.word, to->size, a, count);
		x86_flags_set(emu, carry, (result.word ^ a.word) >> (bits - 1) & 1,
			      value_symbolic(a) || value_symbolic(count));
	}
	return x86_write_operand(emu, to, result, failure);
}

/* The bit that went round, and whether the sign changed; the rest stays. */
static void flags_after_rotate(struct emu *emu, struct emu_value result, unsigned bits, bool to_the_left)
{
	bool top = result.word >> (bits - 1) & 1, next = result.word >> (bits - 2) & 1, low = result.word & 1;

	x86_flags_set(emu, to_the_left ? low : top, to_the_left ? top != low : top != next, value_symbolic(result));
}

static int step_rotate(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0], *from = insn->nr_operands == 3 ? &insn->operands[1] : to;
	const struct operand *by = &insn->operands[insn->nr_operands - 1];
	unsigned bits = 8 * to->size;
	struct emu_value a, count = value_const(1), left, right;
	int error = x86_read_operand(emu, from, &a, failure);

	if (!error && insn->nr_operands > 1)
		error = x86_read_operand(emu, by, &count, failure);
	if (error)
		return error;
	if (value_symbolic(count) || bits < 32)
		return emu_unknown(insn, failure);
	count.word &= bits - 1;
	if (insn->id == X86_INS_ROR || insn->id == X86_INS_RORX)
		count.word = (bits - count.word) & (bits - 1);
	if (!count.word)
		return x86_write_operand(emu, to, a, failure);
	left = value_binary(emu, EXPR_SHL, a, value_const(count.word));
	right = value_binary(emu, EXPR_SHR, a, value_const(bits - count.word));
	left = x86_zext(emu, value_binary(emu, EXPR_OR, left, right), to->size);
	if (insn->id != X86_INS_RORX)
		flags_after_rotate(emu, left, bits, insn->id == X86_INS_ROL);
	return x86_write_operand(emu, to, left, failure);
}

/* rcr by one: how an average of two words is taken without losing the carry. */
static int step_rcr(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, top;
	int error = x86_read_operand(emu, to, &a, failure);

	if (error)
		return error;
	if (insn->nr_operands > 1 && insn->operands[1].value != 1)
		return emu_unknown(insn, failure);
	top = value_binary(emu, EXPR_SHL, x86_carry_value(emu), value_const(bits - 1));
	x86_flags_set(emu, a.word & 1, (a.word >> (bits - 1) & 1) != emu->flags.carry, value_symbolic(a));
	a = value_binary(emu, EXPR_SHR, a, value_const(1));
	return x86_write_operand(emu, to, value_binary(emu, EXPR_OR, a, top), failure);
}

/* shld, shrd by a constant. */
static int step_double_shift(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, b, count;
	bool left = insn->id == X86_INS_SHLD, carry, before;
	int error = x86_read_pair(emu, insn, &a, &b, failure);

	if (!error)
		error = x86_read_operand(emu, &insn->operands[2], &count, failure);
	if (error)
		return error;
	if (value_symbolic(count) || bits < 32)
		return emu_unknown(insn, failure);
	count.word &= bits - 1;
	if (!count.word)
		return x86_write_operand(emu, to, a, failure);
	before = a.word >> (bits - 1) & 1;
	carry = a.word >> (left ? bits - count.word : count.word - 1) & 1;
	a = value_binary(emu, left ? EXPR_SHL : EXPR_SHR, a, value_const(count.word));
	b = value_binary(emu, left ? EXPR_SHR : EXPR_SHL, b, value_const(bits - count.word));
	a = x86_zext(emu, value_binary(emu, EXPR_OR, a, b), to->size);
	x86_flags_result(emu, a.word, to->size, a, b);
	x86_flags_set(emu, carry, before != (a.word >> (bits - 1) & 1), value_symbolic(a));
	return x86_write_operand(emu, to, a, failure);
}

/* shlx, shrx, sarx: no flags. */
static int step_shift_bmi(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, count;
	enum expr_op op = insn->id == X86_INS_SHLX ? EXPR_SHL : insn->id == X86_INS_SHRX ? EXPR_SHR : EXPR_SAR;
	int error = x86_read_operand(emu, &insn->operands[1], &a, failure);

	if (!error)
		error = x86_read_operand(emu, &insn->operands[2], &count, failure);
	if (error)
		return error;
	count = value_binary(emu, EXPR_AND, count, value_const(size == 8 ? 63 : 31));
	if (op == EXPR_SAR)
		a = x86_sext(emu, a, size);
	return x86_write_operand(emu, &insn->operands[0], x86_zext(emu, value_binary(emu, op, a, count), size),
				 failure);
}

static void set_pair(struct emu *emu, struct emu_value low, struct emu_value high, unsigned size)
{
	emu->registers[RAX] = x86_zext(emu, low, size);
	emu->registers[RDX] = x86_zext(emu, high, size);
}

/* Carry and overflow: the product does not fit. Of the rest nothing is said. */
static void flags_after_multiply(struct emu *emu, struct emu_value a, struct emu_value b, bool too_large)
{
	x86_flags_result(emu, 1, 8, a, b);
	x86_flags_set(emu, too_large, too_large, value_symbolic(a) || value_symbolic(b));
}

static __int128 signed_word(uint64_t word, unsigned size)
{
	expr_apply(EXPR_SEXT, size, word, 0, &word);
	return (int64_t)word;
}

static bool product_fits(uint64_t a, uint64_t b, unsigned size, bool is_signed)
{
	__int128 product;

	if (!is_signed)
		return (unsigned __int128)a * b >> (8 * size) == 0;
	product = signed_word(a, size) * signed_word(b, size);
	return product == signed_word((uint64_t)product, size);
}

/* One-operand mul and imul: rdx:rax = rax * operand. */
static int step_multiply_wide(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	bool is_signed = insn->id == X86_INS_IMUL;
	struct emu_value a = x86_zext(emu, emu->registers[RAX], size), b, low, high;
	int error = x86_read_operand(emu, &insn->operands[0], &b, failure);

	if (error)
		return error;
	if (size < 4)
		return emu_unknown(insn, failure);
	if (is_signed) {
		a = x86_sext(emu, a, size);
		b = x86_sext(emu, b, size);
	}
	low = value_binary(emu, EXPR_MUL, a, b);
	if (size == 8)
		high = value_binary(emu, is_signed ? EXPR_MULHI_S : EXPR_MULHI_U, a, b);
	else
		high = value_binary(emu, EXPR_SHR, low, value_const(32));
	flags_after_multiply(emu, a, b, !product_fits(a.word, b.word, size, is_signed));
	set_pair(emu, low, high, size);
	return 0;
}

static int step_multiply(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, b;
	bool three = insn->nr_operands == 3;
	int error;

	if (insn->nr_operands == 1)
		return step_multiply_wide(emu, insn, failure);
	error = x86_read_operand(emu, &insn->operands[three ? 1 : 0], &a, failure);
	if (!error)
		error = x86_read_operand(emu, &insn->operands[three ? 2 : 1], &b, failure);
	if (error)
		return error;
	flags_after_multiply(emu, a, b, !product_fits(a.word, b.word, size, true));
	return x86_write_operand(emu, &insn->operands[0], x86_zext(emu, value_binary(emu, EXPR_MUL, a, b), size),
				 failure);
}

static int step_mulx(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a = emu->registers[RDX], b, low, high;
	int error = x86_read_operand(emu, &insn->operands[2], &b, failure);

	if (error)
		return error;
	if (insn->operands[0].size != 8)
		return emu_unknown(insn, failure);
	low = value_binary(emu, EXPR_MUL, a, b);
	high = value_binary(emu, EXPR_MULHI_U, a, b);
	error = x86_write_operand(emu, &insn->operands[1], low, failure);
	return error ? error : x86_write_operand(emu, &insn->operands[0], high, failure);
}

/* Division of rdx:rax where rdx only extends rax, as compilers of Go emit it. */
static int step_divide(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	bool is_signed = insn->id == X86_INS_IDIV;
	struct emu_value a = x86_zext(emu, emu->registers[RAX], size), high = x86_zext(emu, emu->registers[RDX], size),
			 b;
	uint64_t extension, unused;
	int error = x86_read_operand(emu, &insn->operands[0], &b, failure);

	if (error)
		return error;
	if (is_signed) {
		a = x86_sext(emu, a, size);
		b = x86_sext(emu, b, size);
	}
	extension = is_signed && a.word >> 63 ? UINT64_MAX : 0;
	if (size == 4)
		extension &= 0xffffffff;
	if (size < 4 || high.word != extension ||
	    !expr_apply(is_signed ? EXPR_DIV_S : EXPR_DIV_U, 8, a.word, b.word, &unused))
		return failure_set(failure, -ENOTSUP, "division that cannot be followed at 0x%" PRIx64, insn->address);
	set_pair(emu, value_binary(emu, is_signed ? EXPR_DIV_S : EXPR_DIV_U, a, b),
		 value_binary(emu, is_signed ? EXPR_REM_S : EXPR_REM_U, a, b), size);
	return 0;
}

int x86_step_extend_accumulator(struct emu *emu, const struct insn *insn)
{
	struct emu_value rax = emu->registers[RAX];

	switch (insn->id) {
	case X86_INS_CDQE: emu->registers[RAX] = x86_sext(emu, x86_zext(emu, rax, 4), 4); break;
	case X86_INS_CWDE: emu->registers[RAX] = x86_zext(emu, x86_sext(emu, x86_zext(emu, rax, 2), 2), 4); break;
	case X86_INS_CQO: emu->registers[RDX] = value_binary(emu, EXPR_SAR, rax, value_const(63)); break;
	default:
		rax = value_binary(emu, EXPR_SAR, x86_sext(emu, x86_zext(emu, rax, 4), 4), value_const(63));
		emu->registers[RDX] = x86_zext(emu, rax, 4);
		break;
	}
	return 0;
}

/* Memory first: its address may hang on the register. Of one register written twice, the first operand stays. */
static int write_both(struct emu *emu, const struct insn *insn, struct emu_value first, struct emu_value second,
		      struct failure *failure)
{
	bool memory_first = insn->operands[0].kind == OPERAND_MEMORY;
	const struct operand *early = &insn->operands[memory_first ? 0 : 1];
	const struct operand *late = &insn->operands[memory_first ? 1 : 0];
	int error = x86_write_operand(emu, early, memory_first ? first : second, failure);

	return error ? error : x86_write_operand(emu, late, memory_first ? second : first, failure);
}

static int step_exchange(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a, b;
	int error = x86_read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	if (insn->id == X86_INS_XADD) {
		struct emu_value sum = x86_add(emu, a, b, insn->operands[0].size, false);

		return write_both(emu, insn, sum, a, failure);
	}
	return write_both(emu, insn, b, a, failure);
}

/* Bit counting and swapping: of symbolic words no expression is kept. */
static int step_bits(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	bool in_place = insn->id == X86_INS_BSWAP;
	const struct operand *from = &insn->operands[in_place ? 0 : 1];
	unsigned bits = 8 * from->size;
	struct emu_value a;
	uint64_t word = 0;
	int error = x86_read_operand(emu, from, &a, failure);

	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_BSWAP:
	case X86_INS_MOVBE: word = __builtin_bswap64(a.word) >> (64 - bits); break;
	case X86_INS_POPCNT: word = (uint64_t)__builtin_popcountll(a.word); break;
	case X86_INS_TZCNT:
	case X86_INS_BSF: word = a.word ? (uint64_t)__builtin_ctzll(a.word) : bits; break;
	case X86_INS_LZCNT: word = a.word ? (uint64_t)__builtin_clzll(a.word) - (64 - bits) : bits; break;
	default: word = a.word ? 63 - (uint64_t)__builtin_clzll(a.word) : 0; break;
	}
	if (!in_place && insn->id != X86_INS_MOVBE) {
		bool counts_zeroes = insn->id == X86_INS_TZCNT || insn->id == X86_INS_LZCNT;

		x86_flags_result(emu, counts_zeroes ? word : a.word != 0, from->size, a, a);
		x86_flags_set(emu, counts_zeroes && !a.word, false, value_symbolic(a));
		emu->flags.parity = false;
	}
	return x86_write_operand(emu, &insn->operands[0],
				 value_symbolic(a) ? value_opaque(emu, word) : value_const(word), failure);
}

static int step_bit_test(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned bits = 8 * insn->operands[0].size;
	struct emu_value a, b, one;
	int error = x86_read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	if (insn->operands[0].kind == OPERAND_MEMORY && insn->operands[1].kind != OPERAND_IMMEDIATE)
		return emu_unknown(insn, failure);
	b = value_binary(emu, EXPR_AND, b, value_const(bits - 1));
	x86_flags_set(emu, a.word >> b.word & 1, emu->flags.overflow, value_symbolic(a) || value_symbolic(b));
	emu->flags.a = a.expr;
	emu->flags.b = b.expr;
	if (insn->id == X86_INS_BT)
		return 0;
	one = value_binary(emu, EXPR_SHL, value_const(1), b);
	if (insn->id == X86_INS_BTS)
		a = value_binary(emu, EXPR_OR, a, one);
	else if (insn->id == X86_INS_BTC)
		a = value_binary(emu, EXPR_XOR, a, one);
	else
		a = value_binary(emu, EXPR_AND, a, value_binary(emu, EXPR_XOR, one, value_const(UINT64_MAX)));
	return x86_write_operand(emu, &insn->operands[0], a, failure);
}

/* andn, blsi, blsr, blsmsk, bzhi. */
static int step_bmi(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, b = value_const(0), result;
	int error = x86_read_operand(emu, &insn->operands[1], &a, failure);

	if (!error && insn->nr_operands > 2)
		error = x86_read_operand(emu, &insn->operands[2], &b, failure);
	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_ANDN:
		result = x86_logic(emu, EXPR_AND, value_binary(emu, EXPR_XOR, a, value_const(UINT64_MAX)), b, size);
		break;
	case X86_INS_BLSI:
		result = x86_logic(emu, EXPR_AND, value_binary(emu, EXPR_SUB, value_const(0), a), a, size);
		x86_flags_set(emu, a.word, false, value_symbolic(a));
		break;
	case X86_INS_BLSR:
		result = x86_logic(emu, EXPR_AND, value_binary(emu, EXPR_SUB, a, value_const(1)), a, size);
		x86_flags_set(emu, !a.word, false, value_symbolic(a));
		break;
	case X86_INS_BLSMSK:
		result = x86_logic(emu, EXPR_XOR, value_binary(emu, EXPR_SUB, a, value_const(1)), a, size);
		x86_flags_set(emu, !a.word, false, value_symbolic(a));
		break;
	default:
		if (value_symbolic(b))
			return emu_unknown(insn, failure);
		b.word &= 0xff;
		result = x86_logic(emu, EXPR_AND, a,
				   value_const(b.word >= 8 * size ? UINT64_MAX : (1ull << b.word) - 1), size);
		x86_flags_set(emu, b.word >= 8 * size, false, false);
		break;
	}
	return x86_write_operand(emu, &insn->operands[0], result, failure);
}

static int step_string(struct emu *emu, const struct insn *insn, unsigned size, bool copy, struct failure *failure)
{
	struct emu_value count = insn->repeat ? emu->registers[RCX] : value_const(1);
	int error = 0;

	if (value_symbolic(count) || value_symbolic(emu->registers[RDI]) || count.word > REPEAT_MAX)
		return failure_set(failure, -ENOTSUP, "string instruction of unknown length at 0x%" PRIx64,
				   insn->address);
	for (uint64_t i = 0; i < count.word && !error; i++) {
		struct emu_value value = x86_zext(emu, emu->registers[RAX], size);

		/* The first is the instruction itself. */
		error = i ? emu_spend(emu, failure) : 0;
		if (!error && copy) {
			error = x86_load_at(emu, emu->registers[RSI], size, &value, failure);
			emu->registers[RSI] = value_binary(emu, EXPR_ADD, emu->registers[RSI], value_const(size));
		}
		if (!error)
			error = emu_store(emu, emu->registers[RDI].word, size, value, failure);
		emu->registers[RDI].word += size;
	}
	if (insn->repeat)
		emu->registers[RCX] = value_const(0);
	return error;
}

int x86_step_integer(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	switch (insn->id) {
	case X86_INS_ROL:
	case X86_INS_ROR:
	case X86_INS_RORX: return step_rotate(emu, insn, failure);
	case X86_INS_RCR: return step_rcr(emu, insn, failure);
	case X86_INS_SHLD:
	case X86_INS_SHRD: return step_double_shift(emu, insn, failure);
	case X86_INS_SHLX:
	case X86_INS_SHRX:
	case X86_INS_SARX: return step_shift_bmi(emu, insn, failure);
	case X86_INS_MUL:
	case X86_INS_IMUL:
		return insn->id == X86_INS_MUL ? step_multiply_wide(emu, insn, failure)
					       : step_multiply(emu, insn, failure);
	case X86_INS_MULX: return step_mulx(emu, insn, failure);
	case X86_INS_DIV:
	case X86_INS_IDIV: return step_divide(emu, insn, failure);
	case X86_INS_XCHG:
	case X86_INS_XADD: return step_exchange(emu, insn, failure);
	case X86_INS_BSWAP:
	case X86_INS_MOVBE:
	case X86_INS_POPCNT:
	case X86_INS_TZCNT:
	case X86_INS_LZCNT:
	case X86_INS_BSF:
	case X86_INS_BSR: return step_bits(emu, insn, failure);
	case X86_INS_BT:
	case X86_INS_BTS:
	case X86_INS_BTR:
	case X86_INS_BTC: return step_bit_test(emu, insn, failure);
	case X86_INS_ANDN:
	case X86_INS_BLSI:
	case X86_INS_BLSR:
	case X86_INS_BLSMSK:
	case X86_INS_BZHI: return step_bmi(emu, insn, failure);
	case X86_INS_STOSB: return step_string(emu, insn, 1, false, failure);
	case X86_INS_STOSD: return step_string(emu, insn, 4, false, failure);
	case X86_INS_STOSQ: return step_string(emu, insn, 8, false, failure);
	case X86_INS_MOVSB: return step_string(emu, insn, 1, true, failure);
	case X86_INS_MOVSQ: return step_string(emu, insn, 8, true, failure);
	default: return x86_step_vector(emu, insn, failure);
	}
}
