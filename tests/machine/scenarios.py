"""What must be seen of whole machines. The tests of one fleet run one after the other on the same machines, as listed."""
import base64
import io
import json
import os
import re
import tarfile
import time

import machines
from steps import Failed, run, wait

# fleet -> {test: function}, in the order they run
TESTS = {"mirrors": {}, "volumes": {}, "wiped": {}, "returning": {}}
STAGES = ("preflight", "purge", "snapd", "lxd", "disks", "cluster", "verify", "seal")
# Seconds from power-on to sealed, at most: emulated machines that share two cores take five minutes for it.
LONG = 900 * float(os.environ.get("LXSEED_BENCH_PATIENCE", "1"))

# LXD makes a volume of 10 GiB, of whose ext4 three fill a thin pool on the bench's small disks.
VOLUME = "64MiB"


def test(fleet):
    def register(function):
        TESTS[fleet][function.__name__.replace("_", "-")] = function
        return function
    return register


def expect_cloud_init_done(machine):
    # To ask cloud-init costs an emulated machine ten seconds; the last file that it writes costs nothing to look at.
    wait(120, "cloud-init of %s ends" % machine.name,
         lambda: machine.sh("[ ! -e /run/cloud-init/result.json ] || echo ended"), machines.ASKING)
    wait(60, "cloud-init of %s is done" % machine.name,
         lambda: "status: done" in machine.sh("cloud-init status", check=False, errors=False), machines.ASKING)
    result = machine.json("cat /run/cloud-init/result.json")["v1"]
    assert result["errors"] == [], "%s: %s" % (machine.name, result)
    return result["datasource"]


def arrays(machine):
    """name -> identity, of the arrays that run; each by the link that udev made for its own name."""
    said = machine.sh("""
for name in /dev/md/*; do
    [ ! -b "$name" ] || mdadm --detail --export "$name" | sed "s|^|$name |"
done
""")
    found = {}
    for line in said.splitlines():
        path, _, fact = line.partition(" ")
        key, _, value = fact.partition("=")
        found.setdefault(path, {})[key] = value
    return {path: (facts["MD_NAME"], facts["MD_UUID"]) for path, facts in found.items()}


def expect_arrays(machine, clean=True):
    """Each mirror of the profile runs under our name, and under no other."""
    mirrors = [name for name, kind in zip(machine.values["VOLUME_NAMES"], machine.values["VOLUME_KINDS"]) if kind == "mirror"]
    found = arrays(machine)
    assert sorted(found) == ["/dev/md/" + name for name in mirrors], "%s: %s" % (machine.name, found)
    for name in mirrors:
        assert found["/dev/md/" + name][0] == "%s:%s" % (machine.name, name), "%s: %s" % (machine.name, found)
        if clean:
            wait(60, "the array %s of %s is clean" % (name, machine.name), lambda name=name: re.search(
                r"^ +State : (clean|active) *$", machine.sh("mdadm --detail /dev/md/%s" % name), re.M))
    return found


def life(machine):
    """All that must outlive a reboot: instance, network, host keys, arrays, the receipt, what cloud-init did."""
    facts = machine.sh("""
hostname
cat /var/lib/cloud/data/instance-id
ls /var/lib/cloud/instances
cat /etc/netplan/*.yaml
ip -4 -br addr show scope global | awk '{ print $1, $3 }' | grep '^e'
cat /etc/ssh/ssh_host_*.pub
cat /etc/mdadm/mdadm.conf /etc/fstab /etc/passwd
cat /var/lib/lxseed/receipt.json
cat /var/lib/lxseed/volumes/*
""")
    return facts + json.dumps(arrays(machine), sort_keys=True)


def lives(fleet):
    return dict(zip((machine.name for machine in fleet), fleet.each(life)))


def expect_no_keys(machine):
    found = machine.sh(r"""
find /etc/lxseed/tls -name '*.key'
grep -rlE -e '-----BEGIN [A-Z ]*PRIVATE KEY' /var/lib/cloud /run/cloud-init /etc/lxseed /var/log || true
""").split()
    assert found == [], "%s: private keys are left in %s" % (machine.name, " ".join(found))


