// SPDX-License-Identifier: BSD-2-Clause
/* target_maps: mappings from recorded texts of several kernels, from hostile ones, and of processes made here. */
#define _GNU_SOURCE 1 /* memfd_create */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/target_maps.h"
#include "gctap/target_pages.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static struct target_maps *parse(const char *text, size_t size)
{
	FILE *file = fmemopen((void *)text, size, "r");
	struct target_maps *maps = NULL;

	assert_non_null(file);
	assert_int_equal(target_maps_parse(file, &maps), 0);
	fclose(file);
	return maps;
}

static struct target_maps *parse_text(const char *text)
{
	return parse(text, strlen(text));
}

/* ---- Texts ---------------------------------------------------------------------------------- */

/* Linux 4.18: no FilePmdMapped, no THPeligible, no LazyFree's neighbours. */
static const char linux_4_18[] =
	"00400000-00401000 r-xp 00000000 fd:00 100667233                          /usr/bin/app\n"
	"Size:                  4 kB\n"
	"KernelPageSize:        4 kB\n"
	"MMUPageSize:           4 kB\n"
	"Rss:                   4 kB\n"
	"Pss:                   1 kB\n"
	"Shared_Clean:          4 kB\n"
	"Shared_Dirty:          0 kB\n"
	"Private_Clean:         0 kB\n"
	"Private_Dirty:         0 kB\n"
	"Referenced:            4 kB\n"
	"Anonymous:             0 kB\n"
	"LazyFree:              0 kB\n"
	"AnonHugePages:         0 kB\n"
	"ShmemPmdMapped:        0 kB\n"
	"Shared_Hugetlb:        0 kB\n"
	"Private_Hugetlb:       0 kB\n"
	"Swap:                  0 kB\n"
	"SwapPss:               0 kB\n"
	"Locked:                0 kB\n"
	"VmFlags: rd ex mr mw me dw sd \n";

/* Linux 6.1 with the runtime's heap partly given back and partly in huge pages; from a container. */
static const char linux_6_1[] =
	"c000000000-c004000000 rw-p 00000000 00:00 0                              [anon: Go: heap]\n"
	"Size:              65536 kB\n"
	"KernelPageSize:        4 kB\n"
	"MMUPageSize:           4 kB\n"
	"Rss:               12388 kB\n"
	"Pss:               12388 kB\n"
	"Pss_Dirty:         12388 kB\n"
	"Shared_Clean:          0 kB\n"
	"Shared_Dirty:          0 kB\n"
	"Private_Clean:         0 kB\n"
	"Private_Dirty:     12388 kB\n"
	"Referenced:        12000 kB\n"
	"Anonymous:         12388 kB\n"
	"LazyFree:            100 kB\n"
	"AnonHugePages:      8192 kB\n"
	"ShmemPmdMapped:        0 kB\n"
	"FilePmdMapped:         0 kB\n"
	"Shared_Hugetlb:        0 kB\n"
	"Private_Hugetlb:       0 kB\n"
	"Swap:                 12 kB\n"
	"SwapPss:              12 kB\n"
	"Locked:                0 kB\n"
	"THPeligible:    1\n"
	"VmFlags: rd wr mr mw me ac sd hg \n"
	"7ffc1b3e8000-7ffc1b409000 rw-p 00000000 00:00 0                          [stack]\n"
	"Size:                132 kB\n"
	"Rss:                  20 kB\n"
	"THPeligible:    0\n"
	"VmFlags: rd wr mr mw me gd ac \n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
	"Size:                  4 kB\n"
	"Rss:                   0 kB\n"
	"VmFlags: ex \n";

static void test_old_kernel(void **state)
{
	struct target_maps *maps = parse_text(linux_4_18);
	const struct mapping *mapping = maps->mappings;

	(void)state;
	assert_int_equal(maps->nr, 1);
	assert_int_equal(mapping->start, 0x400000);
	assert_int_equal(mapping->end, 0x401000);
	assert_int_equal(mapping->permissions, MAPPING_READ | MAPPING_EXECUTE);
	assert_int_equal(mapping->inode, 100667233);
	assert_int_equal(mapping->device, makedev(0xfd, 0));
	assert_string_equal(mapping->name, "/usr/bin/app");
	assert_int_equal(mapping->memory.rss, 4 * KIB);
	assert_int_equal(mapping->memory.pss, KIB);
	assert_int_equal(mapping->memory.shared_clean, 4 * KIB);
	assert_int_equal(mapping->memory.lazy_free, 0);
	/* What this kernel does not say is not 0. */
	assert_false(value_known(mapping->memory.file_huge));
	assert_false(value_known(mapping->memory.pss_dirty));
	assert_false(value_known(maps->total.file_huge));
	assert_int_equal(mapping->thp_eligible, -1);
	assert_true(mapping->flags_known);
	assert_int_equal(maps->incomplete + maps->malformed + maps->beyond, 0);
	target_maps_free(maps);
}

