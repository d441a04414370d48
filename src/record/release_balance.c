// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/release_balance.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[RELEASE_ACCOUNTS] = {
	[RELEASE_BACKGROUND] = "background",
	[RELEASE_EAGER] = "eager",
	[RELEASE_FORCED] = "forced",
};

static void add_reported(struct release_balance *balance, enum release_account account, struct value bytes)
{
	if (!bytes.known)
		return;
	balance->accounts[account].runtime += bytes.u;
	balance->accounts[account].reported = true;
}

static void add_scavenge(struct release_balance *balance, const struct record *record)
{
	if (record_value(record, "forced").truth) {
		add_reported(balance, RELEASE_FORCED, record_value(record, "released_bytes"));
		return;
	}
	add_reported(balance, RELEASE_BACKGROUND, record_value(record, "released_background_bytes"));
	add_reported(balance, RELEASE_EAGER, record_value(record, "released_eager_bytes"));
}

static void add_sums(struct release_balance *balance, const struct record *record)
{
	static const struct {
		const char *cause;
		enum release_account account;
	} causes[] = {
		{ "background", RELEASE_BACKGROUND },
		{ "memory_limit", RELEASE_EAGER },
		{ "heap_growth", RELEASE_EAGER },
		{ "forced", RELEASE_FORCED },
	};

	if (strcmp(record_value(record, "period").text, "total") != 0 || !record_value(record, "releases").truth)
		return;
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (!strcmp(record_value(record, "cause").text, causes[i].cause))
			balance->accounts[causes[i].account].kernel += record_value(record, "asked_bytes").u;
}

void release_balance_add(struct release_balance *balance, const struct record *record)
{
	if (record->type == &record_scavenge)
		add_scavenge(balance, record);
	else if (record->type == &record_madvise)
		add_sums(balance, record);
}

static bool account_holds(const struct release_balance *balance, enum release_account account)
{
	uint64_t runtime = balance->accounts[account].runtime, kernel = balance->accounts[account].kernel;

	if (!balance->accounts[account].reported)
		return account != RELEASE_FORCED || !kernel;
	return account == RELEASE_FORCED ? runtime == kernel : runtime <= kernel;
}

bool release_balance_holds(const struct release_balance *balance)
{
	for (unsigned i = 0; i < RELEASE_ACCOUNTS; i++)
		if (!account_holds(balance, i))
			return false;
	return true;
}

void release_balance_print(const struct release_balance *balance, FILE *to)
{
	fprintf(to, "%-12s %16s %16s %16s\n", "given back", "runtime, KiB", "kernel, KiB", "in no line, KiB");
	for (unsigned i = 0; i < RELEASE_ACCOUNTS; i++) {
		uint64_t runtime = balance->accounts[i].runtime >> 10, kernel = balance->accounts[i].kernel >> 10;

		if (!balance->accounts[i].reported)
			fprintf(to, "%-12s %16s %16" PRIu64 " %16s%s\n", names[i], "not reported", kernel, "-",
				account_holds(balance, i) ? "" : "  differs");
		else
			fprintf(to, "%-12s %16" PRIu64 " %16" PRIu64 " %16" PRId64 "%s\n", names[i], runtime, kernel,
				(int64_t)(kernel - runtime), account_holds(balance, i) ? "" : "  differs");
	}
}

json_t *release_balance_json(const struct release_balance *balance)
{
	json_t *json = json_pack("{s:b}", "holds", release_balance_holds(balance));

	for (unsigned i = 0; i < RELEASE_ACCOUNTS && json; i++) {
		json_t *runtime = balance->accounts[i].reported ? json_integer((json_int_t)balance->accounts[i].runtime)
								: json_null();

		json_object_set_new(json, names[i],
				    json_pack("{s:o, s:I}", "runtime_bytes", runtime, "kernel_bytes",
					      (json_int_t)balance->accounts[i].kernel));
	}
	return json;
}
