# SPDX-License-Identifier: Apache-2.0
"""The console in headless Chromium, over real calls. TANDEM_PICTURES=DIR keeps a picture of each page there."""

import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

from story import Talk, wait_for
from story.process import Failure

HERE = os.path.dirname(os.path.abspath(__file__))
SHEET = "prefix,destination,price\n44,United Kingdom,0.0110\n49,Germany,0.0102\n33,France,0.0082\n34,Spain,0.0125\n"
RATES = {"44": ("United Kingdom", "0.0120", "0.0085", "0.0071"), "49": ("Germany", "0.0150", "0.0102", "0.0098"),
         "33": ("France", "0.0135", "0.0090", "0.0111"), "1212": ("USA New York", "0.0060", "0.0031", "0.0042")}


class Console(Talk):
    stack_options = {"settings": {"sip": {"invite_timeout": "1h"}}}  # a call rings until the browser hangs it up, however slow it is

    @classmethod
    def provision(cls, stack):
        side = lambda i: {p: {"price": r[i], "destination": r[0]} for p, r in RATES.items()}
        cls.vendor = stack.vendor("Atlas Carrier", side(2), trunk={"ring_timeout": 3600})
        cls.second = stack.vendor("Borea Transit", side(3), trunk={"ring_timeout": 3600})
        cls.customer = stack.customer("Harbour Telecom", side(1), [cls.vendor, cls.second], carrier={"low_balance": "5"})
        stack.vendor("Cirrus Voice", {"999": "0.5"})

    def talk(self, called, vendor, seconds):
        """A call that the first vendor refuses unless it is its own, then talks."""
        order = [r["trunk_id"] for r in self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)["routes"]]
        call = self.customer["peer"].invite(called)
        first = self.vendor if order[0] == self.vendor["id"] else self.second
        leg = first["peer"].expect_call()
        if vendor != "first":
            leg.reply(503)
            leg.expect("ACK")
            other = self.second if first is self.vendor else self.vendor
            leg = other["peer"].expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        time.sleep(seconds)  # the talk itself
        return call, leg

    def calls_made(self):
        for i, (prefix, seconds) in enumerate([("44", 1.2), ("49", 2.1), ("33", 0.8), ("1212", 1.5)]):
            call, leg = self.talk(self.number(prefix + "7"), "first", seconds)
            self.ends(call, leg)
        called = self.number("447")
        call, leg = self.talk(called, "second", 1.4)
        self.ends(leg, call)
        busy = self.customer["peer"].invite(self.number("497"))
        leg = self.second["peer"].expect_call()
        leg.reply(486)
        busy.expect(486)
        for i in range(8):
            self.ends(*self.talk(self.number(("44", "49", "33", "1212")[i % 4] + "7"), "first", 0.1 * i))
        wait_for("14 CDRs", lambda: len(self.stack.api.items("/v1/cdrs")) >= 14)
        wait_for("the alert of a low balance", lambda: self.stack.api.items("/v1/alerts"))
        return called

    def test_every_page_is_served_with_its_policy_and_nothing_inline(self):
        with urllib.request.urlopen(self.stack.api.base + "/", timeout=10) as answer:
            page, headers = answer.read().decode(), answer.headers
        self.assertIn("default-src 'none'; script-src 'self'; style-src 'self'", headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", headers["Content-Security-Policy"])
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertNotIn("style=", page)
        status, _ = self.stack.api.call("GET", "/", headers={"If-None-Match": headers["ETag"]})
        self.assertEqual(status, 304)
        for path in ("/console/nothing.js", "/console/..%2fmain.js", "/console/.hidden", "/console/main.js/x"):
            self.assertIn(self.stack.api.call("GET", path)[0], (400, 404), path)

    def test_people_work_with_every_page(self):
        hunted = self.calls_made()
        self.stack.postgres.psql("select rerate_book(ingress_carrier_id, 'sell', 'story', array[id], array[sell_amount], array[0.0005], "
                                 f"array['44'], array[0.0150], array[2]::bigint[]) from cdrs where called_in = '{hunted}'")
        self.stack.api.post("/v1/exports")
        talking = self.number("337")
        live, leg = self.talk(talking, "first", 0)
        ringing = self.customer["peer"].invite(self.number("447"))
        bell = self.second["peer"].expect_call()
        bell.reply(180)
        ringing.expect(180)
        pictures = os.environ.get("TANDEM_PICTURES") or tempfile.mkdtemp(prefix="pictures-", dir=self.stack.folder)
        sheet = os.path.join(self.stack.folder, "sheet.csv")
        with open(sheet, "w", encoding="utf-8") as f:
            f.write(SHEET)
        if shutil.which("chromium") is None or shutil.which("node") is None:
            raise Failure("chromium or node is missing: scripts/deps browser")
        done = subprocess.run(["node", os.path.join(HERE, "console.mjs"), self.stack.api.base, self.stack.api.key, pictures, sheet, hunted,
                               talking], capture_output=True, text=True, timeout=420, check=False)
        if done.returncode != 0:
            raise Failure(f"the browser's part failed:\n{done.stdout}{done.stderr}")
        print(done.stdout, end="")
        self.is_told_bye(live, leg)
        ringing.expect(480, method="INVITE")
        self.is_cancelled(bell)
