// SPDX-License-Identifier: BSD-2-Clause
/*
 * scav_line: the line, Go 1.14 to 1.27 (runtime.printScavTrace):
 *   1.14  scav N KiB work, T KiB total, U% util
 *   1.15  scav GENERATION N KiB work, T KiB total, U% util[ (forced)]
 *   1.19  scav N KiB work, T KiB total, U% util[ (forced)| [controller reset]]
 *   1.21  scav B KiB work (bg), E KiB work (eager), T KiB now, U% util[ (forced)| [controller reset]]
 */
#define _GNU_SOURCE 1 /* memmem */
#include "gctap/scav_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace_grammar.h"

#define BUFFER_BYTES 4096
#define START	     "scav "
#define START_BYTES  5

/* How much text may lie between the beginning of a torn line and its last operand. */
#define TORN_BYTES (256 * 1024)

_Static_assert(TRACE_LINE_MAX < BUFFER_BYTES, "a full buffer is always decided on");

enum { RULE_BACKGROUND = 2, RULE_WORK = 3, RULE_WORK_BEHIND_GENERATION = 6 };

static const struct token_rule rules[] = {
	[0] = { TOKEN_LITERAL, START, 1, 0 },
	[1] = { TOKEN_INTEGER, NULL, RULE_BACKGROUND, 0 },
	[RULE_BACKGROUND] = { TOKEN_LITERAL, " KiB work (bg), ", 7, RULE_WORK },
	[RULE_WORK] = { TOKEN_LITERAL, " KiB work, ", 9, 4 },
	[4] = { TOKEN_LITERAL, " ", 5, 0 },
	[5] = { TOKEN_INTEGER, "work", RULE_WORK_BEHIND_GENERATION, 0 },
	[RULE_WORK_BEHIND_GENERATION] = { TOKEN_LITERAL, " KiB work, ", 9, 0 },
	[7] = { TOKEN_INTEGER, "work_eager", 8, 0 },
	[8] = { TOKEN_LITERAL, " KiB work (eager), ", 9, 0 },
	[9] = { TOKEN_INTEGER, "released_now", 10, 0 },
	[10] = { TOKEN_LITERAL, " KiB now, ", 12, 11 },
	[11] = { TOKEN_LITERAL, " KiB total, ", 12, 0 },
	[12] = { TOKEN_INTEGER, "utilization", 13, 0 },
	[13] = { TOKEN_LITERAL, "% util", 14, 0 },
	[14] = { TOKEN_NOTE, "()", 14, 15 },
	[15] = { TOKEN_NOTE, "[]", 14, 16 },
	[16] = { TOKEN_END, NULL, 0, 0 },
};

/*
 * What is in every line of ours, torn or not: an operand is one write, hence in
 * one piece. No proper end of one of these is its beginning.
 */
static const char *const proofs[] = { "KiB work", "% util" };

#define NR_PROOFS (sizeof(proofs) / sizeof(proofs[0]))

/* A line that other text was written into; the text is watched while it is handed on. */
struct torn {
	bool open;
	size_t nr_proofs; /* that have come */
	size_t matched;	  /* bytes of the next one */
	size_t watched;	  /* bytes of text since the beginning */
	bool complete;	  /* text[] ends where the line did */
	size_t length;
	char text[TRACE_LINE_MAX];
};

struct scav_reader {
	struct scav_reader_handler handler;
	struct torn torn;
	size_t start, end; /* of what is not decided yet, in bytes[] */
	char bytes[BUFFER_BYTES];
};

struct scav_reader *scav_reader_new(const struct scav_reader_handler *handler)
{
	struct scav_reader *reader = calloc(1, sizeof(*reader));

	if (reader)
		reader->handler = *handler;
	return reader;
}

void scav_reader_free(struct scav_reader *reader)
{
	free(reader);
}

/* The torn line is over: the program's own words unless all proofs have come. */
static void close_torn(struct scav_reader *reader)
{
	struct torn *torn = &reader->torn;
	struct scav_line line = { .kind = SCAV_LINE_TORN, .text = torn->text };

	if (!torn->open)
		return;
	torn->open = false;
	torn->text[torn->length] = '\0';
	if (torn->nr_proofs == NR_PROOFS)
		reader->handler.line(reader->handler.context, &line);
}

/* What began like a line went on differently at @rule. */
static void open_torn(struct scav_reader *reader, int rule)
{
	struct torn *torn = &reader->torn;
	bool weak = rule <= RULE_WORK_BEHIND_GENERATION;

	/* One of the two is the program's own words: the runtime finishes a line before the next. */
	if (weak && torn->open && torn->nr_proofs < NR_PROOFS) {
		torn->watched = 0;
		return;
	}
	close_torn(reader);
	torn->open = true;
	torn->complete = false;
	torn->nr_proofs = torn->matched = torn->watched = torn->length = 0;
}

