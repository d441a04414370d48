// SPDX-License-Identifier: BSD-2-Clause
/*
 * trace_rejoin: a line out of text into which others wrote whole lines.
 *
 * Every way to take whole lines out between two tokens is tried. A foreign
 * line may begin with digits ("2026/01/02 ...") right behind a number of ours,
 * so every length of a number is tried, too; what the runtime's formats cannot
 * print is dropped. Only if all ways lead to the same line is it believed;
 * with several, those count in which each line that was taken out begins as the
 * program's last one did.
 */
#include <stdlib.h>
#include <string.h>

#include "trace_grammar.h"

/* Ten times what a line takes that was interrupted at every token; more is hostile. */
#define STEPS_MAX 50000

struct rejoin {
	const char *text;
	size_t size;
	const struct trace_hints *hints;
	bool alike; /* foreign lines must begin as the sample */
	struct trace_rejoined *found;
	int nr_found;
	int steps;
	struct trace_rejoined current;
};

/* What no line of others says, behind a blank; with it, skipping a part of ours is no way to read a line. */
static const char *const ours[] = {
	"ms clock, ",  "ms cpu, ",     "MB, ",	   "MB goal, ",
	"MB stacks, ", "MB globals, ", "(forced)", "(checking for goroutine leaks)",
};

static bool is_ours(const char *line, const char *end)
{
	while ((line = memchr(line, ' ', (size_t)(end - line)))) {
		if (++line == end || !memchr("Mm(", *line, 3))
			continue;
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
			size_t length = strlen(ours[i]);

			if ((size_t)(end - line) >= length && memcmp(line, ours[i], length) == 0)
				return true;
		}
	}
	return false;
}

static bool all_digits(const char *at, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
	}
	return length > 0;
}

static bool is_integer(const char *at, size_t length)
{
	return all_digits(at, length) && (at[0] != '0' || length == 1);
}

/* Three decimals. */
static bool is_seconds(const char *at, size_t length)
{
	return length >= 5 && at[length - 4] == '.' && all_digits(at + length - 3, 3) && is_integer(at, length - 4);
}

/* 0, 0.001 to 0.099, 0.10 to 0.99, 1.0 to 9.9, 10 and up without decimals. */
static bool is_milliseconds(const char *at, size_t length)
{
	if (length < 3 || at[1] != '.')
		return is_integer(at, length) && (length > 1 || at[0] == '0');
	if (!all_digits(at, 1) || !all_digits(at + 2, length - 2))
		return false;
	if (at[0] != '0')
		return length == 3;
	if (at[2] != '0')
		return length == 4;
	return length == 5 && memcmp(at + 3, "00", 2) != 0;
}

static bool is_exact(enum token token, const char *at, size_t length)
{
	switch (token) {
	case TOKEN_INTEGER: return is_integer(at, length);
	case TOKEN_SECONDS: return is_seconds(at, length);
	default: return is_milliseconds(at, length);
	}
}

static void found_line(struct rejoin *rejoin)
{
	struct trace_rejoined *found = rejoin->found, *current = &rejoin->current;

	if (rejoin->nr_found == 0) {
		*found = *current;
		rejoin->nr_found = 1;
	} else if (found->length != current->length || memcmp(found->text, current->text, found->length) != 0) {
		rejoin->nr_found = 2;
	}
}

/* Counts work; true when there has been enough. */
static bool is_over(struct rejoin *rejoin)
{
	if (++rejoin->steps > STEPS_MAX)
		rejoin->nr_found = 2;
	return rejoin->nr_found > 1;
}

static void rejoin_from(struct rejoin *rejoin, int rule, size_t at);

/* Takes @length bytes as the token of @rule and goes on behind them. */
static void take_token(struct rejoin *rejoin, int rule, size_t at, size_t length)
{
	struct trace_rejoined *current = &rejoin->current;

	if (trace_rules[rule].token == TOKEN_END) {
		if (at + 1 == rejoin->size)
			found_line(rejoin);
		return;
	}
	if (length >= sizeof(current->text) - current->length)
		return;
	memcpy(current->text + current->length, rejoin->text + at, length);
	current->length += length;
	rejoin_from(rejoin, trace_rules[rule].next, at + length);
	current->length -= length;
}

