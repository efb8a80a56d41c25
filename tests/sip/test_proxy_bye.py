# SPDX-License-Identifier: Apache-2.0
"""mode proxy: a record ends when a BYE has ended the call, and not when it was only sent (RFC 3261 section 15)."""

import time

from story import Proxied
from story.base import time_of


class Agreed(Proxied):
    """The other end has the last word, the sender's BYE the moment."""

    def goes_on(self, called):
        self.assertEqual(self.shown(called)["state"], "answered")
        self.assertEqual(self.stack.api.items("/v1/cdrs", called=called), [])

    def test_the_talk_ends_when_the_bye_came_and_not_when_it_was_answered(self):
        for one_calls in (True, False):
            with self.subTest(caller=one_calls):
                called, began = self.number(), time.monotonic()
                call, leg = self.up(called)
                one, other = (call, leg) if one_calls else (leg, call)
                time.sleep(1.2)
                one.request("BYE")
                other.expect("BYE")
                lasted = time.monotonic() - began
                time.sleep(2)
                self.goes_on(called)
                other.reply(200)
                one.expect(200, method="BYE")
                cdr = self.stack.api.cdr(called=called)
                self.assertTrue(1200 <= cdr["duration_ms"] <= 1000 * lasted, f"{lasted} s until its BYE: {cdr}")
                self.cdr_says(cdr, disconnect_reason="normal", hangup_party="caller" if one_calls else "callee",
                              sell_billed_s=-(-cdr["duration_ms"] // 1000))
                self.assertEqual(round((time_of(cdr["ended_at"]) - time_of(cdr["answered_at"])).total_seconds() * 1000), cdr["duration_ms"])
                left = time_of(cdr["attempts"][0]["ended_at"]) - time_of(cdr["ended_at"])
                self.assertLessEqual(abs(left.total_seconds()), 0.001)

    def test_a_refused_bye_ends_nothing(self):
        """A challenge, a fault, a BYE out of order: the call goes on, and so does its record."""
        called = self.number()
        call, leg = self.up(called)
        for code in (401, 403, 407, 483, 500, 603):
            self.passes(call, leg, "BYE", code)
            self.passes(leg, call, "BYE", code)
        self.passes(call, leg, "INFO")
        self.goes_on(called)
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_a_challenged_bye_is_sent_again(self):
        called = self.number()
        call, leg = self.up(called)
        self.passes(call, leg, "BYE", 407)
        time.sleep(1.2)
        self.passes(call, leg, "BYE", headers=[("Proxy-Authorization", 'Digest username="u", realm="r", nonce="n", uri="u", response="0"')])
        self.assertGreaterEqual(self.stack.api.cdr(called=called)["duration_ms"], 1200)

    def test_an_end_that_knows_the_call_no_more(self):
        for code in (481, 408):
            called = self.number()
            call, leg = self.up(called)
            self.passes(call, leg, "BYE", code)
            self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller")

    def test_both_hang_up_at_once(self):
        """RFC 5407 section 3.2.1."""
        called = self.number()
        call, leg = self.up(called)
        with self.pause_switch():
            call.request("BYE")
            leg.request("BYE")
            time.sleep(0.2)
        self.is_told_bye(call, leg)
        for end in (call, leg):
            end.expect(200, method="BYE")
        self.cdr_says(self.cdrs(called, 1)[0], disconnect_reason="normal")

    def test_a_bye_of_the_early_dialog_that_crosses_the_answer(self):
        """It came before the answer and is agreed to after it: the call is over, and nothing was talked."""
        called = self.number()
        call, leg = self.ringing(called)
        call.request("BYE")
        leg.expect("BYE")
        bye = leg.last_request
        self.answer(call, leg)
        leg.reply(200, to=bye)
        call.expect(200, method="BYE")
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="normal", hangup_party="caller", duration_ms=0)

    def test_killed_between_the_bye_and_its_answer(self):
        """The record is recovered; the BYE that is repeated passes the new process."""
        called = self.number()
        call, leg = self.up(called)
        time.sleep(1.2)
        call.request("BYE")
        leg.expect("BYE")
        self.stack.node.kill()
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="switch_restart", recovered=True, sip_code=200)
        leg.expect("BYE", limit=10)
        leg.reply(200)
        call.expect(200, method="BYE")
        self.assertEqual(len(self.cdrs(called, 1)), 1)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Unanswered(Proxied):
    """T1 is short: 64 of it are 6.4 s."""

    stack_options = {"settings": {"sip": {"t1": "100ms"}}}

    def test_nobody_answers_the_bye(self):
        called = self.number()
        call, leg = self.up(called)
        time.sleep(1)
        leg.peer.mute = True
        call.request("BYE")
        leg.expect("BYE")
        call.expect(408, limit=15, method="BYE")
        leg.peer.mute = False
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="normal", hangup_party="caller")
        self.assertTrue(1000 <= cdr["duration_ms"] < 2500, cdr)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Workers(Agreed):
    """The BYE passes on one worker, the call is another's."""

    stack_options = {"workers": 2}
