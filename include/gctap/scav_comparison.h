/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scav_comparison: gctap's scavtrace lines against those that the runtime
 * printed itself. Knows the form of the line (scav_line); never where either
 * side comes from.
 *
 * The lines have no number, so they are joined by their order: forced lines and
 * the others each for themselves, as one kind can overtake the other between
 * the probe and the print. Where the two sides do not go on alike, a line is
 * left out on one side if the next ones fit better then; so one line that is
 * torn or missing does not make all later ones differ.
 *
 * What is released now and the utilization are live gauges: they go on moving
 * between the probe and the print, so a difference there is no failure and is
 * counted apart. So is, now and then, one step of the scavenger in between, by
 * which the runtime's work is ahead of gctap's; where that is no exception, the
 * verdict is "different", and the field says why. Everything else must be
 * equal, the number of lines too, but for the end, where a program exits before
 * the runtime has printed.
 */
#ifndef GCTAP_SCAV_COMPARISON_H
#define GCTAP_SCAV_COMPARISON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gctap/comparison.h"
#include "gctap/scav_line.h"

#define SCAV_COMPARISON_FIELDS_MAX	32
#define SCAV_COMPARISON_DIFFERENCES_MAX 100

struct scav_comparison_field {
	char name[40]; /* as scav_line_split() names it; "text": not the form of a scavtrace line */
	uint64_t equal;
	uint64_t differing;
	uint64_t missing;	   /* one side has no such field, or gctap shows it as unknown */
	uint64_t moved;		   /* only gauges, and work */
	uint64_t largest_distance; /* of those that moved; in @unit */
	bool moved_too_often;	   /* work, where it is no exception: the verdict is "different" */
	const char *unit;	   /* "KiB", "percentage points"; NULL: cannot move */
};

struct scav_comparison_difference {
	uint64_t gctap_line, runtime_line; /* from 1, in the order of that side; 0: it has no such line */
	const char *gctap, *runtime;	   /* NULL: it has no such line */
	size_t nr_fields;		   /* the fields that differ or are missing, without what moved: */
	char fields[TRACE_FIELDS_MAX][40];
};

struct scav_comparison_result {
	uint64_t compared; /* lines that both sides have: equal + moved + differing */
	uint64_t equal;
	uint64_t moved; /* differ only in what moved */
	uint64_t differing;
	uint64_t only_gctap;   /* and not lost at exit, and not torn */
	uint64_t only_runtime; /* also torn lines that gctap has none for */
	uint64_t torn;	       /* lines of the runtime that could not be read whole */
	uint64_t torn_away;    /* lines of gctap in the place of a torn one */
	uint64_t lost_at_exit; /* gctap's last lines, which the runtime was cut off before or while it printed them */
	uint64_t forced;       /* of the compared ones */
	uint64_t controller_reset;
	enum comparison_verdict verdict;
	size_t nr_fields;
	struct scav_comparison_field fields[SCAV_COMPARISON_FIELDS_MAX];
	size_t nr_differences;
	struct scav_comparison_difference differences[SCAV_COMPARISON_DIFFERENCES_MAX]; /* failures alone */
	uint64_t unlisted; /* differences that found no room there */
};

struct scav_comparison;

/* NULL when out of memory. */
struct scav_comparison *scav_comparison_new(void);

/* NULL is fine; frees the result as well. */
void scav_comparison_free(struct scav_comparison *comparison);

/*
 * Each side in its own order, both in any interleaving. Lines are copied, and
 * forgotten as soon as they are joined. 0 or -ENOMEM.
 */
int scav_comparison_add_gctap(struct scav_comparison *comparison, const char *text);
int scav_comparison_add_runtime(struct scav_comparison *comparison, const struct scav_line *line);

/*
 * Both sides have ended: settles what is open. To be called once; nothing may
 * be added after it. The result belongs to the comparison.
 */
const struct scav_comparison_result *scav_comparison_finish(struct scav_comparison *comparison);

/* A table to read. */
void scav_comparison_print(const struct scav_comparison_result *result, FILE *to);

/* One object, for the member "scav" beside what comparison_json() makes; NULL when out of memory. */
json_t *scav_comparison_json(const struct scav_comparison_result *result);

#endif
