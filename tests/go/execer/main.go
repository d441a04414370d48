// SPDX-License-Identifier: BSD-2-Clause

// execer collects, replaces itself by a new image of the same program in the same process, collects
// again and ends: cycle numbers start anew, addresses move, the pid stays.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

var sink [][]byte

func collect(cycles int) {
	for i := 0; i < cycles; i++ {
		sink = append(sink, make([]byte, 64<<10))
		runtime.GC()
	}
	// The runtime's last trace line must get out before the image goes.
	time.Sleep(100 * time.Millisecond)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("pid=%d NumGC=%d\n", os.Getpid(), stats.NumGC)
}

func main() {
	cycles := flag.Int("cycles", 20, "how many collections in each image")
	images := flag.Int("images", 2, "how many images, this one included")
	flag.Parse()

	collect(*cycles)
	if *images <= 1 {
		return
	}
	next := []string{os.Args[0], "-cycles", strconv.Itoa(*cycles), "-images", strconv.Itoa(*images - 1)}
	err := syscall.Exec("/proc/self/exe", next, os.Environ())
	fmt.Fprintln(os.Stderr, "execer:", err)
	os.Exit(1)
}
