// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/why_report.h"

#include <stdlib.h>

#include <jansson.h>

#include "gctap/record.h"

/* ---- Values, null where they are unknown -------------------------------------------------------- */

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *number(uint64_t value)
{
	return value_known(value) ? integer(value) : json_null();
}

static json_t *limit(uint64_t value)
{
	return value == CGROUP_NO_LIMIT ? json_null() : number(value);
}

static json_t *heap_number(const struct heap_number *value)
{
	return value->known ? integer(value->value) : json_null();
}

/* Any bytes: what is no UTF-8 is escaped. */
static json_t *any_text(const char *text)
{
	json_t *string = text ? json_string(text) : json_null();
	char *escaped;

	if (string)
		return string;
	escaped = record_text_escape(text, false);
	string = escaped ? json_string(escaped) : NULL;
	free(escaped);
	return string;
}

/* ---- Parts -------------------------------------------------------------------------------------- */

static json_t *classes(const struct ledger *ledger)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < LEDGER_REMAINDER; i++)
		json_object_set_new(object, ledger_class_name(i), json_integer(ledger->bytes[i]));
	return object;
}

static json_t *heap(const struct ledger *ledger)
{
	const struct heap_counters *counters = &ledger->heap.counters;

	if (!ledger->by_pages)
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "in_use_bytes", integer(counters->in_use),
		"free_bytes", integer(counters->free), "released_bytes", integer(counters->released), "live_bytes",
		heap_number(&counters->live), "memory_limit_bytes", heap_number(&counters->memory_limit),
		"mapped_ready_bytes", heap_number(&counters->mapped_ready), "gogc_goal_bytes",
		heap_goal_known(counters) ? heap_number(&counters->percent_goal) : json_null(), "gogc",
		heap_number(&counters->gc_percent), "free_difference_bytes", integer(ledger->heap.difference.free));
}

static json_t *verdicts(const struct why_report *report)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < report->nr_verdicts; i++) {
		const struct verdict *verdict = &report->verdicts[i];

		json_array_append_new(array, json_pack("{s:s, s:o, s:o, s:s?, s:b}", "name", verdict->name, "bytes",
						       integer(verdict->bytes), "evidence", any_text(verdict->evidence),
						       "advice", verdict->advice, "leak", verdict->leak));
	}
	return array;
}

static json_t *real(bool known, double value)
{
	return known ? json_real(value) : json_null();
}

static json_t *trend(const struct trend *trend)
{
	static const char *const names[] = { "unknown", "steady", "grows", "falls", "unsure" };
	struct trend_line line;
	bool known;

	trend_line(trend, &line);
	known = line.direction != TREND_UNKNOWN;
	return json_pack("{s:s, s:o, s:f, s:o, s:o, s:o}", "direction", names[line.direction], "samples",
			 integer(line.count), "seconds", line.seconds, "slope_bytes_per_second",
			 real(known, line.slope), "slope_low", real(known, line.low), "slope_high",
			 real(known, line.high));
}

static json_t *refault(const struct trends *trends)
{
	const struct refault_totals *totals = &trends->refault;

	if (!trends->refault_watched)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "released_bytes", integer(totals->released), "judged_1s_bytes",
			 integer(totals->judged[0]), "returned_1s_bytes", integer(totals->returned[0]),
			 "judged_10s_bytes", integer(totals->judged[1]), "returned_10s_bytes",
			 integer(totals->returned[1]));
}

static json_t *trends(const struct trends *trends)
{
	if (!trends)
		return json_null();
	return json_pack("{s:f, s:b, s:o, s:o, s:o, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "seconds",
			 trends->seconds, "ended", (int)trends->ended, "cycles", integer(trends->cycles), "gc_cpu_ns",
			 number(trends->gc_cpu_ns), "processors",
			 trends->processors ? integer(trends->processors) : json_null(), "samples",
			 (int)trends->samples, "samples_limit_known", (int)trends->limit_known, "samples_near_limit",
			 (int)trends->near_limit, "live", trend(&trends->live), "stacks", trend(&trends->stacks),
			 "not_go", trend(&trends->c), "rss", trend(&trends->rss), "released", trend(&trends->released),
			 "refault", refault(trends));
}

static json_t *container(const struct cgroup_memory *cgroup)
{
	if (!cgroup)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "cgroup",
			 any_text(cgroup->path[0] ? cgroup->path : NULL), "current_bytes", number(cgroup->current),
			 "limit_bytes", limit(cgroup->tightest), "anon_bytes", number(cgroup->stat.anon), "file_bytes",
			 number(cgroup->stat.file), "slab_bytes", number(cgroup->stat.slab), "kernel_bytes",
			 number(cgroup->stat.kernel), "working_set_bytes", number(cgroup->working_set));
}

static json_t *variable(const struct target_variable *variable)
{
	return any_text(variable->set ? variable->value : NULL);
}

static json_t *environment(const struct target_environment *environment)
{
	if (!environment || !environment->known)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "GOGC", variable(&environment->gogc), "GOMEMLIMIT",
			 variable(&environment->gomemlimit), "GODEBUG", variable(&environment->godebug),
			 "MALLOC_ARENA_MAX", variable(&environment->malloc_arena_max));
}

/* ---- All of it ---------------------------------------------------------------------------------- */

json_t *why_report_json(const struct why_report *report)
{
	const struct ledger *ledger = report->ledger;
	json_t *json = json_pack("{s:s, s:i, s:o, s:i, s:o, s:o, s:s?, s:o, s:I, s:o, s:o}", "type", "why",
				 "schema_version", RECORD_SCHEMA_VERSION, "wall_ns", integer(report->wall_ns), "pid",
				 (int)report->pid, "comm", any_text(report->comm), "exe", any_text(report->path),
				 "go_version", report->version[0] ? report->version : NULL, "rss_bytes",
				 integer(ledger->rss), "remainder_bytes", (json_int_t)ledger->bytes[LEDGER_REMAINDER],
				 "classes", classes(ledger), "verdicts", verdicts(report));
	json_t *rest = json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "heap", heap(ledger), "environment",
				 environment(report->environment), "container", container(report->cgroup), "trends",
				 trends(report->trends), "by_pages", ledger->by_pages, "coarse_because",
				 any_text(ledger->by_pages ? NULL : ledger->coarse.text));
	json_t *kernel =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "lazy_free_bytes", number(ledger->lazy_free),
			  "huge_bytes", number(ledger->huge), "swap_bytes", number(ledger->swapped),
			  "released_huge_bytes", integer(ledger->released_huge), "moved_bytes", integer(ledger->moved),
			  "taken_ns", integer(ledger->nanoseconds), "attempts", (int)ledger->attempts);

	if (!json || !rest || !kernel || json_object_update(json, rest) || json_object_update(json, kernel)) {
		json_decref(json);
		json = NULL;
	}
	json_decref(rest);
	json_decref(kernel);
	return json;
}
