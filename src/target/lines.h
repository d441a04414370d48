/* SPDX-License-Identifier: BSD-2-Clause */
/* lines: the texts of /proc and /sys, line by line, in bounded memory, and the numbers in them. */
#ifndef GCTAP_TARGET_LINES_H
#define GCTAP_TARGET_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LINES_MAX    20480u /* bytes of a line that are kept: a path of 4096 bytes that are all written as \012 */
#define LINES_BUFFER 65536u

struct lines {
	FILE *file;
	char delimiter;
	bool skipping; /* the rest of a line that was too long */
	bool ended;
	int error; /* 0, or -errno of a failed read: what came until then is all there is */
	size_t begin, end;
	char buffer[LINES_BUFFER + 1];
};

struct line {
	char *text; /* NUL-terminated, without the delimiter; until the next call */
	size_t length;
	bool too_long;	   /* only its first LINES_MAX bytes */
	bool unterminated; /* the last one, without a delimiter: the text may have been cut within it */
};

void lines_start(struct lines *lines, FILE *file, char delimiter);
bool lines_next(struct lines *lines, struct line *line);

/* Digits of the base at *@at, which is then behind them; false for none, or for what 64 bits do not hold. */
bool number_take(const char **at, unsigned base, uint64_t *value);
/* "  123 kB" and nothing else, in bytes. */
bool kilobytes_parse(const char *text, uint64_t *bytes);
/* "123" and nothing else. */
bool number_parse(const char *text, uint64_t *value);

/* Opens "/proc/PID/@name" for reading; NULL with errno set. */
FILE *process_file(int pid, const char *name);

#endif
