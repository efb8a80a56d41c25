# SPDX-License-Identifier: Apache-2.0
"""The packages on a bare Debian 12 that boots: installed by the manual's own commands, a first call, an upgrade under a live call, removed,
purged. Then, on another machine, the packages' own test. As root; part of ./check --long."""

import filecmp
import os
import re
import shutil
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs"))
from commands import blocks, differs  # noqa: E402
from machine import BUILDING, Machine, build, commit, last_release, packages  # noqa: E402
from story.process import TOP, Failure, run, wait_for  # noqa: E402

NEWER = "0.1.0+upgrade"
MARK = "@@block@@"
ADDRESSES = "for a in 10 11 12 21 22; do ip address add 192.0.2.$a/32 dev lo; done"
CONF = "/etc/tandem/tandem.conf"


def script(found):
    """Blocks of the manual as one shell script."""
    return "set -eu\n" + "".join(text for _, text, _ in found).rstrip("\n")


class OnAMachine(unittest.TestCase):
    failureException = Failure
    maxDiff = None
    name = None
    machine = None

    @staticmethod
    def first():
        """The packages that the machine begins with."""
        return packages()

    @classmethod
    def setUpClass(cls):
        folder = cls.first()
        cls.machine = Machine(cls.name, folder, packages(NEWER))
        try:
            cls.machine.add(folder)
            cls.machine.boot()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.machine.stop()
        cls.machine.remove()

    def inside(self, script, limit=120):
        return self.machine.run(script, limit=limit).stdout

    def installed(self, package):
        return self.machine.run("dpkg-query -W -f '${db:Status-Status}' " + package, check=False).stdout == "installed"

    def psql(self, sql):
        return self.inside(f'runuser -u postgres -- psql -X -A -t -d tandem -c "{sql}"').strip()

    def is_active(self, unit):
        return self.machine.run(f"systemctl is-active {unit}", check=False).stdout.strip() == "active"


