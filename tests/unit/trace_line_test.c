// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/trace_line.h"

/* Printed by Go 1.19.8. */
#define GO119                                                                                                          \
	"gc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 ms cpu, "                                 \
	"30->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P"
#define GO119_FORCED                                                                                                   \
	"gc 17 @0.089s 2%: 0.23+0.20+0.004 ms clock, 0.46+0/0.25/0+0.008 ms cpu, "                                     \
	"35->35->35 MB, 63 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)"
/* The form of Go 1.8 to 1.17. */
#define GO115                                                                                                          \
	"gc 3 @12.007s 11%: 0.066+55+0.005 ms clock, 0.26+1.5/103/0.20+0.021 ms cpu, "                                 \
	"5->6->2 MB, 7 MB goal, 4 P"
#define GO126_LEAK                                                                                                     \
	"gc 9 @1.000s 0% (checking for goroutine leaks): 0.1+0.2+0.3 ms clock, "                                       \
	"0.1+0/0/0+0.1 ms cpu, 1->1->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 8 P (forced)"
#define LATER                                                                                                          \
	"gc 1 @0.001s 0% (odd, new): 1+2+3 ms clock, 1+2/3/4+5 ms cpu, 1->2->3 MB, 4 MB goal, "                        \
	"5 MB stacks, 6 MB globals, 7 MB user arenas, 8 KiB bits, 9 P (forced) (again)"

/* What a reader handed out. */
struct seen {
	size_t nr_lines;
	enum trace_line_kind kinds[4096];
	uint32_t cycles[4096];
	bool read[4096];
	char *texts[4096];
	char *text; /* all that is not ours */
	size_t size, room;
};

static void see_line(void *context, const struct trace_line *line)
{
	struct seen *seen = context;

	assert_true(seen->nr_lines < 4096);
	assert_true(strlen(line->text) < TRACE_LINE_MAX);
	assert_null(strchr(line->text, '\n'));
	seen->kinds[seen->nr_lines] = line->kind;
	seen->cycles[seen->nr_lines] = line->cycle;
	seen->read[seen->nr_lines] = line->cycle_read;
	seen->texts[seen->nr_lines++] = strdup(line->text);
}

static void see_text(void *context, const char *bytes, size_t size)
{
	struct seen *seen = context;

	if (seen->size + size + 1 > seen->room) {
		seen->room = 2 * (seen->size + size + 1);
		seen->text = realloc(seen->text, seen->room);
		assert_non_null(seen->text);
	}
	memcpy(seen->text + seen->size, bytes, size);
	seen->size += size;
	seen->text[seen->size] = '\0';
}

/* Feeds @stream in chunks of @chunk bytes, 0: of random sizes. */
static struct seen *read_stream(const char *stream, size_t size, size_t chunk)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	struct trace_reader_handler handler = { see_line, see_text, seen };
	struct trace_reader *reader = trace_reader_new(&handler);
	uint32_t random = 12345;

	assert_non_null(seen);
	assert_non_null(reader);
	see_text(seen, "", 0);
	for (size_t at = 0; at < size;) {
		size_t taken = chunk;

		if (!taken)
			taken = 1 + ((random = random * 1664525u + 1013904223u) >> 16) % 9000;
		if (taken > size - at)
			taken = size - at;
		/* A copy of exact size: a sanitizer sees a read behind it. */
		char *copy = malloc(taken);
		memcpy(copy, stream + at, taken);
		trace_reader_feed(reader, copy, taken);
		free(copy);
		at += taken;
	}
	trace_reader_end(reader);
	trace_reader_free(reader);
	return seen;
}

static void forget(struct seen *seen)
{
	for (size_t i = 0; i < seen->nr_lines; i++)
		free(seen->texts[i]);
	free(seen->text);
	free(seen);
}

/* One line of @kind with @cycle and @line, and @text beside it, whatever the chunks. */
static void assert_one(const char *stream, enum trace_line_kind kind, uint32_t cycle, bool read, const char *line,
		       const char *text)
{
	static const size_t chunks[] = { 100000, 1, 2, 3, 7, 64 };

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct seen *seen = read_stream(stream, strlen(stream), chunks[i]);

		assert_int_equal(seen->nr_lines, 1);
		assert_string_equal(seen->texts[0], line);
		assert_int_equal(seen->kinds[0], kind);
		assert_int_equal(seen->cycles[0], cycle);
		assert_int_equal(seen->read[0], read);
		assert_string_equal(seen->text, text);
		forget(seen);
	}
}

