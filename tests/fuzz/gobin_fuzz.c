// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as a Go program: names, addresses, lines, version, how it was built. */
#include "elf_mutator.h"
#include "fuzz.h"

#include "gctap/gobin.h"
#include "gctap/trigger.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	return elf_mutate(data, size, max_size, seed);
}

struct names {
	struct gobin *gobin;
	unsigned seen;
};

static int visit_name(const char *name, void *context)
{
	struct names *names = context;
	struct gobin_function function;

	require(strlen(name) <= 8192);
	if (!gobin_function_by_name(names->gobin, name, &function))
		require(!strcmp(function.name, name) && function.entry <= function.end);
	return ++names->seen > 50;
}

static void try_address(struct gobin *gobin, uint64_t address)
{
	struct gobin_function function;
	const char *file;
	uint32_t line;

	if (!gobin_function_by_address(gobin, address, &function))
		require(strlen(function.name) <= 8192 && function.index < gobin_function_count(gobin));
	if (!gobin_line(gobin, address, &file, &line))
		require(strlen(file) <= 8192);
}

static void use(struct gobin *gobin)
{
	struct names names = { gobin, 0 };
	const struct gobin_moduledata *module = gobin_moduledata(gobin);
	struct gobin_build build;
	struct trigger_plan plan;
	struct failure failure = { "" };
	char version[64];
	int error;

	require(gobin_function_count(gobin) > 0 && module->text == gobin_text(gobin));
	gobin_each_function_name(gobin, visit_name, &names);
	for (unsigned i = 0; i < 32; i++)
		try_address(gobin, module->text + 24 * i);
	try_address(gobin, module->etext - 1);
	try_address(gobin, module->etext);
	try_address(gobin, 0);
	if (!gobin_version(gobin, version, sizeof(version)))
		require(version[0] && strlen(version) < sizeof(version));
	gobin_build(gobin, &build);
	require(strlen(build.settings) < sizeof(build.settings));
	error = trigger_plan(gobin, &plan, &failure);
	require_reason(error, failure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;
	int error;

	if (image_open_bytes(data, size, &image, NULL))
		return 0;
	error = gobin_open(image, &gobin, &failure);
	require_reason(error, failure);
	if (!error) {
		use(gobin);
		gobin_close(gobin);
	}
	image_close(image);
	return 0;
}
