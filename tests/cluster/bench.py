"""Hosts of the bench: network namespaces with real LXD daemons, fed with nothing but an output tree of lxseed.

Everything a bench makes has its own process number in its name, and is taken down by `Bench.close`: processes by the
numbers it started, namespaces and loop devices by the names it made. Nothing else on the machine is touched.
"""
import base64
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))

from steps import Failed, run, variables, wait  # noqa: E402

STAND_INS = ("bench/bin/systemctl", "stand-in/snap", "bench/bin/sleep", "bench/bin/timedatectl", "bench/bin/uname",
             "bench/bin/update-initramfs", "bench/bin/sudo")
STAGES = ("preflight", "purge", "snapd", "lxd", "disks", "cluster", "verify", "seal")
DISK_BYTES = 512 * 1024 * 1024


class Host:
    """One machine. What it keeps over a power cut lies in its folder; what it loses, in its namespaces."""

    def __init__(self, bench, name, seed, machine=None):
        """MACHINE tells apart two machines that are set up as the same host."""
        self.bench, self.name, self.seed = bench, name, seed
        self.folder = bench.folder / "hosts" / (machine or name)
        self.upper = self.folder / "upper"
        self.space = "%s-%s" % (bench.tag, machine or name)
        self.process, self.init = None, None
        self.loops = {}
        for part in ("work", "root"):
            (self.folder / part).mkdir(parents=True)
        self.install()
        self.make_disks()
        self.wire()

    # -- what is on the machine before it is switched on

    def install(self):
        """A system disk as the installer leaves it, and no LXD yet."""
        for part in ("upper", "lxd"):
            shutil.rmtree(self.folder / part, ignore_errors=True)
            (self.folder / part).mkdir()
        (self.folder / "lxd").chmod(0o711)
        local = self.upper / "usr/local/bin"
        local.mkdir(parents=True)
        for tool in STAND_INS:
            (local / os.path.basename(tool)).symlink_to("/opt/" + tool)
        self.setting("speed", self.bench.speed)
        self.plant()

    def reinstall(self, seed=None, blank=False):
        """Its system disk is thrown away and installed anew; the data disks stay as they are, or are new ones."""
        if self.process:
            raise Failed("%s is on" % self.name)
        self.seed = seed or self.seed
        self.install()
        if blank:
            for slot in self.loops:
                self.blank(slot)

    def blank(self, slot):
        """A new disk of the same identity in the place of the old one."""
        run("blkdiscard", self.loops[slot])
        run("blockdev", "--flushbufs", self.loops[slot])

    def setting(self, name, value):
        path = self.upper / "etc/bench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("%s\n" % value)

    def plant(self, seed=None):
        """The seed as a medium or an installer would leave it."""
        self.seed = seed or self.seed
        self.values = variables(self.bench.planted(self.seed, "/usr/local/sbin/lxseed-firstboot").decode())
        into = self.upper / "var/lib/cloud/seed/nocloud"
        into.mkdir(parents=True, exist_ok=True)
        for name in ("user-data", "meta-data", "network-config"):
            if (self.seed / name).exists():
                shutil.copyfile(self.seed / name, into / name)
                (into / name).chmod(0o600)

    def make_disks(self):
        """One sparse loop device per slot, that shows to udev what the profile looks for."""
        values = self.values
        self.disks = []
        for i, slot in enumerate(values["SLOT_NAMES"]):
            by, value = values["SLOT_BY"][i], values["SLOT_VALUES"][i]
            # A disk model's own identifiers, beside the one that the slot goes by.
            properties = {"ID_MODEL": "BENCHDISK", "ID_SERIAL_SHORT": "SN-%s-%s" % (self.name, slot)}
            links = ["by-id/ata-BENCHDISK_SN-%s-%s" % (self.name, slot)]
            if by == "serial":
                properties["ID_SERIAL_SHORT"] = value
            elif by == "wwn":
                properties["ID_WWN"] = value
                links.append("by-id/wwn-" + value)
            elif by in ("by_id", "by_path"):
                links.append(by.replace("_", "-") + "/" + value)
            else:
                raise Failed("the bench has no disks that go by %s" % by)
            self.add_disk(slot, properties, links, max(DISK_BYTES, int(values["SLOT_MIN"][i] or 0)))

    def add_disk(self, slot, properties, links, size=DISK_BYTES):
        image = self.folder / ("disk-%s.img" % slot)
        with open(image, "wb") as file:
            file.truncate(size)
        with Bench.losetup:
            device = run("losetup", "--find", "--show", image).strip()
            # Whoever had this device before may have left it read-only, and the kernel remembers that.
            run("blockdev", "--setrw", device)
        self.bench.loops.append(device)
        self.loops[slot] = device
        self.disks.append({"slot": slot, "name": device[len("/dev/"):], "number": os.stat(device).st_rdev,
                           "links": links, "properties": properties})

    def disk(self, slot):
        return next(d for d in self.disks if d["slot"] == slot)

    def wire(self):
        outside, inside = "host%d" % next(self.bench.plugs), "eth0"
        run("ip", "netns", "add", self.space)
        self.bench.spaces.append(self.space)
        run("ip", "-n", self.bench.wire, "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.space)
        run("ip", "-n", self.bench.wire, "link", "set", outside, "master", "wire", "up")
        run("ip", "-n", self.space, "addr", "add", self.values["ADDRESS"][0] + "/24", "dev", inside)
        self.cable(True)
        run("ip", "-n", self.space, "link", "set", "lo", "up")

    def cable(self, plugged):
        run("ip", "-n", self.space, "link", "set", "eth0", "up" if plugged else "down")

    def speak_from(self, address):
        """Its packets come from another address, and nobody is told that its own is here: what two cards make of a machine. With
        the same address on one wire twice, each of the two would take the other off it."""
        own = self.values["ADDRESS"][0]
        run("ip", "-n", self.space, "addr", "del", own + "/24", "dev", "eth0")
        run("ip", "-n", self.space, "addr", "add", own + "/32", "dev", "lo")
        run("ip", "-n", self.space, "addr", "add", address + "/24", "dev", "eth0")
        run("ip", "netns", "exec", self.space, "sysctl", "-q", "-w", "net.ipv4.conf.eth0.arp_ignore=1")

    def speak_from_own(self, address):
        own = self.values["ADDRESS"][0]
        run("ip", "-n", self.space, "addr", "del", address + "/24", "dev", "eth0")
        run("ip", "-n", self.space, "addr", "del", own + "/32", "dev", "lo")
        run("ip", "-n", self.space, "addr", "add", own + "/24", "dev", "eth0")

    # -- power

    def boot(self):
        if self.process:
            raise Failed("%s is on already" % self.name)
        for stale in ("reboot-wanted", "unit-state"):
            (self.upper / "var/log" / stale).unlink(missing_ok=True)
        (self.folder / "host.json").write_text(json.dumps({"disks": self.disks}))
        shutil.rmtree(self.folder / "work", ignore_errors=True)
        (self.folder / "work").mkdir()
        console = open(self.folder / "console", "ab")
        # unshare's child is process 1 of the host; when unshare dies, so does everything in it.
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.space, "unshare", "-m", "-p", "-u", "-f", "--kill-child=SIGKILL",
             "--propagation", "private", HERE / "host/enter", self.folder, self.bench.tree],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        console.close()
        children = pathlib.Path("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid))

        def first_child():
            if self.process.poll() is not None:
                raise Failed("%s does not boot: %s" % (self.name, (self.folder / "console").read_text()[-400:]))
            return children.read_text().split()

        self.init = int(wait(20, "%s starts" % self.name, first_child)[0])
        wait(20, "%s has its root" % self.name, lambda: os.path.exists("/proc/%d/root/opt/bench/init" % self.init))

    def power_cut(self):
        """Everything in it dies at once, without a chance to write anything more."""
        if self.process:
            try:
                os.kill(self.init, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.kill()
            self.process.wait()
            # Namespaces end after their last process; loops and the overlay are busy until then.
            wait(20, "%s ends" % self.name, lambda: not os.path.exists("/proc/%d" % self.init))
            self.process, self.init = None, None

    def shut_down(self):
        """In order: the first boot is ended, LXD hands over and unmounts, what is written is on the disk."""
        self.inside("systemctl", "stop", "lxseed-firstboot")
        self.inside("/opt/bench/bin/lxd-daemon", "stop")
        self.power_cut()

    def inside(self, *words, **options):
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}
        return run("nsenter", "-t", self.init, "-m", "-p", "-u", "-n", "--", *words, env=environment, **options)

    def kill_stage(self):
        """kill -9 of the unit's main process and all that systemd would take along."""
        return self.inside("python3", "-c", """
import os, pathlib, signal
main = int(pathlib.Path("/run/units/main-pid").read_text())
for entry in os.listdir("/proc"):
    try:
        if entry.isdigit() and os.getsid(int(entry)) == main:
            os.kill(int(entry), signal.SIGKILL)
    except OSError:
        pass
""")

    def kill_lxd(self):
        self.inside("sh", "-c", "[ ! -e /run/lxd.pid ] || kill -9 $(cat /run/lxd.pid) || true")

    def stage_running(self):
        """The stage whose process runs at this moment, seen from outside."""
        try:
            space = os.readlink("/proc/%d/ns/pid" % self.init)
        except (OSError, TypeError):
            return None
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                words = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                if b"/usr/local/sbin/lxseed-firstboot" in words and words[-2].decode() in STAGES:
                    if os.readlink("/proc/%s/ns/pid" % entry) == space:
                        return words[-2].decode()
            except OSError:
                pass
        return None

    # -- what it says

    def text(self, path):
        file = self.upper / path.lstrip("/")
        return file.read_text(errors="replace") if file.exists() else ""

    def journal(self):
        return self.text("/var/log/journal")

    def stage(self):
        """The stage in which it stands, as its log says."""
        found = re.findall(r"^lxseed \S+ (\w+):", self.journal(), re.M)
        return found[-1] if found else "off"

    def state(self):
        return self.text("/var/log/unit-state").strip()

    def instance(self):
        return self.text("/var/lib/cloud/data/instance-id").strip()

    def noted(self, name):
        """What the first boot has noted of itself: `joined`, `sealed`, `complete`, each with the instance it is true of."""
        for folder in ("/var/lib/lxseed/", "/var/lib/lxseed/marks/"):
            if self.text(folder + name):
                return self.text(folder + name).strip()
        return ""

    def sealed(self):
        """All is done, and nothing is left to do for this instance."""
        return self.state() == "exited" and self.noted("complete") == self.instance() != ""

    def stopped(self):
        return self.state() == "failed 78"

    def receipt(self):
        return json.loads(self.text("/var/lib/lxseed/receipt.json"))

    def api(self, path):
        said = self.inside("sh", "-c", 'exec /usr/bin/lxc query "$0" 2>/dev/null', path)
        try:
            return json.loads(said)
        except ValueError:
            raise Failed("%s: lxc query %s says: %s" % (self.name, path, said[-300:])) from None

    def lxc(self, *words, **options):
        return self.inside("/usr/bin/lxc", *words, stdin=subprocess.DEVNULL, **options)

    def try_inside(self, *words, seconds=60):
        """The exit code and all that was said."""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}
        done = subprocess.run(["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-n", "--", *words], env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=seconds)
        return done.returncode, done.stdout

    def firstboot(self, *words, seconds=60):
        return self.try_inside("/usr/local/sbin/lxseed-firstboot", *words, seconds=seconds)

    def status(self):
        """The last line, which is the verdict."""
        return self.firstboot("status")[1].strip().splitlines()[-1]

    def problem(self):
        return self.text("/var/lib/lxseed/problem").strip()

    def restart_unit(self):
        """`systemctl restart lxseed-firstboot`, as messages say."""
        # Inside: what is removed behind the back of a mounted overlay is not gone for it.
        self.inside("rm", "-f", "/var/log/unit-state")
        self.inside("systemctl", "restart", "lxseed-firstboot")

    def lxd_runs(self):
        return self.inside("pgrep", "-f", "^/usr/bin/lxd --logfile", check=False).strip() != ""

    def dump(self):
        """The global database as this member has it, without what each heartbeat and each offline member changes in it."""
        text = self.inside("/usr/bin/lxd", "sql", "global", ".dump")
        if "CREATE TABLE" not in text:
            raise Failed("%s: no dump: %s" % (self.name, text[-300:]))
        lines = []
        for line in text.splitlines():
            if re.match(r"INSERT INTO \"?(warnings|operations|sqlite_sequence)\"? ", line):
                continue
            if re.match(r"INSERT INTO \"?nodes\"? ", line):
                line = re.sub(r"'?\d{4}-\d\d-\d\d[T ][0-9:.]+[^,')]*'?", "TIME", line)
            lines.append(line)
        return lines

    def database(self):
        """SHA-256 of each file of its LXD's database, for a host whose LXD does not run."""
        folder = self.folder / "lxd/database"
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*")) if path.is_file()}

    def digests(self):
        return {slot: self.digest(slot) for slot in self.loops}

    def rebooted(self):
        """Carries out a reboot that the host asked for."""
        if (self.upper / "var/log/reboot-wanted").exists():
            self.power_cut()
            self.boot()

    def await_sealed(self, seconds=150):
        def ready():
            if self.stopped():
                raise Failed("%s stopped: %s" % (self.name, self.problem()))
            return not self.rebooted() and self.sealed()

        wait(seconds, "%s sealed (stands in %s)" % (self.name, self.stage()), ready)

    def await_member(self, seconds=90):
        """The stage cluster is done; a bootstrap host that is alone would wait long for the others after that."""
        stamp = self.upper / "var/lib/lxseed/stages/cluster.done"
        wait(seconds, "%s is a member (stands in %s)" % (self.name, self.stage()),
             lambda: self.rebooted() or stamp.exists() or self.stopped())
        if self.stopped():
            raise Failed("%s stopped: %s" % (self.name, self.problem()))

    def await_stopped(self, seconds=90):
        wait(seconds, "%s stopped by its guard (stands in %s)" % (self.name, self.stage()), self.stopped)
        return self.problem()

    def await_said(self, text, seconds=60):
        wait(seconds, "%s says '%s'" % (self.name, text), lambda: text in self.journal())

    def digest(self, slot):
        with open(self.loops[slot], "rb") as device:
            return hashlib.sha256(device.read()).hexdigest()


