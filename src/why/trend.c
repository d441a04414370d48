// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/trend.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/unknown.h"

#define MIB		    1048576.0
#define SAMPLES_MIN	    12	 /* for any statement */
#define SECONDS_MIN	    5.0	 /* likewise */
#define GROWTH_MIN	    0.05 /* of the line's higher end: less is what programs do while they warm up */
#define BYTES_MIN	    (2 * MIB)
#define REFAULT_MIN	    (16 << 20) /* bytes: less that was given back is nobody's question */
#define REFAULT_SECONDS_MIN 20.0
#define SCORE_MIN	    3.3 /* of Mann-Kendall: by chance once in a thousand */
#define PARTS		    4u
#define RISE_MIN	    0.15 /* of what a part of a straight line rises by: less is no growth any more */

#define NOT_GO "Memory that is not Go's"
#define STACKS "The memory of goroutine stacks"
/* Nobody can tell it from a leak while it goes on. */
#define FILLING_UP "Caches, and malloc's arenas, grow likewise until they are full: watch again later."

#define INDEPENDENT_MIN 4.0
#define ROUNDING	1e-9

void trend_add(struct trend *trend, double seconds, double bytes)
{
	if (!trend->stride)
		trend->stride = 1;
	if (++trend->skipped < trend->stride)
		return;
	trend->skipped = 0;
	if (trend->count == TREND_SAMPLES_MAX) {
		for (size_t i = 0; i < TREND_SAMPLES_MAX / 2; i++) {
			trend->seconds[i] = trend->seconds[2 * i];
			trend->bytes[i] = trend->bytes[2 * i];
		}
		trend->count = TREND_SAMPLES_MAX / 2;
		trend->stride *= 2;
	}
	trend->seconds[trend->count] = seconds;
	trend->bytes[trend->count++] = bytes;
}

/*
 * Two-sided 99 % of Student's t for that many degrees of freedom, at least 1 and not always whole. Below five the
 * series (Abramowitz & Stegun 26.7.5, to the third term) is too small; between two of them a straight line is too
 * large.
 */
static double student(double freedom)
{
	static const double few[] = { 63.657, 9.925, 5.841, 4.604, 4.032 };
	const double x = 2.5758293;
	double g1 = (pow(x, 3) + x) / 4, g2 = (5 * pow(x, 5) + 16 * pow(x, 3) + 3 * x) / 96;
	double g3 = (3 * pow(x, 7) + 19 * pow(x, 5) + 17 * pow(x, 3) - 15 * x) / 384;

	if (freedom < 5) {
		size_t below = (size_t)freedom;

		return few[below - 1] + (freedom - (double)below) * (few[below] - few[below - 1]);
	}
	return x + g1 / freedom + g2 / (freedom * freedom) + g3 / (freedom * freedom * freedom);
}

/* Of all pairs, how many more rise than fall; in standard deviations of what chance alone gives. */
static double mann_kendall(const struct trend *trend)
{
	double n = (double)trend->count, variance = n * (n - 1) * (2 * n + 5) / 18;
	long score = 0;

	for (size_t i = 0; i < trend->count; i++)
		for (size_t j = i + 1; j < trend->count; j++)
			score += (trend->bytes[j] > trend->bytes[i]) - (trend->bytes[j] < trend->bytes[i]);
	return (double)score / sqrt(variance);
}

/* The line through all samples, and what it leaves over. */
struct fit {
	size_t count;
	double x, y; /* means: seconds, bytes */
	double slope, xx;
	double rest[TREND_SAMPLES_MAX], squares;
};

static bool fit_line(const struct trend *trend, struct fit *fit)
{
	double n = (double)trend->count, xy = 0;

	*fit = (struct fit){ .count = trend->count };
	for (size_t i = 0; i < trend->count; i++) {
		fit->x += trend->seconds[i] / n;
		fit->y += trend->bytes[i] / n;
	}
	for (size_t i = 0; i < trend->count; i++) {
		fit->xx += (trend->seconds[i] - fit->x) * (trend->seconds[i] - fit->x);
		xy += (trend->seconds[i] - fit->x) * (trend->bytes[i] - fit->y);
	}
	if (fit->xx <= 0)
		return false;
	fit->slope = xy / fit->xx;
	for (size_t i = 0; i < trend->count; i++) {
		fit->rest[i] = trend->bytes[i] - fit->y - fit->slope * (trend->seconds[i] - fit->x);
		fit->squares += fit->rest[i] * fit->rest[i];
	}
	return true;
}

