/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - the statements of the command line. */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "lib/pg.h"

/* A key and its line in the audit log, at once. $1 name, $2 role, $3 carrier id or null, $4 SHA-256 in hex, $5 actor */
extern const struct pg_statement cli_key_insert;
/* A line in the audit log for each call that is hung up: $1 actor, $2 the calls as a JSON array */
extern const struct pg_statement cli_hangups_audit, cli_export_audit;
/* The sell deck's prefixes of ingress trunk $1, at most $2, in an order that is random but the same each time */
extern const struct pg_statement cli_sell_prefixes;
/* What this server is: version, and whether it is read-only */
extern const struct pg_statement cli_server;
/* What is there: $1 role, $2 database -> two booleans */
extern const struct pg_statement cli_role_and_database;
/* PostgreSQL takes no parameters in CREATE ROLE and CREATE DATABASE: the server itself quotes them into the text of the
 * command. $1 role, $2 password (its SCRAM verifier) or null; $1 role, $2 password; $1 database, $2 its owner */
extern const struct pg_statement cli_role_create_text, cli_role_password_text, cli_database_create_text;
/* How many keys may do everything */
extern const struct pg_statement cli_admin_keys;

/* What is configured, as the API shows it, in the order of ids: $1 name or null, $2 carrier or null (trunks; null for
 * the others) -> JSON */
extern const struct pg_statement cli_carriers, cli_trunks, cli_decks, cli_plans;

#endif
