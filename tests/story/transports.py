# SPDX-License-Identifier: Apache-2.0
"""Stories of the same call over UDP, TCP and IPv6, on either side."""

from .process import free_port
from .talk import Talk


class Transported(Talk):
    """One worker with listeners on 127.0.0.1 and ::1; a customer and a vendor for each of udp, tcp, udp6 and tcp6. The vendor of
    the n-th has the numbers that begin with 1 and n."""

    mode = {}  # more words of the customers' trunks

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
            cls.vendors[kind] = stack.vendor(f"v{kind}", {f"1{n}": "0.02"}, peer=cls.peer_of(stack, "v", kind))
        for kind in cls.vendors:
            peer = cls.peer_of(stack, "c", kind)
            peer.switch = ("::1", cls.port6) if kind.endswith("6") else ("127.0.0.1", cls.port)
            trunk = {"source_cidrs": ["::1/128" if kind.endswith("6") else f"{peer.host}/32"], "transport": kind[:3], **cls.mode}
            cls.customers[kind] = stack.customer(f"c{kind}", {"1": "0.06"}, list(cls.vendors.values()), peer=peer, trunk=trunk)

    @staticmethod
    def peer_of(stack, side, kind):
        return stack.peer(side + kind, host="::1" if kind.endswith("6") else None, transport=kind[:3])

    def rings(self, caller, vendor):
        """A call over these that rings: (number, call, leg)."""
        called = self.number(f"1{list(self.vendors).index(vendor)}125")
        call = self.customers[caller]["peer"].invite(called)
        leg = self.vendors[vendor]["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        return called, call, leg

    def talks(self, call, leg):
        """Its answer, and a re-INVITE each way."""
        self.answer(call, leg)
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            other.expect("INVITE")
            self.answer(one, other)

    def every_pair(self, told):
        """told(caller, vendor, who hangs up), for each transport with every other."""
        for caller in self.customers:
            for n, vendor in enumerate(self.vendors):
                with self.subTest(caller=caller, vendor=vendor):
                    told(caller, vendor, "callee" if n % 2 else "caller")
