// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe_builder.h"
#include "go_builder.h"
#include "test_binaries.h"

#include "gctap/gc_cycle.h"
#include "gctap/scavenge.h"

/* ---- Parts that are printed only sometimes --------------------------------------------------- */

/* "a", "b" are literals; "#3" is the number of expression 3. */
static void make_printout(struct printout *printout, const char *const *items)
{
	memset(printout, 0, sizeof(*printout));
	for (; *items; items++) {
		struct printed *item = &printout->items[printout->count++];

		if ((*items)[0] == '#')
			*item = (struct printed){ .format = RECIPE_UNSIGNED, .value = (expr_id)atoi(*items + 1) };
		else
			*item = (struct printed){ .format = RECIPE_LITERAL, .text = strdup(*items) };
	}
}

/* As "a [b if 7] [c unless 7] #3". */
static void show_printout(const struct printout *printout, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < printout->count; i++) {
		const struct printed *item = &printout->items[i];
		char number[16], guard[32] = "";

		snprintf(number, sizeof(number), "#%u", item->value);
		if (item->guard)
			snprintf(guard, sizeof(guard), "%s%u", item->guard_truth ? "?" : "!", item->guard);
		used += (size_t)snprintf(text + used, size - used, "%s%s%s", i ? " " : "",
					 item->format == RECIPE_LITERAL ? item->text : number, guard);
	}
}

#define ITEMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void assert_merged(const char *const *base_items, const char *const *flipped_items, const char *expected)
{
	struct printout base, flipped;
	char text[256];

	make_printout(&base, base_items);
	make_printout(&flipped, flipped_items);
	assert_int_equal(guard_merge(&base, &flipped, 7, NULL), 0);
	show_printout(&base, text, sizeof(text));
	assert_string_equal(text, expected);
	printout_clear(&base);
	printout_clear(&flipped);
}

static void guards(void **unused)
{
	(void)unused;
	assert_merged(ITEMS("gc", "#1", "P"), ITEMS("gc", "#1", "P"), "gc #1 P");
	assert_merged(ITEMS("gc", "#1", "P", "(forced)"), ITEMS("gc", "#1", "P"), "gc #1 P (forced)?7");
	assert_merged(ITEMS("gc", "#1", "P"), ITEMS("gc", "#1", "P", "(odd)"), "gc #1 P (odd)!7");
	assert_merged(ITEMS("gc", "(leaks)", "#1"), ITEMS("gc", "#1"), "gc (leaks)?7 #1");
	assert_merged(ITEMS("gc", "yes", "#1"), ITEMS("gc", "no", "#1"), "gc yes?7 no!7 #1");
	assert_merged(ITEMS("gc", "#1", "x"), ITEMS("gc", "#2", "x"), "gc #1?7 #2!7 x");
	assert_merged(ITEMS("a"), ITEMS("b", "c"), "a?7 b!7 c!7");
	/* The same item twice: one of the two is the one that is gone. */
	assert_merged(ITEMS("a", "a"), ITEMS("a"), "a a?7");
}

static void guards_that_hang_on_each_other(void **unused)
{
	struct printout base, flipped;
	struct failure failure = { "" };
	char text[256];

	(void)unused;
	/* One part hangs on 5 already; another on 7. */
	make_printout(&base, ITEMS("gc", "(leaks)", "#1", "(forced)"));
	base.items[1].guard = 5;
	base.items[1].guard_truth = true;
	make_printout(&flipped, ITEMS("gc", "(leaks)", "#1"));
	assert_int_equal(guard_merge(&base, &flipped, 7, &failure), 0);
	show_printout(&base, text, sizeof(text));
	assert_string_equal(text, "gc (leaks)?5 #1 (forced)?7");
	printout_clear(&flipped);
	/* The same part goes with either. */
	make_printout(&flipped, ITEMS("gc", "#1", "(forced)"));
	assert_int_equal(guard_merge(&base, &flipped, 8, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "hang on each other"));
	printout_clear(&flipped);
	printout_clear(&base);
}

static void more_parts_than_there_is_room_for(void **unused)
{
	const char *many[RECIPE_ITEMS_MAX + 1], *others[RECIPE_ITEMS_MAX + 1];
	struct printout base, flipped;
	struct failure failure = { "" };

	(void)unused;
	for (unsigned i = 0; i < RECIPE_ITEMS_MAX; i++) {
		many[i] = "a";
		others[i] = "b";
	}
	many[RECIPE_ITEMS_MAX] = others[RECIPE_ITEMS_MAX] = NULL;
	make_printout(&base, many);
	make_printout(&flipped, others);
	assert_int_equal(guard_merge(&base, &flipped, 7, &failure), -ENOBUFS);
	printout_clear(&base);
	printout_clear(&flipped);
}

/* ---- From text back to the number ------------------------------------------------------------ */

#define NODES 64

struct explain {
	struct expr_pool *pool;
	uint64_t words[NODES];
	bool known[NODES];
	expr_id bytes[16];
};

static bool read_address(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	(void)id;
	(void)context;
	*value = leaf->value;
	return true;
}

static expr_id quotient_of(struct expr_pool *pool, expr_id a, uint64_t divisor)
{
	return expr_binary(pool, EXPR_DIV_U, a, expr_const(pool, divisor));
}

