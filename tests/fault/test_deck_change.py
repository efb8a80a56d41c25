# SPDX-License-Identifier: Apache-2.0
"""A whole deck of 112,333 prefixes is imported and switched in while calls run: none fails, none has half a price."""

import csv
import gzip
import io
import os
from decimal import Decimal

from story import Story, sipp, wait_for
from story.base import amount
from story.process import TOP

PREFIXES = 112333


def sheet(price):
    """The sample deck's prefixes, all at this price, as CSV."""
    out = io.StringIO()
    with gzip.open(os.path.join(TOP, "data", "deck-112k.csv.gz"), "rt", newline="") as f:
        writer = csv.writer(out)
        writer.writerow(["prefix", "destination", "price"])
        for row in csv.DictReader(f):
            writer.writerow([row["prefix"], row["destination"], price])
    return out.getvalue()


class DeckChange(Story):
    """50 calls a second; the customer's price of every prefix is doubled."""

    stack_options = {"workers": 2}
    rate, calls, old, new = 50, 2000, "0.06", "0.12"

    @classmethod
    def provision(cls, stack):
        cls.vendor_host, cls.caller_host = "127.0.0.33", "127.0.0.34"
        cls.end = sipp.vendor("vendor", stack.folder, cls.vendor_host)
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, host=cls.vendor_host, port=cls.end.port)
        cls.customer = stack.customer("harbour", {}, [cls.vendor], peer=stack.peer("caller", cls.caller_host))
        job = stack.api.import_rates(cls.customer["deck"]["id"], sheet(cls.old), limit=120)
        if job["status"] != "done" or job["report"]["added"] != PREFIXES:
            raise cls.failureException(f"the first import: {job}")
        wait_for("the deck in force", lambda: f"rates={PREFIXES + 1} " in stack.node.process.log(), 60)

    @classmethod
    def tearDownClass(cls):
        cls.end.kill()
        super().tearDownClass()

    def test_each_call_is_wholly_at_the_old_or_the_new_price(self):
        stack = self.stack
        pairs = [(f"1212{i:07d}", 4930 * 10**6 + i) for i in range(self.calls)]
        numbers = sipp.numbers_file(os.path.join(stack.folder, "numbers.csv"), pairs)
        source = sipp.caller("load", stack.folder, self.caller_host, stack.node.address, numbers, 1000, calls=self.calls, rate=self.rate)
        wait_for("calls to run", lambda: source.must_run() or source.counts()[1] > 100, 20)
        job = stack.api.import_rates(self.customer["deck"]["id"], sheet(self.new), limit=120)
        self.assertEqual((job["status"], job["report"]["changed"]), ("done", PREFIXES), f"the import: {job}")
        made, good, _ = sipp.finish(source, 90)
        self.assertEqual((made, good), (self.calls, self.calls))

        def stored():
            rows = stack.postgres.psql("select sell_price, sell_prefix, sell_billed_s, sell_amount, duration_ms from cdrs "
                                       "where answered_at is not null order by started_at").splitlines()
            return len(rows) == self.calls and [r.split("|") for r in rows]

        cdrs = wait_for("all CDRs", stored, 20)
        prices = [Decimal(r[0]) for r in cdrs]
        self.assertEqual(set(prices), {Decimal(self.old), Decimal(self.new)})
        self.assertGreater(prices.count(Decimal(self.old)), 100)
        for price, prefix, billed, cost, ms in cdrs:
            wanted_billed, wanted = amount(Decimal(price), -(-int(ms) // 1000))
            self.assertEqual((prefix, int(billed), Decimal(cost)), ("1212", wanted_billed, wanted), f"a CDR at {price}, {ms} ms")
        # once a worker has the new price it never goes back; the two workers change within a moment of each other
        first_new, last_old = prices.index(Decimal(self.new)), len(prices) - 1 - prices[::-1].index(Decimal(self.old))
        self.assertLess(last_old - first_new, self.rate, "calls at the old price long after the new one was in force")
