// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gctap/target_pages.h"
#include "target/lines.h"

#define FIELD(name, member)                                                                                            \
	{                                                                                                              \
		name, sizeof(name) - 1, offsetof(struct mapping, member)                                               \
	}

/* In the order of the kernel's show_smap(), so that the next one is nearly always the one that comes. */
static const struct field {
	const char *name;
	size_t length, offset;
} fields[] = {
	FIELD("KernelPageSize", page_size),
	FIELD("Rss", memory.rss),
	FIELD("Pss", memory.pss),
	FIELD("Pss_Dirty", memory.pss_dirty),
	FIELD("Shared_Clean", memory.shared_clean),
	FIELD("Shared_Dirty", memory.shared_dirty),
	FIELD("Private_Clean", memory.private_clean),
	FIELD("Private_Dirty", memory.private_dirty),
	FIELD("Referenced", memory.referenced),
	FIELD("Anonymous", memory.anonymous),
	FIELD("KSM", memory.ksm),
	FIELD("LazyFree", memory.lazy_free),
	FIELD("AnonHugePages", memory.anonymous_huge),
	FIELD("ShmemPmdMapped", memory.shmem_huge),
	FIELD("FilePmdMapped", memory.file_huge),
	FIELD("Shared_Hugetlb", memory.shared_hugetlb),
	FIELD("Private_Hugetlb", memory.private_hugetlb),
	FIELD("Swap", memory.swap),
	FIELD("SwapPss", memory.swap_pss),
	FIELD("Locked", memory.locked),
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define SUMS   (sizeof(struct mapping_memory) / sizeof(uint64_t))

static const struct {
	char letters[3];
	uint32_t flag;
} vm_flags[] = {
	{ "gd", MAPPING_GROWS_DOWN }, { "pf", MAPPING_PFN },	    { "io", MAPPING_IO },
	{ "mm", MAPPING_MIXED },      { "lo", MAPPING_LOCKED },	    { "ht", MAPPING_HUGETLB },
	{ "hg", MAPPING_HUGEPAGE },   { "nh", MAPPING_NOHUGEPAGE }, { "nr", MAPPING_NORESERVE },
	{ "ac", MAPPING_ACCOUNTED },  { "dd", MAPPING_DONTDUMP },   { "dc", MAPPING_DONTFORK },
	{ "wf", MAPPING_WIPEONFORK }, { "gu", MAPPING_GUARDED },    { "um", MAPPING_UFFD_MISSING },
	{ "uw", MAPPING_UFFD_WP },    { "mg", MAPPING_MERGEABLE },
};

/* What is being built. Names are offsets by 1 into one block until it has stopped growing. */
struct builder {
	struct target_maps *maps;
	size_t room;
	char *names;
	size_t names_used, names_room;
	struct mapping current; /* its name is not set */
	bool open;		/* current is one */
	bool kept;		/* and has a place in the array */
	size_t next_field;
	uint64_t last_end;
};

/* ---- One line ------------------------------------------------------------------------------- */

static bool permissions_take(const char **at, uint32_t *permissions)
{
	static const char set[4] = { 'r', 'w', 'x', 's' }, unset[4] = { '-', '-', '-', 'p' };

	*permissions = 0;
	for (int i = 0; i < 4; i++, (*at)++) {
		if (**at == set[i])
			*permissions |= 1u << i;
		else if (**at != unset[i])
			return false;
	}
	return true;
}

static bool expect(const char **at, char byte)
{
	if (**at != byte)
		return false;
	(*at)++;
	return true;
}

/* "start-end rwxp offset major:minor inode" and the spaces up to the name. */
static bool heading_parse(const char *at, struct mapping *mapping, const char **name)
{
	uint64_t device_major, device_minor;

	if (!number_take(&at, 16, &mapping->start) || !expect(&at, '-') || !number_take(&at, 16, &mapping->end) ||
	    !expect(&at, ' ') || !permissions_take(&at, &mapping->permissions) || !expect(&at, ' ') ||
	    !number_take(&at, 16, &mapping->file_offset) || !expect(&at, ' ') || !number_take(&at, 16, &device_major) ||
	    !expect(&at, ':') || !number_take(&at, 16, &device_minor) || !expect(&at, ' ') ||
	    !number_take(&at, 10, &mapping->inode))
		return false;
	if ((*at && *at != ' ') || mapping->start >= mapping->end || device_major > UINT32_MAX ||
	    device_minor > UINT32_MAX)
		return false;
	mapping->device = makedev((unsigned)device_major, (unsigned)device_minor);
	*name = at + strspn(at, " ");
	return true;
}

static uint32_t flags_parse(const char *text)
{
	uint32_t flags = 0;

	while (*(text += strspn(text, " "))) {
		size_t length = strcspn(text, " ");

		for (size_t i = 0; length == 2 && i < sizeof(vm_flags) / sizeof(vm_flags[0]); i++)
			if (memcmp(text, vm_flags[i].letters, 2) == 0)
				flags |= vm_flags[i].flag;
		text += length;
	}
	return flags;
}

/* Names of fields begin with a capital letter, mappings with a digit or a small one. */
static bool is_field(const char *text, size_t *name_length)
{
	*name_length = strcspn(text, ": ");
	return *text >= 'A' && *text <= 'Z' && text[*name_length] == ':';
}

static void other_field(struct mapping *mapping, const char *name, size_t length, const char *value)
{
	uint64_t number;

	if (length == 7 && memcmp(name, "VmFlags", length) == 0) {
		mapping->flags = flags_parse(value);
		mapping->flags_known = true;
	} else if (length == 11 && memcmp(name, "THPeligible", length) == 0 && number_parse(value, &number)) {
		mapping->thp_eligible = number != 0;
	}
}

static void field_parse(struct builder *builder, const char *text, size_t length)
{
	for (size_t i = 0; i < FIELDS; i++) {
		const struct field *field = &fields[(builder->next_field + i) % FIELDS];
		uint64_t bytes;

		if (field->length != length || memcmp(field->name, text, length) != 0)
			continue;
		if (kilobytes_parse(text + length + 1, &bytes))
			memcpy((char *)&builder->current + field->offset, &bytes, sizeof(bytes));
		builder->next_field = (builder->next_field + i + 1) % FIELDS;
		return;
	}
	/* What a later kernel adds is passed over. */
	other_field(&builder->current, text, length, text + length + 1);
}

/* ---- The array ------------------------------------------------------------------------------ */

static void memory_unknown(struct mapping_memory *memory)
{
	memset(memory, 0xff, sizeof(*memory)); /* VALUE_UNKNOWN each */
}

static void memory_add(struct mapping_memory *sum, const struct mapping_memory *memory)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)memory;

	for (size_t i = 0; i < SUMS; i++) {
		if (!value_known(from[i]))
			continue;
		if (!value_known(to[i]))
			to[i] = 0;
		/* No kernel gets here. */
		if (__builtin_add_overflow(to[i], from[i], &to[i]) || !value_known(to[i]))
			to[i] = VALUE_UNKNOWN - 1;
	}
}

