/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refault_model: what refault says, page by page, with nothing clever about
 * it. Operations go to both; each answers NULL, or how the two disagree.
 *
 * What of a partly freed range was there, nobody can say: where that makes a
 * difference, the model knows a lowest and a highest number.
 */
#ifndef GCTAP_TESTS_REFAULT_MODEL_H
#define GCTAP_TESTS_REFAULT_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "gctap/refault.h"

#define MODEL_PAGE	  4096ull
#define MODEL_CHUNK_PAGES 1024u
#define MODEL_AREA_PAGES  (3 * MODEL_CHUNK_PAGES)
/* Two areas whose chunks fall into the same buckets. */
#define MODEL_PAGES    (2 * MODEL_AREA_PAGES)
#define MODEL_AREA     0xc000000000ull
#define MODEL_DISTANCE (4096ull << 22)

struct refault_model {
	struct refault *refault;
	bool roomy; /* never more ranges than there is room for; else only sums are compared */
	struct model_page {
		bool watched;
		unsigned stage; /* the age that it waits for */
		uint64_t released_ns;
	} pages[MODEL_PAGES];
	uint64_t given; /* bytes, watched or not */
	uint64_t judged[REFAULT_AGES], lowest[REFAULT_AGES], highest[REFAULT_AGES];
};

static inline struct refault_model *refault_model_new(uint32_t ranges_max)
{
	struct refault_model *model = calloc(1, sizeof(*model));

	if (!model)
		abort();
	model->refault = refault_new(ranges_max);
	if (!model->refault)
		abort();
	model->roomy = ranges_max >= MODEL_PAGES;
	return model;
}

static inline void refault_model_free(struct refault_model *model)
{
	refault_free(model->refault);
	free(model);
}

static inline uint64_t model_address(unsigned page)
{
	return MODEL_AREA + page / MODEL_AREA_PAGES * MODEL_DISTANCE + page % MODEL_AREA_PAGES * MODEL_PAGE;
}

/* MODEL_PAGES: no page of ours. */
static inline unsigned model_page_at(uint64_t address)
{
	uint64_t from = address - MODEL_AREA, area = from / MODEL_DISTANCE, page = from % MODEL_DISTANCE / MODEL_PAGE;

	if (address < MODEL_AREA || area > 1 || page >= MODEL_AREA_PAGES || address % MODEL_PAGE)
		return MODEL_PAGES;
	return (unsigned)(area * MODEL_AREA_PAGES + page);
}

static inline const char *model_compare(const struct refault_model *model)
{
	const struct refault_totals *totals = refault_totals(model->refault);

	if (totals->released + totals->unwatched != model->given)
		return "what is watched and what is not are not all that was given back";
	if (model->roomy && totals->unwatched)
		return "something is not watched though there was room";
	for (unsigned age = 0; age < REFAULT_AGES; age++) {
		if (totals->returned[age] > totals->judged[age])
			return "more came back than was judged";
		if (age && totals->judged[age] > totals->judged[age - 1])
			return "more was judged at an age than at the one before";
		if (totals->judged[age] > model->given)
			return "more was judged than was given back";
		if (!model->roomy)
			continue;
		if (totals->judged[age] != model->judged[age])
			return "what was judged differs";
		if (totals->returned[age] < model->lowest[age])
			return "less came back than must have";
		if (totals->returned[age] > model->highest[age])
			return "more came back than can have";
	}
	return NULL;
}

/* @back pages of those that were watched had come back; which, is not known. */
static inline void model_count(struct refault_model *model, const unsigned overlap[REFAULT_AGES], unsigned back)
{
	unsigned all = 0, open = 0;

	for (unsigned stage = 0; stage < REFAULT_AGES; stage++)
		all += overlap[stage];
	back = back < all ? back : all;
	for (unsigned age = 0; age < REFAULT_AGES; age++) {
		open += overlap[age]; /* all that still wait for this age or an earlier one */
		model->judged[age] += open * MODEL_PAGE;
		model->lowest[age] += (back > all - open ? back - (all - open) : 0) * MODEL_PAGE;
		model->highest[age] += (back < open ? back : open) * MODEL_PAGE;
	}
}

