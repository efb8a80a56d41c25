# SPDX-License-Identifier: Apache-2.0
"""The ledger: both sides of each booking, adjustments by hand, reversals; and that nothing in it is edited or removed."""

import threading
from decimal import Decimal

from story.described import ApiStory

CDR = "01990000-0000-7000-8000-00000000000"


class Ledger(ApiStory):
    def setUp(self):
        super().setUp()
        self.carrier = self.stack.carrier(f"harbour {next(self._numbers)}", "EUR")["id"]

    def book(self, kind, amount, cdr=None, note=None):
        """A booking as calls, corrections and invoices make them; its id."""
        words = [f"'{w}'" if w else "null" for w in (cdr, note)]
        return int(self.stack.postgres.psql("insert into ledger (carrier_id, amount, kind, cdr_id, note) values "
                                            f"({self.carrier}, {amount}, '{kind}', {', '.join(words)}) returning id"))

    def by_hand(self, what, amount, note):
        return self.api.post(f"/v1/{what}s", carrier_id=self.carrier, amount=amount, note=note)

    def reverse(self, booking):
        return self.api.ask("POST", f"/v1/ledger/{booking}/reverse")

    def balance(self):
        return self.api.get(f"/v1/carriers/{self.carrier}")["balance"]

    def bookings(self, **filters):
        return self.api.items("/v1/ledger", carrier_id=self.carrier, **filters)

    def test_each_booking_names_both_accounts_and_they_add_up_to_nothing(self):
        for n, (kind, note, account) in enumerate((("payment", None, "bank"), ("charge", None, "revenue"), ("cost", None, "cost"), ("tax", None, "tax"),
                                                   ("rerate", "sell", "revenue"), ("rerate", "buy", "cost"), ("adjustment", None, "adjustment"))):
            booking = self.book(kind, f"{n + 1}.000000001", note=note)
            self.assertEqual(self.api.get(f"/v1/ledger/{booking}")["account"], account)
        sides = self.stack.postgres.psql("select account, sum(amount), min(currency) from ledger_entries where booking_id in "
                                         f"(select id from ledger where carrier_id = {self.carrier}) group by 1 order by 1").split()
        self.assertEqual(sides, ["adjustment|-7.000000001|EUR", "bank|-1.000000001|EUR", "carrier|28.000000007|EUR", "cost|-9.000000002|EUR",
                                 "revenue|-7.000000002|EUR", "tax|-4.000000001|EUR"])
        self.assertEqual(Decimal(self.balance()), Decimal("28.000000007"))
        self.assertEqual(self.stack.postgres.psql("select booking_id from ledger_entries group by 1 having sum(amount) <> 0 or count(*) <> 2"), "")

    def test_a_balance_is_put_right_by_an_adjustment_that_says_why(self):
        made = self.by_hand("adjustment", "-12.500000", "port fee of May")
        self.assertEqual(self.api.last_headers["Location"], f"/v1/adjustments/{made['id']}")
        self.assertEqual(self.api.get(f"/v1/adjustments/{made['id']}"), made)
        self.assertEqual([a["id"] for a in self.api.items("/v1/adjustments", carrier_id=self.carrier)], [made["id"]])
        self.assertEqual([(b["kind"], b["amount"], b["note"]) for b in self.bookings()], [("adjustment", "-12.500000", "port fee of May")])
        self.assertEqual(self.balance(), "-12.500000")
        self.api.refused(404, "GET", f"/v1/payments/{made['id']}")
        for wrong in ({"note": None}, {"note": ""}, {"amount": "0.000"}, {"amount": 1}, {"carrier_id": 4711}):
            self.api.refused(422, "POST", "/v1/adjustments", {"carrier_id": self.carrier, "amount": "1", "note": "why", **wrong})
        self.api.refused(422, "POST", "/v1/adjustments", {"carrier_id": self.carrier, "amount": "1"})
        for method in ("PATCH", "DELETE"):
            self.api.refused(405, method, f"/v1/adjustments/{made['id']}", {})

    def test_what_was_spent_on_a_dead_node_is_no_adjustment_by_hand(self):
        spent = self.book("adjustment", "-0.6", cdr=CDR + "1")
        self.assertEqual(self.api.items("/v1/adjustments", carrier_id=self.carrier), [])
        self.api.refused(404, "GET", f"/v1/adjustments/{spent}")
        self.api.refused(409, "POST", f"/v1/ledger/{spent}/reverse")

    def test_a_payment_is_taken_back_once_by_the_opposite_booking(self):
        for what, account in (("payment", "bank"), ("adjustment", "adjustment")):
            was = self.by_hand(what, "50.000001", "wire 4711")
            back = self.reverse(was["id"])
            self.assertEqual({k: back[k] for k in ("carrier_id", "amount", "kind", "account", "note", "reverses", "reversed_by")},
                             {"carrier_id": self.carrier, "amount": "-50.000001", "kind": what, "account": account,
                              "note": f"reversal of {was['id']}: wire 4711", "reverses": was["id"], "reversed_by": None})
            self.assertEqual(self.api.get(f"/v1/ledger/{was['id']}")["reversed_by"], back["id"])
            self.assertEqual(self.api.get(f"/v1/{what}s/{was['id']}"), {**was, "reversed_by": back["id"]})
            self.assertEqual(self.api.get(f"/v1/{what}s/{back['id']}")["reverses"], was["id"])
            self.assertEqual(self.balance(), "0.000000")
            self.api.refused(409, "POST", f"/v1/ledger/{was['id']}/reverse")
            self.api.refused(409, "POST", f"/v1/ledger/{back['id']}/reverse")
            audit = self.api.items("/v1/audit-log", resource="ledger", resource_id=was["id"])
            self.assertEqual([(a["action"], a["actor"], a["before"]["amount"], a["after"]["id"]) for a in audit],
                             [("reverse", "story", "50.000001", back["id"])])
        self.api.refused(404, "POST", "/v1/ledger/999999999/reverse")

    def test_a_reversal_asked_for_by_many_at_once_is_booked_once(self):
        was = self.by_hand("payment", "9", "twice")
        gate, codes = threading.Barrier(6), []

        def ask(n):
            api = self.api.with_key(self.api.key)
            gate.wait()
            codes.append(api.call("POST", f"/v1/ledger/{was['id']}/reverse", headers={"Idempotency-Key": f"reverse {n // 3}"})[0])

        askers = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for a in askers:
            a.start()
        for a in askers:
            a.join()
        self.assertEqual(sorted(codes), [200] * 3 + [409] * 3)
        self.assertEqual((self.balance(), len(self.bookings())), ("0.000000", 2))

    def test_what_calls_taxes_and_corrections_book_is_not_reversed_by_hand(self):
        for kind in ("charge", "cost", "tax", "rerate"):
            booking = self.book(kind, "-1", cdr=None if kind == "tax" else CDR + "2", note="sell" if kind == "rerate" else None)
            self.api.refused(409, "POST", f"/v1/ledger/{booking}/reverse")

    def test_only_finance_books_and_reverses(self):
        was = self.by_hand("payment", "1", "role")
        for role, may in (("readonly", 403), ("provisioning", 403), ("finance", 200)):
            key = self.api.post("/v1/api-keys", name=f"{role} {self.carrier}", role=role)["key"]
            api = self.api.with_key(key)
            status = api.call("POST", "/v1/adjustments", {"carrier_id": self.carrier, "amount": "1", "note": role})[0]
            self.assertEqual(status, 201 if may == 200 else 403, role)
            self.assertEqual(api.call("POST", f"/v1/ledger/{was['id']}/reverse")[0], may, role)

    def test_nobody_edits_or_removes_a_booking(self):
        booking = self.book("charge", "-0.25", cdr=CDR + "3")
        before = self.stack.postgres.psql(f"select * from ledger where id = {booking}")
        for sql in (f"update ledger set amount = -0.2 where id = {booking}", f"update ledger set note = 'x' where id = {booking}",
                    f"delete from ledger where id = {booking}", "truncate ledger cascade"):
            with self.assertRaisesRegex(Exception, "neither edited nor removed", msg=sql):
                self.stack.postgres.psql(sql)
            self.assertEqual(self.stack.postgres.psql(f"select * from ledger where id = {booking}"), before, sql)
