// SPDX-License-Identifier: BSD-2-Clause
#include "binary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_MASK 0xfffull

static int read_go(struct binary *binary, bool cycles, struct failure *failure)
{
	int error = gobin_open(binary->image, &binary->gobin, failure);

	if (error == -ENOEXEC && !cycles) {
		binary->no_go = *failure;
		return 0;
	}
	if (error)
		return error;
	if (gobin_version(binary->gobin, binary->version, sizeof(binary->version)))
		binary->version[0] = '\0';
	if (gobin_build_id(binary->gobin, binary->build_id, sizeof(binary->build_id)))
		binary->build_id[0] = '\0';
	if (!cycles)
		return 0;
	error = recipe_solve_gctrace(binary->gobin, &binary->recipe, failure);
	return error ? error : gc_layout_learn(binary->recipe, &binary->layout, failure);
}

static int read_binary(struct binary *binary, int fd, bool cycles, struct failure *failure)
{
	int error = image_open_fd(fd, &binary->image, failure);

	if (!error)
		error = read_go(binary, cycles, failure);
	return image_judge(binary->image, error, failure);
}

int binary_open(int fd, struct file_id id, const char *path, bool cycles, struct binary **out, struct failure *failure)
{
	struct binary *binary = calloc(1, sizeof(*binary));
	struct failure reason = { "" };
	int error;

	if (!binary)
		return failure_set(failure, -ENOMEM, "out of memory");
	binary->id = id;
	snprintf(binary->path, sizeof(binary->path), "%s", path);
	error = read_binary(binary, fd, cycles, &reason);
	if (error) {
		failure_set(failure, error, "%.200s: %.300s", path, reason.text);
		binary_free(binary);
		return error;
	}
	*out = binary;
	return 0;
}

int binary_solve_scavenge(struct binary *binary, struct failure *failure)
{
	struct failure reason = { "" };
	int error = recipe_solve_scavtrace(binary->gobin, &binary->scavenge, &reason);

	if (!error)
		error = scavenge_layout_learn(binary->scavenge.background, false, &binary->sweep_layout, &reason);
	if (!error && binary->scavenge.forced)
		error = scavenge_layout_learn(binary->scavenge.forced, true, &binary->forced_layout, &reason);
	error = image_judge(binary->image, error, &reason);
	return error ? failure_set(failure, error, "%.200s: no scavtrace: %.300s", binary->path, reason.text) : 0;
}

void binary_free(struct binary *binary)
{
	if (!binary)
		return;
	gc_layout_clear(&binary->layout);
	scavenge_layout_clear(&binary->sweep_layout);
	scavenge_layout_clear(&binary->forced_layout);
	recipe_free(binary->scavenge.background);
	recipe_free(binary->scavenge.forced);
	recipe_free(binary->recipe);
	gobin_close(binary->gobin);
	image_close(binary->image);
	free(binary);
}

uint64_t binary_bias(const struct binary *binary, uint64_t address, uint64_t file_offset)
{
	for (size_t i = 0; i < image_segment_count(binary->image); i++) {
		const struct image_segment *segment = image_segment(binary->image, i);

		if ((segment->offset & ~PAGE_MASK) == file_offset)
			return address - (segment->address & ~PAGE_MASK);
	}
	return 0;
}
