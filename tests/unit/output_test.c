// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gctap/output.h"

#define LINE                                                                                                           \
	"gc 17 @0.089s 2%: 0.23+0.20+0.004 ms clock, 0.46+0/0.25/0+0.008 ms cpu, "                                     \
	"35->35->35 MB, 63 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)"

static const char *const stack[] = { "runtime.GC", "main.f[go.shape.struct { A int; B int }]", "main.main", NULL };
static const char *const nothing[] = { NULL };

static void fill_cycle(struct record *record)
{
	record_clear(record, &record_gc_cycle);
	record->text = LINE;
	record->wall_ns = 1767366245123456789; /* 2026-01-02T15:04:05.123456789Z */
	record_set_unsigned(record, "ktime_ns", 18446744073709551615u);
	record_set_unsigned(record, "pid", 4711);
	record_set_text(record, "comm", "a\"b,c\nd");
	record_set_unsigned(record, "cgroup_id", 9223372036854775808u);
	record_set_unsigned(record, "cycle", 17);
	record_set_bool(record, "forced", true);
	record_set_real(record, "gc_cpu_fraction", 0.1);
	record_set_signed(record, "gc_cpu_percent", INT64_MIN);
	record_set_text(record, "trigger", "");
	record_set_text(record, "trigger_function", "a,b");
	record_set_text(record, "trigger_file", "a\nb");
	record_set_texts(record, "trigger_stack", stack);
	record_set_text(record, "text", LINE);
	record_set_texts(record, "unknown", nothing);
}

struct file {
	char path[32];
	char *text;
	size_t size;
};

static void open_output(struct file *file, enum output_format format, bool timestamps, struct output **output)
{
	struct output_options options = { .format = format, .timestamps = timestamps };
	struct failure failure = { "" };
	int fd;

	strcpy(file->path, "/tmp/output_test.XXXXXX");
	fd = mkstemp(file->path);
	assert_true(fd >= 0);
	close(fd);
	options.path = file->path;
	assert_int_equal(output_open(&options, output, &failure), 0);
}

static void read_and_remove(struct file *file)
{
	FILE *from = fopen(file->path, "r");

	file->text = calloc(1, 65536);
	assert_non_null(from);
	assert_non_null(file->text);
	file->size = fread(file->text, 1, 65535, from);
	fclose(from);
	unlink(file->path);
}

static char *written(enum output_format format, bool timestamps, const struct record *record)
{
	struct output *output;
	struct file file;

	open_output(&file, format, timestamps, &output);
	assert_int_equal(output_emit(output, record, NULL), 0);
	assert_int_equal(output_close(output, NULL), 0);
	read_and_remove(&file);
	return file.text;
}

static void assert_written(enum output_format format, bool timestamps, const struct record *record,
			   const char *expected)
{
	char *text = written(format, timestamps, record);

	assert_string_equal(text, expected);
	free(text);
}

static void gctrace_is_the_line(void **state)
{
	struct record record;

	(void)state;
	fill_cycle(&record);
	assert_written(OUTPUT_GCTRACE, false, &record, LINE "\n");
	record.origin = "[4711 server]";
	assert_written(OUTPUT_GCTRACE, false, &record, "[4711 server] " LINE "\n");
	assert_written(OUTPUT_GCTRACE, true, &record, "2026-01-02T15:04:05.123456Z [4711 server] " LINE "\n");
	record.origin = NULL;
	assert_written(OUTPUT_GCTRACE, true, &record, "2026-01-02T15:04:05.123456Z " LINE "\n");
	record.text = NULL;
	assert_written(OUTPUT_GCTRACE, true, &record, "");
}

static void gctrace_sends_no_controls(void **state)
{
	struct record record;

	(void)state;
	fill_cycle(&record);
	record.origin = "[1 a\nb\x1b]0;x\x07\xff]";
	record.text = "gc 1\r\x1b[2J";
	assert_written(OUTPUT_GCTRACE, false, &record, "[1 a\\x0ab\\x1b]0;x\\x07\\xff] gc 1\\x0d\\x1b[2J\n");
}

