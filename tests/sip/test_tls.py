# SPDX-License-Identifier: Apache-2.0
"""Vendors over TLS: by IPv4 and IPv6, and those that [sip] tls_ca does not vouch for, or that speak no TLS."""

import glob
import os

from story import Story, free_port
from story.certificate import self_signed
from story.tls import TlsServer


def certificate(folder, name, *addresses):
    """A self-signed one; the path of certificate and key together."""
    path, key = self_signed(os.path.join(folder, f"{name}-{os.getpid()}"), *addresses, name=name)
    with open(path, "ab") as both, open(key, "rb") as more:
        both.write(more.read())
    os.unlink(key)
    return path


class Vendor(TlsServer):
    """Busy for every call."""

    def __init__(self, host, pem=None):
        self.methods, self.transports = [], set()
        super().__init__(host, pem)

    def take(self, stream, message):
        self.methods.append(message.method)
        self.transports.add(message.get("Via").split()[0])
        if message.method == "INVITE":
            stream.sendall(self.answer_to(message, "486 Busy Here", tag="t").bytes())


class Tls(Story):
    @classmethod
    def setUpClass(cls):
        folder = os.environ.get("TANDEM_STORY_DIR", "/tmp")
        cls.known = certificate(folder, "known", "127.0.0.71", "::1")
        cls.foreign = certificate(folder, "foreign", "127.0.0.72")
        cls.addClassCleanup(lambda: [os.unlink(p) for p in (cls.known, cls.foreign)])
        cls.port, tls, tls6 = free_port(), free_port(udp=False), free_port(udp=False)
        cls.stack_options = {"settings": {"sip": {
            "listen": f"udp:127.0.0.1:{cls.port}, tls:127.0.0.1:{tls}, tls:[::1]:{tls6}",
            "tls_certificate": cls.known, "tls_key": cls.known, "tls_ca": cls.known}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        cls.vendors = {"11": Vendor("127.0.0.71", cls.known), "12": Vendor("::1", cls.known),
                       "13": Vendor("127.0.0.72", cls.foreign), "14": Vendor("127.0.0.73")}
        cls.trunks = {}
        for prefix, vendor in cls.vendors.items():
            cls.addClassCleanup(vendor.close)
            deck = stack.deck(f"buy {prefix}", "buy", {prefix: "0.01"})
            cls.trunks[prefix] = stack.api.post("/v1/trunks", carrier_id=stack.carrier(f"vendor {prefix}")["id"], name="tls", direction="egress",
                                                host=vendor.host, port=vendor.port, transport="tls", no_response_timeout=2,
                                                rate_deck_id=deck["id"])
        cls.reserve = stack.vendor("reserve", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [*cls.trunks.values(), cls.reserve])

    def test_a_vendor_is_called_over_either_family(self):
        for prefix in ("11", "12"):
            called = self.number(prefix)
            call = self.customer["peer"].invite(called)
            self.assertEqual(call.expect_final(5).code, 486)
            self.attempts_are(self.stack.api.cdr(called=called), (self.trunks[prefix], 486))
            self.assertEqual((self.vendors[prefix].methods[0], self.vendors[prefix].transports), ("INVITE", {"SIP/2.0/TLS"}))

    def hunted_past(self, prefix):
        called = self.number(prefix)
        call = self.customer["peer"].invite(called)
        leg = self.reserve["peer"].expect_call(5)
        leg.reply(486)
        call.expect(486)
        attempts = self.stack.api.cdr(called=called)["attempts"]
        self.assertEqual([a["trunk_id"] for a in attempts], [self.trunks[prefix]["id"], self.reserve["id"]])
        self.assertIn(attempts[0]["reason"], ("no_response", "transport_error"))
        self.assertEqual(self.vendors[prefix].methods, [])

    def test_a_vendor_whose_certificate_nobody_vouches_for_is_told_nothing(self):
        self.hunted_past("13")

    def test_what_a_killed_node_left_of_its_key_goes(self):
        left = glob.glob(os.path.join(self.stack.node.folder, "spool", "tls-*"))
        self.assertEqual(len(left), 1)
        self.stack.node.kill()
        self.stack.node.start()
        now = glob.glob(os.path.join(self.stack.node.folder, "spool", "tls-*"))
        self.assertEqual(len(now), 1)
        self.assertNotEqual(now, left)

    def test_a_port_that_speaks_no_tls_is_hunted_past(self):
        self.hunted_past("14")
