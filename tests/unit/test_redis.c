/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/redis.h"
#include "tests/unit/fake_redis.h"

#define PATIENCE_MS 30000 /* for an answer that comes, on however slow a machine */

static struct redis_address parse(const char *url)
{
	struct redis_address a;
	struct status st = {""};

	if (redis_address_parse(url, &a, &st) != 0)
		fail_msg("%s %s", url, st.text);
	return a;
}

static void a_host_alone_is_enough(void **state)
{
	struct redis_address a = parse("redis://127.0.0.1");

	(void)state;
	assert_int_equal(a.kind, REDIS_TCP);
	assert_string_equal(a.host, "127.0.0.1");
	assert_int_equal(a.port, 6379);
	assert_int_equal(a.db, 0);
	assert_string_equal(a.password, "");
}

static void every_part_of_the_url_is_read(void **state)
{
	struct redis_address a = parse("redis://user:p%40ss%2Fw@[::1]:7000/5");

	(void)state;
	assert_string_equal(a.user, "user");
	assert_string_equal(a.password, "p@ss/w");
	assert_string_equal(a.host, "::1");
	assert_int_equal(a.port, 7000);
	assert_int_equal(a.db, 5);
	a = parse("redis://:secret@db1/");
	assert_string_equal(a.user, "");
	assert_string_equal(a.password, "secret");
	assert_string_equal(a.host, "db1");
}

static void a_path_is_a_unix_socket(void **state)
{
	struct redis_address a = parse("unix:///run/redis/redis.sock?db=2");

	(void)state;
	assert_int_equal(a.kind, REDIS_UNIX);
	assert_string_equal(a.host, "/run/redis/redis.sock");
	assert_int_equal(a.db, 2);
}

static void sentinels_come_as_a_list_with_a_name(void **state)
{
	struct redis_address a = parse("redis+sentinel://:pw@s1,s2:5000,[::1]:5001/mymaster/3");

	(void)state;
	assert_int_equal(a.kind, REDIS_SENTINEL);
	assert_string_equal(a.host, "s1,s2:5000,[::1]:5001");
	assert_string_equal(a.master, "mymaster");
	assert_string_equal(a.password, "pw");
	assert_int_equal(a.db, 3);
}

static void other_urls_are_refused_without_their_password(void **state)
{
	static const char *const bad[] = {
		"",
		"127.0.0.1:6379",
		"http://x",
		"redis://",
		"redis://:secret@",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:",
		"redis://h/x",
		"redis://[::1",
		"redis://:secret%4@h",
		"redis://h/0?x=secret",
		"unix://relative",
		"unix:///s?db=",
		"unix:///s?x=1",
		"redis+sentinel://s1,s2",
		"redis+sentinel://s1,/m",
		"redis+sentinel:///m",
		"redis+sentinel://s1/",
	};
	struct redis_address a;
	struct status st;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (redis_address_parse(bad[i], &a, &st) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
		assert_null(strstr(st.text, "secret"));
	}
}

static void an_absent_server_is_one_clear_line_and_no_wait(void **state)
{
	struct redis *r = redis_new("unix:///nonexistent/redis.sock", 200);
	struct status st = {""};
	redisReply *reply = NULL;

	(void)state;
	assert_int_equal(redis_command(r, &reply, &st, "PING"), -ENOTCONN);
	assert_non_null(strstr(st.text, "/nonexistent/redis.sock"));
	assert_int_equal(redis_command(r, &reply, &st, "PING"), -ENOTCONN);
	assert_null(reply);
	assert_null(redis_raw(r));
	redis_free(&r);
	assert_null(r);
}

static const char *reply(const char *command)
{
	if (strcmp(command, "ERROR") == 0)
		return "-ERR so it is\r\n";
	if (strcmp(command, "DEMOTED") == 0)
		return "-READONLY You can't write against a read only replica.\r\n";
	return strcmp(command, "SILENCE") == 0 ? NULL : "+OK\r\n";
}

