// SPDX-License-Identifier: BSD-2-Clause
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "cli.h"
#include "privilege.h"

#define CELL_BYTES 256u

static const struct argp argp = {
	NULL,
	NULL,
	"",
	"Prints which capabilities each command needs, and for how long: what it needs no longer, it "
	"gives up, also when root runs it.\v"
	"A number behind a name is that of the condition below the table, under which it is needed.",
	NULL,
	NULL,
	NULL
};

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + length, CELL_BYTES - length, format, arguments);
	va_end(arguments);
}

static void append_name(char *text, int capability)
{
	char *name = cap_to_name(capability);

	for (char *letter = name; letter && *letter; letter++)
		*letter = (char)toupper(*letter);
	append(text, "%s%s", *text ? ", " : "", name ? name : "?");
	cap_free(name);
}

static bool applies(const struct privilege_need *need, unsigned features, enum privilege_stage stage, int capability)
{
	return need->features & features && need->stage == stage && need->capability == capability;
}

/* "CAP_BPF, CAP_DAC_READ_SEARCH (1, 3)". */
static void cell(unsigned features, enum privilege_stage stage, char *text)
{
	uint64_t set = privilege_set(features, stage);

	text[0] = '\0';
	for (int capability = 0; set >> capability; capability++) {
		const char *before = " (", *after = "";

		if (!(set >> capability & 1))
			continue;
		append_name(text, capability);
		for (const struct privilege_need *need = privilege_needs; need->features; need++) {
			if (!applies(need, features, stage, capability) || !need->condition)
				continue;
			append(text, "%s%d", before, need->condition);
			before = ", ";
			after = ")";
		}
		append(text, "%s", after);
	}
}

static void print_table(void)
{
	puts("| gctap ... | to open | to load BPF | to attach | until it ends |\n|---|---|---|---|---|");
	for (const struct privilege_form *form = privilege_forms; form->text; form++) {
		printf("| `%s` |", form->text);
		for (enum privilege_stage stage = 0; stage < PRIVILEGE_STAGES; stage++) {
			char text[CELL_BYTES];

			cell(form->features, stage, text);
			printf("%s%s |", *text ? " " : "", text);
		}
		putchar('\n');
	}
	puts("\nA number says when it is needed:\n");
	for (unsigned i = 1; i < PRIVILEGE_CONDITIONS; i++)
		printf("%u. %s%s\n", i, privilege_conditions[i], i + 1 < PRIVILEGE_CONDITIONS ? ";" : ".");
}

int command_privileges(int argc, char **argv)
{
	cli_parse(&argp, argc, argv, 0, NULL);
	print_table();
	if (fflush(stdout) || ferror(stdout)) {
		cli_note("cannot write the table", NULL);
		return EXIT_TROUBLE;
	}
	return EXIT_YES;
}
