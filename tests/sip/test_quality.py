# SPDX-License-Identifier: Apache-2.0
"""Vendors are ranked by how well they complete calls, margins are counted on measured talk, debts are kept in bounds."""

import json
import time

from story import Story, wait_for


class Quality(Story):
    """poor refuses nearly all, fair answers; both nodes count together. Destination names come from the sell deck."""

    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.poor = stack.vendor("poor", {"1": "0.01"})
        cls.fair = stack.vendor("fair", {"1": "0.02"})
        sell = {"12": {"price": "0.06", "destination": "East"}, "13": {"price": "0.06", "destination": "West"}}
        cls.customer = stack.customer("harbour", sell, [cls.poor, cls.fair])
        stack.api.patch(f"/v1/routing-plans/{cls.customer['plan']['id']}", policy="quality")
        cls.second = stack.peer("harbour2", host=cls.customer["peer"].host, node=stack.nodes[1])

    def look(self, called):
        return self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)

    def order(self, called):
        return [r["trunk_id"] for r in self.look(called)["routes"]]

    def all_told(self):
        """{trunk: its figures for East} once both vendors have their 20 attempts"""
        found = {q["trunk_id"]: q for q in self.stack.api.items("/v1/vendor-quality", destination="East")}
        return sum(q["attempts"] for q in found.values()) == 40 and found

    def hunted(self, caller, called):
        """A call that poor refuses, fair answers, and the caller ends at once."""
        call = caller.invite(called)
        first = self.poor["peer"].expect_call()
        first.reply(503)
        leg = self.fair["peer"].expect_call()
        time.sleep(0.02)  # a delay after dialling that whole milliseconds can tell
        self.answer(call, leg)
        self.ends(call, leg)

    def test_a_poor_vendor_goes_behind_on_both_nodes_and_is_said_why(self):
        called = self.number("12")
        self.assertEqual(self.order(called), [self.poor["id"], self.fair["id"]])     # nothing is known: price
        for i in range(20):
            self.hunted(self.customer["peer"] if i % 2 else self.second, self.number("12"))
        quality = wait_for("both nodes to have told all", self.all_told, 5)
        self.assertEqual(self.order(called), [self.fair["id"], self.poor["id"]])
        looked = self.look(called)
        score = {r["trunk_id"]: r["score"] for r in looked["routes"]}
        # Wilson's upper end at 95 %: 0 of 20 good; 20 short calls count a half each
        self.assertAlmostEqual(score[self.poor["id"]], 0.1611, 3)
        self.assertAlmostEqual(score[self.fair["id"]], 0.7007, 3)
        self.assertEqual([(q["attempts"], q["answered"], q["short_calls"], q["asr"], q["demoted"])
                          for q in (quality[self.poor["id"]], quality[self.fair["id"]])],
                         [(20, 0, 0, 0.0, True), (20, 20, 20, 1.0, False)])
        poor, fair = quality[self.poor["id"]], quality[self.fair["id"]]
        self.assertEqual((poor["ner"], poor["acd"], poor["pdd"], fair["ner"]), (0.0, None, None, 1.0))
        self.assertTrue(0 <= fair["acd"] < 5 and 0.02 <= fair["pdd"] < 5, fair)
        for node in self.stack.nodes:
            line = wait_for(f"the event on {node.name}", lambda n=node: [t for t in n.process.log().splitlines()
                            if 'msg="vendor demoted"' in t and f"trunk={self.poor['id']} " in t], 8)[0]
            self.assertIn("20 calls, 0 answered", line)
        told = wait_for("both nodes' events", lambda: len(events := [e for e in self.stack.api.items(
            "/v1/vendor-events", trunk_id=self.poor["id"]) if e["event"] == "demoted"]) == 2 and events, 5)
        self.assertEqual({(e["node"], e["destination"], e["reason"].startswith("20 calls, 0 answered")) for e in told},
                         {(node.name, "East", True) for node in self.stack.nodes})
        # each node goes by it: of the next calls only a small share tries poor again
        tried = []
        self.poor["peer"].behave(lambda leg: (tried.append(leg), leg.reply(503)))
        for i in range(10):
            call = (self.customer["peer"] if i % 2 else self.second).invite(self.number("12"))
            leg = self.fair["peer"].expect_call()
            leg.reply(486)
            call.expect(486)
        self.assertLess(len(tried), 5)
        # the other destination knows nothing of that
        self.assertEqual(self.order(self.number("13")), [self.poor["id"], self.fair["id"]])
        # and a node that starts anew goes on with what was counted
        self.stack.nodes[1].stop()
        self.stack.nodes[1].start()
        call = self.second.invite(self.number("12"))
        leg = self.fair["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        wait_for("the counts after a restart", lambda: {q["trunk_id"]: q["attempts"] for q in self.stack.api.items(
            "/v1/vendor-quality", destination="East")}[self.fair["id"]] == 31, 8)


