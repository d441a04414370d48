// SPDX-License-Identifier: BSD-2-Clause
/* target_pages: runs of pages of memory made here, by both ways to them. */
#define _GNU_SOURCE 1 /* memfd_create */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/target_maps.h"
#include "target/pages_each.h"

#define MIB	 (1ull << 20)
#define GIB	 (1ull << 30)
#define RUNS_MAX 4096

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static size_t page;

struct runs {
	struct pages_run run[RUNS_MAX];
	size_t nr;
	uint64_t bytes[PAGES_STATES + 1]; /* by state */
};

static int collect(const struct pages_run *run, void *context)
{
	struct runs *runs = context;

	assert_true(run->start < run->end);
	assert_true(run->start % page == 0 && run->end % page == 0);
	assert_true(run->state <= PAGES_STATES && !(run->state & ~run->known));
	/* Without gaps, and each as long as it can be. */
	if (runs->nr && runs->nr <= RUNS_MAX) {
		const struct pages_run *before = &runs->run[runs->nr - 1];

		assert_int_equal(run->start, before->end);
		assert_true(run->state != before->state || run->known != before->known);
	}
	if (runs->nr < RUNS_MAX)
		runs->run[runs->nr] = *run;
	runs->nr++;
	runs->bytes[run->state] += run->end - run->start;
	return 0;
}

static struct runs *each(int fd, const void *address, size_t bytes, uint32_t distinguish)
{
	struct runs *runs = calloc(1, sizeof(*runs));
	uint64_t start = (uintptr_t)address;

	assert_non_null(runs);
	assert_int_equal(target_pages_each(fd, start, start + bytes, distinguish, collect, runs), 0);
	assert_true(runs->nr > 0 && runs->nr <= RUNS_MAX);
	assert_int_equal(runs->run[0].start, start);
	assert_int_equal(runs->run[runs->nr - 1].end, start + bytes);
	return runs;
}

typedef int (*walk_function)(struct pages_walk *walk, int fd, uint64_t start, uint64_t end);

/* NULL when the kernel does not have it. */
static struct runs *by_way(walk_function way, int fd, const void *address, size_t bytes, uint32_t distinguish)
{
	struct runs *runs = calloc(1, sizeof(*runs));
	uint64_t start = (uintptr_t)address;
	struct pages_walk walk;
	int error;

	assert_non_null(runs);
	pages_walk_start(&walk, start, distinguish, collect, runs);
	error = way(&walk, fd, start, start + bytes);
	if (error == -ENOTTY) {
		free(runs);
		return NULL;
	}
	assert_int_equal(error, 0);
	assert_int_equal(pages_walk_finish(&walk), 0);
	return runs;
}

/* The same runs by both ways, when that is told apart that both can. */
static void check_same(int fd, const void *address, size_t bytes)
{
	uint32_t distinguish = PAGES_FILE | (geteuid() ? 0 : PAGES_ZERO);
	struct runs *scanned = by_way(pages_by_scan, fd, address, bytes, distinguish);
	struct runs *read = by_way(pages_by_reading, fd, address, bytes, distinguish);

	assert_non_null(read);
	if (scanned) {
		assert_int_equal(scanned->nr, read->nr);
		assert_memory_equal(scanned->run, read->run, read->nr * sizeof(read->run[0]));
	}
	free(scanned);
	free(read);
}

static int own_pagemap(void)
{
	int fd = target_pagemap_open(getpid());

	assert_true(fd >= 0);
	return fd;
}

static char *map(size_t bytes, int protection, int flags, int fd)
{
	char *address = mmap(NULL, bytes, protection, flags, fd, 0);

	assert_ptr_not_equal(address, MAP_FAILED);
	return address;
}

static void check_run(const struct runs *runs, size_t nr, const char *base, size_t first, size_t count, uint32_t state)
{
	assert_true(nr < runs->nr);
	assert_int_equal(runs->run[nr].start, (uintptr_t)base + first * page);
	assert_int_equal(runs->run[nr].end, (uintptr_t)base + (first + count) * page);
	assert_int_equal(runs->run[nr].state, state);
}