def expect_own_seed(machine):
    """The machine is who its seed says, on whatever medium that lies, and its keys lie nowhere else."""
    assert machine.sh("hostname").strip() == machine.name
    instance = re.search(r'^"instance-id": "(.*)"$', (machine.seed / "meta-data").read_text(), re.M)[1]
    assert machine.sh("cat /var/lib/cloud/data/instance-id").strip() == instance, machine.name
    medium = machine.json("cat /var/lib/lxseed/receipt.json")["sealed"]["medium_with_keys"]
    assert machine.sh("lsblk -no FSTYPE " + medium).strip() == ("vfat" if machine.on_fat() else "iso9660"), medium


def table(fleet):
    """Seconds from power-on to the end of each stage, per machine."""
    rows = ["    %-8s" % "" + "".join("%10s" % stage for stage in STAGES)]
    for machine in fleet:
        ended = machine.stages()
        rows.append("    %-8s" % machine.name + "".join(
            "%10s" % ("%.0f" % ended[stage] if stage in ended else "-") for stage in STAGES))
    return "\n".join(rows)


def boot_again(fleet, before, machines, seed):
    """Switched on once more, with the seed's medium in where `seed` says so: nothing is run again, and everything is as it was."""
    began = time.monotonic()
    for machine in machines:
        machine.power_on(seed=seed(machine))
    fleet.expect_formed(seconds=LONG)
    spent = time.monotonic() - began

    def same(machine):
        expect_cloud_init_done(machine)
        after = life(machine)
        for old, new in zip(before[machine.name].splitlines(), after.splitlines()):
            assert old == new, "%s: was '%s', is '%s'" % (machine.name, old, new)
        assert len(before[machine.name]) == len(after), "%s: %s" % (machine.name, after)
        # The unit is started at each boot, and ends at once where nothing is left to do.
        wait(60, "the unit of %s" % machine.name, lambda: all(
            word in machine.sh("systemctl show -p SubState -p Result lxseed-firstboot") for word in ("SubState=exited", "Result=success")))
        assert not machine.console.said(), "%s runs its first boot again: %s" % (machine.name, machine.console.said())
        expect_no_keys(machine)

    fleet.each(same, machines)
    return "%d/%d ONLINE %.0f s after power-on" % (len(list(fleet)), len(list(fleet)), spent)


# ---- md mirrors ------------------------------------------------------------------------------------------------------


@test("mirrors")
def power_on(fleet):
    """3 machines switched on together, one with its seed on FAT: cloud-init done without errors, arrays clean, 3/3 ONLINE, both pools,
    receipts."""
    for machine in fleet:
        machine.power_on()
    for machine in fleet:
        machine.await_sealed(LONG)
    fleet.expect_formed()

    def look(machine):
        source = expect_cloud_init_done(machine)
        assert "NoCloud" in source, source
        expect_arrays(machine)
        expect_no_keys(machine)
        expect_own_seed(machine)
        assert machine.sh("readlink /etc/localtime; cat /etc/timezone /etc/systemd/timesyncd.conf.d/lxseed.conf").splitlines() == [
            "/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin", "[Time]", "NTP=10.77.0.1"]
        receipt = machine.json("cat /var/lib/lxseed/receipt.json")
        assert [p["name"] for p in receipt["pools"]] == ["data1", "data2"], receipt["pools"]
        assert receipt["host"] == machine.name and receipt["sealed"]["medium_with_keys"], receipt
        assert "clean" in machine.sh("lxseed-firstboot status"), machine.sh("lxseed-firstboot status")
        return "    %s: %s, lxd %s, %s" % (machine.name, receipt["role"], receipt["versions"]["lxd"], ", ".join(
            "%s %s on %s (%s)" % (p["name"], p["driver"], v["device"], " ".join(v["disks"]))
            for p, v in zip(receipt["pools"], receipt["volumes"])))

    receipts = fleet.each(look)
    first = next(iter(fleet))
    assert first.json("cat /var/lib/lxseed/receipt.json")["missing"] == []
    return "3/3 ONLINE; seconds from power-on to the end of each stage:\n%s\n%s" % (table(fleet), "\n".join(receipts))


