/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/route.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/random.h"
#include "routing/health.h"
#include "routing/margin.h"
#include "routing/rank.h"
#include "routing/snapshot_priv.h"
#include "routing/standing.h"

#define DETAIL_MAX 160
#define AHEAD 8 /* trunks between asking the memory for one and looking at it */

struct scratch {			   /* a look-up's working memory, one item a member */
	const struct plan_member **member; /* those whose rate is looked up */
	const struct deck **deck;
	struct deck_hit *hit;
	struct candidate *candidate;
	struct route_offer *rated; /* of those that were excluded */
	char (*detail)[DETAIL_MAX];
	struct margin margin;
	const struct standing_destination *measured; /* of this call's destination; NULL: nothing is known */
	bool retry;				     /* this call takes demoted vendors as if they were not */
};

static const char *const outcome_names[ROUTE_OUTCOMES] = {
	[ROUTE_OK] = "ok",
	[ROUTE_SUSPENDED] = "suspended",
	[ROUTE_WRONG_LENGTH] = "wrong_length",
	[ROUTE_LISTED] = "listed",
	[ROUTE_NO_SELL_RATE] = "no_sell_rate",
	[ROUTE_SELL_BLOCKED] = "sell_blocked",
	[ROUTE_NO_VENDOR] = "no_vendor",
	[ROUTE_NONE_USABLE] = "none_usable",
};

static const char *const drop_names[DROP_REASONS] = {
	[DROP_PREFIX_FILTER] = "prefix_filter",
	[DROP_NO_RATE] = "no_rate",
	[DROP_BLOCKED] = "blocked",
	[DROP_DISABLED] = "disabled",
	[DROP_SUSPENDED] = "suspended",
	[DROP_SAME_CARRIER] = "same_carrier",
	[DROP_MODE] = "mode",
	[DROP_DOWN] = "down",
	[DROP_CHANNELS] = "channels",
	[DROP_CPS] = "cps",
	[DROP_VENDOR_LIMIT] = "vendor_limit",
	[DROP_CURRENCY] = "currency",
	[DROP_MARGIN] = "margin",
	[DROP_MAX_ATTEMPTS] = "max_attempts",
};

const char *route_outcome_name(enum route_outcome o)
{
	return outcome_names[o];
}

const char *route_drop_name(enum route_drop d)
{
	return drop_names[d];
}

/* ---- memory ---- */

static void route_grow(struct route *r, int capacity)
{
	struct scratch *s = r->scratch;
	size_t n = (size_t)(capacity > 0 ? capacity : 1);

	r->offer = xrealloc(r->offer, n * sizeof *r->offer);
	r->excluded = xrealloc(r->excluded, n * sizeof *r->excluded);
	s->member = xrealloc(s->member, n * sizeof *s->member);
	s->deck = xrealloc(s->deck, n * sizeof *s->deck);
	s->hit = xrealloc(s->hit, n * sizeof *s->hit);
	s->rated = xrealloc(s->rated, n * sizeof *s->rated);
	s->detail = xrealloc(s->detail, n * sizeof *s->detail);
	s->candidate = xrealloc(s->candidate, n * sizeof *s->candidate);
	r->capacity = (int)n;
}

struct route *route_new(int capacity)
{
	struct route *r = xcalloc(1, sizeof *r);
	r->scratch = xcalloc(1, sizeof(struct scratch));
	route_grow(r, capacity);
	return r;
}

void route_free(struct route **rp)
{
	struct route *r = *rp;
	*rp = NULL;
	if (r == NULL)
		return;
	struct scratch *s = r->scratch;
	free(s->member);
	free(s->deck);
	free(s->hit);
	free(s->rated);
	free(s->detail);
	free(s->candidate);
	free(s);
	free(r->offer);
	free(r->excluded);
	free(r);
}

void route_fit(struct route *r, const struct snapshot *s)
{
	if (s->max_members > r->capacity)
		route_grow(r, s->max_members);
}

/* ---- permit ---- */

