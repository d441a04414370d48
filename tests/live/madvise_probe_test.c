// SPDX-License-Identifier: BSD-2-Clause
/*
 * madvise_probe: on this kernel, in each way that works on it. The callers are
 * forked children of this program, which follow orders. A way that this kernel does
 * not offer is skipped, with the reason.
 */
#define _GNU_SOURCE 1 /* pipe2, dl_iterate_phdr, unshare */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/madvise_probe.h"
#include "gctap/target.h"

#define SUMS_MAX 8192
#define PAGE	 4096ul
#define GIB	 (1ull << 30)
#define MIB	 (1ull << 20)

static const char *refusals[MADVISE_WAYS]; /* why a way cannot be used here; NULL when it can */

/* ---- Children that call -------------------------------------------------------------------------- */

enum what {
	END,
	ADVISE,	 /* on a page of its own, that nothing has touched */
	RELEASE, /* touch pages of private memory, then advise */
	UNSHARE, /* the same on shared memory */
	HOLE,	 /* advise where nothing is mapped */
	EVERY,	 /* the n-th time with n for advice */
	EXECUTE, /* this program once more, which goes on with the orders */
	FRAMES,	 /* through the frames of a make-believe Go program */
};

struct order {
	enum what what;
	uint32_t times;	  /* per thread */
	uint32_t threads; /* 0: in the only one */
	uint32_t pages;
	int32_t advice;
	const void *frames; /* what the frames call, one after the other */
};

struct child {
	pid_t pid;
	int orders, answers;
};

static void *map_pages(size_t pages, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		_exit(3);
	return memory;
}

static void release(const struct order *order, int flags)
{
	char *memory = map_pages(order->pages, flags);

	for (uint32_t i = 0; i < order->times; i++) {
		for (uint32_t page = 0; page < order->pages; page++)
			memory[page * PAGE] = 1;
		madvise(memory, order->pages * PAGE, order->advice);
	}
	munmap(memory, order->pages * PAGE);
}

static void advise(const struct order *order)
{
	char *memory = map_pages(order->pages, MAP_PRIVATE);

	if (order->what == HOLE)
		munmap(memory, order->pages * PAGE);
	/* One byte into the last page, all of which counts. */
	for (uint32_t i = 0; i < order->times; i++)
		madvise(memory, (order->pages - 1) * PAGE + 1, order->what == EVERY ? (int)i + 1000 : order->advice);
	if (order->what != HOLE)
		munmap(memory, order->pages * PAGE);
}

static void frames_enter(const struct order *order);

static void *thread_run(void *argument)
{
	const struct order *order = argument;

	switch (order->what) {
	case RELEASE: release(order, MAP_PRIVATE); break;
	case UNSHARE: release(order, MAP_SHARED); break;
	case FRAMES: frames_enter(order); break;
	default: advise(order);
	}
	return NULL;
}

static void order_follow(struct order *order)
{
	pthread_t threads[16];

	if (!order->threads)
		thread_run(order);
	for (uint32_t i = 0; i < order->threads; i++)
		pthread_create(&threads[i], NULL, thread_run, order);
	for (uint32_t i = 0; i < order->threads; i++)
		pthread_join(threads[i], NULL);
}

static void execute(int orders, int answers)
{
	char numbers[2][16];
	char *argv[] = { "madvise_probe_test", "child", numbers[0], numbers[1], NULL };

	snprintf(numbers[0], sizeof(numbers[0]), "%d", orders);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", answers);
	execv("/proc/self/exe", argv);
	_exit(4);
}

static void child_main(int orders, int answers)
{
	struct order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(orders, &order, sizeof(order)) == sizeof(order) && order.what != END) {
		if (order.what == EXECUTE)
			execute(orders, answers);
		order_follow(&order);
		if (write(answers, "", 1) != 1)
			break;
	}
	_exit(0);
}

static struct child child_start(void)
{
	struct child child;
	int orders[2], answers[2];

	/* Open across an exec: the children of this program are all that it executes. */
	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	child.pid = fork();
	if (child.pid == 0)
		child_main(orders[0], answers[1]);
	assert_true(child.pid > 0);
	close(orders[0]);
	close(answers[1]);
	child.orders = orders[1];
	child.answers = answers[0];
	return child;
}

static void child_begin(const struct child *child, struct order order)
{
	assert_int_equal(write(child->orders, &order, sizeof(order)), sizeof(order));
}

static void child_order(const struct child *child, struct order order)
{
	char byte;

	child_begin(child, order);
	assert_int_equal(read(child->answers, &byte, 1), 1);
}

/* An exec is not answered, what comes after it is. */
static void child_execute(const struct child *child)
{
	child_begin(child, (struct order){ .what = EXECUTE });
}

static void child_advise(const struct child *child, uint32_t times)
{
	child_order(child, (struct order){ .what = ADVISE, .times = times, .pages = 1, .advice = MADV_NORMAL });
}

