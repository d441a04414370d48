/* SPDX-License-Identifier: BSD-2-Clause */
/* cli: what the commands share. Exit status: 0 done, 1 the answer is no, 2 could not be run. */
#ifndef GCTAP_CLI_H
#define GCTAP_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/failure.h"
#include "gctap/output.h"

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_TROUBLE = 2 };

struct command {
	const char *name;
	const char *what;		   /* one line for gctap --help */
	int (*run)(int argc, char **argv); /* argv[0] is "gctap NAME" */
};

extern const struct command commands[]; /* ends with a NULL name */

int command_trace(int argc, char **argv);
int command_madvise(int argc, char **argv);
int command_why(int argc, char **argv);
int command_map(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_schema(int argc, char **argv);
int command_privileges(int argc, char **argv);

/* "gctap: text" on stderr. */
void cli_note(const char *text, void *context);
/* As above; returns EXIT_TROUBLE. */
int cli_trouble(const struct failure *failure);

/* The options, into @input; ends the program when they are wrong, or cannot be read. */
void cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/* Before anything is made with jansson, which leaves out what it has no memory for: from here on that is noticed. */
void cli_json_watch(void);
/* 0, or -ENOMEM when what was made since lacks something. */
int cli_json_complete(void);

/* The command line, for the header of a stream; to be freed. */
char *cli_join(int argc, char **argv);

/* Whole numbers and durations ("1.5") of options; argp_error() otherwise. */
long cli_number(struct argp_state *state, const char *text, long least, long most, const char *name);
/* -p of a command that looks at one process. */
void cli_one_pid(struct argp_state *state, const char *text, pid_t *pid);
/* --format: sets the format and, behind "csv:", the type of record. */
void cli_format(struct argp_state *state, const char *text, struct output_options *output);
double cli_seconds(struct argp_state *state, const char *text);

/*
 * Ctrl-C, SIGTERM and SIGHUP become readable in a descriptor, but for those that were ignored before (nohup);
 * SIGPIPE is ignored. On failure, a negative errno: they do then what they did before.
 */
int cli_signals(int *signal_fd, struct failure *failure);
/* The signal that came, or 0; never blocks. @by_terminal: Ctrl-C, which our children have got as well. May be NULL. */
int cli_signal_taken(int signal_fd, bool *by_terminal);

/* Milliseconds, rounded up, that session_poll() may wait, until @deadline_ns of CLOCK_MONOTONIC; UINT64_MAX: none. */
int cli_wait_ms(uint64_t deadline_ns);

#endif
