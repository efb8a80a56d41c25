# SPDX-License-Identifier: Apache-2.0
"""Which numbers may be called and by whom, and rates that go by the caller's number and the time of day: as calls meet them."""

import datetime
import json
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

    def length(self, **words):
        """A number length that is gone after the test; the switch has it within two seconds"""
        made = self.stack.api.post("/v1/number-lengths", **words)
        self.stack.settle()

        def gone():
            self.stack.api.delete(f"/v1/number-lengths/{made['id']}")
            self.stack.settle()

        self.addCleanup(gone)
        return made

    def wrong_length(self, customer, dialled, why):
        """484 before any vendor is asked; the CDR's trace, the look-up and tandem route say why in the same words"""
        call = customer["peer"].invite(dialled, calling="4930123456")
        self.assertEqual(call.expect_final(5).code, 484)
        cdr = self.stack.api.cdr(called=dialled)
        self.cdr_says(cdr, sip_code=484, disconnect_reason="rejected", attempts=[])
        trace = self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["trace"]
        looked = self.stack.api.post("/v1/route-lookups", trunk_id=customer["id"], called=dialled)
        printed = json.loads(self.stack.tandem("route", "--trunk", str(customer["id"]), "--called", dialled, "--json").stdout)
        for said in (trace, looked, printed):
            self.assertEqual((said["outcome"], said["reason"], said["routes"]), ("wrong_length", why, []))

    def test_a_number_too_short_or_too_long_for_its_destination_is_refused(self):
        self.passes(self.customer, "12175550")
        rule = self.length(prefix="1217", min_length=9, max_length=11)
        self.wrong_length(self.customer, "12175551", "the number has 8 digits, destination 1217 wants 9 to 11")
        self.wrong_length(self.customer, "121755501001", "the number has 12 digits, destination 1217 wants 9 to 11")
        self.passes(self.customer, "121755501")
        self.passes(self.other, "12175550100")
        self.passes(self.customer, "12185551")
        self.stack.api.patch(f"/v1/number-lengths/{rule['id']}", min_length=8)
        self.stack.settle()
        self.passes(self.customer, "12175552")

    def test_the_length_of_the_longest_prefix_holds_for_the_translated_number(self):
        self.length(prefix="1", min_length=11, max_length=11)
        self.length(prefix="1219", min_length=7, max_length=9)
        self.passes(self.customer, "1219555")
        self.wrong_length(self.customer, "1219555012", "the number has 10 digits, destination 1219 wants 7 to 9")
        self.wrong_length(self.customer, "1220555", "the number has 7 digits, destination 1 wants 11")
        trunk = f"/v1/trunks/{self.customer['id']}"
        self.stack.api.patch(trunk, translations=[{"number": "called", "match": "^00", "replace": ""}])
        self.addCleanup(self.stack.settle)
        self.addCleanup(self.stack.api.patch, trunk, translations=[])
        self.stack.settle()
        self.wrong_length(self.customer, "001220555012", "the number has 10 digits, destination 1 wants 11")
        call = self.customer["peer"].invite("0012205550123", calling="4930123456")
        self.vendor["peer"].expect_call().reply(486)
        call.expect(486)

    def test_a_rate_may_depend_on_the_callers_prefix(self):
        for calling, price in (("4410", "0.20"), ("4940", "0.30"), ("4930", "0.40")):
            self.cdr_says(self.passes(self.customer, self.number("1301"), calling=calling), sell_price=Decimal(price), sell_prefix="1301")

    def test_a_schedule_holds_while_its_window_is_open(self):
        self.cdr_says(self.passes(self.customer, self.number("1302")), sell_price=Decimal("0.50"))
        self.cdr_says(self.passes(self.customer, self.number("1303")), sell_price=Decimal("0.20"))
