// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "gctap/clock.h"

#define WAIT_MAX_MS 500 /* as long as nothing happens */

static bool json_starved;

void cli_note(const char *text, void *context)
{
	/* Names of processes and files are in it: none may command the terminal. */
	char *clean = record_text_escape(text, true);

	(void)context;
	fprintf(stderr, "gctap: %s\n", clean ? clean : "out of memory");
	free(clean);
}

int cli_trouble(const struct failure *failure)
{
	cli_note(failure->text[0] ? failure->text : "failed for an unknown reason", NULL);
	return EXIT_TROUBLE;
}

void cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
	error_t error = argp_parse(argp, argc, argv, flags, NULL, input);

	if (!error)
		return;
	cli_note(strerror(error), NULL);
	exit(EXIT_TROUBLE);
}

static void *json_memory(size_t size)
{
	void *memory = malloc(size);

	json_starved |= !memory;
	return memory;
}

void cli_json_watch(void)
{
	json_starved = false;
	json_set_alloc_funcs(json_memory, free);
}

int cli_json_complete(void)
{
	return json_starved ? -ENOMEM : 0;
}

char *cli_join(int argc, char **argv)
{
	size_t size = 1;
	char *joined;

	for (int i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	joined = malloc(size);
	if (!joined)
		return NULL;
	joined[0] = '\0';
	for (int i = 0; i < argc; i++) {
		if (i)
			strcat(joined, " ");
		strcat(joined, argv[i]);
	}
	return joined;
}

long cli_number(struct argp_state *state, const char *text, long least, long most, const char *name)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end != text && !*end && !errno && value >= least && value <= most)
		return value;
	argp_error(state, "%s: a whole number from %ld to %ld, not '%s'", name, least, most, text);
	return least;
}

void cli_one_pid(struct argp_state *state, const char *text, pid_t *pid)
{
	if (*pid)
		argp_error(state, "-p: one process at a time");
	*pid = (pid_t)cli_number(state, text, 1, 1 << 22, "-p");
}

static const struct record_type *record_type_named(const char *name)
{
	for (const struct record_type *const *type = record_types; *type; type++)
		if (!strcmp((*type)->name, name))
			return *type;
	return NULL;
}

void cli_format(struct argp_state *state, const char *text, struct output_options *output)
{
	static const struct {
		const char *name;
		enum output_format format;
	} formats[] = {
		{ "gctrace", OUTPUT_GCTRACE }, { "scvg", OUTPUT_SCVG }, { "json", OUTPUT_JSON }, { "csv", OUTPUT_CSV }
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(text, formats[i].name)) {
			output->format = formats[i].format;
			return;
		}
	}
	output->format = OUTPUT_CSV;
	output->csv_type = strncmp(text, "csv:", 4) ? NULL : record_type_named(text + 4);
	if (!output->csv_type && !strncmp(text, "csv:", 4))
		argp_error(state, "no record '%s'; 'gctap schema' lists them", text + 4);
	else if (!output->csv_type)
		argp_error(state, "no format '%s': gctrace, scvg, json, csv or csv:RECORD", text);
}

double cli_seconds(struct argp_state *state, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end != text && !*end && isfinite(value) && value > 0 && value <= 1e9)
		return value;
	argp_error(state, "a duration is a number of seconds above 0, not '%s'", text);
	return 1;
}

int cli_signals(int *signal_fd, struct failure *failure)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action;
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	/* What nohup, or a script's "&", has ignored stays ignored: blocked, it would reach the descriptor all the
	 * same. */
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (sigaction(numbers[i], NULL, &action) || action.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	*signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* Blocked and not to be read, they would be lost. */
	if (*signal_fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
		return failure_set(failure, -errno, "cannot wait for signals: %s", strerror(errno));
	return 0;
}

int cli_signal_taken(int signal_fd, bool *by_terminal)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (by_terminal)
		*by_terminal = info.ssi_code == SI_KERNEL;
	return (int)info.ssi_signo;
}

int cli_wait_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now >= deadline_ns)
		return 0;
	/* Rounded up: not a moment before. */
	return deadline_ns - now >= WAIT_MAX_MS * 1000000ull ? WAIT_MAX_MS : (int)((deadline_ns - now) / 1000000u) + 1;
}
