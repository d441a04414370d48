// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_END (1ull << 62)

static const struct {
	const char *name, *phrase;
} shades[PICTURE_SHADES] = {
	[PICTURE_IN_USE] = { "in_use", "heap in use" },
	[PICTURE_HEAP] = { "heap", "heap, not told apart" },
	[PICTURE_FREE] = { "free", "free, kept by the runtime" },
	[PICTURE_KEPT_RELEASED] = { "released_resident", "released, and resident all the same" },
	[PICTURE_STACKS] = { "stacks", "goroutine stacks" },
	[PICTURE_COLLECTOR] = { "collector", "work buffers of the collector" },
	[PICTURE_METADATA] = { "metadata", "runtime metadata" },
	[PICTURE_GLOBALS] = { "globals", "the program's variables" },
	[PICTURE_FILES] = { "files", "files: text, libraries, mapped data" },
	[PICTURE_THREADS] = { "threads", "stacks of threads" },
	[PICTURE_C_HEAP] = { "c_heap", "C heap (malloc)" },
	[PICTURE_SHARED] = { "shared", "shared memory, devices" },
	[PICTURE_OTHER] = { "other", "anonymous memory of no known owner" },
	[PICTURE_REMAINDER] = { "remainder", "not accounted for" },
	[PICTURE_RELEASED] = { "released", "released to the kernel" },
	[PICTURE_SWAPPED] = { "swapped", "swapped out" },
	[PICTURE_UNTOUCHED] = { "untouched", "nothing there: never touched, or taken back" },
};

const char *picture_shade_name(enum picture_shade shade)
{
	return shades[shade].name;
}

const char *picture_shade_phrase(enum picture_shade shade)
{
	return shades[shade].phrase;
}

/* ---- Cells ------------------------------------------------------------------------------------ */

/* Keeps those with most bytes; what has been pushed out once is forgotten. */
static void add_elements(struct picture_cell *cell, struct picture_elements more)
{
	struct picture_elements *elements = cell->elements;
	unsigned i = 0;

	if (!more.bytes)
		return;
	while (i < PICTURE_CELL_ELEMENTS - 1 && elements[i].bytes && elements[i].element != more.element)
		i++;
	if (elements[i].bytes && elements[i].element == more.element)
		elements[i].bytes += more.bytes;
	else if (elements[i].bytes < more.bytes)
		elements[i] = more;
	for (; i && elements[i].bytes > elements[i - 1].bytes; i--) {
		struct picture_elements lesser = elements[i - 1];

		elements[i - 1] = elements[i];
		elements[i] = lesser;
	}
}

static void add_name(struct picture_cell *cell, uint32_t name, uint64_t bytes)
{
	if (cell->name == name) {
		cell->name_bytes += bytes;
	} else if (cell->name_bytes < bytes) {
		cell->name = name;
		cell->name_bytes = bytes;
	}
}

static void add_cell(struct picture_cell *cell, const struct picture_cell *more)
{
	for (unsigned i = 0; i < PICTURE_SHADES; i++)
		cell->bytes[i] += more->bytes[i];
	cell->live += more->live;
	cell->fresh += more->fresh;
	cell->huge += more->huge;
	cell->spans += more->spans;
	for (unsigned i = 0; i < PICTURE_CELL_ELEMENTS; i++)
		add_elements(cell, more->elements[i]);
	add_name(cell, more->name, more->name_bytes);
}

/* Neighbours in the array that are of the same address become one. */
static void merge_cells(struct picture *picture)
{
	size_t to = 0;

	for (size_t i = 0; i < picture->nr_cells; i++) {
		struct picture_cell *cell = &picture->cells[i];

		cell->address -= cell->address % picture->cell_bytes;
		if (to && picture->cells[to - 1].address == cell->address)
			add_cell(&picture->cells[to - 1], cell);
		else
			picture->cells[to++] = *cell;
	}
	picture->nr_cells = to;
}

