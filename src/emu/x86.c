// SPDX-License-Identifier: BSD-2-Clause
/*
 * x86-64, as far as compilers of Go use it outside of assembly: integer
 * instructions with their BMI forms, and enough SSE and AVX to move, clear and
 * to compute with doubles. Semantics: Intel SDM volume 2.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "emu_internal.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R15 = 15 };

#define REPEAT_MAX 65536u /* iterations of one rep stos/movs */

struct reg_name {
	uint8_t number, size;
	bool high;
};

/* Capstone's register to number and size; size 0: none that we know. */
static struct reg_name general_register(unsigned reg)
{
	switch (reg) {
#define GENERAL(number, r64, r32, r16, r8)                                                                             \
	case X86_REG_##r64: return (struct reg_name){ number, 8, false };                                              \
	case X86_REG_##r32: return (struct reg_name){ number, 4, false };                                              \
	case X86_REG_##r16: return (struct reg_name){ number, 2, false };                                              \
	case X86_REG_##r8: return (struct reg_name){ number, 1, false };
		GENERAL(0, RAX, EAX, AX, AL)
		GENERAL(1, RCX, ECX, CX, CL)
		GENERAL(2, RDX, EDX, DX, DL)
		GENERAL(3, RBX, EBX, BX, BL)
		GENERAL(4, RSP, ESP, SP, SPL)
		GENERAL(5, RBP, EBP, BP, BPL)
		GENERAL(6, RSI, ESI, SI, SIL)
		GENERAL(7, RDI, EDI, DI, DIL)
		GENERAL(8, R8, R8D, R8W, R8B)
		GENERAL(9, R9, R9D, R9W, R9B)
		GENERAL(10, R10, R10D, R10W, R10B)
		GENERAL(11, R11, R11D, R11W, R11B)
		GENERAL(12, R12, R12D, R12W, R12B)
		GENERAL(13, R13, R13D, R13W, R13B)
		GENERAL(14, R14, R14D, R14W, R14B)
		GENERAL(15, R15, R15D, R15W, R15B)
#undef GENERAL
	case X86_REG_AH: return (struct reg_name){ 0, 1, true };
	case X86_REG_CH: return (struct reg_name){ 1, 1, true };
	case X86_REG_DH: return (struct reg_name){ 2, 1, true };
	case X86_REG_BH: return (struct reg_name){ 3, 1, true };
	default: return (struct reg_name){ 0, 0, false };
	}
}

static bool decode_memory(const cs_insn *from, const cs_x86_op *op, struct operand *operand)
{
	const x86_op_mem *memory = &op->mem;

	operand->kind = OPERAND_MEMORY;
	operand->reg = EMU_NO_REGISTER;
	operand->index = EMU_NO_REGISTER;
	operand->scale = (uint8_t)memory->scale;
	operand->value = memory->disp;
	operand->foreign_segment = memory->segment == X86_REG_FS || memory->segment == X86_REG_GS;
	if (memory->base == X86_REG_RIP) {
		operand->value += (int64_t)(from->address + from->size);
	} else if (memory->base != X86_REG_INVALID) {
		struct reg_name name = general_register(memory->base);

		if (name.size != 8)
			return false;
		operand->reg = name.number;
	}
	if (memory->index != X86_REG_INVALID && memory->index != X86_REG_RIZ) {
		struct reg_name name = general_register(memory->index);

		if (name.size != 8)
			return false;
		operand->index = name.number;
	}
	return true;
}

static bool decode_register(const cs_x86_op *op, struct operand *operand)
{
	struct reg_name name = general_register(op->reg);

	if (name.size) {
		operand->kind = OPERAND_REGISTER;
		operand->reg = name.number;
		operand->size = name.size;
		operand->high = name.high;
		return true;
	}
	operand->kind = OPERAND_VECTOR;
	if (op->reg >= X86_REG_XMM0 && op->reg <= X86_REG_XMM31) {
		operand->reg = (uint8_t)(op->reg - X86_REG_XMM0);
		operand->size = 16;
		return true;
	}
	if (op->reg >= X86_REG_YMM0 && op->reg <= X86_REG_YMM31) {
		operand->reg = (uint8_t)(op->reg - X86_REG_YMM0);
		operand->size = 32;
		return true;
	}
	return false;
}

static bool decode(const cs_insn *from, struct insn *to)
{
	const cs_x86 *detail = &from->detail->x86;

	memset(to, 0, sizeof(*to));
	to->address = from->address;
	to->size = (uint8_t)from->size;
	to->id = (uint16_t)from->id;
	memcpy(to->mnemonic, from->mnemonic, sizeof(to->mnemonic) - 1);
	if (detail->op_count > EMU_OPERANDS)
		return false;
	to->nr_operands = detail->op_count;
	to->repeat = detail->prefix[0] == X86_PREFIX_REP;
	for (unsigned i = 0; i < detail->op_count; i++) {
		const cs_x86_op *op = &detail->operands[i];
		struct operand *operand = &to->operands[i];

		operand->size = op->size;
		if (op->type == X86_OP_IMM) {
			operand->kind = OPERAND_IMMEDIATE;
			operand->value = op->imm;
		} else if (op->type == X86_OP_MEM) {
			if (!decode_memory(from, op, operand))
				return false;
		} else if (op->type != X86_OP_REG || !decode_register(op, operand)) {
			return false;
		}
	}
	return true;
}

enum condition {
	COND_O,
	COND_NO,
	COND_B,
	COND_AE,
	COND_E,
	COND_NE,
	COND_BE,
	COND_A,
	COND_S,
	COND_NS,
	COND_P,
	COND_NP,
	COND_L,
	COND_GE,
	COND_LE,
	COND_G,
	COND_NONE,
};

