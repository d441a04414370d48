// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/failure.h"

#include <stdarg.h>
#include <stdio.h>

void failure_write(struct failure *failure, const char *format, ...)
{
	va_list arguments;

	if (!failure)
		return;
	va_start(arguments, format);
	vsnprintf(failure->text, sizeof(failure->text), format, arguments);
	va_end(arguments);
	/* Names from hostile files end up here: keep it one harmless line. */
	for (char *c = failure->text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}
