# SPDX-License-Identifier: Apache-2.0
"""Digest authentication (RFC 7616, RFC 8760): callers by name and password, and ours towards vendors that ask for them."""

import secrets
import statistics
import time

from story import Talk, sipp
from story.digest import HASHES, credentials, parameters, response

class Digest(Talk):
    """ann calls from anywhere in her network, by name. gate wants to know who calls it; alpha takes everybody."""

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.gate = stack.vendor("gate", {"7": "0.02"}, trunk={"username": "tandem", "password": 'se"cret\\x'})
        cls.open = stack.vendor("open", {"7": "0.03"})
        home = stack.peer("home")
        cls.customer = stack.customer("ann", {"1": "0.06"}, [cls.vendor], peer=home, trunk={
            "source_cidrs": [f"{home.host}/32", "127.0.0.200/32"], "username": "ann", "password": "s3cret:word"})
        cls.fixed = stack.customer("harbour", {"7": "0.06"}, [cls.gate, cls.open])
        cls.caller, cls.a = home, cls.vendor["peer"]
        cls.elsewhere = stack.peer("elsewhere", host="127.0.0.200")

    # ---- the caller proves who it is

    def challenged(self, called, peer=None):
        """An INVITE without credentials: the call, and the challenges of its 401 by algorithm."""
        call = (peer or self.caller).invite(called)
        refused = call.expect(401)
        by = {parameters(v)["algorithm"]: v for v in refused.all("WWW-Authenticate")}
        self.assertEqual(list(by), ["MD5", "SHA-256"], "many callers look at the first challenge alone")
        return call, by

    def again(self, call, value):
        call.invite_again(headers=[("Authorization", value)])

    def proven(self, call, called):
        leg = self.a.expect_call()
        self.assertEqual(leg.invite.all("Authorization"), [], "whoever proved something to us proved nothing to the vendor")
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, disconnect_reason="normal", ingress_trunk_id=self.customer["id"])

    def test_both_algorithms_open_the_door(self):
        for algorithm in HASHES:
            with self.subTest(algorithm=algorithm):
                called = self.number()
                call, by = self.challenged(called)
                self.assertEqual(parameters(by[algorithm])["qop"], "auth")
                self.again(call, credentials(by[algorithm], "ann", "s3cret:word", call.invite.uri))
                self.proven(call, called)

    def test_a_program_that_stumbles_over_sha_256_is_offered_md5_alone(self):
        for agent, offered in (("baresip v1.0.0 (x86_64/linux)", ["MD5"]), ("baresip v3.5.0", ["MD5", "SHA-256"])):
            call = self.caller.invite(self.number(), headers=[("User-Agent", agent)])
            challenges = call.expect(401).all("WWW-Authenticate")
            self.assertEqual([parameters(v)["algorithm"] for v in challenges], offered, agent)

    def test_sipp_answers_the_challenge(self):
        called = self.number()

        def answers(leg):
            leg.reply(200, sdp=True)
            leg.expect("ACK")
            leg.expect("BYE")
            leg.reply(200)

        self.a.behave(answers)
        numbers = sipp.numbers_file(f"{self.stack.folder}/digest.csv", [(called, "4930123456;[authentication username=ann password=s3cret:word]")])
        sipp.finish(sipp.caller("digest", self.stack.folder, self.elsewhere.host, self.stack.node.address, numbers, 200, "uac_digest", 1), 20)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=200, ingress_trunk_id=self.customer["id"])

    def test_a_challenge_is_no_call(self):
        called = self.number()
        self.challenged(called)
        call, by = self.challenged(self.number())
        self.again(call, credentials(by["MD5"], "ann", "s3cret:word", call.invite.uri))
        leg = self.a.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.cdrs(call.remote_uri.split(":")[1].split("@")[0], 1)
        self.assertEqual(self.stack.api.items("/v1/cdrs", called=called), [])

    def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(self):
        answers = []
        for username, password in (("ann", "wrong"), ("nobody", "s3cret:word")):
            called = self.number()
            call, by = self.challenged(called)
            self.again(call, credentials(by["SHA-256"], username, password, call.invite.uri))
            refused = call.expect_final(2)
            self.assertEqual(refused.code, 403)
            answers.append([(n, v) for n, v in refused.headers if n not in ("Via", "From", "To", "Call-ID", "CSeq")])
            self.assertEqual([refused.start, bool(refused.tag("To"))], ["SIP/2.0 403 Forbidden", True])
            if username == "ann":
                self.cdr_says(self.stack.api.cdr(called=called), sip_code=403, disconnect_reason="auth_failed")
        self.assertEqual(answers[0], answers[1])
        self.a.expect_no_call(0.05)

    def test_a_wrong_password_and_an_unknown_user_take_the_same_time(self):
        """50 of each, by turns, so that what else the machine does meets both alike."""
        took = {"ann": [], "nobody": []}
        for _ in range(50):
            for username, times in took.items():
                call, by = self.challenged(self.number())
                value = credentials(by["SHA-256"], username, "wrong", call.invite.uri)
                began = time.monotonic()
                self.again(call, value)
                times.append(call.expect(403, 2).at - began)
        known, unknown = (statistics.median(times) * 1e6 for times in took.values())
        self.assertTrue(0.5 < known / unknown < 2, f"{known:.0f} us for a wrong password, {unknown:.0f} us for an unknown user")
        self.a.expect_no_call(0.05)

    def test_what_was_used_once_is_refused_as_stale(self):
        first = self.number()
        call, by = self.challenged(first)
        uri = call.invite.uri
        proof = credentials(by["SHA-256"], "ann", "s3cret:word", uri)
        self.again(call, proof)
        self.proven(call, first)
        thief = self.caller.invite(self.number(), uri=uri, headers=[("Authorization", proof)])
        refused = thief.expect(401)
        self.assertEqual({parameters(v).get("stale") for v in refused.all("WWW-Authenticate")}, {"true"})
        self.numbers.clear()
        self.numbers.add(first)
        self.a.expect_no_call(0.05)

    def test_the_next_count_of_a_nonce_is_good(self):
        called = self.number()
        call, by = self.challenged(called)
        self.again(call, credentials(by["SHA-256"], "ann", "s3cret:word", call.invite.uri))
        self.proven(call, called)
        called = self.number()
        uri = f"sip:{called}@127.0.0.1:{self.stack.node.port}"
        call = self.caller.invite(called, headers=[("Authorization", credentials(by["SHA-256"], "ann", "s3cret:word", uri, nc=2))])
        self.proven(call, called)

    def test_a_nonce_serves_the_address_it_was_given_to(self):
        called = self.number()
        call, by = self.challenged(called)
        proof = credentials(by["SHA-256"], "ann", "s3cret:word", call.invite.uri)
        other = self.elsewhere.invite(called, headers=[("Authorization", proof)])
        self.assertEqual(parameters(other.expect(401).get("WWW-Authenticate")).get("stale"), "true")
        self.again(call, proof)       # it was not used up by that
        self.proven(call, called)

    def test_credentials_for_something_else_are_challenged_again(self):
        call, by = self.challenged(self.number())
        good = by["SHA-256"]
        forged = good.replace(parameters(good)["nonce"], "0" * 64)
        for name, value in (("another number", credentials(good, "ann", "s3cret:word", "sip:12125999999@127.0.0.1")),
                            ("another realm", credentials(good, "ann", "s3cret:word", call.invite.uri, realm="elsewhere")),
                            ("a forged nonce", credentials(forged, "ann", "s3cret:word", call.invite.uri)),
                            ("auth-int", credentials(good, "ann", "s3cret:word", call.invite.uri, qop="auth-int")),
                            ("another scheme", "Basic YW5uOnMzY3JldDp3b3Jk"), ("no words", "Digest "),
                            ("broken words", 'Digest username="ann, realm=tandem"", nonce=')):
            with self.subTest(name):
                self.again(call, value)
                self.assertIn(call.expect_final(2).code, (400, 401))
        self.a.expect_no_call(0.05)

    # ---- we prove who we are

    def challenge(self, leg, code, header, *values):
        leg.reply(code, headers=[(header, v) for v in values])
        leg.expect("ACK")
        return leg.expect("INVITE")

    def checked(self, invite, header, algorithm):
        """The credentials in an INVITE of ours, which must be right."""
        self.assertEqual(len(invite.all(header)), 1, f"{header} in {invite.headers}")
        c = parameters(invite.get(header).replace('\\"', "\x00").replace("\\\\", "\\"))
        self.assertEqual((c["username"], c.get("algorithm", "MD5"), c["uri"]), ("tandem", algorithm, invite.uri))
        self.assertEqual(c["response"], response(c, 'se"cret\\x', "INVITE"))
        return c

    def test_a_vendors_challenge_is_answered(self):
        for code, ask, answer in ((401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")):
            for algorithm, more in (("MD5", ""), ("MD5", ', qop="auth", opaque="o1"'), ("SHA-256", ', qop="auth,auth-int"')):
                with self.subTest(code=code, algorithm=algorithm, more=more):
                    called = self.number("7")
                    call = self.fixed["peer"].invite(called)
                    leg = self.gate["peer"].expect_call()
                    first = leg.invite
                    second = self.challenge(leg, code, ask, f'Digest realm="gate", nonce="{secrets.token_hex(8)}", algorithm={algorithm}{more}')
                    c = self.checked(second, answer, algorithm)
                    self.assertEqual(c.get("opaque"), "o1" if "o1" in more else None)
                    self.assertEqual((second.tag("From"), second.get("Call-ID"), second.cseq, second.body),
                                     (first.tag("From"), first.get("Call-ID"), first.cseq + 1, first.body))
                    leg.reply(200, sdp=True)
                    call.expect(200)
                    call.ack()
                    self.assertEqual(leg.expect("ACK").cseq, second.cseq)
                    self.ends(call, leg)
                    cdr = self.stack.api.cdr(called=called)
                    self.attempts_are(cdr, (self.gate, 200))

    def test_a_vendor_whose_nonce_grew_old_is_answered_once_more(self):
        called = self.number("7")
        call = self.fixed["peer"].invite(called)
        leg = self.gate["peer"].expect_call()
        self.challenge(leg, 401, "WWW-Authenticate", 'Digest realm="gate", nonce="old", algorithm=MD5')
        third = self.challenge(leg, 401, "WWW-Authenticate", 'Digest realm="gate", nonce="new", algorithm=MD5, stale=true')
        self.assertEqual(self.checked(third, "Authorization", "MD5")["nonce"], "new")
        self.answer(call, leg)
        self.ends(call, leg)
        self.attempts_are(self.stack.api.cdr(called=called), (self.gate, 200))

    def test_the_better_of_two_challenges_is_answered(self):
        call = self.fixed["peer"].invite(self.number("7"))
        leg = self.gate["peer"].expect_call()
        second = self.challenge(leg, 401, "WWW-Authenticate", 'Digest realm="gate", nonce="n1", algorithm=MD5, qop="auth"',
                                'Digest realm="gate", nonce="n2", algorithm=SHA-256, qop="auth"',
                                'Digest realm="gate", nonce="n3", algorithm=SHA-512-256, qop="auth"')
        self.assertEqual(self.checked(second, "Authorization", "SHA-256")["nonce"], "n2")
        self.answer(call, leg)
        self.ends(call, leg)

    def test_a_vendor_that_is_not_content_is_left_for_the_next(self):
        called = self.number("7")
        call = self.fixed["peer"].invite(called)
        leg = self.gate["peer"].expect_call()
        self.challenge(leg, 401, "WWW-Authenticate", 'Digest realm="gate", nonce="n1", algorithm=MD5, qop="auth"')
        leg.reply(401, headers=[("WWW-Authenticate", 'Digest realm="gate", nonce="n2", algorithm=MD5, qop="auth"')])
        leg.expect("ACK")
        other = self.open["peer"].expect_call()
        self.assertEqual(other.invite.all("Authorization"), [])
        self.answer(call, other)
        self.ends(call, other)
        self.attempts_are(self.stack.api.cdr(called=called), (self.gate, 401), (self.open, 200))

    def test_a_challenge_that_cannot_be_answered_goes_to_the_next(self):
        called = self.number("7")
        call = self.fixed["peer"].invite(called)
        leg = self.gate["peer"].expect_call()
        leg.reply(407, headers=[("Proxy-Authenticate", 'Digest realm="gate", nonce="n", algorithm=AKAv1-MD5')])
        leg.expect("ACK")
        other = self.open["peer"].expect_call()
        other.reply(407, headers=[("Proxy-Authenticate", 'Digest realm="open", nonce="n", algorithm=MD5')])
        refused = call.expect_final(2)
        self.assertEqual((refused.code, refused.get("Proxy-Authenticate")), (503, None))
        self.attempts_are(self.stack.api.cdr(called=called), (self.gate, 407), (self.open, 407))

    def test_cancel_meets_the_second_invite(self):
        called = self.number("7")
        call = self.fixed["peer"].invite(called)
        leg = self.gate["peer"].expect_call()
        self.challenge(leg, 401, "WWW-Authenticate", 'Digest realm="gate", nonce="n1", algorithm=MD5, qop="auth"')
        leg.reply(180)
        call.expect(180)
        call.cancel()
        call.expect(200, method="CANCEL")
        call.expect(487, method="INVITE")
        self.assertEqual(leg.expect("CANCEL").cseq, leg.last_invite.cseq)
        leg.reply(200)
        leg.reply(487, to=leg.last_invite)
        leg.expect("ACK")
        self.cdr_says(self.stack.api.cdr(called=called), disconnect_reason="cancelled")

    def test_zz_nothing_is_left(self):
        self.nothing_left()
