// SPDX-License-Identifier: BSD-2-Clause
/*
 * Parts of a line that are printed only sometimes (" (forced)"): the block is
 * emulated once more with one truth value turned over, and the two printouts
 * are laid side by side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

void printout_clear(struct printout *printout)
{
	for (unsigned i = 0; i < printout->count; i++)
		free(printout->items[i].text);
	printout->count = 0;
}

static bool same(const struct printed *a, const struct printed *b)
{
	if (a->format != b->format || a->value != b->value)
		return false;
	if (a->format == RECIPE_LITERAL)
		return !strcmp(a->text, b->text);
	return a->format != RECIPE_DECIMAL || a->decimals == b->decimals;
}

/* Items that hang on another truth value already are not there when that one is turned over. */
static bool comparable(const struct printed *item)
{
	return !item->guard || item->guard_truth;
}

static void set_guard(struct printed *item, expr_id leaf, bool truth)
{
	item->guard = leaf;
	item->guard_truth = truth;
}

int guard_merge(struct printout *base, struct printout *flipped, expr_id leaf, struct failure *failure)
{
	unsigned prefix = 0, suffix = 0, removed, added;

	for (unsigned i = 0; i < base->count; i++)
		if (!comparable(&base->items[i]))
			return failure_set(failure, -ENOTSUP, "the line has parts that hang on each other");
	while (prefix < base->count && prefix < flipped->count && same(&base->items[prefix], &flipped->items[prefix]))
		prefix++;
	while (suffix < base->count - prefix && suffix < flipped->count - prefix &&
	       same(&base->items[base->count - 1 - suffix], &flipped->items[flipped->count - 1 - suffix]))
		suffix++;
	removed = base->count - prefix - suffix;
	added = flipped->count - prefix - suffix;
	if (base->count + added > RECIPE_ITEMS_MAX)
		return failure_set(failure, -ENOBUFS, "the line has more than %u parts", RECIPE_ITEMS_MAX);
	for (unsigned i = prefix; i < prefix + removed; i++) {
		if (base->items[i].guard)
			return failure_set(failure, -ENOTSUP, "the line has parts that hang on each other");
		set_guard(&base->items[i], leaf, true);
	}
	memmove(&base->items[prefix + removed + added], &base->items[prefix + removed],
		suffix * sizeof(base->items[0]));
	for (unsigned i = 0; i < added; i++) {
		struct printed *item = &base->items[prefix + removed + i];

		*item = flipped->items[prefix + i];
		flipped->items[prefix + i].text = NULL;
		set_guard(item, leaf, false);
	}
	base->count += added;
	return 0;
}
