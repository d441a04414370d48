// SPDX-License-Identifier: BSD-2-Clause
/* trace_reader: the runtime's lines out of a program's standard error. */
#define _GNU_SOURCE 1 /* memmem */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "trace_grammar.h"

#define BUFFER_BYTES	   32768
#define START		   "gc "
#define START_BYTES	   3
#define CYCLE_DIGITS	   10
#define NUMBERED_START_MAX 15 /* "gc 4294967295 @" */

/* How much text may lie between the beginning of a line and its end. */
#define TORN_BYTES 16384
#define TORN_LINES 128

/* The same where all there is of a line is "gc ": program text has that, too. */
#define WEAK_BYTES 4096
#define WEAK_LINES 32

_Static_assert(TORN_BYTES + TRACE_LINE_MAX < BUFFER_BYTES, "a full buffer is always decided on");

struct trace_reader {
	struct trace_reader_handler handler;
	struct trace_hints hints;
	char head[TRACE_SAMPLE_BYTES]; /* beginning of the line of text that is being handed out */
	size_t nr_head;
	size_t start, end; /* of what is not decided yet, in bytes[] */
	/* What is known of the text from start on, which begins a line and goes on with other text: */
	size_t rejoined;    /* lines up to here were tried to rejoin */
	size_t searched;    /* no "gc N @" begins before here, but for one at start */
	unsigned int lines; /* newlines before rejoined */
	struct trace_rejoined rejoin;
	char bytes[BUFFER_BYTES];
};

struct trace_reader *trace_reader_new(const struct trace_reader_handler *handler)
{
	struct trace_reader *reader = calloc(1, sizeof(*reader));

	if (reader) {
		reader->handler = *handler;
		reader->hints.cycle = 1;
	}
	return reader;
}

void trace_reader_free(struct trace_reader *reader)
{
	free(reader);
}

static size_t left(const struct trace_reader *reader)
{
	return reader->end - reader->start;
}

static void consume(struct trace_reader *reader, size_t size)
{
	reader->start += size;
	reader->searched -= size < reader->searched ? size : reader->searched;
	reader->rejoined = 0;
	reader->lines = 0;
}

static void pass_text(struct trace_reader *reader, const char *text, size_t size)
{
	if (size && reader->handler.text)
		reader->handler.text(reader->handler.context, text, size);
}

/*
 * Whether lines that begin like that can be told from digits of ours before
 * them: not those with a number of any length, but dates and times.
 */
static bool is_sample(const char *head)
{
	static const char *const forms[] = { "0000/00/", "0000-00-", "00:00:00" };

	/* The rest of a line of ours, behind foreign text. */
	if (strchr(" +-/%:@.", head[0]) || memcmp(head, "s ", 2) == 0)
		return false;
	if (!isdigit((unsigned char)head[0]))
		return true;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t at = 0;

		while (at < TRACE_SAMPLE_BYTES &&
		       (forms[i][at] == '0' ? isdigit((unsigned char)head[at]) != 0 : forms[i][at] == head[at]))
			at++;
		if (at == TRACE_SAMPLE_BYTES)
			return true;
	}
	return false;
}

/* Keeps how the last whole line of text that is the program's alone begins. */
static void take_sample(struct trace_reader *reader, const char *text, size_t size)
{
	const char *end = text + size, *newline;

	for (; text < end; text = newline + 1) {
		newline = memchr(text, '\n', (size_t)(end - text));
		for (const char *at = text; at < (newline ? newline : end) && reader->nr_head < TRACE_SAMPLE_BYTES;
		     at++)
			reader->head[reader->nr_head++] = *at;
		if (!newline)
			return;
		if (reader->nr_head == TRACE_SAMPLE_BYTES && is_sample(reader->head))
			memcpy(reader->hints.sample, reader->head, TRACE_SAMPLE_BYTES);
		reader->nr_head = 0;
	}
}

/* Text that nothing of ours was mixed into. */
static void pass_clean_text(struct trace_reader *reader, const char *text, size_t size)
{
	take_sample(reader, text, size);
	pass_text(reader, text, size);
	consume(reader, size);
}

/* The cycle's number behind "gc "; false when there is none, or none that the runtime could print. */
static bool read_cycle(const char *text, size_t size, uint32_t *cycle)
{
	uint64_t value = 0;
	size_t at = START_BYTES;

	while (at < size && text[at] >= '0' && text[at] <= '9' && value <= UINT32_MAX)
		value = value * 10 + (uint64_t)(text[at++] - '0');
	*cycle = (uint32_t)value;
	return at > START_BYTES && value <= UINT32_MAX;
}

static void pass_line(struct trace_reader *reader, enum trace_line_kind kind, const char *text, size_t length,
		      bool numbered)
{
	char copy[TRACE_LINE_MAX];
	struct trace_line line = { .kind = kind, .text = copy };

	if (length >= sizeof(copy))
		length = sizeof(copy) - 1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	line.cycle_read = numbered && read_cycle(text, length, &line.cycle);
	if (!line.cycle_read)
		line.cycle = reader->hints.cycle;
	reader->hints.cycle = line.cycle + 1;
	reader->handler.line(reader->handler.context, &line);
}

/* Where the next "gc N @" begins behind the one at @text: there the text of the first one ends. */
static size_t next_start(struct trace_reader *reader, const char *text, size_t size)
{
	size_t at = reader->searched ? reader->searched : 1;
	const char *found;

	while (at < size && (found = memmem(text + at, size - at, START, START_BYTES))) {
		size_t digit = (size_t)(found - text) + START_BYTES;

		at = (size_t)(found - text) + 1;
		/* As many digits as 32 bits have; with more it is no cycle, however the text was cut. */
		while (digit < size && digit < at - 1 + START_BYTES + CYCLE_DIGITS &&
		       isdigit((unsigned char)text[digit]))
			digit++;
		if (size - digit >= 2 && text[digit - 1] != ' ' && text[digit] == ' ' && text[digit + 1] == '@') {
			reader->searched = at - 1;
			return at - 1;
		}
	}
	if (size > reader->searched + NUMBERED_START_MAX)
		reader->searched = size - NUMBERED_START_MAX;
	return size;
}

