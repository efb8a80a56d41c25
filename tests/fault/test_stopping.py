# SPDX-License-Identifier: Apache-2.0
"""A switch that is stopped while calls begin, talk and spend: it ends in order each time, and nobody's money is lost or kept.
Worth most with sanitizers, where a thread that uses what another one has freed ends the story."""

import random
import threading
import time
from decimal import Decimal

from story import Failure, Story, wait_for

TURNS = 8


class Load:
    """Prepaid calls, one every 40 ms, each talks until the switch ends it."""

    def __init__(self, caller, numbers):
        self.caller, self.numbers, self.on, self.talking = caller, numbers, True, 0
        self.calls = []
        self.thread = threading.Thread(target=self._place)
        self.thread.start()

    def _place(self):
        while self.on:
            t = threading.Thread(target=self._call, args=(next(self.numbers),))
            t.start()
            self.calls.append(t)
            time.sleep(0.04)

    def _call(self, number):
        try:
            call = self.caller.invite(number)
            if call.expect_final(4).code == 200:
                call.ack()
                self.talking += 1
                call.expect("BYE", 20)
                call.reply(200)
        except Failure:
            pass  # the switch was gone already: what it owes is seen by the CDRs and the ledger

    def end(self):
        self.on = False
        self.thread.join()
        for t in self.calls:
            t.join()


class Stopping(Story):
    stack_options = {"workers": 2}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.01"})
        cls.customer = stack.customer("prepaid", {"1": "0.06"}, [cls.vendor], carrier={"billing_mode": "prepaid"})
        cls.carrier_id = cls.customer["carrier"]["id"]
        stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind) values ({cls.carrier_id}, 1000, 'payment')")

    def numbers(self):
        while True:
            yield self.number()

    def ends_with(self, load):
        """SIGTERM at whatever moment; stop() fails on any status but 0."""
        try:
            wait_for("calls that talk", lambda: load.talking >= 5, 20)
            time.sleep(self.dice.uniform(0, 1.2))
            self.stack.node.stop(limit=40)
        finally:
            load.end()

    def test_it_stops_again_and_again_under_load(self):
        self.dice = random.Random(4)
        self.vendor["peer"].behave(lambda leg: (leg.reply(200, sdp=True), leg.expect("ACK"), leg.expect("BYE", 40), leg.reply(200)))
        numbers, answered = self.numbers(), 0
        for _ in range(TURNS):
            load = Load(self.customer["peer"], numbers)
            self.ends_with(load)
            answered += load.talking
            self.stack.node.start()
        psql = self.stack.postgres.psql
        wait_for("a charge for each CDR", lambda: psql(
            "select count(*) filter (where duration_ms > 0) = (select count(*) from ledger where kind = 'charge') from cdrs") == "t", 20)
        sold, said = psql("select coalesce(sum(sell_amount), 0), count(*) filter (where answered_at is not null) from cdrs").split("|")
        self.assertGreaterEqual(int(said), answered)
        balance = Decimal(psql(f"select balance from balances where carrier_id = {self.carrier_id}"))
        self.assertEqual(balance, 1000 - Decimal(sold))

        script = ("local n = 0 for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do if string.sub(name, 1, 2) == 'r:' and "
                  "redis.call('HGET', KEYS[1], name) ~= '0' then n = n + 1 end end return n")
        wait_for("no money held for calls that are over",
                 lambda: self.stack.redis.command("EVAL", script, 1, f"{{tandem}}:money:{self.carrier_id}") == ":0", 30)
