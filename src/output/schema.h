/* SPDX-License-Identifier: BSD-2-Clause */
/* schema: of the objects that are no records: what gctap why and gctap map write. */
#ifndef GCTAP_OUTPUT_SCHEMA_H
#define GCTAP_OUTPUT_SCHEMA_H

#include <jansson.h>

/* Appends them to @types. 0 or -1 as jansson has it. */
int schema_append_objects(json_t *types);

#endif
