// SPDX-License-Identifier: BSD-2-Clause
/*
 * comparison: joins two streams of lines. Equal lines are counted when the
 * second one comes and are forgotten, so that a long run holds only what is open.
 */
#include "gctap/comparison.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace_field.h"

#define FIRST_SLOTS 1024

enum side { SIDE_GCTAP, SIDE_RUNTIME, SIDE_REREAD };

/* A line that has not met an equal one. */
struct open_line {
	struct open_line *next;
	enum side side;
	char text[];
};

struct cycle {
	uint32_t number;
	bool used;		/* the slot */
	bool settled;		/* two equal lines have met */
	bool torn;		/* the runtime printed it, torn */
	bool truncated;		/* the runtime began to print it */
	bool seen_by_runtime;	/* a torn or truncated line with a number that could be read */
	struct open_line *open; /* in the order in which they came */
};

struct comparison {
	struct comparison_result result;
	struct cycle *cycles; /* by number, open addressing */
	size_t nr_slots;      /* power of two */
	size_t nr_cycles;
	struct comparison_difference unlisted;
	bool any_runtime;
	uint64_t unread;       /* torn lines without a number that have not been put down to a cycle */
	uint32_t last_runtime; /* highest number that the runtime finished a line of, or tore one of */
};

struct comparison *comparison_new(void)
{
	struct comparison *comparison = calloc(1, sizeof(*comparison));

	if (!comparison)
		return NULL;
	comparison->nr_slots = FIRST_SLOTS;
	comparison->cycles = calloc(FIRST_SLOTS, sizeof(*comparison->cycles));
	if (!comparison->cycles) {
		free(comparison);
		return NULL;
	}
	return comparison;
}

void comparison_free(struct comparison *comparison)
{
	if (!comparison)
		return;
	for (size_t i = 0; i < comparison->nr_slots; i++) {
		struct open_line *line = comparison->cycles[i].open;

		while (line) {
			struct open_line *next = line->next;

			free(line);
			line = next;
		}
	}
	free(comparison->cycles);
	free(comparison);
}

static struct cycle *slot_of(struct cycle *cycles, size_t nr_slots, uint32_t number)
{
	size_t at = (uint32_t)(number * 2654435769u) & (nr_slots - 1); /* Knuth's multiplicative hash */

	while (cycles[at].used && cycles[at].number != number)
		at = (at + 1) & (nr_slots - 1);
	return &cycles[at];
}

static int grow(struct comparison *comparison)
{
	size_t nr_slots = comparison->nr_slots * 2;
	struct cycle *cycles = calloc(nr_slots, sizeof(*cycles));

	if (!cycles)
		return -ENOMEM;
	for (size_t i = 0; i < comparison->nr_slots; i++) {
		if (comparison->cycles[i].used)
			*slot_of(cycles, nr_slots, comparison->cycles[i].number) = comparison->cycles[i];
	}
	free(comparison->cycles);
	comparison->cycles = cycles;
	comparison->nr_slots = nr_slots;
	return 0;
}

/* NULL when out of memory. */
static struct cycle *cycle_of(struct comparison *comparison, uint32_t number)
{
	struct cycle *cycle;

	if (comparison->nr_cycles * 2 >= comparison->nr_slots && grow(comparison))
		return NULL;
	cycle = slot_of(comparison->cycles, comparison->nr_slots, number);
	if (!cycle->used) {
		cycle->used = true;
		cycle->number = number;
		comparison->nr_cycles++;
	}
	return cycle;
}

/* NULL when there are too many names: only a hostile line has so many. */
static struct comparison_field *field_of(struct comparison_result *result, const char *name)
{
	struct comparison_field *field = result->fields;

	for (; field < result->fields + result->nr_fields; field++) {
		if (strcmp(field->name, name) == 0)
			return field;
	}
	if (result->nr_fields == COMPARISON_FIELDS_MAX)
		return NULL;
	result->nr_fields++;
	snprintf(field->name, sizeof(field->name), "%s", name);
	return field;
}

static void count_field(struct comparison_result *result, const char *name, enum trace_field_state state,
			struct comparison_difference *difference)
{
	struct comparison_field *field = field_of(result, name);

	if (field) {
		field->equal += state == FIELD_EQUAL;
		field->differing += state == FIELD_DIFFERING;
		field->missing += state == FIELD_MISSING;
		field->moved += state == FIELD_MOVED;
	}
	if (difference && state != FIELD_EQUAL && difference->nr_fields < TRACE_FIELDS_MAX)
		snprintf(difference->fields[difference->nr_fields++], sizeof(difference->fields[0]), "%s", name);
}

static const struct open_line *next_of_side(const struct open_line *line, enum side side)
{
	while (line && line->side != side)
		line = line->next;
	return line;
}

