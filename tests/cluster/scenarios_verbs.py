"""The verbs of the desk, on living clusters: status, admit, retire, plan, apply. They are run where a desk stands, on the wire."""
import json
import os
import re
import subprocess
import threading
import time

from bench import Failed, run, wait
from scenarios import HERE, all_at_once, test, trusted
from scenarios_life import DATA3

SITES = HERE / "sites"
LAST = '  d2: {wwn: "0x50014ee000000003", min_size: 256MB}\n'


class Desk:
    """Whoever has the profiles and the site secret, on the wire of a bench."""

    def __init__(self, stage, b, into="out", secret="secret"):
        self.stage, self.b = stage, b
        self.last = ""
        self.site, self.secret = stage.folder / ("site-" + into), stage.folder / secret
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/root", "LC_ALL": "C"}
        subprocess.run(["ip", "-n", b.wire, "addr", "add", "10.77.0.200/24", "dev", "wire"], check=False, capture_output=True)

    def call(self, *words, secret=None, seconds=60, errors=subprocess.STDOUT):
        """Exit code and all that was said; without what stands on standard error for ERRORS=DEVNULL."""
        done = subprocess.run(["ip", "netns", "exec", self.b.wire, self.stage.program, *map(str, words), "--secret-file",
                               str(secret or self.secret)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                              text=True, check=False, cwd=self.stage.folder, timeout=seconds,
                              env=self.environment)
        return done.returncode, done.stdout

    def must(self, code, *words, **options):
        got, said = self.call(*words, **options)
        assert got == code, "lxseed %s: exit %d, not %d:\n%s" % (" ".join(map(str, words)), got, code, said)
        return said

    def status(self, code):
        """The one cluster, as --format json tells of it."""
        clusters = json.loads(self.must(code, "status", self.site, "--format", "json", errors=subprocess.DEVNULL))["clusters"]
        assert len(clusters) == 1, clusters
        return clusters[0]

    def states(self, code):
        return [host["state"] for host in self.status(code)["hosts"]]

    def until(self, what, expected, seconds=60):
        """Waits until the hosts have these states."""
        def there():
            said = self.call("status", self.site, "--format", "json", errors=subprocess.DEVNULL)[1]
            clusters = json.loads(said)["clusters"]
            return [host["state"] for host in clusters[0]["hosts"]] == expected

        wait(seconds, what, there)

    def refused(self, *words):
        """What the verb says that refuses, once members answer: where the one that is away was the leader, there is none for seconds."""
        told = []

        def answered():
            told.append(self.must(1, *words))
            return "no member of" not in told[-1]

        wait(60, "a member answers", answered)
        return told[-1]


class Person(Desk):
    """One at the desk who has a key that the hosts take, and a configuration of ssh of their own."""

    def __init__(self, stage, b):
        super().__init__(stage, b)
        programs = stage.folder / "programs"
        programs.mkdir()
        self.config = stage.folder / "ssh_config"
        self.config.write_text("Host *\n  IdentityFile %s\n  IdentitiesOnly yes\n" % (stage.folder / "id"))
        (programs / "ssh").write_text('#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' % self.config)
        (programs / "ssh").chmod(0o755)
        self.environment = {"PATH": "%s:%s" % (programs, os.environ["PATH"]), "HOME": "/root", "LC_ALL": "C"}

    def call(self, *words, seconds=300, **options):
        return super().call(*words, seconds=seconds, **options)

    def begin(self, *words):
        """The same as `call`, and not waited for."""
        return subprocess.Popen(["ip", "netns", "exec", self.b.wire, self.stage.program, *map(str, words), "--secret-file", str(self.secret)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.stage.folder,
                                env=self.environment)


def with_key(stage):
    """The edit that lets a new key of the desk in."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", stage.folder / "id")
    known = re.search(r'ssh_authorized_keys: \["(.*?)"\]', (SITES / "three/cluster.yaml").read_text())[1]
    return ("cluster.yaml", known, (stage.folder / "id.pub").read_text().strip())


def formed_with_ssh(b):
    """All at once, as in `all_at_once`; their sshd lets the administrator in."""
    for host in b.add_all():
        host.setting("sshd", "yes")
        host.boot()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    return list(b.hosts.values())


def shown(text):
    """What `status` says without what changes from run to run: numbers of days, sizes, versions, the kernel."""
    text = re.sub(r"\d+ days", "N days", text)
    text = re.sub(r"\d+ [kMGT]B of \d+ [kMGT]B free", "N of N free", text)
    text = re.sub(r"(?<= )[0-9]\.[0-9.]+\S* +\S+(?= +N days)", "LXD KERNEL", text)
    text = re.sub(r"/dev/loop\d+", "/dev/loopN", text)
    return "".join(re.sub(" +", " ", line).rstrip() + "\n" for line in text.splitlines())


UNSTABLE = {"certificate-days": 3650, "free": 1, "total": 2, "kernel": "KERNEL", "lxd": "LXD", "formed": "NUMBER"}


def steady(value):
    """An answer in JSON without what changes from run to run."""
    if isinstance(value, dict):
        return {key: UNSTABLE[key] if key in UNSTABLE and item is not None else ["NUMBER"] * len(item) if key == "foundings" else steady(item)
                for key, item in value.items()}
    if isinstance(value, list):
        return [steady(item) for item in value]
    return plain(value) if isinstance(value, str) else value


def plain(text):
    for what, instead in ((r"\b[0-9a-f]{64}\b", "FINGERPRINT"), (r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{12}\b", "FINGERPRINT"), (r"/dev/loop\d+", "/dev/loopN"),
                          (r"heartbeat for \S+ \([^)]*\)", "heartbeat for TIME"), (r"\S*/site-out\b", "site")):
        text = re.sub(what, instead, text)
    return text


def golden(desk, name, secret=None):
    """What status and verify say of a state, as text and as JSON, is what tests/cluster/golden has, within half a minute: members hear of
    one another by heartbeats. LXSEED_BLESS=1 writes it there."""
    def said():
        ask = lambda *words, **options: desk.call(*words, desk.site, secret=secret, **options)[1]
        told = {"status": plain(shown(ask("status", errors=subprocess.DEVNULL))), "verify": plain(ask("verify"))}
        for verb in ("status", "verify"):
            known = json.loads(ask(verb, "--format", "json", errors=subprocess.DEVNULL))
            told[verb + ".json"] = json.dumps(steady(known), indent=1, sort_keys=True) + "\n"
        return {HERE / "golden" / ("%s.%s" % (name, kind)): text for kind, text in told.items()}

    if os.environ.get("LXSEED_BLESS"):
        (HERE / "golden").mkdir(exist_ok=True)
        for path, text in said().items():
            path.write_text(text)
    until = time.monotonic() + 30
    while True:
        other = ["%s is another text (LXSEED_BLESS=1 takes it):\n%s" % (path, text) for path, text in said().items()
                 if not path.exists() or path.read_text() != text]
        if not other:
            return
        if time.monotonic() > until:
            raise Failed("\n".join(other))
        time.sleep(1)


def grown(count):
    """The edit that declares as many hosts in the site of three."""
    more = (SITES / "five/hosts/hosts.yaml").read_text().split("---\nname: node4")[1].split("---\n")
    return ("hosts/hosts.yaml", LAST, LAST + "---\nname: node4" + "---\n".join(more[:count - 3]).rstrip() + "\n")


@test
def seen_from_the_desk(stage):
    """status before, while and after a cluster forms: working, stopped by its guard, off, all as declared; a stranger; founder off; nobody."""
    b = stage.bench("three", speed=20)
    desk = Desk(stage, b)
    for host in b.add_all():
        host.cable(False)
    one, two, three = b.hosts.values()
    run("mke2fs", "-q", "-F", three.loops["d1"])
    said = desk.must(4, "status", desk.site)
    assert said.count("nobody answers at") == 3 and "0 of 3 members online" in said, said
    two.cable(True)
    two.boot()
    two.await_said("waiting: the bootstrap host node1 does not answer", 90)
    desk.until("node2 waits", ["off", "waiting", "off"])
    golden(desk, "waits")
    for host in (one, three):
        host.cable(True)
        host.boot()
    desk.until("node3 stops, the others are members", ["online", "online", "stopped"], 150)
    wait(240, "the others are sealed", lambda: one.sealed() and two.sealed())
    golden(desk, "stopped")
    found = desk.status(3)
    # Word for word what its own console has.
    stopped = found["hosts"][2]
    assert "%s: %s" % (stopped["stage"], stopped["message"]) == three.problem(), (stopped, three.problem())
    assert stopped["stage"] == "disks" and found["through"] == "node1", found
    # The guard let go: the disk is blank now.
    three.blank("d1")
    three.restart_unit()
    for host in (one, two, three):
        host.await_sealed()
    wait(30, "all is as declared", lambda: desk.call("status", desk.site)[0] == 0)
    said = shown(desk.must(0, "status", desk.site))
    host = "  %s %s online LXD KERNEL N days data1 btrfs N of N free, data2 btrfs N of N free\n"
    assert said == "three: 3 of 3 members online; asked node1\n" + \
        " host address state LXD kernel certificate pools\n" + \
        "".join((host % (name, address)).replace("  ", " ") for name, address in
                (("node1", "10.77.0.11"), ("node2", "10.77.0.12"), ("node3", "10.77.0.13"))), said
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    golden(desk, "whole")
    # With another secret every one of them is somebody else's.
    other = stage.folder / "other"
    run(stage.program, "secret", "new", "--secret-file", other)
    said = desk.must(4, "status", desk.site, secret=other)
    assert said.count("shows the certificate") == 3, said
    golden(desk, "another-secret", secret=other)
    # Somebody is trusted whom no profile names.
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-days", "30", "-subj",
        "/CN=stranger", "-keyout", stage.folder / "stranger.key", "-out", stage.folder / "stranger.crt")
    (one.upper / "tmp").mkdir(exist_ok=True)
    one.inside("sh", "-c", "cat >/root/stranger.crt", input=(stage.folder / "stranger.crt").read_text())
    one.lxc("config", "trust", "add", "/root/stranger.crt", "--name", "stranger")
    said = desk.must(3, "status", desk.site)
    assert "not declared: a trusted client certificate, stranger" in said, said
    found = findings(desk, 1)
    assert len(found) == 1 and "stranger" in found[0]["message"], found
    golden(desk, "stranger")
    # The founder is off: another one tells of it.
    one.power_cut()
    one.cable(False)
    desk.until("node1 is missed", ["offline", "online", "online"])
    wait(30, "node2 tells of it", lambda: desk.status(3)["through"] == "node2")
    golden(desk, "founder-off")
    # No majority any more.
    two.power_cut()
    two.cable(False)
    wait(30, "no majority is seen", lambda: "no majority of its voters" in desk.must(3, "status", desk.site))
    assert "no member could be asked" in desk.must(3, "status", desk.site)
    refused = desk.must(1, "apply", desk.site)
    assert "no member of three answers" in refused, refused
    golden(desk, "no-majority")
    three.power_cut()
    three.cable(False)
    golden(desk, "all-off")


def findings(desk, code):
    return json.loads(desk.must(code, "verify", desk.site, "--format", "json", errors=subprocess.DEVNULL))["findings"]


@test
def grows_and_shrinks(stage):
    """node4 before and node5 after they are switched on, founder off, twice; one leaves evacuated, one is lost: the rest never trusts them again."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    out = stage.build("three", edits=[grown(5)])
    desk = Desk(stage, b)
    one.power_cut()
    one.cable(False)
    desk.until("node1 is missed", ["offline", "online", "online", "off", "off"])
    plan = desk.must(3, "plan", desk.site)
    assert "trust the server certificate of node4" in plan and "trust the server certificate of node5" in plan, plan
    desk.must(0, "admit", "three/node4", desk.site)
    assert "let in already" in desk.must(0, "admit", "node4", desk.site)
    four = b.add("node4", out / "three/node4")
    five = b.add("node5", out / "three/node5")
    four.boot()
    five.boot()
    five.await_said("lxseed admit three/node5", 90)
    four.await_sealed()
    # Two desks at once do no harm.
    both = [threading.Thread(target=desk.call, args=("admit", "node5", desk.site)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    five.await_sealed()
    one.cable(True)
    one.boot()
    wait(60, "all five are there", lambda: desk.call("status", desk.site)[0] == 0)
    b.expect_formed()
    # On record under its name: nobody is let in there a second time, and the bootstrap host does not go.
    assert "bootstrap host" in desk.must(1, "retire", "node1", desk.site)
    four.lxc("init", "--empty", "web1", "--storage", "data1", "--target", "node4")
    four.lxc("storage", "volume", "create", "data2", "photos", "--target", "node5")
    before = one.dump()
    for words, named in ((("retire", "node4"), "instance web1"), (("retire", "node5"), "volume data2/photos"),
                         (("retire", "node5", "--evacuate"), "volume data2/photos"), (("retire", "node5", "--lost", "1"), "is online")):
        said = desk.must(1, *words[:2], desk.site, *words[2:])
        assert named in said, said
    assert one.dump() == before, "a refusal changed something"
    said = desk.must(0, "retire", "three/node4", desk.site, "--evacuate", seconds=120)
    assert "note: wrote `retired:" in said, said
    assert "web1" in one.lxc("list", "--format", "csv")
    # Who is retired and declared still: the profile says so before anything else is asked.
    assert "C012" in desk.must(1, "status", desk.site)
    # Another desk, whose profiles have no tombstone: the cluster itself has one.
    stage.build("three", edits=[grown(5)])
    assert "has left already" in desk.must(0, "retire", "node4", desk.site)
    stage.build("three", edits=[grown(5)])
    assert "was retired" in desk.must(1, "admit", "node4", desk.site)
    # node5 burns down with a volume.
    five.power_cut()
    five.cable(False)
    desk.until("node5 is missed", ["online", "online", "online", "retired", "offline"])
    assert "--lost 1" in desk.must(1, "retire", "node5", desk.site)
    assert "1 instance or volume is on record" in desk.must(1, "retire", "node5", desk.site, "--lost", "2")
    desk.must(0, "retire", "node5", desk.site, "--lost", "1")
    gone = {"node4", "node5"}
    for host in (one, two, three):
        assert not gone & set(trusted(host)), trusted(host)
    # Not even by what the machines do themselves: a founder's trust list, a restart, a seed that is planted anew.
    one.plant(out / "three/node1")
    one.power_cut()
    one.boot()
    one.await_sealed()
    assert not gone & set(trusted(one)), trusted(one)
    stage.build("three", edits=[grown(5)])
    plan = desk.must(3, "plan", desk.site)
    assert plan.count("was retired") == 2 and "1. " not in plan, plan
    # Without them in the profile all is as declared.
    stage.build("three")
    assert "three: 3 of 3 members online" in desk.must(0, "status", desk.site)
    assert "nothing to do" in desk.must(0, "plan", desk.site)


def cut_after(desk, steps, *words):
    """The verb is killed as soon as it has told of so many steps; whether it came that far."""
    process = subprocess.Popen(["ip", "netns", "exec", desk.b.wire, desk.stage.program, *map(str, words), "--secret-file", desk.secret],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=desk.environment)
    told, desk.last = 0, ""
    for line in process.stdout:
        desk.last += line
        told += line.startswith("  done: ")
        if told == steps:
            break
    process.kill()
    process.wait()
    return told == steps


def through(proxy):
    """The edit that names a proxy, at which nobody listens."""
    return ("cluster.yaml", "bootstrap: node1\n", 'bootstrap: node1\nproxy: {http: "http://%s:3128", no_proxy: [.lan]}\n' % proxy)


@test
def behind_a_proxy(stage):
    """LXD has a proxy from before its cluster forms: members speak past it, also after a reboot; apply brings another one."""
    b = stage.bench("two", speed=20, edits=[through("10.77.0.99")])
    one, two = all_at_once(b)
    desk = Desk(stage, b)

    def expect(proxy):
        for host in (one, two):
            assert host.lxc("config", "get", "core.proxy_http").strip() == "http://%s:3128" % proxy, host.name
            assert host.lxc("config", "get", "core.proxy_ignore_hosts").strip() == "10.77.0.11,10.77.0.12,.lan", host.name
    expect("10.77.0.99")
    for host in (one, two):
        host.power_cut()
    for host in (one, two):
        host.boot()
    b.expect_formed()
    desk.until("both are back", ["online"] * 2)
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    stage.build("two", [through("10.77.0.98")])
    assert "core.proxy_http to http://10.77.0.98:3128" in desk.must(3, "plan", desk.site)
    desk.must(0, "apply", desk.site)
    expect("10.77.0.98")
    assert "nothing to do" in desk.must(0, "plan", desk.site)


@test
def a_pool_more(stage):
    """data3 in the profile of a living three: it waits for every member's own guard, is made by apply although that is cut off after
    each step, and is the members' like the others afterwards; taken out of the profile it stays, with what is on it."""
    b = stage.bench("three", speed=20)
    hosts = all_at_once(b)
    one = hosts[0]
    more = stage.build("three", DATA3)
    desk = Desk(stage, b)
    said = desk.must(3, "plan", desk.site)
    assert "the pool data3 waits: node1 has no disk ready for it" in said and "1. " not in said, said
    for host in hosts:
        number = host.name[-1]
        host.add_disk("d3", {"ID_MODEL": "BENCHDISK", "ID_SERIAL_SHORT": "WD-%s-3" % number}, ["by-id/ata-BENCHDISK_WD-%s-3" % number])
    # What is on the last one's disk is somebody's: nothing is made anywhere.
    run("mke2fs", "-q", "-F", hosts[2].loops["d3"])
    before = hosts[2].digest("d3")
    for host in hosts:
        host.plant(more / "three" / host.name)
        host.power_cut()
        host.boot()
    for host in hosts[:2]:
        host.await_sealed()
    hosts[2].await_stopped()
    wait(30, "node3 is waited for", lambda: "node3 has no disk ready for it" in desk.call("plan", desk.site)[1])
    assert "1. " not in desk.must(3, "apply", desk.site)
    assert hosts[2].digest("d3") == before
    hosts[2].blank("d3")
    hosts[2].restart_unit()
    hosts[2].await_sealed()
    wait(30, "the plan is whole", lambda: "4. make the pool data3 on every member" in desk.call("plan", desk.site)[1])
    # The knife may come a step late, and LXD may still be at what was asked of it when the next one asks.
    cuts, tries = 0, 0
    while "nothing to do" not in desk.last:
        cuts += cut_after(desk, 1, "apply", desk.site)
        tries += 1
        assert tries < 20, (cuts, desk.last)
    assert cuts >= 1, desk.last
    b.expect_formed(pools=["data1", "data2", "data3"])
    assert "nothing to do" in desk.must(0, "plan", desk.site)
    # The next seed finds the volume in use, and knows by whom.
    again = stage.build("three", [*DATA3, ("disks/model.yaml", "name: model\n", "name: model\nslots: {os: {min_size: 1MB}}\n")])
    one.lxc("storage", "volume", "create", "data3", "photos", "--target", "node1")
    one.plant(again / "three/node1")
    one.power_cut()
    one.boot()
    one.await_sealed()
    assert one.text("/var/lib/lxseed/volumes/data3").startswith("made"), one.text("/var/lib/lxseed/volumes/data3")
    wait(30, "all is as declared", lambda: desk.call("status", desk.site)[0] == 0)
    stage.build("three")
    said = desk.must(3, "apply", desk.site)
    assert "no pool is ever removed; 1 instance or volume is on it" in said and "volume photos" in said, said
    assert "photos" in one.lxc("storage", "volume", "list", "data3", "--format", "csv")


@test
def replaced_after_a_fire(stage):
    """A member is gone with what was on it: its number is typed, the new machine has other keys under the old name, and joins."""
    b = stage.bench("three", speed=20)
    one, two, three = all_at_once(b)
    desk = Desk(stage, b)
    three.lxc("storage", "volume", "create", "data1", "photos", "--target", "node3")
    three.power_cut()
    desk.until("node3 is missed", ["online", "online", "offline"])
    desk.must(0, "retire", "three/node3", desk.site, "--lost", "1")
    # As docs/life.md says: other keys, a build, the new seed, one verb.
    hosts = desk.site / "hosts/hosts.yaml"
    hosts.write_text(hosts.read_text().replace("name: node3\n", "name: node3\ngeneration: 2\n"))
    out = stage.folder / "again"
    desk.must(0, "build", desk.site, "-o", out)
    three.reinstall(out / "three/node3", blank=True)
    three.boot()
    three.await_said("lxseed admit three/node3", 90)
    desk.must(0, "admit", "three/node3", desk.site)
    three.await_sealed()
    b.expect_formed()
    wait(30, "all is as declared", lambda: desk.call("status", desk.site)[0] == 0)
    assert trusted(one) == ["node1", "node2", "node3"], trusted(one)
    assert "photos" not in one.lxc("storage", "volume", "list", "data1", "--format", "csv")
