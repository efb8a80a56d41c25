/* SPDX-License-Identifier: Apache-2.0 */
/* lib/pg against a server of our own that speaks just enough of PostgreSQL's protocol to fail in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/pg.h"
#include "tests/unit/quickest.h"

#define PATIENCE_US (30 * 1000000LL) /* for what must come at last, on however slow a machine */

enum manner { ANSWER, ERROR, SILENCE, HANG_UP, REFUSE };

/* What the server does with a statement of ours, set by the test before it calls. */
static struct {
	_Atomic int manner;
	char sqlstate[6];
	_Atomic int prepared; /* how many Parse messages came */
	int listener, port;
	pthread_t thread;
} server;

static _Thread_local int away_us; /* the next wait of this thread's ends so late, and with nothing told */

/* The library's, for a thread that has no turn for a while. */
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};

	if (away_us > 0 && timeout_ms > 0) {
		usleep((useconds_t)away_us);
		away_us = 0;
		errno = EINTR;
		return -1;
	}
	return ppoll(fds, n, timeout_ms >= 0 ? &limit : NULL, NULL);
}

static bool read_exactly(int fd, void *out, size_t len)
{
	return len == 0 || recv(fd, out, len, MSG_WAITALL) == (ssize_t)len;
}

/* one message; type 0 for the first of a connection, which has none */
static bool read_message(int fd, bool first, char *type, char *body, size_t size)
{
	uint32_t len;

	*type = 0;
	if ((!first && !read_exactly(fd, type, 1)) || !read_exactly(fd, &len, 4))
		return false;
	len = ntohl(len) - 4;
	memset(body, 0, size);
	return len < size && read_exactly(fd, body, len);
}

static void put(int fd, char type, const void *body, size_t len)
{
	uint32_t size = htonl((uint32_t)len + 4);

	(void)!send(fd, &type, 1, MSG_NOSIGNAL);
	(void)!send(fd, &size, 4, MSG_NOSIGNAL);
	if (len > 0)
		(void)!send(fd, body, len, MSG_NOSIGNAL);
}

static void put_ready(int fd)
{
	put(fd, 'Z', "I", 1);
}

static void put_error(int fd, const char *sqlstate)
{
	char body[128];
	int len =
		snprintf(body, sizeof(body), "SERROR%cC%s%cMit is\n so%cncarriers_name_unique%c", 0, sqlstate, 0, 0, 0);

	put(fd, 'E', body, (size_t)len + 1);
}

/* false: the connection is to be closed */
static bool carry_out(int fd, const char *tag)
{
	switch (server.manner) {
	case SILENCE:
		return true;
	case HANG_UP:
		return false;
	case ERROR:
		put_error(fd, server.sqlstate);
		break;
	default:
		put(fd, 'C', tag, strlen(tag) + 1);
	}
	put_ready(fd);
	return true;
}

static bool greet(int fd)
{
	char type, body[1024];

	if (!read_message(fd, true, &type, body, sizeof(body)))
		return false;
	if (memcmp(body, "\x04\xd2\x16\x2f", 4) == 0 || memcmp(body, "\x04\xd2\x16\x30", 4) == 0) { /* SSL, GSS: no */
		(void)!send(fd, "N", 1, MSG_NOSIGNAL);
		return greet(fd);
	}
	if (server.manner == SILENCE)
		return read_message(fd, false, &type, body, sizeof(body));
	if (server.manner == REFUSE) {
		put_error(fd, "57P03");
		return false;
	}
	put(fd, 'R', "\0\0\0\0", 4);
	put_ready(fd);
	return true;
}

static void serve(int fd)
{
	char type, body[4096], last = 0;
	bool on = greet(fd);

	while (on && read_message(fd, false, &type, body, sizeof(body))) {
		if (type == 'Q' && strncmp(body, "set statement_timeout", 21) == 0) {
			put(fd, 'C', "SET", 4);
			put_ready(fd);
		} else if (type == 'Q') {
			on = carry_out(fd, "BEGIN");
		} else if (type == 'S' && last == 'P') {
			server.prepared++;
			put(fd, '1', NULL, 0);
			put_ready(fd);
		} else if (type == 'S') {
			put(fd, '2', NULL, 0);
			put(fd, 'n', NULL, 0);
			on = carry_out(fd, "UPDATE 1");
		} else if (type == 'X') {
			break;
		}
		last = type;
	}
	close(fd);
}