static void child_end(const struct child *child)
{
	struct order end = { .what = END };

	assert_int_equal(write(child->orders, &end, sizeof(end)), sizeof(end));
	close(child->orders);
	close(child->answers);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

/* ---- The probe and what it has counted ----------------------------------------------------------- */

static struct madvise_probe *probe_new(void **state, struct madvise_probe_options options)
{
	enum madvise_way way = *(enum madvise_way *)*state;
	struct madvise_probe *probe = NULL;
	struct failure failure = { "" };

	if (refusals[way]) {
		print_message("%s\n", refusals[way]);
		skip();
	}
	options.ways = 1u << way;
	if (madvise_probe_new(&options, &probe, &failure))
		fail_msg("%s", failure.text);
	assert_int_equal(madvise_probe_way(probe), way);
	return probe;
}

static void process_add(struct madvise_probe *probe, pid_t pid, uint32_t execs_allowed)
{
	struct gctap_madvise_process process = { .execs_allowed = execs_allowed };
	struct failure failure = { "" };

	if (madvise_probe_add(probe, pid, &process, &failure))
		fail_msg("%s", failure.text);
}

struct found_sum {
	struct gctap_madvise_key key;
	struct gctap_madvise_sum sum;
};

static struct {
	struct found_sum sums[SUMS_MAX];
	int nr;
} found;

static int sum_keep(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum, void *context)
{
	(void)context;
	assert_true(found.nr < SUMS_MAX);
	found.sums[found.nr++] = (struct found_sum){ .key = *key, .sum = *sum };
	return 0;
}

static int sums_read(const struct madvise_probe *probe)
{
	found.nr = 0;
	assert_int_equal(madvise_probe_each_sum(probe, sum_keep, NULL), 0);
	return found.nr;
}

/* Zeros when there was no such call. */
static struct gctap_madvise_sum sum_of(const struct madvise_probe *probe, pid_t pid, int advice,
				       enum gctap_madvise_cause cause)
{
	sums_read(probe);
	for (int i = 0; i < found.nr; i++) {
		const struct gctap_madvise_key *key = &found.sums[i].key;

		if (key->pid == (uint32_t)pid && key->advice == advice && key->cause == cause)
			return found.sums[i].sum;
	}
	return (struct gctap_madvise_sum){ 0 };
}

static uint64_t normal_calls(const struct madvise_probe *probe, pid_t pid)
{
	return sum_of(probe, pid, MADV_NORMAL, GCTAP_MADVISE_FOREIGN).calls;
}

struct error_question {
	uint32_t pid, error;
	int32_t advice;
	uint64_t calls, all;
};

static int error_look(const struct gctap_madvise_error_key *key, uint64_t calls, void *context)
{
	struct error_question *question = context;

	question->all += calls;
	if (key->call.pid == question->pid && key->call.advice == question->advice && key->error == question->error)
		question->calls += calls;
	return 0;
}

static uint64_t errors_of(const struct madvise_probe *probe, pid_t pid, int advice, int error)
{
	struct error_question question = { .pid = pid, .advice = advice, .error = error };

	assert_int_equal(madvise_probe_each_error(probe, error_look, &question), 0);
	return question.calls;
}

static struct madvise_probe_losses losses_of(const struct madvise_probe *probe)
{
	struct madvise_probe_losses losses;

	assert_int_equal(madvise_probe_losses(probe, &losses), 0);
	return losses;
}

static void assert_nothing_lost(const struct madvise_probe *probe)
{
	struct madvise_probe_losses losses = losses_of(probe);

	assert_int_equal(losses.calls_lost, 0);
	assert_int_equal(losses.errnos_lost, 0);
}

/* All of them, unless the kernel says that it has left out programs: then a call is lost only with two of them. */
static void assert_calls(const struct madvise_probe *probe, uint64_t counted, uint64_t made)
{
	uint64_t lost_at_most = losses_of(probe).runs_missed / 2;

	assert_in_range(counted, made > lost_at_most ? made - lost_at_most : 0, made);
}

/* What is stated of freed_pages: a batch for each call that changed the CPU, and none for the others. */
static void assert_freed(const struct madvise_probe *probe, const struct gctap_madvise_sum *sum, int kind,
			 int64_t pages)
{
	int64_t batch = sysconf(_SC_NPROCESSORS_CONF) > 16 ? 2 * sysconf(_SC_NPROCESSORS_CONF) : 32;
	int64_t uncertain = (int64_t)sum->migrated * batch;

	if (madvise_probe_rss(probe) != MADVISE_RSS_EXACT)
		uncertain = (int64_t)sum->calls * batch;
	if (llabs(sum->freed_pages[kind] - pages) > uncertain)
		fail_msg("freed %lld pages of kind %d, not %lld (%llu calls changed the CPU)",
			 (long long)sum->freed_pages[kind], kind, (long long)pages, (unsigned long long)sum->migrated);
}

/* ---- Cases ---------------------------------------------------------------------------------------- */

static void test_calls(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct gctap_madvise_sum sum;
	uint64_t in_buckets = 0;
	int longest = 0;

	process_add(probe, child.pid, 0);
	child_order(&child, (struct order){ .what = ADVISE, .times = 100, .pages = 3, .advice = MADV_NORMAL });
	sum = sum_of(probe, child.pid, MADV_NORMAL, GCTAP_MADVISE_FOREIGN);
	assert_int_equal(sum.calls, 100);
	assert_int_equal(sum.bytes, 100 * 3 * PAGE);
	assert_int_equal(sum.errors, 0);
	assert_int_equal(sum.error_bytes, 0);
	for (int i = 0; i < GCTAP_MADVISE_BUCKETS; i++) {
		in_buckets += sum.latency[i];
		if (sum.latency[i])
			longest = i;
	}
	assert_int_equal(in_buckets, 100);
	assert_in_range(sum.latency_max_ns, 1ull << longest, (1ull << (longest + 1)) - 1);
	assert_in_range(sum.latency_ns, sum.latency_max_ns, 100 * sum.latency_max_ns);
	assert_int_equal(sums_read(probe), 1);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
}

static void test_freed_pages(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct gctap_madvise_sum sum;

	/* Counters that are known at all can be read to the page. */
	assert_int_not_equal(madvise_probe_rss(probe), MADVISE_RSS_BATCH);
	process_add(probe, child.pid, 0);
	/* From less than a batch of the kernel's counters to many. */
	for (uint32_t pages = 1; pages <= 400; pages *= 20) {
		child_order(&child,
			    (struct order){ .what = RELEASE, .times = 50, .pages = pages, .advice = MADV_DONTNEED });
		sum = sum_of(probe, child.pid, MADV_DONTNEED, GCTAP_MADVISE_FOREIGN);
		assert_int_equal(sum.calls, 50);
		assert_freed(probe, &sum, GCTAP_RSS_ANON, 50 * pages);
		assert_freed(probe, &sum, GCTAP_RSS_FILE, 0);
		assert_freed(probe, &sum, GCTAP_RSS_SHMEM, 0);
		assert_freed(probe, &sum, GCTAP_RSS_SWAP, 0);
		madvise_probe_forget(probe, child.pid);
		process_add(probe, child.pid, 0);
	}
	child_order(&child, (struct order){ .what = UNSHARE, .times = 10, .pages = 40, .advice = MADV_DONTNEED });
	sum = sum_of(probe, child.pid, MADV_DONTNEED, GCTAP_MADVISE_FOREIGN);
	assert_freed(probe, &sum, GCTAP_RSS_SHMEM, 400);
	assert_freed(probe, &sum, GCTAP_RSS_ANON, 0);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
}

/* The kernel takes these pages later, when it needs them. */
static void test_lazily_freed_pages(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct gctap_madvise_sum sum;

	process_add(probe, child.pid, 0);
	child_order(&child, (struct order){ .what = RELEASE, .times = 20, .pages = 200, .advice = MADV_FREE });
	sum = sum_of(probe, child.pid, MADV_FREE, GCTAP_MADVISE_FOREIGN);
	assert_int_equal(sum.calls, 20);
	assert_int_equal(sum.bytes, 20 * 200 * PAGE);
	assert_freed(probe, &sum, GCTAP_RSS_ANON, 0);
	madvise_probe_free(probe);
	child_end(&child);
}

static void test_errors(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct gctap_madvise_sum sum;

	process_add(probe, child.pid, 0);
	child_order(&child, (struct order){ .what = ADVISE, .times = 7, .pages = 2, .advice = 999 });
	child_order(&child, (struct order){ .what = HOLE, .times = 5, .pages = 3, .advice = MADV_DONTNEED });
	child_order(&child, (struct order){ .what = ADVISE, .times = 4, .pages = 1, .advice = MADV_DONTNEED });
	sum = sum_of(probe, child.pid, 999, GCTAP_MADVISE_FOREIGN);
	assert_int_equal(sum.calls, 7);
	assert_int_equal(sum.errors, 7);
	assert_int_equal(sum.error_bytes, 7 * 2 * PAGE);
	assert_int_equal(errors_of(probe, child.pid, 999, EINVAL), 7);
	sum = sum_of(probe, child.pid, MADV_DONTNEED, GCTAP_MADVISE_FOREIGN);
	assert_int_equal(sum.calls, 9);
	assert_int_equal(sum.bytes, (5 * 3 + 4) * PAGE);
	assert_int_equal(sum.errors, 5);
	assert_int_equal(sum.error_bytes, 5 * 3 * PAGE);
	assert_int_equal(errors_of(probe, child.pid, MADV_DONTNEED, ENOMEM), 5);
	assert_int_equal(errors_of(probe, child.pid, MADV_DONTNEED, EINVAL), 0);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
}

static void test_other_processes(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child first = child_start(), second = child_start(), other = child_start();

	process_add(probe, first.pid, 0);
	process_add(probe, second.pid, 0);
	child_advise(&other, 10);
	assert_int_equal(sums_read(probe), 0);
	child_advise(&first, 3);
	child_advise(&second, 4);
	child_advise(&other, 10);
	assert_int_equal(sums_read(probe), 2);
	assert_int_equal(normal_calls(probe, first.pid), 3);
	assert_int_equal(normal_calls(probe, second.pid), 4);
	madvise_probe_free(probe);
	child_end(&first);
	child_end(&second);
	child_end(&other);
}

static void test_threads(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct gctap_madvise_sum sum;
	uint64_t in_buckets = 0, missed;

	process_add(probe, child.pid, 0);
	child_order(&child,
		    (struct order){ .what = ADVISE, .times = 10000, .threads = 8, .pages = 1, .advice = MADV_NORMAL });
	child_order(&child, (struct order){ .what = ADVISE, .times = 1000, .threads = 8, .pages = 1, .advice = 999 });
	sum = sum_of(probe, child.pid, MADV_NORMAL, GCTAP_MADVISE_FOREIGN);
	assert_calls(probe, sum.calls, 80000);
	assert_int_equal(sum.bytes, sum.calls * PAGE);
	assert_in_range(sum.partial, 0, losses_of(probe).runs_missed);
	for (int i = 0; i < GCTAP_MADVISE_BUCKETS; i++)
		in_buckets += sum.latency[i];
	assert_int_equal(in_buckets, sum.calls - sum.partial);
	assert_calls(probe, sum_of(probe, child.pid, 999, GCTAP_MADVISE_FOREIGN).calls, 8000);
	/* Those of which the end was not seen are not known to have failed. */
	missed = losses_of(probe).runs_missed;
	assert_in_range(errors_of(probe, child.pid, 999, EINVAL), missed < 8000 ? 8000 - missed : 0, 8000);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
}

static struct {
	struct gctap_madvise_event events[64];
	uint64_t nr;
} got;

static int event_keep(const struct gctap_madvise_event *event, void *context)
{
	(void)context;
	if (got.nr < sizeof(got.events) / sizeof(*got.events))
		got.events[got.nr] = *event;
	got.nr++;
	return 0;
}

static uint64_t consume(struct madvise_probe *probe)
{
	int taken;

	got.nr = 0;
	taken = madvise_probe_consume(probe, event_keep, NULL);
	assert_int_equal(taken, got.nr);
	return got.nr;
}

static void test_events(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ .stream = true });
	struct child child = child_start();
	long ticks = sysconf(_SC_CLK_TCK);
	char comm[16];

	prctl(PR_GET_NAME, comm);
	assert_int_equal(consume(probe), 0);
	process_add(probe, child.pid, 0);
	child_order(&child,
		    (struct order){ .what = RELEASE, .times = 5, .threads = 1, .pages = 10, .advice = MADV_DONTNEED });
	child_order(&child, (struct order){ .what = ADVISE, .times = 1, .pages = 2, .advice = 999 });
	/* Threads that end give back their stacks: calls of the C library, of which we do not know the number. */
	assert_true(consume(probe) >= 6);
	for (int i = 0; i < 5; i++) {
		const struct gctap_madvise_event *event = &got.events[i];

		assert_int_equal(event->pid, child.pid);
		assert_int_not_equal(event->tid, child.pid);
		assert_int_equal(event->tid, got.events[0].tid);
		assert_int_equal(event->start_ns / (1000000000 / ticks), process_start_ticks(child.pid));
		assert_int_equal(event->address, got.events[0].address);
		assert_int_equal(event->bytes, 10 * PAGE);
		assert_int_equal(event->advice, MADV_DONTNEED);
		assert_int_equal(event->cause, GCTAP_MADVISE_FOREIGN);
		assert_int_equal(event->result, 0);
		assert_string_equal(event->comm, comm);
		assert_in_range(event->duration_ns, 1, 1000000000);
		assert_true(i == 0 || event->ktime_ns >= got.events[i - 1].ktime_ns + got.events[i - 1].duration_ns);
		if (madvise_probe_rss(probe) == MADVISE_RSS_EXACT && !(event->facts & GCTAP_MADVISE_FACT_MIGRATED))
			assert_int_equal(event->freed_pages[GCTAP_RSS_ANON], 10);
		assert_int_equal(!!(event->facts & GCTAP_MADVISE_FACT_RSS),
				 madvise_probe_rss(probe) != MADVISE_RSS_UNKNOWN);
	}
	assert_int_equal(got.events[got.nr - 1].advice, 999);
	assert_int_equal(got.events[got.nr - 1].result, -EINVAL);
	assert_int_equal(got.events[got.nr - 1].tid, child.pid);
	assert_int_equal(losses_of(probe).events_dropped, 0);
	madvise_probe_free(probe);
	child_end(&child);
}

