// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/gc_cycle.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that are known by the words around them. */
static const struct {
	const char *before; /* the text in front ends like this; NULL: anything */
	const char *after;  /* the text behind begins like this; NULL: anything */
	const char *field;
} words[] = {
	{ "gc ", NULL, "cycle" },
	{ "@", "s ", "start_since_program_ns" },
	{ "s ", "%", "gc_cpu_percent" },
	{ NULL, " MB goal", "heap_goal_bytes" },
	{ NULL, " MB stacks", "stacks_bytes" },
	{ NULL, " MB globals", "globals_bytes" },
	{ NULL, " P", "processors" },
};

/* Numbers that are known by their place in a row; the row is known by the words behind it. */
static const struct {
	const char *after; /* behind the last number of the row */
	unsigned count;
	const char *fields[5];
} rows[] = {
	{ " ms clock", 3, { "clock_sweep_term_ns", "clock_mark_ns", "clock_mark_term_ns" } },
	{ " ms cpu",
	  5,
	  { "cpu_sweep_term_ns", "cpu_assist_ns", "cpu_background_ns", "cpu_idle_ns", "cpu_mark_term_ns" } },
	{ " MB, ", 3, { "heap_start_bytes", "heap_end_bytes", "heap_marked_bytes" } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length >= wanted && !strcmp(text + length - wanted, end);
}

/* The literal next to an item, skipping remarks that may be absent; "" at the line's end. */
static const char *neighbour(const struct recipe *recipe, int at, int step)
{
	for (int i = at + step; i >= 0 && i < (int)recipe->nr_items; i += step) {
		const struct recipe_item *item = &recipe->items[i];

		if (item->format == RECIPE_LITERAL && !item->guard)
			return item->literal;
		if (item->format != RECIPE_LITERAL)
			break;
	}
	return "";
}

static void assign(struct gc_layout *layout, unsigned item, const char *field)
{
	int index = record_field_index(&record_gc_cycle, field);

	if (layout->fields[item] < 0)
		layout->fields[item] = (int16_t)index;
}

static void learn_words(const struct recipe *recipe, struct gc_layout *layout, unsigned item)
{
	const char *before = neighbour(recipe, (int)item, -1), *after = neighbour(recipe, (int)item, 1);

	for (size_t i = 0; i < COUNT(words); i++) {
		if ((words[i].before && !ends_with(before, words[i].before)) ||
		    (words[i].after && !starts_with(after, words[i].after)))
			continue;
		assign(layout, item, words[i].field);
		return;
	}
}

/* Walks back from the last number of a row; all of them must be numbers with something between. */
static void learn_row(const struct recipe *recipe, struct gc_layout *layout, unsigned last, size_t row)
{
	int item = (int)last;
	int places[5];

	for (unsigned i = rows[row].count; i-- > 0; item--) {
		while (item >= 0 && recipe->items[item].format == RECIPE_LITERAL)
			item--;
		if (item < 0)
			return;
		places[i] = item;
	}
	for (unsigned i = 0; i < rows[row].count; i++)
		assign(layout, (unsigned)places[i], rows[row].fields[i]);
}

static void learn_rows(const struct recipe *recipe, struct gc_layout *layout, unsigned item)
{
	const char *after = neighbour(recipe, (int)item, 1);
	const char *before = neighbour(recipe, (int)item, -1);

	for (size_t row = 0; row < COUNT(rows); row++) {
		/* Sizes of the heap: the only row whose separator is an arrow. */
		bool arrow = row == 2;

		if (starts_with(after, rows[row].after) && (!arrow || ends_with(before, "->")))
			learn_row(recipe, layout, item, row);
	}
}

/* "MB stacks, " is "stacks"; " (odd)" is "odd". */
static char *label_of(const char *text)
{
	char label[48] = "";
	size_t used = 0;

	if (starts_with(text, " MB "))
		text += 4;
	for (; *text && used + 1 < sizeof(label); text++) {
		if (isalnum((unsigned char)*text))
			label[used++] = (char)tolower((unsigned char)*text);
		else if (used && *text != ')' && *text != ',' && label[used - 1] != '_')
			label[used++] = '_';
		else if (used && (*text == ',' || *text == ')'))
			break;
	}
	while (used && label[used - 1] == '_')
		used--;
	return strndup(used ? label : "number", used ? used : 6);
}

static void learn_remark(struct gc_layout *layout, unsigned item, const char *text)
{
	if (strstr(text, "(forced)")) {
		assign(layout, item, "forced");
		layout->has_forced = true;
	} else if (strstr(text, "(checking for goroutine leaks)")) {
		assign(layout, item, "goroutine_leak_check");
		layout->has_leak_check = true;
	} else {
		layout->labels[item] = label_of(text);
	}
}

int gc_layout_learn(const struct recipe *recipe, struct gc_layout *layout, struct failure *failure)
{
	int cycle = record_field_index(&record_gc_cycle, "cycle");
	bool found = false;

	memset(layout, 0, sizeof(*layout));
	memset(layout->fields, 0xff, sizeof(layout->fields));
	memset(layout->fractions, 0xff, sizeof(layout->fractions));
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i];

		if (item->format == RECIPE_LITERAL) {
			if (item->guard)
				learn_remark(layout, i, item->literal);
			continue;
		}
		learn_words(recipe, layout, i);
		learn_rows(recipe, layout, i);
		if (item->unit == RECIPE_UNIT_FRACTION)
			layout->fractions[i] = (int16_t)record_field_index(&record_gc_cycle, "gc_cpu_fraction");
	}
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		if (layout->fields[i] == cycle) {
			layout->cycle_item = i;
			found = true;
		}
		if (recipe->items[i].format != RECIPE_LITERAL && layout->fields[i] < 0)
			layout->labels[i] = label_of(neighbour(recipe, (int)i, 1));
	}
	if (!found) {
		gc_layout_clear(layout);
		return failure_set(failure, -EBADMSG, "%s: the line has no cycle number", recipe->function);
	}
	return 0;
}

