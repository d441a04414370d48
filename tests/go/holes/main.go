// SPDX-License-Identifier: BSD-2-Clause

// holes allocates objects of many sizes, forgets all but every seventh, collects, says what the runtime
// counts, and sleeps: a heap at rest with free pages, and free slots in the pages that are not.
//
//	holes [-mib N] [-seconds N] [-release]
package main

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

type node struct {
	next *node
	data [3]uint64
}

var (
	sizes = []int{8, 16, 48, 160, 512, 1000, 2048, 9000, 40000, 500000}
	kept  [][]byte
	nodes []*node
)

func fill(bytes, keep int) {
	for i, done := 0, 0; done < bytes; i++ {
		object := make([]byte, sizes[i%len(sizes)])
		for j := 0; j < len(object); j += 512 {
			object[j] = 1
		}
		linked := &node{}
		if i%keep == 0 {
			kept = append(kept, object)
			nodes = append(nodes, linked)
		}
		done += len(object) + 32
	}
}

func main() {
	mib := flag.Int("mib", 64, "how much to allocate")
	seconds := flag.Float64("seconds", 60, "how long to sleep")
	release := flag.Bool("release", false, "give free memory back")
	flag.Parse()

	// Nothing is collected on the way: what is forgotten leaves its holes at the end.
	debug.SetGCPercent(-1)
	fill(*mib<<20, 7)
	debug.SetGCPercent(100)
	runtime.GC()
	runtime.GC()
	if *release {
		debug.FreeOSMemory()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("HeapAlloc=%d HeapInuse=%d HeapIdle=%d HeapReleased=%d\n", stats.HeapAlloc, stats.HeapInuse,
		stats.HeapIdle, stats.HeapReleased)
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	fmt.Println(len(kept), len(nodes))
}
