# SPDX-License-Identifier: Apache-2.0
"""Several listeners, an address that differs from the one in Via and Contact, and answers that find their way back."""

import re
import socket

from story import Talk, free_port
from story.message import Message

PUBLIC = "203.0.113.7"


def media_of(sdp):
    """An SDP without the lines that the switch writes anew."""
    return [line for line in sdp.splitlines() if not line.startswith(("o=", "s="))]


class Advertised(Talk):
    """The switch stands behind NAT: peers reach it at PUBLIC, where here nobody is, so they send to where it really is."""

    @classmethod
    def setUpClass(cls):
        cls.port, cls.port6 = free_port(), free_port()
        cls.stack_options = {"settings": {"sip": {"advertise": PUBLIC, "t1": "100ms",
                                                  "listen": f"udp:127.0.0.1:{cls.port}, udp:[::1]:{cls.port6}"}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.by6 = stack.vendor("six", {"6": "0.02"}, peer=stack.peer("six", host="::1"))
        cls.second = stack.vendor("bravo", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06", "6": "0.06"}, [cls.vendor, cls.second, cls.by6])
        cls.proxied = stack.customer("through", {"1": "0.06"}, [cls.vendor], trunk={"mode": "proxy"})
        cls.a, cls.b = cls.vendor["peer"], cls.second["peer"]
        for peer in stack.peers:
            peer.relayed = True

    def names_public(self, m, *headers):
        for header in headers:
            self.assertIn(f"{PUBLIC}:{self.stack.node.port}", m.get(header) or "", f"{header} of '{m.start}'")
        for line in [m.get(h) or "" for h in ("Via", "Contact", "Record-Route")] + m.body.splitlines():
            if m.is_request or line not in m.all("Via"):
                self.assertNotRegex(line, r"127\.0\.0\.1(?![0-9])")

    def test_via_and_contact_name_it_and_media_pass_untouched(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.a.expect_call()
        self.names_public(leg.invite, "Via", "Contact")
        self.assertIn(f"@{PUBLIC}>", leg.invite.get("From"))
        self.assertEqual(media_of(leg.invite.body), media_of(call.sdp_sent))
        leg.reply(180)
        self.names_public(call.expect(180), "Contact")
        leg.reply(200, sdp=True)
        ok = call.expect(200)
        self.names_public(ok, "Contact")
        self.assertEqual(media_of(ok.body), media_of(leg.sdp_sent))
        call.ack()
        self.names_public(leg.expect("ACK"), "Via")
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            asked = other.expect("INVITE")
            self.names_public(asked, "Via", "Contact")
            self.assertEqual(media_of(asked.body), media_of(one.sdp_sent))
            other.reply(200, sdp=True)
            self.names_public(one.expect(200, method="INVITE"), "Contact")
            one.ack()
            other.expect("ACK")
        self.ends(call, leg)
        self.names_public(leg.last_request, "Via")

    def test_an_address_of_the_other_family_is_not_named(self):
        call = self.customer["peer"].invite(self.number("62125"))
        leg = self.by6["peer"].expect_call()
        for header in ("Via", "Contact"):
            self.assertIn(f"[::1]:{self.port6}", leg.invite.get(header))
        self.answer(call, leg)
        self.ends(leg, call)

    def test_a_new_early_dialog_is_answered_and_its_repeats_end(self):
        """What the switch tells itself goes to where it is, not to where others find it."""
        call = self.customer["peer"].invite(self.number())
        first = self.a.expect_call()
        first.reply(183, sdp=True)
        call.expect(183)
        first.reply(503)
        first.expect("ACK")
        leg = self.b.expect_call()
        leg.reply(183, sdp=True)
        call.expect(183)
        leg.reply(200, sdp=leg.sdp_sent)
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        self.crossed(call, leg)       # what was under way is here
        before = call.repeats[200]
        call.expect_silence(1.5)
        self.assertEqual(call.repeats[200], before, "repeats went on after the ACK")
        self.ends(call, leg)

    def test_a_proxied_call_keeps_to_it(self):
        called = self.number()
        call = self.proxied["peer"].invite(called)
        leg = self.a.expect_call()
        for header in ("Via", "Record-Route"):
            self.assertIn(f"{PUBLIC}:{self.stack.node.port}", leg.invite.get(header))
        self.answer(call, leg)
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def none_shows(self):
        """The proxied call shows each side to the other, as it should."""
        if "proxied" not in self.id():
            super().none_shows()

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Listeners(Talk):
    """Two UDP listeners: `inner` comes first, so that what leaves by `outer` was told to."""

    @classmethod
    def setUpClass(cls):
        cls.inner, cls.outer = ("127.0.0.1", free_port()), ("127.0.0.2", free_port("127.0.0.2"))
        cls.named = {"inner": "udp:%s:%d" % cls.inner, "outer": "udp:%s:%d" % cls.outer}
        cls.stack_options = {"settings": {"sip": {"listen": ", ".join(cls.named.values())}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.inner[1]
        cls.by_outer = stack.vendor("outside", {"1": "0.02"}, trunk={"listen": cls.named["outer"]})
        cls.any = stack.vendor("inside", {"2": "0.02"})
        cls.vendors = [cls.by_outer, cls.any]
        cls.customer = stack.customer("harbour", {"1": "0.06", "2": "0.06"}, cls.vendors)
        cls.vendor = cls.by_outer
        shared = stack.peer("shared")
        cls.product = {name: stack.customer(name, {"1": "0.06"}, [cls.by_outer], peer=shared, trunk={"listen": cls.named[name]})
                       for name in ("inner", "outer")}
        lone = stack.peer("lone")
        cls.lone = stack.customer("lone", {"1": "0.06"}, [cls.by_outer], peer=lone, trunk={"listen": cls.named["outer"]})
        for peer in stack.peers:
            peer.switch = cls.inner

    def test_a_call_leaves_by_the_listener_that_its_trunk_names(self):
        for vendor, at, prefix in ((self.by_outer, self.outer, "1"), (self.any, self.inner, "2")):
            with self.subTest(vendor=vendor["name"]):
                called = self.number(prefix + "2125")
                call = self.customer["peer"].invite(called)
                leg = vendor["peer"].expect_call()
                self.assertEqual(leg.invite.source, at)
                self.assertTrue(leg.invite.get("Via").startswith("SIP/2.0/UDP %s:%d;" % at), leg.invite.get("Via"))
                self.assertIn("@%s:%d" % at, leg.invite.get("Contact"))
                self.answer(call, leg)
                self.assertEqual(leg.got[-1].source, at)
                self.assertEqual({m.source for m in call.got}, {self.inner}, "each leg keeps to its own listener")
                self.ends(call, leg)
                self.assertEqual(leg.last_request.source, at)

    def test_a_caller_is_answered_by_the_listener_that_it_called(self):
        call = self.customer["peer"].invite(self.number(), remote=self.outer)
        leg = self.by_outer["peer"].expect_call()
        self.answer(call, leg)
        self.ends(leg, call)
        self.assertEqual({m.source for m in call.got}, {self.outer})
        self.assertIn("@%s:%d" % self.outer, call.target)

    def test_of_two_trunks_of_an_address_each_takes_what_comes_to_its_listener(self):
        for name, at in (("inner", self.inner), ("outer", self.outer)):
            with self.subTest(listener=name):
                called = self.number()
                call = self.product[name]["peer"].invite(called, remote=at)
                leg = self.by_outer["peer"].expect_call()
                leg.reply(486)
                call.expect(486)
                self.cdr_says(self.stack.api.cdr(called=called), ingress_trunk_id=self.product[name]["id"])

    def test_a_trunk_with_a_listener_takes_nothing_that_came_to_another(self):
        called = self.number()
        self.lone["peer"].invite(called, remote=self.inner).expect(403)
        self.by_outer["peer"].expect_no_call(0.2)
        self.assertEqual(self.stack.api.items("/v1/cdrs", called=called), [])
        call = self.lone["peer"].invite(self.number(), remote=self.outer)
        leg = self.by_outer["peer"].expect_call()
        self.answer(call, leg)
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Returns(Talk):
    """RFC 3581, and RFC 3261 section 18.2: where an answer goes."""

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.caller, cls.a = cls.customer["peer"], cls.vendor["peer"]

    def behind_nat(self, via, port=0):
        """OPTIONS from a socket whose Via says something else: the Via of the answer, and the port that it came to."""
        source, named = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        with source, named:
            source.bind((self.caller.host, 0))
            named.bind((self.caller.host, 0))
            ports = source.getsockname()[1], named.getsockname()[1]
            m = Message("OPTIONS sip:127.0.0.1 SIP/2.0", [
                ("Via", via.format(port=ports[1])), ("From", "<sip:x@x.invalid>;tag=x"), ("To", "<sip:127.0.0.1>"),
                ("Call-ID", self.number()), ("CSeq", "1 OPTIONS"), ("Max-Forwards", "70")])
            source.sendto(m.bytes(), self.stack.node.address)
            for s, word in ((source, "source"), (named, "named")):
                s.settimeout(2 if word == self.expected else 0.2)
                try:
                    data, origin = s.recvfrom(65535)
                except TimeoutError:
                    continue
                self.assertEqual(origin, self.stack.node.address)
                return word, Message.parse(data).get("Via"), ports
        self.fail(f"no answer to a request with Via {via}")

    def test_with_rport_the_answer_goes_to_where_the_request_came_from(self):
        self.expected = "source"
        word, via, ports = self.behind_nat("SIP/2.0/UDP 10.1.1.1:{port};branch=z9hG4bKr1;rport")
        self.assertEqual(word, "source")
        self.assertIn(f";received={self.caller.host}", via)
        self.assertIn(f";rport={ports[0]}", via)

    def test_without_rport_it_goes_to_the_port_that_via_names(self):
        self.expected = "named"
        word, via, _ = self.behind_nat("SIP/2.0/UDP 10.1.1.1:{port};branch=z9hG4bKr2")
        self.assertEqual(word, "named")
        self.assertIn(f";received={self.caller.host}", via)
        self.assertNotIn("rport", via)

    def test_a_name_in_via_is_not_looked_up(self):
        self.expected = "source"
        word, via, _ = self.behind_nat("SIP/2.0/UDP pbx.invalid;branch=z9hG4bKr3;rport")
        self.assertEqual(word, "source")
        self.assertIn(f";received={self.caller.host}", via)

    def test_a_call_from_behind_nat(self):
        """Via and Contact name an address that nobody reaches; rport brings the answers, the Contact's name the rest."""
        def hidden(m):
            m.set("Via", f"SIP/2.0/UDP 10.1.1.1:5060;branch={m.branch};rport")

        call = self.caller.invite(self.number(), change=hidden)
        leg = self.a.expect_call()
        leg.reply(180)
        via = call.expect(180).get("Via")
        self.assertTrue(re.search(rf";rport={self.caller.port}\b", via) and f"received={self.caller.host}" in via, via)
        self.answer(call, leg)
        self.ends(call, leg)

    def test_we_ask_for_rport_ourselves(self):
        call, leg = self.up()
        self.assertRegex(leg.invite.get("Via"), r";rport\b")
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
