// SPDX-License-Identifier: BSD-2-Clause
/*
 * seeds FOLDER [GO-BINARY...] : what the fuzzers start from. A Go program of
 * megabytes mutates badly, so each binary is cut down to the bytes that the
 * solver reads, at their addresses, with a pclntab and a moduledata of its own.
 *
 * Linked with --wrap: the solver's reads pass through here and are noted.
 */
#include "../unit/go_builder.h"
#include "../unit/scavenge_builder.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "gctap/event.h"
#include "gctap/gobin.h"
#include "gctap/madvise.h"
#include "gctap/recipe.h"
#include "gctap/trigger.h"

#define RANGES_MAX    65536u
#define FUNCTIONS_MAX 1024u
#define MERGE_GAP     48u
#define SEGMENTS_MAX  96u

struct range {
	uint64_t start, end;
};

static struct {
	bool on;
	struct range ranges[RANGES_MAX];
	unsigned nr_ranges;
	struct gobin_function functions[FUNCTIONS_MAX];
	unsigned nr_functions;
} seen;

static void see_range(uint64_t address, uint64_t length)
{
	struct range *last = seen.nr_ranges ? &seen.ranges[seen.nr_ranges - 1] : NULL;

	if (!seen.on || !length || seen.nr_ranges == RANGES_MAX)
		return;
	if (last && last->start == address && last->end >= address + length)
		return;
	seen.ranges[seen.nr_ranges++] = (struct range){ address, address + length };
}

static void see_function(const struct gobin_function *function)
{
	if (!seen.on)
		return;
	for (unsigned i = 0; i < seen.nr_functions; i++)
		if (seen.functions[i].entry == function->entry)
			return;
	if (seen.nr_functions < FUNCTIONS_MAX)
		seen.functions[seen.nr_functions++] = *function;
}

const void *__real_image_at(struct image *image, uint64_t address, size_t length);
const void *__wrap_image_at(struct image *image, uint64_t address, size_t length);
const void *__wrap_image_at(struct image *image, uint64_t address, size_t length)
{
	const void *bytes = __real_image_at(image, address, length);

	if (bytes)
		see_range(address, length);
	return bytes;
}

int __real_image_read(struct image *image, uint64_t address, void *buffer, size_t length);
int __wrap_image_read(struct image *image, uint64_t address, void *buffer, size_t length);
int __wrap_image_read(struct image *image, uint64_t address, void *buffer, size_t length)
{
	int error = __real_image_read(image, address, buffer, length);

	if (!error)
		see_range(address, length);
	return error;
}

int __real_image_pointer(struct image *image, uint64_t address, uint64_t *value);
int __wrap_image_pointer(struct image *image, uint64_t address, uint64_t *value);
int __wrap_image_pointer(struct image *image, uint64_t address, uint64_t *value)
{
	int error = __real_image_pointer(image, address, value);

	if (!error)
		see_range(address, 8);
	return error;
}

int __real_gobin_function_by_name(struct gobin *gobin, const char *name, struct gobin_function *function);
int __wrap_gobin_function_by_name(struct gobin *gobin, const char *name, struct gobin_function *function);
int __wrap_gobin_function_by_name(struct gobin *gobin, const char *name, struct gobin_function *function)
{
	int error = __real_gobin_function_by_name(gobin, name, function);

	if (!error)
		see_function(function);
	return error;
}

