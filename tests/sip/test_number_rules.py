# SPDX-License-Identifier: Apache-2.0
"""Which numbers may be called and by whom, and rates that go by the caller's number and the time of day: as calls meet them."""

import datetime
from decimal import Decimal

from story import Story


def window(minutes):
    """A schedule of half an hour in UTC that begins so many minutes from now"""
    begins = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    ends = begins + datetime.timedelta(minutes=30)
    return [{"days": [begins.isoweekday()], "from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}", "timezone": "UTC"}]


class NumberRules(Story):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.01"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.other = stack.customer("quay", {"1": "0.06"}, [cls.vendor])
        rate = lambda **words: stack.api.post(f"/v1/rate-decks/{cls.customer['deck']['id']}/rates", effective_from="2020-01-01T00:00:00.000Z",
                                              **words)
        rate(prefix="1301", price="0.20")
        rate(prefix="1301", price="0.30", origin_prefix="49")
        rate(prefix="1301", price="0.40", origin_prefix="4930")
        rate(prefix="1302", price="0.20")
        rate(prefix="1302", price="0.50", schedule=window(-10))
        rate(prefix="1303", price="0.20")
        rate(prefix="1303", price="0.50", schedule=window(10))

    def passes(self, customer, called, calling="4930123456"):
        call = customer["peer"].invite(called, calling=calling)
        leg = self.vendor["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        return self.stack.api.cdr(called=called)

    def blocked(self, customer, called, calling="4930123456"):
        call = customer["peer"].invite(called, calling=calling)
        self.assertEqual(call.expect_final(5).code, 403)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=403, disconnect_reason="blocked", attempts=[])
        looked = self.stack.api.post("/v1/route-lookups", trunk_id=customer["id"], called=called, calling=calling)
        self.assertEqual((looked["outcome"], looked["routes"]), ("listed", []))

    def listed(self, **words):
        """A number list that is gone after the test"""
        made = self.stack.api.post("/v1/number-lists", name=self.id().rsplit(".", 1)[1], **words)
        self.stack.settle()

        def gone():
            self.stack.api.delete(f"/v1/number-lists/{made['id']}")
            self.stack.settle()

        self.addCleanup(gone)

    def test_a_block_list_without_trunks_holds_everywhere_by_prefix_and_whole_number(self):
        whole = self.number("1214")
        self.listed(kind="block", match="called", entries=["1213", whole])
        for customer in (self.customer, self.other):
            self.blocked(customer, self.number("1213"))
        self.blocked(self.customer, whole)
        self.passes(self.customer, self.number("1214"))

    def test_a_list_of_callers_holds_for_its_trunk_only(self):
        self.listed(kind="block", match="calling", entries=["4940"], trunk_ids=[self.customer["id"]])
        self.blocked(self.customer, self.number(), calling="4940777")
        self.passes(self.customer, self.number(), calling="4930777")
        self.passes(self.other, self.number(), calling="4940777")

    def test_an_allow_list_of_a_carrier_lets_nothing_else_through(self):
        self.listed(kind="allow", match="called", entries=["1215"], carrier_ids=[self.customer["carrier"]["id"]])
        self.passes(self.customer, self.number("1215"))
        self.blocked(self.customer, self.number("1216"))
        self.passes(self.other, self.number("1216"))

    def test_a_rate_may_depend_on_the_callers_prefix(self):
        for calling, price in (("4410", "0.20"), ("4940", "0.30"), ("4930", "0.40")):
            self.cdr_says(self.passes(self.customer, self.number("1301"), calling=calling), sell_price=Decimal(price), sell_prefix="1301")

    def test_a_schedule_holds_while_its_window_is_open(self):
        self.cdr_says(self.passes(self.customer, self.number("1302")), sell_price=Decimal("0.50"))
        self.cdr_says(self.passes(self.customer, self.number("1303")), sell_price=Decimal("0.20"))
