/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/trunks: a way calls come in (ingress) or go out (egress). */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/params.h"
#include "api/resource.h"
#include "api/store.h"
#include "routing/number.h"

static const char *const directions[] = {"ingress", "egress", NULL};
static const char *const medias[] = {"bypass", "relay", NULL};
static const char *const transports[] = {"udp", "tcp", "tls", NULL};
static const char *const modes[] = {"b2bua", "redirect", "proxy", NULL};
static const char *const numbers[] = {"called", "calling", NULL};

/* Is any bit of address past `bits` set? Then the network is written into out. */
static bool host_bits(const unsigned char *address, int len, int bits, unsigned char *out)
{
	bool set = false;

	for (int i = 0; i < len; i++) {
		int keep = bits - 8 * i < 0 ? 0 : bits - 8 * i > 8 ? 8 : bits - 8 * i;
		out[i] = (unsigned char)(address[i] & (0xff00 >> keep));
		set = set || out[i] != address[i];
	}
	return set;
}

static void check_cidr(const json_t *value, const char *path, struct errors *e)
{
	unsigned char address[16], net[16];
	char text[64], shown[INET6_ADDRSTRLEN], *slash, *end = NULL;

	snprintf(text, sizeof(text), "%s", json_string_value(value));
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	int len = family == AF_INET6 ? 16 : 4;
	long bits = 8L * len;
	if ((slash = strchr(text, '/')) != NULL) {
		*slash++ = '\0';
		bits = strspn(slash, "0123456789") == strlen(slash) ? strtol(slash, &end, 10) : -1;
	}
	if (inet_pton(family, text, address) != 1 || bits < 0 || bits > 8L * len ||
	    (slash != NULL && (end == slash || *end != '\0')))
		errors_add(e, path, "must be an address or a network, like \"192.0.2.0/24\"");
	else if (host_bits(address, len, (int)bits, net))
		errors_add(e, path, "has bits set beyond /%ld; the network is %s/%ld", bits,
			   inet_ntop(family, net, shown, sizeof(shown)), bits);
}

static void check_host(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);
	unsigned char address[16];

	if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
		return;
	size_t len = strlen(text);
	bool word = len <= 253 && text[0] != '-' && text[0] != '.' &&
		    text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0' &&
		    strstr(text, "..") == NULL;
	/* Digits and dots alone are a mistyped address, not a name. */
	if (!word || text[strspn(text, "0123456789.")] == '\0')
		errors_add(e, path, "must be an address or a host name, without a port");
}

static void check_word(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);

	if (text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._+")] != '\0')
		errors_add(e, path, "must be a codec's name, like \"PCMA\"");
}

static void check_username(const json_t *value, const char *path, struct errors *e)
{
	if (strpbrk(json_string_value(value), "\":\\ ") != NULL)
		errors_add(e, path, "must not hold quotes, colons, backslashes or blanks");
}

static void check_listen(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);

	if (strncmp(text, "udp:", 4) != 0 && strncmp(text, "tcp:", 4) != 0 && strncmp(text, "tls:", 4) != 0)
		errors_add(e, path, "must be a listener as [sip] listen writes it, like \"udp:192.0.2.1:5060\"");
}

static void check_prefix(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);

	if (text[strspn(text, "0123456789*#")] != '\0')
		errors_add(e, path, "must be digits, * and #");
}

static void check_translation(const json_t *value, const char *path, struct errors *e)
{
	const char *number = json_string_value(json_object_get(value, "number"));
	const char *match = json_string_value(json_object_get(value, "match"));
	const char *replace = json_string_value(json_object_get(value, "replace"));
	struct translation *compiled = NULL;
	struct status st = {0};
	char inner[200];

	if (number == NULL || match == NULL || replace == NULL)
		return; /* already said */
	if (translation_compile(strcmp(number, "called") == 0, match, replace, &compiled, &st) != 0) {
		snprintf(inner, sizeof(inner), "%s.match", path);
		errors_add(e, inner, "%s", st.text);
	}
	translation_free(&compiled);
}

