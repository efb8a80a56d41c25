/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/calls and /v1/nodes: what the nodes show in Redis. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/endpoint.h"
#include "api/handlers.h"
#include "api/resource.h"
#include "api/store.h"
#include "cluster/live.h"
#include "lib/clock.h"
#include "lib/json_read.h"
#include "lib/uuid.h"

#define RO FIELD_READ_ONLY
#define RON (FIELD_READ_ONLY | FIELD_NULLABLE)
#define HANGUP_MAX 10000

static const char *const modes[] = {"b2bua", "proxy", NULL};
static const char *const states[] = {"routing", "ringing", "answered", NULL};

static const struct field call_fields[] = {
	{.name = "id", .type = FIELD_UUID, .flags = RO, .meaning = "UUIDv7; the CDR will have it, too."},
	{.name = "node", .type = FIELD_TEXT, .flags = RO, .example = "\"sw1\"", .meaning = "The node that carries it."},
	{.name = "state",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = states,
	 .example = "\"answered\"",
	 .meaning = "How far it is."},
	{.name = "mode",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = modes,
	 .example = "\"b2bua\"",
	 .meaning = "How it is carried. A proxy can't hang up."},
	{.name = "ingress_trunk_id", .type = FIELD_ID, .flags = RON, .example = "1", .meaning = "The way it came in."},
	{.name = "ingress_carrier_id", .type = FIELD_ID, .flags = RON, .example = "1", .meaning = "The customer."},
	{.name = "egress_trunk_id", .type = FIELD_ID, .flags = RON, .example = "2", .meaning = "The way it goes out."},
	{.name = "egress_carrier_id", .type = FIELD_ID, .flags = RON, .example = "2", .meaning = "The vendor."},
	{.name = "calling", .type = FIELD_TEXT, .flags = RON, .example = "\"49301234\"", .meaning = "Calling number."},
	{.name = "called", .type = FIELD_TEXT, .flags = RON, .example = "\"44201234567\"", .meaning = "Called number."},
	{.name = "destination",
	 .type = FIELD_TEXT,
	 .flags = RON,
	 .example = "\"UK London\"",
	 .meaning = "Of the sell rate."},
	{.name = "started_at", .type = FIELD_TIME, .flags = RO, .meaning = "When the INVITE came."},
	{.name = "answered_at", .type = FIELD_TIME, .flags = RON, .meaning = "When it was answered."},
	{.name = "cost_so_far",
	 .type = FIELD_MONEY,
	 .flags = RON,
	 .example = "\"0.002500\"",
	 .meaning = "What the vendor takes if it ended now."},
	{.name = "currency", .type = FIELD_TEXT, .flags = RON, .example = "\"EUR\"", .meaning = "Of cost_so_far."},
};

const struct resource calls = {
	.collection = "calls",
	.noun = "live call",
	.meaning = "Live calls of all nodes.",
	.fields = call_fields,
	.n = sizeof(call_fields) / sizeof(*call_fields),
};

static const struct field call_item = {
	.type = FIELD_OBJECT, .item = call_fields, .items = sizeof(call_fields) / sizeof(*call_fields)};
static const struct field hangup_fields[] = {
	{.name = "matched", .type = FIELD_INT, .flags = RO, .example = "3", .meaning = "How many the filters name."},
	{.name = "dry_run",
	 .type = FIELD_BOOL,
	 .flags = RO,
	 .example = "false",
	 .meaning = "True: none of them was hung up."},
	{.name = "items",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &call_item,
	 .items = 1,
	 .meaning = "Those that were hung up, or would be."},
	{.name = "skipped",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &call_item,
	 .items = 1,
	 .meaning = "Those of mode proxy: only their ends can hang them up."},
};

const struct resource calls_hung_up = {
	.collection = "calls-hung-up",
	.noun = "hang-up",
	.meaning = "What a hang-up of many calls did.",
	.fields = hangup_fields,
	.n = sizeof(hangup_fields) / sizeof(*hangup_fields),
};

