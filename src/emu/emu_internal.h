/* SPDX-License-Identifier: BSD-2-Clause */
/* emu_internal: the state, and what an architecture has to provide. */
#ifndef GCTAP_EMU_INTERNAL_H
#define GCTAP_EMU_INTERNAL_H

#include <capstone/capstone.h>

#include "gctap/emu.h"

#define EMU_REGISTERS	32
#define EMU_VECTORS	32
#define EMU_LANES	4 /* of 8 bytes */
#define EMU_OPERANDS	5
#define EMU_NO_REGISTER 0xff

enum operand_kind { OPERAND_NONE, OPERAND_REGISTER, OPERAND_VECTOR, OPERAND_IMMEDIATE, OPERAND_MEMORY };

struct operand {
	uint8_t kind;  /* enum operand_kind */
	uint8_t size;  /* bytes */
	uint8_t reg;   /* number; for memory: base or EMU_NO_REGISTER */
	uint8_t index; /* of memory, or EMU_NO_REGISTER */
	uint8_t scale;
	bool high;	      /* bits 8..15 of a register */
	bool foreign_segment; /* thread-local: nothing is known of it */
	int64_t value;	      /* immediate, or displacement (absolute when relative to the instruction pointer) */
};

/* One decoded instruction, as the architecture's step() wants it. */
struct insn {
	uint64_t address;
	uint16_t id; /* Capstone's */
	uint8_t size;
	uint8_t nr_operands;
	bool repeat;	  /* rep prefix */
	bool unsupported; /* has an operand of a kind that is not known */
	struct operand operands[EMU_OPERANDS];
	char mnemonic[16];
};

struct flags {
	bool carry, zero, sign, overflow, parity;
	expr_id a, b;	     /* what they depend on */
	expr_id carry_expr;  /* carry as 0 or 1; only where an instruction may use it */
	bool carry_symbolic; /* carry depends on an expression that carry_expr does not give */
};

struct arch {
	const char *name;
	cs_arch capstone_arch;
	cs_mode capstone_mode;
	unsigned stack_pointer;
	unsigned nr_registers;
	/* From Capstone's form to ours, address, size and mnemonic always. False: an operand that is not known. */
	bool (*decode)(const cs_insn *from, struct insn *to);
	void (*describe)(const struct insn *insn, struct emu_instruction *instruction);
	/* Executes; emu->pc is already behind it. Negative errno with the failure set, else 0. */
	int (*step)(struct emu *emu, const struct insn *insn, struct failure *failure);
	bool (*cheap_probe)(const char *mnemonic);
};

extern const struct arch arch_x86;

struct cell; /* of written memory */

struct emu {
	struct emu_options options;
	const struct arch *arch;
	csh capstone;
	cs_insn *scratch;
	struct insn *insns;   /* decoded so far, in the order of decoding */
	uint16_t *insn_slots; /* open addressing by address; index in insns + 1 */
	uint32_t nr_insns;
	struct cell *cells;
	uint32_t nr_cells, generation;
	struct expr_pool *pool; /* NULL: numbers only */
	uint64_t pc, current;	/* next instruction, and the one under execution */
	struct emu_value registers[EMU_REGISTERS];
	struct emu_value vectors[EMU_VECTORS][EMU_LANES];
	struct flags flags;
	uint64_t redirect; /* of the call under execution; 0: none */
	unsigned depth;	   /* of calls that were descended into */
	bool stopped;	   /* a hook has ended the run */
	bool exhausted;	   /* an expression was wanted that did not fit */
	bool starved;	   /* the disassembler was out of memory */
	uint64_t instructions, opaque, deadline_ns;
};

/* For architectures. */
struct emu_value value_const(uint64_t word);
/* op applied to both halves; narrowing is the caller's. */
struct emu_value value_binary(struct emu *emu, enum expr_op op, struct emu_value a, struct emu_value b);
struct emu_value value_unary(struct emu *emu, enum expr_op op, struct emu_value a, unsigned size);
/* A number that comes from something symbolic in a way that no expression tells. */
struct emu_value value_opaque(struct emu *emu, uint64_t word);
bool value_symbolic(struct emu_value value);
int emu_call(struct emu *emu, uint64_t target, uint64_t return_address, struct failure *failure);
/* An instruction, or one round of a repetition, against what a run may take: -ETIME when it is spent. */
int emu_spend(struct emu *emu, struct failure *failure);
int emu_unknown(const struct insn *insn, struct failure *failure);

#endif
