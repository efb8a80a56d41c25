/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/ingress.h"

#include <string.h>

#include "lib/digits.h"
#include "routing/snapshot_priv.h"

static bool address_read(const struct sockaddr *source, struct in6_addr *out)
{
	if (source->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, source, sizeof in6);
		*out = in6.sin6_addr;
		return true;
	}
	if (source->sa_family != AF_INET)
		return false;
	struct sockaddr_in in4;
	memcpy(&in4, source, sizeof in4);
	memset(out, 0, sizeof *out);
	out->s6_addr[10] = out->s6_addr[11] = 0xff;
	memcpy(&out->s6_addr[12], &in4.sin_addr, 4);
	return true;
}

static struct in6_addr address_mask(const struct in6_addr *a, unsigned int bits)
{
	struct in6_addr out = *a;
	for (unsigned int i = 0; i < 16; i++) {
		if (bits >= 8 * (i + 1))
			continue;
		unsigned int left = bits > 8 * i ? bits - 8 * i : 0;
		out.s6_addr[i] &= (uint8_t)(0xff00U >> left);
	}
	return out;
}

static bool trunk_listens(const struct trunk *t, const struct ingress_from *from)
{
	return t->listen[0] == '\0' || strcmp(t->listen, from->listener) == 0;
}

static bool trunk_carries(const struct trunk *t, const struct ingress_from *from)
{
	return (t->transport == TRUNK_ANY || t->transport == from->transport) && trunk_listens(t, from);
}

/* Does the trunk take that number? Then *tech is how much of it its prefix takes. */
static bool trunk_takes(const struct trunk *t, const char *called, size_t *tech)
{
	if (!digits_starts_with(called, t->tech_prefix))
		return false;
	*tech = strlen(t->tech_prefix);
	return true;
}

/* Of two trunks that match by address alike */
static bool trunk_before(const struct trunk *a, size_t a_tech, const struct trunk *b, size_t b_tech)
{
	if (b == NULL || a_tech != b_tech)
		return b == NULL || a_tech > b_tech;
	if (a->enabled != b->enabled)
		return a->enabled;
	return a->id < b->id;
}

/* The first range of those bits that is not below net */
static size_t source_floor(const struct snapshot *s, size_t lo, size_t hi, const struct in6_addr *net)
{
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (memcmp(&s->source[mid].net, net, sizeof *net) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The end of the run of ranges that have as many bits as the one at i */
static size_t source_run(const struct snapshot *s, size_t i)
{
	size_t lo = i, hi = s->n_sources;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->source[mid].bits == s->source[i].bits)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct trunk *by_address(const struct snapshot *s, const struct in6_addr *address,
				      const struct ingress_from *from, const char *called)
{
	for (size_t i = 0; i < s->n_sources;) {
		size_t end = source_run(s, i), tech, best_tech = 0;
		const struct trunk *best = NULL;
		struct in6_addr net = address_mask(address, s->source[i].bits);
		for (size_t at = source_floor(s, i, end, &net);
		     at < end && memcmp(&s->source[at].net, &net, sizeof net) == 0; at++) {
			const struct trunk *t = s->source[at].trunk;
			if (!trunk_carries(t, from) || !trunk_takes(t, called, &tech) ||
			    !trunk_before(t, tech, best, best_tech))
				continue;
			best = t;
			best_tech = tech;
		}
		if (best != NULL)
			return best;
		i = end;
	}
	return NULL;
}

/* How many bits of the address its ranges match, or -1; a trunk without ranges takes any address (0). */
static int trunk_admits(const struct trunk *t, const struct in6_addr *address)
{
	int best = t->n_cidrs == 0 ? 0 : -1;
	for (int i = 0; i < t->n_cidrs; i++) {
		struct in6_addr net = address_mask(address, t->cidr[i].bits);
		if (t->cidr[i].bits > best && memcmp(&net, &t->cidr[i].net, sizeof net) == 0)
			best = t->cidr[i].bits;
	}
	return best;
}

bool ingress_names(const struct trunk *t, const struct sockaddr *source)
{
	struct in6_addr address;

	return t->n_cidrs > 0 && address_read(source, &address) && trunk_admits(t, &address) >= 0;
}

static bool digest_admits(const struct snapshot *s, const struct in6_addr *address, const struct ingress_from *from)
{
	for (size_t i = 0; i < s->n_digest; i++) {
		const struct trunk *t = s->digest[i];
		if (t->enabled && trunk_carries(t, from) && trunk_admits(t, address) >= 0)
			return true;
	}
	return false;
}

static const char *called_plain(const char *called_raw)
{
	return called_raw[0] == '+' ? called_raw + 1 : called_raw;
}

enum ingress_verdict ingress_match(const struct snapshot *s, const struct ingress_from *from, const char *called_raw,
				   const struct trunk **trunk)
{
	struct in6_addr address;

	*trunk = NULL;
	if (!address_read(from->source, &address))
		return INGRESS_UNKNOWN;
	*trunk = by_address(s, &address, from, called_plain(called_raw));
	if (*trunk != NULL)
		return INGRESS_FOUND;
	return digest_admits(s, &address, from) ? INGRESS_CHALLENGE : INGRESS_UNKNOWN;
}

bool ingress_challenges(const struct snapshot *s, const struct ingress_from *from)
{
	struct in6_addr address;
	return address_read(from->source, &address) && digest_admits(s, &address, from);
}

const struct trunk *ingress_by_user(const struct snapshot *s, const struct ingress_from *from, const char *username,
				    const char *called_raw)
{
	struct in6_addr address;
	const struct trunk *best = NULL;
	size_t lo = 0, hi = s->n_digest, tech = 0, best_tech = 0;
	int best_bits = -1;

	if (!address_read(from->source, &address))
		return NULL;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(s->digest[mid]->username, username) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->n_digest && strcmp(s->digest[lo]->username, username) == 0; lo++) {
		const struct trunk *t = s->digest[lo];
		int bits = trunk_admits(t, &address);
		if (bits < 0 || !trunk_listens(t, from) ||
		    (called_raw != NULL && !trunk_takes(t, called_plain(called_raw), &tech)))
			continue;
		if (bits > best_bits || (bits == best_bits && trunk_before(t, tech, best, best_tech))) {
			best = t;
			best_tech = tech;
			best_bits = bits;
		}
	}
	return best;
}
