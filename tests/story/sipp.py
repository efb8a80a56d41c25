# SPDX-License-Identifier: Apache-2.0
"""sipp as a source and a sink of calls, where numbers count more than words. Scenarios: tests/story/scenarios."""

import csv
import glob
import os
import socket

from .process import Failure, Process, free_port, wait_for

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios")


class Sipp(Process):
    def __init__(self, name, folder, scenario, host, words, port=None):
        self.folder = os.path.join(folder, f"sipp-{name}")
        os.makedirs(self.folder, exist_ok=True)
        self.host, self.port = host, port or free_port(host)
        self.stat_path = os.path.join(self.folder, "stat.csv")
        if os.path.exists(self.stat_path):
            os.unlink(self.stat_path)
        argv = ["sipp", "-sf", os.path.join(SCENARIOS, scenario + ".xml"), "-i", host, "-p", self.port, "-mi", host,
                "-nostdin", "-trace_stat", "-stf", self.stat_path, "-fd", "1", "-trace_err", "-error_file",
                os.path.join(self.folder, "error.txt"), "-skip_rlimit", "-buff_size", 4 << 20, *words]
        super().__init__(f"sipp-{name}", argv, os.path.join(self.folder, "screen.txt"), {"TERM": "xterm"}, cwd=self.folder)

    def stats(self):
        """The last line of its statistics, by column; {} before the first."""
        try:
            with open(self.stat_path, newline="") as f:
                rows = [r for r in csv.DictReader(f, delimiter=";") if None not in r.values()]
        except OSError:
            return {}
        return rows[-1] if rows else {}

    def counts(self):
        """(calls made, succeeded, failed)"""
        s = self.stats()
        return tuple(int(s.get(k, 0) or 0) for k in ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)"))

    def errors(self, lines=10):
        text = []
        for path in glob.glob(os.path.join(self.folder, "*error*")):
            with open(path, errors="replace") as f:
                text += f.read().splitlines()
        return "\n".join(text[:lines])

    def listening(self):
        self.must_run()
        at = f"{socket.inet_aton(self.host)[::-1].hex().upper()}:{self.port:04X}"
        with open("/proc/net/udp") as f:
            return any(line.split()[1] == at for line in f.readlines()[1:])


def vendor(name, folder, host, scenario="uas", ring_ms=0, port=None):
    """A sink of calls; ready when this returns. SIGKILL ends it at once (it keeps nothing)."""
    words = ["-d", ring_ms] + (["-deadcall_wait", "0"] if scenario == "uas" else [])
    s = Sipp(name, folder, scenario, host, words, port)
    wait_for(f"sipp's port for {name}", s.listening, 10)
    return s


def numbers_file(path, pairs):
    """Called and calling numbers, used in order."""
    with open(path, "w") as f:
        f.write("SEQUENTIAL\n" + "".join(f"{called};{calling}\n" for called, calling in pairs))
    return path


def caller(name, folder, host, switch, numbers, talk_ms, scenario="uac", calls=None, rate=1.0, limit=10000, more=()):
    """A source of calls: `calls` of them (None: without end) at `rate` a second. switch: (host, port)."""
    words = [f"{switch[0]}:{switch[1]}", "-inf", numbers, "-d", talk_ms, "-r", rate, "-l", limit, *more]
    if calls is not None:
        words += ["-m", calls]
    return Sipp(name, folder, scenario, host, words)


def finish(source, limit):
    """Wait for a source's end; all its calls must have succeeded. Its counts."""
    try:
        status = source.wait(limit)
    except Failure:
        raise Failure(f"{source.name} still ran after {limit:g} s: calls made, good, failed: {source.counts()}; it says:\n"
                      f"{source.errors()}") from None
    made, good, failed = source.counts()
    if status != 0 or failed or good != made:
        raise Failure(f"{source.name}: {good} of {made} calls succeeded, {failed} failed (status {status}); it says:\n{source.errors()}")
    return made, good, failed
