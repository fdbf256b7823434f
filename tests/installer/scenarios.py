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

SECRET = HERE.parent / "it/support/secret-of-the-tests"
TESTS = {}
# Names of the tests that run only when asked.
LONG = []
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"
# Busy machines are slow ones: these bound a hang, they measure nothing.
BOOT, STEP = 600, 400
# The size of a system's disk.
SYSTEM = 48 << 20


class Failed(Exception):
    pass


def test(function):
    TESTS[function.__name__.replace("_", "-")] = function
    return function


def long_test(function):
    test(function)
    LONG.append(function.__name__.replace("_", "-"))
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
        self.type("\n")

    def type(self, keys):
        self.process.stdin.write(keys.encode())
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

    def bake(self, install=False):
        self.lxseed("bake", self.site, "--iso", self.parts.iso, "-o", "fleet.iso", "--secret-file", self.secret, "--unpublished",
                    "--kernel-args", "console=ttyS0 DEBIAN_FRONTEND=text" + (" test=install" if install else ""))
        return self.folder / "fleet.iso"

    def installer(self):
        """A folder to change the root to, as the installer's memory is; a function that runs something there."""
        root = self.folder / "root"
        subprocess.run(["cp", "-a", str(self.parts.installer), str(root)], check=True)
        for name in ["proc", "sys", "dev"]:
            (root / name).mkdir(exist_ok=True)
        (root / "proc/sys/kernel/random").mkdir(parents=True)
        (root / "proc/sys/kernel/random/uuid").write_text("c4d8a1f0-9e3b-4c61-8d2a-5f7e6b1c0a94\n")
        (root / "proc/mounts").write_text("")
        shutil.copytree(self.folder / "out/fleet", root / "cdrom/lxseed/fleet")

        def inside(script):
            done = subprocess.run(["chroot", root, "/bin/sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            must(done.returncode == 0, "%s ended with %d:\n%s" % (script[:60], done.returncode, done.stdout[-1500:]))
            return done.stdout

        return root, inside

    def installed(self, number, host):
        """Lays a system that is installed on a host's disk, marked by the host's own script, its file system not closed."""
        root, inside = self.installer()
        functions(inside, root, answers(self.folder / "out/fleet" / host / "preseed.cfg"))
        target = root / "target"
        (target / "boot/grub").mkdir(parents=True)
        (target / "boot/grub/grub.cfg").write_text('echo "test: this is the system on ($root)"\nsleep 60\n')
        inside(". /var/run/functions; mark_installed")
        disk, begin = self.folder / ("OS-%d" % number), 4 << 20
        with open(disk, "wb") as file:
            file.truncate(SYSTEM)
        script = "label: gpt\nstart=%d, type=L, name=lxseed-c4d8a1f0\n" % (begin // 512)
        subprocess.run([str(self.tool("sfdisk")), "-q", disk], input=script, text=True, check=True, env=self.libraries())
        subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum", "-L", "lxseed-c4d8a1f0", "-d", str(target),
                        "-E", "offset=%d" % begin, str(disk), "%dk" % ((SYSTEM - begin - (1 << 20)) >> 10)], check=True)
        not_closed(disk, begin)
        return disk, begin

    def tool(self, name):
        return self.parts.tools / "sbin" / name

    def libraries(self):
        return dict(os.environ, LD_LIBRARY_PATH=str(self.parts.tools / "lib/x86_64-linux-gnu"))

    def disks(self, number):
        """Five disks of a host that hold something, the system's neither first nor last; the arguments for them. What was made before
        stays as it is."""
        self.hashes, arguments = {}, []
        for at, serial in enumerate(["OTHER", "LEFT-%d" % number, "OS-%d" % number, "RIGHT-%d" % number, "SPARE"]):
            path = self.folder / serial
            if not path.exists():
                path.write_bytes(hashlib.sha512(serial.encode()).digest() * 32768)
                if serial.startswith("OS-"):
                    os.truncate(path, SYSTEM)
            self.hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            # OVMF shows GRUB no disk that is in no boot order. That of a system is, on a machine where one was installed.
            order = ",bootindex=1" if serial.startswith("OS-") else ""
            arguments += ["-drive", "if=none,id=d%d,format=raw,file=%s" % (at, path),
                          "-device", "virtio-blk-pci,drive=d%d,serial=%s%s" % (at, serial, order)]
        return arguments

    def disks_are_untouched(self, but=None):
        for path, digest in self.hashes.items():
            if path.name == but:
                must(hashlib.sha256(path.read_bytes()).hexdigest() != digest, "nothing was installed on " + but)
                continue
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


def not_closed(disk, begin):
    """Leaves a file system as a crash does: its journal is to be replayed, and a file (inode 12) that was open when it was deleted is to be
    removed. A mount that is not kept from writing would do both."""
    with open(disk, "r+b") as file:
        file.seek(begin + 1024)
        block = bytearray(file.read(1024))
        must(block[56:58] == b"\x53\xef", "there is no ext4 at %d of %s" % (begin, disk))
        block[0x60] |= 4
        block[0xe8:0xec] = (12).to_bytes(4, "little")
        file.seek(begin + 1024)
        file.write(block)


def functions(inside, root, given):
    """Unpacks the script out of the answers, and its functions without the call at its end."""
    inside("mkdir -p /var/run; " + given["preseed/early_command"].rsplit(";", 1)[0])
    script = (root / "var/run/lxseed-installer").read_text()
    (root / "var/run/functions").write_text(script[:script.rindex("\ncase $1 in")])
    return script


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
        must(found[1][:2] == ("538", "fat32") and ("method", "efi") in found[1][2], "no EFI system partition:\n" + done.stdout)
        must(found[2][1] == "ext4" and ("mountpoint", "/") in found[2][2], "no root file system:\n" + done.stdout)
        rest = size - 539
        must(abs(int(found[2][0]) - rest) <= 2, "the root file system has %s of %d MB" % (found[2][0], rest))
    return "1 MB biosgrub, 538 MB efi, the rest ext4 at /"


@test
def the_installers_own_shell_reads_and_runs_it(stage):
    """debconf-set-selections of the installer takes preseed.cfg; its busybox leaves exactly the seed and the snaps in a target."""
    snaps.bundle(stage.site / "fleet/snaps")
    cluster = stage.site / "fleet/cluster.yaml"
    cluster.write_text(cluster.read_text() + "lxd: {offline: {snaps: snaps}}\n")
    out = stage.build()
    root, inside = stage.installer()
    shutil.copytree(stage.site / "fleet/snaps", root / "cdrom/lxseed/fleet/lxd_snaps")
    target = root / "target"
    for name in ["etc/netplan", "etc/cloud/cloud.cfg.d", "etc/default"]:
        (target / name).mkdir(parents=True)
    (target / "etc/netplan/01-netcfg.yaml").write_text("network: {}\n")
    (target / "etc/default/grub").write_text("GRUB_DEFAULT=0\n")

    given = answers(out / "node1/preseed.cfg")
    script = functions(inside, root, given)
    must("\nHOST='node1'\n" in script and script.endswith("esac\n"), "the script did not come out whole")
    must((root / "var/run/lxseed-installer").stat().st_mode & 0o777 == 0o600, "others may read the script")
    # keep_seed is what early_command does once it has found the seed.
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
    mark = (target / "etc/lxseed/installed").read_text()
    must(re.fullmatch('# .*\nlxseed_cluster="fleet"\nlxseed_host="node1"\nlxseed_since="20..-..-..T..:..:..Z"\nlxseed_number="c4d8a1f0"\n', mark),
         "the system is marked as\n" + mark)


# Lines: what stands on the disk of the slot and on another one (number, WHO), the profile's word, what was typed; then whether it is
# refused before the network, and before the partitioner.
TAKEN = """
-                        -                        -        -        no  no
c4d8a1f0,node1_of_fleet  -                        -        -        yes yes
c4d8a1f0,node1_of_fleet  -                        c4d8a1f0 -        no  no
c4d8a1f0,node1_of_fleet  -                        c4d8a1f1 -        yes yes
c4d8a1f0,node1_of_fleet  -                        -        c4d8a1f0 no  no
c4d8a1f0,node1_of_fleet  -                        -        fleet/node1 yes yes
c4d8a1f0,node1_of_fleet  -                        -        yes      yes yes
c4d8a1f0,node9_of_other  -                        -        -        yes yes
c4d8a1f0,node9_of_other  -                        c4d8a1f0 -        no  no
c4d8a1f0,                -                        -        -        no  yes
c4d8a1f0,                -                        c4d8a1f0 -        no  no
unknown,                 -                        -        -        no  yes
unknown,                 -                        -        unknown  no  yes
unknown,                 -                        unknown  -        no  yes
unknown,                 -                        -        fleet/node1 no no
-                        c4d8a1f0,node1_of_fleet  -        -        yes yes
-                        c4d8a1f0,node1_of_fleet  c4d8a1f0 -        no  no
-                        c4d8a1f0,node9_of_other  -        -        no  no
-                        c4d8a1f0,                -        -        no  yes
a0000000,node1_of_fleet  c4d8a1f0,node1_of_fleet  c4d8a1f0 -        yes yes
c4d8a1f0,node1_of_fleet  a0000000,node1_of_fleet  c4d8a1f0 -        no  no
"""


@test
def what_is_marked_is_refused(stage):
    """The host's own script in the installer's shell, over what may stand on two disks: refused, but for the word that names it."""
    out = stage.build()
    root, inside = stage.installer()
    functions(inside, root, answers(out / "node1/preseed.cfg"))
    script = [". /var/run/functions", "OS_DISK=os", "all_disks() { echo other os; }", "partitions_of() { echo $1; }", "describe() { echo /dev/$1; }",
              'look_at() { eval "is=\\$on_$1"; NUMBER=${is%%,*}; WHO=$(echo "${is#*,}" | tr _ " "); SINCE=x; [ -n "$NUMBER" ]; }']
    expected = []
    for line in TAKEN.split("\n")[1:-1]:
        on_os, on_other, word, typed, early, disk = ["" if part == "-" else part for part in line.split()]
        script += ["on_os=%s on_other=%s REINSTALL=%s" % (on_os, on_other, word), "printf %%s '%s' >$TYPED" % typed,
                   "taken early && echo yes || echo no", "taken && echo yes || echo no"]
        expected += [early, disk]
    found = inside("\n".join(script)).split()
    wrong = [line for at, line in enumerate(TAKEN.split("\n")[1:-1]) if found[2 * at:2 * at + 2] != expected[2 * at:2 * at + 2]]
    must(len(found) == len(expected) and not wrong, "decided otherwise:\n%s" % "\n".join(wrong))


@test
def the_look_at_a_disk_writes_nothing(stage):
    """The host's own script looks at real file systems: each mark alone is seen, in one that crashed too, and not a byte changes."""
    out = stage.build()
    disk, begin = stage.installed(1, "node1")
    root = stage.folder / "root"
    functions(lambda script: subprocess.run(["chroot", root, "/bin/sh", "-c", script], check=True), root, answers(out / "node1/preseed.cfg"))
    whole = disk.read_bytes()
    who, number = "c4d8a1f0 node1 of fleet 20", "c4d8a1f0  "
    # What is taken away; what is seen of it on another disk than the slot's, and on the slot's.
    for what, expected, expected_all in [("", who, who), ("label", who, who), ("name", who, who), ("label name", "-", who), ("file", number, number),
                                         ("file label", number, number), ("file name", number, number), ("superblock", number, number),
                                         ("file label name", "-", "-"), ("superblock name", "-", "-"),
                                         # Imaged, or installed by an earlier lxseed: only its first boot has left traces.
                                         ("file label name traces", "-", "unknown node1 of fleet 2026-01-02T")]:
        disk.write_bytes(whole)
        if "traces" in what:
            (stage.folder / "formed").write_text("node1\t10.0.0.1\tfleet\t0123456789abcdef\n")
            (stage.folder / "stamp").write_text("2026-01-02T03:04:05Z\n")
            wanted = ["mkdir /var", "mkdir /var/lib", "mkdir /var/lib/lxseed", "mkdir /var/lib/lxseed/stages",
                      "write %s /var/lib/lxseed/formed" % (stage.folder / "formed"),
                      "write %s /var/lib/lxseed/stages/preflight.done" % (stage.folder / "stamp")]
            subprocess.run(["/usr/sbin/debugfs", "-w", "-f", "-", "%s?offset=%d" % (disk, begin)], input="\n".join(wanted), text=True,
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if "file" in what:
            subprocess.run(["/usr/sbin/debugfs", "-w", "-R", "rm /etc/lxseed/installed", "%s?offset=%d" % (disk, begin)], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            not_closed(disk, begin)
        with open(disk, "r+b") as file:
            if "label" in what:
                file.seek(begin + 1144)
                file.write(bytes(16))
            if "superblock" in what:
                file.seek(begin)
                file.write(bytes(4096))
        before = hashlib.sha256(disk.read_bytes()).hexdigest()
        # The kernel of this machine may know no GPT: the partition's name is given, the partition itself is a loop device.
        script = """set -e
loop=$(losetup -f --show -o "$3" "$1")
name=${loop##*/}
trap 'losetup -d $loop; rm -rf "$2/dev/$name" "$2/sys/class/block"' EXIT
mknod "$2/dev/$name" b $(tr : ' ' <"/sys/block/$name/dev")
mkdir -p "$2/sys/class/block/$name"
printf 'DEVNAME=%s\nPARTNAME=%s\n' "$name" "$4" >"$2/sys/class/block/$name/uevent"
chroot "$2" /bin/sh -c '. /var/run/functions
for all in "" all; do
    look_at $0 $all && echo "$NUMBER $WHO $SINCE" || echo -
done' "$name" """
        found = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", disk, root, str(begin), "" if "name" in what else "lxseed-c4d8a1f0"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout.splitlines()
        must(len(found) == 2 and found[0].startswith(expected) and found[1].startswith(expected_all), "without '%s' it sees %s" % (what, found))
        must(hashlib.sha256(disk.read_bytes()).hexdigest() == before, "looked at without '%s' it was written to" % what)


# Lines: how the slot is written, the properties of the disk, and whether the system may be installed on it.
SLOTS = """
serial   usb          yes
by_id    usb          yes
wwn      usb          yes
by_path  usb          no
hctl     usb          no
serial   removable    yes
by_path  removable    no
by_path  ata          yes
hctl     ata          yes
serial   usb,medium   no
serial   ata,medium   no
by_path  ata,medium   no
"""


@test
def a_disk_named_itself_may_be_on_usb(stage):
    """The system's slot: a disk by its id, serial or WWN wherever it is, a bay not on USB, and never the medium."""
    out = stage.build()
    root, inside = stage.installer()
    functions(inside, root, answers(out / "node1/preseed.cfg"))
    block = root / "sys/block/sdx"
    block.mkdir(parents=True)
    for name, text in [("size", "41943040"), ("ro", "0")]:
        (block / name).write_text(text + "\n")
    script = [". /var/run/functions", "disks_of() { echo sdx; }", "serials() { echo S; }", "property() { [ $2 != ID_BUS ] || echo $bus; }",
              "medium_disk() { [ -n \"$medium\" ]; }"]
    for line in SLOTS.split("\n")[1:-1]:
        way, kind, _ = line.split()
        script += ["bus=%s medium=%s" % ("usb" if "usb" in kind else "ata", "yes" if "medium" in kind else ""),
                   "echo %d >/sys/block/sdx/removable" % ("removable" in kind), "OS_SLOT=os SLOTS='%s X . . os'" % way,
                   "resolve && echo yes || echo no"]
    found = inside("\n".join(script)).split()
    wrong = [line for line, is_ in zip(SLOTS.split("\n")[1:-1], found) if line.split()[2] != is_]
    must(len(found) == SLOTS.count("\n") - 1 and not wrong, "decided otherwise: %s" % wrong)


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
    disk = re.escape(taken["partman-auto/disk"].strip())
    must(re.search(r"the system goes to %s \(.*, serial OS-%d," % (disk, number), log), "another disk was resolved")
    must(re.search(r"test: network: .*inet %s/24 .*default via 192\.168\.10\.1 .*nameserver 192\.168\.10\.3" % re.escape(address), log),
         "the network is not what the profile says")
    must(re.search(r"test: seed: .*-rw------- .*user-data", log), "the seed is not in memory, or open")
    must('"lxseed-host": "%s"' % name in log, "the seed is another host's")
    must("test: hook: -rwxr-xr-x" in log, "there is no hook for the end")
    must("file=/cdrom/lxseed/start.cfg" in log, "the kernel was started by another entry")
    must("BOOT_IMAGE=/install/hwe-vmlinuz" in log, "the installer has not the kernel of the profile")
    # Neither for answers nor for firmware.
    must("mounting /dev/vd" not in log, "the installer tried to mount a data disk")
    marks = re.findall(r'test: mark: lxseed_cluster="fleet" lxseed_host="(\w+)" lxseed_since="(\S+)" lxseed_number="([a-f][0-9a-f]{7})"', log)
    must(len(marks) <= 1 and all(mark[0] == name for mark in marks), "the system is marked as %s" % marks)
    machine.stop()
    stage.disks_are_untouched(but="OS-%d" % number if marks else None)
    stage.mark = marks[0] if marks else None
    return taken["partman-auto/disk"].strip()


def root_begins(disk):
    """Where the file system of an installed system is: GPT has its entries from the third sector on, the third is the root's."""
    with open(disk, "rb") as file:
        file.seek(1024 + 2 * 128 + 32)
        begin = int.from_bytes(file.read(8), "little") * 512
        file.seek(1024 + 2 * 128 + 56)
        return begin, file.read(72).decode("utf-16-le").rstrip("\0")


def is_left_alone(stage, machine, *words):
    """The machine stands at the dialog that says why; Continue restarts it, and nothing was written."""
    machine.wait("the dialog", lambda: b"lxseed installed a system here already" in machine.screen, BOOT)
    for word in words:
        machine.wait("'%s' in the log" % word, lambda word=word: word in machine.logged(), STEP)
    machine.wait("the prompt", lambda: b"enter to continue" in machine.screen, STEP)
    must("answer:" not in machine.logged(), "the installation went on")
    for text in ["Pull out the medium", "reinstall: "]:
        must(text.encode() in b" ".join(machine.screen.split()) + b" ", "the screen does not say '%s'" % text)
    machine.enter()
    machine.wait("the restart", lambda: machine.process.poll() is not None, STEP)
    stage.disks_are_untouched()


@test
def bios_cd_finds_its_host_by_hardware_address(stage):
    """As a CD under SeaBIOS, with nobody there: host, network card, static network, one disk of five; the same CD then leaves it alone."""
    out = stage.build()
    seed = out / "node1"
    stage.lxseed("image", seed, "-o", "seed.iso")
    medium = stage.bake(install=True)
    machine = stage.start(medium, "52:54:00:12:34:56", 1, second=stage.folder / "seed.iso")
    disk = installs(stage, machine, 1, out)
    # Linux reads the seed's image as the programs of this machine do.
    packed = subprocess.run(["isoinfo", "-i", stage.folder / "seed.iso", "-R", "-x", "/user-data"], stdout=subprocess.PIPE, check=True).stdout
    must(gzip.decompress(packed) == (seed / "user-data").read_bytes(), "the image holds another user-data")
    sums = [hashlib.md5(data).hexdigest() for data in [packed, *((seed / name).read_bytes() for name in ["meta-data", "network-config"])]]
    read = re.search(r"test: seed image: (.*)", machine.logged())
    must(read and read.group(1).split()[::2] == sums, "Linux reads another seed: %s" % (read and read.group(1)))
    must(stage.mark, "the system is not marked")
    _, since, number = stage.mark
    begin, name = root_begins(stage.folder / "OS-1")
    must(name == "lxseed-" + number, "the partition is called '%s'" % name)
    with open(stage.folder / "OS-1", "rb") as file:
        file.seek(begin + 1144)
        must(file.read(16).rstrip(b"\0") == b"lxseed-" + number.encode(), "the file system has another label")
    not_closed(stage.folder / "OS-1", begin)
    (stage.folder / "log").unlink()
    machine = stage.start(medium, "52:54:00:12:34:56", 1)
    is_left_alone(stage, machine, "This machine is node1 of fleet since %s, number %s" % (since, number), ", serial OS-1,")
    return "the system's disk is " + disk


@test
def uefi_disk_finds_its_host_by_serial_number(stage):
    """As a disk under OVMF, over a system of ours, after its number was typed: installed anew, and GRUB then starts the new one."""
    out = stage.build()
    stage.installed(2, "node2")
    medium = stage.bake(install=True)
    machine = stage.start(medium, "52:54:00:12:34:57", 2, uefi=True, stick=True, serial="CZ 1234 X")
    again = b"Install again, over a system that lxseed installed"
    machine.wait("our entries in GRUB's menu", lambda: b"ERASES the system disk" in machine.screen and again in machine.screen, BOOT)
    # Down twice, and Enter.
    machine.type("\x1b[B")
    machine.type("\x1b[B")
    machine.type("\r")
    for typed in ["c4d8a1f1", "c4d8a1f0"]:
        shown = len(machine.screen)
        machine.wait("the question", lambda shown=shown: b"Type c4d8a1f0 to erase this system" in machine.screen[shown:]
                     and b"Prompt:" in machine.screen[shown:], BOOT)
        must("answer:" not in machine.logged(), "the installation went on")
        machine.type(typed + "\n")
    disk = installs(stage, machine, 2, out)
    must(stage.mark and stage.mark[2] != "c4d8a1f0", "the new system is marked as %s" % (stage.mark,))
    grub_starts(stage, medium, 2, "node2 of fleet since %s, number %s" % stage.mark[1:], stick=True)
    return "the system's disk is " + disk


def grub_starts(stage, medium, number, words, stick):
    """With nobody there GRUB starts the system on the disk, and says why; nothing is written."""
    machine = stage.start(medium, "52:54:00:12:34:57", number, uefi=True, stick=stick, serial="CZ 1234 X")
    machine.wait("the system on the disk", lambda: b"test: this is the system on (hd" in machine.screen, BOOT)
    must(words.encode() in b" ".join(machine.screen.split()), "GRUB does not say why")
    must(b"Pull this medium out" in machine.screen, "GRUB does not say what to do")
    machine.stop()
    stage.disks_are_untouched()


@long_test
def uefi_cd_starts_what_is_installed(stage):
    """As a CD under OVMF: GRUB starts what was installed by itself, and nothing is written."""
    stage.build()
    stage.installed(2, "node2")
    grub_starts(stage, stage.bake(), 2, "number c4d8a1f0", stick=False)


@test
def bios_disk_stops_at_a_damaged_system(stage):
    """As a disk under SeaBIOS, with a word for another installation in the profile: a system of ours is known by its partition's name alone."""
    hosts = stage.site / "fleet/hosts/hosts.yaml"
    hosts.write_text(hosts.read_text().replace("name: node1\n", "name: node1\nreinstall: deadbeef\n"))
    stage.build()
    disk, begin = stage.installed(1, "node1")
    with open(disk, "r+b") as file:
        file.seek(begin)
        file.write(bytes(4096))
    machine = stage.start(stage.bake(), "52:54:00:12:34:56", 1, stick=True)
    is_left_alone(stage, machine, "carries the mark of a system that lxseed installed, number c4d8a1f0")


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


@long_test
def bios_disk_stops_without_a_host(stage):
    """As a disk under SeaBIOS on a machine that is on no medium: a clear screen, and no disk is written to."""
    machine = stage.start(stage.bake(), "52:54:00:99:99:99", 1, stick=True)
    stops(stage, machine, "is none of the hosts on this medium", "52:54:00:99:99:99", "fleet/node1 52:54:00:12:34:56")


@long_test
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
