/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * release_balance: what the runtime says that it gave back, against what the
 * kernel was asked to take, by cause. Both sides are gctap's records; the first
 * is the runtime's own account. Holds for a process that was followed from its
 * start. What was given back after the last line of the runtime is in no line.
 */
#ifndef GCTAP_RELEASE_BALANCE_H
#define GCTAP_RELEASE_BALANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "gctap/record.h"

enum release_account {
	RELEASE_BACKGROUND,
	RELEASE_EAGER, /* by allocations: for the memory limit or the growth of the heap */
	RELEASE_FORCED,
	RELEASE_ACCOUNTS,
};

struct release_balance {
	struct {
		uint64_t runtime; /* bytes that the runtime reports */
		uint64_t kernel;  /* bytes asked for with MADV_DONTNEED and MADV_FREE */
		bool reported;	  /* the runtime's lines have this account (eager: since Go 1.21) */
	} accounts[RELEASE_ACCOUNTS];
};

/* Scavenge records, and madvise records in all; others are passed over. */
void release_balance_add(struct release_balance *balance, const struct record *record);
/* Forced work is equal, and of nothing more is reported than was asked for. */
bool release_balance_holds(const struct release_balance *balance);
void release_balance_print(const struct release_balance *balance, FILE *to);
/* NULL when out of memory. */
json_t *release_balance_json(const struct release_balance *balance);

#endif
