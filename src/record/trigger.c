// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/trigger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/emu.h"

#define FUNCTION       "runtime.gcBgMarkStartWorkers"
#define PROLOGUE_BYTES 48u /* within which the branch of the stack check lies */

struct trigger {
	const char *reason;   /* NULL: unknown */
	const char *function; /* that asked for the cycle; NULL: unknown */
	const char *file;
	uint32_t line_number;
	const char *stack[GCTAP_FRAMES_MAX + 1];
	char line[RECIPE_LINE_MAX + 512];
};

static enum emu_answer no_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	(void)emu;
	(void)target;
	(void)context;
	(void)failure;
	return EMU_FAIL;
}

static uint64_t no_number(const struct expr_node *leaf, void *context)
{
	(void)leaf;
	(void)context;
	return 0;
}

/* The branch of the stack check: runs at each entry, and is not taken exactly once per call. */
static int find_branch(struct gobin *gobin, const struct gobin_function *function, uint64_t *address,
		       struct failure *failure)
{
	struct emu_options options = { .image = gobin_image(gobin),
				       .hooks = { .call = no_call, .concrete = no_number } };
	struct emu_instruction instruction;
	struct emu *emu;
	uint64_t at = function->entry;
	int error = emu_new(&options, &emu, failure);

	if (error)
		return error;
	error = -ENOENT;
	while (error == -ENOENT && at < function->entry + PROLOGUE_BYTES && !emu_decode(emu, at, &instruction)) {
		if (instruction.conditional_branch && !strcmp(instruction.text, "jbe")) {
			*address = at;
			error = 0;
		}
		at += instruction.size;
	}
	emu_free(emu);
	if (error)
		failure_set(failure, error, "%s has no stack check: --trigger has nothing to attach to", FUNCTION);
	return error;
}

/* A version without a memory limit needs no second reading; one that hides its goal shows "heap_goal" for both. */
static void plan_goal(struct gobin *gobin, uint64_t probe, struct trigger_plan *plan)
{
	uint64_t address;

	if (recipe_percent_goal(gobin, &address, NULL))
		return;
	plan->has_goal = true;
	plan->goal.flags = GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL;
	plan->goal.nr_windows = 1;
	plan->goal.windows[0] =
		(struct gctap_window){ .delta = (int64_t)(address - probe), .length = 8, .base = GCTAP_BASE_IP };
}

int trigger_plan(struct gobin *gobin, struct trigger_plan *plan, struct failure *failure)
{
	struct gobin_function function;
	uint64_t address;
	int error = gobin_function_by_name(gobin, FUNCTION, &function);

	if (error)
		return failure_set(failure, error, "the binary has no %s: --trigger cannot work", FUNCTION);
	error = find_branch(gobin, &function, &address, failure);
	memset(plan, 0, sizeof(*plan));
	if (!error && image_offset_of(gobin_image(gobin), address, &plan->file_offset))
		error = failure_set(failure, -EFAULT, "%s is not in the file", FUNCTION);
	if (error)
		return error;
	plan->stack.flags = GCTAP_CAPTURE_STACK | GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL | GCTAP_CAPTURE_IN_PROLOGUE;
	plan->address = address;
	plan_goal(gobin, address, plan);
	return 0;
}

static bool is_runtime(const char *name)
{
	return !strncmp(name, "runtime.", 8) || !strncmp(name, "internal/runtime/", 17) ||
	       !strncmp(name, "runtime/internal/", 17) || !strncmp(name, "runtime/debug.", 14);
}

/* Why, by the functions between gcStart and the program's own. */
static const char *reason_of(const char *const *stack)
{
	const char *reason = NULL;

	for (; *stack; stack++) {
		if (!strcmp(*stack, "runtime.forcegchelper"))
			return "periodic";
		if (!strcmp(*stack, "runtime/debug.freeOSMemory") || !strcmp(*stack, "runtime/debug.FreeOSMemory"))
			return "debug.FreeOSMemory";
		if (!strcmp(*stack, "runtime.GC"))
			reason = "runtime.GC";
		else if (!reason && !strncmp(*stack, "runtime.mallocgc", 16))
			reason = "heap_goal";
	}
	return reason;
}

static void find_caller(struct gobin *gobin, struct trigger *trigger, const uint64_t *addresses, uint64_t bias,
			unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!trigger->stack[i] || is_runtime(trigger->stack[i]))
			continue;
		trigger->function = trigger->stack[i];
		if (gobin_line(gobin, addresses[i] - bias - 1, &trigger->file, &trigger->line_number))
			trigger->file = NULL;
		return;
	}
}

struct trigger *trigger_new(struct gobin *gobin, const struct trigger_plan *plan, const struct gctap_event *event)
{
	struct trigger *trigger = calloc(1, sizeof(*trigger));
	unsigned count = event->payload_bytes / sizeof(uint64_t), named = 0;
	uint64_t addresses[GCTAP_FRAMES_MAX], bias;

	if (!trigger || !(event->facts & GCTAP_FACT_STACK) || count < 2)
		return trigger;
	if (count > GCTAP_FRAMES_MAX)
		count = GCTAP_FRAMES_MAX;
	memcpy(addresses, event->payload, count * sizeof(addresses[0]));
	/* The first address is the probe's own. */
	bias = addresses[0] - plan->address;
	for (unsigned i = 1; i < count; i++) {
		struct gobin_function function;

		/* What is no Go function ends the walk: frames of C, or a torn stack. */
		if (gobin_function_by_address(gobin, addresses[i] - bias - 1, &function))
			break;
		trigger->stack[named] = function.name;
		addresses[named++] = addresses[i];
	}
	trigger->reason = reason_of(trigger->stack);
	find_caller(gobin, trigger, addresses, bias, named);
	return trigger;
}

void trigger_free(struct trigger *trigger)
{
	free(trigger);
}

bool trigger_goal(const struct gctap_event *event, uint64_t *percent_goal)
{
	if (!(event->windows_read & 1) || event->payload_bytes < sizeof(*percent_goal))
		return false;
	memcpy(percent_goal, event->payload, sizeof(*percent_goal));
	return true;
}

/* The limit has lowered the goal below what GOGC had set. */
static bool below(const uint64_t *percent_goal, const struct record *record)
{
	struct value goal = record_value(record, "heap_goal_bytes");

	return percent_goal && goal.known && goal.u < *percent_goal;
}

void trigger_describe(struct trigger *trigger, const uint64_t *percent_goal, struct record *record)
{
	if (trigger->reason && !strcmp(trigger->reason, "heap_goal") && below(percent_goal, record))
		trigger->reason = "memory_limit";
	record_set_text(record, "trigger", trigger->reason);
	record_set_text(record, "trigger_function", trigger->function);
	record_set_text(record, "trigger_file", trigger->file);
	if (trigger->file)
		record_set_unsigned(record, "trigger_line", trigger->line_number);
	if (trigger->stack[0])
		record_set_texts(record, "trigger_stack", trigger->stack);
}

const char *trigger_line(struct trigger *trigger, const char *line)
{
	int used = snprintf(trigger->line, sizeof(trigger->line), "%s <- %s", line,
			    trigger->reason ? trigger->reason : "unknown");

	if (trigger->function && used < (int)sizeof(trigger->line))
		used += snprintf(trigger->line + used, sizeof(trigger->line) - (size_t)used, ", %s", trigger->function);
	if (trigger->file && used < (int)sizeof(trigger->line))
		snprintf(trigger->line + used, sizeof(trigger->line) - (size_t)used, " %s:%u", trigger->file,
			 trigger->line_number);
	return trigger->line;
}
