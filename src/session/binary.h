/* SPDX-License-Identifier: BSD-2-Clause */
/* binary: an executable that has been read and solved, once, however many processes run it. */
#ifndef GCTAP_SESSION_BINARY_H
#define GCTAP_SESSION_BINARY_H

#include "gctap/gc_cycle.h"
#include "gctap/gobin.h"
#include "gctap/recipe.h"
#include "gctap/scavenge.h"
#include "gctap/target.h"
#include "gctap/trigger.h"

struct binary {
	struct binary *next;
	struct file_id id;
	char path[4096];
	char version[64];   /* "" when unknown */
	char build_id[128]; /* likewise */
	struct image *image;
	struct gobin *gobin;   /* NULL: no Go program */
	struct failure no_go;  /* for this reason */
	struct recipe *recipe; /* NULL: its cycles were not asked for */
	struct gc_layout layout;
	struct scavenge_recipes scavenge; /* solved when asked for */
	struct scavenge_layout sweep_layout, forced_layout;
	struct trigger_plan trigger;
	bool any;	    /* every process of the file is wanted, not only those that were named */
	bool replaced;	    /* its path is another file's by now, and that was said */
	uint32_t points[8]; /* ids of its probes */
	unsigned nr_points;
};

/* @path is for messages. Without @cycles it need not be a Go program. */
int binary_open(int fd, struct file_id id, const char *path, bool cycles, struct binary **out, struct failure *failure);
/* The recipes of the scavtrace lines as well. */
int binary_solve_scavenge(struct binary *binary, struct failure *failure);
void binary_free(struct binary *binary);

/* Load bias in a process where the file's byte @file_offset lies at @address. */
uint64_t binary_bias(const struct binary *binary, uint64_t address, uint64_t file_offset);

#endif
