// SPDX-License-Identifier: BSD-2-Clause
/*
 * gctrace: records as the runtime prints them. The text may come from a
 * hostile executable and the origin from any process: neither may send control
 * characters to a terminal or break the line.
 */
#include <stdio.h>
#include <time.h>

#include "emitter.h"

#define NS_PER_SECOND 1000000000u

static void append_timestamp(struct line *line, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_SECOND);
	char text[40];
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	line_append(line, text, length);
	snprintf(text, sizeof(text), ".%06uZ ", (unsigned int)(wall_ns % NS_PER_SECOND / 1000));
	line_append_string(line, text);
}

static void emit_record(struct line *line, const struct output_options *options, const struct record *record)
{
	if (!record->text)
		return;
	if (options->timestamps)
		append_timestamp(line, record->wall_ns);
	if (record->origin) {
		line_append_clean(line, record->origin, true);
		line_append_byte(line, ' ');
	}
	line_append_clean(line, record->text, true);
	line_append_byte(line, '\n');
}

const struct emitter emitter_gctrace = { .record = emit_record };
