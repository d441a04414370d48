/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refault: of the memory that a process gave back, how much was back within 1,
 * 10 and 60 s? Keeps the ranges that were given back until each of these ages
 * has come; whether a page is there then, the caller looks up. A range that is
 * given back again was back as far as that freed something. Pure: no clock, no
 * process.
 */
#ifndef GCTAP_REFAULT_H
#define GCTAP_REFAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFAULT_AGES 3

extern const uint64_t refault_age_ns[REFAULT_AGES];

struct refault;

/* Watches @ranges_max ranges at most, of 4 MiB each at most; NULL when out of memory. */
struct refault *refault_new(uint32_t ranges_max);
void refault_free(struct refault *refault); /* NULL is fine */

/* [address, address + bytes) was given back with MADV_DONTNEED, and @freed_bytes of it were resident. */
void refault_release(struct refault *refault, uint64_t address, uint64_t bytes, uint64_t freed_bytes, uint64_t now_ns);
/* Something was given back that cannot be watched. */
void refault_unwatched(struct refault *refault, uint64_t bytes);

struct refault_range {
	uint64_t address, bytes;
};
/* A range whose next age has come, the oldest first; to be judged before the next call. */
bool refault_due(struct refault *refault, uint64_t now_ns, struct refault_range *range);
/* The range of the last refault_due(): how much of it is there. */
void refault_judge(struct refault *refault, uint64_t present_bytes);

struct refault_totals {
	uint64_t released;		 /* bytes of the ranges that are or were watched */
	uint64_t unwatched;		 /* bytes of the others */
	uint64_t judged[REFAULT_AGES];	 /* bytes that have come to this age, or were given back again before */
	uint64_t returned[REFAULT_AGES]; /* bytes of them that were back by then */
};
const struct refault_totals *refault_totals(const struct refault *refault);

#endif
