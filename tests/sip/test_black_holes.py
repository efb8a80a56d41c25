# SPDX-License-Identifier: Apache-2.0
"""A vendor that cannot or may not have a call never stands in the way of one that can: it is left out before the ranking, even
where the plan tries one vendor only."""

from story import Story, wait_for


class Either(Story):
    """near is the cheapest for all numbers, spare the only other one; the plan gives a call one attempt."""

    @classmethod
    def provision(cls, stack):
        cls.near = stack.vendor("near", {"1": "0.01"}, trunk={"no_response_timeout": 1})
        cls.spare = stack.vendor("spare", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.near, cls.spare], plan={"max_attempts": 1})

    def attempt_limit(self, n):
        self.stack.api.patch(f"/v1/routing-plans/{self.customer['plan']['id']}", max_attempts=n)

    def look(self, called):
        return self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)

    def goes_to(self, vendor, called, reason=None):
        """A call that only this vendor sees; the look-up and the CDR's trace say the same of near, if anything."""
        looked = self.look(called)
        call = self.customer["peer"].invite(called)
        leg = vendor["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (vendor, 486))
        if reason is not None:
            trace = self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["trace"]
            for said in (looked, trace):
                self.assertEqual([(e["trunk_id"], e["reason"]) for e in said["excluded"]], [(self.near["id"], reason)])
        self.assertEqual([r["trunk_id"] for r in looked["routes"]], [vendor["id"]])


class BlackHoles(Either):
    def changed(self, path, words, back, reason, called):
        """With the change the call goes to spare, without it to near again."""
        self.stack.api.patch(path, **words)
        self.stack.settle()
        self.goes_to(self.spare, called, reason)
        self.stack.api.patch(path, **back)
        self.stack.settle()
        self.goes_to(self.near, self.number())

    def trunk_path(self):
        return f"/v1/trunks/{self.near['id']}"

    def test_a_disabled_trunk(self):
        self.changed(self.trunk_path(), {"enabled": False}, {"enabled": True}, "disabled", self.number())

    def test_a_suspended_carrier(self):
        self.changed(f"/v1/carriers/{self.near['carrier']['id']}", {"status": "suspended"}, {"status": "active"}, "suspended",
                     self.number())

    def test_a_blocked_prefix(self):
        self.stack.api.post(f"/v1/rate-decks/{self.near['deck']['id']}/rates", prefix="1213", price="0.01", blocked=True)
        self.stack.settle()
        self.goes_to(self.spare, self.number("1213"), "blocked")
        self.goes_to(self.near, self.number("1214"))

    def test_a_vendor_that_would_lose_money_though_its_price_is_the_lowest(self):
        self.stack.api.post(f"/v1/rate-decks/{self.near['deck']['id']}/rates", prefix="1215", price="0.001", connect_fee="0.5")
        self.stack.settle()
        self.goes_to(self.spare, self.number("1215"), "margin")

    def test_a_vendor_that_is_owed_too_much(self):
        carrier = self.near["carrier"]["id"]
        self.stack.api.patch(f"/v1/carriers/{carrier}", vendor_limit="5")
        self.stack.api.post("/v1/payments", carrier_id=carrier, amount="6")
        self.stack.settle()
        self.goes_to(self.spare, self.number(), "vendor_limit")
        self.stack.api.patch(f"/v1/carriers/{carrier}", vendor_limit=None)
        self.stack.settle()
        self.goes_to(self.near, self.number())

    def test_a_vendor_that_is_owed_more_than_is_counted_in(self):
        """Rupiahs. The limit holds, and what the other vendors are owed is looked at as before."""
        carrier = self.near["carrier"]["id"]
        self.stack.api.patch(f"/v1/carriers/{carrier}", vendor_limit="500000000")
        for _ in range(10):
            self.stack.api.post("/v1/payments", carrier_id=carrier, amount="999999999")
        self.stack.settle()
        self.goes_to(self.spare, self.number(), "vendor_limit")
        for _ in range(10):
            self.stack.api.post("/v1/payments", carrier_id=carrier, amount="-999999999")
        self.stack.settle()
        self.goes_to(self.near, self.number())
        self.assertNotIn("database away", self.stack.node.process.log())

    def test_one_that_the_operator_has_set_down(self):
        force = self.stack.api.post("/v1/vendor-forces", trunk_id=self.near["id"], force="down")
        self.stack.settle()
        self.goes_to(self.spare, self.number(), "down")
        self.stack.api.delete(f"/v1/vendor-forces/{force['id']}")
        self.stack.settle()
        self.goes_to(self.near, self.number())

    def test_a_full_vendor(self):
        self.stack.api.patch(self.trunk_path(), max_channels=1)
        self.stack.settle()
        call, leg = self.answered(self.customer, self.near, self.number())
        called = self.number()
        other = self.customer["peer"].invite(called)
        second = self.spare["peer"].expect_call()
        second.reply(486)
        other.expect(486)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.spare, 486))
        trace = self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["trace"]
        self.assertEqual([(e["trunk_id"], e["reason"]) for e in trace["excluded"]], [(self.near["id"], "channels")])
        self.ends(call, leg)
        wait_for("near to be free again", lambda: [r["trunk_id"] for r in self.look(self.number())["routes"]] == [self.near["id"]], 5)
        self.goes_to(self.near, self.number())
        self.stack.api.patch(self.trunk_path(), max_channels=None)
        self.stack.settle()

    def at_its_rate(self, path):
        """Two calls within a moment, and near or its carrier takes one a second: spare has the other."""
        self.stack.api.patch(path, max_cps=1)
        self.stack.settle()
        for vendor in (self.near, self.spare):
            called = self.number()
            call = self.customer["peer"].invite(called)
            vendor["peer"].expect_call().reply(486)
            call.expect(486)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.spare, 486))
        trace = self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["trace"]
        self.assertEqual([(e["trunk_id"], e["reason"]) for e in trace["excluded"]], [(self.near["id"], "cps")])
        self.stack.api.patch(path, max_cps=None)
        self.stack.settle()
        self.goes_to(self.near, self.number())

    def test_a_trunk_at_its_rate(self):
        self.at_its_rate(self.trunk_path())

    def test_a_carrier_at_its_rate(self):
        self.at_its_rate(f"/v1/carriers/{self.near['carrier']['id']}")


class Dead(Either):
    def test_a_dead_vendor_costs_calls_its_silence_and_then_nothing(self):
        """While it is not yet known to be dead the second attempt serves each call; then one is enough."""
        self.attempt_limit(2)
        self.stack.settle()
        self.near["peer"].mute = True
        for _ in range(5):
            called = self.number()
            call = self.customer["peer"].invite(called)
            leg = self.spare["peer"].expect_call()
            leg.reply(486)
            call.expect(486)
            self.attempts_are(self.stack.api.cdr(called=called), (self.near, 408), (self.spare, 486))
        wait_for("near to be left out", lambda: [r["trunk_id"] for r in self.look(self.number())["routes"]] == [self.spare["id"]], 5)
        self.attempt_limit(1)
        self.stack.settle()
        for _ in range(3):      # "down", or a trial that may not take the only place
            self.goes_to(self.spare, self.number())
