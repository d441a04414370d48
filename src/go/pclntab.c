// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of functions, in the four forms that the Go linker has written
 * since 1.2. Layouts: runtime/symtab.go and debug/gosym/pclntab.go of the
 * respective releases.
 */
#include <errno.h>
#include <string.h>

#include "gobin_internal.h"

#define FUNCTIONS_MAX  (16u << 20)
#define NAME_MAX_BYTES 8192u
#define PC_STEPS_MAX   (1u << 20) /* of one pc-value table */

static const struct {
	uint32_t magic;
	enum pclntab_form form;
} forms[] = {
	{ 0xfffffffb, PCLNTAB_GO12 },
	{ 0xfffffffa, PCLNTAB_GO116 },
	{ 0xfffffff0, PCLNTAB_GO118 },
	{ 0xfffffff1, PCLNTAB_GO120 },
};

static uint32_t u32_of(const void *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t u64_of(const void *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Bytes 4..7 of every header: two zeroes, the instruction quantum, the pointer size. */
static bool known_magic(const uint8_t *header, enum pclntab_form *form)
{
	if (header[4] || header[5] || (header[6] != 1 && header[6] != 4) || header[7] != 8)
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (u32_of(header) == forms[i].magic) {
			*form = forms[i].form;
			return true;
		}
	}
	return false;
}

static unsigned functab_entry_bytes(const struct pclntab *table)
{
	return table->form >= PCLNTAB_GO118 ? 8 : 16;
}

static bool positions_fit(const struct pclntab *table)
{
	uint64_t functab = ((uint64_t)table->nr_functions + 1) * functab_entry_bytes(table);

	return table->names < table->size && table->units < table->size && table->files < table->size &&
	       table->pc_values < table->size && table->functions < table->size &&
	       functab <= table->size - table->functions;
}

bool pclntab_read(struct image *image, uint64_t address, uint64_t size, struct pclntab *table)
{
	const uint8_t *header = image_at(image, address, 72);
	unsigned at = 16;

	memset(table, 0, sizeof(*table));
	if (!header || !known_magic(header, &table->form) || image_offset_of(image, address, &table->offset))
		return false;
	if (u64_of(header + 8) == 0 || u64_of(header + 8) > FUNCTIONS_MAX)
		return false;
	table->address = address;
	/* Sections lie; what is not in the file must not cost time for each of so many functions. */
	table->size = size < image_file_size(image) - table->offset ? size : image_file_size(image) - table->offset;
	table->quantum = header[6];
	table->nr_functions = (uint32_t)u64_of(header + 8);
	if (table->form == PCLNTAB_GO12) {
		table->functions = 16;
		return positions_fit(table);
	}
	at += 8; /* number of files */
	if (table->form >= PCLNTAB_GO118) {
		table->text_start = u64_of(header + at);
		at += 8;
	}
	table->names = u64_of(header + at);
	table->units = u64_of(header + at + 8);
	table->files = u64_of(header + at + 16);
	table->pc_values = u64_of(header + at + 24);
	table->functions = u64_of(header + at + 32);
	return positions_fit(table);
}

static bool try_section(struct image *image, const char *name,
			bool (*candidate)(const struct pclntab *table, void *context), void *context)
{
	struct image_section section;
	struct pclntab table;

	return image_section(image, name, &section) && section.size >= 72 && image_at(image, section.address, 72) &&
	       pclntab_read(image, section.address, section.size, &table) && candidate(&table, context);
}

/* Bytes 1..5 and 7 are the same in all forms: ff ff ff 00 00, 08. */
static const struct word_filter header_words = { 0xff00ffffffffff00, 0x08000000ffffff00 };

struct header_scan {
	struct image *image;
	const struct image_segment *segment;
	bool (*candidate)(const struct pclntab *table, void *context);
	void *context;
};

/* The linker aligns the table to 32 bytes; eight is what its first word needs. */
static bool visit_word(uint64_t address, const uint8_t *bytes, size_t left, void *context)
{
	const struct header_scan *scan = context;
	enum pclntab_form form;
	struct pclntab table;

	(void)left;
	if (!known_magic(bytes, &form))
		return false;
	return pclntab_read(scan->image, address, scan->segment->address + scan->segment->file_size - address,
			    &table) &&
	       scan->candidate(&table, scan->context);
}

bool pclntab_search(struct image *image, bool (*candidate)(const struct pclntab *table, void *context), void *context)
{
	static const char *const names[] = { ".gopclntab", ".data.rel.ro.gopclntab" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (try_section(image, names[i], candidate, context))
			return true;
	/* Constants of that value occur in code, too: data first. */
	for (int executable = 0; executable <= 1; executable++) {
		for (size_t i = 0; i < image_segment_count(image); i++) {
			const struct image_segment *segment = image_segment(image, i);

			struct header_scan scan = { image, segment, candidate, context };

			if (segment->executable == executable &&
			    scan_words(image, segment->address, segment->file_size, header_words, visit_word, &scan))
				return true;
		}
	}
	return false;
}

const void *pclntab_at(const struct gobin *gobin, uint64_t position, size_t length)
{
	const struct pclntab *table = &gobin->table;

	if (position > table->size || length > table->size - position)
		return NULL;
	return image_at_offset(gobin->image, table->offset + position, length);
}

/* Entry address of function @index; nr_functions gives the end of the last one. */
static bool function_entry(const struct gobin *gobin, uint32_t index, uint64_t *entry)
{
	const struct pclntab *table = &gobin->table;
	unsigned step = functab_entry_bytes(table);
	const void *bytes = pclntab_at(gobin, table->functions + (uint64_t)index * step, step / 2);

	if (!bytes)
		return false;
	*entry = step == 8 ? gobin->text + u32_of(bytes) : u64_of(bytes);
	return true;
}

/* Position of the _func of function @index, and of the field behind its entry. */
static bool function_record(const struct gobin *gobin, uint32_t index, uint64_t *fields)
{
	const struct pclntab *table = &gobin->table;
	unsigned step = functab_entry_bytes(table);
	const uint8_t *bytes = pclntab_at(gobin, table->functions + (uint64_t)index * step, step);
	uint64_t base = table->form == PCLNTAB_GO12 ? 0 : table->functions;
	uint64_t offset;

	if (!bytes)
		return false;
	offset = step == 8 ? u32_of(bytes + 4) : u64_of(bytes + 8);
	if (offset >= table->size)
		return false;
	*fields = base + offset + step / 2;
	return true;
}

static const char *string_at(const struct gobin *gobin, uint64_t position)
{
	if (position >= gobin->table.size)
		return NULL;
	return image_string(gobin->image, gobin->table.address + position, NAME_MAX_BYTES);
}

static bool name_position(const struct gobin *gobin, uint32_t index, uint64_t *position)
{
	uint64_t fields;
	const void *bytes;

	if (!function_record(gobin, index, &fields))
		return false;
	bytes = pclntab_at(gobin, fields, 4);
	if (!bytes)
		return false;
	*position = gobin->table.names + u32_of(bytes);
	return true;
}

static int function_at(struct gobin *gobin, uint32_t index, struct gobin_function *function)
{
	uint64_t position;

	function->index = index;
	if (!function_entry(gobin, index, &function->entry) || !function_entry(gobin, index + 1, &function->end) ||
	    function->end < function->entry || !name_position(gobin, index, &position))
		return -EINVAL;
	function->name = string_at(gobin, position);
	return function->name ? 0 : -EINVAL;
}

int gobin_function_by_name(struct gobin *gobin, const char *name, struct gobin_function *function)
{
	size_t length = strlen(name) + 1;

	for (uint32_t i = 0; i < gobin->table.nr_functions; i++) {
		uint64_t position;
		const void *text;

		if (!name_position(gobin, i, &position))
			continue;
		text = pclntab_at(gobin, position, length);
		if (text && !memcmp(text, name, length))
			return function_at(gobin, i, function);
	}
	return -ENOENT;
}

int gobin_each_function_name(struct gobin *gobin, int (*callback)(const char *name, void *context), void *context)
{
	for (uint32_t i = 0; i < gobin->table.nr_functions; i++) {
		uint64_t position;
		const char *name = name_position(gobin, i, &position) ? string_at(gobin, position) : NULL;
		int answer = name ? callback(name, context) : 0;

		if (answer)
			return answer;
	}
	return 0;
}

static bool index_of(struct gobin *gobin, uint64_t address, uint32_t *index)
{
	uint32_t low = 0, high = gobin->table.nr_functions;
	uint64_t entry;

	if (!function_entry(gobin, 0, &entry) || address < entry || !function_entry(gobin, high, &entry) ||
	    address >= entry)
		return false;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (!function_entry(gobin, middle, &entry))
			return false;
		if (entry <= address)
			low = middle;
		else
			high = middle;
	}
	*index = low;
	return true;
}

int gobin_function_by_address(struct gobin *gobin, uint64_t address, struct gobin_function *function)
{
	uint32_t index;

	if (!index_of(gobin, address, &index))
		return -ENOENT;
	return function_at(gobin, index, function);
}

/* One little-endian base-128 number; false at the table's end. */
static bool varint(const struct gobin *gobin, uint64_t *position, uint32_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 35; shift += 7) {
		const uint8_t *byte = pclntab_at(gobin, *position, 1);

		if (!byte)
			return false;
		(*position)++;
		*value |= (uint32_t)(*byte & 0x7f) << (shift < 32 ? shift : 0);
		if (!(*byte & 0x80))
			return true;
	}
	return false;
}

