/* SPDX-License-Identifier: Apache-2.0 */
#include "api/auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/endpoint.h"
#include "api/limit.h"
#include "api/service.h"
#include "api/store.h"
#include "lib/clock.h"

#define KEY_LEN_MAX 128

char *auth_hash(const char *key, char out[static AUTH_HASH_TEXT])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)key, strlen(key), hash);
	for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
	return out;
}

const char *auth_header(const char *authorization)
{
	if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	const char *key = authorization + 7;
	key += strspn(key, " ");
	size_t len = strlen(key);
	return len > 0 && len <= KEY_LEN_MAX && strchr(key, ' ') == NULL ? key : NULL;
}

bool auth_may(enum role has, enum role needed)
{
	return has == ROLE_ADMIN || needed == ROLE_READONLY || has == needed;
}

static enum role role_of(const char *name)
{
	if (strcmp(name, "admin") == 0)
		return ROLE_ADMIN;
	if (strcmp(name, "provisioning") == 0)
		return ROLE_PROVISIONING;
	return strcmp(name, "finance") == 0 ? ROLE_FINANCE : ROLE_READONLY;
}

static int remember_use(struct request *r)
{
	const char *id = r->caller.id_text;
	PGresult *result;

	if (store_query(r, &store_key_used, &id, &result) != 0)
		return -1;
	PQclear(result);
	return 0;
}

/* Keys looked up in the last second, by their hash. Shared by all workers. While the database is away, what answers
 * without it goes by those of the last hour. */
#define KNOWN_MAX 256 /* slots */
#define KNOWN_US 1000000
#define KNOWN_AWAY_US (3600 * 1000000LL)
#define GOOD_US (3600 * 1000000LL) /* so long a key that was good is looked up whatever comes from its address */

struct known {
	char hash[AUTH_HASH_TEXT];
	struct caller caller;
	char name[129];
	int64_t found_us; /* monotonic; 0: empty */
	int64_t good_us;  /* monotonic, when it was last good; stays when found_us is forgotten; 0: it is not */
};

