// SPDX-License-Identifier: BSD-2-Clause
/* Reading thousands of small places that lie in clusters, with few pieces. */
#include <errno.h>
#include <stdlib.h>

#include "heap_internal.h"

int gather_begin(struct gather *gather, size_t items_max)
{
	gather->nr_items = 0;
	if (items_max > gather->room) {
		size_t room = gather->room;

		gather_free(gather);
		while (room < items_max)
			room = room ? 2 * room : 1024;
		gather->items = calloc(room, sizeof(*gather->items));
		gather->found = calloc(room, sizeof(*gather->found));
		gather->pieces = calloc(room, sizeof(*gather->pieces));
		gather->buffer_bytes = room * (GATHER_LENGTH_MAX + GATHER_GAP);
		gather->buffer = malloc(gather->buffer_bytes);
		gather->room = room;
		if (!gather->items || !gather->found || !gather->pieces || !gather->buffer) {
			gather_free(gather);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < items_max; i++)
		gather->found[i] = NULL;
	return 0;
}

void gather_free(struct gather *gather)
{
	free(gather->items);
	free(gather->found);
	free(gather->pieces);
	free(gather->buffer);
	*gather = (struct gather){ 0 };
}

void gather_add(struct gather *gather, uint64_t address, uint32_t length, uint32_t index)
{
	/* What no process can have mapped stays unread. */
	if (length > GATHER_LENGTH_MAX || address >= ADDRESS_MAX || gather->nr_items == gather->room ||
	    index >= gather->room)
		return;
	gather->items[gather->nr_items++] = (struct gather_item){ address, length, index };
}

static int compare_items(const void *a, const void *b)
{
	const struct gather_item *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Most often they come sorted, since spans that were made one after the other lie side by side. */
static void sort(struct gather *gather)
{
	for (size_t i = 1; i < gather->nr_items; i++) {
		if (gather->items[i].address < gather->items[i - 1].address) {
			qsort(gather->items, gather->nr_items, sizeof(gather->items[0]), compare_items);
			return;
		}
	}
}

static size_t make_pieces(struct gather *gather)
{
	struct memory_piece *piece = NULL;
	size_t count = 0, used = 0;

	for (size_t i = 0; i < gather->nr_items; i++) {
		const struct gather_item *item = &gather->items[i];
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
		const struct gather_item *item = &gather->items[i];

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
