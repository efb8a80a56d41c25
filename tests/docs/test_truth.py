# SPDX-License-Identifier: Apache-2.0
"""What the pages name is there: each block of commands is run by a test or says why not; commands, options, settings, REST paths,
alerts and files that are named in the text exist."""

import glob
import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from commands import KINDS, TOP, fences  # noqa: E402
from story.process import Failure, run  # noqa: E402
from story.stack import program  # noqa: E402

PAGES = sorted(glob.glob(os.path.join(TOP, "docs", "*.md"))) + [os.path.join(TOP, name) for name in ("README.md", "CONTRIBUTING.md")]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def told(path):
    """A page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```[ \t]*$", "", read(path), flags=re.M | re.S)


def spans(path):
    """What stands in backticks in the text."""
    return re.findall(r"`([^`\n]+)`", told(path))


class Truth(unittest.TestCase):
    failureException = Failure
    maxDiff = None

    def nothing(self, wrong, what):
        self.assertEqual(wrong, [], what)

    def test_every_command_is_run_or_says_why_not(self):
        wrong, by_packages = [], read(os.path.join(TOP, "tests", "package", "test_package.py"))
        for path in PAGES:
            name = os.path.relpath(path, TOP)
            for line, language, kind, reason, _ in fences(read(path)):
                if language != "sh":
                    continue
                if kind == "not-run:":
                    good = len(reason) > 10
                elif kind == "run":
                    good = name.startswith("docs/")
                else:
                    good = kind in KINDS and f'blocks("{os.path.basename(path)}", "{kind}")' in by_packages
                if not good:
                    wrong.append(f"{name}:{line}: sh {kind} {reason}")
        self.nothing(wrong, "no test runs these blocks, and they do not say why")

    def test_no_block_hides_from_the_tests_by_indentation(self):
        wrong = [f"{os.path.relpath(path, TOP)}: {text}" for path in PAGES
                 for text in re.findall(r"(?:^|\n)(?![ \t]*(?:\d+\.|[-*]) )[^\n]*\n\n( {4,}\S[^\n]*)", told(path))]
        self.nothing(wrong, "fence these")

    def test_every_piece_of_configuration_is_good(self):
        directives = set()
        for unit in glob.glob(os.path.join(TOP, "packaging", "systemd", "*.service.in")):
            directives.update(re.findall(r"^(\w+)=", read(unit), re.M))
        seen = 0
        for path in PAGES:
            for line, language, _, _, text in fences(read(path)):
                where = f"{os.path.relpath(path, TOP)}:{line}"
                if language != "ini":
                    continue
                seen += 1
                if text.startswith("[Service]"):
                    self.nothing([k for k in re.findall(r"^(\w+)=", text, re.M) if k not in directives | {"EnvironmentFile"}], where)
                    continue
                with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
                    f.write(text)
                    f.flush()
                    done = run([program("tandemd"), "-c", f.name, "-t"], env={"TANDEM_DB_PASSWORD": "secret"}, check=False)
                    self.assertEqual(done.returncode, 0, f"{where}: {done.stderr}")
        self.assertGreater(seen, 3)

    def test_the_commands_and_options_in_the_text_exist(self):
        names = re.findall(r"^  ([a-z][a-z -]*?)  +\S", run([program("tandem"), "--help"]).stdout, re.M)
        helps, wrong = {}, []
        for path in PAGES:
            for span in spans(path):
                if not re.match(r"tandem [a-z]", span):
                    continue
                words = span.split()[1:]
                name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in names), None)
                if name is None and not any(n.startswith(words[0] + " ") for n in names):
                    wrong.append(f"{os.path.relpath(path, TOP)}: `{span}`: no such command")
                    continue
                if name is not None:
                    helps.setdefault(name, run([program("tandem"), *name.split(), "--help"]).stdout)
                    wrong += [f"{os.path.relpath(path, TOP)}: `{span}`: no {option}" for option in re.findall(r"--[a-z][a-z-]*", span)
                              if option != "--help" and not re.search(re.escape(option) + r"\b", helps[name])]
        self.assertGreater(len(helps), 10)
        self.nothing(wrong, "these are not so")

    def test_the_requests_in_the_text_exist(self):
        paths = json.loads(run([program("tandem-apid"), "--openapi"]).stdout)["paths"]
        known = {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, item in paths.items() for method in item}
        parameters = {(m.upper(), re.sub(r"\{\w+\}", "{}", path)): json.dumps(item[m]) + json.dumps(item.get("parameters", []))
                      for path, item in paths.items() for m in item}
        wrong, seen = [], 0
        for page in PAGES:
            for span in spans(page):
                m = re.match(r"(?:(GET|POST|PATCH|DELETE|PUT) )?(/v1/[^ ?`]*|/metrics|/healthz|/readyz|/openapi\.json)(\?\S*)?", span)
                if not m:
                    continue
                seen += 1
                path = re.sub(r"\{\w+\}|(?<=/)\d+", "{}", m[2].rstrip("/"))
                methods = [m[1]] if m[1] else ["GET", "POST"]
                found = [k for k in ((method, path) for method in methods) if k in known]
                if not found:
                    wrong.append(f"{os.path.relpath(page, TOP)}: `{span}`")
                for name in re.findall(r"[?&](\w+)=", m[3] or ""):
                    if found and f'"{name}"' not in parameters[found[0]]:
                        wrong.append(f"{os.path.relpath(page, TOP)}: `{span}` knows no {name}")
        self.assertGreater(seen, 40)
        self.nothing(wrong, "the API does not have these")

    def test_the_settings_in_the_text_exist(self):
        sample, section, known = run([program("tandem"), "--manual", "tandem.conf"]).stdout, None, set()
        for line in sample.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif m := re.match(r";?(\w+) =", line):
                known.add((section, m[1]))
        named = {(os.path.relpath(path, TOP), *m) for path in PAGES for span in spans(path)
                 for m in re.findall(r"^\[(\w+)\] (\w+)", span)}
        self.assertGreater(len(named), 15)
        self.nothing(sorted(f"{page}: [{s}] {k}" for page, s, k in named if (s, k) not in known), "there are no such settings")

    def test_every_kind_of_alert_has_its_entry_and_no_other(self):
        described = json.loads(run([program("tandem-apid"), "--openapi"]).stdout)["components"]["schemas"]["Alerts"]
        kinds = set(described["properties"]["kind"]["enum"])
        self.assertTrue(kinds)
        page = read(os.path.join(TOP, "docs", "runbook.md"))
        self.assertEqual(set(re.findall(r"^### Alert `(\w+)`$", page, re.M)), kinds)
        for entry in re.split(r"^### ", page, flags=re.M)[1:]:
            if entry.startswith("Alert"):
                for word in ("**Means**", "**Check**", "**Cure**"):
                    self.assertIn(word, entry)

    def test_the_files_in_the_text_exist(self):
        wrong = []
        for path in PAGES:
            for span in spans(path):
                m = re.fullmatch(r"((?:api|billing|cli|cluster|data|docs|lib|packaging|routing|scripts|settings|sql|switch|tariff|tests)"
                                 r"/[\w./*-]*)", span)
                if m and not glob.glob(os.path.join(TOP, m[1])) and not glob.glob(os.path.join(TOP, m[1] + ".c")):
                    wrong.append(f"{os.path.relpath(path, TOP)}: {m[1]}")
        self.nothing(wrong, "there are no such files")

    def test_the_map_of_the_code_leaves_no_directory_out(self):
        makefile = read(os.path.join(TOP, "Makefile.am"))
        directories = set(re.findall(r"^include (?:\$\(srcdir\)/)?(\w+)/Makefile\.inc", makefile, re.M))
        self.assertGreater(len(directories), 8)
        for page in ("README.md", "docs/architecture.md"):
            text = read(os.path.join(TOP, page))
            self.nothing(sorted(d for d in directories if f"`{d}/" not in text), page)
