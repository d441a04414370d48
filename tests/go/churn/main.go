// SPDX-License-Identifier: BSD-2-Clause

// churn makes garbage collections that differ in every field of their gctrace lines: the live heap
// swings, stacks are shallow or megabytes deep, some megabytes of globals are scanned, and every few
// cycles one is forced. It ends once -cycles are over and one
// in -forced-every was forced, and prints how many there were.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	workers  = 4
	maxDepth = 12000
)

type node struct {
	left, right *node
	payload     []byte
}

// Roots for the "MB globals" field: pointers, so that they are scanned.
var globals [512 << 10]*node

// Set by the cgo variant of this program; called now and then by every worker.
var foreign = func() {}

const plenty = 1 << 60

var (
	ration int64 = plenty // how many trees the workers may still allocate
	stop   int32
)

func stopped() bool { return atomic.LoadInt32(&stop) != 0 }

func awaitRation() {
	for atomic.AddInt64(&ration, -1) < 0 && !stopped() {
		time.Sleep(200 * time.Microsecond)
	}
}

func tree(random *rand.Rand, depth int) *node {
	n := &node{payload: make([]byte, random.Intn(512))}
	if depth > 0 {
		n.left = tree(random, depth-1)
		n.right = tree(random, depth-1)
	}
	return n
}

// descend allocates from the bottom of a stack of the given depth and holds on to it from every
// frame above, so that a collection finds the whole stack in use.
//
//go:noinline
func descend(random *rand.Rand, depth int, window []*node) *node {
	if depth > 0 {
		var frame [16]*node
		frame[depth%16] = descend(random, depth-1, window)
		return frame[depth%16]
	}
	for i := 0; i < 200 && !stopped(); i++ {
		awaitRation()
		window[random.Intn(len(window))] = tree(random, random.Intn(5))
		if i%16 == 0 {
			// Else the cycles follow so closely that the forced ones come late.
			time.Sleep(50 * time.Microsecond)
		}
	}
	return window[0]
}

// The window is what stays alive: its size follows a sawtooth, so the heap goal moves.
func work(seed int64, share []*node) {
	random := rand.New(rand.NewSource(seed))
	for round := 1; !stopped(); round++ {
		window := make([]*node, 50+500*(round%8))
		share[random.Intn(len(share))] = descend(random, random.Intn(maxDepth), window)
		foreign()
	}
}

func startWorkers(done *sync.WaitGroup) {
	size := len(globals) / workers
	for i := 0; i < workers; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			work(int64(i+1), globals[i*size:(i+1)*size])
		}(i)
	}
}

// In old runtimes (1.19 has it, 1.21 has not) gcStart writes work.userForced before it has the lock
// that the end of a cycle holds, so the runtime's own line can say of a cycle what is true of the
// next. Therefore all is quiet around a forced cycle, and in it the workers allocate only a little.
func force() {
	atomic.StoreInt64(&ration, 0)
	time.Sleep(10 * time.Millisecond)
	atomic.StoreInt64(&ration, 64)
	runtime.GC()
	time.Sleep(2 * time.Millisecond)
	atomic.StoreInt64(&ration, plenty)
}

func runUntil(cycles, forcedEvery uint) {
	var stats runtime.MemStats
	var forced uint
	if forcedEvery > 0 {
		forced = cycles / forcedEvery
	}
	forceAt := uint32(forcedEvery)
	for {
		runtime.ReadMemStats(&stats)
		if uint(stats.NumGC) >= cycles && uint(stats.NumForcedGC) >= forced {
			return
		}
		if forcedEvery > 0 && stats.NumGC >= forceAt {
			force()
			forceAt += uint32(forcedEvery)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func main() {
	cycles := flag.Uint("cycles", 60, "end after so many garbage collections")
	forcedEvery := flag.Uint("forced-every", 5, "force every so many-th collection, 0 for none")
	flag.Parse()

	var done sync.WaitGroup
	startWorkers(&done)
	runUntil(*cycles, *forcedEvery)
	atomic.StoreInt32(&stop, 1)
	done.Wait()

	// A collection may still be going on: it must be in the numbers, and the runtime must get its
	// last line out before the process ends.
	time.Sleep(100 * time.Millisecond)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("NumGC=%d NumForcedGC=%d\n", stats.NumGC, stats.NumForcedGC)
	time.Sleep(100 * time.Millisecond)
}
