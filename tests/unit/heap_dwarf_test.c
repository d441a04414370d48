// SPDX-License-Identifier: BSD-2-Clause
/* heap_dwarf: what the DWARF of real programs says is what the table of their version says. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void tables_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < heap_layouts_count; i++)
		assert_true(heap_span_layout_fits(&heap_layouts[i].span));
	for (size_t i = 0; i < heap_layouts_found_count; i++)
		assert_true(heap_span_layout_fits(&heap_layouts_found[i].span));
}

/* Each field at the end of a span, and one byte further; places that wrap around. */
static void fields_lie_within_a_span(void **state)
{
	static const struct heap_span_layout good = { .bytes = 160, .index_bytes = 2 };
	struct heap_span_layout span = good;
	struct {
		uint32_t *offset, length;
	} fields[] = { { &span.start, 8 },	{ &span.pages, 8 },	{ &span.elements, 2 },
		       { &span.free_index, 2 }, { &span.allocated, 2 }, { &span.element_bytes, 8 },
		       { &span.alloc_bits, 8 }, { &span.mark_bits, 8 }, { &span.sweepgen, 4 },
		       { &span.class, 1 },	{ &span.state, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		span = good;
		*fields[i].offset = span.bytes - fields[i].length;
		assert_true(heap_span_layout_fits(&span));
		++*fields[i].offset;
		assert_false(heap_span_layout_fits(&span));
		*fields[i].offset = UINT32_MAX;
		assert_false(heap_span_layout_fits(&span));
	}
	span = good;
	span.bytes = HEAP_SPAN_BYTES_MAX + 1;
	assert_false(heap_span_layout_fits(&span));
	span = good;
	span.index_bytes = 200;
	assert_false(heap_span_layout_fits(&span));
	span.index_bytes = 8;
	assert_true(heap_span_layout_fits(&span));
}

/* The file with its DWARF not compressed, and in that a span of 8 bytes; false: it has none of the runtime. */
static bool shrink_span(const char *path, const char *copy)
{
	static const char name[] = "runtime.mspan"; /* of a structure, then its size in two bytes of LEB128 */
	static char bytes[32 << 20];
	char command[8192], *at = bytes, *end;
	bool found = false;
	FILE *file;

	snprintf(command, sizeof(command), "objcopy --decompress-debug-sections '%s' '%s'", path, copy);
	assert_int_equal(system(command), 0);
	file = fopen(copy, "r+e");
	assert_non_null(file);
	end = bytes + fread(bytes, 1, sizeof(bytes), file);
	while ((at = memmem(at, (size_t)(end - at), name, sizeof(name)))) {
		unsigned char *size = (unsigned char *)at + sizeof(name);

		at += sizeof(name);
		if (end - at < 2 || size[0] < 0x80 || size[1] != 1)
			continue;
		fseek(file, at - bytes, SEEK_SET);
		found |= fwrite("\x88\x00", 1, 2, file) == 2;
	}
	fclose(file);
	return found;
}

static unsigned shrunk;

static void span_that_is_too_small(const char *path)
{
	char copy[] = "/tmp/heap_dwarf_test.XXXXXX";
	int file = mkstemp(copy), minor;
	struct failure failure = { "" };
	struct heap_layout layout;
	uint64_t lock;

	assert_true(file >= 0);
	if (facts_of(path, &lock, &minor) && shrink_span(path, copy)) {
		close(file);
		file = open(copy, O_RDONLY | O_CLOEXEC);
		assert_int_equal(heap_layout_by_dwarf(file, lock, &layout, &failure), -ENOTSUP);
		assert_non_null(strstr(failure.text, "outside of it"));
		shrunk++;
	}
	close(file);
	unlink(copy);
}

static void hostile_dwarf(void **state)
{
	(void)state;
	if (system("objcopy --version >/dev/null 2>&1")) {
		print_message("SKIP hostile_dwarf: there is no objcopy\n");
		skip();
	}
	each_test_binary("hostile_dwarf", span_that_is_too_small);
	assert_true(shrunk > 0);
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
		cmocka_unit_test(programs_of_the_system_go), cmocka_unit_test(tables_fit),
		cmocka_unit_test(fields_lie_within_a_span),  cmocka_unit_test(hostile_dwarf),
		cmocka_unit_test(what_has_no_dwarf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
