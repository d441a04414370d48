// SPDX-License-Identifier: BSD-2-Clause
/* SSE and AVX as far as they move, clear, and compute with doubles. Vectors are lanes of eight bytes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "x86.h"

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
		lanes[0] = x86_read_register(emu, operand);
		return 0;
	}
	if (operand->kind != OPERAND_MEMORY)
		return failure_set(failure, -ENOTSUP, "unknown operand at 0x%" PRIx64, emu->pc);
	address = x86_address_of(emu, operand);
	for (unsigned i = 0; i * 8 < bytes; i++) {
		int error = x86_load_at(emu, address, bytes < 8 ? bytes : 8, &lanes[i], failure);

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
		x86_write_register(emu, operand, lanes[0]);
		return 0;
	}
	address = x86_address_of(emu, operand).word;
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
	lanes[0] = x86_zext(emu, lanes[0], bytes);
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
		return x86_write_operand(emu, to, x86_zext(emu, value, to->size), failure);
	}
	error = x86_read_operand(emu, from, &value, failure);
	if (error)
		return error;
	value = value_unary(emu, EXPR_F64_FROM_S64, x86_sext(emu, value, from->size), 8);
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

int x86_step_vector(struct emu *emu, const struct insn *insn, struct failure *failure)
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
