/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trigger: why a cycle began, and from where. Taken at a point in the path of
 * runtime.gcStart that runs exactly once per cycle (runtime.gcBgMarkStartWorkers,
 * behind its stack check), from the goroutine's stack by frame pointers.
 */
#ifndef GCTAP_TRIGGER_H
#define GCTAP_TRIGGER_H

#include <stdint.h>

#include "gctap/event.h"
#include "gctap/gobin.h"
#include "gctap/recipe.h"
#include "gctap/record.h"

struct trigger;

/* Where to attach, and what to take there: the stack; and, where has_goal, the heap goal of GOGC, eight bytes. */
struct trigger_plan {
	uint64_t address; /* of the probe, in the file */
	uint64_t file_offset;
	struct gctap_capture stack;
	bool has_goal;
	struct gctap_capture goal;
};

int trigger_plan(struct gobin *gobin, struct trigger_plan *plan, struct failure *failure);

/* From an event of that point; the gobin must outlive it. NULL when out of memory. */
struct trigger *trigger_new(struct gobin *gobin, const struct trigger_plan *plan, const struct gctap_event *event);
void trigger_free(struct trigger *trigger);

/* The event of the goal, which comes before or behind that of the stack. False: could not be read. */
bool trigger_goal(const struct gctap_event *event, uint64_t *percent_goal);

/*
 * Fills the trigger_* fields of the cycle that it started, whose other fields are filled already. The
 * record's texts point into it. @percent_goal: bytes, NULL when unknown.
 */
void trigger_describe(struct trigger *trigger, const uint64_t *percent_goal, struct record *record);

/* The gctrace line with " <- why, function file:line" behind it; after trigger_describe(). */
const char *trigger_line(struct trigger *trigger, const char *line);

#endif
