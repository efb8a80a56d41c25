# SPDX-License-Identifier: Apache-2.0
"""Transfers inside a call (RFC 3515): declined unless the trunks of both sides allow them; then the other side is asked to call a
number at the switch, where that is a call like any other. (Outside a call REFER is 405: test_messages.)"""

import re
import time
from decimal import Decimal

from story import Talk

NOTIFIED = "message/sipfrag;version=2.0"


def notice(status_line, state, event="refer"):
    """What a NOTIFY has besides its dialog: for Call.request(change=...)."""
    def change(m):
        m.set("Event", event)
        m.set("Subscription-State", state)
        if status_line is not None:
            m.set("Content-Type", "message/sipfrag;version=2.0")
            m.body = status_line
    return change


class Refer(Talk):
    """Vendors by the number's first digit: 1 allows transfers, 4 does not. Customers: one that allows them, one that does not, one with
    a tech prefix that does and tells who transfers."""

    @classmethod
    def provision(cls, stack):
        rates = {"1": "0.06", "4": "0.06"}
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, trunk={"allow_refer": True, "pass_headers": ["Referred-By"]})
        cls.strict = stack.vendor("strict", {"4": "0.02"})
        vendors = [cls.vendor, cls.strict]
        cls.customer = stack.customer("harbour", rates, vendors, trunk={"allow_refer": True})
        cls.plain = stack.customer("plain", rates, vendors)
        cls.prefixed = stack.customer("prefixed", rates, vendors, trunk={"allow_refer": True, "tech_prefix": "77#",
                                                                                   "pass_headers": ["referred-by"]})

    def refer(self, one, to, **more):
        headers = [("Refer-To", to), ("Referred-By", "<sip:boss@pbx.example>")]
        return one.request("REFER", headers=headers, **more)

    def referred(self, one, other, number=None, code=202):
        """A REFER from one side crosses and is answered: (the number, the REFER that arrived)."""
        number = number or self.number()
        self.refer(one, f'"Boss" <sip:{number}@{one.peer.host}:5999;user=phone?Subject=secret>', change=lambda m: (
            m.set("Content-Type", "text/plain"), setattr(m, "body", f"from {one.peer.host}")))
        asked = other.expect("REFER")
        other.reply(code)
        one.expect(code, method="REFER")
        return number, asked

    def notified(self, other, one, status_line="SIP/2.0 100 Trying\r\n", state="active;expires=60", event="refer"):
        other.request("NOTIFY", change=notice(status_line, state, event))
        told = one.expect("NOTIFY")
        one.reply(200)
        other.expect(200, method="NOTIFY")
        return told

    def refused(self, one, other, code, to="<sip:12125559999@127.0.0.1>"):
        """By the switch alone: the other side hears nothing."""
        self.refer(one, to)
        answer = one.expect(code, method="REFER")
        other.expect_silence(0.1)
        return answer

    # ---- where it is not allowed

    def test_it_is_declined_unless_both_trunks_allow_it(self):
        for customer, vendor, prefix in ((self.plain, self.vendor, "1212"), (self.customer, self.strict, "4412"),
                                         (self.plain, self.strict, "4412")):
            call, leg = self.answered(customer, vendor, self.number(prefix))
            self.assertNotIn("REFER", call.last_reply.get("Allow"))
            self.assertNotIn("REFER", leg.invite.get("Allow"))
            for one, other in ((call, leg), (leg, call)):
                self.refused(one, other, 603)
                one.request("NOTIFY", change=notice("SIP/2.0 200 OK\r\n", "active"))
                self.assertNotIn("REFER", one.expect(405, method="NOTIFY").get("Allow"))
            self.ends(call, leg)

    def test_allow_lists_it_where_it_is_allowed(self):
        call, leg = self.up()
        for message in (leg.invite, call.last_reply):
            self.assertTrue({"REFER", "NOTIFY"} <= set(re.split(r",\s*", message.get("Allow"))), message.get("Allow"))
        self.ends(call, leg)

    # ---- where it is

    def test_it_crosses_and_tells_nothing_of_who_asked(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            number, asked = self.referred(one, other)
            self.assertEqual(asked.get("Refer-To"), f"<sip:{number}@{self.stack.node.host}:{self.stack.node.port}>")
            self.assertEqual((asked.all("Referred-By"), asked.body), ([], ""))
            self.assertIn(self.stack.node.host, asked.get("Contact"))
            self.assertNotIn(one.peer.host, asked.bytes().decode())
            self.assertNotIn("secret", asked.bytes().decode())
            self.assertNotIn("pbx.example", asked.bytes().decode())
        self.ends(call, leg)

    def test_how_it_goes_is_told_by_its_status_line_alone(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            self.referred(one, other)
            told = self.notified(other, one, f"SIP/2.0 180 Ringing at {other.peer.host}\r\nContact: <sip:{other.peer.host}>\r\n")
            self.assertEqual((told.get("Event"), told.get("Subscription-State"), told.get("Content-Type"), told.body),
                             ("refer", "active;expires=60", NOTIFIED, "SIP/2.0 180 Ringing\r\n"))
            told = self.notified(other, one, "SIP/2.0 200 OK\r\n", "terminated;reason=noresource")
            self.assertEqual((told.get("Subscription-State"), told.body), ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n"))
            other.request("NOTIFY", change=notice("SIP/2.0 200 OK\r\n", "active"))
            other.expect(481, method="NOTIFY")   # that was the last one
            one.request("SUBSCRIBE", headers=[("Event", "refer"), ("Expires", "0")])
            one.expect(405, method="SUBSCRIBE")
        self.ends(call, leg)

    def test_each_of_two_transfers_is_told_by_the_number_of_its_own_refer(self):
        call, leg = self.up()
        asked = [self.referred(leg, call)[1] for _ in range(2)]
        sent = [m.cseq for (_, method), m in sorted(leg.sent.items()) if method == "REFER"]
        for theirs, ours in zip(reversed(asked), reversed(sent)):
            told = self.notified(call, leg, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource", f"refer;id={theirs.cseq}")
            self.assertEqual((told.get("Event"), told.body), (f"refer;id={ours}", "SIP/2.0 486 Busy Here\r\n"))
        self.ends(call, leg)

    def test_a_refused_refer_is_told_and_expects_no_notify(self):
        call, leg = self.up()
        self.referred(leg, call, code=603)
        call.request("NOTIFY", change=notice("SIP/2.0 200 OK\r\n", "active"))
        call.expect(481, method="NOTIFY")
        leg.expect_silence(0.1)
        self.ends(call, leg)

    def test_a_notify_that_nobody_can_read_is_refused(self):
        call, leg = self.up()
        self.referred(leg, call)
        for change, code in ((notice("INVITE sip:x@y SIP/2.0\r\n", "active"), 400), (notice("SIP/2.0 999 Far\r\n", "active"), 400),
                             (notice("SIP/2.0 200 OK\r\n", "active", "presence"), 481), (lambda m: None, 400)):
            call.request("NOTIFY", change=change)
            call.expect(code, method="NOTIFY")
        leg.expect_silence(0.1)
        told = self.notified(call, leg, None)
        self.assertEqual((told.get("Event"), told.body), ("refer", ""))
        self.ends(call, leg)

    def test_the_subscription_ends_with_the_call(self):
        call, leg = self.up()
        self.referred(leg, call)
        self.ends(leg, call)
        call.request("NOTIFY", change=notice("SIP/2.0 200 OK\r\n", "active"))
        call.expect(481, method="NOTIFY")

    def test_it_crosses_while_a_re_invite_is_under_way(self):
        call, leg = self.up()
        call.request("INVITE", call.peer.sdp())
        asked = leg.expect("INVITE")
        self.referred(leg, call)
        leg.reply(200, sdp=True, to=asked)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.notified(call, leg)
        self.ends(call, leg)

    def test_before_the_answer_there_is_nobody_to_transfer(self):
        call, leg = self.ringing(self.number())
        self.refer(call, "<sip:12125559999@127.0.0.1>")
        call.expect(500, method="REFER")
        self.answer(call, leg)
        self.ends(call, leg)

    # ---- what no transfer can be

    def test_a_dialog_can_not_be_taken_over(self):
        call, leg = self.up()
        taken = f"{call.call_id}%3Bto-tag%3D{call.remote_tag}%3Bfrom-tag%3D{call.local_tag}"
        for name in ("Replaces", "replaces", "Subject=x&Replaces", "%52eplaces", "Join"):
            for one, other in ((call, leg), (leg, call)):
                self.refused(one, other, 501, f"<sip:12125559999@127.0.0.1?{name}={taken}>")
        self.ends(call, leg)

    def test_only_a_call_to_a_number_can_be_asked_for(self):
        call, leg = self.up()
        for to, code in (("<mailto:ann@caller.example>", 416), ("<sip:127.0.0.1>", 416), ("<sip:12125559999@127.0.0.1;method=BYE>", 501),
                         ("<sip:12125559999@127.0.0.1;method=SUBSCRIBE-TO-ALL-OF-IT>", 501)):
            self.refused(leg, call, code, to)
        leg.request("REFER")
        leg.expect(400, method="REFER")
        self.ends(call, leg)

    def test_a_tel_uri_names_a_number_too(self):
        call, leg = self.up()
        self.refer(leg, "<tel:+1-212-555-9999>")
        self.assertRegex(call.expect("REFER").get("Refer-To"), r"^<sip:\+12125559999@")
        call.reply(202)
        leg.expect(202, method="REFER")
        self.ends(call, leg)

    # ---- the call that comes of it

    def test_the_call_of_a_transferred_customer_is_a_call_of_his(self):
        first = self.number()
        call, leg = self.up(first)
        number, asked = self.referred(leg, call)
        new = self.customer["peer"].invite(number, uri=asked.uri_of("Refer-To"))
        there = self.vendor["peer"].expect_call()
        self.answer(new, there)
        self.notified(call, leg, "SIP/2.0 200 OK\r\n", "terminated;reason=noresource")
        time.sleep(0.05)                    # both calls last: one of 0 ms costs nothing
        self.ends(leg, call)
        self.ends(new, there)
        for called, caller in ((first, call), (number, new)):
            self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", a_call_id=caller.call_id,
                          ingress_trunk_id=self.customer["id"], egress_trunk_id=self.vendor["id"], sell_billed_s=1,
                          sell_amount=Decimal("0.001"), sell_price=Decimal("0.06"), buy_price=Decimal("0.02"))

    def test_a_customer_is_told_the_number_with_his_own_tech_prefix(self):
        first = self.number()
        call = self.prefixed["peer"].invite("77#" + first)
        leg = self.vendor["peer"].expect_call()
        self.answer(call, leg)
        number = self.number()
        _, asked = self.referred(leg, call, "+" + number)
        self.assertEqual(asked.uri_of("Refer-To").split("@")[0], f"sip:77%23{number}")
        self.assertEqual(asked.get("Referred-By"), "<sip:boss@pbx.example>")   # both trunks list it
        self.ends(leg, call)
        new = self.prefixed["peer"].invite(number, uri=asked.uri_of("Refer-To"))
        there = self.vendor["peer"].expect_call()
        self.assertIn(f"sip:{number}@", there.invite.uri)
        self.answer(new, there)
        self.ends(new, there)
        self.cdr_says(self.stack.api.cdr(called="77#" + number), sip_code=200, called_out=number, ingress_trunk_id=self.prefixed["id"])

    def test_a_transferred_vendor_is_no_customer(self):
        call, leg = self.up()
        number, asked = self.referred(call, leg)
        new = self.vendor["peer"].invite(number, uri=asked.uri_of("Refer-To"))
        new.expect(403)
        self.notified(leg, call, "SIP/2.0 403 Forbidden\r\n", "terminated;reason=noresource")
        self.ends(call, leg)
