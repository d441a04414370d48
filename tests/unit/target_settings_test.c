// SPDX-License-Identifier: BSD-2-Clause
/* target_settings: environments, counters and settings from texts, and of processes made here. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/target_settings.h"

#define KIB 1024ull

static FILE *open_bytes(const char *text, size_t size)
{
	FILE *file = fmemopen((void *)text, size, "r");

	assert_non_null(file);
	return file;
}

/* ---- The environment ------------------------------------------------------------------------ */

static struct target_environment environment_of(const char *text, size_t size)
{
	struct target_environment environment;
	FILE *file = open_bytes(text, size);

	assert_int_equal(target_environment_parse(file, &environment), 0);
	assert_true(environment.known);
	fclose(file);
	return environment;
}

#define ENVIRONMENT(literal) environment_of(literal, sizeof(literal))

static void test_environment(void **state)
{
	struct target_environment environment =
		ENVIRONMENT("PATH=/bin\0GOGC=50\0GOMEMLIMIT=512MiB\0GODEBUG=madvdontneed=0,disablethp=1\0HOME=/");

	(void)state;
	assert_true(environment.gogc.set);
	assert_string_equal(environment.gogc.value, "50");
	assert_string_equal(environment.gomemlimit.value, "512MiB");
	assert_string_equal(environment.godebug.value, "madvdontneed=0,disablethp=1");
	assert_false(environment.gomaxprocs.set);
	assert_false(environment.gogc.cut);
}

static void test_environment_hostile(void **state)
{
	struct target_environment environment = ENVIRONMENT(
		"XGOGC=1\0GOGCX=2\0GOGC\0=GOGC=3\0gogc=4\0 GOGC=5\0GOGC=6=7\n\xff\0GOGC=8\0\0\0GOMAXPROCS=\0");
	char text[70000];

	(void)state;
	/* The first one counts, as for the runtime. */
	assert_string_equal(environment.gogc.value, "6=7\n\xff");
	assert_true(environment.gomaxprocs.set);
	assert_string_equal(environment.gomaxprocs.value, "");
	/* Too long for us, and without an end. */
	memset(text, 'x', sizeof(text));
	memcpy(text, "GOGC=", 5);
	text[60000] = '\0';
	memcpy(text + 60001, "GODEBUG=a=1", 12);
	memcpy(text + 60013, "GOMEMLIMIT=1", 12);
	environment = environment_of(text, 60025);
	assert_true(environment.gogc.set && environment.gogc.cut);
	assert_int_equal(strlen(environment.gogc.value), sizeof(environment.gogc.value) - 1);
	assert_string_equal(environment.godebug.value, "a=1");
	assert_false(environment.godebug.cut);
	assert_true(environment.gomemlimit.cut);
	assert_false(value_known(target_gomemlimit(&environment.gomemlimit)));
	assert_false(value_known(target_gogc(&environment.gogc)));
}

static struct target_variable variable(const char *value)
{
	struct target_variable variable = { .set = true };

	snprintf(variable.value, sizeof(variable.value), "%s", value);
	return variable;
}

static void test_gogc(void **state)
{
	static const struct {
		const char *text;
		uint64_t percent;
	} cases[] = {
		{ "100", 100 },
		{ "50", 50 },
		{ "off", GOGC_OFF },
		{ "-1", GOGC_OFF },
		{ "0", 0 },
		{ "", 100 },
		{ "OFF", 100 },
		{ "50%", 100 },
		{ "+5", 100 },
		{ "2147483647", INT32_MAX },
		{ "2147483648", 100 },
		{ "99999999999999999999", 100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target_variable value = variable(cases[i].text);

		assert_int_equal(target_gogc(&value), cases[i].percent);
	}
	assert_int_equal(target_gogc(&(struct target_variable){ 0 }), 100);
}

static void test_gomemlimit(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "512MiB", 512ull << 20 },
		{ "1", 1 },
		{ "7B", 7 },
		{ "3KiB", 3072 },
		{ "2GiB", 2ull << 30 },
		{ "1TiB", 1ull << 40 },
		{ "off", INT64_MAX },
		{ "", INT64_MAX },
		{ "512MB", VALUE_UNKNOWN },
		{ "1.5GiB", VALUE_UNKNOWN },
		{ "-1", VALUE_UNKNOWN },
		{ "MiB", VALUE_UNKNOWN },
		{ "1 GiB", VALUE_UNKNOWN },
		{ "8388607TiB", 8388607ull << 40 },
		{ "8388608TiB", VALUE_UNKNOWN },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", VALUE_UNKNOWN },
		{ "1PiB", VALUE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target_variable value = variable(cases[i].text);

		assert_int_equal(target_gomemlimit(&value), cases[i].bytes);
	}
	assert_int_equal(target_gomemlimit(&(struct target_variable){ 0 }), INT64_MAX);
}

