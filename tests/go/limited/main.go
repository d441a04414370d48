// SPDX-License-Identifier: BSD-2-Clause

// limited allocates under a memory limit, with GOGC off, so that it is allocations that give memory
// back. In every round small objects with holes between them come first, then large ones, which fit
// into no hole: what the holes have must go before the heap may grow into the rest. In the next round
// the small ones take the holes back, and what the large ones had must go.
//
// The background scavenger runs, too, for it also sees that the limit is near. But it has a hundredth
// of the time, and here allocations give back all the time: theirs is the far larger part.
//
// Before Go 1.19 there is no limit, and the program ends at once with status 3.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	megabyte = 1 << 20
	limit    = 64 * megabyte
	small    = 8 << 10 // a page of the runtime: the smallest hole
)

var (
	smalls [][]byte
	larges [][]byte
)

func fillSmall(bytes int) {
	smalls = make([][]byte, 0, bytes/small)
	for i := 0; i < bytes/small; i++ {
		smalls = append(smalls, make([]byte, small))
	}
}

func dropEverySecond() {
	for i := 0; i < len(smalls); i += 2 {
		smalls[i] = nil
	}
	runtime.GC()
}

func fillLarge(bytes int) {
	larges = larges[:0]
	for i := 0; i < bytes/megabyte; i++ {
		large := make([]byte, megabyte)
		for at := 0; at < len(large); at += 4 << 10 {
			large[at] = 1
		}
		larges = append(larges, large)
	}
}

func round() {
	fillSmall(32 * megabyte)
	dropEverySecond()
	fillLarge(36 * megabyte)
	smalls, larges = nil, nil
	runtime.GC()
}

func main() {
	seconds := flag.Float64("seconds", 1, "end after so many seconds")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if !setLimit(limit) {
		fmt.Fprintln(os.Stderr, "limited: this Go knows no memory limit")
		os.Exit(3)
	}
	debug.SetGCPercent(-1)
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	rounds := 0
	for start := time.Now(); time.Since(start).Seconds() < *seconds; rounds++ {
		round()
	}
	fmt.Printf("rounds=%d\n", rounds)
}
