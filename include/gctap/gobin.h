/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gobin: what the Go linker put into an image: the pclntab in all its forms,
 * moduledata, functions by name and by address, lines, version, how it was
 * built. Go is recognised by its pclntab, not by buildinfo, which not every
 * Go binary has. Knows no emulator.
 *
 * Addresses are virtual addresses of the file (load bias 0).
 */
#ifndef GCTAP_GOBIN_H
#define GCTAP_GOBIN_H

#include <stdbool.h>
#include <stdint.h>

#include "gctap/failure.h"
#include "gctap/image.h"

struct gobin;

/* Source: magic of runtime/symtab.go and debug/gosym of the respective releases. */
enum pclntab_form {
	PCLNTAB_GO12,  /* 0xfffffffb, Go 1.2 - 1.15 */
	PCLNTAB_GO116, /* 0xfffffffa, Go 1.16 - 1.17 */
	PCLNTAB_GO118, /* 0xfffffff0, Go 1.18 - 1.19 */
	PCLNTAB_GO120, /* 0xfffffff1, Go 1.20 - ; header's textStart is 0 from 1.26 */
};

struct gobin_function {
	uint64_t entry;	  /* first address */
	uint64_t end;	  /* first address behind it */
	uint32_t index;	  /* in ftab */
	const char *name; /* as long as the image is open */
};

/* What moduledata says of the data segment; all 0 when no moduledata was found. */
struct gobin_moduledata {
	uint64_t address;
	uint64_t text, etext;
	uint64_t noptrdata, enoptrdata, data, edata, bss, ebss, noptrbss, enoptrbss;
};

/* The image stays the caller's and must outlive the gobin. -ENOEXEC: no Go binary. */
int gobin_open(struct image *image, struct gobin **out, struct failure *failure);
void gobin_close(struct gobin *gobin);

struct image *gobin_image(struct gobin *gobin);
enum pclntab_form gobin_form(const struct gobin *gobin);
uint64_t gobin_pclntab(const struct gobin *gobin); /* address */
uint64_t gobin_text(const struct gobin *gobin);	   /* runtime.text: base of 1.18+ entry offsets */
uint32_t gobin_function_count(const struct gobin *gobin);
const struct gobin_moduledata *gobin_moduledata(const struct gobin *gobin);

/*
 * The first function of that name; -ENOENT when there is none. Looks from the
 * front, where the runtime lies, so that a large binary costs no more than a
 * small one.
 */
int gobin_function_by_name(struct gobin *gobin, const char *name, struct gobin_function *function);
/* Every name, in the order of the text, until the callback answers non-zero. Reads the whole table. */
int gobin_each_function_name(struct gobin *gobin, int (*callback)(const char *name, void *context), void *context);

/* -ENOENT outside the text. Binary search: a few pages. */
int gobin_function_by_address(struct gobin *gobin, uint64_t address, struct gobin_function *function);

/*
 * Source position of an address in the function that it belongs to, file as the compiler wrote it. In
 * code that was inlined from another file it is that of the call.
 */
int gobin_line(struct gobin *gobin, uint64_t address, const char **file, uint32_t *line);

/* Go's version as "go1.27.4"; -ENOENT where neither buildinfo nor runtime.buildVersion tells. */
int gobin_version(struct gobin *gobin, char *version, size_t size);

/* The Go linker's build id, "a/b/c/d"; -ENOENT where the note or the section headers are gone. */
int gobin_build_id(struct gobin *gobin, char *id, size_t size);

enum gobin_fact { GOBIN_NO, GOBIN_YES, GOBIN_UNKNOWN };

struct gobin_build {
	bool pie;		  /* ET_DYN */
	bool dynamic;		  /* has an interpreter */
	bool buildinfo;		  /* has a readable .go.buildinfo blob */
	bool pclntab_section;	  /* a section header names it */
	bool symtab;		  /* has .symtab */
	bool dwarf;		  /* has .debug_info or .zdebug_info (possibly only of C parts) */
	bool sections;		  /* has section headers at all */
	enum gobin_fact external; /* linked by the C linker: its start-up code lies before runtime.text */
	enum gobin_fact cgo;	  /* has runtime/cgo */
	enum gobin_fact race;	  /* built with -race */
	char settings[1024];	  /* -buildmode and the like from buildinfo, "k=v k=v"; "" when not said */
};
void gobin_build(struct gobin *gobin, struct gobin_build *build);

#endif
