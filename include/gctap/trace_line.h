/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace_line: the gctrace lines that the Go runtime itself writes, found in
 * the standard error of a program. Knows the form of the line from Go 1.8 to
 * 1.27, and lets later versions add items; knows nothing of where bytes come
 * from or what values mean.
 *
 * The runtime writes each operand of its print with one write(2) and takes no
 * lock that the program's own writers know, so whole log lines land inside a
 * gctrace line, between two operands. Where exactly one line of the form is
 * left when whole lines of others are taken out, that is what was printed;
 * else the line is torn. A line of a child process that writes gctrace lines to
 * the same stream looks like any other.
 */
#ifndef GCTAP_TRACE_LINE_H
#define GCTAP_TRACE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_LINE_MAX	 1024 /* bytes of a line; the runtime's are below 250 */
#define TRACE_FIELDS_MAX 48

enum trace_line_kind {
	TRACE_LINE_WHOLE,     /* as it came */
	TRACE_LINE_REJOINED,  /* other text was taken out of the middle */
	TRACE_LINE_TORN,      /* mixed with other text beyond repair */
	TRACE_LINE_TRUNCATED, /* the stream ended in it */
};

struct trace_line {
	enum trace_line_kind kind;
	uint32_t cycle;
	/*
	 * False: the number itself was torn or cut off, and @cycle is the one
	 * after the last line's (the runtime prints them in order).
	 */
	bool cycle_read;
	const char *text; /* without newline, NUL-terminated; valid during the call */
};

struct trace_reader;

struct trace_reader_handler {
	void (*line)(void *context, const struct trace_line *line);
	/* All that is not ours, unchanged and in order; torn lines too, as nobody can say whose bytes they are. May be
	 * NULL. */
	void (*text)(void *context, const char *bytes, size_t size);
	void *context;
};

/*
 * A reader for one stream; NULL when out of memory. Its memory is fixed (35 KiB).
 * Text is handed on at once, except behind something that looks like the
 * beginning of a line: then up to 16 KiB or 128 lines wait until it is clear.
 */
struct trace_reader *trace_reader_new(const struct trace_reader_handler *handler);

/* Takes the next bytes of the stream, in chunks of any size. */
void trace_reader_feed(struct trace_reader *reader, const char *bytes, size_t size);

/* The stream has ended: hands out what is left. */
void trace_reader_end(struct trace_reader *reader);

/* NULL is fine. */
void trace_reader_free(struct trace_reader *reader);

/* A named piece of a line. */
struct trace_field {
	char name[40];
	const char *text; /* into the line, not NUL-terminated */
	size_t length;
	bool flag; /* a remark that is there or not: forced, goroutine_leak_check */
};

/*
 * Splits a line (one without newline) into its fields, in the order of the
 * line: cycle, start_seconds, cpu_percent, goroutine_leak_check,
 * clock_sweep_term, clock_mark, clock_mark_term, cpu_sweep_term, cpu_assist,
 * cpu_background, cpu_idle, cpu_mark_term, heap_start, heap_end, heap_marked,
 * heap_goal, stacks, globals, processors, forced. An item that is not known
 * ("3 MB arenas", "(odd)") gets the words of its label as name ("arenas", "odd").
 * "?" is taken for a number whose value is not known.
 * Returns the number of fields, or -EINVAL when @text is not such a line.
 */
int trace_line_split(const char *text, struct trace_field fields[TRACE_FIELDS_MAX]);

#endif
