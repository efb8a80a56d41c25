# SPDX-License-Identifier: Apache-2.0
"""The manual pages, the completion and the sample file say what the programs do; links between the pages lead somewhere."""

import glob
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from commands import TOP  # noqa: E402
from story.process import BUILD, Failure, run  # noqa: E402
from story.stack import program  # noqa: E402


class Manual(unittest.TestCase):
    failureException = Failure

    def printed(self, page):
        return run([program("tandem"), "--manual", page]).stdout

    def test_every_command_has_its_place(self):
        commands = re.findall(r"^  ([a-z][a-z -]*?)  +\S", run([program("tandem"), "--help"]).stdout, re.M)
        self.assertIn("rates import", commands)
        page, completion = self.printed("tandem.1"), self.printed("tandem.bash")
        for command in commands:
            self.assertIn('.SS "' + command.replace("-", "\\-") + '"', page)
            self.assertIn(f'"{command} "*)', completion)

    def test_every_setting_has_its_place(self):
        sample = self.printed("tandem.conf")
        keys = re.findall(r"^;(\w+) =", sample, re.M)
        self.assertIn("drain_timeout", keys)
        page = self.printed("tandem.conf.5")
        for key in keys:
            self.assertIn(f"\n.B {key}\n", page)
        for section in re.findall(r"^\[(\w+)\]", sample, re.M):
            self.assertIn(f".SS [{section}]", page)

    def test_the_sample_file_passes_with_every_line_in_force(self):
        text = re.sub(r"^;(\w+ =)", r"\1", self.printed("tandem.conf"), flags=re.M)
        text = re.sub(r"^id =.*", "id = sw1", text, flags=re.M)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(text)
            f.flush()
            run([program("tandemd"), "-c", f.name, "-t"])

    def test_the_file_of_the_packages_passes(self):
        run([program("tandemd"), "-c", os.path.join(TOP, "packaging", "tandem.conf"), "-t"])

    def test_every_option_of_the_daemons_is_in_their_pages(self):
        for name in ("tandemd", "tandem-apid"):
            with open(os.path.join(TOP, "packaging", "man", name + ".8.in")) as f:
                page = f.read().replace("\\-", "-")
            for option in re.findall(r"^  (--?\w[\w-]*)", run([program(name), "--help"]).stdout, re.M):
                self.assertIn(option, page, name)

    def test_roff_has_nothing_to_complain_about(self):
        pages = [os.path.join(BUILD, "packaging", p) for p in ("tandem.1", "tandem.conf.5", "tandemd.8", "tandem-apid.8")]
        for page in pages:
            done = run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
            self.assertEqual(done.stderr, "", page)

    def test_completion_is_good_bash_and_completes(self):
        with tempfile.NamedTemporaryFile("w", suffix=".bash") as f:
            f.write("_init_completion() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=(\"${COMP_WORDS[@]}\") "
                    "cword=$COMP_CWORD; }\n_filedir() { COMPREPLY=(a-file); }\n" + self.printed("tandem.bash") +
                    't() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tandem; echo "${COMPREPLY[*]}"; }\n'
                    "t tandem rout\nt tandem rates ''\nt tandem -c x apikey create --role a\nt tandem rates import --file ''\n"
                    "t tandem rates import --re\n")
            f.flush()
            said = run(["bash", f.name]).stdout.splitlines()
        self.assertEqual(said, ["route", "import export versions rollback", "admin", "a-file", "--replace"])

    def test_the_runbook_has_what_the_programs_warn_of_and_nothing_else(self):
        """Each message at warning or error is an alarm: a heading, or a row of the table at the end."""
        with open(os.path.join(TOP, "docs", "runbook.md"), encoding="utf-8") as f:
            page = f.read()
        source = ""
        for path in glob.glob(os.path.join(TOP, "*", "*.c")):
            with open(path, encoding="utf-8") as f:
                source += re.sub(r'"\s*\n\s*"', "", f.read())
        said = set(re.findall(r'log_event\(\s*[^;"]*LOG_LEVEL_(?:WARN|ERROR)[^;"]*"([^"]*)"', source))
        said -= {m for m in said if "=%" in m}  # the message is an argument there
        self.assertGreater(len(said), 30)
        self.assertEqual(sorted(m for m in said if f'"{m}"' not in page), [], "the runbook lacks these")
        for message in re.findall(r'^### "(.*)"$', page, re.M) + re.findall(r'msg="([^".]+)"', page):
            self.assertIn(f'"{message}"', source)
        for entry in re.split(r"^### ", page, flags=re.M)[1:]:
            if entry.startswith('"'):
                self.assertIn("**Means**", entry)
                self.assertRegex(entry, r"\*\*Cure\*\*|ends it")

    def test_make_install_puts_everything_in_place(self):
        with tempfile.TemporaryDirectory() as root:
            run(["make", "-s", "-C", BUILD, "install", "DESTDIR=" + root, "prefix=/usr", "sysconfdir=/etc"], 300)
            for path in ("bin/tandem", "sbin/tandemd", "sbin/tandem-apid", "share/man/man1/tandem.1", "share/man/man5/tandem.conf.5",
                         "share/man/man8/tandemd.8", "share/man/man8/tandem-apid.8", "share/bash-completion/completions/tandem",
                         "lib/systemd/system/tandemd.service", "lib/systemd/system/tandem-apid.service",
                         "lib/systemd/system/tandem-export.service", "lib/systemd/system/tandem-export.timer",
                         "lib/systemd/system/tandem-seal.service", "lib/systemd/system/tandem-deliver.timer",
                         "lib/systemd/system/tandem-archive.service", "lib/systemd/system/tandem-archive.timer",
                         "lib/sysusers.d/tandem.conf", "lib/tmpfiles.d/tandem.conf"):
                self.assertTrue(os.path.getsize(os.path.join(root, "usr", path)) > 0, path)
            self.assertFalse(os.path.exists(os.path.join(root, "etc")), "settings are the operator's")
            for unit in glob.glob(os.path.join(root, "usr/lib/systemd/system/*.service")):
                with open(unit) as f:
                    text = f.read()
                self.assertNotIn("@", re.sub(r"@system-service|@privileged|@resources", "", text), unit)

    def test_the_packages_are_built_with_what_the_checkout_is(self):
        with open(os.path.join(TOP, "packaging", "debian", "control")) as f:
            needs = re.search(r"^Build-Depends:(.*?)^\S", f.read(), re.M | re.S)[1]
        named = set(re.findall(r"[a-z][\w.+-]+-dev", needs)) - {"libcmocka-dev"}
        listed = {p for p in run([os.path.join(TOP, "scripts", "deps"), "--list", "build"]).stdout.split() if p.endswith("-dev")}
        self.assertEqual(named, listed - {"libc6-dev"})

    def test_every_page_is_in_the_index(self):
        with open(os.path.join(TOP, "docs", "README.md"), encoding="utf-8") as f:
            index = f.read()
        for page in glob.glob(os.path.join(TOP, "docs", "*.md")):
            name = os.path.basename(page)
            if name != "README.md":
                self.assertIn(f"]({name})", index)

    def test_links_between_pages_lead_somewhere(self):
        pages = glob.glob(os.path.join(TOP, "docs", "*.md")) + [os.path.join(TOP, n) for n in ("README.md", "CONTRIBUTING.md")]
        for page in pages:
            with open(page, encoding="utf-8") as f:
                text = f.read()
            for target, anchor in re.findall(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)", text):
                path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
                self.assertTrue(os.path.exists(path), f"{os.path.relpath(page, TOP)} links to {target}")
                if anchor:
                    with open(path, encoding="utf-8") as f:
                        heads = {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-")
                                 for h in re.findall(r"^#+ (.*)$", f.read(), re.M)}
                    self.assertIn(anchor[1:], heads, f"{os.path.relpath(page, TOP)} links to {target}{anchor}")
