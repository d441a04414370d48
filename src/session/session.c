// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accounting.h"
#include "binary.h"
#include "gctap/cycle_gap.h"
#include "gctap/probe.h"
#include "gctap/target_memory.h"
#include "gctap/trigger.h"

#define PROCESS_BUCKETS 1024u
#define EXEC_CHECK_NS	500000000u /* how often a traced process is asked whether it runs another program */
#define EVENTS_MAX	64

/* A process in view. Named ones were asked for by pid; the others were met through their file. */
struct process {
	struct process *next; /* in its bucket */
	struct process *next_named;
	struct binary *binary;
	struct target *target; /* of named ones */
	int pidfd;	       /* of others; -1 when it could not be had */
	uint32_t pid;
	uint64_t start_ns; /* as the kernel side says; 0 until the first event */
	uint64_t start_ticks;
	char comm[16];
	char origin[64];
	struct cycle_gap gap;
	uint64_t cycles;
	struct scavenge_counters scavenged;
	struct trigger *trigger; /* of the cycle that is under way */
	uint64_t percent_goal;	 /* heap goal of GOGC when it began, bytes */
	bool goal_known;
	bool named, announced, ended;
	bool restarted; /* has executed its program anew: no cycle was before */
};

enum point_kind { POINT_NONE, POINT_CYCLE, POINT_TRIGGER, POINT_GOAL, POINT_REREAD, POINT_SWEEP, POINT_FORCED };

struct point {
	enum point_kind kind;
	struct binary *binary;
};

struct session {
	struct session_options options;
	struct probe_set *probes;      /* NULL: cycles were not asked for */
	struct accounting *accounting; /* NULL: madvise calls were not asked for */
	struct binary *binaries;
	struct process *buckets[PROCESS_BUCKETS];
	struct process *named;
	struct point points[GCTAP_CAPTURES_MAX];
	struct gc_cycle cycle;	  /* the one being decoded */
	struct scavenge scavenge; /* likewise */
	struct line_clock clock;
	int epoll;
	uint64_t ticks_per_second, started_ns, started_boottime_ns, exec_checked_ns;
	int spawned_status;
	bool has_spawned_status, active, finished;
	uint64_t cycles, scavenges, processes, gaps, missing;
	int answer; /* of on_record, when it was not 0 */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(const struct session *session, const char *format, ...)
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

static void emit(struct session *session, const struct record *record)
{
	if (!session->answer)
		session->answer = session->options.on_record(record, session->options.context);
}

static int watch_ring(struct session *session, int fd, struct failure *failure)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(session->epoll, EPOLL_CTL_ADD, fd, &event))
		return failure_set(failure, -errno, "cannot watch the ring buffer: %s", strerror(errno));
	return 0;
}

static int open_probes(struct session *session, struct failure *failure)
{
	struct probe_options options = { .ring_bytes = session->options.ring_bytes };
	int error = probe_set_new(&options, &session->probes, failure);

	return error ? error : watch_ring(session, probe_set_fd(session->probes), failure);
}

static void emit_accounted(const struct record *record, void *context)
{
	emit(context, record);
}

static int open_accounting(struct session *session, struct failure *failure)
{
	struct accounting_options options = { .events = session->options.madvise_events,
					      .refault = session->options.madvise_refault,
					      .interval_ns = session->options.madvise_interval_ns,
					      .ways = session->options.madvise_ways,
					      .ring_bytes = session->options.ring_bytes,
					      .clock = &session->clock,
					      .emit = emit_accounted,
					      .context = session };
	int error = accounting_new(&options, &session->accounting, failure);

	return error ? error : watch_ring(session, accounting_fd(session->accounting), failure);
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

static void process_free(struct process *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	target_close(process->target);
	trigger_free(process->trigger);
	free(process);
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

static struct process *process_new(struct session *session, struct binary *binary, uint32_t pid, const char *comm)
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

static void watch(struct session *session, int fd, struct process *process)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = process };

	if (fd >= 0 && epoll_ctl(session->epoll, EPOLL_CTL_ADD, fd, &event))
		note(session, "cannot watch for the end of process %u: %s", process->pid, strerror(errno));
}

/* Of processes met through their file: where it cannot be opened it has already ended, or will only be forgotten late.
 */
