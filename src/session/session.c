// SPDX-License-Identifier: BSD-2-Clause
#include "session_internal.h"
#include "gctap/clock.h"
#include "gctap/emu.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64

/*
 * The kernel side wakes us only under load, so the ring is looked at often; but not for ever while nothing comes.
 * Then the next event is asked to wake us, and what is left to look after is who executes another program.
 */
#define LOOK_MS	       80
#define REST_MS	       500
#define REST_AFTER_NS  1000000000u
#define FIRST_CYCLE_NS 1000000000u /* from the start: somebody waits for the first line */

void session_note(const struct session *session, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	if (!session->options.on_note)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	session->options.on_note(text, session->options.context);
}

void session_emit(struct session *session, const struct record *record)
{
	if (!session->answer)
		session->answer = session->options.on_record(record, session->options.context);
}

int session_watch(struct session *session, int fd, struct failure *failure)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(session->epoll, EPOLL_CTL_ADD, fd, &event))
		return failure_set(failure, -errno, "cannot watch a descriptor: %s", strerror(errno));
	return 0;
}

static int open_probes(struct session *session, struct failure *failure)
{
	struct probe_options options = { .ring_bytes = session->options.ring_bytes };
	int error = probe_set_new(&options, &session->probes, failure);

	return error ? error : session_watch(session, probe_set_fd(session->probes), failure);
}

static void emit_accounted(const struct record *record, void *context)
{
	session_emit(context, record);
}

static int open_accounting(struct session *session, struct failure *failure)
{
	struct accounting_options options = { .events = session->options.madvise_events,
					      .refault = session->options.madvise_refault,
					      .interval_ns = session->options.madvise_interval_ns,
					      .intervals_max = session->options.madvise_intervals_max,
					      .ways = session->options.madvise_ways,
					      .ring_bytes = session->options.ring_bytes,
					      .clock = &session->clock,
					      .emit = emit_accounted,
					      .context = session };
	int error = accounting_new(&options, &session->accounting, failure);

	return error ? error : session_watch(session, accounting_fd(session->accounting), failure);
}

/* What the kernel side says of times would be of other clocks than ours, and processes would not be known again. */
static int check_time_namespace(struct failure *failure)
{
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	long long seconds, nanoseconds;
	bool moved = false;

	if (!file)
		return 0;
	while (fscanf(file, "%*s %lld %lld", &seconds, &nanoseconds) == 2)
		moved |= seconds || nanoseconds;
	fclose(file);
	return moved ? failure_set(failure, -ENOTSUP,
				   "gctap is in a time namespace, whose clocks are not the kernel's: run it outside")
		     : 0;
}

int session_new(const struct session_options *options, struct session **out, struct failure *failure)
{
	struct session *session = calloc(1, sizeof(*session));
	int error;

	if (!session)
		return failure_set(failure, -ENOMEM, "out of memory");
	session->options = *options;
	session->clock.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	session->ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	session->clock.wall_offset_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
	session->epoll = epoll_create1(EPOLL_CLOEXEC);
	error = session->epoll < 0 ? failure_set(failure, -errno, "cannot create an epoll: %s", strerror(errno)) : 0;
	if (!error)
		error = check_time_namespace(failure);
	if (!error && options->cycles)
		error = open_probes(session, failure);
	if (!error && options->madvise)
		error = open_accounting(session, failure);
	if (error) {
		session_free(session);
		return error;
	}
	*out = session;
	return 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	probe_set_free(session->probes);
	accounting_free(session->accounting);
	for (unsigned i = 0; i < PROCESS_BUCKETS; i++) {
		while (session->buckets[i]) {
			struct process *process = session->buckets[i];

			session->buckets[i] = process->next;
			process_free(process);
		}
	}
	while (session->binaries) {
		struct binary *binary = session->binaries;

		session->binaries = binary->next;
		binary_free(binary);
	}
	if (session->epoll >= 0)
		close(session->epoll);
	free(session);
}

static int find_binary(struct session *session, int fd, struct file_id id, const char *path, struct binary **out,
		       struct failure *failure)
{
	int error;

	for (struct binary *binary = session->binaries; binary; binary = binary->next) {
		if (binary->id.device == id.device && binary->id.inode == id.inode) {
			*out = binary;
			return 0;
		}
	}
	error = binary_open(fd, id, path, session->options.cycles, out, failure);
	if (error)
		return error;
	(*out)->next = session->binaries;
	session->binaries = *out;
	return 0;
}

static int account(struct session *session, const struct process *process, struct failure *failure)
{
	struct accounting_process accounted = { .pid = process->pid,
						.comm = process->comm,
						.origin = process->origin,
						.before_exec = process->target->hold_fd >= 0 };

	return accounting_add(session->accounting, &accounted, process->binary, failure);
}

