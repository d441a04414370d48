// SPDX-License-Identifier: BSD-2-Clause
/* What the runtime counts: expressions that the recipe of the scavtrace line holds, and fields of the pacer. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "heap_internal.h"

#define NO_LIMIT ((uint64_t)INT64_MAX)

struct finding {
	struct heap *heap;
	int error;
};

static void note_leaf(expr_id id, const struct expr_node *leaf, void *context)
{
	struct finding *finding = context;
	struct heap *heap = finding->heap;

	for (unsigned i = 0; i < heap->nr_leaves; i++)
		if (heap->leaves[i].id == id)
			return;
	if (leaf->op != EXPR_MEMORY || heap->nr_leaves == HEAP_LEAVES_MAX) {
		finding->error = -ENOTSUP;
		return;
	}
	heap->leaves[heap->nr_leaves++] =
		(struct heap_leaf){ .id = id, .size = leaf->size, .address = leaf->value + heap->options.bias };
}

/* The heap given back now: what stands before these words. */
static expr_id find_released(const struct recipe *recipe)
{
	for (unsigned i = 0; i + 1 < recipe->nr_items; i++) {
		const struct recipe_item *item = &recipe->items[i], *words = &recipe->items[i + 1];

		if (item->format != RECIPE_LITERAL && words->format == RECIPE_LITERAL &&
		    (!strncmp(words->literal, " KiB now", 8) || !strncmp(words->literal, " KiB total", 10)))
			return item->raw;
	}
	return EXPR_NONE;
}

int heap_counters_find(struct heap *heap, struct failure *failure)
{
	const struct recipe *sweep = heap->options.sweep;
	struct finding finding = { heap, 0 };
	const struct expr_node *in_use;

	heap->in_use = sweep->extras[RECIPE_IN_USE];
	heap->retained = sweep->extras[RECIPE_RETAINED];
	heap->released = find_released(sweep);
	if (!heap->in_use || !heap->retained || !heap->released)
		return failure_set(failure, -ENOTSUP, "%s does not tell the size of the heap", sweep->function);
	expr_each_leaf(sweep->pool, heap->in_use, note_leaf, &finding);
	expr_each_leaf(sweep->pool, heap->retained, note_leaf, &finding);
	expr_each_leaf(sweep->pool, heap->released, note_leaf, &finding);
	if (finding.error)
		return failure_set(failure, finding.error,
				   "%s computes the size of the heap from more than a few variables", sweep->function);
	in_use = expr_node(sweep->pool, heap->in_use);
	heap->live = 0;
	if (heap->layout->live && in_use->op == EXPR_MEMORY)
		heap->live = in_use->value + heap->options.bias + (uint64_t)(int64_t)heap->layout->live;
	return 0;
}

static bool leaf_value(expr_id id, const struct expr_node *leaf, void *context, uint64_t *value)
{
	const struct heap *heap = context;

	(void)leaf;
	for (unsigned i = 0; i < heap->nr_leaves; i++) {
		if (heap->leaves[i].id == id) {
			*value = heap->leaves[i].value;
			return heap->leaves[i].known;
		}
	}
	return false;
}

static bool evaluate(struct heap *heap, expr_id id, uint64_t *value)
{
	return expr_eval(heap->options.sweep->pool, id, leaf_value, heap, value);
}

static int read_leaves(struct heap *heap, struct memory_piece *pieces, struct heap_counters *counters)
{
	struct heap_number *numbers[] = { &counters->live, &counters->memory_limit, &counters->mapped_ready,
					  &counters->percent_goal, &counters->gc_percent };
	const struct recipe_limit *limit = &heap->options.limit;
	/* GOGC is the controller's first field, the limit the next; runtime/mgcpacer.go since 1.19. */
	uint64_t addresses[] = { heap->live, limit->memory_limit, limit->mapped_ready, heap->options.percent_goal,
				 limit->memory_limit ? limit->memory_limit - 8 : 0 };
	unsigned count = 0;
	int error;

	for (unsigned i = 0; i < heap->nr_leaves; i++, count++) {
		heap->leaves[i].value = 0;
		pieces[count] = (struct memory_piece){ .address = heap->leaves[i].address,
						       .buffer = &heap->leaves[i].value,
						       .length = heap->leaves[i].size };
	}
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++, count++) {
		numbers[i]->value = 0;
		pieces[count] = (struct memory_piece){ .address = addresses[i],
						       .buffer = &numbers[i]->value,
						       .length = addresses[i] ? sizeof(numbers[i]->value) : 0 };
	}
	error = heap->options.read(heap->options.context, pieces, count);
	for (unsigned i = 0; i < heap->nr_leaves; i++)
		heap->leaves[i].known = !error && pieces[i].read;
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		numbers[i]->known = !error && addresses[i] && pieces[heap->nr_leaves + i].read;
	return error;
}

int heap_counters_read(struct heap *heap, struct heap_counters *counters, struct failure *failure)
{
	struct memory_piece pieces[HEAP_LEAVES_MAX + 5];
	int error = read_leaves(heap, pieces, counters);
	uint64_t retained;

	if (error)
		return failure_set(failure, error, "cannot read the process's memory: %s", strerror(-error));
	counters->gc_percent.value = (uint64_t)(int64_t)(int32_t)counters->gc_percent.value;
	if (!evaluate(heap, heap->in_use, &counters->in_use) || !evaluate(heap, heap->retained, &retained) ||
	    !evaluate(heap, heap->released, &counters->released))
		return failure_set(failure, -EFAULT, "cannot read the counters of the heap");
	counters->free = retained - counters->in_use;
	if (retained < counters->in_use || retained >= ADDRESS_MAX || counters->released >= ADDRESS_MAX)
		return failure_set(failure, -EBADMSG,
				   "the counters of the heap make no sense: %" PRIu64 " bytes in use, %" PRIu64
				   " retained, %" PRIu64 " released",
				   counters->in_use, retained, counters->released);
	return 0;
}

bool heap_gogc_off(const struct heap_counters *counters)
{
	return counters->gc_percent.known && (int32_t)(uint32_t)counters->gc_percent.value < 0;
}

bool heap_limit_set(const struct heap_counters *counters)
{
	return counters->memory_limit.known && counters->memory_limit.value && counters->memory_limit.value < NO_LIMIT;
}

struct heap_goal heap_goal_of(const struct heap_counters *counters)
{
	uint64_t goal = heap_gogc_off(counters) ? NO_LIMIT : counters->percent_goal.value;

	if (!heap_gogc_off(counters) && !counters->percent_goal.known)
		return (struct heap_goal){ 0 };
	if (heap_limit_set(counters) && counters->memory_limit.value < goal)
		return (struct heap_goal){ counters->memory_limit.value, true };
	return (struct heap_goal){ goal < NO_LIMIT ? goal : 0, false };
}
