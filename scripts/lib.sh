#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the scripts share: messages, the cache folder, the machine in a line, and Debian packages of any suite
# taken through an apt configuration of their own, so that the system's apt state stays as it is. Source it.

GCTAP_CACHE=${GCTAP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gctap}
GCTAP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Go version, the Debian suite that has it.
GO_TOOLCHAINS='
1.15 bullseye
1.19 bookworm
1.21 bookworm-backports
1.22 bookworm-backports
1.23 bookworm-backports
1.24 trixie
1.25 trixie-backports
1.26 trixie-backports
1.27 trixie-backports
'

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
	say "$*"
	exit 1
}

need_command() {
	local command
	for command; do
		command -v "$command" >/dev/null || die "$command is missing; install the package that has it"
	done
}

# A folder that goes when the script goes, beside the cache so that a rename out of it is atomic.
scratch_make() {
	mkdir -p "$GCTAP_CACHE"
	SCRATCH=$(mktemp -d "$GCTAP_CACHE/scratch.XXXXXX")
	trap 'rm -rf -- "$SCRATCH"' EXIT
}

go_versions() { awk 'NF { print $1 }' <<<"$GO_TOOLCHAINS"; }

go_suite() { awk -v version="$1" '$1 == version { print $2 }' <<<"$GO_TOOLCHAINS"; }

go_root() { printf '%s\n' "$GCTAP_CACHE/go/$1"; }

# write_section NAME HEADING FILE [DOCUMENT TITLE] : puts the file between the marks of that name in
# docs/DOCUMENT.md (benchmarks), or appends the section.
write_section() {
	local document=$GCTAP_ROOT/docs/${4:-benchmarks}.md
	mkdir -p "${document%/*}"
	[[ -e $document ]] || printf '# %s\n' "${5:-Benchmarks}" >"$document"
	grep -q "^<!-- $1:begin -->\$" "$document" || cat >>"$document" <<-END

		## $2

		<!-- $1:begin -->
		<!-- $1:end -->
	END
	awk -v section="$3" -v name="$1" '
		$0 == "<!-- " name ":begin -->" { print; while ((getline line < section) > 0) print line; inside = 1 }
		$0 == "<!-- " name ":end -->" { inside = 0 }
		!inside' "$document" >"$document.new"
	mv "$document.new" "$document"
}

# ---- The machine -------------------------------------------------------------------------------

machine_cpu() { sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1 | grep . || uname -m; }

machine_virtual() {
	local by
	if ! grep -qw hypervisor /proc/cpuinfo; then
		echo "not virtualised"
	else
		by=$(lscpu 2>/dev/null | sed -n 's/^Hypervisor vendor: *//p')
		echo "virtual machine${by:+ ($by)}"
	fi
}

# In one line, for the documents.
machine() {
	printf '%s, %d cores, %s, %.0f GiB, kernel %s' "$(machine_cpu)" "$(nproc)" "$(machine_virtual)" \
		"$(awk '/^MemTotal/ { print $2 / 1048576 }' /proc/meminfo)" "$(uname -r | cut -d- -f1)"
}

# ---- Debian packages of any suite ------------------------------------------------------------

# The repositories that this machine's own apt sources name, one URI a line. apt itself reads
# them, so every way to write a source is understood. GCTAP_MIRROR goes before them: once a suite
# has left the mirrors, it can be had from an archive only.
mirror_candidates() {
	if [[ -n ${GCTAP_MIRROR:-} ]]; then
		printf '%s\n' "${GCTAP_MIRROR%/}/"
	fi
	apt-get indextargets --no-release-info --format "\$(REPO_URI)" 'Created-By: Packages' |
		awk '!seen[$0]++'
}

# The options of an apt that sees one suite only and keeps all its state in a folder of its own.
# Proxies and the like still come from the system's configuration.
apt_options() {
	local state=$GCTAP_CACHE/apt/$1
	printf '%s\n' \
		-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o "Dir::State=$state/state" -o "Dir::State::lists=$state/lists" \
		-o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" \
		-o "Dir::Cache::archives=$state/cache/archives" -o Dir::Log=/dev/null \
		-o APT::Sandbox::User= -o APT::Update::Post-Invoke= -o Acquire::Languages=none
}

apt_private() {
	local suite=$1 options
	shift
	mapfile -t options < <(apt_options "$suite")
	apt-get -qq "${options[@]}" "$@"
}

# The system may have its keys in trusted.gpg.d or only in the keyring package's file.
apt_source_line() {
	local suite=$1 uri=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	if [[ -r $keyring ]]; then
		printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$uri" "$suite"
	else
		printf 'deb %s %s main\n' "$uri" "$suite"
	fi
}

apt_suite_from() {
	local suite=$1 uri=$2 state=$GCTAP_CACHE/apt/$1
	apt_source_line "$suite" "$uri" >"$state/sources.list"
	apt_private "$suite" update -o APT::Update::Error-Mode=any >"$state/log" 2>&1
}

