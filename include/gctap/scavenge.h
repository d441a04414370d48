/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scavenge: the record of what the runtime gave back to the kernel; knows what
 * the numbers of the scavtrace line mean.
 *
 * While the runtime does not print, its counters of released bytes (since Go
 * 1.19) count from the start of the program. What one line would have shown is
 * the difference to the line before it; the first line of a process that was
 * already running has none, and its work is unknown.
 */
#ifndef GCTAP_SCAVENGE_H
#define GCTAP_SCAVENGE_H

#include "gctap/line_record.h"

#define SCAVENGE_COUNTERS 2 /* background, and eager: by allocations that had to (since 1.21) */

/* Of one process: how far the counters had come at its last line. */
struct scavenge_counters {
	bool known;
	uint64_t released[SCAVENGE_COUNTERS]; /* bytes */
};

struct scavenge_layout {
	struct line_layout line;
	bool forced;			 /* the line of debug.FreeOSMemory */
	int counters[SCAVENGE_COUNTERS]; /* their items; negative: the line has none */
};

/* -EBADMSG when the line does not say how much was released. */
int scavenge_layout_learn(const struct recipe *recipe, bool forced, struct scavenge_layout *layout,
			  struct failure *failure);
void scavenge_layout_clear(struct scavenge_layout *layout);

struct scavenge {
	struct line_record shown;
};

/* Takes the counters on; not those of a forced line, which counts by itself. */
void scavenge_decode(const struct recipe *recipe, const struct scavenge_layout *layout, const struct gctap_event *event,
		     const struct line_clock *clock, struct scavenge_counters *counters, struct scavenge *scavenge);

#endif
