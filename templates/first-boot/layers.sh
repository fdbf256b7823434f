
# ---- layers ---------------------------------------------------------------------------------------------------------
# What lies on a disk, in every layer of it: partitions, md arrays, LVM, zpools and file systems, each inside the other.
# Read from the disk's own bytes: the answer is the same whether an array runs or not and whether a volume group is active,
# nothing has to be assembled for it, and lvm2, mdadm and ZFS's tools may be missing.

# Prints lines, tab separated:
#   on TEXT                  a thing that is there, in words
#   id TEXT                  what makes it that very thing: UUIDs and names
#   ours TEXT                what lxseed or LXD may have made as a volume or a pool
#   host NAME                the host that last wrote to it, where it says so
#   part KIND UUID NAME      what may reach over several disks
#   region OFFSET LENGTH     where a thing lies, the outer before the inner
read -r -d '' PY_LAYERS <<'PY' || true
import fcntl, os, re, struct, sys

DEVICE = sys.argv[1]
disk = os.open(DEVICE, os.O_RDONLY)
SIZE = os.lseek(disk, 0, os.SEEK_END)
said, regions = [], []
MIB = 1 << 20
# What lxseed takes for a pool's or volume's name.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,23}\Z")
# Labels that systems give their own partitions. On a whole disk or array they would be a pool's name.
SYSTEMS = ("cloudimg-rootfs", "rootfs", "root", "boot", "writable", "system-boot", "casper-rw", "ubuntu-boot", "ubuntu-data",
           "ubuntu-save", "ubuntu-seed")
# What blkid is asked for one by one where it finds more than one thing and names none.
KINDS = "btrfs,ext2,ext3,ext4,xfs,crypto_LUKS,swap,ntfs,vfat,linux_raid_member,LVM2_member,zfs_member".split(",")

def clean(text):
    if isinstance(text, bytes):
        text = text.split(b"\0")[0].decode("utf-8", "replace")
    return re.sub(r"[^ -+.-~-]", "?", text)[:64]

def say(*words):
    if words not in said:
        said.append(words)

def read(at, length):
    return os.pread(disk, length, at) if 0 <= at < SIZE else b""

def there(text, where):
    say("on", text + (" in " + where if where else ""))

# -- md

def md(at, length, where, depth):
    ends = length & ~4095
    for place in (0, 4096, ends - 8192, ends - 12288, (length & ~65535) - 65536):
        block = read(at + place, 512) if 0 <= place < length else b""
        if len(block) < 512 or block[:4] not in (b"\xfc\x4e\x2b\xa9", b"\xa9\x2b\x4e\xfc"):
            continue
        major = struct.unpack_from("<I", block, 4)[0]
        if major != 1:
            # The old form has no name, and its data begins where the member does.
            there("linux_raid_member", where)
            say("id", "md " + (block[20:24] + block[52:64]).hex())
            say("part", "md", (block[20:24] + block[52:64]).hex(), "without a name")
            continue
        if struct.unpack_from("<Q", block, 144)[0] * 512 != place:
            continue
        identity, name, begin = block[16:32].hex(), clean(block[32:64]), struct.unpack_from("<Q", block, 128)[0] * 512
        span = struct.unpack_from("<Q", block, 136)[0] * 512
        there("member of the md array " + name, where)
        say("id", "md %s %s %s" % (identity, name, block[168:184].hex()))
        say("part", "md", identity, name)
        host, colon, volume = name.rpartition(":")
        # Installers number their arrays; lxseed's have their volume's name.
        if not re.match(r"[0-9]*\Z", volume):
            say("ours", "the md array %s%s" % (volume, " of the host " + host if host else ""))
            if host:
                say("host", host)
        if begin < length:
            walk(at + begin, min(span or length, length - begin), "the md array " + name, depth + 1)

# -- zpools: the pairs of the label's list, in XDR

def pairs(data, at):
    found = {}
    while at + 8 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if size < 16 or at + size > len(data):
            break
        long = struct.unpack_from(">I", data, at + 8)[0]
        key = data[at + 12:at + 12 + long].decode("utf-8", "replace")
        value = at + 12 + (long + 3 & ~3)
        kind = struct.unpack_from(">I", data, value)[0]
        if kind == 8:
            found[key] = struct.unpack_from(">Q", data, value + 8)[0]
        elif kind == 9:
            length = struct.unpack_from(">I", data, value + 8)[0]
            found[key] = clean(data[value + 12:value + 12 + length])
        at += size
    return found

