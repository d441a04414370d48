// SPDX-License-Identifier: BSD-2-Clause
/*
 * The layout of the heap by the DWARF of the very program, for a version that is in no table. All facts are
 * checked for what the reader takes for granted, as scripts/heap-layout does for the table.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap_internal.h"

#define DIES_MAX    (8u << 20) /* that are looked at; a large runtime has some ten thousand */
#define MEMORY_MAX  (1u << 30) /* bytes that the libraries may take */
#define SECONDS_MAX 10	       /* of processor time, likewise */

enum structure { MHEAP, MSPAN, HEAP_ARENA, PALLOC_DATA, ADDR_RANGE, CONTROLLER, MSTATS, INLINE_MARKS, STRUCTURES };

static const char *const names[STRUCTURES] = {
	[MHEAP] = "runtime.mheap",	    [MSPAN] = "runtime.mspan",
	[HEAP_ARENA] = "runtime.heapArena", [PALLOC_DATA] = "runtime.pallocData",
	[ADDR_RANGE] = "runtime.addrRange", [CONTROLLER] = "runtime.gcControllerState",
	[MSTATS] = "runtime.mstats",	    [INLINE_MARKS] = "runtime.spanInlineMarkBits",
};

struct types {
	Dwarf_Die structures[STRUCTURES];
	bool found[STRUCTURES];
	uint64_t mheap; /* address of the variable; 0: not found */
	unsigned dies;
};

/* ---- Finding the types -------------------------------------------------------------------------- */

/* Of a variable, 0: not said. Up to Go 1.24 it is in a block, which libdw takes for no location. */
static uint64_t variable_address(Dwarf_Die *die)
{
	Dwarf_Attribute attribute, indexed;
	Dwarf_Addr address;
	Dwarf_Block block;
	Dwarf_Op *operations;
	size_t count;

	if (!dwarf_attr(die, DW_AT_location, &attribute))
		return 0;
	if (!dwarf_formblock(&attribute, &block) && block.length == 1 + sizeof(address) &&
	    block.data[0] == DW_OP_addr) {
		memcpy(&address, block.data + 1, sizeof(address));
		return address;
	}
	if (dwarf_getlocation(&attribute, &operations, &count) || count != 1 || operations[0].atom != DW_OP_addrx ||
	    dwarf_getlocation_attr(&attribute, operations, &indexed) || dwarf_formaddr(&indexed, &address))
		return 0;
	return address;
}

static void take_die(struct types *types, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);
	int tag = dwarf_tag(die);

	if (!name)
		return;
	if (tag == DW_TAG_variable && !strcmp(name, "runtime.mheap_"))
		types->mheap = variable_address(die);
	for (unsigned i = 0; tag == DW_TAG_structure_type && i < STRUCTURES; i++) {
		if (types->found[i] || strcmp(name, names[i]))
			continue;
		types->structures[i] = *die;
		types->found[i] = true;
	}
}

/* Go has all types of the runtime in the runtime's unit. */
static void search_unit(struct types *types, Dwarf_Die *unit)
{
	const char *name = dwarf_diename(unit);
	Dwarf_Die die;
	int end;

	if (!name || strcmp(name, "runtime"))
		return;
	for (end = dwarf_child(unit, &die); !end && types->dies < DIES_MAX; end = dwarf_siblingof(&die, &die)) {
		types->dies++;
		take_die(types, &die);
	}
}

static void search(Dwarf *dwarf, struct types *types)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;

	while (!dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) && types->dies < DIES_MAX) {
		types->dies++;
		search_unit(types, &die);
	}
}

/* ---- Fields ------------------------------------------------------------------------------------- */

struct field {
	uint64_t offset, bytes;
	Dwarf_Die type;
};

static bool type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, type) &&
	       !dwarf_peel_type(type, type);
}

static bool find_member(Dwarf_Die *structure, const char *name, size_t length, struct field *field)
{
	Dwarf_Attribute attribute;
	Dwarf_Word offset, bytes;
	Dwarf_Die die;
	int end;

	for (end = dwarf_child(structure, &die); !end; end = dwarf_siblingof(&die, &die)) {
		const char *this = dwarf_diename(&die);

		if (dwarf_tag(&die) != DW_TAG_member || !this || strncmp(this, name, length) || this[length])
			continue;
		if (!dwarf_attr(&die, DW_AT_data_member_location, &attribute) || dwarf_formudata(&attribute, &offset) ||
		    !type_of(&die, &field->type) || dwarf_aggregate_size(&field->type, &bytes))
			return false;
		field->offset += offset;
		field->bytes = bytes;
		return true;
	}
	return false;
}