/* What a parabola would leave over: a leak that gets faster or slower is a leak. */
static double unbend(const struct trend *trend, const struct fit *fit, double rest[TREND_SAMPLES_MAX])
{
	double n = (double)fit->count, skew = 0, along = 0, norm = 0, squares = 0;

	for (size_t i = 0; i < fit->count; i++)
		skew += pow(trend->seconds[i] - fit->x, 3) / fit->xx;
	for (size_t i = 0; i < fit->count; i++) {
		double x = trend->seconds[i] - fit->x;

		/* What of the square is neither a constant nor a line. */
		rest[i] = x * x - fit->xx / n - skew * x;
		along += rest[i] * fit->rest[i];
		norm += rest[i] * rest[i];
	}
	for (size_t i = 0; i < fit->count; i++) {
		rest[i] = fit->rest[i] - (norm > 0 ? along / norm * rest[i] : 0);
		squares += rest[i] * rest[i];
	}
	return squares;
}

/*
 * Of how many samples chance could have made what is left over. Load comes and goes in waves: a sample is as high
 * as the one before, and a few waves prove no more than as many samples that have nothing to do with each other.
 */
static double independent(const struct trend *trend, const struct fit *fit)
{
	double rest[TREND_SAMPLES_MAX], n = (double)fit->count, squares = unbend(trend, fit, rest), sum = 1;

	/* Nothing but what rounding leaves. */
	if (squares <= ROUNDING * fit->slope * fit->slope * fit->xx)
		return n;
	for (size_t lag = 1; lag < fit->count / 2; lag++) {
		double together = 0;

		for (size_t i = lag; i < fit->count; i++)
			together += rest[i] * rest[i - lag];
		if (together <= 0)
			break;
		sum += 2 * together / squares;
	}
	return fmax(n / sum, INDEPENDENT_MIN);
}

/* The least (1) or the most (-1) of a part of the samples: waves at their lowest, or highest. */
static double extreme(const struct trend *trend, size_t part, double sign)
{
	size_t from = trend->count * part / PARTS, to = trend->count * (part + 1) / PARTS;
	double value = sign * trend->bytes[from];

	for (size_t i = from; i < to; i++)
		value = fmin(value, sign * trend->bytes[i]);
	return sign * value;
}

/*
 * The floor from each part to the next: a step, or a cache that was not full yet, rises and then stays. The ceiling
 * as well: when collections happen to fall into the troughs first and then onto the crests, it stays where it is.
 */
static bool rises_all_along(const struct trend *trend, double change)
{
	double floor = extreme(trend, PARTS - 1, 1) - extreme(trend, 0, 1);
	double ceiling = extreme(trend, PARTS - 1, -1) - extreme(trend, 0, -1);

	if (floor < change / 3 || ceiling < change / 3)
		return false;
	for (size_t part = 1; part < PARTS; part++)
		if (extreme(trend, part, 1) - extreme(trend, part - 1, 1) < RISE_MIN * floor / (PARTS - 1))
			return false;
	return true;
}

/* @rises: the line does, if each sample has nothing to do with the one before. */
static enum trend_direction direction_of(const struct trend *trend, const struct trend_line *line, double score,
					 bool rises)
{
	double change = line->last - line->first;
	bool much = fabs(change) >= BYTES_MIN && fabs(change) >= GROWTH_MIN * fmax(line->first, line->last);

	if (line->low > 0 && score > SCORE_MIN && much && rises_all_along(trend, change))
		return TREND_GROWS;
	if (line->high < 0 && score < -SCORE_MIN && much)
		return TREND_FALLS;
	return rises && much ? TREND_UNSURE : TREND_STEADY;
}

/* Half of the interval in which the slope is with 99 %, by that many samples. */
static double half_interval(const struct fit *fit, double samples)
{
	return student(samples - 2) * sqrt(fit->squares / (samples - 2) / fit->xx);
}

void trend_line(const struct trend *trend, struct trend_line *line)
{
	double samples, half;
	struct fit fit;

	*line = (struct trend_line){ .count = trend->count };
	if (trend->count < 2)
		return;
	line->seconds = trend->seconds[trend->count - 1] - trend->seconds[0];
	if (trend->count < SAMPLES_MIN || line->seconds < SECONDS_MIN || !fit_line(trend, &fit))
		return;
	samples = independent(trend, &fit);
	half = half_interval(&fit, samples);
	line->slope = fit.slope;
	line->low = line->slope - half;
	line->high = line->slope + half;
	line->first = fit.y + line->slope * (trend->seconds[0] - fit.x);
	line->last = fit.y + line->slope * (trend->seconds[trend->count - 1] - fit.x);
	line->direction = direction_of(trend, line, mann_kendall(trend) * sqrt(samples / (double)trend->count),
				       line->slope > half_interval(&fit, (double)trend->count));
}

