// SPDX-License-Identifier: BSD-2-Clause
/*
 * fault_injector: a library for LD_PRELOAD that makes one call of one function fail, or ends
 * another process just before it. The environment says which:
 *
 *	GCTAP_FAULT=FUNCTION:NUMBER:ERRNO   the NUMBER-th call of FUNCTION fails with that errno
 *	GCTAP_FAULT=FUNCTION:NUMBER:kill    before it, GCTAP_FAULT_PID is ended with SIGKILL
 *	GCTAP_FAULT=clock:NUMBER:SECONDS    the time of day is set by so many seconds before its NUMBER-th reading
 *	GCTAP_FAULT_WAYS=COUNT              of the calls of FUNCTION, those are left out of the count that come
 *	                                    by a way (the return addresses on the stack) that COUNT came by
 *	GCTAP_FAULT_REPORT=FILE             at its end: "FUNCTION CALLS" of each function, one a line,
 *	                                    and "reached" when the fault was made
 *
 * FUNCTION is one of those in `names`; `any` counts all but the allocations. Only the process that
 * was started fails, not what it forks or executes. Number 0 makes no fault, and counts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum function {
	BPF,
	PERF_EVENT_OPEN,
	PIDFD_OPEN,
	MMAP,
	OPEN,
	FOPEN,
	READ,
	WRITE,
	PROCESS_VM_READV,
	EPOLL,
	SIGNALFD,
	DESCRIPTORS,
	FORK,
	IOCTL,
	ALLOCATE,
	CLOCK,
	ANY,
	FUNCTIONS
};

static const char *const names[FUNCTIONS] = {
	[BPF] = "bpf",
	[PERF_EVENT_OPEN] = "perf_event_open",
	[PIDFD_OPEN] = "pidfd_open",
	[MMAP] = "mmap",
	[OPEN] = "open",
	[FOPEN] = "fopen",
	[READ] = "read", /* and pread */
	[WRITE] = "write",
	[PROCESS_VM_READV] = "process_vm_readv",
	[EPOLL] = "epoll", /* create, ctl, wait */
	[SIGNALFD] = "signalfd",
	[DESCRIPTORS] = "descriptors", /* pipe2, socketpair, dup, dup3, fcntl */
	[FORK] = "fork",
	[IOCTL] = "ioctl",
	[ALLOCATE] = "malloc", /* and calloc, realloc */
	[CLOCK] = "clock",     /* CLOCK_REALTIME of clock_gettime */
	[ANY] = "any",
};

static struct {
	pid_t ourselves; /* 0: not yet, or not any more */
	enum function function;
	unsigned long number, calls[FUNCTIONS];
	int error; /* 0: kill */
	pid_t victim;
	unsigned ways; /* so many calls by the same way count; 0: all */
	char report[4096];
	bool reached;
} plan = { .function = FUNCTIONS };

/* ---- The plan --------------------------------------------------------------------------------- */