static void double_cells(struct picture *picture)
{
	picture->cell_bytes *= 2;
	merge_cells(picture);
}

static struct picture_cell *cell_at(struct picture *picture, uint64_t address)
{
	struct picture_cell *cell;

	address -= address % picture->cell_bytes;
	if (picture->nr_cells && picture->cells[picture->nr_cells - 1].address == address)
		return &picture->cells[picture->nr_cells - 1];
	while (picture->nr_cells == PICTURE_CELLS_MAX) {
		double_cells(picture);
		address -= address % picture->cell_bytes;
		cell = &picture->cells[picture->nr_cells - 1];
		if (cell->address == address)
			return cell;
	}
	cell = &picture->cells[picture->nr_cells++];
	*cell = (struct picture_cell){ .address = address };
	return cell;
}

/* ---- Names ------------------------------------------------------------------------------------ */

static void write_name(char *name, const struct mapping *mapping)
{
	const char *kind = mapping_kind_name(mapping->kind);

	if (mapping->kind == MAPPING_GO)
		snprintf(name, PICTURE_NAME_BYTES, "%s: %s", kind, mapping_go_name_text(mapping->go_name));
	else
		snprintf(name, PICTURE_NAME_BYTES, "%s%s%s", kind, *mapping->name ? " " : "", mapping->name);
}

static uint32_t name_of(struct picture *picture, const struct mapping *mapping)
{
	char name[PICTURE_NAME_BYTES];
	uint32_t nr = picture->nr_names;

	if (!mapping)
		return 0;
	if (mapping == picture->named)
		return nr - 1;
	picture->named = mapping;
	write_name(name, mapping);
	if (nr == PICTURE_NAMES_MAX)
		memcpy(picture->names[nr - 1], "others", sizeof("others"));
	else if (strcmp(picture->names[nr - 1], name))
		memcpy(picture->names[picture->nr_names++], name, sizeof(name));
	return picture->nr_names - 1;
}

/* ---- Filling ---------------------------------------------------------------------------------- */

static enum picture_shade resident_shade(enum ledger_class class)
{
	switch (class) {
	case LEDGER_LIVE:
	case LEDGER_NEW:
	case LEDGER_HOLES: return PICTURE_IN_USE;
	case LEDGER_HEAP: return PICTURE_HEAP;
	case LEDGER_FREE: return PICTURE_FREE;
	case LEDGER_RELEASED: return PICTURE_KEPT_RELEASED;
	case LEDGER_STACKS: return PICTURE_STACKS;
	case LEDGER_COLLECTOR: return PICTURE_COLLECTOR;
	case LEDGER_METADATA: return PICTURE_METADATA;
	case LEDGER_GLOBALS: return PICTURE_GLOBALS;
	case LEDGER_FILES: return PICTURE_FILES;
	case LEDGER_THREADS: return PICTURE_THREADS;
	case LEDGER_C_HEAP: return PICTURE_C_HEAP;
	case LEDGER_SHARED: return PICTURE_SHARED;
	case LEDGER_OTHER: return PICTURE_OTHER;
	default: return PICTURE_REMAINDER;
	}
}

static enum picture_shade shade_of(const struct memory_run *run)
{
	if (run->resident)
		return resident_shade(run->class);
	if (run->swapped)
		return PICTURE_SWAPPED;
	return run->heap && run->class == LEDGER_RELEASED ? PICTURE_RELEASED : PICTURE_UNTOUCHED;
}

/* Per byte of a run in use. */
struct density {
	double live, fresh;
	struct picture_elements elements;
};

static struct density density_of(const struct picture *picture, const struct memory_run *run)
{
	const struct heap_span *span = run->heap ? run->heap->span : NULL;
	struct heap_span_use use;
	double bytes;