/* A header that we write, follow or judge ourselves would do harm in another's words. */
static void check_header(const json_t *value, const char *path, struct errors *e)
{
	static const char *const ours[] = {"Via",
					   "From",
					   "To",
					   "Call-ID",
					   "CSeq",
					   "Contact",
					   "Route",
					   "Record-Route",
					   "Max-Forwards",
					   "Path",
					   "Service-Route",
					   "Allow",
					   "Require",
					   "Proxy-Require",
					   "Supported",
					   "Unsupported",
					   "RSeq",
					   "RAck",
					   "Session-Expires",
					   "Min-SE",
					   "Authorization",
					   "Proxy-Authorization",
					   "WWW-Authenticate",
					   "Proxy-Authenticate",
					   "Authentication-Info",
					   "Content-Length",
					   "Content-Type",
					   "Content-Disposition",
					   "Content-Encoding",
					   "MIME-Version",
					   "Event",
					   "Subscription-State",
					   "Refer-To",
					   "Refer-Sub",
					   "Replaces",
					   "Join",
					   "Expires",
					   "Min-Expires",
					   "Retry-After",
					   "Timestamp",
					   NULL};
	static const char *const said[] = {"P-Asserted-Identity", "Remote-Party-ID", "Privacy",
					   "Diversion",		  "History-Info",    NULL};
	static const char compact[] = "abcdefijklmnorstuvxy"; /* RFC 3261 section 7.3.3 and later ones */
	const char *name = json_string_value(value);

	if (name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")] != '\0' ||
	    (name[1] == '\0' && strchr(compact, tolower((unsigned char)name[0])) != NULL)) {
		errors_add(e, path, "must be the name of a header, in full, like \"X-Account\"");
		return;
	}
	for (int i = 0; said[i] != NULL; i++)
		if (strcasecmp(name, said[i]) == 0)
			errors_add(e, path, "%s is told how to cross by identity", said[i]);
	for (int i = 0; ours[i] != NULL; i++)
		if (strcasecmp(name, ours[i]) == 0)
			errors_add(e, path, "%s belongs to one side of a call alone: it can't cross", ours[i]);
}

static const char *const ways[] = {"drop", "pass", "rewrite", NULL};
#define IDENTITY(header, text)                                                                                         \
	{                                                                                                              \
		.name = (header), .type = FIELD_CHOICE, .flags = FIELD_NULLABLE, .choices = ways,                      \
		.example = "\"pass\"", .meaning = (text)                                                               \
	}
static const struct field identity_fields[] = {
	IDENTITY("p_asserted_identity", "P-Asserted-Identity (RFC 3325)."),
	IDENTITY("remote_party_id", "Remote-Party-ID."),
	IDENTITY("privacy", "Privacy (RFC 3323). Egress: pass, to a vendor that keeps the number to itself; drop: it "
			    "is not told the number."),
	IDENTITY("diversion", "Diversion (RFC 5806)."),
	IDENTITY("history_info", "History-Info (RFC 7044)."),
};
static const struct field header_item = {
	.type = FIELD_TEXT, .min = 1, .max = 64, .check = check_header, .example = "\"X-Account\""};

static const struct field translation_fields[] = {
	{.name = "number",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = numbers,
	 .example = "\"called\"",
	 .meaning = "Which number it rewrites."},
	{.name = "match",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 1,
	 .max = 500,
	 .example = "\"^00(.*)$\"",
	 .meaning = "PCRE2 pattern; without a match nothing changes."},
	{.name = "replace",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED,
	 .min = 0,
	 .max = 200,
	 .example = "\"$1\"",
	 .meaning = "What the match becomes; $0 to $9 are its groups."},
};
static const struct field translation_item = {
	.type = FIELD_OBJECT, .item = translation_fields, .items = 3, .check = check_translation};
static const struct field codec_item = {
	.type = FIELD_TEXT, .min = 1, .max = 32, .check = check_word, .example = "\"PCMA\""};
static const struct field cidr_item = {
	.type = FIELD_TEXT, .min = 1, .max = 50, .check = check_cidr, .example = "\"192.0.2.0/24\""};
static const struct field code_item = {.type = FIELD_INT, .min = 300, .max = 699, .example = "486"};

