// SPDX-License-Identifier: BSD-2-Clause
#include "target/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_identify(int fd, struct file_id *id)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	id->device = status.st_dev;
	id->inode = status.st_ino;
	return 0;
}

void file_name(int fd, char *name, size_t size)
{
	char link[32];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, name, size - 1);
	name[length < 0 ? 0 : length] = '\0';
}

/* What leads through the /proc of a process is hidden by that, and else it is the file that may not be read. */
static const char *reading_takes(const char *path)
{
	struct stat status;

	return !strncmp(path, "/proc/", 6) && stat(path, &status) ? "CAP_SYS_PTRACE" : "CAP_DAC_READ_SEARCH";
}

int target_open_file(const char *path, int *fd, struct file_id *id, struct failure *failure)
{
	/* A FIFO would block the open until somebody writes. */
	int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (opened < 0 && errno == EACCES)
		return failure_set(failure, -EACCES, "cannot open %s: %s (run as root, or grant %s)", path,
				   strerror(EACCES), reading_takes(path));
	if (opened < 0)
		return failure_set(failure, -errno, "cannot open %s: %s", path, strerror(errno));
	error = file_identify(opened, id);
	if (error) {
		close(opened);
		return failure_set(failure, error, "%s is not a regular file", path);
	}
	*fd = opened;
	return 0;
}

/* False also for processes that vanished, kernel threads, and those that we may not look at. */
static bool process_runs(pid_t pid, struct file_id file)
{
	char path[32];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return !stat(path, &status) && status.st_dev == file.device && status.st_ino == file.inode;
}

int target_each_of_file(struct file_id file, int (*callback)(pid_t pid, void *context), void *context)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	int answer = 0;

	if (!directory)
		return -errno;
	while (!answer && (entry = readdir(directory))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

		if (pid > 0 && process_runs(pid, file))
			answer = callback(pid, context);
	}
	closedir(directory);
	return answer;
}
