# SPDX-License-Identifier: Apache-2.0
"""Provisioning: what may be stored, what is refused and why, and what stands in the audit log."""

import os
import threading
import time

from story import wait_for
from story.described import ApiStory


class Resources(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.customer = stack.carrier("customer", "EUR")
        cls.supplier = stack.carrier("supplier", "EUR", credit_limit="10.5")
        cls.sell = stack.deck("sell", "sell", {"49": "0.05"}, "EUR")
        cls.buy = stack.deck("buy", "buy", {"49": "0.02"}, "EUR")
        cls.out = cls.api.post("/v1/trunks", carrier_id=cls.supplier["id"], name="out", direction="egress", host="192.0.2.1",
                               rate_deck_id=cls.buy["id"])
        cls.plan = cls.api.post("/v1/routing-plans", name="plan", policy="lcr", members=[{"trunk_id": cls.out["id"]}])
        cls.inn = cls.api.post("/v1/trunks", carrier_id=cls.customer["id"], name="in", direction="ingress",
                               source_cidrs=["192.0.2.7"], rate_deck_id=cls.sell["id"], routing_plan_id=cls.plan["id"])

    # ---- what is given back

    def test_a_new_carrier_has_its_defaults_and_a_place(self):
        made = self.api.post("/v1/carriers", name="fresh", currency="USD", credit_limit="5")
        self.assertEqual(self.api.last_headers["Location"], f"/v1/carriers/{made['id']}")
        self.assertEqual(self.api.last_headers["ETag"], '"1"')
        self.assertEqual({k: made[k] for k in ("status", "billing_mode", "credit_limit", "max_cps", "timezone", "balance", "available")},
                         {"status": "active", "billing_mode": "postpaid", "credit_limit": "5.000000", "max_cps": None,
                          "timezone": "UTC", "balance": "0.000000", "available": "5.000000"})
        self.assertEqual(self.api.get(f"/v1/carriers/{made['id']}"), made)
        self.assertIsNone(self.api.delete(f"/v1/carriers/{made['id']}"))
        self.api.refused(404, "GET", f"/v1/carriers/{made['id']}")

    def test_all_of_a_trunk_comes_back_as_it_was_given_but_its_password(self):
        words = {"carrier_id": self.customer["id"], "name": "whole", "direction": "ingress", "enabled": False, "max_channels": 5,
                 "max_cps": 2, "translations": [{"number": "called", "match": "^00(.*)$", "replace": "$1"}], "codecs": ["PCMA"],
                 "media": "relay", "session_expires": 1800, "max_duration": 7200, "transport": "tcp",
                 "source_cidrs": ["10.0.0.0/8", "2001:db8::/32"], "tech_prefix": "12#", "username": "whole", "password": "s3cret",
                 "rate_deck_id": self.sell["id"], "routing_plan_id": self.plan["id"], "trust_pai": True,
                 "min_margin": "0.001000", "min_margin_percent": "5.000000", "allow_loss": True, "hunt_after_media": False,
                 "code_map": {"503": 480}, "mode": "b2bua", "listen": "tcp:127.0.0.1:5060"}
        made = self.api.post("/v1/trunks", **words)
        del words["password"]
        self.assertEqual({k: made[k] for k in words}, words)
        self.assertNotIn("password", made)
        self.assertNotIn("host", made)
        words = {"carrier_id": self.supplier["id"], "name": "whole", "direction": "egress", "host": "sip.example.net", "port": 5070,
                 "transport": "tls", "tech_prefix": "99", "username": "us", "register": True, "probe_interval": 30,
                 "no_response_timeout": 2, "progress_timeout": 10, "ring_timeout": 60, "stop_codes": [486, 404],
                 "max_redirects": 1, "rate_deck_id": self.buy["id"]}
        made = self.api.post("/v1/trunks", password="pw", **words)
        self.assertEqual({k: made[k] for k in words}, words)

    def test_a_patch_changes_what_it_names_and_null_resets(self):
        made = self.api.post("/v1/carriers", name="patched", currency="EUR", max_cps=5, max_channels=7)
        now = self.api.patch(f"/v1/carriers/{made['id']}", max_cps=None, status="suspended")
        self.assertEqual((now["max_cps"], now["status"], now["max_channels"], now["version"]), (None, "suspended", 7, 2))
        deck = self.api.post("/v1/rate-decks", name="patched", side="buy", currency="EUR", rounding={"mode": "up", "places": 4})
        now = self.api.patch(f"/v1/rate-decks/{deck['id']}", rounding={"places": 2})
        self.assertEqual(now["rounding"], {"mode": "up", "places": 2})

    def test_members_are_replaced_as_a_whole(self):
        plan = self.api.post("/v1/routing-plans", name="replaced", policy="weighted", min_margin="0.001",
                             members=[{"trunk_id": self.out["id"], "weight": 3, "prefixes": ["49"]}])
        self.assertEqual(plan["members"], [{"trunk_id": self.out["id"], "priority": 1, "weight": 3, "prefixes": ["49"]}])
        now = self.api.patch(f"/v1/routing-plans/{plan['id']}", members=[{"trunk_id": self.out["id"], "priority": 2}])
        self.assertEqual(now["members"], [{"trunk_id": self.out["id"], "priority": 2, "weight": 1, "prefixes": []}])
        self.assertEqual(now["min_margin"], "0.001000")
        self.assertEqual(self.api.patch(f"/v1/routing-plans/{plan['id']}", members=[])["members"], [])

    # ---- what is refused

    def test_each_wrong_field_is_named(self):
        wrong = self.api.wrong_fields("POST", "/v1/carriers", {"name": "", "currency": "XQQ", "credit_limit": 5, "max_cps": "1",
                                                              "status": "gone", "no_such": 1, "timezone": "a b"})
        self.assertEqual(set(wrong), {"name", "currency", "credit_limit", "max_cps", "status", "no_such", "timezone"})
        for none in ("XXX", "XTS"):  # no currency, and the one for tests
            self.assertEqual(list(self.api.wrong_fields("POST", "/v1/carriers", {"name": "none", "currency": none})), ["currency"])
        wrong = self.api.wrong_fields("POST", "/v1/carriers", {"name": "tz", "currency": "EUR", "timezone": "Mars/Base"})
        self.assertEqual(wrong, {"timezone": "Mars/Base is not a time zone"})
        rates = f"/v1/rate-decks/{self.sell['id']}/rates"
        wrong = self.api.wrong_fields("POST", rates, {"prefix": "7", "price": "-1", "initial_price": "-0.5", "connect_fee": "-0.01"})
        self.assertEqual(wrong, dict.fromkeys(("price", "initial_price", "connect_fee"), "must not be negative"))
        wrong = self.api.wrong_fields("POST", rates, {"prefix": "7", "price": "1", "effective_to": "2020-01-01T00:00:00Z"})
        self.assertEqual(list(wrong), ["effective_to"])
        rate = self.api.post(rates, prefix="7", price="1", effective_from="2030-01-01T00:00:00Z")
        wrong = self.api.wrong_fields("PATCH", f"{rates}/{rate['id']}", {"effective_to": "2029-01-01T00:00:00Z"})
        self.assertEqual(list(wrong), ["effective_to"])
        wrong = self.api.wrong_fields("POST", "/v1/trunks", {})
        self.assertEqual(set(wrong), {"carrier_id", "name", "direction"})

    def test_headers_that_cross_are_named_one_by_one(self):
        path = f"/v1/trunks/{self.out['id']}"
        for words, field in (({"identity": {"diversion": "maybe"}}, "identity.diversion"), ({"identity": {"from": "pass"}}, "identity.from"),
                             ({"identity": "pass"}, "identity"), ({"pass_headers": ["Via"]}, "pass_headers[0]"),
                             ({"pass_headers": ["X-A", "contact"]}, "pass_headers[1]"), ({"pass_headers": ["diversion"]}, "pass_headers[0]"),
                             ({"pass_headers": ["X A"]}, "pass_headers[0]"), ({"pass_headers": ["f"]}, "pass_headers[0]"),
                             ({"pass_headers": ["F"]}, "pass_headers[0]"), ({"pass_headers": "X-A"}, "pass_headers")):
            self.assertEqual(list(self.api.wrong_fields("PATCH", path, words)), [field], words)
        before = self.api.get(path)
        self.assertEqual((set(before["identity"].values()), before["pass_headers"]), ({None}, []))
        now = self.api.patch(path, identity={"history_info": "drop"}, pass_headers=["X-Account"])
        self.assertEqual((now["identity"], now["pass_headers"]), ({**before["identity"], "history_info": "drop"}, ["X-Account"]))
        now = self.api.patch(path, identity={"history_info": None}, pass_headers=None)
        self.assertEqual((now["identity"], now["pass_headers"]), (before["identity"], []))

    def test_transfers_are_allowed_trunk_by_trunk(self):
        for trunk in (self.out, self.inn):
            path = f"/v1/trunks/{trunk['id']}"
            self.assertIs(self.api.get(path)["allow_refer"], False)
            self.assertEqual(list(self.api.wrong_fields("PATCH", path, {"allow_refer": "yes"})), ["allow_refer"])
            self.assertIs(self.api.patch(path, allow_refer=True)["allow_refer"], True)
            self.assertIs(self.api.patch(path, allow_refer=None)["allow_refer"], False)

    def test_references_must_lead_somewhere_and_fit(self):
        base = {"carrier_id": self.supplier["id"], "name": "x", "direction": "egress", "host": "192.0.2.2"}
        dollars = self.api.post("/v1/rate-decks", name="dollars", side="buy", currency="USD")
        for words, field in (({"carrier_id": 999999}, "carrier_id"), ({"rate_deck_id": 999999}, "rate_deck_id"),
                             ({"rate_deck_id": self.sell["id"]}, "rate_deck_id"), ({"rate_deck_id": dollars["id"]}, "rate_deck_id"),
                             ({"host": None, "registered_as": self.inn["id"]}, "registered_as"),
                             ({"source_cidrs": ["10.0.0.0/8"]}, "source_cidrs"), ({"password": "x"}, "password")):
            self.assertEqual(list(self.api.wrong_fields("POST", "/v1/trunks", {**base, **words})), [field], words)
        wrong = self.api.wrong_fields("POST", "/v1/routing-plans", {"name": "x", "policy": "lcr", "members": [{"trunk_id": self.inn["id"]}]})
        self.assertEqual(list(wrong), ["members[0].trunk_id"])
        wrong = self.api.wrong_fields("POST", "/v1/routing-plans", {"name": "x", "policy": "lcr", "members": [{"trunk_id": 999999}]})
        self.assertEqual(list(wrong), ["members"])
        wrong = self.api.wrong_fields("POST", "/v1/number-lists", {"name": "x", "kind": "block", "match": "called", "carrier_ids": [999999]})
        self.assertEqual(list(wrong), ["carrier_ids[0]"])
        egress = self.api.post("/v1/trunks", carrier_id=self.supplier["id"], name="on no list", direction="egress", host="192.0.2.2")
        wrong = self.api.wrong_fields("POST", "/v1/number-lists", {"name": "x", "kind": "block", "match": "called", "trunk_ids": [self.inn["id"], egress["id"], 999999]})
        self.assertEqual(wrong, {"trunk_ids[1]": f"trunk {egress['id']} is an egress trunk; lists look at calls that come in", "trunk_ids[2]": "there is no trunk 999999"})

    def test_a_deck_in_use_keeps_its_side_and_currency(self):
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/rate-decks/{self.sell['id']}", {"currency": "USD"})), ["currency"])
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/rate-decks/{self.sell['id']}", {"side": "buy"})), ["side"])
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/carriers/{self.customer['id']}", {"currency": "USD"})), ["currency"])
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/trunks/{self.inn['id']}", {"direction": "egress"}))[0], "direction")

    def test_a_proxy_takes_no_call_that_it_could_not_end(self):
        prepaid = self.api.post("/v1/carriers", name="prepaid", currency="EUR", billing_mode="prepaid")
        words = {"carrier_id": prepaid["id"], "name": "px", "direction": "ingress", "mode": "proxy"}
        self.assertEqual(list(self.api.wrong_fields("POST", "/v1/trunks", words)), ["mode"])
        made = self.api.post("/v1/trunks", **{**words, "carrier_id": self.customer["id"], "name": "px"}, routing_plan_id=self.plan["id"])
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/carriers/{self.customer['id']}", {"billing_mode": "prepaid"})),
                         ["billing_mode"])
        wrong = self.api.wrong_fields("PATCH", f"/v1/trunks/{self.out['id']}", {"username": "u", "password": "p"})
        self.assertEqual(list(wrong), ["username"])
        self.api.delete(f"/v1/trunks/{made['id']}")

    def test_names_are_unique_where_the_contract_says_so(self):
        for path, words in (("/v1/carriers", {"name": "customer", "currency": "EUR"}),
                            ("/v1/rate-decks", {"name": "sell", "side": "sell", "currency": "EUR"}),
                            ("/v1/routing-plans", {"name": "plan", "policy": "lcr"}),
                            ("/v1/trunks", {"carrier_id": self.customer["id"], "name": "in", "direction": "ingress"})):
            self.assertEqual(list(self.api.wrong_fields("POST", path, words, 409)), ["name"])
        self.api.post("/v1/trunks", carrier_id=self.supplier["id"], name="in", direction="egress", host="192.0.2.9")

    def test_what_is_still_needed_is_not_deleted(self):
        for path, by in ((f"/v1/carriers/{self.customer['id']}", "trunk"), (f"/v1/trunks/{self.out['id']}", "routing plan"),
                         (f"/v1/rate-decks/{self.buy['id']}", "trunk"), (f"/v1/routing-plans/{self.plan['id']}", "trunk")):
            self.assertIn(by, self.api.refused(409, "DELETE", path)["detail"])

    # ---- two at once

    def test_a_stale_change_is_refused(self):
        made = self.api.post("/v1/carriers", name="stale", currency="EUR")
        path, first = f"/v1/carriers/{made['id']}", {"If-Match": '"1"'}
        self.api.ask("PATCH", path, {"max_cps": 1}, headers=first)
        self.assertEqual(self.api.last_headers["ETag"], '"2"')
        self.api.refused(412, "PATCH", path, {"max_cps": 2}, headers=first)
        self.api.refused(412, "DELETE", path, headers=first)
        self.api.ask("PATCH", path, {"max_cps": 3}, headers={"If-Match": '"1", "2"'})
        self.api.ask("DELETE", path, headers={"If-Match": "*"})

    def test_the_same_post_with_the_same_key_is_done_once(self):
        words, key = {"carrier_id": self.customer["id"], "amount": "7.5"}, {"Idempotency-Key": "pay-1"}
        answers = []

        def pay():
            answers.append(self.api.with_key(self.api.key).call("POST", "/v1/payments", words, key))

        threads = [threading.Thread(target=pay) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(set(answers)), 1, answers)
        self.assertEqual(answers[0][0], 201)
        self.assertEqual(len(self.api.items("/v1/payments", carrier_id=self.customer["id"])), 1)
        self.assertEqual(self.api.get(f"/v1/carriers/{self.customer['id']}")["balance"], "7.500000")
        self.api.refused(409, "POST", "/v1/payments", {**words, "amount": "8"}, headers=key)
        self.api.refused(400, "POST", "/v1/payments", words, headers={"Idempotency-Key": "x" * 300})

    def test_a_refused_post_leaves_its_key_free(self):
        key = {"Idempotency-Key": "again"}
        self.api.refused(422, "POST", "/v1/payments", {"carrier_id": 999999, "amount": "1"}, headers=key)
        self.api.ask("POST", "/v1/payments", {"carrier_id": self.supplier["id"], "amount": "1"}, headers=key)

    # ---- lists

    def test_pages_follow_each_other_and_hold_everything_once(self):
        deck = self.stack.deck("paged", "buy", {str(p): "0.01" for p in range(100, 125)}, "EUR")
        path = f"/v1/rate-decks/{deck['id']}/rates"
        found = self.api.items(path, limit=7)
        self.assertEqual([r["prefix"] for r in found], [str(p) for p in range(100, 125)])
        self.assertEqual([r["prefix"] for r in self.api.items(path, prefix_starts="11", limit=3)], [str(p) for p in range(110, 120)])
        self.assertEqual([r["prefix"] for r in self.api.items(path, number="1171234")], ["117"])
        names = [c["name"] for c in self.api.items("/v1/carriers", limit=1)]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([c["name"] for c in self.api.items("/v1/carriers", name="supplier")], ["supplier"])

    def test_bad_filters_and_cursors_are_a_400(self):
        for query in ("limit=0", "limit=1001", "limit=x", "cursor=x", "nothing=1", "direction=up", "carrier_id=a", "enabled=maybe",
                      "name=a&name=b", "name=", "carrier_id=1%27%20or%201=1"):
            self.api.refused(400, "GET", f"/v1/trunks?{query}")
        page = self.api.get("/v1/carriers", limit=1)
        self.api.refused(400, "GET", f"/v1/trunks?cursor={page['next_cursor']}")

    # ---- what is kept of it

    def test_every_change_stands_in_the_audit_log(self):
        made = self.api.post("/v1/trunks", carrier_id=self.supplier["id"], name="watched", direction="egress", host="192.0.2.3",
                             username="u", password="hush")
        self.api.patch(f"/v1/trunks/{made['id']}", password="hush hush", port=5062)
        self.api.delete(f"/v1/trunks/{made['id']}")
        log = self.api.items("/v1/audit-log", resource="trunks", resource_id=made["id"])
        self.assertEqual([(e["action"], e["actor"]) for e in log], [("delete", "story"), ("update", "story"), ("create", "story")])
        self.assertEqual((log[1]["before"]["port"], log[1]["after"]["port"]), (None, 5062))
        self.assertEqual({log[2]["after"]["password"], log[1]["before"]["password"], log[1]["after"]["password"]}, {"***"})
        self.assertIsNone(log[2]["before"])
        self.assertIsNone(log[0]["after"])
        self.assertNotIn("hush", str(log))


