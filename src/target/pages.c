// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "target/pagemap.h"

#define ENTRIES 1024u /* read at a time */

static const struct {
	const char *name;
	size_t offset;
} rollup_lines[] = {
	{ "Rss:", offsetof(struct target_rollup, rss) },
	{ "Anonymous:", offsetof(struct target_rollup, anonymous) },
	{ "LazyFree:", offsetof(struct target_rollup, lazy_free) },
	{ "AnonHugePages:", offsetof(struct target_rollup, anonymous_huge) },
	{ "Swap:", offsetof(struct target_rollup, swap) },
};

int target_rollup(pid_t pid, struct target_rollup *rollup)
{
	char path[64], line[256], name[64];
	bool any = false;
	uint64_t kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	memset(rollup, 0, sizeof(*rollup));
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %" SCNu64 " kB", name, &kib) != 2)
			continue;
		for (size_t i = 0; i < sizeof(rollup_lines) / sizeof(rollup_lines[0]); i++) {
			if (strcmp(name, rollup_lines[i].name) != 0)
				continue;
			*(uint64_t *)((char *)rollup + rollup_lines[i].offset) = kib << 10;
			any = true;
		}
	}
	fclose(file);
	/* A process that is ending has no mappings left: nothing is known of it. */
	return any ? 0 : -ESRCH;
}

int target_pagemap_open(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int target_pagemap_present(int fd, uint64_t address, uint64_t bytes, uint64_t *present)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entries[ENTRIES];
	uint64_t first = address / page, end = (address + bytes + page - 1) / page;

	*present = 0;
	while (first < end) {
		uint64_t count = end - first < ENTRIES ? end - first : ENTRIES;
		ssize_t got = pread(fd, entries, count * sizeof(entries[0]), (off_t)(first * sizeof(entries[0])));

		if (got < 0)
			return -errno;
		/* Behind the last address of the process, or of one that has gone: nothing is there. */
		if (got < (ssize_t)sizeof(entries[0]))
			return 0;
		count = (uint64_t)got / sizeof(entries[0]);
		for (uint64_t i = 0; i < count; i++)
			if (pagemap_held(entries[i]))
				*present += page;
		first += count;
	}
	return 0;
}
