// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/line_record.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void assign(struct line_layout *layout, unsigned item, const char *field)
{
	if (layout->fields[item] < 0)
		layout->fields[item] = (int16_t)record_field_index(layout->form->type, field);
}

static bool fits(const char *before, const char *after, const char *wanted_before, const char *wanted_after)
{
	return (!wanted_before || ends_with(before, wanted_before)) &&
	       (!wanted_after || starts_with(after, wanted_after));
}

static void learn_word(const struct recipe *recipe, struct line_layout *layout, unsigned item)
{
	const char *before = neighbour(recipe, (int)item, -1), *after = neighbour(recipe, (int)item, 1);

	for (const struct line_word *word = layout->form->words; word->field; word++) {
		if (!fits(before, after, word->before, word->after))
			continue;
		assign(layout, item, word->field);
		return;
	}
}

/* Walks back from the last number of a row; all of them must be numbers with something between. */
static void assign_row(const struct recipe *recipe, struct line_layout *layout, unsigned last,
		       const struct line_row *row)
{
	int item = (int)last;
	int places[LINE_ROW_MAX];

	for (unsigned i = row->count; i-- > 0; item--) {
		while (item >= 0 && recipe->items[item].format == RECIPE_LITERAL)
			item--;
		if (item < 0)
			return;
		places[i] = item;
	}
	for (unsigned i = 0; i < row->count; i++)
		assign(layout, (unsigned)places[i], row->fields[i]);
}

static void learn_row(const struct recipe *recipe, struct line_layout *layout, unsigned item)
{
	const char *before = neighbour(recipe, (int)item, -1), *after = neighbour(recipe, (int)item, 1);

	for (const struct line_row *row = layout->form->rows; row->fields[0]; row++)
		if (fits(before, after, row->before, row->after))
			assign_row(recipe, layout, item, row);
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

static void learn_remark(const struct recipe *recipe, struct line_layout *layout, unsigned item)
{
	const struct line_remark *remarks = layout->form->remarks;
	const char *text = recipe->items[item].literal;

	for (unsigned i = 0; i < LINE_REMARKS_MAX && remarks[i].field; i++) {
		if (!strstr(text, remarks[i].text))
			continue;
		if (!recipe->items[item].guard) {
			layout->always |= (uint8_t)(1u << i);
			return;
		}
		assign(layout, item, remarks[i].field);
		layout->sometimes |= (uint8_t)(1u << i);
		return;
	}
	if (recipe->items[item].guard)
		layout->labels[item] = label_of(text);
}

void line_layout_learn(const struct recipe *recipe, const struct line_form *form, struct line_layout *layout)
{
	memset(layout, 0, sizeof(*layout));
	memset(layout->fields, 0xff, sizeof(layout->fields));
	memset(layout->fractions, 0xff, sizeof(layout->fractions));
	layout->form = form;
	for (unsigned i = 0; i < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i];

		if (item->format == RECIPE_LITERAL) {
			learn_remark(recipe, layout, i);
			continue;
		}
		learn_word(recipe, layout, i);
		learn_row(recipe, layout, i);
		if (item->unit == RECIPE_UNIT_FRACTION && form->fraction)
			layout->fractions[i] = (int16_t)record_field_index(form->type, form->fraction);
	}
	for (unsigned i = 0; i < recipe->nr_items; i++)
		if (recipe->items[i].format != RECIPE_LITERAL && layout->fields[i] < 0)
			layout->labels[i] = label_of(neighbour(recipe, (int)i, 1));
}

void line_layout_clear(struct line_layout *layout)
{
	for (unsigned i = 0; i < RECIPE_ITEMS_MAX; i++) {
		free(layout->labels[i]);
		layout->labels[i] = NULL;
	}
}

int line_layout_item(const struct recipe *recipe, const struct line_layout *layout, const char *field)
{
	int index = record_field_index(layout->form->type, field);

	for (unsigned i = 0; i < recipe->nr_items; i++)
		if (layout->fields[i] == index)
			return (int)i;
	return -ENOENT;
}

