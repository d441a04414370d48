// SPDX-License-Identifier: BSD-2-Clause
/* process: who is traced: coming into view, running another program, ending. */
#include "session_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gctap/clock.h"
#include "gctap/target_memory.h"

/* How often traced processes are asked whether they run another program, and how many of them at a time. */
#define EXEC_CHECK_NS	500000000u
#define EXEC_CHECKS_MAX 32u

void process_free(struct process *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	target_close(process->target);
	trigger_free(process->trigger);
	free(process);
}

static struct process **bucket_of(struct session *session, uint32_t pid)
{
	return &session->buckets[pid % PROCESS_BUCKETS];
}

/* Boot-time nanoseconds and /proc's ticks name the same instant, ticks rounded down. */
static bool same_start(const struct session *session, const struct process *process, uint64_t start_ns)
{
	if (process->start_ns)
		return process->start_ns == start_ns;
	return !process->start_ticks || process->start_ticks == start_ns / (1000000000u / session->ticks_per_second);
}

struct process *process_new(struct session *session, struct binary *binary, uint32_t pid, const char *comm)
{
	struct process *process = calloc(1, sizeof(*process));
	struct process **bucket = bucket_of(session, pid);

	if (!process)
		return NULL;
	process->binary = binary;
	process->pid = pid;
	process->pidfd = -1;
	snprintf(process->comm, sizeof(process->comm), "%s", comm);
	process->next = *bucket;
	*bucket = process;
	session->processes++;
	return process;
}

