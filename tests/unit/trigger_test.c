// SPDX-License-Identifier: BSD-2-Clause
/* trigger: why a cycle began, from the return addresses on the stack that began it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "go_builder.h"

#include "gctap/trigger.h"

#define BIAS 0x555500000000ull

enum { WORKERS, START, MALLOCGC, GC, FREE_OS_MEMORY, FORCEGC, PUT, MAIN, GOEXIT, FUNCTIONS };

#define ENTRY(function) (GO_TEXT + 32ull * (function))

static const struct go_function functions[FUNCTIONS] = {
	[WORKERS] = { "runtime.gcBgMarkStartWorkers", ENTRY(WORKERS), "mgc.go", 1 },
	[START] = { "runtime.gcStart", ENTRY(START), "mgc.go", 2 },
	[MALLOCGC] = { "runtime.mallocgcSmallScan", ENTRY(MALLOCGC), "malloc.go", 3 },
	[GC] = { "runtime.GC", ENTRY(GC), "mgc.go", 4 },
	[FREE_OS_MEMORY] = { "runtime/debug.FreeOSMemory", ENTRY(FREE_OS_MEMORY), "garbage.go", 5 },
	[FORCEGC] = { "runtime.forcegchelper", ENTRY(FORCEGC), "proc.go", 6 },
	[PUT] = { "main.(*cache).put", ENTRY(PUT), "cache.go", 88 },
	[MAIN] = { "main.main", ENTRY(MAIN), "main.go", 10 },
	[GOEXIT] = { "runtime.goexit", ENTRY(GOEXIT), "asm.s", 1 },
};

struct program {
	uint8_t *file;
	struct image *image;
	struct gobin *gobin;
	struct trigger_plan plan;
};

static void open_program(struct program *program, const struct go_function *first, uint32_t count, const void *code,
			 size_t size)
{
	struct go_program made = {
		.form = PCLNTAB_GO120, .functions = first, .nr_functions = count, .code = code, .code_size = size
	};
	size_t bytes;

	program->file = go_program(&made, &bytes);
	assert_int_equal(image_open_bytes(program->file, bytes, &program->image, NULL), 0);
	assert_int_equal(gobin_open(program->image, &program->gobin, NULL), 0);
}

static void close_program(struct program *program)
{
	gobin_close(program->gobin);
	image_close(program->image);
	free(program->file);
}

/* cmp rsp, [r14+16]; jbe; ret */
static void setup(struct program *program)
{
	static const uint8_t code[32 * FUNCTIONS] = { 0x49, 0x3b, 0x66, 0x10, 0x76, 0x10, 0xc3 };
	struct failure failure = { "" };

	open_program(program, functions, FUNCTIONS, code, sizeof(code));
	assert_int_equal(trigger_plan(program->gobin, &program->plan, &failure), 0);
}

/* An event with the probe's address, and return addresses @into bytes into these functions; -1 ends them. */
static void make_event(const struct program *program, const int *stack, uint64_t into, struct gctap_event *event)
{
	uint64_t addresses[GCTAP_FRAMES_MAX] = { program->plan.address + BIAS };
	uint32_t count = 1;

	for (; *stack >= 0; stack++)
		addresses[count++] = ENTRY(*stack) + into + BIAS;
	memset(event, 0, sizeof(*event));
	event->facts = GCTAP_FACT_STACK;
	event->payload_bytes = count * sizeof(addresses[0]);
	memcpy(event->payload, addresses, event->payload_bytes);
}

static const struct value *field(const struct record *record, const char *name)
{
	return &record->values[record_field_index(record->type, name)];
}

static void assert_text(const struct record *record, const char *name, const char *expected)
{
	if (!expected) {
		assert_false(field(record, name)->known);
		return;
	}
	assert_true(field(record, name)->known);
	assert_string_equal(field(record, name)->text, expected);
}

static void behind_the_stack_check(void **unused)
{
	struct program program;

	(void)unused;
	setup(&program);
	assert_true(program.plan.address == ENTRY(WORKERS) + 4);
	assert_memory_equal(program.file + program.plan.file_offset, "\x76\x10\xc3", 3);
	assert_true(program.plan.stack.flags & GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL);
	/* Nothing tells the goal of GOGC in this program. */
	assert_false(program.plan.has_goal);
	close_program(&program);
}

