// SPDX-License-Identifier: BSD-2-Clause

// resident brings its resident memory into a state that has one cause, says "ready" and sleeps; now and
// then it counts on, to show that nobody has stopped it. What cannot be had on this machine, or with this
// version of Go, it says, and ends with status 3.
//
//	resident [-mib N] [-seconds N] [-file PATH] STATE
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	page     = 4 << 10
	megabyte = 1 << 20
)

var (
	megabytes = flag.Int("mib", 96, "how much of it")
	seconds   = flag.Float64("seconds", 60, "how long to sleep")
	path      = flag.String("file", "resident.data", "the file that is mapped or read")
)

var states = map[string]func(){
	"idle":       func() {},
	"live":       live,
	"gogc":       headroom,
	"kept":       kept,
	"withingoal": withinGoal,
	"fragmented": fragmented,
	"stacks":     stacks,
	"limit":      limited,
	"metadata":   metadata,
	"lazyfree":   lazyFree,
	"hugepages":  hugePages,
	"locked":     locked,
	"mapped":     mapped,
	"anonymous":  anonymous,
	"pagecache":  pageCache,
	"virtual":    virtual,
	"globals":    globals,
}

// What is to stay; what may go.
var (
	held [][]byte
	junk []byte
)

func impossible(why interface{}) {
	fmt.Println("impossible:", why)
	os.Exit(3)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "resident:", err)
		os.Exit(1)
	}
}

func touch(memory []byte) []byte {
	for at := 0; at < len(memory); at += page {
		memory[at] = 1
	}
	return memory
}

func hold(bytes, object int) {
	for done := 0; done < bytes; done += object {
		held = append(held, touch(make([]byte, object)))
	}
}

func waste(bytes, object int) {
	for done := 0; done < bytes; done += object {
		junk = touch(make([]byte, object))
	}
	junk = nil
}

func collect() {
	runtime.GC()
	runtime.GC()
}

func main() {
	flag.Parse()
	enter, exists := states[flag.Arg(0)]
	if !exists {
		fmt.Fprintf(os.Stderr, "resident: no state %q\n", flag.Arg(0))
		os.Exit(2)
	}
	enter()
	fmt.Println("ready")
	for start, beats := time.Now(), 0; time.Since(start).Seconds() < *seconds; beats++ {
		fmt.Printf("beat=%d\n", beats)
		time.Sleep(50 * time.Millisecond)
	}
	runtime.KeepAlive(held)
}
