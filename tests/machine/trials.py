#!/usr/bin/python3
"""What becomes of disks that held something before: process 1 of a machine that has nothing else to do.

Each trial lays old content with the tools that make such things, as an earlier installation or another system leaves it, and runs
the first boot's stage `disks` with what the profile allows. Results go to the console, a line each: TRIAL, the name, and "ok" or
what was not as it should be. Which trials run is told by the kernel's command line: trials=NAME,NAME.
"""
import ctypes
import glob
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
SCRIPT = pathlib.Path("/usr/local/sbin/lxseed-firstboot")
STATE = pathlib.Path("/var/lib/lxseed")
WORD = re.compile(r"wipe: (\S+?)'")
TRIALS = {}
# Volumes that the trial at hand is about.
volumes = ()
D1 = M1 = M2 = P1 = X1 = None


def trial(*names):
    def register(function):
        TRIALS[function.__name__.replace("_", "-")] = function, names
        return function
    return register


def run(*words, check=True, **options):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=300, check=False, **options)
    assert not check or done.returncode == 0, "%s: %s" % (" ".join(str(word) for word in words), done.stdout[-400:])
    return done.stdout


def settle():
    run("udevadm", "settle", "--timeout=60", check=False)


def disk_of(serial):
    return next("/dev/" + path.parent.name for path in pathlib.Path("/sys/block").glob("vd*/serial")
                if path.read_text().strip() == serial)


# -- old content


def everything_off():
    """Nothing lies on any disk any more, in the kernel neither."""
    run("swapoff", "-a", check=False)
    run("vgchange", "-an", check=False)
    run("dmsetup", "remove_all", check=False)
    for _ in range(3):
        for array in glob.glob("/dev/md[0-9]*"):
            if "p" not in array[7:]:
                run("mdadm", "--stop", array, check=False)
    settle()


def blank(*disks):
    everything_off()
    for disk in disks or (D1, M1, M2, P1, X1):
        run("blkdiscard", "-f", disk)
        run("blockdev", "--rereadpt", disk, check=False)
    settle()


def array(name, *members, host="wiped1", path=None):
    run("mdadm", "--create", path or "/dev/md/" + name, "--run", "--homehost=" + host, "--raid-devices=%d" % len(members),
        "--metadata=1.2", "--level=1", "--name=" + name, *members)
    settle()
    return path or "/dev/md/" + name


def group(name, *disks, volume="root", tagged=False):
    for disk in disks:
        run("pvcreate", "-y", "-ff", disk)
    run("vgcreate", *(["--addtag", "lxd_pool"] if tagged else []), name, *disks)
    run("lvcreate", "-y", "-L", "64M", "-n", volume, name)
    return "/dev/%s/%s" % (name, volume)


def pool_group(name, disk):
    """As LXD 4.0 and later make a pool of the driver lvm."""
    run("pvcreate", disk)
    run("vgcreate", name, disk)
    run("lvcreate", "-Wy", "--yes", "--thin", "-L", "256M", "--poolmetadatasize", "8M", name + "/LXDThinPool")
    run("vgchange", "--addtag", "lxd_pool", name)


def btrfs(label, device):
    run("mkfs.btrfs", "-q", "-f", "-L", label, device)


def ext4(label, device):
    run("mkfs.ext4", "-q", "-F", "-T", "largefile4", *(["-L", label] if label else []), device)


def zpool(name, device):
    """The labels of a pool that ZFS's own library made, with this name and an identity for each time."""
    del name
    label = gzip.decompress((HERE / "zfs-label.gz").read_bytes())
    label = label.replace(bytes.fromhex("1122334455667788"), os.urandom(8))
    with open(device, "r+b", buffering=0) as file:
        size = file.seek(0, 2) & ~262143
        for place in (0, 262144, size - 524288, size - 262144):
            file.seek(place)
            file.write(label)
        os.fsync(file.fileno())


def table(disk, *kinds):
    """An MBR with partitions of 200 MiB."""
    sector = bytearray(512)
    for i, kind in enumerate(kinds):
        struct.pack_into("<BBBBBBBBII", sector, 446 + 16 * i, 0, 0, 2, 0, kind, 0, 0, 0, 2048 + i * 409600, 409600)
    sector[510:] = b"\x55\xaa"
    with open(disk, "r+b", buffering=0) as file:
        file.write(sector)
        os.fsync(file.fileno())
    run("blockdev", "--rereadpt", disk)
    settle()
    return ["%s%d" % (disk, i + 1) for i in range(len(kinds))]


