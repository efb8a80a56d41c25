# SPDX-License-Identifier: Apache-2.0
"""Figures: what /v1/stats says of calls that were, and what it refuses."""

import json
from decimal import Decimal

from story.described import ApiStory

DAY = {"from_": "2026-05-01T00:00:00Z", "to": "2026-05-03T00:00:00Z"}


class Stats(ApiStory):
    @classmethod
    def provision(cls, stack):
        super().provision(stack)
        cls.customer, cls.vendor = stack.carrier("customer"), stack.carrier("vendor")
        row = "('01990000-0000-7000-8000-{n:012d}', 'sw1', '{at}', {answered}, '{at}', {c}, 7, {v}, 8, {ms}, '{why}', 'caller', 1, {pdd}, " \
              "'{dest}', {s}, {sell}, 'USD', {s}, {buy}, 'USD', false)"
        calls = [("2026-05-01 10:05Z", 60, "normal", 800, "Germany", "0.5", "0.2"), ("2026-05-01 10:50Z", 180, "normal", 1200, "France", "1.5", "0.7"),
                 ("2026-05-01 11:00Z", 0, "busy", 900, "Germany", "0", "0"), ("2026-05-02 10:00Z", 0, "vendor_failed", 50, "Germany", "0", "0")]
        rows = [row.format(n=n, at=at, answered=f"'{at}'" if s else "null", c=cls.customer["id"], v=cls.vendor["id"], ms=s * 1000, why=why, pdd=pdd,
                           dest=dest, s=s, sell=sell, buy=buy) for n, (at, s, why, pdd, dest, sell, buy) in enumerate(calls)]
        stack.postgres.psql("select cdr_partition_make('2026-05-01'); select cdr_partition_make('2026-05-02'); insert into cdrs (id, node, "
                            "started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, "
                            "duration_ms, disconnect_reason, hangup_party, attempts, pdd_ms, destination, sell_billed_s, sell_amount, "
                            "sell_currency, buy_billed_s, buy_amount, buy_currency, recovered) values " + ", ".join(rows))

    def read(self, by, **query):
        return self.api.get("/v1/stats", group_by=by, **{**DAY, **query})["items"]

    def test_figures_by_carrier(self):
        one, = self.read("carrier")
        self.assertEqual((one["carrier_id"], one["calls"], one["answered"], one["asr"], one["ner"], one["acd_s"]),
                         (self.customer["id"], 4, 2, 50, 75, 120))
        self.assertEqual((one["minutes"], one["revenue"], one["cost"], one["margin"], one["currency"]),
                         ("4.000000", "2.000000", "0.900000", "1.100000", "USD"))
        vendor, = self.read("carrier", side="egress")
        self.assertEqual((vendor["carrier_id"], vendor["calls"]), (self.vendor["id"], 4))

    def test_groups_and_filters(self):
        self.assertEqual([(i["hour"], i["calls"]) for i in self.read("hour")],
                         [("2026-05-01T10:00:00.000Z", 2), ("2026-05-01T11:00:00.000Z", 1), ("2026-05-02T10:00:00.000Z", 1)])
        self.assertEqual([(i["destination"], i["calls"]) for i in self.read("destination")], [("Germany", 3), ("France", 1)])
        self.assertEqual([(i["trunk_id"], i["calls"]) for i in self.read("trunk", destination="France")], [(7, 1)])
        self.assertEqual(len(self.read("hour", to="2026-05-02T00:00:00Z")), 2)
        self.assertEqual(self.read("hour", carrier_id=self.vendor["id"]), [])
        self.assertEqual(self.read("trunk", trunk_id=9), [])

    def test_what_cannot_be_answered_is_refused(self):
        for query in ("", "?group_by=node", "?group_by=hour,", "?group_by=hour,hour", "?group_by=carrier,hour,destination", "?group_by=hour&destination=France&carrier_id=1",
                      "?group_by=hour&from=yesterday", "?group_by=hour&limit=1001"):
            self.api.refused(400, "GET", "/v1/stats" + query)

    def test_an_hour_of_one_destination(self):
        self.assertEqual([(i["hour"], i["calls"], i["destination"]) for i in self.read("hour", destination="France")], [("2026-05-01T10:00:00.000Z", 1, None)])
        self.assertEqual([(i["hour"][8:13], i["destination"], i["calls"]) for i in self.read("hour,destination", destination="Germany")],
                         [("01T10", "Germany", 1), ("01T11", "Germany", 1), ("02T10", "Germany", 1)])

    def test_days_are_whole_and_hours_around_them_count(self):
        self.assertEqual([i["calls"] for i in self.read("destination", from_="2026-05-01T11:00:00Z")], [2])
        self.assertEqual([i["calls"] for i in self.read("carrier", from_="2026-05-01T10:00:00Z", to="2026-05-02T10:00:00Z")], [3])
        self.assertEqual([i["calls"] for i in self.read("carrier", from_="2026-05-01T10:00:00Z", to="2026-05-01T11:00:00Z")], [2])


