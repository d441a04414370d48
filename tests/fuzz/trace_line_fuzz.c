// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a program's standard error. Nothing is lost: lines and text
 * together are what came in, and where nothing is torn the size of the chunks
 * changes nothing. What was read is compared with itself.
 */
#include "fuzz.h"

#include "gctap/comparison.h"
#include "gctap/trace_line.h"

struct seen {
	uint64_t torn;	     /* lines that are torn, or cut off at the end */
	uint64_t hash;	     /* of all lines */
	uint64_t line_bytes; /* of lines that are ours, with their newlines, and of one that the end cut off */
	uint64_t text_bytes, text_hash;
	struct comparison *comparison; /* of each line with itself; may be NULL */
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
	if (line->kind != TRACE_LINE_TORN)
		seen->line_bytes += length + (line->kind != TRACE_LINE_TRUNCATED);
	seen->torn += line->kind == TRACE_LINE_TORN || line->kind == TRACE_LINE_TRUNCATED;
	if (seen->comparison) {
		require(!comparison_add_gctap(seen->comparison, line->cycle, line->text));
		require(!comparison_add_reread(seen->comparison, line->cycle, line->text));
		require(!comparison_add_runtime(seen->comparison, line));
	}
	count = trace_line_split(line->text, fields);
	require(count <= TRACE_FIELDS_MAX);
	if (line->kind == TRACE_LINE_WHOLE || line->kind == TRACE_LINE_REJOINED)
		require(count > 0);
	for (int i = 0; i < count; i++)
		require(memchr(fields[i].name, 0, sizeof(fields[i].name)) &&
			(fields[i].flag ||
			 (fields[i].text >= line->text && fields[i].text + fields[i].length <= line->text + length)));
}

static void on_text(void *context, const char *bytes, size_t size)
{
	struct seen *seen = context;

	mix(&seen->text_hash, bytes, size);
	seen->text_bytes += size;
}

static struct seen read_stream(const uint8_t *data, size_t size, size_t chunk, struct comparison *comparison)
{
	struct seen seen = { .comparison = comparison };
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

static void finish(struct comparison *comparison)
{
	const struct comparison_result *result = comparison_finish(comparison);

	require(result && result->equal + result->moved + result->differing == result->compared);
	require(result->nr_differences <= COMPARISON_DIFFERENCES_MAX && result->nr_fields <= COMPARISON_FIELDS_MAX);
	comparison_free(comparison);
}

/* Torn lines are text as well. The last line may have no newline. */
static void require_nothing_lost(const struct seen *seen, size_t size)
{
	uint64_t bytes = seen->line_bytes + seen->text_bytes;

	require(bytes == size || (bytes == size + 1 && seen->line_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct comparison *comparison = comparison_new();
	struct seen whole, pieces;

	require(comparison);
	split_as_it_is(data, size);
	whole = read_stream(data, size, size ? size : 1, comparison);
	pieces = read_stream(data, size, 1 + (size ? data[0] % 7 : 0), NULL);
	finish(comparison);
	require_nothing_lost(&whole, size);
	require_nothing_lost(&pieces, size);
	/* Where a torn line ends is a guess, which what has come so far decides. */
	if (!whole.torn && !pieces.torn)
		require(whole.hash == pieces.hash && whole.text_hash == pieces.text_hash);
	return 0;
}
