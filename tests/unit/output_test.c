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
		cmocka_unit_test(csv_has_cycles_only),
		cmocka_unit_test(quoting_at_every_size),
		cmocka_unit_test(full_disk_is_told),
		cmocka_unit_test(half_a_line_is_dropped),
		cmocka_unit_test(bad_path_is_told),
		cmocka_unit_test(lost_reader_is_epipe),
		cmocka_unit_test(schema_describes_the_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
