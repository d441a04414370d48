// SPDX-License-Identifier: BSD-2-Clause

//go:build gctap_cgo
// +build gctap_cgo

package main

/*
#include <stdlib.h>
#include <string.h>

static int touch(size_t size)
{
	char *block = malloc(size);
	int last;

	if (!block)
		return -1;
	memset(block, 7, size);
	last = block[size - 1];
	free(block);
	return last;
}
*/
import "C"

func init() {
	foreign = func() {
		if C.touch(1<<16) != 7 {
			panic("malloc failed")
		}
	}
}