int session_add_process(struct session *session, struct target *target, struct failure *failure)
{
	struct binary *binary;
	struct process *process;
	int error = find_binary(session, target->exe_fd, target->exe, target->exe_path, &binary, failure);

	if (error) {
		target_close(target);
		return error;
	}
	process = process_new(session, binary, (uint32_t)target->pid, target->comm);
	if (!process) {
		target_close(target);
		return failure_set(failure, -ENOMEM, "out of memory");
	}
	process->target = target;
	process->start_ticks = target->start_ticks;
	process->named = true;
	session->live++;
	process->next_named = session->named;
	session->named = process;
	/* Of a program traced from its start, no cycle may be missing. */
	process->gap.started = target->spawned;
	process->scavenged.known = target->spawned;
	process_set_origin(session, process);
	error = process_watch(session, target->pidfd, process);
	if (error)
		return failure_set(failure, error, "cannot watch for the end of process %u: %s", process->pid,
				   strerror(-error));
	error = session_attach(
		&(struct attachment){ session, binary, target->exe_fd, session->options.single ? process->pid : 0 },
		failure);
	if (!error && session->accounting)
		error = account(session, process, failure);
	return error;
}

static int count_one(pid_t pid, void *context)
{
	unsigned *count = context;

	(void)pid;
	(*count)++;
	return 0;
}

/* With how many run it: of none, a wrong copy of the file looks like a quiet program. */
static void note_file(const struct session *session, const struct binary *binary, const char *path)
{
	const char *version = binary->version[0] ? binary->version : "Go version unknown";
	unsigned count = 0;

	if (target_each_of_file(binary->id, count_one, &count))
		session_note(session, "%s: %s, every process of it, now and later", path, version);
	else
		session_note(session, "%s: %s, every process of it, now (%u that gctap can see) and later", path,
			     version, count);
}

int session_add_file(struct session *session, const char *path, struct failure *failure)
{
	struct file_id id;
	struct binary *binary;
	int fd, error = target_open_file(path, &fd, &id, failure);

	if (error)
		return error;
	error = find_binary(session, fd, id, path, &binary, failure);
	if (!error) {
		binary->any = true;
		error = session_attach(&(struct attachment){ session, binary, fd, 0 }, failure);
	}
	close(fd);
	if (!error)
		note_file(session, binary, path);
	return error;
}

static void ask_to_be_woken(struct session *session, uint64_t now)
{
	probe_set_rest(session->probes);
	session->asked_ns = now;
}

int session_start(struct session *session)
{
	session->started_ns = clock_ns(CLOCK_MONOTONIC);
	session->taken_ns = session->started_ns;
	if (session->probes) {
		ask_to_be_woken(session, session->started_ns);
		probe_set_activate(session->probes);
	}
	session->active = true;
	session->started_boottime_ns = clock_ns(CLOCK_BOOTTIME);
	for (struct process *process = session->named; process; process = process->next_named)
		process_announce(session, process);
	/* What solving needed for a moment, up to 20 MB, the allocator would keep for as long as we run. */
	malloc_trim(0);
	emu_trim();
	return session->answer;
}

int session_release(struct session *session, struct failure *failure)
{
	for (struct process *process = session->named; process; process = process->next_named) {
		if (process->target->hold_fd >= 0) {
			int error = target_release(process->target, failure);

			if (error)
				return error;
		}
	}
	return 0;
}

static int consume(struct session *session)
{
	int taken = session->probes ? probe_set_consume(session->probes, session_on_event, session) : 0;

	if (taken > 0) {
		session->taken_ns = clock_ns(CLOCK_MONOTONIC);
		session->asked_ns = 0;
	}
	if (taken >= 0 && session->accounting && !session->answer)
		taken = accounting_poll(session->accounting);
	if (session->answer)
		return session->answer;
	return taken < 0 ? taken : 0;
}

int session_fd(const struct session *session)
{
	return session->epoll;
}

static void rest_when_quiet(struct session *session, uint64_t now)
{
	bool quiet = now - session->taken_ns >= REST_AFTER_NS;
	bool first = !session->cycles && now - session->started_ns < FIRST_CYCLE_NS;

	if (session->probes && !session->asked_ns && (quiet || first))
		ask_to_be_woken(session, now);
}

/* At least one look comes after it was asked: an event that was under way does not wake us. */
static int wait_ms(const struct session *session, uint64_t now, int timeout_ms)
{
	bool asked = session->asked_ns && now - session->asked_ns >= LOOK_MS * 1000000u;
	int longest = asked && !session->accounting ? REST_MS : LOOK_MS;

	return timeout_ms < longest ? timeout_ms : longest;
}

