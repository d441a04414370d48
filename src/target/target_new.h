/* SPDX-License-Identifier: BSD-2-Clause */
/* target_new: what opening and spawning have in common. */
#ifndef GCTAP_TARGET_TARGET_NEW_H
#define GCTAP_TARGET_TARGET_NEW_H

#include "gctap/target.h"

/* No descriptor open, nothing known but the pid; NULL when out of memory. Ends with target_close(). */
struct target *target_new(pid_t pid);

int target_open_pidfd(struct target *target);

#endif
