/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams on loopback that wait, or don't, before they are read as the library reads them. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sofia-sip/su.h>

#include "switch/lag.h"

#define LATE_MS ((int)(LAG_LATE_US / 1000) + 30)

static int fd, sender;
static struct sockaddr_in address;

static int ends_open(void **state)
{
	socklen_t len = sizeof address;

	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	lag_watch(fd);
	return bind(fd, (struct sockaddr *)&address, sizeof address) ||
	       getsockname(fd, (struct sockaddr *)&address, &len);
}

static int ends_close(void **state)
{
	return close(fd) || close(sender);
}

static void send_one(void)
{
	assert_int_equal(sendto(sender, "INVITE", 6, 0, (struct sockaddr *)&address, sizeof address), 6);
}

static void read_one(void)
{
	char text[16];
	su_sockaddr_t from;
	socklen_t len = sizeof from;
	su_iovec_t iov[2] = {{.siv_base = text, .siv_len = 3}, {.siv_base = text + 3, .siv_len = 13}};

	assert_int_equal(su_vrecv(fd, iov, 2, 0, &from, &len), 6);
	assert_memory_equal(text, "INVITE", 6);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	assert_int_equal(from.su_sin.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

static void what_is_read_at_once_is_not_late(void **state)
{
	send_one();
	read_one();
	assert_int_equal(lag_late_us(), 0);
}

static void what_waited_is_late_until_one_did_not(void **state)
{
	for (int i = 0; i < 3; i++)
		send_one();
	(void)poll(NULL, 0, LATE_MS);
	read_one();
	assert_in_range(lag_late_us(), 0, 20000); /* only from now on */
	(void)poll(NULL, 0, 30);
	read_one();
	assert_in_range(lag_late_us(), 30000, 5000000);
	read_one();
	send_one();
	read_one();
	assert_int_equal(lag_late_us(), 0);
}

static void nothing_to_read_is_said_as_ever(void **state)
{
	char text[16];
	su_iovec_t iov[1] = {{.siv_base = text, .siv_len = sizeof text}};

	assert_int_equal(su_vrecv(fd, iov, 1, MSG_DONTWAIT, NULL, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_at_once_is_not_late),
		cmocka_unit_test(what_waited_is_late_until_one_did_not),
		cmocka_unit_test(nothing_to_read_is_said_as_ever),
	};
	return cmocka_run_group_tests(tests, ends_open, ends_close);
}
