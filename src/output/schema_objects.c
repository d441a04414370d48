// SPDX-License-Identifier: BSD-2-Clause
/* The objects that gctap why and gctap map write, described as data. */
#include "schema.h"

#include <stdbool.h>
#include <stddef.h>

#include "gctap/ledger.h"
#include "gctap/picture.h"

struct shape {
	const char *name;
	const char *type; /* in JSON; "array": of what @inside or @items says; "map": keys by @key, integers */
	const char *unit; /* NULL: none */
	const char *what;
	const struct shape *inside;   /* of an object, or of the objects of an array; the last has no name */
	const char *(*key)(unsigned); /* names of a map */
	const char *items;	      /* of an array of plain values */
	unsigned nr_keys;
	bool null;     /* may be unknown, or not apply */
	bool optional; /* may be left out */
};

#define COUNT(key, text)                                                                                               \
	{                                                                                                              \
		.name = (key), .type = "integer", .what = (text)                                                       \
	}
#define BYTES(key, text)                                                                                               \
	{                                                                                                              \
		.name = (key), .type = "integer", .unit = "bytes", .what = (text)                                      \
	}
#define MAYBE(key, text)                                                                                               \
	{                                                                                                              \
		.name = (key), .type = "integer", .unit = "bytes", .what = (text), .null = true                        \
	}
#define TEXT(key, text)                                                                                                \
	{                                                                                                              \
		.name = (key), .type = "string", .what = (text)                                                        \
	}
#define TEXT_OR(key, text)                                                                                             \
	{                                                                                                              \
		.name = (key), .type = "string", .what = (text), .null = true                                          \
	}
#define REAL(key, of, text)                                                                                            \
	{                                                                                                              \
		.name = (key), .type = "number", .unit = (of), .what = (text), .null = true                            \
	}

static const char *class_key(unsigned i)
{
	return ledger_class_name(i);
}

static const char *shade_key(unsigned i)
{
	return picture_shade_name(i);
}

static const struct shape verdict_shape[] = {
	TEXT("name", "Of the rule."),
	BYTES("bytes", "That it explains; verdicts come by these."),
	TEXT("evidence", "The numbers that carry it, in a sentence."),
	TEXT_OR("advice", "What to do if less is wanted; null: nothing."),
	{ .name = "leak", .type = "boolean", .what = "Whether something grows without bound." },
	{ 0 },
};

static const struct shape heap_shape[] = {
	BYTES("in_use_bytes", "Spans in use, as the runtime counts (MemStats.HeapInuse)."),
	BYTES("free_bytes", "Free and not given back (HeapIdle - HeapReleased)."),
	BYTES("released_bytes", "Given back to the kernel (HeapReleased)."),
	MAYBE("live_bytes", "Objects: live at the last mark and allocated since; an estimate of the runtime's."),
	MAYBE("memory_limit_bytes", "GOMEMLIMIT as it is now; the largest integer when there is none."),
	MAYBE("mapped_ready_bytes", "What the runtime compares with the limit."),
	MAYBE("gogc_goal_bytes", "The heap goal that GOGC alone sets; null also when GOGC is off."),
	{ .name = "gogc", .type = "integer", .unit = "percent", .what = "As it is now; -1: off.", .null = true },
	BYTES("free_difference_bytes", "Between free pages by the bitmap and by the counter; 0 at rest."),
	{ 0 },
};

static const struct shape environment_shape[] = {
	TEXT_OR("GOGC", "As the process was started with; null: not set."),
	TEXT_OR("GOMEMLIMIT", "Likewise."),
	TEXT_OR("GODEBUG", "Likewise."),
	TEXT_OR("MALLOC_ARENA_MAX", "Likewise."),
	{ 0 },
};

static const struct shape container_shape[] = {
	TEXT_OR("cgroup", "Path of the memory cgroup, as /proc/PID/cgroup has it."),
	MAYBE("current_bytes", "Charged to it: all its processes, page cache, kernel memory."),
	MAYBE("limit_bytes", "The tightest, of it and those above; null: none, or not known."),
	MAYBE("anon_bytes", "Of current, anonymous memory."),
	MAYBE("file_bytes", "Of current, page cache."),
	MAYBE("slab_bytes", "Of current, the kernel's slab."),
	MAYBE("kernel_bytes", "Of current, all of the kernel's."),
	MAYBE("working_set_bytes", "Current less inactive file pages: what Kubernetes shows."),
	{ 0 },
};

static const struct shape trend_shape[] = {
	TEXT("direction", "unknown, steady, grows, falls, or unsure: the line rises, and the interval of independent "
			  "samples, the rank test, or the lowest and highest values do not bear it out."),
	COUNT("samples", "That it rests on."),
	{ .name = "seconds", .type = "number", .unit = "s", .what = "From the first to the last sample." },
	REAL("slope_bytes_per_second", "bytes/s", "Of the least squares line."),
	REAL("slope_low", "bytes/s", "Lower end of its 99 % confidence interval."),
	REAL("slope_high", "bytes/s", "Upper end."),
	{ 0 },
};

