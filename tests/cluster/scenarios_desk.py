"""What must be seen of a machine from the desk, which has nothing but the site secret: before it is a member, when it stops, while
it joins, when it is sealed, and when its cluster does not want it any more.
"""
import base64
import hashlib
import hmac
import json
import ssl
import struct
import subprocess
import threading
import time

from bench import Failed, run, wait
from scenarios import expect_no_keys, test, trusted
from scenarios_disks import ext4, put_on
from scenarios_life import NO_DESK, await_offline, certificate, expect_all, hasty, members, with_node4

KEY = "user.lxseed.first-boot"


def derived_key(secret, cluster, generation=1):
    """The desk's private key, as the program derives it (src/trust): HKDF-SHA512 of the secret and of each part behind its length."""
    parts = [b"lxseed-derive-1", b"lxd-desk-p256-key", cluster.encode(), b"", struct.pack(">I", generation)]
    info = b"".join(struct.pack(">Q", len(part)) + part for part in parts)
    first = hmac.new(bytes(64), secret, hashlib.sha512).digest()
    scalar = hmac.new(first, info + b"\x01", hashlib.sha512).digest()[:32]
    # RFC 5915 without the public half, which openssl computes.
    der = bytes.fromhex("30310201010420") + scalar + bytes.fromhex("a00a06082a8648ce3d030107")
    pem = "-----BEGIN EC PRIVATE KEY-----\n%s-----END EC PRIVATE KEY-----\n" % base64.encodebytes(der).decode()
    return run("openssl", "ec", input=pem, stderr=subprocess.DEVNULL)


class Desk:
    """On the wire, with the derived pair and the certificates of out/."""

    def __init__(self, stage, b):
        self.b, self.folder = b, stage.folder
        secret = (stage.folder / "secret").read_text().splitlines()[-1].split()[2]
        self.pair = stage.folder / "desk.pem"
        self.pem = (b.out / b.cluster / "desk.crt").read_text()
        self.pair.write_text(derived_key(bytes.fromhex(secret), b.cluster) + self.pem)
        self.pair.chmod(0o600)
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem)).hexdigest()
        run("ip", "-n", b.wire, "addr", "add", "10.77.0.200/24", "dev", "wire")

    def ask(self, host, path="/1.0", method="GET", body=None, pin=None, pair=True):
        """Pinned to the cluster's certificate, or to the one that is named."""
        pin = pin or self.b.out / self.b.cluster / "cluster.crt"
        name = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", pin).split("DNS:")[1].strip()
        words = ["ip", "netns", "exec", self.b.wire, "curl", "-sS", "-m", "20", "--cacert", pin, "--connect-to",
                 "%s:8443:%s:8443" % (name, host.values["ADDRESS"][0]), "-X", method, "https://%s:8443%s" % (name, path)]
        if pair:
            words += ["--cert", self.pair]
        if body is not None:
            words += ["-d", json.dumps(body)]
        answer = json.loads(run(*words))
        if answer["type"] == "error":
            raise Failed("%s %s: %s" % (method, path, answer["error"]))
        return answer["metadata"]

    def alone(self, host, **options):
        """Of a host in no cluster, which shows its own certificate."""
        return self.ask(host, pin=host.seed / "server.crt", **options)

    def told(self, host):
        """What the host tells as long as it is in no cluster; nothing while it does not answer the desk."""
        try:
            return (self.alone(host).get("config") or {}).get(KEY, "")
        except (Failed, ValueError):
            return ""

    def words(self, host, member):
        """What is told of a member. One that has just joined shows of itself what it saw then, so the founder is asked."""
        config = self.ask(member, "/1.0?target=node1")["config"]
        return config.get("%s.%s" % (KEY, host.name), ""), config.get("user.lxseed.sealed.%s" % host.name, "")

    def admit(self, host, name, path):
        der = ssl.PEM_cert_to_DER_cert(path.read_text())
        self.ask(host, "/1.0/certificates", "POST", {"type": "server", "name": name, "certificate": base64.b64encode(der).decode()})
        self.patch(host, **{"user.lxseed.server." + name: hashlib.sha256(der).hexdigest()})

    def patch(self, host, **words):
        self.ask(host, method="PATCH", body={"config": words})


def entries(host, fingerprint):
    return [(c["name"], c["type"]) for c in host.api("/1.0/certificates?recursion=1") if c["fingerprint"] == fingerprint]


def fingerprint_of(path):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()


# Stands before the stand-in of the snap's program: `hold` never begins, `fail` is a cluster that is out of reach.
INIT = r"""#!/bin/sh
if [ "$1" = init ]; then
    case $(cat /etc/bench/init) in
    hold) touch /var/log/held; exec /bin/sleep 1000 ;;
    fail) echo 'Error: Failed to join cluster: dial tcp 10.77.0.11:8443: connect: connection refused'; exit 1 ;;
    esac
fi
exec /opt/stand-in/snap-lxd "$@"
"""


