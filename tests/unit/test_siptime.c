/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of the SIP library while somebody sets the wall clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_wait.h>

#include "lib/clock.h"
#include "switch/siptime.h"

enum { HOUR_S = 3600, LIMIT_US = 5 * 1000 * 1000 };

static time_t wall_set_s; /* by how much the wall clock was set */
static su_root_t *root;

/* Takes the place of the C library's, for the SIP library, too. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_REALTIME)
		t->tv_sec += wall_set_s;
	return r;
}

static void on_timer(su_root_magic_t *magic, su_timer_t *timer, su_timer_arg_t *arg)
{
	*(int64_t *)arg = clock_mono_us();
}

/* How long after it was set a timer fires, if the clock is set meanwhile; LIMIT_US: not within that time. */
static int64_t fires_after_us(su_duration_t ms, time_t set_s, int64_t patience_us)
{
	su_timer_t *timer = su_timer_create(su_root_task(root), 0);
	int64_t fired_us = 0, begun_us = clock_mono_us();

	assert_non_null(timer);
	assert_int_equal(su_timer_set_interval(timer, on_timer, (su_timer_arg_t *)&fired_us, ms), 0);
	wall_set_s += set_s;
	while (!fired_us && clock_mono_us() - begun_us < patience_us)
		su_root_step(root, 10);
	su_timer_destroy(timer);
	return fired_us ? fired_us - begun_us : LIMIT_US;
}

static int begins(void **state)
{
	wall_set_s = 0;
	siptime_start();
	root = su_root_create(NULL);
	return root ? 0 : -1;
}

static int ends(void **state)
{
	su_root_destroy(root);
	return 0;
}

static void a_timer_fires_in_time_though_the_clock_is_set_back(void **state)
{
	int64_t us = fires_after_us(50, -HOUR_S, LIMIT_US);

	assert_true(us >= 49 * 1000);
	assert_true(us < LIMIT_US);
}

static void a_timer_waits_though_the_clock_is_set_forward(void **state)
{
	assert_int_equal(fires_after_us(60 * 1000, HOUR_S, 200 * 1000), LIMIT_US);
}

static void the_library_counts_from_1900_and_begins_at_the_wall_clock(void **state)
{
	const int64_t from_1900_to_1970_s = (70 * 365 + 17) * 86400LL;
	int64_t difference_s = (int64_t)su_now().tv_sec - from_1900_to_1970_s - clock_wall_us() / 1000000;

	assert_in_range(difference_s + 1, 0, 2);
}

static void times_go_on_and_never_back(void **state)
{
	su_time_t before = su_now();

	wall_set_s -= HOUR_S;
	assert_true(su_time_cmp(su_now(), before) >= 0);
	wall_set_s += 2 * HOUR_S;
	assert_true(su_time_diff(su_now(), before) < 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_timer_fires_in_time_though_the_clock_is_set_back, begins, ends),
		cmocka_unit_test_setup_teardown(a_timer_waits_though_the_clock_is_set_forward, begins, ends),
		cmocka_unit_test_setup_teardown(the_library_counts_from_1900_and_begins_at_the_wall_clock, begins,
						ends),
		cmocka_unit_test_setup_teardown(times_go_on_and_never_back, begins, ends),
	};
	su_init();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	su_deinit();
	return failed;
}