static void finds_whole_lines(void **state)
{
	(void)state;
	assert_one(GO119 "\n", TRACE_LINE_WHOLE, 16, true, GO119, "");
	assert_one(GO119_FORCED "\n", TRACE_LINE_WHOLE, 17, true, GO119_FORCED, "");
	assert_one(GO115 "\n", TRACE_LINE_WHOLE, 3, true, GO115, "");
	assert_one(GO126_LEAK "\n", TRACE_LINE_WHOLE, 9, true, GO126_LEAK, "");
	assert_one(LATER "\n", TRACE_LINE_WHOLE, 1, true, LATER, "");
	assert_one("some text" GO119 "\nmore\n", TRACE_LINE_WHOLE, 16, true, GO119, "some textmore\n");
	assert_one("GC forced\n" GO119 "\nscav 0 KiB work\n", TRACE_LINE_WHOLE, 16, true, GO119,
		   "GC forced\nscav 0 KiB work\n");
	/* Two lines back to back in one chunk. */
	struct seen *seen = read_stream(GO119 "\n" GO119_FORCED "\n", sizeof(GO119) + sizeof(GO119_FORCED), 0);

	assert_int_equal(seen->nr_lines, 2);
	assert_string_equal(seen->texts[1], GO119_FORCED);
	assert_int_equal(seen->size, 0);
	forget(seen);
}

static void leaves_other_text_alone(void **state)
{
	static const char *const texts[] = {
		"",
		"g",
		"gc",
		"log",
		"\n",
		"a\0b",
		"gc stats: none\n",
		"gc 5 objects freed\n",
		"gc 5\n",
		"gcc 12 @home\n",
		"GC forced\n",
		"magic number\ngc\n",
		"gc 99999999999999999999 @1.000s\n",
		"gc - @\n",
		"gc 5 @home\n again",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (size_t chunk = 0; chunk < 4; chunk++) {
			struct seen *seen = read_stream(texts[i], strlen(texts[i]), chunk);

			assert_string_equal(seen->text, texts[i]);
			if (i + 1 < sizeof(texts) / sizeof(texts[0]))
				assert_int_equal(seen->nr_lines, 0);
			else
				assert_int_equal(seen->kinds[0], TRACE_LINE_TORN);
			forget(seen);
		}
	}
}

static void rejoins_lines(void **state)
{
	(void)state;
	assert_one("gc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/hello\n"
		   "0.23/0+0.048 ms cpu, 30->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
		   TRACE_LINE_REJOINED, 16, true, GO119, "hello\n");
	/* Digits behind numbers that cannot have more of them. */
	assert_one("gc 16 @0.1142026/01/02 x\ns 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0"
		   "2026 y\n+0.0482026 z\n ms cpu, 30->31->30 MB, 31 MB goal, 0 MB stacks, "
		   "0 MB globals, 2 P\n",
		   TRACE_LINE_REJOINED, 16, true, GO119, "2026/01/02 x\n2026 y\n2026 z\n");
	/* The number of the cycle that comes is known: not 12. */
	assert_one("gc 12 o'clock\n @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 "
		   "ms cpu, 30->31->30 MB, 31 MB goal, 2 P\n",
		   TRACE_LINE_REJOINED, 1, true,
		   "gc 1 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 "
		   "ms cpu, 30->31->30 MB, 31 MB goal, 2 P",
		   "2 o'clock\n");
	/* Before the remark and before the newline. */
	assert_one("gc 17 @0.089s 2%: 0.23+0.20+0.004 ms clock, 0.46+0/0.25/0+0.008 ms cpu, "
		   "35->35->35 MB, 63 MB goal, 0 MB stacks, 0 MB globals, 2 Phello\n (forced)you\n\n",
		   TRACE_LINE_REJOINED, 17, true, GO119_FORCED, "hello\nyou\n");
	/* 30 or 3, 0 wolves: the line before tells. */
	assert_one("4 wolves\ngc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 "
		   "ms cpu, 30 wolves\n->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
		   TRACE_LINE_TORN, 16, true,
		   "gc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 "
		   "ms cpu, 30 wolves",
		   "4 wolves\ngc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 "
		   "ms cpu, 30 wolves\n->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P\n");
	/* Not 31, though the line before begins with what 23 begins with. */
	assert_one("23ms elapsed\ngc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, "
		   "0.85+0.068/0.23/0+0.048 ms cpu, 3123ms elapsed\n->31->30 MB, 31 MB goal, 2 P\n",
		   TRACE_LINE_TORN, 16, true,
		   "gc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 ms cpu, "
		   "3123ms elapsed",
		   "23ms elapsed\ngc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, "
		   "0.85+0.068/0.23/0+0.048 ms cpu, 3123ms elapsed\n->31->30 MB, 31 MB goal, 2 P\n");
	assert_one("2026/01/01 wolves\ngc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, "
		   "0.85+0.068/0.23/0+0.048 ms cpu, 302026/01/02 wolves\n"
		   "->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
		   TRACE_LINE_REJOINED, 16, true, GO119, "2026/01/01 wolves\n2026/01/02 wolves\n");
}

