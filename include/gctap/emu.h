/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * emu: concolic emulation of a stretch of machine code from an image. Every
 * word is a pair: a concrete number, which decides branches and ends loops,
 * and an expression over what the code loaded from memory that only the
 * running process has. Knows instructions; not what the code is for.
 *
 * Bounded in instructions, memory and time. What it does not know ends it,
 * with mnemonic and address; it never guesses.
 */
#ifndef GCTAP_EMU_H
#define GCTAP_EMU_H

#include <stdbool.h>
#include <stdint.h>

#include "gctap/expr.h"
#include "gctap/failure.h"
#include "gctap/image.h"

struct emu;

struct emu_value {
	uint64_t word; /* concrete */
	expr_id expr;  /* EXPR_NONE: a constant */
};

enum emu_answer {
	EMU_DESCEND, /* emulate the called function */
	EMU_HANDLED, /* the hook did it: go on behind the call */
	EMU_STOP,    /* the run is over, successfully */
	EMU_FAIL,    /* the run is over; the hook has set the failure */
};

struct emu_hooks {
	/* A call to @target is about to be made; the stack pointer is still the caller's. */
	enum emu_answer (*call)(struct emu *emu, uint64_t target, void *context, struct failure *failure);
	/* The concrete half of a leaf: any number will do, but always the same in one run. */
	uint64_t (*concrete)(const struct expr_node *leaf, void *context);
	/* A run begins: registers may be set. May be NULL. */
	void (*prepare)(struct emu *emu, void *context);
	/* A conditional branch depends on @a or @b (either may be EXPR_NONE). May be NULL. */
	void (*branch)(uint64_t address, expr_id a, expr_id b, void *context);
	void *context;
};

struct emu_options {
	struct image *image;
	uint64_t symbolic_start, symbolic_end; /* addresses whose content only the process knows */
	uint64_t instructions_max;	       /* of all runs together */
	uint64_t nanoseconds_max;	       /* of this thread's CPU time since emu_new(), likewise */
	struct emu_hooks hooks;
};

int emu_new(const struct emu_options *options, struct emu **out, struct failure *failure);
void emu_free(struct emu *emu);

/* Gives back what the decoder's code and tables take of our resident set. When it is used again, it is read again. */
void emu_trim(void);

/*
 * Runs from @address with unknown registers and an unknown stack until a hook
 * stops it. With a pool, expressions are built in it; without, only numbers
 * are computed. Every run starts anew.
 */
int emu_run(struct emu *emu, uint64_t address, struct expr_pool *pool, struct failure *failure);

uint64_t emu_instructions(const struct emu *emu); /* executed so far; a repetition counts each round */
/* Has it been out of memory? Then code that it could not run says nothing. */
bool emu_starved(const struct emu *emu);

/* State, for hooks. Registers by the architecture's own numbers (x86: rax 0, rcx 1, rdx 2, rbx 3, rsp 4, ...). */
struct emu_value emu_register(const struct emu *emu, unsigned number);
void emu_set_register(struct emu *emu, unsigned number, struct emu_value value);
uint64_t emu_stack_pointer(const struct emu *emu);
uint64_t emu_current(const struct emu *emu); /* address of the instruction under execution */
/* In the call hook, before EMU_DESCEND: emulate this function in place of the one that is called. */
void emu_redirect(struct emu *emu, uint64_t target);
/* 1, 2, 4 or 8 bytes. */
int emu_load(struct emu *emu, uint64_t address, unsigned size, struct emu_value *value, struct failure *failure);
int emu_store(struct emu *emu, uint64_t address, unsigned size, struct emu_value value, struct failure *failure);

/* What one instruction is, without running it: for finding places in code. */
struct emu_instruction {
	uint64_t address;
	unsigned size;		     /* bytes */
	bool call;		     /* direct: target is set */
	bool conditional_branch;     /* direct: target is set */
	bool sets_flags_from_memory; /* compares 4 bytes at memory_address (absolute) with 0 */
	bool takes_address;	     /* loads memory_address (absolute) itself into a register */
	uint64_t target, memory_address;
	char text[96]; /* mnemonic and operands */
};

/* -EILSEQ where nothing can be decoded, -EFAULT outside the image. */
int emu_decode(struct emu *emu, uint64_t address, struct emu_instruction *instruction);

/*
 * Is that instruction one that the kernel emulates when a uprobe lies on it,
 * so that a hit costs one trap and cannot fire twice?
 */
bool emu_is_cheap_probe(const struct emu *emu, const struct emu_instruction *instruction);

#endif
