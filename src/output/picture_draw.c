// SPDX-License-Identifier: BSD-2-Clause
#include "picture_draw.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "gctap/record.h"

#define TONE(shade) [PICTURE_TONE_OTHERS + (shade)-1]

const struct picture_paint picture_paints[PICTURE_TONES] = {
	[PICTURE_TONE_FULL] = { 'U', 22, "#14633f", "#5fe6a6" },
	[PICTURE_TONE_HALF] = { 'V', 34, "#2f9060", "#3bb077" },
	[PICTURE_TONE_QUARTER] = { 'W', 77, "#6dbb92", "#2f8d5f" },
	[PICTURE_TONE_LESS] = { 'Y', 157, "#abdac0", "#286647" },
	TONE(PICTURE_HEAP) = { 'P', 34, "#2f9060", "#35a06c" },
	TONE(PICTURE_FREE) = { 'F', 220, "#e6b619", "#e6b619" },
	TONE(PICTURE_KEPT_RELEASED) = { 'X', 196, "#d92d2d", "#ff5c5c" },
	TONE(PICTURE_STACKS) = { 'S', 97, "#8d5bb5", "#b284d9" },
	TONE(PICTURE_COLLECTOR) = { 'B', 61, "#6a6fc0", "#9097ee" },
	TONE(PICTURE_METADATA) = { 'M', 67, "#4f78ad", "#6f9bd6" },
	TONE(PICTURE_GLOBALS) = { 'G', 37, "#1f9bb3", "#35bcd6" },
	TONE(PICTURE_FILES) = { 'L', 244, "#87939e", "#7d8b99" },
	TONE(PICTURE_THREADS) = { 'T', 175, "#cc74a9", "#e291c2" },
	TONE(PICTURE_C_HEAP) = { 'C', 208, "#dd7a2e", "#f0954d" },
	TONE(PICTURE_SHARED) = { 'D', 94, "#8f6a4a", "#b58e6b" },
	TONE(PICTURE_OTHER) = { 'O', 239, "#4a525c", "#c3ccd5" },
	TONE(PICTURE_REMAINDER) = { 'R', 16, "#000000", "#ffffff" },
	TONE(PICTURE_RELEASED) = { '.', 195, "#cfe3f1", "#22374a" },
	TONE(PICTURE_SWAPPED) = { '%', 183, "#d9c2f0", "#4a3566" },
	TONE(PICTURE_UNTOUCHED) = { '_', 255, "#e9e9e6", "#2b2d30" },
};

unsigned picture_tone(enum picture_shade shade, int occupancy)
{
	if (shade != PICTURE_IN_USE)
		return PICTURE_TONE_OTHERS + shade - 1u;
	if (occupancy >= 75)
		return PICTURE_TONE_FULL;
	if (occupancy >= 50)
		return PICTURE_TONE_HALF;
	return occupancy >= 25 ? PICTURE_TONE_QUARTER : PICTURE_TONE_LESS;
}

bool picture_next_slot(const struct picture *picture, struct picture_slot *slot)
{
	const struct picture_cell *before;

	if (slot->gap_next) {
		slot->gap_next = false;
		before = &picture->cells[slot->next - 1];
		slot->cell = NULL;
		slot->address = before->address + picture->cell_bytes;
		slot->bytes = picture_gap(picture, slot->next - 1, &slot->reserved);
		return true;
	}
	if (slot->next == picture->nr_cells)
		return false;
	slot->cell = &picture->cells[slot->next];
	slot->address = slot->cell->address;
	slot->bytes = picture->cell_bytes;
	slot->gap_next = picture_gap(picture, slot->next, &slot->reserved) != 0;
	slot->reserved = 0;
	slot->next++;
	return true;
}

/* ---- Text that is not ours -------------------------------------------------------------------- */

/* U+FFFE and U+FFFF are UTF-8 and no characters of XML. */
static bool is_noncharacter(const char *text)
{
	return !strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3);
}

static void append_markup_character(struct line *line, const char *text)
{
	switch (*text) {
	case '&': line_append_string(line, "&amp;"); break;
	case '<': line_append_string(line, "&lt;"); break;
	case '>': line_append_string(line, "&gt;"); break;
	case '"': line_append_string(line, "&quot;"); break;
	case '\'': line_append_string(line, "&#39;"); break;
	default: line_append_byte(line, *text);
	}
}

static char *escape(struct line *line, const char *text)
{
	char *clean = record_text_escape(text, true);

	if (!clean)
		line->error = -ENOMEM;
	return clean;
}

void picture_append_markup(struct line *line, const char *text)
{
	char *clean = escape(line, text);

	for (const char *at = clean; at && *at; at++) {
		if (is_noncharacter(at)) {
			line_append_byte(line, '?');
			at += 2;
		} else {
			append_markup_character(line, at);
		}
	}
	free(clean);
}

void picture_append_json_string(struct line *line, const char *text)
{
	char *clean = escape(line, text), *dumped = NULL;
	json_t *string = clean ? json_string(clean) : NULL;

	if (string)
		dumped = json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (dumped)
		line_append_string(line, dumped);
	else
		line->error = -ENOMEM;
	free(dumped);
	json_decref(string);
	free(clean);
}

void picture_append_format(struct line *line, const char *format, ...)
{
	char text[512];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length > 0)
		line_append(line, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}