/* Go 1.19.8, a goroutine calling log.Printf without rest. */
static const char torn_by_log[] =
	"2026/11/22 22:29:00 request 6183 served\n"
	"gc 7 @0.029s 8%: 0.45+0.16+0.023 ms clock, 0.90+02026/11/22 22:29:00 request 6184 served\n"
	"/0.202026/11/22 22:29:00 request 6185 served\n"
	"/02026/11/22 22:29:00 request 6186 served\n"
	"+0.0462026/11/22 22:29:00 request 6187 served\n"
	" ms cpu, 622026/11/22 22:29:00 request 6188 served\n"
	"->622026/11/22 22:29:00 request 6189 served\n"
	"->02026/11/22 22:29:00 request 6190 served\n"
	" MB, 862026/11/22 22:29:00 request 6191 served\n"
	" MB goal, 02026/11/22 22:29:00 request 6192 served\n"
	" MB stacks, 02026/11/22 22:29:00 request 6193 served\n"
	" MB globals, 22026/11/22 22:29:00 request 6194 served\n"
	" P (forced)2026/11/22 22:29:00 request 6195 served\n"
	"\n";

static void rejoins_a_real_line(void **state)
{
	struct seen *seen = read_stream(torn_by_log, strlen(torn_by_log), 0);
	size_t requests = 0;

	(void)state;
	assert_int_equal(seen->nr_lines, 1);
	assert_int_equal(seen->kinds[0], TRACE_LINE_REJOINED);
	assert_string_equal(seen->texts[0], "gc 7 @0.029s 8%: 0.45+0.16+0.023 ms clock, 0.90+0/0.20/0+0.046 ms cpu, "
					    "62->62->0 MB, 86 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)");
	for (char *line = seen->text; *line; line = strchr(line, '\n') + 1) {
		assert_int_equal(strncmp(line, "2026/11/22 22:29:00 request ", 28), 0);
		requests++;
	}
	assert_int_equal(requests, 13);
	forget(seen);
}

static void reports_torn_and_truncated(void **state)
{
	(void)state;
	assert_one("gc 5 @foo0.123s 0%: 0.1+0.2+0.3 ms clock\n", TRACE_LINE_TORN, 5, true,
		   "gc 5 @foo0.123s 0%: 0.1+0.2+0.3 ms clock", "gc 5 @foo0.123s 0%: 0.1+0.2+0.3 ms clock\n");
	/* The number itself is torn. */
	assert_one("gc tick5 @tick0.123s 0%: 0.1+0.2+0.3 ms clock, 1 P\n", TRACE_LINE_TORN, 1, false,
		   "gc tick5 @tick0.123s 0%: 0.1+0.2+0.3 ms clock, 1 P",
		   "gc tick5 @tick0.123s 0%: 0.1+0.2+0.3 ms clock, 1 P\n");
	assert_one("bye\ngc ", TRACE_LINE_TRUNCATED, 1, false, "gc ", "bye\n");
	assert_one("gc 12", TRACE_LINE_TRUNCATED, 12, true, "gc 12", "");
	assert_one("gc 12 @0.0", TRACE_LINE_TRUNCATED, 12, true, "gc 12 @0.0", "");
	assert_one(GO119, TRACE_LINE_TRUNCATED, 16, true, GO119, "");
	/* Every possible end. */
	for (size_t size = 3; size < sizeof(GO126_LEAK); size++) {
		struct seen *seen = read_stream(GO126_LEAK, size, 5);

		assert_int_equal(seen->nr_lines, 1);
		assert_int_equal(seen->kinds[0], TRACE_LINE_TRUNCATED);
		assert_int_equal(seen->size, 0);
		forget(seen);
	}
}

