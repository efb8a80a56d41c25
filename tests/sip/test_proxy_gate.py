# SPDX-License-Identifier: Apache-2.0
"""mode proxy is no open relay: requests inside a call come from its ends and go to its ends, as the dialog's own messages
told where those are (RFC 3261 section 12)."""

import re
import time

from story import Proxied, wait_for


class Gate(Proxied):
    """`evil` is an address of nobody's, `other` that of another customer."""

    @classmethod
    def provision(cls, stack):
        super().provision(stack)
        cls.evil = stack.peer("evil")
        cls.other = stack.customer("other", {"1": "0.06"}, [cls.vendor], trunk=cls.mode)["peer"]

    def misrouted(self):
        return self.stack.api.get("/v1/nodes")["items"][0]["misrouted_total"]

    def refused(self, call, method, code=403, **more):
        call.request(method, **more)
        return call.expect(code, method=method)

    def goes_on(self, called):
        self.assertEqual(self.shown(called)["state"], "answered")
        self.assertEqual(self.stack.api.items("/v1/cdrs", called=called), [])

    def in_the_name_of(self, one, other, peer):
        """The dialog as `other` has it, on the wire of `peer`."""
        fake = peer.call_new("x", "x", call_id=one.call_id)
        fake.local_tag, fake.remote_tag = one.remote_tag, one.local_tag
        fake.local_uri, fake.remote_uri, fake.target, fake.route = other.local_uri, other.remote_uri, other.target, other.route
        return fake

    # ---- whither

    def test_a_request_goes_to_the_other_end_or_nowhere(self):
        called = self.number()
        call, leg = self.up(called)
        before = self.misrouted()
        victim = f"sip:victim@{self.evil.host}:{self.evil.port}"
        targets = (victim, f"sip:x@{self.a.host}:{self.a.port + 1}", f"sip:x@{self.a.host}:{self.a.port};transport=tcp", "sip:x@victim.example")
        for end in (call, leg):
            for target in targets:
                for method in ("INFO", "INVITE", "BYE", "MESSAGE"):
                    self.refused(end, method, uri=target)
            self.refused(end, "INFO", 416, uri="tel:+12125550100")
            keep = end.route
            end.route = keep + [f"<{victim};lr>"]
            self.refused(end, "BYE")
            end.route = keep
        self.goes_on(called)
        self.evil.expect_no_call(0.1)
        self.assertEqual(self.evil.stray, [])
        wait_for("the count of what was refused", lambda: self.misrouted() == before + 2 * (len(targets) * 4 + 1))
        self.assertRegex(self.stack.node.process.log(), rf'msg="request inside a proxied call refused" why=target call=\S+ method="\w+" source={call.peer.host} to="')
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_an_ack_goes_to_the_other_end_or_nowhere(self):
        call, leg = self.up()
        call.request("ACK", uri=f"sip:x@{self.evil.host}:{self.evil.port}", cseq=call.last_reply.cseq)
        leg.expect_silence(0.3)
        self.assertEqual(self.evil.stray, [])
        self.ends(call, leg)

    def test_what_is_behind_the_other_end_is_its_own_affair(self):
        """Routes beyond the first hop, and the user in the Request-URI, are as the dialog has them, whatever the sender says:
        a 481 or a 2xx of somebody else would end the record of a call that goes on."""
        called = self.number()
        call, leg = self.up(called)
        call.request("INFO", uri=f"sip:nobody@{self.a.host}:{self.a.port}")
        asked = leg.expect("INFO")
        self.assertEqual((asked.uri, asked.all("Route")), (self.a.contact, []))
        leg.reply(200)
        call.expect(200, method="INFO")
        keep = call.route
        call.route = keep + [f"<sip:{self.a.host}:{self.a.port};lr>", f"<sip:{self.evil.host}:{self.evil.port};lr>"]
        call.request("BYE")
        asked = leg.expect("BYE")
        self.assertEqual((asked.uri, asked.all("Route")), (self.a.contact, []))
        leg.reply(200)
        call.expect(200, method="BYE")

    def test_routes_of_either_side_are_kept(self):
        """Each side has a proxy of its own, which put itself into Record-Route; it is the same address here."""
        called = self.number()
        near, far = (f"<sip:{n}@{p.host}:{p.port};lr>" for n, p in (("near", self.caller), ("far", self.a)))
        call = self.caller.invite(called, headers=[("Record-Route", near)])
        leg = self.a.expect_call()
        routes = leg.invite.all("Record-Route")
        self.assertEqual(routes[1:], [near])
        self.records_route(self.a, far)
        leg.reply(200, sdp=True)
        self.assertEqual(call.expect(200).all("Record-Route"), [far, *routes])
        self.a.edit = None
        self.assertEqual((call.route, leg.route), ([near, routes[0], far], routes))
        call.route = call.route[1:]  # the caller's proxy has taken its own off
        call.ack()
        self.assertEqual(leg.expect("ACK").all("Route"), [far])
        for one, other, route in ((call, leg, far), (leg, call, near)):
            for given in (one.route, one.route[:1]):
                keep, one.route = one.route, given
                self.assertEqual(self.passes(one, other, "INFO").all("Route"), [route])
                one.route = keep
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal")

    def test_an_end_that_moves_is_found(self):
        """RFC 3261 section 12.2: a re-INVITE or UPDATE that is agreed to tells of a new Contact."""
        called = self.number()
        call, leg = self.up(called)
        for one, other, method in ((leg, call, "UPDATE"), (call, leg, "INVITE")):
            new = f"sip:moved@{one.peer.host}:{one.peer.port}"
            one.request(method, one.peer.sdp(), change=lambda m, uri=new: m.set("Contact", f"<{uri}>"))
            other.expect(method)
            other.reply(200, sdp=True)
            one.expect(200, method=method)
            if method == "INVITE":
                one.ack()
                other.expect("ACK")
            other.target = new
            self.assertEqual(self.passes(other, one, "INFO").uri, new)
        refused = f"sip:refused@{call.peer.host}:{call.peer.port}"
        call.request("INVITE", call.peer.sdp(), change=lambda m: m.set("Contact", f"<{refused}>"))
        leg.expect("INVITE")
        leg.reply(488)
        call.expect(488, method="INVITE")
        leg.expect("ACK")
        self.assertEqual(self.passes(leg, call, "INFO").uri, leg.target)
        self.ends(leg, call)

    # ---- whence

    def test_nobody_speaks_for_an_end(self):
        """The one who plays both ends would agree to its own BYE, and talk on unbilled."""
        called = self.number()
        call, leg = self.up(called)
        for peer in (self.caller, self.evil, self.other):
            fake = self.in_the_name_of(call, leg, peer) if peer is not self.caller else None
            for method in ("BYE", "INVITE", "UPDATE", "INFO"):
                if fake:
                    self.refused(fake, method)
                    continue
                # the caller itself, in the callee's name: its own tag is in To
                call.request(method, uri=call.peer.contact, change=lambda m: (
                    m.set("From", f"<{leg.local_uri}>;tag={leg.local_tag}"), m.set("To", f"<{leg.remote_uri}>;tag={call.local_tag}")))
                call.expect(403, method=method)
        fake = self.in_the_name_of(leg, call, self.evil)
        for method in ("BYE", "INVITE", "UPDATE", "INFO"):
            self.refused(fake, method)
        leg.expect_silence(0.2)
        self.goes_on(called)
        self.assertIn("why=source", self.stack.node.process.log())
        self.ends(leg, call)
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="normal", hangup_party="callee")

    def test_tags_are_what_they_are(self):
        """A vendor that compares them byte by byte would say 481 to another spelling, and the record would end."""
        called = self.number()
        call, leg = self.up(called)
        keep = call.remote_tag
        call.remote_tag = keep.upper() if keep.upper() != keep else keep + "a"  # digits alone have one spelling
        self.refused(call, "BYE", 481)
        call.remote_tag = keep
        self.goes_on(called)
        self.ends(call, leg)

    def test_a_call_id_is_sealed_to_its_end(self):
        called = self.number()
        long = "c" * 600 + f"@{self.caller.host}"
        call = self.caller.call_new("4930123456", called, call_id=long)
        call.invite = call.request("INVITE", self.caller.sdp())
        leg = self.a.expect_call()
        self.answer(call, leg)
        fake = self.caller.call_new("4930123456", called, call_id="c" * 600 + "@" + "9" * len(self.caller.host))
        fake.local_tag, fake.remote_tag, fake.target, fake.route = call.local_tag, call.remote_tag, call.target, call.route
        self.refused(fake, "BYE", 481)
        self.goes_on(called)
        self.ends(call, leg)

    def test_an_answer_goes_to_an_end_or_nowhere(self):
        """A 2xx that is repeated, of the INVITE or of one inside the call, goes where its Via says: that is its sender's word."""
        call = self.caller.invite(self.number())
        leg = self.a.expect_call()
        first = leg.reply(200, sdp=True)
        call.expect(200)
        call.ack()
        leg.expect("ACK")
        call.request("INVITE", self.caller.sdp())
        leg.expect("INVITE")
        second = leg.reply(200, sdp=True)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")
        for said in (first, second):
            vias = said.all("Via")
            said.set("Via", vias[0], f"SIP/2.0/UDP {self.evil.host}:{self.evil.port};branch=z9hG4bKvictim;rport")
            leg.repeat(said)
            said.set("Via", *vias)
            leg.repeat(said)
        self.assertTrue(call.repeated(200, 2))
        leg.expect("ACK")
        leg.expect("ACK")
        self.assertEqual(self.evil.stray, [])
        self.ends(call, leg)

    # ---- a call that is not known

    def test_after_a_restart_only_its_end_passes(self):
        called = self.number()
        call, leg = self.up(called)
        time.sleep(1.2)
        self.stack.node.kill()
        self.stack.node.start()
        self.stack.api.cdr(called=called)
        for method in ("INVITE", "UPDATE", "INFO", "MESSAGE"):
            self.refused(call, method, 481)
        for target in (f"sip:victim@{self.evil.host}:{self.evil.port}", "sip:x@victim.example"):
            self.refused(call, "BYE", uri=target)
        self.refused(self.in_the_name_of(leg, call, self.evil), "BYE")
        self.assertEqual(self.evil.stray, [])
        self.ends(call, leg)
        self.assertEqual(len(self.cdrs(called, 1)), 1)

    def test_after_its_end_a_call_does_not_go_on(self):
        """What crosses the BYE still passes, but nothing new."""
        called = self.number()
        call, leg = self.up(called)
        self.ends(call, leg)
        self.stack.api.cdr(called=called)
        for method in ("INVITE", "UPDATE", "INFO"):
            self.refused(call, method, 481)
        self.passes(leg, call, "BYE", 481)

    def test_the_entry_of_another_call_is_none(self):
        call, leg = self.up()
        second, other = self.up()
        keep, call.route = call.route, second.route
        self.refused(call, "BYE", 481)
        call.route = keep
        forged = re.sub(r"call=[0-9a-f]", lambda m: "call=" + ("0" if m[0][-1] != "0" else "1"), keep[0])
        call.route = [forged]
        self.refused(call, "BYE", 481)
        call.route = keep
        self.ends(call, leg)
        self.ends(second, other)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
