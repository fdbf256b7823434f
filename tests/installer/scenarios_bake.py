"""What must be seen of `lxseed bake` without a machine: what it writes, what it refuses, and what it leaves behind."""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from scenarios import must, test


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def command(stage, iso, *more):
    return ["bake", stage.site, "--iso", iso, "--secret-file", stage.secret, *more]


def xorriso(*words):
    done = subprocess.run(["xorriso", "-no_rc", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    must(done.returncode == 0, done.stdout)
    return done.stdout


def report(iso):
    """Every way in which an image boots, as xorriso sees it, places and sizes left out."""
    text = xorriso("-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain")
    keep = []
    for line in text.splitlines():
        if re.match(r"El Torito (boot img|img path|img opts)|System area|MBR partition |GPT (type|part)|MBR partition path", line):
            keep.append(" ".join(re.sub(r"\s\d+$|0x80  0x00 .*|0xef .*|GUID.*[0-9a-f]{32}", "", line).split()))
    return keep


@test
def a_baked_image_is_the_same_anywhere(stage):
    """Same input, same bytes; everything that was on the image is still there, and it boots in every way it did."""
    iso = stage.parts.iso
    # The README's own lines, with the stand-in for the image, and this site for its.
    readme = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
    lines = re.findall("^lxseed (bake .*--iso .*|inspect .*iso)$", readme, re.M)
    must(len(lines) == 2, "the README has other lines: %s" % lines)
    for line in lines:
        words = line.replace("profiles", str(stage.site)).replace("ubuntu-18.04.6-server-amd64.iso", str(iso)).split()
        more = ["--secret-file", stage.secret, "--unpublished"] if words[0] == "bake" else []
        stage.lxseed(*words, *more)
    stage.lxseed(*command(stage, iso, "-o", "one.iso", "--unpublished"))
    must(digest(stage.folder / "one.iso") == digest(stage.folder / "lab.iso"), "the README's line makes another image")
    time.sleep(2)
    shutil.copy(iso, stage.folder / "copy.iso")
    stage.lxseed(*command(stage, "copy.iso", "-o", "two.iso", "--unpublished"), TZ="Pacific/Kiritimati", SOURCE_DATE_EPOCH="1")
    must(digest(stage.folder / "one.iso") == digest(stage.folder / "two.iso"), "two images of the same input differ")
    stage.lxseed(*command(stage, "copy.iso", "--in-place", "--unpublished"))
    must(digest(stage.folder / "one.iso") == digest(stage.folder / "copy.iso"), "changed in place it is another image")
    must((stage.folder / "one.iso").stat().st_mode & 0o777 == 0o600, "others may read the image")
    must((stage.folder / "copy.iso").stat().st_mode & 0o777 == 0o600, "others may read the image that was changed in place")
    before, after = report(iso), report(stage.folder / "one.iso")
    must(before == after, "it boots otherwise: %s" % sorted(set(before) ^ set(after)))
    for name in ["before", "after"]:
        (stage.folder / name).mkdir()
    xorriso("-osirrox", "on", "-indev", iso, "-extract", "/", stage.folder / "before")
    xorriso("-osirrox", "on", "-indev", stage.folder / "one.iso", "-extract", "/", stage.folder / "after")
    changed = {"isolinux/isolinux.cfg", "isolinux/txt.cfg", "boot/grub/grub.cfg", "md5sum.txt", "isolinux/boot.cat", "isolinux/isolinux.bin"}
    for path in (stage.folder / "before").rglob("*"):
        name = str(path.relative_to(stage.folder / "before"))
        if path.is_file() and name not in changed:
            must(digest(path) == digest(stage.folder / "after" / name), name + " has changed")
    done = subprocess.run(["md5sum", "-c", "--quiet", "md5sum.txt"], cwd=stage.folder / "after", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    must(done.returncode == 0, done.stdout)
    said = stage.lxseed("inspect", "one.iso")
    for words in ["install medium for 3 hosts", "CD on BIOS, CD on UEFI, stick on BIOS, stick on UEFI", "every file is as it was put on it",
                  "serial number CZ 1234 X"]:
        must(words in said, said)
    must("PRIVATE" not in said and "$6$" not in said, "inspect shows a secret")


def variant(stage, name, *words):
    """A copy of the stand-in with something changed."""
    path = stage.folder / name
    shutil.copy(stage.parts.iso, path)
    xorriso("-dev", "stdio:%s" % path, "-boot_image", "any", "replay", "-overwrite", "on", *words, "-commit", "-end")
    return path


def on_medium(stage, iso, name):
    into = stage.folder / "extracted"
    into.unlink(missing_ok=True)
    xorriso("-osirrox", "on", "-indev", stage.folder / iso, "-extract", "/" + name, into)
    return into.read_text()


@test
def kernel_and_end_are_what_was_asked_for(stage):
    """The installer's kernel is the profile's where the image has it; installed, a machine restarts or is switched off, and bake says when
    the medium comes out. Nothing that starts by itself asks for a system to be erased."""
    menus = ["isolinux/txt.cfg", "boot/grub/grub.cfg"]
    ga = variant(stage, "ga.iso", "-rm", "/install/hwe-vmlinuz", "--")
    for iso, kernel in [(stage.parts.iso, "hwe-"), (ga, "")]:
        said = stage.lxseed(*command(stage, iso, "-o", "new.iso", "--unpublished"))
        must(("has no HWE kernel" in said) == (iso == ga), said)
        must("no system that lxseed installed" in said and "pull it out when the machine restarts" in said, said)
        must("poweroff" not in on_medium(stage, "new.iso", "lxseed/start.cfg"), "it would be switched off")
        for menu in menus:
            text = on_medium(stage, "new.iso", menu)
            must(text.count("/install/%svmlinuz" % kernel) == 2 + (kernel == ""), "another kernel:\n" + text)
            must(text.count("initrd=/install/%sinitrd.gz" % kernel) + text.count("initrd\t/install/%sinitrd.gz" % kernel) == 2 + (kernel == ""),
                 "another initrd:\n" + text)
            lines = [line for line in text.splitlines() if "file=/cdrom/lxseed/" in line]
            must(len(lines) == 2 and "lxseed=again" not in lines[0] and " lxseed=again " in lines[1], "the entries are\n" + text)
    cluster = stage.site / "fleet/cluster.yaml"
    cluster.write_text(cluster.read_text().replace("kernel: hwe", "kernel: ga"))
    said = stage.lxseed(*command(stage, stage.parts.iso, "-o", "new.iso", "--unpublished", "--finish", "poweroff"))
    must("switched itself off" in said and "restarts" not in said, said)
    must("d-i debian-installer/exit/poweroff boolean true" in on_medium(stage, "new.iso", "lxseed/start.cfg"), "it would not be switched off")
    must("hwe-vmlinuz" not in on_medium(stage, "new.iso", "boot/grub/grub.cfg"), "the HWE kernel without a word for it")


@test
def what_cannot_be_baked_is_refused(stage):
    """Truncated, live, of another release, baked before, without a menu, damaged: said before anything is written."""
    def text(name, words):
        (stage.folder / name).write_text(words)
        return stage.folder / name

    cases = {
        "is cut off": stage.folder / "cut.iso",
        "volume descriptors": text("text.iso", "no image\n" * 9000),
        "it is Ubuntu 20.04.6, and lxseed installs 18.04":
            variant(stage, "focal.iso", "-map", text("info", 'Ubuntu-Server 20.04.6 LTS "Focal" - Release amd64'), "/.disk/info"),
        "whose installer takes no answers before 20.04": variant(stage, "live.iso", "-mkdir", "/casper", "--"),
        "there is no isolinux/txt.cfg on it": variant(stage, "menu.iso", "-rm", "/isolinux/txt.cfg", "--"),
        "there is no boot/grub/grub.cfg on it": variant(stage, "grub.iso", "-rm", "/boot/grub/grub.cfg", "--"),
        "does not say that it is an Ubuntu image": variant(stage, "other.iso", "-rm_r", "/.disk", "--"),
        "has been baked already": stage.folder / "baked.iso",
        "No such file": stage.folder / "nowhere.iso",
        "is not a plain file": pathlib.Path("/dev"),
    }
    (stage.folder / "cut.iso").write_bytes(pathlib.Path(stage.parts.iso).read_bytes()[:20 << 20])
    stage.lxseed(*command(stage, stage.parts.iso, "-o", "baked.iso", "--unpublished"))
    there = sorted(stage.folder.iterdir())
    for words, iso in cases.items():
        before = digest(iso) if iso.is_file() else None
        said = stage.lxseed(*command(stage, iso, "-o", "new.iso", "--unpublished"), code=1)
        must(words in said, "%s: %s" % (iso.name, said))
        if before:
            stage.lxseed(*command(stage, iso, "--in-place"), code=1)
            must(digest(iso) == before, "%s was changed" % iso.name)
    said = stage.lxseed(*command(stage, stage.parts.iso, "-o", "new.iso"), code=1)
    must("was published with f5cbb810" in said and "--unpublished" in said, said)
    (stage.folder / "thesis.pdf").write_text("mine")
    said = stage.lxseed(*command(stage, stage.parts.iso, "-o", "thesis.pdf", "--unpublished"), code=1)
    must("thesis.pdf is there already" in said, said)
    for words, output in [("is the image to start from", "focal.iso"), ("its folder is not there", "nowhere/new.iso"),
                          ("is no device of this machine", "/dev/sdzz")]:
        said = stage.lxseed(*command(stage, "focal.iso" if output == "focal.iso" else stage.parts.iso, "-o", output, "--unpublished"), code=1)
        must(words in said, said)
    for words, program in [("xorriso is 1.4.8", "echo 'xorriso version   :  1.4.8'"), ("apt-get install xorriso", None)]:
        path = stage.folder / "bin"
        path.mkdir(exist_ok=True)
        (path / "xorriso").unlink(missing_ok=True)
        if program:
            (path / "xorriso").write_text("#!/bin/sh\n" + program + "\n")
            (path / "xorriso").chmod(0o755)
        done = subprocess.run([str(stage.program), *map(str, command(stage, stage.parts.iso, "-o", "new.iso", "--unpublished"))],
                              cwd=stage.folder, env={"PATH": str(path)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        must(done.returncode == 1 and words in done.stdout, done.stdout)
    left = sorted(set(stage.folder.iterdir()) - set(there) - {stage.folder / "thesis.pdf", stage.folder / "bin"})
    must(not left, "left behind: %s" % left)


@test
def a_bake_that_fails_leaves_nothing_behind(stage):
    """A full disk, a folder that cannot be written, kills at ten instants: no new file, and the old one as it was."""
    iso = stage.parts.iso
    small = stage.folder / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=50m none "$0" && "$@"; code=$?; ls -A "$0"; exit $code'
    words = [stage.program, *command(stage, iso, "-o", small / "new.iso", "--unpublished")]
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, str(small), *map(str, words)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    must(done.returncode == 1 and "new.iso cannot be written: no space is left there" in done.stdout
         and "new.iso" not in done.stdout.splitlines(), "a full disk: " + done.stdout)
    said = stage.lxseed(*command(stage, iso, "-o", "/proc/new.iso", "--unpublished"), code=1)
    must("/proc/new.iso cannot be written" in said, said)
    stage.lxseed(*command(stage, iso, "-o", "old.iso", "--unpublished"))
    began = time.monotonic()
    stage.lxseed(*command(stage, iso, "-o", "old.iso", "--unpublished"))
    whole = time.monotonic() - began
    temporary = stage.temporary
    environment = dict(os.environ, TMPDIR=str(temporary))
    there, before = sorted(stage.folder.iterdir()), digest(stage.folder / "old.iso")
    words = [str(word) for word in [stage.program, *command(stage, iso, "-o", "old.iso", "--unpublished", "--only", "fleet/node1")]]
    other = 0
    for at in range(KILLS):
        kill(words, whole * at / KILLS, at % 2 == 1, cwd=stage.folder, env=environment)
        must(sorted(stage.folder.iterdir()) == there, "something was left behind")
        must(not list(temporary.iterdir()), "something was left in the temporary folder")
        now = digest(stage.folder / "old.iso")
        if now != before:
            said = stage.lxseed("inspect", "old.iso")
            must("every file is as it was put on it" in said, said)
            other += 1
    return "%d of %d kills came too late" % (other, KILLS)


KILLS = 16


def kill(words, seconds, alone, **options):
    """Starts a program and kills it, with all that it started or without."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **options)
    time.sleep(seconds)
    if alone:
        child.kill()
    else:
        # xorriso is a child of its own, and in the same group.
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@test
def in_place_it_fails_without_harm(stage):
    """A full disk and kills at any instant: the image is the one that it was, or boots as before, or is baked."""
    size = os.path.getsize(stage.parts.iso)
    small = stage.folder / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=%d none "$0" && cp "$1" "$0/full.iso" && shift && "$@"; code=$?; sha256sum <"$0/full.iso"; stat -c %%a "$0/full.iso"; ls -A "$0"; exit $code'
    words = [stage.program, *command(stage, small / "full.iso", "--in-place", "--unpublished")]
    for free in [0, 65536, 400 << 10]:
        done = subprocess.run(["unshare", "-m", "sh", "-c", script % (size + free), str(small), stage.parts.iso, *map(str, words)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env=dict(os.environ, TMPDIR=str(stage.temporary)))
        must(done.returncode == 1 and "full.iso cannot grow: no space is left there; it is as it was" in done.stdout, "a full disk: " + done.stdout)
        must(done.stdout.endswith("%s  -\n644\nfull.iso\n" % digest(stage.parts.iso)), "it is another image: " + done.stdout)
    copy = stage.folder / "copy.iso"
    shutil.copy(stage.parts.iso, copy)
    began = time.monotonic()
    stage.lxseed(*command(stage, copy, "--in-place", "--unpublished"))
    whole = time.monotonic() - began
    before, other = report(stage.parts.iso), 0
    for at in range(KILLS):
        shutil.copy(stage.parts.iso, copy)
        copy.chmod(0o644)
        kill([str(word) for word in [stage.program, *command(stage, copy, "--in-place", "--unpublished")]], whole * at / KILLS, at % 2 == 1,
             cwd=stage.folder, env=dict(os.environ, TMPDIR=str(stage.temporary)))
        must(not list(stage.temporary.iterdir()), "something was left in the temporary folder")
        if b"PRIVATE KEY" in copy.read_bytes():
            must(copy.stat().st_mode & 0o777 == 0o600, "it holds keys, and others may read it")
        must(report(copy) == before, "it boots otherwise")
        if "'lxseed'" in xorriso("-indev", copy, "-ls", "/"):
            must("every file is as it was put on it" in stage.lxseed("inspect", copy), "half a fleet is on it")
            other += 1
        else:
            stage.lxseed(*command(stage, copy, "--in-place", "--unpublished"))
            must("every file is as it was put on it" in stage.lxseed("inspect", copy), "it cannot be baked again")
    return "%d of %d were baked" % (other, KILLS)
