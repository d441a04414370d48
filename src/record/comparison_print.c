// SPDX-License-Identifier: BSD-2-Clause
/* comparison_print: the result for people and for programs. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "gctap/comparison.h"
#include "gctap/record.h"

#include "comparison_print.h"

const char *comparison_verdict_name(enum comparison_verdict verdict)
{
	switch (verdict) {
	case COMPARISON_EQUAL: return "equal";
	case COMPARISON_DIFFERENT: return "different";
	case COMPARISON_NOTHING: break;
	}
	return "nothing compared";
}

static void print_counts(const struct comparison_result *result, FILE *to)
{
	const struct {
		const char *what;
		uint64_t count;
		bool always;
	} rows[] = {
		{ "cycles compared", result->compared, true },
		{ "  equal", result->equal, true },
		{ "  moved while printed", result->moved, false },
		{ "  differing", result->differing, true },
		{ "  forced", result->forced, true },
		{ "only gctap has", result->only_gctap, true },
		{ "only the runtime has", result->only_runtime, true },
		{ "torn by other writers", result->torn, false },
		{ "cycles torn away", result->torn_away, false },
		{ "lost at exit", result->lost_at_exit, false },
		{ "repeated numbers", result->repeated, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].always || rows[i].count)
			fprintf(to, "%-24s %10" PRIu64 "\n", rows[i].what, rows[i].count);
	}
}

static void print_difference(const struct comparison_difference *difference, FILE *to)
{
	const char *absent = "(no such line)";

	fprintf(to, "\ncycle %" PRIu32, difference->cycle);
	for (size_t i = 0; i < difference->nr_fields; i++)
		fprintf(to, "%s %s", i ? "," : ":", difference->fields[i]);
	if (difference->moved)
		fputs(" (moved between the branch and the runtime's own reading: no failure)", to);
	fprintf(to, "\n  gctap    %s\n", difference->gctap ? difference->gctap : absent);
	fprintf(to, "  runtime  %s\n", difference->runtime ? difference->runtime : absent);
}

void comparison_print(const struct comparison_result *result, FILE *to)
{
	print_counts(result, to);
	if (result->nr_fields)
		fprintf(to, "\n%-24s %10s %10s %10s %10s\n", "field", "equal", "differing", "missing", "moved");
	for (size_t i = 0; i < result->nr_fields; i++) {
		const struct comparison_field *field = &result->fields[i];

		fprintf(to, "%-24s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", field->name,
			field->equal, field->differing, field->missing, field->moved);
	}
	for (size_t i = 0; i < result->nr_differences; i++)
		print_difference(&result->differences[i], to);
	if (result->unlisted)
		fprintf(to, "\n%" PRIu64 " more differences are not listed\n", result->unlisted);
	fprintf(to, "\n%s\n", comparison_verdict_name(result->verdict));
}

json_t *comparison_text_json(const char *text)
{
	char *escaped;
	json_t *string;

	if (!text)
		return json_null();
	escaped = record_text_escape(text, false);
	string = escaped ? json_string(escaped) : NULL;
	free(escaped);
	return string;
}

static json_t *fields_json(const struct comparison_result *result)
{
	json_t *fields = json_array();

	for (size_t i = 0; i < result->nr_fields; i++) {
		const struct comparison_field *field = &result->fields[i];

		json_array_append_new(fields, json_pack("{s:s, s:I, s:I, s:I, s:I}", "name", field->name, "equal",
							(json_int_t)field->equal, "differing",
							(json_int_t)field->differing, "missing",
							(json_int_t)field->missing, "moved", (json_int_t)field->moved));
	}
	return fields;
}

static json_t *differences_json(const struct comparison_result *result)
{
	json_t *differences = json_array();

	for (size_t i = 0; i < result->nr_differences; i++) {
		const struct comparison_difference *difference = &result->differences[i];
		json_t *names = json_array();

		for (size_t j = 0; j < difference->nr_fields; j++)
			json_array_append_new(names, json_string(difference->fields[j]));
		json_array_append_new(differences,
				      json_pack("{s:I, s:b, s:o, s:o, s:o}", "cycle", (json_int_t)difference->cycle,
						"moved", difference->moved, "gctap",
						comparison_text_json(difference->gctap), "runtime",
						comparison_text_json(difference->runtime), "fields", names));
	}
	return differences;
}

json_t *comparison_json(const struct comparison_result *result, const char *go_version, const char *binary)
{
	return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "type",
			 "compare", "go_version", comparison_text_json(go_version), "binary",
			 comparison_text_json(binary), "cycles_compared", (json_int_t)result->compared, "cycles_equal",
			 (json_int_t)result->equal, "cycles_moved", (json_int_t)result->moved, "cycles_differing",
			 (json_int_t)result->differing, "cycles_only_gctap", (json_int_t)result->only_gctap,
			 "cycles_only_runtime", (json_int_t)result->only_runtime, "torn", (json_int_t)result->torn,
			 "cycles_torn_away", (json_int_t)result->torn_away, "forced", (json_int_t)result->forced,
			 "lost_at_exit", (json_int_t)result->lost_at_exit, "verdict",
			 comparison_verdict_name(result->verdict), "fields", fields_json(result), "differences",
			 differences_json(result));
}

int comparison_print_json(json_t *json, FILE *to)
{
	int error = 0;

	if (!json)
		return -ENOMEM;
	errno = 0;
	if (json_dumpf(json, to, JSON_COMPACT) || fputc('\n', to) == EOF || fflush(to))
		error = errno ? -errno : -EIO;
	json_decref(json);
	return error;
}
