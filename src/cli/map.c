// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "gctap/clock.h"
#include "gctap/ledger.h"
#include "gctap/picture.h"
#include "output/picture_draw.h"
#include "privilege.h"
#include "subject.h"

#define ROWS_DEFAULT	32u
#define ROWS_OF_LEGEND	20u /* that the terminal needs for what is around the cells */
#define ROWS_MIN	8u
#define COLUMNS_DEFAULT 100u

enum { KEY_JSON = 256, KEY_SVG, KEY_HTML, KEY_ASCII, KEY_COLUMNS, KEY_NO_COLOUR };

struct options {
	pid_t pid;
	bool json, ascii, no_colour;
	const char *svg, *html;
	unsigned columns; /* 0: as the terminal has */
};

static const struct argp_option argp_options[] = {
	{ "pid", 'p', "PID", 0, "the process", 0 },
	{ "svg", KEY_SVG, "FILE", 0, "as a drawing", 1 },
	{ "html", KEY_HTML, "FILE", 0, "as one page that needs nothing else; the pointer shows what a cell is", 1 },
	{ "json", KEY_JSON, NULL, 0, "as one JSON object", 1 },
	{ "columns", KEY_COLUMNS, "N", 0, "width of the text, 24 to 1000 (default: of the terminal, else 100)", 2 },
	{ "ascii", KEY_ASCII, NULL, 0, "letters, not colours; also when it is no terminal", 2 },
	{ "no-color", KEY_NO_COLOUR, NULL, 0, "the same as --ascii, and so is NO_COLOR in the environment", 2 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'p': cli_one_pid(state, text, &options->pid); break;
	case KEY_JSON: options->json = true; break;
	case KEY_SVG: options->svg = text; break;
	case KEY_HTML: options->html = text; break;
	case KEY_ASCII: options->ascii = true; break;
	case KEY_NO_COLOUR: options->no_colour = true; break;
	case KEY_COLUMNS:
		options->columns =
			(unsigned)cli_number(state, text, PICTURE_COLUMNS_MIN, PICTURE_COLUMNS_MAX, "--columns");
		break;
	case ARGP_KEY_ARG: argp_error(state, "'%s'? The process is given as -p PID", text); break;
	case ARGP_KEY_END:
		if (!options->pid)
			argp_error(state, "which process? -p PID");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"-p PID",
	"The address space of a Go process as a picture: a cell is a range of addresses, and its colour what most of "
	"its resident bytes are; long stretches of nothing are left out.\v"
	"The classes are those of 'gctap why'. On the terminal unless --svg, --html or --json ask for something else. "
	"Reads only: /proc and the process's memory; nothing is attached, the process is not stopped. Needs root, or "
	"what 'gctap privileges' says. Exit status: 0 done, 2 it could not be run.",
	NULL,
	NULL,
	NULL
};

/* Open before privileges are given up; NULL: not asked for, or written. */
struct files {
	FILE *html, *svg;
};

/* As no-color.org has it; a dumb terminal would show the sequences. */
static bool no_colour_wanted(void)
{
	const char *wish = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return (wish && *wish) || (terminal && !strcmp(terminal, "dumb"));
}

static int take(const struct subject *subject, struct ledger *ledger, struct picture *picture, struct failure *failure)
{
	struct memory_observer observer = picture_observer(picture);
	struct ledger_source source = subject_source(subject);
	int error;

	source.observer = &observer;
	error = ledger_take(&source, ledger, failure);
	if (!error)
		picture_finish(picture);
	return error;
}

static int write_line(struct line *line, FILE *file)
{
	int error = line->error;

	if (!error && fwrite(line->bytes, 1, line->length, file) != line->length)
		error = errno ? -errno : -EIO;
	free(line->bytes);
	return error;
}

static int open_file(const char *path, FILE **file, struct failure *failure)
{
	if (!path)
		return 0;
	*file = fopen(path, "we");
	return *file ? 0 : failure_set(failure, -errno, "cannot write to %s: %s", path, strerror(errno));
}

static int write_file(struct line *line, const char *path, FILE **file, struct failure *failure)
{
	int error = write_line(line, *file);

	if (fclose(*file) && !error)
		error = -errno;
	*file = NULL;
	return error ? failure_set(failure, error, "cannot write to %s: %s", path, strerror(-error)) : 0;
}

static int open_files(const struct options *options, struct files *files, struct failure *failure)
{
	int error = open_file(options->html, &files->html, failure);

	return error ? error : open_file(options->svg, &files->svg, failure);
}

static int write_files(const struct options *options, struct files *files, struct picture *picture,
		       const struct picture_title *title, struct failure *failure)
{
	struct line html = { 0 }, svg = { 0 };
	int error = 0;

	if (options->html) {
		picture_fit(picture, PICTURE_SLOTS_HTML);
		picture_append_html(&html, picture, title);
		error = write_file(&html, options->html, &files->html, failure);
	}
	if (!error && options->svg) {
		picture_fit(picture, PICTURE_SLOTS_SVG);
		picture_append_svg(&svg, picture, title);
		error = write_file(&svg, options->svg, &files->svg, failure);
	}
	return error;
}

/* How many rows of cells there is room for; the width goes to @columns unless it was asked for. */
static unsigned terminal_rows(unsigned *columns)
{
	struct winsize size = { 0 };
	unsigned rows = ROWS_DEFAULT;

	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row)
		rows = size.ws_row > ROWS_OF_LEGEND + ROWS_MIN ? size.ws_row - ROWS_OF_LEGEND : ROWS_MIN;
	if (!*columns)
		*columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
	if (*columns < PICTURE_COLUMNS_MIN)
		*columns = PICTURE_COLUMNS_MIN;
	if (*columns > PICTURE_COLUMNS_MAX)
		*columns = PICTURE_COLUMNS_MAX;
	return rows;
}

