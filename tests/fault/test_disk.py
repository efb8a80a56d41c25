# SPDX-License-Identifier: Apache-2.0
"""The spool's disk runs full: new calls are refused before a CDR could be lost, and taken again when there is room."""

import errno
import os
import time

from story import Story, wait_for

class Disk(Story):
    """tandemd alone sees a tmpfs of `size` bytes where its spool is; the story reaches it through its process."""

    size = 0

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        stack.node.stop()
        spool = os.path.join(stack.node.folder, "spool")
        root = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        stack.node.inside = ["unshare", *root, "--mount", "--", "sh", "-c", f'mount -t tmpfs -o size={cls.size} spool "$0" && exec "$@"', spool]
        stack.node.start()
        cls.spool = f"/proc/{stack.node.process.pid}/root{spool}"

    def tearDown(self):
        """Whatever happened, the next story has its disk."""
        if os.path.exists(self.filler):
            os.unlink(self.filler)
        if self.stack.postgres.process is None:
            self.stack.postgres.start()
        super().tearDown()

    def setUp(self):
        super().setUp()
        self.filler = os.path.join(self.spool, "filler")
        disk = os.statvfs(self.spool)
        self.assertEqual(disk.f_blocks * disk.f_frsize, self.size, "the spool is on the small disk")
        wait_for("a call that is taken", self.taken, 10, 0.2)
        self.told = len(self.log())

    def log(self):
        """All that tandemd said."""
        return self.stack.node.process.log()

    def says(self, words):
        wait_for(words, lambda: words in self.log()[self.told:], 15, 0.1)

    def leave(self, free):
        """Fill the disk until so much is left; False: somebody else was quicker."""
        with open(self.filler, "ab") as f:
            disk = os.fstatvfs(f.fileno())
            more = disk.f_bavail * disk.f_frsize - free
            try:
                if more > 0:
                    os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, more)
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise
                return False
        return True

    def attempt(self):
        """One call after the other may be refused; (number, its two ends), or None for 503."""
        called = self.number()
        call = self.customer["peer"].invite(called)
        if call.expect((100, 503)).code == 503:
            return None
        leg = self.vendor["peer"].expect_call()
        self.answer(call, leg)
        return called, call, leg

    def end(self, talk):
        _, call, leg = talk
        call.bye()
        leg.expect("BYE")
        leg.reply(200)

    def taken(self):
        talk = self.attempt()
        if talk is not None:
            self.end(talk)
        return talk is not None

    def each_has_one_cdr(self, numbers):
        listed = "', '".join(numbers)

        def stored():
            return self.stack.postgres.psql(f"select count(distinct called_in), count(*) from cdrs where called_in in ('{listed}') "
                                            "and answered_at is not null") == f"{len(numbers)}|{len(numbers)}"
        wait_for(f"{len(numbers)} CDRs, each once", stored, 15, 0.2)

    def fills_without_postgresql(self, most):
        """PostgreSQL away, calls one after the other until 503, then PostgreSQL back: each call that was taken has its CDR, no write
        ever failed, and calls are taken again. most: so many calls are more than the disk can hold. Returns how many it took."""
        self.stack.postgres.stop()
        talking, ended, refused = [self.attempt() for _ in range(5)], [], 0
        self.assertNotIn(None, talking)
        while refused == 0 or "little disk is left for CDRs" not in self.log()[self.told:]:
            talk = self.attempt()
            if talk is None:  # for a moment only, as long as calls that have just ended hold their places
                refused += 1
                time.sleep(0.02)
                continue
            self.end(talk)
            ended.append(talk[0])
            self.assertLess(len(ended), most, "calls are let in for ever")
        for talk in talking:
            self.end(talk)
        self.stack.postgres.start()
        self.each_has_one_cdr(ended + [t[0] for t in talking])
        wait_for("calls again", self.taken, 10, 0.2)
        self.assertNotIn("cannot be written", self.log()[self.told:])
        return len(ended)


class SmallDisk(Disk):
    """Large enough for what a spool keeps free on any disk, and a little more."""

    size = 64 << 20
    reserve = 16 << 20

    def test_without_postgresql_the_disk_fills_and_no_cdr_is_lost(self):
        """What the reserve is for: no write ever fails. PostgreSQL back is room enough."""
        wait_for("a disk that is nearly full", lambda: self.leave(self.reserve + (1 << 20)))
        self.assertGreater(self.fills_without_postgresql(3000), 10)

    def test_a_disk_filled_by_others_keeps_the_cdrs_waiting(self):
        """Not a byte is left: new calls are 503, what talks ends as ever, and its CDR waits in memory for room."""
        talking = [self.attempt() for _ in range(5)]
        self.assertNotIn(None, talking)
        wait_for("a write that fails", lambda: self.leave(0) and "CDRs cannot be written to disk" in self.log()[self.told:], 15)
        self.says("little disk is left for CDRs")
        self.assertIsNone(self.attempt(), "503")
        for talk in talking:
            self.end(talk)
        self.assertIsNone(self.attempt(), "503 still")
        self.stack.node.process.must_run()
        os.unlink(self.filler)
        self.says("CDRs are written to disk again")
        wait_for("calls again", self.taken, 10, 0.2)
        self.each_has_one_cdr([t[0] for t in talking])


class TinyDisk(Disk):
    """Smaller than what a spool keeps free elsewhere: a quarter of it is kept."""

    size = 2 << 20

    def test_the_smallest_disk_fills_and_takes_calls_again(self):
        self.assertGreater(self.fills_without_postgresql(2500), 300)

    def test_what_postgresql_has_makes_room_for_as_many(self):
        """The second time, too: what was confirmed is let go of, and not kept for a while as on a disk with room."""
        self.fills_without_postgresql(2500)
        wait_for("room for many", lambda: all([self.taken() for _ in range(50)]), 10, 0.2)
        self.assertGreater(self.fills_without_postgresql(2500), 100)