def at_init(host, what):
    host.inside("sh", "-c", "rm /snap/bin/lxd; cat >/snap/bin/lxd; chmod 755 /snap/bin/lxd; echo %s >/etc/bench/init" % what, input=INIT)


def cut_at_init(host):
    """When all that comes before it is done."""
    held = host.upper / "var/log/held"
    wait(60, "%s begins with `lxd init`" % host.name, held.exists)
    host.power_cut()
    host.setting("init", "-")
    host.boot()


@test
def told_to_the_desk(stage):
    """With the derived pair alone the desk reads of a host in no cluster that it works, waits or is stopped, word for word; such a
    host does not count as one that was never in a cluster. After a cut right before founding and joining, and after a join that
    failed, it is told again, and members trust the desk exactly once. Sealed, and not sealed, are told; a retired machine is."""
    b = stage.bench("three", speed=20)
    desk = Desk(stage, b)
    one, two, three = b.add_all()
    put_on(two, "d1", ext4)
    seen, over = [], threading.Event()

    def watch():
        while not over.is_set():
            seen.append(desk.told(two))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    two.boot()
    problem = two.await_stopped()
    wait(10, "node2 tells that it stopped", lambda: desk.told(two).startswith("stopped "))
    over.set()
    watcher.join()
    assert desk.told(two) == "stopped " + problem.replace(":", "", 1), "%r is not %r" % (desk.told(two), problem)
    assert "working disks " in seen, sorted(set(seen))
    assert desk.alone(two)["auth"] == "trusted" and entries(two, desk.fingerprint) == [("lxseed-desk", "client")]
    # Everybody else hears nothing of it.
    stranger = desk.alone(two, pair=False)
    assert stranger["auth"] == "untrusted" and not stranger.get("config"), stranger

    # With node2 there would be a majority.
    one.boot()
    one.await_said("node2 has not got past its disks (At the desk: lxseed status)")
    time.sleep(2)
    assert "founding the cluster" not in one.journal(), one.journal()[-600:]
    wait(10, "node1 tells for whom it waits", lambda: desk.told(one).startswith(
        "waiting cluster to found the cluster three a majority of its 3 hosts has to answer as never clustered: node1 does;"))
    at_init(one, "hold")
    three.boot()
    # node1 founds with node3. What it told is not to become the cluster's, and is told again when that was in vain.
    cut_at_init(one)
    wait(20, "node1 tells again", lambda: desk.told(one))
    for host in (one, three):
        host.await_member()

    # node2's disk is put right; its join fails, then the power is cut before it.
    at_init(two, "fail")
    run("blkdiscard", two.loops["d1"])
    run("blockdev", "--flushbufs", two.loops["d1"])
    two.restart_unit()
    wait(60, "node2 tells of it", lambda: desk.told(two).startswith("waiting cluster the cluster does not take this host yet: Error: Failed"))
    two.inside("sh", "-c", "echo hold >/etc/bench/init")
    cut_at_init(two)
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    for host in b.hosts.values():
        assert entries(host, desk.fingerprint) == [("lxseed-desk", "client")], entries(host, desk.fingerprint)
        assert trusted(host, "client") == ["lxseed-desk"], trusted(host, "client")
        assert trusted(host) == ["node1", "node2", "node3"], trusted(host)
        assert desk.ask(host)["auth"] == "trusted"
        wait(10, "%s tells that it is done" % host.name, lambda h=host: desk.words(h, one) == ("done seal ", h.instance()))
    assert KEY not in desk.ask(one)["config"], "what node1 told before is the cluster's now"

    another_seed_lies_open(stage, desk, two, one)
    retired(desk, one, three, the_desk_lets_in(stage, desk, one))


def another_seed_lies_open(stage, desk, host, other):
    """Between the planting of another seed and its seal, the cluster does not say that the host is sealed."""
    before = host.noted("sealed")
    assert desk.words(host, other)[1] == before
    again = stage.build("three", [("cluster.yaml", "  user: ops\n", "  user: opal\n")], into="again")
    host.plant(again / "three" / host.name)
    # As cloud-init does at a boot; it has not ended before it says so.
    host.inside("sh", "-c", "echo 1 >/etc/bench/speed; rm -f /run/cloud-init/result.json; mkdir -p /run/cloud-init; "
                "systemctl stop lxseed-firstboot; rm -f /var/log/unit-state /run/units/lxseed-firstboot.service")
    seen, over = [], threading.Event()

    def watch():
        while not over.is_set():
            seen.append(desk.words(host, other)[1])
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    host.inside("/opt/bench/boot")
    wait(60, "%s seals again" % host.name, host.sealed)
    over.set()
    watcher.join()
    host.inside("sh", "-c", "echo 20 >/etc/bench/speed")
    expect_no_keys(host)
    order = [value for at, value in enumerate(seen) if at == 0 or seen[at - 1] != value]
    assert order[:2] == [before, ""], order
    wait(10, "%s tells that it is sealed" % host.name, lambda: desk.words(host, other) == ("done seal ", host.instance()))
    assert host.instance() != before


