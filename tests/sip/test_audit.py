# SPDX-License-Identifier: Apache-2.0
"""The switch audits itself: its counts against the calls that it has, and both against what Redis shows of it."""

import json

from story import Talk
from story.process import wait_for

NOBODY = "0198f000-0000-7000-8000-000000000001"


class Audit(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, trunk={"max_channels": 10})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], trunk={"max_channels": 10}, carrier={"max_channels": 20})

    def says(self):
        done = self.stack.audited()
        return done.returncode, done.stdout, json.loads(self.stack.tandem("audit", "--json", check=False).stdout)

    def test_calls_in_every_state_agree_with_their_counts(self):
        ringing, ringing_leg = self.ringing(self.number())
        up, up_leg = self.up()
        self.assertEqual(self.says(), (0, "sw1: 2 calls, all counts agree\n",
                                       [{"node": "sw1", "calls": 2, "audit_differences": 0, "audit": []}]))
        self.cancelled(ringing, ringing_leg)
        self.ends(up, up_leg)
        wait_for("the end of both", lambda: self.says()[:2] == (0, "sw1: 0 calls, all counts agree\n"))
        self.assertIn("ok       calls      sw1: all counts agree", self.stack.tandem("doctor", check=False).stdout)

    def test_a_difference_is_named_everywhere_until_it_is_gone(self):
        key = "{tandem}:calls:sw1"
        words = f"call {NOBODY} stands in Redis as live, but no worker has it"
        self.stack.audit_may_differ = True
        self.stack.redis.command("HSET", key, NOBODY, json.dumps({"id": NOBODY, "called": "0"}))
        code, text, nodes = self.says()
        self.assertEqual((code, nodes[0]["audit_differences"], nodes[0]["audit"]), (1, 1, [words]))
        self.assertIn(f"sw1: 0 calls, 1 difference\n  {words}\n", text)
        node = self.stack.api.get("/v1/nodes")["items"][0]
        self.assertEqual((node["audit_differences"], node["audit"]), (1, [words]))
        self.assertNotIn("_audited", node)
        self.assertIn('tandem_node_audit_differences{node="sw1"} 1', self.stack.api.call("GET", "/metrics")[1])
        self.assertIn(f"FAILED   calls      sw1: {words}", self.stack.tandem("doctor", check=False).stdout)
        self.assertIn(f'msg="audit: counts and calls do not agree" difference="{words}"', self.stack.node.process.log())
        self.stack.redis.command("HDEL", key, NOBODY)
        self.assertEqual(self.says()[:2], (0, "sw1: 0 calls, all counts agree\n"))
        wait_for("the log's word that all is well", lambda: "agree again" in self.stack.node.process.log(), 3)

    def test_limits_in_redis_are_compared_too(self):
        """What the node wrote is what it reads, while calls hold channels under limits."""
        call, leg = self.up()
        wait_for("the channel in Redis", lambda: self.stack.redis.command(
            "HEXISTS", "{tandem}:use:sw1", f"t{self.customer['id']}") == ":1", 3)
        self.assertEqual(self.says()[0], 0)
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
