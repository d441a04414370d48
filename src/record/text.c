// SPDX-License-Identifier: BSD-2-Clause
/* text: making arbitrary bytes fit to be written as UTF-8. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gctap/record.h"

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/*
 * Bytes of the UTF-8 character at @at, 0 when none begins there: no overlong
 * forms, no surrogates, nothing above U+10FFFF (Unicode, table 3-7). The NUL
 * at the end is no tail byte, so nothing is read behind it.
 */
static size_t character_length(const unsigned char *at)
{
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || !is_tail(at[1]))
		return 0;
	if (at[0] < 0xe0)
		return 2;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
	    (at[0] == 0xf4 && at[1] > 0x8f) || !is_tail(at[2]))
		return 0;
	if (at[0] < 0xf0)
		return 3;
	return is_tail(at[3]) ? 4 : 0;
}

/* C0, DEL and C1, which is U+0080 to U+009F. */
static bool is_control(const unsigned char *at)
{
	return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

size_t record_text_clean_length(const char *text, bool controls)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = character_length(at);

		if (length == 0 || (controls && is_control(at)))
			break;
		at += length;
	}
	return (size_t)(at - (const unsigned char *)text);
}

char *record_text_escape(const char *text, bool controls)
{
	char *escaped = malloc(4 * strlen(text) + 1);
	char *to = escaped;

	if (!escaped)
		return NULL;
	for (;;) {
		size_t clean = record_text_clean_length(text, controls);

		memcpy(to, text, clean);
		to += clean;
		text += clean;
		if (!*text)
			break;
		to += sprintf(to, "\\x%02x", (unsigned char)*text++);
	}
	*to = '\0';
	return escaped;
}
