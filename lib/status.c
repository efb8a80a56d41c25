/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/status.h"

#include <stdarg.h>
#include <stdio.h>

int status_set(struct status *st, int err, const char *fmt, ...)
{
	if (st == NULL)
		return err;

	va_list args;
	va_start(args, fmt);
	vsnprintf(st->text, sizeof(st->text), fmt, args);
	va_end(args);
	return err;
}
