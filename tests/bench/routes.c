/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c - how long a look-up takes over many large decks, and what a rate takes in memory.
 *
 *   tests/bench/routes [DECKS [PREFIXES [LOOK-UPS]]]     default 200 50000 20000
 *
 * "find": every deck's longest prefix for one number. "decide": the whole decision of a plan with as many members:
 * sell rate, each member's rate, eligibility, margin, rank. Numbers and rates are drawn from a fixed seed; prefixes are
 * 3 to 9 digits, of each deck its own, under 200 country codes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "routing/route.h"
#include "routing/snapshot_priv.h"

#define AT 1767225600000000LL
#define CODES 200
#define TAKEN_BITS (UINT64_C(1) << 23)

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static uint64_t resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	if (f != NULL)
		fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A number under one of the country codes; prefixes are drawn the same way, so that most look-ups go deep. */
static void number_draw(uint64_t *seed, char *out, size_t digits)
{
	unsigned int code = 20 + (unsigned int)(random_draw(seed) % CODES);
	size_t len = (size_t)snprintf(out, digits + 1, "%u", code);
	for (; len < digits; len++)
		out[len] = (char)('0' + random_draw(seed) % 10);
	out[digits] = '\0';
}

/* A bit of a Bloom filter with one hash: two prefixes on one bit are one too few, never one twice */
static uint64_t prefix_bit(const char *prefix)
{
	uint64_t h = strtoull(prefix, NULL, 10) * 16 + strlen(prefix);
	return random_draw(&h) % TAKEN_BITS;
}

static struct deck *deck_draw(int64_t id, enum deck_side side, int prefixes, uint64_t *seed)
{
	static const int32_t intervals[][2] = {{1, 1}, {60, 60}, {30, 6}, {6, 6}};
	struct deck_words words = {.id = id, .version = 1, .side = side, .currency = "EUR", .places = 6};
	struct deck_builder *b = deck_builder_new(&words);
	char prefix[16], destination[32];
	struct deck *d = NULL;
	struct status st = {""};

	uint8_t *taken = xcalloc(TAKEN_BITS / 8, 1);
	for (int i = 0; i < prefixes;) {
		size_t digits = 3 + (size_t)(random_draw(seed) % 7);
		number_draw(seed, prefix, digits);
		uint64_t bit = prefix_bit(prefix);
		if (taken[bit / 8] >> bit % 8 & 1)
			continue;
		taken[bit / 8] |= (uint8_t)(1U << bit % 8);
		i++;
		snprintf(destination, sizeof destination, "Destination %.4s", prefix);
		const int32_t *interval = intervals[random_draw(seed) % 4];
		struct deck_row row = {.prefix = prefix,
				       .destination = destination,
				       .price_n = (int64_t)(random_draw(seed) % 100000) * 1000,
				       .initial_price_n = RATE_SAME,
				       .initial_s = interval[0],
				       .increment_s = interval[1],
				       .effective_from_us = AT - 1000000};
		if (deck_builder_add(b, &row, &st) != 0)
			break;
	}
	free(taken);
	if (st.text[0] != '\0' || deck_builder_finish(&b, &d, &st) != 0) {
		fprintf(stderr, "%s\n", st.text);
		exit(1);
	}
	return d;
}

static struct snapshot *snapshot_draw(struct deck *const *decks, int n)
{
	struct buf doc = {0};
	struct snapshot *s = NULL;
	struct status st = {""};

