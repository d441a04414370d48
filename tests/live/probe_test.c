// SPDX-License-Identifier: BSD-2-Clause
/*
 * probe: on this kernel, with real probes. The victim is this program itself, in
 * forked children. Skips, with the reason, where BPF may not be used.
 */
#define _GNU_SOURCE 1 /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/probe.h"
#include "gctap/target.h"

#define EVENTS_MAX 8192

/* A compare and a conditional branch that is not taken for a > b: as in a Go prologue, without a frame. */
void victim(uint64_t a, uint64_t b);
extern const unsigned char victim_probe[]; /* the branch */

#if defined(__x86_64__)
__asm__(".text\n.globl victim\n.type victim, @function\nvictim:\n"
	"	cmp %rsi, %rdi\n"
	".globl victim_probe\nvictim_probe:\n"
	"	jbe 1f\n"
	"	nop\n"
	"1:	ret\n"
	".size victim, . - victim\n.section .note.GNU-stack,\"\",@progbits\n.text\n");
#define REGS_BYTES	    168
#define REGS_FIRST_ARGUMENT 14 /* words into struct pt_regs: di */
#else
__asm__(".text\n.globl victim\n.type victim, %function\nvictim:\n"
	"	cmp x0, x1\n"
	".globl victim_probe\nvictim_probe:\n"
	"	b.ls 1f\n"
	"	nop\n"
	"1:	ret\n"
	".size victim, . - victim\n");
#define REGS_BYTES	    256
#define REGS_FIRST_ARGUMENT 0
#endif

static uint64_t victim_data[4] = { 0x1111111111111111, 0x2222222222222222, 0x3333333333333333, 0x4444444444444444 };
static char refusal[512]; /* why BPF cannot be used here; "" when it can */

/* What a child is told to do. */
struct order {
	uint32_t hits; /* per thread; 0: end */
	uint32_t threads;
	uint64_t a, b;
};

struct child {
	pid_t pid;
	int orders, answers;
};

static void *thread_run(void *argument)
{
	const struct order *order = argument;

	for (uint32_t i = 0; i < order->hits; i++)
		victim(order->a, order->b);
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

static void child_main(int orders, int answers)
{
	struct order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(orders, &order, sizeof(order)) == sizeof(order) && order.hits) {
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

	assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answers, O_CLOEXEC), 0);
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

static void child_order(const struct child *child, struct order order)
{
	char byte;

	assert_int_equal(write(child->orders, &order, sizeof(order)), sizeof(order));
	assert_int_equal(read(child->answers, &byte, 1), 1);
}

static void child_hit(const struct child *child, uint32_t hits)
{
	child_order(child, (struct order){ .hits = hits, .a = 2, .b = 1 });
}

static void child_end(const struct child *child)
{
	struct order end = { .hits = 0 };

	/* Said, not just closed: children that started later have inherited the pipe. */
	assert_int_equal(write(child->orders, &end, sizeof(end)), sizeof(end));
	close(child->orders);
	close(child->answers);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
}

/* Where the probed instruction lies in the file of this program. */
static uint64_t probe_offset(void)
{
	unsigned long start, end, offset, probe = (unsigned long)victim_probe;
	uint64_t found = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	assert_non_null(maps);
	while (!found && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 && probe >= start && probe < end)
			found = probe - start + offset;
	fclose(maps);
	assert_true(found);
	return found;
}

/* The text of a child at the probe, as the child's processor sees it. */
static bool probe_installed(pid_t pid)
{
	char path[32], byte[4];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, byte, sizeof(byte), (off_t)(uintptr_t)victim_probe), sizeof(byte));
	close(fd);
	/* Our own text is never probed: the points below are for children, or gone by now. */
	return memcmp(byte, victim_probe, sizeof(byte)) != 0;
}

static struct probe_set *set_new(size_t ring_bytes)
{
	struct probe_options options = { .ring_bytes = ring_bytes };
	struct failure failure = { "" };
	struct probe_set *set = NULL;

	if (*refusal) {
		print_message("%s\n", refusal);
		skip();
	}
	if (probe_set_new(&options, &set, &failure))
		fail_msg("%s", failure.text);
	return set;
}

