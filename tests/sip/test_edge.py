# SPDX-License-Identifier: Apache-2.0
"""Kamailio in front, by the configurations in packaging/kamailio: browsers that speak SIP over WebSocket, and one address for several nodes."""

import glob
import os
import socket

from story import Failure, Story, Talk, wait_for
from story.digest import credentials, parameters
from story.process import TOP, free_port, run
from story.web import Browser, Kamailio, WebSocket, takes_tcp

EDGE = "127.0.0.100"


class WebSocketEdge(Talk):
    """ann sits in a browser; she calls and is called."""

    @classmethod
    def provision(cls, stack):
        cls.sip, cls.web = free_port(EDGE), free_port(EDGE)
        cls.edge = Kamailio(stack, "websocket", [stack.node.address],
                            {"EDGE_WEB": f"tcp:{EDGE}:{cls.web}", "EDGE_SIP": f"udp:{EDGE}:{cls.sip}"})
        cls.edge.start(lambda: takes_tcp((EDGE, cls.web)))
        cls.ann = Browser("ann", "127.0.0.90", (EDGE, cls.web))
        stack.peers.append(cls.ann)
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("ann", {"1": "0.06"}, [cls.vendor], peer=cls.ann, trunk={
            "source_cidrs": [f"{EDGE}/32"], "username": "ann", "password": "s3cret"})
        carrier = stack.carrier("browsers")
        deck = stack.deck("browsers buy", "buy", {"7": "0.01"})
        cls.home = stack.api.post("/v1/trunks", carrier_id=carrier["id"], name="to ann", direction="egress", rate_deck_id=deck["id"],
                                  registered_as=cls.customer["id"])
        cls.harbour = stack.customer("harbour", {"7": "0.06"}, [cls.home])
        cls.a = cls.vendor["peer"]

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()
        super().tearDownClass()

    def uri(self, user):
        return f"sip:{user}@edge.example"

    def proven(self, refused, uri, method):
        by = {parameters(v)["algorithm"]: v for v in refused.all("WWW-Authenticate")}
        return ("Authorization", credentials(by["SHA-256"], "ann", "s3cret", uri, method))

    def calls(self, called):
        call = self.ann.invite(called, uri=self.uri(called))
        proof = self.proven(call.expect(401), self.uri(called), "INVITE")
        call.invite_again(headers=[proof])
        return call, self.a.expect_call()

    def registers(self):
        call = self.ann.call_new("ann", "ann")
        call.local_uri = call.remote_uri = "sip:ann@edge.example"
        contact = ("Contact", f"<{self.ann.contact}>")
        call.request("REGISTER", uri="sip:edge.example", headers=[contact])
        proof = self.proven(call.expect(401), "sip:edge.example", "REGISTER")
        call.remote_tag = ""
        call.request("REGISTER", uri="sip:edge.example", headers=[contact, proof])
        call.expect(200)

    def test_a_browsers_call_goes_out_and_both_may_end_it(self):
        for last in ("caller", "callee"):
            called = self.number()
            call, leg = self.calls(called)
            self.assertNotIn("invalid", str(leg.invite), "the vendor sees nothing of the browser")
            leg.reply(180)
            call.expect(180)
            self.answer(call, leg)
            if last == "caller":
                self.ends(call, leg)
            else:
                self.ends(leg, call)
            cdr = self.stack.api.cdr(called=called)
            self.assertEqual((cdr["sip_code"], cdr["disconnect_reason"], cdr["hangup_party"], cdr["source_ip"]), (200, "normal", last, EDGE))

    def test_a_browser_gives_up(self):
        called = self.number()
        call, leg = self.calls(called)
        leg.reply(180)
        call.expect(180)
        call.cancel()
        answers = [call.expect((200, 487)) for _ in range(2)]  # of two processes of kamailio, in either order
        self.assertEqual({(a.method, a.code) for a in answers}, {("CANCEL", 200), ("INVITE", 487)})
        self.is_cancelled(leg)
        self.assertEqual(self.stack.api.cdr(called=called)["disconnect_reason"], "cancelled")

    def test_a_browser_that_registered_is_called(self):
        self.registers()
        called = self.number("7")
        wait_for("a way to her", lambda: self.stack.api.post("/v1/route-lookups", trunk_id=self.harbour["id"], called=called)["routes"], 5)
        call = self.harbour["peer"].invite(called)
        leg = self.ann.expect_call()
        self.answer(call, leg)
        self.ends(call, leg)
        self.assertEqual(self.stack.api.cdr(called=called)["egress_trunk_id"], self.home["id"])

    def test_nobody_else_gets_through(self):
        stranger = self.stack.peer("stranger")
        stranger.switch = (EDGE, self.sip)
        stranger.invite(self.number()).expect(403)
        with self.assertRaises(Failure):
            WebSocket("127.0.0.91", (EDGE, self.web), protocol="chat")
        with socket.create_connection((EDGE, self.web), 5) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n")
            self.assertIn(b" 404 ", s.recv(4096).split(b"\r\n")[0])


