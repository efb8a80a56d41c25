# SPDX-License-Identifier: Apache-2.0
"""Customers and vendors whose address changes register with us; we register with vendors that want it."""

import re

from story import wait_for
from story.registers import Registers, Vendor


class Registrar(Registers):
    """gw has no address of its own: it registers, and calls go where it did. deep serves what gw does not."""

    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.customer = stack.customer("harbour", {"1": "0.06", "3": "0.06"}, [])
        cls.home, cls.away = stack.peer("home"), stack.peer("away")
        gw = stack.carrier("gw")
        cls.door = stack.api.post("/v1/trunks", carrier_id=gw["id"], name="gw in", direction="ingress", username="gw",
                                  password="s3cret", tech_prefix="77")
        deck = stack.deck("gw buy", "buy", {"1": "0.01"})
        cls.gw = stack.api.post("/v1/trunks", carrier_id=gw["id"], name="gw", direction="egress", registered_as=cls.door["id"],
                                rate_deck_id=deck["id"])
        cls.deep = stack.vendor("deep", {"1": "0.02"})
        members = [{"trunk_id": t["id"]} for t in (cls.gw, cls.deep)]
        stack.api.patch(f"/v1/routing-plans/{cls.customer['plan']['id']}", members=members, max_attempts=1)

    def setUp(self):
        super().setUp()
        self.registered(self.home, ["*"], [("Expires", "0")])
        self.goes_to(self.deep["peer"])

    def goes_to(self, peer, limit=3.0, node=None):
        """A call arrives at that peer, within the limit."""
        def arrives():
            call = self.customer["peer"].invite(self.number(), remote=node.address if node else None)
            leg = self.lands(call, self.home, self.away, self.deep["peer"])
            if leg is None:
                return None
            leg.reply(486)
            leg.expect("ACK")
            call.expect_final()
            return leg.peer is peer and leg

        return wait_for(f"a call at {peer.name}", arrives, limit)

    def test_calls_go_where_the_gateway_has_registered(self):
        uri = f"sip:gw@{self.home.at}"
        call, answer = self.registered(self.home, [f"<{uri}>"], [("Expires", "600")])
        self.assertEqual(list(self.contacts(answer)), [uri])
        self.assertTrue(595 <= self.contacts(answer)[uri] <= 600)
        leg = self.goes_to(self.home)
        self.assertRegex(leg.invite.uri, rf"^sip:12125\d+@{re.escape(self.home.at)}$")
        # it moves: the newest place has the call; both are listed
        moved = f"sip:gw@{self.away.at}"
        _, answer = self.registered(self.away, [f"<{moved}>"])
        self.assertEqual(set(self.contacts(answer)), {uri, moved})
        self.assertTrue(3595 <= self.contacts(answer)[moved] <= 3600, "without a wish it is an hour")
        self.goes_to(self.away)
        # the place before has it if the newest has no room; that is a second attempt
        plan = f"/v1/routing-plans/{self.customer['plan']['id']}"
        self.stack.api.patch(plan, max_attempts=2)
        self.stack.settle()
        self.addCleanup(self.stack.settle)
        self.addCleanup(self.stack.api.patch, plan, max_attempts=1)
        call = self.customer["peer"].invite(self.number())
        for peer, code in ((self.away, 503), (self.home, 486)):
            leg = peer.expect_call()
            leg.reply(code)
            leg.expect("ACK")
        call.expect(486)

    def test_what_the_contact_says_besides_its_address_is_kept(self):
        """A proxy in between may find its way back by that alone."""
        self.registered(self.home, [f"<sip:gw@{self.home.at};ob;transport=udp;alias=127.0.0.9~5060~1>"])
        leg = self.goes_to(self.home)
        self.assertRegex(leg.invite.uri, rf"^sip:12125\d+@{re.escape(self.home.at)};ob;alias=127.0.0.9~5060~1$")

    def test_an_address_behind_nat_is_reached_where_it_came_from(self):
        self.registered(self.home, ["<sip:gw@10.9.8.7:5060>"])
        leg = self.goes_to(self.home)
        self.assertIn("@10.9.8.7:5060", leg.invite.uri)

    def test_without_a_registration_the_next_vendor_has_the_call(self):
        _, answer = self.registered(self.home, [f"<{self.home.contact}>"])
        self.goes_to(self.home)
        _, answer = self.registered(self.home, [f"<{self.home.contact}>;expires=0"])
        self.assertEqual(self.contacts(answer), {})
        self.goes_to(self.deep["peer"])
        called = self.number()
        looked = wait_for("the look-up to say so", lambda: [x for x in self.stack.api.post(
            "/v1/route-lookups", trunk_id=self.customer["id"], called=called)["excluded"] if x["reason"] == "down"], 5)
        self.assertEqual([x["trunk_id"] for x in looked], [self.gw["id"]])
        self.assertIn("not registered", looked[0]["detail"])

    def test_star_takes_all_away(self):
        self.registered(self.home, ["<sip:gw@10.0.0.1>"])
        _, answer = self.registered(self.home, [f"<{self.home.contact}>"])
        self.assertEqual(len(self.contacts(answer)), 2)
        _, answer = self.registered(self.home, [])
        self.assertEqual(len(self.contacts(answer)), 2, "a REGISTER without Contact asks")
        _, answer = self.registered(self.home, ["*"], [("Expires", "0")])
        self.assertEqual(answer.all("Contact"), [])
        self.registered(self.home, ["*"], code=400)
        self.registered(self.home, ["*"], [("Expires", "60")], code=400)

    def test_expiries_have_limits(self):
        _, answer = self.registered(self.home, [f"<{self.home.contact}>;expires=59"], code=423)
        self.assertEqual(answer.get("Min-Expires"), "60")
        _, answer = self.registered(self.home, [f"<{self.home.contact}>;expires=60"])
        self.assertTrue(58 <= self.contacts(answer)[self.home.contact] <= 60)
        _, answer = self.registered(self.home, [f"<{self.home.contact}>;expires=86400"])
        self.assertTrue(3590 <= self.contacts(answer)[self.home.contact] <= 3600)

    def test_the_sixth_place_takes_the_oldest_ones(self):
        for i in range(6):
            _, answer = self.registered(self.home, [f"<sip:gw@10.0.0.{i}>"])
        self.assertEqual(set(self.contacts(answer)), {f"sip:gw@10.0.0.{i}" for i in range(1, 6)})

    def test_what_comes_late_changes_nothing(self):
        call, _ = self.registered(self.home, [f"<{self.home.contact}>"])
        old = call.call_id
        late = self.home.call_new("gw", "gw")
        with self.home.news:
            self.home.calls.pop(late.call_id)
            late.call_id = old
            self.home.calls[old] = late
        late.cseq = iter(range(1, 9))
        if self.home.calls[old].sent.get((1, "REGISTER")):
            self.fail("the number was used before")
        self.registered(self.home, [f"<{self.home.contact}>;expires=0"], call=late, code=500)
        _, answer = self.registered(self.home, [])
        self.assertEqual(list(self.contacts(answer)), [self.home.contact])

    def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(self):
        told = []
        for user, password in (("gw", "wrong"), ("nobody", "s3cret")):
            _, answer = self.registered(self.home, [f"<{self.home.contact}>"], user=user, password=password, code=403)
            told.append([(n, v) for n, v in answer.headers if n not in ("Via", "From", "To", "Call-ID", "CSeq")])
        self.assertEqual(told[0], told[1])
        _, answer = self.registered(self.home, [])
        self.assertEqual(self.contacts(answer), {})

    def test_nonsense_is_refused(self):
        for contact in ("<tel:+12125550100>", "<mailto:gw@example.com>"):
            with self.subTest(contact):
                self.registered(self.home, [contact], code=400)
        call = self.register(self.home, [f"<{self.home.contact}>"], [("Require", "path")])
        self.assertEqual(call.expect(420).get("Unsupported"), "path")

    def test_a_repeat_gets_the_same_answer(self):
        call, answer = self.registered(self.home, [f"<{self.home.contact}>"])
        self.home.send(call.sent[(answer.cseq, "REGISTER")], call.remote)
        self.assertTrue(call_repeated(call, 200), "its 200 is sent again, and no second challenge")

    def test_the_other_node_knows_and_a_new_start_too(self):
        first, second = self.stack.nodes
        self.registered(self.home, [f"<{self.home.contact}>"])
        self.goes_to(self.home, node=second)
        first.kill()
        first.start()
        self.goes_to(self.home, node=first, limit=5)
        self.registered(self.home, ["*"], [("Expires", "0")], switch=second.address)
        self.goes_to(self.deep["peer"], node=first)

    def test_redis_away_and_empty_again(self):
        self.stack.redis.stop()
        try:
            self.registered(self.home, [f"<{self.home.contact}>"])
            self.goes_to(self.home)
        finally:
            self.stack.redis.start()
        self.goes_to(self.home, node=self.stack.nodes[1], limit=8)

    def test_a_disabled_trunk_takes_no_registration(self):
        self.stack.api.patch(f"/v1/trunks/{self.door['id']}", enabled=False)
        self.stack.settle()
        try:
            call = self.register(self.home, [f"<{self.home.contact}>"])
            self.assertIn(call.expect_final(3, "REGISTER").code, (403,))
        finally:
            self.stack.api.patch(f"/v1/trunks/{self.door['id']}", enabled=True)
            self.stack.settle()

    def test_zz_nothing_is_left(self):
        self.nothing_left()


