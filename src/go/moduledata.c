// SPDX-License-Identifier: BSD-2-Clause
/*
 * moduledata: the record in which the linker tells the runtime where things
 * are. It has no name in a stripped file; it is known by its pointer to the
 * pclntab and by the length of its ftab. Layout: runtime/symtab.go.
 */
#include <string.h>

#include "gobin_internal.h"

struct search {
	struct image *image;
	const struct pclntab *table;
	struct gobin_moduledata *module;
};

/* Positions of ftab's length and of text; noptrdata and its seven followers come 16 bytes behind text. */
static void layout(const struct pclntab *table, unsigned *ftab_length, unsigned *text)
{
	*ftab_length = table->form == PCLNTAB_GO12 ? 32 : 136;
	*text = table->form == PCLNTAB_GO12 ? 96 : 176;
}

static bool in_order(const struct gobin_moduledata *module)
{
	return module->text < module->etext && module->noptrdata <= module->enoptrdata &&
	       module->data <= module->edata && module->bss <= module->ebss && module->noptrbss <= module->enoptrbss;
}

/* Does a moduledata for our table start at that address? */
static bool module_at(const struct search *search, uint64_t address)
{
	struct image *image = search->image;
	struct gobin_moduledata found = { .address = address };
	uint64_t *const fields[] = {
		&found.text,  &found.etext, &found.noptrdata, &found.enoptrdata, &found.data,
		&found.edata, &found.bss,   &found.ebss,      &found.noptrbss,	 &found.enoptrbss
	};
	unsigned ftab_length, text;
	uint64_t value;

	layout(search->table, &ftab_length, &text);
	if (image_pointer(image, address, &value) || value != search->table->address)
		return false;
	if (image_pointer(image, address + ftab_length, &value) || value != (uint64_t)search->table->nr_functions + 1)
		return false;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (image_pointer(image, address + text + 8 * i, fields[i]))
			return false;
	if (!in_order(&found))
		return false;
	*search->module = found;
	return true;
}

static bool visit_word(uint64_t address, const uint8_t *bytes, size_t left, void *context)
{
	(void)bytes;
	(void)left;
	return module_at(context, address);
}

static int at_relocation(uint64_t address, void *context)
{
	return module_at(context, address);
}

bool moduledata_find(struct image *image, const struct pclntab *table, struct gobin_moduledata *module)
{
	/* .go.module is moduledata since 1.26; before it lies in .noptrdata. */
	static const char *const names[] = { ".go.module", ".noptrdata", ".data" };
	const struct word_filter pointers = { UINT64_MAX, table->address };
	struct search search = { image, table, module };
	struct image_section section;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (image_section(image, names[i], &section) &&
		    image_segment_at(image, section.address, section.size) &&
		    scan_words(image, section.address, section.size, pointers, visit_word, &search))
			return true;
	/* What is not writable cannot be moduledata before 1.26, so writable comes first. */
	for (int writable = 1; writable >= 0; writable--) {
		for (size_t i = 0; i < image_segment_count(image); i++) {
			const struct image_segment *segment = image_segment(image, i);

			if (segment->writable == writable && !segment->executable &&
			    scan_words(image, segment->address, segment->file_size, pointers, visit_word, &search))
				return true;
		}
	}
	return image_each_relocation_to(image, table->address, at_relocation, &search) == 1;
}
