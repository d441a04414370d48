// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#include "gctap.skel.h"
#include "probe/calibrate.h"
#include "probe/kernel_side.h"

#define RING_BYTES_DEFAULT (1u << 20)
#define ENOTSUPP_KERNEL	   524 /* ENOTSUPP leaks out of the kernel; user space has no name for it */

#if defined(__x86_64__)
#define REGS_BYTES 168u /* sizeof(struct pt_regs): 21 words */
#else
#define REGS_BYTES GCTAP_WINDOW_BYTES_MAX
#endif

/* One id. Free: no link, and the ring read beyond where it stood at removal. */
struct probe_slot {
	struct bpf_link *link;
	unsigned long retired_at;
	bool retired;
};

struct probe_set {
	struct gctap_bpf *skeleton;
	struct ring_buffer *ring;
	const unsigned long *consumer_position; /* the ring's own, mapped: bytes ever read ... */
	const unsigned long *producer_position; /* ... and ever reserved */
	size_t page_bytes;
	uint32_t uprobe_type;  /* as perf numbers it */
	probe_handler handler; /* during probe_set_consume() only */
	void *context;
	uint32_t next; /* where the search for a free id starts */
	struct probe_slot slots[GCTAP_CAPTURES_MAX];
};

void probe_set_verbose(int verbose)
{
	libbpf_show(verbose);
}

static int skeleton_load(struct probe_set *set, const struct probe_options *options, struct failure *failure)
{
	size_t wanted = options && options->ring_bytes ? options->ring_bytes : RING_BYTES_DEFAULT;
	size_t ring_bytes = ring_bytes_round(wanted);
	struct gctap_bpf *skeleton;
	uint32_t namespace;
	int error;

	error = pid_namespace_inode(&namespace, failure);
	if (error)
		return error;
	skeleton = gctap_bpf__open();
	if (!skeleton)
		return failure_set(failure, errno ? -errno : -EINVAL, "cannot open the BPF programs: %s",
				   strerror(errno));
	set->skeleton = skeleton;
	skeleton->rodata->own_pid_namespace = namespace;
	skeleton->rodata->wakeup_bytes = ring_wakeup_bytes(ring_bytes);
	bpf_map__set_max_entries(skeleton->maps.ring, ring_bytes);
	error = gctap_bpf__load(skeleton);
	if (error)
		return calibrate_explain_load(error, failure);
	return variables_mapped(skeleton->bss, failure);
}

static int event_received(void *context, void *data, size_t size)
{
	const struct gctap_event *event = data;
	struct probe_set *set = context;

	if (size < GCTAP_EVENT_HEADER_BYTES || event->payload_bytes > GCTAP_PAYLOAD_MAX ||
	    event->payload_bytes > size - GCTAP_EVENT_HEADER_BYTES || event->capture >= GCTAP_CAPTURES_MAX ||
	    event->comm[GCTAP_COMM_LENGTH - 1])
		return -EPROTO;
	return set->handler(event, set->context);
}

static const unsigned long *position_map(const struct probe_set *set, off_t offset)
{
	void *page = mmap(NULL, set->page_bytes, PROT_READ, MAP_SHARED, bpf_map__fd(set->skeleton->maps.ring), offset);

	return page == MAP_FAILED ? NULL : page;
}

static int ring_open(struct probe_set *set, struct failure *failure)
{
	set->ring = ring_buffer__new(bpf_map__fd(set->skeleton->maps.ring), event_received, set, NULL);
	if (!set->ring)
		return failure_set(failure, -errno, "cannot map the ring buffer: %s", strerror(errno));
	/* libbpf says where the reader stands only since 1.3. The kernel's layout: consumer's page, then producer's. */
	set->consumer_position = position_map(set, 0);
	set->producer_position = position_map(set, set->page_bytes);
	if (!set->consumer_position || !set->producer_position)
		return failure_set(failure, -errno, "cannot map the ring buffer: %s", strerror(errno));
	return 0;
}

