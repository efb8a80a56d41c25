/* SPDX-License-Identifier: Apache-2.0 */
/* temp_file.h - a file of a test program's own: made before its tests, written by them, removed after. */
#ifndef TESTS_TEMP_FILE_H
#define TESTS_TEMP_FILE_H

#include <stddef.h>

extern char temp_file_path[64];

/* for cmocka_run_group_tests: 0, or -1 */
int temp_file_make(void **state);
int temp_file_remove(void **state);

void temp_file_write(const char *text, size_t len); /* in place of what it held */

#endif
