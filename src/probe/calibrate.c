// SPDX-License-Identifier: BSD-2-Clause
#include "probe/calibrate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/capability.h>

#define BTF_PATH	"/sys/kernel/btf/vmlinux"
#define UPROBE_PMU_PATH "/sys/bus/event_source/devices/uprobe/type"

/* Debian 12's linux/capability.h knows both, but older headers do not. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

/* First line of @path that @format fits; number of converted values. */
static int scan_file(const char *path, const char *format, void *value)
{
	char line[256];
	int converted = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	while (converted < 1 && fgets(line, sizeof(line), file))
		converted = sscanf(line, format, value);
	fclose(file);
	return converted;
}

static bool capability_in(uint64_t set, unsigned int capability)
{
	return set >> capability & 1;
}

static void calibrate_capabilities(struct calibration *found)
{
	uint64_t effective = 0;
	bool admin;

	scan_file("/proc/self/status", "CapEff: %" SCNx64, &effective);
	admin = capability_in(effective, CAP_SYS_ADMIN);
	found->has_cap_sys_admin = admin;
	found->has_cap_bpf = admin || capability_in(effective, CAP_BPF);
	found->has_cap_perfmon = admin || capability_in(effective, CAP_PERFMON);
}

/* The first user namespace maps all ids onto themselves; no other one can. */
static bool in_user_namespace(void)
{
	unsigned int ids[3] = { 0, 0, UINT32_MAX };
	FILE *file = fopen("/proc/self/uid_map", "re");

	if (!file)
		return false;
	if (fscanf(file, "%u %u %u", &ids[0], &ids[1], &ids[2]) != 3)
		ids[2] = UINT32_MAX;
	fclose(file);
	return ids[0] != 0 || ids[1] != 0 || ids[2] != UINT32_MAX;
}

static bool locked_down(void)
{
	char modes[256] = "";

	/* "none integrity [confidentiality]": the active one is in brackets. */
	scan_file("/sys/kernel/security/lockdown", "%255[^\n]", modes);
	return strstr(modes, "[confidentiality]");
}

void calibrate(struct calibration *found)
{
	memset(found, 0, sizeof(*found));
	calibrate_capabilities(found);
	found->in_user_namespace = in_user_namespace();
	found->has_btf = access(BTF_PATH, R_OK) == 0;
	found->locked_down = locked_down();
	found->has_attach_cookie = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 1;
	found->perf_event_paranoid = -1;
	scan_file("/proc/sys/kernel/perf_event_paranoid", "%d", &found->perf_event_paranoid);
}

/* What stands in the way of loading and attaching alike; NULL when nothing was found. */
static const char *capabilities_missing(const struct calibration *found)
{
	if (!found->has_cap_bpf && !found->has_cap_perfmon)
		return "not permitted to use BPF: CAP_BPF and CAP_PERFMON are missing (run as root, or grant both)";
	if (!found->has_cap_bpf)
		return "not permitted to load BPF programs: CAP_BPF is missing (run as root, or grant it)";
	if (!found->has_cap_perfmon)
		return "not permitted to trace: CAP_PERFMON is missing (run as root, or grant it)";
	if (found->in_user_namespace)
		return "not permitted to use BPF inside a user namespace: CAP_BPF and CAP_PERFMON count "
		       "only in the host's (run gctap outside the container, or the container without one)";
	return NULL;
}

int calibrate_uprobes(uint32_t *type, struct failure *failure)
{
	if (scan_file(UPROBE_PMU_PATH, "%" SCNu32, type) == 1)
		return 0;
	if (access(UPROBE_PMU_PATH, R_OK) == 0)
		return failure_set(failure, -EIO, "cannot read %s", UPROBE_PMU_PATH);
	return failure_set(failure, -EOPNOTSUPP,
			   "the kernel offers no uprobes to perf (needs CONFIG_UPROBE_EVENTS, and sysfs mounted)");
}

int calibrate_explain_load(int error, struct failure *failure)
{
	struct calibration found;
	const char *reason;

	calibrate(&found);
	reason = capabilities_missing(&found);
	if (!reason && !found.has_btf)
		reason = "the kernel has no type information in " BTF_PATH
			 " (needs CONFIG_DEBUG_INFO_BTF, and sysfs mounted)";
	/* A seccomp filter that refuses bpf() makes every question below look like a missing feature. */
	if (!reason && error == -EPERM && !found.locked_down && !found.has_attach_cookie)
		return failure_set(failure, error,
				   "bpf() is refused although CAP_BPF is there: a seccomp filter or a "
				   "security module forbids it (in a container: allow the bpf and "
				   "perf_event_open system calls)");
	if (!reason && found.locked_down)
		reason = "the kernel is locked down (lockdown=confidentiality), which forbids BPF programs "
			 "to read memory; boot with lockdown=integrity or none";
	if (!reason && !found.has_attach_cookie)
		reason = "the kernel is too old: it lacks bpf_get_attach_cookie (Linux 5.15 or newer is needed)";
	if (reason)
		return failure_set(failure, error, "%s", reason);
	return failure_set(failure, error, "cannot load the BPF programs: %s (more with --verbose)", strerror(-error));
}

int calibrate_explain_attach(int error, struct failure *failure)
{
	struct calibration found;
	const char *reason;

	calibrate(&found);
	reason = capabilities_missing(&found);
	if (reason)
		return failure_set(failure, error, "%s", reason);
	if (error == -EMFILE || error == -ENFILE)
		return failure_set(failure, error, "cannot attach: out of file descriptors (raise ulimit -n)");
	if ((error == -EACCES || error == -EPERM) && !found.has_cap_sys_admin && found.perf_event_paranoid > 2)
		return failure_set(failure, error,
				   "kernel.perf_event_paranoid is %d, which leaves perf to CAP_SYS_ADMIN: run as root, "
				   "grant it, or set 2",
				   found.perf_event_paranoid);
	if ((error == -EACCES || error == -EPERM) && !found.has_cap_sys_admin)
		return failure_set(failure, error,
				   "this kernel lets only CAP_SYS_ADMIN place uprobes (as Linux does since 6.17, and "
				   "stable kernels with that change): run as root, or grant it");
	if (error == -EACCES || error == -EPERM)
		return failure_set(failure, error,
				   "perf_event_open is refused although CAP_PERFMON is there "
				   "(kernel.perf_event_paranoid is %d; a seccomp filter or a security "
				   "module may forbid it)",
				   found.perf_event_paranoid);
	return 0;
}
