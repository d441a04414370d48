// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which Go: from the buildinfo blob (debug/buildinfo), else from
 * runtime.buildVersion, which every Go program holds and which is found
 * through the code of runtime.schedinit that looks at it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gobin_internal.h"

#define VERSION_BYTES_MAX   128u
#define SETTINGS_BYTES_MAX  (64u << 10)
#define SCHEDINIT_BYTES_MAX (64u << 10)
#define TRIES_MAX	    1000u /* texts like a version, each of which costs a walk over schedinit */
#define BLOB_HEADER	    32u
#define FLAG_INLINE	    2u /* strings follow in place, since 1.18 */

static const char magic[] = "\xff Go buildinf:";

/* "\xff Go buil", as a little-endian word. */
static const struct word_filter magic_words = { UINT64_MAX, 0x697562206f4720ff };
static const struct word_filter every_word = { 0, 0 };

struct blob {
	uint64_t address;
	uint8_t flags;
};

static bool blob_at(struct image *image, uint64_t address, struct blob *blob)
{
	const uint8_t *bytes = image_at(image, address, BLOB_HEADER);

	if (!bytes || memcmp(bytes, magic, sizeof(magic) - 1) || bytes[14] > 8)
		return false;
	blob->address = address;
	blob->flags = bytes[15];
	return true;
}

struct blob_search {
	struct image *image;
	struct blob *blob;
};

static bool visit_blob(uint64_t address, const uint8_t *bytes, size_t left, void *context)
{
	const struct blob_search *search = context;

	return !(address % 16) && left >= 16 && bytes[0] == 0xff && !memcmp(bytes, magic, sizeof(magic) - 1) &&
	       blob_at(search->image, address, search->blob);
}

static bool blob_find(struct image *image, struct blob *blob)
{
	struct blob_search search = { image, blob };
	struct image_section section;

	if (image_section(image, ".go.buildinfo", &section) && blob_at(image, section.address, blob))
		return true;
	for (size_t i = 0; i < image_segment_count(image); i++) {
		const struct image_segment *segment = image_segment(image, i);

		if (segment->writable &&
		    scan_words(image, segment->address, segment->file_size, magic_words, visit_blob, &search))
			return true;
	}
	return false;
}

/* A length-prefixed string in place; moves @address behind it. */
static const char *inline_string(struct image *image, uint64_t *address, size_t limit, size_t *length)
{
	uint64_t value = 0;
	const void *bytes;

	for (unsigned shift = 0;; shift += 7) {
		const uint8_t *byte = image_at(image, (*address)++, 1);

		if (!byte || shift > 28)
			return NULL;
		value |= (uint64_t)(*byte & 0x7f) << shift;
		if (!(*byte & 0x80))
			break;
	}
	if (value > limit)
		return NULL;
	bytes = image_at(image, *address, value);
	*address += value;
	*length = value;
	return bytes;
}

/* A Go string header at an address. */
static const char *go_string(struct image *image, uint64_t header, size_t limit, size_t *length)
{
	uint64_t pointer, count;

	if (image_pointer(image, header, &pointer) || image_pointer(image, header + 8, &count) || count > limit)
		return NULL;
	*length = count;
	return image_at(image, pointer, count);
}

static const char *blob_string(struct image *image, const struct blob *blob, bool settings, size_t *length)
{
	size_t limit = settings ? SETTINGS_BYTES_MAX : VERSION_BYTES_MAX;
	uint64_t at = blob->address + BLOB_HEADER, header;

	if (!(blob->flags & FLAG_INLINE)) {
		if (image_pointer(image, blob->address + (settings ? 24 : 16), &header) || !header)
			return NULL;
		return go_string(image, header, limit, length);
	}
	if (settings && !inline_string(image, &at, VERSION_BYTES_MAX, length))
		return NULL;
	return inline_string(image, &at, limit, length);
}

static bool looks_like_version(const char *text, size_t length)
{
	if (length < 5 || length > VERSION_BYTES_MAX ||
	    (memcmp(text, "go1.", 4) && (length < 6 || memcmp(text, "devel ", 6))))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isprint((unsigned char)text[i]))
			return false;
	return true;
}

static bool copy_version(const char *text, size_t length, char *version, size_t size)
{
	if (!text || !looks_like_version(text, length))
		return false;
	snprintf(version, size, "%.*s", (int)length, text);
	return true;
}

struct reference_search {
	struct gobin *gobin;
	const uint8_t *code;
	uint64_t code_address, code_size;
	char *version;
	size_t size;
	unsigned tries;
};

/* Is there an operand in the code that is @address, relative to where an instruction may end? */
static bool refers_to(const struct reference_search *search, uint64_t address)
{
	for (uint64_t i = 0; i + 9 <= search->code_size; i++) {
		int32_t displacement;
		uint64_t end = search->code_address + i + 4;

		memcpy(&displacement, search->code + i, sizeof(displacement));
		end += (uint64_t)(int64_t)displacement;
		/* An immediate operand of 0, 1 or 4 bytes may follow. */
		if (end == address || end + 1 == address || end + 4 == address)
			return true;
	}
	return false;
}