#define CONDITIONS(prefix)                                                                                             \
	case X86_INS_##prefix##O: return COND_O;                                                                       \
	case X86_INS_##prefix##NO: return COND_NO;                                                                     \
	case X86_INS_##prefix##B: return COND_B;                                                                       \
	case X86_INS_##prefix##AE: return COND_AE;                                                                     \
	case X86_INS_##prefix##E: return COND_E;                                                                       \
	case X86_INS_##prefix##NE: return COND_NE;                                                                     \
	case X86_INS_##prefix##BE: return COND_BE;                                                                     \
	case X86_INS_##prefix##A: return COND_A;                                                                       \
	case X86_INS_##prefix##S: return COND_S;                                                                       \
	case X86_INS_##prefix##NS: return COND_NS;                                                                     \
	case X86_INS_##prefix##P: return COND_P;                                                                       \
	case X86_INS_##prefix##NP: return COND_NP;                                                                     \
	case X86_INS_##prefix##L: return COND_L;                                                                       \
	case X86_INS_##prefix##GE: return COND_GE;                                                                     \
	case X86_INS_##prefix##LE: return COND_LE;                                                                     \
	case X86_INS_##prefix##G: return COND_G

static enum condition jump_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(J);
	default: return COND_NONE;
	}
}

static enum condition set_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(SET);
	default: return COND_NONE;
	}
}

static enum condition move_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(CMOV);
	default: return COND_NONE;
	}
}

static bool holds(const struct flags *flags, enum condition condition)
{
	bool answer;

	switch (condition & ~1u) {
	case COND_O: answer = flags->overflow; break;
	case COND_B: answer = flags->carry; break;
	case COND_E: answer = flags->zero; break;
	case COND_BE: answer = flags->carry || flags->zero; break;
	case COND_S: answer = flags->sign; break;
	case COND_P: answer = flags->parity; break;
	case COND_L: answer = flags->sign != flags->overflow; break;
	default: answer = flags->zero || flags->sign != flags->overflow; break;
	}
	return answer ^ (condition & 1);
}

static void describe(const struct insn *insn, struct emu_instruction *out)
{
	const struct operand *first = &insn->operands[0], *second = &insn->operands[1];

	if (insn->id == X86_INS_CALL && first->kind == OPERAND_IMMEDIATE) {
		out->call = true;
		out->target = (uint64_t)first->value;
	} else if (jump_condition(insn->id) != COND_NONE) {
		out->conditional_branch = true;
		out->target = (uint64_t)first->value;
	} else if (insn->id == X86_INS_CMP && first->kind == OPERAND_MEMORY && first->size == 4 &&
		   first->reg == EMU_NO_REGISTER && first->index == EMU_NO_REGISTER && !first->foreign_segment &&
		   second->kind == OPERAND_IMMEDIATE && second->value == 0) {
		out->sets_flags_from_memory = true;
		out->memory_address = (uint64_t)first->value;
	} else if (insn->id == X86_INS_LEA && second->reg == EMU_NO_REGISTER && second->index == EMU_NO_REGISTER) {
		out->takes_address = true;
		out->memory_address = (uint64_t)second->value;
	}
}

/* arch/x86/kernel/uprobes.c: what has emulate ops there; everything else is single-stepped. */
static bool cheap_probe(const char *mnemonic)
{
	return (mnemonic[0] == 'j' && strcmp(mnemonic, "jrcxz") && strcmp(mnemonic, "jecxz")) ||
	       !strcmp(mnemonic, "call") || !strcmp(mnemonic, "nop") || !strcmp(mnemonic, "push");
}

static struct emu_value zext(struct emu *emu, struct emu_value value, unsigned size)
{
	return size >= 8 ? value : value_unary(emu, EXPR_ZEXT, value, size);
}

static struct emu_value sext(struct emu *emu, struct emu_value value, unsigned size)
{
	return size >= 8 ? value : value_unary(emu, EXPR_SEXT, value, size);
}

static struct emu_value read_register(struct emu *emu, const struct operand *operand)
{
	struct emu_value value = emu->registers[operand->reg];

	if (operand->high)
		value = value_binary(emu, EXPR_SHR, value, value_const(8));
	return zext(emu, value, operand->size);
}

/* Writes of 4 bytes clear the upper half; narrower ones keep the rest. */
static void write_register(struct emu *emu, const struct operand *operand, struct emu_value value)
{
	struct emu_value *reg = &emu->registers[operand->reg];
	uint64_t mask = operand->size == 1 ? 0xff : 0xffff;

	if (operand->size >= 4) {
		*reg = zext(emu, value, operand->size);
		return;
	}
	value = zext(emu, value, operand->size);
	if (operand->high) {
		mask <<= 8;
		value = value_binary(emu, EXPR_SHL, value, value_const(8));
	}
	*reg = value_binary(emu, EXPR_AND, *reg, value_const(~mask));
	*reg = value_binary(emu, EXPR_OR, *reg, value);
}

static struct emu_value address_of(struct emu *emu, const struct operand *operand)
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
static int load_at(struct emu *emu, struct emu_value address, unsigned size, struct emu_value *value,
		   struct failure *failure)
{
	if (value_symbolic(address)) {
		*value = value_opaque(emu, 0);
		return 0;
	}
	return emu_load(emu, address.word, size, value, failure);
}

static int read_operand(struct emu *emu, const struct operand *operand, struct emu_value *value,
			struct failure *failure)
{
	*value = value_const(0);
	if (operand->kind == OPERAND_REGISTER) {
		*value = read_register(emu, operand);
		return 0;
	}
	if (operand->kind == OPERAND_IMMEDIATE) {
		*value = value_const((uint64_t)operand->value);
		return 0;
	}
	if (operand->kind == OPERAND_MEMORY && operand->size <= 8)
		return load_at(emu, address_of(emu, operand), operand->size, value, failure);
	return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
}

static int write_operand(struct emu *emu, const struct operand *operand, struct emu_value value,
			 struct failure *failure)
{
	if (operand->kind == OPERAND_REGISTER) {
		write_register(emu, operand, value);
		return 0;
	}
	if (operand->kind == OPERAND_MEMORY && operand->size <= 8)
		return emu_store(emu, address_of(emu, operand).word, operand->size, value, failure);
	return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
}

static void flags_result(struct emu *emu, uint64_t result, unsigned size, struct emu_value a, struct emu_value b)
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
static void flags_carry(struct emu *emu, bool carry, struct emu_value x, struct emu_value y, unsigned size)
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
static void flags_set(struct emu *emu, bool carry, bool overflow, bool symbolic)
{
	emu->flags.carry = carry;
	emu->flags.overflow = overflow;
	emu->flags.carry_expr = EXPR_NONE;
	emu->flags.carry_symbolic = symbolic;
}

