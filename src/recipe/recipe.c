// SPDX-License-Identifier: BSD-2-Clause
/* A recipe at work: windows, evaluation, rendering. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

#define MERGE_GAP    64u  /* bytes read in vain rather than one more window */
#define REGS_BYTES   168u /* x86-64 struct pt_regs */
#define NODES_MAX    1024u
#define DISTANCE_MAX (1ll << 47) /* no two addresses of a process lie further apart */

void recipe_free(struct recipe *recipe)
{
	if (!recipe)
		return;
	for (unsigned i = 0; i < recipe->nr_items; i++)
		free((char *)recipe->items[i].literal);
	expr_pool_free(recipe->pool);
	free(recipe->leaves);
	free(recipe);
}

struct range { /* of one base, relative to the probe */
	uint32_t base;
	int64_t start, end;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

static bool leaf_range(const struct recipe *recipe, const struct expr_node *leaf, struct range *range)
{
	switch (leaf->op) {
	case EXPR_MEMORY:
		range->base = GCTAP_BASE_IP;
		range->start = (int64_t)(leaf->value - recipe->probe_address);
		if (range->start > DISTANCE_MAX || range->start < -DISTANCE_MAX)
			return false;
		break;
	case EXPR_STACK:
		range->base = GCTAP_BASE_SP;
		range->start = (int64_t)leaf->value;
		break;
	case EXPR_REGISTER:
		range->base = GCTAP_BASE_REGS;
		range->start = 0;
		range->end = REGS_BYTES;
		return true;
	default: return false;
	}
	range->end = range->start + leaf->size;
	return true;
}

/* Merges what lies close together, as long as a window may be. */
static int add_range(struct recipe *recipe, const struct range *range, struct failure *failure)
{
	struct gctap_window *last = recipe->nr_windows ? &recipe->windows[recipe->nr_windows - 1] : NULL;
	uint32_t length = (uint32_t)(range->end - range->start);

	if (last && last->base == range->base && range->start <= last->delta + (int64_t)last->length + MERGE_GAP &&
	    range->end <= last->delta + (int64_t)GCTAP_WINDOW_BYTES_MAX) {
		int64_t end = last->delta + (int64_t)last->length;

		if (range->end > end)
			last->length = (uint32_t)(range->end - last->delta);
		return 0;
	}
	if (recipe->nr_windows == GCTAP_WINDOWS_MAX)
		return failure_set(failure, -ENOBUFS, "the line needs memory from more than %u places",
				   GCTAP_WINDOWS_MAX);
	recipe->windows[recipe->nr_windows++] =
		(struct gctap_window){ .delta = range->start, .length = length, .base = range->base };
	return 0;
}

/* x86-64 struct pt_regs, by the number of the register. */
static unsigned register_offset(uint64_t number)
{
	static const uint8_t offsets[16] = { 80, 88, 96, 40, 152, 32, 104, 112, 72, 64, 56, 48, 24, 16, 8, 0 };

	return offsets[number & 15];
}

static void place_leaf(struct recipe *recipe, const struct expr_node *leaf, struct recipe_leaf *place)
{
	struct range range;

	place->window = LEAF_NOWHERE;
	if (!leaf_range(recipe, leaf, &range))
		return;
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		const struct gctap_window *window = &recipe->windows[i];

		if (window->base != range.base || range.start < window->delta ||
		    range.end > window->delta + (int64_t)window->length)
			continue;
		place->window = (uint8_t)i;
		place->size = leaf->op == EXPR_REGISTER ? 8 : leaf->size;
		place->offset = recipe->window_offsets[i] + (uint32_t)(range.start - window->delta);
		if (leaf->op == EXPR_REGISTER)
			place->offset += register_offset(leaf->value);
		return;
	}
}

int recipe_plan_windows(struct recipe *recipe, struct failure *failure)
{
	size_t count = expr_pool_count(recipe->pool);
	struct range ranges[NODES_MAX];
	size_t nr_ranges = 0;
	int error = 0;

	if (count > NODES_MAX)
		return failure_set(failure, -ENOBUFS, "the line needs more than %u expressions", NODES_MAX);
	for (expr_id id = 1; id < count; id++)
		if (leaf_range(recipe, expr_node(recipe->pool, id), &ranges[nr_ranges]))
			nr_ranges++;
	qsort(ranges, nr_ranges, sizeof(ranges[0]), compare_ranges);
	for (size_t i = 0; i < nr_ranges && !error; i++)
		error = add_range(recipe, &ranges[i], failure);
	if (error)
		return error;
	for (unsigned i = 0; i < recipe->nr_windows; i++) {
		recipe->window_offsets[i] = recipe->payload_bytes;
		recipe->payload_bytes += recipe->windows[i].length;
	}
	if (recipe->payload_bytes > GCTAP_PAYLOAD_MAX)
		return failure_set(failure, -ENOBUFS, "the line needs %u bytes of memory, more than %u",
				   recipe->payload_bytes, GCTAP_PAYLOAD_MAX);
	recipe->leaves = calloc(count, sizeof(*recipe->leaves));
	if (!recipe->leaves)
		return failure_set(failure, -ENOMEM, "out of memory");
	for (expr_id id = 0; id < count; id++)
		place_leaf(recipe, expr_node(recipe->pool, id), &recipe->leaves[id]);
	return 0;
}

