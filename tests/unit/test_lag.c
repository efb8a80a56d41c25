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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sofia-sip/su.h>

#include "lib/clock.h"
#include "switch/lag.h"

#define LATE_MS ((int)(LAG_LATE_US / 1000) + 30)

#define STAMPS_LIMIT_MS 5000

static int fd, sender;
static struct sockaddr_in address;

/* How long ago the datagram that comes next came in, as the kernel stamped it; -1: no stamp. */
static int64_t stamped_ago_us(void)
{
	char text[16], room[CMSG_SPACE(sizeof(struct timespec))];
	struct iovec iov = {.iov_base = text, .iov_len = sizeof text};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
	struct timespec came;

	if (recvmsg(fd, &h, 0) < 0 || CMSG_FIRSTHDR(&h) == NULL || CMSG_FIRSTHDR(&h)->cmsg_type != SCM_TIMESTAMPNS)
		return -1;
	memcpy(&came, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof came);
	return clock_wall_us() - (came.tv_sec * 1000000LL + came.tv_nsec / 1000);
}

/* The first socket of a machine that wants stamps gets them some time later: until then the kernel stamps what is read,
 * not what comes in. */
static int await_stamps(void)
{
	for (int waited_ms = 0; waited_ms < STAMPS_LIMIT_MS; waited_ms += 10) {
		if (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof address) != 1)
			return -1;
		(void)poll(NULL, 0, 10);
		if (stamped_ago_us() >= 9000)
			return 0;
	}
	return -1;
}

static int ends_open(void **state)
{
	socklen_t len = sizeof address;

	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	sender = socket(AF_INET, SOCK_DGRAM, 0);
	lag_watch(fd);
	return bind(fd, (struct sockaddr *)&address, sizeof address) ||
	       getsockname(fd, (struct sockaddr *)&address, &len) || await_stamps();
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

/* One that is read before it is late. A machine that stood still meanwhile makes it late: then another is sent. */
static void read_in_time(void)
{
	for (int tries = 0; tries < 100; tries++) {
		int64_t sent_us = clock_mono_us();

		send_one();
		read_one();
		if (clock_mono_us() - sent_us < LAG_LATE_US)
			return;
	}
	fail_msg("this machine is too slow to read anything in time");
}

/* Read one that is late; for how long have they been? That is since `since_us`, which is told: the call itself takes
 * time. */
static int64_t read_late(int64_t since_us)
{
	read_one();

	int64_t late_us = lag_late_us();
	assert_in_range(late_us, 0, clock_mono_us() - since_us);
	return late_us;
}

static void what_is_read_at_once_is_not_late(void **state)
{
	read_in_time();
	assert_int_equal(lag_late_us(), 0);
}

static void what_waited_is_late_until_one_did_not(void **state)
{
	for (int i = 0; i < 3; i++)
		send_one();
	(void)poll(NULL, 0, LATE_MS);
	int64_t since_us = clock_mono_us();
	(void)read_late(since_us); /* only from now on */
	(void)poll(NULL, 0, 30);
	assert_true(read_late(since_us) >= 30000);
	read_one();
	read_in_time();
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
