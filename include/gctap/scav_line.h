/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scav_line: the scavtrace lines that the Go runtime itself writes, found in
 * what is left of a program's standard error when the gctrace lines are taken
 * out. Knows the forms of Go 1.14 to 1.27, and lets later versions add notes;
 * knows nothing of where bytes come from or what values mean.
 *
 * The runtime writes each operand of its print with one write(2), so whole log
 * lines of the program land inside a line of ours, between two operands. Such a
 * line is torn: it has its place in the order of lines, but cannot be read. A
 * line of a child process looks like any other.
 */
#ifndef GCTAP_SCAV_LINE_H
#define GCTAP_SCAV_LINE_H

#include <stddef.h>

#include "gctap/trace_line.h"

enum scav_line_kind {
	SCAV_LINE_WHOLE,
	SCAV_LINE_TORN,	     /* other text was written into it; up to the first newline */
	SCAV_LINE_TRUNCATED, /* the stream ended in it */
};

struct scav_line {
	enum scav_line_kind kind;
	const char *text; /* without newline, below TRACE_LINE_MAX bytes; valid during the call */
};

struct scav_reader;

struct scav_reader_handler {
	void (*line)(void *context, const struct scav_line *line);
	/* All that is not ours, unchanged and in order; torn lines too. May be NULL. */
	void (*text)(void *context, const char *bytes, size_t size);
	void *context;
};

/*
 * A reader for one stream; NULL when out of memory. Its memory is fixed (6 KiB).
 * Text is handed on at once, but for what can be the beginning of a whole line.
 * The size of the chunks changes nothing that comes out, nor its order.
 */
struct scav_reader *scav_reader_new(const struct scav_reader_handler *handler);

/* Takes the next bytes of the stream, in chunks of any size. */
void scav_reader_feed(struct scav_reader *reader, const char *bytes, size_t size);

/* The stream has ended: hands out what is left. */
void scav_reader_end(struct scav_reader *reader);

/* NULL is fine. */
void scav_reader_free(struct scav_reader *reader);

/*
 * Splits a line (one without newline) into its fields, in the order of the
 * line. KiB: work (up to Go 1.20), work_background, work_eager, released_now;
 * percent: utilization; generation (Go 1.15 to 1.18) is a number. The notes
 * "(forced)" and "[controller reset]" are the flags forced and controller_reset;
 * one that is not known gets its words as name. "?" is taken for a number whose
 * value is not known.
 * Returns the number of fields, or -EINVAL when @text is not such a line.
 */
int scav_line_split(const char *text, struct trace_field fields[TRACE_FIELDS_MAX]);

#endif