def call_repeated(call, code):
    return call.repeated(code, 1, 3)


class Register(Registers):
    """corp wants us to register; so does proud, for hours. Two nodes, and one registration."""

    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.corp = stack.vendor("corp", {"1": "0.01"}, trunk={"username": "tandem", "password": 'se"cret'})
        cls.proud = stack.vendor("proud", {"1": "0.01"}, trunk={"username": "49301@proud.example", "password": "p", "enabled": False,
                                                                  "register": True})
        cls.at_corp = Vendor(cls.corp["peer"], "tandem", 'se"cret', grant=4)
        cls.at_proud = Vendor(cls.proud["peer"], "49301@proud.example", "p", least=7200)

    def setUp(self):
        super().setUp()
        self.at_corp.refuse, self.at_corp.deaf = None, False

    def switch(self, on, trunk=None):
        self.stack.api.patch(f"/v1/trunks/{(trunk or self.corp)['id']}", register=on)

    def state(self, trunk=None):
        """[(node, state, reason)] of that trunk's registration, over all nodes."""
        return [(n["node"], r["state"], r["reason"]) for n in self.stack.api.get("/v1/nodes")["items"]
                for r in n["registrations"] if r["trunk_id"] == (trunk or self.corp)["id"]]

    def kept(self, limit=8.0):
        return wait_for("a registration in /v1/nodes", lambda: [s for s in self.state() if s[1] == "registered"], limit)

    def gone(self):
        self.switch(False)
        taken = self.at_corp.taken
        wait_for("the farewell", lambda: taken and taken[-1][1] == 0 or not self.state(), 6)

    def test_one_node_registers_refreshes_and_says_farewell(self):
        self.at_corp.taken.clear()
        self.switch(True)
        states = self.kept()
        self.assertEqual(len(states), 1, "one node of the cluster")
        wait_for("three refreshes", lambda: len(self.at_corp.taken) >= 4, 12)
        times = [t for t, _, _ in self.at_corp.taken]
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertTrue(all(1.5 < g < 3.5 for g in gaps), f"half of the 4 s that are granted: {gaps}")
        messages = [m for _, _, m in self.at_corp.taken]
        self.assertEqual(len({m.get("Call-ID") for m in messages}), 1, "RFC 3261 section 10.2: one Call-ID, rising CSeq")
        cseqs = [m.cseq for m in messages]
        self.assertEqual(cseqs, sorted(set(cseqs)))
        first = messages[0]
        self.assertEqual((first.uri_of("To"), first.uri_of("From"), first.get("Expires")),
                         (f"sip:tandem@{self.corp['peer'].host}", f"sip:tandem@{self.corp['peer'].host}", "3600"))
        self.assertRegex(first.uri_of("Contact"), r"^sip:tandem@127\.0\.0\.1:\d+$")
        self.assertEqual((first.get("User-Agent"), first.get("Server")), (None, None))
        self.switch(False)
        wait_for("the farewell", lambda: self.at_corp.taken[-1][1] == 0, 6)
        wait_for("nothing in /v1/nodes", lambda: not self.state(), 5)
        told = "".join(n.process.log() for n in self.stack.nodes)
        self.assertIn('msg="registered with vendor" trunk=%d ' % self.corp["id"], told)

    def test_a_refusal_is_seen_and_tried_again(self):
        self.at_corp.refuse = 403
        self.at_corp.seen.clear()
        self.switch(True)
        states = wait_for("the refusal in /v1/nodes", lambda: [s for s in self.state() if s[1] == "failed"], 6)
        self.assertEqual(states[0][2], "403 Forbidden")
        wait_for("three tries", lambda: len(self.at_corp.seen) >= 3, 12)
        gaps = [b.at - a.at for a, b in zip(self.at_corp.seen, self.at_corp.seen[1:])][:2]
        self.assertTrue(1.4 < gaps[0] < 2.6 and 2.9 < gaps[1] < 4.6, f"2 s, then 4 s, up to a quarter less: {gaps}")
        self.at_corp.refuse = None
        self.kept(12)
        self.gone()

    def test_silence_is_a_failure(self):
        self.at_corp.deaf = True
        self.switch(True)
        states = wait_for("the silence in /v1/nodes", lambda: [s for s in self.state() if s[1] == "failed"], 9)
        self.assertEqual(states[0][2], "no answer")
        self.at_corp.deaf = False
        self.kept(8)
        self.gone()

    def test_another_node_takes_over(self):
        self.switch(True)
        keeper = self.kept()[0][0]
        node = next(n for n in self.stack.nodes if n.name == keeper)
        self.at_corp.taken.clear()
        node.stop()
        self.assertEqual([e for _, e, _ in self.at_corp.taken if e == 0], [0], "the farewell of a node that stops")
        try:
            other = wait_for("the other node", lambda: [s for s in self.state() if s[0] != keeper and s[1] == "registered"], 25)
            self.assertTrue(other)
        finally:
            node.start()
        self.gone()

    def test_a_vendor_that_wants_hours_gets_hours(self):
        self.stack.api.patch(f"/v1/trunks/{self.proud['id']}", enabled=True)
        taken = wait_for("a registration", lambda: self.at_proud.taken, 8)
        self.assertEqual(taken[0][1], 7200)
        self.assertEqual(taken[0][2].uri_of("To"), "sip:49301@proud.example")
        self.stack.api.patch(f"/v1/trunks/{self.proud['id']}", enabled=False)
        wait_for("the farewell", lambda: self.at_proud.taken[-1][1] == 0, 6)
