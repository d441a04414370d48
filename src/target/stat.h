/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stat: the line of /proc/PID/stat, parsed. The comm in it is chosen by the
 * process and may hold anything: spaces, parentheses, newlines.
 */
#ifndef GCTAP_TARGET_STAT_H
#define GCTAP_TARGET_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
	pid_t pid;
	char comm[16];
	char state; /* R, S, D, T, Z, X ... */
	bool kernel_thread;
	uint64_t start_ticks; /* field 22: clock ticks since boot */
};

/* @line: @length bytes, NUL-terminated or not. -EINVAL for what is no stat line. */
int process_stat_parse(const char *line, size_t length, struct process_stat *stat);

/* -ESRCH when there is no such process. */
int process_stat_read(pid_t pid, struct process_stat *stat);

#endif
