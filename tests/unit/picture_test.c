// SPDX-License-Identifier: BSD-2-Clause
/* picture: cells of runs made by hand, and what text, SVG, HTML and JSON make of them and of hostile names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "gctap/picture.h"
#include "output/picture_draw.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static struct heap_snapshot snapshot;

static void add(struct picture *picture, uint64_t address, uint64_t bytes, enum ledger_class class, bool resident,
		const struct mapping *mapping)
{
	struct memory_run run = {
		.address = address, .bytes = bytes, .class = class, .resident = resident, .mapping = mapping
	};

	assert_int_equal(picture_add(picture, &run), 0);
}

static void add_heap(struct picture *picture, const struct heap_run *heap, uint64_t address, uint64_t bytes,
		     enum ledger_class class, bool resident)
{
	struct memory_run run = {
		.address = address, .bytes = bytes, .class = class, .resident = resident, .heap = heap
	};

	assert_int_equal(picture_add(picture, &run), 0);
}

static void in_order(const struct picture *picture)
{
	for (size_t i = 0; i < picture->nr_cells; i++) {
		const struct picture_cell *cell = &picture->cells[i];

		assert_int_equal(cell->address % picture->cell_bytes, 0);
		assert_true(!i || cell->address >= picture->cells[i - 1].address + picture->cell_bytes);
		assert_true(picture_glance(picture, cell).mapped <= picture->cell_bytes);
		assert_true(cell->live + cell->fresh <= cell->bytes[PICTURE_IN_USE]);
	}
}

/* ---- Cells ------------------------------------------------------------------------------------ */

static void nothing_is_lost_when_cells_grow(void **state)
{
	struct picture picture = { 0 };
	struct picture_cell total;
	uint64_t bytes[PICTURE_SHADES] = { 0 }, address = 0x400000;

	(void)state;
	picture_begin(&picture, &snapshot);
	for (unsigned i = 0; i < 40000; i++) {
		uint64_t length = (1 + i % 7) * 4096;
		bool resident = i % 3;

		add(&picture, address, length, i % 2 ? LEDGER_FREE : LEDGER_C_HEAP, resident, NULL);
		bytes[resident ? i % 2 ? PICTURE_FREE : PICTURE_C_HEAP : PICTURE_UNTOUCHED] += length;
		address += length + (i % 100 ? 0 : 256 * KIB);
	}
	/* Below what came before, as what is outside the heap may be. */
	add(&picture, 0x10000, 8192, LEDGER_GLOBALS, true, NULL);
	bytes[PICTURE_GLOBALS] = 8192;
	picture_finish(&picture);
	for (size_t most = PICTURE_CELLS_MAX; most; most /= 2) {
		picture_fit(&picture, most);
		in_order(&picture);
		assert_true(picture.nr_cells + picture_gaps(&picture) <= most);
		picture_total(&picture, &total);
		assert_memory_equal(total.bytes, bytes, sizeof(bytes));
	}
	assert_int_equal(picture.nr_cells, 1);
	picture_clear(&picture);
}

static void a_span_is_what_its_slots_are(void **state)
{
	/* 4 pages, 32 slots of 1 KiB: 8 live, 4 since, 20 free. */
	struct heap_span span = { .page = 0xc000000000 / HEAP_PAGE_BYTES,
				  .pages = 4,
				  .elements = 32,
				  .allocated = 12,
				  .marked = 8,
				  .size_class = 5,
				  .swept = 1,
				  .marked_known = 1 };
	struct heap_run run = { .address = 0xc000000000, .pages = 4, .kind = HEAP_PAGE_IN_USE, .span = &span };
	struct picture picture = { 0 };
	struct picture_glance glance;

	(void)state;
	snapshot.element_bytes[5] = 1024;
	picture_begin(&picture, &snapshot);
	add_heap(&picture, &run, 0xc000000000, 16384, LEDGER_LIVE, true);
	add_heap(&picture, &run, 0xc000004000, 16384, LEDGER_LIVE, false);
	picture_finish(&picture);
	assert_int_equal(picture.nr_cells, 8);
	assert_int_equal(picture.cells[0].spans, 1);
	assert_int_equal(picture.cells[1].spans, 0);
	picture_fit(&picture, 1);
	assert_int_equal(picture.cell_bytes, 32 * KIB);
	assert_int_equal(picture.cells[0].live, 4096);
	assert_int_equal(picture.cells[0].fresh, 2048);
	assert_int_equal(picture.cells[0].elements[0].element, 1024);
	assert_int_equal(picture.cells[0].elements[0].bytes, 32 * KIB);
	glance = picture_glance(&picture, picture.cells);
	assert_int_equal(glance.shade, PICTURE_IN_USE);
	assert_int_equal(glance.occupancy, 37);
	assert_true(glance.partly && !glance.mixture);
	picture_clear(&picture);
}

