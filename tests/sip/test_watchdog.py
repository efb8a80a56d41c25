# SPDX-License-Identifier: Apache-2.0
"""systemd's watchdog is fed for as long as every SIP thread turns, and no longer."""

import ctypes
import os
import time

from story import Failure, Story, wait_for
from story.stack import Daemon, program

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
WATCHDOG_S = 1.2


def ptrace(request, tid):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    if libc.ptrace(request, tid, None, None) != 0:
        raise Failure(f"ptrace of thread {tid}: {os.strerror(ctypes.get_errno())}")


class Watchdog(Story):
    """One node with two workers, started as systemd would."""

    stack_options = {"workers": 2}

    def test_one_thread_that_hangs_starves_it(self):
        node = self.stack.node
        node.stop()
        process = Daemon("watched", [program("tandemd"), "-c", node.config], os.path.join(node.folder, "watched.log"),
                         {"WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))})
        try:
            process.wait_ready()
            self.fed(process)
            tid = self.worker(process)
            ptrace(PTRACE_SEIZE, tid)
            ptrace(PTRACE_INTERRUPT, tid)
            os.waitpid(tid, WALL)
            time.sleep(WATCHDOG_S)  # what was asked before is answered and told
            process.said.discard("WATCHDOG=1")
            time.sleep(2 * WATCHDOG_S)
            self.assertNotIn("WATCHDOG=1", process.said)
            ptrace(PTRACE_DETACH, tid)
            self.fed(process)
        finally:
            process.stop()

    def fed(self, process):
        process.said.discard("WATCHDOG=1")
        wait_for("WATCHDOG=1", lambda: "WATCHDOG=1" in process.said, 3 * WATCHDOG_S)

    def worker(self, process):
        """The second worker's thread."""
        for tid in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{tid}/comm") as f:
                if f.read().strip() == "sip-1":
                    return int(tid)
        raise Failure("no thread is named sip-1")
