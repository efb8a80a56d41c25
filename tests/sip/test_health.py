# SPDX-License-Identifier: Apache-2.0
"""A vendor that says nothing is left alone, tried again, and forced by the operator; who can serve still serves."""

import json

from story import Story, wait_for


class Health(Story):
    """mute is the cheapest and never answers; bravo serves. pinged is probed by OPTIONS, lonely's only vendor is mute2."""

    @classmethod
    def provision(cls, stack):
        cls.mute = stack.vendor("mute", {"1": "0.01"}, trunk={"no_response_timeout": 1})
        cls.bravo = stack.vendor("bravo", {"1": "0.02", "2": "0.02"})
        cls.pinged = stack.vendor("pinged", {"2": "0.01"}, trunk={"no_response_timeout": 1, "probe_interval": 1})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.mute, cls.bravo], plan={"max_attempts": 1})
        cls.other = stack.customer("lagoon", {"2": "0.06"}, [cls.pinged, cls.bravo])

    def said(self, word, trunk):
        return [line for line in self.stack.node.process.log().splitlines()
                if f'msg="{word}"' in line and f"trunk={trunk['id']} " in line]

    def look(self, customer, called):
        return self.stack.api.post("/v1/route-lookups", trunk_id=customer["id"], called=called)

    def reasons(self, looked):
        return {x["trunk_id"]: x["reason"] for x in looked["excluded"]}

    def silent_calls(self, n):
        calls = [self.customer["peer"].invite(self.number()) for _ in range(n)]
        for call in calls:
            self.assertEqual(call.expect_final(5).code, 408)

    def test_silence_opens_the_breaker_a_trial_closes_it(self):
        self.mute["peer"].mute = True
        self.silent_calls(5)
        line = wait_for("the alarm", lambda: self.said("vendor down", self.mute), 3)[0]
        self.assertIn("5 calls in a row: no response", line)

        # down before ranking: with one attempt allowed the next vendor has the call
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.bravo["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.bravo, 486))
        trace = self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["trace"]
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in trace["excluded"]], [(self.mute["id"], "down")])
        in_call = trace["excluded"][0]["detail"]
        looked = wait_for("the look-up to know", lambda: self.reasons(self.look(self.customer, called)) == {self.mute["id"]: "down"}
                          and self.look(self.customer, called), 5)
        self.assertEqual([x["detail"] for x in looked["excluded"]], [in_call])
        shown = json.loads(self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", called, "--json").stdout)
        self.assertEqual(shown["excluded"], looked["excluded"])

        shown = [h for h in self.stack.api.items("/v1/vendor-health", trunk_id=self.mute["id"])]
        self.assertEqual([(h["node"], h["state"] in ("down", "trial"), h["reason"]) for h in shown],
                         [("sw1", True, "5 calls in a row: no response")])
        metrics = self.stack.api.call("GET", "/metrics")[1]
        self.assertIn(f'tandem_vendor_up{{node="sw1",trunk_id="{self.mute["id"]}"}} 0', metrics)
        self.assertIn(f'tandem_vendor_up{{node="sw1",trunk_id="{self.bravo["id"]}"}} 1', metrics)

        # after a pause one call may try it, but never in the only place
        self.mute["peer"].mute = False
        self.stack.api.patch(f"/v1/routing-plans/{self.customer['plan']['id']}", max_attempts=2)
        self.stack.settle()

        def tried():
            call = self.customer["peer"].invite(self.number())
            leg = self.lands(call, self.mute["peer"], self.bravo["peer"])
            leg.reply(486)
            call.expect(486)
            return leg.peer is self.mute["peer"]

        wait_for("a call to try it", tried, 15)
        wait_for("the all-clear", lambda: self.said("vendor back", self.mute), 3)
        wait_for("the look-up to know", lambda: not self.reasons(self.look(self.customer, called)), 5)
        wait_for("both events, which are told once a second", lambda: [e["event"] for e in self.stack.api.items(
            "/v1/vendor-events", trunk_id=self.mute["id"])][:2] == ["up", "down"], 5)

    def test_probes_find_out_without_a_call(self):
        self.pinged["peer"].mute = True
        line = wait_for("the alarm", lambda: self.said("vendor down", self.pinged), 12)[0]
        self.assertIn("3 OPTIONS in a row: no answer", line)
        called = self.number("23")
        call = self.other["peer"].invite(called)
        leg = self.bravo["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        self.attempts_are(self.stack.api.cdr(called=called), (self.bravo, 486))
        self.pinged["peer"].mute = False
        wait_for("the all-clear", lambda: self.said("vendor back", self.pinged), 5)
        call = self.other["peer"].invite(self.number("23"))
        leg = self.pinged["peer"].expect_call()
        leg.reply(486)
        call.expect(486)

    def test_the_operators_word_holds_against_what_is_seen(self):
        api, called = self.stack.api, self.number("24")
        force = api.post("/v1/vendor-forces", trunk_id=self.bravo["id"], force="down", note="maintenance")
        self.stack.settle()
        self.assertEqual(self.reasons(self.look(self.other, called))[self.bravo["id"]], "down")
        wait_for("it to be shown", lambda: [h["forced"] for h in api.items("/v1/vendor-health", trunk_id=self.bravo["id"])] == ["down"], 5)
        call = self.other["peer"].invite(called)
        leg = self.pinged["peer"].expect_call()
        leg.reply(503)                      # nobody is left
        call.expect(503)
        self.attempts_are(api.cdr(called=called), (self.pinged, 503))
        self.assertEqual(api.call("POST", "/v1/vendor-forces", {"trunk_id": self.bravo["id"], "force": "up"})[0], 409)
        self.assertEqual(api.call("POST", "/v1/vendor-forces", {"trunk_id": self.customer["id"], "force": "up"})[0], 422)
        api.delete(f"/v1/vendor-forces/{force['id']}")
        self.stack.settle()
        self.assertEqual(self.reasons(self.look(self.other, called)), {})
        self.assertTrue(self.said("vendor's health by the operator's word", self.bravo))