/* Adds up what comes out of a reader: no byte of the stream may be lost or come twice. */
struct account {
	size_t bytes; /* text, and lines that are not text as well */
	size_t kinds[4];
};

static void account_line(void *context, const struct trace_line *line)
{
	struct account *account = context;

	account->kinds[line->kind]++;
	if (line->kind == TRACE_LINE_WHOLE || line->kind == TRACE_LINE_REJOINED)
		account->bytes += strlen(line->text) + 1;
	else if (line->kind == TRACE_LINE_TRUNCATED)
		account->bytes += strlen(line->text);
}

static void account_text(void *context, const char *bytes, size_t size)
{
	struct account *account = context;

	(void)bytes;
	account->bytes += size;
}

static struct account account_of(const char *stream, size_t size)
{
	struct account account = { 0 };
	struct trace_reader_handler handler = { account_line, account_text, &account };
	struct trace_reader *reader = trace_reader_new(&handler);

	assert_non_null(reader);
	trace_reader_feed(reader, stream, size);
	trace_reader_end(reader);
	trace_reader_free(reader);
	return account;
}

static const char *const pieces[] = {
	"gc ",
	"gc 1 @",
	"gc 1",
	"\n",
	"1",
	".",
	"gc \n",
	"gc 1 @\n",
	"x (y)\n",
	" P\n",
	" MB, ",
	"g",
	"gc 1 @1.000s 1%: \n",
	"gc 4 @0.001s 0% (",
	"gc 1 @1.000s 11\n)\n",
	"0",
	"2026 x\n",
	"+",
	"gc 1 @0.001s 0%: 0+0+0 ms clock, 0+0/0/0+0 ms cpu, 1->1->1 MB, 1 MB a, ",
	"1 MB a, ",
	"\0",
	"gc 1 @0.001s 0%: 0+0+0 ms clock, 0+0/0/0+0 ms cpu, 1111\n\n",
	GO119,
	" (forced)\n",
	"->",
	"gc 4294967295 @9999999999999999999999999999999999999999.000s ",
	"s ",
	"%: ",
	" ms clock, ",
};

#define NR_PIECES     (sizeof(pieces) / sizeof(pieces[0]))
#define HOSTILE_BYTES 40000

static uint32_t next_random(uint32_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random;
}

static size_t append_piece(char *stream, size_t at, size_t piece)
{
	size_t length = strlen(pieces[piece]) ? strlen(pieces[piece]) : 1;

	memcpy(stream + at, pieces[piece], length);
	return at + length;
}

static void survives_hostile_streams(void **state)
{
	char *stream = malloc(HOSTILE_BYTES + 1024);
	uint32_t random = 20260102;
	size_t size;

	(void)state;
	assert_non_null(stream);
	for (size_t i = 0; i < NR_PIECES; i++) {
		for (size = 0; size < HOSTILE_BYTES;)
			size = append_piece(stream, size, i);
		assert_int_equal(account_of(stream, size).bytes, size);
	}
	for (int round = 0; round < 40; round++) {
		/* Few kinds of pieces in a stream go deeper than all of them. */
		size_t first = next_random(&random) % NR_PIECES, kinds = 2 + (size_t)round % 8;

		for (size = 0; size < HOSTILE_BYTES;)
			size = append_piece(stream, size, (first + 7 * (next_random(&random) % kinds)) % NR_PIECES);
		assert_int_equal(account_of(stream, size).bytes, size);
	}
	free(stream);
}

/* A line as the runtime writes it: one string per operand. */
struct operands {
	size_t count;
	char texts[80][40];
};

static void operand(struct operands *operands, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(operands->texts[operands->count++], 40, format, arguments);
	va_end(arguments);
}

