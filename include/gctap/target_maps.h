/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target_maps: the mappings of a process as the kernel lists them, and what it holds of each
 * (/proc/PID/smaps, or /proc/PID/maps alone). Knows nothing of Go but the names that the runtime
 * may give to its mappings. Names are the process's choice: a file may be called anything, and
 * prctl(PR_SET_VMA_ANON_NAME) names anonymous memory as the process likes.
 *
 * The list is not taken at one moment: the kernel walks it a few mappings at a time, in order of
 * addresses, while the process runs. No two mappings overlap.
 *
 * Numbers are bytes; one that the kernel does not show (an older one, or a text that was cut) is VALUE_UNKNOWN.
 */
#ifndef GCTAP_TARGET_MAPS_H
#define GCTAP_TARGET_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gctap/target.h"
#include "gctap/unknown.h"

enum mapping_permission {
	MAPPING_READ = 1,
	MAPPING_WRITE = 2,
	MAPPING_EXECUTE = 4,
	MAPPING_SHARED = 8, /* else private */
};

/* The VmFlags line, as far as it says something about resident memory (Documentation/filesystems/proc.rst). */
enum mapping_flag {
	MAPPING_GROWS_DOWN = 1 << 0,	/* gd */
	MAPPING_PFN = 1 << 1,		/* pf: pages without a struct page, which no Rss counts */
	MAPPING_IO = 1 << 2,		/* io */
	MAPPING_MIXED = 1 << 3,		/* mm: with and without */
	MAPPING_LOCKED = 1 << 4,	/* lo */
	MAPPING_HUGETLB = 1 << 5,	/* ht: its pages are in Shared_/Private_Hugetlb, and in no Rss */
	MAPPING_HUGEPAGE = 1 << 6,	/* hg: MADV_HUGEPAGE */
	MAPPING_NOHUGEPAGE = 1 << 7,	/* nh: MADV_NOHUGEPAGE; also MAP_STACK since Linux 6.7 */
	MAPPING_NORESERVE = 1 << 8,	/* nr */
	MAPPING_ACCOUNTED = 1 << 9,	/* ac: counts towards the commit limit */
	MAPPING_DONTDUMP = 1 << 10,	/* dd */
	MAPPING_DONTFORK = 1 << 11,	/* dc */
	MAPPING_WIPEONFORK = 1 << 12,	/* wf */
	MAPPING_GUARDED = 1 << 13,	/* gu: may have guard pages (MADV_GUARD_INSTALL) */
	MAPPING_UFFD_MISSING = 1 << 14, /* um */
	MAPPING_UFFD_WP = 1 << 15,	/* uw */
	MAPPING_MERGEABLE = 1 << 16,	/* mg: KSM */
};

/*
 * What smaps says of a mapping. Private/Shared and Clean/Dirty together are rss. Zero pages are in
 * none of these, hugetlb pages only in the two of that name.
 */
struct mapping_memory {
	uint64_t rss, pss, pss_dirty;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t referenced, anonymous, ksm;
	/* MADV_FREE, not yet reclaimed, not written since. The last ones, some tens of pages a CPU, show late. */
	uint64_t lazy_free;
	uint64_t anonymous_huge, shmem_huge, file_huge; /* mapped by a PMD */
	uint64_t shared_hugetlb, private_hugetlb;
	uint64_t swap, swap_pss, locked;
};

/*
 * What a mapping is, from the kernel's side alone. Those with an (s) are told by shape (size,
 * alignment, neighbours) and marked so in by_shape; anonymous memory that nothing tells stays MAPPING_ANONYMOUS.
 */
enum mapping_kind {
	MAPPING_ANONYMOUS,   /* private, readable or writable, without a name */
	MAPPING_RESERVED,    /* the same with no permission at all: reserved address space, guard pages */
	MAPPING_NAMED,	     /* "[anon:...]" with a name of somebody else's */
	MAPPING_GO,	     /* "[anon: Go: ...]": see go_name */
	MAPPING_EXE_TEXT,    /* the executable, executable */
	MAPPING_EXE_RODATA,  /* the executable, only readable: also what is read-only after relocation */
	MAPPING_EXE_DATA,    /* the executable, writable */
	MAPPING_EXE_BSS,     /* (s) anonymous, directly behind the executable */
	MAPPING_LIBRARY,     /* another file of which some mapping is executable */
	MAPPING_LIBRARY_BSS, /* (s) anonymous, directly behind a library: its bss, and what the kernel merged with it */
	MAPPING_FILE,	     /* another file */
	MAPPING_SHMEM,	     /* memfd, /dev/shm, System V, shared anonymous memory */
	MAPPING_HUGETLB_PAGES, /* hugetlbfs, MAP_HUGETLB */
	MAPPING_DEVICE,	       /* a device, or an object of the kernel that is no file (perf, io_uring, DRM) */
	MAPPING_BRK,	       /* "[heap]": what brk() gives; a Go program has it with cgo only */
	MAPPING_MALLOC,	       /* glibc says so (2.38+, GLIBC_TUNABLES=glibc.mem.decorate_maps=1) */
	MAPPING_MALLOC_ARENA,  /* glibc says so, or (s) 64 MiB aligned, near the libraries */
	MAPPING_STACK,	       /* "[stack]": of the first thread */
	MAPPING_THREAD_STACK,  /* a name says so, or (s) RLIMIT_STACK bytes above a guard page */
	MAPPING_KERNEL,	       /* [vdso], [vvar], [uprobes] ... */
	MAPPING_KINDS
};

