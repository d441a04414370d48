/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session: one run of tracing. Brings the rooms together: which processes and
 * files, which recipe for which file, probes on them, events into records.
 * Knows no option and no output format.
 */
#ifndef GCTAP_SESSION_H
#define GCTAP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"
#include "gctap/record.h"
#include "gctap/target.h"

struct session;

struct session_options {
	bool cycles;			/* the gctrace lines; without, programs that are not Go can be added as well */
	bool scavenge;			/* also take the scavtrace lines: two more probes */
	bool trigger;			/* also take why and from where each cycle began: two more probes */
	bool madvise;			/* the sums of madvise calls, of processes that are added by pid */
	bool madvise_events;		/* and each call */
	bool madvise_refault;		/* and what came back of what was given back */
	unsigned madvise_ways;		/* bit 1 << enum madvise_way for each that may be tried; 0: all */
	uint64_t madvise_interval_ns;	/* sums in intervals of this length as well; 0: only in all */
	uint64_t madvise_intervals_max; /* no more of them than that; 0: no limit */
	bool origins;			/* records carry "[pid comm]" */
	bool single; /* no more than one process will be added, and no file: the kernel side filters by its pid */
	uint64_t cycles_max; /* record no more than that many cycles; 0: no limit */
	size_t ring_bytes;   /* 0: default */
	/*
	 * Where the runtime itself prints as well: a second probe reads the numbers once more where the
	 * runtime does, and hands over that line. NULL: no such probe.
	 */
	void (*on_reread)(uint32_t cycle, const char *line, void *context);
	/* Called for each record, in order; a non-zero answer ends session_poll() with it. */
	int (*on_record)(const struct record *record, void *context);
	/* A line of text for people: attached, gap, gone. */
	void (*on_note)(const char *text, void *context);
	void *context;
};

/* Checks the kernel and our permissions; loads, attaches nothing yet. */
int session_new(const struct session_options *options, struct session **out, struct failure *failure);
void session_free(struct session *session);

/*
 * Reads the process's executable and attaches; of other processes of that file, nothing is recorded.
 * Takes over @target, also on failure.
 */
int session_add_process(struct session *session, struct target *target, struct failure *failure);

/* Attaches to every process of that file, those that run and those to come. */
int session_add_file(struct session *session, const char *path, struct failure *failure);

/* From here on cycles become records. Writes the records of the processes added so far; 0, or what on_record answered.
 */
int session_start(struct session *session);

/* Lets a process that was spawned and added go on to its exec. */
int session_release(struct session *session, struct failure *failure);

/* Readable when session_poll() has something to do at once. */
int session_fd(const struct session *session);

/* A descriptor of the caller's: session_poll() returns, too, when it is readable. */
int session_watch(struct session *session, int fd, struct failure *failure);

/*
 * Waits at most @timeout_ms, and no longer than the session can do without a look (80 to 500 ms), then takes what has
 * come: nothing waits for 100 ms. 0, a negative errno, or what on_record answered.
 */
int session_poll(struct session *session, int timeout_ms);

/* Processes added by session_add_process() that are still there and traced. */
unsigned session_live(const struct session *session);

/* Wait status of the spawned process once it has ended; -EAGAIN before. */
int session_exit_status(const struct session *session, int *status);

/* Cycles recorded so far. */
uint64_t session_cycles(const struct session *session);

/* Detaches, takes what is still in the ring, writes the ends of processes and the totals. */
int session_finish(struct session *session);

/* Intervals of madvise sums that have been written. */
uint64_t session_madvise_intervals(const struct session *session);

/* How madvise calls are seen, "fentry" or the like; NULL when they were not asked for. */
const char *session_madvise_way(const struct session *session);

/* What the records' times of day have been made with: CLOCK_REALTIME less CLOCK_MONOTONIC at the start, ns. */
int64_t session_wall_offset_ns(const struct session *session);

/* Go version of the (first) binary, or NULL. */
const char *session_go_version(const struct session *session);

#endif
