// SPDX-License-Identifier: BSD-2-Clause
#include "subject.h"

#include <errno.h>

#include "gctap/target_memory.h"

/* The heap's side may fail: the ledger is coarser then, and says why. */
static void open_heap(struct subject *subject)
{
	struct binary *binary = subject->binary;
	uint64_t address, offset;

	if (binary_solve_scavenge(binary, &subject->no_heap))
		return;
	if (target_mapping(subject->target, &address, &offset)) {
		failure_set(&subject->no_heap, -ENOENT, "the executable is not mapped");
		return;
	}
	if (heap_open(subject->target, binary->gobin, binary_bias(binary, address, offset), &binary->scavenge,
		      &subject->heap, &subject->no_heap))
		subject->heap = NULL;
}

/* Anonymous memory without a name is the runtime's only when nobody else can have mapped it. */
static bool has_c(const struct subject *subject)
{
	struct gobin_build build;

	gobin_build(subject->binary->gobin, &build);
	return build.cgo != GOBIN_NO;
}

int subject_open(pid_t pid, struct subject *subject, struct failure *failure)
{
	int error = target_open(pid, &subject->target, failure);

	if (!error)
		error = binary_open(subject->target->exe_fd, subject->target->exe, subject->target->exe_path, false,
				    &subject->binary, failure);
	if (!error && !subject->binary->gobin)
		error = failure_set(failure, -ENOEXEC, "%.200s: %.300s", subject->binary->path,
				    subject->binary->no_go.text);
	if (!error)
		open_heap(subject);
	return error;
}

void subject_close(struct subject *subject)
{
	heap_free(subject->heap);
	if (subject->binary)
		binary_free(subject->binary);
	target_close(subject->target);
}

struct ledger_source subject_source(const struct subject *subject)
{
	return (struct ledger_source){
		.target = subject->target,
		.heap = subject->heap,
		.why = &subject->no_heap,
		.cgo = has_c(subject),
	};
}
