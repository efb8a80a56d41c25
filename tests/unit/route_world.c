/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/route_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/buf.h"

int64_t nano(const char *text)
{
	struct money m;
	assert_int_equal(money_parse(text, &m), 0);
	return m.nano;
}

static struct deck *deck_make(int64_t id, enum deck_side side, const char *currency, const char *rates)
{
	struct deck_words words = {.id = id, .version = 1, .side = side, .rounding = MONEY_HALF_UP, .places = 6};
	struct status st = {""};
	struct deck *d;
	char prefix[40], price[40];
	int initial, increment, used;

	strcpy(words.currency, currency);
	struct deck_builder *b = deck_builder_new(&words);
	for (const char *p = rates; *p != '\0'; p += used + (p[used] == ';')) {
		initial = increment = 1;
		used = 0;
		assert_true(sscanf(p, "%39[0-9!] %39[-0-9.]%n %d/%d%n", prefix, price, &used, &initial, &increment,
				   &used) >= 2);
		struct deck_row row = {.prefix = prefix,
				       .destination = prefix,
				       .price_n = nano(price),
				       .initial_price_n = RATE_SAME,
				       .initial_s = initial,
				       .increment_s = increment};
		char *bang = strchr(prefix, '!'); /* "49!": blocked */
		if (bang != NULL)
			*bang = '\0';
		row.blocked = bang != NULL;
		assert_int_equal(deck_builder_add(b, &row, &st), 0);
	}
	assert_int_equal(deck_builder_finish(&b, &d, &st), 0);
	return d;
}

static const char *or_empty(const char *text)
{
	return text != NULL ? text : "";
}

/* The configuration, as the loader would have read it. */
static json_t *document_of(const struct world *w)
{
	struct buf doc = {0};
	json_error_t why;

	buf_puts(&doc, "{\"format\":1,\"version\":5,\"carriers\":[{\"id\":1,\"name\":\"customer\",\"currency\":\"EUR\","
		       "\"active\":true}");
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc, ",{\"id\":%d,\"name\":\"vendor%d\",\"currency\":\"EUR\",\"active\":true%s}", i + 2,
			   i + 2, or_empty(w->vendor[i].carrier));
	buf_printf(
		&doc,
		"],\"trunks\":[{\"id\":1,\"carrier_id\":1,\"name\":\"in\",\"direction\":\"ingress\",\"enabled\":true,"
		"\"rate_deck_id\":1,\"routing_plan_id\":1%s}",
		or_empty(w->ingress));
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc,
			   ",{\"id\":%d,\"carrier_id\":%d,\"name\":\"out%d\",\"direction\":\"egress\",\"enabled\":true,"
			   "\"rate_deck_id\":%d%s}",
			   i + 2, i + 2, i + 2, i + 2, or_empty(w->vendor[i].trunk));
	buf_printf(&doc, "],\"plans\":[{\"id\":1,\"name\":\"p\",\"max_attempts\":5%s,\"members\":[", or_empty(w->plan));
	for (int i = 0; i < w->n; i++)
		buf_printf(&doc, "%s{\"trunk_id\":%d,\"priority\":1,\"weight\":1%s}", i > 0 ? "," : "", i + 2,
			   or_empty(w->vendor[i].member));
	buf_printf(&doc, "]}]%s}", or_empty(w->more));
	json_t *document = json_loads(doc.text, 0, &why);
	if (document == NULL)
		fail_msg("%s in %s", why.text, doc.text);
	buf_free(&doc);
	return document;
}

static const char *or_eur(const char *currency)
{
	return currency != NULL ? currency : "EUR";
}

struct made made_of(const struct world *w)
{
	struct made m = {.gauges = gauge_table_new(), .r = route_new(1)};
	struct deck *decks[WORLD_VENDORS + 1];
	json_t *document = document_of(w);
	struct status st = {""};

	decks[0] = deck_make(1, DECK_SELL, or_eur(w->sell_currency), w->sell);
	for (int i = 0; i < w->n; i++)
		decks[i + 1] = deck_make(i + 2, DECK_BUY, or_eur(w->vendor[i].currency), w->vendor[i].rates);
	if (snapshot_make(document, decks, (size_t)w->n + 1, m.gauges, &m.s, &st) != 0)
		fail_msg("%s", st.text);
	json_decref(document);
	for (int i = 0; i <= w->n; i++)
		deck_unref(&decks[i]);
	route_fit(m.r, m.s);
	return m;
}

void unmake(struct made *m)
{
	route_free(&m->r);
	snapshot_unref(&m->s);
	gauge_table_free(&m->gauges);
}

struct route_query query_of(const struct made *m, const char *called)
{
	return (struct route_query){.snap = m->s,
				    .ingress = snapshot_trunk(m->s, 1),
				    .called = called,
				    .calling = "4420",
				    .at_us = WORLD_AT,
				    .mono_us = 1000000000,
				    .now = true,
				    .seed = 1};
}

enum route_outcome decide(const struct made *m, const char *called)
{
	struct route_query q = query_of(m, called);
	if (route_permit(m->r, &q) == ROUTE_OK)
		(void)route_decide(m->r, &q);
	return m->r->outcome;
}

const char *order_of(const struct route *r)
{
	static char text[200];
	int len = 0;
	text[0] = '\0';
	for (int i = 0; i < r->n_offers; i++)
		len += snprintf(text + len, sizeof text - (size_t)len, "%s%d", i > 0 ? " " : "",
				(int)r->offer[i].trunk->id);
	return text;
}

const struct route_excluded *excluded_of(const struct route *r, int64_t trunk)
{
	for (int i = 0; i < r->n_excluded; i++)
		if (r->excluded[i].trunk->id == trunk)
			return &r->excluded[i];
	fail_msg("trunk %d is not excluded", (int)trunk);
	return NULL;
}

void assert_order(const struct world *w, const char *called, const char *order)
{
	struct made m = made_of(w);
	(void)decide(&m, called);
	assert_string_equal(order_of(m.r), order);
	unmake(&m);
}

void assert_excluded(const struct world *w, const char *called, int64_t trunk, enum route_drop why)
{
	struct made m = made_of(w);
	(void)decide(&m, called);
	assert_string_equal(route_drop_name(excluded_of(m.r, trunk)->why), route_drop_name(why));
	assert_true(excluded_of(m.r, trunk)->detail[0] != '\0');
	unmake(&m);
}
