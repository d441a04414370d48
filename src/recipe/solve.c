// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a block of the runtime that prints a line to a recipe: emulate it,
 * explain what it printed, find what is conditional, check the result against
 * the emulated code itself on other numbers.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

#define INSTRUCTIONS_MAX 400000u
#define NANOSECONDS_MAX	 2000000000u
#define TEXT_MAX	 256u /* bytes of one printed string */
#define TRUTHS_MAX	 16u
#define BRANCHES	 256u
#define CHECK_ROUNDS	 8u

/* The first three argument registers of ABIInternal are rax, rbx, rcx; a closure's context is in rdx in every ABI. */
enum { RAX = 0, RCX = 1, RDX = 2, RBX = 3 };

/* A truth value that a branch has looked at. */
struct truth {
	expr_id leaf;
	struct expr_node node;
	bool turned; /* reads 0 in this run */
};

struct abi {
	bool registers;	    /* arguments in registers (since 1.17), else on the stack */
	bool slice_has_cap; /* slicebytetostring takes (buf, ptr, len, cap), before 1.15 */
};

struct solver {
	struct gobin *gobin;
	struct emu *emu;
	const struct block *block;
	struct expr_pool *pool;
	struct abi abi;
	bool right_block;	    /* has printed what the block must print first */
	bool newline;		    /* the last thing printed ended the line */
	uint64_t locked;	    /* what runtime.lock was called with last; 0: not yet, or not known */
	bool starved;		    /* a pool of an earlier block has been */
	bool zero_divisor;	    /* the numbers chosen for this run divide by zero */
	uint64_t lock_site;	    /* the last call of printlock */
	uint64_t number_site;	    /* the one in front of the last number */
	unsigned round;		    /* 0: learning; else a check with other numbers */
	struct printout *printout;  /* learning: what is recorded */
	char line[RECIPE_LINE_MAX]; /* checking: what is printed */
	size_t line_length;
	struct truth truths[TRUTHS_MAX];
	unsigned nr_truths;
	uint64_t branches[BRANCHES]; /* looked at before, by hash: loops come by hundreds of times */
	bool floats[1024];	     /* by expr_id of the pool that is checked: leaf is read as a double */
	const struct recipe *recipe;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static bool same_leaf(const struct expr_node *a, const struct expr_node *b)
{
	return a->op == b->op && a->value == b->value && a->size == b->size;
}

static bool is_float(const struct solver *solver, const struct expr_node *leaf)
{
	if (!solver->recipe)
		return false;
	for (expr_id id = 1; id < expr_pool_count(solver->recipe->pool) && id < 1024; id++)
		if (solver->floats[id] && same_leaf(expr_node(solver->recipe->pool, id), leaf))
			return true;
	return false;
}

/*
 * Numbers to learn with: times and sizes that grow with their address, so that
 * differences of neighbours are some milliseconds, and small counts.
 */
static uint64_t learning_number(const struct expr_node *leaf)
{
	if (leaf->size >= 8)
		return (1ull << 44) + (leaf->value & 0xffffff) * 400009;
	return leaf->size == 1 ? 1 : 1009 + mix(leaf->value) % 5000;
}

/* Numbers to check with: neighbours differ by anything from nothing to minutes. */
static uint64_t checking_number(const struct solver *solver, const struct expr_node *leaf)
{
	static const uint64_t steps[] = { 0, 90, 9000, 700000, 12000000, 3000000000, 1, 99999 };
	uint64_t step = steps[solver->round % (sizeof(steps) / sizeof(steps[0]))];
	uint64_t random = mix(leaf->value * 31 + leaf->size + solver->round * 0x9e3779b97f4a7c15ull);

	if (is_float(solver, leaf)) {
		double fraction = (double)(random % 100001) / 100000.0;

		memcpy(&random, &fraction, sizeof(random));
		return random;
	}
	if (leaf->size >= 8)
		return (1ull << 41) + (leaf->value & 0xffffff) / 8 * step + random % (step + 1);
	return leaf->size == 1 ? random & 1 : random % 5000;
}

static uint64_t concrete(const struct expr_node *leaf, void *context)
{
	const struct solver *solver = context;

	if (leaf->op == EXPR_REGISTER)
		return 0x00007ea100000000ull + (leaf->value << 20);
	if (leaf->op == EXPR_MEMORY && leaf->value == solver->block->switch_address)
		return 1;
	for (unsigned i = 0; i < solver->nr_truths; i++)
		if (!solver->round && solver->truths[i].turned && same_leaf(&solver->truths[i].node, leaf))
			return 0;
	return solver->round ? checking_number(solver, leaf) : learning_number(leaf);
}

static void note_truth(expr_id id, const struct expr_node *leaf, void *context)
{
	struct solver *solver = context;

	if (leaf->size != 1 || (leaf->op != EXPR_MEMORY && leaf->op != EXPR_STACK))
		return;
	for (unsigned i = 0; i < solver->nr_truths; i++)
		if (solver->truths[i].leaf == id)
			return;
	if (solver->nr_truths < TRUTHS_MAX)
		solver->truths[solver->nr_truths++] = (struct truth){ .leaf = id, .node = *leaf };
}

static void on_branch(uint64_t address, expr_id a, expr_id b, void *context)
{
	struct solver *solver = context;

	if (solver->round || !solver->pool || solver->branches[address % BRANCHES] == address)
		return;
	solver->branches[address % BRANCHES] = address;
	expr_each_leaf(solver->pool, a, note_truth, solver);
	expr_each_leaf(solver->pool, b, note_truth, solver);
}

/* Argument @index of the call that is about to be made. */
static struct emu_value argument(struct solver *solver, unsigned index)
{
	static const unsigned registers[] = { RAX, RBX, RCX };
	struct emu_value value;