static void test_events_of_releases(void **state)
{
	struct madvise_probe *probe =
		probe_new(state, (struct madvise_probe_options){ .stream = true, .stream_releases_only = true });
	struct child child = child_start();

	process_add(probe, child.pid, 0);
	child_advise(&child, 10);
	child_order(&child, (struct order){ .what = ADVISE, .times = 2, .pages = 1, .advice = MADV_DONTNEED });
	child_order(&child, (struct order){ .what = ADVISE, .times = 3, .pages = 1, .advice = MADV_FREE });
	assert_int_equal(consume(probe), 5);
	assert_int_equal(normal_calls(probe, child.pid), 10);
	madvise_probe_free(probe);
	child_end(&child);
}

static void test_no_events(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();

	process_add(probe, child.pid, 0);
	child_advise(&child, 10);
	assert_int_equal(consume(probe), 0);
	assert_int_equal(losses_of(probe).events_dropped, 0);
	madvise_probe_free(probe);
	child_end(&child);
}

/* Far more than the ring takes: what is missing among the events is known to the last one, and the sums have it. */
static void test_flood(void **state)
{
	struct madvise_probe *probe =
		probe_new(state, (struct madvise_probe_options){ .ring_bytes = 1, .stream = true });
	struct child child = child_start();
	uint64_t events = 0, calls;
	char byte;

	process_add(probe, child.pid, 0);
	child_begin(&child,
		    (struct order){ .what = ADVISE, .times = 120000, .threads = 2, .pages = 1, .advice = MADV_NORMAL });
	assert_int_equal(fcntl(child.answers, F_SETFL, O_NONBLOCK), 0);
	while (read(child.answers, &byte, 1) != 1) {
		events += consume(probe);
		usleep(1000);
	}
	events += consume(probe);
	calls = normal_calls(probe, child.pid);
	assert_calls(probe, calls, 240000);
	sums_read(probe);
	/* The C library's, for threads that end. */
	for (int i = 0; i < found.nr; i++)
		if (found.sums[i].key.advice != MADV_NORMAL)
			calls += found.sums[i].sum.calls;
	assert_int_equal(events + losses_of(probe).events_dropped, calls);
	assert_true(losses_of(probe).events_dropped > 0);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
}

