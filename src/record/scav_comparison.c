// SPDX-License-Identifier: BSD-2-Clause
/*
 * scav_comparison: joins two sequences of lines, of forced ones and of others.
 * Lines wait in queues until both sides have come so far that their place is
 * clear; equal ones at the heads of both are forgotten at once.
 */
#include "gctap/scav_comparison.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scav_alignment.h"
#include "trace_field.h"

/* So many lines of the other kind may have been printed behind one that was lost at exit. */
#define OVERTAKING_MAX 2

/* What one step of the scavenger releases at most (scavengeQuantum in runtime/mgcscavenge.go). */
#define STEP_KIB 64

/* A torn line of the runtime. Its kind is unknown, so that it waits in both sequences. */
struct torn {
	struct torn *next;
	unsigned waiting; /* in how many sequences */
	bool taken;	  /* gctap's line in its place is known */
	bool truncated;
	uint64_t number;
	char text[];
};

struct line {
	struct line *next;
	struct torn *torn;
	struct scav_look look;
	char text[];
};

struct queue {
	struct line *first, *last;
	size_t count;
};

struct sequence {
	struct queue gctap, runtime;
	int64_t offset; /* by how much the number of gctap's last line was ahead of the runtime's */
	/* gctap's last lines of this kind that the runtime has printed, the last one first. */
	uint64_t printed[OVERTAKING_MAX + 1];
};

enum { KIND_OTHER, KIND_FORCED, NR_KINDS };

struct scav_comparison {
	struct scav_comparison_result result;
	struct scav_comparison_difference unlisted;
	struct sequence sequences[NR_KINDS];
	uint64_t nr_gctap, nr_runtime;
	struct queue alone[NR_KINDS]; /* gctap's lines that the runtime has none for */
	struct torn *untaken;	      /* that wait in no sequence, and could be in the place of these */
	struct queue shown;	      /* lines that differences point to */
	struct torn *shown_torn;
};

struct scav_comparison *scav_comparison_new(void)
{
	return calloc(1, sizeof(struct scav_comparison));
}

static void append(struct queue *queue, struct line *line)
{
	line->next = NULL;
	if (queue->last)
		queue->last->next = line;
	else
		queue->first = line;
	queue->last = line;
	queue->count++;
}

static struct line *take_first(struct queue *queue)
{
	struct line *line = queue->first;

	queue->first = line->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	return line;
}

static void free_torn(struct torn *torn)
{
	while (torn) {
		struct torn *next = torn->next;

		free(torn);
		torn = next;
	}
}

static void free_queue(struct queue *queue)
{
	while (queue->first) {
		struct line *line = take_first(queue);

		if (line->torn && --line->torn->waiting == 0)
			free(line->torn);
		free(line);
	}
}

void scav_comparison_free(struct scav_comparison *comparison)
{
	if (!comparison)
		return;
	for (int kind = 0; kind < NR_KINDS; kind++) {
		free_queue(&comparison->sequences[kind].gctap);
		free_queue(&comparison->sequences[kind].runtime);
		free_queue(&comparison->alone[kind]);
	}
	free_queue(&comparison->shown);
	free_torn(comparison->untaken);
	free_torn(comparison->shown_torn);
	free(comparison);
}

static bool is_work(const char *name)
{
	return strncmp(name, "work", strlen("work")) == 0;
}

/* The unit of what can move; NULL for a field that must be equal. */
static const char *unit_of(const char *name)
{
	if (strcmp(name, "released_now") == 0 || is_work(name))
		return "KiB";
	if (strcmp(name, "utilization") == 0)
		return "percentage points";
	return NULL;
}

/* NULL when there are too many names: only a hostile line has so many. */
static struct scav_comparison_field *field_of(struct scav_comparison_result *result, const char *name)
{
	struct scav_comparison_field *field = result->fields;

	for (; field < result->fields + result->nr_fields; field++) {
		if (strcmp(field->name, name) == 0)
			return field;
	}
	if (result->nr_fields == SCAV_COMPARISON_FIELDS_MAX)
		return NULL;
	result->nr_fields++;
	snprintf(field->name, sizeof(field->name), "%s", name);
	field->unit = unit_of(name);
	return field;
}

