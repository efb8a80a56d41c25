# SPDX-License-Identifier: Apache-2.0
"""No digit of money is lost or made, whatever breaks: what the calls cost, the ledger, the exports and the invoices are one sum.

Three customers and three vendors (one carrier is both), four currencies, five ways to round, on two nodes. While calls flow,
connections are cut, PostgreSQL hangs and is killed, Redis is lost, a node and exports are killed; then calls are rated anew,
invoices issued, one taken back, and calls flow again."""

import csv
import datetime
import glob
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import time
from decimal import Decimal
from fractions import Fraction

from story import Story, sipp, wait_for
from story.process import keep
from story.stack import program

SIDES = (("sell", "ingress", "charge", -1), ("buy", "egress", "cost", 1))


def amount(ms, price, fee="0", initial=1, increment=1, mode="half_up", places=6, duration="up"):
    """The contract's section 6, in fractions, written anew here."""
    seconds = {"up": -(-ms // 1000), "half_up": (ms + 500) // 1000, "down": ms // 1000}[duration]
    if seconds == 0:
        return 0, Decimal(0)
    billed = initial if seconds <= initial else initial + -(-(seconds - initial) // increment) * increment
    exact = (Fraction(fee) + Fraction(price) * billed / 60) * 10**places
    whole = {"up": -(-exact.numerator // exact.denominator), "down": exact.numerator // exact.denominator,
             "half_up": (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)}[mode]
    return billed, Decimal(whole) / 10**places


class Conservation(Story):
    stack_options = {"nodes": 2, "workers": 1, "durable": True}
    rate = 12
    # name: currency, terms of its deck as a customer, carrier's fields, milliseconds of talk
    customers = {
        "harbour": ("USD", {"price": "0.0123"}, {}, 700),
        "midway": ("EUR", {"price": "0.333333333", "fee": "0.0011", "initial": 6, "increment": 6, "mode": "up", "places": 4},
                   {"billing_mode": "prepaid", "timezone": "Europe/Berlin"}, 1300),
        "isle": ("GBP", {"price": "0.077777777", "mode": "down", "places": 8, "duration": "half_up"},
                 {"credit_limit": "500", "timezone": "Asia/Kolkata"}, 2600)}
    vendors = {
        "alpha": ("USD", {"price": "0.0071", "initial": 30, "increment": 6, "places": 7}),
        "beta": ("CHF", {"price": "0.000000123", "fee": "0.003", "mode": "up", "places": 8, "duration": "down"}),
        "isle": ("GBP", {"price": "0.005"})}  # the customer of that name: a bilateral partner

    @classmethod
    def provision(cls, stack):
        cls.decks, cls.ids, cls.ends, buying = {}, {}, [], []
        for pair in (("USD", "EUR", "0.9"), ("CHF", "EUR", "1.05"), ("GBP", "EUR", "1.17"), ("USD", "GBP", "0.77"),
                     ("CHF", "GBP", "0.9"), ("CHF", "USD", "1.17"), ("GBP", "USD", "1.3")):
            stack.api.post("/v1/exchange-rates", **{"from": pair[0], "to": pair[1], "rate": pair[2], "effective_from": "2020-01-01T00:00:00.000Z"})
        for name, (currency, _, fields, _) in cls.customers.items():
            cls.ids[name] = stack.carrier(name, currency, **fields)["id"]
        stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind) values ({cls.ids['midway']}, 1000, 'payment')")
        for i, (name, (currency, terms)) in enumerate(cls.vendors.items()):
            end = sipp.vendor(name, stack.folder, f"127.0.0.{41 + i}")
            cls.ends.append(end)
            cls.ids.setdefault(name, None)
            cls.ids[name] = cls.ids[name] or stack.carrier(name, currency)["id"]
            trunk = stack.api.post("/v1/trunks", carrier_id=cls.ids[name], name="out", direction="egress", host=end.host, port=end.port,
                                   rate_deck_id=cls.deck(stack, name, "buy", f"{i + 1}", currency, terms))
            buying.append(trunk["id"])
        plan = stack.api.post("/v1/routing-plans", name="all", policy="lcr", allow_loss=True, allow_return=True,
                              members=[{"trunk_id": t} for t in buying])
        for i, (name, (currency, terms, _, _)) in enumerate(cls.customers.items()):
            stack.api.post("/v1/trunks", carrier_id=cls.ids[name], name="in", direction="ingress", source_cidrs=[f"127.0.0.{51 + i}/32"],
                           routing_plan_id=plan["id"], rate_deck_id=cls.deck(stack, name, "sell", "", currency, terms))

    @classmethod
    def deck(cls, stack, name, side, prefix, currency, terms):
        """One rate for numbers that begin with `prefix` (sell: with 1, 2 and 3 each the same)."""
        deck = stack.api.post("/v1/rate-decks", name=f"{name} {side}", side=side, currency=currency,
                              rounding={"mode": terms.get("mode", "half_up"), "places": terms.get("places", 6)},
                              duration_rounding=terms.get("duration", "up"))
        rates = [stack.api.post(f"/v1/rate-decks/{deck['id']}/rates", prefix=p, price=terms["price"], connect_fee=terms.get("fee", "0"),
                                initial=terms.get("initial", 1), increment=terms.get("increment", 1), destination=f"land {p}",
                                effective_from="2020-01-01T00:00:00.000Z")["id"] for p in ([prefix] if prefix else "123")]
        cls.decks[name, side] = (deck["id"], rates, dict(terms))
        return deck["id"]

    @classmethod
    def tearDownClass(cls):
        for end in cls.ends:
            end.kill()
        super().tearDownClass()

    # ---- calls, and what breaks while they flow

    def sources(self, word, calls):
        """A source for each customer, the first two on the first node."""
        found = []
        for i, (name, (_, _, _, talk_ms)) in enumerate(self.customers.items()):
            pairs = [(f"{1 + n % 3}2125{next(self._numbers):07d}", f"4930{n:07d}") for n in range(calls)]
            numbers = sipp.numbers_file(os.path.join(self.stack.folder, f"{word}-{name}.csv"), pairs)
            found.append(sipp.caller(f"{word}-{name}", self.stack.folder, f"127.0.0.{51 + i}", self.stack.nodes[i // 2].address, numbers,
                                     talk_ms, scenario="uac-any", calls=calls, rate=self.rate, more=["-recv_timeout", "12000"]))
        return found

    def stored(self):
        return int(self.stack.postgres.psql("select count(*) from cdrs"))

    def flows_on(self, more):
        """Until so many CDRs more are in PostgreSQL."""
        wanted = self.stored() + more
        wait_for(f"{wanted} CDRs", lambda: self.stored() >= wanted, 30, 0.1)

    def connections_are_cut(self):
        until = time.monotonic() + 3
        while time.monotonic() < until:
            self.stack.postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tandemd%'")
            time.sleep(0.13)

    def postgresql_hangs(self):
        self.stack.postgres.process.freeze()
        time.sleep(3)
        self.stack.postgres.process.thaw()

    def postgresql_is_killed(self):
        self.stack.postgres.process.kill()
        time.sleep(2)
        self.stack.postgres.start()

    def redis_is_lost(self):
        self.stack.redis.stop()
        time.sleep(2)
        self.stack.redis.start()

    def a_node_is_killed(self):
        wait_for("calls that talk on the second node", lambda: self.waiting(self.stack.nodes[1])[0] >= 5, 20, 0.05)
        self.stack.nodes[1].kill()
        time.sleep(1)
        self.stack.nodes[1].start()

    def an_export_is_killed(self):
        run = keep(subprocess.Popen([program("tandem"), "-c", self.stack.config, "export", "run"], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        begun = os.path.join(self.stack.folder, "export", "*", f".*.{run.pid}")
        wait_for("a directory begun", lambda: glob.glob(begun) or run.poll() is not None, 20, every=0.001)
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=10)

    def settled(self, sources):
        """All callers are through, nothing is live, nothing waits on a node's disk."""
        for source in sources:
            source.wait(90)
        for node in self.stack.nodes:
            wait_for(f"no call and no record left on {node.name}", lambda n=node: self.waiting(n) == (0, 0), 60, 0.2)

    @staticmethod
    def waiting(node):
        """(calls that talk, records that wait) as they stand in a node's spool; what PostgreSQL has confirmed is kept there for a while."""
        spool = sqlite3.connect(f"file:{node.folder}/spool/spool.db?mode=ro", uri=True, timeout=5)
        try:
            settled = "coalesce((select value from state where name = 'settled_seq'), 0)"
            return spool.execute(f"select (select count(*) from open_calls), (select count(*) from records where seq > {settled})").fetchone()
        finally:
            spool.close()

    # ---- what is booked after the calls

    def rerate(self, name, side, price):
        """A new price with effect from the past; booked twice, the second time nothing."""
        deck, rates, terms = self.decks[name, side]
        for rate in rates:
            self.stack.api.patch(f"/v1/rate-decks/{deck}/rates/{rate}", price=price)
        words = ("rerate", "--carrier", str(self.ids[name]), "--side", side, "--from", "2020-01-01", "--to", "2100-01-01", "--json")
        before = self.ledger("kind = 'rerate'")
        preview = json.loads(self.stack.tandem(*words).stdout)
        self.assertEqual(self.ledger("kind = 'rerate'"), before, "a preview books nothing")
        self.stack.tandem(*words, "--apply")
        booked = self.ledger("kind = 'rerate'") - before
        self.assertNotEqual(booked, 0)
        self.assertEqual(abs(booked), abs(Decimal(preview["difference"])), "the preview is what was booked")
        self.stack.tandem(*words, "--apply")
        self.assertEqual(self.ledger("kind = 'rerate'") - before, booked, "the second time books nothing")
        terms["price"] = price

    def bill(self, name, side):
        day = str(datetime.date.today() + datetime.timedelta(days=2))
        return json.loads(self.stack.tandem("invoice", "create", "--carrier", str(self.ids[name]), "--side", side, "--from", "2020-01-01", "--to", day,
                                            "--tax", "VAT=19", "--issue", "--json").stdout)

    # ---- the four sums

    def sum_of(self, sql):
        return Decimal(self.stack.postgres.psql(sql) or 0)

    def ledger(self, condition):
        return self.sum_of(f"select coalesce(sum(amount), 0) from ledger where {condition}")

    def exported(self, carrier, side):
        """(what the manifests say, what the lines of the files add up to), over all runs."""
        said = added = Decimal(0)
        name = f"carrier-{carrier}-{side}.csv.gz"
        column = "difference" if side == "rerate" else f"{side}_amount"
        for manifest in glob.glob(os.path.join(self.stack.folder, "export", "*", "[0-9]*", "manifest.json")):
            with open(manifest) as f:
                said += sum(Decimal(file["amount"]) for file in json.load(f)["files"] if file["name"] == name)
            path = os.path.join(os.path.dirname(manifest), name)
            if os.path.exists(path):
                with gzip.open(path, "rt", newline="") as f:
                    added += sum(Decimal(row[column]) for row in csv.DictReader(f) if row[column])
        return said, added

    def sums_agree(self):
        corrections = {}
        for side, way, kind, sign in SIDES:
            for name, carrier in self.ids.items():
                cdrs = self.sum_of(f"select coalesce(sum({side}_amount), 0) from cdrs where {way}_carrier_id = {carrier}")
                again = self.sum_of(f"select coalesce(sum(new_amount - old_amount), 0) from rerates where carrier_id = {carrier} and side = '{side}'")
                corrections[carrier] = corrections.get(carrier, 0) + again
                booked = sign * self.ledger(f"carrier_id = {carrier} and (kind = '{kind}' or kind = 'rerate' and note = '{side}')")
                billed = self.sum_of(f"select coalesce(sum(net), 0) from invoices where carrier_id = {carrier} and side = '{side}' and status = 'issued'")
                self.assertEqual(booked, cdrs + again, f"{name} {side}: the ledger, CDRs and corrections")
                self.assertEqual(self.exported(carrier, side), (cdrs, cdrs), f"{name} {side}: exports and CDRs")
                self.assertEqual(billed, booked, f"{name} {side}: invoices and the ledger")
        for name, carrier in self.ids.items():
            self.assertEqual(self.exported(carrier, "rerate"), (corrections[carrier],) * 2, f"{name}: exported corrections")
            self.assertEqual(self.ledger(f"carrier_id = {carrier}"), self.sum_of(f"select balance from balances where carrier_id = {carrier}"))
        self.assertEqual(self.ledger("kind = 'adjustment'"), 0, "what was booked for a dead node is reversed")

    def every_record_is_right(self):
        """Each amount by an independent calculation from the milliseconds; each call once, each booking once."""
        terms = {(self.ids[name], side): t for (name, side), (_, _, t) in self.decks.items()}
        wrong = []
        for side, way, kind, _ in SIDES:
            rows = self.stack.postgres.psql(
                f"select c.id, {way}_carrier_id, duration_ms, {side}_billed_s, coalesce(r.new_amount, {side}_amount) from cdrs c left join lateral "
                f"(select new_amount from rerates r where r.cdr_id = c.id and r.side = '{side}' order by n desc limit 1) r on true "
                f"where answered_at is not null and {side}_amount is not null").splitlines()
            self.assertGreater(len(rows), 300)
            for row in rows:
                cdr, carrier, ms, billed, has = row.split("|")
                if (int(billed), Decimal(has)) != amount(int(ms), **terms[int(carrier), side]):
                    wrong.append((side, row, amount(int(ms), **terms[int(carrier), side])))
            twice = self.stack.postgres.psql(f"select cdr_id from ledger where kind = '{kind}' group by cdr_id, kind having count(*) > 1")
            self.assertEqual(twice, "")
        self.assertEqual(wrong, [])
        self.assertEqual(self.stack.postgres.psql("select called_in from cdrs group by called_in having count(*) > 1"), "")

    def numbers_have_no_gap(self):
        for side, _, _, _ in SIDES:
            numbers = self.stack.postgres.psql(f"select number from invoices where side = '{side}' and number is not null order by number").split()
            self.assertEqual([int(n) for n in numbers], list(range(1, len(numbers) + 1)))

    def test_calls_ledger_exports_and_invoices_are_one_sum(self):
        sources = self.sources("first", 420)
        for fault in (self.connections_are_cut, self.an_export_is_killed, self.postgresql_hangs, self.redis_is_lost, self.a_node_is_killed,
                      self.postgresql_is_killed, self.an_export_is_killed):
            self.flows_on(40)
            fault()
        self.flows_on(40)
        self.settled(sources)
        self.assertGreater(int(self.stack.postgres.psql("select count(*) from cdrs where recovered")), 0)
        self.rerate("harbour", "sell", "0.0117")
        self.rerate("isle", "buy", "0.006123456")
        issued = {(name, side): self.bill(name, side) for name, side in self.decks}
        self.stack.tandem("invoice", "void", str(issued["midway", "sell"]["id"]))
        sources = self.sources("second", 60)
        self.settled(sources)
        self.rerate("isle", "sell", "0.09")
        for name, side in self.decks:
            self.bill(name, side)
        self.stack.tandem("export", "run")
        self.numbers_have_no_gap()
        self.sums_agree()
        self.every_record_is_right()
        self.stack.tandem("cdr", "verify")
