"""What the data disks of a machine hold before an installation: the two halves of a mirror that was cut off while it was written
to. Linux copies one half onto the other as soon as somebody starts it, and replays the journal of the file system on it as
soon as somebody mounts that.
"""
import hashlib
import os
import struct
import subprocess
import uuid

SIZE = 96 << 20
# Where mdadm of today puts them.
SUPERBLOCK, DATA = 8 * 512, 2048 * 512
TIME = 1700000000


def mirror(paths, name):
    """As `mdadm --create --level=1 --metadata=1.2` made them."""
    system = paths[0].with_suffix(".ext4")
    with open(system, "wb") as file:
        file.truncate(SIZE - DATA)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "data1", "-O", "^metadata_csum", system], check=True)
    write(system, "write /etc/os-release os-release", "feature needs_recovery")
    content = system.read_bytes()
    system.unlink()
    for number, path in enumerate(paths):
        with open(path, "wb") as file:
            file.truncate(SIZE)
            file.seek(SUPERBLOCK)
            file.write(superblock(name, number, len(paths)))
            file.seek(DATA)
            file.write(content)


def write(system, *requests):
    for request in requests:
        done = subprocess.run(["debugfs", "-w", "-R", request, str(system)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert not done.returncode, done.stdout


def superblock(name, number, count):
    def identity(words):
        return uuid.uuid5(uuid.NAMESPACE_URL, words).bytes

    sectors = (SIZE - DATA) // 512
    block = bytearray(256)
    struct.pack_into("<4I16s32sQ2IQ2I", block, 0, 0xa92b4efc, 1, 0, 0, identity(name), name.encode(), TIME, 1, 0, sectors, 0, count)
    struct.pack_into("<4QI", block, 128, DATA // 512, sectors, SUPERBLOCK // 512, 0, number)
    block[168:184] = identity("%s/%d" % (name, number))
    # The third is how far they are known to be the same: nowhere.
    struct.pack_into("<3Q2I", block, 192, TIME, 42, 0, 0, count)
    block += struct.pack("<%dH" % count, *range(count))
    block += b"\0" * (-len(block) % 4)
    total = sum(struct.unpack("<%dI" % (len(block) // 4), block))
    struct.pack_into("<I", block, 216, (total & 0xffffffff) + (total >> 32) & 0xffffffff)
    return bytes(block)


def digest(path):
    """Of what stands where on a disk. A stretch of zeros is one, whether the file has a hole there or not."""
    whole, step = hashlib.sha256(), 1 << 20
    with open(path, "rb") as file:
        size, place = os.path.getsize(path), 0
        while place < size:
            try:
                place = os.lseek(file.fileno(), place, os.SEEK_DATA) // step * step
            except OSError:
                break
            file.seek(place)
            data = file.read(step)
            if data.strip(b"\0"):
                whole.update(b"%d %d\n" % (place, len(data)))
                whole.update(data)
            place += step
        whole.update(b"%d" % size)
    return whole.hexdigest()


BIOS_BOOT, ESP, LINUX = "21686148-6449-6e6f-744e-656564454649", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0fc63daf-8483-4772-8e79-3d69d8477de4"


def partitions(path):
    """Of a GPT: kind, first byte and number of bytes of each."""
    found = []
    with open(path, "rb") as file:
        file.seek(512)
        header = file.read(92)
        assert header[:8] == b"EFI PART", "there is no GPT on %s" % path
        place, count, size = struct.unpack_from("<QII", header, 72)
        file.seek(place * 512)
        table = file.read(count * size)
    for at in range(0, len(table), size):
        first, last = struct.unpack_from("<QQ", table, at + 32)
        if first:
            found.append((str(uuid.UUID(bytes_le=table[at:at + 16])), first * 512, (last + 1 - first) * 512))
    return found


def partition_table(path):
    """The first mebibyte less the code of the boot loader: what a partitioner writes."""
    with open(path, "rb") as file:
        return file.read(1 << 20)[440:512 * 34]


def system_in(path, start):
    """What blkid finds at that place: its TYPE and, of a FAT, its VERSION."""
    done = subprocess.run(["blkid", "-p", "-O", str(start), "-o", "export", str(path)], stdout=subprocess.PIPE, text=True, check=False)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def inside(path, start, request):
    """What debugfs says of an ext4 that begins at that byte."""
    done = subprocess.run(["debugfs", "-R", request, "%s?offset=%d" % (path, start)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    return done.stdout
