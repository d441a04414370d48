/* SPDX-License-Identifier: BSD-2-Clause */
/* x86: what the files of this architecture share. */
#ifndef GCTAP_X86_H
#define GCTAP_X86_H

#include "emu_internal.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R15 = 15 };

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

/* x86_state: operands, and flags as the CPU leaves them. @size in bytes; results are as wide. */
struct emu_value x86_zext(struct emu *emu, struct emu_value value, unsigned size);
struct emu_value x86_sext(struct emu *emu, struct emu_value value, unsigned size);
/* Writes of four bytes clear the upper half of a register; narrower ones keep the rest. */
struct emu_value x86_read_register(struct emu *emu, const struct operand *operand);
void x86_write_register(struct emu *emu, const struct operand *operand, struct emu_value value);
struct emu_value x86_address_of(struct emu *emu, const struct operand *operand);
/* A place that depends on something symbolic gives an opaque value: what lies there is not known. */
int x86_load_at(struct emu *emu, struct emu_value address, unsigned size, struct emu_value *value,
		struct failure *failure);
int x86_read_operand(struct emu *emu, const struct operand *operand, struct emu_value *value, struct failure *failure);
int x86_write_operand(struct emu *emu, const struct operand *operand, struct emu_value value, struct failure *failure);
/* Zero, sign and parity; then the carry as a comparison of two words, or as nothing that an expression tells. */
void x86_flags_result(struct emu *emu, uint64_t result, unsigned size, struct emu_value a, struct emu_value b);
void x86_flags_carry(struct emu *emu, bool carry, struct emu_value x, struct emu_value y, unsigned size);
void x86_flags_set(struct emu *emu, bool carry, bool overflow, bool symbolic);
struct emu_value x86_carry_value(struct emu *emu);
struct emu_value x86_add(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size, bool with_carry);
struct emu_value x86_subtract(struct emu *emu, struct emu_value a, struct emu_value b, unsigned size, bool with_carry);
struct emu_value x86_logic(struct emu *emu, enum expr_op op, struct emu_value a, struct emu_value b, unsigned size);
int x86_read_pair(struct emu *emu, const struct insn *insn, struct emu_value *a, struct emu_value *b,
		  struct failure *failure);
/* x86_decode: COND_NONE for an instruction that is none of the kind. */
enum condition x86_jump_condition(unsigned id);
enum condition x86_set_condition(unsigned id);
enum condition x86_move_condition(unsigned id);
bool x86_decode(const cs_insn *from, struct insn *to);
void x86_describe(const struct insn *insn, struct emu_instruction *out);
bool x86_cheap_probe(const char *mnemonic);
/* One instruction each. 0, or a negative errno with the failure set: -ENOTSUP names what is not known. */
int x86_step_vector(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_integer(struct emu *emu, const struct insn *insn, struct failure *failure);
bool x86_holds(const struct flags *flags, enum condition condition);
int x86_step_push(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_pop(struct emu *emu, const struct operand *to, struct failure *failure);
int x86_step_return(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_jump(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_call(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_set(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_conditional_move(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_binary(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_unary(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_move(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_lea(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_shift(struct emu *emu, const struct insn *insn, struct failure *failure);
int x86_step_extend_accumulator(struct emu *emu, const struct insn *insn);

#endif
