# SPDX-License-Identifier: Apache-2.0
"""/v1/exports and /v1/invoices: what finance does without a command line. Each answer is held against the description."""

import hashlib
import json
import os
import shutil
import signal
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from story import wait_for
from story.described import ApiStory

PUT = """begin; select cdr_stage_make();
    insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, destination, duration_ms,
        disconnect_reason, hangup_party, attempts, sell_billed_s, sell_amount, sell_currency, buy_billed_s, buy_amount, buy_currency, recovered)
    select (left(uuid_floor(i.at)::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, 'sw1', i.at, i.at, i.at + interval '1 minute',
        {customer}, {vendor}, 'UK', 60000, 'normal', 'caller', 1, 60, 0.5, 'EUR', 60, 0.25, 'EUR', false
    from (select timestamptz '2026-05-10 12:00Z' + n * interval '1 s' as at from generate_series(1, {n}) n) i; select cdr_ingest(); commit"""


class Bills(ApiStory):
    @classmethod
    def provision(cls, stack):
        super().provision(stack)
        cls.customer = stack.carrier("harbour", "EUR")["id"]
        cls.vendor = stack.carrier("alpha", "EUR")["id"]

    def put(self, n=1):
        self.stack.postgres.psql(PUT.format(customer=self.customer, vendor=self.vendor, n=n))

    def key(self, role, carrier=None):
        n = next(self._numbers)
        return self.api.post("/v1/api-keys", name=f"{role} {n}", role=role, carrier_id=carrier)["key"]

    def status(self, method, path, body=None, key=None, **more):
        """Of an answer, with another key."""
        return (self.api.with_key(key) if key else self.api).call(method, path, body, **more)[0]

    def file(self, path):
        request = urllib.request.Request(self.api.base + path, headers={"Authorization": f"Bearer {self.api.key}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["Content-Type"], answer.read()

    # ---- exports

    def test_a_run_is_made_and_its_files_are_read(self):
        self.api.post("/v1/exports")
        self.put(3)
        run = self.api.post("/v1/exports")
        self.assertEqual(self.api.last_headers["Location"], f"/v1/exports/{run['id']}")
        self.assertEqual((run["status"], run["actor"]), ("done", "story"))
        self.assertEqual([(f["name"], f["rows"]) for f in run["files"]], [
            (f"carrier-{self.customer}-sell.csv.gz", 3), (f"carrier-{self.vendor}-buy.csv.gz", 3), ("cdrs.csv.gz", 3)])
        self.assertEqual(run["files"][0]["amount"], "1.500000")
        self.assertEqual(self.api.get(f"/v1/exports/{run['id']}"), run)
        self.assertEqual(self.api.get("/v1/exports")["items"][0], run)
        folder = os.path.join(self.stack.folder, "export", run["created_at"][:10], str(run["id"]))
        for again in (False, True):
            for f in run["files"]:
                kind, data = self.file(f"/v1/exports/{run['id']}/files/{f['name']}")
                self.assertEqual((kind, len(data), hashlib.sha256(data).hexdigest()), ("application/gzip", f["bytes"], f["sha256"]))
            if not again:
                shutil.rmtree(folder)  # as on a node that did not write it
        kind, data = self.file(f"/v1/exports/{run['id']}/files/manifest.json")
        self.assertEqual((kind, json.loads(data)["files"]), ("application/json", [
            {k: v for k, v in f.items() if not k.startswith("deliver")} for f in run["files"]]))
        audit = self.api.get("/v1/audit-log", resource="exports", resource_id=run["id"])["items"]
        self.assertEqual([(a["actor"], a["action"]) for a in audit], [("story", "create")])
        self.assertEqual({k: v for k, v in audit[0]["after"].items() if k in ("id", "cutoff", "status")},
                         {"id": run["id"], "cutoff": run["cutoff"], "status": "running"})

    def test_a_repeat_of_the_request_is_shown_the_files_too(self):
        self.put()
        key = {"Idempotency-Key": "tonight"}
        run = self.api.ask("POST", "/v1/exports", {}, headers=key)
        self.assertEqual((run["status"], run["files"][-1]["name"]), ("done", "cdrs.csv.gz"))
        self.assertGreater(run["files"][-1]["rows"], 0)
        for _ in range(2):
            self.assertEqual(self.api.call("POST", "/v1/exports", {}, headers=key)[0], 201)
            self.assertEqual(self.api.ask("POST", "/v1/exports", {}, headers=key), run)

    def test_an_answer_that_cannot_show_the_files_any_more_is_no_second_run(self):
        """The database throws out the look at the finished run, again and again: the run stands all the same."""
        psql = self.stack.postgres.psql
        self.put()
        before = int(psql("select count(*) from export_runs"))
        psql("alter function api_export(export_runs, bigint) rename to story_export; "
             "create function api_export(e export_runs, bound bigint default null) returns json language plpgsql as $$begin "
             "if e.finished_at is not null then raise 'collision' using errcode = '40001'; end if; return story_export(e, bound); end$$")
        try:
            self.stack.apid.stop(15)  # its sessions know the function
            self.stack.start_apid()
            run = self.api.post("/v1/exports")
            self.assertEqual(run["status"], "running")
        finally:
            psql("drop function api_export(export_runs, bigint); alter function story_export(export_runs, bigint) rename to api_export")
            self.stack.apid.stop(15)
            self.stack.start_apid()
        self.assertEqual(int(psql("select count(*) from export_runs")), before + 1)
        self.assertEqual(self.api.get(f"/v1/exports/{run['id']}")["status"], "done")

    def test_a_cut_off_may_be_given_and_wrong_things_are_refused(self):
        self.put()
        early = self.api.post("/v1/exports", cutoff="2020-01-01T00:00:00.000Z")
        self.assertEqual([f["rows"] for f in early["files"]], [0])
        status, text = self.api.call("POST", "/v1/exports")
        self.assertEqual(status, 201, "nothing needs to be said, not even {}")
        self.assertEqual(json.loads(text)["files"][-1]["rows"], 1)
        for body in ({"cutoff": "yesterday"}, {"cutoff": 1}, {"files": []}, {"color": "red"}):
            self.assertEqual(self.status("POST", "/v1/exports", body), 422, body)
        run = f"/v1/exports/{early['id']}"
        for path in ("/v1/exports/4711", f"{run}/files/carrier-1-sell.csv.gz", f"{run}/files/..", f"{run}/files/%2e%2e%2fx", "/v1/exports/4711/files/cdrs.csv.gz"):
            self.assertEqual(self.status("GET", path), 404, path)

    def test_runs_at_once_share_the_records_and_a_repeat_is_no_new_run(self):
        self.put(200)
        with ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(lambda _: self.api.with_key(self.api.key).post("/v1/exports"), range(4)))
        self.assertEqual(sum(f["rows"] for run in runs for f in run["files"] if f["name"] == "cdrs.csv.gz"), 200)
        headers = {"Idempotency-Key": "nightly"}
        one = self.api.ask("POST", "/v1/exports", {}, headers=headers)
        two = self.api.ask("POST", "/v1/exports", {}, headers=headers)
        self.assertEqual(one["id"], two["id"])

    def test_a_run_left_by_a_server_that_was_killed_is_finished_by_the_next(self):
        self.put(30000)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(lambda: self.status("POST", "/v1/exports", {}))
            wait_for("the claim", lambda: self.stack.postgres.psql("select count(*) from export_runs where finished_at is null") == "1", 10, every=0.001)
            os.kill(self.stack.apid.pid, signal.SIGKILL)
            self.assertIsNotNone(asked.exception(30), "the connection broke")
        self.stack.apid.wait(10)
        self.stack.start_apid()
        self.api.post("/v1/exports")
        wait_for("every run done", lambda: self.stack.postgres.psql("select count(*) from export_runs where finished_at is null") == "0", 20)
        rows = self.stack.postgres.psql("select sum(rows) from export_files where name = 'cdrs.csv.gz'")
        self.assertLessEqual(30000, int(rows))
        self.assertEqual(rows, self.stack.postgres.psql("select count(*) from cdrs"))

    def test_only_finance_exports_and_bills(self):
        invoice = {"carrier_id": self.customer, "from": "2026-05-01", "to": "2026-05-31"}
        for role, status in (("readonly", 403), ("provisioning", 403), ("finance", 201)):
            key = self.key(role)
            self.assertEqual(self.status("POST", "/v1/exports", {}, key), status, role)
            self.assertEqual(self.status("POST", "/v1/invoices", invoice, key), status, role)
            self.assertEqual(self.status("GET", "/v1/exports", key=key), 200)

    # ---- invoices

    def draft(self, **more):
        return self.api.post("/v1/invoices", **{"carrier_id": self.customer, "from_": "2026-05-01", "to": "2026-05-31", **more})

    def test_an_invoice_lives_from_draft_to_void(self):
        self.put(2)
        draft = self.draft(taxes=[{"name": "VAT", "percent": "19"}], note="thank you")
        self.assertEqual((draft["status"], draft["number"], draft["side"], draft["note"]), ("draft", None, "sell", "thank you"))
        issued = self.api.ask("POST", f"/v1/invoices/{draft['id']}/issue")
        self.assertEqual(issued["status"], "issued")
        self.assertEqual(Decimal(issued["tax"]), Decimal(issued["net"]) * 19 / 100)
        self.assertEqual(Decimal(issued["total"]), Decimal(issued["net"]) + Decimal(issued["tax"]))
        self.assertEqual(self.api.get(f"/v1/invoices/{draft['id']}"), issued)
        self.assertIn(issued, self.api.get("/v1/invoices", carrier_id=self.customer, status="issued")["items"])
        self.assertEqual(self.status("POST", f"/v1/invoices/{draft['id']}/issue"), 409)
        self.assertEqual(self.status("DELETE", f"/v1/invoices/{draft['id']}"), 409)
        kind, csv = self.file(f"/v1/invoices/{draft['id']}/csv")
        self.assertEqual(kind, "text/csv")
        self.assertIn(f"total,EUR,,,{issued['total']}\n", csv.decode())
        kind, pdf = self.file(f"/v1/invoices/{draft['id']}/pdf")
        self.assertEqual((kind, pdf[:5]), ("application/pdf", b"%PDF-"))
        void = self.api.ask("POST", f"/v1/invoices/{draft['id']}/void")
        self.assertEqual((void["status"], void["number"]), ("void", issued["number"]))
        self.assertEqual(self.status("POST", f"/v1/invoices/{draft['id']}/void"), 409)
        again = self.draft()
        self.assertEqual(again["net"], issued["net"])
        self.api.delete(f"/v1/invoices/{again['id']}")
        self.assertEqual(self.status("GET", f"/v1/invoices/{again['id']}"), 404)
        audit = self.api.get("/v1/audit-log", resource="invoices", resource_id=draft["id"])["items"]
        self.assertEqual([a["action"] for a in audit], ["void", "issue", "create"])
        self.assertEqual([(a["before"] and a["before"]["status"], a["after"]["status"]) for a in audit], [("issued", "void"), ("draft", "issued"), (None, "draft")])

    def test_what_is_wrong_with_an_invoice_is_said(self):
        good = {"carrier_id": self.customer, "from": "2026-05-01", "to": "2026-05-31"}
        for field, value in (("carrier_id", 4711), ("from", "May"), ("from", "2026-02-30"), ("to", "2026-04-30"), ("side", "both"), ("number", "X"),
                             ("taxes", [{"name": "VAT", "percent": "x"}]), ("taxes", [{"percent": "19"}]), ("taxes", [{"name": "VAT", "percent": "101"}])):
            self.assertEqual(self.status("POST", "/v1/invoices", {**good, field: value}), 422, f"{field} {value}")
        for path in ("/v1/invoices/4711", "/v1/invoices/4711/pdf", "/v1/invoices/4711/csv"):
            self.assertEqual(self.status("GET", path), 404)
        self.assertEqual(self.status("POST", "/v1/invoices/4711/issue"), 404)
        self.assertEqual(self.status("GET", "/v1/invoices?status=lost"), 400)

    def test_a_partner_sees_its_own_bills_and_no_drafts(self):
        self.put()
        mine, others = self.draft(), self.draft(carrier_id=self.vendor)
        key = self.key("readonly", self.customer)
        self.assertEqual(self.status("GET", f"/v1/invoices/{mine['id']}", key=key), 404)
        for one in (mine, others):
            self.api.ask("POST", f"/v1/invoices/{one['id']}/issue")
        for path, status in ((f"{mine['id']}", 200), (f"{mine['id']}/csv", 200), (f"{others['id']}", 404), (f"{others['id']}/csv", 404), (f"{others['id']}/pdf", 404)):
            self.assertEqual(self.status("GET", f"/v1/invoices/{path}", key=key), status, path)
        self.assertEqual(self.status("GET", "/v1/export-options", key=key), 404)
