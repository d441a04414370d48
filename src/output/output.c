// SPDX-License-Identifier: BSD-2-Clause
/* output: the descriptor, and writes of whole lines, so that a reader sees no half ones. */
#include "gctap/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emitter.h"

#define GRACE_MS    1000   /* for a reader, when we are asked to end */
#define BATCH_BYTES 65536u /* of added lines that wait for a flush at most */

struct output {
	struct output_options options;
	const struct emitter *emitter;
	const char *name; /* for words to the user */
	char *path;	  /* NULL: stdout */
	int fd;
	bool may_block; /* a pipe, a terminal: somebody has to read */
	int error;	/* the first failed write; a stream with a hole in it is not continued */
	off_t whole;	/* bytes of whole lines written */
	struct line line;
};

static const struct emitter *emitter_of(enum output_format format)
{
	switch (format) {
	case OUTPUT_GCTRACE: return &emitter_gctrace;
	case OUTPUT_SCVG: return &emitter_scvg;
	case OUTPUT_JSON: return &emitter_json;
	case OUTPUT_CSV: return &emitter_csv;
	}
	return NULL;
}

static int failed(const struct output *output, int error, struct failure *failure)
{
	if (error == -EPIPE)
		return failure_set(failure, error, "the reader of %s has gone", output->name);
	if (error == -EINTR)
		return failure_set(failure, error, "nobody reads %s: what was not written yet is lost", output->name);
	return failure_set(failure, error, "cannot write to %s: %s", output->name, strerror(-error));
}

/* Until @fd takes something. Who is asked to end waits no longer than a while for a reader. */
static int wait_writable(const struct output *output)
{
	struct pollfd fds[] = { { .fd = output->fd, .events = POLLOUT },
				{ .fd = output->options.wake_fd, .events = POLLIN } };

	if (poll(fds, output->options.wake_fd ? 2 : 1, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents || !fds[1].revents)
		return 0;
	return poll(fds, 1, GRACE_MS) == 0 ? -EINTR : 0;
}

/* No more than a pipe that has room takes without blocking, and whole lines where they fit. */
static size_t portion(const struct output *output, const char *bytes, size_t size)
{
	const char *newline;

	if (!output->may_block || size <= PIPE_BUF)
		return size;
	newline = memrchr(bytes, '\n', PIPE_BUF);
	return newline ? (size_t)(newline - bytes) + 1 : PIPE_BUF;
}

/* @done: bytes that went out, also when the rest did not. */
static int write_all(const struct output *output, const char *bytes, size_t size, size_t *done)
{
	int error = 0;

	for (*done = 0; *done < size && !error;) {
		ssize_t written;

		error = output->may_block ? wait_writable(output) : 0;
		if (error)
			break;
		written = write(output->fd, bytes + *done, portion(output, bytes + *done, size - *done));
		if (written >= 0)
			*done += (size_t)written;
		else if (errno == EAGAIN)
			error = wait_writable(output);
		else if (errno != EINTR)
			error = -errno;
	}
	return error;
}

/* A full disk took half a line: leave the file ending in a whole one. */
static void drop_half_line(const struct output *output)
{
	/* Where that cannot be done (a device), the failure to tell is still the write's. */
	if (output->path && ftruncate(output->fd, output->whole))
		return;
}

static size_t whole_lines(const char *bytes, size_t size)
{
	const char *newline = size ? memrchr(bytes, '\n', size) : NULL;

	return newline ? (size_t)(newline - bytes) + 1 : 0;
}

int output_flush(struct output *output, struct failure *failure)
{
	struct line *line = &output->line;
	size_t done = 0;

	if (output->error)
		return failed(output, output->error, failure);
	output->error = line->error;
	if (!output->error && line->length)
		output->error = write_all(output, line->bytes, line->length, &done);
	output->whole += (off_t)whole_lines(line->bytes, done);
	line->length = 0;
	if (!output->error)
		return 0;
	drop_half_line(output);
	return failed(output, output->error, failure);
}

static int open_path(struct output *output, const char *path, struct failure *failure)
{
	output->path = strdup(path);
	if (!output->path)
		return failed(output, -ENOMEM, failure);
	output->name = output->path;
	output->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
	if (output->fd < 0 && errno == ENXIO)
		return failure_set(failure, -ENXIO, "nobody reads %s: start its reader first", path);
	if (output->fd < 0)
		return failure_set(failure, -errno, "cannot open %s: %s", path, strerror(errno));
	return 0;
}

int output_open(const struct output_options *options, struct output **out, struct failure *failure)
{
	struct output *output = calloc(1, sizeof(*output));
	struct stat status;
	int error = 0;

	if (!output)
		return failure_set(failure, -ENOMEM, "out of memory");
	output->options = *options;
	output->emitter = emitter_of(options->format);
	output->name = "standard output";
	output->fd = STDOUT_FILENO;
	if (options->path)
		error = open_path(output, options->path, failure);
	output->may_block = !error && !fstat(output->fd, &status) && !S_ISREG(status.st_mode);
	if (!error && output->emitter->heading) {
		output->emitter->heading(&output->line, &output->options);
		error = output_flush(output, failure);
	}
	if (error) {
		output_close(output, NULL);
		return error;
	}
	*out = output;
	return 0;
}

int output_add(struct output *output, const struct record *record, struct failure *failure)
{
	if (output->error)
		return failed(output, output->error, failure);
	output->emitter->record(&output->line, &output->options, record);
	return output->line.length >= BATCH_BYTES || output->line.error ? output_flush(output, failure) : 0;
}

int output_emit(struct output *output, const struct record *record, struct failure *failure)
{
	int error = output_add(output, record, failure);

	return error ? error : output_flush(output, failure);
}

int output_close(struct output *output, struct failure *failure)
{
	int error = 0;

	if (!output)
		return 0;
	/* Network file systems tell at the close that earlier writes were lost. */
	if (output->path && output->fd >= 0 && close(output->fd) && errno != EINTR)
		error = failed(output, -errno, failure);
	free(output->path);
	free(output->line.bytes);
	free(output);
	return error;
}
