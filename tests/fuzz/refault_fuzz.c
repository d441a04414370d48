// SPDX-License-Identifier: BSD-2-Clause
/* Any order of operations: the sums must be those of a model page by page. */
#include "../unit/refault_model.h"
#include "fuzz.h"

#include <stdio.h>

#define STEPS_MAX 400u

static void require_agreement(const char *disagreement)
{
	if (!disagreement)
		return;
	fprintf(stderr, "%s\n", disagreement);
	abort();
}

/* Addresses and sizes that no kernel would report. */
static void release_anything(struct refault *refault, struct input *input, uint64_t now_ns)
{
	uint64_t address = input_take(input, 8), bytes = input_take(input, 8) % (64ull << 20);
	uint64_t freed = input_take(input, 8);

	refault_release(refault, address, bytes, freed, now_ns);
}

static void step(struct refault_model *model, struct input *input, uint64_t *now_ns)
{
	static const uint64_t seconds[] = { 1, 10, 60, 3 };
	unsigned operation = (unsigned)input_take(input, 1), page, count;
	bool any = true;

	switch (operation % 4) {
	case 0: *now_ns += seconds[operation / 4 % 4] * 1000000000 - (operation >> 6); break;
	case 1:
		for (unsigned i = operation / 4; i > 0 && any; i--)
			require_agreement(refault_model_judge(model, *now_ns, input_take(input, 3), &any));
		break;
	default:
		page = (unsigned)input_take(input, 2) % MODEL_PAGES;
		count = (unsigned)input_take(input, 2) % (operation & 8 ? MODEL_AREA_PAGES : 16);
		*now_ns += operation & 16;
		require_agreement(refault_model_release(model, page, count, (unsigned)input_take(input, 2), *now_ns));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned choice = (unsigned)input_take(&input, 1);
	struct refault_model *model = refault_model_new(choice & 1 ? MODEL_PAGES : choice >> 2);
	uint64_t now_ns = input_take(&input, 6);

	for (unsigned i = 0; i < STEPS_MAX && input.size; i++) {
		/* Then nothing is known any more, but nothing may break either. */
		if (choice & 2)
			release_anything(model->refault, &input, now_ns);
		else
			step(model, &input, &now_ns);
	}
	for (unsigned i = 0; i < 3 * MODEL_PAGES && choice & 2; i++) {
		struct refault_range range;

		if (!refault_due(model->refault, UINT64_MAX, &range))
			break;
		require(range.bytes && range.bytes <= 4u << 20 && range.address + range.bytes - 1 >= range.address);
		refault_judge(model->refault, range.bytes / 2);
	}
	refault_model_free(model);
	return 0;
}