	if (!span || span->manual)
		return (struct density){ .fresh = 1 };
	bytes = (double)span->pages * HEAP_PAGE_BYTES;
	heap_span_use(picture->heap, span, &use);
	return (struct density){
		.live = (double)use.live / bytes,
		.fresh = (double)(use.since + use.dead + use.unknown) / bytes,
		.elements = { .element = span->size_class ? picture->heap->element_bytes[span->size_class] : 0,
			      .bytes = 1 },
	};
}

static void add_part(struct picture_cell *cell, const struct memory_run *run, const struct density *density,
		     uint64_t bytes)
{
	enum picture_shade shade = shade_of(run);

	cell->bytes[shade] += bytes;
	if (run->huge)
		cell->huge += bytes;
	if (shade == PICTURE_IN_USE) {
		cell->live += (uint64_t)(density->live * (double)bytes);
		cell->fresh += (uint64_t)(density->fresh * (double)bytes);
	}
	if (density->elements.bytes)
		add_elements(cell, (struct picture_elements){ density->elements.element, bytes });
}

/* Long stretches of nothing would leave no room for the rest. */
static bool skip(struct picture *picture, const struct memory_run *run)
{
	if (run->heap || shade_of(run) != PICTURE_UNTOUCHED || run->bytes <= PICTURE_SKIPPED_MIN)
		return false;
	picture->skipped += run->bytes;
	if (picture->nr_skips < PICTURE_SKIPS_MAX)
		picture->skips[picture->nr_skips++] = (struct picture_skip){ run->address, run->bytes };
	return true;
}

/* Of the kernel ([vsyscall]), or what a hostile process calls its heap. */
static bool is_beyond(const struct memory_run *run)
{
	return run->bytes > ADDRESS_END || run->address > ADDRESS_END - run->bytes;
}

static bool span_begins(const struct memory_run *run, uint64_t address)
{
	return run->heap && run->heap->span && heap_span_address(run->heap->span) == address;
}

int picture_add(struct picture *picture, const struct memory_run *run)
{
	uint64_t address = run->address, end = run->address + run->bytes;
	struct density density = { 0 };
	uint32_t name;

	if (picture->error || is_beyond(run) || skip(picture, run))
		return picture->error;
	name = name_of(picture, run->mapping);
	if (run->class == LEDGER_LIVE || run->class == LEDGER_NEW)
		density = density_of(picture, run);
	while (address < end) {
		struct picture_cell *cell = cell_at(picture, address);
		uint64_t cell_end = cell->address + picture->cell_bytes;
		uint64_t bytes = (cell_end < end ? cell_end : end) - address;

		add_part(cell, run, &density, bytes);
		add_name(cell, name, bytes);
		cell->spans += span_begins(run, address);
		address += bytes;
	}
	return 0;
}

/* ---- Life ------------------------------------------------------------------------------------- */

static int make_room(struct picture *picture)
{
	if (!picture->cells)
		picture->cells = malloc(PICTURE_CELLS_MAX * sizeof(*picture->cells));
	if (!picture->skips)
		picture->skips = malloc(PICTURE_SKIPS_MAX * sizeof(*picture->skips));
	if (!picture->names)
		picture->names = malloc(PICTURE_NAMES_MAX * sizeof(*picture->names));
	return picture->cells && picture->skips && picture->names ? 0 : -ENOMEM;
}

void picture_begin(struct picture *picture, const struct heap_snapshot *heap)
{
	picture->error = make_room(picture);
	picture->heap = heap;
	picture->cell_bytes = PICTURE_CELL_BYTES_MIN;
	picture->nr_cells = picture->nr_skips = 0;
	picture->skipped = 0;
	picture->named = NULL;
	picture->nr_names = 1;
	if (!picture->error)
		memcpy(picture->names[0], "Go heap", sizeof("Go heap"));
}

