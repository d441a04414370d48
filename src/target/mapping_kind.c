// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gctap/target_maps.h"

#define DELETED	      " (deleted)"
#define MALLOC_HEAP   (64ull << 20) /* HEAP_MAX_SIZE of glibc's malloc/arena.c on 64-bit machines */
#define STACK_DEFAULT (8ull << 20)  /* RLIMIT_STACK of nearly every system */
#define GUARD_PAGES   16
/*
 * mmap() without a wish goes below the stack: at most a random 1 TiB (28 bits of pages) and what is
 * mapped already. The runtime asks for its heap in other places.
 */
#define MMAP_REACH (2ull << 40)

static const char *const kind_names[MAPPING_KINDS] = {
	[MAPPING_ANONYMOUS] = "anonymous",
	[MAPPING_RESERVED] = "reserved",
	[MAPPING_NAMED] = "named anonymous",
	[MAPPING_GO] = "Go",
	[MAPPING_EXE_TEXT] = "executable text",
	[MAPPING_EXE_RODATA] = "executable rodata",
	[MAPPING_EXE_DATA] = "executable data",
	[MAPPING_EXE_BSS] = "executable bss",
	[MAPPING_LIBRARY] = "library",
	[MAPPING_LIBRARY_BSS] = "library bss",
	[MAPPING_FILE] = "file",
	[MAPPING_SHMEM] = "shared memory",
	[MAPPING_HUGETLB_PAGES] = "hugetlb",
	[MAPPING_DEVICE] = "device",
	[MAPPING_BRK] = "C heap (brk)",
	[MAPPING_MALLOC] = "C heap (malloc)",
	[MAPPING_MALLOC_ARENA] = "C heap (malloc arena)",
	[MAPPING_STACK] = "stack",
	[MAPPING_THREAD_STACK] = "thread stack",
	[MAPPING_KERNEL] = "kernel",
};

static const char *const go_names[MAPPING_GO_NAMES] = {
	[MAPPING_GO_OTHER] = "",
	[MAPPING_GO_HEAP] = "heap",
	[MAPPING_GO_HEAP_RESERVATION] = "heap reservation",
	[MAPPING_GO_HEAP_INDEX] = "heap index",
	[MAPPING_GO_HEAP_METADATA] = "heap metadata",
	[MAPPING_GO_GC_BITS] = "gc bits",
	[MAPPING_GO_PAGE_SUMMARY] = "page summary",
	[MAPPING_GO_PAGE_ALLOC] = "page alloc",
	[MAPPING_GO_SCAVENGE_INDEX] = "scavenge index",
	[MAPPING_GO_IMMORTAL_METADATA] = "immortal metadata",
	[MAPPING_GO_ALLSPANS_ARRAY] = "allspans array",
	[MAPPING_GO_PROFILER_HASH_BUCKETS] = "profiler hash buckets",
	[MAPPING_GO_USER_ARENA_CHUNK] = "user arena chunk",
	[MAPPING_GO_OS_THREAD_STACK] = "OS thread stack",
	[MAPPING_GO_HEAPDUMP] = "heapdump",
	[MAPPING_GO_GETRANDOM_STATES] = "getrandom states",
	[MAPPING_GO_UNUSED] = "unused",
	[MAPPING_GO_USED] = "used",
};

const char *mapping_kind_name(enum mapping_kind kind)
{
	return (unsigned)kind < MAPPING_KINDS ? kind_names[kind] : "";
}

const char *mapping_go_name_text(enum mapping_go_name name)
{
	return (unsigned)name < MAPPING_GO_NAMES ? go_names[name] : "";
}

/* What the whole list says, for the kinds that one mapping alone does not tell. */
struct context {
	const struct mapping_facts *facts;
	struct mapping *mappings;
	size_t nr;
	struct file_id *code; /* files of which some mapping is executable, in order */
	size_t nr_code;
	uint64_t stack;	  /* where [stack] begins; 0: there is none */
	bool c_allocator; /* glibc is mapped, or brk used */
};

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
	size_t length = strlen(text), tail = strlen(with);

	return length >= tail && strcmp(text + length - tail, with) == 0;
}

/* Memory of no file: only then is a name in brackets the kernel's. */
static bool without_file(const struct mapping *mapping)
{
	return !mapping->inode && !mapping->device;
}

static bool plain(const struct mapping *mapping)
{
	return without_file(mapping) && !*mapping->name && !(mapping->permissions & MAPPING_SHARED);
}

/* ---- Names ---------------------------------------------------------------------------------- */

static enum mapping_go_name go_name_of(const char *text, size_t length)
{
	for (int name = MAPPING_GO_OTHER + 1; name < MAPPING_GO_NAMES; name++)
		if (strlen(go_names[name]) == length && memcmp(go_names[name], text, length) == 0)
			return (enum mapping_go_name)name;
	return MAPPING_GO_OTHER;
}

