// SPDX-License-Identifier: BSD-2-Clause
#include "target/pages_each.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/pagemap.h"

/* What one call looks at: how long mmap_lock is held. */
#define SCAN_BYTES (1ull << 30)
#define REGIONS	   512u
#define ENTRIES	   4096u

/* include/uapi/linux/fs.h of Linux 6.7, GUARD of 6.16: older headers have none of it. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_argument {
	uint64_t size, flags, start, end, walk_end, regions, nr_regions, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN	     _IOWR('f', 16, struct scan_argument)
#define SCAN_FILE    (1u << 2)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_ZERO    (1u << 5)
#define SCAN_HUGE    (1u << 6)
#define SCAN_GUARD   (1u << 8)

/* ---- Runs ----------------------------------------------------------------------------------- */

void pages_walk_start(struct pages_walk *walk, uint64_t start, uint32_t distinguish, pages_callback callback,
		      void *context)
{
	*walk = (struct pages_walk){
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.distinguish = distinguish | PAGES_PRESENT | PAGES_SWAPPED,
		.callback = callback,
		.context = context,
		.run = { .start = start, .end = start },
	};
}

int pages_walk_finish(struct pages_walk *walk)
{
	return walk->run.start < walk->run.end ? walk->callback(&walk->run, walk->context) : 0;
}

int pages_walk_add(struct pages_walk *walk, uint64_t end, uint32_t state, uint32_t known)
{
	struct pages_run *run = &walk->run;
	int answer = 0;

	state &= walk->distinguish & known;
	known &= walk->distinguish;
	if (end <= run->end)
		return 0;
	if (run->start < run->end && (run->state != state || run->known != known)) {
		answer = walk->callback(run, walk->context);
		walk->stopped = answer != 0;
		run->start = run->end;
	}
	run->end = end;
	run->state = state;
	run->known = known;
	return answer;
}

/* ---- PAGEMAP_SCAN --------------------------------------------------------------------------- */

static uint32_t state_of_categories(uint64_t categories)
{
	uint32_t state = 0;

	if (categories & SCAN_GUARD)
		return 0;
	if (categories & SCAN_PRESENT)
		state |= PAGES_PRESENT;
	if (categories & SCAN_SWAPPED)
		state |= PAGES_SWAPPED;
	if (categories & SCAN_FILE)
		state |= PAGES_FILE;
	if (categories & SCAN_HUGE)
		state |= PAGES_HUGE;
	/* Kernels do not agree on whether the zero page is of a file. */
	if (categories & SCAN_ZERO)
		state = (state | PAGES_ZERO) & ~(uint32_t)PAGES_FILE;
	return state;
}

/* What a page must have to be in a region at all: one in swap that only says guard is told as well. */
static int scan_call(int fd, struct scan_argument *argument)
{
	static atomic_bool no_guard;
	int nr;

	argument->size = sizeof(*argument);
	argument->category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
	argument->return_mask = SCAN_FILE | SCAN_PRESENT | SCAN_SWAPPED | SCAN_ZERO | SCAN_HUGE;
	if (!no_guard) {
		argument->return_mask |= SCAN_GUARD;
		nr = ioctl(fd, SCAN, argument);
		if (nr >= 0 || errno != EINVAL)
			return nr < 0 ? -errno : nr;
		argument->return_mask &= ~(uint64_t)SCAN_GUARD;
	}
	nr = ioctl(fd, SCAN, argument);
	if (nr >= 0)
		no_guard = true;
	return nr < 0 ? -errno : nr;
}

/* One call's part of [start, end): where it got to, in *@reached. */
static int scan_part(struct pages_walk *walk, int fd, uint64_t start, uint64_t end, uint64_t *reached)
{
	struct scan_region regions[REGIONS];
	struct scan_argument argument = {
		.start = start, .end = end, .regions = (uintptr_t)regions, .nr_regions = REGIONS
	};
	int nr = scan_call(fd, &argument), answer = 0;

	if (nr < 0)
		return nr;
	for (int i = 0; !answer && i < nr; i++) {
		answer = pages_walk_add(walk, regions[i].start, 0, PAGES_STATES);
		if (!answer)
			answer = pages_walk_add(walk, regions[i].end, state_of_categories(regions[i].categories),
						PAGES_STATES);
	}
	*reached = argument.walk_end > start ? argument.walk_end : end;
	return answer ? answer : pages_walk_add(walk, *reached, 0, PAGES_STATES);
}

