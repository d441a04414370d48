// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gctap/cycle_gap.h"
#include "gctap/record.h"

static void tables_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; record_types[i]; i++) {
		const struct record_type *type = record_types[i];

		assert_in_range(type->nr_fields, 1, RECORD_FIELDS_MAX);
		assert_true(type->name[0] && type->what[0]);
		for (size_t j = 0; j < type->nr_fields; j++) {
			const struct record_field *field = &type->fields[j];
			const char *suffix = strrchr(field->name, '_');

			assert_true(field->what[0]);
			assert_string_not_equal(field->name, "type");
			assert_int_equal(strspn(field->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
					 strlen(field->name));
			/* A second field of the name would be found here. */
			assert_int_equal(record_field_index(type, field->name), j);
			if (suffix && strcmp(suffix, "_ns") == 0)
				assert_string_equal(field->unit, "ns");
			if (suffix && strcmp(suffix, "_bytes") == 0)
				assert_string_equal(field->unit, "bytes");
		}
	}
	assert_int_equal(record_field_index(&record_gap, "no_such_field"), -1);
}

/* The schema and the choice of a CSV are made from the list. */
static void every_type_is_in_the_list(void **state)
{
	static const struct record_type *const types[] = {
		&record_header,	 &record_process,      &record_gc_cycle, &record_scavenge, &record_madvise_summary,
		&record_madvise, &record_madvise_call, &record_refault,	 &record_gap,	   &record_process_end,
		&record_totals,
	};
	size_t listed = 0;

	(void)state;
	while (record_types[listed])
		listed++;
	assert_int_equal(listed, sizeof(types) / sizeof(types[0]));
	for (size_t i = 0; i < listed; i++) {
		size_t at = 0;

		while (at < listed && record_types[at] != types[i])
			at++;
		if (at == listed)
			fail_msg("%s is not in the list", types[i]->name);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(types[i]->name, types[j]->name);
	}
}

static const struct value *value(const struct record *record, const char *field)
{
	int index = record_field_index(record->type, field);

	assert_true(index >= 0);
	return &record->values[index];
}

static void setters_make_known(void **state)
{
	static const char *const stack[] = { "runtime.mallocgc", "main.main", NULL };
	struct record record;

	(void)state;
	memset(&record, 0xff, sizeof(record));
	record_clear(&record, &record_gc_cycle);
	assert_ptr_equal(record.type, &record_gc_cycle);
	assert_null(record.text);
	assert_null(record.origin);
	for (size_t i = 0; i < record_gc_cycle.nr_fields; i++)
		assert_false(record.values[i].known);

	record_set_unsigned(&record, "ktime_ns", UINT64_MAX);
	record_set_signed(&record, "gc_cpu_percent", -1);
	record_set_real(&record, "gc_cpu_fraction", 0.25);
	record_set_bool(&record, "forced", false);
	record_set_text(&record, "comm", "server");
	record_set_texts(&record, "trigger_stack", stack);
	assert_true(value(&record, "ktime_ns")->known);
	assert_true(value(&record, "ktime_ns")->u == UINT64_MAX);
	assert_true(value(&record, "gc_cpu_percent")->s == -1);
	assert_true(value(&record, "gc_cpu_fraction")->real == 0.25);
	assert_true(value(&record, "forced")->known);
	assert_false(value(&record, "forced")->truth);
	assert_string_equal(value(&record, "comm")->text, "server");
	assert_ptr_equal(value(&record, "trigger_stack")->texts, stack);
	assert_false(value(&record, "wall_ns")->known);

	record_set_text(&record, "comm", NULL);
	assert_false(value(&record, "comm")->known);
}

static void set_unknown_name(struct record *record)
{
	record_set_unsigned(record, "no_such_field", 1);
}

static void set_other_type(struct record *record)
{
	record_set_signed(record, "pid", 1);
}

static void read_unknown_name(struct record *record)
{
	record_value(record, "no_such_field");
}

