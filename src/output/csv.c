// SPDX-License-Identifier: BSD-2-Clause
/*
 * csv: records of one type as RFC 4180 tells: a heading, CRLF, quotes where a cell needs
 * them. Unknown is an empty cell; an empty text is "". Several texts are one
 * cell, joined by ";", as folded stacks are.
 */
#include <math.h>
#include <string.h>

#include "emitter.h"

static bool needs_quotes(const char *cell, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (memchr("\",\r\n", cell[i], 4))
			return true;
	}
	return length == 0;
}

/* Quotes the text in the cell that begins at @start, if it needs quotes. */
static void quote_cell(struct line *line, size_t start)
{
	size_t length = line->length - start, quotes = 2;
	char *cell, *from, *to;

	if (line->error || (length && !needs_quotes(line->bytes + start, length)))
		return;
	for (size_t i = 0; i < length; i++)
		quotes += line->bytes[start + i] == '"';
	if (!line_room(line, quotes))
		return;
	/* In place, from the end: no byte is overwritten before it was moved. */
	cell = line->bytes + start;
	from = cell + length;
	to = from + quotes;
	*--to = '"';
	while (from > cell) {
		*--to = *--from;
		if (*to == '"')
			*--to = '"';
	}
	*--to = '"';
	line->length += quotes;
}

static void append_texts(struct line *line, const char *const *texts)
{
	for (size_t i = 0; texts[i]; i++) {
		if (i)
			line_append_byte(line, ';');
		line_append_clean(line, texts[i], false);
	}
}

static void append_value(struct line *line, enum value_type type, const struct value *value)
{
	size_t start = line->length;

	if (!value->known)
		return;
	switch (type) {
	case VALUE_UNSIGNED: line_append_unsigned(line, value->u); break;
	case VALUE_SIGNED: line_append_signed(line, value->s); break;
	case VALUE_REAL:
		if (isfinite(value->real))
			line_append_real(line, value->real);
		break;
	case VALUE_BOOL: line_append_string(line, value->truth ? "true" : "false"); break;
	case VALUE_TEXT:
		line_append_clean(line, value->text, false);
		quote_cell(line, start);
		break;
	case VALUE_TEXTS:
		append_texts(line, value->texts);
		quote_cell(line, start);
		break;
	}
}

static const struct record_type *type_of(const struct output_options *options)
{
	return options->csv_type ? options->csv_type : &record_gc_cycle;
}

static void emit_heading(struct line *line, const struct output_options *options)
{
	const struct record_type *type = type_of(options);

	for (size_t i = 0; i < type->nr_fields; i++) {
		if (i)
			line_append_byte(line, ',');
		line_append_string(line, type->fields[i].name);
	}
	line_append_string(line, "\r\n");
}

static void emit_record(struct line *line, const struct output_options *options, const struct record *record)
{
	if (record->type != type_of(options))
		return;
	for (size_t i = 0; i < record->type->nr_fields; i++) {
		if (i)
			line_append_byte(line, ',');
		append_value(line, record->type->fields[i].type, &record->values[i]);
	}
	line_append_string(line, "\r\n");
}

const struct emitter emitter_csv = { .heading = emit_heading, .record = emit_record };
