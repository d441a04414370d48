/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * picture: an address space as cells of one size, so many that they can be looked at. A cell says how many of
 * its bytes are of which kind; nothing is lost when cells become larger, so that all cells always add up to
 * what was put in. Where the address space has nothing, there is no cell. Pure: reads nothing, knows no format.
 */
#ifndef GCTAP_PICTURE_H
#define GCTAP_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/memory_walk.h"

/* What memory is drawn as. Those up to PICTURE_REMAINDER are resident. */
enum picture_shade {
	PICTURE_IN_USE, /* spans of objects: the ledger's live, new and holes */
	PICTURE_HEAP,	/* these as in the ledger */
	PICTURE_FREE,
	PICTURE_KEPT_RELEASED, /* given back to the kernel, and resident all the same */
	PICTURE_STACKS,
	PICTURE_COLLECTOR,
	PICTURE_METADATA,
	PICTURE_GLOBALS,
	PICTURE_FILES,
	PICTURE_THREADS,
	PICTURE_C_HEAP,
	PICTURE_SHARED,
	PICTURE_OTHER,
	PICTURE_REMAINDER, /* resident in a mapping of the heap, where the runtime has no heap */
	PICTURE_RELEASED,  /* given back, and gone */
	PICTURE_SWAPPED,
	PICTURE_UNTOUCHED, /* reserved or in use, and nothing was ever put behind it, or it has been taken back */
	PICTURE_SHADES,
};
#define PICTURE_RESIDENT_SHADES ((unsigned)PICTURE_RELEASED)

/* "in_use", "free", ... as in JSON; and a phrase for people. */
const char *picture_shade_name(enum picture_shade shade);
const char *picture_shade_phrase(enum picture_shade shade);

#define PICTURE_CELL_BYTES_MIN 4096u
#define PICTURE_CELLS_MAX      16384u
/* Untouched memory outside the heap's chunks that is longer is left out like a gap. */
#define PICTURE_SKIPPED_MIN   (256u << 10)
#define PICTURE_SKIPS_MAX     16384u
#define PICTURE_NAMES_MAX     2048u
#define PICTURE_NAME_BYTES    256u
#define PICTURE_CELL_ELEMENTS 3u

/* Spans by what one object in them takes, bytes; 0: one object has the span for itself. */
struct picture_elements {
	uint32_t element;
	uint64_t bytes; /* of the cell, in such spans; 0: none */
};

struct picture_cell {
	uint64_t address; /* a multiple of the picture's cell_bytes */
	uint64_t bytes[PICTURE_SHADES];
	uint64_t live, fresh; /* of PICTURE_IN_USE: found live by the last mark phase; allocated since or unswept */
	uint64_t huge;
	uint64_t spans;						 /* that begin here */
	struct picture_elements elements[PICTURE_CELL_ELEMENTS]; /* that have the most, the first foremost */
	uint64_t name_bytes;
	uint32_t name; /* of the mapping that has most of it, in names; 0: of the heap */
};

/* Address space that is mapped, and left out. */
struct picture_skip {
	uint64_t address, bytes;
};

struct picture {
	uint64_t cell_bytes; /* a power of two */
	struct picture_cell *cells;
	size_t nr_cells;
	struct picture_skip *skips; /* by ascending address, once finished */
	size_t nr_skips;
	uint64_t skipped; /* bytes, also of those that are not in skips */
	char (*names)[PICTURE_NAME_BYTES];
	uint32_t nr_names;
	const struct mapping *named;	  /* whose name is the last one */
	const struct heap_snapshot *heap; /* that runs of the heap are of; while it is filled */
	int error;			  /* -ENOMEM */
};

/* Begins anew. The caller zeroes @picture before the first time, and clears it in the end. */
void picture_begin(struct picture *picture, const struct heap_snapshot *heap);
/* Within the heap, and outside, by ascending address. Addresses from 2^62 on are left out. 0 or -ENOMEM. */
int picture_add(struct picture *picture, const struct memory_run *run);
/* All is in: brings the cells into order. */
void picture_finish(struct picture *picture);
void picture_clear(struct picture *picture);

/* The same as an observer, whose context is the picture. */
struct memory_observer picture_observer(struct picture *picture);

/* Makes cells larger until they and the gaps between them are at most @most, or cells one. Only ever larger. */
void picture_fit(struct picture *picture, size_t most);
/* Address space between this cell and the next; 0: they are neighbours, or it is the last. @reserved: mapped. */
uint64_t picture_gap(const struct picture *picture, size_t cell, uint64_t *reserved);
size_t picture_gaps(const struct picture *picture);

/* ---- A cell at a glance ----------------------------------------------------------------------- */

struct picture_glance {
	enum picture_shade shade;  /* that most resident bytes have; without any, that most bytes have */
	uint64_t mapped, resident; /* bytes */
	bool partly;		   /* something is resident, something is not or is not mapped */
	bool mixture;		   /* of several shades that are resident */
	int occupancy;		   /* percent of what is in use that are objects; -1: nothing is in use */
};
struct picture_glance picture_glance(const struct picture *picture, const struct picture_cell *cell);
/* Sums of all cells. */
void picture_total(const struct picture *picture, struct picture_cell *total);

#endif
