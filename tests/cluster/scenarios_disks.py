"""What must be seen of the disk guard and of the stages before the cluster: one host is enough for these."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import time
import uuid

import iso
import snaps
from bench import STAND_INS, run, wait
from scenarios import ALONE, test

MIB = 1024 * 1024


def md_superblock(device, name):
    """A version 1.2 superblock of a two-disk mirror, as mdadm writes it, for a kernel that has no md."""
    sectors = 512 * MIB // 512
    block = bytearray(256 + 2 * 128)
    struct.pack_into("<IIII", block, 0, 0xA92B4EFC, 1, 0, 0)
    block[16:32] = uuid.UUID(int=0xBEEF).bytes
    block[32:64] = name.encode().ljust(32, b"\0")
    struct.pack_into("<QiiQII", block, 64, int(time.time()), 1, 0, sectors - 2048, 0, 2)
    struct.pack_into("<QQQQ", block, 128, 2048, sectors - 2048, 8, 0)
    struct.pack_into("<II", block, 160, 0, 0)
    block[168:184] = uuid.UUID(int=0xF00D).bytes
    struct.pack_into("<QQQ", block, 192, int(time.time()), 1, 0)
    struct.pack_into("<II", block, 216, 0, 128)
    for i in range(128):
        struct.pack_into("<H", block, 256 + 2 * i, i if i < 2 else 0xFFFF)
    total = sum(struct.unpack_from("<%dI" % (len(block) // 4), block))
    struct.pack_into("<I", block, 216, ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF)
    device.seek(4096)
    device.write(block)


def lvm_label(device):
    """A physical volume's label in the second sector; its checksum starts from LVM's own seed."""
    label = bytearray(512)
    label[0:8] = b"LABELONE"
    struct.pack_into("<Q", label, 8, 1)
    struct.pack_into("<I", label, 20, 32)
    label[24:32] = b"LVM2 001"
    label[32:64] = b"abcdefghijklmnopqrstuvwxyz012345"
    struct.pack_into("<Q", label, 64, 512 * MIB)
    table = [0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
             0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C]
    crc = 0xF597A6CF
    for byte in label[20:]:
        crc ^= byte
        crc = (crc >> 4) ^ table[crc & 0xF]
        crc = (crc >> 4) ^ table[crc & 0xF]
    struct.pack_into("<I", label, 16, crc)
    device.seek(512)
    device.write(label)


def zfs_label(device):
    """Enough of a ZFS label for a prober: its uberblocks."""
    for index in range(16):
        device.seek(128 * 1024 + index * 1024)
        device.write(struct.pack("<QQQQQ", 0x00BAB10C, 5000, index + 1, 77, 1700000000))


def partition_table(device):
    """A DOS partition table with one Linux partition."""
    sector = bytearray(512)
    struct.pack_into("<BBBBBBBBII", sector, 446, 0, 0, 2, 0, 0x83, 0, 0, 0, 2048, 100000)
    sector[510:512] = b"\x55\xaa"
    device.seek(0)
    device.write(sector)


def ext4(device):
    run("mkfs.ext4", "-q", "-F", "-L", "photos", device.name)


FOREIGN = (
    ("an ext4", ext4, "ext4 labelled photos"),
    ("an md member of another name", lambda d: md_superblock(d, "other:data1"), "member of the md array other:data1"),
    ("an LVM label", lvm_label, "LVM2_member"),
    ("a zfs label", zfs_label, "zfs_member"),
    ("a partition table", partition_table, "dos"),
)


def empty(host, slot):
    with open(host.loops[slot], "r+b") as device:
        for start in (0, 512 * MIB - 16 * MIB):
            device.seek(start)
            device.write(b"\0" * 16 * MIB)
        device.flush()
    run("blockdev", "--flushbufs", host.loops[slot])


def again(host):
    host.restart_unit()


def alone(stage):
    return stage.bench("three", edits=[ALONE], speed=60).add("node1")


def put_on(host, slot, write):
    with open(host.loops[slot], "r+b") as device:
        write(device)
    run("blockdev", "--flushbufs", host.loops[slot])


def with_an_idle_lxd(stage):
    """A host held by a disk that carries something: its LXD runs."""
    host = alone(stage)
    put_on(host, "d1", ext4)
    host.boot()
    host.await_stopped()
    host.inside("/snap/bin/lxd", "waitready", "--timeout=30")
    return host


@test
def foreign_disks(stage):
    """A disk that carries something is refused with its name and finding, its bytes unchanged; once blank it goes on."""
    host = alone(stage)
    first = True
    for what, write, finding in FOREIGN:
        put_on(host, "d1", write)
        before = host.digest("d1")
        host.boot() if first else again(host)
        first = False
        said = host.await_stopped()
        assert finding in said and host.loops["d1"] in said and "WD-1-1" in said, "%s: %s" % (what, said)
        assert host.digest("d1") == before, "the disk with %s was written to" % what
        assert not (host.upper / "var/lib/lxseed/stages/disks.done").exists()
        empty(host, "d1")
    again(host)
    host.await_member()
    return "%d kinds" % len(FOREIGN)


@test
def wrong_disks(stage):
    """Missing, twice there, too small, removable, on USB, in use, the system's own: refused, and nothing is written."""
    host = alone(stage)
    d1, d2 = host.disk("d1"), host.disk("d2")
    right = json.dumps(host.disks)
    loop = host.loops["d1"]
    digest = host.digest("d1")

    def case(words, *changes):
        host.power_cut()
        host.disks = json.loads(right)
        for change in changes:
            change(host.disk("d1"))
        (host.upper / "var/log/unit-state").unlink(missing_ok=True)
        host.boot()
        said = host.await_stopped()
        assert words in said, said

    case("no disk with serial WD-1-1. Here are: ", lambda d: d["properties"].update(ID_SERIAL_SHORT="another"))
    case("fits 2 disks", lambda d: host.disk("os")["properties"].update(ID_SERIAL_SHORT="WD-1-1"))
    case("is removable or on USB", lambda d: d.update(sysfs={"removable": "1"}))
    case("is removable or on USB", lambda d: d["properties"].update(ID_BUS="usb"))
    case("is read-only", lambda d: d.update(sysfs={"ro": "1"}))
    case("are the same disk", lambda d: (d["properties"].update(ID_WWN=d2["properties"]["ID_WWN"]),
                                         host.disk("d2")["properties"].pop("ID_WWN")))
    host.disks = json.loads(right)
    image = host.folder / "disk-d2.img"
    with open(image, "r+b") as file:
        file.truncate(100 * MIB)
    run("losetup", "--set-capacity", host.loops["d2"])
    case("is smaller than the declared 256MB", lambda d: None)
    with open(image, "r+b") as file:
        file.truncate(512 * MIB)
    run("losetup", "--set-capacity", host.loops["d2"])
    assert host.digest("d1") == digest and d1["name"] in loop

    # In use: an ext4 is mounted, first anywhere, then where a system has its boot files.
    run("mkfs.ext4", "-q", "-F", loop)
    for where, words in (("/mnt", "is in use (mounted at /mnt)"), ("/boot", "carries the running system (mounted at /boot)")):
        host.disks = json.loads(right)
        host.power_cut()
        host.boot()
        wait(20, "the unit", lambda: host.state())
        host.inside("systemctl", "stop", "lxseed-firstboot")
        host.inside("mount", loop, where)
        again(host)
        said = host.await_stopped()
        assert words in said, said
        host.inside("umount", where)
    empty(host, "d1")
    again(host)
    host.await_member()


