// SPDX-License-Identifier: BSD-2-Clause
#define _GNU_SOURCE 1 /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gctap/target.h"
#include "target/command.h"
#include "target/file.h"
#include "target/stat.h"
#include "target/target_new.h"

#define EXIT_NOT_RUN 127 /* as the shell's for a command that could not be run */

/* All that the child needs, made before the fork: after it, only async-signal-safe calls. */
struct plan {
	const struct target_spawn_options *options;
	char path[4096];
	char **environment;
	int exe_fd;
	struct file_id exe;
	int hold[2];	   /* parent's end, child's end: a byte lets the child go, end of file ends it */
	int exec_error[2]; /* read end, write end: closed by a successful exec, else carries errno */
	pid_t parent;
};

/*
 * gctap ignores SIGPIPE and blocks what it reads from a signalfd; both would be
 * inherited through exec. What nohup or a shell's "&" had ignored before us stays
 * ignored.
 */
static void signals_restore(void)
{
	struct sigaction action;
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++) {
		if (sigaction(signal_number, NULL, &action) || action.sa_handler == SIG_DFL)
			continue;
		if (action.sa_handler == SIG_IGN &&
		    (signal_number == SIGHUP || signal_number == SIGINT || signal_number == SIGQUIT))
			continue;
		action = (struct sigaction){ .sa_handler = SIG_DFL };
		sigaction(signal_number, &action, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct rlimit inherited_limit;
static bool limit_raised;

void target_raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (limit_raised || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	inherited_limit = limit;
	limit.rlim_cur = limit.rlim_max;
	limit_raised = !setrlimit(RLIMIT_NOFILE, &limit);
}

static void limit_restore(void)
{
	if (limit_raised)
		setrlimit(RLIMIT_NOFILE, &inherited_limit);
}

static int redirect(const struct target_spawn_options *options)
{
	int out = -1, error = -1;

	/* Copies first: each may be the other's target. */
	if (options->stdout_fd >= 0 && (out = fcntl(options->stdout_fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	if (options->stderr_fd >= 0 && (error = fcntl(options->stderr_fd, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	if ((out >= 0 && dup2(out, STDOUT_FILENO) < 0) || (error >= 0 && dup2(error, STDERR_FILENO) < 0))
		return -errno;
	return 0;
}

static void hold(const struct plan *plan)
{
	ssize_t got;
	char byte;

	/* The parent's death shows as end of file, but another child may have inherited its end of the pair. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != plan->parent)
		_exit(EXIT_NOT_RUN);
	close(plan->hold[0]);
	do {
		got = read(plan->hold[1], &byte, sizeof(byte));
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(byte))
		_exit(EXIT_NOT_RUN);
	prctl(PR_SET_PDEATHSIG, 0);
}

static void child_run(const struct plan *plan)
{
	int error;

	signals_restore();
	limit_restore();
	hold(plan);
	error = -redirect(plan->options);
	if (!error) {
		execve(plan->path, plan->options->argv, plan->environment);
		error = errno;
	}
	if (write(plan->exec_error[1], &error, sizeof(error)) < 0)
		_exit(EXIT_NOT_RUN);
	_exit(EXIT_NOT_RUN);
}

static void close_both(int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
}

static void plan_free(struct plan *plan)
{
	close_both(plan->hold);
	close_both(plan->exec_error);
	if (plan->exe_fd >= 0)
		close(plan->exe_fd);
	free(plan->environment);
}

static int plan_find(struct plan *plan, const char *name, struct failure *failure)
{
	int error = command_find(name, plan->path, sizeof(plan->path));

	if (error == -ENOENT)
		return failure_set(failure, error, "%s: command not found", name);
	if (error == -EACCES)
		return failure_set(failure, error, "%s: not executable", name);
	if (error)
		return failure_set(failure, error, "%s: %s", name, strerror(-error));
	return target_open_file(plan->path, &plan->exe_fd, &plan->exe, failure);
}

static int plan_make(struct plan *plan, struct failure *failure)
{
	int error = plan_find(plan, plan->options->argv[0], failure);

	if (error)
		return error;
	plan->parent = getpid();
	plan->environment = command_environment(plan->options->environment);
	if (!plan->environment)
		return failure_set(failure, -ENOMEM, "out of memory");
	/* A socket, not a pipe: writing to a child that has ended must not raise SIGPIPE. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, plan->hold) || pipe2(plan->exec_error, O_CLOEXEC))
		return failure_set(failure, -errno, "cannot start %s: %s", plan->options->argv[0], strerror(errno));
	return 0;
}

/* Moves a descriptor out of the plan, so that freeing the plan leaves it open. */
static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static void comm_of_path(const char *path, char *comm, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t length = strnlen(name, size - 1);

	memcpy(comm, name, length);
	comm[length] = '\0';
}

static int child_adopt(struct target *target, struct plan *plan, struct failure *failure)
{
	int error = target_open_pidfd(target);

	target->hold_fd = take(&plan->hold[0]);
	target->exec_error_fd = take(&plan->exec_error[0]);
	target->exe_fd = take(&plan->exe_fd);
	target->exe = plan->exe;
	file_name(target->exe_fd, target->exe_path, sizeof(target->exe_path));
	comm_of_path(plan->path, target->comm, sizeof(target->comm)); /* as the exec will set it */
	target->start_ticks = process_start_ticks(target->pid);
	if (error)
		return failure_set(failure, error, "cannot open process %d: %s", target->pid, strerror(-error));
	return 0;
}

static int plan_fork(struct plan *plan, struct target **out, struct failure *failure)
{
	struct target *target = target_new(0);
	int error;

	if (!target)
		return failure_set(failure, -ENOMEM, "out of memory");
	target->pid = fork();
	if (target->pid == 0)
		child_run(plan);
	if (target->pid < 0) {
		error = failure_set(failure, -errno, "cannot fork: %s", strerror(errno));
		target_close(target);
		return error;
	}
	target->spawned = true;
	error = child_adopt(target, plan, failure);
	if (error) {
		target_close(target);
		return error;
	}
	*out = target;
	return 0;
}

int target_spawn(const struct target_spawn_options *options, struct target **out, struct failure *failure)
{
	struct plan plan = { .options = options, .exe_fd = -1, .hold = { -1, -1 }, .exec_error = { -1, -1 } };
	int error = plan_make(&plan, failure);

	if (!error)
		error = plan_fork(&plan, out, failure);
	plan_free(&plan);
	return error;
}

/* Waits for the exec: end of file when it happened, else the child's errno. */
static int exec_result(struct target *target)
{
	int exec_errno = 0;
	ssize_t got;

	do {
		got = read(target->exec_error_fd, &exec_errno, sizeof(exec_errno));
	} while (got < 0 && errno == EINTR);
	close(take(&target->exec_error_fd));
	return got == sizeof(exec_errno) ? -exec_errno : 0;
}

int target_release(struct target *target, struct failure *failure)
{
	int status, error = 0;

	if (target->hold_fd < 0)
		return failure_set(failure, -EINVAL, "process %d is not held", target->pid);
	if (send(target->hold_fd, "", 1, MSG_NOSIGNAL) != 1)
		error = -ECHILD;
	close(take(&target->hold_fd));
	if (error)
		return failure_set(failure, error, "%s: ended before it was started", target->comm);
	error = exec_result(target);
	if (!error)
		return 0;
	target_wait(target, &status);
	return failure_set(failure, error, "cannot execute %s: %s", target->exe_path, strerror(-error));
}
