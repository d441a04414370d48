// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fields of runtime.gcController, by what its methods read (runtime/mgcpacer.go,
 * since 1.19). Their receiver is the address that gcControllerCommit passes to commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "recipe_internal.h"

#define GOAL_FUNCTION	 "runtime.(*gcControllerState).heapGoalInternal"
#define LIMIT_FUNCTION	 "runtime.(*gcControllerState).memoryLimitHeapGoal"
#define COMMIT_FUNCTION	 "runtime.gcControllerCommit"
#define METHOD_PREFIX	 "runtime.(*gcControllerState)."
#define INSTRUCTIONS_MAX 500u
#define NANOSECONDS_MAX	 2000000000u /* the search in front of the run counts, too */
#define FIELDS_BYTES	 4096u	     /* the controller is far smaller than this in every version */
#define READS_MAX	 5u

enum { RAX = 0 };

/* A method under emulation. */
struct method {
	struct gobin *gobin;
	uint64_t controller;	   /* address of runtime.gcController */
	uint64_t reads[READS_MAX]; /* the 8-byte variables that it reads, in order */
	unsigned nr_reads;
};

static bool is_method(struct gobin *gobin, uint64_t target)
{
	struct gobin_function function;

	return !gobin_function_by_address(gobin, target, &function) && function.entry == target &&
	       !strncmp(function.name, METHOD_PREFIX, strlen(METHOD_PREFIX));
}

/* By the time another method is called, what it is about has been read. */
static enum emu_answer on_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	struct method *method = context;

	(void)emu;
	(void)failure;
	return is_method(method->gobin, target) ? EMU_STOP : EMU_DESCEND;
}

static uint64_t on_read(const struct expr_node *leaf, void *context)
{
	struct method *method = context;
	bool known = false;

	if (leaf->op == EXPR_REGISTER)
		return 0x00007ea100000000ull + (leaf->value << 20);
	for (unsigned i = 0; i < method->nr_reads; i++)
		known |= method->reads[i] == leaf->value;
	if (leaf->op == EXPR_MEMORY && leaf->size == 8 && !known && method->nr_reads < READS_MAX)
		method->reads[method->nr_reads++] = leaf->value;
	return 0;
}

static void pass_receiver(struct emu *emu, void *context)
{
	const struct method *method = context;

	emu_set_register(emu, RAX, (struct emu_value){ method->controller, EXPR_NONE });
}

/* The address that is taken last before a method of the controller is called. */
static int find_controller(struct emu *emu, struct method *method, const struct gobin_function *commit)
{
	struct emu_instruction instruction;
	uint64_t taken = 0;

	for (uint64_t at = commit->entry; at < commit->end && !emu_decode(emu, at, &instruction);
	     at += instruction.size) {
		if (instruction.takes_address)
			taken = instruction.memory_address;
		if (instruction.call && taken && is_method(method->gobin, instruction.target)) {
			method->controller = taken;
			return 0;
		}
	}
	return -ENOTSUP;
}

/* Emulates a method up to its return, or to what cannot be followed: by then it has read. */
static int emulate(struct method *method, const struct gobin_function *function, struct failure *failure)
{
	const struct gobin_moduledata *module = gobin_moduledata(method->gobin);
	struct emu_options options = {
		.image = gobin_image(method->gobin),
		.symbolic_start = module->noptrdata,
		.symbolic_end = module->enoptrbss,
		.instructions_max = INSTRUCTIONS_MAX,
		.nanoseconds_max = NANOSECONDS_MAX,
		.hooks = { .call = on_call, .concrete = on_read, .prepare = pass_receiver, .context = method },
	};
	struct gobin_function commit;
	struct emu *emu;
	int error = gobin_function_by_name(method->gobin, COMMIT_FUNCTION, &commit);

	if (error)
		return -ENOENT;
	error = emu_new(&options, &emu, failure);
	if (error)
		return error;
	error = find_controller(emu, method, &commit);
	if (!error)
		emu_run(emu, function->entry, NULL, NULL);
	emu_free(emu);
	for (unsigned i = 0; i < method->nr_reads && !error; i++)
		if (method->reads[i] < method->controller || method->reads[i] > method->controller + FIELDS_BYTES)
			error = -EBADMSG;
	return error;
}

int recipe_percent_goal(struct gobin *gobin, uint64_t *address, struct failure *failure)
{
	struct method method = { .gobin = gobin };
	struct gobin_function function;
	int error;

	if (gobin_function_by_name(gobin, GOAL_FUNCTION, &function))
		return -ENOENT;
	error = emulate(&method, &function, failure);
	if (!error && !method.nr_reads)
		error = -EBADMSG;
	if (error == -ENOENT)
		return error;
	if (error)
		return failure_set(failure, error, "cannot find the heap goal of GOGC in %s", GOAL_FUNCTION);
	*address = method.reads[0];
	return 0;
}

/* Free heap, totals of allocated and freed objects, what is mapped and ready, the limit: in this order since 1.19. */
int recipe_memory_limit(struct gobin *gobin, struct recipe_limit *limit, struct failure *failure)
{
	struct method method = { .gobin = gobin };
	struct gobin_function function;
	int error;

	if (gobin_function_by_name(gobin, LIMIT_FUNCTION, &function))
		return -ENOENT;
	error = emulate(&method, &function, failure);
	if (!error && method.nr_reads < READS_MAX)
		error = -EBADMSG;
	if (error == -ENOENT)
		return error;
	if (error)
		return failure_set(failure, error, "cannot find the memory limit in %s", LIMIT_FUNCTION);
	limit->heap_free = method.reads[0];
	limit->mapped_ready = method.reads[3];
	limit->memory_limit = method.reads[4];
	return 0;
}