/* More kinds of calls than there is room for: they are missed, and said to be. */
static void test_full(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	struct error_question question = { 0 };
	struct madvise_probe_losses losses;
	uint64_t calls = 0;

	process_add(probe, child.pid, 0);
	child_order(&child, (struct order){ .what = EVERY, .times = 6000, .pages = 1 });
	losses = losses_of(probe);
	sums_read(probe);
	for (int i = 0; i < found.nr; i++)
		calls += found.sums[i].sum.calls;
	assert_int_equal(madvise_probe_each_error(probe, error_look, &question), 0);
	assert_true(losses.calls_lost > 0);
	assert_int_equal(calls + losses.calls_lost, 6000);
	assert_true(losses.errnos_lost > 0);
	assert_int_equal(question.all + losses.errnos_lost, calls);
	/* Room again. */
	madvise_probe_forget(probe, child.pid);
	assert_int_equal(sums_read(probe), 0);
	process_add(probe, child.pid, 0);
	child_advise(&child, 3);
	assert_int_equal(normal_calls(probe, child.pid), 3);
	assert_int_equal(losses_of(probe).calls_lost, losses.calls_lost);
	madvise_probe_free(probe);
	child_end(&child);
}

static uint32_t execs_of(const struct madvise_probe *probe, pid_t pid)
{
	uint32_t execs = UINT32_MAX;

	assert_int_equal(madvise_probe_execs(probe, pid, &execs), 0);
	return execs;
}

