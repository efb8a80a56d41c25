# SPDX-License-Identifier: Apache-2.0
"""What is wrong is said in one clear line, and nothing is half done."""

import os
import tempfile

from story import Failure, Story, free_port, wait_for
from story.process import run
from story.stack import Daemon, program


class Configuration(Story):
    """Bad files, bad rows, backends that are away."""

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def file(self, text):
        path = os.path.join(tempfile.mkdtemp(dir=self.stack.folder), "tandem.conf")
        with open(path, "w") as f:
            f.write(text)
        return path

    def one_line(self, done, *words, status=1):
        """The program refused with that status, in one line on standard error that holds the words."""
        lines = done.stderr.strip().splitlines()
        self.assertEqual((done.returncode, len(lines)), (status, 1), f"said: {done.stderr!r}, status {done.returncode}")
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual(done.stdout, "")

    def test_a_bad_file_is_refused_with_its_line(self):
        cases = (("[sip]\nlissten = udp:127.0.0.1:5060\n", ":2:", "lissten"),
                 ("[node]\nid = sw1\n\n[spi]\n", ":4:", "spi"),
                 ("[sip]\nt1 = soon\n", ":2:", "t1"),
                 ("[sip]\nlisten = udp:nowhere:5060\n", ":2:", "listen"),
                 ("[sip]\nworkers = -3\n", ":2:", "workers"),
                 ("[database]\nurl = ${TANDEM_NO_SUCH_VARIABLE}\n", ":2:", "TANDEM_NO_SUCH_VARIABLE"),
                 ("[redis]\nurl = http://127.0.0.1/\n", ":2:", "url"),
                 ("id = sw1\n", ":1:"))
        for text, *words in cases:
            path = self.file(text)
            for name in ("tandemd", "tandem-apid"):
                for argv in (["-t"], []):
                    with self.subTest(text=text, program=name, argv=argv):
                        self.one_line(run([program(name), "-c", path, *argv], 10, check=False), path, *words)

    def test_nothing_else_is_said_however_soon_it_ends(self):
        path = self.file("[sip]\nlissten = udp:127.0.0.1:5060\n")
        for _ in range(60):  # threads of a library that is barely up have had a word of their own, now and then
            self.one_line(run([program("tandemd"), "-t", "-c", path], 10, check=False), path)

    def test_a_good_file_passes(self):
        for name in ("tandemd", "tandem-apid"):
            done = run([program(name), "-c", self.stack.node.config, "-t"], 10, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_file_that_is_not_there_is_named(self):
        for name in ("tandemd", "tandem-apid"):
            self.one_line(run([program(name), "-c", "/nowhere/tandem.conf", "-t"], 10, check=False), "/nowhere/tandem.conf")

    def test_wrong_usage_is_2(self):
        for name in ("tandemd", "tandem-apid", "tandem"):
            done = run([program(name), "--no-such-option"], 10, check=False)
            self.assertEqual(done.returncode, 2, f"{name}: {done.stderr}")

    def test_help_and_version_are_there(self):
        for name in ("tandemd", "tandem-apid", "tandem"):
            for word in ("--help", "--version"):
                done = run([program(name), word], 10, check=False)
                self.assertEqual(done.returncode, 0, f"{name} {word}: {done.stderr}")
                self.assertIn("tandem", done.stdout)

    def test_a_port_in_use_is_named(self):
        node = self.stack.node
        path = self.file(open(node.config).read().replace(node.folder, os.path.dirname(node.config) + "2"))
        done = run([program("tandemd"), "-c", path], 10, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(node.port), done.stderr)

    def test_a_bad_row_leaves_the_deck_as_it_was(self):
        stack = self.stack
        deck = stack.deck("imported", "buy", {})
        good = os.path.join(stack.folder, "good.csv")
        bad = os.path.join(stack.folder, "bad.csv")
        with open(good, "w") as f:
            f.write("prefix,destination,price\n1,North America,0.01\n44,Britain,0.02\n")
        with open(bad, "w") as f:
            f.write("prefix,destination,price\n1,North America,0.015\n33,France,0.02\n49x,Germany,0.03\n39,Italy,cheap\n")
        done = stack.tandem("rates", "import", "--deck", "imported", "--file", good)
        self.assertIn("2", done.stdout)
        before = stack.tandem("rates", "export", "--deck", "imported").stdout
        done = stack.tandem("rates", "import", "--deck", "imported", "--file", bad, check=False)
        self.assertEqual(done.returncode, 1)
        said = done.stdout + done.stderr
        for line, word in (("4", "49x"), ("5", "cheap")):
            self.assertTrue(any(line in t and word in t for t in said.splitlines()), f"no line names {line} and {word}:\n{said}")
        self.assertEqual(stack.tandem("rates", "export", "--deck", "imported").stdout, before)
        job = stack.api.import_rates(deck["id"], open(bad).read())
        self.assertEqual((job["status"], job["report"]["rejected"]), ("failed", 2))
        self.assertEqual([e["line"] for e in job["report"]["errors"]], [4, 5])
        self.assertEqual(stack.tandem("rates", "export", "--deck", "imported").stdout, before)

    def test_an_unreachable_database_is_one_line_for_the_command_line(self):
        path = self.file(f"[database]\nurl = postgresql://tandem@127.0.0.1:{free_port()}/tandem\n")
        for words in (("migrate",), ("rates", "export", "--deck", "x"), ("apikey", "create", "--name", "x", "--role", "admin")):
            with self.subTest(words=words):
                self.one_line(self.stack.tandem(*words, config=path, check=False), "127.0.0.1")

    def test_daemons_wait_for_a_database_that_is_away(self):
        stack, port = self.stack, free_port(udp=True)
        text = (f"[node]\nid = lost\n[sip]\nlisten = udp:127.0.0.1:{port}\nworkers = 1\n"
                f"[database]\nurl = postgresql://tandem@127.0.0.1:{free_port()}/tandem\n[redis]\nurl = redis://127.0.0.1:{free_port()}/0\n"
                f"[api]\nlisten = 127.0.0.1:{free_port()}\n")
        path = self.file(text)
        with open(path, "a") as f:
            f.write(f"[spool]\ndir = {os.path.dirname(path)}/spool\n")
        daemon = Daemon("lost", [program("tandemd"), "-c", path], path + ".log", stack.env)
        try:
            caller = stack.peer("early")

            def refused():
                daemon.must_run()
                call = caller.invite("12125550100", remote=("127.0.0.1", port))
                try:
                    return call.expect_final(1).code == 503
                except Failure:
                    return False

            wait_for("503 from a switch without routes", refused, 10)
            away = [t for t in daemon.log().splitlines() if "level=warn" in t or "level=error" in t]
            self.assertTrue(1 <= sum("database" in t or "postgres" in t for t in away) <= 3, "\n".join(away))
        finally:
            self.assertEqual(daemon.stop(), 0)
