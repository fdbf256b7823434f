"""What must be seen of a cluster's life after it has formed: machines installed anew, second machines, seeds that meet a
machine which is sealed already. Nothing that was ever in use may be erased, forgotten, evicted or founded anew.
"""
import concurrent.futures
import hashlib
import json
import pathlib
import re
import ssl
import struct
import subprocess
import time

from bench import Failed, run, wait
from scenarios import ALONE, HERE, RECEIPT, all_at_once, expect_no_keys, snapshot, test, trusted

NODE4 = ("---\nname: node4\ndisks: model\nnetwork: {mac: \"52:54:00:77:00:04\", address: 10.77.0.14}\nslots:\n"
         "  os: {serial: OS-4}\n  d1: {serial: WD-4-1}\n  d2: {wwn: \"0x50014ee000000004\"}\n")
NO_DESK = ("cluster.yaml", "bootstrap: node1\n", "bootstrap: node1\ndesk: none\n")
PHOTOS = "/var/lib/lxd/storage-pools/data2/custom/default_precious/photos"


def hosts_of(site):
    return (HERE / "sites" / site / "hosts/hosts.yaml").read_text()


def with_node4(site="three"):
    return ("hosts/hosts.yaml", hosts_of(site), hosts_of(site) + NODE4)


def without(name, site="three"):
    kept = [text for text in hosts_of(site).split("---\n") if "name: %s\n" % name not in text]
    return ("hosts/hosts.yaml", hosts_of(site), "---\n".join(kept))


def members(host):
    return {m["server_name"]: m["status"] for m in host.api("/1.0/cluster/members?recursion=1")}


def await_offline(asked, name):
    """The cluster calls a member offline when it has not heard of it for a while."""
    def offline():
        try:
            return members(asked)[name] == "Offline"
        except Failed:
            return False
    wait(60, "%s sees %s offline" % (asked.name, name), offline)


def hasty(asked):
    """The cluster calls a silent member offline as soon as LXD allows; nothing else is changed by it."""
    asked.lxc("config", "set", "cluster.offline_threshold", "11")


def listens(host):
    return ":8443" in host.inside("ss", "-Hltn")


def put_records(asked, owner):
    """An instance and a volume with something in it, on one member."""
    asked.lxc("init", "--empty", "web1", "--target", owner.name, "--storage", "data1")
    asked.lxc("storage", "volume", "create", "data2", "precious", "--target", owner.name)
    owner.inside("sh", "-c", "echo wedding-photos >%s; sync" % PHOTOS)


def expect_all(said, *words):
    for word in words:
        assert word in said, "'%s' is not in: %s" % (word, said)


def expect_same(before, after, what):
    if before != after:
        old, new = [line for line in before if line not in after], [line for line in after if line not in before]
        raise Failed("%s changed: gone are %s; new are %s" % (what, old[:6], new[:6]))


def on_record(name, host="node3", said="", desk=True):
    expect_all(said, "%s is on record in the cluster %s" % (host, name), "offline", "1 instance (web1)", "1 volume (data2/precious)")
    if desk:
        assert said.endswith("To give that up: At the desk: lxseed retire %s/%s" % (name, host)), said
    else:
        expect_all(said, "lxc cluster remove --force %s" % host, "lxseed-firstboot trust %s" % host)


def founding(host):
    """The number that this host's disk says of the founding of its cluster."""
    words = host.text("/var/lib/lxseed/formed").strip().split("\t")
    assert len(words) == 4 and words[0] == host.name, words
    assert re.fullmatch("[0-9a-f]{16}", words[3]), words
    return words[3]


def expect_one_founding(hosts):
    """The same number on each member's disk and in the cluster's configuration."""
    numbers = {host.name: founding(host) for host in hosts}
    assert len(set(numbers.values())) == 1, numbers
    known = [line for line in hosts[0].dump() if "user.lxseed.founding" in line]
    assert len(known) == 1 and numbers[hosts[0].name] in known[0], known
    return numbers[hosts[0].name]


def let_in(member, host):
    """What the messages say: the file of `build` copied to a member, and there the command."""
    member.inside("sh", "-c", "cat >/root/server.crt", input=(host.seed / "server.crt").read_text())
    code, said = member.firstboot("trust", host.name, "/root/server.crt")
    assert code == 0, said


def remove_by_hand(member, name):
    member.inside("sh", "-c", "echo yes | lxc cluster remove --force %s" % name)


