/* SPDX-License-Identifier: BSD-2-Clause */
/* cgroup_text: the texts that say which cgroup a process is in and where it is mounted, and the files of a cgroup. */
#ifndef GCTAP_TARGET_CGROUP_TEXT_H
#define GCTAP_TARGET_CGROUP_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include "gctap/cgroup.h"

/*
 * /proc/PID/cgroup: the path of the memory controller. Version 1 where the controller is in a hierarchy of
 * its own, else 2; 0 for neither.
 */
int cgroup_path_parse(FILE *text, char *path, size_t size, int *version);

/*
 * /proc/PID/mountinfo: where the cgroup of that path lies, and the mount point above it. -ENOENT when no
 * mount of that version shows it.
 */
int cgroup_directory_parse(FILE *text, int version, const char *path, char *directory, size_t size,
			   size_t *mount_length);

/* memory.stat: what it has is set. */
void cgroup_stat_parse(FILE *text, int version, struct cgroup_memory *memory);
/* memory.events. */
void cgroup_events_parse(FILE *text, struct cgroup_memory *memory);
/* A file of one number, or "max". */
uint64_t cgroup_number_parse(FILE *text, int version);

/* All that is in a cgroup's directory and above, up to the first @mount_length bytes of it. */
void cgroup_directory_read(struct cgroup_memory *memory, size_t mount_length);
void cgroup_memory_unknown(struct cgroup_memory *memory);

#endif
