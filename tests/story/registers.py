# SPDX-License-Identifier: Apache-2.0
"""Stories of REGISTER: a peer that registers with the switch, and a vendor with which the switch registers."""

import re
import secrets
import time

from .digest import credentials, parameters, response
from .message import Message
from .sip import Call
from .talk import Talk


class Registers(Talk):
    """What a peer does to register, and how it reads the answer."""

    def told_by(self, m):
        """An answer to REGISTER lists all places of the trunk, as RFC 3261 section 10.3 wants it: no leak."""
        return "" if m.method == "REGISTER" else super().told_by(m)

    @staticmethod
    def registrar(call):
        host, port = call.remote
        return f"sip:[{host}]:{port}" if ":" in host else f"sip:{host}:{port}"

    def register(self, peer, contacts, headers=(), call=None, switch=None):
        """A REGISTER without credentials; the Call that its answers come to."""
        call = call or peer.call_new("gw", "gw", switch)
        call.local_uri = call.remote_uri = "sip:gw@tandem.example"
        call.remote_tag = ""
        call.request("REGISTER", uri=self.registrar(call), headers=[("Contact", c) for c in contacts] + list(headers))
        return call

    def challenged(self, call):
        refused = call.expect(401)
        return {parameters(v)["algorithm"]: v for v in refused.all("WWW-Authenticate")}["SHA-256"]

    def registered(self, peer, contacts, headers=(), call=None, code=200, user="gw", password="s3cret", switch=None):
        """Challenged, proven: (the Call, the answer)."""
        call = self.register(peer, contacts, headers, call, switch)
        asked = self.challenged(call)
        proof = credentials(asked, user, password, self.registrar(call), "REGISTER")
        self.register(peer, contacts, [*headers, ("Authorization", proof)], call, switch)
        return call, call.expect(code)

    def contacts(self, answer):
        """{URI: seconds} of an answer's Contacts."""
        text = ", ".join(answer.all("Contact"))
        return {uri: int(s) for uri, s in re.findall(r"<([^>]*)>;expires=(\d+)", text)}


class Vendor:
    """A vendor's registrar on a peer: asks for digest, keeps what is right, and notes all that comes."""

    def __init__(self, peer, user, password, least=60, grant=None):
        self.peer, self.user, self.password, self.least, self.grant = peer, user, password, least, grant
        self.deaf, self.refuse = False, None
        self.taken, self.seen = [], []      # good ones as (time, expires, message); all messages
        self.inner = peer._message
        peer._message = self.message

    def message(self, data, source):
        if not data.startswith(b"REGISTER "):
            self.inner(data, source)
            return
        m = Message.parse(data)
        m.source = source
        self.seen.append(m)
        if not self.deaf:
            self.answer(m, source)

    def answer(self, m, source):
        def reply(code, *headers):
            call = Call(self.peer, m.get("Call-ID"), source)
            call.reply(code, headers=headers, to=m)

        if self.refuse:
            reply(self.refuse)
            return
        if not m.get("Authorization"):
            reply(401, ("WWW-Authenticate", f'Digest realm="vendor", nonce="{secrets.token_hex(8)}", algorithm=SHA-256, qop="auth"'))
            return
        c = parameters(m.get("Authorization"))
        if c["response"] != response(c, self.password, "REGISTER") or c["uri"] != m.uri or c["username"] != self.user:
            reply(403)
            return
        expires = int(m.get("Expires"))
        if 0 < expires < self.least or self.least > 3600 >= expires > 0:
            reply(423, ("Min-Expires", str(self.least)))
            return
        granted = min(expires, self.grant or expires)
        self.taken.append((time.monotonic(), expires, m))
        reply(200, ("Contact", "<sip:someone@else.example>;expires=7"), *(
            [("Contact", f"<{m.uri_of('Contact')}>;expires={granted}")] if granted else []))
