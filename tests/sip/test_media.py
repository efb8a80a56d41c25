# SPDX-License-Identifier: Apache-2.0
"""Media through rtpengine where a trunk asks for it: real packets go through both ways, and no side sees the other's address."""

import time

from story import wait_for
from story.media import Phone, Relayed, place


class Relay(Relayed):
    @classmethod
    def provision(cls, stack):
        super().provision(stack)
        cls.beta = stack.vendor("beta", {"1": "0.03"}, trunk={"media": "relay"})
        cls.plain = stack.customer("pier", {"1": "0.06"}, [cls.vendor, cls.beta])
        cls.narrow = stack.vendor("gamma", {"1": "0.02"}, trunk={"codecs": ["PCMU", "G729"]})
        cls.through = stack.customer("quay", {"1": "0.06"}, [cls.narrow])
        cls.through_relay = stack.customer("wharf", {"1": "0.06"}, [cls.narrow], trunk={"media": "relay"})
        cls.desk, reception = stack.peer("desk"), stack.peer("reception")
        cls.office = stack.customer("office", {"1": "0.06"}, [cls.vendor], peer=reception, trunk={
            "media": "relay", "allow_refer": True, "source_cidrs": [f"{p.host}/32" for p in (cls.desk, reception)]})

    def test_audio_goes_through_both_ways(self):
        called = self.number()
        call, leg, there, back = self.relayed(called)
        self.talk(self.phone(self.customer["peer"]), there, self.phone(self.vendor["peer"]), back)
        self.assertEqual(self.engine[0].sessions(), 1)
        self.ends(call, leg)
        self.gone()
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal")

    def test_without_relay_the_parties_see_each_other(self):
        """A trunk that does not ask for it: the SDP's addresses pass as they are."""
        caller = self.plain["peer"]
        call = caller.invite(self.number(), sdp=caller.sdp())
        leg = self.vendor["peer"].expect_call()
        self.assertEqual(place(leg.invite.body), (caller.host, 40000))
        self.answer(call, leg)
        self.assertEqual(self.engine[0].sessions(), 0)
        self.ends(call, leg)

    def test_the_next_vendor_has_a_session_of_its_own(self):
        """The first vendor is reached past rtpengine, the second asks for the relay; the caller has both's early media."""
        caller, first, second = self.plain["peer"], self.vendor["peer"], self.beta["peer"]
        call = caller.invite(self.number(), sdp=self.phone(caller).sdp())
        leg = first.expect_call()
        leg.reply(183, sdp=True)
        self.assertEqual(place(call.expect(183).body)[0], first.host)
        leg.reply(503)
        leg.expect("ACK")
        leg = second.expect_call()
        self.hides(leg.invite, caller)
        leg.reply(183, sdp=self.phone(second).sdp())
        early = call.expect(183)
        self.hides(early, second)
        self.talk(self.phone(caller), place(early.body), self.phone(second), place(leg.invite.body))
        leg.reply(200, sdp=self.phone(second).sdp())
        said = call.expect(200)
        self.assertEqual(place(said.body), place(early.body))
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        self.gone()

    def test_an_abandoned_attempt_leaves_no_session(self):
        call = self.customer["peer"].invite(self.number(), sdp=self.phone(self.customer["peer"]).sdp())
        leg = self.vendor["peer"].expect_call()
        leg.reply(183, sdp=self.phone(self.vendor["peer"]).sdp())
        call.expect(183)
        self.cancelled(call, leg)
        self.gone()

    def test_re_invite_and_update_go_through_from_both_sides(self):
        call, leg, there, back = self.relayed()
        for method in ("INVITE", "UPDATE"):
            for one, other in ((call, leg), (leg, call)):
                offer = self.phone(one.peer).sdp(way="sendonly", session=2)
                one.request(method, offer)
                asked = other.expect(method)
                self.hides(asked, one.peer)
                self.assertIn("a=sendonly", asked.body)
                other.reply(200, sdp=self.phone(other.peer).sdp(way="recvonly", session=2))
                said = one.expect(200, method=method)
                self.hides(said, other.peer)
                self.assertIn("a=recvonly", said.body)
                if method == "INVITE":
                    one.ack()
                    other.expect("ACK")
        self.ends(call, leg)
        self.gone()

    def test_a_side_that_moves_is_heard_from_its_new_place(self):
        call, leg, there, back = self.relayed()
        caller, callee = self.customer["peer"], self.vendor["peer"]
        self.talk(self.phone(caller), there, self.phone(callee), back)
        moved = self.phones["moved"] = Phone(caller.host)
        call.request("INVITE", moved.sdp(session=2))
        asked = leg.expect("INVITE")
        leg.reply(200, sdp=self.phone(callee).sdp())
        said = call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        self.talk(moved, place(said.body), self.phone(callee), place(asked.body))
        self.ends(call, leg)

    def test_a_refused_re_invite_leaves_the_call_as_it_was(self):
        call, leg, there, back = self.relayed()
        leg.request("INVITE", self.phone(leg.peer).sdp(session=2))
        call.expect("INVITE")
        call.reply(488)
        leg.expect(488, method="INVITE")
        call.expect("ACK")
        self.talk(self.phone(call.peer), there, self.phone(leg.peer), back)
        self.ends(call, leg)

    def test_delayed_offers_go_through(self):
        """The offer in the 200, the answer in the ACK: at the start, and inside the call."""
        caller, callee = self.customer["peer"], self.vendor["peer"]
        call = caller.invite(self.number(), sdp=None)
        leg = callee.expect_call()
        self.assertFalse(leg.invite.body)
        leg.reply(200, sdp=self.phone(callee).sdp())
        said = call.expect(200)
        self.hides(said, callee)
        call.ack(self.phone(caller).sdp())
        got = leg.expect("ACK")
        self.hides(got, caller)
        self.talk(self.phone(caller), place(said.body), self.phone(callee), place(got.body))
        leg.request("INVITE")
        self.assertFalse(call.expect("INVITE").body)
        call.reply(200, sdp=self.phone(caller).sdp(session=3))
        said = leg.expect(200, method="INVITE")
        self.hides(said, caller)
        leg.ack(self.phone(callee).sdp(session=3))
        got = call.expect("ACK")
        self.hides(got, callee)
        self.talk(self.phone(caller), place(got.body), self.phone(callee), place(said.body))
        self.ends(call, leg)
        self.gone()

    def test_an_answer_in_a_prack_goes_through(self):
        """RFC 3262 section 5: the offer in a reliable 183, the answer in the PRACK; then a new offer in a PRACK, answered in its 200."""
        caller, callee = self.customer["peer"], self.vendor["peer"]
        reliable = [("Require", "100rel")]
        for delayed in (True, False):
            with self.subTest(delayed=delayed):
                call = caller.invite(self.number(), sdp=None if delayed else self.phone(caller).sdp(), headers=reliable)
                leg = callee.expect_call()
                leg.reply(183, sdp=self.phone(callee).sdp(), headers=[*reliable, ("RSeq", "7")])
                early = call.expect(183)
                self.hides(early, callee)
                call.request("PRACK", self.phone(caller).sdp(session=2), headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")])
                prack = leg.expect("PRACK")
                self.hides(prack, caller)
                leg.reply(200, sdp=None if delayed else self.phone(callee).sdp(session=2))
                said = call.expect(200, method="PRACK")
                if not delayed:
                    self.hides(said, callee)
                self.talk(self.phone(caller), place((early if delayed else said).body), self.phone(callee), place(prack.body))
                leg.reply(200, to=leg.invite)
                call.expect(200, method="INVITE")
                call.ack()
                leg.expect("ACK")
                self.ends(call, leg)
                self.gone()

    def test_an_answer_without_sdp_waits_for_rtpengine_and_then_for_the_callers_prack(self):
        """Its SDP is that of the second 183, which waited, too; the first one's PRACK comes last."""
        caller, callee = self.customer["peer"], self.vendor["peer"]
        call = caller.invite(self.number(), sdp=self.phone(caller).sdp(), headers=[("Require", "100rel")])
        leg = callee.expect_call()
        leg.reply(183, sdp=self.phone(callee).sdp(), to=leg.invite)
        early = call.expect(183)
        with self.silent(self.engine[0]):
            leg.reply(183, sdp=self.phone(callee).sdp(session=2), to=leg.invite)
            leg.reply(200, to=leg.invite)
            call.expect_silence(0.1)
        call.expect_silence(0.3)
        self.prack(call, early)
        said = call.expect(200, method="INVITE")
        self.hides(said, callee)
        call.ack()
        leg.expect("ACK")
        self.talk(self.phone(caller), place(said.body), self.phone(callee), place(leg.invite.body))
        self.ends(call, leg)
        self.gone()

    def test_a_phone_that_takes_the_callers_place_gets_its_media(self):
        caller, callee = self.office["peer"], self.vendor["peer"]
        call, leg, there, back = self.relayed(customer=self.office)
        self.talk(self.phone(caller), there, self.phone(callee), back)
        new = self.desk.invite("", uri=call.target, sdp=self.phone(self.desk).sdp(), headers=[
            ("Replaces", f"{call.call_id};to-tag={call.remote_tag};from-tag={call.local_tag}")])
        asked = leg.expect("INVITE")
        self.hides(asked, self.desk)
        leg.reply(200, sdp=self.phone(callee).sdp(session=2))
        said = new.expect(200)
        self.hides(said, callee)
        new.ack()
        leg.expect("ACK")
        self.is_told_bye(call)
        self.talk(self.phone(self.desk), place(said.body), self.phone(callee), place(asked.body))
        self.ends(new, leg)
        self.gone()

    def test_a_take_over_that_is_cancelled_after_the_vendor_agreed_ends_the_call(self):
        """rtpengine has the other phone's address by then: the first one would hear nothing, and pay."""
        call, leg, _, _ = self.relayed(customer=self.office)
        new = self.desk.invite("", uri=call.target, sdp=self.phone(self.desk).sdp(), headers=[
            ("Replaces", f"{call.call_id};to-tag={call.remote_tag};from-tag={call.local_tag}")])
        asked = leg.expect("INVITE")
        with self.silent(self.engine[0]):
            leg.reply(200, sdp=self.phone(self.vendor["peer"]).sdp(session=2), to=asked)
            new.expect_silence(0.1)
            new.cancel()
            new.expect(200, method="CANCEL")
            new.expect(487)
            leg.expect("ACK")
        for side in (call, leg):
            side.expect("BYE")
            side.reply(200)
        self.gone()

    def test_candidates_of_ice_are_the_relays_or_none(self):
        caller, callee = self.customer["peer"], self.vendor["peer"]
        ice = ("a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
               f"a=candidate:1 1 UDP 2130706431 {caller.host} {self.phone(caller).port} typ host\r\n")
        call = caller.invite(self.number(), sdp=self.phone(caller).sdp() + ice)
        leg = callee.expect_call()
        self.hides(leg.invite, caller)
        self.assertIn("a=ice-ufrag:", leg.invite.body)
        leg.reply(200, sdp=self.phone(callee).sdp())
        said = call.expect(200)
        self.hides(said, callee)
        call.ack()
        leg.expect("ACK")
        self.ends(call, leg)
        call, leg, _, _ = self.relayed()
        self.assertNotIn("a=ice", leg.invite.body)
        self.assertNotIn("a=candidate", leg.invite.body)
        self.ends(call, leg)

    # ---- codecs

    def test_an_offer_is_cut_down_to_the_trunks_codecs(self):
        for customer in (self.through, self.through_relay):
            caller, callee = customer["peer"], self.narrow["peer"]
            call = caller.invite(self.number(), sdp=self.phone(caller).sdp(codecs="8 18 0 101"))
            leg = callee.expect_call()
            self.assertRegex(leg.invite.body, r"(?m)^m=audio \d+ RTP/AVP 0 18 101\r$")
            self.assertNotIn("PCMA", leg.invite.body)
            leg.reply(200, sdp=self.phone(callee).sdp(codecs="0 101"))
            call.expect(200)
            call.ack()
            leg.expect("ACK")
            call.request("INVITE", self.phone(caller).sdp(codecs="8"))
            call.expect(488, method="INVITE")
            self.ends(call, leg)

    def test_an_offer_without_any_of_them_is_488(self):
        for customer in (self.through, self.through_relay):
            called = self.number()
            call = customer["peer"].invite(called, sdp=customer["peer"].sdp(codecs="8 101"))
            call.expect(488)
            self.narrow["peer"].expect_no_call(0.1)
            self.cdr_says(self.stack.api.cdr(called=called), sip_code=488, disconnect_reason="vendor_failed")
        self.gone()

    def test_zz_nothing_is_left(self):
        self.nothing_left()
        self.gone()


class Instances(Relayed):
    """Two rtpengines, of which one or both fall silent."""

    engines = 2

    @classmethod
    def provision(cls, stack):
        super().provision(stack)
        cls.beta = stack.vendor("beta", {"1": "0.03"})
        cls.alpha_relayed = stack.vendor("delta", {"1": "0.01"}, trunk={"media": "relay"})
        cls.plain = stack.customer("pier", {"1": "0.06"}, [cls.alpha_relayed, cls.beta])

    def logged(self, words, n):
        log = self.stack.node.process.log
        wait_for(f"'{words}' in the log {n} times", lambda: log().count(words) >= n, 8)
        self.assertEqual(log().count(words), n)

    def figure(self, name, n):
        """The node's figure in /metrics becomes that."""
        line = f'tandem_node_{name}{{node="sw1"}} {n}'
        wait_for(line, lambda: line in self.stack.api.call("GET", "/metrics")[1].splitlines())

    def test_a_silent_one_is_passed_over_and_taken_back(self):
        with self.silent(self.engine[0]):
            for _ in range(2):  # one of them would be its turn
                call, leg, there, back = self.relayed()
                self.talk(self.phone(call.peer), there, self.phone(leg.peer), back)
                self.ends(call, leg)
            self.logged("rtpengine does not answer", 1)
            self.figure("rtpengines_down", 1)
        self.logged("rtpengine answers again", 1)
        self.figure("rtpengines_down", 0)

    def test_with_none_relayed_calls_are_503_and_others_go_on(self):
        for e in self.engine:
            e.stop()
        called = self.number()
        call = self.customer["peer"].invite(called, sdp=True)
        call.expect(503, limit=8)
        self.vendor["peer"].expect_no_call(0.1)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=503, disconnect_reason="no_route")
        # the cheaper vendor's trunk asks for the relay, the next one's does not
        caller = self.plain["peer"]
        call = caller.invite(self.number(), sdp=True)
        leg = self.beta["peer"].expect_call()
        self.assertEqual(place(leg.invite.body)[0], caller.host)
        self.answer(call, leg)
        self.ends(call, leg)
        for e in self.engine:
            e.start()
        def again():
            call = self.customer["peer"].invite(self.number(), sdp=True)
            said = call.expect_final(8)
            return call if said.code == 200 else None
        self.vendor["peer"].behave(self.agree)
        call = wait_for("relayed calls after rtpengine's return", again, 10, every=0.2)
        call.ack()
        call.bye()

    def agree(self, leg):
        leg.reply(200, sdp=True)
        leg.expect("ACK")
        leg.expect("BYE")
        leg.reply(200)

    def test_an_answer_that_meets_no_rtpengine_ends_the_call(self):
        called = self.number()
        call = self.customer["peer"].invite(called, sdp=True)
        leg = self.vendor["peer"].expect_call()
        with self.silent():
            leg.reply(200, sdp=True)
            call.expect(503, limit=8)
            leg.expect("ACK")
            self.is_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=503, disconnect_reason="vendor_failed")

    def test_a_caller_who_gives_up_before_the_vendor_is_called(self):
        """The offer waits for rtpengine; the CANCEL ends the call, and nobody rings."""
        called = self.number()
        with self.silent():
            call = self.customer["peer"].invite(called, sdp=True)
            wait_for("the call in /v1/calls, not yet with a vendor", lambda: [c["state"] for c in self.stack.api.items("/v1/calls")
                                                                              if c["called"] == called] == ["routing"])
            call.cancel()
            call.expect(200, method="CANCEL")
            call.expect(487, method="INVITE")
            self.vendor["peer"].expect_no_call(0.2)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", duration_ms=0)
        self.gone()

    def test_a_caller_who_gives_up_while_rtpengine_is_silent(self):
        """The vendor's 200 waits; the CANCEL ends it: ACK and BYE to the vendor, nothing charged."""
        called = self.number()
        call = self.customer["peer"].invite(called, sdp=True)
        leg = self.vendor["peer"].expect_call()
        with self.silent():
            leg.reply(200, sdp=True)
            time.sleep(0.2)
            call.cancel()
            call.expect(200, method="CANCEL")
            call.expect(487, method="INVITE")
            leg.expect("ACK")
            self.is_told_bye(leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled", duration_ms=0)

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class Silence(Relayed):
    """No packet comes for rtpengine's own time limit."""

    engine_timeout = 2

    def test_a_call_without_media_ends(self):
        called = self.number()
        call, leg, _, _ = self.relayed(called)
        for end in (call, leg):
            end.expect("BYE", limit=30)
            end.reply(200)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="media_timeout", hangup_party="switch", sip_code=200)