static void the_resident_bytes_decide(void **state)
{
	struct heap_run run = { .address = 0xc000000000, .pages = 4, .kind = HEAP_PAGE_SCAVENGED };
	struct picture picture = { 0 };

	(void)state;
	picture_begin(&picture, &snapshot);
	add_heap(&picture, &run, 0xc000000000, 28 * KIB, LEDGER_RELEASED, false);
	add_heap(&picture, &run, 0xc000007000, 4 * KIB, LEDGER_RELEASED, true);
	add_heap(&picture, &run, 0xc000008000, 32 * KIB, LEDGER_RELEASED, false);
	picture_finish(&picture);
	picture_fit(&picture, 2);
	assert_int_equal(picture.nr_cells, 2);
	assert_int_equal(picture_glance(&picture, &picture.cells[0]).shade, PICTURE_KEPT_RELEASED);
	assert_true(picture_glance(&picture, &picture.cells[0]).partly);
	assert_int_equal(picture_glance(&picture, &picture.cells[1]).shade, PICTURE_RELEASED);
	assert_false(picture_glance(&picture, &picture.cells[1]).partly);
	picture_clear(&picture);
}

static void long_stretches_of_nothing_are_gaps(void **state)
{
	struct picture picture = { 0 };
	uint64_t reserved;

	(void)state;
	picture_begin(&picture, &snapshot);
	add(&picture, 0x1000000, 64 * KIB, LEDGER_C_HEAP, true, NULL);
	add(&picture, 0x1010000, 64 * KIB, LEDGER_C_HEAP, false, NULL);
	add(&picture, 0x1020000, 64 * GIB, LEDGER_C_HEAP, false, NULL);
	add(&picture, 0x1020000 + 65 * GIB, 4 * KIB, LEDGER_C_HEAP, true, NULL);
	picture_finish(&picture);
	assert_int_equal(picture.cell_bytes, 4096);
	assert_int_equal(picture.nr_cells, 33);
	assert_int_equal(picture_gaps(&picture), 1);
	assert_int_equal(picture_gap(&picture, 31, &reserved), 65 * GIB);
	assert_int_equal(reserved, 64 * GIB);
	assert_int_equal(picture.skipped, 64 * GIB);
	assert_int_equal(picture_gap(&picture, 32, &reserved), 0);
	picture_clear(&picture);
}

static void however_much_there_is(void **state)
{
	struct picture picture = { 0 };
	struct picture_cell total;

	(void)state;
	picture_begin(&picture, &snapshot);
	add(&picture, 0xc000000000, 1024 * GIB, LEDGER_OTHER, true, NULL);
	for (unsigned i = 0; i < 100000; i++)
		add(&picture, 0x7f0000000000 + i * 2 * MIB, 4096, LEDGER_FILES, true, NULL);
	/* [vsyscall], and what cannot be. */
	add(&picture, 0xffffffffff600000, 4096, LEDGER_FILES, true, NULL);
	add(&picture, 4096, UINT64_MAX - 4095, LEDGER_FILES, true, NULL);
	picture_finish(&picture);
	assert_true(picture.nr_cells <= PICTURE_CELLS_MAX);
	in_order(&picture);
	picture_total(&picture, &total);
	assert_int_equal(total.bytes[PICTURE_OTHER], 1024 * GIB);
	assert_int_equal(total.bytes[PICTURE_FILES], 100000 * 4096ull);
	picture_clear(&picture);
}