static enum route_outcome outcome_set(struct route *r, enum route_outcome o, const char *fmt, ...) printf_like(3, 4);
static enum route_outcome outcome_set(struct route *r, enum route_outcome o, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(r->why, sizeof r->why, fmt, args);
	va_end(args);
	return r->outcome = o;
}

static void route_reset(struct route *r)
{
	r->outcome = ROUTE_OK;
	r->why[0] = '\0';
	r->has_sell = false;
	r->sell_currency = NULL;
	r->n_offers = r->n_excluded = 0;
}

/* Of all rules that one holds which has the longest prefix of the number; without one, any length will do. */
static bool length_permits(struct route *r, const struct route_query *q)
{
	const struct length_rule *rule = numberlength_find(&q->snap->lengths, q->called);
	size_t digits = strlen(q->called);

	if (rule == NULL || length_fits(rule, digits))
		return true;
	if (rule->min == rule->max)
		(void)outcome_set(r, ROUTE_WRONG_LENGTH, "the number has %zu digits, destination %s wants %d", digits,
				  rule->prefix, rule->min);
	else
		(void)outcome_set(r, ROUTE_WRONG_LENGTH, "the number has %zu digits, destination %s wants %d to %d",
				  digits, rule->prefix, rule->min, rule->max);
	return false;
}

/* A block list with the number on it forbids; if allow lists of a kind apply, the number must be on one of them. */
static bool lists_permit(struct route *r, const struct route_query *q)
{
	const struct number_list *wanted[2] = {NULL, NULL}; /* an allow list of calling, of called numbers */
	bool allowed[2] = {false, false};

	for (int i = 0; i < q->ingress->n_lists; i++) {
		const struct number_list *l = q->ingress->list[i];
		bool listed = numberlist_has(l, l->of_called ? q->called : q->calling);
		if (l->allow) {
			wanted[l->of_called] = l;
			allowed[l->of_called] |= listed;
		} else if (listed) {
			(void)outcome_set(r, ROUTE_LISTED, "the %s number is on the block list %s",
					  l->of_called ? "called" : "calling", l->name);
			return false;
		}
	}
	for (int called = 1; called >= 0; called--) {
		if (wanted[called] == NULL || allowed[called])
			continue;
		(void)outcome_set(r, ROUTE_LISTED, "the %s number is on no allow list (%s)",
				  called ? "called" : "calling", wanted[called]->name);
		return false;
	}
	return true;
}

enum route_outcome route_permit(struct route *r, const struct route_query *q)
{
	route_reset(r);
	if (!q->ingress->carrier->active)
		return outcome_set(r, ROUTE_SUSPENDED, "carrier %s is suspended", q->ingress->carrier->name);
	if (!q->ingress->enabled)
		return outcome_set(r, ROUTE_SUSPENDED, "trunk %s is disabled", q->ingress->name);
	if (length_permits(r, q))
		(void)lists_permit(r, q);
	return r->outcome;
}

/* ---- decide ---- */

static void drop(struct route *r, const struct trunk *t, enum route_drop why)
{
	r->excluded[r->n_excluded++] = (struct route_excluded){.trunk = t, .why = why, .detail = ""};
}

static void exclude(struct route *r, const struct route_query *q, const struct trunk *t, enum route_drop why,
		    const char *fmt, ...) printf_like(5, 6);
static void exclude(struct route *r, const struct route_query *q, const struct trunk *t, enum route_drop why,
		    const char *fmt, ...)
{
	const struct scratch *s = r->scratch;
	int at = r->n_excluded;

	drop(r, t, why);
	if (q->terse)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(s->detail[at], sizeof s->detail[at], fmt, args);
	va_end(args);
	r->excluded[at].detail = s->detail[at];
}

