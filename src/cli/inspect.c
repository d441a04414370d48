// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "cli.h"
#include "gctap/clock.h"
#include "gctap/gc_cycle.h"
#include "gctap/gobin.h"
#include "gctap/recipe.h"
#include "gctap/target.h"
#include "privilege.h"

#define PROBE_REASON                                                                                                   \
	"runs once per cycle, everything final, the world running again; the kernel emulates this instruction, "       \
	"where others are single-stepped"

enum { KEY_JSON = 256 };

struct options {
	const char *path;
	pid_t pid;
	bool json;
};

struct inspection {
	const char *path;
	uint64_t file_bytes, bytes_read, open_ns;
	char version[64], build_id[128]; /* "" when unknown */
	struct image *image;
	struct gobin *gobin;
	struct recipe *recipe;
	struct gobin_build build;
	struct gc_layout layout;
	struct scavenge_recipes scavenge; /* background NULL: none, for the reason below */
	struct failure no_scavenge;
};

static const struct argp_option argp_options[] = {
	{ "json", KEY_JSON, NULL, 0, "as one JSON object", 0 },
	{ "pid", 'p', "PID", 0, "the binary of this process, also when it has been deleted or replaced", 0 },
	{ 0 },
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_JSON: options->json = true; break;
	case 'p': cli_one_pid(state, text, &options->pid); break;
	case ARGP_KEY_ARG:
		if (options->path)
			argp_error(state, "one file at a time");
		options->path = text;
		break;
	case ARGP_KEY_END:
		if (!options->path == !options->pid)
			argp_error(state, "which binary? FILE, or -p PID");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	argp_options,
	parse,
	"FILE\n-p PID",
	"What can be known of a Go binary, and how gctap would trace it. Needs no root for a file that can be read.\v"
	"Exit status: 0 when the binary can be traced, 1 when it is no Go binary or cannot be solved, 2 when it "
	"could not be read.",
	NULL,
	NULL,
	NULL
};

/* How the file was linked, in words. */
static const char *link_mode(const struct gobin_build *build)
{
	if (build->external == GOBIN_YES)
		return build->pie ? "PIE, linked externally" : "fixed address, linked externally";
	return build->pie ? "PIE, linked by Go" : "fixed address, linked by Go";
}

static int solve(int fd, struct inspection *inspection, struct failure *failure)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int error = image_open_fd(fd, &inspection->image, failure);

	if (!error)
		error = gobin_open(inspection->image, &inspection->gobin, failure);
	if (!error)
		error = recipe_solve_gctrace(inspection->gobin, &inspection->recipe, failure);
	if (!error)
		error = gc_layout_learn(inspection->recipe, &inspection->layout, failure);
	if (error)
		return image_judge(inspection->image, error, failure);
	inspection->open_ns = clock_ns(CLOCK_MONOTONIC) - start;
	inspection->bytes_read = image_bytes_read(inspection->image);
	inspection->file_bytes = image_file_size(inspection->image);
	error = recipe_solve_scavtrace(inspection->gobin, &inspection->scavenge, &inspection->no_scavenge);
	if (error)
		inspection->scavenge = (struct scavenge_recipes){ NULL, NULL };
	gobin_build(inspection->gobin, &inspection->build);
	if (gobin_version(inspection->gobin, inspection->version, sizeof(inspection->version)))
		inspection->version[0] = '\0';
	if (gobin_build_id(inspection->gobin, inspection->build_id, sizeof(inspection->build_id)))
		inspection->build_id[0] = '\0';
	error = error == -ENOMEM ? failure_set(failure, error, "out of memory") : 0;
	return image_judge(inspection->image, error, failure);
}

static const char *fact(enum gobin_fact fact)
{
	return fact == GOBIN_YES ? "yes" : fact == GOBIN_NO ? "no" : "unknown";
}

/* The name of an item's number, or what its label says. */
static const char *item_name(const struct inspection *inspection, unsigned i)
{
	int field = inspection->layout.line.fields[i];

	if (field >= 0)
		return record_gc_cycle.fields[field].name;
	return inspection->layout.line.labels[i] ? inspection->layout.line.labels[i] : "";
}