@test
def founder_installed_anew(stage):
    """The bootstrap host comes back from its old stick with blank disks, while the others live and while all are off: it
    founds nothing, says what is on record of it, and is a member again after the operator's word."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    first = expect_one_founding([one, two, three])
    hasty(two)
    put_records(two, one)
    before = two.dump()

    one.power_cut()
    one.reinstall(blank=True)
    blank = one.digests()
    await_offline(two, "node1")
    one.boot()
    said = one.await_stopped()
    on_record("three", "node1", said)
    expect_all(one.journal(), "the cluster three stands already (node2 shows its certificate); node1 founds no other")
    one.restart_unit()
    assert one.await_stopped() == said, one.problem()
    expect_same(before, two.dump(), "the database")
    assert one.digests() == blank, "a disk of node1 was written to"
    assert "NOT DONE" in one.status() or "STOPPED" in one.status(), one.status()

    # All off, and it is the first to come back, on another new system.
    for host in b.hosts.values():
        host.power_cut()
    rest = {host.name: host.database() for host in (two, three)}
    one.reinstall()
    one.boot()
    one.await_said("waiting: to found the cluster three a majority of its 3 hosts has to answer as never clustered")
    time.sleep(3)
    expect_all(one.journal(), "node2 does not answer at 10.77.0.12:8443", "node3 does not answer at 10.77.0.13:8443")
    assert "founding the cluster" not in one.journal() and one.api("/1.0/cluster")["enabled"] is False
    assert rest == {host.name: host.database() for host in (two, three)}
    two.boot()
    three.boot()
    on_record("three", "node1", one.await_stopped(120))
    b.expect_formed(["node2", "node3"], offline=["node1"])
    expect_same(before, two.dump(), "the database")
    assert one.digests() == blank, "a disk of node1 was written to"

    # node1 was the only one with a folder of trust, so the file is carried to where the message says.
    remove_by_hand(two, "node1")
    let_in(two, one)
    one.restart_unit()
    one.await_sealed()
    b.expect_formed()
    assert expect_one_founding([two, one, three]) == first
    expect_no_keys(one)
    assert trusted(two) == ["node1", "node2", "node3"], trusted(two)


def fingerprint(path):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


def from_desk(stage, b, site, verb, *words):
    """What the program says at a desk on the wire of the hosts, which has the profiles and the secret."""
    run("ip", "-n", b.wire, "addr", "replace", "10.77.0.200/24", "dev", "wire")
    done = subprocess.run(["ip", "netns", "exec", b.wire, stage.program, verb, *words, stage.folder / site, "--secret-file",
                           stage.folder / "secret"], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@test
def formed_founder_installed_anew(stage):
    """The bootstrap host comes back with blank disks from a seed of the formed cluster: it waits for the others and never
    founds, and joins after the operator's word. A spare that was declared meanwhile joins without one, founder off."""
    def profile(lines):
        return ("cluster.yaml", "bootstrap: node1\n", "bootstrap: node1\nspares: [node4]\n" + lines)
    b = stage.bench("three", edits=[profile("")], speed=20)
    one, two, three = all_at_once(b)
    assert trusted(two) == ["node1", "node2", "node3", "node4"], trusted(two)
    number = expect_one_founding([one, two, three])
    profile_now = stage.folder / "site-out/cluster.yaml"
    before = profile_now.read_text()
    said = from_desk(stage, b, "site-out", "status")
    assert 'note: wrote `formed: "%s"`' % number in said, said
    assert profile_now.read_text() == before.replace("spares: [node4]\n", 'spares: [node4]\nformed: "%s"\n' % number), profile_now.read_text()
    written = profile_now.read_text()
    assert "wrote" not in from_desk(stage, b, "site-out", "status") and profile_now.read_text() == written
    hasty(two)
    put_records(two, one)
    grown = stage.build("three", [profile('formed: "%s"\n' % number), with_node4()], into="grown") / "three"
    for path in ("/etc/lxseed/tls/cluster.key", "/etc/lxseed/trust/servers/node2.crt"):
        assert b.planted(b.out / "three/node1", path) and not b.planted(grown / "node1", path), path

    # All are off, and it is the first to come back.
    for host in (one, two, three):
        host.power_cut()
    one.reinstall(grown / "node1", blank=True)
    blank = one.digests()
    one.boot()
    one.await_said("waiting: the cluster three is formed, so node1 founds none, and none of the 3 other hosts shows its certificate")
    two.boot()
    three.boot()
    on_record("three", "node1", one.await_stopped(120))
    assert "founding the cluster" not in one.journal() and one.digests() == blank, one.journal()

    four = b.add("node4", grown / "node4")
    four.boot()
    four.await_sealed()
    b.expect_formed(["node2", "node3", "node4"], offline=["node1"])

    remove_by_hand(two, "node1")
    let_in(two, one)
    one.restart_unit()
    one.await_sealed()
    b.expect_formed()
    assert expect_one_founding([two, three, four, one]) == number
    assert json.loads(one.text(RECEIPT))["role"] == "joiner"
    expect_no_keys(one)
    assert trusted(two) == ["node1", "node2", "node3", "node4"], trusted(two)

    # Whoever is retired stands in the profile, and in nobody's trust.
    four.power_cut()
    await_offline(two, "node4")
    said = from_desk(stage, b, "site-grown", "retire", "three/node4", "--lost", "0")
    gone = fingerprint(grown / "node4/server.crt")
    assert 'note: wrote `retired: {node4: ["%s"]}`' % gone in said, said
    assert '\nretired:\n  node4: ["%s"]\n' % gone in (stage.folder / "site-grown/cluster.yaml").read_text()
    assert trusted(two) == ["node1", "node2", "node3"], trusted(two)
    assert "error[C012]: the host `node4` is retired" in from_desk(stage, b, "site-grown", "status")


@test
def founder_of_two_installed_anew(stage):
    """Two members, and the one with the only vote is installed anew with blank disks: the survivor keeps its database, also
    over a reboot, and no second cluster is founded, not even by a seed that may found alone."""
    founder_of_two(stage, may_found_alone=True)


