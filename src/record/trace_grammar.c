// SPDX-License-Identifier: BSD-2-Clause
/*
 * The line, Go 1.8 to 1.27 (runtime.gcMarkTermination):
 *   gc N @S.SSSs P%[ (note)]: A+B+C ms clock, a+b/c/d+e ms cpu, H->H->H MB,
 *   G MB goal,[ S MB stacks, G MB globals,] P P[ (forced)]
 * A later version may add items before the P and notes.
 */
#include "trace_grammar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "trace_field.h"

#define NUMBER_MAX 24 /* digits and a point; 2^64 has 20 */
#define WORDS_MAX  64 /* bytes of a label or a note */

#define NEEDS_MORE (-1)

const struct token_rule trace_rules[] = {
	[0] = { TOKEN_LITERAL, "gc ", 1, 0 },
	[TRACE_RULE_CYCLE] = { TOKEN_INTEGER, "cycle", 2, 0 },
	[2] = { TOKEN_LITERAL, " @", 3, 0 },
	[TRACE_RULE_START] = { TOKEN_SECONDS, "start_seconds", 4, 0 },
	[4] = { TOKEN_LITERAL, "s ", 5, 0 },
	[5] = { TOKEN_INTEGER, "cpu_percent", 6, 0 },
	[6] = { TOKEN_LITERAL, "%", 7, 0 },
	[7] = { TOKEN_NOTE, "()", 7, 8 },
	[8] = { TOKEN_LITERAL, ": ", 9, 0 },
	[9] = { TOKEN_MILLISECONDS, "clock_sweep_term", 10, 0 },
	[10] = { TOKEN_LITERAL, "+", 11, 0 },
	[11] = { TOKEN_MILLISECONDS, "clock_mark", 12, 0 },
	[12] = { TOKEN_LITERAL, "+", 13, 0 },
	[13] = { TOKEN_MILLISECONDS, "clock_mark_term", 14, 0 },
	[14] = { TOKEN_LITERAL, " ms clock, ", 15, 0 },
	[15] = { TOKEN_MILLISECONDS, "cpu_sweep_term", 16, 0 },
	[16] = { TOKEN_LITERAL, "+", 17, 0 },
	[17] = { TOKEN_MILLISECONDS, "cpu_assist", 18, 0 },
	[18] = { TOKEN_LITERAL, "/", 19, 0 },
	[19] = { TOKEN_MILLISECONDS, "cpu_background", 20, 0 },
	[20] = { TOKEN_LITERAL, "/", 21, 0 },
	[21] = { TOKEN_MILLISECONDS, "cpu_idle", 22, 0 },
	[22] = { TOKEN_LITERAL, "+", 23, 0 },
	[23] = { TOKEN_MILLISECONDS, "cpu_mark_term", 24, 0 },
	[24] = { TOKEN_LITERAL, " ms cpu, ", 25, 0 },
	[25] = { TOKEN_INTEGER, "heap_start", 26, 0 },
	[26] = { TOKEN_LITERAL, "->", 27, 0 },
	[27] = { TOKEN_INTEGER, "heap_end", 28, 0 },
	[28] = { TOKEN_LITERAL, "->", 29, 0 },
	[29] = { TOKEN_INTEGER, "heap_marked", 30, 0 },
	[30] = { TOKEN_LITERAL, " MB, ", 31, 0 },
	[31] = { TOKEN_INTEGER, NULL, 32, 0 },
	[32] = { TOKEN_LABEL, NULL, 31, 33 },
	[33] = { TOKEN_LITERAL, " P", 34, 0 },
	[34] = { TOKEN_NOTE, "()", 34, 35 },
	[35] = { TOKEN_END, NULL, 0, 0 },
};