static int print(const struct options *options, struct picture *picture, const struct picture_title *title)
{
	struct picture_text_options text = { .columns = options->columns };
	struct line line = { 0 };

	if (options->json) {
		picture_fit(picture, PICTURE_SLOTS_JSON);
		picture_append_json(&line, picture, title);
		line_append_byte(&line, '\n');
	} else {
		unsigned rows = terminal_rows(&text.columns);

		text.colour = isatty(STDOUT_FILENO) && !options->ascii && !options->no_colour && !no_colour_wanted();
		picture_fit(picture, (size_t)rows * picture_text_slots(text.columns));
		picture_append_text(&line, picture, title, &text);
	}
	return write_line(&line, stdout);
}

static int show(const struct options *options, struct files *files, const struct subject *subject,
		const struct ledger *ledger, struct picture *picture, struct failure *failure)
{
	struct picture_title title = {
		.pid = subject->target->pid,
		.wall_ns = clock_ns(CLOCK_REALTIME),
		.comm = subject->target->comm,
		.path = subject->binary->path,
		.version = subject->binary->version,
		.ledger = ledger,
	};
	int error = 0;

	/* The finest first: cells only ever become larger. */
	if (options->json)
		error = print(options, picture, &title);
	if (!error)
		error = write_files(options, files, picture, &title, failure);
	if (!error && !options->json && !options->svg && !options->html)
		error = print(options, picture, &title);
	if (!error && fflush(stdout))
		error = -errno;
	return error && !failure->text[0] ? failure_set(failure, error, "cannot write the result: %s", strerror(-error))
					  : error;
}

static unsigned features_of(const struct options *options)
{
	return PRIVILEGE_PROCESS | PRIVILEGE_MEMORY | (options->html || options->svg ? PRIVILEGE_OUTPUT : 0);
}

int command_map(int argc, char **argv)
{
	static struct ledger ledger;
	struct subject subject = { 0 };
	struct picture picture = { 0 };
	struct options options = { 0 };
	struct files files = { 0 };
	struct failure failure = { "" };
	int error;

	cli_parse(&argp, argc, argv, 0, &options);
	error = privilege_begin(features_of(&options), &options.pid, 1, &failure);
	if (!error)
		error = subject_open(options.pid, &subject, &failure);
	if (!error)
		error = take(&subject, &ledger, &picture, &failure);
	if (!error)
		error = open_files(&options, &files, &failure);
	if (!error)
		error = privilege_settle(0, NULL, 0, &failure);
	if (!error)
		error = show(&options, &files, &subject, &ledger, &picture, &failure);
	picture_clear(&picture);
	ledger_clear(&ledger);
	subject_close(&subject);
	return error ? cli_trouble(&failure) : EXIT_YES;
}
