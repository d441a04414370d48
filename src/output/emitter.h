/* SPDX-License-Identifier: BSD-2-Clause */
/* emitter: what a format is: how a record becomes a line. */
#ifndef GCTAP_OUTPUT_EMITTER_H
#define GCTAP_OUTPUT_EMITTER_H

#include "gctap/output.h"
#include "line.h"

struct emitter {
	/* What comes before all records, with its line end; NULL: nothing. */
	void (*heading)(struct line *line, const struct output_options *options);
	/* The line of @record with its line end; nothing when the format does not show such records. */
	void (*record)(struct line *line, const struct output_options *options, const struct record *record);
};

extern const struct emitter emitter_scvg, emitter_gctrace;
extern const struct emitter emitter_json;
extern const struct emitter emitter_csv;

#endif