bool trace_token_is_number(enum token token)
{
	return token == TOKEN_INTEGER || token == TOKEN_SECONDS || token == TOKEN_MILLISECONDS;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The functions *_length answer: bytes of the token at @at, 0: none, NEEDS_MORE: @end comes too early to say. */

static int literal_length(const char *literal, const char *at, const char *end)
{
	size_t length = strlen(literal), there = (size_t)(end - at);

	if (there < length)
		return memcmp(at, literal, there) == 0 ? NEEDS_MORE : 0;
	return memcmp(at, literal, length) == 0 ? (int)length : 0;
}

/* The longest number at @at. Without decimals it may have a sign, but no leading zero. */
static int number_length(enum token token, const char *at, const char *end)
{
	const char *from = at, *limit = end - at > NUMBER_MAX ? at + NUMBER_MAX : end;
	bool point = false;

	if (at < limit && *at == '-' && token == TOKEN_INTEGER)
		at++;
	if (at < limit && *at == '0' && token == TOKEN_INTEGER) {
		at++;
		limit = at;
	}
	for (; at < limit; at++) {
		if (*at == '.' && !point && token != TOKEN_INTEGER)
			point = true;
		else if (!is_digit(*at))
			break;
	}
	if (at == end)
		return NEEDS_MORE;
	return is_digit(at[-(at > from)]) ? (int)(at - from) : 0;
}

/* Words in letters, each behind one blank, and ", ". */
static int label_length(const char *at, const char *end)
{
	const char *from = at, *limit = end - at > WORDS_MAX ? at + WORDS_MAX : end;

	while (at < limit && *at == ' ') {
		const char *word = ++at;

		while (at < limit && (isalpha((unsigned char)*at) || strchr("_-/", *at)) && *at)
			at++;
		if (at == word && at < limit)
			return 0;
	}
	if (at == end || (at < limit && *at == ',' && at + 1 == end))
		return NEEDS_MORE;
	if (at + 1 < limit && at > from && at[0] == ',' && at[1] == ' ')
		return (int)(at + 2 - from);
	return 0;
}

/* A blank, the opening bracket, anything but a newline or another bracket, the closing one. */
static int note_length(const char *brackets, const char *at, const char *end)
{
	const char *from = at, *limit = end - at > WORDS_MAX ? at + WORDS_MAX : end;
	const char start[] = { ' ', brackets[0], '\0' };
	int opening = literal_length(start, at, end);

	if (opening <= 0)
		return opening;
	for (at += opening; at < limit && *at != '\n' && *at && !strchr(brackets, *at); at++)
		;
	if (at == end)
		return NEEDS_MORE;
	return at < limit && *at == brackets[1] ? (int)(at + 1 - from) : 0;
}

int trace_token_length(const struct token_rule *rule, const char *at, const char *end)
{
	switch (rule->token) {
	case TOKEN_LITERAL: return literal_length(rule->text, at, end);
	case TOKEN_LABEL: return label_length(at, end);
	case TOKEN_NOTE: return note_length(rule->text, at, end);
	case TOKEN_END: return literal_length("\n", at, end);
	default: return number_length(rule->token, at, end);
	}
}

void trace_grammar_match(const struct token_rule *rules, const char *text, size_t size, bool unknowns,
			 struct trace_match *match)
{
	const char *at = text, *end = text + (size > TRACE_LINE_MAX ? TRACE_LINE_MAX : size);
	int rule = 0;

	match->nr_tokens = 0;
	for (;;) {
		int length = trace_token_length(&rules[rule], at, end);

		if (length == 0 && unknowns && trace_token_is_number(rules[rule].token) && *at == '?')
			length = 1;
		match->rule = rule;
		match->length = (size_t)(at - text);
		if (length == 0 && rules[rule].other) {
			rule = rules[rule].other;
			continue;
		}
		if (length == 0 || match->nr_tokens == TRACE_TOKENS_MAX) {
			match->verdict = TRACE_MISMATCH;
			return;
		}
		if (length == NEEDS_MORE) {
			match->verdict = size < TRACE_LINE_MAX ? TRACE_PARTIAL : TRACE_MISMATCH;
			return;
		}
		match->tokens[match->nr_tokens++] = (struct trace_token){
			.rule = (uint8_t)rule,
			.start = (uint16_t)(at - text),
			.length = (uint16_t)length,
		};
		at += length;
		if (rules[rule].token == TOKEN_END) {
			match->verdict = TRACE_WHOLE;
			match->length = (size_t)(at - text);
			return;
		}
		rule = rules[rule].next;
	}
}

bool trace_grammar_match_line(const struct token_rule *rules, const char *text, struct trace_match *match)
{
	size_t length = strlen(text);
	char line[TRACE_LINE_MAX + 1];

	if (length >= TRACE_LINE_MAX)
		return false;
	memcpy(line, text, length);
	line[length] = '\n';
	trace_grammar_match(rules, line, length + 1, true, match);
	return match->verdict == TRACE_WHOLE && match->length == length + 1;
}

void trace_grammar_flag(const char *text, const struct trace_token *note, struct trace_field *field)
{
	/* without " (" and ")" */
	field->text = text + note->start + 2;
	field->length = note->length - 3u;
	field->flag = true;
	trace_field_name(field, field->text, field->length);
}