static void test_touched(void **state)
{
	char *memory = map(64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap();
	uint64_t present;
	struct runs *runs;

	(void)state;
	madvise(memory, 64 * page, MADV_NOHUGEPAGE);
	memset(memory + 2 * page, 1, 3 * page);
	memory[63 * page] = 1;
	runs = each(fd, memory, 64 * page, PAGES_FILE | PAGES_HUGE);
	assert_int_equal(runs->nr, 4);
	check_run(runs, 0, memory, 0, 2, 0);
	check_run(runs, 1, memory, 2, 3, PAGES_PRESENT);
	check_run(runs, 2, memory, 5, 58, 0);
	check_run(runs, 3, memory, 63, 1, PAGES_PRESENT);
	assert_int_equal(target_pagemap_present(fd, (uintptr_t)memory, 64 * page, &present), 0);
	assert_int_equal(present, 4 * page);
	check_same(fd, memory, 64 * page);
	free(runs);
	/* A part of it, from within a page to within a page. */
	runs = calloc(1, sizeof(*runs));
	assert_int_equal(target_pages_each(fd, (uintptr_t)memory + 3 * page + 1, (uintptr_t)memory + 4 * page + 1, 0,
					   collect, runs),
			 0);
	assert_int_equal(runs->nr, 1);
	check_run(runs, 0, memory, 3, 2, PAGES_PRESENT);
	free(runs);
	close(fd);
	munmap(memory, 64 * page);
}

/* A page that was only read is there, and counts in no Rss. */
static void test_zero_page(void **state)
{
	char *memory = map(16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap();
	struct runs *runs;

	(void)state;
	madvise(memory, 16 * page, MADV_NOHUGEPAGE);
	memory[0] = 1;
	(void)*(volatile char *)(memory + page);
	runs = each(fd, memory, 16 * page, PAGES_ZERO | PAGES_FILE);
	if (!(runs->run[0].known & PAGES_ZERO)) {
		check_run(runs, 0, memory, 0, 2, PAGES_PRESENT);
	} else {
		check_run(runs, 0, memory, 0, 1, PAGES_PRESENT);
		check_run(runs, 1, memory, 1, 1, PAGES_PRESENT | PAGES_ZERO);
	}
	check_same(fd, memory, 16 * page);
	free(runs);
	close(fd);
	munmap(memory, 16 * page);
}

static void test_shared_and_file(void **state)
{
	int memory_fd = memfd_create("pages", MFD_CLOEXEC), fd = own_pagemap();
	char *shared = map(8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), *memfd, *copy;
	struct runs *runs;

	(void)state;
	assert_int_equal(ftruncate(memory_fd, (off_t)(8 * page)), 0);
	memfd = map(8 * page, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd);
	copy = map(8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory_fd);
	shared[page] = 1;
	memfd[0] = memfd[page] = 1;
	runs = each(fd, shared, 8 * page, PAGES_FILE);
	check_run(runs, 1, shared, 1, 1, PAGES_PRESENT | PAGES_FILE);
	free(runs);
	runs = each(fd, memfd, 8 * page, PAGES_FILE);
	check_run(runs, 0, memfd, 0, 2, PAGES_PRESENT | PAGES_FILE);
	free(runs);
	/* What was written to in a private mapping of it is anonymous. */
	copy[0] = 2;
	runs = each(fd, copy, page, PAGES_FILE);
	check_run(runs, 0, copy, 0, 1, PAGES_PRESENT);
	free(runs);
	check_same(fd, shared, 8 * page);
	check_same(fd, memfd, 8 * page);
	check_same(fd, copy, 8 * page);
	close(memory_fd);
	close(fd);
	munmap(shared, 8 * page);
	munmap(memfd, 8 * page);
	munmap(copy, 8 * page);
}

/* What MADV_FREE has been said of is there until somebody needs it; what nobody may touch may be there as well. */
static void test_free_and_none(void **state)
{
	char *memory = map(16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap();
	struct runs *runs;

	(void)state;
	memset(memory, 1, 16 * page);
	assert_int_equal(madvise(memory, 4 * page, MADV_FREE), 0);
	assert_int_equal(madvise(memory + 4 * page, 4 * page, MADV_DONTNEED), 0);
	assert_int_equal(mprotect(memory + 8 * page, 8 * page, PROT_NONE), 0);
	runs = each(fd, memory, 16 * page, 0);
	assert_int_equal(runs->nr, 3);
	check_run(runs, 0, memory, 0, 4, PAGES_PRESENT);
	check_run(runs, 1, memory, 4, 4, 0);
	check_run(runs, 2, memory, 8, 8, PAGES_PRESENT);
	check_same(fd, memory, 16 * page);
	free(runs);
	close(fd);
	munmap(memory, 16 * page);
}

static void test_guard_pages(void **state)
{
	char *memory = map(16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap();
	bool guarded = madvise(memory + page, 2 * page, MADV_GUARD_INSTALL) == 0;
	struct runs *runs;
	uint64_t entry, present;

	(void)state;
	memory[0] = memory[3 * page] = 1;
	assert_int_equal(pread(fd, &entry, sizeof(entry), (off_t)(((uintptr_t)memory / page + 1) * sizeof(entry))),
			 sizeof(entry));
	if (guarded && entry >> 58 & 1) {
		runs = each(fd, memory, 16 * page, 0);
		assert_int_equal(runs->nr, 4);
		check_run(runs, 1, memory, 1, 2, 0);
		check_same(fd, memory, 16 * page);
		assert_int_equal(target_pagemap_present(fd, (uintptr_t)memory, 16 * page, &present), 0);
		assert_int_equal(present, 2 * page);
		free(runs);
	}
	close(fd);
	munmap(memory, 16 * page);
	if (!guarded || !(entry >> 58 & 1)) {
		print_message("this kernel has no guard pages, or does not show them\n");
		skip();
	}
}

static void test_huge(void **state)
{
	char *memory = map(8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *huge = (char *)(((uintptr_t)memory + 2 * MIB - 1) / (2 * MIB) * (2 * MIB));
	int fd = own_pagemap();
	struct runs *runs;
	bool got;

	(void)state;
	madvise(memory, 8 * MIB, MADV_HUGEPAGE);
	*huge = 1;
	huge[2 * MIB] = 1;
	/* The second one is there but no more mapped as one. */
	assert_int_equal(madvise(huge + 2 * MIB, page, MADV_DONTNEED), 0);
	runs = each(fd, huge, 4 * MIB, PAGES_HUGE | PAGES_FILE);
	got = runs->run[0].end - runs->run[0].start >= 2 * MIB && runs->nr == 3 && runs->run[0].known & PAGES_HUGE;
	if (got) {
		check_run(runs, 0, huge, 0, 2 * MIB / page, PAGES_PRESENT | PAGES_HUGE);
		check_run(runs, 1, huge, 2 * MIB / page, 1, 0);
		check_run(runs, 2, huge, 2 * MIB / page + 1, 2 * MIB / page - 1, PAGES_PRESENT);
	}
	check_same(fd, memory, 8 * MIB);
	free(runs);
	close(fd);
	munmap(memory, 8 * MIB);
	if (!got) {
		print_message("no huge page was to be had, or this kernel does not show them\n");
		skip();
	}
}

/* Many short runs: more than one call of the kernel gives. */
static void test_chequered(void **state)
{
	size_t pages = 3001;
	char *memory = map(pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap();
	struct runs *runs;

	(void)state;
	madvise(memory, pages * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages; i += 2)
		memory[i * page] = 1;
	runs = each(fd, memory, pages * page, 0);
	assert_int_equal(runs->nr, pages);
	for (size_t i = 0; i < pages; i++)
		check_run(runs, i, memory, i, 1, i % 2 ? 0 : PAGES_PRESENT);
	check_same(fd, memory, pages * page);
	free(runs);
	close(fd);
	munmap(memory, pages * page);
}

/* All of this process's mappings: by pages as by smaps. */
static void test_all_mappings(void **state)
{
	struct target_maps *maps = NULL;
	struct target *target;
	int fd, child = fork();
	uint64_t present = 0, rss = 0;

	(void)state;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(child > 0);
	usleep(20000);
	assert_int_equal(target_open(child, &target, NULL), 0);
	fd = target_pagemap_open(child);
	assert_true(fd >= 0);
	assert_int_equal(target_maps_read(target, TARGET_MAPS_MEMORY, &maps), 0);
	for (size_t i = 0; i < maps->nr; i++) {
		const struct mapping *mapping = &maps->mappings[i];
		struct runs *runs;
		uint64_t here = 0;

		/* What the sanitizers reserve is read in tests of its own size. */
		if (mapping->end - mapping->start > 32 * GIB)
			continue;
		runs = each(fd, (const void *)(uintptr_t)mapping->start, mapping->end - mapping->start,
			    PAGES_ZERO | PAGES_FILE);
		for (uint32_t bits = 0; bits <= PAGES_STATES; bits++)
			if ((bits & PAGES_PRESENT) && !(bits & PAGES_ZERO))
				here += runs->bytes[bits];
		/* What the kernel maps itself has pages that count for nobody. */
		if (mapping->kind != MAPPING_KERNEL && mapping->kind != MAPPING_DEVICE) {
			if (runs->run[0].known & PAGES_ZERO)
				assert_int_equal(here, mapping->memory.rss);
			present += here;
			rss += mapping->memory.rss;
		}
		free(runs);
		/* PAGEMAP_SCAN refuses [vsyscall], which belongs to no process. */
		if (mapping->end - mapping->start < GIB && mapping->end < 1ull << 63)
			check_same(fd, (const void *)(uintptr_t)mapping->start, mapping->end - mapping->start);
	}
	assert_true(present >= rss && rss > 0);
	target_maps_free(maps);
	target_close(target);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* Of a process that has ended nothing is there. */
	{
		struct runs *runs =
			each(fd, (const void *)(uintptr_t)test_all_mappings - (uintptr_t)test_all_mappings % page,
			     64 * page, 0);

		assert_int_equal(runs->nr, 1);
		assert_int_equal(runs->run[0].state, 0);
		free(runs);
	}
	close(fd);
}

/* Far behind what any process has, up to the last address. */
static void test_beyond(void **state)
{
	uint64_t starts[] = { 0xffffffffff600000, 0x7ffffffff000, 0 - 16 * page };
	int fd = own_pagemap();

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct runs *runs = calloc(1, sizeof(*runs));

		assert_int_equal(target_pages_each(fd, starts[i], starts[i] + 8 * page, PAGES_STATES, collect, runs),
				 0);
		assert_int_equal(runs->bytes[0], 8 * page);
		free(runs);
	}
	{
		struct runs *runs = calloc(1, sizeof(*runs));

		assert_int_equal(target_pages_each(fd, 0 - 2 * page, UINT64_MAX, 0, collect, runs), 0);
		assert_int_equal(runs->bytes[0], page);
		/* Nothing of nothing. */
		assert_int_equal(target_pages_each(fd, 4 * page, 4 * page, 0, collect, runs), 0);
		assert_int_equal(target_pages_each(fd, 8 * page, 4 * page, 0, collect, runs), 0);
		assert_int_equal(runs->nr, 1);
		free(runs);
	}
	assert_int_equal(target_pages_each(-1, 0, page, 0, collect, NULL), -EBADF);
	close(fd);
}

static int stop(const struct pages_run *run, void *context)
{
	(void)run;
	++*(int *)context;
	return -ENOTTY; /* as if it came from the kernel */
}

static void test_stop(void **state)
{
	char *memory = map(8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = own_pagemap(), calls = 0;

	(void)state;
	memory[page] = 1;
	assert_int_equal(target_pages_each(fd, (uintptr_t)memory, (uintptr_t)memory + 8 * page, 0, stop, &calls),
			 -ENOTTY);
	assert_int_equal(calls, 1);
	close(fd);
	munmap(memory, 8 * page);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Two seconds are a wide bound for a machine that does other things as well. */
static void test_wide(void **state)
{
	char *memory = mmap(NULL, 20 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int fd = own_pagemap();
	double before;
	struct runs *runs;

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(mprotect(memory + 10 * GIB, page, PROT_READ | PROT_WRITE), 0);
	memory[10 * GIB] = 1;
	before = seconds();
	runs = each(fd, memory, 20 * GIB, PAGES_STATES);
	assert_true(seconds() - before < 2);
	assert_int_equal(runs->nr, 3);
	check_run(runs, 1, memory, 10 * GIB / page, 1, PAGES_PRESENT);
	check_same(fd, memory, 20 * GIB);
	free(runs);
	close(fd);
	munmap(memory, 20 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touched),
		cmocka_unit_test(test_zero_page),
		cmocka_unit_test(test_shared_and_file),
		cmocka_unit_test(test_free_and_none),
		cmocka_unit_test(test_guard_pages),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_chequered),
		cmocka_unit_test(test_all_mappings),
		cmocka_unit_test(test_beyond),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_wide),
	};

	page = (size_t)sysconf(_SC_PAGESIZE);
	return cmocka_run_group_tests_name("target_pages", tests, NULL, NULL);
}
