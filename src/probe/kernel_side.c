// SPDX-License-Identifier: BSD-2-Clause
#include "probe/kernel_side.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define RING_BYTES_MAX	(1u << 30)
#define WAKEUP_FRACTION 4 /* the reader is woken from a quarter of the ring on */

static bool libbpf_wanted;

static int libbpf_message(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	return libbpf_wanted ? vfprintf(stderr, format, arguments) : 0;
}

void libbpf_quiet(void)
{
	libbpf_set_print(libbpf_message);
}

void libbpf_show(bool wanted)
{
	libbpf_wanted = wanted;
}

int pid_namespace_inode(uint32_t *inode, struct failure *failure)
{
	struct stat namespace;

	if (stat("/proc/self/ns/pid", &namespace))
		return failure_set(failure, -errno, "cannot read /proc/self/ns/pid: %s (is /proc mounted?)",
				   strerror(errno));
	*inode = namespace.st_ino;
	return 0;
}

int variables_mapped(const void *variables, struct failure *failure)
{
	if (variables)
		return 0;
	return failure_set(failure, -EIO, "cannot map the variables of the BPF programs (more with --verbose)");
}

size_t ring_bytes_round(size_t wanted)
{
	size_t bytes = sysconf(_SC_PAGESIZE);

	while (bytes < wanted && bytes < RING_BYTES_MAX)
		bytes <<= 1;
	return bytes;
}

size_t ring_wakeup_bytes(size_t ring_bytes)
{
	return ring_bytes / WAKEUP_FRACTION;
}

int counter_sum(int map_fd, uint32_t index, uint64_t *sum)
{
	int nr_cpus = libbpf_num_possible_cpus();
	uint64_t *per_cpu;
	int error = 0;

	if (nr_cpus < 0)
		return nr_cpus;
	per_cpu = calloc(nr_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	*sum = 0;
	if (bpf_map_lookup_elem(map_fd, &index, per_cpu))
		error = -errno;
	for (int cpu = 0; cpu < nr_cpus && !error; cpu++)
		*sum += per_cpu[cpu];
	free(per_cpu);
	return error;
}
