"""What the installer tests stand on, made once and kept in tests/.cache/installer, in a folder named after the digest of this recipe.

Debian's installer for the network, as it is packaged: its kernel, its initrd, and that unpacked. It brings no CD-ROM
driver, so the modules of the same kernel's package are added, with hooks that mount the medium, copy the installer's log
to a serial port, and do what the partitioner would do first: partman itself cannot be had, its recipe decoder can.
"""
import collections
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "installer"
NETBOOT = "debian-installer-12-netboot-amd64"
PACKAGES = {
    "qemu-system-x86": "/usr/bin/qemu-system-x86_64",
    "ovmf": "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "isolinux": "/usr/lib/ISOLINUX/isolinux.bin",
    "syslinux-common": "/usr/lib/syslinux/modules/bios/vesamenu.c32",
    "grub-common": "/usr/bin/grub-mkimage",
    "grub-efi-amd64-bin": "/usr/lib/grub/x86_64-efi/normal.mod",
    "xorriso": "/usr/bin/xorriso",
    "mtools": "/usr/bin/mcopy",
    "genisoimage": "/usr/bin/isoinfo",
    "dosfstools": "/usr/sbin/mkfs.vfat",
    "cpio": "/usr/bin/cpio",
    "binutils": "/usr/bin/readelf",
    "e2fsprogs": "/usr/sbin/mke2fs",
}
# In the order in which they can be loaded.
MODULES = ["cdrom", "sr_mod", "libata", "libahci", "ahci", "ata_piix", "virtio_blk", "isofs", "crc16", "crc32c_generic", "mbcache", "jbd2", "ext4"]
# What a system has that is installed, as far as the installer's last steps need it; the benches partition with it, too.
TOOLS = {"fdisk": "sbin/sfdisk", "e2fsprogs": "sbin/mke2fs sbin/tune2fs", "libfdisk1": None, "libext2fs2": None, "libcom-err2": None,
         "libsmartcols1": None, "libreadline8": None, "libtinfo6": None, "libblkid1": None, "libuuid1": None, "libc6": None}

Parts = collections.namedtuple("Parts", "folder installer partman iso tools")


def say(words):
    print("installer: " + words, file=sys.stderr, flush=True)


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode:
        raise SystemExit("installer: %s failed:\n%s" % (" ".join(map(str, command)), done.stdout[-2000:]))
    return done.stdout


def make():
    CACHE.mkdir(parents=True, exist_ok=True)
    recipe = b"".join(path.read_bytes() for path in [HERE / "parts.py", *sorted((HERE / "overlay").iterdir())])
    folder = CACHE / hashlib.sha256(recipe).hexdigest()[:16]
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_packages()
        if not folder.exists():
            for old in CACHE.glob("*[0-9a-f]"):
                shutil.rmtree(old, ignore_errors=True)
            part = CACHE / "part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            fetch(part)
            stand_in(part)
            part.rename(folder)
    return Parts(folder, folder / "installer", folder / "partman", folder / "standin.iso", folder / "tools")


def apt(*words, **options):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    return run("apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3",
               "-o", "APT::Sandbox::User=root", *words, env=environment, **options)


def install_packages():
    wanted = [name for name, file in PACKAGES.items() if not os.path.exists(file)]
    if wanted:
        say("installing " + " ".join(wanted))
        apt("update")
        apt("install", "--no-install-recommends", *wanted)


def unpack(part, packages, into, *options):
    """Fetches packages and unpacks them; they are never installed."""
    debs = part / "debs"
    debs.mkdir()
    apt(*options, "download", *packages.split(), cwd=debs)
    for deb in debs.iterdir():
        run("dpkg-deb", "-x", deb, into)
    shutil.rmtree(debs)


