"""What an administrator would write instead: PyYAML and jinja2, one folder per host.

render.py SITE OUT [--keys tools|cryptography|none]

It writes the same files as `lxseed build --no-seed-iso`, of about the same sizes and with the same modes, and syncs once. It
checks nothing and reads nothing back, a second run replaces a tree file by file, and what it writes is not repeatable. Keys and
certificates come from `openssl` and `ssh-keygen`, which every machine has, or without a process for each from the package
cryptography.
"""

import base64
import gzip
import hashlib
import ipaddress
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

import jinja2
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIRST_BOOT = (
    "common preflight purge snapd ../common/disks layers disks volumes peers desk lxd cluster trust verify seal converge main"
)
CONSTANT = "\n".join((ROOT / f"templates/first-boot/{part}.sh").read_text() for part in FIRST_BOOT.split())
UNIT = (ROOT / "templates/first-boot/lxseed-firstboot.service").read_text()

ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
ENVIRONMENT.filters["json"] = json.dumps
ENVIRONMENT.filters["b64"] = lambda text: base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()

INSTALLER = jinja2.Environment(
    block_start_string="<%",
    block_end_string="%>",
    variable_start_string="<{",
    variable_end_string="}>",
    comment_start_string="<#",
    comment_end_string="#>",
    keep_trailing_newline=True,
)
ANSWERS = INSTALLER.from_string((ROOT / "templates/installer/debian/preseed.cfg").read_text())
ANSWERS_VALUES = INSTALLER.overlay(finalize=lambda value: shlex.quote(str(value))).from_string(
    (ROOT / "templates/installer/debian/values.sh").read_text()
)


def printf(text):
    """As the shell's `printf` prints it, between single quotes."""
    for plain, escaped in (("\\", "\\\\"), ("\n", "\\n"), ("%", "%%"), ("'", "\\047")):
        text = text.replace(plain, escaped)
    return text


IN_THE_INSTALLER = "common ../../common/disks host installed stages"
ANSWERS_CONSTANT = printf(
    "\n".join((ROOT / f"templates/installer/debian/{part}.sh").read_text() for part in IN_THE_INSTALLER.split())
)

VALUES = ENVIRONMENT.from_string("""#!/bin/bash
HOST='{{ host.name }}'
ADDRESS='{{ host.network.address }}'
CLUSTER='{{ cluster.name }}'
BOOTSTRAP='{{ cluster.bootstrap }}'
CHANNEL='{{ cluster.lxd.channel }}'
MEMBERS=({% for member in members %}'{{ member.name }}' {% endfor %})
ADDRESSES=({% for member in members %}'{{ member.network.address }}' {% endfor %})
SLOTS=({% for name in slots %}'{{ name }}' {% endfor %})
WAYS=({% for slot in slots.values() %}'{{ slot | json }}' {% endfor %})
VOLUMES=({% for name in volumes %}'{{ name }}' {% endfor %})
KINDS=({% for volume in volumes.values() %}'{{ volume | json }}' {% endfor %})
POOLS=({% for name in cluster.pools %}'{{ name }}' {% endfor %})
DRIVERS=({% for pool in cluster.pools.values() %}'{{ pool.driver }}' {% endfor %})
""")

USER_DATA = ENVIRONMENT.from_string("""#cloud-config
hostname: {{ host.name | json }}
users:
  - name: {{ cluster.admin.user | json }}
    ssh_authorized_keys: {{ cluster.admin.ssh_authorized_keys | json }}
ssh_keys:
  ed25519_private: {{ keys.ssh | json }}
write_files:
{% for file in files %}
  - path: {{ file.path | json }}
    permissions: {{ file.mode | json }}
    encoding: {{ file.encoding | json }}
    content: {{ file.content | b64 | json }}
{% endfor %}
runcmd:
  - [sh, -c, "systemctl start --no-block lxseed-firstboot.service"]
""")

