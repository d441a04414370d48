/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * window: a range of a traced process's memory that is copied when a probe
 * fires. Shared by user space and bpf/. It is all that the kernel side is ever
 * told about a Go version.
 *
 * Addresses are relative to a register at the probe, so that neither side
 * needs the load bias of a position independent executable.
 */
#ifndef GCTAP_WINDOW_H
#define GCTAP_WINDOW_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum gctap_window_base {
	GCTAP_BASE_IP = 0,   /* address = probe's instruction pointer + delta */
	GCTAP_BASE_SP = 1,   /* address = stack pointer at the probe + delta */
	GCTAP_BASE_REGS = 2, /* the kernel's struct pt_regs itself; delta is 0 */
};

#define GCTAP_WINDOWS_MAX      16
#define GCTAP_WINDOW_BYTES_MAX 256u  /* of one window */
#define GCTAP_PAYLOAD_MAX      1536u /* of all windows of one capture */

struct gctap_window {
	__s64 delta;  /* bytes */
	__u32 length; /* bytes, 1 .. GCTAP_WINDOW_BYTES_MAX */
	__u32 base;   /* enum gctap_window_base */
};

/* What to copy at one probe: the windows in the order in which they lie in the payload, back to back. */
struct gctap_capture {
	__u32 nr_windows; /* 0 .. GCTAP_WINDOWS_MAX */
	__u32 flags;	  /* enum gctap_capture_flags */
	struct gctap_window windows[GCTAP_WINDOWS_MAX];
};

enum gctap_capture_flags {
	/* Send the event only when the conditional branch under the probe is not taken (x86 jbe: CF = ZF = 0). */
	GCTAP_CAPTURE_IF_NOT_BELOW_EQUAL = 1u << 0,
	/* Send the user stack (frame pointers) in place of windows. */
	GCTAP_CAPTURE_STACK = 1u << 1,
	/*
	 * With GCTAP_CAPTURE_STACK: the probe is in a prologue, before the frame
	 * is set up. The frame pointer is still the caller's, so the walk alone
	 * would leave the caller out: the word at the stack pointer is taken for it.
	 */
	GCTAP_CAPTURE_IN_PROLOGUE = 1u << 2,
};

_Static_assert(sizeof(struct gctap_window) == 16, "wire size");
_Static_assert(sizeof(struct gctap_capture) == 8 + 16 * GCTAP_WINDOWS_MAX, "wire size");

#endif
