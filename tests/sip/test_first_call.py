# SPDX-License-Identifier: Apache-2.0
"""First call: in by SIP, over a rate deck, out at a vendor, rated on both sides, and a CDR that the API shows."""

import re
import signal
import time
from decimal import Decimal

from story import Story, wait_for
from story.base import amount, time_of


def media_of(sdp):
    """All of an SDP but the lines that tell who made it, which the switch writes anew."""
    return [line for line in sdp.splitlines() if not line.startswith(("o=", "s="))]


def answers(leg):
    """A vendor who rings and answers."""
    leg.reply(180)
    leg.reply(200, sdp=True)


class FirstCall(Story):
    """One customer at 0.06 a minute; alpha sells at 0.02, bravo at 0.03, carol at 0.04, each by its own prefix."""

    stack_options = {"workers": 1}

    @classmethod
    def provision(cls, stack):
        cls.alpha = stack.vendor("alpha", {"1": "0.02", "1999": "0.055"})
        cls.bravo = stack.vendor("bravo", {"12": {"price": "0.03", "initial": 30, "increment": 6}, "1999": "0.05"},
                                 trunk={"no_response_timeout": 1})
        cls.carol = stack.vendor("carol", {"121": "0.04"}, trunk={"tech_prefix": "77"})
        cls.customer = stack.customer("harbour", {"1": "0.06", "49": "0.05", "1888": {"price": "0.06", "blocked": True}},
                                      [cls.alpha, cls.bravo, cls.carol])
        cls.caller = cls.customer["peer"]
        cls.a, cls.b, cls.c = cls.alpha["peer"], cls.bravo["peer"], cls.carol["peer"]

    def talk(self, called, vendor, seconds=0.0):
        """A call that the vendor answers and the caller ends; returns (call, leg). call.lasted: as long as that took, in seconds."""
        began = time.monotonic()
        call = self.caller.invite(called, calling=called[::-1])
        leg = vendor.expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        if seconds:
            call.expect_silence(seconds)
        self.ends(call, leg)
        call.lasted = time.monotonic() - began
        return call, leg

    # ---- the path

    def test_a_call_goes_through_the_cheapest_vendor_and_stands_as_a_cdr(self):
        called = self.number()
        call, leg = self.talk(called, self.a, 1.2)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, called_in=called, calling_in=called[::-1], called_out=called, sip_code=200, disconnect_reason="normal",
                      hangup_party="caller", ingress_trunk_id=self.customer["id"], egress_trunk_id=self.alpha["id"],
                      ingress_carrier_id=self.customer["carrier"]["id"], egress_carrier_id=self.alpha["carrier"]["id"],
                      sell_prefix="1", buy_prefix="1", sell_currency="USD", buy_currency="USD", a_call_id=call.call_id,
                      b_call_id=leg.call_id, source_ip=self.caller.host, recovered=False, node="sw1")
        self.attempts_are(cdr, (self.alpha, 200))
        self.assertTrue(1200 <= cdr["duration_ms"] <= 1000 * call.lasted, f"duration_ms is {cdr['duration_ms']}, it took {call.lasted} s")
        seconds = -(-cdr["duration_ms"] // 1000)
        billed, sell = amount("0.06", seconds)
        _, buy = amount("0.02", seconds)
        self.cdr_says(cdr, sell_billed_s=billed, buy_billed_s=billed, sell_amount=sell, buy_amount=buy,
                      sell_price=Decimal("0.06"), buy_price=Decimal("0.02"))
        self.assertEqual((time_of(cdr["ended_at"]) - time_of(cdr["answered_at"])).total_seconds() * 1000, cdr["duration_ms"])
        self.assertEqual(int(cdr["id"].replace("-", "")[:12], 16), int(time_of(cdr["started_at"]).timestamp() * 1000 + 0.5))

    def test_the_vendor_gets_the_media_offered_and_the_caller_the_answer(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        self.assertEqual(media_of(leg.invite.body), media_of(call.sdp_sent))
        origin = [line for line in leg.invite.body.splitlines() if line.startswith("o=")]
        self.assertNotIn(self.caller.host, origin[0])
        leg.reply(200, sdp=True)
        ok = call.expect(200)
        self.assertEqual(media_of(ok.body), media_of(leg.sdp_sent))
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    def test_nothing_of_one_side_shows_on_the_other(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("User-Agent", "secret-phone"), ("X-Inner", "secret-route")])
        leg = self.a.expect_call()
        seen = leg.invite.bytes().decode().split("\r\n\r\n")[0]
        for word in (self.caller.host, call.call_id, call.local_tag, "secret"):
            self.assertNotIn(word, seen, "in the INVITE to the vendor")
        leg.reply(200, sdp=True, headers=[("Server", "secret-gateway")])
        ok = call.expect(200)
        seen = ok.bytes().decode().split("\r\n\r\n")[0]
        for word in (self.a.host, leg.call_id, leg.local_tag, "secret"):
            self.assertNotIn(word, seen, "in the answer to the caller")
        call.ack()
        leg.expect("ACK")
        self.ends(leg, call)

    def test_the_callee_hangs_up(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        self.answer(call, leg)
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), hangup_party="callee", disconnect_reason="normal", sip_code=200)

    def test_early_media_comes_through(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        early = call.expect(183)
        self.assertEqual(media_of(early.body), media_of(leg.sdp_sent))
        leg.reply(200, sdp=leg.sdp_sent)
        ok = call.expect(200)
        self.assertEqual(ok.tag("To"), early.tag("To"))
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    def test_increments_of_each_side_count(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(503)
        leg = self.b.expect_call()
        answers(leg)
        call.expect(180)
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        call.expect_silence(0.1)
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        billed, buy = amount("0.03", 1, 30, 6)
        self.cdr_says(cdr, buy_billed_s=billed, buy_amount=buy, sell_billed_s=1, buy_prefix="12", sell_amount=amount("0.06", 1)[1])

    def test_each_vendor_is_asked_in_its_own_form_of_the_number(self):
        called = self.number("12199")
        call = self.caller.invite("+" + called)
        self.a.expect_call().reply(503)
        self.b.expect_call().reply(503)
        leg = self.c.expect_call()
        self.assertTrue(re.match(rf"sip:77{called}@", leg.invite.uri), leg.invite.uri)
        leg.reply(486)
        call.expect(486)
        cdr = self.stack.api.cdr(called="+" + called)
        self.cdr_says(cdr, called_in="+" + called, called_out="77" + called, buy_prefix="121")

    # ---- three vendors

    def test_503_tries_the_next_and_each_attempt_is_kept(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(503)
        first.expect("ACK")
        leg = self.b.expect_call()
        answers(leg)
        call.expect(180)
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.alpha, 503), (self.bravo, 200))
        self.cdr_says(cdr, egress_trunk_id=self.bravo["id"], sip_code=200, disconnect_reason="normal", buy_prefix="12")

    def test_a_silent_vendor_is_given_up_after_its_time(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(500)
        self.b.expect_call()          # bravo's no_response_timeout is 1 s; it says nothing
        leg = self.c.expect_call(3)
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.alpha, 500), (self.bravo, 408), (self.carol, 200))
        self.assertEqual(cdr["attempts"][1]["reason"], "no_response")

    def test_all_vendors_failed_gives_the_last_code(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(503)
        self.b.expect_call().reply(404)
        self.c.expect_call().reply(480, headers=[("Retry-After", "30"), ("Warning", '399 gw "secret"')])
        end = call.expect(480)
        self.assertEqual((end.get("Retry-After"), end.get("Warning")), (None, None))
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.alpha, 503), (self.bravo, 404), (self.carol, 480))
        self.cdr_says(cdr, disconnect_reason="vendor_failed", sip_code=480, duration_ms=0, answered_at=None,
                      sell_amount=Decimal(0), buy_amount=Decimal(0), sell_billed_s=0, buy_billed_s=0, sell_prefix="1", buy_prefix="121")

    def test_a_vendors_challenge_is_none_of_the_callers_business(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(503)
        self.b.expect_call().reply(503)
        self.c.expect_call().reply(407, headers=[("Proxy-Authenticate", 'Digest realm="secret", nonce="1"')])
        end = call.expect(503)
        self.assertNotIn("secret", end.bytes().decode())

    def test_all_silent_or_gone_is_408(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(503)
        self.b.expect_call()
        self.c.expect_call(3).reply(486)
        call.expect(486)

    def test_a_stop_code_ends_the_hunt(self):
        for code, reason in ((486, "busy"), (600, "busy"), (603, "callee_rejected")):
            with self.subTest(code=code):
                called = self.number()
                call = self.caller.invite(called)
                leg = self.a.expect_call()
                leg.reply(code)
                call.expect(code)
                leg.expect("ACK")
                cdr = self.stack.api.cdr(called=called)
                self.cdr_says(cdr, sip_code=code, disconnect_reason=reason, hangup_party="callee", duration_ms=0)
                self.attempts_are(cdr, (self.alpha, code))

    # ---- the caller gives up

    def test_cancel_while_it_rings(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(180)
        call.expect(180)
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="cancelled", hangup_party="caller", sip_code=487, duration_ms=0)

    def test_cancel_before_the_vendor_said_anything(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.reply(180)                # only now may the CANCEL go out (RFC 3261 9.1)
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    # ---- routing's words

    def test_the_margin_keeps_a_vendor_out_that_would_cost_more(self):
        looked = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called="19995550100")
        self.assertEqual([r["trunk_id"] for r in looked["routes"]], [self.bravo["id"], self.alpha["id"]])
        self.assertEqual(looked["sell"]["prefix"], "1")
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(self.carol["id"], "no_rate")])

    def test_the_live_call_is_listed_and_can_be_hung_up(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        self.answer(call, leg)

        def listed():
            mine = [c for c in self.stack.api.items("/v1/calls") if c["called"] == called]
            return mine and mine[0]["state"] == "answered" and mine[0]

        live = wait_for("the call in /v1/calls, answered", listed)
        self.assertEqual((live["ingress_trunk_id"], live["egress_trunk_id"], live["node"]),
                         (self.customer["id"], self.alpha["id"], "sw1"))
        self.stack.api.delete(f"/v1/calls/{live['id']}")
        for end in (call, leg):
            end.expect("BYE")
            end.reply(200)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, id=live["id"], disconnect_reason="admin", hangup_party="switch", sip_code=200)
        wait_for("its end in /v1/calls", lambda: called not in [c["called"] for c in self.stack.api.items("/v1/calls")])


