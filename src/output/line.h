/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line: the bytes of one line while it is put together. The buffer is kept
 * from line to line, so that a running stream does not allocate. The first
 * error (-ENOMEM) sticks, and what is appended after it is dropped.
 */
#ifndef GCTAP_OUTPUT_LINE_H
#define GCTAP_OUTPUT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
	char *bytes;
	size_t length;
	size_t capacity;
	int error; /* 0 or a negative errno */
};

/* Room for @size more bytes: where they go, or NULL after an error. */
char *line_room(struct line *line, size_t size);

void line_append(struct line *line, const char *bytes, size_t size);
void line_append_string(struct line *line, const char *string);
void line_append_byte(struct line *line, char byte);
void line_append_unsigned(struct line *line, uint64_t value);
void line_append_signed(struct line *line, int64_t value);

/* The shortest decimal that reads back as @value, which is finite. */
void line_append_real(struct line *line, double value);

/* @text with bytes that are not UTF-8, and with @controls control characters, as "\xHH". */
void line_append_clean(struct line *line, const char *text, bool controls);

#endif