def zfs(at, length, where):
    ends = length & ~262143
    for place in (0, 262144, ends - 524288, ends - 262144):
        label = read(at + place, 262144) if 0 <= place <= length - 262144 else b""
        if len(label) < 262144:
            continue
        try:
            found = pairs(label[16384:131072], 12) if label[16384] in (0, 1) else {}
        except (struct.error, IndexError):
            found = {}
        alive = any(label[131072 + 1024 * i:131080 + 1024 * i] in
                    (b"\x0c\xb1\xba\0\0\0\0\0", b"\0\0\0\0\0\xba\xb1\x0c") for i in range(128))
        if "pool_guid" not in found and not alive:
            continue
        name, identity = found.get("name", "without a name"), found.get("pool_guid", 0)
        there("zfs_member", where)
        there("ZFS pool " + name, where)
        say("id", "zpool %s %s %s" % (identity, name, found.get("guid", 0)))
        say("ours", "the zpool " + name)
        if "hostname" in found:
            say("host", found["hostname"])
        if identity:
            say("part", "zpool", str(identity), name)

# -- LVM

WORD = re.compile(r'"((?:\\.|[^"\\])*)"|([\[\]{}=,])|([^\s\[\]{}=,#"]+)|#[^\n]*')

def parse(text):
    words = [(m.group(1) is not None, m.group(1) or m.group(2) or m.group(3) or "") for m in WORD.finditer(text)
             if m.lastindex]
    words.reverse()

    def value():
        quoted, word = words.pop()
        if quoted or word != "[":
            return word
        found = []
        while words[-1] != (False, "]"):
            quoted, word = words.pop()
            if quoted or word != ",":
                found.append(word)
        words.pop()
        return found

    def section():
        found = {}
        while words and words[-1] != (False, "}"):
            key = words.pop()[1]
            mark = words.pop()[1]
            if mark == "{":
                found[key] = section()
                words.pop()
            elif mark == "=":
                found[key] = value()
            else:
                raise ValueError(mark)
        return found

    return section()

def metadata(at, header):
    places = []
    place, areas = 32 + 8, 0
    while areas < 2 and place + 16 <= len(header):
        begin, size = struct.unpack_from("<QQ", header, place)
        place += 16
        if not begin:
            areas += 1
        elif areas:
            places.append((begin, size))
    for begin, size in places:
        area = read(at + begin, 512)
        if len(area) < 512 or area[4:20] != b" LVM2 x[5A%r0N*>":
            continue
        start, space = struct.unpack_from("<QQ", area, 24)
        offset, length = struct.unpack_from("<QQ", area, 40)
        if not 512 <= offset < space or not 0 < length < space:
            continue
        text = read(at + start + offset, min(length, space - offset))
        # A ring: what does not fit goes on behind the header.
        text += read(at + start + 512, length - len(text))
        try:
            groups = parse(text.rstrip(b"\0").decode("utf-8", "replace"))
        except (ValueError, IndexError):
            continue
        for name, group in groups.items():
            if isinstance(group, dict) and isinstance(group.get("id"), str):
                if groups.get("creation_host"):
                    say("host", clean(str(groups["creation_host"])))
                return clean(name), group
    return None, None

