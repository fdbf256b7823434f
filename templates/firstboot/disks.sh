
# ---- disks ----------------------------------------------------------------------------------------------------------
# Guarantees: every volume of the profile lies on the disks the profile means, and on no other. A disk is taken only if
# it is one whole fixed disk of the declared size, does not carry the running system, and is blank, or is what an
# earlier run of this script made of it. Anything else stops the host, names the disk and what is on it, and writes
# nothing. The only way to have a disk emptied is its own serial as `wipe` in the host's profile, and that works once.
#
# A volume passes these states, each written down before the step that it allows:
#   (none)   nothing is known: the guard must find blank disks
#   making   the disks were blank, and an array, zpool or file system is being made: what is half there is ours
#   ready    the volume is there and still empty
#   handed   LXD is being told to make a pool of it: a pool that LXD does not know is half made, and ours
#   made     LXD has the pool: from here on nothing is ever emptied again

stage_disks() {
    local i
    # A run that died inside `mdadm --create` leaves udev's queue stopped.
    udevadm control --start-exec-queue 2>/dev/null || true
    udevadm settle --timeout=60 2>/dev/null || true
    need_disk_tools
    find_slots
    for i in "${!VOLUME_NAMES[@]}"; do
        bring_volume "$i"
    done
    renew_initramfs
}

need_disk_tools() {
    local kind
    for kind in "${VOLUME_KINDS[@]}"; do
        case $kind in
        # Without recommended packages: mdadm of Ubuntu recommends a mail server.
        mirror) need mdadm mdadm ;;
        zfs_mirror) need zpool zfsutils-linux ;;
        esac
    done
}

# -- finding disks

# What udev knows of a disk: property NAME KEY...
property() {
    local known key line
    known=$(udevadm info --query=property --name="/dev/$1" 2>/dev/null || true)
    for key in "${@:2}"; do
        while IFS= read -r line; do
            [[ $line != "$key="* ]] || echo "${line#*=}"
        done <<<"$known"
    done
}

all_disks() {
    local at name
    for at in /sys/block/*; do
        name=${at##*/}
        case $name in
        # Layers over disks, and what has no serial or no place in a slot.
        dm-* | md* | ram* | zram* | sr* | fd*) continue ;;
        # The kernel makes eight of them at every boot, with nothing behind them.
        loop*) [[ -e $at/loop/backing_file ]] || continue ;;
        esac
        [[ -b /dev/$name ]] && echo "$name"
    done
    return 0
}

# virtio disks have their serial in sysfs only, and udev 237 copies it to ID_SERIAL; SCSI disks have a vendor's serial
# beside the one of the page-83 identifier.
serials() {
    local line file
    property "$1" ID_SERIAL_SHORT ID_SCSI_SERIAL ID_SERIAL
    for file in "/sys/block/$1/serial" "/sys/block/$1/device/serial"; do
        # Without an IFS of its own, read cuts off what pads a serial; sysfs may leave out the end of the line.
        if [[ -r $file ]] && { read -r line || [[ -n $line ]]; } 2>/dev/null <"$file"; then
            echo "$line"
        fi
    done
}

serial() { serials "$1" | sed '/^$/d' | sed -n 1p; }

# What each disk says of itself, by its kernel's name. Every slot's rule looks at every disk, and asking one costs several
# programs: with 24 disks in 24 slots that would be thousands.
DISKS=()
declare -A SERIALS=() WWNS=()

look_at_disks() {
    local name
    DISKS=() SERIALS=() WWNS=()
    for name in $(all_disks); do
        DISKS+=("$name")
        SERIALS[$name]=$(serials "$name")
        WWNS[$name]=$(property "$name" ID_WWN_WITH_EXTENSION ID_WWN)
    done
}

# has_line LINES LINE
has_line() { [[ $'\n'$1$'\n' = *$'\n'"$2"$'\n'* ]]; }

