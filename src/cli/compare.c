// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "gctap/clock.h"
#include "gctap/comparison.h"
#include "gctap/probe.h"
#include "gctap/release_balance.h"
#include "gctap/scav_comparison.h"
#include "gctap/session.h"
#include "gctap/trace_line.h"
#include "privilege.h"

#define POLL_MS	       50
#define PIPE_BYTES     (1 << 20) /* so that the child seldom waits for us */
#define CHILD_GRACE_NS 10000000000u

enum { KEY_JSON = 256, KEY_SCAV, KEY_MADVISE };

struct options {
	char **command;
	bool json, scavenge, madvise, verbose;
	double duration;
	long count;
};

struct run {
	const struct options *options;
	struct session *session;
	struct comparison *comparison;
	struct trace_reader *reader;
	struct scav_comparison *scavenges; /* NULL: not asked for */
	struct scav_reader *scav_reader;   /* behind the other reader: takes what that one leaves */
	struct release_balance balance;
	pid_t child;
	int child_stderr, signals;
	bool released; /* the child runs */
	uint64_t start_ns, ending_ns;
	int error;
};

static const struct argp_option argp_options[] = {
	{ "scav", KEY_SCAV, NULL, 0, "the scavtrace lines as well (GODEBUG=scavtrace=1)", 0 },
	{ "madvise", KEY_MADVISE, NULL, 0,
	  "with the scavtrace lines, what they say was given back against what the kernel was asked to take", 0 },
	{ "json", KEY_JSON, NULL, 0, "the result as one JSON object", 0 },
	{ "duration", 'd', "SECONDS", 0, "end the command (SIGTERM) after that time", 0 },
	{ "count", 'n', "COUNT", 0, "end the command (SIGTERM) after that many cycles", 0 },
	{ "verbose", 'v', NULL, 0, "libbpf's messages", 0 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_JSON: options->json = true; break;
	case KEY_MADVISE: options->madvise = options->scavenge = true; break;
	case KEY_SCAV: options->scavenge = true; break;
	case 'd': options->duration = cli_seconds(state, text); break;
	case 'n': options->count = cli_number(state, text, 1, 1L << 40, "-n"); break;
	case 'v': options->verbose = true; break;
	case ARGP_KEY_ARG:
		options->command = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	case ARGP_KEY_END:
		if (!options->command)
			argp_error(state, "which command is to be run?");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"-- COMMAND [ARG...]",
	"Runs a Go program with GODEBUG=gctrace=1 and holds every field of every line that gctap sees against the "
	"line that the runtime itself prints.\v"
	"The result goes to stdout; what the command prints goes to stderr. Exit status: 0 when every cycle is "
	"equal, 1 when one differs or none was compared, 2 when it could not be run. A runtime can lose its last "
	"line when its program exits: that is reported and no difference.",
	NULL,
	NULL,
	NULL
};

static int on_record(const struct record *record, void *context)
{
	static int cycle = -1;
	struct run *run = context;

	if (run->options->madvise)
		release_balance_add(&run->balance, record);
	if (record->type == &record_scavenge)
		return scav_comparison_add_gctap(run->scavenges, record->text);
	if (record->type != &record_gc_cycle)
		return 0;
	if (cycle < 0)
		cycle = record_field_index(&record_gc_cycle, "cycle");
	if (!record->values[cycle].known)
		return 0;
	return comparison_add_gctap(run->comparison, (uint32_t)record->values[cycle].u, record->text);
}

static void on_reread(uint32_t cycle, const char *line, void *context)
{
	struct run *run = context;

	if (!run->error)
		run->error = comparison_add_reread(run->comparison, cycle, line);
}

static void on_line(void *context, const struct trace_line *line)
{
	struct run *run = context;

	if (!run->error)
		run->error = comparison_add_runtime(run->comparison, line);
}

static void on_scav_line(void *context, const struct scav_line *line)
{
	struct run *run = context;

	if (!run->error)
		run->error = scav_comparison_add_runtime(run->scavenges, line);
}

static void pass_text(void *context, const char *bytes, size_t size)
{
	(void)context;
	fwrite(bytes, 1, size, stderr);
}

/* What is left when the gctrace lines are out. */
static void on_text(void *context, const char *bytes, size_t size)
{
	struct run *run = context;

	if (run->scav_reader)
		scav_reader_feed(run->scav_reader, bytes, size);
	else
		pass_text(context, bytes, size);
}

/* GODEBUG as it is, and what we want behind it: the last one counts. */
static char *godebug(const struct options *options)
{
	const char *inherited = getenv("GODEBUG");
	char *text;

	if (asprintf(&text, "GODEBUG=%s%sgctrace=1%s", inherited ? inherited : "", inherited && *inherited ? "," : "",
		     options->scavenge ? ",scavtrace=1" : "") < 0)
		return NULL;
	return text;
}

static int spawn(struct run *run, struct target **target, struct failure *failure)
{
	char *setting = godebug(run->options);
	const char *environment[] = { setting, NULL };
	struct target_spawn_options options = { .argv = run->options->command,
						.environment = environment,
						.stdout_fd = STDERR_FILENO };
	int ends[2], error;

	if (!setting || pipe2(ends, O_CLOEXEC)) {
		free(setting);
		return failure_set(failure, -errno, "cannot make a pipe: %s", strerror(errno));
	}
	/* Only our end: a program may not like a stderr that does not block. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);
	options.stderr_fd = ends[1];
	error = target_spawn(&options, target, failure);
	free(setting);
	close(ends[1]);
	run->child_stderr = ends[0];
	return error;
}

static int start(struct run *run, struct failure *failure)
{
	struct session_options session = { .cycles = true,
					   .single = true,
					   .scavenge = run->options->scavenge,
					   .madvise = run->options->madvise,
					   .on_record = on_record,
					   .on_note = cli_note,
					   .on_reread = on_reread,
					   .context = run };
	struct trace_reader_handler handler = { .line = on_line, .text = on_text, .context = run };
	unsigned features = PRIVILEGE_FILE | PRIVILEGE_COMMAND | PRIVILEGE_FOLLOW | PRIVILEGE_UPROBES |
			    (run->options->madvise ? PRIVILEGE_TRACEPOINTS : 0);
	struct target *target = NULL;
	int error;

	run->comparison = comparison_new();
	run->reader = trace_reader_new(&handler);
	if (run->options->scavenge) {
		struct scav_reader_handler scav = { .line = on_scav_line, .text = pass_text, .context = run };

		run->scavenges = scav_comparison_new();
		run->scav_reader = scav_reader_new(&scav);
	}
	if (!run->comparison || !run->reader || (run->options->scavenge && (!run->scavenges || !run->scav_reader)))
		return failure_set(failure, -ENOMEM, "out of memory");
	error = session_new(&session, &run->session, failure);
	if (!error)
		error = spawn(run, &target, failure);
	if (error || !target)
		return error;
	run->child = target->pid;
	error = privilege_begin(features, &run->child, 1, failure);
	if (error) {
		target_close(target);
		return error;
	}
	error = session_add_process(run->session, target, failure);
	if (!error)
		error = session_start(run->session);
	if (!error)
		error = session_release(run->session, failure);
	run->released = !error;
	return error ? error : privilege_settle(features, &run->child, 1, failure);
}

static void read_stderr(struct run *run)
{
	char bytes[65536];
	ssize_t got;

	while ((got = read(run->child_stderr, bytes, sizeof(bytes))) > 0)
		trace_reader_feed(run->reader, bytes, (size_t)got);
}

static bool has_ended(const struct run *run)
{
	int status;

	return !session_exit_status(run->session, &status);
}

/* Only while it has not been reaped: the number could be somebody else's then. */
static void signal_child(const struct run *run, int number)
{
	if (run->released && !has_ended(run))
		kill(run->child, number);
}

static void end(struct run *run)
{
	if (run->ending_ns)
		return;
	run->ending_ns = clock_ns(CLOCK_MONOTONIC);
	signal_child(run, SIGTERM);
}

static void check_end(struct run *run)
{
	const struct options *options = run->options;

	if (cli_signal_taken(run->signals, NULL) ||
	    (options->duration > 0 && (double)(clock_ns(CLOCK_MONOTONIC) - run->start_ns) >= options->duration * 1e9) ||
	    (options->count && session_cycles(run->session) >= (uint64_t)options->count))
		end(run);
	if (run->ending_ns && clock_ns(CLOCK_MONOTONIC) - run->ending_ns > CHILD_GRACE_NS)
		signal_child(run, SIGKILL);
}

static int loop(struct run *run)
{
	int error = 0;

	run->start_ns = clock_ns(CLOCK_MONOTONIC);
	while (!error && !run->error && !has_ended(run)) {
		struct pollfd fds[] = { { .fd = session_fd(run->session), .events = POLLIN },
					{ .fd = run->child_stderr, .events = POLLIN },
					{ .fd = run->signals, .events = POLLIN } };

		/* A pipe whose writers have gone would wake us again and again. */
		poll(fds, 3, POLL_MS);
		if (fds[1].revents & POLLHUP && !(fds[1].revents & POLLIN))
			usleep(1000);
		error = session_poll(run->session, 0);
		read_stderr(run);
		check_end(run);
	}
	return error ? error : run->error;
}

/* Its last lines, and what the readers still hold. */
static int read_rest(struct run *run)
{
	read_stderr(run);
	trace_reader_end(run->reader);
	if (run->scav_reader)
		scav_reader_end(run->scav_reader);
	return run->error;
}

/* To the end of the command, or until it does not go on. */
static int trace(struct run *run)
{
	int error = loop(run), finished, rest;

	/* Nobody would read what it prints. */
	if (error)
		signal_child(run, SIGTERM);
	finished = session_finish(run->session);
	rest = read_rest(run);
	return error ? error : finished ? finished : rest;
}

/* What was compared; NULL: it was not. */
struct results {
	const struct comparison_result *cycles;
	const struct scav_comparison_result *scavenges;
	const struct release_balance *balance;
};

static int print_json(const struct run *run, const struct results *results)
{
	json_t *json;

	cli_json_watch();
	json = comparison_json(results->cycles, session_go_version(run->session), run->options->command[0]);
	if (results->scavenges)
		json_object_set_new(json, "scav", scav_comparison_json(results->scavenges));
	if (results->balance)
		json_object_set_new(json, "released", release_balance_json(results->balance));
	if (cli_json_complete())
		json_decref(json);
	else
		comparison_print_json(json, stdout);
	return cli_json_complete();
}

static void print_tables(const struct results *results)
{
	comparison_print(results->cycles, stdout);
	if (results->scavenges) {
		putchar('\n');
		scav_comparison_print(results->scavenges, stdout);
	}
	if (results->balance) {
		putchar('\n');
		release_balance_print(results->balance, stdout);
	}
}

static bool all_equal(const struct results *results)
{
	return results->cycles->verdict == COMPARISON_EQUAL &&
	       (!results->scavenges || results->scavenges->verdict == COMPARISON_EQUAL) &&
	       (!results->balance || release_balance_holds(results->balance));
}

static int report(struct run *run)
{
	struct results results = { 0 };
	int error = 0;

	results.cycles = comparison_finish(run->comparison);
	if (run->scavenges)
		results.scavenges = scav_comparison_finish(run->scavenges);
	if (run->options->madvise)
		results.balance = &run->balance;
	fflush(stderr);
	if (run->options->json)
		error = print_json(run, &results);
	else
		print_tables(&results);
	if (error || fflush(stdout) || ferror(stdout)) {
		cli_note("cannot write the result", NULL);
		return EXIT_TROUBLE;
	}
	return all_equal(&results) ? EXIT_YES : EXIT_NO;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

int command_compare(int argc, char **argv)
{
	struct options options = { 0 };
	struct failure failure = { "" };
	struct run run = { .options = &options, .child_stderr = -1, .signals = -1 };
	int error, status;

	cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &options);
	probe_set_verbose(options.verbose);
	error = cli_signals(&run.signals, &failure);
	if (!error)
		error = start(&run, &failure);
	if (error) {
		signal_child(&run, SIGTERM);
	} else {
		error = trace(&run);
		if (error)
			failure_set(&failure, error, "cannot go on comparing: %s", strerror(-error));
	}
	status = error ? cli_trouble(&failure) : report(&run);
	session_free(run.session);
	trace_reader_free(run.reader);
	comparison_free(run.comparison);
	scav_reader_free(run.scav_reader);
	scav_comparison_free(run.scavenges);
	close_if_open(run.child_stderr);
	close_if_open(run.signals);
	return status;
}