class Refusals(Story):
    """What the switch says to a call that it does not carry (contract, section 4), and what the CDR says of it."""

    stack_options = {"workers": 2}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02", "44": "0.9", "4620": {"price": "0.01", "blocked": True}})
        sell = {"1": "0.06", "44": "0.05", "49": "0.05", "46": "0.05", "1888": {"price": "0.06", "blocked": True}}
        cls.customer = stack.customer("harbour", sell, [cls.vendor])
        cls.suspended = stack.customer("sleeper", sell, [cls.vendor], carrier={"status": "suspended"})
        cls.disabled = stack.customer("closed", sell, [cls.vendor], trunk={"enabled": False})
        cls.narrow = stack.customer("narrow", sell, [cls.vendor], trunk={"max_channels": 1})
        cls.mapped = stack.customer("mapped", sell, [cls.vendor], trunk={"code_map": {"404": 480}})
        cls.stranger = stack.peer("stranger")

    def refused(self, customer, called, code, reason, **more):
        call = customer["peer"].invite(called)
        self.assertEqual(call.expect_final(5).code, code)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=code, disconnect_reason=reason, hangup_party="switch",
                      duration_ms=0, attempts=[], ingress_trunk_id=customer["id"], egress_trunk_id=None, **more)

    def test_an_unknown_source_gets_403_and_no_cdr(self):
        called = self.number()
        call = self.stranger.invite(called)
        self.assertEqual(call.expect_final(5).code, 403)
        after = self.number()
        self.customer["peer"].invite(after[:2])
        self.stack.api.cdr(called=after[:2])
        self.assertEqual(self.stack.api.get("/v1/cdrs", called=called)["items"], [])

    def test_a_suspended_carrier_gets_403(self):
        self.refused(self.suspended, self.number(), 403, "rejected")

    def test_a_disabled_trunk_gets_403(self):
        self.refused(self.disabled, self.number(), 403, "rejected")

    def test_a_malformed_number_gets_484(self):
        self.refused(self.customer, "19", 484, "rejected")
        self.refused(self.customer, "1212x5550100", 484, "rejected")

    def test_no_sell_rate_is_404(self):
        self.refused(self.customer, self.number("99"), 404, "no_rate", sell_prefix=None)

    def test_a_blocked_sell_rate_is_403(self):
        self.refused(self.customer, self.number("1888"), 403, "blocked")

    def test_no_vendor_with_the_prefix_is_404(self):
        self.refused(self.customer, self.number("49"), 404, "no_route", sell_prefix="49")

    def test_a_vendors_blocked_rate_is_none(self):
        self.refused(self.customer, self.number("4620"), 404, "no_route", sell_prefix="46")

    def test_vendors_that_cost_too_much_are_503(self):
        self.refused(self.customer, self.number("44"), 503, "no_route", sell_prefix="44")

    def test_the_code_map_changes_the_answer(self):
        called = self.number("99")
        call = self.mapped["peer"].invite(called)
        self.assertEqual(call.expect_final(5).code, 480)

    def test_over_its_channels_a_trunk_gets_503(self):
        called = self.number()
        call = self.narrow["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        self.answer(call, leg)
        self.refused(self.narrow, self.number(), 503, "capacity")
        self.ends(call, leg)
        again = self.narrow["peer"].invite(self.number())
        leg = self.vendor["peer"].expect_call()
        leg.reply(486)
        again.expect(486)

    def test_too_many_hops_is_483(self):
        peer = self.customer["peer"]
        called = self.number()
        call = peer.call_new("4930123456", called)
        send = peer.send
        peer.send = lambda m, to: send(m.bytes().replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
                                       if not isinstance(m, bytes) else m, to)
        try:
            call.invite = call.request("INVITE", peer.sdp())
            self.assertEqual(call.expect_final(5).code, 483)
        finally:
            peer.send = send
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=483, disconnect_reason="rejected")

    def test_sigterm_hangs_up_what_talks_and_keeps_its_cdr(self):
        called = self.number()
        call, leg = self.answered(self.customer, self.vendor, called)
        process = self.stack.node.process
        process.send(signal.SIGTERM)
        for end in (call, leg):
            end.expect("BYE")
            end.reply(200)
        self.assertEqual(process.wait(10), 0)
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), hangup_party="switch", sip_code=200, recovered=False)


