# SPDX-License-Identifier: Apache-2.0
"""Ghost calls: a side that has gone without a word. Where no session timer runs, OPTIONS inside the call finds it out, on either leg."""

from story import Talk


class Ghosts(Talk):
    """Sides are asked every second; T1 is 100 ms, so silence is taken for absence after 6.4 s."""

    stack_options = {"settings": {"sip": {"dialog_check": "1s", "t1": "100ms"}}}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def setUp(self):
        super().setUp()
        for peer in (self.customer["peer"], self.vendor["peer"]):
            peer.mute = False

    def asked(self, end, code=200):
        end.expect("OPTIONS", limit=3)
        end.reply(code)

    def asked_until_bye(self, end):
        while True:
            m = end.take(lambda m: m.method in ("OPTIONS", "BYE"), 3)
            end.reply(200, to=m)
            if m.method == "BYE":
                break

    def told_expired(self, called, end):
        end.expect("BYE", limit=10)
        end.reply(200)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="session_expired", hangup_party="switch", sip_code=200)

    def test_both_sides_are_asked_and_whoever_answers_talks_on(self):
        call, leg = self.up()
        for code in (200, 405, 501):
            for end in (call, leg):
                self.asked(end, code)
        self.ends(call, leg)

    def test_a_vendor_that_vanished_ends_the_call(self):
        called = self.number()
        call, leg = self.up(called)
        self.vendor["peer"].mute = True
        for _ in range(4):
            self.asked(call)
        self.asked_until_bye(call)
        self.assertTrue(leg.repeats["OPTIONS"] >= 3)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="session_expired", hangup_party="switch")

    def test_a_caller_that_vanished_ends_the_call(self):
        called = self.number()
        call, leg = self.up(called)
        self.customer["peer"].mute = True
        self.asked_until_bye(leg)
        self.assertTrue(call.repeats["OPTIONS"] >= 3)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="session_expired", hangup_party="switch")

    def test_a_side_that_forgot_the_call_ends_it_at_once(self):
        for forgetful in (0, 1):
            with self.subTest(side=("caller", "vendor")[forgetful]):
                called = self.number()
                ends = self.up(called)
                other = ends[1 - forgetful]
                self.asked(ends[forgetful], 481)
                m = other.take(lambda m: m.method in ("OPTIONS", "BYE"), 3)
                other.reply(200, to=m)
                if m.method == "OPTIONS":
                    self.is_told_bye(other)
                self.is_told_bye(ends[forgetful])
                self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="session_expired", hangup_party="switch")

    def test_zz_nothing_is_left(self):
        for peer in (self.customer["peer"], self.vendor["peer"]):
            peer.mute = False
        self.nothing_left()
