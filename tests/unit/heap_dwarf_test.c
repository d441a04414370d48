// SPDX-License-Identifier: BSD-2-Clause
/* heap_dwarf: what the DWARF of real programs says is what the table of their version says. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/recipe.h"
#include "test_binaries.h"
#include "why/heap_layout.h"

static unsigned with_dwarf, without;

static const struct heap_layout *listed(int minor)
{
	for (size_t i = 0; i < heap_layouts_count; i++)
		if (minor >= (int)heap_layouts[i].first && minor <= (int)heap_layouts[i].last)
			return &heap_layouts[i];
	return NULL;
}

/* File address of the lock, and the version; false when the binary does not tell. */
static bool facts_of(const char *path, uint64_t *lock, int *minor)
{
	struct scavenge_recipes recipes;
	struct failure failure = { "" };
	struct image *image = NULL;
	struct gobin *gobin = NULL;
	char version[64];
	bool known;

	if (image_open(path, &image, &failure) || gobin_open(image, &gobin, &failure) ||
	    recipe_solve_scavtrace(gobin, &recipes, &failure))
		fail_msg("%s: %s", path, failure.text);
	*lock = recipes.background->lock_address;
	known = !gobin_version(gobin, version, sizeof(version)) && sscanf(version, "go1.%d", minor) == 1;
	recipe_free(recipes.background);
	recipe_free(recipes.forced);
	gobin_close(gobin);
	image_close(image);
	return known;
}

static void compare(const struct heap_layout *ours, const struct heap_layout *table)
{
	assert_int_equal(ours->lock, table->lock);
	assert_int_equal(ours->chunks, table->chunks);
	assert_int_equal(ours->bounds, table->bounds);
	assert_int_equal(ours->ranges, table->ranges);
	assert_int_equal(ours->sweepgen, table->sweepgen);
	assert_int_equal(ours->arenas, table->arenas);
	assert_int_equal(ours->current_arena, table->current_arena);
	assert_int_equal(ours->arena_spans, table->arena_spans);
	assert_memory_equal(&ours->span, &table->span, sizeof(table->span));
	assert_int_equal(ours->live, table->live);
	assert_int_equal(ours->released_with_arena, table->released_with_arena);
	assert_int_equal(ours->inline_marks, table->inline_marks);
}

static void real_program(const char *path)
{
	struct failure failure = { "" };
	struct heap_layout layout;
	uint64_t lock;
	int minor, file, error;

	if (!facts_of(path, &lock, &minor) || !listed(minor))
		return;
	file = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	error = heap_layout_by_dwarf(file, lock, &layout, &failure);
	if (error) {
		assert_int_equal(error, -ENOENT);
		without++;
	} else {
		compare(&layout, listed(minor));
		with_dwarf++;
		/* A lock that is not in the heap cannot be the heap's. */
		assert_int_equal(heap_layout_by_dwarf(file, lock + (1 << 20), &layout, &failure), -ENOTSUP);
		assert_int_equal(heap_layout_by_dwarf(file, lock - 1, &layout, &failure), -ENOTSUP);
	}
	close(file);
}

static void programs_of_the_system_go(void **state)
{
	(void)state;
	each_test_binary("programs_of_the_system_go", real_program);
	assert_true(with_dwarf > 0);
	assert_true(without > 0); /* one of them is stripped */
}

static void what_has_no_dwarf(void **state)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct failure failure = { "" };
	struct heap_layout layout;

	(void)state;
	assert_int_equal(heap_layout_by_dwarf(file, 0, &layout, &failure), -ENOENT);
	close(file);
	/* This one has DWARF, of no Go runtime; or none, as it was built. */
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(heap_layout_by_dwarf(file, 0, &layout, &failure), -ENOENT);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_of_the_system_go),
		cmocka_unit_test(what_has_no_dwarf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
