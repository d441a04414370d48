// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "go_builder.h"
#include "test_binaries.h"

static const struct go_function functions[] = {
	{ "runtime.main", GO_TEXT, "proc.go", 10 },
	{ "runtime.schedinit", GO_TEXT + 32, "sched.go", 700 },
	{ "runtime/cgo.init", GO_TEXT + 64, "cgo.go", 5 },
};

/* schedinit looks at the length of buildVersion, whose header lies at GO_DATA + 0x1010. */
static void make_code(uint8_t code[96])
{
	int32_t displacement = (int32_t)(GO_DATA + 0x1018 - (GO_TEXT + 32 + 8));

	memset(code, 0x90, 96);
	/* cmp qword ptr [rip + displacement], 0 */
	memcpy(code + 32, "\x48\x83\x3d", 3);
	memcpy(code + 35, &displacement, 4);
	code[39] = 0;
}

static struct go_program base_program(enum pclntab_form form, const uint8_t *code)
{
	return (struct go_program){ .form = form,
				    .functions = functions,
				    .nr_functions = 3,
				    .code = code,
				    .code_size = 96,
				    .buildinfo = GO_BUILDINFO_INLINE,
				    .version = "go1.19.8",
				    .settings = "path\tmain\nbuild\t-buildmode=exe\nbuild\tvcs.time=x\n"
						"build\tCGO_ENABLED=1\n" };
}

struct fixture {
	uint8_t *file;
	size_t size;
	struct image *image;
	struct gobin *gobin;
};

static int try_open(struct fixture *fixture, const struct go_program *program, struct failure *failure)
{
	fixture->file = go_program(program, &fixture->size);
	assert_int_equal(image_open_bytes(fixture->file, fixture->size, &fixture->image, failure), 0);
	fixture->gobin = NULL;
	return gobin_open(fixture->image, &fixture->gobin, failure);
}

static void open_program(struct fixture *fixture, const struct go_program *program)
{
	struct failure failure = { "" };

	if (try_open(fixture, program, &failure))
		fail_msg("form %d: %s", program->form, failure.text);
}

static void drop(struct fixture *fixture)
{
	gobin_close(fixture->gobin);
	image_close(fixture->image);
	free(fixture->file);
}

static int count_name(const char *name, void *context)
{
	unsigned *count = context;

	assert_string_equal(name, functions[*count].name);
	return ++*count == 99;
}

static void check_functions(struct gobin *gobin)
{
	struct gobin_function function;
	unsigned count = 0;

	assert_int_equal(gobin_function_count(gobin), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(gobin_function_by_name(gobin, functions[i].name, &function), 0);
		assert_int_equal(function.entry, GO_TEXT + 32 * i);
		assert_int_equal(function.end, GO_TEXT + 32 * (i + 1));
		assert_int_equal(function.index, i);
		assert_string_equal(function.name, functions[i].name);
		assert_int_equal(gobin_function_by_address(gobin, GO_TEXT + 32 * i + 31, &function), 0);
		assert_int_equal(function.index, i);
	}
	assert_int_equal(gobin_function_by_name(gobin, "runtime.mai", &function), -ENOENT);
	assert_int_equal(gobin_function_by_name(gobin, "runtime.main2", &function), -ENOENT);
	assert_int_equal(gobin_function_by_address(gobin, GO_TEXT - 1, &function), -ENOENT);
	assert_int_equal(gobin_function_by_address(gobin, GO_TEXT + 96, &function), -ENOENT);
	assert_int_equal(gobin_function_by_address(gobin, UINT64_MAX, &function), -ENOENT);
	assert_int_equal(gobin_each_function_name(gobin, count_name, &count), 0);
	assert_int_equal(count, 3);
}