static const char *format_name(const struct recipe_item *item)
{
	static const char *const names[] = {
		[RECIPE_LITERAL] = "literal", [RECIPE_UNSIGNED] = "unsigned",	      [RECIPE_SIGNED] = "signed",
		[RECIPE_DECIMAL] = "decimal", [RECIPE_MILLISECONDS] = "milliseconds",
	};

	return names[item->format];
}

/* What decides whether a remark is printed, or the number itself. */
static expr_id item_expr(const struct recipe_item *item)
{
	return item->format == RECIPE_LITERAL ? item->guard : item->value;
}

struct leaf_list {
	char text[256];
	size_t used;
};

/* "0x52baa8/8": address and width. */
static void list_leaf(expr_id id, const struct expr_node *leaf, void *context)
{
	struct leaf_list *list = context;
	const char *separator = list->used ? " " : "";
	size_t left = sizeof(list->text) - list->used;
	int length = 0;

	(void)id;
	if (leaf->op == EXPR_MEMORY)
		length = snprintf(list->text + list->used, left, "%s0x%" PRIx64 "/%u", separator, leaf->value,
				  leaf->size);
	else if (leaf->op == EXPR_STACK)
		length = snprintf(list->text + list->used, left, "%ssp+0x%" PRIx64 "/%u", separator, leaf->value,
				  leaf->size);
	else
		length = snprintf(list->text + list->used, left, "%sreg%" PRIu64, separator, leaf->value);
	if (length > 0 && (size_t)length < left)
		list->used += (size_t)length;
}

/* What a file says of itself may hold anything: nothing of it is to command the terminal. */
static void put(const char *before, const char *text)
{
	char *clean = record_text_escape(text, true);

	printf("%s%s", before, clean ? clean : "?");
	free(clean);
}

/* A string of what may not be UTF-8. */
static json_t *json_text(const char *text)
{
	char *clean = text ? record_text_escape(text, false) : NULL;
	json_t *json = clean ? json_string(clean) : json_null();

	free(clean);
	return json;
}

static void print_items(const struct inspection *inspection)
{
	const struct recipe *recipe = inspection->recipe;

	printf("\n%-24s %-13s %-44s %s\n", "field", "shown as", "expression", "address/bytes");
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i];
		struct leaf_list leaves = { "", 0 };
		char expression[256];

		if (item->format == RECIPE_LITERAL && !item->guard)
			continue;
		expr_format(recipe->pool, item_expr(item), expression, sizeof(expression));
		expr_each_leaf(recipe->pool, item_expr(item), list_leaf, &leaves);
		printf("%-24s %-13s %-44s %s\n", item_name(inspection, i),
		       item->format == RECIPE_LITERAL ? "if not 0" : format_name(item), expression, leaves.text);
	}
}

static void print_scavenge(const struct inspection *inspection)
{
	const struct recipe *recipes[] = { inspection->scavenge.background, inspection->scavenge.forced };
	char line[1024];

	if (!recipes[0]) {
		put("scavtrace     none: ", inspection->no_scavenge.text);
		putchar('\n');
		return;
	}
	for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]) && recipes[i]; i++) {
		recipe_format_string(recipes[i], line, sizeof(line));
		put("scavtrace     ", line);
		printf("\n              0x%" PRIx64 " (file offset 0x%" PRIx64 "), %s in %s\n",
		       recipes[i]->probe_address, recipes[i]->probe_offset, recipes[i]->probe_text,
		       recipes[i]->function);
	}
	if (!recipes[1])
		printf("              no forced line: debug.FreeOSMemory is not linked\n");
}

