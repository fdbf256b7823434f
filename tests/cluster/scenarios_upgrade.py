"""Another LXD on every member of a living cluster, over ssh: real LXD daemons, a real sshd, and a snap that is none."""
import json
import pathlib
import re
import signal

import snaps
from bench import wait
from scenarios import test
from scenarios_life import expect_all, expect_same, put_records
from scenarios_verbs import Person, formed_with_ssh, with_key

WISH = ("upgrade", "--channel", "5.0/candidate")


def formed(stage):
    """A cluster of three with something in it, whose hosts let the desk in."""
    b = stage.bench("three", speed=20, edits=[with_key(stage)])
    hosts = formed_with_ssh(b)
    put_records(hosts[0], hosts[1])
    return b, Person(stage, b), hosts


def given(host, name):
    """The files of carried snaps that it was given, in order."""
    calls = [call.split() for call in host.text("/var/log/snap-calls").splitlines()]
    return [pathlib.Path(call[1]).name for call in calls if call[0] in ("ack", "install") and call[1].endswith(name)]


def back_with(b, host, key):
    """It is switched on with this SSH host key, and all is as it was."""
    for end, text in key.items():
        (host.upper / ("etc/ssh/ssh_host_ed25519_key" + end)).write_text(text)
    host.boot()
    b.expect_formed()
    wait(60, "sshd of " + host.name, lambda: host.inside("pgrep", "-x", "sshd", check=False).strip())


def snap(host):
    """What its snapd has of LXD."""
    found = json.loads(host.text("/var/lib/bench-snap.json"))["snaps"]["lxd"]
    return found.get("revision", 26881), found["channel"], found["notes"]


def refreshes(b):
    return [call for host in b.hosts.values() for call in host.text("/var/log/snap-calls").splitlines() if "--revision" in call]


def extensions(host):
    """Of each member, the number that its LXD has left in the database."""
    said = host.inside("/usr/bin/lxd", "sql", "global", "SELECT name, api_extensions FROM nodes")
    return {name: int(count) for name, count in re.findall(r"^\| (\w+) +\| (\d+) +\|$", said, re.M)}


def lasting(host):
    return [line for line in host.dump() if not re.match(r'INSERT INTO "?nodes"? ', line)]


@test
def upgraded(stage):
    """Three members get another LXD, one after the other, cut off after the first and stopped at the second; all of them before, where one
    is off, has another SSH host key, does not let one in, or would go back. Instances and pools are the same, and so are the holds."""
    b, desk, (one, two, three) = formed(stage)
    records, before = lasting(one), extensions(one)
    # What it refuses, it refuses before anything is touched.
    expect_all(desk.must(2, "upgrade", "--channel", "6/stable", desk.site), "asks for kernel 6.8")
    expect_all(desk.must(1, "upgrade", "--channel", "4.0/stable", desk.site), "LXD's database does not go back")
    expect_all(desk.must(0, "upgrade", "--channel", "5.0/stable", desk.site), "every member has revision 26881 of 5.0/stable: nothing to do")
    two.inside("touch", "/etc/bench/sudo-asks")
    expect_all(desk.must(1, *WISH, desk.site), "ops cannot become root on node2 without a password (sudo: a password is required)")
    two.inside("rm", "/etc/bench/sudo-asks")
    own = desk.config.read_text()
    desk.config.write_text("Host *\n  IdentityFile /dev/null\n  IdentitiesOnly yes\n")
    expect_all(desk.must(1, *WISH, desk.site), "node1 does not let you in as ops (", "Permission denied (publickey")
    desk.config.write_text(own)
    three.shut_down()
    derived = {end: three.text("/etc/ssh/ssh_host_ed25519_key" + end) for end in ("", ".pub")}
    expect_all(desk.must(1, *WISH, desk.site), "node3 is not reached over ssh (10.77.0.13: ssh: connect to host 10.77.0.13 port 22: ")
    back_with(b, three, {end: (stage.folder / ("id" + end)).read_text() for end in ("", ".pub")})
    expect_all(desk.must(1, *WISH, desk.site), "what answers at 10.77.0.13 has not the SSH host key that node3 has of this site secret")
    three.shut_down()
    back_with(b, three, derived)
    assert refreshes(b) == [], refreshes(b)
    # Cut off as soon as the first has it.
    begun = desk.begin(*WISH, desk.site)
    first, = wait(120, "one is refreshed", lambda: [host for host in (one, two, three) if snap(host)[0] == 26900])
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    others = [host for host in (one, two, three) if host != first]
    assert [snap(host) for host in others] == [(26881, "5.0/stable", "held")] * 2, [snap(host) for host in others]
    wait(60, first.name + " waits", lambda: "NOT DONE: LXD waits for the other members to run its version" in first.status(), pause=1)
    # Stopped where snapd says no.
    for host in others:
        host.setting("refresh-says", 'error: cannot refresh "lxd": snap "lxd" has running apps (lxc)')
    said = desk.must(1, *WISH, desk.site)
    expect_all(said, ' says: error: cannot refresh "lxd": snap "lxd" has running apps (lxc)',
               "it goes on from there: lxseed upgrade --channel 5.0/candidate %s --only three" % desk.site)
    assert snap(first) == (26900, "5.0/candidate", "held") and [snap(host)[0] for host in others] == [26881] * 2, said
    for host in others:
        host.inside("rm", "/etc/bench/refresh-says")
    said = desk.must(0, *WISH, desk.site)
    assert first.name not in said, said
    expect_all(said, "three: every member has revision 26900 of 5.0/candidate, and answers",
               "now write `lxd: {channel: 5.0/candidate}` in its cluster.yaml")
    assert [snap(host) for host in (one, two, three)] == [(26900, "5.0/candidate", "held")] * 3, said
    b.expect_formed()
    assert extensions(one) == {name: count + 1 for name, count in before.items()}, (before, extensions(one))
    expect_same(records, lasting(one), "the database")
    made = refreshes(b)
    assert made == ["refresh lxd --revision=26900"] * len(made) and len(made) == 4, made
    expect_all(desk.must(0, *WISH, desk.site), "every member has revision 26900 of 5.0/candidate: nothing to do")
    assert refreshes(b) == made, refreshes(b)


