# SPDX-License-Identifier: Apache-2.0
"""mode proxy: one dialog from end to end, which the switch routes and records (RFC 3261 section 16; flows of RFC 3665, 3666)."""

import json
import re
import time
from decimal import Decimal

from story import Proxied, Talk, free_port


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
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
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
        leg.reply(200, sdp=True, to=leg.invite)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
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

    # ---- inside the dialog

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
        call.request("INVITE", self.caller.sdp())
        leg.expect("INVITE")
        leg.reply(180)
        call.expect(180, method="INVITE")
        call.cancel(call.sent[max(k for k in call.sent if k[1] == "INVITE")])
        call.expect(200, method="CANCEL")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")
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

    # ---- refused

    def test_hops_loops_and_extensions(self):
        called = self.number()
        call = self.caller.invite(called, change=lambda m: m.set("Max-Forwards", "0"))
        call.expect(483)
        call = self.caller.invite(called, headers=[("Proxy-Require", "teleport")])
        self.assertEqual(call.expect_final().get("Unsupported"), "teleport")
        call, leg = self.ringing(called)
        via = leg.invite.all("Via")
        self.cancelled_by_proxy(call, leg)
        again = self.caller.invite(called, change=lambda m: m.set("Via", m.get("Via"), *via))
        again.expect(482)
        self.assertEqual(sorted(c["sip_code"] for c in self.cdrs(called, 4)), [420, 482, 483, 487])

    def cancelled_by_proxy(self, call, leg):
        call.cancel()
        call.expect(200, method="CANCEL")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")

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

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Workers(Proxied):
    """Two workers: an INVITE goes to the one that its number says, what follows in the dialog to the one that the Contact of
    the other end says."""

    stack_options = {"workers": 2}

    def test_any_worker_passes_what_belongs_to_any_call(self):
        """Of sixteen numbers some meet either worker, and all of their further requests the same one."""
        for n in range(16):
            called = self.number()
            call, leg = self.ringing(called)
            self.passes(call, leg, "UPDATE")
            self.answer(call, leg)
            for one, other in ((call, leg), (leg, call)):
                self.passes(one, other, "INFO")
                one.request("INVITE", one.peer.sdp())
                other.expect("INVITE")
                other.reply(488 if n % 2 else 200, sdp=None if n % 2 else True)
                one.expect(488 if n % 2 else 200, method="INVITE")
                if not n % 2:
                    one.ack()
                other.expect("ACK")
            ends = (call, leg) if n % 4 < 2 else (leg, call)
            self.ends(*ends)
            self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200,
                          hangup_party="caller" if n % 4 < 2 else "callee")

    def test_cancelled_on_either_worker(self):
        for _ in range(8):
            called = self.number()
            call, leg = self.ringing(called)
            self.cancelled(call, leg)
            self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def cancelled(self, call, leg, invite=None):
        call.cancel(invite)
        call.expect(200, method="CANCEL")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        call.expect(487, method="INVITE")

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Transports(Talk):
    """UDP, TCP and IPv6 on either side: an entry of Record-Route for each side that it can reach (RFC 5658)."""

    @classmethod
    def setUpClass(cls):
        cls.port, cls.port6 = free_port(), free_port()
        listen = f"udp:127.0.0.1:{cls.port}, tcp:127.0.0.1:{cls.port}, udp:[::1]:{cls.port6}, tcp:[::1]:{cls.port6}"
        cls.stack_options = {"settings": {"sip": {"listen": listen}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        cls.vendors, cls.customers = {}, {}
        for n, kind in enumerate(("udp", "tcp", "udp6", "tcp6")):
            peer = stack.peer(f"v{kind}", host="::1" if kind.endswith("6") else None, transport=kind[:3])
            cls.vendors[kind] = stack.vendor(f"v{kind}", {f"1{n}": "0.02"}, peer=peer)
        for kind in cls.vendors:
            peer = stack.peer(f"c{kind}", host="::1" if kind.endswith("6") else None, transport=kind[:3])
            peer.switch = ("::1", cls.port6) if kind.endswith("6") else ("127.0.0.1", cls.port)
            trunk = {"source_cidrs": ["::1/128" if kind.endswith("6") else f"{peer.host}/32"], "transport": kind[:3], "mode": "proxy"}
            cls.customers[kind] = stack.customer(f"c{kind}", {"1": "0.06"}, list(cls.vendors.values()), peer=peer, trunk=trunk)

    def none_shows(self):
        """A proxy hides nothing."""

    def entry(self, kind):
        """What our entry for that side begins with."""
        host = f"[::1]:{self.port6}" if kind.endswith("6") else f"127.0.0.1:{self.port}"
        return f"@{host}{';transport=tcp' if kind.startswith('tcp') else ''};lr;call="

    def told(self, caller, vendor):
        n = list(self.vendors).index(vendor)
        called = self.number(f"1{n}125")
        call = self.customers[caller]["peer"].invite(called)
        leg = self.vendors[vendor]["peer"].expect_call()
        routes = leg.invite.all("Record-Route")
        wanted = [vendor] if caller == vendor else [vendor, caller]
        self.assertEqual([self.entry(k) in r for k, r in zip(wanted, routes)], [True] * len(wanted), routes)
        self.assertEqual(len(routes), len(wanted))
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            other.expect("INVITE")
            other.reply(200, sdp=True)
            one.expect(200, method="INVITE")
            one.ack()
            other.expect("ACK")
        self.ends(*((leg, call) if n % 2 else (call, leg)))
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal",
                      egress_trunk_id=self.vendors[vendor]["id"], hangup_party="callee" if n % 2 else "caller")

    def test_every_transport_to_every_other(self):
        for caller in self.customers:
            for vendor in self.vendors:
                with self.subTest(caller=caller, vendor=vendor):
                    self.told(caller, vendor)

    def test_cancel_over_tcp(self):
        called = self.number("11125")
        call = self.customers["tcp"]["peer"].invite(called)
        leg = self.vendors["tcp"]["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        call.cancel()
        call.expect(200, method="CANCEL")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        self.assertEqual(call.expect(487, method="INVITE").tag("To"), leg.local_tag)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Ends(Proxied):
    """What ends a record when no BYE does."""

    mode = {"mode": "proxy", "session_expires": 1800}

    @classmethod
    def provision(cls, stack):
        super().provision(stack)

    def talking(self, called, supported, headers):
        call = self.caller.invite(called, headers=[("Supported", supported)])
        leg = self.a.expect_call()
        self.assertEqual(leg.invite.get("Session-Expires"), "1800")
        leg.reply(200, sdp=True, headers=headers)
        said = call.expect(200)
        call.ack()
        leg.expect("ACK")
        return call, leg, said

    def test_a_session_timer_is_asked_for(self):
        """RFC 4028 section 8: where only the caller knows it, the caller is told to refresh; where nobody does, nothing is said."""
        for supported, headers, told, required in (
                ("timer", [], "1800;refresher=uac", "timer"), ("path", [], None, None),
                ("timer", [("Session-Expires", "900;refresher=uas"), ("Require", "timer")], "900;refresher=uas", "timer")):
            with self.subTest(supported=supported, headers=headers):
                call, leg, said = self.talking(self.number(), supported, headers)
                self.assertEqual((said.get("Session-Expires"), said.get("Require")), (told, required))
                self.ends(call, leg)
        call = self.caller.invite(self.number(), headers=[("Session-Expires", "60")])
        self.assertEqual(call.expect_final().get("Min-SE"), "90")

    def test_a_missed_refresh_ends_the_record(self):
        called = self.number()
        call, leg, _ = self.talking(called, "timer", [("Session-Expires", "900;refresher=uac")])
        self.passes(call, leg, "INFO")
        call.request("UPDATE", headers=[("Session-Expires", "1800;refresher=uac"), ("Supported", "timer")])
        leg.expect("UPDATE")
        leg.reply(200, headers=[("Session-Expires", "2;refresher=uac")])
        call.expect(200, method="UPDATE")
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        self.assertTrue(2000 <= cdr["duration_ms"] < 5000, cdr)
        self.ends(call, leg)

    def test_a_switch_that_is_killed(self):
        """The record is recovered; what ends the call still passes, what would begin anything does not."""
        called = self.number()
        call, leg = self.up(called)
        time.sleep(1.2)
        self.stack.node.kill()
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="switch_restart", recovered=True, sip_code=200)
        call.request("INVITE", self.caller.sdp())
        call.expect(481, method="INVITE")
        self.ends(leg, call)
        self.assertEqual(len(self.cdrs(called, 1)), 1)

    def test_a_switch_that_stops(self):
        called = self.number()
        call, leg = self.up(called)
        ringing, other = self.ringing(self.number())
        self.stack.node.stop()
        ringing.expect(503, method="INVITE")
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="switch_restart", recovered=False)
        self.ends(call, leg)
        other.expect("CANCEL")

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Refused(Proxied):
    """What a proxy cannot do is refused from whichever side it is asked for."""

    def wrong(self, method, path, **body):
        status, text = self.stack.api.call(method, path, body)[:2]
        self.assertEqual(status, 422, text)
        problem = text if isinstance(text, dict) else json.loads(text)
        self.assertTrue(all("mode b2bua" in e["message"] for e in problem["errors"]), problem)
        return [e["field"] for e in problem["errors"]]

    def test_at_creation_of_either_side(self):
        trunk, carrier = f"/v1/trunks/{self.customer['id']}", f"/v1/carriers/{self.customer['carrier_id']}"
        vendor = f"/v1/trunks/{self.vendor['id']}"
        self.assertEqual(self.wrong("PATCH", carrier, billing_mode="prepaid"), ["billing_mode"])
        self.assertEqual(self.wrong("PATCH", carrier, credit_limit="10"), ["credit_limit"])
        self.assertEqual(self.wrong("PATCH", trunk, media="relay"), ["mode"])
        self.assertEqual(self.wrong("PATCH", trunk, codecs=["PCMA"]), ["mode"])
        self.assertEqual(self.wrong("PATCH", trunk, max_duration=3600), ["mode"])
        self.assertEqual(self.wrong("PATCH", vendor, max_duration=3600), ["max_duration"])
        self.assertEqual(self.wrong("PATCH", vendor, username="u", password="p"), ["username"])
        self.assertEqual(self.wrong("PATCH", vendor, media="relay"), ["media"])
        self.assertEqual(self.wrong("PATCH", vendor, codecs=["PCMA"]), ["codecs"])
        other = self.stack.vendor("gamma", {"1": "0.04"}, trunk={"username": "u", "password": "p"})
        self.assertEqual(self.wrong("PATCH", f"/v1/routing-plans/{self.customer['plan']['id']}",
                                    members=[{"trunk_id": self.vendor["id"]}, {"trunk_id": other["id"]}]), ["members"])
        prepaid = self.stack.carrier("prepaid", billing_mode="prepaid")
        self.assertEqual(self.wrong("POST", "/v1/trunks", carrier_id=prepaid["id"], name="x", direction="ingress", mode="proxy"), ["mode"])

    def test_such_a_vendor_is_left_out_of_the_routes(self):
        self.stack.postgres.psql(f"update trunks set username = 'u', password = 'p' where id = {self.vendor['id']}")
        self.stack.in_force()
        called = self.number()
        looked = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(self.vendor["id"], "mode")])
        self.assertIn("its digest", looked["excluded"][0]["detail"])
        call = self.caller.invite(called)
        leg = self.b.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.attempts_read(self.stack.api.cdr(called=called), (self.second, 200, "answered"))
        self.stack.postgres.psql(f"update trunks set username = null, password = null where id = {self.vendor['id']}")
        self.stack.in_force()

    def test_a_limit_that_a_proxy_cannot_keep_is_not_passed_over(self):
        """Where the API was bypassed: with the caller's max_duration there is no route, with a vendor's that one is left out."""
        trunks, both = (self.customer["id"], self.vendor["id"]), [self.vendor["id"], self.second["id"]]
        for trunk, left_out in zip(trunks, (both, both[:1])):
            self.stack.postgres.psql(f"update trunks set max_duration = 2 where id = {trunk}")
            self.stack.in_force()
            looked = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=self.number())
            self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(t, "mode") for t in left_out])
            self.assertIn("max_duration", looked["excluded"][0]["detail"])
            self.stack.postgres.psql(f"update trunks set max_duration = null where id = {trunk}")
        self.stack.in_force()

    def test_zz_nothing_is_left(self):
        self.nothing_left()
