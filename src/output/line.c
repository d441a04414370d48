// SPDX-License-Identifier: BSD-2-Clause
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/record.h"

#define FIRST_CAPACITY 4096

char *line_room(struct line *line, size_t size)
{
	size_t capacity = line->capacity ? line->capacity : FIRST_CAPACITY;
	char *bytes;

	if (line->error)
		return NULL;
	if (line->capacity - line->length >= size)
		return line->bytes + line->length;
	while (capacity - line->length < size)
		capacity *= 2;
	bytes = realloc(line->bytes, capacity);
	if (!bytes) {
		line->error = -ENOMEM;
		return NULL;
	}
	line->bytes = bytes;
	line->capacity = capacity;
	return line->bytes + line->length;
}

void line_append(struct line *line, const char *bytes, size_t size)
{
	char *to = line_room(line, size);

	if (!to)
		return;
	memcpy(to, bytes, size);
	line->length += size;
}

void line_append_string(struct line *line, const char *string)
{
	line_append(line, string, strlen(string));
}

void line_append_byte(struct line *line, char byte)
{
	line_append(line, &byte, 1);
}

void line_append_unsigned(struct line *line, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	line_append(line, digits + at, sizeof(digits) - at);
}

void line_append_signed(struct line *line, int64_t value)
{
	uint64_t magnitude = (uint64_t)value;

	if (value < 0) {
		line_append_byte(line, '-');
		magnitude = 0 - magnitude;
	}
	line_append_unsigned(line, magnitude);
}

void line_append_real(struct line *line, double value)
{
	char digits[32];

	for (int precision = 15; precision <= 17; precision++) {
		snprintf(digits, sizeof(digits), "%.*g", precision, value);
		if (strtod(digits, NULL) == value)
			break;
	}
	line_append_string(line, digits);
}

void line_append_clean(struct line *line, const char *text, bool controls)
{
	size_t clean = record_text_clean_length(text, controls);
	char *escaped;

	line_append(line, text, clean);
	if (!text[clean])
		return;
	escaped = record_text_escape(text + clean, controls);
	if (!escaped) {
		line->error = -ENOMEM;
		return;
	}
	line_append_string(line, escaped);
	free(escaped);
}
