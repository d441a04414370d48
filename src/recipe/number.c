// SPDX-License-Identifier: BSD-2-Clause
/*
 * The runtime's own ways to write numbers (runtime/mgc.go: itoaDiv,
 * fmtNSAsMS), the same in Go 1.15 to 1.27.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gctap/recipe.h"

/* As snprintf with "%s" does, in a fraction of its time: a busy program has ten thousand lines a second. */
static int put(const char *from, size_t length, char *text, size_t size)
{
	size_t room = size ? size - 1 : 0, count = length < room ? length : room;

	memcpy(text, from, count);
	if (size)
		text[count] = '\0';
	return (int)length;
}

int recipe_format_literal(const char *literal, char *text, size_t size)
{
	return put(literal, strlen(literal), text, size);
}

/* At least one digit before the point: (5, 3) is "0.005". */
static int itoa_div(uint64_t value, unsigned decimals, char *text, size_t size)
{
	char digits[80];
	size_t at = sizeof(digits);

	for (unsigned i = 0; value || i <= decimals; i++) {
		if (decimals && i == decimals)
			digits[--at] = '.';
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	}
	return put(digits + at, sizeof(digits) - at, text, size);
}

static int milliseconds(uint64_t ns, char *text, size_t size)
{
	uint64_t x = ns / 1000;
	unsigned decimals = 3;

	if (ns >= 10000000)
		return itoa_div(ns / 1000000, 0, text, size);
	if (!x)
		return put("0", 1, text, size);
	/* Two significant digits. */
	for (; x >= 100; x /= 10)
		decimals--;
	return itoa_div(x, decimals, text, size);
}

int recipe_format_number(enum recipe_format format, unsigned decimals, uint64_t value, char *text, size_t size)
{
	switch (format) {
	case RECIPE_UNSIGNED: return itoa_div(value, 0, text, size);
	case RECIPE_SIGNED: return snprintf(text, size, "%" PRId64, (int64_t)value);
	case RECIPE_DECIMAL: return itoa_div(value, decimals < 40 ? decimals : 40, text, size);
	case RECIPE_MILLISECONDS: return milliseconds(value, text, size);
	case RECIPE_LITERAL: break;
	}
	text[0] = '\0';
	return 0;
}
