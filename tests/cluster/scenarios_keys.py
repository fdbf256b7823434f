"""Keys of a living cluster are replaced from the desk: the old ones open nothing afterwards, and every member is there all the while."""
import json
import subprocess
import threading
import time

from bench import run, wait
from scenarios import ALONE, all_at_once, test
from scenarios_desk import Desk as Curl, derived_key
from scenarios_life import certificate, clients
from scenarios_verbs import Desk, Person, cut_after, findings, formed_with_ssh, grown, with_key


# A round of heartbeats that is under way when LXD takes another pair of the cluster's has the earlier one to its end (5.0.2: "Failed
# heartbeat … x509"). With the one before it spread over ten seconds, too, LXD may miss a member until the next round comes to it.
ONE_ROUND = 15


class Watch:
    """Asks every member all the time who is online, until it is stopped: each answers always, and misses nobody longer than a round."""

    def __init__(self, hosts):
        self.hosts, self.seen, self.silent, self.asked, self.ends = hosts, {}, [], 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ends.wait(0.3):
            for host in self.hosts:
                code, said = host.try_inside("lxc", "query", "/1.0/cluster/members?recursion=1")
                away = []
                if code == 0:
                    away = [m["server_name"] for m in json.loads(said[said.index("["):]) if m["status"] != "Online"]
                else:
                    self.silent.append((host.name, said))
                self.asked += 1
                for name in away:
                    self.seen.setdefault(name, []).append(time.monotonic())

    def stop(self, seconds=0):
        """After so many seconds more: LXD misses a member after 20."""
        time.sleep(seconds)
        self.ends.set()
        self.thread.join()
        assert not self.silent and self.asked > len(self.hosts), self.silent
        for name, times in self.seen.items():
            assert times[-1] - times[0] < ONE_ROUND, "%s was missed for %.0f s" % (name, times[-1] - times[0])


def auth(curl, host, pair, pin):
    """What a client's pair is to a member: trusted or untrusted."""
    curl.pair = pair
    return curl.ask(host, pin=pin)["auth"]


def pair_of(stage, name):
    certificate(stage.folder, name)
    pair = stage.folder / (name + ".pem")
    pair.write_text((stage.folder / (name + ".key")).read_text() + (stage.folder / (name + ".crt")).read_text())
    return pair, (stage.folder / (name + ".crt")).read_text()


# What a member passes on to another one.
AS_A_PEER = """
import http.client, socket, sys
link = http.client.HTTPConnection("lxd")
link.sock = socket.socket(socket.AF_UNIX)
link.sock.connect("/var/snap/lxd/common/lxd/unix.socket")
link.request("PUT", "/1.0/cluster/certificate", sys.stdin.read(), {"User-Agent": "lxd-cluster-notifier"})
print(link.getresponse().read().decode())
"""


def edit(path, old, new):
    text = path.read_text()
    assert old in text, (path, old, text)
    path.write_text(text.replace(old, new))


def cut_once(desk, *words):
    assert cut_after(desk, 1, *words), "%s: nothing done: %s" % (words, desk.call(*words))


def cut_after_each(desk, *words):
    """Cut off after its first step until there is none left; how often that was. The knife may come a step late."""
    steps = 0
    while cut_after(desk, 1, *words):
        steps += 1
        assert steps < 10, "it does not end"
    return steps


def seed_pair(stage, b, seed, name):
    """A member's own pair, as a seed brings it."""
    pair = stage.folder / (name + ".pem")
    pair.write_bytes(b"".join(b.planted(seed, "/etc/lxseed/tls/server." + kind) for kind in ("key", "crt")))
    return pair


