# SPDX-License-Identifier: Apache-2.0
"""SIP over WebSocket (RFC 7118) from the browser's side, and the Kamailio that stands between it and the switch."""

import base64
import hashlib
import os
import secrets
import socket
import struct

from .process import TOP, Failure, Process, wait_for
from .message import Message
from .sip import Peer

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocket:
    """One connection (RFC 6455), with the words of a socket: what is sent is one text message, what is received whole ones."""

    def __init__(self, host, remote, protocol="sip"):
        self.socket = socket.create_connection(remote, 5, (host, 0))
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.socket.sendall((f"GET / HTTP/1.1\r\nHost: {remote[0]}:{remote[1]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
        self.left = b""
        while b"\r\n\r\n" not in self.left:
            more = self.socket.recv(4096)
            if not more:
                break
            self.left += more
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        wanted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        if b" 101 " not in head.split(b"\r\n")[0] or wanted.encode() not in head:
            self.socket.close()
            raise Failure(f"no WebSocket to be had: {head.decode(errors='replace')}")
        self.socket.settimeout(None)

    def fileno(self):
        return self.socket.fileno()

    def _frame(self, code, payload):
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BH", 0xFE, len(payload))
        mask = secrets.token_bytes(4)
        self.socket.sendall(bytes([0x80 | code]) + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def sendall(self, payload):
        self._frame(1, payload)

    def recv(self, size):
        """The payload of the messages that are here: b"" at the end of the connection, a line end (a keep-alive) for none."""
        more = self.socket.recv(size)
        if not more:
            return b""
        self.left += more
        out = b""
        while len(self.left) >= 2:
            code, length, at = self.left[0] & 0x0F, self.left[1] & 0x7F, 2
            if length == 126:
                length, at = struct.unpack("!H", (self.left[2:4] + b"\0\0")[:2])[0], 4
            if len(self.left) < at + length:
                break
            payload, self.left = self.left[at:at + length], self.left[at + length:]
            if code == 8:
                return b""
            if code == 9:
                self._frame(10, payload)
            elif code in (0, 1, 2):
                out += payload
        return out or b"\r\n"

    def shutdown(self, how):
        self.socket.shutdown(how)

    def close(self):
        self.socket.close()


class Browser(Peer):
    """A peer that no address leads to: it names itself by a host that does not exist, and all goes by its one connection."""

    def __init__(self, name, host, edge):
        super().__init__(name, host, transport="tcp", switch=edge)
        self.at = secrets.token_hex(6) + ".invalid"
        self.edit = self._web

    @property
    def contact(self):
        return f"sip:{self.name}@{self.at};transport=ws"

    @staticmethod
    def _web(message):
        if isinstance(message, Message):
            message.headers = [(n, v.replace("SIP/2.0/TCP ", "SIP/2.0/WS ", 1) if n == "Via" else v) for n, v in message.headers]

    def _connection(self, remote):
        with self.news:
            c = self.connections.get(remote)
            if c is None:
                c = self.connections[remote] = WebSocket(self.host, remote)
                self.wake_w.send(b"x")
        return c


class Kamailio:
    """One of packaging/kamailio's configurations, on loopback. nodes: (host, port) of the switches; more: lists by define's name."""

    def __init__(self, stack, config, nodes, defines, lists=()):
        self.stack, self.folder = stack, os.path.join(stack.folder, "kamailio-" + config)
        os.makedirs(self.folder, exist_ok=True)
        self.words = ["-f", os.path.join(TOP, "packaging", "kamailio", config + ".cfg")]
        self.lists = {"EDGE_NODES": [f"1 sip:{host}:{port} 0 0" for host, port in nodes], **dict(lists)}
        for name, lines in self.lists.items():
            path = os.path.join(self.folder, name)
            with open(path, "w") as f:
                f.write("".join(line + "\n" for line in lines))
            self.words += ["-A", f'{name}="{path}"']
        for name, value in defines.items():
            self.words += ["-A", f"{name}={value}"]
        self.log = os.path.join(self.folder, "kamailio.log")
        self.process = None

    def start(self, ready):
        """ready(): does it answer?"""
        self.process = Process("kamailio", ["kamailio", *self.words, "-DD", "-E", "-M", "8", "-m", "64", "-w", self.folder, "-Y", self.folder],
                               self.log)

        def up():
            self.process.must_run()
            return ready()
        wait_for("kamailio", up, 15)
        return self

    def stop(self):
        """By kill -9: now and then its processes wait for each other when they are asked to end, which no story is about."""
        if self.process is not None:
            self.process.kill()


def takes_tcp(address):
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False
