// SPDX-License-Identifier: BSD-2-Clause
#include "target/cgroup_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/lines.h"

/* ---- Which cgroup --------------------------------------------------------------------------- */

static bool in_list(const char *list, const char *end, const char *word)
{
	size_t length = strlen(word);

	while (list < end) {
		size_t here = strcspn(list, ",:");

		if (here == length && memcmp(list, word, length) == 0)
			return true;
		list += here + 1;
	}
	return false;
}

/* "4:cpu,memory:/path", or "0::/path" of version 2. Paths may hold colons. */
static int path_version(char *line, const char **path)
{
	char *controllers = strchr(line, ':'), *colon = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!colon || colon[1] != '/')
		return 0;
	*path = colon + 1;
	if (colon == controllers + 1)
		return strncmp(line, "0:", 2) == 0 ? 2 : 0;
	return in_list(controllers + 1, colon, "memory") ? 1 : 0;
}

int cgroup_path_parse(FILE *text, char *path, size_t size, int *version)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;
	int error;

	if (!lines)
		return -ENOMEM;
	*version = 0;
	*path = '\0';
	lines_start(lines, text, '\n');
	while (lines_next(lines, &line)) {
		const char *found;
		int of = path_version(line.text, &found);

		if (line.unterminated || line.too_long || !of || *version == 1 || strlen(found) >= size)
			continue;
		*version = of;
		strcpy(path, found);
	}
	error = lines->error;
	free(lines);
	return error;
}

/* ---- Where it is mounted -------------------------------------------------------------------- */

/* Fields of mountinfo have octal codes for space, tab, newline and backslash. In place. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' &&
		    text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

struct mount {
	char *root, *point;
	const char *type, *options;
};

/* "36 35 98:0 /root /point options optional... - type source options" */
static bool mount_parse(char *line, struct mount *mount)
{
	char *separator = strstr(line, " - "), *save = NULL, *field;

	if (!separator)
		return false;
	*separator = '\0';
	field = strtok_r(line, " ", &save);
	for (int i = 0; field && i < 3; i++)
		field = strtok_r(NULL, " ", &save);
	mount->root = field;
	mount->point = field ? strtok_r(NULL, " ", &save) : NULL;
	mount->type = strtok_r(separator + 3, " ", &save);
	mount->options = mount->type && strtok_r(NULL, " ", &save) ? strtok_r(NULL, " ", &save) : NULL;
	if (!mount->point || !mount->options)
		return false;
	unescape(mount->root);
	unescape(mount->point);
	return true;
}

static bool mount_fits(const struct mount *mount, int version)
{
	if (version == 2)
		return strcmp(mount->type, "cgroup2") == 0;
	return strcmp(mount->type, "cgroup") == 0 &&
	       in_list(mount->options, mount->options + strlen(mount->options), "memory");
}

/* A path that leads out of what is mounted would name another cgroup there. */
static bool leads_out(const char *path)
{
	for (; (path = strstr(path, "/..")); path += 3)
		if (!path[3] || path[3] == '/')
			return true;
	return false;
}

/* What of the path is below the mount's root; NULL when it is not below. */
static const char *path_below(const char *root, const char *path)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(root, path, length) != 0 || (path[length] && path[length] != '/') || leads_out(path + length))
		return NULL;
	return strcmp(path + length, "/") == 0 ? "" : path + length;
}

int cgroup_directory_parse(FILE *text, int version, const char *path, char *directory, size_t size,
			   size_t *mount_length)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;
	int error = -ENOENT;

	if (!lines)
		return -ENOMEM;
	lines_start(lines, text, '\n');
	while (error && lines_next(lines, &line)) {
		struct mount mount;
		const char *below;

		if (line.unterminated || line.too_long || !mount_parse(line.text, &mount) ||
		    !mount_fits(&mount, version))
			continue;
		below = path_below(mount.root, path);
		if (!below || (size_t)snprintf(directory, size, "%s%s", mount.point, below) >= size)
			continue;
		*mount_length = strlen(mount.point);
		error = 0;
	}
	if (error && lines->error)
		error = lines->error;
	free(lines);
	return error;
}

/* ---- Its files ------------------------------------------------------------------------------ */

#define STAT(member) offsetof(struct cgroup_memory, stat.member)

struct key {
	const char *name;
	size_t offset;
};

