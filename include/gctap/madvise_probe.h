/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * madvise_probe: the life cycle of the accounting of madvise calls in the kernel:
 * new (find a way that works here, load, attach, try it), add (a process), read the
 * sums, consume events, free. Knows processes by number and addresses; never what
 * lies at the addresses, and no Go.
 *
 * Not seen are calls that are no madvise system call of the process itself:
 * process_madvise from another one, io_uring's, and those of 32-bit programs.
 */
#ifndef GCTAP_MADVISE_PROBE_H
#define GCTAP_MADVISE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"
#include "gctap/madvise_event.h"

struct madvise_probe;

/* How a call is seen to begin and to end, the cheapest for other processes first. */
enum madvise_way {
	MADVISE_FENTRY = 0, /* at the kernel's function. Needs fentry: x86, and arm64 since 6.4 */
	MADVISE_TRACEPOINT, /* at tracepoints of this system call. Needs tracefs */
	MADVISE_TP_BTF,	    /* at those of all system calls. Needs nothing else */
	MADVISE_WAYS,
};

/* How well freed_pages is known: that of one call, in each kind of pages. */
enum madvise_rss {
	/* The kernel counts in a way that is not known here: it is 0. */
	MADVISE_RSS_UNKNOWN = 0,
	/* Off by less than a batch of the kernel's counters, which is max(32, 2 * CPUs) pages. */
	MADVISE_RSS_BATCH,
	/*
	 * Exact, as was tried when the probe was made, but for two things, each off by less
	 * than a batch: a call that changed the CPU meanwhile (counted as migrated), and a
	 * change by another thread of the process that reaches the kernel's sum meanwhile.
	 * What other threads themselves free or touch meanwhile may count, too.
	 */
	MADVISE_RSS_EXACT,
};

struct madvise_probe_options {
	size_t ring_bytes;	   /* for events; 0: default (1 MiB); rounded up to a power of two of pages */
	bool stream;		   /* an event for each call, beside the sums */
	bool stream_releases_only; /* events for MADV_DONTNEED and MADV_FREE only */
	unsigned int ways;	   /* bit 1 << enum madvise_way for each that may be tried; 0: all */
};

/*
 * Tries the ways in their order. One works if a call that we make ourselves is
 * counted. Where none does, @failure says what stands in the way of the last one:
 * capabilities, no BTF, a kernel that is too old or locked down, no tracefs.
 */
int madvise_probe_new(const struct madvise_probe_options *options, struct madvise_probe **out, struct failure *failure);

enum madvise_way madvise_probe_way(const struct madvise_probe *probe);
const char *madvise_way_name(enum madvise_way way); /* "fentry", "tracepoint", "tp_btf" */
enum madvise_rss madvise_probe_rss(const struct madvise_probe *probe);

/*
 * From here on calls of the process @pid, as our pid namespace numbers it, are summed
 * up when they return; those that are under way are partial. A process that was added
 * before goes on with its sums, by what @process says now and with no exec so far.
 * -EINVAL: ranges that are none; -ENOSPC: more than GCTAP_MADVISE_PROCESSES_MAX.
 */
int madvise_probe_add(struct madvise_probe *probe, uint32_t pid, const struct gctap_madvise_process *process,
		      struct failure *failure);

/* How often the process has executed another program since it was added; -ENOENT if it was not. */
int madvise_probe_execs(const struct madvise_probe *probe, uint32_t pid, uint32_t *execs);

/* When it was started, on CLOCK_BOOTTIME as the kernel keeps it; 0 before its first call. -ENOENT as above. */
int madvise_probe_start(const struct madvise_probe *probe, uint32_t pid, uint64_t *start_ns);

/* Calls that return from here on do not count. What was summed up stays. */
void madvise_probe_remove(struct madvise_probe *probe, uint32_t pid);

/* Removes the process and drops its sums. Of a process that still runs, a call that just returns may leave one behind.
 */
void madvise_probe_forget(struct madvise_probe *probe, uint32_t pid);

/*
 * Returns 0 to go on; any other answer ends the round and is returned by it. The handler
 * may remove and forget processes.
 */
typedef int (*madvise_sum_handler)(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum,
				   void *context);
typedef int (*madvise_error_handler)(const struct gctap_madvise_error_key *key, uint64_t calls, void *context);

/* All sums of all processes, in no order. 0, a negative errno, or the handler's answer. */
int madvise_probe_each_sum(const struct madvise_probe *probe, madvise_sum_handler handler, void *context);

/* The failed calls among them by errno. */
int madvise_probe_each_error(const struct madvise_probe *probe, madvise_error_handler handler, void *context);

/* Readable when the ring has passed its wake-up threshold; to be consumed at least every 100 ms all the same. */
int madvise_probe_fd(const struct madvise_probe *probe);

/* Returns 0 to go on; a negative answer ends consuming. The event is valid during the call only. */
typedef int (*madvise_event_handler)(const struct gctap_madvise_event *event, void *context);

/*
 * Takes all events that are there; their number, or the handler's negative answer
 * (-EPROTO: a malformed event). Never blocks. Without stream there are none.
 */
int madvise_probe_consume(struct madvise_probe *probe, madvise_event_handler handler, void *context);

/* Since the probe was made. */
struct madvise_probe_losses {
	uint64_t events_dropped; /* for want of room in the ring; the sums have these calls */
	uint64_t calls_lost;	 /* calls in no sum: more than 4096 kinds of (process, advice, cause) */
	uint64_t errnos_lost;	 /* failed calls in a sum but in no count of errors: more than 1024 kinds */
	/*
	 * How often the kernel says that it has left out one of our programs, for any process,
	 * traced or not. It enters none twice on a CPU at a time, which matters where one can
	 * be preempted: always since Linux 7, earlier in MADVISE_FENTRY with preempt=full.
	 * Calls that miss one of the two programs are partial, those that miss both are in no
	 * sum: at most half as many as this. Kernels before 6.7 do not say it of
	 * MADVISE_TRACEPOINT, whose programs they do not preempt.
	 */
	uint64_t runs_missed;
};
int madvise_probe_losses(const struct madvise_probe *probe, struct madvise_probe_losses *losses);

/* Detaches all, unloads, frees; NULL is fine. */
void madvise_probe_free(struct madvise_probe *probe);

#endif
