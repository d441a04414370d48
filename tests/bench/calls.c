// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls: what this process pays for a system call, a madvise call and a page
 * fault: the fastest of ROUNDS rounds each, ns, as "getppid NS madvise NS fault NS".
 *
 *	calls [ROUNDS [CPU]]
 */
#define _GNU_SOURCE 1
#include <inttypes.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS 200000u
#define PAGES 16384u
#define PAGE  4096u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double getppid_ns(void)
{
	uint64_t start = now_ns();

	for (unsigned i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return (double)(now_ns() - start) / CALLS;
}

static double madvise_ns(char *page)
{
	uint64_t start = now_ns();

	for (unsigned i = 0; i < CALLS; i++)
		madvise(page, PAGE, MADV_NORMAL);
	return (double)(now_ns() - start) / CALLS;
}

static double fault_ns(char *pages)
{
	uint64_t start;

	madvise(pages, (size_t)PAGES * PAGE, MADV_DONTNEED);
	start = now_ns();
	for (size_t i = 0; i < PAGES; i++)
		pages[i * PAGE] = 1;
	return (double)(now_ns() - start) / PAGES;
}

static double least(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	double getppid = 0, madvised = 0, fault = 0;
	cpu_set_t cpus;
	char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return 1;
	if (argc > 2) {
		CPU_ZERO(&cpus);
		CPU_SET((unsigned)atoi(argv[2]), &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	for (int i = 0; i < rounds; i++) {
		getppid = least(getppid, getppid_ns());
		madvised = least(madvised, madvise_ns(pages));
		fault = least(fault, fault_ns(pages));
	}
	printf("getppid %.1f madvise %.1f fault %.1f\n", getppid, madvised, fault);
	return 0;
}
