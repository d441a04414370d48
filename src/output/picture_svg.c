// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <string.h>

#include "picture_draw.h"

/* Units of the drawing. */
#define COLUMNS	       96u
#define SIDE	       9u
#define INSIDE	       8u /* of a cell, without the line between cells */
#define LEFT	       118u
#define TOP	       64u
#define LEGEND_LINE    20u
#define LEGEND_COLUMNS 2u
#define PATH_SHOWN     110u /* bytes */
#define WIDTH	       (LEFT + COLUMNS * SIDE + 16u)

/* Of a cell of which anything is resident. */
#define RESIDENT_SHARE_MIN 0.2

static double mb(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void append_style(struct line *line)
{
	line_append_string(line,
			   "<style>svg{background:#fff}text{font:13px sans-serif;fill:#222}.m{font:11px monospace;"
			   "fill:#666}.t{font-weight:bold;font-size:15px}.g{stroke:#999}");
	for (unsigned i = 0; i < PICTURE_TONES; i++)
		picture_append_format(line, ".c%u{fill:%s}", i, picture_paints[i].light);
	line_append_string(line,
			   "@media(prefers-color-scheme:dark){svg{background:#16181a}text{fill:#ddd}.m{fill:#999}");
	for (unsigned i = 0; i < PICTURE_TONES; i++)
		picture_append_format(line, ".c%u{fill:%s}", i, picture_paints[i].dark);
	line_append_string(line, "}</style>\n");
}

/* What the pointer shows. */
static void append_hint(struct line *line, const struct picture *picture, const struct picture_cell *cell,
			uint64_t bytes)
{
	struct picture_glance glance = picture_glance(picture, cell);
	uint64_t cells = bytes / picture->cell_bytes;

	picture_append_format(line, "<title>0x%" PRIx64 " - 0x%" PRIx64 ", %" PRIu64 " kB: %s; %" PRIu64 " kB resident",
			      cell->address, cell->address + bytes, bytes >> 10, picture_shade_phrase(glance.shade),
			      (glance.resident * cells) >> 10);
	if (glance.occupancy >= 0)
		picture_append_format(line, "; %d %% occupied", glance.occupancy);
	line_append_string(line, "; ");
	picture_append_markup(line, picture->names[cell->name]);
	line_append_string(line, "</title>");
}

/* By how much what is resident is drawn larger than it is, and what is not smaller: a few pages are to be seen. */
static double magnified(const struct picture *picture, uint64_t resident_bytes, bool resident)
{
	double share = (double)resident_bytes / (double)picture->cell_bytes;

	if (!resident_bytes || share >= RESIDENT_SHARE_MIN)
		return 1;
	return resident ? RESIDENT_SHARE_MIN / share : (1 - RESIDENT_SHARE_MIN) / (1 - share);
}

/* From the bottom up, what a cell is made up of; what is not mapped stays as the paper is. */
static void append_parts(struct line *line, const struct picture *picture, const struct picture_cell *cell, unsigned x,
			 unsigned y)
{
	struct picture_glance glance = picture_glance(picture, cell);
	double bottom = y + INSIDE;

	for (unsigned i = 0; i < PICTURE_SHADES; i++) {
		double height = INSIDE * (double)cell->bytes[i] / (double)picture->cell_bytes;

		height *= magnified(picture, glance.resident, i < PICTURE_RESIDENT_SHADES);
		if (height < 0.05)
			continue;
		bottom -= height;
		picture_append_format(line, "<rect class=\"c%u\" x=\"%u\" y=\"%.2f\" width=\"%u\" height=\"%.2f\"/>",
				      picture_tone(i, glance.occupancy), x, bottom, INSIDE, height);
	}
}

static bool is_plain(const struct picture *picture, const struct picture_cell *cell, unsigned *tone)
{
	struct picture_glance glance = picture_glance(picture, cell);

	*tone = picture_tone(glance.shade, glance.occupancy);
	return cell->bytes[glance.shade] == picture->cell_bytes;
}

/* How many cells from here on, in a row, look the same, and are full of one thing. */
static unsigned alike(const struct picture *picture, size_t first, unsigned room)
{
	const struct picture_cell *cells = &picture->cells[first];
	unsigned tone, other, nr = 1;

	if (!is_plain(picture, cells, &tone))
		return 1;
	while (nr < room && first + nr < picture->nr_cells &&
	       cells[nr].address == cells->address + nr * picture->cell_bytes && cells[nr].name == cells->name &&
	       is_plain(picture, &cells[nr], &other) && other == tone)
		nr++;
	return nr;
}

static void append_run(struct line *line, const struct picture *picture, size_t first, unsigned nr, unsigned slot)
{
	const struct picture_cell *cell = &picture->cells[first];
	unsigned x = LEFT + slot % COLUMNS * SIDE, y = TOP + slot / COLUMNS * SIDE, tone;

	line_append_string(line, "<g>");
	append_hint(line, picture, cell, nr * picture->cell_bytes);
	if (is_plain(picture, cell, &tone))
		picture_append_format(line, "<rect class=\"c%u\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>", tone,
				      x, y, nr * SIDE - (SIDE - INSIDE), INSIDE);
	else
		append_parts(line, picture, cell, x, y);
	line_append_string(line, "</g>\n");
}

static void append_gap(struct line *line, const struct picture *picture, size_t before, unsigned slot)
{
	unsigned x = LEFT + slot % COLUMNS * SIDE, y = TOP + slot / COLUMNS * SIDE;
	uint64_t reserved, bytes = picture_gap(picture, before, &reserved);

	picture_append_format(line,
			      "<g class=\"g\"><title>gap of %" PRIu64 " kB, %" PRIu64
			      " kB of it reserved</title><path d=\"M%u %ul4 -8\"/></g>\n",
			      bytes >> 10, reserved >> 10, x + 2, y + INSIDE);
}

static void append_label(struct line *line, uint64_t address, unsigned slot)
{
	if (!(slot % (2 * COLUMNS)))
		picture_append_format(line,
				      "<text class=\"m\" x=\"%u\" y=\"%u\" text-anchor=\"end\">%012" PRIx64 "</text>\n",
				      LEFT - 8, TOP + slot / COLUMNS * SIDE + SIDE, address);
}

static void append_cells(struct line *line, const struct picture *picture)
{
	unsigned slot = 0;

	for (size_t i = 0; i < picture->nr_cells;) {
		unsigned nr = alike(picture, i, COLUMNS - slot % COLUMNS);
		uint64_t reserved;

		append_label(line, picture->cells[i].address, slot);
		append_run(line, picture, i, nr, slot);
		i += nr;
		slot += nr;
		if (!picture_gap(picture, i - 1, &reserved))
			continue;
		append_label(line, picture->cells[i - 1].address + picture->cell_bytes, slot);
		append_gap(line, picture, i - 1, slot++);
	}
}

static void append_legend_entry(struct line *line, enum picture_shade shade, const struct picture_cell *total,
				unsigned x, unsigned y)
{
	unsigned tones = shade == PICTURE_IN_USE ? 4 : 1;

	for (unsigned i = 0; i < tones; i++)
		picture_append_format(line, "<rect class=\"c%u\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"12\"/>",
				      shade == PICTURE_IN_USE ? i : picture_tone(shade, -1), x + i * 7, y - 10,
				      28 / tones);
	picture_append_format(line,
			      "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%.1f MB</text><text x=\"%u\" y=\"%u\">%s",
			      x + 120, y, mb(total->bytes[shade]), x + 132, y, picture_shade_phrase(shade));
	if (shade == PICTURE_IN_USE)
		picture_append_format(line, ", %.0f %% occupied (75, 50, 25, less)",
				      100.0 * (double)(total->live + total->fresh) / (double)total->bytes[shade]);
	line_append_string(line, "</text>\n");
}

static unsigned legend_entries(const struct picture_cell *total)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < PICTURE_SHADES; i++)
		nr += total->bytes[i] != 0;
	return nr;
}

