# SPDX-License-Identifier: Apache-2.0
"""Re-rating: what calls cost under the decks as they now stand, each by the rate in force at its start, booked once."""

import csv
import datetime
import gzip
import json
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from story import Story
from story.base import amount

STAGE = """begin; select cdr_stage_make();
    insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id,
        calling_in, called_in, called_out, destination, duration_ms, disconnect_reason, hangup_party, attempts, sell_prefix, sell_price, sell_billed_s,
        sell_amount, sell_currency, buy_prefix, buy_price, buy_billed_s, buy_amount, buy_currency, recovered)
    values {rows}; select cdr_ingest(); commit"""
MAY, JUNE, JULY = "2026-05-01", "2026-06-01", "2026-07-01"


def id_of(at):
    """A UUIDv7 of that moment."""
    ms = int(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
    return str(uuid.UUID(f"{ms:012x}7{uuid.uuid4().hex[13:]}"))


class Rerate(Story):
    """One customer whose trunk has a tech prefix, one vendor; the calls are put in as a poster would."""

    stack_options = {"nodes": 0}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"44": "0.02"}, host="127.0.0.1", port=5999)
        cls.customer = stack.customer("harbour", {"44": {"price": "0.06", "destination": "UK"}}, [cls.vendor],
                                      trunk={"tech_prefix": "77", "source_cidrs": ["127.0.0.9/32"]})
        cls.api = stack.api

    def setUp(self):
        """No calls, no corrections; decks as at the start."""
        super().setUp()
        self.stack.postgres.psql("delete from cdrs; delete from rerates; delete from rates; "
                                 "insert into ledger (carrier_id, amount, kind) select carrier_id, -balance, 'adjustment' from balances")
        self.rate(self.customer, "44", "0.06")
        self.rate(self.vendor, "44", "0.02")

    def rate(self, side, prefix, price, since="2020-01-01T00:00:00.000Z", **more):
        return self.api.post(f"/v1/rate-decks/{side['deck']['id']}/rates", prefix=prefix, price=price, effective_from=since, **more)

    def put(self, *calls):
        """calls: (started_at, called, seconds); rated at 0.06 and 0.02 a minute. Their ids."""
        rows, ids = [], []
        c, v = self.customer, self.vendor
        for at, called, seconds, *calling in calls:
            ids.append(id_of(at))
            sell, buy = amount("0.06", seconds)[1], amount("0.02", seconds)[1]
            rows.append(f"('{ids[-1]}', 'sw1', '{at}', '{at}', '{at}'::timestamptz + interval '{seconds} s', {c['carrier']['id']}, {c['id']}, "
                        f"{v['carrier']['id']}, {v['id']}, '{calling[0] if calling else '+49301'}', '{called}', '{called.removeprefix('77')}', 'UK', "
                        f"{seconds * 1000}, 'normal', 'caller', 1, '44', 0.06, {seconds}, {sell}, 'USD', '44', 0.02, {seconds}, {buy}, 'USD', false)")
        self.stack.postgres.psql(STAGE.format(rows=", ".join(rows)))
        return ids

    def rerate(self, *words, side="sell", since=MAY, until=JULY):
        carrier = (self.customer if side == "sell" else self.vendor)["carrier"]["id"]
        return json.loads(self.stack.tandem("rerate", "--carrier", str(carrier), "--side", side, "--from", since, "--to", until, "--json",
                                            *words).stdout)

    def balance(self, side):
        return Decimal(self.api.get(f"/v1/carriers/{side['carrier']['id']}")["balance"])

    def booked(self):
        return self.stack.postgres.psql("select count(*) from ledger where kind = 'rerate'")

    def says(self, report, calls, changed, old, new):
        self.assertEqual((report["calls"], report["changed"], Decimal(report["old"]), Decimal(report["new"]), Decimal(report["difference"])),
                         (calls, changed, Decimal(old), Decimal(new), Decimal(new) - Decimal(old)), report)

    def test_nothing_changed_is_nothing_to_book(self):
        self.put(("2026-05-02 12:00Z", "77442012345678", 61), ("2026-05-03 12:00Z", "77442012345679", 600))
        before = self.booked()
        self.says(self.rerate("--apply"), 2, 0, "0.661", "0.661")
        self.assertEqual(self.booked(), before)

    def test_a_preview_books_nothing_an_apply_books_once(self):
        self.put(("2026-05-02 12:00Z", "77442012345678", 60), ("2026-05-03 12:00Z", "77447012345679", 120))
        self.rate(self.customer, "447", "0.10")
        before = self.balance(self.customer)
        report = self.rerate()
        self.says(report, 2, 1, "0.18", "0.26")
        self.assertFalse(report["applied"])
        self.assertEqual(self.balance(self.customer), before)
        self.says(self.rerate("--apply"), 2, 1, "0.18", "0.26")
        self.assertEqual(self.balance(self.customer), before - Decimal("0.08"))
        self.says(self.rerate("--apply"), 2, 0, "0.26", "0.26")
        self.says(self.rerate(), 2, 0, "0.26", "0.26")
        self.assertEqual(self.balance(self.customer), before - Decimal("0.08"))

        self.api.patch(f"/v1/rate-decks/{self.customer['deck']['id']}", default_initial=180)
        try:
            self.says(self.rerate("--apply"), 2, 2, "0.26", "0.48")
        finally:
            self.api.patch(f"/v1/rate-decks/{self.customer['deck']['id']}", default_initial=1)
        self.assertEqual(self.balance(self.customer), before - Decimal("0.30"), "only what is new is booked")
        self.says(self.rerate("--apply"), 2, 2, "0.48", "0.26")
        self.assertEqual(self.balance(self.customer), before - Decimal("0.08"), "and what was too much is given back")

    def test_old_and_new_amounts_stay_visible(self):
        self.put(("2026-05-02 12:00Z", "77442012345678", 60), ("2026-05-03 12:00Z", "77447012345679", 120))
        cdr = next(c for c in self.stack.api.items("/v1/cdrs", carrier_id=self.customer["carrier"]["id"]) if c["called_in"].startswith("77447"))
        made = self.rate(self.customer, "447", "0.10")
        self.rerate("--apply")
        self.api.patch(f"/v1/rate-decks/{self.customer['deck']['id']}/rates/{made['id']}", price="0.07")
        self.rerate("--apply")
        steps = self.stack.api.items("/v1/corrections", cdr_id=cdr["id"])
        self.assertEqual([(s["n"], s["side"], s["prefix"], s["price"], s["billed_s"], s["old"], s["new"], s["difference"]) for s in steps], [
            (2, "sell", "447", "0.070000", 120, "0.200000", "0.140000", "-0.060000"),
            (1, "sell", "447", "0.100000", 120, cdr["sell_amount"], "0.200000", "0.080000")])
        self.assertEqual(self.stack.api.get(f"/v1/corrections/{steps[0]['id']}"), steps[0])
        self.assertEqual(self.stack.api.get(f"/v1/cdrs/{cdr['id']}")["sell_amount"], cdr["sell_amount"], "the CDR stays")
        self.assertEqual(self.stack.api.items("/v1/corrections", cdr_id=cdr["id"], side="buy"), [])
        booked = [b["amount"] for b in self.stack.api.items("/v1/ledger", cdr_id=cdr["id"], kind="rerate")]
        self.assertEqual(booked, ["0.060000", "-0.080000"])

    def test_each_call_has_the_rate_in_force_at_its_start(self):
        self.put(("2026-05-31 23:59:59.999Z", "77442012345678", 60), ("2026-06-01 00:00Z", "77442012345678", 60))
        self.rate(self.customer, "44", "0.09", since=f"{JUNE}T00:00:00.000Z")
        report = self.rerate()
        self.says(report, 2, 1, "0.12", "0.15")
        self.says(self.rerate(until=JUNE), 1, 0, "0.06", "0.06")
        self.says(self.rerate(since=JUNE), 1, 1, "0.06", "0.09")

    def test_origin_and_schedule_decide_as_in_routing(self):
        """2026-05-02 is a Saturday."""
        self.put(("2026-05-02 12:00Z", "77442012345678", 60, "+49301"), ("2026-05-04 21:30Z", "77442012345678", 60, "33123"),
                 ("2026-05-04 22:30Z", "77442012345678", 60, "33123"), ("2026-05-05 03:59Z", "77442012345678", 60, "33123"),
                 ("2026-05-05 04:00Z", "77442012345678", 60, "33123"))
        self.rate(self.customer, "44", "0.01", origin_prefix="49")
        self.rate(self.customer, "44", "0.02", origin_prefix="4930", schedule=[{"days": [6, 7], "from": "00:00", "to": "24:00", "timezone": "Europe/Berlin"}])
        self.rate(self.customer, "44", "0.03", schedule=[{"days": [2], "from": "00:00", "to": "06:00", "timezone": "Europe/Berlin"}])
        self.rate(self.customer, "4420", "9", schedule=[{"days": [1], "from": "10:00", "to": "11:00"}])
        corrections = [Decimal(c["new"]) for c in self.rerate()["corrections"]]
        self.assertEqual(corrections, [Decimal("0.02"), Decimal("0.03"), Decimal("0.03")],
                         "Saturday from 4930; Tuesday 00:30 and 05:59 in Berlin; Monday 23:30 and Tuesday 06:00 stay")

    def test_of_schedules_that_are_open_at_once_it_takes_the_one_that_routing_takes(self):
        """Stored in this order: of two that are open, routing takes the one that began later, of those of one day the one whose text
        sorts first. 2026-05-02 is a Saturday."""
        def day(begin, end):
            return {"days": [1, 2, 3, 4, 5, 6, 7], "from": begin, "to": end}

        weekend = {"days": [6, 7], "from": "00:00", "to": "24:00"}
        for name, terms in (("the later", (("0.01", MAY, weekend), ("0.02", "2026-05-02", day("10:00", "14:00")))),
                            ("the later, stored first", (("0.03", "2026-05-02", day("11:00", "14:00")), ("0.04", MAY, weekend))),
                            ("of one day", (("0.07", MAY, day("10:00", "13:00")), ("0.08", MAY, day("10:00", "12:30"))))):
            with self.subTest(name):
                self.setUp()
                self.put(("2026-05-02 12:00Z", "77442012345678", 60))
                for price, since, window in terms:
                    self.rate(self.customer, "4420", price, since=f"{since}T00:00:00.000Z", schedule=[window])
                looked = self.api.ask("POST", "/v1/route-lookups", {"trunk_id": self.customer["id"], "called": "77442012345678",
                                                                    "at": "2026-05-02T12:00:00Z"})
                self.says(self.rerate(), 1, 1, "0.06", looked["sell"]["price"])

    def test_the_vendor_is_credited_what_its_deck_says(self):
        self.put(("2026-05-02 12:00Z", "77442012345678", 60))
        before = self.balance(self.vendor)
        self.rate(self.vendor, "4420", "0.015")
        self.says(self.rerate("--apply", side="buy"), 1, 1, "0.02", "0.015")
        self.assertEqual(self.balance(self.vendor), before - Decimal("0.005"))

    def test_what_cannot_be_said_for_sure_is_left_and_counted(self):
        self.put(("2026-05-02 12:00Z", "77442012345678", 60), ("2026-05-02 12:00Z", "7733012345678", 60))
        self.stack.postgres.psql(f"delete from rates where deck_id = {self.customer['deck']['id']}")
        report = self.rerate("--apply")
        self.says(report, 0, 0, "0", "0")
        self.assertEqual(report["unrated"], {"no_rate": 1, "unknown_number": 1})
        self.rate(self.customer, "44", "0.01", blocked=True)
        self.assertEqual(self.rerate("--apply")["unrated"], {"blocked": 1, "unknown_number": 1})
        self.assertEqual(self.stack.postgres.psql("select count(*) from rerates"), "0")

    def test_two_at_once_book_once(self):
        for part in range(10):
            self.put(*[("2026-05-02 12:00Z", f"7744201{part}{i:06d}", 60) for i in range(250)])
        self.rate(self.customer, "4420", "0.12")
        before = self.balance(self.customer)
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(lambda _: self.rerate("--apply"), range(4)))
        self.assertEqual(sorted(r["changed"] for r in reports), [0, 0, 0, 2500])
        self.assertEqual(self.balance(self.customer), before - 150)

    def test_sums_pass_what_an_amount_holds(self):
        """As in a currency of small units: a call costs at most some nine thousand million, what a carrier owes may be more."""
        self.stack.tandem("export", "run")
        self.put(*((f"2026-05-{n:02} 12:00Z", "77442012345678", 500) for n in range(2, 16)))
        before = self.balance(self.customer)
        made = self.rate(self.customer, "442", "999999999")
        self.says(self.rerate("--apply"), 14, 14, "7", "116666666550")
        try:
            self.assertEqual(self.balance(self.customer), before - Decimal("116666666543"))
            files = {f["name"]: f for f in json.loads(self.stack.tandem("export", "run", "--json").stdout)[0]["files"]}
            corrections = files[f"carrier-{self.customer['carrier']['id']}-rerate.csv.gz"]
            self.assertEqual((corrections["rows"], corrections["amount"]), (14, "116666666543.000000"))
        finally:
            self.api.patch(f"/v1/rate-decks/{self.customer['deck']['id']}/rates/{made['id']}", price="0.06")
        self.says(self.rerate("--apply"), 14, 14, "116666666550", "7")
        self.assertEqual(self.balance(self.customer), before)

    def test_what_is_owed_beyond_what_an_amount_holds_is_beyond_the_limit(self):
        vendor = self.vendor["carrier"]["id"]
        self.api.patch(f"/v1/carriers/{vendor}", vendor_limit="999999999")
        for _ in range(20):
            self.stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind) values ({vendor}, 9e9, 'adjustment')")
        try:
            self.assertEqual(self.balance(self.vendor), 180000000000)
            said = json.loads(self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", "442012345678", "--json", check=False).stdout)
            self.assertEqual((said["routes"], [e["reason"] for e in said["excluded"]]), ([], ["vendor_limit"]))
        finally:
            self.stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind) select {vendor}, -9e9, 'adjustment' from generate_series(1, 20)")
            self.api.patch(f"/v1/carriers/{vendor}", vendor_limit=None)

    def test_corrections_are_exported_once_and_the_books_agree(self):
        self.stack.tandem("export", "run")
        ids = self.put(("2026-05-02 12:00Z", "77442012345678", 60), ("2026-05-03 12:00Z", "77447012345679", 120))
        self.rate(self.customer, "447", "0.10")
        self.rerate("--apply")
        run = json.loads(self.stack.tandem("export", "run", "--json").stdout)[0]
        carrier = self.customer["carrier"]["id"]
        with gzip.open(os.path.join(run["path"], f"carrier-{carrier}-rerate.csv.gz"), "rt") as f:
            self.assertEqual(list(csv.reader(f)), [["cdr_id", "old", "new", "difference"], [ids[1], "0.120000", "0.200000", "0.080000"]])
        files = {f["name"]: f for f in run["files"]}
        self.assertEqual(files[f"carrier-{carrier}-rerate.csv.gz"]["amount"], "0.080000")
        booked = self.stack.postgres.psql(f"select sum(amount) from ledger where carrier_id = {carrier} and cdr_id in ('{ids[0]}', '{ids[1]}')")
        self.assertEqual(-Decimal(booked), sum(Decimal(f["amount"]) for n, f in files.items() if n.startswith(f"carrier-{carrier}-")))
        later = json.loads(self.stack.tandem("export", "run", "--json").stdout)[0]
        self.assertEqual([f["name"] for f in later["files"]], ["cdrs.csv.gz"])

    def test_wrong_words_are_refused(self):
        good = ["--carrier", str(self.customer["carrier"]["id"]), "--side", "sell", "--from", MAY, "--to", JUNE]
        for i, bad in ((1, "x"), (3, "both"), (5, "May"), (7, "")):
            words = good[:i] + [bad] + good[i + 1:]
            self.assertEqual(self.stack.tandem("rerate", *words, check=False).returncode, 2, words)
        self.assertEqual(self.stack.tandem("rerate", *good[:-2], check=False).returncode, 2)
        done = self.stack.tandem("rerate", "--carrier", "4711", *good[2:], check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "tandem: there is no carrier 4711\n"))
        self.assertIn("would be booked: 0.000000 USD", self.stack.tandem("rerate", *good).stdout)


