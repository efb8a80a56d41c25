# SPDX-License-Identifier: Apache-2.0
"""RFC 5407: messages that meet on the wire. Each call ends on both sides, and its CDR says what was agreed."""

from decimal import Decimal

from story import Talk


class Races(Talk):
    """T1 is 100 ms: what is repeated, and given up after 64 T1, comes soon."""

    stack_options = {"settings": {"sip": {"t1": "100ms"}}}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    # ---- CANCEL

    def test_cancel_crosses_the_answer_that_was_sent_already(self):
        called = self.number()
        call, leg = self.ringing(called)
        leg.reply(200, sdp=True)
        leg.expect("ACK")             # so the switch has answered the caller, too
        call.cancel()
        call.expect(200, method="INVITE")
        call.expect((200, 481), method="CANCEL")
        call.ack()
        call.expect_silence(0.02)     # or it would have lasted less than a millisecond
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", hangup_party="caller",
                      sell_billed_s=1)

    def test_the_vendors_answer_crosses_cancel(self):
        called = self.number()
        call, leg = self.ringing(called)
        with self.pause_switch():
            call.cancel()
            leg.reply(200, sdp=True)
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(200)
        leg.expect("ACK")
        self.is_told_bye(leg)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=487, disconnect_reason="cancelled", hangup_party="caller", duration_ms=0, answered_at=None,
                      sell_amount=Decimal(0), buy_amount=Decimal(0))

    def test_an_answer_before_cancel_in_the_same_moment_stands(self):
        called = self.number()
        call, leg = self.ringing(called)
        with self.pause_switch():
            leg.reply(200, sdp=True)
            call.cancel()
        call.expect(200, method="INVITE")
        call.expect((200, 481), method="CANCEL")
        call.ack()
        leg.expect("ACK")
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", hangup_party="callee")

    def test_a_vendor_that_was_silent_answers_after_cancel(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.reply(200, sdp=True)
        leg.expect("ACK")
        self.is_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", sip_code=487, buy_amount=Decimal(0))

    def test_cancel_crosses_the_vendors_refusal(self):
        called = self.number()
        call, leg = self.ringing(called)
        with self.pause_switch():
            call.cancel()
            leg.reply(486)
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(481)                # the INVITE is answered
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled")

    def test_a_refusal_before_cancel_in_the_same_moment_stands(self):
        called = self.number()
        call, leg = self.ringing(called)
        with self.pause_switch():
            leg.reply(486)
            call.cancel()
        call.expect(486, method="INVITE")
        call.expect((200, 481), method="CANCEL")
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=486, disconnect_reason="busy", hangup_party="callee")

    # ---- repeats

    def test_a_repeated_invite_is_one_call(self):
        called = self.number()
        call, leg = self.ringing(called)
        for _ in range(3):
            call.repeat(call.invite)
        self.assertTrue(call.repeated(180, 3), "the last answer is given again")
        self.vendor["peer"].expect_no_call(0.3)
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdrs(called, 1)

    def test_the_callers_next_try_is_a_call_of_its_own(self):
        called = self.number()
        call, leg = self.ringing(called)
        leg.reply(486)
        call.expect(486)
        call.invite_again()
        leg = self.vendor["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        self.ends(call, leg)
        first, second = self.cdrs(called, 2)
        self.assertEqual([first["sip_code"], second["sip_code"]], [486, 200])
        self.assertEqual(first["a_call_id"], second["a_call_id"])

    # ---- ACK

    def test_a_lost_ack_ends_the_call_after_64_t1(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        leg.expect("ACK")
        leg.expect("BYE", 8)
        leg.reply(200)
        call.expect("BYE")
        call.reply(200)
        self.assertGreaterEqual(call.repeats[200], 5, "the answer was repeated")
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=200, disconnect_reason="no_ack", hangup_party="switch")
        self.assertTrue(6000 <= cdr["duration_ms"] < 7500, cdr["duration_ms"])

    def test_the_ack_of_a_repeated_answer_is_enough(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        leg.expect("ACK")
        self.assertTrue(call.repeated(200, 2), "an answer without its ACK is repeated")
        call.ack()
        self.crossed(call, leg)       # what was under way is here
        before = call.repeats[200]
        call.expect_silence(0.9)
        self.assertEqual(call.repeats[200], before, "repeats went on after the ACK")
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_a_repeated_answer_of_the_vendor_gets_its_ack_again(self):
        call, leg = self.up()
        answer = leg.answers[leg._key(leg.invite)]
        for n in range(1, 4):
            leg.repeat(answer)
            self.assertTrue(leg.repeated("ACK", n), "the ACK was not repeated")
        self.ends(call, leg)

    # ---- BYE

    def test_bye_crosses_bye(self):
        called = self.number()
        call, leg = self.up(called)
        with self.pause_switch():
            call.request("BYE")
            leg.request("BYE")
        call.expect(200, method="BYE")
        leg.expect("BYE")
        leg.reply(200)
        leg.expect(200, method="BYE")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller", sip_code=200)

    def test_bye_crosses_bye_the_vendors_first(self):
        called = self.number()
        call, leg = self.up(called)
        with self.pause_switch():
            leg.request("BYE")
            call.request("BYE")
        leg.expect(200, method="BYE")
        call.expect("BYE")
        call.reply(200)
        call.expect(200, method="BYE")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee", sip_code=200)

    def test_bye_before_ack(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(200, sdp=True)
        answer = call.expect(200)
        call.request("BYE")
        call.expect(200, method="BYE")
        leg.expect("ACK")
        self.is_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", hangup_party="caller")
        call.last_reply = answer
        call.ack()                    # it comes late, and ends the repeats of the answer
        call.request("OPTIONS")
        call.take(lambda m: m.method == "OPTIONS")  # what was under way is here
        before = call.repeats[200]
        call.expect_silence(1.2)
        self.assertEqual(call.repeats[200], before, "repeats went on after the ACK")

    def test_the_vendors_bye_before_the_callers_ack(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        leg.expect("ACK")
        leg.request("BYE")
        leg.expect(200, method="BYE")
        call.expect_silence(0.3)      # RFC 3261 section 15: no BYE to the caller before its ACK
        call.ack()
        self.is_told_bye(call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_bye_of_a_caller_on_an_early_dialog_gives_the_call_up(self):
        called = self.number()
        call, leg = self.ringing(called)
        call.request("BYE")
        call.expect(200, method="BYE")
        call.expect(487, method="INVITE")
        self.is_cancelled(leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=487, disconnect_reason="cancelled", hangup_party="caller", duration_ms=0)

    def test_bye_of_a_vendor_on_an_early_dialog_is_refused(self):
        called = self.number()
        call, leg = self.ringing(called)
        leg.request("BYE")
        leg.expect(481, method="BYE")
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_a_bye_that_nobody_answers_keeps_nothing(self):
        called = self.number()
        call, leg = self.up(called)
        call.request("BYE")
        call.expect(200, method="BYE")
        leg.expect("BYE")             # and nothing said to it, nor to its repeats
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller")

    def test_a_bye_after_the_end_is_481(self):
        call, leg = self.up()
        self.ends(call, leg)
        for end in (call, leg):
            end.request("BYE")
            end.expect((200, 481), method="BYE")

    # ---- inside a call

    def test_bye_of_the_vendor_during_the_callers_re_invite(self):
        called = self.number()
        call, leg = self.up(called)
        call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        leg.request("BYE")
        leg.expect(200, method="BYE")
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        self.refused_and_told_bye(call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def refused_and_told_bye(self, call):
        """A final answer to the re-INVITE and a BYE, in either order."""
        first = call.take(lambda m: m.method == "BYE" or (m.code or 0) >= 300)
        if first.is_request:
            call.reply(200, to=first)
            call.take(lambda m: m.method == "INVITE" and m.code >= 300)
        else:
            self.is_told_bye(call)

    def test_bye_of_the_caller_during_its_own_re_invite(self):
        called = self.number()
        call, leg = self.up(called)
        call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        call.request("BYE")
        for _ in range(2):            # the answers to both, in either order
            m = call.take(lambda m: (m.method == "BYE" and m.code == 200) or (m.method == "INVITE" and m.code >= 300))
        self.is_told_bye(leg)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller")

    def test_bye_crosses_the_answer_to_a_re_invite(self):
        called = self.number()
        call, leg = self.up(called)
        call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        with self.pause_switch():
            call.request("BYE")
            leg.reply(200, sdp=True, to=leg.last_invite)
        for _ in range(2):
            call.take(lambda m: (m.method == "BYE" and m.code == 200) or (m.method == "INVITE" and m.code >= 200))
        self.acknowledged_and_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller")

    def acknowledged_and_told_bye(self, leg):
        """The ACK of its answer and a BYE, in either order."""
        for _ in range(2):
            m = leg.take(lambda m: m.method in ("ACK", "BYE"))
            if m.method == "BYE":
                leg.reply(200, to=m)

    def test_re_invites_meet(self):
        called = self.number()
        call, leg = self.up(called)
        with self.pause_switch():
            call.request("INVITE", self.customer["peer"].sdp())
            leg.request("INVITE", self.vendor["peer"].sdp())
        leg.expect("INVITE")
        leg.expect(491, method="INVITE")
        leg.reply(491, to=leg.last_invite)
        call.expect(491, method="INVITE")
        leg.expect("ACK")
        leg.request("INVITE", self.vendor["peer"].sdp())  # the one that waited less tries again
        call.expect("INVITE")
        self.answer(leg, call)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_a_cancelled_re_invite_leaves_the_call_as_it_was(self):
        call, leg = self.up()
        again = call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        leg.reply(180)
        call.expect(180)
        self.cancelled(call, leg, again)
        call.request("INFO")
        leg.expect("INFO")
        leg.reply(200)
        call.expect(200, method="INFO")
        self.ends(call, leg)

    def test_cancel_of_a_re_invite_crosses_its_answer(self):
        """The caller was told 487, the vendor had agreed: they no longer see the same session, so the call ends."""
        called = self.number()
        call, leg = self.up(called)
        again = call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        leg.reply(180)
        call.expect(180)
        with self.pause_switch():
            call.cancel(again)
            leg.reply(200, sdp=True, to=leg.last_invite)
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(200)
        self.acknowledged_and_told_bye(leg)
        self.is_told_bye(call)
        self.cdr_says(self.stack.api.cdr(called=called), hangup_party="switch", sip_code=200)

    def test_update_during_a_re_invite_is_refused(self):
        call, leg = self.up()
        call.request("INVITE", self.customer["peer"].sdp())
        leg.expect("INVITE")
        leg.request("UPDATE", self.vendor["peer"].sdp())
        m = call.take(lambda m: m.method == "UPDATE", 1) if self.passed_on(call, "UPDATE") else None
        if m is not None:
            call.reply(491, to=m)
        leg.expect((491, 500), method="UPDATE")
        self.answer(call, leg)
        self.ends(call, leg)

    def passed_on(self, end, method):
        """Has the switch left the refusal to the other side?"""
        with end.news:
            end.news.wait_for(lambda: any(m.method == method for m in end.waiting), 0.3)
            return any(m.method == method for m in end.waiting)

    def test_updates_meet(self):
        call, leg = self.up()
        with self.pause_switch():
            call.request("UPDATE", self.customer["peer"].sdp())
            leg.request("UPDATE", self.vendor["peer"].sdp())
        for end in (call, leg):
            if self.passed_on(end, "UPDATE"):
                end.expect("UPDATE")
                end.reply(491)
        for end in (call, leg):
            end.expect((491, 500), method="UPDATE")
        self.ends(call, leg)

    # ---- the end of this file's calls: run last, by its name

    def test_zz_nothing_is_left(self):
        self.nothing_left()
