// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_builder.h"

#include "gctap/image.h"

#define TEXT 0x401000ull
#define DATA 0x500000ull

/* A file in memory, of exact size, and the image of it. */
struct fixture {
	uint8_t *file;
	size_t size;
	struct image *image;
};

static void open_bytes(struct fixture *fixture)
{
	struct failure failure = { "" };

	if (image_open_bytes(fixture->file, fixture->size, &fixture->image, &failure))
		fail_msg("%s", failure.text);
}

static void finish(struct fixture *fixture, struct elf_builder *elf)
{
	fixture->file = elf_finish(elf, &fixture->size);
	open_bytes(fixture);
}

static void drop(struct fixture *fixture)
{
	image_close(fixture->image);
	free(fixture->file);
}

/* Text of 64 bytes, data of 32 with 64 in memory, one section. */
static void start_simple(struct elf_builder *elf)
{
	uint8_t text[64], data[32];

	for (unsigned i = 0; i < 64; i++)
		text[i] = (uint8_t)i;
	memset(data, 'd', sizeof(data));
	memcpy(data, "hello", 6);
	elf_start(elf, ET_EXEC, 8);
	elf->header.e_entry = TEXT + 16;
	elf_segment(elf, PT_LOAD, TEXT, PF_R | PF_X, text, sizeof(text), sizeof(text));
	elf_section(elf, ".data", SHT_PROGBITS, DATA,
		    elf_segment(elf, PT_LOAD, DATA, PF_R | PF_W, data, sizeof(data), 64), sizeof(data));
}

static void addresses_become_bytes(void **unused)
{
	struct elf_builder elf;
	struct fixture fixture;
	uint8_t buffer[64];
	uint64_t offset;
	const struct image_segment *segment;

	(void)unused;
	start_simple(&elf);
	finish(&fixture, &elf);
	assert_int_equal(image_machine(fixture.image), IMAGE_MACHINE_X86_64);
	assert_false(image_is_dyn(fixture.image) || image_has_interpreter(fixture.image));
	assert_int_equal(image_entry(fixture.image), TEXT + 16);
	assert_int_equal(image_file_size(fixture.image), fixture.size);
	assert_int_equal(image_segment_count(fixture.image), 2);
	assert_null(image_segment(fixture.image, 2));
	segment = image_segment_at(fixture.image, DATA + 63, 1);
	assert_true(segment && segment->writable && !segment->executable && segment->file_size == 32);
	assert_null(image_segment_at(fixture.image, DATA + 63, 2));
	assert_null(image_segment_at(fixture.image, DATA - 1, 2));

	assert_memory_equal(image_at(fixture.image, TEXT + 10, 3), "\x0a\x0b\x0c", 3);
	assert_non_null(image_at(fixture.image, TEXT, 64));
	assert_null(image_at(fixture.image, TEXT, 65));
	assert_null(image_at(fixture.image, TEXT, SIZE_MAX));
	assert_null(image_at(fixture.image, TEXT + 64, 1));
	assert_null(image_at(fixture.image, UINT64_MAX, 8));
	/* Behind the file's part, memory is zero, but there are no bytes to point to. */
	assert_null(image_at(fixture.image, DATA + 28, 8));
	assert_int_equal(image_read(fixture.image, DATA + 28, buffer, 8), 0);
	assert_memory_equal(buffer, "dddd\0\0\0\0", 8);
	assert_int_equal(image_read(fixture.image, DATA + 40, buffer, 8), 0);
	assert_memory_equal(buffer, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(image_read(fixture.image, DATA + 60, buffer, 8), -EFAULT);
	assert_int_equal(image_read(fixture.image, 0, buffer, 1), -EFAULT);

	assert_string_equal(image_string(fixture.image, DATA, 5), "hello");
	assert_null(image_string(fixture.image, DATA, 4));
	assert_null(image_string(fixture.image, DATA + 6, 4096)); /* ends with the file's part, without a NUL */
	assert_null(image_string(fixture.image, DATA + 40, 10));
	assert_int_equal(image_offset_of(fixture.image, DATA + 31, &offset), 0);
	assert_int_equal(image_offset_of(fixture.image, DATA + 32, &offset), -EFAULT);
	assert_int_equal(image_offset_of(fixture.image, 7, &offset), -EFAULT);
	drop(&fixture);
}

static void assert_refused(const void *bytes, size_t size, const char *reason)
{
	struct failure failure = { "" };
	struct image *image;
	uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, bytes, size);
	assert_int_equal(image_open_bytes(exact, size, &image, &failure), -ENOEXEC);
	if (!strstr(failure.text, reason))
		fail_msg("\"%s\" does not say \"%s\"", failure.text, reason);
	free(exact);
}