static void beginning_anew_forgets(void **state)
{
	struct mapping mapping = { .kind = MAPPING_FILE, .name = "/first" };
	struct picture picture = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		picture_begin(&picture, &snapshot);
		add(&picture, 0x400000, 8192, LEDGER_FILES, true, &mapping);
		picture_finish(&picture);
		assert_int_equal(picture.nr_cells, 2);
		assert_int_equal(picture.nr_names, 2);
		assert_non_null(strstr(picture.names[picture.cells[0].name], "/first"));
	}
	picture_clear(&picture);
}

static void a_picture_of_nothing(void **state)
{
	struct picture picture = { 0 };
	struct ledger ledger = { 0 };
	struct picture_title title = { .comm = "", .path = "", .version = "", .ledger = &ledger };
	struct picture_text_options options = { .columns = 80 };
	struct line line = { 0 };

	(void)state;
	picture_begin(&picture, &snapshot);
	picture_finish(&picture);
	picture_fit(&picture, 1);
	picture_append_text(&line, &picture, &title, &options);
	picture_append_svg(&line, &picture, &title);
	picture_append_html(&line, &picture, &title);
	assert_int_equal(line.error, 0);
	free(line.bytes);
	picture_clear(&picture);
}

/* Of a path that is too long for the drawing, its end is shown. */
static void a_long_path_is_cut_in_front(void **state)
{
	struct picture picture = { 0 };
	struct ledger ledger = { 0 };
	struct picture_title title = { .comm = "", .version = "", .ledger = &ledger };
	struct line line = { 0 };
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "/first/%0100d/%060d/name", 0, 1);
	title.path = path;
	picture_begin(&picture, &snapshot);
	picture_finish(&picture);
	picture_append_svg(&line, &picture, &title);
	line_append_byte(&line, '\0');
	assert_null(strstr(line.bytes, "/first"));
	assert_non_null(
		strstr(line.bytes, "\xe2\x80\xa6/000000000000000000000000000000000000000000000000000000000001/name, "));
	free(line.bytes);
	line = (struct line){ 0 };
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	picture_append_svg(&line, &picture, &title);
	line_append_byte(&line, '\0');
	assert_int_equal(line.error, 0);
	assert_non_null(strstr(line.bytes, "\xe2\x80\xa6xxx"));
	free(line.bytes);
	picture_clear(&picture);
}

/* ---- Text ------------------------------------------------------------------------------------- */

static void begin_small(struct picture *picture, const struct mapping *mapping)
{
	picture_begin(picture, &snapshot);
	add(picture, 0x400000, 8 * KIB, LEDGER_FILES, true, mapping);
	add(picture, 0x402000, 4 * KIB, LEDGER_FILES, true, mapping);
	add(picture, 0x403000, 4 * KIB, LEDGER_GLOBALS, true, mapping);
	add(picture, 0x404000, 4 * KIB, LEDGER_C_HEAP, true, mapping);
	add(picture, 0x405000, 12 * KIB, LEDGER_C_HEAP, false, mapping);
	add(picture, 0x800000, 8 * KIB, LEDGER_OTHER, true, mapping);
	picture_finish(picture);
	picture_fit(picture, 6);
	assert_int_equal(picture->cell_bytes, 8 * KIB);
}

static char *text_of(const struct picture *picture, const struct picture_title *title, unsigned columns, bool colour)
{
	struct picture_text_options options = { .columns = columns, .colour = colour };
	struct line line = { 0 };

	picture_append_text(&line, picture, title, &options);
	line_append_byte(&line, '\0');
	assert_int_equal(line.error, 0);
	return line.bytes;
}

static void text_tells_what_is_pure(void **state)
{
	struct ledger ledger = { .by_pages = true };
	struct picture_title title = {
		.pid = 7, .comm = "a\x1b[2Jb", .path = "/\xc3\xa4\n", .version = "", .ledger = &ledger
	};
	struct picture picture = { 0 };
	char *text;

	(void)state;
	begin_small(&picture, NULL);
	text = text_of(&picture, &title, 80, false);
	assert_non_null(strstr(text, "\n000000400000  Lgc_/O\n"));
	for (const char *at = text; *at; at++)
		assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
	free(text);
	text = text_of(&picture, &title, 18, false);
	assert_non_null(strstr(text, "\n000000400000  Lgc_\n000000408000  /O\n"));
	free(text);
	text = text_of(&picture, &title, 80, true);
	assert_null(strstr(text, "\x1b[2J"));
	assert_non_null(strstr(text, "\x1b[0m/"));
	free(text);
	picture_clear(&picture);
}

