# SPDX-License-Identifier: Apache-2.0
"""A carrier's key against everything that the description lists: its own, another's, nobody's; whatever its role.

The table below says for each path what such a key may read. A path that is in neither column fails: whoever adds an endpoint says here
what a customer sees of it."""

from story import Api
from story.described import ApiStory

# What a carrier's own key reads: path -> the objects of the two carriers in it, by the names that furnish gives them.
READS = {"/v1/carriers": "carrier", "/v1/trunks": "trunk", "/v1/rate-decks": "deck", "/v1/payments": "payment", "/v1/ledger": "payment",
         "/v1/adjustments": "adjustment", "/v1/corrections": "correction",
         "/v1/invoices": "invoice"}
OPEN = {"/healthz", "/readyz", "/", "/console/{name}"}
SAME_FOR_ALL = {"/openapi.json"}
EMPTY = {"/v1/exports"}  # runs with files of the carrier alone: here are none, tests/api/test_deliveries.py has some
ITSELF = {"/v1/self"}  # what the key that asks is
NOWHERE = "01990000-0000-7000-8000-000000000001"
ROLES = ("readonly", "provisioning", "finance", "admin")


class Tenants(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.us, cls.them = cls.tenant(stack, "harbour", 1), cls.tenant(stack, "bay", 2)
        cls.keys = {role: cls.api.with_key(cls.api.post("/v1/api-keys", name=f"ours {role}", role=role, carrier_id=cls.us["carrier"])["key"])
                    for role in ROLES}

    @classmethod
    def tenant(cls, stack, name, n):
        carrier = stack.carrier(name)
        deck = stack.deck(f"{name} sell", "sell", {"49": "0.05"})
        trunk = cls.api.post("/v1/trunks", carrier_id=carrier["id"], name=name, direction="ingress", rate_deck_id=deck["id"], username=name,
                             password="s3cret")
        plan = cls.api.post("/v1/routing-plans", name=f"{name} plan", policy="lcr")
        cls.api.patch(f"/v1/trunks/{trunk['id']}", routing_plan_id=plan["id"])
        rate = cls.api.items(f"/v1/rate-decks/{deck['id']}/rates")[0]
        payment = cls.api.post("/v1/payments", carrier_id=carrier["id"], amount="10", note=f"wire {name}")
        adjustment = cls.api.post("/v1/adjustments", carrier_id=carrier["id"], amount="1", note=f"goodwill {name}")
        at = f"2026-03-01T12:00:0{n}.000Z"
        stack.postgres.psql("select cdr_partition_make('2026-03-01')")
        cdr = stack.postgres.psql(f"select left(uuid_floor('{at}')::text, 14) || '7000-8000-00000000000{n}'")
        stack.postgres.psql(
            "insert into cdrs (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, called_in, duration_ms, "
            "sip_code, disconnect_reason, hangup_party, attempts, sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency) values "
            f"('{cdr}', 'sw1', '{at}', '{at}', '{at}', {carrier['id']}, {trunk['id']}, '+4930{n}', 61000, 200, 'normal', 'caller', 1, '49', "
            "0.05, 61, 0.05, 'USD')")
        stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind, cdr_id, created_at) values ({carrier['id']}, -0.05, 'charge', "
                            f"'{cdr}', '{at}')")
        stack.postgres.psql(f"select rerate_book({carrier['id']}, 'sell', 'somebody of theirs', array['{cdr}']::uuid[], array[0.05], array[0.04], "
                            "array['49'], array[0.04], array[61]::bigint[])")
        correction = cls.api.items("/v1/corrections", carrier_id=carrier["id"])[0]
        invoice = cls.api.post("/v1/invoices", carrier_id=carrier["id"], from_="2026-03-01", to="2026-03-31")
        cls.api.ask("POST", f"/v1/invoices/{invoice['id']}/issue")
        return {"carrier": carrier["id"], "deck": deck["id"], "trunk": trunk["id"], "rate": rate["id"], "payment": payment["id"], "adjustment": adjustment["id"],
                "invoice": invoice["id"], "correction": correction["id"], "cdr": cdr, "plan": plan["id"]}

    def paths(self):
        return [(path, method) for path, methods in self.api.description.all["paths"].items() for method in methods]

    def collection(self, path):
        return path.split("/{")[0]

    def filled(self, path, objects):
        """The path with one tenant's ids in it."""
        if path.startswith("/v1/rate-decks/{parent}"):
            return path.replace("{parent}", str(objects["deck"])).replace("{id}", str(objects["rate"]))
        if path.startswith("/v1/cdrs"):
            return path.replace("{id}", objects["cdr"])
        of = READS.get(self.collection(path))
        return path.replace("{parent}", "1").replace("{name}", "manifest.json").replace("{id}", str(objects[of]) if of else "1")

    def readable(self, path):
        return self.collection(path) in READS or path.startswith("/v1/cdrs")

    def test_its_own_is_there_for_every_role(self):
        for path, method in self.paths():
            if method != "get" or not self.readable(path):
                continue
            for role, api in self.keys.items():
                status, text = api.call("GET", self.filled(path, self.us)) if not path.endswith("/pdf") else (200, "")
                expected = 404 if path.endswith("/versions") else 200  # who imported what is the operator's own
                self.assertEqual(status, expected, f"{role}: GET {path}: {text}")

    def test_anothers_and_nobodys_look_the_same(self):
        nobody = {name: NOWHERE if name == "cdr" else 999999 for name in self.us}
        for path, method in self.paths():
            if "{" not in path or path in OPEN:
                continue
            for role, api in self.keys.items():
                theirs = api.call(method.upper(), self.filled(path, self.them), **self.body(path, method))
                none = api.call(method.upper(), self.filled(path, nobody), **self.body(path, method))
                self.assertEqual((theirs[0], theirs[1]), (404, none[1]), f"{role}: {method} {path}")

    def test_a_mixture_of_ids_is_not_there(self):
        for parent, child in ((self.us, self.them), (self.them, self.us)):
            self.keys["admin"].refused(404, "GET", f"/v1/rate-decks/{parent['deck']}/rates/{child['rate']}")

    def test_nothing_can_be_written(self):
        before = self.stack.postgres.psql("select count(*), max(id) from audit_log")
        for path, method in self.paths():
            if method == "get":
                continue
            for role, api in self.keys.items():
                for objects in (self.us, self.them):
                    api.refused(404, method.upper(), self.filled(path, objects), **self.body(path, method))
        self.assertEqual(self.stack.postgres.psql("select count(*), max(id) from audit_log"), before)

    def test_lists_hold_its_own_alone_whatever_is_asked(self):
        theirs = self.them["carrier"]
        for path, of in {**READS, "/v1/cdrs": "cdr"}.items():
            for role, api in self.keys.items():
                rows = api.items(path)
                self.assertTrue(rows, path)
                self.assertNotIn(self.them[of], [r["id"] for r in rows], f"{role}: {path}")
                owners = {r["carrier_id"] for r in rows if "carrier_id" in r}
                self.assertLessEqual(owners, {self.us["carrier"]})
            if path not in ("/v1/carriers", "/v1/rate-decks"):
                self.assertEqual(self.keys["admin"].items(path, carrier_id=theirs), [], path)
            text = self.keys["admin"].call("GET", path + "?format=csv")[1]
            self.assertNotIn("bay", text)

    def test_a_cursor_of_ours_opens_nothing_for_them(self):
        page = self.api.get("/v1/payments", limit=1)
        self.assertIsNotNone(page["next_cursor"])
        rows = self.keys["readonly"].get("/v1/payments", cursor=page["next_cursor"])["items"]
        self.assertLessEqual({r["carrier_id"] for r in rows}, {self.us["carrier"]})

    def test_no_condition_and_no_other_method_tells_that_something_is_there(self):
        for path, method in self.paths():
            if method != "get" or "{" not in path or path in OPEN:
                continue
            theirs = self.filled(path, self.them)
            self.api.call("GET", theirs, limit=5) if not path.endswith("/pdf") else None
            etag = self.api.last_headers.get("ETag")
            for role, api in self.keys.items():
                for tag in {"*", etag or '"1"'}:
                    self.assertEqual(api.call("GET", theirs, headers={"If-None-Match": tag})[0], 404, f"{role} {tag} {path}")
                    self.assertNotIn("ETag", api.last_headers, path)
                    for change in ("PATCH", "DELETE"):
                        if change.lower() in self.api.description.all["paths"][path]:
                            self.assertEqual(api.call(change, theirs, {"name": "x"}, headers={"If-Match": tag})[0], 404, f"{role} {tag} {path}")
                self.assertEqual(api.call("HEAD", theirs)[0], 404, f"{role} {path}")
                self.assertEqual(api.call("GET", theirs, headers={"Accept": "text/csv"})[0], 404, path)

    def test_no_filter_answers_what_the_columns_do_not(self):
        own = self.keys["readonly"]
        self.assertEqual([t["id"] for t in self.api.items("/v1/trunks", routing_plan_id=self.us["plan"])], [self.us["trunk"]])
        self.assertEqual(own.items("/v1/trunks", routing_plan_id=self.us["plan"]), [])
        vendor = self.stack.carrier("atlas")
        out = self.api.post("/v1/trunks", carrier_id=vendor["id"], name="atlas", direction="egress", host="192.0.2.7",
                            rate_deck_id=self.stack.deck("atlas buy", "buy", {"49": "0.01"})["id"])
        vendors = self.api.with_key(self.api.post("/v1/api-keys", name="atlas", role="readonly", carrier_id=vendor["id"])["key"])
        at = "2026-03-01T13:00:00.000Z"
        cdr = self.stack.postgres.psql(f"select left(uuid_floor('{at}')::text, 14) || '7000-8000-000000000009'")
        self.stack.postgres.psql(
            "insert into cdrs (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id, egress_trunk_id, "
            "called_in, calling_in, called_out, calling_out, duration_ms, sip_code, disconnect_reason, hangup_party, attempts) values "
            f"('{cdr}', 'sw1', '{at}', '{at}', '{at}', {self.us['carrier']}, {self.us['trunk']}, {vendor['id']}, {out['id']}, '+49301', '+49111', "
            "'0049301', '0049111', 1000, 200, 'normal', 'caller', 1)")
        seen = lambda api, **f: [c["id"] for c in api.items("/v1/cdrs", from_="2026-03-01T12:59:00Z", to="2026-03-01T13:01:00Z", **f)]
        for api, mine, hidden in ((own, {"called": "+49301", "calling": "+49111", "trunk_id": self.us["trunk"], "called_prefix": "4930"},
                                   {"called": "0049301", "calling": "0049111", "trunk_id": out["id"], "called_prefix": "00", "carrier_id": vendor["id"]}),
                                  (vendors, {"called": "0049301", "calling": "0049111", "trunk_id": out["id"], "called_prefix": "0049"},
                                   {"called": "+49301", "calling": "+49111", "trunk_id": self.us["trunk"], "called_prefix": "49", "carrier_id": self.us["carrier"]})):
            for name, value in mine.items():
                self.assertEqual(seen(api, **{name: value}), [cdr], name)
            for name, value in hidden.items():
                self.assertEqual(seen(api, **{name: value}), [], name)

    def test_everything_else_is_a_404(self):
        for path, method in self.paths():
            if method != "get" or path in OPEN | SAME_FOR_ALL or self.readable(path):
                continue
            for role, api in self.keys.items():
                if path in ITSELF:
                    self.assertEqual((api.get(path)["role"], api.get(path)["carrier_id"]), (role, self.us["carrier"]))
                    continue
                if path in EMPTY:
                    self.assertEqual(api.items(path), [], role)
                    continue
                api.refused(404, "GET", self.filled(path, self.us))
                if path.startswith("/v1/") and not self.api.description.all["paths"][path]["get"]["x-carrier-key"]:
                    self.assertEqual(Api(api.base, api.key).call("PUT", self.filled(path, self.us), {})[0], 404, f"PUT {path}: not even that it is there")
                if "{" not in path:
                    api.refused(404, "GET", path + "?format=csv")

    def test_secrets_and_margins_are_in_no_answer(self):
        for path, method in self.paths():
            if method != "get" or not self.readable(path) or path.endswith("/pdf"):
                continue
            text = self.keys["admin"].call("GET", self.filled(path, self.us))[1]
            for word in ("s3cret", "password", "min_margin", "routing_plan_id", "vendor_limit", "buy_price", "egress_trunk_id"):
                self.assertNotIn(f'"{word}"', text, path)

    @staticmethod
    def body(path, method):
        if path.endswith("/imports"):
            return {"raw": b"prefix,price\n49,0.01\n", "kind": "text/csv"} if method == "post" else {}
        return {"body": {"name": "mine", "enabled": False}} if method in ("post", "patch") else {}