int __real_gobin_function_by_address(struct gobin *gobin, uint64_t address, struct gobin_function *function);
int __wrap_gobin_function_by_address(struct gobin *gobin, uint64_t address, struct gobin_function *function);
int __wrap_gobin_function_by_address(struct gobin *gobin, uint64_t address, struct gobin_function *function)
{
	int error = __real_gobin_function_by_address(gobin, address, function);

	if (!error)
		see_function(function);
	return error;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static const char *folder;
static unsigned nr_written;

static void write_seed(const char *target, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	if (mkdir(path, 0777) && errno != EEXIST) {
		perror(path);
		exit(1);
	}
	snprintf(path, sizeof(path), "%s/%s/%s", folder, target, name);
	file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
	nr_written++;
}

/* ---- A binary, cut down --------------------------------------------------------------------- */

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static unsigned merge_ranges(struct image *image)
{
	unsigned count = 0;

	qsort(seen.ranges, seen.nr_ranges, sizeof(seen.ranges[0]), compare_ranges);
	for (unsigned i = 0; i < seen.nr_ranges; i++) {
		struct range *last = count ? &seen.ranges[count - 1] : NULL, range = seen.ranges[i];

		if (last && range.start <= last->end + MERGE_GAP &&
		    image_segment_at(image, last->start, 1) == image_segment_at(image, range.start, 1))
			last->end = range.end > last->end ? range.end : last->end;
		else
			seen.ranges[count++] = range;
	}
	return count;
}

static int compare_functions(const void *a, const void *b)
{
	const struct go_function *x = a, *y = b;

	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Those that were asked for, and one for each gap between them. */
static uint32_t make_functions(struct go_function *functions)
{
	uint32_t count = 0, known = seen.nr_functions;

	for (unsigned i = 0; i < known; i++)
		functions[count++] =
			(struct go_function){ seen.functions[i].name, seen.functions[i].entry, "mgc.go", 100 + i };
	qsort(functions, known, sizeof(functions[0]), compare_functions);
	for (unsigned i = 0; i < known; i++) {
		uint64_t end = functions[i].entry;

		for (unsigned k = 0; k < seen.nr_functions; k++)
			if (seen.functions[k].entry == functions[i].entry)
				end = seen.functions[k].end;
		if (i + 1 == known || end < functions[i + 1].entry)
			functions[count++] = (struct go_function){ "main.gap", end, "main.go", 1 };
	}
	qsort(functions, count, sizeof(functions[0]), compare_functions);
	return count;
}

static void add_ranges(struct elf_builder *elf, struct image *image, unsigned count)
{
	for (unsigned i = 0; i < count && elf->header.e_phnum + 4u < SEGMENTS_MAX; i++) {
		const struct image_segment *segment = image_segment_at(image, seen.ranges[i].start, 1);
		uint64_t size = seen.ranges[i].end - seen.ranges[i].start;
		uint8_t *bytes = malloc(size);

		if (bytes && segment && !image_read(image, seen.ranges[i].start, bytes, size))
			elf_segment(elf, PT_LOAD, seen.ranges[i].start,
				    PF_R | (segment->writable ? PF_W : 0) | (segment->executable ? PF_X : 0), bytes,
				    size, size);
		free(bytes);
	}
}

/* A cut that the solver cannot use any more would make a fuzzer that sees nothing. */
static void must_solve(const uint8_t *file, size_t size, const char *name)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;
	struct recipe *recipe;
	struct scavenge_recipes scavenge;

	if (image_open_bytes(file, size, &image, &failure) || gobin_open(image, &gobin, &failure) ||
	    recipe_solve_gctrace(gobin, &recipe, &failure) || recipe_solve_scavtrace(gobin, &scavenge, &failure)) {
		fprintf(stderr, "%s: the cut does not solve: %s\n", name, failure.text);
		exit(1);
	}
	printf("%s: %zu bytes, %llu instructions\n", name, size, (unsigned long long)recipe->instructions);
	recipe_free(recipe);
	recipe_free(scavenge.background);
	recipe_free(scavenge.forced);
	gobin_close(gobin);
	image_close(image);
}

static void cut_down(struct gobin *gobin, const char *name)
{
	struct image *image = gobin_image(gobin);
	const struct gobin_moduledata *module = gobin_moduledata(gobin);
	const uint64_t ranges[10] = { module->text,	module->etext,	  module->noptrdata, module->enoptrdata,
				      module->data,	module->edata,	  module->bss,	     module->ebss,
				      module->noptrbss, module->enoptrbss };
	static struct go_function functions[2 * FUNCTIONS_MAX];
	uint32_t nr_functions = make_functions(functions);
	struct go_pclntab table = { gobin_form(gobin), module->text, module->etext, false, functions, nr_functions };
	/* In a place where no program lies. */
	uint64_t pclntab_address = 0x70000000, module_address = 0x78000000;
	uint8_t moduledata[GO_MODULEDATA_BYTES], *file;
	struct bytes pclntab = { 0 };
	struct elf_builder elf;
	size_t size;

	elf_start(&elf, image_is_dyn(image) ? ET_DYN : ET_EXEC, SEGMENTS_MAX);
	elf.header.e_entry = image_entry(image);
	go_pclntab(&table, &pclntab);
	go_moduledata(table.form, pclntab_address, nr_functions, ranges, moduledata);
	elf_segment(&elf, PT_LOAD, pclntab_address, PF_R, pclntab.data, pclntab.size, pclntab.size);
	elf_segment(&elf, PT_LOAD, module_address, PF_R | PF_W, moduledata, sizeof(moduledata), sizeof(moduledata));
	add_ranges(&elf, image, merge_ranges(image));
	bytes_free(&pclntab);
	file = elf_finish(&elf, &size);
	must_solve(file, size, name);
	write_seed("recipe", name, file, size);
	write_seed("gobin", name, file, size);
	free(file);
}

/* The code of the printing function, for the emulator. */
static void cut_code(struct gobin *gobin, const struct recipe *recipe, const char *name)
{
	const void *code = image_at(gobin_image(gobin), recipe->probe_address, 1024);

	if (code)
		write_seed("emu", name, code, 1024);
}

static void from_binary(const char *path, unsigned number)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;
	struct recipe *recipe;
	struct scavenge_recipes scavenge;
	struct gctap_madvise_process process;
	struct trigger_plan plan;
	char name[32];

	snprintf(name, sizeof(name), "binary-%u", number);
	if (image_open(path, &image, &failure)) {
		fprintf(stderr, "%s: %s\n", path, failure.text);
		exit(1);
	}
	seen.nr_ranges = seen.nr_functions = 0;
	seen.on = false;
	if (gobin_open(image, &gobin, &failure)) {
		fprintf(stderr, "%s: %s\n", path, failure.text);
		exit(1);
	}
	seen.on = true;
	/* The parts of trigger and madvise are wanted as well, but not every version has all of them. */
	trigger_plan(gobin, &plan, NULL);
	madvise_plan(image, gobin, &process, NULL);
	if (recipe_solve_gctrace(gobin, &recipe, &failure) || recipe_solve_scavtrace(gobin, &scavenge, &failure)) {
		fprintf(stderr, "%s: %s\n", path, failure.text);
		exit(1);
	}
	seen.on = false;
	cut_down(gobin, name);
	cut_code(gobin, recipe, name);
	recipe_free(recipe);
	recipe_free(scavenge.background);
	recipe_free(scavenge.forced);
	gobin_close(gobin);
	image_close(image);
}