static void json_is_exact(void **state)
{
	struct record record;

	(void)state;
	record_clear(&record, &record_gap);
	record_set_unsigned(&record, "pid", 7);
	record_set_unsigned(&record, "start_ns", UINT64_MAX);
	record_set_unsigned(&record, "missing", 0);
	record.text = "shown by gctrace only";
	assert_written(OUTPUT_JSON, true, &record,
		       "{\"type\":\"gap\",\"pid\":7,\"start_ns\":18446744073709551615,"
		       "\"first_missing\":null,\"last_missing\":null,\"missing\":0,"
		       "\"ktime_ns\":null}\n");
}

static void json_reads_back(void **state)
{
	struct record record;
	json_t *json;
	char *text;

	(void)state;
	fill_cycle(&record);
	record_set_unsigned(&record, "ktime_ns", INT64_MAX);
	record_set_unsigned(&record, "cgroup_id", 1);
	text = written(OUTPUT_JSON, false, &record);
	assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(strncmp(text, "{\"type\":\"gc_cycle\",\"ktime_ns\":", 30), 0);
	assert_string_equal(json_string_value(json_object_get(json, "comm")), "a\"b,c\nd");
	assert_true(json_integer_value(json_object_get(json, "ktime_ns")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(json, "gc_cpu_percent")) == INT64_MIN);
	assert_true(json_real_value(json_object_get(json, "gc_cpu_fraction")) == 0.1);
	assert_non_null(strstr(text, "\"gc_cpu_fraction\":0.1,"));
	assert_true(json_is_true(json_object_get(json, "forced")));
	assert_true(json_is_null(json_object_get(json, "trigger_line")));
	assert_string_equal(json_string_value(json_object_get(json, "trigger")), "");
	assert_int_equal(json_array_size(json_object_get(json, "trigger_stack")), 3);
	assert_true(json_is_array(json_object_get(json, "unknown")));
	assert_int_equal(json_array_size(json_object_get(json, "unknown")), 0);
	assert_string_equal(json_string_value(json_object_get(json, "text")), LINE);
	json_decref(json);
	free(text);
}

static void json_survives_any_bytes(void **state)
{
	static const double reals[] = { 0.0, -1.5, 1e300, 1.0 / 3, 5e-324, 123456789.0 };
	struct record record;
	char bytes[256], *text;
	json_t *json;

	(void)state;
	for (int i = 0; i < 255; i++)
		bytes[i] = (char)(i + 1);
	bytes[255] = '\0';
	fill_cycle(&record);
	record_set_unsigned(&record, "ktime_ns", 1);
	record_set_unsigned(&record, "cgroup_id", 1);
	record_set_text(&record, "comm", bytes);
	record_set_real(&record, "gc_cpu_fraction", NAN);
	text = written(OUTPUT_JSON, false, &record);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_true(json_is_null(json_object_get(json, "gc_cpu_fraction")));
	assert_non_null(strstr(json_string_value(json_object_get(json, "comm")), "\\xfe\\xff"));
	json_decref(json);
	free(text);
	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		record_set_real(&record, "gc_cpu_fraction", reals[i]);
		text = written(OUTPUT_JSON, false, &record);
		json = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
		assert_true(json_real_value(json_object_get(json, "gc_cpu_fraction")) == reals[i]);
		json_decref(json);
		free(text);
	}
}

/* A second reading of RFC 4180, cell by cell. */
static const char *next_cell(const char *at, char *cell, size_t size)
{
	size_t length = 0;
	bool quoted = *at == '"';

	at += quoted;
	while (*at && (quoted || (*at != ',' && *at != '\r'))) {
		if (quoted && *at == '"') {
			if (at[1] != '"') {
				at++;
				break;
			}
			at++;
		}
		assert_true(length < size - 1);
		cell[length++] = *at++;
	}
	cell[length] = '\0';
	return at;
}

