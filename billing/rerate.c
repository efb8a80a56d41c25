/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/rerate.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/store_rerate.h"
#include "lib/buf.h"
#include "tariff/rate.h"

#define PAGE 2000 /* what store_rerate_fetch asks for */

enum fate { FATE_PENDING, FATE_NO_DECK, FATE_OTHER_CURRENCY, FATE_UNKNOWN_NUMBER, FATE_NO_RATE, FATE_BLOCKED, FATES };
static const char *const fate_names[FATES] = {NULL,	 "no_deck", "other_currency", "unknown_number",
					      "no_rate", "blocked"};

struct sum { /* of a destination, or of all */
	char *destination;
	int64_t calls, changed;
	struct money_sum old, new;
};

struct rerating {
	struct pg *pg;
	const struct rerate_options *options;
	struct status *st;
	char carrier[24], currency[4];
	struct sum all, *sum;
	size_t sums, slots;
	json_t *places; /* destination: its place in sum; decks have thousands of them */
	int64_t unrated[FATES];
	json_t *corrections;
	/* of the page */
	PGresult *page;
	enum fate fate[PAGE];
	int row[PAGE]; /* of the page, for each asked */
	int asked;
	struct buf decks, called, calling, times;	      /* arrays of the question */
	struct buf ids, olds, news, prefixes, prices, billed; /* and of the booking */
};

static const char *side_name(const struct rerating *r)
{
	return r->options->sell ? "sell" : "buy";
}

/* an element of an array's text; what comes here holds no quote, comma or brace */
static void array_add(struct buf *array, const char *element)
{
	buf_putc(array, array->len == 0 ? '{' : ',');
	buf_puts(array, element);
}

static void array_add_money(struct buf *array, struct money m)
{
	char text[MONEY_TEXT_MAX];

	array_add(array, money_format(m, 6, text));
}

static void arrays_reset(struct rerating *r)
{
	struct buf *all[] = {&r->decks, &r->called, &r->calling,  &r->times,  &r->ids,
			     &r->olds,	&r->news,   &r->prefixes, &r->prices, &r->billed};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_reset(all[i]);
	r->asked = 0;
}

/* ---- which number, which deck ---- */

static bool starts_with(const char *number, const char *prefix)
{
	return *prefix != '\0' && strncmp(number, prefix, strlen(prefix)) == 0;
}

