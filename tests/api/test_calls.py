# SPDX-License-Identifier: Apache-2.0
"""A real call as the API shows it: live, as events, hung up, and as a CDR; all as described."""

import json

from story import wait_for
from story.described import ApiStory, Wire


class RealCall(ApiStory):
    stack_options = {"nodes": 1}

    @classmethod
    def furnish(cls, stack):
        cls.alpha = stack.vendor("alpha", {"49": "0.02"})
        cls.bravo = stack.vendor("bravo", {"49": "0.03"})
        cls.customer = stack.customer("harbour", {"49": "0.05"}, [cls.alpha, cls.bravo])

    def test_a_call_is_seen_from_its_start_to_its_cdr(self):
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
        wire.socket.settimeout(0.1)
        heard = [""]

        def events():
            try:
                heard[0] += wire.socket.recv(65536).decode()
            except TimeoutError:
                pass
            lines = [line for line in heard[0].replace("\r\n", "\n").split("\n") if line.startswith(("event: ", "data: "))]
            return [(e[7:], json.loads(d[6:])) for e, d in zip(lines[::2], lines[1::2])]

        wait_for("the stream", lambda: (events(), "live calls follow" in heard[0])[1], 5)
        called = self.number("49301", 12)
        caller, first, second = self.customer["peer"], self.alpha["peer"], self.bravo["peer"]
        call = caller.invite(called, calling="+4911")
        leg = first.expect_call()
        leg.reply(503)
        leg.expect("ACK")
        leg = second.expect_call()
        leg.reply(180)
        call.expect(180)
        ringing = wait_for("the live call", lambda: self.api.get("/v1/calls", called=called)["items"], 5)[0]
        self.answer(call, leg)
        live = wait_for("its answer", lambda: self.api.get("/v1/calls", called=called, state="answered")["items"], 5)[0]
        self.assertEqual((live["id"], live["ingress_trunk_id"], live["egress_trunk_id"], live["node"]),
                         (ringing["id"], self.customer["id"], self.bravo["id"], "sw1"))
        self.assertIsNotNone(live["cost_so_far"])
        self.api.delete(f"/v1/calls/{live['id']}")
        for end in (call, leg):
            end.expect("BYE")
            end.reply(200)
        wait_for("the end as an event", lambda: any(n == "call.ended" for n, c in events() if c["id"] == live["id"]), 5)
        names = [n for n, c in events() if c["id"] == live["id"]]
        self.assertEqual((names[0], names[-1]), ("call.started", "call.ended"))
        self.assertEqual([k for _, c in events() for k in c if k.startswith("_")], [])
        cdr = self.api.cdr(called=called)
        self.cdr_says(cdr, id=live["id"], disconnect_reason="admin", hangup_party="switch", sip_code=200)
        self.assertEqual([(a["n"], a["trunk_id"], a["sip_code"]) for a in cdr["attempts"]],
                         [(1, self.alpha["id"], 503), (2, self.bravo["id"], 200)])
        self.assertIsNotNone(cdr["trace"])
        booked = {e["kind"]: e for e in self.api.items("/v1/ledger", cdr_id=live["id"])}
        self.assertEqual((booked["charge"]["amount"], booked["cost"]["amount"]), ("-" + cdr["sell_amount"], cdr["buy_amount"]))
        self.assertEqual(self.api.get("/v1/nodes")["items"][0]["node"], "sw1")
