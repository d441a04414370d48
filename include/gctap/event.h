/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * event: the wire between bpf/ and user space. One event is one hit of one
 * probe: facts of the kernel, then the copied bytes. Sizes are pinned, since
 * two compilers read this file.
 */
#ifndef GCTAP_EVENT_H
#define GCTAP_EVENT_H

#include "gctap/window.h"

#define GCTAP_COMM_LENGTH  16
#define GCTAP_FRAMES_MAX   64
#define GCTAP_CAPTURES_MAX 4096 /* distinct probe points at a time */

enum gctap_rss_kind { /* as in the kernel's enum of MM_* counters */
		      GCTAP_RSS_FILE = 0,
		      GCTAP_RSS_ANON = 1,
		      GCTAP_RSS_SWAP = 2,
		      GCTAP_RSS_SHMEM = 3,
		      GCTAP_RSS_KINDS = 4,
};

enum gctap_event_facts { /* bits of gctap_event.facts: which kernel facts are known */
			 GCTAP_FACT_RSS = 1u << 0,
			 GCTAP_FACT_CGROUP = 1u << 1,
			 GCTAP_FACT_STACK = 1u << 2,
};

struct gctap_event {
	__u64 ktime_ns; /* CLOCK_MONOTONIC, the base of Go's nanotime */
	__u64 start_ns; /* group leader's start_boottime: with pid the identity of the process */
	__u64 cgroup_id;
	__s64 rss_pages[GCTAP_RSS_KINDS]; /* pages of the kernel's page size; since 6.2 the
					     kernel's own sum is approximate */
	__u32 capture;			  /* attach cookie: index of the capture */
	__u32 pid;			  /* thread group id, in gctap's pid namespace; 0 when it has none there */
	__u32 tid;			  /* likewise */
	__u32 facts;			  /* enum gctap_event_facts */
	__u32 windows_read;		  /* bit i: window i was read; others hold no data */
	__u32 payload_bytes;		  /* bytes of payload in use */
	char comm[GCTAP_COMM_LENGTH];	  /* of the group leader, NUL-terminated */
	__u8 payload[GCTAP_PAYLOAD_MAX];  /* windows back to back, or __u64 return addresses, innermost first */
};

#define GCTAP_EVENT_HEADER_BYTES 96

/* Why an event did not come, or came with less; index of the counters. Kernel side counts, user side shows. */
enum gctap_drop {
	GCTAP_DROP_RING_FULL = 0, /* no room in the ring buffer: event lost */
	GCTAP_DROP_NO_CAPTURE,	  /* no capture for the cookie: event lost */
	GCTAP_DROP_WINDOW_FAULT,  /* a window could not be read: its fields are unknown */
	GCTAP_DROP_STACK,	  /* a user stack could not be taken */
	GCTAP_DROP_COUNT,
};

/*
 * What the kernel side keeps per probe point: the capture, packed so that the
 * verifier sees most bounds in the widths of the fields and few branches.
 */
struct gctap_slot_window {
	__s64 delta;
	__u16 offset; /* in the payload */
	__u8 length_less_one;
	__u8 base; /* enum gctap_window_base */
	__u32 reserved;
};

struct gctap_slot {
	__u32 used;	  /* 0: no capture here */
	__u32 pid_filter; /* thread group id in gctap's pid namespace; 0: all */
	__u32 flags;	  /* enum gctap_capture_flags */
	__u32 nr_windows;
	__u32 payload_bytes; /* sum of the windows' lengths */
	__u32 reserved;
	struct gctap_slot_window windows[GCTAP_WINDOWS_MAX];
};

_Static_assert(sizeof(struct gctap_slot_window) == 16, "wire size");
_Static_assert(sizeof(struct gctap_slot) == 24 + 16 * GCTAP_WINDOWS_MAX, "wire size");
_Static_assert(GCTAP_WINDOW_BYTES_MAX == 256, "a length less one fits a byte");
_Static_assert(__builtin_offsetof(struct gctap_event, payload) == GCTAP_EVENT_HEADER_BYTES, "wire size");
_Static_assert(sizeof(struct gctap_event) == GCTAP_EVENT_HEADER_BYTES + GCTAP_PAYLOAD_MAX, "wire size");

#endif