static int room_for_mapping(struct builder *builder)
{
	struct mapping *grown;
	size_t room;

	if (builder->maps->nr < builder->room)
		return 0;
	room = builder->room ? 2 * builder->room : 256;
	grown = realloc(builder->maps->mappings, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	builder->maps->mappings = grown;
	builder->room = room;
	return 0;
}

static int room_for_name(struct builder *builder, size_t bytes)
{
	char *grown;
	size_t room = builder->names_room ? builder->names_room : 4096;

	while (room < builder->names_used + bytes)
		room *= 2;
	if (room == builder->names_room)
		return 0;
	grown = realloc(builder->names, room);
	if (!grown)
		return -ENOMEM;
	builder->names = grown;
	builder->names_room = room;
	return 0;
}

/* Neighbours mostly have the same name: it is kept once. */
static int name_add(struct builder *builder, const char *name, size_t *offset)
{
	const struct target_maps *maps = builder->maps;
	const struct mapping *before = maps->nr ? &maps->mappings[maps->nr - 1] : NULL;
	size_t bytes = strlen(name) + 1;
	int error;

	if (before && strcmp(builder->names + (uintptr_t)before->name, name) == 0) {
		*offset = (uintptr_t)before->name;
		return 0;
	}
	error = room_for_name(builder, bytes);
	if (error)
		return error;
	memcpy(builder->names + builder->names_used, name, bytes);
	*offset = builder->names_used;
	builder->names_used += bytes;
	return 0;
}

static bool within_limits(const struct builder *builder, const char *name)
{
	return builder->maps->nr < TARGET_MAPS_MAX && builder->names_used + strlen(name) + 1 <= TARGET_MAPS_NAMES_MAX;
}

/* The mapping that the lines so far were about is complete. */
static void close_current(struct builder *builder)
{
	struct target_maps *maps = builder->maps;

	if (!builder->open)
		return;
	builder->open = false;
	memory_add(&maps->total, &builder->current.memory);
	maps->incomplete += !value_known(builder->current.memory.rss);
	maps->beyond += !builder->kept;
	if (builder->kept)
		maps->mappings[maps->nr - 1] = builder->current;
}

static int open_current(struct builder *builder, const struct mapping *mapping, const char *name, bool name_cut)
{
	size_t offset = 0;
	int error = 0;

	builder->current = *mapping;
	builder->kept = within_limits(builder, name);
	builder->next_field = 0;
	builder->last_end = mapping->end;
	if (builder->kept)
		error = room_for_mapping(builder);
	if (builder->kept && !error)
		error = name_add(builder, name, &offset);
	builder->open = !error;
	if (error || !builder->kept)
		return error;
	builder->current.name = (const char *)(uintptr_t)offset;
	builder->current.name_cut = name_cut;
	builder->maps->nr++;
	return 0;
}

static int line_parse(struct builder *builder, const struct line *line)
{
	struct mapping mapping = { .page_size = VALUE_UNKNOWN, .thp_eligible = -1 };
	const char *name;
	size_t length;

	if (is_field(line->text, &length)) {
		/* A number that may go on is not known. */
		if (builder->open && !line->unterminated && !line->too_long)
			field_parse(builder, line->text, length);
		return 0;
	}
	/* Fields that follow something that is not understood belong to nobody. */
	close_current(builder);
	memory_unknown(&mapping.memory);
	if (line->unterminated || !heading_parse(line->text, &mapping, &name) || mapping.start < builder->last_end) {
		builder->maps->malformed++;
		return 0;
	}
	return open_current(builder, &mapping, name, line->too_long);
}

static int all_lines(struct builder *builder, FILE *text)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;
	int error = 0;

	if (!lines)
		return -ENOMEM;
	lines_start(lines, text, '\n');
	while (!error && lines_next(lines, &line))
		error = line_parse(builder, &line);
	if (!error)
		error = lines->error;
	free(lines);
	close_current(builder);
	return error;
}

