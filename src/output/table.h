/* SPDX-License-Identifier: BSD-2-Clause */
/* table: records that the runtime has no line for, as text for people. */
#ifndef GCTAP_OUTPUT_TABLE_H
#define GCTAP_OUTPUT_TABLE_H

#include <stdbool.h>

#include "gctap/record.h"
#include "line.h"

bool table_has(const struct record *record);
/* Whole lines; of a record that table_has(). */
void table_append(struct line *line, const struct record *record);

#endif
