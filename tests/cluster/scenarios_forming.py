"""How long forming takes, in real time. LXSEED names the program whose first boot is measured, so that two can be run in turn;
LXSEED_BENCH_SIZES how many hosts form (2 3 5 8).
"""
import os
import time

from bench import Failed
from scenarios import test

# Whatever a machine of this size is busy with.
LIMIT = 600
# How the bootstrap host says so; before it asked others, it was the second.
FOUNDING = ("founding the cluster", "forming the cluster")


class Watch:
    """Seconds from the beginning until each host has first said something, or its first boot has ended."""

    def __init__(self, hosts, words):
        self.hosts, self.words, self.seen = hosts, words, {}
        self.began = time.monotonic()

    def until_exited(self):
        while len([1 for _, what in self.seen if what == "exited"]) < len(self.hosts):
            for host in self.hosts:
                journal = host.journal()
                for word in self.words:
                    if word in journal:
                        self.seen.setdefault((host.name, word), time.monotonic() - self.began)
                if host.state() == "exited":
                    self.seen.setdefault((host.name, "exited"), time.monotonic() - self.began)
                elif host.stopped():
                    raise Failed("%s stopped: %s" % (host.name, host.problem()))
            if time.monotonic() - self.began > LIMIT:
                raise Failed("not formed within %d s: %s" % (LIMIT, [(host.name, host.stage()) for host in self.hosts]))
            time.sleep(0.02)

    def last(self, what):
        return max(self.seen[host.name, what] for host in self.hosts)


def init_seconds(hosts):
    """What `lxd init` itself took, all of them together."""
    lines = [line.split() for host in hosts for line in host.text("/var/log/lxd-init").splitlines()]
    return sum(float(end) - float(start) for start, end in lines)


@test
def forming(stage):
    """Figures: 2, 3, 5 and 8 hosts switched on together, at a clock's own speed."""
    rows = ["    %5s %12s %12s %12s %12s %14s" % ("hosts", "founded at", "all members", "all sealed", "lxd init", "beyond init")]
    for count in map(int, os.environ.get("LXSEED_BENCH_SIZES", "2 3 5 8").split()):
        site = {2: "two", 3: "three", 5: "five", 8: "eight"}[count]
        b = stage.bench(site, out=stage.build(site, into="forming-" + site), speed=1)
        hosts = b.add_all()
        assert len(hosts) == count, len(hosts)
        watch = Watch(hosts, ("cluster: done", *FOUNDING))
        for host in hosts:
            host.boot()
        watch.until_exited()
        b.expect_formed()
        init, sealed = init_seconds(hosts), watch.last("exited")
        founded = min(watch.seen[key] for key in watch.seen if key[1] in FOUNDING)
        rows.append("    %5d %10.1f s %10.1f s %10.1f s %10.1f s %12.1f s" % (
            count, founded, watch.last("cluster: done"), sealed, init, sealed - init))
        b.close()
    return "seconds from power-on\n" + "\n".join(rows)


@test
def asking_first(stage):
    """To ask before founding costs at most 3 seconds: with all others there, and with one that does not answer."""
    spent = []
    out = stage.build("three")
    for there in (("node2", "node3"), ("node3",)):
        b = stage.bench("three", out=out, speed=1)
        one, *joiners = b.add_all()
        for host in joiners:
            # A machine that is off refuses nothing; nobody answers for it at all.
            host.cable(host.name in there)
        joiners = [host for host in joiners if host.name in there]
        for host in joiners:
            host.boot()
        for host in joiners:
            host.await_said("waiting: the bootstrap host node1 does not answer")
        one.boot()
        marks = {}
        while "founding the cluster" not in marks:
            journal = one.journal()
            for word in ("node1 disks: done", "founding the cluster"):
                if word in journal:
                    marks.setdefault(word, time.monotonic())
            if one.stopped() or one.state() == "exited":
                raise Failed("node1 did not found: %s" % one.problem())
            time.sleep(0.02)
        spent.append(marks["founding the cluster"] - marks["node1 disks: done"])
        b.close()
    # Half a second to a second lay between the two before there was a question; a busy machine makes more of it.
    assert spent[0] < 3 and spent[1] < 3 + 2, spent
    return "%.1f s with all there, %.1f s with one off" % tuple(spent)