static bool digits_only(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static void number_copy(char out[static RERATE_NUMBER_MAX], const char *text)
{
	snprintf(out, RERATE_NUMBER_MAX, "%s", text);
}

/* For a record that does not say by which number it was rated: as the trunk makes it today, or the LRN; if that does
 * not fit the rate that the CDR names, the trunk was changed since, and what was received or sent may still be it. */
static bool number_guess(struct rerating *r, int row, char called[static RERATE_NUMBER_MAX],
			 char calling[static RERATE_NUMBER_MAX])
{
	const char *in = PQgetvalue(r->page, row, RERATE_CALLED), *out = PQgetvalue(r->page, row, RERATE_CALLED_OUT);
	const char *prefix = PQgetvalue(r->page, row, RERATE_PREFIX);
	const char *calling_in = PQgetvalue(r->page, row, RERATE_CALLING);
	const char *guess[] = {in + (*in == '+'), out + (*out == '+')};

	if (!r->options->number(r->options->arg, pg_number(r->page, row, RERATE_TRUNK), in, calling_in, called,
				calling)) {
		called[0] = '\0';
		number_copy(calling, calling_in + (*calling_in == '+'));
	}
	if (!PQgetisnull(r->page, row, RERATE_LRN))
		number_copy(called, PQgetvalue(r->page, row, RERATE_LRN));
	if (starts_with(called, prefix))
		return true;
	for (size_t i = 0; i < 2; i++) {
		if (!digits_only(guess[i]) || strlen(guess[i]) >= RERATE_NUMBER_MAX || !starts_with(guess[i], prefix))
			continue;
		number_copy(called, guess[i]);
		number_copy(calling, calling_in + (*calling_in == '+'));
		return true;
	}
	return false;
}

/* The numbers that were rated: those that the record names. */
static bool number_find(struct rerating *r, int row, char called[static RERATE_NUMBER_MAX],
			char calling[static RERATE_NUMBER_MAX])
{
	if (PQgetisnull(r->page, row, RERATE_RATED_CALLED))
		return number_guess(r, row, called, calling);
	number_copy(called, PQgetvalue(r->page, row, RERATE_RATED_CALLED));
	number_copy(calling, PQgetvalue(r->page, row, RERATE_RATED_CALLING));
	return digits_only(called);
}

/* what was sent as the calling number may be anything: only digits can match an origin */
static void origin_only(char *calling)
{
	calling[strspn(calling, "0123456789")] = '\0';
}

static enum fate ask(struct rerating *r, int row)
{
	char called[RERATE_NUMBER_MAX], calling[RERATE_NUMBER_MAX];
	const char *currency = PQgetvalue(r->page, row, RERATE_CURRENCY);

	if (PQgetisnull(r->page, row, RERATE_DECK))
		return FATE_NO_DECK;
	if (strcmp(currency, r->currency) != 0 ||
	    strcmp(PQgetvalue(r->page, row, RERATE_DECK_CURRENCY), r->currency) != 0)
		return FATE_OTHER_CURRENCY;
	if (!number_find(r, row, called, calling))
		return FATE_UNKNOWN_NUMBER;
	origin_only(calling);
	array_add(&r->decks, PQgetvalue(r->page, row, RERATE_DECK));
	array_add(&r->called, called);
	array_add(&r->calling, *calling != '\0' ? calling : "\"\"");
	array_add(&r->times, PQgetvalue(r->page, row, RERATE_STARTED));
	r->row[r->asked++] = row;
	return FATE_NO_RATE; /* until one is found */
}

/* ---- rating ---- */

static uint8_t choice(const char *text, const char *first, const char *second)
{
	return strcmp(text, first) == 0 ? 0 : strcmp(text, second) == 0 ? 1 : 2;
}

static int32_t terms_or(const PGresult *rates, int i, int column, int64_t fallback)
{
	return (int32_t)(PQgetisnull(rates, i, column) ? fallback : pg_number(rates, i, column));
}

static struct rate_terms terms_of(const struct rerating *r, int row, const PGresult *rates, int i)
{
	return (struct rate_terms){
		.price_n = pg_number(rates, i, RERATE_RATE_PRICE),
		.initial_price_n = pg_number(rates, i, RERATE_RATE_INITIAL_PRICE),
		.connect_fee_n = pg_number(rates, i, RERATE_RATE_FEE),
		.initial_s = terms_or(rates, i, RERATE_RATE_INITIAL, pg_number(r->page, row, RERATE_INITIAL)),
		.increment_s = terms_or(rates, i, RERATE_RATE_INCREMENT, pg_number(r->page, row, RERATE_INCREMENT)),
		.grace_s = (int32_t)pg_number(rates, i, RERATE_RATE_GRACE),
		.rounding = choice(PQgetvalue(r->page, row, RERATE_ROUNDING), "half_up", "up"),
		.places = (uint8_t)pg_number(r->page, row, RERATE_PLACES),
		.duration_rounding = choice(PQgetvalue(r->page, row, RERATE_SECONDS), "up", "half_up"),
	};
}

static struct sum *sum_of(struct rerating *r, const char *destination)
{
	const json_t *place = json_object_get(r->places, destination);

	if (place != NULL)
		return &r->sum[json_integer_value(place)];
	if (r->sums == r->slots) {
		r->slots = r->slots == 0 ? 64 : r->slots * 2;
		r->sum = xrealloc(r->sum, r->slots * sizeof(*r->sum));
	}
	r->sum[r->sums] = (struct sum){.destination = xstrdup(destination)};
	json_object_set_new(r->places, destination, json_integer((json_int_t)r->sums));
	return &r->sum[r->sums++];
}

static void sum_add(struct sum *s, struct money old, struct money new)
{
	s->calls++;
	s->changed += old.nano != new.nano;
	money_sum_add(&s->old, old);
	money_sum_add(&s->new, new);
}

/* {old, new, difference} added to an object */
static json_t *with_amounts(json_t *object, struct money_sum old, struct money_sum new)
{
	char text[MONEY_SUM_TEXT_MAX];

	json_object_set_new(object, "old", json_string(money_sum_format(old, 6, text)));
	json_object_set_new(object, "new", json_string(money_sum_format(new, 6, text)));
	json_object_set_new(object, "difference",
			    json_string(money_sum_format((struct money_sum){new.nano - old.nano}, 6, text)));
	return object;
}

static void correct(struct rerating *r, int row, struct money old, struct money new)
{
	const char *id = PQgetvalue(r->page, row, RERATE_CDR);

	array_add(&r->ids, id);
	array_add_money(&r->olds, old);
	array_add_money(&r->news, new);
	if (json_array_size(r->corrections) < RERATE_SHOWN_MAX)
		json_array_append_new(r->corrections,
				      with_amounts(json_pack("{ss ss}", "cdr_id", id, "destination",
							     PQgetvalue(r->page, row, RERATE_DESTINATION)),
						   (struct money_sum){old.nano}, (struct money_sum){new.nano}));
}

/* the i-th rate found belongs to the call in `row` */
static int rate_one(struct rerating *r, int row, const PGresult *rates, int i)
{
	struct rate_terms terms = terms_of(r, row, rates, i);
	struct money old = {pg_number(r->page, row, RERATE_AMOUNT)}, new;
	int64_t billed_s;
	char text[24];
	int err = rate_call(&terms, pg_number(r->page, row, RERATE_DURATION), &billed_s, &new);

	if (err != 0)
		return status_set(r->st, err, "CDR %s: the amount is too large", PQgetvalue(r->page, row, RERATE_CDR));
	sum_add(&r->all, old, new);
	sum_add(sum_of(r, PQgetvalue(r->page, row, RERATE_DESTINATION)), old, new);
	if (old.nano == new.nano)
		return 0;
	correct(r, row, old, new);
	array_add(&r->prefixes, PQgetvalue(rates, i, RERATE_RATE_PREFIX));
	array_add_money(&r->prices, (struct money){terms.price_n});
	snprintf(text, sizeof(text), "%" PRId64, billed_s);
	array_add(&r->billed, text);
	return 0;
}

static const char *array_end(struct buf *array)
{
	buf_puts(array, array->len == 0 ? "{}" : "}");
	return array->text;
}

static int rate_asked(struct rerating *r)
{
	const char *const params[] = {array_end(&r->decks), array_end(&r->called), array_end(&r->calling),
				      array_end(&r->times)};
	PGresult *rates;
	int err = pg_exec(r->pg, &store_rerate_rates, params, &rates, r->st);

	if (err != 0)
		return err;
	for (int i = 0; i < PQntuples(rates) && err == 0; i++) {
		int row = r->row[pg_number(rates, i, RERATE_RATE_N) - 1];
		bool blocked = PQgetvalue(rates, i, RERATE_RATE_BLOCKED)[0] == 't';

		r->fate[row] = blocked ? FATE_BLOCKED : FATE_PENDING;
		if (!blocked)
			err = rate_one(r, row, rates, i);
	}
	PQclear(rates);
	return err;
}

static int book(struct rerating *r)
{
	if (!r->options->apply || r->ids.len == 0)
		return 0;

	const char *const params[] = {
		r->carrier,	      side_name(r),	   r->options->actor,	    array_end(&r->ids),
		array_end(&r->olds),  array_end(&r->news), array_end(&r->prefixes), array_end(&r->prices),
		array_end(&r->billed)};
	return pg_exec(r->pg, &store_rerate_book, params, NULL, r->st);
}

static int page_rate(struct rerating *r)
{
	int rows = PQntuples(r->page), err = 0;

	arrays_reset(r);
	for (int row = 0; row < rows; row++)
		r->fate[row] = ask(r, row);
	if (r->asked > 0)
		err = rate_asked(r);
	for (int row = 0; row < rows; row++)
		r->unrated[r->fate[row]] += r->fate[row] != FATE_PENDING;
	return err == 0 ? book(r) : err;
}

static int carrier_find(struct rerating *r)
{
	PGresult *result;
	int err = pg_exec(r->pg, &store_rerate_carrier, (const char *const[]){r->carrier}, &result, r->st);

	if (err != 0)
		return err;
	if (PQntuples(result) == 1)
		snprintf(r->currency, sizeof(r->currency), "%s", PQgetvalue(result, 0, 0));
	else
		err = status_set(r->st, -ENOENT, "there is no carrier %s", r->carrier);
	PQclear(result);
	return err;
}

static int rate_all(struct rerating *r)
{
	const char *const params[] = {r->carrier, side_name(r), r->options->from, r->options->to};
	int err = carrier_find(r), rows = 1;

	if (err == 0)
		err = pg_exec(r->pg, &store_rerate_open, params, NULL, r->st);
	while (err == 0 && rows > 0) {
		err = pg_exec(r->pg, &store_rerate_fetch, NULL, &r->page, r->st);
		if (err != 0)
			break;
		rows = PQntuples(r->page);
		err = page_rate(r);
		PQclear(r->page);
	}
	return err;
}

/* ---- the report ---- */

static int by_destination(const void *a, const void *b)
{
	return strcmp(((const struct sum *)a)->destination, ((const struct sum *)b)->destination);
}

static json_t *report_make(struct rerating *r)
{
	json_t *unrated = json_object(), *destinations = json_array();

	for (int i = FATE_PENDING + 1; i < FATES; i++)
		if (r->unrated[i] > 0)
			json_object_set_new(unrated, fate_names[i], json_integer(r->unrated[i]));
	if (r->sums > 0)
		qsort(r->sum, r->sums, sizeof(*r->sum), by_destination);
	for (size_t i = 0; i < r->sums; i++)
		json_array_append_new(
			destinations,
			with_amounts(json_pack("{ss sI sI}", "destination", r->sum[i].destination, "calls",
					       (json_int_t)r->sum[i].calls, "changed", (json_int_t)r->sum[i].changed),
				     r->sum[i].old, r->sum[i].new));

	json_t *report = json_pack("{sI ss ss ss ss sb sI sI}", "carrier_id", (json_int_t)r->options->carrier_id,
				   "side", side_name(r), "from", r->options->from, "to", r->options->to, "currency",
				   r->currency, "applied", r->options->apply, "calls", (json_int_t)r->all.calls,
				   "changed", (json_int_t)r->all.changed);
	with_amounts(report, r->all.old, r->all.new);
	json_object_set_new(report, "unrated", unrated);
	json_object_set_new(report, "destinations", destinations);
	return report;
}

static int audit(struct rerating *r, const json_t *report)
{
	if (!r->options->apply || r->all.changed == 0)
		return 0;

	char *text = json_dumps(report, JSON_COMPACT);
	const char *const params[] = {r->options->actor, r->carrier, text};
	int err = pg_exec(r->pg, &store_rerate_audit, params, NULL, r->st);
	free(text);
	return err;
}

static void release(struct rerating *r)
{
	struct buf *all[] = {&r->decks, &r->called, &r->calling,  &r->times,  &r->ids,
			     &r->olds,	&r->news,   &r->prefixes, &r->prices, &r->billed};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_free(all[i]);
	for (size_t i = 0; i < r->sums; i++)
		free(r->sum[i].destination);
	free(r->sum);
	json_decref(r->places);
	json_decref(r->corrections);
	free(r);
}

int rerate_run(struct pg *pg, const struct rerate_options *o, json_t **report, struct status *st)
{
	struct rerating *r = xcalloc(1, sizeof(*r));
	json_t *made = NULL;
	int err;

	r->pg = pg;
	r->options = o;
	r->st = st;
	r->corrections = json_array();
	r->places = json_object();
	snprintf(r->carrier, sizeof(r->carrier), "%" PRId64, o->carrier_id);
	err = pg_simple(pg, "begin", st);
	if (err == 0)
		err = rate_all(r);
	if (err == 0) {
		made = report_make(r);
		err = audit(r, made);
		json_object_set(made, "corrections", r->corrections);
	}
	if (err == 0 && o->apply)
		err = pg_simple(pg, "commit", st);
	else if (pg_raw(pg) != NULL && pg_simple(pg, "rollback", NULL) != 0)
		pg_drop(pg);
	if (err == 0)
		*report = made;
	else
		json_decref(made);
	release(r);
	return err;
}
