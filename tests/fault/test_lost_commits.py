# SPDX-License-Identifier: Apache-2.0
"""A database that lacks what it had confirmed: a standby took over without the last commits, or the disk was put back. The records
come in again from the spool, each once, with their bookings."""

import os
import sqlite3
import subprocess
import time
from decimal import Decimal

from story import Story, wait_for


class LostCommits(Story):
    stack_options = {"workers": 1, "durable": True}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def sql(self, text):
        return self.stack.postgres.psql(text)

    def calls(self, n):
        """Their ids, once they are in the database."""
        numbers = [self.number() for _ in range(n)]
        for called in numbers:
            call, leg = self.answered(self.customer, self.vendor, called)
            time.sleep(0.02)  # talk that costs something
            call.request("BYE")
            leg.expect("BYE")
            leg.reply(200)
            call.expect(200)
        listed = "', '".join(numbers)
        wait_for("the CDRs", lambda: int(self.sql(f"select count(*) from cdrs where called_in in ('{listed}')")) == n, 10)
        return set(self.sql(f"select id from cdrs where called_in in ('{listed}')").split())

    def copy(self, source, target):
        """A folder of PostgreSQL's, with owners and all."""
        subprocess.run(["rm", "-rf", target], check=True)
        subprocess.run(["cp", "-a", source, target], check=True)

    def back_up(self):
        self.stack.postgres.stop()
        self.copy(self.stack.postgres.data, self.stack.postgres.data + ".kept")
        self.stack.postgres.start()

    def goes_back(self):
        """The database is again as it was at back_up."""
        self.stack.postgres.stop()
        self.copy(self.stack.postgres.data + ".kept", self.stack.postgres.data)
        self.stack.postgres.start()

    def whole(self, ids):
        def there():
            return set(self.sql("select id from cdrs").split()) == ids

        wait_for("every CDR", there, 20, 0.2)
        self.assertEqual(self.sql("select count(*), count(distinct cdr_id) from ledger where kind = 'charge'"), f"{len(ids)}|{len(ids)}")
        self.assertEqual(self.sql("select count(*), count(distinct cdr_id) from ledger where kind = 'cost'"), f"{len(ids)}|{len(ids)}")
        self.assertEqual(self.sql("select count(*) from cdr_attempts"), str(len(ids)))
        for carrier, sign, side in ((self.customer, -1, "sell"), (self.vendor, 1, "buy")):
            balance = self.sql(f"select balance from balances where carrier_id = {carrier['carrier']['id']}")
            self.assertEqual(Decimal(balance), sign * Decimal(self.sql(f"select sum({side}_amount) from cdrs")))
        self.assertEqual(self.sql("select sum(calls) from stats_hours where slice = 0"), str(len(ids)))
        self.stack.tandem("cdr", "verify")

    def test_what_was_confirmed_and_lost_comes_again(self):
        ids = self.calls(3)
        self.back_up()
        ids |= self.calls(4)
        self.goes_back()
        ids |= self.calls(2)
        self.whole(ids)
        self.assertIn('msg="the database lost CDRs that it had confirmed: those kept here are posted again" lost=4 kept=4',
                      self.stack.node.process.log())

        # The node itself was away meanwhile.
        self.back_up()
        ids |= self.calls(3)
        self.stack.node.stop()
        self.goes_back()
        self.assertEqual(int(self.sql("select count(*) from cdrs")), len(ids) - 3)
        self.stack.node.start()
        self.whole(ids)

        # Nothing is lost by a mere restart, and nothing posted again.
        said = self.stack.node.process.log().count("the database lost CDRs")
        self.stack.postgres.stop()
        self.stack.postgres.start()
        ids |= self.calls(1)
        self.whole(ids)
        self.assertEqual(self.stack.node.process.log().count("the database lost CDRs"), said)


class NotKept(LostCommits):
    """[spool] keep = 0s: what is lost is told, and nothing else suffers."""

    stack_options = {"workers": 1, "durable": True, "settings": {"spool": {"keep": "0s"}}}

    def test_what_was_confirmed_and_lost_comes_again(self):
        ids = self.calls(1)
        self.back_up()
        self.calls(2)
        wait_for("nothing kept", lambda: self.kept() == 0, 5)
        self.goes_back()
        ids |= self.calls(1)
        self.assertEqual(set(self.sql("select id from cdrs").split()), ids)
        self.assertIn("lost=2 kept=0", self.stack.node.process.log())
        done = self.stack.tandem("cdr", "verify", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("deleted: 2 to 3", done.stderr)

    def kept(self):
        path = os.path.join(self.stack.node.folder, "spool", "spool.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute("select count(*) from records").fetchone()[0]
