/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * go_builder: what the Go linker puts into a program, made by hand: pclntab in
 * its four forms, moduledata, buildinfo. Layouts: runtime/symtab.go of Go 1.15,
 * 1.16, 1.18 and 1.20; debug/buildinfo.
 */
#ifndef GCTAP_TESTS_GO_BUILDER_H
#define GCTAP_TESTS_GO_BUILDER_H

#include "elf_builder.h"

#include "gctap/gobin.h"

/* Functions follow each other; each ends where the next one starts. */
struct go_function {
	const char *name;
	uint64_t entry;
	const char *file; /* one per function; NULL: no line numbers */
	uint32_t line;	  /* of its first 8 bytes; the rest is at line + 2 */
};

struct go_pclntab {
	enum pclntab_form form;
	uint64_t text;	    /* runtime.text */
	uint64_t end;	    /* of the last function */
	bool no_text_start; /* header's textStart is 0, as from Go 1.26 */
	const struct go_function *functions;
	uint32_t nr_functions;
};

static inline void go_varint(struct bytes *bytes, uint32_t value)
{
	do {
		uint8_t byte = value & 0x7f;

		value >>= 7;
		byte |= value ? 0x80 : 0;
		bytes_add(bytes, &byte, 1);
	} while (value);
}

/* One step of a pc-value table: the value changes by @delta, and holds for @bytes_of_code. */
static inline void go_pc_value(struct bytes *bytes, int32_t delta, uint32_t bytes_of_code)
{
	go_varint(bytes, (uint32_t)delta << 1 ^ (uint32_t)(delta >> 31));
	go_varint(bytes, bytes_of_code);
}

static inline uint64_t go_function_bytes(const struct go_pclntab *table, uint32_t i)
{
	uint64_t end = i + 1 < table->nr_functions ? table->functions[i + 1].entry : table->end;

	return end - table->functions[i].entry;
}

/* Tables of file number @file and of lines for one function; positions in @bytes. */
static inline void go_pc_values(const struct go_pclntab *table, uint32_t i, uint32_t file, struct bytes *bytes,
				uint32_t *files, uint32_t *lines)
{
	uint32_t size = (uint32_t)go_function_bytes(table, i), first = size < 8 ? size : 8;

	*files = (uint32_t)bytes->size;
	go_pc_value(bytes, (int32_t)file + 1, size);
	bytes_add(bytes, NULL, 1);
	*lines = (uint32_t)bytes->size;
	go_pc_value(bytes, (int32_t)table->functions[i].line + 1, first);
	if (size > first)
		go_pc_value(bytes, 2, size - first);
	bytes_add(bytes, NULL, 1);
}

/* The fields of runtime._func behind its entry. */
static inline void go_func(struct bytes *bytes, uint32_t name, uint32_t files, uint32_t lines, uint32_t unit)
{
	const uint32_t fields[] = { name, 0, 0, 0, files, lines, 0, unit, 0, 0 };

	bytes_add(bytes, fields, sizeof(fields));
}

static inline uint32_t go_magic(enum pclntab_form form)
{
	static const uint32_t magics[] = { 0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1 };

	return magics[form];
}

static inline void go_pclntab_header(const struct go_pclntab *table, struct bytes *bytes)
{
	bytes_add_u32(bytes, go_magic(table->form));
	bytes_add(bytes, "\0\0\1\10", 4);
	bytes_add_u64(bytes, table->nr_functions);
}