static void csv_reads_back(void **state)
{
	char *text, cell[1024], name[64];
	const char *heading, *row;
	struct record record;

	(void)state;
	fill_cycle(&record);
	text = written(OUTPUT_CSV, true, &record);
	heading = text;
	row = strstr(text, "\r\n") + 2;
	for (size_t i = 0; i < record_gc_cycle.nr_fields; i++) {
		bool last = i + 1 == record_gc_cycle.nr_fields;
		bool was_quoted = *row == '"';

		heading = next_cell(heading, name, sizeof(name));
		row = next_cell(row, cell, sizeof(cell));
		assert_string_equal(name, record_gc_cycle.fields[i].name);
		if (strcmp(name, "ktime_ns") == 0)
			assert_string_equal(cell, "18446744073709551615");
		else if (strcmp(name, "comm") == 0)
			assert_string_equal(cell, "a\"b,c\nd");
		else if (strcmp(name, "gc_cpu_percent") == 0)
			assert_string_equal(cell, "-9223372036854775808");
		else if (strcmp(name, "trigger_stack") == 0)
			assert_string_equal(cell, "runtime.GC;main.f[go.shape.struct { A int; B int }];main.main");
		else if (strcmp(name, "trigger_function") == 0)
			assert_string_equal(cell, "a,b");
		else if (strcmp(name, "trigger_file") == 0)
			assert_true(was_quoted && strcmp(cell, "a\nb") == 0);
		else if (strcmp(name, "text") == 0)
			assert_string_equal(cell, LINE);
		else if (strcmp(name, "forced") == 0)
			assert_string_equal(cell, "true");
		else if (strcmp(name, "trigger") == 0 || strcmp(name, "unknown") == 0)
			assert_true(was_quoted && !cell[0]); /* known and empty */
		else if (strcmp(name, "rss_anon_bytes") == 0)
			assert_true(!was_quoted && !cell[0]); /* unknown */
		assert_int_equal(*row, last ? '\r' : ',');
		assert_int_equal(*heading, last ? '\r' : ',');
		row++;
		heading++;
	}
	assert_string_equal(row, "\n");
	free(text);
}

static const char *const error_names[] = { "EINVAL=1", "ENOMEM=2", NULL };
static const char *const histogram[] = { "512=3", NULL };

/* What 4 calls of the background scavenger did. */
static void fill_madvise(struct record *record)
{
	record_clear(record, &record_madvise);
	record->wall_ns = 1767366245123456789;
	record_set_unsigned(record, "pid", 4711);
	record_set_text(record, "comm", "a\"b,c\nd\x1b[2J\xff");
	record_set_text(record, "advice", "MADV_DONTNEED");
	record_set_signed(record, "advice_number", 4);
	record_set_text(record, "cause", "background");
	record_set_bool(record, "releases", true);
	record_set_unsigned(record, "calls", 4);
	record_set_unsigned(record, "asked_bytes", 3 << 19);
	record_set_unsigned(record, "errors", 3);
	record_set_texts(record, "error_names", error_names);
	record_set_signed(record, "freed_bytes", -4096);
	record_set_unsigned(record, "latency_mean_ns", 999);
	record_set_unsigned(record, "latency_p99_ns", 1023);
	record_set_unsigned(record, "latency_max_ns", 12345678);
	record_set_texts(record, "latency_histogram", histogram);
}

