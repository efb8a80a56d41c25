# SPDX-License-Identifier: Apache-2.0
"""mode proxy: on whichever worker and over whichever transport a message comes in."""

from story import Proxied
from story.transports import Transported


class Workers(Proxied):
    """Two workers: an INVITE goes to the one that its number says, what follows in the dialog to the one that the Contact of
    the other end says."""

    stack_options = {"workers": 2}

    def test_any_worker_passes_what_belongs_to_any_call(self):
        """Of sixteen numbers some meet either worker, and all of their further requests the same one."""
        for n in range(16):
            called = self.number()
            call, leg = self.ringing(called)
            self.passes(call, leg, "UPDATE")
            self.answer(call, leg)
            for one, other in ((call, leg), (leg, call)):
                self.passes(one, other, "INFO")
                one.request("INVITE", one.peer.sdp())
                other.expect("INVITE")
                other.reply(488 if n % 2 else 200, sdp=None if n % 2 else True)
                one.expect(488 if n % 2 else 200, method="INVITE")
                if not n % 2:
                    one.ack()
                other.expect("ACK")
            ends = (call, leg) if n % 4 < 2 else (leg, call)
            self.ends(*ends)
            self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200,
                          hangup_party="caller" if n % 4 < 2 else "callee")

    def test_cancelled_on_either_worker(self):
        for _ in range(8):
            called = self.number()
            call, leg = self.ringing(called)
            self.cancelled(call, leg)
            self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Transports(Transported):
    """An entry of Record-Route for each side that it can reach (RFC 5658)."""

    mode = {"mode": "proxy"}

    def none_shows(self):
        """A proxy hides nothing."""

    def entry(self, kind):
        """What our entry for that side begins with."""
        host = f"[::1]:{self.port6}" if kind.endswith("6") else f"127.0.0.1:{self.port}"
        return f"@{host}{';transport=tcp' if kind.startswith('tcp') else ''};lr;call="

    def told(self, caller, vendor, hangs_up):
        called, call, leg = self.rings(caller, vendor)
        routes = leg.invite.all("Record-Route")
        wanted = [vendor] if caller == vendor else [vendor, caller]
        self.assertEqual([self.entry(k) in r for k, r in zip(wanted, routes)], [True] * len(wanted), routes)
        self.assertEqual(len(routes), len(wanted))
        self.talks(call, leg)
        self.ends(*((leg, call) if hangs_up == "callee" else (call, leg)))
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal",
                      egress_trunk_id=self.vendors[vendor]["id"], hangup_party=hangs_up)

    def test_every_transport_to_every_other(self):
        self.every_pair(self.told)

    def test_cancel_over_tcp(self):
        called, call, leg = self.rings("tcp", "tcp")
        call.cancel()
        call.expect(200, method="CANCEL")
        self.is_cancelled(leg)
        self.assertEqual(call.expect(487, method="INVITE").tag("To"), leg.local_tag)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
