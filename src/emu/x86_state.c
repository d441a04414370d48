// SPDX-License-Identifier: BSD-2-Clause
/* Registers, operands in memory, and flags. */
#include <errno.h>
#include <inttypes.h>

#include "x86.h"

struct emu_value x86_zext(struct emu *emu, struct emu_value value, unsigned size)
{
	return size >= 8 ? value : value_unary(emu, EXPR_ZEXT, value, size);
}

struct emu_value x86_sext(struct emu *emu, struct emu_value value, unsigned size)
{
	return size >= 8 ? value : value_unary(emu, EXPR_SEXT, value, size);
}

struct emu_value x86_read_register(struct emu *emu, const struct operand *operand)
{
	struct emu_value value = emu->registers[operand->reg];

	if (operand->high)
		value = value_binary(emu, EXPR_SHR, value, value_const(8));
	return x86_zext(emu, value, operand->size);
}

/* Writes of 4 bytes clear the upper half; narrower ones keep the rest. */
void x86_write_register(struct emu *emu, const struct operand *operand, struct emu_value value)
{
	struct emu_value *reg = &emu->registers[operand->reg];
	uint64_t mask = operand->size == 1 ? 0xff : 0xffff;

	if (operand->size >= 4) {
		*reg = x86_zext(emu, value, operand->size);
		return;
	}
	value = x86_zext(emu, value, operand->size);
	if (operand->high) {
		mask <<= 8;
		value = value_binary(emu, EXPR_SHL, value, value_const(8));
	}
	*reg = value_binary(emu, EXPR_AND, *reg, value_const(~mask));
	*reg = value_binary(emu, EXPR_OR, *reg, value);
}

struct emu_value x86_address_of(struct emu *emu, const struct operand *operand)
{
	struct emu_value address = value_const((uint64_t)operand->value);

	if (operand->foreign_segment)
		return value_opaque(emu, 0);
	if (operand->reg != EMU_NO_REGISTER)
		address = value_binary(emu, EXPR_ADD, emu->registers[operand->reg], address);
	if (operand->index != EMU_NO_REGISTER) {
		struct emu_value index = emu->registers[operand->index];

		index = value_binary(emu, EXPR_MUL, index, value_const(operand->scale));
		address = value_binary(emu, EXPR_ADD, address, index);
	}
	return address;
}

/* What lies at a place that depends on something symbolic is not what lies at its number. */
int x86_load_at(struct emu *emu, struct emu_value address, unsigned size, struct emu_value *value,
		struct failure *failure)
{
	if (value_symbolic(address)) {
		*value = value_opaque(emu, 0);
		return 0;
	}
	return emu_load(emu, address.word, size, value, failure);
}

int x86_read_operand(struct emu *emu, const struct operand *operand, struct emu_value *value, struct failure *failure)
{
	*value = value_const(0);
	if (operand->kind == OPERAND_REGISTER) {
		*value = x86_read_register(emu, operand);
		return 0;
	}
	if (operand->kind == OPERAND_IMMEDIATE) {
		*value = value_const((uint64_t)operand->value);
		return 0;
	}
	if (operand->kind == OPERAND_MEMORY && operand->size <= 8)
		return x86_load_at(emu, x86_address_of(emu, operand), operand->size, value, failure);
	return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
}

int x86_write_operand(struct emu *emu, const struct operand *operand, struct emu_value value, struct failure *failure)
{
	if (operand->kind == OPERAND_REGISTER) {
		x86_write_register(emu, operand, value);
		return 0;
	}
	if (operand->kind == OPERAND_MEMORY && operand->size <= 8)
		return emu_store(emu, x86_address_of(emu, operand).word, operand->size, value, failure);
	return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
}

void x86_flags_result(struct emu *emu, uint64_t result, unsigned size, struct emu_value a, struct emu_value b)
{
	struct flags *flags = &emu->flags;
	unsigned top = 8 * size - 1;

	if (size < 8)
		result &= (1ull << (8 * size)) - 1;
	flags->zero = !result;
	flags->sign = result >> top & 1;
	flags->parity = !(__builtin_popcountll(result & 0xff) & 1);
	flags->a = a.expr;
	flags->b = b.expr;
}

