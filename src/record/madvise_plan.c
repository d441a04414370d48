// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which functions tell the cause of a madvise call. The stack of a release in
 * any version from 1.15 to 1.27 leads through one of these: the background
 * scavenger's loop, scavengeAll for debug.FreeOSMemory, or an allocation.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "gctap/madvise.h"
#include "gctap/recipe.h"

struct marked_function {
	const char *name;
	uint32_t mark;
	bool old_only; /* not in binaries of Go 1.20 and later: looking for what is not there reads the whole table */
};

static const struct marked_function functions[] = {
	{ "runtime.bgscavenge", GCTAP_MADVISE_MARK_BACKGROUND, false },
	/* 1.15: the frame between is left out, see systemstack there; the closures are all that is on the stack. */
	{ "runtime.bgscavenge.func1", GCTAP_MADVISE_MARK_BACKGROUND, true },
	{ "runtime.bgscavenge.func2", GCTAP_MADVISE_MARK_BACKGROUND, true },
	{ "runtime.(*mheap).scavengeAll", GCTAP_MADVISE_MARK_FORCED, false },
	{ "runtime.(*pageAlloc).scavenge", GCTAP_MADVISE_MARK_SCAVENGE, false },
	{ "runtime.(*pageAlloc).scavengeOne", GCTAP_MADVISE_MARK_SCAVENGE, false },
	{ "runtime.(*mheap).allocSpan", GCTAP_MADVISE_MARK_ALLOC, false },
	{ "runtime.(*mheap).grow", GCTAP_MADVISE_MARK_GROW, false },
};

_Static_assert(sizeof(functions) / sizeof(functions[0]) <= GCTAP_MADVISE_RANGES_MAX, "ranges have room");

static void add_functions(struct gobin *gobin, struct gctap_madvise_process *plan)
{
	bool old = gobin_form(gobin) != PCLNTAB_GO120;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		struct gobin_function function;

		if ((functions[i].old_only && !old) || gobin_function_by_name(gobin, functions[i].name, &function))
			continue;
		plan->ranges[plan->nr_ranges++] = (struct gctap_madvise_range){ .start = function.entry,
										.end = function.end,
										.mark = functions[i].mark };
	}
}

/* The load bias is what the kernel's mm->start_code is above this. */
static uint64_t lowest_code(const struct image *image)
{
	uint64_t lowest = UINT64_MAX;

	for (size_t i = 0; i < image_segment_count(image); i++) {
		const struct image_segment *segment = image_segment(image, i);

		if (segment->executable && segment->address < lowest)
			lowest = segment->address;
	}
	return lowest == UINT64_MAX ? 0 : lowest;
}

int madvise_plan(struct image *image, struct gobin *gobin, struct gctap_madvise_process *plan, struct failure *failure)
{
	const struct gobin_moduledata *module;
	struct gobin_function function;
	struct recipe_limit limit;
	int error;

	memset(plan, 0, sizeof(*plan));
	if (!gobin)
		return 0;
	if (gobin_function_by_name(gobin, "runtime.madvise", &function))
		return failure_set(failure, -ENOENT, "the binary has no runtime.madvise: causes cannot be told");
	module = gobin_moduledata(gobin);
	plan->start_code = lowest_code(image);
	plan->text_start = module->text ? module->text : gobin_text(gobin);
	plan->text_end = module->etext;
	plan->madvise = (struct gctap_madvise_range){ .start = function.entry, .end = function.end };
	add_functions(gobin, plan);
	error = recipe_memory_limit(gobin, &limit, NULL);
	if (!error) {
		plan->limit_address = limit.memory_limit;
		plan->mapped_ready_address = limit.mapped_ready;
	} else if (error != -ENOENT) {
		plan->limit_address = GCTAP_MADVISE_LIMIT_NOT_FOUND;
	}
	return 0;
}
