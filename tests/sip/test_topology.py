# SPDX-License-Identifier: Apache-2.0
"""Neither side sees anything of the other. Both write a name of their own into every header, parameter and SDP line that carriers
send, and into every kind of message; none of it may arrive on the other side, relayed through rtpengine or not."""

import re

from story import Talk
from story.media import RELAY_HOST, Relayed
from story.message import sdp_offer

REQUEST_ONLY = ("Call-Info", "Alert-Info", "Organization", "Subject", "In-Reply-To", "Priority", "Referred-By", "P-Access-Network-Info",
                "P-Charging-Vector", "P-Charging-Function-Addresses", "P-Visited-Network-ID", "P-Preferred-Identity", "Identity",
                "Geolocation", "User-to-User", "X-Trace", "Path", "Proxy-Authorization", "P-Early-Media", "Session-ID")
RESPONSE_ONLY = ("Server", "Error-Info", "Retry-After", "Proxy-Authenticate", "Authentication-Info", "P-Associated-URI", "Service-Route",
                 "X-Trace", "Organization", "Geolocation-Error", "Session-ID", "Reply-To")
IDENTITIES = ("P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info")


def told_of(peer):
    """What the peer does to each message of its own: its name everywhere."""
    secret = f"{peer.name}-secret"
    host = f"{secret}.example"

    def edit(m):
        if getattr(m, "edited", False):
            return
        m.edited = True
        if m.is_request:
            m.headers.insert(1, ("Via", f"SIP/2.0/UDP {host}:5999;branch=z9hG4bK{secret}1;received=10.99.0.{len(peer.name)}"))
            m.headers += [(n, f"<sip:{secret}@{host}>") for n in REQUEST_ONLY]
            m.headers += [(n, f'"{secret}" <sip:4930{len(n)}@{host}>;x={secret}') for n in IDENTITIES]
        else:
            m.headers += [(n, f"<sip:{secret}@{host}>") for n in RESPONSE_ONLY]
            m.headers += [("Warning", f'399 {host} "{secret} failed"'), ("P-Asserted-Identity", f"<sip:{secret}@{host}>")]
            m.start = m.start.split(" ", 2)[0] + f" {m.code} {secret} says so"
        m.headers += [("User-Agent", secret), ("Reason", f'Q.850;cause=16;text="{secret}"'), ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                      ("Timestamp", "54"), ("Allow-Events", secret), ("Accept-Language", secret), ("X-" + secret, "1")]
        m.set("Contact", *[v.replace(">", f";x={secret}>;+sip.instance=\"<urn:{secret}>\"") for v in m.all("Contact")])
        m.body = m.body.replace("s=-", f"s={secret}\r\ni={secret}\r\nu=http://{host}/\r\ne={secret}@{host}\r\np=+1 {secret}").replace(
            "o=-", f"o={secret}").replace("a=send", f"a=tool:{secret}\r\na=ssrc:1 cname:{secret}@{host}\r\na=send")
    return edit


def mixed(sdp, host):
    return ("--bound-" + host + "\r\nContent-Type: application/sdp\r\nContent-ID: <1@" + host + ">\r\n\r\n" + sdp +
            "\r\n--bound-" + host + "\r\nContent-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n"
            "X-Host: " + host + "\r\n\r\n\x01\x00\x49\x00\x00\x03\x02\r\n--bound-" + host + "--\r\n")