def boot_again(active=True):
    """What a boot makes of the disks: udev puts arrays together, and where lvm2 is installed volume groups are active."""
    everything_off()
    run("udevadm", "trigger", "--subsystem-match=block", "--action=add")
    settle()
    if active:
        run("vgchange", "-aay", check=False)
        settle()


# -- the first boot


def new_system():
    """The system's disk is a new one, and with it all that was noted on it."""
    shutil.rmtree(STATE, ignore_errors=True)
    pathlib.Path("/etc/mdadm/mdadm.conf").write_text("")


def script(wipes):
    """The host's script with these permissions in the profile, and with no more volumes than the trial is about."""
    text = (HERE / "lxseed-firstboot").read_text()
    names = re.search(r"^VOLUME_NAMES=\((.*)\)$", text, re.M)[1].replace("'", "").split()
    for column in ("NAMES", "KINDS", "FIRST", "SECOND"):
        words = re.search(r"^VOLUME_%s=\((.*)\)$" % column, text, re.M)[1].split()
        words = " ".join(word for name, word in zip(names, words) if name in volumes)
        text = re.sub(r"^VOLUME_%s=.*$" % column, "VOLUME_%s=(%s)" % (column, words), text, flags=re.M)
    slots = re.search(r"^SLOT_NAMES=\((.*)\)$", text, re.M)[1].replace("'", "").split()
    text = re.sub(r"^SLOT_WIPE=.*$", "SLOT_WIPE=(%s)" % " ".join("'%s'" % wipes.get(slot, "") for slot in slots), text, flags=re.M)
    SCRIPT.write_text(text)
    SCRIPT.chmod(0o755)
    return SCRIPT


def stage(environment=None, **wipes):
    """Runs the stage with these permissions: its exit code, and what it said."""
    script(wipes)
    print("--- stage %s" % wipes, flush=True)
    process = subprocess.Popen([SCRIPT, "disks"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               stdin=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})))
    said = []
    for line in process.stdout:
        said.append(line)
        print(line, end="", flush=True)
    code, text = process.wait(), "".join(said)
    print("--- exit %d" % code, flush=True)
    assert "unexpected:" not in text, text
    return code, text


def refused(said, *words):
    """Stopped by the guard, with these words in what it said. Gives the permissions that it printed, by serial number."""
    code, text = said
    assert code == 78, "exit %d: %s" % (code, text)
    for word in words:
        assert word in text, "not said: %s\n%s" % (word, text)
    return {line.split("/")[0]: line for line in WORD.findall(text)}


def went_through(said, *words):
    code, text = said
    assert code == 0, "exit %d: %s" % (code, text)
    for word in words:
        assert word in text, "not said: %s\n%s" % (word, text)


def digest(disk):
    """Of all that has content and that md does not write by itself: neither superblock nor bitmap."""
    run("blockdev", "--flushbufs", disk)
    found = hashlib.sha256()
    with open(disk, "rb", buffering=0) as file:
        size = file.seek(0, 2)
        for begin, length in ((0, 4096), (MIB, 4 * MIB), (128 * MIB, 8 * MIB), (size - 2 * MIB, 2 * MIB)):
            file.seek(min(begin, size))
            found.update(file.read(length))
    return found.hexdigest()


def untouched(disks, permissions, *words):
    """Refused with these words, and not a byte of the disks is another."""
    before = [digest(disk) for disk in disks]
    given = refused(stage(**permissions), *words)
    assert [digest(disk) for disk in disks] == before, "a disk was written to"
    return given


def expect_new_mirror():
    """An array of this host's on the two disks, and nothing in it."""
    said = run("mdadm", "--detail", "/dev/md/data2")
    assert "wiped1:data2" in said and M1 in said and M2 in said, said
    assert run("wipefs", "--no-act", "--parsable", "/dev/md/data2").count("\n") <= 1
    assert run("blkid", "-p", "/dev/md/data2", check=False) == ""
    held = glob.glob("/sys/block/md*/holders/*")
    assert not held, held


def expect_blank(*disks):
    for disk in disks:
        said = run("wipefs", "--no-act", "--parsable", disk)
        assert said.count("\n") <= 1, said


# -- trials: the same disks in a new installation


OLD = {
    "btrfs": (lambda device: btrfs("data2", device), "btrfs labelled data2"),
    "lvm": (lambda device: pool_group("data2", device), "LVM volume group data2"),
    "ext4": (lambda device: ext4("data2", device), "ext4 labelled data2"),
    "zfs": (lambda device: zpool("data2", device), "ZFS pool"),
}


