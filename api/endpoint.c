/* SPDX-License-Identifier: Apache-2.0 */
#include "api/endpoint.h"

#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "api/resource.h"
#include "lib/uuid.h"

#define RULES(table)                                                                                                   \
	&(const struct params)                                                                                         \
	{                                                                                                              \
		table, sizeof(table) / sizeof(*table)                                                                  \
	}

static const char *const statuses[] = {"active", "suspended", NULL};
static const char *const sides[] = {"sell", "buy", NULL};
static const char *const policies[] = {"lcr", "priority", "weighted", "quality", "balanced", NULL};
static const char *const list_kinds[] = {"block", "allow", NULL};
static const char *const matches[] = {"called", "calling", NULL};
static const char *const booking_kinds[] = {"payment", "charge", "cost", "adjustment", "tax", "rerate", NULL};
static const char *const alert_kinds[] = {"low_balance", "vendor_limit", NULL};
static const char *const roles[] = {"admin", "provisioning", "finance", "readonly", NULL};
static const char *const job_statuses[] = {"queued", "running", "done", "failed", NULL};
static const char *const invoice_statuses[] = {"draft", "issued", "void", NULL};
static const char *const call_states[] = {"routing", "ringing", "answered", NULL};

static const struct param_rule carrier_params[] = {
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"status", PARAM_CHOICE, statuses, "with this status"},
	{"currency", PARAM_TEXT, NULL, "with this currency"},
};
/* The filters of a listing are the first ones of what changes many. */
#define FILTERS_OF(table)                                                                                              \
	&(const struct params)                                                                                         \
	{                                                                                                              \
		table, sizeof(table) / sizeof(*table) - 2                                                              \
	}

