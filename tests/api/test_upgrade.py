# SPDX-License-Identifier: Apache-2.0
"""A database that an earlier tandem filled comes to the current schema with all that it holds."""

import glob
import os

from story import Story
from story.base import midnight_far
from story.process import TOP, run

BEFORE = 72  # the last migration of the tandem that filled it

# Three days of calls: from customers 1 to 4, by vendors 11 and 12 or none, to three destinations.
CALLS = """
select cdr_stage_make();
insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id,
    duration_ms, disconnect_reason, hangup_party, attempts, pdd_ms, destination, sell_billed_s, sell_amount, sell_currency, buy_billed_s,
    buy_amount, buy_currency, buy_to_sell_rate, recovered)
select (left(uuid_floor(t)::text, 14) || '7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'sw1', t, case when i % 2 = 0 then t end,
    t + interval '1 minute', 1 + i % 4, 1 + i % 4, v, v, (1 - i % 2) * 60000, 'normal', 'caller', 1, i * 7, 'Destination ' || i % 3, 60, 0.5, 'EUR',
    60, 0.25, 'USD', 0.9, false
from (select i, case when i % 5 > 0 then 11 + i % 2 end as v, {start} + (i - {first}) * interval '{step}' as t
      from generate_series({first}, {last}) i) x;
select cdr_ingest()
"""
# Percentiles of PDD were rounded otherwise: what they are made from is compared instead.
FIGURES = """select coalesce(string_agg(x, chr(10) order by x), '') from (
    select (r - array['pdd_p50_ms', 'pdd_p95_ms', 'pdd_p99_ms'])::text as x from stats_read('{by}', {vendors}, now() - interval '30 days',
    now() + interval '1 day', null, null, null) r) s"""
PDD = "select (at at time zone 'UTC')::date, " + ", ".join(f"sum(b{n})" for n in range(1, 17)) + " from stats_{} group by 1 order by 1"
PDD_NOW = "select day, " + ", ".join(f"substr(digits, {12 * n + 1}, 12)::bigint" for n in range(16)) + """ from (
    select (at at time zone 'UTC')::date as day, right(lpad(sum(counts)::text, 400, '0'), 192) as digits from stats_{} group by 1) s order by 1"""
FIGURES_NOW = FIGURES.replace("stats_read('{by}',", "(select item as r from stats_read(array['{by}'],").replace(
    "null) r)", "null, -1, 0, 1000)) x)")
QUESTIONS = [(by, vendors) for by in ("carrier", "trunk", "destination", "hour") for vendors in ("false", "true")]
BOOKED = """select (select count(*) from cdrs), (select count(*) from ledger), (select sum(amount) from ledger),
    (select string_agg(format('%s %s %s', carrier_id, balance, version), ',' order by carrier_id) from balances)"""


class Upgrade(Story):
    stack_options = {"nodes": 0, "api": False}

    def sql(self, text):
        return self.stack.postgres.psql(text, "older")

    def older(self):
        """A database as the migrations up to BEFORE leave it."""
        self.stack.postgres.database_create("older")
        psql = [os.path.join(self.stack.postgres.bin, "psql"), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", self.stack.postgres.url("older")]
        self.sql("create table schema_migrations (number integer primary key, name text not null, applied_at timestamptz not null default now())")
        names = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(TOP, "sql", "[0-9]*.sql")))
        for name in (n for n in names if int(n[:4]) <= BEFORE):
            run(psql + ["-f", os.path.join(TOP, "sql", name + ".sql")])
            self.sql(f"insert into schema_migrations (number, name) values ({int(name[:4])}, '{name}')")

    def calls(self, first, last, start, step="9 minutes"):
        self.sql(CALLS.format(first=first, last=last, start=start, step=step))

    def figures(self, text):
        return {q: self.sql(text.format(by=q[0], vendors=q[1])) for q in QUESTIONS}

    def test_what_it_holds_is_there_afterwards(self):
        """Of three days the first is archived, and one call of it came late; the second is detached and not yet written."""
        midnight_far(60)
        self.older()
        self.sql("insert into carriers (name, currency) select 'carrier ' || i, 'EUR' from generate_series(1, 12) i")
        day = "date_trunc('day', now(), 'UTC') - interval '{} days'"
        self.calls(1, 450, day.format(4))
        self.sql("select cdr_old_drop(cdr_day_detach((now() at time zone 'UTC')::date - 4), 'file', 1, 'hash')")
        self.calls(451, 453, day.format(4), "7 hours")
        self.sql("select cdr_day_detach((now() at time zone 'UTC')::date - 3)")
        booked, figures = self.sql(BOOKED), self.figures(FIGURES)
        pdd = [self.sql(PDD.format(table)) for table in ("hours", "days")]
        self.assertTrue(all(figures.values()), figures)
        here = int(booked.split("|")[0])
        self.assertTrue(3 < here < 450, booked)

        config = os.path.join(self.stack.folder, "older.conf")
        with open(config, "w") as f:
            f.write(f"[database]\nurl = {self.stack.postgres.url('older')}\n")
        self.assertIn("migrations applied", self.stack.tandem("migrate", config=config).stdout)
        self.assertEqual(self.sql(BOOKED), booked)
        now = self.figures(FIGURES_NOW)
        for question in QUESTIONS:
            with self.subTest(question):
                self.assertEqual(now[question], figures[question])
        for slice_ in (1, 3):
            self.assertEqual([self.sql(PDD_NOW.format(f"{table} where slice = {slice_}")) for table in ("hours", "days")], pdd)
        self.assertEqual(self.sql("select to_regclass('stats_kept') is null"), "t")

        # And it goes on: a call that comes now is booked and counted.
        self.calls(454, 454, day.format(1))
        self.assertEqual(int(self.sql(BOOKED).split("|")[0]), here + 1)
        self.assertEqual(self.sql("select sum(calls) from stats_hours where slice = 0"), "454")