/*
 * Walks a pc-value table: pairs of (zigzag value delta, pc delta), values from
 * -1. With @wanted, also the last address up to @address that has that value.
 */
static bool pc_value(const struct gobin *gobin, uint64_t position, uint64_t entry, uint64_t address, int32_t *value,
		     const int32_t *wanted, uint64_t *last)
{
	uint64_t pc = entry;

	*value = -1;
	for (unsigned i = 0; i < PC_STEPS_MAX; i++) {
		uint32_t delta, step;

		if (!varint(gobin, &position, &delta) || (!delta && i) || !varint(gobin, &position, &step))
			return false;
		*value = (int32_t)((uint32_t)*value + ((delta >> 1) ^ -(delta & 1)));
		pc += (uint64_t)step * gobin->table.quantum;
		if (wanted && *value == *wanted)
			*last = address < pc ? address : pc - 1;
		if (address < pc)
			return true;
	}
	return false;
}

static const char *file_name(const struct gobin *gobin, uint32_t unit, int32_t file)
{
	const struct pclntab *table = &gobin->table;
	const void *bytes;
	uint64_t at;

	if (file < 0)
		return NULL;
	if (table->form != PCLNTAB_GO12) {
		bytes = pclntab_at(gobin, table->units + 4 * ((uint64_t)unit + (uint32_t)file), 4);
		return bytes ? string_at(gobin, table->files + u32_of(bytes)) : NULL;
	}
	/* Behind functab and its closing address: position of the array of names' positions. */
	bytes = pclntab_at(gobin, table->functions + (uint64_t)table->nr_functions * 16 + 8, 4);
	if (!bytes)
		return NULL;
	at = u32_of(bytes);
	bytes = pclntab_at(gobin, at + 4 * (uint64_t)(uint32_t)file, 4);
	return bytes ? string_at(gobin, u32_of(bytes)) : NULL;
}

