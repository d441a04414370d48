/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_side: what the life cycles of the BPF objects have in common: libbpf's
 * messages, the pid namespace that the kernel side counts in, the size of a
 * ring, counters per CPU.
 */
#ifndef GCTAP_PROBE_KERNEL_SIDE_H
#define GCTAP_PROBE_KERNEL_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gctap/failure.h"

/* From now on libbpf's messages are shown on stderr only if they are wanted, see libbpf_show(). */
void libbpf_quiet(void);
void libbpf_show(bool wanted);

/* Inode of our pid namespace. */
int pid_namespace_inode(uint32_t *inode, struct failure *failure);

/* libbpf leaves a skeleton without its variables (bss) when it thinks that the kernel cannot map them. */
int variables_mapped(const void *variables, struct failure *failure);

/* The next power of two of pages, up to 1 GiB. */
size_t ring_bytes_round(size_t wanted);

/* Data in a ring from which the reader is woken. */
size_t ring_wakeup_bytes(size_t ring_bytes);

/* Element @index of an array of one uint64_t per CPU, summed up. */
int counter_sum(int map_fd, uint32_t index, uint64_t *sum);

#endif
