# SPDX-License-Identifier: Apache-2.0
"""The plain flows of RFC 3665 and RFC 3666 that a switch between two carriers meets, and the causes that go with them."""

import re
from decimal import Decimal

from story import Talk


class Flows(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.caller, cls.a = cls.customer["peer"], cls.vendor["peer"]

    # ---- RFC 3665

    def test_a_session_is_set_up_and_ended(self):
        """Section 3.1."""
        called = self.number()
        call, leg = self.ringing(called)
        self.answer(call, leg)
        call.expect_silence(0.02)
        self.ends(leg, call)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal", hangup_party="callee", q850_cause=16, sell_billed_s=1)
        self.assertEqual(sorted((cdr["started_at"], cdr["progress_at"], cdr["answered_at"], cdr["ended_at"])),
                         [cdr["started_at"], cdr["progress_at"], cdr["answered_at"], cdr["ended_at"]])

    def test_a_session_moves_to_another_address(self):
        """Section 3.7: the media of a callee moves by re-INVITE."""
        call, leg = self.up()
        leg.request("INVITE", self.a.sdp(port=45678))
        self.assertIn("m=audio 45678 ", call.expect("INVITE").body)
        self.answer(leg, call)
        self.ends(call, leg)

    def test_nobody_answers_and_the_caller_gives_up(self):
        """Section 3.8."""
        called = self.number()
        call, leg = self.ringing(called)
        self.cancelled(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled", hangup_party="caller",
                      duration_ms=0, sell_amount=Decimal(0))

    def test_the_callees_refusals_reach_the_caller(self):
        """Sections 3.9 to 3.11, and the codes a gateway has for others (RFC 3666 section 3)."""
        for code, reason in ((480, "vendor_failed"), (486, "busy"), (404, "vendor_failed"), (410, "vendor_failed"), (484, "vendor_failed"),
                             (488, "vendor_failed"), (600, "busy"), (603, "callee_rejected"), (606, "callee_rejected"),
                             (607, "callee_rejected")):
            with self.subTest(code=code):
                called = self.number()
                call, leg = self.ringing(called)
                leg.reply(code, headers=[("Warning", '399 gw "x"'), ("Contact", "<sip:elsewhere@127.0.9.9>"), ("Retry-After", "5")])
                refused = call.expect(code)
                leg.expect("ACK")
                self.assertEqual([refused.get(h) for h in ("Warning", "Contact", "Retry-After")], [None] * 3)
                self.cdr_says(self.stack.api.cdr(called=called), sip_code=code, disconnect_reason=reason, duration_ms=0)

    def test_answers_that_would_tell_of_our_vendors_are_503(self):
        for code in (302, 305, 401, 402, 403, 407, 482, 483):
            with self.subTest(code=code):
                called = self.number()
                call = self.caller.invite(called)
                leg = self.a.expect_call()
                leg.reply(code, headers=[("Contact", "<sip:12125550100@127.0.9.9>")])
                refused = call.expect_final(2)
                self.assertEqual((refused.code, refused.get("Contact")), (503, None))
                self.attempts_are(self.stack.api.cdr(called=called), (self.vendor, code))

    # ---- RFC 3666

    def test_an_announcement_is_heard_before_a_refusal(self):
        """As gateways do: 183 with media, then the code."""
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        self.assertIn("m=audio", call.expect(183).body)
        leg.reply(404, headers=[("Reason", 'Q.850;cause=1;text="unallocated"')])
        call.expect(404)
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=404, q850_cause=1, answered_at=None)

    def test_ringing_may_follow_media_and_come_often(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(100)
        for code, sdp in ((183, True), (180, None), (181, None), (182, None)):
            leg.reply(code, sdp=sdp)
            call.expect(code)
        self.answer(call, leg)
        self.ends(call, leg)

    # ---- causes

    def test_the_cause_of_a_refusal_stands_in_the_cdr(self):
        for header, cause in ((None, 17), ("Q.850;cause=19", 19), ('SIP;cause=200;text="x", Q.850;cause=34', 34),
                              ('SIP;cause=200;text="x"', 17), ("Q.850", 17), ("q.850 ;cause=21", 21)):
            with self.subTest(header=header):
                called = self.number()
                call = self.caller.invite(called)
                self.a.expect_call().reply(486, headers=[("Reason", header)] if header else ())
                call.expect(486)
                self.cdr_says(self.stack.api.cdr(called=called), q850_cause=cause)

    def test_the_cause_of_bye_stands_in_the_cdr(self):
        for ends_first in ("call", "leg"):
            with self.subTest(ends_first=ends_first):
                called = self.number()
                call, leg = self.up(called)
                one, other = (call, leg) if ends_first == "call" else (leg, call)
                one.request("BYE", headers=[("Reason", 'Q.850;cause=41;text="temporary"')])
                told = other.expect("BYE")
                other.reply(200)
                one.expect(200, method="BYE")
                self.assertTrue(re.match(r"Q\.850\s*;\s*cause=\d+", told.get("Reason", "")), told.get("Reason"))
                self.cdr_says(self.stack.api.cdr(called=called), q850_cause=41, disconnect_reason="normal")

    def test_the_cause_of_cancel_stands_in_the_cdr(self):
        called = self.number()
        call, leg = self.ringing(called)
        self.caller.edit = lambda m: m.method == "CANCEL" and m.set("Reason", "Q.850;cause=102")
        self.cancelled(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), q850_cause=102, disconnect_reason="cancelled")

    def test_codes_of_reasons_cross_and_their_words_do_not(self):
        """RFC 3326, both ways, in BYE, CANCEL and refusals."""
        said = ("Reason", 'Q.850;cause=31;text="switch7.vendor.example", SIP;cause=480;text="gone"')
        crossed = "SIP;cause=480,Q.850;cause=31"

        def reason(m):
            return ",".join(m.all("Reason")).replace(" ", "")

        for mine, other in ((0, 1), (1, 0)):
            ends = self.up()
            ends[mine].request("BYE", headers=[said])
            self.assertEqual(reason(ends[other].expect("BYE")), crossed)
            ends[other].reply(200)
            ends[mine].expect(200, method="BYE")
        call, leg = self.ringing(self.number())
        self.customer["peer"].edit = lambda m: m.set("Reason", said[1]) if m.method == "CANCEL" else None
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        self.assertEqual(reason(leg.expect("CANCEL")), crossed)
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        call = self.customer["peer"].invite(self.number())
        leg = self.vendor["peer"].expect_call()
        leg.reply(486, headers=[said])
        self.assertEqual(reason(call.expect(486)), crossed)
        leg.expect("ACK")

    def test_a_call_is_not_taken_over(self):
        """RFC 3891: Replaces is refused, whether the caller insists on it or not."""
        called = self.number()
        replaces = ("Replaces", "abc@here;to-tag=1;from-tag=2")
        self.customer["peer"].invite(called, headers=[replaces]).expect(501)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=501, disconnect_reason="rejected")
        call = self.customer["peer"].invite(self.number(), headers=[replaces, ("Require", "replaces")])
        self.assertEqual(call.expect(420).get("Unsupported"), "replaces")
        self.vendor["peer"].expect_no_call(0.2)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
