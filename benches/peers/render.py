"""What an administrator would write instead: PyYAML and jinja2, one folder per host.

render.py SITE OUT [--no-keys]

It writes the same kinds of files of about the same sizes. It checks nothing, reads nothing back, syncs nothing, and what it
writes is not repeatable. With --no-keys it makes no certificates and SSH host keys either.
"""

import base64
import gzip
import json
import pathlib
import sys

import jinja2
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PARTS = ["common", "preflight", "purge", "snapd", "disks", "volumes", "lxd", "cluster", "verify", "seal", "main"]
CONSTANT = "\n".join((ROOT / f"templates/firstboot/{part}.sh").read_text() for part in PARTS)
UNIT = (ROOT / "templates/firstboot/lxseed-firstboot.service").read_text()

ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
ENVIRONMENT.filters["json"] = json.dumps
ENVIRONMENT.filters["b64"] = lambda text: base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()

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


def pair(name):
    """A P-256 key and a self-signed certificate for it, by OpenSSL."""
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


def ssh_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain).decode()


def load(path):
    return [document for document in yaml.load_all(path.read_text(), yaml.SafeLoader) if document]


def main():
    site, out = (pathlib.Path(argument) for argument in sys.argv[1:3])
    with_keys = "--no-keys" not in sys.argv
    packed = gzip.compress(CONSTANT.encode(), 9, mtime=0)
    for file in sorted(site.glob("*/cluster.yaml")):
        [cluster] = load(file)
        models = {model["name"]: model for path in sorted(file.parent.glob("disks/*.yaml")) for model in load(path)}
        hosts = [host for path in sorted(file.parent.glob("hosts/*.yaml")) for host in load(path)]
        certificate, private = pair(cluster["name"]) if with_keys else ("", "")
        pairs = {host["name"]: pair(host["name"]) if with_keys else ("", "") for host in hosts}
        for host in hosts:
            model = models[host["disks"]]
            slots = {name: dict(slot) for name, slot in model.get("slots", {}).items()}
            for name, slot in host.get("slots", {}).items():
                slots.setdefault(name, {}).update(slot)
            names = {"host": host, "cluster": cluster, "members": hosts, "slots": slots, "volumes": model["volumes"]}
            names["keys"] = {"ssh": ssh_key() if with_keys else "", "cluster": certificate}
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
            folder = out / cluster["name"] / host["name"]
            folder.mkdir(parents=True)
            (folder / "user-data").write_text(USER_DATA.render(names, files=files))
            (folder / "meta-data").write_text(META_DATA.render(names))
            (folder / "network-config").write_text(NETWORK_CONFIG.render(names))
            (folder / "lxd-preseed.yaml").write_text(preseed)
            (folder / "lxseed-firstboot").write_text(values + CONSTANT)
            (folder / "lxseed-firstboot.service").write_text(UNIT)


main()
