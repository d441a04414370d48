// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/scav_line.h"

#define GO114 "scav 8 KiB work, 63840 KiB total, 7% util"
/* Printed by Go 1.15.15, 1.19.8 and 1.27.4, but for the notes. */
#define GO115	     "scav 6 16 KiB work, 32784 KiB total, 22% util"
#define GO115_FORCED "scav 7 4096 KiB work, 32864 KiB total, 57% util (forced)"
#define GO119	     "scav 20600 KiB work, 22392 KiB total, 65% util"
#define GO119_RESET  "scav 0 KiB work, 4232 KiB total, 98% util [controller reset]"
#define GO127	     "scav 5184 KiB work (bg), 0 KiB work (eager), 9232 KiB now, 82% util"
#define GO127_FORCED "scav 0 KiB work (bg), 7808 KiB work (eager), 12144 KiB now, 3% util (forced)"
#define LATER	     "scav 1 KiB work (bg), 2 KiB work (eager), 3 KiB now, 4% util [huge pages] (no, new)"

static const char *const whole_lines[] = {
	GO114, GO115, GO115_FORCED, GO119, GO119_RESET, GO127, GO127_FORCED, LATER,
};

#define NR_WHOLE_LINES (sizeof(whole_lines) / sizeof(whole_lines[0]))

/*
 * What a reader handed out, in its order: text as it is, a line as "<kind:text>".
 */
struct seen {
	size_t nr_lines, nr_kinds[3];
	char *all;
	size_t size, room;
};

static void append(struct seen *seen, const char *bytes, size_t size)
{
	if (seen->size + size + 1 > seen->room) {
		seen->room = 2 * (seen->size + size + 1);
		seen->all = realloc(seen->all, seen->room);
		assert_non_null(seen->all);
	}
	memcpy(seen->all + seen->size, bytes, size);
	seen->size += size;
	seen->all[seen->size] = '\0';
}

static void see_text(void *context, const char *bytes, size_t size)
{
	append(context, bytes, size);
}

static void see_line(void *context, const struct scav_line *line)
{
	static const char *const kinds[] = { "<", "<torn:", "<cut:" };
	struct seen *seen = context;

	assert_true(strlen(line->text) < TRACE_LINE_MAX);
	assert_null(strchr(line->text, '\n'));
	seen->nr_lines++;
	seen->nr_kinds[line->kind]++;
	append(seen, kinds[line->kind], strlen(kinds[line->kind]));
	append(seen, line->text, strlen(line->text));
	append(seen, ">", 1);
}

/* Feeds @stream in chunks of @chunk bytes; 0: of random sizes. Each is a copy of exact size for the sanitizers. */
static struct seen *read_stream(const char *stream, size_t size, size_t chunk)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct scav_reader_handler handler = { see_line, see_text, seen };
	struct scav_reader *reader = scav_reader_new(&handler);
	uint32_t random = 12345;

	assert_non_null(seen);
	assert_non_null(reader);
	append(seen, "", 0);
	for (size_t at = 0; at < size;) {
		size_t taken = chunk ? chunk : 1 + ((random = random * 1664525u + 1013904223u) >> 16) % 9000;
		char *copy;

		if (taken > size - at)
			taken = size - at;
		copy = malloc(taken);
		memcpy(copy, stream + at, taken);
		scav_reader_feed(reader, copy, taken);
		free(copy);
		at += taken;
	}
	scav_reader_end(reader);
	scav_reader_free(reader);
	return seen;
}

static void forget(struct seen *seen)
{
	free(seen->all);
	free(seen);
}

static void assert_sized(const char *stream, size_t size, const char *expected, size_t expected_size)
{
	static const size_t chunks[] = { 100000, 1, 2, 3, 7, 64 };

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct seen *seen = read_stream(stream, size, chunks[i]);

		assert_int_equal(seen->size, expected_size);
		assert_memory_equal(seen->all, expected, expected_size);
		forget(seen);
	}
}