@test
def founder_of_two_with_its_old_stick(stage):
    """The same with a seed that may found only with others, which has more to wait for."""
    founder_of_two(stage, may_found_alone=False)


def founder_of_two(stage, may_found_alone):
    b = stage.bench("two", speed=20)
    one, two = all_at_once(b)
    put_records(one, two)
    seed = stage.build("two", edits=[ALONE], into="lone") / "two/node1" if may_found_alone else None
    two.shut_down()
    one.power_cut()
    before, disks = two.database(), two.digests()
    one.reinstall(seed, blank=True)
    blank = one.digests()
    two.boot()
    # A lone founder asks once, and whom it asks has to be there by then.
    wait(60, "node2 shows the cluster's certificate", lambda: listens(two), pause=0.5)
    one.boot()
    one.await_said("the cluster two stands (node2 shows its certificate), but", 90)
    time.sleep(3)
    assert "founding the cluster" not in one.journal() and one.api("/1.0/cluster")["enabled"] is False
    assert one.state() == "running", one.state()
    assert one.digests() == blank, "a disk of node1 was written to"
    # The survivor is switched off and on in the presence of the new node1.
    two.power_cut()
    # A lone founder would have leave now, if it had not seen that the cluster stands.
    one.await_said("the cluster two stood when node1 asked (node2 showed its certificate)", 90)
    assert "founding the cluster" not in one.journal(), "node1 founded a second cluster"
    two.boot()
    time.sleep(5)
    status = two.status()
    assert status.startswith("NOT DONE: ") and "majority" in status, status
    two.power_cut()
    one.power_cut()
    # A member that waits for its leader writes nothing; its disks were not even mounted.
    after = two.database()
    changed = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    assert not [name for name in changed if name.startswith("global")], changed
    assert two.digests() == disks, "a disk of node2 was written to"