int pages_by_scan(struct pages_walk *walk, int fd, uint64_t start, uint64_t end)
{
	int answer = 0;

	while (!answer && start < end) {
		uint64_t part_end = end - start < SCAN_BYTES ? end : start + SCAN_BYTES;

		answer = scan_part(walk, fd, start, part_end, &start);
	}
	return answer;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* The frame of the kernel's zero page, one for ever; 0: it may not be seen, or could not be. */
static uint64_t zero_frame(uint64_t page)
{
	static atomic_uint_fast64_t known;
	uint64_t entry = 0, frame = known;
	volatile char *address;
	int fd;

	if (frame)
		return frame;
	fd = target_pagemap_open(getpid());
	if (fd < 0)
		return 0;
	address = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (address != MAP_FAILED) {
		(void)*address;
		if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)address / page * sizeof(entry))) !=
		    sizeof(entry))
			entry = 0;
		munmap((void *)address, page);
	}
	close(fd);
	if (entry & PAGEMAP_PRESENT)
		known = frame = entry & PAGEMAP_FRAME;
	return frame;
}

static uint32_t state_of_entry(uint64_t entry, uint64_t zero)
{
	uint32_t state = 0;

	if (!pagemap_held(entry))
		return 0;
	state |= entry & PAGEMAP_PRESENT ? PAGES_PRESENT : PAGES_SWAPPED;
	if (entry & PAGEMAP_FILE)
		state |= PAGES_FILE;
	if (zero && (entry & PAGEMAP_PRESENT) && (entry & PAGEMAP_FRAME) == zero)
		state = PAGES_PRESENT | PAGES_ZERO;
	return state;
}

int pages_by_reading(struct pages_walk *walk, int fd, uint64_t start, uint64_t end)
{
	uint64_t entries[ENTRIES], page = walk->page, first = start / page, last = end / page;
	uint64_t zero = walk->distinguish & PAGES_ZERO ? zero_frame(page) : 0;
	uint32_t known = PAGES_PRESENT | PAGES_SWAPPED | PAGES_FILE | (zero ? PAGES_ZERO : 0);
	int answer = 0;

	while (!answer && first < last) {
		uint64_t count = last - first < ENTRIES ? last - first : ENTRIES;
		ssize_t got = pread(fd, entries, count * sizeof(entries[0]), (off_t)(first * sizeof(entries[0])));

		if (got < 0)
			return -errno;
		/* Behind the last address of the process, or of one that has gone: nothing is there. */
		if (got < (ssize_t)sizeof(entries[0]))
			return pages_walk_add(walk, end, 0, known);
		count = (uint64_t)got / sizeof(entries[0]);
		for (uint64_t i = 0; !answer && i < count; i++)
			answer = pages_walk_add(walk, (first + i + 1) * page, state_of_entry(entries[i], zero), known);
		first += count;
	}
	return answer;
}

/* ---- Either --------------------------------------------------------------------------------- */

/*
 * A kernel without it, or a filter of system calls: the same file can be read. Of a process that has
 * ended, newer kernels say so here and read nothing there, older ones find nothing in both.
 */
static bool scan_refused(int error)
{
	return error == -ESRCH || error == -ENOTTY || error == -EINVAL || error == -ENOSYS || error == -EPERM ||
	       error == -EACCES;
}

static int either(struct pages_walk *walk, int fd, uint64_t start, uint64_t end)
{
	static atomic_bool no_scan;
	int answer;

	if (!no_scan) {
		answer = pages_by_scan(walk, fd, start, end);
		/* Addresses that no process has are refused whole: what lies below them is read. */
		if (walk->stopped || (answer != -EFAULT && !scan_refused(answer)))
			return answer;
		no_scan = answer == -ENOTTY;
	}
	return pages_by_reading(walk, fd, walk->run.end > start ? walk->run.end : start, end);
}

int target_pages_each(int fd, uint64_t start, uint64_t end, uint32_t distinguish, pages_callback callback,
		      void *context)
{
	struct pages_walk walk;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int answer;

	start -= start % page;
	end = end > UINT64_MAX - page ? UINT64_MAX - UINT64_MAX % page : (end + page - 1) / page * page;
	pages_walk_start(&walk, start, distinguish, callback, context);
	answer = either(&walk, fd, start, end);
	return answer ? answer : pages_walk_finish(&walk);
}
