// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "gobin_internal.h"

#define SCAN_STEP (256u << 10)

bool scan_words(struct image *image, uint64_t address, uint64_t size, struct word_filter filter, word_visitor visit,
		void *context)
{
	uint64_t start = (address + 7) & ~7ull;
	const struct image_segment *segment = image_segment_at(image, start, 1);
	uint8_t *buffer;
	bool found = false;

	if (!segment || start - address >= size || start - segment->address >= segment->file_size)
		return false;
	size -= start - address;
	/* Behind the file's part there are zeroes, and perhaps no end of them. */
	if (size > segment->file_size - (start - segment->address))
		size = segment->file_size - (start - segment->address);
	buffer = malloc(SCAN_STEP);
	if (!buffer)
		return false;
	for (uint64_t at = 0; at < size && !found; at += SCAN_STEP) {
		size_t length = size - at < SCAN_STEP ? (size_t)(size - at) : SCAN_STEP;

		if (image_read(image, start + at, buffer, length))
			break;
		for (size_t i = 0; i + 8 <= length && !found; i += 8) {
			uint64_t word;

			memcpy(&word, buffer + i, sizeof(word));
			if ((word & filter.mask) == filter.value)
				found = visit(start + at + i, buffer + i, length - i, context);
		}
	}
	free(buffer);
	return found;
}
