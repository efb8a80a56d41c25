# SPDX-License-Identifier: Apache-2.0
"""A look-up at any time answers with what held then: the rates of then, also of decks that were replaced or rolled back since, the exchange
rates of then, schedules by the local clock of their zone on both sides of a change to summer time, and rates by the caller's origin."""

import json
import os
import time

from story import Story


class Times(Story):
    @classmethod
    def provision(cls, stack):
        api = stack.api
        cls.vendor = stack.vendor("anchor", {})
        cls.customer = stack.customer("harbour", {"1": "0.5000", "44": "0.5000"}, [cls.vendor], plan={"allow_loss": True})
        cls.buy, cls.sell = cls.vendor["deck"], cls.customer["deck"]
        cls.rate = lambda cls, deck, **words: api.post(f"/v1/rate-decks/{deck['id']}/rates", **{"effective_from": "2020-01-01T00:00:00.000Z", **words})

    def at(self, called, when=None, calling="4930123456"):
        """-> the look-up; the command says the same"""
        said = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called, calling=calling, at=when)
        words = ("route", "--trunk", str(self.customer["id"]), "--called", called, "--calling", calling, "--json")
        shown = json.loads(self.stack.tandem(*words, *(["--at", when] if when else [])).stdout)
        self.assertEqual(shown, said)
        return said

    def price(self, *words, **named):
        return [r["price"] for r in self.at(*words, **named)["routes"]]

    def test_several_rates_of_a_prefix_each_hold_in_their_time(self):
        self.rate(self.buy, prefix="1201", price="0.0100", effective_from="2024-01-01T00:00:00.000Z")
        self.rate(self.buy, prefix="1201", price="0.0200", effective_from="2025-01-01T00:00:00.000Z", effective_to="2025-07-01T00:00:00.000Z")
        self.rate(self.buy, prefix="1201", price="0.0300", effective_from="2099-01-01T00:00:00.000Z")
        for when, price in (("2023-12-31T23:59:59.999Z", []), ("2024-01-01T00:00:00.000Z", ["0.010000"]),
                            ("2024-12-31T23:59:59.999Z", ["0.010000"]), ("2025-01-01T00:00:00.000Z", ["0.020000"]),
                            ("2025-06-30T23:59:59.999Z", ["0.020000"]), ("2025-07-01T00:00:00.000Z", []),
                            ("2099-01-01T00:00:00.000Z", ["0.030000"])):
            self.assertEqual(self.price("12015550100", when), price, when)
        self.assertEqual(self.price("12015550100"), [])     # nothing now

    def test_a_deck_that_was_replaced_and_rolled_back_answers_for_each_of_its_times(self):
        path = os.path.join(self.stack.folder, "sheet.csv")
        moments = []

        def moment():
            time.sleep(0.05)
            moments.append(self.stack.postgres.psql("select to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"))
            time.sleep(0.05)

        deck = self.stack.api.post("/v1/rate-decks", name="sheets", side="buy", currency="USD")
        self.stack.api.patch(f"/v1/trunks/{self.vendor['id']}", rate_deck_id=deck["id"])
        self.addCleanup(self.stack.api.patch, f"/v1/trunks/{self.vendor['id']}", rate_deck_id=self.buy["id"])
        moment()
        for sheet in "1202,0.0100\n", "12,0.0300\n":
            with open(path, "w") as f:
                f.write("prefix,price\n" + sheet)
            self.stack.tandem("rates", "import", "--deck", "sheets", "--file", path, "--replace")
            moment()
        first = json.loads(self.stack.tandem("rates", "versions", "--deck", "sheets", "--json").stdout)[-1]
        self.stack.tandem("rates", "rollback", "--deck", "sheets", "--to", str(first["id"]))
        moment()
        shown = [[(r["prefix"], r["price"]) for r in self.at("12025550100", when)["routes"]] for when in moments]
        self.assertEqual(shown, [[], [("1202", "0.010000")], [("12", "0.030000")], [("1202", "0.010000")]])
        self.assertEqual(self.price("12025550100"), ["0.010000"])

    def test_margins_are_counted_by_the_exchange_rates_of_then(self):
        euro = self.stack.vendor("euro", {}, host="127.0.0.41", port=5060, currency="EUR")
        self.rate(euro["deck"], prefix="1203", price="0.1000")
        for rate, since in (("1.1", "2025-01-01T00:00:00.000Z"), ("1.2", "2025-06-01T00:00:00.000Z"), ("1.3", "2099-01-01T00:00:00.000Z")):
            self.stack.api.post("/v1/exchange-rates", **{"from": "EUR", "to": "USD", "rate": rate, "effective_from": since})
        plan = self.customer["plan"]
        self.stack.api.patch(f"/v1/routing-plans/{plan['id']}", members=[{"trunk_id": self.vendor["id"]}, {"trunk_id": euro["id"]}])
        self.addCleanup(self.stack.api.patch, f"/v1/routing-plans/{plan['id']}", members=[{"trunk_id": self.vendor["id"]}])
        for when, price in (("2025-03-01T00:00:00.000Z", "0.110000"), ("2025-06-01T00:00:00.000Z", "0.120000"),
                            ("2099-06-01T00:00:00.000Z", "0.130000"), (None, "0.120000")):
            route, = self.at("12035550100", when)["routes"]
            self.assertEqual((route["price_in_sell_currency"], route["expected_margin"]), (price, f"{0.5 - float(price):.6f}"), when)
        said = self.at("12035550100", "2024-12-31T23:59:59.999Z")
        self.assertEqual([(e["trunk_id"], e["reason"]) for e in said["excluded"] if e["trunk_id"] == euro["id"]], [(euro["id"], "currency")])

    def test_a_schedule_goes_by_the_clock_of_its_zone_over_the_change_to_summer_time(self):
        """Berlin's clocks went from 02:00 to 03:00 on 30 March 2025 at 01:00 UTC, and back on 26 October at 01:00 UTC. A window of
        every day from 02:30 to 03:30 has no 02:30 in spring, and twice one in autumn; offices open at eight by the clock all year."""
        self.rate(self.buy, prefix="1204", price="0.0100")
        self.rate(self.buy, prefix="1204", price="0.0900", schedule=[{"days": [1, 2, 3, 4, 5, 6, 7], "from": "02:30", "to": "03:30",
                                                                      "timezone": "Europe/Berlin"}])
        night = {"2025-03-29T01:29:59.999Z": "0.010000", "2025-03-29T01:30:00.000Z": "0.090000", "2025-03-29T02:29:59.999Z": "0.090000",
                 "2025-03-29T02:30:00.000Z": "0.010000",
                 # the night itself: 02:00 is 03:00 at once, so the window is open for half an hour
                 "2025-03-30T00:59:59.999Z": "0.010000", "2025-03-30T01:00:00.000Z": "0.090000", "2025-03-30T01:29:59.999Z": "0.090000",
                 "2025-03-30T01:30:00.000Z": "0.010000",
                 "2025-03-31T00:30:00.000Z": "0.090000", "2025-03-31T01:30:00.000Z": "0.010000",
                 # back: 02:30 comes at 00:30 and at 01:30 UTC
                 "2025-10-26T00:29:59.999Z": "0.010000", "2025-10-26T00:30:00.000Z": "0.090000", "2025-10-26T00:59:59.999Z": "0.090000",
                 "2025-10-26T01:00:00.000Z": "0.010000", "2025-10-26T01:30:00.000Z": "0.090000", "2025-10-26T02:29:59.999Z": "0.090000",
                 "2025-10-26T02:30:00.000Z": "0.010000"}
        for when, price in night.items():
            self.assertEqual(self.price("12045550100", when), [price], when)
        self.rate(self.buy, prefix="1205", price="0.0100")
        self.rate(self.buy, prefix="1205", price="0.0800", schedule=[{"days": [1, 2, 3, 4, 5], "from": "08:00", "to": "18:00",
                                                                      "timezone": "America/New_York"}])
        for when, price in {"2025-03-07T12:59:59.999Z": "0.010000", "2025-03-07T13:00:00.000Z": "0.080000",    # Friday, winter
                            "2025-03-10T11:59:59.999Z": "0.010000", "2025-03-10T12:00:00.000Z": "0.080000",    # Monday, summer
                            "2025-03-08T15:00:00.000Z": "0.010000"}.items():                                 # Saturday
            self.assertEqual(self.price("12055550100", when), [price], when)

    def test_a_rate_may_depend_on_the_caller_on_both_sides(self):
        self.rate(self.buy, prefix="4420", price="0.0100")
        self.rate(self.buy, prefix="4420", price="0.0300", origin_prefix="49")
        self.rate(self.buy, prefix="4420", price="0.0400", origin_prefix="4930")
        self.rate(self.sell, prefix="4420", price="0.6000", origin_prefix="33")
        for calling, buys, sells in (("12125550100", "0.010000", "0.500000"), ("+4940123", "0.030000", "0.500000"),
                                     ("4930123", "0.040000", "0.500000"), ("33123456", "0.010000", "0.600000"), ("", "0.010000", "0.500000")):
            said = self.at("442012345678", calling=calling)
            self.assertEqual(([r["price"] for r in said["routes"]], said["sell"]["price"]), ([buys], sells), calling)

    def test_a_pattern_that_would_never_end_holds_up_nothing_and_a_bad_one_is_refused(self):
        trunk = f"/v1/trunks/{self.customer['id']}"
        status, text = self.stack.api.call("PATCH", trunk, {"translations": [{"number": "called", "match": "(", "replace": ""}]})
        self.assertEqual((status, [e["field"] for e in json.loads(text)["errors"]]), (422, ["translations[0].match"]))
        self.rate(self.buy, prefix="11", price="0.0100")
        self.stack.api.patch(trunk, translations=[{"number": "called", "match": r"^(\d+)+(\d+)+(\d+)+x$", "replace": "999"}])
        self.addCleanup(self.stack.api.patch, trunk, translations=[])
        self.stack.settle()
        called = "1" * 30
        took = []
        for _ in range(5):
            began = time.monotonic()
            self.assertEqual(self.price(called), ["0.010000"])
            took.append(time.monotonic() - began)
        self.assertLess(min(took), 1)
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
