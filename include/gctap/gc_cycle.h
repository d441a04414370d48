/* SPDX-License-Identifier: BSD-2-Clause */
/* gc_cycle: the record of one garbage collection; knows what the numbers of the gctrace line mean. */
#ifndef GCTAP_GC_CYCLE_H
#define GCTAP_GC_CYCLE_H

#include "gctap/line_record.h"

struct gc_layout {
	struct line_layout line;
	unsigned cycle_item; /* the cycle's number */
};

/* -EBADMSG when the line has no cycle number. */
int gc_layout_learn(const struct recipe *recipe, struct gc_layout *layout, struct failure *failure);
void gc_layout_clear(struct gc_layout *layout);

/* One decoded cycle. */
struct gc_cycle {
	struct line_record shown;
	bool cycle_known;
	uint32_t cycle; /* the runtime's number */
};

void gc_cycle_decode(const struct recipe *recipe, const struct gc_layout *layout, const struct gctap_event *event,
		     const struct line_clock *clock, struct gc_cycle *cycle);

#endif