/* ---- Made by hand --------------------------------------------------------------------------- */

static void programs(void)
{
	static const struct go_function functions[] = {
		{ "runtime.main", GO_TEXT, "proc.go", 10 },
		{ "runtime.schedinit", GO_TEXT + 32, "proc.go", 700 },
		{ "runtime/cgo.init", GO_TEXT + 64, "cgo.go", 5 },
	};
	static const uint8_t code[96] = { 0x48, 0x3b, 0x25, 0, 0, 0, 0, 0x76, 0x10, 0xc3 };
	char name[64];

	for (unsigned i = 0; i < 48; i++) {
		struct go_program program = {
			.form = (enum pclntab_form)(i % 4),
			.pie = i & 4,
			.module = i & 4 ? GO_MODULE_RELOCATED : GO_MODULE_RAW,
			.sections = i & 8,
			.buildinfo = (enum go_buildinfo)(i / 16),
			.version = "go1.19.8",
			.settings = "path\tmain\nbuild\t-buildmode=exe\nbuild\tCGO_ENABLED=0\n",
			.functions = functions,
			.nr_functions = 3,
			.code = code,
			.code_size = sizeof(code),
		};
		size_t size;
		uint8_t *file = go_program(&program, &size);

		snprintf(name, sizeof(name), "program-%u", i);
		write_seed("gobin", name, file, size);
		if (i % 4 == 0)
			write_seed("image", name, file, size);
		free(file);
	}
}

static void events(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct recipe *recipe = recipe_go127(i & 1);
		struct gctap_event event = { .ktime_ns = 1000000000,
					     .pid = 7,
					     .tid = 8,
					     .facts = 7,
					     .windows_read = i & 2 ? 0xffff : 0x5555,
					     .comm = "churn" };
		uint8_t bytes[1 + sizeof(event)] = { (uint8_t)i };

		event.payload_bytes = recipe->payload_bytes;
		for (uint64_t at = AT_CYCLE; at < AT_ARENAS; at += 8)
			recipe_poke(recipe, event.payload, at, 8, (at - AT_CYCLE) * 12345678 + 1);
		memcpy(bytes + 1, &event, sizeof(event));
		write_seed("event", i == 0 ? "0" : i == 1 ? "1" : i == 2 ? "2" : "3", bytes, sizeof(bytes));
		recipe_free(recipe);
	}
}

