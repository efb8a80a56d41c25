# SPDX-License-Identifier: Apache-2.0
"""`tandem setup`: from an empty PostgreSQL to the first key, and again without harm."""

import os
import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

from story.process import TOP, Failure, keeper, run
from story.services import Postgres
from story.stack import program


class Setup(unittest.TestCase):
    failureException = Failure

    @classmethod
    def setUpClass(cls):
        parent = os.path.join(TOP, "var", "story")
        os.makedirs(parent, exist_ok=True)
        cls.folder = tempfile.mkdtemp(prefix="setup-", dir=parent)
        keeper().tell(f"DIR {cls.folder}")
        cls.postgres = Postgres(os.path.join(cls.folder, "postgresql")).start()
        cls.admin = cls.postgres.url("postgres")

    @classmethod
    def tearDownClass(cls):
        cls.postgres.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def config(self, name, user, password, database):
        """A file that asks for that role and database."""
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w") as f:
            f.write(f"[database]\nurl = postgresql://{user}:{password}@127.0.0.1:{self.postgres.port}/{database}\n")
        return path

    def setup(self, config, *words):
        return run([program("tandem"), "-c", config, "setup", *words], check=False)

    def done(self, config, *words):
        done = self.setup(config, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_role_database_schema_and_key_are_made_once(self):
        config = self.config("once", "once", "first", "once_db")
        first = self.done(config, "--admin-url", self.admin)
        self.assertRegex(first.stdout, r"\Atk_[A-Za-z0-9_-]{43}\n\Z")
        self.assertIn("role once: made", first.stderr)
        self.assertIn("database once_db: made", first.stderr)
        again = self.done(config)
        self.assertEqual(again.stdout, "")
        self.assertIn("already", again.stderr)
        owner = self.postgres.psql("select rolname from pg_database d join pg_roles r on r.oid = datdba where datname = 'once_db'",
                                   "postgres")
        self.assertEqual(owner, "once")

    def test_a_changed_password_is_set(self):
        self.done(self.config("password", "changer", "old", "changer"), "--admin-url", self.admin)
        done = self.done(self.config("password", "changer", "it%27s%20new", "changer"), "--admin-url", self.admin)
        self.assertIn("role changer: password set", done.stderr)
        self.assertEqual(self.setup(self.config("password", "changer", "old", "changer")).returncode, 1)

    def test_odd_names_are_only_names(self):
        config = self.config("odd", 'a"b', "p", "x%27y; drop table z")
        self.done(config, "--admin-url", self.admin)
        self.assertEqual(self.postgres.psql("select count(*) from pg_database where datname = 'x''y; drop table z'", "postgres"), "1")

    def test_a_bad_url_is_refused_without_its_password(self):
        done = self.setup(self.config("bad", "bad", "s3cret%zz", "bad_db"), "--admin-url", self.admin)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1))
        self.assertIn("not a valid PostgreSQL URI", done.stderr)
        self.assertNotIn("s3cret", done.stderr)

    def test_two_at_once_make_one_key_or_say_why_not(self):
        config = self.config("twice", "twice", "p", "twice")
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: self.setup(config, "--admin-url", self.admin), range(2)))
        again = self.done(config)
        keys = [d.stdout for d in both + [again] if d.stdout]
        self.assertEqual(len(keys), 1, [d.stderr for d in both])

    def test_without_an_administrator_it_says_what_to_do(self):
        done = self.setup(self.config("nobody", "nobody", "p", "nobody"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn("--admin-url", done.stderr)
        self.assertNotIn(":p@", done.stderr)
