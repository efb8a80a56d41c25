/* SPDX-License-Identifier: Apache-2.0 */
/* A route as JSON. Written as text, without a tree in between and without printf: each call's record has one. */
#include "lib/json_text.h"
#include "routing/route.h"

static void score_put(struct buf *out, double score)
{
	uint64_t n = score > 0 ? (uint64_t)(score * 10000 + 0.5) : 0;

	json_put_digits(out, n / 10000, 1);
	buf_putc(out, '.');
	json_put_digits(out, n % 10000, 4);
}

static void rate_put(struct buf *out, const struct deck_found *f, const char *currency)
{
	buf_puts(out, "\"prefix\":");
	json_put_text(out, f->prefix);
	buf_puts(out, ",\"destination\":");
	json_put_text(out, f->destination);
	buf_puts(out, ",\"origin_prefix\":");
	json_put_text(out, f->origin);
	buf_puts(out, ",\"price\":");
	json_put_money(out, f->terms.price_n);
	buf_puts(out, ",\"initial_price\":");
	json_put_money(out, f->terms.initial_price_n);
	buf_puts(out, ",\"connect_fee\":");
	json_put_money(out, f->terms.connect_fee_n);
	buf_puts(out, ",\"initial\":");
	json_put_integer(out, f->terms.initial_s);
	buf_puts(out, ",\"increment\":");
	json_put_integer(out, f->terms.increment_s);
	buf_puts(out, ",\"grace\":");
	json_put_integer(out, f->terms.grace_s);
	buf_puts(out, ",\"currency\":");
	json_put_text(out, currency);
}

static void offer_put(struct buf *out, const struct route_offer *o)
{
	buf_puts(out, "{\"trunk_id\":");
	json_put_integer(out, o->trunk->id);
	buf_puts(out, ",\"carrier_id\":");
	json_put_integer(out, o->trunk->carrier->id);
	buf_puts(out, ",\"trunk\":");
	json_put_text(out, o->trunk->name);
	buf_puts(out, ",\"carrier\":");
	json_put_text(out, o->trunk->carrier->name);
	buf_putc(out, ',');
	rate_put(out, &o->rate, deck_words(o->trunk->deck)->currency);
	buf_puts(out, ",\"price_in_sell_currency\":");
	json_put_money(out, o->price_sell.nano);
	buf_puts(out, ",\"expected_margin\":");
	json_put_money(out, o->margin.nano);
	buf_puts(out, ",\"score\":");
	score_put(out, o->score);
	buf_puts(out, ",\"priority\":");
	json_put_integer(out, o->priority);
	buf_puts(out, ",\"weight\":");
	json_put_integer(out, o->weight);
	buf_putc(out, '}');
}

/* Of one with a rate, what it asks; of one whose price can be compared, what it would have been worth. */
static void rated_put(struct buf *out, const struct route_excluded *e)
{
	const struct route_offer *o = e->rated;

	buf_puts(out, ",\"prefix\":");
	json_put_text(out, o->rate.prefix);
	buf_puts(out, ",\"price\":");
	json_put_money(out, o->rate.terms.price_n);
	buf_puts(out, ",\"currency\":");
	json_put_text(out, deck_words(o->trunk->deck)->currency);
	if (e->weighed) {
		buf_puts(out, ",\"expected_margin\":");
		json_put_money(out, o->margin.nano);
	}
	buf_puts(out, ",\"score\":");
	score_put(out, o->score);
}

static void excluded_put(struct buf *out, const struct route_excluded *e)
{
	buf_puts(out, "{\"trunk_id\":");
	json_put_integer(out, e->trunk->id);
	buf_puts(out, ",\"trunk\":");
	json_put_text(out, e->trunk->name);
	buf_puts(out, ",\"reason\":");
	json_put_text(out, route_drop_name(e->why));
	buf_puts(out, ",\"detail\":");
	json_put_text(out, e->detail);
	if (e->rated != NULL)
		rated_put(out, e);
	buf_putc(out, '}');
}

void route_write(const struct route *r, struct buf *out)
{
	buf_puts(out, "{\"outcome\":");
	json_put_text(out, route_outcome_name(r->outcome));
	buf_puts(out, ",\"reason\":");
	json_put_text(out, r->why);
	buf_puts(out, ",\"sell\":");
	if (r->has_sell) {
		buf_putc(out, '{');
		rate_put(out, &r->sell, r->sell_currency);
		buf_puts(out, r->sell.blocked ? ",\"blocked\":true}" : ",\"blocked\":false}");
	} else {
		buf_puts(out, "null");
	}
	buf_puts(out, ",\"routes\":[");
	for (int i = 0; i < r->n_offers; i++) {
		if (i)
			buf_putc(out, ',');
		offer_put(out, &r->offer[i]);
	}
	buf_puts(out, "],\"excluded\":[");
	for (int i = 0; i < r->n_excluded; i++) {
		if (i)
			buf_putc(out, ',');
		excluded_put(out, &r->excluded[i]);
	}
	buf_puts(out, "]}");
}

json_t *route_json(const struct route *r)
{
	struct buf text = {0};

	route_write(r, &text);
	json_t *o = json_loadb(text.text, text.len, 0, NULL);
	buf_free(&text);
	return o;
}
