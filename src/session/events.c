// SPDX-License-Identifier: BSD-2-Clause
/* events: from what probes send to records. */
#include "session_internal.h"
#include "gctap/clock.h"

#include <inttypes.h>

static void report_gap(struct session *session, struct process *process, const struct cycle_range *range)
{
	struct record record;

	session->gaps++;
	session->missing += range->count;
	session_note(session, "%u (%s): %u %s missing: %u to %u", process->pid, process->comm, range->count,
		     range->count == 1 ? "cycle is" : "cycles are", range->first, range->last);
	record_clear(&record, &record_gap);
	record_set_unsigned(&record, "pid", process->pid);
	record_set_unsigned(&record, "start_ns", process->start_ns);
	record_set_unsigned(&record, "first_missing", range->first);
	record_set_unsigned(&record, "last_missing", range->last);
	record_set_unsigned(&record, "missing", range->count);
	record_set_unsigned(&record, "ktime_ns", session->cycle.shown.record.values[0].u);
	session_emit(session, &record);
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
	session_note(session, "%u (%s): has executed %s anew after %" PRIu64 " cycles", process->pid, process->comm,
		     process->binary->path, cycles);
	session_emit(session, &record);
	process->cycles = 0;
	process->scavenged = (struct scavenge_counters){ .known = true };
	process->restarted = true;
	process_announce(session, process);
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
	/* No probe that we place comes twice: the same number is another program's, mostly a first cycle after one. */
	case CYCLE_BACK:
	case CYCLE_REPEATED: restart(session, process); break;
	case CYCLE_NEXT: break;
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
	session_emit(session, &cycle->shown.record);
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
	session_emit(session, record);
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

int session_on_event(const struct gctap_event *event, void *context)
{
	struct session *session = context;
	struct point *point = &session->points[event->capture];
	struct process *process;

	/* Of a point that was taken away while the event was under way. */
	if (point->kind == POINT_NONE ||
	    (session->options.cycles_max && session->cycles >= session->options.cycles_max))
		return 0;
	process = process_of_event(session, event, point->binary);
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