static const struct shape refault_shape[] = {
	BYTES("released_bytes", "Given back while it was watched."),
	BYTES("judged_1s_bytes", "Of it, at least 1 s ago ..."),
	BYTES("returned_1s_bytes", "... and resident again within 1 s."),
	BYTES("judged_10s_bytes", "At least 10 s ago ..."),
	BYTES("returned_10s_bytes", "... and resident again within 10 s."),
	{ 0 },
};

#define TREND(key, text)                                                                                               \
	{                                                                                                              \
		.name = (key), .type = "object", .what = (text), .inside = trend_shape                                 \
	}

static const struct shape trends_shape[] = {
	{ .name = "seconds", .type = "number", .unit = "s", .what = "Watched." },
	{ .name = "ended",
	  .type = "boolean",
	  .what = "Whether the process ended, or executed another program, before the time was over." },
	COUNT("cycles", "Collections seen."),
	{ .name = "gc_cpu_ns",
	  .type = "integer",
	  .unit = "ns",
	  .what = "That they took, without idle processors.",
	  .null = true },
	{ .name = "processors", .type = "integer", .what = "GOMAXPROCS.", .null = true },
	COUNT("samples", "Looks at the memory."),
	COUNT("samples_limit_known", "Of them, with the runtime's limit, and what it holds against it, read."),
	COUNT("samples_near_limit", "Of these, with the memory limit near: at 95 % of it or more."),
	TREND("live", "Heap marked as live, after each collection."),
	TREND("stacks", "Resident goroutine stacks."),
	TREND("not_go", "C heap, and anonymous memory that is not the runtime's."),
	TREND("rss", "Resident memory."),
	TREND("released", "Heap given back, as the runtime counts."),
	{ .name = "refault",
	  .type = "object",
	  .what = "What came back of what was given back; null without --refault.",
	  .inside = refault_shape,
	  .null = true },
	{ 0 },
};

#define CLASSES                                                                                                        \
	{                                                                                                              \
		.name = "classes", .type = "map", .unit = "bytes", .key = class_key, .nr_keys = LEDGER_REMAINDER,      \
		.what = "Resident memory by what it is; with remainder_bytes they add up to rss_bytes."                \
	}

#define WHOSE                                                                                                          \
	COUNT("schema_version", "Version of this description; grows when a field changes its meaning or goes."),       \
		{ .name = "wall_ns", .type = "integer", .unit = "ns", .what = "When it was looked at, since 1970." },  \
		COUNT("pid", "Process id, in the namespace of gctap."),                                                \
		TEXT_OR("comm", "The kernel's short name of it."), TEXT_OR("exe", "Path of its executable."),          \
		TEXT_OR("go_version", "Null: no Go program, or not known."),                                           \
		BYTES("rss_bytes", "Resident memory by smaps."),                                                       \
		BYTES("remainder_bytes",                                                                               \
		      "Counted by the kernel, and no page found for; negative: the other way round.")

#define COARSE                                                                                                         \
	{ .name = "by_pages", .type = "boolean", .what = "Whether the heap could be read page by page." },             \
		TEXT_OR("coarse_because", "Why it could not."),                                                        \
		BYTES("moved_bytes", "By how much Rss changed while it was looked at.")

static const struct shape why_shape[] = {
	WHOSE,
	CLASSES,
	{ .name = "verdicts",
	  .type = "array",
	  .what = "Why: what the watch has found; then by bytes, the largest first; then what is outside of Rss.",
	  .inside = verdict_shape },
	{ .name = "heap", .type = "object", .what = "The runtime's counters.", .inside = heap_shape, .null = true },
	{ .name = "environment",
	  .type = "object",
	  .what = "As the process was started.",
	  .inside = environment_shape,
	  .null = true },
	{ .name = "container", .type = "object", .what = "Its cgroup.", .inside = container_shape, .null = true },
	{ .name = "trends", .type = "object", .what = "Null without --watch.", .inside = trends_shape, .null = true },
	COARSE,
	MAYBE("lazy_free_bytes", "Given back with MADV_FREE, and counted as resident until the kernel takes it."),
	MAYBE("huge_bytes", "Of Rss, anonymous memory in huge pages."),
	MAYBE("swap_bytes", "Swapped out."),
	BYTES("released_huge_bytes",
	      "Of the class released, in huge pages; before Linux 6.7 the least that it can be."),
	{ .name = "taken_ns", .type = "integer", .unit = "ns", .what = "That the look took." },
	COUNT("attempts", "Looks, of which this is the last."),
	{ 0 },
};