@test
def keys_rotated(stage):
    """desk, cluster and clients of a living three, cut off after each step: every member online all the while, the old keys refused by
    every member, also after a trust list of the day before and a reboot; then a new host joins with its new seed."""
    old_ann, ann = pair_of(stage, "ann")
    new_ann, renewed = pair_of(stage, "ann-renewed")
    edit_key = with_key(stage)
    b = stage.bench("three", speed=20, edits=[clients(ann=ann), edit_key])
    hosts = one, two, three = formed_with_ssh(b)
    curl, desk = Curl(stage, b), Person(stage, b)
    old_desk, old_pin = curl.pair, b.out / "three/cluster.crt"
    desk.must(0, "status", desk.site)
    one.lxc("init", "--empty", "web1", "--storage", "data1", "--target", "node2")
    one.lxc("storage", "volume", "create", "data2", "photos", "--target", "node3")
    profile = desk.site / "cluster.yaml"
    edit(profile, "bootstrap: node1\n", "bootstrap: node1\ngeneration: 1\ndesk: {generation: 1}\n")
    assert "of generation 1 alone" in desk.must(0, "rotate", "desk", desk.site)
    assert "of generation 1, as declared" in desk.must(0, "rotate", "cluster", desk.site)
    watch = Watch(hosts)

    # The desk's key.
    edit(profile, "desk: {generation: 1}", "desk: {generation: 2}")
    found = findings(desk, 1)
    assert [f["code"] for f in found] == ["L003"] and "lxseed rotate desk" in json.dumps(found), found
    steps = cut_after_each(desk, "rotate", "desk", desk.site)
    assert "of generation 2 alone" in desk.must(0, "rotate", "desk", desk.site)
    assert 2 <= steps <= 4, steps
    # LXD tells the other members once its database has forgotten a certificate; what was cut off may be at that still.
    wait(10, "nobody takes the old key", lambda: [auth(curl, host, old_desk, old_pin) for host in hosts] == ["untrusted"] * 3)
    desk.must(0, "status", desk.site)

    # The cluster's pair. One member has it already, as if LXD had been cut off while it passed it on.
    out = stage.build("three", [clients(ann=ann), edit_key, ("cluster.yaml", "bootstrap: node1\n", "bootstrap: node1\ngeneration: 2\n")], into="next")
    body = {"cluster_certificate": (out / "three/cluster.crt").read_text(),
            "cluster_certificate_key": b.planted(out / "three/node1", "/etc/lxseed/tls/cluster.key").decode()}
    edit(profile, "generation: 1\n", "generation: 2\n")
    found = findings(desk, 1)
    assert "L032" in [f["code"] for f in found], found
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    said = three.inside("python3", "-c", AS_A_PEER, input=json.dumps(body))
    assert '"status_code":200' in said, said
    said = desk.call("status", desk.site)[1]
    assert "node1, node2 show the generation before the declared one" in said, said
    cut_once(desk, "rotate", "cluster", desk.site)
    assert "every member shows the new pair" in desk.must(0, "rotate", "cluster", desk.site)
    assert "of generation 2, as declared" in desk.must(0, "rotate", "cluster", desk.site)
    desk.must(0, "status", desk.site)
    # In LXD's own way.
    edit(profile, "generation: 2\nd", "generation: 3\nd")
    cut_once(desk, "rotate", "cluster", desk.site)
    assert "of generation 3, as declared" in desk.must(0, "rotate", "cluster", desk.site)
    desk.must(0, "status", desk.site)
    edit(profile, "generation: 3\nd", "generation: 1\nd")
    assert desk.must(4, "status", desk.site).count("shows the certificate") == 3
    edit(profile, "generation: 1\nd", "generation: 3\nd")

    # A person's.
    text = profile.read_text()
    for line in ann.splitlines():
        text = text.replace("      " + line + "\n", "", 1)
    profile.write_text(text.replace("    ann: |\n", "    ann: |\n" + "".join("      %s\n" % line for line in renewed.splitlines())))
    out = stage.folder / "rotated"
    desk.must(0, "build", desk.site, "-o", out)
    pin = out / "three/cluster.crt"
    steps = cut_after_each(desk, "rotate", "clients", desk.site)
    assert 2 <= steps <= 4, steps
    assert "and no other" in desk.must(0, "rotate", "clients", desk.site)

    def refused():
        for host in hosts:
            assert auth(curl, host, old_desk, pin) == "untrusted", host.name
            assert auth(curl, host, old_ann, pin) == "untrusted", host.name
            assert auth(curl, host, new_ann, pin) == "trusted", host.name
    refused()
    watch.stop(22)
    # Not while one is away, also when LXD has not missed it yet. A heartbeat that is missed besides is why nobody watches here.
    edit(profile, "generation: 3\nd", "generation: 4\nd")
    three.cable(False)
    said = desk.refused("rotate", "cluster", desk.site)
    assert "node3 does not answer the desk" in said and "Nothing was changed" in said, said
    three.cable(True)
    desk.until("node3 is there", ["online"] * 3)
    edit(profile, "generation: 4\nd", "generation: 3\nd")
    # A trust list of the day before on the bootstrap host, and a reboot.
    yesterday = stage.build("three", [clients(ann=ann), edit_key, ("disks/model.yaml", "name: model\n", "name: model\nslots: {os: {min_size: 1MB}}\n")],
                            into="yesterday")
    one.plant(yesterday / "three/node1")
    for host in (one, two):
        host.power_cut()
        host.boot()
    one.await_sealed()
    for name in ("ann", "lxseed-desk"):
        assert "%s was retired at the desk" % name in one.journal(), one.journal()[-2000:]
    b.expect_formed()
    refused()
    one.plant(out / "three/node1")
    one.power_cut()
    one.boot()
    one.await_sealed()
    b.expect_formed()
    refused()
    assert "web1" in one.lxc("list", "--format", "csv")
    assert "photos" in one.lxc("storage", "volume", "list", "data2", "--format", "csv")
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    # Somebody new.
    path, old, new = grown(4)
    edit(desk.site / path, old, new)
    desk.must(0, "build", desk.site, "-o", out)
    desk.must(0, "admit", "three/node4", desk.site)
    four = b.add("node4", out / "three/node4")
    four.setting("sshd", "yes")
    four.boot()
    four.await_sealed()
    b.expect_formed()
    wait(30, "all is as declared", lambda: desk.call("status", desk.site)[0] == 0)
    leaks(stage, b, desk, curl, out)


