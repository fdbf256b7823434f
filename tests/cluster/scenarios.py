"""What must be seen of the first boot, one function per test. `run` gives each a Stage and cleans up after it."""
import base64
import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import bench
from bench import Failed, STAGES, run, wait

HERE = pathlib.Path(__file__).resolve().parent
TESTS = {}
RECEIPT = "/var/lib/lxseed/receipt.json"
# For what needs a bootstrap host that founds while the others are off.
ALONE = ("cluster.yaml", "bootstrap: node1\n", "bootstrap: {host: node1, alone: true}\n")


def test(function):
    TESTS[function.__name__.replace("_", "-")] = function
    return function


class Stage:
    """Builds sites, and sets up benches on what was built."""

    def __init__(self, program, tree, scratch):
        self.program, self.tree = program, tree
        self.folder = pathlib.Path(scratch) / ("stage-%d" % time.monotonic_ns())
        self.folder.mkdir()
        self.benches, self.seed = [], None

    def build(self, site, edits=(), secret="secret", into="out", carry=None):
        """An output tree of tests/cluster/sites/SITE; edits are (file, old text, new text); carry is what becomes its snaps/."""
        source = self.folder / ("site-" + into)
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(HERE / "sites" / site, source)
        if carry:
            shutil.copytree(carry, source / "snaps")
        for file, old, new in edits:
            text = (source / file).read_text()
            if old not in text:
                raise Failed("the site has no '%s' in %s" % (old, file))
            (source / file).write_text(text.replace(old, new))
        out = self.folder / into
        if not (self.folder / secret).exists():
            run(self.program, "secret", "new", "--secret-file", self.folder / secret, cwd=self.folder)
        self.said = run(self.program, "build", source, "-o", out, "--secret-file", self.folder / secret, cwd=self.folder)
        return out

    def bench(self, site, out=None, speed=5, **options):
        made = bench.Bench(self.folder, self.tree, out or self.build(site, **options), site, speed)
        self.benches.append(made)
        return made

    def dice(self):
        self.seed = int(os.environ.get("LXSEED_BENCH_SEED", random.randrange(1, 10**6)))
        return self.seed

    def close(self):
        for one in self.benches:
            one.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def snapshot(host):
    """What the first boot has made on a host, to see whether anything changes."""
    found = {}
    for top in ("etc", "usr/local", "var/lib/lxseed", "var/lib/cloud", "srv"):
        for path in sorted((host.upper / top).rglob("*")):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(host.upper))] = (path.stat().st_mode, path.read_bytes())
    return found


def trusted(host, kind="server"):
    return sorted(c["name"] for c in host.api("/1.0/certificates?recursion=1") if c["type"] == kind)


def all_at_once(b):
    for host in b.add_all():
        host.boot()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    return list(b.hosts.values())


@test
def three_at_once(stage):
    """3 hosts switched on together: 3/3 ONLINE, both pools on each, receipts, no key left, the second boot is the same. The whole
    first boot once more: exit 0, no file and no member changes."""
    b = stage.bench("three")
    start = time.monotonic()
    hosts = all_at_once(b)
    spent = time.monotonic() - start
    for host in hosts:
        receipt = host.receipt()
        assert [p["name"] for p in receipt["pools"]] == ["data1", "data2"], receipt["pools"]
        assert receipt["host"] == host.name and receipt["sealed"]["medium_with_keys"] is None, receipt
        assert all(d["serial"] for d in receipt["disks"]), receipt["disks"]
        assert set(STAGES[:-1]) <= set(receipt["seconds"]), receipt["seconds"]
        status = host.inside("/usr/local/sbin/lxseed-firstboot", "status")
        assert len(re.findall(r"^  data[12] +/dev/\S+ +there$", status, re.M)) == 2, status
        expect_no_keys(host)
        calls = host.text("/var/log/snap-calls").splitlines()
        assert "install lxd --channel=5.0/stable --cohort=+" in calls and "refresh --hold lxd" in calls, calls
        assert host.inside("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", "lxd*", "liblxc*",
                           check=False).count(" installed") == 0, "apt's LXD is still there"
    assert hosts[0].receipt()["missing"] == [], hosts[0].receipt()["missing"]
    joins = [h.receipt()["seconds"]["cluster"] for h in hosts]
    told = [host.journal() for host in hosts]
    for host in hosts:
        host.power_cut()
    for host in hosts:
        host.boot()
    b.expect_formed()
    for host, said in zip(hosts, told):
        wait(20, "the unit of %s" % host.name, host.sealed)
        assert host.journal() == said, "%s says at its second boot: %s" % (host.name, host.journal()[len(said):])
        assert len(host.text("/var/log/instances").split()) == 1, "a second instance on %s" % host.name
    run_again(hosts)
    b.expect_formed()
    init = [sum(float(end) - float(start) for start, end in map(str.split, h.text("/var/log/lxd-init").splitlines()))
            for h in hosts]
    return "formed and sealed in %.0f s, %.0f s beyond `lxd init` itself (%s s); in the stage cluster %s s" % (
        spent, spent - sum(init), "/".join("%.1f" % one for one in init), "/".join(map(str, joins)))


