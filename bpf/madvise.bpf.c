// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Every madvise call of the processes in a map: why it was made, told by the stack of
 * the caller, how long it took, and how many resident pages went away with it. Summed
 * up here, so that no rate of calls loses any; as an event each, if asked for.
 *
 * There are three pairs of programs for the three ways to see a system call begin and
 * end, of which user space loads one. All take the arguments from the registers that
 * user space entered the kernel with.
 *
 * No program is entered on a CPU before the last one to enter it there has left it: so
 * the stack is no one else's, but where kernels preempt programs, calls miss some, see
 * call_begin_missed().
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "gctap/madvise_event.h"
#include "ring.bpf.h"
#include "task.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FRAMES_MAX 24

#define MADV_DONTNEED	4
#define MADV_FREE	8
#define MADV_HUGEPAGE	14
#define MADV_NOHUGEPAGE 15

#define MIB	 (1ull << 20)
#define NO_LIMIT (~0ull >> 1) /* what the runtime means by it */

#define WAKEUP_BAND (8 * sizeof(struct gctap_madvise_event))

#if defined(__TARGET_ARCH_x86)
#define SYSCALL_FUNCTION     "__x64_sys_madvise"
#define SYSCALL_MADVISE	     28
#define SYSCALL_NUMBER(regs) ((regs)->orig_ax)
#define TS_COMPAT	     0x2

#define CALL_ADDRESS(regs) ((regs)->di)
#define CALL_LENGTH(regs)  ((regs)->si)
#define CALL_ADVICE(regs)  ((regs)->dx)

static __always_inline bool compat_call(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

/* runtime.madvise has no frame: the return address is where the call left it. */
static __always_inline long caller_read(struct pt_regs *regs, __u64 *address)
{
	return bpf_probe_read_user(address, sizeof(*address), (void *)PT_REGS_SP(regs));
}
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_FUNCTION     "__arm64_sys_madvise"
#define SYSCALL_MADVISE	     233
#define SYSCALL_NUMBER(regs) ((regs)->syscallno)
#define THREAD_32BIT	     (1ul << 22)

#define CALL_ADDRESS(regs) ((regs)->orig_x0)
#define CALL_LENGTH(regs)  ((regs)->regs[1])
#define CALL_ADVICE(regs)  ((regs)->regs[2])

static __always_inline bool compat_call(struct task_struct *task)
{
	return task->thread_info.flags & THREAD_32BIT;
}

static __always_inline long caller_read(struct pt_regs *regs, __u64 *address)
{
	*address = regs->regs[30];
	return 0;
}
#endif

/* The first pid namespace, which the kernel gives a number of its own. In it nothing needs to be translated. */
#define FIRST_PID_NAMESPACE 0xeffffffcu

const volatile __u64 page_bytes = 4096;
const volatile bool stream;		  /* send an event for each call */
const volatile bool stream_releases_only; /* of those only the ones that give memory back */

bool streaming; /* no event before this is set */
bool rss_known; /* set by the first call: this kernel's counters are of a kind that is known here */
bool cpu_parts; /* read the CPU's own part of the counters */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GCTAP_MADVISE_PROCESSES_MAX);
	__type(key, __u32); /* thread group id, in gctap's pid namespace */
	__type(value, struct gctap_madvise_process);
} processes SEC(".maps");

/* A call that has begun. */
struct call {
	__u64 ktime_ns;
	__u64 pid_tgid; /* in gctap's pid namespace */
	__u64 address;
	__u64 bytes;
	__u64 cpu_offset; /* of the CPU it began on, in the kernel's per-CPU memory; 0: not known */
	__s64 resident[GCTAP_RSS_KINDS];
	__u32 cpu;
	__s32 advice;
	__u32 cause;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid of the first pid namespace */
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct gctap_madvise_key);
	__type(value, struct gctap_madvise_sum);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct gctap_madvise_error_key);
	__type(value, __u64);
} errors SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GCTAP_MADVISE_LOSS_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

/* See cpu_offset_find(). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cpu_offsets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* What new entries of the maps begin with; too large for the stack. */
static const struct gctap_madvise_sum no_sum;
static const __u64 no_errors;

/* Before 6.2, threads keep a part of the counters to themselves for a while. */
struct task_rss_stat___cached {
	int count[GCTAP_RSS_KINDS];
} __attribute__((preserve_access_index));