static enum route_outcome find_sell(struct route *r, const struct route_query *q)
{
	const struct deck *deck = q->ingress->deck;
	if (deck == NULL)
		return outcome_set(r, ROUTE_NO_SELL_RATE, "trunk %s has no rate deck", q->ingress->name);
	r->sell_currency = deck_words(deck)->currency;
	r->has_sell = deck_find(deck, q->called, q->calling, q->at_us, &r->sell);
	if (!r->has_sell)
		return outcome_set(r, ROUTE_NO_SELL_RATE, "no rate for this number is in force in the sell deck");
	if (r->sell.blocked)
		return outcome_set(r, ROUTE_SELL_BLOCKED, "the sell rate of prefix %s is blocked", r->sell.prefix);
	return ROUTE_OK;
}

static bool member_wants(const struct plan_member *m, const char *called)
{
	for (int i = 0; i < m->n_prefixes; i++)
		if (digits_starts_with(called, m->prefix[i]))
			return true;
	return m->n_prefixes == 0;
}

/* The rates of all members that may have the number, walked together. returns how many */
static int find_buys(struct route *r, const struct route_query *q, const struct plan *plan)
{
	struct scratch *s = r->scratch;
	int n = 0;

	for (int i = 0; i < plan->n_members; i++) {
		const struct plan_member *m = &plan->member[i];
		if (!member_wants(m, q->called)) {
			exclude(r, q, m->trunk, DROP_PREFIX_FILTER, "the plan gives it other prefixes only");
		} else if (m->trunk->deck == NULL) {
			exclude(r, q, m->trunk, DROP_NO_RATE, "it has no rate deck");
		} else {
			s->member[n] = m;
			s->deck[n++] = m->trunk->deck;
		}
	}
	deck_find_many(s->deck, (size_t)n, q->called, q->calling, q->at_us, s->hit);
	return n;
}

static bool channels_full(const struct gauge *g, int32_t limit)
{
	return limit != NO_LIMIT && g != NULL && gauge_in_use(g) >= limit;
}

static bool cps_full(const struct gauge *g, int32_t limit, int64_t mono_us)
{
	return limit != NO_LIMIT && g != NULL && !gauge_would_pass(g, limit, mono_us);
}

/* The operator's word before what was observed. returns whether it is down for this call */
static bool is_down(struct route *r, const struct route_query *q, const struct trunk *t, struct candidate *c)
{
	if (t->forced == TRUNK_FORCED_UP)
		return false;
	if (t->forced == TRUNK_FORCED_DOWN) {
		exclude(r, q, t, DROP_DOWN, "the operator has set it down");
		return true;
	}
	const struct standing_trunk *s = standing_trunk(q->standing, t->id);
	if (s == NULL)
		return false;
	c->health = s->health;
	bool down = s->health != NULL ? atomic_load_explicit(&s->health->down, memory_order_relaxed) : s->down;
	if (!down)
		return false;
	c->trial = s->health != NULL ? health_may_try(s->health, q->mono_us) : s->trial;
	if (c->trial)
		return false;
	exclude(r, q, t, DROP_DOWN, "%s is down%s%s", t->host[0] != '\0' ? t->host : t->name,
		s->why[0] != '\0' ? ": " : "", s->why);
	return true;
}

/* Do we owe it more than was agreed? */
static bool owed_too_much(struct route *r, const struct route_query *q, const struct trunk *t)
{
	const struct carrier *c = t->carrier;
	char owed[MONEY_TEXT_MAX], limit[MONEY_TEXT_MAX];
	struct money m;

	if (!c->has_vendor_limit || !standing_owed(q->standing, c->id, &m) || m.nano <= c->vendor_limit.nano)
		return false;
	exclude(r, q, t, DROP_VENDOR_LIMIT, "we owe carrier %s %s %s, the limit is %s", c->name,
		money_format(m, 2, owed), c->currency, money_format(c->vendor_limit, 2, limit));
	return true;
}

/* What a proxy cannot do for this vendor, or for the caller; NULL: nothing, or it is no proxy. */
static const char *b2bua_needed(const struct trunk *ingress, const struct trunk *t)
{
	return ingress->mode != TRUNK_PROXY ? NULL
	       : t->username[0]		    ? "its digest"
	       : t->relay_media		    ? "its media relay"
	       : t->n_codecs		    ? "its list of codecs"
	       : t->max_duration_s	    ? "its max_duration"
	       : ingress->max_duration_s    ? "the max_duration of the caller's trunk"
					    : NULL;
}

