# SPDX-License-Identifier: Apache-2.0
"""Many at once: trunks changed by filter, all or none; live calls hung up by filter."""

from story.described import ApiStory


class ManyTrunks(ApiStory):
    @classmethod
    def furnish(cls, stack):
        cls.carrier, cls.other = stack.carrier("harbour"), stack.carrier("bay")
        make = lambda carrier, name, **more: cls.api.post("/v1/trunks", carrier_id=carrier["id"], name=name, **more)
        cls.incoming = [make(cls.carrier, f"in{n}", direction="ingress", source_cidrs=[f"192.0.2.{n}/32"]) for n in range(3)]
        cls.outgoing = make(cls.carrier, "out", direction="egress", host="192.0.2.99")
        cls.elsewhere = make(cls.other, "bay in", direction="ingress", username="bay", password="s3cret", source_cidrs=["198.51.100.1/32"])
        cls.mine = f"/v1/trunks?carrier_id={cls.carrier['id']}"

    def trunk(self, trunk):
        return self.api.get(f"/v1/trunks/{trunk['id']}")

    def audits(self):
        return len(self.api.items("/v1/audit-log", resource="trunks", action="update"))

    def test_all_that_the_filters_name_change_and_nothing_else(self):
        before = self.audits()
        said = self.api.patch(self.mine + "&direction=ingress", max_cps=7, max_channels=70)
        self.assertEqual((said["matched"], said["changed"], said["dry_run"]), (3, 3, False))
        self.assertEqual(said["items"], [{"id": t["id"], "name": t["name"], "changed": ["max_channels", "max_cps"]} for t in self.incoming])
        self.assertEqual([self.trunk(t)["max_cps"] for t in [*self.incoming, self.outgoing, self.elsewhere]], [7, 7, 7, None, None])
        self.assertEqual(self.audits(), before + 3)
        entry = self.api.items("/v1/audit-log", resource="trunks", action="update")[0]
        self.assertEqual((entry["before"]["max_cps"], entry["after"]["max_cps"]), (None, 7))
        again = self.api.patch(self.mine + "&direction=ingress", max_cps=7)
        self.assertEqual((again["matched"], again["changed"]), (3, 0))
        self.assertEqual(self.audits(), before + 3)
        versions = [self.trunk(t)["version"] for t in self.incoming]
        self.assertEqual(self.api.patch(self.mine + "&name=in1", max_cps=8)["changed"], 1)
        self.assertEqual([self.trunk(t)["version"] - v for t, v in zip(self.incoming, versions)], [0, 1, 0])

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        versions = [self.trunk(t)["version"] for t in self.incoming]
        before = self.audits()
        said = self.api.patch(self.mine + "&direction=ingress&dry_run=true", session_expires=600)
        self.assertEqual((said["matched"], said["changed"], said["dry_run"]), (3, 3, True))
        self.assertEqual([self.trunk(t)["version"] for t in self.incoming], versions)
        self.assertEqual(self.audits(), before)

    def test_one_that_does_not_fit_stops_all(self):
        versions = [self.trunk(t)["version"] for t in [*self.incoming, self.outgoing]]
        problem = self.api.refused(422, "PATCH", self.mine, {"probe_interval": 30})
        self.assertEqual({e["field"] for e in problem["errors"]}, {"probe_interval"})
        self.assertEqual(len(problem["errors"]), 3)
        self.assertIn(f"trunk {self.incoming[0]['id']} (in0): ", problem["errors"][0]["message"])
        self.api.refused(422, "PATCH", self.mine, {"max_cps": "many"})
        self.api.refused(422, "PATCH", self.mine, {"no_such": 1})
        self.api.refused(422, "PATCH", self.mine, {"rate_deck_id": 4711})
        self.api.refused(409, "PATCH", self.mine, {"name": "the same"})
        self.api.refused(422, "PATCH", self.mine + "&direction=ingress", {"source_cidrs": ["203.0.113.1/32"], "carrier_id": 4711})
        sell = self.stack.deck("usd", "sell", {"49": "0.05"}, currency="USD")
        euro = self.api.post("/v1/rate-decks", name="euro", side="sell", currency="EUR")
        has = {self.api.get(f"/v1/carriers/{self.carrier['id']}")["currency"]: sell}
        wrong = euro if "USD" in has else sell
        problem = self.api.refused(422, "PATCH", self.mine + "&direction=ingress", {"rate_deck_id": wrong["id"]})
        self.assertEqual(len(problem["errors"]), 3, problem)
        self.assertEqual([self.trunk(t)["version"] for t in [*self.incoming, self.outgoing]], versions)

    def test_everything_must_be_asked_for(self):
        self.assertIn("all=true", self.api.refused(400, "PATCH", "/v1/trunks", {"max_cps": 1})["detail"])
        self.api.refused(400, "PATCH", "/v1/trunks?all=false", {"max_cps": 1})
        self.api.refused(400, "PATCH", "/v1/trunks?all=yes", {"max_cps": 1})
        self.api.refused(400, "PATCH", self.mine + "&colour=red", {"max_cps": 1})
        self.assertEqual(self.api.patch("/v1/trunks?all=true&dry_run=true", max_cps=1)["matched"], 5)
        self.assertEqual(self.api.patch("/v1/trunks?name=nobody", max_cps=1), {"matched": 0, "changed": 0, "dry_run": False, "items": []})
        for wrong in ({"color": "red"}, {"max_cps": "7"}, {"max_cps": -1}, {"translations": [{"number": "called", "match": "("}]}):
            self.assertEqual([f.split("[")[0] for f in self.api.wrong_fields("PATCH", "/v1/trunks?name=nobody", wrong)], list(wrong))
        self.api.refused(412, "PATCH", self.mine, {"max_cps": 1}, headers={"If-Match": '"1"'})
        for raw in (b"", b"[]", b"{"):
            self.assertIn(self.api.call("PATCH", self.mine, raw=raw)[0], (400, 422))
        self.api.refused(405, "PATCH", "/v1/carriers?status=active", {"max_cps": 1})

    def test_secrets_stay_secret(self):
        said = self.api.patch(f"/v1/trunks?carrier_id={self.other['id']}", password="n3w-s3cret")
        self.assertEqual(said["items"][0]["changed"], ["password"])
        self.assertNotIn("s3cret", str(self.api.items("/v1/audit-log", resource="trunks")))

    def test_only_who_may_write_trunks(self):
        for role, carrier, status in (("readonly", None, 403), ("finance", None, 403), ("admin", self.carrier["id"], 404)):
            key = self.api.post("/v1/api-keys", name=f"many {role}", role=role, carrier_id=carrier)["key"]
            self.api.with_key(key).refused(status, "PATCH", self.mine, {"max_cps": 1})
            self.api.with_key(key).refused(status, "DELETE", f"/v1/calls?carrier_id={self.carrier['id']}")

    def test_more_than_a_thousand_are_refused(self):
        third = self.api.post("/v1/carriers", name="many", currency="USD")
        self.stack.postgres.psql(f"insert into trunks (carrier_id, name, direction) select {third['id']}, 't' || g, 'ingress' "
                                 "from generate_series(1, 1001) g")
        self.assertIn("1000", self.api.refused(422, "PATCH", f"/v1/trunks?carrier_id={third['id']}", {"max_cps": 1})["detail"])
        self.stack.postgres.psql(f"delete from trunks where carrier_id = {third['id']} and name = 't1'")
        self.assertEqual(self.api.patch(f"/v1/trunks?carrier_id={third['id']}", enabled=False)["changed"], 1000)
        self.stack.postgres.psql(f"delete from trunks where carrier_id = {third['id']}")