/* Up to the end of the page's area. @freed: pages that were resident, at most @count. */
static inline const char *refault_model_release(struct refault_model *model, unsigned page, unsigned count,
						unsigned freed, uint64_t now_ns)
{
	unsigned overlap[REFAULT_AGES] = { 0 }, fresh = 0, end = (page / MODEL_AREA_PAGES + 1) * MODEL_AREA_PAGES;

	count = count < end - page ? count : end - page;
	freed = freed < count ? freed : count;
	for (unsigned i = page; i < page + count; i++) {
		if (model->pages[i].watched)
			overlap[model->pages[i].stage]++;
		else
			fresh++;
		model->pages[i] = (struct model_page){ true, 0, now_ns };
	}
	model_count(model, overlap, freed > fresh ? freed - fresh : 0);
	model->given += count * MODEL_PAGE;
	refault_release(model->refault, model_address(page), count * MODEL_PAGE, freed * MODEL_PAGE, now_ns);
	return model_compare(model);
}

static inline bool model_is_due(const struct model_page *page, uint64_t now_ns)
{
	return page->watched && now_ns - page->released_ns >= refault_age_ns[page->stage];
}

/* Is that range one that should come now? */
static inline const char *model_check_due(const struct refault_model *model, const struct refault_range *range,
					  uint64_t now_ns)
{
	unsigned first = model_page_at(range->address), count = (unsigned)(range->bytes / MODEL_PAGE);
	const struct model_page *page = &model->pages[first];

	if (first == MODEL_PAGES || !count || range->bytes % MODEL_PAGE || range->bytes > 4u << 20 ||
	    first % MODEL_CHUNK_PAGES + count > MODEL_CHUNK_PAGES)
		return "a range that was never released";
	if (!model->roomy)
		return NULL;
	if (!model_is_due(page, now_ns))
		return "a range comes too early";
	for (unsigned i = first; i < first + count; i++)
		if (!model->pages[i].watched || model->pages[i].stage != page->stage ||
		    model->pages[i].released_ns != page->released_ns)
			return "a range holds what was not released with it";
	for (unsigned i = 0; i < MODEL_PAGES; i++)
		if (model_is_due(&model->pages[i], now_ns) &&
		    (model->pages[i].stage > page->stage ||
		     (model->pages[i].stage == page->stage && model->pages[i].released_ns < page->released_ns)))
			return "an older range should come first";
	return NULL;
}

/* Of one range whose age has come, @present bytes are there. *@any: there was one. */
static inline const char *refault_model_judge(struct refault_model *model, uint64_t now_ns, uint64_t present, bool *any)
{
	struct refault_range range;
	const char *disagreement;
	unsigned stage, first;

	*any = refault_due(model->refault, now_ns, &range);
	for (unsigned i = 0; i < MODEL_PAGES && model->roomy && !*any; i++)
		if (model_is_due(&model->pages[i], now_ns))
			return "an age has come, and nobody said so";
	disagreement = *any ? model_check_due(model, &range, now_ns) : NULL;
	if (disagreement || !*any)
		return disagreement;
	refault_judge(model->refault, present);
	present = present < range.bytes ? present : range.bytes;
	first = model_page_at(range.address);
	stage = model->pages[first].stage;
	model->judged[stage] += range.bytes;
	model->lowest[stage] += present;
	model->highest[stage] += present;
	for (unsigned i = first; i < first + range.bytes / MODEL_PAGE && model->roomy; i++) {
		model->pages[i].watched = stage + 1 < REFAULT_AGES;
		model->pages[i].stage++;
	}
	return model_compare(model);
}

#endif