def pool_of(host):
    pool = host.api("/1.0/storage-pools/data1?target=node1")
    return {**pool, "locations": sorted(pool["locations"])}


@test
def wipe_once(stage):
    """`wipe: SERIAL` empties that very disk, once; a made pool is never emptied."""
    b = stage.bench("two", speed=20, edits=[("hosts/hosts.yaml", "d1: {serial: WD-1-1}", "d1: {serial: WD-1-1, wipe: WD-1-1}")])
    host, other = b.add_all()
    other.boot()
    put_on(host, "d1", lambda device: run("mkfs.ext4", "-q", "-F", "-L", "Photos 2019", device.name))
    host.boot()
    host.await_sealed()
    assert "emptying" in host.journal() and "ext4 labelled Photos 2019" in host.journal(), host.journal()
    assert "unexpected:" not in host.journal(), host.journal()
    # A pool names its members, and one that is online may not be among them yet.
    other.await_sealed()
    before = pool_of(host)
    said = host.inside("/usr/local/sbin/lxseed-firstboot")
    assert "emptying" not in said, said
    after = pool_of(host)
    assert after == before, "%s became %s" % (before, after)
    # The snap was purged by hand after the cluster stood: the book says the pool was made, so nothing is emptied.
    host.inside("/opt/bench/bin/lxd-daemon", "stop")
    digest = host.digest("d1")
    host.inside("sh", "-c", "rm -rf /var/lib/lxd/*; rm -f /var/lib/lxseed/complete")
    again(host)
    said = host.await_stopped()
    assert host.digest("d1") == digest, "a made pool was written to"
    assert "the key left the machine when it was sealed" in said, said


