# SPDX-License-Identifier: Apache-2.0
"""Any listing as CSV: all pages, the same filters, what the key may see, and nothing that a spreadsheet would run."""

import csv
import io
import json
import socket

from story import wait_for
from story.described import ApiStory, Wire

ROWS = 2500


class Listings(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.carrier = stack.carrier("harbour")
        cls.other = stack.carrier("=cmd|'/c calc'!A1")
        stack.postgres.psql(f"insert into ledger (carrier_id, amount, kind, note) select {cls.carrier['id']}, -0.25, 'payment', 'n' || g "
                            f"from generate_series(1, {ROWS}) g")
        cls.own = cls.api.with_key(cls.api.post("/v1/api-keys", name="own", role="readonly", carrier_id=cls.carrier["id"])["key"])
        cls.reader = cls.api.with_key(cls.api.post("/v1/api-keys", name="reader", role="readonly")["key"])

    def table(self, path, api=None, **headers):
        api = api or self.api
        status, text = api.call("GET", path, headers=headers)
        self.assertEqual((status, api.last_headers["Content-Type"]), (200, "text/csv; charset=utf-8"), text[:300])
        return list(csv.DictReader(io.StringIO(text)))

    def test_all_pages_come_as_one_table(self):
        rows = self.table("/v1/payments?format=csv")
        self.assertEqual([r["note"] for r in rows], [f"n{n}" for n in range(ROWS, 0, -1)])
        self.assertEqual(rows[0]["amount"], "-0.250000")
        self.assertEqual(self.api.last_headers["Content-Disposition"], 'attachment; filename="payments.csv"')
        self.assertEqual(list(rows[0]), ["id", "carrier_id", "amount", "note", "reverses", "reversed_by", "created_at"])

    def test_filters_limit_and_cursor_hold(self):
        self.assertEqual(self.table(f"/v1/payments?format=csv&carrier_id={self.other['id']}"), [])
        self.assertEqual(len(self.table("/v1/payments?format=csv&limit=10")), 10)
        page = self.api.get("/v1/payments", limit=1000)
        self.assertEqual(len(self.table(f"/v1/payments?format=csv&cursor={page['next_cursor']}")), ROWS - 1000)
        self.api.refused(400, "GET", "/v1/payments?format=csv&limit=0")
        self.api.refused(400, "GET", "/v1/payments?format=xml")
        self.api.refused(400, "GET", f"/v1/carriers/{self.carrier['id']}?format=csv")
        self.api.with_key("tk_wrong").refused(401, "GET", "/v1/payments?format=csv")

    def test_accept_decides_without_a_format(self):
        path = "/v1/payments?limit=1"
        for accept in ("text/csv", "text/csv, */*;q=0.1", "application/json;q=0.5, text/csv;q=0.9"):
            self.assertEqual(len(self.table(path, Accept=accept)), 1)
        for accept in ("*/*", "application/json, text/csv", "text/csv;q=0", "text/csv;q=nan, application/json", "text/csvx", ",;,"):
            self.assertEqual(len(self.api.ask("GET", path, headers={"Accept": accept})["items"]), 1, accept)
        self.assertEqual(len(self.api.ask("GET", path + "&format=json", headers={"Accept": "text/csv"})["items"]), 1)

    def test_a_spreadsheet_finds_no_formula(self):
        names = ["=cmd|'/c calc'!A1", "@SUM(A1)", "-2+3", "+1*9", "\u00e4, \"quoted\"; x", "-5", "plain"]
        for name in names[1:]:
            self.api.post("/v1/carriers", name=name, currency="EUR")
        has = {r["name"] for r in self.table("/v1/carriers?format=csv")}
        self.assertEqual(has, {"'" + n if n in names[:4] else n for n in names} | {"harbour"})

    def test_number_lengths_are_a_table(self):
        self.api.post("/v1/number-lengths", prefix="49", min_length=7, max_length=14, note="Germany")
        row = self.table("/v1/number-lengths?format=csv&prefix=49")[0]
        self.assertEqual([row[n] for n in ("prefix", "min_length", "max_length", "note")], ["49", "7", "14", "Germany"])

    def test_lists_inside_are_cells_of_json(self):
        self.api.post("/v1/number-lists", name="bad ones", kind="block", match="called", entries=["4930", "4931"])
        self.assertEqual(self.table("/v1/number-lists?format=csv")[0]["entries"], '["4930","4931"]')

    def test_a_carriers_key_gets_its_own_rows_and_columns(self):
        rows = self.table("/v1/carriers?format=csv", self.own)
        self.assertEqual([r["id"] for r in rows], [str(self.carrier["id"])])
        self.assertNotIn("vendor_limit", rows[0])
        self.assertEqual(len(self.table("/v1/payments?format=csv", self.own)), ROWS)
        self.own.refused(404, "GET", "/v1/audit-log?format=csv")

    def test_every_listing_can_be_had_so(self):
        self.stack.deck("any", "sell", {"49": "0.05"})
        deck = self.api.items("/v1/rate-decks", name="any")[0]["id"]
        job = self.api.import_rates(deck, "prefix,price\n43,0.02\n", "?dry_run=true")["id"]
        found = 0
        for path, methods in self.api.description.all["paths"].items():
            if not any(p.get("$ref", "").endswith("/format") for p in methods.get("get", {}).get("parameters", [])):
                continue
            target = path.replace("imports/{parent}", f"imports/{job}").replace("{parent}", str(deck)) + "?format=csv" + ("&group_by=carrier" if path == "/v1/stats" else "")
            status, text = self.api.call("GET", target)
            self.assertEqual(status, 200, f"{target}: {text[:300]}")
            self.assertRegex(text, r"^[a-z0-9_]+(,[a-z0-9_]+)+\n", target)
            self.assertNotIn("password", text)
            found += 1
        lists = [p for p, m in self.api.description.all["paths"].items() if "items" in str(m.get("get", {}).get("responses", {}).get("200"))]
        self.assertEqual(found, len(lists), lists)

    def test_a_page_of_large_objects_is_shorter_and_nothing_is_left_out(self):
        """Each change of a long number list stands whole in the audit log: a thousand of them at once would be gigabytes."""
        rows, size = 60, 1000000
        self.stack.postgres.psql("insert into audit_log (actor, action, resource, resource_id, after) select 'a', 'update', 'large', g, "
                                 f"jsonb_build_object('long', repeat('z', {size})) from generate_series(1, {rows}) g")
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            status, text = self.api.call("GET", "/v1/audit-log?resource=large&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
            self.assertEqual(status, 200)
            self.assertLess(len(text), 20 * size)
            page = json.loads(text)
            found += [int(e["resource_id"]) for e in page["items"]]
            cursor, pages = page["next_cursor"], pages + 1
        self.assertEqual(found, list(range(rows, 0, -1)))
        self.assertGreater(pages, 2)
        table = io.StringIO(self.api.call("GET", "/v1/audit-log?resource=large&format=csv", limit=120)[1])
        csv.field_size_limit(2 * size)
        self.assertEqual([int(e["resource_id"]) for e in csv.DictReader(table)], found)

    def slow_reader(self, key):
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(f"GET /v1/audit-log?format=csv&resource=slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n")
        return wire, wire.socket.recv(12).decode().split()[1]

    def test_a_slow_reader_leaves_listings_to_others(self):
        self.stack.postgres.psql("insert into audit_log (actor, action, resource, resource_id, before) select 'a', 'update', 'slow', 'y', "
                                 "jsonb_build_object('long', repeat('z', 2000)) from generate_series(1, 30000)")
        held = [self.slow_reader(self.reader.key) for _ in range(4)]
        self.assertEqual([status for _, status in held], ["200"] * 4)
        self.assertEqual(self.slow_reader(self.reader.key)[1], "503")
        self.assertEqual(len(self.table("/v1/payments?format=csv")), ROWS)  # another key's
        held[0][0].socket.close()
        wait_for("a place again", lambda: self.reader.call("GET", "/v1/payments?format=csv")[0] == 200, 10)

    def test_a_listing_that_is_cut_short_looks_cut_short(self):
        self.stack.postgres.psql("insert into audit_log (actor, action, resource, resource_id, before) select 'a', 'update', 'x', 'y', "
                                 "jsonb_build_object('long', repeat('z', 2000)) from generate_series(1, 30000)")
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # the server has to wait for us
        wire.send(f"GET /v1/audit-log?format=csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
        data = wire.socket.recv(65536)
        self.assertIn(b" 200 ", data[:20])
        self.assertIn(b"Transfer-Encoding: chunked", data)
        self.assertEqual(self.api.call("GET", "/v1/carriers")[0], 200)  # the reader holds up nobody
        self.stack.postgres.stop()
        self.addCleanup(self.stack.postgres.start)
        wire.socket.settimeout(20)
        while more := wire.socket.recv(1 << 20):
            data = data[-10:] + more
        self.assertFalse(data.endswith(b"0\r\n\r\n"), data[-40:])
        self.stack.postgres.start()
        wait_for("the API again", lambda: self.api.call("GET", "/v1/carriers")[0] == 200, 10)
