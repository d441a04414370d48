# SPDX-License-Identifier: BSD-2-Clause
#
# make            build/gctap
# make demo       set-up, build, the program that prompted the project, traced
# make test       set-up, and all tests that can run here
# make help       the rest

VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC := gcc
CLANG ?= clang
BPFTOOL ?= $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v bpftool)
PKG_CONFIG ?= pkg-config

ARCH := $(shell uname -m | sed -e 's/x86_64/x86/' -e 's/aarch64/arm64/')
PACKAGES := libbpf capstone jansson libcap libdw

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS ?= -O2 -g
# SANITIZE=address,undefined builds everything with these, into a folder of its own.
SANITIZE ?=
ifneq ($(SANITIZE),)
BUILD := build/sanitized
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

override CPPFLAGS += -D_GNU_SOURCE -DGCTAP_VERSION='"$(VERSION)"' -Iinclude -Isrc -I$(BUILD)/bpf \
	$(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
override CFLAGS += -std=gnu17 $(WARNINGS) $(SANITIZE_FLAGS)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null) -lelf -lz -lm

# Headers that bpf/ and user space share.
WIRE := event window madvise_event

BPF_CFLAGS := -O2 -g -target bpf -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -Iinclude \
	$(shell $(PKG_CONFIG) --cflags libbpf 2>/dev/null) -Wall -Werror

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY_OBJECTS := $(filter-out $(BUILD)/src/cli/main.o,$(OBJECTS))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(sort $(wildcard tests/unit/*_test.c)))
LIVE_TESTS := $(patsubst tests/live/%.c,$(BUILD)/tests/live/%,$(sort $(wildcard tests/live/*_test.c)))
# Programs that the scripts among the live tests start.
LIVE_PROGRAMS := $(BUILD)/tests/live/madvise_storm
# What they preload into gctap.
LIVE_LIBRARIES := $(BUILD)/tests/live/fault_injector.so
# What the benchmarks measure with.
BENCH_TOOLS := $(patsubst %,$(BUILD)/tests/bench/%,calls hit spend facts)
SKELETONS := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.skel.h,$(sort $(wildcard bpf/*.bpf.c)))

# V=1 shows the commands.
V ?= 0
ifeq ($(V),0)
say = @echo '  $(1)  $(2)';
else
say =
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

all: $(BUILD)/gctap

# What the build needs, asked once: one line that says what is missing.
$(BUILD)/.tools: scripts/tools
	@mkdir -p $(BUILD)
	@scripts/tools "$(CLANG)" "$(BPFTOOL)" $(PACKAGES)
	@touch $@

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.bpf.h) $(wildcard $(WIRE:%=include/gctap/%.h)) \
		vmlinux/$(ARCH)/vmlinux.h | $(BUILD)/.tools
	@mkdir -p $(@D)
	$(call say,BPF ,$<)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

# Compare-and-exchange is an instruction of this one.
$(BUILD)/bpf/madvise.bpf.o: BPF_CFLAGS += -mcpu=v3

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@# Not ours to lint.
	$(call say,SKEL,$@){ echo '// NOLINTBEGIN' && $(BPFTOOL) gen skeleton $< name $*_bpf && echo '// NOLINTEND'; } > $@

$(filter $(BUILD)/src/probe/%,$(OBJECTS)): $(SKELETONS)

$(BUILD)/%.o: %.c Makefile | $(BUILD)/.tools
	@mkdir -p $(@D)
	$(call say,CC  ,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/gctap: $(OBJECTS)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIBRARY_OBJECTS)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(LIVE_PROGRAMS): $(BUILD)/tests/live/%: $(BUILD)/tests/live/%.o
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $^ -pthread -o $@

# It takes the place of functions that the compiler has ideas about.
$(LIVE_LIBRARIES): $(BUILD)/tests/live/%.so: tests/live/%.c Makefile
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -fno-builtin -fPIC -shared $< -o $@

$(filter-out %/hit,$(BENCH_TOOLS)): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(if $(filter facts,$*),-ldw) -o $@

-include $(shell test -d $(BUILD) && find $(BUILD)/src $(BUILD)/tests -type f -name '*.d' 2>/dev/null)

unit-tests: $(UNIT_TESTS)
live-tests: $(LIVE_TESTS) $(LIVE_PROGRAMS) $(LIVE_LIBRARIES) $(BUILD)/tests/live/heap_show

demo:
	@scripts/setup build test
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)/gctap $(DEMO_SLEEPS)

# The benchmarks' tools are built, all but the one that needs another library: they follow the headers.
test:
	@scripts/setup build test fuzz
	@$(MAKE) --no-print-directory all unit-tests live-tests $(filter-out %/facts,$(BENCH_TOOLS))
	@$(MAKE) --no-print-directory SANITIZE=address,undefined unit-tests
	@tests/run

test-go: all
	@scripts/setup build test
	@tests/matrix/go-matrix --write
	@tests/matrix/scav-matrix --write
	@tests/matrix/why-matrix --write

test-corpus: all
	@scripts/setup build test
	@tests/matrix/corpus-matrix --write
	@tests/matrix/why-matrix --write --part corpus

fuzz:
	@scripts/setup build fuzz
	@scripts/fuzz --write

coverage:
	@scripts/setup build test fuzz
	@scripts/coverage --write

bench-tools: $(BENCH_TOOLS)

# The set-up first: one of the tools needs a library that nothing else does.
define prepare_bench
	@scripts/setup build test bench
	@$(MAKE) --no-print-directory all bench-tools
endef

bench:
	$(prepare_bench)
	@scripts/bench

bench-%:
	$(prepare_bench)
	@scripts/$@ --write

soak:
	$(prepare_bench)
	@scripts/bench-soak --write

test-faults: all live-tests
	@scripts/setup build test
	@$(MAKE) --no-print-directory SANITIZE=address,undefined build/sanitized/gctap
	@tests/go/build $(BUILD)/go
	@scripts/faults --write

test-vm: all live-tests
	@scripts/setup build test vm
	@tests/vm/run --write

lint:
	@scripts/setup build lint
	@scripts/lint

install: all
	install -D -m 755 $(BUILD)/gctap $(DESTDIR)$(PREFIX)/bin/gctap
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/gctap/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/gctap/LICENSE

clean:
	rm -rf build

help:
	@echo 'make                 build/gctap'
	@echo 'make demo            set-up (root), build, trace the program that prompted the project; DEMO_SLEEPS="3 3"'
	@echo 'make test            set-up (root), all tests that can run here'
	@echo 'make test-go         every Go toolchain times every way to build, gctap why over versions; writes docs/matrix-go.md, -scav.md, -why.md'
	@echo 'make test-corpus     fourteen published programs; writes docs/matrix-corpus.md, and a part of docs/matrix-why.md'
	@echo 'make test-faults     each way to each call failing, thousands of short processes; writes docs/faults.md'
	@echo 'make fuzz            libFuzzer on the readers and the emulator; FUZZ_SECONDS=600 a target; writes docs/fuzzing.md'
	@echo 'make coverage        lines of the readers and the emulator that unit tests and the fuzz corpus run; writes docs/coverage.md'
	@echo 'make bench           all benchmarks, ten minutes on a quiet machine; writes docs/benchmarks.md and its drawings'
	@echo 'make bench-PART      one of them: overhead hit start tax solve many drops heap'
	@echo 'make soak            a real server, traced for SOAK_SECONDS=3600; writes docs/benchmarks.md'
	@echo 'make test-vm         other kernels in qemu; writes docs/kernels.md'
	@echo 'make lint            clang-format, clang-tidy, cppcheck'
	@echo 'make install         PREFIX=/usr/local DESTDIR='
	@echo 'make clean'

.PHONY: all unit-tests live-tests demo test test-faults test-go test-corpus fuzz coverage bench bench-tools soak test-vm lint install clean help