static void nothing_to_attach_to(void **unused)
{
	static const uint8_t code[32 * FUNCTIONS] = { 0x90, 0x90, 0xc3 };
	struct failure failure = { "" };
	struct program program;

	(void)unused;
	open_program(&program, functions, FUNCTIONS, code, sizeof(code));
	assert_int_equal(trigger_plan(program.gobin, &program.plan, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "no stack check"));
	close_program(&program);
	/* Addresses of the others stay as they are. */
	open_program(&program, functions + 1, FUNCTIONS - 1, code, sizeof(code));
	assert_int_equal(trigger_plan(program.gobin, &program.plan, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "no runtime.gcBgMarkStartWorkers"));
	close_program(&program);
}

/* Describes a cycle with that goal that began on that stack. */
static struct trigger *describe(struct program *program, const int *stack, uint64_t goal, const uint64_t *percent_goal,
				struct record *record)
{
	struct gctap_event event;
	struct trigger *trigger;

	make_event(program, stack, 5, &event);
	trigger = trigger_new(program->gobin, &program->plan, &event);
	assert_non_null(trigger);
	record_clear(record, &record_gc_cycle);
	if (goal)
		record_set_unsigned(record, "heap_goal_bytes", goal);
	trigger_describe(trigger, percent_goal, record);
	return trigger;
}

static void reasons(void **unused)
{
	static const struct {
		int stack[8];
		const char *reason, *function, *line;
	} cases[] = {
		{ { START, MALLOCGC, PUT, MAIN, -1 },
		  "heap_goal",
		  "main.(*cache).put",
		  "gc 1 <- heap_goal, main.(*cache).put cache.go:88" },
		{ { START, GC, MAIN, -1 }, "runtime.GC", "main.main", "gc 1 <- runtime.GC, main.main main.go:10" },
		{ { START, GC, FREE_OS_MEMORY, PUT, -1 },
		  "debug.FreeOSMemory",
		  "main.(*cache).put",
		  "gc 1 <- debug.FreeOSMemory, main.(*cache).put cache.go:88" },
		{ { START, FORCEGC, GOEXIT, -1 }, "periodic", NULL, "gc 1 <- periodic" },
		{ { START, MAIN, -1 }, NULL, "main.main", "gc 1 <- unknown, main.main main.go:10" },
	};
	struct program program;
	struct record record;

	(void)unused;
	setup(&program);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trigger *trigger = describe(&program, cases[i].stack, 1000, NULL, &record);

		assert_text(&record, "trigger", cases[i].reason);
		assert_text(&record, "trigger_function", cases[i].function);
		assert_int_equal(field(&record, "trigger_line")->known, cases[i].function != NULL);
		assert_string_equal(field(&record, "trigger_stack")->texts[0], "runtime.gcStart");
		assert_string_equal(trigger_line(trigger, "gc 1"), cases[i].line);
		trigger_free(trigger);
	}
	close_program(&program);
}

/* An allocation reaches both kinds of goal alike: the limit's is below that of GOGC. */
static void a_goal_that_the_limit_has_lowered(void **unused)
{
	static const int stack[] = { START, MALLOCGC, PUT, -1 };
	static const struct {
		uint64_t goal, percent_goal;
		const char *reason;
	} cases[] = {
		{ 999, 1000, "memory_limit" },
		{ 1000, 1000, "heap_goal" },
		{ 1001, 1000, "heap_goal" },
		{ 0, 1000, "heap_goal" }, /* unknown */
	};
	struct program program;
	struct record record;

	(void)unused;
	setup(&program);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		trigger_free(describe(&program, stack, cases[i].goal, &cases[i].percent_goal, &record));
		assert_text(&record, "trigger", cases[i].reason);
	}
	/* Somebody asked for it: no goal has to do with that. */
	trigger_free(describe(&program, (const int[]){ START, GC, MAIN, -1 }, 999, &cases[0].percent_goal, &record));
	assert_text(&record, "trigger", "runtime.GC");
	close_program(&program);
}