static void test_exec(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child running = child_start(), spawned = child_start(), other = child_start();
	uint32_t execs;

	process_add(probe, running.pid, 0);
	process_add(probe, spawned.pid, 1);
	child_advise(&running, 2);
	assert_int_equal(execs_of(probe, running.pid), 0);
	child_execute(&running);
	child_execute(&spawned);
	child_execute(&other);
	child_advise(&running, 10);
	child_advise(&spawned, 20);
	child_advise(&other, 30);
	assert_int_equal(execs_of(probe, running.pid), 1);
	assert_int_equal(execs_of(probe, spawned.pid), 1);
	assert_int_equal(madvise_probe_execs(probe, other.pid, &execs), -ENOENT);
	assert_int_equal(normal_calls(probe, running.pid), 2);
	assert_int_equal(normal_calls(probe, spawned.pid), 20);
	child_execute(&spawned);
	child_advise(&spawned, 10);
	assert_int_equal(execs_of(probe, spawned.pid), 2);
	assert_int_equal(normal_calls(probe, spawned.pid), 20);
	/* Told of the new program, it goes on. */
	process_add(probe, running.pid, 0);
	assert_int_equal(execs_of(probe, running.pid), 0);
	child_advise(&running, 5);
	assert_int_equal(normal_calls(probe, running.pid), 7);
	madvise_probe_free(probe);
	child_end(&running);
	child_end(&spawned);
	child_end(&other);
}

static void test_remove_and_forget(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start(), other = child_start();
	uint32_t execs;

	process_add(probe, child.pid, 0);
	process_add(probe, other.pid, 0);
	child_advise(&child, 3);
	child_advise(&other, 4);
	child_order(&child, (struct order){ .what = ADVISE, .times = 2, .pages = 1, .advice = 999 });
	madvise_probe_remove(probe, child.pid);
	child_advise(&child, 5);
	assert_int_equal(normal_calls(probe, child.pid), 3);
	assert_int_equal(errors_of(probe, child.pid, 999, EINVAL), 2);
	assert_int_equal(madvise_probe_execs(probe, child.pid, &execs), -ENOENT);
	madvise_probe_forget(probe, child.pid);
	assert_int_equal(normal_calls(probe, child.pid), 0);
	assert_int_equal(errors_of(probe, child.pid, 999, EINVAL), 0);
	assert_int_equal(normal_calls(probe, other.pid), 4);
	child_advise(&child, 5);
	assert_int_equal(normal_calls(probe, child.pid), 0);
	process_add(probe, child.pid, 0);
	child_advise(&child, 6);
	assert_int_equal(normal_calls(probe, child.pid), 6);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
	child_end(&child);
	child_end(&other);
}

static int sum_stop(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum, void *context)
{
	(void)key;
	(void)sum;
	++*(int *)context;
	return -ECANCELED;
}

static int sum_forget(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum, void *context)
{
	(void)sum;
	madvise_probe_forget(context, key->pid);
	return 0;
}

static void test_rounds(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct child child = child_start();
	int visits = 0;

	process_add(probe, child.pid, 0);
	child_order(&child, (struct order){ .what = EVERY, .times = 100, .pages = 1 });
	assert_int_equal(madvise_probe_each_sum(probe, sum_stop, &visits), -ECANCELED);
	assert_int_equal(visits, 1);
	assert_int_equal(sums_read(probe), 100);
	assert_int_equal(madvise_probe_each_sum(probe, sum_forget, probe), 0);
	assert_int_equal(sums_read(probe), 0);
	madvise_probe_free(probe);
	child_end(&child);
}

/* The first process of its pid namespace; the caller lives there too, or in one below. */
static int namespace_main(enum madvise_way way, bool below)
{
	struct madvise_probe *probe;
	struct child child;
	void *state = &way;

	assert_int_equal(getpid(), 1);
	probe = probe_new(&state, (struct madvise_probe_options){ .stream = true });
	if (below)
		assert_int_equal(unshare(CLONE_NEWPID), 0);
	child = child_start();
	process_add(probe, child.pid, 0);
	child_advise(&child, 12);
	assert_int_equal(normal_calls(probe, child.pid), 12);
	assert_int_equal(consume(probe), 12);
	assert_int_equal(got.events[0].pid, child.pid);
	assert_int_equal(got.events[0].tid, child.pid);
	child_execute(&child);
	child_advise(&child, 12);
	assert_int_equal(normal_calls(probe, child.pid), 12);
	assert_int_equal(execs_of(probe, child.pid), 1);
	madvise_probe_free(probe);
	child_end(&child);
	return 0;
}

