# SPDX-License-Identifier: Apache-2.0
"""SIP messages as stories read and write them."""

import re
import time

COMPACT = {"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
           "k": "Supported", "s": "Subject", "e": "Content-Encoding", "o": "Event", "r": "Refer-To", "x": "Session-Expires"}
REASONS = {100: "Trying", 180: "Ringing", 181: "Forwarded", 183: "Session Progress", 200: "OK", 302: "Moved Temporarily",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 480: "Temporarily Unavailable",
           481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
           500: "Server Internal Error", 503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline"}


def sdp_offer(host, port=40000, session=1, codecs="8 0 101", way="sendrecv"):
    net = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    return (f"v=0\r\no=- {session} 1 {net}\r\ns=-\r\nc={net}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codecs}\r\n"
            f"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={way}\r\n")


class Message:
    """One SIP message: start line, headers in order, body. Bytes that are not UTF-8 survive."""

    def __init__(self, start, headers=(), body=""):
        self.start, self.headers, self.body = start, list(headers), body
        self.source = None
        self.at = time.monotonic()

    @classmethod
    def parse(cls, data):
        text = data.decode("utf-8", "surrogateescape")
        head, _, body = text.partition("\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip()
            headers.append((COMPACT.get(name.lower(), name), value.strip()))
        return cls(lines[0], headers, body)

    def bytes(self):
        body = self.body.encode("utf-8", "surrogateescape")
        head = [self.start] + [f"{n}: {v}" for n, v in self.headers if n.lower() != "content-length"]
        head.append(f"Content-Length: {len(body)}")
        return "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    def set(self, name, *values):
        """Put the values where the header stood first (or last of all); without values it is gone."""
        at = next((i for i, (n, _) in enumerate(self.headers) if n.lower() == name.lower()), len(self.headers))
        rest = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        self.headers = rest[:at] + [(name, v) for v in values] + rest[at:]

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        return next(iter(self.all(name)), default)

    @property
    def is_request(self):
        return not self.start.startswith("SIP/")

    @property
    def method(self):
        """Of a request its method; of a response the method that it answers."""
        return self.start.split(" ", 1)[0] if self.is_request else (self.get("CSeq") or "0 ?").split()[1]

    @property
    def code(self):
        return None if self.is_request else int(self.start.split()[1])

    @property
    def uri(self):
        return self.start.split()[1]

    @property
    def cseq(self):
        return int(self.get("CSeq", "0").split()[0])

    @property
    def branch(self):
        m = re.search(r";branch=([^;,\s]+)", self.get("Via", ""))
        return m.group(1) if m else ""

    def tag(self, header):
        m = re.search(r";tag=([^;,\s>]+)", self.get(header, ""))
        return m.group(1) if m else ""

    def uri_of(self, header):
        value = self.get(header, "")
        m = re.search(r"<([^>]*)>", value)
        return m.group(1) if m else value.split(";")[0].strip()

    @property
    def sdp(self):
        return self.body if self.body else None

    def __str__(self):
        return self.start
