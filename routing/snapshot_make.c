/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_make.c - from the configuration document to a snapshot. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/digits.h"
#include "lib/log.h"
#include "routing/snapshot_priv.h"

#define ARENA_BLOCK (64 * 1024)

struct making {
	struct snapshot *s;
	struct deck *const *decks;
	size_t n_decks;
	struct gauge_table *gauges;
};

/* ---- fields ---- */

static int64_t integer_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int32_t limit_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_integer(v) ? (int32_t)json_integer_value(v) : NO_LIMIT;
}

static bool flag_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static const char *word_of(const json_t *o, const char *key) /* "" if none */
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

static const char *text_of(struct snapshot *s, const json_t *o, const char *key)
{
	const char *text = word_of(o, key);
	return text[0] != '\0' ? arena_strdup(s->arena, text) : "";
}

static bool money_of(const json_t *o, const char *key, struct money *out)
{
	const json_t *v = json_object_get(o, key);
	out->nano = json_integer_value(v);
	return json_is_integer(v);
}

static int choice_of(const json_t *o, const char *key, const char *const *choices, int fallback)
{
	const char *word = word_of(o, key);
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], word) == 0)
			return i;
	return fallback;
}

static void currency_of(const json_t *o, const char *key, char out[static 4])
{
	const char *word = word_of(o, key);
	memset(out, 0, 4);
	memcpy(out, word, strnlen(word, 3));
}

static void *array_alloc(struct snapshot *s, size_t n, size_t size)
{
	return n > 0 ? arena_alloc(s->arena, n * size) : NULL;
}

static const char *const *texts_of(struct snapshot *s, const json_t *o, const char *key, int *n)
{
	const json_t *list = json_object_get(o, key);
	*n = (int)json_array_size(list);
	const char **text = array_alloc(s, (size_t)*n, sizeof *text);
	for (int i = 0; i < *n; i++) {
		const char *one = json_string_value(json_array_get(list, (size_t)i));
		text[i] = one != NULL ? arena_strdup(s->arena, one) : "";
	}
	return text;
}

/* A trunk with a part that cannot be used takes and gets no calls, and says why. */
static void trunk_spoil(struct trunk *t, const char *what, const char *why)
{
	char quoted[400];
	log_event(LOG_LEVEL_ERROR, what, "trunk=%" PRId64 " why=%s; the trunk is treated as disabled", t->id,
		  log_quote(why, quoted, sizeof quoted));
	t->enabled = false;
}

/* ---- carriers ---- */

static int id_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void carriers_make(struct making *m, const json_t *list)
{
	struct snapshot *s = m->s;
	s->n_carriers = json_array_size(list);
	s->carrier = array_alloc(s, s->n_carriers, sizeof *s->carrier);
	for (size_t i = 0; i < s->n_carriers; i++) {
		const json_t *o = json_array_get(list, i);
		struct carrier *c = &s->carrier[i];
		c->id = integer_of(o, "id");
		c->name = text_of(s, o, "name");
		currency_of(o, "currency", c->currency);
		c->active = flag_of(o, "active");
		c->prepaid = flag_of(o, "prepaid");
		c->has_credit_limit = money_of(o, "credit_limit", &c->credit_limit);
		c->has_vendor_limit = money_of(o, "vendor_limit", &c->vendor_limit);
		c->max_channels = limit_of(o, "max_channels");
		c->max_cps = limit_of(o, "max_cps");
		c->gauge = m->gauges != NULL ? gauge_get(m->gauges, 'c', c->id) : NULL;
	}
	if (s->n_carriers > 0)
		qsort(s->carrier, s->n_carriers, sizeof *s->carrier, id_compare);
}

/* ---- trunks ---- */

static void translations_make(struct snapshot *s, struct trunk *t, const json_t *list)
{
	size_t n = json_array_size(list);
	struct translation **all = array_alloc(s, n, sizeof *all);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		struct status why;
		if (translation_compile(strcmp(word_of(o, "number"), "calling") != 0, word_of(o, "match"),
					word_of(o, "replace"), &all[t->n_translations], &why) != 0)
			trunk_spoil(t, "translation is not usable", why.text);
		else
			t->n_translations++;
	}
	t->translation = all;
}

