# SPDX-License-Identifier: Apache-2.0
"""Many at once: races by the hundred, a bad path, limits that hold. Each call ends, with one CDR."""

import collections
import random
import threading
import time

from story import Failure, Talk, wait_for
from story.lateness import Lateness
from story.relay import Relay

ALONE = True  # it counts milliseconds


def called_of(leg):
    return leg.invite.uri.split(":")[1].split("@")[0]


class Storm(Talk):
    def rows(self, prefix, n, limit=10):
        """All CDRs of numbers with that prefix once there are n; one a number."""
        wait_for(f"{n} CDRs", lambda: int(self.stack.postgres.psql(
            f"select count(*) from cdrs where called_in like '{prefix}%'")) >= n, limit)
        rows = self.stack.api.items("/v1/cdrs", called_prefix=prefix, limit=1000)
        doubled = [c for c, k in collections.Counter(r["called_in"] for r in rows).items() if k > 1]
        self.assertEqual((len(rows), doubled), (n, []))
        return rows


class Races(Storm):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def caller_ends(self, call):
        """What came of it: 200 is acknowledged and hung up, 487 acknowledged; CANCEL has its answer, too."""
        finals = {}
        while len(finals) < 2:
            m = call.take(lambda m: m.method in ("INVITE", "CANCEL"), 10)
            if m.code >= 200:
                finals[m.method] = m.code
                if m.method == "INVITE" and m.code == 200:
                    call.last_reply = m
                    call._learn(m)
                    call.ack()
        if finals["INVITE"] == 200:
            call.bye(10)
        return finals["INVITE"]

    def vendor_ends(self, leg):
        """A vendor that has answered, before CANCEL or not, wants ACK and BYE."""
        while True:
            m = leg.take(lambda m: m.method in ("CANCEL", "ACK", "BYE"), 10)
            if m.method == "BYE":
                leg.reply(200, to=m)
                return
            if m.method == "CANCEL":
                leg.reply(200, to=m)

    def test_500_answers_cross_cancel_within_5_ms(self):
        seed = random.SystemRandom().randrange(1 << 32)
        chance, said, threads = random.Random(seed), collections.Counter(), []
        lock = threading.Lock()

        def play(what, *more):
            def run():
                try:
                    result = what(*more)
                except Failure as e:
                    result = str(e).splitlines()[0]
                with lock:
                    said[result] += 1
            threads.append(threading.Thread(target=run))
            threads[-1].start()

        for i in range(500):
            call = self.customer["peer"].invite(f"1213{i:07d}")
            leg = self.vendor["peer"].expect_call()
            leg.reply(180)
            call.expect(180)
            gap, first = chance.uniform(-0.005, 0.005), time.monotonic()
            acts = [(lambda: leg.reply(200, sdp=True, to=leg.invite)), call.cancel]
            for at, act in sorted(((first, acts[0]), (first + gap, acts[1])), key=lambda a: a[0]):
                time.sleep(max(0.0, at - time.monotonic()))
                act()
            play(self.caller_ends, call)
            play(self.vendor_ends, leg)
        for t in threads:
            t.join(30)
        self.assertEqual((said[None], said[200] + said[487]), (500, 500), f"{said}, seed {seed}")
        self.assertTrue(said[200] and said[487], f"it was no race: {said}, seed {seed}")
        self.nothing_left(5)
        codes = collections.Counter(r["sip_code"] for r in self.rows("1213", 500))
        self.assertEqual((codes[200], codes[487]), (said[200], said[487]), f"seed {seed}")


