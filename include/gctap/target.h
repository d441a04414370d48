/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target: a process, or the file it runs, from outside. Knows identity that
 * survives pid reuse, the executable, and how to start a command that is held
 * just before its exec. Never stops, writes to or signals a process that
 * gctap did not start itself.
 */
#ifndef GCTAP_TARGET_H
#define GCTAP_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/failure.h"

/* Which file, whatever its name is by now. */
struct file_id {
	dev_t device;
	ino_t inode;
};

/* A live (or just ended) process. Owns its descriptors. */
struct target {
	pid_t pid;
	uint64_t start_ticks; /* /proc/PID/stat field 22, clock ticks since boot: with pid the identity */
	int pidfd;	      /* readable once the process has ended */
	int exe_fd;	      /* its executable, O_RDONLY (also when deleted or in another mount namespace) */
	struct file_id exe;
	char comm[16];
	char exe_path[4096]; /* as /proc/PID/exe names it; " (deleted)" may follow */
	bool spawned;	     /* started by us: to be waited for */
	int hold_fd;	     /* spawned and still held before its exec: the write end that lets it go; else -1 */
	int exec_error_fd;   /* spawned: carries the errno of a failed exec; else -1 */
};

/*
 * Opens a running process. Fails with one clear line for: no such process, a
 * kernel thread (no executable), no permission (names CAP_SYS_PTRACE), already
 * a zombie.
 */
int target_open(pid_t pid, struct target **out, struct failure *failure);

struct target_spawn_options {
	char *const *argv;		/* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *environment; /* "NAME=VALUE", NULL-terminated, set over the inherited ones; or NULL */
	int stderr_fd;			/* becomes the child's stderr; -1: inherited */
	int stdout_fd;			/* becomes the child's stdout; -1: inherited */
};

/*
 * Forks a child that waits, before its exec, for target_release(). exe_fd and
 * exe are those of the file that it will execute, so that probes can be
 * attached first. Fails for a command that is not found or not executable.
 * The child dies with gctap only while it is held, never after.
 */
int target_spawn(const struct target_spawn_options *options, struct target **out, struct failure *failure);

/*
 * As many open files as this process may have: it takes two for each target. The
 * children that are spawned get the limit that was there before: a program may
 * trust that its descriptors fit into a select().
 */
void target_raise_descriptor_limit(void);

/* Lets a spawned child exec; reports a failing exec. */
int target_release(struct target *target, struct failure *failure);

/* True while (pid, start time) still names the process that was opened. */
bool target_alive(const struct target *target);

/*
 * For a spawned child: its wait status, reaped. Blocks until the child has ended
 * (pidfd is readable then); -ECHILD for a process that gctap did not start.
 */
int target_wait(struct target *target, int *status);

/* Closes and frees; a child that is still held is ended, one that runs is left running. */
void target_close(struct target *target);

/* Start time of a process in clock ticks since boot; 0 when it is gone. */
uint64_t process_start_ticks(pid_t pid);

/*
 * Calls back for each process of this pid namespace whose executable is that
 * file. Stops at a non-zero answer and returns it; -errno on failure.
 */
int target_each_of_file(struct file_id file, int (*callback)(pid_t pid, void *context), void *context);

/* Opens a file for reading its code; refuses what is not a regular file. Sets @id. */
int target_open_file(const char *path, int *fd, struct file_id *id, struct failure *failure);

#endif
