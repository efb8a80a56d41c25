# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL and a private Redis in a folder of ours. The system's own are never touched.

PostgreSQL refuses to run as root. As root it gets a user namespace in which root's files belong to user postgres, so that
a folder that only root may enter works; where namespaces are forbidden it runs as user postgres, with the folder bound to
/mnt in a mount namespace of its own."""

import glob
import os
import pwd
import secrets
import shutil
import signal
import socket

from .process import Failure, Process, free_port, run, wait_for


def _bindir():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    if not found:
        raise Failure("PostgreSQL is not installed: scripts/deps run")
    return os.path.dirname(found[-1])


def _own_user():
    return pwd.getpwnam("postgres")


class Postgres:
    """fast: no fsync; for stories that kill nothing of it."""

    def __init__(self, folder, fast=True):
        self.folder = os.path.abspath(folder)
        self.data = os.path.join(self.folder, "pgdata")
        self.log = os.path.join(self.folder, "postgresql.log")
        self.port = None
        self.fast = fast
        self.settings = {}  # further ones of the server's, for its next start
        self.process = None
        self.bin = _bindir()
        os.makedirs(self.folder, exist_ok=True)
        self._prefix, self._seen = self._way()
        self._secret_path = os.path.join(self.folder, "postgresql.password")
        if not os.path.exists(self._secret_path):
            with open(os.open(self._secret_path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as f:
                f.write(secrets.token_hex(16))
        with open(self._secret_path) as f:
            self._secret = f.read().strip()

    def _way(self):
        """(what to put before a command of PostgreSQL's, the folder as that command sees it)"""
        if os.geteuid() != 0:
            return [], self.folder
        user = _own_user()
        inside = ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]
        if run(inside + ["test", "-w", self.folder], check=False).returncode == 0:
            return inside, self.folder
        bound = ["unshare", "--mount", "--", "sh", "-c",
                 'mount --bind "$0" /mnt && cd /mnt && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"',
                 self.folder]
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        if run(bound + ["true"], check=False).returncode == 0:
            return bound, "/mnt"
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"], self.folder

    def _inside(self, path):
        return os.path.join(self._seen, os.path.relpath(path, self.folder))

    def url(self, database="tandem"):
        return f"postgresql://tandem:{self._secret}@127.0.0.1:{self.port}/{database}"

    def start(self):
        if not os.path.exists(os.path.join(self.data, "PG_VERSION")):
            self._create()
        if self.port is None:
            self.port = free_port(udp=False)
        options = ["-D", self._inside(self.data), "-p", self.port, "-c", "listen_addresses=127.0.0.1",
                   "-c", "unix_socket_directories=", "-c", "max_connections=100", "-c", "log_min_messages=warning",
                   "-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "jit=off"]
        if self.fast:
            options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        for name, value in self.settings.items():
            options += ["-c", f"{name}={value}"]
        self.process = Process("postgresql", self._prefix + [os.path.join(self.bin, "postgres")] + options, self.log,
                               cwd="/")
        wait_for("PostgreSQL's start", self._answers, 60)
        return self

    def _create(self):
        shutil.rmtree(self.data, ignore_errors=True)
        secret = self._secret_path
        if self._seen != self.folder or "setpriv" in self._prefix:
            os.chown(secret, _own_user().pw_uid, _own_user().pw_gid)
        run(self._prefix + [os.path.join(self.bin, "initdb"), "-D", self._inside(self.data), "-U", "tandem",
                            "--pwfile", self._inside(secret), "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8",
                            "--no-sync", "--no-instructions"], 120, cwd="/")

    def _answers(self):
        self.process.must_run()
        ask = [os.path.join(self.bin, "psql"), "-X", "-q", "-A", "-t", "-d", self.url("postgres"), "-c", "select 1"]
        return run(ask, check=False).returncode == 0

    def psql(self, sql, database="tandem", check=True, limit=60):
        """Run SQL, the way a person would; the output, unaligned, without headers."""
        done = run([os.path.join(self.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database),
                    "-c", sql], limit, check=check)
        return done.stdout.strip()

    def database_create(self, name="tandem"):
        if self.psql(f"select 1 from pg_database where datname = '{name}'", "postgres") != "1":
            self.psql(f"create database {name}", "postgres")

    def stop(self):
        if self.process is not None and self.process.status is None:
            self.process.thaw()
            self.process.stop(30, signal.SIGINT)
        self.process = None


class Redis:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.port = None
        self.process = None
        os.makedirs(self.folder, exist_ok=True)

    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        if shutil.which("redis-server") is None:
            raise Failure("Redis is not installed: scripts/deps run")
        if self.port is None:
            self.port = free_port(udp=False)
        self.process = Process("redis", ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
                                         "no", "--dir", self.folder, "--daemonize", "no"],
                               os.path.join(self.folder, "redis.log"))
        wait_for("Redis' start", self._answers, 20)
        return self

    def _answers(self):
        self.process.must_run()
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False

    def command(self, *words):
        """One command by the wire protocol; the answer's first line."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            text = f"*{len(words)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in map(str, words))
            s.sendall(text.encode())
            return s.makefile("rb").readline().decode().rstrip()

    def stop(self):
        if self.process is not None and self.process.status is None:
            self.process.thaw()
            self.process.stop(10)
        self.process = None