static void csv_of_another_type(void **state)
{
	struct output_options options = { .format = OUTPUT_CSV, .csv_type = &record_madvise };
	char cell[256], name[64], path[] = "/tmp/output_test.XXXXXX", text[4096] = "";
	const char *heading = text, *row;
	struct output *output;
	struct record record;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	options.path = path;
	assert_int_equal(output_open(&options, &output, NULL), 0);
	fill_cycle(&record);
	assert_int_equal(output_emit(output, &record, NULL), 0);
	record_clear(&record, &record_madvise_summary);
	assert_int_equal(output_emit(output, &record, NULL), 0);
	fill_madvise(&record);
	assert_int_equal(output_emit(output, &record, NULL), 0);
	assert_int_equal(output_close(output, NULL), 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	unlink(path);
	assert_memory_equal(text, "ktime_ns,wall_ns,pid,start_ns,comm,period,period_ns,advice,", 59);
	row = strstr(text, "\r\n") + 2;
	for (size_t i = 0; i < record_madvise.nr_fields; i++) {
		heading = next_cell(heading, name, sizeof(name)) + 1;
		row = next_cell(row, cell, sizeof(cell)) + 1;
		assert_string_equal(name, record_madvise.fields[i].name);
		if (strcmp(name, "comm") == 0)
			assert_string_equal(cell, "a\"b,c\nd\x1b[2J\\xff");
		else if (strcmp(name, "error_names") == 0)
			assert_string_equal(cell, "EINVAL=1;ENOMEM=2");
		else if (strcmp(name, "freed_bytes") == 0)
			assert_string_equal(cell, "-4096");
		else if (strcmp(name, "latency_p50_ns") == 0)
			assert_string_equal(cell, "");
	}
	/* One row: the others were of other types. */
	assert_string_equal(row, "\n");
}

static void csv_has_cycles_only(void **state)
{
	struct record record;
	char *text;

	(void)state;
	record_clear(&record, &record_totals);
	text = written(OUTPUT_CSV, false, &record);
	assert_int_equal(strncmp(text, "ktime_ns,wall_ns,", 17), 0);
	assert_int_equal(strstr(text, "\r\n") - text, strlen(text) - 2);
	free(text);
}

static void quoting_at_every_size(void **state)
{
	char comm[12000], *text;
	struct record record;

	(void)state;
	/* The buffer grows from 4096: cross that at each place once. */
	for (size_t size = 1000; size < sizeof(comm); size += 997) {
		memset(comm, '"', size);
		comm[size] = '\0';
		record_clear(&record, &record_gc_cycle);
		record_set_text(&record, "comm", comm);
		text = written(OUTPUT_CSV, false, &record);
		assert_non_null(strchr(text, '"'));
		assert_int_equal(strspn(strchr(text, '"'), "\""), 2 * size + 2);
		free(text);
	}
}

/* ---- What was given back, for people -------------------------------------------------------- */

#define SCAV "scav 3072 KiB work, 10240 KiB total, 75% util"
#define TIME "2026-01-02T15:04:05.123456Z "

static void fill_scavenge(struct record *record)
{
	record_clear(record, &record_scavenge);
	record->text = SCAV;
	record->wall_ns = 1767366245123456789;
	record_set_bool(record, "forced", false);
	record_set_unsigned(record, "released_bytes", (3 << 20) + 4095);
	record_set_unsigned(record, "heap_released_bytes", 10 << 20);
	record_set_unsigned(record, "heap_in_use_bytes", (6 << 20) + (1 << 19));
	record_set_unsigned(record, "heap_free_bytes", (1 << 20) + (1 << 19));
}

static void scvg_is_the_old_line(void **state)
{
	struct record record;

	(void)state;
	fill_scavenge(&record);
	assert_written(OUTPUT_SCVG, false, &record,
		       "scvg: 3 MB released\n"
		       "scvg: inuse: 6, idle: 11, sys: 18, released: 10, consumed: 8 (MB)\n");
	record_set_bool(&record, "forced", true);
	assert_written(OUTPUT_SCVG, false, &record,
		       "forced scvg: 3 MB released\n"
		       "forced scvg: inuse: 6, idle: 11, sys: 18, released: 10, consumed: 8 (MB)\n");
	/* As all other text outputs do. */
	record.origin = "[4711 a\nb\x1b]0;x\x07]";
	assert_written(OUTPUT_SCVG, true, &record,
		       TIME "[4711 a\\x0ab\\x1b]0;x\\x07] forced scvg: 3 MB released\n" TIME
			    "[4711 a\\x0ab\\x1b]0;x\\x07] forced scvg: inuse: 6, idle: 11, sys: 18, released: 10, "
			    "consumed: 8 (MB)\n");
	assert_written(OUTPUT_GCTRACE, true, &record, TIME "[4711 a\\x0ab\\x1b]0;x\\x07] " SCAV "\n");
}

static void scvg_of_unknown_numbers(void **state)
{
	struct record record;

	(void)state;
	fill_scavenge(&record);
	record.values[record_field_index(&record_scavenge, "heap_free_bytes")].known = false;
	assert_written(OUTPUT_SCVG, false, &record,
		       "scvg: 3 MB released\n"
		       "scvg: inuse: 6, idle: ?, sys: ?, released: 10, consumed: ? (MB)\n");
	/* What is not known may have been something. */
	record_clear(&record, &record_scavenge);
	assert_written(OUTPUT_SCVG, false, &record,
		       "scvg: ? MB released\n"
		       "scvg: inuse: ?, idle: ?, sys: ?, released: ?, consumed: ? (MB)\n");
}

static void scvg_where_something_was_released(void **state)
{
	struct record record;

	(void)state;
	fill_scavenge(&record);
	record_set_unsigned(&record, "released_bytes", 0);
	assert_written(OUTPUT_SCVG, false, &record, "");
	assert_written(OUTPUT_GCTRACE, false, &record, SCAV "\n");
	record_set_unsigned(&record, "released_bytes", 1);
	assert_written(OUTPUT_SCVG, false, &record,
		       "scvg: 0 MB released\n"
		       "scvg: inuse: 6, idle: 11, sys: 18, released: 10, consumed: 8 (MB)\n");
	/* Everything else is as with gctrace. */
	fill_cycle(&record);
	assert_written(OUTPUT_SCVG, false, &record, LINE "\n");
	record_clear(&record, &record_totals);
	assert_written(OUTPUT_SCVG, false, &record, "");
}

static void sums_are_a_row(void **state)
{
	struct record record;

	(void)state;
	fill_madvise(&record);
	assert_written(
		OUTPUT_GCTRACE, false, &record,
		"  DONTNEED         background                4      1.5 MiB     -4.0 KiB        3     999 ns     "
		"1.0 us    12.3 ms\n");
	assert_written(
		OUTPUT_SCVG, false, &record,
		"  DONTNEED         background                4      1.5 MiB     -4.0 KiB        3     999 ns     "
		"1.0 us    12.3 ms\n");
	/* An advice without a name, nothing known of what was freed, nor of a longest call. */
	record_clear(&record, &record_madvise);
	record_set_signed(&record, "advice_number", -7);
	record_set_text(&record, "cause", "allocator_reuse");
	record_set_unsigned(&record, "calls", UINT64_MAX);
	record_set_unsigned(&record, "asked_bytes", UINT64_MAX);
	record_set_unsigned(&record, "errors", 0);
	record_set_unsigned(&record, "latency_mean_ns", 1500000000);
	record.origin = "[4711 a\nb]";
	assert_written(
		OUTPUT_GCTRACE, false, &record,
		"[4711 a\\x0ab]   -7               allocator_reuse  18446744073709551615 16777216.0 TiB            ?"
		"        0     1.50 s          -          -\n");
}

static void summaries_are_a_heading(void **state)
{
	struct record record;

	(void)state;
	record_clear(&record, &record_madvise_summary);
	record.wall_ns = 1767366245123456789;
	record_set_text(&record, "period", "interval");
	record_set_unsigned(&record, "period_ns", 10040000000);
	record_set_unsigned(&record, "calls", 0);
	record_set_unsigned(&record, "released_asked_bytes", 0);
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "last 10.0 s: 0 madvise calls; given back: 0 B asked, ? freed; now Rss ?, LazyFree ?\n");
	record_set_text(&record, "period", "total");
	record_set_unsigned(&record, "calls", 12);
	record_set_unsigned(&record, "released_asked_bytes", 5ull << 40);
	record_set_signed(&record, "released_freed_bytes", 3ll << 29);
	record_set_unsigned(&record, "freed_error_bytes", 0);
	record_set_unsigned(&record, "rss_bytes", 1023);
	record_set_unsigned(&record, "lazy_free_bytes", 1024);
	assert_written(OUTPUT_GCTRACE, true, &record,
		       TIME
		       "in all 10.0 s: 12 madvise calls; given back: 5120.0 GiB asked, 1536.0 MiB freed; "
		       "now Rss 1023 B, LazyFree 1.0 KiB\n"
		       "  ADVICE           CAUSE                 CALLS        ASKED        FREED   ERRORS       MEAN"
		       "        P99        MAX\n");
	record_set_unsigned(&record, "calls", 0);
	record_set_unsigned(&record, "freed_error_bytes", 64 << 12);
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "in all 10.0 s: 0 madvise calls; given back: 5120.0 GiB asked, 1536.0 MiB freed +-256.0 KiB; "
		       "now Rss 1023 B, LazyFree 1.0 KiB\n");
}