/* In a program of its own: an assertion that fails in a fork would go on with the tests there. */
static void namespace_run(enum madvise_way way, bool below)
{
	char number[] = { '0' + way, '\0' };
	char *argv[] = { "madvise_probe_test", "namespace", number, below ? "below" : NULL, NULL };
	int status;
	pid_t inner;

	if (unshare(CLONE_NEWPID))
		_exit(5);
	inner = fork();
	if (inner == 0) {
		execv("/proc/self/exe", argv);
		_exit(6);
	}
	_exit(waitpid(inner, &status, 0) == inner && status == 0 ? 0 : 7);
}

static void test_pid_namespaces(void **state)
{
	int status;

	madvise_probe_free(probe_new(state, (struct madvise_probe_options){ 0 }));
	for (int below = 0; below <= 1; below++) {
		pid_t outer = fork();

		if (outer == 0)
			namespace_run(*(enum madvise_way *)*state, below);
		assert_int_equal(waitpid(outer, &status, 0), outer);
		assert_int_equal(status, 0);
	}
}

/* ---- Causes ---------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
/*
 * A make-believe Go program: functions with frames that each call the next of a list,
 * the madvise without a frame at the end.
 */
extern const char frame_text[], frame_background[], frame_forced[], frame_scavenge[], frame_alloc[], frame_grow[],
	frame_other[], frame_last[], frame_root[], frame_fault[], frame_madvise[], frame_syscall[], frame_end[];

__asm__(".macro frame name, before, after\n"
	".globl \\name\n\\name:\n"
	"	push %rbp\n"
	"	\\before\n"
	"	mov (%rcx), %rax\n"
	"	add $8, %rcx\n"
	"	call *%rax\n"
	"	pop %rbp\n"
	"	ret\n"
	".endm\n"
	".text\n.globl frame_text\nframe_text:\n"
	"	frame frame_background, \"mov %rsp, %rbp\"\n"
	"	frame frame_forced, \"mov %rsp, %rbp\"\n"
	"	frame frame_scavenge, \"mov %rsp, %rbp\"\n"
	"	frame frame_alloc, \"mov %rsp, %rbp\"\n"
	"	frame frame_grow, \"mov %rsp, %rbp\"\n"
	"	frame frame_other, \"mov %rsp, %rbp\"\n"
	".globl frame_last\nframe_last:\n"
	"	frame frame_root, \"xor %ebp, %ebp\"\n"
	"	frame frame_fault, \"mov $8, %ebp\"\n"
	".globl frame_madvise\nframe_madvise:\n"
	"	mov $28, %eax\n"
	"	syscall\n"
	"	ret\n"
	".globl frame_syscall\nframe_syscall:\n"
	"	mov $28, %eax\n"
	"	syscall\n"
	"	ret\n"
	".globl frame_end\nframe_end:\n");

typedef void (*frame)(void *memory, size_t length, int advice, const void *next);

static void frames_enter(const struct order *order)
{
	const void *const *frames = order->frames;

	((frame)frames[0])(map_pages(1, MAP_PRIVATE), PAGE, order->advice, frames + 1);
}

/* The variables of the runtime. */
static uint64_t limit, mapped_ready;

static int image_describe(struct dl_phdr_info *info, size_t size, void *context)
{
	struct gctap_madvise_process *process = context;

	(void)size;
	process->start_code = UINT64_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) &&
		    info->dlpi_phdr[i].p_vaddr < process->start_code)
			process->start_code = info->dlpi_phdr[i].p_vaddr;
	/* The program itself comes first. Addresses get relative to it below. */
	process->execs = info->dlpi_addr;
	return 1;
}

static struct gctap_madvise_range range_of(uint64_t bias, const char *start, const char *end, uint32_t mark)
{
	return (struct gctap_madvise_range){ (uintptr_t)start - bias, (uintptr_t)end - bias, mark, 0 };
}

static struct gctap_madvise_process process_of_frames(void)
{
	struct gctap_madvise_process process = { 0 };
	uint64_t bias;

	dl_iterate_phdr(image_describe, &process);
	bias = process.execs;
	process.text_start = (uintptr_t)frame_text - bias;
	process.text_end = (uintptr_t)frame_end - bias;
	process.madvise = range_of(bias, frame_madvise, frame_syscall, 0);
	process.ranges[0] = range_of(bias, frame_background, frame_forced, GCTAP_MADVISE_MARK_BACKGROUND);
	process.ranges[1] = range_of(bias, frame_forced, frame_scavenge, GCTAP_MADVISE_MARK_FORCED);
	process.ranges[2] = range_of(bias, frame_scavenge, frame_alloc, GCTAP_MADVISE_MARK_SCAVENGE);
	process.ranges[3] = range_of(bias, frame_alloc, frame_grow, GCTAP_MADVISE_MARK_ALLOC);
	process.ranges[4] = range_of(bias, frame_grow, frame_other, GCTAP_MADVISE_MARK_GROW);
	process.nr_ranges = 5;
	process.limit_address = (uintptr_t)&limit - bias;
	process.mapped_ready_address = (uintptr_t)&mapped_ready - bias;
	return process;
}