# "PRIVATE KEY", and how it looks inside base64 at each of the three offsets.
MARK = b"PRIVATE KEY"
KEY_MARKS = [MARK] + [base64.b64encode(b"-" * shift + MARK)[4 if shift else 0:-4] for shift in range(3)]


def expect_no_keys(host):
    """No private key in plain or in base64 anywhere but where LXD keeps its own, and sshd its one, on hosts that run it."""
    own_place = host.upper / "etc/ssh" if (host.upper / "etc/bench/sshd").exists() else None
    for top in ("etc", "var/lib/cloud", "var/lib/lxseed", "root", "tmp"):
        for path in (host.upper / top).rglob("*"):
            if own_place is not None and path.parent == own_place and path.name == "ssh_host_ed25519_key":
                continue
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                if any(mark in data for mark in KEY_MARKS):
                    raise Failed("%s still holds a private key in /%s" % (host.name, path.relative_to(host.upper)))
    marks = "|".join(mark.decode() for mark in KEY_MARKS)
    left = host.inside("sh", "-c", "grep -rlsE '%s' /run/cloud-init /run/lxseed || true" % marks).strip()
    if left:
        raise Failed("%s still holds a private key in %s" % (host.name, left))


def expect_once(b):
    """Nothing was made twice, whatever was cut off: members, certificates, pools, instances of cloud-init."""
    b.expect_formed()
    names = sorted(b.hosts)
    for host in b.hosts.values():
        assert trusted(host) == names, "%s trusts %s" % (host.name, trusted(host))
        pools = sorted(p["name"] for p in host.api("/1.0/storage-pools?recursion=1"))
        assert pools == sorted(host.values["POOL_NAMES"]), pools
        assert len(host.text("/var/log/instances").split()) == 1, "a second instance on %s" % host.name
        expect_no_keys(host)


@test
def unwritten_files(stage):
    """The power is cut before what cloud-init planted is on the disk: empty files, which the next boot plants again."""
    b = stage.bench("three", edits=[ALONE])
    host = b.add("node1")
    host.boot()
    host.await_said("preflight: ")
    host.power_cut()
    for path in ("usr/local/sbin/lxseed-firstboot", "etc/systemd/system/lxseed-firstboot.service", "etc/lxseed/tls/server.key",
                 "var/lib/cloud/instance/scripts/runcmd"):
        # The link is the machine's own, so its target is looked for in the machine's root.
        file = host.upper / path.replace("instance/", "instances/%s/" % host.text("/var/lib/cloud/data/instance-id").strip())
        file.write_bytes(b"")
    host.boot()
    host.await_member()


