// SPDX-License-Identifier: BSD-2-Clause
/*
 * The heap goal that GOGC alone sets: what (*gcControllerState).heapGoalInternal
 * reads first, before it asks for the goal of the memory limit (runtime/mgcpacer.go,
 * since 1.19). Its receiver is the address that gcControllerCommit passes to commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "recipe_internal.h"

#define GOAL_FUNCTION	 "runtime.(*gcControllerState).heapGoalInternal"
#define COMMIT_FUNCTION	 "runtime.gcControllerCommit"
#define METHOD_PREFIX	 "runtime.(*gcControllerState)."
#define INSTRUCTIONS_MAX 500u
#define NANOSECONDS_MAX	 100000000u

enum { RAX = 0 };

struct goal {
	struct gobin *gobin;
	uint64_t controller; /* address of runtime.gcController */
	uint64_t first_read; /* the first 8-byte variable that is read; 0: none yet */
};

static bool is_method(struct gobin *gobin, uint64_t target)
{
	struct gobin_function function;

	return !gobin_function_by_address(gobin, target, &function) && function.entry == target &&
	       !strncmp(function.name, METHOD_PREFIX, strlen(METHOD_PREFIX));
}

/* By the time the limit's own goal is asked for, the other one has been read. */
static enum emu_answer on_call(struct emu *emu, uint64_t target, void *context, struct failure *failure)
{
	struct goal *goal = context;

	(void)emu;
	(void)failure;
	return is_method(goal->gobin, target) ? EMU_STOP : EMU_DESCEND;
}

static uint64_t on_read(const struct expr_node *leaf, void *context)
{
	struct goal *goal = context;

	if (leaf->op == EXPR_MEMORY && leaf->size == 8 && !goal->first_read)
		goal->first_read = leaf->value;
	return leaf->op == EXPR_REGISTER ? 0x00007ea100000000ull + (leaf->value << 20) : 0;
}

static void pass_receiver(struct emu *emu, void *context)
{
	const struct goal *goal = context;

	emu_set_register(emu, RAX, (struct emu_value){ goal->controller, EXPR_NONE });
}

/* The address that is taken last before a method of the controller is called. */
static int find_controller(struct emu *emu, struct goal *goal, const struct gobin_function *commit)
{
	struct emu_instruction instruction;
	uint64_t taken = 0;

	for (uint64_t at = commit->entry; at < commit->end && !emu_decode(emu, at, &instruction);
	     at += instruction.size) {
		if (instruction.takes_address)
			taken = instruction.memory_address;
		if (instruction.call && taken && is_method(goal->gobin, instruction.target)) {
			goal->controller = taken;
			return 0;
		}
	}
	return -ENOTSUP;
}

int recipe_percent_goal(struct gobin *gobin, uint64_t *address, struct failure *failure)
{
	const struct gobin_moduledata *module = gobin_moduledata(gobin);
	struct goal goal = { .gobin = gobin };
	struct emu_options options = {
		.image = gobin_image(gobin),
		.symbolic_start = module->noptrdata,
		.symbolic_end = module->enoptrbss,
		.instructions_max = INSTRUCTIONS_MAX,
		.nanoseconds_max = NANOSECONDS_MAX,
		.hooks = { .call = on_call, .concrete = on_read, .prepare = pass_receiver, .context = &goal },
	};
	struct gobin_function function, commit;
	struct emu *emu;
	int error;

	if (gobin_function_by_name(gobin, GOAL_FUNCTION, &function) ||
	    gobin_function_by_name(gobin, COMMIT_FUNCTION, &commit))
		return -ENOENT;
	error = emu_new(&options, &emu, failure);
	if (error)
		return error;
	error = find_controller(emu, &goal, &commit);
	if (!error)
		error = emu_run(emu, function.entry, NULL, failure);
	emu_free(emu);
	/* It is a field of the controller, which is far smaller than this in every version. */
	if (!error && (goal.first_read < goal.controller || goal.first_read > goal.controller + 4096))
		error = -EBADMSG;
	if (error)
		return failure_set(failure, error, "cannot find the heap goal of GOGC in %s", GOAL_FUNCTION);
	*address = goal.first_read;
	return 0;
}
