// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as code, run with expressions and without. The expressions must
 * evaluate to the numbers that were computed beside them.
 */
#include "fuzz.h"

#include <elf.h>

#include "gctap/emu.h"

#define CODE	   0x401000ull
#define DATA	   0x500000ull
#define DATA_BYTES 0x1000u
#define CODE_MAX   4096u
#define CALLS_MAX  16u

struct state {
	uint64_t registers[16];
	expr_id exprs[16];
	unsigned calls;
	uint64_t instructions;
	int error;
};

static uint64_t concrete(const struct expr_node *leaf, void *context)
{
	(void)context;
	return (leaf->value + 77) * 0x9e3779b97f4a7c15ull >> leaf->size % 8 * 4;
}

static bool reader(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	return expr_apply(EXPR_ZEXT, leaf->size, concrete(leaf, context), 0, value);
}

static enum emu_answer on_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	struct state *state = context;
	struct emu_value value;

	(void)failure;
	emu_load(emu, target, 8, &value, NULL);
	return state->calls++ > CALLS_MAX ? EMU_STOP : target & 1 ? EMU_HANDLED : EMU_DESCEND;
}

static void on_branch(uint64_t address, expr_id a, expr_id b, void *context)
{
	(void)context;
	require(address >= CODE && (a || b));
}

static void run(struct image *image, struct expr_pool *pool, struct state *state)
{
	struct emu_options options = {
		.image = image,
		.symbolic_start = DATA,
		.symbolic_end = DATA + DATA_BYTES,
		.instructions_max = 2000,
		.nanoseconds_max = 2000000000u,
		.hooks = { .call = on_call, .concrete = concrete, .branch = on_branch, .context = state },
	};
	struct failure failure = { "" };
	struct emu *emu;

	require(!emu_new(&options, &emu, &failure));
	state->error = emu_run(emu, CODE, pool, &failure);
	require_reason(state->error, failure);
	state->instructions = emu_instructions(emu);
	require(state->instructions <= options.instructions_max);
	for (unsigned i = 0; i < 16; i++) {
		struct emu_value value = emu_register(emu, i);

		require(pool || !value.expr);
		state->registers[i] = value.word;
		state->exprs[i] = value.expr;
	}
	emu_free(emu);
}

/*
 * Whatever can be evaluated evaluates to the number that was computed beside it. (The numbers of the two
 * runs may differ: what lies at an address that hangs on a leaf is not read when there are expressions.)
 */
static void check_exprs(const struct expr_pool *pool, const struct state *state)
{
	for (unsigned i = 0; i < 16; i++) {
		uint64_t value;

		if (state->exprs[i] && expr_eval(pool, state->exprs[i], reader, NULL, &value))
			require(value == state->registers[i]);
	}
}

static size_t make_image(const uint8_t *code, size_t size, uint8_t *file)
{
	Elf64_Ehdr header = { .e_type = ET_EXEC,
			      .e_machine = EM_X86_64,
			      .e_phoff = sizeof(header),
			      .e_phnum = 2,
			      .e_phentsize = sizeof(Elf64_Phdr),
			      .e_ehsize = sizeof(header),
			      .e_entry = CODE };
	Elf64_Phdr segments[2] = {
		{ .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_X,
		  .p_offset = 256,
		  .p_vaddr = CODE,
		  .p_filesz = size,
		  .p_memsz = size },
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = DATA, .p_memsz = DATA_BYTES },
	};

	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	memset(file, 0, 256);
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), segments, sizeof(segments));
	memcpy(file + 256, code, size);
	return 256 + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[256 + CODE_MAX];
	struct state with = { .calls = 0 }, without = { .calls = 0 };
	struct expr_pool *pool = expr_pool_new();
	struct image *image;

	if (!size || size > CODE_MAX || !pool) {
		expr_pool_free(pool);
		return -1;
	}
	require(!image_open_bytes(file, make_image(data, size, file), &image, NULL));
	run(image, pool, &with);
	run(image, NULL, &without);
	check_exprs(pool, &with);
	expr_pool_free(pool);
	image_close(image);
	return 0;
}