/* The carry flag as a word: @less is its expression as a comparison, if it has one. */
void x86_flags_carry(struct emu *emu, bool carry, struct emu_value x, struct emu_value y, unsigned size)
{
	struct flags *flags = &emu->flags;

	flags->carry = carry;
	flags->carry_expr = EXPR_NONE;
	flags->carry_symbolic = value_symbolic(x) || value_symbolic(y);
	if (flags->carry_symbolic && size == 8) {
		flags->carry_expr = value_binary(emu, EXPR_IF_LESS_U, x, y).expr;
		flags->carry_symbolic = flags->carry_expr == EXPR_NONE;
	}
}

/* Carry and overflow that no expression tells. */
void x86_flags_set(struct emu *emu, bool carry, bool overflow, bool symbolic)
{
	emu->flags.carry = carry;
	emu->flags.overflow = overflow;
	emu->flags.carry_expr = EXPR_NONE;
	emu->flags.carry_symbolic = symbolic;
}

struct emu_value x86_carry_value(struct emu *emu)
{
	if (emu->flags.carry_expr)
		return (struct emu_value){ emu->flags.carry, emu->flags.carry_expr };
	if (emu->flags.carry_symbolic)
		return value_opaque(emu, emu->flags.carry);
	return value_const(emu->flags.carry);
}

struct emu_value x86_add(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size, bool with_carry)
{
	struct emu_value sum = value_binary(emu, EXPR_ADD, a, b);
	uint64_t sign = 1ull << (8 * size - 1);
	bool carry;

	if (with_carry)
		sum = value_binary(emu, EXPR_ADD, sum, x86_carry_value(emu));
	sum = x86_zext(emu, sum, size);
	carry = sum.word < a.word || (with_carry && emu->flags.carry && sum.word == a.word);
	x86_flags_result(emu, sum.word, size, a, b);
	emu->flags.overflow = (~(a.word ^ b.word) & (a.word ^ sum.word) & sign) != 0;
	if (with_carry) {
		emu->flags.carry_expr = EXPR_NONE;
		emu->flags.carry_symbolic = value_symbolic(sum);
		emu->flags.carry = carry;
	} else {
		x86_flags_carry(emu, carry, sum, a, size);
	}
	return sum;
}

struct emu_value x86_subtract(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size, bool with_carry)
{
	struct emu_value difference = value_binary(emu, EXPR_SUB, a, b);
	uint64_t sign = 1ull << (8 * size - 1);
	bool carry = a.word < b.word;

	if (with_carry) {
		carry = carry || (emu->flags.carry && a.word == b.word);
		difference = value_binary(emu, EXPR_SUB, difference, x86_carry_value(emu));
	}
	difference = x86_zext(emu, difference, size);
	x86_flags_result(emu, difference.word, size, a, b);
	emu->flags.overflow = ((a.word ^ b.word) & (a.word ^ difference.word) & sign) != 0;
	if (with_carry) {
		emu->flags.carry_expr = EXPR_NONE;
		emu->flags.carry_symbolic = value_symbolic(difference);
		emu->flags.carry = carry;
	} else {
		x86_flags_carry(emu, carry, a, b, size);
	}
	return difference;
}

struct emu_value x86_logic(struct emu *emu, enum expr_op op, struct emu_value a, struct emu_value b, unsigned size)
{
	struct emu_value result = x86_zext(emu, value_binary(emu, op, a, b), size);

	x86_flags_result(emu, result.word, size, a, b);
	x86_flags_set(emu, false, false, false);
	return result;
}

/* Two operands, read and sized alike; immediates are cut to the size of the first. */
int x86_read_pair(struct emu *emu, const struct insn *insn, struct emu_value *a, struct emu_value *b,
		  struct failure *failure)
{
	int error = x86_read_operand(emu, &insn->operands[0], a, failure);

	*b = value_const(0);
	if (!error)
		error = x86_read_operand(emu, &insn->operands[1], b, failure);
	if (!error)
		*b = x86_zext(emu, *b, insn->operands[0].size);
	return error;
}
