/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * When the reader of a ring buffer is woken. For one source of an object only,
 * after vmlinux.h and libbpf's headers: it defines a constant.
 */
#ifndef GCTAP_RING_BPF_H
#define GCTAP_RING_BPF_H

const volatile __u64 wakeup_bytes; /* data in the ring from which the reader is woken */

/*
 * The flags to submit a record with. The reader is woken when the threshold is
 * crossed, not at every hit above it: a wake-up costs more than all the rest. Hits on
 * other CPUs can carry the ring across in one stride, hence the @band; should it be
 * missed, the reader looks by itself soon.
 */
static __always_inline __u64 ring_submit_flags(void *ring, __u64 band)
{
	__u64 waiting = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	bool wake = waiting >= wakeup_bytes && waiting < wakeup_bytes + band;

	return wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

#endif
