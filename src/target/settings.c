// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target_settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/lines.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

/* ---- The environment ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	size_t offset;
} variables[] = {
	{ "GOMEMLIMIT", offsetof(struct target_environment, gomemlimit) },
	{ "GOGC", offsetof(struct target_environment, gogc) },
	{ "GODEBUG", offsetof(struct target_environment, godebug) },
	{ "GOMAXPROCS", offsetof(struct target_environment, gomaxprocs) },
	{ "GLIBC_TUNABLES", offsetof(struct target_environment, glibc_tunables) },
	{ "MALLOC_ARENA_MAX", offsetof(struct target_environment, malloc_arena_max) },
};

static void variable_take(struct target_variable *variable, const char *value, bool cut)
{
	size_t length = strnlen(value, sizeof(variable->value));

	if (variable->set)
		return;
	variable->set = true;
	variable->cut = cut || length == sizeof(variable->value);
	if (length == sizeof(variable->value))
		length--;
	memcpy(variable->value, value, length);
	variable->value[length] = '\0';
}

static void variable_find(struct target_environment *environment, const struct line *line)
{
	size_t length = strcspn(line->text, "=");

	if (!line->text[length])
		return;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (strlen(variables[i].name) == length && memcmp(variables[i].name, line->text, length) == 0)
			variable_take((struct target_variable *)((char *)environment + variables[i].offset),
				      line->text + length + 1, line->too_long || line->unterminated);
}

int target_environment_parse(FILE *text, struct target_environment *environment)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;
	int error;

	memset(environment, 0, sizeof(*environment));
	if (!lines)
		return -ENOMEM;
	lines_start(lines, text, '\0');
	while (lines_next(lines, &line))
		variable_find(environment, &line);
	error = lines->error;
	environment->known = !error;
	free(lines);
	return error;
}

int target_environment_read(pid_t pid, struct target_environment *environment)
{
	FILE *file = process_file(pid, "environ");
	int error;

	memset(environment, 0, sizeof(*environment));
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	error = target_environment_parse(file, environment);
	fclose(file);
	return error;
}

/* Of runtime/mgcpacer.go, readGOGC: a 32-bit number with a sign, or "off". */
uint64_t target_gogc(const struct target_variable *variable)
{
	const char *at = variable->value;
	bool negative = *at == '-';
	uint64_t number;

	if (!variable->set)
		return 100;
	if (variable->cut)
		return VALUE_UNKNOWN;
	if (strcmp(at, "off") == 0)
		return GOGC_OFF;
	at += negative;
	if (!number_take(&at, 10, &number) || *at || number > (uint64_t)INT32_MAX + negative)
		return 100;
	return negative && number ? GOGC_OFF : number;
}

/* Of runtime/string.go, parseByteCount: a number, and B, KiB, MiB, GiB, TiB or nothing. */
static uint64_t byte_count(const char *at)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	uint64_t number;

	if (!number_take(&at, 10, &number) || number > INT64_MAX)
		return VALUE_UNKNOWN;
	if (!*at)
		return number;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(at, units[i]) == 0)
			return number <= (uint64_t)INT64_MAX >> (10 * i) ? number << (10 * i) : VALUE_UNKNOWN;
	return VALUE_UNKNOWN;
}

uint64_t target_gomemlimit(const struct target_variable *variable)
{
	if (!variable->set || !*variable->value || strcmp(variable->value, "off") == 0)
		return INT64_MAX;
	return variable->cut ? VALUE_UNKNOWN : byte_count(variable->value);
}

bool target_godebug(const struct target_variable *variable, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	bool found = false;

	for (const char *at = variable->value; variable->set && *at; at += strspn(at, ",")) {
		size_t end = strcspn(at, ",");

		if (end > length && at[length] == '=' && memcmp(at, name, length) == 0) {
			snprintf(value, size, "%.*s", (int)(end - length - 1), at + length + 1);
			found = true;
		}
		at += end;
	}
	return found;
}

/* ---- The kernel's counters ------------------------------------------------------------------ */

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{ "VmRSS", offsetof(struct target_status, vm_rss) },
	{ "VmHWM", offsetof(struct target_status, vm_hwm) },
	{ "VmSize", offsetof(struct target_status, vm_size) },
	{ "VmData", offsetof(struct target_status, vm_data) },
	{ "VmSwap", offsetof(struct target_status, vm_swap) },
	{ "VmLck", offsetof(struct target_status, vm_lck) },
	{ "RssAnon", offsetof(struct target_status, rss_anon) },
	{ "RssFile", offsetof(struct target_status, rss_file) },
	{ "RssShmem", offsetof(struct target_status, rss_shmem) },
	{ "VmPTE", offsetof(struct target_status, vm_pte) },
	{ "HugetlbPages", offsetof(struct target_status, hugetlb) },
};

static void counter_take(struct target_status *status, const char *name, const char *value)
{
	uint64_t number;

	if (strcmp(name, "Threads") == 0 && number_parse(value, &number))
		status->threads = number;
	if (strcmp(name, "THP_enabled") == 0 && number_parse(value, &number))
		status->thp_enabled = number != 0;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		if (strcmp(name, counters[i].name) == 0 && kilobytes_parse(value, &number))
			memcpy((char *)status + counters[i].offset, &number, sizeof(number));
}

int target_status_parse(FILE *text, struct target_status *status)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;
	int error;

	memset(status, 0xff, sizeof(*status)); /* VALUE_UNKNOWN each, and -1 */
	if (!lines)
		return -ENOMEM;
	lines_start(lines, text, '\n');
	while (lines_next(lines, &line)) {
		/* The name in the first line is the process's choice, with its newlines escaped. */
		char *colon = strchr(line.text, ':');

		if (!colon || line.unterminated)
			continue;
		*colon = '\0';
		counter_take(status, line.text, colon + 1);
	}
	error = lines->error;
	free(lines);
	return error;
}

int target_status_read(pid_t pid, struct target_status *status)
{
	FILE *file = process_file(pid, "status");
	int error;

	memset(status, 0xff, sizeof(*status));
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	error = target_status_parse(file, status);
	fclose(file);
	return error;
}

/* ---- Huge pages ----------------------------------------------------------------------------- */

void thp_word_parse(FILE *text, char *word, size_t size)
{
	char line[256], *open, *close;

	*word = '\0';
	if (!fgets(line, sizeof(line), text))
		return;
	open = strchr(line, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close || (size_t)(close - open) > size)
		return;
	*close = '\0';
	strcpy(word, open + 1);
}

static void word_read(const char *path, char *word, size_t size)
{
	FILE *file = fopen(path, "re");

	*word = '\0';
	if (!file)
		return;
	thp_word_parse(file, word, size);
	fclose(file);
}

static uint64_t number_read(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t number = VALUE_UNKNOWN;
	char line[64];

	if (!file)
		return VALUE_UNKNOWN;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!number_parse(line, &number))
			number = VALUE_UNKNOWN;
	}
	fclose(file);
	return number;
}

void thp_setting_read(struct thp_setting *setting)
{
	word_read(THP "enabled", setting->enabled, sizeof(setting->enabled));
	word_read(THP "defrag", setting->defrag, sizeof(setting->defrag));
	setting->max_ptes_none = number_read(THP "khugepaged/max_ptes_none");
	setting->khugepaged_defrag = number_read(THP "khugepaged/defrag");
	setting->huge_bytes = number_read(THP "hpage_pmd_size");
	setting->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
}