/* Where the fields that are not equal are told; NULL: nowhere. */
static void count_field(struct scav_comparison_result *result, const char *name, enum trace_field_state state,
			struct scav_comparison_difference *difference)
{
	struct scav_comparison_field *field = field_of(result, name);

	if (field) {
		field->equal += state == FIELD_EQUAL;
		field->differing += state == FIELD_DIFFERING;
		field->missing += state == FIELD_MISSING;
		field->moved += state == FIELD_MOVED;
	}
	if ((state == FIELD_DIFFERING || state == FIELD_MISSING) && difference->nr_fields < TRACE_FIELDS_MAX)
		snprintf(difference->fields[difference->nr_fields++], sizeof(difference->fields[0]), "%s", name);
}

static long long number_of(const struct trace_field *field)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%.*s", (int)field->length, field->text);
	return strtoll(digits, NULL, 10);
}

static void count_distance(struct scav_comparison_result *result, const struct trace_field *one,
			   const struct trace_field *other)
{
	struct scav_comparison_field *field = field_of(result, one->name);
	long long a = number_of(one), b = number_of(other);
	uint64_t distance = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;

	if (field && distance > field->largest_distance)
		field->largest_distance = distance;
}

/*
 * The runtime takes a lock between the branch at which gctap reads and its own read. A step of the scavenger that comes
 * in between is in its line alone; gctap's next line has it as little as the runtime's, which has taken it off the sum.
 */
static bool can_have_moved(const struct trace_field *runtime, const struct trace_field *gctap)
{
	long long least, most;

	if (!unit_of(runtime->name))
		return false;
	if (!is_work(runtime->name))
		return true;
	least = number_of(gctap);
	most = number_of(runtime);
	return most > least && (unsigned long long)most - (unsigned long long)least <= STEP_KIB;
}

/* Counts all fields of two lines. Returns whether any has moved. */
static bool compare_fields(struct scav_comparison_result *result, const char *gctap, const char *runtime,
			   struct scav_comparison_difference *difference)
{
	struct trace_field mine[TRACE_FIELDS_MAX], others[TRACE_FIELDS_MAX];
	int nr_mine = scav_line_split(gctap, mine), nr_others = scav_line_split(runtime, others);
	bool any_moved = false;

	if (nr_mine < 0 || nr_others < 0) {
		count_field(result, "text", FIELD_DIFFERING, difference);
		return false;
	}
	result->forced += trace_field_find(others, nr_others, "forced") != NULL;
	result->controller_reset += trace_field_find(others, nr_others, "controller_reset") != NULL;
	for (int i = 0; i < nr_others; i++) {
		const struct trace_field *field = trace_field_find(mine, nr_mine, others[i].name);
		enum trace_field_state state = trace_field_compare(&others[i], field);

		if (state == FIELD_DIFFERING && can_have_moved(&others[i], field)) {
			state = FIELD_MOVED;
			any_moved = true;
		}
		count_field(result, others[i].name, state, difference);
		if (state == FIELD_MOVED)
			count_distance(result, &others[i], field);
	}
	for (int i = 0; i < nr_mine; i++) {
		if (!trace_field_find(others, nr_others, mine[i].name))
			count_field(result, mine[i].name, trace_field_compare(&mine[i], NULL), difference);
	}
	if (!any_moved && !difference->nr_fields && strcmp(gctap, runtime) != 0)
		count_field(result, "text", FIELD_DIFFERING, difference);
	return any_moved;
}

/* Where to tell more of a difference; when the list is full, a place that nobody reads. */
static struct scav_comparison_difference *new_difference(struct scav_comparison *comparison)
{
	struct scav_comparison_result *result = &comparison->result;

	if (result->nr_differences < SCAV_COMPARISON_DIFFERENCES_MAX)
		return &result->differences[result->nr_differences++];
	result->unlisted++;
	return &comparison->unlisted;
}

/* Keeps a line that a difference shows; frees it where none does. */
static void keep_shown(struct scav_comparison *comparison, const struct scav_comparison_difference *difference,
		       struct line *line)
{
	if (difference == &comparison->unlisted)
		free(line);
	else
		append(&comparison->shown, line);
}

