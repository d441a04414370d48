// SPDX-License-Identifier: BSD-2-Clause

// quiet rests until it is told to end (SIGTERM), then says how often it has collected: one of the
// thousand processes that gctap may have to watch. With -every it collects now and then, the first
// time at a moment that differs from process to process.
//
//	quiet [-every SECONDS]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func collect(interval time.Duration) {
	time.Sleep(interval * time.Duration(os.Getpid()%100) / 100)
	for {
		runtime.GC()
		time.Sleep(interval)
	}
}

func main() {
	every := flag.Float64("every", 0, "seconds from one collection to the next, 0: none")
	flag.Parse()
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	if *every > 0 {
		go collect(time.Duration(*every * float64(time.Second)))
	}
	fmt.Println("ready")
	<-ended
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	fmt.Printf("pid=%d NumGC=%d\n", os.Getpid(), stats.NumGC)
}
