# SPDX-License-Identifier: Apache-2.0
"""Reliable provisional answers (RFC 3262), on each leg by its own terms, whoever of the two knows them."""

from story import Talk


class Reliable(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.second = stack.vendor("bravo", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor, cls.second])
        cls.caller, cls.a, cls.b = cls.customer["peer"], cls.vendor["peer"], cls.second["peer"]

    requires = (("Supported", "100rel"), ("Require", "100rel"))

    def prack(self, call, early):
        call.request("PRACK", headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")])
        call.expect(200, method="PRACK")

    def reliably(self, leg, code, seq, sdp=None):
        """The vendor's reliable 18x and the PRACK that it gets, which is answered."""
        leg.reply(code, sdp=sdp, headers=[("Require", "100rel"), ("RSeq", str(seq))], to=leg.invite)
        m = leg.expect("PRACK")
        self.assertEqual(m.get("RAck").split(), [str(seq), str(leg.last_invite.cseq), "INVITE"])
        self.assertEqual((m.tag("To"), m.uri, m.body), (leg.local_tag, leg.peer.contact, ""))
        leg.reply(200)
        return m

    def talked(self, call, leg):
        self.answer(call, leg)
        self.ends(call, leg)

    # ---- each mix

    def test_neither_knows_it(self):
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        self.assertNotIn("100rel", leg.invite.get("Supported") or "")
        leg.reply(183, sdp=True)
        early = call.expect(183)
        self.assertEqual((early.get("RSeq"), early.get("Require")), (None, None))
        self.talked(call, leg)

    def test_the_caller_requires_it_of_a_vendor_that_does_not(self):
        """In order, one by one: the next 18x is not sent before the PRACK of the one before."""
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(180)
        first = call.expect(180)
        self.assertEqual(first.get("Require"), "100rel")
        self.assertTrue(call.repeated(180, 2), "an unconfirmed 18x is repeated")
        self.prack(call, first)
        call.expect_silence(0.1)      # what was under way
        before = call.repeats[180]
        leg.reply(183, sdp=True)
        second = call.expect(183)
        self.assertEqual(int(second.get("RSeq")), int(first.get("RSeq")) + 1)
        self.prack(call, second)
        call.expect_silence(1.6)
        self.assertEqual((call.repeats[180], call.repeats[183]), (before, 0), "a confirmed 18x was repeated")
        self.talked(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_the_vendors_18x_are_confirmed_for_a_caller_that_knows_nothing_of_it(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        self.reliably(leg, 180, 7)
        self.reliably(leg, 183, 8, sdp=True)
        for code in (180, 183):
            m = call.expect(code)
            self.assertEqual((m.get("RSeq"), m.get("Require")), (None, None))
        self.talked(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_both_know_it_and_each_leg_has_its_own_numbers(self):
        call = self.caller.invite(self.number(), headers=self.requires)
        leg = self.a.expect_call()
        self.assertIn("100rel", leg.invite.get("Supported"))
        self.assertNotIn("100rel", leg.invite.get("Require") or "")
        self.reliably(leg, 183, 4711, sdp=True)
        early = call.expect(183)
        self.assertNotEqual(early.get("RSeq"), "4711")
        self.assertIn("m=audio", early.body)
        self.prack(call, early)
        self.talked(call, leg)

    def test_a_caller_that_only_knows_it_is_not_made_to_use_it(self):
        call = self.caller.invite(self.number(), headers=self.requires[:1])
        leg = self.a.expect_call()
        self.assertIn("100rel", leg.invite.get("Supported"))
        self.reliably(leg, 180, 1)
        self.assertIsNone(call.expect(180).get("RSeq"))
        self.talked(call, leg)

    # ---- what is lost, late or out of order

    def test_a_repeated_18x_is_confirmed_once_and_told_once(self):
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        self.reliably(leg, 180, 1)
        call.expect(180)
        for _ in range(2):
            leg.repeat(leg.answers[leg._key(leg.invite)])
        leg.expect_silence(0.3)
        self.assertEqual(call.repeats[180], 0)
        self.talked(call, leg)

    def test_an_18x_out_of_order_is_passed_over(self):
        """RFC 3262 section 4: neither confirmed nor told."""
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        self.reliably(leg, 180, 1)
        call.expect(180)
        leg.reply(183, sdp=True, headers=[("Require", "100rel"), ("RSeq", "3")], to=leg.invite)
        leg.expect_silence(0.2)
        call.expect_silence(0.01)
        self.reliably(leg, 181, 2)
        call.expect(181)
        self.talked(call, leg)

    def test_a_prack_without_an_answer_ends_nothing(self):
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        leg.reply(180, headers=[("Require", "100rel"), ("RSeq", "1")])
        leg.expect("PRACK")
        call.expect(180)
        self.assertTrue(leg.repeated("PRACK", 2))
        prack = leg.last_request
        leg.reply(200, to=prack)
        self.talked(call, leg)

    def test_an_answer_before_the_callers_prack(self):
        """RFC 3262 section 3: a 2xx may come while an 18x without SDP waits for its PRACK."""
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(180)
        early = call.expect(180)
        leg.reply(200, sdp=True, to=leg.invite)
        call.take(lambda m: m.code in (180, 200) and m.method == "INVITE")
        self.assertEqual(call.got[-1].code, 200)
        call.last_reply = call.got[-1]
        call._learn(call.last_reply)
        call.request("PRACK", headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")])
        call.take(lambda m: m.method == "PRACK")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_a_caller_that_gives_up_after_reliable_ringing(self):
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        self.reliably(leg, 180, 1)
        self.prack(call, call.expect(180))
        self.cancelled(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled")

    def test_two_forks_of_a_vendor_are_confirmed_each(self):
        """183 with SDP from both, the answer from the second: the caller has one dialog with the answer's media."""
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        leg.local_tag = "forkone"
        self.reliably(leg, 183, 30, sdp=self.a.sdp(port=41000))
        call.expect(183)
        leg.local_tag = "forktwo"
        self.reliably(leg, 183, 5, sdp=self.a.sdp(port=42000))
        self.assertIn("m=audio 42000", call.expect(183).body)
        leg.reply(200, sdp=leg.sdp_sent, to=leg.invite)
        self.assertIn("m=audio 42000", call.expect(200).body)
        call.ack()
        self.assertEqual(leg.expect("ACK").tag("To"), "forktwo")
        self.ends(call, leg)

    def test_a_vendor_behind_a_name_gets_its_prack_where_its_answer_came_from(self):
        """The name is not looked up; a Record-Route with an address would be followed."""
        for headers, route in (([("Contact", "<sip:gw@gw.invalid>")], None),
                               ([("Contact", "<sip:gw@gw.invalid>"), ("Record-Route", f"<sip:{self.a.at};lr>")], f"<sip:{self.a.at};lr>")):
            with self.subTest(route=route):
                call = self.caller.invite(self.number())
                leg = self.a.expect_call()
                leg.reply(180, headers=[("Require", "100rel"), ("RSeq", "9"), *headers])
                m = leg.expect("PRACK")
                self.assertEqual((m.uri, m.get("Route")), ("sip:gw@gw.invalid", route))
                leg.reply(200)
                call.expect(180)
                self.talked(call, leg)

    # ---- a vendor that insists

    def test_a_vendor_that_insists_is_asked_again(self):
        """RFC 3261 section 21.4.16: 421 names what the INVITE must support."""
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(421, headers=[("Require", "100rel")])
        leg.expect("ACK")
        again = leg.expect("INVITE")
        self.assertIn("100rel", again.get("Supported"))
        self.assertEqual((again.cseq, again.body), (leg.invite.cseq + 1, leg.invite.body))
        leg.invite = again
        self.reliably(leg, 180, 1)
        self.assertIsNone(call.expect(180).get("RSeq"))
        self.talked(call, leg)
        self.attempts_are(self.stack.api.cdr(called=called), (self.vendor, 200))

    def test_a_vendor_that_is_still_not_content_is_left_for_the_next(self):
        for header in ("100rel", "wishful-thinking"):
            with self.subTest(header=header):
                called = self.number()
                call = self.caller.invite(called)
                leg = self.a.expect_call()
                leg.reply(421, headers=[("Require", header)])
                leg.expect("ACK")
                if header == "100rel":
                    leg.expect("INVITE")
                    leg.reply(421, headers=[("Require", header)])
                    leg.expect("ACK")
                other = self.b.expect_call()
                self.talked(call, other)
                self.attempts_are(self.stack.api.cdr(called=called), (self.vendor, 421), (self.second, 200))

    # ---- delayed offer

    def test_without_an_offer_no_reliable_18x_is_asked_for(self):
        """The offer comes in the vendor's 2xx, its answer in the ACK; no PRACK need carry one."""
        call = self.caller.invite(self.number(), sdp=None, headers=self.requires)
        leg = self.a.expect_call()
        self.assertNotIn("100rel", leg.invite.get("Supported") or "")
        leg.reply(180)
        self.prack(call, call.expect(180))
        leg.reply(200, sdp=True)
        self.assertIn("m=audio", call.expect(200).body)
        answer = self.caller.sdp()
        call.ack(answer)
        self.assertIn("m=audio", leg.expect("ACK").body)
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
