/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scav_alignment: which line of one side belongs to which of the other, from
 * what the next lines of both sides look like.
 */
#ifndef GCTAP_SCAV_ALIGNMENT_H
#define GCTAP_SCAV_ALIGNMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines of each side to look at. In a program that logs without rest, one line in four is torn. */
#define SCAV_WINDOW 24

/* What a line looks like; hashes, as only equality counts. */
struct scav_look {
	uint64_t number; /* the line's, among all of its side */
	uint64_t work;	 /* all fields but the gauges */
	uint64_t released_now, utilization;
	bool torn; /* it may be in the place of any line, of this sequence or the other */
};

struct scav_window {
	struct scav_look lines[SCAV_WINDOW];
	size_t count;
	bool ends; /* no line of this side comes behind these */
};

enum scav_step {
	SCAV_STEP_PAIR,		 /* the first lines of both sides are the same line */
	SCAV_STEP_TORN_AWAY,	 /* gctap's first line is the torn one */
	SCAV_STEP_RUNTIME_ALONE, /* gctap has no line for the runtime's first one; if torn: not in this sequence */
	SCAV_STEP_GCTAP_ALONE,
};

/*
 * The first step of the cheapest way through both windows, of which at least
 * one is not empty. @offset is by how much gctap's numbers are ahead so far.
 */
enum scav_step scav_alignment_first(const struct scav_window *gctap, const struct scav_window *runtime, int64_t offset);

#endif
