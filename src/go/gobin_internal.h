/* SPDX-License-Identifier: BSD-2-Clause */
/* gobin_internal: what the files of this room share. */
#ifndef GCTAP_GOBIN_INTERNAL_H
#define GCTAP_GOBIN_INTERNAL_H

#include "gctap/gobin.h"

struct pclntab {
	enum pclntab_form form;
	uint64_t address; /* of its header */
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* upper bound: to the end of the section or segment */
	uint32_t quantum; /* of pc deltas: 1 on amd64, 4 on arm64 */
	uint32_t nr_functions;
	uint64_t text_start; /* from the header; 0 where it has none */
	/* Positions in the table, bytes. */
	uint64_t names, units, files, pc_values, functions;
};

struct gobin {
	struct image *image;
	struct pclntab table;
	uint64_t text;
	struct gobin_moduledata module;
};

/* Bytes of the table, or NULL behind its end. */
const void *pclntab_at(const struct gobin *gobin, uint64_t position, size_t length);

/* Reads a header at an address; false when it is none or cannot be one. */
bool pclntab_read(struct image *image, uint64_t address, uint64_t size, struct pclntab *table);

/* Looks everywhere: named sections first, then all of the file. Calls back for each; stops at true. */
bool pclntab_search(struct image *image, bool (*candidate)(const struct pclntab *table, void *context), void *context);

/* Finds the moduledata that points to that table. */
bool moduledata_find(struct image *image, const struct pclntab *table, struct gobin_moduledata *module);

/* Which words are worth a visit: (word & mask) == value, words as they lie in memory. */
struct word_filter {
	uint64_t mask, value;
};

/*
 * Calls back for each 8-byte word of [address, address + size) that lies in
 * the file and passes the filter, by steps that are not kept in memory. Stops
 * at true and returns it. @bytes holds the word and what follows it in the
 * same step (@left bytes).
 */
typedef bool (*word_visitor)(uint64_t address, const uint8_t *bytes, size_t left, void *context);
bool scan_words(struct image *image, uint64_t address, uint64_t size, struct word_filter filter, word_visitor visit,
		void *context);

#endif
