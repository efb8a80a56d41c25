# SPDX-License-Identifier: Apache-2.0
"""A SIP endpoint whose every message is under the story's control: caller or vendor, UDP or TCP.

    call = caller.invite("12025550100")          the vendor's side:  leg = vendor.expect_call()
    call.expect(180)                                                 leg.reply(180)
    call.expect(200); call.ack()                                     leg.reply(200, sdp=...); leg.expect("ACK")
    call.bye()                                                       leg.expect("BYE"); leg.reply(200)

Repeats of a message are counted (`repeats`) and answered with what was last sent, but never handed out twice. A
request that is not answered is sent again after T1, 2 T1 ... unless the peer was told to `send_once`.
A message that was not expected breaks the story, except 100.
"""

import collections
import contextlib
import itertools
import re
import secrets
import select
import socket
import threading
import time

from .message import Message, REASONS, sdp_offer
from .process import Failure, free_port

T1 = 0.5


class Call:
    """One dialog of a peer's, from its INVITE on. `invite` is the INVITE; `got` all that came, in order."""

    def __init__(self, peer, call_id, remote):
        self.peer, self.call_id, self.remote = peer, call_id, remote
        self.local_tag, self.remote_tag = secrets.token_hex(5), ""
        self.local_uri = self.remote_uri = self.target = ""
        self.route, self.cseq = [], itertools.count(secrets.randbelow(1000) + 1)
        self.invite = None
        self.got, self.repeats = [], collections.Counter()
        self.waiting = collections.deque()
        self.seen, self.answers, self.sent = set(), {}, {}
        self.last_request = self.last_reply = None
        self.last_invite = None  # the one that was taken last, re-INVITEs included
        self.news = peer.news
        self.sdp_sent = None

    # ---- waiting

    def take(self, wanted, limit=5.0):
        """The next message for which wanted(message) holds; others before it break the story (but 100 never does)."""
        end = time.monotonic() + limit
        with self.news:
            while True:
                while self.waiting:
                    m = self.waiting.popleft()
                    if wanted(m):
                        return m
                    if m.code != 100:
                        raise Failure(f"{self.peer.name} expected {wanted.__doc__ or 'something else'}, got '{m.start}'"
                                      f"{self.peer.story()}")
                left = end - time.monotonic()
                if left <= 0 or not self.news.wait(left):
                    if self.waiting:
                        continue
                    raise Failure(f"{self.peer.name} waited {limit:g} s in vain for {wanted.__doc__ or 'a message'}"
                                  f"{self.peer.story()}")

    def expect(self, what, limit=5.0, method=None):
        """The next message: a response with that code (int or (200, 202)), or a request with that method (str)."""
        codes = (what,) if isinstance(what, int) else what

        def wanted(m):
            if isinstance(what, str):
                return m.is_request and m.method == what
            return m.code in codes and (method is None or m.method == method)

        wanted.__doc__ = what if isinstance(what, str) else "/".join(map(str, codes))
        m = self.take(wanted, limit)
        if m.is_request:
            self.last_request = m
            if m.method == "INVITE":
                self.last_invite = m
        else:
            self.last_reply = m
            self._learn(m)
        return m

    def expect_final(self, limit=40.0, method="INVITE"):
        """Pass provisional responses by; the first final one to the method."""
        end = time.monotonic() + limit
        while True:
            def wanted(m):
                return not m.is_request and m.method == method
            wanted.__doc__ = f"a final response to {method}"
            m = self.take(wanted, max(0.001, end - time.monotonic()))
            self._learn(m)
            if m.code >= 200:
                self.last_reply = m
                return m

    def expect_silence(self, seconds):
        """Nothing new may come in that time, but 100."""
        end = time.monotonic() + seconds
        with self.news:
            while True:
                while self.waiting and self.waiting[0].code == 100:
                    self.waiting.popleft()
                if self.waiting:
                    raise Failure(f"{self.peer.name} expected silence, got '{self.waiting[0].start}'{self.peer.story()}")
                left = end - time.monotonic()
                if left <= 0:
                    return
                self.news.wait(left)

    def repeated(self, what, n, limit=5.0):
        """Has that code or method been repeated to us n times, within the limit?"""
        with self.news:
            return self.news.wait_for(lambda: self.repeats[what] >= n, limit)

    def _learn(self, m):
        if m.method == "INVITE" and m.code and 100 < m.code < 300:
            self.remote_tag = m.tag("To") or self.remote_tag
            if m.get("Contact"):
                self.target = m.uri_of("Contact")
            self.route = list(reversed(m.all("Record-Route")))

    # ---- as the one who is asked

    def reply(self, code, sdp=None, headers=(), to=None, reason=None):
        """Answer the last request taken (or `to`). A reply to INVITE carries our tag and Contact."""
        request = to or self.last_request
        m = Message(f"SIP/2.0 {code} {reason or REASONS.get(code, 'Whatever')}")
        for name in ("Via", "From", "Record-Route"):
            m.headers += [(name, v) for v in request.all(name)]
        to_value = request.get("To")
        if code > 100 and ";tag=" not in to_value:
            to_value += f";tag={self.local_tag}"
        m.headers += [("To", to_value), ("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
        if request.method in ("INVITE", "UPDATE") and 100 < code < 400 and not any(n == "Contact" for n, _ in headers):
            m.headers.append(("Contact", f"<{self.peer.contact}>"))
        m.headers += list(headers)
        if sdp is True:
            sdp = self.peer.sdp()
        if sdp:
            m.headers.append(("Content-Type", "application/sdp"))
            m.body = self.sdp_sent = sdp
        self.answers[self._key(request)] = m
        if self.peer.persistent and request.method == "INVITE" and code >= 200:
            self.peer.again(self, m, request.cseq, "ACK", request.source)
        self.peer.send(m, request.source if self.peer.reaches(request.source) else self.remote)
        return m

    def repeat(self, m):
        """Send a message again, as it is."""
        self.peer.send(m, self.remote)

    @staticmethod
    def _key(m):
        return (m.branch, m.cseq, "INVITE" if m.method == "ACK" else m.method)

    # ---- as the one who asks

    def _hop(self):
        """Where an in-dialog request goes: the first Route's address, or the target's; both numeric here."""
        m = re.match(r"(?:<?sips?:)(?:[^@>]*@)?([0-9.]+|\[[0-9a-f:]+\])(?::(\d+))?", self.route[0] if self.route else self.target)
        if not self.remote_tag or m is None or self.peer.transport == "tcp" or self.peer.relayed:
            return self.remote
        return (m.group(1).strip("[]"), int(m.group(2) or 5060))

    def request(self, method, sdp=None, headers=(), uri=None, cseq=None, branch=None, change=None):
        """Send a request inside the dialog (or CANCEL, or a fresh INVITE); it is repeated until answered. change(message)
        may do to it what it likes before it goes out."""
        m = Message(f"{method} {uri or self.target} SIP/2.0")
        number = cseq or next(self.cseq)
        branch = branch or "z9hG4bK" + secrets.token_hex(8)
        remote_tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        m.headers = [("Via", f"SIP/2.0/{self.peer.transport.upper()} {self.peer.at};branch={branch};rport"),
                     ("Max-Forwards", "70"), ("From", f"<{self.local_uri}>;tag={self.local_tag}"),
                     ("To", f"<{self.remote_uri}>{remote_tag}"), ("Call-ID", self.call_id), ("CSeq", f"{number} {method}")]
        m.headers += [("Route", r) for r in self.route]
        if method in ("INVITE", "UPDATE"):
            m.headers.append(("Contact", f"<{self.peer.contact}>"))
        m.headers += list(headers)
        if sdp:
            m.headers.append(("Content-Type", "application/sdp"))
            m.body = self.sdp_sent = sdp
        if change:
            change(m)
        self.sent[(number, method)] = m
        self.remote = self._hop()
        if method != "ACK":
            self.peer.again(self, m, number, method)
        self.peer.send(m, self.remote)
        return m

    def invite_again(self, sdp=True, headers=()):
        """After a refusal: the same call once more, the same Call-ID and From tag, a higher CSeq (RFC 3261 8.1.3.5)."""
        self.remote_tag, self.route, self.target = "", [], self.invite.uri
        self.invite = self.request("INVITE", self.peer.sdp() if sdp is True else sdp, headers)
        return self.invite

    def ack(self, sdp=None, headers=()):
        """For the 2xx last taken."""
        m = self.request("ACK", sdp, headers, cseq=self.last_reply.cseq)
        self.answers[("2xx", m.cseq)] = m
        return m

    def _ack_failure(self, reply):
        """RFC 3261 17.1.1.3: the ACK for a final response other than 2xx belongs to the INVITE's transaction."""
        invite = self.sent.get((reply.cseq, "INVITE"))
        if invite is None:
            return
        m = Message("ACK " + invite.uri + " SIP/2.0")
        m.headers = [("Via", invite.get("Via")), ("Max-Forwards", "70"), ("From", invite.get("From")), ("To", reply.get("To")),
                     ("Call-ID", self.call_id), ("CSeq", f"{reply.cseq} ACK")]
        m.headers += [("Route", v) for v in invite.all("Route")]
        self.peer.send(m, self.remote)

    def cancel(self, invite=None):
        """Of the call's INVITE, or of a later one."""
        invite = invite or self.invite
        m = Message(f"CANCEL {invite.uri} SIP/2.0")
        m.headers = [(n, invite.get(n)) for n in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        m.headers.append(("CSeq", f"{invite.cseq} CANCEL"))
        m.headers += [("Route", v) for v in invite.all("Route")]
        self.sent[(invite.cseq, "CANCEL")] = m
        self.peer.again(self, m, invite.cseq, "CANCEL")
        self.peer.send(m, self.remote)
        return m

    def bye(self, limit=5.0):
        """BYE and its 200."""
        self.request("BYE")
        return self.expect(200, limit, method="BYE")

    # ---- from the peer's thread, with news held

    def arrived(self, m):
        self.got.append(m)
        if m.is_request and m.method == "ACK":
            self.peer.repeating.pop((self.call_id, m.cseq, "ACK"), None)
        if m.is_request:
            key = self._key(m) + (m.method,)
            if key in self.seen:
                self.repeats[m.method] += 1
                self.news.notify_all()
                answer = self.answers.get(self._key(m))
                if answer is not None and m.method != "ACK" and not self.peer.mute:
                    self.peer.send(answer, m.source)
                return
        else:
            self.peer.answered(self, m)
            if m.method == "INVITE" and m.code >= 300 and not self.peer.mute:
                self._ack_failure(m)
            key = (m.code, m.cseq, m.method, m.tag("To"), m.get("RSeq") if m.code < 200 else None, m.body if m.code < 200 else None)
            if key in self.seen:
                self.repeats[m.code] += 1
                self.news.notify_all()
                ack = self.answers.get(("2xx", m.cseq))
                if m.method == "INVITE" and 200 <= m.code < 300 and ack is not None and not self.peer.mute:
                    self.peer.send(ack, self.remote)
                return
        self.seen.add(key)
        self.waiting.append(m)
        self.news.notify_all()


class Peer:
    """An endpoint on an address of its own. `behave` plays a vendor without supervision, a thread a call."""

    count = itertools.count(1)

    def __init__(self, name, host, port=None, transport="udp", switch=None):
        self.name, self.host, self.transport, self.switch = name, host, transport, switch
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.port = port or free_port("127.0.0.1" if ":" in host else host)
        self.at = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"  # as Via and Contact name us
        self.mute = False         # take everything, say nothing
        self.send_once = False    # no repeats of our requests
        self.persistent = False   # final answers to INVITE are repeated until their ACK
        self.edit = None          # edit(message) may change each message of ours before it goes out
        self.hold = None          # hold(bytes) gets what would be sent
        self.relayed = False      # all we send goes to the switch's near side, whatever a dialog says
        self.t1 = T1
        self.calls, self.fresh, self.stray = {}, collections.deque(), []
        self.news = threading.Condition(threading.RLock())
        self.timeline = collections.deque(maxlen=400)
        self.script = None
        self.connections = {}
        self.repeating = {}
        self.errors = []
        self.open_now = True
        self.listen()
        self.wake_r, self.wake_w = socket.socketpair()
        self.thread = threading.Thread(target=self._loop, name=f"peer {name}", daemon=True)
        self.thread.start()

    def listen(self):
        kind = socket.SOCK_DGRAM if self.transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(self.family, kind)
        if kind == socket.SOCK_STREAM:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((self.host, self.port))
        if kind == socket.SOCK_STREAM:
            self.socket.listen(16)

    @property
    def contact(self):
        more = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{self.name}@{self.at}{more}"

    def sdp(self, port=40000, codecs="8 0 101", way="sendrecv"):
        return sdp_offer(self.host, port, next(self.count), codecs, way)

    def through(self, relay):
        """All we send goes through the relay, and by Via and Contact all we get comes through it."""
        self.at, self.switch, self.relayed = "%s:%d" % relay.far, relay.near, True

    def close(self):
        with self.news:
            if not self.open_now:
                return
            self.open_now = False
        self.wake_w.send(b"x")
        self.thread.join(5)
        self.socket.close()
        for c in self.connections.values():
            c.close()

    # ---- calls out

    def call_new(self, calling, called, remote=None, call_id=None):
        remote = remote or self.switch
        c = Call(self, call_id or f"{secrets.token_hex(8)}@{self.host}", remote)
        mine, host = (f"[{h}]" if ":" in h else h for h in (self.host, remote[0]))
        c.local_uri, c.remote_uri = f"sip:{calling}@{mine}", f"sip:{called}@{host}"
        c.target = f"sip:{called}@{host}:{remote[1]}" + ("" if self.transport == "udp" else f";transport={self.transport}")
        with self.news:
            self.calls[c.call_id] = c
        return c

    def invite(self, called, calling="4930123456", sdp=True, headers=(), remote=None, uri=None, change=None):
        """Place a call; what comes is for the Call returned. change: as for Call.request."""
        c = self.call_new(calling, called, remote)
        if uri:
            c.target = c.remote_uri = uri
        c.invite = c.request("INVITE", self.sdp() if sdp is True else sdp, headers, change=change)
        return c

    # ---- calls in

    def expect_call(self, limit=5.0):
        """The next INVITE that opens a call here."""
        end = time.monotonic() + limit
        with self.news:
            while not self.fresh:
                left = end - time.monotonic()
                if left <= 0:
                    raise Failure(f"{self.name} waited {limit:g} s in vain for a call{self.story()}")
                self.news.wait(left)
            c = self.fresh.popleft()
        c.expect("INVITE")
        return c

    def call_of(self, called):
        """The call of that number, if it is among those that have come and were not taken; else None. Its INVITE is to be taken yet."""
        with self.news:
            found = next((c for c in self.fresh if called in c.invite.uri), None)
            if found:
                self.fresh.remove(found)
            return found

    def expect_no_call(self, seconds):
        end = time.monotonic() + seconds
        with self.news:
            while time.monotonic() < end:
                if self.fresh:
                    raise Failure(f"{self.name} was not to be called{self.story()}")
                self.news.wait(max(0.0, end - time.monotonic()))

    def behave(self, script):
        """script(call) plays each call from its INVITE on, in a thread; what it raises is in `errors`. None ends it."""
        with self.news:
            self.script = script

    def _play(self, call):
        try:
            call.expect("INVITE")
            self.script(call)
        except Failure as e:
            self.errors.append(e)

    # ---- wire

    def send(self, message, remote):
        if self.edit and isinstance(message, Message):
            self.edit(message)
        data = message if isinstance(message, bytes) else message.bytes()
        if self.hold:
            self.hold(data)
            return
        self._note(">", remote, data)
        try:
            if self.transport == "udp":
                self.socket.sendto(data, remote)
            else:
                self._connection(remote).sendall(data)
        except OSError as e:
            self._note("!", remote, str(e).encode())

    def hang_up_connections(self):
        """Over TCP: our end of every connection is shut; the loop finds it closed and lets it go."""
        with self.news:
            for c in self.connections.values():
                with contextlib.suppress(OSError):  # it was hung up by the other side
                    c.shutdown(socket.SHUT_RDWR)

    def reaches(self, remote):
        """Can an answer go where the request came from? Over TCP only while that connection stands."""
        return self.transport == "udp" or remote in self.connections

    def _connection(self, remote):
        with self.news:
            c = self.connections.get(remote)
            if c is None:
                c = socket.socket(self.family, socket.SOCK_STREAM)
                c.bind((self.host, 0))
                c.connect(remote)
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections[remote] = c
                self.wake_w.send(b"x")
        return c

    def again(self, call, message, number, method, remote=None):
        """Repeat it until `method` of that number is answered (or, for ACK, comes). To be told before the first send: the
        answer may be quicker than we are."""
        if self.send_once or self.transport != "udp":
            return
        with self.news:
            self.repeating[(call.call_id, number, method)] = [call, message, remote, time.monotonic() + self.t1, self.t1, 0]
        self.wake_w.send(b"x")

    def answered(self, call, m):
        key = (call.call_id, m.cseq, m.method)
        if m.code >= 200 or m.method == "INVITE":
            self.repeating.pop(key, None)

    def _loop(self):
        buffers = {}
        while self.open_now:
            with self.news:
                inbound = [self.wake_r, self.socket] + (list(self.connections.values()) if self.transport == "tcp" else [])
                wait = self._repeat()
            try:
                ready = select.select(inbound, [], [], wait)[0]
            except (OSError, ValueError):
                continue
            for s in ready:
                if s is self.wake_r:
                    s.recv(4096)
                elif self.transport == "udp":
                    self._datagrams(s)
                elif s is self.socket:
                    self._accept(s)
                else:
                    self._stream(s, buffers)

    def _accept(self, s):
        try:
            c, address = s.accept()
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            return                    # it was given up again already
        with self.news:
            self.connections[address] = c

    def _repeat(self):
        now, wait = time.monotonic(), 1.0
        for key, entry in list(self.repeating.items()):
            call, message, remote, due, gap, n = entry
            if due <= now:
                if n >= 6:
                    del self.repeating[key]
                    continue
                self.send(message, remote or call.remote)
                gap *= 2
                entry[3:] = [now + gap, gap, n + 1]
            wait = min(wait, max(0.0, entry[3] - now))
        return wait

    def _datagrams(self, s):
        s.setblocking(False)
        while True:
            try:
                data, source = s.recvfrom(65535)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error for something sent earlier
            self._message(data, source)
        s.setblocking(True)

    def _stream(self, s, buffers):
        remote = next((r for r, c in self.connections.items() if c is s), None)
        try:
            data = s.recv(65535)
        except OSError:
            data = b""
        if not data:
            with self.news:
                self.connections.pop(remote, None)
            buffers.pop(s, None)
            s.close()
            return
        data = buffers.get(s, b"") + data
        while True:
            data = data.lstrip(b"\r\n")
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                break
            m = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)
            length = int(m.group(1)) if m else 0
            if len(rest) < length:
                break
            self._message(head + end + rest[:length], remote)
            data = rest[length:]
        buffers[s] = data

    def _message(self, data, source):
        if not data.strip():
            return
        self._note("<", source, data)
        m = Message.parse(data)
        m.source = source
        with self.news:
            call = self.calls.get(m.get("Call-ID"))
            if call is None:
                if m.is_request and m.method == "INVITE" and not m.tag("To"):
                    call = self._call_in(m)
                elif m.is_request and m.method == "OPTIONS" and not self.mute:
                    Call(self, m.get("Call-ID"), source).reply(200, to=m)
                    return
                else:
                    self.stray.append(m)
                    self.news.notify_all()
                    return
            call.arrived(m)

    def _call_in(self, m):
        call = Call(self, m.get("Call-ID"), m.source)
        call.invite, call.remote_tag = m, m.tag("From")
        call.local_uri, call.remote_uri = m.uri_of("To"), m.uri_of("From")
        call.target, call.route = m.uri_of("Contact"), m.all("Record-Route")
        self.calls[call.call_id] = call
        if self.script is not None:
            threading.Thread(target=self._play, args=(call,), daemon=True).start()
        elif not self.mute:
            self.fresh.append(call)
        return call

    def _note(self, way, remote, data):
        first = data.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        if first.startswith("SIP/"):
            m = re.search(rb"(?im)^cseq\s*:\s*\d+\s+(\w+)", data)
            first += f"   ({m.group(1).decode()})" if m else ""
        self.timeline.append((time.time(), way, remote, first))

    def story(self):
        """What this peer saw, for a failure's text."""
        lines = [f"\n  {self.name} ({self.transport} {self.host}:{self.port}):"]
        for at, way, remote, first in list(self.timeline)[-40:]:
            clock = time.strftime("%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}"
            lines.append(f"    {clock} {way} {remote[0]}:{remote[1]} {first}")
        return "\n".join(lines)