static void what_is_no_program_is_named(void **unused)
{
	struct elf_builder elf;
	Elf64_Ehdr header;
	uint8_t *file;
	size_t size;

	(void)unused;
	start_simple(&elf);
	file = elf_finish(&elf, &size);
	assert_refused("", 0, "not an ELF file");
	assert_refused("\x7f"
		       "EL",
		       3, "not an ELF file");
	assert_refused("#!/bin/sh\n", 10, "a script");
	assert_refused("MZ\0\0\0\0", 6, "not an ELF file");
	assert_refused(file, 63, "truncated");
#define REFUSED(field, value, reason)                                                                                  \
	do {                                                                                                           \
		memcpy(&header, file, sizeof(header));                                                                 \
		header.field = value;                                                                                  \
		memcpy(file, &header, sizeof(header));                                                                 \
		assert_refused(file, size, reason);                                                                    \
		start_simple(&elf);                                                                                    \
		free(file);                                                                                            \
		file = elf_finish(&elf, &size);                                                                        \
	} while (0)
	REFUSED(e_ident[EI_CLASS], ELFCLASS32, "64-bit");
	REFUSED(e_ident[EI_DATA], ELFDATA2MSB, "little-endian");
	REFUSED(e_type, ET_CORE, "core file");
	REFUSED(e_type, ET_REL, "object file");
	REFUSED(e_type, 77, "unknown type 77");
	REFUSED(e_machine, EM_MIPS, "ELF machine 8");
	REFUSED(e_phnum, 0, "program headers");
	REFUSED(e_phnum, 600, "program headers");
	REFUSED(e_phentsize, 55, "program headers");
	REFUSED(e_phoff, size, "behind its end");
	REFUSED(e_phoff, UINT64_MAX - 7, "behind its end");
#undef REFUSED
	free(file);
}

static int stop_at_once(uint64_t address, void *context)
{
	(void)address;
	(void)context;
	return 1;
}

/* Whatever an accessor answers, it must be in the file: the sanitized build tells. */
static void ask_everything(struct image *image)
{
	struct image_section section;
	uint8_t buffer[32];
	uint64_t value;
	volatile uint8_t sink;

	for (size_t i = 0; i < image_segment_count(image); i++) {
		const struct image_segment *segment = image_segment(image, i);
		const uint8_t *bytes = image_at(image, segment->address, segment->file_size);

		if (bytes && segment->file_size)
			sink = bytes[segment->file_size - 1];
		image_read(image, segment->address + segment->memory_size - 8, buffer, 8);
		image_pointer(image, segment->address, &value);
		image_string(image, segment->address, 100);
	}
	image_section(image, ".data", &section);
	image_section_count(image);
	image_each_relocation_to(image, TEXT, stop_at_once, NULL);
	(void)sink;
}

static void truncated_at_every_length(void **unused)
{
	struct elf_builder elf;
	size_t size;
	uint8_t *file;
	unsigned opened = 0;

	(void)unused;
	start_simple(&elf);
	file = elf_finish(&elf, &size);
	for (size_t length = 0; length < size; length++) {
		struct failure failure = { "" };
		struct image *image;
		uint8_t *exact = malloc(length ? length : 1);

		memcpy(exact, file, length);
		if (image_open_bytes(exact, length, &image, &failure)) {
			assert_true(failure.text[0]);
		} else {
			ask_everything(image);
			image_close(image);
			opened++;
		}
		free(exact);
	}
	/* With its headers whole it opens; what is cut off is not there. */
	assert_true(opened > 100);
	free(file);
}