static struct emu_value carry_value(struct emu *emu)
{
	if (emu->flags.carry_expr)
		return (struct emu_value){ emu->flags.carry, emu->flags.carry_expr };
	if (emu->flags.carry_symbolic)
		return value_opaque(emu, emu->flags.carry);
	return value_const(emu->flags.carry);
}

static struct emu_value add(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size, bool with_carry)
{
	struct emu_value sum = value_binary(emu, EXPR_ADD, a, b);
	uint64_t sign = 1ull << (8 * size - 1);
	bool carry;

	if (with_carry)
		sum = value_binary(emu, EXPR_ADD, sum, carry_value(emu));
	sum = zext(emu, sum, size);
	carry = sum.word < a.word || (with_carry && emu->flags.carry && sum.word == a.word);
	flags_result(emu, sum.word, size, a, b);
	emu->flags.overflow = (~(a.word ^ b.word) & (a.word ^ sum.word) & sign) != 0;
	if (with_carry) {
		emu->flags.carry_expr = EXPR_NONE;
		emu->flags.carry_symbolic = value_symbolic(sum);
		emu->flags.carry = carry;
	} else {
		flags_carry(emu, carry, sum, a, size);
	}
	return sum;
}

static struct emu_value subtract(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size,
				 bool with_carry)
{
	struct emu_value difference = value_binary(emu, EXPR_SUB, a, b);
	uint64_t sign = 1ull << (8 * size - 1);
	bool carry = a.word < b.word;

	if (with_carry) {
		carry = carry || (emu->flags.carry && a.word == b.word);
		difference = value_binary(emu, EXPR_SUB, difference, carry_value(emu));
	}
	difference = zext(emu, difference, size);
	flags_result(emu, difference.word, size, a, b);
	emu->flags.overflow = ((a.word ^ b.word) & (a.word ^ difference.word) & sign) != 0;
	if (with_carry) {
		emu->flags.carry_expr = EXPR_NONE;
		emu->flags.carry_symbolic = value_symbolic(difference);
		emu->flags.carry = carry;
	} else {
		flags_carry(emu, carry, a, b, size);
	}
	return difference;
}

static struct emu_value logic(struct emu *emu, enum expr_op op, struct emu_value a, struct emu_value b, unsigned size)
{
	struct emu_value result = zext(emu, value_binary(emu, op, a, b), size);

	flags_result(emu, result.word, size, a, b);
	flags_set(emu, false, false, false);
	return result;
}

/* Two operands, read and sized alike; immediates are cut to the size of the first. */
static int read_pair(struct emu *emu, const struct insn *insn, struct emu_value *a, struct emu_value *b,
		     struct failure *failure)
{
	int error = read_operand(emu, &insn->operands[0], a, failure);

	*b = value_const(0);
	if (!error)
		error = read_operand(emu, &insn->operands[1], b, failure);
	if (!error)
		*b = zext(emu, *b, insn->operands[0].size);
	return error;
}

static int step_binary(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, b, result;
	bool keep = true;
	int error = read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_ADD: result = add(emu, a, b, size, false); break;
	case X86_INS_ADC: result = add(emu, a, b, size, true); break;
	case X86_INS_SUB: result = subtract(emu, a, b, size, false); break;
	case X86_INS_SBB: result = subtract(emu, a, b, size, true); break;
	case X86_INS_CMP:
		result = subtract(emu, a, b, size, false);
		keep = false;
		break;
	case X86_INS_TEST:
		result = logic(emu, EXPR_AND, a, b, size);
		keep = false;
		break;
	case X86_INS_AND: result = logic(emu, EXPR_AND, a, b, size); break;
	case X86_INS_OR: result = logic(emu, EXPR_OR, a, b, size); break;
	default: result = logic(emu, EXPR_XOR, a, b, size); break;
	}
	return keep ? write_operand(emu, &insn->operands[0], result, failure) : 0;
}

static int step_unary(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *operand = &insn->operands[0];
	struct flags before = emu->flags;
	struct emu_value a, result;
	int error = read_operand(emu, operand, &a, failure);

	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_NOT:
		result = value_binary(emu, EXPR_XOR, a, value_const(UINT64_MAX));
		return write_operand(emu, operand, zext(emu, result, operand->size), failure);
	case X86_INS_NEG: result = subtract(emu, value_const(0), a, operand->size, false); break;
	case X86_INS_INC: result = add(emu, a, value_const(1), operand->size, false); break;
	default: result = subtract(emu, a, value_const(1), operand->size, false); break;
	}
	if (insn->id != X86_INS_NEG) {
		/* inc and dec leave the carry flag alone. */
		emu->flags.carry = before.carry;
		emu->flags.carry_expr = before.carry_expr;
		emu->flags.carry_symbolic = before.carry_symbolic;
	}
	return write_operand(emu, operand, result, failure);
}

static int step_move(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *from = &insn->operands[1];
	struct emu_value value;
	int error = read_operand(emu, from, &value, failure);

	if (error)
		return error;
	if (insn->id == X86_INS_MOVSX || insn->id == X86_INS_MOVSXD)
		value = sext(emu, value, from->size);
	return write_operand(emu, &insn->operands[0], zext(emu, value, insn->operands[0].size), failure);
}

static int step_lea(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value address = address_of(emu, &insn->operands[1]);

	return write_operand(emu, &insn->operands[0], zext(emu, address, insn->operands[0].size), failure);
}

static int step_shift(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, count = value_const(1), result;
	enum expr_op op;
	bool carry;
	int error = read_operand(emu, to, &a, failure);

	if (!error && insn->nr_operands > 1)
		error = read_operand(emu, &insn->operands[1], &count, failure);
	if (error)
		return error;
	count = value_binary(emu, EXPR_AND, count, value_const(bits == 64 ? 63 : 31));
	op = insn->id == X86_INS_SHR ? EXPR_SHR : insn->id == X86_INS_SAR ? EXPR_SAR : EXPR_SHL;
	if (op == EXPR_SAR)
		a = sext(emu, a, to->size);
	result = zext(emu, value_binary(emu, op, a, count), to->size);
	/* By nothing: the flags stay. */
	if (count.word) {
		carry = op == EXPR_SHL ? count.word <= bits && (a.word >> (bits - count.word) & 1)
				       : a.word >> (count.word - 1) & 1;
		flags_result(emu, result.word, to->size, a, count);
		flags_set(emu, carry, (result.word ^ a.word) >> (bits - 1) & 1,
			  value_symbolic(a) || value_symbolic(count));
	}
	return write_operand(emu, to, result, failure);
}