static void names_settle(struct builder *builder)
{
	struct target_maps *maps = builder->maps;

	maps->names = builder->names;
	for (size_t i = 0; i < maps->nr; i++)
		maps->mappings[i].name = maps->names + (uintptr_t)maps->mappings[i].name;
}

int target_maps_parse(FILE *text, struct target_maps **out)
{
	struct builder builder = { .maps = calloc(1, sizeof(*builder.maps)) };
	int error;

	if (!builder.maps)
		return -ENOMEM;
	memory_unknown(&builder.maps->total);
	error = all_lines(&builder, text);
	if (error) {
		free(builder.names);
		free(builder.maps->mappings);
		free(builder.maps);
		return error;
	}
	names_settle(&builder);
	*out = builder.maps;
	return 0;
}

void target_maps_free(struct target_maps *maps)
{
	if (!maps)
		return;
	free(maps->names);
	free(maps->mappings);
	free(maps);
}

const struct mapping *target_maps_find(const struct target_maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->nr && maps->mappings[low].start <= address ? &maps->mappings[low] : NULL;
}

/* ---- A process ------------------------------------------------------------------------------ */

/* "Max stack size  8388608  unlimited  bytes": the soft one. */
static uint64_t stack_limit(pid_t pid)
{
	static const char heading[] = "Max stack size";
	FILE *file = process_file(pid, "limits");
	uint64_t bytes = VALUE_UNKNOWN, number;
	char line[256];

	if (!file)
		return VALUE_UNKNOWN;
	while (fgets(line, sizeof(line), file)) {
		const char *at = line + sizeof(heading) - 1;

		if (strncmp(line, heading, sizeof(heading) - 1) != 0)
			continue;
		at += strspn(at, " ");
		if (number_take(&at, 10, &number))
			bytes = number;
	}
	fclose(file);
	return bytes;
}