/* Digits that come from (address / divisor) % 10 + '0'. */
static void make_digits(struct explain *explain, expr_id number, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		expr_id digit = expr_binary(explain->pool, EXPR_REM_U, number, expr_const(explain->pool, 10));

		explain->bytes[i] = expr_binary(explain->pool, EXPR_ADD, digit, expr_const(explain->pool, '0'));
		number = quotient_of(explain->pool, number, 10);
	}
	expr_eval_all(explain->pool, read_address, NULL, explain->words, explain->known);
}

static bool explain_as(struct explain *explain, const char *text, struct printed *printed)
{
	return explain_text(explain->pool, explain->words, explain->known, explain->bytes, text, strlen(text), printed);
}

static void texts_are_explained(void **unused)
{
	struct explain explain = { .pool = expr_pool_new() };
	struct printed printed = { .format = RECIPE_LITERAL };
	expr_id ns = expr_leaf(explain.pool, EXPR_MEMORY, 114999999, 8);
	expr_id ms = quotient_of(explain.pool, ns, 1000000);

	(void)unused;
	make_digits(&explain, ms, 4);
	assert_true(explain_as(&explain, "0.114", &printed));
	assert_int_equal(printed.format, RECIPE_DECIMAL);
	assert_int_equal(printed.decimals, 3);
	assert_int_equal(printed.value, ms);
	/* As a duration: the number of nanoseconds itself. */
	assert_true(explain_as(&explain, "114", &printed));
	assert_int_equal(printed.format, RECIPE_MILLISECONDS);
	assert_int_equal(printed.value, ns);
	assert_false(explain_as(&explain, "0.115", &printed));
	assert_false(explain_as(&explain, "", &printed));
	assert_false(explain_as(&explain, ".", &printed));
	assert_false(explain_as(&explain, "hello", &printed));
	expr_pool_free(explain.pool);
}

/* Only what the bytes were made of counts: another number that reads the same is no explanation. */
static void other_numbers_are_no_explanation(void **unused)
{
	struct explain explain = { .pool = expr_pool_new() };
	struct printed printed = { .format = RECIPE_LITERAL };

	(void)unused;
	expr_leaf(explain.pool, EXPR_MEMORY, 5000000, 8);
	make_digits(&explain, expr_leaf(explain.pool, EXPR_MEMORY, 7000000, 8), 2);
	assert_false(explain_as(&explain, "5.0", &printed));
	assert_true(explain_as(&explain, "7.0", &printed));
	/* Nor one whose value is not known. */
	memset(explain.known, 0, sizeof(explain.known));
	assert_false(explain_as(&explain, "7.0", &printed));
	expr_pool_free(explain.pool);
}

/* ---- Windows --------------------------------------------------------------------------------- */

static struct recipe *recipe_of(const uint64_t *addresses, unsigned count)
{
	struct recipe *recipe = recipe_new();

	for (unsigned i = 0; i < count; i++)
		recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, addresses[i], 8));
	return recipe;
}

static void near_leaves_share_a_window(void **unused)
{
	/* Up to 64 bytes apart they are read together; never more than 256 bytes. */
	static const uint64_t addresses[] = { 0x500100, 0x500000, 0x500008, 0x500050, 0x500091, 0x500200, 0x500104 };
	struct recipe *recipe = recipe_of(addresses, 7);

	(void)unused;
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(recipe->nr_windows, 3);
	assert_int_equal(recipe->windows[0].delta, 0x500000 - (int64_t)RECIPE_PROBE);
	assert_int_equal(recipe->windows[0].length, 0x99);
	assert_int_equal(recipe->windows[1].delta, 0x500100 - (int64_t)RECIPE_PROBE);
	assert_int_equal(recipe->windows[1].length, 12);
	assert_int_equal(recipe->windows[2].length, 8);
	assert_int_equal(recipe->window_offsets[2], 0x99 + 12);
	assert_int_equal(recipe->payload_bytes, 0x99 + 12 + 8);
	recipe_free(recipe);
}

static void long_rows_become_several_windows(void **unused)
{
	uint64_t addresses[100];
	struct recipe *recipe;
	uint32_t bytes = 0;

	(void)unused;
	for (unsigned i = 0; i < 100; i++)
		addresses[i] = 0x500000 + 8 * i;
	recipe = recipe_of(addresses, 100);
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(recipe->nr_windows, 4);
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		assert_true(recipe->windows[i].length <= GCTAP_WINDOW_BYTES_MAX);
		bytes += recipe->windows[i].length;
	}
	assert_int_equal(bytes, 800);
	recipe_free(recipe);
}

static void too_many_windows(void **unused)
{
	uint64_t addresses[GCTAP_WINDOWS_MAX + 1];
	struct failure failure = { "" };
	struct recipe *recipe;

	(void)unused;
	for (unsigned i = 0; i <= GCTAP_WINDOWS_MAX; i++)
		addresses[i] = 0x500000 + 0x1000 * i;
	recipe = recipe_of(addresses, GCTAP_WINDOWS_MAX);
	assert_int_equal(recipe_plan_windows(recipe, &failure), 0);
	recipe_free(recipe);
	recipe = recipe_of(addresses, GCTAP_WINDOWS_MAX + 1);
	assert_int_equal(recipe_plan_windows(recipe, &failure), -ENOBUFS);
	assert_non_null(strstr(failure.text, "more than 16 places"));
	recipe_free(recipe);
}

static void too_many_bytes(void **unused)
{
	struct recipe *recipe = recipe_new();
	struct failure failure = { "" };

	(void)unused;
	for (unsigned i = 0; i < 7 * 32; i++)
		recipe_memory(recipe, 0x500000 + 0x1000 * (i / 32) + 8 * (i % 32), 8);
	assert_int_equal(recipe_plan_windows(recipe, &failure), -ENOBUFS);
	assert_non_null(strstr(failure.text, "bytes of memory"));
	recipe_free(recipe);
}

