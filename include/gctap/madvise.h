/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * madvise: what madvise calls mean: the names of advices and causes, which
 * functions of a Go binary tell the cause, and the records of sums, single
 * calls and a process's summary. Knows no BPF.
 */
#ifndef GCTAP_MADVISE_H
#define GCTAP_MADVISE_H

#include "gctap/gobin.h"
#include "gctap/line_record.h"
#include "gctap/madvise_event.h"
#include "gctap/record.h"
#include "gctap/refault.h"

/* "MADV_DONTNEED"; NULL for a number that Linux does not define. */
const char *madvise_advice_name(int32_t advice);
/* DONTNEED and FREE: the kernel may take the pages. The others give nothing back. */
bool madvise_releases(int32_t advice);
/* DONTNEED: what was there is gone when the call returns. */
bool madvise_frees_at_once(int32_t advice);
/* As in records: "background", "forced", "memory_limit", ... */
const char *madvise_cause_name(uint32_t cause);

/*
 * Where the runtime's functions and variables lie, for the kernel side to tell causes. @gobin NULL: no
 * Go program, all calls are foreign. A variable that cannot be found leaves memory limit and heap
 * growth in one class, the latter. execs_allowed stays 0. -ENOENT: a Go binary without runtime.madvise.
 */
int madvise_plan(struct image *image, struct gobin *gobin, struct gctap_madvise_process *plan, struct failure *failure);

/* Whose calls, and of which time. */
struct madvise_period {
	uint32_t pid;
	uint64_t start_ns; /* 0: unknown */
	const char *comm;
	bool total;	      /* since the accounting began, else since the last report */
	uint64_t ktime_ns;    /* the period's end */
	uint64_t duration_ns; /* its length */
};

#define MADVISE_ERRORS_MAX 16

struct madvise_error {
	uint32_t error; /* errno */
	uint64_t count;
};

/* Of one key in one period. */
struct madvise_counts {
	struct gctap_madvise_key key;
	struct gctap_madvise_sum sum;
	bool freed_known;	/* the kernel's counters could be read */
	bool latency_max_known; /* of a part of the time it is known only when it is a new one */
	struct madvise_error errors[MADVISE_ERRORS_MAX];
	unsigned nr_errors;
};

/* Sums; record's texts point into it. */
struct madvise_sums {
	struct record record;
	char errors[MADVISE_ERRORS_MAX][48];
	const char *error_list[MADVISE_ERRORS_MAX + 1];
	char latencies[GCTAP_MADVISE_BUCKETS][48];
	const char *latency_list[GCTAP_MADVISE_BUCKETS + 1];
};
void madvise_describe(const struct madvise_counts *counts, const struct madvise_period *period,
		      const struct line_clock *clock, struct madvise_sums *sums);

/* What the process is made of at the moment, from /proc/PID/smaps_rollup; bytes. */
struct madvise_memory {
	bool known;
	uint64_t rss, anonymous, lazy_free, anonymous_huge, swap;
};

/* All that a process gave back in a period. */
struct madvise_totals {
	uint64_t calls, migrated, partial; /* of all advices */
	uint64_t asked_bytes;		   /* by those that release */
	int64_t freed_pages;		   /* by those; resident before less after */
	uint64_t error_pages;		   /* that @freed_pages can be off by, for calls that changed the CPU */
	bool freed_known;		   /* the kernel's counters could be read ... */
	bool exact;			   /* ... and that of the calling CPU */
};
void madvise_totals_add(struct madvise_totals *totals, const struct madvise_counts *counts);
void madvise_describe_totals(const struct madvise_totals *totals, const struct madvise_memory *memory,
			     const struct madvise_period *period, const struct line_clock *clock,
			     struct record *record);

/* What came back, since the accounting began. @unheard_bytes: released in calls that were heard of only in sums. */
void madvise_describe_refault(const struct refault_totals *totals, uint64_t unheard_bytes,
			      const struct madvise_period *period, const struct line_clock *clock,
			      struct record *record);

/* One call; record's texts point into it and the event. */
struct madvise_call {
	struct record record;
	char error[24];
};
void madvise_describe_call(const struct gctap_madvise_event *event, const struct line_clock *clock,
			   struct madvise_call *call);

#endif
