// SPDX-License-Identifier: BSD-2-Clause

//go:build !cgo
// +build !cgo

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("impossible: built without cgo")
	os.Exit(3)
}
