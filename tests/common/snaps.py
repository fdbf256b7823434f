#!/usr/bin/env python3
"""Makes a small snap and its assertions as `snap download` leaves them: snaps.py FOLDER NAME REVISION VERSION [BASE [PACKING]].

The snap is a real squashfs with a snap.yaml; the signatures are nobody's. The same words make the same bytes.
"""
import base64
import hashlib
import pathlib
import subprocess
import sys
import tempfile

EPOCH = "1524700800"
SIGNATURE = "AcLBUgQAAQoABgUCWBsT3QAKCRCuieT/1PiUiA==\n"


def make(folder, name, revision, version, base="", packing="xz", architecture="amd64"):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    snap = folder / ("%s_%s.snap" % (name, revision))
    with tempfile.TemporaryDirectory() as tree:
        meta = pathlib.Path(tree, "meta")
        meta.mkdir()
        kind = "app" if base else "snapd" if name == "snapd" else "base"
        text = "name: %s\nversion: %s\nsummary: a test\ntype: %s\n" % (name, version, kind)
        text += "base: %s\n" % base if base else ""
        (meta / "snap.yaml").write_text(text + "architectures:\n- %s\nconfinement: strict\n" % architecture)
        snap.unlink(missing_ok=True)
        subprocess.run(["mksquashfs", tree, str(snap), "-noappend", "-comp", packing, "-all-root", "-no-xattrs", "-no-exports",
                        "-nopad", "-mkfs-time", EPOCH, "-all-time", EPOCH], check=True, stdout=subprocess.DEVNULL)
    write_assertions(snap, name, revision)
    return snap


def write_assertions(snap, name, revision):
    """For the bytes that the snap has now."""
    data = snap.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha3_384(data).digest()).decode()
    identity = hashlib.sha256(name.encode()).hexdigest()[:32]
    parts = [
        {"type": "account-key", "authority-id": "canonical", "account-id": "canonical", "name": "store", "body-length": "6",
         "sign-key-sha3-384": "-CvQKAwRQ5h3Ffn10FILJoEZUXOv6km9FwA80", "": "AcbBTQ"},
        {"type": "snap-declaration", "format": "1", "authority-id": "canonical", "series": "16", "snap-id": identity,
         "aliases": "\n  -\n    name: none\n    target: none", "publisher-id": "canonical", "snap-name": name,
         "timestamp": "2023-01-01T00:00:00.000000Z", "sign-key-sha3-384": "BWDEoaqyr25nF5SNCvEv2v7QnM9QsfCc0PBMYD"},
        {"type": "snap-revision", "authority-id": "canonical", "snap-sha3-384": digest, "developer-id": "canonical",
         "snap-id": identity, "snap-revision": str(revision), "snap-size": str(len(data)),
         "timestamp": "2023-01-01T00:00:00.000000Z", "sign-key-sha3-384": "BWDEoaqyr25nF5SNCvEv2v7QnM9QsfCc0PBMYD"},
    ]
    texts = []
    for headers in parts:
        body = headers.pop("", "")
        lines = ["%s:%s%s" % (key, "" if value.startswith("\n") else " ", value) for key, value in headers.items()]
        texts.append("\n".join(lines) + "\n\n" + (body + "\n\n" if body else "") + SIGNATURE)
    snap.with_suffix(".assert").write_text("\n".join(texts))


def bundle(folder):
    """What a site of channel 5.0/stable needs."""
    make(folder, "snapd", 20092, "2.60.3")
    make(folder, "core20", 1974, "20230622")
    make(folder, "lxd", 24322, "5.0.2-838e1b2", "core20")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        bundle(sys.argv[1])
    else:
        make(*sys.argv[1:])
