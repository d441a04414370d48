// SPDX-License-Identifier: BSD-2-Clause
/* cycle_gap: what a cycle number says about those before it. */
#include "gctap/cycle_gap.h"

/* A smaller number is a wrapped counter only this close to the wrap, else another program. */
#define NEAR_WRAP 65536U

static bool has_wrapped(uint32_t last, uint32_t cycle)
{
	return last > UINT32_MAX - NEAR_WRAP && cycle < NEAR_WRAP;
}

enum cycle_step cycle_gap_feed(struct cycle_gap *tracker, uint32_t cycle, struct cycle_range *missing)
{
	uint32_t last = tracker->last;
	bool started = tracker->started;

	tracker->started = true;
	tracker->last = cycle;
	if (!started || cycle == last + 1)
		return CYCLE_NEXT;
	if (cycle == last)
		return CYCLE_REPEATED;
	if (cycle < last && !has_wrapped(last, cycle))
		return CYCLE_BACK;
	*missing = (struct cycle_range){
		.first = last + 1,
		.last = cycle - 1,
		.count = cycle - last - 1,
	};
	return CYCLE_GAP;
}