int process_watch(struct session *session, int fd, struct process *process)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = process };

	return epoll_ctl(session->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Of processes met through their file, of which all may be over by now. */
static void watch_unnamed(struct session *session, struct process *process, uint64_t start_ns)
{
	uint64_t ticks = start_ns / (1000000000u / session->ticks_per_second), seen;

	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	process->over = process->pidfd < 0 && errno == ESRCH;
	seen = process_start_ticks((pid_t)process->pid);
	/* The number may have been given away between the event and now. Where /proc hides it, it cannot be asked. */
	if (process->pidfd >= 0 && seen && seen != ticks) {
		close(process->pidfd);
		process->pidfd = -1;
		process->over = true;
	}
	session->has_over |= process->over;
	if (!process->over && (process->pidfd < 0 || process_watch(session, process->pidfd, process)))
		session_note(session, "cannot watch for the end of process %u: %s", process->pid, strerror(errno));
}

static bool read_word(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	const struct process *process = context;
	uint64_t mapping, offset;

	(void)id;
	*value = 0;
	if (leaf->op != EXPR_MEMORY || target_mapping(process->target, &mapping, &offset))
		return false;
	return !target_read(process->target, leaf->value + binary_bias(process->binary, mapping, offset), value,
			    leaf->size);
}

/* The runtime's own count, read from the live process. */
static bool cycles_so_far(struct process *process, uint64_t *cycles)
{
	const struct recipe *recipe = process->binary->recipe;

	if (!recipe)
		return false;
	if (process->target->hold_fd >= 0 || process->restarted) {
		*cycles = 0;
		return true;
	}
	return expr_eval(recipe->pool, recipe->items[process->binary->layout.cycle_item].value, read_word, process,
			 cycles);
}

void process_announce(struct session *session, struct process *process)
{
	const struct binary *binary = process->binary;
	char format[512], count[64] = "an unknown number of";
	struct record record;
	uint64_t cycles;
	bool known = process->target && cycles_so_far(process, &cycles);

	process->announced = true;
	record_clear(&record, &record_process);
	record_set_unsigned(&record, "pid", process->pid);
	if (process->start_ns)
		record_set_unsigned(&record, "start_ns", process->start_ns);
	record_set_text(&record, "comm", process->comm);
	record_set_text(&record, "exe", binary->path);
	record_set_text(&record, "go_version", binary->version[0] ? binary->version : NULL);
	record_set_text(&record, "build_id", binary->build_id[0] ? binary->build_id : NULL);
	if (binary->recipe) {
		recipe_format_string(binary->recipe, format, sizeof(format));
		record_set_text(&record, "recipe", format);
		record_set_unsigned(&record, "probe_address", binary->recipe->probe_address);
	}
	if (known) {
		record_set_unsigned(&record, "cycles_so_far", cycles);
		snprintf(count, sizeof(count), "%" PRIu64, cycles);
	}
	if (process->named && binary->recipe)
		session_note(session, "%u (%s): %s, %s, %s cycles so far", process->pid, process->comm, binary->path,
			     binary->version[0] ? binary->version : "Go version unknown", count);
	else if (process->named)
		session_note(session, "%u (%s): %s, %s", process->pid, process->comm, binary->path,
			     !binary->gobin	  ? "no Go program: causes are not told"
			     : binary->version[0] ? binary->version
						  : "Go version unknown");
	session_emit(session, &record);
}

void process_end(struct session *session, struct process *process, const char *reason, bool has_status, int64_t status)
{
	struct record record;

	if (process->ended)
		return;
	if (session->accounting)
		accounting_end(session->accounting, process->pid);
	process->ended = true;
	session->live -= process->named;
	if (process->named && !has_status && !session->finished && strcmp(reason, "exec"))
		session_note(session, "%u (%s): has ended", process->pid, process->comm);
	session_detach_unused(session, process->binary);
	if (!process->announced)
		return;
	record_clear(&record, &record_process_end);
	record_set_unsigned(&record, "pid", process->pid);
	if (process->start_ns)
		record_set_unsigned(&record, "start_ns", process->start_ns);
	record_set_text(&record, "reason", reason);
	if (has_status)
		record_set_signed(&record, "exit_status", status);
	record_set_unsigned(&record, "cycles_seen", process->cycles);
	record_set_unsigned(&record, "ktime_ns", clock_ns(CLOCK_MONOTONIC));
	session_emit(session, &record);
}

void process_set_origin(const struct session *session, struct process *process)
{
	if (session->options.origins)
		snprintf(process->origin, sizeof(process->origin), "[%u %s]", process->pid, process->comm);
}

/* It has no number here: nothing could be told of it, nor when it ends. */
static void note_foreign(struct session *session, const struct binary *binary)
{
	if (!session->foreign_events++)
		session_note(session,
			     "%s: processes that are not of gctap's pid namespace run it as well, and are not shown: "
			     "run gctap in the host's to see them",
			     binary->path);
}

/* The process of an event; NULL when nobody has asked for it. */
struct process *process_of_event(struct session *session, const struct gctap_event *event, struct binary *binary)
{
	struct process *process = *bucket_of(session, event->pid);

	if (!event->pid) {
		note_foreign(session, binary);
		return NULL;
	}
	while (process &&
	       (process->pid != event->pid || process->ended || !same_start(session, process, event->start_ns)))
		process = process->next;
	if (process && process->binary != binary) {
		session_note(session, "%u (%s): has executed %s", process->pid, process->comm, binary->path);
		process_end(session, process, "exec", false, 0);
		process = NULL;
	}
	if (!process) {
		if (!binary->any)
			return NULL;
		process = process_new(session, binary, event->pid, event->comm);
		if (!process) {
			/* Its lines would be lost uncounted. */
			session->answer = -ENOMEM;
			return NULL;
		}
		process->start_ns = event->start_ns;
		process->scavenged.known = event->start_ns > session->started_boottime_ns;
		watch_unnamed(session, process, event->start_ns);
	}
	process->start_ns = event->start_ns;
	/* The name is the program's only since its exec. */
	if (strcmp(process->comm, event->comm) || !process->origin[0]) {
		snprintf(process->comm, sizeof(process->comm), "%s", event->comm);
		process_set_origin(session, process);
	}
	if (!process->announced)
		process_announce(session, process);
	return process;
}

static void forget(struct session *session, struct process *gone)
{
	struct process **at = bucket_of(session, gone->pid);

	while (*at && *at != gone)
		at = &(*at)->next;
	if (*at)
		*at = gone->next;
	process_free(gone);
}

void process_gone(struct session *session, struct process *process)
{
	int fd = process->target ? process->target->pidfd : process->pidfd;
	int status = 0;
	bool has_status = false;

	epoll_ctl(session->epoll, EPOLL_CTL_DEL, fd, NULL);
	if (process->target && process->target->spawned && !target_wait(process->target, &status)) {
		has_status = true;
		session->spawned_status = status;
		session->has_spawned_status = true;
	}
	if (has_status && WIFSIGNALED(status))
		process_end(session, process, "killed", true, WTERMSIG(status));
	else
		process_end(session, process, "exited", has_status, has_status ? WEXITSTATUS(status) : 0);
	if (!process->named)
		forget(session, process);
}

void process_reap(struct session *session)
{
	if (!session->has_over)
		return;
	session->has_over = false;
	for (unsigned i = 0; i < PROCESS_BUCKETS; i++) {
		for (struct process *process = session->buckets[i], *next; process; process = next) {
			next = process->next;
			if (process->over)
				process_gone(session, process);
		}
	}
}

/* The kernel side stops accounting at an exec; this one has led to the same program. */
static void check_same_program(struct session *session, const struct process *process)
{
	struct failure failure = { "" };

	if (!session->accounting || !accounting_stopped(session->accounting, process->pid))
		return;
	session_note(session, "%u (%s): has executed %s anew: its madvise calls since then do not count", process->pid,
		     process->comm, process->binary->path);
	if (accounting_resume(session->accounting, process->pid, process->binary, &failure))
		session_note(session, "%u (%s): %s", process->pid, process->comm, failure.text);
}

/* A deployment puts a new file in the place of the old one: who runs that is not traced, which must be known. */
static void check_replaced(const struct session *session, struct binary *binary)
{
	struct stat status;
	int error;

	if (!binary->any || binary->replaced)
		return;
	error = stat(binary->path, &status) ? errno : 0;
	if (error && error != ENOENT)
		return;
	if (!error && status.st_dev == binary->id.device && status.st_ino == binary->id.inode)
		return;
	binary->replaced = true;
	session_note(session, "%s: %s: only processes of the file that was there are traced", binary->path,
		     error ? "is not there any more" : "is another file now");
}

/* A process that runs another program by now is traced no longer. False: it was not looked at. */
static bool check_exec(struct session *session, struct process *process)
{
	char link[64], path[1024];
	struct stat status;
	ssize_t length;

	if (process->ended || process->target->hold_fd >= 0)
		return false;
	snprintf(link, sizeof(link), "/proc/%u/exe", process->pid);
	if (stat(link, &status))
		return true;
	if (status.st_dev == process->binary->id.device && status.st_ino == process->binary->id.inode) {
		check_same_program(session, process);
		return true;
	}
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0 || !target_alive(process->target))
		return true;
	path[length] = '\0';
	session_note(session, "%u (%s): has executed another program, %s: no longer traced", process->pid,
		     process->comm, path);
	process_end(session, process, "exec", false, 0);
	return true;
}

/* Some at a time, in turn: to ask all of a thousand would be most of what gctap does. */
void session_check_exec(struct session *session)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	unsigned checked = 0;

	if (now - session->exec_checked_ns < EXEC_CHECK_NS)
		return;
	session->exec_checked_ns = now;
	for (struct binary *binary = session->binaries; binary; binary = binary->next)
		check_replaced(session, binary);
	if (!session->next_checked)
		session->next_checked = session->named;
	while (session->next_checked && checked < EXEC_CHECKS_MAX) {
		checked += check_exec(session, session->next_checked);
		session->next_checked = session->next_checked->next_named;
	}
}
