// SPDX-License-Identifier: BSD-2-Clause

// cgoadvise has C code that calls madvise, so often: 100 times MADV_DONTNEED, 50 times MADV_FREE, 10
// times MADV_HUGEPAGE, and 5 times an advice that Linux does not know, on as many pages as -pages
// says. It does that from a goroutine, and in -threads threads that C has started. With -storm it
// calls MADV_DONTNEED so often in each thread, as fast as it can, and prints the rate.
package main

/*
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { UNKNOWN_ADVICE = 4242 };

struct order {
	int pages;
	long storm;
	long failed;
};

static void advise(char *memory, size_t length, int advice, long calls, struct order *order)
{
	size_t page = sysconf(_SC_PAGESIZE);

	for (long i = 0; i < calls; i++) {
		for (size_t at = 0; !order->storm && at < length; at += page)
			memory[at] = 1;
		if (madvise(memory, length, advice))
			order->failed++;
	}
}

static void *follow(void *argument)
{
	struct order *order = argument;
	size_t length = (size_t)order->pages * sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (order->storm) {
		advise(memory, length, MADV_DONTNEED, order->storm, order);
	} else {
		advise(memory, length, MADV_DONTNEED, 100, order);
		advise(memory, length, MADV_FREE, 50, order);
		advise(memory, length, MADV_HUGEPAGE, 10, order);
		advise(memory, length, UNKNOWN_ADVICE, 5, order);
	}
	munmap(memory, length);
	return NULL;
}

static long follow_in_threads(struct order order, int threads)
{
	struct order orders[64];
	pthread_t ids[64];
	long failed = 0;

	for (int i = 0; i < threads; i++) {
		orders[i] = order;
		if (pthread_create(&ids[i], NULL, follow, &orders[i]))
			return -1;
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		failed += orders[i].failed;
	}
	return failed;
}

static long follow_here(struct order order)
{
	follow(&order);
	return order.failed;
}
*/
import "C"

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	pages := flag.Int("pages", 16, "length of each call, in pages")
	threads := flag.Int("threads", 2, "threads of C, up to 64")
	storm := flag.Int("storm", 0, "so many calls in each thread instead, as fast as it goes")
	wait := flag.Bool("wait", false, "wait for a line on standard input before starting")
	flag.Parse()
	if *threads < 0 || *threads > 64 {
		fmt.Fprintln(os.Stderr, "cgoadvise: up to 64 threads")
		os.Exit(2)
	}
	if *wait {
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}

	order := C.struct_order{pages: C.int(*pages), storm: C.long(*storm)}
	start := time.Now()
	failed := C.follow_here(order) + C.follow_in_threads(order, C.int(*threads))
	elapsed := time.Since(start).Seconds()
	callers := *threads + 1
	if *storm > 0 {
		fmt.Printf("calls=%d calls_per_second=%.0f\n", callers**storm, float64(callers**storm)/elapsed)
	} else {
		fmt.Printf("callers=%d failed=%d\n", callers, failed)
	}
}