# Fetches the lists of a suite from the first of the machine's mirrors that has it; once a run.
declare -A APT_READY=()
apt_suite() {
	local suite=$1 state=$GCTAP_CACHE/apt/$1 uri
	[[ -z ${APT_READY[$suite]:-} ]] || return 0
	need_command apt-get dpkg
	mkdir -p "$state"/{state,lists/partial,cache/archives/partial}
	: >"$state/status"
	say "package lists of $suite"
	while read -r uri; do
		if apt_suite_from "$suite" "$uri"; then
			APT_READY[$suite]=$uri
			return 0
		fi
	done < <(mirror_candidates)
	die "no mirror of this machine's apt sources has the suite $suite (log: $state/log);" \
		"GCTAP_MIRROR=URI names another"
}

# debs_unpack SUITE FOLDER PACKAGE... : downloads (verified by apt) and unpacks, installs nothing.
debs_unpack() {
	local suite=$1 folder=$2 deb
	shift 2
	apt_suite "$suite"
	mkdir -p "$folder" "$SCRATCH/debs"
	say "fetching $* from $suite"
	(cd "$SCRATCH/debs" && apt_private "$suite" download "$@" >&2) ||
		die "cannot fetch $* from $suite"
	for deb in "$SCRATCH"/debs/*.deb; do
		dpkg -x "$deb" "$folder"
	done
	rm -rf -- "$SCRATCH/debs"
}

# ---- Building the test programs --------------------------------------------------------------

# go_build GOROOT PROGRAM OUTPUT [FLAG...] : a program of tests/go, by that toolchain and nothing
# from the network or the user's settings. CGO_ENABLED, GOAMD64, GOEXPERIMENT pass through.
go_build() {
	local goroot=$1 program=$2 output=$3
	shift 3
	mkdir -p "$(dirname "$output")" "$GCTAP_CACHE/go-build"
	(cd "$GCTAP_ROOT/tests/go/$program" &&
		nice env GOROOT="$goroot" GOTOOLCHAIN=local GOFLAGS= GOPROXY=off GOENV=off GO111MODULE=off \
			GOCACHE="$GCTAP_CACHE/go-build" "$goroot/bin/go" build -o "$output" "$@" .)
}

# go_build_variants GOROOT FOLDER : the program churn in the ways that make binaries differ most.
go_build_variants() {
	local goroot=$1 folder=$2
	go_build "$goroot" churn "$folder/default" &&
		go_build "$goroot" churn "$folder/stripped" '-ldflags=-s -w' &&
		go_build "$goroot" churn "$folder/pie" -buildmode=pie &&
		CGO_ENABLED=1 go_build "$goroot" churn "$folder/external-pie" -buildmode=pie \
			-ldflags=-linkmode=external -tags=gctap_cgo
}

# The exact version, "go1.19.8", of the toolchain in a GOROOT.
go_exact_version() { GOROOT=$1 GOTOOLCHAIN=local "$1/bin/go" version | awk '{ print $3 }'; }

# The GOROOT of the Go that the system has installed, if it has one.
go_system_root() {
	if command -v go >/dev/null; then
		GOTOOLCHAIN=local go env GOROOT
	fi
}

# ---- The corpus of published programs --------------------------------------------------------

# Name, where it is from (npm or a Debian suite), its path there, the packages: the first holds it,
# the others hold libraries that it needs.
CORPUS='
esbuild-0.14 npm package/bin/esbuild esbuild-linux-64@0.14.0
esbuild-0.19 npm package/bin/esbuild @esbuild/linux-x64@0.19.12
esbuild-0.24 npm package/bin/esbuild @esbuild/linux-x64@0.24.2
esbuild-0.28 npm package/bin/esbuild @esbuild/linux-x64@0.28.2
tsgo npm package/lib/tsgo @typescript/native-preview-linux-x64@7.0.0-dev.20251201.1
node_exporter-1.1 bullseye usr/bin/prometheus-node-exporter prometheus-node-exporter
prometheus bookworm usr/bin/prometheus prometheus
etcd bookworm usr/bin/etcd etcd-server
caddy-2.6 bookworm usr/bin/caddy caddy
hugo bookworm usr/bin/hugo hugo libsass1
restic bookworm usr/bin/restic restic
kubectl trixie usr/bin/kubectl kubectl
node_exporter-1.9 trixie usr/bin/prometheus-node-exporter prometheus-node-exporter
caddy-2.11 trixie-backports usr/bin/caddy caddy
'

corpus_names() { awk 'NF { print $1 }' <<<"$CORPUS"; }

# corpus_entry NAME : "source path package..."; fails on a name that is not in the table.
corpus_entry() {
	awk -v name="$1" '$1 == name { sub(/^[^ ]+ /, ""); print; found = 1 } END { exit !found }' <<<"$CORPUS"
}

corpus_folder() { printf '%s\n' "$GCTAP_CACHE/corpus/$1"; }

corpus_program() {
	local entry path
	entry=$(corpus_entry "$1")
	read -r _ path _ <<<"$entry"
	printf '%s\n' "$(corpus_folder "$1")/$path"
}

# The folder of the libraries that came with a program, where there are some.
corpus_libraries() {
	find "$(corpus_folder "$1")" -name '*.so.*' -printf '%h\n' -quit
}