int gobin_line(struct gobin *gobin, uint64_t address, const char **file, uint32_t *line)
{
	/* _func behind its entry: nameoff, args, deferreturn, pcsp, pcfile, pcln, npcdata, then (1.16+) cuOffset. */
	const struct pclntab *table = &gobin->table;
	uint64_t base = table->form == PCLNTAB_GO12 ? 0 : table->pc_values;
	uint64_t fields, entry;
	const uint8_t *bytes;
	int32_t number, unused;
	uint64_t own;
	uint32_t index, unit = 0;

	if (!index_of(gobin, address, &index) || !function_entry(gobin, index, &entry) ||
	    !function_record(gobin, index, &fields))
		return -ENOENT;
	bytes = pclntab_at(gobin, fields, table->form == PCLNTAB_GO12 ? 24 : 32);
	if (!bytes)
		return -ENOENT;
	if (table->form != PCLNTAB_GO12)
		unit = u32_of(bytes + 28);
	/*
	 * Where a call was inlined, the tables name the inlined function's file. The compiler leaves a
	 * mark with the position of the call in front of it: the last address of our own file.
	 */
	own = address;
	if (!pc_value(gobin, base + u32_of(bytes + 16), entry, entry, &number, NULL, NULL) ||
	    !pc_value(gobin, base + u32_of(bytes + 16), entry, address, &unused, &number, &own))
		return -ENOENT;
	*file = file_name(gobin, unit, number);
	if (!*file || !pc_value(gobin, base + u32_of(bytes + 20), entry, own, &number, NULL, NULL) || number < 0)
		return -ENOENT;
	*line = (uint32_t)number;
	return 0;
}
