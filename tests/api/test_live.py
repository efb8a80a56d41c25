# SPDX-License-Identifier: Apache-2.0
"""Live calls and nodes as Redis has them; events as they happen."""

import json
import os
import socket
import time

from story import wait_for
from story.described import ApiStory, Wire


def now(seconds=0.0):
    t = time.time() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1000):03d}Z"


def call_id(n):
    return f"01990000-0000-7000-8000-00000000{n:04d}"


BEGAN = now(-60)  # at one moment for all: another would be another process


class Live(ApiStory):
    """A node made of nothing but its entries in Redis; it lives for an hour."""

    def setUp(self):
        super().setUp()
        redis = self.stack.redis
        redis.command("DEL", "{tandem}:calls:sw1", "{tandem}:commands:sw1")
        redis.command("HSET", "{tandem}:nodes", "sw1", json.dumps({"node": "sw1", "started_at": BEGAN, "at": now(3600), "calls": 3, "cps": 2}))
        for n in range(3):
            redis.command("HSET", "{tandem}:calls:sw1", call_id(n), json.dumps(self.call(n)))

    @staticmethod
    def call(n):
        return {"id": call_id(n), "node": "sw1", "state": "answered" if n else "ringing", "ingress_trunk_id": 1 + n,
                "ingress_carrier_id": 10 + n, "egress_trunk_id": 5, "egress_carrier_id": 20, "calling": "+4911", "called": f"+49301{n}",
                "destination": "Germany", "started_at": now(-30 + n), "answered_at": now(-20) if n else None, "cost_so_far": None,
                "currency": "USD"}

    def test_nodes_and_their_calls_are_listed(self):
        self.assertEqual([(n["node"], n["calls"]) for n in self.api.get("/v1/nodes")["items"]], [("sw1", 3)])
        self.assertEqual([c["id"] for c in self.api.items("/v1/calls", limit=1)], [call_id(n) for n in range(3)])
        self.assertEqual(self.api.get(f"/v1/calls/{call_id(1)}")["called"], "+493011")
        text = self.api.call("GET", "/metrics")[1]
        self.assertIn('tandem_node_calls{node="sw1"} 3\n', text)

    def test_filters_find_calls(self):
        ids = lambda **f: [c["id"] for c in self.api.items("/v1/calls", **f)]
        self.assertEqual(ids(state="ringing"), [call_id(0)])
        self.assertEqual(ids(ingress_trunk_id=2), [call_id(1)])
        self.assertEqual(ids(carrier_id=12), [call_id(2)])
        self.assertEqual(ids(called="+493012"), [call_id(2)])
        self.assertEqual(ids(called_prefix="4930"), [call_id(n) for n in range(3)])
        self.assertEqual(ids(node="sw2"), [])
        self.api.refused(400, "GET", "/v1/calls?state=asleep")

    def test_a_hang_up_reaches_the_calls_node_and_the_audit_log(self):
        self.assertIsNone(self.api.delete(f"/v1/calls/{call_id(1)}"))
        self.assertEqual(self.stack.redis.command("XLEN", "{tandem}:commands:sw1"), ":1")
        entry = self.api.items("/v1/audit-log", resource="calls")[0]
        self.assertEqual((entry["action"], entry["resource_id"]), ("hangup", call_id(1)))
        self.api.refused(404, "DELETE", f"/v1/calls/{call_id(99)}")
        self.api.refused(404, "DELETE", "/v1/calls/1")

    def test_many_are_hung_up_by_filter(self):
        ids = lambda said: [c["id"] for c in said["items"]]
        self.api.refused(400, "DELETE", "/v1/calls")
        self.api.refused(400, "DELETE", "/v1/calls?state=asleep")
        dry = self.api.delete("/v1/calls?trunk_id=5&dry_run=true")
        self.assertEqual((dry["matched"], dry["dry_run"], ids(dry)), (3, True, [call_id(n) for n in range(3)]))
        self.assertEqual(self.stack.redis.command("XLEN", "{tandem}:commands:sw1"), ":0")
        before = len(self.api.items("/v1/audit-log", action="hangup"))
        said = self.api.delete("/v1/calls?state=answered&carrier_id=20")
        self.assertEqual((said["matched"], said["dry_run"], ids(said)), (2, False, [call_id(1), call_id(2)]))
        self.assertEqual(self.stack.redis.command("XLEN", "{tandem}:commands:sw1"), ":2")
        told = self.api.items("/v1/audit-log", action="hangup")
        self.assertEqual([e["resource_id"] for e in told[:len(told) - before]], [call_id(2), call_id(1)])
        self.assertEqual(told[0]["before"]["called"], "+493012")
        self.assertEqual(self.api.delete("/v1/calls?called_prefix=77")["matched"], 0)
        self.assertEqual(self.api.delete("/v1/calls?all=true")["matched"], 3)

    def test_a_hang_up_that_the_audit_log_does_not_keep_does_not_happen(self):
        """The line is lost at the last moment, when the transaction commits."""
        psql = self.stack.postgres.psql
        psql("create function story_refuses() returns trigger language plpgsql as $$begin raise 'no room'; end$$; "
             "create constraint trigger story_refuses after insert on audit_log deferrable initially deferred "
             "for each row execute function story_refuses()")
        try:
            for path in (f"/v1/calls/{call_id(1)}", "/v1/calls?trunk_id=5"):
                self.api.refused(500, "DELETE", path)
                self.assertEqual(self.stack.redis.command("XLEN", "{tandem}:commands:sw1"), ":0")
        finally:
            psql("drop trigger story_refuses on audit_log; drop function story_refuses()")

    def test_proxied_calls_are_named_apart_and_not_in_the_audit_log(self):
        self.stack.redis.command("HSET", "{tandem}:calls:sw1", call_id(2), json.dumps({**self.call(2), "mode": "proxy"}))
        before = len(self.api.items("/v1/audit-log", action="hangup"))
        self.api.refused(422, "DELETE", f"/v1/calls/{call_id(2)}")
        for dry in ("true", "false"):
            said = self.api.delete(f"/v1/calls?state=answered&dry_run={dry}")
            self.assertEqual((said["matched"], [c["id"] for c in said["items"]], [c["id"] for c in said["skipped"]]), (2, [call_id(1)], [call_id(2)]))
        told = self.api.items("/v1/audit-log", action="hangup")
        self.assertEqual([e["resource_id"] for e in told[:len(told) - before]], [call_id(1)])
        self.assertEqual(self.stack.redis.command("XLEN", "{tandem}:commands:sw1"), ":1")
        done = self.stack.tandem("calls", "hangup", "--all")
        self.assertIn("2 of 3 calls hung up", done.stdout)
        self.assertIn(f"call {call_id(2)} has mode proxy", done.stderr)
        told = self.api.items("/v1/audit-log", action="hangup")
        self.assertEqual(sorted(e["resource_id"] for e in told[:len(told) - before]), [call_id(0), call_id(1), call_id(1)])

    def listen(self):
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
        seen = [""]
        wire.socket.settimeout(0.2)

        def text():
            try:
                more = wire.socket.recv(65536)
                seen[0] += more.decode()
                seen.append("closed") if not more else None
            except TimeoutError:
                pass
            return seen[0]

        wait_for("the stream's start", lambda: "live calls follow" in text(), 10)
        return text, lambda: len(seen) > 1

    def publish(self, n, event="call.started"):
        self.stack.redis.command("PUBLISH", "{tandem}:events", json.dumps([{"event": event, "call": {**self.call(n), "_terms": {}}}]))

    def test_events_come_to_every_listener(self):
        ears = [self.listen()[0] for _ in range(5)]
        self.publish(1)
        self.publish(1, "call.ended")
        for text in ears:
            wait_for("both events", lambda t=text: "event: call.ended" in t(), 5)
            self.assertIn(f'data: {{"id":"{call_id(1)}"', text())
            self.assertIn("text/event-stream", text())
            self.assertNotIn("_terms", text())

    def stream(self, key=None, more=""):
        """A stream's wire, with the first that it says; nothing more is read."""
        wire = Wire(self.api)
        self.addCleanup(wire.socket.close)
        wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or self.api.key}\r\n{more}\r\n")
        return wire, wire.socket.recv(4096).decode()

    def streams(self):
        return int(float(self.figure("tandem_api_event_streams")))

    def figure(self, name):
        return next(line.split()[-1] for line in self.api.call("GET", "/metrics")[1].splitlines() if line.startswith(name + " "))

    def memory(self):
        """Of tandem-apid, in bytes."""
        with open(f"/proc/{self.stack.apid.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def none_streams(self):
        wait_for("the end of all streams", lambda: self.streams() == 0, 35)  # one that its end closed is noticed after two words of "still here"

    def test_who_does_not_read_is_cut_off_and_holds_no_memory(self):
        call = {**self.call(1), "destination": "x" * 50000}
        text, closed = self.listen()
        used = []
        for _ in range(4):
            self.alone(text)
            deaf = [self.stream()[0] for _ in range(40)]
            for n in range(60):
                self.stack.redis.command("PUBLISH", "{tandem}:events", json.dumps([{"event": "call.updated", "call": {**call, "called": f"{n:06d}"}}]))
                wait_for("what was published", lambda n=n: f'"{n:06d}"' in text(), 5)
            self.alone(text)
            used.append(self.memory())
            self.cut_off(deaf)
        self.assertFalse(closed(), "who reads is cut off, too")
        self.assertLess(used[-1] - used[1], 32 * 1024 * 1024, f"what waits for the deaf is kept: {used}")

    def alone(self, text):
        wait_for("one stream alone", lambda: text() and self.streams() == 1, 35)

    def cut_off(self, wires):
        """What lay in the sockets, then the end, which is none of a chunked body."""
        for wire in wires:
            wire.socket.settimeout(5)
            with self.assertRaises((ConnectionResetError, BrokenPipeError, EOFError)):
                while True:
                    got = wire.socket.recv(1 << 20)
                    if not got:
                        raise EOFError
                    self.assertNotIn(b"\r\n0\r\n\r\n", got)

    def test_no_more_streams_than_may_be_and_it_is_said(self):
        self.none_streams()
        keys = [self.api.post("/v1/api-keys", name=f"ears {n} {time.time()}", role="readonly") for n in range(5)]
        taken = [self.stream(keys[n // 64]["key"]) for n in range(256)]
        self.assertTrue(all(" 200 " in said for _, said in taken), [said for _, said in taken if " 200 " not in said][:1])
        late = self.api.with_key(keys[4]["key"])
        self.assertEqual(late.refused(503, "GET", "/v1/calls/events")["detail"], "All 256 event streams are taken; try again later.")
        self.assertEqual(late.last_headers["Retry-After"], "2")
        self.api.delete(f"/v1/api-keys/{keys[0]['id']}")
        wait_for("room", lambda: self.streams() == 192, 5)
        self.assertEqual(self.api.with_key(keys[1]["key"]).refused(429, "GET", "/v1/calls/events")["detail"],
                         "This API key has 64 event streams open, and gets no more.")
        self.assertIn(" 200 ", self.stream(keys[4]["key"])[1])
        for key in keys[1:]:
            self.api.delete(f"/v1/api-keys/{key['id']}")
        self.none_streams()

    def test_who_closes_its_stream_gives_up_its_seat_at_once(self):
        self.none_streams()
        key = self.api.post("/v1/api-keys", name=f"short ears {time.time()}", role="readonly")
        taken = [self.stream(key["key"])[0] for _ in range(64)]
        self.api.with_key(key["key"]).refused(429, "GET", "/v1/calls/events")
        for n, wire in enumerate(taken[1:]):
            if n % 2:
                wire.socket.shutdown(socket.SHUT_WR)  # it says no more, and is taken to have gone
            else:
                wire.socket.close()
        wait_for("the seats", lambda: self.streams() == 1, 4)
        self.assertIn(" 200 ", self.stream(key["key"])[1])
        taken[0].socket.settimeout(1)
        with self.assertRaises(TimeoutError):  # who stays is not cut off
            while taken[0].socket.recv(65536):
                pass
        self.api.delete(f"/v1/api-keys/{key['id']}")
        self.none_streams()

    def test_a_key_that_is_deleted_hears_no_more(self):
        for by_another in (False, True):
            made = self.api.post("/v1/api-keys", name=f"ear {time.time()}", role="readonly")
            wire, said = self.stream(made["key"])
            self.assertIn(" 200 ", said)
            if by_another:  # as another tandem-apid would
                self.stack.postgres.psql(f"delete from api_keys where id = {made['id']}")
            else:
                self.api.delete(f"/v1/api-keys/{made['id']}")
            wire.socket.settimeout(5)
            rest = b""
            while (got := wire.socket.recv(65536)):
                rest += got
            self.assertTrue((said.encode() + rest).endswith(b"0\r\n\r\n"), "the stream has no end")

    def test_streams_end_when_a_node_dies_and_not_when_it_stops(self):
        says = lambda name, at=0.0, begin=BEGAN: self.stack.redis.command("HSET", "{tandem}:nodes", name, json.dumps(
            {"node": name, "started_at": begin, "at": now(at), "calls": 0, "cps": 0}))
        self.addCleanup(self.stack.redis.command, "HDEL", "{tandem}:nodes", "sw8", "sw9")

        def both_live(seconds):  # as nodes do
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                says("sw8"), says("sw9")
                text()
                time.sleep(0.2)

        text, closed = self.listen()
        both_live(2.5)
        self.stack.redis.command("HDEL", "{tandem}:nodes", "sw8")  # it has stopped in order
        says("sw9"), time.sleep(1.5)
        says("sw9"), time.sleep(1.5)
        self.assertFalse(text() and closed(), "a node that stopped in order ended the streams")
        says("sw9", begin=now())  # killed and started again within a moment
        wait_for("the stream's end after a restart", lambda: text() and closed(), 5)
        self.assertIn(": a node died: read /v1/calls again", text())
        text, closed = self.listen()
        says("sw9")
        time.sleep(1.5)
        says("sw9", at=-6)  # silent for longer than a living one is
        wait_for("the stream's end after a death", lambda: text() and closed(), 5)

    def test_a_stream_that_may_have_missed_something_ends(self):
        text, closed = self.listen()
        self.stack.redis.stop()
        self.addCleanup(lambda: self.stack.redis.process or self.stack.redis.start())
        self.api.refused(503, "GET", "/v1/calls")
        self.api.refused(503, "GET", "/v1/nodes")
        wait_for("the stream's end", lambda: text() and closed(), 10)
        self.stack.redis.start()
        wait_for("live calls again", lambda: self.api.call("GET", "/v1/calls")[0] == 200, 5)
        wait_for("readiness", lambda: self.api.call("GET", "/readyz")[0] == 200, 5)

        def stream_again():
            wire = Wire(self.api)
            wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
            with wire.socket:
                return b" 200 " in wire.socket.recv(64)

        wait_for("a stream again", stream_again, 5)
