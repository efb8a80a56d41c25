# SPDX-License-Identifier: Apache-2.0
"""Low balances and owed money: raised once, cleared by themselves, sent by mail and to a webhook, tried again."""

import http.server
import json
import os
import shutil

from story import wait_for
from story.described import ApiStory
from story.http_server import HttpServer
from story.process import free_port


class Hook(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the server's `code`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tries += 1
        if self.server.code == 200:
            self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


class Alerts(ApiStory):
    port = free_port(udp=False)
    box = f"/tmp/tandem-story-mail-{os.getpid()}"
    stack_options = {"nodes": 0, "settings": {"alerts": {"mail": "ops@example.net", "sendmail": f"{box}/sendmail",
                                                        "webhook": f"http://127.0.0.1:{port}/hook?a=1"}}}

    @classmethod
    def setUpClass(cls):
        os.makedirs(cls.box, exist_ok=True)
        with open(os.open(f"{cls.box}/sendmail", os.O_CREAT | os.O_WRONLY, 0o755), "w") as f:
            f.write(f'#!/bin/sh\ntest -e {cls.box}/broken && exit 75\necho "$*" >> {cls.box}/mail\ncat >> {cls.box}/mail\n')
        cls.hook = HttpServer(Hook, cls.port)
        cls.hook.got, cls.hook.tries, cls.hook.code = [], 0, 200
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.hook.close()
        shutil.rmtree(cls.box, ignore_errors=True)

    def mail(self):
        try:
            with open(f"{self.box}/mail") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def one(self, carrier, **filters):
        found = self.api.get("/v1/alerts", carrier_id=carrier["id"], **filters)["items"]
        self.assertLessEqual(len(found), 1)
        return found and found[0]

    def pay(self, carrier, amount):
        self.api.post("/v1/payments", carrier_id=carrier["id"], amount=amount)

    def test_a_low_balance_is_told_once_and_cleared_by_a_payment(self):
        carrier = self.api.post("/v1/carriers", name="low\u00e9", currency="EUR", low_balance="5")
        alert = wait_for("the alert, sent", lambda: (a := self.one(carrier)) and a["mailed_at"] and a["posted_at"] and a, 10)
        self.assertEqual({k: alert[k] for k in ("kind", "balance", "threshold", "currency", "cleared_at", "error")},
                         {"kind": "low_balance", "balance": "0.000000", "threshold": "5.000000", "currency": "EUR",
                          "cleared_at": None, "error": None})
        self.assertEqual(self.api.get(f"/v1/alerts/{alert['id']}"), alert)
        self.assertIn("-t -i\nFrom: tandem\nTo: ops@example.net\nSubject: tandem: low\u00e9 has little money left\n", self.mail())
        self.assertIn("Balance 0.000000 EUR, below 5.000000, at ", self.mail())
        posted = [g for g in self.hook.got if g[2]["alert"]["id"] == alert["id"]]
        self.assertEqual([(p, t, e["event"]) for p, t, e in posted], [("/hook?a=1", "application/json", "alert.raised")])
        self.pay(carrier, "5")
        wait_for("its end", lambda: self.one(carrier, standing="false"), 5)
        self.pay(carrier, "-0.000001")
        again = wait_for("a new one", lambda: self.one(carrier, standing="true"), 5)
        self.assertEqual(again["balance"], "4.999999")

    def test_what_is_owed_beyond_the_vendor_limit_is_an_alert(self):
        carrier = self.api.post("/v1/carriers", name="vendor", currency="EUR", vendor_limit="10")
        self.pay(carrier, "10")
        self.pay(carrier, "0.01")
        alert = wait_for("the alert", lambda: self.one(carrier, kind="vendor_limit"), 5)
        self.assertEqual((alert["balance"], alert["threshold"]), ("10.010000", "10.000000"))

    def test_what_cannot_be_sent_is_tried_again_each_way_by_itself(self):
        self.hook.code = 500
        try:
            carrier = self.api.post("/v1/carriers", name="patient", currency="EUR", low_balance="1")
            alert = wait_for("a try", lambda: (a := self.one(carrier)) and a["error"] and a, 10)
            self.assertEqual(alert["error"], "webhook: it answered 500")
            self.assertTrue(alert["mailed_at"])
        finally:
            self.hook.code = 200
        wait_for("the second try", lambda: self.one(carrier)["posted_at"], 20, 0.2)
        self.assertEqual(self.mail().count("Subject: tandem: patient "), 1)

    def test_a_sendmail_that_fails_does_not_hold_up_the_webhook(self):
        open(f"{self.box}/broken", "w").close()
        try:
            carrier = self.api.post("/v1/carriers", name="unmailed", currency="EUR", low_balance="1")
            alert = wait_for("a try", lambda: (a := self.one(carrier)) and a["error"] and a, 10)
            self.assertIn("sendmail failed with status 75", alert["error"])
            self.assertTrue(alert["posted_at"])
        finally:
            os.unlink(f"{self.box}/broken")
        wait_for("the mail", lambda: self.one(carrier)["mailed_at"], 20, 0.2)
