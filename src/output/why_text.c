// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/why_report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gctap/record.h"

#define PATH_SHOWN   120
#define TEXT_SHOWN   60	  /* of a variable of the environment */
#define REASON_SHOWN 2048 /* all of it, escaped */

static double mb(int64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* Names are the process's choice, and reasons quote them: none may command the terminal. */
static void print_escaped(FILE *to, const char *text, int shown)
{
	char *escaped = text ? record_text_escape(text, true) : NULL;

	fprintf(to, "%.*s", shown, escaped ? escaped : "?");
	free(escaped);
}

static void print_title(FILE *to, const struct why_report *report)
{
	fprintf(to, "%d (", report->pid);
	print_escaped(to, report->comm, PATH_SHOWN);
	fputs("): ", to);
	print_escaped(to, report->path, 4096);
	fprintf(to, ", %s\n", report->version[0] ? report->version : "Go version unknown");
}

static void print_remark(FILE *to, const struct why_report *report, enum ledger_class class)
{
	const struct ledger *ledger = report->ledger;
	struct heap_goal goal = heap_goal_of(&ledger->heap.counters);
	int64_t in_use = ledger->bytes[LEDGER_LIVE] + ledger->bytes[LEDGER_NEW] + ledger->bytes[LEDGER_HOLES];

	if (class == LEDGER_HEAP) {
		fputs("  not told apart: ", to);
		print_escaped(to, ledger->coarse.text, REASON_SHOWN);
	}
	if (class == LEDGER_NEW && goal.bytes)
		fprintf(to, "  goes at the next cycle (goal %s%.1f MB)", goal.limited ? "at most " : "",
			mb((int64_t)goal.bytes));
	if (class == LEDGER_HOLES && in_use > 0)
		fprintf(to, "  spans are %.0f %% occupied",
			100.0 * (double)(in_use - ledger->bytes[LEDGER_HOLES]) / (double)in_use);
	if (class == LEDGER_METADATA && ledger->by_pages && ledger->cgo_or_unknown)
		fputs("  at most: what C maps looks the same", to);
	if (class == LEDGER_RELEASED && ledger->released_huge)
		fprintf(to, "  %s%.1f MB in huge pages", ledger->released_huge_least ? "at least " : "",
			mb((int64_t)ledger->released_huge));
	if (class == LEDGER_FILES)
		fprintf(to, "  %.1f MB clean: the kernel can take them", mb((int64_t)ledger->file_clean));
}

static void print_returning(FILE *to, const struct trends *trends)
{
	struct trend_line line;

	if (!trends)
		return;
	trend_line(&trends->released, &line);
	if (line.direction == TREND_GROWS)
		fprintf(to, "  being returned: %.2f MB/s in the last %.0f s", line.slope / (1 << 20), line.seconds);
}

static void print_classes(FILE *to, const struct why_report *report)
{
	const struct ledger *ledger = report->ledger;

	fprintf(to, "Resident %.1f MB =\n", mb((int64_t)ledger->rss));
	for (unsigned i = 0; i < LEDGER_CLASSES; i++) {
		if (!ledger->bytes[i])
			continue;
		fprintf(to, "  %10.1f MB  %-42s", mb(ledger->bytes[i]), ledger_class_phrase(i));
		print_remark(to, report, i);
		if (i == LEDGER_FREE)
			print_returning(to, report->trends);
		fputc('\n', to);
	}
	if (ledger->moved)
		fprintf(to, "  (Rss changed by %.1f MB while it was looked at)\n", mb((int64_t)ledger->moved));
}

static void print_variable(FILE *to, const char *name, const struct target_variable *variable)
{
	if (!variable->set)
		return;
	fprintf(to, " %s=", name);
	print_escaped(to, variable->value, TEXT_SHOWN);
}

static void print_environment(FILE *to, const struct target_environment *environment)
{
	if (!environment || !environment->known) {
		fputs("; its environment is not known", to);
		return;
	}
	if (!environment->gogc.set && !environment->gomemlimit.set && !environment->godebug.set &&
	    !environment->malloc_arena_max.set) {
		fputs("; nothing of it in the environment", to);
		return;
	}
	fputs("; in the environment:", to);
	print_variable(to, "GOGC", &environment->gogc);
	print_variable(to, "GOMEMLIMIT", &environment->gomemlimit);
	print_variable(to, "GODEBUG", &environment->godebug);
	print_variable(to, "MALLOC_ARENA_MAX", &environment->malloc_arena_max);
}

/* As the process has them now; the environment is what it was started with. */
static void print_settings(FILE *to, const struct why_report *report)
{
	const struct heap_counters *counters = &report->ledger->heap.counters;

	if (!report->version[0])
		return;
	fputs("Settings: ", to);
	if (!report->ledger->by_pages || !counters->gc_percent.known)
		fputs("GOGC not known", to);
	else if ((int32_t)counters->gc_percent.value < 0)
		fputs("GOGC off", to);
	else
		fprintf(to, "GOGC %" PRId32, (int32_t)counters->gc_percent.value);
	if (!report->ledger->by_pages || !counters->memory_limit.known)
		fputs(", memory limit not known", to);
	else if (counters->memory_limit.value >= INT64_MAX)
		fputs(", no memory limit", to);
	else
		fprintf(to, ", memory limit %.1f MB", mb((int64_t)counters->memory_limit.value));
	print_environment(to, report->environment);
	fputc('\n', to);
}

static void print_charge(FILE *to, const char *name, uint64_t bytes)
{
	if (value_known(bytes))
		fprintf(to, ", %s %.1f MB", name, mb((int64_t)bytes));
}

static void print_cgroup(FILE *to, const struct why_report *report)
{
	const struct cgroup_memory *cgroup = report->cgroup;

	if (!cgroup || !value_known(cgroup->current))
		return;
	fputs("Cgroup ", to);
	print_escaped(to, cgroup->path[0] ? cgroup->path : NULL, PATH_SHOWN);
	fprintf(to, ": %.1f MB charged", mb((int64_t)cgroup->current));
	if (value_known(cgroup->tightest) && cgroup->tightest != CGROUP_NO_LIMIT)
		fprintf(to, " of %.1f MB", mb((int64_t)cgroup->tightest));
	print_charge(to, "anonymous", cgroup->stat.anon);
	print_charge(to, "page cache", cgroup->stat.file);
	print_charge(to, "slab", cgroup->stat.slab);
	print_charge(to, "working set", cgroup->working_set);
	fputc('\n', to);
}

void why_report_text(FILE *to, const struct why_report *report)
{
	print_title(to, report);
	print_classes(to, report);
	fputc('\n', to);
	print_settings(to, report);
	print_cgroup(to, report);
	for (unsigned i = 0; i < report->nr_verdicts; i++) {
		const struct verdict *verdict = &report->verdicts[i];

		fprintf(to, "\n%s", i ? "" : "Verdict: ");
		print_escaped(to, verdict->evidence, REASON_SHOWN);
		fputc('\n', to);
		if (verdict->advice)
			fprintf(to, "  %s\n", verdict->advice);
	}
}
