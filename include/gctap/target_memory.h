/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target_memory: reading a live process's memory, and where its executable is
 * mapped. Reads only, never stops the process; what is read may be torn.
 */
#ifndef GCTAP_TARGET_MEMORY_H
#define GCTAP_TARGET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/target.h"

/*
 * The mapping of the executable with the lowest address: where it starts, and
 * which position of the file lies there (both multiples of the page size).
 * -ENOENT when the process has no such mapping.
 */
int target_mapping(const struct target *target, uint64_t *address, uint64_t *file_offset);

/* All of @length bytes or -errno (-EFAULT: not mapped; -EPERM: CAP_SYS_PTRACE is missing; -ESRCH: gone). */
int target_read(const struct target *target, uint64_t address, void *buffer, size_t length);

/* One of many places to read. */
struct memory_piece {
	uint64_t address;
	void *buffer;
	size_t length;
	bool read; /* set by the reader: all of @length bytes are there */
};

/* Reads many places at once; @context is what the reader belongs to. -errno when none of them can be read. */
typedef int (*memory_reader)(void *context, struct memory_piece *pieces, size_t count);

/*
 * A memory_reader over a struct target. A system call for some hundred pieces, and one more for each that is
 * not mapped, which is no error.
 */
int target_read_pieces(void *target, struct memory_piece *pieces, size_t count);

#endif
