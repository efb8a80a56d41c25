# SPDX-License-Identifier: Apache-2.0
"""Copies of decks, in Redis and on disk, are believed only as far as they check out: one that is damaged, cut or another's is thrown
away, compiled anew where PostgreSQL is there, and written again; without PostgreSQL the other copy serves."""

import glob
import os
import re
import shutil

from story import Story, wait_for

FIND = "for _, key in ipairs(redis.call('KEYS', '{{tandem}}:deck:*:*:{deck}{rest}')) do return key end return ''"


class DeckCache(Story):
    @classmethod
    def provision(cls, stack):
        cls.vendor = stack.vendor("anchor", {str(4400 + i): "0.01" for i in range(300)})
        cls.customer = stack.customer("harbour", {"44": "0.06"}, [cls.vendor])
        cls.deck = cls.vendor["deck"]["id"]

    def setUp(self):
        if self.stack.node.process is None:
            self.stack.node.start()
        self.whole()

    def lua(self, script, *keys):
        return self.stack.redis.command("EVAL", script, len(keys), *keys)

    def key(self, rest):
        found = self.stack.redis.command("EVAL", "return {ok = (function() " + FIND.format(deck=self.deck, rest=rest) + " end)()}", 0)
        return found.lstrip("+")

    def whole(self):
        wait_for("the image in Redis", lambda: self.key("") and self.key(":*:0"), 10)
        return self.key(""), self.key(":*:0")

    def copies(self):
        return glob.glob(os.path.join(self.stack.node.folder, "**", f"deck-{self.deck}.image"), recursive=True)

    def restart(self, keep_disk=False):
        """-> (how many decks were compiled, what was said of copies)"""
        self.stack.node.stop()
        if not keep_disk:
            for path in self.copies():
                shutil.rmtree(os.path.dirname(path))
        self.stack.node.start()
        log = self.stack.node.process.log()
        return (int(re.search(r'"configuration in force".*? compiled=(\d+)', log).group(1)),
                [line for line in log.splitlines() if "deck cache:" in line])

    def call(self):
        called = self.number("4417")
        call = self.customer["peer"].invite(called)
        leg = self.vendor["peer"].expect_call()
        leg.reply(486)
        call.expect(486)
        self.assertEqual(self.stack.api.cdr(called=called)["buy_prefix"], "4417")

    def is_thrown_away_and_written_again(self, why):
        compiled, said = self.restart()
        self.assertEqual(compiled, 1, "that deck alone")
        self.assertEqual(len(said), 1, said)
        self.assertIn(f"deck={self.deck} ", said[0])
        self.assertIn("an image in Redis is not usable", said[0])
        self.assertIn(why, said[0])
        self.call()
        self.whole()
        self.assertEqual(self.restart(), (0, []))  # from Redis, as good as new
        self.call()

    def test_a_damaged_image_in_redis(self):
        _, chunk = self.whole()
        self.lua("return redis.call('SETRANGE', KEYS[1], 700, 'xyz')", chunk)
        self.is_thrown_away_and_written_again("SHA-256 is wrong")

    def test_a_cut_image_in_redis(self):
        _, chunk = self.whole()
        self.lua("return redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 999))", chunk)
        self.is_thrown_away_and_written_again("it is cut: 1000 of ")

    def test_an_image_in_redis_that_grew(self):
        _, chunk = self.whole()
        self.lua("return redis.call('APPEND', KEYS[1], 'more')", chunk)
        self.is_thrown_away_and_written_again("a part is too long")

    def test_a_part_that_redis_has_lost(self):
        _, chunk = self.whole()
        self.lua("return redis.call('DEL', KEYS[1])", chunk)
        self.is_thrown_away_and_written_again("a part is missing")

    def test_a_pointer_that_says_nothing(self):
        pointer, _ = self.whole()
        self.lua("return redis.call('SET', KEYS[1], 'rubbish')", pointer)
        self.assertEqual(self.restart(), (1, []))
        self.whole()
        wait_for("it is written again", lambda: self.restart() == (0, []), 15)
        self.call()

    def test_a_damaged_file_gives_way_to_redis_and_both_to_postgresql(self):
        self.stack.node.stop()
        path, = self.copies()
        self.damage(path)
        compiled, said = self.restart(keep_disk=True)
        self.assertEqual(compiled, 0)  # Redis has it
        self.assertEqual(len(said), 1, said)
        self.assertIn("a file is not usable", said[0])
        self.stack.node.stop()
        path, = self.copies()          # written again from there
        self.damage(path)
        _, chunk = self.whole()
        self.lua("return redis.call('SETRANGE', KEYS[1], 700, 'xyz')", chunk)
        compiled, said = self.restart(keep_disk=True)
        self.assertEqual(compiled, 1)
        self.assertEqual(len(said), 2, said)
        self.call()

    def test_without_postgresql_a_damaged_image_in_redis_leaves_that_on_disk(self):
        _, chunk = self.whole()
        self.stack.node.stop()
        self.lua("return redis.call('SETRANGE', KEYS[1], 700, 'xyz')", chunk)
        self.stack.postgres.stop()
        try:
            self.stack.node.start(ready=False)
            wait_for("routes", lambda: "configuration in force from the cache" in self.stack.node.process.log(), 15)
            self.assertIn(" missing=0", self.stack.node.process.log())
            call = self.customer["peer"].invite(self.number("4417"))
            leg = self.vendor["peer"].expect_call()
            leg.reply(486)
            call.expect(486)
        finally:
            self.stack.postgres.start()
        wait_for("the database back", lambda: '"configuration in force"' in self.stack.node.process.log(), 20)

    @staticmethod
    def damage(path):
        with open(path, "r+b") as f:
            f.seek(700)
            f.write(b"xyz")
