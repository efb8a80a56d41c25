# SPDX-License-Identifier: Apache-2.0
"""How late the machine itself is, for promises that have a time."""

import threading
import time

STEP_S = 0.01


class Lateness(threading.Thread):
    """`with` it, it asks to be woken a hundred times a second; `worst_s` is by how many seconds that was late at most. What a program
    promises for a certain moment may come later by that much on a machine that stood still, or had no turn for anybody."""

    def __init__(self):
        super().__init__(name="lateness", daemon=True)
        self.worst_s, self.over = 0.0, threading.Event()

    def run(self):
        while not self.over.is_set():
            asked = time.monotonic()
            time.sleep(STEP_S)
            self.worst_s = max(self.worst_s, time.monotonic() - asked - STEP_S)

    @classmethod
    def sleep(cls, seconds):
        """Until what takes so long at most has happened, on this machine."""
        if seconds > 0:
            with cls() as late:
                time.sleep(seconds)
            time.sleep(late.worst_s)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
