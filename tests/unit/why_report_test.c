// SPDX-License-Identifier: BSD-2-Clause
/* why_report: what little is known and what all is known, as JSON and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "gctap/why_report.h"

#define MIB (UINT64_C(1) << 20)

static struct ledger ledger;
static struct cgroup_memory cgroup;
static struct target_environment environment;
static struct trends trends;
static struct verdict verdicts[2];

static struct why_report full_report(void)
{
	memset(&ledger, 0, sizeof(ledger));
	memset(&cgroup, 0xff, sizeof(cgroup)); /* unknown */
	memset(&environment, 0, sizeof(environment));
	memset(&trends, 0, sizeof(trends));
	ledger.by_pages = true;
	ledger.rss = 100 * MIB;
	ledger.bytes[LEDGER_LIVE] = 60 * (int64_t)MIB;
	ledger.bytes[LEDGER_FREE] = 41 * (int64_t)MIB;
	ledger.bytes[LEDGER_REMAINDER] = -(int64_t)MIB;
	ledger.lazy_free = VALUE_UNKNOWN;
	ledger.heap.counters.memory_limit = (struct heap_number){ true, 200 * MIB };
	ledger.heap.counters.gc_percent = (struct heap_number){ true, (uint64_t)-1 };
	ledger.heap.counters.percent_goal = (struct heap_number){ true, UINT64_MAX };
	strcpy(cgroup.path, "/a \033[31m \xff cgroup");
	cgroup.current = 300 * MIB;
	cgroup.tightest = CGROUP_NO_LIMIT;
	environment.known = true;
	environment.gogc.set = true;
	strcpy(environment.gogc.value, "off\xff\n");
	trends.seconds = 30;
	trends.cycles = 40;
	for (int i = 0; i < 40; i++)
		trend_add(&trends.released, i, (double)(10 + 3 * i) * MIB);
	trends.refault_watched = true;
	trends.refault.judged[0] = 5 * MIB;
	verdicts[0] =
		(struct verdict){ .name = "live_heap", .bytes = 60 * MIB, .evidence = "Much.", .advice = "Look." };
	verdicts[1] = (struct verdict){ .name = "heap_leak", .evidence = "More.", .leak = true };
	return (struct why_report){ .pid = 42,
				    .comm = "a\033[2Jb",
				    .path = "/\xff/server",
				    .version = "go1.27.4",
				    .ledger = &ledger,
				    .cgroup = &cgroup,
				    .environment = &environment,
				    .verdicts = verdicts,
				    .nr_verdicts = 2,
				    .trends = &trends };
}

static json_t *json_of(const struct why_report *report)
{
	json_t *json = why_report_json(report);
	char *text;

	assert_non_null(json);
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

static char *text_of(const struct why_report *report)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	why_report_text(to, report);
	fclose(to);
	return text;
}