static void test_new_kernel(void **state)
{
	struct target_maps *maps = parse_text(linux_6_1);
	const struct mapping *heap = maps->mappings;

	(void)state;
	assert_int_equal(maps->nr, 3);
	assert_string_equal(heap->name, "[anon: Go: heap]");
	assert_int_equal(heap->memory.lazy_free, 100 * KIB);
	assert_int_equal(heap->memory.anonymous_huge, 8192 * KIB);
	assert_int_equal(heap->memory.swap, 12 * KIB);
	assert_int_equal(heap->memory.referenced, 12000 * KIB);
	assert_int_equal(heap->page_size, 4096);
	assert_int_equal(heap->thp_eligible, 1);
	assert_int_equal(heap->flags, MAPPING_ACCOUNTED | MAPPING_HUGEPAGE);
	assert_int_equal(heap[1].flags, MAPPING_ACCOUNTED | MAPPING_GROWS_DOWN);
	assert_int_equal(heap[1].thp_eligible, 0);
	assert_int_equal(heap[2].start, 0xffffffffff600000);
	assert_int_equal(maps->total.rss, 12408 * KIB);
	assert_int_equal(maps->total.lazy_free, 100 * KIB);
	assert_ptr_equal(target_maps_find(maps, 0xc000000000), heap);
	assert_ptr_equal(target_maps_find(maps, 0xc003ffffff), heap);
	assert_null(target_maps_find(maps, 0xc004000000));
	assert_null(target_maps_find(maps, 0));
	assert_ptr_equal(target_maps_find(maps, 0xffffffffff600fff), heap + 2);
	target_maps_free(maps);
}

/* The list without memory: nothing of it is known. */
static void test_places(void **state)
{
	struct target_maps *maps =
		parse_text("00400000-0061a000 r-xp 00000000 08:01 77 /bin/a b\n"
			   "0061a000-0061b000 rw-s 0021a000 08:01 77                  /bin/a b (deleted)\n"
			   "7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n");

	(void)state;
	assert_int_equal(maps->nr, 3);
	assert_int_equal(maps->incomplete, 3);
	assert_false(value_known(maps->total.rss));
	assert_string_equal(maps->mappings[0].name, "/bin/a b");
	assert_string_equal(maps->mappings[1].name, "/bin/a b (deleted)");
	assert_int_equal(maps->mappings[1].permissions, MAPPING_READ | MAPPING_WRITE | MAPPING_SHARED);
	assert_int_equal(maps->mappings[1].file_offset, 0x21a000);
	assert_string_equal(maps->mappings[2].name, "");
	assert_int_equal(maps->mappings[2].permissions, 0);
	assert_false(maps->mappings[2].flags_known);
	target_maps_free(maps);
}

static void test_hostile_names(void **state)
{
	static const char *const names[] = {
		"/tmp/Rss:                   4 kB",
		"/tmp/a\\012Rss:   99999 kB\\012",
		"/tmp/ (deleted) (deleted)",
		"/tmp/\x01\x7f\xff\x80\xfe",
		"/VmFlags: ht",
		"/tmp/  two  spaces  ",
		"/tmp/00400000-00401000 r-xp",
		"[anon: Go: heap]",
		"[heap]",
		"/\t",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct target_maps *maps;

		snprintf(text, sizeof(text), "1000-2000 rw-p 00000000 08:01 5 %s\nRss:  8 kB\nVmFlags: rd\n", names[i]);
		maps = parse_text(text);
		assert_int_equal(maps->nr, 1);
		assert_string_equal(maps->mappings->name, names[i]);
		assert_int_equal(maps->total.rss, 8 * KIB);
		assert_int_equal(target_maps_classify(maps, &(struct mapping_facts){ .exe.inode = 1 }), 0);
		/* Names of files never make memory the runtime's or the C library's. */
		assert_int_equal(maps->mappings->kind, *names[i] == '/' ? MAPPING_FILE : MAPPING_DEVICE);
		target_maps_free(maps);
	}
}

static void test_long_name(void **state)
{
	size_t size = 200000;
	char *text = malloc(size);
	struct target_maps *maps;
	int length;

	(void)state;
	assert_non_null(text);
	length = snprintf(text, size, "1000-2000 rw-p 00000000 08:01 5 /");
	memset(text + length, 'x', 100000);
	snprintf(text + length + 100000, size - length - 100000,
		 "\nRss: 4 kB\n2000-3000 r--p 0 08:01 6 /y\nRss: 8 kB\n");
	maps = parse_text(text);
	assert_int_equal(maps->nr, 2);
	assert_true(maps->mappings[0].name_cut);
	assert_true(strlen(maps->mappings[0].name) >= 4 * 4096);
	assert_false(maps->mappings[1].name_cut);
	assert_string_equal(maps->mappings[1].name, "/y");
	assert_int_equal(maps->total.rss, 12 * KIB);
	assert_int_equal(maps->malformed, 0);
	target_maps_free(maps);
	free(text);
}

