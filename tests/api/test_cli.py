# SPDX-License-Identifier: Apache-2.0
"""The operator's command line against a whole tandem."""

import csv
import errno
import fcntl
import io
import json
import os
import pty
import random
import re
import socket
import struct
import subprocess
import termios
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

from story import Story, wait_for
from story.process import run
from story.stack import program

UNITS = {"0.0001 60/11 560": (["--price", "0.0001", "--initial", "60", "--increment", "11", "--duration-ms", "560000"], "566 0.000943"),
         "0.006 30/6 32": (["--price", "0.006", "--initial", "30", "--increment", "6", "--duration-ms", "32000"], "36 0.003600"),
         "0.1 180": (["--price", "0.1", "--duration-ms", "180000"], "180 0.300000"),
         "0.6 60/60 61": (["--price", "0.6", "--initial", "60", "--increment", "60", "--duration-ms", "61000"], "120 1.200000"),
         "fee": (["--price", "0.02", "--initial-price=0.01", "--connect-fee", "1", "--initial", "60", "--increment", "30",
                  "--duration-ms", "61000"], "90 1.020000"),
         "up to whole units": (["--price", "0.1", "--duration-ms", "1", "--rounding", "up:0"], "1 1")}


class CommandLine(Story):
    """One customer, a cheap and a dear vendor."""

    @classmethod
    def provision(cls, stack):
        cls.alpha = stack.vendor("alpha", {"1": "0.02"})
        cls.bravo = stack.vendor("bravo", {"12": "0.09"})
        cls.customer = stack.customer("harbour", {"1": {"price": "0.06", "destination": "North America"}}, [cls.alpha, cls.bravo],
                                      trunk={"tech_prefix": "77"})

    def refused(self, *words, status=1, says=()):
        """In one line on standard error."""
        done = self.stack.tandem(*words, check=False)
        lines = done.stderr.strip().splitlines()
        self.assertEqual((done.returncode, len(lines)), (status, 1), f"{words}: {done.stderr!r}")
        for word in says:
            self.assertIn(word, lines[0])

    def test_the_examples_of_the_manual_cost_what_it_says(self):
        for name, (words, said) in UNITS.items():
            with self.subTest(name):
                self.assertEqual(self.stack.tandem("rate", *words).stdout, said + "\n")

    def test_a_batch_equals_exact_fractions(self):
        draw = random.Random(5)
        path = os.path.join(self.stack.folder, "batch.csv")
        rows = [(f"{draw.randrange(10**9)}e-9", draw.choice((0, 1, 30, 60)), draw.choice((1, 6, 11, 60)), draw.randrange(600000))
                for _ in range(3000)]
        with open(path, "w") as f:
            f.write("price,initial_price,connect_fee,initial,increment,grace,rounding,duration_ms\n")
            for price, initial, increment, ms in rows:
                f.write(f"0.{int(price[:-3]):09d},,,{initial},{increment},,,{ms}\n")
        out = self.stack.tandem("rate", "--batch", path).stdout.splitlines()
        self.assertTrue(out[0].endswith(",duration_ms,billed_s,amount"), out[0])
        for (price, initial, increment, ms), line in zip(rows, out[1:], strict=True):
            seconds = -(-ms // 1000)
            billed = 0 if not seconds else initial if seconds <= initial else initial - (initial - seconds) // increment * increment
            exact = Fraction(int(price[:-3]), 10**9) * billed / 60
            units = (exact * 10**6 + Fraction(1, 2)).__floor__()
            self.assertEqual(line.split(",")[-2:], [str(billed), f"{units // 10**6}.{units % 10**6:06d}"], line)

    def test_a_batch_with_a_bad_row_prints_no_amount(self):
        path = os.path.join(self.stack.folder, "bad-batch.csv")
        with open(path, "w") as f:
            f.write("price,duration_ms\n0.1,1000\n0.1,long\n")
        self.refused("rate", "--batch", path, says=["line 3", "long"])
        self.assertEqual(self.stack.tandem("rate", "--batch", path, check=False).stdout, "")

    def test_a_key_is_shown_once_and_works(self):
        key = self.stack.tandem("apikey", "create", "--name", "watcher", "--role", "readonly").stdout
        self.assertRegex(key, r"\Atk_[A-Za-z0-9_-]{43}\n\Z")
        status, *_ = self.stack.api.call("GET", "/v1/carriers", headers={"Authorization": "Bearer " + key.strip()})
        self.assertEqual(status, 200)
        self.refused("apikey", "create", "--name", "watcher", "--role", "readonly", says=["watcher", "already"])
        self.refused("apikey", "create", "--name", "w2", "--role", "readonly", "--carrier", "4711", says=["no carrier 4711"])
        self.refused("apikey", "create", "--name", "w2", "--role", "king", status=2, says=["--role"])
        self.refused("apikey", "create", "--role", "admin", status=2, says=["--name"])
        for name in ("", " ", "two\nlines", "\x01", "\x7f", "x" * 129, "\udcff\udcfe"):  # as the API has it
            self.refused("apikey", "create", "--role", "admin", "--name", name, status=2, says=["--name"])
        self.stack.tandem("apikey", "create", "--role", "readonly", "--name", "Zoë's")
        entry = next(e for e in self.stack.api.items("/v1/audit-log") if e["actor"].startswith("cli:"))
        self.assertEqual((entry["action"], entry["resource"]), ("create", "api-keys"))
        self.assertNotIn(key.strip()[3:], json.dumps(list(self.stack.api.items("/v1/audit-log"))))

    def test_route_says_what_the_api_says(self):
        asked = {"trunk_id": self.customer["id"], "called": "7712125550100"}
        said = json.loads(self.stack.tandem("route", "--trunk", str(asked["trunk_id"]), "--called", "+7712125550100", "--json").stdout)
        shown = self.stack.api.post("/v1/route-lookups", **asked)
        for part in ("sell", "routes", "excluded"):
            self.assertEqual(said[part], shown[part])
        self.assertEqual([r["trunk_id"] for r in said["routes"]], [self.alpha["id"]])
        self.assertEqual([(e["trunk_id"], e["reason"]) for e in said["excluded"]], [(self.bravo["id"], "margin")])
        text = self.stack.tandem("route", "--trunk", str(asked["trunk_id"]), "--called", "7712125550100").stdout
        for word in ("North America", "0.060000", "0.020000", "margin"):
            self.assertIn(word, text)
        self.refused("route", "--trunk", "4711", "--called", "12125550100", says=["4711"])
        self.refused("route", "--trunk", str(self.alpha["id"]), "--called", "12125550100", says=["no ingress trunk"])
        self.refused("route", "--trunk", "x", "--called", "12125550100", status=2, says=["--trunk"])

    def test_a_live_call_is_listed_and_hung_up(self):
        called = self.number()
        call, leg = self.answered(self.customer, self.alpha, "77" + called)
        mine = wait_for("the call in `tandem calls`", lambda: [
            c for c in json.loads(self.stack.tandem("calls", "--json").stdout) if c["state"] == "answered"])[0]
        self.assertNotIn("_terms", mine)
        self.assertEqual(mine["node"], "sw1")
        self.assertIn(mine["id"], self.stack.tandem("calls").stdout)
        self.stack.tandem("hangup", mine["id"])
        for end in (call, leg):
            end.expect("BYE", 5)
            end.reply(200)
        wait_for("no call in `tandem calls`", lambda: json.loads(self.stack.tandem("calls", "--json").stdout) == [], 5)
        self.refused("hangup", mine["id"], says=[mine["id"]])
        [told] = self.stack.api.items("/v1/audit-log", action="hangup", resource_id=mine["id"])
        self.assertEqual((told["before"]["called"], told["before"]["state"], told["actor"][:4]), (mine["called"], "answered", "cli:"))

    def test_a_run_of_the_export_stands_in_the_audit_log(self):
        [run] = json.loads(self.stack.tandem("export", "run", "--json").stdout)
        [told] = self.stack.api.items("/v1/audit-log", resource="exports", resource_id=run["id"])
        self.assertEqual((told["actor"][:4], told["action"], told["after"]["id"], told["after"]["cutoff"]), ("cli:", "create", run["id"], run["cutoff"]))

    def test_many_calls_are_hung_up_by_what_they_are(self):
        calls = [self.answered(self.customer, self.alpha, "77" + self.number()) for _ in range(3)]
        live = wait_for("three calls", lambda: [c for c in [json.loads(self.stack.tandem("calls", "--state", "answered", "--json").stdout)]
                                                if len(c) == 3], 5)[0]
        trunk = str(self.alpha["id"])
        mine = json.loads(self.stack.tandem("calls", "--egress-trunk", trunk, "--json").stdout)
        self.assertEqual([c["id"] for c in mine], [c["id"] for c in live])  # what they cost may be more by now
        self.assertEqual(json.loads(self.stack.tandem("calls", "--egress-trunk", "4711", "--json").stdout), [])
        self.refused("calls", "hangup", status=2, says=["--all"])
        self.refused("calls", "hangup", "--trunk", "x", status=2, says=["id"])
        self.refused("calls", "--state", "asleep", status=2, says=["--state"])
        dry = json.loads(self.stack.tandem("calls", "hangup", "--trunk", trunk, "--dry-run", "--json").stdout)
        self.assertEqual({c["id"] for c in dry}, {c["id"] for c in live})
        one = self.stack.tandem("calls", "hangup", "--called", live[0]["called"]).stdout
        self.assertEqual(one, "1 of 1 calls hung up\n")
        for end in calls[0]:
            end.expect("BYE", 5)
            end.reply(200)
        wait_for("its end", lambda: len(json.loads(self.stack.tandem("calls", "--json").stdout)) == 2, 5)
        self.assertEqual(self.stack.tandem("calls", "hangup", "--trunk", trunk, "--state", "answered").stdout.split()[1:],
                         ["of", "2", "calls", "hung", "up"])
        for pair in calls[1:]:
            for end in pair:
                end.expect("BYE", 5)
                end.reply(200)
        wait_for("no call", lambda: json.loads(self.stack.tandem("calls", "--json").stdout) == [], 5)
        told = [e["resource_id"] for e in self.stack.api.items("/v1/audit-log", action="hangup") if e["actor"].startswith("cli:")]
        self.assertEqual({c["id"] for c in live} - set(told), set())

    def on_terminal(self, columns, *words):
        """What a terminal of so many columns gets of the command, both streams."""
        screen, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        done = subprocess.Popen([program("tandem"), "-c", self.stack.config, *words], stdin=other, stdout=other, stderr=other,
                                env={**os.environ, **self.stack.env, "LC_ALL": "C.UTF-8"})
        os.close(other)
        text = b""
        try:
            while more := os.read(screen, 65536):
                text += more
        except OSError as e:  # so a terminal ends on Linux
            self.assertEqual(e.errno, errno.EIO)
        os.close(screen)
        self.assertEqual(done.wait(20), 0, text)
        return text.decode()

    def test_tables_fit_the_terminal(self):
        self.stack.carrier("a carrier with so long a name that it alone would fill most of a line")
        for words in (("carriers",), ("trunks",), ("decks",), ("plans",)):
            whole = self.stack.tandem(*words).stdout.splitlines()
            for columns in (70, 100):
                lines = self.on_terminal(columns, *words).splitlines()
                self.assertEqual(len(lines), len(whole), words)
                self.assertLessEqual(max(len(line.rstrip()) for line in lines), columns, words)
        self.assertIn("…", self.on_terminal(70, "carriers"))
        self.assertEqual(self.on_terminal(400, "carriers").splitlines(), self.stack.tandem("carriers").stdout.splitlines())
        self.assertGreater(max(len(line) for line in self.stack.tandem("carriers").stdout.splitlines()), 100)

    def test_where_no_line_fits_each_row_is_a_block(self):
        self.stack.carrier("another carrier with a name that no line of a small terminal holds")
        for words in (("carriers",), ("trunks",), ("plans",), ("invoice", "list"), ("calls",)):
            whole = self.stack.tandem(*words).stdout.splitlines()
            names = re.split(r"  +", whole[0].strip())
            for columns in (24, 40):
                text = self.on_terminal(columns, *words)
                lines = text.splitlines()
                self.assertLessEqual(max(len(line.rstrip()) for line in lines), columns, words)
                if len(whole) == 1:
                    self.assertIn(lines, (["none"], whole))
                    continue
                blocks = text.replace("\r", "").strip().split("\n\n")
                self.assertEqual(len(blocks), len(whole) - 1, words)
                for block in blocks:
                    self.assertEqual([line.split("  ")[0].strip() for line in block.splitlines()], names, block)

    def test_a_group_of_commands_has_its_help(self):
        for group in {name.split()[0] for name in self.commands() if " " in name} - {"calls", "trunks"}:  # which are commands themselves
            for word in ("--help", "-h"):
                said = self.stack.tandem(group, word)
                self.assertEqual((said.returncode, said.stderr), (0, ""))
                self.assertEqual([line.strip() for line in said.stdout.splitlines()],
                                 [line.strip() for line in self.stack.tandem("--help").stdout.splitlines() if line.startswith(f"  {group} ")])
        self.assertEqual(self.stack.tandem("help").stdout, self.stack.tandem("--help").stdout)
        for words in (("nothing", "--help"), ("rates", "--json"), ("rates", "help"), ("help", "rates")):
            self.refused(*words, status=2)

    def test_an_import_shows_on_a_terminal_how_far_it_is(self):
        deck = self.stack.deck("on the screen", "buy", {})
        path = os.path.join(self.stack.folder, "long.csv")
        with open(path, "w") as f:
            f.write("prefix,price\n" + "".join(f"9{n:06d},0.01\n" for n in range(100000)))
        said = self.on_terminal(80, "rates", "import", "--deck", str(deck["id"]), "--file", path)
        shares = [int(n) for n in re.findall(r"\r\[[# ]{40}\] +(\d+) %", said)]
        self.assertGreater(len(shares), 5)
        self.assertEqual(shares, sorted(shares))
        self.assertLessEqual(shares[-1], 100)
        self.assertIn("added 100000", said)
        narrow = self.on_terminal(40, "rates", "import", "--deck", str(deck["id"]), "--file", path)
        bars = re.findall(r"\r\[[# ]+\] +\d+ %", narrow)
        self.assertGreater(len(bars), 3)
        self.assertLess(max(len(bar) - 1 for bar in bars), 40, "it would wrap")
        self.assertNotIn("[", self.on_terminal(9, "rates", "import", "--deck", str(deck["id"]), "--file", path))
        quiet = self.stack.tandem("rates", "import", "--deck", str(deck["id"]), "--file", path)
        self.assertNotIn("[", quiet.stdout + quiet.stderr)

    def test_an_export_can_be_imported_again(self):
        path = os.path.join(self.stack.folder, "alpha.csv")
        self.stack.tandem("rates", "export", "--deck", "alpha buy", "--file", path)
        report = json.loads(self.stack.tandem("rates", "import", "--deck", "alpha buy", "--file", path, "--json").stdout)
        self.assertEqual((report["unchanged"], report["added"], report["changed"]), (1, 0, 0))
        self.refused("rates", "import", "--deck", "nobody", "--file", path, says=["nobody"])
        self.refused("rates", "import", "--deck", "alpha buy", "--file", path + ".none", says=[path])

    def test_rates_go_back_to_what_they_were_after_an_import(self):
        tandem, path = self.stack.tandem, os.path.join(self.stack.folder, "versions.csv")
        deck = self.stack.api.post("/v1/rate-decks", name="versions", side="buy", currency="EUR")
        for sheet in "49,0.01\n43,0.02\n", "49,0.015\n33,0.03\n":
            with open(path, "w") as f:
                f.write("prefix,price\n" + sheet)
            tandem("rates", "import", "--deck", "versions", "--file", path, "--replace")
        second, first = json.loads(tandem("rates", "versions", "--deck", "versions", "--json").stdout)
        self.assertEqual((first["added"], second["added"], second["changed"], second["ended"]), (2, 1, 1, 1))
        done = tandem("rates", "rollback", "--deck", "versions", "--to", str(first["id"]))
        self.assertEqual(done.stdout.split(), ["added", "1", "changed", "1", "ended", "1", "unchanged", "0"])
        rates = self.stack.api.items(f"/v1/rate-decks/{deck['id']}/rates")
        self.assertEqual({r["prefix"]: r["price"] for r in rates if r["effective_to"] is None}, {"49": "0.010000", "43": "0.020000"})
        self.assertIn("0.015000", [r["price"] for r in rates])
        newest = json.loads(tandem("rates", "versions", "--deck", "versions", "--json").stdout)[0]
        self.assertEqual(newest["rolled_back_to"], first["id"])
        self.assertIn(str(first["id"]), tandem("rates", "versions", "--deck", "versions").stdout)
        told = self.stack.api.items("/v1/audit-log", action="rollback", resource_id=str(deck["id"]))
        self.assertEqual([(t["after"]["to"], t["after"]["added"]) for t in told], [(first["id"], 1)])
        self.refused("rates", "rollback", "--deck", "alpha buy", "--to", str(first["id"]), says=["no version"])
        self.refused("rates", "rollback", "--deck", "versions", "--to", "first", says=["tandem rates versions"])

    def test_migrations_may_run_at_once(self):
        with ThreadPoolExecutor(3) as pool:
            for done in pool.map(lambda _: self.stack.tandem("migrate"), range(3)):
                self.assertIn("current", done.stdout)

    def test_look_ups_are_measured(self):
        said = json.loads(self.stack.tandem("bench-routes", "--trunk", str(self.customer["id"]), "--count", "500", "--json").stdout)
        self.assertEqual((said["count"], said["routed"], said["rates"]), (500, 500, 3))
        self.assertTrue(0 < said["p50_us"] <= said["p99_us"], said)

    def test_doctor_finds_all_well_and_says_what_is_not(self):
        done = self.stack.tandem("doctor", config=self.stack.node.config)
        self.assertIn("in use by tandemd", done.stdout)
        self.assertIn("in use by tandem-apid", done.stdout)
        with open(self.stack.node.config) as f:
            text = f.read()
        path = os.path.join(self.stack.folder, "ill.conf")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, open(path, "w") as f:
            silent.bind(("127.0.0.1", 0))
            f.write(text + f"[media]\nrtpengine = 127.0.0.1:{silent.getsockname()[1]}\n")
            f.flush()
            done = self.stack.tandem("doctor", "--json", config=path, check=False)
        self.assertEqual(done.returncode, 1)
        failed = [line for line in json.loads(done.stdout) if line["result"] == "failed"]
        self.assertEqual([line["check"] for line in failed], ["rtpengine"])
        self.assertTrue(failed[0]["hint"])

    # ---- what every command owes

    def commands(self):
        """{name: its options, as its --help names them}"""
        text = self.stack.tandem("--help").stdout
        names = [m[1].strip() for m in re.finditer(r"^  ([a-z][a-z -]*?)  +\S", text, re.M)]
        self.assertGreater(len(names), 30)
        return {name: set(re.findall(r"--[a-z][a-z-]*", self.stack.tandem(*name.split(), "--help").stdout)) for name in names}

    def test_every_command_refuses_what_it_does_not_know_with_2(self):
        for name in self.commands():
            with self.subTest(name):
                self.refused(*name.split(), "--no-such-option", status=2)
                self.refused(*name.split(), "no", "such", "words", "here", status=2)

    def test_every_command_fails_with_1_without_a_database(self):
        path = os.path.join(self.stack.folder, "away.conf")
        with open(path, "w") as f:
            f.write("[database]\nurl = postgresql://nobody@127.0.0.1:1/none?connect_timeout=2\n[redis]\nurl = redis://127.0.0.1:1/0\n")
        for words in ("carriers", "trunks --json", "decks", "plans", "calls", "export list", "invoice list", "cdr verify", "cdr refused", "migrate", "rates export --deck x",
                      "rates versions --deck x", "route --trunk 1 --called 49301", "apikey create --name x --role admin", "audit"):
            with self.subTest(words):
                done = self.stack.tandem(*words.split(), config=path, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ""), words)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_every_listing_is_json_if_asked(self):
        listings = [name for name in self.commands() if name.split()[-1] in ("carriers", "trunks", "decks", "plans", "calls", "list", "versions", "refused", "audit")]
        for name in listings:
            self.assertIn("--json", self.commands()[name], name)
        for words in ("carriers", "trunks", "decks", "plans", "calls", "export list", "invoice list", "cdr refused", f"rates versions --deck {self.customer['deck']['id']}"):
            with self.subTest(words):
                json.loads(self.stack.tandem(*words.split(), "--json").stdout)

    def test_what_is_configured_is_listed_as_the_api_has_it(self):
        for command, path in (("carriers", "/v1/carriers"), ("trunks", "/v1/trunks"), ("decks", "/v1/rate-decks"), ("plans", "/v1/routing-plans")):
            with self.subTest(command):
                known = self.stack.api.items(path)
                self.assertEqual(json.loads(self.stack.tandem(command, "--json").stdout), known)
                rows = list(csv.DictReader(io.StringIO(self.stack.tandem(command, "--csv").stdout)))
                self.assertEqual([(r["id"], r["name"]) for r in rows], [(str(k["id"]), k["name"]) for k in known])
                table = self.stack.tandem(command).stdout
                self.assertTrue(all(k["name"] in table for k in known), table)
                one = json.loads(self.stack.tandem(command, "--name", known[0]["name"], "--json").stdout)
                self.assertEqual([o["name"] for o in one], [known[0]["name"]] * len(one))
        carrier = self.stack.api.items("/v1/trunks")[0]["carrier_id"]
        mine = json.loads(self.stack.tandem("trunks", "--carrier", str(carrier), "--json").stdout)
        self.assertEqual({t["carrier_id"] for t in mine}, {carrier})
        self.refused("trunks", "--json", "--csv", status=2)
        self.refused("trunks", "--carrier", "x", status=2)

    def test_many_trunks_are_changed_as_the_api_would(self):
        egress = [self.alpha["id"], self.bravo["id"]]
        fields = lambda *names: [tuple(t[n] for n in names) for t in self.stack.api.items("/v1/trunks", direction="egress")]
        before = fields("max_cps", "stop_codes", "max_channels")
        dry = self.stack.tandem("trunks", "set", "--direction", "egress", "max_cps=40", "stop_codes=486,603", "--dry-run", "--json")
        asked = self.stack.api.ask("PATCH", "/v1/trunks?direction=egress&dry_run=true", {"max_cps": 40, "stop_codes": [486, 603]})
        self.assertEqual(json.loads(dry.stdout), asked)
        self.assertEqual([(i["id"], i["changed"]) for i in asked["items"]], [(i, ["max_cps", "stop_codes"]) for i in egress])
        self.assertEqual(fields("max_cps", "stop_codes", "max_channels"), before)
        told = self.stack.tandem("trunks", "set", "--direction=egress", "max_cps=40", "stop_codes=486,603", "--dry-run").stdout
        self.assertIn("max_cps, stop_codes", told)
        self.assertTrue(told.endswith("2 of 2 trunks would change\n"), told)
        audited = len(self.stack.api.items("/v1/audit-log", resource="trunks"))
        told = self.stack.tandem("trunks", "set", "max_cps=40", "--direction", "egress", "stop_codes=[486, 603]", "enabled=true").stdout
        self.assertTrue(told.endswith("2 of 2 trunks changed\n"), told)
        self.assertEqual(fields("max_cps", "stop_codes", "enabled"), [(40, [486, 603], True)] * 2)
        lines = self.stack.api.items("/v1/audit-log", resource="trunks")
        lines = lines[:len(lines) - audited]
        self.assertEqual([(e["action"], e["resource_id"], e["actor"][:4]) for e in lines], [("update", str(i), "cli:") for i in reversed(egress)])
        self.assertEqual((lines[0]["before"]["max_cps"], lines[0]["after"]["max_cps"]), (None, 40))
        self.assertIn("nothing: it is so already", self.stack.tandem("trunks", "set", "--name", "alpha", "max_cps=40").stdout)
        self.assertIn("0 of 0 trunks", self.stack.tandem("trunks", "set", "--name", "nobody", "max_cps=40").stdout)
        self.stack.tandem("trunks", "set", "--all", "max_cps=null", "stop_codes=null")
        self.assertEqual(fields("max_cps", "stop_codes", "max_channels"), before)

    def test_a_change_of_many_trunks_that_does_not_fit_changes_none(self):
        before = self.stack.api.items("/v1/trunks")
        self.refused("trunks", "set", "--all", "host=192.0.2.1", says=("Nothing was changed: it does not fit to all of them: host: trunk",))
        self.refused("trunks", "set", "--all", "max_cps=-4", says=("max_cps",))
        self.refused("trunks", "set", "--direction", "egress", "max_cps=many", says=("max_cps",))
        self.refused("trunks", "set", "--direction", "egress", "rate_deck_id=999999", says=("rate_deck_id",))
        self.refused("trunks", "set", "--direction", "egress", f"rate_deck_id={self.customer['deck']['id']}", says=("rate_deck_id",))
        self.refused("trunks", "set", "--enabled", "perhaps", "max_cps=4", says=("enabled",))
        self.refused("trunks", "set", "--direction", "sideways", "max_cps=4", says=("direction",))
        self.refused("trunks", "set", "--carrier", "1; drop table trunks", "max_cps=4", says=("carrier_id",))
        self.refused("trunks", "set", "max_cps=4", status=2, says=("--all",))
        self.refused("trunks", "set", "--all", status=2, says=("FIELD=VALUE",))
        for field in ("balance", "id", "created_at", "version", "no_such", ""):
            self.refused("trunks", "set", "--all", f"{field}=1", status=2, says=("no field",))
        self.assertEqual(self.stack.api.items("/v1/trunks"), before)

    def test_bash_completes_ids_and_fields_from_what_there_is(self):
        config = f"tandem -c {self.stack.config}"
        with_path = lambda line: self.completed(line.replace("tandem", program("tandem"), 1))
        ids = lambda path: {str(o["id"]) for o in self.stack.api.items(path)}
        self.assertEqual(set(with_path(f"{config} calls --carrier ")), ids("/v1/carriers"))
        self.assertEqual(set(with_path(f"{config} route --trunk ")), ids("/v1/trunks"))
        taken = os.path.join(self.stack.folder, "taken")
        self.stack.deck("plain-name", "sell", {})
        self.stack.deck(f"$(touch {taken}) `touch {taken}` 'y", "sell", {})
        self.assertEqual(with_path(f"{config} rates export --deck plain"), ["plain-name"])
        self.assertFalse(os.path.exists(taken))
        self.assertIn("max_cps=", with_path(f"{config} trunks set max_"))
        self.assertEqual(with_path(f"{config} trunks set --direction e"), ["egress"])

    def test_bash_completes_names_as_the_word_at_hand_is_quoted(self):
        taken = os.path.join(self.stack.folder, "taken too")
        names = ("Acme Telecom, gold", 'the "best" one', "it's", f"$(touch '{taken}')", f"a;touch '{taken}'", "50 % off!", "back\\slash", "Köln & Söhne", "a:b c", "=1+1", "*")
        for name in names:
            self.addCleanup(self.stack.api.delete, f"/v1/rate-decks/{self.stack.deck(name, 'sell', {})['id']}")
        every = [d["name"] for d in self.stack.api.items("/v1/rate-decks")] + [str(d["id"]) for d in self.stack.api.items("/v1/rate-decks")]
        line = [program("tandem"), "-c", self.stack.config, "rates", "export", "--deck"]
        read = lambda offers, ends="": sorted(run(["bash", "-c", "printf '%s\\0' " + " ".join(f"{ends}{o}{ends}" for o in offers)]).stdout.split("\0")[:-1])
        self.assertEqual(read(self.completed([*line, ""])), sorted(every), "a shell reads each as the name that it is")
        self.assertEqual(read(self.completed([*line, "Acme\\ Tele"])), ["Acme Telecom, gold"])
        self.assertEqual(self.completed([*line, "Acme\\ X"]), [""])
        for quote in "'\"":
            self.assertEqual(self.completed([*line, quote + "Acme Tele"]), ["Acme Telecom, gold"])
            offers = self.completed([*line, quote])
            self.assertEqual(read(offers, quote), sorted(n for n in every if not set(n) & set("\"'\\$`!")))
        self.assertFalse(os.path.exists(taken))

    def completed(self, line):
        """What bash offers at the end of a line, or of its words."""
        script = self.stack.tandem("--manual", "tandem.bash").stdout
        words = line.split(" ") if isinstance(line, str) else line
        shell = "_init_completion() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=(\"${COMP_WORDS[@]}\"); cword=$COMP_CWORD; }\n" \
                "_filedir() { COMPREPLY=(FILES); }\n" + script + "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _tandem; printf '%s\\n' \"${COMPREPLY[@]}\"\n"
        return run(["bash", "-c", shell, "bash", *words]).stdout[:-1].split("\n")

    def test_bash_completes_commands_options_and_choices(self):
        commands = self.commands()
        first = self.completed("tandem ")
        self.assertLessEqual({name.split()[0] for name in commands}, set(first))
        for name, options in commands.items():
            with self.subTest(name):
                if " " in name:
                    self.assertIn(name.split()[1], self.completed(f"tandem {name.split()[0]} "))
                self.assertLessEqual(options - {"--config"}, set(self.completed(f"tandem {name} --")))
        self.assertEqual(self.completed("tandem apikey create --role f"), ["finance"])
        self.assertEqual(self.completed("tandem rates import --file "), ["FILES"])
        self.assertEqual(self.completed("tandem -c x rates ex"), ["export"])

    # ---- the doctor, with each thing broken

    def test_doctor_has_a_hint_for_each_thing_that_is_broken(self):
        with open(self.stack.node.config) as f:
            text = f.read()
        taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        def replaced(section, key, value):
            head, found, rest = text.partition(f"[{section}]\n")
            body = re.sub(rf"^{key} *=.*\n", "", rest, count=1, flags=re.M) if found else ""
            return f"{head}[{section}]\n{key} = {value}\n{body}"

        broken = {"database": replaced("database", "url", "postgresql://nobody@127.0.0.1:1/none"), "redis": replaced("redis", "url", "redis://127.0.0.1:1/0"),
                  "spool": replaced("spool", "dir", self.stack.node.config + "/below/a/file"),
                  "api": replaced("api", "listen", f"127.0.0.1:{taken.getsockname()[1]}"), "configuration": text + "[sip]\nno_such_key = 1\n"}
        for what, config in broken.items():
            with self.subTest(what):
                path = os.path.join(self.stack.folder, f"broken-{what}.conf")
                with open(path, "w") as f:
                    f.write(config)
                done = self.stack.tandem("doctor", "--json", config=path, check=False)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                failed = [line for line in json.loads(done.stdout) if line["result"] == "failed"]
                self.assertTrue(failed, done.stdout)
                self.assertTrue(all(line["hint"] for line in failed), failed)
                plain = self.stack.tandem("doctor", config=path, check=False).stdout
                self.assertIn(failed[0]["hint"], plain)

    def test_wrong_usage_is_one_line_and_2(self):
        for words in ((), ("rates",), ("rates", "burn"), ("calls", "--loud"), ("calls", "x"), ("hangup",), ("rate",),
                      ("rate", "--price", "x", "--duration-ms", "1"), ("bench-routes", "--trunk", "1", "--count", "0")):
            with self.subTest(words):
                self.refused(*words, status=2)
