// SPDX-License-Identifier: BSD-2-Clause
#include "target/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gctap/target.h"

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h; field 9 of the line shows the task's flags */

/* Longer than any line: 52 numbers of at most 20 digits, and the comm. */
#define LINE_MAX_BYTES 2048

/*
 * The fields behind the comm, from the third on. Only what we use is named; the
 * numbers in the format count the fields.
 */
static int fields_parse(const char *fields, struct process_stat *stat)
{
	unsigned int flags;
	uint64_t start;
	char state;
	int converted = sscanf(fields,
			       " %c"			  /* 3 */
			       " %*d %*d %*d %*d %*d"	  /* 4 - 8 */
			       " %u"			  /* 9 */
			       " %*u %*u %*u %*u %*u %*u" /* 10 - 15 */
			       " %*d %*d %*d %*d %*d %*d" /* 16 - 21 */
			       " %" SCNu64 /* 22 */,
			       &state, &flags, &start);

	if (converted != 3)
		return -EINVAL;
	stat->state = state;
	stat->kernel_thread = flags & PF_KTHREAD;
	stat->start_ticks = start;
	return 0;
}

int process_stat_parse(const char *line, size_t length, struct process_stat *stat)
{
	char copy[LINE_MAX_BYTES];
	char *open, *close;
	size_t comm;
	int end = 0;

	memset(stat, 0, sizeof(*stat));
	if (length >= sizeof(copy) || memchr(line, '\0', length))
		return -EINVAL;
	memcpy(copy, line, length);
	copy[length] = '\0';
	/* No field after the comm has a parenthesis, and none before it: so the outermost two are the kernel's. */
	open = strchr(copy, '(');
	close = strrchr(copy, ')');
	if (!open || !close || close < open)
		return -EINVAL;
	if (sscanf(copy, "%d %n", &stat->pid, &end) != 1 || copy + end != open || stat->pid <= 0)
		return -EINVAL;
	comm = close - open - 1;
	/* Kernel threads may have longer names here than in their comm. */
	if (comm >= sizeof(stat->comm))
		comm = sizeof(stat->comm) - 1;
	memcpy(stat->comm, open + 1, comm);
	return fields_parse(close + 1, stat);
}

int process_stat_read(pid_t pid, struct process_stat *stat)
{
	char path[32], line[LINE_MAX_BYTES];
	ssize_t length;
	int fd, error;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	length = read(fd, line, sizeof(line) - 1);
	error = length < 0 ? -errno : 0;
	close(fd);
	return error ? error : process_stat_parse(line, length, stat);
}

uint64_t process_start_ticks(pid_t pid)
{
	struct process_stat stat = { 0 };

	return process_stat_read(pid, &stat) ? 0 : stat.start_ticks;
}
