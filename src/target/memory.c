// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>

int target_mapping(const struct target *target, uint64_t *address, uint64_t *file_offset)
{
	char path[64], line[8192];
	FILE *maps;
	int error = -ENOENT;

	snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	/* Lines are in the order of addresses. The inode tells the file, whatever its name or mount. */
	while (error && fgets(line, sizeof(line), maps)) {
		uint64_t start, offset, inode;

		if (sscanf(line, "%" SCNx64 "-%*x %*s %" SCNx64 " %*x:%*x %" SCNu64, &start, &offset, &inode) == 3 &&
		    inode == target->exe.inode) {
			*address = start;
			*file_offset = offset;
			error = 0;
		}
	}
	fclose(maps);
	return error;
}

int target_read(const struct target *target, uint64_t address, void *buffer, size_t length)
{
	struct iovec local = { buffer, length }, remote = { (void *)(uintptr_t)address, length };
	ssize_t got;

	if (!target_alive(target))
		return -ESRCH;
	got = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);
	if (got < 0)
		return -errno;
	return (size_t)got == length ? 0 : -EFAULT;
}