static void too_many_expressions(void **unused)
{
	struct recipe *recipe = recipe_new();
	struct failure failure = { "" };

	(void)unused;
	for (unsigned i = 0; i < 1100; i++)
		expr_const(recipe->pool, 1000000 + i);
	assert_int_equal(recipe_plan_windows(recipe, &failure), -ENOBUFS);
	assert_non_null(strstr(failure.text, "expressions"));
	recipe_free(recipe);
}

/* The stack and the registers have windows of their own; so far away as no process reaches, none. */
static void stack_and_registers(void **unused)
{
	struct recipe *recipe = recipe_new();
	uint8_t payload[GCTAP_PAYLOAD_MAX] = { 0 };
	struct recipe_values values;
	uint64_t word = 0x1122334455667788;

	(void)unused;
	recipe_number(recipe, RECIPE_UNSIGNED, expr_leaf(recipe->pool, EXPR_STACK, 0x28, 4));
	recipe_number(recipe, RECIPE_UNSIGNED, expr_leaf(recipe->pool, EXPR_REGISTER, 0, 8));
	recipe_number(recipe, RECIPE_UNSIGNED, expr_leaf(recipe->pool, EXPR_REGISTER, 15, 8));
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, 1ull << 63, 8));
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, RECIPE_PROBE + INT64_MAX - 2, 8));
	recipe_number(recipe, RECIPE_UNSIGNED, expr_leaf(recipe->pool, EXPR_OPAQUE, 1, 8));
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	assert_int_equal(recipe->nr_windows, 2);
	assert_int_equal(recipe->windows[0].base, GCTAP_BASE_SP);
	assert_int_equal(recipe->windows[0].delta, 0x28);
	assert_int_equal(recipe->windows[1].base, GCTAP_BASE_REGS);
	assert_int_equal(recipe->windows[1].length, 168);
	memcpy(payload, &word, 4);
	memcpy(payload + 4 + 80, &word, 8); /* pt_regs: rax at 80, r15 at 0 */
	memcpy(payload + 4, "\1", 1);
	recipe_evaluate(recipe, payload, recipe->payload_bytes, 3, &values);
	assert_int_equal(values.items[0].value, 0x55667788);
	assert_int_equal(values.items[1].value, word);
	assert_int_equal(values.items[2].value, 1);
	assert_false(values.items[3].known || values.items[4].known || values.items[5].known);
	assert_int_equal(values.unknown, 3);
	recipe_free(recipe);
}

/* Read again elsewhere: windows are relative to the probe that fires. */
static void capture_of_another_probe(void **unused)
{
	struct recipe *recipe = recipe_go127(false);
	struct gctap_capture first, second;

	(void)unused;
	expr_leaf(recipe->pool, EXPR_STACK, 8, 8);
	recipe_capture(recipe, recipe->probe_address, &first);
	recipe_capture(recipe, recipe->rereads[0].address, &second);
	assert_int_equal(first.nr_windows, recipe->nr_windows);
	assert_int_equal(second.nr_windows, first.nr_windows);
	for (unsigned i = 0; i < first.nr_windows; i++)
		assert_int_equal(first.windows[i].delta - second.windows[i].delta, 0x300);
	recipe_free(recipe);
}

/* ---- Evaluation and rendering ---------------------------------------------------------------- */

static void assert_line(const struct recipe *recipe, const uint8_t *payload, uint32_t windows_read,
			const char *expected, unsigned unknown)
{
	struct recipe_values values;
	char line[64];
	int length;

	recipe_evaluate(recipe, payload, recipe->payload_bytes, windows_read, &values);
	length = recipe_render(recipe, &values, line, sizeof(line));
	assert_string_equal(line, expected);
	assert_int_equal(length, (int)strlen(expected));
	assert_int_equal(values.unknown, unknown);
}

