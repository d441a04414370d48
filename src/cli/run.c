// SPDX-License-Identifier: BSD-2-Clause
/* run: a session from the options to its end: targets, output, signals, the command that was started. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "gctap/clock.h"
#include "gctap/probe.h"
#include "privilege.h"

#define AWAIT_MS       80	    /* for a command that is not traced any more */
#define CHILD_GRACE_NS 10000000000u /* from SIGTERM to giving up on a command that does not end */

struct run {
	const struct run_options *options;
	struct session *session;
	struct output *output;
	pid_t child_pid;
	int signals;
	uint64_t end_ns;	/* of the time that was given; UINT64_MAX: no limit */
	uint64_t ending_ns;	/* since when the command has been asked to end; 0: not */
	struct failure failure; /* of writing */
	bool released;		/* the command runs */
	bool told;		/* what has failed */
	bool interrupted;	/* by the first Ctrl-C, while a command runs */
	bool done;
};

/* Says once why writing failed; that the reader has gone is no failure. */
static int told(struct run *run, int error)
{
	if (error && error != -EPIPE && !run->told)
		cli_note(run->failure.text, NULL);
	run->told = run->told || error;
	return error;
}

/* What went wrong in tracing itself, if nothing was said yet. */
static int told_of_session(struct run *run, const char *what, int error)
{
	char text[256];

	if (error && !run->told) {
		snprintf(text, sizeof(text), "%s: %s", what, strerror(-error));
		cli_note(text, NULL);
	}
	run->told = run->told || error;
	return error;
}

static int flush(struct run *run)
{
	return told(run, output_flush(run->output, &run->failure));
}

static int on_record(const struct record *record, void *context)
{
	struct run *run = context;
	return told(run, output_add(run->output, record, &run->failure));
}

static int emit_header(struct run *run, const char *command_line)
{
	struct record record;
	struct utsname system;
	char boot_id[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file) {
		if (fgets(boot_id, sizeof(boot_id), file))
			boot_id[strcspn(boot_id, "\n")] = '\0';
		fclose(file);
	}
	record_clear(&record, &record_header);
	record_set_unsigned(&record, "schema_version", RECORD_SCHEMA_VERSION);
	record_set_text(&record, "gctap_version", GCTAP_VERSION);
	record_set_text(&record, "clock", "CLOCK_MONOTONIC");
	record_set_signed(&record, "wall_offset_ns", session_wall_offset_ns(run->session));
	record_set_text(&record, "boot_id", boot_id[0] ? boot_id : NULL);
	record_set_text(&record, "kernel", uname(&system) ? NULL : system.release);
	record_set_text(&record, "options", command_line);
	record_set_text(&record, "madvise_attach", session_madvise_way(run->session));
	return on_record(&record, run);
}

static unsigned features_of(const struct run_options *options)
{
	const struct session_options *session = &options->session;

	return (options->command ? PRIVILEGE_FILE | PRIVILEGE_COMMAND | PRIVILEGE_FOLLOW : 0) |
	       (options->nr_pids ? PRIVILEGE_PROCESS | PRIVILEGE_FOLLOW : 0) |
	       (options->nr_files ? PRIVILEGE_FILE | PRIVILEGE_NEWCOMERS : 0) |
	       (session->cycles ? PRIVILEGE_UPROBES : 0) | (session->madvise ? PRIVILEGE_TRACEPOINTS : 0) |
	       (session->madvise_refault ? PRIVILEGE_REFAULT : 0) | (options->output.path ? PRIVILEGE_OUTPUT : 0);
}

/* All is open and attached, and the command runs. */
static int settle(const struct run *run, struct failure *failure)
{
	const struct run_options *options = run->options;

	if (run->child_pid)
		return privilege_settle(features_of(options), &run->child_pid, 1, failure);
	return privilege_settle(features_of(options), options->pids, options->nr_pids, failure);
}

