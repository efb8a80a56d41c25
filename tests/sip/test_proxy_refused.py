# SPDX-License-Identifier: Apache-2.0
"""mode proxy: what a proxy cannot do is refused from whichever side it is asked for."""

import json

from story import Proxied


class Refused(Proxied):
    def wrong(self, method, path, **body):
        status, text = self.stack.api.call(method, path, body)[:2]
        self.assertEqual(status, 422, text)
        problem = text if isinstance(text, dict) else json.loads(text)
        self.assertTrue(all("mode b2bua" in e["message"] for e in problem["errors"]), problem)
        return [e["field"] for e in problem["errors"]]

    def test_at_creation_of_either_side(self):
        trunk, carrier = f"/v1/trunks/{self.customer['id']}", f"/v1/carriers/{self.customer['carrier_id']}"
        vendor = f"/v1/trunks/{self.vendor['id']}"
        self.assertEqual(self.wrong("PATCH", carrier, billing_mode="prepaid"), ["billing_mode"])
        self.assertEqual(self.wrong("PATCH", carrier, credit_limit="10"), ["credit_limit"])
        self.assertEqual(self.wrong("PATCH", trunk, media="relay"), ["mode"])
        self.assertEqual(self.wrong("PATCH", trunk, codecs=["PCMA"]), ["mode"])
        self.assertEqual(self.wrong("PATCH", trunk, max_duration=3600), ["mode"])
        self.assertEqual(self.wrong("PATCH", vendor, max_duration=3600), ["max_duration"])
        self.assertEqual(self.wrong("PATCH", vendor, username="u", password="p"), ["username"])
        self.assertEqual(self.wrong("PATCH", vendor, media="relay"), ["media"])
        self.assertEqual(self.wrong("PATCH", vendor, codecs=["PCMA"]), ["codecs"])
        other = self.stack.vendor("gamma", {"1": "0.04"}, trunk={"username": "u", "password": "p"})
        self.assertEqual(self.wrong("PATCH", f"/v1/routing-plans/{self.customer['plan']['id']}",
                                    members=[{"trunk_id": self.vendor["id"]}, {"trunk_id": other["id"]}]), ["members"])
        prepaid = self.stack.carrier("prepaid", billing_mode="prepaid")
        self.assertEqual(self.wrong("POST", "/v1/trunks", carrier_id=prepaid["id"], name="x", direction="ingress", mode="proxy"), ["mode"])

    def test_such_a_vendor_is_left_out_of_the_routes(self):
        self.stack.postgres.psql(f"update trunks set username = 'u', password = 'p' where id = {self.vendor['id']}")
        self.stack.in_force()
        called = self.number()
        looked = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)
        self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(self.vendor["id"], "mode")])
        self.assertIn("its digest", looked["excluded"][0]["detail"])
        call = self.caller.invite(called)
        leg = self.b.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.attempts_read(self.stack.api.cdr(called=called), (self.second, 200, "answered"))
        self.stack.postgres.psql(f"update trunks set username = null, password = null where id = {self.vendor['id']}")
        self.stack.in_force()

    def test_a_limit_that_a_proxy_cannot_keep_is_not_passed_over(self):
        """Where the API was bypassed: with the caller's max_duration there is no route, with a vendor's that one is left out."""
        trunks, both = (self.customer["id"], self.vendor["id"]), [self.vendor["id"], self.second["id"]]
        for trunk, left_out in zip(trunks, (both, both[:1])):
            self.stack.postgres.psql(f"update trunks set max_duration = 2 where id = {trunk}")
            self.stack.in_force()
            looked = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=self.number())
            self.assertEqual([(x["trunk_id"], x["reason"]) for x in looked["excluded"]], [(t, "mode") for t in left_out])
            self.assertIn("max_duration", looked["excluded"][0]["detail"])
            self.stack.postgres.psql(f"update trunks set max_duration = null where id = {trunk}")
        self.stack.in_force()

    def test_zz_nothing_is_left(self):
        self.nothing_left()