static void what_is_unknown_is_shown_as_such(void **unused)
{
	struct recipe *recipe = recipe_new();
	uint8_t payload[64] = { 0 };

	(void)unused;
	recipe_text(recipe, "gc ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, 0x500000, 8));
	recipe_text(recipe, " of ");
	recipe_number(recipe, RECIPE_UNSIGNED, recipe_memory(recipe, 0x600000, 8));
	recipe_text_if(recipe, " (forced)", recipe_memory(recipe, 0x600008, 1), true);
	recipe_text_if(recipe, " (free)", recipe_memory(recipe, 0x600008, 1), false);
	assert_int_equal(recipe_plan_windows(recipe, NULL), 0);
	payload[0] = 5;
	payload[8] = 6;
	payload[16] = 1;
	assert_line(recipe, payload, 3, "gc 5 of 6 (forced)", 0);
	payload[16] = 0;
	assert_line(recipe, payload, 3, "gc 5 of 6 (free)", 0);
	/* Neither remark: nobody knows which. */
	assert_line(recipe, payload, 1, "gc 5 of ?", 3);
	assert_line(recipe, payload, 2, "gc ? of 6 (free)", 1);
	assert_line(recipe, payload, 0, "gc ? of ?", 4);
	recipe_free(recipe);
}

static void short_buffers(void **unused)
{
	struct recipe *recipe = recipe_go127(true);
	struct recipe_values values;
	uint8_t payload[GCTAP_PAYLOAD_MAX] = { 0 };
	char line[RECIPE_LINE_MAX];
	int whole;

	(void)unused;
	recipe_evaluate(recipe, payload, recipe->payload_bytes, 0xffff, &values);
	whole = recipe_render(recipe, &values, line, sizeof(line));
	assert_int_equal(whole, (int)strlen(line));
	for (size_t size = 1; size < (size_t)whole + 10; size++) {
		char *exact = malloc(size);

		int length = recipe_render(recipe, &values, exact, size);

		assert_int_equal(length, (int)strlen(exact));
		assert_memory_equal(exact, line, strlen(exact));
		recipe_format_string(recipe, exact, size);
		assert_true(strlen(exact) < size);
		free(exact);
	}
	recipe_free(recipe);
}

static void format_strings(void **unused)
{
	struct recipe *recipe = recipe_go127(false);
	char text[512];

	(void)unused;
	recipe_format_string(recipe, text, sizeof(text));
	assert_string_equal(text, "gc %u @%.3us %d%[ (checking for goroutine leaks)]: %ms+%ms+%ms ms clock, "
				  "%ms+%ms/%ms/%ms+%ms ms cpu, %u->%u->%u MB, %u MB goal, %u MB stacks, %u MB globals, "
				  "%d P[ (forced)]");
	recipe_free(recipe);
}

/* ---- Programs -------------------------------------------------------------------------------- */

static void assert_no_recipe(const struct go_program *program, const char *reason)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;
	struct recipe *recipe;
	size_t size;
	uint8_t *file = go_program(program, &size);

	assert_int_equal(image_open_bytes(file, size, &image, NULL), 0);
	assert_int_equal(gobin_open(image, &gobin, NULL), 0);
	assert_int_equal(recipe_solve_gctrace(gobin, &recipe, &failure), -ENOENT);
	if (!strstr(failure.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", failure.text, reason);
	gobin_close(gobin);
	image_close(image);
	free(file);
}

static void programs_without_the_line(void **unused)
{
	static const struct go_function others[] = { { "main.main", GO_TEXT, "main.go", 1 } };
	static const struct go_function functions[] = {
		{ "runtime.gcMarkTermination", GO_TEXT, "mgc.go", 1 },
		{ "runtime.printlock", GO_TEXT + 32, "print.go", 1 },
	};
	/* cmp dword ptr [rip+0x1000], 0; je +5; call printlock (GO_TEXT + 32); ret */
	static const uint8_t code[64] = { 0x83, 0x3d, 0, 0x10, 0, 0, 0, 0x74, 0x05, 0xe8, 0x12, 0, 0, 0, 0xc3 };
	/* The same without the branch. */
	static const uint8_t branchless[64] = { 0x90, 0xe8, 0x1a, 0, 0, 0, 0xc3 };
	struct go_program program = {
		.form = PCLNTAB_GO120, .functions = others, .nr_functions = 1, .code = code, .code_size = 64
	};

	(void)unused;
	assert_no_recipe(&program, "has no runtime.gcMarkTermination");
	program.functions = functions;
	program.nr_functions = 2;
	assert_no_recipe(&program, "does not print a gctrace line");
	program.code = branchless;
	assert_no_recipe(&program, "no branch in front of printing");
}

/* ---- What was given back --------------------------------------------------------------------- */

#define CODE_BYTES 1024u

/* A program with code as the compiler writes it. */
struct program {
	struct go_function functions[12];
	uint8_t code[CODE_BYTES];
	uint8_t rodata[64];
	struct go_program parts;
	uint32_t at; /* the end of the code so far */
	struct image *image;
	struct gobin *gobin;
	uint8_t *file;
};

static void open_program(struct program *program)
{
	size_t size;

	program->parts.functions = program->functions;
	program->parts.code = program->code;
	program->parts.code_size = CODE_BYTES;
	program->parts.rodata = program->rodata;
	program->parts.rodata_size = sizeof(program->rodata);
	program->file = go_program(&program->parts, &size);
	assert_int_equal(image_open_bytes(program->file, size, &program->image, NULL), 0);
	assert_int_equal(gobin_open(program->image, &program->gobin, NULL), 0);
}

static void close_program(struct program *program)
{
	gobin_close(program->gobin);
	image_close(program->image);
	free(program->file);
}

static void emit_code(struct program *program, const char *bytes, size_t size)
{
	assert_true(program->at + size <= CODE_BYTES);
	memcpy(program->code + program->at, bytes, size);
	program->at += (uint32_t)size;
}

#define EMIT(program, bytes) emit_code(program, bytes, sizeof(bytes) - 1)

/* An instruction that names an address relative to its end, which comes @behind bytes after the address. */
static void emit_relative(struct program *program, const char *bytes, size_t size, uint64_t address, unsigned behind)
{
	int32_t relative = (int32_t)(address - (GO_TEXT + program->at + size + 4 + behind));

	emit_code(program, bytes, size);
	emit_code(program, (const char *)&relative, sizeof(relative));
}

#define EMIT_RELATIVE(program, bytes, address, behind) emit_relative(program, bytes, sizeof(bytes) - 1, address, behind)

/* The code that is emitted next is that of a function; its address. */
static uint64_t begin_function(struct program *program, const char *name)
{
	uint64_t entry;

	program->at = (program->at + 15) & ~15u;
	entry = GO_TEXT + program->at;
	program->functions[program->parts.nr_functions++] = (struct go_function){ name, entry, "mgc.go", 1 };
	return entry;
}

static uint64_t add_empty_function(struct program *program, const char *name)
{
	uint64_t entry = begin_function(program, name);

	EMIT(program, "\xc3");
	return entry;
}

static void assert_no_scavtrace(struct program *program, int expected, const char *reason)
{
	struct failure failure = { "" };
	struct scavenge_recipes recipes;
	int error;

	memset(&recipes, 0xa5, sizeof(recipes));
	open_program(program);
	error = recipe_solve_scavtrace(program->gobin, &recipes, &failure);
	if (error != expected || !strstr(failure.text, reason))
		fail_msg("%d \"%s\", expected %d \"%s\"", error, failure.text, expected, reason);
	assert_null(recipes.background);
	assert_null(recipes.forced);
	close_program(program);
}

static void programs_without_scavtrace(void **unused)
{
	(void)unused;
	for (enum pclntab_form form = PCLNTAB_GO12; form <= PCLNTAB_GO120; form++) {
		struct program program = { .parts = { .form = form } };

		add_empty_function(&program, "main.main");
		assert_no_scavtrace(&program, -ENOENT, "has no runtime.sweepone");
		add_empty_function(&program, "runtime.sweepone");
		assert_no_scavtrace(&program, -ENOTSUP, "does not print a scavtrace line (last try: no branch");
		program = (struct program){ .parts = { .form = form } };
		begin_function(&program, "runtime.sweepone");
		/* cmp dword ptr [variable], 0; jle to the return */
		EMIT_RELATIVE(&program, "\x83\x3d", GO_DATA + 0x1000, 1);
		EMIT(&program, "\0\x7e\0\xc3");
		assert_no_scavtrace(&program, -ENOTSUP, "runtime.sweepone does not print a scavtrace line");
	}
}

/* Before Go 1.19 the line of a generation is in a function of its own; since 1.20 that name means nothing. */
static void programs_with_generations(void **unused)
{
	struct program program = { .parts = { .form = PCLNTAB_GO116 } };
	uint64_t start;

	(void)unused;
	start = add_empty_function(&program, "runtime.(*pageAlloc).scavengeStartGen");
	add_empty_function(&program, "runtime.sweepone");
	assert_no_scavtrace(&program, -ENOENT, "called from nowhere known");
	program.parts.form = PCLNTAB_GO120;
	assert_no_scavtrace(&program, -ENOTSUP, "runtime.sweepone does not print");
	program.parts.form = PCLNTAB_GO116;
	begin_function(&program, "runtime.sweepone.func2");
	EMIT_RELATIVE(&program, "\x48\x8d\x05", GO_DATA + 0x1000, 0); /* lea rax, variable */
	EMIT_RELATIVE(&program, "\xe8", start, 0);
	EMIT(&program, "\xc3");
	assert_no_scavtrace(&program, -ENOTSUP, "scavengeStartGen does not print a scavtrace line");
}

/* Variables of the sweep below, each in a window of its own, and where its constants lie. */
enum { SWITCH = GO_DATA + 0x1000, WORK = 0x501100, TOTAL = 0x501200, IN_USE = 0x501300, FREE = 0x501400 };
enum { CLOSURE = GO_RODATA, TEXTS = GO_RODATA + 16 };

struct printers {
	uint64_t lock, string, number, systemstack;
};

/* lea rax, text; mov ebx, its length; call printstring */
static void emit_print(struct program *program, const struct printers *printers, uint64_t text, uint32_t length)
{
	EMIT_RELATIVE(program, "\x48\x8d\x05", text, 0);
	EMIT(program, "\xbb");
	emit_code(program, (const char *)&length, sizeof(length));
	EMIT_RELATIVE(program, "\xe8", printers->string, 0);
}

/* mov rax, [variable]; shr rax, 10; call printuint */
static void emit_print_kib(struct program *program, const struct printers *printers, uint64_t variable)
{
	EMIT_RELATIVE(program, "\x48\x8b\x05", variable, 0);
	EMIT(program, "\x48\xc1\xe8\x0a");
	EMIT_RELATIVE(program, "\xe8", printers->number, 0);
}

/* The function on the other stack: prints "scav N KiB work, N KiB total, N% util". */
static void emit_closure(struct program *program, const struct printers *printers)
{
	EMIT_RELATIVE(program, "\xe8", printers->lock, 0);
	emit_print(program, printers, TEXTS, 5);
	emit_print_kib(program, printers, WORK);
	emit_print(program, printers, TEXTS + 5, 11);
	emit_print_kib(program, printers, TOTAL);
	emit_print(program, printers, TEXTS + 16, 12);
	EMIT_RELATIVE(program, "\x48\x8b\x0d", IN_USE, 0); /* mov rcx, in use */
	EMIT(program, "\x48\x6b\xc1\x64");		   /* imul rax, rcx, 100 */
	EMIT_RELATIVE(program, "\x48\x03\x0d", FREE, 0);   /* add rcx, free */
	EMIT(program, "\x31\xd2\x48\xf7\xf1");		   /* xor edx, edx; div rcx */
	EMIT_RELATIVE(program, "\xe8", printers->number, 0);
	emit_print(program, printers, TEXTS + 28, 7);
	EMIT(program, "\xc3");
}

/* @func_value: where systemstack finds the address of what it is to call. */
static void make_sweep(struct program *program, uint64_t func_value)
{
	struct printers printers;
	uint64_t closure;

	*program = (struct program){ .parts = { .form = PCLNTAB_GO120 } };
	memcpy(program->rodata + 16, "scav  KiB work,  KiB total, % util\n", 35);
	printers.lock = add_empty_function(program, "runtime.printlock");
	printers.string = add_empty_function(program, "runtime.printstring");
	printers.number = add_empty_function(program, "runtime.printuint");
	/* What it does with stacks, no emulation could follow: nothing that can be decoded. */
	printers.systemstack = begin_function(program, "runtime.systemstack");
	EMIT(program, "\x06");
	closure = begin_function(program, "runtime.sweepone.func3");
	memcpy(program->rodata, &closure, sizeof(closure));
	emit_closure(program, &printers);
	begin_function(program, "runtime.sweepone");
	EMIT(program, "\x48\x83\xec\x10"); /* sub rsp, 16 */
	EMIT_RELATIVE(program, "\x83\x3d", SWITCH, 1);
	EMIT(program, "\0\x7e\x10"); /* jle behind the call */
	EMIT_RELATIVE(program, "\x48\x8d\x05", func_value, 0);
	EMIT(program, "\x48\x89\x04\x24"); /* mov [rsp], rax */
	EMIT_RELATIVE(program, "\xe8", printers.systemstack, 0);
	EMIT(program, "\x48\x83\xc4\x10\xc3");
}

static void assert_shape(const struct recipe *recipe, expr_id id, const char *expected)
{
	char text[128];

	assert_true(id != EXPR_NONE);
	expr_format(recipe->pool, id, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void line_behind_systemstack(void **unused)
{
	struct failure failure = { "" };
	struct scavenge_recipes recipes;
	struct program program;
	char text[128];

	(void)unused;
	make_sweep(&program, CLOSURE);
	open_program(&program);
	if (recipe_solve_scavtrace(program.gobin, &recipes, &failure))
		fail_msg("%s", failure.text);
	assert_null(recipes.forced);
	assert_true(recipes.background->cumulative);
	assert_string_equal(recipes.background->function, "runtime.sweepone");
	assert_string_equal(recipes.background->probe_text, "jle");
	assert_int_equal(recipes.background->switch_address, SWITCH);
	recipe_format_string(recipes.background, text, sizeof(text));
	assert_string_equal(text, "scav %u KiB work, %u KiB total, %u% util");
	assert_int_equal(recipes.background->items[1].unit, RECIPE_UNIT_BYTES);
	assert_int_equal(recipes.background->items[1].scale_shift, 10);
	assert_shape(recipes.background, recipes.background->items[1].raw, "u64[0x501100]");
	assert_shape(recipes.background, recipes.background->extras[RECIPE_SWITCH], "u32[0x501000]");
	assert_shape(recipes.background, recipes.background->extras[RECIPE_IN_USE], "u64[0x501300]");
	assert_shape(recipes.background, recipes.background->extras[RECIPE_RETAINED], "u64[0x501300] + u64[0x501400]");
	recipe_free(recipes.background);
	close_program(&program);
}

static void closures_that_cannot_be_known(void **unused)
{
	struct program program;

	(void)unused;
	/* Only the process has what lies in its variables. */
	make_sweep(&program, WORK);
	assert_no_scavtrace(&program, -ENOTSUP, "calls a function that cannot be known");
	/* No func value is there, and no function at address 0. */
	make_sweep(&program, CLOSURE + 8);
	assert_no_scavtrace(&program, -ENOTSUP, "does not print a scavtrace line");
	make_sweep(&program, 0x700000);
	assert_no_scavtrace(&program, -ENOTSUP, "does not print a scavtrace line");
}

/* ---- The memory limit ------------------------------------------------------------------------ */

#define CONTROLLER (GO_DATA + 0x2000)

/* gcControllerCommit passes the controller to commit; the method @name reads @reads of its fields, last one first. */
static void make_controller(struct program *program, const char *name, unsigned reads)
{
	uint64_t commit;

	*program = (struct program){ .parts = { .form = PCLNTAB_GO120 } };
	commit = add_empty_function(program, "runtime.(*gcControllerState).commit");
	begin_function(program, "runtime.gcControllerCommit");
	EMIT_RELATIVE(program, "\x48\x8d\x05", CONTROLLER, 0);
	EMIT_RELATIVE(program, "\xe8", commit, 0);
	EMIT(program, "\xc3");
	begin_function(program, name);
	for (unsigned i = reads; i-- > 0;) {
		uint32_t offset = 0x100 + 8 * i;

		EMIT(program, "\x48\x8b\x88"); /* mov rcx, [rax + offset] */
		emit_code(program, (const char *)&offset, sizeof(offset));
		EMIT(program, "\x48\x8b\x90"); /* a second time, which is no news */
		emit_code(program, (const char *)&offset, sizeof(offset));
	}
	EMIT(program, "\xc3");
}

static int find_limit(struct program *program, struct recipe_limit *limit, struct failure *failure)
{
	int error;

	*failure = (struct failure){ "" };
	*limit = (struct recipe_limit){ 0 };
	open_program(program);
	error = recipe_memory_limit(program->gobin, limit, failure);
	close_program(program);
	return error;
}

static void fields_of_the_memory_limit(void **unused)
{
	static const char method[] = "runtime.(*gcControllerState).memoryLimitHeapGoal";
	struct recipe_limit limit;
	struct failure failure;
	struct program program;

	(void)unused;
	make_controller(&program, method, 5);
	assert_int_equal(find_limit(&program, &limit, &failure), 0);
	assert_int_equal(limit.heap_free, CONTROLLER + 0x120);
	assert_int_equal(limit.mapped_ready, CONTROLLER + 0x108);
	assert_int_equal(limit.memory_limit, CONTROLLER + 0x100);
	make_controller(&program, method, 4);
	assert_int_equal(find_limit(&program, &limit, &failure), -EBADMSG);
	assert_non_null(strstr(failure.text, "cannot find the memory limit in"));
	/* A version that has none. */
	make_controller(&program, "runtime.(*gcControllerState).endCycle", 5);
	assert_int_equal(find_limit(&program, &limit, &failure), -ENOENT);
	assert_string_equal(failure.text, "");
	/* Nobody says where the controller is. */
	program = (struct program){ .parts = { .form = PCLNTAB_GO120 } };
	add_empty_function(&program, method);
	assert_int_equal(find_limit(&program, &limit, &failure), -ENOENT);
	add_empty_function(&program, "runtime.gcControllerCommit");
	assert_int_equal(find_limit(&program, &limit, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "cannot find the memory limit in"));
}

/* Variables that lie elsewhere are not the controller's. */
static void fields_of_something_else(void **unused)
{
	struct recipe_limit limit;
	struct failure failure;
	struct program program;

	(void)unused;
	make_controller(&program, "runtime.(*gcControllerState).memoryLimitHeapGoal", 5);
	program.at -= 1 + 14;				    /* the last read and the return */
	EMIT_RELATIVE(&program, "\x48\x8b\x0d", SWITCH, 0); /* mov rcx, variable */
	EMIT(&program, "\xc3");
	assert_int_equal(find_limit(&program, &limit, &failure), -EBADMSG);
}

static void goal_of_gogc(void **unused)
{
	struct failure failure = { "" };
	struct program program;
	uint64_t address = 0;

	(void)unused;
	make_controller(&program, "runtime.(*gcControllerState).heapGoalInternal", 2);
	open_program(&program);
	assert_int_equal(recipe_percent_goal(program.gobin, &address, &failure), 0);
	assert_int_equal(address, CONTROLLER + 0x108);
	close_program(&program);
	make_controller(&program, "runtime.(*gcControllerState).heapGoalInternal", 0);
	open_program(&program);
	assert_int_equal(recipe_percent_goal(program.gobin, &address, &failure), -EBADMSG);
	assert_non_null(strstr(failure.text, "cannot find the heap goal"));
	close_program(&program);
}

/* ---- Real programs --------------------------------------------------------------------------- */

static void assert_expression(const struct recipe *recipe, const struct gc_layout *layout, const char *field,
			      const char *part)
{
	int index = record_field_index(&record_gc_cycle, field);
	char text[256];

	for (unsigned i = 0; i < recipe->nr_items; i++) {
		if (layout->line.fields[i] != index || recipe->items[i].format == RECIPE_LITERAL)
			continue;
		expr_format(recipe->pool, recipe->items[i].value, text, sizeof(text));
		if (!strstr(text, part))
			fail_msg("%s is \"%s\", without \"%s\"", field, text, part);
		return;
	}
	fail_msg("no item is %s", field);
}

static void real_program(const char *path)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin = NULL;
	struct recipe *recipe = NULL;
	struct gc_layout layout;
	char text[512];

	if (image_open(path, &image, &failure) || gobin_open(image, &gobin, &failure) ||
	    recipe_solve_gctrace(gobin, &recipe, &failure) || gc_layout_learn(recipe, &layout, &failure))
		fail_msg("%s: %s", path, failure.text);
	assert_int_equal(recipe->checks, 8);
	assert_true(recipe->probe_text[0] == 'j' && recipe->probe_offset && recipe->switch_address);
	assert_true(recipe->nr_windows && recipe->payload_bytes <= GCTAP_PAYLOAD_MAX);
	recipe_format_string(recipe, text, sizeof(text));
	assert_memory_equal(text, "gc %u @%.3us %", 14);
	assert_non_null(
		strstr(text, ": %ms+%ms+%ms ms clock, %ms+%ms/%ms/%ms+%ms ms cpu, %u->%u->%u MB, %u MB goal, "));
	assert_non_null(strstr(text, "[ (forced)]"));
	assert_expression(recipe, &layout, "cycle", "u32[0x");
	assert_expression(recipe, &layout, "start_since_program_ns", ") / 1000000");
	assert_expression(recipe, &layout, "gc_cpu_percent", " *. 100)");
	assert_expression(recipe, &layout, "clock_mark_ns", "] - u64[0x");
	assert_expression(recipe, &layout, "cpu_background_ns", "] + u64[0x");
	assert_expression(recipe, &layout, "heap_goal_bytes", ">> 20");
	assert_expression(recipe, &layout, "processors", "u32[0x");
	gc_layout_clear(&layout);
	recipe_free(recipe);
	gobin_close(gobin);
	image_close(image);
}

static void programs_of_the_system_go(void **unused)
{
	(void)unused;
	each_test_binary("programs_of_the_system_go", real_program);
}

/* Go 1.15, 1.19 and 1.21; what is said of every sweep, and of debug.FreeOSMemory. */
static const char *const sweep_lines[] = {
	"scav %u %u KiB work, %u KiB total, %u% util",
	"scav %u KiB work, %u KiB total, %u% util[ [controller reset]]",
	"scav %u KiB work (bg), %u KiB work (eager), %u KiB now, %u% util[ [controller reset]]",
};
static const char *const forced_lines[] = {
	"scav %u %u KiB work, %u KiB total, %u% util (forced)",
	"scav %u KiB work, %u KiB total, %u% util (forced)",
	"scav 0 KiB work (bg), %u KiB work (eager), %u KiB now, %u% util (forced)",
};

struct leaf_search {
	uint64_t address;
	bool found;
};

static void note_leaf(expr_id id, const struct expr_node *leaf, void *context)
{
	struct leaf_search *search = context;

	(void)id;
	search->found |= leaf->op == EXPR_MEMORY && leaf->value == search->address && leaf->size == 8;
}

static bool retained_holds(const struct recipe *recipe, uint64_t address)
{
	struct leaf_search search = { address, false };

	expr_each_leaf(recipe->pool, recipe->extras[RECIPE_RETAINED], note_leaf, &search);
	return search.found;
}

/* Which version's line it is. */
static unsigned check_scavtrace(const char *path, const struct recipe *recipe, bool forced)
{
	const char *const *lines = forced ? forced_lines : sweep_lines;
	struct failure failure = { "" };
	struct scavenge_layout layout;
	unsigned version = 0;
	char text[512];

	recipe_format_string(recipe, text, sizeof(text));
	while (version < 3 && strcmp(text, lines[version]))
		version++;
	if (version == 3)
		fail_msg("%s: \"%s\"", path, text);
	assert_true(recipe->checks >= 4);
	assert_true(recipe->probe_text[0] == 'j' && recipe->probe_offset && recipe->switch_address);
	assert_true(recipe->nr_windows && recipe->payload_bytes <= GCTAP_PAYLOAD_MAX);
	for (unsigned i = 0; i < RECIPE_EXTRAS; i++)
		assert_true(recipe->extras[i] != EXPR_NONE);
	assert_int_equal(expr_node(recipe->pool, recipe->extras[RECIPE_SWITCH])->value, recipe->switch_address);
	if (scavenge_layout_learn(recipe, forced, &layout, &failure))
		fail_msg("%s: %s", path, failure.text);
	assert_int_equal(layout.counters[1] >= 0, version == 2 && !forced);
	for (unsigned i = 0; i < recipe->nr_items; i++)
		assert_null(layout.line.labels[i]);
	scavenge_layout_clear(&layout);
	return version;
}

static void real_scavtrace(const char *path)
{
	struct failure failure = { "" };
	struct scavenge_recipes recipes;
	struct recipe_limit limit;
	struct image *image;
	struct gobin *gobin = NULL;
	struct gobin_function function;
	unsigned version;
	int error;

	if (image_open(path, &image, &failure) || gobin_open(image, &gobin, &failure) ||
	    recipe_solve_scavtrace(gobin, &recipes, &failure))
		fail_msg("%s: %s", path, failure.text);
	version = check_scavtrace(path, recipes.background, false);
	/* A generation's counters start anew with each line, others only when it was printed. */
	assert_int_equal(recipes.background->cumulative, version > 0);
	assert_int_equal(!recipes.forced,
			 gobin_function_by_name(gobin, "runtime.(*mheap).scavengeAll", &function) != 0);
	if (recipes.forced) {
		assert_int_equal(check_scavtrace(path, recipes.forced, true), version);
		assert_false(recipes.forced->cumulative);
		assert_int_equal(recipes.forced->switch_address, recipes.background->switch_address);
	}
	/* The memory limit came with the lines of 1.19. */
	error = recipe_memory_limit(gobin, &limit, &failure);
	assert_int_equal(error, version ? 0 : -ENOENT);
	if (!error) {
		assert_true(retained_holds(recipes.background, limit.heap_free));
		assert_false(retained_holds(recipes.background, limit.mapped_ready));
		assert_false(retained_holds(recipes.background, limit.memory_limit));
		assert_true(limit.mapped_ready != limit.memory_limit);
	}
	recipe_free(recipes.background);
	recipe_free(recipes.forced);
	gobin_close(gobin);
	image_close(image);
}

static void scavtrace_of_the_system_go(void **unused)
{
	(void)unused;
	each_test_binary("scavtrace_of_the_system_go", real_scavtrace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guards),
		cmocka_unit_test(guards_that_hang_on_each_other),
		cmocka_unit_test(more_parts_than_there_is_room_for),
		cmocka_unit_test(texts_are_explained),
		cmocka_unit_test(other_numbers_are_no_explanation),
		cmocka_unit_test(near_leaves_share_a_window),
		cmocka_unit_test(long_rows_become_several_windows),
		cmocka_unit_test(too_many_windows),
		cmocka_unit_test(too_many_bytes),
		cmocka_unit_test(too_many_expressions),
		cmocka_unit_test(stack_and_registers),
		cmocka_unit_test(capture_of_another_probe),
		cmocka_unit_test(what_is_unknown_is_shown_as_such),
		cmocka_unit_test(short_buffers),
		cmocka_unit_test(format_strings),
		cmocka_unit_test(programs_without_the_line),
		cmocka_unit_test(programs_without_scavtrace),
		cmocka_unit_test(programs_with_generations),
		cmocka_unit_test(line_behind_systemstack),
		cmocka_unit_test(closures_that_cannot_be_known),
		cmocka_unit_test(fields_of_the_memory_limit),
		cmocka_unit_test(fields_of_something_else),
		cmocka_unit_test(goal_of_gogc),
		cmocka_unit_test(programs_of_the_system_go),
		cmocka_unit_test(scavtrace_of_the_system_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
