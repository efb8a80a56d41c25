# SPDX-License-Identifier: Apache-2.0
"""Vendors by name (RFC 3263), vendors that redirect, and the switch as a redirect server."""

import re
from decimal import Decimal

from story import Story, free_port
from story.dns import A, AAAA, NAPTR, SRV, NameServer


class Named(Story):
    """The switch asks a name server of ours."""

    sip = {}      # more settings of [sip]
    servers = []  # asked before it

    @classmethod
    def setUpClass(cls):
        cls.dns = NameServer({})
        cls.addClassCleanup(cls.dns.close)
        servers = ",".join([*cls.servers, cls.dns.address])
        cls.stack_options = {"settings": {"sip": {"dns_servers": servers, **cls.sip}}}
        super().setUpClass()


class Names(Named):
    @classmethod
    def provision(cls, stack):
        cls.first, cls.second = stack.peer("first"), stack.peer("second")
        dead = free_port()
        cls.dns.table.update({
            ("a.vendor.test", A): [cls.first.host],
            ("_sip._udp.srv.vendor.test", SRV): [(20, 0, cls.second.port, "b.vendor.test"), (10, 0, dead, "a.vendor.test")],
            ("b.vendor.test", A): [cls.second.host],
            ("naptr.vendor.test", NAPTR): [(20, 10, "s", "SIP+D2U", "_sip._udp.other.test"),
                                           (10, 10, "s", "SIP+D2T", "_sip._tcp.none.test")],
            ("_sip._udp.other.test", SRV): [(1, 1, cls.second.port, "b.vendor.test")],
            ("both.vendor.test", NAPTR): [(10, 10, "s", "SIP+D2U", "_sip._udp.both.test")],
            ("_sip._udp.both.test", SRV): [(10, 0, cls.first.port, "a.vendor.test"), (20, 0, cls.second.port, "b.vendor.test")],
            ("_sip._tcp.none.test", SRV): [(1, 1, dead, "a.vendor.test")],
            ("_sip._udp.many.vendor.test", SRV): [(n, 0, (cls.first, cls.second)[n % 2].port, f"{'ab'[n % 2]}.vendor.test") for n in range(4)],
        })
        by = {"10": ("a.vendor.test", cls.first.port, "udp"), "11": ("srv.vendor.test", None, "udp"),
              "12": ("gone.vendor.test", 5060, "udp"), "14": ("both.vendor.test", None, None), "13": ("naptr.vendor.test", None, None),
              "15": ("many.vendor.test", None, "udp")}
        vendors = []
        for prefix, (host, port, transport) in by.items():
            carrier = stack.carrier(f"vendor {prefix}")
            deck = stack.deck(f"deck {prefix}", "buy", {prefix: "0.01"})
            vendors.append(stack.api.post("/v1/trunks", carrier_id=carrier["id"], name=f"trunk {prefix}", direction="egress", host=host,
                                          **({"port": port} if port else {}), **({"transport": transport} if transport else {}),
                                          rate_deck_id=deck["id"]))
        cls.trunks = dict(zip(by, vendors))
        cls.reserve = stack.vendor("reserve", {"12": "0.02", "15": "0.02"})
        cls.customer = stack.customer("caller", {"1": "0.05"}, [*vendors, cls.reserve])

    def talk(self, called, peer):
        call = self.customer["peer"].invite(called)
        leg = peer.expect_call(limit=8)
        self.answer(call, leg)
        call.bye()
        leg.expect("BYE")
        leg.reply(200)
        return leg

    def test_a_name_with_a_port_is_looked_up_once(self):
        leg = self.talk(self.number(prefix="10"), self.first)
        self.assertIn("@a.vendor.test", leg.invite.uri)
        self.talk(self.number(prefix="10"), self.first)
        self.assertEqual(self.dns.asked.count(("a.vendor.test", A)), 1)

    def test_srv_gives_the_order_and_the_next_when_one_is_dead(self):
        called = self.number(prefix="11")
        self.talk(called, self.second)
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.trunks["11"], 503), (self.trunks["11"], 200))

    def test_an_address_that_refuses_leads_to_the_next_of_the_same_name(self):
        """RFC 3263 section 4.3: 503 is as good as silence."""
        called = self.number(prefix="14")
        call = self.customer["peer"].invite(called)
        leg = self.first.expect_call()
        leg.reply(503)
        leg.expect("ACK")
        leg = self.second.expect_call()
        leg.reply(486)
        call.expect(486)
        self.attempts_are(self.stack.api.cdr(called=called), (self.trunks["14"], 503), (self.trunks["14"], 486))

    def test_each_address_of_a_name_is_an_attempt(self):
        """However many addresses a name has, no call makes more B legs than the plan's max_attempts."""
        plan = f"/v1/routing-plans/{self.customer['plan']['id']}"
        for most in (1, 3, 5):
            self.stack.api.patch(plan, max_attempts=most)
            self.stack.settle()
            called = self.number(prefix="15")
            call = self.customer["peer"].invite(called)
            for n in range(min(most, 4)):
                leg = (self.first, self.second)[n % 2].expect_call()
                leg.reply(503)
                leg.expect("ACK")
            if most > 4:
                leg = self.reserve["peer"].expect_call()
                leg.reply(404)
                leg.expect("ACK")
            call.expect(404 if most > 4 else 503)
            for peer in (self.first, self.second, self.reserve["peer"]):
                peer.expect_no_call(0.05)
            self.attempts_are(self.stack.api.cdr(called=called), *[(self.trunks["15"], 503)] * min(most, 4),
                              *[(self.reserve, 404)] * (most > 4))

    def test_naptr_chooses_among_the_transports(self):
        called = self.number(prefix="13")
        call = self.customer["peer"].invite(called)
        final = call.expect_final(limit=10)
        self.assertEqual(final.code, 503, "its best offer is TCP, where nobody listens")
        self.assertIn(("_sip._tcp.none.test", SRV), self.dns.asked)
        self.assertNotIn(("_sip._udp.other.test", SRV), self.dns.asked)

    def test_a_name_that_nobody_has_leads_to_the_next_vendor(self):
        called = self.number(prefix="12")
        self.talk(called, self.reserve["peer"])
        cdr = self.stack.api.cdr(called=called)
        self.attempts_are(cdr, (self.trunks["12"], 503), (self.reserve, 200))
        self.assertEqual(cdr["attempts"][0]["reason"], "unresolved")

    def test_a_caller_may_give_up_while_the_name_is_looked_up(self):
        self.dns.table[("slow.vendor.test", A)] = [self.first.host]
        self.stack.api.patch(f"/v1/trunks/{self.trunks['10']['id']}", host="slow.vendor.test")
        self.stack.settle()
        self.dns.silent = True
        try:
            called = self.number(prefix="10")
            call = self.customer["peer"].invite(called)
            call.expect(100)
            call.cancel()
            call.expect(200, method="CANCEL")
            call.expect(487)
            cdr = self.stack.api.cdr(called=called)
            self.cdr_says(cdr, disconnect_reason="cancelled")
            self.assertEqual(cdr["attempts"], [])
        finally:
            self.dns.silent = False
            self.stack.api.patch(f"/v1/trunks/{self.trunks['10']['id']}", host="a.vendor.test")
            self.stack.settle()