static void look_for_proof(struct torn *torn, char c)
{
	const char *proof = proofs[torn->nr_proofs];

	if (c != proof[torn->matched])
		torn->matched = 0;
	if (c == proof[torn->matched])
		torn->matched++;
	if (!proof[torn->matched]) {
		torn->matched = 0;
		torn->nr_proofs++;
	}
}

static void watch(struct torn *torn, char c)
{
	torn->watched++;
	torn->complete |= c == '\n' || torn->length == TRACE_LINE_MAX - 1;
	if (!torn->complete)
		torn->text[torn->length++] = c;
	if (torn->nr_proofs < NR_PROOFS)
		look_for_proof(torn, c);
}

static bool is_over(const struct torn *torn)
{
	return torn->watched == TORN_BYTES || (torn->complete && torn->nr_proofs == NR_PROOFS);
}

static void pass_text(struct scav_reader *reader, size_t size)
{
	const char *text = reader->bytes + reader->start;
	size_t passed = 0;

	/* A torn line is handed out right behind the byte that decides, however the text was cut. */
	for (size_t at = 0; at < size && reader->torn.open; at++) {
		watch(&reader->torn, text[at]);
		if (is_over(&reader->torn)) {
			if (reader->handler.text)
				reader->handler.text(reader->handler.context, text, at + 1);
			passed = at + 1;
			close_torn(reader);
		}
	}
	if (size > passed && reader->handler.text)
		reader->handler.text(reader->handler.context, text + passed, size - passed);
	reader->start += size;
}

static void pass_line(struct scav_reader *reader, enum scav_line_kind kind, size_t length, size_t consumed)
{
	char text[TRACE_LINE_MAX];
	struct scav_line line = { .kind = kind, .text = text };

	close_torn(reader);
	memcpy(text, reader->bytes + reader->start, length);
	text[length] = '\0';
	reader->handler.line(reader->handler.context, &line);
	reader->start += consumed;
}

/* No line begins in what is left: hands it out, but for an end that may begin one. */
static void pass_rest(struct scav_reader *reader, bool ended)
{
	size_t size = reader->end - reader->start;
	size_t kept = ended ? 0 : START_BYTES - 1;

	if (kept > size)
		kept = size;
	while (kept && memcmp(reader->bytes + reader->end - kept, START, kept) != 0)
		kept--;
	pass_text(reader, size - kept);
}

/* Decides on one piece of text or one line. Returns false when more is needed, or nothing left. */
static bool step(struct scav_reader *reader, bool ended)
{
	const char *text = reader->bytes + reader->start;
	size_t size = reader->end - reader->start;
	const char *line = memmem(text, size, START, START_BYTES);
	struct trace_match match;

	if (!line) {
		pass_rest(reader, ended);
		return false;
	}
	if (line != text) {
		pass_text(reader, (size_t)(line - text));
		return true;
	}
	trace_grammar_match(rules, text, size, false, &match);
	switch (match.verdict) {
	case TRACE_WHOLE: pass_line(reader, SCAV_LINE_WHOLE, match.length - 1, match.length); return true;
	case TRACE_PARTIAL:
		if (ended)
			pass_line(reader, SCAV_LINE_TRUNCATED, size, size);
		return false;
	case TRACE_MISMATCH: break;
	}
	open_torn(reader, match.rule);
	pass_text(reader, START_BYTES);
	return true;
}

void scav_reader_feed(struct scav_reader *reader, const char *bytes, size_t size)
{
	while (size) {
		size_t left = reader->end - reader->start, taken = BUFFER_BYTES - left;

		if (taken > size)
			taken = size;
		memmove(reader->bytes, reader->bytes + reader->start, left);
		memcpy(reader->bytes + left, bytes, taken);
		reader->start = 0;
		reader->end = left + taken;
		bytes += taken;
		size -= taken;
		while (step(reader, false))
			;
	}
}

void scav_reader_end(struct scav_reader *reader)
{
	while (step(reader, true))
		;
	close_torn(reader);
}

static const char *name_of_first(const struct trace_token *behind)
{
	switch (behind->rule) {
	case RULE_BACKGROUND: return "work_background";
	case RULE_WORK: return "work";
	default: return "generation";
	}
}

int scav_line_split(const char *text, struct trace_field fields[TRACE_FIELDS_MAX])
{
	struct trace_match match;
	int nr_fields = 0;

	if (!trace_grammar_match_line(rules, text, &match))
		return -EINVAL;
	for (size_t i = 0; i < match.nr_tokens && nr_fields < TRACE_FIELDS_MAX; i++) {
		const struct trace_token *token = &match.tokens[i];
		const struct token_rule *rule = &rules[token->rule];
		struct trace_field *field = &fields[nr_fields];

		if (rule->token == TOKEN_NOTE) {
			trace_grammar_flag(text, token, field);
		} else if (trace_token_is_number(rule->token)) {
			strcpy(field->name, rule->text ? rule->text : name_of_first(token + 1));
			field->text = text + token->start;
			field->length = token->length;
			field->flag = false;
		} else {
			continue;
		}
		nr_fields++;
	}
	return nr_fields;
}
