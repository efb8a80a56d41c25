/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - deck images and the configuration, kept where a start without PostgreSQL finds them: in Redis for all
 * nodes, on local disk as the last resort. Blocking, with short limits: for the loader's thread alone.
 *
 *   {tandem}:config                      the document, as JSON
 *   {tandem}:deck:FORMAT:SOURCE:ID       "VERSION CHUNKS LENGTH" of the image that is there
 *   {tandem}:deck:FORMAT:SOURCE:ID:VERSION:I  its chunks
 *   DIR/config.json, DIR/deck-ID.image   the same on disk, each written beside and renamed
 * In Redis each key goes after 30 days.
 *
 * Both are caches: nothing here is missed by anyone when it is gone, and what does not check out is not used. SOURCE
 * names the database in which the versions count. The files hold trunks' passwords: they are readable by the owner
 * only.
 */
#ifndef ROUTING_CACHE_H
#define ROUTING_CACHE_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/status.h"
#include "routing/deck.h"

#define CACHE_ANY_VERSION 0

struct cache;

/* cache_new - dir is created (0700) if missing. 0, or -errno: dir cannot be used */
int cache_new(struct cache **c, const char *redis_url, const char *dir, struct status *st) must_check;
void cache_free(struct cache **c);
bool cache_redis_up(const struct cache *c);

/* cache_deck_get - the image of that version (CACHE_ANY_VERSION: the latest that is there); 0, or -ENOENT */
int cache_deck_get(struct cache *c, uint64_t source, int64_t id, int64_t version, struct deck **out) must_check;
/* cache_deck_put - store it where it is missing; what fails is tried at the next put */
void cache_deck_put(struct cache *c, const struct deck *d);

json_t *cache_document_get(struct cache *c); /* the later one of Redis and disk; NULL: none; new reference */
void cache_document_put(struct cache *c, json_t *document); /* the same again: only where Redis has lost it */

#endif
