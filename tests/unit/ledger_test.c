// SPDX-License-Identifier: BSD-2-Clause
/* ledger: names of classes, and a ledger of this very process, of which no heap is known. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gctap/ledger.h"

#define MIB 1048576ull

/* They are keys of JSON, and come in a table for people. */
static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LEDGER_CLASSES; i++) {
		const char *name = ledger_class_name(i), *phrase = ledger_class_phrase(i);

		assert_non_null(name);
		assert_non_null(phrase);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_in_range(strlen(phrase), 1, 42);
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(name, ledger_class_name(j));
			assert_string_not_equal(phrase, ledger_class_phrase(j));
		}
	}
}

static void take(struct ledger *ledger, const char *why)
{
	struct failure failure = { "" }, reason;
	struct ledger_source source = { .why = &reason, .cgo = true };
	struct target *target;

	failure_write(&reason, "%s", why);
	assert_int_equal(target_open(getpid(), &target, &failure), 0);
	source.target = target;
	assert_int_equal(ledger_take(&source, ledger, &failure), 0);
	target_close(target);
}

static int64_t sum(const struct ledger *ledger)
{
	int64_t bytes = 0;

	for (unsigned i = 0; i < LEDGER_CLASSES; i++)
		bytes += ledger->bytes[i];
	return bytes;
}

/* All that is resident is in a class; what is mapped here, in "other". */
static void test_classes_add_up(void **state)
{
	struct ledger before = { 0 }, after = { 0 };
	char *memory = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	take(&before, "for a test");
	memset(memory, 1, 8 * MIB);
	take(&after, "for a test");
	assert_false(after.by_pages);
	assert_string_equal(after.coarse.text, "for a test");
	assert_int_equal(sum(&before), before.rss);
	assert_int_equal(sum(&after), after.rss);
	assert_int_equal(after.bytes[LEDGER_REMAINDER], 0);
	assert_int_equal(after.bytes[LEDGER_LIVE], 0);
	assert_true(after.bytes[LEDGER_OTHER] >= before.bytes[LEDGER_OTHER] + (int64_t)(8 * MIB));
	assert_true(after.bytes[LEDGER_FILES] > 0);
	ledger_clear(&before);
	ledger_clear(&after);
	munmap(memory, 8 * MIB);
}

/* The addresses where the runtime has its heap, and nobody read it. */
static void test_heap_by_its_place(void **state)
{
	struct ledger ledger = { 0 };
	void *place = (void *)0xc000000000;
	char *memory =
		mmap(place, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	(void)state;
	if (memory != place) {
		print_message("SKIP test_heap_by_its_place: something else lies there, such as a sanitizer's shadow\n");
		skip();
	}
	memset(memory, 1, MIB);
	take(&ledger, "");
	assert_int_equal(ledger.bytes[LEDGER_HEAP], MIB);
	assert_int_equal(ledger.reserved, 3 * MIB);
	assert_int_equal(sum(&ledger), ledger.rss);
	ledger_clear(&ledger);
	munmap(memory, 4 * MIB);
}

static void test_tables_of_the_runtime(void **state)
{
	struct heap_snapshot heap = { .nr_chunks = 48 };
	struct heap_counters *counters = &heap.counters;

	(void)state;
	counters->mapped_ready = (struct heap_number){ true, 400 * MIB };
	counters->in_use = 200 * MIB;
	counters->free = 30 * MIB;
	heap.bytes.manual = 20 * MIB;
	assert_int_equal(ledger_tables_most(&heap), 150 * MIB);
	counters->in_use = UINT64_MAX - 1; /* read at another time than the rest */
	assert_int_equal(ledger_tables_most(&heap), 0);
	counters->mapped_ready.known = false;
	assert_int_equal(ledger_tables_most(&heap), 16 * MIB + 8 * MIB);
}

/* What is not released may all be huge, before any of the rest has to be. */
static void test_least_in_huge_pages(void **state)
{
	(void)state;
	assert_int_equal(ledger_huge_least(100, 105, 100), 95);
	assert_int_equal(ledger_huge_least(100, 100, 100), 100);
	assert_int_equal(ledger_huge_least(40, 100, 60), 0);
	assert_int_equal(ledger_huge_least(41, 100, 60), 1);
	assert_int_equal(ledger_huge_least(100, 50, 60), 100); /* it moved meanwhile */
	assert_int_equal(ledger_huge_least(0, 100, 60), 0);
}

/* Once it is gone, no numbers are made up. */
static void test_gone(void **state)
{
	struct failure failure = { "" }, reason = { "" };
	struct ledger_source source = { .why = &reason };
	struct ledger ledger = { 0 };
	struct target *target;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	assert_int_equal(target_open(pid, &target, &failure), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	source.target = target;
	assert_true(ledger_take(&source, &ledger, &failure) < 0);
	assert_non_null(strstr(failure.text, "has ended"));
	target_close(target);
	ledger_clear(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_classes_add_up),
		cmocka_unit_test(test_heap_by_its_place),
		cmocka_unit_test(test_tables_of_the_runtime),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_least_in_huge_pages),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
