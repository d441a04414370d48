// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/gc_cycle.h"

#include <errno.h>

static const struct line_word words[] = {
	{ "gc ", NULL, "cycle" },
	{ "@", "s ", "start_since_program_ns" },
	{ "s ", "%", "gc_cpu_percent" },
	{ NULL, " MB goal", "heap_goal_bytes" },
	{ NULL, " MB stacks", "stacks_bytes" },
	{ NULL, " MB globals", "globals_bytes" },
	{ NULL, " P", "processors" },
	{ NULL, NULL, NULL },
};

static const struct line_row rows[] = {
	{ NULL, " ms clock", 3, { "clock_sweep_term_ns", "clock_mark_ns", "clock_mark_term_ns" } },
	{ NULL,
	  " ms cpu",
	  5,
	  { "cpu_sweep_term_ns", "cpu_assist_ns", "cpu_background_ns", "cpu_idle_ns", "cpu_mark_term_ns" } },
	/* Sizes of the heap: the only row whose separator is an arrow. */
	{ "->", " MB, ", 3, { "heap_start_bytes", "heap_end_bytes", "heap_marked_bytes" } },
	{ 0 },
};

static const struct line_remark remarks[] = {
	{ "(forced)", "forced" },
	{ "(checking for goroutine leaks)", "goroutine_leak_check" },
	{ NULL, NULL },
};

static const struct line_form form = {
	.type = &record_gc_cycle, .words = words, .rows = rows, .remarks = remarks, .fraction = "gc_cpu_fraction"
};

int gc_layout_learn(const struct recipe *recipe, struct gc_layout *layout, struct failure *failure)
{
	int item;

	line_layout_learn(recipe, &form, &layout->line);
	item = line_layout_item(recipe, &layout->line, "cycle");
	if (item < 0) {
		gc_layout_clear(layout);
		return failure_set(failure, -EBADMSG, "%s: the line has no cycle number", recipe->function);
	}
	layout->cycle_item = (unsigned)item;
	return 0;
}

void gc_layout_clear(struct gc_layout *layout)
{
	line_layout_clear(&layout->line);
}

void gc_cycle_decode(const struct recipe *recipe, const struct gc_layout *layout, const struct gctap_event *event,
		     const struct line_clock *clock, struct gc_cycle *cycle)
{
	const struct recipe_value *number = &cycle->shown.values.items[layout->cycle_item];

	line_record_read(recipe, event, &cycle->shown);
	line_record_write(recipe, &layout->line, event, clock, &cycle->shown);
	cycle->cycle_known = number->known;
	cycle->cycle = (uint32_t)number->value;
}
