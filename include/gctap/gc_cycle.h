/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gc_cycle: from the bytes of one event, by a recipe, to the record of one
 * garbage collection. Knows what the numbers of the gctrace line mean: by the
 * words around them, so that a version that adds or moves an item is
 * understood as far as its words are known.
 */
#ifndef GCTAP_GC_CYCLE_H
#define GCTAP_GC_CYCLE_H

#include "gctap/event.h"
#include "gctap/recipe.h"
#include "gctap/record.h"

/* Which field of the record each item of a recipe is. */
struct gc_layout {
	int16_t fields[RECIPE_ITEMS_MAX];    /* index in record_gc_cycle; -1: none */
	int16_t fractions[RECIPE_ITEMS_MAX]; /* where the unscaled double goes as well; -1: nowhere */
	char *labels[RECIPE_ITEMS_MAX];	     /* of a number or remark that has no field; owned */
	unsigned cycle_item;		     /* the cycle's number */
	bool has_forced, has_leak_check;     /* whether this version has these remarks */
};

/* -EBADMSG when the line has no cycle number. */
int gc_layout_learn(const struct recipe *recipe, struct gc_layout *layout, struct failure *failure);
void gc_layout_clear(struct gc_layout *layout);

/* One decoded cycle; record's texts point into it. */
struct gc_cycle {
	struct record record;
	bool cycle_known;
	uint32_t cycle;	  /* the runtime's number */
	unsigned unknown; /* fields of the line that could not be read */
	struct recipe_values values;
	char line[RECIPE_LINE_MAX];
	char others[8][64];
	const char *other_list[9];
	const char *unknown_list[RECIPE_ITEMS_MAX + 1];
};

/* @page_bytes: the kernel's page size, for the RSS counters. @wall_offset_ns: CLOCK_REALTIME - CLOCK_MONOTONIC. */
void gc_cycle_decode(const struct recipe *recipe, const struct gc_layout *layout, const struct gctap_event *event,
		     uint64_t page_bytes, int64_t wall_offset_ns, struct gc_cycle *cycle);

#endif