void recipe_capture(const struct recipe *recipe, uint64_t address, struct gctap_capture *capture)
{
	memset(capture, 0, sizeof(*capture));
	capture->nr_windows = recipe->nr_windows;
	memcpy(capture->windows, recipe->windows, recipe->nr_windows * sizeof(capture->windows[0]));
	for (unsigned i = 0; i < capture->nr_windows; i++)
		if (capture->windows[i].base == GCTAP_BASE_IP)
			capture->windows[i].delta += (int64_t)(recipe->probe_address - address);
}

static void evaluate_item(const struct recipe_item *item, const uint64_t *words, const bool *known,
			  struct recipe_value *value)
{
	value->present = true;
	value->known = true;
	value->raw_known = false;
	if (item->guard) {
		value->known = known[item->guard];
		value->present = value->known && (words[item->guard] != 0) == item->guard_truth;
	}
	if (item->format == RECIPE_LITERAL)
		return;
	value->known = value->known && known[item->value];
	value->raw_known = value->known && known[item->raw];
	value->value = words[item->value];
	value->raw = words[item->raw];
}

void recipe_evaluate_with(const struct recipe *recipe, expr_reader reader, void *context, struct recipe_values *values)
{
	uint64_t words[NODES_MAX];
	bool known[NODES_MAX];

	expr_eval_all(recipe->pool, reader, context, words, known);
	values->unknown = 0;
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		evaluate_item(&recipe->items[i], words, known, &values->items[i]);
		values->unknown += !values->items[i].known;
	}
	for (unsigned i = 0; i < RECIPE_EXTRAS; i++) {
		expr_id id = recipe->extras[i];

		values->extras[i] = (struct recipe_number){ id && known[id], id ? words[id] : 0 };
	}
}

struct payload {
	const struct recipe *recipe;
	const uint8_t *bytes;
	uint32_t length, windows_read;
};

/* A length that the compiler knows is a load, and no call. */
static uint64_t little_endian(const uint8_t *bytes, size_t size)
{
	uint64_t value = 0;

	switch (size) {
	case 8: memcpy(&value, bytes, 8); break;
	case 4: memcpy(&value, bytes, 4); break;
	case 1: value = *bytes; break;
	default: memcpy(&value, bytes, size);
	}
	return value;
}

static bool read_payload(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	const struct payload *payload = context;
	const struct recipe_leaf *place = &payload->recipe->leaves[id];

	(void)leaf;
	if (place->window == LEAF_NOWHERE || !(payload->windows_read >> place->window & 1) ||
	    place->offset + place->size > payload->length)
		return false;
	*value = little_endian(payload->bytes + place->offset, place->size);
	return true;
}

void recipe_evaluate(const struct recipe *recipe, const uint8_t *payload, uint32_t payload_bytes, uint32_t windows_read,
		     struct recipe_values *values)
{
	struct payload context = { recipe, payload, payload_bytes, windows_read };

	recipe_evaluate_with(recipe, read_payload, &context, values);
}

int recipe_render(const struct recipe *recipe, const struct recipe_values *values, char *line, size_t size)
{
	size_t used = 0;

	line[0] = '\0';
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i];
		const struct recipe_value *value = &values->items[i];
		int length;

		if (!value->present)
			continue;
		if (used + 1 >= size)
			break;
		if (item->format == RECIPE_LITERAL)
			length = recipe_format_literal(item->literal, line + used, size - used);
		else if (!value->known)
			length = recipe_format_literal("?", line + used, size - used);
		else
			length = recipe_format_number(item->format, item->decimals, value->value, line + used,
						      size - used);
		used += (size_t)length;
	}
	return (int)(used < size ? used : size - 1);
}

void recipe_format_string(const struct recipe *recipe, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < recipe->nr_items && used + 1 < size; i++) {
		const struct recipe_item *item = &recipe->items[i];
		const char *open = item->guard ? "[" : "", *close = item->guard ? "]" : "";
		int length = 0;

		switch (item->format) {
		case RECIPE_LITERAL:
			length = snprintf(text + used, size - used, "%s%s%s", open, item->literal, close);
			break;
		case RECIPE_UNSIGNED: length = snprintf(text + used, size - used, "%s%%u%s", open, close); break;
		case RECIPE_SIGNED: length = snprintf(text + used, size - used, "%s%%d%s", open, close); break;
		case RECIPE_DECIMAL:
			length = snprintf(text + used, size - used, "%s%%.%uu%s", open, item->decimals, close);
			break;
		case RECIPE_MILLISECONDS: length = snprintf(text + used, size - used, "%s%%ms%s", open, close); break;
		}
		used += length > 0 ? (size_t)length : 0;
	}
}
