# SPDX-License-Identifier: Apache-2.0
"""Where a call would go, against an independent calculation: written from the manual in fractions, it shares no line with the
product. Twelve vendors with prefixes of different depth, in four currencies, at several times."""

import random
from fractions import Fraction

from story.described import ApiStory

TIMES = ["2026-01-15T12:00:00.000Z", "2026-02-15T12:00:00.000Z", "2026-03-15T12:00:00.000Z", "2026-04-15T12:00:00.000Z"]
USUAL_S = (6, 20, 45, 61, 90, 180)
CURRENCIES = ("USD", "EUR", "GBP", "CHF")     # nobody says what a CHF is worth
EXCHANGE = {"EUR": [("2026-01-01T00:00:00.000Z", "1.083719"), ("2026-03-01T00:00:00.000Z", "1.120003")],
            "GBP": [("2026-02-01T00:00:00.000Z", "1.27")]}
PLANS = [{"policy": "lcr"},
         {"policy": "priority", "max_attempts": 3},
         {"policy": "quality", "min_margin": "0.004"},
         {"policy": "balanced", "min_margin_percent": "12.5", "max_attempts": 12},
         {"policy": "weighted", "allow_loss": True, "max_attempts": 12},
         {"policy": "lcr", "min_margin": "0.02", "trunk": {"min_margin": "0.001", "min_margin_percent": "3"}}]


