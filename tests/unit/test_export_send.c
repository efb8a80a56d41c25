/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that bring a file to a partner, as shell scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "billing/export_send.h"
#include "lib/clock.h"
#include "tests/unit/temp_file.h"

#define LONG_US (30 * 1000000LL) /* not reached, however slow the machine */
#define SHORT_US 500000
#define SOON_US (20 * 1000000LL)

static struct status st;

static int sent_within(int64_t limit_us, const char *script)
{
	const struct export_parcel parcel = {
		.path = temp_file_path, .run = "7", .name = "cdrs.csv.gz", .carrier = "3", .limit_us = limit_us};

	temp_file_write(script, strlen(script));
	st.text[0] = '\0';
	return export_send_command(&parcel, "/bin/sh", &st);
}

static int sent_by(const char *script)
{
	return sent_within(LONG_US, script);
}

static void its_exit_status_tells(void **state)
{
	(void)state;
	assert_int_equal(sent_by("test \"$1 $2 $3\" = '7 3 cdrs.csv.gz'"), 0);
	assert_int_equal(sent_by("exit 3"), -EIO);
	assert_non_null(strstr(st.text, "it said nothing"));
	assert_int_equal(sent_by("kill -9 $$"), -EIO);
}

static void its_last_line_is_told(void **state)
{
	(void)state;
	assert_int_equal(sent_by("echo first >&2; echo the disk is full >&2; exit 1"), -EIO);
	assert_non_null(strstr(st.text, "failed: the disk is full"));
	assert_int_equal(sent_by("i=0; while test $i -lt 3000; do echo line $i >&2; i=$((i + 1)); done; exit 1"), -EIO);
	assert_non_null(strstr(st.text, "failed: line 2999"));
}

static void its_time_is_limited_whatever_it_closes(void **state)
{
	int64_t begun_us = clock_mono_us();

	(void)state;
	assert_int_equal(sent_within(SHORT_US, "exec sleep 60"), -EIO);
	assert_non_null(strstr(st.text, "took too long"));
	assert_int_equal(sent_within(SHORT_US, "exec 2>&-; exec sleep 60"), -EIO);
	assert_non_null(strstr(st.text, "took too long"));
	assert_true(clock_mono_us() - begun_us < SOON_US);
	assert_int_equal(sent_by("exec 2>&-; sleep 0.1; exit 0"), 0);
	assert_int_equal(sent_by("exec 2>&-; sleep 0.1; exit 1"), -EIO);
}

static void what_it_leaves_running_is_not_waited_for(void **state)
{
	int64_t begun_us = clock_mono_us();

	(void)state;
	assert_int_equal(sent_by("sleep 25 & echo refused >&2; exit 1"), -EIO);
	assert_non_null(strstr(st.text, "failed: refused"));
	assert_int_equal(sent_by("sleep 25 & exit 0"), 0);
	assert_true(clock_mono_us() - begun_us < SOON_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_exit_status_tells),
		cmocka_unit_test(its_last_line_is_told),
		cmocka_unit_test(its_time_is_limited_whatever_it_closes),
		cmocka_unit_test(what_it_leaves_running_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