/* Does a further reading have the field as printed (NULL: not at all)? */
static bool read_again(const struct open_line *line, const char *name, const struct trace_field *printed)
{
	struct trace_field again[TRACE_FIELDS_MAX];

	for (line = next_of_side(line, SIDE_REREAD); line; line = next_of_side(line->next, SIDE_REREAD)) {
		int nr_again = trace_line_split(line->text, again);
		const struct trace_field *field = nr_again < 0 ? NULL : trace_field_find(again, nr_again, name);

		if (nr_again >= 0 &&
		    (printed && field ? trace_field_compare(printed, field) == FIELD_EQUAL : printed == field))
			return true;
	}
	return false;
}

/* Two lines of one cycle, and the further readings among @lines. */
struct pair {
	const char *gctap, *runtime;
	const struct open_line *lines;
};

/*
 * Counts all fields of two lines of the same cycle; names of those that are
 * not equal go to @difference. NULL: the lines are known to be equal. Returns
 * whether all that is not equal has moved: a further reading has it as printed.
 */
static bool compare_fields(struct comparison_result *result, const struct pair *pair,
			   struct comparison_difference *difference)
{
	struct trace_field mine[TRACE_FIELDS_MAX], other[TRACE_FIELDS_MAX];
	int nr_mine = trace_line_split(pair->gctap, mine), nr_other = trace_line_split(pair->runtime, other);
	unsigned moved = 0;
	bool forced = nr_other >= 0 && trace_field_find(other, nr_other, "forced");

	result->forced += forced;
	if (nr_mine < 0 || nr_other < 0) {
		count_field(result, "text", FIELD_DIFFERING, difference);
		return false;
	}
	for (int i = 0; i < nr_other; i++) {
		enum trace_field_state state =
			trace_field_compare(&other[i], trace_field_find(mine, nr_mine, other[i].name));

		if (state == FIELD_DIFFERING && read_again(pair->lines, other[i].name, &other[i]))
			state = FIELD_MOVED;
		moved += state == FIELD_MOVED;
		count_field(result, other[i].name, state, difference);
	}
	for (int i = 0; i < nr_mine; i++) {
		enum trace_field_state state = trace_field_compare(&mine[i], NULL);

		if (trace_field_find(other, nr_other, mine[i].name))
			continue;
		if (state == FIELD_DIFFERING && read_again(pair->lines, mine[i].name, NULL))
			state = FIELD_MOVED;
		moved += state == FIELD_MOVED;
		count_field(result, mine[i].name, state, difference);
	}
	/* Both sides agree as well that a cycle was not forced. */
	if (!forced && !trace_field_find(mine, nr_mine, "forced"))
		count_field(result, "forced", FIELD_EQUAL, NULL);
	if (difference && !difference->nr_fields)
		count_field(result, "text", FIELD_DIFFERING, difference);
	return difference && moved == difference->nr_fields;
}

/* Takes a line of @side that is equal out of those that are open. */
static struct open_line *take_equal(struct cycle *cycle, enum side side, const char *text)
{
	struct open_line **link = &cycle->open, *line;

	while ((line = *link) && (line->side != side || strcmp(line->text, text) != 0))
		link = &line->next;
	if (line)
		*link = line->next;
	return line;
}

static int keep_open(struct cycle *cycle, enum side side, const char *text)
{
	size_t length = strlen(text);
	struct open_line *line = calloc(1, sizeof(*line) + length + 1), **link = &cycle->open;

	if (!line)
		return -ENOMEM;
	line->side = side;
	memcpy(line->text, text, length);
	while (*link)
		link = &(*link)->next;
	*link = line;
	return 0;
}

static int add_line(struct comparison *comparison, enum side side, struct cycle *cycle, const char *text)
{
	enum side other = side == SIDE_GCTAP ? SIDE_RUNTIME : SIDE_GCTAP;
	struct open_line *equal = take_equal(cycle, other, text);

	if (!equal)
		return keep_open(cycle, side, text);
	free(equal);
	cycle->settled = true;
	comparison->result.equal++;
	compare_fields(&comparison->result, &(struct pair){ text, text, NULL }, NULL);
	return 0;
}

int comparison_add_gctap(struct comparison *comparison, uint32_t cycle_number, const char *text)
{
	struct cycle *cycle = cycle_of(comparison, cycle_number);

	return cycle ? add_line(comparison, SIDE_GCTAP, cycle, text) : -ENOMEM;
}

int comparison_add_reread(struct comparison *comparison, uint32_t cycle_number, const char *text)
{
	struct cycle *cycle = cycle_of(comparison, cycle_number);

	if (!cycle)
		return -ENOMEM;
	return cycle->settled ? 0 : keep_open(cycle, SIDE_REREAD, text);
}