static void calls_are_a_line(void **state)
{
	struct record record;

	(void)state;
	record_clear(&record, &record_madvise_call);
	record.wall_ns = 1767366245123456789;
	record_set_unsigned(&record, "tid", 78);
	record_set_unsigned(&record, "address", 0xc000400000);
	record_set_unsigned(&record, "asked_bytes", 4 << 20);
	record_set_text(&record, "advice", "MADV_FREE");
	record_set_text(&record, "cause", "heap_growth");
	record_set_signed(&record, "freed_bytes", 0);
	record_set_unsigned(&record, "duration_ns", 52300);
	assert_written(OUTPUT_GCTRACE, true, &record,
		       TIME "madvise 78 0xc000400000 4.0 MiB FREE heap_growth, freed 0 B, 52.3 us\n");
	record_set_text(&record, "error", "ENOMEM");
	record.values[record_field_index(&record_madvise_call, "freed_bytes")].known = false;
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "madvise 78 0xc000400000 4.0 MiB FREE heap_growth, freed ?, 52.3 us, ENOMEM\n");
}

static void refaults_are_a_line(void **state)
{
	struct record record;

	(void)state;
	record_clear(&record, &record_refault);
	record_set_unsigned(&record, "period_ns", 59999999999);
	record_set_unsigned(&record, "released_bytes", 0);
	record_set_unsigned(&record, "unwatched_bytes", 0);
	assert_written(OUTPUT_GCTRACE, false, &record, "  came back: nothing was given back\n");
	record_set_unsigned(&record, "released_bytes", 8 << 20);
	record_set_unsigned(&record, "unwatched_bytes", 0);
	record_set_unsigned(&record, "judged_1s_bytes", 8 << 20);
	record_set_unsigned(&record, "returned_1s_bytes", 1 << 20);
	record_set_unsigned(&record, "judged_10s_bytes", 3 << 10);
	record_set_unsigned(&record, "returned_10s_bytes", 0);
	record_set_unsigned(&record, "judged_60s_bytes", 0);
	record_set_unsigned(&record, "returned_60s_bytes", 0);
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "  came back, of 8.0 MiB; within 1 s: 1.0 MiB of 8.0 MiB (12.5 %); within 10 s: 0 B of 3.0 KiB "
		       "(0.0 %); within 60 s: too early to say\n");
	record_set_unsigned(&record, "unwatched_bytes", 12 << 10);
	record_set_unsigned(&record, "judged_60s_bytes", UINT64_MAX);
	record_set_unsigned(&record, "returned_60s_bytes", UINT64_MAX);
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "  came back, of 8.0 MiB; within 1 s: 1.0 MiB of 8.0 MiB (12.5 %); within 10 s: 0 B of 3.0 KiB "
		       "(0.0 %); within 60 s: too early to say; not watched: 12.0 KiB\n");
	record_set_unsigned(&record, "period_ns", 60000000000);
	assert_written(OUTPUT_GCTRACE, false, &record,
		       "  came back, of 8.0 MiB; within 1 s: 1.0 MiB of 8.0 MiB (12.5 %); within 10 s: 0 B of 3.0 KiB "
		       "(0.0 %); within 60 s: 16777216.0 TiB of 16777216.0 TiB (100.0 %); not watched: 12.0 KiB\n");
}