	if (solver->abi.registers)
		return emu_register(solver->emu, registers[index]);
	emu_load(solver->emu, emu_stack_pointer(solver->emu) + 8ull * index, 8, &value, NULL);
	return value;
}

static int set_result(struct solver *solver, unsigned index, unsigned stack_slot, struct emu_value value,
		      struct failure *failure)
{
	static const unsigned registers[] = { RAX, RBX };

	if (solver->abi.registers) {
		emu_set_register(solver->emu, registers[index], value);
		return 0;
	}
	return emu_store(solver->emu, emu_stack_pointer(solver->emu) + 8ull * stack_slot, 8, value, failure);
}

static struct printed *new_item(struct solver *solver, struct failure *failure)
{
	struct printout *printout = solver->printout;

	if (printout->count == RECIPE_ITEMS_MAX) {
		failure_set(failure, -ENOBUFS, "the line has more than %u parts", RECIPE_ITEMS_MAX);
		return NULL;
	}
	printout->items[printout->count] = (struct printed){ .format = RECIPE_LITERAL };
	return &printout->items[printout->count++];
}

static void append_line(struct solver *solver, const char *text, size_t length)
{
	if (length > sizeof(solver->line) - 1 - solver->line_length)
		length = sizeof(solver->line) - 1 - solver->line_length;
	memcpy(solver->line + solver->line_length, text, length);
	solver->line_length += length;
	solver->line[solver->line_length] = '\0';
}

static int add_literal(struct solver *solver, const char *text, size_t length, struct failure *failure)
{
	struct printed *item = new_item(solver, failure);

	if (!item)
		return -ENOBUFS;
	item->text = strndup(text, length);
	if (!item->text)
		expr_pool_note_starved(solver->pool);
	return item->text ? 0 : failure_set(failure, -ENOMEM, "out of memory");
}

static int add_explained(struct solver *solver, const expr_id *bytes, const char *text, size_t length,
			 struct failure *failure);

/* The bytes of a string, and what they come from. */
static int print_bytes(struct solver *solver, uint64_t pointer, uint64_t length, struct failure *failure)
{
	char text[TEXT_MAX];
	expr_id bytes[TEXT_MAX];
	bool symbolic = false;

	if (length > TEXT_MAX)
		return failure_set(failure, -ENOTSUP, "prints a string of %" PRIu64 " bytes", length);
	for (uint64_t i = 0; i < length; i++) {
		struct emu_value byte;
		int error = emu_load(solver->emu, pointer + i, 1, &byte, failure);

		if (error)
			return error;
		text[i] = (char)byte.word;
		bytes[i] = byte.expr;
		symbolic |= byte.expr != EXPR_NONE;
	}
	if (!length)
		return 0;
	solver->newline = text[length - 1] == '\n';
	if (solver->round) {
		append_line(solver, text, length);
		return 0;
	}
	return symbolic ? add_explained(solver, bytes, text, length, failure)
			: add_literal(solver, text, length, failure);
}

static bool read_learning(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	*value = concrete(leaf, context);
	expr_apply(EXPR_ZEXT, leaf->op == EXPR_REGISTER ? 8 : leaf->size, *value, 0, value);
	return true;
}

static int add_explained(struct solver *solver, const expr_id *bytes, const char *text, size_t length,
			 struct failure *failure)
{
	size_t count = expr_pool_count(solver->pool);
	uint64_t *words = calloc(count, sizeof(*words));
	bool *known = calloc(count, sizeof(*known));
	struct printed *item = new_item(solver, failure);
	int error = 0;

