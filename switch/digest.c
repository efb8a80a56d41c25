/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/random.h"

#include <sofia-sip/auth_digest.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/su_strlst.h>

enum {
	SECRET_LEN = 32,
	SEAL_HEX = 32,			/* half an HMAC-SHA-256 */
	NONCE_HEX = 16 + 16 + SEAL_HEX, /* time, random, seal */
	BUCKETS = 1 << 14,
	WAYS = 8,
	HEX_MAX = 2 * EVP_MAX_MD_SIZE + 1,
};

struct digest_guard {
	unsigned char secret[SECRET_LEN];
	_Atomic uint64_t used[BUCKETS][WAYS]; /* 44 bits of a hash over nonce and count, 20 bits of seconds */
};

struct algorithm {
	const char *name;
	const EVP_MD *(*md)(void);
};

static const struct algorithm algorithms[] = {{"SHA-256", EVP_sha256}, {"MD5", EVP_md5}}; /* best first */

struct digest_guard *digest_guard_new(void)
{
	struct digest_guard *g = xcalloc(1, sizeof *g);
	random_bytes(g->secret, sizeof g->secret);
	return g;
}

void digest_guard_free(struct digest_guard **g)
{
	if (*g)
		OPENSSL_cleanse((*g)->secret, sizeof(*g)->secret);
	free(*g);
	*g = NULL;
}

/* ---- hashes ---- */