static struct {
	pthread_mutex_t lock;
	uint64_t changes; /* counts auth_forget: what was read before one is not kept after it */
	struct known slot[KNOWN_MAX];
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct known *slot_of(const char *hash)
{
	char head[9] = "";

	memcpy(head, hash, sizeof(head) - 1);
	return &known.slot[strtoul(head, NULL, 16) % KNOWN_MAX];
}

/* True with r->caller set; else *changes is what to hand to known_keep. */
static bool known_find(struct request *r, const char *hash, uint64_t *changes)
{
	pthread_mutex_lock(&known.lock);
	const struct known *k = slot_of(hash);
	bool away = (r->endpoint->flags & ENDPOINT_AWAY) && !r->service->database_up;
	bool found = k->found_us != 0 && clock_mono_us() - k->found_us < (away ? KNOWN_AWAY_US : KNOWN_US) &&
		     CRYPTO_memcmp(k->hash, hash, AUTH_HASH_TEXT) == 0;
	if (found) {
		r->caller = k->caller;
		r->caller.name = arena_strdup(r->arena, k->name);
	}
	*changes = known.changes;
	pthread_mutex_unlock(&known.lock);
	return found;
}

static bool is_slot_of(const struct known *k, const char *hash)
{
	return CRYPTO_memcmp(k->hash, hash, AUTH_HASH_TEXT) == 0;
}

/* Was this key good within GOOD_US? Bad keys from its address, which may be a proxy's, must not keep it out. */
static bool known_good(const char *hash)
{
	pthread_mutex_lock(&known.lock);
	const struct known *k = slot_of(hash);
	bool good = k->good_us != 0 && clock_mono_us() - k->good_us < GOOD_US && is_slot_of(k, hash);
	pthread_mutex_unlock(&known.lock);
	return good;
}

static void known_bad(const char *hash)
{
	pthread_mutex_lock(&known.lock);
	struct known *k = slot_of(hash);
	if (is_slot_of(k, hash))
		k->found_us = k->good_us = 0;
	pthread_mutex_unlock(&known.lock);
}

static void known_keep(const struct request *r, const char *hash, uint64_t changes)
{
	if (strlen(r->caller.name) >= sizeof(known.slot[0].name))
		return;
	pthread_mutex_lock(&known.lock);
	if (known.changes == changes) {
		struct known *k = slot_of(hash);
		memcpy(k->hash, hash, AUTH_HASH_TEXT);
		k->caller = r->caller;
		k->caller.name = NULL;
		snprintf(k->name, sizeof(k->name), "%s", r->caller.name);
		k->found_us = k->good_us = clock_mono_us();
	}
	pthread_mutex_unlock(&known.lock);
}

void auth_forget(void)
{
	pthread_mutex_lock(&known.lock);
	known.changes++;
	for (size_t i = 0; i < KNOWN_MAX; i++)
		known.slot[i].found_us = 0;
	pthread_mutex_unlock(&known.lock);
}

static int too_many(struct request *r, const char *why)
{
	r->answer.retry_after_s = 1;
	request_problem(r, 429, "%s", why);
	return -1;
}

static int caller_find(struct request *r)
{
	char hash[AUTH_HASH_TEXT];
	const char *wanted = auth_hash(r->bearer, hash);
	uint64_t changes;
	PGresult *result;

	if (known_find(r, hash, &changes))
		return 0;
	if (!r->charged && !known_good(hash) && !limit_left(r->service->by_address, r->address, clock_mono_us()))
		return too_many(r, "Too many keys that are not known came from this address.");
	if (store_query(r, &store_key_find, &wanted, &result) != 0)
		return -1;
	if (PQntuples(result) != 1 || strlen(PQgetvalue(result, 0, 4)) != AUTH_HASH_TEXT - 1 ||
	    CRYPTO_memcmp(PQgetvalue(result, 0, 4), hash, AUTH_HASH_TEXT - 1) != 0) {
		PQclear(result);
		known_bad(hash);
		(void)limit_take(r->service->by_address, r->address, clock_mono_us());
		request_problem_unauthorized(r, "This API key is not known.");
		return -1;
	}
	struct caller *c = &r->caller;
	snprintf(c->id_text, sizeof(c->id_text), "%s", PQgetvalue(result, 0, 0));
	c->key_id = strtoll(c->id_text, NULL, 10);
	c->name = arena_strdup(r->arena, PQgetvalue(result, 0, 1));
	c->role = role_of(PQgetvalue(result, 0, 2));
	snprintf(c->carrier_text, sizeof(c->carrier_text), "%s", PQgetvalue(result, 0, 3));
	bool stale = strcmp(PQgetvalue(result, 0, 5), "t") == 0;
	PQclear(result);
	if (stale && remember_use(r) != 0)
		return -1;
	known_keep(r, hash, changes);
	return 0;
}

/* The caller is known: does it ask too often, and may it? */
static int caller_check(struct request *r)
{
	const struct endpoint *e = r->endpoint;

	if (!r->charged && !limit_take(r->service->by_key, (uint64_t)r->caller.key_id, clock_mono_us()))
		return too_many(r, "This API key makes too many requests.");
	r->charged = true;
	if (request_is_bound(r) && !(e->flags & ENDPOINT_BOUND)) {
		request_problem(r, 404, "There is no such thing here.");
		return -1;
	}
	if (!auth_may(r->caller.role, e->role)) {
		request_problem(r, 403, "This API key's role does not allow that.");
		return -1;
	}
	r->authorized = true;
	return 0;
}

int auth_check(struct request *r)
{
	if (r->authorized || (r->endpoint->flags & ENDPOINT_OPEN))
		return 0;
	if (r->bearer == NULL) {
		request_problem_unauthorized(r, "An API key is needed: Authorization: Bearer KEY.");
		return -1;
	}
	return caller_find(r) != 0 ? -1 : caller_check(r);
}

int auth_check_known(struct request *r)
{
	char hash[AUTH_HASH_TEXT];
	uint64_t changes;

	return r->bearer == NULL || !known_find(r, auth_hash(r->bearer, hash), &changes) ? 1 : caller_check(r);
}
