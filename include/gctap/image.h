/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image: an ELF file as the kernel will map it: program headers, address to
 * bytes, relative relocations, and which sections it admits to. Knows no Go.
 *
 * The file is hostile. Nothing is mapped: blocks are copied in when an
 * accessor first asks for them, so a file that shrinks meanwhile gives an
 * error and no SIGBUS, and only the pages that are needed are read. Every
 * accessor checks bounds; a NULL or a negative errno means "not in the file".
 */
#ifndef GCTAP_IMAGE_H
#define GCTAP_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"

struct image;

enum image_machine {
	IMAGE_MACHINE_X86_64,
	IMAGE_MACHINE_AARCH64,
};

struct image_segment {	      /* one PT_LOAD */
	uint64_t address;     /* p_vaddr, bytes */
	uint64_t memory_size; /* p_memsz, bytes; what is beyond file_size is zero */
	uint64_t offset;      /* p_offset, bytes */
	uint64_t file_size;   /* p_filesz, cut to what the file has */
	bool readable, writable, executable;
};

/* Refuses what is no 64-bit little-endian executable or shared object of a known machine, saying what it is. */
int image_open_fd(int fd, struct image **out, struct failure *failure);
int image_open(const char *path, struct image **out, struct failure *failure);
/* From memory, for tests and fuzzers; @bytes stays the caller's and must outlive the image. */
int image_open_bytes(const void *bytes, size_t size, struct image **out, struct failure *failure);
void image_close(struct image *image);

/*
 * What was concluded from an image, when not all of it could be read, is not to be believed: the
 * failure is that of reading then, else @error as it was. NULL: was not opened.
 */
int image_judge(const struct image *image, int error, struct failure *failure);

enum image_machine image_machine(const struct image *image);
bool image_is_dyn(const struct image *image);	       /* ET_DYN: position independent */
uint64_t image_entry(const struct image *image);       /* e_entry */
bool image_has_interpreter(const struct image *image); /* dynamically linked */
uint64_t image_file_size(const struct image *image);
uint64_t image_bytes_read(const struct image *image); /* how much of the file was touched */

size_t image_segment_count(const struct image *image);
const struct image_segment *image_segment(const struct image *image, size_t index);
/* The segment that holds [address, address + length) in memory, or NULL. */
const struct image_segment *image_segment_at(const struct image *image, uint64_t address, uint64_t length);

/*
 * Bytes of the file at a virtual address: valid until image_close; NULL unless
 * all @length bytes are in one segment's file part.
 */
const void *image_at(struct image *image, uint64_t address, size_t length);

/* As above, by position in the file. */
const void *image_at_offset(struct image *image, uint64_t offset, size_t length);

/*
 * Copies memory as it is right after loading: file bytes, then zeroes. -EFAULT
 * outside. No relocations applied. Reads of 64 KiB and more are not kept in
 * memory: the way to scan.
 */
int image_read(struct image *image, uint64_t address, void *buffer, size_t length);

/* NUL-terminated string of at most @limit bytes without the NUL, or NULL. */
const char *image_string(struct image *image, uint64_t address, size_t limit);

/*
 * A pointer-sized word as after load-time relocation with bias 0: the addend
 * of the relative relocation at that address if there is one, else the bytes.
 */
int image_pointer(struct image *image, uint64_t address, uint64_t *value);

/*
 * Calls back for every relative relocation whose addend is @value; stops at a
 * non-zero answer and returns it. The work is bounded by the file's size.
 */
int image_each_relocation_to(struct image *image, uint64_t value, int (*callback)(uint64_t address, void *context),
			     void *context);

/* Position in the file of a virtual address, as uprobes want it; -EFAULT when it has none. */
int image_offset_of(const struct image *image, uint64_t address, uint64_t *offset);

/* Section headers are hints: they may be absent, zeroed or lies. False when there is none of that name. */
struct image_section {
	uint64_t address, offset, size;
	uint32_t type;
};
bool image_section(struct image *image, const char *name, struct image_section *section);
size_t image_section_count(struct image *image);

#endif