struct task_struct___cached {
	struct task_rss_stat___cached rss_stat;
} __attribute__((preserve_access_index));

static __always_inline void loss_count(__u32 loss)
{
	__u64 *count = bpf_map_lookup_elem(&losses, &loss);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline __u64 ids_of(struct task_struct *task)
{
	if (own_pid_namespace == FIRST_PID_NAMESPACE)
		return bpf_get_current_pid_tgid();
	return own_pid_tgid(task);
}

static __always_inline struct gctap_madvise_process *process_find(__u64 pid_tgid)
{
	__u32 pid = pid_tgid >> 32;

	return bpf_map_lookup_elem(&processes, &pid);
}

/* ---- Resident pages ----------------------------------------------------------------------------- */

/*
 * How far this CPU's part of the kernel's per-CPU memory is from the addresses by which
 * the kernel knows such memory. Not every kernel lets programs see its variables of
 * that meaning; but a map of elements per CPU shows it: @here, the address of an element
 * on this CPU, less the address that the map keeps. Through a copy, the verifier forgets
 * that they are pointers, with which one cannot calculate.
 */
static __always_inline __u64 cpu_offset_find(__u64 *here)
{
	__u64 address = 0, map_address = 0, kept = 0;
	void *map = &cpu_offsets;

	bpf_probe_read_kernel(&address, sizeof(address), &here);
	bpf_probe_read_kernel(&map_address, sizeof(map_address), &map);
	map_address += bpf_core_field_offset(struct bpf_array, pptrs);
	if (bpf_probe_read_kernel(&kept, sizeof(kept), (void *)map_address))
		return 0;
	return address - kept;
}

static __always_inline __u64 cpu_offset_now(void)
{
	__u32 first = 0;
	__u64 *offset;

	if (!bpf_core_field_exists(((struct percpu_counter *)0)->counters) || !cpu_parts)
		return 0;
	offset = bpf_map_lookup_elem(&cpu_offsets, &first);
	if (!offset)
		return 0;
	if (!*offset)
		*offset = cpu_offset_find(offset);
	return *offset;
}

static __always_inline __s64 cpu_part(struct percpu_counter *counter, __u64 cpu_offset)
{
	__s32 part = 0;

	if (bpf_core_field_exists(counter->counters) && cpu_offset)
		bpf_probe_read_kernel(&part, sizeof(part), (void *)counter->counters + cpu_offset);
	return part;
}

/*
 * What a call changes is either in the sum or still in the part of the CPU that it ran
 * on. The parts of other CPUs are left out: reading them all would take as long as the
 * call. So a call that stays on its CPU is measured exactly, but for what other threads
 * do meanwhile: their own changes when they reach the sum or this CPU, and with those up
 * to a batch of pages, which is max(32, 2 * CPUs), that they had changed before.
 */
static __always_inline void resident_percpu(struct mm_struct___percpu *mm, __u64 cpu_offset, __s64 *pages)
{
	pages[0] = mm->rss_stat[0].count + cpu_part(&mm->rss_stat[0], cpu_offset);
	pages[1] = mm->rss_stat[1].count + cpu_part(&mm->rss_stat[1], cpu_offset);
	pages[2] = mm->rss_stat[2].count + cpu_part(&mm->rss_stat[2], cpu_offset);
	pages[3] = mm->rss_stat[3].count + cpu_part(&mm->rss_stat[3], cpu_offset);
}

/* The part of the calling thread belongs to it: a call moves it into the sum, and frees nothing by that. */
static __always_inline void resident_atomic(struct task_struct *task, struct mm_struct___atomic *mm, __s64 *pages)
{
	struct task_struct___cached *cached = (void *)task;
	int part[GCTAP_RSS_KINDS] = {};

	/* In one copy: 6.1's verifier does not follow an array of a typedef. */
	bpf_core_read(pages, GCTAP_RSS_KINDS * sizeof(*pages), &mm->rss_stat.count);
	if (bpf_core_field_exists(cached->rss_stat.count))
		bpf_core_read(part, sizeof(part), &cached->rss_stat.count);
	for (int kind = 0; kind < GCTAP_RSS_KINDS; kind++)
		pages[kind] += part[kind];
}

/* False, and zeros, on kernels that count in yet another way. */
static __always_inline bool resident_read(struct task_struct *task, __u64 cpu_offset, __s64 *pages)
{
	struct mm_struct___percpu *percpu = (void *)task->mm;
	struct mm_struct___atomic *atomic = (void *)task->mm;

	if (percpu && bpf_core_field_exists(percpu->rss_stat[0].count)) {
		resident_percpu(percpu, cpu_offset, pages);
		return true;
	}
	if (atomic && bpf_core_field_exists(atomic->rss_stat.count)) {
		resident_atomic(task, atomic, pages);
		return true;
	}
	__builtin_memset(pages, 0, GCTAP_RSS_KINDS * sizeof(*pages));
	return false;
}

/* ---- The cause ---------------------------------------------------------------------------------- */

/* All ones if start <= address < end. Without a branch, which would double the verifier's paths with every range. */
static __always_inline __u64 inside(__u64 address, __u64 start, __u64 end)
{
	return (__s64)((address - end) & ~(address - start)) >> 63;
}

static __always_inline __u32 marks_at(const struct gctap_madvise_process *process, __u64 address)
{
	__u32 marks = 0;

	for (__u32 i = 0; i < GCTAP_MADVISE_RANGES_MAX; i++) {
		const struct gctap_madvise_range *range = &process->ranges[i];

		if (i >= process->nr_ranges)
			break;
		marks |= range->mark & inside(address, range->start, range->end);
	}
	return marks;
}

/* The first of these, from the innermost frame on, tells why the runtime calls. */
#define MARKS_ROOT (GCTAP_MADVISE_MARK_BACKGROUND | GCTAP_MADVISE_MARK_FORCED | GCTAP_MADVISE_MARK_ALLOC)

/*
 * The marks of the frames, by frame pointers. What runtime.madvise returns to comes
 * first: it has no frame, so that the walk begins with the caller's caller. A return
 * address can lie behind the function that called last, so the byte before counts.
 */
static __always_inline __u32 marks_walk(struct pt_regs *regs, const struct gctap_madvise_process *process, __u64 bias,
					bool *readable)
{
	struct {
		__u64 next, return_address;
	} frame;
	__u64 fp = PT_REGS_FP(regs), address = 0;
	__u32 marks;

	*readable = !caller_read(regs, &address);
	marks = marks_at(process, address - 1 - bias);
	for (int i = 0; i < FRAMES_MAX && fp && !(marks & MARKS_ROOT); i++) {
		if (bpf_probe_read_user(&frame, sizeof(frame), (void *)fp)) {
			*readable = false;
			break;
		}
		marks |= marks_at(process, frame.return_address - 1 - bias);
		fp = frame.next;
	}
	return marks;
}

/* False when there is no such variable, or it cannot be read. */
static __always_inline bool variable_read(__u64 *value, __u64 address, __u64 bias)
{
	return address && !bpf_probe_read_user(value, sizeof(*value), (void *)(address + bias));
}

/*
 * An allocation scavenges for either reason. The runtime does it for the limit when
 * mappedReady + request > memoryLimit, but the request is not to be seen here: so near
 * the limit counts as the limit.
 */
static __always_inline __u32 limit_or_growth(const struct gctap_madvise_process *process, __u64 bias)
{
	__u64 limit, ready, slack;

	if (!process->limit_address)
		return GCTAP_MADVISE_GROWTH;
	if (!variable_read(&limit, process->limit_address, bias))
		return GCTAP_MADVISE_UNKNOWN;
	if (limit >= NO_LIMIT)
		return GCTAP_MADVISE_GROWTH;
	slack = limit / 32 > 4 * MIB ? limit / 32 : 4 * MIB;
	if (variable_read(&ready, process->mapped_ready_address, bias) && ready + slack > limit)
		return GCTAP_MADVISE_LIMIT;
	return GCTAP_MADVISE_GROWTH;
}

static __always_inline __u32 runtime_cause(struct pt_regs *regs, const struct gctap_madvise_process *process,
					   __u64 bias)
{
	bool readable;
	__u32 marks = marks_walk(regs, process, bias, &readable);

	if (marks & GCTAP_MADVISE_MARK_BACKGROUND)
		return GCTAP_MADVISE_BACKGROUND;
	if (marks & GCTAP_MADVISE_MARK_FORCED)
		return GCTAP_MADVISE_FORCED;
	if ((marks & GCTAP_MADVISE_MARK_SCAVENGE) && (marks & (GCTAP_MADVISE_MARK_ALLOC | GCTAP_MADVISE_MARK_GROW)))
		return limit_or_growth(process, bias);
	/* What the runtime says of memory that it has just got. */
	if (marks & GCTAP_MADVISE_MARK_GROW)
		return GCTAP_MADVISE_GROWTH;
	if (marks & GCTAP_MADVISE_MARK_ALLOC)
		return GCTAP_MADVISE_REUSE;
	/* Threads that C started have no frame pointers at their root; there the walk ends with a fault too. */
	return readable ? GCTAP_MADVISE_RUNTIME : GCTAP_MADVISE_UNKNOWN;
}

static __always_inline __u32 cause_of(struct task_struct *task, struct pt_regs *regs,
				      const struct gctap_madvise_process *process)
{
	__u64 bias, ip = PT_REGS_IP(regs);

	if (!process->text_end || !task->mm)
		return GCTAP_MADVISE_FOREIGN;
	bias = task->mm->start_code - process->start_code;
	if (!inside(ip - bias, process->text_start, process->text_end))
		return GCTAP_MADVISE_FOREIGN;
	if (!inside(ip - bias, process->madvise.start, process->madvise.end))
		return GCTAP_MADVISE_PROGRAM;
	return runtime_cause(regs, process, bias);
}

/* ---- Accounting --------------------------------------------------------------------------------- */

/* How it ended. */
struct outcome {
	__u64 duration_ns;
	__s64 result;
	__s64 freed_pages[GCTAP_RSS_KINDS];
	bool partial; /* all of the above is 0, but for the result of a call of which the end was seen */
	bool migrated;
	bool rss;
};

static __always_inline __u32 latency_bucket(__u64 ns)
{
	__u32 bucket = 0;

	for (int shift = 5; shift >= 0; shift--) {
		__u64 above = ns >> (1u << shift);

		if (above) {
			ns = above;
			bucket += 1u << shift;
		}
	}
	return bucket < GCTAP_MADVISE_BUCKETS ? bucket : GCTAP_MADVISE_BUCKETS - 1;
}

/* Gives up against eight others at once that all were longer than the last. */
static __always_inline void maximum_raise(__u64 *maximum, __u64 value)
{
	for (int i = 0; i < 8; i++) {
		__u64 old = *(volatile __u64 *)maximum;

		if (value <= old || __sync_val_compare_and_swap(maximum, old, value) == old)
			break;
	}
}

/* Two calls may find it missing at the same time: the second one's insertion fails, and both find the first one's. */
static __always_inline void *entry_find(void *map, const void *key, const void *initial)
{
	void *entry = bpf_map_lookup_elem(map, key);

	if (entry)
		return entry;
	bpf_map_update_elem(map, key, initial, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

static __always_inline void error_add(const struct gctap_madvise_key *key, __s64 result)
{
	struct gctap_madvise_error_key error = { .call = *key, .error = -result };
	__u64 *count = entry_find(&errors, &error, &no_errors);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		loss_count(GCTAP_MADVISE_LOSS_ERRORS_FULL);
}

static __always_inline void measured_add(struct gctap_madvise_sum *sum, const struct outcome *outcome)
{
	for (int kind = 0; kind < GCTAP_RSS_KINDS; kind++)
		if (outcome->freed_pages[kind])
			__sync_fetch_and_add(&sum->freed_pages[kind], outcome->freed_pages[kind]);
	if (outcome->migrated)
		__sync_fetch_and_add(&sum->migrated, 1);
	__sync_fetch_and_add(&sum->latency_ns, outcome->duration_ns);
	__sync_fetch_and_add(&sum->latency[latency_bucket(outcome->duration_ns)], 1);
	maximum_raise(&sum->latency_max_ns, outcome->duration_ns);
}

static __always_inline void sum_add(const struct call *call, const struct outcome *outcome)
{
	struct gctap_madvise_key key = { .pid = call->pid_tgid >> 32, .advice = call->advice, .cause = call->cause };
	struct gctap_madvise_sum *sum = entry_find(&sums, &key, &no_sum);

	if (!sum) {
		loss_count(GCTAP_MADVISE_LOSS_SUMS_FULL);
		return;
	}
	__sync_fetch_and_add(&sum->calls, 1);
	__sync_fetch_and_add(&sum->bytes, call->bytes);
	if (outcome->partial)
		__sync_fetch_and_add(&sum->partial, 1);
	else
		measured_add(sum, outcome);
	if (outcome->result < 0) {
		__sync_fetch_and_add(&sum->errors, 1);
		__sync_fetch_and_add(&sum->error_bytes, call->bytes);
		error_add(&key, outcome->result);
	}
}

static __always_inline bool to_be_sent(const struct call *call)
{
	if (!stream || !streaming)
		return false;
	return !stream_releases_only || call->advice == MADV_DONTNEED || call->advice == MADV_FREE;
}

/* Every byte is written: the ring's memory is what earlier events left. */
static __always_inline void event_send(struct task_struct *task, const struct call *call, const struct outcome *outcome)
{
	struct gctap_madvise_event *event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	struct task_struct *leader = task->group_leader;

	if (!event) {
		loss_count(GCTAP_MADVISE_LOSS_RING_FULL);
		return;
	}
	event->ktime_ns = call->ktime_ns;
	event->duration_ns = outcome->duration_ns;
	event->start_ns = leader->start_boottime;
	event->pid = call->pid_tgid >> 32;
	event->tid = call->pid_tgid;
	event->address = call->address;
	event->bytes = call->bytes;
	event->advice = call->advice;
	event->cause = call->cause;
	event->result = outcome->result;
	__builtin_memcpy(event->freed_pages, outcome->freed_pages, sizeof(event->freed_pages));
	event->facts = (outcome->rss ? GCTAP_MADVISE_FACT_RSS : 0) |
		       (outcome->migrated ? GCTAP_MADVISE_FACT_MIGRATED : 0) |
		       (outcome->partial ? GCTAP_MADVISE_FACT_PARTIAL : 0);
	event->reserved = 0;
	bpf_core_read(event->comm, sizeof(event->comm), &leader->comm);
	event->comm[sizeof(event->comm) - 1] = '\0';
	bpf_ringbuf_submit(event, ring_submit_flags(&ring, WAKEUP_BAND));
}

static __always_inline void call_account(struct task_struct *task, const struct call *call,
					 const struct outcome *outcome)
{
	sum_add(call, outcome);
	if (to_be_sent(call))
		event_send(task, call, outcome);
}

/* ---- A call begins, a call ends ----------------------------------------------------------------- */

/* What the registers tell of a call; they are the same at its begin and at its end. */
static __always_inline void call_describe(struct task_struct *task, const struct gctap_madvise_process *process,
					  __u64 pid_tgid, struct call *call)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	call->pid_tgid = pid_tgid;
	call->address = CALL_ADDRESS(regs);
	call->bytes = (CALL_LENGTH(regs) + page_bytes - 1) & ~(page_bytes - 1);
	call->advice = CALL_ADVICE(regs);
	call->cause = cause_of(task, regs, process);
}

/* NULL for those that nobody asked for, or no longer. */
static __always_inline struct gctap_madvise_process *process_accounted(__u64 pid_tgid)
{
	struct gctap_madvise_process *process = process_find(pid_tgid);

	return process && process->execs <= process->execs_allowed ? process : NULL;
}

/*
 * A thread can be preempted in one of these programs. Another thread that runs on this
 * CPU meanwhile, and calls too, is let through without them: so this call's begin, or
 * its end, may be missing. What only the end has seen is accounted for there, what
 * only the begin has seen when the thread calls again.
 */
static __noinline int call_end_missed(struct task_struct *task, struct call *call)
{
	struct outcome outcome = { .partial = true };

	if (process_accounted(call->pid_tgid))
		call_account(task, call, &outcome);
	return 0;
}

static __noinline int call_begin_missed(struct task_struct *task, __s64 result)
{
	__u64 pid_tgid = ids_of(task);
	struct gctap_madvise_process *process = process_accounted(pid_tgid);
	struct outcome outcome = { .partial = true, .result = result };
	struct call call = {};

	if (!process)
		return 0;
	call_describe(task, process, pid_tgid, &call);
	call.ktime_ns = bpf_ktime_get_ns();
	call_account(task, &call, &outcome);
	return 0;
}

static __always_inline int call_begin(struct task_struct *task)
{
	__u64 pid_tgid = ids_of(task), thread = bpf_get_current_pid_tgid();
	struct gctap_madvise_process *process = process_accounted(pid_tgid);
	struct call call = {}, *last;

	if (!process)
		return 0;
	last = bpf_map_lookup_elem(&calls, &thread);
	if (last)
		call_end_missed(task, last);
	process->start_ns = task->group_leader->start_boottime;
	call_describe(task, process, pid_tgid, &call);
	call.cpu = bpf_get_smp_processor_id();
	call.cpu_offset = cpu_offset_now();
	if (resident_read(task, call.cpu_offset, call.resident) && !rss_known)
		rss_known = true;
	call.ktime_ns = bpf_ktime_get_ns();
	/* If there is no room, it is as if this had been missed. */
	bpf_map_update_elem(&calls, &thread, &call, BPF_ANY);
	return 0;
}

/*
 * Other threads free and touch pages meanwhile, the more the longer this one is preempted in its call. But a
 * release cannot free more than its range has, nor less than nothing; and what says how memory is to be
 * mapped changes nothing at once.
 */
static __always_inline __s64 freed_plausible(const struct call *call, __s64 pages)
{
	__s64 most = call->bytes / page_bytes;

	switch (call->advice) {
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE: return 0;
	case MADV_DONTNEED:
	case MADV_FREE: return pages < 0 ? 0 : pages > most ? most : pages;
	default: return pages;
	}
}

/*
 * The counters are read at the place where they were read before, also when the call
 * ended on another CPU: missing is then only what it changed there, less than a batch.
 */
static __always_inline void outcome_fill(struct task_struct *task, const struct call *call, __s64 result,
					 struct outcome *outcome)
{
	outcome->duration_ns = bpf_ktime_get_ns() - call->ktime_ns;
	outcome->result = result;
	outcome->partial = false;
	outcome->migrated = call->cpu != bpf_get_smp_processor_id();
	outcome->rss = resident_read(task, call->cpu_offset, outcome->freed_pages);
	for (int kind = 0; kind < GCTAP_RSS_KINDS; kind++)
		outcome->freed_pages[kind] = freed_plausible(call, call->resident[kind] - outcome->freed_pages[kind]);
}

static __always_inline int call_end(struct task_struct *task, __s64 result)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &thread);
	struct outcome outcome;

	if (!call)
		return call_begin_missed(task, result);
	if (process_accounted(call->pid_tgid)) {
		outcome_fill(task, call, result, &outcome);
		call_account(task, call, &outcome);
	}
	bpf_map_delete_elem(&calls, &thread);
	return 0;
}