@test
def majority_installed_anew(stage):
    """Two of three are installed anew with blank disks: as long as the third lives nobody founds, nor when it is switched off;
    told that it is gone for good they do, and when it comes back its LXD is not started, both foundings are named, and its
    database is as it was."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    first = expect_one_founding([one, two, three])
    put_records(one, three)
    for host in (one, two):
        host.power_cut()
        host.reinstall(blank=True)
        host.boot()
    one.await_said("the cluster three stands already (node3 shows its certificate); node1 founds no other", 90)
    one.await_said("the cluster three stands (node3 shows its certificate), but", 90)
    status = three.status()
    assert status.startswith("NOT DONE: ") and "majority" in status, status
    three.power_cut()
    before, disks = three.database(), three.digests()
    one.await_said("if it is gone for good, say so on node1: rm /var/lib/lxseed/marks/stands", 90)
    assert "founding the cluster" not in one.journal(), "node1 founded a second cluster"
    one.inside("rm", "/var/lib/lxseed/marks/stands")
    one.await_member()
    two.await_member()
    second = expect_one_founding([one, two])
    assert first != second, "two foundings have the number %s" % first
    # cloud-init writes scripts in place: of this one there is a half while LXD starts.
    script = three.upper / "usr/local/sbin/lxseed-firstboot"
    whole = script.read_bytes()
    script.write_bytes(whole[:len(whole) // 2])
    three.boot()
    wait(60, "node3 says why with half a script", lambda: three.problem() and "lxseed-firstboot: line" in three.journal())
    assert not three.lxd_runs(), "LXD of node3 runs"
    three.power_cut()
    assert three.database() == before, "the database of node3 was written to"
    script.write_bytes(whole)
    three.boot()
    wait(60, "node3 says why", lambda: three.problem())
    expect_all(three.problem(), "this member belongs to the founding %s of the cluster three" % first, second,
               "LXD is not started here")
    time.sleep(15)
    assert not three.lxd_runs(), "LXD of node3 runs"
    assert three.status().startswith("STOPPED at"), three.status()
    assert three.database() == before, "the database of node3 was written to"
    assert three.digests() == disks, "a disk of node3 was written to"
    # Nor when those that say so come later, as after a power failure.
    said = three.journal().count("LXD is not started here")
    for host in b.hosts.values():
        host.power_cut()
    three.boot()
    wait(60, "node3 says why once more", lambda: three.journal().count("LXD is not started here") > said)
    one.boot()
    two.boot()
    time.sleep(5)
    assert not three.lxd_runs(), "LXD of node3 runs"
    assert three.database() == before, "the database of node3 was written to"
    # The new cluster never heard of it.
    wait(30, "two members", lambda: members(one) == {"node1": "Online", "node2": "Online"})
    assert "web1" not in "\n".join(one.dump())
    return "%s and %s" % (first, second)


@test
def bootstrap_moved(stage):
    """`bootstrap:` moved to node2 before the first day, and node1 boots from its old stick: one cluster, of three."""
    moved = stage.build("three", [("cluster.yaml", "bootstrap: node1", "bootstrap: node2")], into="moved")
    old = stage.build("three", into="old")
    b = stage.bench("three", out=moved, speed=20)
    two, three, one = b.add("node2"), b.add("node3"), b.add("node1", old / "three/node1")
    for host in (two, three):
        host.boot()
    for host in (two, three):
        host.await_member()
    first = expect_one_founding([two, three])
    one.boot()
    for host in b.hosts.values():
        host.await_sealed()
    expect_all(one.journal(), "the cluster three stands already (node2 shows its certificate); node1 founds no other")
    b.expect_formed()
    assert expect_one_founding([one, two, three]) == first
    expect_no_keys(one)


@test
def two_founders_at_once(stage):
    """`bootstrap:` moved to node2, and node1 is switched on with its old stick in the same second: one cluster, of three."""
    moved = stage.build("three", [("cluster.yaml", "bootstrap: node1", "bootstrap: node2")], into="moved")
    old = stage.build("three", into="old")
    b = stage.bench("three", out=moved, speed=20)
    two, three, one = b.add("node2"), b.add("node3"), b.add("node1", old / "three/node1")
    # Of three hosts these two are a majority as soon as both listen.
    for host in (two, one, three):
        host.boot()
    for host in b.hosts.values():
        host.await_sealed(250)
    b.expect_formed()
    expect_one_founding([one, two, three])
    founded = [host.name for host in (one, two) if "founding the cluster three" in host.journal()]
    yielded = [host.name for host in (one, two) if "has founded the cluster three in the same seconds" in host.journal()]
    assert len(founded) - len(set(yielded)) <= 1, "founded: %s, taken back: %s" % (founded, yielded)
    return "founded: %s; taken back: %s" % (" ".join(founded), " ".join(yielded) or "none")


@test
def second_machine(stage):
    """A clone of a living member, a replacement with records, twice: nobody is evicted, and the replacement is a member after
    the operator's word. A host that the cluster does not know is let in through another member while the founder is off. There
    is no desk, so all of it is done on members."""
    b = stage.bench("three", speed=20, edits=[NO_DESK])
    one, two, three = all_at_once(b)
    hasty(one)
    put_records(one, three)
    before = one.dump()

    # Its cable is out, and it lives.
    three.cable(False)
    spare = b.add("node3", machine="spare")
    blank = spare.digests()
    await_offline(one, "node3")
    spare.boot()
    on_record("three", said=spare.await_stopped(), desk=False)
    expect_same(before, one.dump(), "the database")
    spare.cable(False)
    three.cable(True)
    b.expect_formed(["node1", "node2", "node3"])
    assert three.inside("cat", PHOTOS) == "wedding-photos\n"
    # Both on the wire: first so that each is heard, then with one address for two, of which nobody knows who is heard.
    spare.speak_from("10.77.0.99")
    spare.cable(True)
    spare.restart_unit()
    expect_all(spare.await_stopped(), "the cluster three has a living member node3 at 10.77.0.13:8443",
               "a second machine with the seed of node3?")
    spare.speak_from_own("10.77.0.99")
    spare.restart_unit()
    said = spare.await_stopped()
    assert "living member node3" in said or "node3 is on record" in said, said
    spare.cable(False)
    b.expect_formed(["node1", "node2", "node3"])
    expect_same(before, one.dump(), "the database")

    # It dies, and the spare one stands in its place; then another system on the spare one.
    three.power_cut()
    await_offline(one, "node3")
    spare.cable(True)
    for again in (False, True):
        if again:
            spare.power_cut()
            spare.reinstall(blank=True)
            spare.boot()
        else:
            spare.restart_unit()
        on_record("three", said=spare.await_stopped(), desk=False)
        expect_same(before, one.dump(), "the database")
        assert spare.digests() == blank, "a disk of the second machine was written to"
    assert trusted(one) == ["node1", "node2", "node3"], trusted(one)
    code, said = one.firstboot("trust", "node3")
    assert code == 78 and "lxc cluster remove --force node3" in said, said
    expect_same(before, one.dump(), "the database")
    remove_by_hand(one, "node3")
    for _ in range(2):
        code, said = one.firstboot("trust", "node3")
        assert code == 0, said
    b.remove(three)
    b.hosts["node3"] = b.hosts.pop("spare")
    spare.restart_unit()
    spare.await_sealed()
    b.expect_formed()
    expect_one_founding([one, two, spare])
    expect_no_keys(spare)

    # Growth, with the bootstrap host off.
    larger = stage.build("three", [NO_DESK, with_node4()], into="larger")
    four = b.add("node4", larger / "three/node4")
    one.power_cut()
    four.boot()
    four.await_said("the cluster three (asked node2) does not know node4's certificate. At the desk: copy "
                    "out/three/node4/server.crt to a member, and there: lxseed-firstboot trust node4 server.crt", 90)
    let_in(two, four)
    four.await_sealed()
    b.expect_formed(["node2", "node3", "node4"], offline=["node1"])
    one.boot()
    b.expect_formed()


def certificate(folder, name, begin=None, days=3650):
    """A client certificate of an administrator's, that begins some days away and is valid for some."""
    clock = ["faketime", "-f", "%+dd" % begin] if begin else []
    run(*clock, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes",
        "-days", str(days), "-extensions", "usr_cert", "-subj", "/CN=" + name, "-keyout", folder / (name + ".key"),
        "-out", folder / (name + ".crt"))
    return (folder / (name + ".crt")).read_text()


def clients(**pems):
    text = "  user: ops\n"
    if pems:
        text += "  lxd_certificates:\n"
    for name, pem in pems.items():
        text += "    %s: |\n" % name + "".join("      " + line + "\n" for line in pem.splitlines())
    return ("cluster.yaml", "  user: ops\n", text)


