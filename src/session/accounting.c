// SPDX-License-Identifier: BSD-2-Clause
#include "accounting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gctap/clock.h"
#include "gctap/madvise.h"
#include "gctap/madvise_probe.h"
#include "gctap/refault.h"
#include "gctap/target_pages.h"

#define REFAULT_RANGES_MAX 65536u /* of one process */
#define JUDGED_MAX	   2048u  /* ranges looked at in one round: the rest waits for the next */

/* Calls of one advice and one cause: as they are now, and as they were in the last report. */
struct tally {
	struct tally *next;
	struct gctap_madvise_key key;
	struct gctap_madvise_sum now, reported;
};

struct error_tally {
	struct error_tally *next;
	struct gctap_madvise_error_key key;
	uint64_t now, reported;
};

struct accounted {
	struct accounted *next;
	struct accounting_process process;
	uint32_t execs_allowed;
	uint64_t start_ns; /* as events say it; 0: none has come */
	uint64_t added_ns, reported_ns;
	struct tally *tallies;
	struct error_tally *errors;
	struct refault *refault; /* NULL: not asked for */
	int pagemap;		 /* -1: not open */
};

struct accounting {
	struct accounting_options options;
	struct madvise_probe *probe;
	struct accounted *processes;
	uint64_t next_report_ns; /* 0: the first interval has not begun */
	uint64_t intervals;	 /* reported */
	uint64_t batch_pages;	 /* of the kernel's counters */
	uint64_t ended_calls;	 /* of processes that are gone */
	int error;		 /* out of memory while counting */
};

/* include/linux/percpu_counter.h: percpu_counter_batch */
static uint64_t percpu_batch(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus > 16 ? 2 * (uint64_t)cpus : 32;
}

int accounting_new(const struct accounting_options *options, struct accounting **out, struct failure *failure)
{
	struct accounting *accounting = calloc(1, sizeof(*accounting));
	struct madvise_probe_options probe = { .ring_bytes = options->ring_bytes,
					       .stream = options->events || options->refault,
					       .stream_releases_only = !options->events,
					       .ways = options->ways };
	int error;

	if (!accounting)
		return failure_set(failure, -ENOMEM, "out of memory");
	accounting->options = *options;
	accounting->batch_pages = percpu_batch();
	error = madvise_probe_new(&probe, &accounting->probe, failure);
	if (error) {
		accounting_free(accounting);
		return error;
	}
	*out = accounting;
	return 0;
}

const char *accounting_way(const struct accounting *accounting)
{
	return madvise_way_name(madvise_probe_way(accounting->probe));
}

int accounting_fd(const struct accounting *accounting)
{
	return madvise_probe_fd(accounting->probe);
}

static void accounted_free(struct accounted *process)
{
	while (process->tallies) {
		struct tally *tally = process->tallies;

		process->tallies = tally->next;
		free(tally);
	}
	while (process->errors) {
		struct error_tally *error = process->errors;

		process->errors = error->next;
		free(error);
	}
	refault_free(process->refault);
	if (process->pagemap >= 0)
		close(process->pagemap);
	free(process);
}

void accounting_free(struct accounting *accounting)
{
	if (!accounting)
		return;
	while (accounting->processes) {
		struct accounted *process = accounting->processes;

		accounting->processes = process->next;
		accounted_free(process);
	}
	madvise_probe_free(accounting->probe);
	free(accounting);
}

static struct accounted *find(const struct accounting *accounting, uint32_t pid)
{
	struct accounted *process = accounting->processes;

	while (process && process->process.pid != pid)
		process = process->next;
	return process;
}

static int arm(struct accounting *accounting, struct accounted *process, const struct binary *binary,
	       struct failure *failure)
{
	struct gctap_madvise_process plan;
	int error = madvise_plan(binary->image, binary->gobin, &plan, failure);

	if (error)
		return error;
	plan.execs_allowed = process->execs_allowed;
	return madvise_probe_add(accounting->probe, process->process.pid, &plan, failure);
}

/* Of a command the page tables are there after its exec only, and its pagemap is ours. */
static int open_refault(struct accounted *process, struct failure *failure)
{
	process->refault = refault_new(REFAULT_RANGES_MAX);
	if (!process->refault)
		return failure_set(failure, -ENOMEM, "out of memory");
	if (process->process.before_exec)
		return 0;
	process->pagemap = target_pagemap_open((pid_t)process->process.pid);
	if (process->pagemap == -EACCES)
		return failure_set(failure, -EACCES,
				   "not permitted to read the page tables of process %u, which is another user's: "
				   "CAP_DAC_READ_SEARCH is missing (run as root, or grant it)",
				   process->process.pid);
	return 0;
}