class RatedNumbers(Story):
    """Real calls. The trunk makes 44... of 00..., and a sender by 49... of a national one; then all of that is changed."""

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"44": "0.02", "33": "0.02"})
        cls.customer = stack.customer("harbour", {"44": {"price": "0.06", "destination": "UK"}, "33": {"price": "0.06", "destination": "France"}},
                                      [cls.vendor], trunk={"translations": [{"number": "called", "match": "^0(.*)$", "replace": "44$1"},
                                                                            {"number": "calling", "match": "^0(.*)$", "replace": "49$1"}]})
        cls.api = stack.api

    def called(self, called, uri=None):
        """A call whose talk costs something; its CDR."""
        call = self.customer["peer"].invite(called, calling="030123", uri=uri)
        leg = self.vendor["peer"].expect_call()
        self.answer(call, leg)
        call.expect_silence(0.05)
        call.bye()
        leg.expect("BYE")
        leg.reply(200)
        return self.api.cdr(called=called)

    def rerate(self, side, *words):
        carrier = (self.customer if side == "sell" else self.vendor)["carrier"]["id"]
        report = json.loads(self.stack.tandem("rerate", "--carrier", str(carrier), "--side", side, "--from", "2026-01-01", "--to", "2100-01-01",
                                              "--json", *words).stdout)
        self.assertEqual(report["unrated"], {})
        return {c["cdr_id"]: (Decimal(c["old"]), Decimal(c["new"])) for c in report["corrections"]}

    def rate(self, side, prefix, price, **more):
        self.api.post(f"/v1/rate-decks/{side['deck']['id']}/rates", prefix=prefix, price=price, effective_from="2020-01-01T00:00:00.000Z", **more)

    def test_the_numbers_are_those_of_the_call_and_not_of_todays_translations(self):
        plain, ported = self.number("0207"), self.number("0208")
        host, port = self.stack.node.address
        first = self.called(plain)
        second = self.called(ported, uri=f"sip:{ported};npdi;rn=+33155550000@{host}:{port}")
        self.cdr_says(first, rated_called="44" + plain[1:], rated_calling="4930123", lrn=None, sell_prefix="44")
        self.cdr_says(second, rated_called="33155550000", rated_calling="4930123", lrn="33155550000", sell_prefix="33")
        self.assertEqual(self.stack.tandem("cdr", "verify", check=False).returncode, 0, "the chain covers them")

        # Today 0207... would be 44 1..., the sender another, and the ported number is not dialled so any more.
        self.api.patch(f"/v1/trunks/{self.customer['id']}", translations=[{"number": "called", "match": "^0(.*)$", "replace": "441$1"},
                                                                         {"number": "calling", "match": "^0(.*)$", "replace": "33$1"}])
        self.rate(self.customer, "44207", "0.60")
        self.rate(self.customer, "441", "6.00")
        self.rate(self.customer, "44207", "1.20", origin_prefix="4930")
        self.rate(self.customer, "44207", "2.40", origin_prefix="33")
        self.rate(self.customer, "331555", "0.12")
        self.rate(self.vendor, "44207", "0.04")
        self.rate(self.vendor, "441", "0.50")
        sold = {first["id"]: (amount("0.06", 1)[1], amount("1.20", 1)[1]), second["id"]: (amount("0.06", 1)[1], amount("0.12", 1)[1])}
        self.assertEqual(self.rerate("sell"), sold, "of the number as it was rated, and of the sender's rate")
        self.assertEqual(self.rerate("sell", "--apply"), sold)
        self.assertEqual(self.rerate("sell", "--apply"), {})
        self.assertEqual(self.rerate("buy", "--apply"), {first["id"]: (amount("0.02", 1)[1], amount("0.04", 1)[1])})

    def test_a_call_that_was_not_rated_names_no_number(self):
        called = self.number("9")
        self.customer["peer"].invite(called).expect(404)
        self.cdr_says(self.api.cdr(called=called), rated_called=None, rated_calling=None)
        self.assertEqual(self.stack.tandem("cdr", "verify", check=False).returncode, 0)
