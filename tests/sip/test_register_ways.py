# SPDX-License-Identifier: Apache-2.0
"""Registrations over IPv6 and TLS: customers with us, and we with vendors."""

import os
import queue
import re
import secrets
import socket
import ssl

from story import free_port, wait_for
from story.certificate import self_signed
from story.digest import credentials, parameters, response
from story.message import Message
from story.registers import Registers, Vendor
from story.tls import TlsServer


def message_read(stream):
    """One SIP message of a stream, None at its end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line if head or line.strip() else b""
    length = re.search(rb"(?im)^content-length\s*:\s*(\d+)", head)
    return Message.parse(head + stream.read(int(length.group(1)) if length else 0))


class TlsVendor(TlsServer):
    """A vendor's registrar behind TLS: asks for digest, and keeps what is right."""

    def __init__(self, host, certificate, key, password):
        self.password, self.taken = password, queue.Queue()
        super().__init__(host, certificate, key)

    def take(self, stream, message):
        proof = parameters(message.get("Authorization") or "")
        good = proof and proof["response"] == response(proof, self.password, "REGISTER")
        answer = self.answer_to(message, "200 OK" if good else "401 Unauthorized")
        if good:
            answer.headers.append(("Contact", f"<{message.uri_of('Contact')}>;expires={message.get('Expires')}"))
            self.taken.put(message)
        else:
            answer.headers.append(("WWW-Authenticate", f'Digest realm="v", nonce="{secrets.token_hex(8)}", algorithm=SHA-256, qop="auth"'))
        stream.sendall(answer.bytes())


class Ways(Registers):
    @classmethod
    def setUpClass(cls):
        cls.port, cls.port6, cls.port_tls = free_port(), free_port(), free_port(udp=False)
        folder = os.environ.get("TANDEM_STORY_DIR", "/tmp")
        cls.certificate, cls.key = self_signed(os.path.join(folder, f"ways-{os.getpid()}"))
        cls.addClassCleanup(lambda: [os.unlink(p) for p in (cls.certificate, cls.key)])
        cls.stack_options = {"settings": {"sip": {
            "listen": f"udp:127.0.0.1:{cls.port}, udp:[::1]:{cls.port6}, tls:127.0.0.1:{cls.port_tls}",
            "tls_certificate": cls.certificate, "tls_key": cls.key}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        gw = stack.carrier("gw")
        cls.door = stack.api.post("/v1/trunks", carrier_id=gw["id"], name="gw in", direction="ingress", username="gw", password="s3cret")
        deck = stack.deck("gw buy", "buy", {"1": "0.01"})
        cls.gw = stack.api.post("/v1/trunks", carrier_id=gw["id"], name="gw", direction="egress", registered_as=cls.door["id"],
                                rate_deck_id=deck["id"])
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.gw])
        cls.home6 = stack.peer("home6", host="::1")
        cls.home6.switch = ("::1", cls.port6)
        cls.six = stack.vendor("six", {"2": "0.01"}, peer=stack.peer("six", host="::1"), trunk={"username": "tandem", "password": "word"})
        cls.at_six = Vendor(cls.six["peer"], "tandem", "word")
        cls.at_tls = TlsVendor("127.0.0.99", cls.certificate, cls.key, "word")
        cls.addClassCleanup(cls.at_tls.close)
        cls.tls = stack.api.post("/v1/trunks", carrier_id=gw["id"], name="by tls", direction="egress", host="127.0.0.99",
                                 port=cls.at_tls.port, transport="tls", username="tandem", password="word", rate_deck_id=deck["id"])

    def state(self, trunk):
        return [r["state"] for n in self.stack.api.get("/v1/nodes")["items"] for r in n["registrations"] if r["trunk_id"] == trunk["id"]]

    def test_a_gateway_registers_over_ipv6_and_is_called_there(self):
        _, answer = self.registered(self.home6, [f"<{self.home6.contact}>"])
        self.assertEqual(list(self.contacts(answer)), [self.home6.contact])
        wait_for("a route to the gateway", lambda: not self.stack.api.post(
            "/v1/route-lookups", trunk_id=self.customer["id"], called=self.number())["excluded"], 5)
        call = self.customer["peer"].invite(self.number())
        leg = self.home6.expect_call()
        self.assertIn(f"@[::1]:{self.home6.port}", leg.invite.uri)
        self.answer(call, leg)
        self.ends(leg, call)

    def test_a_gateway_registers_over_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate)
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", self.port_tls), 5) as plain, context.wrap_socket(plain) as s:
            at = "%s:%d" % s.getsockname()
            uri, stream, more = f"sip:127.0.0.1:{self.port_tls};transport=tls", s.makefile("rb"), []
            for number in (1, 2):
                m = Message(f"REGISTER {uri} SIP/2.0", [
                    ("Via", f"SIP/2.0/TLS {at};branch=z9hG4bKtls{number};rport"), ("From", "<sip:gw@tandem.example>;tag=t"),
                    ("To", "<sip:gw@tandem.example>"), ("Call-ID", "over-tls"), ("CSeq", f"{number} REGISTER"),
                    ("Max-Forwards", "70"), ("Contact", f"<sip:gw@{at};transport=tls>"), ("Expires", "60"), *more])
                s.sendall(m.bytes())
                answer = message_read(stream)
                if number == 1:
                    self.assertEqual(answer.code, 401)
                    more = [("Authorization", credentials(answer.get("WWW-Authenticate"), "gw", "s3cret", uri, "REGISTER"))]
            stream.close()
        self.assertEqual(answer.code, 200)
        self.assertIn(f"sip:gw@{at};transport=tls", self.contacts(answer))

    def test_we_register_over_ipv6(self):
        self.stack.api.patch(f"/v1/trunks/{self.six['id']}", register=True)
        wait_for("a registration", lambda: self.state(self.six) == ["registered"], 8)
        m = self.at_six.taken[-1][2]
        self.assertEqual((m.uri_of("Contact"), m.uri), (f"sip:tandem@[::1]:{self.port6}", f"sip:[::1]:{self.six['peer'].port}"))
        self.stack.api.patch(f"/v1/trunks/{self.six['id']}", register=False)
        wait_for("the farewell", lambda: self.at_six.taken[-1][1] == 0, 6)

    def test_we_register_over_tls(self):
        self.stack.api.patch(f"/v1/trunks/{self.tls['id']}", register=True)
        wait_for("a registration", lambda: self.state(self.tls) == ["registered"], 8)
        m = self.at_tls.taken.get(timeout=1)
        self.assertEqual(m.uri_of("Contact"), f"sip:tandem@127.0.0.1:{self.port_tls};transport=tls")
        self.assertTrue(m.get("Via").startswith("SIP/2.0/TLS "), m.get("Via"))
        self.stack.api.patch(f"/v1/trunks/{self.tls['id']}", register=False)
        wait_for("the farewell", lambda: not self.at_tls.taken.empty() and self.at_tls.taken.get().get("Expires") == "0", 6)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
