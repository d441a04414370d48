// SPDX-License-Identifier: BSD-2-Clause
/* Programs cut down to what prints the runtime's lines, mutated: from their code to a line. */
#include "elf_mutator.h"
#include "fuzz.h"

#include "gctap/gc_cycle.h"
#include "gctap/madvise.h"
#include "gctap/scavenge.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	return elf_mutate(data, size, max_size, seed);
}

static struct gctap_event event;

/* A recipe out of a hostile file must be as safe to use as any. */
static void use(const struct recipe *recipe)
{
	struct gctap_capture capture;
	char text[512];

	/* Rounds in which the code divides by zero do not count. */
	require(recipe->checks >= 4 && recipe->checks <= 8 && recipe->nr_items <= RECIPE_ITEMS_MAX);
	require(recipe->nr_windows <= GCTAP_WINDOWS_MAX && recipe->payload_bytes <= GCTAP_PAYLOAD_MAX);
	recipe_capture(recipe, recipe->rereads[0].address, &capture);
	for (unsigned i = 0; i < capture.nr_windows; i++)
		require(capture.windows[i].length && capture.windows[i].length <= GCTAP_WINDOW_BYTES_MAX);
	recipe_format_string(recipe, text, sizeof(text));
	for (unsigned i = 0; i < recipe->nr_items; i++)
		expr_format(recipe->pool, recipe->items[i].value, text, sizeof(text));
	memset(event.payload, 0x41, sizeof(event.payload));
	event.payload_bytes = recipe->payload_bytes;
	event.windows_read = 0xfffffffe;
}

static void use_gctrace(const struct recipe *recipe)
{
	static struct gc_layout layout;
	static struct gc_cycle cycle;
	struct failure failure = { "" };
	int error;

	use(recipe);
	error = gc_layout_learn(recipe, &layout, &failure);
	require_reason(error, failure);
	if (error)
		return;
	gc_cycle_decode(recipe, &layout, &event, &(struct line_clock){ 4096, 0 }, &cycle);
	gc_layout_clear(&layout);
}

static void use_scavtrace(const struct recipe *recipe, bool forced)
{
	static struct scavenge_layout layout;
	static struct scavenge scavenge;
	struct scavenge_counters counters = { .known = true };
	struct failure failure = { "" };
	int error;

	use(recipe);
	for (unsigned i = 0; i < RECIPE_EXTRAS; i++)
		require(recipe->extras[i]);
	error = scavenge_layout_learn(recipe, forced, &layout, &failure);
	require_reason(error, failure);
	if (error)
		return;
	scavenge_decode(recipe, &layout, &event, &(struct line_clock){ 4096, 0 }, &counters, &scavenge);
	scavenge_layout_clear(&layout);
}

static void solve_scavtrace(struct gobin *gobin)
{
	struct scavenge_recipes recipes;
	struct failure failure = { "" };
	int error = recipe_solve_scavtrace(gobin, &recipes, &failure);

	require_reason(error, failure);
	if (error) {
		require(!recipes.background && !recipes.forced);
		return;
	}
	use_scavtrace(recipes.background, false);
	if (recipes.forced)
		use_scavtrace(recipes.forced, true);
	recipe_free(recipes.background);
	recipe_free(recipes.forced);
}

static void plan(struct image *image, struct gobin *gobin)
{
	struct gctap_madvise_process process;
	struct failure failure = { "" };
	int error = madvise_plan(image, gobin, &process, &failure);

	require_reason(error, failure);
	require(process.nr_ranges <= GCTAP_MADVISE_RANGES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;
	struct recipe *recipe;
	int error;

	if (image_open_bytes(data, size, &image, NULL))
		return 0;
	if (!gobin_open(image, &gobin, NULL)) {
		error = recipe_solve_gctrace(gobin, &recipe, &failure);
		require_reason(error, failure);
		if (!error) {
			use_gctrace(recipe);
			recipe_free(recipe);
		}
		solve_scavtrace(gobin);
		plan(image, gobin);
		gobin_close(gobin);
	}
	image_close(image);
	return 0;
}
