# SPDX-License-Identifier: Apache-2.0
"""mode proxy: a call whose BYE was lost, or whose end has crashed. Where no session timer runs, both ends are asked by OPTIONS inside
the dialog; where one is gone, the other is hung up, and only then the record ends."""

import time

from story import Proxied
from story.process import wait_for


class Asked(Proxied):
    """Ends are asked every second; T1 is 100 ms, so silence is taken for absence after 6.4 s."""

    stack_options = {"workers": 2, "settings": {"sip": {"dialog_check": "1s", "t1": "100ms"}}}

    def setUp(self):
        super().setUp()
        self.caller.mute = self.a.mute = False

    def asked(self, end, code=200, limit=3):
        question = end.expect("OPTIONS", limit)
        end.reply(code)
        return question

    def asks_on(self, end, until, code=200):
        """That end answers questions until a request with that method comes, which is returned unanswered."""
        while True:
            m = end.take(lambda m: m.is_request, 10)
            end.last_request = m
            if m.method == until:
                return m
            end.reply(code)

    def expired(self, called, limit=5):
        cdr = self.stack.api.cdr(limit, called=called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        return cdr

    def test_whoever_answers_talks_on_and_no_count_is_disturbed(self):
        called = self.number()
        call, leg = self.up(called)
        for code in (200, 405, 500):
            to_caller, to_callee = self.asked(call, code), self.asked(leg, code)
            for question, tags, seq in ((to_caller, (leg.local_tag, call.local_tag), 0),
                                        (to_callee, (call.local_tag, leg.local_tag), leg.invite.cseq)):
                self.assertEqual((question.get("Call-ID"), question.tag("From"), question.tag("To"), question.cseq),
                                 (call.call_id, *tags, seq))
                self.assertEqual((len(question.all("Via")), question.get("Contact"), question.all("Record-Route")), (1, None, []))
        self.assertEqual((to_caller.uri, to_callee.uri), (self.caller.contact, self.a.contact))
        self.assertEqual(self.shown(called)["state"], "answered")
        leg.request("BYE")
        self.asks_on(call, "BYE")
        call.reply(200)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_an_end_that_forgot_the_call(self):
        """Its BYE was lost: the other one gets it now, as if from it."""
        for forgetful, code in ((0, 481), (1, 481), (0, 408)):
            with self.subTest(side=("caller", "vendor")[forgetful], code=code):
                called = self.number()
                ends = self.up(called)
                one, other = ends[forgetful], ends[1 - forgetful]
                time.sleep(0.2)
                self.asked(one, code)
                bye = self.asks_on(other, "BYE")
                self.assertEqual((bye.tag("From"), bye.tag("To"), bye.cseq), (one.local_tag, other.local_tag, 2 ** 31 - 1))
                self.assertEqual(self.stack.api.items("/v1/cdrs", called=called), [])
                other.reply(200)
                self.expired(called)

    def test_an_end_that_vanished(self):
        for gone in (0, 1):
            with self.subTest(side=("caller", "vendor")[gone]):
                called = self.number()
                ends = self.up(called)
                ends[gone].peer.mute = True
                self.asks_on(ends[1 - gone], "BYE")
                ends[1 - gone].reply(200)
                self.expired(called)
                self.assertGreaterEqual(ends[gone].repeats["OPTIONS"], 3)
                ends[gone].peer.mute = False

    def test_both_have_vanished(self):
        called = self.number()
        self.up(called)
        self.caller.mute = self.a.mute = True
        self.expired(called, 20)

    def test_who_feigns_to_be_gone_is_billed_while_the_other_talks(self):
        """The vendor does not take the BYE: it goes on, and so does the record."""
        called = self.number()
        call, leg = self.up(called)
        self.asked(call, 481)
        self.asks_on(leg, "BYE")
        leg.reply(403)
        self.asked(call, 481)
        self.assertEqual(self.shown(called)["state"], "answered")
        self.asks_on(leg, "BYE")
        leg.reply(481)
        self.assertGreaterEqual(self.expired(called)["duration_ms"], 2000)

    def test_questions_go_by_the_ways_of_the_dialog(self):
        """The vendor's side has a proxy, which stays silent: nobody can be hung up there, so it is over."""
        entry = f"<sip:{self.b.host}:{self.b.port};lr>"
        self.records_route(self.a, entry)
        called = self.number()
        call = self.caller.invite(called)
        leg = self.a.expect_call()
        leg.reply(200, sdp=True)
        call.expect(200, method="INVITE")
        call.ack()
        self.asked(call, 481)
        bye = wait_for("BYE at the vendor's proxy", lambda: next((m for m in self.b.stray if m.method == "BYE"), None))
        self.assertEqual((bye.uri, bye.all("Route"), bye.tag("To")), (self.a.contact, [entry], leg.local_tag))
        self.expired(called, 10)

    def test_with_a_session_timer_nobody_is_asked(self):
        called = self.number()
        call = self.caller.invite(called, headers=[("Supported", "timer"), ("Session-Expires", "600;refresher=uac")])
        leg = self.a.expect_call()
        leg.reply(200, sdp=True, headers=[("Session-Expires", "600;refresher=uac"), ("Require", "timer")])
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        leg.expect_silence(2.5)
        call.expect_silence(0.1)
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