def the_desk_lets_in(stage, desk, one):
    """What the desk has let in stays, though the founder's seed does not declare it."""
    larger = stage.build("three", [with_node4()], into="larger")
    mine = larger / "three/node4/server.crt"
    other = stage.folder / "other.crt"
    other.write_text(certificate(stage.folder, "other"))
    for path, name in ((mine, "node4"), (other, "node5")):
        desk.admit(one, name, path)
    code, said = one.firstboot("cluster")
    assert code == 0, said
    assert trusted(one) == ["node1", "node2", "node3", "node4", "node5"], trusted(one)
    for path, name in ((mine, "node4"), (other, "node5")):
        desk.ask(one, "/1.0/certificates/" + fingerprint_of(path), "DELETE")
        desk.patch(one, **{"user.lxseed.server." + name: ""})
    return other


def retired(desk, one, gone, other):
    """The desk takes a member out and says that its very certificate is not wanted any more: no script and no reboot trusts it
    again, and the machine itself says so when it boots. OTHER is another machine's of that name."""
    mine = fingerprint_of(gone.seed / "server.crt")
    hasty(one)
    gone.power_cut()
    await_offline(one, gone.name)
    desk.patch(one, **{"user.lxseed.retired." + gone.name: "%064d,%s" % (0, mine)})
    desk.ask(one, "/1.0/cluster/members/%s?force=1" % gone.name, "DELETE")
    wait(20, "%s is out" % gone.name, lambda: gone.name not in members(one))
    # As if the ledger had never heard of it, which is when it would be trusted.
    desk.patch(one, **{"user.lxseed.server." + gone.name: ""})
    for again in (False, True):
        if again:
            one.power_cut()
            one.boot()
            wait(40, "node1 answers", lambda: one.status().startswith("done:"))
        code, said = one.firstboot("cluster")
        assert code == 0, said
        assert ("%s was retired at the desk, with the certificate %s" % (gone.name, mine[:12]) in said) is not again, said
        assert trusted(one) == ["node1", "node2"], trusted(one)
    code, said = one.firstboot("trust", gone.name)
    assert code == 78 and "was retired at the desk with this very certificate" in said, said
    gone.boot()
    wait(60, "%s says so" % gone.name, gone.problem)
    expect_all(gone.problem(), "the cluster three (asked node1) does not trust this machine's certificate any more: it was retired there, "
               "or its keys were rotated. At the desk: lxseed status")
    assert gone.status() == "STOPPED at " + gone.problem(), gone.status()
    assert trusted(one) == ["node1", "node2"], trusted(one)
    # Another generation is another machine, and what the desk has let in later than the seed was made stays.
    desk.admit(one, gone.name, other)
    desk.patch(one, **{"user.lxseed.retired." + gone.name: "%064d" % 0})
    code, said = one.firstboot("cluster")
    assert code == 0 and "node3 was let in under the certificate %s" % fingerprint_of(other)[:12] in said, said
    assert entries(one, fingerprint_of(other)) == [(gone.name, "server")] and entries(one, mine) == [], trusted(one)
    code, said = one.firstboot("trust", gone.name)
    assert code == 0 and trusted(one) == ["node1", "node2", "node3"], said
    for verb in ("stop", "start"):
        gone.inside("/opt/bench/bin/lxd-daemon", verb)
    wait(60, "%s is content" % gone.name, lambda: not gone.problem())


@test
def without_a_desk(stage):
    """`desk: none`: nobody is trusted, nothing is told, and the messages name the commands on a member."""
    b = stage.bench("three", speed=60, edits=[NO_DESK])
    host = b.add("node1")
    put_on(host, "d1", ext4)
    # An earlier seed has left it.
    path = host.upper / "etc/lxseed/desk.crt"
    path.parent.mkdir(parents=True)
    path.write_text(certificate(stage.folder, "desk"))
    host.boot()
    host.await_stopped()
    assert host.api("/1.0/certificates") == [], host.api("/1.0/certificates")
    assert not [key for key in host.api("/1.0")["config"] if key.startswith("user.")], host.api("/1.0")["config"]