/* The runtime's fmtNSAsMS. */
static void operand_ms(struct operands *operands, uint64_t ns)
{
	uint64_t us = ns / 1000, scale = 1000;
	unsigned int decimals = 3;

	if (ns >= 10000000) {
		operand(operands, "%" PRIu64, ns / 1000000);
		return;
	}
	if (us == 0) {
		operand(operands, "0");
		return;
	}
	for (; us >= 100; us /= 10, scale /= 10)
		decimals--;
	operand(operands, "%" PRIu64 ".%0*" PRIu64, us / scale, decimals, us % scale);
}

static uint64_t random_ns(uint32_t *random)
{
	static const uint64_t limits[] = { 1, 900, 90000, 900000, 9000000, 90000000, 9000000000 };

	uint64_t limit = limits[next_random(random) % 7];

	return next_random(random) % limit;
}

static void make_line(struct operands *operands, uint32_t cycle, uint32_t *random)
{
	static const char *const times[] = {
		"+", "+", " ms clock, ", "+", "/", "/", "+", " ms cpu, ",
	};
	static const char *const sizes[] = {
		"->", "->", " MB, ", " MB goal, ", " MB stacks, ", " MB globals, ",
	};
	size_t nr_sizes = next_random(random) % 4 ? 6 : 4;

	operands->count = 0;
	operand(operands, "gc ");
	operand(operands, "%u", cycle);
	operand(operands, " @");
	operand(operands, "%u.%03u", cycle / 7, next_random(random) % 1000);
	operand(operands, "s ");
	operand(operands, "%u", next_random(random) % 30);
	operand(operands, "%%");
	if (next_random(random) % 9 == 0)
		operand(operands, " (checking for goroutine leaks)");
	operand(operands, ": ");
	for (size_t i = 0; i < 8; i++) {
		operand_ms(operands, random_ns(random));
		operand(operands, "%s", times[i]);
	}
	for (size_t i = 0; i < nr_sizes; i++) {
		operand(operands, "%u", next_random(random) % (i > 3 ? 3 : 4000));
		operand(operands, "%s", sizes[i]);
	}
	operand(operands, "%u", 1 + next_random(random) % 128);
	operand(operands, " P");
	if (next_random(random) % 5 == 0)
		operand(operands, " (forced)");
	operand(operands, "\n");
}

/* Others that write to the same standard error. */
enum writer {
	WRITER_NONE,
	WRITER_LOG, /* Go's log: digits first */
	WRITER_PLAIN,
	WRITER_JSON,
	WRITER_DIGITS, /* digits that could be ours, each line different */
	WRITER_ALL,    /* any of the above */
	WRITER_BITS,   /* without newline */
	WRITERS,
};

static void append(char *stream, size_t *size, const char *text)
{
	memcpy(stream + *size, text, strlen(text));
	*size += strlen(text);
}

static void write_foreign(char *stream, size_t *size, enum writer writer, uint32_t *random)
{
	char text[100] = "";

	if (writer == WRITER_ALL)
		writer = 1 + next_random(random) % (WRITER_ALL - 1);
	if (writer == WRITER_LOG)
		sprintf(text, "2026/11/22 22:29:00 request %u served\n", *random % 10000);
	else if (writer == WRITER_PLAIN)
		sprintf(text, "hello from the program\n");
	else if (writer == WRITER_JSON)
		sprintf(text, "{\"level\":\"info\",\"n\":%u}\n", *random % 10000);
	else if (writer == WRITER_DIGITS)
		sprintf(text, "%ums elapsed\n", next_random(random) % 1000);
	else if (writer == WRITER_BITS)
		sprintf(text, "tick");
	append(stream, size, text);
}

#define TORN_CYCLES 400

struct torn_stream {
	char bytes[TORN_CYCLES * 4096];
	size_t size;
	char lines[TORN_CYCLES][300]; /* what the runtime printed */
	char foreign[TORN_CYCLES * 4096];
	size_t foreign_size;
};

