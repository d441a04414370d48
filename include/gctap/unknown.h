/* SPDX-License-Identifier: BSD-2-Clause */
/* unknown: the value of a number that could not be established. It is never shown, and never added to anything. */
#ifndef GCTAP_UNKNOWN_H
#define GCTAP_UNKNOWN_H

#include <stdbool.h>
#include <stdint.h>

#define VALUE_UNKNOWN UINT64_MAX

static inline bool value_known(uint64_t value)
{
	return value != VALUE_UNKNOWN;
}

#endif