static void set_kernel_facts(struct record *record, const struct gctap_event *event, const struct line_clock *clock)
{
	static const char *const rss[GCTAP_RSS_KINDS] = { "rss_file_bytes", "rss_anon_bytes", "rss_swap_bytes",
							  "rss_shmem_bytes" };

	record_set_unsigned(record, "ktime_ns", event->ktime_ns);
	record->wall_ns = event->ktime_ns + (uint64_t)clock->wall_offset_ns;
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
		record_set_unsigned(record, rss[i], (uint64_t)event->rss_pages[i] * clock->page_bytes);
}

/* A number in the field's own type, in ns and bytes. */
static void set_number(struct line_record *line, const struct recipe_item *item, const struct recipe_value *value,
		       int field)
{
	const struct record_field *description = &line->record.type->fields[field];
	struct value *to = &line->record.values[field];
	bool scaled = item->unit == RECIPE_UNIT_BYTES || item->unit == RECIPE_UNIT_NANOSECONDS;

	to->known = true;
	if (description->type == VALUE_SIGNED)
		to->s = (int64_t)value->value;
	else
		to->u = scaled ? value->raw : value->value;
}

static void add_other(struct line_record *line, const char *label, const struct recipe_item *item,
		      const struct recipe_value *value)
{
	char number[40] = "?";
	unsigned at = 0;

	while (at < LINE_OTHERS_MAX && line->other_list[at])
		at++;
	if (at == LINE_OTHERS_MAX)
		return;
	if (item->format == RECIPE_LITERAL)
		snprintf(number, sizeof(number), "%s", value->present ? "true" : "false");
	else if (value->known)
		recipe_format_number(item->format, item->decimals, value->value, number, sizeof(number));
	snprintf(line->others[at], sizeof(line->others[at]), "%.20s=%s", label, number);
	line->other_list[at] = line->others[at];
}

static void take_item(const struct recipe *recipe, const struct line_layout *layout, unsigned i,
		      struct line_record *line)
{
	const struct recipe_item *item = &recipe->items[i];
	const struct recipe_value *value = &line->values.items[i];
	int field = layout->fields[i];

	if (item->format == RECIPE_LITERAL && !item->guard)
		return;
	if (!value->known) {
		line->unknown_list[line->unknown++] =
			field >= 0 ? layout->form->type->fields[field].name : layout->labels[i];
		return;
	}
	if (field < 0) {
		if (layout->labels[i])
			add_other(line, layout->labels[i], item, value);
		return;
	}
	if (item->format == RECIPE_LITERAL) {
		line->record.values[field] = (struct value){ .known = true, .truth = value->present };
		return;
	}
	if (!value->present)
		return;
	set_number(line, item, value, field);
	if (layout->fractions[i] >= 0 && value->raw_known) {
		struct value *fraction = &line->record.values[layout->fractions[i]];

		fraction->known = true;
		memcpy(&fraction->real, &value->raw, sizeof(fraction->real));
	}
}

/* Remarks that do not hang on anything: in every line, or in none. */
static void set_constant_remarks(const struct line_layout *layout, struct record *record)
{
	const struct line_remark *remarks = layout->form->remarks;

	for (unsigned i = 0; i < LINE_REMARKS_MAX && remarks[i].field; i++)
		if (!(layout->sometimes >> i & 1))
			record_set_bool(record, remarks[i].field, layout->always >> i & 1);
}

void line_record_read(const struct recipe *recipe, const struct gctap_event *event, struct line_record *line)
{
	recipe_evaluate(recipe, event->payload, event->payload_bytes, event->windows_read, &line->values);
}

void line_record_write(const struct recipe *recipe, const struct line_layout *layout, const struct gctap_event *event,
		       const struct line_clock *clock, struct line_record *line)
{
	record_clear(&line->record, layout->form->type);
	line->unknown = 0;
	memset(line->other_list, 0, sizeof(line->other_list));
	set_kernel_facts(&line->record, event, clock);
	for (unsigned i = 0; i < recipe->nr_items; i++)
		take_item(recipe, layout, i, line);
	line->unknown_list[line->unknown] = NULL;
	set_constant_remarks(layout, &line->record);
	recipe_render(recipe, &line->values, line->line, sizeof(line->line));
	line->record.text = line->line;
	record_set_text(&line->record, "text", line->line);
	record_set_texts(&line->record, "other", line->other_list);
	record_set_texts(&line->record, "unknown", line->unknown_list);
}
