# SPDX-License-Identifier: Apache-2.0
"""Stories of calls: what most of them do the same way; that none of their calls stays behind, and that neither side ever
sees anything of the other."""

import re

from .base import Story
from .process import wait_for


class Talk(Story):
    """`customer` and `vendor`, made by provision, are whom calls go between unless a story says otherwise. Each number of a
    story must be gone from the live calls at its end."""

    customer = vendor = None

    def run(self, result=None):
        self.result = result
        return super().run(result)

    def setUp(self):
        super().setUp()
        for peer in self.stack.peers:
            peer.edit = None
        self.numbers = set()
        self.past = {call_id for peer in self.stack.peers for call_id in peer.calls}
        self.failed_before = self.result.failed

    def tearDown(self):
        if self.result.failed == self.failed_before:  # a story that broke leaves its calls where they are
            self.none_shows()
            self.none_live()
            self.stack.audited()

    def number(self, prefix="12125", digits=11):
        n = super().number(prefix, digits)
        self.numbers.add(n)
        return n

    def none_shows(self):
        """No peer was sent another's address, Call-ID or tag: in no header, and in no o= or s= line of an SDP."""
        calls = {peer: [c for c in peer.calls.values() if c.call_id not in self.past] for peer in self.stack.peers}
        seen = {peer: "\n".join(self.told_by(m) for c in mine for m in c.got) for peer, mine in calls.items()}
        for peer, text in seen.items():
            for other, theirs in calls.items():
                secrets = [c.call_id for c in theirs] + [f"tag={c.local_tag}" for c in theirs]
                if other.host not in (peer.host, "::1"):
                    secrets.append(other.host)
                for secret in secrets if other is not peer and text else ():
                    m = secret in text and re.search(rf".*{re.escape(secret)}(?![0-9]).*", text)
                    self.assertFalse(bool(m), f"{peer.name} was told '{secret}' of {other.name}: {m and m[0]}")

    @staticmethod
    def told_by(m):
        """All of a message that a side must not know of the other: everything but the media."""
        return "\n".join([m.start] + [f"{n}: {v}" for n, v in m.headers]
                         + [line for line in m.body.splitlines() if line.startswith(("o=", "s="))])

    def none_live(self, limit=5.0):
        """No call of this story's numbers is in /v1/calls."""
        if self.numbers:
            wait_for("the end of the story's calls in /v1/calls",
                     lambda: not [c for c in self.stack.api.items("/v1/calls") if c["called"] in self.numbers], limit)

    def nothing_left(self, limit=5.0):
        """No call is live on any node, as each node counts them itself."""
        def quiet():
            nodes = self.stack.api.get("/v1/nodes")["items"]
            return len(nodes) >= len(self.stack.nodes) and not any(n["calls"] for n in nodes)

        self.none_live(limit)
        wait_for("nodes without calls in /v1/nodes", quiet, limit)
        self.stack.audited()

    # ---- what calls do

    def ringing(self, called, **invite):
        """A call that rings: (call, leg)."""
        call = self.customer["peer"].invite(called, **invite)
        leg = self.vendor["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        return call, leg

    def up(self, called=None):
        """A call that is answered and acknowledged: (call, leg)."""
        return self.answered(self.customer, self.vendor, called or self.number())

    def crossed(self, one, other):
        """A request crosses and is answered: all that the switch had sent to `one` before has arrived."""
        one.request("INFO")
        other.expect("INFO")
        other.reply(200)
        one.expect(200, method="INFO")

    def is_cancelled(self, leg, limit=5.0):
        """The vendor's side is told CANCEL, and agrees."""
        leg.expect("CANCEL", limit=limit)
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")

    def cancelled(self, call, leg, invite=None):
        """The caller's CANCEL, which meets no answer: 200, 487, and the vendor's 487 is acknowledged."""
        call.cancel(invite)
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        self.is_cancelled(leg)

    # ---- what CDRs say

    def cdrs(self, called, n):
        """The n CDRs of a number, oldest first, and no more."""
        rows = wait_for(f"{n} CDRs of {called}", lambda: (lambda found: len(found) >= n and found)(
            self.stack.api.items("/v1/cdrs", called=called)))
        self.assertEqual(len(rows), n, f"CDRs of {called}")
        return sorted(rows, key=lambda r: r["id"])

    def attempts_read(self, cdr, *expected):
        """Each attempt as (trunk, sip_code, reason)."""
        self.assertEqual([(a["trunk_id"], a["sip_code"], a["reason"]) for a in cdr["attempts"]],
                         [(t["id"], code, reason) for t, code, reason in expected], f"attempts of the CDR {cdr}")

    def pause_switch(self):
        """While it pauses, what both sides send meets on the wire; `with` this, the switch stands still."""
        return Pause(self.stack.node.process)


class Pause:
    def __init__(self, process):
        self.process = process

    def __enter__(self):
        self.process.freeze()

    def __exit__(self, *_):
        self.process.thaw()
