// SPDX-License-Identifier: BSD-2-Clause

//go:build ignore

// heap-layout prints the rows of src/why/heap_table.c for programs of ascending versions: where the fields lie that the
// map of the heap is read from, by the program's DWARF.
//
//	go run heap-layout.go 1.N=PROGRAM...
package main

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"strings"
)

type program struct {
	types map[string]dwarf.Type
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, "heap-layout: "+format+"\n", arguments...)
	os.Exit(1)
}

var wantedTypes = map[string]bool{"runtime.mheap": true, "runtime.mspan": true, "runtime.heapArena": true,
	"runtime.pallocData": true, "runtime.gcControllerState": true, "runtime.mstats": true, "runtime.addrRange": true,
	"runtime.spanInlineMarkBits": true}

func read(path string) program {
	file, err := elf.Open(path)
	if err != nil {
		fail("%s: %v", path, err)
	}
	defer file.Close()
	data, err := file.DWARF()
	if err != nil {
		fail("%s: %v", path, err)
	}
	result := program{map[string]dwarf.Type{}}
	reader := data.Reader()
	for {
		entry, err := reader.Next()
		if err != nil {
			fail("%s: %v", path, err)
		}
		if entry == nil {
			return result
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if entry.Tag == dwarf.TagStructType && wantedTypes[name] {
			if result.types[name], err = data.Type(entry.Offset); err != nil {
				fail("%s: %s: %v", path, name, err)
			}
		}
	}
}

// A field by its path; a box of the runtime's atomic package is where its value is.
func (p program) find(typeName, path string) (int64, dwarf.Type, bool) {
	current, at := p.types[typeName], int64(0)
	if current == nil {
		return 0, nil, false
	}
	for _, name := range strings.Split(path, ".") {
		for {
			if typedef, ok := current.(*dwarf.TypedefType); ok {
				current = typedef.Type
				continue
			}
			break
		}
		structure, ok := current.(*dwarf.StructType)
		if !ok {
			return 0, nil, false
		}
		found := false
		for _, field := range structure.Field {
			if field.Name == name {
				at += field.ByteOffset
				current = field.Type
				found = true
				break
			}
		}
		if !found {
			return 0, nil, false
		}
	}
	return at, current, true
}

func (p program) offset(typeName string, paths ...string) int64 {
	for _, path := range paths {
		if at, _, ok := p.find(typeName, path); ok {
			return at
		}
	}
	fail("%s has no %s", typeName, strings.Join(paths, ", "))
	return 0
}

func (p program) size(typeName, path string) int64 {
	_, kind, ok := p.find(typeName, path)
	if !ok {
		fail("%s has no %s", typeName, path)
	}
	return kind.Size()
}

// What the reader takes for granted, on every version.
func (p program) check(name string) {
	_, chunks, ok := p.find("runtime.mheap", "pages.chunks")
	if !ok || chunks.Size() != 8192*8 {
		fail("%s: pages.chunks is no table of 8192 pointers", name)
	}
	second := chunks.(*dwarf.ArrayType).Type.(*dwarf.PtrType).Type
	if second.Size() != 8192*128 || p.size("runtime.pallocData", "scavenged") != 64 ||
		p.offset("runtime.pallocData", "scavenged") != 64 {
		fail("%s: pallocData is not 64 bytes allocated, 64 bytes scavenged", name)
	}
	if p.offset("runtime.mheap", "pages.end") != p.offset("runtime.mheap", "pages.start")+8 {
		fail("%s: pages.start and end are not side by side", name)
	}
	_, arenas, ok := p.find("runtime.mheap", "arenas")
	if !ok || arenas.Size() != 8 {
		fail("%s: mheap.arenas has more than one level", name)
	}
	if size := p.size("runtime.heapArena", "spans"); size != 8192*8 {
		fail("%s: heapArena.spans has %d bytes", name, size)
	}
	if p.types["runtime.addrRange"].Size() != 16 || p.offset("runtime.addrRange", "limit") != 8 {
		fail("%s: addrRange is not base, limit", name)
	}
	for path, size := range map[string]int64{"startAddr": 8, "npages": 8, "state": 1, "spanclass": 1, "elemsize": 8,
		"allocCount": 2, "sweepgen": 4, "allocBits": 8, "gcmarkBits": 8} {
		if got := p.size("runtime.mspan", path); got != size {
			fail("%s: mspan.%s has %d bytes", name, path, got)
		}
	}
	if p.size("runtime.mspan", "nelems") != p.size("runtime.mspan", "freeindex") {
		fail("%s: mspan.nelems and freeindex differ in size", name)
	}
	if bits := p.types["runtime.spanInlineMarkBits"]; bits != nil &&
		(bits.Size() != 128 || p.offset("runtime.spanInlineMarkBits", "marks") != 64) {
		fail("%s: spanInlineMarkBits is not 64 bytes of scans, 64 bytes of marks", name)
	}
}

// From the counter of heap in use to that of the live heap.
func (p program) live() int64 {
	if _, _, ok := p.find("runtime.gcControllerState", "heapInUse"); ok {
		return p.offset("runtime.gcControllerState", "heapLive") - p.offset("runtime.gcControllerState", "heapInUse")
	}
	return p.offset("runtime.mstats", "heap_live") - p.offset("runtime.mstats", "heap_inuse")
}

// The fields as C initializers, in the order of struct heap_layout.
func (p program) fields() string {
	const heap, span = "runtime.mheap", "runtime.mspan"
	_, _, controller := p.find("runtime.gcControllerState", "heapReleased")
	text := ""
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"chunks", p.offset(heap, "pages.chunks")},
		{"bounds", p.offset(heap, "pages.start")},
		{"ranges", p.offset(heap, "pages.inUse.ranges")},
		{"sweepgen", p.offset(heap, "sweepgen")},
		{"arenas", p.offset(heap, "arenas")},
		{"current_arena", p.offset(heap, "curArena")},
		{"arena_spans", p.offset("runtime.heapArena", "spans")},
		{"span.bytes", p.types[span].Size()},
		{"span.start", p.offset(span, "startAddr")},
		{"span.pages", p.offset(span, "npages")},
		{"span.elements", p.offset(span, "nelems")},
		{"span.free_index", p.offset(span, "freeindex")},
		{"span.index_bytes", p.size(span, "nelems")},
		{"span.allocated", p.offset(span, "allocCount")},
		{"span.element_bytes", p.offset(span, "elemsize")},
		{"span.alloc_bits", p.offset(span, "allocBits")},
		{"span.mark_bits", p.offset(span, "gcmarkBits")},
		{"span.sweepgen", p.offset(span, "sweepgen")},
		{"span.class", p.offset(span, "spanclass")},
		{"span.state", p.offset(span, "state")},
		{"live", p.live()},
	} {
		text += fmt.Sprintf("\t\t.%s = %d,\n", field.name, field.value)
	}
	// Before the counters moved to the controller, all of an arena counted as released when it was reserved.
	text += fmt.Sprintf("\t\t.released_with_arena = %v,\n", !controller)
	text += fmt.Sprintf("\t\t.inline_marks = %v,\n", p.types["runtime.spanInlineMarkBits"] != nil)
	return text
}

type row struct {
	first, last int
	fields      string
}

func main() {
	var rows []row
	for _, argument := range os.Args[1:] {
		var minor int
		parts := strings.SplitN(argument, "=", 2)
		if len(parts) != 2 {
			fail("usage: heap-layout 1.N=PROGRAM...")
		}
		if _, err := fmt.Sscanf(parts[0], "1.%d", &minor); err != nil {
			fail("%s is no version 1.N", parts[0])
		}
		p := read(parts[1])
		p.check(parts[0])
		fields := p.fields()
		if n := len(rows); n > 0 && rows[n-1].fields == fields && rows[n-1].last == minor-1 {
			rows[n-1].last = minor
		} else {
			rows = append(rows, row{minor, minor, fields})
		}
	}
	for _, r := range rows {
		fmt.Printf("\t{\n\t\t.first = %d,\n\t\t.last = %d,\n%s\t},\n", r.first, r.last, r.fields)
	}
}