static void *serve_all(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(server.listener, NULL, NULL)) >= 0)
		serve(fd);
	return NULL;
}

static int server_start(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	(void)state;
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(server.listener, 4) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&a, &len) != 0)
		return -1;
	server.port = ntohs(a.sin_port);
	return pthread_create(&server.thread, NULL, serve_all, NULL);
}

static int server_stop(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	return close(server.listener);
}

static const struct pg_statement statement = {"test_update", "update t set x = $1", 1};
static const char *const params[] = {"1"};

/* A client as the options say; what it is to reach is the server here, which answers. */
static struct pg *client_with(struct pg_options options)
{
	static char url[128];

	snprintf(url, sizeof(url), "postgresql://user:sesame@127.0.0.1:%d/db?sslmode=disable&gssencmode=disable",
		 server.port);
	server.manner = ANSWER;
	options.url = url;
	options.application_name = "test";
	return pg_new(&options);
}

static struct pg *client(int statement_timeout_ms)
{
	return client_with((struct pg_options){
		.statement_timeout_ms = statement_timeout_ms, .connect_timeout_s = 30, .retry_ms = 50});
}

static void a_statement_is_prepared_once_a_connection(void **state)
{
	struct pg *pg = client(0);
	struct status st = {""};
	PGresult *result = NULL;
	int before = server.prepared;

	(void)state;
	assert_int_equal(pg_exec(pg, &statement, params, &result, &st), 0);
	assert_string_equal(PQcmdTuples(result), "1");
	PQclear(result);
	assert_int_equal(pg_exec(pg, &statement, params, NULL, &st), 0);
	assert_int_equal(server.prepared, before + 1);
	pg_drop(pg);
	assert_int_equal(pg_exec(pg, &statement, params, NULL, &st), 0);
	assert_int_equal(server.prepared, before + 2);
	assert_int_equal(pg_generation(pg), 2);
	pg_free(&pg);
	assert_null(pg);
}

static void each_class_of_error_has_its_number(void **state)
{
	static const struct {
		const char *sqlstate;
		int err;
	} cases[] = {
		{"23505", -EEXIST},   {"23503", -EBUSY},    {"23001", -EBUSY},	  {"57014", -ETIMEDOUT},
		{"23514", -EINVAL},   {"22P02", -EINVAL},   {"40001", -EAGAIN},	  {"40P01", -EAGAIN},
		{"42P01", -EIO},      {"53100", -EIO},	    {"57P01", -ENOTCONN}, {"25006", -ENOTCONN},
		{"08006", -ENOTCONN}, {"26000", -ENOTCONN}, {"0A000", -ENOTCONN},
	};
	struct pg *pg = client(0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		PGresult *result = NULL;
		struct status st = {""};

		strcpy(server.sqlstate, cases[i].sqlstate);
		server.manner = ERROR;
		assert_int_equal(pg_exec(pg, &statement, params, &result, &st), cases[i].err);
		assert_null(result);
		assert_non_null(strstr(st.text, "it is so"));
		assert_string_equal(pg_sqlstate(pg), cases[i].sqlstate);
		assert_string_equal(pg_constraint(pg), "carriers_name_unique");
		assert_true((pg_raw(pg) == NULL) == (cases[i].err == -ENOTCONN));
		server.manner = ANSWER;
		assert_int_equal(pg_exec(pg, &statement, params, NULL, &st), 0);
		assert_string_equal(pg_sqlstate(pg), "");
	}
	pg_free(&pg);
}

static void a_lost_connection_is_told_once_and_then_made_anew(void **state)
{
	struct pg *pg = client(0);
	struct status st = {""};

	(void)state;
	assert_int_equal(pg_simple(pg, "begin", &st), 0);
	server.manner = HANG_UP;
	assert_int_equal(pg_simple(pg, "begin", &st), -ENOTCONN);
	assert_null(pg_raw(pg));
	server.manner = ANSWER;
	assert_int_equal(pg_simple(pg, "begin", &st), 0);
	assert_int_equal(pg_generation(pg), 2);
	pg_free(&pg);
}