static void watch_unnamed(struct session *session, struct process *process, uint64_t start_ns)
{
	uint64_t ticks = start_ns / (1000000000u / session->ticks_per_second);

	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	/* The number may have been given away between the event and now. */
	if (process->pidfd >= 0 && process_start_ticks((pid_t)process->pid) != ticks) {
		close(process->pidfd);
		process->pidfd = -1;
	}
	watch(session, process->pidfd, process);
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

static void announce(struct session *session, struct process *process)
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
		note(session, "%u (%s): %s, %s, %s cycles so far", process->pid, process->comm, binary->path,
		     binary->version[0] ? binary->version : "Go version unknown", count);
	else if (process->named)
		note(session, "%u (%s): %s, %s", process->pid, process->comm, binary->path,
		     !binary->gobin	  ? "no Go program: causes are not told"
		     : binary->version[0] ? binary->version
					  : "Go version unknown");
	emit(session, &record);
}

static void detach(struct session *session, struct binary *binary)
{
	for (unsigned i = 0; i < binary->nr_points; i++) {
		probe_set_remove(session->probes, binary->points[i]);
		session->points[binary->points[i]].kind = POINT_NONE;
	}
	binary->nr_points = 0;
}

/* A binary of which nobody is traced any more is not probed any more. */
static void detach_unused(struct session *session, struct binary *binary)
{
	const struct process *process = session->named;

	while (process && (process->ended || process->binary != binary))
		process = process->next_named;
	if (!process && !binary->any)
		detach(session, binary);
}

static void end_process(struct session *session, struct process *process, const char *reason, bool has_status,
			int64_t status)
{
	struct record record;

	if (process->ended)
		return;
	if (session->accounting)
		accounting_end(session->accounting, process->pid);
	process->ended = true;
	detach_unused(session, process->binary);
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
	emit(session, &record);
}

struct attachment {
	struct session *session;
	struct binary *binary;
	int fd;
	uint32_t pid_filter; /* 0: none */
};

static int add_point(const struct attachment *to, enum point_kind kind, uint64_t offset,
		     const struct gctap_capture *capture, struct failure *failure)
{
	/*
	 * By file, not by perf's own filter: that one hangs on the task that leads the process now, and an
	 * exec in another thread replaces it.
	 */
	struct probe_point point = {
		.exe_fd = to->fd, .file_offset = offset, .pid = -1, .pid_filter = to->pid_filter, .capture = *capture
	};
	uint32_t id;
	int error = probe_set_add(to->session->probes, &point, &id, failure);

	if (error)
		return error;
	to->session->points[id] = (struct point){ kind, to->binary };
	to->binary->points[to->binary->nr_points++] = id;
	return 0;
}

/* Two probes of one place are served in one trap; which one comes first is the kernel's affair. */
static int add_trigger_points(const struct attachment *to, struct failure *failure)
{
	struct trigger_plan *plan = &to->binary->trigger;
	int error = trigger_plan(to->binary->gobin, plan, failure);

	if (!error)
		error = add_point(to, POINT_TRIGGER, plan->file_offset, &plan->stack, failure);
	if (!error && plan->has_goal)
		error = add_point(to, POINT_GOAL, plan->file_offset, &plan->goal, failure);
	return error;
}

static int add_scavenge_points(const struct attachment *to, struct failure *failure)
{
	const struct scavenge_recipes *recipes = &to->binary->scavenge;
	struct gctap_capture capture;
	int error = binary_solve_scavenge(to->binary, failure);

	if (error)
		return error;
	recipe_capture(recipes->background, recipes->background->probe_address, &capture);
	error = add_point(to, POINT_SWEEP, recipes->background->probe_offset, &capture, failure);
	/* Without debug.FreeOSMemory in the program there is no forced line. */
	if (error || !recipes->forced)
		return error;
	recipe_capture(recipes->forced, recipes->forced->probe_address, &capture);
	return add_point(to, POINT_FORCED, recipes->forced->probe_offset, &capture, failure);
}