static void test_godebug(void **state)
{
	struct target_variable debug =
		variable("gctrace=1,,madvdontneed=0,x,disablethp=,madvdontneed=1,madvdontneedy=7,");
	char value[8];

	(void)state;
	assert_true(target_godebug(&debug, "madvdontneed", value, sizeof(value)));
	assert_string_equal(value, "1");
	assert_true(target_godebug(&debug, "disablethp", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_false(target_godebug(&debug, "x", value, sizeof(value)));
	assert_false(target_godebug(&debug, "adv", value, sizeof(value)));
	assert_false(target_godebug(&(struct target_variable){ 0 }, "x", value, sizeof(value)));
	debug = variable("a=0123456789");
	assert_true(target_godebug(&debug, "a", value, sizeof(value)));
	assert_string_equal(value, "0123456");
}

static pid_t child_with(void (*prepare)(void))
{
	char *const argv[] = { "sleep", "30", NULL };
	char *const environment[] = { "GOGC=33", "GOMEMLIMIT=1GiB", NULL };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (prepare)
			prepare();
		execve("/bin/sleep", argv, environment);
		_exit(1);
	}
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_environment_of_process(void **state)
{
	struct target_environment environment = { 0 };
	FILE *directory = fopen("/", "re"); /* reading it fails */
	pid_t pid = child_with(NULL);

	(void)state;
	assert_non_null(directory);
	/* Until its exec the child has ours. */
	for (int i = 0; i < 500 && !environment.gogc.set; i++) {
		usleep(5000);
		assert_int_equal(target_environment_read(pid, &environment), 0);
	}
	assert_string_equal(environment.gogc.value, "33");
	assert_int_equal(target_gomemlimit(&environment.gomemlimit), 1 << 30);
	child_end(pid);
	assert_int_equal(target_environment_read(pid, &environment), -ESRCH);
	assert_false(environment.known);
	assert_false(environment.gogc.set);
	assert_int_equal(target_environment_parse(directory, &environment), -EISDIR);
	assert_false(environment.known);
	fclose(directory);
}

/* ---- Counters ------------------------------------------------------------------------------- */

static struct target_status status_of(const char *text)
{
	struct target_status status;
	FILE *file = open_bytes(text, strlen(text));

	assert_int_equal(target_status_parse(file, &status), 0);
	fclose(file);
	return status;
}

static void test_status(void **state)
{
	struct target_status status = status_of("Name:\tserver\nUmask:\t0022\nState:\tS (sleeping)\nVmPeak:\t  999 kB\n"
						"VmSize:\t    3060 kB\nVmLck:\t       0 kB\nVmHWM:\t    1768 kB\n"
						"VmRSS:\t    1760 kB\nRssAnon:\t     112 kB\nRssFile:\t    1640 kB\n"
						"RssShmem:\t       8 kB\nVmData:\t     360 kB\nVmPTE:\t      44 kB\n"
						"VmSwap:\t       4 kB\nHugetlbPages:\t       0 kB\nCoreDumping:\t0\n"
						"THP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\nThreads:\t17\n");

	(void)state;
	assert_int_equal(status.vm_rss, 1760 * KIB);
	assert_int_equal(status.rss_anon + status.rss_file + status.rss_shmem, status.vm_rss);
	assert_int_equal(status.vm_pte, 44 * KIB);
	assert_int_equal(status.vm_swap, 4 * KIB);
	assert_int_equal(status.threads, 17);
	assert_int_equal(status.thp_enabled, 1);
	assert_int_equal(status.hugetlb, 0);
	/* An old kernel's, a name that tries, a text that is cut. */
	status = status_of(
		"Name:\tVmRSS:\t5 kB\nName:\t\\nVmRSS: 7 kB\nVmPTE:\t44\nVmSwap: 4 kB x\nVmHWM:\t 12\nThreads:\t1");
	assert_false(value_known(status.vm_rss) || value_known(status.vm_pte) || value_known(status.vm_swap) ||
		     value_known(status.threads) || value_known(status.vm_hwm) || value_known(status.rss_anon));
	assert_int_equal(status.thp_enabled, -1);
}

static void no_huge_pages(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static void test_status_of_process(void **state)
{
	struct target_status status;
	pid_t pid = child_with(no_huge_pages);

	(void)state;
	assert_int_equal(target_status_read(getpid(), &status), 0);
	assert_true(value_known(status.vm_rss) && status.vm_rss > 0);
	assert_true(value_known(status.vm_pte) && value_known(status.rss_anon));
	assert_int_equal(status.threads, 1);
	for (int i = 0; i < 500 && status.thp_enabled == 1; i++) {
		usleep(5000);
		assert_int_equal(target_status_read(pid, &status), 0);
	}
	assert_int_equal(status.thp_enabled, 0);
	child_end(pid);
	assert_int_equal(target_status_read(pid, &status), -ESRCH);
	assert_false(value_known(status.vm_rss));
}

/* ---- Huge pages ----------------------------------------------------------------------------- */

static void check_word(const char *text, const char *expected)
{
	FILE *file = open_bytes(text, strlen(text));
	char word[8];

	thp_word_parse(file, word, sizeof(word));
	fclose(file);
	assert_string_equal(word, expected);
}

static void test_thp(void **state)
{
	struct thp_setting setting;

	(void)state;
	check_word("always [madvise] never\n", "madvise");
	check_word("[always] madvise never\n", "always");
	check_word("always madvise never\n", "");
	check_word("always madvise] [never\n", "");
	check_word("[toolongone] never\n", "");
	check_word("[]\n", "");
	check_word("\n", "");
	thp_setting_read(&setting);
	assert_int_equal(setting.page_bytes, sysconf(_SC_PAGESIZE));
	if (*setting.enabled) {
		assert_true(value_known(setting.huge_bytes) && setting.huge_bytes > setting.page_bytes);
		assert_true(setting.max_ptes_none < setting.huge_bytes / setting.page_bytes);
		assert_true(*setting.defrag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment), cmocka_unit_test(test_environment_hostile),
		cmocka_unit_test(test_gogc),	    cmocka_unit_test(test_gomemlimit),
		cmocka_unit_test(test_godebug),	    cmocka_unit_test(test_environment_of_process),
		cmocka_unit_test(test_status),	    cmocka_unit_test(test_status_of_process),
		cmocka_unit_test(test_thp),
	};

	return cmocka_run_group_tests_name("target_settings", tests, NULL, NULL);
}