/* @stream is handed out as @expected, whatever the chunks. */
static void assert_seen(const char *stream, const char *expected)
{
	assert_sized(stream, strlen(stream), expected, strlen(expected));
}

static void finds_whole_lines(void **state)
{
	char stream[512], expected[512];

	(void)state;
	for (size_t i = 0; i < NR_WHOLE_LINES; i++) {
		snprintf(stream, sizeof(stream), "%s\n", whole_lines[i]);
		snprintf(expected, sizeof(expected), "<%s>", whole_lines[i]);
		assert_seen(stream, expected);
		snprintf(stream, sizeof(stream), "before\n%s\n%s\nbehind\n", whole_lines[i], whole_lines[0]);
		snprintf(expected, sizeof(expected), "before\n<%s><%s>behind\n", whole_lines[i], whole_lines[0]);
		assert_seen(stream, expected);
	}
	assert_seen("no newline " GO127 "\nscavenger", "no newline <" GO127 ">scavenger");
	assert_seen("scascavscav" GO127 "\n", "scascavscav<" GO127 ">");
	/* A program's own words are no reason to miss a line. */
	assert_seen("scav " GO127 "\n", "scav <" GO127 ">");
	assert_seen("scav 5 KiB " GO119 "\n", "scav 5 KiB <" GO119 ">");
}

static void leaves_other_text_alone(void **state)
{
	static const char *const texts[] = {
		"",
		"s",
		"scav",
		"scavenger hunt\n",
		"scav \n",
		"scav 5 goats\n",
		"scav 5 6 goats\n",
		"scav 12 KiB of iron\n",
		"scav -\n",
		"12 KiB work (bg), 0 KiB work (eager), 1 KiB now, 2% util\n",
		"scav goods: 12 KiB work\n",
		"scav goods: 12% util\n",
		"scav 0.5 KiB work\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_seen(texts[i], texts[i]);
	assert_sized("a\0scav \0b", 9, "a\0scav \0b", 9);
}

/* Text that cannot begin a line of ours does not wait for what comes. */
static void hands_on_at_once(void **state)
{
	struct seen seen = { 0 };
	struct scav_reader_handler handler = { see_line, see_text, &seen };
	struct scav_reader *reader = scav_reader_new(&handler);

	(void)state;
	assert_non_null(reader);
	scav_reader_feed(reader, "prompt> ", 8);
	assert_string_equal(seen.all, "prompt> ");
	scav_reader_feed(reader, "scav", 4);
	assert_string_equal(seen.all, "prompt> ");
	scav_reader_feed(reader, "e", 1);
	assert_string_equal(seen.all, "prompt> scave");
	scav_reader_feed(reader, "scav x", 6);
	assert_string_equal(seen.all, "prompt> scavescav x");
	scav_reader_feed(reader, "scav 12 KiB work", 16);
	assert_string_equal(seen.all, "prompt> scavescav x");
	scav_reader_feed(reader, "shop", 4);
	assert_string_equal(seen.all, "prompt> scavescav xscav 12 KiB workshop");
	scav_reader_end(reader);
	assert_int_equal(seen.nr_lines, 0);
	scav_reader_free(reader);
	scav_reader_free(NULL);
	free(seen.all);
}

static void every_end_is_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_WHOLE_LINES; i++) {
		for (size_t size = 5; size <= strlen(whole_lines[i]); size++) {
			char expected[256];

			snprintf(expected, sizeof(expected), "<cut:%.*s>", (int)size, whole_lines[i]);
			assert_sized(whole_lines[i], size, expected, strlen(expected));
		}
	}
}

/* The operands of a line, as the runtime writes them. */
static const char *const operands_go127[] = {
	"scav ", "5184",   " KiB work (bg), ", "0", " KiB work (eager), ", "9232", " KiB now, ",
	"82",	 "% util", " (forced)",	       "\n"
};
static const char *const operands_go115[] = { "scav ",	      "6",  " ",      "16", " KiB work, ", "32784",
					      " KiB total, ", "22", "% util", "\n" };

