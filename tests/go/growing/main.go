// SPDX-License-Identifier: BSD-2-Clause

// growing makes its heap grow while there is free memory in it that cannot be used, a page between
// any two: the runtime gives as much of that back as the heap grows by. One large object follows at
// once on the collection that made the holes, so that the background scavenger, which has a hundredth
// of the time, has hardly begun. No memory limit, no debug.FreeOSMemory.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
)

const (
	megabyte = 1 << 20
	small    = 8 << 10 // a page of the runtime: the smallest hole
)

var (
	smalls [][]byte
	large  []byte
)

func fillSmall(bytes int) {
	for i := 0; i < bytes/small; i++ {
		memory := make([]byte, small)
		memory[0], memory[small/2] = 1, 1
		smalls = append(smalls, memory)
	}
}

// Of every sixteen one is kept.
func dropMost() {
	for i := range smalls {
		if i%16 != 0 {
			smalls[i] = nil
		}
	}
}

func main() {
	megabytes := flag.Int("megabytes", 128, "size of the heap before it grows, and of the growth")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	smalls = make([][]byte, 0, *megabytes*megabyte/small)
	fillSmall(*megabytes * megabyte)
	runtime.GC()
	dropMost()
	// From Go 1.21 on the scavenger leaves alone what was full in the cycle before.
	runtime.GC()
	runtime.GC()
	large = make([]byte, *megabytes*megabyte)
	fmt.Printf("bytes=%d\n", len(large))
	runtime.KeepAlive(smalls)
}
