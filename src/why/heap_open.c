// SPDX-License-Identifier: BSD-2-Clause
/* From a process and the recipes of its binary to what the heap is read by. */
#include <errno.h>

#include "gctap/heap.h"

static uint64_t loaded(uint64_t address, uint64_t bias)
{
	return address ? address + bias : 0;
}

/* What a version does not have, or no recipe finds, stays unknown. */
static void find_goals(struct gobin *gobin, struct heap_options *options)
{
	struct recipe_limit limit;
	uint64_t goal;

	if (!recipe_memory_limit(gobin, &limit, NULL)) {
		options->limit.memory_limit = loaded(limit.memory_limit, options->bias);
		options->limit.mapped_ready = loaded(limit.mapped_ready, options->bias);
		options->limit.heap_free = loaded(limit.heap_free, options->bias);
	}
	if (!recipe_percent_goal(gobin, &goal, NULL))
		options->percent_goal = loaded(goal, options->bias);
}

int heap_open(const struct target *target, struct gobin *gobin, uint64_t bias, const struct scavenge_recipes *recipes,
	      struct heap **out, struct failure *failure)
{
	char version[64];
	struct heap_options options = {
		.version = version, .bias = bias, .read = target_read_pieces, .context = (void *)target
	};

	if (image_machine(gobin_image(gobin)) != IMAGE_MACHINE_X86_64)
		return failure_set(failure, -ENOTSUP, "the heap's pages are known on amd64 only");
	if (!recipes->background || !recipes->background->lock_address)
		return failure_set(failure, -ENOTSUP, "the binary does not tell where runtime.mheap_ lies");
	if (gobin_version(gobin, version, sizeof(version)))
		return failure_set(failure, -ENOTSUP, "the binary does not tell its Go version");
	options.sweep = recipes->background;
	options.has_file = target->exe_fd >= 0;
	options.file = target->exe_fd;
	options.lock = loaded(recipes->background->lock_address, bias);
	find_goals(gobin, &options);
	return heap_open_with(&options, out, failure);
}
