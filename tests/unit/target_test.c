// SPDX-License-Identifier: BSD-2-Clause
/* target: identity, spawning and finding of processes. Needs no root. */
#define _GNU_SOURCE 1 /* pipe2, gettid */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/target.h"
#include "gctap/target_pages.h"
#include "gctap/target_memory.h"
#include "target/command.h"
#include "target/stat.h"

#define TAIL " S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 987654321 1000 200 18446744073709551615\n"

static int parse(const char *line, struct process_stat *stat)
{
	return process_stat_parse(line, strlen(line), stat);
}

static void test_stat_plain(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(parse("42 (cat)" TAIL, &stat), 0);
	assert_int_equal(stat.pid, 42);
	assert_string_equal(stat.comm, "cat");
	assert_int_equal(stat.state, 'S');
	assert_false(stat.kernel_thread);
	assert_int_equal(stat.start_ticks, 987654321);
}

static void test_stat_hostile_comm(void **state)
{
	static const char *const comms[] = {
		"a b c", ")", ") R 1 2 3", "((", "", "x) (y)", "\n42 (evil)", ")))))))", "(sd-pam)", "99 (z) Z 1 1",
	};
	struct process_stat stat;
	char line[512];

	(void)state;
	for (size_t i = 0; i < sizeof(comms) / sizeof(*comms); i++) {
		snprintf(line, sizeof(line), "42 (%s)" TAIL, comms[i]);
		assert_int_equal(parse(line, &stat), 0);
		assert_string_equal(stat.comm, comms[i]);
		assert_int_equal(stat.state, 'S');
		assert_int_equal(stat.start_ticks, 987654321);
	}
}

static void test_stat_kernel_thread(void **state)
{
	struct process_stat stat;

	(void)state;
	assert_int_equal(
		parse("2 (kworker/u8:1-events_unbound) I 0 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 7 0", &stat), 0);
	assert_true(stat.kernel_thread);
	assert_string_equal(stat.comm, "kworker/u8:1-ev");
	assert_int_equal(stat.start_ticks, 7);
}

static void test_stat_malformed(void **state)
{
	static const char *const lines[] = {
		"",
		"42",
		"42 (cat",
		"42 cat) S 1",
		"(cat)" TAIL,
		"x (cat)" TAIL,
		"-1 (cat)" TAIL,
		"42 (cat)",
		"42 (cat) S 1 2 3 4 5",
		"42 junk (cat)" TAIL,
		")42 (",
	};
	struct process_stat stat;
	char *big;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_int_equal(parse(lines[i], &stat), -EINVAL);
	assert_int_equal(process_stat_parse("42 (c\0t)" TAIL, 50, &stat), -EINVAL);
	big = malloc(1 << 16);
	assert_non_null(big);
	memset(big, '(', 1 << 16);
	assert_int_equal(process_stat_parse(big, 1 << 16, &stat), -EINVAL);
	free(big);
}

static void test_stat_of_self(void **state)
{
	char before[16], hostile[] = "a) R (b 1 2";
	struct process_stat stat;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, hostile), 0);
	assert_int_equal(process_stat_read(getpid(), &stat), 0);
	prctl(PR_SET_NAME, before);
	assert_string_equal(stat.comm, hostile);
	assert_int_equal(stat.pid, getpid());
	assert_true(stat.start_ticks > 0);
	assert_int_equal(stat.start_ticks, process_start_ticks(getpid()));
}

static void test_open_self(void **state)
{
	struct failure failure = { "" };
	struct target *target;
	struct stat status;

	(void)state;
	assert_int_equal(target_open(getpid(), &target, &failure), 0);
	assert_int_equal(stat("/proc/self/exe", &status), 0);
	assert_int_equal(target->exe.inode, status.st_ino);
	assert_int_equal(target->exe.device, status.st_dev);
	assert_int_equal(target->start_ticks, process_start_ticks(getpid()));
	assert_non_null(strstr(target->exe_path, "target_test"));
	assert_true(target_alive(target));
	assert_false(target->spawned);
	assert_int_equal(target_wait(target, &(int){ 0 }), -ECHILD);
	target_close(target);
}

