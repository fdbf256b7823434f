"""What must be seen of preseed.cfg and of baked media, one function per test. `run` gives each a Stage and cleans up after it."""
import gzip
import hashlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "common"))

import snaps  # noqa: E402
from steps import EMULATED, emulator  # noqa: E402

SECRET = HERE.parent / "support/secret-of-the-tests"
TESTS = {}
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
# Busy machines are slow ones: these bound a hang, they measure nothing.
BOOT, STEP = 600, 400


class Failed(Exception):
    pass


def test(function):
    TESTS[function.__name__.replace("_", "-")] = function
    return function


def must(true, words):
    if not true:
        raise Failed(words)


class Machine:
    """One machine under qemu, emulated: /dev/kvm may be there and hang, and nothing here depends on it. Its screen is the first
    serial port, the installer's log the second."""

    def __init__(self, folder, arguments):
        self.log = folder / "log"
        self.screen = b""
        self.process = subprocess.Popen(
            [emulator(), *EMULATED, "-machine", "q35", "-m", "1024", "-display", "none", "-nodefaults",
             "-vga", "std", "-serial", "stdio", "-serial", "file:%s" % self.log, "-no-reboot", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder)

    def read(self):
        while select.select([self.process.stdout], [], [], 0)[0]:
            some = os.read(self.process.stdout.fileno(), 65536)
            if not some:
                return
            self.screen += some

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, what, seen, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            if seen():
                return
            must(self.process.poll() is None or seen(), "the machine ended before %s" % what)
            time.sleep(0.5)
        raise Failed("%s was not seen in %d s" % (what, seconds))

    def enter(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.read()


class Stage:
    """A folder, the site built in it, and the machines that a test started."""

    def __init__(self, program, parts, folder):
        self.program, self.parts, self.folder, self.machines = program, parts, folder, []
        folder.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.site = folder / "site"
        shutil.copytree(HERE / "site", self.site)
        self.secret = folder / "secret"
        self.secret.write_text(SECRET.read_text())
        self.secret.chmod(0o600)

    def lxseed(self, *words, code=0, **environment):
        done = subprocess.run([str(word) for word in [self.program, *words]], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, env=dict(os.environ, **environment))
        must(done.returncode == code, "lxseed %s ended with %d:\n%s" % (" ".join(map(str, words)), done.returncode, done.stdout))
        return done.stdout

    def build(self):
        self.lxseed("build", self.site, "-o", "out", "--secret-file", self.secret, "--no-seed-iso")
        return self.folder / "out/fleet"

    def bake(self):
        self.lxseed("bake", self.site, "--iso", self.parts.iso, "-o", "fleet.iso", "--secret-file", self.secret, "--unpublished",
                    "--kernel-args", "console=ttyS0 DEBIAN_FRONTEND=text")
        return self.folder / "fleet.iso"

    def disks(self, number):
        """Five disks of a host that hold something, the system's neither first nor last; the arguments for them."""
        self.hashes, arguments = {}, []
        for at, serial in enumerate(["OTHER", "LEFT-%d" % number, "OS-%d" % number, "RIGHT-%d" % number, "SPARE"]):
            path = self.folder / serial
            path.write_bytes(hashlib.sha512(serial.encode()).digest() * 32768)
            self.hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            arguments += ["-drive", "if=none,id=d%d,format=raw,file=%s" % (at, path),
                          "-device", "virtio-blk-pci,drive=d%d,serial=%s" % (at, serial)]
        return arguments

    def disks_are_untouched(self):
        for path, digest in self.hashes.items():
            must(hashlib.sha256(path.read_bytes()).hexdigest() == digest, "the disk %s was written to" % path.name)

    def start(self, iso, mac, number, uefi=False, stick=False, serial=None, second=None):
        arguments = self.disks(number)
        if stick:
            arguments += ["-drive", "if=none,id=medium,format=raw,file=%s" % iso,
                          "-device", "ide-hd,bus=ide.0,drive=medium,bootindex=0"]
        else:
            arguments += ["-drive", "if=none,id=medium,format=raw,readonly=on,media=cdrom,file=%s" % iso,
                          "-device", "ide-cd,bus=ide.0,drive=medium,bootindex=0"]
        if second:
            arguments += ["-drive", "if=none,id=second,format=raw,readonly=on,media=cdrom,file=%s" % second,
                          "-device", "ide-cd,bus=ide.1,drive=second"]
        if uefi:
            shutil.copy(FIRMWARE[1], self.folder / "vars")
            arguments += ["-drive", "if=pflash,format=raw,readonly=on,file=%s" % FIRMWARE[0],
                          "-drive", "if=pflash,format=raw,file=vars"]
        if serial:
            arguments += ["-smbios", "type=1,serial=%s" % serial]
        # restrict: no packet leaves the emulator.
        arguments += ["-netdev", "user,id=n,restrict=on,net=192.168.10.0/24,host=192.168.10.1,dns=192.168.10.3",
                      "-device", "virtio-net-pci,netdev=n,mac=%s" % mac]
        machine = Machine(self.folder, arguments)
        self.machines.append(machine)
        return machine

    def last_words(self):
        words = []
        for machine in self.machines:
            machine.read()
            screen = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b" ", machine.screen).decode(errors="replace")
            words += ["    | " + line for line in screen.splitlines()[-15:]]
            words += ["    > " + line for line in machine.logged().splitlines()[-25:]]
        return words

    def close(self):
        for machine in self.machines:
            machine.stop()
        self.machines = []


# ---- without a machine ----------------------------------------------------------------------------------------------


def answers(path):
    """Every answer of a preseed.cfg by its question."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line.split(" ", 3) for line in text.splitlines() if line and not line.startswith("#")]
    return {words[1]: words[3] if len(words) > 3 else "" for words in lines}


DECODE = r"""
DEVICES=/nowhere
cd "$1"
NL='
'
restore_ifs() { IFS=' 	
'; }
db_get() { RET=; }
db_metaget() { RET=; return 1; }
convert_to_megabytes() { expr 0000000"$1" : '0*\(..*\)......$'; }
open_dialog() { :; }
close_dialog() { :; }
read_line() { label=gpt; false; }
. "$2/lib/partman/lib/recipes.sh"
# Only within a device's folder does it ask for the label.
DEVICES=$(dirname "$PWD")
find_method() { :; }
decode_recipe recipe default
free_size=$3
expand_scheme
echo "$scheme"
"""


@test
def partman_decodes_the_recipe(stage):
    """The real partman-auto makes of the recipe what is meant, on a large disk and on the smallest."""
    out = stage.build()
    folder = stage.folder / "device"
    folder.mkdir()
    # partman-auto: echo "$RET" > /tmp/expert_recipe
    (folder / "recipe").write_text(" ".join(answers(out / "node1/preseed.cfg")["partman-auto/expert_recipe"].split()) + "\n")
    for size in [240000, 16000]:
        done = subprocess.run(["dash", "-c", DECODE, "sh", folder, stage.parts.partman, str(size)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        must(done.returncode == 0, "partman's decoder failed: " + done.stderr)
        partitions = [line.split() for line in done.stdout.splitlines()]
        found = [(words[0], words[3], re.findall(r"(\w+)\{ (\S*) ?\}", line))
                 for words, line in zip(partitions, done.stdout.splitlines())]
        must(len(found) == 3, "there are not three partitions:\n" + done.stdout)
        must(found[0][0] == "1" and ("method", "biosgrub") in found[0][2], "no place for GRUB on BIOS:\n" + done.stdout)
        must(found[1][0] == "512" and ("method", "efi") in found[1][2], "no EFI system partition:\n" + done.stdout)
        must(found[2][1] == "ext4" and ("mountpoint", "/") in found[2][2], "no root file system:\n" + done.stdout)
        rest = size - 513
        must(abs(int(found[2][0]) - rest) <= 2, "the root file system has %s of %d MB" % (found[2][0], rest))
    return "1 MB biosgrub, 512 MB efi, the rest ext4 at /"


@test
def the_installers_own_shell_reads_and_runs_it(stage):
    """debconf-set-selections of the installer takes preseed.cfg; its busybox leaves exactly the seed and the snaps in a target."""
    snaps.bundle(stage.site / "fleet/snaps")
    cluster = stage.site / "fleet/cluster.yaml"
    cluster.write_text(cluster.read_text() + "lxd: {offline: {snaps: snaps}}\n")
    out = stage.build()
    root = stage.folder / "root"
    subprocess.run(["cp", "-a", str(stage.parts.installer), str(root)], check=True)
    for name in ["proc", "sys", "dev"]:
        (root / name).mkdir(exist_ok=True)
    shutil.copytree(out, root / "cdrom/lxseed/fleet")
    shutil.copytree(stage.site / "fleet/snaps", root / "cdrom/lxseed/fleet/lxd_snaps")
    target = root / "target"
    for name in ["etc/netplan", "etc/cloud/cloud.cfg.d", "etc/default"]:
        (target / name).mkdir(parents=True)
    (target / "etc/netplan/01-netcfg.yaml").write_text("network: {}\n")
    (target / "etc/default/grub").write_text("GRUB_DEFAULT=0\n")

    def inside(script):
        done = subprocess.run(["chroot", root, "/bin/sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        must(done.returncode == 0, "%s ended with %d:\n%s" % (script[:60], done.returncode, done.stdout[-1500:]))
        return done.stdout

    given = answers(out / "node1/preseed.cfg")
    unpack = given["preseed/early_command"].rsplit(";", 1)[0]
    inside("mkdir -p /var/run; " + unpack)
    script = (root / "var/run/lxseed-installer").read_text()
    must("\nHOST='node1'\n" in script and script.endswith("esac\n"), "the script did not come out whole")
    must((root / "var/run/lxseed-installer").stat().st_mode & 0o777 == 0o600, "others may read the script")
    # keep_seed is what early_command does once it has found the seed.
    body = script[:script.rindex("\ncase $1 in")]
    (root / "var/run/functions").write_text(body)
    inside(". /var/run/functions; keep_seed /cdrom/lxseed/fleet/node1")
    inside(given["preseed/late_command"])
    seed = target / "var/lib/cloud/seed/nocloud"
    left = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    must(sorted(left) == ["etc/cloud/cloud.cfg.d/99-lxseed.cfg", "etc/default/grub", *(
        "var/lib/cloud/seed/nocloud/" + name for name in ["meta-data", "network-config", "user-data"]), *(
        "var/lib/lxseed/snaps/" + path.name for path in sorted((stage.site / "fleet/snaps").iterdir()))],
         "late_command left %s" % sorted(left))
    must(seed.stat().st_mode & 0o777 == 0o700, "the seed's folder is open")
    for name in ["meta-data", "network-config", "user-data"]:
        must((seed / name).read_bytes() == (out / "node1" / name).read_bytes(), name + " is another one")
        must((seed / name).stat().st_mode & 0o777 == 0o600, name + " is open")
    for given_snap in (stage.site / "fleet/snaps").iterdir():
        must(left["var/lib/lxseed/snaps/" + given_snap.name].read_bytes() == given_snap.read_bytes(), given_snap.name + " is another one")
    config = left["etc/cloud/cloud.cfg.d/99-lxseed.cfg"].read_text()
    must(config == "datasource_list: [ NoCloud, None ]\ndatasource: {NoCloud: {fs_label: null}}\n", config)
    must("GRUB_DISABLE_OS_PROBER=true" in left["etc/default/grub"].read_text(), "the new system would probe the data disks")
    # Once more, as after a failed step: nothing is doubled.
    inside(given["preseed/late_command"])
    must(left["etc/default/grub"].read_text().count("OS_PROBER") == 1, "late_command is not idempotent")
    (target / "etc/netplan/01-netcfg.yaml").write_text("network: {}\n")
    inside("sh /var/run/lxseed-installer finish")
    must(not (target / "etc/netplan/01-netcfg.yaml").exists(), "netcfg's file is still there")
    must(not (root / "var/run/lxseed-seed").exists(), "the seed is still in the installer's memory")


# ---- with one -------------------------------------------------------------------------------------------------------


def installs(stage, machine, number, out):
    """The machine takes the host's answers by itself; its own database and log say so."""
    machine.wait("the end of the installer's first half", lambda: "test: the end" in machine.logged(), BOOT + STEP)
    log = machine.logged()
    name, address = "node%d" % number, "192.168.10.%d" % (10 + number)
    must("this machine is fleet/" + name in log, "another host was picked")
    given = answers(out / name / "preseed.cfg")
    taken = dict(re.findall(r"test: answer: (\S+?)=(.*)", log))
    for question, answer in taken.items():
        answer = answer.strip()
        expected = " ".join(given.get(question, "").split())
        if question == "netcfg/choose_interface":
            must(re.fullmatch(r"e\w+", answer), "the network card is '%s'" % answer)
        elif question in ("partman-auto/disk", "grub-installer/bootdev"):
            must(re.fullmatch(r"/dev/vd[a-z]", answer), "%s is '%s'" % (question, answer))
        else:
            must(" ".join(answer.split()) == expected, "%s is '%s', not '%s'" % (question, answer, expected))
    must(len(taken) >= 18, "only %d answers were logged" % len(taken))
    must("the system goes to %s (serial OS-%d," % (taken["partman-auto/disk"].strip(), number) in log, "another disk was resolved")
    must(re.search(r"test: network: .*inet %s/24 .*default via 192\.168\.10\.1 .*nameserver 192\.168\.10\.3" % re.escape(address), log),
         "the network is not what the profile says")
    must(re.search(r"test: seed: .*-rw------- .*user-data", log), "the seed is not in memory, or open")
    must('"lxseed-host": "%s"' % name in log, "the seed is another host's")
    must("test: hook: -rwxr-xr-x" in log, "there is no hook for the end")
    must("file=/cdrom/lxseed/start.cfg" in log, "the kernel was started by another entry")
    # Neither for answers nor for firmware.
    must("mounting /dev/vd" not in log, "the installer tried to mount a data disk")
    stage.disks_are_untouched()
    return taken["partman-auto/disk"].strip()


@test
def bios_cd_finds_its_host_by_hardware_address(stage):
    """As a CD under SeaBIOS, with nobody there: host, network card, static network and one disk of five."""
    out = stage.build()
    seed = out / "node1"
    stage.lxseed("image", seed, "-o", "seed.iso")
    machine = stage.start(stage.bake(), "52:54:00:12:34:56", 1, second=stage.folder / "seed.iso")
    disk = installs(stage, machine, 1, out)
    # Linux reads the seed's image as the programs of this machine do.
    packed = subprocess.run(["isoinfo", "-i", stage.folder / "seed.iso", "-R", "-x", "/user-data"], stdout=subprocess.PIPE, check=True).stdout
    must(gzip.decompress(packed) == (seed / "user-data").read_bytes(), "the image holds another user-data")
    sums = [hashlib.md5(data).hexdigest() for data in [packed, *((seed / name).read_bytes() for name in ["meta-data", "network-config"])]]
    read = re.search(r"test: seed image: (.*)", machine.logged())
    must(read and read.group(1).split()[::2] == sums, "Linux reads another seed: %s" % (read and read.group(1)))
    return "the system's disk is " + disk


@test
def uefi_disk_finds_its_host_by_serial_number(stage):
    """As a disk under OVMF: the menu says what it will do, and the host is found by the serial number of its board."""
    out = stage.build()
    machine = stage.start(stage.bake(), "52:54:00:12:34:57", 2, uefi=True, stick=True, serial="CZ 1234 X")
    machine.wait("our entry in GRUB's menu", lambda: b"Install fleet (3 machines): ERASES the system disk" in machine.screen, BOOT)
    machine.wait("the countdown", lambda: b"executed automatically in" in machine.screen, STEP)
    return "the system's disk is " + installs(stage, machine, 2, out)


def stops(stage, machine, *words):
    """The machine stands at a dialog, comes back to it after Enter, and has written to no disk."""
    machine.wait("the dialog", lambda: b"lxseed stopped; nothing was written to any disk" in machine.screen, BOOT)
    for word in words:
        # The copy of the log lags behind the screen.
        machine.wait("'%s' in the log" % word, lambda word=word: word in machine.logged(), STEP)
    shown = len(machine.screen)
    machine.wait("the prompt", lambda: b"enter to continue" in machine.screen, STEP)
    machine.enter()
    machine.wait("the dialog again", lambda: b"lxseed stopped; nothing was written" in machine.screen[shown:], STEP)
    must("answer:" not in machine.logged(), "the installation went on")
    machine.stop()
    stage.disks_are_untouched()


@test
def bios_disk_stops_without_a_host(stage):
    """As a disk under SeaBIOS on a machine that is on no medium: a clear screen, and no disk is written to."""
    machine = stage.start(stage.bake(), "52:54:00:99:99:99", 1, stick=True)
    stops(stage, machine, "is none of the hosts on this medium", "52:54:00:99:99:99", "fleet/node1 52:54:00:12:34:56")


@test
def uefi_cd_stops_between_two_hosts(stage):
    """As a CD under OVMF with two hosts forced onto one hardware address: a clear screen, and no disk is written to."""
    iso = stage.bake()
    hosts = stage.folder / "hosts"
    hosts.write_text("52:54:00:12:34:56 fleet node1\n52:54:00:12:34:56 fleet node3\n")
    done = subprocess.run(["xorriso", "-no_rc", "-dev", "stdio:%s" % iso, "-boot_image", "any", "replay", "-overwrite", "on", "-map",
                           str(hosts), "/lxseed/hosts", "-commit", "-end"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    must(done.returncode == 0, done.stdout.decode(errors="replace"))
    said = stage.lxseed("inspect", iso, code=1)
    must("lxseed/hosts is not what was put on it" in said, "inspect does not see the forged table:\n" + said)
    machine = stage.start(iso, "52:54:00:12:34:56", 1, uefi=True)
    stops(stage, machine, "is 2 of the hosts on this medium at once: fleet/node1 fleet/node3")
