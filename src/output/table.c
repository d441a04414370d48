// SPDX-License-Identifier: BSD-2-Clause
/*
 * table: what the runtime has no line for, for people: sums of madvise calls
 * as a table, single calls and refaults as a line each.
 */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_BYTES 32

static const char *text_of(const struct record *record, const char *field)
{
	struct value value = record_value(record, field);

	return value.known ? value.text : "?";
}

/* Three digits or more, in the unit that fits; "?" when unknown. */
static const char *bytes_text(char *cell, bool known, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double size = bytes < 0 ? -bytes : bytes;
	unsigned unit = 0;

	/* A gigabyte is looked at in tenths of a percent: from MiB on, the next unit only from 10240 of one. */
	while (size >= (unit < 2 ? 1024 : 10240) && unit < 4) {
		size /= 1024;
		bytes /= 1024;
		unit++;
	}
	if (!known)
		snprintf(cell, CELL_BYTES, "?");
	else
		snprintf(cell, CELL_BYTES, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
	return cell;
}

static const char *unsigned_bytes(char *cell, const struct record *record, const char *field)
{
	struct value value = record_value(record, field);

	return bytes_text(cell, value.known, (double)value.u);
}

static const char *signed_bytes(char *cell, const struct record *record, const char *field)
{
	struct value value = record_value(record, field);

	return bytes_text(cell, value.known, (double)value.s);
}

static const char *time_text(char *cell, const struct record *record, const char *field)
{
	struct value value = record_value(record, field);
	double ns = (double)value.u;

	if (!value.known)
		snprintf(cell, CELL_BYTES, "-");
	else if (ns < 1e3)
		snprintf(cell, CELL_BYTES, "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(cell, CELL_BYTES, "%.1f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(cell, CELL_BYTES, "%.1f ms", ns / 1e6);
	else
		snprintf(cell, CELL_BYTES, "%.2f s", ns / 1e9);
	return cell;
}

static void append_partial(struct line *line, const struct record *record)
{
	struct value partial = record_value(record, "partial_calls");
	char text[128];

	if (!partial.u)
		return;
	snprintf(text, sizeof(text), "  of %" PRIu64 " calls neither what they freed nor their time is known\n",
		 partial.u);
	line_append_string(line, text);
}

static void append_summary(struct line *line, const struct record *record)
{
	char text[512], asked[CELL_BYTES], freed[CELL_BYTES], error[CELL_BYTES], rss[CELL_BYTES], lazy[CELL_BYTES];
	struct value calls = record_value(record, "calls"), off = record_value(record, "freed_error_bytes");
	bool total = !strcmp(text_of(record, "period"), "total");

	snprintf(text, sizeof(text),
		 "%s %.1f s: %" PRIu64 " madvise calls; given back: %s asked, %s freed%s%s; now Rss %s, LazyFree %s\n",
		 total ? "in all" : "last", (double)record_value(record, "period_ns").u / 1e9, calls.u,
		 unsigned_bytes(asked, record, "released_asked_bytes"),
		 signed_bytes(freed, record, "released_freed_bytes"), off.known && off.u ? " +-" : "",
		 off.known && off.u ? bytes_text(error, true, (double)off.u) : "",
		 unsigned_bytes(rss, record, "rss_bytes"), unsigned_bytes(lazy, record, "lazy_free_bytes"));
	line_append_string(line, text);
	append_partial(line, record);
	if (!calls.u)
		return;
	snprintf(text, sizeof(text), "  %-16s %-16s %10s %12s %12s %8s %10s %10s %10s\n", "ADVICE", "CAUSE", "CALLS",
		 "ASKED", "FREED", "ERRORS", "MEAN", "P99", "MAX");
	line_append_string(line, text);
}

static const char *advice_text(char *cell, const struct record *record)
{
	struct value name = record_value(record, "advice");

	if (name.known)
		snprintf(cell, CELL_BYTES, "%s", strncmp(name.text, "MADV_", 5) ? name.text : name.text + 5);
	else
		snprintf(cell, CELL_BYTES, "%" PRId64, record_value(record, "advice_number").s);
	return cell;
}

static void append_sums(struct line *line, const struct record *record)
{
	char text[512], advice[CELL_BYTES], asked[CELL_BYTES], freed[CELL_BYTES], mean[CELL_BYTES], p99[CELL_BYTES],
		max[CELL_BYTES];

	snprintf(text, sizeof(text), "  %-16s %-16s %10" PRIu64 " %12s %12s %8" PRIu64 " %10s %10s %10s\n",
		 advice_text(advice, record), text_of(record, "cause"), record_value(record, "calls").u,
		 unsigned_bytes(asked, record, "asked_bytes"), signed_bytes(freed, record, "freed_bytes"),
		 record_value(record, "errors").u, time_text(mean, record, "latency_mean_ns"),
		 time_text(p99, record, "latency_p99_ns"), time_text(max, record, "latency_max_ns"));
	line_append_string(line, text);
}

static void append_call(struct line *line, const struct record *record)
{
	char text[512], advice[CELL_BYTES], asked[CELL_BYTES], freed[CELL_BYTES], took[CELL_BYTES];
	struct value error = record_value(record, "error");

	snprintf(text, sizeof(text), "madvise %" PRIu64 " 0x%" PRIx64 " %s %s %s, freed %s, %s%s%s\n",
		 record_value(record, "tid").u, record_value(record, "address").u,
		 unsigned_bytes(asked, record, "asked_bytes"), advice_text(advice, record), text_of(record, "cause"),
		 signed_bytes(freed, record, "freed_bytes"), time_text(took, record, "duration_ns"),
		 error.known ? ", " : "", error.known ? error.text : "");
	line_append_string(line, text);
}

static void append_age(struct line *line, const struct record *record, const char *age)
{
	char judged_name[32], returned_name[32], text[128], judged_text[CELL_BYTES], returned_text[CELL_BYTES];
	struct value judged, returned;

	snprintf(judged_name, sizeof(judged_name), "judged_%s_bytes", age);
	snprintf(returned_name, sizeof(returned_name), "returned_%s_bytes", age);
	judged = record_value(record, judged_name);
	returned = record_value(record, returned_name);
	/* Before that age, only what came back and was released once more has been judged. */
	if (!judged.u || record_value(record, "period_ns").u < strtoul(age, NULL, 10) * 1000000000u)
		snprintf(text, sizeof(text), "; within %.*s s: too early to say", (int)strlen(age) - 1, age);
	else
		snprintf(text, sizeof(text), "; within %.*s s: %s of %s (%.1f %%)", (int)strlen(age) - 1, age,
			 bytes_text(returned_text, true, (double)returned.u),
			 bytes_text(judged_text, true, (double)judged.u),
			 100.0 * (double)returned.u / (double)judged.u);
	line_append_string(line, text);
}

static void append_refault(struct line *line, const struct record *record)
{
	struct value unwatched = record_value(record, "unwatched_bytes");
	char text[128], cell[CELL_BYTES];

	if (!record_value(record, "released_bytes").u && !unwatched.u) {
		line_append_string(line, "  came back: nothing was given back\n");
		return;
	}
	snprintf(text, sizeof(text), "  came back, of %s", unsigned_bytes(cell, record, "released_bytes"));
	line_append_string(line, text);
	append_age(line, record, "1s");
	append_age(line, record, "10s");
	append_age(line, record, "60s");
	if (unwatched.u) {
		snprintf(text, sizeof(text), "; not watched: %s", bytes_text(cell, true, (double)unwatched.u));
		line_append_string(line, text);
	}
	line_append_byte(line, '\n');
}

bool table_has(const struct record *record)
{
	return record->type == &record_madvise || record->type == &record_madvise_summary ||
	       record->type == &record_madvise_call || record->type == &record_refault;
}

void table_append(struct line *line, const struct record *record)
{
	if (record->type == &record_madvise_summary)
		append_summary(line, record);
	else if (record->type == &record_madvise)
		append_sums(line, record);
	else if (record->type == &record_madvise_call)
		append_call(line, record);
	else
		append_refault(line, record);
}
