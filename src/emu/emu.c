// SPDX-License-Identifier: BSD-2-Clause
#include "emu_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capstone_memory.h"

#define STACK_ADDRESS  0x00007ead00000000ull /* where the emulated frame lies: no image is there */
#define STACK_BYTES    (1u << 20)	     /* on either side of it */
#define INSNS	       (1u << 12)	     /* decoded instructions at most */
#define INSN_SLOTS     (2 * INSNS)	     /* of the table that finds them */
#define CELLS	       (1u << 14)	     /* of 8 bytes of written memory */
#define CELLS_GROUP    64u		     /* that stay together */
#define DEPTH_MAX      64u
#define INSN_BYTES_MAX 16u

struct cell {
	uint64_t key;	     /* address / 8 */
	uint32_t generation; /* of the run that wrote it; older ones are empty */
	uint8_t written;     /* bit per byte */
	uint8_t bytes[8];
	uint8_t index[8]; /* which byte of the stored expression */
	expr_id exprs[8];
};

/* Time at work: on a busy machine, or in a container that may use little of it, more than that goes by. */
static uint64_t worked_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct emu_value value_const(uint64_t word)
{
	return (struct emu_value){ word, EXPR_NONE };
}

bool value_symbolic(struct emu_value value)
{
	return value.expr != EXPR_NONE;
}

static expr_id expr_of(struct emu *emu, struct emu_value value)
{
	return value.expr ? value.expr : expr_const(emu->pool, value.word);
}

/* An expression that folded to a constant is a constant again. */
static struct emu_value with_expr(struct emu *emu, uint64_t word, expr_id expr)
{
	if (!expr)
		emu->exhausted = true;
	if (expr && expr_node(emu->pool, expr)->op == EXPR_CONST)
		expr = EXPR_NONE;
	return (struct emu_value){ word, expr };
}

struct emu_value value_opaque(struct emu *emu, uint64_t word)
{
	if (!emu->pool)
		return value_const(word);
	return with_expr(emu, word, expr_leaf(emu->pool, EXPR_OPAQUE, ++emu->opaque, 8));
}

struct emu_value value_binary(struct emu *emu, enum expr_op op, struct emu_value a, struct emu_value b)
{
	uint64_t word = 0;

	expr_apply(op, 8, a.word, b.word, &word);
	if (!emu->pool || (!a.expr && !b.expr))
		return value_const(word);
	return with_expr(emu, word, expr_binary(emu->pool, op, expr_of(emu, a), expr_of(emu, b)));
}

struct emu_value value_unary(struct emu *emu, enum expr_op op, struct emu_value a, unsigned size)
{
	uint64_t word = 0;

	expr_apply(op, size, a.word, 0, &word);
	if (!emu->pool || !a.expr)
		return value_const(word);
	return with_expr(emu, word, expr_unary(emu->pool, op, a.expr, size));
}

int emu_unknown(const struct insn *insn, struct failure *failure)
{
	return failure_set(failure, -ENOTSUP, "unknown instruction \"%s\" at 0x%" PRIx64, insn->mnemonic,
			   insn->address);
}

/*
 * Neighbours stay neighbours: what is written is mostly one frame, and few pages are touched. What is further
 * apart is spread, or code could put all that it writes into one chain.
 */
static uint32_t cell_slot(uint64_t key)
{
	uint64_t group = (key / CELLS_GROUP * 0x9e3779b97f4a7c15ull) >> 32;

	return (uint32_t)(group * CELLS_GROUP + key % CELLS_GROUP) & (CELLS - 1);
}

static struct cell *cell_at(struct emu *emu, uint64_t key, bool create)
{
	uint32_t slot = cell_slot(key);

	for (;; slot = (slot + 1) & (CELLS - 1)) {
		struct cell *cell = &emu->cells[slot];

		if (cell->generation == emu->generation && cell->key == key)
			return cell;
		if (cell->generation != emu->generation) {
			if (!create || emu->nr_cells >= CELLS / 2)
				return NULL;
			memset(cell, 0, sizeof(*cell));
			cell->key = key;
			cell->generation = emu->generation;
			emu->nr_cells++;
			return cell;
		}
	}
}