static struct probe_point point_of(pid_t pid)
{
	return (struct probe_point){ .exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
				     .file_offset = probe_offset(),
				     .pid = pid };
}

static uint32_t point_add(struct probe_set *set, const struct probe_point *point)
{
	struct failure failure = { "" };
	uint32_t id = UINT32_MAX;

	if (probe_set_add(set, point, &id, &failure))
		fail_msg("%s", failure.text);
	close(point->exe_fd);
	return id;
}

static void window_add(struct probe_point *point, uint32_t base, int64_t delta, uint32_t length)
{
	point->capture.windows[point->capture.nr_windows++] =
		(struct gctap_window){ .base = base, .delta = delta, .length = length };
}

static struct {
	struct gctap_event events[EVENTS_MAX];
	int nr;
} got;

static int event_keep(const struct gctap_event *event, void *context)
{
	(void)context;
	assert_true(got.nr < EVENTS_MAX);
	memset(&got.events[got.nr], 0, sizeof(*event));
	memcpy(&got.events[got.nr++], event, GCTAP_EVENT_HEADER_BYTES + event->payload_bytes);
	return 0;
}

static int consume(struct probe_set *set)
{
	int taken;

	got.nr = 0;
	taken = probe_set_consume(set, event_keep, NULL);
	assert_int_equal(taken, got.nr);
	return taken;
}

static uint64_t drops_of(const struct probe_set *set, enum gctap_drop drop)
{
	uint64_t drops[GCTAP_DROP_COUNT];

	assert_int_equal(probe_set_drops(set, drops), 0);
	return drops[drop];
}

static void assert_no_drops(const struct probe_set *set)
{
	for (int drop = 0; drop < GCTAP_DROP_COUNT; drop++)
		assert_int_equal(drops_of(set, drop), 0);
}

static uint64_t word_at(const struct gctap_event *event, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, event->payload + offset, sizeof(word));
	return word;
}

static void test_windows(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	uint32_t id;

	(void)state;
	window_add(&point, GCTAP_BASE_IP, (intptr_t)victim_data - (intptr_t)victim_probe, sizeof(victim_data));
	window_add(&point, GCTAP_BASE_IP, (intptr_t)&victim_data[3] - (intptr_t)victim_probe + 5, 3);
	window_add(&point, GCTAP_BASE_REGS, 0, REGS_BYTES);
	window_add(&point, GCTAP_BASE_SP, 0, 8);
	id = point_add(set, &point);
	probe_set_activate(set);
	child_order(&child, (struct order){ .hits = 10, .a = 0xabcdef, .b = 1 });
	assert_int_equal(consume(set), 10);
	for (int i = 0; i < got.nr; i++) {
		const struct gctap_event *event = &got.events[i];

		assert_int_equal(event->capture, id);
		assert_int_equal(event->pid, child.pid);
		assert_int_equal(event->tid, child.pid);
		assert_int_equal(event->windows_read, 0xf);
		assert_int_equal(event->payload_bytes, sizeof(victim_data) + 3 + REGS_BYTES + 8);
		assert_memory_equal(event->payload, victim_data, sizeof(victim_data));
		assert_memory_equal(event->payload + 32, "\x44\x44\x44", 3);
		assert_int_equal(word_at(event, 35 + 8 * REGS_FIRST_ARGUMENT), 0xabcdef);
		assert_true(i == 0 || event->ktime_ns > got.events[i - 1].ktime_ns);
#if defined(__x86_64__)
		assert_int_equal(word_at(event, 35 + 8 * 16), (uintptr_t)victim_probe);
		/* What lies at the stack pointer is where thread_run() goes on. */
		assert_in_range(word_at(event, 35 + REGS_BYTES), (uintptr_t)thread_run, (uintptr_t)thread_run + 4096);
#endif
	}
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&child);
}