static long kernel(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static long answer(long result)
{
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

/* Waits until it is dead: the next thing that is done, is done to a process that is gone. */
static void victim_end(void)
{
	long pidfd = kernel(SYS_pidfd_open, plan.victim, 0, 0, 0, 0, 0);
	struct pollfd fd = { .fd = (int)pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	kernel(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0, 0, 0);
	kernel(SYS_poll, (long)&fd, 1, -1, 0, 0, 0);
	kernel(SYS_close, pidfd, 0, 0, 0, 0, 0);
}

#define FRAMES_MAX 64

static struct {
	struct {
		uint64_t way; /* 0: free */
		unsigned calls;
	} slots[1 << 14];
	size_t used;
	bool at_it;
} seen;

/* Its return addresses, mixed; of a deeper stack the innermost ones. */
static uint64_t way_here(void)
{
	void *frames[FRAMES_MAX];
	int count = backtrace(frames, FRAMES_MAX);
	uint64_t way = 0;

	for (int i = 0; i < count; i++) {
		way = (way ^ (uintptr_t)frames[i]) * 0x9e3779b97f4a7c15u;
		way ^= way >> 29;
	}
	return way ? way : 1;
}

/* Has this call come by a way that enough others have come by? What the search for the way calls itself is left out. */
static bool is_known(void)
{
	const size_t slots = sizeof(seen.slots) / sizeof(seen.slots[0]);
	uint64_t way;
	size_t i;

	if (!plan.ways || seen.at_it)
		return seen.at_it;
	seen.at_it = true;
	way = way_here();
	seen.at_it = false;
	for (i = way % slots; seen.slots[i].way && seen.slots[i].way != way; i = (i + 1) % slots)
		;
	if (!seen.slots[i].way && ++seen.used == slots)
		abort();
	seen.slots[i].way = way;
	return seen.slots[i].calls++ >= plan.ways;
}

static bool due(enum function function)
{
	unsigned long call;

	if (function == plan.function && is_known())
		return false;
	call = ++plan.calls[function];
	if (function != plan.function || call != plan.number)
		return false;
	plan.reached = true;
	if (plan.error)
		return true;
	victim_end();
	return false;
}

/* Is this call to fail? Says so in errno. */
static bool fails(enum function function)
{
	bool fail;

	if (!plan.ourselves || kernel(SYS_getpid, 0, 0, 0, 0, 0, 0) != plan.ourselves)
		return false;
	fail = due(function);
	if (function != ALLOCATE && function != CLOCK)
		fail |= due(ANY);
	if (fail)
		errno = plan.error;
	return fail;
}

static void plan_read(const char *text)
{
	char *number, *error, *copy = strdupa(text);

	number = strchr(copy, ':');
	error = number ? strchr(number + 1, ':') : NULL;
	if (!error)
		abort();
	*number++ = *error++ = '\0';
	for (plan.function = 0; plan.function < FUNCTIONS; plan.function++)
		if (!strcmp(copy, names[plan.function]))
			break;
	if (plan.function == FUNCTIONS)
		abort();
	plan.number = strtoul(number, NULL, 10);
	plan.error = (int)strtol(error, NULL, 10);
	if (getenv("GCTAP_FAULT_PID"))
		plan.victim = (pid_t)strtol(getenv("GCTAP_FAULT_PID"), NULL, 10);
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("GCTAP_FAULT"), *report = getenv("GCTAP_FAULT_REPORT");
	const char *ways = getenv("GCTAP_FAULT_WAYS");

	if (!text)
		return;
	plan_read(text);
	if (ways) {
		plan.ways = (unsigned)strtoul(ways, NULL, 10);
		way_here(); /* its first use allocates */
	}
	if (report)
		snprintf(plan.report, sizeof(plan.report), "%s", report);
	/* Not for what is executed from here. */
	unsetenv("LD_PRELOAD");
	unsetenv("GCTAP_FAULT");
	plan.ourselves = getpid();
}

__attribute__((destructor)) static void end(void)
{
	FILE *file;

	if (!plan.ourselves || getpid() != plan.ourselves)
		return;
	plan.ourselves = 0;
	file = plan.report[0] ? fopen(plan.report, "we") : NULL;
	if (!file)
		return;
	for (int function = 0; function < FUNCTIONS; function++)
		fprintf(file, "%s %lu\n", names[function], plan.calls[function]);
	if (plan.reached)
		fputs("reached\n", file);
	fclose(file);
}

/* ---- The functions ------------------------------------------------------------------------------ */

static enum function function_of(long number)
{
	switch (number) {
	case SYS_bpf: return BPF;
	case SYS_perf_event_open: return PERF_EVENT_OPEN;
	case SYS_pidfd_open: return PIDFD_OPEN;
	default: return FUNCTIONS;
	}
}

long syscall(long number, ...)
{
	long argument[6];
	va_list arguments;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(arguments, long);
	va_end(arguments);
	if (function_of(number) != FUNCTIONS && fails(function_of(number)))
		return -1;
	return answer(kernel(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]));
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (fails(MMAP))
		return MAP_FAILED;
	return (void *)answer(kernel(SYS_mmap, (long)address, (long)length, protection, flags, fd, offset));
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
	if (fails(OPEN))
		return -1;
	return (int)answer(kernel(SYS_openat, folder, (long)path, flags, mode, 0, 0));
}

static mode_t mode_of(int flags, va_list arguments)
{
	return __OPEN_NEEDS_MODE(flags) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_at(folder, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
	static FILE *(*next_fopen)(const char *, const char *);

	if (!next_fopen)
		next_fopen = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
	return fails(FOPEN) ? NULL : next_fopen(path, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static long step;

	if (clock == CLOCK_REALTIME && fails(CLOCK))
		step = plan.error;
	if (answer(kernel(SYS_clock_gettime, clock, (long)now, 0, 0, 0, 0)))
		return -1;
	if (clock == CLOCK_REALTIME)
		now->tv_sec += step;
	return 0;
}

ssize_t read(int fd, void *bytes, size_t size)
{
	return fails(READ) ? -1 : answer(kernel(SYS_read, fd, (long)bytes, (long)size, 0, 0, 0));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
	return fails(READ) ? -1 : answer(kernel(SYS_pread64, fd, (long)bytes, (long)size, offset, 0, 0));
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	return fails(WRITE) ? -1 : answer(kernel(SYS_write, fd, (long)bytes, (long)size, 0, 0, 0));
}

ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long nr_local, const struct iovec *remote,
			 unsigned long nr_remote, unsigned long flags)
{
	if (fails(PROCESS_VM_READV))
		return -1;
	return answer(kernel(SYS_process_vm_readv, pid, (long)local, (long)nr_local, (long)remote, (long)nr_remote,
			     (long)flags));
}

int epoll_create1(int flags)
{
	return fails(EPOLL) ? -1 : (int)answer(kernel(SYS_epoll_create1, flags, 0, 0, 0, 0, 0));
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	return fails(EPOLL) ? -1 : (int)answer(kernel(SYS_epoll_ctl, epoll, operation, fd, (long)event, 0, 0));
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return fails(EPOLL) ? -1 : (int)answer(kernel(SYS_epoll_wait, epoll, (long)events, count, timeout, 0, 0));
}

int signalfd(int fd, const sigset_t *set, int flags)
{
	return fails(SIGNALFD) ? -1 : (int)answer(kernel(SYS_signalfd4, fd, (long)set, NSIG / 8, flags, 0, 0));
}

int pipe2(int ends[2], int flags)
{
	return fails(DESCRIPTORS) ? -1 : (int)answer(kernel(SYS_pipe2, (long)ends, flags, 0, 0, 0, 0));
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
	return fails(DESCRIPTORS) ? -1 : (int)answer(kernel(SYS_socketpair, domain, type, protocol, (long)ends, 0, 0));
}

int dup(int fd)
{
	return fails(DESCRIPTORS) ? -1 : (int)answer(kernel(SYS_dup, fd, 0, 0, 0, 0, 0));
}

int dup3(int fd, int as, int flags)
{
	return fails(DESCRIPTORS) ? -1 : (int)answer(kernel(SYS_dup3, fd, as, flags, 0, 0, 0));
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return fails(DESCRIPTORS) ? -1 : (int)answer(kernel(SYS_fcntl, fd, command, argument, 0, 0, 0));
}

pid_t fork(void)
{
	static pid_t (*next_fork)(void);

	if (!next_fork)
		next_fork = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	return fails(FORK) ? -1 : next_fork();
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, request);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return fails(IOCTL) ? -1 : (int)answer(kernel(SYS_ioctl, fd, (long)request, argument, 0, 0, 0));
}

/*
 * The next library's: glibc's, or that of a sanitizer. Should the search for it allocate, glibc's
 * own serves, under the name that needs no search.
 */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *memory, size_t size);
	bool searching;
} next;

static bool next_found(void)
{
	if (next.realloc || next.searching)
		return next.realloc;
	next.searching = true;
	next.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	next.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	next.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	next.searching = false;
	return true;
}

void *malloc(size_t size)
{
	if (!next_found())
		return __libc_malloc(size);
	return fails(ALLOCATE) ? NULL : next.malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (!next_found())
		return __libc_calloc(count, size);
	return fails(ALLOCATE) ? NULL : next.calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	if (!next_found())
		return __libc_realloc(memory, size);
	return fails(ALLOCATE) ? NULL : next.realloc(memory, size);
}

/* Under these names, libraries that were built for large files call them. */
#define ALSO(name, other) extern __typeof__(name) other __attribute__((alias(#name)))

ALSO(mmap, mmap64);
ALSO(open, open64);
ALSO(openat, openat64);
ALSO(fopen, fopen64);
ALSO(pread, pread64);
ALSO(fcntl, fcntl64);