def installed_anew(host, seed):
    """The system's disk is a new one, and the data disks are the old ones."""
    host.power_cut()
    for part in ("upper", "lxd"):
        shutil.rmtree(host.folder / part)
        (host.folder / part).mkdir()
    (host.folder / "lxd").chmod(0o711)
    local = host.upper / "usr/local/bin"
    local.mkdir(parents=True)
    for tool in STAND_INS:
        (local / os.path.basename(tool)).symlink_to("/opt/" + tool)
    host.setting("speed", host.bench.speed)
    host.plant(seed)
    host.boot()


@test
def wipe_left_in_the_profile(stage):
    """Installed anew with `wipe` still in the profile, plain or with the word that was used up: the pool's bytes stay as they are."""
    def seed(name, wipe):
        edits = [ALONE, ("hosts/hosts.yaml", "d1: {serial: WD-1-1}", "d1: {serial: WD-1-1, wipe: %s}" % wipe)]
        return stage.build("three", edits, into=name) / "three/node1"

    def refuses(seed):
        # A pool that is mounted writes on; what is pending is on the disk once nobody has it mounted.
        host.power_cut()
        before = host.digest("d1"), host.digest("d2")
        installed_anew(host, seed)
        said = host.await_stopped()
        assert (host.digest("d1"), host.digest("d2")) == before, "a disk was written to: " + said
        assert "btrfs labelled data1" in said and "emptying the disk loses it for good" in said, said
        assert "unexpected:" not in host.journal(), host.journal()
        # The last one is to be written; one before it is quoted from the profile.
        found = re.findall(r"'wipe: (WD-1-1/[0-9a-f]{8})'", said)
        assert found, said
        return found[-1]

    def empties(seed):
        installed_anew(host, seed)
        # The guard of the next volume: that disk has no permission at all.
        said = host.await_stopped()
        assert "slot d2" in said and "btrfs labelled data2" in said, said
        assert "emptying" in host.journal(), host.journal()
        empty(host, "d2")
        again(host)
        host.await_member()

    plain = seed("plain", "WD-1-1")
    host = stage.bench("three", out=plain.parent.parent, speed=60).add("node1")
    put_on(host, "d1", lambda device: run("mkfs.ext4", "-q", "-F", device.name))
    host.boot()
    host.await_member()
    first = refuses(plain)
    assert refuses(plain) == first
    # As the message says, and then the same seed once more: the pool that came since is another.
    worded = seed("worded", first)
    empties(worded)
    second = refuses(worded)
    assert second != first, first


