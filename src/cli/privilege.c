// SPDX-License-Identifier: BSD-2-Clause
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/bpf.h>

/* ---- Sets ------------------------------------------------------------------------------------ */

static bool has(cap_t caps, cap_flag_t flag, cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;

	return !cap_get_flag(caps, capability, flag, &value) && value == CAP_SET;
}

/* Takes all that is not in @kept from one of the three sets. */
static void keep(cap_t caps, cap_flag_t flag, uint64_t kept)
{
	for (cap_value_t capability = 0; CAP_IS_SUPPORTED(capability); capability++)
		if (!(kept >> capability & 1))
			cap_set_flag(caps, flag, 1, &capability, CAP_CLEAR);
}

/* Nothing that gctap could execute is to get any. Needs CAP_SETPCAP: without it, no_new_privs has to do. */
static void empty_bounding_set(cap_t caps)
{
	if (!has(caps, CAP_EFFECTIVE, CAP_SETPCAP))
		return;
	for (cap_value_t capability = 0; CAP_IS_SUPPORTED(capability); capability++)
		cap_drop_bound(capability);
}

static int failed(struct failure *failure)
{
	return failure_set(failure, -errno, "cannot give up capabilities: %s", strerror(errno));
}

/* Ambient ones go with the permitted. */
static int give_up_all_but(uint64_t kept, struct failure *failure)
{
	cap_t caps = cap_get_proc();
	int error = 0;

	if (!caps)
		return failed(failure);
	empty_bounding_set(caps);
	keep(caps, CAP_EFFECTIVE, kept);
	keep(caps, CAP_PERMITTED, kept);
	cap_clear_flag(caps, CAP_INHERITABLE);
	if (cap_set_proc(caps) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		error = failed(failure);
	cap_free(caps);
	return error;
}

/* ---- What is needed here --------------------------------------------------------------------- */

/* Each trial is made with no capability in effect: whether the kernel refuses without. */
typedef bool (*trial)(pid_t pid);

static bool always(pid_t pid)
{
	(void)pid;
	return true;
}

/* Since 5.19 only making and loading need it: then there is just no such map. */
static bool map_refused(pid_t pid)
{
	union bpf_attr attributes = { .map_fd = (uint32_t)-1 };

	(void)pid;
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes)) && errno == EPERM;
}

/* Reading memory is refused where looking at the executable is not, by Yama; there is nothing at the address. */
static bool process_refused(pid_t pid)
{
	char path[32], byte;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (stat(path, &status) && (errno == EACCES || errno == EPERM))
		return true;
	return process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0 && errno == EPERM;
}

/* By the permissions of the file alone. */
static bool pagemap_refused(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) && errno == EACCES;
}

/* The first process is root's, and always there. */
static bool proc_hides(pid_t pid)
{
	int fd = open("/proc/1/stat", O_RDONLY | O_CLOEXEC);

	(void)pid;
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static trial trial_of(const struct privilege_need *need)
{
	switch (need->condition) {
	case PRIVILEGE_KERNEL_5_18: return map_refused;
	case PRIVILEGE_STRONGER: return process_refused;
	case PRIVILEGE_HIDEPID: return proc_hides;
	/* A command can become another user's at any time. */
	case PRIVILEGE_OTHER_USER: return need->capability == CAP_DAC_READ_SEARCH ? pagemap_refused : always;
	default: return always;
	}
}

static bool needed(const struct privilege_need *need, const pid_t *pids, unsigned nr_pids)
{
	trial refused = trial_of(need);
	bool answer = !nr_pids && refused(0);

	for (unsigned i = 0; i < nr_pids && !answer; i++)
		answer = refused(pids[i]);
	return answer;
}

/* A process is open to its user who has all capabilities that it has: the way in when CAP_SYS_PTRACE is not there. */
static uint64_t capabilities_of(pid_t pid)
{
	char path[32], line[128];
	uint64_t set = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) && sscanf(line, "CapPrm: %" SCNx64, &set) != 1)
		;
	fclose(file);
	return set;
}

static uint64_t way_in(cap_t caps, uint64_t kept, const pid_t *pids, unsigned nr_pids)
{
	if (!(kept >> CAP_SYS_PTRACE & 1) || has(caps, CAP_PERMITTED, CAP_SYS_PTRACE))
		return kept;
	for (unsigned i = 0; i < nr_pids; i++)
		kept |= capabilities_of(pids[i]);
	return kept;
}

/* ---- The two steps --------------------------------------------------------------------------- */

int privilege_begin(unsigned features, const pid_t *pids, unsigned nr_pids, struct failure *failure)
{
	cap_t caps = cap_get_proc();
	uint64_t kept = 0;

	if (!caps)
		return failed(failure);
	for (enum privilege_stage stage = 0; stage < PRIVILEGE_STAGES; stage++)
		kept |= privilege_set(features, stage);
	kept = way_in(caps, kept, pids, nr_pids);
	cap_free(caps);
	return give_up_all_but(kept, failure);
}

int privilege_settle(unsigned features, const pid_t *pids, unsigned nr_pids, struct failure *failure)
{
	cap_t caps = cap_get_proc(), none = caps ? cap_dup(caps) : NULL;
	uint64_t kept = 0;
	int error = 0;

	if (!none || cap_clear_flag(none, CAP_EFFECTIVE) || cap_set_proc(none))
		error = failed(failure);
	for (const struct privilege_need *need = privilege_needs; need->features && !error; need++)
		if (need->features & features && need->stage == PRIVILEGE_RUN && needed(need, pids, nr_pids))
			kept |= 1ull << need->capability;
	if (!error && cap_set_proc(caps))
		error = failed(failure);
	if (!error)
		error = give_up_all_but(way_in(caps, kept, pids, nr_pids), failure);
	cap_free(caps);
	cap_free(none);
	return error;
}
