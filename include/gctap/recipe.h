/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recipe: how to get a trace line of the Go runtime out of a process that
 * runs a given binary. It is learned from the binary: the runtime's own
 * printing code is emulated once, off line. A recipe holds the literals, one
 * expression per number, the windows of memory that those need, and the
 * instruction at which everything is final. Knows no BPF and no meaning of
 * the numbers.
 */
#ifndef GCTAP_RECIPE_H
#define GCTAP_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "gctap/expr.h"
#include "gctap/failure.h"
#include "gctap/gobin.h"
#include "gctap/window.h"

#define RECIPE_ITEMS_MAX 128
#define RECIPE_REREADS	 2
#define RECIPE_LINE_MAX	 1024 /* bytes of a rendered line, with its NUL */

enum recipe_format {
	RECIPE_LITERAL,	     /* text, as it is */
	RECIPE_UNSIGNED,     /* decimal */
	RECIPE_SIGNED,	     /* decimal */
	RECIPE_DECIMAL,	     /* runtime.itoaDiv: decimal with a point before the last @decimals digits */
	RECIPE_MILLISECONDS, /* runtime.fmtNSAsMS: nanoseconds shown as milliseconds, two significant digits */
};

enum recipe_unit { /* of recipe_item.raw */
		   RECIPE_UNIT_NONE,
		   RECIPE_UNIT_NANOSECONDS,
		   RECIPE_UNIT_BYTES,	 /* shown as KiB or MB: shifted right by scale_shift */
		   RECIPE_UNIT_FRACTION, /* a double, shown as percent */
};

struct recipe_item {
	enum recipe_format format;
	const char *literal; /* of RECIPE_LITERAL */
	unsigned decimals;   /* of RECIPE_DECIMAL */
	expr_id value;	     /* what is printed */
	expr_id raw;	     /* the quantity behind it, before it was scaled for printing */
	enum recipe_unit unit;
	unsigned scale_shift; /* of RECIPE_UNIT_BYTES */
	expr_id guard;	      /* EXPR_NONE: always printed; else only when (guard != 0) == guard_truth */
	bool guard_truth;
};

/* Numbers of the scavtrace line that it does not show as such. */
enum recipe_extra {
	RECIPE_SWITCH,	 /* the debug variable itself: whether the runtime prints as well */
	RECIPE_IN_USE,	 /* bytes in spans in use */
	RECIPE_RETAINED, /* bytes of heap not returned to the kernel: in use and free */
	RECIPE_EXTRAS,
};

struct recipe {
	char function[64];	/* that prints */
	uint64_t probe_address; /* the conditional branch in front of the printing */
	uint64_t probe_offset;	/* the same as a position in the file */
	char probe_text[96];	/* its mnemonic */
	/*
	 * Calls right behind the runtime's own reading: in front of the last numbers, and in front of the
	 * newline, behind the last remark. They run only when the line really is printed. What differs
	 * there has moved since the branch (Go 1.19 shows a live gauge, up to 1.20 "(forced)" is one). 0: none.
	 */
	struct recipe_place {
		uint64_t address, offset;
	} rereads[RECIPE_REREADS];
	uint64_t switch_address; /* of the debug variable that the branch looks at (debug.gctrace) */
	struct recipe_item items[RECIPE_ITEMS_MAX];
	unsigned nr_items;
	expr_id extras[RECIPE_EXTRAS]; /* EXPR_NONE: not asked for */
	/* What the runtime says it released counts from the start of the program while it does not print. */
	bool cumulative;
	/*
	 * The lock that is held while a sweep's line is printed: the address of runtime.mheap_, whose first
	 * field it is; in Go 1.18 that of a lock inside it. 0: none is taken.
	 */
	uint64_t lock_address;
	struct expr_pool *pool;
	struct gctap_window windows[GCTAP_WINDOWS_MAX];
	uint32_t window_offsets[GCTAP_WINDOWS_MAX]; /* in the payload */
	unsigned nr_windows;
	uint32_t payload_bytes;
	struct recipe_leaf *leaves; /* by expr_id: where in the payload */
	uint64_t instructions;	    /* emulated to find and to check it */
	uint64_t solve_ns;	    /* that this took */
	unsigned checks;	    /* rounds in which emulated and rendered lines were compared */
};

/*
 * The recipe of the gctrace line. -ENOENT: the binary does not print it (no
 * gcMarkTermination: not built by the Go toolchain, or printing was removed).
 * Otherwise the failure says where the emulation ended.
 */
int recipe_solve_gctrace(struct gobin *gobin, struct recipe **out, struct failure *failure);
void recipe_free(struct recipe *recipe);

/*
 * The recipes of the scavtrace lines (Go 1.15 and later): the one of every sweep, about the background
 * scavenger (and, since 1.21, allocations that had to scavenge), and the "(forced)" one of
 * debug.FreeOSMemory; a binary into which that was not linked has none (NULL). Their extras are set.
 * -ENOENT: the binary does not print them.
 */
struct scavenge_recipes {
	struct recipe *background, *forced;
};
int recipe_solve_scavtrace(struct gobin *gobin, struct scavenge_recipes *out, struct failure *failure);

/*
 * Address of gcController.gcPercentHeapGoal: the goal that GOGC alone sets. A cycle whose goal is
 * below it was started by the memory limit. -ENOENT: this version has no memory limit (before 1.19).
 */
int recipe_percent_goal(struct gobin *gobin, uint64_t *address, struct failure *failure);

/* Where the runtime keeps what it compares with the memory limit; variables of 8 bytes. */
struct recipe_limit {
	uint64_t memory_limit; /* bytes; the largest int64 when unset */
	uint64_t mapped_ready; /* bytes, mapped and not given back */
	uint64_t heap_free;    /* bytes, free and not given back */
};
/* -ENOENT: this version has no memory limit (before 1.19). */
int recipe_memory_limit(struct gobin *gobin, struct recipe_limit *limit, struct failure *failure);

/* What the probe at @address (the recipe's probe_address or that of a reread) has to copy. */
void recipe_capture(const struct recipe *recipe, uint64_t address, struct gctap_capture *capture);

/* The numbers of one event. present: the item belongs to the line; known: its value could be read. */
struct recipe_values {
	struct recipe_value {
		bool present, known, raw_known;
		uint64_t value, raw;
	} items[RECIPE_ITEMS_MAX];
	struct recipe_number {
		bool known;
		uint64_t value;
	} extras[RECIPE_EXTRAS];
	unsigned unknown; /* items whose value, or presence, is not known */
};

/* @windows_read: bit i is set when window i holds data. */
void recipe_evaluate(const struct recipe *recipe, const uint8_t *payload, uint32_t payload_bytes, uint32_t windows_read,
		     struct recipe_values *values);

/*
 * The line, without its newline. An unknown number is "?"; an item whose
 * presence is unknown is left out. Returns its length.
 */
int recipe_render(const struct recipe *recipe, const struct recipe_values *values, char *line, size_t size);

/* The formatters of the runtime, on their own: text of one number. Returns the length. */
int recipe_format_number(enum recipe_format format, unsigned decimals, uint64_t value, char *text, size_t size);
/* The same for a text that is there as it is. */
int recipe_format_literal(const char *literal, char *text, size_t size);

/* "gc %u @%.3fs ..." for people. */
void recipe_format_string(const struct recipe *recipe, char *text, size_t size);

#endif
