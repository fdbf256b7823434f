"""What must be seen of a whole installation: partman, base system and boot loader of a real debian-installer (whole.py), one
function per firmware. Most take long, so `run` does them only when asked: by name, or all of them with --long.
"""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "whole"))

import disks  # noqa: E402
import scenarios  # noqa: E402
import whole  # noqa: E402
from scenarios import FIRMWARE, Machine, long_test, must, test  # noqa: E402

MAC, OS, DATA = "52:54:00:12:34:56", "OS-1", ("LEFT-1", "RIGHT-1")
OS_BYTES = 12 << 30
# Of the kernel, for the installed system as well. Without an address of its own, IPv6 waits for a router that is not there.
FOR_BOTH = "console=ttyS0 ipv6.disable=1"
# The installer keeps what is its own, such as its frontend, from the installed system (user-params of debian-installer-utils).
KERNEL_ARGUMENTS = FOR_BOTH + " DEBIAN_FRONTEND=text"
# Bounds of a hang on a busy machine, in seconds: they measure nothing.
TO_PARTMAN, TO_REBOOT, TO_LOGIN = 1500, 6000, 1500

# cdebconf's text frontend waits with one of these.
ASKED = re.compile(rb"Prompt: '\?' for help|enter to continue")


class Hardware:
    """One machine: three disks, the system's between two that hold the halves of an earlier system's mirror."""

    def __init__(self, stage, uefi, packages):
        self.stage, self.uefi, self.boots = stage, uefi, 0
        shutil.rmtree(stage.site)
        shutil.copytree(HERE / "whole/site", stage.site)
        self.made = whole.make(stage.parts.iso, packages)
        self.out = stage.build()
        self.data = [stage.folder / name for name in DATA]
        disks.mirror(self.data, "node1:data1")
        self.system = stage.folder / OS
        with open(self.system, "wb") as file:
            file.truncate(OS_BYTES)
        self.before = self.digests()
        if uefi:
            shutil.copy(FIRMWARE[1], stage.folder / "vars")

    def bake(self, *more):
        medium = self.stage.folder / "medium.iso"
        self.stage.lxseed("bake", self.stage.site, "--iso", self.made.iso, "-o", medium, "--secret-file", self.stage.secret,
                          "--unpublished", "--kernel-args", " ".join([KERNEL_ARGUMENTS, *more]))
        return medium

    def digests(self):
        return {path.name: disks.digest(path) for path in self.data}

    def data_is_untouched(self, when):
        now = self.digests()
        changed = [name for name in DATA if now[name] != self.before[name]]
        must(not changed, "%s: bytes of %s have changed" % (when, " and ".join(changed)))

    def start(self, medium=None):
        """Switches it on. The data disks stand before and behind the system's."""
        self.boots += 1
        folder = self.stage.folder / ("boot%d" % self.boots)
        folder.mkdir()
        arguments = ["-m", "2048", "-smp", "2"]
        for at, path in enumerate([self.data[0], self.system, self.data[1]]):
            # What is on the disks when the machine is cut off does not matter; that nothing waits for this machine's does.
            arguments += ["-drive", "if=none,id=d%d,format=raw,cache=unsafe,file=%s" % (at, path),
                          "-device", "virtio-blk-pci,drive=d%d,serial=%s,bootindex=%d" % (at, path.name, 1 if path == self.system else at + 2)]
        if medium:
            arguments += ["-drive", "if=none,id=medium,format=raw,readonly=on,media=cdrom,file=%s" % medium,
                          "-device", "ide-cd,bus=ide.0,drive=medium,bootindex=0"]
        if self.uefi:
            arguments += ["-drive", "if=pflash,format=raw,readonly=on,file=%s" % FIRMWARE[0],
                          "-drive", "if=pflash,format=raw,file=%s" % (self.stage.folder / "vars")]
        # restrict: no packet leaves the emulator, which starts the mirror's program for each connection to the last address.
        arguments += ["-netdev", "user,id=n,restrict=on,net=192.168.10.0/24,host=192.168.10.1,dns=192.168.10.3,"
                      "guestfwd=tcp:192.168.10.4:80-cmd:%s %s" % (HERE / "whole/serve", self.made.mirror),
                      "-device", "virtio-net-pci,netdev=n,mac=" + MAC, "-qmp", "unix:qmp,server=on,wait=off"]
        machine = Machine(folder, arguments)
        self.stage.machines.append(machine)
        return machine

    def wait(self, machine, what, seen, seconds):
        """As the machine's own, but nobody is there who would answer a question."""
        def either():
            must(not ASKED.search(machine.screen[-4000:]), "the installer asks a person, before %s" % what)
            return seen()

        machine.wait(what, either, seconds)

    def ends(self, machine, what, seconds):
        began = time.monotonic()
        self.wait(machine, what, lambda: machine.process.poll() is not None, seconds)
        return time.monotonic() - began

    def root(self):
        return disks.partitions(self.system)[-1][1]

    def inside(self, request):
        return disks.inside(self.system, self.root(), request)


