// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/file.h"
#include "target/stat.h"
#include "target/target_new.h"

struct target *target_new(pid_t pid)
{
	struct target *target = calloc(1, sizeof(*target));

	if (!target)
		return NULL;
	target->pid = pid;
	target->pidfd = -1;
	target->exe_fd = -1;
	target->hold_fd = -1;
	target->exec_error_fd = -1;
	return target;
}

/* glibc has wrappers since 2.36 only. */
int target_open_pidfd(struct target *target)
{
	target->pidfd = syscall(SYS_pidfd_open, target->pid, 0);
	return target->pidfd < 0 ? -errno : 0;
}

static bool ended(const struct target *target)
{
	struct pollfd poll_pidfd = { .fd = target->pidfd, .events = POLLIN };

	return poll(&poll_pidfd, 1, 0) != 0;
}

bool target_alive(const struct target *target)
{
	/* The pidfd names that one process for ever: the start time need not be asked again. */
	return !ended(target);
}

/* A thread's id finds a directory in /proc too, and names another process there. */
static pid_t process_of_thread(pid_t tid)
{
	char path[32], line[128];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!pid && fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %d", &pid) != 1)
			pid = 0;
	fclose(file);
	return pid == tid ? 0 : pid;
}

static int pidfd_refused(int error, pid_t pid, struct failure *failure)
{
	pid_t process = process_of_thread(pid);

	if (process)
		return failure_set(failure, -EINVAL, "%d is a thread of process %d: give the process", pid, process);
	if (error == -ESRCH || error == -EINVAL || error == -ENOENT)
		return failure_set(failure, -ESRCH, "no process with pid %d", pid);
	return failure_set(failure, error, "cannot open process %d: %s", pid, strerror(-error));
}

static bool may_ptrace(void)
{
	unsigned long long effective = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "re");

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file) && sscanf(line, "CapEff: %llx", &effective) != 1)
		;
	fclose(file);
	return effective >> CAP_SYS_PTRACE & 1;
}

static int exe_refused(int error, pid_t pid, struct failure *failure)
{
	char path[32], name[2];

	if (error == -ENOENT || error == -ESRCH)
		return failure_set(failure, -ESRCH, "process %d has ended", pid);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	/* Whoever may read the link may trace the process, so it is the file that refuses. */
	if ((error == -EACCES || error == -EPERM) && readlink(path, name, sizeof(name)) > 0)
		return failure_set(failure, error,
				   "the executable of process %d is not readable (run as root, or grant "
				   "CAP_DAC_READ_SEARCH)",
				   pid);
	if ((error == -EACCES || error == -EPERM) && may_ptrace())
		return failure_set(
			failure, error,
			"the kernel does not let gctap look at process %d, although it has CAP_SYS_PTRACE: a "
			"security module or a container protects it",
			pid);
	if (error == -EACCES || error == -EPERM)
		return failure_set(failure, error,
				   "not permitted to look at process %d: CAP_SYS_PTRACE is missing "
				   "(run as root, or grant it)",
				   pid);
	return failure_set(failure, error, "cannot open the executable of process %d: %s", pid, strerror(-error));
}

static int stat_check(const struct process_stat *stat, pid_t pid, struct failure *failure)
{
	if (stat->kernel_thread)
		return failure_set(failure, -ENOEXEC, "%d is a kernel thread (%s): it runs no executable", pid,
				   stat->comm);
	if (stat->state == 'Z' || stat->state == 'X')
		return failure_set(failure, -ESRCH, "process %d (%s) has ended and waits for its parent", pid,
				   stat->comm);
	return 0;
}

static int exe_open(struct target *target, struct failure *failure)
{
	char path[32];
	int error;

	snprintf(path, sizeof(path), "/proc/%d/exe", target->pid);
	target->exe_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (target->exe_fd < 0)
		return exe_refused(-errno, target->pid, failure);
	error = file_identify(target->exe_fd, &target->exe);
	if (error)
		return exe_refused(error, target->pid, failure);
	file_name(target->exe_fd, target->exe_path, sizeof(target->exe_path));
	return 0;
}

static int identity_read(struct target *target, struct failure *failure)
{
	struct process_stat stat;
	int error = process_stat_read(target->pid, &stat);

	if (error)
		return failure_set(failure, error, "cannot see process %d in /proc: %s", target->pid,
				   error == -ESRCH ? "it is gone, or /proc hides it (hidepid)" : strerror(-error));
	error = stat_check(&stat, target->pid, failure);
	if (error)
		return error;
	target->start_ticks = stat.start_ticks;
	memcpy(target->comm, stat.comm, sizeof(target->comm));
	return 0;
}

/* Where /proc is that of another pid namespace, a pid names one process there and another in system calls. */
static int proc_check(struct failure *failure)
{
	char self[16] = "";
	ssize_t length = readlink("/proc/self", self, sizeof(self) - 1);

	if (length > 0 && strtol(self, NULL, 10) == getpid())
		return 0;
	return failure_set(
		failure, -ENOTSUP,
		"/proc is missing, or shows the pids of another pid namespace than gctap's: mount this one's "
		"(mount -t proc proc /proc), or run gctap in the other");
}

int target_open(pid_t pid, struct target **out, struct failure *failure)
{
	struct target *target;
	int error = proc_check(failure);

	if (error)
		return error;
	target = target_new(pid);
	if (!target)
		return failure_set(failure, -ENOMEM, "out of memory");
	error = target_open_pidfd(target);
	if (error)
		error = pidfd_refused(error, pid, failure);
	else
		error = identity_read(target, failure);
	if (!error)
		error = exe_open(target, failure);
	/* Alive after the reading: then all that was read in /proc was of this process, not of a later one. */
	if (!error && ended(target))
		error = failure_set(failure, -ESRCH, "process %d has ended", pid);
	if (error) {
		target_close(target);
		return error;
	}
	*out = target;
	return 0;
}

int target_wait(struct target *target, int *status)
{
	pid_t reaped;

	if (!target->spawned)
		return -ECHILD;
	do {
		reaped = waitpid(target->pid, status, 0);
	} while (reaped < 0 && errno == EINTR);
	if (reaped < 0)
		return -errno;
	target->spawned = false;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The held child is ours alone and has run nothing yet; a later child may have inherited the pipe, so a signal. */
static void held_child_end(struct target *target)
{
	int status;

	if (target->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, target->pidfd, SIGKILL, NULL, 0);
	else
		kill(target->pid, SIGKILL);
	target_wait(target, &status);
}

void target_close(struct target *target)
{
	if (!target)
		return;
	if (target->spawned && target->hold_fd >= 0)
		held_child_end(target);
	else if (target->spawned)
		waitpid(target->pid, NULL, WNOHANG);
	close_if_open(target->hold_fd);
	close_if_open(target->exec_error_fd);
	close_if_open(target->exe_fd);
	close_if_open(target->pidfd);
	free(target);
}