static void check_lines(struct gobin *gobin)
{
	const char *file;
	uint32_t line;

	assert_int_equal(gobin_line(gobin, GO_TEXT + 7, &file, &line), 0);
	assert_string_equal(file, "proc.go");
	assert_int_equal(line, 10);
	assert_int_equal(gobin_line(gobin, GO_TEXT + 8, &file, &line), 0);
	assert_int_equal(line, 12);
	assert_int_equal(gobin_line(gobin, GO_TEXT + 63, &file, &line), 0);
	assert_string_equal(file, "sched.go");
	assert_int_equal(line, 702);
	assert_int_equal(gobin_line(gobin, GO_TEXT + 96, &file, &line), -ENOENT);
}

/* Four forms, moduledata raw and by relocation, with sections and without. */
static void every_form(void **unused)
{
	uint8_t code[96];

	(void)unused;
	make_code(code);
	for (unsigned i = 0; i < 16; i++) {
		struct go_program program = base_program((enum pclntab_form)(i % 4), code);
		struct fixture fixture;

		program.pie = i & 4;
		program.module = i & 4 ? GO_MODULE_RELOCATED : GO_MODULE_RAW;
		program.sections = i & 8;
		open_program(&fixture, &program);
		assert_int_equal(gobin_form(fixture.gobin), program.form);
		assert_int_equal(gobin_text(fixture.gobin), GO_TEXT);
		assert_int_equal(gobin_pclntab(fixture.gobin), GO_RODATA);
		assert_int_equal(gobin_moduledata(fixture.gobin)->address, GO_DATA);
		assert_int_equal(gobin_moduledata(fixture.gobin)->enoptrbss, GO_DATA_END);
		check_functions(fixture.gobin);
		check_lines(fixture.gobin);
		drop(&fixture);
	}
}

/* From Go 1.26 on the header's textStart is 0; where it is not, it must agree. */
static void text_start(void **unused)
{
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO120, code);
	struct fixture fixture;
	struct failure failure = { "" };
	uint64_t wrong = GO_TEXT + 0x1000;

	(void)unused;
	make_code(code);
	program.no_text_start = true;
	open_program(&fixture, &program);
	check_functions(fixture.gobin);
	gobin_close(fixture.gobin);
	memcpy((uint8_t *)image_at(fixture.image, GO_RODATA, 72) + 24, &wrong, 8);
	assert_int_equal(gobin_open(fixture.image, &fixture.gobin, &failure), -ENOEXEC);
	assert_non_null(strstr(failure.text, "inconsistent"));
	image_close(fixture.image);
	free(fixture.file);
}

static void no_go_program(void **unused)
{
	uint8_t code[96];
	struct go_program program;
	struct fixture fixture = { 0 };
	struct failure failure = { "" };
	struct elf_builder elf;

	(void)unused;
	make_code(code);
	for (unsigned form = 0; form < 4; form++) {
		program = base_program((enum pclntab_form)form, code);
		program.module = GO_MODULE_ABSENT;
		assert_int_equal(try_open(&fixture, &program, &failure), -ENOEXEC);
		assert_non_null(strstr(failure.text, "no moduledata points to its pclntab at 0x480000"));
		drop(&fixture);
	}
	elf_start(&elf, ET_EXEC, 1);
	elf_segment(&elf, PT_LOAD, GO_TEXT, PF_R | PF_X, code, sizeof(code), sizeof(code));
	fixture.file = elf_finish(&elf, &fixture.size);
	assert_int_equal(image_open_bytes(fixture.file, fixture.size, &fixture.image, NULL), 0);
	assert_int_equal(gobin_open(fixture.image, &fixture.gobin, &failure), -ENOEXEC);
	assert_non_null(strstr(failure.text, "no pclntab"));
	image_close(fixture.image);
	free(fixture.file);
}