/* "10.0.0.0/8", "2001:db8::/32", or an address alone */
static bool cidr_parse(const char *text, struct trunk_cidr *out)
{
	char host[INET6_ADDRSTRLEN];
	struct in_addr in4;
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	bool four;

	if (len >= sizeof host)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	four = inet_pton(AF_INET, host, &in4) == 1;
	memset(&out->net, 0, sizeof out->net);
	if (four) {
		out->net.s6_addr[10] = out->net.s6_addr[11] = 0xff;
		memcpy(&out->net.s6_addr[12], &in4, 4);
	} else if (inet_pton(AF_INET6, host, &out->net) != 1) {
		return false;
	}
	long bits = slash != NULL ? strtol(slash + 1, NULL, 10) : four ? 32 : 128;
	if (bits < 0 || bits > (four ? 32 : 128))
		return false;
	out->bits = (uint8_t)(four ? bits + 96 : bits);
	for (int bit = out->bits; bit < 128; bit++) /* as the look-up masks */
		out->net.s6_addr[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
	return true;
}

static void cidrs_make(struct snapshot *s, struct trunk *t, const json_t *list)
{
	size_t n = json_array_size(list);
	struct trunk_cidr *all = array_alloc(s, n, sizeof *all);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (text == NULL || !cidr_parse(text, &all[t->n_cidrs]))
			trunk_spoil(t, "source address is not usable", text != NULL ? text : "");
		else
			t->n_cidrs++;
	}
	t->cidr = all;
}

static void code_map_make(struct snapshot *s, struct trunk *t, json_t *map)
{
	const char *from;
	json_t *to;
	struct code_map *all = array_alloc(s, json_object_size(map), sizeof *all);
	json_object_foreach(map, from, to) all[t->n_code_map++] =
		(struct code_map){.from = atoi(from), .to = (int)json_integer_value(to)};
	t->code_map = all;
}

static void stop_codes_make(struct snapshot *s, struct trunk *t, const json_t *list)
{
	if (!json_is_array(list))
		return; /* none set: the default list */
	t->n_stop_codes = (int)json_array_size(list);
	int *all = arena_alloc(s->arena, ((size_t)t->n_stop_codes + 1) * sizeof *all);
	for (int i = 0; i < t->n_stop_codes; i++)
		all[i] = (int)json_integer_value(json_array_get(list, (size_t)i));
	t->stop_code = all;
}

/* Left open, a way in believes whom it trusts and always hears the wish for privacy; a way out passes on what was
 * believed, but is not trusted to keep anybody's secret. */
static void identity_make(struct trunk *t, const json_t *words)
{
	static const char *const names[IDENTITY_HEADERS] = {[IDENTITY_ASSERTED] = "p_asserted_identity",
							    [IDENTITY_REMOTE] = "remote_party_id",
							    [IDENTITY_PRIVACY] = "privacy",
							    [IDENTITY_DIVERSION] = "diversion",
							    [IDENTITY_HISTORY] = "history_info"};
	static const char *const ways[] = {"drop", "pass", "rewrite", NULL};
	bool in = t->direction == TRUNK_INGRESS;

	for (int i = 0; i < IDENTITY_HEADERS; i++) {
		bool passes = i == IDENTITY_PRIVACY ? in : !in || t->trust_pai;
		t->identity[i] =
			(enum identity_way)choice_of(words, names[i], ways, passes ? IDENTITY_PASS : IDENTITY_DROP);
	}
}

static void trunk_make_ingress(struct snapshot *s, struct trunk *t, const json_t *o)
{
	static const char *const modes[] = {"b2bua", "redirect", "proxy", NULL};
	cidrs_make(s, t, json_object_get(o, "source_cidrs"));
	t->trust_pai = flag_of(o, "trust_pai");
	t->hunt_after_media = flag_of(o, "hunt_after_media");
	t->mode = (enum trunk_mode)choice_of(o, "mode", modes, TRUNK_B2BUA);
	t->has_min_margin = money_of(o, "min_margin", &t->min_margin);
	t->has_min_margin_percent = money_of(o, "min_margin_percent", &t->min_margin_percent);
	t->has_allow_loss = json_is_boolean(json_object_get(o, "allow_loss"));
	t->allow_loss = flag_of(o, "allow_loss");
	code_map_make(s, t, json_object_get(o, "code_map"));
}

