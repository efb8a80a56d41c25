# SPDX-License-Identifier: Apache-2.0
"""The messages of RFC 4475 and RFC 5118: each is answered as expected, and the next call is served as if nothing had been."""

import csv
import os
import re
import socket
import ssl
import time
import uuid

from story import Story, free_port
from story.certificate import self_signed
from story.lateness import Lateness

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def accepted(wanted, finals, provisional):
    """Does what came fit the accept set? finals: codes of the final answers, in order."""
    for word in wanted.split("|"):
        word = word.strip()
        if word == "any":
            return True
        if word.startswith("none"):
            if not finals:
                return True
        elif word in ("any-final", "1xx+final"):
            if finals:
                return True
        elif "!" in word:
            allowed, banned = word.split("!")
            if finals and finals[0] != int(banned) and (allowed == "any-final" or str(finals[0])[0] == allowed[0]):
                return True
        elif word.endswith(" once"):
            if finals == [int(word.split()[0])]:
                return True
        elif re.fullmatch(r"[1-6]xx", word):
            if finals and str(finals[0])[0] == word[0]:
                return True
        elif finals and finals[0] == int(word):
            return True
    return False


def distinct(data):
    """Branches and Call-IDs of their own: the RFCs repeat them, and a repeat is no new request."""
    mark = uuid.uuid4().hex[:8].encode()
    data = re.sub(rb"(branch\s*=\s*z9hG4bK)([^\s;,\r\n]+)", lambda m: m[0] + mark, data, flags=re.I)
    return re.sub(rb"(?im)^((?:call-id|i)\s*:\s*)([^\r\n]+)", lambda m: m[1] + mark + m[2], data, count=1)


def via_of(data):
    """Transport and port of the topmost Via, as far as it can be read."""
    m = re.search(rb"(?im)^(?:via|v)\s*:\s*SIP\s*/\s*[\d.]+\s*/\s*(\w+)\s+(\[[^\]]+\]|[^\s:;]+)(?:\s*:\s*(\d+))?", data)
    if not m:
        return "udp", 5060
    port = int(m[3] or (5061 if m[1].upper() == b"TLS" else 5060))
    return m[1].decode().lower(), port if 1024 <= port <= 65535 else 5060


def codes(text):
    found = [int(c) for c in re.findall(rb"(?m)^SIP/2\.0 (\d{3})", text)]
    return [c for c in found if c >= 200], [c for c in found if c < 200]


class Torture(Story):
    @classmethod
    def setUpClass(cls):
        folder = os.path.join(os.environ.get("TANDEM_STORY_DIR", "/tmp"), f"torture-tls-{os.getpid()}")
        os.makedirs(folder, exist_ok=True)
        cls.certificate, cls.key = self_signed(os.path.join(folder, "torture"))
        cls.ports = {"udp": free_port(), "tls": free_port(udp=False)}
        cls.ports["tcp"] = cls.ports["udp"]
        listen = ", ".join(f"{t}:127.0.0.1:{p}" for t, p in cls.ports.items())
        cls.stack_options = {"settings": {"sip": {"listen": listen, "tls_certificate": cls.certificate, "tls_key": cls.key}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.ports["udp"]
        cls.vendor = stack.vendor("anvil", {"1": "0.01", "4": "0.01"})
        cls.customer = stack.customer("hammer", {"1": "0.02", "4": "0.02"}, [cls.vendor],
                                      trunk={"source_cidrs": ["127.0.0.0/8"]})

    def sent(self, data, transport, port, source, limit=1.5):
        """Everything that comes back within the limit, or until a final answer and a pause after it. Each message has a source
        of its own: repeats of an answer that nobody acknowledges must not be taken for the next one's."""
        if transport == "udp":
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((source, port))
        else:
            s = socket.create_connection(("127.0.0.1", self.ports[transport]), 5, (source, 0))
            if transport == "tls":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                s = context.wrap_socket(s)
        came, end = b"", time.monotonic() + limit
        with s:
            if transport == "udp":
                s.sendto(data, ("127.0.0.1", self.ports["udp"]))
            else:
                s.sendall(data)
            while time.monotonic() < end:
                s.settimeout(max(0.01, end - time.monotonic()))
                try:
                    piece = s.recv(65535)
                except (TimeoutError, socket.timeout, ConnectionResetError):
                    break
                if not piece:
                    break
                came += piece
                if codes(came)[0]:
                    end = min(end, time.monotonic() + 0.3)
        return codes(came)

    def next_call_is_served(self, name):
        with Lateness() as late:
            began = time.monotonic()
            call = self.customer["peer"].invite(self.number())
            leg = self.vendor["peer"].expect_call()
            leg.reply(200, sdp=True)
            call.expect(200)
            took = time.monotonic() - began
        self.assertLess(took, 0.5 + late.worst_s, f"after {name}")
        call.ack()
        leg.expect("ACK")
        call.bye()
        self.stack.node.process.must_run()

    def run_all(self, rows):
        self.vendor["peer"].behave(None)
        wrong = []
        for i, (name, data, wanted) in enumerate(rows):
            transport, port = via_of(data)
            if transport not in self.ports:
                transport = "udp"
            finals, provisional = self.sent(distinct(data), transport, port, f"127.0.1.{i + 1}")
            if not accepted(wanted, finals, provisional):
                wrong.append(f"{name} over {transport}: wanted {wanted}, came {finals or 'nothing'}")
            self.vendor["peer"].fresh.clear()
            try:
                self.next_call_is_served(name)
            except AssertionError as e:
                wrong.append(f"after {name} the next call was not served: {str(e).splitlines()[0]}")
        return wrong

    def test_rfc_4475(self):
        with open(os.path.join(DATA, "rfc4475", "EXPECTED.csv"), encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        rows = [r for r in rows if r["file"] != "test.dat"]
        self.assertEqual(len(rows), 49)
        messages = []
        for r in rows:
            with open(os.path.join(DATA, "rfc4475", r["file"]), "rb") as f:
                messages.append((r["file"], f.read(), r["accept_set"]))
        wrong = self.run_all(messages)
        self.assertEqual(wrong, [], "\n".join(wrong))

    def test_rfc_5118(self):
        with open(os.path.join(DATA, "rfc5118", "EXPECTED.csv"), encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 12)
        messages = []
        for r in rows:
            wanted = "400" if r["file"] == "ipv6-bad.dat" else "any-final" if "3-colons" in r["file"] else "any-final!400"
            with open(os.path.join(DATA, "rfc5118", "wire-crlf", r["file"]), "rb") as f:
                messages.append((r["file"], f.read(), wanted))
        wrong = self.run_all(messages)
        self.assertEqual(wrong, [], "\n".join(wrong))
