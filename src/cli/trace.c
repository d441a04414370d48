// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "gctap/output.h"
#include "gctap/probe.h"
#include "gctap/session.h"

#define POLL_MS	       50	    /* the kernel side wakes us only under load: look this often */
#define FIRST_POLL_MS  5	    /* until the first line is out, which somebody waits for */
#define CHILD_GRACE_NS 10000000000u /* from SIGTERM to giving up on a command that does not end */
#define NAMED_MAX      1024

enum { KEY_FORMAT = 256, KEY_JSON, KEY_SCAV, KEY_TRIGGER, KEY_BUFFER };

struct options {
	pid_t pids[NAMED_MAX];
	unsigned nr_pids;
	const char *files[NAMED_MAX];
	unsigned nr_files;
	char **command;
	struct output_options output;
	double duration;
	long count;
	bool scavenge, trigger, verbose;
	size_t ring_bytes;
};

struct run {
	const struct options *options;
	struct session *session;
	struct output *output;
	pid_t child_pid;
	int signals;
	uint64_t start_ns, ending_ns; /* ending: since when the command has been asked to end; 0: not */
	struct failure failure;	      /* of writing */
	bool told;		      /* that writing has failed */
	bool interrupted;	      /* by the first Ctrl-C, while a command runs */
	bool done;
};

static const struct argp_option argp_options[] = {
	{ "pid", 'p', "PID", 0, "attach to this process (may be given several times)", 0 },
	{ "exe", 'x', "FILE", 0, "every process of this binary, now and later (may be given several times)", 0 },
	{ "format", KEY_FORMAT, "FORMAT", 0,
	  "gctrace (the runtime's lines; default), scvg (with --scav, scavenges as Go 1.13 showed them), json (lines), "
	  "csv (gc cycles), csv:RECORD (csv:scavenge)",
	  1 },
	{ "json", KEY_JSON, NULL, 0, "the same as --format json", 1 },
	{ "timestamp", 'T', NULL, 0, "wall-clock time in front of each gctrace line", 1 },
	{ "output", 'o', "FILE", 0, "write to FILE in place of stdout", 1 },
	{ "scav", KEY_SCAV, NULL, 0, "also the scavtrace lines: what the runtime gives back (two more probes)", 1 },
	{ "trigger", KEY_TRIGGER, NULL, 0, "also say why each cycle began, and from which line (one more probe)", 1 },
	{ "duration", 'd', "SECONDS", 0, "end after that time", 2 },
	{ "count", 'n', "COUNT", 0, "end after that many cycles", 2 },
	{ "buffer", KEY_BUFFER, "KIB", 0, "size of the ring buffer (default 1024)", 3 },
	{ "verbose", 'v', NULL, 0, "libbpf's messages, and what the probe costs", 3 },
	{ 0 },
};

static void add_pid(struct argp_state *state, struct options *options, const char *text)
{
	if (options->nr_pids == NAMED_MAX)
		argp_error(state, "more than %d processes", NAMED_MAX);
	options->pids[options->nr_pids++] = (pid_t)cli_number(state, text, 1, 1 << 22, "-p");
}

static void add_file(struct argp_state *state, struct options *options, const char *path)
{
	if (options->nr_files == NAMED_MAX)
		argp_error(state, "more than %d files", NAMED_MAX);
	options->files[options->nr_files++] = path;
}

static void check_options(struct argp_state *state, struct options *options)
{
	bool others = options->nr_pids || options->nr_files;

	if (!options->command && !others)
		argp_error(state, "what is to be traced? -p PID, -x FILE, or -- COMMAND");
	/* These two have nothing to show without. */
	if (options->output.format == OUTPUT_SCVG || options->output.csv_type == &record_scavenge)
		options->scavenge = true;
	if (options->command && others)
		argp_error(state, "either a command, or running processes");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p': add_pid(state, options, text); break;
	case 'x': add_file(state, options, text); break;
	case KEY_FORMAT: cli_format(state, text, &options->output); break;
	case KEY_SCAV: options->scavenge = true; break;
	case KEY_JSON: options->output.format = OUTPUT_JSON; break;
	case 'T': options->output.timestamps = true; break;
	case 'o': options->output.path = text; break;
	case KEY_TRIGGER: options->trigger = true; break;
	case 'd': options->duration = cli_seconds(state, text); break;
	case 'n': options->count = cli_number(state, text, 1, 1L << 40, "-n"); break;
	case KEY_BUFFER: options->ring_bytes = (size_t)cli_number(state, text, 4, 1 << 20, "--buffer") << 10; break;
	case 'v': options->verbose = true; break;
	case ARGP_KEY_ARG:
		/* The first word that is no option begins the command. */
		options->command = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	case ARGP_KEY_END: check_options(state, options); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"-p PID\n-x FILE\n-- COMMAND [ARG...]",
	"The gctrace lines of Go programs, as the runtime would print them with GODEBUG=gctrace=1, without setting "
	"that and without a restart.\v"
	"Lines go to stdout, all else to stderr. Needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE "
	"(and CAP_SYS_ADMIN on Linux 6.17 and later). "
	"A number that could not be read is '?'. With a command, the exit status is the command's; a command is "
	"ended with SIGTERM when -d or -n is over. Ctrl-C ends.",
	NULL,
	NULL,
	NULL
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Says once why writing failed; that the reader has gone is no failure. */
static int told(struct run *run, int error)
{
	if (error && error != -EPIPE && !run->told)
		cli_note(run->failure.text, NULL);
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
	record_set_signed(&record, "wall_offset_ns", (int64_t)(now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC)));
	record_set_text(&record, "boot_id", boot_id[0] ? boot_id : NULL);
	record_set_text(&record, "kernel", uname(&system) ? NULL : system.release);
	record_set_text(&record, "options", command_line);
	return on_record(&record, run);
}

