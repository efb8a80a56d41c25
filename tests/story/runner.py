#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""runner - tell the stories of some files, one line each, and count.

A failure shows the line of the story that broke, what each peer saw, and the end of each log. The counts
"PASSED FAILED" are appended to FILE. Exit status 1 if a story failed. TANDEM_BUILD names the build directory
(default ./build); TANDEM_STORY_KEEP=1 keeps the folders under ./var/story.
"""

import argparse
import importlib.util
import os
import signal
import sys
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
    p.add_argument("files", nargs="+", metavar="FILE")
    return p.parse_intermixed_args(argv)


def main(argv):
    o = options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = Lines()
    try:
        for path in o.files:
            unittest.TestSuite(chosen(load(path), o.only)).run(result)
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    finally:
        if o.counts:
            with open(o.counts, "a") as f:
                f.write(f"{result.passed} {result.failed}\n")
    print(f"{result.passed} passed, {result.failed} failed")
    return 1 if result.failed or not result.passed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