def lvm(at, length, where, depth):
    for sector in range(4):
        label = read(at + sector * 512, 512)
        if label[:8] != b"LABELONE":
            continue
        header = label[struct.unpack_from("<I", label, 20)[0] & 511:]
        own = clean(header[:32])
        there("LVM2_member", where)
        say("id", "lvm pv " + own)
        name, group = metadata(at, header)
        if not name:
            say("ours", "a part of an LVM volume group whose name cannot be read")
            continue
        there("LVM volume group " + name, where)
        say("id", "lvm vg %s %s" % (group["id"], name))
        say("part", "vg", group["id"], name)
        volumes = group.get("logical_volumes", {})
        if "lxd_pool" in group.get("tags", []) or "LXDThinPool" in volumes:
            say("ours", "the LVM volume group %s of LXD" % name)
        extent = int(group.get("extent_size", 0)) * 512
        mine = [(key, pv) for key, pv in group.get("physical_volumes", {}).items()
                if isinstance(pv, dict) and pv.get("id", "").replace("-", "") == own]
        for volume, facts in sorted(volumes.items()) if mine and extent else ():
            first = facts.get("segment1") if isinstance(facts, dict) else None
            if not isinstance(first, dict) or re.search(r"_[tc](data|meta)\Z|_pmspare\Z", volume):
                continue
            key, pv = mine[0]
            if first.get("type") == "striped" and first.get("stripe_count") == "1" and first.get("stripes", [""])[0] == key:
                begin = int(pv["pe_start"]) * 512 + int(first["stripes"][1]) * extent
                span = int(first["extent_count"]) * extent
                if begin < length:
                    walk(at + begin, min(span, length - begin), "LVM volume %s/%s" % (name, clean(volume)), depth + 1)

# -- partitions