/* ---- smaps ------------------------------------------------------------------------------------ */

/*
 * The kernel writes mapping after mapping into a buffer of 4 KiB and gives up the one that does not fit, to walk
 * its pages once more in the next read. It begins no further one when there is as much as was asked for: asked for
 * little, it walks each mapping once.
 */
#define SMAPS_READ 1024u

static ssize_t smaps_read(void *cookie, char *buffer, size_t size)
{
	return read(*(int *)cookie, buffer, size < SMAPS_READ ? size : SMAPS_READ);
}

static int smaps_close(void *cookie)
{
	int fd = *(int *)cookie;

	free(cookie);
	return close(fd);
}

static FILE *smaps_file(pid_t pid)
{
	static const cookie_io_functions_t functions = { .read = smaps_read, .close = smaps_close };
	int *cookie = malloc(sizeof(*cookie));
	FILE *file = NULL;
	char path[64];

	if (!cookie)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	*cookie = open(path, O_RDONLY | O_CLOEXEC);
	if (*cookie >= 0) {
		file = fopencookie(cookie, "r", functions);
		if (!file)
			close(*cookie);
	}
	if (!file)
		free(cookie);
	return file;
}

int target_maps_read(const struct target *target, enum target_maps_detail detail, struct target_maps **out)
{
	struct mapping_facts facts = { target->exe, target->exe_path, stack_limit(target->pid) };
	FILE *file = detail == TARGET_MAPS_MEMORY ? smaps_file(target->pid) : process_file(target->pid, "maps");
	struct target_maps *maps = NULL;
	int error;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	error = target_maps_parse(file, &maps);
	fclose(file);
	/* A process that is ending has no mappings left. */
	if (!error && (!maps->nr || !target_alive(target)))
		error = -ESRCH;
	if (!error)
		error = target_maps_classify(maps, &facts);
	if (error) {
		target_maps_free(maps);
		return error;
	}
	*out = maps;
	return 0;
}

int target_statm_parse(FILE *text, struct target_statm *statm)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), *values[] = { &statm->size, &statm->resident, &statm->shared };
	char line[256];
	const char *at = line;

	if (!fgets(line, sizeof(line), text))
		return ferror(text) ? -errno : -ESRCH;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint64_t pages;

		/* A number is whole when a space is behind it. */
		if (!number_take(&at, 10, &pages) || *at++ != ' ' || pages >= UINT64_MAX / page)
			return -EINVAL;
		*values[i] = pages * page;
	}
	return 0;
}

int target_statm(pid_t pid, struct target_statm *statm)
{
	FILE *file = process_file(pid, "statm");
	int error;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	error = target_statm_parse(file, statm);
	fclose(file);
	return error;
}
