# SPDX-License-Identifier: Apache-2.0
"""Exports under fire: five at once while records arrive, one killed; every record is in exactly one run."""

import glob
import gzip
import json
import os
import shutil
import signal
import subprocess
import threading
import uuid
from decimal import Decimal

import psycopg2

from story import Story, wait_for
from story.process import keep
from story.stack import program

STAGE = """insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, duration_ms,
    disconnect_reason, hangup_party, attempts, sell_amount, sell_currency, buy_amount, buy_currency, recovered)
    select i.id, 'sw1', i.at, i.at, i.at + interval '1 second', 1, 2, 1000, 'normal', 'caller', 1, 0.5, 'USD', 0.25, 'USD', false
    from unnest(%s::uuid[], %s::timestamptz[]) i(id, at)"""


class Poster(threading.Thread):
    """A node's poster: stages batches and ingests them. Every third batch stays uncommitted for a while, as on a slow disk."""

    def __init__(self, url, batches, size):
        super().__init__(daemon=True)
        self.url, self.batches, self.size = url, batches, size
        self.posted, self.failure = [], None
        self.stop = threading.Event()

    def run(self):
        try:
            connection = psycopg2.connect(self.url)
            cursor = connection.cursor()
            cursor.execute("select cdr_stage_make()")
            connection.commit()
            for n in range(self.batches):
                if self.stop.is_set():
                    break
                cursor.execute("select now() - interval '1 minute'")
                at = cursor.fetchone()[0]
                ids = [self.id_of(at) for _ in range(self.size)]
                cursor.execute(STAGE, (ids, [at] * self.size))
                cursor.execute("select cdr_ingest()")
                self.stop.wait(0.15 if n % 3 == 0 else 0.02)
                connection.commit()
                self.posted += ids
            connection.close()
        except Exception as e:  # told by the story, which sees it in `failure`
            self.failure = e

    @staticmethod
    def id_of(at):
        """A UUIDv7 of that moment."""
        return f"{int(at.timestamp() * 1000):012x}7{uuid.uuid4().hex[13:]}"


class StopsInTheMiddle(Story):
    stack_options = {"nodes": 0}

    def test_the_api_ends_though_the_database_lets_an_export_wait(self):
        run = self.stack.api.post("/v1/exports")
        path = f"/v1/exports/{run['id']}/files/manifest.json"
        shutil.rmtree(os.path.join(self.stack.folder, "export"))
        other = psycopg2.connect(self.stack.postgres.url())
        other.cursor().execute("select 1 from export_runs for update")
        self.assertEqual(self.stack.api.call("GET", path)[0], 503)
        self.assertEqual(self.stack.apid.stop(limit=25), 0)
        self.assertIn('"an export was left behind: the database hangs"', self.stack.apid.log())
        other.close()
        self.stack.start_apid()
        self.assertEqual(self.stack.api.get(path)["run"], run["id"])