static void print_text(const struct inspection *inspection)
{
	const struct gobin_build *build = &inspection->build;
	const struct recipe *recipe = inspection->recipe;
	char line[1024];

	put("file          ", inspection->path);
	printf(", %.1f MB, %.2f MB of it read\n", (double)inspection->file_bytes / (1 << 20),
	       (double)inspection->bytes_read / (1 << 20));
	printf("go            %s, %u functions\n", inspection->version[0] ? inspection->version : "version unknown",
	       gobin_function_count(inspection->gobin));
	printf("build id      %s\n", inspection->build_id[0] ? inspection->build_id : "unknown");
	printf("linked        %s, %s\n", link_mode(build), build->dynamic ? "dynamic" : "static");
	printf("has           symbols %s, DWARF %s, buildinfo %s, section headers %s, pclntab section %s\n",
	       build->symtab ? "yes" : "no", build->dwarf ? "yes" : "no", build->buildinfo ? "yes" : "no",
	       build->sections ? "yes" : "no", build->pclntab_section ? "yes" : "no");
	printf("built with    cgo %s, race detector %s", fact(build->cgo), fact(build->race));
	put(build->settings[0] ? "; " : "", build->settings);
	recipe_format_string(recipe, line, sizeof(line));
	put("\nline          ", line);
	printf("\nprobe         0x%" PRIx64 " (file offset 0x%" PRIx64 "), %s in %s\n", recipe->probe_address,
	       recipe->probe_offset, recipe->probe_text, recipe->function);
	printf("              %s\n", PROBE_REASON);
	printf("copied        %u bytes in %u windows per cycle\n", recipe->payload_bytes, recipe->nr_windows);
	print_scavenge(inspection);
	printf("solved        %.1f ms in all, %" PRIu64 " instructions emulated, %u rounds checked\n",
	       (double)inspection->open_ns / 1e6, recipe->instructions, recipe->checks);
	print_items(inspection);
}

static json_t *json_items(const struct inspection *inspection)
{
	const struct recipe *recipe = inspection->recipe;
	json_t *items = json_array();

	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i];
		struct leaf_list leaves = { "", 0 };
		char expression[256] = "";

		if (item_expr(item)) {
			expr_format(recipe->pool, item_expr(item), expression, sizeof(expression));
			expr_each_leaf(recipe->pool, item_expr(item), list_leaf, &leaves);
		}
		json_array_append_new(
			items,
			json_pack("{s:s, s:o, s:o, s:s?, s:s?, s:b}", "format", format_name(item), "name",
				  json_text(item_name(inspection, i)[0] ? item_name(inspection, i) : NULL), "literal",
				  json_text(item->literal), "expression", expression[0] ? expression : NULL, "leaves",
				  leaves.text[0] ? leaves.text : NULL, "conditional", item->guard != 0));
	}
	return items;
}

static json_t *json_scavenge(const struct recipe *recipe)
{
	char line[1024];

	if (!recipe)
		return json_null();
	recipe_format_string(recipe, line, sizeof(line));
	return json_pack("{s:o, s:s, s:I, s:I, s:s}", "format", json_text(line), "function", recipe->function,
			 "probe_address", (json_int_t)recipe->probe_address, "probe_file_offset",
			 (json_int_t)recipe->probe_offset, "probe_instruction", recipe->probe_text);
}

/* Of this whole program, up to now. */
static json_int_t peak_rss_bytes(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : (json_int_t)usage.ru_maxrss * 1024;
}