/* Two sweeps and a forced line between them. */
static void scavenges(void)
{
	for (unsigned version = 0; version < SCAVENGE_VERSIONS; version++) {
		uint8_t bytes[1 + 3 * (1 + sizeof(struct gctap_event))] = { (uint8_t)version };
		size_t used = 1;
		char name[16];

		for (unsigned i = 0; i < 3; i++) {
			unsigned forced = i == 1;
			struct recipe *recipe = scavenge_recipe(version, forced);
			struct gctap_event event = { .pid = 7, .facts = 3, .windows_read = 0xffff, .comm = "hog" };

			event.payload_bytes = recipe->payload_bytes;
			for (uint64_t at = AT_SCAVTRACE + 0x100; at <= AT_RESET; at += 0x100)
				recipe_poke(recipe, event.payload, at, 8, (at << 4) * (i + 1));
			scavenge_poke_own_work(recipe, event.payload, 1 << 20);
			bytes[used++] = (uint8_t)forced;
			memcpy(bytes + used, &event, GCTAP_EVENT_HEADER_BYTES + recipe->payload_bytes);
			used += GCTAP_EVENT_HEADER_BYTES + recipe->payload_bytes;
			recipe_free(recipe);
		}
		snprintf(name, sizeof(name), "%u", version);
		write_seed("scavenge", name, bytes, used);
	}
}

static void lines(void)
{
	static const char *const texts[] = {
		"gc 16 @0.114s 6%: 0.42+0.34+0.024 ms clock, 0.85+0.068/0.23/0+0.048 ms cpu, "
		"30->31->30 MB, 31 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)\n",
		"gc 3 @12.007s 11%: 0.066+55+0.005 ms clock, 0.26+1.5/103/0.20+0.021 ms cpu, 5->6->2 MB, 7 MB goal, "
		"4 P\nhello\ngc 4 @12.1s 11%: 1+2+3 ms clock, 1+2/3/4+5 ms cpu, 1->2->3 MB, 4 MB goal, 4 P\n",
		"gc 9 @1.000s 0% (checking for goroutine leaks): 0.1+0.2+0.3 ms clock, 0.1+0/0/0+0.1 ms cpu, "
		"1->1->1 MB, 4 MB goal, 2024/01/02 log line\n0 MB stacks, 0 MB globals, 8 P\n",
		"gc 1 @0.001s 0%: 1+2+3 ms clogc 2 @0.002s 0%: 1+2+3 ms clock, 1+2/3/4+5 ms cpu, 1->2->3 MB, "
		"4 MB goal, 5 MB stacks, 6 MB globals, 7 MB arenas, ? P (odd)\n",
	};
	char name[16];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(name, sizeof(name), "%u", i);
		write_seed("trace_line", name, texts[i], strlen(texts[i]));
	}
}

static void scav_lines(void)
{
	static const char *const texts[] = {
		"scav 8 KiB work, 63840 KiB total, 7% util\nscav 6 16 KiB work, 32784 KiB total, 22% util\n"
		"scav 7 4096 KiB work, 32864 KiB total, 57% util (forced)\n",
		"hello\nscav 20600 KiB work, 22392 KiB total, 65% util\n"
		"scav 0 KiB work, 4232 KiB total, 98% util [controller reset]\nscav",
		"scav 5184 KiB work (bg), 0 KiB work (eager), 9232 KiB now, 82% util\n"
		"scav 0 KiB work (bg), 7808 KiB work (eager), 12144 KiB now, 3% util (forced)\n"
		"scav 0 KiB work (bg), 0 KiB work (eager), 12144 KiB now, 3% util (odd) [new]\n",
		"scav hello\n12026/11/22 log\n KiB work (bg), 0tick KiB work (eager), 9232 KiB now, 82% utilx\n\n"
		"scav 5 goats\nscav 1 KiB work, x\n2 KiB total, 3% util\nscav 4 KiB wo",
	};
	char name[16];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(name, sizeof(name), "%u", i);
		write_seed("scav_line", name, texts[i], strlen(texts[i]));
	}
}

