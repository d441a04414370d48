// SPDX-License-Identifier: BSD-2-Clause

// vast has a heap that was large once and of which most has been given back: small objects that stay,
// among large ones that go and whose pages were never touched. It says what the runtime counts, and
// rests until it is ended.
//
//	vast [-gib N] [-keep MIB]
package main

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

var (
	large [][]byte
	small [][]byte
)

func main() {
	gib := flag.Int("gib", 20, "how large the heap gets")
	keep := flag.Int("keep", 256, "how many MiB of small objects stay")
	flag.Parse()

	debug.SetGCPercent(-1)
	const block = 64 << 20
	blocks := *gib << 30 / block
	for i := 0; i < blocks; i++ {
		// Fresh from the kernel and zero already: the runtime does not touch it.
		large = append(large, make([]byte, block))
		for size, done := 16, 0; done < *keep<<20/blocks; size = size%4096 + 112 {
			object := make([]byte, size)
			object[0] = 1
			small = append(small, object)
			done += size
		}
	}
	large = nil
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("HeapSys=%d HeapInuse=%d HeapReleased=%d\n", stats.HeapSys, stats.HeapInuse, stats.HeapReleased)
	for {
		time.Sleep(time.Hour)
		fmt.Println(len(small))
	}
}
