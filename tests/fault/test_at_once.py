# SPDX-License-Identifier: Apache-2.0
"""What two sessions of PostgreSQL do at once: each waits for the other, and neither is undone for it."""

import os
import subprocess

from story import Story, wait_for
from story.process import Failure, keep


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
        self.addCleanup(self.one.close)
        self.addCleanup(self.other.close)

    def sql(self, text):
        return self.stack.postgres.psql(text)

    def waits(self, session_pid):
        wait_for("the session to wait", lambda: self.sql(f"select wait_event_type = 'Lock' from pg_stat_activity where pid = {session_pid}") == "t")

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
