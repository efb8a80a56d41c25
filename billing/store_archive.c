/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_archive.h"

const struct pg_statement store_archive_days = {
	"billing_archive_days", "select d from cdr_days_before((now() at time zone 'UTC')::date - $1::integer) d", 1};

const struct pg_statement store_archive_detach = {"billing_archive_detach", "select cdr_day_detach($1::date)", 1};

const struct pg_statement store_archive_next = {"billing_archive_next", "select n from cdr_old_names() n limit 1", 0};

const struct pg_statement store_archive_lines = {"billing_archive_lines",
						 "select id, line from cdr_old_lines($1, $2::uuid, 2000)", 2};

const struct pg_statement store_archive_drop = {"billing_archive_drop", "select cdr_old_drop($1, $2, $3::bigint, $4)",
						4};