/* A name is any bytes: in what a program reads, it must come back as one value. */
static void hostile_names_of_programs(void **state)
{
	static const char name[] = "\x1b[2J\"},\n\xff";
	const struct record_type *const types[] = { &record_scavenge, &record_madvise, &record_madvise_summary,
						    &record_madvise_call, &record_refault };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct record record;
		json_t *json;
		char *text;

		record_clear(&record, types[i]);
		record_set_text(&record, "comm", name);
		text = written(OUTPUT_JSON, false, &record);
		json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		assert_string_equal(json_string_value(json_object_get(json, "comm")), "\x1b[2J\"},\n\\xff");
		assert_null(strchr(text, 0x1b));
		json_decref(json);
		free(text);
		/* The text outputs name programs in the origin only. */
		record.origin = name;
		text = written(OUTPUT_SCVG, false, &record);
		assert_null(strchr(text, 0x1b));
		assert_null(strchr(text, '\xff'));
		free(text);
	}
}

static void full_disk_is_told(void **state)
{
	struct output_options options = { .format = OUTPUT_GCTRACE, .path = "/dev/full" };
	struct failure failure = { "" };
	struct output *output;
	struct record record;

	(void)state;
	fill_cycle(&record);
	assert_int_equal(output_open(&options, &output, &failure), 0);
	assert_int_equal(output_emit(output, &record, &failure), -ENOSPC);
	assert_non_null(strstr(failure.text, "/dev/full"));
	assert_non_null(strstr(failure.text, "No space left"));
	output_close(output, NULL);
	options.format = OUTPUT_CSV;
	assert_int_equal(output_open(&options, &output, &failure), -ENOSPC);
}

