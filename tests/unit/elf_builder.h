/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elf_builder: ELF files made by hand, as large as what is put into them, for
 * tests and as seeds for fuzzers. Knows no Go. Running out of memory aborts.
 */
#ifndef GCTAP_TESTS_ELF_BUILDER_H
#define GCTAP_TESTS_ELF_BUILDER_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ELF_BUILDER_SECTIONS_MAX 16

/* Bytes that grow. */
struct bytes {
	uint8_t *data;
	size_t size, room;
};

/* Appends @size bytes (zeroes where @data is NULL), and returns where they lie. */
static inline size_t bytes_add(struct bytes *bytes, const void *data, size_t size)
{
	size_t at = bytes->size;

	if (bytes->size + size > bytes->room) {
		bytes->room = 2 * (bytes->size + size) + 256;
		bytes->data = realloc(bytes->data, bytes->room);
		if (!bytes->data)
			abort();
	}
	if (data && size)
		memcpy(bytes->data + at, data, size);
	else if (size)
		memset(bytes->data + at, 0, size);
	bytes->size += size;
	return at;
}

static inline size_t bytes_add_u32(struct bytes *bytes, uint32_t value)
{
	return bytes_add(bytes, &value, sizeof(value));
}

static inline size_t bytes_add_u64(struct bytes *bytes, uint64_t value)
{
	return bytes_add(bytes, &value, sizeof(value));
}

static inline size_t bytes_add_text(struct bytes *bytes, const char *text)
{
	return bytes_add(bytes, text, strlen(text) + 1);
}

static inline void bytes_align(struct bytes *bytes, size_t alignment)
{
	while (bytes->size % alignment)
		bytes_add(bytes, NULL, 1);
}

static inline void bytes_set_u32(struct bytes *bytes, size_t at, uint32_t value)
{
	memcpy(bytes->data + at, &value, sizeof(value));
}

static inline void bytes_set_u64(struct bytes *bytes, size_t at, uint64_t value)
{
	memcpy(bytes->data + at, &value, sizeof(value));
}

static inline void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){ 0 };
}

/* Cuts what was reserved too much: a sanitizer then sees every read behind the end. */
static inline uint8_t *bytes_take(struct bytes *bytes, size_t *size)
{
	uint8_t *exact = malloc(bytes->size ? bytes->size : 1);

	if (!exact)
		abort();
	if (bytes->size)
		memcpy(exact, bytes->data, bytes->size);
	*size = bytes->size;
	bytes_free(bytes);
	return exact;
}

struct elf_builder {
	Elf64_Ehdr header;
	struct bytes file; /* begins with room for the ELF header and the program headers */
	unsigned segments_max;
	struct bytes names; /* of the sections */
	Elf64_Shdr sections[ELF_BUILDER_SECTIONS_MAX];
};

static inline void elf_start(struct elf_builder *elf, uint16_t type, unsigned segments_max)
{
	memset(elf, 0, sizeof(*elf));
	memcpy(elf->header.e_ident, ELFMAG, SELFMAG);
	elf->header.e_ident[EI_CLASS] = ELFCLASS64;
	elf->header.e_ident[EI_DATA] = ELFDATA2LSB;
	elf->header.e_ident[EI_VERSION] = EV_CURRENT;
	elf->header.e_type = type;
	elf->header.e_machine = EM_X86_64;
	elf->header.e_version = EV_CURRENT;
	elf->header.e_phoff = sizeof(Elf64_Ehdr);
	elf->header.e_ehsize = sizeof(Elf64_Ehdr);
	elf->header.e_phentsize = sizeof(Elf64_Phdr);
	elf->header.e_shentsize = sizeof(Elf64_Shdr);
	elf->segments_max = segments_max;
	bytes_add(&elf->file, NULL, sizeof(Elf64_Ehdr) + segments_max * sizeof(Elf64_Phdr));
	bytes_add_text(&elf->names, "");
	elf->header.e_shnum = 1;
}

static inline void elf_program_header(struct elf_builder *elf, const Elf64_Phdr *header)
{
	if (elf->header.e_phnum == elf->segments_max)
		abort();
	memcpy(elf->file.data + sizeof(Elf64_Ehdr) + elf->header.e_phnum++ * sizeof(*header), header, sizeof(*header));
}

/* Adds the bytes as a PT_LOAD (or another @type) and returns their position in the file. */
static inline uint64_t elf_segment(struct elf_builder *elf, uint32_t type, uint64_t address, uint32_t flags,
				   const void *data, uint64_t size, uint64_t memory_size)
{
	Elf64_Phdr header = { .p_type = type, .p_flags = flags, .p_vaddr = address, .p_paddr = address };

	bytes_align(&elf->file, 16);
	header.p_offset = bytes_add(&elf->file, data, size);
	header.p_filesz = size;
	header.p_memsz = memory_size;
	elf_program_header(elf, &header);
	return header.p_offset;
}

static inline void elf_section(struct elf_builder *elf, const char *name, uint32_t type, uint64_t address,
			       uint64_t offset, uint64_t size)
{
	if (elf->header.e_shnum + 1 >= ELF_BUILDER_SECTIONS_MAX)
		abort();
	elf->sections[elf->header.e_shnum++] = (Elf64_Shdr){ .sh_name = (uint32_t)bytes_add_text(&elf->names, name),
							     .sh_type = type,
							     .sh_addr = address,
							     .sh_offset = offset,
							     .sh_size = size };
}

/* The file; to be freed. Without section headers when none was added. */
static inline uint8_t *elf_finish(struct elf_builder *elf, size_t *size)
{
	if (elf->header.e_shnum > 1) {
		uint32_t name = (uint32_t)bytes_add_text(&elf->names, ".shstrtab");
		uint64_t offset = bytes_add(&elf->file, elf->names.data, elf->names.size);

		elf->sections[elf->header.e_shnum] = (Elf64_Shdr){
			.sh_name = name, .sh_type = SHT_STRTAB, .sh_offset = offset, .sh_size = elf->names.size
		};
		elf->header.e_shstrndx = elf->header.e_shnum++;
		bytes_align(&elf->file, 8);
		elf->header.e_shoff =
			bytes_add(&elf->file, elf->sections, elf->header.e_shnum * sizeof(elf->sections[0]));
	} else {
		elf->header.e_shnum = 0;
	}
	bytes_free(&elf->names);
	memcpy(elf->file.data, &elf->header, sizeof(elf->header));
	return bytes_take(&elf->file, size);
}

#endif