def fetch(part):
    say("fetching Debian's installer and partman's recipe decoder")
    apt("update")
    unpack(part, NETBOOT, part / "netboot")
    images = next((part / "netboot").glob("usr/lib/debian-installer/images/*/amd64/text/debian-installer/amd64"))
    for name in ["linux", "initrd.gz"]:
        shutil.copy(images / name, part / name)
    installer = part / "installer"
    installer.mkdir()
    subprocess.run("zcat %s | cpio -idm --quiet" % (part / "initrd.gz"), shell=True, cwd=installer, check=True)
    kernel = next((installer / "lib/modules").iterdir()).name
    unpack(part, "linux-image-" + kernel, part / "kernel")
    modules = part / "modules"
    modules.mkdir()
    tools(part)
    for name in MODULES:
        shutil.copy(next((part / "kernel/lib/modules" / kernel).rglob(name + ".ko")), modules)
    for name in ["netboot", "kernel"]:
        shutil.rmtree(part / name)

    # udebs have an index of their own, beside that of the packages.
    for line in run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                    "Created-By: Packages").splitlines():
        uri, release, component = line.split()
        if release == "bookworm" and component == "main":
            break
    else:
        raise SystemExit("installer: apt knows no main of bookworm")
    lists = part / "lists"
    (lists / "partial").mkdir(parents=True)
    (part / "sources").write_text("deb %s %s main/debian-installer\n" % (uri, release))
    options = ["-o", "Dir::Etc::sourcelist=%s" % (part / "sources"), "-o", "Dir::Etc::sourceparts=/dev/null",
               "-o", "Dir::State::lists=%s" % lists, "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    apt(*options, "update")
    unpack(part, "partman-auto", part / "partman", *options)
    shutil.rmtree(lists)


def tools(part):
    """A folder to change the root to, with the programs of TOOLS and their libraries."""
    everything, root = part / "everything", part / "tools"
    unpack(part, " ".join(TOOLS), everything)
    # The linker's path, and where the libraries are.
    for name in ["lib/x86_64-linux-gnu", "lib64", "sbin", "proc", "sys", "dev"]:
        (root / name).mkdir(parents=True)
    libraries = {path.name: path for path in everything.rglob("*.so*")}
    wanted = [everything / path for paths in TOOLS.values() if paths for path in paths.split()]
    for path in wanted:
        shutil.copy(path, root / "sbin")
    seen = set()
    while wanted:
        text = run("readelf", "-d", wanted.pop())
        for name in set(re.findall(r"NEEDED.*\[(.*)\]", text)) - seen:
            seen.add(name)
            into = "lib64" if name.startswith("ld-") else "lib/x86_64-linux-gnu"
            shutil.copy(libraries[name].resolve(), root / into / name)
            wanted.append(root / into / name)
    shutil.copy(libraries["ld-linux-x86-64.so.2"].resolve(), root / "lib64/ld-linux-x86-64.so.2")
    (root / "etc").mkdir()
    shutil.copy(everything / "etc/mke2fs.conf", root / "etc")
    shutil.rmtree(everything)


def stand_in(part):
    """The layout of 18.04's server image, with its own menus as far as they matter."""
    say("making a stand-in for the image of 18.04")
    tree, overlay = part / "tree", part / "overlay"
    for name in ["install", "isolinux", "boot/grub", "preseed", ".disk", "pool"]:
        (tree / name).mkdir(parents=True)
    hooks = overlay / "lib/debian-installer-startup.d"
    hooks.mkdir(parents=True)
    shutil.copytree(part / "modules", overlay / "lib/modules/lxseed-test")
    shutil.copytree(part / "tools", overlay / "test-tools")
    for name in ["S11test-log", "S12test-medium"]:
        shutil.copy(HERE / "overlay" / name, hooks)
        (hooks / name).chmod(0o755)
    # A menu item of its own where partman's would be, after the network.
    dpkg = overlay / "var/lib/dpkg"
    (dpkg / "info").mkdir(parents=True)
    shutil.copy(HERE / "overlay/test-partman.postinst", dpkg / "info")
    (dpkg / "info/test-partman.postinst").chmod(0o755)
    status = (part / "installer/var/lib/dpkg/status").read_text()
    (dpkg / "status").write_text(status.rstrip("\n") + """

Package: test-partman
Status: install ok unpacked
Version: 1
Depends: configured-network
Description: stands where the partitioner would
Installer-Menu-Item: 1900

""")
    subprocess.run("find . | cpio -o -H newc --quiet | gzip -n >../overlay.gz", shell=True, cwd=overlay, check=True)
    shutil.copy(part / "linux", tree / "install/vmlinuz")
    (tree / "install/initrd.gz").write_bytes((part / "initrd.gz").read_bytes() + (part / "overlay.gz").read_bytes())

    # The same once more under the names of the HWE kernel.
    for name in ["vmlinuz", "initrd.gz"]:
        os.link(tree / "install" / name, tree / "install" / ("hwe-" + name))

    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree / "isolinux")
    for name in ["ldlinux", "vesamenu", "libcom32", "libutil"]:
        shutil.copy("/usr/lib/syslinux/modules/bios/%s.c32" % name, tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text("path \ninclude menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 300\nui gfxboot bootlogo\n")
    (tree / "isolinux/menu.cfg").write_text("menu hshift 13\ninclude txt.cfg\n")
    (tree / "isolinux/txt.cfg").write_text("""default install
label install
  menu label ^Install Ubuntu Server
  kernel /install/vmlinuz
  append  file=/cdrom/preseed/ubuntu-server.seed vga=788 initrd=/install/initrd.gz quiet ---
""")
    (tree / "boot/grub/grub.cfg").write_text("""
if loadfont /boot/grub/font.pf2 ; then
	set gfxmode=auto
	insmod gfxterm
	terminal_output gfxterm
fi

menuentry "Install Ubuntu Server" {
	set gfxpayload=keep
	linux	/install/vmlinuz  file=/cdrom/preseed/ubuntu-server.seed quiet ---
	initrd	/install/initrd.gz
}
""")
    (tree / "preseed/ubuntu-server.seed").write_text("d-i pkgsel/language-pack-patterns string\n")
    (tree / ".disk/info").write_text('Ubuntu-Server 18.04.6 LTS "Bionic Beaver" - Release amd64 (20210915)')
    (part / "early.cfg").write_text("search --file --set=root /.disk/info\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    run("grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", part / "early.cfg", "-o", part / "BOOTX64.EFI", "iso9660",
        "fat", "part_gpt", "part_msdos", "normal", "linux", "search", "search_fs_file", "configfile", "echo", "test", "sleep",
        "all_video", "gfxterm", "font", "ext2")
    efi = tree / "boot/grub/efi.img"
    with open(efi, "wb") as file:
        file.truncate(4 << 20)
    run("mkfs.vfat", "-n", "EFI", efi)
    run("mmd", "-i", efi, "::EFI", "::EFI/BOOT")
    run("mcopy", "-i", efi, part / "BOOTX64.EFI", "::EFI/BOOT/BOOTX64.EFI")
    subprocess.run("find . -type f ! -path './isolinux/*' | sort | xargs md5sum >../md5sum.txt && mv ../md5sum.txt .",
                   shell=True, cwd=tree, check=True)
    run("xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "Ubuntu-Server 18.04.6 LTS amd64", "-J", "-joliet-long",
        "-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
        "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-eltorito-alt-boot", "-e", "boot/grub/efi.img",
        "-no-emul-boot", "-isohybrid-gpt-basdat", "-o", part / "standin.iso", tree)
    for name in ["tree", "overlay"]:
        shutil.rmtree(part / name)