class Bench:
    """A wire with hosts on it."""

    numbers = itertools.count(1)
    losetup = threading.Lock()

    def __init__(self, scratch, tree, out, cluster, speed=5):
        self.tag = "lxb%d-%d" % (os.getpid(), next(Bench.numbers))
        self.tree, self.out, self.cluster, self.speed = tree, pathlib.Path(out), cluster, speed
        self.folder = pathlib.Path(scratch) / self.tag
        self.folder.mkdir()
        self.hosts, self.spaces, self.loops = {}, [], []
        self.plugs = itertools.count()
        self.read = {}
        self.wire = self.tag + "-wire"
        run("ip", "netns", "add", self.wire)
        self.spaces.append(self.wire)
        run("ip", "-n", self.wire, "link", "add", "wire", "type", "bridge", "forward_delay", "0")
        run("ip", "-n", self.wire, "link", "set", "wire", "up")

    def planted(self, seed, path):
        """The bytes that a seed's user-data writes to a path."""
        text = (seed / "user-data").read_bytes()
        if text not in self.read:
            self.read[text] = json.loads(subprocess.run(["chroot", str(self.tree), "python3", "-c", """
import base64, gzip, json, sys, yaml
decode = {None: str.encode, "b64": base64.b64decode, "gz+b64": lambda text: gzip.decompress(base64.b64decode(text))}
json.dump({entry["path"]: base64.b64encode(decode[entry.get("encoding")](entry["content"])).decode()
           for entry in yaml.load(sys.stdin, yaml.CSafeLoader)["write_files"]}, sys.stdout)
"""], input=text, stdout=subprocess.PIPE, check=True).stdout)
        return base64.b64decode(self.read[text].get(path, ""))

    def add(self, name, seed=None, machine=None):
        """A host; under MACHINE a second machine with its seed and address, and disks of its own."""
        self.hosts[machine or name] = Host(self, name, seed or self.out / self.cluster / name, machine)
        return self.hosts[machine or name]

    def remove(self, host):
        """A machine that is carried away."""
        host.power_cut()
        self.hosts = {key: one for key, one in self.hosts.items() if one is not host}
        for device in host.loops.values():
            self.loops.remove(device)
            subprocess.run(["losetup", "-d", device], check=False, capture_output=True)
        self.spaces.remove(host.space)
        run("ip", "netns", "del", host.space)

    def add_all(self):
        """All hosts of the cluster, the bootstrap host first, in joining order."""
        names = sorted(p.parent.name for p in (self.out / self.cluster).glob("*/user-data"))
        one = variables(self.planted(self.out / self.cluster / names[0], "/usr/local/sbin/lxseed-firstboot").decode())
        return [self.add(name) for name in one["MEMBERS"]]

    def expect_formed(self, names=None, pools=None, offline=()):
        """Every member ONLINE but those that are off, every pool Created and usable on every member; asked of each member."""
        names = sorted(names or self.hosts)
        for name in names:
            host = self.hosts[name]

            def seen():
                try:
                    members = host.api("/1.0/cluster/members?recursion=1")
                except (Failed, ValueError):
                    return None
                online = sorted(m["server_name"] for m in members if m["status"] == "Online")
                return members if online == names else None

            members = wait(40, "%s sees %s online" % (name, names), seen)
            if sorted(m["server_name"] for m in members) != sorted([*names, *offline]):
                raise Failed("%s lists members %s" % (name, [m["server_name"] for m in members]))
            for pool in pools or host.values["POOL_NAMES"]:
                if host.api("/1.0/storage-pools/%s?target=%s" % (pool, name))["status"] != "Created":
                    raise Failed("pool %s is not Created on %s" % (pool, name))
                host.api("/1.0/storage-pools/%s/resources?target=%s" % (pool, name))

    def close(self):
        """A second time it finds nothing left to do: a loop device let go of may be another bench's by then."""
        for host in self.hosts.values():
            try:
                host.power_cut()
            except Failed:
                pass
        while self.loops:
            subprocess.run(["losetup", "-d", self.loops.pop()], check=False, capture_output=True)
        while self.spaces:
            subprocess.run(["ip", "netns", "del", self.spaces.pop()], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)
