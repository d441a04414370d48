// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "gctap/ledger.h"
#include "gctap/session.h"
#include "gctap/trend.h"
#include "gctap/verdict.h"
#include "subject.h"

#define SAMPLES	      60u /* of pages, while watching */
#define SAMPLE_MIN_NS 500000000u
#define POLL_MS	      50

enum { KEY_JSON = 256, KEY_WATCH };

struct options {
	pid_t pid;
	bool json;
	double watch; /* seconds; 0: one look */
};

/* All that is known of the process. */
struct inquiry {
	struct subject subject;
	struct ledger ledger;
	struct cgroup_memory cgroup;
	struct target_environment environment;
	struct target_status status;
	struct thp_setting thp;
	bool has_cgroup, has_environment, has_status;
	struct verdict verdicts[VERDICTS_MAX];
	unsigned nr_verdicts;
	struct trends trends;
	uint64_t begun_ns; /* of watching */
	bool watched;
};

static const struct argp_option argp_options[] = {
	{ "pid", 'p', "PID", 0, "the process", 0 },
	{ "watch", KEY_WATCH, "SECONDS", 0,
	  "watch for that time and say what grows: each collection, and the pages now and then (two probes)", 0 },
	{ "json", KEY_JSON, NULL, 0, "as one JSON object", 0 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p': options->pid = (pid_t)cli_number(state, text, 1, 1 << 22, "-p"); break;
	case KEY_JSON: options->json = true; break;
	case KEY_WATCH: options->watch = cli_seconds(state, text); break;
	case ARGP_KEY_ARG: argp_error(state, "'%s'? The process is given as -p PID", text); break;
	case ARGP_KEY_END:
		if (!options->pid)
			argp_error(state, "which process? -p PID");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"-p PID",
	"Where the resident memory of a Go process is: what the runtime believes of every page, joined with what the "
	"kernel holds of it, and why it is as much.\v"
	"Reads only: /proc and the process's memory; nothing is attached without --watch, the process is not stopped. "
	"Needs root, or CAP_SYS_PTRACE, and CAP_DAC_READ_SEARCH for another user's process (with --watch, what gctap "
	"trace needs). Exit status: 0 done, 2 it could not be "
	"run. Ctrl-C ends watching, with a verdict on what was seen.",
	NULL,
	NULL,
	NULL
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double since(const struct inquiry *inquiry, uint64_t ktime_ns)
{
	return ktime_ns > inquiry->begun_ns ? (double)(ktime_ns - inquiry->begun_ns) / 1e9 : 0;
}

/* A cycle: what is alive after it. */
static int on_record(const struct record *record, void *context)
{
	struct inquiry *inquiry = context;
	const struct value *marked, *time;

	if (record->type != &record_gc_cycle)
		return 0;
	marked = &record->values[record_field_index(record->type, "heap_marked_bytes")];
	time = &record->values[record_field_index(record->type, "ktime_ns")];
	inquiry->trends.cycles++;
	if (marked->known && time->known)
		trend_add(&inquiry->trends.live, since(inquiry, time->u), (double)marked->u);
	return 0;
}

static void sample(struct inquiry *inquiry)
{
	const struct ledger *ledger = &inquiry->ledger;
	double at = since(inquiry, now_ns());

	trend_add(&inquiry->trends.rss, at, (double)ledger->rss);
	trend_add(&inquiry->trends.c, at, (double)(ledger->bytes[LEDGER_C_HEAP] + ledger->bytes[LEDGER_OTHER]));
	if (!ledger->by_pages)
		return;
	trend_add(&inquiry->trends.stacks, at, (double)ledger->bytes[LEDGER_STACKS]);
	trend_add(&inquiry->trends.released, at, (double)ledger->heap.counters.released);
}

/* Until the time is over, the process has ended, or Ctrl-C. */
static int watch_loop(const struct options *options, struct inquiry *inquiry, const struct ledger_source *source,
		      struct session *session, int signals, struct failure *failure)
{
	uint64_t end = inquiry->begun_ns + (uint64_t)(options->watch * 1e9), next = 0;
	uint64_t step = (uint64_t)(options->watch * 1e9) / SAMPLES;
	int error = 0;

	if (step < SAMPLE_MIN_NS)
		step = SAMPLE_MIN_NS;
	while (!error && now_ns() < end && session_live(session) && !cli_signal_taken(signals, NULL)) {
		if (now_ns() >= next) {
			error = ledger_take(source, &inquiry->ledger, failure);
			sample(inquiry);
			next = now_ns() + step;
		}
		if (!error)
			error = session_poll(session, POLL_MS);
	}
	inquiry->trends.seconds = since(inquiry, now_ns());
	return error;
}

static int watch(const struct options *options, struct inquiry *inquiry, const struct ledger_source *source,
		 struct failure *failure)
{
	struct session_options session_options = {
		.cycles = true, .single = true, .on_record = on_record, .context = inquiry
	};
	struct session *session = NULL;
	struct target *target;
	int signals = cli_signals(), error = session_new(&session_options, &session, failure);

	if (!error)
		error = target_open(options->pid, &target, failure);
	if (!error)
		error = session_add_process(session, target, failure);
	if (!error)
		error = session_start(session, failure);
	inquiry->begun_ns = now_ns();
	if (!error)
		error = watch_loop(options, inquiry, source, session, signals, failure);
	if (!error)
		session_finish(session);
	session_free(session);
	close(signals);
	inquiry->watched = !error;
	return error;
}

static int inquire(const struct options *options, struct inquiry *inquiry, struct failure *failure)
{
	struct ledger_source source;
	struct verdict_signals signals = { .ledger = &inquiry->ledger };
	int error = subject_open(options->pid, &inquiry->subject, failure);

	if (error)
		return error;
	source = subject_source(&inquiry->subject);
	error = options->watch > 0 ? watch(options, inquiry, &source, failure)
				   : ledger_take(&source, &inquiry->ledger, failure);
	if (error)
		return error;
	inquiry->has_cgroup = !cgroup_memory_read(options->pid, &inquiry->cgroup);
	inquiry->has_environment = !target_environment_read(options->pid, &inquiry->environment);
	inquiry->has_status = !target_status_read(options->pid, &inquiry->status);
	thp_setting_read(&inquiry->thp);
	signals.cgroup = inquiry->has_cgroup ? &inquiry->cgroup : NULL;
	signals.environment = inquiry->has_environment ? &inquiry->environment : NULL;
	signals.status = inquiry->has_status ? &inquiry->status : NULL;
	signals.thp = &inquiry->thp;
	inquiry->nr_verdicts = verdict_judge(&signals, inquiry->verdicts);
	if (inquiry->watched)
		inquiry->nr_verdicts = trend_judge(&inquiry->trends, inquiry->verdicts, inquiry->nr_verdicts);
	return 0;
}

static double mb(int64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* With GOGC off there is none: the runtime has the largest number there. */
static bool goal_known(const struct heap_counters *counters)
{
	return counters->percent_goal.known && counters->percent_goal.value <= INT64_MAX;
}

static void print_remark(const struct ledger *ledger, enum ledger_class class)
{
	const struct heap_counters *counters = &ledger->heap.counters;
	int64_t in_use = ledger->bytes[LEDGER_LIVE] + ledger->bytes[LEDGER_NEW] + ledger->bytes[LEDGER_HOLES];

	if (class == LEDGER_HEAP)
		printf("  not told apart: %s", ledger->coarse.text);
	if (class == LEDGER_NEW && goal_known(counters))
		printf("  goes at the next cycle (goal %.1f MB)", mb((int64_t)counters->percent_goal.value));
	if (class == LEDGER_HOLES && in_use > 0)
		printf("  spans are %.0f %% occupied",
		       100.0 * (double)(in_use - ledger->bytes[LEDGER_HOLES]) / (double)in_use);
	if (class == LEDGER_RELEASED && ledger->released_huge)
		printf("  %.1f MB in huge pages", mb((int64_t)ledger->released_huge));
	if (class == LEDGER_FILES)
		printf("  %.1f MB clean: the kernel can take them", mb((int64_t)ledger->file_clean));
}

static void print_container(const struct inquiry *inquiry)
{
	const struct cgroup_memory *cgroup = &inquiry->cgroup;

	if (!inquiry->has_cgroup || !value_known(cgroup->current))
		return;
	printf("\nContainer: %.1f MB charged", mb((int64_t)cgroup->current));
	if (value_known(cgroup->tightest) && cgroup->tightest != CGROUP_NO_LIMIT)
		printf(" of %.1f MB", mb((int64_t)cgroup->tightest));
	if (value_known(cgroup->stat.anon))
		printf("; anonymous %.1f MB", mb((int64_t)cgroup->stat.anon));
	if (value_known(cgroup->stat.file))
		printf(", page cache %.1f MB", mb((int64_t)cgroup->stat.file));
	if (value_known(cgroup->working_set))
		printf(", working set %.1f MB", mb((int64_t)cgroup->working_set));
	putchar('\n');
}

static void print_text(const struct inquiry *inquiry)
{
	const struct ledger *ledger = &inquiry->ledger;

	/* Names are the process's choice: none may command the terminal. */
	char *comm = record_text_escape(inquiry->subject.target->comm, true);
	char *path = record_text_escape(inquiry->subject.binary->path, true);

	printf("%d (%s): %s, %s\n", inquiry->subject.target->pid, comm ? comm : "?", path ? path : "?",
	       inquiry->subject.binary->version[0] ? inquiry->subject.binary->version : "Go version unknown");
	free(comm);
	free(path);
	printf("Resident %.1f MB =\n", mb((int64_t)ledger->rss));
	for (unsigned i = 0; i < LEDGER_CLASSES; i++) {
		if (!ledger->bytes[i])
			continue;
		printf("  %10.1f MB  %-42s", mb(ledger->bytes[i]), ledger_class_phrase(i));
		print_remark(ledger, i);
		putchar('\n');
	}
	if (ledger->moved)
		printf("  (Rss changed by %.1f MB while it was looked at)\n", mb((int64_t)ledger->moved));
	print_container(inquiry);
	for (unsigned i = 0; i < inquiry->nr_verdicts; i++) {
		const struct verdict *verdict = &inquiry->verdicts[i];

		printf("\n%s%s\n", i ? "" : "Verdict: ", verdict->evidence);
		if (verdict->advice)
			printf("  %s\n", verdict->advice);
	}
}

static json_t *number(uint64_t value)
{
	return value_known(value) ? json_integer((json_int_t)value) : json_null();
}

static json_t *heap_number(const struct heap_number *value)
{
	return value->known ? json_integer((json_int_t)value->value) : json_null();
}

static json_t *json_classes(const struct ledger *ledger)
{
	json_t *classes = json_object();

	for (unsigned i = 0; i < LEDGER_REMAINDER; i++)
		json_object_set_new(classes, ledger_class_name(i), json_integer(ledger->bytes[i]));
	return classes;
}

static json_t *json_heap(const struct ledger *ledger)
{
	const struct heap_counters *counters = &ledger->heap.counters;

	if (!ledger->by_pages)
		return json_null();
	return json_pack(
		"{s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "in_use_bytes", (json_int_t)counters->in_use, "free_bytes",
		(json_int_t)counters->free, "released_bytes", (json_int_t)counters->released, "memory_limit_bytes",
		heap_number(&counters->memory_limit), "mapped_ready_bytes", heap_number(&counters->mapped_ready),
		"gogc_goal_bytes", goal_known(counters) ? heap_number(&counters->percent_goal) : json_null(), "gogc",
		heap_number(&counters->gc_percent), "free_difference_bytes", (json_int_t)ledger->heap.difference.free);
}

static json_t *json_verdicts(const struct inquiry *inquiry)
{
	json_t *verdicts = json_array();

	for (unsigned i = 0; i < inquiry->nr_verdicts; i++) {
		const struct verdict *verdict = &inquiry->verdicts[i];

		json_array_append_new(verdicts, json_pack("{s:s, s:I, s:s, s:s?, s:b}", "name", verdict->name, "bytes",
							  (json_int_t)verdict->bytes, "evidence", verdict->evidence,
							  "advice", verdict->advice, "leak", verdict->leak));
	}
	return verdicts;
}

static const char *direction_name(enum trend_direction direction)
{
	static const char *const names[] = { "unknown", "steady", "grows", "falls", "unsure" };

	return names[direction];
}

static json_t *json_trend(const struct trend *trend)
{
	struct trend_line line;

	trend_line(trend, &line);
	if (line.direction == TREND_UNKNOWN)
		return json_pack("{s:s, s:I}", "direction", direction_name(line.direction), "samples",
				 (json_int_t)line.count);
	return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f}", "direction", direction_name(line.direction), "samples",
			 (json_int_t)line.count, "seconds", line.seconds, "slope_bytes_per_second", line.slope,
			 "slope_low", line.low, "slope_high", line.high);
}

static json_t *json_trends(const struct inquiry *inquiry)
{
	const struct trends *trends = &inquiry->trends;

	if (!inquiry->watched)
		return json_null();
	return json_pack("{s:f, s:I, s:o, s:o, s:o, s:o, s:o}", "seconds", trends->seconds, "cycles",
			 (json_int_t)trends->cycles, "live", json_trend(&trends->live), "stacks",
			 json_trend(&trends->stacks), "not_go", json_trend(&trends->c), "rss", json_trend(&trends->rss),
			 "released", json_trend(&trends->released));
}

static json_t *json_container(const struct inquiry *inquiry)
{
	const struct cgroup_memory *cgroup = &inquiry->cgroup;

	if (!inquiry->has_cgroup)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "current_bytes", number(cgroup->current), "limit_bytes",
			 cgroup->tightest == CGROUP_NO_LIMIT ? json_null() : number(cgroup->tightest), "anon_bytes",
			 number(cgroup->stat.anon), "file_bytes", number(cgroup->stat.file), "slab_bytes",
			 number(cgroup->stat.slab), "working_set_bytes", number(cgroup->working_set));
}

