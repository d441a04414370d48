// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "picture_draw.h"

#define LABEL_COLUMNS 14u /* "00c000000000  " */

static double mb(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

unsigned picture_text_slots(unsigned columns)
{
	return columns - LABEL_COLUMNS;
}

static void append_colour(struct line *line, unsigned tone, char inside)
{
	/* White on the dark ones. */
	bool dark = tone == PICTURE_TONE_FULL || tone == picture_tone(PICTURE_OTHER, -1) ||
		    tone == picture_tone(PICTURE_REMAINDER, -1) || tone == picture_tone(PICTURE_SHARED, -1);

	picture_append_format(line, "\x1b[38;5;%d;48;5;%um%c", dark ? 231 : 16, picture_paints[tone].terminal, inside);
}

/* Small letters say that a cell is not all that its letter says; on a colour, a colon or a dot. */
static void append_cell(struct line *line, const struct picture *picture, const struct picture_cell *cell, bool colour)
{
	struct picture_glance glance = picture_glance(picture, cell);
	unsigned tone = picture_tone(glance.shade, glance.occupancy);
	char letter = picture_paints[tone].letter;
	bool impure = glance.partly || glance.mixture;

	if (colour)
		append_colour(line, tone, glance.mixture ? ':' : glance.partly ? '.' : ' ');
	else
		line_append_byte(line, impure && letter >= 'A' && letter <= 'Z' ? (char)(letter + 32) : letter);
}

static void append_cells(struct line *line, const struct picture *picture, const struct picture_text_options *options)
{
	struct picture_slot slot = { 0 };
	unsigned column = 0, columns = picture_text_slots(options->columns);

	while (picture_next_slot(picture, &slot)) {
		if (!column)
			picture_append_format(line, "%012" PRIx64 "  ", slot.address);
		if (slot.cell)
			append_cell(line, picture, slot.cell, options->colour);
		else
			line_append_string(line, options->colour ? "\x1b[0m/" : "/");
		if (++column < columns)
			continue;
		line_append_string(line, options->colour ? "\x1b[0m\n" : "\n");
		column = 0;
	}
	if (column)
		line_append_string(line, options->colour ? "\x1b[0m\n" : "\n");
}

static void append_key(struct line *line, unsigned tone, bool colour)
{
	if (colour) {
		append_colour(line, tone, ' ');
		line_append_string(line, "\x1b[0m");
	} else {
		line_append_byte(line, picture_paints[tone].letter);
	}
}

static void append_legend_in_use(struct line *line, const struct picture_cell *total, bool colour)
{
	uint64_t in_use = total->bytes[PICTURE_IN_USE];

	for (unsigned tone = PICTURE_TONE_FULL; tone <= PICTURE_TONE_LESS; tone++)
		append_key(line, tone, colour);
	picture_append_format(line,
			      "  %10.1f MB  heap in use: 75 %% or more of it objects, 50, 25, less; %.0f %% in all\n",
			      mb(in_use), 100.0 * (double)(total->live + total->fresh) / (double)in_use);
}

static void append_legend(struct line *line, const struct picture *picture, bool colour)
{
	struct picture_cell total;

	picture_total(picture, &total);
	for (unsigned i = 0; i < PICTURE_SHADES; i++) {
		if (!total.bytes[i])
			continue;
		if (i == PICTURE_IN_USE) {
			append_legend_in_use(line, &total, colour);
			continue;
		}
		append_key(line, picture_tone(i, -1), colour);
		picture_append_format(line, "     %10.1f MB  %s", mb(total.bytes[i]), picture_shade_phrase(i));
		if (i == PICTURE_UNTOUCHED && picture->skipped)
			picture_append_format(line, "; left out: %.1f MB more", mb(picture->skipped));
		line_append_byte(line, '\n');
	}
	line_append_string(
		line, colour ? ": of several kinds  . partly resident  / a gap between addresses\n"
			     : "small letters: partly resident, or of several kinds; / is a gap between addresses\n");
}

/* Names as a pipe may carry them: ASCII. */
static void append_ascii(struct line *line, const char *text)
{
	size_t from = line->length;

	line_append_clean(line, text, true);
	for (size_t i = from; i < line->length; i++)
		if ((unsigned char)line->bytes[i] >= 0x7f)
			line->bytes[i] = '?';
}

static void append_heading(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	const struct ledger *ledger = title->ledger;

	picture_append_format(line, "%d (", title->pid);
	append_ascii(line, title->comm);
	line_append_string(line, "): ");
	append_ascii(line, title->path);
	line_append_string(line, ", ");
	append_ascii(line, title->version[0] ? title->version : "Go version unknown");
	picture_append_format(line, "\nResident %.1f MB; a cell is %" PRIu64 " kB of addresses\n", mb(ledger->rss),
			      picture->cell_bytes >> 10);
	if (ledger->moved)
		picture_append_format(line, "(Rss changed by %.1f MB while it was looked at)\n", mb(ledger->moved));
	if (!ledger->by_pages) {
		line_append_string(line, "The heap is not told apart: ");
		append_ascii(line, ledger->coarse.text);
		line_append_byte(line, '\n');
	}
	line_append_byte(line, '\n');
}

void picture_append_text(struct line *line, const struct picture *picture, const struct picture_title *title,
			 const struct picture_text_options *options)
{
	append_heading(line, picture, title);
	append_cells(line, picture, options);
	line_append_byte(line, '\n');
	append_legend(line, picture, options->colour);
}
