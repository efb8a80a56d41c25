# SPDX-License-Identifier: Apache-2.0
"""The class that stories derive from: one Stack for all stories of a class."""

import datetime
import itertools
import time
import unittest
from decimal import Decimal

from .process import Failure, wait_for
from .stack import Stack


class Story(unittest.TestCase):
    """`stack_options` go to Stack; `provision` is told once, after the start."""

    stack_options = {}
    failureException = Failure
    longMessage = True
    maxDiff = None
    stack = None
    _numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(**cls.stack_options).start()
        try:
            cls.provision(cls.stack)
            if cls.stack.api is not None and cls.stack.nodes:
                cls.stack.settle()
        except BaseException as e:
            told = cls.stack.told()
            cls.stack.stop(quiet=True)
            if isinstance(e, Failure):
                raise Failure(f"{e}\n{told}") from e
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    @classmethod
    def provision(cls, stack):
        """Carriers, decks, trunks: what the stories of this class stand on."""

    def setUp(self):
        self.stack.mark()
        for peer in self.stack.peers:
            peer.behave(None)
            peer.fresh.clear()
            peer.errors.clear()

    def number(self, prefix="12125", digits=11):
        """A number that no other story uses."""
        return prefix + str(next(self._numbers)).rjust(digits - len(prefix), "0")

    def answered(self, customer, vendor, called):
        """A call up to its ACK; returns both ends."""
        call = customer["peer"].invite(called)
        leg = vendor["peer"].expect_call()
        self.answer(call, leg)
        return call, leg

    def lands(self, call, *peers, limit=8.0):
        """At which of these peers a call arrives: its leg, INVITE taken. None: the caller was refused instead."""
        called = call.invite.uri.split(":")[1].split("@")[0]

        def landed():
            refused = any(m.code and m.code >= 300 for m in call.got)
            leg = next((leg for leg in (p.call_of(called) for p in peers) if leg), None)
            return leg or refused and call

        leg = wait_for(f"the call of {called} at {', '.join(p.name for p in peers)}", landed, limit, every=0.005)
        if leg is call:
            return None
        leg.expect("INVITE")
        return leg

    def answer(self, call, leg):
        """The last INVITE is answered, and that acknowledged."""
        leg.reply(200, sdp=True, to=leg.last_invite)
        call.expect(200, method="INVITE")
        call.ack()
        leg.expect("ACK")

    def prack(self, call, early):
        """The caller confirms that 18x (RFC 3262)."""
        call.request("PRACK", headers=[("RAck", f"{early.get('RSeq')} {early.get('CSeq')}")])
        call.expect(200, method="PRACK")

    def ends(self, one, other):
        """One side hangs up; the other is told."""
        one.request("BYE")
        other.expect("BYE")
        other.reply(200)
        one.expect(200, method="BYE")

    def is_told_bye(self, *ends):
        for end in ends:
            end.expect("BYE")
            end.reply(200)

    # ---- looks at CDRs

    def cdr_says(self, cdr, **expected):
        """Each field of the CDR as said; amounts are compared as numbers."""
        wrong = []
        for name, value in expected.items():
            has = cdr.get(name, "no such field")
            same = has == value
            if isinstance(value, Decimal) and has is not None:
                same = Decimal(has) == value
            if not same:
                wrong.append(f"{name} is {has!r}, not {value!r}")
        if wrong:
            self.fail("the CDR: " + "; ".join(wrong) + f"\n  it is {cdr}")

    def attempts_are(self, cdr, *expected):
        """Each attempt as (trunk, sip_code)."""
        has = [(a["trunk_id"], a["sip_code"]) for a in cdr["attempts"]]
        want = [(t["id"], code) for t, code in expected]
        self.assertEqual(has, want, f"attempts of the CDR {cdr}")


def midnight_far(seconds):
    """If midnight UTC is nearer than that, wait until it is past: for stories that count by days, and have to begin and end on one."""
    left = 86400 - time.time() % 86400
    if left < seconds:
        time.sleep(left + 0.5)


def time_of(text):
    """An RFC 3339 time as a datetime."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def amount(price, seconds, initial=1, increment=1, fee="0", places=6):
    """What contract section 6 says a call costs; written anew here, so that the product is not checked by itself."""
    price, fee = Decimal(str(price)), Decimal(fee)
    billed = initial if seconds <= initial else initial + -(-(seconds - initial) // increment) * increment
    if seconds == 0:
        return 0, Decimal(0)
    total = fee + price * initial / 60 + price * (billed - initial) / 60
    return billed, total.quantize(Decimal(1).scaleb(-places), "ROUND_HALF_UP")