static int print_json(const struct inquiry *inquiry)
{
	const struct ledger *ledger = &inquiry->ledger;
	json_t *json =
		json_pack("{s:s, s:i, s:s?, s:I, s:I, s:I, s:o, s:o, s:o}", "type", "why", "pid",
			  (int)inquiry->subject.target->pid, "go_version",
			  inquiry->subject.binary->version[0] ? inquiry->subject.binary->version : NULL, "rss_bytes",
			  (json_int_t)ledger->rss, "remainder_bytes", (json_int_t)ledger->bytes[LEDGER_REMAINDER],
			  "moved_bytes", (json_int_t)ledger->moved, "classes", json_classes(ledger), "verdicts",
			  json_verdicts(inquiry), "container", json_container(inquiry));
	int error;

	if (!json)
		return -ENOMEM;
	json_object_set_new(json, "trends", json_trends(inquiry));
	json_object_set_new(json, "heap", json_heap(ledger));
	json_object_set_new(json, "by_pages", json_boolean(ledger->by_pages));
	json_object_set_new(json, "coarse_because", ledger->by_pages ? json_null() : json_string(ledger->coarse.text));
	json_object_set_new(json, "lazy_free_bytes", number(ledger->lazy_free));
	json_object_set_new(json, "huge_bytes", number(ledger->huge));
	json_object_set_new(json, "swap_bytes", number(ledger->swapped));
	json_object_set_new(json, "released_huge_bytes", json_integer((json_int_t)ledger->released_huge));
	json_object_set_new(json, "taken_ns", json_integer((json_int_t)ledger->nanoseconds));
	json_object_set_new(json, "attempts", json_integer(ledger->attempts));
	error = json_dumpf(json, stdout, JSON_COMPACT) ? -EIO : 0;
	json_decref(json);
	putchar('\n');
	return error;
}

int command_why(int argc, char **argv)
{
	static struct inquiry inquiry;
	struct options options = { 0 };
	struct failure failure = { "" };
	int error;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	error = inquire(&options, &inquiry, &failure);
	if (!error && options.json)
		error = print_json(&inquiry);
	else if (!error)
		print_text(&inquiry);
	if (!error && (fflush(stdout) || ferror(stdout)))
		error = failure_set(&failure, -EIO, "cannot write the result");
	ledger_clear(&inquiry.ledger);
	subject_close(&inquiry.subject);
	return error ? cli_trouble(&failure) : EXIT_YES;
}
