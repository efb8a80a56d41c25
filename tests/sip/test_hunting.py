# SPDX-License-Identifier: Apache-2.0
"""Several vendors, several answers: what comes late or twice costs nobody anything, and the caller sees one call."""

from decimal import Decimal

from story import Talk


class Hunting(Talk):
    """alpha is asked first and gives up ringing after 1 s, bravo next; a quiet one is given up after 1 s, too."""

    stack_options = {"settings": {"sip": {"t1": "100ms"}}}

    @classmethod
    def provision(cls, stack):
        timers = {"no_response_timeout": 1, "ring_timeout": 1, "progress_timeout": 1}
        cls.vendor = cls.alpha = stack.vendor("alpha", {"1": "0.02"}, trunk=timers)
        cls.bravo = stack.vendor("bravo", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.alpha, cls.bravo])
        cls.strict = stack.customer("haven", {"1": "0.06"}, [cls.alpha, cls.bravo], trunk={"hunt_after_media": False})
        cls.a, cls.b, cls.caller = cls.alpha["peer"], cls.bravo["peer"], cls.customer["peer"]

    def bravo_answers(self, call):
        leg = self.b.expect_call()
        self.answer(call, leg)
        return leg

    def only_bravo_is_paid(self, called, *attempts):
        cdr = self.stack.api.cdr(called=called)
        self.attempts_read(cdr, *attempts, (self.bravo, 200, "answered"))
        self.cdr_says(cdr, egress_trunk_id=self.bravo["id"], buy_price=Decimal("0.03"), sip_code=200, disconnect_reason="normal")

    # ---- late

    def test_an_answer_after_hunting_on_is_hung_up_and_not_charged(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(180)
        call.expect(180)
        first.expect("CANCEL", 3)
        first.reply(200)
        leg = self.b.expect_call()
        first.reply(200, sdp=True, to=first.invite)   # crosses the CANCEL
        first.expect("ACK")
        self.is_told_bye(first)
        self.answer(call, leg)
        call.expect_silence(0.02)
        self.ends(call, leg)
        self.only_bravo_is_paid(called, (self.alpha, 200, "late_answer"))

    def test_a_vendor_given_up_unheard_rings_late(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        leg = self.b.expect_call(3)
        first.reply(180, to=first.invite)
        self.is_cancelled(first)
        call.expect_silence(0.1)
        self.answer(call, leg)
        self.ends(call, leg)
        self.only_bravo_is_paid(called, (self.alpha, 408, "no_response"))

    def test_a_vendor_given_up_unheard_refuses_late(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        leg = self.b.expect_call(3)
        first.reply(404, to=first.invite)
        first.expect("ACK")
        self.answer(call, leg)
        self.ends(call, leg)
        self.only_bravo_is_paid(called, (self.alpha, 408, "no_response"))

    def test_a_vendor_given_up_unheard_answers_late(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        leg = self.b.expect_call(3)
        first.reply(200, sdp=True, to=first.invite)
        first.expect("ACK")
        self.is_told_bye(first)
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), egress_trunk_id=self.bravo["id"], buy_price=Decimal("0.03"))

    def test_100_alone_is_given_up_and_cancelled(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(100)
        first.expect("CANCEL", 3)
        first.reply(200)
        first.reply(487, to=first.invite)
        first.expect("ACK")
        leg = self.bravo_answers(call)
        self.ends(call, leg)
        self.only_bravo_is_paid(called, (self.alpha, 408, "no_progress"))

    # ---- forks

    def test_a_second_answer_from_a_fork_is_hung_up(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        mine, leg.local_tag = leg.local_tag, "thesecondfork"
        leg.reply(200, sdp=True, to=leg.invite)
        for method in ("ACK", "BYE"):
            m = leg.expect(method)
            self.assertEqual(m.tag("To"), "thesecondfork")
        leg.reply(200)
        leg.local_tag = mine
        call.expect_silence(0.2)
        self.ends(call, leg)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.alpha, 200))
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal", hangup_party="caller")

    def test_several_early_dialogs_of_a_vendor_are_one_to_the_caller(self):
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        tags = []
        for fork, code in (("one", 180), ("two", 183), ("three", 180)):
            leg.local_tag = fork
            leg.reply(code, sdp=code == 183 or None)
            tags.append(call.expect(code).tag("To") if fork != "three" else None)
        leg.local_tag = "two"
        leg.reply(200, sdp=leg.sdp_sent)
        ok = call.expect(200)
        call.ack()
        self.assertEqual(leg.expect("ACK").tag("To"), "two")
        self.assertEqual(set(tags[:2]), {ok.tag("To")})
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200)

    def test_media_of_two_early_dialogs_and_the_answer_from_the_second(self):
        """Each 183 brings its own SDP; what the caller is told last is what was answered."""
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        for fork, port in (("one", 41000), ("two", 42000)):
            leg.local_tag = fork
            leg.reply(183, sdp=self.a.sdp(port=port))
            self.assertIn(f"m=audio {port} ", call.expect(183).body)
        leg.reply(200, sdp=leg.sdp_sent)
        ok = call.expect(200)
        self.assertIn("m=audio 42000 ", ok.body)
        call.ack()
        self.assertEqual(leg.expect("ACK").tag("To"), "two")
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, hangup_party="callee")

    # ---- early media

    def test_a_vendor_after_early_media_gets_an_early_dialog_of_its_own(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(183, sdp=True)
        early = call.expect(183)
        first.reply(503)
        leg = self.b.expect_call()
        leg.reply(183, sdp=True)
        later = call.expect(183)
        self.assertNotEqual(early.tag("To"), later.tag("To"))
        leg.reply(200, sdp=leg.sdp_sent)
        ok = call.expect(200)
        self.assertEqual(ok.tag("To"), later.tag("To"))
        call.ack()
        leg.expect("ACK")
        self.crossed(call, leg)       # what was under way is here
        before = call.repeats[200]
        call.expect_silence(7)        # its ACK was taken: no repeats, no hang-up after 64 T1
        self.assertEqual(call.repeats[200], before)
        leg.request("INFO")
        call.expect("INFO")
        call.reply(200)
        leg.expect(200, method="INFO")
        self.ends(call, leg)
        self.only_bravo_is_paid(called, (self.alpha, 503, "failed"))

    def test_the_new_early_dialog_may_be_answered_at_once(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(183, sdp=True)
        early = call.expect(183)
        first.reply(500)
        leg = self.b.expect_call()
        leg.reply(200, sdp=True)
        ok = call.expect(200)
        self.assertNotEqual(early.tag("To"), ok.tag("To"))
        call.ack()
        leg.expect("ACK")
        call.expect_silence(0.5)
        self.assertEqual(call.repeats[200], 0)
        self.ends(leg, call)
        self.only_bravo_is_paid(called, (self.alpha, 500, "failed"))

    def test_a_call_with_a_new_early_dialog_can_be_cancelled(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(183, sdp=True)
        call.expect(183)
        first.reply(503)
        leg = self.b.expect_call()
        leg.reply(183, sdp=True)
        call.expect(183)
        self.cancelled(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487)

    def test_ringing_without_media_keeps_one_to_tag(self):
        called = self.number()
        call = self.caller.invite(called)
        first = self.a.expect_call()
        first.reply(180)
        rang = call.expect(180)
        first.reply(503)
        leg = self.b.expect_call()
        leg.reply(200, sdp=True)
        ok = call.expect(200)
        self.assertEqual(rang.tag("To"), ok.tag("To"))
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    def test_a_trunk_may_forbid_hunting_after_media(self):
        called = self.number()
        call = self.strict["peer"].invite(called)
        first = self.a.expect_call()
        first.reply(183, sdp=True)
        call.expect(183)
        first.reply(503)
        call.expect(503)
        self.b.expect_no_call(0.1)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.alpha, 503))
        self.cdr_says(cdr, sip_code=503, disconnect_reason="vendor_failed")

    # ---- odd answers

    def test_700_is_a_failure_like_any_other(self):
        called = self.number()
        call = self.caller.invite(called)
        self.a.expect_call().reply(700)
        leg = self.bravo_answers(call)
        self.ends(call, leg)
        self.assertEqual(self.stack.api.cdr(called=called)["attempts"][0]["reason"], "failed")

    def test_700_of_the_last_vendor_never_reaches_the_caller(self):
        call = self.caller.invite(self.number())
        self.a.expect_call().reply(503)
        self.b.expect_call().reply(799)
        self.assertIn(call.expect_final().code, (500, 503))

    def contact_of_answers(self, *contact):
        """What alpha's answers name as Contact from now on; nothing: they have none."""
        self.a.edit = lambda m: m.is_request or m.set("Contact", *contact)

    def test_a_contact_with_a_name_is_reached_where_its_answer_came_from(self):
        for contact in ("sip:gw@gateway.invalid", "sip:gw@gateway.invalid:5099;transport=udp"):
            with self.subTest(contact=contact):
                self.contact_of_answers(f"<{contact}>")
                call = self.caller.invite(self.number())
                leg = self.a.expect_call()
                leg.reply(200, sdp=True)
                call.expect(200)
                call.ack()
                self.assertEqual(leg.expect("ACK").uri, contact)
                call.request("INFO")
                leg.expect("INFO")
                leg.reply(200)
                call.expect(200, method="INFO")
                self.ends(call, leg)

    def test_an_answer_without_contact_still_ends(self):
        called = self.number()
        self.contact_of_answers()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