/* ---- The three ways ----------------------------------------------------------------------------- */

SEC("fentry/" SYSCALL_FUNCTION)
int BPF_PROG(fentry_begin)
{
	return call_begin(bpf_get_current_task_btf());
}

SEC("fexit/" SYSCALL_FUNCTION)
int BPF_PROG(fentry_end, const struct pt_regs *regs, long result)
{
	return call_end(bpf_get_current_task_btf(), result);
}

SEC("tracepoint/syscalls/sys_enter_madvise")
int tracepoint_begin(struct trace_event_raw_sys_enter *context)
{
	return call_begin(bpf_get_current_task_btf());
}

SEC("tracepoint/syscalls/sys_exit_madvise")
int tracepoint_end(struct trace_event_raw_sys_exit *context)
{
	return call_end(bpf_get_current_task_btf(), context->ret);
}

/* These two run for every system call of every task: the number comes first. A 32-bit program numbers differently. */
SEC("tp_btf/sys_enter")
int BPF_PROG(tp_btf_begin, struct pt_regs *regs, long number)
{
	struct task_struct *task;

	if (number != SYSCALL_MADVISE)
		return 0;
	task = bpf_get_current_task_btf();
	return compat_call(task) ? 0 : call_begin(task);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tp_btf_end, struct pt_regs *regs, long result)
{
	struct task_struct *task;

	if (SYSCALL_NUMBER(regs) != SYSCALL_MADVISE)
		return 0;
	task = bpf_get_current_task_btf();
	return compat_call(task) ? 0 : call_end(task, result);
}

/* Another program than the one whose addresses we were told. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec)
{
	struct gctap_madvise_process *process = process_find(ids_of(bpf_get_current_task_btf()));

	if (process)
		__sync_fetch_and_add(&process->execs, 1);
	return 0;
}
