# SPDX-License-Identifier: Apache-2.0
"""What the switch says of itself: Allow, Supported and Accept, in each message that RFC 3261 (sections 8.2, 11, 13, 20), 3262 and 4028
want them in."""

import re

from story import Talk

METHODS = {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO", "PRACK"}


def words(value):
    return set(re.split(r"\s*,\s*", value)) if value else set()


class Capabilities(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.caller = cls.customer["peer"]

    def says_all(self, m):
        self.assertEqual(words(m.get("Allow")), METHODS)
        self.assertEqual(words(m.get("Supported")), {"timer", "100rel"})

    def asked(self, method):
        """A request outside any call; its answer."""
        call = self.caller.call_new("4930123456", "12125550100")
        call.request(method)
        return call.take(lambda m: m.method == method)

    def test_options_outside_a_call(self):
        answer = self.asked("OPTIONS")
        self.assertEqual((answer.code, answer.get("Accept")), (200, "application/sdp"))
        self.says_all(answer)

    def test_options_inside_a_call(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            one.request("OPTIONS")
            answer = one.expect(200, method="OPTIONS")
            self.assertEqual(answer.get("Accept"), "application/sdp")
            self.says_all(answer)
            other.expect_silence(0.05)
        self.ends(call, leg)

    def test_an_invite_and_what_answers_it(self):
        """RFC 4028 section 7.1: timer in each request, with or without Session-Expires. 100rel is offered by the leg's own terms."""
        call = self.caller.invite(self.number())
        leg = self.vendor["peer"].expect_call()
        self.assertEqual((words(leg.invite.get("Allow")), leg.invite.get("Supported"), leg.invite.get("Session-Expires")),
                         (METHODS, "timer", None))
        leg.reply(180)
        self.assertEqual(words(call.expect(180).get("Allow")), METHODS)
        self.answer(call, leg)
        self.says_all(call.last_reply)
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            asked = other.expect("INVITE")
            self.assertEqual((words(asked.get("Allow")), asked.get("Supported")), (METHODS, "timer"))
            self.answer(one, other)
        self.ends(call, leg)

    def test_a_method_that_nobody_has(self):
        for method, code in (("SUBSCRIBE", 405), ("REFER", 405), ("DANCE", 501)):
            answer = self.asked(method)
            self.assertEqual((answer.code, words(answer.get("Allow"))), (code, METHODS), method)
        call, leg = self.up()
        for method, code in (("SUBSCRIBE", 405), ("DANCE", 501)):
            call.request(method)
            self.assertEqual(words(call.expect(code, method=method).get("Allow")), METHODS)
        self.ends(call, leg)

    def test_refusals_of_vendors_are_whole_when_they_reach_the_caller(self):
        """405 says what is allowed, 415 what is understood (RFC 3261 section 21.4)."""
        for code, header, value in ((405, "Allow", METHODS), (415, "Accept", {"application/sdp"})):
            call = self.caller.invite(self.number())
            leg = self.vendor["peer"].expect_call()
            leg.reply(code)
            leg.expect("ACK")
            self.assertEqual(words(call.expect(code).get(header)), value)

    def test_an_extension_that_nobody_has_is_named(self):
        for method in ("INVITE", "OPTIONS"):
            call = self.caller.call_new("4930123456", self.number())
            call.invite = call.request(method, headers=[("Require", "timer, wishful-thinking, 100rel")])
            answer = call.take(lambda m, asked=method: m.method == asked and m.code != 100)
            self.assertEqual((answer.code, answer.get("Unsupported")), (420, "wishful-thinking"))
