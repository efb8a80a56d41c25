# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind at the API, all at once, while calls go on: each gets its status and learns nothing, and no call notices."""

import threading
import time

from story import Talk
from story.described import DescribedApi, Description, Wire
from story.lateness import Lateness

ALONE = True  # it loads the machine
SECONDS = 8
SETUP_MAX = 1.0  # from the INVITE to its 200, with both ends in this program: a repeat by timer A would come after half a second
LEAKS = ("select ", "postgres", "sqlstate", "/usr", ".c:", "libpq", "relation", "syntax error", "invalid input")
WRONG = ({"name": 7, "currency": "USD"}, {"name": "a", "currency": "dollars"}, {"name": "a", "currency": "USD", "color": "red"},
         {"name": "a", "currency": "USD", "max_channels": -1}, {"name": "a", "currency": "USD", "credit_limit": 5},
         {"name": "a", "currency": "USD", "credit_limit": "1e5"}, {"name": "x" * 5000, "currency": "USD"}, [])
TRICKS = ("/v1/carriers/1'--", "/v1/carriers/1;drop%20table%20carriers", "/v1/%2e%2e/%2e%2e/etc/passwd", "/console/..%2f..%2fmain.c",
          "/v1/cdrs/'%20or%20''='", "/v1/carriers?limit=1001", "/v1/carriers?cursor=e30", "/v1/cdrs?from=yesterday")


class Undisturbed(Talk):
    stack_options = {"workers": 1}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.admin = DescribedApi(stack.api.base, stack.api.key)
        cls.admin.description = Description.of(stack.api)
        cls.bound = stack.api.post("/v1/api-keys", name="bound", role="admin", carrier_id=cls.vendor["carrier"]["id"])["key"]

    # ---- each goes on until the calls are through, and counts

    def again_and_again(self, kind, once):
        def go():
            try:
                while not self.over.is_set():
                    text = once()
                    self.assertFalse([w for w in LEAKS if w in text.lower()], text)
                    self.count[kind] = self.count.get(kind, 0) + 1
            except BaseException as e:  # told by the story itself
                self.wrong.append(f"{kind}: {e}")

        thread = threading.Thread(target=go, name=kind)
        self.threads.append(thread)
        thread.start()

    def refused(self, api, wanted, method, path, **more):
        status, text = api.call(method, path, **more)
        self.assertIn(status, wanted, f"{method} {path}: {text[:300]}")
        return text

    def attack(self):
        def api(key=self.admin.key):  # one a thread
            return self.admin.with_key(key)

        big, deep, wrong, tricks, guess, foreign = api(), api(), api(), api(), api("tk_" + "a" * 43), api(self.bound)
        theirs = [f"/v1/carriers/{self.customer['carrier']['id']}", f"/v1/trunks/{self.customer['id']}", "/v1/audit-log", "/v1/calls"]
        self.again_and_again("50 MB", lambda: self.refused(big, {413}, "POST", "/v1/carriers", raw=b" " * 50_000_000))
        self.again_and_again("deep JSON", lambda: self.refused(deep, {400}, "POST", "/v1/carriers", raw=b'{"a":' * 100_000))
        self.again_and_again("wrong fields", lambda: "".join(self.refused(wrong, {422}, "POST", "/v1/carriers", body=b) for b in WRONG))
        self.again_and_again("tricks", lambda: "".join(self.refused(tricks, {400, 404}, "GET", path) for path in TRICKS))
        self.again_and_again("guessed keys", lambda: self.refused(guess, {401, 429}, "GET", "/v1/carriers"))
        self.again_and_again("other tenants", lambda: "".join(self.refused(foreign, {404}, "GET", path) for path in theirs))
        slow = [Wire(self.admin) for _ in range(60)]
        for i, wire in enumerate(slow):
            self.addCleanup(wire.socket.close)
            wire.send("POST /v1/carriers HTTP/1.1\r\nHost: x\r\n" + ("X-Slow: ", f"Authorization: Bearer {self.admin.key}\r\n"
                                                                     "Content-Length: 500\r\n\r\n{")[i % 2])

        def drip():
            for wire in slow:
                wire.send("a")
            time.sleep(0.2)
            return ""

        self.again_and_again("slow senders", drip)

    def test_calls_go_on_while_the_api_is_fed_with_everything_bad(self):
        self.over, self.threads, self.wrong, self.count = threading.Event(), [], [], {}
        long_call, long_leg = self.up()
        setups = []
        self.attack()
        try:
            with Lateness() as late:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    began = time.monotonic()
                    call, leg = self.up()
                    setups.append(time.monotonic() - began)
                    self.ends(call, leg)
                    time.sleep(0.05)  # a pace, not a wait: some calls a second are enough
        finally:
            self.over.set()
            for thread in self.threads:
                thread.join(30)
        self.assertEqual(self.wrong, [])
        self.assertEqual(len(self.count), 7, self.count)
        self.assertGreater(len(setups), SECONDS, "calls")
        self.assertLess(max(setups), SETUP_MAX + late.worst_s)
        self.ends(long_leg, long_call)
        said = self.stack.node.process.log().splitlines()
        self.assertEqual([line for line in said if "level=warn" in line or "level=error" in line], [])
        print(f"     {len(setups)} calls, the slowest set up in {max(setups) * 1000:.0f} ms, beside {self.count}")