static pid_t child_that_sleeps(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void test_open_gone(void **state)
{
	struct failure failure = { "" };
	pid_t pid = child_that_sleeps();
	struct target *target;
	siginfo_t ended;

	(void)state;
	assert_int_equal(target_open(pid, &target, &failure), 0);
	assert_true(target_alive(target));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, pid, &ended, WEXITED | WNOWAIT), 0);
	assert_false(target_alive(target));
	target_close(target);

	/* Now a zombie, then nothing. */
	assert_int_equal(target_open(pid, &target, &failure), -ESRCH);
	assert_non_null(strstr(failure.text, "has ended"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(target_open(pid, &target, &failure), -ESRCH);
	assert_non_null(strstr(failure.text, "no process with pid"));
	assert_int_equal(process_start_ticks(pid), 0);
}

static void test_open_kernel_thread(void **state)
{
	struct failure failure = { "" };
	struct process_stat stat;
	struct target *target;

	(void)state;
	if (process_stat_read(2, &stat) || !stat.kernel_thread)
		skip(); /* a pid namespace without kernel threads */
	assert_int_equal(target_open(2, &target, &failure), -ENOEXEC);
	assert_non_null(strstr(failure.text, "kernel thread"));
}

static void test_open_nonsense(void **state)
{
	struct failure failure = { "" };
	struct target *target;

	(void)state;
	assert_true(target_open(-1, &target, &failure) < 0);
	assert_true(target_open(0, &target, &failure) < 0);
	assert_true(*failure.text);
}

static struct target *spawn(char *const *argv, const char *const *environment, int stdout_fd)
{
	struct target_spawn_options options = {
		.argv = argv, .environment = environment, .stdout_fd = stdout_fd, .stderr_fd = -1
	};
	struct failure failure = { "" };
	struct target *target = NULL;

	assert_int_equal(target_spawn(&options, &target, &failure), 0);
	assert_non_null(target);
	return target;
}

static size_t read_all(int fd, char *to, size_t size)
{
	size_t length = 0;
	ssize_t got;

	while ((got = read(fd, to + length, size - 1 - length)) > 0)
		length += got;
	to[length] = '\0';
	close(fd);
	return length;
}

/* Runs a command and returns what it wrote. */
static void output_of(char *const *argv, const char *const *environment, char *output, size_t size)
{
	struct failure failure = { "" };
	struct target *target;
	int ends[2], status;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	target = spawn(argv, environment, ends[1]);
	close(ends[1]);
	assert_int_equal(target_release(target, &failure), 0);
	read_all(ends[0], output, size);
	assert_int_equal(target_wait(target, &status), 0);
	target_close(target);
}

static void test_spawn_true(void **state)
{
	char *argv[] = { "true", NULL };
	struct target *target = spawn(argv, NULL, -1);
	struct failure failure = { "" };
	struct stat status_true;
	int status = -1;

	(void)state;
	assert_true(target->spawned);
	assert_true(target->hold_fd >= 0);
	assert_string_equal(target->comm, "true");
	assert_int_equal(stat("/bin/true", &status_true), 0);
	assert_int_equal(target->exe.inode, status_true.st_ino);

	/* Held: alive, and still not the command. */
	usleep(20000);
	assert_true(target_alive(target));
	assert_int_equal(target->start_ticks, process_start_ticks(target->pid));

	assert_int_equal(target_release(target, &failure), 0);
	assert_int_equal(target->hold_fd, -1);
	assert_int_equal(target_wait(target, &status), 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_false(target_alive(target));
	assert_int_equal(target_release(target, &failure), -EINVAL);
	target_close(target);
}

static void test_spawn_status(void **state)
{
	char *argv[] = { "sh", "-c", "exit 7", NULL };
	struct target *target = spawn(argv, NULL, -1);
	struct failure failure = { "" };
	int status = -1;

	(void)state;
	assert_int_equal(target_release(target, &failure), 0);
	assert_int_equal(target_wait(target, &status), 0);
	assert_int_equal(WEXITSTATUS(status), 7);
	target_close(target);
}

static void test_spawn_environment(void **state)
{
	static const char *const settings[] = { "GCTAP_A=new", "GCTAP_C=c", NULL };
	char *argv[] = { "sh", "-c", "echo $GCTAP_A,$GCTAP_B,$GCTAP_C,$GCTAP_AB", NULL };
	char output[128];

	(void)state;
	setenv("GCTAP_A", "old", 1);
	setenv("GCTAP_B", "b", 1);
	setenv("GCTAP_AB", "ab", 1);
	output_of(argv, settings, output, sizeof(output));
	assert_string_equal(output, "new,b,c,ab\n");
}

static void test_spawn_signals(void **state)
{
	char *argv[] = { "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", NULL };
	char output[256];
	sigset_t blocked, before;
	unsigned long long mask, ignored;

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* as under nohup */
	output_of(argv, NULL, output, sizeof(output));
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);

	assert_int_equal(sscanf(output, "SigBlk: %llx SigIgn: %llx", &mask, &ignored), 2);
	assert_int_equal(mask, 0);
	/* Signals 32 and 33 are the C library's own: no sigaction() reaches them, whoever has ignored them. */
	ignored &= ~(3ull << 31 | 1ull << (SIGINT - 1) | 1ull << (SIGQUIT - 1));
	assert_int_equal(ignored, 1ull << (SIGHUP - 1));
}

static void test_spawn_descriptors(void **state)
{
	char *argv[] = { "sh", "-c", "for fd in /proc/$$/fd/*; do readlink $fd; done", NULL };
	char output[4096];

	(void)state;
	/* What the harness left open is inherited as ever; of ours nothing may be. */
	output_of(argv, NULL, output, sizeof(output));
	assert_null(strstr(output, "socket:"));
	assert_null(strstr(output, "pidfd"));
}

static void test_spawn_no_death_signal(void **state)
{
	char *argv[] = { "sleep", "30", NULL };
	struct target *target = spawn(argv, NULL, -1);
	struct failure failure = { "" };
	pid_t pid = target->pid;

	(void)state;
	assert_int_equal(target_release(target, &failure), 0);
	target_close(target);
	/* Closing leaves a running child alone. */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_spawn_not_found(void **state)
{
	char *argv[] = { "gctap-no-such-command", NULL };
	char *path[] = { "/gctap/no/such/command", NULL };
	char *directory[] = { "/tmp", NULL };
	struct target_spawn_options options = { .argv = argv, .stdout_fd = -1, .stderr_fd = -1 };
	struct failure failure = { "" };
	struct target *target;

	(void)state;
	assert_int_equal(target_spawn(&options, &target, &failure), -ENOENT);
	assert_string_equal(failure.text, "gctap-no-such-command: command not found");
	options.argv = path;
	assert_int_equal(target_spawn(&options, &target, &failure), -ENOENT);
	options.argv = directory;
	assert_int_equal(target_spawn(&options, &target, &failure), -EACCES);
	assert_string_equal(failure.text, "/tmp: not executable");
}

/* A file that may be executed, but that the kernel does not know how to. */
static void test_spawn_exec_fails(void **state)
{
	char path[] = "/tmp/target_test.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	char *argv[] = { path, NULL };
	struct failure failure = { "" };
	struct target *target;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "garbage\n", 8), 8);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	target = spawn(argv, NULL, -1);
	unlink(path);
	assert_int_equal(target_release(target, &failure), -ENOENT);
	assert_non_null(strstr(failure.text, "cannot execute"));
	target_close(target);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_spawn_no_format(void **state)
{
	char path[] = "/tmp/target_test.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	char *argv[] = { path, NULL };
	struct failure failure = { "" };
	struct target *target;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "garbage\n", 8), 8);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	target = spawn(argv, NULL, -1);
	assert_int_equal(target_release(target, &failure), -ENOEXEC);
	target_close(target);
	unlink(path);
}

