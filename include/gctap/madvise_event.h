/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * madvise_event: the wire of the accounting of madvise calls, between bpf/ and
 * user space. User space tells addresses of a process, the kernel side sums up
 * calls by advice and cause. Sizes are pinned, since two compilers read this file.
 */
#ifndef GCTAP_MADVISE_EVENT_H
#define GCTAP_MADVISE_EVENT_H

#include "gctap/event.h"

#define GCTAP_MADVISE_RANGES_MAX    16
#define GCTAP_MADVISE_PROCESSES_MAX 1024 /* accounted at a time */
#define GCTAP_MADVISE_BUCKETS	    32	 /* of the histogram of latencies */

/* Why a call was made, by who is on the stack of the calling thread. */
enum gctap_madvise_cause {
	GCTAP_MADVISE_BACKGROUND = 0, /* the background scavenger */
	GCTAP_MADVISE_FORCED,	      /* debug.FreeOSMemory */
	GCTAP_MADVISE_LIMIT,	      /* an allocation, for the memory limit */
	GCTAP_MADVISE_GROWTH,	      /* an allocation, for the growth of the heap */
	GCTAP_MADVISE_REUSE,	      /* an allocation that takes memory back into use */
	GCTAP_MADVISE_RUNTIME,	      /* the Go runtime, none of these */
	GCTAP_MADVISE_PROGRAM,	      /* Go code other than the runtime: package syscall and its like */
	GCTAP_MADVISE_FOREIGN,	      /* code that is not Go: the C library, cgo; or no Go program */
	GCTAP_MADVISE_UNKNOWN,	      /* the runtime, but what tells the rest could not be read */
	GCTAP_MADVISE_CAUSES,
};

/* What a range of addresses says of a stack that leads through it; bits of gctap_madvise_range.mark. */
enum gctap_madvise_mark {
	GCTAP_MADVISE_MARK_BACKGROUND = 1u << 0, /* the background scavenger: bgscavenge */
	GCTAP_MADVISE_MARK_FORCED = 1u << 1,	 /* scavenges all: (*mheap).scavengeAll */
	GCTAP_MADVISE_MARK_SCAVENGE = 1u << 2,	 /* gives memory back: (*pageAlloc).scavenge */
	GCTAP_MADVISE_MARK_ALLOC = 1u << 3,	 /* allocates: (*mheap).allocSpan */
	GCTAP_MADVISE_MARK_GROW = 1u << 4,	 /* grows the heap: (*mheap).grow */
};

/* Addresses are those of the file, as if loaded with bias 0. From @start up to, but not including, @end. */
struct gctap_madvise_range {
	__u64 start, end;
	__u32 mark; /* enum gctap_madvise_mark */
	__u32 reserved;
};

/*
 * For limit_address: the program has a limit, but it is not known where. With any load
 * bias this is no address of a user: it cannot be read, and so the cause is unknown.
 */
#define GCTAP_MADVISE_LIMIT_NOT_FOUND (1ull << 62)

/* What user space tells of one process. Addresses of variables are of 8 bytes each; 0: this version has none. */
struct gctap_madvise_process {
	__u64 start_code; /* lowest p_vaddr of an executable PT_LOAD: load bias = mm->start_code - this */
	__u64 text_start; /* Go code; both 0: no Go program, every call is foreign */
	__u64 text_end;
	struct gctap_madvise_range madvise; /* runtime.madvise; its mark does not matter */
	__u64 limit_address;		    /* gcController.memoryLimit: bytes, unset is the largest int64 */
	__u64 mapped_ready_address;	    /* gcController.mappedReady: bytes, what the limit is compared with */
	__u32 nr_ranges;
	__u32 execs_allowed; /* accounted until the process has made more: 1 for a command before its exec, else 0 */
	__u64 execs;	     /* made since the process was added; the kernel side counts */
	__u64 start_ns;	     /* group leader's start_boottime, by the kernel side; 0 before its first call */
	struct gctap_madvise_range ranges[GCTAP_MADVISE_RANGES_MAX];
};

