// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a program's standard error. Nothing is lost: lines and text
 * together are what came in, and the size of the chunks changes nothing.
 */
#include "fuzz.h"

#include "gctap/trace_line.h"

struct seen {
	uint64_t lines, hash; /* of all lines */
	uint64_t text_bytes;
	size_t text_hash;
};

static void mix(uint64_t *hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void on_line(void *context, const struct trace_line *line)
{
	struct seen *seen = context;
	struct trace_field fields[TRACE_FIELDS_MAX];
	size_t length = strlen(line->text);
	int count;

	require(length < TRACE_LINE_MAX && !memchr(line->text, '\n', length));
	mix(&seen->hash, line->text, length + 1);
	mix(&seen->hash, &line->kind, sizeof(line->kind));
	mix(&seen->hash, &line->cycle, sizeof(line->cycle));
	seen->lines++;
	count = trace_line_split(line->text, fields);
	require(count <= TRACE_FIELDS_MAX);
	if (line->kind == TRACE_LINE_WHOLE || line->kind == TRACE_LINE_REJOINED)
		require(count > 0);
	for (int i = 0; i < count; i++)
		require(memchr(fields[i].name, 0, sizeof(fields[i].name)) &&
			(fields[i].flag || (fields[i].text >= line->text &&
					    fields[i].text + fields[i].length <= line->text + length)));
}

static void on_text(void *context, const char *bytes, size_t size)
{
	struct seen *seen = context;
	uint64_t hash = seen->text_hash;

	mix(&hash, bytes, size);
	seen->text_hash = hash;
	seen->text_bytes += size;
}

static struct seen read_stream(const uint8_t *data, size_t size, size_t chunk)
{
	struct seen seen = { 0 };
	struct trace_reader_handler handler = { on_line, on_text, &seen };
	struct trace_reader *reader = trace_reader_new(&handler);

	require(reader);
	for (size_t at = 0; at < size; at += chunk)
		trace_reader_feed(reader, (const char *)data + at, size - at < chunk ? size - at : chunk);
	trace_reader_end(reader);
	trace_reader_free(reader);
	return seen;
}

static void split_as_it_is(const uint8_t *data, size_t size)
{
	struct trace_field fields[TRACE_FIELDS_MAX];
	char *text = malloc(size + 1);

	require(text);
	memcpy(text, data, size);
	text[size] = '\0';
	trace_line_split(text, fields);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, pieces;

	split_as_it_is(data, size);
	whole = read_stream(data, size, size ? size : 1);
	pieces = read_stream(data, size, 1 + (size ? data[0] % 7 : 0));
	require(whole.text_bytes <= size);
	require(whole.lines == pieces.lines && whole.hash == pieces.hash);
	require(whole.text_bytes == pieces.text_bytes && whole.text_hash == pieces.text_hash);
	return 0;
}