	buf_puts(&doc, "{\"format\":1,\"version\":1,\"carriers\":[{\"id\":1,\"currency\":\"EUR\",\"active\":true},"
		       "{\"id\":2,\"currency\":\"EUR\",\"active\":true}],\"trunks\":[{\"id\":1,\"carrier_id\":1,"
		       "\"direction\":\"ingress\",\"enabled\":true,\"rate_deck_id\":1,\"routing_plan_id\":1}");
	for (int i = 1; i < n; i++)
		buf_printf(
			&doc,
			",{\"id\":%d,\"carrier_id\":2,\"direction\":\"egress\",\"enabled\":true,\"rate_deck_id\":%d}",
			i + 1, i + 1);
	buf_puts(&doc, "],\"plans\":[{\"id\":1,\"name\":\"p\",\"policy\":\"lcr\",\"max_attempts\":5,\"members\":[");
	for (int i = 1; i < n; i++)
		buf_printf(&doc, "%s{\"trunk_id\":%d,\"priority\":1,\"weight\":1}", i > 1 ? "," : "", i + 1);
	buf_puts(&doc, "]}]}");
	json_t *document = json_loads(doc.text, 0, NULL);
	if (document == NULL || snapshot_make(document, decks, (size_t)n, NULL, &s, &st) != 0) {
		fprintf(stderr, "%s\n", st.text);
		exit(1);
	}
	json_decref(document);
	buf_free(&doc);
	return s;
}

static int ns_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void report(const char *what, int64_t *ns, int n, double hits)
{
	qsort(ns, (size_t)n, sizeof *ns, ns_compare);
	printf("%-7s p50 %6.2f us  p99 %6.2f us  max %7.1f us  (%.1f rates a look-up)\n", what, ns[n / 2] / 1e3,
	       ns[(int)(n * 0.99)] / 1e3, ns[n - 1] / 1e3, hits / n);
}

static void bench_find(struct deck *const *decks, int n, int lookups, int64_t *ns, uint64_t seed)
{
	struct deck_hit *hit = xcalloc((size_t)n, sizeof *hit);
	double hits = 0;
	char called[16];

	for (int i = 0; i < lookups; i++) {
		number_draw(&seed, called, 12);
		int64_t began = now_ns();
		deck_find_many((const struct deck *const *)decks, (size_t)n, called, "4420", AT, hit);
		ns[i] = now_ns() - began;
		for (int d = 0; d < n; d++)
			hits += hit[d].rate != NULL;
	}
	report("find", ns, lookups, hits);
	free(hit);
}

static void bench_decide(struct snapshot *s, int lookups, int64_t *ns, uint64_t seed)
{
	struct route *r = route_new(1);
	double hits = 0;
	char called[16];

	route_fit(r, s);
	struct route_query q = {.snap = s,
				.ingress = snapshot_trunk(s, 1),
				.called = called,
				.calling = "4420",
				.at_us = AT,
				.now = true,
				.terse = true};
	for (int i = 0; i < lookups; i++) {
		number_draw(&seed, called, 12);
		int64_t began = now_ns();
		(void)route_decide(r, &q);
		ns[i] = now_ns() - began;
		hits += r->n_offers + r->n_excluded;
	}
	report("decide", ns, lookups, hits);
	route_free(&r);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200, prefixes = argc > 2 ? atoi(argv[2]) : 50000;
	int lookups = argc > 3 ? atoi(argv[3]) : 20000;
	uint64_t seed = 42, rates = 0, bytes = 0, before = resident_bytes();

	if (n < 2 || prefixes < 1 || lookups < 1) {
		fprintf(stderr, "usage: routes [DECKS [PREFIXES [LOOK-UPS]]]\n");
		return 2;
	}
	struct deck **decks = xcalloc((size_t)n, sizeof(struct deck *));
	int64_t *ns = xcalloc((size_t)lookups, sizeof *ns), began = now_ns();
	for (int i = 0; i < n; i++) {
		size_t len;
		decks[i] = deck_draw(i + 1, i == 0 ? DECK_SELL : DECK_BUY, prefixes, &seed);
		rates += deck_rates(decks[i]);
		(void)deck_image(decks[i], &len);
		bytes += len;
	}
	printf("%d decks, %" PRIu64 " rates, compiled in %.1f s; bytes_per_rate %.1f in images, %.1f resident\n", n,
	       rates, (now_ns() - began) / 1e9, (double)bytes / rates, (double)(resident_bytes() - before) / rates);
	struct snapshot *s = snapshot_draw(decks, n);
	bench_find(decks, n, lookups, ns, 7);
	bench_decide(s, lookups, ns, 7);
	snapshot_unref(&s);
	for (int i = 0; i < n; i++)
		deck_unref(&decks[i]);
	free(decks);
	free(ns);
	return 0;
}
