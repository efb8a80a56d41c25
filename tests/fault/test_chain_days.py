# SPDX-License-Identifier: Apache-2.0
"""The chain against somebody with the database's password: days that are said to be archived, rows that came after their day was
sealed, second rows where a page ends. The chains are made here, by SQL alone."""

import json
import os
import uuid

from story import Story
from story.base import midnight_far
from story.process import run


class ChainDays(Story):
    stack_options = {"nodes": 0, "api": False}

    def setUp(self):
        super().setUp()
        midnight_far(60)
        self.sql("delete from cdr_anchors; delete from cdr_archives; delete from cdr_roots; delete from cdrs")
        self.chain = str(uuid.uuid4())
        self.folder = os.path.join(self.stack.folder, self.chain)
        os.makedirs(self.folder)

    def sql(self, text):
        return self.stack.postgres.psql(text)

    def put(self, first, last, days_ago):
        """Links first to last of the chain, of calls that began so many days ago at 23:59."""
        self.sql(f"""do $$ declare h bytea; c cdrs; t timestamptz := date_trunc('day', now(), 'UTC') - {days_ago} * interval '1 day' + interval '23:59'; begin
            perform cdr_partition_make((t at time zone 'UTC')::date);
            h := coalesce((select chain_hash from cdrs where chain_id = '{self.chain}' and chain_seq = {first} - 1), decode(repeat('00', 32), 'hex'));
            for i in {first}..{last} loop
                insert into cdrs (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, attempts, chain_id, chain_seq)
                values ((left(uuid_floor(t)::text, 13) || '-7' || substr(gen_random_uuid()::text, 16))::uuid, 'old', t, t, 0, 'normal', 'caller', 0,
                        '{self.chain}', i) returning * into c;
                h := sha256(h || convert_to(cdr_line(c) || E'\\n', 'UTF8'));
                update cdrs set chain_hash = h where id = c.id and started_at = t;
            end loop; end $$""")

    def verify(self, *more):
        done = self.stack.tandem("cdr", "verify", "--json", *more, check=False)
        self.assertTrue(done.stdout, done.stderr)
        return json.loads(done.stdout)

    def holds(self, *more):
        said = self.verify(*more)
        self.assertTrue(said["holds"], said)
        return said

    def finds(self, *words, more=()):
        said = self.verify(*more)
        self.assertFalse(said["holds"], said)
        for word in words:
            self.assertIn(word, said["first_bad"])

    def seal(self):
        key = os.path.join(self.stack.folder, "seal.pem")
        if not os.path.exists(key):
            run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key])
            with open(self.stack.config, "a") as f:
                f.write(f"\n[billing]\nseal_key = {key}\n")
        self.stack.tandem("cdr", "seal")

    def archive(self):
        said = self.stack.tandem("cdr", "archive", "--keep", "3", "--dir", self.folder, "--json").stdout
        return json.loads(said)["files"]

    def test_a_second_row_is_found_wherever_it_stands(self):
        """Links are read by the thousand: 2,000 a page."""
        self.put(1, 2002, 1)
        self.assertEqual(self.holds()["rows"], 2002)
        for seq in (1, 1999, 2000, 2001, 2002):
            self.sql(f"create table x as select * from cdrs where chain_seq = {seq}; "
                     "update x set id = (left(id::text, 14) || '7fff-bfff-' || repeat('f', 12))::uuid; insert into cdrs select * from x; drop table x")
            self.finds("inserted", f" {seq} of chain")
            self.sql("delete from cdrs where id::text like '%-7fff-bfff-%'")
        self.holds()

    def test_what_comes_after_its_day_was_sealed_is_sealed_with_the_next(self):
        """A call over midnight of a node that then goes out of service: the last of its chain."""
        self.put(1, 2, 2)
        self.seal()
        self.put(3, 3, 2)
        self.sql("delete from cdr_roots where day = (select max(day) from cdr_roots)")  # yesterday is sealed only now
        self.seal()
        self.holds()
        self.sql("delete from cdrs where chain_seq = 3")
        self.finds("deleted: 3 of chain")

    def test_a_day_that_was_archived_after_late_rows_still_verifies(self):
        self.put(1, 2, 5)
        self.seal()
        self.put(3, 3, 5)
        self.holds()
        self.assertEqual([f["rows"] for f in self.archive()], [3])
        self.assertEqual(self.holds()["archived"], 3)

    def test_a_record_that_came_while_its_day_was_about_to_leave_is_exported_first(self):
        self.put(1, 1, 5)
        day = self.sql("select (started_at at time zone 'UTC')::date from cdrs")
        try:
            self.stack.tandem("export", "run")
            self.assertEqual(self.sql(f"select cdr_days_before('{day}'::date + 1)"), day)
            self.put(2, 2, 5)  # between the look and the detaching
            self.assertEqual(self.sql(f"select cdr_day_detach('{day}')"), "")
            self.assertEqual(self.sql("select count(*) from cdrs"), "2")
            self.stack.tandem("export", "run")
            self.assertEqual([f["rows"] for f in self.archive()], [2])
        finally:
            self.sql("delete from export_files; delete from export_run_carriers; delete from export_runs")

    def test_a_day_that_comes_back_is_what_left(self):
        """An exchange rate was told meanwhile that reaches back to that day."""
        self.put(1, 2, 5)
        self.sql("update cdrs set sell_currency = 'USD', buy_currency = 'EUR'")
        self.sql("do $$ declare h bytea := decode(repeat('00', 32), 'hex'); c cdrs; begin for c in select * from cdrs order by chain_seq loop "
                 "h := sha256(h || convert_to(cdr_line(c) || E'\\n', 'UTF8')); update cdrs set chain_hash = h where id = c.id; end loop; end $$")
        was = self.sql("select row_to_json(c) from cdrs c order by chain_seq")
        path = self.archive()[0]["file"]
        self.sql("insert into exchange_rates (\"from\", \"to\", rate, effective_from) values ('EUR', 'USD', 1.25, '2020-01-01')")
        try:
            self.stack.tandem("cdr", "restore", "--file", path)
            self.assertEqual(self.sql("select row_to_json(c) from cdrs c order by chain_seq"), was)
            self.sql("insert into cdrs (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, attempts, sell_currency, "
                     "buy_currency) values (gen_random_uuid(), 'x', now(), now(), 0, 'normal', 'caller', 0, 'USD', 'EUR')")
            self.assertEqual(self.sql("select trim_scale(buy_to_sell_rate) from cdrs where node = 'x'"), "1.25", "one that comes in has it")
        finally:
            self.sql("delete from exchange_rates; delete from cdrs where node = 'x'")

    def test_what_is_said_to_be_archived_is_looked_for_there(self):
        self.put(1, 3, 5)
        self.put(4, 9, 1)
        path = self.archive()[0]["file"]
        self.assertEqual(self.holds("--archive", self.folder)["archived"], 3)
        keep = "create table kept as select * from cdrs; "
        undo = "delete from cdrs; insert into cdrs select * from kept; drop table kept; "
        day = self.sql("select day from cdr_anchors")
        anchor = ("insert into cdr_anchors select chain_id, 5, 6, chain_hash, '{}' from cdrs where chain_seq = 6; "
                  "delete from cdrs where chain_seq in (5, 6)")

        self.sql(keep + anchor.format("2020-01-01"))
        self.finds("deleted", "2 of 2020-01-01")
        self.sql("update cdr_anchors set day = '%s' where first_seq = 5" % day)
        self.finds("deleted", f"5 of {day}")
        self.sql("update cdr_archives set rows = 5")
        self.holds()  # the database alone can be made to agree with itself; the files can not
        self.finds("edited", "5 calls", more=("--archive", self.folder))
        self.sql("update cdr_archives set rows = 3; insert into cdr_archives values ('20200101_1', 'x', 2, repeat('0', 64)); "
                 "update cdr_anchors set day = '2020-01-01' where first_seq = 5")
        self.holds()
        self.finds("deleted", "cdrs-20200101_1.jsonl.gz", more=("--archive", self.folder))
        self.sql("delete from cdr_archives where rows = 2; delete from cdr_anchors where first_seq = 5; " + undo)
        self.holds("--archive", self.folder)
        with open(path, "ab") as f:
            f.write(b"x")
        self.finds("edited", "cdrs-", more=("--archive", self.folder))
