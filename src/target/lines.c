// SPDX-License-Identifier: BSD-2-Clause
#include "target/lines.h"

#include <errno.h>
#include <string.h>

void lines_start(struct lines *lines, FILE *file, char delimiter)
{
	lines->file = file;
	lines->delimiter = delimiter;
	lines->skipping = lines->ended = false;
	lines->error = 0;
	lines->begin = lines->end = 0;
}

static void fill(struct lines *lines)
{
	size_t kept = lines->end - lines->begin, got;

	memmove(lines->buffer, lines->buffer + lines->begin, kept);
	lines->begin = 0;
	lines->end = kept;
	got = fread(lines->buffer + kept, 1, LINES_BUFFER - kept, lines->file);
	lines->end += got;
	if (lines->end < LINES_BUFFER) {
		lines->ended = true;
		if (ferror(lines->file))
			lines->error = errno ? -errno : -EIO;
	}
}

/* The delimiter in what is in the buffer, of which at most LINES_MAX + 1 bytes are looked at. */
static char *find(const struct lines *lines)
{
	size_t held = lines->end - lines->begin;

	return memchr(lines->buffer + lines->begin, lines->delimiter, held <= LINES_MAX ? held : LINES_MAX + 1);
}

static void skip_rest(struct lines *lines)
{
	while (lines->skipping) {
		char *end = memchr(lines->buffer + lines->begin, lines->delimiter, lines->end - lines->begin);

		if (end) {
			lines->begin = (size_t)(end + 1 - lines->buffer);
			lines->skipping = false;
			return;
		}
		lines->begin = lines->end;
		if (lines->ended)
			return;
		fill(lines);
	}
}

bool lines_next(struct lines *lines, struct line *line)
{
	char *end;

	skip_rest(lines);
	while (!(end = find(lines)) && lines->end - lines->begin <= LINES_MAX && !lines->ended)
		fill(lines);
	line->text = lines->buffer + lines->begin;
	line->too_long = line->unterminated = false;
	if (end) {
		line->length = (size_t)(end - line->text);
		lines->begin += line->length + 1;
	} else if (lines->end - lines->begin > LINES_MAX) {
		line->length = LINES_MAX;
		line->too_long = lines->skipping = true;
		lines->begin += LINES_MAX + 1; /* also the byte that the NUL replaces */
	} else {
		line->length = lines->end - lines->begin;
		line->unterminated = true;
		lines->begin = lines->end;
	}
	line->text[line->length] = '\0';
	return end || line->length;
}

static unsigned digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return 16;
}

bool number_take(const char **at, unsigned base, uint64_t *value)
{
	const char *first = *at;
	uint64_t number = 0;
	unsigned digit;

	for (; (digit = digit_value(**at)) < base; (*at)++)
		if (__builtin_mul_overflow(number, base, &number) || __builtin_add_overflow(number, digit, &number))
			return false;
	*value = number;
	return *at != first;
}

bool kilobytes_parse(const char *text, uint64_t *bytes)
{
	uint64_t kilobytes;

	text += strspn(text, " \t");
	if (!number_take(&text, 10, &kilobytes) || strcmp(text, " kB") != 0 || kilobytes > UINT64_MAX >> 10)
		return false;
	*bytes = kilobytes << 10;
	return true;
}

bool number_parse(const char *text, uint64_t *value)
{
	uint64_t number;

	text += strspn(text, " \t");
	if (!number_take(&text, 10, &number) || *text || number == UINT64_MAX)
		return false;
	*value = number;
	return true;
}

FILE *process_file(int pid, const char *name)
{
	char path[64];

	if ((size_t)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(path, "re");
}