class AMachinesLife(OnAMachine):
    """In the order of their numbers; each stands on the one before."""

    name = "life"
    key = None

    def test_1_the_manuals_commands_lead_to_the_first_call(self):
        self.inside(ADDRESSES + "; apt-get install -y --no-install-recommends sip-tester jq", 300)
        found = blocks("install.md", "machine") + blocks("first-call.md", "run")
        script = "set -eu\n" + "".join(f"echo '{MARK}'\n{text}" for _, text, _ in found) + f"echo '{MARK}'\necho $KEY\n"
        with open(self.machine.path("/root/manual"), "w") as f:
            f.write(script)
        done = self.machine.run("sh /root/manual", check=False, limit=400)
        printed = done.stdout.split(MARK + "\n")[1:]
        for (line, _, expected), output in zip(found, printed):
            wrong = differs(expected, output) if expected is not None else None
            self.assertIsNone(wrong, f"line {line}: {wrong}\n{output}\n{done.stderr}\n{self.machine.journal('tandemd')}")
        self.assertEqual((done.returncode, len(printed)), (0, len(found) + 1),
                         f"{printed[-1:]}\n{done.stderr}\n{self.machine.journal('tandemd')}")
        type(self).key = printed[-1].strip()
        self.assertRegex(self.key, r"\Atk_[A-Za-z0-9_-]{43}\Z")
        self.assertEqual(self.psql("select count(*) from cdrs where sip_code = 200 and egress_trunk_id = 2"), "1")

    def test_2_everything_runs_confined_as_its_own_user(self):
        for unit in ("tandemd", "tandem-apid", "tandem-export.timer"):
            self.assertTrue(self.is_active(unit), f"{unit}: {self.machine.journal(unit)}")
        for unit in ("tandemd", "tandem-apid"):
            for words in (unit, f"--offline=yes /lib/systemd/system/{unit}.service"):
                said = self.inside(f"systemd-analyze security --no-pager {words} | tail -n 1")
                self.assertLessEqual(float(re.search(r"service: ([\d.]+)", said)[1]), 2.0, said)
            status = self.inside(f"cat /proc/$(systemctl show -P MainPID {unit})/status")
            self.assertRegex(status, r"(?m)^CapEff:\s+0+$")
            self.assertRegex(status, r"(?m)^Seccomp:\s+2$")
            self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")
            self.assertEqual(self.inside(f"ps -o user= -p $(systemctl show -P MainPID {unit})").strip(), "tandem")
            self.assertIn("Type=notify", self.inside(f"systemctl show -p Type {unit}"))
            self.assertNotIn("WatchdogUSec=0", self.inside(f"systemctl show -p WatchdogUSec {unit}"))
        nice = self.inside("ps -L -o ni= -p $(systemctl show -P MainPID tandemd)").split()
        self.assertTrue(any(int(n) > 0 for n in nice), f"no thread of tandemd steps back: {nice}")
        self.assertEqual(self.inside(f"stat -c '%U:%G %a' {CONF}").strip(), "root:tandem 640")

    def test_3_a_translation_works_where_no_code_may_be_made(self):
        """MemoryDenyWriteExecute forbids PCRE2's JIT."""
        self.api("PATCH", "/v1/trunks/2", '{"translations": [{"number": "called", "match": "^1(212)", "replace": "001$1"}]}')
        time.sleep(2)
        self.call("12125550133", 500)
        wait_for("the CDR", lambda: self.psql("select called_out from cdrs where called_in = '12125550133'") == "00012125550133"[1:], 10, 0.5)

    def test_4_a_reload_is_taken_and_a_bad_file_is_refused(self):
        self.inside(f"sed -i 's/^drain_timeout = 60s /drain_timeout = 45s /' {CONF} && systemctl reload tandemd")
        wait_for("the reload", lambda: "settings reloaded" in self.machine.journal("tandemd"), 5)
        self.inside(f"cp {CONF} /root/good && echo 'nonsense = 1' >> {CONF}")
        refused = self.machine.run("systemctl restart tandem-apid", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("nonsense", self.machine.journal("tandem-apid"))
        self.inside(f"cat /root/good > {CONF} && systemctl reset-failed tandem-apid && systemctl restart tandem-apid")

    def test_5_a_watchdog_ends_what_hangs(self):
        pid = self.inside("systemctl show -P MainPID tandem-apid").strip()
        self.inside(f"kill -STOP {pid}")
        wait_for("the watchdog", lambda: self.inside("systemctl show -P MainPID tandem-apid").strip() not in (pid, "0"), 60, 1)
        wait_for("tandem-apid", lambda: self.is_active("tandem-apid"), 10, 0.5)

    def test_6_an_upgrade_drains_a_live_call_and_keeps_all(self):
        """Longer than the unit's TimeoutStopSec: tandemd asks for its time."""
        self.machine.add(packages(NEWER))
        conf, rates = self.inside(f"cat {CONF}"), self.psql("select count(*) from rates")
        talk = self.machine.start("sipp -sn uas -i 192.0.2.22 -p 5060 -nostdin >sink.log 2>&1 & sink=$!; trap 'kill $sink' EXIT; "
                                  "sipp -sn uac -i 192.0.2.11 -p 5062 -s 12125550144 -m 1 -d 40000 -nostdin 192.0.2.10:5060",
                                  self.machine.log + ".call")
        wait_for("the call", lambda: "12125550144" in self.inside("tandem calls"), 10, 0.3)
        upgrade = self.machine.start(script(blocks("install.md", "upgrade")), self.machine.log + ".upgrade")
        wait_for("the draining", lambda: "draining" in self.machine.journal("tandemd", 5), 60, 0.1)
        refused = self.machine.run("sipp -sn uac -i 192.0.2.11 -p 5063 -s 12125550145 -m 1 -nostdin -trace_err -error_file /root/refused.log "
                                   "192.0.2.10:5060", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("503", self.inside("cat /root/refused.log"))
        self.assertEqual(talk.wait(90), 0, "the live call was broken")
        self.assertEqual(upgrade.wait(120), 0, self.upgrade_log())
        self.assertIn(NEWER, self.inside("dpkg-query -W -f '${Version}' tandem-switch"))
        wait_for("tandemd", lambda: self.is_active("tandemd") and self.is_active("tandem-apid"), 20, 0.5)
        row = wait_for("the call's CDR", lambda: self.psql(
            "select disconnect_reason, hangup_party, duration_ms / 1000 from cdrs where called_in = '12125550144'"), 10, 0.5)
        self.assertEqual(row, "normal|caller|40")
        self.assertEqual((self.inside(f"cat {CONF}"), self.psql("select count(*) from rates")), (conf, rates))
        self.assertIn('"items"', self.api("GET", "/v1/carriers"))
        self.call("12125550155", 500)

    def test_7_the_export_of_the_night_can_be_started_by_hand(self):
        said = self.inside("systemctl list-timers --all --no-pager")
        self.assertIn("tandem-export.timer", said)
        self.assertIn("00:1", said)
        if "export run" not in self.inside("tandem --help"):
            self.fail("`tandem export run` is not there: tandem-export.service cannot do its work")
        self.inside("systemctl start tandem-export.service")
        self.assertIn("ConditionResult=no", self.inside("systemctl show -p ConditionResult tandem-seal.service"))

    def test_7a_a_key_is_enough_for_the_night_to_seal(self):
        self.inside(script(blocks("cdr-keeping.md", "machine")))
        self.assertEqual(self.inside("stat -c '%U %a' /etc/tandem/seal.pem").strip(), "tandem 400")
        self.inside("systemctl start tandem-export.service")
        self.assertEqual(self.inside("systemctl show -P Result tandem-seal.service").strip(), "success", self.machine.journal("tandem-seal"))
        self.inside("systemctl start tandem-deliver.service && systemctl enable --now tandem-deliver.timer")
        self.inside("systemctl start tandem-archive.service")
        self.assertEqual(self.inside("systemctl show -P Result tandem-archive.service").strip(), "success", self.machine.journal("tandem-archive"))
        self.assertTrue(self.is_active("tandem-archive.timer"))

    def test_8_remove_keeps_settings_and_data(self):
        self.inside("systemctl stop postgresql")
        self.call("12125550166", 500)
        self.inside("apt-get -y remove tandem tandem-switch tandem-api tandem-cli tandem-common", 200)
        for unit in ("tandemd", "tandem-apid", "tandem-export.timer"):
            self.assertFalse(self.is_active(unit), unit)
        self.assertFalse(self.machine.run("command -v tandemd tandem tandem-apid", check=False).stdout)
        self.inside(f"test -f {CONF} && test -d /var/lib/tandem/spool")

    def test_9_purge_asks_nothing_and_leaves_cdrs(self):
        done = self.inside("apt-get -y purge 'tandem*' </dev/null", 200)
        self.assertIn("/var/lib/tandem is left", done)
        self.assertEqual(self.machine.run("ls /etc/tandem", check=False).stdout.replace("seal.pem\n", ""), "")
        self.assertNotEqual(self.inside("ls /var/lib/tandem/spool"), "")
        self.inside("systemctl start postgresql")
        self.assertGreaterEqual(int(self.psql("select count(*) from cdrs")), 3)

    def test_a_a_new_installation_finds_the_cdrs_that_waited(self):
        self.inside("apt-get install -y tandem", 300)
        wait_for("the CDR that waited in the spool", lambda: self.psql("select count(*) from cdrs where called_in = '12125550166'") == "1", 20, 0.5)

    def test_b_purge_with_the_word_leaves_nothing(self):
        self.inside(script(blocks("install.md", "remove")), 200)
        self.assertEqual(self.inside("runuser -u postgres -- psql -X -A -t -c "
                                     "\"select (select count(*) from pg_database where datname = 'tandem'), "
                                     "(select count(*) from pg_roles where rolname = 'tandem')\"").strip(), "0|0")
        self.inside("test ! -e /var/lib/tandem && test ! -e /etc/tandem/tandem.conf && test ! -e /usr/share/tandem")

    # ---- words

    def api(self, method, path, body=None):
        data = f"-H 'Content-Type: application/json' -d '{body}'" if body else ""
        return self.inside(f"curl -sSf -X {method} -H 'Authorization: Bearer {self.key}' {data} 'http://127.0.0.1:8080{path}'")

    def call(self, called, talk_ms):
        self.inside("sipp -sn uas -i 192.0.2.22 -p 5060 -nostdin >sink.log 2>&1 & sink=$!; trap 'kill $sink' EXIT; sleep 0.3; "
                    f"sipp -sn uac -i 192.0.2.11 -p 5062 -s {called} -m 1 -d {talk_ms} -nostdin -timeout 20 192.0.2.10:5060")

    def upgrade_log(self):
        with open(self.machine.log + ".upgrade", errors="replace") as f:
            return f.read()[-4000:]


class ThePackagesOwnTest(OnAMachine):
    name = "autopkgtest"

    def test_it_places_a_call(self):
        """What autopkgtest would do: install what debian/tests/control names, run the test as root."""
        with open(os.path.join(TOP, "packaging", "debian", "tests", "control")) as f:
            control = f.read()
        depends = re.search(r"^Depends: (.*)$", control, re.M)[1].replace(",", " ")
        self.inside(f"apt-get install -y --no-install-recommends {depends}", 300)
        for name in re.search(r"^Tests: (.*)$", control, re.M)[1].split():
            shutil.copy(os.path.join(TOP, "packaging", "debian", "tests", name), self.machine.path("/root/" + name))
            self.assertIn("a call was carried", self.inside(f"/root/{name}"))


class FromTheLastRelease(OnAMachine):
    name = "release"

    @staticmethod
    def first():
        return packages(of=last_release())

    def test_an_upgrade_from_it_keeps_all(self):
        release = last_release()
        self.inside("apt-get install -y --no-install-recommends tandem sip-tester curl python3", 300)
        shutil.copy(os.path.join(TOP, "packaging", "debian", "tests", "call"), self.machine.path("/root/call"))
        self.inside("/root/call")
        rows = "select (select count(*) from cdrs), (select count(*) from rates), (select count(*) from api_keys)"
        before, conf = self.psql(rows), self.inside(f"cat {CONF}")
        self.machine.add(packages(NEWER))
        self.inside("apt-get -y upgrade", 200)
        self.assertEqual(self.inside("dpkg-query -W -f '${Version}' tandem-switch"), NEWER)
        wait_for(f"the daemons after an upgrade from {release}", lambda: self.is_active("tandemd") and self.is_active("tandem-apid"), 20, 0.5)
        self.assertEqual((self.psql(rows), self.inside(f"cat {CONF}")), (before, conf))
        self.assertIn("ok       schema", self.inside("tandem doctor"))
        self.inside("sipp -sn uas -i 127.0.0.21 -p 5060 -nostdin >sink.log 2>&1 & sink=$!; trap 'kill $sink' EXIT; sleep 0.3; "
                    "sipp -sn uac -i 127.0.0.11 -p 5062 -s 12125550177 -m 1 -d 500 -nostdin -timeout 20 127.0.0.1:5060")


class FromSource(OnAMachine):
    name = "source"

    def test_the_manuals_commands_lead_from_a_checkout_to_running_daemons(self):
        self.inside("apt-get install -y --no-install-recommends postgresql redis-server " + " ".join(sorted(BUILDING)), 300)
        os.mkdir(self.machine.path("/root/tandem"))
        tree = self.machine.path("/root/tree.tar")
        run(["git", "-C", TOP, "archive", "-o", tree, commit()])
        self.inside("tar -x -f tree.tar -C tandem")
        self.inside("cd tandem\n" + script(blocks("install.md", "source")), 600)
        for unit in ("tandemd", "tandem-apid", "tandem-export.timer"):
            self.assertTrue(self.is_active(unit), f"{unit}: {self.machine.journal(unit)}")
        self.assertIn("ok       schema", self.inside("tandem doctor"))
        self.assertIn("/usr/local/sbin/tandemd", self.inside("systemctl show -P ExecStart tandemd"))


class Reproducible(unittest.TestCase):
    failureException = Failure

    def test_two_builds_are_the_same_to_the_byte(self):
        first = packages()
        with tempfile.TemporaryDirectory() as second:
            build(second, "--commit", commit(), jobs=1)
            names = sorted(os.listdir(second))
            self.assertEqual(names, sorted(n for n in os.listdir(first) if n.endswith(".deb")))
            same, different, odd = filecmp.cmpfiles(first, second, names, shallow=False)
            self.assertEqual((sorted(same), different, odd), (names, [], []))
