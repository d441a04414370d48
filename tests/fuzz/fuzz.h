/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz: what the fuzzers share. A fuzzer aborts where a promise of a header is
 * broken; what reads or computes wrongly, the sanitizers find.
 */
#ifndef GCTAP_TESTS_FUZZ_H
#define GCTAP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

#define require(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

/* A failure must say why. */
#define require_reason(error, failure) require(!(error) || ((error) < 0 && (failure).text[0]))

/* The next bytes of the input; zeroes behind its end. */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint64_t input_take(struct input *input, size_t bytes)
{
	size_t taken = bytes < input->size ? bytes : input->size;
	uint64_t value = 0;

	memcpy(&value, input->data, taken);
	input->data += taken;
	input->size -= taken;
	return value;
}

#endif