/* Between two operands others write with a chance of one in @rarely. */
static void make_torn_stream(struct torn_stream *stream, enum writer writer, uint32_t rarely, uint32_t *random)
{
	struct operands operands;

	memset(stream, 0, sizeof(*stream));
	for (uint32_t cycle = 1; cycle <= TORN_CYCLES; cycle++) {
		char *line = stream->lines[cycle - 1];

		make_line(&operands, cycle, random);
		for (size_t i = 0; i < operands.count; i++) {
			strcat(line, operands.texts[i]);
			append(stream->bytes, &stream->size, operands.texts[i]);
			while (next_random(random) % rarely == 0) {
				size_t before = stream->size;

				write_foreign(stream->bytes, &stream->size, writer, random);
				append(stream->foreign, &stream->foreign_size, stream->bytes + before);
			}
		}
		line[strlen(line) - 1] = '\0';
	}
}

/*
 * Whatever others write: the cycles come in order, nearly each of them, and
 * what is called whole or rejoined is exactly what was printed. Returns how
 * many are.
 */
static size_t check_torn_stream(const struct torn_stream *stream, size_t chunk)
{
	struct seen *seen = read_stream(stream->bytes, stream->size, chunk);
	size_t known = 0;

	assert_in_range(seen->nr_lines, TORN_CYCLES * 99 / 100, TORN_CYCLES);
	for (size_t i = 0; i < seen->nr_lines; i++) {
		assert_true(i == 0 || seen->cycles[i] > seen->cycles[i - 1]);
		assert_in_range(seen->cycles[i], 1, TORN_CYCLES);
		assert_int_not_equal(seen->kinds[i], TRACE_LINE_TRUNCATED);
		if (seen->kinds[i] == TRACE_LINE_TORN)
			continue;
		assert_string_equal(seen->texts[i], stream->lines[seen->cycles[i] - 1]);
		known++;
	}
	if (known == TORN_CYCLES) {
		assert_int_equal(seen->size, stream->foreign_size);
		assert_memory_equal(seen->text, stream->foreign, seen->size);
	}
	assert_int_equal(account_of(stream->bytes, stream->size).bytes, stream->size);
	forget(seen);
	return known;
}

/* What comes out may not depend on how the stream was cut into chunks. */
static void assert_chunks_do_not_matter(const struct torn_stream *stream)
{
	struct seen *one = read_stream(stream->bytes, stream->size, 4096);
	struct seen *other = read_stream(stream->bytes, stream->size, 61);

	assert_int_equal(one->nr_lines, other->nr_lines);
	for (size_t i = 0; i < one->nr_lines; i++) {
		assert_int_equal(one->kinds[i], other->kinds[i]);
		assert_int_equal(one->cycles[i], other->cycles[i]);
		assert_string_equal(one->texts[i], other->texts[i]);
	}
	assert_int_equal(one->size, other->size);
	assert_memory_equal(one->text, other->text, one->size);
	forget(one);
	forget(other);
}

static void never_invents_a_line(void **state)
{
	static const uint32_t rarely[] = { 2, 5, 20, 400 };
	struct torn_stream *stream = malloc(sizeof(*stream));
	uint32_t random = 19;

	(void)state;
	assert_non_null(stream);
	for (enum writer writer = WRITER_NONE; writer < WRITERS; writer++) {
		for (size_t i = 0; i < sizeof(rarely) / sizeof(rarely[0]); i++) {
			size_t known;

			make_torn_stream(stream, writer, writer ? rarely[i] : 1000000000, &random);
			known = check_torn_stream(stream, 0);
			assert_chunks_do_not_matter(stream);
			if (writer == WRITER_NONE)
				assert_int_equal(known, TORN_CYCLES);
			else if (writer <= WRITER_JSON && rarely[i] > 2)
				assert_in_range(known, TORN_CYCLES * 95 / 100, TORN_CYCLES);
		}
	}
	free(stream);
}

static void assert_field(const struct trace_field *field, const char *name, const char *text, bool flag)
{
	assert_string_equal(field->name, name);
	assert_int_equal(field->length, strlen(text));
	assert_memory_equal(field->text, text, field->length);
	assert_int_equal(field->flag, flag);
}

struct named {
	const char *name, *text;
	bool flag;
};

static void assert_split(const char *line, const struct named *named, size_t count)
{
	struct trace_field fields[TRACE_FIELDS_MAX];

	assert_int_equal(trace_line_split(line, fields), count);
	for (size_t i = 0; i < count; i++)
		assert_field(&fields[i], named[i].name, named[i].text, named[i].flag);
}