@test
def bad_clients(stage):
    """Clients' certificates that have ended, have not begun, or are empty: each is named once, and all hosts are sealed."""
    good = {name: certificate(stage.folder, name) for name in ("desk", "ended", "unborn", "empty")}
    b = stage.bench("two", speed=20, edits=[clients(**good)])
    one, two = b.add_all()
    # `check` may have found them good on the day on which the stick was made.
    put_into_seed(one, {"/etc/lxseed/trust/clients/ended.crt": certificate(stage.folder, "ended", begin=-400, days=30),
                        "/etc/lxseed/trust/clients/unborn.crt": certificate(stage.folder, "unborn", begin=400, days=30),
                        "/etc/lxseed/trust/clients/empty.crt": ""})
    for host in b.hosts.values():
        host.boot()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    assert trusted(one, "client") == ["desk", "lxseed-desk"], trusted(one, "client")
    for name in ("ended", "unborn", "empty"):
        told = [line for line in one.journal().splitlines() if "the client %s" % name in line and "passed over" in line]
        assert len(told) == 1, "of %s it is said: %s" % (name, told)
    for host in (one, two):
        expect_no_keys(host)


def put_into_seed(host, files):
    """More files for cloud-init to write on a host."""
    path = host.upper / "var/lib/cloud/seed/nocloud/user-data"
    script = """
import sys, yaml
config = yaml.safe_load(sys.stdin.buffer.read())
for name, text in zip(sys.argv[1::2], sys.argv[2::2]):
    config["write_files"].append({"path": name, "content": text, "permissions": "0644"})
sys.stdout.write("#cloud-config\\n" + yaml.safe_dump(config))
"""
    words = [word for pair in files.items() for word in pair]
    changed = subprocess.run(["chroot", str(host.bench.tree), "python3", "-c", script, *words], input=path.read_bytes(),
                             stdout=subprocess.PIPE, check=True).stdout
    path.write_bytes(changed)


@test
def cluster_of_one(stage):
    """One host, no joiners, no client's certificate: it founds, and is sealed."""
    only = ("hosts/hosts.yaml", hosts_of("two"), hosts_of("two").split("---\n")[0])
    b = stage.bench("two", speed=20, edits=[only, (
        "cluster.yaml", 'allow: {two-members: "the bench forms the lab of the original write-up"}\n', "")])
    (one,) = all_at_once(b)
    assert one.receipt()["missing"] == [], one.receipt()
    assert one.status().startswith("done: member of the cluster two, 1 of 1 members online"), one.status()
    expect_no_keys(one)


DATA3 = [("cluster.yaml", "  data2: {driver: btrfs}\n", "  data2: {driver: btrfs}\n  data3: {driver: btrfs}\n"),
         ("disks/model.yaml", "  data2: {device: d2}\n", "  data2: {device: d2}\n  data3: {device: d3}\n"),
         ("hosts/hosts.yaml", "  d1: {serial: WD-1-1}\n", "  d1: {serial: WD-1-1}\n  d3: {serial: WD-1-3}\n"),
         ("hosts/hosts.yaml", "  d1: {serial: WD-2-1}\n", "  d1: {serial: WD-2-1}\n  d3: {serial: WD-2-3}\n"),
         ("hosts/hosts.yaml", "  d1: {serial: WD-3-1}\n", "  d1: {serial: WD-3-1}\n  d3: {serial: WD-3-3}\n")]
# `check` warns of it only.
NO_DATA2 = [("cluster.yaml", "  data2: {driver: btrfs}\n", "")]


def loop_files(host):
    found = [str(path.relative_to(host.folder)) for top in ("lxd", "upper") for path in (host.folder / top).rglob("*.img")]
    return [path for path in found if not path.startswith("upper/usr/")]


@test
def pools_apart(stage):
    """A joiner whose profile leaves out a pool of the cluster stops with both lists, before anything is made; one whose profile
    has a pool more joins with the cluster's, and is sealed. With the right seed the first one joins."""
    right = stage.build("three", into="right")
    fewer, more = stage.build("three", NO_DATA2, into="fewer"), stage.build("three", DATA3, into="more")
    b = stage.bench("three", out=right, speed=20)
    one, two, three = b.add("node1"), b.add("node2", fewer / "three/node2"), b.add("node3", more / "three/node3")
    for host in b.hosts.values():
        host.boot()
    said = two.await_stopped(120)
    expect_all(said, "the cluster three has the pools data1, data2, and the profile of node2 has data1: "
               "nothing says where data2 would lie on this host")
    assert loop_files(two) == [], loop_files(two)
    three.await_sealed()
    told = [line for line in three.journal().splitlines() if "data1, data2, data3" in line]
    assert len(told) == 1 and "data1, data2" in told[0].replace("data1, data2, data3", ""), told
    assert three.receipt()["pools_not_in_cluster"] == ["data3"], three.receipt()
    assert [pool["name"] for pool in three.receipt()["pools"]] == ["data1", "data2"], three.receipt()
    assert "state=ready" in three.text("/var/lib/lxseed/volumes/data3").replace('"', "").replace("STATE", "state") or \
        "ready" in three.text("/var/lib/lxseed/volumes/data3"), three.text("/var/lib/lxseed/volumes/data3")
    assert sorted(p["name"] for p in one.api("/1.0/storage-pools?recursion=1")) == ["data1", "data2"]
    assert loop_files(three) == [], loop_files(three)
    expect_no_keys(three)
    two.power_cut()
    two.plant(right / "three/node2")
    two.boot()
    two.await_sealed()
    one.await_sealed()
    b.expect_formed(pools=["data1", "data2"])


