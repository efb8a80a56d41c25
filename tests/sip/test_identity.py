# SPDX-License-Identifier: Apache-2.0
"""Who calls: what crosses a call of the headers that say so (RFC 3323, 3325, 5806, 7044), and which other headers do."""

from story import Talk

ASSERTED = ("P-Asserted-Identity", '"Ann" <sip:+4930777@caller.example;user=phone>')
REMOTE = ("Remote-Party-ID", "<sip:+4930777@caller.example>;party=calling;screen=yes;privacy=off")
DIVERSION = ("Diversion", "<sip:4930888@caller.example>;reason=user-busy;counter=1")
HISTORY = ("History-Info", "<sip:4930888@caller.example?Reason=SIP%3Bcause%3D486>;index=1, <sip:4930999@10.9.8.7>;index=1.1")
ALL = [ASSERTED, REMOTE, DIVERSION, HISTORY]
NAMES = ("P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info", "Privacy")
OTHERS = [("X-Account", "77"), ("X-Secret", "host.caller.example"), ("User-Agent", "Kettle/1.0"), ("Subject", "lunch"),
          ("Organization", "Caller Ltd"), ("Call-Info", "<http://caller.example/ann.png>"), ("Alert-Info", "<http://caller.example/ring>")]


class Identity(Talk):
    """By the number's first digits: 1 a vendor as it is made, 44 one that keeps secrets, 49 one that is told our number, 33 one that
    is told nothing, 39 one that wants credentials. One caller whose word is believed, one who is as it is made, one whose numbers are brought into shape."""

    @classmethod
    def provision(cls, stack):
        rates = {"1": "0.02", "44": "0.02", "49": "0.02", "33": "0.02", "39": "0.02"}
        cls.plain = stack.vendor("plain", {"1": "0.01"}, trunk={"pass_headers": ["X-Account", "Subject", "X-Answer"]})
        cls.keeper = stack.vendor("keeper", {"44": "0.01"}, trunk={"identity": {"privacy": "pass"}})
        cls.told = stack.vendor("told", {"49": "0.01"}, trunk={
            "identity": {"p_asserted_identity": "rewrite", "remote_party_id": "rewrite", "privacy": "rewrite", "diversion": "rewrite"},
            "translations": [{"number": "calling", "match": "^0*", "replace": "+"}]})
        cls.nothing = stack.vendor("nothing", {"33": "0.01"}, trunk={
            "identity": {"p_asserted_identity": "drop", "remote_party_id": "drop", "diversion": "drop", "history_info": "drop"}})
        cls.gate = stack.vendor("gate", {"39": "0.01"}, trunk={"username": "us", "password": "s3cret", "pass_headers": ["X-Account"]})
        vendors = [cls.plain, cls.keeper, cls.told, cls.nothing, cls.gate]
        cls.trusted = stack.customer("trusted", rates, vendors, trunk={
            "trust_pai": True, "pass_headers": ["x-account", "X-Answer", "X-Unwanted"]})
        cls.unknown = stack.customer("unknown", rates, vendors)
        cls.shaped = stack.customer("shaped", rates, vendors, trunk={
            "identity": {"p_asserted_identity": "rewrite", "diversion": "pass", "privacy": "drop"},
            "translations": [{"number": "calling", "match": "^00", "replace": ""}]})
        cls.vendor, cls.customer = cls.plain, cls.trusted

    def seen(self, customer, prefix, vendor, headers, calling="4930123456"):
        """The INVITE that the vendor gets; what it must never show is looked for."""
        call = customer["peer"].invite(self.number(prefix=prefix), calling=calling, headers=headers)
        leg = vendor["peer"].expect_call()
        leg.reply(486)
        leg.expect("ACK")
        call.expect(486)
        for secret in ("caller.example", "10.9.8.7", customer["peer"].host):
            self.assertNotIn(secret, self.told_by(leg.invite))
        return leg.invite

    def has(self, invite, **expected):
        for name in NAMES:
            wanted = expected.get(name.replace("-", "_"), [])
            self.assertEqual(invite.all(name), wanted, name)

    @property
    def ours(self):
        return self.stack.node.host

    # ---- as trunks are made

    def test_a_caller_who_is_not_trusted_asserts_nothing(self):
        self.has(self.seen(self.unknown, "1212", self.plain, ALL))

    def test_a_trusted_callers_numbers_pass_and_hosts_become_ours(self):
        invite = self.seen(self.trusted, "1212", self.plain, ALL)
        self.assertIn("sip:4930777@", invite.get("From"))
        self.has(invite, P_Asserted_Identity=[f'"Ann" <sip:+4930777@{self.ours}>'],
                 Remote_Party_ID=[f"<sip:+4930777@{self.ours}>;party=calling;screen=yes;privacy=off"],
                 Diversion=[f"<sip:4930888@{self.ours}>;reason=user-busy;counter=1"],
                 History_Info=[f"<sip:4930888@{self.ours}?Reason=SIP%3Bcause%3D486>;index=1", f"<sip:4930999@{self.ours}>;index=1.1"])

    def test_a_private_number_is_withheld_from_who_is_not_trusted_with_it(self):
        invite = self.seen(self.trusted, "1212", self.plain, [*ALL[:2], ("Privacy", "id")])
        self.has(invite)
        self.assertIn("sip:anonymous@", invite.get("From"))
        self.assertNotIn("4930777", invite.bytes().decode())

    # ---- as trunks may be told

    def test_who_keeps_secrets_is_told_the_number_and_the_wish(self):
        invite = self.seen(self.trusted, "4420", self.keeper, [ASSERTED, ("Privacy", "id;critical")])
        self.has(invite, P_Asserted_Identity=[f'"Ann" <sip:+4930777@{self.ours}>'], Privacy=["id;critical"])
        self.assertIn("sip:anonymous@", invite.get("From"))

    def test_a_vendor_may_be_told_the_number_in_its_own_form(self):
        invite = self.seen(self.unknown, "4930", self.told, [ASSERTED, DIVERSION], calling="0033123")
        self.has(invite, P_Asserted_Identity=[f"<sip:+33123@{self.ours}>"],
                 Remote_Party_ID=[f"<sip:+33123@{self.ours}>;party=calling;screen=no;privacy=off"])
        invite = self.seen(self.trusted, "4930", self.told, [DIVERSION, ("Privacy", "user")], calling="0033123")
        self.has(invite, P_Asserted_Identity=[f"<sip:+33123@{self.ours}>"],
                 Remote_Party_ID=[f"<sip:+33123@{self.ours}>;party=calling;screen=yes;privacy=full"],
                 Diversion=[f"<sip:+4930888@{self.ours}>;reason=user-busy;counter=1"], Privacy=["id"])

    def test_a_vendor_may_be_told_nothing(self):
        self.has(self.seen(self.trusted, "3312", self.nothing, ALL))

    def test_a_callers_numbers_may_be_brought_into_shape(self):
        invite = self.seen(self.shaped, "1212", self.plain, [("P-Asserted-Identity", "<sip:004930777@caller.example>"), DIVERSION, REMOTE,
                                                             ("Privacy", "id")], calling="004930123")
        self.has(invite, P_Asserted_Identity=[f"<sip:4930777@{self.ours}>"],
                 Diversion=[f"<sip:4930888@{self.ours}>;reason=user-busy;counter=1"])
        self.assertIn("sip:4930123@", invite.get("From"), "its wish for privacy is not heard on this trunk")

    def test_the_identity_is_told_again_with_the_credentials(self):
        call = self.trusted["peer"].invite(self.number(prefix="3906"), headers=[*ALL, ("X-Account", "77")])
        leg = self.gate["peer"].expect_call()
        leg.reply(401, headers=[("WWW-Authenticate", 'Digest realm="gate", nonce="abc"')])
        leg.expect("ACK")
        again = leg.expect("INVITE")
        self.assertTrue(again.get("Authorization"))
        for name in (*NAMES, "X-Account"):
            self.assertEqual(again.all(name), leg.invite.all(name), name)
        self.assertTrue(again.get("P-Asserted-Identity") and again.get("X-Account"))
        leg.reply(486)
        call.expect(486)

    # ---- other headers

    def test_only_headers_that_both_sides_list_cross(self):
        invite = self.seen(self.trusted, "1212", self.plain, OTHERS)
        self.assertEqual(invite.all("X-Account"), ["77"])
        for name, _ in OTHERS[1:]:
            self.assertIsNone(invite.get(name), name)
        for name, _ in OTHERS:
            self.assertIsNone(self.seen(self.unknown, "1212", self.plain, OTHERS).get(name), name)

    def test_listed_headers_cross_in_answers_and_inside_the_call_too(self):
        call = self.customer["peer"].invite(self.number())
        leg = self.vendor["peer"].expect_call()
        leg.reply(180, headers=[("X-Answer", "ringing"), ("X-Unwanted", "1"), ("Server", "Kettle/2.0")])
        ringing = call.expect(180)
        self.assertEqual((ringing.get("X-Answer"), ringing.get("X-Unwanted"), ringing.get("Server")), ("ringing", None, None))
        leg.reply(200, sdp=True, headers=[("X-Answer", "yes"), ("X-Unwanted", "1"), ("P-Asserted-Identity", "<sip:1@vendor.example>")])
        answer = call.expect(200)
        self.assertEqual((answer.get("X-Answer"), answer.get("X-Unwanted"), answer.get("P-Asserted-Identity")), ("yes", None, None))
        call.ack()
        leg.expect("ACK")
        for one, other in ((call, leg), (leg, call)):
            one.request("INFO", headers=[("X-Account", "5"), ("X-Unwanted", "1"), ("User-Agent", "Kettle/2.0")])
            asked = other.expect("INFO")
            self.assertEqual((asked.get("X-Account"), asked.get("X-Unwanted"), asked.get("User-Agent")), ("5", None, None))
            other.reply(200, headers=[("X-Account", "6"), ("Server", "Kettle/2.0")])
            said = one.expect(200, method="INFO")
            self.assertEqual((said.get("X-Account"), said.get("Server")), ("6", None))
        self.ends(call, leg)

    def test_zz_nothing_is_left(self):
        self.nothing_left()