static const struct field fields[] = {
	FIELD_OWN_ID,
	FIELD_CARRIER(FIELD_REQUIRED, "The carrier that it belongs to."),
	FIELD_OWN_NAME("\"acme-in\"", "Name, unique within the carrier."),
	{.name = "direction",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED | FIELD_FIXED,
	 .choices = directions,
	 .example = "\"ingress\"",
	 .meaning = "ingress: calls come in; egress: calls go out. Set once."},
	{.name = "enabled",
	 .type = FIELD_BOOL,
	 .fallback = "true",
	 .example = "true",
	 .meaning = "A disabled trunk's calls are refused (403), and it gets none."},
	{.name = "max_channels",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .example = "100",
	 .meaning = "Calls at a time. Null: no limit."},
	{.name = "max_cps",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .example = "10",
	 .meaning = "Call attempts a second. Null: no limit."},
	{.name = "translations",
	 .type = FIELD_LIST,
	 .max = 50,
	 .fallback = "[]",
	 .item = &translation_item,
	 .items = 1,
	 .meaning = "Number rewriting, in order: on the way in for ingress, on the way out for egress."},
	{.name = "codecs",
	 .type = FIELD_LIST,
	 .max = 32,
	 .fallback = "[]",
	 .item = &codec_item,
	 .items = 1,
	 .meaning = "Codecs that may pass, best first. Empty: all."},
	{.name = "identity",
	 .type = FIELD_OBJECT,
	 .item = identity_fields,
	 .items = sizeof(identity_fields) / sizeof(*identity_fields),
	 .fallback =
		 "{\"p_asserted_identity\": null, \"remote_party_id\": null, \"privacy\": null, \"diversion\": null, "
		 "\"history_info\": null}",
	 .meaning = "What becomes of the headers that say who calls: drop, pass (hosts become ours), rewrite (its "
		    "numbers go through "
		    "the calling translations; egress: made anew from the number that the vendor is told). Null: the "
		    "usual."},
	{.name = "pass_headers",
	 .type = FIELD_LIST,
	 .max = 32,
	 .fallback = "[]",
	 .item = &header_item,
	 .items = 1,
	 .meaning = "Further headers that cross as they are, where the other side's trunk lists them, too."},
	{.name = "allow_refer",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "A REFER (transfer) inside a call crosses, where the other side's trunk allows it, too; else it is "
		    "declined (603). Ingress: INVITE with Replaces takes calls over."},
	{.name = "media",
	 .type = FIELD_CHOICE,
	 .choices = medias,
	 .fallback = "\"bypass\"",
	 .example = "\"bypass\"",
	 .meaning = "bypass: media flows between the parties; relay: through rtpengine."},
	{.name = "session_expires",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .min = 90,
	 .max = 86400,
	 .example = "1800",
	 .meaning = "Session timer (RFC 4028) in seconds. Null: none is asked for."},
	{.name = "max_duration",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = INT32_MAX,
	 .example = "14400",
	 .meaning = "Longest call in seconds. Null: no limit. Needs mode b2bua."},
	{.name = "listen",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = 80,
	 .check = check_listen,
	 .example = "\"udp:192.0.2.1:5060\"",
	 .meaning = "The listener that an ingress trunk's calls must come to, and an egress trunk's leave by. Null: "
		    "any that fits its transport."},
	{.name = "transport",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_NULLABLE,
	 .choices = transports,
	 .example = "\"udp\"",
	 .meaning = "Transport. Null: any for ingress; by DNS or UDP for egress."},
	{.name = "tech_prefix",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 16,
	 .check = check_prefix,
	 .example = "\"1234#\"",
	 .meaning = "Stripped from the called number on the way in, put before it on the way out."},
	{.name = "username",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE,
	 .min = 1,
	 .max = 64,
	 .check = check_username,
	 .example = "\"acme\"",
	 .meaning = "Digest user: whom we challenge (ingress), or whom we are (egress)."},
	{.name = "password",
	 .type = FIELD_TEXT,
	 .flags = FIELD_NULLABLE | FIELD_WRITE_ONLY,
	 .min = 1,
	 .max = 128,
	 .example = "\"s3cret\"",
	 .meaning = "Digest password. Never shown."},
	{.name = "rate_deck_id",
	 .type = FIELD_ID,
	 .flags = FIELD_NULLABLE,
	 .refers = "rate-decks",
	 .example = "1",
	 .meaning = "Sell deck (ingress) or buy deck (egress), in the carrier's currency."},
	{.name = "source_cidrs",
	 .type = FIELD_LIST,
	 .flags = FIELD_INGRESS,
	 .max = 256,
	 .fallback = "[]",
	 .item = &cidr_item,
	 .items = 1,
	 .meaning = "Addresses and networks that its calls come from."},
	{.name = "routing_plan_id",
	 .type = FIELD_ID,
	 .flags = FIELD_INGRESS | FIELD_NULLABLE | FIELD_INTERNAL,
	 .refers = "routing-plans",
	 .example = "1",
	 .meaning = "Which vendors its calls may go to."},
	{.name = "trust_pai",
	 .type = FIELD_BOOL,
	 .flags = FIELD_INGRESS,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "The calling number is P-Asserted-Identity's, where there is one."},
	{.name = "min_margin",
	 .type = FIELD_MONEY,
	 .flags = FIELD_INGRESS | FIELD_NULLABLE | FIELD_INTERNAL,
	 .example = "\"0.001000\"",
	 .meaning = "Least margin a minute of talk, in the sell currency. Null: as the plan says."},
	{.name = "min_margin_percent",
	 .type = FIELD_MONEY,
	 .flags = FIELD_INGRESS | FIELD_NULLABLE | FIELD_INTERNAL,
	 .example = "\"5.000000\"",
	 .meaning = "Least margin as a share of what a call earns. Null: as the plan says."},
	{.name = "allow_loss",
	 .type = FIELD_BOOL,
	 .flags = FIELD_INGRESS | FIELD_NULLABLE | FIELD_INTERNAL,
	 .example = "false",
	 .meaning = "Routes that cost more than they earn are allowed. Null: as the plan says."},
	{.name = "hunt_after_media",
	 .type = FIELD_BOOL,
	 .flags = FIELD_INGRESS | FIELD_INTERNAL,
	 .fallback = "true",
	 .example = "true",
	 .meaning = "After early media the next vendor is still tried, in a new early dialog."},
	{.name = "code_map",
	 .type = FIELD_CODES,
	 .flags = FIELD_INGRESS | FIELD_INTERNAL,
	 .fallback = "{}",
	 .example = "{\"503\": 480}",
	 .meaning = "Final answers that the caller is shown otherwise."},
	{.name = "mode",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_INGRESS | FIELD_INTERNAL,
	 .choices = modes,
	 .fallback = "\"b2bua\"",
	 .example = "\"b2bua\"",
	 .meaning = "How its calls are carried: b2bua, redirect (302) or stateful proxy (see docs/trunks.md)."},
	{.name = "host",
	 .type = FIELD_TEXT,
	 .flags = FIELD_EGRESS | FIELD_NULLABLE,
	 .min = 1,
	 .max = 253,
	 .check = check_host,
	 .example = "\"sip.vendor.example\"",
	 .meaning = "Address or name of the vendor. Needed unless registered_as is set."},
	{.name = "port",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS | FIELD_NULLABLE,
	 .min = 1,
	 .max = 65535,
	 .example = "5060",
	 .meaning = "Port. Null: by DNS, or the transport's default."},
	{.name = "register",
	 .type = FIELD_BOOL,
	 .flags = FIELD_EGRESS,
	 .fallback = "false",
	 .example = "false",
	 .meaning = "We keep a registration with the vendor."},
	{.name = "probe_interval",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS,
	 .min = 0,
	 .max = 3600,
	 .fallback = "0",
	 .example = "30",
	 .meaning = "Seconds between OPTIONS probes. 0: none."},
	{.name = "no_response_timeout",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS,
	 .min = 1,
	 .max = 64,
	 .fallback = "4",
	 .example = "4",
	 .meaning = "Seconds to the first answer of any kind; then the next vendor is tried."},
	{.name = "progress_timeout",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS,
	 .min = 1,
	 .max = 300,
	 .fallback = "15",
	 .example = "15",
	 .meaning = "Seconds from 100 to the first 18x; then the next vendor is tried."},
	{.name = "ring_timeout",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS,
	 .min = 1,
	 .max = 3600,
	 .fallback = "120",
	 .example = "120",
	 .meaning = "Seconds from the first 18x to the answer; then the next vendor is tried."},
	{.name = "stop_codes",
	 .type = FIELD_LIST,
	 .flags = FIELD_EGRESS | FIELD_NULLABLE,
	 .max = 64,
	 .item = &code_item,
	 .items = 1,
	 .meaning = "Final answers that end the hunt. Null: 486, 487, 600, 603, 604, 606, 607, 608."},
	{.name = "max_redirects",
	 .type = FIELD_INT,
	 .flags = FIELD_EGRESS,
	 .min = 0,
	 .max = 10,
	 .fallback = "0",
	 .example = "0",
	 .meaning = "How many 3xx answers are followed."},
	{.name = "registered_as",
	 .type = FIELD_ID,
	 .flags = FIELD_EGRESS | FIELD_NULLABLE,
	 .refers = "trunks",
	 .example = "7",
	 .meaning = "Ingress trunk whose registration gives this one its address."},
	FIELDS_HISTORY,
};

