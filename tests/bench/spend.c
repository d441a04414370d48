// SPDX-License-Identifier: BSD-2-Clause
/*
 * spend: runs a command, what it prints goes to /dev/null, and says what it took:
 * "wall_ns N cpu_ns N peak_kb N". Ends with status 2 when the command did not end with 0.
 *
 *	spend COMMAND [ARG...]
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t ns(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	uint64_t start = now_ns();
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = vfork();
	if (pid == 0) {
		int fd = open("/dev/null", O_WRONLY);

		dup2(fd, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "spend: %s did not succeed\n", argv[1]);
		return 2;
	}
	printf("wall_ns %ju cpu_ns %ju peak_kb %ld\n", (uintmax_t)(now_ns() - start),
	       (uintmax_t)(ns(usage.ru_utime) + ns(usage.ru_stime)), usage.ru_maxrss);
	return 0;
}
