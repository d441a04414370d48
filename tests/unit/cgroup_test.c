// SPDX-License-Identifier: BSD-2-Clause
/* cgroup: from recorded texts, and from folders made here that look like a hierarchy. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/cgroup_text.h"

#define MIB (1ull << 20)

static FILE *open_text(const char *text)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");

	assert_non_null(file);
	return file;
}

/* ---- Which cgroup --------------------------------------------------------------------------- */

static void check_path(const char *text, int version, const char *expected)
{
	FILE *file = open_text(text);
	char path[64];
	int found;

	assert_int_equal(cgroup_path_parse(file, path, sizeof(path), &found), 0);
	fclose(file);
	assert_int_equal(found, version);
	assert_string_equal(path, expected);
}

static void test_path(void **state)
{
	(void)state;
	check_path("0::/user.slice/a.scope\n", 2, "/user.slice/a.scope");
	check_path("0::/\n", 2, "/");
	check_path("0::/../pod7/b\n", 2, "/../pod7/b");
	/* Version 1, and both with the controller in the old one. */
	check_path("12:cpu,cpuacct:/x\n4:memory:/docker/1:2\n1:name=systemd:/y\n", 1, "/docker/1:2");
	check_path("0::/new\n4:cpu,memory,pids:/old\n", 1, "/old");
	check_path("4:memory:/old\n0::/new\n", 1, "/old");
	check_path("4:memory2,xmemory:/old\n0::/new\n", 2, "/new");
	check_path("3::/x\n", 0, "");
	/* A cgroup that calls itself so is none. */
	check_path("1:name=memory:/a:memory:/b\n", 0, "");
	check_path("0::/a b\\n (deleted)\n", 2, "/a b\\n (deleted)");
	check_path("garbage\n:\n::\n0:\n0::relative\n", 0, "");
	check_path("0::/cut off within", 0, "");
	check_path("0::/0123456789012345678901234567890123456789012345678901234567890123456789\n", 0, "");
}

/* ---- Where it is ---------------------------------------------------------------------------- */

static const char host_2[] = "24 30 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
			     "30 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
			     "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
/* Only a part is mounted, at a place with a space. */
static const char part_2[] = "35 24 0:30 /kubepods/pod7 /mnt/c\\040d rw - cgroup2 cgroup rw\n";
static const char host_1[] = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
			     "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
			     "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
static const char outside_2[] = "35 24 0:30 /../.. /host/cgroup rw - cgroup2 cgroup rw\n"
				"36 24 0:30 /../pod8 /pod8 rw - cgroup2 cgroup rw\n";

static void check_directory(const char *mounts, int version, const char *path, const char *expected, size_t length)
{
	FILE *file = open_text(mounts);
	char directory[64] = "";
	size_t mount_length = 0;
	int error = cgroup_directory_parse(file, version, path, directory, sizeof(directory), &mount_length);

	fclose(file);
	assert_int_equal(error, expected ? 0 : -ENOENT);
	if (!expected)
		return;
	assert_string_equal(directory, expected);
	assert_int_equal(mount_length, length);
}

static void test_directory(void **state)
{
	(void)state;
	check_directory(host_2, 2, "/a/b", "/sys/fs/cgroup/a/b", 14);
	check_directory(host_2, 2, "/", "/sys/fs/cgroup", 14);
	check_directory(host_2, 1, "/a", NULL, 0);
	check_directory(host_1, 1, "/a", "/sys/fs/cgroup/memory/a", 21);
	check_directory(host_1, 2, "/a", "/sys/fs/cgroup/unified/a", 22);
	check_directory(part_2, 2, "/kubepods/pod7", "/mnt/c d", 8);
	check_directory(part_2, 2, "/kubepods/pod7/x", "/mnt/c d/x", 8);
	/* Beside, above, and only alike in the beginning. */
	check_directory(part_2, 2, "/kubepods/pod8", NULL, 0);
	check_directory(part_2, 2, "/kubepods", NULL, 0);
	check_directory(part_2, 2, "/kubepods/pod77", NULL, 0);
	/* In another cgroup namespace: only a mount that begins there shows it. */
	check_directory(host_2, 2, "/../pod8/x", NULL, 0);
	check_directory(outside_2, 2, "/../pod8/x", "/pod8/x", 5);
	check_directory(outside_2, 2, "/../pod8/..", NULL, 0);
	check_directory(outside_2, 2, "/a", NULL, 0);
	check_directory(host_2, 2, "/..a/b..", "/sys/fs/cgroup/..a/b..", 14);
	check_directory("garbage\n - \n1 2 3 - cgroup2 a b\n1 2 3 / /x - cgroup2\n- - - -\n", 2, "/", NULL, 0);
	check_directory(
		"35 24 0:30 / /0123456789012345678901234567890123456789012345678901234567890123 rw - cgroup2 c rw\n", 2,
		"/", NULL, 0);
}

/* ---- A hierarchy ---------------------------------------------------------------------------- */

static char root[] = "/tmp/cgroup_test.XXXXXX";

