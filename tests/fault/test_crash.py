# SPDX-License-Identifier: Apache-2.0
"""What breaks breaks no record: tandemd killed, PostgreSQL stopped or hung, Redis gone, in the middle of calls."""

import os
import re
import time

from story import Failure, Story, sipp, wait_for


class Crash(Story):
    """50 calls a second through one node, PostgreSQL with fsync."""

    stack_options = {"workers": 2, "durable": True}
    rate, talk_ms = 50, 1000

    @classmethod
    def provision(cls, stack):
        cls.vendor_host, cls.caller_host = "127.0.0.31", "127.0.0.32"
        cls.end = sipp.vendor("vendor", stack.folder, cls.vendor_host)
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, host=cls.vendor_host, port=cls.end.port)
        caller = stack.peer("caller", cls.caller_host)
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], peer=caller)

    @classmethod
    def tearDownClass(cls):
        cls.end.kill()
        super().tearDownClass()

    def load(self, name, calls):
        """A source of `calls` calls, each with a calling number of its own; it logs when each ended well."""
        self.first = 4930 * 10**6 + next(self._numbers) * 10**5
        pairs = [(f"1212{i % 10**7:07d}", self.first + i) for i in range(calls)]
        numbers = sipp.numbers_file(os.path.join(self.stack.folder, f"{name}.csv"), pairs)
        self.ended_log = os.path.join(self.stack.folder, f"{name}-ended.txt")
        return sipp.caller(name, self.stack.folder, self.caller_host, self.stack.node.address, numbers, self.talk_ms,
                           calls=calls, rate=self.rate, more=["-trace_logs", "-log_file", self.ended_log, "-log_overwrite", "false"])

    def ended(self):
        """{calling: when the caller had the 200 for its BYE}, as the source logged it."""
        found = {}
        with open(self.ended_log, errors="replace") as f:
            for line in f:
                m = re.match(r"ended (\d+) .*\t([0-9.]+)$", line)
                if m:
                    found[m.group(1)] = float(m.group(2))
        return found

    def stored(self):
        """{calling: how many CDRs} of this load's answered calls, straight from PostgreSQL."""
        rows = self.stack.postgres.psql("select calling_in, count(*) from cdrs where answered_at is not null and "
                                        f"calling_in between '{self.first}' and '{self.first + 99999}' group by 1")
        return {calling: int(n) for calling, n in (r.split("|") for r in rows.splitlines())}

    def recovered(self):
        return int(self.stack.postgres.psql("select count(*) from cdrs where recovered and disconnect_reason = 'switch_restart' "
                                            f"and calling_in between '{self.first}' and '{self.first + 99999}'"))

    def all_there(self, wanted, limit):
        def complete():
            missing = set(wanted) - set(self.stored())
            if missing:
                raise Failure(f"{len(missing)} of {len(wanted)} CDRs are missing, e.g. {sorted(missing)[:3]}")
            return True

        wait_for("all CDRs in PostgreSQL", complete, limit, 0.2)
        twice = {c: n for c, n in self.stored().items() if n != 1}
        self.assertEqual(twice, {}, "calls with more than one CDR")

    def running(self, source, least):
        """Wait until so many calls have ended well."""
        def enough():
            source.must_run()
            return os.path.exists(self.ended_log) and len(self.ended()) >= least

        wait_for(f"{least} ended calls", enough, 30)

    def test_kill_9_loses_no_call_that_ended_a_second_before(self):
        source = self.load("killed", 2000)
        self.running(source, 250)
        at = time.time()
        self.stack.node.kill()
        source.kill()
        safe = [c for c, when in self.ended().items() if when < at - 1.0]
        self.assertGreater(len(safe), 150)
        self.stack.node.start()
        self.all_there(safe, 15)
        # Calls that talked when it died are closed by the next start, once, and say so.
        closed = wait_for("CDRs of the calls that talked", lambda: self.recovered() >= 10 and self.recovered(), 10, 0.2)
        self.assertLessEqual(closed, 3 * self.rate * self.talk_ms // 1000)
        self.assertEqual([c for c, n in self.stored().items() if n != 1], [], "calls with more than one CDR")

    def test_postgresql_stopped_for_15_s_loses_nothing_and_disturbs_no_call(self):
        source = self.load("stopped", 1250)
        self.running(source, 100)
        self.stack.postgres.stop()
        gone = time.monotonic()
        while time.monotonic() - gone < 15:
            self.stack.node.process.must_run()
            source.must_run()
            time.sleep(0.1)
        self.stack.postgres.start()
        made, _, _ = sipp.finish(source, 60)
        self.assertEqual(made, 1250)
        self.all_there(self.ended(), 15)
        self.assertEqual(len(self.stored()), 1250)

    def test_a_hung_postgresql_loses_nothing_and_disturbs_no_call(self):
        source = self.load("hung", 750)
        self.running(source, 50)
        self.stack.postgres.process.freeze()
        try:
            hung = time.monotonic()
            while time.monotonic() - hung < 8:
                self.stack.node.process.must_run()
                source.must_run()
                time.sleep(0.1)
        finally:
            self.stack.postgres.process.thaw()
        sipp.finish(source, 60)
        self.all_there(self.ended(), 20)
        self.assertEqual(len(self.stored()), 750)

    def test_redis_gone_disturbs_no_call(self):
        source = self.load("redis", 400)
        self.running(source, 50)
        self.stack.redis.stop()
        try:
            sipp.finish(source, 60)
        finally:
            self.stack.redis.start()
        self.all_there(self.ended(), 10)

    def test_a_switch_starts_and_routes_while_both_are_away(self):
        """From its own disk; by the time both are back, every CDR is there."""
        self.stack.node.stop()
        self.stack.postgres.stop()
        self.stack.redis.stop()
        try:
            self.stack.node.start()
            source = self.load("alone", 100)
            sipp.finish(source, 30)
        finally:
            self.stack.redis.start()
            self.stack.postgres.start()
        self.all_there(self.ended(), 10)
