// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>

#include "gctap/record.h"
#include "picture_draw.h"

static void append_number(struct line *line, const char *key, uint64_t value)
{
	picture_append_format(line, ",\"%s\":%" PRIu64, key, value);
}

static void append_text(struct line *line, const char *key, const char *text)
{
	picture_append_format(line, ",\"%s\":", key);
	if (text)
		picture_append_json_string(line, text);
	else
		line_append_string(line, "null");
}

static void append_parts(struct line *line, const struct picture_cell *cell)
{
	const char *comma = "";

	line_append_string(line, ",\"parts\":{");
	for (unsigned i = 0; i < PICTURE_SHADES; i++) {
		if (!cell->bytes[i])
			continue;
		picture_append_format(line, "%s\"%s\":%" PRIu64, comma, picture_shade_name(i), cell->bytes[i]);
		comma = ",";
	}
	line_append_byte(line, '}');
}

static void append_spans(struct line *line, const struct picture_cell *cell)
{
	const char *comma = "";

	append_number(line, "live_bytes", cell->live);
	append_number(line, "new_bytes", cell->fresh);
	append_number(line, "spans", cell->spans);
	line_append_string(line, ",\"objects\":[");
	for (unsigned i = 0; i < PICTURE_CELL_ELEMENTS && cell->elements[i].bytes; i++) {
		picture_append_format(line, "%s[%" PRIu32 ",%" PRIu64 "]", comma, cell->elements[i].element,
				      cell->elements[i].bytes);
		comma = ",";
	}
	line_append_byte(line, ']');
}

static void append_cell(struct line *line, const struct picture *picture, const struct picture_cell *cell)
{
	struct picture_glance glance = picture_glance(picture, cell);

	append_text(line, "class", picture_shade_name(glance.shade));
	append_number(line, "resident_bytes", glance.resident);
	append_parts(line, cell);
	if (cell->bytes[PICTURE_IN_USE] || cell->elements[0].bytes)
		append_spans(line, cell);
	if (cell->huge)
		append_number(line, "huge_bytes", cell->huge);
	append_number(line, "name", cell->name);
}

static void append_ranges(struct line *line, const struct picture *picture)
{
	struct picture_slot slot = { 0 };
	const char *comma = "";

	line_append_string(line, ",\"ranges\":[");
	while (picture_next_slot(picture, &slot)) {
		picture_append_format(line, "%s{\"address\":\"0x%" PRIx64 "\",\"bytes\":%" PRIu64, comma, slot.address,
				      slot.bytes);
		if (slot.cell)
			append_cell(line, picture, slot.cell);
		else
			picture_append_format(line, ",\"class\":\"gap\",\"reserved_bytes\":%" PRIu64, slot.reserved);
		line_append_byte(line, '}');
		comma = ",\n";
	}
	line_append_byte(line, ']');
}

static void append_names(struct line *line, const struct picture *picture)
{
	line_append_string(line, ",\"names\":[");
	for (uint32_t i = 0; i < picture->nr_names; i++) {
		if (i)
			line_append_byte(line, ',');
		picture_append_json_string(line, picture->names[i]);
	}
	line_append_byte(line, ']');
}

static void append_totals(struct line *line, const struct picture *picture)
{
	struct picture_cell total;

	picture_total(picture, &total);
	line_append_string(line, ",\"totals\":[");
	for (unsigned i = 0; i < PICTURE_SHADES; i++)
		picture_append_format(line, "%s{\"name\":\"%s\",\"phrase\":\"%s\",\"bytes\":%" PRIu64 "}", i ? "," : "",
				      picture_shade_name(i), picture_shade_phrase(i), total.bytes[i]);
	line_append_byte(line, ']');
	append_number(line, "live_bytes", total.live);
	append_number(line, "new_bytes", total.fresh);
}

static void append_classes(struct line *line, const struct ledger *ledger)
{
	line_append_string(line, ",\"classes\":{");
	for (unsigned i = 0; i < LEDGER_REMAINDER; i++)
		picture_append_format(line, "%s\"%s\":%" PRId64, i ? "," : "", ledger_class_name(i), ledger->bytes[i]);
	line_append_byte(line, '}');
}

void picture_append_json(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	const struct ledger *ledger = title->ledger;

	picture_append_format(line, "{\"type\":\"map\",\"schema_version\":%d,\"wall_ns\":%" PRIu64 ",\"pid\":%d",
			      RECORD_SCHEMA_VERSION, title->wall_ns, title->pid);
	append_text(line, "comm", title->comm);
	append_text(line, "exe", title->path);
	append_text(line, "go_version", title->version[0] ? title->version : NULL);
	append_number(line, "rss_bytes", ledger->rss);
	picture_append_format(line, ",\"remainder_bytes\":%" PRId64, ledger->bytes[LEDGER_REMAINDER]);
	append_number(line, "moved_bytes", ledger->moved);
	picture_append_format(line, ",\"by_pages\":%s", ledger->by_pages ? "true" : "false");
	append_text(line, "coarse_because", ledger->by_pages ? NULL : ledger->coarse.text);
	append_number(line, "cell_bytes", picture->cell_bytes);
	append_number(line, "left_out_bytes", picture->skipped);
	append_classes(line, ledger);
	append_totals(line, picture);
	append_names(line, picture);
	append_ranges(line, picture);
	line_append_byte(line, '}');
}
