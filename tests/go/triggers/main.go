// SPDX-License-Identifier: BSD-2-Clause

// triggers makes collections for one reason, each from a function whose name tells it:
//
//	triggers [-cycles N] heap   the heap reached its goal, in main.allocateMuch
//	triggers [-cycles N] gc     runtime.GC, from main.collectNow
//	triggers [-cycles N] free   debug.FreeOSMemory, from main.giveBack
//	triggers [-cycles N] limit  the memory limit; start with GOGC=off GOMEMLIMIT=20MiB (Go 1.19)
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

var sink []byte

//go:noinline
func allocateMuch() {
	for i := 0; i < 64; i++ {
		sink = make([]byte, 16<<10)
	}
}

//go:noinline
func collectNow() { runtime.GC() }

//go:noinline
func giveBack() { debug.FreeOSMemory() }

func fail(status int, message string) {
	fmt.Fprintln(os.Stderr, "triggers: "+message)
	os.Exit(status)
}

func action(reason string) func() {
	switch reason {
	case "heap":
		return allocateMuch
	case "gc":
		return collectNow
	case "free":
		return giveBack
	case "limit":
		// Set in the environment, for Go 1.15 has no call for it to compile.
		if os.Getenv("GOMEMLIMIT") == "" || os.Getenv("GOGC") != "off" {
			fail(2, "limit wants GOGC=off GOMEMLIMIT=20MiB in the environment")
		}
		return allocateMuch
	}
	fail(2, "what for? one of heap, gc, free, limit")
	return nil
}

// A runtime without a memory limit, or a limit too high, would never collect.
const enoughHeap = 4 << 30

func main() {
	cycles := flag.Uint("cycles", 10, "end after so many collections")
	flag.Parse()
	act := action(flag.Arg(0))

	var stats runtime.MemStats
	for uint(stats.NumGC) < *cycles {
		act()
		runtime.ReadMemStats(&stats)
		if stats.HeapAlloc > enoughHeap {
			fail(1, "4 GiB allocated and no collection")
		}
	}
	time.Sleep(100 * time.Millisecond)
	runtime.ReadMemStats(&stats)
	fmt.Printf("NumGC=%d NumForcedGC=%d\n", stats.NumGC, stats.NumForcedGC)
	// The runtime's last trace line must get out before the process ends.
	time.Sleep(100 * time.Millisecond)
}