static void each_byte_changed(void **unused)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	struct elf_builder elf;
	struct fixture fixture;

	(void)unused;
	start_simple(&elf);
	fixture.file = elf_finish(&elf, &fixture.size);
	for (size_t at = 0; at < fixture.size; at++) {
		uint8_t before = fixture.file[at];

		for (size_t i = 0; i < sizeof(values); i++) {
			fixture.file[at] = values[i];
			if (!image_open_bytes(fixture.file, fixture.size, &fixture.image, NULL)) {
				ask_everything(fixture.image);
				image_close(fixture.image);
			}
		}
		fixture.file[at] = before;
	}
	free(fixture.file);
}

static void odd_program_headers(void **unused)
{
	const Elf64_Phdr wraps = { .p_type = PT_LOAD, .p_vaddr = UINT64_MAX - 15, .p_memsz = 32, .p_filesz = 32 };
	const Elf64_Phdr top = { .p_type = PT_LOAD, .p_vaddr = UINT64_MAX - 15, .p_memsz = 15, .p_filesz = 15 };
	const Elf64_Phdr behind = {
		.p_type = PT_LOAD, .p_vaddr = 0x600000, .p_memsz = 64, .p_filesz = 64, .p_offset = 1ull << 40
	};
	const Elf64_Phdr longer = {
		.p_type = PT_LOAD, .p_vaddr = 0x700000, .p_memsz = 1ull << 40, .p_filesz = 1ull << 40, .p_offset = 8
	};
	const Elf64_Phdr file_above_memory = {
		.p_type = PT_LOAD, .p_vaddr = DATA + (2ull << 40), .p_memsz = 4, .p_filesz = 64
	};
	const Elf64_Phdr empty = { .p_type = PT_LOAD, .p_vaddr = 0x900000 };
	struct elf_builder elf;
	struct fixture fixture;
	uint8_t buffer[16];

	(void)unused;
	start_simple(&elf);
	elf_program_header(&elf, &wraps);
	elf_program_header(&elf, &top);
	elf_program_header(&elf, &behind);
	elf_program_header(&elf, &longer);
	elf_program_header(&elf, &file_above_memory);
	elf_program_header(&elf, &empty);
	finish(&fixture, &elf);
	/* The one that wraps around and the empty one are not there. */
	assert_int_equal(image_segment_count(fixture.image), 6);
	assert_non_null(image_at(fixture.image, UINT64_MAX - 15, 15));
	assert_null(image_at(fixture.image, UINT64_MAX - 15, 16));
	assert_null(image_at(fixture.image, UINT64_MAX - 15, SIZE_MAX));
	/* What the file does not have is zero in memory, as far as the header says. */
	assert_null(image_at(fixture.image, 0x600000, 1));
	assert_int_equal(image_read(fixture.image, 0x600000, buffer, 16), 0);
	assert_int_equal(buffer[0], 0);
	assert_non_null(image_at(fixture.image, 0x700000, fixture.size - 8));
	assert_null(image_at(fixture.image, 0x700000, fixture.size - 7));
	assert_int_equal(image_read(fixture.image, 0x700000 + (1ull << 39), buffer, 16), 0);
	assert_non_null(image_at(fixture.image, DATA + (2ull << 40), 4));
	assert_null(image_at(fixture.image, DATA + (2ull << 40), 5));
	drop(&fixture);
}

static void first_of_overlapping_segments_counts(void **unused)
{
	struct elf_builder elf;
	struct fixture fixture;

	(void)unused;
	start_simple(&elf);
	elf_segment(&elf, PT_LOAD, TEXT + 32, PF_R, "second", 7, 128);
	finish(&fixture, &elf);
	assert_int_equal(*(const uint8_t *)image_at(fixture.image, TEXT + 32, 1), 32);
	/* A range that only the second one holds. */
	assert_null(image_at(fixture.image, TEXT + 60, 8));
	assert_true(image_segment_at(fixture.image, TEXT + 60, 8) == image_segment(fixture.image, 2));
	drop(&fixture);
}

/* Each of them would be scanned: 500 times the whole file. */
static void the_same_bytes_again_and_again(void **unused)
{
	Elf64_Phdr header = { .p_type = PT_LOAD, .p_flags = PF_R, .p_memsz = 1u << 20, .p_filesz = 1u << 20 };
	struct elf_builder elf;
	uint8_t *file;
	size_t size;

	(void)unused;
	elf_start(&elf, ET_EXEC, 500);
	for (unsigned i = 0; i < 500; i++) {
		header.p_vaddr = 0x400000 + ((uint64_t)i << 24);
		elf_program_header(&elf, &header);
	}
	bytes_add(&elf.file, NULL, 1u << 20);
	file = elf_finish(&elf, &size);
	assert_refused(file, size, "again and again");
	free(file);
}