/* What calls are summed up by. */
struct gctap_madvise_key {
	__u32 pid;    /* thread group id, in gctap's pid namespace */
	__s32 advice; /* as the kernel numbers it: MADV_DONTNEED is 4 */
	__u32 cause;  /* enum gctap_madvise_cause */
	__u32 reserved;
};

/*
 * Sums since the process was added. Each field is added to atomically, all of them
 * together are not: a reader may see a call in one and not yet in the next.
 *
 * Where the kernel preempts itself it can leave out one of our programs, see
 * madvise_probe_losses(). A call of which only the begin or the end was seen is partial:
 * it counts, with its bytes and its cause, but not in freed_pages and latency, and
 * without its end as one that did not fail.
 */
struct gctap_madvise_sum {
	__u64 calls;			      /* all that have returned, failed and partial ones too */
	__u64 bytes;			      /* asked for by them, in whole pages as the kernel rounds up */
	__u64 partial;			      /* those of which freed pages and latency are not known */
	__u64 errors;			      /* that failed; one that met a hole (ENOMEM) has worked beside it */
	__u64 error_bytes;		      /* asked for by those */
	__s64 freed_pages[GCTAP_RSS_KINDS];   /* resident before less resident after, by enum gctap_rss_kind */
	__u64 migrated;			      /* calls that changed the CPU: see enum madvise_rss for the error */
	__u64 latency_ns;		      /* sum; up to some 100 ns of each are our own */
	__u64 latency_max_ns;		      /* of one call */
	__u64 latency[GCTAP_MADVISE_BUCKETS]; /* calls of [2^i, 2^(i+1)) ns; the last one: of all that is longer */
};

struct gctap_madvise_error_key {
	struct gctap_madvise_key call;
	__u32 error; /* errno, positive */
	__u32 reserved;
};

enum gctap_madvise_facts {				     /* bits of gctap_madvise_event.facts */
			   GCTAP_MADVISE_FACT_RSS = 1u << 0, /* freed_pages is known */
			   GCTAP_MADVISE_FACT_MIGRATED = 1u << 1,
			   GCTAP_MADVISE_FACT_PARTIAL = 1u << 2, /* duration_ns, result and freed_pages may be 0 */
};

/* One call, sent when it returns. */
struct gctap_madvise_event {
	__u64 ktime_ns; /* at its beginning, if seen. CLOCK_MONOTONIC, the base of Go's nanotime */
	__u64 duration_ns;
	__u64 start_ns; /* group leader's start_boottime: with pid the identity of the process */
	__u32 pid;	/* thread group id, in gctap's pid namespace */
	__u32 tid;	/* likewise */
	__u64 address;
	__u64 bytes; /* in whole pages */
	__s32 advice;
	__u32 cause;  /* enum gctap_madvise_cause */
	__s64 result; /* 0 or negative errno */
	__s64 freed_pages[GCTAP_RSS_KINDS];
	__u32 facts; /* enum gctap_madvise_facts */
	__u32 reserved;
	char comm[GCTAP_COMM_LENGTH]; /* of the group leader, NUL-terminated */
};

/* What did not arrive; index of the counters. Kernel side counts, user side shows. */
enum gctap_madvise_loss {
	GCTAP_MADVISE_LOSS_RING_FULL = 0, /* no room in the ring buffer: no event, but in the sums */
	GCTAP_MADVISE_LOSS_SUMS_FULL,	  /* too many kinds of calls: the call is in no sum */
	GCTAP_MADVISE_LOSS_ERRORS_FULL,	  /* too many kinds of errors: the call is in a sum, its errno is not */
	GCTAP_MADVISE_LOSS_COUNT,
};

_Static_assert(sizeof(struct gctap_madvise_range) == 24, "wire size");
_Static_assert(sizeof(struct gctap_madvise_process) == 88 + 24 * GCTAP_MADVISE_RANGES_MAX, "wire size");
_Static_assert(sizeof(struct gctap_madvise_key) == 16, "wire size");
_Static_assert(sizeof(struct gctap_madvise_sum) == 96 + 8 * GCTAP_MADVISE_BUCKETS, "wire size");
_Static_assert(sizeof(struct gctap_madvise_error_key) == 24, "wire size");
_Static_assert(sizeof(struct gctap_madvise_event) == 120, "wire size");

#endif