/* As many windows as there can be, as long as they can be, up to the last byte of the largest payload. */
static void test_largest_capture(void **state)
{
	static unsigned char pattern[GCTAP_PAYLOAD_MAX];
	struct probe_set *set = set_new(0);
	struct child child;
	struct probe_point point;
	uint32_t offset = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i * 7 + i / 256;
	child = child_start();
	point = point_of(child.pid);
	for (uint32_t i = 0; i < GCTAP_WINDOWS_MAX; i++) {
		uint32_t length = i < 4 ? 256 : i < 15 ? 42 : 50;

		window_add(&point, GCTAP_BASE_IP, (intptr_t)(pattern + offset) - (intptr_t)victim_probe, length);
		offset += length;
	}
	assert_int_equal(offset, GCTAP_PAYLOAD_MAX);
	point_add(set, &point);
	probe_set_activate(set);
	child_hit(&child, 1);
	assert_int_equal(consume(set), 1);
	assert_int_equal(got.events[0].windows_read, 0xffff);
	assert_int_equal(got.events[0].payload_bytes, GCTAP_PAYLOAD_MAX);
	assert_memory_equal(got.events[0].payload, pattern, GCTAP_PAYLOAD_MAX);
	probe_set_free(set);
	child_end(&child);
}

static void test_kernel_facts(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	const struct gctap_event *event = &got.events[0];
	long ticks = sysconf(_SC_CLK_TCK);
	char comm[16];

	(void)state;
	prctl(PR_GET_NAME, comm);
	point_add(set, &point);
	probe_set_activate(set);
	child_order(&child, (struct order){ .hits = 1, .threads = 1, .a = 2, .b = 1 });
	assert_int_equal(consume(set), 1);
	assert_int_equal(event->pid, child.pid);
	assert_int_not_equal(event->tid, child.pid);
	assert_int_equal(event->start_ns / (1000000000 / ticks), process_start_ticks(child.pid));
	assert_string_equal(event->comm, comm);
	assert_true(event->facts & GCTAP_FACT_RSS);
	assert_true(event->rss_pages[GCTAP_RSS_FILE] + event->rss_pages[GCTAP_RSS_ANON] > 0);
	assert_in_range(event->rss_pages[GCTAP_RSS_FILE], 0, 1 << 20);
	assert_in_range(event->rss_pages[GCTAP_RSS_ANON], 0, 1 << 20);
	assert_int_equal(event->payload_bytes, 0);
	assert_int_equal(event->windows_read, 0);
	probe_set_free(set);
	child_end(&child);
}

static void test_window_fault(void **state)
{
	static const unsigned char zeros[64];
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);

	(void)state;
	window_add(&point, GCTAP_BASE_IP, (intptr_t)victim_data - (intptr_t)victim_probe, 8);
	window_add(&point, GCTAP_BASE_IP, 16 - (intptr_t)victim_probe, 64); /* the page at 0 */
	window_add(&point, GCTAP_BASE_SP, INT64_MIN, 8);		    /* no user address */
	window_add(&point, GCTAP_BASE_IP, (intptr_t)&victim_data[1] - (intptr_t)victim_probe, 8);
	point_add(set, &point);
	probe_set_activate(set);
	child_hit(&child, 5);
	assert_int_equal(consume(set), 5);
	for (int i = 0; i < got.nr; i++) {
		assert_int_equal(got.events[i].windows_read, 1 << 0 | 1 << 3);
		assert_int_equal(word_at(&got.events[i], 0), victim_data[0]);
		assert_memory_equal(got.events[i].payload + 8, zeros, 64);
		assert_int_equal(word_at(&got.events[i], 80), victim_data[1]);
	}
	assert_int_equal(drops_of(set, GCTAP_DROP_WINDOW_FAULT), 10);
	assert_int_equal(drops_of(set, GCTAP_DROP_RING_FULL), 0);
	probe_set_free(set);
	child_end(&child);
}

static void test_ring_full(void **state)
{
	struct probe_set *set = set_new(1);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	int first;

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	child_order(&child, (struct order){ .hits = 500, .threads = 4, .a = 2, .b = 1 });
	first = consume(set);
	assert_in_range(first, 1, 100);
	assert_int_equal(drops_of(set, GCTAP_DROP_RING_FULL), 2000 - first);
	/* Room again, and the count stands. */
	child_hit(&child, 1);
	assert_int_equal(consume(set), 1);
	assert_int_equal(drops_of(set, GCTAP_DROP_RING_FULL), 2000 - first);
	probe_set_free(set);
	child_end(&child);
}

