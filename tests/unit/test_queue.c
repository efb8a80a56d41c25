/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "lib/clock.h"
#include "lib/queue.h"

static void items_come_out_in_order(void **state)
{
	static int item[8];
	struct queue *q;

	(void)state;
	assert_int_equal(queue_new(&q, 8), 0);
	assert_null(queue_pop(q));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			assert_int_equal(queue_push(q, &item[i]), 0);
		assert_int_equal(queue_push(q, &item[0]), -EAGAIN);
		assert_int_equal(queue_depth(q), 8);
		for (int i = 0; i < 8; i++)
			assert_ptr_equal(queue_pop(q), &item[i]);
		assert_null(queue_pop(q));
		assert_int_equal(queue_depth(q), 0);
	}
	queue_free(&q);
	assert_null(q);
}

static void only_powers_of_two_make_a_ring(void **state)
{
	struct queue *q = NULL;

	(void)state;
	assert_int_equal(queue_new(&q, 0), -EINVAL);
	assert_int_equal(queue_new(&q, 1), -EINVAL);
	assert_int_equal(queue_new(&q, 12), -EINVAL);
	assert_null(q);
}

static int readable(struct queue *q)
{
	struct pollfd p = {.fd = queue_fd(q), .events = POLLIN};

	return poll(&p, 1, 0);
}

static void the_descriptor_tells_until_the_queue_was_found_empty(void **state)
{
	struct queue *q;
	int item;

	(void)state;
	assert_int_equal(queue_new(&q, 4), 0);
	assert_int_equal(readable(q), 0);
	assert_int_equal(queue_push(q, &item), 0);
	assert_int_equal(queue_push(q, &item), 0);
	assert_int_equal(readable(q), 1);
	assert_ptr_equal(queue_pop(q), &item);
	assert_int_equal(readable(q), 1);
	assert_ptr_equal(queue_pop(q), &item);
	assert_null(queue_pop(q));
	assert_int_equal(readable(q), 0);
	queue_wake(q);
	assert_int_equal(readable(q), 1);
	assert_null(queue_pop(q));
	assert_int_equal(readable(q), 0);
	queue_free(&q);
}

static void an_empty_wait_ends_at_its_limit(void **state)
{
	struct queue *q;
	int64_t before;

	(void)state;
	assert_int_equal(queue_new(&q, 4), 0);
	before = clock_mono_us();
	queue_wait(q, 20000);
	assert_true(clock_mono_us() - before >= 20000);
	queue_free(&q);
}

#define PRODUCERS 4
#define ITEMS 50000

struct producer {
	struct queue *q;
	uintptr_t id;
};

static void *produce(void *arg)
{
	struct producer *p = arg;

	for (uintptr_t i = 1; i <= ITEMS; i++) {
		while (queue_push(p->q, (void *)(p->id << 32 | i)) != 0)
			sched_yield();
	}
	return NULL;
}

static void nothing_is_lost_or_reordered_between_threads(void **state)
{
	struct producer producer[PRODUCERS];
	pthread_t thread[PRODUCERS];
	uintptr_t last[PRODUCERS] = {0};
	struct queue *q;
	int64_t limit_us = clock_mono_us() + 60 * 1000000LL;

	(void)state;
	assert_int_equal(queue_new(&q, 64), 0);
	for (uintptr_t i = 0; i < PRODUCERS; i++) {
		producer[i] = (struct producer){q, i};
		assert_int_equal(pthread_create(&thread[i], NULL, produce, &producer[i]), 0);
	}
	for (int left = PRODUCERS * ITEMS; left > 0;) {
		uintptr_t item = (uintptr_t)queue_pop(q);

		if (item == 0) {
			assert_true(clock_mono_us() < limit_us);
			queue_wait(q, 10 * 1000000LL);
			continue;
		}
		assert_int_equal(item & 0xffffffff, last[item >> 32] + 1);
		last[item >> 32]++;
		left--;
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(thread[i], NULL);
	assert_null(queue_pop(q));
	queue_free(&q);
}

#define ROUNDS 100000

struct rounds {
	struct queue *q;
	atomic_int pushed, seen;
};

static void *push_in_turn(void *arg)
{
	struct rounds *r = arg;

	for (int i = 1; i <= ROUNDS; i++) {
		if (queue_push(r->q, r) != 0)
			break;
		atomic_store(&r->pushed, i);
		while (atomic_load(&r->seen) < i)
			sched_yield();
	}
	return NULL;
}

/* The consumer takes the item while its producer still is about to write the descriptor. */
static void the_descriptor_does_not_tell_of_what_is_gone(void **state)
{
	struct rounds r = {0};
	pthread_t thread;
	int told_of_nothing = 0;

	(void)state;
	assert_int_equal(queue_new(&r.q, 4), 0);
	assert_int_equal(pthread_create(&thread, NULL, push_in_turn, &r), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		while (queue_pop(r.q) == NULL || queue_pop(r.q) != NULL)
			;
		while (atomic_load(&r.pushed) < i)
			sched_yield();
		assert_null(queue_pop(r.q));
		told_of_nothing += readable(r.q);
		atomic_store(&r.seen, i);
	}
	pthread_join(thread, NULL);
	assert_int_equal(told_of_nothing, 0);
	queue_free(&r.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_order),
		cmocka_unit_test(only_powers_of_two_make_a_ring),
		cmocka_unit_test(the_descriptor_tells_until_the_queue_was_found_empty),
		cmocka_unit_test(an_empty_wait_ends_at_its_limit),
		cmocka_unit_test(nothing_is_lost_or_reordered_between_threads),
		cmocka_unit_test(the_descriptor_does_not_tell_of_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