/* Another Go program in the data, a whole one even: no moduledata of this one points to its table. */
static void embedded_program_is_not_taken(void **unused)
{
	static const struct go_function others[] = { { "evil.main", GO_TEXT, "evil.go", 1 } };
	struct go_pclntab other = { PCLNTAB_GO120, GO_TEXT, GO_TEXT + 96, false, others, 1 };
	uint8_t code[96];
	struct bytes rodata = { 0 };

	(void)unused;
	make_code(code);
	for (unsigned i = 0; i < 7; i++) {
		struct go_pclntab same_form = other;

		same_form.form = (enum pclntab_form)(i % 4);
		bytes_align(&rodata, 32);
		go_pclntab(&same_form, &rodata);
	}
	for (unsigned form = 0; form < 4; form++) {
		struct go_program program = base_program((enum pclntab_form)form, code);
		struct fixture fixture;

		program.rodata = rodata.data;
		program.rodata_size = rodata.size;
		open_program(&fixture, &program);
		assert_true(gobin_pclntab(fixture.gobin) >= GO_RODATA + rodata.size);
		check_functions(fixture.gobin);
		drop(&fixture);
	}
	bytes_free(&rodata);
}

static void assert_version(struct go_program *program, const char *expected)
{
	struct fixture fixture;
	char version[64] = "";
	int error;

	open_program(&fixture, program);
	error = gobin_version(fixture.gobin, version, sizeof(version));
	if (error)
		version[0] = '\0';
	assert_string_equal(version, expected);
	drop(&fixture);
}

static void version_from_buildinfo(void **unused)
{
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO118, code);
	struct go_program pie;

	(void)unused;
	memset(code, 0x90, sizeof(code));
	for (unsigned sections = 0; sections < 2; sections++) {
		program.sections = sections;
		program.version = "go1.19.8";
		program.buildinfo = GO_BUILDINFO_INLINE;
		assert_version(&program, "go1.19.8");
		program.buildinfo = GO_BUILDINFO_POINTERS;
		assert_version(&program, "go1.19.8");
		pie = program;
		pie.pie = true;
		pie.module = GO_MODULE_RELOCATED;
		assert_version(&pie, "go1.19.8");
		program.version = "go1.9";
		assert_version(&program, "go1.9");
		program.version = "devel go1.28-abcdef Mon";
		assert_version(&program, "devel go1.28-abcdef Mon");
		/* No version, or none that can be shown. */
		program.version = "";
		assert_version(&program, "");
		program.version = "perl5";
		assert_version(&program, "");
		program.version = "devel";
		assert_version(&program, "");
		program.version = "go1.\x1b[31m";
		assert_version(&program, "");
	}
}

/* Without buildinfo: the string that schedinit looks at, and no other that reads like it. */
static void version_from_runtime(void **unused)
{
	struct {
		uint64_t decoy, decoy_length, version, version_length;
		char decoy_text[16], text[16];
	} data = { GO_DATA + 0x1020, 8, GO_DATA + 0x1030, 9, "go1.11.1", "go1.27.41" };
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO120, code);

	(void)unused;
	make_code(code);
	program.buildinfo = GO_NO_BUILDINFO;
	program.data = &data;
	program.data_size = sizeof(data);
	assert_version(&program, "go1.27.41");
	data.version_length = 4; /* shorter than any version */
	assert_version(&program, "");
	data.version_length = UINT64_MAX;
	assert_version(&program, "");
	data.version_length = 9;
	data.version = GO_DATA_END - 4; /* points out of the file */
	assert_version(&program, "");
	data.version = GO_DATA + 0x1030;
	memset(code + 32, 0x90, 32); /* nobody looks at it */
	assert_version(&program, "");
}