/* Asserts that a call with @frames on the stack, outermost first, has @cause. */
static void assert_cause(struct madvise_probe *probe, const struct gctap_madvise_process *process,
			 const void *const *frames, enum gctap_madvise_cause cause)
{
	struct child child = child_start();
	struct failure failure = { "" };

	if (madvise_probe_add(probe, child.pid, process, &failure))
		fail_msg("%s", failure.text);
	child_order(&child, (struct order){ .what = FRAMES, .advice = MADV_HUGEPAGE, .frames = frames });
	sums_read(probe);
	assert_int_equal(found.nr, 1);
	assert_int_equal(found.sums[0].sum.calls, 1);
	assert_int_equal(found.sums[0].key.advice, MADV_HUGEPAGE);
	assert_int_equal(found.sums[0].key.cause, cause);
	madvise_probe_forget(probe, child.pid);
	child_end(&child);
}

#define FRAMES(...) ((const void *const[]){ __VA_ARGS__ })

static void test_causes_by_frames(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct gctap_madvise_process process = process_of_frames();
	const void *deep[32];

	limit = INT64_MAX;
	assert_cause(probe, &process, FRAMES(frame_root, frame_background, frame_scavenge, frame_madvise),
		     GCTAP_MADVISE_BACKGROUND);
	assert_cause(probe, &process, FRAMES(frame_fault, frame_background, frame_other, frame_scavenge, frame_madvise),
		     GCTAP_MADVISE_BACKGROUND);
	assert_cause(probe, &process, FRAMES(frame_root, frame_forced, frame_scavenge, frame_other, frame_madvise),
		     GCTAP_MADVISE_FORCED);
	/* Known by the word at the stack pointer only. */
	assert_cause(probe, &process, FRAMES(frame_root, frame_alloc, frame_madvise), GCTAP_MADVISE_REUSE);
	assert_cause(probe, &process, FRAMES(frame_root, frame_alloc, frame_other, frame_madvise), GCTAP_MADVISE_REUSE);
	/* The scavenger's stack grows. */
	assert_cause(probe, &process, FRAMES(frame_root, frame_background, frame_alloc, frame_other, frame_madvise),
		     GCTAP_MADVISE_REUSE);
	assert_cause(probe, &process, FRAMES(frame_root, frame_alloc, frame_scavenge, frame_madvise),
		     GCTAP_MADVISE_GROWTH);
	assert_cause(probe, &process, FRAMES(frame_root, frame_grow, frame_scavenge, frame_madvise),
		     GCTAP_MADVISE_GROWTH);
	assert_cause(probe, &process, FRAMES(frame_root, frame_other, frame_madvise), GCTAP_MADVISE_RUNTIME);
	assert_cause(probe, &process, FRAMES(frame_root, frame_scavenge, frame_madvise), GCTAP_MADVISE_RUNTIME);
	assert_cause(probe, &process, FRAMES(frame_fault, frame_other, frame_madvise), GCTAP_MADVISE_UNKNOWN);
	assert_cause(probe, &process, FRAMES(frame_root, frame_background, frame_syscall), GCTAP_MADVISE_PROGRAM);
	assert_cause(probe, &process, FRAMES((void *)madvise), GCTAP_MADVISE_FOREIGN);
	/* Too deep to be seen, and just not. */
	for (int i = 0; i < 32; i++)
		deep[i] = frame_other;
	deep[0] = frame_root;
	deep[1] = frame_background;
	deep[27] = frame_madvise;
	assert_cause(probe, &process, deep, GCTAP_MADVISE_RUNTIME);
	deep[26] = frame_madvise;
	assert_cause(probe, &process, deep, GCTAP_MADVISE_BACKGROUND);
	assert_nothing_lost(probe);
	madvise_probe_free(probe);
}

static void test_causes_by_variables(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 });
	struct gctap_madvise_process process = process_of_frames(), lacking;
	const void *const *frames = FRAMES(frame_root, frame_alloc, frame_scavenge, frame_madvise);

	limit = GIB;
	mapped_ready = GIB - GIB / 32 + 1;
	assert_cause(probe, &process, frames, GCTAP_MADVISE_LIMIT);
	mapped_ready--;
	assert_cause(probe, &process, frames, GCTAP_MADVISE_GROWTH);
	/* A small limit has a larger share for what cannot be seen. */
	limit = 20 * MIB;
	mapped_ready = 16 * MIB + 1;
	assert_cause(probe, &process, frames, GCTAP_MADVISE_LIMIT);
	limit = 1 * MIB;
	mapped_ready = 0;
	assert_cause(probe, &process, frames, GCTAP_MADVISE_LIMIT);
	limit = INT64_MAX;
	assert_cause(probe, &process, frames, GCTAP_MADVISE_GROWTH);

	limit = GIB;
	mapped_ready = GIB;
	lacking = process;
	lacking.limit_address = 0;
	assert_cause(probe, &lacking, frames, GCTAP_MADVISE_GROWTH);
	lacking.limit_address = 8;
	assert_cause(probe, &lacking, frames, GCTAP_MADVISE_UNKNOWN);
	lacking = process;
	lacking.mapped_ready_address = 0;
	assert_cause(probe, &lacking, frames, GCTAP_MADVISE_GROWTH);
	madvise_probe_free(probe);
}
#else
static void frames_enter(const struct order *order)
{
	(void)order;
}

static void test_causes_by_frames(void **state)
{
	(void)state;
	print_message("no frames are written for this architecture\n");
	skip();
}

static void test_causes_by_variables(void **state)
{
	test_causes_by_frames(state);
}
#endif