# The kernel's names of all disks that a slot's rule fits, as look_at_disks saw them last.
disks_of_slot() {
    local by=${SLOT_BY[$1]} value=${SLOT_VALUES[$1]} name
    case $by in
    by_id | by_path)
        if [[ -e /dev/disk/${by/_/-}/$value ]]; then
            basename "$(readlink -f "/dev/disk/${by/_/-}/$value")"
        fi
        return 0
        ;;
    esac
    for name in "${DISKS[@]}"; do
        case $by in
        serial) ! has_line "${SERIALS[$name]}" "$value" || echo "$name" ;;
        wwn) ! has_line "${WWNS[$name],,}" "${value,,}" || echo "$name" ;;
        hctl) [[ $(basename "$(readlink -f "/sys/block/$name/device")") != "$value" ]] || echo "$name" ;;
        esac
    done
}

size_of() { blockdev --getsize64 "/dev/$1"; }
human() { numfmt --to=si --suffix=B "$1"; }

describe() {
    local model
    model=$(property "$1" ID_MODEL)
    [[ -n $model ]] || model=$(sed 's/ *$//' "/sys/block/$1/device/model" 2>/dev/null || true)
    echo "/dev/$1 (${model:-no model}, serial $(serial "$1" | grep . || echo unknown), $(human "$(size_of "$1")"))"
}

# Every disk that something mounted or swapped on lies on, with the reason: "sda mounted at /boot"
busy_disks() {
    local source target name
    { findmnt -rnvo SOURCE,TARGET; awk 'NR > 1 { print $1, "[swap]" }' /proc/swaps; } | while read -r source target; do
        [[ -b $source ]] || continue
        for name in $(lsblk -nsro KNAME "$source" 2>/dev/null | sort -u); do
            echo "$name $target"
        done
    done
}

# A name that stays: a letter like sdb may belong to another disk at the next boot.
stable_path() {
    local pattern link
    for pattern in by-id/wwn- by-id/nvme-eui by-id/ by-path/; do
        for link in /dev/disk/"$pattern"*; do
            if [[ -e $link && $(readlink -f "$link") = "/dev/$1" ]]; then
                echo "$link"
                return 0
            fi
        done
    done
    echo "/dev/$1"
}

# SLOT_DISK[i]: the kernel's name, or nothing when there is none.
SLOT_DISK=()