static int make_root(void **state)
{
	(void)state;
	strcpy(root + strlen(root) - 6, "XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *directory, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, directory);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", root, directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct cgroup_memory *read_directory(int version, const char *directory)
{
	struct cgroup_memory *memory = malloc(sizeof(*memory));

	assert_non_null(memory);
	cgroup_memory_unknown(memory);
	memory->version = version;
	snprintf(memory->directory, sizeof(memory->directory), "%s%s%s", root, *directory ? "/" : "", directory);
	cgroup_directory_read(memory, strlen(root));
	return memory;
}

static bool in_root(const char *path, const char *directory)
{
	return strncmp(path, root, strlen(root)) == 0 && strcmp(path + strlen(root), directory) == 0;
}

static const char stat_2[] = "anon 104857600\nfile 52428800\nkernel 4194304\nkernel_stack 131072\npagetables 1048576\n"
			     "sec_pagetables 0\npercpu 1000\nsock 4096\nvmalloc 0\nshmem 8192\nfile_mapped 1\n"
			     "anon_thp 62914560\ninactive_file 41943040\nactive_file 10485760\nslab 3000000\n"
			     "slab_reclaimable 2000000\nslab_unreclaimable 1000000\npgfault 12\n";

static void test_version_2(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("", "cgroup.procs", "");
	put("pod", "cgroup.type", "domain\n");
	put("pod", "memory.current", "200000000\n");
	put("pod", "memory.max", "268435456\n");
	put("pod", "memory.high", "max\n");
	put("pod/c", "cgroup.type", "domain\n");
	put("pod/c", "memory.current", "167772160\n");
	put("pod/c", "memory.peak", "170000000\n");
	put("pod/c", "memory.max", "max\n");
	put("pod/c", "memory.high", "201326592\n");
	put("pod/c", "memory.swap.current", "0\n");
	put("pod/c", "memory.events", "low 0\nhigh 7\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n");
	put("pod/c", "memory.stat", stat_2);
	memory = read_directory(2, "pod/c");
	assert_true(in_root(memory->directory, "/pod/c"));
	assert_false(memory->moved_up);
	assert_int_equal(memory->current, 160 * MIB);
	assert_int_equal(memory->peak, 170000000);
	assert_int_equal(memory->max, CGROUP_NO_LIMIT);
	assert_int_equal(memory->high, 192 * MIB);
	assert_int_equal(memory->swap_current, 0);
	assert_false(value_known(memory->swap_max));
	assert_int_equal(memory->working_set, 120 * MIB);
	assert_int_equal(memory->event_high, 7);
	assert_int_equal(memory->event_max, 3);
	assert_int_equal(memory->event_oom, 2);
	assert_int_equal(memory->event_oom_kill, 1);
	assert_int_equal(memory->stat.anon, 100 * MIB);
	assert_int_equal(memory->stat.kernel, 4 * MIB);
	assert_int_equal(memory->stat.anon_thp, 60 * MIB);
	assert_int_equal(memory->stat.sock, 4096);
	assert_int_equal(memory->stat.slab, 3000000);
	assert_false(value_known(memory->stat.file_thp));
	/* The limit that counts is the one above. */
	assert_int_equal(memory->tightest, 256 * MIB);
	assert_true(in_root(memory->tightest_directory, "/pod"));
	assert_int_equal(memory->tightest_high, 192 * MIB);
	assert_true(memory->saw_root);
	free(memory);
}

static void test_tightest(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("", "cgroup.procs", "");
	put("", "cgroup.type", "domain\n"); /* what is mounted is not the root */
	put("", "memory.max", "1000000\n");
	put("a", "memory.current", "1\n");
	put("a", "memory.max", "max\n");
	memory = read_directory(2, "a");
	assert_int_equal(memory->tightest, 1000000);
	assert_true(in_root(memory->tightest_directory, ""));
	assert_false(memory->saw_root);
	free(memory);
	put("a", "memory.max", "999999\n");
	memory = read_directory(2, "a");
	assert_int_equal(memory->tightest, 999999);
	assert_true(in_root(memory->tightest_directory, "/a"));
	free(memory);
	/* The nearest of those that are the same. */
	put("a", "memory.max", "1000000\n");
	memory = read_directory(2, "a");
	assert_true(in_root(memory->tightest_directory, "/a"));
	free(memory);
	put("a", "memory.max", "max\n");
	put("", "memory.max", "max\n");
	memory = read_directory(2, "a");
	assert_int_equal(memory->tightest, CGROUP_NO_LIMIT);
	assert_string_equal(memory->tightest_directory, "");
	free(memory);
}

/* Without the controller that far down, another one is charged. */
static void test_moved_up(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("a", "memory.current", "5\n");
	put("a/b", "cgroup.type", "domain\n");
	memory = read_directory(2, "a/b");
	assert_true(in_root(memory->directory, "/a"));
	assert_true(memory->moved_up);
	assert_int_equal(memory->current, 5);
	free(memory);
}

/* Nothing is there: nothing is known, and nothing is 0. */
static void test_no_controller(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("", "cgroup.procs", "");
	put("a", "cgroup.procs", "");
	memory = read_directory(2, "a");
	assert_string_equal(memory->directory, "");
	assert_false(memory->moved_up);
	assert_false(value_known(memory->current) || value_known(memory->max) || value_known(memory->tightest) ||
		     value_known(memory->working_set) || value_known(memory->stat.anon) ||
		     value_known(memory->event_oom));
	free(memory);
}

static void test_hostile_files(void **state)
{
	static const char *const numbers[] = { "",
					       "\n",
					       "12",
					       "-1\n",
					       "1 2\n",
					       "maximum\n",
					       "18446744073709551615\n",
					       "99999999999999999999999\n",
					       "0x10\n" };
	struct cgroup_memory *memory;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		put("a", "memory.current", numbers[i]);
		put("a", "memory.stat",
		    "anon\nanon x\nfile 5\n\n inactive_file 7\nanon 99999999999999999999\nshmem 12");
		memory = read_directory(2, "a");
		assert_false(value_known(memory->current));
		assert_false(value_known(memory->working_set));
		assert_false(value_known(memory->stat.anon));
		assert_false(value_known(memory->stat.inactive_file));
		assert_false(value_known(memory->stat.shmem)); /* cut off */
		assert_int_equal(memory->stat.file, 5);
		free(memory);
	}
}

static void test_working_set_floor(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("a", "memory.current", "5\n");
	put("a", "memory.stat", "inactive_file 7\n");
	memory = read_directory(2, "a");
	assert_int_equal(memory->working_set, 0);
	free(memory);
}

static const char stat_1[] = "cache 1\nrss 2\nswap 3\nhierarchical_memory_limit 536870912\n"
			     "hierarchical_memsw_limit 9223372036854771712\ntotal_cache 6467440640\n"
			     "total_rss 2164523008\ntotal_rss_huge 1711276032\ntotal_swap 4096\n"
			     "total_inactive_file 3326455808\n";

static void test_version_1(void **state)
{
	struct cgroup_memory *memory;

	(void)state;
	put("", "release_agent", "");
	put("", "memory.usage_in_bytes", "9\n");
	put("", "memory.limit_in_bytes", "9223372036854771712\n");
	put("a", "memory.usage_in_bytes", "8631963648\n");
	put("a", "memory.limit_in_bytes", "536870912\n");
	put("a", "memory.failcnt", "6\n");
	put("a", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put("a", "memory.kmem.usage_in_bytes", "77\n");
	put("a", "memory.stat", stat_1);
	put("a/b", "memory.usage_in_bytes", "8631963648\n");
	put("a/b", "memory.limit_in_bytes", "9223372036854771712\n");
	put("a/b", "memory.stat", stat_1);
	memory = read_directory(1, "a/b");
	assert_int_equal(memory->max, CGROUP_NO_LIMIT);
	assert_int_equal(memory->tightest, 512 * MIB);
	assert_true(in_root(memory->tightest_directory, "/a"));
	assert_true(memory->saw_root);
	assert_int_equal(memory->stat.anon, 2164523008);
	assert_int_equal(memory->stat.file, 6467440640);
	assert_int_equal(memory->stat.anon_thp, 1711276032);
	assert_int_equal(memory->swap_current, 4096);
	assert_int_equal(memory->working_set, 8631963648 - 3326455808);
	assert_false(value_known(memory->stat.kernel));
	assert_false(value_known(memory->event_oom_kill));
	free(memory);
	memory = read_directory(1, "a");
	assert_int_equal(memory->event_max, 6);
	assert_int_equal(memory->event_oom_kill, 2);
	assert_int_equal(memory->stat.kernel, 77);
	free(memory);
	/* A limit above all that is mounted here is known all the same, but not whose it is. */
	put("a", "memory.limit_in_bytes", "9223372036854771712\n");
	memory = read_directory(1, "a");
	assert_int_equal(memory->tightest, 512 * MIB);
	assert_string_equal(memory->tightest_directory, "");
	free(memory);
}

static void test_own(void **state)
{
	struct cgroup_memory *memory = malloc(sizeof(*memory));

	(void)state;
	assert_non_null(memory);
	assert_int_equal(cgroup_memory_read(getpid(), memory), 0);
	if (*memory->directory) {
		assert_true(memory->version == 1 || memory->version == 2);
		assert_true(value_known(memory->current) && memory->current > 0);
		assert_true(memory->working_set <= memory->current);
		assert_true(memory->tightest <= memory->max);
	} else {
		assert_false(value_known(memory->current));
	}
	assert_int_equal(cgroup_memory_read(INT32_MAX, memory), -ESRCH);
	assert_int_equal(memory->version, 0);
	assert_false(value_known(memory->current));
	free(memory);
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path), cmocka_unit_test(test_directory), IN_ROOT(test_version_2),
		IN_ROOT(test_tightest),	     IN_ROOT(test_moved_up),	       IN_ROOT(test_no_controller),
		IN_ROOT(test_hostile_files), IN_ROOT(test_working_set_floor),  IN_ROOT(test_version_1),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