static int add_command(struct run *run, struct failure *failure)
{
	struct target_spawn_options spawn = { .argv = run->options->command, .stderr_fd = -1, .stdout_fd = -1 };
	struct target *target;
	int error = target_spawn(&spawn, &target, failure);

	if (error)
		return error;
	run->child_pid = target->pid;
	/* It has been forked, and keeps what is given up here. */
	error = privilege_begin(features_of(run->options), &run->child_pid, 1, failure);
	if (error) {
		target_close(target);
		return error;
	}
	return session_add_process(run->session, target, failure);
}

static int add_targets(struct run *run, struct failure *failure)
{
	const struct run_options *options = run->options;
	int error = options->command ? add_command(run, failure)
				     : privilege_begin(features_of(options), options->pids, options->nr_pids, failure);

	for (unsigned i = 0; i < options->nr_pids && !error; i++) {
		struct target *target;

		error = target_open(options->pids[i], &target, failure);
		if (!error)
			error = session_add_process(run->session, target, failure);
	}
	for (unsigned i = 0; i < options->nr_files && !error; i++)
		error = session_add_file(run->session, options->files[i], failure);
	return error;
}

static void note_way(const char *way)
{
	char text[64];

	snprintf(text, sizeof(text), "madvise calls are seen by %s", way);
	cli_note(text, NULL);
}

static int start(struct run *run, const char *command_line, struct failure *failure)
{
	struct session_options session = run->options->session;
	struct output_options output = run->options->output;
	int error;

	output.wake_fd = run->signals;

	session.origins = run->options->nr_files || run->options->nr_pids > 1;
	session.single = !run->options->nr_files && run->options->nr_pids <= 1;
	session.cycles_max = (uint64_t)run->options->count;
	session.on_record = on_record;
	session.on_note = cli_note;
	session.context = run;
	error = session_new(&session, &run->session, failure);
	if (!error)
		error = session_watch(run->session, run->signals, failure);
	if (!error && run->options->verbose && session_madvise_way(run->session))
		note_way(session_madvise_way(run->session));
	if (!error)
		error = add_targets(run, failure);
	if (!error)
		error = output_open(&output, &run->output, failure);
	if (!error)
		error = emit_header(run, command_line);
	if (!error)
		error = session_start(run->session);
	if (!error)
		error = session_release(run->session, failure);
	run->released = !error;
	if (!error)
		error = settle(run, failure);
	return error;
}

/* Only while it has not been reaped: the number could be somebody else's then. */
static void terminate_child(const struct run *run)
{
	int status;

	if (run->child_pid && session_exit_status(run->session, &status))
		kill(run->child_pid, SIGTERM);
}

/* Ends the run; a command of ours is asked to end first, and traced to its end. */
static void end(struct run *run)
{
	if (!run->child_pid || run->ending_ns) {
		run->done = true;
		return;
	}
	run->ending_ns = clock_ns(CLOCK_MONOTONIC);
	terminate_child(run);
}

static void take_signal(struct run *run)
{
	bool by_terminal;

	if (!cli_signal_taken(run->signals, &by_terminal))
		return;
	if (run->interrupted) {
		run->done = true;
	} else if (by_terminal && run->child_pid) {
		/* The command has got this Ctrl-C as well and decides when it ends. The next one is for us alone. */
		run->interrupted = true;
	} else {
		end(run);
	}
}

static bool time_is_up(const struct run *run)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (run->ending_ns)
		return false;
	return now >= run->end_ns ||
	       (run->options->count && session_cycles(run->session) >= (uint64_t)run->options->count) ||
	       (run->options->session.madvise_intervals_max &&
		session_madvise_intervals(run->session) >= run->options->session.madvise_intervals_max);
}

static void check_grace(struct run *run)
{
	if (run->ending_ns && clock_ns(CLOCK_MONOTONIC) - run->ending_ns > CHILD_GRACE_NS) {
		cli_note("the command does not end: left running", NULL);
		run->done = true;
	}
}

/* A command that executes another program is traced no longer, but it has not ended. */
static bool all_ended(const struct run *run)
{
	int status;

	if (run->child_pid)
		return !session_exit_status(run->session, &status);
	return run->options->nr_pids && !run->options->nr_files && !session_live(run->session);
}

