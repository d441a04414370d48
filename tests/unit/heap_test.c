// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "heap_builder.h"

#define PAGES(count) ((uint64_t)(count)*HEAP_PAGE_BYTES)
#define MHEAP(field) (IMAGE_MHEAP + image->layout->field)

static const unsigned minors[] = { 15, 19, 21, 22, 25, 27 };

static struct heap *open_as(struct heap_image *image, const char *version)
{
	struct heap_options options = image_options(image, version);
	struct failure failure = { "" };
	struct heap *heap = NULL;
	int error = heap_open_with(&options, &heap, &failure);

	if (error)
		fail_msg("%s", failure.text);
	return heap;
}

static struct heap *open_minor(struct heap_image *image, unsigned minor)
{
	char version[32];

	snprintf(version, sizeof(version), "go1.%u.3", minor);
	return open_as(image, version);
}

static void read_well(struct heap *heap, struct heap_snapshot *snapshot)
{
	struct failure failure = { "" };

	if (heap_read(heap, snapshot, &failure))
		fail_msg("%s", failure.text);
}

/* Reads what is in the image as Go 1.27, and expects to be refused for that reason. */
static void refused(struct heap_image *image, int error, const char *reason)
{
	struct heap_snapshot snapshot = { 0 };
	struct failure failure = { "" };
	struct heap *heap = open_minor(image, 27);

	assert_int_equal(heap_read(heap, &snapshot, &failure), error);
	if (!strstr(failure.text, reason))
		fail_msg("'%s' does not say '%s'", failure.text, reason);
	assert_null(snapshot.chunks);
	assert_null(snapshot.spans);
	heap_free(heap);
	image_free(image);
}

static struct heap_image *filled(unsigned minor)
{
	struct heap_image *image = image_new(minor);

	image_fill(image);
	return image;
}

static const struct heap_span *span_at(const struct heap_snapshot *snapshot, unsigned page)
{
	for (size_t i = 0; i < snapshot->nr_spans; i++)
		if (heap_span_address(&snapshot->spans[i]) == IMAGE_HEAP + PAGES(page))
			return &snapshot->spans[i];
	fail_msg("no span at page %u", page);
	return NULL;
}

static struct heap_span_use use_at(const struct heap_snapshot *snapshot, unsigned page)
{
	struct heap_span_use use;

	heap_span_use(snapshot, span_at(snapshot, page), &use);
	return use;
}

static void pages_and_counters_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++) {
		struct heap_image *image = filled(minors[i]);
		struct heap *heap = open_minor(image, minors[i]);
		struct heap_snapshot snapshot = { 0 };
		bool listed;

		heap_layout_name(heap, &listed);
		assert_true(listed);
		read_well(heap, &snapshot);
		assert_int_equal(snapshot.nr_chunks, IMAGE_CHUNKS);
		assert_int_equal(snapshot.nr_spans, 6);
		assert_int_equal(snapshot.bytes.in_use, PAGES(34));
		assert_int_equal(snapshot.bytes.manual, PAGES(4));
		assert_int_equal(snapshot.bytes.free, PAGES(50));
		assert_int_equal(snapshot.bytes.reserved, PAGES(6));
		assert_int_equal(snapshot.bytes.padding, PAGES(8));
		assert_int_equal(snapshot.bytes.scavenged, PAGES(IMAGE_CHUNKS * 512 - 34 - 4 - 50 - 6 - 8));
		assert_int_equal(snapshot.difference.free, 0);
		assert_int_equal(snapshot.difference.in_use, 0);
		assert_int_equal(snapshot.difference.idle, 0);
		assert_int_equal(snapshot.attempts, 1);
		assert_int_equal(snapshot.counters.in_use, PAGES(34));
		assert_int_equal(snapshot.counters.free, PAGES(50));
		assert_true(snapshot.counters.live.known);
		assert_int_equal(snapshot.counters.live.value, 12345);
		assert_false(snapshot.counters.memory_limit.known);
		assert_false(snapshot.counters.gc_percent.known);
		heap_snapshot_clear(&snapshot);
		heap_free(heap);
		image_free(image);
	}
}

