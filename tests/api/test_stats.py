# SPDX-License-Identifier: Apache-2.0
"""Figures: what /v1/stats says of calls that were, and what it refuses."""

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
        for query in ("", "?group_by=node", "?group_by=hour&destination=France", "?group_by=hour&from=yesterday", "?group_by=hour&limit=3"):
            self.api.refused(400, "GET", "/v1/stats" + query)
