// SPDX-License-Identifier: BSD-2-Clause
/*
 * scav_alignment: the edit distance of two sequences of lines. Most programs
 * print long rows of lines that say "0 KiB work": there, only the gauges tell
 * one line from the next, though they move a little.
 */
#include "scav_alignment.h"

#include <limits.h>

/*
 * A line that differs is likelier than one that is missing on each side (2 *
 * ALONE), and one that is missing is likelier than several that differ; a window
 * full of lines in which one gauge moved is less likely than one missing line.
 */
#define COST_MOVED     30
#define COST_DIFFERING 300
#define COST_ALONE     400
#define COST_TORN_AWAY 10
#define COST_LOST      150 /* gctap's last lines, at the exit */

/*
 * Per line that the two are apart, by their numbers. A few can be due to lines
 * that overtook or are missing; lines that look alike are a pair however far apart.
 */
#define COST_NEAR      5
#define NEAR	       4
#define COST_FAR       20
#define COST_APART_MAX 300
#define COST_TORN_NEAR 40 /* a torn line has nothing else */

static unsigned apart(const struct scav_look *gctap, const struct scav_look *runtime, int64_t offset)
{
	int64_t distance = (int64_t)(gctap->number - runtime->number) - offset;

	if (distance < 0)
		distance = -distance;
	return distance < COST_APART_MAX ? (unsigned)distance : COST_APART_MAX;
}

static unsigned apart_cost(unsigned distance)
{
	unsigned far = distance > NEAR ? distance - NEAR : 0;
	unsigned cost = COST_NEAR * (distance - far) + COST_FAR * far;

	return cost < COST_APART_MAX ? cost : COST_APART_MAX;
}

static unsigned torn_cost(const struct scav_look *gctap, const struct scav_look *runtime, int64_t offset)
{
	unsigned cost = COST_TORN_AWAY + COST_TORN_NEAR * apart(gctap, runtime, offset);

	return cost < COST_ALONE ? cost : COST_ALONE;
}

static unsigned pair_cost(const struct scav_look *gctap, const struct scav_look *runtime, int64_t offset)
{
	unsigned cost = apart_cost(apart(gctap, runtime, offset));

	if (gctap->work != runtime->work)
		return cost + COST_DIFFERING;
	return cost + COST_MOVED * (unsigned)((gctap->released_now != runtime->released_now) +
					      (gctap->utilization != runtime->utilization));
}

static unsigned alone_cost(const struct scav_look *runtime)
{
	return runtime->torn ? 0 : COST_ALONE;
}

/* Of a line that is left when the window of the other side is over: it may be one that comes behind that. */
static unsigned left_cost(const struct scav_look *line, const struct scav_window *other, int64_t offset)
{
	bool covered = other->count && (int64_t)(line->number - other->lines[other->count - 1].number) < offset;

	if (line->torn)
		return 0;
	if (covered)
		return COST_ALONE;
	return other->ends ? COST_LOST : 0;
}

struct way {
	unsigned cost;
	enum scav_step step;
};

static void offer(struct way *best, unsigned cost, enum scav_step step)
{
	if (cost < best->cost)
		*best = (struct way){ cost, step };
}

enum scav_step scav_alignment_first(const struct scav_window *gctap, const struct scav_window *runtime, int64_t offset)
{
	/* Of what is left behind i lines of gctap's and j of the runtime's. */
	struct way ways[SCAV_WINDOW + 1][SCAV_WINDOW + 1] = { 0 };
	size_t n = gctap->count, m = runtime->count;

	for (size_t i = n; i-- > 0;)
		ways[i][m] = (struct way){ ways[i + 1][m].cost + left_cost(&gctap->lines[i], runtime, offset),
					   SCAV_STEP_GCTAP_ALONE };
	for (size_t j = m; j-- > 0;)
		ways[n][j] = (struct way){ ways[n][j + 1].cost + left_cost(&runtime->lines[j], gctap, -offset),
					   SCAV_STEP_RUNTIME_ALONE };
	for (size_t i = n; i-- > 0;) {
		for (size_t j = m; j-- > 0;) {
			const struct scav_look *mine = &gctap->lines[i], *other = &runtime->lines[j];
			struct way *way = &ways[i][j];

			*way = (struct way){ UINT_MAX, SCAV_STEP_PAIR };
			if (!other->torn)
				offer(way, ways[i + 1][j + 1].cost + pair_cost(mine, other, offset), SCAV_STEP_PAIR);
			else
				offer(way, ways[i + 1][j + 1].cost + torn_cost(mine, other, offset),
				      SCAV_STEP_TORN_AWAY);
			offer(way, ways[i][j + 1].cost + alone_cost(other), SCAV_STEP_RUNTIME_ALONE);
			offer(way, ways[i + 1][j].cost + COST_ALONE, SCAV_STEP_GCTAP_ALONE);
		}
	}
	return ways[0][0].step;
}
