/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * failure: why something did not work, in words for the user.
 *
 * Functions that can fail return 0 or a negative errno and, where the reason
 * needs words, take a `struct failure *`. The place that knows the reason
 * writes it, once; nobody on the way up rewrites it. Modules never print.
 */
#ifndef GCTAP_FAILURE_H
#define GCTAP_FAILURE_H

struct failure {
	char text[512]; /* one line, no newline, NUL-terminated; "" when unset */
};

/* Writes the reason into @failure (which may be NULL) and returns @error. */
int failure_set(struct failure *failure, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