/* @foreign between the operands @at and @at + 1, or everywhere (SIZE_MAX). */
static size_t tear(const char *const *operands, size_t nr_operands, size_t at, const char *foreign, char *stream)
{
	stream[0] = '\0';
	for (size_t i = 0; i < nr_operands; i++) {
		strcat(stream, operands[i]);
		if (i + 1 < nr_operands && (i == at || at == SIZE_MAX))
			strcat(stream, foreign);
	}
	return strlen(stream);
}

/* What can not be told from a whole line: an empty line of others at its end. */
static bool is_whole(const char *const *operands, size_t at, const char *foreign)
{
	return foreign[0] == '\n' && strcmp(operands[at], "% util") == 0;
}

static void assert_torn(const char *const *operands, size_t nr_operands, const char *foreign)
{
	for (size_t at = 0; at < nr_operands; at++) {
		size_t where = at + 1 < nr_operands ? at : SIZE_MAX;
		char stream[4096];
		size_t size = tear(operands, nr_operands, where, foreign, stream);

		if (where != SIZE_MAX && (is_whole(operands, at, foreign) || strcmp(operands[at], " (forced)") == 0))
			continue;
		for (size_t chunk = 0; chunk < 9; chunk++) {
			struct seen *seen = read_stream(stream, size, chunk);
			char *handed = strstr(seen->all, "<torn:"), *line = handed + strlen("<torn:"), *end;

			assert_int_equal(seen->nr_lines, 1);
			assert_int_equal(seen->nr_kinds[SCAV_LINE_TORN], 1);
			assert_non_null(handed);
			end = strchr(line, '>');
			assert_memory_equal(line, stream, (size_t)(end - line));
			/* Without the line it is the stream, byte by byte. */
			assert_memory_equal(seen->all, stream, (size_t)(handed - seen->all));
			assert_string_equal(end + 1, stream + (handed - seen->all));
			forget(seen);
		}
	}
}

static void torn_lines_count_once(void **state)
{
	static const char *const foreign[] = {
		"2026/11/22 22:29:00 request 6183 served\n",
		"hello\n",
		"tick",
		"\n",
		"my scav hunt\n",
		"one\ntwo\nthree KiB\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		assert_torn(operands_go127, sizeof(operands_go127) / sizeof(operands_go127[0]), foreign[i]);
		assert_torn(operands_go115, sizeof(operands_go115) / sizeof(operands_go115[0]), foreign[i]);
	}
	/* The first line of it is shown, and the order of lines is kept. */
	assert_seen(GO127 "\nscav 1hello\n KiB work (bg), 0 KiB work (eager), 9232 KiB now, 82% util\n" GO119 "\n",
		    "<" GO127 ">scav 1hello\n KiB work (bg), 0 KiB work (eager), 9232 KiB now, 82% util"
		    "<torn:scav 1hello>\n<" GO119 ">");
	assert_seen("scav 1 KiB work, 2 KiB total, 3% utilx" GO119 "\n",
		    "scav 1 KiB work, 2 KiB total, 3% utilx<torn:scav 1 KiB work, 2 KiB total, 3% utilx><" GO119 ">");
	assert_seen("scav 1 KiB work, 2 KiB total, 3% utilx",
		    "scav 1 KiB work, 2 KiB total, 3% utilx<torn:scav 1 KiB work, 2 KiB total, 3% utilx>");
	/* No number of the runtime's, as digits of others were written into it. */
	assert_seen("scav 99999999999999999999999999 KiB work, 0 KiB total, 1% util\n",
		    "scav 99999999999999999999999999 KiB work, 0 KiB total, 1% util\n"
		    "<torn:scav 99999999999999999999999999 KiB work, 0 KiB total, 1% util>");
	/* Nothing is torn that did not go on. */
	assert_seen("scav 1 KiB work, x", "scav 1 KiB work, x");
	assert_seen("scav 1 KiB work, 2scav 2 KiB work, 3\n" GO127 "\nscav ",
		    "scav 1 KiB work, 2scav 2 KiB work, 3\n<" GO127 "><cut:scav >");
}