def old_mirror(kind):
    """A mirror of an earlier installation, with its pool: refused with a plain permission, emptied with the words, refused again
    with the same words when something has been made of it since."""
    lay, found = OLD[kind]

    def act():
        blank()
        new_system()
        lay(array("data2", M1, M2))
        boot_again()
        words = untouched((M1, M2), dict(m1="WD-M1", m2="WD-M2"), found, "is not blank", "the host wiped1",
                          "'wipe: WD-M1/", "'wipe: WD-M2/")
        if kind == "btrfs":
            # Not running, it is the same; and half of the permission is none.
            everything_off()
            again = untouched((M1, M2), dict(m1=words["WD-M1"]), found, "'wipe: WD-M2/")
            assert again == {"WD-M2": words["WD-M2"]}, "%s, and before it %s" % (again, words)
            boot_again()
        went_through(stage(m1=words["WD-M1"], m2=words["WD-M2"]), "emptying", found)
        expect_new_mirror()
        if kind not in ("btrfs", "lvm"):
            return
        # What came since is not what the words were for.
        lay("/dev/md/data2")
        new_system()
        boot_again()
        new = untouched((M1, M2), dict(m1=words["WD-M1"], m2=words["WD-M2"]), found, "was on this disk before")
        assert not set(new.values()) & set(words.values()), new

    return act


for _kind in OLD:
    TRIALS["old-" + _kind] = old_mirror(_kind), ("data2",)


# -- the layers of other systems, with lvm2 on the machine


@trial("data1")
def lvm_in_a_partition():
    blank()
    new_system()
    _, second = table(D1, 0x83, 0x8E)
    ext4("", group("ubuntu-vg", second))
    boot_again()
    untouched((D1,), dict(), "LVM volume group ubuntu-vg in partition 2", "ext4 in LVM volume ubuntu-vg/root", "'wipe: WD-D1'")
    went_through(stage(d1="WD-D1"), "emptying")
    expect_blank(D1)


@trial("data1", "own")
def lvm_on_a_foreign_array_of_partitions():
    blank()
    new_system()
    group("vg0", array("0", table(D1, 0xFD)[0], table(P1, 0xFD)[0], host="other", path="/dev/md0"))
    boot_again()
    # The other half is on a disk that may not be emptied.
    words = untouched((D1, P1), dict(d1="WD-D1"), "md array other:0 on it lies on", "serial WD-P1")
    went_through(stage(d1="WD-D1", p1=words["WD-P1"]), "emptying")
    expect_blank(D1, P1)


@trial("data1")
def lvm_on_the_disk():
    blank()
    new_system()
    group("vg0", D1)
    boot_again()
    went_through(stage(d1="WD-D1"), "emptying", "LVM volume group vg0")
    expect_blank(D1)


@trial("data1")
def foreign_array_of_partitions():
    blank()
    new_system()
    ext4("", array("0", table(D1, 0xFD)[0], "missing", host="other", path="/dev/md0"))
    boot_again()
    went_through(stage(d1="WD-D1"), "emptying", "member of the md array other:0 in partition 1")
    expect_blank(D1)


@trial("data2")
def foreign_mirror():
    """A whole-disk mirror that an installer numbered, with LVM: what was in it does not come back in the new one."""
    blank()
    new_system()
    group("vg0", array("7", M1, M2, host="other", path="/dev/md7"))
    boot_again()
    went_through(stage(m1="WD-M1", m2="WD-M2"), "emptying", "LVM volume group vg0")
    expect_new_mirror()


@trial("data2")
def own_mirror_on_a_new_system():
    """A member's own mirror with its pool of lvm, which it comes back with: udev has started it under a name of its own, for the new system
    knows of no array, and its volume group is active."""
    blank()
    new_system()
    pool_group("data2", array("data2", M1, M2))
    boot_again()
    assert not os.path.exists("/dev/md/data2"), "it runs under its own name: %s" % glob.glob("/dev/md/*")
    (STATE / "volumes").mkdir(parents=True)
    (STATE / "volumes/data2").write_text("made\t/dev/md/data2\t/dev/md/data2\tWD-M1 WD-M2\n")
    went_through(stage())
    assert "wiped1:data2" in run("mdadm", "--detail", "/dev/md/data2")
    assert "LXDThinPool" in run("lvs", "data2")


