# SPDX-License-Identifier: Apache-2.0
"""Who may do what, and what a carrier's own key sees."""

import re
import time

from story.described import ApiStory

CDR = """insert into cdrs (id, node, started_at, answered_at, ended_at, ingress_carrier_id, ingress_trunk_id, egress_carrier_id,
  egress_trunk_id, calling_in, called_in, calling_out, called_out, duration_ms, sip_code, disconnect_reason, hangup_party, attempts,
  sell_prefix, sell_price, sell_billed_s, sell_amount, sell_currency, buy_prefix, buy_price, buy_billed_s, buy_amount, buy_currency,
  source_ip, a_call_id, b_call_id)
  values ('{id}', 'sw1', '{at}', '{at}', '{at}', {a}, {ta}, {b}, {tb}, '+4911', '{called}', '4911', '77{called}', 61000, 200, 'normal',
  'caller', 1, '49', 0.05, 61, 0.050833, 'USD', '49', 0.02, 61, 0.020333, 'USD', '192.0.2.7', 'a@x', 'b@y')"""


class Roles(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.alpha = stack.vendor("alpha", {"49": "0.02"}, host="192.0.2.1", port=5060)
        cls.bravo = stack.vendor("bravo", {"49": "0.03"}, host="192.0.2.2", port=5060)
        cls.carrier = stack.carrier("harbour")
        cls.deck = stack.deck("harbour sell", "sell", {"49": "0.05"})
        cls.plan = cls.api.post("/v1/routing-plans", name="plan", policy="lcr", members=[{"trunk_id": cls.alpha["id"]}])
        cls.trunk = cls.api.post("/v1/trunks", carrier_id=cls.carrier["id"], name="harbour", direction="ingress",
                                 rate_deck_id=cls.deck["id"], routing_plan_id=cls.plan["id"], min_margin="0.001", username="h",
                                 password="s3cret")
        cls.keys = {role: cls.make_key(role, role) for role in ("readonly", "provisioning", "finance")}
        cls.own = cls.make_key("harbour's", "readonly", cls.carrier["id"])
        cls.vendors = cls.make_key("alpha's", "admin", cls.alpha["carrier"]["id"])
        day = "2026-03-01"
        stack.postgres.psql(f"select cdr_partition_make('{day}')")
        cls.cdrs = {}
        for i, (a, b) in enumerate(((cls.carrier, cls.alpha), (cls.carrier, cls.bravo), (cls.bravo["carrier"], cls.alpha))):
            at = f"{day}T12:00:0{i}.250Z"
            uuid = stack.postgres.psql(f"select left(uuid_floor('{at}')::text, 14) || '7000-8000-00000000000{i}'")
            stack.postgres.psql(CDR.format(id=uuid, at=at, a=a["id"], ta=cls.trunk["id"] if i < 2 else 999, b=b["carrier"]["id"],
                                           tb=b["id"], called=f"+49301234567{i}"))
            stack.postgres.psql(f"insert into cdr_attempts values ('{uuid}', 1, {b['id']}, {b['carrier']['id']}, '{at}', null, '{at}',"
                                f" '{at}', 200, 'answered', '49', 0.02, 'b@y')")
            stack.postgres.psql(f"insert into cdr_traces values ('{uuid}', '{{\"routes\": []}}')")
            cls.cdrs[i] = uuid

    @classmethod
    def make_key(cls, name, role, carrier_id=None):
        return cls.api.with_key(cls.api.post("/v1/api-keys", name=name, role=role, carrier_id=carrier_id)["key"])

    # ---- roles

    def test_each_role_writes_its_own_and_reads_the_rest(self):
        carrier, payment = {"name": "by role", "currency": "EUR"}, {"carrier_id": self.carrier["id"], "amount": "1"}
        rate = {"from": "USD", "to": "GBP", "rate": "0.8"}
        may = {"readonly": (403, 403, 403), "provisioning": (201, 403, 403), "finance": (403, 201, 201)}
        for role, api in self.keys.items():
            has = tuple(api.call("POST", path, body)[0] for path, body in
                        (("/v1/carriers", carrier), ("/v1/payments", payment), ("/v1/exchange-rates", rate)))
            self.assertEqual(has, may[role], role)
            for path in ("/v1/carriers", "/v1/trunks", "/v1/cdrs", "/v1/ledger", "/v1/payments", "/v1/audit-log", "/v1/calls", "/v1/nodes",
                         "/v1/imports", "/metrics", "/openapi.json"):
                self.assertEqual(api.call("GET", path)[0], 200, (role, path))
            api.refused(403, "GET", "/v1/api-keys")
            api.refused(403, "POST", "/v1/api-keys", {"name": "mine", "role": "admin"})
        self.keys["readonly"].refused(403, "DELETE", "/v1/calls/0190b4a2-7b1c-7abc-8def-0123456789ab")
        self.keys["readonly"].refused(403, "DELETE", f"/v1/carriers/{self.carrier['id']}")
        self.assertEqual(self.keys["readonly"].call("POST", "/v1/route-lookups", {"trunk_id": self.trunk["id"], "called": "4930123"})[0], 200)

    def test_a_role_that_may_not_is_told_so_whatever_it_sends(self):
        path = f"/v1/rate-decks/{self.deck['id']}/imports"
        for more in ({"raw": b"{}"}, {"raw": b"--x\r\n", "kind": "multipart/form-data; boundary=x"}, {"raw": b" " * 2_000_000},
                     {"raw": b"x", "headers": {"Content-Encoding": "gzip"}}):
            for target in (path, "/v1/carriers"):
                self.keys["readonly"].refused(403, "POST", target, **more)
                self.own.refused(404, "POST", target, **more)

    def test_a_key_learns_what_it_is_and_the_description_what_it_may(self):
        for role, api in self.keys.items():
            me = api.get("/v1/self")
            self.assertEqual((me["role"], me["carrier_id"]), (role, None))
        me = self.own.get("/v1/self")
        self.assertEqual((me["role"], me["carrier_id"]), ("readonly", self.carrier["id"]))
        paths = self.own.get("/openapi.json")["paths"]
        self.assertEqual(paths["/v1/payments"]["post"]["x-role"], "finance")
        for path, there in (("/v1/cdrs", 200), ("/v1/self", 200), ("/v1/routing-plans", 404), ("/v1/calls", 404)):
            self.assertEqual(paths[path]["get"]["x-carrier-key"], there == 200, path)
            self.assertEqual(self.own.call("GET", path)[0], there, path)

    def test_without_a_good_key_nothing_is_told(self):
        for key in (None, "tk_" + "A" * 43, "x", "tk_' or 1=1 --"):
            api = self.api.with_key(key)
            for path in ("/v1/carriers", "/v1/nothing", "/v1/carriers/1", "/v1/self", "/metrics", "/openapi.json"):
                api.refused(401, "GET", path)
                self.assertTrue(api.last_headers["WWW-Authenticate"].startswith("Bearer"))
        self.assertEqual(self.api.with_key(None).call("GET", "/healthz")[0], 200)
        self.assertEqual(self.api.with_key(None).call("GET", "/readyz")[0], 200)

    def test_a_key_is_shown_once_and_kept_as_a_hash(self):
        made = self.api.post("/v1/api-keys", name="once", role="readonly")
        self.assertRegex(made["key"], r"^tk_[A-Za-z0-9_-]{43}$")
        self.assertNotIn("key", self.api.get(f"/v1/api-keys/{made['id']}"))
        self.assertEqual(self.stack.postgres.psql(f"select key_hash = sha256('{made['key']}') from api_keys where id = {made['id']}"), "t")
        self.assertNotIn(made["key"], str(self.api.items("/v1/audit-log")))
        api = self.api.with_key(made["key"])
        self.assertEqual(api.call("GET", "/v1/carriers")[0], 200)
        self.assertIsNotNone(self.api.get(f"/v1/api-keys/{made['id']}")["last_used_at"])
        self.api.delete(f"/v1/api-keys/{made['id']}")
        api.refused(401, "GET", "/v1/carriers")

    def test_a_repeated_post_of_a_key_shows_it_to_its_maker_and_the_database_does_not_hold_it(self):
        words = {"name": "repeated", "role": "readonly"}
        first = self.api.ask("POST", "/v1/api-keys", words, headers={"Idempotency-Key": "key-1"})
        self.assertEqual(self.api.ask("POST", "/v1/api-keys", words, headers={"Idempotency-Key": "key-1"}), first)
        self.assertNotIn(first["key"], self.stack.postgres.psql("select body from idempotency_keys"))

    # ---- a customer's key

    def test_a_carriers_key_sees_what_is_its_own(self):
        self.assertEqual([c["id"] for c in self.own.items("/v1/carriers")], [self.carrier["id"]])
        self.assertNotIn("vendor_limit", self.own.get(f"/v1/carriers/{self.carrier['id']}"))
        trunk = self.own.get(f"/v1/trunks/{self.trunk['id']}")
        for hidden in ("min_margin", "routing_plan_id", "password", "code_map"):
            self.assertNotIn(hidden, trunk)
        self.assertEqual([t["id"] for t in self.own.items("/v1/trunks")], [self.trunk["id"]])
        self.assertEqual([d["id"] for d in self.own.items("/v1/rate-decks")], [self.deck["id"]])
        self.assertEqual([r["price"] for r in self.own.items(f"/v1/rate-decks/{self.deck['id']}/rates")], ["0.050000"])

    def test_anything_else_is_not_there_for_it(self):
        for path in (f"/v1/carriers/{self.alpha['carrier']['id']}", f"/v1/trunks/{self.alpha['id']}",
                     f"/v1/rate-decks/{self.alpha['deck']['id']}", f"/v1/rate-decks/{self.alpha['deck']['id']}/rates",
                     f"/v1/routing-plans/{self.plan['id']}", "/v1/routing-plans", "/v1/number-lists", "/v1/number-lengths", "/v1/exchange-rates", "/v1/calls",
                     "/v1/calls/events", "/v1/nodes", "/v1/api-keys", "/v1/audit-log", "/v1/imports", "/metrics",
                     f"/v1/cdrs/{self.cdrs[2]}"):
            self.own.refused(404, "GET", path)
        for api in (self.own, self.vendors):  # whatever its role
            api.refused(404, "PATCH", f"/v1/carriers/{self.carrier['id']}", {"max_cps": 1})
            api.refused(404, "POST", "/v1/payments", {"carrier_id": self.carrier["id"], "amount": "100"})
            api.refused(404, "POST", "/v1/route-lookups", {"trunk_id": self.trunk["id"], "called": "4930123"})
            api.refused(404, "DELETE", f"/v1/trunks/{self.trunk['id']}")

    def test_a_customer_sees_its_side_of_a_call(self):
        found = self.own.items("/v1/cdrs")
        self.assertEqual([c["id"] for c in found], [self.cdrs[1], self.cdrs[0]])
        for cdr in found + [self.own.get(f"/v1/cdrs/{self.cdrs[0]}")]:
            hidden = [n for n in cdr if n.startswith(("egress_", "buy_")) or n.endswith("_out") or n in ("attempts", "b_call_id", "trace")]
            self.assertEqual(hidden, [])
            self.assertEqual((cdr["sell_amount"], cdr["source_ip"]), ("0.050833", "192.0.2.7"))

    def test_a_vendor_sees_the_other_side(self):
        found = self.vendors.items("/v1/cdrs")
        self.assertEqual([c["id"] for c in found], [self.cdrs[2], self.cdrs[0]])
        for cdr in found + [self.vendors.get(f"/v1/cdrs/{self.cdrs[0]}")]:
            hidden = [n for n in cdr if n.startswith(("ingress_", "sell_")) or n.endswith("_in") or n in ("source_ip", "a_call_id", "trace")]
            self.assertEqual(hidden, [])
            self.assertEqual(cdr["buy_amount"], "0.020333")

    def test_as_a_table_cdrs_have_the_columns_of_the_exports(self):
        columns = ("id node started_at progress_at answered_at ended_at ingress_carrier_id ingress_trunk_id egress_carrier_id egress_trunk_id calling_in called_in "
                   "calling_out called_out destination pdd_ms duration_ms sip_code q850_cause disconnect_reason hangup_party attempts sell_prefix sell_price "
                   "sell_billed_s sell_amount sell_currency buy_prefix buy_price buy_billed_s buy_amount buy_currency source_ip a_call_id b_call_id recovered").split()
        sells = [c for c in columns if not re.match(r"egress_|.*_out$|attempts|buy_|b_call_id", c)]
        buys = [c for c in columns if not re.match(r"ingress_|.*_in$|sell_|source_ip|a_call_id", c)]
        both = self.make_key("bravo's", "readonly", self.bravo["carrier"]["id"])  # its trunk is a vendor's, one call came from it
        nobody = self.make_key("nobody's", "readonly", self.stack.carrier("nobody yet")["id"])
        header = lambda api, more="": api.call("GET", "/v1/cdrs?format=csv" + more)[1].splitlines()[0].split(",")
        self.assertEqual(header(self.own), sells)
        self.assertEqual(header(self.vendors), buys)
        self.assertEqual(header(both), columns)
        self.assertEqual(header(both, "&limit=1"), columns, "whatever is on the page")
        self.assertEqual(header(nobody), [c for c in sells if c in buys])
        self.assertEqual(header(self.api)[:36], columns)

    def test_filters_tell_a_carrier_nothing_that_it_may_not_see(self):
        self.assertEqual(self.vendors.items("/v1/cdrs", called="+493012345670"), [])
        self.assertEqual([c["id"] for c in self.vendors.items("/v1/cdrs", called="77+493012345670")], [self.cdrs[0]])
        self.assertEqual(self.own.items("/v1/cdrs", trunk_id=self.alpha["id"]), [])
        self.assertEqual(self.own.items("/v1/cdrs", carrier_id=self.alpha["carrier"]["id"]), [])
        self.assertEqual(len(self.own.items("/v1/cdrs", trunk_id=self.trunk["id"])), 2)

    # ---- the operator's view

    def test_the_operator_sees_all_of_a_call(self):
        cdr = self.api.get(f"/v1/cdrs/{self.cdrs[0]}")
        self.assertEqual((cdr["sell_amount"], cdr["buy_amount"], cdr["started_at"]), ("0.050833", "0.020333", "2026-03-01T12:00:00.250Z"))
        self.assertEqual([(a["n"], a["trunk_id"], a["sip_code"]) for a in cdr["attempts"]], [(1, self.alpha["id"], 200)])
        self.assertEqual(cdr["trace"], {"routes": []})

    def recalls(self):
        """Reads of one CDR that were answered from memory so far"""
        return int(re.search(r'cdr_recalls_total{found="yes"} (\d+)', self.api.call("GET", "/metrics")[1]).group(1))

    def test_a_cdr_read_again_comes_from_memory_to_each_as_before(self):
        path = f"/v1/cdrs/{self.cdrs[0]}"
        for api in (self.api, self.own, self.vendors):
            first = api.call("GET", path)
            tag, recalled, began = api.last_headers["ETag"], self.recalls(), time.monotonic()
            for _ in range(10):  # a key is looked up each second: that read goes to the database
                self.assertEqual(api.call("GET", path), first)
                self.assertEqual(api.last_headers["ETag"], tag)
            self.assertGreaterEqual(self.recalls(), recalled + 5 - int(time.monotonic() - began))
            self.assertEqual(api.call("GET", path, headers={"If-None-Match": f'"0", {tag}'}), (304, ""))
            self.assertEqual(api.call("GET", path, headers={"If-None-Match": '"0"'}), first)
        self.own.refused(404, "GET", f"/v1/cdrs/{self.cdrs[2]}")  # though the operator and the vendor have read it
        self.api.refused(400, "GET", f"{path}?nonsense=1")
        self.api.with_key("tdm_nobodys").refused(401, "GET", path)

    def test_a_revoked_key_reads_no_cdr_from_memory(self):
        made = self.api.post("/v1/api-keys", name="short-lived", role="readonly")
        api = self.api.with_key(made["key"])
        api.get(f"/v1/cdrs/{self.cdrs[0]}")
        api.get(f"/v1/cdrs/{self.cdrs[0]}")
        self.api.delete(f"/v1/api-keys/{made['id']}")
        api.refused(401, "GET", f"/v1/cdrs/{self.cdrs[0]}")

    def test_cdrs_are_found_by_each_filter(self):
        ids = lambda **f: [c["id"] for c in self.api.items("/v1/cdrs", limit=1, **f)]
        c = self.cdrs
        self.assertEqual(ids(), [c[2], c[1], c[0]])
        self.assertEqual(ids(called="+493012345671"), [c[1]])
        self.assertEqual(ids(called_prefix="4930"), [c[2], c[1], c[0]])
        self.assertEqual(ids(called_prefix="4931"), [])
        self.assertEqual(ids(carrier_id=self.bravo["carrier"]["id"]), [c[2], c[1]])
        self.assertEqual(ids(trunk_id=self.alpha["id"]), [c[2], c[0]])
        self.assertEqual(ids(from_="2026-03-01T12:00:01Z", to="2026-03-01T12:00:02Z"), [c[1]])
        self.assertEqual(ids(sip_code=486), [])
        self.assertEqual(len(ids(answered="true", calling="+4911")), 3)
        self.assertEqual(ids(answered="false"), [])