class Rate:
    def __init__(self, words):
        self.words = words
        self.price = Fraction(words["price"])
        self.initial_price = Fraction(words.get("initial_price", words["price"]))
        self.fee = Fraction(words.get("connect_fee", "0"))
        self.initial, self.increment, self.grace = (words.get(k, d) for k, d in (("initial", 1), ("increment", 1), ("grace", 0)))

    def amount(self, seconds):
        if seconds <= self.grace:
            return Fraction(0)
        steps = -(-max(0, seconds - self.initial) // self.increment)
        return self.fee + self.initial_price * self.initial / 60 + self.price * steps * self.increment / 60

    def usual(self):
        return sum(self.amount(s) for s in USUAL_S)


def rate_in_force(rates, called, at):
    """The longest prefix with a rate that holds; rates: as they were posted"""
    best = None
    for r in rates:
        if called.startswith(r["prefix"]) and r["effective_from"] <= at and not r.get("effective_to", "9") <= at:
            if best is None or (len(r["prefix"]), r["effective_from"]) > (len(best["prefix"]), best["effective_from"]):
                best = r
    return best


def worth(currency, at):
    said = [(since, rate) for since, rate in EXCHANGE.get(currency, []) if since <= at]
    return Fraction(1) if currency == "USD" else Fraction(max(said)[1]) if said else None


def nearest_nano(x):
    """Nine places, a half away from zero"""
    n = int(abs(x) * 10**9 + Fraction(1, 2))
    return Fraction(n if x >= 0 else -n, 10**9)


class Independent(ApiStory):
    @classmethod
    def draw_rates(cls, draw, deepest, cheap, selling=False):
        prefixes = {"4" + "".join(draw.choice("0123") for _ in range(draw.randrange(deepest))) for _ in range(60)}
        rates = []
        for prefix in sorted(prefixes | ({"4"} if selling else set())):
            for month in sorted(draw.sample(range(1, 6), draw.choice((1, 1, 2)))) if not selling else [1]:
                r = {"prefix": prefix, "price": f"{draw.randrange(*cheap) / 10**4:.4f}",
                     "effective_from": f"2026-{month:02d}-01T00:00:00.000Z" if not selling else "2025-01-01T00:00:00.000Z"}
                if draw.random() < 0.5:
                    r["initial"], r["increment"] = draw.choice(((60, 60), (30, 6), (6, 6), (0, 1), (60, 1)))
                if draw.random() < 0.2:
                    r["connect_fee"] = f"{draw.randrange(100) / 10**4:.4f}"
                if draw.random() < 0.2:
                    r["initial_price"] = f"{draw.randrange(*cheap) / 10**4:.4f}"
                if draw.random() < 0.1:
                    r["grace"] = 5
                if not selling and draw.random() < 0.1:
                    r["blocked"] = True
                if not selling and draw.random() < 0.15:
                    r["effective_to"] = f"2026-{month:02d}-20T00:00:00.000Z"
                rates.append(r)
        return rates

    @classmethod
    def deck_of(cls, stack, name, side, currency, rates):
        deck = stack.api.post("/v1/rate-decks", name=name, side=side, currency=currency)
        for r in rates:
            stack.api.post(f"/v1/rate-decks/{deck['id']}/rates", **r)
        return deck

    @classmethod
    def furnish(cls, stack):
        draw = random.Random(20260101)
        for currency, rates in EXCHANGE.items():
            for since, rate in rates:
                stack.api.post("/v1/exchange-rates", **{"from": currency, "to": "USD", "rate": rate, "effective_from": since})
        home = stack.api.post("/v1/carriers", name="home", currency="USD")
        cls.vendors = []
        for i in range(12):
            currency = CURRENCIES[(0, 1, 0, 2, 0, 1, 2, 0, 0, 1, 3, 0)[i]]
            rates = cls.draw_rates(draw, 2 + i % 6, (50, 500))
            carrier = home if i == 11 else stack.api.post("/v1/carriers", name=f"vendor {i}", currency=currency,
                                                          status="suspended" if i == 7 else "active")
            deck = cls.deck_of(stack, f"buy {i}", "buy", currency, rates)
            trunk = stack.api.post("/v1/trunks", carrier_id=carrier["id"], name=f"trunk {i}", direction="egress",
                                   host=f"192.0.2.{i + 1}", rate_deck_id=deck["id"], enabled=i != 8)
            cls.vendors.append({"id": trunk["id"], "rates": rates, "currency": currency, "priority": draw.randrange(3),
                                "weight": draw.choice((0, 1, 1, 5)), "prefixes": ["40", "412"] if i == 4 else [],
                                "gone": {7: "suspended", 8: "disabled", 11: "same_carrier"}.get(i)})
        cls.selling = cls.draw_rates(draw, 4, (150, 600), selling=True)
        deck = cls.deck_of(stack, "sell", "sell", "USD", cls.selling)
        members = [{"trunk_id": v["id"], "priority": v["priority"], "weight": v["weight"], "prefixes": v["prefixes"]} for v in cls.vendors]
        cls.plan = stack.api.post("/v1/routing-plans", name="plan", policy="lcr", members=members)
        cls.inn = stack.api.post("/v1/trunks", carrier_id=home["id"], name="in", direction="ingress", source_cidrs=["192.0.2.99/32"],
                                 rate_deck_id=deck["id"], routing_plan_id=cls.plan["id"])
        cls.numbers = ["4" + "".join(draw.choice("0123") for _ in range(9)) for _ in range(300)]
        cls.draw = draw

    # ---- the calculation

    def judge(self, vendor, sell, called, at, limits):
        """("offer", how it ranks, what is shown) or (the reason it is left out,)"""
        if vendor["prefixes"] and not any(called.startswith(p) for p in vendor["prefixes"]):
            return ("prefix_filter",)
        found = rate_in_force(vendor["rates"], called, at)
        if found is None:
            return ("no_rate",)
        if found.get("blocked"):
            return ("blocked",)
        if vendor["gone"]:
            return (vendor["gone"],)
        exchange = worth(vendor["currency"], at)
        if exchange is None:
            return ("currency",)
        rate = Rate(found)
        earned = sell.usual()
        margin = earned - rate.usual() * exchange
        minutes = Fraction(sum(USUAL_S), 60)
        if (margin < 0 and not limits.get("allow_loss")
                or "min_margin" in limits and margin / minutes < Fraction(limits["min_margin"])
                or "min_margin_percent" in limits and margin < earned * Fraction(limits["min_margin_percent"]) / 100):
            return ("margin",)
        return ("offer", rate.price * exchange, {"trunk_id": vendor["id"], "prefix": found["prefix"], "price": rate.price,
                                                 "expected_margin": nearest_nano(margin / minutes)})

    def calculate(self, plan, called, at):
        """The vendors to be offered with their ranks, and {trunk: reason} of the others; None, None without a sell rate"""
        sell = Rate(rate_in_force(self.selling, called, at))
        limits = {**plan, **plan.get("trunk", {})}
        offers, excluded = [], {}
        for v in self.vendors:
            verdict = self.judge(v, sell, called, at, limits)
            if verdict[0] != "offer":
                excluded[v["id"]] = verdict[0]
                continue
            rank = (verdict[1], v["priority"], -v["weight"], v["id"])
            if plan["policy"] == "priority":
                rank = (v["priority"], *rank)
            elif plan["policy"] == "weighted":
                rank = (v["priority"], v["weight"] == 0, *rank)
            offers.append((rank, verdict[2]))
        return sorted(offers, key=lambda o: o[0]), excluded

    # ---- and what the product says

    @staticmethod
    def shown(route):
        return {"trunk_id": route["trunk_id"], "prefix": route["prefix"], "price": Fraction(route["price"]),
                "expected_margin": Fraction(route["expected_margin"])}

    def compare(self, plan, called, at):
        offers, excluded = self.calculate(plan, called, at)
        said = self.api.post("/v1/route-lookups", trunk_id=self.inn["id"], called=called, at=at)
        most = plan.get("max_attempts", 5)
        if plan["policy"] == "weighted":    # the draw is free where priority and some weight are the same
            place = {o["trunk_id"]: rank[:2] for rank, o in offers}
            order = [place[r["trunk_id"]] for r in said["routes"]]
            self.assertEqual(order, sorted(order))
            unweighted = [r["trunk_id"] for r in said["routes"] if place[r["trunk_id"]][1]]
            self.assertEqual(unweighted, [o["trunk_id"] for rank, o in offers if rank[1]])
            by_id = lambda routes: sorted(routes, key=lambda r: r["trunk_id"])
            self.assertEqual(by_id(map(self.shown, said["routes"])), by_id(o for _, o in offers))
        else:
            self.assertEqual([self.shown(r) for r in said["routes"]], [o for _, o in offers[:most]])
        excluded.update({o["trunk_id"]: "max_attempts" for _, o in offers[most:]})
        self.assertEqual({e["trunk_id"]: e["reason"] for e in said["excluded"]}, excluded)
        if not said["routes"]:
            rated = any(v not in ("prefix_filter", "no_rate", "blocked") for v in excluded.values())
            self.assertEqual(said["outcome"], "none_usable" if rated else "no_vendor")
        return len(said["routes"]), set(excluded.values())

    def test_three_hundred_numbers_go_in_the_order_and_at_the_prices_of_the_calculation(self):
        free = {"min_margin": None, "min_margin_percent": None, "allow_loss": False, "max_attempts": 5}
        offered, reasons = 0, set()
        for i, plan in enumerate(PLANS):
            words = {k: v for k, v in plan.items() if k != "trunk"}
            self.api.patch(f"/v1/routing-plans/{self.plan['id']}", **{**free, **words})
            self.api.patch(f"/v1/trunks/{self.inn['id']}", **{"min_margin": None, "min_margin_percent": None, **plan.get("trunk", {})})
            for n, called in enumerate(self.numbers[i * 50:i * 50 + 50]):
                with self.subTest(plan=plan, called=called, at=TIMES[n % len(TIMES)]):
                    more, why = self.compare(plan, called, TIMES[n % len(TIMES)])
                    offered += more
                    reasons |= why
        self.assertGreater(offered, 600)    # the world is no desert, and each reason was met
        self.assertEqual(reasons, {"prefix_filter", "no_rate", "blocked", "disabled", "suspended", "same_carrier", "currency", "margin",
                                   "max_attempts"})
