"""Machines under qemu, on a wire of their own, made of nothing but an output tree of lxseed and the base disk.

A machine's hardware is read off its generated script: each slot becomes a disk that shows what the profile looks for.
Everything made here has the process number of the run in its name, and is taken down by `Fleet.close`: processes by the
numbers it started, the namespace by its name. The wire is a bridge in a network namespace that has no way out.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))

from steps import EMULATED, Failed, emulator, run, variables, wait  # noqa: E402

DISK_BYTES = 512 * 1024 * 1024
MEMORY = 1024
BLOCK = 4096
# Seconds between two questions to a machine: each costs an emulated one two or three of work, which its boot then lacks.
ASKING = 8
# fleet -> the machine whose seed is a FAT image on a disk; all others have the ISO in a drive.
ON_FAT = {"mirrors": "node3", "volumes": "vol2"}
# Fleets whose machines have the disk of tests/machine/zfs.
ON_ZFS = ("returning",)
# Where the virtio-scsi controller sits on the PCI bus; the sites' by_path names it.
SCSI_AT = 0x10
# What a power cut leaves whole: those who write accounts and the machine's identity wait for the disk. cloud-init does not
# for its note of the instance, but a whole note beside empty files is the worst case.
WHOLE = ("./etc/passwd*", "./etc/shadow*", "./etc/group*", "./etc/gshadow*", "./etc/subuid*", "./etc/subgid*",
         "./etc/machine-id", "./var/lib/cloud/data/instance-id")
# What a boot loader would say to the kernel. Nothing is guarded against here that costs an emulated processor time.
KERNEL_ARGUMENTS = (
    "root=LABEL=root ro console=ttyS0,115200 systemd.show_status=no mitigations=off init_on_alloc=0 transparent_hugepage=never "
    "randomize_kstack_offset=off apparmor=0 nowatchdog audit=0 tsc=reliable no_timer_check")
SAID = re.compile(r"lxseed (\S+) (\w+): (.*)")


class HungUp(Exception):
    """A machine's shell has ended, or does not answer in time."""


def processor(base, scratch):
    """The emulator and what it runs machines on: KVM where it truly works, for /dev/kvm may be there and the machine hang
    before its kernel says a word."""
    program = emulator()
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        log = pathlib.Path(scratch) / "kvm-probe"
        words = [program, "-accel", "kvm", "-cpu", "host", "-m", "512", "-display", "none", "-nodefaults",
                 "-no-reboot", "-kernel", base / "vmlinuz", "-initrd", base / "initrd.img", "-append", "console=ttyS0",
                 "-serial", "file:%s" % log]
        probe = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while probe.poll() is None and time.monotonic() < end:
                if log.exists() and b"Run /init" in log.read_bytes():
                    return [program, "-accel", "kvm", "-cpu", "host"]
                time.sleep(0.1)
        finally:
            probe.kill()
            probe.wait()
    return [program, *EMULATED]


class Console:
    """Follows the file a machine's serial line is written to, and notes when each line came."""

    def __init__(self, path):
        self.path, self.lines, self.powered = path, [], time.monotonic()
        self.path.touch()
        self.rest, self.place, self.on = b"", 0, True
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        with open(self.path, "rb") as file:
            while True:
                new = file.read()
                if new:
                    now = time.monotonic()
                    *whole, self.rest = (self.rest + new).split(b"\n")
                    self.lines += [(now, line.decode(errors="replace").strip("\r")) for line in whole]
                elif not self.on:
                    return
                else:
                    time.sleep(0.1)

    def begin(self):
        """A power-on: what is asked of the console from here on is asked of this boot."""
        self.powered, self.place = time.monotonic(), len(self.lines)

    def boot(self):
        return self.lines[self.place:]

    def forget(self):
        """What was said came from a system that is gone."""
        self.lines, self.place = [], 0

    def said(self):
        """What the first boot said since power-on: (seconds, stage, text)."""
        found = ((when, SAID.search(line)) for when, line in self.boot())
        return [(when - self.powered, match[2], match[3]) for when, match in found if match]

    def tail(self, lines):
        return [line for _, line in self.lines[-lines:]]

    def close(self):
        self.on = False
        self.thread.join()


