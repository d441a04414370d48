// SPDX-License-Identifier: BSD-2-Clause
/*
 * The runtime's own ways to write numbers (runtime/mgc.go: itoaDiv,
 * fmtNSAsMS), the same in Go 1.15 to 1.27.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gctap/recipe.h"

/* At least one digit before the point: (5, 3) is "0.005". */
static int itoa_div(uint64_t value, unsigned decimals, char *text, size_t size)
{
	char digits[80];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	for (unsigned i = 0; value || i <= decimals; i++) {
		if (decimals && i == decimals)
			digits[--at] = '.';
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	}
	return snprintf(text, size, "%s", digits + at);
}

static int milliseconds(uint64_t ns, char *text, size_t size)
{
	uint64_t x = ns / 1000;
	unsigned decimals = 3;

	if (ns >= 10000000)
		return itoa_div(ns / 1000000, 0, text, size);
	if (!x)
		return snprintf(text, size, "0");
	/* Two significant digits. */
	for (; x >= 100; x /= 10)
		decimals--;
	return itoa_div(x, decimals, text, size);
}

int recipe_format_number(enum recipe_format format, unsigned decimals, uint64_t value, char *text, size_t size)
{
	switch (format) {
	case RECIPE_UNSIGNED: return snprintf(text, size, "%" PRIu64, value);
	case RECIPE_SIGNED: return snprintf(text, size, "%" PRId64, (int64_t)value);
	case RECIPE_DECIMAL: return itoa_div(value, decimals < 40 ? decimals : 40, text, size);
	case RECIPE_MILLISECONDS: return milliseconds(value, text, size);
	case RECIPE_LITERAL: break;
	}
	text[0] = '\0';
	return 0;
}
