# SPDX-License-Identifier: Apache-2.0
"""The commands of a page of the manual.

A fenced block that begins with ```sh run is run by tests/docs as it stands, ```sh machine by tests/package on a machine of its own;
plain ```sh is only read. A ```text block right after one is what it prints: line by line, "..." stands for anything.

    commands.py PAGE [KIND]      prints them as one script
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"^```(\S*)[ \t]*(\S*)\n(.*?)^```[ \t]*$", re.M | re.S)


def blocks(page, kind):
    """[(line in the page, script, expected output or None)]"""
    with open(os.path.join(TOP, "docs", page), encoding="utf-8") as f:
        text = f.read()
    found, last_end = [], None
    for m in FENCE.finditer(text):
        if m[1] == "sh" and m[2] == kind:
            found.append([text.count("\n", 0, m.start()) + 1, m[3], None])
            last_end = m.end()
        elif m[1] == "text" and last_end is not None and not text[last_end:m.start()].strip():
            found[-1][2] = m[3]
            last_end = None
        else:
            last_end = None
    return [tuple(b) for b in found]


def differs(expected, printed):
    """None, or the first line that is not as the page says."""
    want, has = expected.strip("\n").split("\n"), printed.strip("\n").split("\n")
    squeezed = [" ".join(line.split()) for line in has]
    for n, line in enumerate(want):
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("..."))
        if n >= len(has) or not re.fullmatch(pattern, squeezed[n]):
            return f"the page says {line!r}, printed was {has[n] if n < len(has) else '(nothing)'!r}"
    if len(has) > len(want):
        return f"the page ends, but printed was also {has[len(want)]!r}"
    return None


def main(argv):
    if not 1 <= len(argv) <= 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    for _, script, _ in blocks(argv[0], argv[1] if len(argv) > 1 else "run"):
        sys.stdout.write(script)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
