/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroup: the memory cgroup that a process is charged to, as the container's numbers have it. Version 2,
 * and version 1 where the memory controller is there. Sees what is mounted here, or in the process's own
 * mount namespace: what is in another cgroup namespace or above the mount stays unknown, and so does the
 * value of a file that does not exist.
 *
 * A cgroup is charged for all of its processes and those below it, and for page cache and kernel memory
 * that no process has in its resident set.
 */
#ifndef GCTAP_CGROUP_H
#define GCTAP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/unknown.h"

#define CGROUP_NO_LIMIT (VALUE_UNKNOWN - 1) /* "max"; in version 1 the largest number of pages */

/* memory.stat, in bytes, with what is below. Names are those of version 2. */
struct cgroup_stat {
	uint64_t anon, file, shmem; /* file includes shmem. v1: rss (with swap cache), cache, shmem */
	uint64_t kernel;	    /* all of the kernel's; v1: memory.kmem.usage_in_bytes */
	uint64_t kernel_stack, pagetables, percpu, slab, slab_reclaimable, slab_unreclaimable;
	uint64_t sock; /* v1: memory.kmem.tcp.usage_in_bytes */
	uint64_t anon_thp, file_thp, shmem_thp;
	uint64_t file_mapped, file_dirty, file_writeback;
	uint64_t inactive_anon, active_anon, inactive_file, active_file, unevictable;
	uint64_t swapcached;
};

struct cgroup_memory {
	int version;		/* of the hierarchy that has the memory controller: 2, 1; 0: not known */
	char path[4096];	/* of the process in that hierarchy, as /proc/PID/cgroup writes it; "" unknown */
	char directory[8192];	/* of the cgroup that is charged, which may be above @path; "": not visible */
	bool moved_up;		/* it is above: the memory controller is not enabled as far down */
	uint64_t current, peak; /* memory.current; v1: usage_in_bytes */
	uint64_t max, high;	/* of this cgroup, or CGROUP_NO_LIMIT; v1: limit, soft limit */
	uint64_t swap_current, swap_max; /* v1: what its stat says of swap; unknown */
	uint64_t working_set;		 /* current - inactive_file, not below 0: what Kubernetes shows and evicts by */
	uint64_t event_high, event_max, event_oom,
		event_oom_kill; /* how often, with what is below; v1: max is failcnt */
	struct cgroup_stat stat;
	/* The least of max, of this cgroup and those above it. CGROUP_NO_LIMIT: none has one, as far as is seen. */
	uint64_t tightest;
	char tightest_directory[8192]; /* which one has it; "": not known which */
	uint64_t tightest_high;	       /* the same of high; v2 */
	bool saw_root; /* all of them could be seen: nothing above can be tighter (v1: the kernel tells that anyway) */
};

/*
 * Fills in what can be seen; all else is unknown. 0, or -errno when the process's cgroup cannot be read
 * at all: -ESRCH without such a process.
 */
int cgroup_memory_read(pid_t pid, struct cgroup_memory *memory);

#endif
