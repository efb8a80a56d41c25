# SPDX-License-Identifier: Apache-2.0
"""The same call over UDP, TCP and IPv6, on either side."""

from decimal import Decimal

from story import Talk, free_port


class Transports(Talk):
    """One worker with listeners on 127.0.0.1 and ::1; a customer and a vendor for each transport."""

    @classmethod
    def setUpClass(cls):
        cls.port, cls.port6 = free_port(), free_port()
        listen = f"udp:127.0.0.1:{cls.port}, tcp:127.0.0.1:{cls.port}, udp:[::1]:{cls.port6}, tcp:[::1]:{cls.port6}"
        cls.stack_options = {"settings": {"sip": {"listen": listen}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        cls.vendors, cls.customers = {}, {}
        for n, kind in enumerate(("udp", "tcp", "udp6", "tcp6")):
            host = "::1" if kind.endswith("6") else None
            peer = stack.peer(f"v{kind}", host=host, transport=kind[:3])
            cls.vendors[kind] = stack.vendor(f"v{kind}", {f"1{n}": "0.02"}, peer=peer)
        for kind in cls.vendors:
            peer = stack.peer(f"c{kind}", host="::1" if kind.endswith("6") else None, transport=kind[:3])
            peer.switch = ("::1", cls.port6) if kind.endswith("6") else ("127.0.0.1", cls.port)
            trunk = {"source_cidrs": ["::1/128" if kind.endswith("6") else f"{peer.host}/32"], "transport": kind[:3]}
            cls.customers[kind] = stack.customer(f"c{kind}", {"1": "0.06"}, list(cls.vendors.values()), peer=peer, trunk=trunk)

    def told(self, caller, vendor):
        """A call with ringing, a re-INVITE each way and BYE from the side that `vendor` says."""
        n = list(self.vendors).index(vendor)
        called = self.number(f"1{n}125")
        customer, peer = self.customers[caller], self.vendors[vendor]["peer"]
        call = customer["peer"].invite(called)
        leg = peer.expect_call()
        self.assertIn(f"SIP/2.0/{vendor[:3].upper()} ", leg.invite.get("Via"))
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            other.expect("INVITE")
            other.reply(200, sdp=True)
            one.expect(200, method="INVITE")
            one.ack()
            other.expect("ACK")
        self.ends(*((leg, call) if n % 2 else (call, leg)))
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal", egress_trunk_id=self.vendors[vendor]["id"],
                      ingress_trunk_id=customer["id"], source_ip=customer["peer"].host)

    def test_every_transport_to_every_other(self):
        for caller in self.customers:
            for vendor in self.vendors:
                with self.subTest(caller=caller, vendor=vendor):
                    self.told(caller, vendor)

    def test_cancel_over_tcp(self):
        called = self.number("11125")
        call = self.customers["tcp"]["peer"].invite(called)
        leg = self.vendors["tcp"]["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
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
