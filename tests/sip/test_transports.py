# SPDX-License-Identifier: Apache-2.0
"""The same call over UDP, TCP and IPv6, on either side."""

from decimal import Decimal

from story.transports import Transported


class Transports(Transported):
    def told(self, caller, vendor, hangs_up):
        called, call, leg = self.rings(caller, vendor)
        self.assertIn(f"SIP/2.0/{vendor[:3].upper()} ", leg.invite.get("Via"))
        self.talks(call, leg)
        self.ends(*((leg, call) if hangs_up == "callee" else (call, leg)))
        customer = self.customers[caller]
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", egress_trunk_id=self.vendors[vendor]["id"],
                      ingress_trunk_id=customer["id"], source_ip=customer["peer"].host)

    def test_every_transport_to_every_other(self):
        self.every_pair(self.told)

    def test_cancel_over_tcp(self):
        called, call, leg = self.rings("tcp", "tcp")
        self.cancelled(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487, sell_amount=Decimal(0))

    def test_a_caller_whose_connection_broke_is_called_back(self):
        """The call outlives the connection: the vendor's BYE goes over a new one to the caller's Contact."""
        called = self.number("11125")
        peer = self.customers["tcp"]["peer"]
        call = peer.invite(called)
        leg = self.vendors["tcp"]["peer"].expect_call()
        self.answer(call, leg)
        peer.hang_up_connections()
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_several_messages_in_one_segment_and_one_in_several(self):
        peer = self.customers["tcp"]["peer"]
        vendor = self.vendors["udp"]["peer"]
        calls = [peer.call_new("4930123456", self.number("10125")) for _ in range(3)]
        held = []
        peer.hold = held.append
        for call in calls:
            call.invite = call.request("INVITE", peer.sdp())
        peer.hold = None
        data = b"".join(held)
        cut = len(data) // 2 + 7
        for piece in (data[:cut], data[cut:]):
            peer.send(piece, peer.switch)
        legs = {vendor.expect_call().invite.uri.split(":")[1].split("@")[0] for _ in calls}
        self.assertEqual(legs, self.numbers)
        for call in calls:
            call.cancel()
            call.expect(200, method="CANCEL")
            call.expect(487, method="INVITE")

    def test_a_closed_port_is_hunted_past(self):
        gone = self.stack.vendor("gone", {"19": "0.01"}, peer=self.stack.peer("gone", transport="tcp"))
        gone["peer"].close()
        there = self.stack.vendor("there", {"19": "0.02"})
        customer = self.stack.customer("hunter", {"1": "0.06"}, [gone, there])
        self.stack.settle()
        called = self.number("19125")
        call = customer["peer"].invite(called)
        leg = there["peer"].expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.attempts_read(self.stack.api.cdr(called=called), (gone, 503, "transport_error"), (there, 200, "answered"))

    def test_zz_nothing_is_left(self):
        self.nothing_left()
