// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "gctap/clock.h"
#include "gctap/session.h"
#include "gctap/why_report.h"
#include "privilege.h"
#include "subject.h"

#define SAMPLES	      60u /* of pages, while watching */
#define SAMPLE_MIN_NS 500000000u

#define FEATURES	 (PRIVILEGE_PROCESS | PRIVILEGE_MEMORY)
#define FEATURES_WATCH	 (PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES | PRIVILEGE_MEMORY | PRIVILEGE_WATCH)
#define FEATURES_REFAULT (PRIVILEGE_TRACEPOINTS | PRIVILEGE_REFAULT)

enum { KEY_JSON = 256, KEY_WATCH, KEY_REFAULT };

struct options {
	pid_t pid;
	bool json, refault;
	double watch; /* seconds; 0: one look */
};

/* All that is known of the process. */
struct inquiry {
	struct subject subject;
	struct ledger ledger; /* of the last look that succeeded */
	struct ledger spare;  /* for the next look */
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
	  "watch for that time and say what grows: each collection, and the pages now and then (one probe)", 0 },
	{ "refault", KEY_REFAULT, NULL, 0,
	  "with --watch, also how much of what is given back is soon in use again (sees the madvise calls)", 0 },
	{ "json", KEY_JSON, NULL, 0, "as one JSON object", 0 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p': cli_one_pid(state, text, &options->pid); break;
	case KEY_JSON: options->json = true; break;
	case KEY_REFAULT: options->refault = true; break;
	case KEY_WATCH: options->watch = cli_seconds(state, text); break;
	case ARGP_KEY_ARG: argp_error(state, "'%s'? The process is given as -p PID", text); break;
	case ARGP_KEY_END:
		if (!options->pid)
			argp_error(state, "which process? -p PID");
		if (options->refault && options->watch <= 0)
			argp_error(state, "--refault takes time: give --watch SECONDS as well");
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
	"run. Ctrl-C ends watching, and so does the end of the process, with a verdict on what was seen.",
	NULL,
	NULL,
	NULL
};

static double since(const struct inquiry *inquiry, uint64_t ktime_ns)
{
	return ktime_ns > inquiry->begun_ns ? (double)(ktime_ns - inquiry->begun_ns) / 1e9 : 0;
}

static const struct value *field(const struct record *record, const char *name)
{
	return &record->values[record_field_index(record->type, name)];
}

/* On all processors: the parts of the line's "ms cpu", without what idle ones had nothing better to do. */
static void add_time(struct trends *trends, const struct record *record)
{
	static const char *const parts[] = { "cpu_sweep_term_ns", "cpu_assist_ns", "cpu_background_ns",
					     "cpu_mark_term_ns" };
	const struct value *processors = field(record, "processors");

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!field(record, parts[i])->known)
			trends->gc_cpu_ns = VALUE_UNKNOWN;
		else if (trends->gc_cpu_ns != VALUE_UNKNOWN)
			trends->gc_cpu_ns += field(record, parts[i])->u;
	}
	if (processors->known)
		trends->processors = processors->u;
}

/* A cycle: what is alive after it. */
static void take_cycle(struct inquiry *inquiry, const struct record *record)
{
	const struct value *marked = field(record, "heap_marked_bytes"), *time = field(record, "ktime_ns");

	inquiry->trends.cycles++;
	add_time(&inquiry->trends, record);
	if (marked->known && time->known)
		trend_add(&inquiry->trends.live, since(inquiry, time->u), (double)marked->u);
}

/* All of its numbers are always known (madvise_describe_refault). */
static void take_refault(struct trends *trends, const struct record *record)
{
	trends->refault_watched = true;
	trends->refault = (struct refault_totals){
		.released = field(record, "released_bytes")->u,
		.unwatched = field(record, "unwatched_bytes")->u,
		.judged = { field(record, "judged_1s_bytes")->u, field(record, "judged_10s_bytes")->u },
		.returned = { field(record, "returned_1s_bytes")->u, field(record, "returned_10s_bytes")->u },
	};
}

