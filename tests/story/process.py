# SPDX-License-Identifier: Apache-2.0
"""Processes that never outlive us: each start is told to a keeper, which kills what is left when we are gone."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TANDEM_BUILD", os.path.join(TOP, "build"))
PYTHON = "/usr/bin/python3"


class Failure(AssertionError):
    """A story broke; the text says where."""


def wait_for(what, condition, limit=5.0, every=0.02):
    """Ask condition() until it is true and return its value; after `limit` seconds fail, naming `what`.

    condition may raise Failure while it is not yet met; the last one is shown.
    """
    end = time.monotonic() + limit
    last = ""
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f" (last: {value!r})" if value is not None and value is not False else ""
        except Failure as e:
            last = f" (last: {e})"
        if time.monotonic() > end:
            raise Failure(f"waited {limit:g} s in vain for {what}{last}")
        time.sleep(every)


_given = set()


def free_port(host="127.0.0.1", tcp=True, udp=True):
    """A port that nobody holds now, below the kernel's own range, never given twice by this process.

    TANDEM_STORY_PORTS ("LOW-HIGH") keeps runs side by side apart: a port whose server is down for a moment looks free."""
    low, high = map(int, os.environ.get("TANDEM_STORY_PORTS", "12000-32000").split("-"))
    for _ in range(1000):
        port = random.SystemRandom().randrange(low, high)
        if port in _given:
            continue
        try:
            for kind, wanted in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
                if wanted:
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.bind((host, port))
        except OSError:
            continue
        _given.add(port)
        return port
    raise Failure(f"no free port on {host}")


def children_of(pid):
    """pid and all its descendants, as /proc has them now."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
            except OSError:
                continue
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        found.append(p)
        todo.extend(parents.get(p, []))
    return found


def stop_tree(pid):
    """SIGSTOP for pid and its descendants, those that are just being born included; who they are."""
    stopped = []
    while fresh := [p for p in children_of(pid) if p not in stopped]:
        signal_all(fresh, signal.SIGSTOP)
        stopped += fresh
    return stopped


def kill_tree(pid):
    """SIGKILL for pid and its descendants, stopped ones included."""
    signal_all(stop_tree(pid), signal.SIGKILL)


def signal_all(pids, number):
    """To each of them that is still there."""
    for p in pids:
        try:
            os.kill(p, number)
        except ProcessLookupError:
            pass


class Keeper:
    """A process of its own that reads "+PID START", "-PID" and "DIR PATH" from a pipe. When the pipe ends, we are gone:
    whatever still runs is killed, with all it started."""

    def __init__(self):
        self.process = subprocess.Popen([PYTHON, os.path.abspath(__file__), "keep"], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, start_new_session=True, text=True, bufsize=1)

    def tell(self, line):
        if self.process.poll() is not None:
            raise Failure("the keeper of the processes is gone")
        self.process.stdin.write(line + "\n")

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def _born(pid):
    """The start time of a process in ticks, which tells it from a later one with its number; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def _keep():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    alive, folders = {}, []
    for line in sys.stdin:
        word = line.rstrip("\n")
        if word.startswith("+"):
            pid, born = word[1:].split()
            alive[int(pid)] = born
        elif word.startswith("-"):
            alive.pop(int(word[1:]), None)
        elif word.startswith("DIR "):
            folders.append(word[4:])
    for pid, born in alive.items():
        if _born(pid) == born:
            kill_tree(pid)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


_keeper = None


def keeper():
    global _keeper
    if _keeper is None:
        _keeper = Keeper()
    return _keeper


def keep(popen):
    """Have the keeper end this process if we can't."""
    keeper().tell(f"+{popen.pid} {_born(popen.pid)}")
    return popen


class Process:
    """One program, its output in a file."""

    def __init__(self, name, argv, log, env=None, cwd=None, **more):
        self.name, self.argv, self.log_path = name, [str(a) for a in argv], log
        self.log_start = os.path.getsize(log) if os.path.exists(log) else 0
        with open(log, "ab") as out:
            self.popen = keep(subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
                                               env={**os.environ, **(env or {})}, start_new_session=True, **more))
        self.pid = self.popen.pid

    @property
    def status(self):
        """None while it runs, else its exit status, negative for a signal."""
        return self.popen.poll()

    def must_run(self):
        if self.status is not None:
            raise Failure(f"{self.name} ended with status {self.status}; its log:\n{self.log_tail()}")

    def log(self):
        with open(self.log_path, errors="replace") as f:
            f.seek(self.log_start)
            return f.read()

    def log_tail(self, lines=40):
        return "\n".join(f"    {line}" for line in self.log().splitlines()[-lines:])

    def send(self, number):
        if self.status is None:
            os.kill(self.pid, number)

    def wait(self, limit):
        """The exit status; Failure if it runs on."""
        try:
            self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still ran after {limit:g} s; its log:\n{self.log_tail()}") from None
        keeper().tell(f"-{self.pid}")
        return self.popen.returncode

    def stop(self, limit=10.0, number=signal.SIGTERM):
        """Ask it to end. Returns its status; one that does not listen is killed, and that is a Failure."""
        self.send(number)
        try:
            return self.wait(limit)
        except Failure:
            self.kill()
            raise

    def kill(self):
        """kill -9, with all it started."""
        if self.status is None:
            kill_tree(self.pid)
            self.popen.wait(10)
            keeper().tell(f"-{self.pid}")

    def freeze(self):
        stop_tree(self.pid)

    def thaw(self):
        signal_all(children_of(self.pid), signal.SIGCONT)

    def cpu_s(self):
        """User and system seconds of CPU so far."""
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0


def run(argv, limit=60, env=None, check=True, **more):
    """Run to the end, output captured as text."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=limit, env={**os.environ, **(env or {})}, check=False, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(str(a) for a in argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__" and sys.argv[1:] == ["keep"]:
    _keep()
