// SPDX-License-Identifier: BSD-2-Clause
#include "run.h"

#include <string.h>

#include "cli.h"

#define MADVISE_INTERVAL_NS 10000000000u

enum { KEY_FORMAT = 256, KEY_JSON, KEY_SCAV, KEY_MADVISE, KEY_TRIGGER, KEY_BUFFER };

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
	{ "madvise", KEY_MADVISE, NULL, 0, "also sums of the madvise calls, every 10 s and in all (see gctap madvise)",
	  1 },
	{ "trigger", KEY_TRIGGER, NULL, 0, "also say why each cycle began, and from which line (two more probes)", 1 },
	{ "duration", 'd', "SECONDS", 0, "end after that time", 2 },
	{ "count", 'n', "COUNT", 0, "end after that many cycles", 2 },
	{ "buffer", KEY_BUFFER, "KIB", 0, "size of the ring buffer (default 1024)", 3 },
	{ "verbose", 'v', NULL, 0, "libbpf's messages", 3 },
	{ 0 },
};

static void add_madvise(struct run_options *options)
{
	options->session.madvise = true;
	options->session.madvise_interval_ns = MADVISE_INTERVAL_NS;
}

static void check_options(struct argp_state *state, struct run_options *options)
{
	bool others = options->nr_pids || options->nr_files;
	const struct record_type *type = options->output.csv_type;

	if (!options->command && !others)
		argp_error(state, "what is to be traced? -p PID, -x FILE, or -- COMMAND");
	/* These two have nothing to show without. */
	if (options->output.format == OUTPUT_SCVG || type == &record_scavenge)
		options->session.scavenge = true;
	if (type == &record_madvise || type == &record_madvise_summary)
		add_madvise(options);
	if (type == &record_madvise_call || type == &record_refault)
		argp_error(state, "csv:%s is of gctap madvise", type->name);
	if (options->session.madvise && options->nr_files)
		argp_error(state, "--madvise accounts for processes: give -p PID or a command, not -x");
	if (options->command && others)
		argp_error(state, "either a command, or running processes");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct run_options *options = state->input;

	switch (key) {
	case 'p': run_add_pid(state, options, text); break;
	case 'x': run_add_file(state, options, text); break;
	case KEY_FORMAT: cli_format(state, text, &options->output); break;
	case KEY_SCAV: options->session.scavenge = true; break;
	case KEY_JSON: options->output.format = OUTPUT_JSON; break;
	case 'T': options->output.timestamps = true; break;
	case 'o': options->output.path = text; break;
	case KEY_MADVISE: add_madvise(options); break;
	case KEY_TRIGGER: options->session.trigger = true; break;
	case 'd': options->duration = cli_seconds(state, text); break;
	case 'n': options->count = cli_number(state, text, 1, 1L << 40, "-n"); break;
	case KEY_BUFFER:
		options->session.ring_bytes = (size_t)cli_number(state, text, 4, 1 << 20, "--buffer") << 10;
		break;
	case 'v': options->verbose = true; break;
	case ARGP_KEY_ARG:
		/* The first word that is no option begins the command. */
		run_take_command(state, options);
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
	"Lines go to stdout, all else to stderr. Needs root, or what 'gctap privileges' says. "
	"A number that could not be read is '?'. What a command prints goes to the same stdout: -o FILE keeps them "
	"apart. With a command, the exit status is the command's; a command is "
	"ended with SIGTERM when -d or -n is over. Ctrl-C ends.",
	NULL,
	NULL,
	NULL
};

int command_trace(int argc, char **argv)
{
	struct run_options options = { .session.cycles = true };

	cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &options);
	return run_session(&options, argc, argv);
}
