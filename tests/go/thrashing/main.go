// SPDX-License-Identifier: BSD-2-Clause

// thrashing gives its memory back with debug.FreeOSMemory and needs it again at once, over and over: what is
// given back is faulted in within a second. It says "ready" and goes on until it is ended.
package main

import (
	"fmt"
	"runtime/debug"
	"time"
)

const (
	bytes = 24 << 20
	page  = 4096
)

var buffer []byte

func fill() {
	buffer = make([]byte, bytes)
	for i := 0; i < len(buffer); i += page {
		buffer[i] = 1
	}
}

func main() {
	fmt.Println("ready")
	for {
		fill()
		time.Sleep(100 * time.Millisecond)
		buffer = nil
		debug.FreeOSMemory()
		fill()
		time.Sleep(400 * time.Millisecond)
	}
}