/* What began it is forgotten after a while, and a long line is shown in part. */
static void torn_lines_are_bounded(void **state)
{
	char *stream = calloc(1, 300000);
	struct seen *seen;

	(void)state;
	assert_non_null(stream);
	strcpy(stream, "scav \n");
	memset(stream + 6, 'x', 256 * 1024 - 10);
	strcat(stream, " KiB work, 5% util\n");
	assert_seen(stream, stream);

	memset(stream, 0, 300000);
	strcpy(stream, "scav 1 KiB work, ");
	memset(stream + strlen(stream), 'x', 2000);
	strcat(stream, "5% util");
	seen = read_stream(stream, strlen(stream), 3);
	assert_int_equal(seen->nr_kinds[SCAV_LINE_TORN], 1);
	assert_int_equal(seen->size, strlen(stream) + strlen("<torn:>") + TRACE_LINE_MAX - 1);
	forget(seen);

	/* Notes without end. */
	memset(stream, 0, 300000);
	strcpy(stream, GO119);
	while (strlen(stream) < 30000)
		strcat(stream, " (a)");
	seen = read_stream(stream, strlen(stream), 5);
	assert_int_equal(seen->nr_lines, 1);
	assert_int_equal(seen->nr_kinds[SCAV_LINE_TORN], 1);
	forget(seen);
	free(stream);
}

static const char *const pieces[] = {
	"scav ",
	"scav 1",
	"\n",
	"1",
	"scav 1 KiB work, ",
	" KiB work (bg), ",
	"KiB work",
	"% util",
	"s",
	"scav",
	GO127,
	" (forced)",
	" [",
	" (",
	"hello\n",
	"scav 1 KiB work, 2 KiB total, 3% util",
	" ",
	"]",
	"2026 x\n",
	GO115 "\n",
};

#define NR_PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* Random mixtures: whatever the chunks, the same comes out in the same order. */
static void chunks_do_not_matter(void **state)
{
	char *stream = malloc(21000);
	uint32_t random = 20260102;

	(void)state;
	assert_non_null(stream);
	for (int round = 0; round < 60; round++) {
		size_t kinds = 2 + (size_t)round % 8, first = (size_t)round * 5, size = 0;

		while (size < 20000) {
			size_t piece;

			random = random * 1664525u + 1013904223u;
			piece = (first + 7 * ((random >> 16) % kinds)) % NR_PIECES;
			memcpy(stream + size, pieces[piece], strlen(pieces[piece]));
			size += strlen(pieces[piece]);
		}
		struct seen *one = read_stream(stream, size, 4096);

		for (size_t chunk = 0; chunk < 120; chunk = chunk * 2 + 1) {
			struct seen *other = read_stream(stream, size, chunk);

			assert_int_equal(one->size, other->size);
			assert_memory_equal(one->all, other->all, one->size);
			forget(other);
		}
		forget(one);
	}
	free(stream);
}

struct named {
	const char *name, *text;
	bool flag;
};

static void assert_split(const char *line, const struct named *named, size_t count)
{
	struct trace_field fields[TRACE_FIELDS_MAX];

	assert_int_equal(scav_line_split(line, fields), count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(fields[i].name, named[i].name);
		assert_int_equal(fields[i].length, strlen(named[i].text));
		assert_memory_equal(fields[i].text, named[i].text, fields[i].length);
		assert_int_equal(fields[i].flag, named[i].flag);
	}
}

#define ASSERT_SPLIT(line, ...)                                                                                        \
	assert_split(line, (const struct named[]){ __VA_ARGS__ },                                                      \
		     sizeof((const struct named[]){ __VA_ARGS__ }) / sizeof(struct named))

