// SPDX-License-Identifier: BSD-2-Clause

// hog fills a map with a gigabyte of float32 arrays, sleeps on it, empties it, gives the memory back
// and sleeps again: why is its resident set as large as it is, at each of these moments?
//
//	hog [-entries N] [SECONDS FULL [SECONDS EMPTY]]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

func fill(table map[int]*[512]float32, entries int) {
	for i := 0; i < entries; i++ {
		row := new([512]float32)
		for j := range row {
			row[j] = float32(i + j)
		}
		table[i] = row
	}
}

func empty(table map[int]*[512]float32) {
	for key := range table {
		delete(table, key)
	}
}

func seconds(argument int, otherwise float64) time.Duration {
	value := otherwise
	if flag.NArg() > argument {
		var err error
		if value, err = strconv.ParseFloat(flag.Arg(argument), 64); err != nil {
			fmt.Fprintf(os.Stderr, "hog: %q is no number of seconds\n", flag.Arg(argument))
			os.Exit(2)
		}
	}
	return time.Duration(value * float64(time.Second))
}

func main() {
	entries := flag.Int("entries", 500000, "rows of 2 KiB")
	flag.Parse()
	full, gone := seconds(0, 10), seconds(1, 30)

	table := make(map[int]*[512]float32)
	fill(table, *entries)
	fmt.Println("full")
	time.Sleep(full)
	empty(table)
	fmt.Println("empty")
	debug.FreeOSMemory()
	fmt.Println("freed")
	time.Sleep(gone)
	fmt.Println("rows left:", len(table))
}