class Topology(Talk):
    in_relay = False

    @classmethod
    def provision(cls, stack):
        media = {"media": "relay"} if cls.in_relay else {}
        cls.vendor = stack.vendor("vendor", {"1": "0.02"}, trunk=media)
        cls.customer = stack.customer("customer", {"1": "0.06"}, [cls.vendor], trunk=media)

    def setUp(self):
        super().setUp()
        self.both = (self.customer["peer"], self.vendor["peer"])
        for end in self.both:
            end.edit = told_of(end)

    def tearDown(self):
        self.nothing_crossed()
        super().tearDown()

    def nothing_crossed(self):
        ours = self.stack.node.host
        for one, other in (self.both, self.both[::-1]):
            calls = [c for c in one.calls.values() if c.call_id not in self.past]
            theirs = [c for c in other.calls.values() if c.call_id not in self.past]
            got = [m for c in calls for m in c.got]
            tokens = [f"{other.name}-secret", f"tag={other.name}", f"10.99.0.{len(other.name)}", "bound-"]
            tokens += [c.call_id for c in theirs] + [c.local_tag for c in theirs]
            tokens += [m.branch for c in theirs for m in c.sent.values()]
            for m in got:
                text = m.bytes().decode("utf-8", "replace")
                head = text if self.in_relay else self.told_by(m) + "".join(
                    line for line in text.splitlines() if line.startswith("a=") and "cname" in line)
                for token in tokens:
                    self.assertNotIn(token, text, f"{one.name} was told of {other.name}")
                self.assertNotIn(other.host, head, f"{one.name} was told of {other.name}")
                if self.in_relay and m.body and "c=IN" in m.body:
                    self.assertIn(f"c=IN IP4 {RELAY_HOST}", m.body)
                for line in (line for line in m.body.splitlines() if line.startswith("o=")):
                    self.assertRegex(line, rf"^o=\S+ \d+ \d+ IN IP4 ({re.escape(ours)}|{RELAY_HOST})$")
            self.assertTrue(got, f"{one.name} got nothing")

    # ---- calls

    def exchange(self, one, other, method):
        one.request(method, one.peer.sdp())
        other.expect(method)
        other.reply(200, sdp=True)
        one.expect(200, method=method)
        if method == "INVITE":
            one.ack()
            other.expect("ACK")

    def test_a_call_with_everything_in_it(self):
        call = self.customer["peer"].invite(self.number(), headers=[("Supported", "100rel"), ("Require", "100rel")])
        leg = self.vendor["peer"].expect_call()
        leg.reply(183, sdp=True)
        early = call.expect(183)
        self.prack(call, early)
        leg.reply(200, sdp=leg.sdp_sent)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        for one, other in ((call, leg), (leg, call)):
            self.exchange(one, other, "INVITE")
            self.exchange(one, other, "UPDATE")
            one.request("INFO", change=lambda m: (m.set("Content-Type", "application/dtmf-relay"), setattr(m, "body", "Signal=5\r\n")))
            other.expect("INFO")
            other.reply(200)
            one.expect(200, method="INFO")
            for method, code in (("INFO", 469), ("INVITE", 488)):
                one.request(method, one.peer.sdp() if method == "INVITE" else None)
                other.expect(method)
                other.reply(code)
                one.expect(code, method=method)
                if method == "INVITE":
                    other.expect("ACK")
            one.request("OPTIONS")
            one.expect(200, method="OPTIONS")
        self.ends(call, leg)

    def test_calls_that_the_vendor_ends(self):
        call = self.customer["peer"].invite(self.number())
        leg = self.vendor["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        self.ends(leg, call)

    def test_calls_that_fail(self):
        for code in (302, 401, 404, 407, 480, 486, 503, 603):
            call = self.customer["peer"].invite(self.number())
            leg = self.vendor["peer"].expect_call()
            leg.reply(code)
            leg.expect("ACK")
            call.expect_final()

    def test_a_call_that_is_given_up(self):
        call, leg = self.ringing(self.number())
        self.cancelled(call, leg)

    def test_a_delayed_offer(self):
        call = self.customer["peer"].invite(self.number(), sdp=None)
        leg = self.vendor["peer"].expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        call.ack(self.customer["peer"].sdp())
        leg.expect("ACK")
        self.ends(call, leg)


class InBypass(Topology):
    def test_several_bodies_in_one(self):
        """SDP and ISUP (RFC 3204): both cross, each as it would alone."""
        def offer(m):
            m.set("Content-Type", f'multipart/mixed;boundary="bound-{self.customer["peer"].host}"')
            m.set("MIME-Version", "1.0")
            m.body = mixed(sdp_offer(self.customer["peer"].host), self.customer["peer"].host)

        call = self.customer["peer"].invite(self.number(), change=offer)
        leg = self.vendor["peer"].expect_call()
        boundary = re.search(r'boundary="?([^";]+)', leg.invite.get("Content-Type")).group(1)
        parts = leg.invite.body.split("--" + boundary)
        self.assertEqual((len(parts), parts[3].strip()), (4, "--"))
        self.assertIn("Content-Type: application/sdp\r\n\r\nv=0\r\n", parts[1])
        self.assertIn("m=audio 40000 RTP/AVP 8 0 101\r\n", parts[1])
        self.assertEqual(parts[2], "\r\nContent-Type: application/ISUP;version=itu-t92+\r\nContent-Disposition: signal;handling=optional\r\n"
                                   "\r\n\x01\x00\x49\x00\x00\x03\x02\r\n")
        self.answer(call, leg)
        self.ends(call, leg)

    def test_zz_a_body_without_its_parts_is_400(self):
        call = self.customer["peer"].invite(self.number(), change=lambda m: m.set("Content-Type", "multipart/mixed;boundary=none"))
        call.expect(400)
        call, leg = self.up()
        call.request("INVITE", self.customer["peer"].sdp(), change=lambda m: m.set("Content-Type", "multipart/mixed"))
        call.expect(400, method="INVITE")
        self.ends(call, leg)


class InRelay(Topology, Relayed):
    in_relay = True


del Topology, Relayed
