"""Another LXD on every member of a living cluster, over ssh: real LXD daemons, a real sshd, and a snap that is none."""
import json
import os
import re
import signal
import subprocess
import time

from bench import Failed, run, wait
from scenarios import all_at_once, test
from scenarios_life import expect_all, expect_same, put_records
from scenarios_verbs import Desk, SITES

WISH = ("upgrade", "--channel", "5.0/candidate")


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

    def begin(self, *words):
        """The same as `call`, and not waited for."""
        return subprocess.Popen(["ip", "netns", "exec", self.b.wire, self.stage.program, *map(str, words), "--secret-file", str(self.secret)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.stage.folder,
                                env=self.environment)

    def call(self, *words, secret=None, seconds=300, errors=subprocess.STDOUT):
        done = subprocess.run(["ip", "netns", "exec", self.b.wire, self.stage.program, *map(str, words), "--secret-file",
                               str(secret or self.secret)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                              text=True, check=False, cwd=self.stage.folder, timeout=seconds, env=self.environment)
        return done.returncode, done.stdout


def with_key(stage):
    """The edit that lets a new key of the desk in."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", stage.folder / "id")
    known = re.search(r'ssh_authorized_keys: \["(.*?)"\]', (SITES / "three/cluster.yaml").read_text())[1]
    return ("cluster.yaml", known, (stage.folder / "id.pub").read_text().strip())


def let_in(b):
    hosts = b.add_all()
    for host in hosts:
        host.setting("sshd", "yes")
    return hosts


def revision(host):
    return json.loads(host.text("/var/lib/bench-snap.json"))["snaps"]["lxd"]


def extensions(host):
    return len(host.api("/1.0")["api_extensions"])


@test
def upgraded(stage):
    """Three members get another LXD."""
    b = stage.bench("three", speed=20, edits=[with_key(stage)])
    desk = Person(stage, b)
    for host in let_in(b):
        host.boot()
    one, two, three = b.hosts.values()
    for host in b.hosts.values():
        host.await_sealed()
    b.expect_formed()
    put_records(one, two)
    print(desk.call(*WISH, desk.site), flush=True)
    for host in b.hosts.values():
        print(host.name, revision(host), extensions(host), flush=True)
    print(desk.call(*WISH, desk.site), flush=True)
