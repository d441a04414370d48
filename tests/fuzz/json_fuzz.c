// SPDX-License-Identifier: BSD-2-Clause
/*
 * Records with any numbers and any bytes in their texts. The line of JSON is read back by jansson with the same
 * values; the row of CSV has the same texts in its cells; a line of text has nothing that commands a terminal.
 */
#include "fuzz.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "output/emitter.h"

#define TEXT_MAX  512u
#define TEXTS_MAX 5u

/* What the texts of a record are kept in. */
struct texts {
	char *all[RECORD_FIELDS_MAX * TEXTS_MAX + 2];
	const char *lists[RECORD_FIELDS_MAX][TEXTS_MAX + 1];
	unsigned nr;
};

static const char *take_text(struct input *input, struct texts *texts)
{
	size_t length = input_take(input, 2) % TEXT_MAX;
	char *text = calloc(1, length + 1);

	require(text);
	if (length > input->size)
		length = input->size;
	memcpy(text, input->data, length);
	input->data += length;
	input->size -= length;
	texts->all[texts->nr++] = text;
	return text;
}

static void take_value(struct input *input, struct texts *texts, struct record *record, size_t i)
{
	struct value *value = &record->values[i];
	uint64_t bits;

	value->known = input_take(input, 1) & 1;
	if (!value->known)
		return;
	switch (record->type->fields[i].type) {
	case VALUE_UNSIGNED: value->u = input_take(input, 8); break;
	case VALUE_SIGNED: value->s = (int64_t)input_take(input, 8); break;
	case VALUE_REAL:
		bits = input_take(input, 8);
		memcpy(&value->real, &bits, sizeof(bits));
		break;
	case VALUE_BOOL: value->truth = input_take(input, 1) & 1; break;
	case VALUE_TEXT: value->text = take_text(input, texts); break;
	case VALUE_TEXTS:
		bits = input_take(input, 1) % (TEXTS_MAX + 1);
		for (unsigned k = 0; k < bits; k++)
			texts->lists[i][k] = take_text(input, texts);
		value->texts = texts->lists[i];
		break;
	}
}

/* As a text has to come out: what is UTF-8 as it is. */
static void check_text(const char *text, const char *got, size_t length)
{
	char *expected = record_text_escape(text, false);

	require(expected && length == strlen(expected) && memcmp(got, expected, length) == 0);
	free(expected);
}

static void check_string(const char *text, const json_t *json)
{
	require(json_is_string(json));
	check_text(text, json_string_value(json), json_string_length(json));
}

/* @large: all numbers were read as reals, for one of them is more than jansson's integers have. */
static void check_json_value(const struct value *value, enum value_type type, bool large, const json_t *json)
{
	if (!value->known || (type == VALUE_REAL && !isfinite(value->real))) {
		require(json_is_null(json));
		return;
	}
	switch (type) {
	case VALUE_UNSIGNED:
		require(large ? json_real_value(json) == (double)value->u
			      : json_is_integer(json) && json_integer_value(json) == (int64_t)value->u);
		break;
	case VALUE_SIGNED:
		require(large ? json_real_value(json) == (double)value->s
			      : json_is_integer(json) && json_integer_value(json) == value->s);
		break;
	case VALUE_REAL: require(json_is_number(json) && json_number_value(json) == value->real); break;
	case VALUE_BOOL: require(json_is_boolean(json) && json_is_true(json) == value->truth); break;
	case VALUE_TEXT: check_string(value->text, json); break;
	case VALUE_TEXTS:
		for (size_t i = 0; value->texts[i]; i++)
			check_string(value->texts[i], json_array_get(json, i));
		break;
	}
}

static bool has_large(const struct record *record)
{
	for (size_t i = 0; i < record->type->nr_fields; i++)
		if (record->type->fields[i].type == VALUE_UNSIGNED && record->values[i].known &&
		    record->values[i].u > INT64_MAX)
			return true;
	return false;
}

