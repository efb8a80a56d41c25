# SPDX-License-Identifier: Apache-2.0
"""Who has never seen tandem goes from an empty system to the first call, its bill and its export with nothing but the console."""

import os
import subprocess
import tempfile

from story import Talk
from story.process import Failure

HERE = os.path.dirname(os.path.abspath(__file__))


class Newcomer(Talk):
    @classmethod
    def provision(cls, stack):
        cls.caller, cls.callee = stack.peer("Northwind"), stack.peer("Atlas")

    def call(self):
        """The customer's first call, up to its ACK."""
        call = self.caller.invite("442079460123")
        leg = self.callee.expect_call()
        leg.reply(180)
        call.expect(180)
        self.answer(call, leg)
        return call, leg

    def test_from_an_empty_system_to_the_first_bill(self):
        pictures = os.environ.get("TANDEM_PICTURES") or tempfile.mkdtemp(prefix="pictures-", dir=self.stack.folder)
        ends, told = (), []
        with subprocess.Popen(["node", os.path.join(HERE, "newcomer.mjs"), self.stack.api.base, self.stack.api.key, pictures, self.stack.folder,
                               self.caller.at, self.callee.at], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as walk:
            for line in walk.stdout:
                told.append(line)
                if line == "place the call\n":
                    self.stack.settle()
                    ends = self.call()
                elif line == "it ends\n":
                    self.is_told_bye(*ends)
        if walk.returncode != 0 or not ends:
            raise Failure(f"the browser's part failed:\n{''.join(told)}")
        print("".join(told), end="")