static const char *const registration_states[] = {"trying", "registered", "failed", NULL};
static const struct field registration_fields[] = {
	{.name = "trunk_id", .type = FIELD_ID, .flags = RO, .example = "7", .meaning = "The vendor's trunk."},
	{.name = "state",
	 .type = FIELD_CHOICE,
	 .flags = RO,
	 .choices = registration_states,
	 .example = "\"registered\"",
	 .meaning = "How it stands."},
	{.name = "reason",
	 .type = FIELD_TEXT,
	 .flags = RO,
	 .example = "\"403 Forbidden\"",
	 .meaning = "Why it failed; empty otherwise."},
	{.name = "since", .type = FIELD_TIME, .flags = RON, .meaning = "Since when it stands so."},
	{.name = "expires_at", .type = FIELD_TIME, .flags = RON, .meaning = "Until when the vendor keeps it."},
};
static const struct field registration_item = {.type = FIELD_OBJECT,
					       .item = registration_fields,
					       .items = sizeof(registration_fields) / sizeof(*registration_fields)};

static const struct field audit_item = {
	.type = FIELD_TEXT, .flags = RO, .example = "\"trunk 5: 3 channels in use, but calls hold 2\""};

static const struct field bound_item = {.type = FIELD_NUMBER, .flags = RO, .example = "0.5"};
static const struct field count_item = {.type = FIELD_INT, .flags = RO, .example = "7"};
static const struct field setup_fields[] = {
	{.name = "bounds",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &bound_item,
	 .items = 1,
	 .meaning = "Seconds, rising."},
	{.name = "counts",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &count_item,
	 .items = 1,
	 .meaning = "Calls up to each bound and above the one before; the last one: above all bounds."},
	{.name = "sum", .type = FIELD_NUMBER, .flags = RO, .example = "3.25", .meaning = "Seconds of all of them."},
};

