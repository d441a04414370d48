// SPDX-License-Identifier: BSD-2-Clause

// backtoback does nothing but forced collections, one after the other, and prints what one takes:
// the program for which a trap per cycle is dearest.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	cycles := flag.Int("cycles", 1000, "how many collections")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	start := time.Now()
	for i := 0; i < *cycles; i++ {
		runtime.GC()
	}
	elapsed := time.Since(start)
	fmt.Printf("cycles=%d us_per_cycle=%.2f\n", *cycles,
		float64(elapsed.Nanoseconds())/1e3/float64(*cycles))
	// The runtime's last trace line must get out before the process ends.
	time.Sleep(100 * time.Millisecond)
}
