// SPDX-License-Identifier: BSD-2-Clause
/* record: filling and reading a record by the names of its fields. */
#include "gctap/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void record_clear(struct record *record, const struct record_type *type)
{
	memset(record, 0, sizeof(*record));
	record->type = type;
}

static bool is_named(const struct record_field *field, const char *name)
{
	return field->name[0] == name[0] && strcmp(field->name, name) == 0;
}

/* Begins with @first: fields are mostly set in the order of the type. */
static int find_field(const struct record_type *type, const char *name, size_t first)
{
	for (size_t i = first; i < type->nr_fields; i++)
		if (is_named(&type->fields[i], name))
			return (int)i;
	for (size_t i = 0; i < first && i < type->nr_fields; i++)
		if (is_named(&type->fields[i], name))
			return (int)i;
	return -1;
}

int record_field_index(const struct record_type *type, const char *name)
{
	return find_field(type, name, 0);
}

static __attribute__((noreturn)) void no_such_field(const struct record *record, const char *field)
{
	fprintf(stderr, "gctap: bug: record %s has no field %s of this type\n", record->type->name, field);
	abort();
}

struct value record_value(const struct record *record, const char *field)
{
	int index = find_field(record->type, field, 0);

	if (index < 0)
		no_such_field(record, field);
	return record->values[index];
}

static struct value *value_of(struct record *record, const char *field, enum value_type type)
{
	int index = find_field(record->type, field, record->next);

	if (index < 0 || record->type->fields[index].type != type)
		no_such_field(record, field);
	record->next = (size_t)index + 1;
	return &record->values[index];
}

void record_set_unsigned(struct record *record, const char *field, uint64_t value)
{
	*value_of(record, field, VALUE_UNSIGNED) = (struct value){ .known = true, .u = value };
}

void record_set_signed(struct record *record, const char *field, int64_t value)
{
	*value_of(record, field, VALUE_SIGNED) = (struct value){ .known = true, .s = value };
}

void record_set_real(struct record *record, const char *field, double value)
{
	*value_of(record, field, VALUE_REAL) = (struct value){ .known = true, .real = value };
}

void record_set_bool(struct record *record, const char *field, bool value)
{
	*value_of(record, field, VALUE_BOOL) = (struct value){ .known = true, .truth = value };
}

void record_set_text(struct record *record, const char *field, const char *value)
{
	*value_of(record, field, VALUE_TEXT) = (struct value){ .known = value != NULL, .text = value };
}

void record_set_texts(struct record *record, const char *field, const char *const *values)
{
	*value_of(record, field, VALUE_TEXTS) = (struct value){ .known = values != NULL, .texts = values };
}
