/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accounting: the madvise calls of a session's processes, as records: sums in
 * intervals and in all, single calls, what came back. Knows which processes,
 * not why they are traced.
 */
#ifndef GCTAP_SESSION_ACCOUNTING_H
#define GCTAP_SESSION_ACCOUNTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "binary.h"
#include "gctap/failure.h"
#include "gctap/line_record.h"
#include "gctap/record.h"

struct accounting;

struct accounting_options {
	bool events;		/* a record for each call */
	bool refault;		/* what of the memory that was given back came back */
	uint64_t interval_ns;	/* sums in intervals of this length as well; 0: only in all */
	uint64_t intervals_max; /* of that; 0: no limit */
	size_t ring_bytes;
	unsigned ways; /* of seeing the calls, see madvise_probe; 0: all */
	const struct line_clock *clock;
	void (*emit)(const struct record *record, void *context);
	void *context;
};

/* Finds a way to see the calls; nothing is accounted for yet. */
int accounting_new(const struct accounting_options *options, struct accounting **out, struct failure *failure);
/* "fentry", "tracepoint", "tp_btf". */
const char *accounting_way(const struct accounting *accounting);
int accounting_fd(const struct accounting *accounting);

struct accounting_process {
	uint32_t pid;
	const char *comm, *origin; /* the caller's, as long as the process is accounted for; origin may be NULL */
	bool before_exec;	   /* its program is still to be executed */
};
/* From here on its calls count. */
int accounting_add(struct accounting *accounting, const struct accounting_process *process, const struct binary *binary,
		   struct failure *failure);
/* It has executed the same program anew: go on. */
int accounting_resume(struct accounting *accounting, uint32_t pid, const struct binary *binary,
		      struct failure *failure);
/* Has it executed a program since it was added? Its calls do not count any more then. */
bool accounting_stopped(const struct accounting *accounting, uint32_t pid);
/* Writes its sums in all; its calls do not count any more. */
void accounting_end(struct accounting *accounting, uint32_t pid);

/* Takes what has come, looks at pages whose time has come, writes what is due. 0 or a negative errno. */
int accounting_poll(struct accounting *accounting);

/* Intervals that have been reported. */
uint64_t accounting_intervals(const struct accounting *accounting);

/* What has gone wrong since the last poll, at the ends of processes: sums may be missing. 0 or a negative errno. */
int accounting_error(const struct accounting *accounting);

struct accounting_totals {
	uint64_t calls;
	bool losses_known; /* all of these: */
	uint64_t calls_lost, errnos_lost, events_dropped, runs_missed;
};
void accounting_totals(const struct accounting *accounting, struct accounting_totals *totals);

void accounting_free(struct accounting *accounting);

#endif