@test
def wipe_cut_off(stage):
    """The power is cut at each step of emptying a pool's disk by its word: the next boot goes on with it, and with nothing else."""
    host = alone(stage)
    put_on(host, "d1", lambda device: run("mkfs.ext4", "-q", "-F", "-L", "data1", device.name))
    host.boot()
    word = re.search(r"'wipe: (WD-1-1/[0-9a-f]{8})'", host.await_stopped())[1]
    edits = [ALONE, ("hosts/hosts.yaml", "d1: {serial: WD-1-1}", "d1: {serial: WD-1-1, wipe: %s}" % word)]
    host.plant(stage.build("three", edits, into="worded") / "three/node1")
    # What stands in for each step's program ends the whole run there: the first, before a byte is written; the second, in the
    # middle of it, with the superblock gone at one place; the third, when all is done but the note of it.
    real = "/usr/bin/python3"
    for number, act in enumerate(("", "dd if=/dev/zero of=$DISK bs=1M count=1 conv=notrunc,fsync", real + ' "$@"')):
        cutter = host.upper / "usr/local/sbin/python3"
        cutter.parent.mkdir(parents=True, exist_ok=True)
        cutter.write_text("""#!/bin/sh
case "$*" in
*O_EXCL*) DISK=%s; %s; touch /var/log/cut; sleep 1000 ;;
*) exec %s "$@" ;;
esac
""" % (host.loops["d1"], act or ":", real))
        cutter.chmod(0o755)
        host.power_cut()
        shutil.rmtree(host.upper / "var/lib/cloud/instances", ignore_errors=True)
        host.boot()
        wait(90, "cut %d" % number, lambda: (host.upper / "var/log/cut").exists())
        host.power_cut()
        (host.upper / "var/log/cut").unlink()
        cutter.unlink()
    host.boot()
    host.await_member()
    assert (host.upper / "var/lib/lxseed/marks/wiped-d1").exists()
    assert not (host.upper / "var/lib/lxseed/marks/wiping-d1").exists()


@test
def apt_lxd_with_data(stage):
    """An LXD of apt that holds an instance is not purged, and the host says why."""
    host = alone(stage)
    (host.folder / "lxd/containers/precious").mkdir(parents=True)
    host.boot()
    said = host.await_stopped()
    assert "apt's LXD holds data (/var/lib/lxd/containers/precious )" in said, said
    assert host.inside("dpkg-query", "-W", "-f", "${db:Status-Status}", "lxd") == "installed"
    shutil.rmtree(host.folder / "lxd/containers")
    again(host)
    host.await_member()


@test
def old_snapd(stage):
    """snapd 2.32.5 of the 18.04.0 media, silent at first: no `snap wait`, no cohort, no hold; and a store that fails four times."""
    host = alone(stage)
    host.setting("snapd", "unavailable")
    host.setting("store-fails", "4")
    state = host.upper / "var/lib/snapd/state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"data":{"seeded":true}}')
    host.boot()
    host.await_said("waiting for snapd to answer")
    host.inside("sh", "-c", "echo 2.32.5+18.04 >/etc/bench/snapd")
    host.await_member()
    calls = host.text("/var/log/snap-calls").splitlines()
    assert not any(call.startswith("wait") for call in calls[:calls.index("install core")]), calls
    assert "install lxd --channel=5.0/stable --cohort=+" in calls, calls
    assert "dial tcp: no route" in host.journal(), host.journal()


def offline(stage):
    """A site whose hosts are given their snaps: where these lie, and what was built."""
    made = stage.folder / "made"
    snaps.make(made, "snapd", 20092, "2.60.3")
    snaps.make(made, "core22", 1122, "20231123")
    snaps.make(made, "lxd", 26881, "5.0.3-80aeff7", "core22", "gzip")
    edits = [ALONE, ("cluster.yaml", "lxd: {channel: 5.0/stable", "lxd: {offline: {snaps: snaps}, channel: 5.0/stable")]
    return made, stage.build("three", edits, carry=made)