int accounting_add(struct accounting *accounting, const struct accounting_process *process, const struct binary *binary,
		   struct failure *failure)
{
	struct accounted *added = calloc(1, sizeof(*added));
	int error;

	if (!added)
		return failure_set(failure, -ENOMEM, "out of memory");
	added->process = *process;
	added->execs_allowed = process->before_exec;
	added->pagemap = -1;
	added->added_ns = added->reported_ns = clock_ns(CLOCK_MONOTONIC);
	error = accounting->options.refault ? open_refault(added, failure) : 0;
	if (!error)
		error = arm(accounting, added, binary, failure);
	if (error) {
		accounted_free(added);
		return error;
	}
	added->next = accounting->processes;
	accounting->processes = added;
	return 0;
}

int accounting_resume(struct accounting *accounting, uint32_t pid, const struct binary *binary, struct failure *failure)
{
	struct accounted *process = find(accounting, pid);

	if (!process)
		return 0;
	process->execs_allowed = 0;
	if (process->pagemap >= 0)
		close(process->pagemap);
	process->pagemap = -1;
	return arm(accounting, process, binary, failure);
}

bool accounting_stopped(const struct accounting *accounting, uint32_t pid)
{
	const struct accounted *process = find(accounting, pid);
	uint32_t execs;

	return process && !madvise_probe_execs(accounting->probe, pid, &execs) && execs > process->execs_allowed;
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static int take_sum(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum, void *context)
{
	struct accounting *accounting = context;
	struct accounted *process = find(accounting, key->pid);
	struct tally *tally;

	if (!process)
		return 0;
	for (tally = process->tallies; tally; tally = tally->next)
		if (!memcmp(&tally->key, key, sizeof(*key)))
			break;
	if (!tally) {
		tally = calloc(1, sizeof(*tally));
		if (!tally)
			return -ENOMEM;
		tally->key = *key;
		tally->next = process->tallies;
		process->tallies = tally;
	}
	tally->now = *sum;
	return 0;
}

static int take_error(const struct gctap_madvise_error_key *key, uint64_t calls, void *context)
{
	struct accounting *accounting = context;
	struct accounted *process = find(accounting, key->call.pid);
	struct error_tally *tally;

	if (!process)
		return 0;
	for (tally = process->errors; tally; tally = tally->next)
		if (!memcmp(&tally->key, key, sizeof(*key)))
			break;
	if (!tally) {
		tally = calloc(1, sizeof(*tally));
		if (!tally)
			return -ENOMEM;
		tally->key = *key;
		tally->next = process->errors;
		process->errors = tally;
	}
	tally->now = calls;
	return 0;
}

static void subtract(struct gctap_madvise_sum *sum, const struct gctap_madvise_sum *earlier)
{
	sum->calls -= earlier->calls;
	sum->bytes -= earlier->bytes;
	sum->errors -= earlier->errors;
	sum->error_bytes -= earlier->error_bytes;
	for (unsigned i = 0; i < GCTAP_RSS_KINDS; i++)
		sum->freed_pages[i] -= earlier->freed_pages[i];
	sum->migrated -= earlier->migrated;
	sum->partial -= earlier->partial;
	sum->latency_ns -= earlier->latency_ns;
	for (unsigned i = 0; i < GCTAP_MADVISE_BUCKETS; i++)
		sum->latency[i] -= earlier->latency[i];
}

static void add_errors(const struct accounted *process, bool total, struct madvise_counts *counts)
{
	for (const struct error_tally *error = process->errors; error; error = error->next) {
		uint64_t count = error->now - (total ? 0 : error->reported);

		if (count && !memcmp(&error->key.call, &counts->key, sizeof(counts->key)) &&
		    counts->nr_errors < MADVISE_ERRORS_MAX)
			counts->errors[counts->nr_errors++] = (struct madvise_error){ error->key.error, count };
	}
}

/* What a tally says of the period; false: nothing. */
static bool counts_of(const struct accounting *accounting, const struct accounted *process, const struct tally *tally,
		      bool total, struct madvise_counts *counts)
{
	bool measured;

	memset(counts, 0, sizeof(*counts));
	counts->key = tally->key;
	counts->sum = tally->now;
	if (!total)
		subtract(&counts->sum, &tally->reported);
	measured = counts->sum.calls > counts->sum.partial;
	counts->latency_max_known = measured && (total || tally->now.latency_max_ns > tally->reported.latency_max_ns);
	counts->freed_known = measured && madvise_probe_rss(accounting->probe) != MADVISE_RSS_UNKNOWN;
	add_errors(process, total, counts);
	return counts->sum.calls;
}

static void emit(struct accounting *accounting, const struct accounted *process, struct record *record)
{
	record->origin = process->process.origin && process->process.origin[0] ? process->process.origin : NULL;
	accounting->options.emit(record, accounting->options.context);
}

static void read_memory(uint32_t pid, struct madvise_memory *memory)
{
	struct target_rollup rollup;

	memory->known = !target_rollup((pid_t)pid, &rollup);
	if (!memory->known)
		return;
	memory->rss = rollup.rss;
	memory->anonymous = rollup.anonymous;
	memory->lazy_free = rollup.lazy_free;
	memory->anonymous_huge = rollup.anonymous_huge;
	memory->swap = rollup.swap;
}

static void report_totals(struct accounting *accounting, const struct accounted *process,
			  const struct madvise_period *period)
{
	struct madvise_totals totals = { .exact = madvise_probe_rss(accounting->probe) == MADVISE_RSS_EXACT };
	struct madvise_memory memory;
	struct madvise_counts counts;
	struct record record;

	for (const struct tally *tally = process->tallies; tally; tally = tally->next)
		if (counts_of(accounting, process, tally, period->total, &counts))
			madvise_totals_add(&totals, &counts);
	totals.error_pages = totals.migrated * accounting->batch_pages;
	totals.freed_known = madvise_probe_rss(accounting->probe) != MADVISE_RSS_UNKNOWN;
	read_memory(process->process.pid, &memory);
	madvise_describe_totals(&totals, &memory, period, accounting->options.clock, &record);
	emit(accounting, process, &record);
}

/* Most bytes first, and of as many most calls. */
static int by_bytes(const void *a, const void *b)
{
	const struct madvise_counts *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes < y->sum.bytes ? 1 : -1;
	return (x->sum.calls < y->sum.calls) - (x->sum.calls > y->sum.calls);
}

static void report_sums(struct accounting *accounting, const struct accounted *process,
			const struct madvise_period *period)
{
	struct madvise_counts *rows;
	size_t room = 0, used = 0;

	for (const struct tally *tally = process->tallies; tally; tally = tally->next)
		room++;
	rows = calloc(room ? room : 1, sizeof(*rows));
	if (!rows) {
		accounting->error = -ENOMEM;
		return;
	}
	for (const struct tally *tally = process->tallies; tally; tally = tally->next)
		used += counts_of(accounting, process, tally, period->total, &rows[used]);
	qsort(rows, used, sizeof(*rows), by_bytes);
	for (size_t i = 0; i < used; i++) {
		struct madvise_sums sums;

		madvise_describe(&rows[i], period, accounting->options.clock, &sums);
		emit(accounting, process, &sums.record);
	}
	free(rows);
}

/* Released bytes that were heard of in no event: the ring was full. */
static uint64_t unheard_bytes(const struct accounted *process, const struct refault_totals *totals)
{
	uint64_t asked = 0, heard = totals->released + totals->unwatched;

	for (const struct tally *tally = process->tallies; tally; tally = tally->next)
		if (madvise_releases(tally->key.advice))
			asked += tally->now.bytes - tally->now.error_bytes;
	return asked > heard ? asked - heard : 0;
}

static void report_refault(struct accounting *accounting, const struct accounted *process,
			   const struct madvise_period *period)
{
	const struct refault_totals *totals = refault_totals(process->refault);
	struct madvise_period all = *period;
	struct record record;

	all.total = true;
	all.duration_ns = period->ktime_ns - process->added_ns;
	madvise_describe_refault(totals, unheard_bytes(process, totals), &all, accounting->options.clock, &record);
	emit(accounting, process, &record);
}

static void mark_reported(struct accounted *process, uint64_t now)
{
	for (struct tally *tally = process->tallies; tally; tally = tally->next)
		tally->reported = tally->now;
	for (struct error_tally *error = process->errors; error; error = error->next)
		error->reported = error->now;
	process->reported_ns = now;
}

static void report(struct accounting *accounting, struct accounted *process, bool total)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct madvise_period period = { .pid = process->process.pid,
					 .start_ns = process->start_ns,
					 .comm = process->process.comm,
					 .total = total,
					 .ktime_ns = now,
					 .duration_ns = now - (total ? process->added_ns : process->reported_ns) };

	report_totals(accounting, process, &period);
	report_sums(accounting, process, &period);
	if (process->refault)
		report_refault(accounting, process, &period);
	mark_reported(process, now);
}