static void sections_are_hints(void **unused)
{
	struct elf_builder elf;
	struct fixture fixture;
	struct image_section section;
	Elf64_Ehdr header, before;

	(void)unused;
	start_simple(&elf);
	finish(&fixture, &elf);
	assert_int_equal(image_section_count(fixture.image), 3);
	assert_true(image_section(fixture.image, ".data", &section));
	assert_int_equal(section.address, DATA);
	assert_int_equal(section.size, 32);
	assert_false(image_section(fixture.image, ".dat", &section));
	assert_false(image_section(fixture.image, ".data.rel.ro", &section));
	image_close(fixture.image);
	memcpy(&before, fixture.file, sizeof(before));
#define LYING(field, value, count)                                                                                     \
	do {                                                                                                           \
		header = before;                                                                                       \
		header.field = value;                                                                                  \
		memcpy(fixture.file, &header, sizeof(header));                                                         \
		open_bytes(&fixture);                                                                                  \
		assert_int_equal(image_section_count(fixture.image), count);                                           \
		assert_false(image_section(fixture.image, ".data", &section));                                         \
		image_close(fixture.image);                                                                            \
	} while (0)
	LYING(e_shnum, 0, 0);
	LYING(e_shnum, 0xffff, 0);
	LYING(e_shoff, 0, 0);
	LYING(e_shoff, fixture.size - 1, 0);
	LYING(e_shoff, UINT64_MAX, 0);
	LYING(e_shentsize, 63, 0);
	LYING(e_shstrndx, 3, 3);
	LYING(e_shstrndx, 0xffff, 3);
	LYING(e_shstrndx, 1, 3); /* .data holds no names */
#undef LYING
	free(fixture.file);
}

static void section_names_behind_the_end(void **unused)
{
	struct elf_builder elf;
	struct fixture fixture;
	struct image_section section;
	Elf64_Ehdr header;

	(void)unused;
	start_simple(&elf);
	elf.sections[1].sh_name = UINT32_MAX;
	finish(&fixture, &elf);
	assert_false(image_section(fixture.image, ".data", &section));
	memcpy(&header, fixture.file, sizeof(header));
	image_close(fixture.image);
	/* The table of names says it is larger than the file. */
	for (unsigned i = 0; i < 2; i++) {
		Elf64_Shdr *names = (void *)(fixture.file + header.e_shoff + 2 * sizeof(Elf64_Shdr));

		names->sh_size = UINT64_MAX;
		names->sh_offset = i ? UINT64_MAX - 4 : names->sh_offset;
		open_bytes(&fixture);
		assert_false(image_section(fixture.image, ".data", &section));
		image_close(fixture.image);
	}
	free(fixture.file);
}

/* ---- Relocations ----------------------------------------------------------------------------- */

#define RELA 0x600000ull

static void start_relocated(struct elf_builder *elf, const Elf64_Rela *relocations, size_t count, uint64_t size,
			    uint64_t sorted)
{
	const Elf64_Dyn dynamic[] = { { DT_RELA, { RELA } },
				      { DT_RELASZ, { size } },
				      { DT_RELACOUNT, { sorted } },
				      { DT_NULL, { 0 } },
				      { DT_RELA, { 1 } } };
	const uint64_t data[8] = { 0, 0x1234, 0, 0, 0, 0, 0, 0 };

	elf_start(elf, ET_DYN, 4);
	elf_segment(elf, PT_LOAD, DATA, PF_R | PF_W, data, sizeof(data), 128);
	elf_segment(elf, PT_LOAD, RELA, PF_R, relocations, count * sizeof(*relocations), 0x1000);
	elf_segment(elf, PT_DYNAMIC, RELA + 0x10000, PF_R, dynamic, sizeof(dynamic), sizeof(dynamic));
}

static int note_address(uint64_t address, void *context)
{
	*(uint64_t *)context = *(uint64_t *)context * 1000 + (address - DATA);
	return 0;
}