/* "[anon:NAME]", of which Go's and glibc's begin with a space. */
static enum mapping_kind kind_of_given_name(struct mapping *mapping)
{
	static const char go[] = "[anon: Go: ";
	const char *name = mapping->name;

	if (starts(name, go)) {
		mapping->go_name = go_name_of(name + strlen(go), strcspn(name + strlen(go), "]"));
		return MAPPING_GO;
	}
	if (starts(name, "[anon: glibc: malloc arena"))
		return MAPPING_MALLOC_ARENA;
	if (starts(name, "[anon: glibc: malloc") || starts(name, "[anon: glibc: loader malloc"))
		return MAPPING_MALLOC;
	/* glibc's "pthread stack: TID" and "pthread user stack: TID", bionic's "stack_and_tls:TID". */
	if (starts(name, "[anon: glibc: pthread ") || starts(name, "[anon:stack_and_tls:"))
		return MAPPING_THREAD_STACK;
	return MAPPING_NAMED;
}

static enum mapping_kind kind_of_brackets(struct mapping *mapping)
{
	const char *name = mapping->name;

	if (strcmp(name, "[heap]") == 0)
		return MAPPING_BRK;
	if (strcmp(name, "[stack]") == 0)
		return MAPPING_STACK;
	if (starts(name, "[anon:"))
		return kind_of_given_name(mapping);
	return MAPPING_KERNEL;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return (x->inode > y->inode) - (x->inode < y->inode);
}

static bool has_code(const struct context *context, const struct mapping *mapping)
{
	struct file_id file = { mapping->device, mapping->inode };

	return context->nr_code &&
	       bsearch(&file, context->code, context->nr_code, sizeof(context->code[0]), compare_files);
}

/*
 * smaps and stat may disagree about device and inode (overlayfs, btrfs), but smaps and /proc/PID/exe
 * name a file in the same way, but for newlines.
 */
static bool is_path(const char *written, const char *path)
{
	for (; *path; path++) {
		if (*path == '\n' && starts(written, "\\012"))
			written += 4;
		else if (*path == *written)
			written++;
		else
			return false;
	}
	return !*written;
}

static bool is_exe(const struct mapping_facts *facts, const struct mapping *mapping)
{
	if (!mapping->inode)
		return false;
	if (mapping->inode == facts->exe.inode && mapping->device == facts->exe.device)
		return true;
	return facts->exe_path && *facts->exe_path && !mapping->name_cut && is_path(mapping->name, facts->exe_path);
}

static bool is_shmem(const struct mapping *mapping)
{
	const char *name = mapping->name;

	/* Shared anonymous memory has a file of its own; the bracket is prctl's name for it. */
	if (starts(name, "/dev/shm/") || starts(name, "[anon_shmem:"))
		return true;
	return ends(name, DELETED) &&
	       (starts(name, "/memfd:") || starts(name, "/SYSV") || strcmp(name, "/dev/zero" DELETED) == 0);
}

static bool is_hugetlb(const struct mapping *mapping)
{
	return (mapping->flags & MAPPING_HUGETLB) || strcmp(mapping->name, "/anon_hugepage" DELETED) == 0;
}

static enum mapping_kind kind_of_file(const struct context *context, const struct mapping *mapping)
{
	if (is_exe(context->facts, mapping)) {
		if (mapping->permissions & MAPPING_EXECUTE)
			return MAPPING_EXE_TEXT;
		return mapping->permissions & MAPPING_WRITE ? MAPPING_EXE_DATA : MAPPING_EXE_RODATA;
	}
	if (is_shmem(mapping))
		return MAPPING_SHMEM;
	if (*mapping->name != '/' || starts(mapping->name, "/dev/") || (mapping->flags & (MAPPING_PFN | MAPPING_IO)))
		return MAPPING_DEVICE;
	return has_code(context, mapping) ? MAPPING_LIBRARY : MAPPING_FILE;
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static const struct mapping *below(const struct context *context, const struct mapping *mapping)
{
	const struct mapping *other = mapping - 1;

	return mapping > context->mappings && other->end == mapping->start ? other : NULL;
}

static const struct mapping *above(const struct context *context, const struct mapping *mapping)
{
	const struct mapping *other = mapping + 1;

	return other < context->mappings + context->nr && other->start == mapping->end ? other : NULL;
}

static bool is_reserved(const struct mapping *mapping)
{
	return plain(mapping) && !(mapping->permissions & (MAPPING_READ | MAPPING_WRITE | MAPPING_EXECUTE));
}

/*
 * A guard page below and the limit's bytes above it; or both in one mapping, where the guard is made
 * with MADV_GUARD_INSTALL (glibc 2.42). Reserved space may lie below the guard and look as one with it.
 */
static bool is_thread_stack(const struct context *context, const struct mapping *mapping)
{
	const struct mapping *guard = below(context, mapping);
	uint64_t limit = context->facts->stack_bytes, size = mapping->end - mapping->start;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!value_known(limit))
		limit = STACK_DEFAULT;
	if (guard && is_reserved(guard))
		return size == limit || size + page == limit;
	return (mapping->flags & MAPPING_GUARDED) && size > limit && size - limit <= GUARD_PAGES * page;
}

