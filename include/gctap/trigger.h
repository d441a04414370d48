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

/* Where to attach, as a position in the file, and what to take there. */
int trigger_point(struct gobin *gobin, uint64_t *file_offset, struct gctap_capture *capture, struct failure *failure);

/* From an event of that point; the gobin must outlive it. NULL when out of memory. */
struct trigger *trigger_new(struct gobin *gobin, const struct gctap_event *event);
void trigger_free(struct trigger *trigger);

/* Fills the trigger_* fields; @values are those of the cycle that it started. The record's texts point into it. */
void trigger_describe(struct trigger *trigger, const struct recipe_values *values, const struct recipe *recipe,
		      struct record *record);

/* The gctrace line with " <- why, function file:line" behind it; after trigger_describe(). */
const char *trigger_line(struct trigger *trigger, const char *line);

#endif
