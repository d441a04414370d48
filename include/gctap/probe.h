/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe: the life cycle of the kernel side: new (check the kernel, load),
 * add (attach; nothing is sent yet), activate (one flag), consume, free.
 * Knows captures and events; never what their bytes mean, and no Go.
 *
 * There is no way to attach a return probe: on a Go stack it kills the target.
 */
#ifndef GCTAP_PROBE_H
#define GCTAP_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/event.h"
#include "gctap/failure.h"

struct probe_set;

struct probe_options {
	size_t ring_bytes; /* 0: default (1 MiB); rounded up to a power of two of pages. Mapped twice: counts double in
			      gctap's RSS */
};

/*
 * Checks what the kernel and our capabilities allow and loads the programs.
 * Refusals are one line that says what is missing and what would grant it:
 * kernel before 5.15 (no attach cookie), no BTF, CAP_BPF, CAP_PERFMON, lockdown.
 */
int probe_set_new(const struct probe_options *options, struct probe_set **out, struct failure *failure);

struct probe_point {
	int exe_fd;	      /* the executable; stays the caller's, needed only during the call */
	uint64_t file_offset; /* of the instruction */
	pid_t pid;	      /* only in this process's memory; -1: in every process of the file, now and later */
	uint32_t pid_filter;  /* kernel-side filter on the tgid as gctap sees it, beside the above; 0: none */
	struct gctap_capture capture;
};

/* Attaches. @id is what events carry in gctap_event.capture. */
int probe_set_add(struct probe_set *set, const struct probe_point *point, uint32_t *id, struct failure *failure);

/* Detaches one point; its id may be used again once its last event was consumed. */
void probe_set_remove(struct probe_set *set, uint32_t id);

/* From here on hits become events. */
void probe_set_activate(struct probe_set *set);

/* Readable when the ring has passed its wake-up threshold; to be consumed at least every 100 ms all the same. */
int probe_set_fd(const struct probe_set *set);

/*
 * The next event makes the descriptor readable, once, however little is in the ring: for who has found nothing for
 * a while and wants to sleep for longer. An event that is under way at the call may not do so yet.
 */
void probe_set_rest(struct probe_set *set);

/*
 * Returns 0 to go on; a negative answer ends consuming. The event is valid during
 * the call only, and of its payload only the first payload_bytes.
 */
typedef int (*probe_handler)(const struct gctap_event *event, void *context);

/* Takes all that is there; number of events, or the handler's negative answer (-EPROTO: a malformed event). Never
 * blocks. */
int probe_set_consume(struct probe_set *set, probe_handler handler, void *context);

/* Sums since activation, by enum gctap_drop. */
int probe_set_drops(const struct probe_set *set, uint64_t drops[GCTAP_DROP_COUNT]);

/* The kernel's own account of what the programs cost (zero unless kernel.bpf_stats_enabled). */
struct probe_cost {
	uint64_t runs;
	uint64_t run_ns;
};
int probe_set_cost(const struct probe_set *set, struct probe_cost *cost);

/* Detaches all, unloads, frees; NULL is fine. */
void probe_set_free(struct probe_set *set);

/* Demotes libbpf's messages: shown on stderr only with verbose. */
void probe_set_verbose(int verbose);

#endif
