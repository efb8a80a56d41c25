# SPDX-License-Identifier: Apache-2.0
"""A name server for stories: answers from a table, over UDP on loopback; what it does not have does not exist."""

import socket
import struct
import threading

A, SRV, NAPTR, AAAA = 1, 33, 35, 28


def name_bytes(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split(".") if p) + b"\0"


def text_bytes(text):
    return bytes([len(text)]) + text.encode()


def record(kind, value):
    """A: "127.0.0.1"; SRV: (priority, weight, port, target); NAPTR: (order, preference, flags, service, replacement)."""
    if kind == A:
        return socket.inet_aton(value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == SRV:
        return struct.pack(">HHH", *value[:3]) + name_bytes(value[3])
    order, preference, flags, service, replacement = value
    return struct.pack(">HH", order, preference) + text_bytes(flags) + text_bytes(service) + text_bytes("") + name_bytes(replacement)


class NameServer:
    """table: {(name, type): [value, ...]}; `asked` lists the questions that came; silent: it hears and says nothing."""

    def __init__(self, table, ttl=60):
        self.table, self.ttl, self.asked, self.silent = table, ttl, [], False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.open_now = True
        self.thread = threading.Thread(target=self._serve, name="name server", daemon=True)
        self.thread.start()

    def close(self):
        self.open_now = False
        self.thread.join(5)
        self.socket.close()

    def _serve(self):
        while self.open_now:
            try:
                query, source = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            answer = self._answer(query)
            if not self.silent:
                self.socket.sendto(answer, source)

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        question = query[12:at + 5]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append((name, kind))
        found = self.table.get((name, kind), [])
        known = any(n == name for n, _ in self.table)
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(found), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data
                        for data in (record(kind, v) for v in found))
        return head + question + body