def installs_carried_snaps(host):
    """It boots, asks no store, and becomes a member."""
    host.setting("snapd", "2.38+18.04")
    host.setting("store-fails", "1000")
    host.boot()
    host.await_member()
    calls = [c for c in host.text("/var/log/snap-calls").splitlines() if c.startswith(("install", "ack"))]
    names = [pathlib.Path(call.split()[1]).name for call in calls]
    assert names == ["snapd_20092.assert", "snapd_20092.snap", "core22_1122.assert", "core22_1122.snap",
                     "lxd_26881.assert", "lxd_26881.snap"], calls


@test
def carried_snaps(stage):
    """Offline: a baked medium's late_command plants the snaps, which are installed as snapd, base, lxd; the store is never asked."""
    _, out = offline(stage)
    medium, cdrom = stage.folder / "medium.iso", stage.folder / "cdrom"
    iso.make(stage.folder / "standin.iso")
    run(stage.program, "bake", stage.folder / "site-out", "--iso", stage.folder / "standin.iso", "-o", medium, "--unpublished",
        "--secret-file", stage.folder / "secret")
    cdrom.mkdir()
    run("xorriso", "-no_rc", "-osirrox", "on", "-indev", medium, "-extract", "/lxseed", cdrom / "lxseed")
    host = stage.bench("three", out=out, speed=60).add("node1")
    late_command(next((cdrom / "lxseed").glob("*/node1/preseed.cfg")), host.upper, cdrom)
    installs_carried_snaps(host)


@test
def snaps_on_a_medium_of_their_own(stage):
    """Offline: what was not planted is copied from the medium labelled LXD-SNAPS, which is let go of again."""
    made, out = offline(stage)
    host = stage.bench("three", out=out, speed=60).add("node1")
    host.add_disk("carrier", {"ID_MODEL": "STICK", "ID_SERIAL_SHORT": "STICK"}, ["by-label/LXD-SNAPS"], 64 * MIB)
    run("mke2fs", "-q", "-t", "ext4", "-L", "LXD-SNAPS", "-d", made, host.loops["carrier"])
    # One of them was planted, and is not replaced.
    planted = host.upper / "var/lib/lxseed/snaps"
    planted.mkdir(parents=True)
    for path in made.glob("snapd*"):
        shutil.copy(path, planted)
    installs_carried_snaps(host)
    assert "copying lxd_26881.snap from the medium LXD-SNAPS" in host.journal(), host.journal()
    assert "copying snapd" not in host.journal(), host.journal()
    assert sorted(path.name for path in planted.iterdir()) == sorted(path.name for path in made.iterdir()), list(planted.iterdir())
    assert host.loops["carrier"] not in host.inside("cat", "/proc/mounts"), host.inside("cat", "/proc/mounts")


def late_command(preseed, target, cdrom):
    """What the installer does with the new system at its end, by the shell that it has."""
    words = next(line for line in preseed.read_text().splitlines() if line.startswith("d-i preseed/early_command "))
    unpack = words[words.index("printf "):words.rindex(" >/var/run/lxseed-installer")]
    script = subprocess.run(["busybox", "sh", "-c", unpack], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["busybox", "sh", "-s", "late"], input=script, check=True, env=dict(os.environ, TARGET=str(target), CDROM=str(cdrom)))


