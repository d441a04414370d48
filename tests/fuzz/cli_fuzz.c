// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a command line: the first one chooses the command, the words behind it end with a newline. Linked so
 * that argp_parse() and argp_error() come through here: nothing is printed, nothing is run, and what was taken is
 * within the limits that the options tell.
 */
#include "fuzz.h"

#include <argp.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/run.h"

#define WORDS_MAX 2100 /* so that there can be too many processes */

static jmp_buf parsed;
static bool refused;
static unsigned chosen;
static char **words;

static const struct command known[] = {
	{ "trace", NULL, command_trace },     { "madvise", NULL, command_madvise },
	{ "why", NULL, command_why },	      { "map", NULL, command_map },
	{ "compare", NULL, command_compare }, { "inspect", NULL, command_inspect },
	{ "schema", NULL, command_schema },   { "privileges", NULL, command_privileges },
};
#define COMMANDS (sizeof(known) / sizeof(known[0]))

void __wrap_argp_error(const struct argp_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));
void __wrap_argp_error(const struct argp_state *state, const char *format, ...)
{
	char text[256];
	va_list arguments;

	(void)state;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	require(*text);
	refused = true;
}

/* A word of the command line, and not something made up. */
static bool is_word(const char *text)
{
	for (char **word = words; *word; word++)
		if (text >= *word && text <= *word + strlen(*word))
			return true;
	return false;
}

static void check_format(const struct output_options *output)
{
	require(output->format <= OUTPUT_CSV);
	require(!output->path || is_word(output->path));
	for (const struct record_type *const *type = record_types; output->csv_type; type++) {
		require(*type);
		if (*type == output->csv_type)
			return;
	}
}

static void check_run(const struct run_options *options)
{
	require(options->nr_pids <= RUN_NAMED_MAX && options->nr_files <= RUN_NAMED_MAX);
	for (unsigned i = 0; i < options->nr_pids; i++)
		require(options->pids[i] >= 1 && options->pids[i] <= 1 << 22);
	for (unsigned i = 0; i < options->nr_files; i++)
		require(is_word(options->files[i]));
	require(!options->command != !(options->nr_pids || options->nr_files));
	require(!options->command || is_word(options->command[0]));
	require(isfinite(options->duration) && options->duration >= 0 && options->duration <= 1e9);
	require(options->count >= 0 && options->count <= 1L << 40);
	require(options->session.ring_bytes <= 1ull << 30 && options->session.ring_bytes % 4096 % 1024 == 0);
	require(options->session.madvise_interval_ns <= 1000000000000000000u);
	require(!options->session.madvise || !options->nr_files);
	check_format(&options->output);
}

error_t __real_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *at, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *at, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *at, void *input)
{
	error_t error = __real_argp_parse(argp, argc, argv, flags | ARGP_SILENT, at, input);

	/* The first two keep struct run_options in front. */
	if (!error && !refused && chosen < 2)
		check_run(input);
	longjmp(parsed, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[] = "gctap", *argv[WORDS_MAX + 1] = { name }, *copies[WORDS_MAX + 1] = { name }, *text;
	int argc = 1;

	if (!size)
		return 0;
	chosen = data[0] % COMMANDS;
	text = malloc(size);
	require(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	for (char *at = text, *next; *at && argc < WORDS_MAX; at = next) {
		next = at + strcspn(at, "\n");
		if (*next)
			*next++ = '\0';
		copies[argc] = argv[argc] = at;
		argc++;
	}
	words = copies;
	refused = false;
	if (!setjmp(parsed))
		known[chosen].run(argc, argv);
	free(text);
	return 0;
}