static void trunk_make_egress(struct snapshot *s, struct trunk *t, const json_t *o)
{
	static const char *const forces[] = {"", "up", "down", NULL};
	t->forced = (enum trunk_forced)choice_of(o, "forced", forces, TRUNK_NOT_FORCED);
	t->host = text_of(s, o, "host");
	t->port = (int)integer_of(o, "port");
	t->registers = flag_of(o, "register");
	t->no_response_timeout_ms = integer_of(o, "no_response_timeout") * 1000;
	t->progress_timeout_ms = integer_of(o, "progress_timeout") * 1000;
	t->ring_timeout_ms = integer_of(o, "ring_timeout") * 1000;
	t->probe_interval_ms = integer_of(o, "probe_interval") * 1000;
	stop_codes_make(s, t, json_object_get(o, "stop_codes"));
	t->max_redirects = (int)integer_of(o, "max_redirects");
	t->registered_as = integer_of(o, "registered_as");
}

static const struct deck *deck_of(const struct making *m, int64_t id)
{
	for (size_t i = 0; id != 0 && i < m->s->n_decks; i++)
		if (deck_words(m->s->deck[i])->id == id)
			return m->s->deck[i];
	for (size_t i = 0; id != 0 && i < m->n_decks; i++)
		if (deck_words(m->decks[i])->id == id)
			return m->s->deck[m->s->n_decks++] = deck_ref(m->decks[i]);
	return NULL;
}

static bool trunk_make(struct making *m, struct trunk *t, const json_t *o)
{
	static const char *const transports[] = {"udp", "tcp", "tls", NULL};
	struct snapshot *s = m->s;

	t->id = integer_of(o, "id");
	t->carrier = snapshot_carrier(s, integer_of(o, "carrier_id"));
	if (t->carrier == NULL)
		return false;
	t->name = text_of(s, o, "name");
	t->direction = strcmp(word_of(o, "direction"), "egress") == 0 ? TRUNK_EGRESS : TRUNK_INGRESS;
	t->enabled = flag_of(o, "enabled");
	t->relay_media = strcmp(word_of(o, "media"), "relay") == 0;
	t->max_channels = limit_of(o, "max_channels");
	t->max_cps = limit_of(o, "max_cps");
	t->max_duration_s = (int32_t)integer_of(o, "max_duration");
	t->session_expires_s = (int32_t)integer_of(o, "session_expires");
	t->tech_prefix = text_of(s, o, "tech_prefix");
	t->username = text_of(s, o, "username");
	t->password = text_of(s, o, "password");
	t->listen = text_of(s, o, "listen");
	t->transport = (enum trunk_transport)choice_of(o, "transport", transports, TRUNK_ANY);
	translations_make(s, t, json_object_get(o, "translations"));
	t->codec = texts_of(s, o, "codecs", &t->n_codecs);
	t->deck = deck_of(m, integer_of(o, "rate_deck_id"));
	t->gauge = m->gauges != NULL ? gauge_get(m->gauges, 't', t->id) : NULL;
	t->host = "";
	if (t->direction == TRUNK_INGRESS)
		trunk_make_ingress(s, t, o);
	else
		trunk_make_egress(s, t, o);
	identity_make(t, json_object_get(o, "identity"));
	t->pass_header = texts_of(s, o, "pass_headers", &t->n_pass_headers);
	t->allow_refer = flag_of(o, "allow_refer");
	return true;
}

static int trunks_make(struct making *m, const json_t *list, struct status *st)
{
	struct snapshot *s = m->s;
	size_t n = json_array_size(list);
	s->trunk = array_alloc(s, n, sizeof *s->trunk);
	s->deck = array_alloc(s, m->n_decks, sizeof(struct deck *));
	for (; s->n_trunks < n; s->n_trunks++)
		if (!trunk_make(m, &s->trunk[s->n_trunks], json_array_get(list, s->n_trunks)))
			return status_set(st, -EINVAL, "the configuration names a trunk of no carrier");
	if (n > 0)
		qsort(s->trunk, n, sizeof *s->trunk, id_compare);
	return 0;
}

/* ---- plans ---- */

static void members_make(struct snapshot *s, struct plan *p, const json_t *list)
{
	size_t n = json_array_size(list);
	struct plan_member *all = array_alloc(s, n, sizeof *all);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		struct plan_member *m = &all[p->n_members];
		m->trunk = snapshot_trunk(s, integer_of(o, "trunk_id"));
		if (m->trunk == NULL || m->trunk->direction != TRUNK_EGRESS)
			continue; /* cannot be called */
		m->priority = (int32_t)integer_of(o, "priority");
		m->weight = (int32_t)integer_of(o, "weight");
		m->prefix = texts_of(s, o, "prefixes", &m->n_prefixes);
		p->n_members++;
	}
	p->member = all;
	if (p->n_members > s->max_members)
		s->max_members = p->n_members;
}