static void append_legend(struct line *line, const struct picture_cell *total, unsigned top)
{
	unsigned rows = (legend_entries(total) + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS, nr = 0;

	for (unsigned i = 0; i < PICTURE_SHADES; i++) {
		if (!total->bytes[i])
			continue;
		append_legend_entry(line, i, total, 16 + nr / rows * (WIDTH / LEGEND_COLUMNS),
				    top + nr % rows * LEGEND_LINE);
		nr++;
	}
}

/* There is room for so much: of a longer path, the last folders and the name. */
static void append_path(struct line *line, const char *path)
{
	size_t length = path ? strlen(path) : 0;
	const char *end = path;

	if (length > PATH_SHOWN) {
		end = strchr(path + length - PATH_SHOWN, '/');
		line_append_string(line, "\xe2\x80\xa6");
	}
	picture_append_markup(line, end || !path ? end : path + length - PATH_SHOWN);
}

static void append_title(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	line_append_string(line, "<text class=\"t\" x=\"16\" y=\"24\">");
	picture_append_format(line, "%d (", title->pid);
	picture_append_markup(line, title->comm);
	picture_append_format(line, "): resident %.1f MB, a cell is %" PRIu64 " kB", mb(title->ledger->rss),
			      picture->cell_bytes >> 10);
	line_append_string(line, "</text>\n<text x=\"16\" y=\"46\">");
	append_path(line, title->path);
	line_append_string(line, ", ");
	picture_append_markup(line, title->version[0] ? title->version : "Go version unknown");
	if (!title->ledger->by_pages) {
		line_append_string(line, "; the heap is not told apart: ");
		picture_append_markup(line, title->ledger->coarse.text);
	}
	line_append_string(line, "</text>\n");
}

void picture_append_svg(struct line *line, const struct picture *picture, const struct picture_title *title)
{
	unsigned slots = (unsigned)(picture->nr_cells + picture_gaps(picture));
	unsigned legend = TOP + (slots + COLUMNS - 1) / COLUMNS * SIDE + 32, height;
	struct picture_cell total;

	picture_total(picture, &total);
	height = legend + (legend_entries(&total) + 1) / LEGEND_COLUMNS * LEGEND_LINE;
	picture_append_format(line,
			      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
			      "viewBox=\"0 0 %u %u\" width=\"%u\" style=\"max-width:100%%;height:auto\">\n",
			      WIDTH, height, WIDTH);
	append_style(line);
	append_title(line, picture, title);
	append_cells(line, picture);
	append_legend(line, &total, legend);
	line_append_string(line, "</svg>\n");
}