static void how_it_was_built(void **unused)
{
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO118, code);
	struct gobin_build build;
	struct fixture fixture;
	char *settings;

	(void)unused;
	make_code(code);
	program.sections = true;
	open_program(&fixture, &program);
	gobin_build(fixture.gobin, &build);
	assert_true(build.buildinfo && build.sections && build.pclntab_section);
	assert_false(build.pie || build.dynamic || build.symtab || build.dwarf);
	assert_int_equal(build.external, GOBIN_NO);
	assert_int_equal(build.cgo, GOBIN_YES);
	assert_int_not_equal(build.race, GOBIN_YES);
	assert_string_equal(build.settings, "-buildmode=exe CGO_ENABLED=1");
	drop(&fixture);
	program.sections = false;
	program.buildinfo = GO_NO_BUILDINFO;
	program.pie = true;
	program.module = GO_MODULE_RELOCATED;
	open_program(&fixture, &program);
	gobin_build(fixture.gobin, &build);
	assert_true(build.pie && !build.buildinfo && !build.sections && !build.pclntab_section);
	assert_string_equal(build.settings, "");
	drop(&fixture);
	/* More settings than there is room for: cut at a whole one. */
	settings = calloc(1, 5000);
	for (unsigned i = 0; i < 100; i++)
		strcat(settings, "build\t-tags=abcdefghijklmnopqrstuvwxyz\n");
	program.settings = settings;
	program.buildinfo = GO_BUILDINFO_INLINE;
	open_program(&fixture, &program);
	gobin_build(fixture.gobin, &build);
	assert_true(strlen(build.settings) > 900 && strlen(build.settings) < sizeof(build.settings));
	assert_int_equal(build.settings[strlen(build.settings) - 1], 'z');
	drop(&fixture);
	free(settings);
}

static int use_name(const char *name, void *context)
{
	(void)context;
	return strlen(name) > 8192;
}

static void use_all(struct gobin *gobin)
{
	struct gobin_function function;
	struct gobin_build build;
	const char *file;
	char version[32];
	uint32_t line;

	for (unsigned i = 0; i < 3; i++) {
		gobin_function_by_name(gobin, functions[i].name, &function);
		gobin_function_by_address(gobin, GO_TEXT + 40 * i, &function);
		gobin_line(gobin, GO_TEXT + 40 * i, &file, &line);
	}
	assert_int_equal(gobin_each_function_name(gobin, use_name, NULL), 0);
	gobin_version(gobin, version, sizeof(version));
	gobin_build(gobin, &build);
}

static void open_and_use(const uint8_t *file, size_t size)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin;

	if (image_open_bytes(file, size, &image, NULL))
		return;
	if (!gobin_open(image, &gobin, &failure)) {
		use_all(gobin);
		gobin_close(gobin);
	} else {
		assert_true(failure.text[0]);
	}
	image_close(image);
}

/* Nothing is read that is not there, whatever is cut off or changed: the sanitized build tells. */
static void truncated_and_changed(void **unused)
{
	static const uint8_t values[] = { 0x00, 0x7f, 0xff };
	uint8_t code[96];

	(void)unused;
	make_code(code);
	for (unsigned form = 0; form < 4; form++) {
		struct go_program program = base_program((enum pclntab_form)form, code);
		size_t size;
		uint8_t *file;

		program.sections = form & 1;
		file = go_program(&program, &size);
		for (size_t length = 64; length < size; length += 5) {
			uint8_t *exact = malloc(length);

			memcpy(exact, file, length);
			open_and_use(exact, length);
			free(exact);
		}
		for (size_t at = 0; at < size; at += 3) {
			uint8_t before = file[at];

			for (size_t i = 0; i < sizeof(values); i++) {
				file[at] = values[i];
				open_and_use(file, size);
			}
			file[at] = before;
		}
		free(file);
	}
}

/* moduledata may say that data is as long as memory: what is not in the file is not searched. */
static void endless_data(void **unused)
{
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO120, code);
	struct failure failure = { "" };
	struct fixture fixture;
	uint64_t end = 1ull << 60;
	Elf64_Phdr *headers;
	char version[32];

	(void)unused;
	make_code(code);
	program.buildinfo = GO_NO_BUILDINFO;
	fixture.file = go_program(&program, &fixture.size);
	headers = (void *)(fixture.file + sizeof(Elf64_Ehdr));
	headers[2].p_memsz = end;
	memcpy(fixture.file + headers[2].p_offset + 176 + 5 * 8, &end, 8); /* edata */
	assert_int_equal(image_open_bytes(fixture.file, fixture.size, &fixture.image, &failure), 0);
	assert_int_equal(gobin_open(fixture.image, &fixture.gobin, &failure), 0);
	assert_int_equal(gobin_moduledata(fixture.gobin)->edata, end);
	assert_int_equal(gobin_version(fixture.gobin, version, sizeof(version)), -ENOENT);
	drop(&fixture);
}

