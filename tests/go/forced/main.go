// SPDX-License-Identifier: BSD-2-Clause

// forced gives memory back with debug.FreeOSMemory and in no other way: GOGC is off, so that the only
// collection is the one in there, and before the first one is over the background scavenger has no
// goal. It reads its own resident set before and after, which is to fall by what was given back:
//
//	asked_bytes=134217728 rss_before_bytes=139112448 rss_after_bytes=4952064
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

const page = 4 << 10

var (
	buffer []byte
	text   [4096]byte // no allocation between the two readings
)

// rss is what /proc/self/smaps_rollup, where the kernel counts page by page, says of Rss.
func rss() uint64 {
	file, err := syscall.Open("/proc/self/smaps_rollup", syscall.O_RDONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "forced: smaps_rollup:", err)
		os.Exit(1)
	}
	length, _ := syscall.Read(file, text[:])
	syscall.Close(file)
	at := bytes.Index(text[:length], []byte("\nRss:"))
	fields := bytes.Fields(text[at+len("\nRss:") : length])
	kilobytes, err := strconv.ParseUint(string(fields[0]), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "forced: smaps_rollup:", err)
		os.Exit(1)
	}
	return kilobytes << 10
}

func main() {
	megabytes := flag.Int("megabytes", 128, "size of what is given back")
	seconds := flag.Float64("seconds", 0.1, "end so long afterwards")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	debug.SetGCPercent(-1)
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	rss()
	buffer = make([]byte, *megabytes<<20)
	for at := 0; at < len(buffer); at += page {
		buffer[at] = 1
	}
	asked := len(buffer)
	buffer = nil
	before := rss()
	debug.FreeOSMemory()
	after := rss()
	fmt.Printf("asked_bytes=%d rss_before_bytes=%d rss_after_bytes=%d\n", asked, before, after)
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
}