def leaks(stage, b, desk, curl, out):
    """The site secret has leaked: the steps change nothing; with the old one beside the new one the desk's key, the cluster's pair, and
    what each member has of its own are of the new one."""
    hosts = list(b.hosts.values())
    number = (desk.site / "cluster.yaml").read_text().split("desk: {generation: ")[1][0]
    curl.pair.write_text(derived_key(bytes.fromhex(desk.secret.read_text().splitlines()[-1].split()[2]), "three", int(number)) +
                         (out / "three/desk.crt").read_text())
    leaked = curl.pair
    assert auth(curl, hosts[0], leaked, out / "three/cluster.crt") == "trusted"
    before = hosts[0].dump()
    said = desk.must(0, "rotate", "all", desk.site)
    assert "lxseed rotate all %s --old-secret-file %s.leaked" % (desk.site, desk.secret) in said, said
    assert hosts[0].dump() == before, "steps that are told change something"
    old = stage.folder / "secret.leaked"
    desk.secret.rename(old)
    desk.must(0, "secret", "new")
    watch = Watch(hosts)
    assert desk.must(4, "status", desk.site).count("shows the certificate") == 4
    words = ("rotate", "all", desk.site, "--old-secret-file", old)
    owns = {host.name: seed_pair(stage, b, out / "three" / host.name, "leaked-" + host.name) for host in hosts}
    # The desk's key and the cluster's pair, with every member there.
    for _ in range(3):
        cut_once(desk, *words)
    watch.stop()
    said = desk.must(0, *words, seconds=300)
    assert said.count("every member takes its new key, and none an earlier one") >= 3, said
    said = desk.must(0, *words)
    assert said.count("alone") >= 5 and "done:" not in said, said
    new = stage.folder / "new"
    desk.must(0, "build", desk.site, "-o", new)
    assert [auth(curl, host, leaked, new / "three/cluster.crt") for host in hosts] == ["untrusted"] * 4
    for name, pair in owns.items():
        assert [auth(curl, host, pair, new / "three/cluster.crt") for host in hosts] == ["untrusted"] * 4, name
    assert desk.states(0) == ["online"] * 4
    assert desk.must(4, "status", desk.site, secret=old).count("shows the certificate") == 4


