/* SPDX-License-Identifier: BSD-2-Clause */
/* clock: the time, as most of the program counts it. */
#ifndef GCTAP_CLOCK_H
#define GCTAP_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Of a clock that every kernel has (CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME ...), ns. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
