// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a text of smaps. Mappings come out in order, without overlap, with names of the text; the
 * sums are those of the mappings; a text that is written from them is read as the same; the size of the
 * reads changes nothing. The same bytes are read as the other texts of /proc and of a cgroup.
 */
#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "gctap/target_maps.h"
#include "gctap/target_settings.h"
#include "target/cgroup_text.h"
#include "target/lines.h"
#include "target/stat.h"

static FILE *open_bytes(const void *data, size_t size)
{
	FILE *file = fmemopen((void *)data, size, "r");

	require(file);
	return file;
}

static struct target_maps *parse(const void *data, size_t size)
{
	FILE *file = open_bytes(data, size);
	struct target_maps *maps = NULL;

	require(target_maps_parse(file, &maps) == 0);
	fclose(file);
	return maps;
}

/* Whoever gives the bytes may be slow. */
struct slow {
	const uint8_t *data;
	size_t size, at, step;
};

static ssize_t read_slowly(void *cookie, char *to, size_t size)
{
	struct slow *slow = cookie;
	size_t taken = slow->size - slow->at;

	if (taken > size)
		taken = size;
	if (taken > slow->step)
		taken = slow->step;
	memcpy(to, slow->data + slow->at, taken);
	slow->at += taken;
	return (ssize_t)taken;
}

static struct target_maps *parse_slowly(const uint8_t *data, size_t size)
{
	struct slow slow = { data, size, 0, size < 256 ? 1 + size % 7 : 256 + size % 97 };
	FILE *file = fopencookie(&slow, "r", (cookie_io_functions_t){ .read = read_slowly });
	struct target_maps *maps = NULL;

	require(file);
	setvbuf(file, NULL, _IONBF, 0);
	require(target_maps_parse(file, &maps) == 0);
	fclose(file);
	return maps;
}

static void check(const struct target_maps *maps)
{
	uint64_t rss = 0, incomplete = 0, end = 0;
	bool any = false;

	for (size_t i = 0; i < maps->nr; i++) {
		const struct mapping *mapping = &maps->mappings[i];

		require(mapping->start >= end && mapping->start < mapping->end);
		require(strlen(mapping->name) <= LINES_MAX && !strchr(mapping->name, '\n'));
		require((unsigned)mapping->kind < MAPPING_KINDS && *mapping_kind_name(mapping->kind));
		require(target_maps_find(maps, mapping->start) == mapping);
		require(target_maps_find(maps, mapping->end - 1) == mapping);
		end = mapping->end;
		incomplete += !value_known(mapping->memory.rss);
		if (value_known(mapping->memory.rss)) {
			any = true;
			rss += mapping->memory.rss < VALUE_UNKNOWN - 1 - rss ? mapping->memory.rss
									     : VALUE_UNKNOWN - 1 - rss;
		}
	}
	require(maps->nr <= TARGET_MAPS_MAX && maps->beyond == 0);
	require(incomplete == maps->incomplete);
	require(maps->total.rss == (any ? rss : VALUE_UNKNOWN));
}

static void check_same(const struct target_maps *a, const struct target_maps *b)
{
	require(a->nr == b->nr && a->incomplete == b->incomplete);
	require(memcmp(&a->total, &b->total, sizeof(a->total)) == 0);
	for (size_t i = 0; i < a->nr; i++) {
		const struct mapping *x = &a->mappings[i], *y = &b->mappings[i];

		require(x->start == y->start && x->end == y->end && x->inode == y->inode && x->device == y->device);
		require(strcmp(x->name, y->name) == 0 && x->permissions == y->permissions);
		require(x->kind == y->kind && x->by_shape == y->by_shape && x->flags == y->flags);
		require(memcmp(&x->memory, &y->memory, sizeof(x->memory)) == 0);
	}
}

static void put(FILE *text, const char *name, uint64_t bytes)
{
	if (value_known(bytes))
		fprintf(text, "%s: %" PRIu64 " kB\n", name, bytes >> 10);
}

