# SPDX-License-Identifier: Apache-2.0
"""A whole tandem on loopback: PostgreSQL, Redis, any number of tandemd, tandem-apid, and peers; private, gone afterwards."""

import itertools
import os
import re
import shutil
import socket
import tempfile
import threading
import time

from .api import Api
from .lateness import Lateness
from .process import BUILD, TOP, Failure, Process, free_port, keeper, run, wait_for
from .services import Postgres, Redis
from .sip import Peer

SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")


def program(name):
    """Where the build has it."""
    for folder in ("", "switch", "api", "cli"):
        path = os.path.join(BUILD, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise Failure(f"{name} is not built in {BUILD}: run scripts/build")


AUDIT_WORDS = "audit: counts and calls do not agree"


class Daemon(Process):
    """A daemon of ours; what it says by sd_notify is taken at once, as systemd would: the socket holds few messages, and a
    full one makes the daemon wait."""

    count = itertools.count(1)

    def __init__(self, name, argv, log, env=None):
        address = f"tandem-story-{os.getpid()}-{next(self.count)}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("\0" + address)
        self.said = set()
        super().__init__(name, argv, log, env={**(env or {}), "NOTIFY_SOCKET": "@" + address})
        threading.Thread(target=self._listen, name=f"notify {name}", daemon=True).start()

    def _listen(self):
        self.notify.settimeout(0.5)
        while self.status is None:
            try:
                self.said.update(self.notify.recv(4096).decode().split("\n"))
            except TimeoutError:
                continue
        self.notify.close()

    def is_ready(self):
        self.must_run()
        return "READY=1" in self.said

    def wait_ready(self, limit=30):
        wait_for(f"{self.name}'s READY=1", self.is_ready, limit)
        return self


class Node:
    """One tandemd, its configuration and its spool; it can be killed, frozen and started again."""

    def __init__(self, stack, name, settings):
        self.stack, self.name = stack, name
        self.folder = os.path.join(stack.folder, name)
        self.host, self.port = "127.0.0.1", free_port()
        self.config = os.path.join(self.folder, "tandem.conf")
        os.makedirs(self.folder, exist_ok=True)
        stack.write_config(self.config, name, self, settings)
        self.process = None
        self.inside = []  # a command that runs tandemd, such as unshare

    @property
    def address(self):
        return (self.host, self.port)

    def start(self, ready=True):
        self.process = Daemon(self.name, [*self.inside, program("tandemd"), "-c", self.config], os.path.join(self.folder, "tandemd.log"),
                              self.stack.env)
        if ready:
            self.process.wait_ready()
            wait_for(f"{self.name}'s routes", lambda: "configuration in force" in self.process.log(), 30)
        return self

    def stop(self, limit=30):
        """SIGTERM; it must end with status 0."""
        process, self.process = self.process, None
        if process is not None and process.status is None:
            process.thaw()
            status = process.stop(limit)
            if status != 0:
                raise Failure(f"{self.name} ended with status {status}; its log:\n{process.log_tail()}")
        return process

    def kill(self):
        process, self.process = self.process, None
        process.kill()
        return process


class Stack:
    """settings: further lines for the configuration, {"sip": {"workers": 2}}. durable: PostgreSQL with fsync."""

    def __init__(self, folder=None, nodes=1, workers=1, durable=False, settings=None, api=True):
        self.given = folder is not None
        parent = os.environ.get("TANDEM_STORY_DIR", os.path.join(TOP, "var", "story"))
        if not self.given:
            os.makedirs(parent, exist_ok=True)
        self.folder = os.path.abspath(folder) if folder else tempfile.mkdtemp(prefix="stack-", dir=parent)
        os.makedirs(self.folder, exist_ok=True)
        if not self.given:
            keeper().tell(f"DIR {self.folder}")
        self.settings = settings or {}
        self.workers = workers
        self.env = {}
        if "sanitizers" in os.path.basename(BUILD):
            # whole stacks of allocations, so that lsan.supp can name functions instead of libraries; few megabytes of freed memory
            # held back, so that a story may still ask whether a process grows
            self.env = {"ASAN_OPTIONS": "detect_leaks=1:fast_unwind_on_malloc=0:quarantine_size_mb=16:exitcode=99",
                        "UBSAN_OPTIONS": "print_stacktrace=1",
                        "LSAN_OPTIONS": f"suppressions={os.path.join(TOP, 'tests', 'story', 'lsan.supp')}:print_suppressions=0"}
        self.postgres = Postgres(os.path.join(self.folder, "postgresql"), fast=not durable)
        self.redis = Redis(os.path.join(self.folder, "redis"))
        self.apid = None
        self.api_port = free_port(udp=False) if api else None
        self.peers, self.node_count, self.api = [], nodes, None
        self.nodes = []
        self.hosts = itertools.count(11)
        self.marks = {}
        self.audit_may_differ = False  # a story that makes counts and calls differ says so
        self.config = os.path.join(self.folder, "tandem.conf")

    # ---- life

    def start(self):
        try:
            self.postgres.start()
            self.redis.start()
            self.postgres.database_create()
            self.write_config(self.config, "api", None, self.settings)
            self.tandem("migrate")
            self.start_daemons()
        except BaseException as e:
            told = self.told()
            self.stop(quiet=True)
            if isinstance(e, Failure):
                raise Failure(f"{e}\n{told}") from e
            raise
        return self

    def start_daemons(self):
        if self.api_port:
            key = os.path.join(self.folder, "admin.key")
            if not os.path.exists(key):
                text = self.tandem("apikey", "create", "--name", "story", "--role", "admin").stdout.strip()
                with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
                    f.write(text)
            with open(key) as f:
                self.api = Api(f"http://127.0.0.1:{self.api_port}", f.read())
            self.start_apid()
            wait_for("the API's readiness", lambda: self.api.ask("GET", "/readyz"), 30)
        for i in range(self.node_count):
            self.nodes.append(Node(self, f"sw{i + 1}", self.settings).start())

    def start_apid(self):
        self.apid = Daemon("apid", [program("tandem-apid"), "-c", self.config], os.path.join(self.folder, "apid.log"), self.env)
        self.apid.wait_ready()
        wait_for("the API's health", lambda: self.api.call("GET", "/healthz")[0] == 200, 10)

    @property
    def node(self):
        return self.nodes[0]

    def stop(self, quiet=False):
        """Everything in order; Failure if something did not end as it should or a sanitizer spoke up."""
        wrong = []

        def attempt(what):
            try:
                what()
            except Failure as e:
                wrong.append(str(e))

        for peer in self.peers:
            attempt(peer.close)
        for node in self.nodes:
            attempt(node.stop)
        if self.apid is not None and self.apid.status is None:
            attempt(lambda: self.apid.stop(30))
            if self.apid.status != 0:
                wrong.append(f"tandem-apid ended with status {self.apid.status}:\n{self.apid.log_tail()}")
        attempt(self.redis.stop)
        attempt(self.postgres.stop)
        for path in self.logs():
            with open(path, errors="replace") as f:
                text = f.read()
            if AUDIT_WORDS in text and not self.audit_may_differ:
                wrong.append(f"the switch's own audit found in {path}:\n"
                             + "\n".join(line for line in text.splitlines() if AUDIT_WORDS in line))
            if any(word in text for word in SANITIZER_WORDS):
                at = min(text.index(word) for word in SANITIZER_WORDS if word in text)
                wrong.append(f"a sanitizer's report in {path}:\n{text[max(0, at - 200):at + 4000]}")
        if not self.given and not wrong and not os.environ.get("TANDEM_STORY_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)
        if wrong and not quiet:
            raise Failure("\n".join(wrong))

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        self.stop(quiet=kind is not None)

    # ---- words

    def write_config(self, path, name, node, settings):
        sections = {
            "node": {"id": name},
            "sip": {},
            "database": {"url": self.postgres.url()},
            "redis": {"url": self.redis.url()},
            "spool": {"dir": os.path.join(os.path.dirname(path), "spool")},
            "api": {},
            "export": {"dir": os.path.join(self.folder, "export")},
        }
        if node is not None:
            sections["sip"] = {"listen": f"udp:127.0.0.1:{node.port}", "workers": self.workers}
            if self.workers == 1:
                sections["sip"]["listen"] += f", tcp:127.0.0.1:{node.port}"
        if self.api_port:
            sections["api"]["listen"] = f"127.0.0.1:{self.api_port}"
        for section, values in settings.items():
            sections.setdefault(section, {}).update(values)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
            for section, values in sections.items():
                f.write(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) + "\n")

    def tandem(self, *words, check=True, limit=60, config=None):
        """The operator's command line."""
        return run([program("tandem"), "-c", config or self.config, *words], limit, self.env, check)

    def audited(self):
        """The nodes' own word that their counts agree with their calls; Failure says what does not."""
        done = self.tandem("audit", check=False)
        if done.returncode != 0 and not self.audit_may_differ:
            raise Failure(f"tandem audit: {done.stdout}{done.stderr}")
        return done

    def logs(self):
        return [os.path.join(root, name) for root, _, names in os.walk(self.folder) for name in names
                if name.endswith(".log") and "/pgdata/" not in root]

    def mark(self):
        """What is in the logs now belongs to the past."""
        self.marks = {path: os.path.getsize(path) for path in self.logs()}
        for peer in self.peers:
            peer.timeline.clear()

    def told(self, lines=40):
        """What peers and logs have to say since the mark, for a failure's text."""
        text = [peer.story() for peer in self.peers if peer.timeline]
        for path in sorted(self.logs()):
            with open(path, errors="replace") as f:
                f.seek(self.marks.get(path, 0))
                tail = f.read().splitlines()[-lines:]
            if tail:
                text.append(f"\n  {os.path.relpath(path, self.folder)}:\n" + "\n".join(f"    {t}" for t in tail))
        return "\n".join(text)

    # ---- peers and what they are to the switch

    def peer(self, name, host=None, transport="udp", node=None):
        """An endpoint on a loopback address of its own, 127.0.0.11 and up."""
        target = (node or self.node).address if self.nodes else None
        p = Peer(name, host or f"127.0.0.{next(self.hosts)}", transport=transport, switch=target)
        self.peers.append(p)
        return p

    def carrier(self, name, currency="USD", **more):
        return self.api.post("/v1/carriers", name=name, currency=currency, **more)

    def deck(self, name, side, rates, currency="USD", **more):
        """rates: {prefix: price or {field: value}}"""
        deck = self.api.post("/v1/rate-decks", name=name, side=side, currency=currency, **more)
        for prefix, terms in rates.items():
            terms = terms if isinstance(terms, dict) else {"price": terms}
            self.api.post(f"/v1/rate-decks/{deck['id']}/rates", prefix=prefix, **{"effective_from": "2020-01-01T00:00:00.000Z", **terms})
        return deck

    def vendor(self, name, rates, peer=None, host=None, port=None, trunk=None, currency="USD", deck=None):
        """A carrier that sells to us: its egress trunk, with `peer` (made if need be) at its end.
        Returns the trunk; trunk["peer"] is the peer."""
        carrier = self.carrier(name, currency)
        deck = deck or self.deck(f"{name} buy", "buy", rates, currency)
        if peer is None and host is None:
            peer = self.peer(name)
        made = self.api.post("/v1/trunks", carrier_id=carrier["id"], name=name, direction="egress", host=host or peer.host,
                             port=port or peer.port, transport=peer.transport if peer else "udp", rate_deck_id=deck["id"],
                             **(trunk or {}))
        return {**made, "peer": peer, "carrier": carrier, "deck": deck}

    def customer(self, name, rates, vendors, peer=None, plan=None, trunk=None, carrier=None, currency="USD", deck=None):
        """A carrier that buys from us, with a plan over the vendors' trunks (or [(trunk, {"priority": 2}), ...])."""
        made = self.carrier(name, currency, **(carrier or {}))
        deck = deck or self.deck(f"{name} sell", "sell", rates, currency)
        members = [{"trunk_id": v["id"]} if isinstance(v, dict) else {"trunk_id": v[0]["id"], **v[1]} for v in vendors]
        routing = self.api.post("/v1/routing-plans", name=f"{name} plan", policy="lcr", members=members, **(plan or {}))
        peer = peer or self.peer(name)
        trunk = self.api.post("/v1/trunks", **{"carrier_id": made["id"], "name": name, "direction": "ingress",
                                               "source_cidrs": [f"{peer.host}/32"], "rate_deck_id": deck["id"],
                                               "routing_plan_id": routing["id"], **(trunk or {})})
        return {**trunk, "peer": peer, "carrier": made, "deck": deck, "plan": routing}

    def settle(self):
        """Until what was changed by the API holds on every node: by the contract 2 s after the answer, and no sooner, so
        that a switch that is slower than its word breaks the story. What the machine itself is late is added."""
        Lateness.sleep(self.api.changed_at + 2.0 - time.monotonic())

    def in_force(self, limit=60):
        """Until every node says that it has the configuration's present version: for benches and the demo, where a busy machine
        that compiles large decks late is no failure."""
        wanted = int(self.postgres.psql("select version from config_version"))

        def has(node):
            said = re.findall(r'"configuration in force" version=(\d+)', node.process.log())
            return said and int(said[-1]) >= wanted

        for node in self.nodes:
            wait_for(f"version {wanted} of the configuration on {node.name}", lambda n=node: has(n), limit)
