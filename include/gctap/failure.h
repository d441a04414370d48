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

/* Writes the reason into @failure, which may be NULL. */
void failure_write(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with the value of @error: a macro, so that analysers see which value is returned. */
#define failure_set(failure, error, ...)                                                                               \
	({                                                                                                             \
		int failure_error = (error);                                                                           \
		failure_write((failure), __VA_ARGS__);                                                                 \
		failure_error;                                                                                         \
	})

#endif
