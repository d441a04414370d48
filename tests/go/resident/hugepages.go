// SPDX-License-Identifier: BSD-2-Clause

package main

import (
	"io/ioutil"
	"runtime/debug"
	"syscall"
	"unsafe"
)

const (
	huge          = 2 << 20
	adviseHuge    = 14 // MADV_HUGEPAGE
	adviseNow     = 25 // MADV_COLLAPSE, Linux 6.1
	hugePagesHere = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
)

func advise(address uintptr, advice uintptr) error {
	_, _, errno := syscall.Syscall(syscall.SYS_MADVISE, address, huge, advice)
	if errno != 0 {
		return errno
	}
	return nil
}

// One object lives in every huge page, the rest of which is given back; then the kernel, as khugepaged
// would in its own time, makes huge pages of these.
func hugePages() {
	if size, err := ioutil.ReadFile(hugePagesHere); err != nil || string(size) != "2097152\n" {
		impossible("no transparent huge pages of 2 MiB")
	}
	debug.SetGCPercent(-1)
	hold(*megabytes*megabyte, 8<<10)
	last := uintptr(0)
	for i, object := range held {
		if at := uintptr(unsafe.Pointer(&object[0])) / huge; at != last {
			last = at
		} else {
			held[i] = nil
		}
	}
	debug.FreeOSMemory()
	for _, object := range held {
		if object == nil {
			continue
		}
		at := uintptr(unsafe.Pointer(&object[0])) / huge * huge
		err := advise(at, adviseHuge)
		if err == nil {
			err = advise(at, adviseNow)
		}
		if err != nil {
			impossible(err)
		}
	}
}