/* What does not depend on price. returns whether the trunk may have the call */
static bool trunk_usable(struct route *r, const struct route_query *q, const struct plan *plan, const struct trunk *t,
			 struct candidate *candidate)
{
	const struct carrier *c = t->carrier;

	if (!t->enabled)
		exclude(r, q, t, DROP_DISABLED, "the trunk is disabled");
	else if (!c->active)
		exclude(r, q, t, DROP_SUSPENDED, "carrier %s is suspended", c->name);
	else if (c == q->ingress->carrier && !plan->allow_return)
		exclude(r, q, t, DROP_SAME_CARRIER, "the call came from this carrier");
	else if (b2bua_needed(q->ingress, t))
		exclude(r, q, t, DROP_MODE, "the caller's trunk is a proxy, and %s needs mode b2bua",
			b2bua_needed(q->ingress, t));
	else if (q->now && is_down(r, q, t, candidate))
		return false; /* it is said */
	else if (q->now && channels_full(t->gauge, t->max_channels))
		exclude(r, q, t, DROP_CHANNELS, "all %d channels of the trunk are in use", t->max_channels);
	else if (q->now && channels_full(c->gauge, c->max_channels))
		exclude(r, q, t, DROP_CHANNELS, "all %d channels of carrier %s are in use", c->max_channels, c->name);
	else if (q->now && cps_full(t->gauge, t->max_cps, q->mono_us))
		exclude(r, q, t, DROP_CPS, "the trunk has its %d calls a second", t->max_cps);
	else if (q->now && cps_full(c->gauge, c->max_cps, q->mono_us))
		exclude(r, q, t, DROP_CPS, "carrier %s has its %d calls a second", c->name, c->max_cps);
	else
		return !q->now || !owed_too_much(r, q, t);
	return false;
}

/* The trunk's own word holds where it has one; else the plan's. */
static struct margin_limits limits_of(const struct trunk *ingress, const struct plan *plan)
{
	struct margin_limits l = {
		.has_min = ingress->has_min_margin || plan->has_min_margin,
		.has_percent = ingress->has_min_margin_percent || plan->has_min_margin_percent,
		.allow_loss = ingress->has_allow_loss ? ingress->allow_loss : plan->allow_loss,
		.min_n = ingress->has_min_margin ? ingress->min_margin.nano : plan->min_margin.nano,
		.percent_n = ingress->has_min_margin_percent ? ingress->min_margin_percent.nano
							     : plan->min_margin_percent.nano,
	};
	return l;
}

static void exclude_margin(struct route *r, const struct route_query *q, const struct trunk *t,
			   enum margin_verdict verdict, const struct margin_limits *l, __int128 margin)
{
	const struct scratch *s = r->scratch;
	char has[MONEY_TEXT_MAX], wanted[MONEY_TEXT_MAX];

	if (q->terse) {
		drop(r, t, DROP_MARGIN);
		return;
	}
	struct money a_minute = margin_per_minute(&s->margin, margin);
	if (verdict == MARGIN_LOSS) {
		a_minute.nano = -a_minute.nano;
		exclude(r, q, t, DROP_MARGIN, "is expected to cost %s %s a minute more than it earns",
			money_format(a_minute, 6, has), r->sell_currency);
	} else if (verdict == MARGIN_UNDER_MIN) {
		exclude(r, q, t, DROP_MARGIN, "expected margin %s %s a minute, at least %s is asked",
			money_format(a_minute, 6, has), r->sell_currency,
			money_format((struct money){l->min_n}, 6, wanted));
	} else {
		exclude(r, q, t, DROP_MARGIN,
			"expected margin %s %s a minute, at least %s %% of what it earns is asked",
			money_format(a_minute, 6, has), r->sell_currency,
			money_format((struct money){l->percent_n}, 2, wanted));
	}
}

