# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alert rules speak of figures that /metrics shows, and the runbook knows each alert."""

import json
import os
import re

from story import wait_for
from story.described import ApiStory
from story.process import TOP

WORDS = re.compile(r"\btandem_[a-z_]+")
SERIES = ("_bucket", "_sum", "_count")  # of a histogram


class Monitoring(ApiStory):
    stack_options = {"nodes": 1}

    def read(self, *path):
        with open(os.path.join(TOP, *path), encoding="utf-8") as f:
            return f.read()

    def figures(self):
        text = wait_for("figures of a node", lambda: [t for t in [self.api.call("GET", "/metrics")[1]] if "tandem_node_calls{" in t], 15)[0]
        typed = re.findall(r"^# TYPE (tandem_[a-z_]+) (\w+)$", text, re.M)
        self.assertEqual(len(typed), len(set(typed)))
        for name, kind in typed:
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
        self.histograms = {name for name, kind in typed if kind == "histogram"}
        return {name for name, _ in typed}

    def known(self, text, where):
        figures = self.figures()
        self.assertEqual(set(WORDS.findall(text)) - figures - {h + s for h in self.histograms for s in SERIES}, set(), where)

    def test_what_there_is_not_is_found(self):
        for expr in ("tandem_node_call{node='sw1'}", "rate(tandem_api_request_seconds_buckets[5m])", "tandem_nodes_bucket"):
            with self.assertRaises(AssertionError):
                self.known(expr, expr)

    def test_the_manual_describes_each_figure_and_no_other(self):
        manual = self.read("docs", "monitoring.md")
        self.assertEqual(set(re.findall(r"`(tandem_[a-z_]+[a-z])`", manual)), self.figures())
        self.assertNotIn("As the node reports it.", self.api.call("GET", "/metrics")[1])

    def test_each_panel_asks_for_what_there_is(self):
        board = json.loads(self.read("packaging", "grafana", "tandem.json"))
        asked = [t["expr"] for p in board["panels"] for t in p["targets"]]
        self.assertGreater(len(asked), 12)
        for expr in asked:
            self.assertTrue(WORDS.search(expr), expr)
            self.known(expr, expr)
        ids = [p["id"] for p in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_each_alert_asks_for_what_there_is_and_the_runbook_knows_it(self):
        rules = self.read("packaging", "prometheus", "tandem.rules.yml")
        runbook = self.read("docs", "runbook.md")
        alerts = re.split(r"^ +- alert: ", rules, flags=re.M)[1:]
        self.assertGreater(len(alerts), 8)
        for alert in alerts:
            name = alert.split("\n")[0]
            self.assertRegex(alert, r"\n +expr: ", name)
            self.known(alert, name)
            self.assertIn(f"\n### {name}\n", runbook)
            self.assertIn(f"runbook.md, {name}", alert)
        tried = self.read("tests", "alerts", "tandem.test.yml")  # which ./check --long gives to promtool
        self.assertEqual(set(re.findall(r'alertname="(\w+)"', tried)), {a.split("\n")[0] for a in alerts})
        for name in re.findall(r"^### (Tandem\w+)$", runbook, re.M):
            self.assertIn(f"- alert: {name}\n", rules)