/* ---- Verdicts --------------------------------------------------------------------------------- */

struct bench {
	struct verdict *verdicts;
	unsigned count;
};

/* In front of all others. */
static struct verdict *put_first(struct bench *bench)
{
	if (bench->count == VERDICTS_MAX)
		bench->count--;
	memmove(bench->verdicts + 1, bench->verdicts, bench->count * sizeof(*bench->verdicts));
	bench->count++;
	bench->verdicts[0] = (struct verdict){ .name = "" };
	return &bench->verdicts[0];
}

static void say(struct verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct verdict *verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(verdict->evidence, sizeof(verdict->evidence), format, arguments);
	va_end(arguments);
}

static void judge_growth(struct bench *bench, const struct trend *trend, const char *name, const char *what,
			 const char *advice)
{
	struct verdict *verdict;
	struct trend_line line;

	trend_line(trend, &line);
	if (line.direction != TREND_GROWS)
		return;
	verdict = put_first(bench);
	verdict->name = name;
	verdict->bytes = (uint64_t)line.last;
	verdict->advice = advice;
	verdict->leak = true;
	say(verdict,
	    "%s grows: from %.1f MB to %.1f MB in %.0f s, by %.2f MB a minute (99 %% sure: %.2f to %.2f), over %zu "
	    "samples.",
	    what, fmax(line.first, 0) / MIB, line.last / MIB, line.seconds, line.slope * 60 / MIB, line.low * 60 / MIB,
	    line.high * 60 / MIB, line.count);
}

/* What rises, and not as a leak does, or not for long enough. */
static void judge_doubt(struct bench *bench, const struct trend *trend, const char *what)
{
	struct verdict *verdict;
	struct trend_line line;

	trend_line(trend, &line);
	if (line.direction != TREND_UNSURE)
		return;
	verdict = put_first(bench);
	verdict->name = "cannot_tell";
	verdict->bytes = (uint64_t)line.last;
	verdict->advice = "Watch for longer, under load.";
	say(verdict, "%s rises, from %.1f MB to %.1f MB in %.0f s, but not steadily: whether it leaks cannot be told.",
	    what, fmax(line.first, 0) / MIB, line.last / MIB, line.seconds);
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? 100 * (double)part / (double)whole : 0;
}

/* The heap is being given back: not a leak, however large Rss still is. */
static void judge_returning(struct bench *bench, const struct trends *trends)
{
	struct verdict *verdict;
	struct trend_line line;

	trend_line(&trends->released, &line);
	if (line.direction != TREND_GROWS)
		return;
	verdict = put_first(bench);
	verdict->name = "returning";
	verdict->bytes = (uint64_t)(line.last - line.first);
	verdict->advice = "Wait, or call debug.FreeOSMemory once if it is to be quick.";
	say(verdict, "Memory is being given back: %.2f MB a second over %.0f s, %.1f MB so far. Not a leak.",
	    line.slope / MIB, line.seconds, (line.last - line.first) / MIB);
}

/*
 * A quarter within a second, or half within ten: so much was given back in vain. What a program that is steady
 * gives back stays away for minutes. Before an age has come, only what was given back once more is judged, which
 * did come back: it takes a watch of twice the age to say something of all.
 */
static void judge_refault(struct bench *bench, const struct trends *trends)
{
	const struct refault_totals *refault = &trends->refault;
	double soon = share(refault->returned[0], refault->judged[0]);
	double later = share(refault->returned[1], refault->judged[1]);
	bool late = refault->judged[1] >= REFAULT_MIN && trends->seconds >= REFAULT_SECONDS_MIN;
	bool holds = (refault->judged[0] >= REFAULT_MIN && soon >= 25) || (late && later >= 50);
	char behind[64] = "";
	struct verdict *verdict;

	if (!trends->refault_watched || !holds)
		return;
	if (late)
		snprintf(behind, sizeof(behind), ", and of %.1f MB, %.0f %% within 10 s",
			 (double)refault->judged[1] / MIB, later);
	verdict = put_first(bench);
	verdict->name = "refault";
	verdict->bytes = refault->returned[0] > refault->returned[1] ? refault->returned[0] : refault->returned[1];
	verdict->advice = "Giving back and faulting in again costs time and gains nothing: gctap madvise names the "
			  "cause. Raise the memory limit, or call debug.FreeOSMemory less often.";
	say(verdict,
	    "Memory is given back only to be used again: of %.1f MB, %.0f %% were resident again within 1 s%s.",
	    (double)refault->judged[0] / MIB, soon, behind);
}