find_slots() {
    local i j found needed
    look_at_disks
    for i in "${!SLOT_NAMES[@]}"; do
        SLOT_DISK[i]=
        needed=$(index_of "${SLOT_NAMES[$i]}" "${VOLUME_FIRST[@]}" "${VOLUME_SECOND[@]}" || true)
        if [[ -n $needed ]]; then
            # Controllers and slow drives show their disks seconds after the boot.
            wait_for 30 3 "the disk of slot ${SLOT_NAMES[$i]}" slot_has_disk "$i" || true
        fi
        mapfile -t found < <(disks_of_slot "$i")
        if [[ ${#found[@]} -gt 1 ]]; then
            stop "slot ${SLOT_NAMES[$i]}: ${SLOT_BY[$i]} ${SLOT_VALUES[$i]} fits ${#found[@]} disks:" \
                "$(for j in "${found[@]}"; do describe "$j"; done | paste -sd';')"
        fi
        SLOT_DISK[i]=${found[0]:-}
    done
    for i in "${!SLOT_NAMES[@]}"; do
        for j in "${!SLOT_NAMES[@]}"; do
            if [[ $j -gt $i && -n ${SLOT_DISK[$i]} && ${SLOT_DISK[$i]} = "${SLOT_DISK[$j]}" ]]; then
                stop "the slots ${SLOT_NAMES[$i]} and ${SLOT_NAMES[$j]} are the same disk: $(describe "${SLOT_DISK[$i]}")"
            fi
        done
    done
    check_os_slot
}

# Looks again at all disks only when the last look did not show it.
slot_has_disk() {
    [[ -z $(disks_of_slot "$1") ]] || return 0
    look_at_disks
    [[ -n $(disks_of_slot "$1") ]]
}

# If the profile and the machine disagree about the system's disk, they may disagree about the others too.
check_os_slot() {
    local i root
    i=$(index_of "$OS_SLOT" "${SLOT_NAMES[@]}") || return 0
    root=$(busy_disks | awk '$2 == "/" { print $1 }')
    if [[ -z ${SLOT_DISK[$i]} ]]; then
        say "no disk fits the slot $OS_SLOT (${SLOT_BY[$i]} ${SLOT_VALUES[$i]}); the data disks are checked one by one"
    elif [[ -n $root ]] && ! grep -qxF "${SLOT_DISK[$i]}" <<<"$root"; then
        stop "the profile's system disk ($OS_SLOT) is $(describe "${SLOT_DISK[$i]}"), but this system runs from" \
            "$(paste -sd' ' <<<"$root")"
    fi
}

# -- the guard

# What every data disk must be, whatever is on it: sane_disk SLOT-INDEX
sane_disk() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} size
    if [[ -e /sys/class/block/$name/partition ]]; then
        stop "slot $slot: /dev/$name is a partition, not a whole disk"
    fi
    if [[ $(cat "/sys/block/$name/removable" 2>/dev/null) = 1 || $(property "$name" ID_BUS) = usb ||
        $(readlink -f "/sys/block/$name") = */usb[0-9]* ]]; then
        stop "slot $slot: $(describe "$name") is removable or on USB; a pool must not lie on it"
    fi
    if [[ $(cat "/sys/block/$name/ro") = 1 ]]; then
        stop "slot $slot: $(describe "$name") is read-only"
    fi
    size=$(size_of "$name")
    if [[ -n ${SLOT_MIN[$1]} ]] && ((size < SLOT_MIN[$1])); then
        stop "slot $slot: $(describe "$name") is smaller than the declared $(human "${SLOT_MIN[$1]}")"
    fi
    if [[ -n ${SLOT_MAX[$1]} ]] && ((size > SLOT_MAX[$1])); then
        stop "slot $slot: $(describe "$name") is larger than the declared $(human "${SLOT_MAX[$1]}")"
    fi
}

# A disk that something uses is nobody's blank disk: idle_disk SLOT-INDEX
idle_disk() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} at holders
    at=$(busy_disks | awk -v name="$name" '$1 == name { print $2 }' | paste -sd' ')
    case " $at " in
    "  ") ;;
    *" / "* | *" /boot "* | *" /boot/efi "* | *" /usr "* | *" /var "*)
        stop "slot $slot: $(describe "$name") carries the running system (mounted at $at)"
        ;;
    *) stop "slot $slot: $(describe "$name") is in use (mounted at $at)" ;;
    esac
    holders=$(find "/sys/block/$name/" -maxdepth 3 -path '*/holders/*' -printf '%f ' 2>/dev/null)
    if [[ -n $holders ]]; then
        stop "slot $slot: $(describe "$name") is in use by $holders($(what_is_on "$name"))"
    fi
}

