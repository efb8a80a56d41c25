# SPDX-License-Identifier: Apache-2.0
"""INVITE with Replaces (RFC 3891): another phone of the customer's takes the caller's place. It stays one call, with one CDR for all of
its time; the INVITE that took over has a CDR of its own with nothing to pay."""

import time

from story import Talk, wait_for
from story.base import amount


class Replaces(Talk):
    stack_options = {"workers": 2}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.phone, cls.other = stack.peer("phone"), stack.peer("other")
        cidrs = [f"{p.host}/32" for p in (cls.phone, cls.other)]
        cls.customer = stack.customer("harbour", {"1": {"price": "0.06", "connect_fee": "0.5"}}, [cls.vendor], peer=cls.phone,
                                      trunk={"allow_refer": True, "source_cidrs": cidrs})
        cls.stranger = stack.customer("stranger", {"1": "0.06"}, [cls.vendor], trunk={"allow_refer": True})
        cls.strict = stack.customer("strict", {"1": "0.06"}, [cls.vendor])

    def none_shows(self):
        """Both phones are the same customer's: what one is told of the other is what it told itself."""

    @staticmethod
    def dialog(call, more=""):
        return ("Replaces", f"{call.call_id};to-tag={call.remote_tag};from-tag={call.local_tag}{more}")

    def takes(self, call, peer=None, more="", **invite):
        """The other phone's INVITE, to where the dialog's requests go: it reaches the worker that has the call."""
        return (peer or self.other).invite("", uri=call.target, headers=[self.dialog(call, more), ("Require", "replaces")], **invite)

    def record(self, call):
        """The CDR of that Call-ID of a caller's."""
        found = wait_for("its CDR", lambda: self.stack.postgres.psql(f"select id from cdrs where a_call_id = '{call.call_id}'"))
        self.assertEqual(len(found.split()), 1)
        return self.stack.api.get(f"/v1/cdrs/{found}")

    def taken(self, call, leg, sdp=True):
        """Up to the replaced phone's BYE; the new caller."""
        new = self.takes(call, sdp=sdp)
        asked = leg.expect("INVITE")
        self.assertEqual((asked.uri, asked.tag("To")), (leg.peer.contact, leg.local_tag))
        leg.reply(200, sdp=leg.peer.sdp(port=43000))
        ok = new.expect(200)
        self.assertIn("m=audio 43000", ok.body)
        self.assertIn("replaces", ok.get("Supported"))
        if sdp:
            self.assertEqual([line for line in asked.body.splitlines() if line[0] == "c"], [f"c=IN IP4 {new.peer.host}"])
            new.ack()
            self.assertEqual(leg.expect("ACK").body, "")
        else:
            self.assertEqual(asked.body, "")
            new.ack(new.peer.sdp(port=44000))
            self.assertIn("m=audio 44000", leg.expect("ACK").body)
        self.is_told_bye(call)
        return new

    def goes_on(self, call, leg):
        """... as if nothing had been asked for."""
        call.request("INFO")
        leg.expect("INFO")
        leg.reply(200)
        call.expect(200, method="INFO")
        self.ends(call, leg)

    def refused(self, new, code, reason="rejected"):
        new.expect(code)
        self.cdr_says(self.record(new), sip_code=code, disconnect_reason=reason, duration_ms=0, sell_amount=None)

    # ---- it is taken over

    def test_the_call_goes_on_with_the_other_phone(self):
        for sdp in (True, None):
            with self.subTest(sdp=sdp):
                called = self.number()
                began = time.monotonic()
                call, leg = self.up(called)
                new = self.taken(call, leg, sdp)
                for one, other in ((new, leg), (leg, new)):
                    one.request("INVITE", one.peer.sdp(port=45000))
                    self.assertIn("m=audio 45000", other.expect("INVITE").body)
                    self.answer(one, other)
                wait_for("one live call", lambda called=called: len([c for c in self.stack.api.items("/v1/calls") if c["called"] == called]) == 1)
                time.sleep(1.1)
                self.ends(new, leg)
                lasted = time.monotonic() - began
                cdr = self.cdrs(called, 1)[0]
                self.assertTrue(1100 <= cdr["duration_ms"] <= lasted * 1000, cdr["duration_ms"])
                billed, sell = amount("0.06", -(-cdr["duration_ms"] // 1000), fee="0.5")
                self.cdr_says(cdr, disconnect_reason="normal", hangup_party="caller", sip_code=200, a_call_id=call.call_id,
                              sell_billed_s=billed, sell_amount=sell, buy_amount=amount("0.02", billed)[1])
                took = self.record(new)
                self.cdr_says(took, sip_code=200, disconnect_reason="normal", duration_ms=0, answered_at=None, attempts=[],
                              sell_amount=None, egress_trunk_id=None, ingress_trunk_id=self.customer["id"])
                self.assertEqual((took["trace"]["outcome"], took["trace"]["reason"]), ("taken_over", f"in place of the caller of {cdr['id']}"))

    def test_the_vendor_may_hang_up_and_the_place_may_change_hands_again(self):
        call, leg = self.up()
        new = self.taken(call, leg)
        self.other, self.phone = self.phone, self.other
        try:
            last = self.taken(new, leg)
        finally:
            self.other, self.phone = self.phone, self.other
        self.ends(leg, last)

    def test_a_replaced_phone_that_hangs_up_itself_ends_nothing(self):
        call, leg = self.up()
        new = self.takes(call)
        leg.expect("INVITE")
        leg.reply(200, sdp=True)
        new.expect(200)
        call.request("BYE")
        new.ack()
        leg.expect("ACK")
        call.take(lambda m: m.method == "BYE")
        call.reply(200, to=next(m for m in call.got if m.is_request and m.method == "BYE"))
        self.goes_on(new, leg)

    # ---- it is not

    def test_a_vendor_that_does_not_agree_leaves_the_call_as_it_is(self):
        call, leg = self.up()
        new = self.takes(call)
        leg.expect("INVITE")
        leg.reply(488)
        leg.expect("ACK")
        self.refused(new, 488)
        call.expect_silence(0.1)
        self.goes_on(call, leg)

    def test_it_may_be_cancelled(self):
        call, leg = self.up()
        new = self.takes(call)
        asked = leg.expect("INVITE")
        leg.reply(100)
        new.cancel()
        new.expect(200, method="CANCEL")
        self.refused(new, 487)
        leg.expect("CANCEL")
        leg.reply(200)
        leg.reply(487, to=asked)
        leg.expect("ACK")
        self.goes_on(call, leg)

    def test_a_call_that_ends_meanwhile_takes_it_along(self):
        for who in ("caller", "vendor"):
            with self.subTest(who=who):
                call, leg = self.up()
                new = self.takes(call)
                asked = leg.expect("INVITE")
                one, other = (call, leg) if who == "caller" else (leg, call)
                one.request("BYE")
                self.refused(new, 487)
                other.expect("BYE")
                other.reply(200)
                one.expect(200, method="BYE")
                leg.reply(487, to=asked)
                leg.expect("ACK")

    def test_while_another_invite_is_under_way_it_is_491(self):
        call, leg = self.up()
        call.request("INVITE", call.peer.sdp())
        asked = leg.expect("INVITE")
        self.refused(self.takes(call), 491)
        leg.reply(200, sdp=True, to=asked)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.goes_on(call, leg)

    def test_meanwhile_another_invite_is_491(self):
        """Either side's: else two would be under way in the vendor's dialog, or one of a phone that is about to go."""
        for asker in ("caller", "vendor"):
            with self.subTest(asker=asker):
                call, leg = self.up()
                new = self.takes(call)
                asked = leg.expect("INVITE")
                one, other = (call, leg) if asker == "caller" else (leg, call)
                one.request("INVITE", one.peer.sdp(port=45000))
                one.expect(491, method="INVITE")
                other.expect_silence(0.1)
                leg.reply(200, sdp=True, to=asked)
                new.expect(200)
                new.ack()
                leg.expect("ACK")
                self.is_told_bye(call)
                self.goes_on(new, leg)

    def test_what_the_old_phone_still_says_does_not_move_the_new_one(self):
        call, leg = self.up()
        leg.request("INFO")
        info = call.expect("INFO")
        new = self.takes(call)
        leg.expect("INVITE")
        self.answer(new, leg)
        bye = call.expect("BYE")
        call.reply(200, to=info, headers=[("Contact", f"<{call.peer.contact}>")])
        leg.expect(200, method="INFO")
        call.reply(200, to=bye)
        leg.request("INFO")
        new.expect("INFO")
        new.reply(200)
        leg.expect(200, method="INFO")
        self.ends(leg, new)

    def test_only_the_same_carriers_answered_calls_can_be_taken(self):
        """RFC 3891 section 3: what does not match is 481, an early dialog that the caller opened, too; early-only and answered 486."""
        call, leg = self.ringing(self.number())
        self.refused(self.takes(call), 481)
        self.answer(call, leg)
        self.refused(self.takes(call, self.stranger["peer"]), 481)
        self.refused(self.takes(call, more=";early-only"), 486)
        call.local_tag, kept = "another", call.local_tag
        self.refused(self.takes(call), 481)
        call.local_tag = kept
        self.goes_on(call, leg)

    def test_without_tags_it_is_400(self):
        call, leg = self.up()
        new = self.other.invite("", uri=call.target, headers=[("Replaces", f"{call.call_id};to-tag={call.remote_tag}")])
        new.expect(400)
        self.goes_on(call, leg)

    def test_nor_where_the_trunk_does_not_allow_it(self):
        call, leg = self.up()
        new = self.strict["peer"].invite("", uri=call.target, headers=[self.dialog(call)])
        self.refused(new, 501)
        new = self.takes(call, self.strict["peer"])
        self.assertEqual(new.expect(420).get("Unsupported"), "replaces")
        self.goes_on(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
