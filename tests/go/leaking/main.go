// SPDX-License-Identifier: BSD-2-Clause

// leaking works at a steady pace, and keeps a part of what it makes for ever:
//
//	leaking heap        a twentieth of its buffers
//	leaking goroutines  a goroutine with a grown stack now and then
//	leaking nothing     a window of buffers that come and go
//
// It says "ready" and goes on until it is ended.
package main

import (
	"fmt"
	"os"
	"time"
)

const (
	bufferBytes = 64 << 10
	windowMax   = 200
)

var (
	kept   [][]byte
	window [][]byte
	never  = make(chan int)
)

func buffer() []byte {
	b := make([]byte, bufferBytes)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	return b
}

// deep needs some stack, and waits at its end.
func deep(depth int) int {
	var frame [256]byte
	if depth == 0 {
		return <-never
	}
	frame[depth%len(frame)] = byte(depth)
	return deep(depth-1) + int(frame[0])
}

func step(what string, i int) {
	window = append(window, buffer())
	if len(window) == windowMax {
		window = append([][]byte{}, window[windowMax/2:]...)
	}
	if what == "heap" && i%20 == 0 {
		kept = append(kept, window[len(window)-1])
	}
	if what == "goroutines" && i%20 == 0 {
		go deep(200)
	}
}

func main() {
	what := "nothing"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		step(what, i)
		time.Sleep(time.Millisecond)
	}
}
