// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * One program for every probe point of every process. The attach cookie names
 * the capture; what is copied, and from where, is data. Nothing here knows a Go
 * version.
 *
 * uprobe programs can be preempted, and another task can run the same program
 * on the same CPU meanwhile: so there is no scratch space per CPU, all is
 * written straight into the reserved record, and counters are added to
 * atomically.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "gctap/event.h"
#include "ring.bpf.h"
#include "task.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Records come in two sizes, chosen by what the capture copies: bpf_ringbuf_reserve
 * wants a constant. The slack is for the verifier, which knows the largest offset
 * and the largest length of a window but not that their sum is smaller.
 */
#define PAYLOAD_SMALL	      512
#define PAYLOAD_SLACK	      GCTAP_WINDOW_BYTES_MAX
#define RECORD_BYTES(payload) (GCTAP_EVENT_HEADER_BYTES + (payload) + PAYLOAD_SLACK)

_Static_assert(GCTAP_FRAMES_MAX * sizeof(__u64) <= PAYLOAD_SMALL, "a stack fits a small record");

#define WAKEUP_BAND (8 * RECORD_BYTES(GCTAP_PAYLOAD_MAX))

bool active;
bool reader_rests; /* it wants to be woken by the next event; cleared by that */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GCTAP_CAPTURES_MAX);
	__type(key, __u32);
	__type(value, struct gctap_slot);
} captures SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GCTAP_DROP_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* Stays empty, see probe_hit(). */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} no_programs SEC(".maps");

static __always_inline void drop_count(__u32 drop, __u64 times)
{
	__u64 *count = bpf_map_lookup_elem(&drops, &drop);

	if (count)
		__sync_fetch_and_add(count, times);
}

#if defined(__TARGET_ARCH_x86)
#define FLAG_CARRY (1u << 0)
#define FLAG_ZERO  (1u << 6)

static bool below_equal(struct pt_regs *regs)
{
	return regs->flags & (FLAG_CARRY | FLAG_ZERO);
}
#elif defined(__TARGET_ARCH_arm64)
#define FLAG_CARRY (1u << 29)
#define FLAG_ZERO  (1u << 30)

/* b.ls: arm64's carry is an inverted borrow. */
static bool below_equal(struct pt_regs *regs)
{
	__u64 flags = regs->pstate;

	return !(flags & FLAG_CARRY) || (flags & FLAG_ZERO);
}
#endif

/* Counted in batches, a sum can dip below zero: the kernel too shows 0 then. */
static __always_inline __s64 pages_shown(__s64 pages)
{
	return pages < 0 ? 0 : pages;
}

static __always_inline __u32 rss_read(struct mm_struct *mm, struct gctap_event *event)
{
	struct mm_struct___percpu *percpu = (void *)mm;
	struct mm_struct___atomic *atomic = (void *)mm;

	if (!mm)
		return 0;
	if (bpf_core_field_exists(percpu->rss_stat[0].count)) {
		event->rss_pages[0] = pages_shown(percpu->rss_stat[0].count);
		event->rss_pages[1] = pages_shown(percpu->rss_stat[1].count);
		event->rss_pages[2] = pages_shown(percpu->rss_stat[2].count);
		event->rss_pages[3] = pages_shown(percpu->rss_stat[3].count);
		return GCTAP_FACT_RSS;
	}
	/* In one copy: 6.1's verifier does not follow an array of a typedef. */
	if (bpf_core_field_exists(atomic->rss_stat.count)) {
		if (bpf_core_read(event->rss_pages, sizeof(event->rss_pages), &atomic->rss_stat.count))
			return 0;
		for (int kind = 0; kind < GCTAP_RSS_KINDS; kind++)
			event->rss_pages[kind] = pages_shown(event->rss_pages[kind]);
		return GCTAP_FACT_RSS;
	}
	return 0;
}

/* Every byte of the header is written: the ring's memory is what earlier events left. */
static __always_inline void header_fill(struct gctap_event *event, struct task_struct *task, __u64 pid_tgid,
					__u32 capture)
{
	struct task_struct *leader = task->group_leader;

	event->ktime_ns = bpf_ktime_get_ns();
	event->start_ns = leader->start_boottime;
	event->cgroup_id = bpf_get_current_cgroup_id();
	event->capture = capture;
	event->pid = pid_tgid >> 32;
	event->tid = pid_tgid;
	event->windows_read = 0;
	event->payload_bytes = 0;
	__builtin_memset(event->rss_pages, 0, sizeof(event->rss_pages));
	event->facts = GCTAP_FACT_CGROUP | rss_read(task->mm, event);
	bpf_core_read(event->comm, sizeof(event->comm), &leader->comm);
	event->comm[sizeof(event->comm) - 1] = '\0';
}

