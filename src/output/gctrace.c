// SPDX-License-Identifier: BSD-2-Clause
/*
 * gctrace: records as the runtime prints them. The text may come from a
 * hostile executable and the origin from any process: neither may send control
 * characters to a terminal or break the line.
 */
#include <stdio.h>
#include <time.h>

#include "emitter.h"
#include "table.h"

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

static void append_prefix(struct line *line, const struct output_options *options, const struct record *record)
{
	if (options->timestamps)
		append_timestamp(line, record->wall_ns);
	if (record->origin) {
		line_append_clean(line, record->origin, true);
		line_append_byte(line, ' ');
	}
}

static void emit_record(struct line *line, const struct output_options *options, const struct record *record)
{
	if (!record->text && !table_has(record))
		return;
	append_prefix(line, options, record);
	if (!record->text) {
		table_append(line, record);
		return;
	}
	line_append_clean(line, record->text, true);
	line_append_byte(line, '\n');
}

const struct emitter emitter_gctrace = { .record = emit_record };

static struct value sum(struct value a, struct value b)
{
	return (struct value){ .known = a.known && b.known, .u = a.u + b.u };
}

static void append_megabytes(struct line *line, const char *text, struct value bytes)
{
	line_append_string(line, text);
	if (bytes.known)
		line_append_unsigned(line, bytes.u >> 20);
	else
		line_append_byte(line, '?');
}

/* runtime.bgscavenge and scavengeAll of Go 1.13; there "sys" is what the heap has of the address space. */
static void append_scvg(struct line *line, const struct output_options *options, const struct record *record)
{
	struct value forced = record_value(record, "forced"), released = record_value(record, "heap_released_bytes");
	struct value in_use = record_value(record, "heap_in_use_bytes"), free = record_value(record, "heap_free_bytes");
	const char *name = forced.known && forced.truth ? "forced scvg: " : "scvg: ";

	append_prefix(line, options, record);
	append_megabytes(line, name, record_value(record, "released_bytes"));
	line_append_string(line, " MB released\n");
	append_prefix(line, options, record);
	line_append_string(line, name);
	append_megabytes(line, "inuse: ", in_use);
	append_megabytes(line, ", idle: ", sum(free, released));
	append_megabytes(line, ", sys: ", sum(sum(in_use, free), released));
	append_megabytes(line, ", released: ", released);
	append_megabytes(line, ", consumed: ", sum(in_use, free));
	line_append_string(line, " (MB)\n");
}

static void emit_scvg(struct line *line, const struct output_options *options, const struct record *record)
{
	struct value released;

	if (record->type != &record_scavenge) {
		emit_record(line, options, record);
		return;
	}
	/* What is not known may have been something. */
	released = record_value(record, "released_bytes");
	if (!released.known || released.u)
		append_scvg(line, options, record);
}

const struct emitter emitter_scvg = { .record = emit_scvg };