static void relocations_fill_zeroes(void **unused)
{
	static const Elf64_Rela relocations[] = {
		{ DATA + 0, ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)TEXT },
		{ DATA + 8, ELF64_R_INFO(0, R_X86_64_RELATIVE), 0x777 },
		{ DATA + 16, ELF64_R_INFO(3, R_X86_64_GLOB_DAT), 0x888 },
		{ DATA + 72, ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)TEXT },
	};
	struct elf_builder elf;
	struct fixture fixture;
	uint64_t value, seen = 0;

	(void)unused;
	start_relocated(&elf, relocations, 4, sizeof(relocations), 4);
	finish(&fixture, &elf);
	assert_true(image_is_dyn(fixture.image));
	assert_int_equal(image_pointer(fixture.image, DATA, &value), 0);
	assert_int_equal(value, TEXT);
	/* A word in place is what the linker has written already. */
	assert_int_equal(image_pointer(fixture.image, DATA + 8, &value), 0);
	assert_int_equal(value, 0x1234);
	/* Another type of relocation needs symbols. */
	assert_int_equal(image_pointer(fixture.image, DATA + 16, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(image_pointer(fixture.image, DATA + 24, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(image_pointer(fixture.image, DATA + 72, &value), 0);
	assert_int_equal(value, TEXT);
	assert_int_equal(image_pointer(fixture.image, DATA + 124, &value), -EFAULT);
	assert_int_equal(image_each_relocation_to(fixture.image, TEXT, note_address, &seen), 0);
	assert_int_equal(seen, 72);
	assert_int_equal(image_each_relocation_to(fixture.image, TEXT, stop_at_once, NULL), 1);
	assert_int_equal(image_each_relocation_to(fixture.image, 0x888, stop_at_once, NULL), 0);
	drop(&fixture);
}

static void lying_relocations(void **unused)
{
	static const Elf64_Rela one = { DATA, ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)TEXT };
	static const uint64_t sizes[] = { 0, 23, 24, 0x1000, 0x1001, UINT64_MAX, 1ull << 40 };
	static const uint64_t counts[] = { 0, 1, 100, UINT64_MAX };

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			struct elf_builder elf;
			struct fixture fixture;
			uint64_t value;

			start_relocated(&elf, &one, 1, sizes[i], counts[k]);
			finish(&fixture, &elf);
			assert_int_equal(image_pointer(fixture.image, DATA, &value), 0);
			assert_true(value == 0 || value == TEXT);
			if (sizes[i] == 24 && counts[k])
				assert_int_equal(value, TEXT);
			ask_everything(fixture.image);
			drop(&fixture);
		}
	}
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	return fd;
}

static void files_are_read_as_needed(void **unused)
{
	const size_t large = 4u << 20;
	uint8_t *bytes = malloc(large), *buffer = malloc(large);
	char path[] = "/tmp/gctap-image-XXXXXX";
	struct elf_builder elf;
	struct fixture fixture;
	struct failure failure = { "" };

	(void)unused;
	memset(bytes, 'x', large);
	elf_start(&elf, ET_EXEC, 1);
	elf_segment(&elf, PT_LOAD, TEXT, PF_R | PF_X, bytes, large, large);
	fixture.file = elf_finish(&elf, &fixture.size);
	close(mkstemp(path));
	close(write_file(path, fixture.file, fixture.size));
	assert_int_equal(image_open(path, &fixture.image, &failure), 0);
	assert_int_equal(image_file_size(fixture.image), fixture.size);
	assert_true(image_bytes_read(fixture.image) <= 8192);
	assert_memory_equal(image_at(fixture.image, TEXT + large / 2, 4), "xxxx", 4);
	assert_memory_equal(image_at(fixture.image, TEXT + large / 2, 4), "xxxx", 4);
	assert_true(image_bytes_read(fixture.image) <= 16384);
	assert_int_equal(image_read(fixture.image, TEXT, buffer, large), 0);
	assert_memory_equal(buffer, bytes, large);
	assert_int_equal(image_judge(fixture.image, -ENOEXEC, &failure), -ENOEXEC);
	/* The file shrinks under our feet: an error, no signal. */
	assert_int_equal(truncate(path, 10000), 0);
	assert_null(image_at(fixture.image, TEXT + large - 4, 4));
	assert_int_equal(image_read(fixture.image, TEXT, buffer, large), -EFAULT);
	assert_non_null(image_at(fixture.image, TEXT + large / 2, 4)); /* was read before */
	/* What was concluded since is not to be believed. */
	assert_int_equal(image_judge(fixture.image, 0, &failure), -EIO);
	assert_non_null(strstr(failure.text, "cannot read it"));
	unlink(path);
	drop(&fixture);
	free(bytes);
	free(buffer);
}