/* Go 1.2 - 1.15: every position counts from the start of the table. */
static inline void go_pclntab_12(const struct go_pclntab *table, struct bytes *bytes)
{
	size_t functab, filetab;

	go_pclntab_header(table, bytes);
	functab = bytes_add(bytes, NULL, 16 * (size_t)table->nr_functions + 8);
	filetab = bytes_add_u32(bytes, 0);
	for (uint32_t i = 0; i < table->nr_functions; i++) {
		uint32_t name = (uint32_t)bytes_add_text(bytes, table->functions[i].name), files, lines;

		go_pc_values(table, i, i + 1, bytes, &files, &lines);
		bytes_align(bytes, 8);
		bytes_set_u64(bytes, functab + 16 * (size_t)i, table->functions[i].entry);
		bytes_set_u64(bytes, functab + 16 * (size_t)i + 8, bytes->size);
		bytes_add_u64(bytes, table->functions[i].entry);
		go_func(bytes, name, files, lines, 0);
	}
	bytes_set_u64(bytes, functab + 16 * (size_t)table->nr_functions, table->end);
	bytes_set_u32(bytes, filetab, (uint32_t)bytes_add(bytes, NULL, 4 * ((size_t)table->nr_functions + 1)));
	for (uint32_t i = 0; i < table->nr_functions; i++) {
		const char *file = table->functions[i].file;
		uint32_t at = (uint32_t)bytes_add_text(bytes, file ? file : "");
		uint32_t array;

		memcpy(&array, bytes->data + filetab, sizeof(array));
		bytes_set_u32(bytes, array + 4 * ((size_t)i + 1), at);
	}
}

/* Go 1.16 -: parts of their own for names, units, files, pc-values, functions. */
static inline void go_pclntab_116(const struct go_pclntab *table, struct bytes *bytes)
{
	bool narrow = table->form >= PCLNTAB_GO118;
	unsigned step = narrow ? 8 : 16;
	struct bytes names = { 0 }, units = { 0 }, files = { 0 }, values = { 0 }, functions = { 0 };
	struct bytes *const parts[] = { &names, &units, &files, &values, &functions };
	size_t positions;

	bytes_add(&values, NULL, 1);
	bytes_add(&functions, NULL, (size_t)table->nr_functions * step + step / 2);
	for (uint32_t i = 0; i < table->nr_functions; i++) {
		const struct go_function *function = &table->functions[i];
		uint32_t name = (uint32_t)bytes_add_text(&names, function->name), file_values, line_values;

		bytes_add_u32(&units, (uint32_t)bytes_add_text(&files, function->file ? function->file : ""));
		/* Each function is a unit of its own with one file. */
		go_pc_values(table, i, 0, &values, &file_values, &line_values);
		bytes_align(&functions, 8);
		if (narrow) {
			bytes_set_u32(&functions, (size_t)i * 8, (uint32_t)(function->entry - table->text));
			bytes_set_u32(&functions, (size_t)i * 8 + 4, (uint32_t)functions.size);
			bytes_add_u32(&functions, (uint32_t)(function->entry - table->text));
		} else {
			bytes_set_u64(&functions, (size_t)i * 16, function->entry);
			bytes_set_u64(&functions, (size_t)i * 16 + 8, functions.size);
			bytes_add_u64(&functions, function->entry);
		}
		go_func(&functions, name, function->file ? file_values : 0, function->file ? line_values : 0, i);
	}
	if (narrow)
		bytes_set_u32(&functions, (size_t)table->nr_functions * 8, (uint32_t)(table->end - table->text));
	else
		bytes_set_u64(&functions, (size_t)table->nr_functions * 16, table->end);
	go_pclntab_header(table, bytes);
	bytes_add_u64(bytes, table->nr_functions); /* files */
	if (narrow)
		bytes_add_u64(bytes, table->no_text_start ? 0 : table->text);
	positions = bytes_add(bytes, NULL, 5 * 8);
	for (unsigned i = 0; i < 5; i++) {
		bytes_align(bytes, 8);
		bytes_set_u64(bytes, positions + 8 * (size_t)i, bytes_add(bytes, parts[i]->data, parts[i]->size));
		bytes_free(parts[i]);
	}
}

/* Appends the table; its positions count from where it starts. */
static inline void go_pclntab(const struct go_pclntab *table, struct bytes *bytes)
{
	struct bytes own = { 0 };

	if (table->form == PCLNTAB_GO12)
		go_pclntab_12(table, &own);
	else
		go_pclntab_116(table, &own);
	bytes_align(&own, 16);
	/* A reader may ask for the longest header at once. */
	if (own.size < 72)
		bytes_add(&own, NULL, 72 - own.size);
	bytes_add(bytes, own.data, own.size);
	bytes_free(&own);
}

#define GO_MODULEDATA_BYTES 0x180u