META_DATA = ENVIRONMENT.from_string("""instance-id: {{ host.name }}-1
local-hostname: {{ host.name }}
""")

NETWORK_CONFIG = ENVIRONMENT.from_string("""version: 2
ethernets:
  lan:
    match: {macaddress: {{ host.network.mac | json }}}
    addresses: ["{{ host.network.address }}/24"]
    gateway4: {{ cluster.network.gateway | json }}
    nameservers: {addresses: {{ cluster.network.nameservers | json }}, search: {{ cluster.network.search | json }}}
""")

PRESEED = ENVIRONMENT.from_string("""cluster:
  server_name: {{ host.name | json }}
  enabled: true
  server_address: "{{ host.network.address }}:8443"
  cluster_certificate: {{ keys.cluster | json }}
  member_config:
{% for name in cluster.pools %}
    - {entity: storage-pool, name: {{ name | json }}, key: source, value: /dev/lxseed/{{ name }}}
{% endfor %}
""")


class Cryptography:
    """Keys of the same kinds as lxseed's, by the package cryptography, which is OpenSSL without its program."""

    def pair(self, name):
        import datetime

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        begin = datetime.datetime(2026, 11, 21)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + datetime.timedelta(days=3650))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
            .sign(key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()

    def ssh(self, name):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519

        key = ed25519.Ed25519PrivateKey.generate()
        plain = serialization.NoEncryption()
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return private.decode(), f"{public.decode()} {name}"


class Tools:
    """The same by the programs that are at hand everywhere."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()

    def file(self, name):
        return pathlib.Path(self.folder.name) / name

    def pair(self, name):
        key = self.file("key")
        options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-keyout", key]
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
        made = subprocess.run(["openssl", "req", "-x509", *options, *subject], check=True, capture_output=True, text=True)
        return made.stdout, key.read_text()

    def ssh(self, name):
        key, public = self.file("ssh"), self.file("ssh.pub")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], check=True)
        texts = key.read_text(), public.read_text().strip()
        key.unlink()
        return texts


class NoKeys:
    """None at all."""

    def pair(self, name):
        return "", ""

    def ssh(self, name):
        return "", ""


class Tree:
    """What is written, and the lists of it."""

    def __init__(self, top):
        self.top = top
        self.files = []
        os.makedirs(top, mode=0o700)

    def write(self, path, text, mode=0o644):
        content = text.encode()
        target = self.top / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        digest = hashlib.sha256(content).hexdigest()
        self.files.append({"path": str(path), "size": len(content), "mode": f"{mode:04o}", "sha256": digest})

    def finish(self):
        files = sorted(self.files, key=lambda file: file["path"])
        (self.top / "manifest.json").write_text("[\n" + ",\n".join(map(json.dumps, files)) + "\n]\n")
        (self.top / "SHA256SUMS").write_text("".join(f"{file['sha256']}  {file['path']}\n" for file in files))
        subprocess.run(["sync", "-f", self.top], check=True)


def answers(cluster, host, slots, volumes):
    """preseed.cfg."""
    network = ipaddress.ip_network(cluster["network"]["subnet"])
    os_slot = "os"
    lines = [" ".join([*(f"{way} {value}" for way, value in slot.items()), name]) for name, slot in slots.items()]
    names = {
        "host": host["name"],
        "cluster": cluster["name"],
        "mac": host["network"]["mac"],
        "os_slot": os_slot,
        "slots": "\n".join(lines),
    }
    mirrored = any("mirror" in volume for volume in volumes.values())
    script = printf(ANSWERS_VALUES.render(names) + "\n") + ANSWERS_CONSTANT
    return ANSWERS.render(
        names,
        network={
            "address": host["network"]["address"],
            "netmask": str(network.netmask),
            "gateway": cluster["network"]["gateway"],
            "nameservers": " ".join(cluster["network"]["nameservers"]),
            "domain": next(iter(cluster["network"].get("search", [])), ""),
        },
        hwe=cluster["kernel"] == "hwe",
        packages="cloud-init openssh-server snapd curl" + (" mdadm" if mirrored else ""),
        user=cluster["admin"]["user"],
        password="!",
        script=f"'{script}'",
    )


def load(path):
    return [document for document in yaml.load_all(path.read_text(), yaml.SafeLoader) if document]


def main():
    site, out = (pathlib.Path(argument) for argument in sys.argv[1:3])
    how = sys.argv[sys.argv.index("--keys") + 1] if "--keys" in sys.argv else "tools"
    keys = {"tools": Tools, "cryptography": Cryptography, "none": NoKeys}[how]()
    tree = Tree(out)
    packed = gzip.compress(CONSTANT.encode(), 9, mtime=0)
    for file in sorted(site.glob("*/cluster.yaml")):
        [cluster] = load(file)
        models = {model["name"]: model for path in sorted(file.parent.glob("disks/*.yaml")) for model in load(path)}
        hosts = [host for path in sorted(file.parent.glob("hosts/*.yaml")) for host in load(path)]
        certificate, private = keys.pair(cluster["name"])
        pairs = {host["name"]: keys.pair(host["name"]) for host in hosts}
        ssh = {host["name"]: keys.ssh(host["name"]) for host in hosts}
        for host in hosts:
            model = models[host["disks"]]
            slots = {name: dict(slot) for name, slot in model.get("slots", {}).items()}
            for name, slot in host.get("slots", {}).items():
                slots.setdefault(name, {}).update(slot)
            names = {"host": host, "cluster": cluster, "members": hosts, "slots": slots, "volumes": model["volumes"]}
            names["keys"] = {"ssh": ssh[host["name"]][0], "cluster": certificate}
            values = VALUES.render(names)
            preseed = PRESEED.render(names)
            tls = "/etc/lxseed/tls/"

            def plain(path, mode, content):
                return {"path": path, "mode": mode, "encoding": "b64", "content": content}

            script = {"path": "/usr/local/sbin/lxseed-firstboot", "mode": "0755", "encoding": "gz+b64"}
            script["content"] = gzip.compress(values.encode(), 9, mtime=0) + packed
            files = [
                script,
                plain("/etc/systemd/system/lxseed-firstboot.service", "0644", UNIT),
                plain("/etc/lxseed/lxd-preseed.yaml", "0600", preseed),
                plain(tls + "server.crt", "0644", pairs[host["name"]][0]),
                plain(tls + "server.key", "0600", pairs[host["name"]][1]),
                plain(tls + "cluster.crt", "0644", certificate),
            ]
            if host["name"] == cluster["bootstrap"]:
                files.append(plain(tls + "cluster.key", "0600", private))
                files += [
                    plain(f"/etc/lxseed/trust/servers/{name}.crt", "0644", crt) for name, (crt, _) in pairs.items()
                ]
            folder = pathlib.Path(cluster["name"]) / host["name"]
            tree.write(folder / "user-data", USER_DATA.render(names, files=files), 0o600)
            tree.write(folder / "meta-data", META_DATA.render(names))
            tree.write(folder / "network-config", NETWORK_CONFIG.render(names))
            tree.write(folder / "preseed.cfg", answers(cluster, host, slots, model["volumes"]), 0o600)
            tree.write(folder / "lxd-preseed.yaml", preseed)
            tree.write(folder / "lxseed-firstboot", values + CONSTANT, 0o755)
            tree.write(folder / "lxseed-firstboot.service", UNIT)
        lines = [f"{host['name']},{host['network']['address']} {ssh[host['name']][1]}\n" for host in hosts]
        tree.write(pathlib.Path(cluster["name"]) / "known_hosts", "".join(lines))
        tree.write(pathlib.Path(cluster["name"]) / "cluster.crt", certificate)
    tree.finish()


main()
