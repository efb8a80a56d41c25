# SPDX-License-Identifier: Apache-2.0
"""Calls on two nodes as one API shows them: live, as events, hung up one by one or many at once, and counted node by node in /metrics."""

import json
import re

from story import Talk, wait_for
from story.described import DescribedApi, Description, Wire


class TwoNodes(Talk):
    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.busy, cls.vendor = stack.vendor("busy", {"1": "0.01"}), stack.vendor("alpha", {"1": "0.02"})
        one, two = stack.peer("one"), stack.peer("two", node=stack.nodes[1])
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.busy, cls.vendor], peer=one,
                                      trunk={"source_cidrs": [f"{one.host}/32", f"{two.host}/32"]})
        cls.callers = {"sw1": one, "sw2": two}
        cls.api = DescribedApi(stack.api.base, stack.api.key)
        cls.api.description = Description.of(stack.api)

    def up_on(self, node):
        """A call on that node that the first vendor refuses: (caller's end, vendor's end, its live call)."""
        called = self.number()
        call = self.callers[node].invite(called)
        first = self.busy["peer"].expect_call()
        first.reply(503)
        first.expect("ACK")
        leg = self.vendor["peer"].expect_call()
        self.answer(call, leg)
        live = wait_for(f"{called} in /v1/calls", lambda: self.api.items("/v1/calls", called=called, state="answered"), 5)[0]
        self.assertEqual(live["node"], node)
        return call, leg, live

    def listen(self):
        """A stream of events; a function that tells what it brought: [(event, call)]"""
        wire, heard = Wire(self.api), [""]
        self.addCleanup(wire.socket.close)
        wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
        wire.socket.settimeout(0.1)

        def events():
            try:
                heard[0] += wire.socket.recv(65536).decode()
            except TimeoutError:
                pass
            return [(e, json.loads(c)) for e, c in re.findall(r"event: (\S+)\r?\ndata: (.*)\r?\n", heard[0])]

        wait_for("the stream", lambda: (events(), "live calls follow" in heard[0])[1], 5)
        return events

    def figure(self, name, **labels):
        """The value of a figure in /metrics; 0 where it is not there yet."""
        wanted = ",".join(f'{k}="{v}"' for k, v in labels.items())
        found = re.search(rf"^{name}\{{{re.escape(wanted)}\}} (\S+)$", self.api.call("GET", "/metrics")[1], re.M)
        return float(found[1]) if found else 0

    def test_calls_of_both_nodes_are_one_list_and_end_from_anywhere(self):
        events = self.listen()
        calls = {node: [self.up_on(node) for _ in range(2)] for node in self.callers}
        ids = {node: {live["id"] for _, _, live in mine} for node, mine in calls.items()}
        self.assertEqual({c["id"] for c in self.api.items("/v1/calls")}, ids["sw1"] | ids["sw2"])
        for node, mine in ids.items():
            self.assertEqual({c["id"] for c in self.api.items("/v1/calls", node=node)}, mine)
        for mine in calls.values():  # one by one
            call, leg, live = mine.pop()
            self.api.delete(f"/v1/calls/{live['id']}")
            self.is_told_bye(call, leg)
        left = {live["id"] for mine in calls.values() for _, _, live in mine}
        wait_for("their end in the list", lambda: {c["id"] for c in self.api.items("/v1/calls")} == left, 5)
        said = self.api.delete(f"/v1/calls?ingress_trunk_id={self.customer['id']}")  # the rest at once
        self.assertEqual({c["id"] for c in said["items"]}, left)
        for mine in calls.values():
            for call, leg, _ in mine:
                self.is_told_bye(call, leg)
        everyone = ids["sw1"] | ids["sw2"]
        wait_for("their ends as events", lambda: {c["id"] for e, c in events() if e == "call.ended"} == everyone, 5)
        self.assertEqual({(c["node"], c["id"]) for e, c in events() if e == "call.started"}, {(n, i) for n, mine in ids.items() for i in mine})
        for one in everyone:
            cdr = wait_for("the CDR", lambda i=one: self.api.call("GET", f"/v1/cdrs/{i}")[0] == 200 and self.api.get(f"/v1/cdrs/{i}"), 5)
            self.cdr_says(cdr, disconnect_reason="admin", hangup_party="switch")

    def counted(self):
        """By node: calls, answered ones, those set up, CDRs posted, and attempts by vendor and code, as /metrics has them."""
        names = ("tandem_node_calls_total", "tandem_node_answered_total", "tandem_node_setup_seconds_count", "tandem_node_spool_posted_total")
        return {node: [self.figure(name, node=node) for name in names]
                + [self.figure("tandem_vendor_attempts_total", node=node, trunk_id=trunk["id"], code=code)
                   for trunk in (self.busy, self.vendor) for code in (200, 503)] for node in self.callers}

    def recorded(self):
        """The same, as the CDRs have it: each call of this file was answered."""
        cdrs = [self.api.get(f"/v1/cdrs/{c['id']}") for c in self.api.items("/v1/cdrs")]
        mine = {node: [c for c in cdrs if c["node"] == node] for node in self.callers}
        tries = {node: [(a["trunk_id"], a["sip_code"]) for c in of for a in c["attempts"]] for node, of in mine.items()}
        return {node: [len(of)] * 4 + [tries[node].count((trunk["id"], code)) for trunk in (self.busy, self.vendor) for code in (200, 503)]
                for node, of in mine.items()}

    def test_metrics_count_what_each_node_did(self):
        ends = [self.up_on("sw2") for _ in range(3)]
        wait_for("three calls on sw2", lambda: self.figure("tandem_node_calls", node="sw2") == 3, 5)
        self.assertEqual(self.figure("tandem_node_calls", node="sw1"), 0)
        for call, leg, _ in ends:
            self.ends(call, leg)
        called = [c["called"] for _, _, c in ends]
        wait_for("their CDRs", lambda: all(self.api.items("/v1/cdrs", called=n) for n in called), 5)
        recorded = self.recorded()
        self.assertGreaterEqual(recorded["sw2"][0], 3)
        wait_for(f"{recorded} in /metrics", lambda: self.counted() == recorded, 10)
        wait_for("no call on sw2", lambda: self.figure("tandem_node_calls", node="sw2") == 0, 5)
        self.assertEqual([self.figure(f"tandem_node_{name}", node="sw2") for name in ("spool_records", "up", "database_up")], [0, 1, 1])