/* C code, or a stack that was torn: what is above is not believed. */
static void what_is_no_go_function_ends_the_stack(void **unused)
{
	static const int stack[] = { START, FUNCTIONS + 100, MALLOCGC, PUT, -1 };
	struct program program;
	struct trigger *trigger;
	struct record record;

	(void)unused;
	setup(&program);
	trigger = describe(&program, stack, 0, NULL, &record);
	assert_text(&record, "trigger", NULL);
	assert_text(&record, "trigger_function", NULL);
	assert_string_equal(field(&record, "trigger_stack")->texts[0], "runtime.gcStart");
	assert_null(field(&record, "trigger_stack")->texts[1]);
	assert_string_equal(trigger_line(trigger, "gc 1"), "gc 1 <- unknown");
	trigger_free(trigger);
	close_program(&program);
}

static void without_a_stack(void **unused)
{
	struct program program;
	struct gctap_event event;
	struct trigger *trigger;
	struct record record;

	(void)unused;
	setup(&program);
	make_event(&program, (const int[]){ START, MALLOCGC, -1 }, 5, &event);
	event.facts = 0;
	trigger = trigger_new(program.gobin, &program.plan, &event);
	record_clear(&record, &record_gc_cycle);
	trigger_describe(trigger, NULL, &record);
	assert_text(&record, "trigger", NULL);
	assert_false(field(&record, "trigger_stack")->known);
	trigger_free(trigger);
	close_program(&program);
}

/* A call can be the last instruction of its function: the return address is the next one's then. */
static void a_call_at_the_end_of_a_function(void **unused)
{
	struct program program;
	struct gctap_event event;
	struct trigger *trigger;

	(void)unused;
	setup(&program);
	make_event(&program, (const int[]){ START, GC, PUT, -1 }, 32, &event);
	trigger = trigger_new(program.gobin, &program.plan, &event);
	assert_string_equal(trigger_line(trigger, "gc 1"), "gc 1 <- runtime.GC, main.(*cache).put cache.go:90");
	trigger_free(trigger);
	close_program(&program);
}

/* More addresses than the event can have are not read. */
static void a_deep_stack(void **unused)
{
	struct program program;
	struct gctap_event event;
	struct trigger *trigger;
	struct record record;
	unsigned named = 0;

	(void)unused;
	setup(&program);
	make_event(&program, (const int[]){ START, -1 }, 5, &event);
	for (unsigned i = 1; i < sizeof(event.payload) / 8; i++)
		memcpy(event.payload + 8 * i, &(uint64_t){ ENTRY(MAIN) + 5 + BIAS }, 8);
	event.payload_bytes = sizeof(event.payload);
	trigger = trigger_new(program.gobin, &program.plan, &event);
	record_clear(&record, &record_gc_cycle);
	trigger_describe(trigger, NULL, &record);
	while (field(&record, "trigger_stack")->texts[named])
		named++;
	assert_true(named > 1 && named < GCTAP_FRAMES_MAX);
	trigger_free(trigger);
	close_program(&program);
}

static void the_goal_comes_in_an_event_of_its_own(void **unused)
{
	struct gctap_event event = { .windows_read = 1, .payload_bytes = 8 };
	uint64_t goal = 12345, read = 0;

	(void)unused;
	memcpy(event.payload, &goal, sizeof(goal));
	assert_true(trigger_goal(&event, &read));
	assert_true(read == goal);
	event.payload_bytes = 7;
	assert_false(trigger_goal(&event, &read));
	event.payload_bytes = 8;
	event.windows_read = 0;
	assert_false(trigger_goal(&event, &read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_the_stack_check),
		cmocka_unit_test(nothing_to_attach_to),
		cmocka_unit_test(reasons),
		cmocka_unit_test(a_goal_that_the_limit_has_lowered),
		cmocka_unit_test(what_is_no_go_function_ends_the_stack),
		cmocka_unit_test(without_a_stack),
		cmocka_unit_test(a_call_at_the_end_of_a_function),
		cmocka_unit_test(a_deep_stack),
		cmocka_unit_test(the_goal_comes_in_an_event_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
