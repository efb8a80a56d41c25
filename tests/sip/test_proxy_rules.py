# SPDX-License-Identifier: Apache-2.0
"""mode proxy by the rules of RFC 3261 section 16: what of a request and its answer is changed on the way, and what a proxy says
by itself."""

from story import Proxied


class Rules(Proxied):
    @classmethod
    def setUpClass(cls):
        cls.stack_options = {"settings": {"sip": {"t1": "100ms", "invite_timeout": "4s"}}}
        super().setUpClass()

    # ---- 16.3, 16.4, 16.6: the request

    def test_hops_are_counted_down_from_whatever_they_are(self):
        for given, sent in (("70", "69"), ("200", "199"), ("1", "0"), (None, "70")):
            with self.subTest(given=given):
                called = self.number()
                call = self.caller.invite(called, change=lambda m, n=given: m.set("Max-Forwards", *([n] if n else [])))
                leg = self.a.expect_call()
                self.assertEqual(leg.invite.get("Max-Forwards"), sent)
                self.answer(call, leg)
                self.ends(call, leg)

    def test_hops_loops_and_extensions(self):
        called = self.number()
        call = self.caller.invite(called, change=lambda m: m.set("Max-Forwards", "0"))
        call.expect(483)
        call = self.caller.invite(called, headers=[("Proxy-Require", "teleport")])
        self.assertEqual(call.expect_final().get("Unsupported"), "teleport")
        call, leg = self.ringing(called)
        via = leg.invite.all("Via")
        self.cancelled(call, leg)
        again = self.caller.invite(called, change=lambda m: m.set("Via", m.get("Via"), *via))
        again.expect(482)
        self.assertEqual(sorted(c["sip_code"] for c in self.cdrs(called, 4)), [420, 482, 483, 487])

    def test_preloaded_routes_do_not_lead_past_our_routing(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("Route", f"<sip:127.0.0.1:{self.stack.node.port};lr>"), ("Route", f"<sip:{self.b.host}:{self.b.port};lr>")])
        leg = self.a.expect_call()
        self.assertEqual(leg.invite.all("Route"), [])
        self.answer(call, leg)
        self.ends(call, leg)

    def test_privacy_keeps_the_asserted_identity(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("Privacy", "id"), ("P-Asserted-Identity", "<sip:4930777@x>")])
        leg = self.a.expect_call()
        self.assertEqual((leg.invite.get("P-Asserted-Identity"), leg.invite.get("Privacy")), (None, "id"))
        self.answer(call, leg)
        self.ends(call, leg)

    # ---- 16.7 and 16.9: the answer

    def test_503_of_the_next_hop_is_not_passed_on(self):
        """Point 6: it would keep the sender from us, not from the one that said it."""
        called = self.number()
        call, leg = self.up(called)
        for one, other in ((call, leg), (leg, call)):
            for method in ("INFO", "UPDATE", "INVITE", "BYE"):
                one.request(method)
                other.expect(method)
                other.reply(503, headers=[("Retry-After", "600")])
                said = one.expect(500, method=method)
                self.assertIsNone(said.get("Retry-After"))
                if method == "INVITE":
                    other.expect("ACK")
        self.assertEqual(self.shown(called)["state"], "answered")
        self.ends(call, leg)

    # ---- 16.8: timer C

    def test_a_re_invite_that_rings_for_ever_is_cancelled(self):
        call, leg = self.up()
        self.rings_again(call, leg)
        self.is_cancelled(leg, limit=8)
        call.expect(487, method="INVITE")
        self.ends(call, leg)

    def test_one_that_is_never_answered_ends_all_the_same(self):
        call, leg = self.up()
        self.rings_again(call, leg)
        leg.expect("CANCEL", limit=8)
        leg.reply(200)
        call.expect(408, limit=12, method="INVITE")
        self.ends(call, leg)

    # ---- 16.10: CANCEL

    def test_why_it_is_cancelled_crosses(self):
        """RFC 3326; a proxy hides nothing."""
        why = 'SIP;cause=200;text="Call completed elsewhere"'
        call, leg = self.ringing(self.number())
        self.caller.edit = lambda m: m.method == "CANCEL" and m.is_request and m.set("Reason", why, "Q.850;cause=26")
        call.cancel()
        call.expect(200, method="CANCEL")
        said = leg.expect("CANCEL")
        self.assertEqual(", ".join(said.all("Reason")).replace(" ", ""), f"{why}, Q.850;cause=26".replace(" ", ""))
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")
        call, leg = self.up()
        self.rings_again(call, leg)
        call.cancel(call.sent[max(k for k in call.sent if k[1] == "INVITE")])
        call.expect(200, method="CANCEL")
        self.assertIn("Q.850;cause=26", leg.expect("CANCEL").all("Reason")[-1])
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")
        self.caller.edit = None
        self.ends(call, leg)

    def test_a_vendor_that_speaks_late_is_cancelled_and_acknowledged_where_it_was_called(self):
        """Sections 9.1 and 17.1.1.3: the Request-URI of CANCEL and ACK is the INVITE's, whatever To says."""
        for code, method in ((180, "CANCEL"), (486, "ACK")):
            called = self.number()
            call = self.caller.invite(called, change=lambda m: m.set("To", "<sip:somebody@elsewhere.example>"))
            leg = self.a.expect_call()
            other = self.b.expect_call()
            leg.reply(code, to=leg.invite)
            late = leg.expect(method)
            self.assertEqual((late.uri, late.branch, len(late.all("Via"))), (leg.invite.uri, leg.invite.branch, 1))
            call.remote_uri = "sip:somebody@elsewhere.example"
            self.answer(call, other)
            self.ends(call, other)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