@test
def each_stage_killed(stage):
    """Every stage of every host is ended once, by kill -9 or by a power cut, and the cluster completes."""
    seed = stage.dice()
    b = stage.bench("three", speed=20)
    hosts = b.add_all()
    kills = []

    def shepherd(index, host):
        dice = random.Random(seed * 100 + index)
        left = list(STAGES)
        host.boot()
        end = time.monotonic() + 170
        while not host.sealed():
            if host.stopped():
                raise Failed("%s stopped: %s" % (host.name, host.text("/var/lib/lxseed/problem")))
            if time.monotonic() > end:
                raise Failed("%s does not complete (stands in %s)" % (host.name, host.stage()))
            now = host.stage_running()
            if now in left:
                # The short stages would be over.
                time.sleep(0 if now in ("preflight", "seal", "verify") else dice.choice((0, 0.1, 0.3, 0.6)))
                if host.stage_running() != now:
                    # Over already; it is met again after the next cut.
                    continue
                left.remove(now)
                if dice.random() < 0.5:
                    host.power_cut()
                    kills.append("%s:%s:power" % (host.name, now))
                    host.boot()
                else:
                    host.kill_stage()
                    kills.append("%s:%s:kill" % (host.name, now))
            time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        for result in [pool.submit(shepherd, i, host) for i, host in enumerate(hosts)]:
            result.result()
    expect_once(b)
    assert len(kills) >= 20, "only %d stages were met: %s" % (len(kills), kills)
    return "seed %d, %d of 24 stages cut off, %d of them by a power cut" % (
        seed, len(kills), sum(k.endswith("power") for k in kills))


@test
def random_kills(stage):
    """36 kills at random instants: of the unit, of LXD itself, and power cuts; the cluster completes.

    LXSEED_BENCH_KILLS=N asks for N of them, 36 on each of as many clusters as it takes.
    """
    seed, wanted, done = stage.dice(), int(os.environ.get("LXSEED_BENCH_KILLS", "1")), []
    clusters = 0
    while len(done) < wanted:
        b = stage.bench("three", speed=20)
        made = killed_at_random(b, seed + clusters)
        expect_once(b)
        assert len(made) >= 30, "only %d kills of cluster %d" % (len(made), clusters)
        b.close()
        done += made
        clusters += 1
    return "seed %d, %d clusters, %d kills: %s" % (seed, clusters, len(done),
                                                   ", ".join("%s %d" % (s, sum(":%s:" % s in d for d in done)) for s in (*STAGES, "-")))


def killed_at_random(b, seed):
    """Up to 12 kills of each host; what was killed, and when."""
    done = []

    def torment(index, host):
        dice = random.Random(seed * 100 + index)
        host.boot()
        for _ in range(12):
            time.sleep(dice.uniform(0.2, 7.0))
            kind = dice.choice(("unit", "unit", "power", "lxd"))
            where = host.stage_running() or "-"
            try:
                if kind == "power":
                    host.power_cut()
                    host.boot()
                elif kind == "lxd":
                    host.kill_lxd()
                else:
                    host.kill_stage()
            except Failed:
                # Nothing runs yet that could be killed.
                continue
            done.append("%s:%s:%s" % (host.name, where, kind))
        if host.sealed():
            host.power_cut()
            host.boot()
        host.inside("/opt/bench/bin/lxd-daemon", "start")
        host.await_sealed(150)

    hosts = b.add_all()
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        for result in [pool.submit(torment, i, host) for i, host in enumerate(hosts)]:
            result.result()
    for host in hosts:
        host.inside("/opt/bench/bin/lxd-daemon", "start")
    return done


@test
def every_start_order(stage):
    """All six orders of switching 3 hosts on, each host only when the one before it waits for others or is done."""
    out = stage.build("three")

    def one(order):
        b = stage.bench("three", out=out, speed=20)
        b.add_all()
        names = list(b.hosts)
        for index in order:
            host = b.hosts[names[index]]
            host.boot()
            if index == order[-1]:
                break
            wait(60, "%s waits" % host.name, lambda h=host: "waiting: " in h.journal() or "waiting for all" in h.journal()
                 or h.sealed())
        for host in b.hosts.values():
            host.await_sealed()
        b.expect_formed()
        b.close()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(one, order) for order in itertools.permutations(range(3))]:
            result.result()