@test
def upgraded_evacuated(stage):
    """Cut off while one member is evacuated and has another LXD: the second run, which evacuates nobody, brings its instances back."""
    b, desk, (one, two, three) = formed(stage)
    def members():
        return {member["server_name"]: member["status"] for member in one.api("/1.0/cluster/members?recursion=1")}

    def notes():
        return [key for key in one.api("/1.0")["config"] if "evacuated" in key]

    wish = ("upgrade", "--channel", "5.0/edge", desk.site)
    begun = desk.begin(*wish, "--evacuate")
    first, = wait(120, "one is refreshed", lambda: [host for host in (one, two, three) if snap(host)[0] == 26950])
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    said = desk.must(0, *wish)
    expect_all(said, "  done: bring the instances of %s back to it" % first.name, "every member has revision 26950 of 5.0/edge, and answers")
    assert set(members().values()) == {"Online"} and notes() == [], (members(), notes())
    assert one.api("/1.0/instances/web1")["location"] == two.name, one.api("/1.0/instances/web1")
    expect_all(desk.must(0, *wish), "every member has revision 26950 of 5.0/edge: nothing to do")


@test
def upgraded_from_files(stage):
    """Where the profile carries the snaps, they come from the desk, each with what it stands on, and nothing of them is left behind."""
    b, desk, (one, two, three) = formed(stage)
    for host in (one, two, three):
        host.inside("sh", "-c", "echo 1000 >/etc/bench/store-fails")
    made = desk.site / "snaps"
    snaps.make(made, "snapd", 20092, "2.60.3")
    snaps.make(made, "core22", 1122, "20231123")
    snaps.make(made, "lxd", 26900, "5.0.3-80aeff7", "core22", "gzip")
    text = (desk.site / "cluster.yaml").read_text()
    (desk.site / "cluster.yaml").write_text(text.replace("lxd: {channel: 5.0/stable", "lxd: {offline: {snaps: snaps}, channel: 5.0/stable"))
    expect_all(desk.must(1, *WISH, desk.site), "put those of 5.0/candidate into that folder")
    said = desk.must(0, "upgrade", "--channel", "5.0/stable", desk.site)
    expect_all(said, "install lxd_26900.snap on node1, from the desk", "every member has revision 26900 of 5.0/stable, and answers")
    for host in (one, two, three):
        assert snap(host)[0] == 26900 and given(host, ".snap") == ["snapd_20092.snap", "core22_1122.snap", "lxd_26900.snap"], given(host, ".snap")
        assert given(host, ".assert") == ["snapd_20092.assert", "core22_1122.assert", "lxd_26900.assert"], given(host, ".assert")
        assert host.inside("ls", "/var/lib/lxseed/snaps").split() == [], host.inside("ls", "/var/lib/lxseed/snaps")
    b.expect_formed()
    expect_all(desk.must(0, "upgrade", "--channel", "5.0/stable", desk.site), "nothing to do")