@test
def old_stick_after_rotation(stage):
    """A founder that may found alone is installed anew from the stick of the first day, after the cluster's pair was rotated: it cannot know whose
    certificate the others show, and founds nothing."""
    b = stage.bench("two", speed=20, edits=[ALONE])
    one, two = all_at_once(b)
    desk = Desk(stage, b)
    # Two votes, so that the other one goes on: what it shows is all that there is to see.
    edit(desk.site / "cluster.yaml", "bootstrap: ", "generation: 2\nbootstrap: ")
    desk.must(0, "rotate", "cluster", desk.site)
    before = two.database()
    one.power_cut()
    one.reinstall(blank=True)
    one.boot()
    one.await_said("under a certificate", 90)
    time.sleep(5)
    assert not one.noted("founded") and "founding the cluster" not in one.journal(), one.journal()[-600:]
    assert two.lxd_runs() and before, "node2 went down"


def power_cut_when(host, moment, desk, *words):
    """The verb runs, and the host loses its power at that moment of its machine; then it comes back."""
    verb = desk.begin(*words)
    lxd, until = host.folder / "lxd", time.monotonic() + 60
    while not moment(lxd):
        assert verb.poll() is None and time.monotonic() < until, "the moment did not come: %s" % verb.communicate()[0]
        time.sleep(0.002)
    host.power_cut()
    said = verb.communicate(timeout=90)[0]
    assert verb.returncode == 1 and "over ssh" in said, said
    host.boot()
    wait(30, "sshd of %s" % host.name, lambda: ":22 " in host.inside("ss", "-Hltn"))


