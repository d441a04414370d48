// SPDX-License-Identifier: BSD-2-Clause
/*
 * madvise_storm: a program that is not Go and makes exactly the madvise calls that
 * it is told to, as fast as it can. It prints what they come to, and the rate.
 *
 *	madvise_storm [-t THREADS] [-p PAGES] [-u] [-w] ADVICE=CALLS...
 *
 * ADVICE is the kernel's number, also one that it does not know. With -t all of it
 * is done in each of so many threads, -p is the length of each call, with -u the
 * pages are touched before each, with -w it first waits for a line on standard input.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ORDERS_MAX  16
#define THREADS_MAX 64

static struct {
	struct {
		int advice;
		long calls;
	} orders[ORDERS_MAX];
	int nr_orders;
	size_t page, length;
	long threads;
	int touch;
} plan = { .threads = 1 };

static void advise(char *memory, int advice)
{
	for (size_t at = 0; plan.touch && at < plan.length; at += plan.page)
		memory[at] = 1;
	madvise(memory, plan.length, advice);
}

static void *follow(void *unused)
{
	char *memory = mmap(NULL, plan.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)unused;
	if (memory == MAP_FAILED)
		exit(3);
	for (int i = 0; i < plan.nr_orders; i++)
		for (long call = 0; call < plan.orders[i].calls; call++)
			advise(memory, plan.orders[i].advice);
	return NULL;
}

/* The C library gives back the stack of a thread that ends, unless it is as small as can be: no call but ours. */
static void follow_in_threads(void)
{
	pthread_t threads[THREADS_MAX];
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, (size_t)sysconf(_SC_THREAD_STACK_MIN));
	for (long i = 0; i < plan.threads; i++)
		if (pthread_create(&threads[i], &small, follow, NULL))
			exit(3);
	for (long i = 0; i < plan.threads; i++)
		pthread_join(threads[i], NULL);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void take_order(const char *text)
{
	if (plan.nr_orders == ORDERS_MAX ||
	    sscanf(text, "%d=%ld", &plan.orders[plan.nr_orders].advice, &plan.orders[plan.nr_orders].calls) != 2)
		exit(2);
	plan.nr_orders++;
}

static void take_options(int argc, char **argv)
{
	long pages = 1, wait = 0;

	for (int option; (option = getopt(argc, argv, "t:p:uw")) != -1;) {
		switch (option) {
		case 't': plan.threads = strtol(optarg, NULL, 10); break;
		case 'p': pages = strtol(optarg, NULL, 10); break;
		case 'u': plan.touch = 1; break;
		case 'w': wait = 1; break;
		default: exit(2);
		}
	}
	if (plan.threads < 1 || plan.threads > THREADS_MAX || pages < 1)
		exit(2);
	while (optind < argc)
		take_order(argv[optind++]);
	plan.page = (size_t)sysconf(_SC_PAGESIZE);
	plan.length = (size_t)pages * plan.page;
	if (wait) {
		puts("ready");
		fflush(stdout);
		getchar();
	}
}

int main(int argc, char **argv)
{
	double start, elapsed;
	long all = 0;

	take_options(argc, argv);
	start = now();
	follow_in_threads();
	elapsed = now() - start;
	for (int i = 0; i < plan.nr_orders; i++) {
		long calls = plan.orders[i].calls * plan.threads;

		all += calls;
		printf("advice=%d calls=%ld bytes=%zu\n", plan.orders[i].advice, calls, (size_t)calls * plan.length);
	}
	printf("calls_per_second=%.0f\n", (double)all / elapsed);
	return 0;
}