class Rates(ApiStory):
    def deck(self, name):
        made = self.api.post("/v1/rate-decks", name=name, side="sell", currency="EUR")
        return made, f"/v1/rate-decks/{made['id']}/rates"

    def test_a_later_rate_ends_the_earlier_one(self):
        _, path = self.deck("ends")
        first = self.api.post(path, prefix="49", price="0.02", effective_from="2020-01-01T00:00:00Z")
        second = self.api.post(path, prefix="49", price="0.03", effective_from="2030-01-01T00:00:00Z")
        self.assertEqual(self.api.get(f"{path}/{first['id']}")["effective_to"], "2030-01-01T00:00:00.000Z")
        self.assertEqual([r["price"] for r in self.api.get(path, at="2025-01-01T00:00:00Z")["items"]], ["0.020000"])
        self.api.refused(409, "POST", path, {"prefix": "49", "price": "0.04", "effective_from": "2030-01-01T00:00:00Z"})
        self.api.delete(f"{path}/{second['id']}")
        self.assertIsNone(self.api.get(f"{path}/{first['id']}")["effective_to"])

    def test_a_rate_is_changed_in_place(self):
        deck, path = self.deck("changed")
        rate = self.api.post(path, prefix="4930", price="0.02", destination="Berlin", effective_from="2020-01-01T00:00:00Z")
        before = self.api.get(f"/v1/rate-decks/{deck['id']}")["rates_version"]
        now = self.api.patch(f"{path}/{rate['id']}", price="0.025000001", initial=30, increment=6)
        self.assertEqual((now["price"], now["initial"], now["increment"], now["destination"]), ("0.025000001", 30, 6, "Berlin"))
        self.assertGreater(self.api.get(f"/v1/rate-decks/{deck['id']}")["rates_version"], before)
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"{path}/{rate['id']}", {"prefix": "49"})), ["prefix"])
        self.api.refused(412, "PATCH", f"{path}/{rate['id']}", {"price": "1"}, headers={"If-Match": '"1"'})

    def test_a_rate_belongs_to_its_deck(self):
        _, here = self.deck("here")
        _, there = self.deck("there")
        rate = self.api.post(here, prefix="49", price="0.02")
        self.api.refused(404, "GET", f"{there}/{rate['id']}")
        self.api.refused(404, "DELETE", f"{there}/{rate['id']}")
        self.api.refused(404, "GET", "/v1/rate-decks/999999/rates")
        self.api.refused(404, "POST", "/v1/rate-decks/999999/rates", {"prefix": "49", "price": "1"})

    def test_schedules_and_origins_make_rates_of_their_own(self):
        _, path = self.deck("keys")
        schedule = [{"days": [6, 7], "from": "00:00", "to": "24:00", "timezone": "Europe/Berlin"}]
        same = {"prefix": "49", "effective_from": "2030-01-01T00:00:00Z"}
        self.api.post(path, price="0.03", **same)
        weekend = self.api.post(path, price="0.01", schedule=schedule, **same)
        self.assertEqual(weekend["schedule"], schedule)
        self.api.post(path, price="0.02", origin_prefix="43", **same)
        self.api.refused(409, "POST", path, {"price": "0.02", "schedule": schedule, **same})
        self.api.refused(409, "POST", path, {"price": "0.02", "schedule": [{**schedule[0], "days": [7, 6, 7]}], **same})
        nowhere = [{**schedule[0], "timezone": "Mars/Base"}]
        self.assertEqual(list(self.api.wrong_fields("POST", path, {"price": "0.02", "schedule": nowhere, **same})), ["schedule"])
        self.assertEqual(len(self.api.items(path)), 3)

    def test_a_schedule_is_the_same_however_it_is_written(self):
        """By the API or in a sheet, in another order, with defaults said or not."""
        deck, path = self.deck("written")
        self.api.post(path, prefix="49", price="0.01", effective_from="2030-01-01T00:00:00Z", schedule=[{"days": [2, 1], "from": "08:00", "to": "24:00"}])
        row = '49,%s,2030-01-01,"[{""from"": ""08:00"", %s}]"\n'
        short, long = row % ("0.01", '""days"": [1, 2]'), row % ("0.02", '""timezone"": ""UTC"", ""days"": [2, 1, 2], ""to"": ""24:00""')
        job = self.api.import_rates(deck["id"], "prefix,price,effective_from,schedule\n" + short)
        self.assertEqual((job["report"]["unchanged"], job["report"]["added"]), (1, 0))
        job = self.api.import_rates(deck["id"], "prefix,price,effective_from,schedule\n" + short + long)
        self.assertEqual([(e["line"], e["reason"]) for e in job["report"]["errors"]],
                         [(3, "the same prefix, origin, schedule and time as line 2: 49")])
        self.assertEqual([r["schedule"] for r in self.api.items(path)],
                         [[{"days": [1, 2], "from": "08:00", "to": "24:00", "timezone": "UTC"}]])

    def test_an_import_is_a_job_and_all_or_nothing(self):
        deck, path = self.deck("imported")
        job = self.api.import_rates(deck["id"], "prefix,price,destination\n49,0.01,Germany\n4930,0.012,Berlin\n")
        self.assertEqual((job["status"], job["progress"], job["report"]["added"]), ("done", 1, 2))
        job = self.api.import_rates(deck["id"], "prefix,price\n43,0.01\n4x,0.01\n44,free\n")
        self.assertEqual((job["status"], job["report"]["rejected"]), ("failed", 2))
        self.assertEqual([e["line"] for e in job["report"]["errors"]], [3, 4])
        self.assertEqual([r["prefix"] for r in self.api.items(path)], ["49", "4930"])
        job = self.api.import_rates(deck["id"], "prefix,price\n49,0.02\n", "?dry_run=true")
        self.assertEqual((job["status"], job["dry_run"], job["report"]["changed"]), ("done", True, 1))
        self.assertEqual(self.api.items(path, prefix="49")[0]["price"], "0.010000")
        job = self.api.import_rates(deck["id"], "prefix,price\n49,0.02\n", "?replace=true")
        self.assertEqual((job["report"]["changed"], job["report"]["ended"]), (1, 1))

    def test_a_dry_run_tells_row_by_row_what_would_change(self):
        deck, path = self.deck("compared")
        self.api.import_rates(deck["id"], "prefix,price,destination\n49,0.01,Germany\n43,0.02,Austria\n33,0.03,France\n34,0.04,Spain\n")
        before = self.api.items(path)
        sheet = "prefix,price,destination\n49,0.012,Germany\n43,0.015,Austria\n33,0.03,France\n351,0.05,Portugal\n"
        job = self.api.import_rates(deck["id"], sheet, "?dry_run=true&replace=true")
        changes = f"/v1/imports/{job['id']}/changes"
        told = {c["prefix"]: (c["kind"], c["old_price"], c["new_price"], c["line"]) for c in self.api.items(changes)}
        self.assertEqual(told, {"33": ("unchanged", "0.030000", "0.030000", 4), "34": ("ended", "0.040000", None, None),
                                "351": ("new", None, "0.050000", 5), "43": ("down", "0.020000", "0.015000", 3),
                                "49": ("up", "0.010000", "0.012000", 2)})
        self.assertEqual([c["prefix"] for c in self.api.items(changes, kind="up")], ["49"])
        self.assertEqual([c["prefix"] for c in self.api.items(changes, prefix_starts="3")], ["33", "34", "351"])
        self.assertEqual(self.api.items(path), before)
        applied = self.api.import_rates(deck["id"], sheet, "?replace=true")
        self.assertEqual(applied["report"], job["report"])
        self.assertEqual(self.api.items(f"/v1/imports/{applied['id']}/changes"), [])
        self.api.refused(400, "GET", changes + "?kind=sideways")
        self.api.refused(404, "GET", "/v1/imports/999999/changes")

    def test_changes_of_old_dry_runs_go_piece_by_piece(self):
        deck, _ = self.deck("swept")
        old, young = (self.api.import_rates(deck["id"], "prefix,price\n49,0.01\n", "?dry_run=true")["id"] for _ in range(2))
        psql = self.stack.postgres.psql
        rows = "insert into import_changes (import_id, n, kind, prefix, destination, origin_prefix, effective_from) " \
               "select {}, i, 'new', '49', '', '', now() from generate_series(1, {}) i;"

        def left(wanted):
            wait_for(f"{wanted} changes left", lambda: psql(f"select count(*) from import_changes where import_id = {old}") == str(wanted), 20)

        # PostgreSQL keeps the plan that it made for a table with one row until it has analyzed the table
        psql(f"""truncate import_changes; alter table import_changes set (autovacuum_enabled = off);
            update imports set created_at = now() - interval '8 days' where id = {old};""" + rows.format(old, 1))
        left(0)
        psql(rows.format(old, 60000) + rows.format(young, 150000))
        left(10000)
        left(0)
        psql("alter table import_changes reset (autovacuum_enabled)")
        self.assertEqual(psql(f"select count(*) from import_changes where import_id = {young}"), "150000")

    def test_a_line_of_many_prefixes_and_a_long_schedule_needs_little_memory(self):
        deck, _ = self.deck("long schedules")
        schedule = '[{""days"": [1], ""from"": ""08:00"", ""to"": ""18:00"", ""timezone"": ""UTC""}%s]'
        blanks = 4096 - len((schedule % "").replace('""', '"'))
        sheet = 'prefix,price,schedule\n%s,0.02,"' + schedule + '"\n'
        proc = f"/proc/{self.stack.apid.pid}"

        def peak_kb():
            with open(f"{proc}/status") as f:
                return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))

        with open(f"{proc}/clear_refs", "w") as f:
            f.write("5")  # the peak begins anew
        before = peak_kb()
        job = self.api.import_rates(deck["id"], sheet % ("30000-39999", " " * blanks))
        self.assertEqual((job["status"], job["report"]["added"]), ("done", 10000), job)
        self.assertLess(peak_kb() - before, 16 * 1024, "the lines of one row, 40 MB, are not held at once")

        job = self.api.import_rates(deck["id"], sheet % ("40000-49999", " " * (blanks + 1)))
        self.assertEqual((job["status"], job["report"]["errors"]),
                         ("failed", [{"line": 2, "reason": "schedule is longer than 4096 bytes"}]))

    def test_a_line_of_a_sheet_may_name_many_prefixes(self):
        deck, path = self.deck("ranges")
        sheet = 'prefix,price\n4477-4479,0.02\n"44 20,21",0.01\n"4930,4940-4941,4989",0.03\n'
        trial = self.api.import_rates(deck["id"], sheet, "?dry_run=true")
        told = [(c["prefix"], c["line"]) for c in self.api.items(f"/v1/imports/{trial['id']}/changes", kind="new")]
        expected = [("4420", 3), ("4421", 3), ("4477", 2), ("4478", 2), ("4479", 2), ("4930", 4), ("4940", 4), ("4941", 4),
                    ("4989", 4)]
        self.assertEqual(told, expected)
        done = self.api.import_rates(deck["id"], sheet)
        self.assertEqual((done["report"], done["report"]["added"]), (trial["report"], 9))
        prices = {r["prefix"]: r["price"] for r in self.api.items(path)}
        self.assertEqual(list(prices), [prefix for prefix, _ in expected])
        self.assertEqual((prices["4421"], prices["4478"], prices["4941"]), ("0.010000", "0.020000", "0.030000"))
        again = self.api.import_rates(deck["id"], "prefix;price\n+44 77-79;0,02\n44 20,21;0,01\n")
        self.assertEqual((again["report"]["unchanged"], again["report"]["changed"]), (5, 0))
        bad = self.api.import_rates(deck["id"], 'prefix,price\n4477-4479,0.02\n4479-4477,0.02\n0-99999,1\n00000-99999,1\n')
        self.assertEqual((bad["status"], bad["report"]["rejected"]), ("failed", 3))
        self.assertEqual([e["line"] for e in bad["report"]["errors"]], [3, 4, 5])
        self.assertIn("more than 10000 prefixes", bad["report"]["errors"][2]["reason"])
        bad = self.api.import_rates(deck["id"], "prefix,price\n4477-4479,0.02\n4478-4480,0.05\n")
        self.assertEqual([(e["line"], e["reason"]) for e in bad["report"]["errors"]],
                         [(3, "the same prefix, origin, schedule and time as line 2: 4478")])
        self.assertEqual(bad["report"]["rejected"], 1)

    def test_a_sheet_says_what_is_wrong_with_its_line_and_column(self):
        deck, path = self.deck("doubtful")
        sheet = "code;rate;min/inc;effective date\n44;0,01;6;2026-01-31\n"
        self.assertEqual(self.api.import_rates(deck["id"], sheet)["report"]["added"], 1)
        stored = self.api.items(path)[0]
        self.assertEqual((stored["initial"], stored["increment"]), (6, 6), "6 alone is 6/6 in a column of pairs")
        bad = self.api.import_rates(deck["id"], sheet + "45;-0,01;6;2026-01-31\n46;0,01;6;01/02/2026\n47;0,01;0;2026-01-31\n")
        self.assertEqual([e["line"] for e in bad["report"]["errors"]], [3, 4, 5])
        price, date, increment = (e["reason"] for e in bad["report"]["errors"])
        self.assertEqual(price, "price -0.01 is below 0")
        for style in '"01/02/2026"', "2026/01/31", "20260131", "31.01.2026", "31-Jan-2026", "31 January 2026", "RFC 3339":
            self.assertIn(style, date)
        self.assertTrue(increment.startswith('increment "0"'), increment)
        self.assertEqual(len(self.api.items(path)), 1, "all or nothing")

    def test_increases_on_short_notice_are_told_and_applied(self):
        deck, path = self.deck("noticed")
        first = "prefix,price,connect_fee,initial,increment\n" + "".join(f"{p},0.02,0,1,1\n" for p in range(40, 49))
        job = self.api.import_rates(deck["id"], first)
        self.assertEqual(job["report"]["short_notice"], 0)
        version = self.api.get(f"/v1/rate-decks/{deck['id']}")["rates_version"]
        self.assertEqual(self.api.patch(f"/v1/rate-decks/{deck['id']}", notice_days=7)["notice_days"], 7)
        self.assertEqual(self.api.get(f"/v1/rate-decks/{deck['id']}")["rates_version"], version)
        soon, later = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + d * 86400)) for d in (6.9, 7.1))
        sheet = ("prefix,price,connect_fee,initial,increment,effective_from\n"
                 f"40,0.03,0,1,1,\n41,0.03,0,1,1,{soon}\n42,0.03,0,1,1,{later}\n43,0.02,0.01,1,1,\n44,0.02,0,60,1,\n"
                 "45,0.02,0,1,6,\n46,0.01,0,1,1,\n47,0.02,0,1,1,\n4900,0.09,0,1,1,\n")
        dearer = ["40", "41", "43", "44", "45"]
        for query in "?dry_run=true", "":
            job = self.api.import_rates(deck["id"], sheet, query)
            self.assertEqual((job["status"], job["report"]["short_notice"], job["report"]["changed"]), ("done", 5, 7))
            changes = self.api.items(f"/v1/imports/{job['id']}/changes")
            self.assertEqual([c["prefix"] for c in changes if c["short_notice"]], dearer)
            told = self.api.items(f"/v1/imports/{job['id']}/changes", short_notice="true")
            self.assertEqual([c["prefix"] for c in told], dearer)
        self.assertEqual(self.api.items(path, prefix="40", at=soon)[0]["price"], "0.030000")
        self.assertIsNone(self.api.patch(f"/v1/rate-decks/{deck['id']}", notice_days=None)["notice_days"])
        self.assertEqual(self.api.import_rates(deck["id"], "prefix,price\n40,0.9\n")["report"]["short_notice"], 0)
        self.assertEqual(list(self.api.wrong_fields("PATCH", f"/v1/rate-decks/{deck['id']}", {"notice_days": 366})),
                         ["notice_days"])

    def test_each_applied_import_is_a_version_of_its_deck(self):
        deck, _ = self.deck("versioned")
        path = f"/v1/rate-decks/{deck['id']}/versions"
        jobs = [self.api.import_rates(deck["id"], sheet, query) for sheet, query in (
            ("prefix,price\n49,0.01\n43,0.02\n", ""), ("prefix,price\n49,0.09\n", "?dry_run=true"),
            ("prefix,price\nx,0.09\n", ""), ("prefix,price\n49,0.02\n", "?replace=true"))]
        told = [(v["import_id"], v["added"], v["changed"], v["ended"], v["rolled_back_to"]) for v in self.api.items(path)]
        self.assertEqual(told, [(jobs[3]["id"], 0, 1, 1, None), (jobs[0]["id"], 2, 0, 0, None)])
        self.api.refused(404, "GET", "/v1/rate-decks/999999/versions")

    def test_a_deck_goes_back_to_a_version(self):
        deck, path = self.deck("back")
        for sheet in "prefix,price\n49,0.01\n43,0.02\n44,0.03\n45,0.04\n", "prefix,price\n49,0.02\n43,0.01\n44,0.03\n46,0.05\n":
            self.assertEqual(self.api.import_rates(deck["id"], sheet, "?replace=true")["status"], "done")
        second, first = [v["id"] for v in self.api.items(f"/v1/rate-decks/{deck['id']}/versions")]

        def prices():
            return {r["prefix"]: r["price"] for r in self.api.items(path, at=time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime()))}

        before = prices()
        job = self.api.roll_back(deck["id"], first, "?dry_run=true")
        told = {k: job["report"][k] for k in ("added", "changed", "ended", "unchanged")}
        self.assertEqual((job["status"], job["dry_run"], job["version_id"], told),
                         ("done", True, first, {"added": 1, "changed": 2, "ended": 1, "unchanged": 1}))
        changes = {c["prefix"]: (c["kind"], c["old_price"], c["new_price"]) for c in self.api.items(f"/v1/imports/{job['id']}/changes")}
        self.assertEqual(changes, {"43": ("up", "0.010000", "0.020000"), "44": ("unchanged", "0.030000", "0.030000"),
                                   "45": ("new", None, "0.040000"), "46": ("ended", "0.050000", None),
                                   "49": ("down", "0.020000", "0.010000")})
        self.assertEqual(prices(), before)
        self.assertEqual(len(self.api.items(f"/v1/rate-decks/{deck['id']}/versions")), 2)

        path_back, key = f"/v1/rate-decks/{deck['id']}/rollbacks", {"Idempotency-Key": "back-1"}
        jobs = [self.api.ask("POST", path_back, {"version_id": first}, headers=key) for _ in range(2)]
        self.assertEqual(jobs[0]["id"], jobs[1]["id"])
        job = self.api.job_end(jobs[0], 20)
        self.assertEqual({k: job["report"][k] for k in told}, told)
        wait_for("the next second", lambda: prices() == {"49": "0.010000", "43": "0.020000", "44": "0.030000", "45": "0.040000"}, 3)
        newest = self.api.items(f"/v1/rate-decks/{deck['id']}/versions")[0]
        self.assertEqual((newest["rolled_back_to"], newest["import_id"]), (first, job["id"]))
        entry = self.api.items("/v1/audit-log", resource="rate-decks", resource_id=str(deck["id"]), action="rollback")[0]
        self.assertEqual((entry["after"]["to"], entry["after"]["version"], entry["actor"]), (first, newest["id"], newest["actor"]))

        self.assertEqual(list(self.api.wrong_fields("POST", path_back, {"version_id": second + 1000})), ["version_id"])
        self.assertEqual(list(self.api.wrong_fields("POST", path_back, {"version_id": None})), ["version_id"])
        self.assertEqual(list(self.api.wrong_fields("POST", path_back, {})), ["version_id"])
        other, _ = self.deck("back of another")
        self.assertEqual(list(self.api.wrong_fields("POST", f"/v1/rate-decks/{other['id']}/rollbacks", {"version_id": first})), ["version_id"])
        self.api.refused(404, "POST", "/v1/rate-decks/999999/rollbacks", {"version_id": first})

    def test_roll_backs_imports_and_single_rates_at_once_leave_one_rate_at_a_time(self):
        deck, path = self.deck("crowd")
        sheets = ["prefix,price\n" + "".join(f"{p},0.{n}1\n" for p in range(1000, 3000)) for n in (1, 2)]
        for sheet in sheets:
            self.api.import_rates(deck["id"], sheet)
        first = self.api.items(f"/v1/rate-decks/{deck['id']}/versions")[-1]["id"]
        rate = self.api.items(path, prefix="2000")[-1]
        failures = []

        def work(what):
            try:
                for n in range(4):
                    what(n)
            except Exception as e:  # pylint: disable=broad-except
                failures.append(e)

        version, stack = str(first), self.stack
        sheet_path = os.path.join(stack.folder, "crowd.csv")
        with open(sheet_path, "w") as f:
            f.write(sheets[1])
        workers = [threading.Thread(target=work, args=(what,)) for what in (
            lambda n: stack.tandem("rates", "rollback", "--deck", "crowd", "--to", version),
            lambda n: stack.tandem("rates", "import", "--deck", "crowd", "--file", sheet_path),
            lambda n: self.api.patch(f"{path}/{rate['id']}", destination=f"by hand {n}"),
            lambda n: self.api.post(path, prefix=str(2100 + n), price="0.9"))]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(failures, [])
        overlaps = ("select count(*) from rates a join rates b on a.deck_id = b.deck_id and a.prefix = b.prefix and a.id <> b.id "
                    "and a.effective_from <= b.effective_from and coalesce(a.effective_to > b.effective_from, true) "
                    f"where a.deck_id = {deck['id']}")
        self.assertEqual(self.stack.postgres.psql(overlaps), "0")
        self.assertEqual(self.api.roll_back(deck["id"], first)["status"], "done")
        now = ("select count(*), count(*) filter (where price <> 0.11) from rates "
               f"where deck_id = {deck['id']} and effective_to is null")
        self.assertEqual(self.stack.postgres.psql(now), "2000|0")

    def test_an_import_that_makes_no_sense_says_why(self):
        deck, _ = self.deck("senseless")
        path = f"/v1/rate-decks/{deck['id']}/imports"
        job = self.api.import_rates(deck["id"], "what,is\nthis,file\n")
        self.assertEqual(job["status"], "failed")
        for sheet, line, word in (("what,is\nthis,file\n", 1, "column"), ('prefix,price\n49,0.1\n"50,0.2\n', 3, "quote"), ("prefix,price\n", None, "header")):
            [error] = self.api.import_rates(deck["id"], sheet)["report"]["errors"]
            self.assertEqual((error["line"], error["reason"].startswith("line ")), (line, False), error)
            self.assertIn(word, error["reason"])
        self.api.refused(422, "POST", path, raw=b"", kind="text/csv")
        self.api.refused(415, "POST", path, raw=b"{}", kind="application/json")
        self.api.refused(400, "POST", path + "?dry_run=perhaps", raw=b"prefix,price\n", kind="text/csv")
        self.api.refused(404, "POST", "/v1/rate-decks/999999/imports", raw=b"prefix,price\n1,1\n", kind="text/csv")

    def test_the_same_import_with_the_same_key_runs_once(self):
        deck, _ = self.deck("once")
        path, key = f"/v1/rate-decks/{deck['id']}/imports", {"Idempotency-Key": "sheet-1"}
        raw = b"prefix,price\n49,0.01\n"
        first = self.api.ask("POST", path, raw=raw, kind="text/csv", headers=key)
        again = self.api.ask("POST", path, raw=raw, kind="text/csv", headers=key)
        self.assertEqual(first, again)
        self.api.refused(409, "POST", path, raw=raw + b"43,0.01\n", kind="text/csv", headers=key)
        self.assertEqual(len(self.api.items("/v1/imports", rate_deck_id=deck["id"])), 1)

    def test_number_lengths_are_kept_one_a_prefix(self):
        path = "/v1/number-lengths"
        made = self.api.post(path, prefix="49", min_length=7, max_length=14, note="Germany")
        self.assertEqual((made["prefix"], made["min_length"], made["max_length"], made["note"]), ("49", 7, 14, "Germany"))
        open_ended = self.api.post(path, prefix="50")
        self.assertEqual((open_ended["min_length"], open_ended["max_length"], open_ended["note"]), (3, 32, None))
        for words, status, field in (({"prefix": "49"}, 409, "prefix"), ({}, 422, "prefix"), ({"prefix": "4a"}, 422, "prefix"),
                                     ({"prefix": ""}, 422, "prefix"), ({"prefix": "51", "min_length": 2}, 422, "min_length"),
                                     ({"prefix": "51", "max_length": 33}, 422, "max_length"),
                                     ({"prefix": "51", "min_length": 9, "max_length": 8}, 422, "max_length"),
                                     ({"prefix": "51234567", "max_length": 7}, 422, "max_length")):
            self.assertEqual(list(self.api.wrong_fields("POST", path, words, status)), [field], words)
        one = f"{path}/{made['id']}"
        self.assertEqual(list(self.api.wrong_fields("PATCH", one, {"min_length": 15})), ["max_length"])
        self.assertEqual(list(self.api.wrong_fields("PATCH", one, {"prefix": "50"}, 409)), ["prefix"])
        changed = self.api.patch(one, max_length=15)
        self.assertEqual((changed["min_length"], changed["max_length"], changed["version"]), (7, 15, 2))
        self.assertEqual(self.api.items(path, prefix="49"), [changed])
        self.api.delete(one)
        self.api.refused(404, "GET", one)
        said = self.api.items("/v1/audit-log", resource="number-lengths", resource_id=made["id"])
        self.assertEqual([(e["action"], (e["after"] or {}).get("max_length")) for e in said], [("delete", None), ("update", 15), ("create", 14)])

    def test_exchange_rates_are_dated_and_not_edited(self):
        made = self.api.post("/v1/exchange-rates", from_="USD", to="EUR", rate="0.921512345678", effective_from="2026-01-01T00:00:00Z")
        self.assertEqual(made["rate"], "0.921512345678")
        self.api.refused(409, "POST", "/v1/exchange-rates",
                         {"from": "USD", "to": "EUR", "rate": "1", "effective_from": "2026-01-01T00:00:00Z"})
        self.api.refused(405, "PATCH", f"/v1/exchange-rates/{made['id']}", {"rate": "1"})
        self.assertEqual(self.api.get("/v1/exchange-rates", at="2026-06-01T00:00:00Z")["items"], [made])


