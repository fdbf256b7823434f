"""What a whole installation stands on, made once and kept in tests/.cache/whole, in a folder named after the digest of this recipe.

Ubuntu's installer cannot be had by a package manager, and of Debian 12's only pieces. Of Debian 13's everything can: its
kernel, its initrd, every udeb of the standard set, partman and grub-installer among them, and the packages of a system.
They take the place of the stand-in's kernel and initrd (parts.py), beside a mirror. What is not
Debian's own, and why:

* The kernel's modules: the udebs that hold them are not kept for this build of the kernel. They are taken from the package
  of the same kernel, without compression and with their index made here, which takes minutes in an emulated machine.
* The udebs are unpacked into the initrd by its own udpkg, as an image for CDs has them, and not at every start.
* One udeb's build can be missing from the archive; the build before it is taken.
* The mirror holds what is needed and no more, so apt reads an index of some hundred packages. It is not signed.
* whole/answers and whole/hook: see there.
"""
import collections
import fcntl
import gzip
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess

import parts
from parts import run

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "whole"
SUITE = "trixie"
ARCHIVE = "http://deb.debian.org/debian"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
NETBOOT = "debian-installer-13-netboot-amd64"
# Udebs that 18.04's installer has no counterpart of, or that nothing here could use; the last one cannot be had.
LEFT_OUT = {"depthcharge-tools-installer", "kickseed-common", "partman-cros", "partman-iscsi", "partman-jfs", "partman-xfs",
            "systemd-boot-installer", "live-installer", "ntfs-3g-udeb"}
# The same in 18.04's set by other means.
ADDED = {"partman-auto-lvm", "partman-lvm", "partman-partitioning", "grub-installer", "os-prober-udeb"}
# With all that they depend on, but for the last ones: modprobe finds them by what they do. partman-md and partman-lvm stop where the kernel has neither md nor dm.
MODULES = ["virtio_pci", "virtio_net", "virtio_blk", "ahci", "sd_mod", "sr_mod", "isofs", "ext4", "vfat", "nls_ascii", "nls_cp437",
           "nls_iso8859-1", "nls_utf8", "md_mod", "raid0", "raid1", "raid10", "raid456", "dm_mod", "dm_crypt", "dm_mirror",
           "dm_snapshot", "loop", "efivarfs", "virtio_rng",
           "crc32c_generic", "crc32c_intel"]
# The kernel of the new system: the same source with the drivers of a virtual machine alone, so that an emulated one makes
# its initramfs in a quarter of the time.
KERNEL = "linux-image-cloud-amd64"
# What the installer and our answers put on a system beside the packages of priority required. Those of priority important are
# left to what depends on them, but for what the installer itself leans on: an emulated machine takes seconds for each. mdadm, which
# partman-md asks for where there is any mirror, is left out: it would start the one on the data disks in the new system.
SYSTEM = [KERNEL, "init", "systemd-sysv", "udev", "kmod", "apt", "iproute2", "ifupdown", "netbase", "procps", "adduser", "passwd", "login", "e2fsprogs",
          "debconf-i18n", "lsb-release",
          "initramfs-tools", "zstd", "busybox", "locales", "console-setup", "keyboard-configuration", "sudo", "tasksel",
          "popularity-contest", "eject", "dbus", "libpam-systemd", "debian-archive-keyring", "ca-certificates",
          # Of our answers.
          "cloud-init", "openssh-server", "snapd", "curl", "dosfstools"]
LOADERS = ["grub-pc", "grub-efi-amd64", "efibootmgr"]

Whole = collections.namedtuple("Whole", "iso mirror")


def say(words):
    parts.say("whole: " + words)


def make(stand_in, packages):
    """The image, with the stand-in's layout as it is today, and the mirror, with the packages of a system or without."""
    CACHE.mkdir(parents=True, exist_ok=True)
    parts.PACKAGES["zstd"] = "/usr/bin/zstd"
    parts.install_packages()
    own = [HERE / "whole.py", *sorted((HERE / "whole/root").rglob("*"))]
    recipe = b"".join(path.read_bytes() for path in own if path.is_file())
    folder = CACHE / hashlib.sha256(recipe).hexdigest()[:16]
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        part = CACHE / "part"
        shutil.rmtree(part, ignore_errors=True)
        if not folder.exists():
            part.mkdir()
            initrd(part, Apt(CACHE / "apt"))
            mirror(part / "bare", [], {})
            for old in CACHE.iterdir():
                if re.fullmatch("[0-9a-f]{16}", old.name):
                    shutil.rmtree(old, ignore_errors=True)
            part.rename(folder)
        if packages and not (folder / "mirror").exists():
            apt = Apt(CACHE / "apt")
            mirror(part, apt.index(), system(apt))
            part.rename(folder / "mirror")
        image(folder, stand_in)
    return Whole(folder / "whole.iso", folder / ("mirror" if packages else "bare"))