/* A string header whose text reads like a version, and whose length schedinit compares. */
static bool visit_header(uint64_t address, const uint8_t *bytes, size_t left, void *context)
{
	struct reference_search *search = context;
	struct image *image = search->gobin->image;
	uint64_t length_word;
	const char *text;
	size_t length = 0;

	if (left < 16)
		return false;
	memcpy(&length_word, bytes + 8, sizeof(length_word));
	if (length_word < 5 || length_word > VERSION_BYTES_MAX)
		return false;
	text = go_string(image, address, VERSION_BYTES_MAX, &length);
	if (!text || !looks_like_version(text, length) || ++search->tries > TRIES_MAX)
		return false;
	return refers_to(search, address + 8) && copy_version(text, length, search->version, search->size);
}

static int version_from_runtime(struct gobin *gobin, char *version, size_t size)
{
	const struct gobin_moduledata *module = &gobin->module;
	struct reference_search search = { .gobin = gobin, .version = version, .size = size };
	struct gobin_function schedinit;

	if (gobin_function_by_name(gobin, "runtime.schedinit", &schedinit))
		return -ENOENT;
	search.code_address = schedinit.entry;
	search.code_size = schedinit.end - schedinit.entry;
	if (search.code_size > SCHEDINIT_BYTES_MAX)
		search.code_size = SCHEDINIT_BYTES_MAX;
	search.code = image_at(gobin->image, schedinit.entry, search.code_size);
	if (search.code &&
	    (scan_words(gobin->image, module->data, module->edata - module->data, every_word, visit_header, &search) ||
	     scan_words(gobin->image, module->noptrdata, module->enoptrdata - module->noptrdata, every_word,
			visit_header, &search)))
		return 0;
	return -ENOENT;
}

int gobin_version(struct gobin *gobin, char *version, size_t size)
{
	struct blob blob;
	const char *text;
	size_t length = 0;

	if (blob_find(gobin->image, &blob)) {
		text = blob_string(gobin->image, &blob, false, &length);
		if (copy_version(text, length, version, size))
			return 0;
	}
	return version_from_runtime(gobin, version, size);
}

#define NOTE_HEADER 16u /* sizes of name and text, type, "Go\0\0" */
#define NOTE_TYPE   4u

int gobin_build_id(struct gobin *gobin, char *id, size_t size)
{
	struct image_section section;
	uint32_t words[3];
	const uint8_t *note;

	if (!image_section(gobin->image, ".note.go.buildid", &section))
		return -ENOENT;
	note = image_at_offset(gobin->image, section.offset, NOTE_HEADER);
	if (!note || memcmp(note + sizeof(words), "Go\0", 4))
		return -ENOENT;
	memcpy(words, note, sizeof(words));
	if (words[0] != 4 || words[2] != NOTE_TYPE || !words[1] || words[1] >= size)
		return -ENOENT;
	note = image_at_offset(gobin->image, section.offset + NOTE_HEADER, words[1]);
	if (!note)
		return -ENOENT;
	for (uint32_t i = 0; i < words[1]; i++)
		if (!isprint(note[i]))
			return -ENOENT;
	memcpy(id, note, words[1]);
	id[words[1]] = '\0';
	return 0;
}

/* "build\tKEY=VALUE" lines of the module information, without the 16-byte marks around it. */
static void copy_settings(const char *text, size_t length, struct gobin_build *build)
{
	size_t used = 0;

	while (length) {
		const char *newline = memchr(text, '\n', length);
		size_t line = newline ? (size_t)(newline - text) : length;

		if (line > 6 && !memcmp(text, "build\t", 6) && memcmp(text + 6, "vcs", 3) &&
		    used + line < sizeof(build->settings)) {
			if (used)
				build->settings[used++] = ' ';
			memcpy(build->settings + used, text + 6, line - 6);
			used += line - 6;
		}
		text += line + (newline ? 1 : 0);
		length -= line + (newline ? 1 : 0);
	}
	build->settings[used] = '\0';
}

static int visit_name(const char *name, void *context)
{
	struct gobin_build *build = context;

	if (!strncmp(name, "runtime/cgo.", 12) || strstr(name, "._Cfunc_"))
		build->cgo = GOBIN_YES;
	else if (!strcmp(name, "runtime.racecall"))
		build->race = GOBIN_YES;
	return 0;
}

void gobin_build(struct gobin *gobin, struct gobin_build *build)
{
	struct image *image = gobin->image;
	struct image_section section;
	struct blob blob;
	const char *text;
	size_t length = 0;

	memset(build, 0, sizeof(*build));
	build->pie = image_is_dyn(image);
	build->dynamic = image_has_interpreter(image);
	build->sections = image_section_count(image) > 0;
	build->symtab = image_section(image, ".symtab", &section);
	build->dwarf = image_section(image, ".debug_info", &section) || image_section(image, ".zdebug_info", &section);
	build->pclntab_section = image_section(image, ".gopclntab", &section) ||
				 image_section(image, ".data.rel.ro.gopclntab", &section);
	/* Go's own linker lets the program start inside Go's text; the C linker puts its start-up code first. */
	build->external = image_entry(image) >= gobin->module.text && image_entry(image) < gobin->module.etext
				  ? GOBIN_NO
				  : GOBIN_YES;
	gobin_each_function_name(gobin, visit_name, build);
	build->buildinfo = blob_find(image, &blob);
	if (!build->buildinfo)
		return;
	text = blob_string(image, &blob, true, &length);
	if (text)
		copy_settings(text, length, build);
}
