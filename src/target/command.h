/* SPDX-License-Identifier: BSD-2-Clause */
/* command: a name and an environment, made ready for execve. */
#ifndef GCTAP_TARGET_COMMAND_H
#define GCTAP_TARGET_COMMAND_H

#include <stddef.h>

/*
 * Where execvp would find @name: as it is if it has a slash, else the first
 * executable regular file on PATH. -ENOENT, -EACCES, or -ENAMETOOLONG.
 */
int command_find(const char *name, char *path, size_t size);

/*
 * The inherited environment with @settings ("NAME=VALUE", NULL-terminated, or
 * NULL) over it. The array is the caller's to free, its strings are not; NULL
 * when out of memory.
 */
char **command_environment(const char *const *settings);

#endif
