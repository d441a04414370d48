// SPDX-License-Identifier: BSD-2-Clause
/*
 * json: one object per line, the type first, then all fields in the order of
 * the table. Strings are jansson's. Numbers are not: its integers are signed
 * and some of ours (the counters, the ids) may have the 64th bit.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "emitter.h"

static void append_string(struct line *line, const char *text)
{
	json_t *string = json_string(text);
	char *to = NULL;
	size_t room;

	if (!string) { /* not UTF-8 */
		char *escaped = record_text_escape(text, false);

		string = escaped ? json_string(escaped) : NULL;
		free(escaped);
	}
	if (string) {
		room = json_string_length(string) * 6 + 2; /* each byte "\u00HH", and quotes */
		to = line_room(line, room);
	}
	if (to)
		line->length += json_dumpb(string, to, room, JSON_ENCODE_ANY);
	else
		line->error = -ENOMEM;
	json_decref(string);
}

static void append_strings(struct line *line, const char *const *texts)
{
	line_append_byte(line, '[');
	for (size_t i = 0; texts[i]; i++) {
		if (i)
			line_append_byte(line, ',');
		append_string(line, texts[i]);
	}
	line_append_byte(line, ']');
}

static void append_value(struct line *line, enum value_type type, const struct value *value)
{
	if (!value->known || (type == VALUE_REAL && !isfinite(value->real))) {
		line_append_string(line, "null");
		return;
	}
	switch (type) {
	case VALUE_UNSIGNED: line_append_unsigned(line, value->u); break;
	case VALUE_SIGNED: line_append_signed(line, value->s); break;
	case VALUE_REAL: line_append_real(line, value->real); break;
	case VALUE_BOOL: line_append_string(line, value->truth ? "true" : "false"); break;
	case VALUE_TEXT: append_string(line, value->text); break;
	case VALUE_TEXTS: append_strings(line, value->texts); break;
	}
}

static void emit_record(struct line *line, const struct output_options *options, const struct record *record)
{
	const struct record_type *type = record->type;

	(void)options;
	line_append_string(line, "{\"type\":\"");
	line_append_string(line, type->name);
	line_append_byte(line, '"');
	for (size_t i = 0; i < type->nr_fields; i++) {
		line_append_string(line, ",\"");
		line_append_string(line, type->fields[i].name);
		line_append_string(line, "\":");
		append_value(line, type->fields[i].type, &record->values[i]);
	}
	line_append_string(line, "}\n");
}

const struct emitter emitter_json = { .record = emit_record };