def other_count(lxd, into):
    """A copy of LXD that has one API extension less: in the list of their names (a slice of Go: where, how many, of how many)."""
    program = bytearray(pathlib.Path(lxd).read_bytes())
    segments = []
    (table,), (size, count) = struct.unpack_from("<Q", program, 32), struct.unpack_from("<HH", program, 54)
    for at in range(table, table + size * count, size):
        kind, _, offset, address, _, length, _, _ = struct.unpack_from("<IIQQQQQQ", program, at)
        if kind == 1:
            segments.append((address, length, offset))

    def read(address, length):
        for start, size, offset in segments:
            if start <= address < start + size:
                return bytes(program[offset + address - start:offset + address - start + length])
        return b""

    first, found = b"storage_zfs_remove_snapshots", []
    for number in range(300, 400):
        pattern, at = struct.pack("<QQ", number, number), 0
        while (at := program.find(pattern, at + 1)) > 0:
            header = read(struct.unpack_from("<Q", program, at - 8)[0], 16)
            if len(header) == 16:
                address, length = struct.unpack("<QQ", header)
                if length == len(first) and read(address, length) == first:
                    found.append((at, number))
    (at, number), = found
    struct.pack_into("<Q", program, at, number - 1)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(program)
    into.chmod(0o755)
    return number


@test
def other_version(stage):
    """A joiner with another LXD stops before LXD makes anything, and names both; with the right one it joins. A member that
    waits for the others to run its version says so."""
    b = stage.bench("two", speed=20)
    one, two = b.add_all()
    count = other_count(b.tree / "usr/bin/lxd", two.upper / "usr/bin/lxd")
    blank = two.digests()
    for host in (one, two):
        host.boot()
    said = two.await_stopped(120)
    expect_all(said, "the cluster two runs LXD 5.0.2 with %d API extensions, and this host LXD 5.0.2 with %d" % (count, count - 1))
    assert two.digests() == blank, "a disk of node2 was written to"
    two.power_cut()
    (two.upper / "usr/bin/lxd").unlink()
    two.boot()
    two.await_sealed()
    one.await_sealed()
    b.expect_formed()
    two.shut_down()
    # LXD's own means for testing how a cluster is upgraded.
    (two.upper / "etc/environment").write_text("LXD_ARTIFICIALLY_BUMP_API_EXTENSIONS=1\n")
    two.boot()
    wait(60, "node2 waits", lambda: "NOT DONE: LXD waits for the other members to run its version" in two.status(), pause=1)
    two.shut_down()
    (two.upper / "etc/environment").unlink()
    two.boot()
    b.expect_formed()
    return "%d and %d API extensions" % (count, count - 1)


