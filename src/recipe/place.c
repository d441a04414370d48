// SPDX-License-Identifier: BSD-2-Clause
/* What every recipe needs around its solving: the budget's account, and the probe's place in the file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "recipe_internal.h"
#include "gctap/clock.h"

int solver_place(struct solver *solver, struct recipe *recipe, struct failure *failure)
{
	struct image *image = gobin_image(solver_gobin(solver));
	struct emu_instruction instruction;

	if (emu_decode(solver_emu(solver), recipe->probe_address, &instruction) ||
	    image_offset_of(image, recipe->probe_address, &recipe->probe_offset))
		return failure_set(failure, -EFAULT, "the branch at 0x%" PRIx64 " is not in the file",
				   recipe->probe_address);
	if (!emu_is_cheap_probe(solver_emu(solver), &instruction))
		return failure_set(failure, -ENOTSUP, "%s at 0x%" PRIx64 " is no instruction to put a probe on",
				   instruction.text, recipe->probe_address);
	snprintf(recipe->probe_text, sizeof(recipe->probe_text), "%s", instruction.text);
	for (unsigned i = 0; i < RECIPE_REREADS; i++)
		if (image_offset_of(image, recipe->rereads[i].address, &recipe->rereads[i].offset))
			recipe->rereads[i].address = 0;
	return 0;
}

int solver_recipe(struct gobin *gobin,
		  int (*solve)(struct gobin *gobin, struct solver *solver, struct recipe *recipe,
			       struct failure *failure),
		  struct recipe **out, struct failure *failure)
{
	struct recipe *recipe = calloc(1, sizeof(*recipe));
	struct solver *solver = NULL;
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int error;

	if (!recipe)
		return failure_set(failure, -ENOMEM, "out of memory");
	error = solver_new(gobin, &solver, failure);
	if (!error)
		error = solve(gobin, solver, recipe, failure);
	/* What was concluded without the memory to think with, may be wrong. */
	if (solver && (solver_starved(solver) || expr_pool_starved(recipe->pool)))
		error = failure_set(failure, -ENOMEM, "out of memory");
	if (!error) {
		recipe->instructions = emu_instructions(solver_emu(solver));
		recipe->solve_ns = clock_ns(CLOCK_MONOTONIC) - start;
		*out = recipe;
	} else {
		recipe_free(recipe);
	}
	solver_free(solver);
	return error;
}