	if (!words || !known) {
		expr_pool_note_starved(solver->pool);
		error = failure_set(failure, -ENOMEM, "out of memory");
	} else if (!item) {
		error = -ENOBUFS;
	} else {
		expr_eval_all(solver->pool, read_learning, solver, words, known);
		if (!explain_text(solver->pool, words, known, bytes, text, length, item))
			error = failure_set(failure, -ENOTSUP, "cannot tell what number was printed as \"%.*s\"",
					    (int)length, text);
	}
	free(words);
	free(known);
	return error;
}

static bool prefix_at(struct solver *solver, struct emu_value pointer, struct emu_value length)
{
	size_t want = strlen(solver->block->prefix);
	const char *bytes;

	if (pointer.expr || length.expr || length.word < want || length.word > TEXT_MAX)
		return false;
	bytes = image_at(gobin_image(solver->gobin), pointer.word, want);
	return bytes && !memcmp(bytes, solver->block->prefix, want);
}

static int print_string(struct solver *solver, struct failure *failure)
{
	struct emu_value pointer = argument(solver, 0), length = argument(solver, 1);

	/* The first string tells whether this is our block at all, and whether arguments are passed as assumed. */
	if (!solver->right_block && !prefix_at(solver, pointer, length))
		return failure_set(failure, -EAGAIN, "prints something else");
	solver->right_block = true;
	if (length.expr) {
		/* A text whose length depends on its number, as slices of digits do: the bytes tell. */
		length.expr = EXPR_NONE;
	}
	if (pointer.expr)
		return failure_set(failure, -ENOTSUP, "prints a string that lies at an unknown place");
	return print_bytes(solver, pointer.word, length.word, failure);
}

static int print_number(struct solver *solver, enum recipe_format format, struct failure *failure)
{
	struct emu_value value = argument(solver, 0);
	char text[32];
	struct printed *item;

	solver->newline = false;
	if (solver->round || !value.expr) {
		int length = recipe_format_number(format, 0, value.word, text, sizeof(text));

		if (!solver->round)
			return add_literal(solver, text, (size_t)length, failure);
		append_line(solver, text, (size_t)length);
		return 0;
	}
	item = new_item(solver, failure);
	if (!item)
		return -ENOBUFS;
	item->format = format;
	item->value = value.expr;
	solver->number_site = solver->lock_site;
	return 0;
}

static int print_literal(struct solver *solver, const char *text, struct failure *failure)
{
	solver->newline = text[0] == '\n';
	if (!solver->round)
		return add_literal(solver, text, 1, failure);
	append_line(solver, text, 1);
	return 0;
}

/* string(bytes): the same bytes. On the stack, results come behind the arguments. */
static int slice_to_string(struct solver *solver, struct failure *failure)
{
	struct emu_value pointer = argument(solver, 1), length = argument(solver, 2);
	unsigned slot = solver->abi.slice_has_cap ? 4 : 3;
	int error = set_result(solver, 0, slot, pointer, failure);

	return error ? error : set_result(solver, 1, slot + 1, length, failure);
}

static int copy_memory(struct solver *solver, struct failure *failure)
{
	struct emu_value to = argument(solver, 0), from = argument(solver, 1), length = argument(solver, 2);
	struct emu_value bytes[TEXT_MAX];
	int error = 0;

	if (to.expr || from.expr || length.word > TEXT_MAX)
		return failure_set(failure, -ENOTSUP, "copies memory that cannot be followed");
	for (uint64_t i = 0; i < length.word && !error; i++)
		error = emu_load(solver->emu, from.word + i, 1, &bytes[i], failure);
	for (uint64_t i = 0; i < length.word && !error; i++)
		error = emu_store(solver->emu, to.word + i, 1, bytes[i], failure);
	return error;
}

/* A newline ends the line, and with it the run. */
static enum emu_answer answer_of(const struct solver *solver, int error)
{
	return error ? EMU_FAIL : solver->newline ? EMU_STOP : EMU_HANDLED;
}

/* Functions that do not come back. */
static bool ends(const char *name)
{
	static const char *const names[] = { "throw", "fatal", "panic", "goPanic", "gopanic", "morestack", "exit" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

/* What the compiler makes of print(): printhex, printfloat ...; a name like printScavTrace is a function that prints.
 */
static bool is_printer(const char *name)
{
	return !strncmp(name, "print", 5) && islower((unsigned char)name[5]);
}

/*
 * systemstack(fn): what fn does, on whichever stack. It is written in assembly, so that its argument lies on
 * the stack in every version. A func value points to the address of its code.
 */
static enum emu_answer call_closure(struct solver *solver, struct failure *failure)
{
	struct emu_value closure, code;

	emu_load(solver->emu, emu_stack_pointer(solver->emu), 8, &closure, failure);
	if (closure.expr || emu_load(solver->emu, closure.word, 8, &code, failure) || code.expr)
		return answer_of(solver, failure_set(failure, -ENOTSUP, "calls a function that cannot be known"));
	emu_set_register(solver->emu, RDX, closure);
	emu_redirect(solver->emu, code.word);
	return EMU_DESCEND;
}

/* Locks and the checks of their order print nothing and change no number. */
static bool is_lock(const char *name)
{
	static const char *const names[] = { "lock",   "lock2",	  "lockWithRank",   "assertLockHeld",
					     "unlock", "unlock2", "unlockWithRank", "assertWorldStoppedOrLockHeld" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void note_lock(struct solver *solver, const char *name)
{
	struct emu_value lock = argument(solver, 0);

	if (!strncmp(name, "lock", 4))
		solver->locked = lock.expr ? 0 : lock.word;
}

static enum emu_answer call_runtime(struct solver *solver, const char *name, struct failure *failure)
{
	if (is_lock(name)) {
		note_lock(solver, name);
		return EMU_HANDLED;
	}
	if (!strcmp(name, "systemstack"))
		return call_closure(solver, failure);
	if (!strcmp(name, "printlock")) {
		solver->lock_site = emu_current(solver->emu);
		return EMU_HANDLED;
	}
	if (!strcmp(name, "printunlock"))
		return EMU_HANDLED;
	if (!strcmp(name, "printstring"))
		return answer_of(solver, print_string(solver, failure));
	if (!strcmp(name, "printuint"))
		return answer_of(solver, print_number(solver, RECIPE_UNSIGNED, failure));
	if (!strcmp(name, "printint"))
		return answer_of(solver, print_number(solver, RECIPE_SIGNED, failure));
	if (!strcmp(name, "printnl"))
		return answer_of(solver, print_literal(solver, "\n", failure));
	if (!strcmp(name, "printsp"))
		return answer_of(solver, print_literal(solver, " ", failure));
	if (!strcmp(name, "slicebytetostring"))
		return answer_of(solver, slice_to_string(solver, failure));
	if (!strcmp(name, "memmove"))
		return answer_of(solver, copy_memory(solver, failure));
	solver->zero_divisor = !strcmp(name, "panicdivide");
	if (is_printer(name) || ends(name)) {
		failure_set(failure, -ENOTSUP, "calls runtime.%s, which cannot be followed", name);
		return EMU_FAIL;
	}
	return EMU_DESCEND;
}

static enum emu_answer on_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	struct solver *solver = context;
	struct gobin_function function;

	(void)emu;
	if (gobin_function_by_address(solver->gobin, target, &function)) {
		failure_set(failure, -ENOTSUP, "calls code at 0x%" PRIx64 " that is no Go function", target);
		return EMU_FAIL;
	}
	if (function.entry != target || strncmp(function.name, "runtime.", 8))
		return EMU_DESCEND;
	return call_runtime(solver, function.name + 8, failure);
}

int solver_new(struct gobin *gobin, struct solver **out, struct failure *failure)
{
	const struct gobin_moduledata *module = gobin_moduledata(gobin);
	struct solver *solver = calloc(1, sizeof(*solver));
	struct emu_options options = {
		.image = gobin_image(gobin),
		.symbolic_start = module->noptrdata,
		.symbolic_end = module->enoptrbss,
		.instructions_max = INSTRUCTIONS_MAX,
		.nanoseconds_max = NANOSECONDS_MAX,
		.hooks = { .call = on_call, .concrete = concrete, .branch = on_branch, .context = solver },
	};
	int error;

	if (!solver)
		return failure_set(failure, -ENOMEM, "out of memory");
	solver->gobin = gobin;
	error = emu_new(&options, &solver->emu, failure);
	if (error) {
		free(solver);
		return error;
	}
	*out = solver;
	return 0;
}

void solver_free(struct solver *solver)
{
	if (!solver)
		return;
	expr_pool_free(solver->pool);
	emu_free(solver->emu);
	free(solver);
}

bool solver_starved(const struct solver *solver)
{
	return solver->starved || emu_starved(solver->emu) || expr_pool_starved(solver->pool);
}

struct emu *solver_emu(struct solver *solver)
{
	return solver->emu;
}

struct gobin *solver_gobin(struct solver *solver)
{
	return solver->gobin;
}

static int run(struct solver *solver, struct printout *printout, struct failure *failure)
{
	struct failure reason = { "" };
	int error;

	solver->newline = false;
	solver->locked = 0;
	solver->zero_divisor = false;
	solver->line_length = 0;
	solver->line[0] = '\0';
	solver->right_block = solver->round > 0;
	solver->printout = printout;
	if (printout)
		printout_clear(printout);
	error = emu_run(solver->emu, solver->block->start, solver->round ? NULL : solver->pool, &reason);
	if (error && !solver->right_block)
		return failure_set(failure, -EAGAIN, "%s", reason.text);
	if (error)
		return failure_set(failure, error == -EAGAIN ? -EAGAIN : error, "%s: %s", solver->block->function,
				   reason.text);
	return 0;
}

/* No header tells how arguments are passed; only the right way leads to the line's first words and to its end. */
static int run_with_right_abi(struct solver *solver, struct printout *printout, struct failure *failure)
{
	static const struct abi old[] = { { false, false }, { false, true } };
	static const struct abi new[] = { { true, false }, { false, false } };
	const struct abi *order = gobin_form(solver->gobin) == PCLNTAB_GO12 ? old : new;
	struct failure second = { "" };
	int error, again;

	solver->abi = order[0];
	error = run(solver, printout, failure);
	if (!error)
		return 0;
	solver->abi = order[1];
	again = run(solver, printout, &second);
	/* What ended the try that had begun to print says more. */
	if (again && again != -EAGAIN && error == -EAGAIN)
		return failure_set(failure, again, "%s", second.text);
	return again ? error : 0;
}

/* For each truth value that was looked at: what is printed when it is the other way round? */
static int find_guards(struct solver *solver, struct printout *base, struct failure *failure)
{
	struct printout *flipped = calloc(1, sizeof(*flipped));
	unsigned count = solver->nr_truths;
	int error = flipped ? 0 : failure_set(failure, -ENOMEM, "out of memory");

	for (unsigned i = 0; i < count && !error; i++) {
		solver->truths[i].turned = true;
		error = run(solver, flipped, failure);
		solver->truths[i].turned = false;
		if (!error)
			error = guard_merge(base, flipped, solver->truths[i].leaf, failure);
	}
	if (flipped)
		printout_clear(flipped);
	free(flipped);
	return error;
}

/* Undoes the scaling that is only for printing. */
static void find_raw(const struct expr_pool *pool, struct recipe_item *item)
{
	const struct expr_node *node = expr_node(pool, item->value);
	const struct expr_node *right = expr_node(pool, node->b);

	item->raw = item->value;
	item->unit = RECIPE_UNIT_NONE;
	if (item->format == RECIPE_MILLISECONDS) {
		item->unit = RECIPE_UNIT_NANOSECONDS;
	} else if (node->op == EXPR_SHR && right->op == EXPR_CONST && (right->value == 20 || right->value == 10)) {
		item->raw = node->a;
		item->unit = RECIPE_UNIT_BYTES;
		item->scale_shift = (unsigned)right->value;
	} else if (item->format == RECIPE_DECIMAL && item->decimals == 3 && node->op == EXPR_DIV_U &&
		   right->op == EXPR_CONST && right->value == 1000000) {
		item->raw = node->a;
		item->unit = RECIPE_UNIT_NANOSECONDS;
	} else if (node->op == EXPR_S64_FROM_F64) {
		const struct expr_node *product = expr_node(pool, node->a);
		const struct expr_node *factor = expr_node(pool, product->b);
		const double hundred = 100;

		if (product->op == EXPR_F64_MUL && factor->op == EXPR_CONST &&
		    !memcmp(&factor->value, &hundred, sizeof(hundred))) {
			item->raw = product->a;
			item->unit = RECIPE_UNIT_FRACTION;
		}
	}
}

/* Neighbouring literals become one; the newline at the end goes. */
static int take_literal(struct recipe *recipe, const struct printed *printed, expr_id guard, struct failure *failure)
{
	struct recipe_item *last = recipe->nr_items ? &recipe->items[recipe->nr_items - 1] : NULL;
	char *text;

	if (last && last->format == RECIPE_LITERAL && last->guard == guard &&
	    (!guard || last->guard_truth == printed->guard_truth)) {
		if (asprintf(&text, "%s%s", last->literal, printed->text) < 0)
			return failure_set(failure, -ENOMEM, "out of memory");
		free((char *)last->literal);
		last->literal = text;
		return 0;
	}
	text = strdup(printed->text);
	if (!text)
		return failure_set(failure, -ENOMEM, "out of memory");
	recipe->items[recipe->nr_items++] = (struct recipe_item){
		.format = RECIPE_LITERAL, .literal = text, .guard = guard, .guard_truth = printed->guard_truth
	};
	return 0;
}

static void cut_newline(struct recipe *recipe)
{
	struct recipe_item *last = recipe->nr_items ? &recipe->items[recipe->nr_items - 1] : NULL;
	char *newline = last && last->format == RECIPE_LITERAL ? strrchr(last->literal, '\n') : NULL;

	if (newline)
		*newline = '\0';
	if (last && last->format == RECIPE_LITERAL && !last->literal[0]) {
		free((char *)last->literal);
		recipe->nr_items--;
	}
}

static int take_printout(struct recipe *recipe, const struct expr_pool *from, const struct printout *printout,
			 struct failure *failure)
{
	for (unsigned i = 0; i < printout->count; i++) {
		const struct printed *printed = &printout->items[i];
		expr_id guard = expr_import(recipe->pool, from, printed->guard);
		struct recipe_item *item;
		int error;

		if (printed->format == RECIPE_LITERAL) {
			error = take_literal(recipe, printed, guard, failure);
			if (error)
				return error;
			continue;
		}
		item = &recipe->items[recipe->nr_items++];
		*item = (struct recipe_item){ .format = printed->format,
					      .decimals = printed->decimals,
					      .guard = guard,
					      .guard_truth = printed->guard_truth };
		item->value = expr_import(recipe->pool, from, printed->value);
		if (!item->value)
			return failure_set(failure, -ENOBUFS, "the line needs too many expressions");
		find_raw(recipe->pool, item);
	}
	cut_newline(recipe);
	return 0;
}

static void note_opaque(expr_id id, const struct expr_node *leaf, void *context)
{
	(void)id;
	*(bool *)context |= leaf->op == EXPR_OPAQUE;
}

/* A number that no probe can read would be unknown in every line: then this is no recipe. */
static int check_readable(const struct recipe *recipe, struct failure *failure)
{
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		bool opaque = false;

		expr_each_leaf(recipe->pool, recipe->items[i].value, note_opaque, &opaque);
		if (opaque)
			return failure_set(failure, -ENOTSUP, "%s: number %u comes from memory that no probe can name",
					   recipe->function, i);
	}
	return 0;
}

static void find_floats(struct solver *solver, const struct recipe *recipe)
{
	memset(solver->floats, 0, sizeof(solver->floats));
	for (expr_id id = 1; id < expr_pool_count(recipe->pool); id++) {
		const struct expr_node *node = expr_node(recipe->pool, id);
		bool operands = (node->op >= EXPR_F64_ADD && node->op <= EXPR_F64_DIV) || node->op == EXPR_S64_FROM_F64;

		if (operands && node->a < 1024)
			solver->floats[node->a] = true;
		if (operands && node->b < 1024)
			solver->floats[node->b] = true;
	}
}

/* The judge: the emulated code prints, formatting and all, and the recipe must say the same. */
static int check_rounds(struct solver *solver, struct recipe *recipe, struct failure *failure)
{
	struct recipe_values values;
	char line[RECIPE_LINE_MAX];
	int error = 0;

	find_floats(solver, recipe);
	solver->recipe = recipe;
	for (solver->round = 1; solver->round <= CHECK_ROUNDS && !error; solver->round++) {
		error = run(solver, NULL, failure);
		/* Numbers that the process cannot have: its own code would end there. */
		if (error && solver->zero_divisor) {
			error = 0;
			continue;
		}
		if (error)
			break;
		if (solver->line_length && solver->line[solver->line_length - 1] == '\n')
			solver->line[solver->line_length - 1] = '\0';
		recipe_evaluate_with(recipe, read_learning, solver, &values);
		recipe_render(recipe, &values, line, sizeof(line));
		if (strcmp(line, solver->line))
			error = failure_set(failure, -EBADMSG,
					    "%s: the code prints \"%.150s\" where the recipe says \"%.150s\"",
					    recipe->function, solver->line, line);
		recipe->checks++;
	}
	solver->round = 0;
	solver->recipe = NULL;
	if (!error && recipe->checks < CHECK_ROUNDS / 2)
		error = failure_set(failure, -EBADMSG, "%s: divides by zero in most rounds", recipe->function);
	return error;
}

static int finish(struct solver *solver, struct printout *printout, struct recipe *recipe, struct failure *failure)
{
	int error;

	recipe->pool = expr_pool_new();
	if (!recipe->pool)
		return failure_set(failure, -ENOMEM, "out of memory");
	error = take_printout(recipe, solver->pool, printout, failure);
	if (!error && solver->block->want_switch) {
		recipe->extras[RECIPE_SWITCH] =
			expr_leaf(recipe->pool, EXPR_MEMORY, solver->block->switch_address, sizeof(uint32_t));
		if (!recipe->extras[RECIPE_SWITCH])
			error = failure_set(failure, -ENOBUFS, "the line needs too many expressions");
	}
	if (!error)
		error = check_readable(recipe, failure);
	if (!error)
		error = recipe_plan_windows(recipe, failure);
	return error ? error : check_rounds(solver, recipe, failure);
}

int solver_solve(struct solver *solver, const struct block *block, struct recipe *recipe, struct failure *failure)
{
	struct printout *printout = calloc(1, sizeof(*printout));
	int error;

	solver->starved |= expr_pool_starved(solver->pool);
	expr_pool_free(solver->pool);
	solver->pool = expr_pool_new();
	solver->block = block;
	solver->nr_truths = 0;
	memset(solver->branches, 0, sizeof(solver->branches));
	solver->round = 0;
	if (!printout || !solver->pool)
		error = failure_set(failure, -ENOMEM, "out of memory");
	else
		error = run_with_right_abi(solver, printout, failure);
	if (!error)
		error = find_guards(solver, printout, failure);
	if (!error) {
		snprintf(recipe->function, sizeof(recipe->function), "%s", block->function);
		recipe->probe_address = block->probe;
		recipe->switch_address = block->switch_address;
		recipe->lock_address = solver->locked;
		recipe->rereads[0].address = solver->number_site;
		recipe->rereads[1].address = solver->lock_site;
		error = finish(solver, printout, recipe, failure);
	}
	if (printout)
		printout_clear(printout);
	free(printout);
	return error;
}
