"""A database that has lost its majority, and what `lxseed rescue` says of it, done as it is printed."""
import shutil

from bench import Failed, run, wait
from scenarios import all_at_once, test, trusted
from scenarios_life import PHOTOS, put_records
from scenarios_verbs import Desk


def printed(said):
    """The commands that a person types: on machines, and at the desk."""
    lines = [line.strip() for line in said.splitlines() if line.startswith("     ")]
    return [line[len("sudo "):] for line in lines if line.startswith("sudo ")], [line for line in lines if line.startswith("lxseed ")]


def carried_out(host, command):
    """What is printed for a machine with the snap; who is asked says yes."""
    return host.inside("sh", "-c", command, input="yes\n", timeout=150)


def another_desk(stage, b, desk):
    """Profiles and secret are all that is copied, as docs/life.md says."""
    other = Desk(stage, b)
    folder = stage.folder / "desk2"
    folder.mkdir()
    other.site, other.secret = folder / "profiles", folder / "lxseed.secret"
    shutil.copytree(desk.site, other.site)
    shutil.copy2(desk.secret, other.secret)
    for words in (("secret", "fingerprint"), ("status",), ("plan",)):
        first, second = (one.must(0, *words, one.site).replace(str(one.secret), "") for one in (desk, other))
        assert first == second, (first, second)
    other.must(0, "build", other.site, "-o", folder / "out")
    run("diff", "-r", b.out / "three/node2", folder / "out/three/node2")


def never_came(desk, member, name):
    """A host that is declared, let in, and not seen for longer than `trust_for` is let in no more, until it is admitted again."""
    desk.must(0, "apply", desk.site)
    assert name in trusted(member) and "nothing to do" in desk.must(0, "plan", desk.site)
    key = "user.lxseed.trusted." + name
    day, fingerprint = member.api("/1.0")["config"][key].split()
    member.lxc("config", "set", key, "2020%s %s" % (day[4:], fingerprint))
    assert "[trust-is-over]" in desk.must(1, "verify", desk.site)
    desk.must(0, "apply", desk.site)
    assert name not in trusted(member), trusted(member)
    for verb in ("plan", "apply"):
        assert "%s did not come within 14 days" % name in desk.must(3, verb, desk.site)
    assert name not in trusted(member), trusted(member)
    desk.must(0, "admit", name, desk.site)
    assert name in trusted(member) and "nothing to do" in desk.must(0, "plan", desk.site)


@test
def quorum_lost(stage):
    """Two of three are gone for good, the founder among them: rescue prints what brings the third one's database back, and it does,
    with what is on it; the founder's role is moved, the dead are retired, a new machine joins under the name of one, and the one that never comes is not trusted for ever."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    desk = Desk(stage, b)
    assert "the database answers (asked node1)" in desk.must(0, "rescue", desk.site)
    assert "formed:" in desk.must(0, "status", desk.site)
    another_desk(stage, b, desk)
    put_records(one, three)
    before = three.dump()
    for host in (one, two):
        host.power_cut()
        host.cable(False)
    # Neither before nor after a restart of the one that is left.
    for _ in range(2):
        said = desk.must(3, "rescue", desk.site)
        assert "node3 (ssh ops@10.77.0.13)" in said and "If node1 or node2 can be brought back" in said, said
        three.power_cut()
        three.boot()
        wait(60, "LXD of node3 listens", lambda: ":8443" in three.inside("ss", "-Hltn"))
    on_machines, at_desk = printed(said)
    assert on_machines[0] == "snap stop lxd" and on_machines[1].startswith("cp -a "), on_machines
    assert at_desk == ["lxseed status", "lxseed retire three/node1", "lxseed retire three/node2"], at_desk
    for command in on_machines:
        carried_out(three, command)
    copies = three.inside("sh", "-c", "ls -d /root/lxd-database-*/global").split()
    assert len(copies) == 1, copies
    desk.until("the database of node3 answers", ["offline", "offline", "online"])
    after = three.dump()
    gone = [line for line in before if line not in after]
    # What is kept of the members' roles and heartbeats is all that LXD itself changes.
    if [line for line in gone if '"nodes' not in line]:
        raise Failed("the database of node3 has lost %s" % gone)
    assert three.inside("cat", PHOTOS) == "wedding-photos\n" and "web1" in three.lxc("list", "--format", "csv")
    said = desk.must(3, "rescue", desk.site)
    assert "nothing is to be rescued" in said and "`lxseed retire three/node1 --lost N`" in said, said

    # docs/life.md, "Move the founder's role" and "Replace a host whose machine is gone".
    assert "bootstrap host" in desk.must(1, "retire", "three/node1", desk.site)
    profile = desk.site / "cluster.yaml"
    profile.write_text(profile.read_text().replace("bootstrap: node1", "bootstrap: node3"))
    for name in ("node1", "node2"):
        assert "--lost 0" in desk.must(1, "retire", "three/" + name, desk.site)
        desk.must(0, "retire", "three/" + name, desk.site, "--lost", "0")
        hosts = desk.site / "hosts/hosts.yaml"
        hosts.write_text(hosts.read_text().replace("name: %s\n" % name, "name: %s\ngeneration: 2\n" % name))
    assert trusted(three) == ["node3"], trusted(three)
    out = stage.folder / "again"
    desk.must(0, "build", desk.site, "-o", out)
    one.reinstall(out / "three/node1", blank=True)
    one.cable(True)
    one.boot()
    one.await_said("lxseed admit three/node1", 90)
    desk.must(0, "admit", "three/node1", desk.site)
    one.await_sealed()
    # The bootstrap host stands first.
    desk.until("node1 is a member", ["online", "online", "off"])
    assert one.receipt()["role"] == "joiner", one.receipt()
    never_came(desk, three, "node2")
