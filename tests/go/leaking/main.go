// SPDX-License-Identifier: BSD-2-Clause

// leaking works at a steady pace, and keeps a part of what it makes for ever:
//
//	leaking heap        a twentieth of its buffers
//	leaking goroutines  a goroutine with a grown stack now and then
//	leaking mappings    memory that it maps itself, and the runtime knows nothing of
//	leaking nothing     a window of buffers that come and go
//
// or works in another way in which nothing leaks:
//
//	leaking waves       the window widens and narrows as load does
//	leaking cache       a cache, filled up to its bound before "ready": an entry in, an entry out
//	leaking peak        a window, after a load that was far higher and is over at "ready"
//	leaking bursts      goroutines by the hundred that come, need stack, and go
//
// It says "ready" and goes on until it is ended.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"syscall"
	"time"
)

const (
	bufferBytes  = 64 << 10
	windowMax    = 200
	windowPeak   = 2000
	cacheEntries = 400
	burstMax     = 800
	mappingBytes = 256 << 10
)

// All that does not leak comes and goes within this: a watch of a few of these has seen it.
const wave = 2 * time.Second

var (
	kept   [][]byte
	window [][]byte
	cache  = map[int][]byte{}
	never  = make(chan int)
	began  = time.Now()
)

func bufferOf(bytes int) []byte {
	b := make([]byte, bytes)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	return b
}

func buffer() []byte { return bufferOf(bufferBytes) }

// deep needs some stack, and waits at its end.
func deep(depth int, end <-chan int) int {
	var frame [256]byte
	if depth == 0 {
		return <-end
	}
	frame[depth%len(frame)] = byte(depth)
	return deep(depth-1, end) + int(frame[0])
}

// slide takes a buffer in; of more than most, the older half goes.
func slide(most int) {
	window = append(window, buffer())
	if len(window) >= most {
		window = append([][]byte{}, window[len(window)-most/2:]...)
	}
}

func steady(i int) { slide(windowMax) }

func leakHeap(i int) {
	steady(i)
	if i%20 == 0 {
		kept = append(kept, window[len(window)-1])
	}
}

func leakGoroutines(i int) {
	steady(i)
	if i%20 == 0 {
		go deep(200, never)
	}
}

func leakMappings(i int) {
	steady(i)
	if i%20 != 0 {
		return
	}
	memory, err := syscall.Mmap(-1, 0, mappingBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Fprintf(os.Stderr, "leaking: %v\n", err)
		os.Exit(1)
	}
	for at := 0; at < len(memory); at += 4096 {
		memory[at] = 1
	}
}

// The width follows a triangle: from a quarter to twice as much and back again.
func waves(i int) {
	at := time.Since(began) % wave
	if at > wave/2 {
		at = wave - at
	}
	slide(windowMax/4 + int(at*(windowMax*7/4)/(wave/2)))
}

// Entries are of different sizes, so that full is not always the same.
func cached(i int) {
	cache[i] = bufferOf(bufferBytes/2 + rand.Intn(bufferBytes))
	delete(cache, i-cacheEntries)
}

func fillCache() {
	for i := -cacheEntries; i < 0; i++ {
		cached(i)
	}
}

func peak() {
	for i := 0; i < windowPeak; i++ {
		slide(windowPeak)
	}
	runtime.GC()
	window = nil
}

func bursts(i int) {
	steady(i)
	if i%500 != 0 {
		return
	}
	end := make(chan int)
	for n := rand.Intn(burstMax); n > 0; n-- {
		go deep(100+rand.Intn(100), end)
	}
	time.AfterFunc(wave/4+time.Duration(rand.Int63n(int64(wave/4))), func() { close(end) })
}

var ways = map[string]struct {
	prepare func()
	step    func(i int)
}{
	"heap":       {nil, leakHeap},
	"goroutines": {nil, leakGoroutines},
	"mappings":   {nil, leakMappings},
	"nothing":    {nil, steady},
	"waves":      {nil, waves},
	"cache":      {fillCache, cached},
	"peak":       {peak, steady},
	"bursts":     {nil, bursts},
}

func main() {
	what := "nothing"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	way, exists := ways[what]
	if !exists {
		fmt.Fprintf(os.Stderr, "leaking: no way %q\n", what)
		os.Exit(2)
	}
	rand.Seed(began.UnixNano())
	if way.prepare != nil {
		way.prepare()
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		way.step(i)
		time.Sleep(time.Millisecond)
	}
}
