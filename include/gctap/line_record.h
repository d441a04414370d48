/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line_record: from the bytes of one event, by a recipe, to the record of the
 * line that the runtime would print. What a number means is known by the words
 * around it, so that a version that adds or moves an item is understood as far
 * as its words are known. Which words, is the line's form: gc_cycle, scavenge.
 */
#ifndef GCTAP_LINE_RECORD_H
#define GCTAP_LINE_RECORD_H

#include "gctap/event.h"
#include "gctap/recipe.h"
#include "gctap/record.h"

#define LINE_ROW_MAX	 5
#define LINE_OTHERS_MAX	 8
#define LINE_REMARKS_MAX 4

/* A number that is known by the words around it. */
struct line_word {
	const char *before; /* the text in front ends like this; NULL: anything */
	const char *after;  /* the text behind begins like this; NULL: anything */
	const char *field;  /* of the record */
};

/* Numbers that are known by their place in a row; the row is known by the words behind it. */
struct line_row {
	const char *before; /* as above, of the last number of the row */
	const char *after;
	unsigned count;
	const char *fields[LINE_ROW_MAX];
};

/* Something that is said or not: a field of its own. A version without it cannot mean it: false. */
struct line_remark {
	const char *text; /* found in the literal */
	const char *field;
};

/* Tables end with an entry whose (first) field is NULL. The record has the fields of every form, see types.c. */
struct line_form {
	const struct record_type *type;
	const struct line_word *words;
	const struct line_row *rows;
	const struct line_remark *remarks; /* at most LINE_REMARKS_MAX */
	const char *fraction;		   /* field for the double behind a percentage; NULL: none */
};

/* Which field of the record each item of a recipe is. */
struct line_layout {
	const struct line_form *form;
	int16_t fields[RECIPE_ITEMS_MAX];    /* index in form->type; -1: none */
	int16_t fractions[RECIPE_ITEMS_MAX]; /* where the unscaled double goes as well; -1: nowhere */
	char *labels[RECIPE_ITEMS_MAX];	     /* of a number or remark that has no field; owned */
	uint8_t always;			     /* bit i: remark i is part of every line of this recipe */
	uint8_t sometimes;		     /* bit i: it is printed on a condition */
};

void line_layout_learn(const struct recipe *recipe, const struct line_form *form, struct line_layout *layout);
void line_layout_clear(struct line_layout *layout);
/* The item that is this field; -ENOENT: none. */
int line_layout_item(const struct recipe *recipe, const struct line_layout *layout, const char *field);

/* One line; record's texts point into it. */
struct line_record {
	struct record record;
	unsigned unknown; /* fields of the line that could not be read */
	struct recipe_values values;
	char line[RECIPE_LINE_MAX];
	char others[LINE_OTHERS_MAX][64];
	const char *other_list[LINE_OTHERS_MAX + 1];
	const char *unknown_list[RECIPE_ITEMS_MAX + 1];
};

/* How the kernel's facts become fields. */
struct line_clock {
	uint64_t page_bytes;	/* the kernel's page size, for the RSS counters */
	int64_t wall_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

/* First the numbers: they may be adjusted before the second step makes fields and text of them. */
void line_record_read(const struct recipe *recipe, const struct gctap_event *event, struct line_record *line);
void line_record_write(const struct recipe *recipe, const struct line_layout *layout, const struct gctap_event *event,
		       const struct line_clock *clock, struct line_record *line);

#endif
