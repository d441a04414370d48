/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capstone_memory: Capstone 4 does not look whether it got the memory that it asks for. When there
 * is none, it gets some from a reserve, so that it comes back, and its caller asks here.
 */
#ifndef GCTAP_EMU_CAPSTONE_MEMORY_H
#define GCTAP_EMU_CAPSTONE_MEMORY_H

#include <stdbool.h>

/* Before Capstone is first used. */
void capstone_memory_set(void);
/* Does Capstone live on the reserve? Then what it says is not to be used: out of memory. */
bool capstone_memory_starved(void);
/* Takes its code and constants, 3.5 MB, out of the resident set; they come back page by page when they are used. */
void capstone_memory_trim(void);

#endif
