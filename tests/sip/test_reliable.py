# SPDX-License-Identifier: Apache-2.0
"""Reliable provisional answers (RFC 3262), on each leg by its own terms, whoever of the two knows them."""

from decimal import Decimal

from story import Talk


class Mixes(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, trunk={"session_expires": 90})
        cls.second = stack.vendor("bravo", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor, cls.second])
        cls.caller, cls.a, cls.b = cls.customer["peer"], cls.vendor["peer"], cls.second["peer"]

    requires = (("Supported", "100rel"), ("Require", "100rel"))

    def reliably(self, leg, code, seq, sdp=None):
        """The vendor's reliable 18x and the PRACK that it gets, which is answered."""
        leg.reply(code, sdp=sdp, headers=[("Require", "100rel"), ("RSeq", str(seq))], to=leg.invite)
        m = leg.expect("PRACK")
        self.assertEqual(m.get("RAck").split(), [str(seq), str(leg.last_invite.cseq), "INVITE"])
        self.assertEqual((m.tag("To"), m.uri, m.body), (leg.local_tag, leg.peer.contact, ""))
        leg.reply(200)
        return m

    def offered(self, call, leg, seq, port=40000):
        """A reliable 183 with SDP that the vendor's PRACK waits with for the caller's; what the caller got."""
        leg.reply(183, sdp=leg.peer.sdp(port=port), headers=[("Require", "100rel"), ("RSeq", str(seq))], to=leg.invite)
        early = call.expect(183)
        self.assertIn(f"m=audio {port}", early.body)
        self.assertEqual(early.get("Require"), "100rel")
        leg.expect_silence(0.05)
        return early

    def prack_with(self, call, early, port):
        """The caller's PRACK with SDP of its own: not answered yet."""
        call.request("PRACK", call.peer.sdp(port=port), headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")])

    def confirmed(self, leg, seq, port=None, code=200, answer=None):
        """The vendor's PRACK came, with that SDP or none, and is answered."""
        m = leg.expect("PRACK")
        self.assertEqual(m.get("RAck").split(), [str(seq), str(leg.last_invite.cseq), "INVITE"])
        self.assertEqual((m.tag("To"), m.uri), (leg.local_tag, leg.peer.contact))
        if port is None:
            self.assertEqual(m.body, "")
        else:
            self.assertIn(f"m=audio {port}", m.body)
        leg.reply(code, sdp=answer)
        return m

    def talked(self, call, leg):
        self.answer(call, leg)
        self.ends(call, leg)


class Reliable(Mixes):
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
        self.prack(call, first)       # with its answer all is here that was under way
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
        early = self.offered(call, leg, 4711)
        self.assertNotEqual(early.get("RSeq"), "4711")
        self.prack(call, early)
        self.confirmed(leg, 4711)
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

    def test_an_invite_that_is_repeated_begins_a_new_count(self):
        """RFC 3262 section 3: RSeq belongs to one transaction."""
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        leg.reply(421, headers=[("Require", "100rel")])
        leg.expect("ACK")
        leg.invite = leg.expect("INVITE")
        self.reliably(leg, 180, 900)
        call.expect(180)
        leg.reply(422, headers=[("Min-SE", "1800")], to=leg.invite)
        leg.expect("ACK")
        leg.invite = leg.expect("INVITE")
        self.assertEqual(leg.invite.get("Session-Expires"), "1800")
        self.reliably(leg, 183, 5, sdp=True)
        call.expect(183)
        self.talked(call, leg)

    def test_a_repeat_of_one_fork_between_those_of_another_is_confirmed_once(self):
        call = self.caller.invite(self.number(), headers=self.requires[:1])
        leg = self.a.expect_call()
        leg.local_tag = "forkone"
        self.reliably(leg, 180, 30)
        call.expect(180)
        again = leg.answers[leg._key(leg.invite)]
        leg.local_tag = "forktwo"
        self.reliably(leg, 181, 5)
        call.expect(181)
        leg.repeat(again)
        leg.expect_silence(0.3)
        self.reliably(leg, 182, 6)
        call.expect(182)
        leg.local_tag = "forkone"
        self.reliably(leg, 183, 31)
        call.expect(183)
        self.talked(call, leg)

    def test_a_prack_of_nothing_is_481(self):
        """RFC 3262 section 3."""
        call = self.caller.invite(self.number(), headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(180)
        early = call.expect(180)
        call.request("PRACK", headers=[("RAck", f"{int(early.get('RSeq')) + 1} {early.get('CSeq')}")])
        call.expect(481, method="PRACK")
        self.prack(call, early)
        self.talked(call, leg)

    def test_no_2xx_overtakes_the_prack_of_an_18x_with_sdp(self):
        """RFC 3262 section 3: the answer was not confirmed yet, so the 2xx waits; the call begins with it."""
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        early = call.expect(183)
        leg.reply(200, sdp=leg.sdp_sent, to=leg.invite)
        call.expect_silence(0.4)
        self.prack(call, early)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal")
        self.assertLess(cdr["duration_ms"], 350)

    def test_no_2xx_overtakes_the_prack_of_an_18x_with_several_bodies(self):
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        sdp = self.a.sdp()
        several = (f"--b\r\nContent-Type: application/sdp\r\n\r\n{sdp}--b\r\nContent-Type: text/plain\r\n\r\nringing\r\n--b--\r\n")

        def edit(m):
            if m.code == 183:
                m.set("Content-Type", 'multipart/mixed;boundary="b"')
        self.a.edit = edit
        leg.reply(183, sdp=several)
        early = call.expect(183)
        self.assertIn("m=audio", early.body)
        leg.reply(200, sdp=sdp, to=leg.invite)
        call.expect_silence(0.3)
        self.prack(call, early)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_a_caller_that_gives_up_while_its_answer_waits_for_the_prack(self):
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        call.expect(183)
        leg.reply(200, sdp=leg.sdp_sent, to=leg.invite)
        call.expect_silence(0.1)
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487)
        leg.expect("ACK")
        self.is_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled", duration_ms=0)

    # ---- SDP in a PRACK (RFC 3262 section 5)

    def test_the_answer_to_a_delayed_offer_goes_on_in_the_vendors_prack(self):
        for headers in (self.requires, self.requires[:1]):
            with self.subTest(headers=headers):
                called = self.number()
                call = self.caller.invite(called, sdp=None, headers=headers)
                leg = self.a.expect_call()
                self.assertIn("100rel", leg.invite.get("Supported"))
                self.assertEqual(leg.invite.body, "")
                early = self.offered(call, leg, 12, port=41000)
                self.prack_with(call, early, 42000)
                prack = leg.expect("PRACK")
                self.assertEqual(prack.get("RAck").split(), ["12", str(leg.invite.cseq), "INVITE"])
                self.assertIn("m=audio 42000", prack.body)
                self.assertNotIn(call.sdp_sent.splitlines()[1], prack.body)
                call.expect_silence(0.2)
                leg.reply(200, to=prack)
                self.assertEqual(call.expect(200, method="PRACK").body, "")
                leg.reply(200, to=leg.invite)
                self.assertEqual(call.expect(200, method="INVITE").body, "")
                call.ack()
                self.assertEqual(leg.expect("ACK").body, "")
                self.ends(call, leg)
                self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_an_offer_in_a_prack_is_answered_in_its_200(self):
        """More than once, each in the PRACK of an 18x of its own."""
        call = self.caller.invite(self.number(), headers=self.requires)
        leg = self.a.expect_call()
        for seq, ports in ((70, (41000, 42000, 43000)), (71, (44000, 45000, 46000))):
            early = self.offered(call, leg, seq, port=ports[0])
            self.prack_with(call, early, ports[1])
            self.confirmed(leg, seq, ports[1], answer=self.a.sdp(port=ports[2]))
            self.assertIn(f"m=audio {ports[2]}", call.expect(200, method="PRACK").body)
        leg.reply(200, to=leg.invite)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    def test_a_vendors_refusal_of_a_prack_is_told(self):
        call = self.caller.invite(self.number(), headers=self.requires)
        leg = self.a.expect_call()
        early = self.offered(call, leg, 9)
        self.prack_with(call, early, 42000)
        self.confirmed(leg, 9, 42000, code=488)
        call.expect(488, method="PRACK")
        self.talked(call, leg)

    def test_an_offer_that_no_prack_can_carry_on_is_488(self):
        """The vendor's 18x was not reliable, or had no SDP: the session stays as it is, and the call goes on."""
        for reliable in (False, True):
            with self.subTest(reliable=reliable):
                call = self.caller.invite(self.number(), headers=self.requires)
                leg = self.a.expect_call()
                if reliable:
                    self.reliably(leg, 180, 3)
                else:
                    leg.reply(183, sdp=True)
                self.prack_with(call, call.expect((180, 183)), 42000)
                call.expect(488, method="PRACK")
                leg.expect_silence(0.1)
                self.talked(call, leg)

    def test_a_prack_with_a_body_that_is_no_sdp_is_415(self):
        call = self.caller.invite(self.number(), headers=self.requires)
        leg = self.a.expect_call()
        early = self.offered(call, leg, 9)
        call.request("PRACK", headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")],
                     change=lambda m: (m.set("Content-Type", "text/plain"), setattr(m, "body", "hello")))
        self.assertEqual(call.expect(415, method="PRACK").get("Accept"), "application/sdp")
        self.confirmed(leg, 9)
        self.talked(call, leg)

    def test_the_caller_may_hang_up_while_the_vendor_thinks_about_its_prack(self):
        called = self.number()
        call = self.caller.invite(called, sdp=None, headers=self.requires)
        leg = self.a.expect_call()
        self.prack_with(call, self.offered(call, leg, 9), 42000)
        prack = leg.expect("PRACK")
        call.cancel()
        got = {call.take(lambda m: not m.is_request).method: call.got[-1].code for _ in range(3)}
        self.assertEqual({m.method: m.code for m in call.got if m.code and m.code >= 200}, {"CANCEL": 200, "PRACK": 481, "INVITE": 487}, got)
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(200, to=prack)
        leg.reply(487, to=leg.invite)
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled")

    def test_the_next_vendor_has_a_dialog_of_its_own(self):
        """The first one's offer was answered in a PRACK, then it refused: the second one's 18x brings its own."""
        call = self.caller.invite(self.number(), sdp=None, headers=self.requires)
        leg = self.a.expect_call()
        early = self.offered(call, leg, 9, port=41000)
        self.prack_with(call, early, 42000)
        self.confirmed(leg, 9, 42000)
        call.expect(200, method="PRACK")
        leg.reply(503, to=leg.invite)
        leg.expect("ACK")
        other = self.b.expect_call()
        anew = self.offered(call, other, 1, port=43000)
        self.assertNotEqual(anew.tag("To"), early.tag("To"))
        self.prack_with(call, anew, 44000)
        self.confirmed(other, 1, 44000)
        call.expect(200, method="PRACK")
        other.reply(200, to=other.invite)
        call.expect(200, method="INVITE")
        call.ack()
        other.expect("ACK")
        self.ends(call, other)

    # ---- delayed offer

    def test_a_caller_without_it_is_not_given_an_offer_that_it_could_not_answer(self):
        call = self.caller.invite(self.number(), sdp=None)
        leg = self.a.expect_call()
        self.assertNotIn("100rel", leg.invite.get("Supported"))
        self.cancelled_early(call, leg)

    def cancelled_early(self, call, leg):
        leg.reply(180)
        call.expect(180)
        self.cancelled(call, leg)

    def test_sdp_of_an_unreliable_18x_does_not_become_an_offer(self):
        """Sent reliably it would be one, and its answer had no way to the vendor."""
        call = self.caller.invite(self.number(), sdp=None, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        early = call.expect(183)
        self.assertEqual(early.body, "")
        self.prack(call, early)
        self.cancelled(call, leg)

    def test_a_vendor_without_it_offers_in_its_2xx(self):
        """... and the answer is in the ACK; no PRACK need carry one."""
        call = self.caller.invite(self.number(), sdp=None, headers=self.requires)
        leg = self.a.expect_call()
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


class Unconfirmed(Mixes):
    """T1 of 100 ms: an 18x is repeated for 6.4 s."""

    stack_options = {"settings": {"sip": {"t1": "100ms"}}}

    def refused(self, call, leg, called):
        call.expect(503, limit=10)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=503, disconnect_reason="no_ack", hangup_party="switch", duration_ms=0,
                      sell_amount=Decimal(0))

    def test_a_caller_that_never_confirms_is_refused(self):
        """RFC 3262 section 3: after 64 times T1 the INVITE is answered 5xx."""
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(180)
        call.expect(180)
        self.is_cancelled(leg, limit=10)
        self.refused(call, leg, called)

    def test_nobody_pays_for_an_answer_that_never_reached_the_caller(self):
        called = self.number()
        call = self.caller.invite(called, headers=self.requires)
        leg = self.a.expect_call()
        leg.reply(183, sdp=True)
        call.expect(183)
        leg.reply(200, sdp=leg.sdp_sent, to=leg.invite)
        leg.expect("ACK", limit=10)
        self.is_told_bye(leg)
        self.refused(call, leg, called)

    def test_zz_nothing_is_left(self):
        self.nothing_left()

