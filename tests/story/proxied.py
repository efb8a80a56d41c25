# SPDX-License-Identifier: Apache-2.0
"""Stories of calls in mode proxy."""

from .process import wait_for
from .talk import Talk


class Proxied(Talk):
    """A customer whose trunk is a proxy, and two vendors; the second is dearer."""

    mode = {"mode": "proxy"}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, trunk={"no_response_timeout": 1, "ring_timeout": 2, "progress_timeout": 2})
        cls.second = stack.vendor("beta", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor, cls.second], trunk=cls.mode)
        cls.caller, cls.a, cls.b = cls.customer["peer"], cls.vendor["peer"], cls.second["peer"]

    def none_shows(self):
        """A proxy hides nothing."""

    def shown(self, called):
        """The call as /v1/calls has it, once it is answered."""
        return wait_for("the call in /v1/calls", lambda: next((c for c in self.stack.api.items("/v1/calls")
                                                               if c["called"] == called and c["state"] == "answered"), None))

    def records_route(self, peer, entry):
        """From now on a proxy beside the peer puts that entry on top of the Record-Routes of what it answers."""
        def edit(m):
            if m.code and m.method == "INVITE" and m.all("Record-Route") and entry not in m.all("Record-Route"):
                m.set("Record-Route", entry, *m.all("Record-Route"))
        peer.edit = edit

    def passes(self, one, other, method, code=200, **more):
        """A request inside the dialog: its other end gets it, and its answer comes back."""
        one.request(method, **more)
        asked = other.expect(method)
        other.reply(code)
        one.expect(code, method=method)
        return asked

    def rings_again(self, call, leg):
        """A re-INVITE of the caller's that rings."""
        call.request("INVITE", self.caller.sdp())
        leg.expect("INVITE")
        leg.reply(180)
        call.expect(180, method="INVITE")

    def cancelled(self, call, leg, invite=None):
        """The caller's CANCEL: what it meets is the vendor's to say."""
        call.cancel(invite)
        call.expect(200, method="CANCEL")
        self.is_cancelled(leg)
        call.expect(487, method="INVITE")