class LookUps(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.cheap = stack.vendor("cheap", {"49": "0.01", "4930": "0.03"}, host="192.0.2.1", port=5060)
        cls.dear = stack.vendor("dear", {"49": "0.02"}, host="192.0.2.2", port=5060)
        cls.lossy = stack.vendor("lossy", {"49": "0.06"}, host="192.0.2.3", port=5060)
        customer = stack.carrier("customer")
        deck = stack.deck("sell", "sell", {"49": {"price": "0.05", "destination": "Germany"}})
        plan = cls.api.post("/v1/routing-plans", name="plan", policy="lcr",
                            members=[{"trunk_id": t["id"]} for t in (cls.cheap, cls.dear, cls.lossy)])
        cls.inn = cls.api.post("/v1/trunks", carrier_id=customer["id"], name="in", direction="ingress", rate_deck_id=deck["id"],
                               routing_plan_id=plan["id"], translations=[{"number": "called", "match": "^00(.*)$", "replace": "$1"}])

    def test_routes_come_in_order_and_the_rest_with_a_reason(self):
        found = self.api.post("/v1/route-lookups", trunk_id=self.inn["id"], called="+49891234567")
        self.assertEqual(found["sell"]["destination"], "Germany")
        self.assertEqual([(r["trunk_id"], r["price"]) for r in found["routes"]],
                         [(self.cheap["id"], "0.010000"), (self.dear["id"], "0.020000")])
        self.assertEqual([(e["trunk_id"], e["reason"]) for e in found["excluded"]], [(self.lossy["id"], "margin")])

    def test_translations_and_the_longest_prefix_count(self):
        found = self.api.post("/v1/route-lookups", trunk_id=self.inn["id"], called="0049301234567")
        self.assertEqual([(r["trunk_id"], r["prefix"]) for r in found["routes"]],
                         [(self.dear["id"], "49"), (self.cheap["id"], "4930")])

    def test_what_cannot_be_looked_up_is_named(self):
        for words, field in (({"trunk_id": 999999, "called": "4930"}, "trunk_id"),
                             ({"trunk_id": self.cheap["id"], "called": "4930"}, "trunk_id"),
                             ({"trunk_id": self.inn["id"], "called": "12"}, "called"),
                             ({"trunk_id": self.inn["id"]}, "called"),
                             ({"trunk_id": self.inn["id"], "called": "4930", "at": "soon"}, "at")):
            self.assertEqual(list(self.api.wrong_fields("POST", "/v1/route-lookups", words)), [field])

    def test_a_number_without_a_rate_has_no_route(self):
        found = self.api.post("/v1/route-lookups", trunk_id=self.inn["id"], called="12125551234")
        self.assertEqual((found["outcome"], found["routes"]), ("no_sell_rate", []))