/* A file of next to nothing but holes: its one segment is 6 GiB. */
static struct image *open_sparse(void)
{
	const uint64_t size = 6ull << 30;
	char path[] = "/tmp/gctap-image-XXXXXX";
	struct failure failure = { "" };
	struct image *image = NULL;
	struct elf_builder elf;
	Elf64_Phdr *header;
	uint8_t *bytes;
	size_t length;
	int fd;

	elf_start(&elf, ET_EXEC, 1);
	elf_segment(&elf, PT_LOAD, TEXT, PF_R | PF_X, "x", 1, 1);
	bytes = elf_finish(&elf, &length);
	header = (Elf64_Phdr *)(bytes + ((Elf64_Ehdr *)bytes)->e_phoff);
	header->p_filesz = header->p_memsz = size;
	close(mkstemp(path));
	fd = write_file(path, bytes, length);
	assert_int_equal(ftruncate(fd, (off_t)(size + length)), 0);
	close(fd);
	assert_int_equal(image_open(path, &image, &failure), 0);
	unlink(path);
	free(bytes);
	return image;
}

/* Programs touch some ten megabytes at most; what a hostile one leads to, stays small all the same. */
static void what_stays_in_memory_has_an_end(void **unused)
{
	const uint64_t step = 8 << 20, most = 256 << 20;
	struct image *image = open_sparse();
	uint64_t at = 0;

	(void)unused;
	while (at < 2 * most && image_at(image, TEXT + at, step))
		at += step;
	assert_in_range(at, most - step, most);
	assert_int_equal(image_judge(image, 0, NULL), -EFBIG);
	assert_non_null(image_at(image, TEXT, step)); /* is there already */
	image_close(image);
}

static void what_is_read_has_an_end(void **unused)
{
	const uint64_t step = 1 << 20, most = 4ull << 30;
	struct image *image = open_sparse();
	uint8_t *buffer = malloc(step);
	uint64_t at = 0;

	(void)unused;
	while (at < most + 2 * step && !image_read(image, TEXT + at, buffer, step))
		at += step;
	assert_in_range(at, most - step, most);
	assert_true(image_bytes_read(image) <= most);
	assert_int_equal(image_judge(image, 0, NULL), -EFBIG);
	image_close(image);
	free(buffer);
}

static void what_is_no_file_is_named(void **unused)
{
	char path[] = "/tmp/gctap-image-XXXXXX";
	struct failure failure = { "" };
	struct image *image;

	(void)unused;
	assert_int_equal(image_open("/nonexistent/file", &image, &failure), -ENOENT);
	assert_int_equal(image_open("/tmp", &image, &failure), -EISDIR);
	assert_non_null(strstr(failure.text, "directory"));
	assert_int_equal(image_open("/dev/null", &image, &failure), -EINVAL);
	assert_int_equal(image_open_fd(-1, &image, &failure), -EBADF);
	close(mkstemp(path));
	assert_int_equal(image_open(path, &image, &failure), -ENOEXEC);
	assert_non_null(strstr(failure.text, "empty"));
	unlink(path);
	/* A pipe must not block. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(image_open(path, &image, &failure), -EINVAL);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_become_bytes),
		cmocka_unit_test(what_is_no_program_is_named),
		cmocka_unit_test(truncated_at_every_length),
		cmocka_unit_test(each_byte_changed),
		cmocka_unit_test(odd_program_headers),
		cmocka_unit_test(first_of_overlapping_segments_counts),
		cmocka_unit_test(the_same_bytes_again_and_again),
		cmocka_unit_test(sections_are_hints),
		cmocka_unit_test(section_names_behind_the_end),
		cmocka_unit_test(relocations_fill_zeroes),
		cmocka_unit_test(lying_relocations),
		cmocka_unit_test(files_are_read_as_needed),
		cmocka_unit_test(what_stays_in_memory_has_an_end),
		cmocka_unit_test(what_is_read_has_an_end),
		cmocka_unit_test(what_is_no_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
