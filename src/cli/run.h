/* SPDX-License-Identifier: BSD-2-Clause */
/* run: what trace and madvise share: targets, output, and a session from its start to its end. */
#ifndef GCTAP_CLI_RUN_H
#define GCTAP_CLI_RUN_H

#include <argp.h>
#include <stdbool.h>
#include <sys/types.h>

#include "gctap/output.h"
#include "gctap/session.h"

#define RUN_NAMED_MAX 1024

struct run_options {
	pid_t pids[RUN_NAMED_MAX];
	unsigned nr_pids;
	const char *files[RUN_NAMED_MAX];
	unsigned nr_files;
	char **command; /* NULL: none */
	struct output_options output;
	double duration; /* seconds; 0: no limit */
	long count;	 /* of cycles; 0: no limit */
	bool verbose;
	struct session_options session; /* what is to be taken; the callbacks and who is traced are set by run */
};

void run_add_pid(struct argp_state *state, struct run_options *options, const char *text);
void run_add_file(struct argp_state *state, struct run_options *options, const char *path);
/* The word that argp is at begins the command. */
void run_take_command(struct argp_state *state, struct run_options *options);

/* Returns the exit status. */
int run_session(const struct run_options *options, int argc, char **argv);

#endif