# What lies on a block device, in words; nothing for a blank one. Several programs are asked, because each misses
# something: wipefs sees all signatures, blkid their contents and conflicts, mdadm its names, LVM and ZFS theirs.
what_is_on() {
    local device=/dev/${1#/dev/} name text
    name=$(basename "$(readlink -f "$device")")
    {
        if ! wipefs --no-act --parsable "$device" 2>/dev/null >"$RUN/wipefs"; then
            echo "cannot be read"
        fi
        awk -F, '!/^#/ && NF > 3 { print $4 ($3 == "" ? "" : " labelled " $3) }' "$RUN/wipefs"
        # 2: nothing found. 8: more than one thing found, which is as far from blank.
        text=$(blkid -p -o value -s TYPE -s PTTYPE "$device" 2>/dev/null) || [[ $? = 2 ]] || echo "ambiguous signatures"
        printf '%s\n' "$text"
        if [[ -n $(find "/sys/class/block/$name/" -maxdepth 2 -name partition 2>/dev/null) ]]; then
            echo "partitions"
        fi
        if command -v mdadm >/dev/null; then
            mdadm --examine --export "$device" 2>/dev/null | sed -n 's/^MD_NAME=/member of the md array /p' || true
        fi
        if command -v pvs >/dev/null; then
            timeout 60 pvs --noheadings -o vg_name "$device" 2>/dev/null | sed 's/^ */LVM volume group /' || true
        fi
        if command -v zdb >/dev/null; then
            timeout 60 zdb -l "$device" 2>/dev/null | sed -n "s/^ *name: /ZFS pool /p" || true
        fi
    } | sed '/^$/d' | sort -u | paste -sd, | sed 's/,/, /g'
}

# blank_slot SLOT-INDEX: sane, idle, and nothing on it.
blank_slot() {
    local name=${SLOT_DISK[$1]} on
    sane_disk "$1"
    idle_disk "$1"
    on=$(what_is_on "$name")
    if [[ -n $on ]]; then
        stop "slot ${SLOT_NAMES[$1]}: $(describe "$name") is not blank: $on. It was left untouched. Take another disk," \
            "or allow this one to be emptied with 'wipe: $(serial "$name")' at the slot in the host's profile"
    fi
}

# -- emptying, on the profile's word only

# Runs before anything was ever made of the slot's volume; the mark makes it once per installation, and a power cut in the
# middle is finished, because then the disk is neither the old one nor blank.
wipe_if_allowed() {
    local slot=${SLOT_NAMES[$1]} name=${SLOT_DISK[$1]} allowed=${SLOT_WIPE[$1]}
    if [[ -z $allowed || -z $name ]] || marked "wiped-$slot"; then
        return 0
    fi
    if ! has_line "$(serials "$name")" "$allowed"; then
        say "slot $slot: the profile allows the disk with serial $allowed to be emptied, and this is $(describe "$name")"
        return 0
    fi
    sane_disk "$1"
    release_layers "$name"
    idle_disk "$1"
    if [[ -n $(what_is_on "$name") ]] || marked "wiping-$slot"; then
        say "slot $slot: emptying $(describe "$name") as the profile says; on it: $(what_is_on "$name")"
        mark "wiping-$slot" "$allowed"
        erase "$name"
    fi
    mark "wiped-$slot" "$allowed"
    unmark "wiping-$slot"
}

# udev assembles foreign arrays and volume groups at boot. Only idle ones let go.
release_layers() {
    local holder
    for holder in "/sys/block/$1"/holders/md* "/sys/block/$1"/*/holders/md*; do
        [[ ! -e $holder ]] || quietly timeout 60 mdadm --stop "/dev/${holder##*/}" || true
    done
    if command -v pvs >/dev/null; then
        for holder in $(timeout 60 pvs --noheadings -o vg_name "/dev/$1" 2>/dev/null); do
            quietly timeout 60 vgchange -an "$holder" || true
        done
    fi
    udevadm settle --timeout=30 2>/dev/null || true
}

# Signatures first, so that a cut leaves as little as possible; then both ends: ZFS and GPT keep copies at the end, md 1.0 and
# DDF their only one. wipefs opens the disk exclusively and refuses one that is in use.
erase() {
    local device=/dev/$1 size part
    size=$(blockdev --getsize64 "$device")
    for part in $(lsblk -nro KNAME "$device" | tail -n +2); do
        quietly wipefs --all "/dev/$part" || later "/dev/$part cannot be emptied: $SAID"
    done
    quietly wipefs --all "$device" || later "$device cannot be emptied: $SAID"
    quietly dd if=/dev/zero of="$device" bs=1M count=10 conv=fsync,notrunc
    quietly dd if=/dev/zero of="$device" bs=1M seek=$((size / 1048576 - 10)) count=10 conv=fsync,notrunc
    # The rest of a size that is no whole number of MiB.
    quietly dd if=/dev/zero of="$device" bs=512 seek=$((size / 512 - 2048)) count=2048 conv=fsync,notrunc
    blockdev --rereadpt "$device" 2>/dev/null || true
    udevadm settle --timeout=30 2>/dev/null || true
}
