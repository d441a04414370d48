#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What scripts/fuzz and scripts/coverage share: how fuzzers are built, and from what they start. Source
# it behind lib.sh; BUILD is the folder, below the root, where all goes.

targets() {
	local source
	for source in tests/fuzz/*_fuzz.c; do
		source=${source##*/}
		printf '%s\n' "${source%_fuzz.c}"
	done
}

# All but main(): the linker takes what a target needs.
objects() {
	local source
	for source in src/*.c src/*/*.c; do
		[[ $source == src/cli/main.c ]] || printf '%s\n' "$BUILD/${source%.c}.o"
	done
}

# Where a fuzzer has to stand between two others.
wraps() {
	local function
	case $1 in
	cli) set -- argp_parse argp_error ;;
	seeds) set -- image_at image_read image_pointer gobin_function_by_name gobin_function_by_address ;;
	*) return ;;
	esac
	for function; do
		printf -- '-Wl,--wrap=%s\n' "$function"
	done
}

# compile CFLAGS INSTRUMENTATION [MAKE-TARGET...]
compile() {
	local log=$BUILD/compile.log cflags=$1 flags=$2
	shift 2
	mkdir -p "$BUILD"
	# shellcheck disable=SC2046 # the words are paths of this tree
	nice make -s --no-print-directory -j2 BUILD="$BUILD" CC=clang CFLAGS="$cflags" SANITIZE_FLAGS="$flags" "$@" \
		$(objects) "$BUILD/tests/fuzz/seeds.o" $(printf "$BUILD/tests/fuzz/%s_fuzz.o " $(targets)) >"$log" 2>&1 || {
		tail -40 "$log" >&2
		die "cannot compile"
	}
	rm -f -- "$BUILD/gctap.a"
	# shellcheck disable=SC2046
	ar qcs "$BUILD/gctap.a" $(objects)
}

# link FLAGS OBJECT PROGRAM
link() {
	local name=${3##*/} flags libraries wraps
	read -ra libraries < <(pkg-config --libs capstone jansson libbpf libcap libdw)
	mapfile -t wraps < <(wraps "${name%_fuzz}")
	read -ra flags <<<"$1"
	clang "${flags[@]}" "${wraps[@]}" "$2" "$BUILD/gctap.a" "${libraries[@]}" -lelf -lz -lm -o "$3"
}

# link_targets FLAGS SEEDS-FLAGS TARGET...
link_targets() {
	local target how=$1
	# The seed maker notes what the solver reads, by standing between it and the image.
	link "$2" "$BUILD/tests/fuzz/seeds.o" "$BUILD/seeds"
	shift 2
	for target; do
		link "$how" "$BUILD/tests/fuzz/${target}_fuzz.o" "$BUILD/${target}_fuzz"
	done
}

# Go programs to cut seeds from: two that are built here, and those in FUZZ_BINARIES: paths, separated by spaces.
go_binaries() {
	local goroot
	if goroot=$(go_system_root); then
		go_build "$goroot" churn "$GCTAP_ROOT/$BUILD/go/default"
		go_build "$goroot" churn "$GCTAP_ROOT/$BUILD/go/pie" -buildmode=pie
	fi
	shopt -s nullglob
	# shellcheck disable=SC2086 # a list
	printf "%s\n" "$BUILD"/go/* ${FUZZ_BINARIES:-}
}

make_seeds() {
	local binaries
	mapfile -t binaries < <(go_binaries)
	rm -rf -- "$BUILD/start"
	"$BUILD/seeds" "$BUILD/start" "${binaries[@]}" >&2
}

# What was found in earlier runs, the seeds, and what has once broken something. All are run first.
corpora() {
	local folder
	for folder in "$BUILD/corpus/$1" "$BUILD/start/$1" "tests/fuzz/regressions/$1"; do
		[[ ! -d $folder ]] || printf '%s\n' "$folder"
	done
}