static int64_t hang_us(void)
{
	struct pg *pg = client(100);
	struct status st = {""};
	int64_t before_us;

	assert_int_equal(pg_connect(pg, &st), 0);
	server.manner = SILENCE;
	before_us = clock_mono_us();
	assert_int_equal(pg_exec(pg, &statement, params, NULL, &st), -ETIMEDOUT);
	before_us = clock_mono_us() - before_us;
	assert_null(pg_raw(pg));
	pg_free(&pg);
	return before_us;
}

static void a_hung_server_is_left_when_its_time_is_up(void **state)
{
	(void)state;
	assert_in_range(quickest_us(hang_us, 4000000), 2100000, 4000000);
}

static void an_answer_that_is_here_counts_however_late_it_is_looked_for(void **state)
{
	struct pg *pg = client(100);
	struct status st = {""};

	(void)state;
	assert_int_equal(pg_connect(pg, &st), 0);
	away_us = 2200000; /* longer than the statement may take */
	assert_int_equal(pg_exec(pg, &statement, params, NULL, &st), 0);
	pg_free(&pg);
}

static void a_connection_comes_about_though_we_had_no_turn(void **state)
{
	struct pg *pg = client_with((struct pg_options){.connect_timeout_s = 1, .retry_ms = 50});
	struct status st = {""};

	(void)state;
	away_us = 1100000;
	assert_int_equal(pg_connect(pg, &st), 0);
	pg_free(&pg);
}

static int64_t greet_us(void)
{
	struct pg *pg = client_with((struct pg_options){.connect_timeout_s = 1, .retry_ms = 50});
	struct status st = {""};
	int64_t before_us = clock_mono_us();

	server.manner = SILENCE;
	assert_int_equal(pg_connect(pg, &st), -ENOTCONN);
	before_us = clock_mono_us() - before_us;
	pg_free(&pg);
	return before_us;
}

static void a_server_that_never_greets_is_left_too(void **state)
{
	(void)state;
	assert_in_range(quickest_us(greet_us, 3000000), 900000, 3000000);
}

static void while_it_is_away_further_attempts_fail_at_once(void **state)
{
	struct pg *pg = client_with((struct pg_options){.connect_timeout_s = 30, .retry_ms = 1000000});
	struct status first = {""}, second = {""};

	(void)state;
	server.manner = REFUSE;
	assert_int_equal(pg_connect(pg, &first), -ENOTCONN);
	server.manner = ANSWER;
	assert_int_equal(pg_connect(pg, &second), -ENOTCONN);
	assert_string_equal(first.text, second.text);
	assert_null(strstr(first.text, "sesame"));
	pg_free(&pg);
}

static void after_the_pause_that_was_asked_for_it_is_tried_again(void **state)
{
	struct pg *pg = client(0);
	struct status st = {""};
	int64_t before_us = clock_mono_us();

	(void)state;
	server.manner = REFUSE;
	assert_int_equal(pg_connect(pg, &st), -ENOTCONN);
	server.manner = ANSWER;
	while (pg_connect(pg, &st) != 0) {
		assert_true(clock_mono_us() - before_us < PATIENCE_US);
		usleep(1000);
	}
	assert_true(clock_mono_us() - before_us >= 50000);
	pg_free(&pg);
}

static void no_password_shows_for_a_bad_url(void **state)
{
	struct pg *pg = pg_new(&(struct pg_options){.url = "postgresql://user:sesame@host/db?sesame"});
	struct status st = {""};

	(void)state;
	assert_int_equal(pg_connect(pg, &st), -ENOTCONN);
	assert_true(strlen(st.text) > 0);
	assert_null(strstr(st.text, "sesame"));
	pg_free(&pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_statement_is_prepared_once_a_connection),
		cmocka_unit_test(each_class_of_error_has_its_number),
		cmocka_unit_test(a_lost_connection_is_told_once_and_then_made_anew),
		cmocka_unit_test(a_hung_server_is_left_when_its_time_is_up),
		cmocka_unit_test(a_server_that_never_greets_is_left_too),
		cmocka_unit_test(an_answer_that_is_here_counts_however_late_it_is_looked_for),
		cmocka_unit_test(a_connection_comes_about_though_we_had_no_turn),
		cmocka_unit_test(while_it_is_away_further_attempts_fail_at_once),
		cmocka_unit_test(after_the_pause_that_was_asked_for_it_is_tried_again),
		cmocka_unit_test(no_password_shows_for_a_bad_url),
	};

	return cmocka_run_group_tests(tests, server_start, server_stop);
}
