"""The whole life of one cluster: founded, grown, a member lost and back, another lost and replaced, every key replaced, one retired."""
from bench import wait
from scenarios import expect_no_keys, test, trusted
from scenarios_desk import Desk as Curl
from scenarios_keys import Watch, auth, edit, pair_of, seed_pair
from scenarios_life import PHOTOS, clients, hasty, put_records
from scenarios_return import waits_for_return
from scenarios_verbs import Person, formed_with_ssh, grown, with_key


class Life:
    """A cluster and its desk, in the hands of somebody who has nothing but the profiles, the secret and the verbs."""

    def __init__(self, stage):
        self.stage = stage
        self.old_ann, ann = pair_of(stage, "ann")
        self.new_ann, self.renewed = pair_of(stage, "ann-renewed")
        self.ann = ann
        self.b = stage.bench("three", speed=20, edits=[clients(ann=ann), with_key(stage)])
        self.one, self.two, self.three = formed_with_ssh(self.b)
        self.curl, self.desk = Curl(stage, self.b), Person(stage, self.b)
        self.profile, self.hosts = self.desk.site / "cluster.yaml", self.desk.site / "hosts/hosts.yaml"
        self.out, self.number = self.b.out, 0

    def build(self):
        self.number += 1
        self.out = self.stage.folder / ("out-%d" % self.number)
        self.desk.must(0, "build", self.desk.site, "-o", self.out)

    def as_declared(self):
        """The profile is what is there, and each member holds what it was given."""
        wait(60, "all is as declared", lambda: self.desk.call("status", self.desk.site)[0] == 0)
        said = self.desk.must(0, "plan", self.desk.site)
        assert "nothing to do" in said, said

    def expect(self, instances):
        """Every member online with both pools, each instance and volume where it was put, and no key where none belongs."""
        names = [host.name for host in self.b.hosts.values()]
        self.b.expect_formed(names, pools=["data1", "data2"])
        found = dict(line.split(",") for line in self.one.lxc("list", "--format", "csv", "-c", "nL").splitlines())
        assert instances == found, found
        assert self.b.hosts["node5"].inside("cat", PHOTOS).strip() == "wedding-photos"
        assert trusted(self.one) == sorted(names), trusted(self.one)
        for host in self.b.hosts.values():
            expect_no_keys(host)


def grows(life):
    """Two join a cluster of three."""
    path, old, new = grown(5)
    edit(life.desk.site / path, old, new)
    life.build()
    for name in ("node4", "node5"):
        life.desk.must(0, "admit", "three/" + name, life.desk.site)
        life.b.add(name, life.out / "three" / name).boot()
    four, five = life.b.hosts["node4"], life.b.hosts["node5"]
    four.await_sealed()
    five.await_sealed()
    life.one.lxc("init", "--empty", "web3", "--target", "node3", "--storage", "data2")
    life.one.lxc("init", "--empty", "web2", "--target", "node2", "--storage", "data1")
    put_records(life.one, five)
    life.as_declared()
    life.expect({"web1": "node5", "web2": "node2", "web3": "node3"})
    return four, five


def comes_back(life, host):
    """The system disk of a member dies."""
    host.power_cut()
    host.reinstall(life.out / "three" / host.name)
    host.boot()
    waits_for_return(host)
    life.desk.must(0, "return", "three/" + host.name, life.desk.site, seconds=310)
    host.await_sealed()
    life.as_declared()
    life.expect({"web1": "node5", "web2": "node2", "web3": "node3"})


def is_replaced(life, host):
    """All of a member is lost, with a volume."""
    host.lxc("storage", "volume", "create", "data1", "maps", "--target", host.name)
    host.power_cut()
    wait(60, "%s is missed" % host.name, lambda: "offline" in life.desk.states(3))
    life.desk.must(0, "retire", "three/" + host.name, life.desk.site, "--lost", "1")
    edit(life.hosts, "name: %s\n" % host.name, "name: %s\ngeneration: 2\n" % host.name)
    life.build()
    host.reinstall(life.out / "three" / host.name, blank=True)
    life.desk.must(0, "admit", "three/" + host.name, life.desk.site)
    host.boot()
    host.await_sealed()
    life.as_declared()
    life.expect({"web1": "node5", "web2": "node2", "web3": "node3"})


def is_rotated(life):
    """The desk's key, the cluster's pair, a person's certificate, a member's own keys: every member online meanwhile, and the old ones open
    nothing afterwards."""
    edit(life.profile, "bootstrap: node1\n", "bootstrap: node1\ngeneration: 2\ndesk: {generation: 2}\n")
    text = life.profile.read_text()
    for line in life.ann.splitlines():
        text = text.replace("      " + line + "\n", "", 1)
    life.profile.write_text(text.replace("    ann: |\n", "    ann: |\n" + "".join("      %s\n" % line for line in life.renewed.splitlines())))
    old_desk, hosts = life.curl.pair, list(life.b.hosts.values())
    old_two = seed_pair(life.stage, life.b, life.out / "three/node2", "old-node2")
    watch = Watch(hosts)
    for what in ("desk", "cluster", "clients"):
        life.desk.must(0, "rotate", what, life.desk.site)
    watch.stop(5)
    edit(life.hosts, "name: node2\n", "name: node2\ngeneration: 2\n")
    watch = Watch([host for host in hosts if host != life.two])
    life.desk.must(0, "rotate", "host", "three/node2", life.desk.site)
    watch.stop()
    life.build()
    pin = life.out / "three/cluster.crt"
    for host in hosts:
        for pair, worth in ((old_desk, "untrusted"), (old_two, "untrusted"), (life.old_ann, "untrusted"), (life.new_ann, "trusted")):
            assert auth(life.curl, host, pair, pin) == worth, (host.name, pair)
    life.as_declared()


def is_retired(life, host):
    """A member goes, and what is on it with an evacuation."""
    life.desk.must(0, "retire", "three/" + host.name, life.desk.site, "--evacuate", seconds=120)
    host.power_cut()
    kept = [text for text in life.hosts.read_text().split("---\n") if "name: %s\n" % host.name not in text]
    life.hosts.write_text("---\n".join(kept))
    del life.b.hosts[host.name]
    life.as_declared()


@test
def whole_life(stage):
    """3 found, 2 join, 1 dies and returns, 1 is lost and replaced, every key is replaced, 1 is retired; then all are switched off and on."""
    life = Life(stage)
    hasty(life.one)
    life.desk.call("status", life.desk.site)
    four, five = grows(life)
    comes_back(life, five)
    is_replaced(life, four)
    is_rotated(life)
    is_retired(life, life.three)
    home = next(line.split(",")[1] for line in life.one.lxc("list", "--format", "csv", "-c", "nL").splitlines() if line.startswith("web3,"))
    assert home != "node3", home
    life.expect({"web1": "node5", "web2": "node2", "web3": home})
    before = life.one.dump()
    for host in life.b.hosts.values():
        host.power_cut()
    for host in life.b.hosts.values():
        host.boot()
    life.as_declared()
    life.expect({"web1": "node5", "web2": "node2", "web3": home})
    lost = [line for line in before if line not in life.one.dump() and not line.startswith(("INSERT INTO nodes ", "INSERT INTO \"nodes\" "))]
    assert not lost, lost[:5]
