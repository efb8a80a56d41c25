# SPDX-License-Identifier: Apache-2.0
"""How long a call may ring, and talk: what the switch ends by itself, on both legs."""

from decimal import Decimal

from story import Talk
from story.lateness import Lateness


class Timers(Talk):
    """A call may ring for 3 s over all attempts. Customers may talk as long as they like, or 2 s; vendors as long, or 2 s."""

    stack_options = {"settings": {"sip": {"invite_timeout": "3s"}}}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.next = stack.vendor("beta", {"1": "0.03"})
        cls.brief = stack.vendor("brief", {"3": "0.02"}, trunk={"max_duration": 2})
        cls.impatient = stack.vendor("impatient", {"4": "0.02"}, trunk={"ring_timeout": 1})
        cls.patient = stack.vendor("patient", {"4": "0.03"})
        decks = {"1": "0.06", "3": "0.06", "4": "0.06"}
        cls.customer = stack.customer("harbour", decks, [cls.vendor, cls.next, cls.brief, cls.impatient, cls.patient])
        cls.bounded = stack.customer("lagoon", decks, [cls.vendor, cls.next, cls.brief], trunk={"max_duration": 2})

    def is_cancelled(self, leg):
        leg.expect("CANCEL", 5)
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")

    def test_a_call_that_rings_too_long_is_408(self):
        called = self.number()
        call, leg = self.ringing(called)
        self.is_cancelled(leg)
        self.assertEqual(call.expect_final(5).code, 408)
        self.next["peer"].expect_no_call(0.5)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=408, disconnect_reason="no_answer", hangup_party="switch", sell_amount=Decimal(0), duration_ms=0)
        self.assertEqual(len(cdr["attempts"]), 1)

    def test_a_vendor_that_rings_too_long_is_left_for_the_next(self):
        called = self.number("42125")
        call = self.customer["peer"].invite(called)
        leg = self.impatient["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        self.is_cancelled(leg)
        other = self.patient["peer"].expect_call()
        self.answer(call, other)
        self.ends(call, other)
        self.attempts_read(self.stack.api.cdr(called=called), (self.impatient, 408, "no_answer"), (self.patient, 200, "answered"))

    def test_the_rings_of_all_vendors_count(self):
        called = self.number("42125")
        call = self.customer["peer"].invite(called)
        for vendor in (self.impatient, self.patient):
            leg = vendor["peer"].expect_call()
            leg.reply(180)
            self.is_cancelled(leg)
        self.assertEqual(call.expect_final(5).code, 408)
        self.attempts_read(self.stack.api.cdr(called=called), (self.impatient, 408, "no_answer"), (self.patient, 408, "no_answer"))

    def told_enough(self, customer, vendor, prefix):
        called = self.number(prefix)
        with Lateness() as late:
            ends = self.answered(customer, vendor, called)
            for end in ends:
                end.expect("BYE", 5)
                end.reply(200)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="max_duration", hangup_party="switch")
        self.assertTrue(1900 <= cdr["duration_ms"] <= 2100 + 1000 * late.worst_s, f"the machine was late by {late.worst_s:.3f} s: {cdr}")
        return cdr

    def test_a_customer_has_talked_long_enough(self):
        self.told_enough(self.bounded, self.vendor, "12125")

    def test_a_vendor_takes_no_longer_calls(self):
        self.told_enough(self.customer, self.brief, "32125")

    def test_holding_a_call_does_not_prolong_it(self):
        """A re-INVITE that is under way when the time is up: both legs get BYE all the same."""
        called = self.number("32125")
        call, leg = self.answered(self.customer, self.brief, called)
        call.request("INVITE", call.peer.sdp(way="sendonly"))
        leg.expect("INVITE")
        leg.reply(180)
        leg.expect("BYE", 5)
        leg.reply(200)
        while True:
            m = call.take(lambda m: m.method in ("INVITE", "BYE"), 5)
            if m.method == "BYE":
                call.reply(200, to=m)
                break
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="max_duration", hangup_party="switch")

    def test_zz_nothing_is_left(self):
        self.nothing_left()
