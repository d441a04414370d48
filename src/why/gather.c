// SPDX-License-Identifier: BSD-2-Clause
/* Reading thousands of small places that lie in clusters, with few pieces. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap_internal.h"

#define DIGIT_BITS 11u
#define DIGITS	   (1u << DIGIT_BITS)

int gather_begin(struct gather *gather)
{
	gather->nr_items = 0;
	if (!gather->buffer) {
		gather->items = calloc(GATHER_ITEMS_MAX, sizeof(*gather->items));
		gather->order = calloc(GATHER_ITEMS_MAX, sizeof(*gather->order));
		gather->other = calloc(GATHER_ITEMS_MAX, sizeof(*gather->other));
		gather->found = calloc(GATHER_ITEMS_MAX, sizeof(*gather->found));
		gather->pieces = calloc(GATHER_ITEMS_MAX, sizeof(*gather->pieces));
		gather->buffer = calloc(GATHER_ITEMS_MAX, GATHER_LENGTH_MAX + GATHER_GAP);
		if (!gather->items || !gather->order || !gather->other || !gather->found || !gather->pieces ||
		    !gather->buffer) {
			gather_free(gather);
			return -ENOMEM;
		}
	}
	memset(gather->found, 0, GATHER_ITEMS_MAX * sizeof(*gather->found));
	return 0;
}

void gather_free(struct gather *gather)
{
	free(gather->items);
	free(gather->order);
	free(gather->other);
	free(gather->found);
	free(gather->pieces);
	free(gather->buffer);
	*gather = (struct gather){ 0 };
}

void gather_add(struct gather *gather, uint64_t address, uint32_t length, uint32_t index)
{
	/* What no process can have mapped stays unread. */
	if (length > GATHER_LENGTH_MAX || address >= ADDRESS_MAX || gather->nr_items == GATHER_ITEMS_MAX ||
	    index >= GATHER_ITEMS_MAX)
		return;
	gather->items[gather->nr_items++] = (struct gather_item){ address, length, index };
}

/* One digit of all keys, the others kept in order. */
static void sort_digit(const uint64_t *from, uint64_t *to, size_t count, unsigned shift)
{
	uint32_t at[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < count; i++)
		at[from[i] >> shift & (DIGITS - 1)]++;
	for (unsigned digit = 0; digit < DIGITS; digit++) {
		uint32_t here = at[digit];

		at[digit] = sum;
		sum += here;
	}
	for (size_t i = 0; i < count; i++)
		to[at[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* A key is the distance from the lowest address, and the item's number below it: 60 bits at most. */
static void sort(struct gather *gather)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < gather->nr_items; i++) {
		low = gather->items[i].address < low ? gather->items[i].address : low;
		high = gather->items[i].address > high ? gather->items[i].address : high;
	}
	for (size_t i = 0; i < gather->nr_items; i++)
		gather->order[i] = (gather->items[i].address - low) << GATHER_ITEMS_BITS | i;
	for (unsigned bits = 0; (high - low) >> bits; bits += DIGIT_BITS) {
		uint64_t *swap = gather->order;

		sort_digit(gather->order, gather->other, gather->nr_items, GATHER_ITEMS_BITS + bits);
		gather->order = gather->other;
		gather->other = swap;
	}
}

static const struct gather_item *item_at(const struct gather *gather, size_t place)
{
	return &gather->items[gather->order[place] & (GATHER_ITEMS_MAX - 1)];
}

static size_t make_pieces(struct gather *gather)
{
	struct memory_piece *piece = NULL;
	size_t count = 0, used = 0;

	for (size_t i = 0; i < gather->nr_items; i++) {
		const struct gather_item *item = item_at(gather, i);
		uint64_t end = item->address + item->length;

		if (piece && item->address <= piece->address + piece->length + GATHER_GAP) {
			if (end > piece->address + piece->length) {
				used += (size_t)(end - piece->address) - piece->length;
				piece->length = (size_t)(end - piece->address);
			}
			continue;
		}
		piece = &gather->pieces[count++];
		*piece = (struct memory_piece){ .address = item->address,
						.buffer = gather->buffer + used,
						.length = item->length };
		used += item->length;
	}
	return count;
}

static void take_answers(struct gather *gather)
{
	const struct memory_piece *piece = gather->pieces;

	for (size_t i = 0; i < gather->nr_items; i++) {
		const struct gather_item *item = item_at(gather, i);

		while (item->address + item->length > piece->address + piece->length)
			piece++;
		if (piece->read)
			gather->found[item->index] = (uint8_t *)piece->buffer + (item->address - piece->address);
	}
}

int gather_read(struct gather *gather, memory_reader read, void *context)
{
	size_t count;
	int error;

	if (!gather->nr_items)
		return 0;
	sort(gather);
	count = make_pieces(gather);
	error = read(context, gather->pieces, count);
	if (!error)
		take_answers(gather);
	return error;
}