def partitions(at, length, where, depth):
    found, inside = [], where
    for sector in (512, 4096):
        for place in (sector, (length // sector - 1) * sector):
            head = read(at + place, 92)
            if len(head) < 92 or head[:8] != b"EFI PART":
                continue
            there("gpt", where)
            say("id", "gpt " + head[56:72].hex())
            table, count, size = struct.unpack_from("<QII", head, 72)
            entries = read(at + table * sector, min(count, 256) * size) if 128 <= size <= 4096 else b""
            for i in range(len(entries) // size if entries else 0):
                entry = entries[i * size:(i + 1) * size]
                begin, end = struct.unpack_from("<QQ", entry, 32)
                if any(entry[:16]) and end >= begin:
                    say("id", "partition " + entry[16:32].hex())
                    found.append((begin * sector, (end - begin + 1) * sector, i + 1))
    if not found:
        found = dos(at, length, where)
    if depth == 0:
        here = "/sys/class/block/" + os.path.basename(os.path.realpath(DEVICE))
        for name in os.listdir(here) if os.path.isdir(here) else ():
            try:
                begin, span, number = [int(open("%s/%s/%s" % (here, name, fact)).read())
                                       for fact in ("start", "size", "partition")]
            except (OSError, ValueError):
                continue
            found.append((begin * 512, span * 512, number))
    seen = set()
    for begin, span, number in sorted(found):
        # An extended partition holds the others, and one that begins at 0 is the whole again.
        if 0 < begin < length and begin not in seen:
            seen.add(begin)
            walk(at + begin, min(span, length - begin), "partition %d" % number, depth + 1)

def dos(at, length, where):
    found, table, base, number = [], 0, 0, 5
    for _ in range(64):
        sector = read(at + table * 512, 512)
        if len(sector) < 512 or sector[510:] != b"\x55\xaa":
            break
        entries = [struct.unpack_from("<B3xB3xII", sector, 446 + 16 * i) for i in range(4)]
        if any(entry[0] not in (0, 0x80) for entry in entries):
            break
        after = 0
        for i, (_, kind, begin, count) in enumerate(entries):
            if not kind or not count or kind == 0xEE or (table + begin) * 512 >= length:
                continue
            if kind in (5, 0xF, 0x85):
                after = base + begin
                base = base or begin
            else:
                found.append(((table + begin) * 512, count * 512, number if table else i + 1))
                number += 1 if table else 0
        if not table and found + [after] != [0]:
            there("dos", where)
            say("id", "dos %s %s" % (sector[440:444].hex(), sector[446:510].hex()))
        if not after or after <= table:
            break
        table = after
    return found

# -- file systems

def blkid(at, length, *only):
    words = ["blkid", "-p", "-o", "udev", "-O", str(at), "-S", str(length)] + list(only) + [DEVICE]
    given, end = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(end, 1)
            os.execvp(words[0], words)
        finally:
            os._exit(127)
    os.close(end)
    with os.fdopen(given, "rb") as answer:
        text = answer.read().decode("utf-8", "replace")
    status = os.waitpid(child, 0)[1]
    if not os.WIFEXITED(status) or os.WEXITSTATUS(status) not in (0, 2, 8):
        sys.exit("blkid fails (%d)" % status)
    return os.WEXITSTATUS(status), dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

def file_systems(at, length, where, whole):
    code, facts = blkid(at, length)
    several = [facts]
    if code == 8:
        there("ambiguous signatures", where)
        several = [blkid(at, length, "-n", kind)[1] for kind in KINDS]
    for facts in several:
        kind = facts.get("ID_FS_TYPE", "")
        if not kind:
            continue
        raw = facts.get("ID_FS_LABEL_ENC", "").encode()
        raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), raw)
        label = clean(raw)
        say("id", "%s %s %s %s" % (kind, facts.get("ID_FS_UUID", ""), facts.get("ID_FS_UUID_SUB", ""), label))
        there(kind, where)
        if label and kind != "linux_raid_member":
            there("%s labelled %s" % (kind, label), where)
        mounted = clean(read(at + 1024 + 136, 64)) if kind.startswith("ext") else ""
        if "/srv/lxseed/" in mounted:
            say("ours", "%s of the pool %s" % (kind, mounted.rpartition("/")[2]))
        elif kind in ("btrfs", "ext2", "ext3", "ext4") and NAME.match(label) and (whole or label not in SYSTEMS):
            say("ours", "%s labelled as a pool is: %s" % (kind, label))
    return any(facts.get("ID_FS_TYPE") in ("vfat", "ntfs", "exfat") for facts in several)

def walk(at, length, where, depth):
    if depth > 8 or length < 512 or (at, length) in regions:
        return
    regions.append((at, length))
    md(at, length, where, depth)
    zfs(at, length, where)
    lvm(at, length, where, depth)
    # A boot sector ends as a partition table does.
    if not file_systems(at, length, where, not where.startswith(("partition", "LVM"))):
        partitions(at, length, where, depth)

# What was written through an array or a partition is not in the cache of the disk itself (BLKFLSBUF).
try:
    fcntl.ioctl(disk, 0x1261, 0)
except OSError:
    pass
walk(0, SIZE, "", 0)
for words in said:
    print("\t".join(words))
for at, length in regions:
    print("region\t%d\t%d" % (at, length))
PY

# empty DISK REGIONS: zeros over the beginning and the end of each region, "OFFSET LENGTH" a line, the inner ones first: as long
# as anything of an outer layer is left, a later look still finds what is inside it. Every signature and every copy of one lies
# there (ZFS and GPT keep copies at the end, md 1.0 and DDF their only one). The disk is held exclusively all the time: the
# kernel refuses where something uses it, and udev can make nothing of what is half gone.
read -r -d '' PY_EMPTY <<'PY' || true
import fcntl, os, sys
MIB = 1 << 20
try:
    disk = os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
    size = os.lseek(disk, 0, os.SEEK_END)
    regions = [tuple(map(int, line.split())) for line in open(sys.argv[2])]
    regions = [(at, length, 2 * MIB) for at, length in regions[::-1] if at] + [(0, size, 10 * MIB)]
    for at, length, much in regions:
        much = min(much, length)
        for begin in (at + length - much, at):
            os.lseek(disk, begin, os.SEEK_SET)
            left = much
            while left:
                left -= os.write(disk, bytes(min(left, MIB)))
        os.fsync(disk)
except OSError as problem:
    sys.exit(str(problem))
try:
    # BLKRRPART, which an array's member or a loop device may not know.
    fcntl.ioctl(disk, 0x125F, 0)
except OSError:
    pass
PY

# look_into NAME: keeps what lies on a block device for the functions below.
look_into() {
    timeout 300 python3 -IS -c "$PY_LAYERS" "/dev/${1#/dev/}" >"$RUN/layers" 2>"$RUN/layers.problem" ||
        later "/dev/${1#/dev/} cannot be looked at: $(tail -n 1 "$RUN/layers.problem")"
}

# layer KIND: the lines of that kind, of what was looked into last.
layer() { sed -n "s/^$1\t//p" "$RUN/layers"; }

# The word that stands for what lies on a disk: anything else in its place has another.
word_of_layers() { layer id | sort -u | sha256sum | cut -c 1-8; }