class Apt:
    """apt for another suite than this machine's, with lists and a cache of its own: what was fetched once stays."""

    def __init__(self, folder):
        self.folder = folder
        for name in ["lists/partial", "cache/archives/partial", "files"]:
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text("deb [signed-by=%s] %s %s main\n" % (KEYS, ARCHIVE, SUITE))
        self.options = ["-o", "Dir::Etc::sourcelist=%s" % (folder / "sources.list"), "-o", "Dir::Etc::sourceparts=/dev/null",
                        "-o", "Dir::State::lists=%s" % (folder / "lists"), "-o", "Dir::Cache=%s" % (folder / "cache"),
                        "-o", "Dir::State::status=/dev/null", "-o", "Acquire::Languages=none",
                        "-o", "APT::Install-Recommends=false"]
        say("reading the index of Debian's %s" % SUITE)
        parts.apt(*self.options, "update")

    def fetch(self, *packages):
        """These packages with all that they need; the paths of their files by name."""
        parts.apt(*self.options, "--download-only", "install", *packages)
        said = run("apt-get", "-y", "--print-uris", "-o", "Dir::Cache::archives=/nonexistent", *self.options, "install", *packages,
                   env=dict(os.environ, LC_ALL="C"))
        names = re.findall(r"^'\S+' (\S+\.deb) ", said, re.M)
        return {name: self.folder / "cache/archives" / name for name in names}

    def index(self):
        return paragraphs(run("apt-cache", *self.options, "dumpavail"))

    def file(self, path):
        """A file of the archive that no index of apt's has, or None."""
        there = self.folder / "files" / path.replace("/", "_")
        if not there.exists():
            part = there.with_suffix(".part")
            done = subprocess.run(["/usr/lib/apt/apt-helper", "-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3",
                                   "download-file", "%s/%s" % (ARCHIVE, path), str(part)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if done.returncode:
                return None
            part.rename(there)
        return there


def paragraphs(text):
    """Each as it stands, and its fields."""
    found = []
    for one in re.split(r"\n\n+", text.strip()):
        fields = dict(re.findall(r"^(\S+?): *(.*)$", one, re.M))
        if "Package" in fields:
            found.append((one, fields))
    return found


# ---- the installer --------------------------------------------------------------------------------------------------


def initrd(part, apt):
    say("unpacking Debian 13's installer")
    archives = apt.fetch(NETBOOT)
    for name, file in archives.items():
        if name.startswith(NETBOOT):
            run("dpkg-deb", "-x", file, part / "netboot")
    images = next((part / "netboot").glob("usr/lib/debian-installer/images/*/amd64/text/debian-installer/amd64"))
    shutil.copy(images / "linux", part / "linux")
    root = part / "installer"
    root.mkdir()
    subprocess.run("zcat %s | cpio -idm --quiet" % (images / "initrd.gz"), shell=True, cwd=root, check=True)
    shutil.rmtree(part / "netboot")
    modules(part, root, apt)
    udebs(part, root, apt)
    # A menu item of its own, once the network stands.
    shutil.copytree(HERE / "whole/root", root, dirs_exist_ok=True)
    status = root / "var/lib/dpkg/status"
    status.write_text(status.read_text().rstrip("\n") + """

Package: test-answers
Status: install ok unpacked
Version: 1
Depends: configured-network
Description: gives the answers that Debian 13 needs beside those for Ubuntu 18.04
Installer-Menu-Item: 1900

""")
    say("packing it again")
    # Its kernel unpacks this in a fraction of the time that gzip takes it.
    subprocess.run("find . | sort | cpio -o -H newc --quiet | zstd -q -9 -T2 >../initrd.zst", shell=True, cwd=root, check=True)


def modules(part, root, apt):
    version = next((root / "usr/lib/modules").iterdir()).name
    archives = apt.fetch("linux-image-" + version)
    kernel = part / "kernel"
    for name, file in archives.items():
        if name.startswith("linux-image-" + version):
            run("dpkg-deb", "-x", file, kernel)
    source = next(path for path in [kernel / "usr/lib/modules", kernel / "lib/modules"] if path.exists()) / version
    there = {path.name.split(".ko")[0].replace("-", "_"): path for path in source.rglob("*.ko*")}
    into = root / "usr/lib/modules" / version
    for path in into.iterdir():
        if path.name not in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ["modules.builtin", "modules.builtin.modinfo", "modules.order"]:
        if (source / name).exists():
            shutil.copy(source / name, into)
    wanted, had = [name.replace("-", "_") for name in MODULES], set()
    builtin = {line.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_") for line in (into / "modules.builtin").read_text().splitlines()}
    while wanted:
        name = wanted.pop()
        if name in had or name in builtin:
            continue
        had.add(name)
        if name not in there:
            raise SystemExit("installer: there is no module %s in linux-image-%s" % (name, version))
        place = into / there[name].relative_to(source).parent / (there[name].name.split(".ko")[0] + ".ko")
        place.parent.mkdir(parents=True, exist_ok=True)
        data = there[name].read_bytes()
        data = lzma.decompress(data) if there[name].suffix == ".xz" else data
        place.write_bytes(data)
        # modinfo's lines, which end with a NUL each. A soft dependency is one that only modprobe knows of.
        for line in re.findall(rb"\0(?:depends|softdep)=([^\0]*)\0", data):
            line = re.sub(r"\b(pre|post): ?", "", line.decode())
            wanted += [word.replace("-", "_") for word in re.split("[, ]+", line) if word.replace("-", "_") in there]
    run("chroot", root, "depmod", "-a", version)
    shutil.rmtree(kernel)


def udebs(part, root, apt):
    """The standard set and what it depends on, as anna would choose it, but for what is left out above."""
    say("fetching the installer's components")
    # This index is newer than the signed list of indices says, so apt itself would refuse it.
    index = apt.file("dists/%s/main/debian-installer/binary-amd64/Packages.xz" % SUITE)
    if index is None:
        raise SystemExit("installer: Debian's index of udebs cannot be had")
    there = paragraphs(lzma.decompress(index.read_bytes()).decode())
    there = [(text, fields) for text, fields in there if "Kernel-Version" not in fields]
    by_name = {fields["Package"]: fields for _, fields in there}
    provided = {name.split()[0]: fields["Package"] for _, fields in there for name in fields.get("Provides", "").split(",") if name.strip()}
    status = {fields["Package"]: fields for _, fields in paragraphs((root / "var/lib/dpkg/status").read_text())}
    held = set(status) | {name.strip().split()[0] for fields in status.values() for name in fields.get("Provides", "").split(",") if name.strip()}
    held |= LEFT_OUT
    wanted = [name for name, fields in sorted(by_name.items()) if fields.get("Priority") in ("required", "important", "standard")]
    wanted, chosen = wanted + sorted(ADDED), []
    while wanted:
        name = wanted.pop()
        if name in held:
            continue
        held.add(name)
        if name not in by_name:
            name = provided.get(name, name)
            if name in held or name not in by_name:
                continue
            held.add(name)
        chosen.append(name)
        for choice in by_name[name].get("Depends", "").split(","):
            words = [one.split()[0] for one in choice.split("|") if one.strip()]
            if words and not held & set(words):
                wanted.append(next((word for word in words if word in by_name), words[0]))
    packages = part / "installer/tmp/udebs"
    packages.mkdir()
    missing = []
    for name in sorted(chosen):
        path = by_name[name]["Filename"]
        file = next(filter(None, map(apt.file, builds(path))), None)
        if file is None:
            missing.append(path)
        else:
            shutil.copy(file, packages / (name + ".udeb"))
    if missing:
        raise SystemExit("installer: these cannot be had: " + " ".join(missing))
    for name in sorted(chosen):
        run("chroot", root, "udpkg", "--unpack", "/tmp/udebs/%s.udeb" % name)
    shutil.rmtree(packages)
    (part / "udebs").write_text("".join("%s %s\n" % (name, by_name[name]["Version"]) for name in sorted(chosen)))


def builds(path):
    """A package's path, and those of the builds before it: +b3, +b2, +b1, none."""
    yield path
    found = re.search(r"(.*)\+b(\d+)(_[^_]*)$", path)
    if found:
        for number in range(int(found[2]) - 1, -1, -1):
            yield found[1] + ("+b%d" % number if number else "") + found[3]


# ---- the mirror -----------------------------------------------------------------------------------------------------


def system(apt):
    """The files of every package that a system is made of, by name."""
    say("fetching the packages of a system")
    base = [fields["Package"] for _, fields in apt.index() if fields.get("Priority") == "required"]
    files = {}
    # Two of the boot loaders do not stand beside each other.
    for loaders in (LOADERS[:1], LOADERS[1:]):
        files.update(apt.fetch(*sorted(set(base)), *SYSTEM, *loaders))
    return files


def mirror(part, index, files):
    top = part / "ubuntu"
    texts = []
    for text, fields in index:
        name = "%s_%s_%s.deb" % (fields["Package"], fields["Version"].replace(":", "%3a"), fields["Architecture"])
        if name in files and "Filename" in fields:
            place = top / fields["Filename"]
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                os.link(files[name], place)
                texts.append(text)
    if len(texts) != len(files):
        raise SystemExit("installer: %d packages were fetched, and %d are in the index" % (len(files), len(texts)))
    packages = "".join(text + "\n\n" for text in sorted(texts)).encode()
    release = "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: %s\nVersion: 13\nArchitectures: amd64\nComponents: main\n" % SUITE
    # Without this debootstrap asks for an index of what fits every architecture.
    release += "No-Support-for-Architecture-all: Packages\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n"
    content = {
        "main/binary-amd64/Packages": packages,
        "main/binary-amd64/Packages.gz": gzip.compress(packages, 9, mtime=0),
        "main/binary-amd64/Packages.xz": lzma.compress(packages),
        # choose-mirror looks for the architecture in it.
        "main/binary-amd64/Release": b"Archive: stable\nOrigin: Debian\nLabel: Debian\nVersion: 13\nComponent: main\nArchitecture: amd64\n",
        # Every component is in the initrd.
        "main/debian-installer/binary-amd64/Packages": b"",
        "main/debian-installer/binary-amd64/Packages.gz": gzip.compress(b"", mtime=0),
        "main/debian-installer/binary-amd64/Packages.xz": lzma.compress(b""),
    }
    dists = top / "dists" / SUITE
    for kind, name in [("MD5Sum", "md5"), ("SHA256", "sha256")]:
        release += kind + ":\n"
        for path, data in sorted(content.items()):
            release += " %s %d %s\n" % (hashlib.new(name, data).hexdigest(), len(data), path)
    for path, data in [*content.items(), ("Release", release.encode())]:
        (dists / path).parent.mkdir(parents=True, exist_ok=True)
        (dists / path).write_bytes(data)
    (top / "dists/stable").symlink_to(SUITE)


# ---- the image ------------------------------------------------------------------------------------------------------


def image(part, stand_in):
    """The stand-in for 18.04's image with another kernel and initrd."""
    run("xorriso", "-osirrox", "on", "-indev", stand_in, "-extract", "/md5sum.txt", part / "md5sum.txt")
    sums = (part / "md5sum.txt").read_text()
    words = []
    # The image may have a second kernel, the HWE one, for which our medium starts the installer that fits.
    for name in re.findall(r"^\S+  \./(install/\S*(?:vmlinuz|initrd\.gz))$", sums, re.M):
        file = part / ("linux" if name.endswith("vmlinuz") else "initrd.zst")
        digest = hashlib.md5(file.read_bytes()).hexdigest()
        sums = re.sub(r"^\S+(?=  \./%s$)" % re.escape(name), digest, sums, flags=re.M)
        words += ["-map", file, "/" + name]
    (part / "md5sum.txt").chmod(0o644)
    (part / "md5sum.txt").write_text(sums)
    new = part / "whole.iso.part"
    new.unlink(missing_ok=True)
    run("xorriso", "-indev", stand_in, "-outdev", new, "-boot_image", "any", "replay", "-overwrite", "on", *words,
        "-map", part / "md5sum.txt", "/md5sum.txt", "-commit", "-end")
    new.rename(part / "whole.iso")
