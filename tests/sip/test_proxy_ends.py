# SPDX-License-Identifier: Apache-2.0
"""mode proxy: what ends a record when no BYE does."""

import time

from story import Proxied


class Ends(Proxied):
    mode = {"mode": "proxy", "session_expires": 1800}

    @classmethod
    def provision(cls, stack):
        super().provision(stack)

    def talking(self, called, supported, headers):
        call = self.caller.invite(called, headers=[("Supported", supported)])
        leg = self.a.expect_call()
        self.assertEqual(leg.invite.get("Session-Expires"), "1800")
        leg.reply(200, sdp=True, headers=headers)
        said = call.expect(200)
        call.ack()
        leg.expect("ACK")
        return call, leg, said

    def test_a_session_timer_is_asked_for(self):
        """RFC 4028 section 8: where only the caller knows it, the caller is told to refresh; where nobody does, nothing is said."""
        for supported, headers, told, required in (
                ("timer", [], "1800;refresher=uac", "timer"), ("path", [], None, None),
                ("timer", [("Session-Expires", "900;refresher=uas"), ("Require", "timer")], "900;refresher=uas", "timer")):
            with self.subTest(supported=supported, headers=headers):
                call, leg, said = self.talking(self.number(), supported, headers)
                self.assertEqual((said.get("Session-Expires"), said.get("Require")), (told, required))
                self.ends(call, leg)
        call = self.caller.invite(self.number(), headers=[("Session-Expires", "60")])
        self.assertEqual(call.expect_final().get("Min-SE"), "90")

    def test_a_missed_refresh_ends_the_record(self):
        called = self.number()
        call, leg, _ = self.talking(called, "timer", [("Session-Expires", "900;refresher=uac")])
        self.passes(call, leg, "INFO")
        call.request("UPDATE", headers=[("Session-Expires", "1800;refresher=uac"), ("Supported", "timer")])
        leg.expect("UPDATE")
        leg.reply(200, headers=[("Session-Expires", "2;refresher=uac")])
        call.expect(200, method="UPDATE")
        self.is_told_bye(leg, call)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        self.assertTrue(2000 <= cdr["duration_ms"] < 5000, cdr)

    def test_nobody_talks_on_without_a_record_by_missing_a_refresh(self):
        """The callee knows better and refuses the BYE: the record goes on with the call, and the session's next end is another try."""
        called = self.number()
        call, leg, _ = self.talking(called, "timer", [("Session-Expires", "2;refresher=uac")])
        leg.expect("BYE")
        leg.reply(403)
        self.passes(call, leg, "INFO")
        self.assertEqual(self.shown(called)["state"], "answered")
        self.is_told_bye(leg, call)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        self.assertTrue(4000 <= cdr["duration_ms"] < 8000, cdr)

    def test_a_switch_that_is_killed(self):
        """The record is recovered; what ends the call still passes, what would begin anything does not."""
        called = self.number()
        call, leg = self.up(called)
        time.sleep(1.2)
        self.stack.node.kill()
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="switch_restart", recovered=True, sip_code=200)
        call.request("INVITE", self.caller.sdp())
        call.expect(481, method="INVITE")
        self.ends(leg, call)
        self.assertEqual(len(self.cdrs(called, 1)), 1)

    def test_a_switch_that_stops(self):
        called = self.number()
        call, leg = self.up(called)
        ringing, other = self.ringing(self.number())
        self.stack.node.stop()
        ringing.expect(503, method="INVITE")
        self.stack.node.start()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="switch_restart", recovered=False)
        self.ends(call, leg)
        other.expect("CANCEL")

    def test_zz_nothing_is_left(self):
        self.nothing_left()
