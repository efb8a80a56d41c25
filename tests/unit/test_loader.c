/* SPDX-License-Identifier: Apache-2.0 */
/* Without PostgreSQL and Redis: what the loader does with its own disk. With them: tests/api and tests/fault. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "routing/cache.h"
#include "routing/loader.h"
#include "routing/route.h"
#include "tests/unit/quickest.h"

#define NOWHERE_DB "host=/nonexistent dbname=none"
#define NOWHERE_REDIS "unix:///nonexistent/redis.sock"

static char dir[64];

static int dir_make(void **state)
{
	strcpy(dir, "/tmp/test_loader.XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int dir_remove(void **state)
{
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static struct deck *deck_make(int64_t id, int64_t version, uint64_t source, int64_t price_n)
{
	struct deck_words words = {.id = id, .version = version, .source = source, .currency = "EUR", .places = 6};
	struct deck_row row = {.prefix = "49",
			       .destination = "Germany",
			       .price_n = price_n,
			       .initial_price_n = RATE_SAME,
			       .initial_s = 1,
			       .increment_s = 1};
	struct deck_builder *b = deck_builder_new(&words);
	struct status st = {""};
	struct deck *d;
	assert_int_equal(deck_builder_add(b, &row, &st), 0);
	assert_int_equal(deck_builder_finish(&b, &d, &st), 0);
	return d;
}

static struct cache *cache_make(void)
{
	struct status st = {""};
	struct cache *c;
	assert_int_equal(cache_new(&c, NOWHERE_REDIS, dir, &st), 0);
	return c;
}

static void a_cached_deck_comes_back_in_its_version_only(void **state)
{
	struct cache *c = cache_make();
	struct deck *d = deck_make(3, 8, 1234, 10), *back;

	cache_deck_put(c, d);
	assert_int_equal(cache_deck_get(c, 1234, 3, 8, &back), 0);
	assert_int_equal(deck_words(back)->version, 8);
	deck_unref(&back);
	assert_int_equal(cache_deck_get(c, 1234, 3, CACHE_ANY_VERSION, &back), 0);
	deck_unref(&back);
	assert_int_equal(cache_deck_get(c, 1234, 3, 9, &back), -ENOENT);
	assert_int_equal(cache_deck_get(c, 4321, 3, 8, &back), -ENOENT); /* another database */
	assert_int_equal(cache_deck_get(c, 1234, 4, 8, &back), -ENOENT);
	deck_unref(&d);
	cache_free(&c);
}

static void a_damaged_file_is_no_deck(void **state)
{
	struct cache *c = cache_make();
	struct deck *d = deck_make(3, 8, 1234, 10), *back;
	char path[128];

	cache_deck_put(c, d);
	snprintf(path, sizeof path, "%s/deck-3.image", dir);
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 700), 1);
	close(fd);
	assert_int_equal(cache_deck_get(c, 1234, 3, 8, &back), -ENOENT);
	deck_unref(&d);
	cache_free(&c);
}

static void files_are_for_the_owner_and_unused_ones_go(void **state)
{
	struct cache *c = cache_make();
	struct deck *used = deck_make(3, 8, 1234, 10), *unused = deck_make(4, 8, 1234, 10);
	json_t *document = json_loads("{\"trunks\":[{\"rate_deck_id\":3},{\"rate_deck_id\":null}]}", 0, NULL);
	struct stat info;
	char path[128];

	cache_deck_put(c, used);
	cache_deck_put(c, unused);
	cache_document_put(c, document);
	snprintf(path, sizeof path, "%s/config.json", dir);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	snprintf(path, sizeof path, "%s/deck-3.image", dir);
	assert_int_equal(stat(path, &info), 0);
	snprintf(path, sizeof path, "%s/deck-4.image", dir);
	assert_int_equal(stat(path, &info), -1);
	json_decref(document);
	deck_unref(&used);
	deck_unref(&unused);
	cache_free(&c);
}

static void a_directory_that_cannot_be_used_is_an_error_that_names_it(void **state)
{
	struct status st = {""};
	struct cache *c = NULL;
	assert_true(cache_new(&c, NOWHERE_REDIS, "/dev/null/decks", &st) < 0);
	assert_non_null(strstr(st.text, "/dev/null/decks"));
	assert_null(c);
}

struct waiter {
	_Atomic(struct snapshot *) got;
};

static void take(void *arg, struct snapshot *s)
{
	struct waiter *w = arg;
	struct snapshot *old = atomic_exchange(&w->got, s);
	snapshot_unref(&old);
}

static struct snapshot *await(struct waiter *w, int64_t limit_us)
{
	int64_t until_us = clock_mono_us() + limit_us;
	while (atomic_load(&w->got) == NULL && clock_mono_us() < until_us) {
		struct timespec slice = {.tv_nsec = 5000000};
		nanosleep(&slice, NULL);
	}
	return atomic_load(&w->got);
}