static void splits_lines(void **state)
{
	(void)state;
	ASSERT_SPLIT(GO114, { "work", "8", false }, { "released_now", "63840", false }, { "utilization", "7", false });
	ASSERT_SPLIT(GO115_FORCED, { "generation", "7", false }, { "work", "4096", false },
		     { "released_now", "32864", false }, { "utilization", "57", false }, { "forced", "forced", true });
	ASSERT_SPLIT(GO119_RESET, { "work", "0", false }, { "released_now", "4232", false },
		     { "utilization", "98", false }, { "controller_reset", "controller reset", true });
	ASSERT_SPLIT(GO127, { "work_background", "5184", false }, { "work_eager", "0", false },
		     { "released_now", "9232", false }, { "utilization", "82", false });
	ASSERT_SPLIT(LATER, { "work_background", "1", false }, { "work_eager", "2", false },
		     { "released_now", "3", false }, { "utilization", "4", false },
		     { "huge_pages", "huge pages", true }, { "no__new", "no, new", true });
	/* gctap shows as "?" what it could not read. */
	ASSERT_SPLIT("scav ? ? KiB work, ? KiB total, ?% util", { "generation", "?", false }, { "work", "?", false },
		     { "released_now", "?", false }, { "utilization", "?", false });
	ASSERT_SPLIT("scav ? KiB work (bg), 0 KiB work (eager), 1 KiB now, ?% util (forced)",
		     { "work_background", "?", false }, { "work_eager", "0", false }, { "released_now", "1", false },
		     { "utilization", "?", false }, { "forced", "forced", true });
}

static void refuses_to_split(void **state)
{
	struct trace_field fields[TRACE_FIELDS_MAX];
	char many[2048] = GO119;

	(void)state;
	for (size_t i = 0; i < NR_WHOLE_LINES; i++) {
		char text[256];

		/* No line without its end, but where a note is only cut off. */
		for (size_t size = 0; size < strlen(whole_lines[i]); size++) {
			const char *util = strstr(whole_lines[i], "% util");

			snprintf(text, sizeof(text), "%.*s", (int)size, whole_lines[i]);
			if (text[0] && strcmp(text + strlen(text) - 1, ")") != 0 &&
			    strcmp(text + strlen(text) - 1, "]") != 0 &&
			    size != (size_t)(util - whole_lines[i]) + strlen("% util"))
				assert_int_equal(scav_line_split(text, fields), -EINVAL);
		}
		snprintf(text, sizeof(text), "%s ", whole_lines[i]);
		assert_int_equal(scav_line_split(text, fields), -EINVAL);
		snprintf(text, sizeof(text), "%s\n", whole_lines[i]);
		assert_int_equal(scav_line_split(text, fields), -EINVAL);
		snprintf(text, sizeof(text), "x%s", whole_lines[i]);
		assert_int_equal(scav_line_split(text, fields), -EINVAL);
	}
	assert_int_equal(scav_line_split("", fields), -EINVAL);
	assert_int_equal(scav_line_split("scav 5 6 7 KiB work, 1 KiB total, 1% util", fields), -EINVAL);
	assert_int_equal(scav_line_split("scav 01 KiB work, 1 KiB total, 1% util", fields), -EINVAL);
	for (int i = 0; i < 60; i++)
		strcat(many, " (a)");
	assert_int_equal(scav_line_split(many, fields), TRACE_FIELDS_MAX);
	while (strlen(many) < TRACE_LINE_MAX)
		strcat(many, " (a)");
	assert_int_equal(scav_line_split(many, fields), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_whole_lines),	 cmocka_unit_test(leaves_other_text_alone),
		cmocka_unit_test(hands_on_at_once),	 cmocka_unit_test(every_end_is_truncated),
		cmocka_unit_test(torn_lines_count_once), cmocka_unit_test(torn_lines_are_bounded),
		cmocka_unit_test(chunks_do_not_matter),	 cmocka_unit_test(splits_lines),
		cmocka_unit_test(refuses_to_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
