"""A member whose system disk died comes back with its pools of zfs and lvm, in whole machines: `lxseed return`.

The system that died never exported its zpool, and the new one has another hostid: nobody but the first boot imports it. And udev has started the
array of the volume group under a name of its own before anything of ours runs.
"""
import re

from scenarios import LONG, expect_cloud_init_done, expect_no_keys, table, test
from steps import wait

# What is written into each pool.
CONTENT = 300000
# Where md of metadata 1.2 writes by itself when it starts an array: its superblock.
OF_MD = (4096,)


def new_system(machine):
    machine.new_system()
    # As zgenhostid makes it, which the package's installation calls; a number that no other system has had.
    machine.in_its_root("head -c 4 /dev/urandom >etc/hostid")


def dump(machine):
    """The global database, without what each heartbeat and each member that is away change in it."""
    lines = []
    for line in machine.sh("/snap/bin/lxd sql global .dump", errors=False).splitlines():
        if not re.match(r'INSERT INTO "?(warnings|operations|sqlite_sequence)"? ', line):
            lines.append(re.sub(r"'?\d{4}-\d\d-\d\d[T ][0-9:.]+[^,')]*'?", "TIME", line) if re.match(r'INSERT INTO "?nodes"? ', line) else line)
    assert any("CREATE TABLE" in line for line in lines), lines
    return lines


# Where LXD has the volume of a pool, as a device or dataset that can be mounted.
PHOTOS = {"data1": "mount -t zfs data1/custom/default_photos", "data2": "lvchange -ay -K data2/custom_default_photos; mount /dev/data2/custom_default_photos"}


def in_photos(machine, act):
    """Runs a command in the volume of each pool."""
    return "".join(machine.sh("mkdir -p /mnt/{0}; {1} /mnt/{0}; cd /mnt/{0}; {2}; cd /; umount /mnt/{0}".format(pool, mount, act))
                   for pool, mount in PHOTOS.items()).splitlines()


def digests(machine):
    return in_photos(machine, "sha256sum content")


def data_disks(machine):
    return [slot for slot in machine.disks if slot != machine.values["OS_SLOT"][0]]


def blocks(machine):
    return {slot: machine.blocks(slot) for slot in data_disks(machine)}


def written(before, after):
    """slot -> places of the blocks that are others now."""
    changed = {slot: sorted(at for at in old.keys() | after[slot].keys() if old.get(at) != after[slot].get(at)) for slot, old in before.items()}
    return {slot: places for slot, places in changed.items() if places}


def expect_untouched(machine, before):
    """Nothing is written to the data disks, but what md notes when it starts an array. Gives that."""
    changed = written(before, blocks(machine))
    strange = {slot: [at for at in places if at not in OF_MD] for slot, places in changed.items()}
    assert not any(strange.values()), "%s was written to, at %s" % (machine.name, strange)
    return ", ".join("%s at %s" % (slot, " ".join(map(str, places))) for slot, places in changed.items()) or "nothing"


def one_of(fleet):
    """The member that comes back, and one of those that are asked meanwhile."""
    first, *_, last = fleet
    return last, first


@test("returning")
def pools_of_zfs_and_lvm(fleet):
    """3 machines with pools of zfs and lvm, one with them on mirrors, and an instance, and a volume with a file in it, on each pool of that one."""
    for machine in fleet:
        new_system(machine)
        machine.power_on()
    for machine in fleet:
        machine.await_sealed(LONG)
    fleet.expect_formed()
    machine, other = one_of(fleet)
    other.sh("/snap/bin/lxc storage set data2 volume.size 64MiB")
    for pool in machine.values["POOL_NAMES"]:
        machine.sh("/snap/bin/lxc init --empty c-{0} --storage {0} --target {1}\n"
                   "/snap/bin/lxc storage volume create {0} photos size=64MiB --target {1}".format(pool, machine.name), seconds=300)
    in_photos(machine, "head -c %d /dev/urandom >content; sync" % CONTENT)
    fleet.digests = digests(machine)
    assert len(set(fleet.digests)) == 2, fleet.digests
    return "3/3 ONLINE; seconds from power-on to the end of each stage:\n%s" % table(fleet)


@test("returning")
def swapped_pair(fleet):
    """The member's power goes, and with it its system's disk; beside a new system two of its data disks are in each other's slots: refused, and not
    written to."""
    machine, other = one_of(fleet)
    machine.sh("sync")
    fleet.dump = dump(other)
    machine.power_cut()
    new_system(machine)
    machine.swap("d1a", "d2a")
    before = blocks(machine)
    machine.power_on()
    problem = machine.await_stopped(LONG)
    for word in ("of what the cluster returning has on record for ret3, the pool data1 (zfs data1) is not on its disk",
                 "; the pool data2 (lvm data2) is not on its disk)", "untouched"):
        assert word in problem, problem
    machine.shut_down()
    touched = expect_untouched(machine, before)
    machine.swap("d1a", "d2a")
    return "written meanwhile: %s\n    %s" % (touched, problem)


@test("returning")
def comes_back(fleet):
    """The disks are in their slots again: the first boot waits, with nothing written, until `lxseed return`; then it is the member that it was, with
    both pools, the files in them, and every row of the database."""
    machine, other = one_of(fleet)
    label = "returning/" + machine.name
    before = blocks(machine)
    machine.power_on()
    wait(LONG, "%s waits for its return" % machine.name, lambda: machine.alive() or any(
        text.startswith("waiting: ") and text.endswith("lxseed return " + label) for _, _, text in machine.console.said()))
    touched = expect_untouched(machine, before)
    # lvm2 of 18.04 does this at boot, as soon as the array is there.
    machine.sh("vgchange -aay data2")
    code, said = fleet.desk("return", label, seconds=LONG)
    assert code == 0 and "is back" in said, "exit %d: %s" % (code, said)
    machine.await_sealed(LONG)
    fleet.expect_formed()
    expect_cloud_init_done(machine)
    expect_no_keys(machine)
    assert digests(machine) == fleet.digests, "what was in the pools is another"
    for one in (machine, other):
        found = dump(one)
        lost = [line for line in fleet.dump if line not in found and "user.lxseed." not in line]
        assert not lost, (one.name, lost[:5])
    return "written before the desk's word: %s; seconds from power-on:\n%s" % (touched, table([machine]))


@test("returning")
def reboot_after_return(fleet):
    """Its power is cut, and it comes up without a seed: its zpool is this system's own now, its volume group is there, and so are the files."""
    machine, _ = one_of(fleet)
    machine.power_cut()
    machine.power_on(seed=False)
    fleet.expect_formed(seconds=LONG)
    assert digests(machine) == fleet.digests, "what was in the pools is another"
    return machine.sh("zpool status -x; vgs --noheadings -o vg_name,pv_name").strip()
