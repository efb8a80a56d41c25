# SPDX-License-Identifier: Apache-2.0
"""What two sessions of PostgreSQL do at once: each waits for the other, and neither is undone for it."""

import json
import os
import subprocess

from story import Story, wait_for
from story.process import BUILD, Failure, keep


class Session:
    """A connection that is told statement after statement. begin(): the answer is not waited for."""

    def __init__(self, postgres):
        self.process = keep(subprocess.Popen([os.path.join(postgres.bin, "psql"), "-X", "-q", "-A", "-t", "-d", postgres.url()], text=True,
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))

    def begin(self, sql):
        self.process.stdin.write(f"{sql};\n\\echo --\n")
        self.process.stdin.flush()

    def end(self):
        """What was said since the last end()."""
        said = []
        for line in self.process.stdout:
            if line == "--\n":
                return "".join(said).strip()
            said.append(line)
        raise Failure(f"psql ended: {''.join(said)}")

    def do(self, sql):
        self.begin(sql)
        return self.end()

    def close(self):
        self.process.communicate(timeout=30)


class AtOnce(Story):
    stack_options = {"nodes": 0, "api": False}

    def setUp(self):
        super().setUp()
        self.one, self.other = Session(self.stack.postgres), Session(self.stack.postgres)
        self.addCleanup(self.other.close)
        self.addCleanup(self.one.close)  # first: the other one may wait for it

    def sql(self, text):
        return self.stack.postgres.psql(text)

    def wait_until_one_waits(self, words):
        """For a lock, in a statement with these words."""
        wait_for(f"somebody to wait in {words}", lambda: self.sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and "
                                                                  f"query like '%{words}%'") == "1")

    def put(self, n):
        """The n-th call of 1 May, as a poster brings it in, up to its COMMIT; what is to be told for it."""
        return ("begin; set local timezone = 'UTC'; select cdr_stage_make(); insert into cdr_stage (id, node, started_at, ended_at, duration_ms, disconnect_reason, hangup_party, "
                f"attempts, recovered) values ((left(uuid_floor('2026-05-01')::text, 14) || '7000-8000-{n:012}')::uuid, 'late', '2026-05-01 00:00Z', '2026-05-01 00:01Z', 0, 'busy', "
                "'callee', 0, false); select 'stored ' || cdr_ingest()")

    def day(self):
        """One call in that day, and in no other that is old."""
        for table in self.sql("select relname from pg_class where relname ~ '^cdr.*_(old_)?20260501(_[0-9]+)?$' and relkind = 'r'").split():
            self.sql(f"drop table {table}")
        self.sql("delete from cdr_archives; delete from cdr_anchors")
        self.sql(self.put(1) + "; commit")
        folder = os.path.join(self.stack.folder, self.id())
        os.makedirs(folder)
        return folder

    def archiver(self, folder):
        return keep(subprocess.Popen([os.path.join(BUILD, "tandem"), "-c", self.stack.config, "cdr", "archive", "--keep", "30", "--dir", folder, "--json"],
                                     text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))

    def files(self, *archivers):
        """What each says that it wrote; none may fail."""
        said = [(a.communicate(timeout=30)[0], a.returncode) for a in archivers]
        for text, status in said:
            self.assertEqual(status, 0, text)
        return [f for text, _ in said for f in json.loads(text)["files"]]

    def test_a_record_that_comes_while_its_day_leaves_is_stored(self):
        self.day()
        self.other.do("select cdr_stage_make()")
        self.one.do("begin; select cdr_day_detach('2026-05-01')")
        self.other.begin(self.put(2))
        self.wait_until_one_waits("cdr_ingest")
        self.one.do("commit")
        self.assertIn("stored 1", self.other.end())
        self.assertEqual(self.other.do("commit"), "")
        self.assertEqual(self.sql("select count(*) from cdrs where node = 'late'"), "1")
        self.assertEqual(self.sql("select count(*) from cdrs_old_20260501_1"), "1")

    def test_a_record_that_no_partition_would_take_is_refused(self):
        self.day()
        self.sql("alter table cdrs add constraint not_this_one check (called_in is distinct from 'this one')")
        try:
            said = self.one.do(self.put(2).replace("; select 'stored", "; update cdr_stage set called_in = 'this one'; select 'stored"))
        finally:
            self.one.do("rollback")
            self.sql("alter table cdrs drop constraint not_this_one")
        self.assertIn("not_this_one", said)

    def test_a_day_that_two_archives_take_out_leaves_once(self):
        folder = self.day()
        self.one.do("begin; select pg_advisory_xact_lock(hashtext('tandem cdr partition'))")
        other = self.archiver(folder)
        self.wait_until_one_waits("select cdr_day_")
        self.one.do("select cdr_day_detach('2026-05-01'); commit")
        self.assertEqual([f["rows"] for f in self.files(other)], [1])

    def test_a_day_that_two_archives_write_is_one_file(self):
        folder = self.day()
        self.sql("select cdr_day_detach('2026-05-01')")
        self.one.do("begin; lock table cdrs_old_20260501_1 in access exclusive mode")
        first = self.archiver(folder)
        self.wait_until_one_waits("cdr_old_lines")
        other = self.archiver(folder)
        wait_for("the other one to end, or to write, too", lambda: other.poll() is not None or self.sql(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%cdr_old_lines%'") == "2")
        self.one.do("commit")
        files = self.files(first, other)
        self.assertEqual([f["rows"] for f in files], [1])
        self.assertEqual(os.listdir(folder), ["cdrs-20260501_1.jsonl.gz"])
        self.assertEqual(self.sql("select sha256 from cdr_archives"), files[0]["sha256"])

    def test_nodes_that_come_back_at_once_take_none_of_each_other_for_dead(self):
        """Both were without the database for a minute. Each says that it lives, and forgets who does not."""
        self.sql("insert into hold_owners values ('a/1', now() - interval '2 min'), ('b/1', now() - interval '2 min'), "
                 "('c/1', now() - interval '2 min')")
        for session, owner in ((self.one, "a/1"), (self.other, "b/1")):
            session.do(f"begin; update hold_owners set at = now() where owner = '{owner}'")
        self.one.begin("select holds_put('a/1', '{7}', '{1000000}')")
        self.other.begin("select holds_put('b/1', '{7}', '{2000000}')")
        for session in (self.one, self.other):
            self.assertEqual(session.end(), "")
            self.assertEqual(session.do("commit"), "")
        self.assertEqual(self.sql("select owner, held from holds join hold_owners using (owner) order by 1"), "a/1|1.000000\nb/1|2.000000")
        self.assertEqual(self.sql("select count(*) from hold_owners"), "2", "who did not come back is forgotten")
