// SPDX-License-Identifier: BSD-2-Clause

//go:build cgo
// +build cgo

// cresident brings its resident memory into a state of which C is the cause, says "ready" and sleeps;
// or its C part works on, while its Go part collects:
//
//	leak   takes at a steady pace, and frees nothing
//	heap   takes nothing; the Go part keeps small objects, for which the runtime's tables grow beside C
//	waves  takes, and frees what it took, from several threads
//
// Built without cgo it says so, and ends with status 3.
//
//	cresident [-mib N] [-seconds N] STATE
package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 32 << 10, STACK = 512 << 10 };

// From the arena of the thread that asks, in pieces that malloc does not map one by one.
static void *take(void *argument)
{
	for (size_t left = (size_t)argument; left >= PIECE; left -= PIECE)
		memset(malloc(PIECE), 1, PIECE);
	return NULL;
}

static int take_in_thread(size_t bytes)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, take, (void *)bytes) || pthread_join(thread, NULL);
}

static void take_here(size_t bytes)
{
	take((void *)bytes);
}

// All of a wave, to be freed at its end.
static void **take_wave(size_t pieces)
{
	void **wave = malloc(pieces * sizeof(*wave));

	for (size_t i = 0; i < pieces; i++)
		wave[i] = memset(malloc(PIECE), 1, PIECE);
	return wave;
}

static void free_wave(void **wave, size_t pieces)
{
	for (size_t i = 0; i < pieces; i++)
		free(wave[i]);
	free(wave);
}

static int map_anonymous(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	memset(memory, 1, bytes);
	return 0;
}

static void *stay(void *ready)
{
	volatile char frame[STACK];

	for (int i = 0; i < STACK; i += 4096)
		frame[i] = 1;
	pthread_barrier_wait(ready);
	for (;;)
		pause();
	return NULL;
}

static int stay_in_threads(int threads)
{
	static pthread_barrier_t ready;
	pthread_t thread;

	pthread_barrier_init(&ready, NULL, threads + 1);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, stay, &ready))
			return 1;
	pthread_barrier_wait(&ready);
	return 0;
}
*/
import "C"

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	tick        = time.Millisecond
	windowMax   = 200
	leakTicks   = 10
	objectsKept = 1000
	waveTakers  = 3
	wavePieces  = 500
	waveRest    = 300 * time.Millisecond
)

var window [][]byte

// What the Go part does meanwhile: buffers come and go.
func work() {
	buffer := make([]byte, 64<<10)
	for i := 0; i < len(buffer); i += 4096 {
		buffer[i] = 1
	}
	window = append(window, buffer)
	if len(window) == windowMax {
		window = append([][]byte{}, window[windowMax/2:]...)
	}
}

func leak() {
	for i := 0; ; i++ {
		if i%leakTicks == 0 {
			C.take_here(C.PIECE)
		}
		work()
		time.Sleep(tick)
	}
}

type object struct {
	next *object
	text [56]byte
}

// The collector must get its turn often enough to be watched.
func leakHeap() {
	var kept [][]*object
	debug.SetGCPercent(10)
	for {
		some := make([]*object, objectsKept)
		for i := range some {
			some[i] = new(object)
		}
		kept = append(kept, some)
		work()
		time.Sleep(tick)
	}
}

// On a thread of its own, the arena of which has had the largest wave before the first that counts.
func takeInWaves(ready chan<- bool) {
	runtime.LockOSThread()
	C.free_wave(C.take_wave(wavePieces), wavePieces)
	ready <- true
	for {
		pieces := C.size_t(rand.Intn(wavePieces))
		wave := C.take_wave(pieces)
		time.Sleep(waveRest + time.Duration(rand.Int63n(int64(waveRest))))
		C.free_wave(wave, pieces)
		time.Sleep(time.Duration(rand.Int63n(int64(waveRest))))
	}
}

func waves() {
	rand.Seed(time.Now().UnixNano())
	ready := make(chan bool)
	for i := 0; i < waveTakers; i++ {
		go takeInWaves(ready)
		<-ready
	}
	go func() {
		for {
			work()
			time.Sleep(tick)
		}
	}()
}

func main() {
	megabytes := flag.Int("mib", 96, "how much of it")
	seconds := flag.Float64("seconds", 60, "how long to sleep")
	flag.Parse()
	bytes, failed := C.size_t(*megabytes<<20), C.int(0)

	switch flag.Arg(0) {
	case "malloc":
		C.take_here(bytes / 2)
		failed = C.take_in_thread(bytes / 2)
	case "mapped":
		failed = C.map_anonymous(bytes)
	case "threads":
		failed = C.stay_in_threads(C.int(*megabytes * 2))
	case "leak":
		go leak()
	case "heap":
		go leakHeap()
	case "waves":
		waves()
	default:
		fmt.Fprintf(os.Stderr, "cresident: no state %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if failed != 0 {
		fmt.Fprintln(os.Stderr, "cresident: no threads, or no memory")
		os.Exit(1)
	}
	fmt.Println("ready")
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
}
