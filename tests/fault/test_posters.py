# SPDX-License-Identifier: Apache-2.0
"""Two connections bring CDRs in: one is killed, frozen or refused in the middle of its batch. Each CDR comes in once, and nobody ever sees a
gap in the chain."""

import json
import os
import signal
import subprocess
import threading
import time

from story import Story, wait_for
from story.process import BUILD, Process

COUNT = 32000

# What was stored or set aside has no gap: rows, and how far the numbers reach.
REACH = """select count(*), coalesce(max(seq), 0) from (select chain_seq as seq from cdrs
           union all select chain_seq from cdr_refused where stored_at is null) x"""
SUMS = """select (select count(*) from cdrs), (select count(distinct id) from cdrs), (select count(*) from cdr_attempts),
          (select count(*) from ledger), (select sum(amount) from ledger) = (select sum(buy_amount - sell_amount) from cdrs),
          (select sum(balance) from balances) = (select sum(amount) from ledger), (select sum(calls) from stats_hours where slice = 1),
          (select sum(calls) from stats_days where slice = 1)"""
POSTERS = """select pid from pg_stat_activity where application_name = 'tandemd poster' and datname = 'tandem' order by backend_start"""
AT_WORK = POSTERS.replace("order", "and state <> 'idle' and xact_start is not null order")


class Posters(Story):
    stack_options = {"nodes": 0, "durable": True}

    def setUp(self):
        super().setUp()
        self.sql("set session_replication_role = replica; "  # the ledger lets nobody remove a booking
                 "truncate cdrs, cdr_attempts, cdr_traces, cdr_refused, ledger, balances, stats_days, stats_hours cascade")
        self.spool = Process("spool", [os.path.join(BUILD, "tests", "bench", "spool"), "--database", self.stack.postgres.url(), "--dir",
                                       os.path.join(self.stack.folder, f"spool-{self.id()}"), "--count", COUNT],
                             os.path.join(self.stack.folder, f"{self.id()}.log"))
        self.addCleanup(self.spool.kill)
        self.gaps, self.looks, self.over = [], 0, False
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        self.addCleanup(self.watch_ends)

    def sql(self, text, **more):
        return self.stack.postgres.psql(text, **more)

    def watch(self):
        """Look at the chain again and again; a server that is just starting anew answers nothing."""
        while not self.over:
            try:
                said = self.sql(REACH, check=False, limit=5).split("|")
            except subprocess.TimeoutExpired:
                continue  # a frozen backend may hold what all others need
            if len(said) == 2:
                self.looks += 1
                if said[0] != said[1]:
                    self.gaps.append(f"{said[0]} of {said[1]} rows")
            time.sleep(0.02)

    def watch_ends(self):
        self.over = True
        self.watcher.join(30)

    def at_work(self, both=True):
        """The posters' processes, once they are in the middle of a batch."""
        def pids():
            self.spool.must_run()
            found = [int(p) for p in self.sql(AT_WORK, check=False).split()]
            return found if len(found) >= (2 if both else 1) else None
        return wait_for("two batches under way", pids, 30, 0.01)

    def verify(self):
        done = self.stack.tandem("cdr", "verify", "--json", check=False)
        return json.loads(done.stdout) if done.stdout else {"holds": None, "first_bad": done.stderr}

    def ends_well(self, status=0):
        self.assertEqual(self.spool.wait(120), status, self.spool.log())
        self.watch_ends()
        self.assertEqual(self.gaps, [])
        self.assertGreater(self.looks, 10)

    def all_there_once(self):
        self.assertEqual(self.sql(SUMS), f"{COUNT}|{COUNT}|{COUNT}|{2 * COUNT}|t|t|{COUNT}|{COUNT}")
        said = self.verify()
        self.assertEqual((said["holds"], said["rows"]), (True, COUNT), said)

    def test_kill_9_of_either_backend_in_mid_batch_changes_nothing(self):
        for which in (0, 1, 1, 0):
            os.kill(self.at_work()[which], signal.SIGKILL)
            wait_for("PostgreSQL to be back", lambda: self.sql("select 1", check=False) == "1", 30, 0.1)
        self.ends_well()
        self.all_there_once()

    def test_a_connection_cut_in_mid_batch_changes_nothing(self):
        for which in (0, 1, 0, 1):
            self.sql(f"select pg_terminate_backend({self.at_work()[which]})")
        self.ends_well()
        self.all_there_once()

    def frozen(self, which, seconds):
        pid = self.at_work()[which]
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_a_backend_frozen_for_a_while_holds_the_other_to_the_order(self):
        self.frozen(0, 3)
        self.frozen(1, 3)
        self.ends_well()
        self.all_there_once()

    def test_a_backend_frozen_for_longer_than_it_is_waited_for_changes_nothing(self):
        self.frozen(0, 33)
        self.ends_well()
        self.all_there_once()

    def test_verify_holds_at_any_moment_while_two_batches_come_in(self):
        times = 0
        self.at_work()
        while self.spool.status is None:
            said = self.verify()
            self.assertTrue(said["holds"], said)
            times += 1
        self.assertGreater(times, 1)
        self.ends_well()
        self.all_there_once()

    def test_rows_refused_in_both_batches_are_set_aside_in_order(self):
        self.sql("create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$; "
                 "create trigger refuse before insert on cdrs for each row when (new.chain_seq in (1500, 4100, 4101, 30000)) "
                 "execute function refuse()")
        try:
            self.ends_well(status=1)  # it misses four
        finally:
            self.sql("drop trigger refuse on cdrs; drop function refuse()")
        self.assertEqual(self.sql("select array_agg(chain_seq order by chain_seq) from cdr_refused"), "{1500,4100,4101,30000}")
        said = self.verify()
        self.assertEqual((said["holds"], said["refused"]), (True, 4), said)
        self.assertEqual(self.stack.tandem("cdr", "refused", "--retry").stdout, "4 stored, 0 refused again\n")
        self.all_there_once()

    def test_one_who_waits_between_the_two_holds_up_nobody_for_long(self):
        """The second batch has a lock and waits for the first, which waits behind a third party that waits for the second."""
        self.at_work()
        until = time.monotonic() + 3
        while time.monotonic() < until and self.spool.status is None:
            done = self.sql("select pg_advisory_xact_lock(hashtext('tandem provisional booking'))", limit=20)
            self.assertEqual(done, "")
        self.ends_well()
        self.all_there_once()


class OneConnection(Story):
    """The server has room for one of the two connections (and for that of who counts in the end)."""

    stack_options = {"nodes": 0}

    def test_the_one_that_has_a_connection_brings_all_in(self):
        postgres = self.stack.postgres
        postgres.psql("create role narrow login password 'narrow' connection limit 2 in role tandem")
        url = f"postgresql://narrow:narrow@127.0.0.1:{postgres.port}/tandem"
        spool = Process("spool", [os.path.join(BUILD, "tests", "bench", "spool"), "--database", url, "--dir",
                                  os.path.join(self.stack.folder, "spool"), "--count", COUNT], os.path.join(self.stack.folder, "spool.log"))
        self.addCleanup(spool.kill)
        self.assertEqual(spool.wait(60), 0, spool.log())
        with open(postgres.log) as f:
            self.assertIn('too many connections for role "narrow"', f.read())
        self.assertEqual(postgres.psql(SUMS), f"{COUNT}|{COUNT}|{COUNT}|{2 * COUNT}|t|t|{COUNT}|{COUNT}")