# ---- the partitioner alone ------------------------------------------------------------------------------------------


def partitioned(hardware, log):
    """What partman made of the recipe on the disk that was named, and that it left the others alone."""
    hardware.data_is_untouched("after the partitioner")
    must(re.search(r"lxseed: the system goes to /dev/vdb \(no model, serial OS-1,", log), "another disk was resolved")
    must("test: partitioned: /dev/vdb3 /target ext4" in log, "the target is not on the named disk")
    arrays = re.search("test: partitioned: .* arrays: (.*)", log)[1]
    must("raid1" in arrays and "(auto-read-only)" in arrays, "the mirror on the data disks was started otherwise: " + arrays)
    found = disks.partitions(hardware.system)
    efi, root = found[1], found[2]
    kinds = [kind for kind, _, _ in found]
    # Where the firmware is not UEFI, partman-efi makes nothing of the second one but a FAT.
    must(kinds == [disks.BIOS_BOOT, disks.ESP if hardware.uefi else kinds[1], disks.LINUX], "the partitions are %s" % found)
    must(found[0][2] == 1 << 20, "GRUB's partition has %d bytes" % found[0][2])
    must(500 << 20 < efi[2] < 1100 << 20, "the EFI system partition has %d bytes" % efi[2])
    must(root[1] + root[2] > OS_BYTES - (4 << 20), "the root file system ends before the disk does")
    kind = disks.system_in(hardware.system, efi[1])
    must(kind.get("TYPE") == "vfat" and kind.get("VERSION") == "FAT32", "the EFI system partition holds %s" % kind)
    must(disks.system_in(hardware.system, root[1]).get("TYPE") == "ext4", "the root file system is no ext4")


def to_partman(stage, uefi):
    hardware = Hardware(stage, uefi, packages=False)
    machine = hardware.start(hardware.bake("lxseed-test=partman"))
    seconds = hardware.ends(machine, "the end of the partitioner", TO_PARTMAN)
    must("test: the end" in machine.logged(), "the machine ended too early, with %s" % machine.process.returncode)
    partitioned(hardware, machine.logged())
    return "committed after %.1f minutes" % (seconds / 60)


@test
def uefi_partman_writes_to_the_named_disk_alone(stage):
    """Debian 13's partman under OVMF, up to its commit, between the halves of a mirror that was cut off."""
    return to_partman(stage, True)


@long_test
def bios_partman_writes_to_the_named_disk_alone(stage):
    """The same under SeaBIOS."""
    return to_partman(stage, False)


# ---- whole ----------------------------------------------------------------------------------------------------------


def installed(hardware, log):
    """What the installer left on the disk: our seed, closed to others, where cloud-init looks for it, and the boot loader."""
    hardware.data_is_untouched("after the installation")
    for name in ["user-data", "meta-data", "network-config"]:
        path = "/var/lib/cloud/seed/nocloud/" + name
        must(hardware.inside("cat " + path) == (hardware.out / "node1" / name).read_bytes(), name + " is not ours on the new system")
        must(b"Mode:  0600" in hardware.inside("stat " + path), name + " is open to others on the new system")
    must(b"Mode:  0700" in hardware.inside("stat /var/lib/cloud/seed/nocloud"), "the seed's folder is open to others")
    config = hardware.inside("cat /etc/cloud/cloud.cfg.d/99-lxseed.cfg").decode()
    must(config == "datasource_list: [ NoCloud, None ]\ndatasource: {NoCloud: {fs_label: null}}\n", "cloud-init is told " + config)
    menu = hardware.inside("cat /boot/grub/grub.cfg").decode()
    must("/boot/vmlinuz-" in menu and "osprober" not in menu.replace("/etc/grub.d/30_os-prober", ""), "GRUB's menu has other systems")
    must(FOR_BOTH in menu, "the kernel's arguments did not reach the new system")
    if hardware.uefi:
        efi = disks.partitions(hardware.system)[1][1]
        done = subprocess.run(["mdir", "-b", "-/", "-i", "%s@@%d" % (hardware.system, efi), "::"], stdout=subprocess.PIPE, text=True, check=False)
        must("grubx64.efi" in done.stdout.lower(), "there is no GRUB on the EFI system partition: " + done.stdout)
    else:
        must(hardware.system.open("rb").read(512)[:440].strip(b"\0"), "there is no boot loader in the first sector")
    must("mounting /dev/vd" not in log, "the installer tried to mount a data disk")


