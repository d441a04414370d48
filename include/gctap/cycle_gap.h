/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cycle_gap: the runtime numbers its cycles 1, 2, 3 ... per program, so the
 * number alone tells whether one was missed. One tracker per process.
 */
#ifndef GCTAP_CYCLE_GAP_H
#define GCTAP_CYCLE_GAP_H

#include <stdbool.h>
#include <stdint.h>

enum cycle_step {
	CYCLE_NEXT,	/* follows the last one, or is the first one seen */
	CYCLE_GAP,	/* numbers between the last one and this one are missing */
	CYCLE_REPEATED, /* the last one again */
	CYCLE_BACK,	/* smaller than the last one: another program in the same process */
};

struct cycle_gap {
	bool started;
	uint32_t last;
};

struct cycle_range {
	uint32_t first, last;
	uint32_t count; /* > 0 */
};

/*
 * Takes the number of a cycle, in the order of events. @missing is written
 * for CYCLE_GAP only. The first number may be any (gctap attaches late); after
 * CYCLE_BACK counting goes on from that number. The runtime's counter has 32
 * bits, and 0 after 4294967295 is the next number.
 */
enum cycle_step cycle_gap_feed(struct cycle_gap *tracker, uint32_t cycle, struct cycle_range *missing);

#endif