@test
def says_done(stage):
    """`status` says "done" where it is true: not without a quorum, and not after the member was taken out by hand. Who was taken
    out by hand is not trusted again by any script."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    for host in (one, two, three):
        status = host.status()
        assert status == "done: member of the cluster three, 3 of 3 members online; the receipt is " + RECEIPT, status
    code, said = three.try_inside("setpriv", "--reuid=65534", "--clear-groups", "/usr/local/sbin/lxseed-firstboot", "status")
    assert "LXD cannot be asked without root" in said and "done:" not in said, said
    one.power_cut()
    two.power_cut()
    began = time.monotonic()
    status = three.status()
    assert status.startswith("NOT DONE: ") and "majority" in status, status
    assert time.monotonic() - began < 15, "it took %.0f s to say so" % (time.monotonic() - began)
    one.boot()
    two.boot()
    b.expect_formed()
    # In order, as LXD has it: the removed one is told, and is on its own again.
    one.lxc("cluster", "remove", "node3")
    wait(60, "node3 is on its own", lambda: three.status().startswith("NOT DONE: this LXD is in no cluster"), pause=1)
    code, said = one.firstboot("cluster")
    assert code == 0, said
    expect_all(said, "node3 was taken out of LXD's trust since it was put there; it is not put back "
               "(At the desk: lxseed admit three/node3 would)")
    three.power_cut()
    one.power_cut()
    one.boot()
    b.expect_formed(["node1", "node2"])
    # It asks once, when its LXD is started, and without a majority nobody could tell it.
    three.boot()
    one.restart_unit()
    wait(30, "the unit of node1", lambda: one.state() == "exited")
    assert trusted(one) == ["node1", "node2"], trusted(one)
    # It asked when its LXD was started.
    wait(60, "node3 says so", lambda: re.match(r"STOPPED at guard: the cluster three \(asked node[12]\) does not trust this machine's",
                                               three.status()), pause=1)
    code, said = one.firstboot("trust", "node3")
    assert code == 0, said
    assert trusted(one) == ["node1", "node2", "node3"], trusted(one)


# ---- a seed that meets a sealed machine ------------------------------------------------------------------------------


class Life:
    """A cluster of three that has formed, and what must be the same whatever seed its members meet."""

    def __init__(self, stage, cut=False):
        """CUT: each time the power is cut as soon as a host says that it is sealed."""
        self.stage, self.cut = stage, cut
        self.pem = {name: certificate(stage.folder, name) for name in ("desk", "aide", "laptop")}
        self.given = ["desk", "aide"]
        self.b = stage.bench("three", speed=20, edits=[clients(**self.pick(self.given))])
        self.one, self.two, self.three = all_at_once(self.b)
        put_records(self.one, self.two)
        self.records = self.lasting()
        self.identities = self.keys()
        self.number = 0

    def pick(self, names):
        return {name: self.pem[name] for name in names}

    def lasting(self):
        """The database without what a seed may change: who is trusted, and the notes of that."""
        return [line for line in self.one.dump() if not re.match(r'INSERT INTO "?(certificates|config)"? ', line)]

    def keys(self):
        return {host.name + name: (host.folder / "lxd" / name).read_bytes() for host in (self.one, self.two, self.three)
                for name in ("server.crt", "server.key", "cluster.crt", "cluster.key")}

    def build(self, edits=(), secret="secret"):
        self.number += 1
        return self.stage.build("three", [clients(**self.pick(self.given)), *edits], secret, "seeds-%d" % self.number) / "three"

    def meet(self, seeds):
        """Members meet another seed and are switched off and on. From then on every second is a real one, until no private
        key lies open any more. Gives what each said, and how long it took."""
        told, spent, old = {}, {}, {host: host.noted("sealed") for host in seeds}
        for host, seed in seeds.items():
            told[host] = len(host.journal())
            host.shut_down()
            host.setting("speed", 1)
            host.plant(seed)
        for host in seeds:
            host.boot()
        began = time.monotonic()
        for host, seed in seeds.items():
            new = re.search(r'"instance-id": "(.*)"', (seed / "meta-data").read_text())[1]
            wait(60, "%s seals (stands in %s, %s)" % (host.name, host.stage(), host.state()),
                 lambda host=host, new=new: host.noted("sealed") == new and (new != old[host] or host.sealed()), pause=0.05)
            spent[host] = time.monotonic() - began
            if self.cut:
                host.power_cut()
            else:
                expect_no_keys(host)
                host.inside("sh", "-c", "echo 20 >/etc/bench/speed")
        if self.cut:
            for host in seeds:
                host.setting("speed", 20)
                host.boot()
        for host in seeds:
            wait(90, "%s is done with its seed (stands in %s)" % (host.name, host.stage()),
                 lambda host=host: host.sealed() or host.stopped())
            expect_no_keys(host)
        self.unharmed()
        return [host.journal()[told[host]:] for host in seeds], max(spent.values())

    def unharmed(self):
        names = [host.name for host in (self.one, self.two, self.three)]
        self.b.expect_formed(names, pools=["data1", "data2"])
        expect_same(self.records, self.lasting(), "the database")
        assert self.keys() == self.identities, "a key of LXD has changed"
        for host in (self.one, self.two, self.three):
            assert loop_files(host) == [], loop_files(host)

    def both(self, **options):
        out = self.build(**options)
        return {self.one: out / "node1", self.two: out / "node2"}


def clients_change(life):
    """A client more, one less; one that was taken out by hand."""
    fingerprint = next(c["fingerprint"] for c in life.one.api("/1.0/certificates?recursion=1") if c["name"] == "desk")
    life.one.lxc("config", "trust", "remove", fingerprint)
    life.given = ["desk", "laptop"]
    (said, _), spent = life.meet(life.both())
    assert trusted(life.one, "client") == ["laptop", "lxseed-desk"], trusted(life.one, "client")
    expect_all(said, "desk was taken out of LXD's trust since it was put there; it is not put back")
    assert not (life.one.upper / "etc/lxseed/trust/clients/aide.crt").exists()
    assert life.one.sealed() and life.two.sealed(), (life.one.state(), life.two.state())
    return spent


def host_comes_and_goes(life):
    """node4 is declared, and then not any more; it has never been a member."""
    _, spent = life.meet(life.both(edits=[with_node4()]))
    assert trusted(life.one) == ["node1", "node2", "node3", "node4"], trusted(life.one)
    for host in (life.one, life.two):
        assert "10.77.0.14" in host.text("/etc/lxseed/no-proxy.env"), host.text("/etc/lxseed/no-proxy.env")
        assert host.sealed(), host.state()
    # Once more by hand: nothing is said, and no file is another.
    for host in (life.one, life.two):
        before, said = snapshot(host), len(host.journal())
        host.restart_unit()
        wait(30, "the unit of %s" % host.name, host.sealed)
        changed = [name for name, what in snapshot(host).items() if before.get(name) != what]
        assert not changed and host.journal()[said:] == "", "%s: %s %s" % (host.name, changed, host.journal()[said:])
    _, more = life.meet(life.both())
    assert trusted(life.one) == ["node1", "node2", "node3"], trusted(life.one)
    assert not (life.one.upper / "etc/lxseed/trust/servers/node4.crt").exists()
    return max(spent, more)


def member_is_left_out(life):
    """node3 is not declared any more, and lives."""
    (said, _), spent = life.meet(life.both(edits=[without("node3")]))
    expect_all(said, "node3 is not declared any more and still a member")
    assert trusted(life.one) == ["node1", "node2", "node3"], trusted(life.one)
    return spent


def another_generation(life):
    """node2 and node1 have other keys in their seeds."""
    (first, second), spent = life.meet(life.both(edits=[
        ("hosts/hosts.yaml", "name: node1\n", "name: node1\ngeneration: 2\n"),
        ("hosts/hosts.yaml", "name: node2\n", "name: node2\ngeneration: 2\n")]))
    expect_all(first, "the seed has another key for node1 than the one it is a member under")
    expect_all(second, "the seed has another key for node2 than the one it is a member under")
    assert trusted(life.one) == ["node1", "node2", "node3"], trusted(life.one)
    return spent


def another_secret(life):
    """All keys of the seeds are another site's."""
    (first, second), spent = life.meet(life.both(secret="other-secret"))
    expect_all(first, "the seed has another key for node1 than the one it is a member under")
    expect_all(second, "the seed has another key for node2 than the one it is a member under")
    assert trusted(life.one) == ["node1", "node2", "node3"], trusted(life.one)
    return spent


