// SPDX-License-Identifier: BSD-2-Clause
#include "capstone_memory.h"

#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <capstone/capstone.h>

#define RESERVE_BYTES 65536u /* a handle and what it needs for the first instruction take 20 KiB */
#define ALIGNMENT     16u

/* Given out from front to end, and anew when all of it has come back. */
static struct {
	_Alignas(ALIGNMENT) char bytes[RESERVE_BYTES];
	size_t used;
	unsigned pieces;
} reserve;

static bool of_reserve(const void *memory)
{
	uintptr_t address = (uintptr_t)memory, start = (uintptr_t)reserve.bytes;

	return address >= start && address - start < sizeof(reserve.bytes);
}

static void *reserve_take(size_t size)
{
	void *memory = reserve.bytes + reserve.used;

	if (size > sizeof(reserve.bytes) - reserve.used)
		return NULL;
	reserve.used += (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	reserve.pieces++;
	return memset(memory, 0, size);
}

static void *take(size_t size)
{
	void *memory = malloc(size);

	// cppcheck-suppress memleak ; it is what is returned
	return memory ? memory : reserve_take(size);
}

static void *take_zeroed(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	// cppcheck-suppress memleak ; it is what is returned
	return memory ? memory : reserve_take(count * size);
}

static void give_back(void *memory)
{
	if (!of_reserve(memory))
		free(memory);
	else if (!--reserve.pieces)
		reserve.used = 0;
}

/* What has come from the reserve stays there: nobody who is starved goes on to grow. */
static void *resize(void *memory, size_t size)
{
	return of_reserve(memory) ? NULL : realloc(memory, size);
}

void capstone_memory_set(void)
{
	cs_opt_mem functions = { take, take_zeroed, resize, give_back, vsnprintf };

	cs_option(0, CS_OPT_MEM, (size_t)(uintptr_t)&functions);
}

bool capstone_memory_starved(void)
{
	return reserve.pieces;
}

static bool holds(const struct dl_phdr_info *object, uintptr_t address)
{
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && address >= start && address - start < segment->p_memsz)
			return true;
	}
	return false;
}

/* Only what was never writable: it is as in the file. */
static int trim_object(struct dl_phdr_info *object, size_t size, void *context)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)context;
	if (!holds(object, (uintptr_t)cs_disasm_iter))
		return 0;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && start < end)
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 1;
}

void capstone_memory_trim(void)
{
	dl_iterate_phdr(trim_object, NULL);
}
