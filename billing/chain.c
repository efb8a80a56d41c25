/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/chain.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/store_chain.h"

/* ---- hashes ---- */

void chain_link(struct chain_hash *hash, const char *cdr, const char *attempts)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(md, hash->byte, sizeof(hash->byte)) != 1 || EVP_DigestUpdate(md, cdr, strlen(cdr)) != 1 ||
	    EVP_DigestUpdate(md, "\n", 1) != 1 || EVP_DigestUpdate(md, attempts, strlen(attempts)) != 1 ||
	    EVP_DigestFinal_ex(md, hash->byte, NULL) != 1)
		abort(); /* no memory for a hash: nothing can be recorded any more */
	EVP_MD_CTX_free(md);
}

char *chain_hex(const struct chain_hash *hash, char out[static CHAIN_HEX_MAX])
{
	for (size_t i = 0; i < sizeof(hash->byte); i++)
		snprintf(out + 2 * i, 3, "%02x", hash->byte[i]);
	return out;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int chain_parse(const char *hex, struct chain_hash *out)
{
	if (strlen(hex) != 2 * sizeof(out->byte))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(out->byte); i++) {
		int high = digit_of(hex[2 * i]), low = digit_of(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out->byte[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

/* ---- the check ---- */

struct walk { /* along one chain */
	const char *chain;
	int64_t done;		/* the last sequence number seen */
	struct chain_hash hash; /* of it */
	bool known;		/* is it? */
	char last_id[64];
	struct chain_report *report;
};

void chain_bad(struct chain_report *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (r->bad++ == 0)
		vsnprintf(r->first, sizeof(r->first), fmt, args);
	va_end(args);
}

/* Is this item the next in its place? Says what is wrong with the place; false: it has none. */
static bool place_holds(struct walk *w, const char *kind, int64_t first, const char *id)
{
	if (first <= w->done) {
		chain_bad(w->report, "inserted: %s %s stands a second time as %" PRId64 " of chain %s", kind, id, first,
			  w->chain);
		return false;
	}
	if (first > w->done + 1) {
		chain_bad(w->report, "deleted: %" PRId64 " to %" PRId64 " of chain %s, between %s and %s", w->done + 1,
			  first - 1, w->chain, w->last_id[0] != '\0' ? w->last_id : "its begin", id);
		w->known = false;
	}
	return true;
}

static void step(struct walk *w, const PGresult *page, int row)
{
	const char *kind = PQgetvalue(page, row, 0), *id = PQgetvalue(page, row, 4);
	int64_t first = pg_number(page, row, 1);
	bool anchor = strcmp(kind, "anchor") == 0;
	struct chain_hash stored, made = w->hash;

	w->report->rows += !anchor;
	w->report->archived += anchor ? pg_number(page, row, 2) - first + 1 : 0;
	w->report->refused += strcmp(kind, "refused") == 0;
	if (!place_holds(w, kind, first, id))
		return;
	if (PQgetisnull(page, row, 3) || chain_parse(PQgetvalue(page, row, 3), &stored) != 0) {
		chain_bad(w->report, "inserted: %s has no hash, as %" PRId64 " of chain %s", id, first, w->chain);
		w->known = false;
	} else {
		chain_link(&made, PQgetvalue(page, row, 5), PQgetvalue(page, row, 6));
		if (!anchor && w->known && memcmp(&made, &stored, sizeof(made)) != 0)
			chain_bad(w->report, "edited: %s, %" PRId64 " of chain %s, is not what was recorded", id, first,
				  w->chain);
		w->hash = stored;
		w->known = true;
	}
	w->done = pg_number(page, row, 2);
	snprintf(w->last_id, sizeof(w->last_id), "%s", id);
}

/* The hash before the first one: of its predecessor, else zero bytes: a chain begins with them. */
static int begin(struct pg *pg, struct walk *w, int64_t first, struct status *st)
{
	char before[24];
	const char *params[] = {w->chain, before};
	PGresult *result;

	snprintf(before, sizeof(before), "%" PRId64, first - 1);
	int err = pg_exec(pg, &store_chain_hash_at, params, &result, st);
	if (err != 0)
		return err;
	w->done = first - 1;
	w->known = true;
	if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
		w->known = chain_parse(PQgetvalue(result, 0, 0), &w->hash) == 0;
	else if (first > 1)
		w->done = 0; /* what stood before is gone */
	PQclear(result);
	return 0;
}

/* How many rows of a page are walked: of one that is full, those before its last place in the chain, for a second row
 * of that place may stand on the next page. */
static int rows_walked(const PGresult *page, int64_t seen)
{
	int n = PQntuples(page), walked = n;
	int64_t edge = n > 0 ? pg_number(page, n - 1, 1) : 0;

	if (n < STORE_CHAIN_PAGE)
		return n;
	while (walked > 0 && pg_number(page, walked - 1, 1) == edge)
		walked--;
	return walked > 0 && edge - 1 > seen ? walked : n;
}

static int walk_chain(struct pg *pg, const char *chain, int64_t first, int64_t last, struct chain_report *report,
		      struct status *st)
{
	struct walk w = {.chain = chain, .report = report};
	char after[24], upto[24];
	const char *params[] = {chain, after, upto};
	int64_t seen = first - 1;
	int err = begin(pg, &w, first, st);

	snprintf(upto, sizeof(upto), "%" PRId64, last);
	while (err == 0 && seen < last) {
		PGresult *page;

		snprintf(after, sizeof(after), "%" PRId64, seen);
		err = pg_exec(pg, &store_chain_page, params, &page, st);
		if (err != 0)
			break;
		int n = rows_walked(page, seen);
		for (int i = 0; i < n; i++)
			step(&w, page, i);
		if (n < PQntuples(page))
			seen = pg_number(page, n, 1) - 1;
		else
			seen = n == STORE_CHAIN_PAGE && w.done > seen ? w.done : last;
		PQclear(page);
	}
	return err;
}

static int look_for_loose(struct pg *pg, const char *const *range, struct chain_report *report, struct status *st)
{
	PGresult *result;
	int err = pg_exec(pg, &store_chain_loose, range, &result, st);

	if (err != 0)
		return err;
	if (!PQgetisnull(result, 0, 0)) {
		chain_bad(report, "inserted: %s is in no chain", PQgetvalue(result, 0, 0));
		report->bad += pg_number(result, 0, 1) - 1;
	}
	PQclear(result);
	return 0;
}

int chain_verify(struct pg *pg, const char *from, const char *to, struct chain_report *report, struct status *st)
{
	const char *range[] = {from, to};
	PGresult *chains;
	int err = pg_exec(pg, &store_chain_list, range, &chains, st);

	*report = (struct chain_report){0};
	if (err != 0)
		return err;
	report->chains = PQntuples(chains);
	for (int i = 0; err == 0 && i < PQntuples(chains); i++)
		err = walk_chain(pg, PQgetvalue(chains, i, 0), pg_number(chains, i, 1), pg_number(chains, i, 2), report,
				 st);
	PQclear(chains);
	return err == 0 ? look_for_loose(pg, range, report, st) : err;
}