static const char document_text[] =
	"{\"format\":1,\"source\":\"1-2-3\",\"version\":17,"
	"\"carriers\":[{\"id\":1,\"name\":\"c\",\"currency\":\"EUR\",\"active\":true},"
	"{\"id\":2,\"name\":\"v\",\"currency\":\"EUR\",\"active\":true}],"
	"\"trunks\":[{\"id\":1,\"carrier_id\":1,\"name\":\"in\",\"direction\":\"ingress\",\"enabled\":true,\"rate_deck_"
	"id\":1,"
	"\"routing_plan_id\":1},"
	"{\"id\":2,\"carrier_id\":2,\"name\":\"out\",\"direction\":\"egress\",\"enabled\":true,\"rate_deck_id\":2},"
	"{\"id\":3,\"carrier_id\":2,\"name\":\"lost\",\"direction\":\"egress\",\"enabled\":true,\"rate_deck_id\":3}],"
	"\"plans\":[{\"id\":1,\"name\":\"p\",\"policy\":\"lcr\",\"max_attempts\":5,\"members\":["
	"{\"trunk_id\":2,\"priority\":1,\"weight\":1},{\"trunk_id\":3,\"priority\":1,\"weight\":1}]}]}";

static uint64_t source_hash(const char *text) /* FNV-1a, as the loader names a database */
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

static void a_node_routes_from_its_disk_when_all_else_is_away(void **state)
{
	struct cache *c = cache_make();
	json_t *document = json_loads(document_text, 0, NULL);
	struct deck *sell = deck_make(1, 4, source_hash("1-2-3"), 20000000),
		    *buy = deck_make(2, 9, source_hash("1-2-3"), 10000000);
	struct waiter w = {NULL};
	struct loader *l;
	struct status st = {""};
	struct loader_stats stats;

	cache_document_put(c, document);
	cache_deck_put(c, sell);
	cache_deck_put(c, buy);
	cache_free(&c);
	const struct loader_options o = {
		.database_url = NOWHERE_DB, .redis_url = NOWHERE_REDIS, .cache_dir = dir, .publish = take, .arg = &w};
	assert_int_equal(loader_start(&l, &o, &st), 0);
	struct snapshot *s = await(&w, 60000000);
	assert_non_null(s);
	assert_int_equal(snapshot_version(s), 17);
	assert_true(snapshot_has_routes(s));
	struct route *r = route_new(1);
	route_fit(r, s);
	struct route_query q = {
		.snap = s, .ingress = snapshot_trunk(s, 1), .called = "4930", .calling = "", .at_us = 1, .now = true};
	assert_int_equal(route_decide(r, &q), ROUTE_OK);
	assert_int_equal(r->n_offers, 1);
	assert_int_equal(r->offer[0].trunk->id, 2);
	assert_int_equal(r->excluded[0].why, DROP_NO_RATE); /* its deck was in no cache */
	loader_stats(l, &stats);
	assert_int_equal(stats.version, 17);
	assert_int_equal(stats.decks, 2);
	assert_false(stats.database_up);
	loader_stop(&l);
	assert_null(l);
	route_free(&r);
	s = atomic_exchange(&w.got, NULL);
	snapshot_unref(&s);
	deck_unref(&sell);
	deck_unref(&buy);
	json_decref(document);
}

static int64_t stop_us(void)
{
	struct waiter w = {NULL};
	struct loader *l;
	struct status st = {""};
	const struct loader_options o = {
		.database_url = NOWHERE_DB, .redis_url = NOWHERE_REDIS, .cache_dir = dir, .publish = take, .arg = &w};

	assert_int_equal(loader_start(&l, &o, &st), 0);
	assert_null(await(&w, 100000));
	int64_t began_us = clock_mono_us();
	loader_stop(&l);
	return clock_mono_us() - began_us;
}

static void with_nothing_anywhere_it_waits_and_stops_at_once(void **state)
{
	assert_true(quickest_us(stop_us, 999999) < 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cached_deck_comes_back_in_its_version_only, dir_make, dir_remove),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_no_deck, dir_make, dir_remove),
		cmocka_unit_test_setup_teardown(files_are_for_the_owner_and_unused_ones_go, dir_make, dir_remove),
		cmocka_unit_test(a_directory_that_cannot_be_used_is_an_error_that_names_it),
		cmocka_unit_test_setup_teardown(a_node_routes_from_its_disk_when_all_else_is_away, dir_make,
						dir_remove),
		cmocka_unit_test_setup_teardown(with_nothing_anywhere_it_waits_and_stops_at_once, dir_make, dir_remove),
	};
	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
