// SPDX-License-Identifier: BSD-2-Clause
/* trace_split: a line as named fields. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trace_field.h"
#include "trace_grammar.h"

static const struct {
	const char *label, *name;
} known_labels[] = {
	{ "MB goal", "heap_goal" },
	{ "MB stacks", "stacks" },
	{ "MB globals", "globals" },
	{ "forced", "forced" },
	{ "checking for goroutine leaks", "goroutine_leak_check" },
};

/* "MB arenas" of a later version becomes "arenas", "was odd" becomes "was_odd". */
static void name_by_label(struct trace_field *field, const char *label, size_t length)
{
	for (size_t i = 0; i < sizeof(known_labels) / sizeof(known_labels[0]); i++) {
		if (strlen(known_labels[i].label) == length && memcmp(known_labels[i].label, label, length) == 0) {
			strcpy(field->name, known_labels[i].name);
			return;
		}
	}
	if (length > 3 && memcmp(label, "MB ", 3) == 0) {
		label += 3;
		length -= 3;
	}
	trace_field_name(field, label, length);
}

static void fill_field(struct trace_field *field, const char *text, const struct trace_token *token)
{
	const struct token_rule *rule = &trace_rules[token->rule];
	const struct trace_token *behind = token + 1;

	field->text = text + token->start;
	field->length = token->length;
	field->flag = rule->token == TOKEN_NOTE;
	if (field->flag) {
		trace_grammar_flag(text, token, field);
		name_by_label(field, field->text, field->length);
	} else if (rule->text) {
		strcpy(field->name, rule->text);
	} else if (trace_rules[behind->rule].token == TOKEN_LABEL) {
		/* without the blank before and ", " behind */
		name_by_label(field, text + behind->start + 1, behind->length - 3u);
	} else {
		strcpy(field->name, "processors");
	}
}

int trace_line_split(const char *text, struct trace_field fields[TRACE_FIELDS_MAX])
{
	struct trace_match match;
	int nr_fields = 0;

	if (!trace_grammar_match_line(trace_rules, text, &match))
		return -EINVAL;
	for (size_t i = 0; i < match.nr_tokens && nr_fields < TRACE_FIELDS_MAX; i++) {
		enum token token = trace_rules[match.tokens[i].rule].token;

		if (trace_token_is_number(token) || token == TOKEN_NOTE)
			fill_field(&fields[nr_fields++], text, &match.tokens[i]);
	}
	return nr_fields;
}