@trial("data2")
def ghost():
    """Disks that were made blank by hand: what lay inside the old mirror is where the new one's data begins."""
    blank()
    new_system()
    group("vg0", array("7", M1, M2, host="other", path="/dev/md7"))
    everything_off()
    run("mdadm", "--zero-superblock", M1, M2)
    went_through(stage(), "emptying the new array")
    expect_new_mirror()


@trial("data1")
def group_over_two_disks():
    """A volume group that lies on a disk that may not be emptied, too."""
    blank()
    new_system()
    group("vg0", D1, X1)
    boot_again()
    untouched((D1, X1), dict(d1="WD-D1"), "LVM volume group vg0", "serial WD-X1")
    # Inactive it is the same.
    everything_off()
    untouched((D1, X1), dict(d1="WD-D1"), "LVM volume group vg0", "serial WD-X1")


@trial("data1")
def in_use():
    """Mounted, or open otherwise: nothing lets go of it."""
    blank()
    new_system()
    device = group("vg0", D1)
    ext4("", device)
    os.makedirs("/mnt/trial", exist_ok=True)
    run("mount", device, "/mnt/trial")
    try:
        refused(stage(d1="WD-D1"), "is in use (mounted at /mnt/trial)")
    finally:
        run("umount", "/mnt/trial")
    run("sh", "-c", "sleep 600 <%s >/dev/null 2>&1 & echo $! >/run/sleeper" % device)
    try:
        refused(stage(d1="WD-D1"), "is in use by", "vg0-root")
    finally:
        run("sh", "-c", "kill $(cat /run/sleeper)")
        time.sleep(0.5)
    went_through(stage(d1="WD-D1"), "emptying")


@trial("data1")
def without_lvm2():
    """No lvm2 on the machine: the group and whose it is are seen all the same."""
    blank()
    new_system()
    pool_group("data1", D1)
    everything_off()
    os.makedirs("/opt/hidden", exist_ok=True)
    hidden = [path for path in glob.glob("/sbin/*") if os.path.realpath(path) == os.path.realpath("/sbin/lvm")]
    for path in hidden:
        os.rename(path, "/opt/hidden/" + os.path.basename(path))
    try:
        words = untouched((D1,), dict(d1="WD-D1"), "LVM volume group data1", "of LXD", "'wipe: WD-D1/")
        went_through(stage(d1=words["WD-D1"]), "emptying")
    finally:
        for path in hidden:
            os.rename("/opt/hidden/" + os.path.basename(path), path)
    expect_blank(D1)


@trial("data1", "own")
def whose():
    """Which single disks a plain permission empties, and which it does not."""
    for lay, plain in ((lambda: ext4("photos", D1), False), (lambda: zpool("data1", D1), False),
                       (lambda: ext4("cloudimg-rootfs", table(D1, 0x83)[0]), True), (lambda: ext4("Photos of 2019", D1), True)):
        blank(D1)
        new_system()
        lay()
        settle()
        if plain:
            went_through(stage(d1="WD-D1"), "emptying")
        else:
            word = untouched((D1,), dict(d1="WD-D1"), "'wipe: WD-D1/")["WD-D1"]
            went_through(stage(d1=word), "emptying")
        expect_blank(D1)
    blank(D1)
    new_system()
    ext4("photos", D1)
    word = untouched((D1,), dict(d1="WD-D1/00000000"), "was on this disk before")["WD-D1"]
    untouched((D1,), dict(environment={"CONVERGE": "yes"}, d1=word), "nothing is emptied")
    blank(D1)
    # No pool uses its volume: what lies there may be what a person has put there since.
    blank(P1)
    new_system()
    run("mkfs.ext4", "-q", "-F", P1)
    word = untouched((P1,), dict(p1="WD-P1"), "'wipe: WD-P1/", "no pool uses this volume")["WD-P1"]
    went_through(stage(p1=word), "emptying")


# -- cut off in the middle: all of the stage is gone from one instant to the next, and goes on at the next boot