PAGE = 7  # items: no grouping fits on one page


class FromTheCalls(ApiStory):
    """Random calls of three days, and every grouping of them held against sums over the calls themselves."""

    @classmethod
    def furnish(cls, stack):
        stack.postgres.psql("""
            select setseed(0.4);
            select cdr_partition_make(d::date) from generate_series(timestamp '2026-03-01', '2026-03-03', '1 day') d;
            insert into cdrs (id, node, started_at, progress_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id,
                egress_trunk_id, destination, pdd_ms, duration_ms, disconnect_reason, hangup_party, attempts, sell_billed_s, sell_amount, sell_currency,
                buy_billed_s, buy_amount, buy_currency, buy_to_sell_rate, recovered)
            select (left(uuid_floor(at)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'sw1', at, case when tried and random() < 0.7 then at end,
                case when s > 0 then at end, at, customer / 10, customer, case when tried then vendor / 10 end, case when tried then vendor end,
                (array['Germany', 'France', 'Spain', 'Peru', null])[1 + (random() * 4)::integer], case when tried then (power(random(), 3) * 90000)::integer end,
                s * 1000, case when s > 0 then 'normal' when not tried then 'no_route' else (array['busy', 'cancelled', 'vendor_failed', 'no_answer'])
                [1 + (random() * 3)::integer] end, 'caller', 1, s, s * 0.0123456, (array['EUR', 'USD'])[customer % 2 + 1], s, s * 0.01, 'USD',
                case when random() < 0.9 then 0.9 end, false
              from (select n, timestamptz '2026-03-01Z' + random() * interval '71 hours' as at, 50 + (random() * 49)::integer as customer,
                    80 + (random() * 49)::integer as vendor, tried, case when tried and random() < 0.5 then (random() * 600)::integer else 0 end as s
                  from (select n, random() < 0.9 as tried from generate_series(1, 3000) n) d) drawn""")

    # what the figures are, said once more, over nothing but the calls
    TRUTH = """
        select json_agg(g) from (select {columns}, coalesce(sell_currency, '') as currency, count(*) as calls, count(answered_at) as answered,
            count(*) filter (where answered_at is not null or disconnect_reason in ('busy', 'no_answer') or disconnect_reason = 'cancelled' and progress_at is not null)
                as effective, sum(duration_ms) as talk_ms, round(sum(sell_billed_s) / 60.0, 6)::text as sell_minutes,
            sum(sell_amount)::numeric(20, 9)::text as revenue,
            round(sum(buy_amount * case when sell_currency = buy_currency then 1 else coalesce(buy_to_sell_rate, 0) end), 9)::text as cost,
            count(*) filter (where sell_currency <> buy_currency and buy_amount <> 0 and buy_to_sell_rate is null) as unconverted,
            percentile_disc(array[0.5, 0.95, 0.99]) within group (order by pdd_ms) as pdd
          from cdrs where started_at >= '{since}' and started_at < '{till}' and {where} group by {groups}, sell_currency) g"""
    COLUMNS = {"carrier": {"carrier_id": "{side}_carrier_id"}, "trunk": {"carrier_id": "{side}_carrier_id", "trunk_id": "{side}_trunk_id"},
               "destination": {"destination": "coalesce(destination, '')"}, "hour": {"hour": "date_trunc('hour', started_at, 'UTC')"}}
    BOUNDS = (0, 100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 7000, 10000, 15000, 20000, 30000, 60000)

    def truth(self, by, side, since, till, where):
        named = {}
        for one in by.split(","):
            named.update(self.COLUMNS[one])
        columns = ", ".join(f"{sql} as {name}" for name, sql in named.items()).format(side=side)
        groups = ", ".join(named.values()).format(side=side)
        if side == "egress":
            where += " and egress_carrier_id is not null"
        rows = self.stack.postgres.psql(self.TRUTH.format(columns=columns, groups=groups, since=since, till=till, where=where))
        return json.loads(rows or "[]") or []

    @staticmethod
    def key(row):
        hour = row.get("hour")
        return (row.get("carrier_id"), row.get("trunk_id"), row.get("destination"), hour and hour[:13], row["currency"] or "")

    def bucket(self, ms):
        ms = min(ms, 60000)
        return next(i for i, high in enumerate(self.BOUNDS[1:]) if ms <= high)

    def agrees(self, item, row):
        self.assertEqual((item["calls"], item["answered"], item["unconverted"], item["sell_minutes"]),
                         (row["calls"], row["answered"], row["unconverted"], row["sell_minutes"]), (item, row))
        self.assertEqual((Decimal(item["revenue"]), Decimal(item["cost"])), (Decimal(row["revenue"]), Decimal(row["cost"])), (item, row))
        self.assertEqual(Decimal(item["margin"]), Decimal(row["revenue"]) - Decimal(row["cost"]))
        self.assertAlmostEqual(item["asr"], 100 * row["answered"] / row["calls"], delta=0.0051)
        self.assertAlmostEqual(item["ner"], 100 * row["effective"] / row["calls"], delta=0.0051)
        self.assertAlmostEqual(float(item["minutes"]), row["talk_ms"] / 60000, delta=0.000001)
        for name, exact in zip(("pdd_p50_ms", "pdd_p95_ms", "pdd_p99_ms"), row["pdd"] or [None] * 3):
            if exact is None:
                self.assertIsNone(item[name])
            else:  # a histogram knows the bucket
                low, high = self.BOUNDS[self.bucket(exact)], self.BOUNDS[self.bucket(exact) + 1]
                self.assertTrue(low <= item[name] <= high, (name, item, exact))

    def compare(self, by, side="ingress", since="2026-03-01T00:00:00Z", till="2026-03-04T00:00:00Z", where="true", **query):
        rows = {self.key(row): row for row in self.truth(by, side, since, till, where)}
        items = self.api.items("/v1/stats", group_by=by, side=side, from_=since, to=till, limit=PAGE, **query)
        self.assertEqual(len(items), len({self.key(i) for i in items}), "no group twice")
        self.assertEqual({self.key(i) for i in items}, set(rows))
        self.assertGreater(len(items), 0)
        for item in items:
            self.agrees(item, rows[self.key(item)])

    def test_every_grouping_is_the_sum_of_its_calls(self):
        for side in ("ingress", "egress"):
            for by in ("carrier", "trunk", "destination", "hour", "hour,destination", "carrier,hour", "carrier,destination", "destination,trunk"):
                with self.subTest(by=by, side=side):
                    self.compare(by, side)

    def test_filters(self):
        self.compare("hour", where="destination = 'Peru'", destination="Peru")
        self.compare("hour", "egress", where="egress_carrier_id = 9", carrier_id=9)
        self.compare("destination", where="ingress_trunk_id = 61", trunk_id=61)
        self.compare("trunk", "egress", where="destination = 'Peru'", destination="Peru")
        self.compare("carrier,destination", where="ingress_carrier_id = 6", carrier_id=6)

    def test_spans_of_hours(self):
        for since, till in (("2026-03-01T05:00:00Z", "2026-03-03T17:00:00Z"), ("2026-03-02T05:00:00Z", "2026-03-02T06:00:00Z"),
                            ("2026-03-01T23:00:00Z", "2026-03-02T01:00:00Z")):
            for by in ("carrier", "destination", "hour", "hour,destination"):
                with self.subTest(by=by, since=since):
                    self.compare(by, since=since, till=till)