static void check_end(struct run *run)
{
	if (time_is_up(run))
		end(run);
	if (all_ended(run))
		run->done = true;
	check_grace(run);
}

/* What has come is written before anything is detached: the kernel takes a tenth of a second for that. */
static int loop(struct run *run)
{
	int error = flush(run);

	if (run->options->duration > 0)
		run->end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(run->options->duration * 1e9);
	while (!run->done && !error) {
		error = session_poll(run->session, cli_wait_ms(run->ending_ns ? UINT64_MAX : run->end_ns));
		if (!error)
			error = flush(run);
		take_signal(run);
		check_end(run);
	}
	return error;
}

static int close_output(struct run *run)
{
	int error = output_close(run->output, &run->failure);

	run->output = NULL;
	return told(run, error);
}

/*
 * What was to be written cannot be, a full disk say: no reason to end somebody's server. Its status then says nothing
 * of the trace, which is what has failed.
 */
static void await_command(struct run *run)
{
	int status;

	if (!run->child_pid || !session_exit_status(run->session, &status))
		return;
	cli_note("not traced any more; waiting for the command to end", NULL);
	run->done = false;
	while (!run->done && !waitpid(run->child_pid, &status, WNOHANG)) {
		struct pollfd pollfd = { .fd = run->signals, .events = POLLIN };

		poll(&pollfd, 1, AWAIT_MS);
		take_signal(run);
		check_grace(run);
	}
}

static int first_of(int error, int next)
{
	return error ? error : next;
}

/* The reader of our output has gone: not our failure, but the end. */
static int finish(struct run *run, int error)
{
	int status;

	error = first_of(error, told_of_session(run, "cannot tell all", session_finish(run->session)));
	error = first_of(error, flush(run));
	error = first_of(error, close_output(run));
	if (error == -EPIPE)
		terminate_child(run);
	else if (error)
		await_command(run);
	if (error && error != -EPIPE)
		return EXIT_TROUBLE;
	if (session_exit_status(run->session, &status))
		return EXIT_YES;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What could not be started, with the command if that runs by now: said already when it was the writing. */
static int give_up(struct run *run, int error, const struct failure *failure)
{
	if (run->released)
		terminate_child(run);
	output_close(run->output, NULL);
	if (error == -EPIPE)
		return EXIT_YES;
	return run->told ? EXIT_TROUBLE : cli_trouble(failure);
}

void run_add_pid(struct argp_state *state, struct run_options *options, const char *text)
{
	pid_t pid = (pid_t)cli_number(state, text, 1, 1 << 22, "-p");

	for (unsigned i = 0; i < options->nr_pids; i++)
		if (options->pids[i] == pid)
			return;
	if (options->nr_pids == RUN_NAMED_MAX) {
		argp_error(state, "more than %d processes", RUN_NAMED_MAX);
		return;
	}
	options->pids[options->nr_pids++] = pid;
}

void run_add_file(struct argp_state *state, struct run_options *options, const char *path)
{
	if (options->nr_files == RUN_NAMED_MAX) {
		argp_error(state, "more than %d files", RUN_NAMED_MAX);
		return;
	}
	options->files[options->nr_files++] = path;
}

void run_take_command(struct argp_state *state, struct run_options *options)
{
	options->command = &state->argv[state->next - 1];
	state->next = state->argc;
}

int run_session(const struct run_options *options, int argc, char **argv)
{
	struct failure failure = { "" };
	struct run run = { .options = options, .signals = -1, .end_ns = UINT64_MAX };
	char *command_line = cli_join(argc, argv);
	int error, status;

	probe_set_verbose(options->verbose);
	error = cli_signals(&run.signals, &failure);
	if (!error)
		error = start(&run, command_line, &failure);
	if (error) {
		status = give_up(&run, error, &failure);
	} else {
		error = told_of_session(&run, "cannot go on tracing", loop(&run));
		status = finish(&run, error);
	}
	session_free(run.session);
	if (run.signals >= 0)
		close(run.signals);
	free(command_line);
	return status;
}
