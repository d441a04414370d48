// SPDX-License-Identifier: BSD-2-Clause

// stderrnoise collects while its goroutines write to standard error: whole lines and a line that
// begins like the runtime's, and with -hostile also halves of lines and beginnings of lines like the
// runtime's. The runtime writes its gctrace line piece by piece, so the lines get torn: whoever reads
// them from standard error has to cope.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var noises = []string{
	"a whole line of the program's own\n",
	"2026/01/02 15:04:05 a line with a date in front\n",
	"gc is a fine thing, says the program\n",
}

var hostileNoises = []string{
	"half a line, ",
	"and its end\n",
	"gc 7 @",
	"\n",
}

var (
	stop int32
	sink []byte
)

func babble(first int, pause time.Duration) {
	for i := first; atomic.LoadInt32(&stop) == 0; i++ {
		os.Stderr.WriteString(noises[i%len(noises)])
		time.Sleep(pause)
	}
}

func collect(cycles uint) {
	var stats runtime.MemStats
	for uint(stats.NumGC) < cycles {
		for i := 0; i < 1000; i++ {
			sink = make([]byte, 8<<10)
		}
		if stats.NumGC%5 == 4 {
			runtime.GC()
		}
		runtime.ReadMemStats(&stats)
	}
}

func main() {
	cycles := flag.Uint("cycles", 60, "end after so many collections")
	hostile := flag.Bool("hostile", false, "halves of lines as well")
	flag.Parse()
	if *hostile {
		noises = append(noises, hostileNoises...)
	}

	var done sync.WaitGroup
	for i := 0; i < 3; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			babble(i*2, time.Duration(50*(i+1))*time.Microsecond)
		}(i)
	}
	collect(*cycles)
	atomic.StoreInt32(&stop, 1)
	done.Wait()

	time.Sleep(100 * time.Millisecond)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("NumGC=%d NumForcedGC=%d\n", stats.NumGC, stats.NumForcedGC)
	time.Sleep(100 * time.Millisecond)
}