static void half_a_line_is_dropped(void **state)
{
	struct rlimit before, limit;
	struct output *output;
	struct record record;
	struct file file;
	int error = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 1000; /* not a multiple of the line's length */
	fill_cycle(&record);
	open_output(&file, OUTPUT_GCTRACE, false, &output);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 100 && !error; i++)
		error = output_emit(output, &record, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(error, -EFBIG);
	/* There is room again, but a hole would be in the stream. */
	assert_int_equal(output_emit(output, &record, NULL), -EFBIG);
	assert_int_equal(output_close(output, NULL), 0);
	read_and_remove(&file);
	assert_int_equal(file.size, 1000 / (sizeof(LINE)) * sizeof(LINE));
	assert_int_equal(file.text[file.size - 1], '\n');
	free(file.text);
}

static void bad_path_is_told(void **state)
{
	struct output_options options = { .path = "/nonexistent/out.json" };
	struct failure failure = { "" };
	struct output *output;

	(void)state;
	assert_int_equal(output_open(&options, &output, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "/nonexistent/out.json"));
	assert_int_equal(output_close(NULL, &failure), 0);
}

/* Standard output in place of @fd while it returns; restores it with fd -1. */
static void redirect_stdout(int fd)
{
	static int saved = -1;

	fflush(stdout);
	if (fd >= 0) {
		saved = dup(STDOUT_FILENO);
		dup2(fd, STDOUT_FILENO);
	} else {
		dup2(saved, STDOUT_FILENO);
		close(saved);
	}
}

