// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as events of one process at the scavtrace lines, one after the other: records that agree with themselves.
 */
#include "../unit/scavenge_builder.h"
#include "fuzz.h"

#include <stdio.h>

#include "gctap/scavenge.h"

#define EVENTS_MAX 8u

static struct recipe *recipes[SCAVENGE_VERSIONS][2];
static struct scavenge_layout layouts[SCAVENGE_VERSIONS][2];

static void prepare(void)
{
	for (unsigned i = 0; i < SCAVENGE_VERSIONS; i++)
		for (unsigned forced = 0; forced < 2; forced++) {
			recipes[i][forced] = scavenge_recipe(i, forced);
			require(!scavenge_layout_learn(recipes[i][forced], forced, &layouts[i][forced], NULL));
		}
}

static const struct value *value_of(const struct scavenge *scavenge, const char *field)
{
	return &scavenge->shown.record.values[record_field_index(&record_scavenge, field)];
}

static bool in_unknown_list(const struct scavenge *scavenge, const char *field)
{
	for (unsigned i = 0; i < scavenge->shown.unknown; i++)
		if (!strcmp(scavenge->shown.unknown_list[i], field))
			return true;
	return false;
}

/* What the line has a place for is either known or told to be unknown. */
static void check_fields(const struct scavenge *scavenge, const struct scavenge_layout *layout)
{
	const struct line_record *shown = &scavenge->shown;
	bool known[RECORD_FIELDS_MAX] = { false };

	for (unsigned i = 0; i < RECIPE_ITEMS_MAX; i++) {
		int field = layout->line.fields[i];

		if (field < 0 || known[field])
			continue;
		known[field] = true;
		/* All that the line is about has more than one source. */
		if (strcmp(record_scavenge.fields[field].name, "released_bytes") != 0)
			require(shown->record.values[field].known !=
				in_unknown_list(scavenge, record_scavenge.fields[field].name));
	}
	for (unsigned i = 0; i <= shown->unknown; i++)
		require(!shown->unknown_list[i] == (i == shown->unknown));
	require(!shown->other_list[0]);
}

static void check_numbers(const struct scavenge *scavenge, bool forced)
{
	const struct value *released = value_of(scavenge, "released_bytes");
	const struct value *background = value_of(scavenge, "released_background_bytes");
	const struct value *eager = value_of(scavenge, "released_eager_bytes");

	require(value_of(scavenge, "forced")->known && value_of(scavenge, "forced")->truth == forced);
	if (forced)
		require(!background->known && !eager->known);
	else if (background->known && released->known)
		require(released->u == background->u + (eager->known ? eager->u : 0));
	else
		require(!released->known);
	if (value_of(scavenge, "heap_free_bytes")->known)
		require(value_of(scavenge, "heap_in_use_bytes")->known);
}

/* Not read: no number. The switch decides whether counters are differences. */
static void check_text(const struct scavenge *scavenge)
{
	const char *line = scavenge->shown.line;
	unsigned marks = 0;

	require(strlen(line) < sizeof(scavenge->shown.line) && !strncmp(line, "scav ", 5));
	require(!strchr(line, '\n') && strstr(line, "% util"));
	for (; *line; line++)
		marks += *line == '?';
	/* A remark that is unknown is left out; the sum of a sweep's work is not shown as such. */
	require(marks == scavenge->shown.unknown - in_unknown_list(scavenge, "controller_reset") -
				 (!value_of(scavenge, "forced")->truth && in_unknown_list(scavenge, "released_bytes")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gctap_event event;
	static struct scavenge scavenge;
	struct input input = { data, size };
	unsigned choice = (unsigned)input_take(&input, 1), version = choice % SCAVENGE_VERSIONS;
	struct scavenge_counters counters = { .known = choice & 0x40 };

	if (!recipes[0][0])
		prepare();
	for (unsigned i = 0; i < EVENTS_MAX && input.size; i++) {
		/* Forced lines come between the others, and are none of their business. */
		unsigned forced = (unsigned)input_take(&input, 1) & 1;
		const struct recipe *recipe = recipes[version][forced];
		size_t taken = GCTAP_EVENT_HEADER_BYTES + recipe->payload_bytes;
		struct scavenge_counters before = counters;

		memset(&event, 0, sizeof(event));
		if (taken > input.size)
			taken = input.size;
		memcpy(&event, input.data, taken);
		input.data += taken;
		input.size -= taken;
		/* The kernel side writes no more than there is, and ends the name. */
		event.comm[GCTAP_COMM_LENGTH - 1] = '\0';
		event.payload_bytes %= GCTAP_PAYLOAD_MAX + 1;
		scavenge_decode(recipe, &layouts[version][forced], &event,
				&(struct line_clock){ 4096, (int64_t)event.start_ns }, &counters, &scavenge);
		check_fields(&scavenge, &layouts[version][forced]);
		check_numbers(&scavenge, forced);
		check_text(&scavenge);
		require(!before.known || counters.known);
		if (forced || !recipe->cumulative)
			require(!memcmp(&before, &counters, sizeof(counters)));
	}
	return 0;
}
