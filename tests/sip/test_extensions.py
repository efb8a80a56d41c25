# SPDX-License-Identifier: Apache-2.0
"""Session timers (RFC 4028) on each leg by its own terms, and reliable provisional answers (RFC 3262) towards the caller."""

from story import Story


class Extensions(Story):
    """One vendor whose trunk asks for sessions of 90 s, one without."""

    @classmethod
    def provision(cls, stack):
        cls.timed = stack.vendor("timed", {"1": "0.01"}, trunk={"session_expires": 90})
        cls.plain = stack.vendor("plain", {"49": "0.01"})
        cls.customer = stack.customer("caller", {"1": "0.02", "49": "0.02"}, [cls.timed, cls.plain])
        cls.caller = cls.customer["peer"]
        cls.trusted = stack.customer("trusted", {"49": "0.02"}, [cls.plain], trunk={"trust_pai": True})

    def german(self):
        return self.number(prefix="4930")

    def test_a_session_too_short_is_422_with_our_minimum(self):
        call = self.caller.invite(self.german(), headers=[("Supported", "timer"), ("Session-Expires", "60")])
        refusal = call.expect(422)
        self.assertEqual(refusal.get("Min-SE"), "90")
        self.plain["peer"].expect_no_call(0.2)

    def test_the_callers_terms_hold_on_its_leg_alone(self):
        called = self.german()
        call = self.caller.invite(called, headers=[("Supported", "timer"), ("Session-Expires", "300;refresher=uac")])
        leg = self.plain["peer"].expect_call()
        self.assertIsNone(leg.invite.get("Session-Expires"), "the vendor's trunk has no session_expires")
        leg.reply(200, sdp=True)
        ok = call.expect(200)
        self.assertEqual(ok.get("Session-Expires").replace(" ", ""), "300;refresher=uac")
        self.assertIn("timer", ok.get("Require"))
        call.ack()
        leg.expect("ACK")
        call.request("UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "300;refresher=uac")])
        refreshed = call.expect(200, method="UPDATE")
        self.assertEqual(refreshed.get("Session-Expires").replace(" ", ""), "300;refresher=uac")
        leg.expect_silence(0.2)
        call.bye()
        leg.expect("BYE")
        leg.reply(200)

    def test_a_vendor_that_wants_longer_sessions_is_asked_again(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.timed["peer"].expect_call()
        self.assertEqual(leg.invite.get("Session-Expires"), "90")
        leg.reply(422, headers=[("Min-SE", "1800")])
        leg.expect("ACK")
        leg.expect("INVITE")
        self.assertEqual(leg.last_request.get("Session-Expires"), "1800")
        leg.reply(200, sdp=True, headers=[("Session-Expires", "1800;refresher=uac"), ("Require", "timer")])
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        call.bye()
        leg.expect("BYE")
        leg.reply(200)
        self.attempts_are(self.stack.api.cdr(called=called), (self.timed, 200))

    def test_we_refresh_the_vendor_and_hang_up_on_a_caller_who_forgot(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uac")])
        leg = self.timed["peer"].expect_call()
        leg.reply(200, sdp=True, headers=[("Session-Expires", "90;refresher=uac"), ("Require", "timer"), ("Allow", "INVITE, ACK, BYE, UPDATE")])
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        leg.expect("UPDATE", limit=50)
        self.assertIsNone(leg.last_request.sdp)
        self.assertEqual(leg.last_request.get("Session-Expires").replace(" ", ""), "90;refresher=uac")
        leg.reply(200, headers=[("Session-Expires", "90;refresher=uac")])
        call.expect("BYE", limit=20)
        call.reply(200)
        leg.expect("BYE")
        leg.reply(200)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        self.assertTrue(59_000 <= cdr["duration_ms"] <= 62_000, cdr["duration_ms"])

    def test_a_caller_that_needs_reliable_ringing_gets_it(self):
        called = self.german()
        call = self.caller.invite(called, headers=[("Supported", "100rel"), ("Require", "100rel")])
        leg = self.plain["peer"].expect_call()
        self.assertNotIn("100rel", leg.invite.get("Require") or "")
        leg.reply(183, sdp=True)
        early = call.expect(183)
        self.assertIn("100rel", early.get("Require"))
        self.prack(call, early)
        leg.reply(200, sdp=leg.sdp_sent)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        call.bye()
        leg.expect("BYE")
        leg.reply(200)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_an_extension_that_nobody_has_is_420(self):
        call = self.caller.invite(self.german(), headers=[("Require", "wishful-thinking, timer")])
        self.assertEqual(call.expect(420).get("Unsupported"), "wishful-thinking")

    def from_of(self, headers):
        call = self.trusted["peer"].invite(self.german(), calling="anonymous", headers=headers)
        leg = self.plain["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        return leg.invite.get("From")

    def test_an_asserted_identity_is_told_unless_the_caller_wants_privacy(self):
        asserted = ("P-Asserted-Identity", "\"Ann\" <sip:4930777@caller.example>")
        self.assertIn("sip:4930777@", self.from_of([asserted]))
        hidden = self.from_of([asserted, ("Privacy", "id")])
        self.assertIn("sip:anonymous@", hidden)
        self.assertNotIn("4930777", hidden)
