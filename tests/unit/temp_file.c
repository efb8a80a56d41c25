/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/temp_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char temp_file_path[64];

int temp_file_make(void **state)
{
	int fd;

	(void)state;
	snprintf(temp_file_path, sizeof(temp_file_path), "/tmp/tandem-test.XXXXXX");
	fd = mkstemp(temp_file_path);
	return fd < 0 ? -1 : close(fd);
}

int temp_file_remove(void **state)
{
	(void)state;
	return unlink(temp_file_path);
}

void temp_file_write(const char *text, size_t len)
{
	FILE *f = fopen(temp_file_path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}
