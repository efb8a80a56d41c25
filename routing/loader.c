/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "routing/cache.h"
#include "routing/snapshot_priv.h"
#include "routing/store.h"

#define POLL_MS 1000		/* the version table is read at least that often */
#define SLICE_MS 100		/* how long a stop may go unnoticed */
#define STATEMENT_MS 5000	/* far more than a page of a deck takes; a hung server is left after that */
#define REMEMBER_MS 60000	/* how often the caches are looked after: Redis may have lost everything */
#define SAY_AGAIN_US 30000000LL /* another reason for the same trouble */
#define US_PER_MS 1000

struct loader {
	struct loader_options options;
	char *database_url, *redis_url, *cache_dir;
	pthread_t thread;
	atomic_bool stop;
	struct pg *pg;
	struct cache *cache;
	uint64_t generation; /* of the connection that listens */
	json_t *document;    /* in force; NULL until something was loaded */
	bool of_database;    /* and it came from there, not from a cache */
	int64_t remember_us; /* when the caches are looked after next */
	struct deck **deck;  /* in force, a reference each */
	size_t n_decks;
	char trouble[512]; /* what was last said about the database; "" if all was well */
	int64_t said_us;   /* and when */
	pthread_mutex_t lock;
	struct loader_stats stats; /* under lock */
};

/* ---- decks in force ---- */

static struct deck *deck_in_force(const struct loader *l, int64_t id)
{
	for (size_t i = 0; i < l->n_decks; i++)
		if (deck_words(l->deck[i])->id == id)
			return l->deck[i];
	return NULL;
}

static void decks_free(struct deck ***decks, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		deck_unref(&(*decks)[i]);
	free(*decks);
	*decks = NULL;
	*n = 0;
}

static int id_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The ids of the decks that the document's trunks use, sorted, each once; the caller's (free) */
static int64_t *decks_wanted(const json_t *document, size_t *n)
{
	const json_t *trunks = json_object_get(document, "trunks");
	size_t all = json_array_size(trunks);
	int64_t *id = xcalloc(all + 1, sizeof *id);

	*n = 0;
	for (size_t i = 0; i < all; i++) {
		const json_t *deck = json_object_get(json_array_get(trunks, i), "rate_deck_id");
		if (json_is_integer(deck))
			id[(*n)++] = json_integer_value(deck);
	}
	all = *n;
	if (all > 0)
		qsort(id, all, sizeof *id, id_compare);
	*n = 0;
	for (size_t i = 0; i < all; i++)
		if (i == 0 || id[i] != id[i - 1])
			id[(*n)++] = id[i];
	return id;
}

/* ---- publish ---- */

static void stats_set(struct loader *l)
{
	uint64_t rates = 0, bytes = 0;
	for (size_t i = 0; i < l->n_decks; i++) {
		size_t len;
		(void)deck_image(l->deck[i], &len);
		rates += deck_rates(l->deck[i]);
		bytes += len;
	}
	pthread_mutex_lock(&l->lock);
	l->stats.version = json_integer_value(json_object_get(l->document, "version"));
	l->stats.loaded_us = clock_wall_us();
	l->stats.rates = rates;
	l->stats.decks = l->n_decks;
	l->stats.bytes = bytes;
	pthread_mutex_unlock(&l->lock);
}

static void stats_link(struct loader *l, bool database_up)
{
	pthread_mutex_lock(&l->lock);
	l->stats.database_up = database_up;
	l->stats.redis_up = cache_redis_up(l->cache);
	pthread_mutex_unlock(&l->lock);
}

/* Takes document and decks into force, also where they are those in force already. */
static int publish(struct loader *l, json_t *document, struct deck **decks, size_t n, struct status *st)
{
	struct snapshot *s;
	int err = snapshot_make(document, decks, n, l->options.gauges, &s, st);
	if (err != 0)
		return err;
	json_t *old_document = l->document;
	struct deck **old = l->deck;
	size_t n_old = l->n_decks;
	l->document = json_incref(document);
	l->deck = decks;
	l->n_decks = n;
	json_decref(old_document);
	decks_free(&old, &n_old);
	stats_set(l);
	l->options.publish(l->options.arg, s);
	return 0;
}

/* ---- from PostgreSQL ---- */