def starts(hardware, machine):
    """The machine starts what was installed, under its own name, and cloud-init has taken our seed; then it is switched off."""
    hardware.wait(machine, "a login prompt", lambda: b"node1 login:" in machine.screen, TO_LOGIN)
    machine.wait("the end of cloud-init", lambda: re.search(rb"Cloud-init v\. \S+ finished at", machine.screen), TO_LOGIN)
    power_off(machine)
    identity = re.search(r"instance-id\W+([^\s\"]+)", (hardware.out / "node1/meta-data").read_text())[1]
    must(hardware.inside("cat /var/lib/cloud/data/instance-id").decode().strip() == identity, "cloud-init has another seed")
    must(hardware.inside("cat /etc/hostname").decode().strip() == "node1", "the host has another name")
    must(b"Inode:" in hardware.inside("stat /usr/local/sbin/lxseed-firstboot"), "the first boot's program is not there")
    hardware.data_is_untouched("after the first boot")


def power_off(machine):
    """By the button. Whoever does not let go in time is cut off."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(machine.log.parent / "qmp"))
        for command in ["qmp_capabilities", "system_powerdown"]:
            line.sendall(json.dumps({"execute": command}).encode() + b"\n")
            time.sleep(1)
        try:
            machine.wait("the end", lambda: machine.process.poll() is not None, 240)
        finally:
            machine.stop()


def is_left_alone(hardware, medium):
    """The same medium, still in: under SeaBIOS the installer stops before it touches a disk, under OVMF GRUB starts the system."""
    number = re.search(r'lxseed_number="(\w+)"', hardware.inside("cat /etc/lxseed/installed").decode())
    must(number, "the new system is not marked as installed")
    said = "node1 of fleet since "
    before, table = disks.digest(hardware.system), disks.partition_table(hardware.system)
    machine = hardware.start(medium)
    if hardware.uefi:
        hardware.wait(machine, "the medium's menu", lambda: b"Start node1 of fleet, installed " in machine.screen, TO_LOGIN)
        hardware.wait(machine, "why", lambda: b"This machine is " + said.encode() in machine.screen, TO_LOGIN)
        must(b"It was left untouched. Pull this medium out" in machine.screen, "the screen does not say what to do")
        starts(hardware, machine)
        # The firmware writes there, too; the installer's lines begin with a date.
        must(not re.search(r"^[A-Z][a-z]{2} +\d+ [\d:]{8} ", machine.logged(), re.M), "the installer was started")
        must(disks.partition_table(hardware.system) == table, "the disk was partitioned again")
        must(number[0].encode() in hardware.inside("cat /etc/lxseed/installed"), "it is another installation")
    else:
        machine.wait("the dialog", lambda: b"lxseed installed a system here already; it was left untouched" in machine.screen, TO_PARTMAN)
        machine.wait("why", lambda: "not installed: This machine is " + said in machine.logged(), TO_PARTMAN)
        must("Menu item 'partman-base' selected" not in machine.logged(), "the partitioner was started")
        machine.stop()
        must(disks.digest(hardware.system) == before, "the system's disk was written to")
    hardware.data_is_untouched("after the second start from the medium")


def install_whole(stage, uefi):
    hardware, began = Hardware(stage, uefi, packages=True), time.monotonic()
    medium, took = hardware.bake(), {}

    def step(name):
        nonlocal began
        took[name], began = (time.monotonic() - began) / 60, time.monotonic()

    machine = hardware.start(medium)
    hardware.wait(machine, "the end of the partitioner", lambda: "test: partitioned:" in machine.logged(), TO_PARTMAN)
    step("partitioned")
    hardware.wait(machine, "our late command", lambda: "lxseed: the seed is in place" in machine.logged(), TO_REBOOT)
    hardware.ends(machine, "the restart", TO_REBOOT)
    partitioned(hardware, machine.logged())
    installed(hardware, machine.logged())
    step("installed")
    starts(hardware, hardware.start())
    step("started")
    is_left_alone(hardware, medium)
    step("left alone")
    return "minutes: " + ", ".join("%s %.1f" % one for one in took.items())


@long_test
def bios_whole_installation(stage):
    """Debian 13's installer under SeaBIOS, whole: the named disk alone is written to, it starts, and the medium leaves it alone."""
    return install_whole(stage, False)


@long_test
def uefi_whole_installation(stage):
    """The same under OVMF."""
    return install_whole(stage, True)
