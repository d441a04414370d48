// SPDX-License-Identifier: BSD-2-Clause
/*
 * heap_show PID [READINGS]: the heap of a process as src/why reads it, a name and a number a line, for
 * heap.sh and for whoever wants to look.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gctap/heap.h"
#include "session/binary.h"

static void show(const char *name, uint64_t value)
{
	printf("%s %" PRIu64 "\n", name, value);
}

static void show_number(const char *name, const struct heap_number *number)
{
	if (number->known)
		printf("%s %" PRId64 "\n", name, (int64_t)number->value);
	else
		printf("%s unknown\n", name);
}

static void show_counters(const struct heap_counters *counters)
{
	show("counter_in_use", counters->in_use);
	show("counter_free", counters->free);
	show("counter_released", counters->released);
	show_number("live", &counters->live);
	show_number("memory_limit", &counters->memory_limit);
	show_number("mapped_ready", &counters->mapped_ready);
	show_number("percent_goal", &counters->percent_goal);
	show_number("gc_percent", &counters->gc_percent);
}

static void show_spans(const struct heap_snapshot *snapshot)
{
	struct heap_span_use sum = { 0 }, use;
	uint64_t unswept = 0, cached = 0, pages[HEAP_PAGE_KINDS] = { 0 }, runs = 0;
	struct heap_cursor cursor = { 0 };
	struct heap_run run;

	for (size_t i = 0; i < snapshot->nr_spans; i++) {
		const struct heap_span *span = &snapshot->spans[i];

		if (span->manual)
			continue;
		heap_span_use(snapshot, span, &use);
		sum.live += use.live;
		sum.since += use.since;
		sum.dead += use.dead;
		sum.unknown += use.unknown;
		sum.holes += use.holes;
		sum.rest += use.rest;
		unswept += !span->swept;
		cached += span->cached;
	}
	show("live_at_mark", sum.live);
	show("since_mark", sum.since);
	show("dead_unswept", sum.dead);
	show("unknown", sum.unknown);
	show("holes", sum.holes);
	show("rest", sum.rest);
	show("spans_unswept", unswept);
	show("spans_cached", cached);
	while (heap_next_run(snapshot, &cursor, &run)) {
		pages[run.kind] += run.pages;
		runs++;
	}
	show("runs", runs);
	printf("run_pages");
	for (unsigned i = 0; i < HEAP_PAGE_KINDS; i++)
		printf(" %" PRIu64, pages[i]);
	printf("\n");
}

static void show_snapshot(const struct heap_snapshot *snapshot)
{
	const struct heap_bytes *bytes = &snapshot->bytes;

	show("chunks", snapshot->nr_chunks);
	show("spans", snapshot->nr_spans);
	show("in_use", bytes->in_use);
	show("manual", bytes->manual);
	show("reserved", bytes->reserved);
	show("padding", bytes->padding);
	show("free", bytes->free);
	show("scavenged", bytes->scavenged);
	show("arena_left", snapshot->arena_left);
	show_counters(&snapshot->counters);
	show_spans(snapshot);
	show("difference_free", snapshot->difference.free);
	show("difference_in_use", snapshot->difference.in_use);
	show("difference_idle", snapshot->difference.idle);
	show("sweep_began", snapshot->sweep_began);
	show("spans_amiss", snapshot->spans_amiss);
	show("attempts", snapshot->attempts);
	show("microseconds", snapshot->nanoseconds / 1000);
}

/* Opens all that a heap needs; what is opened is left to the end of the program. */
static int open_heap(pid_t pid, struct heap **heap, struct failure *failure)
{
	struct target *target;
	struct binary *binary;
	uint64_t address, offset;
	int error = target_open(pid, &target, failure);

	if (!error)
		error = binary_open(target->exe_fd, target->exe, target->exe_path, true, &binary, failure);
	if (!error)
		error = binary_solve_scavenge(binary, failure);
	if (!error)
		error = target_mapping(target, &address, &offset);
	return error ? error
		     : heap_open(target, binary->gobin, binary_bias(binary, address, offset), &binary->scavenge, heap,
				 failure);
}

static void show_memory(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	show("peak_kib", (uint64_t)usage.ru_maxrss);
}

int main(int argc, char **argv)
{
	struct heap_snapshot snapshot = { 0 };
	struct failure failure = { "" };
	struct heap *heap = NULL;
	int readings = argc > 2 ? atoi(argv[2]) : 1, error;
	bool listed;

	if (argc < 2)
		return 2;
	error = open_heap(atoi(argv[1]), &heap, &failure);
	show_memory();
	for (int i = 0; i < readings && !error; i++) {
		error = heap_read(heap, &snapshot, &failure);
		if (!error && i + 1 < readings)
			printf("reading %" PRIu64 " us, %u attempts, off by %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			       snapshot.nanoseconds / 1000, snapshot.attempts, snapshot.difference.free,
			       snapshot.difference.in_use, snapshot.difference.idle);
	}
	if (error) {
		fprintf(stderr, "heap_show: %s: %s\n", strerror(-error), failure.text);
		return 1;
	}
	printf("layout %s\n", heap_layout_name(heap, &listed));
	show("listed", listed);
	show_snapshot(&snapshot);
	show_memory();
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	return 0;
}
