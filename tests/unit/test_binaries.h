/* SPDX-License-Identifier: BSD-2-Clause */
/* test_binaries: the Go programs that tests/run has built, for tests that need real ones. */
#ifndef GCTAP_TESTS_TEST_BINARIES_H
#define GCTAP_TESTS_TEST_BINARIES_H

#include <stdlib.h>
#include <string.h>

/* Calls back for each path in GCTAP_TEST_BINARIES (separated by colons); skips @test where there are none. */
static inline void each_test_binary(const char *test, void (*callback)(const char *path))
{
	const char *list = getenv("GCTAP_TEST_BINARIES");
	char *copy, *rest, *path;

	if (!list || !*list) {
		print_message("SKIP %s: GCTAP_TEST_BINARIES names no Go programs\n", test);
		skip();
	}
	copy = rest = strdup(list);
	assert_non_null(copy);
	while ((path = strsep(&rest, ":")))
		if (*path)
			callback(path);
	free(copy);
}

#endif
