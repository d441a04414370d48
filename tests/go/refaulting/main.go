// SPDX-License-Identifier: BSD-2-Clause

// refaulting gives memory back and uses a part of it again: of what it releases, -soon percent are
// touched within half a second, -later percent between three and four seconds, and the rest never.
// It does so with a mapping of its own, where the runtime does not interfere.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	page    = 4 << 10
	noHuges = 15 // MADV_NOHUGEPAGE: with huge pages more would come back than was touched
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, "refaulting:", err)
	os.Exit(1)
}

func advise(memory []byte, advice int) {
	if err := syscall.Madvise(memory, advice); err != nil {
		fail(err)
	}
}

func touch(memory []byte) {
	for at := 0; at < len(memory); at += page {
		memory[at] = 1
	}
}

func main() {
	megabytes := flag.Int("megabytes", 40, "how much is given back")
	soon := flag.Int("soon", 25, "percent of it that are back within a second")
	later := flag.Int("later", 10, "percent of it that are back within ten seconds, but not within one")
	seconds := flag.Float64("seconds", 12, "end so long after the release")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	memory, err := syscall.Mmap(-1, 0, *megabytes<<20, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fail(err)
	}
	advise(memory, noHuges)
	touch(memory)
	percent := len(memory) / 100 / page * page
	released := time.Now()
	advise(memory, syscall.MADV_DONTNEED)
	touch(memory[:*soon*percent])
	touched := time.Since(released)
	time.Sleep(3*time.Second - time.Since(released))
	touch(memory[*soon*percent : (*soon+*later)*percent])
	touchedLater := time.Since(released)
	fmt.Printf("released_bytes=%d soon_bytes=%d later_bytes=%d soon_ms=%d later_ms=%d\n", len(memory),
		*soon*percent, *later*percent, touched.Nanoseconds()/1e6, touchedLater.Nanoseconds()/1e6)
	time.Sleep(time.Duration(*seconds*float64(time.Second)) - time.Since(released))
}
