# SPDX-License-Identifier: Apache-2.0
"""What strangers and clumsy clients send: the right status, no leak, and the others are served meanwhile."""

import gzip
import json
import time

from story import wait_for
from story.described import ApiStory, Wire

LEAKS = ("select ", "insert ", "postgres", "psql", "sqlstate", "/work", "/usr", ".c:", "libpq", "relation")


class Http(ApiStory):
    def wire(self):
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        return wire

    def get(self, target, more=""):
        return f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n{more}\r\n"

    def test_a_refusal_says_why_whatever_the_senders_letters(self):
        """The words of a sender are cut, or no UTF-8: what is said about them is still there."""
        for name in ("%ff", "%c3%28", "a" + "%c3%a9" * 60):
            self.assertIn("is not a query parameter here", self.api.refused(400, "GET", f"/v1/carriers?{name}=1")["detail"])
        long = "a" + "é" * 60
        wrong = self.api.wrong_fields("POST", "/v1/carriers", {"name": "odd", "currency": "EUR", long: 1})
        self.assertEqual(wrong, {long[:32]: "is not a field of this resource"})
        carrier = self.api.post("/v1/carriers", name="étranger", currency="EUR")
        deck = self.api.post("/v1/rate-decks", name="été", side="buy", currency="EUR")
        for n in range(8):
            self.api.post("/v1/trunks", carrier_id=carrier["id"], name="é" * (60 + n), direction="egress", host="127.0.0.1", port=5060,
                          rate_deck_id=deck["id"])
        for n in range(2):  # cut after an odd and an even number of bytes
            self.assertIn("still referenced by", self.api.refused(409, "DELETE", f"/v1/rate-decks/{deck['id']}")["detail"])
            self.api.patch(f"/v1/rate-decks/{deck['id']}", name="éte")
            trunk = self.api.get("/v1/trunks", carrier_id=carrier["id"])["items"][n]
            self.api.patch(f"/v1/trunks/{trunk['id']}", name="x" + trunk["name"])
        problem = self.api.refused(422, "PATCH", f"/v1/trunks?carrier_id={carrier['id']}", {"max_channels": -1})
        self.assertEqual(len([e["message"] for e in problem["errors"]]), 8)

    # ---- bodies

    def test_what_is_not_json_is_a_400(self):
        for raw in (b"", b"{", b"nothing", b"\xff\xfe", b'{"name":"a","name":"b"}', b'{"a":' * 5000, b"[" * 100000):
            self.api.refused(400, "POST", "/v1/carriers", raw=raw)
        for raw in (b"[]", b'"x"', b"7", b"null", b'{"name": "\\u0000"}', b'{"max_cps": 99999999999999999999999}'):
            self.api.refused(422, "POST", "/v1/carriers", raw=raw)

    def test_what_json_cannot_hold_is_told_by_its_field(self):
        for path, raw, fields in (
                ("/v1/carriers", r'{"name": "a\u0000b", "currency": "EUR"}', {"name"}),
                ("/v1/carriers", r'{"name": "a\\u0000b", "currency": "EU\u0000", "bogus\u0000": 1}', {"currency", "bogus\x01"}),
                ("/v1/carriers", '{"name": "huge", "currency": "EUR", "max_cps": 9223372036854775808, "max_channels": -99999999999999999999}', {"max_cps", "max_channels"}),
                ("/v1/carriers", '{"name": "huge", "currency": "EUR", "max_cps": 1e999, "credit_limit": -1e999}', {"max_cps", "credit_limit"}),
                ("/v1/trunks", '{"carrier_id": 9223372036854775808, "name": "huge", "direction": "ingress"}', {"carrier_id"}),
                ("/v1/number-lists", '{"name": "huge", "kind": "block", "match": "called", "trunk_ids": [1180591620717411303424]}', {"trunk_ids"})):
            with self.subTest(raw):
                problem = self.api.refused(422, "POST", path, raw=raw.encode())
                self.assertEqual({e["field"].split("[")[0] for e in problem["errors"]}, fields, problem)
        for raw in (b'{"name": "\\u0000", "currency": 1e999,}', b'{"name": 99999999999999999999'):
            self.api.refused(400, "POST", "/v1/carriers", raw=raw)
        name = "9223372036854775808 and 1e999"  # within a text they are text
        self.assertEqual(self.api.post("/v1/carriers", name=name, currency="EUR")["name"], name)

    def test_a_compressed_body_is_a_415(self):
        for coding in ("gzip", "br", "gzip, identity"):
            self.api.refused(415, "POST", "/v1/carriers", raw=gzip.compress(b'{"name": "packed", "currency": "EUR"}'), headers={"Content-Encoding": coding})
        self.api.ask("POST", "/v1/carriers", {"name": "plain", "currency": "EUR"}, headers={"Content-Encoding": "identity"})

    def test_a_body_whose_end_is_told_twice_is_refused_and_the_connection_ends(self):
        body = json.dumps({"name": "smuggled", "currency": "EUR"})
        head = f"POST /v1/carriers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n"
        for said in (f"Content-Length: {len(body)}\r\nContent-Length: 5\r\n", f"Content-Length: 5\r\nContent-Length: {len(body)}\r\n",
                     f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\n", f"Transfer-Encoding: chunked\r\nContent-Length: {len(body)}\r\n"):
            with self.subTest(said):
                wire = self.wire()
                wire.send(head + said + "\r\n" + body + self.get("/v1/self"))
                status, headers, text = wire.answer()
                self.assertEqual((status, headers["connection"]), (400, "close"), text)
                self.assertNotIn("role", text)
                self.assertTrue(wire.closed())
        self.assertEqual(self.api.get("/v1/carriers", name="smuggled")["items"], [])

    def test_a_body_that_is_too_large_is_a_413(self):
        for size in (1024 * 1024 + 1, 50 * 1024 * 1024):
            self.api.refused(413, "POST", "/v1/carriers", raw=b" " * size)
        self.assertEqual(self.api.call("GET", "/healthz")[0], 200)

    def test_a_chunked_body_has_the_same_limit(self):
        wire = self.wire()
        wire.send(f"POST /v1/carriers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(20):
            wire.send(chunk)
        wire.send("0\r\n\r\n")
        self.assertEqual(wire.answer()[0], 413)

    def test_who_asks_before_sending_is_told_at_once(self):
        wire = self.wire()
        wire.send(f"POST /v1/carriers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tk_wrong\r\nContent-Length: 1000\r\n"
                  "Expect: 100-continue\r\n\r\n")
        self.assertEqual(wire.answer()[0], 401)

    def test_a_connection_serves_many_requests(self):
        wire = self.wire()
        for _ in range(3):
            body = json.dumps({"name": "kept", "currency": "XXQ"})
            wire.send(f"POST /v1/carriers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n{body}")
            self.assertEqual(wire.answer()[0], 422)
            wire.send(self.get("/v1/carriers"))
            self.assertEqual(wire.answer()[0], 200)

    # ---- targets

    def test_tricks_in_targets_find_nothing(self):
        for target in ("/v1/carriers/1;drop", "/v1/carriers/../api-keys", "/v1/%2e%2e/%2e%2e/etc/passwd", "/v1/carriers/1%00",
                       "/v1//carriers", "/v1/carriers/", "/v1/carriers/%zz", "/v1/carriers/1'--", "/v1/carriers/99999999999999999999",
                       "/v1/cdrs/' or ''='", "/../../etc/passwd"):
            wire = self.wire()
            wire.send(self.get(target.replace(" ", "%20")))
            status, headers, body = wire.answer()
            self.assertIn(status, (400, 404), target)
            self.assertEqual(headers["content-type"], "application/problem+json")
            self.assertFalse([w for w in LEAKS if w in body.lower()], body)

    def test_tricks_in_values_are_text(self):
        name = "Robert'); drop table carriers; -- \\ \" %s $1 \u2028 \U0001f4de"
        made = self.api.post("/v1/carriers", name=name, currency="EUR")
        self.assertEqual(self.api.get("/v1/carriers", name=name)["items"], [made])
        self.api.refused(400, "GET", "/v1/cdrs?called_prefix=4%25")
        self.assertEqual(self.api.get("/v1/cdrs", called="' or '1'='1")["items"], [])

    def test_a_method_that_is_not_there_is_told_which_are(self):
        self.api.refused(405, "PUT", "/v1/carriers", {})
        self.assertEqual(self.api.last_headers["Allow"], "GET, HEAD, POST")
        wire = self.wire()
        wire.send(self.get("/v1/carriers").replace("GET", "HEAD", 1))
        wire.socket.settimeout(5)
        data = wire.socket.recv(65536)
        self.assertTrue(data.startswith(b"HTTP/1.1 200"))
        self.assertTrue(data.endswith(b"\r\n\r\n"))

    def test_headers_and_targets_that_are_too_long_are_refused(self):
        for status, text in ((431, self.get("/v1/carriers", f"X-Long: {'a' * 60000}\r\n")), (414, self.get("/v1/carriers?name=" + "a" * 60000))):
            wire = self.wire()
            wire.send(text)
            told, headers, body = wire.answer()
            self.assertEqual(told, status)
            self.is_problem(status, headers, body)
            self.assertTrue(wire.closed())
            self.assertFalse([w for w in LEAKS if w in body.lower()], body)

    def test_what_stays_the_same_comes_gzipped_and_once(self):
        for path in ("/openapi.json", "/console/main.js"):
            for packs in (True, False):
                more = "Accept-Encoding: br, gzip\r\n" if packs else "Accept-Encoding: gzip;q=0\r\n"
                wire = self.wire()
                wire.send(self.get(path, more))
                status, headers, body = wire.answer_bytes()
                self.assertEqual((status, headers.get("content-encoding"), headers["vary"]), (200, "gzip" if packs else None, "Accept-Encoding"))
                self.assertEqual(headers["cache-control"], "private, no-cache")
                whole = gzip.decompress(body) if packs else body
                self.assertIn(b'"openapi": "3.1.0"' if path == "/openapi.json" else b"/* main.js", whole)
                if packs:
                    self.assertLess(len(body), len(whole) // 2)
                wire.send(self.get(path, f"{more}If-None-Match: {headers['etag']}\r\n"))
                status, again, body = wire.answer_bytes()
                self.assertEqual((status, again["etag"], body), (304, headers["etag"], b""))
                wire.send(self.get(path, f'{more}If-None-Match: "other"\r\n'))
                self.assertEqual(wire.answer_bytes()[0], 200)

    def is_problem(self, status, headers, body):
        self.assertEqual(headers["content-type"], "application/problem+json")
        problem = json.loads(body)
        self.assertEqual((problem["status"], sorted(problem)), (status, ["detail", "status", "title"]))

    def test_what_is_no_http_gets_a_problem_too(self):
        for text in ("GET /v1/carriers HTTP/1.1\r\n\r\n", "GET /v1/carriers HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
                     "POST /v1/carriers HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
                     "POST /v1/carriers HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                     "POST /v1/carriers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     "GET /v1/carriers FTP/9.9\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"):
            wire = self.wire()
            wire.send(text)
            wire.socket.settimeout(5)
            said = wire.answer()
            if said is None:  # closed without a word: no HTTP at all
                continue
            status, headers, body = said
            self.assertGreaterEqual(status, 400, text)
            self.is_problem(status, headers, body.split("\r\n\r\n")[-1])  # without Host, or with a bad length, libmicrohttpd sends its head twice
        self.assertEqual(self.api.call("GET", "/healthz")[0], 200)

    def test_forms_are_no_json(self):
        self.api.refused(415, "POST", "/v1/carriers", raw=b"--x\r\n", kind="multipart/form-data; boundary=x")

    # ---- time

    def test_slow_senders_are_cut_off_and_hold_up_nobody(self):
        began = time.monotonic()
        slow = [self.wire() for _ in range(40)]
        for i, wire in enumerate(slow):
            head = f"POST /v1/carriers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n"
            wire.send(("GET /v1/car", head + "X-Slow: ", head + "Content-Length: 500\r\n\r\n{")[i % 3])
        while time.monotonic() - began < 24:
            for wire in slow:
                try:
                    wire.send("a")  # a byte now and then keeps a mere idle timer at rest
                except OSError:
                    pass
            self.assertEqual(self.api.call("GET", "/v1/carriers", limit=5)[0], 200)
            time.sleep(1)
        for i, wire in enumerate(slow):  # headers have 20 s, a body of JSON a minute
            wire.socket.settimeout(50 if i % 3 == 2 else 10)
            wait_for("the end of a slow connection", wire.closed, 50 if i % 3 == 2 else 10)
        self.assertLess(time.monotonic() - began, 75)
