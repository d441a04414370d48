// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/madvise.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* include/uapi/asm-generic/mman-common.h; the same on x86-64 and arm64. */
static const struct {
	int32_t advice;
	const char *name;
} advices[] = {
	{ 0, "MADV_NORMAL" },		{ 1, "MADV_RANDOM" },	       { 2, "MADV_SEQUENTIAL" },
	{ 3, "MADV_WILLNEED" },		{ 4, "MADV_DONTNEED" },	       { 8, "MADV_FREE" },
	{ 9, "MADV_REMOVE" },		{ 10, "MADV_DONTFORK" },       { 11, "MADV_DOFORK" },
	{ 12, "MADV_MERGEABLE" },	{ 13, "MADV_UNMERGEABLE" },    { 14, "MADV_HUGEPAGE" },
	{ 15, "MADV_NOHUGEPAGE" },	{ 16, "MADV_DONTDUMP" },       { 17, "MADV_DODUMP" },
	{ 18, "MADV_WIPEONFORK" },	{ 19, "MADV_KEEPONFORK" },     { 20, "MADV_COLD" },
	{ 21, "MADV_PAGEOUT" },		{ 22, "MADV_POPULATE_READ" },  { 23, "MADV_POPULATE_WRITE" },
	{ 24, "MADV_DONTNEED_LOCKED" }, { 25, "MADV_COLLAPSE" },       { 100, "MADV_HWPOISON" },
	{ 101, "MADV_SOFT_OFFLINE" },	{ 102, "MADV_GUARD_INSTALL" }, { 103, "MADV_GUARD_REMOVE" },
};

const char *madvise_advice_name(int32_t advice)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].advice == advice)
			return advices[i].name;
	return NULL;
}

bool madvise_releases(int32_t advice)
{
	return advice == 4 || advice == 8;
}

bool madvise_frees_at_once(int32_t advice)
{
	return advice == 4;
}

const char *madvise_cause_name(uint32_t cause)
{
	static const char *const names[GCTAP_MADVISE_CAUSES] = {
		[GCTAP_MADVISE_BACKGROUND] = "background", [GCTAP_MADVISE_FORCED] = "forced",
		[GCTAP_MADVISE_LIMIT] = "memory_limit",	   [GCTAP_MADVISE_GROWTH] = "heap_growth",
		[GCTAP_MADVISE_REUSE] = "allocator_reuse", [GCTAP_MADVISE_RUNTIME] = "runtime_other",
		[GCTAP_MADVISE_PROGRAM] = "go_program",	   [GCTAP_MADVISE_FOREIGN] = "not_go",
		[GCTAP_MADVISE_UNKNOWN] = "unknown",
	};

	return cause < GCTAP_MADVISE_CAUSES ? names[cause] : "unknown";
}

static void set_call(struct record *record, int32_t advice, uint32_t cause)
{
	record_set_text(record, "advice", madvise_advice_name(advice));
	record_set_signed(record, "advice_number", advice);
	record_set_text(record, "cause", madvise_cause_name(cause));
	record_set_bool(record, "releases", madvise_releases(advice));
}

static void set_period(struct record *record, const struct madvise_period *period, const struct line_clock *clock)
{
	record->wall_ns = period->ktime_ns + (uint64_t)clock->wall_offset_ns;
	record_set_unsigned(record, "ktime_ns", period->ktime_ns);
	record_set_unsigned(record, "wall_ns", record->wall_ns);
	record_set_unsigned(record, "pid", period->pid);
	if (period->start_ns)
		record_set_unsigned(record, "start_ns", period->start_ns);
	record_set_text(record, "comm", period->comm);
	record_set_text(record, "period", period->total ? "total" : "interval");
	record_set_unsigned(record, "period_ns", period->duration_ns);
}

/* What left memory; swap is not part of it. */
static int64_t freed_pages(const int64_t *pages)
{
	return pages[GCTAP_RSS_FILE] + pages[GCTAP_RSS_ANON] + pages[GCTAP_RSS_SHMEM];
}

