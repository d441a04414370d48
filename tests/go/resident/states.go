// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// Objects that all live, and have just been collected.
func live() {
	hold(*megabytes*megabyte, 8<<10)
	collect()
}

// A quarter lives, the rest has been allocated since, and GOGC lets it.
func headroom() {
	debug.SetGCPercent(500)
	hold(*megabytes*megabyte/4, 8<<10)
	collect()
	waste(*megabytes*megabyte*3/4, 8<<10)
}

// Free after a load, and nothing asks for it any more: the scavenger has only begun.
func kept() {
	debug.SetGCPercent(-1)
	waste(*megabytes*megabyte, 32<<10)
	debug.SetGCPercent(100)
	collect()
}

// Free, but the next cycle may need it: GOGC allows for all of it.
func withinGoal() {
	debug.SetGCPercent(1000)
	hold(*megabytes*megabyte/5, 8<<10)
	waste(*megabytes*megabyte*4/5, 8<<10)
	collect()
}

// One object of eight lives, in every span.
func fragmented() {
	debug.SetGCPercent(-1)
	hold(*megabytes*megabyte, 512)
	for i := range held {
		if i%8 != 0 {
			held[i] = nil
		}
	}
	debug.SetGCPercent(100)
	collect()
	debug.FreeOSMemory()
}

func deeper(depth int, ready chan<- bool) byte {
	var frame [1 << 10]byte
	frame[depth] = byte(depth)
	if depth > 0 {
		return deeper(depth-1, ready) + frame[depth]
	}
	ready <- true
	select {}
}

// Goroutines that wait deep down.
func stacks() {
	ready := make(chan bool)
	for i := 0; i < *megabytes*megabyte/(32<<10); i++ {
		go deeper(20, ready)
		<-ready
	}
	collect()
}

// All that the memory limit allows lives.
func limited() {
	if !setLimit(int64(*megabytes) * megabyte) {
		impossible("this Go knows no memory limit")
	}
	debug.SetGCPercent(-1)
	var stats runtime.MemStats
	for stats.Sys-stats.HeapReleased < uint64(*megabytes*megabyte)/100*97 {
		hold(megabyte/2, 8<<10)
		runtime.ReadMemStats(&stats)
	}
}

const recordBytes = 430 // about

// The runtime needs a record of every span. These spans are never written to, so that hardly anything but
// the records was ever resident.
func metadata() {
	debug.SetGCPercent(-1)
	for i := 0; i < *megabytes*megabyte/recordBytes; i++ {
		held = append(held, make([]byte, 8<<10))
	}
	held = nil
	debug.FreeOSMemory()
}

// Given back in a way that lets the kernel take its time: up to Go 1.15, and later with
// GODEBUG=madvdontneed=0.
func lazyFree() {
	waste(*megabytes*megabyte, *megabytes*megabyte)
	debug.FreeOSMemory()
}

// mlockall: what is locked cannot be given back.
func locked() {
	const current, future = 1, 2
	if err := syscall.Mlockall(current); err != nil {
		impossible(err)
	}
	waste(*megabytes*megabyte, *megabytes*megabyte)
	if err := syscall.Mlockall(current | future); err != nil {
		impossible(err)
	}
	debug.FreeOSMemory()
}

func makeFile() *os.File {
	file, err := os.Create(*path)
	must(err)
	for i := 0; i < *megabytes; i++ {
		_, err = file.Write(make([]byte, megabyte))
		must(err)
	}
	return file
}

// So that reading is not in vain.
var sum byte

func mapped() {
	file := makeFile()
	memory, err := syscall.Mmap(int(file.Fd()), 0, *megabytes*megabyte, syscall.PROT_READ, syscall.MAP_SHARED)
	must(err)
	for at := 0; at < len(memory); at += page {
		sum += memory[at]
	}
}

func pageCache() {
	must(makeFile().Close())
}

// Of its own, and not of a file.
func anonymous() {
	memory, err := syscall.Mmap(-1, 0, *megabytes*megabyte, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	touch(memory)
}

// Address space, and nothing behind it.
func virtual() {
	_, err := syscall.Mmap(-1, 0, 16<<30, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
}

var variables [48 * megabyte]byte

func globals() {
	touch(variables[:])
}