static const struct key stat_keys[] = {
	{ "anon", STAT(anon) },
	{ "file", STAT(file) },
	{ "shmem", STAT(shmem) },
	{ "kernel", STAT(kernel) },
	{ "kernel_stack", STAT(kernel_stack) },
	{ "pagetables", STAT(pagetables) },
	{ "percpu", STAT(percpu) },
	{ "slab", STAT(slab) },
	{ "slab_reclaimable", STAT(slab_reclaimable) },
	{ "slab_unreclaimable", STAT(slab_unreclaimable) },
	{ "sock", STAT(sock) },
	{ "anon_thp", STAT(anon_thp) },
	{ "file_thp", STAT(file_thp) },
	{ "shmem_thp", STAT(shmem_thp) },
	{ "file_mapped", STAT(file_mapped) },
	{ "file_dirty", STAT(file_dirty) },
	{ "file_writeback", STAT(file_writeback) },
	{ "inactive_anon", STAT(inactive_anon) },
	{ "active_anon", STAT(active_anon) },
	{ "inactive_file", STAT(inactive_file) },
	{ "active_file", STAT(active_file) },
	{ "unevictable", STAT(unevictable) },
	{ "swapcached", STAT(swapcached) },
	{ NULL, 0 },
};

/* Those with what is below: what memory.usage_in_bytes counts. */
static const struct key stat_keys_1[] = {
	{ "total_rss", STAT(anon) },
	{ "total_cache", STAT(file) },
	{ "total_shmem", STAT(shmem) },
	{ "total_rss_huge", STAT(anon_thp) },
	{ "total_mapped_file", STAT(file_mapped) },
	{ "total_dirty", STAT(file_dirty) },
	{ "total_writeback", STAT(file_writeback) },
	{ "total_inactive_anon", STAT(inactive_anon) },
	{ "total_active_anon", STAT(active_anon) },
	{ "total_inactive_file", STAT(inactive_file) },
	{ "total_active_file", STAT(active_file) },
	{ "total_unevictable", STAT(unevictable) },
	{ "total_swapcached", STAT(swapcached) },
	{ "total_swap", offsetof(struct cgroup_memory, swap_current) },
	{ "hierarchical_memory_limit", offsetof(struct cgroup_memory, tightest) },
	{ NULL, 0 },
};

static const struct key event_keys[] = {
	{ "high", offsetof(struct cgroup_memory, event_high) },
	{ "max", offsetof(struct cgroup_memory, event_max) },
	{ "oom", offsetof(struct cgroup_memory, event_oom) },
	{ "oom_kill", offsetof(struct cgroup_memory, event_oom_kill) },
	{ NULL, 0 },
};

/* Version 1 has the largest number of whole pages for "none". */
static uint64_t limit_of(uint64_t number, int version)
{
	return version == 1 && number >= (uint64_t)INT64_MAX / 65536 * 65536 ? CGROUP_NO_LIMIT : number;
}

static void key_set(struct cgroup_memory *memory, const struct key *keys, const char *name, uint64_t value)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			memcpy((char *)memory + keys->offset, &value, sizeof(value));
}

/* Lines of a name and a number; others are passed over. */
static void keys_parse(FILE *text, const struct key *keys, struct cgroup_memory *memory)
{
	struct lines *lines = malloc(sizeof(*lines));
	struct line line;

	if (!lines)
		return;
	lines_start(lines, text, '\n');
	while (lines_next(lines, &line)) {
		char *space = strchr(line.text, ' ');
		uint64_t value;

		if (line.unterminated || !space || !number_parse(space, &value))
			continue;
		*space = '\0';
		key_set(memory, keys, line.text, value);
	}
	free(lines);
}

void cgroup_stat_parse(FILE *text, int version, struct cgroup_memory *memory)
{
	keys_parse(text, version == 1 ? stat_keys_1 : stat_keys, memory);
	if (value_known(memory->tightest))
		memory->tightest = limit_of(memory->tightest, version);
}

void cgroup_events_parse(FILE *text, struct cgroup_memory *memory)
{
	keys_parse(text, event_keys, memory);
}

uint64_t cgroup_number_parse(FILE *text, int version)
{
	char line[64];
	size_t length;
	uint64_t value;

	if (!fgets(line, sizeof(line), text))
		return VALUE_UNKNOWN;
	length = strcspn(line, "\n");
	if (line[length] != '\n')
		return VALUE_UNKNOWN;
	line[length] = '\0';
	if (strcmp(line, "max") == 0)
		return CGROUP_NO_LIMIT;
	return number_parse(line, &value) ? limit_of(value, version) : VALUE_UNKNOWN;
}