int probe_set_new(const struct probe_options *options, struct probe_set **out, struct failure *failure)
{
	struct probe_set *set = calloc(1, sizeof(*set));
	int error;

	if (!set)
		return failure_set(failure, -ENOMEM, "out of memory");
	libbpf_quiet();
	set->page_bytes = sysconf(_SC_PAGESIZE);
	error = skeleton_load(set, options, failure);
	if (!error)
		error = calibrate_uprobes(&set->uprobe_type, failure);
	if (!error)
		error = ring_open(set, failure);
	if (error) {
		probe_set_free(set);
		return error;
	}
	*out = set;
	return 0;
}

/* From what the caller asks to what the kernel side looks up; -EINVAL for what it could not do. */
static int slot_prepare(const struct probe_point *point, struct gctap_slot *slot)
{
	const struct gctap_capture *capture = &point->capture;
	uint32_t offset = 0;

	if (capture->nr_windows > GCTAP_WINDOWS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < capture->nr_windows; i++) {
		const struct gctap_window *window = &capture->windows[i];
		uint32_t length_max = window->base == GCTAP_BASE_REGS ? REGS_BYTES : GCTAP_WINDOW_BYTES_MAX;

		if (window->base > GCTAP_BASE_REGS || !window->length || window->length > length_max)
			return -EINVAL;
		slot->windows[i] = (struct gctap_slot_window){
			.delta = window->delta,
			.offset = offset,
			.length_less_one = window->length - 1,
			.base = window->base,
		};
		offset += window->length;
	}
	if (offset > GCTAP_PAYLOAD_MAX)
		return -EINVAL;
	slot->used = 1;
	slot->pid_filter = point->pid_filter;
	slot->payload_bytes = capture->flags & GCTAP_CAPTURE_STACK ? 0 : offset;
	slot->flags = capture->flags;
	slot->nr_windows = capture->nr_windows;
	return 0;
}

static bool slot_free(const struct probe_set *set, const struct probe_slot *slot)
{
	unsigned long read = __atomic_load_n(set->consumer_position, __ATOMIC_ACQUIRE);

	if (slot->link)
		return false;
	return !slot->retired || (long)(read - slot->retired_at) >= 0;
}

static int id_find(const struct probe_set *set, uint32_t *id)
{
	for (uint32_t i = 0; i < GCTAP_CAPTURES_MAX; i++) {
		uint32_t candidate = (set->next + i) % GCTAP_CAPTURES_MAX;

		if (slot_free(set, &set->slots[candidate])) {
			*id = candidate;
			return 0;
		}
	}
	return -ENOSPC;
}

static int slot_store(const struct probe_set *set, uint32_t id, const struct gctap_slot *slot)
{
	int fd = bpf_map__fd(set->skeleton->maps.captures);

	return bpf_map_update_elem(fd, &id, slot, BPF_ANY) ? -errno : 0;
}

static int attach_failed(int error, const struct probe_point *point, struct failure *failure)
{
	if (error == -ESRCH)
		return failure_set(failure, error, "process %d is gone", point->pid);
	if (error == -ENOTSUPP_KERNEL || error == -EOPNOTSUPP)
		return failure_set(failure, error, "the kernel cannot probe the instruction at file offset 0x%llx",
				   (unsigned long long)point->file_offset);
	if (calibrate_explain_attach(error, failure))
		return error;
	return failure_set(failure, error, "cannot attach at file offset 0x%llx: %s",
			   (unsigned long long)point->file_offset, strerror(-error));
}

/*
 * Not by libbpf: where that cannot have an event, it writes the probe into tracefs instead, and there
 * it would outlast a gctap that is killed.
 */
