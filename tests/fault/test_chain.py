# SPDX-License-Identifier: Apache-2.0
"""Nobody changes a CDR unseen: rows edited, deleted, inserted; records set aside and stored after all; signed roots."""

import gzip
import hashlib
import json
import os
import time
import uuid

from story import Story, wait_for
from story.base import midnight_far
from story.process import run


class Chain(Story):
    stack_options = {"workers": 1}

    @classmethod
    def setUpClass(cls):
        midnight_far(120)
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02", "12": "0.0123456"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def sql(self, text):
        return self.stack.postgres.psql(text)

    def calls(self, n, prefix="12125"):
        """n calls, answered and not, one with a name full of what a text file must escape; their ids in order."""
        numbers = [self.number(prefix) for _ in range(n)]
        for i, called in enumerate(numbers):
            if i % 3 == 2:
                call = self.customer["peer"].invite(called)
                self.vendor["peer"].expect_call().reply(486)
                call.expect(486)
            else:
                call, leg = self.answered(self.customer, self.vendor, called)
                self.ends(call, leg)
        listed = "', '".join(numbers)
        wait_for("the CDRs", lambda: int(self.sql(f"select count(*) from cdrs where called_in in ('{listed}')")) == n, 10)
        return self.sql(f"select id from cdrs where called_in in ('{listed}') order by chain_seq").split()

    def verify(self, *more):
        """(status, JSON, standard error)"""
        done = self.stack.tandem("cdr", "verify", "--json", *more, check=False)
        self.assertTrue(done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout), done.stderr

    def holds(self):
        status, said, err = self.verify()
        self.assertEqual((status, said["holds"], said["bad"]), (0, True, 0), f"{said} {err}")
        return said

    def finds(self, what, *words):
        status, said, err = self.verify()
        self.assertEqual((status, said["holds"]), (1, False))
        for word in (what, *words):
            self.assertIn(word, said["first_bad"])
            self.assertIn(word, err)

    def undone(self, change, *expected):
        """Change rows past all rules, as somebody with the database's password would; then put all back."""
        self.sql("create table kept as select * from cdrs; create table kept_attempts as select * from cdr_attempts")
        try:
            self.sql(change)
            self.finds(*expected)
        finally:
            self.sql("delete from cdrs; insert into cdrs select * from kept; delete from cdr_attempts; "
                     "insert into cdr_attempts select * from kept_attempts; drop table kept, kept_attempts")
        self.holds()

    def test_edited_deleted_and_inserted_rows_are_named(self):
        ids = self.calls(6)
        self.assertGreaterEqual(self.holds()["rows"], 6)
        self.undone(f"update cdrs set sell_amount = sell_amount + 0.000001 where id = '{ids[1]}'", "edited", ids[1])
        self.undone(f"update cdrs set called_in = '1' where id = '{ids[4]}'", "edited", ids[4])
        self.undone(f"update cdr_attempts set sip_code = 487 where cdr_id = '{ids[2]}'", "edited", ids[2])
        self.undone(f"delete from cdr_attempts where cdr_id = '{ids[0]}'", "edited", ids[0])
        self.undone(f"delete from cdrs where id = '{ids[3]}'", "deleted", ids[2], ids[4])
        # A second row in the place of the first: the one that is read last is too much, and links of a place are read by their ids.
        copy = "create temp table x as select * from cdrs where id = '{}'; update x set id = '{}'; {}; insert into cdrs select * from x"
        before, after = "00000000-0000-7000-8000-000000000009", "ffffffff-ffff-7fff-bfff-ffffffffffff"
        self.undone(copy.format(ids[1], after, ""), "inserted", after)
        self.undone(copy.format(ids[1], before, ""), "edited", before)
        for other in (before, after):
            self.undone(copy.format(ids[1], other, "update x set chain_id = null, chain_seq = null, chain_hash = null"), "inserted", other)

    def test_a_range_of_time_is_checked_by_itself(self):
        self.calls(3)
        early = self.sql("select to_char(min(started_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') from cdrs")
        last = self.sql("select to_char(max(started_at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') from cdrs")
        self.assertEqual(self.verify("--from", last)[1]["rows"], 1)
        self.assertEqual(self.verify("--from", early, "--to", last)[0], 0)
        self.assertEqual(self.verify("--to", early)[1]["rows"], 0)

    def test_a_refused_record_is_listed_in_its_place_and_can_be_stored(self):
        self.sql("create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$; "
                 "create trigger refuse before insert on cdrs for each row when (new.called_in like '12777%') "
                 "execute function refuse()")
        try:
            called = self.number("12777")
            call, leg = self.answered(self.customer, self.vendor, called)
            time.sleep(0.05)  # talk that costs something
            self.ends(call, leg)
            wait_for("the refused record", lambda: self.refused() or None, 10, 0.2)
            self.calls(2)
            self.assertEqual(self.refused()[0]["reason"], "not this one (SQLSTATE P0001)")
            self.assertEqual(self.holds()["refused"], 1)
            done = self.stack.tandem("cdr", "refused", "--retry", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, "0 stored, 1 refused again\n"))
            self.assertIn("not this one", done.stderr)
        finally:
            self.sql("drop trigger refuse on cdrs; drop function refuse()")
        for said in ("1 stored, 0 refused again\n", "0 stored, 0 refused again\n"):
            self.assertEqual(self.stack.tandem("cdr", "refused", "--retry").stdout, said)
        self.assertEqual(self.refused(), [])
        self.assertEqual(self.holds()["refused"], 0)
        self.assertEqual(self.sql(f"select kind from ledger l join cdrs c on c.id = l.cdr_id where called_in = '{called}' order by 1"),
                         "charge\ncost")

    def refused(self):
        return json.loads(self.stack.tandem("cdr", "refused", "--json").stdout)

    def test_a_signed_root_finds_a_chain_written_anew(self):
        """A day that is over, its chain made here, by SQL alone."""
        call, chain = "00000000-0000-7000-8000-000000000001", uuid.uuid4()
        rehash = (f"update cdrs c set chain_hash = sha256(decode(repeat('00', 32), 'hex') || "
                  f"convert_to(cdr_line(c) || E'\\n' || cdr_attempt_lines(c.id), 'UTF8')) where chain_id = '{chain}'")
        self.sql("insert into cdrs (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, attempts, "
                 f"chain_id, chain_seq) values ('{call}', 'old', now() - interval '1 day', now() - interval '1 day', 0, 'normal', "
                 f"'caller', 0, '{chain}', 1)")
        self.sql(rehash)
        key = os.path.join(self.stack.folder, "seal.pem")
        run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key])
        with open(self.stack.config, "a") as f:
            f.write(f"\n[billing]\nseal_key = {key}\n")
        self.assertEqual(self.stack.tandem("cdr", "seal").stdout, "1 daily roots signed\n")
        self.assertEqual(self.stack.tandem("cdr", "seal").stdout, "0 daily roots signed\n")
        self.assertEqual(self.holds()["roots"], 1)
        self.sql(f"update cdrs set node = 'new' where id = '{call}'")
        self.finds("edited", call)
        self.sql(rehash)  # the chain holds again, the root does not
        self.finds("edited", "root")
        self.sql(f"delete from cdrs where chain_id = '{chain}'")
        self.finds("deleted", str(chain))
        self.sql("update cdr_roots set signature = '\\x00'")
        self.finds("signature")
        self.sql("delete from cdr_roots")
        self.holds()

    def test_old_days_are_detached_then_written_and_the_rest_still_verifies(self):
        """Two days ago there were two calls, in the middle of this node's chain: made older by SQL, with their hashes."""
        ids = self.calls(3)
        chain = self.sql(f"select chain_id from cdrs where id = '{ids[0]}'")
        before = self.holds()["rows"]
        day = self.sql("select (now() at time zone 'UTC')::date - 2")
        old = [i.replace(i[:13], self.sql(f"select left(uuid_floor('{day} 12:00Z')::text, 13)")) for i in ids[:2]]
        self.sql(f"select cdr_partition_make('{day}'); " + "".join(
            f"update cdrs set id = '{new}', started_at = '{day} 12:00Z', ended_at = '{day} 12:01Z' where id = '{was}'; "
            f"update cdr_attempts set cdr_id = '{new}' where cdr_id = '{was}'; "
            f"update cdr_traces set cdr_id = '{new}' where cdr_id = '{was}'; " for was, new in zip(ids, old)))
        self.sql("do $$ declare h bytea := decode(repeat('00', 32), 'hex'); c cdrs; begin "
                 f"for c in select * from cdrs where chain_id = '{chain}' order by chain_seq loop "
                 "h := sha256(h || convert_to(cdr_line(c) || E'\\n' || cdr_attempt_lines(c.id), 'UTF8')); "
                 "update cdrs set chain_hash = h where id = c.id; end loop; end $$")
        self.holds()
        self.stack.tandem("export", "run")
        folder = os.path.join(self.stack.folder, "archive")
        os.makedirs(folder)
        self.assertEqual(self.stack.tandem("cdr", "archive", "--keep", "30").stdout, "0 days detached\n")
        self.assertEqual(self.stack.tandem("cdr", "archive", "--keep", "1").stdout, "1 days detached\n")
        self.assertEqual(int(self.sql(f"select count(*) from cdrs where started_at < '{day}'::date + 1")), 0)
        self.assertEqual(self.holds()["rows"], before - 2)
        nightly = os.path.join(self.stack.folder, "nightly.conf")  # as tandem-archive.timer runs it
        with open(self.stack.config) as f, open(nightly, "w") as to:
            to.write(f"{f.read()}\n[archive]\nkeep_days = 1\ndir = {folder}\n")
        said = json.loads(self.stack.tandem("cdr", "archive", "--json", config=nightly).stdout)
        self.assertEqual((said["detached"], [f["rows"] for f in said["files"]]), (0, [2]))
        path = said["files"][0]["file"]
        with open(path, "rb") as f:
            self.assertEqual(hashlib.sha256(f.read()).hexdigest(), said["files"][0]["sha256"])
        with gzip.open(path, "rt") as f:
            rows = [json.loads(line) for line in f]
        self.assertEqual(sorted(r["cdr"]["id"] for r in rows), sorted(old))
        self.assertEqual([len(r["attempts"]) for r in rows], [1, 1])
        self.assertTrue(all(r["trace"] for r in rows))
        self.assertEqual(self.sql("select count(*) from pg_class where relname like 'cdr%_old_%' and relkind = 'r'"), "0")
        self.holds()
        self.comes_back(path, old, before)
        # One of that day that comes late is stored, and archived under the next number.
        self.sql("select cdr_partition_make('" + day + "')")
        self.assertEqual(self.stack.tandem("cdr", "archive", "--keep", "1", "--dir", folder).returncode, 0)
        self.assertEqual(len(os.listdir(folder)), 2)
        # What came back and was archived again is in the newer file; the older one has no place any more, the newer one has.
        newer = os.path.join(folder, max(os.listdir(folder)))
        self.assertEqual(self.restore(newer).stdout, "2 calls are back, and their chain holds\n")
        self.assertEqual(self.restore(path).stdout, "its calls are here already\n")
        self.holds()
        self.undone(f"update cdrs set node = 'x' where id = '{ids[2]}'", "edited", ids[2])

    def restore(self, path):
        return self.stack.tandem("cdr", "restore", "--file", path, check=False)

    def comes_back(self, path, ids, rows):
        """An archived file is read back: once, whole, only as it was written, and nothing is booked or counted for it."""
        booked = "select count(*), sum(amount) from ledger"
        counted = "select sum(calls) from stats_hours where slice = 0"
        before = self.sql(booked), self.sql(counted)
        wrong = os.path.join(self.stack.folder, os.path.basename(path))
        with gzip.open(path, "rt") as f, gzip.open(wrong, "wt") as g:
            g.write(f.read().replace("\"duration_ms\":", "\"duration_ms\":1"))
        done = self.restore(wrong)
        self.assertEqual(done.returncode, 1)
        self.assertIn("SHA-256", done.stderr)
        # Somebody who can write to the database, too, does not get an edited file in.
        with open(wrong, "rb") as f:
            forged = hashlib.sha256(f.read()).hexdigest()
        kept = self.sql("select name || ' ' || sha256 from cdr_archives").split()
        self.sql(f"update cdr_archives set sha256 = '{forged}'")
        done = self.restore(wrong)
        self.assertEqual(done.returncode, 1)
        self.assertIn("edited", done.stderr)
        self.sql(f"update cdr_archives set sha256 = '{kept[1]}' where name = '{kept[0]}'")
        self.assertEqual(self.sql(f"select count(*) from cdrs where id = '{ids[0]}'"), "0")
        self.holds()
        elsewhere = os.path.join(self.stack.folder, "cdrs-20200101_1.jsonl.gz")
        os.link(path, elsewhere)
        self.assertIn("archived nothing under the name", self.restore(elsewhere).stderr)

        self.assertEqual(self.restore(path).stdout, f"{len(ids)} calls are back, and their chain holds\n")
        self.assertEqual(self.restore(path).stdout, "its calls are here already\n")
        self.assertEqual(self.holds()["rows"], rows)
        self.assertEqual((self.sql(booked), self.sql(counted)), before)
        cdr = self.stack.api.ask("GET", f"/v1/cdrs/{ids[0]}")
        self.assertEqual(len(cdr["attempts"]), 1)
        self.assertTrue(cdr["trace"])
        again = json.loads(self.stack.tandem("export", "run", "--json").stdout)
        self.assertEqual([f["rows"] for r in again for f in r["files"] if f["name"] == "cdrs.csv.gz"], [0])
        self.undone(f"update cdrs set node = 'x' where id = '{ids[1]}'", "edited", ids[1])
