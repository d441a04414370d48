// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a program's standard error. Nothing is lost: lines and text
 * together are what came in, in order, and the size of the chunks changes
 * nothing. What was read is compared with itself, and with a part of itself.
 */
#include "fuzz.h"

#include "gctap/scav_comparison.h"
#include "gctap/scav_line.h"

#define COMPARED_BYTES 4096 /* longer inputs are only read: comparing them takes most of the time */

struct seen {
	uint64_t hash;	      /* of all that comes out, in its order */
	const uint8_t *input; /* what must come out next */
	size_t input_left;
	struct scav_comparison *itself, *part; /* may be NULL */
	uint64_t lines, whole, torn;
};

static void mix(uint64_t *hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void expect(struct seen *seen, const void *bytes, size_t size)
{
	require(size <= seen->input_left && memcmp(bytes, seen->input, size) == 0);
	seen->input += size;
	seen->input_left -= size;
}

static void compare(struct seen *seen, const struct scav_line *line)
{
	if (!seen->itself)
		return;
	require(!scav_comparison_add_gctap(seen->itself, line->text));
	require(!scav_comparison_add_runtime(seen->itself, line));
	if (seen->lines % 3)
		require(!scav_comparison_add_gctap(seen->part, line->text));
	require(!scav_comparison_add_runtime(seen->part, line));
}

static void on_line(void *context, const struct scav_line *line)
{
	struct seen *seen = context;
	struct trace_field fields[TRACE_FIELDS_MAX];
	size_t length = strlen(line->text);
	int count = scav_line_split(line->text, fields);

	require(length < TRACE_LINE_MAX && !memchr(line->text, '\n', length));
	mix(&seen->hash, line->text, length + 1);
	mix(&seen->hash, &line->kind, sizeof(line->kind));
	/* Torn lines are text as well. */
	if (line->kind != SCAV_LINE_TORN)
		expect(seen, line->text, length);
	if (line->kind == SCAV_LINE_WHOLE)
		expect(seen, "\n", 1);
	require(count <= TRACE_FIELDS_MAX);
	require(line->kind != SCAV_LINE_WHOLE || count > 0);
	for (int i = 0; i < count; i++)
		require(memchr(fields[i].name, 0, sizeof(fields[i].name)) && fields[i].text >= line->text &&
			fields[i].text + fields[i].length <= line->text + length);
	compare(seen, line);
	seen->lines++;
	seen->whole += line->kind == SCAV_LINE_WHOLE;
	seen->torn += line->kind == SCAV_LINE_TORN;
}

static void on_text(void *context, const char *bytes, size_t size)
{
	struct seen *seen = context;

	require(size);
	mix(&seen->hash, bytes, size);
	expect(seen, bytes, size);
}

static uint64_t read_stream(const uint8_t *data, size_t size, size_t chunk, struct seen *seen)
{
	struct scav_reader_handler handler = { on_line, on_text, seen };
	struct scav_reader *reader = scav_reader_new(&handler);

	require(reader);
	seen->input = data;
	seen->input_left = size;
	for (size_t at = 0; at < size; at += chunk) {
		size_t taken = size - at < chunk ? size - at : chunk;
		scav_reader_feed(reader, (const char *)data + at, taken);
	}
	scav_reader_end(reader);
	scav_reader_free(reader);
	require(seen->input_left == 0);
	return seen->hash;
}

static void split_as_it_is(const uint8_t *data, size_t size)
{
	struct trace_field fields[TRACE_FIELDS_MAX];
	char *text = malloc(size + 1);

	require(text);
	memcpy(text, data, size);
	text[size] = '\0';
	require(scav_line_split(text, fields) <= TRACE_FIELDS_MAX);
	free(text);
}

static const struct scav_comparison_result *finish(struct scav_comparison *comparison)
{
	const struct scav_comparison_result *result = scav_comparison_finish(comparison);
	json_t *json = scav_comparison_json(result);

	require(result->equal + result->moved + result->differing == result->compared);
	require(result->nr_differences <= SCAV_COMPARISON_DIFFERENCES_MAX);
	require(result->nr_fields <= SCAV_COMPARISON_FIELDS_MAX);
	require(json);
	json_decref(json);
	return result;
}

/* Each line of one side has its place. */
static void check_comparisons(const struct seen *seen)
{
	const struct scav_comparison_result *itself = finish(seen->itself), *part = finish(seen->part);

	require(itself->torn == seen->torn && part->torn == seen->torn);
	require(itself->compared + itself->only_gctap + itself->torn_away + itself->lost_at_exit == seen->lines);
	require(part->compared + part->only_gctap + part->torn_away + part->lost_at_exit ==
		seen->lines - (seen->lines + 2) / 3);
	require(itself->verdict != COMPARISON_EQUAL || itself->equal + itself->moved > 0);
	if (seen->lines == seen->whole)
		require(itself->equal == seen->lines);
	scav_comparison_free(seen->itself);
	scav_comparison_free(seen->part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { 0 }, pieces = { 0 }, bytes = { 0 };
	uint64_t hash;

	if (size <= COMPARED_BYTES) {
		whole.itself = scav_comparison_new();
		whole.part = scav_comparison_new();
		require(whole.itself && whole.part);
	}
	split_as_it_is(data, size);
	hash = read_stream(data, size, size ? size : 1, &whole);
	require(read_stream(data, size, 2 + (size ? data[0] % 97 : 0), &pieces) == hash);
	require(read_stream(data, size, 1, &bytes) == hash);
	if (whole.itself)
		check_comparisons(&whole);
	return 0;
}