static void show_gctap(struct scav_comparison *comparison, struct scav_comparison_difference *difference,
		       struct line *line)
{
	difference->gctap_line = line->look.number;
	difference->gctap = line->text;
	keep_shown(comparison, difference, line);
}

static void show_runtime(struct scav_comparison *comparison, struct scav_comparison_difference *difference,
			 struct line *line)
{
	difference->runtime_line = line->look.number;
	difference->runtime = line->text;
	keep_shown(comparison, difference, line);
}

/* The heads of both queues are the same line. */
static void note_printed(struct sequence *sequence)
{
	uint64_t number = sequence->gctap.first->look.number;

	sequence->offset = (int64_t)(number - sequence->runtime.first->look.number);
	memmove(sequence->printed + 1, sequence->printed, sizeof(sequence->printed) - sizeof(sequence->printed[0]));
	sequence->printed[0] = number;
}

/* The same line on both sides. */
static void settle_pair(struct scav_comparison *comparison, struct sequence *sequence)
{
	struct scav_comparison_result *result = &comparison->result;
	struct scav_comparison_difference found = { 0 }, *difference;
	struct line *gctap, *runtime;
	bool any_moved;

	note_printed(sequence);
	gctap = take_first(&sequence->gctap);
	runtime = take_first(&sequence->runtime);
	any_moved = compare_fields(result, gctap->text, runtime->text, &found);
	if (found.nr_fields) {
		result->differing++;
		difference = new_difference(comparison);
		*difference = found;
		show_gctap(comparison, difference, gctap);
		show_runtime(comparison, difference, runtime);
		return;
	}
	result->moved += any_moved;
	result->equal += !any_moved;
	free(gctap);
	free(runtime);
}

/* The line that a torn one was. */
static void take_torn(struct scav_comparison *comparison, struct torn *torn)
{
	torn->taken = true;
	comparison->result.lost_at_exit += torn->truncated;
	comparison->result.torn_away += !torn->truncated;
}

/* The runtime's first line is a torn one: this sequence is past it. */
static void pass_torn(struct scav_comparison *comparison, struct sequence *sequence)
{
	struct line *line = take_first(&sequence->runtime);
	struct torn *torn = line->torn;

	free(line);
	if (--torn->waiting)
		return;
	if (torn->taken) {
		free(torn);
		return;
	}
	torn->next = comparison->untaken;
	comparison->untaken = torn;
}

static void settle_torn_away(struct scav_comparison *comparison, struct sequence *sequence)
{
	note_printed(sequence);
	free(take_first(&sequence->gctap));
	take_torn(comparison, sequence->runtime.first->torn);
	pass_torn(comparison, sequence);
}

static void settle_runtime_alone(struct scav_comparison *comparison, struct sequence *sequence)
{
	struct scav_comparison_difference *difference;

	if (sequence->runtime.first->torn) {
		pass_torn(comparison, sequence);
		return;
	}
	comparison->result.only_runtime++;
	difference = new_difference(comparison);
	show_runtime(comparison, difference, take_first(&sequence->runtime));
}

/* A torn line that was one of the other sequence. */
static bool is_past(const struct line *line)
{
	return line && line->torn && line->torn->taken;
}

static void look_ahead(const struct queue *queue, bool ended, struct scav_window *window)
{
	const struct line *line = queue->first;

	for (window->count = 0; line && window->count < SCAV_WINDOW; line = line->next) {
		if (!is_past(line))
			window->lines[window->count++] = line->look;
	}
	window->ends = ended && !line;
}

static bool heads_are_equal(const struct sequence *sequence)
{
	const struct line *gctap = sequence->gctap.first, *runtime = sequence->runtime.first;

	return gctap && runtime && !runtime->torn && strcmp(gctap->text, runtime->text) == 0;
}

/* What becomes of the heads, of which there is at least one. */
static enum scav_step next_step(const struct sequence *sequence, bool ended)
{
	struct scav_window gctap, runtime;

	if (!sequence->gctap.first)
		return SCAV_STEP_RUNTIME_ALONE;
	if (!sequence->runtime.first)
		return SCAV_STEP_GCTAP_ALONE;
	look_ahead(&sequence->gctap, ended, &gctap);
	look_ahead(&sequence->runtime, ended, &runtime);
	return scav_alignment_first(&gctap, &runtime, sequence->offset);
}