@test
def bootstrap_an_hour_late(stage):
    """Two joiners wait an hour (of the waits' time) for the bootstrap host, say so, and then join."""
    b = stage.bench("three", speed=180)
    first, *joiners = b.add_all()
    for host in joiners:
        host.boot()
    for host in joiners:
        host.await_said("waiting: the bootstrap host node1 does not answer at")
    time.sleep(20)
    for host in joiners:
        assert host.state() == "running", host.state()
    first.boot()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()


def run_again(hosts):
    """The first boot on a cluster that is formed and sealed: nothing is said and nothing made."""
    for host in hosts:
        # What is complete is not even looked at.
        host.inside("rm", "/var/lib/lxseed/complete")
        before, calls = snapshot(host), host.text("/var/log/snap-calls")
        members = sorted(m["server_name"] for m in host.api("/1.0/cluster/members?recursion=1"))
        said = host.inside("/usr/local/sbin/lxseed-firstboot")
        assert "all is done" in said and "purging" not in said, said
        changed = [name for name, what in snapshot(host).items() if before.get(name) != what and not name.endswith("/complete")]
        assert not changed, "%s changed %s" % (host.name, changed)
        more = host.text("/var/log/snap-calls")[len(calls):].split("\n")
        assert not [call for call in more if call and not call.startswith("wait")], more
        assert members == sorted(m["server_name"] for m in host.api("/1.0/cluster/members?recursion=1"))
        status = host.status()
        assert status == "done: member of the cluster three, 3 of 3 members online; the receipt is " + RECEIPT, status
        for name in STAGES:
            host.inside("/usr/local/sbin/lxseed-firstboot", name)
        assert host.inside("/usr/local/sbin/lxseed-firstboot") == ""


@test
def strangers(stage):
    """An undeclared host and a host with another site's secret cannot join; the cluster is unharmed. Two hosts form and seal without
    the third and say who is missing; it joins an hour later (of the waits' time) without a hand."""
    fourth = ("---\nname: node4\ndisks: model\nnetwork: {mac: \"52:54:00:77:00:04\", address: 10.77.0.14}\nslots:\n"
              "  os: {serial: OS-4}\n  d1: {serial: WD-4-1}\n  d2: {wwn: \"0x50014ee000000004\"}\n")
    last = (HERE / "sites/three/hosts/hosts.yaml").read_text()
    larger = stage.build("three", [("hosts/hosts.yaml", last, last + fourth)], into="larger")
    foreign = stage.build("three", secret="other-secret", into="foreign")
    b = stage.bench("three", speed=180)
    good = [b.add("node1"), b.add("node2")]
    undeclared = b.add("node4", larger / "three/node4")
    other = b.add("node3", foreign / "three/node3")
    other.boot()
    other.await_said("waiting: ")
    for host in (*good, undeclared):
        host.boot()
    # Who holds the address of a declared host under keys of his own keeps the others from founding, and hears nothing.
    good[0].await_said("node3 answers at 10.77.0.13:8443 under a certificate (")
    good[0].await_said(") that is neither its own nor the cluster's")
    time.sleep(10)
    assert "founding the cluster" not in good[0].journal(), good[0].journal()[-600:]
    other.cable(False)
    for host in good:
        host.await_member()
    other.cable(True)
    undeclared.await_said("does not know node4's certificate. At the desk: lxseed admit three/node4")
    other.await_said("node1 answers at 10.77.0.11:8443, but not under the certificate of the cluster three")
    time.sleep(10)
    for host in (undeclared, other):
        assert host.state() == "running", host.state()
        assert host.api("/1.0/cluster")["enabled"] is False
    b.expect_formed(["node1", "node2"])
    assert "node4" not in trusted(good[0]), trusted(good[0])
    for host in (undeclared, other):
        b.remove(host)
    for host in good:
        host.await_sealed()
    assert good[0].receipt()["missing"] == ["node3"], good[0].receipt()
    assert "not online yet: node3" in good[0].journal()
    time.sleep(20)
    late = b.add("node3", machine="late")
    b.hosts["node3"] = b.hosts.pop("late")
    late.boot()
    late.await_sealed()
    b.expect_formed()