static void failures_have_their_numbers(void **state)
{
	struct fake_redis *fake = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(fake), PATIENCE_MS);
	redisReply *got = NULL;
	struct status st = {""};

	(void)state;
	assert_int_equal(redis_command(r, &got, &st, "FINE"), 0);
	assert_string_equal(got->str, "OK");
	freeReplyObject(got);
	got = NULL;
	assert_int_equal(redis_command(r, &got, &st, "ERROR"), -EIO);
	assert_non_null(strstr(st.text, "so it is"));
	assert_non_null(redis_raw(r));
	assert_int_equal(redis_command(r, &got, &st, "DEMOTED"), -ENOTCONN);
	assert_null(redis_raw(r));
	assert_null(got);
	assert_int_equal(redis_command(r, NULL, &st, "FINE"), 0);
	redis_free(&r);
	fake_redis_stop(&fake);
}

static void silence_is_a_failure_and_the_next_command_finds_a_new_connection(void **state)
{
	struct fake_redis *fake = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(fake), 100);
	redisReply *got = NULL;
	struct status st = {""};
	int64_t until_us = clock_mono_us() + PATIENCE_MS * 1000LL;
	int err;

	(void)state;
	assert_int_equal(redis_command(r, &got, &st, "SILENCE"), -ETIMEDOUT);
	assert_null(redis_raw(r));
	assert_null(got);
	do { /* the limit of 100 ms may be too little for an answer, too, when the machine is slow */
		err = redis_command(r, NULL, &st, "FINE");
	} while (err == -ETIMEDOUT && clock_mono_us() < until_us);
	assert_int_equal(err, 0);
	redis_free(&r);
	fake_redis_stop(&fake);
}

static void a_connection_is_not_handed_to_programs_that_we_run(void **state)
{
	struct fake_redis *fake = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(fake), 1000);
	struct status st = {""};

	(void)state;
	assert_int_equal(redis_command(r, NULL, &st, "FINE"), 0);
	assert_int_equal(fcntl(redis_raw(r)->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	redis_free(&r);
	fake_redis_stop(&fake);
}

static void a_pipeline_reads_every_answer_and_tells_the_first_error(void **state)
{
	struct fake_redis *fake = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(fake), PATIENCE_MS);
	struct status st = {""};

	(void)state;
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"ONE"}, NULL), 0);
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"ERROR"}, NULL), 0);
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"TWO"}, NULL), 0);
	assert_int_equal(redis_flush(r, &st), -EIO);
	assert_int_equal(redis_flush(r, &st), 0);
	assert_string_equal(fake_redis_asked(fake), "ONE\nERROR\nTWO\n");
	redis_free(&r);
	fake_redis_stop(&fake);
}

static void a_command_comes_after_what_was_appended(void **state)
{
	struct fake_redis *fake = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(fake), PATIENCE_MS);
	struct status st = {""};
	redisReply *got = NULL;

	(void)state;
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"ONE"}, NULL), 0);
	assert_int_equal(redis_command_argv(r, &got, &st, 1, (const char *[]){"FINE"}, NULL), 0);
	assert_string_equal(got->str, "OK");
	freeReplyObject(got);
	got = NULL;
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"ERROR"}, NULL), 0);
	assert_int_equal(redis_command_argv(r, &got, &st, 1, (const char *[]){"FINE"}, NULL), -EIO);
	assert_null(got);
	assert_int_equal(redis_append(r, &st, 1, (const char *[]){"TWO"}, NULL), 0);
	assert_int_equal(redis_command(r, &got, &st, "FINE"), 0);
	assert_string_equal(got->str, "OK");
	freeReplyObject(got);
	assert_string_equal(fake_redis_asked(fake), "ONE\nFINE\nERROR\nFINE\nTWO\nFINE\n");
	redis_free(&r);
	fake_redis_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_alone_is_enough),
		cmocka_unit_test(every_part_of_the_url_is_read),
		cmocka_unit_test(a_path_is_a_unix_socket),
		cmocka_unit_test(sentinels_come_as_a_list_with_a_name),
		cmocka_unit_test(other_urls_are_refused_without_their_password),
		cmocka_unit_test(an_absent_server_is_one_clear_line_and_no_wait),
		cmocka_unit_test(failures_have_their_numbers),
		cmocka_unit_test(silence_is_a_failure_and_the_next_command_finds_a_new_connection),
		cmocka_unit_test(a_connection_is_not_handed_to_programs_that_we_run),
		cmocka_unit_test(a_pipeline_reads_every_answer_and_tells_the_first_error),
		cmocka_unit_test(a_command_comes_after_what_was_appended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
