// SPDX-License-Identifier: BSD-2-Clause
/* record: filling a record by the names of its fields. */
#include "gctap/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void record_clear(struct record *record, const struct record_type *type)
{
	memset(record, 0, sizeof(*record));
	record->type = type;
}

static int find_field(const struct record_type *type, const char *name)
{
	for (size_t i = 0; i < type->nr_fields; i++) {
		if (strcmp(type->fields[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

/* Names are mostly literals, and the same ones for each record: where one was the last time, it is tried first. */
static struct {
	const struct record_type *type;
	const char *name;
	int index;
} remembered[256];

static size_t place_of(const struct record_type *type, const char *name)
{
	uintptr_t hash = (uintptr_t)name ^ (uintptr_t)type >> 4;

	return (hash ^ hash >> 8) % (sizeof(remembered) / sizeof(*remembered));
}

int record_field_index(const struct record_type *type, const char *name)
{
	size_t place = place_of(type, name);
	int index;

	/* The same address may hold another text by now. */
	if (remembered[place].type == type && remembered[place].name == name &&
	    strcmp(type->fields[remembered[place].index].name, name) == 0)
		return remembered[place].index;
	index = find_field(type, name);
	if (index >= 0) {
		remembered[place].type = type;
		remembered[place].name = name;
		remembered[place].index = index;
	}
	return index;
}

static struct value *value_of(struct record *record, const char *field, enum value_type type)
{
	int index = record_field_index(record->type, field);

	if (index < 0 || record->type->fields[index].type != type) {
		fprintf(stderr, "gctap: bug: record %s has no field %s of this type\n", record->type->name, field);
		abort();
	}
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