void gc_layout_clear(struct gc_layout *layout)
{
	for (unsigned i = 0; i < RECIPE_ITEMS_MAX; i++) {
		free(layout->labels[i]);
		layout->labels[i] = NULL;
	}
}

static void set_kernel_facts(struct record *record, const struct gctap_event *event, uint64_t page_bytes,
			     int64_t wall_offset_ns)
{
	static const char *const rss[GCTAP_RSS_KINDS] = { "rss_file_bytes", "rss_anon_bytes", "rss_swap_bytes",
							  "rss_shmem_bytes" };

	record_set_unsigned(record, "ktime_ns", event->ktime_ns);
	record->wall_ns = event->ktime_ns + (uint64_t)wall_offset_ns;
	record_set_unsigned(record, "wall_ns", record->wall_ns);
	if (event->pid)
		record_set_unsigned(record, "pid", event->pid);
	if (event->tid)
		record_set_unsigned(record, "tid", event->tid);
	record_set_unsigned(record, "start_ns", event->start_ns);
	record_set_text(record, "comm", event->comm);
	if (event->facts & GCTAP_FACT_CGROUP)
		record_set_unsigned(record, "cgroup_id", event->cgroup_id);
	for (unsigned i = 0; i < GCTAP_RSS_KINDS && event->facts & GCTAP_FACT_RSS; i++)
		record_set_unsigned(record, rss[i], (uint64_t)event->rss_pages[i] * page_bytes);
}

/* A number in the field's own type, in ns and bytes. */
static void set_number(struct gc_cycle *cycle, const struct recipe_item *item, const struct recipe_value *value,
		       int field)
{
	const struct record_field *description = &record_gc_cycle.fields[field];
	struct value *to = &cycle->record.values[field];
	bool scaled = item->unit == RECIPE_UNIT_BYTES || item->unit == RECIPE_UNIT_NANOSECONDS;

	to->known = true;
	if (description->type == VALUE_SIGNED)
		to->s = (int64_t)value->value;
	else
		to->u = scaled ? value->raw : value->value;
}

static void add_other(struct gc_cycle *cycle, const char *label, const struct recipe_item *item,
		      const struct recipe_value *value)
{
	char number[40] = "?";
	unsigned at = 0;

	while (at < COUNT(cycle->others) && cycle->other_list[at])
		at++;
	if (at == COUNT(cycle->others))
		return;
	if (item->format == RECIPE_LITERAL)
		snprintf(number, sizeof(number), "%s", value->present ? "true" : "false");
	else if (value->known)
		recipe_format_number(item->format, item->decimals, value->value, number, sizeof(number));
	snprintf(cycle->others[at], sizeof(cycle->others[at]), "%.20s=%s", label, number);
	cycle->other_list[at] = cycle->others[at];
}

static void take_item(const struct recipe *recipe, const struct gc_layout *layout, unsigned i, struct gc_cycle *cycle)
{
	const struct recipe_item *item = &recipe->items[i];
	const struct recipe_value *value = &cycle->values.items[i];
	int field = layout->fields[i];

	if (item->format == RECIPE_LITERAL && !item->guard)
		return;
	if (!value->known) {
		cycle->unknown_list[cycle->unknown++] =
			field >= 0 ? record_gc_cycle.fields[field].name : layout->labels[i];
		return;
	}
	if (field < 0) {
		if (layout->labels[i])
			add_other(cycle, layout->labels[i], item, value);
		return;
	}
	if (item->format == RECIPE_LITERAL) {
		cycle->record.values[field] = (struct value){ .known = true, .truth = value->present };
		return;
	}
	if (!value->present)
		return;
	set_number(cycle, item, value, field);
	if (layout->fractions[i] >= 0 && value->raw_known) {
		struct value *fraction = &cycle->record.values[layout->fractions[i]];

		fraction->known = true;
		memcpy(&fraction->real, &value->raw, sizeof(fraction->real));
	}
}

void gc_cycle_decode(const struct recipe *recipe, const struct gc_layout *layout, const struct gctap_event *event,
		     uint64_t page_bytes, int64_t wall_offset_ns, struct gc_cycle *cycle)
{
	const struct recipe_value *number = &cycle->values.items[layout->cycle_item];

	record_clear(&cycle->record, &record_gc_cycle);
	cycle->unknown = 0;
	memset(cycle->other_list, 0, sizeof(cycle->other_list));
	recipe_evaluate(recipe, event->payload, event->payload_bytes, event->windows_read, &cycle->values);
	set_kernel_facts(&cycle->record, event, page_bytes, wall_offset_ns);
	for (unsigned i = 0; i < recipe->nr_items; i++)
		take_item(recipe, layout, i, cycle);
	cycle->unknown_list[cycle->unknown] = NULL;
	cycle->cycle_known = number->known;
	cycle->cycle = (uint32_t)number->value;
	/* A version without a remark cannot mean it. */
	if (!layout->has_forced)
		record_set_bool(&cycle->record, "forced", false);
	if (!layout->has_leak_check)
		record_set_bool(&cycle->record, "goroutine_leak_check", false);
	recipe_render(recipe, &cycle->values, cycle->line, sizeof(cycle->line));
	cycle->record.text = cycle->line;
	record_set_text(&cycle->record, "text", cycle->line);
	record_set_texts(&cycle->record, "other", cycle->other_list);
	record_set_texts(&cycle->record, "unknown", cycle->unknown_list);
}