/* 0, or negative. A helper that fails fills @to with zeros: no bytes of earlier events show through. */
static __always_inline long window_copy(struct pt_regs *regs, const struct gctap_slot_window *window, void *to)
{
	__u64 ip = PT_REGS_IP(regs), sp = PT_REGS_SP(regs);
	__u32 length = window->length_less_one + 1;

	/* Else the compiler would choose between two pointers into the context, which the verifier refuses. */
	barrier_var(ip);
	barrier_var(sp);
	if (window->base == GCTAP_BASE_REGS) {
		if (length > sizeof(*regs))
			length = sizeof(*regs);
		return bpf_probe_read_kernel(to, length, regs);
	}
	return bpf_probe_read_user(to, length, (void *)((window->base == GCTAP_BASE_SP ? sp : ip) + window->delta));
}

static __always_inline void windows_copy(struct pt_regs *regs, const struct gctap_slot *slot, struct gctap_event *event,
					 __u32 payload_max)
{
	__u32 windows_read = 0;
	__u64 faults = 0;

	for (__u32 i = 0; i < GCTAP_WINDOWS_MAX && i < slot->nr_windows; i++) {
		const struct gctap_slot_window *window = &slot->windows[i];
		__u64 failed;

		if (window->offset > payload_max)
			break;
		/* The sign as a number: a branch here would double the verifier's paths with every window. */
		failed = (__u64)window_copy(regs, window, event->payload + window->offset) >> 63;
		faults += failed;
		windows_read |= (__u32)(failed ^ 1) << i;
	}
	event->windows_read = windows_read;
	event->payload_bytes = slot->payload_bytes;
	if (faults)
		drop_count(GCTAP_DROP_WINDOW_FAULT, faults);
}

static __always_inline void stack_copy(struct pt_regs *regs, const struct gctap_slot *slot, struct gctap_event *event)
{
	__u64 *frames = (__u64 *)event->payload;
	bool prologue = slot->flags & GCTAP_CAPTURE_IN_PROLOGUE;
	long bytes;

	if (prologue) {
		/* One frame further on, to make room for the caller; the walk's own first frame is the probe. */
		frames[0] = PT_REGS_IP(regs);
		bytes = bpf_get_stack(regs, frames + 1, (GCTAP_FRAMES_MAX - 1) * sizeof(*frames), BPF_F_USER_STACK);
		if (bpf_probe_read_user(&frames[1], sizeof(*frames), (void *)PT_REGS_SP(regs)))
			bytes = -1;
		else if (bytes > 0)
			bytes += sizeof(*frames);
	} else {
		bytes = bpf_get_stack(regs, frames, GCTAP_FRAMES_MAX * sizeof(*frames), BPF_F_USER_STACK);
	}
	if (bytes <= 0) {
		drop_count(GCTAP_DROP_STACK, 1);
		return;
	}
	event->facts |= GCTAP_FACT_STACK;
	event->payload_bytes = bytes;
}

static __always_inline __u64 submit_flags(void)
{
	if (reader_rests) {
		reader_rests = false;
		return BPF_RB_FORCE_WAKEUP;
	}
	return ring_submit_flags(&ring, WAKEUP_BAND);
}

/* Inlined once per record size, since the verifier must see the size as a constant. */
static __always_inline int hit_send(struct pt_regs *regs, const struct gctap_slot *slot, __u32 capture, __u64 pid_tgid,
				    __u32 payload_max)
{
	struct gctap_event *event = bpf_ringbuf_reserve(&ring, RECORD_BYTES(payload_max), 0);

	if (!event) {
		drop_count(GCTAP_DROP_RING_FULL, 1);
		return 0;
	}
	header_fill(event, bpf_get_current_task_btf(), pid_tgid, capture);
	if (slot->flags & GCTAP_CAPTURE_STACK)
		stack_copy(regs, slot, event);
	else
		windows_copy(regs, slot, event, payload_max);
	bpf_ringbuf_submit(event, submit_flags());
	return 0;
}

SEC("uprobe")
int probe_hit(struct pt_regs *regs)
{
	__u32 capture = bpf_get_attach_cookie(regs);
	struct gctap_slot *slot;
	__u64 pid_tgid;

	/*
	 * Since Linux 6.13, a program of this type with 64 bytes of stack or more gets a
	 * stack per CPU, shared with whichever task runs it next while this one is
	 * preempted: on kernels that do preempt, events came out mixed from two tasks.
	 * No program that contains a tail call gets one. This one leads nowhere.
	 */
	if (!active) {
		bpf_tail_call(regs, &no_programs, 0);
		return 0;
	}
	slot = bpf_map_lookup_elem(&captures, &capture);
	if (!slot || !slot->used) {
		drop_count(GCTAP_DROP_NO_CAPTURE, 1);
		return 0;
	}
	if ((slot->flags & GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL) && below_equal(regs))
		return 0;
	pid_tgid = own_pid_tgid(bpf_get_current_task_btf());
	if (slot->pid_filter && slot->pid_filter != pid_tgid >> 32)
		return 0;
	if (slot->payload_bytes <= PAYLOAD_SMALL)
		return hit_send(regs, slot, capture, pid_tgid, PAYLOAD_SMALL);
	return hit_send(regs, slot, capture, pid_tgid, GCTAP_PAYLOAD_MAX);
}
