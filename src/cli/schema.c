// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "cli.h"
#include "gctap/output.h"

static const struct argp argp = { NULL,
				  NULL,
				  "",
				  "Prints the JSON Schema (2020-12) of the lines that --format json writes, and of "
				  "what why and map write with --json.",
				  NULL,
				  NULL,
				  NULL };

int command_schema(int argc, char **argv)
{
	cli_parse(&argp, argc, argv, 0, NULL);
	if (output_schema(stdout) || fflush(stdout)) {
		cli_note("cannot write the schema", NULL);
		return EXIT_TROUBLE;
	}
	return EXIT_YES;
}