static void splits_lines(void **state)
{
	static const struct named old[] = {
		{ "cycle", "3", false },
		{ "start_seconds", "12.007", false },
		{ "cpu_percent", "11", false },
		{ "clock_sweep_term", "0.066", false },
		{ "clock_mark", "55", false },
		{ "clock_mark_term", "0.005", false },
		{ "cpu_sweep_term", "0.26", false },
		{ "cpu_assist", "1.5", false },
		{ "cpu_background", "103", false },
		{ "cpu_idle", "0.20", false },
		{ "cpu_mark_term", "0.021", false },
		{ "heap_start", "5", false },
		{ "heap_end", "6", false },
		{ "heap_marked", "2", false },
		{ "heap_goal", "7", false },
		{ "processors", "4", false },
	};
	static const struct named later[] = {
		{ "cycle", "1", false },
		{ "start_seconds", "0.001", false },
		{ "cpu_percent", "0", false },
		{ "odd__new", "odd, new", true },
		{ "clock_sweep_term", "1", false },
		{ "clock_mark", "2", false },
		{ "clock_mark_term", "3", false },
		{ "cpu_sweep_term", "1", false },
		{ "cpu_assist", "2", false },
		{ "cpu_background", "3", false },
		{ "cpu_idle", "4", false },
		{ "cpu_mark_term", "5", false },
		{ "heap_start", "1", false },
		{ "heap_end", "2", false },
		{ "heap_marked", "3", false },
		{ "heap_goal", "4", false },
		{ "stacks", "5", false },
		{ "globals", "6", false },
		{ "user_arenas", "7", false },
		{ "KiB_bits", "8", false },
		{ "processors", "9", false },
		{ "forced", "forced", true },
		{ "again", "again", true },
	};
	struct trace_field fields[TRACE_FIELDS_MAX];

	(void)state;
	assert_split(GO115, old, sizeof(old) / sizeof(old[0]));
	assert_split(LATER, later, sizeof(later) / sizeof(later[0]));
	assert_int_equal(trace_line_split(GO119, fields), 18);
	assert_int_equal(trace_line_split(GO119_FORCED, fields), 19);
	assert_field(&fields[18], "forced", "forced", true);
	assert_int_equal(trace_line_split(GO126_LEAK, fields), 20);
	assert_field(&fields[3], "goroutine_leak_check", "checking for goroutine leaks", true);
	/* gctap shows as "?" what it could not read. */
	assert_int_equal(trace_line_split("gc 3 @?s 11%: ?+55+0.005 ms clock, 0.26+1.5/103/?+0.021 "
					  "ms cpu, 5->6->? MB, ? MB goal, 4 P",
					  fields),
			 16);
	assert_field(&fields[14], "heap_goal", "?", false);
}

static void refuses_to_split(void **state)
{
	struct trace_field fields[TRACE_FIELDS_MAX];
	char *many = calloc(1, 8192);

	(void)state;
	assert_int_equal(trace_line_split("", fields), -EINVAL);
	assert_int_equal(trace_line_split("gc 5", fields), -EINVAL);
	assert_int_equal(trace_line_split(GO119 " ", fields), -EINVAL);
	assert_int_equal(trace_line_split(GO119 "\n", fields), -EINVAL);
	assert_int_equal(trace_line_split(GO119 "\n" GO119, fields), -EINVAL);
	assert_int_equal(trace_line_split("x" GO119, fields), -EINVAL);
	assert_non_null(many);
	strcpy(many, GO115);
	many[strlen(many) - strlen("4 P")] = '\0';
	for (int i = 0; i < 40; i++)
		strcat(many, "1 MB a, ");
	strcat(many, "4 P");
	assert_int_equal(trace_line_split(many, fields), TRACE_FIELDS_MAX);
	for (size_t length = strlen(many); length < 8000; length = strlen(many))
		strcat(many, " (a)");
	assert_int_equal(trace_line_split(many, fields), -EINVAL);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_whole_lines),
		cmocka_unit_test(leaves_other_text_alone),
		cmocka_unit_test(rejoins_lines),
		cmocka_unit_test(rejoins_a_real_line),
		cmocka_unit_test(reports_torn_and_truncated),
		cmocka_unit_test(survives_hostile_streams),
		cmocka_unit_test(never_invents_a_line),
		cmocka_unit_test(splits_lines),
		cmocka_unit_test(refuses_to_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
