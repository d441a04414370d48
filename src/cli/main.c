// SPDX-License-Identifier: BSD-2-Clause
#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "gctap/target.h"

const struct command commands[] = {
	{ "trace", "the runtime's gctrace lines of a running Go program", command_trace },
	{ "madvise", "what a process gives back with madvise, why, and what the kernel frees", command_madvise },
	{ "why", "where the resident memory of a process is, and why it is as much", command_why },
	{ "map", "the address space of a process as a picture: SVG, HTML, or in the terminal", command_map },
	{ "compare", "run a program with gctrace on, and hold gctap's lines against the runtime's", command_compare },
	{ "inspect", "what can be known of a Go binary; needs no root", command_inspect },
	{ "schema", "the JSON Schema of the records", command_schema },
	{ "privileges", "which capabilities each command needs, and for how long", command_privileges },
	{ NULL, NULL, NULL },
};

static void usage(FILE *to)
{
	fputs("Usage: gctap COMMAND [OPTION...]\n"
	      "Taps a running Go process from outside and tells what its memory does.\n\n",
	      to);
	for (const struct command *command = commands; command->name; command++)
		fprintf(to, "  %-10s %s\n", command->name, command->what);
	fputs("\n'gctap COMMAND --help' tells the options. Examples:\n"
	      "  gctap trace -p 4242\n"
	      "  gctap trace -- ./server --flag\n"
	      "  gctap inspect /usr/bin/prometheus\n",
	      to);
}

static int written(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_YES;
	cli_note("cannot write to standard output", NULL);
	return EXIT_TROUBLE;
}

static int run(const struct command *command, int argc, char **argv)
{
	static char help[] = "--help";
	char name[64];

	/* What argp shows as the program's name. */
	snprintf(name, sizeof(name), "gctap %s", command->name);
	argv[1] = name;
	/* argp has a letter of its own for that. */
	if (argc > 2 && !strcmp(argv[2], "-h"))
		argv[2] = help;
	return command->run(argc - 1, argv + 1);
}

/* What we inherit may be odd: closed standard descriptors, an ignored SIGCHLD, a low limit of descriptors. */
static void normalise(void)
{

	/* The lowest number that is free is the one that is missing. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", O_RDWR);
	signal(SIGCHLD, SIG_DFL);
	target_raise_descriptor_limit();
}

int main(int argc, char **argv)
{
	normalise();
	argp_err_exit_status = EXIT_TROUBLE;
	if (argc < 2) {
		usage(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return written();
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("gctap " GCTAP_VERSION);
		return written();
	}
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(argv[1], command->name))
			return run(command, argc, argv);
	fprintf(stderr, "gctap: no command '%s'; 'gctap --help' lists them\n", argv[1]);
	return EXIT_TROUBLE;
}