static uint64_t source_of(const json_t *document)
{
	const char *text = json_string_value(json_object_get(document, "source"));
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (; text != NULL && *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h != 0 ? h : 1;
}

static int64_t version_of(const struct store_version *v, size_t n, int64_t deck_id)
{
	size_t lo = 0, hi = n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (v[mid].deck_id == deck_id)
			return v[mid].version;
		if (v[mid].deck_id < deck_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

static bool up_to_date(const struct loader *l, const struct store_version *v, size_t n)
{
	if (!l->of_database || json_integer_value(json_object_get(l->document, "version")) != version_of(v, n, 0))
		return false;
	for (size_t i = 0; i < l->n_decks; i++) {
		const struct deck_words *w = deck_words(l->deck[i]);
		if (w->version != version_of(v, n, w->id))
			return false;
	}
	return true;
}

/* The deck in that version: the one in force, a cached image, or compiled from the database (then *built). NULL with
 * err 0: it is gone. */
static int deck_get(struct loader *l, int64_t id, int64_t version, uint64_t source, struct deck **out, bool *built,
		    struct status *st)
{
	struct deck *d = deck_in_force(l, id);
	int err = 0;

	*out = NULL;
	*built = false;
	if (d != NULL && deck_words(d)->version == version && deck_words(d)->source == source)
		*out = deck_ref(d);
	else if (cache_deck_get(l->cache, source, id, version, out) != 0) {
		err = store_deck(l->pg, id, source, out, st);
		*built = err == 0;
	}
	return err == -ENOENT ? 0 : err;
}

static void remember(struct loader *l, struct deck *const *fresh, size_t n)
{
	cache_document_put(l->cache, l->document);
	for (size_t i = 0; i < n && !atomic_load(&l->stop); i++)
		cache_deck_put(l->cache, fresh[i]);
	l->remember_us = clock_mono_us() + REMEMBER_MS * US_PER_MS;
}

static void say_loaded(const struct loader *l, size_t n_built, int64_t began_us)
{
	log_event(LOG_LEVEL_INFO, "configuration in force",
		  "version=%" JSON_INTEGER_FORMAT " decks=%zu rates=%" PRIu64 " compiled=%zu ms=%" PRId64,
		  json_integer_value(json_object_get(l->document, "version")), l->n_decks, l->stats.rates, n_built,
		  (clock_mono_us() - began_us) / US_PER_MS);
}

static int load(struct loader *l, const struct store_version *v, size_t n_versions, struct status *st)
{
	json_t *document = NULL;
	struct deck **decks = NULL, **fresh = NULL;
	size_t n = 0, n_fresh = 0, n_wanted = 0;
	int64_t *wanted = NULL, began_us = clock_mono_us();

	int err = 0;
	if (l->of_database &&
	    json_integer_value(json_object_get(l->document, "version")) == version_of(v, n_versions, 0))
		document = json_incref(l->document);
	else
		err = store_document(l->pg, &document, st);
	if (err != 0)
		goto out;
	uint64_t source = source_of(document);
	wanted = decks_wanted(document, &n_wanted);
	decks = xcalloc(n_wanted + 1, sizeof *decks);
	fresh = xcalloc(n_wanted + 1, sizeof *fresh);
	for (size_t i = 0; i < n_wanted && !atomic_load(&l->stop); i++) {
		bool built;
		err = deck_get(l, wanted[i], version_of(v, n_versions, wanted[i]), source, &decks[n], &built, st);
		if (err != 0)
			goto out;
		if (built)
			fresh[n_fresh++] = deck_ref(decks[n]);
		n += decks[n] != NULL;
	}
	if (atomic_load(&l->stop))
		goto out;
	err = publish(l, document, decks, n, st);
	if (err != 0)
		goto out;
	decks = NULL; /* the loader's now */
	n = 0;
	l->of_database = true;
	say_loaded(l, n_fresh, began_us);
	remember(l, fresh, n_fresh);
out:
	json_decref(document);
	free(wanted);
	decks_free(&decks, &n);
	decks_free(&fresh, &n_fresh);
	return err;
}

static int look_owed(struct loader *l, struct status *st)
{
	struct store_owed *list = NULL;
	size_t n;
	int err = store_owed(l->pg, &list, &n, st);
	if (err == 0)
		l->options.owed(l->options.arg, list, n);
	free(list);
	return err;
}

static int look(struct loader *l, struct status *st)
{
	struct store_version *v = NULL;
	size_t n;

	int err = pg_connect(l->pg, st);
	if (err == 0 && pg_generation(l->pg) != l->generation) {
		err = store_listen(l->pg, st);
		if (err == 0)
			l->generation = pg_generation(l->pg);
	}
	if (err == 0)
		err = store_versions(l->pg, &v, &n, st);
	if (err == 0 && !up_to_date(l, v, n))
		err = load(l, v, n, st);
	else if (err == 0 && clock_mono_us() >= l->remember_us)
		remember(l, l->deck, l->n_decks);
	free(v);
	return err == 0 && l->options.owed != NULL ? look_owed(l, st) : err;
}

/* ---- without PostgreSQL ---- */

static void load_cached(struct loader *l)
{
	json_t *document = cache_document_get(l->cache);
	struct deck **decks = NULL;
	size_t n = 0, n_wanted;
	struct status st;

	if (document == NULL)
		return;
	int64_t *wanted = decks_wanted(document, &n_wanted);
	decks = xcalloc(n_wanted + 1, sizeof *decks);
	for (size_t i = 0; i < n_wanted; i++)
		if (cache_deck_get(l->cache, source_of(document), wanted[i], CACHE_ANY_VERSION, &decks[n]) == 0)
			n++;
	size_t missing = n_wanted - n;
	free(wanted);
	if (publish(l, document, decks, n, &st) == 0) {
		log_event(LOG_LEVEL_WARN, "configuration in force from the cache, the database is away",
			  "version=%" JSON_INTEGER_FORMAT " decks=%zu missing=%zu",
			  json_integer_value(json_object_get(document, "version")), n, missing);
	} else {
		log_event(LOG_LEVEL_ERROR, "cached configuration is not usable", "why=\"%s\"", st.text);
		decks_free(&decks, &n);
	}
	json_decref(document);
}

/* ---- the thread ---- */

/* Once for each change of state; while it is away, another reason may be said now and then. */
static void say_state(struct loader *l, int err, const struct status *st)
{
	char quoted[600];
	int64_t now_us = clock_mono_us();

	stats_link(l, err == 0);
	if (err == 0) {
		if (l->trouble[0] != '\0')
			log_event(LOG_LEVEL_INFO, "database back", "version=%" PRId64, l->stats.version);
		l->trouble[0] = '\0';
		return;
	}
	if (l->trouble[0] != '\0' && (strcmp(l->trouble, st->text) == 0 || now_us < l->said_us + SAY_AGAIN_US))
		return;
	log_event(LOG_LEVEL_WARN,
		  l->document != NULL ? "database away, routing goes on with what is loaded"
				      : "database away, nothing to route with yet",
		  "why=%s", log_quote(st->text, quoted, sizeof quoted));
	snprintf(l->trouble, sizeof l->trouble, "%s", st->text[0] != '\0' ? st->text : "no reason given");
	l->said_us = now_us;
}

/* Sleep until a notification, the next poll, or a stop. */
static void doze(struct loader *l, int64_t until_us)
{
	char channel[64], payload[256];
	struct status st;
	bool told = false;

	while (!told && !atomic_load(&l->stop) && clock_mono_us() < until_us) {
		if (pg_raw(l->pg) == NULL) {
			struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
			nanosleep(&slice, NULL);
			continue;
		}
		told = pg_listen_wait(l->pg, SLICE_MS, channel, payload, &st) == 1;
	}
	while (told && pg_raw(l->pg) != NULL && pg_listen_wait(l->pg, 0, channel, payload, &st) == 1)
		; /* one look serves all that have come */
}

static void *loader_main(void *arg)
{
	struct loader *l = arg;

	thread_settle("loader", 10);
	while (!atomic_load(&l->stop)) {
		struct status st = {""};
		int64_t next_us = clock_mono_us() + POLL_MS * US_PER_MS;
		int err = look(l, &st);
		if (err != 0 && l->document == NULL)
			load_cached(l);
		say_state(l, err, &st);
		doze(l, next_us);
	}
	return NULL;
}

int loader_start(struct loader **out, const struct loader_options *o, struct status *st)
{
	struct loader *l = xcalloc(1, sizeof *l);
	l->options = *o;
	l->database_url = xstrdup(o->database_url);
	l->redis_url = xstrdup(o->redis_url);
	l->cache_dir = xstrdup(o->cache_dir);
	pthread_mutex_init(&l->lock, NULL);
	l->pg = pg_new(&(struct pg_options){.url = l->database_url,
					    .application_name = "tandem loader",
					    .statement_timeout_ms = STATEMENT_MS,
					    .connect_timeout_s = 2,
					    .retry_ms = 500});
	int err = cache_new(&l->cache, l->redis_url, l->cache_dir, st);
	if (err == 0) {
		int code = pthread_create(&l->thread, NULL, loader_main, l);
		err = code == 0 ? 0 : status_set(st, -code, "loader: cannot start its thread: %s", strerror(code));
	}
	if (err != 0) {
		atomic_store(&l->stop, true);
		cache_free(&l->cache);
		pg_free(&l->pg);
		pthread_mutex_destroy(&l->lock);
		free(l->database_url);
		free(l->redis_url);
		free(l->cache_dir);
		free(l);
		return err;
	}
	*out = l;
	return 0;
}

void loader_stop(struct loader **lp)
{
	struct loader *l = *lp;
	*lp = NULL;
	if (l == NULL)
		return;
	atomic_store(&l->stop, true);
	pthread_join(l->thread, NULL);
	cache_free(&l->cache);
	pg_free(&l->pg);
	json_decref(l->document);
	decks_free(&l->deck, &l->n_decks);
	pthread_mutex_destroy(&l->lock);
	free(l->database_url);
	free(l->redis_url);
	free(l->cache_dir);
	free(l);
}

void loader_stats(struct loader *l, struct loader_stats *out)
{
	pthread_mutex_lock(&l->lock);
	*out = l->stats;
	pthread_mutex_unlock(&l->lock);
}

/* ---- one number ---- */

static const json_t *by_id(const json_t *list, int64_t id)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		if (json_integer_value(json_object_get(o, "id")) == id)
			return o;
	}
	return NULL;
}

static size_t deck_id_put(int64_t *ids, size_t n, const json_t *trunk)
{
	const json_t *deck = json_object_get(trunk, "rate_deck_id");
	if (!json_is_integer(deck))
		return n;
	ids[n] = json_integer_value(deck);
	return n + 1;
}

/* The decks that a call from that trunk looks into: its own, and its plan's members'. The caller's (free) */
static int64_t *decks_of_trunk(const json_t *document, int64_t trunk_id, size_t *n)
{
	const json_t *trunks = json_object_get(document, "trunks");
	const json_t *trunk = by_id(trunks, trunk_id);
	const json_t *plan = by_id(json_object_get(document, "plans"),
				   json_integer_value(json_object_get(trunk, "routing_plan_id")));
	const json_t *members = json_object_get(plan, "members");
	int64_t *ids = xcalloc(json_array_size(members) + 1, sizeof *ids);

	*n = deck_id_put(ids, 0, trunk);
	for (size_t i = 0; i < json_array_size(members); i++) {
		const json_t *member = json_array_get(members, i);
		*n = deck_id_put(ids, *n, by_id(trunks, json_integer_value(json_object_get(member, "trunk_id"))));
	}
	return ids;
}

int loader_one_number(struct pg *pg, int64_t ingress_trunk_id, const char *called, struct gauge_table *gauges,
		      struct snapshot **out, struct status *st)
{
	json_t *document = NULL;
	struct deck **decks = NULL;
	size_t n_decks = 0, n;
	int64_t *ids = NULL;

	int err = pg_simple(pg, "begin isolation level repeatable read read only", st);
	if (err != 0)
		return err;
	err = store_document(pg, &document, st);
	if (err == 0 && called != NULL) {
		ids = decks_of_trunk(document, ingress_trunk_id, &n);
		err = store_decks_of_number(pg, ids, n, called, &decks, &n_decks, st);
	}
	struct status why;
	if (pg_simple(pg, err == 0 ? "commit" : "rollback", &why) != 0)
		pg_drop(pg);
	if (err == 0)
		err = snapshot_make(document, decks, n_decks, gauges, out, st);
	free(ids);
	decks_free(&decks, &n_decks);
	json_decref(document);
	return err;
}
