# SPDX-License-Identifier: Apache-2.0
"""The export of CDRs: which files, which columns, which amounts; and that a run can be written again."""

import csv
import gzip
import hashlib
import io
import json
import os
import shutil
from decimal import Decimal

from story import Story
from story.base import time_of

COLUMNS = """id node started_at progress_at answered_at ended_at ingress_carrier_id ingress_trunk_id egress_carrier_id
egress_trunk_id calling_in called_in calling_out called_out destination pdd_ms duration_ms sip_code q850_cause
disconnect_reason hangup_party attempts sell_prefix sell_price sell_billed_s sell_amount sell_currency buy_prefix
buy_price buy_billed_s buy_amount buy_currency source_ip a_call_id b_call_id recovered""".split()
LATER = "lrn buy_to_sell_rate chain_id chain_seq rated_called rated_calling".split()
SELL = [c for c in COLUMNS if not c.startswith(("egress_", "buy_")) and not c.endswith("_out") and c not in ("attempts", "b_call_id")]
BUY = [c for c in COLUMNS if not c.startswith(("ingress_", "sell_")) and not c.endswith("_in") and c not in ("source_ip", "a_call_id")]


def rows_of(path):
    """(header, rows as dicts) of a compressed CSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as f:
        text = f.read()
    table = list(csv.reader(io.StringIO(text)))
    return table[0], [dict(zip(table[0], row)) for row in table[1:]]


def bytes_of(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as f:
            found[name] = f.read()
    return found


class Exports(Story):
    """Two customers, two vendors; every story makes calls of its own and exports them."""

    @classmethod
    def provision(cls, stack):
        cls.alpha = stack.vendor("alpha", {"1": "0.02"})
        cls.bravo = stack.vendor("bravo", {"1": "0.03"})
        cls.customer = stack.customer("harbour", {"1": {"price": "0.06", "destination": "North, \"America\""}}, [cls.alpha, cls.bravo])
        cls.other = stack.customer("island", {"1": "0.07"}, [cls.bravo])

    def call(self, customer, vendor):
        """A short call; its CDR once it is stored."""
        called = self.number()
        call, leg = self.answered(customer, vendor, called)
        call.expect_silence(0.05)  # a call of no length is free
        call.bye()
        leg.expect("BYE")
        leg.reply(200)
        return self.stack.api.cdr(called=called)

    def unanswered(self, customer, vendor):
        called = self.number()
        call = customer["peer"].invite(called)
        vendor["peer"].expect_call().reply(486)
        call.expect(486)
        call.ack()
        return self.stack.api.cdr(called=called)

    def export(self, *words):
        """The run that `tandem export run` made, with `path`."""
        runs = json.loads(self.stack.tandem("export", "run", "--json", *words).stdout)
        self.assertEqual(len(runs), 1, runs)
        return runs[0]

    def ids(self, run):
        return [row["id"] for row in rows_of(os.path.join(run["path"], "cdrs.csv.gz"))[1]]

    def test_each_side_gets_its_calls_with_its_columns(self):
        self.export()
        first, second = self.call(self.customer, self.alpha), self.call(self.other, self.bravo)
        third = self.unanswered(self.other, self.bravo)
        run = self.export()
        day = run["created_at"][:10]
        self.assertTrue(run["path"].endswith(f"/export/{day}/{run['id']}"), run["path"])
        customer, other, alpha, bravo = (x["carrier"]["id"] for x in (self.customer, self.other, self.alpha, self.bravo))
        names = ["cdrs.csv.gz"] + [f"carrier-{c}-{side}.csv.gz" for c, side in (
            (customer, "sell"), (other, "sell"), (alpha, "buy"), (bravo, "buy"))]
        self.assertEqual(sorted(os.listdir(run["path"])), sorted(names + ["manifest.json"]))

        header, rows = rows_of(os.path.join(run["path"], "cdrs.csv.gz"))
        self.assertEqual(header, COLUMNS + LATER)
        self.assertEqual([r["id"] for r in rows], [first["id"], second["id"], third["id"]])
        for cdr, row in zip((first, second, third), rows):
            for column in COLUMNS + LATER:
                has = cdr[column] if column != "attempts" else len(cdr["attempts"])
                text = "" if has is None else json.dumps(has) if isinstance(has, (bool, int)) else has
                self.assertEqual(row[column], text, column)

        for name, columns, wanted in ((names[1], SELL, [first]), (names[2], SELL, [second, third]), (names[3], BUY, [first]),
                                      (names[4], BUY, [second, third])):
            header, rows = rows_of(os.path.join(run["path"], name))
            self.assertEqual(header, columns)
            self.assertEqual([r["id"] for r in rows], [c["id"] for c in wanted], name)

        with open(os.path.join(run["path"], "manifest.json")) as f:
            manifest = json.load(f)
        listed = {f["name"]: f for f in manifest["files"]}
        self.assertEqual(sorted(listed), sorted(names))
        for name, data in bytes_of(run["path"]).items():
            if name != "manifest.json":
                self.assertEqual(listed[name]["sha256"], hashlib.sha256(data).hexdigest())
                self.assertEqual(listed[name]["rows"], len(rows_of(os.path.join(run["path"], name))[1]))
        self.assertEqual((listed["cdrs.csv.gz"]["amount"], listed["cdrs.csv.gz"]["currency"]), (None, None))
        total = Decimal(second["sell_amount"]) + Decimal(third["sell_amount"])
        self.assertEqual((Decimal(listed[names[2]]["amount"]), listed[names[2]]["currency"]), (total, "USD"))
        self.assertEqual(Decimal(listed[names[3]]["amount"]), Decimal(first["buy_amount"]))

    def test_a_call_is_exported_once_and_never_before_the_cut_off(self):
        self.export()
        early = self.call(self.customer, self.alpha)
        late = self.call(self.customer, self.alpha)
        self.assertEqual(self.ids(self.export("--cutoff", early["ended_at"])), [], "what ended at the cut-off is not before it")
        self.assertEqual(self.ids(self.export("--cutoff", late["ended_at"])), [early["id"]])
        self.assertEqual(self.ids(self.export("--cutoff", "2020-01-01")), [])
        self.assertEqual(self.ids(self.export()), [late["id"]])
        self.assertEqual(self.ids(self.export()), [])

    def test_a_record_that_comes_late_is_in_the_next_run(self):
        self.export()
        self.stack.postgres.psql("select cdr_partition_make('2026-01-05'); insert into cdrs (id, node, started_at, ended_at, duration_ms, "
                                 "disconnect_reason, hangup_party, attempts) values ('019b8bb2-1a00-7000-8000-000000000001', 'sw9', "
                                 "'2026-01-05 12:00Z', '2026-01-05 12:01Z', 0, 'busy', 'callee', 0)")
        self.assertEqual(self.ids(self.export()), ["019b8bb2-1a00-7000-8000-000000000001"])
        self.assertEqual(self.ids(self.export()), [])

    def test_a_run_can_be_written_again_byte_for_byte(self):
        self.call(self.customer, self.alpha)
        run = self.export()
        self.call(self.customer, self.alpha)
        self.stack.api.patch(f"/v1/carriers/{self.customer['carrier']['id']}", name="harbour, renamed")
        before = bytes_of(run["path"])
        again = json.loads(self.stack.tandem("export", "write", str(run["id"]), "--json").stdout)[0]
        self.assertEqual(again, run)
        self.assertEqual(bytes_of(run["path"]), before)
        shutil.rmtree(run["path"])
        self.stack.tandem("export", "write", str(run["id"]))
        self.assertEqual(bytes_of(run["path"]), before)
        self.assertEqual([n for n in os.listdir(os.path.dirname(run["path"])) if n.startswith(".")], [])

        other = os.path.join(self.stack.folder, "other.conf")
        with open(self.stack.config) as f, open(other, "w") as out:
            out.write(f.read().replace("/export\n", "/export-of-another-node\n"))
        there = json.loads(self.stack.tandem("export", "write", str(run["id"]), "--json", config=other).stdout)[0]
        self.assertNotEqual(there["path"], run["path"])
        self.assertEqual(bytes_of(there["path"]), before)

    def test_a_run_from_before_a_column_was_added_keeps_its_columns(self):
        self.export()
        self.call(self.customer, self.alpha)
        run = self.export()
        cdrs = os.path.join(run["path"], "cdrs.csv.gz")
        self.assertEqual(self.stack.postgres.psql(f"select columns from export_runs where id = {run['id']}"), "42")
        header, rows = rows_of(cdrs)
        sides = {name: text for name, text in bytes_of(run["path"]).items() if name.startswith("carrier-")}
        # as it was claimed by the version before: nothing written yet
        self.stack.postgres.psql(f"delete from export_files where run_id = {run['id']}; "
                                 f"update export_runs set columns = 40, finished_at = null where id = {run['id']}")
        shutil.rmtree(run["path"])
        self.stack.tandem("export", "run")
        self.assertEqual(rows_of(cdrs), (header[:40], [{c: row[c] for c in header[:40]} for row in rows]))
        before = bytes_of(run["path"])
        self.assertEqual({name: text for name, text in before.items() if name.startswith("carrier-")}, sides)
        self.stack.tandem("export", "write", str(run["id"]))
        self.assertEqual(bytes_of(run["path"]), before)

        self.call(self.customer, self.alpha)
        self.assertEqual(rows_of(os.path.join(self.export()["path"], "cdrs.csv.gz"))[0], COLUMNS + LATER)

    def test_a_changed_cdr_is_noticed_and_nothing_replaced(self):
        cdr = self.call(self.customer, self.alpha)
        run = self.export()
        before = bytes_of(run["path"])
        self.stack.postgres.psql(f"update cdrs set sell_amount = 99 where id = '{cdr['id']}'")
        done = self.stack.tandem("export", "write", str(run["id"]), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"of run {run['id']} is not what was written first", done.stderr)
        self.assertEqual(bytes_of(run["path"]), before)
        self.stack.postgres.psql(f"update cdrs set sell_amount = {cdr['sell_amount']} where id = '{cdr['id']}'")
        self.stack.tandem("export", "write", str(run["id"]))

    def test_a_partner_may_choose_columns_and_form(self):
        carrier = self.customer["carrier"]["id"]
        self.stack.postgres.psql(f"insert into export_options values ({carrier}, 'sell', 'jsonl', '{{sell_amount,called_in,id,recovered}}')")
        cdr = self.call(self.customer, self.alpha)
        run = self.export()
        self.stack.postgres.psql(f"delete from export_options where carrier_id = {carrier}")
        with gzip.open(os.path.join(run["path"], f"carrier-{carrier}-sell.jsonl.gz"), "rt") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual([list(line.items()) for line in lines][-1], [(c, cdr[c]) for c in ("id", "called_in", "sell_amount", "recovered")])
        self.stack.tandem("export", "write", str(run["id"]))

    def test_the_manifest_has_the_last_signed_root(self):
        def root(run):
            with open(os.path.join(run["path"], "manifest.json")) as f:
                return json.load(f)["chain_root"]

        before = self.export()
        put = "insert into cdr_roots (day, heads, root, signature, public_key) values ('{}', '', '\\x{}', '\\x02', '\\x03')"
        self.stack.postgres.psql(put.format("2026-05-01", "01"))
        run = self.export()
        self.stack.postgres.psql(put.format("2026-05-02", "ff"))
        self.stack.tandem("export", "write", str(run["id"]))
        self.assertEqual((root(before), root(run)), (None, {"day": "2026-05-01", "root": "01", "signature": "02", "public_key": "03"}))
        self.assertEqual(root(self.export())["root"], "ff")

    def test_the_list_names_the_runs(self):
        run = self.export()
        latest = json.loads(self.stack.tandem("export", "list", "--json").stdout)[0]
        self.assertEqual({**latest, "path": run["path"]}, run)
        self.assertEqual((latest["status"], latest["node"]), ("done", "api"))
        self.assertLessEqual(time_of(latest["created_at"]), time_of(latest["finished_at"]))
        self.assertIn(str(run["id"]), self.stack.tandem("export", "list").stdout)

    def test_wrong_words_are_refused_in_one_line(self):
        for words, status in ((("run", "--cutoff", "yesterday"), 2), (("write",), 2), (("write", "x"), 2), (("write", "4711"), 1),
                              (("run", "x"), 2), (("burn",), 2)):
            done = self.stack.tandem("export", *words, check=False)
            self.assertEqual((done.returncode, len(done.stderr.strip().splitlines())), (status, 1), f"{words}: {done.stderr}")

    def test_a_directory_that_cannot_be_written_leaves_the_run_to_the_next(self):
        cdr = self.call(self.customer, self.alpha)
        folder = os.path.join(self.stack.folder, "no-folder.conf")
        with open(self.stack.config) as f, open(folder, "w") as out:
            out.write(f.read().replace("/export\n", "/tandem.conf\n"))  # a file stands there
        done = self.stack.tandem("export", "run", check=False, config=folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tandem.conf", done.stderr)
        runs = json.loads(self.stack.tandem("export", "run", "--json").stdout)
        self.assertEqual(len(runs), 2, "the unfinished run and the new one")
        self.assertIn(cdr["id"], self.ids(runs[0]))
        self.assertEqual(self.ids(runs[1]), [])