static void set_freed(struct record *record, const int64_t *pages, const struct line_clock *clock)
{
	static const char *const fields[GCTAP_RSS_KINDS] = { "freed_file_bytes", "freed_anon_bytes", "freed_swap_bytes",
							     "freed_shmem_bytes" };
	int64_t page = (int64_t)clock->page_bytes;

	record_set_signed(record, "freed_bytes", freed_pages(pages) * page);
	for (unsigned i = 0; i < GCTAP_RSS_KINDS; i++)
		record_set_signed(record, fields[i], pages[i] * page);
}

static void set_errors(struct madvise_sums *sums, const struct madvise_counts *counts)
{
	for (unsigned i = 0; i < counts->nr_errors; i++) {
		const char *name = strerrorname_np((int)counts->errors[i].error);

		snprintf(sums->errors[i], sizeof(sums->errors[i]), "%s=%" PRIu64, name ? name : "?",
			 counts->errors[i].count);
		sums->error_list[i] = sums->errors[i];
	}
	sums->error_list[counts->nr_errors] = NULL;
	record_set_texts(&sums->record, "error_names", sums->error_list);
}

/* Calls of which begin and end were seen: those have a latency. */
static uint64_t measured(const struct gctap_madvise_sum *sum)
{
	return sum->calls > sum->partial ? sum->calls - sum->partial : 0;
}

/* The end of the bucket in which the call lies that is slower than @share of all, or what no call was longer than. */
static uint64_t latency_below(const struct gctap_madvise_sum *sum, double share)
{
	uint64_t seen = 0, wanted = (uint64_t)((double)measured(sum) * share);

	/* The last bucket has no end. */
	for (unsigned i = 0; i < GCTAP_MADVISE_BUCKETS - 1; i++) {
		seen += sum->latency[i];
		if (seen > wanted)
			return (2ull << i) - 1 < sum->latency_max_ns ? (2ull << i) - 1 : sum->latency_max_ns;
	}
	return sum->latency_max_ns;
}

static void set_latency(struct madvise_sums *sums, const struct madvise_counts *counts)
{
	const struct gctap_madvise_sum *sum = &counts->sum;
	unsigned used = 0;

	for (unsigned i = 0; i < GCTAP_MADVISE_BUCKETS; i++) {
		if (!sum->latency[i])
			continue;
		snprintf(sums->latencies[used], sizeof(sums->latencies[0]), "%llu=%" PRIu64, 1ull << i,
			 (uint64_t)sum->latency[i]);
		sums->latency_list[used] = sums->latencies[used];
		used++;
	}
	sums->latency_list[used] = NULL;
	record_set_texts(&sums->record, "latency_histogram", sums->latency_list);
	if (counts->latency_max_known)
		record_set_unsigned(&sums->record, "latency_max_ns", sum->latency_max_ns);
	if (!measured(sum))
		return;
	record_set_unsigned(&sums->record, "latency_mean_ns", sum->latency_ns / measured(sum));
	record_set_unsigned(&sums->record, "latency_p50_ns", latency_below(sum, 0.5));
	record_set_unsigned(&sums->record, "latency_p99_ns", latency_below(sum, 0.99));
}

void madvise_describe(const struct madvise_counts *counts, const struct madvise_period *period,
		      const struct line_clock *clock, struct madvise_sums *sums)
{
	const struct gctap_madvise_sum *sum = &counts->sum;
	int64_t pages[GCTAP_RSS_KINDS];
	struct record *record = &sums->record;

	record_clear(record, &record_madvise);
	set_period(record, period, clock);
	set_call(record, counts->key.advice, counts->key.cause);
	record_set_unsigned(record, "calls", sum->calls);
	record_set_unsigned(record, "asked_bytes", sum->bytes);
	record_set_unsigned(record, "errors", sum->errors);
	record_set_unsigned(record, "error_asked_bytes", sum->error_bytes);
	for (unsigned i = 0; i < GCTAP_RSS_KINDS; i++)
		pages[i] = sum->freed_pages[i];
	if (counts->freed_known)
		set_freed(record, pages, clock);
	record_set_unsigned(record, "migrated_calls", sum->migrated);
	record_set_unsigned(record, "partial_calls", sum->partial);
	set_errors(sums, counts);
	set_latency(sums, counts);
}

