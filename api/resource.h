/* SPDX-License-Identifier: Apache-2.0 */
/* resource.h - a collection of objects in the database: list, read, create, change, delete, all by one table each. */
#ifndef API_RESOURCE_H
#define API_RESOURCE_H

#include "api/fields.h"
#include "api/params.h"
#include "api/request.h"

struct resource {
	const char *collection; /* last part of the path; the audit log's `resource` */
	const char *noun;	/* "carrier" */
	const char *meaning;	/* what it is, for the manual */
	const struct field *fields;
	int n;
	const struct resource *parent; /* whose id stands before in the path; NULL: none */
	bool configures;	       /* its writers take turns: they look at each other's rows */
	bool large;		       /* its objects may be: a page has fewer than `limit` of them if they are */
	/* Parameters: list (after, limit, carrier bound to[, parent], filters...), get and lock (id, carrier bound to
	 * [, parent]), insert (object[, parent]), update (id, object), remove, faults, users (id).
	 * lists give (cursor key, json), get (json), lock, insert and update (id, json with write-only fields). */
	const struct pg_statement *list, *get, *lock, *insert, *update, *remove, *faults, *users;
	/* check - optional: what a table of fields can't say; object is whole and of the right types */
	void (*check)(json_t *object, struct errors *e);
	/* before_insert - optional: in the transaction; -1 after an answer. may change object */
	int (*before_insert)(struct request *r, json_t *object);
	/* after_insert - optional: add to what the creator is shown, once */
	void (*after_insert)(struct request *r, json_t *shown);
};

void resource_list(struct request *r);
void resource_get(struct request *r);
void resource_create(struct request *r);
void resource_update(struct request *r);
void resource_remove(struct request *r);
/* resource_update_many - the change to all that the filters name, in one transaction, or to none. The resource has
 * list, lock and update; the endpoint's params are the list's filters, then dry_run and all */
void resource_update_many(struct request *r);

/* resource_page - answer a list from a statement's rows (cursor key, json); limit + 1 rows were asked for */
void resource_page(struct request *r, PGresult *result, int limit, const struct resource *res);

extern const struct resource carriers, trunks, rate_decks, rates, routing_plans, number_lists, number_lengths,
	exchange_rates, payments, adjustments, corrections, ledger, alerts, api_keys, audit_log, imports,
	import_changes, rate_versions, cdrs, calls, route_lookups, nodes, exports, export_options, invoices,
	invoice_senders, stats, changes, calls_hung_up, vendor_health, vendor_quality, vendor_events, vendor_forces,
	self;
/* The filters of a listing are the first ones of what changes many. */
extern const struct params trunks_filters, trunks_many;
extern const char *const import_change_kinds[];
/* carrier_currency_check etc. live beside their tables; shared checks: */
void check_currency(const json_t *value, const char *path, struct errors *e);
void check_timezone_name(const json_t *value, const char *path, struct errors *e);

#endif