int comparison_add_runtime(struct comparison *comparison, const struct trace_line *line)
{
	struct cycle *cycle = cycle_of(comparison, line->cycle);

	if (!cycle)
		return -ENOMEM;
	if (line->kind != TRACE_LINE_TRUNCATED &&
	    (!comparison->any_runtime || line->cycle > comparison->last_runtime)) {
		comparison->any_runtime = true;
		comparison->last_runtime = line->cycle;
	}
	switch (line->kind) {
	case TRACE_LINE_TORN:
		comparison->result.torn++;
		cycle->torn = true;
		comparison->unread += !line->cycle_read;
		cycle->seen_by_runtime |= line->cycle_read;
		return 0;
	case TRACE_LINE_TRUNCATED:
		cycle->truncated = true;
		cycle->seen_by_runtime |= line->cycle_read;
		return 0;
	default: return add_line(comparison, SIDE_RUNTIME, cycle, line->text);
	}
}

/* Where to tell more of a difference; when the list is full, a place that nobody reads. */
static struct comparison_difference *new_difference(struct comparison *comparison, uint32_t cycle, const char *gctap,
						    const char *runtime)
{
	struct comparison_result *result = &comparison->result;
	struct comparison_difference *difference = &comparison->unlisted;

	if (result->nr_differences < COMPARISON_DIFFERENCES_MAX)
		difference = &result->differences[result->nr_differences++];
	else
		result->unlisted++;
	difference->cycle = cycle;
	difference->gctap = gctap;
	difference->runtime = runtime;
	difference->nr_fields = 0;
	difference->moved = false;
	return difference;
}

/* A line of gctap that the runtime has no whole line for. */
static void settle_gctap_line(struct comparison *comparison, const struct cycle *cycle, const char *text)
{
	struct comparison_result *result = &comparison->result;
	bool at_end = !comparison->any_runtime || cycle->number > comparison->last_runtime;

	if (!cycle->settled && cycle->torn) {
		result->torn_away++;
		return;
	}
	if (!cycle->settled && (at_end || cycle->truncated)) {
		result->lost_at_exit++;
		return;
	}
	if (!cycle->settled && comparison->unread) {
		comparison->unread--;
		result->torn_away++;
		return;
	}
	result->only_gctap++;
	new_difference(comparison, cycle->number, text, NULL);
}

static void settle_runtime_only(struct comparison *comparison, const struct cycle *cycle, const char *text)
{
	comparison->result.only_runtime++;
	new_difference(comparison, cycle->number, NULL, text);
}

static void settle_cycle(struct comparison *comparison, struct cycle *cycle)
{
	struct comparison_result *result = &comparison->result;
	const struct open_line *gctap = next_of_side(cycle->open, SIDE_GCTAP);
	const struct open_line *runtime = next_of_side(cycle->open, SIDE_RUNTIME);
	bool in_gctap = cycle->settled || gctap;

	if (gctap && runtime) {
		struct comparison_difference *difference =
			new_difference(comparison, cycle->number, gctap->text, runtime->text);

		difference->moved =
			compare_fields(result, &(struct pair){ gctap->text, runtime->text, cycle->open }, difference);
		result->moved += difference->moved;
		result->differing += !difference->moved;
		cycle->settled = true;
		gctap = next_of_side(gctap->next, SIDE_GCTAP);
		runtime = next_of_side(runtime->next, SIDE_RUNTIME);
	}
	for (; gctap; gctap = next_of_side(gctap->next, SIDE_GCTAP)) {
		settle_gctap_line(comparison, cycle, gctap->text);
		cycle->settled = true;
	}
	if (!in_gctap && (runtime || cycle->seen_by_runtime)) {
		settle_runtime_only(comparison, cycle, runtime ? runtime->text : NULL);
		runtime = runtime ? next_of_side(runtime->next, SIDE_RUNTIME) : NULL;
	}
	for (; runtime; runtime = next_of_side(runtime->next, SIDE_RUNTIME))
		result->repeated++;
}

static int by_number(const void *a, const void *b)
{
	uint32_t first = ((const struct cycle *)a)->number;
	uint32_t second = ((const struct cycle *)b)->number;

	return (first > second) - (first < second);
}

/* Moves the used slots to the front, by number. Lookups are over. */
static void sort_cycles(struct comparison *comparison)
{
	size_t nr_used = 0;

	for (size_t i = 0; i < comparison->nr_slots; i++) {
		if (comparison->cycles[i].used)
			comparison->cycles[nr_used++] = comparison->cycles[i];
	}
	comparison->nr_slots = nr_used;
	qsort(comparison->cycles, nr_used, sizeof(*comparison->cycles), by_number);
}

const struct comparison_result *comparison_finish(struct comparison *comparison)
{
	struct comparison_result *result = &comparison->result;

	sort_cycles(comparison);
	for (size_t i = 0; i < comparison->nr_slots; i++)
		settle_cycle(comparison, &comparison->cycles[i]);
	result->compared = result->equal + result->moved + result->differing;
	if (!result->compared)
		result->verdict = COMPARISON_NOTHING;
	else if (result->differing || result->only_gctap || result->only_runtime)
		result->verdict = COMPARISON_DIFFERENT;
	else
		result->verdict = COMPARISON_EQUAL;
	return result;
}