/* Names that the runtime gives, Go 1.25 to 1.27: setVMAName in mem_linux.go adds " Go: ". */
enum mapping_go_name {
	MAPPING_GO_OTHER, /* a name that is not known here */
	MAPPING_GO_HEAP,
	MAPPING_GO_HEAP_RESERVATION,
	MAPPING_GO_HEAP_INDEX,
	MAPPING_GO_HEAP_METADATA,
	MAPPING_GO_GC_BITS,
	MAPPING_GO_PAGE_SUMMARY,
	MAPPING_GO_PAGE_ALLOC,
	MAPPING_GO_SCAVENGE_INDEX,
	MAPPING_GO_IMMORTAL_METADATA,
	MAPPING_GO_ALLSPANS_ARRAY,
	MAPPING_GO_PROFILER_HASH_BUCKETS,
	MAPPING_GO_USER_ARENA_CHUNK,
	MAPPING_GO_OS_THREAD_STACK,
	MAPPING_GO_HEAPDUMP,
	MAPPING_GO_GETRANDOM_STATES,
	MAPPING_GO_UNUSED,
	MAPPING_GO_USED,
	MAPPING_GO_NAMES
};

struct mapping {
	uint64_t start, end;  /* addresses; start < end */
	uint64_t file_offset; /* bytes */
	uint64_t inode;	      /* 0: no file */
	dev_t device;	      /* of the inode as the kernel has it: on overlayfs and btrfs not always stat's */
	/*
	 * As the kernel writes it: a newline in a file's name is \012 (so is the text \012 in one: the writing
	 * is not unique), and " (deleted)" follows the name of a file that has none any more. "" for none.
	 */
	const char *name;
	uint32_t permissions; /* MAPPING_READ ... */
	uint32_t flags;	      /* MAPPING_GROWS_DOWN ... */
	bool flags_known;
	bool name_cut;	     /* longer than what is kept */
	bool by_shape;	     /* the kind was concluded, not read */
	int8_t thp_eligible; /* 1, 0; -1: unknown */
	enum mapping_kind kind;
	enum mapping_go_name go_name; /* of MAPPING_GO */
	uint64_t page_size;	      /* KernelPageSize */
	struct mapping_memory memory;
};

#define TARGET_MAPS_MAX	      (1u << 18)  /* mappings that are kept: vm.max_map_count is 65530 unless it is raised */
#define TARGET_MAPS_NAMES_MAX (64u << 20) /* bytes of their names */

struct target_maps {
	struct mapping *mappings; /* by ascending address */
	size_t nr;
	char *names;		     /* what the mappings' names point into */
	uint64_t beyond;	     /* mappings behind the limits: only in the total */
	uint64_t malformed;	     /* lines that are no mapping and no field */
	uint64_t incomplete;	     /* mappings whose Rss is unknown: the total lacks them */
	struct mapping_memory total; /* of what is known of all; a field that none shows is unknown */
};

/* From a text of smaps or of maps. -ENOMEM, or -errno of a failed read. The kinds are not set. */
int target_maps_parse(FILE *text, struct target_maps **out);

/* What the kinds are concluded from. */
struct mapping_facts {
	struct file_id exe;
	const char *exe_path; /* as /proc/PID/exe names it; NULL: unknown */
	uint64_t stack_bytes; /* soft RLIMIT_STACK: what C libraries take for a thread; VALUE_UNKNOWN: 8 MiB */
};
/* Sets the kinds. 0 or -ENOMEM. */
int target_maps_classify(struct target_maps *maps, const struct mapping_facts *facts);

enum target_maps_detail {
	TARGET_MAPS_PLACES, /* /proc/PID/maps: no memory, no flags */
	TARGET_MAPS_MEMORY, /* /proc/PID/smaps: the kernel walks all of the page tables, holding mmap_lock for reading
			     */
};
/* Reads and classifies. -EACCES without CAP_SYS_PTRACE, -ESRCH when the process has ended. */
int target_maps_read(const struct target *target, enum target_maps_detail detail, struct target_maps **out);
void target_maps_free(struct target_maps *maps);

/* The mapping that holds the address, or NULL. */
const struct mapping *target_maps_find(const struct target_maps *maps, uint64_t address);

/* "executable text", "Go heap" ...: for users. */
const char *mapping_kind_name(enum mapping_kind kind);
/* "heap", "heap index" ...; "" for MAPPING_GO_OTHER. */
const char *mapping_go_name_text(enum mapping_go_name name);

/* /proc/PID/statm in bytes: counters, approximate from Linux 6.2 to 6.16 (a part per CPU). */
struct target_statm {
	uint64_t size, resident, shared; /* shared: file pages and shmem */
};
int target_statm(pid_t pid, struct target_statm *statm);
int target_statm_parse(FILE *text, struct target_statm *statm);

#endif
