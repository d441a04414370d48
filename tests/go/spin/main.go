// SPDX-License-Identifier: BSD-2-Clause

// spin allocates into a tiny heap and so collects thousands of times a second: what a trap per cycle
// costs shows in its nanoseconds per allocation. It prints what it did when it ends.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

// However small the heap, a cycle is a megabyte of allocations away (sweepMinHeapDistance): large
// objects get there fastest.
const (
	objectSize = 32 << 10
	batch      = 32
)

var sink []byte

// ReadGCStats does not stop the world, and with room for the pauses it allocates nothing.
type counter struct{ stats debug.GCStats }

func newCounter() *counter {
	return &counter{debug.GCStats{Pause: make([]time.Duration, 0, 1024)}}
}

func (c *counter) collections() int64 {
	c.stats.Pause = c.stats.Pause[:0]
	c.stats.PauseEnd = c.stats.PauseEnd[:0]
	debug.ReadGCStats(&c.stats)
	return c.stats.NumGC
}

func allocateBatch() {
	for i := 0; i < batch; i++ {
		sink = make([]byte, objectSize)
	}
}

func main() {
	cycles := flag.Int64("cycles", 0, "end after so many collections, 0: no limit")
	seconds := flag.Float64("seconds", 5, "end after so many seconds, 0: no limit")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	percent := flag.Int("gcpercent", 10, "heap growth per cycle, if GOGC is not set")
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(*percent)
	}
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	count := newCounter()
	first := count.collections()
	start := time.Now()
	var allocations, collected int64
	var elapsed time.Duration
	for {
		allocateBatch()
		allocations += batch
		elapsed = time.Since(start)
		collected = count.collections() - first
		if *cycles > 0 && collected >= *cycles || *seconds > 0 && elapsed.Seconds() >= *seconds {
			break
		}
	}
	fmt.Printf("NumGC=%d allocations=%d ns_per_allocation=%.1f cycles_per_second=%.0f\n",
		collected, allocations, float64(elapsed.Nanoseconds())/float64(allocations),
		float64(collected)/elapsed.Seconds())
	// The runtime's last trace line must get out before the process ends.
	time.Sleep(100 * time.Millisecond)
}