static void take_tokens(struct rejoin *rejoin, int rule, size_t at)
{
	const char *from = rejoin->text + at;

	do {
		enum token token = trace_rules[rule].token;
		int longest = trace_token_length(&trace_rules[rule], from, rejoin->text + rejoin->size);

		if (!trace_token_is_number(token)) {
			if (longest > 0)
				take_token(rejoin, rule, at, (size_t)longest);
		} else {
			for (int length = 1; length <= longest; length++) {
				if (is_exact(token, from, (size_t)length))
					take_token(rejoin, rule, at, (size_t)length);
			}
		}
		rule = trace_rules[rule].other;
	} while (rule);
}

/* Whether the line at @from may be a foreign one, as far as the sample says. */
static bool is_alike(const struct rejoin *rejoin, const char *from)
{
	return !rejoin->alike || ((size_t)(rejoin->text + rejoin->size - from) > TRACE_SAMPLE_BYTES &&
				  memcmp(from, rejoin->hints->sample, TRACE_SAMPLE_BYTES) == 0);
}

/* Whether others may have written at @from, before the token of @rule. */
static bool may_cut(const struct rejoin *rejoin, int rule, const char *from)
{
	const struct trace_rejoined *current = &rejoin->current;

	if (current->nr_cuts == TRACE_CUTS_MAX)
		return false;
	if (rule == TRACE_RULE_CYCLE + 1)
		return strtoul(current->text + strlen("gc "), NULL, 10) == rejoin->hints->cycle;
	/* Behind a number a point is the number's. */
	return !all_digits(current->text + current->length - 1, 1) || *from != '.';
}

/* Takes out one line, two lines, ... and goes on behind them. */
static void take_cuts(struct rejoin *rejoin, int rule, size_t at)
{
	struct trace_rejoined *current = &rejoin->current;
	const char *start = rejoin->text + at, *end = rejoin->text + rejoin->size;
	const char *from = start;

	while (is_alike(rejoin, from) && !is_over(rejoin)) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));

		if (!newline || newline + 1 == end || is_ours(from, newline))
			break;
		from = newline + 1;
		current->cuts[current->nr_cuts++] = (struct trace_cut){ .start = at, .length = (size_t)(from - start) };
		take_tokens(rejoin, rule, (size_t)(from - rejoin->text));
		current->nr_cuts--;
	}
}

static void rejoin_from(struct rejoin *rejoin, int rule, size_t at)
{
	if (is_over(rejoin))
		return;
	take_tokens(rejoin, rule, at);
	rejoin->current.text[rejoin->current.length] = '\0';
	if (may_cut(rejoin, rule, rejoin->text + at))
		take_cuts(rejoin, rule, at);
}

/* Only a line that ends like ours, or what is left of ours behind a foreign line, can be the last. */
static bool ends_as_ours(const char *text, size_t size)
{
	return size >= 3 &&
	       (memcmp(text + size - 3, " P\n", 3) == 0 || text[size - 2] == ')' || text[size - 2] == '\n');
}

int trace_grammar_rejoin(const char *text, size_t size, const struct trace_hints *hints,
			 struct trace_rejoined *rejoined)
{
	struct rejoin rejoin = {
		.text = text,
		.size = size,
		.hints = hints,
		.found = rejoined,
	};

	if (!ends_as_ours(text, size))
		return 0;
	take_tokens(&rejoin, 0, 0);
	if (rejoin.nr_found > 1 && hints->sample[0]) {
		rejoin.alike = true;
		rejoin.nr_found = 0;
		rejoin.steps = 0;
		take_tokens(&rejoin, 0, 0);
		/* None fits the sample: then it is no guide, and there are still several. */
		if (rejoin.nr_found == 0)
			rejoin.nr_found = 2;
	}
	return rejoin.nr_found;
}