int session_poll(struct session *session, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int count, error;

	rest_when_quiet(session, now);
	count = epoll_wait(session->epoll, events, EVENTS_MAX, wait_ms(session, now, timeout_ms));
	if (count < 0 && errno != EINTR)
		return -errno;
	/* The one wake-up is spent, though an event before that one, still under way, can keep it from being read. */
	if (count > 0)
		session->asked_ns = 0;
	/* First what has come, then who has gone: a process ends after its last line. */
	error = consume(session);
	if (!error)
		process_reap(session);
	for (int i = 0; i < count && !error; i++)
		if (events[i].data.ptr)
			process_gone(session, events[i].data.ptr);
	if (!error)
		session_check_exec(session);
	return error ? error : session->answer;
}

unsigned session_live(const struct session *session)
{
	return session->live;
}

int session_exit_status(const struct session *session, int *status)
{
	if (!session->has_spawned_status)
		return -EAGAIN;
	*status = session->spawned_status;
	return 0;
}

uint64_t session_cycles(const struct session *session)
{
	return session->cycles;
}

static void set_accounting_totals(struct session *session, struct record *record)
{
	struct accounting_totals totals;

	accounting_totals(session->accounting, &totals);
	record_set_unsigned(record, "madvise_calls", totals.calls);
	if (!totals.losses_known)
		return;
	record_set_unsigned(record, "madvise_calls_lost", totals.calls_lost);
	record_set_unsigned(record, "madvise_errnos_lost", totals.errnos_lost);
	record_set_unsigned(record, "madvise_runs_missed", totals.runs_missed);
	record_set_unsigned(record, "madvise_events_dropped", totals.events_dropped);
	if (totals.calls_lost)
		session_note(session, "%" PRIu64 " madvise calls are in no sum: the kernel side had no room for them",
			     totals.calls_lost);
	if (totals.errnos_lost)
		session_note(session,
			     "of %" PRIu64
			     " failed madvise calls it is not told which error they had: the kernel side had "
			     "no room",
			     totals.errnos_lost);
	if (totals.events_dropped && session->options.madvise_events)
		session_note(session,
			     "%" PRIu64 " madvise calls were not shown singly: the ring buffer was full (see --buffer)",
			     totals.events_dropped);
}

static void emit_totals(struct session *session)
{
	uint64_t drops[GCTAP_DROP_COUNT] = { 0 };
	struct record record;

	record_clear(&record, &record_totals);
	record_set_unsigned(&record, "cycles", session->cycles);
	record_set_unsigned(&record, "scavenges", session->scavenges);
	record_set_unsigned(&record, "processes", session->processes);
	record_set_unsigned(&record, "gaps", session->gaps);
	record_set_unsigned(&record, "missing_cycles", session->missing);
	if (session->probes && !probe_set_drops(session->probes, drops)) {
		record_set_unsigned(&record, "dropped_ring_full", drops[GCTAP_DROP_RING_FULL]);
		record_set_unsigned(&record, "dropped_no_capture", drops[GCTAP_DROP_NO_CAPTURE]);
		record_set_unsigned(&record, "window_faults", drops[GCTAP_DROP_WINDOW_FAULT]);
		record_set_unsigned(&record, "stack_faults", drops[GCTAP_DROP_STACK]);
	}
	if (session->accounting)
		set_accounting_totals(session, &record);
	record_set_unsigned(&record, "duration_ns", clock_ns(CLOCK_MONOTONIC) - session->started_ns);
	if (drops[GCTAP_DROP_RING_FULL])
		session_note(session, "%" PRIu64 " events were lost: the ring buffer was full",
			     drops[GCTAP_DROP_RING_FULL]);
	if (drops[GCTAP_DROP_WINDOW_FAULT])
		session_note(session,
			     "%" PRIu64 " reads of the target's memory failed: those fields are unknown (\"?\")",
			     drops[GCTAP_DROP_WINDOW_FAULT]);
	session_emit(session, &record);
}

int session_finish(struct session *session)
{
	int error;

	if (session->finished || !session->active)
		return 0;
	session->finished = true;
	error = consume(session);
	process_reap(session);
	for (unsigned i = 0; i < PROCESS_BUCKETS; i++)
		for (struct process *process = session->buckets[i]; process; process = process->next)
			process_end(session, process, "detached", false, 0);
	if (!error && session->accounting)
		error = accounting_error(session->accounting);
	emit_totals(session);
	return error ? error : session->answer;
}

uint64_t session_madvise_intervals(const struct session *session)
{
	return session->accounting ? accounting_intervals(session->accounting) : 0;
}

int64_t session_wall_offset_ns(const struct session *session)
{
	return session->clock.wall_offset_ns;
}

const char *session_madvise_way(const struct session *session)
{
	return session->accounting ? accounting_way(session->accounting) : NULL;
}

const char *session_go_version(const struct session *session)
{
	return session->binaries && session->binaries->version[0] ? session->binaries->version : NULL;
}
