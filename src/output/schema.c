// SPDX-License-Identifier: BSD-2-Clause
/* schema: JSON Schema (2020-12) of the JSON lines, made from the tables of the records and of other objects. */
#include <errno.h>
#include <jansson.h>

#include "gctap/output.h"
#include "schema.h"

static json_t *text_items(void)
{
	return json_pack("{s:s}", "type", "string");
}

static json_t *field_schema(const struct record_field *field)
{
	static const char *const json_types[] = {
		[VALUE_UNSIGNED] = "integer", [VALUE_SIGNED] = "integer", [VALUE_REAL] = "number",
		[VALUE_BOOL] = "boolean",     [VALUE_TEXT] = "string",	  [VALUE_TEXTS] = "array",
	};
	json_t *schema =
		json_pack("{s:[s,s], s:s}", "type", json_types[field->type], "null", "description", field->what);

	if (field->type == VALUE_UNSIGNED)
		json_object_set_new(schema, "minimum", json_integer(0));
	if (field->type == VALUE_TEXTS)
		json_object_set_new(schema, "items", text_items());
	if (field->unit[0])
		json_object_set_new(schema, "unit", json_string(field->unit));
	return schema;
}

static json_t *type_schema(const struct record_type *type)
{
	json_t *properties = json_pack("{s:{s:s}}", "type", "const", type->name);
	json_t *required = json_pack("[s]", "type");

	for (size_t i = 0; i < type->nr_fields; i++) {
		const struct record_field *field = &type->fields[i];

		json_object_set_new(properties, field->name, field_schema(field));
		json_array_append_new(required, json_string(field->name));
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "type", "object", "description", type->what, "properties",
			 properties, "required", required, "additionalProperties", 0);
}

static json_t *schema_of_all(void)
{
	json_t *types = json_array();

	for (size_t i = 0; record_types[i]; i++)
		json_array_append_new(types, type_schema(record_types[i]));
	if (schema_append_objects(types)) {
		json_decref(types);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
			 "A line of gctap's JSON output", "description",
			 "Lines of trace and madvise: one object each. why and map: one object. A value that could not "
			 "be established is null.",
			 "oneOf", types);
}

int output_schema(FILE *to)
{
	json_t *schema = schema_of_all();
	int error = 0;

	if (!schema)
		return -ENOMEM;
	errno = 0;
	if (json_dumpf(schema, to, JSON_INDENT(2)) || fputc('\n', to) == EOF || fflush(to))
		error = errno ? -errno : -EIO;
	json_decref(schema);
	return error;
}