class FirstServerDead(Named):
    """Two name servers, the first of which never answers: a name still leads somewhere, with all four questions that it takes."""

    @classmethod
    def setUpClass(cls):
        dead = NameServer({})
        dead.silent = True
        cls.addClassCleanup(dead.close)
        cls.servers = [dead.address]
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        peer = stack.peer("far")
        cls.dns.table.update({
            ("far.vendor.test", NAPTR): [(1, 1, "s", "SIP+D2U", "_missing.test"), (2, 1, "s", "SIP+D2U", "_far.test")],
            ("_far.test", SRV): [(1, 1, peer.port, "a.far.test")],
            ("a.far.test", A): [peer.host],
        })
        cls.peer = peer
        deck = stack.deck("deck", "buy", {"1": "0.01"})
        trunk = stack.api.post("/v1/trunks", carrier_id=stack.carrier("far")["id"], name="far", direction="egress", host="far.vendor.test",
                               rate_deck_id=deck["id"])
        cls.customer = stack.customer("caller", {"1": "0.05"}, [trunk])

    def test_the_second_one_answers_in_time(self):
        call = self.customer["peer"].invite(self.number())
        leg = self.peer.expect_call(limit=8)
        leg.reply(486)
        leg.expect("ACK")
        call.expect(486)
        self.assertEqual(len(self.dns.asked), 4)