static void hex(const unsigned char *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* H(parts joined by ':'), in hex */
static void hash(const struct algorithm *a, char out[static HEX_MAX], const char *const *part, int n)
{
	struct buf b = {0};
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	for (int i = 0; i < n; i++) {
		if (i)
			buf_putc(&b, ':');
		buf_puts(&b, part[i]);
	}
	out[0] = '\0';
	if (EVP_Digest(b.text, b.len, md, &len, a->md(), NULL) == 1)
		hex(md, len, out);
	OPENSSL_cleanse(b.text, b.len);
	buf_free(&b);
}

#define HASH(a, out, ...)                                                                                              \
	hash(a, out, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

struct claim { /* unquoted, "" where absent */
	char username[128], realm[128], nonce[256], uri[512], cnonce[256], nc[16], qop[16];
};

/* RFC 7616 section 3.4.1 */
static void response(const struct algorithm *a, const struct claim *c, const char *password, const char *method,
		     char out[static HEX_MAX])
{
	char ha1[HEX_MAX], ha2[HEX_MAX];

	HASH(a, ha1, c->username, c->realm, password);
	HASH(a, ha2, method, c->uri);
	if (c->qop[0])
		HASH(a, out, ha1, c->nonce, c->nc, c->cnonce, c->qop, ha2);
	else
		HASH(a, out, ha1, c->nonce, ha2);
	OPENSSL_cleanse(ha1, sizeof ha1);
}

/* ---- nonces ---- */

static void seal(const struct digest_guard *g, const char *head, const char *source, char out[static SEAL_HEX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char text[128];
	int n = snprintf(text, sizeof text, "%.32s %s", head, source);

	HMAC(EVP_sha256(), g->secret, sizeof g->secret, (const unsigned char *)text, (size_t)n, md, &len);
	hex(md, SEAL_HEX / 2, out);
}

bool digest_md5_alone(const sip_t *sip)
{
	static const char *const agents[] = {"baresip v0.", "baresip v1."};
	const char *agent = sip && sip->sip_user_agent ? sip->sip_user_agent->g_string : NULL;

	for (size_t i = 0; agent && i < sizeof agents / sizeof agents[0]; i++)
		if (strncmp(agent, agents[i], strlen(agents[i])) == 0)
			return true;
	return false;
}

void digest_challenge(struct digest_guard *g, const char *source, bool stale, int64_t wall_us,
		      struct digest_challenge *out)
{
	char nonce[NONCE_HEX + 1];
	const char *more = stale ? ", stale=true" : "";

	snprintf(nonce, sizeof nonce, "%016llx%016llx", (unsigned long long)wall_us, (unsigned long long)random_u64());
	seal(g, nonce, source, nonce + 32);
	snprintf(out->sha256, sizeof out->sha256,
		 "Digest realm=\"" DIGEST_REALM "\", nonce=\"%s\", algorithm=SHA-256, qop=\"auth\"%s", nonce, more);
	snprintf(out->md5, sizeof out->md5,
		 "Digest realm=\"" DIGEST_REALM "\", nonce=\"%s\", algorithm=MD5, qop=\"auth\"%s", nonce, more);
}

static bool nonce_fresh(const struct digest_guard *g, const char *nonce, const char *source, int64_t wall_us)
{
	char expected[SEAL_HEX + 1], time[17];

	if (strlen(nonce) != NONCE_HEX)
		return false;
	seal(g, nonce, source, expected);
	if (CRYPTO_memcmp(expected, nonce + 32, SEAL_HEX) != 0)
		return false;
	snprintf(time, sizeof time, "%.16s", nonce);
	int64_t made_us = (int64_t)strtoull(time, NULL, 16);
	return made_us <= wall_us && wall_us - made_us < DIGEST_NONCE_S * 1000000LL;
}

enum { SECONDS_BITS = 20 };

/* Either way: the wall clock may step back. */
static bool entry_current(uint64_t entry, uint64_t now_s)
{
	uint64_t mask = (1u << SECONDS_BITS) - 1, age_s = (now_s - (entry & mask)) & mask;
	return entry && (age_s <= DIGEST_NONCE_S || mask + 1 - age_s <= DIGEST_NONCE_S);
}

/* First use of this nonce with this count? A full bucket says no: the caller is challenged again. */
static bool first_use(struct digest_guard *g, const char *nonce, const char *nc, int64_t wall_us)
{
	char text[HEX_MAX];
	HASH(&algorithms[0], text, nonce, nc);
	uint64_t key, now_s = (uint64_t)(wall_us / 1000000);
	char head[17];
	snprintf(head, sizeof head, "%.16s", text);
	key = strtoull(head, NULL, 16);
	uint64_t entry = (key << SECONDS_BITS) | (now_s & ((1u << SECONDS_BITS) - 1));
	_Atomic uint64_t *bucket = g->used[key >> 50];
	bool placed = false;
	int same = 0;

	for (int i = 0; i < WAYS; i++) {
		uint64_t old = atomic_load(&bucket[i]);
		if (entry_current(old, now_s)) {
			if (old >> SECONDS_BITS == entry >> SECONDS_BITS)
				return false;
		} else if (!placed) {
			placed = atomic_compare_exchange_strong(&bucket[i], &old, entry);
		}
	}
	/* Two workers that were handed the same at once: neither may have it. */
	for (int i = 0; i < WAYS; i++)
		same += atomic_load(&bucket[i]) >> SECONDS_BITS == entry >> SECONDS_BITS;
	return placed && same == 1;
}

/* ---- what others send ---- */

static void unquote(const char *value, char *out, size_t size)
{
	size_t n = 0;
	bool quoted = value && value[0] == '"';

	for (value = value ? value + quoted : ""; *value && !(quoted && *value == '"') && n + 1 < size; value++) {
		if (quoted && *value == '\\' && value[1])
			value++;
		out[n++] = *value;
	}
	out[n] = '\0';
}

static void parameter(const msg_auth_t *au, const char *name, char *out, size_t size)
{
	unquote(msg_header_find_param((msg_common_t const *)au, name), out, size);
}

static const struct algorithm *algorithm_of(const msg_auth_t *au)
{
	char name[32];
	parameter(au, "algorithm", name, sizeof name);
	if (!name[0])
		snprintf(name, sizeof name, "MD5");
	for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++)
		if (strcasecmp(name, algorithms[i].name) == 0)
			return &algorithms[i];
	return NULL;
}

/* The credentials for our realm with an algorithm that we offer. */
static const msg_auth_t *credentials(const sip_t *sip)
{
	for (const msg_auth_t *au = sip->sip_authorization; au; au = au->au_next) {
		char realm[128];
		if (!au->au_scheme || strcasecmp(au->au_scheme, "Digest") != 0)
			continue;
		parameter(au, "realm", realm, sizeof realm);
		if (strcmp(realm, DIGEST_REALM) == 0 && algorithm_of(au))
			return au;
	}
	return NULL;
}

void digest_username(const sip_t *sip, char *out, size_t size)
{
	const msg_auth_t *au = credentials(sip);
	out[0] = '\0';
	if (au)
		parameter(au, "username", out, size);
}

/* The credentials' uri must name whom the request is for: user and host, whatever parameters stand behind; or the host
 * alone, as sipp does (RFC 3261 section 22.4: that the two differ is not necessarily a failure). */
static bool uri_names(const char *uri, const url_t *url)
{
	const char *user = url->url_user ? url->url_user : "", *host = url->url_host ? url->url_host : "";
	const char *p = strchr(uri, ':');
	size_t n = strlen(user), m = strlen(host);

	if (!p)
		return false;
	p++;
	if (url->url_type != url_tel && !strchr(p, '@'))
		n = 0;
	if (n && (strncmp(p, user, n) != 0 || (p[n] != '@' && !(url->url_type == url_tel && p[n] == '\0'))))
		return false;
	if (url->url_type == url_tel)
		return true;
	p += n ? n + 1 : 0;
	return strncasecmp(p, host, m) == 0 && (!p[m] || strchr(":;?", p[m]));
}

enum digest_verdict digest_check(struct digest_guard *g, const sip_t *sip, const char *source, const char *password,
				 int64_t wall_us)
{
	const msg_auth_t *au = credentials(sip);
	struct claim c;
	char claimed[HEX_MAX], expected[HEX_MAX];

	if (!au)
		return DIGEST_NONE;
	parameter(au, "username", c.username, sizeof c.username);
	parameter(au, "realm", c.realm, sizeof c.realm);
	parameter(au, "nonce", c.nonce, sizeof c.nonce);
	parameter(au, "uri", c.uri, sizeof c.uri);
	parameter(au, "cnonce", c.cnonce, sizeof c.cnonce);
	parameter(au, "nc", c.nc, sizeof c.nc);
	parameter(au, "qop", c.qop, sizeof c.qop);
	parameter(au, "response", claimed, sizeof claimed);
	if ((c.qop[0] && strcasecmp(c.qop, "auth") != 0) || !uri_names(c.uri, sip->sip_request->rq_url))
		return DIGEST_NONE;
	if (!nonce_fresh(g, c.nonce, source, wall_us))
		return DIGEST_STALE;
	response(algorithm_of(au), &c, password ? password : "", sip->sip_request->rq_method_name, expected);
	size_t n = strlen(expected);
	bool same = strlen(claimed) == n && CRYPTO_memcmp(claimed, expected, n) == 0;
	if (!same || !password)
		return DIGEST_BAD;
	/* Without qop the count is not under the hash: then the nonce is good once. */
	return first_use(g, c.nonce, c.qop[0] ? c.nc : "", wall_us) ? DIGEST_GOOD : DIGEST_STALE;
}

/* ---- what we answer ---- */

static bool offers_auth(const char *qop)
{
	for (const char *p = qop; (p = strcasestr(p, "auth")); p += 4)
		if (p[4] != '-' && (p == qop || p[-1] == ',' || p[-1] == ' '))
			return true;
	return false;
}

static const msg_auth_t *best_challenge(const msg_auth_t *challenges)
{
	const msg_auth_t *best = NULL;
	for (const msg_auth_t *au = challenges; au; au = au->au_next) {
		const struct algorithm *a =
			au->au_scheme && strcasecmp(au->au_scheme, "Digest") == 0 ? algorithm_of(au) : NULL;
		if (a && (!best || a < algorithm_of(best)))
			best = au;
	}
	return best;
}

static char *quote(su_home_t *home, const char *text)
{
	char *out = su_alloc(home, 2 * strlen(text) + 3), *p = out;
	if (!out)
		return NULL;
	*p++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*p++ = '\\';
		*p++ = *text;
	}
	*p++ = '"';
	*p = '\0';
	return out;
}

char *digest_answer(su_home_t *home, const msg_auth_t *challenges, const char *username, const char *password,
		    const char *method, const char *uri)
{
	const msg_auth_t *au = best_challenge(challenges);
	struct claim c = {.nc = "00000001"};
	char qop[64], opaque[256], result[HEX_MAX];

	if (!au)
		return NULL;
	parameter(au, "realm", c.realm, sizeof c.realm);
	parameter(au, "nonce", c.nonce, sizeof c.nonce);
	parameter(au, "qop", qop, sizeof qop);
	parameter(au, "opaque", opaque, sizeof opaque);
	snprintf(c.username, sizeof c.username, "%s", username);
	snprintf(c.uri, sizeof c.uri, "%s", uri);
	random_token(c.cnonce, 16);
	if (offers_auth(qop))
		snprintf(c.qop, sizeof c.qop, "auth");
	const struct algorithm *a = algorithm_of(au);
	response(a, &c, password, method, result);
	return su_sprintf(
		home, "Digest username=%s, realm=%s, nonce=%s, uri=\"%s\", response=\"%s\", algorithm=%s%s%s%s%s%s%s",
		quote(home, c.username), quote(home, c.realm), quote(home, c.nonce), c.uri, result, a->name,
		c.qop[0] ? ", qop=auth, nc=00000001, cnonce=\"" : "", c.qop[0] ? c.cnonce : "", c.qop[0] ? "\"" : "",
		opaque[0] ? ", opaque=" : "", opaque[0] ? quote(home, opaque) : "", "");
}
