// SPDX-License-Identifier: BSD-2-Clause

// background leaves all giving back to the background scavenger: it fills a heap, drops it, collects,
// and then only looks on until nothing is given back any more. No debug.FreeOSMemory, no memory limit,
// and nothing is allocated once there is something to give back. The collection at the end has a
// scavtrace line about the rest of it.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	block = 1 << 20
	page  = 4 << 10
	calm  = 500 * time.Millisecond // nothing given back for so long: there is no more
)

var heap [][]byte

func fill(blocks int) {
	for i := 0; i < blocks; i++ {
		memory := make([]byte, block)
		for at := 0; at < len(memory); at += page {
			memory[at] = 1
		}
		heap = append(heap, memory)
	}
}

func released(stats *runtime.MemStats) uint64 {
	runtime.ReadMemStats(stats)
	return stats.HeapReleased
}

func awaitCalm(limit time.Duration) {
	var stats runtime.MemStats
	start, changed, last := time.Now(), time.Now(), released(&stats)
	for time.Since(start) < limit && time.Since(changed) < calm {
		time.Sleep(10 * time.Millisecond)
		if now := released(&stats); now != last {
			changed, last = time.Now(), now
		}
	}
}

func main() {
	blocks := flag.Int("blocks", 24, "megabytes to fill")
	seconds := flag.Float64("seconds", 8, "look on for so long at most")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	fill(*blocks)
	runtime.GC()
	heap = nil
	// How much may stay is reckoned from what the collection before found in use.
	runtime.GC()
	runtime.GC()
	awaitCalm(time.Duration(*seconds * float64(time.Second)))
	runtime.GC()
	// The runtime's last trace line must get out before the process ends.
	time.Sleep(100 * time.Millisecond)
}