/*
 * One or more heaps of an arena, each aligned to its size, of which the last is writable up to
 * somewhere and reserved from there. Arenas of the Go heap have the same shape, elsewhere.
 */
static bool is_malloc_arena(const struct context *context, const struct mapping *mapping)
{
	const struct mapping *rest = above(context, mapping);
	uint64_t heap_end;

	if (!context->c_allocator || mapping->start % MALLOC_HEAP || mapping->start >= context->stack ||
	    context->stack - mapping->start > MMAP_REACH)
		return false;
	heap_end = mapping->start + (mapping->end - mapping->start + MALLOC_HEAP - 1) / MALLOC_HEAP * MALLOC_HEAP;
	return mapping->end == heap_end || (rest && is_reserved(rest) && rest->end >= heap_end);
}

/* Of a mapping below this one whose kind is set already. */
static enum mapping_kind kind_behind(const struct context *context, const struct mapping *mapping)
{
	const struct mapping *file = below(context, mapping);

	if (!file || !file->inode || (file->permissions & MAPPING_SHARED))
		return MAPPING_ANONYMOUS;
	switch (file->kind) {
	case MAPPING_EXE_TEXT:
	case MAPPING_EXE_RODATA:
	case MAPPING_EXE_DATA: return MAPPING_EXE_BSS;
	case MAPPING_LIBRARY: return MAPPING_LIBRARY_BSS;
	default: return MAPPING_ANONYMOUS;
	}
}

static enum mapping_kind kind_of_shape(const struct context *context, const struct mapping *mapping)
{
	enum mapping_kind kind;

	if (!(mapping->permissions & MAPPING_WRITE))
		return MAPPING_ANONYMOUS;
	kind = kind_behind(context, mapping);
	if (kind != MAPPING_ANONYMOUS)
		return kind;
	if (is_thread_stack(context, mapping))
		return MAPPING_THREAD_STACK;
	return is_malloc_arena(context, mapping) ? MAPPING_MALLOC_ARENA : MAPPING_ANONYMOUS;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static bool is_glibc(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash && (starts(slash, "/libc.so.6") || starts(slash, "/libc-2."));
}

static void look_around(struct context *context)
{
	for (size_t i = 0; i < context->nr; i++) {
		const struct mapping *mapping = &context->mappings[i];

		if (mapping->inode && (mapping->permissions & MAPPING_EXECUTE))
			context->code[context->nr_code++] = (struct file_id){ mapping->device, mapping->inode };
		if (mapping->inode && is_glibc(mapping->name))
			context->c_allocator = true;
		if (without_file(mapping) && strcmp(mapping->name, "[heap]") == 0)
			context->c_allocator = true;
		if (without_file(mapping) && strcmp(mapping->name, "[stack]") == 0)
			context->stack = mapping->start;
	}
	if (context->nr_code)
		qsort(context->code, context->nr_code, sizeof(context->code[0]), compare_files);
}

static void classify_one(const struct context *context, struct mapping *mapping)
{
	mapping->by_shape = false;
	mapping->go_name = MAPPING_GO_OTHER;
	if (is_hugetlb(mapping)) {
		mapping->kind = MAPPING_HUGETLB_PAGES;
	} else if (without_file(mapping) && *mapping->name == '[') {
		mapping->kind = kind_of_brackets(mapping);
	} else if (!plain(mapping)) {
		mapping->kind = kind_of_file(context, mapping);
	} else if (is_reserved(mapping)) {
		mapping->kind = MAPPING_RESERVED;
	} else {
		mapping->kind = kind_of_shape(context, mapping);
		mapping->by_shape = mapping->kind != MAPPING_ANONYMOUS;
	}
}

int target_maps_classify(struct target_maps *maps, const struct mapping_facts *facts)
{
	struct context context = { .facts = facts, .mappings = maps->mappings, .nr = maps->nr };

	context.code = malloc((maps->nr + 1) * sizeof(context.code[0]));
	if (!context.code)
		return -ENOMEM;
	look_around(&context);
	for (size_t i = 0; i < maps->nr; i++)
		classify_one(&context, &maps->mappings[i]);
	free(context.code);
	return 0;
}
