// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as an event of the kernel side: the record, and every output of it. */
#include "../unit/recipe_builder.h"
#include "fuzz.h"

#include <stdio.h>

#include "gctap/gc_cycle.h"
#include "gctap/trace_line.h"

static struct recipe *recipes[2];
static struct gc_layout layouts[2];

static void prepare(void)
{
	for (unsigned i = 0; i < 2; i++) {
		recipes[i] = recipe_go127(i);
		require(!gc_layout_learn(recipes[i], &layouts[i], NULL));
	}
}

/* The line has a form, whatever the numbers are. */
static void check_line(const struct gc_cycle *cycle)
{
	struct trace_field fields[TRACE_FIELDS_MAX];

	require(strlen(cycle->shown.line) < sizeof(cycle->shown.line) && !strncmp(cycle->shown.line, "gc ", 3));
	if (cycle->cycle_known)
		require(trace_line_split(cycle->shown.line, fields) > 15);
}

static void check_record(const struct gc_cycle *cycle)
{
	const struct record *record = &cycle->shown.record;

	require(record->type == &record_gc_cycle);
	for (size_t i = 0; i < record->type->nr_fields; i++)
		if (record->values[i].known && record->type->fields[i].type == VALUE_TEXT)
			require(strlen(record->values[i].text) < RECIPE_LINE_MAX);
	for (unsigned i = 0; i <= cycle->shown.unknown; i++)
		require(!cycle->shown.unknown_list[i] == (i == cycle->shown.unknown));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gctap_event event;
	static struct gc_cycle cycle;
	struct input input = { data, size };
	unsigned which = (unsigned)input_take(&input, 1) & 1;

	if (!recipes[0])
		prepare();
	memset(&event, 0, sizeof(event));
	memcpy(&event, input.data, input.size < sizeof(event) ? input.size : sizeof(event));
	/* The kernel side writes no more than there is, and ends the name. */
	event.comm[GCTAP_COMM_LENGTH - 1] = '\0';
	event.payload_bytes %= GCTAP_PAYLOAD_MAX + 1;
	gc_cycle_decode(recipes[which], &layouts[which], &event, &(struct line_clock){ 4096, (int64_t)event.start_ns },
			&cycle);
	check_record(&cycle);
	check_line(&cycle);
	return 0;
}