static const struct field node_fields[] = {
	{.name = "node", .type = FIELD_TEXT, .flags = RO, .example = "\"sw1\"", .meaning = "Its id."},
	{.name = "started_at", .type = FIELD_TIME, .flags = RON, .meaning = "Since when it runs."},
	{.name = "at", .type = FIELD_TIME, .flags = RON, .meaning = "When it last showed itself."},
	{.name = "calls", .type = FIELD_INT, .flags = RON, .example = "120", .meaning = "Live calls."},
	{.name = "cps", .type = FIELD_NUMBER, .flags = RON, .example = "12", .meaning = "Call attempts a second."},
	{.name = "calls_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "1200",
	 .meaning = "INVITEs that asked for a call, since it started, as all that ends in _total."},
	{.name = "answered_total", .type = FIELD_INT, .flags = RON, .example = "700", .meaning = "Calls answered."},
	{.name = "shed_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Calls refused because of overload or a limit of calls a second."},
	{.name = "strays_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Answers that came for no transaction."},
	{.name = "misrouted_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Requests inside proxied calls that came from or would go to an address of neither end: refused."},
	{.name = "database_up",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "1",
	 .meaning = "1: PostgreSQL takes its CDRs."},
	{.name = "spool_records",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "CDRs on its disk that wait for PostgreSQL."},
	{.name = "spool_queued",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "CDRs in memory, on their way to disk."},
	{.name = "spool_open_calls",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "100",
	 .meaning = "Answered calls that have a record on disk."},
	{.name = "spool_posted_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "1100",
	 .meaning = "CDRs committed in PostgreSQL."},
	{.name = "spool_refused_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "CDRs that PostgreSQL would not have: set aside."},
	{.name = "spool_oldest_seconds",
	 .type = FIELD_NUMBER,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Age of the oldest CDR that waits for PostgreSQL; 0: none."},
	{.name = "spool_disk_low",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "1: no room for CDRs, new calls are refused."},
	{.name = "redis_lost_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "How often Redis went away."},
	{.name = "redis_away_seconds_total",
	 .type = FIELD_NUMBER,
	 .flags = RON,
	 .example = "0",
	 .meaning = "How long it was away, all times together."},
	{.name = "presence_waiting",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Changes of live calls that wait for Redis."},
	{.name = "vendors_waiting",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Observations of vendors that are not counted yet."},
	{.name = "rtpengines_down",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "rtpengines that do not answer."},
	{.name = "media_lost_total",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "Calls whose media could not be relayed."},
	{.name = "setup_seconds",
	 .type = FIELD_OBJECT,
	 .flags = RON,
	 .item = setup_fields,
	 .items = sizeof(setup_fields) / sizeof(*setup_fields),
	 .meaning =
		 "From the INVITE to the first ringing or answer that the caller was sent, by calls since it started."},
	{.name = "audit_differences",
	 .type = FIELD_INT,
	 .flags = RON,
	 .example = "0",
	 .meaning = "How many of its counts do not agree with its calls."},
	{.name = "audit",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &audit_item,
	 .items = 1,
	 .meaning = "Which, in words."},
	{.name = "registrations",
	 .type = FIELD_LIST,
	 .flags = RO,
	 .item = &registration_item,
	 .items = 1,
	 .meaning = "What it keeps with vendors whose trunk says register."},
};

const struct resource nodes = {
	.collection = "nodes",
	.noun = "node",
	.meaning = "The switch's nodes, and what each reports about itself.",
	.fields = node_fields,
	.n = sizeof(node_fields) / sizeof(*node_fields),
};

/* The parameters of call_params (endpoint.c), in their order. */
enum {
	NODE,
	STATE,
	INGRESS_TRUNK,
	EGRESS_TRUNK,
	CARRIER,
	TRUNK,
	CALLED,
	CALLING,
	CALLED_PREFIX,
	FILTERS,
	DRY_RUN = FILTERS,
	ALL
};

static struct live_filter filter_of(const char *const values[])
{
	return (struct live_filter){.node = values[NODE],
				    .state = values[STATE],
				    .ingress_trunk_id = values[INGRESS_TRUNK],
				    .egress_trunk_id = values[EGRESS_TRUNK],
				    .carrier_id = values[CARRIER],
				    .trunk_id = values[TRUNK],
				    .called = values[CALLED],
				    .calling = values[CALLING],
				    .called_prefix = values[CALLED_PREFIX]};
}

static const char *call_key(struct request *r, const json_t *call)
{
	return arena_printf(r->arena, "%s/%s", json_read_text(call, "started_at"), json_read_text(call, "id"));
}

/* Is it a call_key: a time, a slash, an id? */
static bool is_key(const char *key)
{
	const char *slash = strchr(key, '/');
	char at[CLOCK_TEXT_MAX];
	struct uuid id;
	int64_t us;

	if (slash == NULL || (size_t)(slash - key) >= sizeof(at) || uuid_parse(slash + 1, &id) != 0)
		return false;
	memcpy(at, key, (size_t)(slash - key));
	at[slash - key] = '\0';
	return clock_parse(at, &us) == 0;
}

void calls_list(struct request *r)
{
	const char *values[PARAMS_MAX];
	struct listing listing;
	struct status st = {0};
	json_t *all, *call;
	size_t i;

	if (params_check(r, r->endpoint->params, values, &listing) != 0)
		return;
	if (listing.cursor != NULL && !is_key(listing.cursor)) {
		request_problem(r, 400, "cursor is not one that this list gave.");
		return;
	}
	struct live_filter filter = filter_of(values);
	int err = live_calls(r->redis, &all, &st);
	if (err != 0) {
		request_problem_redis(r, "The registry of live calls", err, &st);
		return;
	}
	json_t *page = json_object(), *items = json_array();
	const char *next = NULL;
	json_array_foreach(all, i, call)
	{
		if ((listing.cursor != NULL && strcmp(call_key(r, call), listing.cursor) <= 0) ||
		    !live_call_passes(call, &filter))
			continue;
		if (json_array_size(items) == (size_t)listing.limit) {
			next = call_key(r, json_array_get(items, json_array_size(items) - 1));
			break;
		}
		json_array_append(items, call);
	}
	json_object_set_new(page, "items", items);
	json_object_set_new(page, "next_cursor", next != NULL ? json_string(params_cursor(r, next)) : json_null());
	request_answer_json(r, 200, page);
	json_decref(page);
	json_decref(all);
}

/* The live call of r->id (new reference), or NULL after an answer. */
static json_t *call_find(struct request *r)
{
	struct status st = {0};
	json_t *all, *call, *found = NULL;
	size_t i;

	int err = live_calls(r->redis, &all, &st);
	if (err != 0) {
		request_problem_redis(r, "The registry of live calls", err, &st);
		return NULL;
	}
	json_array_foreach(all, i, call)
	{
		if (strcasecmp(json_read_text(call, "id"), r->id) == 0) {
			found = json_incref(call);
			break;
		}
	}
	json_decref(all);
	if (found == NULL)
		request_problem(r, 404, "There is no such live call.");
	return found;
}

void calls_get(struct request *r)
{
	json_t *call;

	if (params_check(r, NULL, NULL, NULL) != 0 || (call = call_find(r)) == NULL)
		return;
	request_answer_json(r, 200, call);
	json_decref(call);
}

/* A line for each, kept before the first is told: a hang-up without one must not happen. */
static int hangups_audit(struct request *r, const json_t *meant)
{
	const json_t *call;
	size_t i;

	if (store_begin(r) != 0)
		return -1;
	json_array_foreach(meant, i, call)
	{
		if (store_audit(r, &(struct store_change){.action = "hangup",
							  .resource = "calls",
							  .id = json_read_text(call, "id"),
							  .before = call}) != 0)
			return -1;
	}
	return store_commit(r);
}

void calls_hangup(struct request *r)
{
	struct status st = {0};
	json_t *call;

	if (params_check(r, NULL, NULL, NULL) != 0 || (call = call_find(r)) == NULL)
		return;
	if (strcmp(json_read_text(call, "mode"), "proxy") == 0) {
		request_problem(r, 422, "This call's trunk has mode proxy: only its ends can hang it up.");
		json_decref(call);
		return;
	}
	json_t *meant = json_pack("[O]", call);
	if (hangups_audit(r, meant) != 0)
		goto out;
	int err = live_hangup(r->redis, json_read_text(call, "id"), &st);
	if (err == 0) {
		request_answer(r, 204, NULL);
	} else if (err == -ENOENT) {
		request_problem(r, 404, "There is no such live call.");
	} else {
		request_problem_redis(r, "The registry of live calls", err, &st);
		r->again = false; /* it stands in the audit log */
	}
out:
	store_rollback(r);
	json_decref(meant);
	json_decref(call);
}

/* The live calls that the filters name, at most HANGUP_MAX (new reference), or NULL after an answer. */
static json_t *calls_meant(struct request *r, const char *const values[])
{
	struct live_filter filter = filter_of(values);
	struct status st = {0};
	json_t *all, *call, *meant;
	size_t i;

	int err = live_calls(r->redis, &all, &st);
	if (err != 0) {
		request_problem_redis(r, "The registry of live calls", err, &st);
		return NULL;
	}
	meant = json_array();
	json_array_foreach(all, i, call) if (live_call_passes(call, &filter)) json_array_append(meant, call);
	json_decref(all);
	if (json_array_size(meant) <= HANGUP_MAX)
		return meant;
	request_problem(r, 422, "The filters name %zu calls; one request hangs up at most %d.", json_array_size(meant),
			HANGUP_MAX);
	json_decref(meant);
	return NULL;
}

void calls_hangup_many(struct request *r)
{
	const char *values[PARAMS_MAX];
	struct status st = {0};
	json_t *meant = NULL, *skipped = NULL;
	size_t told = 0;

	if (params_check(r, r->endpoint->params, values, NULL) != 0 ||
	    params_named(r, values, FILTERS, values[ALL]) != 0 || (meant = calls_meant(r, values)) == NULL)
		return;
	bool dry_run = params_true(values[DRY_RUN]);
	size_t matched = json_array_size(meant);
	skipped = live_take_proxied(meant);
	if (!dry_run) {
		if (hangups_audit(r, meant) != 0)
			goto out;
		int err = live_hangup_all(r->redis, meant, &told, &st);
		if (err != 0) {
			request_problem_redis(r, "The registry of live calls", err, &st);
			r->again = false; /* they stand in the audit log */
			goto out;
		}
	}
	json_t *answer = json_pack("{s:I, s:b, s:O, s:O}", "matched", (json_int_t)matched, "dry_run", dry_run, "items",
				   meant, "skipped", skipped);
	request_answer_json(r, 200, answer);
	json_decref(answer);
out:
	store_rollback(r);
	json_decref(skipped);
	json_decref(meant);
}

void calls_events(struct request *r)
{
	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	request_answer(r, 200, "text/event-stream");
	r->answer.streams = true;
}

void nodes_list(struct request *r)
{
	struct status st = {0};
	json_t *all;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	int err = live_nodes(r->redis, &all, &st);
	if (err != 0) {
		request_problem_redis(r, "The registry of live calls", err, &st);
		return;
	}
	json_t *page = json_pack("{s:o, s:n}", "items", all, "next_cursor");
	request_answer_json(r, 200, page);
	json_decref(page);
}
