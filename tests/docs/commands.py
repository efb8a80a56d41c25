# SPDX-License-Identifier: Apache-2.0
"""The commands of a page of the manual.

A fenced block that begins with ```sh run is run by tests/docs as it stands, those of a page as one script; ```sh machine, ```sh upgrade,
```sh remove and ```sh source by tests/package on a machine of its own; ```sh not-run: REASON is only read. No block is without such a word.
A ```text block right after one is what it prints: line by line, "..." stands for anything. A page with <!-- goes on from: PAGE --> is
run after that one's commands, on the same tandem.

    commands.py PAGE [KIND]      prints them as one script
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FENCE = re.compile(r"^( *)```(\S*)[ \t]*(\S*)[ \t]*([^\n]*)\n(.*?)^ *```[ \t]*$", re.M | re.S)
KINDS = ("run", "machine", "upgrade", "remove", "source")  # what is run, and by whom see above


def read(page):
    with open(os.path.join(TOP, "docs", page), encoding="utf-8") as f:
        return f.read()


def fences(text):
    """Each fenced block: (line, language, kind, reason, text)"""
    for m in FENCE.finditer(text):
        yield text.count("\n", 0, m.start()) + 1, m[2], m[3], m[4].strip(), m[5]


def before(page):
    """The pages whose commands come before this one's, the first first."""
    m = re.search(r"^<!-- goes on from: (\S+) -->$", read(page), re.M)
    return [*before(m[1]), m[1]] if m else []


def blocks(page, kind):
    """[(line in the page, script, expected output or None)]"""
    text, found, last_end = read(page), [], None
    for m in FENCE.finditer(text):
        if m[2] == "sh" and m[3] == kind:
            found.append([text.count("\n", 0, m.start()) + 1, m[5], None])
            last_end = m.end()
        elif m[2] == "text" and last_end is not None and not text[last_end:m.start()].strip():
            found[-1][2] = m[5]
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