static int print_json(const struct inspection *inspection)
{
	const struct gobin_build *build = &inspection->build;
	const struct recipe *recipe = inspection->recipe;
	char line[1024];
	json_t *object;
	int error;

	cli_json_watch();
	recipe_format_string(recipe, line, sizeof(line));
	object = json_pack(
		"{s:s, s:o, s:I, s:s?, s:i, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:o}", "type",
		"inspection", "file", json_text(inspection->path), "file_bytes", (json_int_t)inspection->file_bytes,
		"go_version", inspection->version[0] ? inspection->version : NULL, "functions",
		(int)gobin_function_count(inspection->gobin), "link_mode", link_mode(build), "pie", build->pie,
		"dynamic", build->dynamic, "symtab", build->symtab, "dwarf", build->dwarf, "buildinfo",
		build->buildinfo, "section_headers", build->sections, "pclntab_section", build->pclntab_section, "cgo",
		fact(build->cgo), "race", fact(build->race), "settings", json_text(build->settings));
	if (object) {
		json_object_set_new(object, "build_id",
				    inspection->build_id[0] ? json_string(inspection->build_id) : json_null());
		json_object_set_new(object, "format", json_text(line));
		json_object_set_new(object, "function", json_string(recipe->function));
		json_object_set_new(object, "probe_address", json_integer((json_int_t)recipe->probe_address));
		json_object_set_new(object, "probe_file_offset", json_integer((json_int_t)recipe->probe_offset));
		json_object_set_new(object, "probe_instruction", json_string(recipe->probe_text));
		json_object_set_new(object, "windows", json_integer(recipe->nr_windows));
		json_object_set_new(object, "payload_bytes", json_integer(recipe->payload_bytes));
		json_object_set_new(object, "instructions", json_integer((json_int_t)recipe->instructions));
		json_object_set_new(object, "solve_ns", json_integer((json_int_t)inspection->open_ns));
		json_object_set_new(object, "bytes_read", json_integer((json_int_t)inspection->bytes_read));
		json_object_set_new(object, "peak_rss_bytes", json_integer(peak_rss_bytes()));
		json_object_set_new(object, "items", json_items(inspection));
		json_object_set_new(object, "scavtrace", json_scavenge(inspection->scavenge.background));
		json_object_set_new(object, "scavtrace_forced", json_scavenge(inspection->scavenge.forced));
	}
	error = cli_json_complete();
	if (!error && json_dumpf(object, stdout, JSON_COMPACT))
		error = -EIO;
	json_decref(object);
	if (!error)
		putchar('\n');
	return error;
}

static int open_binary(const struct options *options, int *fd, char *path, size_t size, struct failure *failure)
{
	struct file_id id;
	struct target *target;
	int error;

	if (!options->pid) {
		snprintf(path, size, "%s", options->path);
		return target_open_file(options->path, fd, &id, failure);
	}
	error = target_open(options->pid, &target, failure);
	if (error)
		return error;
	snprintf(path, size, "%s", target->exe_path);
	*fd = dup(target->exe_fd);
	target_close(target);
	return *fd < 0 ? failure_set(failure, -errno, "%s", strerror(errno)) : 0;
}

/* What is read then is foreign: no privilege is left for it. */
static int open_what(const struct options *options, int *fd, char *path, size_t size, struct failure *failure)
{
	int error = open_binary(options, fd, path, size, failure);

	return error ? error : privilege_settle(0, NULL, 0, failure);
}

static void clear(struct inspection *inspection)
{
	gc_layout_clear(&inspection->layout);
	recipe_free(inspection->recipe);
	recipe_free(inspection->scavenge.background);
	recipe_free(inspection->scavenge.forced);
	gobin_close(inspection->gobin);
	image_close(inspection->image);
}

static void failure_told(const char *path, const struct failure *failure)
{
	char *text = NULL;

	if (asprintf(&text, "%s: %s", path, failure->text) >= 0)
		cli_note(text, NULL);
	free(text);
}

static int show(const struct options *options, const struct inspection *inspection)
{
	int error = 0;

	if (options->json)
		error = print_json(inspection);
	else
		print_text(inspection);
	if (!error && (fflush(stdout) || ferror(stdout)))
		error = -EIO;
	if (error)
		cli_note("cannot write the result", NULL);
	return error;
}

/* That is no answer: the file may well be a Go program. */
static bool could_not_look(int error)
{
	return error == -ENOMEM || error == -EIO || error == -EMFILE || error == -ENFILE;
}

int command_inspect(int argc, char **argv)
{
	struct options options = { 0 };
	struct inspection inspection = { 0 };
	struct failure failure = { "" };
	char path[4096];
	int fd = -1, error;

	cli_parse(&argp, argc, argv, 0, &options);
	error = open_what(&options, &fd, path, sizeof(path), &failure);
	if (error)
		return cli_trouble(&failure);
	inspection.path = path;
	error = solve(fd, &inspection, &failure);
	close(fd);
	if (error)
		failure_told(path, &failure);
	else
		error = show(&options, &inspection);
	clear(&inspection);
	if (error)
		return could_not_look(error) ? EXIT_TROUBLE : EXIT_NO;
	return EXIT_YES;
}
