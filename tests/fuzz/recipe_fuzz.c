// SPDX-License-Identifier: BSD-2-Clause
/* Programs cut down to what prints the gctrace line, mutated: from their code to a line. */
#include "elf_mutator.h"
#include "fuzz.h"

#include "gctap/gc_cycle.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	return elf_mutate(data, size, max_size, seed);
}

/* A recipe out of a hostile file must be as safe to use as any. */
static void use(const struct recipe *recipe)
{
	static struct gc_layout layout;
	static struct gc_cycle cycle;
	static struct gctap_event event;
	struct failure failure = { "" };
	struct gctap_capture capture;
	char text[512];
	int error;

	require(recipe->checks == 8 && recipe->nr_items <= RECIPE_ITEMS_MAX);
	require(recipe->nr_windows <= GCTAP_WINDOWS_MAX && recipe->payload_bytes <= GCTAP_PAYLOAD_MAX);
	recipe_capture(recipe, recipe->rereads[0].address, &capture);
	for (unsigned i = 0; i < capture.nr_windows; i++)
		require(capture.windows[i].length && capture.windows[i].length <= GCTAP_WINDOW_BYTES_MAX);
	recipe_format_string(recipe, text, sizeof(text));
	for (unsigned i = 0; i < recipe->nr_items; i++)
		expr_format(recipe->pool, recipe->items[i].value, text, sizeof(text));
	error = gc_layout_learn(recipe, &layout, &failure);
	require_reason(error, failure);
	if (error)
		return;
	memset(event.payload, 0x41, sizeof(event.payload));
	event.payload_bytes = recipe->payload_bytes;
	event.windows_read = 0xfffffffe;
	gc_cycle_decode(recipe, &layout, &event, &(struct line_clock){ 4096, 0 }, &cycle);
	gc_layout_clear(&layout);
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
			use(recipe);
			recipe_free(recipe);
		}
		gobin_close(gobin);
	}
	image_close(image);
	return 0;
}