static int attach(const struct attachment *to, struct failure *failure)
{
	const struct session_options *options = &to->session->options;
	const struct recipe *recipe = to->binary->recipe;
	struct gctap_capture capture;
	int error;

	if (to->binary->nr_points || !options->cycles)
		return 0;
	recipe_capture(recipe, recipe->probe_address, &capture);
	error = add_point(to, POINT_CYCLE, recipe->probe_offset, &capture, failure);
	for (unsigned i = 0; i < RECIPE_REREADS && options->on_reread && !error; i++) {
		if (!recipe->rereads[i].address)
			continue;
		recipe_capture(recipe, recipe->rereads[i].address, &capture);
		error = add_point(to, POINT_REREAD, recipe->rereads[i].offset, &capture, failure);
	}
	if (!error && options->trigger)
		error = add_trigger_points(to, failure);
	if (!error && options->scavenge)
		error = add_scavenge_points(to, failure);
	return error;
}

static void set_origin(const struct session *session, struct process *process)
{
	if (session->options.origins)
		snprintf(process->origin, sizeof(process->origin), "[%u %s]", process->pid, process->comm);
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
	process->next_named = session->named;
	session->named = process;
	/* Of a program traced from its start, no cycle may be missing. */
	process->gap.started = target->spawned;
	process->scavenged.known = target->spawned;
	set_origin(session, process);
	watch(session, target->pidfd, process);
	error = attach(
		&(struct attachment){ session, binary, target->exe_fd, session->options.single ? process->pid : 0 },
		failure);
	if (!error && session->accounting)
		error = account(session, process, failure);
	return error;
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
		error = attach(&(struct attachment){ session, binary, fd, 0 }, failure);
	}
	close(fd);
	if (!error)
		note(session, "%s: %s, every process of it, now and later", path,
		     binary->version[0] ? binary->version : "Go version unknown");
	return error;
}

