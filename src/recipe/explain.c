// SPDX-License-Identifier: BSD-2-Clause
/*
 * From printed bytes back to the number that they show. The runtime formats
 * with loops, inlined differently in every version; what survives all of that
 * is that the bytes were computed from the number. So: among everything that
 * they were computed from, which number gives this very text?
 */
#include <stdlib.h>
#include <string.h>

#include "recipe_internal.h"

/* Marks all that the bytes are made of. Operands have smaller numbers than what uses them. */
static bool *sources(const struct expr_pool *pool, const expr_id *bytes, size_t length)
{
	size_t count = expr_pool_count(pool);
	bool *needed = calloc(count, sizeof(*needed));

	if (!needed) {
		expr_pool_note_starved(pool);
		return NULL;
	}
	for (size_t i = 0; i < length; i++)
		needed[bytes[i]] = true;
	for (size_t id = count; id-- > 1;) {
		const struct expr_node *node = expr_node(pool, (expr_id)id);

		if (needed[id] && !expr_is_leaf(node)) {
			needed[node->a] = true;
			needed[node->b] = true;
		}
	}
	return needed;
}

static bool says(enum recipe_format format, unsigned decimals, uint64_t word, const char *text, size_t length)
{
	char shown[96];
	int shown_length = recipe_format_number(format, decimals, word, shown, sizeof(shown));

	return shown_length == (int)length && !memcmp(shown, text, length);
}

static bool search(const struct expr_pool *pool, const bool *needed, const uint64_t *words, const bool *known,
		   enum recipe_format format, unsigned decimals, const char *text, size_t length, expr_id *value)
{
	for (expr_id id = 1; id < expr_pool_count(pool); id++) {
		if (!needed[id] || !known[id] || expr_node(pool, id)->op == EXPR_CONST)
			continue;
		if (says(format, decimals, words[id], text, length)) {
			*value = id;
			return true;
		}
	}
	return false;
}

bool explain_text(const struct expr_pool *pool, const uint64_t *words, const bool *known, const expr_id *bytes,
		  const char *text, size_t length, struct printed *printed)
{
	const char *point = memchr(text, '.', length);
	bool *needed = sources(pool, bytes, length);
	bool found = false;

	if (!needed)
		return false;
	printed->decimals = point ? (unsigned)(text + length - point - 1) : 0;
	/* A duration as milliseconds could by chance read like its quotient as a decimal; the reverse cannot be. */
	static const enum recipe_format order[] = { RECIPE_MILLISECONDS, RECIPE_DECIMAL };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && !found; i++) {
		found = search(pool, needed, words, known, order[i], printed->decimals, text, length, &printed->value);
		if (found)
			printed->format = order[i];
	}
	free(needed);
	return found;
}
