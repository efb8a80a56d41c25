# SPDX-License-Identifier: Apache-2.0
"""Who follows live calls by events, as docs/api.md says to, while a node is killed in the middle of calls."""

import json
import os
import threading
import time

from story import Failure, Story, sipp, wait_for
from story.described import Wire


class Follower(threading.Thread):
    """Follows /v1/calls/events; each time a stream was joined it lists the calls once. `live` is what it knows: {id: call}."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.live, self.joined, self.told = api, {}, 0, []
        self.stopping = False

    def run(self):
        while not self.stopping:
            try:
                wire = Wire(self.api)
                with wire.socket:
                    wire.send(f"GET /v1/calls/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.api.key}\r\n\r\n")
                    self.follow(wire.socket.makefile("rb"))
            except (OSError, Failure):
                pass  # cut off: join again
            time.sleep(0.1)

    def follow(self, lines):
        event = None
        for line in lines:
            line = line.strip()
            if line.startswith(b": live calls follow"):
                self.live = {c["id"]: c for c in self.api.items("/v1/calls")}
                self.joined += 1
            elif line.startswith(b": a node died"):
                self.told.append(line.decode())
            elif line.startswith(b"event: "):
                event = line[7:].decode()
            elif line.startswith(b"data: "):
                call = json.loads(line[6:])
                if event == "call.ended":
                    self.live.pop(call["id"], None)
                else:
                    self.live[call["id"]] = call
            if self.stopping:
                return

    def on(self, node):
        return [c for c in list(self.live.values()) if c["node"] == node]


class Stream(Story):
    stack_options = {"nodes": 2}
    rate, talk_ms = 20, 2000

    @classmethod
    def provision(cls, stack):
        cls.end = sipp.vendor("vendor", stack.folder, "127.0.0.31")
        vendor = stack.vendor("alpha", {"1": "0.02"}, host="127.0.0.31", port=cls.end.port)
        hosts = [f"127.0.0.{32 + i}/32" for i in range(2)]
        stack.customer("harbour", {"1": "0.06"}, [vendor], peer=stack.peer("caller", "127.0.0.32"), trunk={"source_cidrs": hosts})

    @classmethod
    def tearDownClass(cls):
        cls.end.kill()
        super().tearDownClass()

    def load(self, i, calls):
        pairs = [(f"1212{n:07d}", f"4930{i}{n:06d}") for n in range(calls)]
        numbers = sipp.numbers_file(os.path.join(self.stack.folder, f"load-{i}.csv"), pairs)
        return sipp.caller(f"load-{i}", self.stack.folder, f"127.0.0.{32 + i}", self.stack.nodes[i].address, numbers, self.talk_ms, calls=calls,
                           rate=self.rate)

    def agrees(self, follower):
        """The follower knows the calls that are listed, those aside that come and go at this moment."""
        listed = {c["id"] for c in self.stack.api.items("/v1/calls")}
        return len(set(follower.live) ^ listed) <= self.rate

    def test_no_call_of_a_killed_node_stays_with_who_follows(self):
        follower = Follower(self.stack.api)
        follower.start()
        self.addCleanup(setattr, follower, "stopping", True)
        wait_for("the stream", lambda: follower.joined == 1, 10)
        sources = [self.load(i, 600) for i in range(2)]
        for source in sources:
            self.addCleanup(source.kill)
        wait_for("calls of both nodes", lambda: len(follower.on("sw1")) >= self.rate and len(follower.on("sw2")) >= self.rate, 20)
        self.assertEqual(follower.joined, 1, "the stream ended while nothing was wrong")
        self.stack.nodes[1].kill()
        wait_for("the word of it", lambda: follower.told and follower.joined >= 2, 12)
        wait_for("no call of the dead node", lambda: not follower.on("sw2"), 5)
        self.assertGreaterEqual(len(follower.on("sw1")), self.rate // 2, "the other node's calls are gone, too")
        wait_for("what is listed", lambda: self.agrees(follower), 5)
        sources[1].kill()
        self.stack.nodes[1].start()
        joined = follower.joined
        wait_for("the other load's end", lambda: sources[0].status is not None, 90)
        wait_for("no live call at all", lambda: not follower.live, 10)
        self.assertEqual(follower.joined, joined, "a node that came back ended the stream, though its calls are told")
