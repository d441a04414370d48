/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace_field: the named pieces of two lines, held against each other.
 */
#ifndef GCTAP_TRACE_FIELD_H
#define GCTAP_TRACE_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "gctap/trace_line.h"

enum trace_field_state { FIELD_EQUAL, FIELD_DIFFERING, FIELD_MISSING, FIELD_MOVED };

/* Names a field by words: what is neither letter nor digit becomes "_". */
void trace_field_name(struct trace_field *field, const char *words, size_t length);

/* NULL when there is none of that name. */
const struct trace_field *trace_field_find(const struct trace_field *fields, int nr_fields, const char *name);

/*
 * A flag that one side lacks (@other is NULL) differs; any other field that one
 * side lacks, or shows as unknown, is missing. Whether one has moved is for the caller to say.
 */
enum trace_field_state trace_field_compare(const struct trace_field *mine, const struct trace_field *other);

#endif
