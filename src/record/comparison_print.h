/* SPDX-License-Identifier: BSD-2-Clause */
/* comparison_print: what the comparisons of lines share when they print. */
#ifndef GCTAP_COMPARISON_PRINT_H
#define GCTAP_COMPARISON_PRINT_H

#include <jansson.h>

/* Any bytes as a JSON string; NULL as null. NULL when out of memory. */
json_t *comparison_text_json(const char *text);

#endif
