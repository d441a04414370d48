// SPDX-License-Identifier: BSD-2-Clause
/* Any bytes as an ELF file, through every accessor. */
#include "elf_mutator.h"
#include "fuzz.h"

#include "gctap/image.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	return elf_mutate(data, size, max_size, seed);
}

static volatile uint8_t sink;

/* What was promised must be readable. */
static void touch(const void *bytes, size_t length)
{
	for (size_t i = 0; bytes && i < length; i++)
		sink = ((const uint8_t *)bytes)[i];
}

static int at_relocation(uint64_t address, void *context)
{
	(void)address;
	return ++*(int *)context > 64;
}

static void try_address(struct image *image, uint64_t address)
{
	static const size_t lengths[] = { 0, 1, 8, 4096, SIZE_MAX, SIZE_MAX - 8 };
	uint8_t buffer[4096];
	uint64_t value;
	const char *text;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const void *bytes = image_at(image, address, lengths[i]);

		touch(bytes, lengths[i]);
		if (lengths[i] > sizeof(buffer))
			continue;
		memset(buffer, 0xa5, sizeof(buffer));
		if (!image_read(image, address, buffer, lengths[i]) && bytes)
			require(!memcmp(bytes, buffer, lengths[i]));
		else
			require(!bytes || image_segment_at(image, address, lengths[i]));
	}
	image_pointer(image, address, &value);
	text = image_string(image, address, 100);
	require(!text || strlen(text) <= 100);
	if (!image_offset_of(image, address, &value))
		touch(image_at_offset(image, value, 1), 1);
}

static void try_sections(struct image *image)
{
	static const char *const names[] = { ".gopclntab", ".go.buildinfo", ".noptrdata", ".shstrtab", "" };
	struct image_section section;

	image_section_count(image);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (image_section(image, names[i], &section))
			try_address(image, section.address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure failure = { "" };
	struct image *image;
	int error = image_open_bytes(data, size, &image, &failure), seen = 0;

	require_reason(error, failure);
	if (error)
		return 0;
	require(image_file_size(image) == size && image_segment_count(image) > 0);
	try_address(image, image_entry(image));
	for (size_t i = 0; i < image_segment_count(image) && i < 8; i++) {
		const struct image_segment *segment = image_segment(image, i);

		try_address(image, segment->address);
		try_address(image, segment->address + segment->file_size - 8);
		try_address(image, segment->address + segment->memory_size - 1);
		try_address(image, segment->address + segment->memory_size);
		image_each_relocation_to(image, segment->address, at_relocation, &seen);
	}
	touch(image_at_offset(image, 0, size), size);
	require(!image_at_offset(image, size, 1) && !image_at_offset(image, UINT64_MAX, 8));
	try_sections(image);
	image_close(image);
	return 0;
}