class Machine:
    """One machine: an OS disk from the base, a data disk per slot, a seed image, a serial line, a network card."""

    def __init__(self, fleet, name):
        self.fleet, self.name = fleet, name
        self.seed = fleet.out / name
        self.folder = fleet.folder / name
        self.folder.mkdir(mode=0o700)
        self.values = variables((self.seed / "lxseed-firstboot").read_text())
        self.address = self.values["ADDRESS"][0]
        self.mac = re.search(r'"macaddress": "([0-9a-f:]+)"', (self.seed / "network-config").read_text())[1]
        self.process, self.link = None, None
        self.console = Console(fleet.consoles / ("%s.console" % name))
        self.new_system()
        self.disks, self.pulled = {}, set()
        for i, slot in enumerate(self.values["SLOT_NAMES"]):
            self.disks[slot] = self.hardware(self.values["SLOT_BY"][i], self.values["SLOT_VALUES"][i], slot)
            if slot != self.values["OS_SLOT"][0]:
                self.blank(slot)
        self.tap = "m%d" % len(fleet.machines)
        run("ip", "-n", fleet.space, "tuntap", "add", "dev", self.tap, "mode", "tap")
        run("ip", "-n", fleet.space, "link", "set", self.tap, "master", "wire", "up")

    @staticmethod
    def hardware(by, value, slot):
        """The device that a slot's rule finds."""
        if by == "serial":
            return "virtio-blk-pci,serial=%s" % value
        if by == "by_id" and value.startswith("virtio-"):
            return "virtio-blk-pci,serial=%s" % value[len("virtio-"):]
        if by == "wwn":
            # The last digits make the place at the controller, away from those that sites name by path.
            return "scsi-hd,bus=scsi.0,channel=0,scsi-id=%d,lun=0,wwn=%s,serial=WWN-%s" % (
                100 + int(value[-1], 16), value, value[-6:])
        place = re.fullmatch(r"pci-0000:00:%02x\.0-scsi-0:0:(\d+):(\d+)" % SCSI_AT, value) if by == "by_path" else None
        if place:
            return "scsi-hd,bus=scsi.0,channel=0,scsi-id=%s,lun=%s,serial=HW-%s" % (place[1], place[2], slot)
        raise Failed("the bench has no disks that go by %s %s" % (by, value))

    def on_fat(self):
        return ON_FAT.get(self.fleet.name) == self.name

    # -- disks

    def image(self, slot):
        return self.folder / ("os.img" if slot == self.values["OS_SLOT"][0] else "disk-%s.img" % slot)

    def blank(self, slot):
        """A new disk in the slot."""
        self.image(slot).unlink(missing_ok=True)
        declared = self.values["SLOT_MIN"][self.values["SLOT_NAMES"].index(slot)]
        with open(self.image(slot), "wb") as file:
            file.truncate(max(DISK_BYTES, int(declared or 0)))

    def new_system(self):
        """A new disk for the system, as its administrator installs it: nothing on it knows of an earlier one."""
        run("cp", "--sparse=always", "--reflink=auto", self.fleet.base / "disk.img", self.folder / "os.img")
        self.console.forget()

    def swap(self, one, two):
        """Two disks change places, as when cables do."""
        held = self.folder / "held.img"
        self.image(one).rename(held)
        self.image(two).rename(self.image(one))
        held.rename(self.image(two))

    def blocks(self, slot):
        """What is in each block of a data disk that is not empty, by the place where it begins."""
        found, empty = {}, bytes(BLOCK)
        with open(self.image(slot), "rb") as file:
            for piece in iter(lambda: file.read(256 * BLOCK), b""):
                at = file.tell() - len(piece)
                if piece.count(0) != len(piece):
                    found.update((at + i, piece[i:i + BLOCK]) for i in range(0, len(piece), BLOCK) if piece[i:i + BLOCK] != empty)
        return {at: hashlib.sha256(block).digest() for at, block in found.items()}

    def digest(self, slot):
        with open(self.image(slot), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def pull(self, slot):
        """Takes a disk out of the running machine."""
        self.pulled.add(slot)
        self.monitor("device_del", id="slot-" + slot)

    # -- power

    def plant(self, process_1, *beside):
        """Another process 1 than the system's, for a boot that is told so, and files that it finds beside it."""
        self.in_its_root('mkdir -p opt/trials; cp "$@" opt/trials/', *beside)
        self.in_its_root('cp "$1" opt/trials/init; chmod 755 opt/trials/init', process_1)

    def power_on(self, seed=True, arguments="", drives=""):
        if self.process:
            raise Failed("%s is on already" % self.name)
        words = [*self.fleet.processor, "-machine", "pc", "-smp", "1", "-m", str(MEMORY),
                 "-nodefaults", "-display", "none", "-no-reboot",
                 "-chardev", "file,id=console,path=%s,append=on" % self.console.path, "-serial", "chardev:console",
                 "-qmp", "unix:%s,server=on,wait=off" % (self.folder / "monitor"),
                 "-netdev", "tap,id=wire,ifname=%s,script=no,downscript=no" % self.tap,
                 "-device", "virtio-net-pci,netdev=wire,mac=%s,romfile=" % self.mac,
                 "-device", "virtio-rng-pci",
                 "-device", "virtio-scsi-pci,id=scsi,addr=0x%x" % SCSI_AT,
                 "-kernel", str(self.fleet.base / "vmlinuz"), "-initrd", str(self.initramfs()), "-append", KERNEL_ARGUMENTS + arguments]
        for slot, device in self.disks.items():
            if slot in self.pulled:
                continue
            # The host outlives each power cut, and with it what a disk was told to write.
            words += ["-drive", "if=none,id=disk-%s,format=raw,cache=unsafe%s,file=%s" % (slot, drives, self.image(slot)),
                      "-device", "%s,drive=disk-%s,id=slot-%s" % (device, slot, slot)]
        if seed:
            image, drive = (self.fleet.fat, "scsi-hd") if self.on_fat() else (self.seed / "seed.iso", "scsi-cd")
            words += ["-drive", "if=none,id=seed,format=raw,readonly=on,file=%s" % image,
                      "-device", drive + ",bus=scsi.0,scsi-id=0,drive=seed"]
        self.console.begin()
        with open(self.folder / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", self.fleet.space, "nice", "-n", "15", *words],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def initramfs(self):
        """That of the machine's own disk, for the bench is the boot loader."""
        copy = self.folder / "initrd.img"
        self.in_its_root('cp "$1" "$2"', self.fleet.initramfs, copy)
        return copy

    def in_its_root(self, script, *arguments):
        """Runs a shell script in the root of the machine's disk, while it is off. After a power cut this replays the journal, as
        the machine would: without that, what lies there may be anything."""
        here = self.folder / "root"
        here.mkdir(exist_ok=True)
        return run("unshare", "-m", "sh", "-euc", 'mount -o "loop,offset=$2" "$1" "$0"\ncd "$0"\nshift 2\n%s\ncd /\numount "$0"' % script,
                   here, self.image(self.values["OS_SLOT"][0]), self.fleet.root_at, *arguments)

    def power_cut(self):
        """The machine is gone from one instruction to the next."""
        if self.process:
            self.process.kill()
            self.ended()

    def empty_new_files(self):
        """The worst that a power cut leaves: all that the first boot has made is there, but nothing is in it. Gives the names."""
        keep = " ".join("! -path '%s'" % pattern for pattern in WHOLE)
        said = self.in_its_root('find ./etc ./home ./usr/local ./var/lib/cloud -xdev -type f -newer "$1" %s -print '
                                '-exec truncate -s 0 {} +' % keep, self.fleet.base / "disk.img")
        return sorted(line[1:] for line in said.splitlines())

    def restarts(self):
        """Whether it has ended itself, as said by its first boot: -no-reboot makes the end of the emulator of it."""
        return self.process.poll() is not None and any("; restarting" in text for _, _, text in self.console.said())

    def ended(self):
        self.process.wait()
        self.process = None
        self.hang_up()

    def hang_up(self):
        if self.link:
            self.link.kill()
            self.link.wait()
            for pipe in (self.link.stdin, self.link.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()
            self.link = None

    def shut_down(self, seconds=120):
        """An orderly end, as `poweroff` makes it."""
        self.sh("systemctl poweroff --no-block")
        wait(seconds, "%s powers itself off" % self.name, lambda: self.process.poll() is not None)
        self.ended()

    def monitor(self, command, **arguments):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(self.folder / "monitor"))
            lines = link.makefile("rw")

            def ask(what, **details):
                lines.write(json.dumps({"execute": what, "arguments": details}) + "\n")
                lines.flush()
                while True:
                    answer = json.loads(lines.readline())
                    if "return" in answer or "error" in answer:
                        return answer

            lines.readline()
            ask("qmp_capabilities")
            answer = ask(command, **arguments)
        if "error" in answer:
            raise Failed("%s: %s says %s" % (self.name, command, answer["error"]["desc"]))

    # -- talking to it: as its administrator would, over ssh under the generated known_hosts

    def ssh(self, *options):
        return ["ip", "netns", "exec", self.fleet.space, "ssh", "-F", "none", "-i", str(self.fleet.key),
                "-o", "UserKnownHostsFile=%s" % (self.fleet.out / "known_hosts"), "-o", "StrictHostKeyChecking=yes",
                "-o", "BatchMode=yes", "-o", "ConnectTimeout=20", *options, "ops@" + self.address]

    def call(self, seconds=180):
        """One root's shell per boot, which all scripts are given to: a session of sshd and sudo for each would cost an emulated
        machine a second of work."""
        if self.link and self.link.poll() is None:
            return
        end = time.monotonic() + seconds
        while True:
            with open(self.folder / "ssh.log", "wb") as log:
                self.link = subprocess.Popen([*self.ssh(), "exec sudo /bin/bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                             stderr=log, start_new_session=True)
            try:
                self.ask("true", end)
                return
            except HungUp:
                self.hang_up()
            if self.process is None or self.process.poll() is not None:
                raise Failed("%s is off" % self.name)
            if time.monotonic() > end:
                raise Failed("no ssh to %s within %d s: %s" % (self.name, seconds,
                                                               (self.folder / "ssh.log").read_text().strip()[-200:]))
            time.sleep(1)

    def ask(self, command, end):
        """Gives the shell a line, and waits for what it prints and its status."""
        mark = b"\n--- %d: " % time.monotonic_ns()
        line = "%s </dev/null; printf '\\n%s%%d ---\\n' $?\n" % (command, mark.decode().strip("\n"))
        said = b""
        try:
            self.link.stdin.write(line.encode())
            self.link.stdin.flush()
        except BrokenPipeError:
            raise HungUp from None
        while not (mark in said and said.endswith(b" ---\n")):
            if not select.select([self.link.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise HungUp
            new = os.read(self.link.stdout.fileno(), 65536)
            if not new:
                raise HungUp
            said += new
        said, _, status = said.rpartition(mark)
        return said.decode(errors="replace"), int(status.split()[0])

    def sh(self, script, check=True, seconds=120, errors=True):
        """Runs a shell script as root on the machine, and gives what it prints."""
        self.call()
        command = "/bin/bash -euc %s %s" % (shlex.quote(script), "2>&1" if errors else "2>/dev/null")
        try:
            said, status = self.ask(command, time.monotonic() + seconds)
        except HungUp:
            self.hang_up()
            raise Failed("%s: not done within %d s, or cut off: %s" % (self.name, seconds, script.strip()[:80])) from None
        if check and status:
            raise Failed("%s: exit %d of: %s: %s" % (self.name, status, script.strip()[:80], said.strip()[-600:]))
        return said

    def json(self, script):
        said = self.sh(script, errors=False)
        try:
            return json.loads(said)
        except ValueError:
            raise Failed("%s: %s says: %s" % (self.name, script, said[-300:])) from None

    def api(self, path):
        return self.json("/snap/bin/lxc query '%s'" % path)

    # -- how far it is

    def sealed(self):
        """In this boot or an earlier one: a sealed machine says nothing more."""
        return any(" main: all is done" in line for _, line in self.console.lines)

    def problem(self):
        return next((text for _, _, text in self.console.said() if text.startswith("STOPPED: ")), None)

    def stages(self):
        """Seconds from power-on to the end of each stage that ended in this boot."""
        return {stage: when for when, stage, text in self.console.said() if text == "done"}

    def alive(self):
        if self.process.poll() is not None:
            raise Failed("%s: its qemu ended: %s" % (self.name, (self.folder / "qemu.log").read_text()[-300:]))
        panic = next((line for _, line in self.console.boot() if "Kernel panic" in line or "emergency mode" in line), None)
        if panic:
            raise Failed("%s: %s" % (self.name, panic))

    def await_sealed(self, seconds):
        def ready():
            self.alive()
            if self.problem():
                raise Failed("%s stopped: %s" % (self.name, self.problem()))
            return self.sealed()

        wait(seconds, "%s sealed" % self.name, ready)

    def await_stopped(self, seconds):
        wait(seconds, "%s stopped by its guard" % self.name, lambda: self.alive() or self.problem())
        return self.problem()

    def close(self):
        self.power_cut()
        self.console.close()


class Fleet:
    """The machines of one site, on one wire."""

    def __init__(self, name, program, base, processor, scratch, consoles, tag):
        self.name, self.base, self.processor, self.consoles, self.program = name, base, processor, consoles, program
        self.folder = pathlib.Path(scratch) / name
        self.folder.mkdir(mode=0o700)
        self.machines = {}
        # Where it lies in a machine's root, and how far into the disk that begins.
        self.initramfs, self.root_at = (base / "initramfs").read_text().split()
        self.seed = int(os.environ.get("LXSEED_BENCH_SEED", random.randrange(1, 10**6)))
        self.dice = random.Random(self.seed)
        self.space = "lxm%s-%s" % (tag, name[:4])
        try:
            self.lay_wire()
            self.build(program)
            first = next(self.out.glob("*/lxseed-firstboot"))
            for member in variables(first.read_text())["MEMBERS"]:
                self.machines[member] = Machine(self, member)
        except BaseException:
            self.close()
            raise

    def lay_wire(self):
        run("ip", "netns", "add", self.space)
        run("ip", "-n", self.space, "link", "add", "wire", "type", "bridge", "forward_delay", "0")
        run("ip", "-n", self.space, "link", "set", "wire", "up")
        run("ip", "-n", self.space, "link", "set", "lo", "up")
        # The sites' gateway and name server: nobody answers there, but somebody says so at once.
        run("ip", "-n", self.space, "addr", "add", "10.77.0.1/24", "dev", "wire")

    def build(self, program):
        """The output tree of tests/machine/sites/NAME, with a key for the administrator that is made here."""
        self.key = self.folder / "key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@desk", "-f", self.key)
        self.site, self.secret = self.folder / "site", self.folder / "secret"
        shutil.copytree(HERE / "sites" / self.name, self.site)
        root = self.site / "cluster.yaml"
        public = self.key.with_suffix(".pub").read_text().split()[1]
        root.write_text(root.read_text().replace("ssh-ed25519 KEY", "ssh-ed25519 " + public))
        run(program, "secret", "new", "--secret-file", self.secret)
        run(program, "build", self.site, "-o", self.folder / "out", "--secret-file", self.secret)
        self.out = self.folder / "out" / self.name
        if self.name in ON_FAT:
            self.fat = self.folder / "seed.fat"
            run(program, "image", self.out / ON_FAT[self.name], "--format", "fat", "-o", self.fat)

    def desk(self, verb, *words, seconds=120):
        """Runs a verb where the profiles are, on the wire. Gives its exit code and what it said."""
        done = subprocess.run(["ip", "netns", "exec", self.space, self.program, verb, *words, self.site, "--secret-file", self.secret],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds)
        return done.returncode, done.stdout

    def __iter__(self):
        return iter(self.machines.values())

    def each(self, do, machines=None):
        """Does it with all machines side by side, since one that is emulated keeps one core busy. Gives what it gave for each."""
        machines = list(machines or self)
        given, broken = {}, {}

        def work(machine):
            try:
                given[machine.name] = do(machine)
            except BaseException as why:  # pylint: disable=broad-except
                broken[machine.name] = why

        # Whoever ends the run must not wait for them.
        threads = [threading.Thread(target=work, args=(machine,), daemon=True) for machine in machines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for machine in machines:
            if machine.name in broken:
                raise broken[machine.name]
        return [given[machine.name] for machine in machines]

    def expect_formed(self, names=None, seconds=180):
        """Every member ONLINE and every pool usable on each, asked of each of them."""
        names = sorted(names or self.machines)

        def members(machine):
            try:
                seen = machine.api("/1.0/cluster/members?recursion=1")
            except Failed:
                return False
            return sorted(m["server_name"] for m in seen if m["status"] == "Online") == names

        def usable(machine, pool):
            # LXD tries a pool again each minute when its disks were late.
            try:
                shown = machine.api("/1.0/storage-pools/%s?target=%s" % (pool, machine.name))
            except Failed:
                return False
            said = machine.sh("/snap/bin/lxc query '/1.0/storage-pools/%s/resources?target=%s' 2>&1" % (pool, machine.name),
                              check=False)
            # LXD cannot tell how full an LVM thin pool is while nothing on it is in use.
            return shown["status"] == "Created" and ('"space"' in said or said.strip() == "Error: Not supported")

        def formed(machine):
            wait(seconds, "%s sees %s online" % (machine.name, " ".join(names)), lambda: members(machine), ASKING)
            for pool in machine.values["POOL_NAMES"]:
                wait(150, "pool %s is usable on %s" % (pool, machine.name), lambda p=pool: usable(machine, p), ASKING)

        self.each(formed, [self.machines[name] for name in names])

    def close(self):
        for machine in self:
            machine.close()
        run("ip", "netns", "del", self.space, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