static int refresh(struct accounting *accounting)
{
	int error = madvise_probe_each_sum(accounting->probe, take_sum, accounting);

	for (struct accounted *process = accounting->processes; process; process = process->next)
		if (!process->start_ns)
			madvise_probe_start(accounting->probe, process->process.pid, &process->start_ns);

	return error ? error : madvise_probe_each_error(accounting->probe, take_error, accounting);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void take_release(struct accounted *process, const struct gctap_madvise_event *event, uint64_t page_bytes)
{
	int64_t freed = event->freed_pages[GCTAP_RSS_ANON] + event->freed_pages[GCTAP_RSS_FILE] +
			event->freed_pages[GCTAP_RSS_SHMEM];

	if (event->result)
		return;
	/*
	 * After MADV_FREE pages stay there until the kernel wants them: nothing tells whether they are in use again.
	 * Nor is it to be told of a call of which only a part was seen.
	 */
	if (!madvise_frees_at_once(event->advice) || !(event->facts & GCTAP_MADVISE_FACT_RSS))
		refault_unwatched(process->refault, event->bytes);
	else
		refault_release(process->refault, event->address, event->bytes,
				freed > 0 ? (uint64_t)freed * page_bytes : 0, event->ktime_ns + event->duration_ns);
}

static int on_event(const struct gctap_madvise_event *event, void *context)
{
	struct accounting *accounting = context;
	struct accounted *process = find(accounting, event->pid);
	struct madvise_call call;

	if (!process)
		return 0;
	process->start_ns = event->start_ns;
	if (process->refault && madvise_releases(event->advice))
		take_release(process, event, accounting->options.clock->page_bytes);
	if (!accounting->options.events)
		return 0;
	madvise_describe_call(event, accounting->options.clock, &call);
	emit(accounting, process, &call.record);
	return 0;
}

/* Looks at ranges whose age has come. */
static void judge(struct accounted *process)
{
	struct refault_range range;

	for (unsigned i = 0; i < JUDGED_MAX && refault_due(process->refault, clock_ns(CLOCK_MONOTONIC), &range); i++) {
		uint64_t present = 0;

		if (process->pagemap < 0)
			process->pagemap = target_pagemap_open((pid_t)process->process.pid);
		if (process->pagemap < 0 ||
		    target_pagemap_present(process->pagemap, range.address, range.bytes, &present))
			return;
		refault_judge(process->refault, present);
	}
}

static bool all_reported(const struct accounting *accounting)
{
	return accounting->options.intervals_max && accounting->intervals >= accounting->options.intervals_max;
}

int accounting_poll(struct accounting *accounting)
{
	uint64_t interval = accounting->options.interval_ns, now;
	int error = madvise_probe_consume(accounting->probe, on_event, accounting);

	if (error < 0)
		return error;
	for (struct accounted *process = accounting->processes; process; process = process->next)
		if (process->refault)
			judge(process);
	now = clock_ns(CLOCK_MONOTONIC);
	if (!accounting->next_report_ns)
		accounting->next_report_ns = now + interval;
	if (!interval || now < accounting->next_report_ns || all_reported(accounting))
		return accounting->error;
	/* Late by more than an interval: none is made up for. */
	accounting->next_report_ns += (1 + (now - accounting->next_report_ns) / interval) * interval;
	error = refresh(accounting);
	for (struct accounted *process = accounting->processes; process && !error; process = process->next)
		report(accounting, process, false);
	accounting->intervals++;
	return error ? error : accounting->error;
}

void accounting_end(struct accounting *accounting, uint32_t pid)
{
	struct accounted *process = find(accounting, pid), **at = &accounting->processes;

	if (!process)
		return;
	if (!process->start_ns)
		madvise_probe_start(accounting->probe, pid, &process->start_ns);
	madvise_probe_remove(accounting->probe, pid);
	accounting->error =
		madvise_probe_consume(accounting->probe, on_event, accounting) < 0 ? -EIO : accounting->error;
	if (refresh(accounting))
		accounting->error = -EIO;
	report(accounting, process, true);
	for (const struct tally *tally = process->tallies; tally; tally = tally->next)
		accounting->ended_calls += tally->now.calls;
	madvise_probe_forget(accounting->probe, pid);
	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	accounted_free(process);
}

uint64_t accounting_intervals(const struct accounting *accounting)
{
	return accounting->intervals;
}

int accounting_error(const struct accounting *accounting)
{
	return accounting->error;
}

void accounting_totals(const struct accounting *accounting, struct accounting_totals *totals)
{
	struct madvise_probe_losses losses = { 0 };

	memset(totals, 0, sizeof(*totals));
	totals->calls = accounting->ended_calls;
	totals->losses_known = !madvise_probe_losses(accounting->probe, &losses);
	totals->calls_lost = losses.calls_lost;
	totals->errnos_lost = losses.errnos_lost;
	totals->events_dropped = losses.events_dropped;
	totals->runs_missed = losses.runs_missed;
}
