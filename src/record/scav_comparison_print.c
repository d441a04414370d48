// SPDX-License-Identifier: BSD-2-Clause
/* scav_comparison_print: the result for people and for programs. */
#include "gctap/scav_comparison.h"

#include <inttypes.h>

#include "comparison_print.h"

static void print_counts(const struct scav_comparison_result *result, FILE *to)
{
	const struct {
		const char *what;
		uint64_t count;
		bool always;
	} rows[] = {
		{ "scav lines compared", result->compared, true },
		{ "  equal", result->equal, true },
		{ "  moved while printed", result->moved, true },
		{ "  differing", result->differing, true },
		{ "  forced", result->forced, true },
		{ "  controller reset", result->controller_reset, false },
		{ "only gctap has", result->only_gctap, true },
		{ "only the runtime has", result->only_runtime, true },
		{ "torn by other writers", result->torn, false },
		{ "lines torn away", result->torn_away, false },
		{ "lost at exit", result->lost_at_exit, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].always || rows[i].count)
			fprintf(to, "%-24s %10" PRIu64 "\n", rows[i].what, rows[i].count);
	}
}

static void print_field(const struct scav_comparison_field *field, FILE *to)
{
	fprintf(to, "%-24s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64, field->name, field->equal,
		field->differing, field->missing, field->moved);
	if (field->moved)
		fprintf(to, "  by up to %" PRIu64 " %s", field->largest_distance, field->unit);
	if (field->moved_too_often)
		fputs("; too often to be chance", to);
	fputc('\n', to);
}

static void print_side(const char *side, uint64_t line, const char *text, FILE *to)
{
	if (text)
		fprintf(to, "  %-8s %s  (line %" PRIu64 ")\n", side, text, line);
	else
		fprintf(to, "  %-8s (no such line)\n", side);
}

static void print_difference(const struct scav_comparison_difference *difference, FILE *to)
{
	fputs("\nscav line", to);
	for (size_t i = 0; i < difference->nr_fields; i++)
		fprintf(to, "%s %s", i ? "," : ":", difference->fields[i]);
	fputc('\n', to);
	print_side("gctap", difference->gctap_line, difference->gctap, to);
	print_side("runtime", difference->runtime_line, difference->runtime, to);
}

void scav_comparison_print(const struct scav_comparison_result *result, FILE *to)
{
	print_counts(result, to);
	if (result->nr_fields)
		fprintf(to, "\n%-24s %10s %10s %10s %10s\n", "field", "equal", "differing", "missing", "moved");
	for (size_t i = 0; i < result->nr_fields; i++)
		print_field(&result->fields[i], to);
	for (size_t i = 0; i < result->nr_differences; i++)
		print_difference(&result->differences[i], to);
	if (result->unlisted)
		fprintf(to, "\n%" PRIu64 " more differences are not listed\n", result->unlisted);
	fprintf(to, "\n%s\n", comparison_verdict_name(result->verdict));
}

static json_t *count_or_null(uint64_t count, bool known)
{
	return known ? json_integer((json_int_t)count) : json_null();
}

static json_t *fields_json(const struct scav_comparison_result *result)
{
	json_t *fields = json_array();

	for (size_t i = 0; i < result->nr_fields; i++) {
		const struct scav_comparison_field *field = &result->fields[i];

		json_array_append_new(
			fields, json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:o, s:s?}", "name", field->name, "equal",
					  (json_int_t)field->equal, "differing", (json_int_t)field->differing,
					  "missing", (json_int_t)field->missing, "moved", (json_int_t)field->moved,
					  "moved_too_often", field->moved_too_often, "largest_distance",
					  count_or_null(field->largest_distance, field->unit), "unit", field->unit));
	}
	return fields;
}

static json_t *differences_json(const struct scav_comparison_result *result)
{
	json_t *differences = json_array();

	for (size_t i = 0; i < result->nr_differences; i++) {
		const struct scav_comparison_difference *difference = &result->differences[i];
		json_t *names = json_array();

		for (size_t j = 0; j < difference->nr_fields; j++)
			json_array_append_new(names, json_string(difference->fields[j]));
		json_array_append_new(
			differences, json_pack("{s:o, s:o, s:o, s:o, s:o}", "gctap_line",
					       count_or_null(difference->gctap_line, difference->gctap), "runtime_line",
					       count_or_null(difference->runtime_line, difference->runtime), "gctap",
					       comparison_text_json(difference->gctap), "runtime",
					       comparison_text_json(difference->runtime), "fields", names));
	}
	return differences;
}

json_t *scav_comparison_json(const struct scav_comparison_result *result)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o}", "lines_compared",
			 (json_int_t)result->compared, "lines_equal", (json_int_t)result->equal, "lines_moved",
			 (json_int_t)result->moved, "lines_differing", (json_int_t)result->differing,
			 "lines_only_gctap", (json_int_t)result->only_gctap, "lines_only_runtime",
			 (json_int_t)result->only_runtime, "torn", (json_int_t)result->torn, "lines_torn_away",
			 (json_int_t)result->torn_away, "lost_at_exit", (json_int_t)result->lost_at_exit, "forced",
			 (json_int_t)result->forced, "controller_reset", (json_int_t)result->controller_reset,
			 "verdict", comparison_verdict_name(result->verdict), "fields", fields_json(result),
			 "differences", differences_json(result));
}