/* The bit that went round, and whether the sign changed; the rest stays. */
static void flags_after_rotate(struct emu *emu, struct emu_value result, unsigned bits, bool to_the_left)
{
	bool top = result.word >> (bits - 1) & 1, next = result.word >> (bits - 2) & 1, low = result.word & 1;

	flags_set(emu, to_the_left ? low : top, to_the_left ? top != low : top != next, value_symbolic(result));
}

static int step_rotate(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0], *from = insn->nr_operands == 3 ? &insn->operands[1] : to;
	const struct operand *by = &insn->operands[insn->nr_operands - 1];
	unsigned bits = 8 * to->size;
	struct emu_value a, count = value_const(1), left, right;
	int error = read_operand(emu, from, &a, failure);

	if (!error && insn->nr_operands > 1)
		error = read_operand(emu, by, &count, failure);
	if (error)
		return error;
	if (value_symbolic(count) || bits < 32)
		return emu_unknown(insn, failure);
	count.word &= bits - 1;
	if (insn->id == X86_INS_ROR || insn->id == X86_INS_RORX)
		count.word = (bits - count.word) & (bits - 1);
	if (!count.word)
		return write_operand(emu, to, a, failure);
	left = value_binary(emu, EXPR_SHL, a, value_const(count.word));
	right = value_binary(emu, EXPR_SHR, a, value_const(bits - count.word));
	left = zext(emu, value_binary(emu, EXPR_OR, left, right), to->size);
	if (insn->id != X86_INS_RORX)
		flags_after_rotate(emu, left, bits, insn->id == X86_INS_ROL);
	return write_operand(emu, to, left, failure);
}

/* rcr by one: how an average of two words is taken without losing the carry. */
static int step_rcr(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, top;
	int error = read_operand(emu, to, &a, failure);

	if (error)
		return error;
	if (insn->nr_operands > 1 && insn->operands[1].value != 1)
		return emu_unknown(insn, failure);
	top = value_binary(emu, EXPR_SHL, carry_value(emu), value_const(bits - 1));
	flags_set(emu, a.word & 1, (a.word >> (bits - 1) & 1) != emu->flags.carry, value_symbolic(a));
	a = value_binary(emu, EXPR_SHR, a, value_const(1));
	return write_operand(emu, to, value_binary(emu, EXPR_OR, a, top), failure);
}

/* shld, shrd by a constant. */
static int step_double_shift(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *to = &insn->operands[0];
	unsigned bits = 8 * to->size;
	struct emu_value a, b, count;
	bool left = insn->id == X86_INS_SHLD, carry, before;
	int error = read_pair(emu, insn, &a, &b, failure);

	if (!error)
		error = read_operand(emu, &insn->operands[2], &count, failure);
	if (error)
		return error;
	if (value_symbolic(count) || bits < 32)
		return emu_unknown(insn, failure);
	count.word &= bits - 1;
	if (!count.word)
		return write_operand(emu, to, a, failure);
	before = a.word >> (bits - 1) & 1;
	carry = a.word >> (left ? bits - count.word : count.word - 1) & 1;
	a = value_binary(emu, left ? EXPR_SHL : EXPR_SHR, a, value_const(count.word));
	b = value_binary(emu, left ? EXPR_SHR : EXPR_SHL, b, value_const(bits - count.word));
	a = zext(emu, value_binary(emu, EXPR_OR, a, b), to->size);
	flags_result(emu, a.word, to->size, a, b);
	flags_set(emu, carry, before != (a.word >> (bits - 1) & 1), value_symbolic(a));
	return write_operand(emu, to, a, failure);
}

/* shlx, shrx, sarx: no flags. */
static int step_shift_bmi(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, count;
	enum expr_op op = insn->id == X86_INS_SHLX ? EXPR_SHL : insn->id == X86_INS_SHRX ? EXPR_SHR : EXPR_SAR;
	int error = read_operand(emu, &insn->operands[1], &a, failure);

	if (!error)
		error = read_operand(emu, &insn->operands[2], &count, failure);
	if (error)
		return error;
	count = value_binary(emu, EXPR_AND, count, value_const(size == 8 ? 63 : 31));
	if (op == EXPR_SAR)
		a = sext(emu, a, size);
	return write_operand(emu, &insn->operands[0], zext(emu, value_binary(emu, op, a, count), size), failure);
}

static void set_pair(struct emu *emu, struct emu_value low, struct emu_value high, unsigned size)
{
	emu->registers[RAX] = zext(emu, low, size);
	emu->registers[RDX] = zext(emu, high, size);
}