class ExportsUnderFire(Story):
    stack_options = {"nodes": 0, "durable": True}

    @classmethod
    def provision(cls, stack):
        stack.carrier("customer")
        stack.carrier("vendor")

    def exporter(self):
        return keep(subprocess.Popen([program("tandem"), "-c", self.stack.config, "export", "run", "--json"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

    def folder(self):
        return os.path.join(self.stack.folder, "export")

    def exported(self, name="cdrs.csv.gz"):
        """All ids of all runs on disk, as often as they stand there."""
        ids = []
        for path in glob.glob(os.path.join(self.folder(), "*", "[0-9]*", name)):
            with gzip.open(path, "rt") as f:
                ids += [line.split(",", 1)[0] for line in f][1:]
        return ids

    def stored(self):
        return self.stack.postgres.psql("select id from cdrs").split()

    def unfinished(self):
        return int(self.stack.postgres.psql("select count(*) from export_runs where finished_at is null"))

    def all_is_exported_once(self, posters):
        for poster in posters:
            self.assertIsNone(poster.failure)
        self.stack.tandem("export", "run")
        stored = self.stored()
        self.assertEqual(len(set(stored)), len(stored))
        for name in ("cdrs.csv.gz", "carrier-1-sell.csv.gz", "carrier-2-buy.csv.gz"):
            exported = self.exported(name)
            self.assertEqual(len(exported), len(set(exported)), f"{name}: a record stands in two runs")
            self.assertEqual(set(exported), set(stored), name)
        posted = {str(uuid.UUID(i)) for poster in posters for i in poster.posted}
        self.assertLessEqual(posted, set(stored))
        self.assertEqual(self.unfinished(), 0)
        self.assertEqual(glob.glob(os.path.join(self.folder(), "*", ".*")), [], "nothing unfinished lies about")
        ledger = self.stack.postgres.psql("select coalesce(sum(amount) filter (where kind = 'charge'), 0), "
                                            "coalesce(sum(amount) filter (where kind = 'cost'), 0) from ledger")
        sums = [Decimal(0), Decimal(0)]
        for path in glob.glob(os.path.join(self.folder(), "*", "*", "manifest.json")):
            with open(path) as f:
                for file in json.load(f)["files"]:
                    for i, name in enumerate(("carrier-1-sell.csv.gz", "carrier-2-buy.csv.gz")):
                        sums[i] += Decimal(file["amount"]) if file["name"] == name else 0
        charged, cost = (Decimal(x) for x in ledger.split("|"))
        self.assertEqual(sums, [-charged, cost], "the manifests add up to the ledger")

    def test_five_at_once_while_records_arrive_and_one_is_killed(self):
        posters = [Poster(self.stack.postgres.url(), 1000, 25) for _ in range(3)]
        for poster in posters:
            poster.start()
        for n in range(15):
            runs = [self.exporter() for _ in range(5)]
            victim = runs[n % 5]
            self.write_begins(victim)
            victim.send_signal(signal.SIGKILL)
            for run in runs:
                out, err = run.communicate(timeout=60)
                if run is not victim:
                    self.assertEqual(run.returncode, 0, err)
                    self.assertTrue(json.loads(out))
        for poster in posters:
            poster.stop.set()
            poster.join(30)
        self.assertGreater(sum(len(p.posted) for p in posters), 1000)
        self.all_is_exported_once(posters)

    def write_begins(self, run):
        """Until this process has begun a directory, or is through already."""
        mine = os.path.join(self.folder(), "*", f".*.{run.pid}")
        wait_for("a directory begun", lambda: glob.glob(mine) or run.poll() is not None, 20, every=0.001)

    def test_a_run_killed_in_the_middle_is_finished_by_the_next(self):
        self.stack.postgres.psql("insert into cdrs (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, duration_ms, "
                                 "disconnect_reason, hangup_party, attempts, sell_amount, sell_currency, buy_amount, buy_currency) "
                                 "select gen_random_uuid(), 'sw1', now() - interval '2 minutes', now(), now() - interval '1 minute', 1, 2, 1000, "
                                 "'normal', 'caller', 1, 0, 'USD', 0, 'USD' from generate_series(1, 60000)")
        run = self.exporter()
        wait_for("a directory begun", lambda: glob.glob(os.path.join(self.folder(), "*", f".*.{run.pid}")), 20, every=0.001)
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=10)
        self.assertEqual(self.unfinished(), 1)
        left = self.stack.postgres.psql("select id from export_runs where finished_at is null")
        self.assertEqual(glob.glob(os.path.join(self.folder(), "*", left)), [], "the directory appears whole or not at all")
        runs = json.loads(self.stack.tandem("export", "run", "--json").stdout)
        self.assertEqual([str(r["id"]) for r in runs][0], left)
        self.assertTrue(os.path.exists(os.path.join(runs[0]["path"], "manifest.json")))
        self.all_is_exported_once([])

    def test_the_database_killed_in_the_middle_loses_nothing(self):
        poster = Poster(self.stack.postgres.url(), 20, 500)
        poster.start()
        poster.join(60)
        run = self.exporter()
        self.write_begins(run)
        self.stack.postgres.process.kill()
        run.communicate(timeout=60)
        self.stack.postgres.start()
        self.all_is_exported_once([poster])
