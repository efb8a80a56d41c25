/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "switch/dns.h"
#include "switch/worker.h"

#define NAMES 20
#define NOBODY "127.0.0.1:1" /* a name server that is refused at once */

struct world {
	struct worker worker;
	struct dns *dns;
	int answers, targets;
};

static void world_set_up(struct world *w)
{
	struct status st = {""};

	*w = (struct world){.worker = {.ports = 1}};
	w->worker.port[0] = (struct worker_port){.transport = TRUNK_UDP, .family = AF_INET};
	assert_int_equal(su_init(), 0);
	w->worker.root = su_root_create(NULL);
	assert_non_null(w->worker.root);
	if (dns_new(&w->dns, &w->worker, NOBODY, &st) != 0)
		fail_msg("%s", st.text);
}

static void world_tear_down(struct world *w)
{
	dns_free(&w->dns);
	su_root_destroy(w->worker.root);
	su_deinit();
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
	struct world *w = arg;

	w->answers++;
	w->targets += answer->n;
}

static void run_until(struct world *w, int answers, size_t names, int limit_ms)
{
	int64_t until_us = clock_mono_us() + limit_ms * 1000LL;

	while ((w->answers < answers || dns_names(w->dns) != names) && clock_mono_us() < until_us) {
		su_root_step(w->worker.root, 20);
		dns_tick(w->dns);
	}
	assert_int_equal(w->answers, answers);
	assert_int_equal(dns_names(w->dns), names);
}

/* Whoever sends a 3xx or a Contact may name a new host each time. */
static void names_are_forgotten_when_their_time_is_over(void **state)
{
	struct world w;
	char name[64];

	(void)state;
	world_set_up(&w);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < NAMES; i++) {
			snprintf(name, sizeof name, "n%d.example", i);
			(void)dns_ask(w.dns, name, 0, TRUNK_ANY, on_answer, &w);
		}
		run_until(&w, (round + 1) * NAMES, NAMES, 10000); /* the second time from what is kept */
	}
	run_until(&w, 2 * NAMES, 0, 20000);
	(void)dns_ask(w.dns, "n1.example", 0, TRUNK_ANY, on_answer, &w);
	run_until(&w, 2 * NAMES + 1, 1, 10000);
	assert_int_equal(w.targets, 0);
	world_tear_down(&w);
}

static void a_dropped_question_is_not_answered(void **state)
{
	struct world w;

	(void)state;
	world_set_up(&w);
	struct dns_question *q = dns_ask(w.dns, "dropped.example", 0, TRUNK_ANY, on_answer, &w);
	assert_int_equal(dns_names(w.dns), 1);
	dns_drop(q);
	run_until(&w, 0, 0, 20000);
	world_tear_down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_forgotten_when_their_time_is_over),
		cmocka_unit_test(a_dropped_question_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