int session_start(struct session *session, struct failure *failure)
{
	int error = session->probes ? probe_set_activate(session->probes, failure) : 0;

	if (error)
		return error;
	session->active = true;
	session->started_ns = clock_ns(CLOCK_MONOTONIC);
	session->started_boottime_ns = clock_ns(CLOCK_BOOTTIME);
	for (struct process *process = session->named; process; process = process->next_named)
		announce(session, process);
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

/* The process of an event; NULL when nobody has asked for it. */
static struct process *find_process(struct session *session, const struct gctap_event *event, struct binary *binary)
{
	struct process *process = *bucket_of(session, event->pid);

	while (process &&
	       (process->pid != event->pid || process->ended || !same_start(session, process, event->start_ns)))
		process = process->next;
	if (process && process->binary != binary) {
		note(session, "%u (%s): has executed %s", process->pid, process->comm, binary->path);
		end_process(session, process, "exec", false, 0);
		process = NULL;
	}
	if (!process) {
		if (!binary->any)
			return NULL;
		process = process_new(session, binary, event->pid, event->comm);
		if (!process)
			return NULL;
		process->start_ns = event->start_ns;
		process->scavenged.known = event->start_ns > session->started_boottime_ns;
		watch_unnamed(session, process, event->start_ns);
	}
	process->start_ns = event->start_ns;
	/* The name is the program's only since its exec. */
	if (strcmp(process->comm, event->comm) || !process->origin[0]) {
		snprintf(process->comm, sizeof(process->comm), "%s", event->comm);
		set_origin(session, process);
	}
	if (!process->announced)
		announce(session, process);
	return process;
}

static void report_gap(struct session *session, struct process *process, const struct cycle_range *range)
{
	struct record record;

	session->gaps++;
	session->missing += range->count;
	note(session, "%u (%s): %u %s missing: %u to %u", process->pid, process->comm, range->count,
	     range->count == 1 ? "cycle is" : "cycles are", range->first, range->last);
	record_clear(&record, &record_gap);
	record_set_unsigned(&record, "pid", process->pid);
	record_set_unsigned(&record, "start_ns", process->start_ns);
	record_set_unsigned(&record, "first_missing", range->first);
	record_set_unsigned(&record, "last_missing", range->last);
	record_set_unsigned(&record, "missing", range->count);
	record_set_unsigned(&record, "ktime_ns", session->cycle.shown.record.values[0].u);
	emit(session, &record);
}

/* The numbers start again: the process has executed the same program anew. */
static void restart(struct session *session, struct process *process)
{
	uint64_t cycles = process->cycles;
	struct record record;

	record_clear(&record, &record_process_end);
	record_set_unsigned(&record, "pid", process->pid);
	record_set_unsigned(&record, "start_ns", process->start_ns);
	record_set_text(&record, "reason", "exec");
	record_set_unsigned(&record, "cycles_seen", cycles);
	record_set_unsigned(&record, "ktime_ns", clock_ns(CLOCK_MONOTONIC));
	note(session, "%u (%s): has executed %s anew after %" PRIu64 " cycles", process->pid, process->comm,
	     process->binary->path, cycles);
	emit(session, &record);
	process->cycles = 0;
	process->scavenged = (struct scavenge_counters){ .known = true };
	process->restarted = true;
	announce(session, process);
	if (session->cycle.cycle > 1)
		report_gap(session, process,
			   &(struct cycle_range){ 1, session->cycle.cycle - 1, session->cycle.cycle - 1 });
}

static void number_cycle(struct session *session, struct process *process)
{
	struct cycle_range range;

	if (!session->cycle.cycle_known)
		return;
	switch (cycle_gap_feed(&process->gap, session->cycle.cycle, &range)) {
	case CYCLE_GAP: report_gap(session, process, &range); break;
	case CYCLE_BACK: restart(session, process); break;
	case CYCLE_NEXT:
	case CYCLE_REPEATED: break;
	}
}

static void take_cycle(struct session *session, struct process *process, const struct gctap_event *event)
{
	struct gc_cycle *cycle = &session->cycle;
	const struct binary *binary = process->binary;

	gc_cycle_decode(binary->recipe, &binary->layout, event, &session->clock, cycle);
	number_cycle(session, process);
	if (process->trigger) {
		trigger_describe(process->trigger, process->goal_known ? &process->percent_goal : NULL,
				 &cycle->shown.record);
		cycle->shown.record.text = trigger_line(process->trigger, cycle->shown.line);
	}
	cycle->shown.record.origin = process->origin[0] ? process->origin : NULL;
	process->cycles++;
	session->cycles++;
	emit(session, &cycle->shown.record);
	trigger_free(process->trigger);
	process->trigger = NULL;
	process->goal_known = false;
}

static void take_scavenge(struct session *session, struct process *process, const struct gctap_event *event,
			  bool forced)
{
	const struct binary *binary = process->binary;
	struct record *record = &session->scavenge.shown.record;

	scavenge_decode(forced ? binary->scavenge.forced : binary->scavenge.background,
			forced ? &binary->forced_layout : &binary->sweep_layout, event, &session->clock,
			&process->scavenged, &session->scavenge);
	record->origin = process->origin[0] ? process->origin : NULL;
	session->scavenges++;
	emit(session, record);
}

static void take_trigger(struct process *process, const struct gctap_event *event)
{
	trigger_free(process->trigger);
	process->trigger = trigger_new(process->binary->gobin, &process->binary->trigger, event);
}

static void take_reread(struct session *session, struct process *process, const struct gctap_event *event)
{
	const struct binary *binary = process->binary;
	struct gc_cycle *cycle = &session->cycle;

	gc_cycle_decode(binary->recipe, &binary->layout, event, &session->clock, cycle);
	if (cycle->cycle_known)
		session->options.on_reread(cycle->cycle, cycle->shown.line, session->options.context);
}

static int on_event(const struct gctap_event *event, void *context)
{
	struct session *session = context;
	struct point *point = &session->points[event->capture];
	struct process *process;

	/* Of a point that was taken away while the event was under way. */
	if (point->kind == POINT_NONE ||
	    (session->options.cycles_max && session->cycles >= session->options.cycles_max))
		return 0;
	process = find_process(session, event, point->binary);
	if (!process)
		return 0;
	switch (point->kind) {
	case POINT_CYCLE: take_cycle(session, process, event); break;
	case POINT_TRIGGER: take_trigger(process, event); break;
	case POINT_SWEEP: take_scavenge(session, process, event, false); break;
	case POINT_FORCED: take_scavenge(session, process, event, true); break;
	case POINT_GOAL: process->goal_known = trigger_goal(event, &process->percent_goal); break;
	default: take_reread(session, process, event); break;
	}
	return session->answer;
}

static int consume(struct session *session)
{
	int taken = session->probes ? probe_set_consume(session->probes, on_event, session) : 0;

	if (taken >= 0 && session->accounting && !session->answer)
		taken = accounting_poll(session->accounting);
	if (session->answer)
		return session->answer;
	return taken < 0 ? taken : 0;
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

static void process_gone(struct session *session, struct process *process)
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
		end_process(session, process, "killed", true, WTERMSIG(status));
	else
		end_process(session, process, "exited", has_status, has_status ? WEXITSTATUS(status) : 0);
	if (!process->named)
		forget(session, process);
}

/* The kernel side stops accounting at an exec; this one has led to the same program. */
static void check_same_program(struct session *session, const struct process *process)
{
	struct failure failure = { "" };

	if (!session->accounting || !accounting_stopped(session->accounting, process->pid))
		return;
	note(session, "%u (%s): has executed %s anew: its madvise calls since then do not count", process->pid,
	     process->comm, process->binary->path);
	if (accounting_resume(session->accounting, process->pid, process->binary, &failure))
		note(session, "%u (%s): %s", process->pid, process->comm, failure.text);
}

/* A process that runs another program by now is traced no longer. */
static void check_exec(struct session *session)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now - session->exec_checked_ns < EXEC_CHECK_NS)
		return;
	session->exec_checked_ns = now;
	for (struct process *process = session->named; process; process = process->next_named) {
		char link[64], path[1024];
		struct stat status;
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/%u/exe", process->pid);
		if (process->ended || process->target->hold_fd >= 0 || stat(link, &status))
			continue;
		if (status.st_dev == process->binary->id.device && status.st_ino == process->binary->id.inode) {
			check_same_program(session, process);
			continue;
		}
		length = readlink(link, path, sizeof(path) - 1);
		if (length < 0 || !target_alive(process->target))
			continue;
		path[length] = '\0';
		note(session, "%u (%s): has executed another program, %s: no longer traced", process->pid,
		     process->comm, path);
		end_process(session, process, "exec", false, 0);
	}
}