static void test_held_child_ends_with_close(void **state)
{
	char *argv[] = { "sleep", "30", NULL };
	struct target *first = spawn(argv, NULL, -1);
	struct target *second = spawn(argv, NULL, -1); /* inherits the first one's end of the hold */
	pid_t pids[2] = { first->pid, second->pid };

	(void)state;
	target_close(first);
	target_close(second);
	for (int i = 0; i < 2; i++)
		assert_true(waitpid(pids[i], NULL, WNOHANG) == -1 && errno == ECHILD);
}

/* The process that holds a child dies without closing anything. */
static void test_held_child_dies_with_parent(void **state)
{
	char *argv[] = { "sleep", "30", NULL };
	pid_t child = 0, parent;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		struct target *target = spawn(argv, NULL, -1);

		if (write(ends[1], &target->pid, sizeof(target->pid)) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	for (int i = 0; i < 200; i++) {
		struct process_stat stat;

		/* Whoever adopted it may be slow to reap it. */
		if (process_stat_read(child, &stat) || stat.state == 'Z')
			break;
		usleep(10000);
		assert_true(i < 199);
	}
	close(ends[0]);
	close(ends[1]);
}

static void test_command_find(void **state)
{
	char path[4096];

	(void)state;
	setenv("PATH", "/gctap/none::/tmp:/bin", 1);
	assert_int_equal(command_find("true", path, sizeof(path)), 0);
	assert_string_equal(path, "/bin/true");
	assert_int_equal(command_find("", path, sizeof(path)), -ENOENT);
	assert_int_equal(command_find("true", path, 4), -ENOENT);
	setenv("PATH", "/usr", 1);
	assert_int_equal(command_find("bin", path, sizeof(path)), -EACCES);
	unsetenv("PATH");
	assert_int_equal(command_find("true", path, sizeof(path)), 0);
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
}

static void test_open_file(void **state)
{
	char path[] = "/tmp/target_test_fifo.XXXXXX";
	struct failure failure = { "" };
	struct file_id id;
	int fd;

	(void)state;
	assert_int_equal(target_open_file("/proc/self/exe", &fd, &id, &failure), 0);
	assert_true(id.inode);
	close(fd);
	assert_int_equal(target_open_file("/tmp", &fd, &id, &failure), -EINVAL);
	assert_string_equal(failure.text, "/tmp is not a regular file");
	assert_int_equal(target_open_file("/gctap/none", &fd, &id, &failure), -ENOENT);
	assert_non_null(mkdtemp(path));
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(target_open_file(path, &fd, &id, &failure), -EINVAL);
	unlink(path);
}

struct search {
	pid_t wanted;
	int found, calls;
};

static int search_one(pid_t pid, void *context)
{
	struct search *search = context;

	search->calls++;
	search->found += pid == search->wanted;
	return 0;
}

static int search_stop(pid_t pid, void *context)
{
	(void)pid;
	((struct search *)context)->calls++;
	return 5;
}

static void test_each_of_file(void **state)
{
	pid_t child = child_that_sleeps();
	struct search search = { .wanted = child }, stopped = { 0 };
	struct target *target;

	(void)state;
	assert_int_equal(target_open(getpid(), &target, NULL), 0);
	assert_int_equal(target_each_of_file(target->exe, search_one, &search), 0);
	assert_int_equal(search.found, 1);
	assert_true(search.calls >= 2); /* ourselves, too */
	assert_int_equal(target_each_of_file(target->exe, search_stop, &stopped), 5);
	assert_int_equal(stopped.calls, 1);
	target_close(target);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* ---- Pages ---------------------------------------------------------------------------------- */

#define REGION_PAGES 4096u

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint8_t *map_region(uint64_t bytes)
{
	uint8_t *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(region, MAP_FAILED);
	/* So that one touch is one page; kernels without huge pages refuse. */
	madvise(region, bytes, MADV_NOHUGEPAGE);
	return region;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name)
{
	unsigned long long kib = UINT64_MAX >> 10;
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			sscanf(line + strlen(name) + 1, "%llu kB", &kib);
	fclose(file);
	return kib << 10;
}

static void assert_about(uint64_t value, uint64_t expected, uint64_t slack)
{
	if (value > expected + slack || value + slack < expected)
		fail_msg("%llu, expected about %llu", (unsigned long long)value, (unsigned long long)expected);
}

static void test_rollup_of_self(void **state)
{
	const uint64_t bytes = REGION_PAGES * page_bytes(), slack = 2 << 20;
	uint8_t *region = map_region(bytes);
	struct target_rollup before, touched, freed;

	(void)state;
	memset(&before, 0xa5, sizeof(before));
	assert_int_equal(target_rollup(getpid(), &before), 0);
	/* The counters of status may lag by a batch for each CPU. */
	assert_about(before.rss, status_bytes("VmRSS"), slack);
	assert_about(before.anonymous, status_bytes("RssAnon"), slack);
	assert_about(before.swap, status_bytes("VmSwap"), slack);
	assert_true(before.anonymous <= before.rss && before.anonymous_huge <= before.anonymous);
	memset(region, 1, bytes);
	assert_int_equal(target_rollup(getpid(), &touched), 0);
	assert_about(touched.rss + touched.swap, before.rss + before.swap + bytes, slack);
	assert_about(touched.anonymous + touched.swap, before.anonymous + before.swap + bytes, slack);
	assert_int_equal(touched.lazy_free, before.lazy_free);
	assert_int_equal(madvise(region, bytes, MADV_FREE), 0);
	assert_int_equal(target_rollup(getpid(), &freed), 0);
	/* The kernel may have taken it already, and marks pages in batches. */
	assert_true(freed.lazy_free <= bytes + before.lazy_free);
	assert_about(freed.rss - freed.lazy_free + freed.swap, before.rss + before.swap, slack);
	assert_int_equal(madvise(region, bytes, MADV_DONTNEED), 0);
	assert_int_equal(target_rollup(getpid(), &freed), 0);
	assert_about(freed.rss + freed.swap, before.rss + before.swap, slack);
	assert_int_equal(freed.lazy_free, before.lazy_free);
	munmap(region, bytes);
}

static void test_pages_of_nobody(void **state)
{
	struct target_rollup rollup;
	siginfo_t info;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(0);
	assert_true(child > 0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	/* It has ended, and has no memory left, though it is still there. */
	assert_int_equal(target_rollup(child, &rollup), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(target_rollup(child, &rollup), -ENOENT);
	assert_int_equal(target_pagemap_open(child), -ENOENT);
}

static void assert_present(int fd, const void *address, uint64_t bytes, uint64_t pages)
{
	uint64_t present = 1;

	assert_int_equal(target_pagemap_present(fd, (uint64_t)address, bytes, &present), 0);
	assert_int_equal(present, pages * page_bytes());
}

static void test_pagemap_of_self(void **state)
{
	const uint64_t page = page_bytes();
	uint8_t *region = map_region(REGION_PAGES * page);
	int fd = target_pagemap_open(getpid());

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_present(fd, region, REGION_PAGES * page, 0);
	for (unsigned i = 0; i < 5; i++)
		region[i * page] = 1;
	assert_present(fd, region, REGION_PAGES * page, 5);
	assert_present(fd, region + 2 * page, REGION_PAGES * page - 2 * page, 3);
	assert_present(fd, region + page, 2 * page, 2);
	assert_present(fd, region, 0, 0);
	/* Whole pages: those that the range has a part of. */
	assert_present(fd, region + 100, 1, 1);
	assert_present(fd, region + page - 1, 2, 2);
	assert_int_equal(madvise(region + page, 2 * page, MADV_DONTNEED), 0);
	assert_present(fd, region, REGION_PAGES * page, 3);
	assert_present(fd, region + page, 2 * page, 0);
	region[page] = 1;
	assert_present(fd, region + page, 2 * page, 1);
	/* More than are read at a time. */
	region[(REGION_PAGES - 1) * page] = 1;
	assert_present(fd, region, REGION_PAGES * page, 5);
	memset(region, 1, REGION_PAGES * page);
	assert_present(fd, region, REGION_PAGES * page, REGION_PAGES);
	munmap(region, REGION_PAGES * page);
	assert_present(fd, region, REGION_PAGES * page, 0);
	/* Behind all that a process can have. */
	assert_present(fd, (void *)0x7ffffffff000, 16 * page, 0);
	assert_present(fd, (void *)(1ull << 62), 16 * page, 0);
	close(fd);
	assert_int_equal(target_pagemap_present(fd, (uint64_t)region, page, &(uint64_t){ 0 }), -EBADF);
}

/* What lies at the same addresses behind an exec is another program's. */
static void test_pagemap_ends_with_exec(void **state)
{
	const uint64_t bytes = 8 * page_bytes();
	uint8_t *region = map_region(bytes);
	int ready[2], go[2], gone[2], fd;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC) | pipe2(go, O_CLOEXEC) | pipe2(gone, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		/* Also when the test fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(region, 1, bytes);
		if (write(ready[1], "", 1) == 1 && read(go[0], &byte, 1) == 1)
			execl("/bin/sleep", "sleep", "100", NULL);
		_exit(1);
	}
	assert_true(child > 0);
	close(gone[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fd = target_pagemap_open(child);
	assert_true(fd >= 0);
	assert_present(fd, region, bytes, 8);
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(read(gone[0], &byte, 1), 0); /* closed by the exec */
	assert_present(fd, region, bytes, 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_present(fd, region, bytes, 0);
	for (unsigned i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	close(gone[0]);
	close(fd);
	munmap(region, bytes);
}

/* More pieces than a system call takes, some of them nowhere; our own memory serves. */
static void test_read_pieces(void **state)
{
	enum { PIECES = 1300 };
	static struct memory_piece pieces[PIECES];
	static uint64_t from[PIECES], to[PIECES];
	struct failure failure = { "" };
	struct target *target;

	(void)state;
	assert_int_equal(target_open(getpid(), &target, &failure), 0);
	for (size_t i = 0; i < PIECES; i++) {
		from[i] = i + 1;
		pieces[i] = (struct memory_piece){ (uint64_t)(uintptr_t)&from[i], &to[i], sizeof(to[i]), false };
		if (i % 500 == 0)
			pieces[i].address = i ? 16 : UINT64_MAX - 4096;
		if (i == 7)
			pieces[i].length = 0;
	}
	assert_int_equal(target_read_pieces(target, pieces, PIECES), 0);
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(pieces[i].read, i % 500 != 0);
		assert_int_equal(to[i], i % 500 && i != 7 ? i + 1 : 0);
	}
	assert_int_equal(target_read_pieces(target, pieces, 0), 0);
	target_close(target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat_plain),
		cmocka_unit_test(test_stat_hostile_comm),
		cmocka_unit_test(test_stat_kernel_thread),
		cmocka_unit_test(test_stat_malformed),
		cmocka_unit_test(test_stat_of_self),
		cmocka_unit_test(test_open_self),
		cmocka_unit_test(test_open_gone),
		cmocka_unit_test(test_open_kernel_thread),
		cmocka_unit_test(test_open_nonsense),
		cmocka_unit_test(test_spawn_true),
		cmocka_unit_test(test_spawn_status),
		cmocka_unit_test(test_spawn_environment),
		cmocka_unit_test(test_spawn_signals),
		cmocka_unit_test(test_spawn_descriptors),
		cmocka_unit_test(test_spawn_no_death_signal),
		cmocka_unit_test(test_spawn_not_found),
		cmocka_unit_test(test_spawn_exec_fails),
		cmocka_unit_test(test_spawn_no_format),
		cmocka_unit_test(test_held_child_ends_with_close),
		cmocka_unit_test(test_held_child_dies_with_parent),
		cmocka_unit_test(test_command_find),
		cmocka_unit_test(test_open_file),
		cmocka_unit_test(test_each_of_file),
		cmocka_unit_test(test_rollup_of_self),
		cmocka_unit_test(test_pages_of_nobody),
		cmocka_unit_test(test_pagemap_of_self),
		cmocka_unit_test(test_pagemap_ends_with_exec),
		cmocka_unit_test(test_read_pieces),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
