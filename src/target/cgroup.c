// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "target/cgroup_text.h"
#include "target/lines.h"

/* linux/magic.h */
#define CGROUP_MAGIC   0x27e0eb
#define CGROUP_2_MAGIC 0x63677270

/* Longer than any directory, by more than any file's name. */
#define PATH_BYTES (sizeof(((struct cgroup_memory *)NULL)->directory) + 64)

static FILE *file_in(const char *directory, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return fopen(path, "re");
}

static bool exists_in(const char *directory, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static uint64_t number_in(const char *directory, const char *name, int version)
{
	FILE *file = file_in(directory, name);
	uint64_t value = VALUE_UNKNOWN;

	if (file) {
		value = cgroup_number_parse(file, version);
		fclose(file);
	}
	return value;
}

/* Takes the last component off; false at the mount point. */
static bool go_up(char *directory, size_t mount_length)
{
	char *slash = strrchr(directory, '/');

	if (!slash || (size_t)(slash - directory) < mount_length)
		return false;
	*slash = '\0';
	return true;
}

/* Without the controller in a cgroup, its processes are charged to the next one above that has it. */
static bool find_charged(struct cgroup_memory *memory, size_t mount_length)
{
	const char *file = memory->version == 2 ? "memory.current" : "memory.usage_in_bytes";

	while (!exists_in(memory->directory, file)) {
		if (!go_up(memory->directory, mount_length))
			return false;
		memory->moved_up = true;
	}
	return true;
}

static void numbers_read_2(struct cgroup_memory *memory)
{
	const char *directory = memory->directory;
	FILE *events = file_in(directory, "memory.events");

	memory->current = number_in(directory, "memory.current", 2);
	memory->peak = number_in(directory, "memory.peak", 2);
	memory->max = number_in(directory, "memory.max", 2);
	memory->high = number_in(directory, "memory.high", 2);
	memory->swap_current = number_in(directory, "memory.swap.current", 2);
	memory->swap_max = number_in(directory, "memory.swap.max", 2);
	if (events) {
		cgroup_events_parse(events, memory);
		fclose(events);
	}
}

static void numbers_read_1(struct cgroup_memory *memory)
{
	const char *directory = memory->directory;
	FILE *oom = file_in(directory, "memory.oom_control");

	memory->current = number_in(directory, "memory.usage_in_bytes", 1);
	memory->peak = number_in(directory, "memory.max_usage_in_bytes", 1);
	memory->max = number_in(directory, "memory.limit_in_bytes", 1);
	memory->high = number_in(directory, "memory.soft_limit_in_bytes", 1);
	memory->event_max = number_in(directory, "memory.failcnt", 1);
	memory->stat.kernel = number_in(directory, "memory.kmem.usage_in_bytes", 1);
	memory->stat.sock = number_in(directory, "memory.kmem.tcp.usage_in_bytes", 1);
	if (oom) {
		cgroup_events_parse(oom, memory);
		fclose(oom);
	}
}

static void stat_read(struct cgroup_memory *memory)
{
	FILE *stat = file_in(memory->directory, "memory.stat");

	if (!stat)
		return;
	cgroup_stat_parse(stat, memory->version, memory);
	fclose(stat);
	if (value_known(memory->current) && value_known(memory->stat.inactive_file))
		memory->working_set =
			memory->current > memory->stat.inactive_file ? memory->current - memory->stat.inactive_file : 0;
}

/* Only the root of all has none of these: cgroup.type in version 2; release_agent is only there in version 1. */
static bool is_root(const char *directory, int version)
{
	return version == 2 ? exists_in(directory, "cgroup.procs") && !exists_in(directory, "cgroup.type")
			    : exists_in(directory, "release_agent");
}

static void limit_take(struct cgroup_memory *memory, const char *directory, uint64_t max)
{
	/* In version 1 the kernel says which limit is the least; here, whose it is. */
	if (!value_known(max) || max == CGROUP_NO_LIMIT || (value_known(memory->tightest) && max > memory->tightest) ||
	    (max == memory->tightest && *memory->tightest_directory))
		return;
	memory->tightest = max;
	strcpy(memory->tightest_directory, directory);
}

static void limits_read(struct cgroup_memory *memory, size_t mount_length)
{
	const char *max = memory->version == 2 ? "memory.max" : "memory.limit_in_bytes";
	char directory[sizeof(memory->directory)];
	bool any = value_known(memory->tightest);

	strcpy(directory, memory->directory);
	do {
		uint64_t limit = number_in(directory, max, memory->version);

		any = any || value_known(limit);
		limit_take(memory, directory, limit);
		if (memory->version == 2) {
			limit = number_in(directory, "memory.high", 2);
			if (value_known(limit) && limit < memory->tightest_high)
				memory->tightest_high = limit;
		}
		memory->saw_root = is_root(directory, memory->version);
	} while (go_up(directory, mount_length));
	if (any && !value_known(memory->tightest))
		memory->tightest = CGROUP_NO_LIMIT;
}

void cgroup_directory_read(struct cgroup_memory *memory, size_t mount_length)
{
	if (!find_charged(memory, mount_length)) {
		/* The root of version 2 has no such files: nothing is counted there, nothing limited. */
		*memory->directory = '\0';
		memory->moved_up = false;
		return;
	}
	if (memory->version == 2)
		numbers_read_2(memory);
	else
		numbers_read_1(memory);
	stat_read(memory);
	limits_read(memory, mount_length);
}

void cgroup_memory_unknown(struct cgroup_memory *memory)
{
	memset(memory, 0xff, sizeof(*memory)); /* VALUE_UNKNOWN each */
	memory->version = 0;
	memory->moved_up = memory->saw_root = false;
	*memory->path = *memory->directory = *memory->tightest_directory = '\0';
}

/* What somebody has mounted over it is no cgroup, and may be made to deceive. */
static bool is_cgroup(const char *directory, int version)
{
	struct statfs status;

	return !statfs(directory, &status) && status.f_type == (version == 2 ? CGROUP_2_MAGIC : CGROUP_MAGIC);
}

/* By the mounts of process @of, whose paths begin at @prefix for us. */
static bool find_directory(struct cgroup_memory *memory, pid_t of, const char *prefix, size_t *mount_length)
{
	FILE *mounts = process_file(of, "mountinfo");
	size_t length = strlen(prefix);
	int error;

	if (!mounts)
		return false;
	strcpy(memory->directory, prefix);
	error = cgroup_directory_parse(mounts, memory->version, memory->path, memory->directory + length,
				       sizeof(memory->directory) - length, mount_length);
	fclose(mounts);
	*mount_length += length;
	if (!error && is_cgroup(memory->directory, memory->version))
		return true;
	*memory->directory = '\0';
	return false;
}

int cgroup_memory_read(pid_t pid, struct cgroup_memory *memory)
{
	FILE *file = process_file(pid, "cgroup");
	size_t mount_length = 0;
	char root[32];
	int error;

	cgroup_memory_unknown(memory);
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	error = cgroup_path_parse(file, memory->path, sizeof(memory->path), &memory->version);
	fclose(file);
	if (error || !memory->version)
		return error;
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	/* From another container only the process's own mounts show its cgroup. */
	if (find_directory(memory, getpid(), "", &mount_length) || find_directory(memory, pid, root, &mount_length))
		cgroup_directory_read(memory, mount_length);
	return 0;
}
