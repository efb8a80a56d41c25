# SPDX-License-Identifier: Apache-2.0
"""Stories of relayed media: private rtpengines, and phones whose words go through them."""

import contextlib
import os
import re
import secrets
import shutil
import socket

from .message import sdp_offer
from .process import Failure, Process, free_port, wait_for
from .talk import Talk

RELAY_HOST = "127.0.0.9"  # what rtpengine shows of itself


class Rtpengine:
    """A private one, in user space, on loopback."""

    def __init__(self, folder, port=None, timeout=60):
        self.folder, self.timeout = folder, timeout
        self.port = port or free_port(tcp=False)
        self.process = None

    def start(self):
        binary = shutil.which("rtpengine")
        if binary is None:
            raise Failure("rtpengine is not installed: scripts/deps test")
        least = free_port(RELAY_HOST, tcp=False) & ~1
        self.process = Process("rtpengine", [binary, "--config-file=none", "--foreground", "--log-stderr", "--table=-1",
                                             f"--interface={RELAY_HOST}", f"--listen-ng=127.0.0.1:{self.port}",
                                             f"--port-min={least}", f"--port-max={least + 400}", "--num-threads=2",
                                             f"--timeout={self.timeout}", "--delete-delay=0", "--log-level=5"],
                               os.path.join(self.folder, "rtpengine.log"))
        wait_for("rtpengine's start", self.answers, 10)
        return self

    def ask(self, command):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.sendto(f"{secrets.token_hex(8)} {command}".encode(),
                     ("127.0.0.1", self.port))  # a cookie used before brings the same answer again
            return s.recv(65535).decode()

    def answers(self):
        self.process.must_run()
        try:
            return "pong" in self.ask('{"command":"ping"}')
        except OSError:
            return False

    def sessions(self):
        return re.search(r'"calls":\s*\[(.*?)\]', self.ask('{"command":"list"}')).group(1).count('"') // 2

    def stop(self):
        if self.process is not None and self.process.status is None:
            self.process.thaw()
            self.process.stop(10)
        self.process = None


class Phone:
    """The media end of a peer: a UDP socket on its address."""

    def __init__(self, host):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(0.05)
        self.host, self.port = self.socket.getsockname()
        self.sequence = 0

    def sdp(self, codecs="8 0 101", way="sendrecv", session=1):
        return sdp_offer(self.host, self.port, session, codecs, way)

    def say(self, to, word):
        self.sequence += 1
        head = bytes((0x80, 8)) + self.sequence.to_bytes(2, "big") + (160 * self.sequence).to_bytes(4, "big") + b"tand"
        self.socket.sendto(head + word.ljust(160, b"."), to)

    def heard(self):
        """(word, source) of what came in the next moment; None: nothing."""
        try:
            data, source = self.socket.recvfrom(2048)
        except TimeoutError:
            return None
        return data[12:].rstrip(b"."), source

    def close(self):
        self.socket.close()


def place(sdp):
    """Where an SDP wants its audio: (address, port)."""
    port = re.search(r"(?m)^m=audio (\d+)", sdp)
    hosts = re.findall(r"(?m)^c=IN IP4 (\S+)", sdp)
    return hosts[-1].strip(), int(port.group(1))


class Relayed(Talk):
    """A customer whose calls are relayed. Each class has rtpengines of its own, started before the switch."""

    engines = 1
    engine_timeout = 60

    @classmethod
    def setUpClass(cls):
        cls.engine = []
        folder = os.path.join(os.environ.get("TANDEM_STORY_DIR", "/tmp"), f"rtpengine-{os.getpid()}-{cls.__name__}")
        os.makedirs(folder, exist_ok=True)
        cls.folder = folder
        try:
            for n in range(cls.engines):
                own = os.path.join(folder, str(n))
                os.makedirs(own, exist_ok=True)
                cls.engine.append(Rtpengine(own, timeout=cls.engine_timeout).start())
            cls.stack_options = {"settings": {"media": {"rtpengine": ", ".join(f"127.0.0.1:{e.port}" for e in cls.engine)}}}
            super().setUpClass()
        except BaseException:
            cls.engines_stop()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.engines_stop()

    @classmethod
    def engines_stop(cls):
        for e in cls.engine:
            e.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], trunk={"media": "relay"})

    def setUp(self):
        super().setUp()
        self.phones = {}

    def tearDown(self):
        for p in self.phones.values():
            p.close()
        super().tearDown()

    def phone(self, peer):
        """The peer's media end; a new one for each story."""
        if peer.name not in self.phones:
            self.phones[peer.name] = Phone(peer.host)
        return self.phones[peer.name]

    @contextlib.contextmanager
    def silent(self, *engines):
        """While in it, these rtpengines (all, if none is named) do not answer."""
        engines = engines or self.engine
        for e in engines:
            e.process.freeze()
        try:
            yield
        finally:
            for e in engines:
                e.process.thaw()

    def gone(self):
        wait_for("rtpengine without sessions", lambda: not any(e.sessions() for e in self.engine if e.process))

    def hides(self, message, peer):
        """Nothing of the peer's address in what the other side got."""
        self.assertNotIn(peer.host, message.bytes().decode())
        if message.body:
            self.assertEqual(place(message.body)[0], RELAY_HOST)
            self.assertIn("s=-\r\n", message.body)

    def talk(self, one, there, other, back):
        """Words of one go to `there` and reach the other, and back; each sees the relay's address alone."""
        for speaker, to, listener, word in ((one, there, other, b"ahoy"), (other, back, one, b"hello")):
            def passes():
                speaker.say(to, word)
                got = listener.heard()
                return got and got[0] == word and got
            got = wait_for(f"RTP from {speaker.host} to {listener.host}", passes)
            self.assertEqual(got[1][0], RELAY_HOST)

    def relayed(self, called=None, vendor=None, customer=None):
        """A call up to its ACK through rtpengine: (call, leg, where the caller sends, where the vendor sends)."""
        vendor, customer = vendor or self.vendor, customer or self.customer
        caller, callee = customer["peer"], vendor["peer"]
        call = caller.invite(called or self.number(), sdp=self.phone(caller).sdp())
        leg = callee.expect_call()
        self.hides(leg.invite, caller)
        leg.reply(200, sdp=self.phone(callee).sdp())
        said = call.expect(200)
        self.hides(said, callee)
        call.ack()
        leg.expect("ACK")
        return call, leg, place(said.body), place(leg.invite.body)