static void plans_make(struct making *m, const json_t *list)
{
	static const char *const policies[] = {"lcr", "priority", "weighted", "quality", "balanced", NULL};
	struct snapshot *s = m->s;
	s->n_plans = json_array_size(list);
	s->plan = array_alloc(s, s->n_plans, sizeof *s->plan);
	for (size_t i = 0; i < s->n_plans; i++) {
		const json_t *o = json_array_get(list, i);
		struct plan *p = &s->plan[i];
		p->id = integer_of(o, "id");
		p->name = text_of(s, o, "name");
		p->policy = (enum plan_policy)choice_of(o, "policy", policies, PLAN_LCR);
		p->has_min_margin = money_of(o, "min_margin", &p->min_margin);
		p->has_min_margin_percent = money_of(o, "min_margin_percent", &p->min_margin_percent);
		p->allow_loss = flag_of(o, "allow_loss");
		p->allow_return = flag_of(o, "allow_return");
		p->max_attempts = (int)integer_of(o, "max_attempts");
		members_make(s, p, json_object_get(o, "members"));
	}
	if (s->n_plans > 0)
		qsort(s->plan, s->n_plans, sizeof *s->plan, id_compare);
}

static void plans_attach(struct snapshot *s, const json_t *trunks)
{
	for (size_t i = 0; i < json_array_size(trunks); i++) {
		const json_t *o = json_array_get(trunks, i);
		struct trunk *t = (struct trunk *)snapshot_trunk(s, integer_of(o, "id"));
		if (t != NULL)
			t->plan = snapshot_plan(s, integer_of(o, "routing_plan_id"));
	}
}

/* ---- number lists ---- */

static bool array_has(const json_t *list, int64_t id)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_integer_value(json_array_get(list, i)) == id)
			return true;
	return false;
}

static bool list_applies(const json_t *o, const struct trunk *t)
{
	const json_t *trunks = json_object_get(o, "trunk_ids"), *carriers = json_object_get(o, "carrier_ids");
	if (json_array_size(trunks) == 0 && json_array_size(carriers) == 0)
		return true;
	return array_has(trunks, t->id) || array_has(carriers, t->carrier->id);
}

static void lists_make(struct snapshot *s, const json_t *list)
{
	size_t n = json_array_size(list);
	struct number_list *all = array_alloc(s, n, sizeof *all);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		int entries;
		all[i].name = text_of(s, o, "name");
		all[i].allow = strcmp(word_of(o, "kind"), "allow") == 0;
		all[i].of_called = strcmp(word_of(o, "match"), "calling") != 0;
		all[i].entry = (const char **)texts_of(s, o, "entries", &entries);
		all[i].n = (size_t)entries;
		numberlist_finish(&all[i]);
	}
	for (size_t i = 0; i < s->n_trunks; i++) {
		struct trunk *t = &s->trunk[i];
		if (t->direction != TRUNK_INGRESS)
			continue;
		const struct number_list **of_trunk = array_alloc(s, n, sizeof *of_trunk);
		for (size_t at = 0; at < n; at++)
			if (list_applies(json_array_get(list, at), t))
				of_trunk[t->n_lists++] = &all[at];
		t->list = of_trunk;
	}
}

/* ---- number lengths ---- */

static void lengths_make(struct snapshot *s, const json_t *list)
{
	struct number_lengths *l = &s->lengths;
	size_t n = json_array_size(list);

	l->rule = array_alloc(s, n, sizeof *l->rule);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		const struct length_rule rule = {.prefix = text_of(s, o, "prefix"),
						 .min = (int)integer_of(o, "min"),
						 .max = (int)integer_of(o, "max")};
		if (digits_only(rule.prefix) && strlen(rule.prefix) <= DIGITS_MAX && rule.min <= rule.max) {
			l->rule[l->n++] = rule;
			continue;
		}
		char quoted[100];
		log_event(LOG_LEVEL_ERROR, "rule of a number's length is not usable and is left out", "prefix=%s",
			  log_quote(rule.prefix, quoted, sizeof quoted));
	}
	numberlength_finish(l);
}

/* ---- exchange rates ---- */