static const struct param_rule deck_params[] = {
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"side", PARAM_CHOICE, sides, "of this side"},
	{"currency", PARAM_TEXT, NULL, "with this currency"},
};
static const struct param_rule rate_params[] = {
	{"prefix", PARAM_DIGITS, NULL, "of this prefix"},
	{"prefix_starts", PARAM_DIGITS, NULL, "whose prefix starts so"},
	{"number", PARAM_DIGITS, NULL, "whose prefix this number starts with"},
	{"at", PARAM_TIME, NULL, "in force at this time"},
	{"blocked", PARAM_BOOL, NULL, "blocked or not"},
	{"destination", PARAM_TEXT, NULL, "of this destination"},
};
static const struct param_rule import_run_params[] = {
	{"dry_run", PARAM_BOOL, NULL, "only report what would change"},
	{"replace", PARAM_BOOL, NULL, "end every rate that the file lacks"},
};
static const struct param_rule rollback_params[] = {
	{"dry_run", PARAM_BOOL, NULL, "only report what would change"},
};
static const struct param_rule import_params[] = {
	{"rate_deck_id", PARAM_ID, NULL, "into this deck"},
	{"status", PARAM_CHOICE, job_statuses, "with this status"},
};
static const struct param_rule import_change_params[] = {
	{"kind", PARAM_CHOICE, import_change_kinds, "of this kind"},
	{"prefix_starts", PARAM_DIGITS, NULL, "whose prefix starts so"},
	{"short_notice", PARAM_BOOL, NULL, "increases within the notice period"},
};
static const struct param_rule plan_params[] = {
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"policy", PARAM_CHOICE, policies, "with this policy"},
};
static const struct param_rule list_params[] = {
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"kind", PARAM_CHOICE, list_kinds, "of this kind"},
	{"match", PARAM_CHOICE, matches, "that look at this number"},
};
static const struct param_rule length_params[] = {
	{"prefix", PARAM_DIGITS, NULL, "of exactly this prefix"},
};
static const struct param_rule exchange_params[] = {
	{"from", PARAM_TEXT, NULL, "from this currency"},
	{"to", PARAM_TEXT, NULL, "to this currency"},
	{"at", PARAM_TIME, NULL, "in force at this time"},
};
static const struct param_rule payment_params[] = {
	{"carrier_id", PARAM_ID, NULL, "of this carrier"},
	{"from", PARAM_TIME, NULL, "booked at or after"},
	{"to", PARAM_TIME, NULL, "booked before"},
};
static const struct param_rule ledger_params[] = {
	{"carrier_id", PARAM_ID, NULL, "of this carrier"}, {"kind", PARAM_CHOICE, booking_kinds, "of this kind"},
	{"cdr_id", PARAM_UUID, NULL, "for this call"},	   {"from", PARAM_TIME, NULL, "booked at or after"},
	{"to", PARAM_TIME, NULL, "booked before"},
};
static const struct param_rule correction_params[] = {
	{"carrier_id", PARAM_ID, NULL, "of this carrier's calls"},
	{"cdr_id", PARAM_UUID, NULL, "of this call"},
	{"side", PARAM_CHOICE, sides, "as a customer (sell) or as a vendor (buy)"},
	{"from", PARAM_TIME, NULL, "booked at or after"},
	{"to", PARAM_TIME, NULL, "booked before"},
};
static const struct param_rule alert_params[] = {
	{"carrier_id", PARAM_ID, NULL, "about this carrier"},
	{"kind", PARAM_CHOICE, alert_kinds, "of this kind"},
	{"standing", PARAM_BOOL, NULL, "that stand, or that are cleared"},
};
static const struct param_rule key_params[] = {
	{"name", PARAM_TEXT, NULL, "with this name"},
	{"role", PARAM_CHOICE, roles, "with this role"},
	{"carrier_id", PARAM_ID, NULL, "bound to this carrier"},
};
static const struct param_rule audit_params[] = {
	{"actor", PARAM_TEXT, NULL, "by this actor"},
	{"action", PARAM_TEXT, NULL, "with this action"},
	{"resource", PARAM_TEXT, NULL, "of this collection"},
	{"resource_id", PARAM_TEXT, NULL, "of this object"},
	{"from", PARAM_TIME, NULL, "at or after"},
	{"to", PARAM_TIME, NULL, "before"},
};
static const struct param_rule cdr_params[] = {
	{"from", PARAM_TIME, NULL, "started at or after"},
	{"to", PARAM_TIME, NULL, "started before"},
	{"carrier_id", PARAM_ID, NULL, "from or to this carrier"},
	{"trunk_id", PARAM_ID, NULL, "in or out by this trunk"},
	{"called", PARAM_NUMBER, NULL, "exactly this called number, as received"},
	{"calling", PARAM_NUMBER, NULL, "exactly this calling number, as received"},
	{"called_prefix", PARAM_DIGITS, NULL, "called numbers that start so (a leading + aside)"},
	{"sip_code", PARAM_INT, NULL, "with this final answer"},
	{"answered", PARAM_BOOL, NULL, "answered or not"},
};
static const struct param_rule invoice_params[] = {
	{"carrier_id", PARAM_ID, NULL, "for this carrier"},
	{"side", PARAM_CHOICE, sides, "of this side"},
	{"status", PARAM_CHOICE, invoice_statuses, "with this status"},
};
static const struct param_rule export_option_params[] = {
	{"carrier_id", PARAM_ID, NULL, "of this carrier"},
	{"side", PARAM_CHOICE, sides, "of this side"},
};
static const struct param_rule vendor_health_params[] = {
	{"trunk_id", PARAM_ID, NULL, "of this egress trunk"},
	{"node", PARAM_TEXT, NULL, "as this node sees it"},
};
static const struct param_rule vendor_quality_params[] = {
	{"trunk_id", PARAM_ID, NULL, "of this egress trunk"},
	{"destination", PARAM_TEXT, NULL, "to this destination"},
};
static const struct param_rule vendor_event_params[] = {
	{"trunk_id", PARAM_ID, NULL, "of this egress trunk"},
};
static const struct param_rule vendor_force_params[] = {
	{"trunk_id", PARAM_ID, NULL, "of this trunk"},
};
static const char *const stats_groups[] = {"carrier", "trunk", "destination", "hour", NULL};
static const char *const stats_sides[] = {"ingress", "egress", NULL};
static const struct param_rule stats_params[] = {
	{"group_by", PARAM_CHOICES, stats_groups,
	 "an item for each of these: carrier, trunk, destination, hour, or several of them, as in hour,destination "
	 "(needed)"},
	{"side", PARAM_CHOICE, stats_sides,
	 "carrier and trunk are the customer's (ingress, the default) or the last vendor's"},
	{"from", PARAM_TIME, NULL,
	 "hours that begin at or after; UTC days where a carrier or trunk meets a destination; seven days before to"},
	{"to", PARAM_TIME, NULL, "hours or days that begin before; now"},
	{"carrier_id", PARAM_ID, NULL, "only of this carrier"},
	{"trunk_id", PARAM_ID, NULL, "only of this trunk"},
	{"destination", PARAM_TEXT, NULL, "only to this destination; by hour only without carrier and trunk"},
};
static const struct param_rule call_params[] = {
	{"node", PARAM_TEXT, NULL, "on this node"},
	{"state", PARAM_CHOICE, call_states, "in this state"},
	{"ingress_trunk_id", PARAM_ID, NULL, "in by this trunk"},
	{"egress_trunk_id", PARAM_ID, NULL, "out by this trunk"},
	{"carrier_id", PARAM_ID, NULL, "from or to this carrier"},
	{"trunk_id", PARAM_ID, NULL, "in or out by this trunk"},
	{"called", PARAM_NUMBER, NULL, "exactly this called number"},
	{"calling", PARAM_NUMBER, NULL, "exactly this calling number"},
	{"called_prefix", PARAM_DIGITS, NULL, "called numbers that start so (a leading + aside)"},
	PARAM_DRY_RUN,
	PARAM_ALL,
};