static void test_refusals(void **state)
{
	struct madvise_probe *probe = probe_new(state, (struct madvise_probe_options){ 0 }), *none = NULL;
	struct gctap_madvise_process good = { 0 }, process;
	struct madvise_probe_options options = { .ways = 1u << MADVISE_WAYS };
	struct failure failure = { "" };
	uint32_t pid = 1u << 22;

	assert_int_equal(madvise_probe_new(&options, &none, &failure), -EINVAL);
	assert_null(none);
	assert_true(*failure.text);
	assert_int_equal(madvise_probe_add(probe, 0, &good, &failure), -EINVAL);
	process = good;
	process.nr_ranges = GCTAP_MADVISE_RANGES_MAX + 1;
	assert_int_equal(madvise_probe_add(probe, pid, &process, &failure), -EINVAL);
	process = good;
	process.nr_ranges = 1;
	assert_int_equal(madvise_probe_add(probe, pid, &process, &failure), -EINVAL);
	process = good;
	process.text_start = 1;
	assert_int_equal(madvise_probe_add(probe, pid, &process, &failure), -EINVAL);
	process.text_end = 2;
	assert_int_equal(madvise_probe_add(probe, pid, &process, &failure), -EINVAL);
	for (int i = 0; i < GCTAP_MADVISE_PROCESSES_MAX; i++)
		assert_int_equal(madvise_probe_add(probe, pid + i, &good, &failure), 0);
	assert_int_equal(madvise_probe_add(probe, pid - 1, &good, &failure), -ENOSPC);
	assert_non_null(strstr(failure.text, "more than"));
	madvise_probe_remove(probe, pid);
	assert_int_equal(madvise_probe_add(probe, pid - 1, &good, &failure), 0);
	madvise_probe_free(probe);
	madvise_probe_free(NULL);
}

/* Without a way that is asked for, one is found. */
static void test_any_way(void **state)
{
	struct madvise_probe *probe = NULL;
	struct failure failure = { "" };
	struct child child;

	(void)state;
	if (refusals[MADVISE_FENTRY] && refusals[MADVISE_TRACEPOINT] && refusals[MADVISE_TP_BTF]) {
		print_message("%s\n", refusals[MADVISE_TP_BTF]);
		skip();
	}
	child = child_start();
	if (madvise_probe_new(NULL, &probe, &failure))
		fail_msg("%s", failure.text);
	for (enum madvise_way way = 0; way < madvise_probe_way(probe); way++)
		assert_non_null(refusals[way]);
	process_add(probe, child.pid, 0);
	child_advise(&child, 8);
	assert_int_equal(normal_calls(probe, child.pid), 8);
	madvise_probe_free(probe);
	child_end(&child);
}

static enum madvise_way ways[MADVISE_WAYS] = { MADVISE_FENTRY, MADVISE_TRACEPOINT, MADVISE_TP_BTF };
static enum madvise_way one_way; /* that works here, for what is the same in all of them */

static int group_setup(void **state)
{
	static struct failure failures[MADVISE_WAYS];

	(void)state;
	for (enum madvise_way way = 0; way < MADVISE_WAYS; way++) {
		struct madvise_probe_options options = { .ways = 1u << way };
		struct madvise_probe *probe;

		if (geteuid() != 0)
			refusals[way] = "needs root";
		else if (madvise_probe_new(&options, &probe, &failures[way]))
			refusals[way] = failures[way].text;
		else
			madvise_probe_free(probe);
	}
	while (one_way < MADVISE_WAYS - 1 && refusals[one_way])
		one_way++;
	return 0;
}

/* clang-format off */
#define IN_WAY(test, way, name) { #test ": " name, test, NULL, NULL, &(way) }
#define IN_ONE_WAY(test) { #test, test, NULL, NULL, &one_way }
#define IN_EACH_WAY(test) \
	IN_WAY(test, ways[MADVISE_FENTRY], "fentry"), \
	IN_WAY(test, ways[MADVISE_TRACEPOINT], "tracepoint"), \
	IN_WAY(test, ways[MADVISE_TP_BTF], "tp_btf")
/* clang-format on */

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_EACH_WAY(test_calls),
		IN_EACH_WAY(test_freed_pages),
		IN_ONE_WAY(test_lazily_freed_pages),
		IN_EACH_WAY(test_errors),
		IN_EACH_WAY(test_other_processes),
		IN_EACH_WAY(test_threads),
		IN_EACH_WAY(test_events),
		IN_ONE_WAY(test_events_of_releases),
		IN_ONE_WAY(test_no_events),
		IN_EACH_WAY(test_flood),
		IN_ONE_WAY(test_full),
		IN_EACH_WAY(test_exec),
		IN_ONE_WAY(test_remove_and_forget),
		IN_ONE_WAY(test_rounds),
		IN_EACH_WAY(test_pid_namespaces),
		IN_EACH_WAY(test_causes_by_frames),
		IN_ONE_WAY(test_causes_by_variables),
		IN_ONE_WAY(test_refusals),
		cmocka_unit_test(test_any_way),
	};
	const char *patience = getenv("GCTAP_PATIENCE");

	if (argc > 3 && !strcmp(argv[1], "child"))
		child_main(atoi(argv[2]), atoi(argv[3]));
	if (argc > 2 && !strcmp(argv[1], "namespace"))
		return namespace_main(atoi(argv[2]), argc > 3);
	/* A child that hangs must not hang the run. An emulated processor takes longer. */
	alarm(170 * (patience ? atoi(patience) : 1));
	return cmocka_run_group_tests_name("madvise_probe", tests, group_setup, NULL);
}
