/* SPDX-License-Identifier: BSD-2-Clause */
/* session_internal: between the files of this room: a session, its processes, its probes. */
#ifndef GCTAP_SESSION_INTERNAL_H
#define GCTAP_SESSION_INTERNAL_H

#include "accounting.h"
#include "binary.h"
#include "gctap/cycle_gap.h"
#include "gctap/probe.h"
#include "gctap/session.h"
#include "gctap/trigger.h"

#define PROCESS_BUCKETS 1024u

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
	bool over;	/* had ended when its first event was read; the others may still come */
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
	unsigned live;		      /* named ones that have not ended */
	struct process *next_checked; /* for an exec; NULL: begin anew */
	struct point points[GCTAP_CAPTURES_MAX];
	struct gc_cycle cycle;	  /* the one being decoded */
	struct scavenge scavenge; /* likewise */
	struct line_clock clock;
	int epoll;
	uint64_t ticks_per_second, started_ns, started_boottime_ns, exec_checked_ns;
	uint64_t taken_ns; /* when the last event came */
	uint64_t asked_ns; /* when the kernel side was asked to wake us at the next one; 0: not since it came */
	int spawned_status;
	bool has_spawned_status, active, finished;
	bool has_over; /* a process that is over is to be reaped */
	uint64_t cycles, scavenges, processes, gaps, missing;
	uint64_t foreign_events; /* of processes outside our pid namespace */
	int answer;		 /* of on_record, when it was not 0 */
};

/* session.c */
/* A line for people. */
void session_note(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
void session_emit(struct session *session, const struct record *record);

/* process.c: who is traced */
/* In the table from now on; NULL when out of memory. */
struct process *process_new(struct session *session, struct binary *binary, uint32_t pid, const char *comm);
void process_free(struct process *process);
/* Its end becomes an event of the session. 0 or a negative errno. */
int process_watch(struct session *session, int fd, struct process *process);
/* Writes the record of a process that has come into view. */
void process_announce(struct session *session, struct process *process);
/* Writes the record of its end, and detaches what nobody needs any more. Once. */
void process_end(struct session *session, struct process *process, const char *reason, bool has_status, int64_t status);
void process_set_origin(const struct session *session, struct process *process);
/* The process of an event; NULL when nobody has asked for it. */
struct process *process_of_event(struct session *session, const struct gctap_event *event, struct binary *binary);
/* Its pidfd has become readable. */
void process_gone(struct session *session, struct process *process);
/* When all events have been read: those that have ended before there was a pidfd of them are gone, too. */
void process_reap(struct session *session);
/* Ends the tracing of processes that run another program by now. */
void session_check_exec(struct session *session);

/* attach.c: which probes */
struct attachment {
	struct session *session;
	struct binary *binary;
	int fd;
	uint32_t pid_filter; /* 0: none */
};
/* Once for a binary. */
int session_attach(const struct attachment *to, struct failure *failure);
/* A binary of which nobody is traced any more is not probed any more. */
void session_detach_unused(struct session *session, struct binary *binary);

/* events.c: what probes send; a probe_handler */
int session_on_event(const struct gctap_event *event, void *context);

#endif