/* What moduledata says: @pclntab's address, its functions, and text to enoptrbss as in struct gobin_moduledata. */
static inline void go_moduledata(enum pclntab_form form, uint64_t pclntab, uint32_t nr_functions,
				 const uint64_t ranges[10], uint8_t bytes[GO_MODULEDATA_BYTES])
{
	uint64_t length = (uint64_t)nr_functions + 1;

	memset(bytes, 0, GO_MODULEDATA_BYTES);
	memcpy(bytes, &pclntab, 8);
	memcpy(bytes + (form == PCLNTAB_GO12 ? 32 : 136), &length, 8);
	memcpy(bytes + (form == PCLNTAB_GO12 ? 96 : 176), ranges, 80);
}

/* ---- A whole program ---------------------------------------------------------------------- */

#define GO_TEXT	    0x401000ull
#define GO_RODATA   0x480000ull
#define GO_DATA	    0x500000ull
#define GO_DATA_END 0x504000ull /* of the segment; its file part ends before */

enum go_buildinfo { GO_NO_BUILDINFO, GO_BUILDINFO_INLINE, GO_BUILDINFO_POINTERS };
enum go_module { GO_MODULE_RAW, GO_MODULE_RELOCATED, GO_MODULE_ABSENT };

struct go_program {
	enum pclntab_form form;
	bool pie, no_text_start, sections;
	enum go_module module;
	enum go_buildinfo buildinfo;
	const char *version;		     /* of buildinfo */
	const char *settings;		     /* of buildinfo; NULL: none */
	const struct go_function *functions; /* with entries from GO_TEXT on */
	uint32_t nr_functions;
	const uint8_t *code; /* from GO_TEXT on */
	size_t code_size;
	const void *rodata; /* in front of the pclntab, from GO_RODATA on */
	size_t rodata_size;
	const void *data; /* behind moduledata and buildinfo, 16-aligned at GO_DATA + 0x1000 */
	size_t data_size;
};

/* Pads the pieces of inline buildinfo as the linker does: 32 bytes of header, then length-prefixed strings. */
static inline void go_buildinfo(const struct go_program *program, uint64_t address, struct bytes *bytes)
{
	const char *settings = program->settings ? program->settings : "";
	uint8_t header[32] = "\xff Go buildinf:\x08";

	header[15] = program->buildinfo == GO_BUILDINFO_INLINE ? 2 : 0;
	if (program->buildinfo == GO_BUILDINFO_INLINE) {
		bytes_add(bytes, header, sizeof(header));
		go_varint(bytes, (uint32_t)strlen(program->version));
		bytes_add(bytes, program->version, strlen(program->version));
		go_varint(bytes, (uint32_t)strlen(settings));
		bytes_add(bytes, settings, strlen(settings));
		return;
	}
	/* Pointers to two string headers, which lie behind it with their texts. */
	bytes_add(bytes, header, 16);
	bytes_add_u64(bytes, address + 32);
	bytes_add_u64(bytes, address + 48);
	bytes_add_u64(bytes, address + 64);
	bytes_add_u64(bytes, strlen(program->version));
	bytes_add_u64(bytes, address + 64 + strlen(program->version));
	bytes_add_u64(bytes, strlen(settings));
	bytes_add(bytes, program->version, strlen(program->version));
	bytes_add(bytes, settings, strlen(settings));
}

static inline void go_relocation(struct bytes *table, uint64_t address, uint64_t value)
{
	Elf64_Rela rela = { address, ELF64_R_INFO(0, R_X86_64_RELATIVE), (int64_t)value };

	bytes_add(table, &rela, sizeof(rela));
}

/* Moves the words that are addresses out of the bytes and into a table sorted by address. */
static inline void go_relocate(enum pclntab_form form, uint8_t *module, uint64_t address, struct bytes *table)
{
	for (unsigned at = 0; at < GO_MODULEDATA_BYTES; at += 8) {
		uint64_t word;

		memcpy(&word, module + at, 8);
		if (!word || at == (form == PCLNTAB_GO12 ? 32u : 136u))
			continue;
		go_relocation(table, address + at, word);
		memset(module + at, 0, 8);
	}
}

