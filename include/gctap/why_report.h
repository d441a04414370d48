/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * why_report: all that is known of why a process has as much resident memory as it has, and how it is
 * written: as a text for people, as one JSON object.
 */
#ifndef GCTAP_WHY_REPORT_H
#define GCTAP_WHY_REPORT_H

#include <stdio.h>

#include <jansson.h>

#include "gctap/cgroup.h"
#include "gctap/ledger.h"
#include "gctap/target_settings.h"
#include "gctap/trend.h"
#include "gctap/verdict.h"

/* Points to what the caller keeps. NULL where nothing is said: not known. */
struct why_report {
	pid_t pid;
	uint64_t wall_ns;	 /* when it was looked at, CLOCK_REALTIME */
	const char *comm, *path; /* any bytes */
	const char *version;	 /* "": not known */
	const struct ledger *ledger;
	const struct cgroup_memory *cgroup;
	const struct target_environment *environment;
	const struct verdict *verdicts;
	unsigned nr_verdicts;
	const struct trends *trends; /* NULL: not watched */
};

/* Whether it could be written, the stream says. */
void why_report_text(FILE *to, const struct why_report *report);

/*
 * One object, as the schema describes it; the caller's. NULL, or an object that lacks fields, when there was not
 * enough memory: only jansson's allocator tells which.
 */
json_t *why_report_json(const struct why_report *report);

#endif