int emu_store(struct emu *emu, uint64_t address, unsigned size, struct emu_value value, struct failure *failure)
{
	for (unsigned i = 0; i < size; i++) {
		struct cell *cell = cell_at(emu, (address + i) / 8, true);
		unsigned byte = (address + i) % 8;

		if (!cell)
			return failure_set(failure, -ENOBUFS,
					   "the code at 0x%" PRIx64 " writes more memory than allowed", emu->pc);
		cell->written |= (uint8_t)(1u << byte);
		cell->bytes[byte] = (uint8_t)(value.word >> (8 * i));
		cell->exprs[byte] = value.expr;
		cell->index[byte] = (uint8_t)i;
	}
	return 0;
}

static bool on_stack(uint64_t address)
{
	return address >= STACK_ADDRESS - STACK_BYTES && address < STACK_ADDRESS + STACK_BYTES;
}

static struct emu_value leaf(struct emu *emu, enum expr_op op, uint64_t value, unsigned size)
{
	struct expr_node node = { .op = op, .value = value, .size = (uint8_t)size };
	uint64_t word = emu->options.hooks.concrete(&node, emu->options.hooks.context);

	expr_apply(EXPR_ZEXT, size, word, 0, &word);
	if (!emu->pool)
		return value_const(word);
	return with_expr(emu, word, expr_leaf(emu->pool, op, value, size));
}

/* Memory that this run has not written. */
static struct emu_value load_fresh(struct emu *emu, uint64_t address, unsigned size)
{
	const struct emu_options *options = &emu->options;
	uint64_t word = 0;

	if (on_stack(address)) {
		/* Below the frame there is nothing that the code could rely on. */
		if (address < STACK_ADDRESS)
			return value_opaque(emu, 0);
		return leaf(emu, EXPR_STACK, address - STACK_ADDRESS, size);
	}
	if (address >= options->symbolic_start && address < options->symbolic_end)
		return leaf(emu, EXPR_MEMORY, address, size);
	if (size == 8 && !image_pointer(options->image, address, &word))
		return value_const(word);
	if (size < 8 && !image_read(options->image, address, &word, size))
		return value_const(word);
	return value_opaque(emu, 0);
}

/* Puts a word together from bytes that were written one by one, or partly. */
static struct emu_value load_pieces(struct emu *emu, uint64_t address, unsigned size)
{
	struct emu_value result = value_const(0);

	for (unsigned i = 0; i < size; i++) {
		struct cell *cell = cell_at(emu, (address + i) / 8, false);
		unsigned byte = (address + i) % 8;
		struct emu_value piece;

		if (cell && cell->written >> byte & 1) {
			piece.word = cell->bytes[byte];
			piece.expr = EXPR_NONE;
			if (cell->exprs[byte]) {
				struct emu_value whole = { 0, cell->exprs[byte] };

				whole = value_binary(emu, EXPR_SHR, whole, value_const(8u * cell->index[byte]));
				piece.expr = value_unary(emu, EXPR_ZEXT, whole, 1).expr;
			}
		} else {
			piece = load_fresh(emu, address + i, 1);
		}
		piece = value_binary(emu, EXPR_SHL, piece, value_const(8 * i));
		result = value_binary(emu, EXPR_OR, result, piece);
	}
	return result;
}

/* Were all bytes written together, in order, from the lowest byte of one value? */
static bool load_whole(struct emu *emu, uint64_t address, unsigned size, struct emu_value *value)
{
	expr_id expr = EXPR_NONE;

	value->word = 0;
	for (unsigned i = 0; i < size; i++) {
		struct cell *cell = cell_at(emu, (address + i) / 8, false);
		unsigned byte = (address + i) % 8;

		if (!cell || !(cell->written >> byte & 1))
			return false;
		if (!i)
			expr = cell->exprs[byte];
		if (cell->exprs[byte] != expr || (expr && cell->index[byte] != i))
			return false;
		value->word |= (uint64_t)cell->bytes[byte] << (8 * i);
	}
	value->expr = expr;
	if (expr && size < 8)
		value->expr = value_unary(emu, EXPR_ZEXT, *value, size).expr;
	return true;
}

static bool any_written(struct emu *emu, uint64_t address, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		struct cell *cell = cell_at(emu, (address + i) / 8, false);

		if (cell && cell->written >> ((address + i) % 8) & 1)
			return true;
	}
	return false;
}

int emu_load(struct emu *emu, uint64_t address, unsigned size, struct emu_value *value, struct failure *failure)
{
	(void)failure;
	if (!any_written(emu, address, size))
		*value = load_fresh(emu, address, size);
	else if (!load_whole(emu, address, size, value))
		*value = load_pieces(emu, address, size);
	return 0;
}

struct emu_value emu_register(const struct emu *emu, unsigned number)
{
	return emu->registers[number];
}

