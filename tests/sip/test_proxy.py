# SPDX-License-Identifier: Apache-2.0
"""mode proxy: one dialog from end to end, which the switch routes and records (RFC 3261 section 16; flows of RFC 3665, 3666)."""

import time
from decimal import Decimal

from story import Proxied


class Flows(Proxied):
    # ---- the dialog is the caller's own

    def test_one_dialog_from_end_to_end(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("X-Color", "blue"), ("Supported", "100rel")])
        call.expect(100)
        leg = self.a.expect_call()
        sent, got = call.invite, leg.invite
        for name in ("Call-ID", "From", "To", "CSeq", "Contact", "X-Color", "Supported"):
            self.assertEqual(got.get(name), sent.get(name), name)
        self.assertEqual(got.body, sent.body)
        self.assertEqual(got.uri, f"sip:{called}@{self.a.host}:{self.a.port}")
        self.assertEqual(got.get("Max-Forwards"), "69")
        self.assertEqual(len(got.all("Via")), 2)
        self.assertIn(sent.branch, got.all("Via")[1])
        routes = got.all("Record-Route")
        self.assertEqual(len(routes), 1)
        self.assertRegex(routes[0], rf"^<sip:~w[A-Z]@127\.0\.0\.1:{self.stack.node.port};lr;call=[0-9a-f-]{{36}}\.[0-9a-f]{{16}}>$")
        leg.reply(180, headers=[("X-Shape", "round")])
        rung = call.expect(180)
        self.assertEqual((rung.tag("To"), rung.get("X-Shape"), len(rung.all("Via"))), (leg.local_tag, "round", 1))
        leg.reply(200, sdp=True)
        said = call.expect(200)
        self.assertEqual((said.tag("To"), said.body, said.all("Record-Route")), (leg.local_tag, leg.sdp_sent, routes))
        self.assertEqual(said.uri_of("Contact"), self.a.contact)
        call.ack()
        ack = leg.expect("ACK")
        self.assertEqual((ack.uri, ack.all("Route")), (self.a.contact, []))
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal", hangup_party="caller", egress_trunk_id=self.vendor["id"],
                      a_call_id=call.call_id, b_call_id=call.call_id, called_in=called, called_out=called,
                      calling_in="4930123456", calling_out="4930123456", source_ip=self.caller.host, recovered=False)
        self.attempts_read(cdr, (self.vendor, 200, "answered"))

    def test_the_callee_hangs_up_and_says_why(self):
        called = self.number()
        call, leg = self.up(called)
        leg.request("BYE", headers=[("Reason", "Q.850;cause=31")])
        self.assertEqual(call.expect("BYE").get("Reason"), "Q.850;cause=31")
        call.reply(200)
        leg.expect(200, method="BYE")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee", q850_cause=31)

    def test_the_talk_is_measured(self):
        called = self.number()
        call, leg = self.up(called)
        live = self.shown(called)
        self.assertEqual((live["state"], live["mode"]), ("answered", "proxy"))
        time.sleep(1.5)
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.assertTrue(1500 <= cdr["duration_ms"] < 3500, cdr)
        self.cdr_says(cdr, sell_billed_s=-(-cdr["duration_ms"] // 1000))

    def test_a_live_call_cannot_be_hung_up_by_us(self):
        called = self.number()
        call, leg = self.up(called)
        live = self.shown(called)
        status, problem = self.stack.api.call("DELETE", f"/v1/calls/{live['id']}")[:2]
        self.assertEqual((status, b"proxy" in problem if isinstance(problem, bytes) else "proxy" in str(problem)), (422, True))
        refused = self.stack.tandem("hangup", live["id"], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("proxy", refused.stderr)
        call.expect_silence(0.5)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    # ---- no answer

    def test_busy(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(486, headers=[("Reason", "Q.850;cause=17"), ("Warning", '399 secret "beware"'), ("Retry-After", "60")])
        leg.expect("ACK")
        said = call.expect_final()
        self.assertEqual((said.code, said.tag("To"), said.get("Reason")), (486, leg.local_tag, "Q.850;cause=17"))
        self.assertEqual((said.get("Warning"), said.get("Retry-After")), (None, None))
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="busy", hangup_party="callee", sip_code=486, sell_amount=Decimal(0))

    def test_hunting_on_after_503_and_after_silence(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(503)
        leg.expect("ACK")
        other = self.b.expect_call()
        self.assertEqual(other.invite.uri, f"sip:{called}@{self.b.host}:{self.b.port}")
        self.assertEqual((other.invite.get("Call-ID"), len(other.invite.all("Via")), len(other.invite.all("Record-Route"))), (call.call_id, 2, 1))
        self.answer(call, other)
        self.ends(call, other)
        self.attempts_read(self.stack.api.cdr(called=called), (self.vendor, 503, "failed"), (self.second, 200, "answered"))
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call()
        other = self.b.expect_call()
        self.answer(call, other)
        self.ends(other, call)
        self.attempts_read(self.stack.api.cdr(called=called), (self.vendor, 408, "no_response"), (self.second, 200, "answered"))

    def test_ringing_too_long_goes_to_the_next(self):
        """The first is cancelled; the caller hears the second's own early dialog."""
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(180)
        self.assertEqual(call.expect(180).tag("To"), leg.local_tag)
        self.is_cancelled(leg)
        other = self.b.expect_call()
        other.reply(183, sdp=True)
        self.assertEqual(call.expect(183).tag("To"), other.local_tag)
        self.answer(call, other)
        self.ends(call, other)
        self.attempts_read(self.stack.api.cdr(called=called), (self.vendor, 408, "no_answer"), (self.second, 200, "answered"))

    def test_a_late_answer_is_hung_up(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(180)
        call.expect(180)
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(200, sdp=True, to=leg.invite)
        leg.expect("ACK")
        leg.expect("BYE")
        leg.reply(200)
        other = self.b.expect_call()
        self.answer(call, other)
        self.ends(call, other)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_read(cdr, (self.vendor, 200, "late_answer"), (self.second, 200, "answered"))

    def test_all_fail_and_the_last_word_is_as_ever(self):
        for code, told in ((480, 480), (403, 503), (407, 503)):
            with self.subTest(code=code):
                called = self.number()
                call = self.caller.invite(called)
                for peer in (self.a, self.b):
                    leg = peer.expect_call()
                    leg.reply(code, headers=[("Proxy-Authenticate", 'Digest realm="v", nonce="n"')] if code == 407 else [])
                    leg.expect("ACK")
                said = call.expect_final()
                self.assertEqual((said.code, said.get("Proxy-Authenticate")), (told, None))
                self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="vendor_failed", sip_code=told)

    # ---- the caller gives up

    def test_cancel(self):
        called = self.number()
        call, leg = self.ringing(called)
        call.cancel()
        call.expect(200, method="CANCEL")
        cancel = leg.expect("CANCEL")
        self.assertEqual((cancel.uri, cancel.all("Via"), cancel.cseq), (leg.invite.uri, leg.invite.all("Via")[:1], leg.invite.cseq))
        call.expect_silence(0.3)
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        self.assertEqual(call.expect(487, method="INVITE").tag("To"), leg.local_tag)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="cancelled", hangup_party="caller", sip_code=487, sell_amount=Decimal(0))
        self.attempts_read(cdr, (self.vendor, 487, "cancelled"))

    def test_cancel_before_any_answer(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call()
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def test_cancel_crosses_the_answer(self):
        """RFC 3261 section 9.1: the 200 wins; the caller acknowledges it and hangs up."""
        called = self.number()
        call, leg = self.ringing(called)
        call.cancel()
        call.expect(200, method="CANCEL")
        leg.expect("CANCEL")
        leg.reply(481)
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200, hangup_party="caller")

    def test_a_bye_in_the_early_dialog(self):
        called = self.number()
        call, leg = self.ringing(called)
        self.passes(call, leg, "BYE")
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, sell_amount=Decimal(0))

    # ---- loss

    def test_a_lost_ack_is_asked_for_by_the_callee(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        said = leg.reply(200, sdp=True)
        call.expect(200)
        leg.repeat(said)
        self.assertTrue(call.repeated(200, 1), "the second 200 did not arrive")
        call.expect_silence(1.2)
        self.assertEqual(call.repeats[200], 1, "the switch repeated a 200 by itself")
        call.ack()
        leg.expect("ACK")
        leg.repeat(said)
        leg.expect("ACK")
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_every_fork_that_answers_is_told(self):
        """RFC 3261 section 16.7: all 2xx go on; the caller hangs up the one that it does not want, and the record is not
        touched by that."""
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        first = leg.reply(200, sdp=True)
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        tag = leg.local_tag
        leg.local_tag = "another"
        leg.reply(200, sdp=True, to=leg.invite)
        call.expect(200)
        self.assertEqual(call.remote_tag, "another")
        call.ack()
        leg.expect("ACK")
        self.passes(call, leg, "BYE")
        self.assertEqual(self.shown(called)["state"], "answered")
        call.remote_tag = leg.local_tag = tag
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200)
        self.assertEqual(first.tag("To"), tag)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
