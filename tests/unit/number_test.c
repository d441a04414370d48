// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gctap/recipe.h"

static void assert_shown(enum recipe_format format, unsigned decimals, uint64_t value, const char *expected)
{
	char text[96];
	int length = recipe_format_number(format, decimals, value, text, sizeof(text));

	if (strcmp(text, expected))
		fail_msg("%llu with %u decimals: \"%s\", expected \"%s\"", (unsigned long long)value, decimals, text,
			 expected);
	assert_int_equal(length, (int)strlen(expected));
}

static void whole_numbers(void **unused)
{
	(void)unused;
	assert_shown(RECIPE_UNSIGNED, 0, 0, "0");
	assert_shown(RECIPE_UNSIGNED, 0, UINT64_MAX, "18446744073709551615");
	assert_shown(RECIPE_SIGNED, 0, UINT64_MAX, "-1");
	assert_shown(RECIPE_SIGNED, 0, 1ull << 63, "-9223372036854775808");
}

/* runtime.itoaDiv(value, decimals): at least one digit in front of the point. */
static void itoa_div(void **unused)
{
	static const struct {
		uint64_t value;
		unsigned decimals;
		const char *text;
	} cases[] = {
		{ 0, 0, "0" },
		{ 7, 0, "7" },
		{ 1234567, 0, "1234567" },
		{ 0, 3, "0.000" },
		{ 5, 3, "0.005" },
		{ 99, 3, "0.099" },
		{ 999, 3, "0.999" },
		{ 1000, 3, "1.000" },
		{ 114, 3, "0.114" },
		{ 12007, 3, "12.007" },
		{ 10, 1, "1.0" },
		{ 9, 1, "0.9" },
		{ UINT64_MAX, 3, "18446744073709551.615" },
		{ UINT64_MAX, 0, "18446744073709551615" },
		{ 1, 25, "0.0000000000000000000000001" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_shown(RECIPE_DECIMAL, cases[i].decimals, cases[i].value, cases[i].text);
}

/* runtime.fmtNSAsMS: two significant digits below 10 ms, whole milliseconds from there; never rounded up. */
static void nanoseconds_as_milliseconds(void **unused)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "0" },
		{ 999, "0" },
		{ 1000, "0.001" },
		{ 1999, "0.001" },
		{ 9999, "0.009" },
		{ 10000, "0.010" },
		{ 99999, "0.099" },
		{ 100000, "0.10" },
		{ 109999, "0.10" },
		{ 110000, "0.11" },
		{ 999999, "0.99" },
		{ 1000000, "1.0" },
		{ 1099999, "1.0" },
		{ 1100000, "1.1" },
		{ 9999999, "9.9" },
		{ 10000000, "10" },
		{ 10999999, "10" },
		{ 99999999, "99" },
		{ 100000000, "100" },
		{ 3600000000000, "3600000" },
		{ (uint64_t)-1000, "18446744073709" }, /* a negative difference is printed as it is: unsigned */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_shown(RECIPE_MILLISECONDS, 0, cases[i].ns, cases[i].text);
}

static void short_buffers(void **unused)
{
	char text[4];

	(void)unused;
	assert_int_equal(recipe_format_number(RECIPE_UNSIGNED, 0, 1234567, text, sizeof(text)), 7);
	assert_string_equal(text, "123");
	assert_int_equal(recipe_format_number(RECIPE_DECIMAL, 3, 12007, text, sizeof(text)), 6);
	assert_string_equal(text, "12.");
	assert_int_equal(recipe_format_number(RECIPE_LITERAL, 0, 5, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	/* More decimals than a number has digits are cut, not written behind the buffer. */
	assert_true(recipe_format_number(RECIPE_DECIMAL, 4000000000u, UINT64_MAX, text, sizeof(text)) < 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(itoa_div),
		cmocka_unit_test(nanoseconds_as_milliseconds),
		cmocka_unit_test(short_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
