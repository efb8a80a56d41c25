# SPDX-License-Identifier: Apache-2.0
"""mode proxy: what the ends say to each other inside a dialog passes, by whatever route it has to take."""

import re

from story import Proxied


class Inside(Proxied):
    def test_requests_inside_the_dialog_go_both_ways(self):
        called = self.number()
        call, leg = self.up(called)
        for one, other in ((call, leg), (leg, call)):
            for method in ("INFO", "UPDATE", "OPTIONS", "MESSAGE", "REFER", "NOTIFY"):
                asked = self.passes(one, other, method, 202 if method == "REFER" else 200)
                self.assertEqual((asked.all("Route"), len(asked.all("Via")), asked.get("Max-Forwards")), ([], 2, "69"))
                self.assertEqual(asked.uri, other.peer.contact)
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_re_invite_both_ways(self):
        called = self.number()
        call, leg = self.up(called)
        for one, other in ((call, leg), (leg, call)):
            offer = one.peer.sdp(way="sendonly")
            one.request("INVITE", offer)
            self.assertEqual(other.expect("INVITE").body, offer)
            said = other.reply(200, sdp=True)
            self.assertEqual(one.expect(200, method="INVITE").body, other.sdp_sent)
            other.repeat(said)
            self.assertTrue(one.repeated(200, 1))
            one.ack()
            other.expect("ACK")
            one.request("INVITE", one.peer.sdp())
            other.expect("INVITE")
            other.reply(488)
            self.assertEqual(one.expect(488, method="INVITE").tag("To"), other.local_tag)
            other.expect("ACK")
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_a_re_invite_is_cancelled(self):
        call, leg = self.up()
        self.rings_again(call, leg)
        self.cancelled(call, leg, call.sent[max(k for k in call.sent if k[1] == "INVITE")])
        self.ends(call, leg)

    def test_prack(self):
        """RFC 3262: the reliable 18x and its PRACK are the ends' own."""
        called = self.number()
        call = self.caller.invite(called, headers=[("Require", "100rel")])
        leg = self.a.expect_call()
        self.assertEqual(leg.invite.get("Require"), "100rel")
        leg.reply(183, sdp=True, headers=[("Require", "100rel"), ("RSeq", "7")])
        rung = call.expect(183)
        self.assertEqual(rung.get("RSeq"), "7")
        asked = self.passes(call, leg, "PRACK", headers=[("RAck", f"7 {call.invite.cseq} INVITE")])
        self.assertEqual(asked.get("RAck"), f"7 {call.invite.cseq} INVITE")
        self.passes(call, leg, "UPDATE")
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_what_belongs_to_no_call_of_ours_does_not_pass(self):
        call, leg = self.up()
        route = call.route[0]
        for forged, tag, code in ((route, "stranger", 481), (re.sub(r"\.[0-9a-f]{16}>", ".0123456789abcdef>", route), None, 481)):
            keep, right = call.route, call.remote_tag
            call.route, call.remote_tag = [forged], tag or right
            for method in ("INVITE", "BYE", "INFO"):
                call.request(method)
                call.expect(code, method=method)
            call.route, call.remote_tag = keep, right
        other = self.caller.call_new("4930123456", "12125999999")
        other.route, other.remote_tag, other.target = [route], "x", self.b.contact
        other.request("INVITE", self.caller.sdp())
        other.expect(481)
        leg.expect_silence(0.3)
        self.b.expect_no_call(0.1)
        call.request("INFO", change=lambda m: m.set("Max-Forwards", "0"))
        call.expect(483, method="INFO")
        self.ends(call, leg)

    # ---- strict routers (RFC 3261 section 16.4 and 16.12.1.2)

    def test_a_strict_router_before_us_is_undone(self):
        call, leg = self.up()
        route = re.search("<(.*)>", call.route[0])[1]
        call.request("INFO", uri=route, change=lambda m: m.set("Route", f"<{self.a.contact}>"))
        asked = leg.expect("INFO")
        self.assertEqual((asked.uri, asked.all("Route")), (self.a.contact, []))
        leg.reply(200)
        call.expect(200, method="INFO")
        self.ends(call, leg)

    def test_a_strict_router_behind_us_gets_what_it_wants(self):
        strict = f"sip:strict@{self.a.host}:{self.a.port}"
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        self.records_route(self.a, f"<{strict}>")
        leg.reply(200, sdp=True)
        call.expect(200)
        self.a.edit = None
        call.ack()
        self.assertEqual(leg.expect("ACK").uri, strict)
        for method in ("INFO", "BYE"):
            asked = self.passes(call, leg, method)
            self.assertEqual((asked.uri, asked.all("Route")), (strict, [f"<{self.a.contact}>"]))

    def test_zz_nothing_is_left(self):
        self.nothing_left()