#define LISTED(path, res, params, flags, summary)                                                                      \
	{                                                                                                              \
		REQUEST_GET, path, resource_list, ROLE_READONLY, ENDPOINT_LIST | (flags), res, params, summary         \
	}
#define READ(path, res, flags, summary)                                                                                \
	{                                                                                                              \
		REQUEST_GET, path, resource_get, ROLE_READONLY, flags, res, NULL, summary                              \
	}
#define MADE(path, res, role, summary)                                                                                 \
	{                                                                                                              \
		REQUEST_POST, path, resource_create, role, 0, res, NULL, summary                                       \
	}
#define CHANGED(path, res, role, summary)                                                                              \
	{                                                                                                              \
		REQUEST_PATCH, path, resource_update, role, 0, res, NULL, summary                                      \
	}
#define REMOVED(path, res, role, summary)                                                                              \
	{                                                                                                              \
		REQUEST_DELETE, path, resource_remove, role, 0, res, NULL, summary                                     \
	}

const struct endpoint endpoints[] = {
	LISTED("/v1/carriers", &carriers, RULES(carrier_params), ENDPOINT_BOUND, "List carriers"),
	MADE("/v1/carriers", &carriers, ROLE_PROVISIONING, "Create a carrier"),
	READ("/v1/carriers/{id}", &carriers, ENDPOINT_BOUND, "Read a carrier"),
	CHANGED("/v1/carriers/{id}", &carriers, ROLE_PROVISIONING, "Change a carrier"),
	REMOVED("/v1/carriers/{id}", &carriers, ROLE_PROVISIONING, "Delete a carrier"),

	LISTED("/v1/trunks", &trunks, &trunks_filters, ENDPOINT_BOUND, "List trunks"),
	MADE("/v1/trunks", &trunks, ROLE_PROVISIONING, "Create a trunk"),
	{REQUEST_PATCH, "/v1/trunks", resource_update_many, ROLE_PROVISIONING, ENDPOINT_MANY, &trunks, &trunks_many,
	 "Change all trunks that the filters name, all or none"},
	READ("/v1/trunks/{id}", &trunks, ENDPOINT_BOUND, "Read a trunk"),
	CHANGED("/v1/trunks/{id}", &trunks, ROLE_PROVISIONING, "Change a trunk"),
	REMOVED("/v1/trunks/{id}", &trunks, ROLE_PROVISIONING, "Delete a trunk"),

	LISTED("/v1/rate-decks", &rate_decks, RULES(deck_params), ENDPOINT_BOUND, "List rate decks"),
	MADE("/v1/rate-decks", &rate_decks, ROLE_PROVISIONING, "Create a rate deck"),
	READ("/v1/rate-decks/{id}", &rate_decks, ENDPOINT_BOUND, "Read a rate deck"),
	CHANGED("/v1/rate-decks/{id}", &rate_decks, ROLE_PROVISIONING, "Change a rate deck"),
	REMOVED("/v1/rate-decks/{id}", &rate_decks, ROLE_PROVISIONING, "Delete a rate deck and its rates"),

	LISTED("/v1/rate-decks/{parent}/rates", &rates, RULES(rate_params), ENDPOINT_BOUND,
	       "List a deck's rates, by prefix"),
	MADE("/v1/rate-decks/{parent}/rates", &rates, ROLE_PROVISIONING,
	     "Add a rate; it ends the earlier one of its prefix"),
	READ("/v1/rate-decks/{parent}/rates/{id}", &rates, ENDPOINT_BOUND, "Read a rate"),
	CHANGED("/v1/rate-decks/{parent}/rates/{id}", &rates, ROLE_PROVISIONING, "Change a rate in place"),
	REMOVED("/v1/rate-decks/{parent}/rates/{id}", &rates, ROLE_PROVISIONING,
		"Delete a rate; the one that it ended holds on"),

	{REQUEST_POST, "/v1/rate-decks/{parent}/imports", imports_create, ROLE_PROVISIONING, ENDPOINT_CSV, &imports,
	 RULES(import_run_params), "Import rates from CSV, all or nothing; the answer is a job"},
	LISTED("/v1/imports", &imports, RULES(import_params), 0, "List import jobs, newest first"),
	READ("/v1/imports/{id}", &imports, ENDPOINT_KEPT, "Read an import job"),

	LISTED("/v1/imports/{parent}/changes", &import_changes, RULES(import_change_params), 0,
	       "List what an import would change, by prefix"),

	LISTED("/v1/rate-decks/{parent}/versions", &rate_versions, NULL, 0,
	       "List what was imported into a deck, newest first"),
	{REQUEST_POST, "/v1/rate-decks/{parent}/rollbacks", rollbacks_create, ROLE_PROVISIONING, ENDPOINT_JOB, &imports,
	 RULES(rollback_params), "Bring back the rates of a version; the answer is a job"},

	LISTED("/v1/routing-plans", &routing_plans, RULES(plan_params), 0, "List routing plans"),
	MADE("/v1/routing-plans", &routing_plans, ROLE_PROVISIONING, "Create a routing plan"),
	READ("/v1/routing-plans/{id}", &routing_plans, 0, "Read a routing plan"),
	CHANGED("/v1/routing-plans/{id}", &routing_plans, ROLE_PROVISIONING, "Change a routing plan"),
	REMOVED("/v1/routing-plans/{id}", &routing_plans, ROLE_PROVISIONING, "Delete a routing plan"),

	LISTED("/v1/number-lists", &number_lists, RULES(list_params), 0, "List number lists"),
	MADE("/v1/number-lists", &number_lists, ROLE_PROVISIONING, "Create a number list"),
	READ("/v1/number-lists/{id}", &number_lists, 0, "Read a number list"),
	CHANGED("/v1/number-lists/{id}", &number_lists, ROLE_PROVISIONING, "Change a number list"),
	REMOVED("/v1/number-lists/{id}", &number_lists, ROLE_PROVISIONING, "Delete a number list"),

	LISTED("/v1/number-lengths", &number_lengths, RULES(length_params), 0, "List number lengths"),
	MADE("/v1/number-lengths", &number_lengths, ROLE_PROVISIONING, "Create a number length"),
	READ("/v1/number-lengths/{id}", &number_lengths, 0, "Read a number length"),
	CHANGED("/v1/number-lengths/{id}", &number_lengths, ROLE_PROVISIONING, "Change a number length"),
	REMOVED("/v1/number-lengths/{id}", &number_lengths, ROLE_PROVISIONING, "Delete a number length"),

	LISTED("/v1/exchange-rates", &exchange_rates, RULES(exchange_params), 0, "List exchange rates"),
	MADE("/v1/exchange-rates", &exchange_rates, ROLE_FINANCE, "Add an exchange rate"),
	READ("/v1/exchange-rates/{id}", &exchange_rates, ENDPOINT_KEPT, "Read an exchange rate"),
	REMOVED("/v1/exchange-rates/{id}", &exchange_rates, ROLE_FINANCE, "Delete an exchange rate"),

	LISTED("/v1/invoice-senders", &invoice_senders, NULL, 0, "List who sends invoices, and from when"),
	MADE("/v1/invoice-senders", &invoice_senders, ROLE_FINANCE, "Say who sends invoices"),
	READ("/v1/invoice-senders/{id}", &invoice_senders, ENDPOINT_KEPT, "Read a sender"),
	REMOVED("/v1/invoice-senders/{id}", &invoice_senders, ROLE_FINANCE, "Delete a sender; invoices keep theirs"),

	{REQUEST_POST, "/v1/route-lookups", route_lookup, ROLE_READONLY, 0, &route_lookups, NULL,
	 "Where a call would go, without placing it"},

	{REQUEST_GET, "/v1/calls", calls_list, ROLE_READONLY, ENDPOINT_LIST, &calls, FILTERS_OF(call_params),
	 "List live calls of all nodes, oldest first"},
	{REQUEST_DELETE, "/v1/calls", calls_hangup_many, ROLE_PROVISIONING, ENDPOINT_MANY, &calls, RULES(call_params),
	 "Hang up all live calls that the filters name"},
	{REQUEST_GET, "/v1/calls/events", calls_events, ROLE_READONLY, ENDPOINT_STREAM, &calls, NULL,
	 "Live calls as server-sent events: call.started, call.updated, call.ended"},
	{REQUEST_GET, "/v1/calls/{id}", calls_get, ROLE_READONLY, ENDPOINT_UUID, &calls, NULL, "Read a live call"},
	{REQUEST_DELETE, "/v1/calls/{id}", calls_hangup, ROLE_PROVISIONING, ENDPOINT_UUID, &calls, NULL,
	 "Hang up a live call"},

	{REQUEST_GET, "/v1/cdrs", cdrs_list, ROLE_READONLY, ENDPOINT_LIST | ENDPOINT_BOUND, &cdrs, RULES(cdr_params),
	 "List CDRs, newest first"},
	{REQUEST_GET, "/v1/cdrs/{id}", cdrs_get, ROLE_READONLY,
	 ENDPOINT_BOUND | ENDPOINT_UUID | ENDPOINT_RECALL | ENDPOINT_KEPT, &cdrs, NULL,
	 "Read a CDR with its attempts and routing trace"},

	{REQUEST_GET, "/v1/vendor-health", vendor_health_list, ROLE_READONLY, ENDPOINT_WHOLE, &vendor_health,
	 RULES(vendor_health_params), "List which vendors' addresses are up, as each node sees it"},
	{REQUEST_GET, "/v1/vendor-quality", vendor_quality_list, ROLE_READONLY, ENDPOINT_WHOLE, &vendor_quality,
	 RULES(vendor_quality_params), "List how vendors complete calls to a destination, over the last hour"},
	{REQUEST_GET, "/v1/vendor-events", vendor_events_list, ROLE_READONLY, ENDPOINT_WHOLE, &vendor_events,
	 RULES(vendor_event_params), "List changes of vendors' standing, newest first"},
	LISTED("/v1/vendor-forces", &vendor_forces, RULES(vendor_force_params), 0,
	       "List vendors that are forced up or down"),
	MADE("/v1/vendor-forces", &vendor_forces, ROLE_PROVISIONING, "Force a vendor's trunk up or down"),
	READ("/v1/vendor-forces/{id}", &vendor_forces, ENDPOINT_KEPT, "Read a force"),
	REMOVED("/v1/vendor-forces/{id}", &vendor_forces, ROLE_PROVISIONING, "Let what is observed hold again"),

	LISTED("/v1/payments", &payments, RULES(payment_params), ENDPOINT_BOUND, "List payments, newest first"),
	MADE("/v1/payments", &payments, ROLE_FINANCE, "Book a payment"),
	READ("/v1/payments/{id}", &payments, ENDPOINT_BOUND | ENDPOINT_KEPT, "Read a payment"),
	LISTED("/v1/adjustments", &adjustments, RULES(payment_params), ENDPOINT_BOUND,
	       "List adjustments booked by hand, newest first"),
	MADE("/v1/adjustments", &adjustments, ROLE_FINANCE, "Book an adjustment"),
	READ("/v1/adjustments/{id}", &adjustments, ENDPOINT_BOUND | ENDPOINT_KEPT, "Read an adjustment"),
	LISTED("/v1/ledger", &ledger, RULES(ledger_params), ENDPOINT_BOUND, "List bookings, newest first"),
	READ("/v1/ledger/{id}", &ledger, ENDPOINT_BOUND | ENDPOINT_KEPT, "Read a booking"),
	{REQUEST_POST, "/v1/ledger/{id}/reverse", ledger_reverse, ROLE_FINANCE, ENDPOINT_ACTION, &ledger, NULL,
	 "Take a payment or an adjustment back by the opposite booking"},
	LISTED("/v1/corrections", &corrections, RULES(correction_params), ENDPOINT_BOUND,
	       "List what re-ratings corrected, newest first"),
	READ("/v1/corrections/{id}", &corrections, ENDPOINT_BOUND | ENDPOINT_KEPT, "Read a correction"),

	LISTED("/v1/alerts", &alerts, RULES(alert_params), 0, "List alerts, newest first"),
	READ("/v1/alerts/{id}", &alerts, ENDPOINT_KEPT, "Read an alert"),

	LISTED("/v1/invoices", &invoices, RULES(invoice_params), ENDPOINT_BOUND, "List invoices, newest first"),
	MADE("/v1/invoices", &invoices, ROLE_FINANCE, "Draft an invoice of what is not billed yet"),
	READ("/v1/invoices/{id}", &invoices, ENDPOINT_BOUND, "Read an invoice with its lines"),
	REMOVED("/v1/invoices/{id}", &invoices, ROLE_FINANCE, "Delete a draft"),
	{REQUEST_POST, "/v1/invoices/{id}/issue", invoices_issue, ROLE_FINANCE, ENDPOINT_ACTION, &invoices, NULL,
	 "Number a draft and claim what it bills"},
	{REQUEST_POST, "/v1/invoices/{id}/void", invoices_void, ROLE_FINANCE, ENDPOINT_ACTION, &invoices, NULL,
	 "Take an issued invoice back; the next one bills its calls"},
	{REQUEST_GET, "/v1/invoices/{id}/csv", invoices_csv, ROLE_READONLY, ENDPOINT_BOUND | ENDPOINT_FILE, &invoices,
	 NULL, "An invoice as CSV (text/csv)"},
	{REQUEST_GET, "/v1/invoices/{id}/pdf", invoices_pdf, ROLE_READONLY, ENDPOINT_BOUND | ENDPOINT_FILE, &invoices,
	 NULL, "An invoice on paper (application/pdf)"},

	LISTED("/v1/export-options", &export_options, RULES(export_option_params), 0,
	       "List how partners want their export files"),
	MADE("/v1/export-options", &export_options, ROLE_FINANCE, "Say how a partner wants its export files"),
	READ("/v1/export-options/{id}", &export_options, 0, "Read how a partner wants its export files"),
	CHANGED("/v1/export-options/{id}", &export_options, ROLE_FINANCE, "Change it, from the next run on"),
	REMOVED("/v1/export-options/{id}", &export_options, ROLE_FINANCE, "Go back to CSV with all columns, not sent"),

	LISTED("/v1/exports", &exports, NULL, ENDPOINT_BOUND, "List export runs, newest first"),
	{REQUEST_POST, "/v1/exports", exports_create, ROLE_FINANCE, 0, &exports, NULL,
	 "Export what is in no earlier run; shows the files if they are written within 8 s"},
	READ("/v1/exports/{id}", &exports, ENDPOINT_BOUND | ENDPOINT_KEPT, "Read an export run"),
	{REQUEST_GET, "/v1/exports/{parent}/files/{name}", exports_file, ROLE_READONLY, ENDPOINT_BOUND | ENDPOINT_FILE,
	 &exports, NULL,
	 "A file of a run (application/gzip; manifest.json is JSON); 503 while it is being written again here"},

	{REQUEST_GET, "/v1/stats", stats_list, ROLE_READONLY, ENDPOINT_LIST | ENDPOINT_LONG, &stats,
	 RULES(stats_params), "ASR, ACD, NER, PDD, minutes and money by carrier, trunk, destination or hour"},
	{REQUEST_GET, "/v1/nodes", nodes_list, ROLE_READONLY, ENDPOINT_WHOLE, &nodes, NULL, "List the switch's nodes"},
	{REQUEST_GET, "/v1/api-keys", resource_list, ROLE_ADMIN, ENDPOINT_LIST, &api_keys, RULES(key_params),
	 "List API keys"},
	MADE("/v1/api-keys", &api_keys, ROLE_ADMIN, "Create an API key; the answer shows it, once"),
	{REQUEST_GET, "/v1/api-keys/{id}", resource_get, ROLE_ADMIN, ENDPOINT_KEPT, &api_keys, NULL,
	 "Read an API key's words"},
	{REQUEST_DELETE, "/v1/api-keys/{id}", api_keys_remove, ROLE_ADMIN, 0, &api_keys, NULL, "Revoke an API key"},
	{REQUEST_GET, "/v1/self", self_get, ROLE_READONLY, ENDPOINT_BOUND, &self, NULL,
	 "Read what is known of the key that asks"},
	LISTED("/v1/audit-log", &audit_log, RULES(audit_params), 0, "List changes, newest first"),

	{REQUEST_GET, "/healthz", healthz, ROLE_READONLY, ENDPOINT_OPEN | ENDPOINT_INLINE, NULL, NULL,
	 "Is the process alive?"},
	{REQUEST_GET, "/readyz", readyz, ROLE_READONLY, ENDPOINT_OPEN | ENDPOINT_INLINE, NULL, NULL,
	 "Are PostgreSQL (at the right version) and Redis there?"},
	{REQUEST_GET, "/metrics", metrics_text, ROLE_READONLY, ENDPOINT_AWAY, NULL, NULL, "Figures for Prometheus"},
	{REQUEST_GET, "/openapi.json", openapi_json, ROLE_READONLY, ENDPOINT_BOUND | ENDPOINT_KEPT, NULL, NULL,
	 "This description"},

	{REQUEST_GET, "/", console_file, ROLE_READONLY, ENDPOINT_OPEN | ENDPOINT_INLINE | ENDPOINT_FILE | ENDPOINT_KEPT,
	 NULL, NULL, "The web console"},
	{REQUEST_GET, "/console/{name}", console_file, ROLE_READONLY,
	 ENDPOINT_OPEN | ENDPOINT_INLINE | ENDPOINT_FILE | ENDPOINT_KEPT, NULL, NULL, "A file of the web console"},
};