/* What is cut off is unknown, and nothing else: every length of the text. */
static void test_truncated(void **state)
{
	size_t size = sizeof(linux_6_1) - 1;

	(void)state;
	for (size_t length = 1; length < size; length++) {
		struct target_maps *maps = parse(linux_6_1, length);

		for (size_t i = 0; i < maps->nr; i++) {
			const struct mapping_memory *memory = &maps->mappings[i].memory;
			static const uint64_t rss[] = { 12388 * KIB, 20 * KIB, 0 };

			assert_true(memory->rss == rss[i] || memory->rss == VALUE_UNKNOWN);
			assert_true(i || memory->anonymous_huge == 8192 * KIB || !value_known(memory->anonymous_huge));
			assert_true(i || maps->mappings[i].thp_eligible != 0);
			assert_true(i || !maps->mappings[i].flags_known ||
				    maps->mappings[i].flags == (MAPPING_ACCOUNTED | MAPPING_HUGEPAGE));
		}
		assert_true(maps->malformed <= 1);
		target_maps_free(maps);
	}
}

static void test_malformed(void **state)
{
	static const char *const lines[] = {
		"2000-1000 rw-p 00000000 00:00 0 \n", /* ends before it starts */
		"1000-1000 rw-p 00000000 00:00 0 \n",
		"1000-20000000000000000 rw-p 00000000 00:00 0 \n", /* 65 bits */
		"1000-2000 rwxq 00000000 00:00 0 \n",
		"1000-2000 rw 00000000 00:00 0 \n",
		"1000-2000 rw-p 00000000 0000 0 \n",
		"1000-2000 rw-p 00000000 00:00 0x \n",
		"1000-2000 rw-p 00000000 00:00 99999999999999999999 \n",
		"-2000 rw-p 00000000 00:00 0 \n",
		"\n",
		"garbage\n",
		" 1000-2000 rw-p 00000000 00:00 0 \n",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct target_maps *maps;

		/* Its numbers are nobody's, and what follows is whole again. */
		snprintf(text, sizeof(text), "100-200 r--p 0 00:00 0 \nRss: 4 kB\n%sRss: 64 kB\n%s", lines[i],
			 "f000-ffff r--p 0 00:00 0 \nRss: 8 kB\n");
		maps = parse_text(text);
		assert_int_equal(maps->nr, 2);
		assert_int_equal(maps->malformed, 1);
		assert_int_equal(maps->total.rss, 12 * KIB);
		target_maps_free(maps);
	}
}

static void test_going_backwards(void **state)
{
	struct target_maps *maps =
		parse_text("1000-3000 r--p 0 00:00 0 \nRss: 4 kB\n2000-4000 r--p 0 00:00 0 \nRss: 8 kB\n");

	(void)state;
	assert_int_equal(maps->nr, 1);
	assert_int_equal(maps->malformed, 1);
	assert_int_equal(maps->total.rss, 4 * KIB);
	target_maps_free(maps);
}

static void test_numbers(void **state)
{
	struct target_maps *maps = parse_text("1000-2000 r--p 0 00:00 0 \n"
					      "Rss: 18014398509481984 kB\n" /* times 1024: 2^64 */
					      "Pss: 18014398509481983 kB\n"
					      "Swap: 18014398509481982 kB\n"
					      "Locked: -4 kB\n"
					      "Anonymous: 4 MB\n"
					      "KSM: 4\n"
					      "LazyFree: 4 kB \n"
					      "NewField_2031: 4 kB\n"
					      "THPeligible: yes\n"
					      "VmFlags: rd zz toolong h gd\n"
					      "2000-3000 r--p 0 00:00 0 \n"
					      "Swap: 18014398509481982 kB\n");
	const struct mapping_memory *memory = &maps->mappings->memory;

	(void)state;
	assert_int_equal(maps->nr, 2);
	assert_false(value_known(memory->rss));
	assert_int_equal(maps->incomplete, 2);
	assert_int_equal(memory->pss, UINT64_MAX - 1023);
	assert_true(value_known(memory->swap));
	assert_false(value_known(memory->locked));
	assert_false(value_known(memory->anonymous));
	assert_false(value_known(memory->ksm));
	assert_false(value_known(memory->lazy_free));
	assert_int_equal(maps->mappings->thp_eligible, -1);
	assert_int_equal(maps->mappings->flags, MAPPING_GROWS_DOWN);
	/* Sums stay numbers. */
	assert_int_equal(maps->total.swap, VALUE_UNKNOWN - 1);
	assert_int_equal(maps->malformed, 0);
	target_maps_free(maps);
}

static void test_nothing(void **state)
{
	struct target_maps *maps = parse("\n", 1);

	(void)state;
	assert_int_equal(maps->nr, 0);
	assert_null(target_maps_find(maps, 4096));
	assert_int_equal(target_maps_classify(maps, &(struct mapping_facts){ 0 }), 0);
	target_maps_free(maps);
	target_maps_free(NULL);
}