static void lost_reader_is_epipe(void **state)
{
	struct output_options options = { .format = OUTPUT_JSON };
	struct failure failure = { "" };
	struct output *output;
	struct record record;
	char line[4096];
	int fds[2], emitted, lost;
	ssize_t got;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fill_cycle(&record);
	assert_int_equal(pipe(fds), 0);
	redirect_stdout(fds[1]);
	output_open(&options, &output, NULL);
	emitted = output_emit(output, &record, NULL);
	got = read(fds[0], line, sizeof(line)); /* there without any flush */
	close(fds[0]);
	lost = output_emit(output, &record, &failure);
	output_close(output, NULL);
	redirect_stdout(-1);
	close(fds[1]);
	assert_int_equal(emitted, 0);
	assert_true(got > 0 && line[got - 1] == '\n');
	assert_int_equal(lost, -EPIPE);
	assert_non_null(strstr(failure.text, "standard output"));
}

static void assert_described(json_t *schema, const struct record_type *type)
{
	json_t *types = json_object_get(schema, "oneOf"), *one, *line, *value;
	const char *key;
	struct record record;
	size_t i, matches = 0;
	char *text;

	record_clear(&record, type);
	text = written(OUTPUT_JSON, false, &record);
	line = json_loads(text, 0, NULL);
	assert_non_null(line);
	json_array_foreach(types, i, one)
	{
		json_t *properties = json_object_get(one, "properties");
		json_t *constant = json_object_get(json_object_get(properties, "type"), "const");

		if (!json_equal(constant, json_object_get(line, "type")))
			continue;
		matches++;
		assert_int_equal(json_object_size(properties), json_object_size(line));
		assert_int_equal(json_array_size(json_object_get(one, "required")), json_object_size(line));
		json_object_foreach(line, key, value)
		{
			json_t *property = json_object_get(properties, key);

			assert_non_null(property);
			if (strcmp(key, "type") == 0)
				continue;
			assert_true(json_array_size(json_object_get(property, "type")) == 2);
			assert_non_null(json_object_get(property, "description"));
		}
	}
	assert_int_equal(matches, 1);
	json_decref(line);
	free(text);
}

static void schema_describes_the_lines(void **state)
{
	json_t *schema, *property;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	assert_non_null(to);
	assert_int_equal(output_schema(to), 0);
	fclose(to);
	schema = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(schema);
	assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
			    "https://json-schema.org/draft/2020-12/schema");
	for (size_t i = 0; record_types[i]; i++)
		assert_described(schema, record_types[i]);
	property = json_array_get(json_object_get(schema, "oneOf"), 2);
	property = json_object_get(json_object_get(property, "properties"), "heap_goal_bytes");
	assert_string_equal(json_string_value(json_object_get(property, "unit")), "bytes");
	json_decref(schema);
	free(text);
	to = fopen("/dev/full", "w");
	assert_non_null(to);
	assert_int_equal(output_schema(to), -ENOSPC);
	fclose(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gctrace_is_the_line),
		cmocka_unit_test(gctrace_sends_no_controls),
		cmocka_unit_test(json_is_exact),
		cmocka_unit_test(json_reads_back),
		cmocka_unit_test(json_survives_any_bytes),
		cmocka_unit_test(csv_reads_back),
		cmocka_unit_test(csv_of_another_type),
		cmocka_unit_test(csv_has_cycles_only),
		cmocka_unit_test(quoting_at_every_size),
		cmocka_unit_test(scvg_is_the_old_line),
		cmocka_unit_test(scvg_of_unknown_numbers),
		cmocka_unit_test(scvg_where_something_was_released),
		cmocka_unit_test(sums_are_a_row),
		cmocka_unit_test(summaries_are_a_heading),
		cmocka_unit_test(calls_are_a_line),
		cmocka_unit_test(refaults_are_a_line),
		cmocka_unit_test(hostile_names_of_programs),
		cmocka_unit_test(full_disk_is_told),
		cmocka_unit_test(half_a_line_is_dropped),
		cmocka_unit_test(bad_path_is_told),
		cmocka_unit_test(lost_reader_is_epipe),
		cmocka_unit_test(schema_describes_the_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