/* ---- Hostile names ---------------------------------------------------------------------------- */

static const char *const hostile[] = {
	"</script><script>alert(1)</script>", "<!--<script>", "]]><b>", "\" onload='x' &amp;", "\xff\xfe\x80 \x1b[31m",
	"\xef\xbf\xbf\xef\xbf\xbe",	      "\xe2\x80\xa8", "%n%s%p", "\\u003c/script>",     "\x01\x02\x7f",
};

static unsigned count(const char *text, const char *part)
{
	unsigned nr = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		nr++;
	return nr;
}

static void names_do_not_break_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct mapping mapping = { .kind = MAPPING_FILE, .name = hostile[i] };
		struct ledger ledger = { 0 };
		struct picture_title title = {
			.pid = 7, .comm = hostile[i], .path = hostile[i], .version = hostile[i], .ledger = &ledger
		};
		struct picture picture = { 0 };
		struct line svg = { 0 }, html = { 0 };

		snprintf(ledger.coarse.text, sizeof(ledger.coarse.text), "%s", hostile[i]);
		begin_small(&picture, &mapping);
		picture_append_svg(&svg, &picture, &title);
		picture_append_html(&html, &picture, &title);
		line_append_byte(&svg, '\0');
		line_append_byte(&html, '\0');
		assert_int_equal(svg.error | html.error, 0);
		if (strpbrk(hostile[i], "<>\x01\xff")) {
			assert_null(strstr(svg.bytes, hostile[i]));
			assert_null(strstr(html.bytes, hostile[i]));
		}
		assert_int_equal(count(html.bytes, "<script"), 3);
		assert_int_equal(count(html.bytes, "</script"), 3);
		assert_int_equal(count(html.bytes, "<!--"), 0);
		assert_int_equal(count(svg.bytes, "]]>"), 0);
		assert_int_equal(count(svg.bytes, "\xef\xbf\xbf"), 0);
		assert_int_equal(count(svg.bytes, "<b>"), 0);
		free(svg.bytes);
		free(html.bytes);
		picture_clear(&picture);
	}
}

static void json_reads_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct mapping mapping = { .kind = MAPPING_FILE, .name = hostile[i] };
		struct ledger ledger = { .by_pages = true, .rss = 4711 };
		struct picture_title title = {
			.pid = 7, .comm = hostile[i], .path = "/p", .version = "go1.99", .ledger = &ledger
		};
		struct picture picture = { 0 };
		struct line line = { 0 };
		json_t *json, *range;

		begin_small(&picture, &mapping);
		picture_append_json(&line, &picture, &title);
		json = json_loadb(line.bytes, line.length, 0, NULL);
		assert_non_null(json);
		assert_int_equal(json_integer_value(json_object_get(json, "rss_bytes")), 4711);
		assert_int_equal(json_array_size(json_object_get(json, "ranges")), 6);
		range = json_array_get(json_object_get(json, "ranges"), 1);
		assert_string_equal(json_string_value(json_object_get(range, "class")), "globals");
		json_decref(json);
		free(line.bytes);
		picture_clear(&picture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_when_cells_grow),
		cmocka_unit_test(a_span_is_what_its_slots_are),
		cmocka_unit_test(the_resident_bytes_decide),
		cmocka_unit_test(long_stretches_of_nothing_are_gaps),
		cmocka_unit_test(however_much_there_is),
		cmocka_unit_test(beginning_anew_forgets),
		cmocka_unit_test(a_picture_of_nothing),
		cmocka_unit_test(a_long_path_is_cut_in_front),
		cmocka_unit_test(text_tells_what_is_pure),
		cmocka_unit_test(names_do_not_break_out),
		cmocka_unit_test(json_reads_back),
	};

	return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