/* Carry and overflow: the product does not fit. Of the rest nothing is said. */
static void flags_after_multiply(struct emu *emu, struct emu_value a, struct emu_value b, bool too_large)
{
	flags_result(emu, 1, 8, a, b);
	flags_set(emu, too_large, too_large, value_symbolic(a) || value_symbolic(b));
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
	struct emu_value a = zext(emu, emu->registers[RAX], size), b, low, high;
	int error = read_operand(emu, &insn->operands[0], &b, failure);

	if (error)
		return error;
	if (size < 4)
		return emu_unknown(insn, failure);
	if (is_signed) {
		a = sext(emu, a, size);
		b = sext(emu, b, size);
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
	error = read_operand(emu, &insn->operands[three ? 1 : 0], &a, failure);
	if (!error)
		error = read_operand(emu, &insn->operands[three ? 2 : 1], &b, failure);
	if (error)
		return error;
	flags_after_multiply(emu, a, b, !product_fits(a.word, b.word, size, true));
	return write_operand(emu, &insn->operands[0], zext(emu, value_binary(emu, EXPR_MUL, a, b), size), failure);
}

static int step_mulx(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a = emu->registers[RDX], b, low, high;
	int error = read_operand(emu, &insn->operands[2], &b, failure);

	if (error)
		return error;
	if (insn->operands[0].size != 8)
		return emu_unknown(insn, failure);
	low = value_binary(emu, EXPR_MUL, a, b);
	high = value_binary(emu, EXPR_MULHI_U, a, b);
	error = write_operand(emu, &insn->operands[1], low, failure);
	return error ? error : write_operand(emu, &insn->operands[0], high, failure);
}

/* Division of rdx:rax where rdx only extends rax, as compilers of Go emit it. */
static int step_divide(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	bool is_signed = insn->id == X86_INS_IDIV;
	struct emu_value a = zext(emu, emu->registers[RAX], size), high = zext(emu, emu->registers[RDX], size), b;
	uint64_t extension, unused;
	int error = read_operand(emu, &insn->operands[0], &b, failure);

	if (error)
		return error;
	if (is_signed) {
		a = sext(emu, a, size);
		b = sext(emu, b, size);
	}
	extension = is_signed ? (uint64_t)((int64_t)a.word >> 63) : 0;
	if (size == 4)
		extension &= 0xffffffff;
	if (size < 4 || high.word != extension ||
	    !expr_apply(is_signed ? EXPR_DIV_S : EXPR_DIV_U, 8, a.word, b.word, &unused))
		return failure_set(failure, -ENOTSUP, "division that cannot be followed at 0x%" PRIx64, insn->address);
	set_pair(emu, value_binary(emu, is_signed ? EXPR_DIV_S : EXPR_DIV_U, a, b),
		 value_binary(emu, is_signed ? EXPR_REM_S : EXPR_REM_U, a, b), size);
	return 0;
}

static int step_extend_accumulator(struct emu *emu, const struct insn *insn)
{
	struct emu_value rax = emu->registers[RAX];

	switch (insn->id) {
	case X86_INS_CDQE: emu->registers[RAX] = sext(emu, zext(emu, rax, 4), 4); break;
	case X86_INS_CWDE: emu->registers[RAX] = zext(emu, sext(emu, zext(emu, rax, 2), 2), 4); break;
	case X86_INS_CQO: emu->registers[RDX] = value_binary(emu, EXPR_SAR, rax, value_const(63)); break;
	default:
		rax = value_binary(emu, EXPR_SAR, sext(emu, zext(emu, rax, 4), 4), value_const(63));
		emu->registers[RDX] = zext(emu, rax, 4);
		break;
	}
	return 0;
}

static void move_stack_pointer(struct emu *emu, int64_t bytes)
{
	emu->registers[RSP] = value_binary(emu, EXPR_ADD, emu->registers[RSP], value_const((uint64_t)bytes));
}

static int step_push(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value value;
	int error = read_operand(emu, &insn->operands[0], &value, failure);

	if (error)
		return error;
	if (insn->operands[0].size == 2)
		return emu_unknown(insn, failure);
	move_stack_pointer(emu, -8);
	return emu_store(emu, emu->registers[RSP].word, 8, value, failure);
}

static int step_pop(struct emu *emu, const struct operand *to, struct failure *failure)
{
	struct emu_value value = value_const(0);
	int error = load_at(emu, emu->registers[RSP], 8, &value, failure);

	move_stack_pointer(emu, 8);
	return error ? error : write_operand(emu, to, value, failure);
}

static int step_return(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value target = value_const(0);
	int error = load_at(emu, emu->registers[RSP], 8, &target, failure);

	if (error)
		return error;
	if (insn->nr_operands)
		return emu_unknown(insn, failure);
	if (value_symbolic(target) || !emu->depth)
		return failure_set(failure, -ENOTSUP, "the code returns at 0x%" PRIx64 " before it is done",
				   insn->address);
	emu->depth--;
	move_stack_pointer(emu, 8);
	emu->pc = target.word;
	return 0;
}

static void note_branch(struct emu *emu, uint64_t address)
{
	const struct emu_hooks *hooks = &emu->options.hooks;

	if (hooks->branch && (emu->flags.a || emu->flags.b))
		hooks->branch(address, emu->flags.a, emu->flags.b, hooks->context);
}

static int step_jump(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	enum condition condition = jump_condition(insn->id);
	struct emu_value target;
	int error;

	if (condition != COND_NONE) {
		note_branch(emu, insn->address);
		if (holds(&emu->flags, condition))
			emu->pc = (uint64_t)insn->operands[0].value;
		return 0;
	}
	error = read_operand(emu, &insn->operands[0], &target, failure);
	if (error)
		return error;
	if (value_symbolic(target))
		return failure_set(failure, -ENOTSUP, "jump to an unknown place at 0x%" PRIx64, insn->address);
	emu->pc = target.word;
	return 0;
}

static int step_call(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value target;
	int error = read_operand(emu, &insn->operands[0], &target, failure);

	if (error)
		return error;
	if (value_symbolic(target))
		return failure_set(failure, -ENOTSUP, "call of an unknown function at 0x%" PRIx64, insn->address);
	return emu_call(emu, target.word, emu->pc, failure);
}

static int step_set(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	bool answer = holds(&emu->flags, set_condition(insn->id));
	struct emu_value value = value_const(answer);

	/* A truth that hangs on something symbolic is no constant. */
	if (emu->flags.a || emu->flags.b) {
		note_branch(emu, insn->address);
		value = value_opaque(emu, answer);
	}
	return write_operand(emu, &insn->operands[0], value, failure);
}

static int step_conditional_move(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a, b;
	int error = read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	note_branch(emu, insn->address);
	if (!holds(&emu->flags, move_condition(insn->id)))
		b = a;
	return write_operand(emu, &insn->operands[0], b, failure);
}

/* Memory first: its address may hang on the register. Of one register written twice, the first operand stays. */
static int write_both(struct emu *emu, const struct insn *insn, struct emu_value first, struct emu_value second,
		      struct failure *failure)
{
	bool memory_first = insn->operands[0].kind == OPERAND_MEMORY;
	const struct operand *early = &insn->operands[memory_first ? 0 : 1];
	const struct operand *late = &insn->operands[memory_first ? 1 : 0];
	int error = write_operand(emu, early, memory_first ? first : second, failure);

	return error ? error : write_operand(emu, late, memory_first ? second : first, failure);
}

static int step_exchange(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a, b;
	int error = read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	if (insn->id == X86_INS_XADD) {
		struct emu_value sum = add(emu, a, b, insn->operands[0].size, false);

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
	int error = read_operand(emu, from, &a, failure);

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

		flags_result(emu, counts_zeroes ? word : a.word != 0, from->size, a, a);
		flags_set(emu, counts_zeroes && !a.word, false, value_symbolic(a));
		emu->flags.parity = false;
	}
	return write_operand(emu, &insn->operands[0], value_symbolic(a) ? value_opaque(emu, word) : value_const(word),
			     failure);
}

static int step_bit_test(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned bits = 8 * insn->operands[0].size;
	struct emu_value a, b, one;
	int error = read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	if (insn->operands[0].kind == OPERAND_MEMORY && insn->operands[1].kind != OPERAND_IMMEDIATE)
		return emu_unknown(insn, failure);
	b = value_binary(emu, EXPR_AND, b, value_const(bits - 1));
	flags_set(emu, a.word >> b.word & 1, emu->flags.overflow, value_symbolic(a) || value_symbolic(b));
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
	return write_operand(emu, &insn->operands[0], a, failure);
}

/* andn, blsi, blsr, blsmsk, bzhi. */
static int step_bmi(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned size = insn->operands[0].size;
	struct emu_value a, b = value_const(0), result;
	int error = read_operand(emu, &insn->operands[1], &a, failure);

	if (!error && insn->nr_operands > 2)
		error = read_operand(emu, &insn->operands[2], &b, failure);
	if (error)
		return error;
	switch (insn->id) {
	case X86_INS_ANDN:
		result = logic(emu, EXPR_AND, value_binary(emu, EXPR_XOR, a, value_const(UINT64_MAX)), b, size);
		break;
	case X86_INS_BLSI:
		result = logic(emu, EXPR_AND, value_binary(emu, EXPR_SUB, value_const(0), a), a, size);
		flags_set(emu, a.word, false, value_symbolic(a));
		break;
	case X86_INS_BLSR:
		result = logic(emu, EXPR_AND, value_binary(emu, EXPR_SUB, a, value_const(1)), a, size);
		flags_set(emu, !a.word, false, value_symbolic(a));
		break;
	case X86_INS_BLSMSK:
		result = logic(emu, EXPR_XOR, value_binary(emu, EXPR_SUB, a, value_const(1)), a, size);
		flags_set(emu, !a.word, false, value_symbolic(a));
		break;
	default:
		if (value_symbolic(b))
			return emu_unknown(insn, failure);
		b.word &= 0xff;
		result = logic(emu, EXPR_AND, a, value_const(b.word >= 8 * size ? UINT64_MAX : (1ull << b.word) - 1),
			       size);
		flags_set(emu, b.word >= 8 * size, false, false);
		break;
	}
	return write_operand(emu, &insn->operands[0], result, failure);
}

static int step_string(struct emu *emu, const struct insn *insn, unsigned size, bool copy, struct failure *failure)
{
	struct emu_value count = insn->repeat ? emu->registers[RCX] : value_const(1);
	int error = 0;

	if (value_symbolic(count) || value_symbolic(emu->registers[RDI]) || count.word > REPEAT_MAX)
		return failure_set(failure, -ENOTSUP, "string instruction of unknown length at 0x%" PRIx64,
				   insn->address);
	for (uint64_t i = 0; i < count.word && !error; i++) {
		struct emu_value value = zext(emu, emu->registers[RAX], size);

		if (copy) {
			error = load_at(emu, emu->registers[RSI], size, &value, failure);
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

/* Vectors: lanes of eight bytes. */
static int read_lanes(struct emu *emu, const struct operand *operand, unsigned bytes, struct emu_value *lanes,
		      struct failure *failure)
{
	struct emu_value address;

	if (operand->kind == OPERAND_VECTOR) {
		memcpy(lanes, emu->vectors[operand->reg], EMU_LANES * sizeof(*lanes));
		return 0;
	}
	if (operand->kind == OPERAND_REGISTER) {
		lanes[0] = read_register(emu, operand);
		return 0;
	}
	if (operand->kind != OPERAND_MEMORY)
		return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
	address = address_of(emu, operand);
	for (unsigned i = 0; i * 8 < bytes; i++) {
		int error = load_at(emu, address, bytes < 8 ? bytes : 8, &lanes[i], failure);

		if (error)
			return error;
		address = value_binary(emu, EXPR_ADD, address, value_const(8));
	}
	return 0;
}

/* Of a vector, what is behind @bytes and below @clear_to becomes zero, and the rest stays. */
static int write_lanes(struct emu *emu, const struct operand *operand, unsigned bytes, const struct emu_value *lanes,
		       unsigned clear_to, struct failure *failure)
{
	uint64_t address;

	if (operand->kind == OPERAND_VECTOR) {
		struct emu_value *vector = emu->vectors[operand->reg];

		for (unsigned i = 0; i < EMU_LANES; i++) {
			if (i * 8 < bytes)
				vector[i] = lanes[i];
			else if (i * 8 < clear_to)
				vector[i] = value_const(0);
		}
		return 0;
	}
	if (operand->kind == OPERAND_REGISTER) {
		write_register(emu, operand, lanes[0]);
		return 0;
	}
	address = address_of(emu, operand).word;
	for (unsigned i = 0; i * 8 < bytes; i++) {
		int error = emu_store(emu, address + 8ull * i, bytes < 8 ? bytes : 8, lanes[i], failure);

		if (error)
			return error;
	}
	return 0;
}

static bool is_vex(const struct insn *insn)
{
	return insn->mnemonic[0] == 'v';
}

/* What the older encodings do not write of a register stays; the newer ones clear it. */
static unsigned cleared_by(const struct insn *insn)
{
	return is_vex(insn) ? 8 * EMU_LANES : 0;
}

/* Whole-vector moves; the width is the wider operand's. */
static int step_vector_move(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	unsigned bytes = insn->operands[0].kind == OPERAND_VECTOR ? insn->operands[0].size : insn->operands[1].size;
	struct emu_value lanes[EMU_LANES] = { 0 };
	int error = read_lanes(emu, &insn->operands[1], bytes, lanes, failure);

	return error ? error : write_lanes(emu, &insn->operands[0], bytes, lanes, cleared_by(insn), failure);
}

/* movq, movd, movsd, movss: one scalar. A load, or a move from a general register, clears the rest. */
static int step_scalar_move(struct emu *emu, const struct insn *insn, unsigned bytes, bool clears,
			    struct failure *failure)
{
	const struct operand *from = &insn->operands[insn->nr_operands - 1], *to = &insn->operands[0];
	struct emu_value lanes[EMU_LANES] = { 0 };
	int error = read_lanes(emu, from, bytes, lanes, failure);

	if (error)
		return error;
	if (insn->nr_operands == 3) {
		/* vmovsd x, y, z: the upper lanes are y's. */
		struct emu_value low = lanes[0];

		if (bytes != 8)
			return emu_unknown(insn, failure);
		error = read_lanes(emu, &insn->operands[1], 16, lanes, failure);
		lanes[0] = low;
		return error ? error : write_lanes(emu, to, 16, lanes, 8 * EMU_LANES, failure);
	}
	/* movsd is also the name of a string instruction. */
	if ((bytes == 4 && to->kind == OPERAND_VECTOR && from->kind == OPERAND_VECTOR) ||
	    (to->kind == OPERAND_MEMORY && from->kind == OPERAND_MEMORY))
		return emu_unknown(insn, failure);
	lanes[0] = zext(emu, lanes[0], bytes);
	clears = clears || from->kind != OPERAND_VECTOR;
	if (to->kind == OPERAND_VECTOR)
		return write_lanes(emu, to, 8, lanes, is_vex(insn) ? 8 * EMU_LANES : clears ? 16 : 0, failure);
	return write_lanes(emu, to, bytes, lanes, 0, failure);
}

/* Bitwise operations on all lanes. */
static int step_vector_logic(struct emu *emu, const struct insn *insn, enum expr_op op, struct failure *failure)
{
	const struct operand *first = &insn->operands[insn->nr_operands == 3 ? 1 : 0];
	const struct operand *second = &insn->operands[insn->nr_operands - 1];
	unsigned bytes = insn->operands[0].size;
	struct emu_value a[EMU_LANES] = { 0 }, b[EMU_LANES] = { 0 };
	int error = read_lanes(emu, first, bytes, a, failure);

	if (!error)
		error = read_lanes(emu, second, bytes, b, failure);
	if (error)
		return error;
	for (unsigned i = 0; i * 8 < bytes; i++) {
		bool same = first->kind == OPERAND_VECTOR && second->kind == OPERAND_VECTOR &&
			    first->reg == second->reg && op == EXPR_XOR;

		a[i] = same ? value_const(0) : value_binary(emu, op, a[i], b[i]);
	}
	return write_lanes(emu, &insn->operands[0], bytes, a, cleared_by(insn), failure);
}

static int step_double(struct emu *emu, const struct insn *insn, enum expr_op op, struct failure *failure)
{
	const struct operand *first = &insn->operands[insn->nr_operands == 3 ? 1 : 0];
	const struct operand *second = &insn->operands[insn->nr_operands - 1];
	struct emu_value a[EMU_LANES] = { 0 }, b[EMU_LANES] = { 0 };
	int error = read_lanes(emu, first, 16, a, failure);

	if (!error)
		error = read_lanes(emu, second, 8, b, failure);
	if (error)
		return error;
	a[0] = value_binary(emu, op, a[0], b[0]);
	return write_lanes(emu, &insn->operands[0], 16, a, cleared_by(insn), failure);
}

static int step_convert(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	const struct operand *from = &insn->operands[insn->nr_operands - 1], *to = &insn->operands[0];
	bool to_integer = to->kind == OPERAND_REGISTER;
	struct emu_value lanes[EMU_LANES], value;
	int error;

	if (to_integer) {
		error = read_lanes(emu, from, 8, lanes, failure);
		if (error)
			return error;
		value = value_unary(emu, EXPR_S64_FROM_F64, lanes[0], 8);
		if (to->size == 4 && (int64_t)value.word != (int32_t)value.word)
			value = value_symbolic(value) ? value_opaque(emu, 1u << 31) : value_const(1u << 31);
		return write_operand(emu, to, zext(emu, value, to->size), failure);
	}
	error = read_operand(emu, from, &value, failure);
	if (error)
		return error;
	value = value_unary(emu, EXPR_F64_FROM_S64, sext(emu, value, from->size), 8);
	if (!is_vex(insn))
		return write_lanes(emu, to, 8, &value, 0, failure);
	/* The upper half is that of the vector in the middle. */
	error = read_lanes(emu, &insn->operands[1], 16, lanes, failure);
	lanes[0] = value;
	return error ? error : write_lanes(emu, to, 16, lanes, 8 * EMU_LANES, failure);
}

static int step_compare_doubles(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a[EMU_LANES] = { 0 }, b[EMU_LANES] = { 0 };
	double x, y;
	int error = read_lanes(emu, &insn->operands[0], 8, a, failure);

	if (!error)
		error = read_lanes(emu, &insn->operands[1], 8, b, failure);
	if (error)
		return error;
	memcpy(&x, &a[0].word, sizeof(x));
	memcpy(&y, &b[0].word, sizeof(y));
	emu->flags = (struct flags){ .a = a[0].expr, .b = b[0].expr };
	emu->flags.parity = x != x || y != y;
	emu->flags.zero = emu->flags.parity || x == y;
	emu->flags.carry = emu->flags.parity || x < y;
	emu->flags.carry_symbolic = a[0].expr || b[0].expr;
	return 0;
}

/* a = +-(b * c) + d in its three orders; the product is not rounded before the sum. */
static int step_fused(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a[EMU_LANES] = { 0 }, b[EMU_LANES] = { 0 }, c[EMU_LANES] = { 0 };
	double x, y, z, result;
	int error = read_lanes(emu, &insn->operands[0], 16, a, failure);

	if (!error)
		error = read_lanes(emu, &insn->operands[1], 8, b, failure);
	if (!error)
		error = read_lanes(emu, &insn->operands[2], 8, c, failure);
	if (error)
		return error;
	memcpy(&x, &a[0].word, sizeof(x));
	memcpy(&y, &b[0].word, sizeof(y));
	memcpy(&z, &c[0].word, sizeof(z));
	result = __builtin_fma(y, z, x);
	memcpy(&a[0].word, &result, sizeof(result));
	if (a[0].expr || b[0].expr || c[0].expr)
		a[0] = value_opaque(emu, a[0].word);
	return write_lanes(emu, &insn->operands[0], 16, a, 8 * EMU_LANES, failure);
}

static int step_vector(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	switch (insn->id) {
	case X86_INS_MOVUPS:
	case X86_INS_MOVAPS:
	case X86_INS_MOVUPD:
	case X86_INS_MOVAPD:
	case X86_INS_MOVDQU:
	case X86_INS_MOVDQA:
	case X86_INS_VMOVUPS:
	case X86_INS_VMOVAPS:
	case X86_INS_VMOVUPD:
	case X86_INS_VMOVAPD:
	case X86_INS_VMOVDQU:
	case X86_INS_VMOVDQA: return step_vector_move(emu, insn, failure);
	case X86_INS_MOVQ:
	case X86_INS_VMOVQ: return step_scalar_move(emu, insn, 8, true, failure);
	case X86_INS_MOVD:
	case X86_INS_VMOVD: return step_scalar_move(emu, insn, 4, true, failure);
	case X86_INS_MOVSD:
	case X86_INS_VMOVSD: return step_scalar_move(emu, insn, 8, false, failure);
	case X86_INS_MOVSS:
	case X86_INS_VMOVSS: return step_scalar_move(emu, insn, 4, false, failure);
	case X86_INS_XORPS:
	case X86_INS_XORPD:
	case X86_INS_PXOR:
	case X86_INS_VXORPS:
	case X86_INS_VXORPD:
	case X86_INS_VPXOR: return step_vector_logic(emu, insn, EXPR_XOR, failure);
	case X86_INS_ANDPS:
	case X86_INS_ANDPD:
	case X86_INS_PAND:
	case X86_INS_VANDPS:
	case X86_INS_VANDPD:
	case X86_INS_VPAND: return step_vector_logic(emu, insn, EXPR_AND, failure);
	case X86_INS_ORPS:
	case X86_INS_ORPD:
	case X86_INS_POR:
	case X86_INS_VORPS:
	case X86_INS_VORPD:
	case X86_INS_VPOR: return step_vector_logic(emu, insn, EXPR_OR, failure);
	case X86_INS_ADDSD:
	case X86_INS_VADDSD: return step_double(emu, insn, EXPR_F64_ADD, failure);
	case X86_INS_SUBSD:
	case X86_INS_VSUBSD: return step_double(emu, insn, EXPR_F64_SUB, failure);
	case X86_INS_MULSD:
	case X86_INS_VMULSD: return step_double(emu, insn, EXPR_F64_MUL, failure);
	case X86_INS_DIVSD:
	case X86_INS_VDIVSD: return step_double(emu, insn, EXPR_F64_DIV, failure);
	case X86_INS_CVTSI2SD:
	case X86_INS_VCVTSI2SD:
	case X86_INS_CVTTSD2SI:
	case X86_INS_VCVTTSD2SI: return step_convert(emu, insn, failure);
	case X86_INS_UCOMISD:
	case X86_INS_COMISD:
	case X86_INS_VUCOMISD:
	case X86_INS_VCOMISD: return step_compare_doubles(emu, insn, failure);
	case X86_INS_VFMADD231SD: return step_fused(emu, insn, failure);
	case X86_INS_VZEROUPPER:
		for (unsigned i = 0; i < EMU_VECTORS; i++)
			emu->vectors[i][2] = emu->vectors[i][3] = value_const(0);
		return 0;
	default: return emu_unknown(insn, failure);
	}
}

static int step_integer(struct emu *emu, const struct insn *insn, struct failure *failure)
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
	default: return step_vector(emu, insn, failure);
	}
}

static bool does_nothing(unsigned id)
{
	return id == X86_INS_NOP || id == X86_INS_ENDBR64 || id == X86_INS_PAUSE || id == X86_INS_MFENCE ||
	       id == X86_INS_LFENCE || id == X86_INS_SFENCE || id == X86_INS_PREFETCHT0 || id == X86_INS_PREFETCHNTA ||
	       id == X86_INS_CLD;
}

static int step(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	switch (insn->id) {
	case X86_INS_MOV:
	case X86_INS_MOVABS:
	case X86_INS_MOVZX:
	case X86_INS_MOVSX:
	case X86_INS_MOVSXD: return step_move(emu, insn, failure);
	case X86_INS_LEA: return step_lea(emu, insn, failure);
	case X86_INS_ADD:
	case X86_INS_ADC:
	case X86_INS_SUB:
	case X86_INS_SBB:
	case X86_INS_CMP:
	case X86_INS_TEST:
	case X86_INS_AND:
	case X86_INS_OR:
	case X86_INS_XOR: return step_binary(emu, insn, failure);
	case X86_INS_NOT:
	case X86_INS_NEG:
	case X86_INS_INC:
	case X86_INS_DEC: return step_unary(emu, insn, failure);
	case X86_INS_SHL:
	case X86_INS_SAL:
	case X86_INS_SHR:
	case X86_INS_SAR: return step_shift(emu, insn, failure);
	case X86_INS_CDQE:
	case X86_INS_CWDE:
	case X86_INS_CQO:
	case X86_INS_CDQ: return step_extend_accumulator(emu, insn);
	case X86_INS_PUSH: return step_push(emu, insn, failure);
	case X86_INS_POP:
		if (insn->operands[0].size == 2)
			return emu_unknown(insn, failure);
		return step_pop(emu, &insn->operands[0], failure);
	case X86_INS_LEAVE:
		emu->registers[RSP] = emu->registers[RBP];
		return step_pop(emu, &(struct operand){ .kind = OPERAND_REGISTER, .reg = RBP, .size = 8 }, failure);
	case X86_INS_CALL: return step_call(emu, insn, failure);
	case X86_INS_RET: return step_return(emu, insn, failure);
	case X86_INS_JMP: return step_jump(emu, insn, failure);
	default: break;
	}
	if (does_nothing(insn->id))
		return 0;
	if (jump_condition(insn->id) != COND_NONE)
		return step_jump(emu, insn, failure);
	if (set_condition(insn->id) != COND_NONE)
		return step_set(emu, insn, failure);
	if (move_condition(insn->id) != COND_NONE)
		return step_conditional_move(emu, insn, failure);
	return step_integer(emu, insn, failure);
}

const struct arch arch_x86 = {
	.name = "x86-64",
	.capstone_arch = CS_ARCH_X86,
	.capstone_mode = CS_MODE_64,
	.stack_pointer = RSP,
	.nr_registers = 16,
	.decode = decode,
	.describe = describe,
	.step = step,
	.cheap_probe = cheap_probe,
};
