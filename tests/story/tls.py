# SPDX-License-Identifier: Apache-2.0
"""A vendor's side of SIP over TLS."""

import contextlib
import socket
import ssl
import threading

from .message import Message


class TlsServer:
    """Takes connections and hands each message to `take(stream, message)`. Without a certificate it says nothing."""

    def __init__(self, host, certificate=None, key=None):
        self.host, self.open, self.context = host, [], None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for s in (self.socket, *self.open):  # shut first: a thread that waits in one wakes up, and lets it go
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def take(self, stream, message):
        """What a story's own server does with it."""

    @staticmethod
    def answer_to(m, status, tag=None):
        """An answer with the headers that an answer repeats."""
        answer = Message(f"SIP/2.0 {status}")
        answer.headers = [(n, f"{v};tag={tag}" if n == "To" and tag else v) for n, v in m.headers
                          if n in ("Via", "From", "To", "Call-ID", "CSeq")]
        return answer

    def _accept(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            if self.context:
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()
            else:
                self.open.append(plain)

    def _serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as stream:
                self.open.append(stream)
                self._messages(stream)
        except OSError:
            plain.close()             # the switch did not want this certificate, or one of us has hung up

    def _messages(self, stream):
        data = b""
        while piece := stream.recv(65535):
            data += piece
            while b"\r\n\r\n" in data:
                m = Message.parse(data)
                end = data.index(b"\r\n\r\n") + 4 + int(m.get("Content-Length") or 0)
                if len(data) < end:
                    break
                data = data[end:]
                self.take(stream, m)