static json_int_t integer_at(const json_t *json, const char *object, const char *key)
{
	const json_t *value = json_object_get(object ? json_object_get(json, object) : json, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void all_that_is_known(void **state)
{
	struct why_report report = full_report();
	json_t *json = json_of(&report), *part;

	(void)state;
	assert_int_equal(integer_at(json, NULL, "rss_bytes"), 100 * MIB);
	assert_int_equal(integer_at(json, NULL, "remainder_bytes"), -(json_int_t)MIB);
	assert_int_equal(integer_at(json, "classes", "live"), 60 * MIB);
	assert_null(json_object_get(json_object_get(json, "classes"), "remainder"));
	assert_int_equal(integer_at(json, "heap", "gogc"), -1);
	assert_true(json_is_null(json_object_get(json_object_get(json, "heap"), "gogc_goal_bytes")));
	assert_true(json_is_null(json_object_get(json, "lazy_free_bytes")));
	assert_int_equal(integer_at(json, "container", "current_bytes"), 300 * MIB);
	assert_true(json_is_null(json_object_get(json_object_get(json, "container"), "limit_bytes")));
	assert_true(json_is_null(json_object_get(json_object_get(json, "container"), "slab_bytes")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(json, "environment"), "GOGC")),
			    "off\\xff\n");
	part = json_object_get(json, "trends");
	assert_int_equal(integer_at(part, "refault", "judged_1s_bytes"), 5 * MIB);
	assert_string_equal(json_string_value(json_object_get(json_object_get(part, "released"), "direction")),
			    "grows");
	assert_true(json_is_null(json_object_get(json_object_get(part, "live"), "slope_low")));
	part = json_array_get(json_object_get(json, "verdicts"), 1);
	assert_true(json_is_true(json_object_get(part, "leak")));
	assert_true(json_is_null(json_object_get(part, "advice")));
	json_decref(json);
}

static void next_to_nothing_is_known(void **state)
{
	static const char *const nulls[] = {
		"go_version", "heap", "environment", "container", "trends", "comm", "exe"
	};
	struct why_report report;
	json_t *json;

	(void)state;
	memset(&ledger, 0, sizeof(ledger));
	failure_set(&ledger.coarse, 0, "no Go program");
	report = (struct why_report){ .pid = 1, .version = "", .ledger = &ledger };
	json = json_of(&report);
	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		assert_true(json_is_null(json_object_get(json, nulls[i])));
	assert_string_equal(json_string_value(json_object_get(json, "coarse_because")), "no Go program");
	json_decref(json);
}

static void text_for_people(void **state)
{
	static const char *const lines[] = {
		"42 (a\\x1b[2Jb): ",
		"\nResident 100.0 MB =\n",
		"\n        60.0 MB  live at the last mark ",
		" being returned: 3.00 MB/s in the last 39 s\n",
		"\n        -1.0 MB  not accounted for ",
		"\nSettings: GOGC off, memory limit 200.0 MB; in the environment: GOGC=off",
		": 300.0 MB charged\n",
		"\nVerdict: Much.\n  Look.\n\nMore.\n",
	};
	struct why_report report = full_report();
	char *text = text_of(&report);

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("no '%s' in:\n%s", lines[i], text);
	assert_null(strchr(text, '\033'));
	free(text);
}

static void goal_of(const char *words)
{
	struct why_report report = full_report();
	char *text;

	ledger.bytes[LEDGER_NEW] = 20 * (int64_t)MIB;
	ledger.heap.counters.gc_percent.value = 100;
	ledger.heap.counters.percent_goal.value = 150 * MIB;
	if (strstr(words, "at most"))
		ledger.heap.counters.memory_limit.value = 140 * MIB;
	text = text_of(&report);
	if (!strstr(text, words))
		fail_msg("no '%s' in:\n%s", words, text);
	free(text);
}

static void the_goal_is_the_lower_one(void **state)
{
	(void)state;
	goal_of("goes at the next cycle (goal 150.0 MB)\n");
	goal_of("goes at the next cycle (goal at most 140.0 MB)\n");
}

/* The reason may name a file, cut where the room ended; the evidence may quote it. */
static void why_it_is_coarse_is_any_bytes(void **state)
{
	struct verdict verdict = { .name = "cannot_tell", .evidence = "It is \xc2\x9b\x33\x31m\x9b." };
	struct why_report report = {
		.pid = 1, .version = "", .ledger = &ledger, .verdicts = &verdict, .nr_verdicts = 1
	};
	json_t *json;
	char *text;

	(void)state;
	memset(&ledger, 0, sizeof(ledger));
	ledger.bytes[LEDGER_HEAP] = (int64_t)MIB;
	failure_set(&ledger.coarse, 0, "/srv/caf\xc3: \xc2\x9b\x33\x31m");
	json = json_of(&report);
	assert_string_equal(json_string_value(json_object_get(json, "coarse_because")),
			    "/srv/caf\\xc3: \xc2\x9b\x33\x31m");
	json_decref(json);
	text = text_of(&report);
	assert_non_null(strstr(text, "not told apart: /srv/caf\\xc3: \\xc2\\x9b31m\n"));
	assert_non_null(strstr(text, "Verdict: It is \\xc2\\x9b31m\\x9b.\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known),
		cmocka_unit_test(next_to_nothing_is_known),
		cmocka_unit_test(text_for_people),
		cmocka_unit_test(the_goal_is_the_lower_one),
		cmocka_unit_test(why_it_is_coarse_is_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
