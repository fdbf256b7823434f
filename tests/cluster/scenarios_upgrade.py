"""Another LXD on every member of a living cluster, over ssh: real LXD daemons, a real sshd, and a snap that is none."""
import json
import re
import signal

from bench import wait
from scenarios import test
from scenarios_life import expect_all, expect_same, put_records
from scenarios_verbs import Person, let_in, with_key

WISH = ("upgrade", "--channel", "5.0/candidate")


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
    b = stage.bench("three", speed=20, edits=[with_key(stage)])
    desk = Person(stage, b)
    one, two, three = let_in(b)
    for host in (one, two, three):
        host.boot()
    for host in (one, two, three):
        host.await_sealed()
    b.expect_formed()
    put_records(one, two)
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
    evacuated(b, desk, one, two)


def evacuated(b, desk, one, two):
    """Cut off while one member is evacuated; the second run brings its instances back, and leaves alone whom a person has evacuated."""
    def members():
        return {member["server_name"]: member["status"] for member in one.api("/1.0/cluster/members?recursion=1")}

    def notes():
        return [key for key in one.api("/1.0")["config"] if "evacuated" in key]

    wish = ("upgrade", "--channel", "5.0/edge", desk.site)
    begun = desk.begin(*wish, "--evacuate")
    first, = wait(120, "one is refreshed", lambda: [host for host in b.hosts.values() if snap(host)[0] == 26950])
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    said = desk.must(0, *wish)
    expect_all(said, "  done: bring the instances of %s back to it" % first.name, "every member has revision 26950 of 5.0/edge, and answers")
    assert set(members().values()) == {"Online"} and notes() == [], (members(), notes())
    assert one.api("/1.0/instances/web1")["location"] == two.name, one.api("/1.0/instances/web1")
    expect_all(desk.must(0, *wish), "every member has revision 26950 of 5.0/edge: nothing to do")