def pool_more(life):
    """A pool on a disk that is there: its volume is made, the pool is the operator's to add."""
    for host, serial in ((life.one, "WD-1-3"), (life.two, "WD-2-3")):
        if "d3" not in host.loops:
            host.add_disk("d3", {"ID_MODEL": "BENCHDISK", "ID_SERIAL_SHORT": serial}, ["by-id/ata-BENCHDISK_" + serial])
    told, spent = life.meet(life.both(edits=DATA3))
    for host, said in zip((life.one, life.two), told):
        assert said.count("data1, data2, data3") == 1, said
        assert host.receipt()["pools_not_in_cluster"] == ["data3"], host.receipt()
        assert host.sealed(), host.state()
    return spent


def pool_less(life):
    """A pool of the cluster that the profile has no more: it stays."""
    told, spent = life.meet(life.both(edits=NO_DATA2))
    for said in told:
        expect_all(said, "data1, data2")
    assert sorted(p["name"] for p in life.one.api("/1.0/storage-pools?recursion=1")) == ["data1", "data2"]
    return spent


def another_place(life, words, edits, where=None):
    out = life.build(edits)
    seeds = where(out) if where else {life.one: out / "node1", life.two: out / "node2"}
    told, spent = life.meet(seeds)
    for host, said in zip(seeds, told):
        assert host.stopped(), host.state()
        expect_all(host.problem(), "this machine was formed as %s (10.77.0.1%s) of the cluster three, and the seed is for "
                   % (host.name, host.name[-1]), words, "nothing is tried")
        assert "nothing is tried" in said, said
    return spent


def another_address(life):
    """node1 and node2 have other addresses."""
    return another_place(life, "10.77.0.2", [("hosts/hosts.yaml", "10.77.0.11", "10.77.0.21"),
                                             ("hosts/hosts.yaml", "10.77.0.12", "10.77.0.22")])


def another_name(life):
    """node1 and node2 have other names."""
    return another_place(life, "renamed", [
        ("hosts/hosts.yaml", "name: node1\n", "name: renamed1\n"), ("hosts/hosts.yaml", "name: node2\n", "name: renamed2\n"),
        ("cluster.yaml", "bootstrap: node1", "bootstrap: renamed1")],
        lambda out: {life.one: out / "renamed1", life.two: out / "renamed2"})


def another_cluster(life):
    """The cluster has another name."""
    return another_place(life, "four", [("cluster.yaml", "name: three\n", "name: four\n")],
                         lambda out: {life.one: out.parent / "four/node1", life.two: out.parent / "four/node2"})


# One of each kind: what a member takes over, what it is only told of, keys that are not its own, a place that is not its own.
SEEDS = (clients_change, host_comes_and_goes, member_is_left_out, pool_more, another_cluster, another_secret)
# Of each kind all.
ALL_SEEDS = (*SEEDS, another_generation, pool_less, another_address, another_name)


@test
def seeds_on_sealed(stage):
    """Each kind of change of a seed planted on a sealed founder and joiner: no private key lies open after a minute, whatever
    the stages say, and nothing changes but what may."""
    life = Life(stage)
    spent = {}
    for number, kind in enumerate(SEEDS):
        life.cut = number % 2 == 0
        spent[kind.__name__.replace("_", "-")] = kind(life)
    life.cut = False
    # And the right seed again, after all of that.
    life.meet(life.both())
    assert life.one.sealed() and life.two.sealed(), (life.one.state(), life.two.state())
    return "seconds to the seal: " + ", ".join("%s %.0f" % pair for pair in spent.items())


@test
def each_seed_by_itself(stage):
    """The same and more of each kind, each on a cluster of its own, first with the power cut right after the seal and then without."""
    def one(kind):
        life = Life(stage, cut=True)
        first = kind(life)
        life.cut = False
        life.meet(life.both())
        life.b.close()
        return "%s %.0f" % (kind.__name__.replace("_", "-"), first)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return "seconds to the seal: " + ", ".join(pool.map(one, ALL_SEEDS))