void emu_set_register(struct emu *emu, unsigned number, struct emu_value value)
{
	emu->registers[number] = value;
}

uint64_t emu_stack_pointer(const struct emu *emu)
{
	return emu->registers[emu->arch->stack_pointer].word;
}

uint64_t emu_current(const struct emu *emu)
{
	return emu->current;
}

void emu_redirect(struct emu *emu, uint64_t target)
{
	emu->redirect = target;
}

bool emu_starved(const struct emu *emu)
{
	return emu->starved;
}

uint64_t emu_instructions(const struct emu *emu)
{
	return emu->instructions;
}

static int open_capstone(struct emu *emu, struct failure *failure)
{
	cs_err answer;

	capstone_memory_set();
	answer = cs_open(emu->arch->capstone_arch, emu->arch->capstone_mode, &emu->capstone);
	if (answer != CS_ERR_OK) {
		emu->capstone = 0;
		if (answer == CS_ERR_MEM)
			return failure_set(failure, -ENOMEM, "out of memory");
		return failure_set(failure, -ENOTSUP, "Capstone was built without %s", emu->arch->name);
	}
	cs_option(emu->capstone, CS_OPT_DETAIL, CS_OPT_ON);
	emu->scratch = cs_malloc(emu->capstone);
	return emu->scratch && !capstone_memory_starved() ? 0 : failure_set(failure, -ENOMEM, "out of memory");
}

int emu_new(const struct emu_options *options, struct emu **out, struct failure *failure)
{
	struct emu *emu = calloc(1, sizeof(*emu));
	int error;

	if (!emu)
		return failure_set(failure, -ENOMEM, "out of memory");
	emu->options = *options;
	emu->deadline_ns = worked_ns() + options->nanoseconds_max;
	emu->arch = image_machine(options->image) == IMAGE_MACHINE_X86_64 ? &arch_x86 : NULL;
	if (!emu->arch)
		error = failure_set(failure, -ENOTSUP,
				    "an arm64 program: gctap can read it but not yet emulate its code");
	else
		error = open_capstone(emu, failure);
	emu->insns = calloc(INSNS, sizeof(*emu->insns));
	emu->insn_slots = calloc(INSN_SLOTS, sizeof(*emu->insn_slots));
	emu->cells = calloc(CELLS, sizeof(*emu->cells));
	if (!error && (!emu->insns || !emu->insn_slots || !emu->cells))
		error = failure_set(failure, -ENOMEM, "out of memory");
	if (error) {
		emu_free(emu);
		return error;
	}
	*out = emu;
	return 0;
}

void emu_free(struct emu *emu)
{
	if (!emu)
		return;
	if (emu->scratch)
		cs_free(emu->scratch, 1);
	if (emu->capstone)
		cs_close(&emu->capstone);
	free(emu->insns);
	free(emu->insn_slots);
	free(emu->cells);
	free(emu);
}

void emu_trim(void)
{
	capstone_memory_trim();
}

static size_t code_at(struct image *image, uint64_t address, const uint8_t **code)
{
	const struct image_segment *segment = image_segment_at(image, address, 1);
	uint64_t left;

	if (!segment || !segment->executable || address - segment->address >= segment->file_size)
		return 0;
	left = segment->file_size - (address - segment->address);
	if (left > INSN_BYTES_MAX)
		left = INSN_BYTES_MAX;
	*code = image_at(image, address, left);
	return *code ? left : 0;
}

/* The instruction at an address, decoded once. */
static int insn_at(struct emu *emu, uint64_t address, const struct insn **out, struct failure *failure)
{
	uint32_t slot = (uint32_t)((address * 0x9e3779b97f4a7c15ull) >> 40) & (INSN_SLOTS - 1);
	struct insn *insn = &emu->insns[emu->nr_insns];
	const uint8_t *code;
	uint64_t at = address;
	size_t left;
	bool decoded;

	for (; emu->insn_slots[slot]; slot = (slot + 1) & (INSN_SLOTS - 1)) {
		*out = &emu->insns[emu->insn_slots[slot] - 1];
		if ((*out)->address == address)
			return 0;
	}
	if (emu->nr_insns == INSNS)
		return failure_set(failure, -ENOBUFS, "more code than allowed around 0x%" PRIx64, address);
	left = code_at(emu->options.image, address, &code);
	if (!left)
		return failure_set(failure, -EFAULT, "no code at 0x%" PRIx64, address);
	decoded = cs_disasm_iter(emu->capstone, &code, &left, &at, emu->scratch);
	emu->starved |= capstone_memory_starved();
	if (emu->starved)
		return failure_set(failure, -ENOMEM, "out of memory");
	if (!decoded)
		return failure_set(failure, -EILSEQ, "bytes at 0x%" PRIx64 " cannot be decoded", address);
	insn->unsupported = !emu->arch->decode(emu->scratch, insn);
	emu->insn_slots[slot] = (uint16_t)++emu->nr_insns;
	*out = insn;
	return 0;
}