static int compare_cells(const void *left, const void *right)
{
	const struct picture_cell *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static int compare_skips(const void *left, const void *right)
{
	const struct picture_skip *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

void picture_finish(struct picture *picture)
{
	picture->heap = NULL;
	picture->named = NULL;
	if (!picture->nr_cells)
		return;
	/* Cells that were complete before others became larger are of the same size: all grow at once. */
	qsort(picture->cells, picture->nr_cells, sizeof(*picture->cells), compare_cells);
	merge_cells(picture);
	if (picture->nr_skips)
		qsort(picture->skips, picture->nr_skips, sizeof(*picture->skips), compare_skips);
}

void picture_clear(struct picture *picture)
{
	free(picture->cells);
	free(picture->skips);
	free(picture->names);
	*picture = (struct picture){ 0 };
}

static void begin(const struct heap_snapshot *heap, void *context)
{
	picture_begin(context, heap);
}

static int add(const struct memory_run *run, void *context)
{
	return picture_add(context, run);
}

struct memory_observer picture_observer(struct picture *picture)
{
	return (struct memory_observer){ .begin = begin, .run = add, .context = picture };
}

/* ---- Looking ---------------------------------------------------------------------------------- */

static uint64_t distance(const struct picture *picture, size_t cell)
{
	return cell + 1 < picture->nr_cells
		       ? picture->cells[cell + 1].address - picture->cells[cell].address - picture->cell_bytes
		       : 0;
}

size_t picture_gaps(const struct picture *picture)
{
	size_t gaps = 0;

	for (size_t i = 0; i < picture->nr_cells; i++)
		gaps += distance(picture, i) != 0;
	return gaps;
}

void picture_fit(struct picture *picture, size_t most)
{
	while (picture->nr_cells > 1 && picture->nr_cells + picture_gaps(picture) > most)
		double_cells(picture);
}

/* The first that is not below the address. */
static size_t skip_from(const struct picture *picture, uint64_t address)
{
	size_t low = 0, high = picture->nr_skips;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (picture->skips[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t picture_gap(const struct picture *picture, size_t cell, uint64_t *reserved)
{
	uint64_t bytes = distance(picture, cell), begins = picture->cells[cell].address;

	*reserved = 0;
	if (!bytes)
		return 0;
	/* One may begin within the cell. */
	for (size_t i = skip_from(picture, begins); i < picture->nr_skips; i++) {
		if (picture->skips[i].address >= begins + picture->cell_bytes + bytes)
			break;
		*reserved += picture->skips[i].bytes;
	}
	if (*reserved > bytes)
		*reserved = bytes;
	return bytes;
}

static enum picture_shade most_of(const struct picture_cell *cell, unsigned first, unsigned end)
{
	unsigned most = first;

	for (unsigned i = first + 1; i < end; i++)
		if (cell->bytes[i] > cell->bytes[most])
			most = i;
	return most;
}

struct picture_glance picture_glance(const struct picture *picture, const struct picture_cell *cell)
{
	struct picture_glance glance = { .occupancy = -1 };
	unsigned kinds = 0;

	for (unsigned i = 0; i < PICTURE_SHADES; i++) {
		glance.mapped += cell->bytes[i];
		if (i >= PICTURE_RESIDENT_SHADES || !cell->bytes[i])
			continue;
		glance.resident += cell->bytes[i];
		kinds++;
	}
	glance.shade = glance.resident ? most_of(cell, 0, PICTURE_RESIDENT_SHADES)
				       : most_of(cell, PICTURE_RESIDENT_SHADES, PICTURE_SHADES);
	glance.partly = glance.resident && glance.resident < picture->cell_bytes;
	glance.mixture = kinds > 1;
	if (cell->bytes[PICTURE_IN_USE])
		glance.occupancy =
			(int)(100.0 * (double)(cell->live + cell->fresh) / (double)cell->bytes[PICTURE_IN_USE]);
	return glance;
}

void picture_total(const struct picture *picture, struct picture_cell *total)
{
	*total = (struct picture_cell){ 0 };
	for (size_t i = 0; i < picture->nr_cells; i++)
		add_cell(total, &picture->cells[i]);
}
