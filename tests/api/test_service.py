# SPDX-License-Identifier: Apache-2.0
"""The daemon itself: options, backends that come and go, TLS, stop, and jobs whose server died."""

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from story import Failure, wait_for
from story.certificate import self_signed
from story.described import ApiStory, Wire
from story.lateness import Lateness
from story.process import TOP, free_port, run
from story.stack import Daemon, program


class Options(ApiStory):
    def apid(self, *words):
        return run([program("tandem-apid"), *words], 10, self.stack.env, False)

    def conf(self, text):
        path = os.path.join(self.stack.folder, "bad.conf")
        with open(path, "w") as f:
            f.write(text)
        return path

    def test_help_and_version_and_usage(self):
        self.assertIn("-c FILE", self.apid("--help").stdout)
        self.assertTrue(self.apid("--version").stdout.startswith("tandem-apid "))
        self.assertEqual(self.apid("--nonsense").returncode, 2)
        self.assertEqual(self.apid("surplus").returncode, 2)

    def test_the_manual_is_made_from_the_description(self):
        made = run(["sh", "-c", '"$0" --openapi | "$1"', program("tandem-apid"), os.path.join(TOP, "api", "manual.py")]).stdout
        with open(os.path.join(TOP, "docs", "api.md")) as f:
            self.assertEqual(f.read(), made, "docs/api.md is not what api/manual.py makes")

    def test_a_bad_configuration_is_one_line_with_file_and_line(self):
        path = self.conf("[api]\nlisten = 127.0.0.1:8080\nlisen = x\n")
        done = self.apid("-t", "-c", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{path}:3:", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertEqual(self.apid("-t", "-c", self.stack.config).returncode, 0)
        self.assertEqual(self.apid("-t", "-c", path + ".none").returncode, 1)

    def test_it_steps_back_behind_calls(self):
        for task in os.listdir(f"/proc/{self.stack.apid.pid}/task"):
            with open(f"/proc/{self.stack.apid.pid}/task/{task}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            self.assertEqual((fields[16], fields[38]), ("5", str(os.SCHED_BATCH)), "nice value and policy")

    def test_an_address_that_is_taken_is_one_line(self):
        done = self.apid("-c", self.stack.config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("listen on", done.stderr)


class Backends(ApiStory):
    def ready(self):
        return self.api.call("GET", "/readyz")[0] == 200

    @contextlib.contextmanager
    def locked(self, table):
        """Nobody else writes to this table meanwhile."""
        psql = subprocess.Popen([os.path.join(self.stack.postgres.bin, "psql"), "-X", "-q", "-A", "-t", "-d", self.stack.postgres.url()],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            psql.stdin.write(f"begin; lock table {table} in exclusive mode; select 'held';\n")
            psql.stdin.flush()
            self.assertEqual(psql.stdout.readline().strip(), "held")
            yield
        finally:
            psql.communicate("rollback;\n", timeout=10)

    def test_it_starts_without_them_and_is_ready_soon_after_they_come(self):
        self.stack.apid.stop()
        self.stack.redis.stop()
        self.stack.postgres.stop()
        self.stack.start_apid()
        self.api.refused(503, "GET", "/readyz")
        self.api.refused(503, "GET", "/v1/carriers")
        self.api.refused(503, "POST", "/v1/carriers", {"name": "early", "currency": "EUR"})
        self.assertEqual(self.api.call("GET", "/healthz")[0], 200)
        self.stack.redis.start()
        self.stack.postgres.start()
        wait_for("readiness", self.ready, 5)
        self.api.post("/v1/carriers", name="late", currency="EUR")
        self.assertEqual(self.stack.apid.log().count("backend=database retry"), 1)

    def test_a_database_that_goes_away_is_a_503_until_it_is_back(self):
        self.stack.postgres.stop()
        problem = self.api.refused(503, "GET", "/v1/carriers")
        self.assertNotIn("connection", str(problem))
        self.stack.postgres.start()
        wait_for("readiness", self.ready, 5)
        for _ in range(20):  # each worker has met the restart
            self.assertEqual(self.api.call("GET", "/v1/carriers")[0], 200)

    def test_a_restart_of_both_that_nobody_saw_is_not_seen(self):
        for _ in range(20):
            self.api.get("/v1/calls")
        self.stack.postgres.stop()
        self.stack.redis.stop()
        self.stack.redis.start()
        self.stack.postgres.start()
        for n in range(20):
            self.assertEqual(self.api.call("GET", "/v1/calls")[0], 200)
            self.api.post("/v1/carriers", name=f"after {n}", currency="EUR")

    def test_a_frozen_database_holds_up_neither_health_nor_others(self):
        made = self.api.post("/v1/carriers", name="frozen", currency="EUR")
        self.stack.postgres.process.freeze()
        try:
            with Lateness() as late:
                began = time.monotonic()
                self.assertEqual(self.api.call("GET", "/healthz")[0], 200)
                took = time.monotonic() - began
            self.assertLess(took, 1 + late.worst_s)
            self.assertEqual(self.api.call("GET", f"/v1/carriers/{made['id']}", limit=25)[0], 503)
        finally:
            self.stack.postgres.process.thaw()
        wait_for("readiness", self.ready, 10)
        self.assertEqual(self.api.get(f"/v1/carriers/{made['id']}")["name"], "frozen")

    def test_an_older_schema_is_said(self):
        self.stack.postgres.psql("alter table imports rename to imports_away")
        try:
            self.assertIn("tandem migrate", self.api.refused(503, "GET", "/v1/imports")["detail"])
        finally:
            self.stack.postgres.psql("alter table imports_away rename to imports")

    def test_sigterm_and_sigint_end_it_cleanly_with_streams_open(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            wait_for("readiness", self.ready, 5)
            host, port = self.api.base.split("//")[1].split(":")
            with socket.create_connection((host, int(port)), 5) as s:
                s.sendall(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n".encode())
                self.assertIn(b"200", s.recv(4096))
                with Lateness() as late:
                    began = time.monotonic()
                    self.stack.apid.stop(15, number)
                    took = time.monotonic() - began
                self.assertEqual(self.stack.apid.status, 0, self.stack.apid.log_tail())
                self.assertLess(took, 8 + late.worst_s)
            self.stack.start_apid()

    def test_who_asks_again_and_again_on_one_connection_does_not_disturb_its_end(self):
        """Connections that stay open are asked on until the very end, when the threads that answer are gone already."""
        for _ in range(3):
            wait_for("readiness", self.ready, 5)
            answers, over = [], threading.Event()

            def client():
                wire = Wire(self.api)
                with wire.socket, contextlib.suppress(OSError):
                    while not over.is_set():
                        wire.send(f"GET /v1/carriers?limit=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
                        answer = wire.answer()
                        if answer is None:
                            return
                        answers.append((answer[0], answer[1].get("connection")))
                        time.sleep(0.005)

            with ThreadPoolExecutor(4) as pool:
                clients = [pool.submit(client) for _ in range(4)]
                wait_for("answers", lambda: len(answers) > 40, 10)
                try:
                    self.assertEqual(self.stack.apid.stop(30), 0, self.stack.apid.log_tail())
                finally:
                    over.set()
                for c in clients:
                    c.result()
            self.assertLessEqual({status for status, _ in answers}, {200, 503})
            self.assertIn("close", [word for _, word in answers], "nobody was told that it ends")
            self.stack.start_apid()

    def test_a_job_whose_server_was_killed_is_given_up_with_a_reason(self):
        deck = self.api.post("/v1/rate-decks", name="killed", side="buy", currency="EUR")
        with self.locked("rates"):
            job = self.api.ask("POST", f"/v1/rate-decks/{deck['id']}/imports", raw=b"prefix,price\n49,0.01\n", kind="text/csv")
            wait_for("the job's start", lambda: self.api.get(f"/v1/imports/{job['id']}")["status"] == "running", 5)
            self.stack.apid.kill()
        self.stack.postgres.psql("update imports set heartbeat_at = heartbeat_at - interval '31 seconds'")
        self.stack.start_apid()

        def given_up():
            job = self.api.get("/v1/imports", rate_deck_id=deck["id"])["items"][0]
            return job if job["status"] == "failed" else None

        job = wait_for("the job's end", given_up, 10)
        self.assertIn("stopped", job["report"]["errors"][0]["reason"])
        self.assertEqual(self.api.items(f"/v1/rate-decks/{deck['id']}/rates"), [])

    def test_a_job_that_a_stop_interrupts_says_so(self):
        deck = self.api.post("/v1/rate-decks", name="interrupted", side="buy", currency="EUR")
        path = f"/v1/rate-decks/{deck['id']}/imports"
        with self.locked("rates"):
            jobs = [self.api.ask("POST", path, raw=f"prefix,price\n{49 + n},0.01\n".encode(), kind="text/csv") for n in range(2)]
            wait_for("the first job's start", lambda: self.api.get(f"/v1/imports/{jobs[0]['id']}")["status"] == "running", 5)
            self.stack.apid.stop(8)
        self.stack.start_apid()
        for job in (self.api.get(f"/v1/imports/{j['id']}") for j in jobs):
            self.assertEqual((job["status"], job["report"]["errors"][0]["reason"]),
                             ("failed", "the server was stopped; nothing was applied"))
        self.assertEqual(self.api.items(f"/v1/rate-decks/{deck['id']}/rates"), [])


class Rates(ApiStory):
    """Limits so low that a story reaches them."""

    stack_options = {"nodes": 0, "settings": {"api": {"key_rate": 20, "address_rate": 3}}}

    def test_a_key_has_its_rate_and_the_others_have_theirs(self):
        other = self.api.with_key(self.api.post("/v1/api-keys", name="other", role="readonly")["key"])

        def ask(_):
            one = self.api.with_key(self.api.key)
            return *one.call("GET", "/v1/carriers?limit=1"), one.last_headers

        answers, end = [], time.monotonic() + 30
        with ThreadPoolExecutor(6) as pool:
            while all(status == 200 for status, _, _ in answers) and time.monotonic() < end:
                answers += pool.map(ask, range(240))
        self.assertGreaterEqual([status for status, _, _ in answers].count(200), 38)
        refused = [(json.loads(text), headers) for status, text, headers in answers if status != 200]
        self.assertTrue(refused)
        for problem, headers in refused:
            self.assertEqual((problem["status"], problem["title"], headers["Retry-After"]), (429, "Too many requests", "1"))
        self.assertEqual(other.call("GET", "/v1/carriers?limit=1")[0], 200)
        self.assertEqual(self.api.with_key(None).call("GET", "/healthz")[0], 200)
        wait_for("its turn again", lambda: self.api.call("GET", "/v1/carriers?limit=1")[0] == 200, 3)

    def test_a_listing_of_many_pages_is_one_request(self):
        rows = 60000
        self.stack.postgres.psql(f"insert into audit_log (actor, action, resource, resource_id) select 'a', 'update', 'x', 'y' from generate_series(1, {rows})")
        with ThreadPoolExecutor(6) as pool:  # one after the other would be too slow to use it up on some machines
            wait_for("the key's rate to be used up", lambda: 429 in pool.map(
                lambda _: self.api.with_key(self.api.key).call("GET", "/v1/carriers?limit=1")[0], range(24)), 20, every=0)
        tables = []

        def table():
            status, text = self.api.call("GET", "/v1/audit-log?format=csv&resource=x")
            tables.append(text)
            return status == 200

        wait_for("its turn again", table, 5)
        self.assertEqual(tables[-1].count("\n"), 1 + rows)

    def test_who_guesses_keys_is_held_off(self):
        self.assertEqual(self.api.with_key("tk_0").call("GET", "/v1/carriers")[0], 401)
        began = time.monotonic()
        answers = [self.api.with_key(f"tk_{n}").call("GET", "/v1/carriers")[0] for n in range(30)]
        self.assertEqual(set(answers), {401, 429})
        self.assertLess(answers.count(401), 12 + int(3 * (time.monotonic() - began)))
        wait_for("the address's turn again", lambda: self.api.with_key("tk_again").call("GET", "/v1/carriers")[0] == 401, 5)
        wait_for("a good key from there", lambda: self.api.call("GET", "/v1/carriers?limit=1")[0] == 200, 5)


class KnownKeys(ApiStory):
    stack_options = {"nodes": 0, "settings": {"api": {"address_rate": 3}}}

    def test_bad_keys_do_not_keep_out_a_good_one_from_the_same_address(self):
        good, revoked = (self.api.post("/v1/api-keys", name=n, role="readonly") for n in ("good", "revoked"))
        ask = lambda key: self.api.with_key(key).call("GET", "/v1/carriers?limit=1")[0]
        guess = lambda: ask(f"tk_{time.monotonic_ns()}")
        wait_for("both keys good once", lambda: (ask(good["key"]), ask(revoked["key"])) == (200, 200), 5)
        self.api.delete(f"/v1/api-keys/{revoked['id']}")  # what was read of any key is forgotten here
        wait_for("no more guesses", lambda: guess() == 429, 5)
        self.assertEqual(ask(good["key"]), 200)
        until = time.monotonic() + 2.5  # longer than a key is remembered without a look
        while time.monotonic() < until:
            guess()
            self.assertEqual(ask(good["key"]), 200)
            time.sleep(0.1)
        self.assertEqual(ask(revoked["key"]), 401)
        wait_for("the revoked one held off as any other", lambda: ask(revoked["key"]) == 429, 5)


class BothFamilies(ApiStory):
    def test_ipv4_peers_of_a_listener_for_both_families_are_told_apart(self):
        config, port = os.path.join(self.stack.folder, "both.conf"), free_port(udp=False)
        with open(self.stack.config) as f:
            text = f.read().replace(f"127.0.0.1:{self.stack.api_port}", f"[::]:{port}\naddress_rate = 1")
        with open(config, "w") as f:
            f.write(text)
        fresh = self.api.post("/v1/api-keys", name="fresh", role="readonly")["key"]
        daemon = Daemon("apid-both", [program("tandem-apid"), "-c", config], os.path.join(self.stack.folder, "apid-both.log"), self.stack.env)
        try:
            daemon.wait_ready()

            def ask(source, key):
                with socket.create_connection(("127.0.0.1", port), 5, (source, 0)) as s:
                    s.sendall(f"GET /v1/carriers?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
                    return int(s.recv(4096).split()[1])

            wait_for("127.0.0.1 held off", lambda: ask("127.0.0.1", f"tk_{time.monotonic_ns()}") == 429, 5)
            self.assertEqual(ask("127.0.0.2", "tk_none"), 401)
            self.assertEqual(ask("127.0.0.2", fresh), 200)
        finally:
            status = daemon.stop(15)
        self.assertEqual(status, 0, daemon.log_tail())


class Revoked(ApiStory):
    def test_a_key_that_is_revoked_while_its_request_comes_does_nothing_more(self):
        deck = self.api.post("/v1/rate-decks", name="too late", side="buy", currency="EUR")
        for kind, path, body in (("application/json", "/v1/carriers", b'{"name": "too late", "currency": "EUR"}'),
                                 ("text/csv", f"/v1/rate-decks/{deck['id']}/imports", b"prefix,price\n49,0.01\n")):
            key = self.api.post("/v1/api-keys", name=f"slow {kind}", role="provisioning")
            wire = Wire(self.api)
            with wire.socket:
                wire.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key['key']}\r\nContent-Type: {kind}\r\n"
                          f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n")
                self.assertIn(b" 100 ", wire.socket.recv(4096), "it is admitted")
                self.api.delete(f"/v1/api-keys/{key['id']}")
                wire.send(body)
                self.assertEqual(wire.answer()[0], 401)
        self.assertEqual(self.api.get("/v1/carriers", name="too late")["items"], [])
        self.assertEqual(self.api.get("/v1/imports", rate_deck_id=deck["id"])["items"], [])


class Tls(ApiStory):
    @contextlib.contextmanager
    def serving(self, word):
        """A tandem-apid of its own with a fresh certificate: (it, its port, certificate, key, its configuration)."""
        folder = self.stack.folder
        config, port = os.path.join(folder, f"{word}.conf"), free_port(udp=False)
        certificate, key = self_signed(os.path.join(folder, word), "127.0.0.1")
        with open(self.stack.config) as f:
            text = f.read().replace(f"127.0.0.1:{self.stack.api_port}", f"127.0.0.1:{port}\ntls_certificate = {certificate}\ntls_key = {key}")
        with open(config, "w") as f:
            f.write(text)
        daemon = Daemon(f"apid-{word}", [program("tandem-apid"), "-c", config], os.path.join(folder, f"apid-{word}.log"), self.stack.env)
        try:
            yield daemon.wait_ready(), port, certificate, key, config
        finally:
            status = daemon.stop(15)
        if status != 0:
            raise Failure(daemon.log_tail())

    def shown(self, port):
        """The certificate that a new connection gets."""
        return ssl.get_server_certificate(("127.0.0.1", port)).strip()

    def test_a_renewed_certificate_is_taken_over_without_a_restart(self):
        with self.serving("renewed") as (daemon, port, certificate, key, config):
            read = lambda path: open(path, encoding="ascii").read()
            first, first_key = read(certificate), read(key)
            self.assertEqual(self.shown(port), first.strip())
            context = ssl.create_default_context(cafile=certificate)
            with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)) as kept:
                def ask():
                    kept.request("GET", "/healthz")
                    with kept.getresponse() as answer:
                        return answer.status, answer.read()

                self.assertEqual(ask()[0], 200)
                there = kept.sock
                self_signed(certificate[:-len(".pem")], "127.0.0.1")
                second = read(certificate)
                self.assertEqual(self.shown(port), first.strip(), "nobody has said so yet")
                daemon.send(signal.SIGHUP)
                wait_for("the new certificate", lambda: self.shown(port) == second.strip(), 5)
                self.assertEqual(ask()[0], 200)
                self.assertIs(kept.sock, there, "a connection that was there goes on")

            def refused(word, text, path):
                before = daemon.log().count(word)
                with open(path, "w", encoding="ascii") as f:
                    f.write(text)
                daemon.send(signal.SIGHUP)
                wait_for(word, lambda: daemon.log().count(word) > before, 5)
                self.assertEqual(self.shown(port), second.strip())

            refused("certificate not renewed", first_key, key)
            refused("certificate not renewed", "nothing\n", key)
            refused("certificate not renewed", "", key)
            refused("settings not reloaded", read(config) + "[api]\nlisen = x\n", config)

    def test_sighup_without_tls_takes_over_the_log_level_and_ends_nothing(self):
        path = self.stack.config
        with open(path) as f:
            before = f.read()
        try:
            with open(path, "w") as f:
                f.write(before + "[log]\nlevel = debug\n")
            self.stack.apid.send(signal.SIGHUP)
            wait_for("the new settings", lambda: "settings reloaded" in self.stack.apid.log(), 5)
            self.assertEqual(self.api.call("GET", "/healthz")[0], 200)
        finally:
            with open(path, "w") as f:
                f.write(before)
            self.stack.apid.send(signal.SIGHUP)

    def test_with_a_certificate_only_tls_is_spoken(self):
        folder = self.stack.folder
        config = os.path.join(folder, "tls.conf")
        certificate, key = self_signed(os.path.join(folder, "tls"), "127.0.0.1")
        port = free_port(udp=False)
        with open(self.stack.config) as f:
            text = f.read().replace(f"127.0.0.1:{self.stack.api_port}", f"127.0.0.1:{port}\ntls_certificate = {certificate}\ntls_key = {key}")
        with open(config, "w") as f:
            f.write(text)
        daemon = Daemon("apid-tls", [program("tandem-apid"), "-c", config], os.path.join(folder, "apid-tls.log"), self.stack.env)
        try:
            daemon.wait_ready()
            context = ssl.create_default_context(cafile=certificate)
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname="127.0.0.1") as s:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200"))
                self.assertIn(s.version(), ("TLSv1.2", "TLSv1.3"))
        finally:
            status = daemon.stop(15)
        if status != 0:
            raise Failure(daemon.log_tail())
