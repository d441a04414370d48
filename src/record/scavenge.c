// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/scavenge.h"

#include <errno.h>
#include <string.h>

static const struct line_word sweep_words[] = {
	{ NULL, " KiB work (bg)", "released_background_bytes" },
	{ NULL, " KiB work (eager)", "released_eager_bytes" },
	{ NULL, " KiB work,", "released_background_bytes" }, /* up to 1.20 the only work there is */
	{ NULL, " KiB total", "heap_released_bytes" },
	{ NULL, " KiB now", "heap_released_bytes" },
	{ NULL, "% util", "utilization_percent" },
	{ "scav ", " ", "generation" },
	{ NULL, NULL, NULL },
};

/* The forced line shows its own work where there is room for it. */
static const struct line_word forced_words[] = {
	{ NULL, " KiB work", "released_bytes" },
	{ NULL, " KiB total", "heap_released_bytes" },
	{ NULL, " KiB now", "heap_released_bytes" },
	{ NULL, "% util", "utilization_percent" },
	{ "scav ", " ", "generation" },
	{ NULL, NULL, NULL },
};

static const struct line_row no_rows[] = { { 0 } };

static const struct line_remark remarks[] = {
	{ "(forced)", "forced" },
	{ "[controller reset]", "controller_reset" },
	{ NULL, NULL },
};

static const struct line_form sweep_form = {
	.type = &record_scavenge, .words = sweep_words, .rows = no_rows, .remarks = remarks
};
static const struct line_form forced_form = {
	.type = &record_scavenge, .words = forced_words, .rows = no_rows, .remarks = remarks
};

int scavenge_layout_learn(const struct recipe *recipe, bool forced, struct scavenge_layout *layout,
			  struct failure *failure)
{
	line_layout_learn(recipe, forced ? &forced_form : &sweep_form, &layout->line);
	layout->forced = forced;
	layout->counters[0] =
		line_layout_item(recipe, &layout->line, forced ? "released_bytes" : "released_background_bytes");
	layout->counters[1] = forced ? -ENOENT : line_layout_item(recipe, &layout->line, "released_eager_bytes");
	if (layout->counters[0] < 0) {
		scavenge_layout_clear(layout);
		return failure_set(failure, -EBADMSG, "%s: the line does not say what was released", recipe->function);
	}
	return 0;
}

void scavenge_layout_clear(struct scavenge_layout *layout)
{
	line_layout_clear(&layout->line);
}

/* One counter that the runtime would have reset when it printed the line before. False: it was not read. */
static bool subtract(const struct recipe_item *item, bool base_known, uint64_t *base, struct recipe_value *value)
{
	uint64_t now = value->raw;

	if (!value->known || !value->raw_known)
		return false;
	/* A smaller number counts from a new start. */
	value->raw = now >= *base ? now - *base : now;
	value->value = value->raw >> item->scale_shift;
	value->known = base_known;
	*base = now;
	return true;
}

/* From totals since the program's start to what this line is about. */
static void take_difference(const struct recipe *recipe, const struct scavenge_layout *layout,
			    struct scavenge_counters *counters, struct recipe_values *values)
{
	const struct recipe_number *prints = &values->extras[RECIPE_SWITCH];
	bool all_read = prints->known;

	for (unsigned i = 0; i < SCAVENGE_COUNTERS; i++) {
		int item = layout->counters[i];

		if (item < 0)
			continue;
		if (!prints->known)
			values->items[item].known = false;
		else if ((int32_t)prints->value > 0)
			counters->released[i] = 0;
		else
			all_read &= subtract(&recipe->items[item], counters->known, &counters->released[i],
					     &values->items[item]);
	}
	/* A counter that was never read has no number to subtract. */
	counters->known |= all_read;
}

/* All that the line reports as given back; in versions with two counters their sum. */
static bool set_released(const struct scavenge_layout *layout, const struct recipe_values *values,
			 struct record *record)
{
	uint64_t released = 0;

	for (unsigned i = 0; i < SCAVENGE_COUNTERS; i++) {
		int item = layout->counters[i];

		if (item < 0)
			continue;
		if (!values->items[item].known)
			return false;
		released += values->items[item].raw;
	}
	record_set_unsigned(record, "released_bytes", released);
	return true;
}

/* Beside what is unknown of the line itself. */
static void add_unknown(struct line_record *line, const char *field)
{
	for (unsigned i = 0; i < line->unknown; i++)
		if (!strcmp(line->unknown_list[i], field))
			return;
	if (line->unknown == RECIPE_ITEMS_MAX)
		return;
	line->unknown_list[line->unknown++] = field;
	line->unknown_list[line->unknown] = NULL;
}

static void set_heap(const struct recipe_values *values, struct record *record)
{
	const struct recipe_number *in_use = &values->extras[RECIPE_IN_USE];
	const struct recipe_number *retained = &values->extras[RECIPE_RETAINED];

	if (in_use->known)
		record_set_unsigned(record, "heap_in_use_bytes", in_use->value);
	/* Read one after the other from a running program: a moment can come between. */
	if (in_use->known && retained->known && retained->value >= in_use->value)
		record_set_unsigned(record, "heap_free_bytes", retained->value - in_use->value);
}

void scavenge_decode(const struct recipe *recipe, const struct scavenge_layout *layout, const struct gctap_event *event,
		     const struct line_clock *clock, struct scavenge_counters *counters, struct scavenge *scavenge)
{
	struct line_record *shown = &scavenge->shown;
	const struct recipe_number *prints = &shown->values.extras[RECIPE_SWITCH];

	line_record_read(recipe, event, shown);
	if (recipe->cumulative)
		take_difference(recipe, layout, counters, &shown->values);
	line_record_write(recipe, &layout->line, event, clock, shown);
	if (!set_released(layout, &shown->values, &shown->record))
		add_unknown(shown, "released_bytes");
	set_heap(&shown->values, &shown->record);
	if (prints->known)
		record_set_bool(&shown->record, "runtime_prints", (int32_t)prints->value > 0);
}