static bool is_set(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return value != NULL && !json_is_null(value);
}

/* Fields of the other direction must stand at their defaults. */
static void check_direction(const json_t *object, bool ingress, struct errors *e)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const struct field *f = &fields[i];
		if (!(f->flags & (ingress ? FIELD_EGRESS : FIELD_INGRESS)))
			continue;
		json_t *usual = f->fallback != NULL ? json_loads(f->fallback, JSON_DECODE_ANY, NULL) : json_null();
		if (!json_equal(json_object_get(object, f->name), usual))
			errors_add(e, f->name, "is only for %s trunks", ingress ? "egress" : "ingress");
		json_decref(usual);
	}
}

static void check(json_t *object, struct errors *e)
{
	bool ingress = strcmp(json_string_value(json_object_get(object, "direction")), "ingress") == 0;

	check_direction(object, ingress, e);
	if (is_set(object, "password") && !is_set(object, "username"))
		errors_add(e, "password", "needs a username");
	if (ingress && is_set(object, "username") && !is_set(object, "password"))
		errors_add(e, "password", "is required with a username: nobody could prove to be that user");
	if (json_is_true(json_object_get(object, "register")) && !is_set(object, "username"))
		errors_add(e, "register", "needs a username");
	if (!ingress && !is_set(object, "host") && !is_set(object, "registered_as"))
		errors_add(e, "host", "is required unless registered_as is set");
	if (!ingress && is_set(object, "host") && is_set(object, "registered_as"))
		errors_add(e, "registered_as", "can't be combined with host: it gives the address");
}

const struct resource trunks = {
	.collection = "trunks",
	.noun = "trunk",
	.meaning = "A way calls come in (ingress) or go out (egress).",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.configures = true,
	.list = &store_trunk_list,
	.get = &store_trunk_get,
	.lock = &store_trunk_lock,
	.insert = &store_trunk_insert,
	.update = &store_trunk_update,
	.remove = &store_trunk_delete,
	.faults = &store_trunk_faults,
	.users = &store_trunk_users,
	.check = check,
};

static const struct param_rule rules[] = {
	{"carrier_id", PARAM_ID, NULL, "of this carrier"},
	{"direction", PARAM_CHOICE, directions, "of this direction"},
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"enabled", PARAM_BOOL, NULL, "enabled or not"},
	{"rate_deck_id", PARAM_ID, NULL, "with this deck"},
	{"routing_plan_id", PARAM_ID, NULL, "with this plan"},
	PARAM_DRY_RUN,
	PARAM_ALL,
};
#define RULES (sizeof(rules) / sizeof(*rules))

const struct params trunks_filters = {rules, RULES - 2};
const struct params trunks_many = {rules, RULES};
