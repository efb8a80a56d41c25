# SPDX-License-Identifier: Apache-2.0
"""One decision, shown in three places: what a call's CDR keeps, what /v1/route-lookups answers and what `tandem route` prints are the same,
word for word, with vendors left out for every reason that there is. (`mode` the API refuses to let come about;
tests/unit/test_route.c has it.)"""

import json

from story import Story, wait_for

SAME = ("outcome", "reason", "sell", "routes", "excluded")


class SameWords(Story):
    """Vendor by vendor another reason. All could have the number for 0.0200 but for what is said."""

    @classmethod
    def provision(cls, stack):
        api = stack.api
        vendor = lambda name, rates=None, host="127.0.0.41", **words: stack.vendor(name, rates or {"1": "0.0200"}, host=host, port=5060, **words)
        cls.good = stack.vendor("good", {"1": "0.0300"})
        cls.second = vendor("second", {"12": "0.0400"})
        cls.third = vendor("third", {"1": "0.0500"})
        cls.full = stack.vendor("full", {"1": "0.0200"}, trunk={"max_channels": 1})
        cls.full_carrier = vendor("full carrier")
        cls.slow = vendor("slow", trunk={"max_cps": 0})
        cls.filtered = vendor("filtered")
        cls.no_rate = vendor("no rate", {"44": "0.0200"})
        cls.blocked = vendor("blocked")
        cls.disabled = vendor("disabled", trunk={"enabled": False})
        cls.suspended = vendor("suspended")
        cls.down = vendor("down")
        cls.owed = vendor("owed")
        cls.currency = vendor("currency", currency="CHF")
        cls.euro = vendor("euro", currency="EUR")
        cls.lossy = vendor("lossy", {"1": "0.0610"})
        cls.thin = vendor("thin", {"1": "0.0590"})
        cls.minutes = vendor("minutes", {})
        cls.own = vendor("own")
        api.post("/v1/exchange-rates", **{"from": "EUR", "to": "USD", "rate": "2.000000000001", "effective_from": "2020-01-01T00:00:00.000Z"})
        api.post(f"/v1/rate-decks/{cls.blocked['deck']['id']}/rates", prefix="121", price="0.01", blocked=True)
        api.post(f"/v1/rate-decks/{cls.minutes['deck']['id']}/rates", prefix="1212", price="0.0400", initial=60, increment=60, connect_fee="0.01")
        api.post("/v1/vendor-forces", trunk_id=cls.down["id"], force="down", note="maintenance")
        api.patch(f"/v1/carriers/{cls.suspended['carrier']['id']}", status="suspended")
        api.patch(f"/v1/carriers/{cls.full_carrier['carrier']['id']}", max_channels=0)
        api.patch(f"/v1/carriers/{cls.owed['carrier']['id']}", vendor_limit="10.00")
        api.post("/v1/payments", carrier_id=cls.owed["carrier"]["id"], amount="10.000001")
        members = [cls.good, cls.second, cls.third, cls.full, cls.full_carrier, cls.slow, (cls.filtered, {"prefixes": ["33"]}), cls.no_rate,
                   cls.blocked, cls.disabled, cls.suspended, cls.down, cls.owed, cls.currency, cls.euro, cls.lossy, cls.thin, cls.minutes, cls.own]
        cls.customer = stack.customer("harbour", {"1": "0.0600"}, members, plan={"max_attempts": 2, "min_margin": "0.0050"})
        api.patch(f"/v1/trunks/{cls.own['id']}", carrier_id=cls.customer["carrier"]["id"])

    def three(self, customer, called):
        """-> (the trace, the API, the command)"""
        call = customer["peer"].invite(called)
        leg = self.good["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        api = self.stack.api.post("/v1/route-lookups", trunk_id=customer["id"], called=called)
        cli = json.loads(self.stack.tandem("route", "--trunk", str(customer["id"]), "--called", called, "--json").stdout)
        self.assertEqual(cli, api)
        return self.stack.api.cdr(called=called)["trace"], api, cli

    def excluded(self, said):
        return {e["trunk_id"]: e for e in said["excluded"]}

    def test_every_reason_is_told_in_the_same_words_by_call_api_and_command(self):
        talk, leg = self.answered(self.customer, self.full, self.number("1212"))
        wait_for("the look-up to know of the call", lambda: self.excluded(self.stack.api.post(
            "/v1/route-lookups", trunk_id=self.customer["id"], called="12125550100")).get(self.full["id"], {}).get("reason") == "channels", 5)
        trace, api, _ = self.three(self.customer, self.number("1212"))
        for key in SAME:
            self.assertEqual(trace[key], api[key], key)
        self.assertEqual([r["trunk_id"] for r in api["routes"]], [self.good["id"], self.second["id"]])
        left = self.excluded(api)
        self.assertEqual({i: e["reason"] for i, e in left.items()}, {
            self.third["id"]: "max_attempts", self.full["id"]: "channels", self.full_carrier["id"]: "channels", self.slow["id"]: "cps",
            self.filtered["id"]: "prefix_filter", self.no_rate["id"]: "no_rate", self.blocked["id"]: "blocked",
            self.disabled["id"]: "disabled", self.suspended["id"]: "suspended", self.down["id"]: "down", self.owed["id"]: "vendor_limit",
            self.currency["id"]: "currency", self.euro["id"]: "max_attempts", self.lossy["id"]: "margin", self.thin["id"]: "margin",
            self.minutes["id"]: "margin", self.own["id"]: "same_carrier"})
        self.assertTrue(all(e["detail"] for e in left.values()))
        # whoever has a rate shows it, and what it would have earned: the rule that dropped it is no reason to hide it
        rated = {i: (e.get("prefix"), e.get("price"), e.get("currency"), e.get("expected_margin"), e.get("score")) for i, e in left.items()}
        for one in (self.full, self.slow, self.disabled, self.suspended, self.down, self.owed, self.own):
            self.assertEqual(rated[one["id"]], ("1", "0.020000", "USD", "0.040000", 1.0), one["name"])
        self.assertEqual(rated[self.blocked["id"]][:3], ("121", "0.010000", "USD"))
        self.assertEqual(rated[self.third["id"]], ("1", "0.050000", "USD", "0.010000", 1.0))
        self.assertEqual(rated[self.euro["id"]], ("1", "0.020000", "EUR", "0.020000", 1.0))
        self.assertEqual(rated[self.currency["id"]], ("1", "0.020000", "CHF", None, 1.0))
        self.assertEqual(rated[self.lossy["id"]], ("1", "0.061000", "USD", "-0.001000", 1.0))
        self.assertEqual(rated[self.thin["id"]], ("1", "0.059000", "USD", "0.001000", 1.0))
        for one in (self.no_rate, self.filtered):
            self.assertEqual(rated[one["id"]], (None,) * 5)
        # six calls, 402 s of talk: earns 0.402, is billed 6 x 0.01 and 10 minutes at 0.04
        self.assertAlmostEqual(float(rated[self.minutes["id"]][3]), (0.402 - 0.46) / 402 * 60, 8)
        self.ends(talk, leg)

    def test_the_printed_table_shows_them_too(self):
        shown = self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", "12125550100").stdout
        line = next(x for x in shown.splitlines() if "is expected to cost" in x and "0.061000" in x)
        for word in (str(self.lossy["id"]), "margin", "0.061000", "-0.001000"):
            self.assertIn(word, line)