class Transports(Named):
    """A vendor without a transport of its own: its domain says which (RFC 3263 section 4.1). The switch listens on UDP and TCP."""

    @classmethod
    def provision(cls, stack):
        cls.udp, cls.tcp = stack.peer("udp"), stack.peer("tcp", transport="tcp")
        over = {cls.udp: "SIP+D2U", cls.tcp: "SIP+D2T"}
        table = cls.dns.table
        table[("a.test", A)] = [cls.udp.host]
        table[("b.test", A)] = [cls.tcp.host]
        table[("_udp.test", SRV)] = [(1, 1, cls.udp.port, "a.test")]
        table[("_tcp.test", SRV)] = [(1, 1, cls.tcp.port, "b.test")]
        table[("_nowhere.test", SRV)] = [(1, 1, 5060, "nobody.test")]
        table[("_not.test", SRV)] = [(0, 0, 0, "")]

        def naptr(order, preference, service, name, flags="s"):
            return (order, preference, flags, service, name)

        cls.records = {
            "10": [naptr(2, 1, over[cls.udp], "_udp.test"), naptr(1, 9, over[cls.tcp], "_tcp.test")],   # by order
            "11": [naptr(1, 9, over[cls.tcp], "_tcp.test"), naptr(1, 1, over[cls.udp], "_udp.test")],   # then by preference
            "12": [naptr(1, 1, "SIPS+D2T", "_udp.test"), naptr(1, 2, "SIP+D2S", "_udp.test"), naptr(1, 3, "SIP+D2U", "a.test", "a"),
                   naptr(2, 1, over[cls.tcp], "_tcp.test")],                                            # past what we do not speak
            "13": [naptr(1, 1, over[cls.udp], "_missing.test"), naptr(2, 1, over[cls.tcp], "_tcp.test")],
            "14": [naptr(1, 1, over[cls.udp], "_nowhere.test"), naptr(2, 1, over[cls.tcp], "_tcp.test")],
            "15": [naptr(1, 1, over[cls.udp], "_not.test"), naptr(2, 1, over[cls.tcp], "_tcp.test")],
        }
        for prefix, records in cls.records.items():
            table[(f"{prefix}.vendor.test", NAPTR)] = records
        table[("_sip._tcp.16.vendor.test", SRV)] = [(1, 1, cls.tcp.port, "b.test")]                     # no NAPTR, SRV for TCP alone
        table[("_sip._udp.17.vendor.test", SRV)] = [(1, 1, cls.udp.port, "a.test")]                     # for both
        table[("_sip._tcp.17.vendor.test", SRV)] = [(1, 1, cls.tcp.port, "b.test")]
        table[("_sip._udp.18.vendor.test", SRV)] = [(0, 0, 0, "")]                                      # not by SIP at all
        table[("18.vendor.test", A)] = [cls.udp.host]
        cls.vendors = {}
        for n in range(10, 19):
            carrier = stack.carrier(f"vendor {n}")
            deck = stack.deck(f"deck {n}", "buy", {str(n): "0.01"})
            cls.vendors[str(n)] = stack.api.post("/v1/trunks", carrier_id=carrier["id"], name=f"trunk {n}", direction="egress",
                                                 host=f"{n}.vendor.test", rate_deck_id=deck["id"])
        cls.customer = stack.customer("caller", {"1": "0.05"}, list(cls.vendors.values()))

    def arrives(self, prefix, peer):
        call = self.customer["peer"].invite(self.number(prefix=prefix))
        leg = peer.expect_call()
        leg.reply(486)
        leg.expect("ACK")
        call.expect(486)

    def test_naptr_goes_by_order_then_by_preference(self):
        self.arrives("10", self.tcp)
        self.arrives("11", self.udp)

    def test_naptr_records_that_cannot_be_used_are_passed_over(self):
        self.arrives("12", self.tcp)

    def test_a_naptr_record_that_leads_nowhere_leads_to_the_next(self):
        for prefix in ("13", "14", "15"):
            with self.subTest(prefix=prefix):
                self.arrives(prefix, self.tcp)

    def test_without_naptr_the_srv_records_say_it(self):
        self.arrives("16", self.tcp)
        self.arrives("17", self.udp)

    def test_a_domain_that_says_no_is_not_called(self):
        """RFC 2782: a target of "." is decidedly not available, whatever address the name has."""
        called = self.number(prefix="18")
        call = self.customer["peer"].invite(called)
        call.expect(503)
        self.udp.expect_no_call(0.1)
        self.assertEqual(self.stack.api.cdr(called=called)["attempts"][0]["reason"], "unresolved")


class Families(Named):
    """Names with addresses of IPv6. The switch listens on both families."""

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.sip = {"listen": f"udp:127.0.0.1:{cls.port}, udp:[::1]:{free_port()}"}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.port
        cls.six = stack.peer("six", host="::1")
        dead = "127.0.0.199"          # nobody listens there
        cls.dns.table.update({("six.test", AAAA): ["::1"], ("both.test", AAAA): ["::1"], ("both.test", A): [dead],
                              ("_sip._udp.srv.test", SRV): [(1, 1, cls.six.port, "six.test")]})
        cls.vendors = []
        for prefix, host, more in (("11", "six.test", {"port": cls.six.port}), ("12", "both.test", {"port": cls.six.port}),
                                   ("13", "srv.test", {"transport": "udp"})):
            deck = stack.deck(f"deck {prefix}", "buy", {prefix: "0.01"})
            cls.vendors.append(stack.api.post("/v1/trunks", carrier_id=stack.carrier(f"vendor {prefix}")["id"], name=host, host=host,
                                              direction="egress", no_response_timeout=1, rate_deck_id=deck["id"], **more))
        cls.customer = stack.customer("caller", {"1": "0.05"}, cls.vendors)

    def test_an_address_of_ipv6_is_called_over_ipv6(self):
        for prefix in ("11", "12", "13"):  # alone, beside a dead one of IPv4, and of an SRV record's target
            with self.subTest(prefix=prefix):
                call = self.customer["peer"].invite(self.number(prefix))
                leg = self.six.expect_call(5)
                self.assertIn("SIP/2.0/UDP [::1]:", leg.invite.get("Via"))
                leg.reply(486)
                leg.expect("ACK")
                call.expect(486)


