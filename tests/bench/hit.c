// SPDX-License-Identifier: BSD-2-Clause
/*
 * hit: what passing a probe costs, and how many hits a second can be taken. The
 * probed program is this one: a Go program passes its probe once per cycle, which
 * tells nothing apart from the rest of the cycle. What is copied at the probe is as
 * many windows, of the same lengths, as of the Go program that is given; they come
 * from a buffer of ours.
 *
 *	hit cost GO_PROGRAM
 *		ns a pass, the median of 500 times 200: "WHAT NS" a line, and of the
 *		kernel's statistics, if they are on, "program NS RUNS"
 *	hit flood GO_PROGRAM RATE SECONDS RING_KIB
 *		RATE passes a second, each decoded and written to /dev/null as a line:
 *		"asked RATE hits N lines N drops N seconds S"
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "gctap/gc_cycle.h"
#include "gctap/gobin.h"
#include "gctap/image.h"
#include "gctap/probe.h"
#include "gctap/recipe.h"

#define BATCHES 500u
#define BATCH	200u /* fits the ring: what has no room costs less */
#define POLL_MS 50   /* as gctap does */

/* A branch, which the kernel emulates, and an instruction that it single-steps. */
void pass_branch(uint64_t a, uint64_t b);
void pass_move(uint64_t a, uint64_t b);
extern const unsigned char probe_branch[], probe_move[];

__asm__(".text\n.globl pass_branch\n.type pass_branch, @function\npass_branch:\n"
	"	cmp %rsi, %rdi\n"
	".globl probe_branch\nprobe_branch:\n"
	"	jbe 1f\n"
	"	nop\n"
	"1:	ret\n"
	".size pass_branch, . - pass_branch\n"
	".globl pass_move\n.type pass_move, @function\npass_move:\n"
	".globl probe_move\nprobe_move:\n"
	"	mov %rdi, %rax\n"
	"	ret\n"
	".size pass_move, . - pass_move\n"
	".section .note.GNU-stack,\"\",@progbits\n.text\n");

typedef void (*pass_function)(uint64_t a, uint64_t b);

static unsigned char buffer[GCTAP_PAYLOAD_MAX];

struct bench {
	struct recipe *recipe;
	struct gc_layout layout;
	struct gc_cycle cycle;
	struct line_clock clock;
	struct gctap_capture capture;
	struct probe_set *set;
	int exe_fd;
	FILE *out;
	uint64_t lines;
};

static void die(const char *what)
{
	fprintf(stderr, "hit: %s\n", what);
	exit(2);
}

static void check(int error, const struct failure *failure)
{
	if (error)
		die(failure->text);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The addresses are relative to the probe; so many bytes of the stack are there here, too. */
static void windows_move(struct gctap_capture *capture, const unsigned char *probe)
{
	int64_t at = buffer - probe;

	for (unsigned i = 0; i < capture->nr_windows; i++) {
		if (capture->windows[i].base != GCTAP_BASE_IP)
			continue;
		capture->windows[i].delta = at;
		at += capture->windows[i].length;
	}
}

static void prepare(struct bench *bench, const char *path, size_t ring_bytes)
{
	struct probe_options options = { .ring_bytes = ring_bytes };
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;

	check(image_open(path, &image, &failure), &failure);
	check(gobin_open(image, &gobin, &failure), &failure);
	check(recipe_solve_gctrace(gobin, &bench->recipe, &failure), &failure);
	check(gc_layout_learn(bench->recipe, &bench->layout, &failure), &failure);
	check(probe_set_new(&options, &bench->set, &failure), &failure);
	bench->clock.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	bench->exe_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	bench->out = fopen("/dev/null", "we");
	if (bench->exe_fd < 0 || !bench->out)
		die("cannot open files");
}

/* Where a function of ours lies in our file: in the segment that /proc/self/maps shows it in. */
static uint64_t file_offset(const void *address)
{
	unsigned long long from, to, offset;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) == 3 && (uintptr_t)address >= from &&
		    (uintptr_t)address < to) {
			fclose(maps);
			return (uintptr_t)address - from + offset;
		}
	}
	die("this program is not in its own maps");
	return 0;
}

static uint32_t attach(struct bench *bench, const unsigned char *probe)
{
	struct probe_point point = {
		.exe_fd = bench->exe_fd, .file_offset = file_offset(probe), .pid = -1, .pid_filter = (uint32_t)getpid()
	};
	struct failure failure = { "" };
	uint32_t id;

	recipe_capture(bench->recipe, bench->recipe->probe_address, &point.capture);
	windows_move(&point.capture, probe);
	check(probe_set_add(bench->set, &point, &id, &failure), &failure);
	return id;
}