int session_fd(const struct session *session)
{
	return session->epoll;
}

int session_poll(struct session *session, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(session->epoll, events, EVENTS_MAX, timeout_ms);
	int error;

	if (count < 0 && errno != EINTR)
		return -errno;
	/* First what has come, then who has gone: a process ends after its last line. */
	error = consume(session);
	for (int i = 0; i < count && !error; i++)
		if (events[i].data.ptr)
			process_gone(session, events[i].data.ptr);
	if (!error)
		check_exec(session);
	return error ? error : session->answer;
}

unsigned session_live(const struct session *session)
{
	unsigned live = 0;

	for (struct process *process = session->named; process; process = process->next_named)
		live += !process->ended;
	return live;
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
	record_set_unsigned(record, "madvise_calls_lost", totals.calls_lost);
	record_set_unsigned(record, "madvise_events_dropped", totals.events_dropped);
	if (totals.calls_lost)
		note(session, "%" PRIu64 " madvise calls are in no sum: the kernel side had no room for them",
		     totals.calls_lost);
	if (totals.events_dropped && session->options.madvise_events)
		note(session,
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
		note(session, "%" PRIu64 " events were lost: the ring buffer was full", drops[GCTAP_DROP_RING_FULL]);
	if (drops[GCTAP_DROP_WINDOW_FAULT])
		note(session, "%" PRIu64 " reads of the target's memory failed: those fields are unknown (\"?\")",
		     drops[GCTAP_DROP_WINDOW_FAULT]);
	emit(session, &record);
}

int session_finish(struct session *session)
{
	int error;

	if (session->finished || !session->active)
		return 0;
	session->finished = true;
	error = consume(session);
	for (unsigned i = 0; i < PROCESS_BUCKETS; i++)
		for (struct process *process = session->buckets[i]; process; process = process->next)
			end_process(session, process, "detached", false, 0);
	emit_totals(session);
	return error ? error : session->answer;
}

const char *session_madvise_way(const struct session *session)
{
	return session->accounting ? accounting_way(session->accounting) : NULL;
}

const char *session_go_version(const struct session *session)
{
	return session->binaries && session->binaries->version[0] ? session->binaries->version : NULL;
}