class Redirects(Story):
    @classmethod
    def provision(cls, stack):
        cls.mover = stack.vendor("mover", {"1": "0.01"}, trunk={"max_redirects": 1})
        cls.firm = stack.vendor("firm", {"1": "0.02"})
        cls.customer = stack.customer("caller", {"1": "0.05"}, [cls.mover, cls.firm])
        cls.elsewhere = stack.peer("elsewhere")
        asker = stack.peer("asker")
        odd = stack.vendor("odd", {"3": "0.01"}, trunk={"translations": [{"number": "called", "match": "^3", "replace": "#31#$0"}]})
        long = stack.vendor("long", {"4": "0.01"}, trunk={"translations": [{"number": "called", "match": "^4", "replace": "4" * 127}]})
        cls.asker = stack.customer("asker", {"1": "0.05", "3": "0.05", "4": "0.05"}, [cls.mover, cls.firm, odd, long], peer=asker,
                                   trunk={"mode": "redirect"})

    def test_a_redirect_is_followed_where_the_trunk_allows(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.mover["peer"].expect_call()
        leg.reply(302, headers=[("Contact", f"<sip:777{called}@{self.elsewhere.host}:{self.elsewhere.port}>")])
        leg.expect("ACK")
        moved = self.elsewhere.expect_call()
        self.assertIn("777" + called, moved.invite.uri)
        moved.reply(200, sdp=True)
        ok = call.expect(200)
        self.assertNotIn(self.elsewhere.host, ok.get("Contact"))
        call.ack()
        moved.expect("ACK")
        call.bye()
        moved.expect("BYE")
        moved.reply(200)
        self.attempts_are(self.stack.api.cdr(called=called), (self.mover, 302), (self.mover, 200))

    def test_but_not_for_ever_and_not_where_it_does_not(self):
        called = self.number()
        call = self.customer["peer"].invite(called)
        leg = self.mover["peer"].expect_call()
        here = f"<sip:{called}@{self.elsewhere.host}:{self.elsewhere.port}>"
        leg.reply(302, headers=[("Contact", here)])
        leg.expect("ACK")
        moved = self.elsewhere.expect_call()
        moved.reply(302, headers=[("Contact", here)])
        moved.expect("ACK")
        last = self.firm["peer"].expect_call()
        last.reply(302, headers=[("Contact", here)])
        last.expect("ACK")
        final = call.expect_final()
        self.assertEqual(final.code, 503)
        self.assertIsNone(final.get("Contact"))
        self.elsewhere.expect_no_call(0.2)

    def test_a_redirect_servers_numbers_are_escaped(self):
        called = self.number("312")
        moved = self.asker["peer"].invite(called).expect_final()
        self.assertEqual(moved.code, 302)
        self.assertIn(f"<sip:%2331%23{called}@", moved.get("Contact"))

    def test_a_redirect_server_that_can_name_nobody_says_503(self):
        called = self.number("412")
        final = self.asker["peer"].invite(called).expect_final()
        self.assertEqual((final.code, final.get("Contact")), (503, None))
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=503, disconnect_reason="no_route", sell_amount=Decimal(0))

    def test_as_a_redirect_server_it_names_the_ranked_vendors(self):
        called = self.number()
        call = self.asker["peer"].invite(called)
        moved = call.expect(302)
        contacts = re.findall(r"<sip:([^@]+)@([^:;>]+):(\d+)[^>]*>;q=([\d.]+)", ", ".join(moved.all("Contact")))
        self.assertEqual([(c[0], c[1]) for c in contacts],
                         [(called, self.mover["peer"].host), (called, self.firm["peer"].host)])
        self.assertGreater(float(contacts[0][3]), float(contacts[1][3]))
        self.mover["peer"].expect_no_call(0.2)
        cdr = self.stack.api.cdr(called=called)
        self.cdr_says(cdr, sip_code=302, disconnect_reason="normal", duration_ms=0, egress_trunk_id=None)
        self.assertEqual(cdr["attempts"], [])