/* Joins what can be joined now; all there is when both sides have @ended. */
static void settle(struct scav_comparison *comparison, int kind, bool ended)
{
	struct sequence *sequence = &comparison->sequences[kind];

	for (;;) {
		while (is_past(sequence->runtime.first))
			pass_torn(comparison, sequence);
		if (heads_are_equal(sequence)) {
			settle_pair(comparison, sequence);
			continue;
		}
		if (!sequence->gctap.first && !sequence->runtime.first)
			return;
		if (!ended && (sequence->gctap.count < SCAV_WINDOW || sequence->runtime.count < SCAV_WINDOW))
			return;
		switch (next_step(sequence, ended)) {
		case SCAV_STEP_PAIR: settle_pair(comparison, sequence); break;
		case SCAV_STEP_TORN_AWAY: settle_torn_away(comparison, sequence); break;
		case SCAV_STEP_RUNTIME_ALONE: settle_runtime_alone(comparison, sequence); break;
		case SCAV_STEP_GCTAP_ALONE: append(&comparison->alone[kind], take_first(&sequence->gctap)); break;
		}
	}
}

/* FNV-1a, one field behind the other. */
static void mix(uint64_t *hash, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
}

static void look_at(const char *text, struct scav_look *look, int *kind)
{
	struct trace_field fields[TRACE_FIELDS_MAX];
	int nr_fields = scav_line_split(text, fields);

	for (int i = 0; i < nr_fields; i++) {
		bool released = strcmp(fields[i].name, "released_now") == 0;
		bool utilization = strcmp(fields[i].name, "utilization") == 0;
		uint64_t *hash = released ? &look->released_now : utilization ? &look->utilization : &look->work;

		mix(hash, fields[i].name, strlen(fields[i].name) + 1);
		mix(hash, fields[i].text, fields[i].length);
	}
	if (nr_fields < 0)
		mix(&look->work, text, strlen(text) + 1);
	*kind = nr_fields > 0 && trace_field_find(fields, nr_fields, "forced") ? KIND_FORCED : KIND_OTHER;
}

static struct line *new_line(const char *text, uint64_t number, int *kind)
{
	size_t length = strlen(text);
	struct line *line = calloc(1, sizeof(*line) + length + 1);

	if (!line)
		return NULL;
	line->look.number = number;
	memcpy(line->text, text, length);
	look_at(text, &line->look, kind);
	return line;
}

int scav_comparison_add_gctap(struct scav_comparison *comparison, const char *text)
{
	int kind;
	struct line *line = new_line(text, comparison->nr_gctap + 1, &kind);

	if (!line)
		return -ENOMEM;
	comparison->nr_gctap++;
	append(&comparison->sequences[kind].gctap, line);
	settle(comparison, kind, false);
	return 0;
}

static struct torn *new_torn(const struct scav_line *line, uint64_t number)
{
	size_t length = strlen(line->text);
	struct torn *torn = calloc(1, sizeof(*torn) + length + 1);

	if (!torn)
		return NULL;
	torn->truncated = line->kind == SCAV_LINE_TRUNCATED;
	torn->number = number;
	memcpy(torn->text, line->text, length);
	return torn;
}

static int add_torn(struct scav_comparison *comparison, const struct scav_line *line)
{
	struct torn *torn = new_torn(line, comparison->nr_runtime + 1);
	struct line *places[NR_KINDS];

	for (int kind = 0; kind < NR_KINDS; kind++)
		places[kind] = calloc(1, sizeof(*places[kind]) + 1);
	if (!torn || !places[KIND_OTHER] || !places[KIND_FORCED]) {
		free(places[KIND_OTHER]);
		free(places[KIND_FORCED]);
		free(torn);
		return -ENOMEM;
	}
	comparison->nr_runtime++;
	comparison->result.torn += !torn->truncated;
	torn->waiting = NR_KINDS;
	for (int kind = 0; kind < NR_KINDS; kind++) {
		places[kind]->torn = torn;
		places[kind]->look.torn = true;
		places[kind]->look.number = torn->number;
		append(&comparison->sequences[kind].runtime, places[kind]);
	}
	for (int kind = 0; kind < NR_KINDS; kind++)
		settle(comparison, kind, false);
	return 0;
}