/* Hands out the rejoined line and, before it, the text that was in it. */
static void pass_rejoined(struct trace_reader *reader, const char *text, size_t size)
{
	const struct trace_rejoined *rejoin = &reader->rejoin;

	for (size_t i = 0; i < rejoin->nr_cuts; i++)
		pass_text(reader, text + rejoin->cuts[i].start, rejoin->cuts[i].length);
	pass_line(reader, TRACE_LINE_REJOINED, rejoin->text, rejoin->length, true);
	consume(reader, size);
}

static bool mentions(const char *text, size_t size, const char *what)
{
	return memmem(text, size, what, strlen(what)) != NULL;
}

/* The beginning of a line was not to be completed from the @size bytes behind it. */
static void give_up(struct trace_reader *reader, const struct trace_match *match, const char *text, size_t size)
{
	uint32_t cycle;
	bool numbered = match->rule >= TRACE_RULE_START && read_cycle(text, size, &cycle);
	const char *newline = memchr(text, '\n', size);
	size_t length = newline ? (size_t)(newline - text) : size;

	if (!numbered && !mentions(text, size, " ms clock, ") && !mentions(text, size, " ms cpu, ")) {
		pass_clean_text(reader, text, START_BYTES); /* the program just says "gc " */
		return;
	}
	pass_text(reader, text, length + (newline != NULL));
	pass_line(reader, TRACE_LINE_TORN, text, length, numbered);
	consume(reader, length + (newline != NULL));
}

/*
 * Tries every newline in the first @size bytes as the end of the line, each
 * once. Returns as trace_grammar_rejoin() does.
 */
static int try_lines(struct trace_reader *reader, const char *text, size_t size, unsigned int most_lines)
{
	int found = 0;

	while (found == 0 && reader->lines < most_lines && reader->rejoined < size) {
		const char *newline = memchr(text + reader->rejoined, '\n', size - reader->rejoined);

		if (!newline)
			break;
		reader->rejoined = (size_t)(newline - text) + 1;
		reader->lines++;
		found = trace_grammar_rejoin(text, reader->rejoined, &reader->hints, &reader->rejoin);
	}
	return found;
}

/* Other text follows the beginning of a line. Returns false when more text is needed to decide. */
static bool step_torn(struct trace_reader *reader, const struct trace_match *match, bool ended)
{
	bool weak = match->rule <= TRACE_RULE_CYCLE;
	size_t most_bytes = weak ? WEAK_BYTES : TORN_BYTES;
	unsigned int most_lines = weak ? WEAK_LINES : TORN_LINES;
	const char *text = reader->bytes + reader->start;
	size_t window = left(reader) < most_bytes ? left(reader) : most_bytes;
	size_t size = next_start(reader, text, window);
	bool closed = ended || size < window || window == most_bytes;
	int found = try_lines(reader, text, size, most_lines);

	if (found == 1) {
		pass_rejoined(reader, text, reader->rejoined);
		return true;
	}
	if (found == 0 && reader->lines < most_lines && !closed)
		return false;
	/* What is behind the last line tried may or may not have come: it must not matter. */
	if (found > 1 || reader->lines == most_lines)
		size = reader->rejoined;
	give_up(reader, match, text, size);
	return true;
}

/* No line begins in what is left: hands it out, but for a "g" that may begin one. */
static void pass_rest(struct trace_reader *reader, bool ended)
{
	const char *text = reader->bytes + reader->start;
	size_t size = left(reader), kept = 0;

	if (!ended && size >= 2 && memcmp(text + size - 2, START, 2) == 0)
		kept = 2;
	else if (!ended && size >= 1 && text[size - 1] == START[0])
		kept = 1;
	pass_clean_text(reader, text, size - kept);
}

/* Decides on one piece of text or one line. Returns false when more is needed, or nothing left. */
static bool step(struct trace_reader *reader, bool ended)
{
	const char *text = reader->bytes + reader->start;
	const char *line = memmem(text, left(reader), START, START_BYTES);
	struct trace_match match;

	if (!line) {
		pass_rest(reader, ended);
		return false;
	}
	if (line != text) {
		pass_clean_text(reader, text, (size_t)(line - text));
		return true;
	}
	trace_grammar_match(trace_rules, line, left(reader), false, &match);
	switch (match.verdict) {
	case TRACE_WHOLE:
		pass_line(reader, TRACE_LINE_WHOLE, line, match.length - 1, true);
		consume(reader, match.length);
		return true;
	case TRACE_PARTIAL:
		if (ended) {
			pass_line(reader, TRACE_LINE_TRUNCATED, line, left(reader), true);
			consume(reader, left(reader));
		}
		return false;
	default: return step_torn(reader, &match, ended);
	}
}

void trace_reader_feed(struct trace_reader *reader, const char *bytes, size_t size)
{
	while (size) {
		size_t room, taken;

		memmove(reader->bytes, reader->bytes + reader->start, left(reader));
		reader->end -= reader->start;
		reader->start = 0;
		room = BUFFER_BYTES - reader->end;
		taken = size < room ? size : room;
		memcpy(reader->bytes + reader->end, bytes, taken);
		reader->end += taken;
		bytes += taken;
		size -= taken;
		while (step(reader, false))
			;
	}
}

void trace_reader_end(struct trace_reader *reader)
{
	while (step(reader, true))
		;
}
