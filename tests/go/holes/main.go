// SPDX-License-Identifier: BSD-2-Clause

// holes allocates objects of many sizes, forgets all but every seventh, collects, says what the runtime
// counts, and rests: a heap with free pages, and free slots in the pages that are not.
//
//	holes [-mib N] [-seconds N] [-release] [-unswept]
package main

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// An object of 64 bytes that has pointers.
type node struct {
	next *node
	data [7]uint64
}

const share = 64 << 10 // bytes of each size in a round

var (
	sizes = []int{16, 48, 160, 512, 1024, 2048, 8192, 40960, 524288}
	kept  [][]byte
	nodes []*node
	spare []byte
)

// Allocates as many bytes, about the same of each size, and keeps a seventh, the size of which it returns.
func fill(bytes int) (left int) {
	count, most := 0, bytes/1000
	kept, nodes = make([][]byte, 0, most), make([]*node, 0, most)
	left = most * (24 + 8)
	for done := 0; done < bytes; {
		for _, size := range sizes {
			for part := 0; part < share; part += size {
				object, linked := make([]byte, size), &node{}
				for i := 0; i < size; i += 512 {
					object[i] = 1
				}
				done += size + 64
				if count++; count%7 == 0 && len(kept) < most {
					kept, nodes = append(kept, object), append(nodes, linked)
					left += size + 64
				}
			}
		}
	}
	return left
}

func spin(seconds float64) {
	for start := time.Now(); time.Since(start).Seconds() < seconds; {
	}
}

// A collection of which hardly anything is swept: who has the one P sweeps in passing only. What is
// allocated while it marks counts as live: it is little, however long that takes.
func collectUnswept(seconds float64) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(100)
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	before := stats.NumGC
	for i := 0; stats.NumGC == before; i++ {
		if i%20 == 0 {
			spare = make([]byte, 40<<10)
		}
		spin(0.001)
		runtime.Gosched()
		debug.ReadGCStats(&stats)
	}
	fmt.Println("unswept")
	spin(seconds)
}

func main() {
	mib := flag.Int("mib", 64, "how much to allocate")
	seconds := flag.Float64("seconds", 60, "how long to rest")
	release := flag.Bool("release", false, "give free memory back")
	unswept := flag.Bool("unswept", false, "do not sweep what was collected, and spin")
	flag.Parse()

	// Nothing is collected on the way: what is forgotten leaves its holes at the end.
	debug.SetGCPercent(-1)
	left := fill(*mib << 20)
	fmt.Printf("Kept=%d\n", left)
	if *unswept {
		collectUnswept(*seconds)
		return
	}
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
