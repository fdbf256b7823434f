#!/usr/bin/env python3
"""Makes a file with the layout of 18.04's server image that boots nothing: iso.py FILE. It needs xorriso alone."""
import pathlib
import subprocess
import sys
import tempfile

FILES = {
    ".disk/info": 'Ubuntu-Server 18.04.6 LTS "Bionic Beaver" - Release amd64 (20210915)',
    "install/vmlinuz": "kernel\n",
    "install/initrd.gz": "initrd\n",
    "isolinux/isolinux.cfg": "path \ninclude menu.cfg\ndefault vesamenu.c32\nprompt 0\ntimeout 300\nui gfxboot bootlogo\n",
    "isolinux/txt.cfg": "default install\nlabel install\n  menu label ^Install Ubuntu Server\n  kernel /install/vmlinuz\n"
                        "  append  file=/cdrom/preseed/ubuntu-server.seed vga=788 initrd=/install/initrd.gz quiet ---\n",
    "boot/grub/grub.cfg": 'menuentry "Install Ubuntu Server" {\n\tlinux\t/install/vmlinuz quiet ---\n'
                          "\tinitrd\t/install/initrd.gz\n}\n",
    "md5sum.txt": "0cc175b9c0f1b6a831c399e269772661  ./install/vmlinuz\n",
}


def make(file):
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder, "tree")
        for name, text in FILES.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        (tree / "isolinux/isolinux.bin").write_bytes(b"\x90" * 4096)
        (tree / "boot/grub/efi.img").write_bytes(b"\x90" * 65536)
        mbr = pathlib.Path(folder, "mbr")
        mbr.write_bytes(b"\x90" * 512)
        subprocess.run(
            ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", "Ubuntu-Server 18.04.6 LTS amd64", "-J", "--grub2-mbr", str(mbr),
             "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
             "-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat", "-o", str(file), str(tree)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    make(sys.argv[1])