class Talk(Story):
    """Margins are counted on the destination's talk once 30 answered calls are known."""

    @classmethod
    def provision(cls, stack):
        cls.blocks = stack.vendor("blocks", {"1": {"price": "0.02", "initial": 60, "increment": 60}})
        cls.exact = stack.vendor("exact", {"1": "0.05"})
        cls.customer = stack.customer("harbour", {"1": {"price": "0.06", "destination": "Chatter"}}, [cls.blocks, cls.exact])

    def look(self):
        return self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called="12125550100")

    def test_short_talk_makes_a_vendor_that_bills_minutes_a_loss(self):
        before = self.look()
        self.assertEqual([r["trunk_id"] for r in before["routes"]], [self.blocks["id"], self.exact["id"]])
        self.talk(29)
        wait_for("29 durations", lambda: self.known() == 29, 5)
        self.assertEqual([r["trunk_id"] for r in self.look()["routes"]], [self.blocks["id"], self.exact["id"]])
        self.talk(1)
        wait_for("the thirtieth", lambda: self.known() == 30, 5)
        # two seconds earn 0.002 and cost 0.02 at 60/60
        after = self.look()
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in after["excluded"]], [(self.blocks["id"], "margin")])
        self.assertEqual([r["trunk_id"] for r in after["routes"]], [self.exact["id"]])
        past = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called="12125550100",
                                   at="2025-06-01T00:00:00.000Z")
        self.assertEqual([r["trunk_id"] for r in past["routes"]], [self.blocks["id"], self.exact["id"]])
        called = self.number()

        def by_exact():
            call = self.customer["peer"].invite(self.number())
            leg = self.lands(call, self.exact["peer"], self.blocks["peer"])
            leg.reply(486)
            call.expect(486)
            return leg.peer is self.exact["peer"]

        wait_for("the switch to go by it", by_exact, 5)
        call = self.customer["peer"].invite(called)
        leg = self.exact["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        trace = self.stack.api.get(f"/v1/cdrs/{self.stack.api.cdr(called=called)['id']}")["trace"]
        self.assertEqual(trace["excluded"], after["excluded"])
        self.assertEqual([r["expected_margin"] for r in trace["routes"]], [r["expected_margin"] for r in after["routes"]])

    def known(self):
        return int(self.stack.redis.command("LLEN", "{tandem}:talk:Chatter").lstrip(":"))

    def talk(self, n):
        """n calls at once that last a bit over a second."""
        calls = [self.answered(self.customer, self.blocks, self.number()) for _ in range(n)]
        calls[-1][0].expect_silence(1.1)
        for call, leg in calls:
            self.ends(call, leg)


class Owed(Story):
    """A vendor that we owe more than was agreed gets no further calls."""

    @classmethod
    def provision(cls, stack):
        cls.alpha = stack.vendor("alpha", {"1": "0.01"})
        cls.bravo = stack.vendor("bravo", {"1": "0.02"})
        stack.api.patch(f"/v1/carriers/{cls.alpha['carrier']['id']}", vendor_limit="100")
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.alpha, cls.bravo])

    def test_beyond_its_limit_a_vendor_is_left_out(self):
        api, called = self.stack.api, self.number()
        look = lambda: api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)
        api.post("/v1/payments", carrier_id=self.alpha["carrier"]["id"], amount="100")       # as if its traffic had
        self.assertEqual(look()["excluded"], [])                                             # the limit itself is allowed
        api.post("/v1/payments", carrier_id=self.alpha["carrier"]["id"], amount="0.01")
        self.stack.settle()
        looked = look()
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(self.alpha["id"], "vendor_limit")])
        self.assertIn("100.01 USD", looked["excluded"][0]["detail"])
        shown = json.loads(self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", called, "--json").stdout)
        self.assertEqual(shown["excluded"], looked["excluded"])
        call = self.customer["peer"].invite(called)
        leg = self.bravo["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        self.attempts_are(api.cdr(called=called), (self.bravo, 486))
        api.post("/v1/payments", carrier_id=self.alpha["carrier"]["id"], amount="-50", note="we paid")
        self.stack.settle()
        self.assertEqual(look()["excluded"], [])
