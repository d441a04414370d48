// SPDX-License-Identifier: BSD-2-Clause
#include "gobin_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct candidates {
	struct gobin *gobin;
	struct pclntab first; /* the first table that no moduledata points to */
	bool any;
	unsigned seen;
};

/* So many tables that nobody points to, and it is an attack or an archive of Go programs. */
#define CANDIDATES_MAX 8u

/* A program can carry another Go program in its data: only a table that its own moduledata points to counts. */
static bool candidate(const struct pclntab *table, void *context)
{
	struct candidates *candidates = context;

	if (moduledata_find(candidates->gobin->image, table, &candidates->gobin->module)) {
		candidates->gobin->table = *table;
		return true;
	}
	if (!candidates->any)
		candidates->first = *table;
	candidates->any = true;
	return ++candidates->seen >= CANDIDATES_MAX;
}

static int locate(struct gobin *gobin, struct failure *failure)
{
	struct candidates candidates = { .gobin = gobin };

	if (!pclntab_search(gobin->image, candidate, &candidates) || !gobin->table.address) {
		if (!candidates.any)
			return failure_set(
				failure, -ENOEXEC,
				"not a Go program (no pclntab; gccgo, TinyGo and packed files have none either)");
		return failure_set(failure, -ENOEXEC,
				   "not a Go program that can be read: no moduledata points to its pclntab at 0x%llx",
				   (unsigned long long)candidates.first.address);
	}
	gobin->text = gobin->module.text;
	if (gobin->table.text_start && gobin->table.text_start != gobin->text)
		return failure_set(failure, -ENOEXEC,
				   "inconsistent: pclntab says text starts at 0x%llx, moduledata says 0x%llx",
				   (unsigned long long)gobin->table.text_start, (unsigned long long)gobin->text);
	return 0;
}

int gobin_open(struct image *image, struct gobin **out, struct failure *failure)
{
	struct gobin *gobin = calloc(1, sizeof(*gobin));
	int error;

	if (!gobin)
		return failure_set(failure, -ENOMEM, "out of memory");
	gobin->image = image;
	error = locate(gobin, failure);
	if (error) {
		gobin_close(gobin);
		return error;
	}
	*out = gobin;
	return 0;
}

void gobin_close(struct gobin *gobin)
{
	free(gobin);
}

struct image *gobin_image(struct gobin *gobin)
{
	return gobin->image;
}

enum pclntab_form gobin_form(const struct gobin *gobin)
{
	return gobin->table.form;
}

uint64_t gobin_pclntab(const struct gobin *gobin)
{
	return gobin->table.address;
}

uint64_t gobin_text(const struct gobin *gobin)
{
	return gobin->text;
}

uint32_t gobin_function_count(const struct gobin *gobin)
{
	return gobin->table.nr_functions;
}

const struct gobin_moduledata *gobin_moduledata(const struct gobin *gobin)
{
	return &gobin->module;
}
