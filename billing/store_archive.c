/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/store_archive.h"

const struct pg_statement store_archive_days = {
	"billing_archive_days", "select d from cdr_days_before((now() at time zone 'UTC')::date - $1::integer) d", 1};

const struct pg_statement store_archive_detach = {"billing_archive_detach", "select cdr_day_leave($1::date)", 1};

const struct pg_statement store_archive_next = {"billing_archive_next", "select cdr_old_take()", 0};

const struct pg_statement store_archive_lines = {"billing_archive_lines",
						 "select id, line from cdr_old_lines($1, $2::uuid, 2000)", 2};

const struct pg_statement store_archive_drop = {"billing_archive_drop", "select cdr_old_drop($1, $2, $3::bigint, $4)",
						4};

/* Days with tables that are detached and not written yet are said later. */
const struct pg_statement store_archive_said = {
	"billing_archive_said",
	"select a.day, sum(a.last_seq - a.first_seq + 1), (select coalesce(sum(f.rows), 0) from cdr_archives f"
	"  where f.restored_at is null and to_date(left(f.name, 8), 'YYYYMMDD') = a.day)"
	" from cdr_anchors a where not exists (select from cdr_old_names() n where to_date(left(n, 8), 'YYYYMMDD') = "
	"a.day)"
	" group by a.day order by a.day",
	0};
const struct pg_statement store_archive_files = {
	"billing_archive_files", "select name, rows, sha256 from cdr_archives where restored_at is null order by name",
	0};

/* The day's partitions are made before a restore begins, and only for a file that it will take: making them locks out
 * whoever makes others, and the switch makes those of the next days. */
const struct pg_statement store_restore_day = {"billing_restore_day",
					       "select cdr_partition_make(to_date(left(name, 8), 'YYYYMMDD'))"
					       " from cdr_archives where name = $1 and sha256 = $2",
					       2};

/* A restore lives in one transaction. A day of many calls takes longer than statements of other commands may. */
const char store_restore_begin[] = "begin; set local statement_timeout = 0; select cdr_restore_stage_make()";
const char store_restore_copy[] = "copy pg_temp.cdr_restore_stage (line) from stdin";
const char store_restore_end[] = "commit";
const char store_restore_undo[] = "rollback";

const struct pg_statement store_restore = {"billing_restore",
					   "select cdr_restore($1, $2), d || ' 00:00:00Z', (d + 1) || ' 00:00:00Z'"
					   " from to_date(left($1, 8), 'YYYYMMDD') d",
					   2};
