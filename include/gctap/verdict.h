/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verdict: why the resident memory of a process is as large as it is, from a ledger and what surrounds it.
 * Each rule looks at named signals, shows the numbers that carry it, and says what to do if less is wanted.
 * Several can hold at once. A rule whose signals are unknown does not hold; that nothing can be said is a
 * verdict of its own. Pure: reads nothing.
 */
#ifndef GCTAP_VERDICT_H
#define GCTAP_VERDICT_H

#include "gctap/cgroup.h"
#include "gctap/ledger.h"
#include "gctap/target_settings.h"

#define VERDICTS_MAX 24

struct verdict_signals {
	const struct ledger *ledger;
	const struct cgroup_memory *cgroup;	      /* NULL: not known */
	const struct target_environment *environment; /* likewise */
	const struct target_status *status;	      /* likewise */
	const struct thp_setting *thp;		      /* likewise */
};

struct verdict {
	const char *name;   /* "free_kept", as in JSON */
	uint64_t bytes;	    /* that it explains, of Rss or of what is beside it; verdicts come by these */
	char evidence[320]; /* the numbers, one sentence */
	const char *advice; /* one sentence; NULL: nothing to do */
	bool leak;	    /* says that something grows without bound */
};

/* Whether the next can be told of this look. */
bool verdict_limit_known(const struct ledger *ledger);
/* What the runtime has mapped is near its memory limit, if it has one: allocations give back first, and collect. */
bool verdict_near_limit(const struct ledger *ledger);

/*
 * By bytes, the largest first; behind them what is no part of Rss (page cache, address space, how gctrace's number
 * becomes Rss). At least one is about Rss: that nothing in it stands out, if need be. Parts overlap where a cause is
 * made up of others (memory_limit, live_heap). Returns how many.
 */
unsigned verdict_judge(const struct verdict_signals *signals, struct verdict verdicts[VERDICTS_MAX]);

#endif