static inline void go_dynamic(struct elf_builder *elf, uint64_t table, uint64_t size)
{
	const Elf64_Dyn dynamic[] = { { DT_RELA, { table } },
				      { DT_RELASZ, { size } },
				      { DT_RELAENT, { sizeof(Elf64_Rela) } },
				      { DT_RELACOUNT, { size / sizeof(Elf64_Rela) } },
				      { DT_NULL, { 0 } } };

	elf_segment(elf, PT_DYNAMIC, GO_DATA_END + 0x2000, PF_R | PF_W, dynamic, sizeof(dynamic), sizeof(dynamic));
}

static inline uint64_t go_text_end(const struct go_program *program)
{
	return GO_TEXT + program->code_size;
}

/* Data segment: moduledata at its start, buildinfo at + 0x400, the program's own at + 0x1000. */
static inline void go_data(const struct go_program *program, uint64_t pclntab, struct bytes *data,
			   struct bytes *relocations)
{
	const uint64_t ranges[10] = { GO_TEXT,		go_text_end(program), GO_DATA,		GO_DATA + 0x1000,
				      GO_DATA + 0x1000, GO_DATA + 0x2000,     GO_DATA + 0x2000, GO_DATA + 0x3000,
				      GO_DATA + 0x3000, GO_DATA_END };
	uint8_t module[GO_MODULEDATA_BYTES];

	go_moduledata(program->form, pclntab, program->nr_functions, ranges, module);
	if (program->module == GO_MODULE_RELOCATED)
		go_relocate(program->form, module, GO_DATA, relocations);
	if (program->module == GO_MODULE_ABSENT)
		memset(module, 0, sizeof(module));
	bytes_add(data, module, sizeof(module));
	bytes_add(data, NULL, 0x400 - data->size);
	if (program->buildinfo != GO_NO_BUILDINFO)
		go_buildinfo(program, GO_DATA + 0x400, data);
	if (program->data_size) {
		bytes_add(data, NULL, 0x1000 - data->size);
		bytes_add(data, program->data, program->data_size);
	}
	bytes_align(data, 16);
}

/* The program as a file; to be freed. */
static inline uint8_t *go_program(const struct go_program *program, size_t *size)
{
	struct go_pclntab table = { program->form,	  GO_TEXT,
				    go_text_end(program), program->no_text_start,
				    program->functions,	  program->nr_functions };
	struct bytes rodata = { 0 }, data = { 0 }, relocations = { 0 };
	struct elf_builder elf;
	uint64_t pclntab, offset, data_offset;

	elf_start(&elf, program->pie ? ET_DYN : ET_EXEC, 6);
	elf.header.e_entry = GO_TEXT;
	elf_segment(&elf, PT_LOAD, GO_TEXT, PF_R | PF_X, program->code, program->code_size, program->code_size);
	bytes_add(&rodata, program->rodata, program->rodata_size);
	bytes_align(&rodata, 32);
	pclntab = GO_RODATA + rodata.size;
	go_pclntab(&table, &rodata);
	offset = elf_segment(&elf, PT_LOAD, GO_RODATA, PF_R, rodata.data, rodata.size, rodata.size);
	go_data(program, pclntab, &data, &relocations);
	data_offset = elf_segment(&elf, PT_LOAD, GO_DATA, PF_R | PF_W, data.data, data.size, GO_DATA_END - GO_DATA);
	if (relocations.size) {
		elf_segment(&elf, PT_LOAD, GO_DATA_END, PF_R, relocations.data, relocations.size, relocations.size);
		go_dynamic(&elf, GO_DATA_END, relocations.size);
	}
	if (program->sections) {
		elf_section(&elf, ".gopclntab", SHT_PROGBITS, pclntab, offset + pclntab - GO_RODATA,
			    rodata.size - (pclntab - GO_RODATA));
		elf_section(&elf, ".noptrdata", SHT_PROGBITS, GO_DATA, data_offset, 0x400);
		elf_section(&elf, ".go.buildinfo", SHT_PROGBITS, GO_DATA + 0x400, data_offset + 0x400, 0x100);
	}
	bytes_free(&rodata);
	bytes_free(&data);
	bytes_free(&relocations);
	return elf_finish(&elf, size);
}

#endif
