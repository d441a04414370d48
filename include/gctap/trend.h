/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trend: does a number grow, and how sure is that? A line through all samples (least squares), its slope with a
 * confidence interval, and a test that needs no line (Mann-Kendall): both must say so, and from each part of the
 * samples to the next the lowest must rise, and the highest on the whole. Memory use goes in steps and waves, which two
 * points or a line alone would take for growth; and a sample resembles the one before, so that many prove no more than
 * the few that are independent. Pure.
 */
#ifndef GCTAP_TREND_H
#define GCTAP_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/refault.h"
#include "gctap/verdict.h"

#define TREND_SAMPLES_MAX 512 /* when they are full, every second one is given up */

struct trend {
	size_t count;
	unsigned stride, skipped; /* only every stride-th sample is kept */
	double seconds[TREND_SAMPLES_MAX], bytes[TREND_SAMPLES_MAX];
};

void trend_add(struct trend *trend, double seconds, double bytes);

/* UNSURE: the line rises, and the rest does not say so. */
enum trend_direction { TREND_UNKNOWN, TREND_STEADY, TREND_GROWS, TREND_FALLS, TREND_UNSURE };

struct trend_line {
	enum trend_direction direction; /* UNKNOWN: too few samples, or too short a time */
	double slope, low, high;	/* bytes a second; low and high: 99 % confidence */
	double first, last;		/* of the line, at the first and the last sample, bytes */
	size_t count;
	double seconds; /* from the first to the last sample */
};
void trend_line(const struct trend *trend, struct trend_line *line);

/* What is watched. Times on one clock. */
struct trends {
	struct trend live;   /* heap after each mark phase: a leak of objects shows here */
	struct trend stacks; /* resident, each sample likewise */
	struct trend c;	     /* C heap and other memory that is not Go's */
	struct trend rss;
	struct trend released;	       /* heap given back at the moment, as the runtime counts */
	struct refault_totals refault; /* when refault_watched: what came back of what was given back */
	bool refault_watched;
	uint64_t cycles;
	uint64_t gc_cpu_ns;   /* that these took, of all processors; VALUE_UNKNOWN when it is of any */
	uint64_t processors;  /* GOMAXPROCS at the last; 0: not known */
	unsigned samples;     /* looks at the memory */
	unsigned limit_known; /* at how many the runtime's limit, and what it holds against it, could be read */
	unsigned near_limit;  /* at how many of these the limit was near */
	double seconds;	      /* watched */
	bool ended;	      /* the process has, or executed another program, before the time was over */
};

/* Adds to @count verdicts, and returns how many there are then. Leaks come first. */
unsigned trend_judge(const struct trends *trends, struct verdict verdicts[VERDICTS_MAX], unsigned count);

#endif