static int add_command(struct run *run, struct failure *failure)
{
	struct target_spawn_options spawn = { .argv = run->options->command, .stderr_fd = -1, .stdout_fd = -1 };
	struct target *target;
	int error = target_spawn(&spawn, &target, failure);

	if (error)
		return error;
	run->child_pid = target->pid;
	return session_add_process(run->session, target, failure);
}

static int add_targets(struct run *run, struct failure *failure)
{
	const struct options *options = run->options;
	int error = options->command ? add_command(run, failure) : 0;

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

static int start(struct run *run, const char *command_line, struct failure *failure)
{
	struct session_options session = {
		.scavenge = run->options->scavenge,
		.trigger = run->options->trigger,
		.origins = run->options->nr_files || run->options->nr_pids > 1,
		.single = !run->options->nr_files && run->options->nr_pids <= 1,
		.cycles_max = (uint64_t)run->options->count,
		.ring_bytes = run->options->ring_bytes,
		.on_record = on_record,
		.on_note = cli_note,
		.context = run,
	};
	int error = session_new(&session, &run->session, failure);

	if (!error)
		error = add_targets(run, failure);
	if (!error)
		error = output_open(&run->options->output, &run->output, failure);
	if (!error)
		error = emit_header(run, command_line);
	if (!error)
		error = session_start(run->session, failure);
	if (!error)
		error = session_release(run->session, failure);
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
	run->ending_ns = now_ns(CLOCK_MONOTONIC);
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
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (run->ending_ns)
		return false;
	return (run->options->duration > 0 && (double)(now - run->start_ns) >= run->options->duration * 1e9) ||
	       (run->options->count && session_cycles(run->session) >= (uint64_t)run->options->count);
}

static void check_end(struct run *run)
{
	bool named = run->options->nr_pids || run->child_pid;

	if (time_is_up(run))
		end(run);
	if (named && !run->options->nr_files && !session_live(run->session))
		run->done = true;
	if (run->ending_ns && now_ns(CLOCK_MONOTONIC) - run->ending_ns > CHILD_GRACE_NS) {
		cli_note("the command does not end: left running", NULL);
		run->done = true;
	}
}

static int first_poll_ms(const struct run *run)
{
	return now_ns(CLOCK_MONOTONIC) - run->start_ns < 1000000000u ? FIRST_POLL_MS : POLL_MS;
}

static int loop(struct run *run)
{
	int error = 0;

	run->start_ns = now_ns(CLOCK_MONOTONIC);
	while (!run->done && !error) {
		error = flush(run);
		if (error)
			break;
		error = session_poll(run->session, session_cycles(run->session) ? POLL_MS : first_poll_ms(run));
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

static int first_of(int error, int next)
{
	return error ? error : next;
}

/* The reader of our output has gone: not our failure, but the end. */
static int finish(struct run *run, int error)
{
	int status;

	error = first_of(error, session_finish(run->session));
	error = first_of(error, flush(run));
	error = first_of(error, close_output(run));
	if (error == -EPIPE)
		terminate_child(run);
	if (error && error != -EPIPE)
		return EXIT_TROUBLE;
	if (session_exit_status(run->session, &status))
		return EXIT_YES;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What could not be started: said already when it was the writing. */
static int give_up(struct run *run, int error, const struct failure *failure)
{
	output_close(run->output, NULL);
	if (error == -EPIPE)
		return EXIT_YES;
	return run->told ? EXIT_TROUBLE : cli_trouble(failure);
}

int command_trace(int argc, char **argv)
{
	static struct options options;
	struct failure failure = { "" };
	struct run run = { .options = &options };
	char *command_line = cli_join(argc, argv);
	int error, status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	probe_set_verbose(options.verbose);
	run.signals = cli_signals();
	error = start(&run, command_line, &failure);
	if (!error)
		error = flush(&run);
	if (error) {
		status = give_up(&run, error, &failure);
	} else {
		error = loop(&run);
		if (error && !run.told)
			cli_note(strerror(-error), NULL);
		status = finish(&run, error);
	}
	session_free(run.session);
	close(run.signals);
	free(command_line);
	return status;
}