static void check_json(const struct record *record)
{
	struct output_options options = { .format = OUTPUT_JSON };
	bool large = has_large(record);
	struct line line = { 0 };
	json_t *json;

	emitter_json.record(&line, &options, record);
	require(!line.error && line.length > 1);
	require(memchr(line.bytes, '\n', line.length) == line.bytes + line.length - 1);
	json = json_loadb(line.bytes, line.length,
			  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | (large ? JSON_DECODE_INT_AS_REAL : 0), NULL);
	require(json && json_object_size(json) == record->type->nr_fields + 1);
	require(strcmp(json_string_value(json_object_get(json, "type")), record->type->name) == 0);
	for (size_t i = 0; i < record->type->nr_fields; i++)
		check_json_value(&record->values[i], record->type->fields[i].type, large,
				 json_object_get(json, record->type->fields[i].name));
	json_decref(json);
	free(line.bytes);
}

/* The next cell without its quotes, to be freed; *@at is then behind its comma or line end. */
static char *next_cell(const char **at, const char *end, size_t *length)
{
	char *cell = malloc((size_t)(end - *at) + 1);
	bool quoted = *at < end && **at == '"';

	require(cell);
	*length = 0;
	*at += quoted;
	while (*at < end) {
		if (quoted && **at == '"' && ++*at < end && **at != '"')
			break;
		if (!quoted && (**at == ',' || **at == '\r'))
			break;
		cell[(*length)++] = *(*at)++;
	}
	require(*at < end && (**at == ',' || **at == '\r'));
	*at += **at == ',' ? 1 : 2;
	return cell;
}

static void check_csv(const struct record *record)
{
	struct output_options options = { .format = OUTPUT_CSV, .csv_type = record->type };
	struct line line = { 0 };
	const char *at, *end;

	emitter_csv.record(&line, &options, record);
	require(!line.error && line.length >= 2);
	at = line.bytes;
	end = line.bytes + line.length;
	for (size_t i = 0; i < record->type->nr_fields; i++) {
		size_t length;
		char *cell = next_cell(&at, end, &length);

		if (!record->values[i].known)
			require(!length);
		else if (record->type->fields[i].type == VALUE_TEXT)
			check_text(record->values[i].text, cell, length);
		free(cell);
	}
	require(at == end);
	free(line.bytes);
}

/* Lines that a terminal gets. Those of tables have gctap's own words only: of them, that they can be made. */
static void check_lines(const struct emitter *emitter, const struct record *record)
{
	struct output_options options = { .timestamps = true };
	struct line line = { 0 };

	emitter->record(&line, &options, record);
	require(!line.error &&
		(!line.length || record->type != &record_gc_cycle || line.bytes[line.length - 1] == '\n'));
	for (size_t i = 0; i < line.length && record->text; i++)
		require(line.bytes[i] == '\n' || ((uint8_t)line.bytes[i] >= 0x20 && line.bytes[i] != 0x7f));
	if (record->text && emitter == &emitter_gctrace)
		require(memchr(line.bytes, '\n', line.length) == line.bytes + line.length - 1);
	free(line.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	static struct texts texts;
	struct record record;
	size_t nr_types = 0;

	while (record_types[nr_types])
		nr_types++;
	memset(&texts, 0, sizeof(texts));
	record_clear(&record, record_types[input_take(&input, 1) % nr_types]);
	record.wall_ns = input_take(&input, 8);
	for (size_t i = 0; i < record.type->nr_fields; i++)
		take_value(&input, &texts, &record, i);
	if (input_take(&input, 1) & 1)
		record.text = take_text(&input, &texts);
	if (input_take(&input, 1) & 1)
		record.origin = take_text(&input, &texts);
	check_json(&record);
	check_csv(&record);
	check_lines(&emitter_gctrace, &record);
	check_lines(&emitter_scvg, &record);
	while (texts.nr)
		free(texts.all[--texts.nr]);
	return 0;
}
