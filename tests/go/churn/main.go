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
	maxDepth = 40000
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
	ration  int64 // how many trees the workers may still allocate
	shift   int32 // the workers change their stacks with every shift
	settled int32 // how many have done so
	stop    int32
)

func stopped() bool { return atomic.LoadInt32(&stop) != 0 }

// awaitRation tells whether the shift that the worker began goes on.
func awaitRation(begun int32) bool {
	for atomic.AddInt64(&ration, -1) < 0 {
		if stopped() || atomic.LoadInt32(&shift) != begun {
			return false
		}
		time.Sleep(200 * time.Microsecond)
	}
	return !stopped() && atomic.LoadInt32(&shift) == begun
}

func tree(random *rand.Rand, depth int) *node {
	n := &node{payload: make([]byte, random.Intn(512))}
	if depth > 0 {
		n.left = tree(random, depth-1)
		n.right = tree(random, depth-1)
	}
	return n
}

// workShift keeps replacing trees in a window, which is what stays alive: its size is another in
// every shift, so the heap goal moves.
func workShift(random *rand.Rand) *node {
	begun := atomic.LoadInt32(&shift)
	atomic.AddInt32(&settled, 1)
	if !awaitRation(begun) {
		return nil
	}
	window := make([]*node, 50+500*(random.Intn(8)))
	for i := 0; awaitRation(begun); i++ {
		window[random.Intn(len(window))] = tree(random, random.Intn(5))
		if i%16 == 0 {
			foreign()
			// Else the cycles follow so closely that the forced ones come late.
			time.Sleep(50 * time.Microsecond)
		}
	}
	return window[0]
}

// descend works at the bottom of a stack of the given depth, with a pointer in every frame above.
//
//go:noinline
func descend(random *rand.Rand, depth int) *node {
	if depth == 0 {
		return workShift(random)
	}
	var frame [16]*node
	frame[depth%16] = descend(random, depth-1)
	return frame[depth%16]
}

func work(seed int64, share []*node) {
	random := rand.New(rand.NewSource(seed))
	for !stopped() {
		share[random.Intn(len(share))] = descend(random, random.Intn(maxDepth))
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

// In old runtimes the line is not all settled when it is printed, and the runtime's own may then say
// something else than what was true a moment before: gcStart writes work.userForced for the next
// cycle before it has the lock (1.19 has it so, 1.21 has not), and 1.19 prints maxStackScan, which
// any stack that grows changes. Therefore stacks change and cycles are forced when all is quiet, and
// in a forced cycle the workers allocate only a little.
func changeShift(act func()) {
	atomic.StoreInt64(&ration, 0)
	time.Sleep(10 * time.Millisecond)
	atomic.StoreInt32(&settled, 0)
	atomic.AddInt32(&shift, 1)
	for atomic.LoadInt32(&settled) < workers {
		time.Sleep(200 * time.Microsecond)
	}
	atomic.StoreInt64(&ration, 64)
	act()
	time.Sleep(2 * time.Millisecond)
	atomic.StoreInt64(&ration, plenty)
}

func runUntil(cycles, forcedEvery uint) {
	var stats runtime.MemStats
	act, every, forced := runtime.GC, uint32(forcedEvery), uint(0)
	if forcedEvery > 0 {
		forced = cycles / forcedEvery
	} else {
		act, every = func() {}, 5
	}
	for changeAt := uint32(0); ; {
		runtime.ReadMemStats(&stats)
		if uint(stats.NumGC) >= cycles && uint(stats.NumForcedGC) >= forced {
			return
		}
		if stats.NumGC >= changeAt {
			changeShift(act)
			changeAt += every
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
