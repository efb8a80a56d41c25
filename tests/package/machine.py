# SPDX-License-Identifier: Apache-2.0
"""A Debian 12 of its own, booted by systemd-nspawn, with no network but its loopback and a local repository of packages."""

import functools
import glob
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from story.process import TOP, Failure, Process, children_of, keep, run, wait_for  # noqa: E402

CACHE = os.path.join(TOP, "var", "package")
BUILDING = set(run([os.path.join(TOP, "scripts", "deps"), "--list", "build"]).stdout.split()) | {"libcmocka-dev"}
TOOLS = {"sip-tester", "python3", "curl", "jq"} | BUILDING
REPOSITORY = "/srv/repository"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
               "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}


@functools.cache
def commit(name="HEAD"):
    """What a name stood for when we first asked."""
    return run(["git", "-C", TOP, "rev-parse", name + "^{commit}"]).stdout.strip()


def build(folder, *words, jobs=os.cpu_count()):
    """Packages into a folder. The unit tests are ./check's own part."""
    run([os.path.join(TOP, "packaging", "build-deb"), *words, folder], 900, {"DEB_BUILD_OPTIONS": "nocheck", "JOBS": str(jobs)})


def packages(version=None, of="HEAD"):
    """The folder with the packages of a commit; a build is kept."""
    folder = os.path.join(CACHE, "deb", commit(of) + ("-" + version if version else ""))
    if not os.path.exists(os.path.join(folder, "complete")):
        build(folder, "--commit", commit(of), *(["--version", version] if version else ["--lintian"]))
        with open(os.path.join(folder, "complete"), "w"):
            pass
    return folder


def last_release():
    """The last tag; before the first release, the last commit."""
    return run(["git", "-C", TOP, "describe", "--tags", "--abbrev=0"], check=False).stdout.strip() or "HEAD"


def depends(folder):
    """What the packages of a folder need from Debian, by name."""
    names = set()
    for package in glob.glob(os.path.join(folder, "*.deb")):
        for one in run(["dpkg-deb", "-f", package, "Depends"]).stdout.replace(",", "|").split("|"):
            names.add(one.split("(")[0].strip())
    return {n for n in names if n and not n.startswith("tandem")}


class Machine:
    """The packages of these folders can be installed in it; what they need is in its repository, and what their tests call with."""

    def __init__(self, name, *folders):
        if os.geteuid() != 0:
            raise Failure("the stories of the packages boot a machine: run them as root")
        wanted = TOOLS.union(*map(depends, folders))
        run([os.path.join(TOP, "scripts", "package-root"), CACHE, *sorted(wanted)], 900)
        for folder in glob.glob(os.path.join(CACHE, "deb", "*")):
            if commit() not in folder and commit(last_release()) not in folder:
                shutil.rmtree(folder)
        self.name, self.root = name, os.path.join(CACHE, "machine-" + name)
        self.log = os.path.join(CACHE, f"machine-{name}.log")
        self.process = self.leader = None
        self.remove()
        run(["cp", "-a", "--reflink=auto", os.path.join(CACHE, "root"), self.root], 300)
        repository = self.path(REPOSITORY)
        os.makedirs(repository)
        for package in glob.glob(os.path.join(CACHE, "depends", "*.deb")):
            os.link(package, os.path.join(repository, os.path.basename(package)))
        for path in glob.glob(self.path("/etc/apt/apt.conf.d/*proxy*")):
            os.unlink(path)
        with open(self.path("/etc/apt/sources.list"), "w") as f:
            f.write(f"deb [trusted=yes] file:{REPOSITORY} ./\n")
        with open(self.path("/etc/hostname"), "w") as f:
            f.write(f"{name}\n")

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def add(self, folder):
        """Packages into the repository; apt knows them at once if the machine runs."""
        for package in glob.glob(os.path.join(folder, "*.deb")):
            if "-dbgsym_" not in package:
                shutil.copy(package, self.path(REPOSITORY))
        with open(self.path(REPOSITORY + "/Packages"), "w") as out:
            subprocess.run(["apt-ftparchive", "packages", "."], cwd=self.path(REPOSITORY), stdout=out, check=True, timeout=120)
        if self.leader is not None:
            self.run("apt-get -q update")

    def boot(self):
        self.process = Process(f"machine {self.name}", [
            "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--console=passive",
            "--link-journal=no", "--resolv-conf=off", f"--machine=tandem-{self.name}-{os.getpid()}", "-D", self.root], self.log)
        self.leader = wait_for("the machine's init", self._find_leader, 20)
        wait_for("the machine's multi-user state", self._is_up, 90, 0.2)
        self.run("apt-get -q update")
        return self

    def _find_leader(self):
        self.process.must_run()
        for pid in children_of(self.process.pid):
            try:
                with open(f"/proc/{pid}/status") as f:
                    ids = next(line for line in f if line.startswith("NSpid:")).split()[1:]
                with open(f"/proc/{pid}/comm") as f:
                    comm = f.read().strip()
            except (OSError, StopIteration):
                continue
            if len(ids) > 1 and ids[-1] == "1" and comm == "systemd":
                return pid
        return None

    def _is_up(self):
        self.process.must_run()
        return self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def _words(self, script, env):
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "--", "env", "-i",
                *(f"{k}={v}" for k, v in {**ENVIRONMENT, **(env or {})}.items()), "sh", "-c", "cd /root && " + script]

    def run(self, script, check=True, limit=120, env=None):
        """A shell script inside, to its end."""
        return run(self._words(script, env), limit, check=check)

    def start(self, script, log, env=None):
        """A shell script inside, beside us; its output goes to a file of ours."""
        with open(log, "wb") as out:
            return keep(subprocess.Popen(self._words(script, env), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                         start_new_session=True))

    def journal(self, unit, lines=40):
        return self.run(f"journalctl -q --no-pager -n {lines} -u {unit}", check=False).stdout

    def stop(self):
        if self.process is not None and self.process.status is None:
            if self.leader is not None:
                self.run("systemctl poweroff --force", check=False)
            try:
                self.process.wait(60)
            except Failure:
                self.process.kill()
        self.process = self.leader = None

    def remove(self):
        if os.path.isdir(self.root):
            run(["rm", "-rf", "--one-file-system", self.root], 120)
