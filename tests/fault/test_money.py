# SPDX-License-Identifier: Apache-2.0
"""Money that nobody spends twice: prepaid carriers on two nodes, cut-off in time, top-ups, a node that dies."""

import threading
import time
from decimal import Decimal

from story import Failure, Story, wait_for
from story.lateness import Lateness

BINDS_S = 2.0  # docs/prepaid.md: how soon a change binds live calls
BYE_TRAVEL_S = 0.1  # from the switch to the story's peer, on a busy machine


class Prepaid(Story):
    """What the stories of both classes need."""

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.01"})
        cls.deck = stack.deck("minutes", "sell", {"1": {"price": "0.60", "initial": 60, "increment": 60},
                                                  "13": {"price": "0.60"}, "14": {"price": "30", "connect_fee": "0.5"},
                                                  "15": {"price": "6"}, "16": {"price": "84", "initial": 10}})

    def prepaid(self, name, money, **carrier):
        made = self.stack.customer(name, {}, [self.vendor], deck=self.deck, carrier={"billing_mode": "prepaid", **carrier})
        if money:
            self.pay(made, money)
        self.stack.settle()
        return made

    def pay(self, customer, amount):
        self.stack.postgres.psql("insert into ledger (carrier_id, amount, kind) "
                                 f"values ({customer['carrier']['id']}, {amount}, 'payment')")

    def balance(self, customer):
        return Decimal(self.stack.postgres.psql(f"select balance from balances where carrier_id = {customer['carrier']['id']}"))

    def available(self, customer):
        return self.stack.api.get(f"/v1/carriers/{customer['carrier']['id']}")["available"]

    def held(self, customer):
        """What all nodes' calls hold of this carrier's money, as Redis has it."""
        script = ("local sum = 0 local all = redis.call('HGETALL', KEYS[1]) for i = 1, #all, 2 do "
                  "if string.sub(all[i], 1, 2) == 'r:' then sum = sum + tonumber(all[i + 1]) end end return sum")
        said = self.stack.redis.command("EVAL", script, 1, f"{{tandem}}:money:{customer['carrier']['id']}")
        return Decimal(int(said.lstrip(":"))) / 10**6

    def redis_stops(self):
        """And the first node knows of it."""
        def missed():
            return self.stack.node.process.log().count("redis away: leases run on")

        before = missed()
        self.stack.redis.stop()
        wait_for("the node to miss Redis", lambda: missed() > before, 10)

    def released(self, customer, limit=10):
        wait_for("nothing held any more", lambda: self.held(customer) == 0, limit, 0.1)

    def vendor_takes(self):
        def take(leg):
            leg.reply(200, sdp=True)
            leg.expect("ACK")
            leg.expect("BYE", 120)
            leg.reply(200)

        self.vendor["peer"].behave(take)

    def begin(self, customer, prefix, node=None):
        """A call that talks, on that node."""
        self.vendor_takes()
        call = customer["peer"].invite(self.number(prefix), remote=(node or self.stack.node).address)
        call.expect(200)
        call.ack()
        return call

    def ended_by_us(self, call, limit):
        call.expect("BYE", limit)
        call.reply(200)
        return self.stack.api.cdr(called=call.invite.uri.split(":")[1].split("@")[0])

    def many_at_once(self, customer, n):
        """n INVITEs at the same moment, half of them on each node: [(code, call)]"""
        self.vendor_takes()
        gate, found, lock = threading.Barrier(n), [], threading.Lock()

        def one(i):
            gate.wait()
            call = customer["peer"].invite(self.number("12126"), remote=self.stack.nodes[i % 2].address)
            code = call.expect_final(15).code
            if code == 200:
                call.ack()
            with lock:
                found.append((code, call))

        threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(found), n)
        return found

    def admitted(self, customer):
        self.vendor_takes()
        call = customer["peer"].invite(self.number("12126"))
        if call.expect_final().code != 200:
            return None
        call.ack()
        return call