static int uprobe_open(const struct probe_set *set, const struct probe_point *point)
{
	struct perf_event_attr event = { .size = sizeof(event), .type = set->uprobe_type };
	char path[64];
	long fd;

	/* Through the descriptor, the file is found also when deleted or in another mount namespace. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", point->exe_fd);
	event.uprobe_path = (uint64_t)(uintptr_t)path;
	event.probe_offset = point->file_offset;
	/* Of a process on any CPU, or of all processes on one, which then stands for all. */
	fd = syscall(SYS_perf_event_open, &event, point->pid, point->pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

static int point_attach(struct probe_set *set, const struct probe_point *point, uint32_t id, struct failure *failure)
{
	LIBBPF_OPTS(bpf_perf_event_opts, options, .bpf_cookie = id);
	int fd = uprobe_open(set, point);
	struct bpf_link *link;

	if (fd < 0)
		return attach_failed(fd, point, failure);
	link = bpf_program__attach_perf_event_opts(set->skeleton->progs.probe_hit, fd, &options);
	if (!link) {
		int error = -errno;

		close(fd);
		return attach_failed(error, point, failure);
	}
	set->slots[id].link = link;
	return 0;
}

int probe_set_add(struct probe_set *set, const struct probe_point *point, uint32_t *id, struct failure *failure)
{
	struct gctap_slot slot = { 0 };
	uint32_t found;
	int error;

	/* 0 would mean ourselves to perf. */
	if (point->pid == 0 || point->pid < -1 || slot_prepare(point, &slot))
		return failure_set(failure, -EINVAL, "not a valid probe point");
	error = id_find(set, &found);
	if (error)
		return failure_set(failure, error, "more than %d probe points at a time", GCTAP_CAPTURES_MAX);
	error = slot_store(set, found, &slot);
	if (error)
		return failure_set(failure, error, "cannot store a capture: %s", strerror(-error));
	error = point_attach(set, point, found, failure);
	if (error) {
		slot_store(set, found, &(struct gctap_slot){ 0 });
		return error;
	}
	set->slots[found].retired = false;
	set->next = (found + 1) % GCTAP_CAPTURES_MAX;
	*id = found;
	return 0;
}

void probe_set_remove(struct probe_set *set, uint32_t id)
{
	struct probe_slot *slot;

	if (id >= GCTAP_CAPTURES_MAX || !set->slots[id].link)
		return;
	slot = &set->slots[id];
	/* Closes the perf event: when it returns no hit is under way any more, so the position is final. */
	bpf_link__destroy(slot->link);
	slot->link = NULL;
	slot_store(set, id, &(struct gctap_slot){ 0 });
	slot->retired_at = __atomic_load_n(set->producer_position, __ATOMIC_ACQUIRE);
	slot->retired = true;
}

void probe_set_activate(struct probe_set *set)
{
	__atomic_store_n(&set->skeleton->bss->active, true, __ATOMIC_RELEASE);
}

int probe_set_fd(const struct probe_set *set)
{
	return ring_buffer__epoll_fd(set->ring);
}

void probe_set_rest(struct probe_set *set)
{
	__atomic_store_n(&set->skeleton->bss->reader_rests, true, __ATOMIC_RELEASE);
}

int probe_set_consume(struct probe_set *set, probe_handler handler, void *context)
{
	set->handler = handler;
	set->context = context;
	return ring_buffer__consume(set->ring);
}

int probe_set_drops(const struct probe_set *set, uint64_t drops[GCTAP_DROP_COUNT])
{
	int error = 0;

	for (uint32_t drop = 0; drop < GCTAP_DROP_COUNT && !error; drop++)
		error = counter_sum(bpf_map__fd(set->skeleton->maps.drops), drop, &drops[drop]);
	return error;
}

int probe_set_cost(const struct probe_set *set, struct probe_cost *cost)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(set->skeleton->progs.probe_hit), &info, &length))
		return -errno;
	cost->runs = info.run_cnt;
	cost->run_ns = info.run_time_ns;
	return 0;
}

static void position_unmap(const struct probe_set *set, const unsigned long *position)
{
	if (position)
		munmap((void *)position, set->page_bytes);
}

void probe_set_free(struct probe_set *set)
{
	if (!set)
		return;
	for (uint32_t id = 0; id < GCTAP_CAPTURES_MAX; id++)
		bpf_link__destroy(set->slots[id].link);
	position_unmap(set, set->producer_position);
	position_unmap(set, set->consumer_position);
	ring_buffer__free(set->ring);
	gctap_bpf__destroy(set->skeleton);
	free(set);
}