class BadPath(Storm):
    """Between the switch and either side a tenth is lost, and some comes twice or late. T1 is 200 ms."""

    stack_options = {"settings": {"sip": {"t1": "200ms"}}}
    SEED = 5407

    @classmethod
    def provision(cls, stack):
        cls.b, cls.a = stack.peer("alpha"), stack.peer("harbour")
        cls.relays = [Relay(peer, stack.node.address, f"127.0.3.{n}", cls.SEED + n) for n, peer in ((1, cls.a), (2, cls.b))]
        for peer in (cls.a, cls.b):
            peer.t1, peer.persistent = 0.2, True
        vendor = cls.relays[1].far
        cls.vendor = stack.vendor("alpha", {"1": "0.02"}, host=vendor[0], port=vendor[1])
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], peer=cls.a,
                                      trunk={"source_cidrs": [f"{cls.relays[0].far[0]}/32"]})

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        for relay in cls.relays:
            relay.close()

    def vendor_answers(self, leg):
        leg.reply(180)
        time.sleep(0.2)               # it rings
        leg.reply(200, sdp=True)
        while True:
            m = leg.take(lambda m: m.method in ("ACK", "BYE"), 20)
            if m.method == "BYE":
                leg.reply(200, to=m)
                return

    def call_through(self, called, fates):
        call = self.a.invite(called)
        try:
            answer = call.expect_final(20)
            if answer.code == 200:
                call.ack()
                time.sleep(0.5)       # they talk
                call.bye(20)
            fates[called] = answer.code
        except Failure as e:
            fates[called] = str(e).splitlines()[0]

    def test_98_of_100_calls_are_answered(self):
        fates, threads = {}, []
        self.b.behave(self.vendor_answers)
        for i in range(100):
            threads.append(threading.Thread(target=self.call_through, args=(f"1214{i:07d}", fates)))
            threads[-1].start()
            time.sleep(0.02)
        for t in threads:
            t.join(60)
        good = sum(f == 200 for f in fates.values())
        losses = [(r.passed, r.lost, r.doubled, r.held) for r in self.relays]
        self.assertGreaterEqual(good, 98, f"{collections.Counter(fates.values())}; passed, lost, doubled, held: {losses}")
        for passed, lost, doubled, held in losses:
            self.assertTrue(0.06 < lost / (passed + lost) < 0.14 and doubled and held, losses)
        legs = collections.Counter(called_of(c) for c in self.b.calls.values())
        self.assertEqual([c for c, n in legs.items() if n > 1], [], "numbers that came to the vendor twice")
        self.nothing_left(15)
        rows = self.rows("1214", 100)
        self.assertEqual({r["attempts"] for r in rows}, {1})
        answered = {r["called_in"] for r in rows if r["sip_code"] == 200}
        self.assertEqual({n for n, f in fates.items() if f == 200} - answered, set(), "answered, but not by their CDRs")
        self.assertEqual(answered - set(legs), set())


class TwoWorkers(Storm):
    """One UDP port, two workers: what belongs to a call meets the worker that has it."""

    stack_options = {"workers": 2}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])

    def test_200_calls_half_of_them_cancelled(self):
        a, b = self.customer["peer"], self.vendor["peer"]
        numbers = [f"1215{random.randrange(10**7):07d}" for _ in range(200)]
        numbers = list(dict.fromkeys(numbers))
        calls = {n: a.invite(n) for n in numbers}
        legs = {}
        for _ in numbers:
            leg = b.expect_call()
            legs[called_of(leg)] = leg
            leg.reply(180)
        self.assertEqual(set(legs), set(calls))
        workers = collections.Counter(leg.invite.uri_of("Contact") for leg in legs.values())
        self.assertEqual(len(workers), 2, workers)
        for n, call in calls.items():
            call.expect(180)
        cancelled, answered = numbers[::2], numbers[1::2]
        for n in cancelled:
            calls[n].cancel()
        for n in answered:
            legs[n].reply(200, sdp=True, to=legs[n].invite)
        for n in cancelled:
            calls[n].expect(200, method="CANCEL")
            calls[n].expect(487, method="INVITE")
            legs[n].expect("CANCEL")
            legs[n].reply(200)
            legs[n].reply(487, to=legs[n].invite)
            legs[n].expect("ACK")
        for n in answered:
            calls[n].expect(200)
            calls[n].ack()
            legs[n].expect("ACK")
            one, other = (calls[n], legs[n]) if int(n) % 2 else (legs[n], calls[n])
            self.ends(one, other)
        self.nothing_left()
        codes = collections.Counter(r["sip_code"] for r in self.rows("1215", len(numbers)))
        self.assertEqual(codes, {487: len(cancelled), 200: len(answered)})

    def test_a_repeated_invite_meets_the_same_worker(self):
        """40 calls, each INVITE three times: one B leg and one record each, whichever worker has it."""
        a, b = self.customer["peer"], self.vendor["peer"]
        numbers = list(dict.fromkeys(f"1216{random.randrange(10**7):07d}" for _ in range(40)))
        calls = {n: a.invite(n) for n in numbers}
        for call in calls.values():
            call.repeat(call.invite)
            call.repeat(call.invite)
        legs = [b.expect_call() for _ in numbers]
        self.assertEqual({called_of(leg) for leg in legs}, set(numbers))
        self.assertEqual(len({leg.invite.uri_of("Contact") for leg in legs}), 2, "both workers had calls")
        for leg in legs:
            leg.reply(486)
        for call in calls.values():
            call.expect(486)
        b.expect_no_call(0.3)
        self.nothing_left()
        self.assertEqual(len(self.rows("1216", len(numbers))), len(numbers))


