// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/target_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>

#define PIECES_AT_ONCE 512u /* the kernel takes 1024 */

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

/* What was copied is a prefix. Returns how many pieces are settled: those that are whole, and one that failed. */
static size_t settle(struct memory_piece *pieces, size_t count, size_t copied)
{
	size_t whole = 0;

	while (whole < count && pieces[whole].length <= copied) {
		copied -= pieces[whole].length;
		pieces[whole++].read = true;
	}
	if (whole < count)
		pieces[whole++].read = false;
	return whole;
}

/* -EFAULT: the first piece is not mapped. */
static ssize_t read_some(const struct target *target, const struct memory_piece *pieces, size_t count)
{
	struct iovec local[PIECES_AT_ONCE], remote[PIECES_AT_ONCE];
	ssize_t got;

	for (size_t i = 0; i < count; i++) {
		local[i] = (struct iovec){ pieces[i].buffer, pieces[i].length };
		remote[i] = (struct iovec){ (void *)(uintptr_t)pieces[i].address, pieces[i].length };
	}
	got = process_vm_readv(target->pid, local, count, remote, count, 0);
	return got < 0 ? -errno : got;
}

int target_read_pieces(void *context, struct memory_piece *pieces, size_t count)
{
	const struct target *target = context;

	if (!target_alive(target))
		return -ESRCH;
	while (count) {
		size_t some = count < PIECES_AT_ONCE ? count : PIECES_AT_ONCE;
		ssize_t got = read_some(target, pieces, some);

		/* An address that no process can have is -EINVAL or -EFAULT, and of that piece only. */
		if (got < 0 && got != -EFAULT && got != -EINVAL)
			return (int)got;
		some = settle(pieces, some, got < 0 ? 0 : (size_t)got);
		pieces += some;
		count -= some;
	}
	return 0;
}