/* More than are kept: the sum is still of all. */
static void test_beyond(void **state)
{
	const unsigned more = 100;
	struct target_maps *maps = NULL;
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	for (uint64_t i = 1; i <= TARGET_MAPS_MAX + more; i++)
		fprintf(file, "%lx-%lx r--p 0 00:00 0 \nRss: 4 kB\n", (unsigned long)i << 12,
			(unsigned long)(i + 1) << 12);
	rewind(file);
	assert_int_equal(target_maps_parse(file, &maps), 0);
	fclose(file);
	assert_int_equal(maps->nr, TARGET_MAPS_MAX);
	assert_int_equal(maps->beyond, more);
	assert_int_equal(maps->total.rss, (TARGET_MAPS_MAX + more) * 4 * KIB);
	target_maps_free(maps);
}

static void test_unreadable(void **state)
{
	FILE *file = fopen("/", "re"); /* reading a directory fails */
	struct target_maps *maps = NULL;

	(void)state;
	assert_non_null(file);
	assert_int_equal(target_maps_parse(file, &maps), -EISDIR);
	assert_null(maps);
	fclose(file);
}

/* ---- Kinds ---------------------------------------------------------------------------------- */

struct expected {
	const char *line;
	enum mapping_kind kind;
	bool by_shape;
};

static void check_kinds(const struct expected *expected, size_t count, const struct mapping_facts *facts)
{
	char text[16384] = "";
	struct target_maps *maps;

	for (size_t i = 0; i < count; i++) {
		strcat(text, expected[i].line);
		strcat(text, "\n");
	}
	maps = parse_text(text);
	assert_int_equal(target_maps_classify(maps, facts), 0);
	assert_int_equal(maps->nr, count);
	for (size_t i = 0; i < count; i++) {
		if (maps->mappings[i].kind != expected[i].kind || maps->mappings[i].by_shape != expected[i].by_shape)
			fail_msg("%s: %s%s", expected[i].line, mapping_kind_name(maps->mappings[i].kind),
				 maps->mappings[i].by_shape ? " by shape" : "");
	}
	target_maps_free(maps);
}

#define CHECK_KINDS(expected, ...)                                                                                     \
	check_kinds(expected, sizeof(expected) / sizeof((expected)[0]), &(struct mapping_facts){ __VA_ARGS__ })

