# SPDX-License-Identifier: Apache-2.0
"""What carriers really send: odd headers, odd forms, odd requests. Each gets its answer, and the switch goes on."""

import re
import socket

from story import Talk, wait_for
from story.message import COMPACT

LONG = {v.lower(): k for k, v in COMPACT.items()}


class Messages(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.prefixed = stack.customer("haven", {"1": "0.06"}, [cls.vendor], trunk={"tech_prefix": "0055"})
        cls.caller, cls.a = cls.customer["peer"], cls.vendor["peer"]

    def served(self, called=None, **invite):
        """A whole call; the INVITE that the vendor got."""
        call = self.caller.invite(called or self.number(), **invite)
        leg = self.a.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        return leg.invite

    def refused(self, code, called=None, **invite):
        """A call that the switch refuses; its answer."""
        call = self.caller.invite(called or self.number(), **invite)
        answer = call.expect_final(2)
        self.assertEqual(answer.code, code, answer.start)
        self.a.expect_no_call(0.05)
        return answer

    # ---- Max-Forwards

    def test_hops_are_counted(self):
        self.assertEqual(self.served(change=lambda m: m.set("Max-Forwards", "70")).get("Max-Forwards"), "69")
        self.assertEqual(self.served(change=lambda m: m.set("Max-Forwards", "12")).get("Max-Forwards"), "11")
        self.assertEqual(self.served(change=lambda m: m.set("Max-Forwards", "1")).get("Max-Forwards"), "0")

    def test_hops_that_are_missing_or_beyond_measure_start_anew(self):
        for values in ((), ("255",), ("4294967295",)):
            with self.subTest(values=values):
                sent = int(self.served(change=lambda m, v=values: m.set("Max-Forwards", *v)).get("Max-Forwards"))
                self.assertTrue(1 <= sent <= 70, sent)

    def test_no_hop_left_is_483(self):
        called = self.number()
        self.refused(483, called, change=lambda m: m.set("Max-Forwards", "0"))
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=483, disconnect_reason="rejected", hangup_party="switch")

    def forwarded(self, number=None):
        """A call whose vendor sends the INVITE back to the switch, as a proxy would: the switch's answer to that."""
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        back = self.a.call_new("4930", leg.invite.uri.split(":")[1].split("@")[0], call_id=leg.call_id + "-back")
        vias = leg.invite.all("Via")

        def proxied(m):
            m.set("Via", m.get("Via"), *vias)
            m.set("From", leg.invite.get("From"))
            m.set("To", leg.invite.get("To"))

        uri = back.target if number is None else back.target.replace(back.target.split("@")[0], f"sip:{number}")
        back.invite = back.request("INVITE", self.a.sdp(), uri=uri, change=proxied)
        code = back.expect_final(5).code
        leg.reply(486)
        call.expect(486)
        return code

    def test_a_call_of_ours_that_comes_back_is_482_and_with_another_number_a_call(self):
        back = self.stack.api.post("/v1/trunks", carrier_id=self.customer["carrier"]["id"], name="back", direction="ingress",
                                   source_cidrs=[f"{self.a.host}/32"], rate_deck_id=self.customer["deck"]["id"],
                                   routing_plan_id=self.customer["plan"]["id"])
        self.stack.settle()
        self.assertEqual(self.forwarded(), 482)
        rows = wait_for("the record of the one that came back", lambda: self.stack.api.items("/v1/cdrs", trunk_id=back["id"]))
        self.cdr_says(rows[0], sip_code=482, disconnect_reason="rejected", hangup_party="switch")
        self.assertEqual(self.forwarded("4930999"), 404)

    # ---- Contact and Via

    def test_an_invite_without_a_usable_contact_is_400(self):
        for contact in ((), ("*",), ("<tel:+12125550100>",), ("<mailto:ann@a.example>",)):
            with self.subTest(contact=contact):
                self.refused(400, change=lambda m, c=contact: m.set("Contact", *c))
        self.served()

    def test_a_caller_behind_a_name_is_reached_where_it_called_from(self):
        call = self.caller.invite(self.number(), change=lambda m: m.set("Contact", "<sip:ann@pbx.invalid>"))
        leg = self.a.expect_call()
        self.answer(call, leg)
        self.ends(leg, call)

    def via(self, m, port, more):
        m.set("Via", f"SIP/2.0/UDP {self.caller.host}:{port};branch={m.branch}{more}")

    def test_a_via_that_names_everybody_is_answered_where_it_came_from(self):
        for maddr in ("255.255.255.255", "0.0.0.0", "224.0.0.1"):
            with self.subTest(maddr=maddr):
                def odd(m, maddr=maddr):
                    self.via(m, self.caller.port, f";maddr={maddr}")

                call = self.caller.invite(self.number(), change=odd)
                self.a.expect_call().reply(486)
                call.expect(486)      # and its ACK with the same Via
                self.served(change=odd)
                self.served()

    def test_a_via_without_a_usable_port_harms_nobody(self):
        for port in ("0", "65536", "x", ""):
            with self.subTest(port=port):
                call = self.caller.invite(self.number(), change=lambda m, p=port: self.via(m, p, ""))
                self.caller.repeating.clear()
                call.remote_tag = "guessed"
                call.request("ACK", cseq=call.invite.cseq, uri=call.invite.uri, change=lambda m, p=port: self.via(m, p, ""))
                self.assertIn(self.first_answer(call), (None, 100, 400))
                for leg in self.fresh_calls():
                    leg.reply(503)
                self.served()

    def first_answer(self, call):
        with call.news:
            call.news.wait_for(lambda: call.waiting, 0.2)
            return call.waiting[0].code if call.waiting else None

    def fresh_calls(self):
        """The calls that have come to the vendor, if any."""
        while self.a.fresh:
            yield self.a.expect_call()

    def test_an_ack_for_nothing_is_passed_over(self):
        call = self.caller.call_new("4930123456", self.number())
        call.remote_tag = "guessed"
        call.request("ACK", cseq=1)
        call.expect_silence(0.1)
        self.served()

    # ---- forms

    def test_compact_headers_are_understood(self):
        def compact(m):
            m.headers = [(LONG.get(n.lower(), n), v) for n, v in m.headers]

        called = self.number()
        got = self.served(called, change=compact)
        self.assertIn(called, got.uri)
        self.assertIn("m=audio", got.body)
        self.cdr_says(self.stack.api.cdr(called=called), calling_in="4930123456", sip_code=200)

    def test_headers_in_odd_dress_are_understood(self):
        def dress(m):
            m.headers = [(n.upper() + " ", v) if n in ("Call-ID", "CSeq", "Contact") else (n, v) for n, v in m.headers]
            m.headers.append(("Subject", "a line\r\n that goes on"))
            m.headers.append(("X-Empty", ""))

        self.served(change=dress)

    def test_names_with_quotes_commas_and_umlauts_go_through(self):
        called = self.number()
        names = ('"Müller, Ann \\"The Voice\\" <x>" ', "Ann Example ", "")
        for name in names:
            with self.subTest(name=name):
                def named(m, n=name):
                    m.set("From", n + m.get("From"))
                    m.set("To", '"Łukasz \\\\ ☎" ' + m.get("To"))

                called = self.number()
                got = self.served(called, change=named)
                self.assertEqual(got.get("From").split("<sip:")[0].strip(), name.strip())
                self.assertNotIn("kasz", got.get("To"))
                self.cdr_says(self.stack.api.cdr(called=called), calling_in="4930123456", called_in=called)

    def test_identity_and_diversion_headers_harm_nobody(self):
        odd = [("Diversion", '<sip:+12125550111@a.example>;reason=unconditional;counter=1;privacy="off"'),
               ("History-Info", "<sip:+12125550112@a.example?Reason=SIP%3Bcause%3D302>;index=1, <sip:b.example>;index=1.1"),
               ("P-Asserted-Identity", '"Ann" <sip:+4930999@a.example>, <tel:+4930999>'), ("Privacy", "id;critical"),
               ("Remote-Party-ID", '"x" <sip:+4930999@a.example>;party=calling;screen=yes;privacy=full'),
               ("P-Charging-Vector", "icid-value=1"), ("Geolocation", "<cid:a@b>"), ("Reason", 'Q.850;cause=31;text="odd"'),
               ("User-to-User", "56;encoding=hex"), ("Diversion", "garbage <<;;"), ("P-Asserted-Identity", "\x01<sip:")]
        for header in odd:
            with self.subTest(header=header[0]):
                self.served(headers=[header])
        self.served(headers=odd[:9])

    def test_a_body_that_is_no_sdp_goes_through_as_it_is(self):
        def mixed(m):
            m.set("Content-Type", 'multipart/mixed;boundary="b"')
            m.body = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\nContent-Type: application/isup\r\n\r\n\x00\x01\x02\r\n--b--\r\n"

        got = self.served(change=mixed)
        self.assertTrue(got.get("Content-Type").startswith("multipart/mixed"), got.get("Content-Type"))
        self.assertIn("\x00\x01\x02", got.body)

    # ---- numbers

    def test_tel_uris_name_numbers(self):
        called = self.number()
        got = self.served(called, uri=f"tel:+{called};phone-context=example.net",
                          change=lambda m: (m.set("From", f"<tel:+49-30-123>;tag={m.tag('From')}"), m.set("To", f"<tel:+{called}>")))
        self.assertTrue(re.match(rf"sip:{called}@", got.uri), got.uri)
        self.assertTrue(re.search(r"<sip:4930123@", got.get("From")), got.get("From"))

    def test_plus_escapes_parameters_and_prefix_are_undone(self):
        port = self.stack.node.port
        for user in ("{}", "+{}", "%2B{}", "{};npdi;rn=12125", "+{};cpc=ordinary", "{}:secret"):
            with self.subTest(user=user):
                called = self.number()
                got = self.served(called, uri=f"sip:{user.format(called)}@127.0.0.1:{port};user=phone")
                self.assertTrue(re.match(rf"sip:{called}@", got.uri), got.uri)

    def test_a_tech_prefix_is_stripped_with_and_without_plus(self):
        for user in ("0055{}", "+0055{}", "%30%3055{}"):
            with self.subTest(user=user):
                called = self.number()
                call = self.prefixed["peer"].invite(called, uri=f"sip:{user.format(called)}@127.0.0.1:{self.stack.node.port}")
                leg = self.a.expect_call()
                self.assertTrue(re.match(rf"sip:{called}@", leg.invite.uri), leg.invite.uri)
                self.answer(call, leg)
                self.ends(call, leg)

    def test_what_is_no_number_is_484(self):
        for user in ("12", "ann", "1212%205", "1" * 33, "%00%00", "*31#", "-"):
            with self.subTest(user=user):
                self.refused(484, uri=f"sip:{user}@127.0.0.1:{self.stack.node.port}")

    def test_a_uri_of_another_scheme_is_416(self):
        for uri in ("http://a.example/12125550100", "mailto:ann@a.example", "nosuch:12125550100"):
            with self.subTest(uri=uri):
                self.refused(416, uri=uri)

    # ---- methods

    def asked(self, method, headers=(), peer=None, **more):
        """A request outside any dialog; its answer."""
        call = (peer or self.caller).call_new("4930123456", "12125550100")
        call.request(method, headers=headers, **more)
        return call.take(lambda m: m.method == method and m.code >= 200)

    def test_options_is_answered(self):
        answer = self.asked("OPTIONS")
        self.assertEqual(answer.code, 200)
        for method in ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"):
            self.assertIn(method, answer.get("Allow"))
        self.assertIn("application/sdp", answer.get("Accept"))

    def test_an_unknown_method_is_501_and_an_unwanted_one_405(self):
        self.assertEqual(self.asked("JUGGLE").code, 501)
        for method in ("SUBSCRIBE", "PUBLISH", "REFER"):
            with self.subTest(method=method):
                answer = self.asked(method)
                self.assertEqual(answer.code, 405)
                self.assertIn("INVITE", answer.get("Allow"))

    def test_a_request_of_no_dialog_is_481(self):
        for method in ("BYE", "INFO", "UPDATE", "INVITE"):
            with self.subTest(method=method):
                call = self.caller.call_new("4930123456", "12125550100")
                call.remote_tag = "guessed"
                call.request(method)
                self.assertEqual(call.take(lambda m: m.code and m.code >= 200).code, 481)

    def test_cancel_of_nothing_is_481(self):
        call = self.caller.call_new("4930123456", "12125550100")
        call.request("CANCEL")
        call.expect(481, method="CANCEL")

    def test_extensions_that_are_not_known_are_named(self):
        for header in ("Require", "Proxy-Require"):
            with self.subTest(header=header):
                called = self.number()
                answer = self.refused(420, called, headers=[(header, "tandem-nothing, x-other")])
                self.assertIn("tandem-nothing", answer.get("Unsupported"))
                self.cdr_says(self.stack.api.cdr(called=called), sip_code=420, disconnect_reason="rejected")
        answer = self.asked("OPTIONS", [("Require", "tandem-nothing")])
        self.assertEqual((answer.code, answer.get("Unsupported")), (420, "tandem-nothing"))
        self.served(headers=[("Supported", "tandem-nothing, 100rel, timer")])

    def test_noise_is_passed_over(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((self.caller.host, 0))
            for data in (b"", b"\r\n\r\n", b"\0" * 100, b"\xff" * 1400, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n",
                         b"INVITE sip:1 SIP/2.0\r\n\r\n", b"INVITE sip:12125550100@x SIP/9.9\r\nVia: SIP/9.9/UDP x\r\n\r\n"):
                s.sendto(data, ("127.0.0.1", self.stack.node.port))
        self.served()

    def test_zz_nothing_is_left(self):
        self.nothing_left()