void madvise_totals_add(struct madvise_totals *totals, const struct madvise_counts *counts)
{
	int64_t pages[GCTAP_RSS_KINDS];

	totals->calls += counts->sum.calls;
	totals->migrated += counts->sum.migrated;
	totals->partial += counts->sum.partial;
	if (!madvise_releases(counts->key.advice))
		return;
	for (unsigned i = 0; i < GCTAP_RSS_KINDS; i++)
		pages[i] = counts->sum.freed_pages[i];
	totals->asked_bytes += counts->sum.bytes;
	totals->freed_pages += freed_pages(pages);
}

void madvise_describe_totals(const struct madvise_totals *totals, const struct madvise_memory *memory,
			     const struct madvise_period *period, const struct line_clock *clock, struct record *record)
{
	record_clear(record, &record_madvise_summary);
	set_period(record, period, clock);
	record_set_unsigned(record, "calls", totals->calls);
	record_set_unsigned(record, "partial_calls", totals->partial);
	record_set_unsigned(record, "released_asked_bytes", totals->asked_bytes);
	if (totals->freed_known)
		record_set_signed(record, "released_freed_bytes", totals->freed_pages * (int64_t)clock->page_bytes);
	if (totals->freed_known && totals->exact)
		record_set_unsigned(record, "freed_error_bytes", totals->error_pages * clock->page_bytes);
	if (!memory->known)
		return;
	record_set_unsigned(record, "rss_bytes", memory->rss);
	record_set_unsigned(record, "anonymous_bytes", memory->anonymous);
	record_set_unsigned(record, "lazy_free_bytes", memory->lazy_free);
	record_set_unsigned(record, "anonymous_huge_bytes", memory->anonymous_huge);
	record_set_unsigned(record, "swap_bytes", memory->swap);
}

void madvise_describe_refault(const struct refault_totals *totals, uint64_t unheard_bytes,
			      const struct madvise_period *period, const struct line_clock *clock,
			      struct record *record)
{
	static const char *const judged[REFAULT_AGES] = { "judged_1s_bytes", "judged_10s_bytes", "judged_60s_bytes" };
	static const char *const returned[REFAULT_AGES] = { "returned_1s_bytes", "returned_10s_bytes",
							    "returned_60s_bytes" };

	record_clear(record, &record_refault);
	set_period(record, period, clock);
	record_set_unsigned(record, "released_bytes", totals->released);
	record_set_unsigned(record, "unwatched_bytes", totals->unwatched + unheard_bytes);
	for (unsigned i = 0; i < REFAULT_AGES; i++) {
		record_set_unsigned(record, judged[i], totals->judged[i]);
		record_set_unsigned(record, returned[i], totals->returned[i]);
	}
}

void madvise_describe_call(const struct gctap_madvise_event *event, const struct line_clock *clock,
			   struct madvise_call *call)
{
	struct record *record = &call->record;
	int64_t pages[GCTAP_RSS_KINDS];
	const char *name = event->result ? strerrorname_np((int)-event->result) : NULL;

	record_clear(record, &record_madvise_call);
	record->wall_ns = event->ktime_ns + (uint64_t)clock->wall_offset_ns;
	record_set_unsigned(record, "ktime_ns", event->ktime_ns);
	record_set_unsigned(record, "wall_ns", record->wall_ns);
	if (event->pid)
		record_set_unsigned(record, "pid", event->pid);
	if (event->tid)
		record_set_unsigned(record, "tid", event->tid);
	record_set_unsigned(record, "start_ns", event->start_ns);
	record_set_text(record, "comm", event->comm);
	set_call(record, event->advice, event->cause);
	record_set_unsigned(record, "address", event->address);
	record_set_unsigned(record, "asked_bytes", event->bytes);
	if (!(event->facts & GCTAP_MADVISE_FACT_PARTIAL))
		record_set_unsigned(record, "duration_ns", event->duration_ns);
	if (event->result) {
		snprintf(call->error, sizeof(call->error), "%s", name ? name : "?");
		record_set_text(record, "error", call->error);
	}
	if (!(event->facts & GCTAP_MADVISE_FACT_RSS))
		return;
	for (unsigned i = 0; i < GCTAP_RSS_KINDS; i++)
		pages[i] = event->freed_pages[i];
	set_freed(record, pages, clock);
}