const int endpoints_count = sizeof(endpoints) / sizeof(*endpoints);

static void nowhere(struct request *r)
{
	if (r->allow == NULL || (request_is_bound(r) && !r->allow_bound)) {
		request_problem(r, 404, "There is no such thing here.");
		return;
	}
	request_problem(r, 405, "This resource does not know %s.", r->method_name);
	r->answer.allow = r->allow;
}

const struct endpoint endpoint_nowhere = {.method = REQUEST_OTHER, .path = "", .run = nowhere, .flags = ENDPOINT_BOUND};

/* An id in a path: digits of a positive bigint. */
static bool is_id(const char *text)
{
	size_t len = strlen(text);

	return len >= 1 && len <= 18 && strspn(text, "0123456789") == len && text[0] != '0';
}

static bool is_uuid(const char *text)
{
	struct uuid u;

	return uuid_parse(text, &u) == 0;
}

/* A file's name in a path: nothing that leads elsewhere. */
static bool is_name(const char *text)
{
	size_t len = strlen(text);

	return len >= 1 && len < 64 && text[0] != '.' &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool variable_fits(const struct endpoint *e, char initial, const char *text)
{
	if (initial == 'n')
		return is_name(text);
	return initial == 'i' && e->flags & ENDPOINT_UUID ? is_uuid(text) : is_id(text);
}

static bool path_matches(const struct endpoint *e, const struct request *r, const char **id, const char **parent)
{
	const char *at = e->path + 1;

	*id = *parent = NULL;
	for (int i = 0; i < r->segments; i++) {
		size_t len = strcspn(at, "/");
		if (len == 0)
			return false;
		if (*at == '{') {
			if (!variable_fits(e, at[1], r->segment[i]))
				return false;
			*(at[1] == 'p' ? parent : id) = r->segment[i]; /* {parent}; {id}, {name} */
		} else if (strlen(r->segment[i]) != len || strncmp(at, r->segment[i], len) != 0) {
			return false;
		}
		at += len + (at[len] == '/');
	}
	return *at == '\0';
}

static const char *method_word(enum request_method m)
{
	static const char *const words[] = {"GET, HEAD", "POST", "PATCH", "DELETE", ""};

	return words[m];
}

int endpoint_find(struct request *r, const char **allow)
{
	const char *id, *parent;

	*allow = NULL;
	for (int i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		if (!path_matches(e, r, &id, &parent))
			continue;
		if (e->method == r->method) {
			r->endpoint = e;
			r->id = id;
			r->parent = parent;
			return 0;
		}
		r->allow_bound |= (e->flags & ENDPOINT_BOUND) != 0;
		*allow = *allow == NULL ? method_word(e->method)
					: arena_printf(r->arena, "%s, %s", *allow, method_word(e->method));
	}
	return *allow != NULL ? -EPERM : -ENOENT;
}
