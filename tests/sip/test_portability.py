# SPDX-License-Identifier: Apache-2.0
"""A ported number is routed by its routing number, which an outside look-up knows; without an answer, as dialled."""

import concurrent.futures
import http.server
import json
import socket
import time

from story import Story, wait_for
from story.http_server import HttpServer
from story.dns import A, NAPTR, NameServer, name_bytes, text_bytes
from story import dns
from story.lateness import Lateness


class Directory(http.server.BaseHTTPRequestHandler):
    """/lrn/NUMBER: what `known` has, else 404; silent: no answer at all."""

    known, asked, silent = {}, [], False

    def do_GET(self):
        number = self.path.rsplit("/", 1)[1]
        self.asked.append(number)
        if self.silent:
            time.sleep(1)
            return
        body = self.known.get(number)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass


class Portability(Story):
    """Dialled numbers begin with 1212, near's area; ported ones belong to far, behind 1303. Each sells its own prefix only."""

    @classmethod
    def setUpClass(cls):
        cls.server = HttpServer(Directory)
        url = f"http://127.0.0.1:{cls.server.server_port}/lrn/%s"
        cls.stack_options = {"settings": {"portability": {"lookup": url, "prefixes": "1212, 1213"}}}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.server.close()

    @classmethod
    def provision(cls, stack):
        cls.near = stack.vendor("near", {"1212": "0.02"})
        cls.far = stack.vendor("far", {"1303": "0.03"})
        cls.customer = stack.customer("harbour", {"1212": "0.06", "1303": "0.07"}, [cls.near, cls.far])

    def goes_to(self, vendor, called, lrn, sell, uri=None):
        call = self.customer["peer"].invite(called, uri=uri)
        leg = vendor["peer"].expect_call()
        self.assertIn(f"sip:{called}@", leg.invite.uri)
        leg.reply(486)
        call.expect(486)
        self.cdr_says(self.stack.api.cdr(called=called), called_in=called, called_out=called, lrn=lrn, sell_prefix=sell,
                      egress_trunk_id=vendor["id"])

    def test_a_ported_number_is_routed_by_its_lrn_and_kept(self):
        for body in ('{"lrn": "13035550000"}', "+13035550000\n"):
            called = self.number("1212")
            Directory.known[called] = body
            self.goes_to(self.far, called, "13035550000", "1303")
            self.assertEqual(Directory.asked.count(called), 1)
            # the second call finds it in Redis
            call = self.customer["peer"].invite(called)
            leg = self.far["peer"].expect_call()
            leg.reply(486)
            call.expect(486)
            self.assertEqual(Directory.asked.count(called), 1)
        wait_for("the chain to cover it", lambda: self.stack.tandem("cdr", "verify", check=False).returncode == 0, 5)

    def looked(self, called):
        """The same from the API and from `tandem route`"""
        said = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=called)
        shown = json.loads(self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", called, "--json").stdout)
        self.assertEqual(shown, said)
        return said["lrn"], said["sell"]["prefix"], [r["trunk_id"] for r in said["routes"]]

    def test_a_look_up_asks_for_the_lrn_as_a_call_does(self):
        called = self.number("1212")
        Directory.known[called] = "13035550000"
        self.assertEqual(self.looked(called), ("13035550000", "1303", [self.far["id"]]))
        self.assertIn("ported: routed by 13035550000\n",
                      self.stack.tandem("route", "--trunk", str(self.customer["id"]), "--called", called).stdout)
        self.goes_to(self.far, called, "13035550000", "1303")
        self.assertEqual(Directory.asked.count(called), 1)      # one answer in Redis serves all of them
        called = self.number("1212")
        self.assertEqual(self.looked(called), (None, "1212", [self.near["id"]]))
        called = self.number("1303")
        self.assertEqual(self.looked(called), (None, "1303", [self.far["id"]]))
        self.assertEqual(Directory.asked.count(called), 0)

    def test_one_that_is_not_ported_goes_as_dialled(self):
        called = self.number("1212")
        self.goes_to(self.near, called, None, "1212")
        self.assertEqual(Directory.asked.count(called), 1)

    def test_numbers_of_other_prefixes_are_not_asked_for(self):
        called = self.number("1303")
        self.goes_to(self.far, called, None, "1303")
        self.assertEqual(Directory.asked.count(called), 0)

    def test_what_the_caller_says_is_believed(self):
        called = self.number("1212")
        host, port = self.stack.node.address
        self.goes_to(self.far, called, "13035550001", "1303", uri=f"sip:{called};npdi;rn=+13035550001@{host}:{port}")
        called = self.number("1212")
        self.goes_to(self.near, called, None, "1212", uri=f"sip:{called};npdi@{host}:{port}")
        self.assertEqual(Directory.asked.count(called), 0)

    def test_without_an_answer_in_time_it_goes_as_dialled(self):
        Directory.silent = True
        try:
            called = self.number("1212")
            Directory.known[called] = "13035550000"
            with Lateness() as late:
                began = time.monotonic()
                self.goes_to(self.near, called, None, "1212")
                took = time.monotonic() - began
            self.assertLess(took, 1.5 + late.worst_s)
            for _ in range(4):
                self.goes_to(self.near, self.number("1212"), None, "1212")
            wait_for("the alarm", lambda: "portability look-up away" in self.stack.node.process.log(), 2)
        finally:
            Directory.silent = False
        before = len(Directory.asked)
        self.goes_to(self.near, self.number("1212"), None, "1212")  # nobody is asked for a while
        self.assertEqual(len(Directory.asked), before)
        time.sleep(5)  # the pause; it is what is told about
        called = self.number("1212")
        Directory.known[called] = "13035550000"
        self.goes_to(self.far, called, "13035550000", "1303")
        wait_for("the all-clear", lambda: "portability look-up back" in self.stack.node.process.log(), 2)


class Enum(Story):
    """The same by DNS."""

    @classmethod
    def setUpClass(cls):
        cls.ported, cls.plain = "12125550177", "12125550178"
        name = ".".join(reversed(cls.ported)) + ".lrn.test"
        cls.names = RoutingNumbers({(name, NAPTR): [f"!^.*$!tel:+{cls.ported};npdi;rn=+13035550000!"]})
        cls.stack_options = {"settings": {"portability": {"lookup": "enum:lrn.test"}, "sip": {"dns_servers": cls.names.address}}}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.names.close()

    @classmethod
    def provision(cls, stack):
        Portability.provision.__func__(cls, stack)

    goes_to, looked = Portability.goes_to, Portability.looked

    def test_naptr_tells_the_lrn(self):
        self.assertEqual(self.looked(self.ported), ("13035550000", "1303", [self.far["id"]]))
        self.goes_to(self.far, self.ported, "13035550000", "1303")
        self.goes_to(self.near, self.plain, None, "1212")


class Hanging(Story):
    """Who is to be asked accepts everything and says nothing, for as long as the time limit lets it: three seconds. Look-ups wait that
    long, two at a time; the others are answered at once, by the dialled number, and so is everybody who asks the API for something else."""

    limit_s = 3

    @classmethod
    def setUpClass(cls):
        cls.stack_options = {"settings": {"portability": {"lookup": cls.hang(), "timeout": f"{cls.limit_s}s"}, **cls.more}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        Portability.provision.__func__(cls, stack)

    def look(self):
        began = time.monotonic()
        said = self.stack.api.post("/v1/route-lookups", trunk_id=self.customer["id"], called=self.number("1212"))
        return time.monotonic() - began, said

    def others_are_served(self):
        with concurrent.futures.ThreadPoolExecutor(12) as all_at_once:
            looks = [all_at_once.submit(self.look) for _ in range(12)]
            wait_for("ten answers", lambda: sum(look.done() for look in looks) >= 10, self.limit_s)
            for _ in range(10):
                self.stack.api.get("/v1/carriers")
            self.assertEqual(sum(look.done() for look in looks), 10, "all are served while two hang")
            answers = [look.result() for look in looks]
        for _, said in answers:
            self.assertEqual(said["outcome"], "ok")
            self.assertEqual([r["trunk_id"] for r in said["routes"]], [self.near["id"]])
            self.assertIsNone(said["lrn"])
            self.assertIn("the look-up of ported numbers: ", said["lrn_error"])
        slow = [took for took, said in answers if "timed out" in said["lrn_error"]]
        self.assertEqual((len(slow), sum("too many wait" in said["lrn_error"] for _, said in answers)), (2, 10), answers)
        took, said = self.look()  # and those that hung are free again
        self.assertIn("timed out", said["lrn_error"])
        self.assertLess(min(took, *slow), self.limit_s + 1)


class HangingHttp(Hanging):
    more = {}

    @classmethod
    def hang(cls):
        cls.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        cls.addClassCleanup(cls.server.close)
        return f"http://127.0.0.1:{cls.server.getsockname()[1]}/%s"

    def test_a_service_that_never_answers_holds_up_two_look_ups_and_nothing_else(self):
        self.others_are_served()


class HangingNames(Hanging):
    """The service's own name is not resolved."""

    @classmethod
    def hang(cls):
        cls.names = NameServer({})
        cls.names.silent = True
        cls.addClassCleanup(cls.names.close)
        cls.more = {"sip": {"dns_servers": cls.names.address}}
        return "http://directory.test:1080/%s"

    def test_a_name_server_that_never_answers_holds_up_two_look_ups_and_nothing_else(self):
        self.others_are_served()
        self.assertIn("directory.test", [name for name, _ in self.names.asked])


class NamedService(Story):
    """The service has a name. It is asked for within the first question, not at the start: a node starts without it."""

    @classmethod
    def setUpClass(cls):
        cls.server = HttpServer(Directory)
        cls.addClassCleanup(cls.server.close)
        cls.names = NameServer({("directory.test", A): ["127.0.0.1"]})
        cls.names.silent = True
        cls.addClassCleanup(cls.names.close)
        cls.stack_options = {"settings": {"portability": {"lookup": f"http://directory.test:{cls.server.server_port}/lrn/%s"},
                                          "sip": {"dns_servers": cls.names.address}}}
        super().setUpClass()

    @classmethod
    def provision(cls, stack):
        Portability.provision.__func__(cls, stack)

    goes_to, looked = Portability.goes_to, Portability.looked

    def test_its_name_is_resolved_when_it_is_needed_and_can_be(self):
        self.goes_to(self.near, self.number("1212"), None, "1212")
        self.names.silent = False
        called = self.number("1212")
        Directory.known[called] = "13035550000"
        self.assertEqual(self.looked(called), ("13035550000", "1303", [self.far["id"]]))
        called = self.number("1212")
        Directory.known[called] = "13035550000"
        self.goes_to(self.far, called, "13035550000", "1303")
        asked = len(self.names.asked)
        self.goes_to(self.near, self.number("1212"), None, "1212")
        self.assertLessEqual(len(self.names.asked), asked + 2 * 4)  # each thread once at most (A and AAAA), not each call


class RoutingNumbers(NameServer):
    """A name server whose NAPTR values are regular expressions."""

    def _answer(self, query):
        usual = dns.record
        dns.record = lambda kind, value: (b"\0\1\0\1" + text_bytes("u") + text_bytes("E2U+pstn:tel") + text_bytes(value) + name_bytes("")
                                          if kind == NAPTR else usual(kind, value))
        try:
            return super()._answer(query)
        finally:
            dns.record = usual