/*
 * Near the limit at most looks, and collecting at least once a second, or for a tenth of the time of all
 * processors: the limit drives the collector, not GOGC.
 */
static void judge_pressure(struct bench *bench, const struct trends *trends)
{
	double rate = trends->seconds > 0 ? (double)trends->cycles / trends->seconds : 0, cpu = 0;
	bool cpu_known = trends->seconds > 0 && trends->processors && trends->gc_cpu_ns != VALUE_UNKNOWN;
	char spent[96] = "";
	struct verdict *verdict;

	if (cpu_known)
		cpu = (double)trends->gc_cpu_ns / (trends->seconds * 1e7 * (double)trends->processors);
	if (trends->cycles < SAMPLES_MIN || trends->near_limit * 2 <= trends->limit_known || (rate < 1 && cpu < 10))
		return;
	if (cpu_known)
		snprintf(spent, sizeof(spent), ", %.1f %% of the time of all processors%s", cpu,
			 cpu >= 45 ? ", where the runtime's limiter holds it" : "");
	verdict = put_first(bench);
	verdict->name = "memory_limit_pressure";
	verdict->bytes = (uint64_t)trends->rss.bytes[trends->rss.count ? trends->rss.count - 1 : 0];
	verdict->advice = "Raise GOMEMLIMIT, or keep less alive: near the limit each allocation pays for a collection.";
	say(verdict,
	    "The collector is driven by the memory limit: %.1f collections a second over %.0f s%s; the limit was near "
	    "at %u of %u looks.",
	    rate, trends->seconds, spent, trends->near_limit, trends->limit_known);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What is usual. The end of a line that falls can be below all samples, and below nothing. */
static double median(const struct trend *trend)
{
	double bytes[TREND_SAMPLES_MAX];

	memcpy(bytes, trend->bytes, trend->count * sizeof(*bytes));
	qsort(bytes, trend->count, sizeof(*bytes), compare_doubles);
	return trend->count ? bytes[trend->count / 2] : 0;
}

/* What can be said of objects when they do not grow: that, or that there was too little to see. */
static void judge_steady(struct bench *bench, const struct trends *trends)
{
	struct verdict *verdict;
	struct trend_line line;

	trend_line(&trends->live, &line);
	if (line.direction == TREND_GROWS)
		return;
	verdict = put_first(bench);
	if (line.direction == TREND_UNKNOWN || line.direction == TREND_UNSURE) {
		verdict->name = "cannot_tell";
		verdict->advice = "Watch for longer, over at least twelve collections, under load.";
		say(verdict, "Whether objects leak cannot be told: %zu collections in %.0f s%s.", line.count,
		    trends->seconds,
		    line.direction == TREND_UNSURE ? ", what is alive after them rises, but not steadily" : "");
		return;
	}
	verdict->name = "no_heap_leak";
	verdict->bytes = (uint64_t)median(&trends->live);
	say(verdict,
	    "No leak of objects: about %.1f MB were alive after each collection in %.0f s, %+.2f MB a minute (99 %% "
	    "sure: %.2f to %.2f), over %zu samples.",
	    (double)verdict->bytes / MIB, line.seconds, line.slope * 60 / MIB, line.low * 60 / MIB,
	    line.high * 60 / MIB, line.count);
}

unsigned trend_judge(const struct trends *trends, struct verdict verdicts[VERDICTS_MAX], unsigned count)
{
	struct bench bench = { verdicts, count };

	judge_doubt(&bench, &trends->c, NOT_GO);
	judge_doubt(&bench, &trends->stacks, STACKS);
	judge_steady(&bench, trends);
	judge_returning(&bench, trends);
	judge_pressure(&bench, trends);
	judge_refault(&bench, trends);
	judge_growth(&bench, &trends->c, "c_leak", NOT_GO,
		     "Look at what C code allocates, and what calls mmap. " FILLING_UP);
	judge_growth(&bench, &trends->stacks, "goroutine_leak", STACKS,
		     "Take a goroutine profile: goroutines that wait for ever are the usual reason.");
	judge_growth(&bench, &trends->live, "heap_leak", "What is alive after each collection",
		     "Take two heap profiles some time apart and compare them (go tool pprof -base). " FILLING_UP);
	return bench.count;
}
