/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace_grammar: the form of a line as a table of tokens, and two ways to run
 * it: straight, and (a gctrace line) over text into which other lines were written.
 */
#ifndef GCTAP_TRACE_GRAMMAR_H
#define GCTAP_TRACE_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/trace_line.h"

#define TRACE_TOKENS_MAX   128
#define TRACE_CUTS_MAX	   64
#define TRACE_SAMPLE_BYTES 8

enum token {
	TOKEN_LITERAL,
	TOKEN_INTEGER,
	TOKEN_SECONDS,	    /* always three decimals */
	TOKEN_MILLISECONDS, /* the runtime's fmtNSAsMS: two digits that count, or whole */
	TOKEN_LABEL,	    /* " MB goal, ": names the number before it */
	TOKEN_NOTE,	    /* " (forced)", " [controller reset]" */
	TOKEN_END,	    /* the newline */
};

struct token_rule {
	enum token token;
	const char
		*text; /* of a literal; of a note its brackets; of a number its name, NULL: what is behind names it */
	int next;      /* the rule behind it */
	int other;     /* the rule to try when this one does not match; 0: none */
};

extern const struct token_rule trace_rules[]; /* of a gctrace line */

/* Rules that a reader must know by number. */
#define TRACE_RULE_CYCLE 1 /* the cycle's number comes next */
#define TRACE_RULE_START 3 /* "gc N @" has been read */

bool trace_token_is_number(enum token token);

/*
 * Bytes of the longest token of @rule at @at; 0: there is none; -1: the text
 * ends at @end before that can be said.
 */
int trace_token_length(const struct token_rule *rule, const char *at, const char *end);

enum trace_verdict {
	TRACE_WHOLE,   /* a line up to and with its end */
	TRACE_PARTIAL, /* the text ends inside a line */
	TRACE_MISMATCH,
};

struct trace_token {
	uint8_t rule;
	uint16_t start, length;
};

struct trace_match {
	enum trace_verdict verdict;
	int rule;      /* the one that did not match, or found too little text */
	size_t length; /* bytes of all tokens that matched */
	size_t nr_tokens;
	struct trace_token tokens[TRACE_TOKENS_MAX];
};

/* Runs over text that nobody wrote into. With @unknowns "?" is a number too. */
void trace_grammar_match(const struct token_rule *rules, const char *text, size_t size, bool unknowns,
			 struct trace_match *match);

/*
 * The same over a line without newline, of which nothing may be left; what is not known may be "?".
 * Returns false when @text is not such a line.
 */
bool trace_grammar_match_line(const struct token_rule *rules, const char *text, struct trace_match *match);

/* What is between the brackets of a note in @text, as a flag: "was odd" is called was_odd. */
void trace_grammar_flag(const char *text, const struct trace_token *note, struct trace_field *field);

struct trace_cut {
	size_t start, length; /* the text of others, in the input */
};

struct trace_hints {
	uint32_t cycle; /* the number that the line should have */
	/*
	 * How the program's last line began that was not mixed up, or "". Where
	 * a foreign line begins with digits right behind a number of ours, this
	 * tells the one from the other.
	 */
	char sample[TRACE_SAMPLE_BYTES + 1];
};

struct trace_rejoined {
	size_t length;
	char text[TRACE_LINE_MAX]; /* the line without its newline, length bytes and a NUL */
	size_t nr_cuts;
	struct trace_cut cuts[TRACE_CUTS_MAX]; /* in order */
};

/*
 * Looks for a line that begins at @text and whose newline is the last of
 * @size bytes, once whole lines of others are taken out between its tokens.
 * Returns how many different lines are possible: 0, 1 (then @rejoined is
 * written), or 2 for several.
 */
int trace_grammar_rejoin(const char *text, size_t size, const struct trace_hints *hints,
			 struct trace_rejoined *rejoined);

#endif
