/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * comparison: gctap's lines against those that the runtime printed itself,
 * joined by the cycle's number. Knows the form of the line (trace_line); never
 * where either side comes from.
 *
 * A cycle that only one side has is a failure, with two exceptions: the end,
 * where a program exits before the runtime has printed (lost at exit), and
 * lines of the runtime that were torn by other writers.
 */
#ifndef GCTAP_COMPARISON_H
#define GCTAP_COMPARISON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gctap/trace_line.h"

#define COMPARISON_FIELDS_MAX	   64
#define COMPARISON_DIFFERENCES_MAX 100

struct comparison_field {
	char name[40]; /* as trace_line_split() names it; "text": not the form of a gctrace line */
	uint64_t equal;
	uint64_t differing;
	uint64_t missing; /* one side has no such field, or gctap shows it as unknown */
	uint64_t moved;	  /* a live number that changed between the branch and the runtime's own reading */
};

struct comparison_difference {
	uint32_t cycle;
	const char *gctap, *runtime; /* NULL: this side has no such cycle */
	bool moved;		     /* only in numbers that moved: no failure */
	size_t nr_fields;	     /* the fields that differ or are missing: */
	char fields[TRACE_FIELDS_MAX][40];
};

enum comparison_verdict {
	COMPARISON_EQUAL = 0, /* at least one cycle was compared, and no cycle is a failure */
	COMPARISON_DIFFERENT = 1,
	COMPARISON_NOTHING = 2, /* no cycle was compared */
};

struct comparison_result {
	uint64_t compared; /* cycles of which both sides have a line: equal + moved + differing */
	uint64_t equal;
	uint64_t moved; /* differ only in numbers that a second reading, where the runtime reads, has as printed */
	uint64_t differing;
	uint64_t only_gctap; /* and not lost at exit, and not torn */
	uint64_t only_runtime;
	uint64_t torn;	 /* lines of the runtime that could not be read whole */
	uint64_t forced; /* of the compared ones */
	/*
	 * Cycles that only gctap has, while as many torn pieces of the runtime's are left whose number
	 * could not be read: theirs, most likely, and no failure.
	 */
	uint64_t torn_away;
	uint64_t lost_at_exit; /* gctap has them, the runtime was cut off before or while it printed them */
	/*
	 * Lines of the runtime with the number of a cycle that is already settled:
	 * a child process that writes its own lines to the same standard error.
	 */
	uint64_t repeated;
	enum comparison_verdict verdict;
	size_t nr_fields;
	struct comparison_field fields[COMPARISON_FIELDS_MAX];
	size_t nr_differences;
	struct comparison_difference differences[COMPARISON_DIFFERENCES_MAX]; /* by cycle */
	uint64_t unlisted;						      /* differences that found no room there */
};

struct comparison;

/* NULL when out of memory. */
struct comparison *comparison_new(void);

/* NULL is fine; frees the result as well. */
void comparison_free(struct comparison *comparison);

/* Both in any order and interleaving. Lines are copied. 0 or -ENOMEM. */
int comparison_add_gctap(struct comparison *comparison, uint32_t cycle, const char *text);
int comparison_add_runtime(struct comparison *comparison, const struct trace_line *line);

/*
 * The same cycle as gctap reads it once more, right behind where the runtime itself reads: tells a
 * number that moved since the branch from one that is wrong. Several readings of a cycle may be added,
 * all before the runtime's line of that cycle. 0 or -ENOMEM.
 */
int comparison_add_reread(struct comparison *comparison, uint32_t cycle, const char *text);

/*
 * Both sides have ended: settles what is open. To be called once; nothing may
 * be added after it. The result belongs to the comparison.
 */
const struct comparison_result *comparison_finish(struct comparison *comparison);

/* "equal", "different", "nothing compared". */
const char *comparison_verdict_name(enum comparison_verdict verdict);

/* A table to read. */
void comparison_print(const struct comparison_result *result, FILE *to);

/*
 * One JSON object. @go_version and @binary may be NULL (null). A difference of a cycle that only one
 * side has shows null for the other. NULL when out of memory.
 */
json_t *comparison_json(const struct comparison_result *result, const char *go_version, const char *binary);

/* The object on one line; it is given away. 0 or a negative errno, -ENOMEM where @json is NULL. */
int comparison_print_json(json_t *json, FILE *to);

#endif
