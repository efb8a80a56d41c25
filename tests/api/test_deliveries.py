# SPDX-License-Identifier: Apache-2.0
"""How export files reach partners: by sftp, by a program of the operator's, again when it failed."""

import gzip
import json
import os
import shutil
import urllib.request

from story.described import ApiStory

CDR = """insert into cdrs (id, node, started_at, ended_at, ingress_carrier_id, egress_carrier_id, duration_ms, disconnect_reason, hangup_party, attempts)
    values (gen_random_uuid(), 'sw1', now() - interval '1 minute', now() - interval '1 second', {0}, {1}, 0, 'busy', 'callee', 1)"""

# What stands in for sftp: takes the words that tandem gives it and does what its batch says, below a folder.
SFTP = """#!/usr/bin/python3
import os, shlex, shutil, sys
print("permission denied, says the other side", file=sys.stderr)
folder = os.environ["FAKE_SFTP"]
if os.path.exists(folder + "/refuse"):
    sys.exit(255)
with open(folder + "/words", "a") as f:
    f.write(" ".join(sys.argv[1:]) + "\\n")
for line in sys.stdin:
    command, source, target = shlex.split(line)
    target = os.path.join(folder, target)
    if command == "put":
        shutil.copy(source, target)
    else:
        assert command == "rename"
        os.rename(os.path.join(folder, source), target)
"""
CARRY = """#!/bin/sh
[ ! -e "{folder}/refuse" ] || {{ echo 'no carrier today' >&2; exit 3; }}
cp "$1" "{folder}/$2-for-$3-$4"
"""