/* By its path, "pages.inUse.ranges". A box of the runtime's atomic package is where its value is. */
static bool find(struct types *types, enum structure structure, const char *path, struct field *field)
{
	*field = (struct field){ .type = types->structures[structure] };
	if (!types->found[structure])
		return false;
	for (;;) {
		size_t length = strcspn(path, ".");

		if (!find_member(&field->type, path, length, field))
			return false;
		if (!path[length])
			return true;
		path += length + 1;
	}
}

/* The place of a field, which has to have that size; 0: any. */
static bool place(struct types *types, enum structure structure, const char *path, uint64_t bytes, uint32_t *offset)
{
	struct field field;

	if (!find(types, structure, path, &field) || (bytes && field.bytes != bytes) || field.offset > UINT32_MAX)
		return false;
	*offset = (uint32_t)field.offset;
	return true;
}

/* ---- The layout --------------------------------------------------------------------------------- */

static bool read_span(struct types *types, struct heap_span_layout *span)
{
	struct field elements, index;
	Dwarf_Word bytes;

	if (!find(types, MSPAN, "nelems", &elements) || !find(types, MSPAN, "freeindex", &index) ||
	    elements.bytes != index.bytes || (index.bytes != 2 && index.bytes != 8) ||
	    dwarf_aggregate_size(&types->structures[MSPAN], &bytes) || bytes > HEAP_SPAN_BYTES_MAX)
		return false;
	span->bytes = (uint32_t)bytes;
	span->elements = (uint32_t)elements.offset;
	span->free_index = (uint32_t)index.offset;
	span->index_bytes = (uint32_t)index.bytes;
	return place(types, MSPAN, "startAddr", 8, &span->start) && place(types, MSPAN, "npages", 8, &span->pages) &&
	       place(types, MSPAN, "allocCount", 2, &span->allocated) &&
	       place(types, MSPAN, "elemsize", 8, &span->element_bytes) &&
	       place(types, MSPAN, "allocBits", 8, &span->alloc_bits) &&
	       place(types, MSPAN, "gcmarkBits", 8, &span->mark_bits) &&
	       place(types, MSPAN, "sweepgen", 4, &span->sweepgen) &&
	       place(types, MSPAN, "spanclass", 1, &span->class) && place(types, MSPAN, "state", 1, &span->state);
}

static bool read_heap(struct types *types, struct heap_layout *layout)
{
	uint32_t end, limit, scavenged;

	return place(types, MHEAP, "pages.chunks", 8192 * 8, &layout->chunks) &&
	       place(types, MHEAP, "pages.start", 8, &layout->bounds) && place(types, MHEAP, "pages.end", 8, &end) &&
	       end == layout->bounds + 8 && place(types, MHEAP, "pages.inUse.ranges", 24, &layout->ranges) &&
	       place(types, MHEAP, "sweepgen", 4, &layout->sweepgen) &&
	       place(types, MHEAP, "arenas", 8, &layout->arenas) &&
	       place(types, MHEAP, "curArena", 16, &layout->current_arena) &&
	       place(types, HEAP_ARENA, "spans", 8192 * 8, &layout->arena_spans) &&
	       place(types, PALLOC_DATA, "scavenged", 64, &scavenged) && scavenged == 64 &&
	       place(types, ADDR_RANGE, "limit", 8, &limit) && limit == 8;
}

/* From the counter of heap in use to that of live objects. */
static int32_t live_distance(struct types *types)
{
	uint32_t live, in_use;

	if ((place(types, CONTROLLER, "heapInUse", 8, &in_use) && place(types, CONTROLLER, "heapLive", 8, &live)) ||
	    (place(types, MSTATS, "heap_inuse", 8, &in_use) && place(types, MSTATS, "heap_live", 8, &live)))
		return (int32_t)(live - in_use);
	return 0;
}

static int read_layout(struct types *types, uint64_t lock, struct heap_layout *layout, struct failure *failure)
{
	uint32_t marks, released;

	if (!types->found[MHEAP])
		return failure_set(failure, -ENOENT, "the program has no DWARF of the runtime");
	if (!read_heap(types, layout) || !read_span(types, &layout->span))
		return failure_set(failure, -ENOTSUP, "by its DWARF the heap is of another make than is known");
	if (types->found[INLINE_MARKS] && (!place(types, INLINE_MARKS, "marks", 0, &marks) || marks != 64))
		return failure_set(failure, -ENOTSUP, "by its DWARF mark bits are of another make than is known");
	/* What is held while a sweep is reported is a lock in it. */
	if (types->mheap && (lock < types->mheap || lock - types->mheap > layout->arenas))
		return failure_set(failure, -ENOTSUP, "by its DWARF the heap is elsewhere");
	layout->lock = types->mheap ? (uint32_t)(lock - types->mheap) : 0;
	layout->live = live_distance(types);
	layout->released_with_arena = !place(types, CONTROLLER, "heapReleased", 8, &released);
	layout->inline_marks = types->found[INLINE_MARKS];
	return 0;
}

