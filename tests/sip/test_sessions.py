# SPDX-License-Identifier: Apache-2.0
"""Session timers (RFC 4028): each leg by its own terms, the refresher on either side, peers that know nothing of them, 422 in the
dialog."""

import time

from story import Talk

UPDATES = ("Allow", "INVITE, ACK, CANCEL, BYE, UPDATE")
TIMER = ("Supported", "timer")


def terms(m):
    return (m.get("Session-Expires") or "").replace(" ", "")


class Sessions(Talk):
    """A vendor whose trunk asks for sessions of 90 s (numbers with 1), one whose trunk does not (4); customers likewise."""

    @classmethod
    def provision(cls, stack):
        cls.timed = stack.vendor("timed", {"1": "0.01"}, trunk={"session_expires": 90})
        cls.plain = stack.vendor("plain", {"4": "0.01"})
        vendors, rates = [cls.timed, cls.plain], {"1": "0.02", "4": "0.02"}
        cls.wired = stack.vendor("wired", {"7": "0.01"}, peer=stack.peer("wired", transport="tcp"), trunk={"session_expires": 90})
        vendors, rates = [*vendors, cls.wired], {**rates, "7": "0.02"}
        cls.customer = stack.customer("harbour", rates, vendors)
        cls.asking = stack.customer("asking", rates, vendors, trunk={"session_expires": 90})
        cls.vendor = cls.timed

    def begin(self, vendor, answer=(), invite=(), customer=None, prefix=None):
        """An answered call whose INVITE and 200 carry these headers: (call, leg, the 200 that the caller got)."""
        called = self.number(prefix or ("1212" if vendor is self.timed else "4412"))
        call = (customer or self.customer)["peer"].invite(called, headers=invite)
        leg = vendor["peer"].expect_call()
        leg.reply(200, sdp=True, headers=answer)
        ok = call.expect(200)
        call.ack()
        leg.expect("ACK")
        call.called = called
        return call, leg, ok

    def agreed(self, refresher, *more):
        return [("Session-Expires", f"90;refresher={refresher}"), ("Require", "timer"), *more]

    # ---- what takes a minute, all at once

    def test_a_minute_of_refreshes(self):
        """A refresh is due at half of the 90 s; without the peer's the session ends 30 s before its end."""
        began = time.monotonic()
        ours_a, leg_a, ok = self.begin(self.plain, invite=[TIMER, UPDATES, ("Session-Expires", "90;refresher=uas")])
        self.assertEqual((terms(ok), ok.get("Require")), ("90;refresher=uas", None))
        missed, missed_leg, _ = self.begin(self.timed, self.agreed("uas"))
        kept, kept_leg, _ = self.begin(self.timed, self.agreed("uas", UPDATES))
        unaware, unaware_leg, _ = self.begin(self.timed)
        grown, grown_leg, _ = self.begin(self.timed, self.agreed("uac", UPDATES))
        old, old_leg, _ = self.begin(self.timed, self.agreed("uac"))
        hung, hung_leg, _ = self.begin(self.timed, self.agreed("uac"))
        wired, wired_leg, _ = self.begin(self.wired, self.agreed("uac", UPDATES), prefix="7712")
        early = self.customer["peer"].invite(self.number("4412"))
        early_leg = self.plain["peer"].expect_call()
        early_leg.reply(180)
        early.expect(180)
        early.request("UPDATE", headers=[TIMER, ("Session-Expires", "90;refresher=uac")])
        early.expect(200, method="UPDATE")
        ghost, ghost_leg, ok = self.begin(self.plain, customer=self.asking)
        self.assertEqual((terms(ok), ok.get("Require")), ("", None))
        # we refresh the caller
        refresh = ours_a.expect("UPDATE", limit=55)
        self.assertTrue(40 <= time.monotonic() - began <= 52)
        self.assertEqual((terms(refresh), refresh.body, refresh.get("Supported")), ("90;refresher=uac", "", "timer"))
        ours_a.reply(200, headers=self.agreed("uac"))
        # a vendor that wants more than was agreed
        refresh = grown_leg.expect("UPDATE", limit=10)
        self.assertIsNone(refresh.get("Min-SE"))
        grown_leg.reply(422, headers=[("Min-SE", "180")])
        refresh = grown_leg.expect("UPDATE")
        self.assertEqual((terms(refresh), refresh.get("Min-SE")), ("180;refresher=uac", "180"))
        grown_leg.reply(200, headers=[("Session-Expires", "180;refresher=uac"), ("Require", "timer")])
        # a vendor without UPDATE: a re-INVITE that offers what it has
        refresh = old_leg.expect("INVITE", limit=10)
        self.assertEqual((terms(refresh), refresh.body), ("90;refresher=uac", old_leg.invite.body))
        old_leg.reply(200, sdp=True, headers=self.agreed("uac"))
        old_leg.expect("ACK")
        # one that says 100 to it, and then nothing more
        hung_leg.expect("INVITE", limit=10)
        hung_leg.reply(100)
        # over TCP
        wired_leg.expect("UPDATE", limit=10)
        wired_leg.reply(422, headers=[("Min-SE", "120")])
        refresh = wired_leg.expect("UPDATE")
        self.assertEqual(terms(refresh), "120;refresher=uac")
        wired_leg.reply(200, headers=[("Session-Expires", "120;refresher=uac"), ("Require", "timer")])
        # peers without session timers
        for end in (unaware_leg, ghost):
            self.assertEqual(terms(end.expect("OPTIONS", limit=10)), "")
            end.reply(200)
        # a vendor that refreshes, and one that does not
        kept_leg.request("UPDATE", headers=[TIMER, ("Session-Expires", "90;refresher=uac")])
        refreshed = kept_leg.expect(200, method="UPDATE")
        self.assertEqual((terms(refreshed), refreshed.get("Require")), ("90;refresher=uac", "timer"))
        missed.expect("BYE", limit=25)
        missed.reply(200)
        self.is_told_bye(missed_leg)
        self.assertTrue(55 <= time.monotonic() - began <= 68)
        cdr = self.stack.api.cdr(called=missed.called)
        self.cdr_says(cdr, disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        self.assertTrue(59_000 <= cdr["duration_ms"] <= 62_000, cdr["duration_ms"])
        self.is_told_bye(hung, hung_leg)
        self.cdr_says(self.stack.api.cdr(called=hung.called), disconnect_reason="session_expired", hangup_party="switch", sip_code=200)
        # an early dialog has no session that could end
        early.expect_silence(0.01)
        early_leg.reply(200, sdp=True)
        early.expect(200, method="INVITE")
        early.ack()
        early_leg.expect("ACK")
        for one, other in ((wired, wired_leg), (early, early_leg), (ours_a, leg_a), (kept, kept_leg), (unaware, unaware_leg), (grown, grown_leg), (old, old_leg), (ghost, ghost_leg)):
            other.expect_silence(0.01)
            self.ends(one, other)

    # ---- who refreshes, as the messages say

    def test_the_refresher_of_each_leg_is_the_one_that_it_asked_for(self):
        for asked, told in (("90;refresher=uac", "90;refresher=uac"), ("90;refresher=uas", "90;refresher=uas"), ("3600", "3600;refresher=uac")):
            call, leg, ok = self.begin(self.plain, invite=[TIMER, ("Session-Expires", asked)])
            self.assertEqual(terms(ok), told)
            self.assertEqual(ok.get("Require"), "timer" if told.endswith("uac") else None)
            self.assertEqual(terms(leg.invite), "")
            self.ends(call, leg)

    def test_a_proxys_wish_for_a_caller_that_knows_nothing_of_it_is_ours_to_keep(self):
        """RFC 4028 section 9: without timer in Supported the refresher is the UAS."""
        call, leg, ok = self.begin(self.plain, invite=[("Session-Expires", "1800")])
        self.assertEqual((terms(ok), ok.get("Require")), ("", None))
        self.ends(call, leg)

    def test_the_callers_min_se_holds_against_our_wish(self):
        for session, least, told in ((None, "600", "600"), ("1800", "600", "600"), ("1800", None, "90"), ("100", None, "90")):
            headers = [TIMER] + ([("Session-Expires", session)] if session else []) + ([("Min-SE", least)] if least else [])
            call, leg, ok = self.begin(self.plain, invite=headers, customer=self.asking)
            self.assertEqual(terms(ok).split(";")[0], told)
            self.ends(call, leg)

    def test_the_vendors_minimum_is_taken_over_and_grows(self):
        """RFC 4028 section 7.4: each retry names the largest Min-SE that was seen."""
        call = self.customer["peer"].invite(self.number("1212"))
        leg = self.timed["peer"].expect_call()
        self.assertEqual((terms(leg.invite), leg.invite.get("Min-SE")), ("90", None))
        for least in ("600", "1800"):
            leg.reply(422, headers=[("Min-SE", least)])
            leg.expect("ACK")
            again = leg.expect("INVITE")
            self.assertEqual((terms(again), again.get("Min-SE")), (least, least))
        leg.reply(200, sdp=True, headers=[("Session-Expires", "2400;refresher=uas"), ("Require", "timer")])
        self.assertEqual(terms(call.expect(200)), "")
        call.ack()
        leg.expect("ACK")
        call.request("INVITE", call.peer.sdp())
        asked = leg.expect("INVITE")
        self.assertEqual((terms(asked), asked.get("Min-SE")), ("2400;refresher=uas", "1800"))
        leg.reply(200, sdp=True, headers=[("Session-Expires", "2400;refresher=uas")])
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    # ---- inside the dialog

    def test_a_refresh_below_the_minimum_is_422(self):
        call, leg, _ = self.begin(self.timed, self.agreed("uac"), [TIMER, ("Session-Expires", "90;refresher=uac")])
        for one, other in ((call, leg), (leg, call)):
            for method, sdp in (("UPDATE", None), ("UPDATE", one.peer.sdp()), ("INVITE", one.peer.sdp())):
                one.request(method, sdp, headers=[TIMER, ("Session-Expires", "60")])
                self.assertEqual(one.expect(422, method=method).get("Min-SE"), "90")
            other.expect_silence(0.1)
        self.ends(call, leg)

    def test_a_request_that_crosses_keeps_both_sides_sessions(self):
        """Each side is told its own leg's terms: without Session-Expires its timer would be switched off."""
        call, leg, _ = self.begin(self.timed, self.agreed("uas"), [TIMER, ("Session-Expires", "300;refresher=uac")])
        for method in ("INVITE", "UPDATE"):
            call.request(method, call.peer.sdp(), headers=[TIMER, ("Session-Expires", "300;refresher=uac")])
            asked = leg.expect(method)
            self.assertEqual(terms(asked), "90;refresher=uas")
            leg.reply(200, sdp=True, headers=[("Session-Expires", "90;refresher=uas")])
            self.assertEqual(terms(call.expect(200, method=method)), "300;refresher=uac")
            if method == "INVITE":
                call.ack()
                leg.expect("ACK")
        leg.request("INVITE", leg.peer.sdp(), headers=[TIMER, ("Session-Expires", "120;refresher=uac")])
        asked = call.expect("INVITE")
        self.assertEqual(terms(asked), "300;refresher=uas")
        call.reply(200, sdp=True, headers=[("Session-Expires", "300;refresher=uas"), ("Require", "timer")])
        self.assertEqual(terms(leg.expect(200, method="INVITE")), "120;refresher=uac")
        leg.ack()
        call.expect("ACK")
        self.ends(call, leg)

    def test_a_refresh_may_change_who_refreshes(self):
        call, leg, _ = self.begin(self.timed, self.agreed("uac"))
        for wish, told in (("120;refresher=uac", "120;refresher=uac"), ("150;refresher=uas", "150;refresher=uas"), ("150", "150;refresher=uas")):
            leg.request("UPDATE", headers=[TIMER, ("Session-Expires", wish)])
            self.assertEqual(terms(leg.expect(200, method="UPDATE")), told)
        self.ends(call, leg)

    def test_one_sides_422_is_not_the_others(self):
        call, leg, _ = self.begin(self.timed, self.agreed("uac"))
        call.request("INVITE", call.peer.sdp())
        leg.expect("INVITE")
        leg.reply(422, headers=[("Min-SE", "240")])
        leg.expect("ACK")
        self.assertIsNone(call.expect(500, method="INVITE").get("Min-SE"))
        call.request("INVITE", call.peer.sdp())
        asked = leg.expect("INVITE")
        self.assertEqual((terms(asked), asked.get("Min-SE")), ("240;refresher=uac", "240"))
        leg.reply(200, sdp=True, headers=[("Session-Expires", "240;refresher=uac")])
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