/* A program with cgo, as Linux 6.x shows it. */
static void test_kinds_of_cgo_program(void **state)
{
	static const struct expected lines[] = {
		{ "00400000-00401000 r--p 00000000 08:01 77 /app/server", MAPPING_EXE_RODATA, false },
		{ "00401000-00500000 r-xp 00001000 08:01 77 /app/server", MAPPING_EXE_TEXT, false },
		{ "00500000-00600000 r--p 00100000 08:01 77 /app/server", MAPPING_EXE_RODATA, false },
		{ "00600000-00610000 rw-p 00200000 08:01 77 /app/server", MAPPING_EXE_DATA, false },
		{ "00610000-00650000 rw-p 00000000 00:00 0 ", MAPPING_EXE_BSS, true },
		{ "01000000-01021000 rw-p 00000000 00:00 0 [heap]", MAPPING_BRK, false },
		{ "c000000000-c000400000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "c000400000-c004000000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		/* An arena of malloc, and a stack directly above what it has reserved. */
		{ "7f1000000000-7f1000021000 rw-p 00000000 00:00 0 ", MAPPING_MALLOC_ARENA, true },
		{ "7f1000021000-7f1004001000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1004001000-7f1004801000 rw-p 00000000 00:00 0 ", MAPPING_THREAD_STACK, true },
		{ "7f1004801000-7f1004802000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1004802000-7f1005001000 rw-p 00000000 00:00 0 ", MAPPING_THREAD_STACK, true },
		/* Not at a multiple of 64 MiB; at one, but with nothing or too little reserved behind; full. */
		{ "7f1009000000-7f1009021000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "7f1009021000-7f100c000000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1010000000-7f1010021000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "7f1014000000-7f1014021000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "7f1014021000-7f1017fff000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1018000000-7f101c000000 rw-p 00000000 00:00 0 ", MAPPING_MALLOC_ARENA, true },
		{ "7f1100000000-7f1100100000 rw-s 00000000 00:01 9 /memfd:x (deleted)", MAPPING_SHMEM, false },
		{ "7f1100100000-7f1100200000 rw-s 00000000 00:01 8 /dev/zero (deleted)", MAPPING_SHMEM, false },
		{ "7f1100200000-7f1100300000 rw-s 00000000 00:01 7 /SYSV00000000 (deleted)", MAPPING_SHMEM, false },
		{ "7f1100300000-7f1100400000 rw-s 00000000 00:1a 6 /dev/shm/x", MAPPING_SHMEM, false },
		{ "7f1100400000-7f1100500000 rw-s 00000000 00:0e 5 anon_inode:[perf_event]", MAPPING_DEVICE, false },
		{ "7f1100500000-7f1100600000 rw-s 00000000 00:05 4 /dev/dri/card0", MAPPING_DEVICE, false },
		{ "7f1100600000-7f1100a00000 rw-p 00000000 00:0f 3 /anon_hugepage (deleted)", MAPPING_HUGETLB_PAGES,
		  false },
		{ "7f1100a00000-7f1100b00000 r--s 00000000 08:01 90 /data/my.db", MAPPING_FILE, false },
		{ "7f1100b00000-7f1100c00000 rw-p 00000000 08:01 90 /data/my.db", MAPPING_FILE, false },
		{ "7f1100c00000-7f1100d00000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "7f1200000000-7f1200028000 r--p 00000000 08:01 80 /lib/libc.so.6", MAPPING_LIBRARY, false },
		{ "7f1200028000-7f12001bd000 r-xp 00028000 08:01 80 /lib/libc.so.6", MAPPING_LIBRARY, false },
		{ "7f12001bd000-7f12001c3000 rw-p 001bd000 08:01 80 /lib/libc.so.6", MAPPING_LIBRARY, false },
		{ "7f12001c3000-7f12001d0000 rw-p 00000000 00:00 0 ", MAPPING_LIBRARY_BSS, true },
		{ "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]", MAPPING_STACK, false },
		{ "7ffc00021000-7ffc00025000 r--p 00000000 00:00 0 [vvar]", MAPPING_KERNEL, false },
		{ "7ffc00025000-7ffc00027000 r-xp 00000000 00:00 0 [vdso]", MAPPING_KERNEL, false },
		{ "7fffffffe000-7ffffffff000 --xp 00000000 00:00 0 [uprobes]", MAPPING_KERNEL, false },
	};

	(void)state;
	CHECK_KINDS(lines, .exe = { makedev(8, 1), 77 }, .exe_path = "/app/server", .stack_bytes = 8 * MIB);
}

/* Without C there is no arena, whatever it looks like. */
static void test_kinds_without_c(void **state)
{
	static const struct expected lines[] = {
		{ "00400000-00401000 r-xp 00000000 08:01 77 /app/server", MAPPING_EXE_TEXT, false },
		{ "7f1000000000-7f1000021000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
		{ "7f1000021000-7f1004000000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]", MAPPING_STACK, false },
	};

	(void)state;
	CHECK_KINDS(lines, .exe = { makedev(8, 1), 77 }, .stack_bytes = 8 * MIB);
}

/* The stack's size is the limit's. */
static void test_kinds_stack_limit(void **state)
{
	static const struct expected lines[] = {
		{ "7f1000000000-7f1000001000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1000001000-7f1000101000 rw-p 00000000 00:00 0 ", MAPPING_THREAD_STACK, true },
		{ "7f1000101000-7f1000102000 ---p 00000000 00:00 0 ", MAPPING_RESERVED, false },
		{ "7f1000102000-7f1000902000 rw-p 00000000 00:00 0 ", MAPPING_ANONYMOUS, false },
	};

	(void)state;
	CHECK_KINDS(lines, .stack_bytes = MIB);
}

static void test_kinds_named(void **state)
{
	static const struct expected lines[] = {
		{ "1000-2000 rw-p 00000000 00:00 0 [anon: Go: heap]", MAPPING_GO, false },
		{ "2000-3000 ---p 00000000 00:00 0 [anon: Go: heap reservation]", MAPPING_GO, false },
		{ "3000-4000 rw-p 00000000 00:00 0 [anon: Go: a name of 2031]", MAPPING_GO, false },
		{ "4000-5000 rw-p 00000000 00:00 0 [anon: glibc: malloc arena]", MAPPING_MALLOC_ARENA, false },
		{ "5000-6000 rw-p 00000000 00:00 0 [anon: glibc: malloc]", MAPPING_MALLOC, false },
		{ "6000-7000 rw-p 00000000 00:00 0 [anon: glibc: loader malloc]", MAPPING_MALLOC, false },
		{ "7000-8000 rw-p 00000000 00:00 0 [anon: glibc: pthread stack: 77]", MAPPING_THREAD_STACK, false },
		{ "8000-9000 rw-p 00000000 00:00 0 [anon:stack_and_tls:77]", MAPPING_THREAD_STACK, false },
		{ "9000-a000 rw-p 00000000 00:00 0 [anon:scudo:primary]", MAPPING_NAMED, false },
		{ "a000-b000 rw-s 00000000 00:01 4 [anon_shmem:x]", MAPPING_SHMEM, false },
		{ "b000-c000 rw-p 00000000 00:00 0 [stack:12]", MAPPING_KERNEL, false },
	};
	struct target_maps *maps;

	(void)state;
	CHECK_KINDS(lines, .stack_bytes = 8 * MIB);
	maps = parse_text("1000-2000 rw-p 0 00:00 0 [anon: Go: heap]\n2000-3000 rw-p 0 00:00 0 [anon: Go: heap index]\n"
			  "3000-4000 rw-p 0 00:00 0 [anon: Go: heap ind]\n");
	assert_int_equal(target_maps_classify(maps, &(struct mapping_facts){ 0 }), 0);
	assert_int_equal(maps->mappings[0].go_name, MAPPING_GO_HEAP);
	assert_int_equal(maps->mappings[1].go_name, MAPPING_GO_HEAP_INDEX);
	assert_int_equal(maps->mappings[2].go_name, MAPPING_GO_OTHER);
	target_maps_free(maps);
}

/* On overlayfs the mappings show another inode than stat: the path tells, also after the file was replaced. */
static void test_kinds_exe_by_path(void **state)
{
	static const struct expected lines[] = {
		{ "1000-2000 r-xp 00000000 00:31 5001 /app/a\\012b (deleted)", MAPPING_EXE_TEXT, false },
		{ "2000-3000 rw-p 00000000 00:31 5001 /app/a\\012b (deleted)", MAPPING_EXE_DATA, false },
		{ "3000-4000 r--p 00000000 00:31 5002 /app/a\\012b", MAPPING_FILE, false },
		{ "4000-5000 r-xp 00000000 00:31 77 /app/other", MAPPING_LIBRARY, false },
	};

	(void)state;
	CHECK_KINDS(lines, .exe = { makedev(8, 1), 77 }, .exe_path = "/app/a\nb (deleted)");
}

static void test_kind_names(void **state)
{
	(void)state;
	for (int kind = 0; kind < MAPPING_KINDS; kind++)
		assert_true(*mapping_kind_name((enum mapping_kind)kind));
	for (int name = MAPPING_GO_OTHER + 1; name < MAPPING_GO_NAMES; name++)
		assert_true(*mapping_go_name_text((enum mapping_go_name)name));
	assert_string_equal(mapping_kind_name(MAPPING_KINDS), "");
}

/* ---- This process --------------------------------------------------------------------------- */

/* Memory of one kind, between pages without permission: the kernel merges neighbours that are alike. */
static char *region(size_t bytes, int protection, int flags, int fd)
{
	const size_t around = 64 * KIB;
	char *space = mmap(NULL, bytes + 2 * around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(space, MAP_FAILED);
	assert_ptr_not_equal(mmap(space + around, bytes, protection, flags | MAP_FIXED, fd, 0), MAP_FAILED);
	return space + around;
}

static void unregion(char *address, size_t bytes)
{
	const size_t around = 64 * KIB;

	assert_int_equal(munmap(address - around, bytes + 2 * around), 0);
}

static struct target_maps *maps_of(pid_t pid, enum target_maps_detail detail)
{
	struct target *target;
	struct target_maps *maps = NULL;

	assert_int_equal(target_open(pid, &target, NULL), 0);
	assert_int_equal(target_maps_read(target, detail, &maps), 0);
	target_close(target);
	assert_int_equal(maps->malformed + maps->beyond, 0);
	return maps;
}

static const struct mapping *mapping_of(const struct target_maps *maps, const void *address)
{
	const struct mapping *mapping = target_maps_find(maps, (uintptr_t)address);

	assert_non_null(mapping);
	return mapping;
}

static void test_own_anonymous(void **state)
{
	char *touched = region(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *untouched = region(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *none = region(MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *freed = region(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *shared = region(MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	struct target_maps *maps;
	const struct mapping *mapping;

	(void)state;
	memset(touched, 1, 100 * 4096);
	memset(freed, 1, MIB);
	memset(shared, 1, 8192);
	assert_int_equal(madvise(freed, MIB / 2, MADV_FREE), 0);
	maps = maps_of(getpid(), TARGET_MAPS_MEMORY);

	mapping = mapping_of(maps, touched);
	assert_int_equal(mapping->start, (uintptr_t)touched);
	assert_int_equal(mapping->end, (uintptr_t)touched + MIB);
	assert_int_equal(mapping->kind, MAPPING_ANONYMOUS);
	assert_int_equal(mapping->memory.rss, 100 * 4096);
	assert_int_equal(mapping->memory.anonymous, 100 * 4096);
	assert_int_equal(mapping->memory.private_dirty, 100 * 4096);
	assert_int_equal(mapping_of(maps, untouched)->memory.rss, 0);
	assert_int_equal(mapping_of(maps, none)->kind, MAPPING_RESERVED);
	assert_int_equal(mapping_of(maps, none)->memory.rss, 0);
	mapping = mapping_of(maps, freed);
	assert_int_equal(mapping->memory.rss, MIB);
	/* The kernel marks them in batches: what is in one yet does not show. */
	assert_true(mapping->memory.lazy_free <= MIB / 2 && mapping->memory.lazy_free >= MIB / 4);
	mapping = mapping_of(maps, shared);
	assert_int_equal(mapping->kind, MAPPING_SHMEM);
	assert_int_equal(mapping->memory.rss, 8192);
	assert_int_equal(mapping->memory.anonymous, 0);
	assert_true(mapping->permissions & MAPPING_SHARED);

	target_maps_free(maps);
	unregion(touched, MIB);
	unregion(untouched, MIB);
	unregion(none, MIB);
	unregion(freed, MIB);
	unregion(shared, MIB);
}

static void test_own_files(void **state)
{
	char path[] = "/tmp/target_maps a.XXXXXX";
	int file = mkostemp(path, O_CLOEXEC), memory = memfd_create("gctap test", MFD_CLOEXEC);
	char *mapped, *copied, *memfd;
	struct target_maps *maps;
	const struct mapping *mapping;
	struct stat status;

	(void)state;
	assert_true(file >= 0 && memory >= 0);
	assert_int_equal(ftruncate(file, MIB) | ftruncate(memory, MIB), 0);
	mapped = region(MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file);
	copied = region(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
	memfd = region(MIB, PROT_READ | PROT_WRITE, MAP_SHARED, memory);
	memset(mapped, 1, 16384);
	memset(copied, 2, 4096);
	memset(memfd, 3, 8192);
	unlink(path);
	assert_int_equal(fstat(file, &status), 0);
	maps = maps_of(getpid(), TARGET_MAPS_MEMORY);

	mapping = mapping_of(maps, mapped);
	assert_int_equal(mapping->kind, MAPPING_FILE);
	assert_int_equal(mapping->inode, status.st_ino);
	assert_memory_equal(mapping->name, path, strlen(path));
	assert_string_equal(mapping->name + strlen(path), " (deleted)");
	assert_true(mapping->memory.rss >= 16384);
	assert_int_equal(mapping->memory.anonymous, 0);
	/* A page that was written to is a copy, and anonymous. */
	mapping = mapping_of(maps, copied);
	assert_int_equal(mapping->kind, MAPPING_FILE);
	assert_int_equal(mapping->memory.anonymous, 4096);
	mapping = mapping_of(maps, memfd);
	assert_int_equal(mapping->kind, MAPPING_SHMEM);
	assert_string_equal(mapping->name, "/memfd:gctap test (deleted)");

	target_maps_free(maps);
	unregion(mapped, MIB);
	unregion(copied, MIB);
	unregion(memfd, MIB);
	close(file);
	close(memory);
}

static void test_own_huge(void **state)
{
	char *space = region(6 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *huge = (char *)(((uintptr_t)space + 2 * MIB - 1) / (2 * MIB) * (2 * MIB));
	struct target_maps *maps;
	const struct mapping *mapping;
	bool got;

	(void)state;
	got = madvise(space, 6 * MIB, MADV_HUGEPAGE) == 0;
	*huge = 1;
	maps = maps_of(getpid(), TARGET_MAPS_MEMORY);
	mapping = mapping_of(maps, huge);
	got = got && mapping->memory.rss == 2 * MIB;
	if (got) {
		assert_int_equal(mapping->memory.anonymous_huge, 2 * MIB);
		assert_true(mapping->flags & MAPPING_HUGEPAGE);
		assert_int_equal(mapping->thp_eligible, 1);
	}
	target_maps_free(maps);
	unregion(space, 6 * MIB);
	if (!got) {
		print_message("no huge page was to be had\n");
		skip();
	}
}

static int a_variable_in_data = 1;
static char a_variable_in_bss[1 << 16];

static void test_own_executable(void **state)
{
	struct target_maps *maps;
	int local = 0;

	(void)state;
	a_variable_in_data = 2;
	memset(a_variable_in_bss, 1, sizeof(a_variable_in_bss));
	maps = maps_of(getpid(), TARGET_MAPS_MEMORY);
	assert_int_equal(mapping_of(maps, (const void *)(uintptr_t)test_own_executable)->kind, MAPPING_EXE_TEXT);
	assert_int_equal(mapping_of(maps, &linux_6_1)->kind, MAPPING_EXE_RODATA);
	assert_int_equal(mapping_of(maps, &a_variable_in_data)->kind, MAPPING_EXE_DATA);
	assert_int_equal(mapping_of(maps, a_variable_in_bss + sizeof(a_variable_in_bss) - 1)->kind, MAPPING_EXE_BSS);
	assert_int_equal(mapping_of(maps, (const void *)(uintptr_t)pthread_create)->kind, MAPPING_LIBRARY);
	assert_int_equal(mapping_of(maps, &local)->kind, MAPPING_STACK);
	assert_true(mapping_of(maps, &local)->flags & MAPPING_GROWS_DOWN);
	target_maps_free(maps);
}

struct thread {
	pthread_barrier_t barrier;
	void *on_stack, *allocated;
};

static void *run_thread(void *context)
{
	struct thread *thread = context;
	int local = 0;

	thread->on_stack = &local;
	thread->allocated = malloc(100);
	pthread_barrier_wait(&thread->barrier);
	pthread_barrier_wait(&thread->barrier);
	free(thread->allocated);
	return NULL;
}

static void test_own_thread(void **state)
{
	struct thread thread;
	pthread_t id;
	struct target_maps *maps;
	const struct mapping *mapping;

	(void)state;
	pthread_barrier_init(&thread.barrier, NULL, 2);
	assert_int_equal(pthread_create(&id, NULL, run_thread, &thread), 0);
	pthread_barrier_wait(&thread.barrier);
	maps = maps_of(getpid(), TARGET_MAPS_PLACES);
	pthread_barrier_wait(&thread.barrier);
	pthread_join(id, NULL);
	mapping = mapping_of(maps, thread.on_stack);
	assert_int_equal(mapping->kind, MAPPING_THREAD_STACK);
	assert_true(mapping->by_shape || *mapping->name);
	assert_false(value_known(mapping->memory.rss));
#ifndef __SANITIZE_ADDRESS__ /* which brings its own malloc */
	assert_int_equal(mapping_of(maps, thread.allocated)->kind, MAPPING_MALLOC_ARENA);
#endif
	target_maps_free(maps);
	pthread_barrier_destroy(&thread.barrier);
}

/* ---- Another process ------------------------------------------------------------------------ */

static pid_t child_that_sleeps(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Of a process that does nothing, all ways to count say the same. */
static void test_sums(void **state)
{
	char *memory = region(32 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t slack = (uint64_t)sysconf(_SC_NPROCESSORS_CONF) * 64 * 4096; /* what a part per CPU may hold back */
	struct target_statm statm;
	struct target_rollup rollup;
	struct target_maps *maps = NULL;
	struct target *target;
	siginfo_t ended;
	pid_t pid;

	(void)state;
	memset(memory, 1, 32 * MIB);
	pid = child_that_sleeps();
	assert_int_equal(target_open(pid, &target, NULL), 0);
	for (int i = 0; i < 100; i++) {
		usleep(5000);
		target_maps_free(maps);
		assert_int_equal(target_maps_read(target, TARGET_MAPS_MEMORY, &maps), 0);
		assert_int_equal(target_rollup(pid, &rollup), 0);
		assert_int_equal(target_statm(pid, &statm), 0);
		if (maps->total.rss == rollup.rss)
			break;
	}
	assert_true(maps->total.rss > 32 * MIB);
	assert_int_equal(maps->total.rss, rollup.rss);
	assert_true(distance(maps->total.rss, statm.resident) <= slack);
	assert_int_equal(maps->incomplete, 0);
	assert_int_equal(maps->total.shared_clean + maps->total.shared_dirty + maps->total.private_clean +
				 maps->total.private_dirty,
			 maps->total.rss);
	target_maps_free(maps);
	/* A zombie, then nothing. */
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
	assert_int_equal(target_maps_read(target, TARGET_MAPS_PLACES, &maps), -ESRCH);
	assert_int_equal(target_maps_read(target, TARGET_MAPS_MEMORY, &maps), -ESRCH);
	child_end(pid);
	assert_int_equal(target_maps_read(target, TARGET_MAPS_MEMORY, &maps), -ESRCH);
	target_close(target);
	unregion(memory, 32 * MIB);
}

static void test_statm(void **state)
{
	static const char *const texts[] = {
		"", "1", "1 2", "1 2 3", "1 2 x 4", "1 2 99999999999999999999 3", "1 2 4503599627370496 3", "-1 2 3 4"
	};
	struct target_statm statm;
	FILE *file = fmemopen((void *)"100 50 25 1 0 70 0\n", 19, "r");

	(void)state;
	assert_int_equal(target_statm_parse(file, &statm), 0);
	fclose(file);
	assert_int_equal(statm.resident, 50 * (uint64_t)sysconf(_SC_PAGESIZE));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		file = fmemopen((void *)texts[i], strlen(texts[i]), "r");
		assert_true(target_statm_parse(file, &statm) < 0);
		fclose(file);
	}
	assert_int_equal(target_statm(getpid(), &statm), 0);
	assert_true(statm.resident > 0 && statm.resident <= statm.size && statm.shared <= statm.resident);
	assert_int_equal(target_statm(INT32_MAX, &statm), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_new_kernel),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_going_backwards),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_beyond),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_kinds_of_cgo_program),
		cmocka_unit_test(test_kinds_without_c),
		cmocka_unit_test(test_kinds_stack_limit),
		cmocka_unit_test(test_kinds_named),
		cmocka_unit_test(test_kinds_exe_by_path),
		cmocka_unit_test(test_kind_names),
		cmocka_unit_test(test_own_anonymous),
		cmocka_unit_test(test_own_files),
		cmocka_unit_test(test_own_huge),
		cmocka_unit_test(test_own_executable),
		cmocka_unit_test(test_own_thread),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_statm),
	};

	return cmocka_run_group_tests_name("target_maps", tests, NULL, NULL);
}
