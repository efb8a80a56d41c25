# SPDX-License-Identifier: Apache-2.0
"""Two telephones that are not ours talk through the switch, in the clear and over TLS."""

import os
import time

from story import Talk, free_port, wait_for
from story.baresip import Baresip
from story.certificate import self_signed


class Telephones(Talk):
    """ann calls bert, who answers by himself; both are baresip."""

    mode = "b2bua"

    @classmethod
    def setUpClass(cls):
        cls.ports = {"udp": free_port(), "tls": free_port(udp=False)}
        folder = os.environ.get("TANDEM_STORY_DIR", "/tmp")
        cls.certificate, cls.key = self_signed(os.path.join(folder, f"baresip-{os.getpid()}"))
        cls.addClassCleanup(lambda: [os.unlink(p) for p in (cls.certificate, cls.key, cls.both)])
        cls.both = cls.certificate[:-4] + "-both.pem"
        with open(cls.both, "w") as f:
            for path in (cls.certificate, cls.key):
                with open(path) as part:
                    f.write(part.read())
        listen = ", ".join(f"{t}:127.0.0.1:{p}" for t, p in cls.ports.items())
        cls.stack_options = {"settings": {"sip": {"listen": listen, "tls_certificate": cls.certificate, "tls_key": cls.key}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        stack.node.port = cls.ports["udp"]
        cls.called = "12125550177"
        cls.ann = Baresip("ann", stack.folder, "127.0.0.61", "4930123456", settings=f"sip_certificate {cls.both}\n")
        cls.addClassCleanup(cls.ann.kill)
        cls.bert = Baresip("bert", stack.folder, "127.0.0.62", cls.called, auto=True, settings=f"sip_certificate {cls.both}\n")
        cls.addClassCleanup(cls.bert.kill)
        cls.plain = stack.vendor("bert udp", {"1": "0.02"}, host=cls.bert.host, port=cls.bert.port)
        cls.secure = stack.api.post("/v1/trunks", carrier_id=cls.plain["carrier"]["id"], name="bert tls", direction="egress",
                                    host=cls.bert.host, port=cls.bert.port + 1, transport="tls",
                                    rate_deck_id=cls.plain["deck"]["id"])
        cls.by_udp = stack.customer("ann udp", {"1": "0.06"}, [cls.plain], trunk={
            "source_cidrs": [f"{cls.ann.host}/32"], "transport": "udp", "mode": cls.mode})
        cls.by_tls = stack.customer("ann tls", {"1": "0.06"}, [cls.secure], trunk={
            "source_cidrs": ["127.0.0.1/32"], "transport": "tls", "mode": cls.mode})  # baresip's connections come from any address

    def talk(self, uri, ends, other, customer, vendor):
        before = {c["id"] for c in self.stack.api.items("/v1/cdrs", called=self.called)}
        self.ann.command("dial", uri)
        self.ann.expect("CALL_ESTABLISHED")
        self.bert.expect("CALL_ESTABLISHED")
        self.ann.hears()
        self.bert.hears()
        time.sleep(1.1)               # so that there is something to pay for
        ends.command("hangup")
        other.expect("CALL_CLOSED")
        cdr = wait_for("the CDR", lambda: next((c for c in self.stack.api.items("/v1/cdrs", called=self.called)
                                                if c["id"] not in before), None))
        self.cdr_says(cdr, sip_code=200, disconnect_reason="normal", calling_in=self.ann.user, called_in=self.called,
                      ingress_trunk_id=customer["id"], egress_trunk_id=vendor["id"],
                      hangup_party="caller" if ends is self.ann else "callee")
        self.assertGreaterEqual(cdr["sell_billed_s"], 2)

    def test_ann_calls_bert_and_hangs_up(self):
        self.talk(f"sip:{self.called}@127.0.0.1:{self.ports['udp']}", self.ann, self.bert, self.by_udp, self.plain)

    def test_bert_hangs_up(self):
        self.talk(f"sip:{self.called}@127.0.0.1:{self.ports['udp']}", self.bert, self.ann, self.by_udp, self.plain)

    def test_both_over_tls(self):
        self.talk(f"sip:{self.called}@127.0.0.1:{self.ports['tls']};transport=tls", self.ann, self.bert, self.by_tls, self.secure)

    def test_a_telephone_registers_by_password(self):
        api = self.stack.api
        api.post("/v1/trunks", carrier_id=self.by_udp["carrier"]["id"], name="roaming", direction="ingress", username="carl",
                 password="s3cret", rate_deck_id=self.by_udp["deck"]["id"], routing_plan_id=self.by_udp["plan"]["id"])
        self.stack.settle()
        carl = Baresip("carl", self.stack.folder, "127.0.0.63", "carl",
                       account=f"<sip:carl@127.0.0.1:{self.ports['udp']}>;auth_user=carl;auth_pass=s3cret;regint=60\n")
        self.addClassCleanup(carl.kill)
        wait_for("baresip's registration", lambda: "Register" in carl.log() or "200 OK" in carl.log(), 10)
        self.assertNotIn("Function not implemented", carl.log())
        self.assertIn("200 OK", carl.log())

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class TelephonesByProxy(Telephones):
    """The same, and the switch only routes."""

    mode = "proxy"