static int on_record(const struct record *record, void *context)
{
	struct inquiry *inquiry = context;

	if (record->type == &record_gc_cycle)
		take_cycle(inquiry, record);
	else if (record->type == &record_refault)
		take_refault(&inquiry->trends, record);
	return 0;
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void on_note(const char *text, void *context)
{
	(void)context;
	end_progress();
	cli_note(text, NULL);
}

static void sample(struct inquiry *inquiry)
{
	const struct ledger *ledger = &inquiry->ledger;
	double at = since(inquiry, clock_ns(CLOCK_MONOTONIC));

	inquiry->trends.samples++;
	inquiry->trends.limit_known += verdict_limit_known(ledger);
	inquiry->trends.near_limit += verdict_near_limit(ledger);
	trend_add(&inquiry->trends.rss, at, (double)ledger->rss);
	/* A look that did not find the heap may have taken it for somebody else's memory. */
	if (!ledger->by_pages)
		return;
	trend_add(&inquiry->trends.c, at, (double)(ledger->bytes[LEDGER_C_HEAP] + ledger->bytes[LEDGER_OTHER]));
	trend_add(&inquiry->trends.stacks, at, (double)ledger->bytes[LEDGER_STACKS]);
	trend_add(&inquiry->trends.released, at, (double)ledger->heap.counters.released);
}

/* For somebody who waits at a terminal; the line goes when there is a result. */
static void show_progress(const struct inquiry *inquiry, double seconds)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rgctap: watched %.0f of %.0f s, %" PRIu64 " collections; Ctrl-C ends ",
			since(inquiry, clock_ns(CLOCK_MONOTONIC)), seconds, inquiry->trends.cycles);
}

/* What is known of the process stays when it has ended before this look; -ESRCH: it is all that there will be. */
static int look(struct inquiry *inquiry, const struct ledger_source *source, struct failure *failure)
{
	struct ledger before = inquiry->ledger;
	int error;

	inquiry->ledger = inquiry->spare;
	error = ledger_take(source, &inquiry->ledger, failure);
	inquiry->spare = before;
	if (!error) {
		sample(inquiry);
		return 0;
	}
	inquiry->spare = inquiry->ledger;
	inquiry->ledger = before;
	return error;
}

/* The last look may have been at the other program by then. */
static void forget_last(struct inquiry *inquiry)
{
	struct ledger last = inquiry->ledger;

	if (inquiry->trends.samples < 2)
		return;
	inquiry->ledger = inquiry->spare;
	inquiry->spare = last;
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
	while (!error && clock_ns(CLOCK_MONOTONIC) < end && session_live(session) && !cli_signal_taken(signals, NULL)) {
		if (clock_ns(CLOCK_MONOTONIC) >= next) {
			error = look(inquiry, source, failure);
			if (error == -ESRCH && inquiry->trends.samples) {
				inquiry->trends.ended = true;
				error = 0;
				failure->text[0] = '\0';
				break;
			}
			show_progress(inquiry, options->watch);
			next = clock_ns(CLOCK_MONOTONIC) + step;
		}
		if (!error)
			error = session_poll(session, cli_wait_ms(next < end ? next : end));
		if (error && !failure->text[0])
			failure_set(failure, error, "cannot go on watching: %s", strerror(-error));
	}
	end_progress();
	inquiry->trends.seconds = since(inquiry, clock_ns(CLOCK_MONOTONIC));
	if (!error && !session_live(session)) {
		inquiry->trends.ended = true;
		if (target_alive(inquiry->subject.target))
			forget_last(inquiry);
	}
	if (!error && !inquiry->trends.samples)
		error = failure_set(failure, -ESRCH, "%s before process %d could be looked at",
				    inquiry->trends.ended ? "it ended" : "stopped", options->pid);
	return error;
}

static unsigned features_of(const struct options *options)
{
	if (options->watch <= 0)
		return FEATURES;
	return options->refault ? FEATURES_WATCH | FEATURES_REFAULT : FEATURES_WATCH;
}

static int watch(const struct options *options, struct inquiry *inquiry, const struct ledger_source *source,
		 struct failure *failure)
{
	struct session_options session_options = {
		.cycles = true,
		.single = true,
		.madvise = options->refault,
		.madvise_refault = options->refault,
		.on_record = on_record,
		.on_note = on_note,
		.context = inquiry,
	};
	struct session *session = NULL;
	struct target *target;
	int signals = -1, error = cli_signals(&signals, failure);

	if (!error)
		error = session_new(&session_options, &session, failure);
	if (!error)
		error = session_watch(session, signals, failure);
	if (!error)
		error = target_open(options->pid, &target, failure);
	if (!error)
		error = session_add_process(session, target, failure);
	if (!error)
		error = session_start(session);
	if (!error)
		error = privilege_settle(features_of(options), &options->pid, 1, failure);
	inquiry->begun_ns = clock_ns(CLOCK_MONOTONIC);
	if (!error)
		error = watch_loop(options, inquiry, source, session, signals, failure);
	if (!error) {
		error = session_finish(session);
		if (error && !failure->text[0])
			failure_set(failure, error, "cannot tell all: %s", strerror(-error));
	}
	session_free(session);
	if (signals >= 0)
		close(signals);
	inquiry->watched = !error;
	return error;
}