class Limits(Storm):
    """Two nodes; haven may have 3 calls at once over both, harbour 10 new ones a second."""

    stack_options = {"nodes": 2}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor], trunk={"max_cps": 10})
        cls.narrow = stack.customer("haven", {"1": "0.06"}, [cls.vendor], trunk={"max_channels": 3})

    def test_over_its_cps_a_trunk_gets_503_and_few_records(self):
        began = time.monotonic()
        calls = [self.customer["peer"].invite(f"1216{i:07d}") for i in range(200)]
        answers = collections.Counter()
        for call in calls:
            answers[call.take(lambda m: m.code in (100, 503)).code] += 1
        took = time.monotonic() - began
        good = [call for call in calls if call.got[0].code == 100]
        self.assertTrue(10 <= len(good) <= 10 * (took + 1), f"{len(good)} of 200 were admitted in {took:.2f} s")
        self.assertEqual(answers[503], 200 - len(good), answers)
        for _ in good:
            self.vendor["peer"].expect_call().reply(486)
        for call in good:
            call.expect(486)
        self.vendor["peer"].expect_no_call(0.1)
        wait_for("the CDRs of what was admitted", lambda: int(self.stack.postgres.psql(
            "select count(*) from cdrs where called_in like '1216%' and sip_code = 486")) == len(good), 10)
        rows = self.stack.api.items("/v1/cdrs", called_prefix="1216", sip_code=503, limit=1000)
        self.assertTrue(1 <= len(rows) <= 10 * (took + 1), f"{len(rows)} CDRs of refused calls in {took:.2f} s")
        self.assertEqual({r["disconnect_reason"] for r in rows}, {"capacity"})

    def test_channels_hold_over_both_nodes(self):
        a, b = self.narrow["peer"], self.vendor["peer"]
        places = [n.address for n in self.stack.nodes]

        def up(place):
            call = a.invite(self.number(), remote=place)
            leg = b.expect_call()
            self.answer(call, leg)
            return call, leg

        def refused(place):
            called = self.number()
            call = a.invite(called, remote=place)
            self.assertEqual(call.expect_final(5).code, 503)
            self.cdr_says(self.stack.api.cdr(called=called), sip_code=503, disconnect_reason="capacity")

        live = [up(places[0]), up(places[0]), up(places[1])]
        for place in places:
            refused(place)
        self.ends(*live.pop(0))
        live.append(self.admitted(places[1]))  # the other node hears of the free place
        for place in places:
            refused(place)
        for call, leg in live:
            self.ends(leg, call)

    def admitted(self, place, limit=3.0):
        """A call that goes through within the limit, however often it has to be placed: what other nodes have in use is heard
        each second or so."""
        end, leg = time.monotonic() + limit, None
        with Lateness() as late:
            while leg is None:
                if time.monotonic() > end + late.worst_s:
                    self.fail(f"a place that was given back was not free after {limit:g} s")
                call = self.narrow["peer"].invite(self.number(), remote=place)
                leg = self.lands(call, self.vendor["peer"])
                time.sleep(0.05 if leg is None else 0)
        self.answer(call, leg)
        return call, leg

    def test_zz_nothing_is_left(self):
        self.nothing_left()


class NodeCps(Storm):
    """[sip] max_cps holds for the whole node, whoever calls."""

    stack_options = {"settings": {"sip": {"max_cps": 5}}}

    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("alpha", {"1": "0.02"})
        cls.customer = stack.customer("harbour", {"1": "0.06"}, [cls.vendor])
        cls.other = stack.customer("haven", {"1": "0.06"}, [cls.vendor])

    def test_the_nodes_cps_holds_over_its_customers(self):
        self.vendor["peer"].behave(lambda leg: leg.reply(486))
        began = time.monotonic()
        calls = [c["peer"].invite(self.number()) for _ in range(20) for c in (self.customer, self.other)]
        codes = collections.Counter(call.expect_final(5).code for call in calls)
        took = time.monotonic() - began
        self.assertEqual(set(codes), {486, 503}, codes)
        self.assertTrue(5 <= codes[486] <= 5 * (took + 1), f"{codes} in {took:.2f} s")