def empty_image():
    """An image that holds one file, for LXD to unpack, as base64."""
    meta = b"architecture: x86_64\ncreation_date: 1700000000\nproperties: {description: empty}\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as image:
        for name, data in (("metadata.yaml", meta), ("rootfs/etc/hostname", b"empty\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            image.addfile(entry, io.BytesIO(data))
    return base64.b64encode(packed.getvalue()).decode()


@test("mirrors")
def instances(fleet):
    """An instance on data1 and a custom volume on data2 are made on each member, from a local image, and removed again."""
    return use_pools(fleet)


def use_pools(fleet):
    first = next(iter(fleet))
    first.sh("base64 -d >/tmp/empty.tar.gz <<<%s; /snap/bin/lxc image import /tmp/empty.tar.gz --alias empty" % empty_image())
    fleet.each(lambda machine: machine.sh(
        "/snap/bin/lxc init empty c-{0} --storage data1 --target {0}\n"
        "/snap/bin/lxc storage volume create data2 v-{0} size={1} --target {0}".format(machine.name, VOLUME), seconds=300))
    where = {i["name"]: i["location"] for i in first.api("/1.0/instances?recursion=1")}
    volumes = {v["name"]: v["location"] for v in first.api("/1.0/storage-pools/data2/volumes/custom?recursion=1")}
    for machine in fleet:
        assert where.get("c-" + machine.name) == machine.name, where
        assert volumes.get("v-" + machine.name) == machine.name, volumes
    return "%d instances on data1, %d volumes on data2" % (len(where), len(volumes))


# What a person or LXD makes on a card, one after the other. The bridge takes the card as its port, and with it its address; the
# macvlan is one of those that share the address of what they sit on.
ON_THE_CARD = r"""
made=/run/systemd/network/10-netplan-lan.network
ours=/etc/systemd/network/10-netplan-lan.network.d/lxseed.conf
card=$(ip -o -4 addr show to "$ADDRESS" | awk '{ print $2 }')
restore() {
    for new in over twin named "$card.100"; do ip link del "$new" 2>/dev/null || true; done
    [ ! -e "$ours.away" ] || mv "$ours.away" "$ours"
    netplan generate 2>/dev/null
    systemctl restart systemd-networkd
}
trap restore EXIT
build() {
    ip link add link "$card" name "$card.100" up type vlan id 100
    ip link add link "$card" name named up type vlan id 200
    ip link add link named name twin up type macvlan mode passthru
    # Debian's udev makes up an address for a bridge that has none of its own; with 18.04's it takes its port's.
    ip link add over address "$(cat "/sys/class/net/$card/address")" type bridge
    ip link set "$card" master over
    ip link set over up
    for new in "$card.100" named twin over; do
        cmp -s "/sys/class/net/$card/address" "/sys/class/net/$new/address" || echo "$new: another hardware address"
        for _ in $(seq 100); do
            case $(networkctl --no-legend --no-pager list "$new") in *configured* | *unmanaged*) break ;; esac
            sleep 0.2
        done
    done
    sleep 1
    echo "$1: $(ip -o -4 addr show | awk -v it="$ADDRESS/" 'index($4, it) == 1 { print $2 }' | sort | xargs)" \
        "by $(ip -4 route show default | wc -l)"
    for new in over twin named "$card.100"; do ip link del "$new"; done
}
echo "card: $card"
[ "$(systemctl show -P ExecMainStartTimestampMonotonic systemd-networkd)" -gt \
    "$(systemctl show -P ExecMainStartTimestampMonotonic cloud-init)" ] || echo "networkd has not been started anew"
# Debian's netplan looks for the address that is burnt into the card; 18.04's has networkd look for the one it has.
sed -i 's/^PermanentMACAddress=/MACAddress=/' "$made"
systemctl restart systemd-networkd
build now
mv "$ours" "$ours.away"
sed -i '/^Driver=/d' "$made"
systemctl restart systemd-networkd
build 'by the hardware address alone'
"""


@test("mirrors")
def card(fleet):
    """VLANs, a macvlan and a bridge on a member's card, with what 18.04's netplan makes: one address and one default route."""
    # One that has booted once: at a second boot the file is there, and networkd is left alone.
    machine = list(fleet)[0]
    said = machine.sh("ADDRESS=%s\n%s" % (machine.address, ON_THE_CARD), seconds=240).splitlines()
    name = said[0].removeprefix("card: ")
    others = sorted([name, name + ".100", "named", "over", "twin"])
    assert said[1:] == ["now: %s by 1" % name, "by the hardware address alone: %s by 5" % " ".join(others)], said
    left = machine.sh("ip -o -4 addr show to %s | awk '{ print $2 }'; ip -4 route show default | wc -l" % machine.address).split()
    assert left == [name, "1"], left
    fleet.expect_formed()
    return "%s alone; by its hardware address alone it would be %s" % (name, ", ".join(others))


@test("mirrors")
def pulled_disk(fleet):
    """A data disk is pulled out of a running member: its mirror runs on degraded, status says so, the member stays ONLINE."""
    machine = list(fleet)[-1]
    serial = "WD-3-2B"
    machine.pull("d2b")
    wait(60, "the array has lost a disk", lambda: "degraded" in machine.sh("mdadm --detail /dev/md/data2"))
    status = machine.sh("lxseed-firstboot status")
    line = next((l for l in status.splitlines() if l.split()[:1] == ["data2"]), status)
    assert "DEGRADED" in line and serial in line, line
    fleet.expect_formed()
    machine.sh("/snap/bin/lxc storage volume create data2 later size=%s --target %s" % (VOLUME, machine.name))
    return line.strip()


@test("mirrors")
def reboot(fleet):
    """All off and on again, one by a cut of the power, one with its mirror degraded, and two with their seeds taken out: the same
    arrays, instances, volumes, keys and network; nothing run again."""
    before = lives(fleet)
    cut, *others = fleet
    cut.power_cut()
    fleet.each(lambda machine: machine.shut_down(), others)
    # The last one has its seed in, and cloud-init makes its copies of it once more.
    said = boot_again(fleet, before, fleet, seed=lambda machine: machine is others[-1])
    fleet.each(lambda machine: machine.sh(
        "/snap/bin/lxc storage volume create data2 again-{0} size={1} --target {0}".format(machine.name, VOLUME), seconds=300))
    names = {i["name"]: i["location"] for i in cut.api("/1.0/instances?recursion=1")}
    assert all(names.get("c-" + machine.name) == machine.name for machine in fleet), names
    status = others[-1].sh("lxseed-firstboot status")
    assert "DEGRADED" in status, status
    return said


# ---- hardware volumes ------------------------------------------------------------------------------------------------


# Random power cuts per machine: most on the one that has the least to do. `tests/run long` has ten in all (LXSEED_BENCH_CUTS=3,2,5).
CUTS = [int(number) for number in os.environ.get("LXSEED_BENCH_CUTS", "1,1,2").split(",")]


class Cut:
    """A moment of a boot: some seconds after power-on, or after the first boot's script begins its stages."""

    def __init__(self, dice):
        self.staged, self.after = dice.choice((False, True)), dice.uniform(1, 90)

    def due(self, machine):
        said = machine.console.said()
        if self.staged and not said:
            return False
        began = machine.console.powered + (said[0][0] if self.staged else 0)
        return time.monotonic() - began >= self.after or machine.sealed()

    @staticmethod
    def act(machine):
        """Gives where it was."""
        said, on = machine.console.said(), time.monotonic() - machine.console.powered
        machine.power_cut()
        machine.power_on()
        return "%.0f s %s" % (on, said[-1][1] if said else "boot")


class Emptied:
    """The power is cut when cloud-init has just planted everything, and none of it was on the disk yet."""

    @staticmethod
    def due(machine):
        return machine.console.said()

    @staticmethod
    def act(machine):
        machine.power_cut()
        names = machine.empty_new_files()
        must = ("/etc/netplan/50-cloud-init.yaml", "/etc/hostname", "/usr/local/sbin/lxseed-firstboot",
                "/etc/lxseed/tls/server.key")
        assert all(name in names for name in must), names
        machine.power_on()
        return "with %d files emptied" % len(names)


class Restart:
    """What follows from it: the machine restarts itself, for cloud-init to write the network's file."""

    @staticmethod
    def due(machine):
        return machine.restarts()

    @staticmethod
    def act(machine):
        machine.ended()
        machine.power_on()
        return "restarted itself"


@test("volumes")
def foreign_disk(fleet):
    """A foreign data disk, a seed on FAT, power cuts at random moments and at the worst one: one stops and says why, the other two
    form."""
    *good, bad = fleet
    run("mke2fs", "-q", "-t", "ext4", "-L", "holiday", "-d", fleet.folder / "site", bad.image("d1"))
    before = bad.digest("d1")
    plan = {machine.name: [Cut(fleet.dice) for _ in range(count)] for machine, count in zip(fleet, CUTS)}
    plan[good[1].name][:0] = [Emptied, Restart]
    places = {machine.name: [] for machine in fleet}
    for machine in fleet:
        machine.power_on()
    end = time.monotonic() + 2 * LONG
    while any(plan.values()):
        if time.monotonic() > end:
            raise Failed("power cuts that never came due: %s" % {name: len(cuts) for name, cuts in plan.items()})
        for machine in fleet:
            if plan[machine.name] and plan[machine.name][0].due(machine):
                places[machine.name].append(plan[machine.name].pop(0).act(machine))
            elif plan[machine.name][:1] != [Restart]:
                machine.alive()
        time.sleep(0.1)
    problem = bad.await_stopped(LONG)
    assert "slot d1" in problem and "holiday" in problem and "untouched" in problem, problem
    # The bootstrap host goes on waiting for the third machine; that the two are members is seen on each.
    fleet.expect_formed([machine.name for machine in good], seconds=LONG)
    assert bad.digest("d1") == before, "the foreign disk was written to"
    assert bad.problem(), bad.console.tail(5)
    return "seed %d; the power was cut: %s\n    %s" % (
        fleet.seed, "; ".join("%s %s" % (name, ", ".join(at)) for name, at in places.items()), problem)


@test("volumes")
def swapped_disk(fleet):
    """The foreign disk is swapped for a blank one and its machine rebooted: it joins, and all three are done."""
    bad = list(fleet)[-1]
    bad.shut_down()
    bad.blank("d1")
    bad.power_on()
    for machine in fleet:
        wait(LONG, "%s sealed" % machine.name, lambda machine=machine: machine.alive() or machine.sealed())
    fleet.expect_formed()

    def look(machine):
        expect_cloud_init_done(machine)
        expect_arrays(machine)
        expect_no_keys(machine)
        expect_own_seed(machine)

    fleet.each(look)
    return use_pools(fleet)


# ---- disks that held something before --------------------------------------------------------------------------------


# trials.py has them all in one boot, but for those that cut it off.
TRIAL = re.compile(r"TRIAL (\S+) \((\d+) s\) (.*)")


# A kind of content each; `tests/run long` does all that are in trials.py (LXSEED_BENCH_TRIALS=all, or names).
TRIALS = ["lvm-on-a-foreign-array-of-partitions", "own-mirror-on-a-new-system"]


def trials(machine, names, seconds):
    """Boots into these trials, and waits for the machine to be off again. Gives name -> (seconds, verdict)."""
    machine.power_on(seed=False, arguments=" quiet init=/opt/trials/init trials=" + names, drives=",discard=unmap,detect-zeroes=unmap")
    wait(seconds, "the trials are done", lambda: machine.process.poll() is not None, 1)
    machine.ended()
    found = (TRIAL.search(line) for _, line in machine.console.boot())
    return {match[1]: (int(match[2]), match[3].strip()) for match in found if match}


def expect_well(verdicts, names):
    bad = ["%s: %s" % (name, verdicts.get(name, (0, "not run"))[1]) for name in names
           if verdicts.get(name, (0, ""))[1] != "ok"]
    assert not bad, "\n    ".join(bad)


@test("wiped")
def old_content(fleet):
    """What lay on disks before, in every layer: refused with its bytes unchanged, or emptied to the last layer, each as it should be."""
    machine = next(iter(fleet))
    here = machines.HERE
    machine.plant(here / "trials.py", here / "zfs-label.gz", machine.seed / "lxseed-firstboot")
    names = os.environ.get("LXSEED_BENCH_TRIALS", "").split() or TRIALS
    if names == ["all"]:
        names = re.findall(r"^@trial\(.*\)\ndef (\w+)|^    \"(\w+)\": \(lambda", (here / "trials.py").read_text(), re.M)
        names = [(one or "old-" + other).replace("_", "-") for one, other in names]
    verdicts = trials(machine, ",".join(names), 3 * LONG)
    expect_well(verdicts, names)
    return "%d: %s" % (len(names), ", ".join("%s %d s" % (name, verdicts[name][0]) for name in names))
