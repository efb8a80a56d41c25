/* SPDX-License-Identifier: Apache-2.0 */
/* The selector against the real kernel: sockets that share a port on loopback, and datagrams as SIP peers send them. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "switch/selector.h"

#define WORKERS 4

int su_socket(int family, int type, int protocol);

struct group {
	int fd[WORKERS];
	int sender;
	struct sockaddr_in address;
};

static int group_open(void **state)
{
	static struct group g;
	socklen_t len = sizeof g.address;

	g.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	selector_share(true);
	for (int i = 0; i < WORKERS; i++) {
		g.fd[i] = su_socket(AF_INET, SOCK_DGRAM, 0);
		assert_true(g.fd[i] >= 0);
		assert_int_equal(bind(g.fd[i], (struct sockaddr *)&g.address, sizeof g.address), 0);
		assert_int_equal(getsockname(g.fd[i], (struct sockaddr *)&g.address, &len), 0);
	}
	selector_share(false);
	assert_int_equal(selector_attach(g.fd[0], WORKERS), 0);
	g.sender = socket(AF_INET, SOCK_DGRAM, 0);
	*state = &g;
	return 0;
}

static int group_close(void **state)
{
	struct group *g = *state;
	for (int i = 0; i < WORKERS; i++)
		close(g->fd[i]);
	close(g->sender);
	return 0;
}

/* Send it, and tell which worker's socket it came out of. */
static int arrives_at(struct group *g, const char *text)
{
	struct pollfd p[WORKERS];
	char bytes[2048];

	assert_true(sendto(g->sender, text, strlen(text), 0, (struct sockaddr *)&g->address, sizeof g->address) > 0);
	for (int i = 0; i < WORKERS; i++)
		p[i] = (struct pollfd){.fd = g->fd[i], .events = POLLIN};
	assert_true(poll(p, WORKERS, 2000) > 0);
	for (int i = 0; i < WORKERS; i++)
		if (p[i].revents) {
			assert_true(recv(p[i].fd, bytes, sizeof bytes, 0) > 0);
			return i;
		}
	return -1;
}

static void an_answer_goes_to_the_worker_whose_branch_it_has(void **state)
{
	static const char *const status[] = {"100 Trying", "200 OK", "480 Temporarily Unavailable"};
	static const char *const via[] = {"127.0.0.1:5060", "10.0.0.1:5060;rport=5060;received=10.11.12.13",
					  "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:5060", "sip-1.example.net"};
	char mark[SELECTOR_MARK_MAX], text[1024];

	for (int w = 0; w < WORKERS; w++)
		for (size_t s = 0; s < 3; s++)
			for (size_t v = 0; v < 4; v++) {
				snprintf(text, sizeof text,
					 "SIP/2.0 %s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%sx7Kq\r\nFrom: "
					 "<sip:1@a>;tag=1\r\nTo: <sip:2@b>\r\n"
					 "Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
					 status[s], via[v], selector_mark(w, mark));
				assert_int_equal(arrives_at(*state, text), w);
			}
}

static void the_mark_is_found_wherever_it_stands(void **state)
{
	char mark[SELECTOR_MARK_MAX], text[1024], pad[128];

	for (int shift = 0; shift < 100; shift++) {
		memset(pad, 'h', sizeof pad);
		pad[shift] = '\0';
		snprintf(text, sizeof text,
			 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x%s;branch=z9hG4bK%sx7Kq\r\nTo: <sip:2@b>\r\n\r\n", pad,
			 selector_mark(3, mark));
		assert_int_equal(arrives_at(*state, text), 3);
	}
}

static void a_request_inside_a_dialog_goes_to_the_worker_of_its_contact(void **state)
{
	static const char *const method[] = {"ACK",    "BYE",	 "INFO",    "PRACK",	"REFER",
					     "INVITE", "UPDATE", "OPTIONS", "SUBSCRIBE"};
	char user[SELECTOR_USER_MAX], text[256];

	for (int w = 0; w < WORKERS; w++)
		for (size_t m = 0; m < sizeof method / sizeof method[0]; m++) {
			snprintf(text, sizeof text, "%s sip:%s@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n",
				 method[m], selector_user(w, user));
			assert_int_equal(arrives_at(*state, text), w);
		}
}

static void an_invite_its_cancel_its_ack_and_a_bye_to_its_uri_meet(void **state)
{
	int count[WORKERS] = {0};
	unsigned number = 1;

	for (int i = 0; i < 400; i++) {
		char invite[256], cancel[256], ack[256], bye[256];
		number = number * 1664525u + 1013904223u;
		const char *form =
			"%s sip:44%010u@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4;branch=z9hG4bK%d\r\n\r\n";
		snprintf(invite, sizeof invite, form, "INVITE", number, i);
		snprintf(cancel, sizeof cancel, form, "CANCEL", number, i + 1000);
		snprintf(ack, sizeof ack, form, "ACK", number, i + 2000);
		snprintf(bye, sizeof bye, form, "BYE", number, i + 3000);
		int at = arrives_at(*state, invite);
		assert_int_equal(arrives_at(*state, cancel), at);
		assert_int_equal(arrives_at(*state, ack), at);
		assert_int_equal(arrives_at(*state, bye), at);
		count[at]++;
	}
	for (int w = 0; w < WORKERS; w++) /* 100 each on average */
		assert_in_range(count[w], 60, 150);
}

static void a_tech_prefix_does_not_put_all_calls_on_one_worker(void **state)
{
	int count[WORKERS] = {0};

	for (int i = 0; i < 200; i++) {
		char text[256];
		snprintf(text, sizeof text,
			 "INVITE sip:99887766#+4420%08d@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n\r\n", i * 7919);
		count[arrives_at(*state, text)]++;
	}
	for (int w = 0; w < WORKERS; w++)
		assert_in_range(count[w], 20, 90);
}

static void what_cannot_be_placed_goes_to_the_first_worker(void **state)
{
	assert_int_equal(arrives_at(*state, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKother\r\n\r\n"), 0);
	assert_int_equal(arrives_at(*state, "\r\n\r\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_goes_to_the_worker_whose_branch_it_has),
		cmocka_unit_test(the_mark_is_found_wherever_it_stands),
		cmocka_unit_test(a_request_inside_a_dialog_goes_to_the_worker_of_its_contact),
		cmocka_unit_test(an_invite_its_cancel_its_ack_and_a_bye_to_its_uri_meet),
		cmocka_unit_test(a_tech_prefix_does_not_put_all_calls_on_one_worker),
		cmocka_unit_test(what_cannot_be_placed_goes_to_the_first_worker),
	};
	return cmocka_run_group_tests(tests, group_open, group_close);
}