class Deliveries(ApiStory):

    def setUp(self):
        super().setUp()
        n = str(next(self._numbers))
        self.customer = self.stack.carrier("customer " + n)["id"]
        self.vendor = self.stack.carrier("vendor " + n)["id"]
        self.there = os.path.join(self.stack.folder, "there " + n)
        programs = os.path.join(self.stack.folder, "programs " + n)
        os.makedirs(self.there + "/in")
        os.makedirs(programs)
        self.carry = os.path.join(programs, "carry")
        for name, text in (("sftp", SFTP), ("carry", CARRY.format(folder=self.there))):
            with open(os.path.join(programs, name), "w") as f:
                f.write(text)
            os.chmod(f.name, 0o755)
        self.stack.env = {**self.stack.env, "FAKE_SFTP": self.there, "PATH": programs + ":" + os.environ["PATH"]}

    def run_made(self):
        self.stack.postgres.psql(CDR.format(self.customer, self.vendor))
        return json.loads(self.stack.tandem("export", "run", "--json").stdout)[0]

    def wish(self, side, *words):
        carrier = self.customer if side == "sell" else self.vendor
        return self.stack.tandem("export", "options", "--carrier", str(carrier), "--side", side, *words)

    def deliver(self, *words, status=0):
        done = self.stack.tandem("export", "deliver", "--json", *words, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return [(d["run"], d["name"], d.get("error")) for d in json.loads(done.stdout)]

    def later(self):
        """The time for the next try has come."""
        self.stack.postgres.psql("update export_deliveries set next_try_at = now()")

    def arrived(self, name):
        with gzip.open(os.path.join(self.there, name), "rt") as f:
            return f.read()

    def test_a_file_goes_by_sftp_once(self):
        before = self.run_made()
        self.wish("sell", "--format", "jsonl", "--columns", "id,called_in", "--deliver", "sftp://us@files.example.net:2222/in")
        run = self.run_made()
        name = f"carrier-{self.customer}-sell.jsonl.gz"
        self.assertEqual(self.deliver(), [(run["id"], name, None)], f"and nothing of run {before['id']}")
        self.assertEqual(os.listdir(self.there + "/in"), [f"{run['id']}-{name}"])
        self.assertEqual(list(json.loads(self.arrived(f"in/{run['id']}-{name}"))), ["id", "called_in"])
        with open(self.there + "/words") as f:
            self.assertEqual(f.read(), "-q -b - -oBatchMode=yes -oConnectTimeout=20 -P 2222 -- us@files.example.net\n")
        self.later()
        self.assertEqual(self.deliver(), [])

    def test_the_systems_sftp_understands_what_it_is_told(self):
        """The real client against the real server; only the way between them is not ssh but a pipe."""
        folder = os.path.join(self.there, "out", 'a"quoted"one')
        os.makedirs(folder)
        programs = os.path.join(self.stack.folder, f"real {self.customer}")
        os.makedirs(programs)
        for name, text in (("sftp", f'#!/bin/sh\nexec /usr/bin/sftp -S "{programs}/ssh" "$@"\n'),
                           ("ssh", f'#!/bin/sh\necho "$*" >>"{self.there}/words"\ncd "{self.there}" && exec /usr/lib/openssh/sftp-server\n')):
            with open(os.path.join(programs, name), "w") as f:
                f.write(text)
            os.chmod(f.name, 0o755)
        self.stack.env = {**self.stack.env, "PATH": programs + ":" + os.environ["PATH"]}
        self.wish("sell", "--deliver", 'sftp://us@files.example.net:2222/out/a"quoted"one/')
        run, name = self.run_made(), f"carrier-{self.customer}-sell.csv.gz"
        with open(os.path.join(folder, f".{run['id']}-{name}.part"), "w") as f:
            f.write("what a connection that broke has left")
        self.assertEqual(self.deliver(), [(run["id"], name, None)])
        self.assertEqual(os.listdir(folder), [f"{run['id']}-{name}"], "whole, under its own name alone")
        with open(os.path.join(self.stack.folder, "export", run["created_at"][:10], str(run["id"]), name), "rb") as ours, \
                open(os.path.join(folder, f"{run['id']}-{name}"), "rb") as theirs:
            self.assertEqual(theirs.read(), ours.read())
        with open(self.there + "/words") as f:
            said = f.read()
        for word in "BatchMode=yes", "ConnectTimeout=20", "Port 2222", "-l us", "-- files.example.net":
            self.assertIn(word, said)
        shutil.rmtree(folder)
        run = self.run_made()
        told = self.deliver(status=1)
        self.assertEqual([t[:2] for t in told], [(run["id"], name)])
        self.assertIn("No such file or directory", told[0][2])
        os.makedirs(folder)
        self.later()
        self.assertEqual(self.deliver(), [(run["id"], name, None)])
        self.assertEqual(os.listdir(folder), [f"{run['id']}-{name}"])

    def test_the_api_says_how_a_partner_wants_its_files(self):
        api = self.api
        made = api.post("/v1/export-options", carrier_id=self.customer, side="sell", format="jsonl", columns=["id", "called_in"],
                        deliver="sftp://us@files.example.net:2222/in")
        self.assertEqual([o["id"] for o in api.items("/v1/export-options", carrier_id=self.customer)], [made["id"]])
        run = self.run_made()
        name = f"carrier-{self.customer}-sell.jsonl.gz"
        self.assertEqual(self.deliver(), [(run["id"], name, None)])
        self.assertEqual(list(json.loads(self.arrived(f"in/{run['id']}-{name}"))), ["id", "called_in"])
        shown = [f for f in api.get(f"/v1/exports/{run['id']}")["files"] if f["name"] == name][0]
        self.assertIsNotNone(shown["delivered_at"])
        changed = api.patch(f"/v1/export-options/{made['id']}", columns=None, deliver=None, format="csv")
        self.assertEqual((changed["columns"], changed["deliver"], changed["format"], changed["version"]), (None, None, "csv", 2))
        self.assertIn(f"carrier-{self.customer}-sell.csv.gz", [f["name"] for f in self.run_made()["files"]])
        self.assertEqual(self.deliver(), [])
        api.refused(409, "POST", "/v1/export-options", {"carrier_id": self.customer, "side": "sell"})
        for field, body in (("columns", {"side": "sell", "columns": ["buy_amount"]}), ("columns", {"side": "buy", "columns": ["nothing"]}),
                            ("deliver", {"side": "buy", "deliver": "ftp://x@y/"}), ("deliver", {"side": "buy", "deliver": "sftp://-oProxyCommand=x@y/"}),
                            ("carrier_id", {"side": "buy", "carrier_id": 999999}), ("format", {"side": "buy", "format": "xml"})):
            self.assertIn(field, api.wrong_fields("POST", "/v1/export-options", {"carrier_id": self.customer, **body}), f"{body}")
        api.delete(f"/v1/export-options/{made['id']}")
        api.refused(404, "GET", f"/v1/export-options/{made['id']}")

    def test_a_partners_key_sees_its_own_files_and_nothing_else(self):
        run = self.run_made()
        other = self.stack.carrier(f"nobody {self.customer}")["id"]
        api, own, none = (self.api.with_key(self.api.post("/v1/api-keys", name=f"key {c}", role="readonly", carrier_id=c)["key"])
                          for c in (self.vendor, self.customer, other))
        mine = f"carrier-{self.customer}-sell.csv.gz"
        self.assertEqual([r["id"] for r in own.items("/v1/exports")], [run["id"]])
        self.assertEqual([f["name"] for f in own.get(f"/v1/exports/{run['id']}")["files"]], [mine])
        self.assertEqual([f["name"] for f in api.items("/v1/exports")[0]["files"]], [f"carrier-{self.vendor}-buy.csv.gz"])
        for hidden in ("actor", "node"):
            self.assertNotIn(hidden, own.get(f"/v1/exports/{run['id']}"))
        with urllib.request.urlopen(urllib.request.Request(f"{own.base}/v1/exports/{run['id']}/files/{mine}",
                                                           headers={"Authorization": f"Bearer {own.key}"}), timeout=20) as answer:
            self.assertIn(b"sell_amount", gzip.decompress(answer.read()))
        for name in ("cdrs.csv.gz", "manifest.json", f"carrier-{self.vendor}-buy.csv.gz", f"carrier-{self.customer}"):
            own.refused(404, "GET", f"/v1/exports/{run['id']}/files/{name}")
        self.assertEqual(none.items("/v1/exports"), [])
        none.refused(404, "GET", f"/v1/exports/{run['id']}")
        own.refused(404, "POST", "/v1/exports", {})
        own.refused(404, "GET", "/v1/export-options")

    def test_what_fails_is_tried_again_and_later_each_time(self):
        self.wish("buy", "--deliver", "sftp://us@files.example.net/")
        run = self.run_made()
        name = f"carrier-{self.vendor}-buy.csv.gz"
        with open(self.there + "/refuse", "w"):
            pass
        waits = []
        for _ in range(3):
            self.assertEqual(self.deliver(status=1), [(run["id"], name, "sftp failed: permission denied, says the other side")])
            self.assertEqual(self.deliver(), [], "not at once")
            waits.append(int(self.stack.postgres.psql("select round(extract(epoch from next_try_at - now()) / 60) from export_deliveries "
                                                      f"where run_id = {run['id']}")))
            self.later()
        self.assertEqual(waits, [1, 2, 4])
        os.remove(self.there + "/refuse")
        self.assertEqual(self.deliver(), [(run["id"], name, None)])
        self.assertEqual(self.stack.postgres.psql(f"select attempts, last_error is null from export_deliveries where run_id = {run['id']}"), "4|t")

    def test_a_program_of_the_operators_carries_files(self):
        self.wish("sell", "--deliver", "command")
        run = self.run_made()
        name = f"carrier-{self.customer}-sell.csv.gz"
        self.assertEqual(self.deliver(), [], "without the program they wait")
        self.assertEqual(self.deliver("--command", self.carry), [(run["id"], name, None)])
        self.assertTrue(self.arrived(f"{run['id']}-for-{self.customer}-{name}").startswith("id,node,"))
        self.run_made()
        self.assertIn("cannot run /nowhere", self.deliver("--command", "/nowhere", status=1)[0][2])

    def test_another_node_writes_what_it_sends(self):
        self.wish("sell", "--deliver", "command")
        run = self.run_made()
        other = os.path.join(self.stack.folder, "other.conf")
        with open(self.stack.config) as f, open(other, "w") as out:
            out.write(f.read().replace("/export\n", "/export-of-another-node\n"))
        self.stack.tandem("export", "deliver", "--command", self.carry, config=other)
        self.assertTrue(self.arrived(f"{run['id']}-for-{self.customer}-carrier-{self.customer}-sell.csv.gz"))

    def test_wrong_wishes_are_refused(self):
        me = ["export", "options", "--carrier", str(self.customer), "--side", "sell"]
        for more, status in ((["--columns", "id,buy_amount"], 2), (["--format", "xml"], 2), (["--deliver", "http://x"], 1),
                             (["--deliver", "sftp://host"], 1), (["--carrier", "x"], 2), (["--carrier", "4711"], 1), (["--side", "both"], 2)):
            done = self.stack.tandem(*me, *more, check=False)
            self.assertEqual((done.returncode, len(done.stderr.strip().splitlines())), (status, 1), f"{more}: {done.stderr}")