def readme_desk(address):
    """What the README has an administrator type, for the cluster of this bench: the lines for lxc, and the one for ssh."""
    readme = (HERE.parents[1] / "README.md").read_text()
    block = readme.split("## At your desk")[1].split("```\n")[2]
    for old, new in (("lab", "two"), ("192.168.10.11", address), ("~/.config/lxc", "$LXD_CONF")):
        block = block.replace(old, new)
    *lxc, ssh = block.splitlines()
    assert lxc[-1].startswith("lxc cluster list") and ssh.startswith("ssh -o UserKnownHostsFile="), block
    return "\n".join(lxc), ssh


def open_ssh(host, key):
    """sshd on a host as cloud-init leaves it: with the host key of its user-data, and the administrator's key let in."""
    script = """
import pathlib, subprocess, sys, yaml
config = yaml.safe_load(pathlib.Path("/var/lib/cloud/seed/nocloud/user-data.given").read_bytes())
for path, text, mode in (("/run/host_key", config["ssh_keys"]["ed25519_private"], 0o600), ("/run/let_in", sys.argv[1], 0o644)):
    pathlib.Path(path).write_text(text)
    pathlib.Path(path).chmod(mode)
pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
# "*" is no password, while the "!" that useradd writes is a locked account to sshd.
subprocess.run(["useradd", "-m", "-p", "*", "ops"], check=False)
subprocess.run(["/usr/sbin/sshd", "-f", "/dev/null", "-h", "/run/host_key", "-o", "AuthorizedKeysFile=/run/let_in",
                "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PasswordAuthentication=no"], check=True)
"""
    shutil.copyfile(host.seed / "user-data", host.upper / "var/lib/cloud/seed/nocloud/user-data.given")
    host.inside("python3", "-c", script, key)


