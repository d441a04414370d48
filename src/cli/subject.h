/* SPDX-License-Identifier: BSD-2-Clause */
/* subject: a process whose memory is looked into, opened as far as it can be. */
#ifndef GCTAP_CLI_SUBJECT_H
#define GCTAP_CLI_SUBJECT_H

#include "gctap/heap.h"
#include "gctap/ledger.h"
#include "gctap/target.h"
#include "session/binary.h"

struct subject {
	struct target *target;
	struct binary *binary;
	struct heap *heap;	/* NULL: the runtime's side could not be opened */
	struct failure no_heap; /* for this reason */
};

/* Of a Go program. The caller zeroes @subject first, and closes it in any case. */
int subject_open(pid_t pid, struct subject *subject, struct failure *failure);
void subject_close(struct subject *subject);

/* From where its ledger can be taken; points into @subject. */
struct ledger_source subject_source(const struct subject *subject);

#endif