@test
def hwe_kernel(stage):
    """`kernel: hwe` on a machine that runs 4.15: the HWE kernel is installed and the machine restarts, once it can."""
    host = alone(stage)
    host.setting("reboot-fails", "once")
    host.setting("kernel", "4.15.0-213-generic")
    package = stage.folder / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN/control").write_text("Package: linux-generic-hwe-18.04\nVersion: 5.4\nArchitecture: amd64\n"
                                            "Maintainer: bench <bench@localhost>\nDescription: empty\n")
    script = package / "DEBIAN/postinst"
    script.write_text("#!/bin/sh\necho 5.4.0-150-generic >/etc/bench/next-kernel\n")
    script.chmod(0o755)
    repository = host.upper / "opt/repository"
    repository.mkdir(parents=True)
    deb = repository / "hwe.deb"
    run("dpkg-deb", "--root-owner-group", "--build", package, deb)
    (repository / "Packages").write_text((package / "DEBIAN/control").read_text() + "Filename: ./hwe.deb\nSize: %d\nSHA256: %s\n"
                                         % (deb.stat().st_size, hashlib.sha256(deb.read_bytes()).hexdigest()))
    sources = host.upper / "etc/apt/sources.list"
    sources.parent.mkdir(parents=True, exist_ok=True)
    sources.write_text("deb [trusted=yes] file:/opt/repository ./\n")
    host.boot()
    host.await_member()
    assert host.journal().count("systemctl reboot failed; will be tried again") == 1, host.journal()
    assert host.journal().count("restarting into the HWE kernel") == 2, host.journal()
    # A boot loader that keeps the old kernel is said, not fought.
    host.inside("sh", "-c", "systemctl stop lxseed-firstboot; echo 4.15.0-213-generic >/etc/bench/kernel")
    said = subprocess.run(["nsenter", "-t", str(host.init), "-m", "-p", "-u", "-n", "--", "lxseed-firstboot", "preflight"],
                          capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    assert said.returncode == 78 and "restarted for the HWE kernel once" in said.stdout + said.stderr, said


@test
def clock(stage):
    """An unset clock is waited for and then accepted; one before or after the certificate's life is not."""
    host = alone(stage)
    host.setting("clock-set", "no")
    host.boot()
    host.await_member()
    assert "the clock is not synchronized; going on" in host.journal(), host.journal()
    host.inside("systemctl", "stop", "lxseed-firstboot")
    for day, words in (("2001-01-01", "before the life"), ("2081-01-01", "after the life")):
        said = subprocess.run(["nsenter", "-t", str(host.init), "-m", "-p", "-u", "-n", "--", "faketime", day,
                               "lxseed-firstboot", "preflight"], capture_output=True, text=True, check=False,
                              env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
        assert said.returncode == 75 and words in said.stdout + said.stderr, said


@test
def strict_preseeds(stage):
    """LXD's own strict decoding takes every preseed of every site, and refuses one with a misspelt key."""
    host = with_an_idle_lxd(stage)
    seen = 0
    # The sites that ship with lxseed, too.
    for site in ("two", "three", "five", "../../../profiles"):
        out = stage.build(site, into="strict-" + pathlib.Path(site).name)
        for preseed in sorted(out.glob("*/*/lxd-preseed.yaml")):
            # A pool's source stands for a disk that is not here, and a cluster that is not there is not joined: the
            # decoding succeeds, and what comes after it cannot.
            for text, refused in ((preseed.read_text(), False),
                                  (preseed.read_text().replace("server_name", "sever_name"), True)):
                answer = subprocess.run(["nsenter", "-t", str(host.init), "-m", "-p", "-u", "-n", "--", "/usr/bin/lxd", "init",
                                         "--preseed"], input=text, capture_output=True, text=True, check=False, timeout=60)
                assert answer.returncode != 0, "%s was carried out" % preseed
                assert ("Failed to parse the preseed" in answer.stderr) is refused, "%s: %s" % (preseed, answer.stderr)
            seen += 1
    return "%d preseeds" % seen


@test
def other_identity(stage):
    """An LXD that already made an identity for itself gets this host's; the daemon then shows it."""
    host = alone(stage)
    # The stage before that of the snap, so nobody has told LXD who it is.
    held = host.folder / "lxd/containers/precious"
    held.mkdir(parents=True)
    host.boot()
    host.await_stopped()
    host.inside("/opt/bench/bin/lxd-daemon", "start")
    host.inside("/usr/bin/lxd", "waitready", "--timeout=60")
    shutil.rmtree(held.parent)
    again(host)
    host.await_member()
    assert "replacing the identity that LXD made for itself" in host.journal(), host.journal()
