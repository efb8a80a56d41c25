# SPDX-License-Identifier: Apache-2.0
"""Sides that say 100, or agree to CANCEL, and then nothing more: no call may stay in memory for them."""

import time

from story import Talk


class Endless(Talk):
    """T1 is 100 ms: what waits for 64*T1 waits 6.4 s."""

    stack_options = {"settings": {"sip": {"t1": "100ms"}}}
    AUDIT_S = 148 * 0.1  # so long a call that is over may wait for its legs before the audit names it

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def cancel_agreed_to_and_no_more(self):
        call, leg = self.ringing(self.number())
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(200)

    def re_invite_of_the_side_that_hangs_up(self, one, other):
        one.request("INVITE", one.peer.sdp())
        other.expect("INVITE")
        other.reply(100)
        one.request("BYE")
        one.expect(200, method="BYE")
        one.expect(487, method="INVITE")
        self.is_told_bye(other)

    def re_invite_of_the_other_side(self, call, leg):
        leg.request("INVITE", leg.peer.sdp())
        call.expect("INVITE")
        call.reply(100)
        call.request("BYE")
        leg.expect(487, method="INVITE")
        self.is_told_bye(leg)
        call.expect(200, method="BYE")

    def test_what_was_never_ended_is_forgotten(self):
        self.cancel_agreed_to_and_no_more()
        self.re_invite_of_the_side_that_hangs_up(*self.up())
        self.re_invite_of_the_side_that_hangs_up(*reversed(self.up()))
        self.re_invite_of_the_other_side(*self.up())
        end = time.monotonic() + self.AUDIT_S + 2
        while time.monotonic() < end:
            self.stack.audited()
            time.sleep(0.5)

    def test_a_cancelled_re_invite_that_is_never_ended_makes_room_for_the_next(self):
        call, leg = self.up()
        again = call.request("INVITE", call.peer.sdp())
        leg.expect("INVITE")
        leg.reply(180)
        call.expect(180, method="INVITE")
        call.cancel(again)
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        leg.expect("CANCEL")
        leg.reply(200)
        time.sleep(6.4 + 1)
        call.request("INVITE", call.peer.sdp())
        leg.expect("INVITE")
        self.answer(call, leg)
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