/* A section may say that the table has room for 16 million functions: the file has not. */
static void section_larger_than_the_file(void **unused)
{
	uint8_t code[96];
	struct go_program program = base_program(PCLNTAB_GO12, code);
	struct failure failure = { "" };
	struct fixture fixture;
	uint64_t count = 16u << 20;
	Elf64_Ehdr header;
	Elf64_Shdr *sections;

	(void)unused;
	make_code(code);
	program.sections = true;
	fixture.file = go_program(&program, &fixture.size);
	memcpy(&header, fixture.file, sizeof(header));
	sections = (void *)(fixture.file + header.e_shoff);
	sections[1].sh_size = UINT64_MAX;
	memcpy(fixture.file + sections[1].sh_offset + 8, &count, 8);
	assert_int_equal(image_open_bytes(fixture.file, fixture.size, &fixture.image, &failure), 0);
	assert_int_equal(gobin_open(fixture.image, &fixture.gobin, &failure), -ENOEXEC);
	image_close(fixture.image);
	free(fixture.file);
}

/* ---- Programs that Go has built -------------------------------------------------------------- */

static void real_program(const char *path)
{
	struct failure failure = { "" };
	struct image *image;
	struct gobin *gobin = NULL;
	struct gobin_function function, again;
	struct gobin_build build;
	const char *file;
	char version[64], id[128];
	uint32_t line;

	if (image_open(path, &image, &failure) || gobin_open(image, &gobin, &failure))
		fail_msg("%s: %s", path, failure.text);
	assert_true(gobin_function_count(gobin) > 1000);
	assert_int_equal(gobin_version(gobin, version, sizeof(version)), 0);
	assert_memory_equal(version, "go1.", 4);
	assert_int_equal(gobin_build_id(gobin, id, sizeof(id)), 0);
	assert_true(strlen(id) > 40 && strchr(id, '/'));
	assert_int_equal(gobin_build_id(gobin, id, 8), -ENOENT);
	assert_int_equal(gobin_function_by_name(gobin, "main.main", &function), 0);
	assert_int_equal(gobin_function_by_address(gobin, function.end - 1, &again), 0);
	assert_string_equal(again.name, "main.main");
	assert_int_equal(again.entry, function.entry);
	assert_int_equal(gobin_line(gobin, function.entry, &file, &line), 0);
	assert_non_null(strstr(file, "main.go"));
	assert_true(line > 1 && line < 1000);
	gobin_build(gobin, &build);
	assert_int_equal(build.pie, strstr(path, "pie") != NULL);
	assert_int_equal(build.external == GOBIN_YES, strstr(path, "external") != NULL);
	assert_int_equal(build.symtab, strstr(path, "stripped") == NULL);
	gobin_close(gobin);
	image_close(image);
}

static void programs_of_the_system_go(void **unused)
{
	(void)unused;
	each_test_binary("programs_of_the_system_go", real_program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form),
		cmocka_unit_test(text_start),
		cmocka_unit_test(no_go_program),
		cmocka_unit_test(embedded_program_is_not_taken),
		cmocka_unit_test(version_from_buildinfo),
		cmocka_unit_test(version_from_runtime),
		cmocka_unit_test(how_it_was_built),
		cmocka_unit_test(truncated_and_changed),
		cmocka_unit_test(endless_data),
		cmocka_unit_test(section_larger_than_the_file),
		cmocka_unit_test(programs_of_the_system_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