static const struct shape total_shape[] = {
	TEXT("name", "As in parts of the ranges."),
	TEXT("phrase", "The same for people."),
	BYTES("bytes", "Of all ranges."),
	{ 0 },
};

static const struct shape range_shape[] = {
	TEXT("address", "Where it begins, hexadecimal."),
	BYTES("bytes", "Its length."),
	TEXT("class", "What most of its resident bytes are, or else most bytes; gap: nothing is mapped or touched."),
	{ .name = "resident_bytes", .type = "integer", .unit = "bytes", .what = "Of it.", .optional = true },
	{ .name = "parts",
	  .type = "map",
	  .unit = "bytes",
	  .what = "By what they are; those that are not there have none.",
	  .key = shade_key,
	  .nr_keys = PICTURE_SHADES,
	  .optional = true },
	{ .name = "live_bytes",
	  .type = "integer",
	  .unit = "bytes",
	  .what = "Of what is in use, found live by the last mark phase.",
	  .optional = true },
	{ .name = "new_bytes",
	  .type = "integer",
	  .unit = "bytes",
	  .what = "Of what is in use, allocated since or not swept.",
	  .optional = true },
	{ .name = "spans", .type = "integer", .what = "That begin here.", .optional = true },
	{ .name = "objects",
	  .type = "array",
	  .what = "Pairs: size of an object (0: one has its span for itself), bytes in such spans.",
	  .items = "array",
	  .optional = true },
	{ .name = "huge_bytes", .type = "integer", .unit = "bytes", .what = "In huge pages.", .optional = true },
	{ .name = "name", .type = "integer", .what = "Of its mapping, as an index into names.", .optional = true },
	{ .name = "reserved_bytes",
	  .type = "integer",
	  .unit = "bytes",
	  .what = "Of a gap, mapped and left out.",
	  .optional = true },
	{ 0 },
};

static const struct shape map_shape[] = {
	WHOSE,
	CLASSES,
	COARSE,
	BYTES("cell_bytes", "Length of a range."),
	BYTES("left_out_bytes", "Mapped, never touched, and in no range."),
	{ .name = "totals", .type = "array", .what = "Sums of the ranges.", .inside = total_shape },
	BYTES("live_bytes", "Found live by the last mark phase, in all ranges."),
	BYTES("new_bytes", "Allocated since, or not swept."),
	{ .name = "names", .type = "array", .what = "Of mappings.", .items = "string" },
	{ .name = "ranges", .type = "array", .what = "The address space, ascending.", .inside = range_shape },
	{ 0 },
};

/* ---- From data to a schema ---------------------------------------------------------------------- */

static json_t *object_of(const struct shape *shapes, const char *type);

static json_t *map_of(const struct shape *shape)
{
	json_t *properties = json_object();

	for (unsigned i = 0; i < shape->nr_keys; i++)
		json_object_set_new(properties, shape->key(i), json_pack("{s:s}", "type", "integer"));
	return json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
}

static json_t *of(const struct shape *shape)
{
	bool map = shape->key != NULL, array = shape->type[0] == 'a';
	json_t *schema;

	if (map)
		schema = map_of(shape);
	else if (shape->inside && !array)
		schema = object_of(shape->inside, NULL);
	else
		schema = json_pack("{s:s}", "type", shape->type);
	if (array)
		json_object_set_new(schema, "items",
				    shape->inside ? object_of(shape->inside, NULL)
						  : json_pack("{s:s}", "type", shape->items));
	if (shape->null)
		json_object_set_new(schema, "type", json_pack("[s, s]", shape->type, "null"));
	json_object_set_new(schema, "description", json_string(shape->what));
	if (shape->unit)
		json_object_set_new(schema, "unit", json_string(shape->unit));
	return schema;
}

/* @type: what the key of that name has; NULL: there is none. */
static json_t *object_of(const struct shape *shapes, const char *type)
{
	json_t *properties = json_object(), *required = json_array();

	if (type) {
		json_object_set_new(properties, "type", json_pack("{s:s}", "const", type));
		json_array_append_new(required, json_string("type"));
	}
	for (const struct shape *shape = shapes; shape->name; shape++) {
		json_object_set_new(properties, shape->name, of(shape));
		if (!shape->optional)
			json_array_append_new(required, json_string(shape->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
			 "additionalProperties", 0);
}

static int append(json_t *types, const struct shape *shapes, const char *type, const char *what)
{
	json_t *object = object_of(shapes, type);

	json_object_set_new(object, "description", json_string(what));
	return json_array_append_new(types, object);
}

int schema_append_objects(json_t *types)
{
	int error = append(types, why_shape, "why", "Where the resident memory of a process is: gctap why --json.");

	return error ? error : append(types, map_shape, "map", "The address space as ranges: gctap map --json.");
}
