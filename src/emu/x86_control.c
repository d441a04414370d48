// SPDX-License-Identifier: BSD-2-Clause
/* Stack, calls, jumps, and what hangs on a condition. */
#include <errno.h>
#include <inttypes.h>

#include "x86.h"

bool x86_holds(const struct flags *flags, enum condition condition)
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

static void move_stack_pointer(struct emu *emu, int64_t bytes)
{
	emu->registers[RSP] = value_binary(emu, EXPR_ADD, emu->registers[RSP], value_const((uint64_t)bytes));
}

int x86_step_push(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value value;
	int error = x86_read_operand(emu, &insn->operands[0], &value, failure);

	if (error)
		return error;
	if (insn->operands[0].size == 2)
		return emu_unknown(insn, failure);
	move_stack_pointer(emu, -8);
	return emu_store(emu, emu->registers[RSP].word, 8, value, failure);
}

int x86_step_pop(struct emu *emu, const struct operand *to, struct failure *failure)
{
	struct emu_value value = value_const(0);
	int error = x86_load_at(emu, emu->registers[RSP], 8, &value, failure);

	move_stack_pointer(emu, 8);
	return error ? error : x86_write_operand(emu, to, value, failure);
}

int x86_step_return(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value target = value_const(0);
	int error = x86_load_at(emu, emu->registers[RSP], 8, &target, failure);

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

int x86_step_jump(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	enum condition condition = x86_jump_condition(insn->id);
	struct emu_value target;
	int error;

	if (condition != COND_NONE) {
		note_branch(emu, insn->address);
		if (x86_holds(&emu->flags, condition))
			emu->pc = (uint64_t)insn->operands[0].value;
		return 0;
	}
	error = x86_read_operand(emu, &insn->operands[0], &target, failure);
	if (error)
		return error;
	if (value_symbolic(target))
		return failure_set(failure, -ENOTSUP, "jump to an unknown place at 0x%" PRIx64, insn->address);
	emu->pc = target.word;
	return 0;
}

int x86_step_call(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value target;
	int error = x86_read_operand(emu, &insn->operands[0], &target, failure);

	if (error)
		return error;
	if (value_symbolic(target))
		return failure_set(failure, -ENOTSUP, "call of an unknown function at 0x%" PRIx64, insn->address);
	return emu_call(emu, target.word, emu->pc, failure);
}

int x86_step_set(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	bool answer = x86_holds(&emu->flags, x86_set_condition(insn->id));
	struct emu_value value = value_const(answer);

	/* A truth that hangs on something symbolic is no constant. */
	if (emu->flags.a || emu->flags.b) {
		note_branch(emu, insn->address);
		value = value_opaque(emu, answer);
	}
	return x86_write_operand(emu, &insn->operands[0], value, failure);
}

int x86_step_conditional_move(struct emu *emu, const struct insn *insn, struct failure *failure)
{
	struct emu_value a, b;
	int error = x86_read_pair(emu, insn, &a, &b, failure);

	if (error)
		return error;
	note_branch(emu, insn->address);
	if (!x86_holds(&emu->flags, x86_move_condition(insn->id)))
		b = a;
	return x86_write_operand(emu, &insn->operands[0], b, failure);
}
