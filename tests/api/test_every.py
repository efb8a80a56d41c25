# SPDX-License-Identifier: Apache-2.0
"""What every endpoint owes, asked of all that the description lists: cursors, limits, tricks in paths and filters, ETags, keys of repetition."""

import base64
import json
import threading
from urllib.parse import quote

from story.described import ApiStory

TRICKS = ("' or '1'='1", "1;drop table carriers", "..", "../../etc/passwd", "%00", "\\", "1%20union%20select", "$1", "\u2028", "9" * 30, "-1", "0x1", "NaN", "{}", "a" * 300)
LEAKS = ("select ", "insert ", "postgres", "psql", "sqlstate", "/work", "/usr", ".c:", "libpq", "relation", "syntax error", "invalid input")
NOBODY = "01990000-0000-7000-8000-000000000001"


def quoted(text):
    return text if text == "%00" else quote(text, safe="")


def cursor(path, key):
    return base64.urlsafe_b64encode(f"{path}\n{key}".encode()).decode().rstrip("=")


class Every(ApiStory):
    @classmethod
    def furnish(cls, stack):
        customer, vendor = stack.carrier("customer"), stack.carrier("vendor")
        sell, buy = stack.deck("sell", "sell", {"49": "0.05"}), stack.deck("buy", "buy", {"49": "0.01"})
        trunk = cls.api.post("/v1/trunks", carrier_id=vendor["id"], name="out", direction="egress", host="192.0.2.1", rate_deck_id=buy["id"])
        plan = cls.api.post("/v1/routing-plans", name="plan", policy="lcr", members=[{"trunk_id": trunk["id"]}])
        numbers = cls.api.post("/v1/number-lists", name="list", kind="block", match="called", entries=["4990"])
        length = cls.api.post("/v1/number-lengths", prefix="4930", min_length=8, max_length=12)
        rate = cls.api.items(f"/v1/rate-decks/{sell['id']}/rates")[0]
        cls.job = cls.api.import_rates(sell["id"], "prefix,price\n49,0.06\n", "?dry_run=true")["id"]
        cls.deck = sell["id"]
        # path of one object with a version -> a change that it takes
        cls.versioned = {f"/v1/carriers/{customer['id']}": {"max_cps": 7}, f"/v1/trunks/{trunk['id']}": {"max_cps": 7}, f"/v1/rate-decks/{buy['id']}": {"name": "buy 2"},
                         f"/v1/routing-plans/{plan['id']}": {"max_attempts": 2}, f"/v1/number-lists/{numbers['id']}": {"entries": ["4991"]},
                         f"/v1/number-lengths/{length['id']}": {"max_length": 13}, f"/v1/rate-decks/{sell['id']}/rates/{rate['id']}": {"price": "0.07"}}

    def paths(self, method, wanted):
        """(path with real ids in it, its operation)"""
        for path, methods in self.api.description.all["paths"].items():
            if method in methods and wanted(path, methods[method]):
                yield path, methods[method]

    def filled(self, path):
        return path.replace("imports/{parent}", f"imports/{self.job}").replace("{parent}", str(self.deck))

    def names(self, operation):
        return {p["name"]: p for p in map(self.api.description.resolve, operation["parameters"])}

    def lists(self):
        return [(self.filled(path), op, "?group_by=hour&" if path == "/v1/stats" else "?")
                for path, op in self.paths("get", lambda _, op: "cursor" in self.names(op))]

    def no_leak(self, where, status, text):
        self.assertLess(status, 500, f"{where}: {text}")
        self.assertFalse([w for w in LEAKS if status >= 400 and w in text.lower()], f"{where}: {text}")

    # ---- lists

    def test_a_limit_has_its_range_on_every_list(self):
        self.assertGreater(len(self.lists()), 15)
        for path, _, ask in self.lists():
            for limit in ("0", "-1", "1001", "x", "1.5", "", "99999999999999999999", "1e2"):
                self.api.refused(400, "GET", f"{path}{ask}limit={limit}")
            for limit in (1, 1000):
                self.assertEqual(self.api.call("GET", f"{path}{ask}limit={limit}")[0], 200, path)

    def test_a_cursor_that_no_list_gave_is_refused_by_every_list(self):
        for path, _, ask in self.lists():
            pattern = next(p for p, m in self.api.description.all["paths"].items() if self.filled(p) == path)
            for bad in ("x", "====", "a" * 600, cursor("/v1/elsewhere", "1"), cursor(pattern, ""), cursor(pattern, "x"), cursor(pattern, "1;drop"),
                        cursor(pattern, "9" * 30), cursor(pattern, "1\x00"), cursor(pattern, "-"), cursor(pattern, "1:2:x"), cursor(pattern, "' or 1=1")):
                status, text = self.api.call("GET", f"{path}{ask}cursor={bad}")
                self.assertEqual(status, 400, f"{path} {bad}: {text}")
                self.no_leak(path, status, text)

    def test_a_cursor_of_one_list_is_refused_by_all_others(self):
        given = self.api.get("/v1/carriers", limit=1)["next_cursor"]
        for path, _, ask in self.lists():
            self.assertEqual(self.api.call("GET", f"{path}{ask}cursor={given}")[0], 200 if path == "/v1/carriers" else 400, path)

    # ---- tricks

    def test_tricks_in_every_path_parameter(self):
        for method in ("get", "post", "patch", "delete"):
            for path, _ in self.paths(method, lambda path, _: "{" in path):
                for trick in map(quoted, TRICKS):
                    target = path.replace("{parent}", trick).replace("{id}", trick).replace("{name}", trick)
                    status, text = self.api.call(method.upper(), target, {} if method in ("post", "patch") else None)
                    self.assertIn(status, (400, 404, 405, 415), f"{method} {target}: {text}")
                    self.no_leak(target, status, text)

    def test_tricks_in_every_filter(self):
        for path, operation in self.paths("get", lambda path, _: "{id}" not in path and "{name}" not in path and "events" not in path):
            for name, parameter in self.names(operation).items():
                if parameter["in"] != "query":
                    continue
                ask = "group_by=hour&" if path == "/v1/stats" and name != "group_by" else ""
                for trick in map(quoted, TRICKS):
                    status, text = self.api.call("GET", f"{self.filled(path)}?{ask}{name}={trick}")
                    self.assertIn(status, (200, 400), f"{path} {name}={trick}: {text}")
                    self.no_leak(f"{path} {name}={trick}", status, text)
                    if parameter["schema"].get("type") in ("integer", "boolean") or "format" in parameter["schema"] or "enum" in parameter["schema"]:
                        self.assertEqual(status, 200 if name == "sip_code" and trick == "-1" else 400, f"{path} {name}={trick}")

    # ---- ETags

    def test_every_object_with_a_version_refuses_a_stale_change(self):
        with_version = {p.rsplit("/", 1)[0] for p, op in self.paths("patch", lambda path, _: path.endswith("{id}"))}
        covered = {path.replace(f"/{self.deck}/rates", "/{parent}/rates").rsplit("/", 1)[0] for path in self.versioned}
        self.assertEqual(with_version - covered - {"/v1/export-options", "/v1/vendor-forces", "/v1/invoices"}, set(), "whoever adds one says here how it changes")
        for path, change in self.versioned.items():
            with self.subTest(path):
                self.api.get(path)
                first = self.api.last_headers["ETag"]
                self.assertEqual(self.api.call("PATCH", path, change, headers={"If-Match": first})[0], 200)
                self.assertNotEqual(self.api.last_headers["ETag"], first)
                for stale in (first, '"999"', f'{first}, "998"', "W/" + first, "x"):
                    self.api.refused(412, "PATCH", path, change, headers={"If-Match": stale})
                    self.api.refused(412, "DELETE", path, headers={"If-Match": stale})
                self.api.get(path)
                now = self.api.last_headers["ETag"]
                for good in ('"997", {now}', "*", "{now}"):
                    status, text = self.api.call("PATCH", path, change, headers={"If-Match": good.format(now=now)})
                    self.assertEqual(status, 200, text)
                    now = self.api.last_headers["ETag"]
                self.assertEqual(self.api.call("PATCH", path, change)[0], 200, "If-Match may be left out")

    def test_every_other_object_has_an_etag_of_what_it_says(self):
        """All single objects but live calls; CDRs have stories of their own."""
        carrier = self.api.items("/v1/carriers")[0]["id"]
        trunk = self.api.get("/v1/trunks", direction="egress")["items"][0]["id"]
        made = {"/v1/exchange-rates": {"from": "USD", "to": "EUR", "rate": "0.9"}, "/v1/invoice-senders": {"name": "We"}, "/v1/vendor-forces": {"trunk_id": trunk, "force": "down"},
                "/v1/api-keys": {"name": "tagged", "role": "readonly"}, "/v1/payments": {"carrier_id": carrier, "amount": "5"},
                "/v1/adjustments": {"carrier_id": carrier, "amount": "5", "note": "why"}, "/v1/exports": {}}
        objects = {path: f"{path}/{self.api.ask('POST', path, body)['id']}" for path, body in made.items()}
        objects |= {"/v1/ledger": objects["/v1/payments"].replace("payments", "ledger"), "/v1/imports": f"/v1/imports/{self.job}"}
        wanted = {path.rsplit("/", 1)[0] for path, op in self.paths("get", lambda path, _: path.endswith("/{id}"))}
        covered = {path.rsplit("/", 1)[0].replace(f"/{self.deck}/", "/{parent}/") for path in self.versioned}
        self.assertEqual(wanted - set(objects) - covered - {"/v1/calls", "/v1/cdrs", "/v1/invoices", "/v1/export-options", "/v1/corrections", "/v1/alerts"}, set())
        for kind, path in objects.items():
            with self.subTest(path):
                says = self.api.get(path)
                tag = self.api.last_headers["ETag"]
                for known in (tag, "W/" + tag, f'"x", {tag}', "*"):
                    self.assertEqual(self.api.call("GET", path, headers={"If-None-Match": known}), (304, ""))
                    self.assertEqual(self.api.last_headers["ETag"], tag)
                self.assertEqual(json.loads(self.api.call("GET", path, headers={"If-None-Match": '"x"'})[1]), says)
                if "delete" not in self.api.description.all["paths"][kind + "/{id}"]:
                    continue
                for stale in ('"x"', "W/" + tag, "x"):
                    self.api.refused(412, "DELETE", path, headers={"If-Match": stale})
                self.assertEqual(self.api.call("DELETE", path, headers={"If-Match": f'"x", {tag}'})[0], 204)
                self.api.refused(404, "DELETE", path, headers={"If-Match": tag})

    # ---- repetition

    def test_two_at_once_with_the_same_key_have_one_effect(self):
        for turn in range(5):
            answers, name = [], f"twice {turn}"
            gate = threading.Barrier(4)

            def post():
                api = self.api.with_key(self.api.key)
                gate.wait()
                answers.append(api.call("POST", "/v1/carriers", {"name": name, "currency": "EUR"}, headers={"Idempotency-Key": name}))

            askers = [threading.Thread(target=post) for _ in range(4)]
            for a in askers:
                a.start()
            for a in askers:
                a.join()
            self.assertEqual({status for status, _ in answers}, {201})
            self.assertEqual(len({text for _, text in answers}), 1)
            self.assertEqual(len(self.api.items("/v1/carriers", name=name)), 1)

    def test_the_same_key_with_another_body_or_target_is_refused(self):
        key = {"Idempotency-Key": "once"}
        self.assertEqual(self.api.call("POST", "/v1/carriers", {"name": "once", "currency": "EUR"}, headers=key)[0], 201)
        self.api.refused(409, "POST", "/v1/carriers", {"name": "other", "currency": "EUR"}, headers=key)
        self.api.refused(409, "POST", "/v1/number-lists", {"name": "once", "kind": "block", "match": "called", "entries": ["1"]}, headers=key)
        self.assertEqual(self.api.items("/v1/carriers", name="other"), [])

    def test_a_key_is_free_again_after_a_day(self):
        self.api.post("/v1/payments", carrier_id=1, amount="1")
        headers, body = {"Idempotency-Key": "daily"}, {"carrier_id": 1, "amount": "2", "note": "daily"}
        first = json.loads(self.api.call("POST", "/v1/payments", body, headers=headers)[1])
        self.assertEqual(json.loads(self.api.call("POST", "/v1/payments", body, headers=headers)[1]), first)
        self.stack.postgres.psql("update idempotency_keys set created_at = created_at - interval '25 hours' where key = 'daily'")
        self.assertNotEqual(json.loads(self.api.call("POST", "/v1/payments", body, headers=headers)[1])["id"], first["id"])
        self.assertEqual(len([p for p in self.api.items("/v1/payments") if p["note"] == "daily"]), 2)
