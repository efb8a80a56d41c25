# SPDX-License-Identifier: Apache-2.0
"""Digest authentication (RFC 7616) from the other side: what a challenge says, and the credentials that answer it."""

import hashlib
import re
import secrets

HASHES = {"MD5": "md5", "SHA-256": "sha256"}


def parameters(value):
    """Of a challenge or credentials: {name: value}, quotes undone."""
    return {name.lower(): quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))', value)}


def response(c, password, method):
    """RFC 7616 section 3.4.1, for parameters as above with username and uri."""
    def h(*parts):
        return hashlib.new(HASHES[c.get("algorithm", "MD5")], ":".join(parts).encode()).hexdigest()

    a1, a2 = h(c["username"], c["realm"], password), h(method, c["uri"])
    if "qop" in c:
        return h(a1, c["nonce"], c["nc"], c["cnonce"], c["qop"], a2)
    return h(a1, c["nonce"], a2)


def credentials(challenge, username, password, uri, method="INVITE", nc=1, **other):
    """The value of an Authorization header for a challenge as it came."""
    c = parameters(challenge)
    c = {k: c[k] for k in ("realm", "nonce", "algorithm", "opaque") if k in c}
    c |= {"username": username, "uri": uri, "qop": "auth", "nc": f"{nc:08x}", "cnonce": secrets.token_hex(8)} | other
    c["response"] = response(c, password, method)
    plain = ("algorithm", "qop", "nc")
    return "Digest " + ", ".join(f"{k}={v}" if k in plain else f'{k}="{v}"' for k, v in c.items())
