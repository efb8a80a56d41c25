# SPDX-License-Identifier: Apache-2.0
"""What Prometheus is shown of calls, of the CDRs that wait, and of each node's PostgreSQL and Redis."""

import re

from story import Talk
from story.api import Api
from story.process import wait_for

LINE = re.compile(r"^(tandem_\w+)(?:\{(.*)\})? (\S+)$", re.M)


class Figures(Talk):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def shown(self):
        return {(name, labels): float(value) for name, labels, value in LINE.findall(self.stack.api.call("GET", "/metrics")[1])}

    def figure(self, name, **labels):
        """It, or None."""
        text = ",".join(f'{k}="{v}"' for k, v in {"node": "sw1", **labels}.items())
        return self.shown().get((f"tandem_{name}", text))

    def becomes(self, value, name, limit=8, **labels):
        wait_for(f"{name} {labels} to be {value}", lambda: self.figure(name, **labels) == value, limit)

    def buckets(self):
        found = [(float(labels.split('le="')[1].rstrip('"')), n) for (name, labels), n in self.shown().items()
                 if name == "tandem_node_setup_seconds_bucket"]
        self.assertEqual(found, sorted(found))  # by bound, and each has what those below it have
        self.assertEqual([n for _, n in found], sorted(n for _, n in found))
        return dict(found)

    def refused_with(self, code):
        call = self.customer["peer"].invite(self.number())
        leg = self.vendor["peer"].expect_call()
        leg.reply(code)
        leg.expect("ACK")
        call.expect(code)
        call.ack()

    def test_setup_times_are_a_histogram_of_calls_that_were_reached(self):
        self.becomes(1, "node_up")
        before, count, total = self.buckets(), self.figure("node_setup_seconds_count"), self.figure("node_setup_seconds_sum")
        asked, answered = self.figure("node_calls_total"), self.figure("node_answered_total")
        call, leg = self.up()
        self.refused_with(486)  # heard nothing but the refusal: not in the histogram
        slow = self.customer["peer"].invite(self.number())
        late = self.vendor["peer"].expect_call()
        slow.expect_silence(1.1)
        late.reply(180)
        slow.expect(180)
        self.becomes(count + 2, "node_setup_seconds_count")
        after = self.buckets()
        grown = {le: after[le] - before[le] for le in after}
        self.assertEqual((grown[0.01] <= 1, grown[1.0], grown[5.0], grown[float("inf")]), (True, 1, 2, 2))
        self.assertLess(1.05, self.figure("node_setup_seconds_sum") - total)
        self.assertLess(self.figure("node_setup_seconds_sum") - total, 6)
        self.assertEqual((self.figure("node_calls_total") - asked, self.figure("node_answered_total") - answered), (3, 1))
        self.assertEqual((self.figure("node_calls"), self.figure("node_spool_open_calls")), (2, 1))
        self.cancelled(slow, late)
        self.ends(call, leg)
        self.becomes(0, "node_spool_open_calls")

    def attempts(self, code):
        return self.figure("vendor_attempts_total", trunk_id=self.vendor["id"], code=code) or 0

    def test_attempts_are_counted_by_vendor_and_code(self):
        """An answered one when its call is over."""
        before = {code: self.attempts(code) for code in (200, 486, 0)}
        for _ in range(2):
            self.refused_with(486)
        self.ends(*self.up())
        self.cancelled(*self.ringing(self.number()))
        for code, n in ((486, 2), (200, 1), (0, 1)):
            self.becomes(before[code] + n, "vendor_attempts_total", trunk_id=self.vendor["id"], code=code)

    def test_the_spool_fills_and_drains_with_postgresql(self):
        self.becomes(1, "node_database_up")
        self.becomes(0, "node_spool_records")
        posted = self.figure("node_spool_posted_total")
        self.stack.postgres.stop()
        self.becomes(0, "node_database_up")  # with the key that was seen a moment ago
        wait_for("the API to miss it", lambda: self.shown()[("tandem_database_up", "")] == 0, 8)
        self.assertEqual(Api(self.stack.api.base, "nobody").call("GET", "/metrics")[0], 503)
        called = self.number()
        call, leg = self.up(called)
        self.ends(call, leg)
        self.becomes(1, "node_spool_records")
        wait_for("the record's age", lambda: self.figure("node_spool_oldest_seconds") > 1, 8)
        self.assertLess(self.figure("node_spool_oldest_seconds"), 15)
        self.stack.postgres.start()
        self.becomes(0, "node_spool_records", 15)
        self.becomes(0, "node_spool_oldest_seconds")
        self.becomes(1, "node_database_up")
        self.assertEqual(self.figure("node_spool_posted_total"), posted + 1)
        self.stack.api.cdr(called=called)

    def test_zz_a_time_without_redis_is_counted(self):
        self.becomes(1, "node_up")
        lost, away = self.figure("node_redis_lost_total"), self.figure("node_redis_away_seconds_total")
        self.stack.redis.stop()
        wait_for("the node to miss it", lambda: "redis away: limits hold" in self.stack.node.process.log(), 8)
        self.assertIsNone(self.figure("node_calls"))
        self.stack.redis.start()
        self.becomes(lost + 1, "node_redis_lost_total", 15)
        self.assertLess(away, self.figure("node_redis_away_seconds_total"))

    def test_zzz_a_node_that_died_shows_as_down(self):
        self.becomes(1, "node_up")
        self.stack.node.kill()
        self.becomes(0, "node_up", 10)
        self.assertIsNone(self.figure("node_calls"))
        self.stack.node.start()
        self.becomes(1, "node_up")
