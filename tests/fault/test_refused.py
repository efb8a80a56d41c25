# SPDX-License-Identifier: Apache-2.0
"""CDRs that PostgreSQL will not have, and a connection that is cut again and again: the others come in, each once."""

import json
import os
import sqlite3
import time

from story import Story, sipp, wait_for


class Refused(Story):
    stack_options = {"workers": 1}

    @classmethod
    def provision(cls, stack):
        cls.end = sipp.vendor("vendor", stack.folder, "127.0.0.33")
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, host="127.0.0.33", port=cls.end.port)
        caller = stack.peer("caller", "127.0.0.34")
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], peer=caller)

    @classmethod
    def tearDownClass(cls):
        cls.end.kill()
        super().tearDownClass()

    def source(self, name, prefix, calls):
        pairs = [(f"{prefix}{i:06d}", 49301000000 + i) for i in range(calls)]
        numbers = sipp.numbers_file(os.path.join(self.stack.folder, f"{name}.csv"), pairs)
        return sipp.caller(name, self.stack.folder, "127.0.0.34", self.stack.node.address, numbers, 300, calls=calls, rate=50)

    def aside(self):
        """(how many, why) as the spool has them, a moment after PostgreSQL"""
        spool = sqlite3.connect(f"file:{self.stack.node.folder}/spool/spool.db?mode=ro", uri=True)
        try:
            return spool.execute("select count(*), min(reason) from refused").fetchone()
        finally:
            spool.close()

    def count(self, condition):
        return int(self.stack.postgres.psql(f"select count(*) from cdrs where {condition}"))

    def test_a_refused_row_is_set_aside_and_holds_up_nobody(self):
        self.stack.postgres.psql(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$; "
            "create trigger refuse before insert on cdrs for each row when (new.called_in like '1213%7') execute function refuse()")
        try:
            sipp.finish(self.source("refused", "1213", 100), 30)
            wait_for("the 90 others in PostgreSQL", lambda: self.count("called_in like '1213%'") == 90, 10, 0.2)
        finally:
            self.stack.postgres.psql("drop trigger refuse on cdrs; drop function refuse()")
        wait_for("the ten on the spool's disk", lambda: self.aside() == (10, "not this one (SQLSTATE P0001)"))
        booked = self.stack.postgres.psql("select count(*) from ledger l join cdrs c on c.id = l.cdr_id "
                                          "where c.called_in like '1213%'")
        self.assertEqual(int(booked), 180)

    def test_what_the_spools_disk_changed_is_set_aside_and_booked_by_nobody(self):
        self.stack.postgres.stop()
        try:
            sipp.finish(self.source("damaged", "1215", 5), 30)
            self.stack.node.stop()
            with sqlite3.connect(f"{self.stack.node.folder}/spool/spool.db") as spool:
                spool.execute("update records set cdr = replace(cdr, 'USD', 'UED') where cdr like '%1215000002%'")
        finally:
            self.stack.postgres.start()
        self.stack.node.start()
        wait_for("the 4 others in PostgreSQL", lambda: self.count("called_in like '1215%'") == 4, 10, 0.2)
        wait_for("the fifth among the refused", lambda: [a["reason"] for a in json.loads(self.stack.tandem("cdr", "refused", "--json").stdout)
                                                         if a["reason"].startswith("damaged")] == ["damaged on the spool's disk"])
        done = self.stack.tandem("cdr", "verify", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("edited", done.stderr)
        self.stack.postgres.psql("delete from cdr_refused where reason like 'damaged%'")

    def test_a_connection_cut_again_and_again_posts_each_call_once(self):
        source = self.source("cut", "1214", 250)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            self.stack.postgres.psql("select pg_terminate_backend(pid) from pg_stat_activity "
                                     "where application_name = 'tandemd poster'")
            time.sleep(0.13)
        sipp.finish(source, 30)
        wait_for("all calls in PostgreSQL", lambda: self.count("called_in like '1214%'") == 250, 10, 0.2)
        booked = self.stack.postgres.psql("select count(*), sum(amount) from ledger l join cdrs c on c.id = l.cdr_id "
                                          "where c.called_in like '1214%' and l.kind = 'charge'")
        charged = self.stack.postgres.psql("select count(*), -sum(sell_amount) from cdrs where called_in like '1214%'")
        self.assertEqual(booked, charged)
