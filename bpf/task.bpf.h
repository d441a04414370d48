/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the objects here know alike of a task: its number in gctap's pid
 * namespace, and where the kernel keeps its RSS counters. For one source of an
 * object only, after vmlinux.h and libbpf's headers: it defines a constant.
 */
#ifndef GCTAP_TASK_BPF_H
#define GCTAP_TASK_BPF_H

#include "gctap/event.h"

/* Nesting of pid namespaces below the first that is looked through; the kernel's own limit is 32. */
#define PID_LEVELS 8

const volatile __u32 own_pid_namespace; /* inode of gctap's /proc/self/ns/pid */

/* The two layouts of the RSS counters: an array of per-CPU counters since 6.2, one struct of atomics before. */
struct mm_struct___percpu {
	struct percpu_counter rss_stat[GCTAP_RSS_KINDS];
} __attribute__((preserve_access_index));

struct mm_rss_stat___atomic {
	atomic_long_t count[GCTAP_RSS_KINDS];
} __attribute__((preserve_access_index));

struct mm_struct___atomic {
	struct mm_rss_stat___atomic rss_stat;
} __attribute__((preserve_access_index));

/*
 * task_struct, pid and mm_struct are read through BTF pointers, plainly: a helper
 * call for each of the dozen words would double the cost of a hit.
 */
static __always_inline struct upid upid_at(struct pid *pid, __u32 level)
{
	struct upid upid = {};
	void *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);

	bpf_probe_read_kernel(&upid, sizeof(upid), numbers + level * sizeof(upid));
	return upid;
}

/*
 * As bpf_get_current_pid_tgid(): process in the upper half, thread in the lower, but
 * as gctap's own pid namespace numbers them; 0 when they have no number there. The
 * target may live in a namespace below. bpf_get_ns_current_pid_tgid() answers only
 * when both are the same.
 */
static __always_inline __u64 own_pid_tgid(struct task_struct *task)
{
	struct pid *process = task->group_leader->thread_pid;
	struct pid *thread = task->thread_pid;

	if (!process || !thread)
		return 0;
	for (__u32 level = 0; level < PID_LEVELS && level <= process->level; level++) {
		struct upid upid = upid_at(process, level);

		if (BPF_CORE_READ(upid.ns, ns.inum) == own_pid_namespace)
			return (__u64)upid.nr << 32 | (__u32)upid_at(thread, level).nr;
	}
	return 0;
}

#endif