static void write_mapping(FILE *text, const struct mapping *mapping)
{
	const struct mapping_memory *memory = &mapping->memory;

	fprintf(text, "%" PRIx64 "-%" PRIx64 " %c%c%c%c %" PRIx64 " %x:%x %" PRIu64 " %s\n", mapping->start,
		mapping->end, mapping->permissions & MAPPING_READ ? 'r' : '-',
		mapping->permissions & MAPPING_WRITE ? 'w' : '-', mapping->permissions & MAPPING_EXECUTE ? 'x' : '-',
		mapping->permissions & MAPPING_SHARED ? 's' : 'p', mapping->file_offset, major(mapping->device),
		minor(mapping->device), mapping->inode, mapping->name);
	put(text, "Locked", memory->locked);
	put(text, "Rss", memory->rss);
	put(text, "Pss", memory->pss);
	put(text, "Pss_Dirty", memory->pss_dirty);
	put(text, "Shared_Clean", memory->shared_clean);
	put(text, "Shared_Dirty", memory->shared_dirty);
	put(text, "Private_Clean", memory->private_clean);
	put(text, "Private_Dirty", memory->private_dirty);
	put(text, "Referenced", memory->referenced);
	put(text, "Anonymous", memory->anonymous);
	put(text, "KSM", memory->ksm);
	put(text, "LazyFree", memory->lazy_free);
	put(text, "AnonHugePages", memory->anonymous_huge);
	put(text, "ShmemPmdMapped", memory->shmem_huge);
	put(text, "FilePmdMapped", memory->file_huge);
	put(text, "Shared_Hugetlb", memory->shared_hugetlb);
	put(text, "Private_Hugetlb", memory->private_hugetlb);
	put(text, "Swap", memory->swap);
	put(text, "SwapPss", memory->swap_pss);
	if (mapping->flags_known)
		fprintf(text, "VmFlags:%s\n", mapping->flags & MAPPING_HUGETLB ? " ht" : "");
}

static void write_and_read(const struct target_maps *maps, const struct mapping_facts *facts)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	struct target_maps *again;

	require(file);
	fputc('\n', file); /* never empty */
	for (size_t i = 0; i < maps->nr; i++)
		write_mapping(file, &maps->mappings[i]);
	require(fclose(file) == 0);
	again = parse(text, size);
	require(target_maps_classify(again, facts) == 0);
	for (size_t i = 0; i < maps->nr; i++)
		maps->mappings[i].flags &= MAPPING_HUGETLB;
	check_same(maps, again);
	target_maps_free(again);
	free(text);
}

static bool any_cut(const struct target_maps *maps)
{
	for (size_t i = 0; i < maps->nr; i++)
		if (maps->mappings[i].name_cut || strlen(maps->mappings[i].name) > LINES_MAX / 2 ||
		    (maps->mappings[i].flags & (MAPPING_GUARDED | MAPPING_PFN | MAPPING_IO)))
			return true;
	return false;
}

static void read_maps(const uint8_t *data, size_t size)
{
	struct mapping_facts facts = { { makedev(8, 1), 77 }, "/app/server", size % 3 ? 8ull << 20 : VALUE_UNKNOWN };
	struct target_maps *maps = parse(data, size), *slow = parse_slowly(data, size);

	check_same(maps, slow);
	require(maps->malformed == slow->malformed);
	target_maps_free(slow);
	require(target_maps_classify(maps, &facts) == 0);
	check(maps);
	if (!any_cut(maps))
		write_and_read(maps, &facts);
	target_maps_free(maps);
}

static void read_settings(const uint8_t *data, size_t size)
{
	struct target_environment environment;
	struct target_status status;
	struct target_statm statm;
	char word[8];
	FILE *file = open_bytes(data, size);

	require(target_environment_parse(file, &environment) == 0);
	target_gogc(&environment.gogc);
	require(target_gomemlimit(&environment.gomemlimit) <= INT64_MAX ||
		!value_known(target_gomemlimit(&environment.gomemlimit)));
	target_godebug(&environment.godebug, "a", word, sizeof(word));
	rewind(file);
	require(target_status_parse(file, &status) == 0);
	rewind(file);
	target_statm_parse(file, &statm);
	rewind(file);
	thp_word_parse(file, word, sizeof(word));
	require(strlen(word) < sizeof(word));
	fclose(file);
}

static void read_cgroup(const uint8_t *data, size_t size)
{
	static struct cgroup_memory memory;
	FILE *file = open_bytes(data, size);
	char path[256], directory[256];
	size_t length;
	int version;

	require(cgroup_path_parse(file, path, sizeof(path), &version) == 0);
	require(version ? *path == '/' : !*path);
	for (int of = 1; of <= 2; of++) {
		rewind(file);
		if (!cgroup_directory_parse(file, of, version ? path : "/a/b", directory, sizeof(directory), &length))
			require(length <= strlen(directory) && strlen(directory) < sizeof(directory));
		cgroup_memory_unknown(&memory);
		rewind(file);
		cgroup_stat_parse(file, of, &memory);
		rewind(file);
		cgroup_events_parse(file, &memory);
		rewind(file);
		cgroup_number_parse(file, of);
	}
	fclose(file);
}

/* The name in it is the process's choice. */
static void read_stat(const uint8_t *data, size_t size)
{
	struct process_stat stat;

	if (!process_stat_parse((const char *)data, size, &stat))
		require(stat.pid > 0 && memchr(stat.comm, '\0', sizeof(stat.comm)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* fmemopen() takes no empty one everywhere. */
	if (!size)
		return 0;
	read_maps(data, size);
	read_settings(data, size);
	read_cgroup(data, size);
	read_stat(data, size);
	return 0;
}