static void marks_by_the_state_of_sweeping(void **state)
{
	struct heap_image *image = filled(24);
	struct heap *heap = open_minor(image, 24);
	struct heap_snapshot snapshot = { 0 };
	struct heap_span_use use;

	(void)state;
	read_well(heap, &snapshot);
	use = use_at(&snapshot, 10);
	assert_int_equal(use.live, 5 * 1024);
	assert_int_equal(use.since, 2 * 1024);
	assert_int_equal(use.holes, 1024);
	assert_int_equal(use.dead + use.unknown + use.rest, 0);
	use = use_at(&snapshot, 11);
	assert_true(span_at(&snapshot, 11)->cached);
	assert_int_equal(use.live, 3 * 1024);
	assert_int_equal(use.holes, 5 * 1024);
	use = use_at(&snapshot, 12);
	assert_false(span_at(&snapshot, 12)->swept);
	assert_int_equal(use.live, 2 * 1024);
	assert_int_equal(use.dead, 4 * 1024);
	assert_int_equal(use.holes, 2 * 1024);
	use = use_at(&snapshot, 13);
	assert_int_equal(use.unknown, 6 * 1024);
	use = use_at(&snapshot, 500);
	assert_int_equal(use.live, PAGES(30));
	use = use_at(&snapshot, 14);
	assert_int_equal(use.rest, PAGES(4));
	assert_true(span_at(&snapshot, 10)->pointers);
	assert_false(span_at(&snapshot, 12)->pointers);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* Marks of a small object of Go 1.26 lie at the end of its page, until the span is swept. */
static uint64_t live_of_inline(const char *version)
{
	struct heap_image *image = image_new(27);
	struct heap_snapshot snapshot = { 0 };
	uint64_t live;
	struct heap *heap;

	image_add_span(image, &(struct image_span){ 20, 1, 1, 20, 128, 60, 50, 60, -2, UINT64_MAX, 0x3 });
	image_put(image, IMAGE_HEAP + PAGES(21) - 64, 0x0f0f, 8);
	image_write_counters(image);
	heap = open_as(image, version);
	read_well(heap, &snapshot);
	live = use_at(&snapshot, 20).live;
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
	return live;
}

static void marks_in_the_span(void **state)
{
	(void)state;
	assert_int_equal(live_of_inline("go1.26.11"), 8 * 128);
	assert_int_equal(live_of_inline("go1.27.4 X:nogreenteagc"), 2 * 128);
	assert_int_equal(live_of_inline("go1.25.1 X:greenteagc,jsonv2"), 8 * 128);
	assert_int_equal(live_of_inline("go1.25.1"), 2 * 128);
}

static void runs_cover_all_pages(void **state)
{
	static const struct {
		uint64_t page, pages;
		enum heap_page kind;
	} expected[] = {
		{ 0, 8, HEAP_PAGE_PADDING },	    { 8, 2, HEAP_PAGE_SCAVENGED },
		{ 10, 1, HEAP_PAGE_IN_USE },	    { 11, 1, HEAP_PAGE_IN_USE },
		{ 12, 1, HEAP_PAGE_IN_USE },	    { 13, 1, HEAP_PAGE_IN_USE },
		{ 14, 4, HEAP_PAGE_COLLECTOR },	    { 18, 82, HEAP_PAGE_SCAVENGED },
		{ 100, 50, HEAP_PAGE_FREE },	    { 150, 6, HEAP_PAGE_RESERVED },
		{ 156, 344, HEAP_PAGE_SCAVENGED },  { 500, 30, HEAP_PAGE_IN_USE },
		{ 530, 494, HEAP_PAGE_SCAVENGED },  { 1024, 512, HEAP_PAGE_SCAVENGED },
		{ 1536, 512, HEAP_PAGE_SCAVENGED },
	};
	struct heap_image *image = filled(27);
	struct heap *heap = open_minor(image, 27);
	struct heap_snapshot snapshot = { 0 };
	struct heap_cursor cursor = { 0 };
	struct heap_run run;

	(void)state;
	read_well(heap, &snapshot);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(heap_next_run(&snapshot, &cursor, &run));
		assert_int_equal(run.address, IMAGE_HEAP + PAGES(expected[i].page));
		assert_int_equal(run.pages, expected[i].pages);
		assert_int_equal(run.kind, expected[i].kind);
		assert_int_equal(!run.span, run.kind != HEAP_PAGE_IN_USE && run.kind != HEAP_PAGE_COLLECTOR);
	}
	assert_false(heap_next_run(&snapshot, &cursor, &run));
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* Of two manual spans, that with a size is of stacks. */
static void stacks_and_work_buffers(void **state)
{
	struct heap_image *image = image_new(27);
	struct heap_snapshot snapshot = { 0 };
	struct heap *heap;

	(void)state;
	image_add_span(image, &(struct image_span){ .page = 20, .pages = 4, .state = 2, .element_bytes = 2048 });
	image_add_span(image, &(struct image_span){ .page = 30, .pages = 4, .state = 2 });
	image_write_counters(image);
	heap = open_minor(image, 27);
	read_well(heap, &snapshot);
	assert_true(span_at(&snapshot, 20)->stack);
	assert_false(span_at(&snapshot, 30)->stack);
	assert_true(span_at(&snapshot, 30)->manual);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* What lies between two ranges of the heap is not looked at. */
static void chunks_of_all_ranges(void **state)
{
	struct heap_image *image = filled(22);
	struct heap_snapshot snapshot = { 0 };
	struct heap *heap;

	(void)state;
	image_put(image, IMAGE_RANGES + 8, IMAGE_HEAP + 2 * HEAP_CHUNK_BYTES, 8);
	image_put(image, IMAGE_RANGES + 16, IMAGE_HEAP + 3 * HEAP_CHUNK_BYTES, 8);
	image_put(image, IMAGE_RANGES + 24, IMAGE_HEAP + 4 * HEAP_CHUNK_BYTES, 8);
	image_put(image, MHEAP(ranges) + 8, 2, 8);
	image->released -= HEAP_CHUNK_BYTES;
	image_write_counters(image);
	heap = open_minor(image, 22);
	read_well(heap, &snapshot);
	assert_int_equal(snapshot.nr_chunks, 3);
	assert_int_equal(snapshot.chunks[2].address, IMAGE_HEAP + 3 * HEAP_CHUNK_BYTES);
	assert_int_equal(snapshot.difference.idle, 0);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* An old pointer to a span that has become another one right behind. */
static void stale_pointers_hide_no_span(void **state)
{
	struct heap_image *image = filled(27);
	struct heap_snapshot snapshot = { 0 };
	struct heap *heap;
	uint64_t mspan;

	(void)state;
	mspan = image_add_span(image, &(struct image_span){ 156, 1, 1, 40, 1024, 8, 8, 0, 0, 0, 0 });
	image_put(image, image_page_pointer(image, 155), mspan, 8);
	image_put(image, image_page_pointer(image, 157), mspan, 8);
	image_pages(image, 157, 1, true, false);
	image_write_counters(image);
	heap = open_minor(image, 27);
	read_well(heap, &snapshot);
	assert_int_equal(span_at(&snapshot, 156)->allocated, 8);
	assert_int_equal(snapshot.nr_spans, 7);
	assert_int_equal(snapshot.bytes.reserved, PAGES(7));
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

static void limits_where_recipes_tell(void **state)
{
	struct heap_image *image = filled(27);
	struct heap_options options = image_options(image, "go1.27.4");
	uint64_t controller = IMAGE_COUNTERS + IMAGE_BIAS + 2048;
	struct heap_snapshot snapshot = { 0 };
	struct heap *heap;

	(void)state;
	image_put(image, controller, (uint32_t)-1, 4);
	image_put(image, controller + 8, 1 << 30, 8);
	image_put(image, controller + 72, 4 << 20, 8);
	options.limit.memory_limit = controller + 8;
	options.percent_goal = controller + 72;
	assert_int_equal(heap_open_with(&options, &heap, NULL), 0);
	read_well(heap, &snapshot);
	assert_int_equal((int64_t)snapshot.counters.gc_percent.value, -1);
	assert_int_equal(snapshot.counters.memory_limit.value, 1 << 30);
	assert_int_equal(snapshot.counters.percent_goal.value, 4 << 20);
	assert_false(snapshot.counters.mapped_ready.known);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* ---- A heap that moves ---- */

/* A page is allocated between the first counters and the bits, and is given a span late. */
static void move_once(struct heap_image *image)
{
	if (image->reads != 4)
		return;
	image_add_span(image, &(struct image_span){ 160, 1, 1, 40, 1024, 8, 8, 0, 0, 0, 0 });
	image_write_counters(image);
	image->on_read = NULL;
}

static void reads_again_what_moved(void **state)
{
	struct heap_image *image = filled(27);
	struct heap *heap = open_minor(image, 27);
	struct heap_snapshot snapshot = { 0 };

	(void)state;
	image->reads = 0;
	image->on_read = move_once;
	read_well(heap, &snapshot);
	assert_int_equal(snapshot.difference.in_use, 0);
	assert_int_equal(span_at(&snapshot, 160)->allocated, 8);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

static void count_up(struct heap_image *image)
{
	image->in_use += PAGES(3);
	image_write_counters(image);
}

static void says_how_far_it_is_off(void **state)
{
	struct heap_image *image = filled(27);
	struct heap *heap = open_minor(image, 27);
	struct heap_snapshot snapshot = { 0 };

	(void)state;
	image->on_read = count_up;
	read_well(heap, &snapshot);
	assert_true(snapshot.attempts > 1);
	assert_true(snapshot.difference.in_use >= PAGES(3));
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

static void next_cycle(struct heap_image *image)
{
	image_put(image, MHEAP(sweepgen), IMAGE_SWEEP + 2 * image->reads, 4);
}

static void says_when_a_cycle_ended_meanwhile(void **state)
{
	struct heap_image *image = filled(27);
	struct heap *heap = open_minor(image, 27);
	struct heap_snapshot snapshot = { 0 };

	(void)state;
	image->on_read = next_cycle;
	read_well(heap, &snapshot);
	assert_true(snapshot.sweep_began);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* ---- What contradicts itself ---- */

static void counters_that_do_not_fit(void **state)
{
	struct heap_image *image = filled(27);

	(void)state;
	image->in_use += 64 << 20;
	image_write_counters(image);
	refused(image, -EBADMSG, "differ by");
	image = filled(27);
	image_put(image, IMAGE_COUNTERS + IMAGE_BIAS + 16, UINT64_MAX - 5, 8);
	refused(image, -EBADMSG, "counters of the heap make no sense");
	image = filled(27);
	image_put(image, IMAGE_COUNTERS + IMAGE_BIAS + 8, UINT64_MAX / 2, 8);
	refused(image, -EBADMSG, "counters of the heap make no sense");
}

static void bounds_that_are_none(void **state)
{
	static const uint64_t bounds[][2] = { { 5, 4 }, { 4, 5 }, { 33751040, 33751040 }, { 33751040, UINT64_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		struct heap_image *image = filled(27);

		image_put(image, MHEAP(bounds), bounds[i][0], 8);
		image_put(image, MHEAP(bounds) + 8, bounds[i][1], 8);
		refused(image, -EBADMSG, "spans chunks");
	}
}

static void ranges_that_are_none(void **state)
{
	static const uint64_t ranges[][4] = {
		{ IMAGE_HEAP + 1, IMAGE_HEAP + HEAP_CHUNK_BYTES, 0, 0 },
		{ IMAGE_HEAP + HEAP_CHUNK_BYTES, IMAGE_HEAP, 0, 0 },
		{ IMAGE_HEAP, IMAGE_HEAP + (64 << 20), 0, 0 },
		{ IMAGE_HEAP, IMAGE_HEAP + 2 * HEAP_CHUNK_BYTES, IMAGE_HEAP + HEAP_CHUNK_BYTES,
		  IMAGE_HEAP + 3 * HEAP_CHUNK_BYTES },
		{ UINT64_MAX & ~(HEAP_CHUNK_BYTES - 1), 0, 0, 0 },
	};
	struct heap_image *image;

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		image = filled(27);
		for (unsigned j = 0; j < 4; j++)
			image_put(image, IMAGE_RANGES + 8ull * j, ranges[i][j], 8);
		image_put(image, MHEAP(ranges) + 8, ranges[i][2] ? 2 : 1, 8);
		refused(image, -EBADMSG, "makes no sense");
	}
	image = filled(27);
	image_put(image, MHEAP(ranges) + 8, UINT64_MAX, 8);
	image_put(image, MHEAP(ranges) + 16, UINT64_MAX, 8);
	refused(image, -EBADMSG, "ranges");
	image = filled(27);
	image_put(image, MHEAP(ranges), 0x1234560000, 8);
	refused(image, -EFAULT, "cannot read the ranges");
}

static void more_than_the_maximum(void **state)
{
	struct heap_image *image = filled(27);
	uint64_t first = image_get(image, MHEAP(bounds));

	(void)state;
	image_put(image, MHEAP(bounds) + 8, first + 300000, 8);
	image_put(image, IMAGE_RANGES + 8, IMAGE_HEAP + 300000 * HEAP_CHUNK_BYTES, 8);
	refused(image, -E2BIG, "more than 1024 GiB");
}

static void pointers_to_nowhere(void **state)
{
	struct heap_image *image = filled(27);
	uint64_t first = image_get(image, MHEAP(bounds));

	(void)state;
	image_put(image, MHEAP(chunks) + first / 8192 * 8, 0, 8);
	refused(image, -EBADMSG, "cannot read the heap's page bits");
	image = filled(27);
	image_put(image, MHEAP(chunks) + first / 8192 * 8, 0x12345678, 8);
	refused(image, -EFAULT, "cannot read the heap's page bits");
	image = filled(27);
	image_put(image, MHEAP(arenas), 0x12345678, 8);
	refused(image, -EFAULT, "cannot read the heap's spans");
	image = filled(27);
	for (unsigned page = 0; page < 1024; page++)
		image_put(image, image_page_pointer(image, page), UINT64_MAX - page, 8);
	refused(image, -EBADMSG, "no page of the heap leads to a span");
}

/* Each of these says of itself what cannot be; its page is left over. */
static void spans_that_are_none(void **state)
{
	static const struct image_span spans[] = {
		{ 200, 1, 1, 40, 1024, 9, 0, 0, 0, 0, 0 },	 /* more than fit */
		{ 200, 1, 1, 40, 1024, 8, 9, 0, 0, 0, 0 },	 /* more allocated than there are */
		{ 200, 1, 1, 40, 1024, 8, 0, 9, 0, 0, 0 },	 /* a free index behind the end */
		{ 200, 1, 1, 40, 0, 8, 0, 0, 0, 0, 0 },		 /* objects of no size */
		{ 200, 1, 1, 40, 1024, 0, 0, 0, 0, 0, 0 },	 /* no objects */
		{ 200, 1, 1, 40, 512, 8, 0, 0, 0, 0, 0 },	 /* a size that others of the class do not have */
		{ 200, 1, 1, 1, 4096, 2, 0, 0, 0, 0, 0 },	 /* a large object, twice */
		{ 200, 1, 1, 60, 1ull << 40, 8, 0, 0, 0, 0, 0 }, /* a size that overflows */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		struct heap_image *image = filled(22);
		struct heap *heap = open_minor(image, 22);
		struct heap_snapshot snapshot = { 0 };

		image_add_span(image, &spans[i]);
		image_write_counters(image);
		read_well(heap, &snapshot);
		assert_int_equal(snapshot.spans_amiss, 1);
		assert_int_equal(snapshot.nr_spans, 6);
		assert_int_equal(snapshot.bytes.reserved, PAGES(7));
		assert_int_equal(snapshot.difference.in_use, PAGES(1));
		heap_snapshot_clear(&snapshot);
		heap_free(heap);
		image_free(image);
	}
}

static void a_span_ends_with_its_pages(void **state)
{
	static const uint64_t lengths[] = { 0, 31, 1u << 28, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct heap_image *image = filled(22);
		uint64_t mspan = image_get(image, image_page_pointer(image, 500));
		struct heap *heap = open_minor(image, 22);
		struct heap_snapshot snapshot = { 0 };

		image_put(image, mspan + image->layout->span.pages, lengths[i], 8);
		read_well(heap, &snapshot);
		assert_int_equal(snapshot.nr_spans, 5);
		assert_int_equal(snapshot.bytes.reserved, PAGES(36));
		heap_snapshot_clear(&snapshot);
		heap_free(heap);
		image_free(image);
	}
}

static void too_many_spans_amiss(void **state)
{
	struct heap_image *image = filled(27);

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		image_add_span(image, &(struct image_span){ 200 + i, 1, 1, 40, 1024, 8, 9, 0, 0, 0, 0 });
	image_write_counters(image);
	refused(image, -EBADMSG, "contradict themselves");
}

/* Mark bits that show more than is allocated moved; those that cannot be read are unknown. */
static void marks_that_cannot_be(void **state)
{
	struct heap_image *image = filled(22);
	uint64_t mspan = image_get(image, image_page_pointer(image, 10));
	struct heap *heap = open_minor(image, 22);
	struct heap_snapshot snapshot = { 0 };

	(void)state;
	image_put(image, mspan + image->layout->span.alloc_bits, 0x1234, 8);
	image_put(image, IMAGE_BITS + 2 * 32 + 16, 0xff, 8);
	read_well(heap, &snapshot);
	assert_int_equal(use_at(&snapshot, 10).unknown, 7 * 1024);
	assert_int_equal(use_at(&snapshot, 12).unknown, 6 * 1024);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

/* ---- Layouts ---- */

static void expect_unlisted(unsigned minor, const char *version, const char *name)
{
	struct heap_image *image = filled(minor);
	struct heap *heap = open_as(image, version);
	struct heap_snapshot snapshot = { 0 };
	bool listed;

	assert_string_equal(heap_layout_name(heap, &listed), name);
	assert_false(listed);
	read_well(heap, &snapshot);
	assert_int_equal(snapshot.nr_spans, 6);
	assert_int_equal(snapshot.difference.idle, 0);
	heap_snapshot_clear(&snapshot);
	heap_free(heap);
	image_free(image);
}

static void a_version_that_is_not_listed(void **state)
{
	(void)state;
	expect_unlisted(15, "devel +abcdef", "1.15");
	expect_unlisted(19, "devel +abcdef", "1.19");
	expect_unlisted(21, "devel +abcdef", "1.21");
	expect_unlisted(27, "go1.28rc1", "1.26 - 1.27");
	expect_unlisted(20, "devel +abcdef", "1.20");
}

static void versions_without_a_toolchain(void **state)
{
	(void)state;
	expect_unlisted(16, "go1.16.3", "1.16");
	expect_unlisted(17, "go1.17.2", "1.17");
	expect_unlisted(18, "go1.18", "1.18");
	expect_unlisted(20, "go1.20.12", "1.20");
}

static void a_heap_of_no_known_layout(void **state)
{
	struct heap_image *image = filled(27);
	struct heap_options options = image_options(image, "go1.99");
	struct failure failure = { "" };
	struct heap *heap = NULL;

	(void)state;
	image_put(image, MHEAP(arenas), 0, 8);
	assert_int_equal(heap_open_with(&options, &heap, &failure), -ENOTSUP);
	assert_non_null(strstr(failure.text, "go1.99"));
	assert_null(heap);
	image_free(image);
}

static void a_line_without_the_heap(void **state)
{
	struct heap_image *image = filled(27);
	struct heap_options options = image_options(image, "go1.27");
	struct failure failure = { "" };
	struct heap *heap = NULL;

	(void)state;
	image->recipe->extras[RECIPE_RETAINED] = EXPR_NONE;
	assert_int_equal(heap_open_with(&options, &heap, &failure), -ENOTSUP);
	image->recipe->extras[RECIPE_RETAINED] = expr_leaf(image->recipe->pool, EXPR_STACK, 8, 8);
	assert_int_equal(heap_open_with(&options, &heap, &failure), -ENOTSUP);
	image_free(image);
}

static int gone(void *context, struct memory_piece *pieces, size_t count)
{
	(void)context;
	(void)pieces;
	(void)count;
	return -ESRCH;
}

static void a_process_that_is_gone(void **state)
{
	struct heap_image *image = filled(27);
	struct heap_options options = image_options(image, "go1.27");
	struct heap_snapshot snapshot = { 0 };
	struct failure failure = { "" };
	struct heap *heap = NULL;

	(void)state;
	options.read = gone;
	assert_int_equal(heap_open_with(&options, &heap, &failure), 0);
	assert_int_equal(heap_read(heap, &snapshot, &failure), -ESRCH);
	assert_true(failure.text[0]);
	heap_free(heap);
	options.version = "go1.98";
	assert_int_equal(heap_open_with(&options, &heap, &failure), -ESRCH);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_and_counters_agree),
		cmocka_unit_test(marks_by_the_state_of_sweeping),
		cmocka_unit_test(marks_in_the_span),
		cmocka_unit_test(runs_cover_all_pages),
		cmocka_unit_test(stacks_and_work_buffers),
		cmocka_unit_test(chunks_of_all_ranges),
		cmocka_unit_test(stale_pointers_hide_no_span),
		cmocka_unit_test(limits_where_recipes_tell),
		cmocka_unit_test(reads_again_what_moved),
		cmocka_unit_test(says_how_far_it_is_off),
		cmocka_unit_test(says_when_a_cycle_ended_meanwhile),
		cmocka_unit_test(counters_that_do_not_fit),
		cmocka_unit_test(bounds_that_are_none),
		cmocka_unit_test(ranges_that_are_none),
		cmocka_unit_test(more_than_the_maximum),
		cmocka_unit_test(pointers_to_nowhere),
		cmocka_unit_test(spans_that_are_none),
		cmocka_unit_test(a_span_ends_with_its_pages),
		cmocka_unit_test(too_many_spans_amiss),
		cmocka_unit_test(marks_that_cannot_be),
		cmocka_unit_test(a_version_that_is_not_listed),
		cmocka_unit_test(versions_without_a_toolchain),
		cmocka_unit_test(a_heap_of_no_known_layout),
		cmocka_unit_test(a_line_without_the_heap),
		cmocka_unit_test(a_process_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
