/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output: from records to bytes on a descriptor; one emitter per format over
 * the common description of fields. Knows no kernel and no Go.
 */
#ifndef GCTAP_OUTPUT_H
#define GCTAP_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "gctap/failure.h"
#include "gctap/record.h"

enum output_format {
	OUTPUT_GCTRACE, /* only records that have a text, as the runtime prints it */
	OUTPUT_JSON,	/* one object a line, header first, totals last */
	OUTPUT_SCVG,	/* the same, but for scavenges as Go 1.13 printed them, where something was released */
	OUTPUT_CSV,	/* records of one type, a heading line first; unknown is an empty cell */
};

struct output_options {
	enum output_format format;
	bool timestamps;		    /* -T: wall-clock prefix "2026-01-02T15:04:05.123456Z " on text lines */
	const char *path;		    /* NULL: stdout */
	const struct record_type *csv_type; /* of OUTPUT_CSV; NULL: gc cycles */
	/*
	 * When this becomes readable (a signalfd), a write that nobody takes off a pipe is given up after a second:
	 * -EINTR, and what waited is lost. 0: none.
	 */
	int wake_fd;
};

struct output;

/* A FIFO must have a reader by then (-ENXIO): waiting for one would not end by a signal. */
int output_open(const struct output_options *options, struct output **out, struct failure *failure);

/* Takes one record; its line goes out with the next flush, or when much has gathered. */
int output_add(struct output *output, const struct record *record, struct failure *failure);

/* Writes the lines that have been added; whole lines in each write, where they fit into a pipe's PIPE_BUF. Errors as
 * below. */
int output_flush(struct output *output, struct failure *failure);

/*
 * Writes one record and flushes the line, also into a pipe. -EPIPE when the
 * reader has gone (SIGPIPE is to be ignored by the program), else -errno.
 */
int output_emit(struct output *output, const struct record *record, struct failure *failure);

/* Flushes and closes; reports what a failing close lost. NULL is fine. */
int output_close(struct output *output, struct failure *failure);

/* JSON Schema (2020-12) of all that is written as JSON: the lines of records, the objects of why and map. */
int output_schema(FILE *to);

#endif
