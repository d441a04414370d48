// SPDX-License-Identifier: BSD-2-Clause
#include "run.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gctap/madvise_probe.h"

#define INTERVAL_MIN 0.001

enum { KEY_FORMAT = 256, KEY_JSON, KEY_EVENTS, KEY_REFAULT, KEY_BUFFER, KEY_ATTACH };

struct options {
	struct run_options run;
	double interval; /* seconds; 0: only in all */
};

static const struct argp_option argp_options[] = {
	{ "pid", 'p', "PID", 0, "this process (may be given several times)", 0 },
	{ "events", KEY_EVENTS, NULL, 0, "each call, one line", 1 },
	{ "refault", KEY_REFAULT, NULL, 0, "how much of what was given back came back within 1, 10 and 60 s", 1 },
	{ "format", KEY_FORMAT, "FORMAT", 0,
	  "table (default), json (lines), csv (the sums), csv:RECORD (csv:madvise_call, csv:madvise_summary, "
	  "csv:refault)",
	  1 },
	{ "json", KEY_JSON, NULL, 0, "the same as --format json", 1 },
	{ "timestamp", 'T', NULL, 0, "wall-clock time in front of each table and line", 1 },
	{ "output", 'o', "FILE", 0, "write to FILE in place of stdout", 1 },
	{ "duration", 'd', "SECONDS", 0, "end after that time", 2 },
	{ "buffer", KEY_BUFFER, "KIB", 0, "size of the ring buffer for single calls (default 1024)", 3 },
	{ "attach", KEY_ATTACH, "WAY", 0,
	  "see the calls by fentry, tracepoint or tp_btf and no other way; else the first of them that works", 3 },
	{ "verbose", 'v', NULL, 0, "how the calls are seen, and libbpf's messages", 3 },
	{ 0 },
};

static void set_format(struct argp_state *state, struct options *options, const char *text)
{
	struct output_options *output = &options->run.output;

	if (!strcmp(text, "table")) {
		output->format = OUTPUT_GCTRACE;
		return;
	}
	if (strcmp(text, "json") && strcmp(text, "csv") && strncmp(text, "csv:", 4))
		argp_error(state, "no format '%s': table, json, csv or csv:RECORD", text);
	cli_format(state, text, output);
	if (output->format == OUTPUT_CSV && !output->csv_type)
		output->csv_type = &record_madvise;
}

static void take_interval(struct argp_state *state, struct options *options, const char *text)
{
	options->interval = cli_seconds(state, text);
	if (options->interval < INTERVAL_MIN)
		argp_error(state, "INTERVAL: %g seconds or more, not '%s'", INTERVAL_MIN, text);
}

/* Numbers in front of a command, as vmstat has them: INTERVAL [COUNT]. Where -p was given, nothing else can follow. */
static bool take_number(struct argp_state *state, struct options *options, const char *text)
{
	bool nothing_else = options->run.nr_pids && !state->quoted;
	char *end;
	double value = strtod(text, &end);

	if (!nothing_else && (end == text || *end || !(value > 0) || state->quoted))
		return false;
	if (options->interval == 0)
		take_interval(state, options, text);
	else if (options->run.session.madvise_intervals_max == 0)
		options->run.session.madvise_intervals_max = (uint64_t)cli_number(state, text, 1, 1L << 40, "COUNT");
	else if (nothing_else)
		argp_error(state, "'%s'? INTERVAL and COUNT are all", text);
	else
		return false;
	return true;
}

static unsigned way_named(struct argp_state *state, const char *name)
{
	for (unsigned way = 0; way < MADVISE_WAYS; way++)
		if (!strcmp(name, madvise_way_name(way)))
			return 1u << way;
	argp_error(state, "no way '%s': fentry, tracepoint or tp_btf", name);
	return 0;
}

static bool shows(const struct record_type *type)
{
	return !type || (type != &record_gc_cycle && type != &record_scavenge && type != &record_gap);
}

static void check_options(struct argp_state *state, struct options *options)
{
	struct run_options *run = &options->run;

	if (!shows(run->output.csv_type))
		argp_error(state, "csv:%s is of gctap trace", run->output.csv_type->name);

	if (!run->command && !run->nr_pids)
		argp_error(state, "which process? -p PID, or -- COMMAND");
	if (run->command && run->nr_pids)
		argp_error(state, "either a command, or running processes");
	/* A format that shows nothing else asks for it. */
	run->session.madvise_events |= run->output.csv_type == &record_madvise_call;
	run->session.madvise_refault |= run->output.csv_type == &record_refault;
	run->session.madvise_interval_ns = (uint64_t)(options->interval * 1e9);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;
	struct run_options *run = &options->run;

	switch (key) {
	case 'p': run_add_pid(state, run, text); break;
	case KEY_EVENTS: run->session.madvise_events = true; break;
	case KEY_REFAULT: run->session.madvise_refault = true; break;
	case KEY_FORMAT: set_format(state, options, text); break;
	case KEY_JSON: run->output.format = OUTPUT_JSON; break;
	case 'T': run->output.timestamps = true; break;
	case 'o': run->output.path = text; break;
	case 'd': run->duration = cli_seconds(state, text); break;
	case KEY_BUFFER: run->session.ring_bytes = (size_t)cli_number(state, text, 4, 1 << 20, "--buffer") << 10; break;
	case KEY_ATTACH: run->session.madvise_ways = way_named(state, text); break;
	case 'v': run->verbose = true; break;
	case ARGP_KEY_ARG:
		if (!take_number(state, options, text))
			run_take_command(state, run);
		break;
	case ARGP_KEY_END: check_options(state, options); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"-p PID [INTERVAL [COUNT]]\n[INTERVAL [COUNT]] -- COMMAND [ARG...]",
	"What a process asks of the kernel with madvise, and what the kernel does: calls and bytes by advice and by "
	"cause, pages really freed, errors, time. Causes are told apart for Go programs: background scavenger, "
	"debug.FreeOSMemory, memory limit, heap growth, other parts of the runtime, the program itself, C code.\v"
	"With INTERVAL, a table every so many seconds; a table in all at the end. Of what is asked, MADV_DONTNEED and "
	"MADV_FREE give memory back; after MADV_FREE it stays resident (LazyFree) until the kernel needs it. "
	"Needs root, or what 'gctap privileges' says. While it runs, system calls of the whole machine "
	"take a little longer where the kernel offers tracepoints only (-v says what it offers). "
	"With a command, the exit status is the command's. Ctrl-C ends.",
	NULL,
	NULL,
	NULL
};

int command_madvise(int argc, char **argv)
{
	struct options options = { .run.session.madvise = true };

	cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &options);
	return run_session(&options.run, argc, argv);
}