static void test_all_threads(void **state)
{
	struct probe_set *set = set_new(16 << 20);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	uint32_t tids[16];
	int nr_tids = 0;

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	child_order(&child, (struct order){ .hits = 1000, .threads = 8, .a = 2, .b = 1 });
	consume(set);
	/* First, for it says why events are missing. */
	assert_no_drops(set);
	assert_int_equal(got.nr, 8000);
	for (int i = 0; i < got.nr; i++) {
		int seen = 0;

		assert_int_equal(got.events[i].pid, child.pid);
		while (seen < nr_tids && tids[seen] != got.events[i].tid)
			seen++;
		if (seen == nr_tids) {
			assert_true(nr_tids < 16);
			tids[nr_tids++] = got.events[i].tid;
		}
	}
	assert_int_equal(nr_tids, 8);
	probe_set_free(set);
	child_end(&child);
}

static void test_other_process_untouched(void **state)
{
	struct probe_set *set = set_new(0);
	struct child traced = child_start(), other = child_start();
	struct probe_point point = point_of(traced.pid);

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	assert_true(probe_installed(traced.pid));
	assert_false(probe_installed(other.pid));
	child_hit(&other, 10);
	assert_int_equal(consume(set), 0);
	child_hit(&traced, 10);
	assert_int_equal(consume(set), 10);
	probe_set_free(set);
	child_end(&traced);
	child_end(&other);
}

static void test_pid_filter(void **state)
{
	struct probe_set *set = set_new(0);
	struct child traced = child_start(), other = child_start();
	struct probe_point point = point_of(-1);

	(void)state;
	point.pid_filter = traced.pid;
	point_add(set, &point);
	probe_set_activate(set);
	child_hit(&other, 10);
	child_hit(&traced, 7);
	assert_int_equal(consume(set), 7);
	for (int i = 0; i < got.nr; i++)
		assert_int_equal(got.events[i].pid, traced.pid);
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&traced);
	child_end(&other);
}

/* Everywhere, also in processes that start later. */
static void test_every_process(void **state)
{
	struct probe_set *set = set_new(0);
	struct child first = child_start(), second;
	struct probe_point point = point_of(-1);

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	second = child_start();
	child_hit(&first, 3);
	child_hit(&second, 4);
	assert_int_equal(consume(set), 7);
	assert_int_equal(got.events[0].pid, first.pid);
	assert_int_equal(got.events[6].pid, second.pid);
	probe_set_free(set);
	child_end(&first);
	child_end(&second);
}

static void test_branch_not_taken(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);

	(void)state;
	point.capture.flags = GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL;
	point_add(set, &point);
	probe_set_activate(set);
	child_order(&child, (struct order){ .hits = 1, .a = 1, .b = 2 });
	child_order(&child, (struct order){ .hits = 1, .a = 2, .b = 2 });
	assert_int_equal(consume(set), 0);
	child_order(&child, (struct order){ .hits = 1, .a = 3, .b = 2 });
	child_order(&child, (struct order){ .hits = 1, .a = UINT64_MAX, .b = 2 });
	assert_int_equal(consume(set), 2);
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&child);
}

static void test_stack(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	const struct gctap_event *event = &got.events[0];

	(void)state;
	point.capture.flags = GCTAP_CAPTURE_STACK | GCTAP_CAPTURE_IN_PROLOGUE;
	point_add(set, &point);
	probe_set_activate(set);
	child_hit(&child, 1);
	assert_int_equal(consume(set), 1);
	assert_true(event->facts & GCTAP_FACT_STACK);
	assert_true(event->payload_bytes >= 16 && event->payload_bytes % 8 == 0);
	assert_int_equal(word_at(event, 0), (uintptr_t)victim_probe);
#if defined(__x86_64__)
	assert_in_range(word_at(event, 8), (uintptr_t)thread_run, (uintptr_t)thread_run + 4096);
#endif
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&child);
}

static void test_nothing_before_activation(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);

	(void)state;
	point_add(set, &point);
	child_hit(&child, 10);
	assert_int_equal(consume(set), 0);
	probe_set_activate(set);
	child_hit(&child, 1);
	assert_int_equal(consume(set), 1);
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&child);
}