def from_the_desk(stage, b, desk):
    """With out/ and the administrator's own key alone: `lxc cluster list` over HTTPS, pinned, without a prompt."""
    hosts = list(b.hosts.values())
    assert trusted(hosts[0], "client") == ["desk", "lxseed-desk"], trusted(hosts[0], "client")
    run("ip", "-n", b.wire, "addr", "add", "10.77.0.200/24", "dev", "wire")
    environment = {"LXD_CONF": str(desk), "PATH": "%s:/usr/bin:/bin" % (b.tree / "usr/bin"), "HOME": str(desk)}
    lxc, ssh = readme_desk(hosts[0].values["ADDRESS"][0])
    listed = run("ip", "netns", "exec", b.wire, "bash", "-euc", lxc, env=environment, cwd=b.out.parent,
                 stdin=subprocess.DEVNULL)
    assert listed.count("ONLINE") == 2 and "node1" in listed and "node2" in listed, listed
    # ssh asks nothing and knows the host; without the file it would not have gone on.
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", desk / "id")
    open_ssh(hosts[0], (desk / "id.pub").read_text())
    quiet = ["-F", "none", "-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-i", str(desk / "id")]
    words = ssh.split()
    assert run("ip", "netns", "exec", b.wire, *words[:1], *quiet, *words[1:], "hostname", cwd=b.out.parent) == "node1\n"
    unknown = subprocess.run(["ip", "netns", "exec", b.wire, "ssh", *quiet, "-o", "UserKnownHostsFile=/dev/null", words[-1], "true"],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "Host key verification failed" in unknown.stderr, unknown.stderr
    # The pin is alive: under another cluster's certificate the same call is refused.
    other = stage.build("two", secret="other-secret", into="foreign")
    shutil.copyfile(other / "two/cluster.crt", desk / "servercerts/two.crt")
    refused = subprocess.run(["ip", "netns", "exec", b.wire, "lxc", "cluster", "list", "two:"], env=environment,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert refused.returncode != 0, refused.stdout


@test
def two_hosts(stage):
    """The lab's size: the build warns of two members, and the cluster forms; a proxy in the environment is bypassed; a pool of the
    driver dir lies in a folder of a file system that is mounted by UUID; an administrator with out/ and his own key alone gets in."""
    desk = stage.folder / "desk"
    desk.mkdir()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-days", "3650",
        "-extensions", "usr_cert", "-subj", "/CN=ops", "-keyout", desk / "client.key", "-out", desk / "client.crt")
    pem = "".join("      " + line + "\n" for line in (desk / "client.crt").read_text().splitlines())
    b = stage.bench("two", edits=[
        ("cluster.yaml", 'allow: {two-members: "the bench forms the lab of the original write-up"}\n', ""),
        ("cluster.yaml", "data2: {driver: btrfs}", "data2: {driver: dir}"),
        ("cluster.yaml", "  user: ops\n", "  user: ops\n  lxd_certificates:\n    desk: |\n" + pem)])
    build_said = stage.said
    assert "two-members" in build_said, build_said
    for host in b.add_all():
        (host.upper / "etc").mkdir(exist_ok=True)
        (host.upper / "etc/environment").write_text('http_proxy=http://10.77.0.250:9\nhttps_proxy="http://10.77.0.250:9"\n'
                                                    "no_proxy=example.org\n")
        host.boot()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    for host in b.hosts.values():
        daemon = host.inside("sh", "-c", "tr '\\0' '\\n' </proc/$(cat /run/lxd.pid)/environ")
        assert "https_proxy=http://10.77.0.250:9" in daemon, "the test's proxy did not reach the daemon"
        assert "no_proxy=example.org,localhost,127.0.0.1,10.77.0.11,10.77.0.12" in daemon, daemon
        assert "/srv/lxseed/data2 ext4 defaults,nofail 0 2" in host.text("/etc/fstab"), host.text("/etc/fstab")
        pool = [p for p in host.receipt()["pools"] if p["name"] == "data2"][0]
        assert pool["source"] == "/srv/lxseed/data2/lxd", pool
        assert "custom" in host.inside("ls", "/srv/lxseed/data2/lxd"), host.inside("ls", "/srv/lxseed/data2/lxd")
    from_the_desk(stage, b, desk)
    return "build said: " + re.findall(r"[^\n]*two-members[^\n]*", build_said)[0].strip()


@test
def five_hosts(stage):
    """5 hosts form one cluster."""
    b = stage.bench("five", speed=10)
    all_at_once(b)


@test
def dead_neighbour(stage):
    """The second of five hosts is off: the others wait their turn after it for a while, and then join one after the other."""
    # A minute of the script's waits must outlast a join.
    b = stage.bench("five", speed=2)
    hosts = b.add_all()
    there = [hosts[0], *hosts[2:]]
    for host in there:
        host.boot()
    for host in there[1:]:
        host.await_sealed()
        assert ahead_of(host) == ["node2"], "%s: %s" % (host.name, host.journal()[-600:])
    b.expect_formed([host.name for host in there])


def ahead_of(host):
    return re.findall(r"going ahead of (.*)$", host.journal(), re.M)


@test
def only_the_last(stage):
    """Of five hosts only the first and the last are on: the last does not wait for each of the others in turn."""
    b = stage.bench("five", edits=[ALONE], speed=20)
    first, *_, last = b.add_all()
    first.boot()
    last.boot()
    last.await_sealed()
    assert ahead_of(last) == ["node2 node3 node4"] and "its turn after node4" not in last.journal(), last.journal()[-600:]
    b.expect_formed([first.name, last.name])


def has_btrfs(device):
    """By its magic number (64 bytes into the superblock at 64 KiB): a program that looks would take longer than the join."""
    with open(device, "rb", buffering=0) as disk:
        disk.seek(64 * 1024 + 64)
        return disk.read(8) == b"_BHRfS_M"


@test
def gone_while_joining(stage):
    """The bootstrap host is out of reach just when a joiner has made its pools: these are cleared, and the next try joins."""
    b = stage.bench("three", edits=[ALONE], speed=20)
    first, *joiners = b.add_all()
    first.boot()
    first.await_said("cluster: done")
    cut = 0
    for host in joiners:
        host.boot()
        end = time.monotonic() + 60
        while not has_btrfs(host.loops["d1"]):
            if time.monotonic() > end:
                raise Failed("%s makes no pool (stands in %s)" % (host.name, host.stage()))
            time.sleep(0.002)
        first.cable(False)
        stamp = host.upper / "var/lib/lxseed/stages/cluster.done"
        # LXD waits some time for an answer; a join that was faster than the cable is no failure.
        wait(90, "%s notices" % host.name, lambda host=host, stamp=stamp: stamp.exists() or host.stopped() or
             "the cluster went away while this host joined" in host.journal())
        first.cable(True)
        cut += not stamp.exists()
        host.await_member()
    assert cut, "no join was cut off"
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    return "%d joins cut off" % cut


@test
def cable_pulled(stage):
    """The bootstrap host's cable is pulled while the others join, and plugged in again."""
    b = stage.bench("three", speed=20)
    hosts = b.add_all()
    for host in hosts:
        host.boot()
    hosts[0].await_said("trusting node3 as server")
    hosts[0].cable(False)
    time.sleep(12)
    hosts[0].cable(True)
    for host in hosts:
        host.await_sealed()
    b.expect_formed()


@test
def generation(stage):
    """A raised `generation` of one host changes that host's files and the bootstrap host's trust list, and nothing else."""
    old = stage.build("three")
    new = stage.build("three", [("hosts/hosts.yaml", "name: node2\n", "name: node2\ngeneration: 2\n")], into="new")

    def files(tree):
        return {str(p.relative_to(tree)): p.read_bytes() for p in tree.rglob("*") if p.is_file()}

    before, after = files(old), files(new)
    changed = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    outside = [n for n in changed if not n.startswith(("three/node1/", "three/node2/"))
               and n not in ("manifest.json", "SHA256SUMS", "three/known_hosts", "three/sheet.html")]
    assert not outside, outside
    assert "three/node2/user-data" in changed and "three/node1/user-data" in changed, changed
    b = stage.bench("three", out=old)
    where = {p: "/etc/lxseed/" + p for p in ("tls/server.crt", "tls/cluster.crt", "tls/cluster.key", "trust/servers/node2.crt",
                                             "trust/servers/node3.crt", "lxd-preseed.yaml")}
    one = {p: (b.planted(old / "three/node1", w), b.planted(new / "three/node1", w)) for p, w in where.items()}
    differ = [p for p, (a, z) in one.items() if a != z]
    assert differ == ["trust/servers/node2.crt"], differ
    return "%d files differ" % len(changed)


@test
def cut_inside_joins(stage):
    """Up to 4 cuts inside `lxd init` of two joiners, by power and by kill -9 of LXD; the cluster keeps its quorum and completes."""
    return cuts_inside_joins(stage, 2)


@test
def many_cuts_inside_joins(stage):
    """Up to 12 of them."""
    return cuts_inside_joins(stage, 6)


def cuts_inside_joins(stage, each):
    seed = stage.dice()
    b = stage.bench("three", edits=[ALONE], speed=20)
    first, *joiners = b.add_all()
    first.boot()
    first.await_said("cluster: done")
    done = []

    def torment(index, host):
        dice = random.Random(seed * 100 + index)
        host.boot()
        for _ in range(each):
            said = host.journal().count("joining the cluster")
            wait(150, "%s joins" % host.name,
                 lambda: host.journal().count("joining the cluster") > said or "cluster: done" in host.journal())
            if "cluster: done" in host.journal():
                break
            time.sleep(dice.uniform(0, 2.5))
            done.append(host.name)
            if dice.random() < 0.5:
                host.power_cut()
                host.boot()
            else:
                host.kill_lxd()
        host.await_sealed(200)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(torment, i, host) for i, host in enumerate(joiners)]:
            result.result()
    first.await_sealed()
    expect_once(b)
    return "seed %d, %d cuts inside joins" % (seed, len(done))
