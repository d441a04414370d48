/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elf_mutator: most random changes of a program end at its ELF header. This
 * one keeps the size in most cases, so that positions stay true, and prefers
 * words: of the headers, and of what the words of the file point to.
 */
#ifndef GCTAP_TESTS_ELF_MUTATOR_H
#define GCTAP_TESTS_ELF_MUTATOR_H

#include "fuzz.h"

static inline uint32_t mutator_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static inline uint64_t mutator_word(uint32_t *state, uint64_t before, size_t size)
{
	static const uint64_t odd[] = { 0,	    1,		7,	    8,
					0x7f,	    0x80,	0xff,	    0xffff,
					0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
					INT64_MAX,  1ull << 63, UINT64_MAX, UINT64_MAX - 7 };

	switch (mutator_random(state) % 6) {
	case 0: return before + mutator_random(state) % 17 - 8;
	case 1: return size - mutator_random(state) % 64;
	case 2: return before ^ 1ull << mutator_random(state) % 64;
	case 3: return before + size;
	case 4: return -before;
	default: return odd[mutator_random(state) % (sizeof(odd) / sizeof(odd[0]))];
	}
}

static inline void mutator_change_word(uint8_t *data, size_t size, uint32_t *state)
{
	static const uint8_t widths[] = { 1, 2, 4, 4, 8, 8 };
	size_t width = widths[mutator_random(state) % sizeof(widths)], at;
	uint64_t word = 0;
	size_t range = size;

	/* Half of the changes hit the headers in front. */
	if (mutator_random(state) % 2 && range > 512)
		range = 512;
	if (range < width)
		return;
	at = mutator_random(state) % (range - width + 1) / width * width;
	memcpy(&word, data + at, width);
	word = mutator_word(state, word, size);
	memcpy(data + at, &word, width);
}

static inline void mutator_copy_piece(uint8_t *data, size_t size, uint32_t *state)
{
	size_t length = 1 + mutator_random(state) % 64, from, to;

	if (size <= length)
		return;
	from = mutator_random(state) % (size - length);
	to = mutator_random(state) % (size - length);
	memmove(data + to, data + from, length);
}

static inline size_t elf_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	uint32_t state = seed;
	size_t at, length;

	switch (mutator_random(&state) % 16) {
	case 0: return LLVMFuzzerMutate(data, size, max_size);
	case 1: return size ? 1 + mutator_random(&state) % size : 0;
	case 2: mutator_copy_piece(data, size, &state); return size;
	case 3:
	case 4:
	case 5:
	case 6:
	case 7:
		/* libFuzzer's own changes, of a few bytes that stay as many. */
		if (size < 64)
			return LLVMFuzzerMutate(data, size, max_size);
		length = 1 + mutator_random(&state) % 32;
		at = mutator_random(&state) % (size - length);
		LLVMFuzzerMutate(data + at, length, length);
		return size;
	default:
		for (unsigned i = 1 + mutator_random(&state) % 3; i > 0; i--)
			mutator_change_word(data, size, &state);
		return size;
	}
}

#endif