int emu_decode(struct emu *emu, uint64_t address, struct emu_instruction *instruction)
{
	const struct insn *insn;
	int error = insn_at(emu, address, &insn, NULL);

	memset(instruction, 0, sizeof(*instruction));
	if (error)
		return error == -EFAULT || error == -ENOBUFS ? error : -EILSEQ;
	instruction->address = address;
	instruction->size = insn->size;
	memcpy(instruction->text, insn->mnemonic, sizeof(insn->mnemonic));
	if (!insn->unsupported)
		emu->arch->describe(insn, instruction);
	return 0;
}

bool emu_is_cheap_probe(const struct emu *emu, const struct emu_instruction *instruction)
{
	return emu->arch->cheap_probe(instruction->text);
}

int emu_call(struct emu *emu, uint64_t target, uint64_t return_address, struct failure *failure)
{
	unsigned sp = emu->arch->stack_pointer;

	emu->redirect = 0;
	switch (emu->options.hooks.call(emu, target, emu->options.hooks.context, failure)) {
	case EMU_HANDLED: emu->pc = return_address; return 0;
	case EMU_STOP: emu->stopped = true; return 0;
	case EMU_FAIL: return -ECANCELED;
	case EMU_DESCEND: break;
	}
	if (++emu->depth > DEPTH_MAX)
		return failure_set(failure, -ELOOP, "calls nest too deeply at 0x%" PRIx64, target);
	emu->registers[sp] = value_binary(emu, EXPR_SUB, emu->registers[sp], value_const(8));
	emu->pc = emu->redirect ? emu->redirect : target;
	return emu_store(emu, emu->registers[sp].word, 8, value_const(return_address), failure);
}

static void start(struct emu *emu, uint64_t address, struct expr_pool *pool)
{
	if (++emu->generation == 0) {
		memset(emu->cells, 0, CELLS * sizeof(*emu->cells));
		emu->generation = 1;
	}
	emu->nr_cells = 0;
	emu->pool = pool;
	emu->pc = address;
	emu->depth = 0;
	emu->stopped = false;
	emu->exhausted = false;
	memset(&emu->flags, 0, sizeof(emu->flags));
	for (unsigned i = 0; i < emu->arch->nr_registers; i++)
		emu->registers[i] = leaf(emu, EXPR_REGISTER, i, 8);
	emu->registers[emu->arch->stack_pointer] = value_const(STACK_ADDRESS);
	for (unsigned i = 0; i < EMU_VECTORS; i++)
		for (unsigned lane = 0; lane < EMU_LANES; lane++)
			emu->vectors[i][lane] = value_opaque(emu, 0);
	if (emu->options.hooks.prepare)
		emu->options.hooks.prepare(emu, emu->options.hooks.context);
}

int emu_spend(struct emu *emu, struct failure *failure)
{
	if (emu->instructions >= emu->options.instructions_max)
		return failure_set(failure, -ETIME, "gave up after %" PRIu64 " instructions, at 0x%" PRIx64,
				   emu->instructions, emu->pc);
	if (emu->instructions % 1024 == 0 && worked_ns() > emu->deadline_ns)
		return failure_set(failure, -ETIME, "gave up after %" PRIu64 " ms, at 0x%" PRIx64,
				   emu->options.nanoseconds_max / 1000000, emu->pc);
	emu->instructions++;
	return 0;
}

int emu_run(struct emu *emu, uint64_t address, struct expr_pool *pool, struct failure *failure)
{
	int error = 0;

	start(emu, address, pool);
	while (!error && !emu->stopped) {
		const struct insn *insn;

		error = emu_spend(emu, failure);
		if (!error)
			error = insn_at(emu, emu->pc, &insn, failure);
		if (error)
			return error;
		emu->current = insn->address;
		emu->pc = insn->address + insn->size;
		error = insn->unsupported ? emu_unknown(insn, failure) : emu->arch->step(emu, insn, failure);
		if (!error && emu->exhausted)
			error = failure_set(failure, -ENOBUFS, "expressions grow without bound at 0x%" PRIx64,
					    insn->address);
	}
	return error;
}
