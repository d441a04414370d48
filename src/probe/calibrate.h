/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calibrate: why this kernel, or what we are allowed on it, does not carry
 * probes. Asked only after something failed: a start that works pays for one
 * look at a file.
 */
#ifndef GCTAP_PROBE_CALIBRATE_H
#define GCTAP_PROBE_CALIBRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "gctap/failure.h"

/* What was found, as answers to questions: no kernel version is compared. */
struct calibration {
	bool has_cap_bpf;     /* CAP_BPF, or CAP_SYS_ADMIN which contains it */
	bool has_cap_perfmon; /* likewise */
	bool has_cap_sys_admin;
	bool in_user_namespace;	 /* capabilities count in the first user namespace only */
	bool has_btf;		 /* /sys/kernel/btf/vmlinux is readable */
	bool has_attach_cookie;	 /* the kernel knows bpf_get_attach_cookie (5.15) */
	bool locked_down;	 /* lockdown=confidentiality: programs may not read the kernel's memory */
	int perf_event_paranoid; /* -1: unknown */
};

void calibrate(struct calibration *found);

/*
 * The number by which perf knows uprobes; -EOPNOTSUPP when it does not.
 */
int calibrate_uprobes(uint32_t *type, struct failure *failure);

/* One line: the first thing that is missing, and what would grant it. Returns @error. */
int calibrate_explain_load(int error, struct failure *failure);
int calibrate_explain_attach(int error, struct failure *failure);

#endif
