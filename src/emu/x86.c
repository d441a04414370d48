// SPDX-License-Identifier: BSD-2-Clause
/*
 * x86-64, as far as compilers of Go use it outside of assembly: integer
 * instructions with their BMI forms, and enough SSE and AVX to move, clear and
 * to compute with doubles. Semantics: Intel SDM volume 2.
 */
#include "x86.h"

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
	case X86_INS_MOVSXD: return x86_step_move(emu, insn, failure);
	case X86_INS_LEA: return x86_step_lea(emu, insn, failure);
	case X86_INS_ADD:
	case X86_INS_ADC:
	case X86_INS_SUB:
	case X86_INS_SBB:
	case X86_INS_CMP:
	case X86_INS_TEST:
	case X86_INS_AND:
	case X86_INS_OR:
	case X86_INS_XOR: return x86_step_binary(emu, insn, failure);
	case X86_INS_NOT:
	case X86_INS_NEG:
	case X86_INS_INC:
	case X86_INS_DEC: return x86_step_unary(emu, insn, failure);
	case X86_INS_SHL:
	case X86_INS_SAL:
	case X86_INS_SHR:
	case X86_INS_SAR: return x86_step_shift(emu, insn, failure);
	case X86_INS_CDQE:
	case X86_INS_CWDE:
	case X86_INS_CQO:
	case X86_INS_CDQ: return x86_step_extend_accumulator(emu, insn);
	case X86_INS_PUSH: return x86_step_push(emu, insn, failure);
	case X86_INS_POP:
		if (insn->operands[0].size == 2)
			return emu_unknown(insn, failure);
		return x86_step_pop(emu, &insn->operands[0], failure);
	case X86_INS_LEAVE:
		emu->registers[RSP] = emu->registers[RBP];
		return x86_step_pop(emu, &(struct operand){ .kind = OPERAND_REGISTER, .reg = RBP, .size = 8 }, failure);
	case X86_INS_CALL: return x86_step_call(emu, insn, failure);
	case X86_INS_RET: return x86_step_return(emu, insn, failure);
	case X86_INS_JMP: return x86_step_jump(emu, insn, failure);
	default: break;
	}
	if (does_nothing(insn->id))
		return 0;
	if (x86_jump_condition(insn->id) != COND_NONE)
		return x86_step_jump(emu, insn, failure);
	if (x86_set_condition(insn->id) != COND_NONE)
		return x86_step_set(emu, insn, failure);
	if (x86_move_condition(insn->id) != COND_NONE)
		return x86_step_conditional_move(emu, insn, failure);
	return x86_step_integer(emu, insn, failure);
}

const struct arch arch_x86 = {
	.name = "x86-64",
	.capstone_arch = CS_ARCH_X86,
	.capstone_mode = CS_MODE_64,
	.stack_pointer = RSP,
	.nr_registers = 16,
	.decode = x86_decode,
	.describe = x86_describe,
	.step = step,
	.cheap_probe = x86_cheap_probe,
};
