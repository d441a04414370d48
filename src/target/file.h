/* SPDX-License-Identifier: BSD-2-Clause */
/* file: the identity of an open file. */
#ifndef GCTAP_TARGET_FILE_H
#define GCTAP_TARGET_FILE_H

#include "gctap/target.h"

/* -EINVAL when it is not a regular file. */
int file_identify(int fd, struct file_id *id);

/* How the kernel names an open file, at most @size bytes with the NUL; "" when it does not. */
void file_name(int fd, char *name, size_t size);

#endif