/* What is around the process. */
static void look_around(pid_t pid, struct inquiry *inquiry)
{
	inquiry->has_cgroup = !cgroup_memory_read(pid, &inquiry->cgroup);
	inquiry->has_environment = !target_environment_read(pid, &inquiry->environment);
	inquiry->has_status = !target_status_read(pid, &inquiry->status);
	thp_setting_read(&inquiry->thp);
}

/* That it has executed another program, the session has said. */
static void note_end(const struct inquiry *inquiry)
{
	char text[128];

	snprintf(text, sizeof(text), "process %d %s, after %.1f s: this is what was seen until then",
		 inquiry->subject.target->pid,
		 target_alive(inquiry->subject.target) ? "is another program" : "has ended", inquiry->trends.seconds);
	cli_note(text, NULL);
}

static int inquire(const struct options *options, struct inquiry *inquiry, struct failure *failure)
{
	struct ledger_source source;
	struct verdict_signals signals = { .ledger = &inquiry->ledger };
	int error = privilege_begin(features_of(options), &options->pid, 1, failure);

	if (!error)
		error = subject_open(options->pid, &inquiry->subject, failure);
	if (error)
		return error;
	source = subject_source(&inquiry->subject);
	look_around(options->pid, inquiry);
	error = options->watch > 0 ? watch(options, inquiry, &source, failure)
				   : ledger_take(&source, &inquiry->ledger, failure);
	if (error)
		return error;
	if (inquiry->trends.ended)
		note_end(inquiry);
	else
		look_around(options->pid, inquiry);
	error = privilege_settle(0, NULL, 0, failure);
	if (error)
		return error;
	signals.cgroup = inquiry->has_cgroup ? &inquiry->cgroup : NULL;
	signals.environment = inquiry->has_environment ? &inquiry->environment : NULL;
	signals.status = inquiry->has_status ? &inquiry->status : NULL;
	signals.thp = &inquiry->thp;
	inquiry->nr_verdicts = verdict_judge(&signals, inquiry->verdicts);
	if (inquiry->watched)
		inquiry->nr_verdicts = trend_judge(&inquiry->trends, inquiry->verdicts, inquiry->nr_verdicts);
	return 0;
}

static int print_json(const struct why_report *report, struct failure *failure)
{
	json_t *json;
	int error;

	cli_json_watch();
	json = why_report_json(report);
	error = cli_json_complete();
	if (!error && json_dumpf(json, stdout, JSON_COMPACT))
		error = cli_json_complete() ? -ENOMEM : -EIO;
	json_decref(json);
	if (error)
		return failure_set(failure, error, "cannot write the result: %s", strerror(-error));
	putchar('\n');
	return 0;
}

static int print(const struct options *options, const struct inquiry *inquiry, struct failure *failure)
{
	const struct why_report report = {
		.pid = inquiry->subject.target->pid,
		.wall_ns = clock_ns(CLOCK_REALTIME),
		.comm = inquiry->subject.target->comm,
		.path = inquiry->subject.binary->path,
		.version = inquiry->subject.binary->version,
		.ledger = &inquiry->ledger,
		.cgroup = inquiry->has_cgroup ? &inquiry->cgroup : NULL,
		.environment = inquiry->has_environment ? &inquiry->environment : NULL,
		.verdicts = inquiry->verdicts,
		.nr_verdicts = inquiry->nr_verdicts,
		.trends = inquiry->watched ? &inquiry->trends : NULL,
	};
	int error = options->json ? print_json(&report, failure) : 0;

	errno = 0;
	if (!options->json)
		why_report_text(stdout, &report);
	if (!error && (fflush(stdout) || ferror(stdout)))
		error = failure_set(failure, errno ? -errno : -EIO, "cannot write the result: %s",
				    strerror(errno ? errno : EIO));
	return error;
}

int command_why(int argc, char **argv)
{
	static struct inquiry inquiry;
	struct options options = { 0 };
	struct failure failure = { "" };
	int error;

	cli_parse(&argp, argc, argv, 0, &options);
	error = inquire(&options, &inquiry, &failure);
	if (!error)
		error = print(&options, &inquiry, &failure);
	ledger_clear(&inquiry.ledger);
	ledger_clear(&inquiry.spare);
	subject_close(&inquiry.subject);
	return error ? cli_trouble(&failure) : EXIT_YES;
}