/* What was measured of the vendor for this destination; nothing counts as good. */
static void judge(const struct scratch *s, int64_t trunk_id, struct candidate *c)
{
	const struct standing_vendor *v = s->measured != NULL ? standing_vendor(s->measured, trunk_id) : NULL;

	c->score_ppm = v != NULL ? v->verdict.score_ppm : 1000000;
	c->demoted = v != NULL && v->verdict.demoted;
	if (c->demoted && s->retry) {
		c->demoted = false;
		c->score_ppm = 1000000;
	}
}

/* The measured talk of the destination, once enough of it is known; else the usual one. */
static const struct route_durations *durations_of(const struct scratch *s, const struct route_query *q)
{
	if (!q->now || q->durations != NULL)
		return q->now ? q->durations : NULL;
	return s->measured != NULL && s->measured->durations.n >= STANDING_DURATIONS_MIN ? &s->measured->durations
											 : NULL;
}

/* What is known of the destination; a small share of calls, drawn by the seed, tries demoted vendors again. */
static void recall(struct route *r, const struct route_query *q)
{
	struct scratch *s = r->scratch;
	char key[QUALITY_KEY_MAX];
	uint64_t seed = ~q->seed;

	s->measured = NULL;
	s->retry = false;
	if (!q->now || q->standing == NULL)
		return;
	s->measured = standing_destination(q->standing, quality_key(r->sell.destination, r->sell.prefix, key));
	s->retry = !q->settled && random_draw(&seed) % QUALITY_RETRY_EVERY == 0;
}

/* Price and margin in the sell currency, and the score. Not weighed after that: why it cannot be. */
static enum route_drop weigh(struct route *r, const struct route_query *q, __int128 earn, struct candidate *c)
{
	struct scratch *s = r->scratch;
	const struct deck_hit *hit = &s->hit[c->found];

	judge(s, c->member->trunk->id, c);
	if (!snapshot_exchange(q->snap, hit->currency, r->sell_currency, q->at_us, &c->rate))
		return DROP_CURRENCY;
	if (!margin_of(earn, margin_amount(&s->margin, &hit->terms), c->rate, &c->margin))
		return DROP_MARGIN;
	c->price = (__int128)hit->terms.price_n * c->rate;
	c->weighed = true;
	return DROP_REASONS;
}

/* returns whether the candidate may be offered */
static bool member_worth(struct route *r, const struct route_query *q, const struct margin_limits *limits,
			 __int128 earn, struct candidate *c)
{
	const struct scratch *s = r->scratch;
	const struct trunk *t = c->member->trunk;
	enum route_drop why = weigh(r, q, earn, c);

	if (why == DROP_CURRENCY)
		exclude(r, q, t, why, "no exchange rate from %s to %s", s->hit[c->found].currency, r->sell_currency);
	else if (!c->weighed)
		exclude(r, q, t, why, "its price is too large to be compared");
	if (!c->weighed)
		return false;
	enum margin_verdict verdict = margin_judge(&s->margin, limits, earn, c->margin);
	if (verdict != MARGIN_ENOUGH)
		exclude_margin(r, q, t, verdict, limits, c->margin);
	return verdict == MARGIN_ENOUGH;
}

static void offer_fill(struct route_offer *o, const struct scratch *s, const struct candidate *c,
		       const struct route_query *q)
{
	*o = (struct route_offer){.trunk = c->member->trunk,
				  .priority = c->member->priority,
				  .weight = c->member->weight,
				  .score = c->score_ppm / 1e6,
				  .health = c->health};
	deck_hit_open(s->deck[c->found], &s->hit[c->found], q->called, &o->rate);
	if (!c->weighed)
		return;
	o->price_sell = wide_divide(c->price, EXCHANGE_ONE);
	o->margin = margin_per_minute(&s->margin, c->margin);
}