int scav_comparison_add_runtime(struct scav_comparison *comparison, const struct scav_line *line)
{
	struct line *added;
	int kind;

	if (line->kind != SCAV_LINE_WHOLE)
		return add_torn(comparison, line);
	added = new_line(line->text, comparison->nr_runtime + 1, &kind);
	if (!added)
		return -ENOMEM;
	comparison->nr_runtime++;
	append(&comparison->sequences[kind].runtime, added);
	settle(comparison, kind, false);
	return 0;
}

/* Can the program have ended before the runtime printed this line of gctap's? */
static bool is_trailing(const struct scav_comparison *comparison, int kind, const struct line *line)
{
	return line->look.number > comparison->sequences[kind].printed[0] &&
	       line->look.number > comparison->sequences[!kind].printed[OVERTAKING_MAX];
}

/* One that a line of gctap's can have been; NULL: none. */
static struct torn *find_untaken(struct scav_comparison *comparison, bool trailing)
{
	struct torn **link = &comparison->untaken, *torn;

	while ((torn = *link) && torn->truncated && !trailing)
		link = &torn->next;
	if (torn)
		*link = torn->next;
	return torn;
}

/* A line that the runtime has none for; a torn line whose place was not clear was this one. */
static void settle_gctap_alone(struct scav_comparison *comparison, struct line *line, bool trailing)
{
	struct torn *torn = find_untaken(comparison, trailing);

	if (torn) {
		take_torn(comparison, torn);
		free(torn);
	} else if (trailing) {
		comparison->result.lost_at_exit++;
	} else {
		comparison->result.only_gctap++;
		show_gctap(comparison, new_difference(comparison), line);
		return;
	}
	free(line);
}

static void settle_all_alone(struct scav_comparison *comparison)
{
	struct queue trailing = { 0 };

	for (int kind = 0; kind < NR_KINDS; kind++) {
		while (comparison->alone[kind].first) {
			struct line *line = take_first(&comparison->alone[kind]);

			/* What has another excuse takes no torn line from one that has not. */
			if (is_trailing(comparison, kind, line))
				append(&trailing, line);
			else
				settle_gctap_alone(comparison, line, false);
		}
	}
	while (trailing.first)
		settle_gctap_alone(comparison, take_first(&trailing), true);
}

/* Torn lines that no line of gctap's is left for. */
static void settle_untaken(struct scav_comparison *comparison)
{
	while (comparison->untaken) {
		struct torn *torn = comparison->untaken;
		struct scav_comparison_difference *difference;

		comparison->untaken = torn->next;
		/* A program whose last words are "scav ". */
		if (torn->truncated && strcmp(torn->text, "scav ") == 0) {
			free(torn);
			continue;
		}
		comparison->result.only_runtime++;
		difference = new_difference(comparison);
		difference->runtime_line = torn->number;
		difference->runtime = torn->text;
		torn->next = comparison->shown_torn;
		comparison->shown_torn = torn;
	}
}

/* It is a matter of microseconds: where it is no exception, it is something else. Returns whether any does. */
static bool mark_what_moves_too_often(struct scav_comparison_result *result)
{
	bool any = false;

	for (size_t i = 0; i < result->nr_fields; i++) {
		struct scav_comparison_field *field = &result->fields[i];

		field->moved_too_often = is_work(field->name) && field->moved > 1 + field->equal / 10;
		any |= field->moved_too_often;
	}
	return any;
}

const struct scav_comparison_result *scav_comparison_finish(struct scav_comparison *comparison)
{
	struct scav_comparison_result *result = &comparison->result;
	bool too_often;

	for (int kind = 0; kind < NR_KINDS; kind++)
		settle(comparison, kind, true);
	settle_all_alone(comparison);
	settle_untaken(comparison);
	too_often = mark_what_moves_too_often(result);
	result->compared = result->equal + result->moved + result->differing;
	if (!result->compared)
		result->verdict = COMPARISON_NOTHING;
	else if (result->differing || result->only_gctap || result->only_runtime || too_often)
		result->verdict = COMPARISON_DIFFERENT;
	else
		result->verdict = COMPARISON_EQUAL;
	return result;
}