/* Of this program, and what it does not have. */
static void process_texts(void)
{
	static const char *const paths[] = { "smaps", "maps", "status", "stat", "statm", "cgroup", "mountinfo" };
	static const char *const texts[] = {
		"00600000-00610000 rw-p 00200000 08:01 77 /app/server (deleted)\nRss: 8 kB\n"
		"00610000-00650000 rw-p 00000000 00:00 0 \nRss: 4 kB\n01000000-01021000 rw-p 00000000 00:00 0 [heap]\n"
		"c000000000-c000400000 rw-p 00000000 00:00 0 [anon: Go: heap]\nRss: 4096 kB\nLazyFree: 64 kB\n"
		"AnonHugePages: 2048 kB\nTHPeligible: 1\nVmFlags: rd wr ac hg ht\n"
		"c000400000-c004000000 ---p 00000000 00:00 0 \n7f1000000000-7f1000021000 rw-p 00000000 00:00 0 \n"
		"7f1000021000-7f1004001000 ---p 00000000 00:00 0 \n7f1004001000-7f1004801000 rw-p 00000000 00:00 0 \n"
		"7f1100000000-7f1100100000 rw-s 00000000 00:01 9 /memfd:x (deleted)\n"
		"7f1200000000-7f1200028000 r-xp 00000000 08:01 80 /lib/libc.so.6\n"
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\n",
		"0::/a/b\n4:memory:/a\n35 24 0:30 /a /mnt/c\\040d rw - cgroup2 cgroup rw\n"
		"33 31 0:30 / /m rw - cgroup cgroup rw,memory\n",
		"anon 104857600\nfile 52428800\ninactive_file 41943040\ntotal_rss 12\nhierarchical_memory_limit 9\noom "
		"2\n",
		"GOGC=50\0GOMEMLIMIT=512MiB\0GODEBUG=a=1,b=2,a=3\0GOGC=off",
	};
	char path[64], text[32768];

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/%s", paths[i]);
		file = fopen(path, "re");
		if (!file)
			continue;
		write_seed("maps", paths[i], text, fread(text, 1, sizeof(text), file));
		fclose(file);
	}
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(path, sizeof(path), "%u", i);
		write_seed("maps", path, texts[i], i == 3 ? 54 : strlen(texts[i]));
	}
}

static void command_lines(void)
{
	/* The number is the command's, as the fuzzer has them. */
	static const char *const texts[] = {
		"\0-p\n4242\n-p\n1\n--trigger\n--scav\n--madvise\n-T\n-d\n1.5\n-n\n10\n-v",
		"\0-x\n/usr/bin/prometheus\n--format\ncsv:scavenge\n--buffer\n4096\n-o\nfile",
		"\0--json\n--\n./server\n--flag",
		"\1--refault\n--events\n--attach\ntp_btf\n5\n3\n--format\ncsv:madvise_call\n--\n./server",
		"\1-p4242\n0.5",
		"\2-p\n4242\n--watch\n60\n--json",
		"\3-p\n4242\n--svg\na\n--html=b\n--columns\n80\n--ascii\n--no-color",
		"\4--madvise\n--scav\n-n\n3\n-d\n1e3\n--\n./server",
		"\5--json\n-p\n1",
		"\6",
		"\7--help",
	};
	char name[16];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(name, sizeof(name), "%u", i);
		write_seed("cli", name, texts[i], 1 + strlen(texts[i] + 1));
	}
}

/* One of each type, with all that a text can have. */
static void records(void)
{
	static const char text[] = "caf\xc3\xa9 \"quoted\", \xff\xc0\x80 \x1b[31m\r\n\xf0\x9f\x98\x80\xed\xa0\x80";
	uint8_t bytes[8192];
	char name[16];

	for (uint8_t type = 0; type < 12; type++) {
		size_t used = 9;

		memset(bytes, type, sizeof(bytes));
		while (used < sizeof(bytes) - sizeof(text) - 3) {
			bytes[used++] = 1;
			bytes[used++] = sizeof(text) - 1;
			bytes[used++] = 0;
			memcpy(bytes + used, text, sizeof(text) - 1);
			used += sizeof(text) - 1;
		}
		snprintf(name, sizeof(name), "%u", type);
		write_seed("json", name, bytes, used);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: seeds FOLDER [GO-BINARY...]\n");
		return 2;
	}
	folder = argv[1];
	if (mkdir(folder, 0777) && errno != EEXIST) {
		perror(folder);
		return 1;
	}
	programs();
	events();
	scavenges();
	lines();
	scav_lines();
	process_texts();
	command_lines();
	records();
	for (int i = 2; i < argc; i++)
		from_binary(argv[i], (unsigned)i - 2);
	printf("%u seeds\n", nr_written);
	return 0;
}