class Dispatcher(Story):
    """harbour knows one address; two nodes stand behind it."""

    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.sip = free_port(EDGE)
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        peer = stack.peer("harbour")
        peer.switch = (EDGE, cls.sip)
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], peer=peer, trunk={
            "source_cidrs": [f"{EDGE}/32"], "tech_prefix": "7701"})
        cls.edge = Kamailio(stack, "dispatcher", [n.address for n in stack.nodes], {"EDGE_SIP": f"udp:{EDGE}:{cls.sip}"},
                            {"EDGE_CUSTOMERS": [f"1 {peer.host} 32 0 7701"]})
        stranger = cls.stranger = stack.peer("stranger")
        stranger.switch = (EDGE, cls.sip)
        cls.edge.start(lambda: Dispatcher.answers(stranger))

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()
        super().tearDownClass()

    @staticmethod
    def answers(peer):
        """An address that nobody knows is refused by the edge itself."""
        try:
            peer.invite("12125550100").expect(403, 1)
            return True
        except Failure:
            return False

    def carried(self):
        called = self.number()
        call, leg = self.answered(self.customer, self.vendor, called)
        self.ends(leg, call)
        cdr = self.stack.api.cdr(limit=10, called="7701" + called)
        self.assertEqual((cdr["called_out"], cdr["ingress_trunk_id"]), (called, self.customer["id"]))
        return cdr["node"]

    def test_1_calls_are_spread_over_the_nodes(self):
        seen = set()
        for _ in range(20):
            seen.add(self.carried())
            if len(seen) == 2:
                return
        self.fail(f"twenty calls went to {seen} alone")

    def test_2_an_address_that_is_not_listed_is_refused(self):
        self.assertTrue(self.answers(self.stranger))

    def test_3_a_node_that_stops_is_passed_over(self):
        self.stack.nodes[0].stop()
        for _ in range(6):
            self.assertEqual(self.carried(), "sw2")


class Configurations(Story):
    """What is packaged is good as it stands, with and without rtpengine."""

    stack_options = {"nodes": 0, "api": False}

    def test_kamailio_takes_each(self):
        lists = [os.path.join(self.stack.folder, name) for name in ("nodes", "customers")]
        for path, line in zip(lists, ("1 sip:192.0.2.10:5060 0 0\n", "1 192.0.2.11 32 0 7701\n")):
            with open(path, "w") as f:
                f.write(line)
        names = sorted(glob.glob(os.path.join(TOP, "packaging", "kamailio", "*.cfg")))
        self.assertEqual([os.path.basename(n) for n in names], ["common.cfg", "dispatcher.cfg", "websocket.cfg"])
        for path in names[1:]:
            for more in ([], ["-A", 'EDGE_RTPENGINE="udp:127.0.0.1:2223"']):
                done = run(["kamailio", "-c", "-f", path, "-A", f'EDGE_NODES="{lists[0]}"', "-A", f'EDGE_CUSTOMERS="{lists[1]}"', *more],
                           check=False)
                said = done.stdout + done.stderr
                self.assertEqual(done.returncode, 0, said)
                self.assertNotRegex(said, r"ERROR|CRITICAL|WARNING", path)
