#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The picture of an address space: that it shows what the ledger sums up, in every form, and nothing breaks out of it.
. "$(dirname "$0")/lib.sh"

rests() {
	start holes -mib 64 -seconds "$LASTING" "$@"
	await says holes.out HeapAlloc=
	# The background scavenger may be at work.
	await settles
}

settles() {
	local before
	before=$(awk '{ print $2 }' "/proc/$PID/statm")
	sleep 0.3
	[[ $before == "$(awk '{ print $2 }' "/proc/$PID/statm")" ]]
}

need_python() { need python3; }

# Without PAGEMAP_SCAN (Linux 6.7), and without CAP_SYS_ADMIN, a page that was read and never written looks resident:
# 511 of them where one byte was written of a huge one.
room() {
	if [[ $(printf '6.7\n%s\n' "$(uname -r)" | sort -V | head -n 1) == 6.7 ]]; then
		echo 65536
	else
		echo 4194304
	fi
}

# The sums of what is in the ranges, against the classes of the ledger in the same document.
case_cells_add_up_to_the_ledger() {
	need jq
	rests
	gctap map --json -p "$PID"
	ended_with 0
	jq -e --argjson room "$(room)" '
		def total($name): [.ranges[] | select(.parts) | .parts[$name] // 0] | add;
		def near($a; $b; $room): ($a - $b) as $d | $d <= $room and -$d <= $room;
		. as $map | .classes as $c |
		(.by_pages and .cell_bytes >= 4096 and (.ranges | length) > 100) and
		near(total("in_use"); $c.live + $c.new + $c.holes; 0) and
		near(total("free"); $c.free; 0) and near(total("released_resident"); $c.released; 0) and
		near(total("stacks"); $c.stacks; 0) and near([.ranges[].live_bytes // 0] | add; $c.live; $room) and
		near(total("metadata") + total("other"); $c.metadata + $c.other; $room) and near(total("globals"); $c.globals; $room) and
		near(total("files"); $c.files; $room) and near(total("threads"); $c.threads; $room) and
		near([.ranges[].resident_bytes // 0] | add; .rss_bytes; 2 * $room) and
		all(.totals[]; .bytes == (.name as $name | $map | total($name)))
	' out >/dev/null || fail "$(jq -c '[.classes, .totals]' out)"
	jq -e '[.ranges[] | select(.class != "gap")] | all(([.parts[]] | add) == .bytes or .resident_bytes < .bytes)' \
		out >/dev/null || fail "a range without holes is not full"
}

# Both of a process in which nothing moved in between: the kernel may fill in huge pages at any time.
looks_are_of_the_same() {
	gctap map --json -p "$PID"
	ended_with 0
	mv out map.json
	gctap why --json -p "$PID"
	ended_with 0
	[[ $(jq .rss_bytes out) == "$(jq .rss_bytes map.json)" ]]
}

case_classes_are_those_of_why() {
	need jq
	rests
	await looks_are_of_the_same
	same "heap in use" "$(jq '.classes | .live + .new + .holes' out)" "$(jq '.classes | .live + .new + .holes' map.json)"
	same "free" "$(jq .classes.free out)" "$(jq .classes.free map.json)"
	same "metadata" "$(jq .classes.metadata out)" "$(jq .classes.metadata map.json)"
}

case_json_is_as_the_schema_says() {
	need jq
	rests
	gctap map --json -p "$PID"
	ended_with 0
	as_the_schema_says out
	same "sum of the classes and the remainder" "$(jq .rss_bytes out)" \
		"$(jq '([.classes[]] | add) + .remainder_bytes' out)"
}

case_ranges_follow_each_other() {
	need_python
	rests -release
	gctap map --json -p "$PID"
	ended_with 0
	python3 - out <<-'END' || fail "see above"
		import json, sys
		last = None
		for r in json.load(open(sys.argv[1]))['ranges']:
		    start = int(r['address'], 16)
		    assert last is None or start == last, (hex(start), hex(last))
		    last = start + r['bytes']
		    assert r['class'] == 'gap' or r['bytes'] & (r['bytes'] - 1) == 0
	END
	jq -e '[.totals[] | select(.name == "released")][0].bytes > 16777216' out >/dev/null || fail "nothing is released"
}

case_a_pipe_gets_plain_ascii() {
	rests
	gctap map -p "$PID" --columns 70
	ended_with 0
	same "lines with anything else" 0 "$(grep -cP '[^\x20-\x7e]' out || true)"
	same "rows that are too long" 0 "$(grep -cE '^[0-9a-f]{12}  .{57,}$' out || true)"
	(($(grep -cE '^[0-9a-f]{12}  ' out) >= 10)) || fail "hardly a row"
	says out 'MB  heap in use: .* % in all' || fail "no legend"
}

case_a_terminal_gets_colours() {
	need script
	rests
	script -qec "'$GCTAP' map -p $PID" /dev/null >out </dev/null
	says out $'\x1b\\[38;5;[0-9]+;48;5;[0-9]+m' || fail "no colour"
	script -qec "'$GCTAP' map --no-color -p $PID" /dev/null >out </dev/null
	! says out $'\x1b' || fail "a colour all the same"
	script -qec "'$GCTAP' map --ascii -p $PID" /dev/null >out </dev/null
	! says out $'\x1b' || fail "a colour all the same"
}

# A program whose name, path and mapped file are markup; its path has the end of a script.
case_names_do_not_break_out() {
	local name='script><b>&"x' folder='f<img src=x onerror=alert(1)><' mapped='m]]><!--<script>&'
	need_python
	mkdir "$folder"
	go_program hostile 'package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

func main() {
	file, _ := os.Open(os.Args[1])
	bytes, err := syscall.Mmap(int(file.Fd()), 0, 65536, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	sum := byte(0)
	for i := 0; i < len(bytes); i += 4096 {
		sum += bytes[i]
	}
	fmt.Println("mapped", sum)
	time.Sleep(time.Hour)
}'
	mv hostile "$folder/$name"
	truncate -s 65536 "$folder/$mapped"
	"$folder/$name" "$folder/$mapped" >hostile.out 2>&1 </dev/null &
	PID=$!
	await says hostile.out mapped
	gctap map -p "$PID" --svg m.svg --html m.html
	ended_with 0
	same "standard output" "" "$(cat out)"
	python3 - m.svg m.html <<-'END' || fail "something breaks out"
		import sys, xml.etree.ElementTree as tree
		from html.parser import HTMLParser
		root = tree.parse(sys.argv[1]).getroot()
		names = {e.tag.split('}')[1] for e in root.iter()}
		assert names == {'svg', 'style', 'text', 'g', 'title', 'rect', 'path'}, names
		assert any('<!--<script>' in (e.text or '') for e in root.iter()), 'the mapped file has no name'
		seen = []
		class Page(HTMLParser):
		    def handle_starttag(self, tag, attributes):
		        seen.append(tag)
		        for key, value in attributes:
		            assert not key.startswith('on') and key not in ('src', 'href'), (tag, key, value)
		    def handle_comment(self, data):
		        raise AssertionError(data)
		Page().feed(open(sys.argv[2]).read())
		assert seen.count('script') == 3 and 'img' not in seen and 'b' not in seen, seen
	END
	for name in "$name" "$folder" "$mapped"; do
		! grep -qF -- "$name" m.html || fail "'$name' is in the page as it is"
	done
}

case_a_page_asks_nobody() {
	rests
	gctap map -p "$PID" --html m.html
	ended_with 0
	same "addresses of others" 0 "$(grep -cE '(https?:)?//[a-z]|@import|url\(' m.html || true)"
	says m.html "default-src 'none'" || fail "the page may ask others"
	(($(stat -c %s m.html) < 8 << 20)) || fail "$(stat -c %s m.html) bytes"
}

case_a_program_that_never_rests() {
	start spin -seconds "$LASTING"
	for _ in 1 2 3; do
		gctap map -p "$PID"
		ended_with 0
	done
	kill -0 "$PID" || fail "the process has ended"
}

case_files_that_cannot_be_written() {
	rests
	gctap map -p "$PID" --svg no/such/folder
	one_line_of_trouble 'cannot write to no/such/folder: No such file or directory'
	gctap map -p "$PID" --html /dev/full
	one_line_of_trouble 'cannot write to /dev/full: No space left on device'
	STATUS=0
	"$GCTAP" map -p "$PID" >/dev/full 2>err || STATUS=$?
	one_line_of_trouble 'cannot write the result: No space left on device'
}

case_wrong_input() {
	sleep 0 &
	PID=$!
	await_end "$PID"
	gctap map -p "$PID"
	one_line_of_trouble ''
	gctap map
	ended_with 2
	says err 'which process' || fail "$(cat err)"
	gctap map -p 0
	ended_with 2
	gctap map -p $$ --columns 23
	ended_with 2
	says err 'a whole number from 24 to 1000' || fail "$(cat err)"
	gctap map -p $$ extra
	ended_with 2
	gctap map --help
	ended_with 0
}

run_cases "$@"
