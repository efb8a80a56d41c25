/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the API's SQL: every statement, and how one runs for a request.
 * A failure is answered here, in words that hold nothing of the backend; the caller only returns.
 */
#ifndef API_STORE_H
#define API_STORE_H

#include "api/request.h"

/* store_query - run one statement. 0 and *result (the caller's, PQclear), or -1 after the request was answered. */
int store_query(struct request *r, const struct pg_statement *s, const char *const *params,
		PGresult **result) must_check;
int store_begin(struct request *r) must_check;
int store_begin_config(struct request *r) must_check; /* one writer of the configuration at a time */
int store_commit(struct request *r) must_check;
void store_rollback(struct request *r);

struct store_change {	      /* one line of the audit log */
	const char *action;   /* create, update, delete, ... */
	const char *resource; /* the collection */
	const char *id;
	const json_t *before, *after; /* NULL: none; already masked */
};
int store_audit(struct request *r, const struct store_change *change) must_check;

const char *store_text(const PGresult *result, int row, int column); /* NULL for SQL null */

/* The statements of each resource; params in the order of their comments in store.c. */
extern const struct pg_statement store_carrier_list, store_carrier_get, store_carrier_lock, store_carrier_insert,
	store_carrier_update, store_carrier_delete, store_carrier_faults, store_carrier_users;
extern const struct pg_statement store_trunk_list, store_trunk_get, store_trunk_lock, store_trunk_insert,
	store_trunk_update, store_trunk_delete, store_trunk_faults, store_trunk_users;
extern const struct pg_statement store_deck_list, store_deck_get, store_deck_lock, store_deck_insert, store_deck_update,
	store_deck_delete, store_deck_faults, store_deck_users;
extern const struct pg_statement store_rate_list, store_rate_get, store_rate_lock, store_rate_insert, store_rate_update,
	store_rate_delete, store_rate_faults, store_rate_same;
extern const struct pg_statement store_plan_list, store_plan_get, store_plan_lock, store_plan_insert, store_plan_update,
	store_plan_delete, store_plan_faults, store_plan_users;
extern const struct pg_statement store_list_list, store_list_get, store_list_lock, store_list_insert, store_list_update,
	store_list_delete, store_list_faults;
extern const struct pg_statement store_length_list, store_length_get, store_length_lock, store_length_insert,
	store_length_update, store_length_delete;
extern const struct pg_statement store_sender_list, store_sender_get, store_sender_lock, store_sender_insert,
	store_sender_delete, store_exchange_list, store_exchange_get, store_exchange_lock, store_exchange_insert,
	store_exchange_delete;
extern const struct pg_statement store_payment_list, store_payment_get, store_payment_insert;
extern const struct pg_statement store_adjustment_list, store_adjustment_get, store_adjustment_insert;
extern const struct pg_statement store_correction_list, store_correction_get;
extern const struct pg_statement store_booking_list, store_booking_get, store_booking_reverse;
extern const struct pg_statement store_alert_list, store_alert_get;
extern const struct pg_statement store_key_list, store_key_get, store_key_lock, store_key_insert, store_key_delete,
	store_key_find, store_key_used, store_keys_gone; /* $1 ids -> those that are no key's any more */
extern const struct pg_statement store_force_list, store_force_get, store_force_lock, store_force_insert,
	store_force_delete, store_force_faults;
extern const struct pg_statement store_audit_list;
extern const struct pg_statement store_import_list, store_import_get, store_import_insert, store_rate_version_find,
	store_rate_past_expire;
extern const struct pg_statement store_import_start, store_import_progress, store_import_finish, store_import_beat,
	store_import_cancel, store_import_orphans;
extern const struct pg_statement store_import_change_list, store_rate_version_list, store_import_changes_expire;
extern const struct pg_statement store_cdr_list, store_cdr_list_bound, store_cdr_sides, store_cdr_get,
	store_cdr_get_bound;
extern const struct pg_statement store_export_run_list, store_export_run_get, store_export_run_insert,
	store_export_run_day;
extern const struct pg_statement store_export_option_list, store_export_option_get, store_export_option_lock,
	store_export_option_insert, store_export_option_update, store_export_option_delete;
extern const struct pg_statement store_bill_list, store_bill_get, store_bill_lock, store_bill_insert, store_bill_delete,
	store_bill_users, store_bill_issue_it, store_bill_void_it;
extern const struct pg_statement store_stats;
extern const struct pg_statement store_idempotency_claim, store_idempotency_find, store_idempotency_keep,
	store_idempotency_expire;

#endif