@test
def host_key_rotated(stage):
    """A joiner and the founder of a living three get other keys of their own over ssh, cut off after each step and with power cuts inside
    of them: the others answer all the while, the old pairs open nothing on any member, also after scripts, reboots and old sticks."""
    b = stage.bench("three", speed=20, edits=[with_key(stage)])
    hosts = one, two, three = formed_with_ssh(b)
    curl, desk = Curl(stage, b), Person(stage, b)
    desk.must(0, "status", desk.site)
    one.lxc("init", "--empty", "web1", "--storage", "data1", "--target", "node2")
    pin = b.out / "three/cluster.crt"
    old = {host.name: seed_pair(stage, b, host.seed, "old-" + host.name) for host in hosts}
    assert [auth(curl, host, old["node2"], pin) for host in hosts] == ["trusted"] * 3
    profile = desk.site / "hosts/hosts.yaml"
    assert "of generation 1 alone" in desk.must(0, "rotate", "host", "three/node2", desk.site)
    edit(profile, "name: node2\n", "name: node2\ngeneration: 2\n")
    out = stage.folder / "rotated"
    desk.must(0, "build", desk.site, "-o", out)

    def unrotated(name):
        rotate = "lxseed rotate host three/%s" % name

        def found():
            told = desk.call("verify", desk.site, "--format", "json", errors=subprocess.DEVNULL)[1]
            return [f["code"] for f in json.loads(told)["findings"] if f["code"] != "L031"] == ["L034"] and rotate in told
        # A machine that was just switched on is not there at once.
        wait(60, "verify tells of %s" % name, found)
        assert rotate in desk.must(3, "status", desk.site)
        assert rotate in desk.must(3, "plan", desk.site)

    # Who cannot log in, or become root, learns it before anything is changed.
    unrotated("node2")
    before = one.dump()
    config = desk.config.read_text()
    desk.config.write_text("")
    said = desk.must(1, "rotate", "host", "three/node2", desk.site)
    assert "node2 does not let you in as ops" in said, said
    desk.config.write_text(config)
    two.inside("touch", "/etc/bench/sudo-asks")
    assert "cannot become root on node2" in desk.must(1, "rotate", "host", "three/node2", desk.site)
    two.inside("rm", "/etc/bench/sudo-asks")
    assert one.dump() == before, "what is refused changes something"

    # A joiner, killed after each step.
    watch = Watch([one, three])
    words = ("rotate", "host", "three/node2", desk.site)
    assert cut_after(desk, 1, *words)
    unrotated("node2")
    assert [auth(curl, host, old["node2"], pin) for host in hosts] == ["trusted"] * 3
    power_cut_when(two, lambda lxd: (lxd / "server.crt.lxseed").exists(), desk, *words)
    desk.until("node2 is back", ["online"] * 3)
    unrotated("node2")
    steps = cut_after_each(desk, *words)
    assert 4 <= steps <= 7, (steps, desk.last)
    said = desk.must(0, *words)
    assert "of generation 2 alone" in said, said
    watch.stop()
    new = {"node2": seed_pair(stage, b, out / "three/node2", "new-node2")}

    def refused():
        for host in hosts:
            for name, pair in new.items():
                assert auth(curl, host, old[name], pin) == "untrusted", (host.name, name)
                assert auth(curl, host, pair, pin) == "trusted", (host.name, name)

    refused()
    desk.must(0, "status", desk.site)
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    assert not findings(desk, 0)

    # The founder, which was given its new stick before: sshd follows that, LXD does not.
    edit(profile, "name: node1\n", "name: node1\ngeneration: 2\n")
    desk.must(0, "build", desk.site, "-o", out)
    new["node1"] = seed_pair(stage, b, out / "three/node1", "new-node1")
    one.plant(out / "three/node1")
    one.power_cut()
    one.boot()
    one.await_sealed()
    assert "the seed has another key for node1" in one.journal(), one.journal()[-600:]
    desk.until("node1 is back", ["online"] * 3)
    unrotated("node1")
    certificate_of = b.planted(out / "three/node1", "/etc/lxseed/tls/server.crt")
    watch = Watch([two, three])
    words = ("rotate", "host", "three/node1", desk.site)
    power_cut_when(one, lambda lxd: (lxd / "server.crt").read_bytes() == certificate_of, desk, *words)
    desk.until("node1 is back", ["online"] * 3)
    unrotated("node1")
    steps = cut_after_each(desk, *words)
    assert 3 <= steps <= 6, (steps, desk.last)
    assert "of generation 2 alone" in desk.must(0, *words)
    watch.stop()
    refused()

    # Scripts, old sticks, and reboots of all at once.
    for host in hosts:
        host.firstboot()
    one.firstboot("cluster")
    for host in hosts:
        host.plant(b.out / "three" / host.name)
        host.power_cut()
    for host in hosts:
        host.boot()
    b.expect_formed()
    for host in hosts:
        host.await_sealed()
    assert "node2 was retired at the desk" in one.journal(), one.journal()[-2000:]
    one.firstboot("cluster")
    refused()
    # The stick of the first day has brought the founder's SSH host key of that day along.
    said = desk.must(0, *words)
    assert "1. give sshd on node1" in said and "2. " not in said, said
    refused()
    desk.must(0, "build", desk.site, "-o", out)
    for host in (one, two):
        known = run("ip", "netns", "exec", b.wire, "ssh", "-F", desk.config, "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=%s" % (out / "three/known_hosts"),
                    "-o", "StrictHostKeyChecking=yes", "ops@" + host.values["ADDRESS"][0], "hostname")
        assert known == host.name + "\n", known
    assert "web1" in one.lxc("list", "--format", "csv")
    desk.until("all are there", ["online"] * 3)
    desk.must(0, "status", desk.site)
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    assert not findings(desk, 0)
    # Not where a member would be left behind, also when LXD has not missed it yet.
    edit(profile, "name: node3\n", "name: node3\ngeneration: 2\n")
    two.cable(False)
    said = desk.refused("rotate", "host", "three/node3", desk.site)
    assert "node2 does not answer the desk" in said and "Nothing was changed" in said, said
