/* SPDX-License-Identifier: BSD-2-Clause */
/* picture_draw: a picture of memory as text, SVG, HTML and JSON. Names in it are made harmless for each of these. */
#ifndef GCTAP_OUTPUT_PICTURE_DRAW_H
#define GCTAP_OUTPUT_PICTURE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/picture.h"
#include "line.h"

/* How many cells and gaps each may have at most: picture_fit() before. */
#define PICTURE_SLOTS_SVG  6000u
#define PICTURE_SLOTS_HTML 8000u
#define PICTURE_SLOTS_JSON 8000u

/* What a picture is of. The texts may be any bytes. */
struct picture_title {
	pid_t pid;
	uint64_t wall_ns; /* when it was looked at, CLOCK_REALTIME */
	const char *comm, *path;
	const char *version; /* "": not known */
	const struct ledger *ledger;
};

struct picture_text_options {
	unsigned columns; /* of the terminal, with the address in front of each row */
	bool colour;	  /* 256 of them; else letters */
};
#define PICTURE_COLUMNS_MIN 24u
#define PICTURE_COLUMNS_MAX 1000u

void picture_append_text(struct line *line, const struct picture *picture, const struct picture_title *title,
			 const struct picture_text_options *options);
void picture_append_svg(struct line *line, const struct picture *picture, const struct picture_title *title);
void picture_append_html(struct line *line, const struct picture *picture, const struct picture_title *title);
void picture_append_json(struct line *line, const struct picture *picture, const struct picture_title *title);

/* How many cells and gaps fit into a row of text. */
unsigned picture_text_slots(unsigned columns);

/* ---- What these share ------------------------------------------------------------------------- */

/* Shades, and of what is in use one for each quarter that is occupied. */
enum picture_tone {
	PICTURE_TONE_FULL,
	PICTURE_TONE_HALF,
	PICTURE_TONE_QUARTER,
	PICTURE_TONE_LESS,
	PICTURE_TONE_OTHERS
};
#define PICTURE_TONES (PICTURE_TONE_OTHERS + PICTURE_SHADES - 1u)

struct picture_paint {
	char letter;
	uint8_t terminal;	  /* of the 256 colours */
	const char *light, *dark; /* on a page of that kind, "#rrggbb" */
};
extern const struct picture_paint picture_paints[PICTURE_TONES];
unsigned picture_tone(enum picture_shade shade, int occupancy);

/* Cells and the gaps between them, one after the other. Begin with zeroes; false: no more. */
struct picture_slot {
	size_t next;
	bool gap_next;
	const struct picture_cell *cell; /* NULL: a gap of address space */
	uint64_t address, bytes, reserved;
};
bool picture_next_slot(const struct picture *picture, struct picture_slot *slot);

/* As text of XML and HTML, also in attributes; what these cannot hold becomes "\xHH" or "?". */
void picture_append_markup(struct line *line, const char *text);
/* As a string of JSON with its quotes, ASCII only. */
void picture_append_json_string(struct line *line, const char *text);
void picture_append_format(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const char picture_page_style[], picture_page_body[], picture_page_script[];

#endif