class Money(Prepaid):
    stack_options = {"nodes": 2, "workers": 2}

    def test_50_calls_at_once_on_two_nodes_share_one_balance(self):
        """1.00 at 0.60 a minute by the minute: one call and no more, five times over."""
        for i in range(5):
            customer = self.prepaid(f"rush {i}", "1.00")
            found = self.many_at_once(customer, 50)
            answered = [call for code, call in found if code == 200]
            self.assertEqual(len(answered), 1, f"calls admitted; codes {sorted(c for c, _ in found)}")
            self.assertEqual({code for code, _ in found} - {200}, {402})
            answered[0].bye()
            wait_for("the charge", lambda c=customer: self.balance(c) == Decimal("0.40"), 10)
            self.released(customer)
            call = customer["peer"].invite(self.number())
            self.assertEqual(call.expect_final().code, 402)

    def test_a_refused_call_says_so_in_its_record(self):
        customer = self.prepaid("broke", None)
        called = self.number()
        self.assertEqual(customer["peer"].invite(called).expect_final().code, 402)
        self.cdr_says(self.stack.api.cdr(called=called), sip_code=402, disconnect_reason="no_balance", hangup_party="switch",
                      sell_prefix="1", sell_billed_s=0, sell_amount=Decimal(0), attempts=[])

    def test_the_fee_counts_for_admission(self):
        """0.5 and the first second at 30 a minute make 1.00."""
        customer = self.prepaid("fee", "0.999999")
        self.assertEqual(customer["peer"].invite(self.number("14126")).expect_final().code, 402)
        self.pay(customer, "0.000001")
        self.stack.settle()
        time.sleep(0.5)
        cdr = self.ended_by_us(self.begin(customer, "14126"), 5)
        self.cdr_says(cdr, disconnect_reason="balance_exhausted", sell_billed_s=1, sell_amount=Decimal("1.00"))
        wait_for("the last of the money booked", lambda: self.balance(customer) == 0, 10)

    def test_a_call_is_cut_off_in_the_last_second_before_the_money_is_gone(self):
        """0.05 at 0.01 a second, by the second."""
        customer = self.prepaid("short", "0.05")
        cdr = self.ended_by_us(self.begin(customer, "13126"), 10)
        self.cdr_says(cdr, disconnect_reason="balance_exhausted", hangup_party="switch", sell_billed_s=5,
                      sell_amount=Decimal("0.05"))
        self.assertTrue(4000 < cdr["duration_ms"] <= 5000, f"{cdr['duration_ms']} ms of talk for 5 s of money")
        wait_for("the last of the money booked", lambda: self.balance(customer) == 0, 10)
        self.released(customer)

    def test_two_calls_on_two_nodes_end_before_their_money(self):
        """0.20 at 0.01 a second: some 10 s for both, and never a cent more."""
        customer = self.prepaid("pair", "0.20")
        calls = [self.begin(customer, "13126", node) for node in self.stack.nodes]
        cdrs = [self.ended_by_us(call, 25) for call in calls]
        spent = sum(Decimal(c["sell_amount"]) for c in cdrs)
        self.assertTrue(Decimal("0.18") <= spent <= Decimal("0.20"), f"{spent} spent of 0.20")
        wait_for("both booked", lambda: self.balance(customer) == Decimal("0.20") - spent, 10)
        self.released(customer)

    def test_a_top_up_extends_a_call(self):
        customer = self.prepaid("topped", "0.04")
        call = self.begin(customer, "13126")
        time.sleep(1.5)
        self.pay(customer, "0.04")
        cdr = self.ended_by_us(call, 12)
        self.cdr_says(cdr, disconnect_reason="balance_exhausted", sell_billed_s=8, sell_amount=Decimal("0.08"))
        self.assertTrue(7000 < cdr["duration_ms"] <= 8000, f"{cdr['duration_ms']} ms of talk for 8 s of money")

    def test_a_credit_limit_is_money_and_none_is_no_limit(self):
        limited = self.prepaid("credit", None, billing_mode="postpaid", credit_limit="0.03")
        cdr = self.ended_by_us(self.begin(limited, "13126"), 10)
        self.cdr_says(cdr, disconnect_reason="balance_exhausted", sell_amount=Decimal("0.03"))
        free = self.prepaid("free", None, billing_mode="postpaid")
        self.begin(free, "13126").bye()

    def test_money_held_for_later_is_recalled_for_a_call_that_begins(self):
        """Six calls on two nodes hold 6.00 of 19.00; a call that begins with 14.00 is admitted all the same."""
        customer = self.prepaid("tied", "19.00")
        calls = [self.begin(customer, "15126", self.stack.nodes[i % 2]) for i in range(6)]
        self.assertEqual(self.held(customer), Decimal("6.00"), "10 s each")
        with Lateness() as late:
            began = time.monotonic()
            calls.append(self.begin(customer, "16126"))
            took = time.monotonic() - began
        self.assertLess(took, 1.5 + late.worst_s, "seconds until the call was admitted")
        self.assertLessEqual(self.held(customer), Decimal("19.00"))
        self.assertEqual(customer["peer"].invite(self.number("16126")).expect_final().code, 402, "no more is left to recall")
        for call in calls:
            call.bye()
        wait_for("all booked", lambda: int(self.stack.postgres.psql(
            f"select count(*) from cdrs where answered_at is not null and ingress_carrier_id = {customer['carrier']['id']}")) == 7, 10)
        self.released(customer)
        self.assertGreaterEqual(self.balance(customer), 0)

    def cut_in_time(self, customer, call, change):
        """docs/prepaid.md: within two seconds of the change's answer, and what the BYE takes to get here."""
        with Lateness() as late:
            change()
            changed = time.monotonic()
            call.expect("BYE", 10)
            took = time.monotonic() - changed
        call.reply(200)
        self.assertLess(took, BINDS_S + BYE_TRAVEL_S + late.worst_s, "seconds until the call was cut off")
        self.cdr_says(self.stack.api.cdr(called=call.invite.uri.split(":")[1].split("@")[0]),
                      disconnect_reason="balance_exhausted", hangup_party="switch")
        self.released(customer)

    def limit(self, customer, **fields):
        self.stack.api.patch(f"/v1/carriers/{customer['carrier']['id']}", **fields)

    def test_a_lowered_limit_cuts_a_call_that_holds_money_for_later(self):
        customer = self.prepaid("lowered", None, billing_mode="postpaid", credit_limit="50.00")
        call = self.begin(customer, "13126", self.stack.nodes[1])
        self.assertEqual(self.held(customer), Decimal("0.10"), "10 s")
        self.cut_in_time(customer, call, lambda: self.limit(customer, credit_limit="0.01"))

    def test_a_limit_lowered_while_a_call_rings_binds_it(self):
        """It holds ten seconds from its start; once it talks it spends what has begun and no more."""
        customer = self.prepaid("rang", None, billing_mode="postpaid", credit_limit="50.00")
        picks_up = threading.Event()

        def ring(leg):
            leg.reply(180)
            picks_up.wait(20)
            leg.reply(200, sdp=True)
            leg.expect("ACK")
            leg.expect("BYE", 20)
            leg.reply(200)

        self.vendor["peer"].behave(ring)
        call = customer["peer"].invite(self.number("13126"))
        call.expect(180)
        self.assertEqual(self.held(customer), Decimal("0.10"), "10 s")
        with Lateness() as late:
            self.limit(customer, credit_limit="0.01")
            changed = time.monotonic()
            wait_for("what it held for later given back", lambda: self.held(customer) == Decimal("0.01"), 10)
            took = time.monotonic() - changed
        self.assertLess(took, BINDS_S + late.worst_s, "seconds until it was given back")

        def talks():
            picks_up.set()
            call.expect(200)
            call.ack()

        self.cut_in_time(customer, call, talks)

    def test_a_correction_of_the_balance_cuts_a_call(self):
        customer = self.prepaid("corrected", "5.00")
        call = self.begin(customer, "13126")
        self.assertEqual(self.held(customer), Decimal("0.10"), "10 s")
        self.cut_in_time(customer, call, lambda: self.stack.api.post("/v1/payments", carrier_id=customer["carrier"]["id"], amount="-4.99"))

    def test_a_lowered_limit_leaves_calls_that_can_still_pay(self):
        """Two calls of 0.01 a second hold more than the new limit, and have spent less."""
        customer = self.prepaid("shrunk", None, billing_mode="postpaid", credit_limit="50.00")
        calls = [self.begin(customer, "13126", node) for node in self.stack.nodes]
        self.assertEqual(self.held(customer), Decimal("0.20"), "10 s each")
        self.limit(customer, credit_limit="0.14")
        cdrs = [self.ended_by_us(call, 15) for call in calls]
        spent = sum(Decimal(c["sell_amount"]) for c in cdrs)
        self.assertTrue(Decimal("0.12") <= spent <= Decimal("0.14"), f"{spent} spent of 0.14")

    def test_a_limit_set_during_a_call_binds_it(self):
        customer = self.prepaid("bound", None, billing_mode="postpaid")
        call = self.begin(customer, "13126", self.stack.nodes[1])
        self.assertEqual(self.held(customer), 0)
        self.limit(customer, credit_limit="0.08")
        cdr = self.ended_by_us(call, 12)
        self.cdr_says(cdr, disconnect_reason="balance_exhausted", sell_billed_s=8, sell_amount=Decimal("0.08"))
        self.released(customer)

    def test_a_limit_taken_away_ends_no_call(self):
        customer = self.prepaid("freed", None, billing_mode="postpaid", credit_limit="0.05")
        call = self.begin(customer, "13126")
        self.limit(customer, credit_limit=None)
        with self.assertRaises(Failure):
            call.expect("BYE", 7)
        call.bye()
        self.released(customer)

    def test_what_a_dead_node_holds_is_gone_within_a_minute(self):
        """Its call had spent a minute's price: that is booked at once, and reversed when the record comes."""
        customer = self.prepaid("orphan", "2.00")
        node = self.stack.nodes[1]
        self.begin(customer, "12126", node)
        wait_for("what is available less what is held", lambda: Decimal(self.available(customer)) == Decimal("1.40"), 5)
        wait_for("the call's heartbeat", lambda: self.held(customer) == Decimal("0.60"), 5)
        time.sleep(2.5)
        node.kill()
        died = time.monotonic()
        self.released(customer, 60)
        self.assertLess(time.monotonic() - died, 60)
        self.assertEqual(self.balance(customer), Decimal("1.40"))
        self.assertEqual(Decimal(self.available(customer)), Decimal("1.40"))
        node.start()
        recovered = wait_for("the recovered record", lambda: self.stack.postgres.psql(
            f"select sell_amount from cdrs where recovered and ingress_carrier_id = {customer['carrier']['id']}"), 60)
        self.assertEqual(Decimal(recovered), Decimal("0.60"))
        wait_for("one charge", lambda: self.balance(customer) == Decimal("1.40"), 5)
        self.assertEqual(self.stack.postgres.psql("select kind, amount from ledger where kind <> 'payment' and carrier_id = "
                                                  f"{customer['carrier']['id']} order by id").split(),
                         ["adjustment|-0.600000000", "charge|-0.600000000", "adjustment|0.600000000"])

    def test_without_redis_a_call_lives_on_its_lease_and_no_new_one_comes(self):
        customer = self.prepaid("alone", "5.00")
        call = self.begin(customer, "12126")
        self.redis_stops()
        try:
            self.assertEqual(customer["peer"].invite(self.number()).expect_final().code, 503)
            call.bye()
        finally:
            self.stack.redis.start()
        wait_for("the charge", lambda: self.balance(customer) == Decimal("4.40"), 10)
        again = wait_for("leases again", lambda: self.admitted(customer), 15, 0.5)
        again.bye()
        self.released(customer)

    def test_a_redis_that_hangs_for_6_s_ends_no_call_that_has_plenty(self):
        """A call with a hundred seconds and more behind it holds ten from its start."""
        customer = self.prepaid("plenty", "50.00")
        call = self.begin(customer, "13126")
        self.stack.redis.process.freeze()
        try:
            call.expect_silence(6)
        finally:
            self.stack.redis.process.thaw()
        call.expect_silence(6)
        call.bye()
        self.cdr_says(self.stack.api.cdr(called=call.invite.uri.split(":")[1].split("@")[0]), disconnect_reason="normal")
        self.released(customer)

    def test_money_held_for_later_is_recalled_from_a_call_that_rings(self):
        """It holds 1.00 of the 14.50 that are left, for ten seconds; a call that begins with 14.00 is admitted."""
        customer = self.prepaid("ringing", "24.00")
        self.vendor["peer"].behave(lambda leg: leg.reply(180))
        ringing = customer["peer"].invite(self.number("15126"))
        ringing.expect(180)
        self.assertEqual(self.held(customer), Decimal("1.00"), "10 s")
        self.pay(customer, "-9.50")
        time.sleep(1.5)
        self.begin(customer, "16126").bye()
        ringing.cancel()
        ringing.expect(200, method="CANCEL")
        ringing.expect(487, method="INVITE")
        self.released(customer)

    def test_what_an_ended_call_costs_stays_held_until_it_is_booked(self):
        customer = self.prepaid("unbooked", "1.00")
        call = self.begin(customer, "12126")
        self.stack.postgres.stop()
        try:
            call.bye()
            self.assertEqual(customer["peer"].invite(self.number("12126")).expect_final().code, 402)
            self.assertEqual(self.held(customer), Decimal("0.60"))
        finally:
            self.stack.postgres.start()
        wait_for("the charge", lambda: self.balance(customer) == Decimal("0.40"), 15)
        self.released(customer)
        self.assertEqual(customer["peer"].invite(self.number("12126")).expect_final().code, 402)

    def test_a_redis_that_forgets_all_forgets_no_money(self):
        """Grants wait until every node has posted again what its calls hold."""
        customer = self.prepaid("forgotten", "1.00")
        call = self.begin(customer, "12126", self.stack.nodes[1])
        self.stack.redis.command("FLUSHALL")
        began = time.monotonic()
        self.assertEqual(customer["peer"].invite(self.number("12126")).expect_final().code, 402)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(self.held(customer), Decimal("0.60"))
        call.bye()
        wait_for("the charge", lambda: self.balance(customer) == Decimal("0.40"), 10)
        self.released(customer)

    def goes_back(self, customer, balance):
        """What a restore from a backup, or a standby that lacks the last commits, makes of it: an earlier balance, by its version, too."""
        self.stack.postgres.psql(f"update balances set balance = {balance}, version = 1 where carrier_id = {customer['carrier']['id']}")
        Lateness.sleep(BINDS_S)

    def codes(self, customer):
        """What a call gets at each node."""
        return [customer["peer"].invite(self.number("12126"), remote=node.address).expect_final().code for node in self.stack.nodes]

    def spend(self, customer, node):
        call = self.begin(customer, "12126", node)
        time.sleep(0.05)  # talk that costs something
        call.bye()
        self.released(customer)

    def test_a_ledger_that_went_back_is_believed(self):
        """The balance's version is lower than what nodes and Redis have seen: payments must count all the same, and so must charges."""
        customer = self.prepaid("restored", "0.01")
        for _ in range(8):
            self.pay(customer, "0.01")
        self.pay(customer, "0.60")
        Lateness.sleep(BINDS_S)
        self.spend(customer, self.stack.node)  # 0.09 are left, by version 11
        self.goes_back(customer, "0.02")
        self.assertEqual(self.codes(customer), [402, 402])
        self.pay(customer, "1.18")
        Lateness.sleep(BINDS_S)
        for node in self.stack.nodes:  # 1.20: one minute each, and no more
            self.spend(customer, node)
        self.assertEqual(self.codes(customer), [402, 402])

    def test_a_node_that_starts_after_the_ledger_went_back_believes_it(self):
        customer = self.prepaid("gone back", "0.01")
        for _ in range(8):
            self.pay(customer, "0.01")
        Lateness.sleep(BINDS_S)
        self.assertEqual(self.codes(customer), [402, 402])  # Redis has version 9
        for node in self.stack.nodes:
            node.stop()
        self.goes_back(customer, "1.20")
        self.stack.node.start()
        Lateness.sleep(BINDS_S)
        self.spend(customer, self.stack.node)
        self.stack.nodes[1].start()  # it learns from Redis that the ledger went back
        Lateness.sleep(BINDS_S)
        self.spend(customer, self.stack.nodes[1])
        self.pay(customer, "0.60")
        self.stack.node.stop()
        try:
            Lateness.sleep(BINDS_S)
            self.spend(customer, self.stack.nodes[1])
        finally:
            self.stack.node.start()


