// SPDX-License-Identifier: BSD-2-Clause
/* From Capstone's form of an instruction to ours; what an instruction is, without running it. */
#include <string.h>

#include "x86.h"

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

bool x86_decode(const cs_insn *from, struct insn *to)
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

enum condition x86_jump_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(J);
	default: return COND_NONE;
	}
}

enum condition x86_set_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(SET);
	default: return COND_NONE;
	}
}

enum condition x86_move_condition(unsigned id)
{
	switch (id) {
		CONDITIONS(CMOV);
	default: return COND_NONE;
	}
}

void x86_describe(const struct insn *insn, struct emu_instruction *out)
{
	const struct operand *first = &insn->operands[0], *second = &insn->operands[1];

	if (insn->id == X86_INS_CALL && first->kind == OPERAND_IMMEDIATE) {
		out->call = true;
		out->target = (uint64_t)first->value;
	} else if (x86_jump_condition(insn->id) != COND_NONE) {
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
bool x86_cheap_probe(const char *mnemonic)
{
	return (mnemonic[0] == 'j' && strcmp(mnemonic, "jrcxz") && strcmp(mnemonic, "jecxz")) ||
	       !strcmp(mnemonic, "call") || !strcmp(mnemonic, "nop") || !strcmp(mnemonic, "push");
}