def cut(program, when, instead, **wipes):
    """Runs the stage until it calls this program with such words; then `instead` is done, and all of it is killed."""
    wrapper = pathlib.Path("/usr/local/sbin", program)
    real = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    wrapper.write_text("#!/bin/bash\ncase \"$*\" in\n%s) [[ ! -e /run/cut ]] || { REAL=%s; %s\n"
                       "rm /run/cut; sync; pkill -9 -s \"$(ps -o sid= -p $$ | tr -d ' ')\"; sleep 60; } ;;\nesac\nexec %s \"$@\"\n"
                       % (when, real, instead, real))
    wrapper.chmod(0o755)
    pathlib.Path("/run/cut").touch()
    try:
        text = run("setsid", "--wait", "env", "TRIAL=1", "/bin/sh", "-c", "exec \"$0\" disks", script(wipes), check=False)
    finally:
        wrapper.unlink()
    print("--- cut\n" + text, flush=True)
    assert not os.path.exists("/run/cut"), "it came to its end: " + text
    # What a cut inside `mdadm --create` leaves of udev ends with the machine.
    run("udevadm", "control", "--start-exec-queue")
    boot_again()


@trial("data1", "data2")
def cut_while_emptying():
    """One half of the mirror is emptied, or is about to be, when the power goes: the old word still counts for what is left."""
    for instead in (":", '"$REAL" "$@"'):
        blank()
        new_system()
        pool_group("data2", array("data2", M1, M2))
        boot_again()
        words = refused(stage())
        wipes = {"m1": words["WD-M1"], "m2": words["WD-M2"]}
        cut("python3", "*O_EXCL*", instead, **wipes)
        went_through(stage(**wipes), "emptying")
        expect_new_mirror()
    # Begun, and then another disk's content is there: that is not what the word was for.
    blank()
    new_system()
    btrfs("data1", D1)
    wipes = {"d1": refused(stage())["WD-D1"]}
    cut("python3", "*O_EXCL*", ":", **wipes)
    btrfs("data1", D1)
    untouched((D1,), dict(**wipes), "was on this disk before")


@trial("data2")
def cut_while_making():
    """The power goes while the new array is made, on disks with an old one's content where its data begins."""
    def ghosts():
        blank()
        new_system()
        group("vg0", array("7", M1, M2, host="other", path="/dev/md7"))
        everything_off()
        run("mdadm", "--zero-superblock", M1, M2)

    ghosts()
    cut("mdadm", "*--create*", '"$REAL" "$@"')
    went_through(stage(), "emptying the new array")
    expect_new_mirror()
    # Only one of the two had its superblock.
    ghosts()
    cut("mdadm", "*--create*", 'set -- "${@:1:$#-1}" missing; "$REAL" "$@"')
    went_through(stage())
    expect_new_mirror()
    # Another array of this name came into the slots meanwhile, with somebody's data.
    ghosts()
    cut("mdadm", "*--create*", ":")
    blank()
    ext4("data2", array("data2", M1, M2))
    boot_again()
    untouched((M1, M2), dict(), "ext4 labelled data2")


def power_on():
    """What a system does before anything of ours."""
    run("mount", "-o", "remount,rw", "/")
    run("/lib/systemd/systemd-udevd", "--daemon")
    for module in ("md-mod", "raid1", "dm-mod", "btrfs"):
        run("modprobe", module, check=False)
    # A new mirror must not be filled while nothing is waiting for it.
    for limit in ("min", "max"):
        pathlib.Path("/proc/sys/dev/raid/speed_limit_" + limit).write_text("1\n")
    run("udevadm", "trigger", "--action=add")
    settle()
    local = pathlib.Path("/usr/local/sbin/update-initramfs")
    local.write_text("#!/bin/sh\n")
    local.chmod(0o755)
    os.makedirs("/etc/mdadm", exist_ok=True)


def main(wanted):
    global D1, M1, M2, P1, X1, volumes
    D1, M1, M2, P1, X1 = (disk_of("WD-" + slot) for slot in ("D1", "M1", "M2", "P1", "X1"))
    for name in wanted if wanted != ["all"] else TRIALS:
        began = time.monotonic()
        try:
            act, volumes = TRIALS[name]
            act()
            verdict = "ok"
        except BaseException as why:  # pylint: disable=broad-except
            traceback.print_exc()
            verdict = "FAILED %s" % str(why).replace("\n", " | ")[:1500]
        print("\nTRIAL %s (%.0f s) %s" % (name, time.monotonic() - began, verdict), flush=True)


os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
if os.getpid() == 1:
    try:
        power_on()
        main(re.search(r"trials=(\S+)", pathlib.Path("/proc/cmdline").read_text())[1].split(","))
    finally:
        sys.stdout.flush()
        ctypes.CDLL(None).sync()
        pathlib.Path("/proc/sysrq-trigger").write_text("o")
        time.sleep(60)
else:
    main(sys.argv[1:])