/* "1.085000000000" → of 10^-12; false if it is too large to be held */
static bool exchange_parse(const char *text, int64_t *out)
{
	__int128 value = 0;
	int places = -1;
	for (; *text != '\0'; text++) {
		if (*text == '.' && places < 0) {
			places = 0;
			continue;
		}
		if (*text < '0' || *text > '9' || places == 12 || value > INT64_MAX)
			return false;
		value = value * 10 + (*text - '0');
		places += places >= 0;
	}
	for (places = places < 0 ? 0 : places; places < 12 && value <= INT64_MAX; places++)
		value *= 10;
	*out = (int64_t)value;
	return value > 0 && value <= INT64_MAX;
}

static int exchange_compare(const void *pa, const void *pb)
{
	const struct exchange *a = pa, *b = pb;
	int order = strcmp(a->from, b->from);
	if (order == 0)
		order = strcmp(a->to, b->to);
	return order != 0 ? order : (a->from_us < b->from_us) - (a->from_us > b->from_us);
}

static void exchanges_make(struct snapshot *s, const json_t *list)
{
	size_t n = json_array_size(list);
	s->exchange = array_alloc(s, n, sizeof *s->exchange);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		struct exchange *e = &s->exchange[s->n_exchanges];
		currency_of(o, "from", e->from);
		currency_of(o, "to", e->to);
		e->from_us = integer_of(o, "from_us");
		s->n_exchanges++;
		if (exchange_parse(word_of(o, "rate"), &e->rate))
			continue;
		e->rate = 0; /* from then on there is none: the one before it must not live on */
		log_event(LOG_LEVEL_ERROR, "exchange rate is not usable", "from=%s to=%s", e->from, e->to);
	}
	if (s->n_exchanges > 0)
		qsort(s->exchange, s->n_exchanges, sizeof *s->exchange, exchange_compare);
}

/* ---- who may call ---- */

static int source_compare(const void *pa, const void *pb)
{
	const struct source *a = pa, *b = pb;
	if (a->bits != b->bits)
		return a->bits > b->bits ? -1 : 1;
	return memcmp(&a->net, &b->net, sizeof a->net);
}

static int digest_compare(const void *pa, const void *pb)
{
	const struct trunk *a = *(const struct trunk *const *)pa, *b = *(const struct trunk *const *)pb;
	int order = strcmp(a->username, b->username);
	return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static void sources_make(struct snapshot *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n_trunks; i++)
		n += (size_t)s->trunk[i].n_cidrs;
	s->source = array_alloc(s, n, sizeof *s->source);
	s->digest = array_alloc(s, s->n_trunks, sizeof *s->digest);
	for (size_t i = 0; i < s->n_trunks; i++) {
		const struct trunk *t = &s->trunk[i];
		if (t->direction != TRUNK_INGRESS)
			continue;
		if (t->username[0] != '\0') {
			s->digest[s->n_digest++] = t;
			continue;
		}
		for (int c = 0; c < t->n_cidrs; c++)
			s->source[s->n_sources++] =
				(struct source){.net = t->cidr[c].net, .bits = t->cidr[c].bits, .trunk = t};
	}
	if (s->n_sources > 0)
		qsort(s->source, s->n_sources, sizeof *s->source, source_compare);
	if (s->n_digest > 0)
		qsort(s->digest, s->n_digest, sizeof *s->digest, digest_compare);
}

int snapshot_make(const json_t *document, struct deck *const *decks, size_t n_decks, struct gauge_table *gauges,
		  struct snapshot **out, struct status *st)
{
	const json_t *trunks = json_object_get(document, "trunks");
	if (integer_of(document, "format") != 1 || integer_of(document, "version") < 1 || !json_is_array(trunks))
		return status_set(st, -EINVAL, "not a configuration document that this program reads");

	struct snapshot *s = xcalloc(1, sizeof *s);
	struct making m = {.s = s, .decks = decks, .n_decks = n_decks, .gauges = gauges};
	atomic_init(&s->refs, 1);
	s->arena = arena_new(ARENA_BLOCK);
	s->version = integer_of(document, "version");
	carriers_make(&m, json_object_get(document, "carriers"));
	int err = trunks_make(&m, trunks, st);
	if (err != 0) {
		snapshot_unref(&s);
		return err;
	}
	plans_make(&m, json_object_get(document, "plans"));
	plans_attach(s, trunks);
	lists_make(s, json_object_get(document, "lists"));
	lengths_make(s, json_object_get(document, "lengths"));
	exchanges_make(s, json_object_get(document, "exchange"));
	sources_make(s);
	*out = s;
	return 0;
}
