/* SPDX-License-Identifier: BSD-2-Clause */
/* pagemap: the entries of /proc/PID/pagemap, as Documentation/admin-guide/mm/pagemap.rst has them. */
#ifndef GCTAP_TARGET_PAGEMAP_H
#define GCTAP_TARGET_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62) /* guard pages, too */
#define PAGEMAP_FILE	(1ull << 61)
#define PAGEMAP_GUARD	(1ull << 58)	   /* Linux 6.15 */
#define PAGEMAP_FRAME	((1ull << 55) - 1) /* 0 without CAP_SYS_ADMIN */

/* Resident, or in swap. */
static inline bool pagemap_held(uint64_t entry)
{
	return (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) && !(entry & PAGEMAP_GUARD);
}

#endif
