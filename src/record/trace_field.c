// SPDX-License-Identifier: BSD-2-Clause
#include "trace_field.h"

#include <ctype.h>
#include <string.h>

void trace_field_name(struct trace_field *field, const char *words, size_t length)
{
	if (length >= sizeof(field->name))
		length = sizeof(field->name) - 1;
	for (size_t i = 0; i < length; i++)
		field->name[i] = words[i] > 0 && isalnum((unsigned char)words[i]) ? words[i] : '_';
	field->name[length] = '\0';
}

const struct trace_field *trace_field_find(const struct trace_field *fields, int nr_fields, const char *name)
{
	for (int i = 0; i < nr_fields; i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static bool is_unknown(const struct trace_field *field)
{
	return field->length == 1 && *field->text == '?';
}

enum trace_field_state trace_field_compare(const struct trace_field *mine, const struct trace_field *other)
{
	if (!other)
		return mine->flag ? FIELD_DIFFERING : FIELD_MISSING;
	if (is_unknown(mine) != is_unknown(other))
		return FIELD_MISSING;
	if (mine->length == other->length && memcmp(mine->text, other->text, mine->length) == 0)
		return FIELD_EQUAL;
	return FIELD_DIFFERING;
}
