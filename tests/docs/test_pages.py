# SPDX-License-Identifier: Apache-2.0
"""Each command that a page of the manual marks ("```sh run") is run as it stands, on a tandem of its own, in a network of its own
that has the addresses of the examples. What the page says is printed, is printed."""

import ctypes
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from commands import TOP, before, blocks, differs  # noqa: E402
from story.process import Failure, run  # noqa: E402
from story.stack import Stack, program  # noqa: E402

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
ADDRESSES = ["192.0.2.10"] + [f"192.0.2.{n}" for n in (11, 12, 13, 21, 22, 23)]
MARK = "@@block@@"


def setUpModule():
    """A network namespace of our own; without root one inside a user namespace."""
    user, group = os.geteuid(), os.getegid()
    flags = CLONE_NEWNET | (CLONE_NEWUSER if user != 0 else 0)
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        raise Failure(f"no network namespace to be had: {os.strerror(ctypes.get_errno())}")
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    run(["ip", "link", "set", "lo", "up"])
    for address in ADDRESSES:
        run(["ip", "address", "add", f"{address}/32", "dev", "lo"])


class Pages(unittest.TestCase):
    failureException = Failure
    stack = None

    def tearDown(self):
        if self.stack is not None:
            self.stack.stop(quiet=True)
            type(self).stack = None

    def page(self, name):
        pages = [*before(name), name]
        found = [(page, *block) for page in pages for block in blocks(page, "run")]
        stack = Stack(settings={"sip": {"listen": "udp:192.0.2.10:5060"}})
        type(self).stack = stack
        stack.api_port = 8080
        stack.start()
        folder = os.path.join(stack.folder, "page")
        tools = os.path.join(stack.folder, "bin")
        os.mkdir(folder)
        os.mkdir(tools)
        for tool in ("tandem", "tandemd", "tandem-apid"):
            path = os.path.join(tools, tool)
            with open(path, "w") as f:
                f.write(f'#!/bin/sh\nexec {program(tool)} -c {stack.config} "$@"\n')
            os.chmod(path, 0o755)
        script = "set -eu\n" + "".join(f"echo '{MARK}'\n{text}" for _, _, text, _ in found)
        env = {**os.environ, "PATH": tools + ":" + os.environ["PATH"], "KEY": stack.api.key, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["sh", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        printed = done.stdout.split(MARK + "\n")[1:]
        for (page, line, text, expected), output in zip(found, printed):
            wrong = differs(expected, output) if expected is not None else None
            self.assertIsNone(wrong, f"docs/{page}:{line}: {wrong}; all of it:\n{output}{done.stderr}")
            self.assertNotIn("application/problem+json", output)
            self.assertNotRegex(output, r'"status": ?4\d\d', f"docs/{page}:{line}: refused:\n{text}{output}")
        page, line = found[max(0, len(printed) - 1)][:2]
        self.assertEqual(done.returncode, 0, f"docs/{page}:{line}: status {done.returncode}\n{printed[-1:]}\n{done.stderr}")
        self.assertEqual(len(printed), len(found), f"docs/{name}")


def name_of(page):
    return "test_the_commands_of_" + re.sub(r"\W+", "_", page[:-3]) + "_do_what_it_says"


for _page in sorted(os.listdir(os.path.join(TOP, "docs"))):
    if _page.endswith(".md") and blocks(_page, "run"):
        setattr(Pages, name_of(_page), lambda self, page=_page: self.page(page))
