"""A member whose system disk died comes back as itself with its pools: `lxseed return`."""
import random
import subprocess
import time

from bench import run, wait
from scenarios import all_at_once, expect_no_keys, test
from scenarios_life import PHOTOS, hasty, put_records
from scenarios_verbs import Desk, cut_after

# LXD's way for a volume in a folder beside a subvolume, so that one member has a pool of either kind.
FOLDER = ("cluster.yaml", "data2: {driver: btrfs}", "data2: {driver: dir}")


def swap(host):
    """The contents of two data disks change places, as when the cables do."""
    one, two = (host.loops[slot] for slot in ("d1", "d2"))
    held = host.folder / "held"
    subprocess.run(["dd", "if=" + one, "of=%s" % held, "bs=4M", "conv=sparse"], check=True, capture_output=True)
    for source, into in ((two, one), (held, two)):
        subprocess.run(["dd", "if=%s" % source, "of=%s" % into, "bs=4M", "conv=fsync"], check=True, capture_output=True)
        run("blockdev", "--flushbufs", into)
    held.unlink()


def waits_for_return(host, cluster="three"):
    host.await_said("To bring it back with them: At the desk: lxseed return %s/%s" % (cluster, host.name), 90)


def leads(host):
    """Makes a member the one that leads the database."""
    def leader():
        found = host.api("/1.0/cluster/members/%s" % host.name)["roles"]
        if "database-leader" in found:
            return True
        for other in host.bench.hosts.values():
            if other is not host and "database-leader" in other.api("/1.0/cluster/members/%s" % other.name)["roles"]:
                other.inside("snap", "stop", "lxd")
                time.sleep(1)
                other.inside("snap", "start", "lxd")
        return False

    wait(60, "%s leads" % host.name, leader, pause=3)


def expect_whole(b, host, before, vote=True):
    """The member is what it was: its data, its rows, its vote; and no key lies where none did."""
    host.await_sealed()
    b.expect_formed()
    assert host.inside("cat", PHOTOS).strip() == "wedding-photos"
    assert "web1" in host.lxc("list", "--format", "csv", "-c", "n")
    wait(60, "%s has a vote" % host.name, lambda: not vote or "database" in str(host.api("/1.0/cluster/members/%s" % host.name)["roles"]))
    for one in b.hosts.values():
        said = one.dump()
        lost = [line for line in before if line not in said and "user.lxseed." not in line]
        assert not lost, (one.name, lost[:5])
    expect_no_keys(host)


# Written as LXD's own tool for it does, over the socket: 10,000 rows, one after the other.
WRITES = """
import http.client, json, socket
class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/lib/lxd/unix.socket")
link = Local("lxd")
for number in range(10000):
    query = "INSERT OR REPLACE INTO config (key, value) VALUES ('user.number', '%d')" % number
    link.request("POST", "/internal/sql", json.dumps({"database": "global", "query": query}), {"Content-Type": "application/json"})
    answer = json.loads(link.getresponse().read())
    assert answer["status"] == "Success", answer
"""


@test
def comes_back_after_10000_writes(stage):
    """So much was written meanwhile that the leader has no log from the beginning any more: it sends a snapshot."""
    b = stage.bench("three", speed=20, edits=[FOLDER])
    one, two, three = all_at_once(b)
    desk = Desk(stage, b)
    hasty(two)
    put_records(two, one)
    one.power_cut()
    two.inside("python3", "-c", WRITES)
    before = two.dump()
    assert any("'user.number','9999'" in line for line in before), before[-20:]
    one.reinstall()
    one.boot()
    waits_for_return(one)
    desk.must(0, "return", "three/node1", desk.site, seconds=310)
    expect_whole(b, one, before)
    leads(one)
    expect_whole(b, one, before)


@test
def comes_back_of_two(stage):
    """The lab's size: the joiner, which has no vote, comes back; of the founder, which has the only one, the verb says that nobody answers."""
    b = stage.bench("two", speed=20)
    one, two = all_at_once(b)
    desk = Desk(stage, b)
    hasty(one)
    put_records(one, two)
    before = one.dump()
    two.power_cut()
    two.reinstall()
    two.boot()
    waits_for_return(two, "two")
    desk.must(0, "return", "two/node2", desk.site, seconds=310)
    expect_whole(b, two, before, vote=False)
    digests = one.digests()
    one.power_cut()
    one.reinstall()
    one.boot()
    one.await_said("is a majority of them on? At the desk: lxseed rescue", 90)
    assert "no member of two answers" in desk.must(1, "return", "two/node1", desk.site)
    assert one.digests() == digests


@test
def comes_back(stage):
    """A joiner, then the founder, is installed anew beside its own pools, one of btrfs and one a folder: nothing is touched before the desk
    says so, disks that were swapped are refused, cut at every step of the verb and of the machine it comes back with its data and its
    rows, also as the one that leads the database afterwards."""
    b = stage.bench("three", speed=20, edits=[FOLDER])
    one, two, three = all_at_once(b)
    desk = Desk(stage, b)
    hasty(two)
    desk.must(3 if desk.call("status", desk.site)[0] else 0, "status", desk.site)
    dice = random.Random(stage.dice())
    put_records(two, three)
    before = two.dump()
    assert "is a member, and online" in desk.must(0, "return", "three/node3", desk.site)
    # The joiner: its disks are swapped, and the verb is cut off after each of its steps.
    three.power_cut()
    swap(three)
    digests = three.digests()
    three.reinstall()
    three.boot()
    three.await_stopped()
    assert "of what the cluster three has on record for node3, the pool data1 (btrfs " in three.problem(), three.problem()
    assert "; the pool data2 (dir /srv/lxseed/data2/lxd) is not on its disk)" in three.problem(), three.problem()
    wait(60, "node3 is missed", lambda: "does not wait for this; its first boot is stopped in disks" in
         desk.call("return", "three/node3", desk.site)[1])
    assert three.digests() == digests
    swap(three)
    digests = three.digests()
    three.restart_unit()
    waits_for_return(three)
    assert three.digests() == digests, "something was written before the desk said so"
    for steps in (1, 2):
        assert cut_after(desk, steps, "return", "three/node3", desk.site)
    desk.must(0, "return", "three/node3", desk.site, seconds=310)
    expect_whole(b, three, before)
    # The founder: the power goes while it comes back, again and again.
    two.lxc("delete", "web1")
    two.lxc("storage", "volume", "delete", "data2", "precious", "--target", "node3")
    put_records(two, one)
    before = two.dump()
    one.power_cut()
    one.reinstall()
    one.boot()
    waits_for_return(one)
    assert cut_after(desk, 2, "return", "three/node1", desk.site)
    for _ in range(3):
        one.await_said("coming back as the member", 60)
        time.sleep(dice.uniform(0, 1.5))
        one.power_cut()
        one.boot()
        if one.noted("marks/joined"):
            break
    wait(120, "node1 is back", lambda: desk.call("return", "three/node1", desk.site, seconds=310)[0] == 0, pause=3)
    expect_whole(b, one, before)
    assert "is a member, and online" in desk.must(0, "return", "three/node1", desk.site)
    leads(one)
    expect_whole(b, one, before)
    wait(30, "all is as declared", lambda: desk.call("status", desk.site)[0] == 0)
    assert "nothing to do" in desk.must(0, "plan", desk.site)
