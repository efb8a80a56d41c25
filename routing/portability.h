/* SPDX-License-Identifier: Apache-2.0 */
/* portability.h - by which number (LRN) a ported number is to be routed: asked outside, kept in Redis. Blocking, within
 * a time limit; one thread at a time. The switch asks on threads of its own (switch/lrn.h), a look-up where it stands.
 *
 *   http://HOST[:PORT]/PATH   GET, with %s for the number; 200 with {"lrn": "..."} or bare digits; an empty answer or
 *                             404: not ported
 *   enum:ZONE                 NAPTR of the number's digits (RFC 6116); the rn= of a tel URI (RFC 4694)
 *
 * Answers stand in Redis under {tandem}:lrn:NUMBER ("" for not ported).
 */
#ifndef ROUTING_PORTABILITY_H
#define ROUTING_PORTABILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/digits.h"
#include "lib/redis.h"
#include "lib/status.h"

struct portability;

struct portability_options { /* borrowed while the object lives */
	const char *lookup;  /* "": nobody is asked */
	const char *prefixes, *dns_servers;
	int64_t timeout_ms, cache_ms;
};

/* portability_new - *out is NULL where it is off; 0, or -EINVAL. Nobody is asked yet: the service's name is resolved
 * with the first question, within its time, and again each minute. */
int portability_new(struct portability **out, const struct portability_options *o, struct status *st) must_check;
void portability_free(struct portability **p);

/* portability_wants - is that number to be asked for? prefixes: as in the settings, "": all */
bool portability_wants(const char *prefixes, const char *number);

/* redis: NULL: nothing is kept.
 * portability_cached - what Redis has; lrn is "" if it is not ported. false: nothing
 * portability_ask - ask outside until deadline_us (monotonic) and keep the answer; 0, or -errno and lrn is "" */
bool portability_cached(struct redis *redis, const char *number, char lrn[static DIGITS_MAX + 1]);
int portability_ask(struct portability *p, struct redis *redis, const char *number, int64_t deadline_us,
		    char lrn[static DIGITS_MAX + 1]) must_check;

/* portability_look - for one look-up: the number by which a call to `number` would be routed now. lrn is "" if that is
 * the number itself. 0, or -errno with st (then a call goes by the dialled number, too) */
int portability_look(const struct portability_options *o, struct redis *redis, const char *number,
		     char lrn[static DIGITS_MAX + 1], struct status *st) must_check;

/* struct portability_desk - portability_look for a process of many threads: at most `seats` of them wait outside at a
 * time, so that a service that hangs does not take them all; any thread. Otherwise -EBUSY. options are borrowed. */
#define PORTABILITY_SEATS_MAX 16
struct portability_desk;
int portability_desk_new(struct portability_desk **d, const struct portability_options *o, int seats,
			 struct status *st) must_check;
void portability_desk_free(struct portability_desk **d); /* nobody waits any more */
int portability_desk_look(struct portability_desk *d, struct redis *redis, const char *number,
			  char lrn[static DIGITS_MAX + 1], struct status *st) must_check;

#endif