/* Beside why the last one was excluded: what it asks, and what it would have been worth, whatever was against it. */
static void tell_rate(struct route *r, const struct route_query *q, __int128 earn, struct candidate *c)
{
	const struct scratch *s = r->scratch;
	struct route_excluded *e = &r->excluded[r->n_excluded - 1];
	struct route_offer *rated = &s->rated[r->n_excluded - 1];

	if (q->terse)
		return;
	if (!c->weighed)
		(void)weigh(r, q, earn, c);
	offer_fill(rated, s, c, q);
	e->rated = rated;
	e->weighed = c->weighed;
}

/* Blocked, not to be used now, or not worth it: it is said. returns whether the member is a candidate */
static bool member_sift(struct route *r, const struct route_query *q, const struct plan *plan,
			const struct margin_limits *limits, __int128 earn, struct candidate *c)
{
	const struct scratch *s = r->scratch;
	const struct trunk *t = c->member->trunk;
	bool good = false;

	if (s->hit[c->found].blocked)
		exclude(r, q, t, DROP_BLOCKED, "its rate of prefix %.*s is blocked", (int)s->hit[c->found].digits,
			q->called);
	else
		good = trunk_usable(r, q, plan, t, c) && member_worth(r, q, limits, earn, c);
	if (!good)
		tell_rate(r, q, earn, c);
	return good;
}

/* returns how many candidates there are; *rated says whether any member has an unblocked rate */
static int sift(struct route *r, const struct route_query *q, const struct plan *plan, __int128 earn, int n_members,
		bool *rated)
{
	const struct scratch *s = r->scratch;
	struct margin_limits limits = limits_of(q->ingress, plan);
	int n = 0;

	*rated = false;
	for (int i = 0; i < n_members; i++) {
		if (i + AHEAD < n_members)
			__builtin_prefetch(s->member[i + AHEAD]->trunk);
		if (s->hit[i].rate == NULL) {
			exclude(r, q, s->member[i]->trunk, DROP_NO_RATE,
				"no rate for this number is in force in its deck");
			continue;
		}
		*rated |= !s->hit[i].blocked;
		s->candidate[n] = (struct candidate){.member = s->member[i], .found = i};
		n += member_sift(r, q, plan, &limits, earn, &s->candidate[n]);
	}
	return n;
}

enum route_outcome route_decide(struct route *r, const struct route_query *q)
{
	struct scratch *s = r->scratch;
	const struct plan *plan = q->ingress->plan;
	bool rated;

	route_reset(r);
	if (find_sell(r, q) != ROUTE_OK)
		return r->outcome;
	if (plan == NULL)
		return outcome_set(r, ROUTE_NO_VENDOR, "trunk %s has no routing plan", q->ingress->name);
	if (plan->n_members > r->capacity)
		route_grow(r, plan->n_members); /* the caller forgot route_fit; rather slow than wrong */
	int members = find_buys(r, q, plan);
	recall(r, q);
	margin_start(&s->margin, durations_of(s, q));
	__int128 earn = margin_amount(&s->margin, &r->sell.terms);
	int n = sift(r, q, plan, earn, members, &rated);
	int best = rank_best(s->candidate, n, plan->max_attempts, plan->policy, q->seed);
	for (int i = 0; i < best; i++)
		offer_fill(&r->offer[i], s, &s->candidate[i], q);
	r->n_offers = best;
	for (int i = best; i < n; i++) {
		const struct trunk *t = s->candidate[i].member->trunk;
		if (q->terse) {
			drop(r, t, DROP_MAX_ATTEMPTS);
			continue;
		}
		exclude(r, q, t, DROP_MAX_ATTEMPTS, "the plan tries %d only, and %d rank higher", plan->max_attempts,
			best);
		tell_rate(r, q, earn, &s->candidate[i]);
	}
	if (best > 0)
		return r->outcome;
	return rated ? outcome_set(r, ROUTE_NONE_USABLE, "no vendor that has this number is usable now")
		     : outcome_set(r, ROUTE_NO_VENDOR, "no vendor of plan %s has a rate for this number in force",
				   plan->name);
}
