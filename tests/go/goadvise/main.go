// SPDX-License-Identifier: BSD-2-Clause

// goadvise calls madvise itself, through package syscall, as a store that maps its files does: calls
// of Go code that are not the runtime's. The collector is off: the runtime has no call to make.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

const page = 4 << 10

func fail(err error) {
	fmt.Fprintln(os.Stderr, "goadvise:", err)
	os.Exit(1)
}

func main() {
	calls := flag.Int("calls", 100, "how many calls of each advice")
	pages := flag.Int("pages", 16, "length of each, in pages")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	debug.SetGCPercent(-1)
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	memory, err := syscall.Mmap(-1, 0, *pages*page, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fail(err)
	}
	for _, advice := range []int{syscall.MADV_DONTNEED, syscall.MADV_WILLNEED, syscall.MADV_RANDOM} {
		for i := 0; i < *calls; i++ {
			for at := 0; at < len(memory); at += page {
				memory[at] = 1
			}
			if err := syscall.Madvise(memory, advice); err != nil {
				fail(err)
			}
		}
	}
	fmt.Printf("calls=%d bytes=%d\n", *calls, *calls**pages*page)
}