class Twins(Prepaid):
    """Two nodes by one id, which the manual forbids: neither lets go of what the other's calls hold, and both say what is wrong."""

    stack_options = {"nodes": 2}

    def test_a_node_that_lives_is_not_taken_for_an_earlier_run(self):
        other = self.stack.nodes[1]
        other.stop()
        with open(other.config) as f:
            text = f.read()
        with open(other.config, "w") as f:
            f.write(text.replace("id = sw2", "id = sw1"))
        other.start()
        customer = self.prepaid("twin", "2.00")
        calls = [self.begin(customer, "12126", node) for node in self.stack.nodes]
        until = time.monotonic() + 5
        while time.monotonic() < until:
            self.assertEqual((self.held(customer), self.balance(customer)), (Decimal("1.20"), Decimal("2.00")))
            time.sleep(0.1)
        for node in self.stack.nodes:
            wait_for("a word about it", lambda n=node: "another tandemd has this node's id" in n.process.log(), 15)
        for call in calls:
            call.bye()
        self.stack.audit_may_differ = True  # each takes the other's calls in Redis for its own


class WithoutRedis(Prepaid):
    stack_options = {"nodes": 1, "settings": {"billing": {"without_redis": "admit"}}}

    def test_a_node_alone_admits_what_it_knows_to_be_there(self):
        customer = self.prepaid("trusted", "1.00")
        self.redis_stops()
        try:
            call = self.begin(customer, "12126")
            self.assertEqual(customer["peer"].invite(self.number("12126")).expect_final().code, 402)
            time.sleep(0.01)  # talk of less than a millisecond costs nothing
            call.bye()
            wait_for("the charge", lambda: self.balance(customer) == Decimal("0.40"), 10)
        finally:
            self.stack.redis.start()
        self.released(customer)
