#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""runner - tell the stories of some files, one line each, and count.

A failure shows the line of the story that broke, what each peer saw, and the end of each log. The counts
"PASSED FAILED" are appended to FILE. Exit status 1 if a story failed. TANDEM_BUILD names the build directory
(default ./build); TANDEM_STORY_KEEP=1 keeps the folders under ./var/story.

Stories mostly wait. With --jobs N, N files run side by side, each in a process of its own, and a file's lines are
shown together when it ends. A file that says ALONE = True (it loads the machine, or counts milliseconds) runs with
nothing beside it, after the others. So does, once more, a file that failed: it is judged by what it does then, and what
it did before stays to be read. A crash or a sanitizer's report is never taken back. --broken FILE gathers what failed.
"""

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TESTS)


class Lines(unittest.TestResult):
    """One line a story."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self.began = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def _line(self, word, test):
        name = test.id()
        took = ""
        if isinstance(test, unittest.TestCase):
            name, took = name.split(".", 1)[-1].replace("_", " "), f" ({time.monotonic() - self.began:.1f} s)"
        print(f"{word:4} {name}{took}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self._line("ok", test)

    def _broken(self, test, err):
        self.failed += 1
        self._line("FAIL", test)
        kind, value, tb = err
        frames = [f for f in traceback.extract_tb(tb) if "/unittest/" not in f.filename and "/tests/story/" not in f.filename]
        for f in frames:
            print(f"  {os.path.relpath(f.filename)}:{f.lineno}: {f.line}")
        from story.process import Failure
        print(f"  {value}" if isinstance(value, Failure) else "  " + "".join(traceback.format_exception(kind, value, tb)))
        stack = getattr(test, "stack", None)
        if stack is not None:
            try:
                print(stack.told())
            except OSError as e:
                print(f"  (no logs: {e})")
        sys.stdout.flush()

    def addFailure(self, test, err):
        self._broken(test, err)

    def addError(self, test, err):
        self._broken(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            subtest.stack = getattr(test, "stack", None)
            self._broken(subtest, err)

    def addSkip(self, test, reason):
        self._broken(test, (AssertionError, AssertionError(f"skipped: {reason}"), None))


def load(path):
    name = os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def told_in(module):
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def chosen(suite, only):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, only)
        elif only is None or only in test.id():
            yield test


def options(argv):
    p = argparse.ArgumentParser(prog="runner.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", metavar="WORD", help="only stories whose name holds WORD")
    p.add_argument("--counts", metavar="FILE", help="append PASSED FAILED to FILE")
    p.add_argument("--broken", metavar="FILE", help="append what failed to FILE")
    p.add_argument("--jobs", metavar="N", type=int, default=1, help="files to run side by side (default 1)")
    p.add_argument("files", nargs="+", metavar="FILE")
    o = p.parse_intermixed_args(argv)
    missing = [path for path in o.files if not os.path.exists(path)]
    if missing:
        p.error(f"there is no {missing[0]}")
    return o


# A program that a story kills itself ends by signal 9, and one that it stops by 15.
NEVER_TAKEN_BACK = re.compile(r"a sanitizer's report|ended with status -(?!(9|15)\b)")


class FileRun:
    """One file's stories in a process of their own, with ports of their own; what they say waits in a file until the end."""

    def __init__(self, path, only, slot, jobs):
        self.path, self.slot = path, slot
        self.passed = self.failed = 0
        self.final = False  # telling it again changes nothing
        self.lines = []
        share = 20000 // jobs
        ports = f"{12000 + slot * share}-{12000 + (slot + 1) * share}"
        self.said = tempfile.TemporaryFile()
        self.counts = tempfile.NamedTemporaryFile(prefix="counts-")
        argv = [sys.executable, "-B", os.path.abspath(__file__), "--counts", self.counts.name, path]
        self.process = subprocess.Popen(argv + (["--only", only] if only else []), stdout=self.said, stderr=subprocess.STDOUT,
                                        env=dict(os.environ, TANDEM_STORY_PORTS=ports))

    def ended(self):
        return self.process.poll() is not None

    def finish(self):
        """Shows what it said and counts; a process that dies without its counts is a failure."""
        self.said.seek(0)
        self.lines = self.said.read().decode(errors="replace").splitlines()
        self.said.close()
        if self.lines and self.lines[-1].endswith(" failed"):
            self.lines.pop()
        self.final = any(NEVER_TAKEN_BACK.search(line) for line in self.lines)
        with open(self.counts.name) as f:
            counted = f.read().split()
        self.counts.close()
        if self.process.returncode in (0, 1) and len(counted) == 2:
            self.passed, self.failed = int(counted[0]), int(counted[1])
        else:
            self.failed = 1
            self.lines.append(f"FAIL {os.path.relpath(self.path)} ended with status {self.process.returncode}")
        if any(line.startswith("Exception in thread") for line in self.lines):
            self.failed += 1
            self.lines.append(f"FAIL {os.path.relpath(self.path)} has a thread that ended by an exception")
        print(f"-- {os.path.relpath(self.path)}", *self.lines, sep="\n", flush=True)

    def broken(self):
        """the lines of its failures: each from FAIL to the next story"""
        inside = False
        for line in self.lines:
            inside = line.startswith("FAIL ") or (inside and not line.startswith("ok   "))
            if inside:
                yield line

    def stop(self):
        self.process.terminate()
        self.process.wait()


def side_by_side(paths, jobs, only):
    """[FileRun, ...], ended"""
    told, running = [], []
    waiting, slots = list(paths), list(range(jobs))
    try:
        while waiting or running:
            while waiting and slots:
                running.append(FileRun(waiting.pop(0), only, slots.pop(), jobs))
            time.sleep(0.05)
            for run in [r for r in running if r.ended()]:
                running.remove(run)
                slots.append(run.slot)
                run.finish()
                told.append(run)
    finally:
        for run in running:
            run.stop()
    return told


def beside_then_alone(paths, jobs, only, broken):
    """(passed, failed). What failed at first and what failed in the end is appended to the file `broken`, if there is one."""
    alone = [path for path in paths if getattr(load(path), "ALONE", False)]
    told = side_by_side([path for path in paths if path not in alone], jobs, only) + side_by_side(alone, 1, only)
    again = [run for run in told if run.failed and not run.final]
    if again:
        print("-- once more, alone:", *(os.path.relpath(run.path) for run in again), flush=True)
    last = [run for run in told if run not in again] + side_by_side([run.path for run in again], 1, only)
    if broken:
        with open(broken, "a") as f:
            for run in again:
                print(f"-- {os.path.relpath(run.path)}, at first", *run.broken(), sep="\n", file=f)
            for run in last:
                if run.failed:
                    print(f"-- {os.path.relpath(run.path)}", *run.broken(), sep="\n", file=f)
    return sum(run.passed for run in last), sum(run.failed for run in last)


def one_by_one(paths, only):
    result = Lines()
    for path in paths:
        unittest.TestSuite(chosen(told_in(load(path)), only)).run(result)
    return result.passed, result.failed


def main(argv):
    o = options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    try:
        if o.jobs > 1:
            passed, failed = beside_then_alone(o.files, o.jobs, o.only, o.broken)
        else:
            passed, failed = one_by_one(o.files, o.only)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    except Exception:
        traceback.print_exc()
        failed += 1
    finally:
        if o.counts:
            with open(o.counts, "a") as f:
                f.write(f"{passed} {failed}\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