class Drain(Story):
    """With a drain_timeout live calls go on while new ones are refused."""

    stack_options = {"settings": {"sip": {"drain_timeout": "20s"}}}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def test_draining_refuses_new_calls_and_lets_live_ones_end(self):
        called, late = self.number(), self.number()
        call, leg = self.answered(self.customer, self.vendor, called)
        process = self.stack.node.process
        process.send(signal.SIGTERM)

        def refused():
            return self.customer["peer"].invite(late).expect_final(2).code == 503

        wait_for("503 for a new call", refused, 5)
        self.ends(call, leg)
        self.assertEqual(process.wait(10), 0)
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), hangup_party="caller", sip_code=200, disconnect_reason="normal")
        self.cdr_says(self.stack.api.get("/v1/cdrs", called=late)["items"][0], sip_code=503, disconnect_reason="capacity")


class ClosedPort(Story):
    """A vendor whose port is closed, and one that is dead silent."""

    @classmethod
    def provision(cls, stack):
        cls.gone = stack.vendor("gone", {"1": "0.01"}, host="127.0.0.99", port=9)
        cls.mute = stack.vendor("mute", {"1": "0.015"}, trunk={"no_response_timeout": 1})
        cls.alpha = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.gone, cls.mute, cls.alpha])
        cls.lonely = stack.customer("lonely", {"1": "0.06"}, [cls.mute])

    def test_a_closed_port_and_silence_lead_to_the_next(self):
        self.mute["peer"].mute = True
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.alpha["peer"].expect_call(12)
        self.answer(call, leg)
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.assertEqual([a["trunk_id"] for a in cdr["attempts"]], [self.gone["id"], self.mute["id"], self.alpha["id"]])
        self.assertIn(cdr["attempts"][0]["reason"], ("transport_error", "no_response"))
        self.assertEqual(cdr["attempts"][1]["reason"], "no_response")
        self.cdr_says(cdr, egress_trunk_id=self.alpha["id"], sip_code=200)

    def test_silence_alone_is_408(self):
        self.mute["peer"].mute = True
        called = self.number()
        call = self.lonely["peer"].invite(called)
        self.assertEqual(call.expect_final(6).code, 408)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=408, disconnect_reason="vendor_failed")