static int take(const struct gctap_event *event, void *context)
{
	struct bench *bench = context;

	gc_cycle_decode(bench->recipe, &bench->layout, event, &bench->clock, &bench->cycle);
	if (fprintf(bench->out, "%s\n", bench->cycle.shown.line) > 0)
		bench->lines++;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *bench, const char *what, pass_function pass)
{
	static double ns[BATCHES];

	for (unsigned i = 0; i < BATCHES; i++) {
		uint64_t start = now_ns();

		for (unsigned j = 0; j < BATCH; j++)
			pass(2, 1);
		ns[i] = (double)(now_ns() - start) / BATCH;
		probe_set_consume(bench->set, take, bench);
	}
	qsort(ns, BATCHES, sizeof(ns[0]), by_value);
	printf("%s %.1f\n", what, ns[BATCHES / 2]);
}

static void cost(struct bench *bench)
{
	struct probe_cost before = { 0 }, after = { 0 };
	uint32_t id;

	measure(bench, "unprobed", pass_branch);
	id = attach(bench, probe_branch);
	/* The program ends at once: the trap, and calling it. */
	measure(bench, "trap", pass_branch);
	probe_set_activate(bench->set);
	probe_set_cost(bench->set, &before);
	measure(bench, "branch", pass_branch);
	probe_set_cost(bench->set, &after);
	probe_set_remove(bench->set, id);
	attach(bench, probe_move);
	measure(bench, "stepped", pass_move);
	if (after.runs > before.runs)
		printf("program %.1f %" PRIu64 "\n",
		       (double)(after.run_ns - before.run_ns) / (double)(after.runs - before.runs),
		       after.runs - before.runs);
}

struct flood {
	uint64_t rate, end_ns, hits;
	atomic_bool done;
};

/* As many each millisecond as the rate wants by then. */
static void *flood_run(void *argument)
{
	struct flood *flood = argument;
	uint64_t start = now_ns(), now;

	while ((now = now_ns()) < flood->end_ns) {
		uint64_t wanted = (uint64_t)((double)(now - start) * 1e-9 * (double)flood->rate);

		for (; flood->hits < wanted; flood->hits++)
			pass_branch(2, 1);
		usleep(1000);
	}
	atomic_store(&flood->done, true);
	return NULL;
}

static void flood(struct bench *bench, uint64_t rate, double seconds)
{
	struct flood flood = { .rate = rate };
	uint64_t drops[GCTAP_DROP_COUNT] = { 0 }, start;
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread;

	attach(bench, probe_branch);
	probe_set_activate(bench->set);
	epoll_ctl(epoll, EPOLL_CTL_ADD, probe_set_fd(bench->set), &event);
	start = now_ns();
	flood.end_ns = start + (uint64_t)(seconds * 1e9);
	if (pthread_create(&thread, NULL, flood_run, &flood))
		die("cannot start a thread");
	while (!atomic_load(&flood.done)) {
		epoll_wait(epoll, &event, 1, POLL_MS);
		probe_set_consume(bench->set, take, bench);
	}
	pthread_join(thread, NULL);
	seconds = (double)(now_ns() - start) * 1e-9;
	probe_set_consume(bench->set, take, bench);
	if (probe_set_drops(bench->set, drops))
		die("the drops cannot be read");
	printf("asked %" PRIu64 " hits %" PRIu64 " lines %" PRIu64 " drops %" PRIu64 " seconds %.2f\n", rate,
	       flood.hits, bench->lines, drops[GCTAP_DROP_RING_FULL], seconds);
	close(epoll);
}

int main(int argc, char **argv)
{
	static struct bench bench;

	if (argc == 3 && !strcmp(argv[1], "cost")) {
		prepare(&bench, argv[2], 0);
		cost(&bench);
	} else if (argc == 6 && !strcmp(argv[1], "flood")) {
		prepare(&bench, argv[2], strtoull(argv[5], NULL, 10) << 10);
		flood(&bench, strtoull(argv[3], NULL, 10), strtod(argv[4], NULL));
	} else {
		die("hit cost GO_PROGRAM | hit flood GO_PROGRAM RATE SECONDS RING_KIB");
	}
	probe_set_free(bench.set);
	return 0;
}