static int read_file(int file, uint64_t lock, struct heap_layout *layout, struct failure *failure)
{
	struct types types = { .dies = 0 };
	Dwarf *dwarf;
	Elf *elf;
	int error;

	elf_version(EV_CURRENT);
	/* Read, not mapped: a file that is cut short meanwhile would be a signal. */
	elf = elf_begin(file, ELF_C_READ, NULL);
	dwarf = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
	if (dwarf) {
		search(dwarf, &types);
		error = read_layout(&types, lock, layout, failure);
	} else {
		error = failure_set(failure, -ENOENT, "the program has no DWARF");
	}
	dwarf_end(dwarf);
	elf_end(elf);
	return error;
}

static bool within(const struct heap_span_layout *span, uint32_t offset, uint32_t length)
{
	return offset <= span->bytes && length <= span->bytes - offset;
}

bool heap_span_layout_fits(const struct heap_span_layout *span)
{
	return span->bytes <= HEAP_SPAN_BYTES_MAX && (span->index_bytes == 2 || span->index_bytes == 8) &&
	       within(span, span->start, 8) && within(span, span->pages, 8) &&
	       within(span, span->elements, span->index_bytes) && within(span, span->free_index, span->index_bytes) &&
	       within(span, span->allocated, 2) && within(span, span->element_bytes, 8) &&
	       within(span, span->alloc_bits, 8) && within(span, span->mark_bits, 8) &&
	       within(span, span->sweepgen, 4) && within(span, span->class, 1) && within(span, span->state, 1);
}

/* ---- In a process of its own -------------------------------------------------------------------- */

/*
 * The libraries believe the file's sizes: what a hostile one leads them to ends with this process. Its answer is
 * as little to be trusted as the file: truth values come as bytes, since not every byte is a bool.
 */
struct answer {
	int error;
	uint8_t released_with_arena, inline_marks;
	struct heap_layout layout;
	struct failure failure;
};

static void limit_resources(void)
{
	struct rlimit memory = { 0, 0 }, processor = { SECONDS_MAX, SECONDS_MAX };
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file && fscanf(file, "%llu", &pages) == 1)
		memory.rlim_cur = memory.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + MEMORY_MAX;
	if (file)
		fclose(file);
	if (pages)
		setrlimit(RLIMIT_AS, &memory);
	setrlimit(RLIMIT_CPU, &processor);
}

static void answer_to(int pipe, int file, uint64_t lock)
{
	static struct answer answer;

	limit_resources();
	answer.error = read_file(file, lock, &answer.layout, &answer.failure);
	answer.released_with_arena = answer.layout.released_with_arena;
	answer.inline_marks = answer.layout.inline_marks;
	if (write(pipe, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		_exit(1);
	_exit(0);
}

static bool read_answer(int pipe, struct answer *answer)
{
	size_t length = 0;
	ssize_t count;

	while (length < sizeof(*answer)) {
		count = read(pipe, (char *)answer + length, sizeof(*answer) - length);
		if (count > 0)
			length += (size_t)count;
		else if (count == 0 || errno != EINTR)
			return false;
	}
	return true;
}

static int take_answer(struct answer *answer, struct heap_layout *layout, struct failure *failure)
{
	answer->failure.text[sizeof(answer->failure.text) - 1] = '\0';
	if (answer->error)
		return failure_set(failure, answer->error == -ENOENT ? -ENOENT : -ENOTSUP, "%s", answer->failure.text);
	if (!heap_span_layout_fits(&answer->layout.span))
		return failure_set(failure, -ENOTSUP, "by its DWARF a span's fields lie outside of it");
	answer->layout.released_with_arena = answer->released_with_arena != 0;
	answer->layout.inline_marks = answer->inline_marks != 0;
	*layout = answer->layout;
	return 0;
}

int heap_layout_by_dwarf(int file, uint64_t lock, struct heap_layout *layout, struct failure *failure)
{
	struct answer answer = { .error = 0 };
	int ends[2], error = pipe2(ends, O_CLOEXEC) ? -errno : 0;
	bool answered;
	pid_t child;

	if (error)
		return failure_set(failure, error, "cannot read the program's DWARF: %s", strerror(-error));
	child = fork();
	if (!child)
		answer_to(ends[1], file, lock);
	error = child < 0 ? -errno : 0;
	close(ends[1]);
	answered = !error && read_answer(ends[0], &answer);
	close(ends[0]);
	while (!error && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (error)
		return failure_set(failure, error, "cannot read the program's DWARF: %s", strerror(-error));
	if (!answered)
		return failure_set(failure, -ENOTSUP, "the program's DWARF is too large, or broken");
	return take_answer(&answer, layout, failure);
}