static void test_remove(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid), again = point_of(child.pid);
	uint32_t id, next;

	(void)state;
	id = point_add(set, &point);
	probe_set_activate(set);
	assert_true(probe_installed(child.pid));
	child_hit(&child, 3);
	probe_set_remove(set, id);
	probe_set_remove(set, id);
	assert_false(probe_installed(child.pid));
	child_hit(&child, 3);

	/* Its events still come, and its id is another's only after them. */
	next = point_add(set, &again);
	assert_int_not_equal(next, id);
	child_hit(&child, 2);
	assert_int_equal(consume(set), 5);
	assert_int_equal(got.events[2].capture, id);
	assert_int_equal(got.events[3].capture, next);
	assert_no_drops(set);
	probe_set_free(set);
	assert_false(probe_installed(child.pid));
	child_end(&child);
}

static void test_killed_tracer_leaves_nothing(void **state)
{
	struct child child = child_start();
	pid_t tracer;
	int ready[2];
	char byte;

	(void)state;
	if (*refusal) {
		child_end(&child);
		skip();
	}
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	tracer = fork();
	if (tracer == 0) {
		struct probe_set *set = set_new(0);
		struct probe_point point = point_of(child.pid);

		point_add(set, &point);
		probe_set_activate(set);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_true(probe_installed(child.pid));
	child_hit(&child, 100);
	kill(tracer, SIGKILL);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	/* Its descriptors are closed before it can be waited for. */
	assert_false(probe_installed(child.pid));
	child_hit(&child, 100);
	child_end(&child);
}

/* A held command: attached before its exec, by its pid, and not one hit is missed. */
static void test_spawned_before_exec(void **state)
{
	char *argv[] = { "/proc/self/exe", "victim", NULL };
	struct target_spawn_options options = { .argv = argv, .stdout_fd = -1, .stderr_fd = -1 };
	struct probe_set *set = set_new(0);
	struct failure failure = { "" };
	struct target *target;
	struct probe_point point;
	uint32_t id;
	int status;

	(void)state;
	assert_int_equal(target_spawn(&options, &target, &failure), 0);
	point = (struct probe_point){ .exe_fd = target->exe_fd, .file_offset = probe_offset(), .pid = target->pid };
	assert_int_equal(probe_set_add(set, &point, &id, &failure), 0);
	probe_set_activate(set);
	assert_int_equal(target_release(target, &failure), 0);
	assert_int_equal(target_wait(target, &status), 0);
	assert_int_equal(consume(set), 50);
	assert_int_equal(got.events[0].pid, target->pid);
	assert_int_equal(got.events[0].start_ns / (1000000000 / sysconf(_SC_CLK_TCK)), target->start_ticks);
	target_close(target);
	probe_set_free(set);
}

/* A program whose file is gone by now: found through the process all the same. */
static void test_deleted_file(void **state)
{
	char path[] = "/tmp/probe_test.XXXXXX", command[128], byte;
	char *argv[] = { path, "victim", "wait", NULL };
	struct target_spawn_options options = { .argv = argv, .stderr_fd = -1 };
	struct probe_set *set = set_new(0);
	struct failure failure = { "" };
	struct target *spawned, *target;
	struct probe_point point;
	int ready[2], status;
	uint32_t id;

	(void)state;
	close(mkostemp(path, O_CLOEXEC));
	snprintf(command, sizeof(command), "cp /proc/%d/exe %s && chmod 755 %s", getpid(), path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	options.stdout_fd = ready[1];
	assert_int_equal(target_spawn(&options, &spawned, &failure), 0);
	assert_int_equal(target_release(spawned, &failure), 0);
	close(ready[1]);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(target_open(spawned->pid, &target, &failure), 0);
	assert_non_null(strstr(target->exe_path, "(deleted)"));
	point = (struct probe_point){ .exe_fd = target->exe_fd, .file_offset = probe_offset(), .pid = target->pid };
	assert_int_equal(probe_set_add(set, &point, &id, &failure), 0);
	probe_set_activate(set);
	/* Before it waits, the signal would end it. */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	kill(spawned->pid, SIGUSR1);
	assert_int_equal(target_wait(spawned, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(consume(set), 50);
	target_close(target);
	target_close(spawned);
	probe_set_free(set);
}

static int event_stop(const struct gctap_event *event, void *context)
{
	(void)event;
	++*(int *)context;
	return -ECANCELED;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1;
}

static void test_rest(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	/* A few events wake nobody ... */
	child_hit(&child, 3);
	assert_false(readable(probe_set_fd(set), 0));
	assert_int_equal(consume(set), 3);
	/* ... but the next one does when it is asked to ... */
	probe_set_rest(set);
	assert_false(readable(probe_set_fd(set), 0));
	child_hit(&child, 1);
	assert_true(readable(probe_set_fd(set), 5000));
	assert_int_equal(consume(set), 1);
	assert_false(readable(probe_set_fd(set), 0));
	/* ... and only that one. */
	child_hit(&child, 3);
	assert_false(readable(probe_set_fd(set), 0));
	assert_int_equal(consume(set), 3);
	assert_no_drops(set);
	probe_set_free(set);
	child_end(&child);
}

static void test_handler_stops(void **state)
{
	struct probe_set *set = set_new(0);
	struct child child = child_start();
	struct probe_point point = point_of(child.pid);
	int calls = 0;

	(void)state;
	point_add(set, &point);
	probe_set_activate(set);
	child_hit(&child, 3);
	assert_int_equal(probe_set_consume(set, event_stop, &calls), -ECANCELED);
	assert_int_equal(calls, 1);
	assert_int_equal(consume(set), 2);
	probe_set_free(set);
	child_end(&child);
}

static void test_refusals(void **state)
{
	struct probe_set *set = set_new(0);
	struct failure failure = { "" };
	struct child child = child_start();
	struct probe_point good = point_of(child.pid), point;
	uint32_t id;

	(void)state;
	point = good;
	point.pid = 0;
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	point = good;
	window_add(&point, GCTAP_BASE_IP, 0, 257);
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	point = good;
	window_add(&point, GCTAP_BASE_IP, 0, 0);
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	point = good;
	window_add(&point, 3, 0, 8);
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	point = good;
	for (int i = 0; i < 7; i++)
		window_add(&point, GCTAP_BASE_IP, 0, 256);
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	point = good;
	point.capture.nr_windows = GCTAP_WINDOWS_MAX + 1;
	assert_int_equal(probe_set_add(set, &point, &id, &failure), -EINVAL);
	child_end(&child);
	assert_int_equal(probe_set_add(set, &good, &id, &failure), -ESRCH);
	assert_non_null(strstr(failure.text, "is gone"));
	close(good.exe_fd);
	probe_set_free(set);
}

/* The program that the tests above spawn. One that waits says so first. */
static int victim_main(bool wait)
{
	sigset_t usr1;
	int received;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	if (wait && (write(STDOUT_FILENO, "", 1) != 1 || sigwait(&usr1, &received)))
		return 1;
	for (int i = 0; i < 50; i++)
		victim(2, 1);
	return 0;
}

static int group_setup(void **state)
{
	struct failure failure = { "" };
	struct probe_set *set;

	(void)state;
	if (geteuid() != 0)
		snprintf(refusal, sizeof(refusal), "needs root");
	else if (probe_set_new(NULL, &set, &failure))
		snprintf(refusal, sizeof(refusal), "%s", failure.text);
	else
		probe_set_free(set);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_largest_capture),
		cmocka_unit_test(test_kernel_facts),
		cmocka_unit_test(test_window_fault),
		cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_all_threads),
		cmocka_unit_test(test_other_process_untouched),
		cmocka_unit_test(test_pid_filter),
		cmocka_unit_test(test_every_process),
		cmocka_unit_test(test_branch_not_taken),
		cmocka_unit_test(test_stack),
		cmocka_unit_test(test_nothing_before_activation),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_killed_tracer_leaves_nothing),
		cmocka_unit_test(test_spawned_before_exec),
		cmocka_unit_test(test_deleted_file),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_handler_stops),
		cmocka_unit_test(test_refusals),
	};

	const char *patience;

	if (argc > 1 && !strcmp(argv[1], "victim"))
		return victim_main(argc > 2);
	/* A child that hangs must not hang the run. An emulated processor takes longer. */
	patience = getenv("GCTAP_PATIENCE");
	alarm(120 * (patience ? atoi(patience) : 1));
	return cmocka_run_group_tests_name("probe", tests, group_setup, NULL);
}
