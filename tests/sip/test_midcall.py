# SPDX-License-Identifier: Apache-2.0
"""Inside a call: offers and answers go through from both sides, each with the ACK that belongs to it (RFC 3261, 3264, 3311)."""

from story import Talk
from story.message import sdp_offer


def media_of(sdp):
    """An SDP without the lines that the switch writes anew."""
    return [line for line in sdp.splitlines() if not line.startswith(("o=", "s="))]


class Midcall(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.caller, cls.a = cls.customer["peer"], cls.vendor["peer"]

    def goes_through(self, one, other, offer, answer):
        """A re-INVITE from one side: its offer, the other's answer and the ACK arrive as they were sent."""
        one.request("INVITE", offer)
        asked = other.expect("INVITE")
        self.assertEqual(media_of(asked.body), media_of(offer))
        self.assertNotIn(one.peer.name, asked.bytes().decode().split("\r\n\r\n")[0])
        other.reply(200, sdp=answer)
        said = one.expect(200, method="INVITE")
        self.assertEqual(media_of(said.body), media_of(answer))
        one.ack()
        self.assertFalse(other.expect("ACK").body)

    # ---- re-INVITE

    def test_the_caller_holds_and_resumes(self):
        called = self.number()
        call, leg = self.up(called)
        for way, back in (("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")):
            self.goes_through(call, leg, self.caller.sdp(way=way), self.a.sdp(way=back))
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", sip_code=200)

    def test_the_vendor_holds_and_resumes(self):
        call, leg = self.up()
        for way, back in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
            self.goes_through(leg, call, self.a.sdp(way=way), self.caller.sdp(way=back))
        self.ends(leg, call)

    def test_codecs_ports_and_addresses_change(self):
        call, leg = self.up()
        self.goes_through(call, leg, self.caller.sdp(codecs="0 101"), self.a.sdp(codecs="0 101"))
        self.goes_through(leg, call, self.a.sdp(port=42000), self.caller.sdp())
        self.goes_through(call, leg, sdp_offer("127.0.9.9", 43000, 7), self.a.sdp())
        self.ends(call, leg)

    def test_fax_takes_over(self):
        call, leg = self.up()
        t38 = ("v=0\r\no=- 9 2 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\nm=image 44000 udptl t38\r\n"
               "a=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n")
        self.goes_through(leg, call, t38.format(self.a.host), t38.format(self.caller.host))
        self.ends(call, leg)

    def test_fax_is_refused_and_the_call_goes_on_as_it_was(self):
        call, leg = self.up()
        t38 = ("v=0\r\no=- 9 2 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=image 44000 udptl t38\r\na=T38FaxVersion:0\r\n")
        for one, other in ((leg, call), (call, leg)):
            offer = t38.format(one.peer.host)
            one.request("INVITE", offer)
            self.assertEqual(media_of(other.expect("INVITE").body), media_of(offer))
            other.reply(488)
            one.expect(488, method="INVITE")
            other.expect("ACK")
        self.goes_through(call, leg, self.caller.sdp(), self.a.sdp())
        self.ends(call, leg)

    def test_a_re_invite_without_an_offer_brings_its_answer_in_the_ack(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE")
            self.assertFalse(other.expect("INVITE").body)
            other.reply(200, sdp=True)
            offer = one.expect(200, method="INVITE")
            self.assertEqual(media_of(offer.body), media_of(other.sdp_sent))
            answer = one.peer.sdp()
            one.ack(answer)
            self.assertEqual(media_of(other.expect("ACK").body), media_of(answer))
        self.ends(call, leg)

    def test_a_refused_re_invite_leaves_the_call_as_it_was(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            one.request("INVITE", one.peer.sdp())
            other.expect("INVITE")
            other.reply(488)
            one.expect(488, method="INVITE")
            other.expect("ACK")
        self.goes_through(call, leg, self.caller.sdp(), self.a.sdp())
        self.ends(call, leg)

    def is_reached_at(self, uri, call, leg):
        """A request of the vendor goes there; then it hangs up."""
        leg.request("INFO")
        self.assertEqual(call.expect("INFO").uri, uri)
        call.reply(200)
        leg.expect(200, method="INFO")
        self.ends(leg, call)

    def test_a_re_invite_moves_the_target(self):
        """RFC 3261 section 12.2: later requests go to the Contact of the last re-INVITE or its answer."""
        call, leg = self.up()
        moved = f"sip:moved@{self.caller.host}:{self.caller.port}"
        call.request("INVITE", self.caller.sdp(), change=lambda m: m.set("Contact", f"<{moved}>"))
        leg.expect("INVITE")
        self.answer(call, leg)
        self.is_reached_at(moved, call, leg)

    def test_an_update_without_a_body_moves_the_target(self):
        """RFC 3311 section 5: it is a target refresh, too."""
        call, leg = self.up()
        moved = f"sip:moved@{self.caller.host}:{self.caller.port}"
        call.request("UPDATE", change=lambda m: m.set("Contact", f"<{moved}>"))
        call.expect(200, method="UPDATE")
        self.is_reached_at(moved, call, leg)

    def test_a_contact_that_nothing_can_be_sent_to_moves_nothing(self):
        call, leg = self.up()
        for method, contact in (("UPDATE", "<tel:+4930123456>"), ("UPDATE", "*"), ("INVITE", "<mailto:moved@example.net>")):
            call.request(method, self.caller.sdp() if method == "INVITE" else None, change=lambda m: m.set("Contact", contact))
            if method == "INVITE":
                leg.expect("INVITE")
                self.answer(call, leg)
            else:
                call.expect(200, method=method)
        leg.request("INFO")
        self.assertEqual(call.expect("INFO").uri, self.caller.contact)
        call.reply(200)
        leg.expect(200, method="INFO")
        self.ends(leg, call)

    def test_the_answer_to_an_info_moves_nothing(self):
        call, leg = self.up()
        for _ in range(2):
            call.request("INFO")
            self.assertNotIn("sip:elsewhere@", leg.expect("INFO").uri)
            leg.reply(200, headers=[("Contact", f"<sip:elsewhere@{leg.peer.host}:{leg.peer.port}>")])
            call.expect(200, method="INFO")
        self.ends(call, leg)

    def test_the_answer_to_a_re_invite_is_repeated_until_its_ack(self):
        call, leg = self.up()
        call.request("INVITE", self.caller.sdp())
        leg.expect("INVITE")
        leg.reply(200, sdp=True)
        call.expect(200, method="INVITE")
        self.assertTrue(call.repeated(200, 1), "the answer was not repeated")
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)

    # ---- other requests

    def test_update_and_info_go_both_ways(self):
        call, leg = self.up()
        for one, other in ((call, leg), (leg, call)):
            one.request("UPDATE", one.peer.sdp(way="sendonly"))
            asked = other.expect("UPDATE")
            self.assertEqual(media_of(asked.body), media_of(one.sdp_sent))
            other.reply(200, sdp=other.peer.sdp(way="recvonly"))
            said = one.expect(200, method="UPDATE")
            self.assertEqual(media_of(said.body), media_of(other.sdp_sent))
            one.request("INFO", change=lambda m: (m.set("Content-Type", "application/dtmf-relay"), setattr(m, "body", "Signal=5\r\nDuration=160\r\n")))
            asked = other.expect("INFO")
            self.assertEqual((asked.body, asked.get("Content-Type")), ("Signal=5\r\nDuration=160\r\n", "application/dtmf-relay"))
            other.reply(200)
            one.expect(200, method="INFO")
        self.ends(call, leg)

    def test_a_refused_info_leaves_the_call_as_it_was(self):
        call, leg = self.up()
        call.request("INFO")
        leg.expect("INFO")
        leg.reply(469)
        call.expect(469, method="INFO")
        self.ends(call, leg)

    def test_options_inside_a_call_are_answered(self):
        call, leg = self.up()
        for end in (call, leg):
            end.request("OPTIONS")
            end.expect(200, method="OPTIONS")
        self.ends(call, leg)
        for end in (call, leg):
            end.request("OPTIONS")
            end.expect(481, method="OPTIONS")

    def test_refer_is_declined_and_an_unknown_method_is_501(self):
        call, leg = self.up()
        for end in (call, leg):
            end.request("REFER", headers=[("Refer-To", "<sip:12125559999@127.0.0.1>")])
            end.expect(603, method="REFER")
            end.request("JUGGLE")
            self.assertIn("INVITE", end.expect(501, method="JUGGLE").get("Allow"))
        self.ends(call, leg)

    def test_a_request_with_an_old_number_is_out_of_order(self):
        """RFC 3261 section 12.2.2: 500 for a CSeq below the last one."""
        call, leg = self.up()
        call.request("INFO", cseq=call.invite.cseq + 50)
        leg.expect("INFO")
        leg.reply(200)
        call.expect(200, method="INFO")
        call.request("INFO", cseq=call.invite.cseq + 1)
        call.expect(500, method="INFO")
        call.request("BYE", cseq=call.invite.cseq + 51)
        self.is_told_bye(leg)
        call.expect(200, method="BYE")

    # ---- delayed offer

    def test_an_invite_without_an_offer_brings_its_answer_in_the_ack(self):
        called = self.number()
        call = self.caller.invite(called, sdp=None)
        leg = self.a.expect_call()
        self.assertFalse(leg.invite.body)
        leg.reply(180)
        call.expect(180)
        leg.reply(200, sdp=True)
        offer = call.expect(200)
        self.assertEqual(media_of(offer.body), media_of(leg.sdp_sent))
        leg.expect_silence(0.2)       # the ACK waits for the answer
        answer = self.caller.sdp()
        call.ack(answer)
        self.assertEqual(media_of(leg.expect("ACK").body), media_of(answer))
        self.goes_through(leg, call, self.a.sdp(), self.caller.sdp())
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_the_vendor_hangs_up_before_the_answer_to_its_offer(self):
        called = self.number()
        call = self.caller.invite(called, sdp=None)
        leg = self.a.expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        leg.request("BYE")
        for _ in range(2):            # the answer to BYE and the ACK of its 200, in either order
            leg.take(lambda m: m.method == "ACK" or (m.method == "BYE" and m.code == 200))
        call.ack(self.caller.sdp())
        self.is_told_bye(call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_the_caller_hangs_up_before_the_answer_to_the_offer(self):
        called = self.number()
        call = self.caller.invite(called, sdp=None)
        leg = self.a.expect_call()
        leg.reply(200, sdp=True)
        call.expect(200)
        call.request("BYE")
        call.expect(200, method="BYE")
        leg.expect("ACK")
        self.is_told_bye(leg)
        call.ack()
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="caller")

    def test_zz_nothing_is_left(self):
        self.nothing_left()