static void assert_aborts(void (*set)(struct record *record))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct record record;

		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		record_clear(&record, &record_gap);
		set(&record);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void misuse_aborts(void **state)
{
	(void)state;
	assert_aborts(set_unknown_name);
	assert_aborts(set_other_type);
	assert_aborts(read_unknown_name);
}

static void escapes_what_is_not_text(void **state)
{
	static const struct {
		const char *text, *plain, *without_controls;
	} cases[] = {
		{ "", "", "" },
		{ "kube-apiserver", "kube-apiserver", "kube-apiserver" },
		{ "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x90\xb9", "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x90\xb9",
		  "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x90\xb9" },
		{ "cut\xe2\x82", "cut\\xe2\\x82", "cut\\xe2\\x82" },
		{ "\xff\xfe", "\\xff\\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf" },				/* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" },		/* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80" }, /* above U+10FFFF */
		{ "\x80 tail", "\\x80 tail", "\\x80 tail" },
		{ "a\nb\x1b[2J\x7f", "a\nb\x1b[2J\x7f", "a\\x0ab\\x1b[2J\\x7f" },
		{ "\xc2\x9b", "\xc2\x9b", "\\xc2\\x9b" }, /* CSI as one character */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *plain = record_text_escape(cases[i].text, false);
		char *without = record_text_escape(cases[i].text, true);

		assert_string_equal(plain, cases[i].plain);
		assert_string_equal(without, cases[i].without_controls);
		assert_int_equal(record_text_clean_length(plain, false), strlen(plain));
		assert_int_equal(record_text_clean_length(without, true), strlen(without));
		free(plain);
		free(without);
	}
}

static void numbers_tell_gaps(void **state)
{
	static const struct {
		uint32_t cycle;
		enum cycle_step step;
		uint32_t first, last, count;
	} feeds[] = {
		{ 41, CYCLE_NEXT, 0, 0, 0 }, /* attached late */
		{ 42, CYCLE_NEXT, 0, 0, 0 },	     { 44, CYCLE_GAP, 43, 43, 1 },
		{ 100, CYCLE_GAP, 45, 99, 55 },	     { 100, CYCLE_REPEATED, 0, 0, 0 },
		{ 101, CYCLE_NEXT, 0, 0, 0 },	     { 2, CYCLE_BACK, 0, 0, 0 }, /* exec */
		{ 3, CYCLE_NEXT, 0, 0, 0 },	     { 4000000000, CYCLE_GAP, 4, 3999999999, 3999999996 },
		{ 1, CYCLE_BACK, 0, 0, 0 },	     { UINT32_MAX - 1, CYCLE_GAP, 2, UINT32_MAX - 2, UINT32_MAX - 3 },
		{ UINT32_MAX, CYCLE_NEXT, 0, 0, 0 }, { 0, CYCLE_NEXT, 0, 0, 0 },
		{ 1, CYCLE_NEXT, 0, 0, 0 },	     { 0, CYCLE_BACK, 0, 0, 0 },
	};
	struct cycle_gap tracker = { 0 }, wrapping = { .started = true, .last = UINT32_MAX - 1 };
	struct cycle_range range;

	(void)state;
	for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
		range = (struct cycle_range){ 0 };
		assert_int_equal(cycle_gap_feed(&tracker, feeds[i].cycle, &range), feeds[i].step);
		assert_int_equal(range.first, feeds[i].first);
		assert_int_equal(range.last, feeds[i].last);
		assert_int_equal(range.count, feeds[i].count);
	}
	assert_int_equal(cycle_gap_feed(&wrapping, 2, &range), CYCLE_GAP);
	assert_int_equal(range.first, UINT32_MAX);
	assert_int_equal(range.last, 1);
	assert_int_equal(range.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_sound),	    cmocka_unit_test(every_type_is_in_the_list),
		cmocka_unit_test(setters_make_known),	    cmocka_unit_test(misuse_aborts),
		cmocka_unit_test(escapes_what_is_not_text), cmocka_unit_test(numbers_tell_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
